"""Coefficients by column: the spread against the contributions of all rows, levels with their rows, the order."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import chainrule
from chainrule.data.schema import Column
from chainrule.data.variables import MOST_ROWS, RARE_ROWS, Facts, variables
from chainrule.fitting.coefficients import by_column, variables_of
from drawn_tools import drawn

pytestmark = pytest.mark.usefixtures("any_mark")


@st.composite
def frames(draw):
    m = draw(st.integers(12, 60))
    x = draw(arrays(float, m, elements=st.floats(-50, 50) | st.just(np.nan)))
    x[:2] = [1.0, 2.0]
    level = draw(arrays(np.int64, m, elements=st.integers(-1, 4)))
    level[:2] = [0, 1]
    s = draw(st.none() | arrays(float, m, elements=st.floats(0.5, 3.0)))
    y = draw(arrays(np.int64, m, elements=st.integers(0, 1)))
    y[:2] = [0, 1]
    cells = np.array([None if k < 0 else "abcde"[k] for k in level], dtype=object)
    return pd.DataFrame({"x": x, "k": cells, "z": np.arange(m) % 7}), y, s


@drawn
@given(frames(), st.sampled_from(["reference", "all"]))
def test_the_spread_is_the_deviation_of_the_contributions(problem, coding):
    frame, y, s = problem
    result = chainrule.fit(frame, y, sample_weight=s, alpha=0.1, coding=coding)
    found = variables_of(result)
    assert {variable.name for variable in found} == {"x", "k", "z"}
    assert sorted(place for variable in found for place in variable.places) == list(range(len(result.w)))
    spreads = [variable.spread for variable in found]
    assert spreads == sorted(spreads, reverse=True)
    assert sum(variable.share for variable in found) == pytest.approx(1.0)
    for variable in found:
        cells = frame[variable.name]
        if variable.kind == "category":
            w = {level.name: level.w for level in variable.levels}
            terms = np.array([w["(missing)" if pd.isna(cell) else cell] for cell in cells])
            for level in variable.levels:
                known = cells.isna() if level.name == "(missing)" else cells == level.name
                assert level.rows == np.count_nonzero(known)
                assert level.is_rare == (level.rows < RARE_ROWS)
            assert variable.reference == (None if coding == "all" else variable.levels[0].name)
        else:
            x = cells.to_numpy(float)
            mean = np.average(x[~np.isnan(x)], weights=None if s is None else s[~np.isnan(x)])
            terms = np.where(np.isnan(x), mean, x) * result.w[variable.place]
            for mark in variable.levels:
                terms = terms + np.isnan(x) * mark.w
        mean = np.average(terms, weights=s)
        spread = np.sqrt(np.average(np.square(terms - mean), weights=s))
        assert variable.spread == pytest.approx(spread, rel=1e-6, abs=1e-9)


def test_columns_of_an_array_are_ordered_by_w_times_sd():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 3)) * [1.0, 100.0, 0.01]
    result = chainrule.fit(X, X @ [1.0, 0.02, 1.0] + rng.logistic(size=500) > 0, alpha=1e-3)
    told = by_column(result)
    spread = np.abs(result.w) * X.std(axis=0)
    assert [variable["place"] for variable in told["variables"]] == np.argsort(-spread).tolist()
    assert [variable["spread"] for variable in told["variables"]] == pytest.approx(np.sort(spread)[::-1], rel=1e-9)
    assert [entry["sd"] for entry in told["coefficients"]] == pytest.approx(X.std(axis=0), rel=1e-9)


def test_infinite_levels_leave_the_spread_and_are_marked():
    columns = [Column("k", "category", levels=("a", "b", "c")), Column("x", "number")]
    w, facts = np.array([-1.0, 30.0, 0.5]), Facts(np.array([0.4, 0.2, 0.0]), np.ones(3), np.array([40, 20, 0]), 100)
    found = {
        each.name: each for each in variables(columns, ["k=b", "k=c", "x"], w, facts, np.array([0, 1, 0], np.int8))
    }
    assert [level.infinite for level in found["k"].levels] == [0, 0, 1]
    assert found["k"].spread == pytest.approx(0.5)  # half of the other rows have -1, half 0
    assert found["x"].spread == 0.5
    without = variables(columns, ["k=b", "k=c", "x"], w, None)
    assert [(each.name, each.spread, each.share) for each in without] == [("k", None, None), ("x", None, None)]
    assert [level.rows for level in without[0].levels] == [None] * 3


@pytest.mark.parametrize("w", [[0.0, 0.0], [1e300, -1e300], [5e-324, 1.0]])
def test_coefficients_of_any_size_have_a_spread(w):
    columns = [Column("k", "category", levels=("a", "b", "c"))]
    facts = Facts(np.array([0.25, 0.25]), np.full(2, 0.4), np.array([1, 1]), 4)
    (found,) = variables(columns, ["k=b", "k=c"], np.array(w), facts)
    assert np.isfinite(found.spread)
    assert found.share == (1.0 if any(w) else 0.0)


def test_many_rows_are_measured_on_a_sample():
    rng = np.random.default_rng(1)
    m = MOST_ROWS + 5000
    frame = pd.DataFrame({"x": rng.normal(size=m), "k": pd.Categorical(rng.choice(list("abc"), m))})
    result = chainrule.fit(frame, frame["x"] + rng.logistic(size=m) > 0)
    x, k = (next(each for each in variables_of(result) if each.name == name) for name in "xk")
    assert x.spread == pytest.approx(abs(result.w[0]) * frame["x"].std(), rel=0.02)
    assert sum(level.rows for level in k.levels) == m  # counts are of all rows
    rows = np.zeros(m)
    rows[:100] = 1.0  # most rows weigh nothing
    assert np.isfinite(chainrule.fit(frame, rng.random(m) < 0.5, sample_weight=rows, alpha=0.1).facts.sd).all()


@pytest.mark.parametrize("method", [{"epochs": 3}, {"batch_size": 8, "epochs": 3}, {"method": "newton"}])
def test_every_method_counts_the_rows_of_a_level(method, rng):
    frame = pd.DataFrame({"x": rng.normal(size=90), "k": np.repeat(["a", "b", "c"], [50, 30, 10])})
    y, s = rng.permutation(np.arange(90) % 2), np.where(np.arange(90) % 5, 1.0, 0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", chainrule.errors.ChainruleWarning)
        found = variables_of(chainrule.fit(frame, y, sample_weight=s, alpha=0.1, standardize=True, **method))
    (levels,) = (variable.levels for variable in found if variable.name == "k")
    assert {level.name: level.rows for level in levels} == {"a": 40, "b": 24, "c": 8}
