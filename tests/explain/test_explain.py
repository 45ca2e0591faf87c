"""One row explained: the numbers, the words, and that shares add up."""

import dataclasses
import json
import pickle
import re

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import chainrule
from chainrule import InputError, graph
from chainrule.explain import explain_row
from drawn_tools import classes, drawn, few, numbers

NAMES = ("bill", "mass")
KEYS = {
    "row", "epoch", "y", "label", "saturated", "weight", "sum_weights", "alpha", "features", "b", "z", "g", "loss",
    "dL_dg", "dg_dz", "dz_db", "dL_dz", "dL_db", "share_b", "share_b_of_gradient", "article_product", "stable", "path",
    "chain", "check", "note",
}  # fmt: skip
FEATURE_KEYS = {
    "name", "x", "x_user", "w", "contribution", "odds_factor", "probability_step", "dz_dw", "dL_dw", "share",
    "share_of_gradient", "penalty_gradient",
}  # fmt: skip


def explain(x=(1.5, -0.3), y=1.0, w=(1.0, 0.5), b=0.2, **options):
    return explain_row(x, y, w, b, **({"feature_names": NAMES} | options))


def strict_json(explanation):
    """Through JSON and back; NaN and infinities are errors."""
    return json.loads(json.dumps(explanation.to_dict(), allow_nan=False))


def test_the_articles_chain_with_numbers():
    """z = log 4 makes g = 0.8, dL/dg = -1.25, dg/dz = 0.16."""
    found = explain(x=[2.0, -1.0], w=[0.5, 0.0], b=np.log(4.0) - 1.0)
    assert found.g == pytest.approx(0.8, rel=1e-15)
    assert found.chain["dL_dg"] == "dL/dg = (1 - y)/(1 - g) - y/g = 0/0.2 - 1/0.8 = -1.25"
    assert found.chain["dg_dz"] == "dg/dz = g (1 - g) = 0.8 · 0.2 = 0.16"
    assert found.chain["dL_dz"] == "dL/dz = dL/dg · dg/dz = -1.25 · 0.16 = -0.2"
    assert found.chain["dL_dw"] == [
        "dL/dw_1 = dL/dz · dz/dw_1 = -0.2 · 2 = -0.4",
        "dL/dw_2 = dL/dz · dz/dw_2 = -0.2 · (-1) = 0.2",
    ]
    assert found.chain["stable"] == "dL/dz = (1 - 2y) sigmoid((1 - 2y) z) = -sigmoid(-1.38629) = -0.2"
    assert found.chain["dL_db"] == "dL/db = dL/dz · dz/db = -0.2 · 1 = -0.2"
    assert found.chain["L"] == "L = -log(g) = -log(0.8) = 0.223144"
    assert found.chain["z"] == "z = x · w + b = 2 · 0.5 + (-1) · 0 + 0.386294 = 1.38629"
    assert found.note is None


def test_numbers_in_the_chain_multiply():
    """Read the printed numbers back: left times right is the result, to the digits shown."""
    found = explain(weight=2.0, sum_weights=249.0)
    lines = [found.chain["dL_dz"], found.chain["dL_db"], found.chain["dg_dz"], *found.chain["dL_dw"]]
    for line in lines:
        left, right, result = (float(each) for each in re.findall(r"-?\d+\.?\d*(?:e-?\d+)?", line.split("=", 2)[2]))
        assert left * right == pytest.approx(result, rel=1e-5), line
    assert found.chain["share"][0].startswith("s/S · dL/dw_1 = 2/249 · ")


def test_values_and_derivatives_are_those_of_the_graph():
    found = explain(y=0.0)
    made = graph.logistic_graph([1.5, -0.3], 0.0, [1.0, 0.5], 0.2)
    assert found.dL_dg == pytest.approx(float(made.dL_dg), rel=1e-15)  # 1 - g is sigmoid(-z)
    for name in ("dg_dz", "dz_db", "dL_dz", "dL_db", "article_product"):
        assert getattr(found, name) == float(getattr(made, name))
    assert (found.z, found.g, found.loss) == tuple(float(node.value) for node in (made.z, made.g, made.loss))
    assert found.stable == found.dL_dz
    assert [each.dL_dw for each in found.features] == made.dL_dw.tolist()
    assert [each.dz_dw for each in found.features] == [1.5, -0.3]
    assert found.check["method"] == graph.COMPLEX_STEP
    assert found.check["of"] == "L"
    assert found.check["max_error"] < 1e-14


@few
@given(numbers((6, 3)), classes(6), numbers(3), st.none() | arrays(float, 6, elements=st.floats(0.1, 3.0)))
def test_shares_add_up_to_the_gradient(X, y, w, s):
    X[0] *= 100.0  # a saturated row has its share too
    b, weights = 0.4, np.ones(6) if s is None else s
    whole = graph.logistic_graph(X, y, w, b, s)
    assume((np.abs([*whole.dL_dw, float(whole.dL_db)]) > 1e-9).all())
    found = [
        explain_row(
            X[i], y[i], w, b, feature_names="abc", weight=weights[i], sum_weights=weights.sum(),
            gradient=(whole.dL_dw, float(whole.dL_db)),
        )
        for i in range(6)
    ]  # fmt: skip
    shares = np.array([[each.share for each in row.features] for row in found])
    shares_b = np.array([row.share_b for row in found])
    assert np.all(np.abs(shares.sum(axis=0) - whole.dL_dw) <= 1e-13 * np.abs(shares).sum(axis=0))
    assert abs(shares_b.sum() - float(whole.dL_db)) <= 1e-13 * np.abs(shares_b).sum()
    ratios = np.array([[each.share_of_gradient for each in row.features] for row in found])
    np.testing.assert_allclose(ratios.sum(axis=0), 1.0, atol=1e-13 * np.abs(ratios).sum(axis=0).max())
    ratios_b = [row.share_b_of_gradient for row in found]
    assert sum(ratios_b) == pytest.approx(1.0, abs=1e-13 * np.abs(ratios_b).sum())


@drawn
@given(numbers(6), numbers(6), st.floats(-3, 3))
def test_contributions_lead_from_b_to_z_and_steps_from_sigmoid_b_to_g(x, w, b):
    found = explain_row(x, 1.0, w, b, feature_names="abcdef")
    contributions = np.array([each.contribution for each in found.features])
    np.testing.assert_array_equal(contributions, x * w)
    np.testing.assert_array_equal([each.odds_factor for each in found.features], np.exp(x * w))
    assert b + contributions.sum() == pytest.approx(found.z, abs=1e-15 * (1 + np.abs([*contributions, b]).sum()))
    odds = np.exp(b) * np.prod([each.odds_factor for each in found.features])
    assert odds / (1 + odds) == pytest.approx(found.g, rel=1e-12)
    steps = [each.probability_step for each in found.features]
    assert found.path[0] == ("b", pytest.approx(1 / (1 + np.exp(-b)), rel=1e-15))
    assert found.path[-1][1] == found.g
    assert found.path[0][1] + sum(steps) == pytest.approx(found.g, abs=2e-15)
    # the path goes from the largest contribution to the smallest
    by_name = {each.name: each for each in found.features}
    sizes = [abs(by_name[name].contribution) for name, _ in found.path[1:]]
    assert sizes == sorted(sizes, reverse=True)
    for (_, before), (name, after) in zip(found.path, found.path[1:], strict=False):
        assert by_name[name].probability_step == pytest.approx(after - before, abs=1e-15)


def test_a_step_near_certainty_keeps_its_digits():
    found = explain(x=[50.0, 1.0], w=[1.0, 1.0], b=0.0)
    assert found.features[1].probability_step == pytest.approx(np.exp(-50) - np.exp(-51), rel=1e-13)


@pytest.mark.parametrize(
    ("z", "y", "rounded", "stable"),
    [
        (-710.0, 1.0, "0/1 - 1/4.47629e-309", -1.0),
        (40.0, 0.0, "1/0 - 0/1", 1.0),
        (40.0, 1.0, "0/0 - 1/1", -np.exp(-40.0)),
        (209.52, 0.0, "1/0 - 0/1", 1.0),
        (-800.0, 1.0, "0/1 - 1/0", -1.0),
        (-800.0, 0.0, "1/1 - 0/0", 0.0),
    ],
)
def test_a_saturated_row_shows_both_forms(z, y, rounded, stable):
    found = explain(x=[z, 0.0], y=y, w=[1.0, 0.0], b=0.0)
    assert found.saturated
    assert found.dL_dz == found.stable == pytest.approx(stable, rel=1e-15)
    assert not np.isfinite(found.article_product)
    fault = "divides by zero" if found.g in (0.0, 1.0) else "overflows"
    assert f"({rounded}) · " in found.note
    assert fault in found.note
    # 1 - g with its digits, unless a float64 has no number as small, or none as large as 1/g
    assert (fault in found.chain["dL_dz"]) == (fault in found.chain["dL_dg"]) == (abs(z) > 709)
    assert found.chain["stable"].endswith(f"sigmoid({(1 - 2 * y) * z:g}) = {stable:.6g}")
    as_json = strict_json(found)
    assert as_json["article_product"] is None
    assert as_json["stable"] == found.stable
    assert (as_json["dL_dg"] is None) == (stable in (-1.0, 1.0) and abs(z) > 709)
    assert as_json["check"]["max_error"] < 1e-14


def test_what_is_left_of_1_is_the_same_number_in_each_line():
    found = explain(x=[209.52, 0.0], y=0.0, w=[1.0, 0.0], b=0.0)
    rest = f"{np.exp(-209.52):.6g}"
    assert found.chain["L"] == f"L = -log(1 - g) = -log({rest}) = 209.52"
    assert f"= 1/{rest} - 0/1 = {np.exp(209.52):.6g}" in found.chain["dL_dg"]
    assert f"= 1 · {rest} = {rest}" in found.chain["dg_dz"]
    assert found.chain["dL_dz"].endswith(f" = {np.exp(209.52):.6g} · {rest} = 1")


def test_a_row_near_saturation_says_what_the_article_loses():
    found = explain(x=[30.0, 0.0], w=[1.0, 0.0], b=0.0)
    assert not found.saturated
    assert found.stable == pytest.approx(-np.exp(-30.0), rel=1e-12)
    assert abs(found.article_product / found.stable - 1) > 1e-5
    assert "has lost digits" in found.note


def test_an_unknown_class_has_a_prediction_and_no_loss():
    found = explain(y=None, gradient=([0.1, 0.2], 0.3), weight=2.0, sum_weights=5.0)
    known = explain(y=1.0)
    assert (found.z, found.g, found.dg_dz) == (known.z, known.g, known.dg_dz)
    for name in ("y", "loss", "dL_dg", "dL_dz", "dL_db", "share_b", "share_b_of_gradient", "article_product", "stable"):
        assert getattr(found, name) is None
    for each, other in zip(found.features, known.features, strict=True):
        assert each.dL_dw is each.share is each.share_of_gradient is None
        assert (each.contribution, each.probability_step) == (other.contribution, other.probability_step)
    assert set(found.chain) == {"z", "g", "dg_dz"}
    assert found.check["of"] == "g"
    assert found.check["max_error"] < 1e-14
    assert set(strict_json(found)) == KEYS


def test_the_dictionary_has_all_keys_and_only_json():
    found = explain(row=3, epoch=20, label="male", alpha=0.5, gradient=([0.1, 0.2], 0.3))
    as_json = strict_json(found)
    assert set(as_json) == KEYS
    assert [set(each) for each in as_json["features"]] == [FEATURE_KEYS] * 2
    assert (as_json["row"], as_json["epoch"], as_json["label"], as_json["alpha"]) == (3, 20, "male", 0.5)
    assert as_json["features"][1]["penalty_gradient"] == 0.25
    assert as_json["features"][0]["share_of_gradient"] == pytest.approx(found.features[0].share / 0.1, rel=1e-15)


def test_what_is_infinite_becomes_null():
    found = explain(x=[800.0, 1.0], y=1.0, w=[1.0, 1.0], gradient=([0.0, np.nan], 1.0))
    as_json = strict_json(found)
    assert as_json["features"][0]["odds_factor"] is None
    assert as_json["features"][0]["share_of_gradient"] is None
    assert as_json["features"][1]["share_of_gradient"] is None


def test_values_in_the_users_units():
    assert [each.x_user for each in explain(x_user=[36.7, 19.3]).features] == [36.7, 19.3]
    assert [each.x_user for each in explain().features] == [1.5, -0.3]


@pytest.mark.parametrize("m", [50, 333])
def test_a_missing_number_that_the_mean_replaced_is_exactly_0(rng, m):
    x = rng.normal(size=(m, 6)) * 10 + rng.uniform(1, 5000, size=6)
    x[3] = np.nan
    frame = {f"x{j}": x[:, j] for j in range(6)}
    y = rng.random(m) > 0.5
    with pytest.warns(chainrule.NotConvergedWarning):
        result = chainrule.fit(frame, y, method="gradient-descent", max_reads=3, missing="mean", standardize=True)
    assert [feature.x for feature in result.explain(frame, y, 3).features] == [0.0] * 6
    raw = chainrule.fit(frame, y, missing="mean")
    assert [each.x for each in raw.explain(frame, y, 3).features] == pytest.approx(np.nanmean(x, axis=0))


def test_many_features_are_abbreviated_in_the_sum():
    found = explain_row(np.ones(50), 1.0, np.full(50, 0.01), 0.0, feature_names=range(50))
    assert "... (40 more)" in found.chain["z"]
    assert len(found.chain["dL_dw"]) == 50


def test_frozen_and_picklable():
    found = explain()
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.z = 0.0
    assert pickle.loads(pickle.dumps(found)).to_dict() == found.to_dict()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"x": [[1.0, 2.0]]}, r"'X' has shape \(1, 2\), .*one row \(n,\)"),
        ({"x": [1.0, np.nan]}, "'X' has a NaN"),
        ({"w": [1.0]}, "'w' has shape"),
        ({"y": 2.0}, "the class 2"),
        ({"y": np.nan}, "'y' has a NaN"),
        ({"feature_names": ["bill"]}, "1 feature names for 2 features"),
        ({"weight": -1.0}, "weight -1 must be 0 or more"),
        ({"sum_weights": 0.0}, "the sum of weights 0 must be above 0"),
        ({"gradient": ([1.0], 0.0)}, "'gradient' has shape"),
        ({"x_user": [1.0]}, "'x_user' has shape"),
    ],
)
def test_bad_input_is_named(options, message):
    with pytest.raises(InputError, match=message):
        explain(**options)
