"""Levels with rows of one class only: infinite coefficients, and the fit of the rows that they leave."""

import json
import re
import warnings

import numpy as np
import pyarrow as pa
import pytest

from chainrule import LogisticRegression, Model, certify, fit
from chainrule.certificate import Factor
from chainrule.errors import CollinearityWarning, InputError, SeparationWarning
from finding_tools import levels_of, values_of


def quiet(*given, **how):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fit(*given, **how)


def left_by_counting(columns, y, s):
    """Brute force: the rows left, and the levels of one class by round, each with its class."""
    left, rounds = [i for i in range(len(y)) if s[i] > 0], []
    while True:
        found = {}
        for name, values in columns.items():
            for level in {values[i] for i in left}:
                seen = {y[i] for i in left if values[i] == level}
                if len(seen) == 1:
                    found[name, level] = seen.pop()
        if not found:
            return left, rounds
        rounds.append(found)
        left = [i for i in left if not any((name, values[i]) in found for name, values in columns.items())]


def least_loss(X, y, s):
    """Minimum of the sum of the losses, by Newton in long double with a vanishing ridge."""
    A = np.column_stack([X, np.ones(len(y))]).astype(np.longdouble)
    theta, y, s = np.zeros(A.shape[1], np.longdouble), y.astype(np.longdouble), s.astype(np.longdouble)
    for _ in range(60):
        g = 1 / (1 + np.exp(-(A @ theta)))
        H = ((A * (s * g * (1 - g))[:, None]).T @ A).astype(np.float64)
        step = np.linalg.lstsq(H + 1e-13 * np.eye(len(H)), (A.T @ (s * (y - g))).astype(np.float64), rcond=None)[0]
        theta = theta + step
    z = A @ theta
    return float((s * (np.logaddexp(np.longdouble(0), z) - y * z)).sum()), theta.astype(np.float64)


def drawn(seed, weighted=False):
    rng = np.random.default_rng(seed)
    m = int(rng.integers(20, 120))
    columns = {}
    for name, k in (("a", 7), ("b", 4), ("c", 9)):
        share = rng.dirichlet(np.full(k, 0.6))
        columns[name] = [f"{name}{level}" for level in rng.choice(k, size=m, p=share)]
    x = rng.normal(size=m).round(2)
    y = (rng.random(m) < 1 / (1 + np.exp(-x - 0.3))).astype(int)
    y[:2] = 0, 1
    s = rng.integers(0, 3, m).astype(float) if weighted else np.ones(m)
    s[:2] = 1
    return x, columns, y, s


@pytest.mark.parametrize("seed", range(60))
def test_rows_and_coefficients_of_the_limit(seed):
    """The infinite coefficients are those that counting finds; the others are the fit of the rows left, and F its share."""
    x, columns, y, s = drawn(seed, seed % 2 == 1)
    left, rounds = left_by_counting(columns, y, s)
    result = quiet(pa.table({"x": x, **columns}), y, sample_weight=s if seed % 2 else None, tol=1e-10)
    if not rounds or len({y[i] for i in left}) < 2:
        assert not result.infinite.any()
        return
    wanted = {
        f"{name}={level}": k * (1 if of else -1)
        for k, found in enumerate(rounds, 1)
        for (name, level), of in found.items()
    }
    names = dict(zip(result.feature_names, result.infinite.tolist(), strict=True))
    for name, value in wanted.items():
        assert names[name] == value, name
    assert {name for name, value in names.items() if value} == set(wanted)
    assert result.objective == pytest.approx(result.loss)
    S = s.sum()
    there = [c for c in result.encodings if c.kind == "category"]
    live = [
        j
        for j, name in enumerate(result.feature_names)
        if j == 0 or any(f"{c.name}={columns[c.name][i]}" == name for c in there for i in left)
    ]
    X = np.array(
        [
            [
                x[i],
                *(
                    float(columns[result.feature_names[j].split("=")[0]][i] == result.feature_names[j].split("=")[1])
                    for j in live[1:]
                ),
            ]
            for i in left
        ]
    )
    best, theta = least_loss(X, y[left], s[left])
    inf_F, proven = best / S, result.certificate
    assert proven.kind == "ridge" or result.objective == pytest.approx(inf_F, abs=1e-9)
    assert proven.infimum_at_least <= inf_F + 1e-13
    assert result.objective - inf_F <= proven.infimum_gap + 1e-13
    if proven.kind == "limit":
        assert result.reason == "no_optimum"
        assert result.objective - inf_F >= proven.lower - 1e-13
        assert np.all(np.abs(result.w[live] - theta[:-1]) <= proven.coef[live] + 1e-6)
        assert np.isinf(proven.coef[result.infinite != 0]).all()
    # the finite stand-ins: each row that left costs at most 1e-8
    z = np.array(
        [
            result.b
            + result.w[0] * x[i]
            + sum(
                w
                for name, w in zip(result.feature_names, result.w, strict=True)
                if "=" in name and columns[name.split("=")[0]][i] == name.split("=")[1]
            )
            for i in range(len(y))
        ]
    )
    gone = np.setdiff1d(np.flatnonzero(s > 0), left)
    assert np.logaddexp(0, -(2 * y[gone] - 1) * z[gone]).max() <= 1.001e-8


@pytest.fixture
def table():
    """`c=A`, the first level, and `c=D` have one class; x is a number."""
    rng = np.random.default_rng(0)
    x, c = rng.normal(size=300), rng.choice(list("ABCD"), 300, p=[0.1, 0.3, 0.3, 0.3])
    y = (rng.random(300) < 1 / (1 + np.exp(-x))).astype(int)
    y[c == "A"], y[c == "D"] = 0, 1
    return pa.table({"x": x, "c": c}), y


def test_what_is_said_of_them(table):
    with pytest.warns(SeparationWarning) as said:
        result = fit(*table)
    assert result.reason == "no_optimum"
    assert levels_of(said) == levels_of(result) == {"c=A": "class 0", "c=D": "class 1"}
    (told,) = values_of(result, "infinite")
    assert told["left"] == sum(level in "BC" for level in table[0]["c"].to_pylist())
    assert told["references"] == (("c", result.encodings[1].levels[0]),)
    assert "c=A" in result.message
    document = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert sorted(document["infinite"]) == [-1, 0, 0, 1]
    assert document["certificate"]["kind"] == "limit"


def test_the_certificate_is_that_of_the_rows_left_for_all_rows(table):
    X, y = table
    result = quiet(X, y, tol=1e-12)
    kept = np.isin(X["c"].to_pylist(), ["B", "C"])
    rest = fit(X.filter(pa.array(kept)), y[kept], tol=1e-12)
    share = kept.mean()
    assert result.objective == pytest.approx(share * rest.objective, rel=1e-12)
    assert result.accuracy == pytest.approx(share * rest.accuracy + 1 - share)
    assert result.certificate.gap <= share * rest.certificate.gap * (1 + 1e-9) + 1e-18
    assert result.w[0] == pytest.approx(rest.w[0], abs=1e-6)


@pytest.mark.parametrize("standardize", [False, True, "center"])
@pytest.mark.parametrize("weighted", [False, True])
def test_units_and_weights_change_nothing(standardize, weighted, table):
    X, y = table
    s = np.full(len(y), 0.5) if weighted else None
    plain, other = quiet(X, y, tol=1e-13), quiet(X, y, standardize=standardize, sample_weight=s, tol=1e-13)
    np.testing.assert_allclose(other.w, plain.w, rtol=1e-6)
    assert other.objective == pytest.approx(plain.objective, abs=1e-12)
    np.testing.assert_array_equal(other.infinite, plain.infinite)
    np.testing.assert_allclose(other.b_fit - other.center / other.scale @ other.w_fit, other.b, rtol=1e-12)


def test_callbacks_get_all_columns_as_x_has_them(table):
    """Although the first level is replaced: a step's loss is that of its coefficients, but for the certain rows."""
    X, y = table
    x, c = np.array(X["x"]), np.array(X["c"].to_pylist())
    design = np.column_stack([x, c == "B", c == "C", c == "D"])
    seen = []

    def look(step):
        z = design @ step.w + step.b
        seen.append((step.loss, np.logaddexp(0, (1 - 2 * y) * z).mean(), step.evaluation.gradient.shape))

    quiet(X, y, callbacks=[look])
    assert len(seen) > 2
    for loss, by_hand, shape in seen:
        assert by_hand == pytest.approx(loss, abs=1e-8)
        assert shape == (5,)


def test_trace_ends_at_the_result(table):
    result = quiet(*table)
    np.testing.assert_array_equal(result.trace.w[-1], result.w_fit)
    assert result.trace.columns["objective"][-1] == pytest.approx(result.objective)


@pytest.mark.parametrize("coding", ["reference", "all"])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_first_levels_are_replaced_only_with_an_intercept(coding, fit_intercept, table):
    X, y = table
    result = quiet(X, y, coding=coding, fit_intercept=fit_intercept)
    signs = dict(zip(result.feature_names, np.sign(result.infinite).tolist(), strict=True))
    assert signs["c=D"] == 1
    assert signs.get("c=A") == (-1 if coding == "all" or fit_intercept else None)
    assert (result.encodings[1].levels == ("A", "B", "C", "D")) == (coding == "all" or not fit_intercept)


@pytest.mark.usefixtures("any_mark")
def test_marks_of_missing_numbers_and_booleans_count_too():
    rng = np.random.default_rng(1)
    x, flag, y = rng.normal(size=200), rng.random(200) < 0.1, rng.integers(0, 2, 200)
    flag[:9] = False
    x[:9], y[:9], y[flag] = np.nan, 1, 0
    result = quiet(pa.table({"x": pa.array(x, from_pandas=True), "flag": flag, "c": rng.choice(["a", "b"], 200)}), y)
    signs = dict(zip(result.feature_names, result.infinite.tolist(), strict=True))
    assert signs == {"x": 0, "x missing": 1, "flag": -1, "c=b": 0}


def test_only_levels_of_one_class_leave_the_intercept():
    """A single category with one level of both classes: its share is all there is to fit."""
    c, y = np.repeat(["a", "b", "c"], 20), np.r_[np.zeros(20), np.tile([0, 0, 0, 1], 5), np.ones(20)].astype(int)
    result = quiet(pa.table({"c": c}), y)
    assert result.encodings[0].levels == ("b", "a", "c")
    assert result.infinite.tolist() == [-1, 1]
    assert result.b == pytest.approx(np.log(1 / 3), abs=1e-5)
    assert result.certificate.kind == "limit"
    assert [found.code for found in result.findings] == ["at limit", "infinite"]


def test_missing_levels_are_filled_in_also_where_the_first_level_is_replaced():
    """A blank counts as the most frequent level, which becomes the first: the same fit as with that level in its place."""
    c, y = np.array(["a", "a", *["b"] * 4, None], dtype=object), np.array([1, 1, 0, 1, 0, 1, 0])
    blank, whole = (quiet(pa.table({"c": of}), y, missing="mean") for of in (c, np.where(c == None, "b", c)))  # noqa: E711
    assert blank.certificate.kind == whole.certificate.kind == "limit"
    assert blank.infinite.tolist() == whole.infinite.tolist() == [1]
    np.testing.assert_array_equal(np.append(blank.w, blank.b), np.append(whole.w, whole.b))


@pytest.mark.parametrize("tiny", [1e-308, 5e-324])
def test_infinite_coefficients_without_a_finite_stand_in_are_refused(tiny):
    x, c, y = np.tile([0.0, 0.0, tiny, 0.0], 10), np.tile(["a", "b", "b", "a", "b"], 8), np.tile([0, 1, 1, 0], 10)
    y[:8] = 1 - y[:8]
    y[x > 0] = 1
    with pytest.raises(InputError, match="column 'x' is so small that its weight is beyond a float64"):
        quiet(pa.table({"x": x, "c": c}), y)


def test_the_new_first_level_is_that_of_most_weight():
    """As if each row were there as often as its weight says."""
    c, y = np.array(["a", "a", "b", "b", "b", "c", "c"]), np.array([1, 1, 0, 1, 0, 0, 1])
    s = np.array([1, 2, 1, 1, 1, 5, 1])
    weighted, repeated = quiet(pa.table({"c": c}), y, sample_weight=s), quiet(pa.table({"c": c.repeat(s)}), y.repeat(s))
    assert weighted.encodings[0].levels == repeated.encodings[0].levels == ("c", "b", "a")
    np.testing.assert_allclose(np.append(weighted.w, weighted.b), np.append(repeated.w, repeated.b), rtol=1e-6)


def test_complete_separation_stays_what_it_was():
    c, y = np.repeat(["a", "b", "c"], 20), np.repeat([0, 1, 1], 20)
    with pytest.warns(SeparationWarning):
        result = fit(pa.table({"c": c}), y)
    assert values_of(result, "separated")[0]["kind"] == "complete"
    assert not result.infinite.any()


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("seed", range(12))
def test_what_is_said_of_levels_that_separate_completely_is_true(seed, fit_intercept):
    """Each level named has one class, in the rows that levels named before leave; the ridge's point has every row right."""
    rng = np.random.default_rng(seed)
    m = 80
    a, b, c = (rng.integers(0, k, m) for k in (5, 4, 6))
    a[:3], b[:3] = 0, 0  # the first levels have both classes
    c[:3] = [1, 2, 0]
    y = np.where(np.isin(a, (1, 2)), a - 1, np.where(np.isin(b, (1, 2)), b - 1, 1 - c % 2))
    u = np.where((a == 3) & (y == 1), rng.random(m), 0.0) if seed % 2 else rng.random(m)
    table = pa.table({"a": a.astype(str), "b": b.astype(str), "c": c.astype(str), "u": u})
    result = quiet(table, y, fit_intercept=fit_intercept)
    said = values_of(result, "separated")[0]
    is_zero = (a == 0) & (b == 0) & (c == 0) & (u == 0.0) & (not fit_intercept)  # such rows have z = 0
    assert said["kind"] == ("quasi" if is_zero.any() else "complete")
    assert is_zero.any() or result.certificate.infimum_at_least == 0.0
    right = (result.predict_proba(table)[:, 1] > 0.5) == y
    assert right[~is_zero].all()
    if not fit_intercept:
        return
    left = {0: np.ones(m, bool), 1: np.ones(m, bool)}
    for cause in sorted(said["causes"], key=lambda cause: cause.values["of_rest"]):
        values, rest = cause.values, int(cause.values["of_rest"])
        if cause.code == "threshold":
            of, (side, label), some = values["column"], values["sides"][0], u > values["threshold"]
            assert (of, side) == ("u", "above")
        else:
            name, level = values["level"].split("=")
            label, some = values["class"], table[name].to_numpy(zero_copy_only=False) == level
        if not rest:
            assert set(y[some]) == {int(label.split()[-1])}
            left[1] &= ~some
        else:
            assert (some & left[1]).any(), "the rows of an earlier level alone would say nothing"
    assert left[1].sum() < m


def test_levels_within_levels_are_left_to_the_search_for_planes():
    """Rows left that a plane still separates get the documented ridge, and both causes are said."""
    rng = np.random.default_rng(0)
    x, c = rng.normal(size=600), rng.choice(list("ABCD"), 600, p=[0.1, 0.3, 0.3, 0.3])
    y = (rng.random(600) < 1 / (1 + np.exp(-x))).astype(int)
    y[c == "A"], y[c == "D"] = 0, 1
    e = np.where((c == "B") | ((c == "C") & (y == 1) & (rng.random(600) < 0.1)), "k", "l")
    result = quiet(pa.table({"x": x, "c": c, "e": e}), y)
    assert result.certificate.kind == "ridge"
    assert {"infinite", "separated"} <= {found.code for found in result.findings}
    assert np.count_nonzero(result.infinite) == 2
    assert values_of(result, "infinite")[0]["ridge"] == 1e-8


def test_many_levels_within_levels_get_the_ridge_at_once():
    """A search for planes among 500 columns takes long and mostly finds none. Falls that slow down are enough for the ridge."""
    rng = np.random.default_rng(0)
    a, b, u, y = (
        rng.integers(0, 180, 3000),
        rng.integers(0, 180, 3000),
        np.full(3000, "q", dtype=object),
        rng.integers(0, 2, 3000),
    )
    inside, around = np.flatnonzero(a == 0), rng.choice(np.flatnonzero(a), 8, replace=False)
    u[inside] = u[around] = "p"
    y[inside] = np.arange(len(inside)) % 2
    y[around], b[:4], y[:4] = 0, 180, 1
    columns = {name: [f"{name}{level}" for level in of] for name, of in (("a", a), ("b", b), ("again", a))}
    result = quiet(pa.table({**columns, "u": u}), y)
    assert result.feature_names[np.argmax(result.infinite)] == "b=b180"
    assert result.certificate.kind == "ridge"
    assert result.reads < 60


def test_a_column_that_gives_the_class_away_is_named_among_many_levels(monkeypatch):
    """Comparing the classes' extremes takes two reads, however many columns there are. Leverages of all rows prove nothing."""
    of_one_row = {1: Factor.leverages}
    monkeypatch.setattr(Factor, "leverages", lambda factor, U: of_one_row[len(U)](factor, U))
    rng = np.random.default_rng(0)
    y, c = rng.integers(0, 2, 4000), rng.integers(0, 400, 4000)
    y[c == 7] = 1
    leak = np.where(y == 1, 1.0, -1.0) * rng.uniform(0.1, 5.0, 4000)
    result = quiet(pa.table({"c": [f"c{level}" for level in c], "leak": leak}), y)
    assert result.verdict.startswith("Warning: the classes are completely separated")
    assert re.search("leak above [-.0-9]+ separates the classes completely", result.verdict)
    assert result.infinite[result.feature_names.index("c=c7")] == 1


def test_levels_without_rows_left_are_0_and_named():
    """`d=q` has both classes, but only in rows that leave with `c`."""
    c = np.array(["a"] * 10 + ["b"] * 10 + ["m"] * 40)
    y = np.r_[np.zeros(10), np.ones(10), np.tile([0, 1], 20)].astype(int)
    d = np.array(["q"] * 20 + ["p", "p", "r", "r"] * 10)
    result = quiet(pa.table({"c": c, "d": d}), y)
    at = result.feature_names.index("d=q")
    assert (result.w[at], result.infinite[at], result.certificate.coef[at]) == (0.0, 0, np.inf)
    assert values_of(result, "infinite")[0]["zero"] == ("d=q",)


def test_the_round_of_a_level_decides_where_signs_meet():
    """`d=q` has one class only after `c=a` left, so in rows with both `c=a` is right."""
    c, d = np.array(["a"] * 10 + ["m"] * 50), np.array(["q"] * 15 + ["p", "p", "r", "r", "p"] * 9)
    y = np.r_[np.zeros(10), np.ones(5), np.tile([0, 1, 1], 15)].astype(int)
    X = pa.table({"c": c, "d": d})
    with pytest.warns(SeparationWarning):
        model = LogisticRegression().fit(X, y)
    signs = dict(zip(model.result_.feature_names, model.result_.infinite.tolist(), strict=True))
    assert (signs["c=a"], signs["d=q"]) == (-1, 2)
    g = model.predict_proba(X)[:, 1]
    assert (g[:10] == 0).all()
    assert (g[10:15] == 1).all()
    assert ((g[15:] > 0) & (g[15:] < 1)).all()
    assert np.isfinite(model.decision_function(X)).all()
    assert (model.predict(X)[:15] == y[:15]).all()


def test_rows_with_both_signs_are_undetermined_and_counted(table):
    X, y = table
    X = X.append_column("d", pa.array(np.where(np.arange(300) % 7 == 0, "u", "v")))
    y = np.where((np.arange(300) % 7 == 0) & ~np.isin(X["c"].to_pylist(), ["A"]), 1, y)
    kept = ~((np.array(X["d"].to_pylist()) == "u") & (np.array(X["c"].to_pylist()) == "A"))
    X, y = X.filter(pa.array(kept)), y[kept]
    with pytest.warns(SeparationWarning):
        model = LogisticRegression().fit(X, y)
    new = pa.table({"x": [0.0, 0.0], "c": ["A", "A"], "d": ["u", "v"]})
    with pytest.warns(SeparationWarning) as said:
        g = model.predict_proba(new)
    assert values_of(said, "undetermined") == [{"rows": 1}]
    assert np.isnan(g[0]).all()
    assert g[1].tolist() == [1.0, 0.0]
    for fitted in (model, model.result_):
        with pytest.warns(SeparationWarning, match="undetermined"):
            assert fitted.predict(new).tolist() == [0, 0]


def test_columns_are_read_a_few_times_however_many_coefficients_are_infinite(monkeypatch):
    """Each infinite number is looked at alone, without the other columns."""
    rng = np.random.default_rng(0)
    y = np.arange(600) % 2
    X = {f"x{j}": ((rng.random(600) < 0.01) & (y == 1)).astype(int) for j in range(80)} | {
        "c": rng.choice(list("ab"), 600)
    }
    result, columns = quiet(X, y), []
    assert np.count_nonzero(result.infinite) > 70
    monkeypatch.setattr(
        Model, "_add", lambda model, column, x, z, add=Model._add: (columns.append(column), add(model, column, x, z))
    )
    result.predict_proba(X)
    assert len(columns) < 3 * 81


def test_negative_numbers_turn_an_infinite_coefficient_around():
    """Two infinite terms of different signs have no sum, however their numbers compare."""
    rng = np.random.default_rng(0)
    y, c = rng.integers(0, 2, 60), rng.choice(["a", "b"], 60)
    u, v = (np.where((y == 1) & (rng.random(60) < 0.3), 0.5, 0.0) for _ in range(2))
    X, new = (
        pa.table({"u": u, "v": v, "c": c}),
        {"u": [0.5, 0.5, 1, -1, -1], "v": [-0.5, -0.25, 0, 0, -1.0], "c": ["a"] * 5},
    )
    result = quiet(X, y)
    assert result.infinite.tolist() == [1, 1, 0]
    wanted = [np.nan, np.nan, 1.0, 0.0, 0.0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator = LogisticRegression(alpha=None).fit(X, y)
    for fitted in (result, estimator):
        with pytest.warns(SeparationWarning, match="2 rows"):
            np.testing.assert_array_equal(fitted.predict_proba(pa.table(new))[:, 1], wanted)


def test_anyones_coefficients_are_measured_from_the_infimum(table):
    X, y = table
    result = quiet(X, y, coding="all", tol=1e-13)
    proven = certify(X, y, np.zeros(4), 0.0)
    inf_F = result.certificate.infimum_at_least
    assert proven.kind == "infimum"
    assert proven.lower <= np.log(2) - inf_F <= proven.gap * (1 + 1e-9)
    assert proven.gap - proven.lower <= 1e-8


def test_descent_is_measured_from_the_infimum_and_stays_finite(table):
    result = quiet(*table, method="gradient-descent", max_reads=20, standardize=True)
    assert levels_of(result) == {"c=A": "class 0", "c=D": "class 1"}
    assert not any("left" in told for told in values_of(result.findings[1:], "infinite"))  # no such fit is returned
    assert result.certificate.kind == "infimum"
    assert result.feature_names == ("x", "c=B", "c=C", "c=D")
    assert not result.infinite.any()


def test_rows_of_weight_0_do_not_count(table):
    X, y = table
    y, s = y.copy(), np.ones(300)
    one = np.flatnonzero(np.array(X["c"].to_pylist()) == "D")[0]
    y[one], s[one] = 0, 0.0
    for weights, sign in ((s, 1), (None, 0)):
        found = quiet(X, y, sample_weight=weights)
        assert found.infinite[found.feature_names.index("c=D")] == sign


def test_a_penalty_keeps_all_coefficients_finite(table):
    result = fit(*table, alpha=1e-3)  # a warning would be an error
    assert not result.infinite.any()
    assert result.encodings[1].levels[0] == "A"


def test_collinear_rows_left_are_said_to_be_so(table):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        result = fit(*table, coding="all")
    assert [each.category for each in said] == [SeparationWarning, CollinearityWarning]
    assert [of["of_rest"] for of in values_of(said[1], "collinear")] == [True]
    assert result.certificate.kind == "limit"


def test_chains_take_a_round_each():
    """Each level has one class only after the one before left."""
    k = 12
    pairs = [(f"a{i}", f"b{i}", 0) for i in range(k)] + [(f"a{i + 1}", f"b{i}", 1) for i in range(k)]
    pairs += [(f"a{k}", f"b{k}", i % 2) for i in range(10)] * 2
    a, b, y = (np.array(each) for each in zip(*pairs, strict=True))
    _, rounds = left_by_counting({"a": a, "b": b}, y, np.ones(len(y)))
    result = quiet(pa.table({"a": a, "b": b}), y)
    assert np.abs(result.infinite).max() == len(rounds) == 2 * k


@pytest.mark.parametrize("method", ["newton", "auto"])
def test_a_run_that_stops_early_says_what_is_proven_of_all_rows(method, table):
    result = quiet(*table, method=method, max_reads=0, tol=1e-14)
    assert result.reason == "max_reads"
    assert np.count_nonzero(result.infinite) == 2
    stopped, infinite, *rest = result.findings
    assert (infinite.code, [each.code for each in rest]) == ("infinite", [stopped.code])
    assert stopped.values["certificate"].sentence == result.certificate.sentence


def test_ctrl_c_returns_the_best_point_of_all_columns(table):
    def stop(step):
        if step.epoch == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as stopped:
        quiet(*table, callbacks=[stop])
    result = stopped.value.result
    assert result.reason == "interrupted"
    assert len(result.w) == 4
    assert np.isfinite(result.w).all()


def test_rows_of_a_limit_are_known_as_the_training_rows(table):
    X, y = table
    with pytest.warns(SeparationWarning):
        result = fit(X, y)
    assert result.infinite.any()
    assert "; a training row)" in str(result.explain(X, y, 0))


def test_printed_limits_have_proven_digits_and_no_stand_ins(table):
    X, y = table
    with pytest.warns(SeparationWarning):
        result = fit(X, y)
    for shown in (str(result), str(result.model)):
        assert "proven digits  odds ratio" in shown
        assert "-19.73" not in shown
        assert re.search(r"\b(c=)?A +(22 +)?-inf +0\b", shown)
        assert re.search(r"\b(c=)?D +(85 +)?inf +inf\b", shown)


def test_a_column_of_0_and_1_in_a_table_of_numbers_is_counted_as_a_level_is():
    rng = np.random.default_rng(4)
    x, u = rng.normal(size=(2, 90))
    y = (rng.random(90) < 1 / (1 + np.exp(-x))).astype(int)
    dummy = np.where(y == 1, rng.random(90) < 0.3, False).astype(int)
    result = quiet(pa.table({"x": x, "dummy": dummy, "u": u}), y)
    of_level = quiet(pa.table({"x": x, "u": u, "dummy": np.where(dummy, "yes", "no")}), y)
    assert dict(zip(result.feature_names, result.infinite.tolist(), strict=True)) == {"x": 0, "dummy": 1, "u": 0}
    assert result.certificate.kind == "limit"
    np.testing.assert_allclose(result.w[[0, 2]], of_level.w[:2], rtol=1e-6)
    shown = {line.split()[0]: line.split() for line in str(result).splitlines() if line.strip()}
    assert shown["dummy"][1:] == ["inf", "inf", "0"]
    probability = result.predict_proba({"x": [-9.0], "dummy": [1], "u": [0.0]})
    np.testing.assert_array_equal(probability, [[0.0, 1.0]])


def test_numbers_of_an_array_are_not_counted():
    X = np.column_stack([np.tile([0.0, 1.0, 2.0], 20), np.repeat([0.0, 1.0], 30)])
    y = (np.arange(60) >= 30) | (np.arange(60) % 2 == 0)
    assert quiet(X, y).certificate.kind == "ridge"


def test_a_mark_stays_where_its_number_is_0_in_all_rows_that_have_one():
    """The number has no coefficient beside the level of one class, and its mark has: this was a ValueError."""
    rng, m = np.random.default_rng(3), 120
    c, lost = np.array(["a", "b", "c"])[np.arange(m) % 3], np.arange(m) % 4 == 0
    y = (rng.random(m) < np.where(lost, 0.3, 0.6)).astype(int)
    y[c == "c"] = 1
    x = pa.array(np.where(lost, np.nan, 0.0), from_pandas=True)
    with pytest.warns(SeparationWarning):
        found = fit(pa.table({"c": c, "x": x}), y)
    rest = fit(np.c_[c == "b", lost][c != "c"].astype(float), y[c != "c"])
    assert list(found.infinite) == [0, 1, 0, 0]
    assert found.w[[0, 2, 3]] == pytest.approx([rest.w[0], 0.0, rest.w[1]], abs=1e-5)
    assert found.certificate.kind == "limit"
