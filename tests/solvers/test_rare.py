"""Rare levels: whose rows a sample takes, where their coefficients settle, and what leverage their rows have at most."""

import math

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import assume, given
from hypothesis import strategies as st

import chainrule
from chainrule.certificate.bounds import bound, kappa_of_levels
from chainrule.certificate.factor import Factor
from chainrule.data.designs import rows_of
from chainrule.data.rows import rare_rows, spread_rows
from chainrule.data.rows.moments import guess_units, mean_squares, reach
from chainrule.data.rows.rare import rare_columns
from chainrule.data.sampling import sample
from chainrule.objective import DataObjective
from chainrule.penalties import ridge
from chainrule.solvers.newton import Newton
from chainrule.solvers.rare import settle
from drawn_tools import drawn, numbers, whole
from finding_tools import levels_of


def frame_of(rng, m, levels=(3, 40), numbers=2):
    """Levels whose shares fall like 1/rank^2, so that the last ones have few rows."""
    columns = {f"x{j}": rng.standard_normal(m) * 3.0**j for j in range(numbers)}
    for k, count in enumerate(levels):
        share = np.arange(1.0, count + 1) ** -2
        codes = rng.permutation(count)[rng.choice(count, m, p=share / share.sum())]
        columns[f"c{k}"] = pd.Categorical.from_codes(codes, [f"v{j}" for j in range(count)]).remove_unused_categories()
    return pd.DataFrame(columns)


def as_rows(frame, y, coding="all", s=None):
    return rows_of(frame, y, s, coding=coding, n_threads=1)[0]


def expanded(rows):
    return rows.numbers()


@pytest.mark.parametrize("coding", ["reference", "all"])
@pytest.mark.parametrize("intercept", [True, False])
def test_leverage_is_at_most_what_the_levels_say(coding, intercept, rng):
    for _ in range(20):
        m = int(rng.integers(50, 800))
        frame = frame_of(rng, m, levels=tuple(rng.integers(1, 30, int(rng.integers(1, 4)))))
        rows = as_rows(frame, rng.integers(0, 2, m), coding)
        if rows.n_features < 2:
            continue
        alpha = 10.0 ** rng.uniform(-6, 0)
        g = 1.0 / (1.0 + np.exp(-rng.normal(size=m) * 3))
        X = np.column_stack([expanded(rows), np.full(m, float(intercept))])
        B = (X * (g * (1 - g) / m)[:, np.newaxis]).T @ X
        B[np.diag_indices(rows.n_features)] += alpha
        if not intercept:
            B[-1, -1] = 1.0
        factor = Factor.of(B, 1e-13)
        assert factor.ok
        exact = np.sqrt(np.einsum("ij,ij->i", X, np.linalg.solve(B, X.T).T).max())
        proven = kappa_of_levels(factor, rows.design.groups, reach(rows), intercept)
        assert exact <= proven * (1 + 1e-9)
        # A triangle of one side a column: no more than their number too large, and the centre's.
        assert proven <= exact * (len(frame.columns) + 2)


def test_levels_that_add_up_to_the_bias_make_no_leverage(rng):
    """Where all levels have coefficients, directions without rows carry the penalty alone; no row has them."""
    m = 20_000
    frame = frame_of(rng, m, levels=(5, 7), numbers=0)
    rows = as_rows(frame, rng.integers(0, 2, m))
    X = np.column_stack([expanded(rows), np.ones(m)])
    B = X.T @ X / (4 * m)
    B[np.diag_indices(rows.n_features)] += 1e-9
    factor = Factor.of(B, 1e-13)
    exact = np.sqrt(np.einsum("ij,ij->i", X, np.linalg.solve(B, X.T).T).max())
    assert kappa_of_levels(factor, rows.design.groups, reach(rows), True) <= 3 * exact
    assert 1.0 / np.sqrt(factor.lambda_min) > 300 * exact


@pytest.mark.parametrize("coding", ["reference", "all"])
@pytest.mark.parametrize("weighted", [False, True])
def test_all_rows_of_rare_levels_are_found(coding, weighted, rng):
    m = 30_000
    frame, y = frame_of(rng, m, levels=(60, 90)), rng.integers(0, 2, m)
    frame.loc[rng.choice(m, 80, replace=False), "x1"] = np.nan  # a mark of missing numbers is as rare
    frame.loc[rng.choice(m, 70, replace=False), "c0"] = np.nan
    s = rng.choice([0.0, 1.0, 2.0], m) if weighted else None
    rows = as_rows(frame, y, coding, s)
    rare = rare_rows(rows, 1 / 16, m / 8)
    assert {rows.feature_names[j] for j in rare.columns} >= {"x1 missing", "c0=(missing)"}
    X, kept = expanded(rows), rows.is_kept
    counts = X[kept].sum(axis=0)
    assert 5 < len(rare.columns)
    assert (counts[rare.columns] / 16 < 100).all()
    others = np.setdiff1d(np.flatnonzero(rows.design.numeric == 0), rare.columns)
    assert counts[rare.columns].max() <= counts[others].min()
    if coding == "all":
        assert np.array_equal(rare.rows, np.flatnonzero((X[:, rare.columns] > 0).any(axis=1) & kept))
    assert not set(np.flatnonzero((X[:, rare.columns] > 0).any(axis=1) & kept)) - set(rare.rows)
    marks = X[:, ~rows.design.numeric]
    of_csr = rows_of(sp.csr_array(marks), y, s, n_threads=1)[0]
    found = rare_rows(of_csr, 1 / 16, m / 8)
    assert np.array_equal(found.rows, np.flatnonzero((marks[:, found.columns] > 0).any(axis=1) & kept))


@pytest.mark.parametrize("coding", ["reference", "all"])
def test_rows_are_counted_whatever_they_weigh(coding, rng):
    """Sums of weights of very different sizes say nothing of how many rows there are."""
    m = 30_000
    frame, y = frame_of(rng, m, levels=(60,)), rng.integers(0, 2, m)
    size = 10.0 ** rng.uniform(-200, 90, 60)[frame["c0"].cat.codes.to_numpy()]
    plain = as_rows(frame, y, coding)
    weighted = as_rows(frame, y, coding, size)
    expected, found = rare_rows(plain, 1 / 16, m / 8), rare_rows(weighted, 1 / 16, m / 8)
    assert len(expected.columns) > 5
    assert np.array_equal(found.columns, expected.columns)
    assert np.array_equal(found.rows, expected.rows)
    X = sp.csr_array(expanded(plain)[:, 2:])
    expected, found = (rare_rows(rows_of(X, y, s, n_threads=1)[0], 1 / 16, m / 8) for s in (None, size))
    assert np.array_equal(found.columns, expected.columns)
    assert np.array_equal(found.rows, expected.rows)


@pytest.mark.parametrize("index", [np.int32, np.int64])
def test_rare_columns_of_any_sign_are_found_and_zeros_are_none(index, rng):
    """A row may have two rare columns whose numbers add up to 0, and zeros that are stored."""
    m, n = 5_000, 30
    X = np.where(rng.random((m, n)) < 0.004, rng.choice([-1.0, 1.0, 5e-324], (m, n)), 0.0)
    X[rng.choice(m, 10), :2] = [1.0, -1.0]
    X[:, -1] = 1.0
    stored = sp.csr_array(X)
    full = sp.csr_array((X.ravel(), np.tile(np.arange(n), m), np.arange(0, m * n + 1, n)), shape=(m, n))
    s = rng.choice([0.0, 1.0], m, p=[0.3, 0.7])
    for matrix in (stored, full):
        matrix.indices, matrix.indptr = matrix.indices.astype(index), matrix.indptr.astype(index)
        for weights in (None, s):
            rows = rows_of(matrix, rng.integers(0, 2, m).astype(np.uint8), weights, coding="all", n_threads=1)[0]
            kept = rows.is_kept
            counts = np.count_nonzero(X[kept], axis=0)
            rare = rare_rows(rows, 1 / 16, m / 8)
            assert rare.columns.tolist() == list(range(n - 1))
            assert counts.min() > 0
            assert np.array_equal(rare.rows, np.flatnonzero((X[:, rare.columns] != 0).any(axis=1) & kept))
            places = np.sort(rng.choice(m, m // 2, replace=False))
            part = rows.take(places)
            found = rare_rows(part, 1 / 16, m / 8)
            has_one = (X[places][:, found.columns] != 0).any(axis=1) & part.is_kept
            assert np.array_equal(found.rows, np.flatnonzero(has_one))


def test_rows_that_are_left_count_for_what_they_weigh(rng):
    """Beside rows of rare levels that weigh 1e16 times as much."""
    m = 40_000
    frame, y = frame_of(rng, m, levels=(50,)), rng.integers(0, 2, m)
    plain = as_rows(frame, y)
    rare = rare_rows(plain, 1 / 16, m / 16)
    s = np.ones(m)
    s[rare.rows] = 1e16 / 3
    rows = as_rows(frame, y, s=s)
    strata = sample(
        rows, m // 16, (rows.s[y == 0].sum(), rows.s[y == 1].sum()), rare_rows(rows, (m // 16) / m, m // 16)
    )
    weight = strata[1].multiplier * strata[1].rows.s.sum() * rows.weight_unit
    assert weight == pytest.approx(m - len(rare.rows), rel=1e-12)


def test_rare_levels_come_first_and_no_more_rows_than_wanted():
    counts = np.array([0.0, 5.0, 10.0, 1000.0, 1e6])
    assert rare_columns(counts, 1 / 16, 1000).tolist() == [False, True, True, False, False]
    assert rare_columns(counts, 1 / 16, 1015).tolist() == [False, True, True, True, False]
    assert rare_columns(counts, 1 / 16, 7).tolist() == [False, True, False, False, False]


@pytest.mark.parametrize("share_of_ones", [0.5, 0.02])
def test_a_sample_with_rare_levels_counts_each_row_once(share_of_ones, rng):
    m = 40_000
    frame, y = frame_of(rng, m, levels=(50,)), (rng.random(m) < share_of_ones).astype(int)
    rows = as_rows(frame, y)
    weights = (float(m - y.sum()), float(y.sum()))
    strata = sample(rows, m // 16, weights, rare_rows(rows, (m // 16) / m, m // 16))
    assert len(strata) == 2
    assert strata[0].multiplier == 1.0
    assert len(strata[0].places)
    total = sum(part.multiplier * (part.rows.n_rows if part.rows.s is None else part.rows.s.sum()) for part in strata)
    assert total == pytest.approx(m, rel=1e-12)
    kept = strata[1].rows.places[strata[1].rows.is_kept]
    assert not set(kept) & set(strata[0].rows.places)


def test_coefficients_of_rare_levels_settle_where_their_slope_vanishes(rng):
    m = 20_000
    frame, y = frame_of(rng, m, levels=(40, 30)), rng.integers(0, 2, m)
    y[frame["c0"].cat.codes.to_numpy() % 5 == 1] = 0  # levels of one class have far to go
    rows = as_rows(frame, y)
    on = DataObjective(rows, ridge(1 / m, rows.n_features))
    rare = rare_rows(rows, 1 / 16, m / 4)
    w = rng.normal(size=rows.n_features)
    before = on.evaluate(np.append(w, 0.3))
    settled = settle(on, rare, np.append(w, 0.3))
    after = on.evaluate(settled)
    others = np.setdiff1d(np.arange(rows.n_features), rare.columns)
    assert np.array_equal(settled[:-1][others], w[others])
    assert after.objective < before.objective
    size = np.abs(before.gradient[:-1][rare.columns]).max()
    assert np.abs(after.gradient[:-1][rare.columns]).max() < 0.02 * size


@pytest.mark.parametrize("coding", ["reference", "all"])
def test_many_rare_levels_are_fitted_from_samples_to_the_bound(coding, rng):
    m = 120_000
    frame = frame_of(rng, m, levels=(12, 150))
    z = frame["x0"].to_numpy() - 0.5 + rng.normal(size=200)[frame["c1"].cat.codes.to_numpy()]
    y = (rng.random(m) < 1.0 / (1.0 + np.exp(-z))).astype(int)
    found = chainrule.fit(frame, y, alpha=1 / m, coding=coding, method="newton", n_threads=1)
    again = chainrule.fit(frame, y, alpha=1 / m, coding=coding, method="newton", n_threads=3)
    assert np.array_equal(found.w, again.w)
    assert found.reason == "converged"
    assert found.certificate.gap <= found.tol
    assert found.reads < 16
    X = expanded(as_rows(frame, y, coding))
    exact = chainrule.fit(X, y, alpha=1 / m, tol=1e-18)
    assert np.abs(found.w - exact.w).max() <= found.certificate.coef.max() + exact.certificate.coef.max()


@st.composite
def rows_and_errors(draw):
    """Rows whose last column is nearly the first, and the error of each column's sum."""
    n = draw(st.integers(2, 6))
    X = draw(numbers((8, n))) * 10.0 ** draw(whole(n, 4))
    X[:, -1] = X[:, 0] + 1e-5 * X[:, -1]
    return X, 1e-12 * draw(numbers(n)) * 10.0 ** draw(whole(n, 4))


@drawn
@given(rows_and_errors())
def test_rounding_of_the_gradient_counts_column_by_column(problem):
    """Of any error within e the norm is at most what the bound takes."""
    X, error = problem
    assume(X.any(axis=0).all())
    B, e = X.T @ X / len(X), np.abs(error)
    factor = Factor.of(B, 1e-13)
    assume(factor.ok)
    proven = bound(factor, np.zeros(len(e)), e, kappa=np.sqrt(factor.leverages(X).max()))
    assert error @ np.linalg.solve(B, error) <= proven.nu**2 * (1 + 1e-6)
    scaled = e * factor.inverse_D
    assert proven.nu <= np.sqrt(scaled @ scaled / factor.lambda_min) * (1 + 1e-9)


@pytest.mark.parametrize("coding", ["reference", "all"])
def test_levels_of_one_class_are_named_and_the_limit_is_certified(coding, rng):
    """A level of a single row beside columns that repeat each other: rounding hides little of each, and not both at once."""
    m = 20_000
    frame = frame_of(rng, m, levels=(6, 9))
    z = frame["x0"].to_numpy() - 0.5
    y = (rng.random(m) < 1.0 / (1.0 + np.exp(-z))).astype(int)
    codes = rng.integers(0, 3, m)
    codes[np.flatnonzero(y == 0)[0]] = 3
    frame["place"] = pd.Categorical.from_codes(codes, ["a", "b", "c", "d"])
    frame["again"] = frame["x1"]
    with (
        pytest.warns(chainrule.SeparationWarning) as said,
        pytest.warns(chainrule.CollinearityWarning),
    ):
        found = chainrule.fit(frame, y, coding=coding)
    assert levels_of(said) == {"place=d": "class 0"}
    assert "x1 = again" in found.relations
    assert (found.reason, found.certificate.kind) == ("no_optimum", "limit")
    assert found.certificate.gap <= found.tol
    assert found.reads < 55  # of few rows each step makes a Hessian, which is two reads of a table


def test_a_first_level_of_one_class_is_seen_before_a_run(rng):
    """It has no coefficient: the intercept and those of all other levels keep its rows apart."""
    m = 4_000
    codes, x = rng.integers(0, 5, m), rng.normal(size=m)
    y = np.where(codes == 0, 1, rng.random(m) < 1.0 / (1.0 + np.exp(-x))).astype(int)
    frame = pd.DataFrame({"x": x, "c": pd.Categorical.from_codes(codes, list("abcde"))})
    with pytest.warns(chainrule.SeparationWarning) as said:
        found = chainrule.fit(frame, y)
    assert levels_of(said) == {"c=a": "class 1"}
    assert (found.reason, found.certificate.kind) == ("no_optimum", "limit")
    assert found.reads < 80
    assert chainrule.fit(frame, y, fit_intercept=False).reason == "converged"


@pytest.mark.parametrize("with_levels", [False, True])
@pytest.mark.parametrize("share_of_ones", [0.5, 0.01])
@pytest.mark.parametrize("left", [0, 1, 50, 3000])
def test_a_sample_meets_rows_of_positive_weight_wherever_they_are(with_levels, share_of_ones, left, rng):
    """All rows where a sample would look weigh nothing, but for the rare ones, and `left` rows elsewhere."""
    m, size = 20_000, 1000
    frame, y = frame_of(rng, m, levels=(40,)), (rng.random(m) < share_of_ones).astype(int)
    whole = as_rows(frame, y)
    found = rare_rows(whole, size / m, size) if with_levels else None
    s = np.zeros(m)
    elsewhere = np.setdiff1d(np.arange(m), spread_rows(m, size))
    s[rng.choice(elsewhere, max(left, 2), replace=False)] = 1.0
    s[np.flatnonzero(y)[:5]] = 1.0
    if found is not None:
        s[found.rows] = 1.0
        if left == 0:
            s[np.setdiff1d(np.flatnonzero(y == 0), found.rows)] = 0.0
    rows = as_rows(frame, y, s=s)
    strata = sample(rows, size, (float(rows.s[y == 0].sum()), float(rows.s[y == 1].sum())), found)
    total = sum(part.multiplier * part.rows.s.sum() for part in strata)
    assert total == pytest.approx(rows.s.sum(), rel=1e-12)
    assert all(np.isfinite(part.multiplier) for part in strata)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("far", [0.0, 1e9])
def test_mean_squares_of_moments_are_never_too_small(weighted, far, rng):
    """In the fit's units; far from 0 a mean has lost digits, and the squares of what is left take that in."""
    m = 3_000
    frame = frame_of(rng, m, levels=(4, 30))
    frame["x1"] = frame["x1"] + far
    frame.loc[frame.index[::7], "x0"] = np.nan
    s = rng.choice([0.0, 1.0, 2.5], m) if weighted else None
    rows = as_rows(frame, rng.integers(0, 2, m), "all", s)
    assert mean_squares(rows) is None
    rows.moments(correlations=False)
    rows = rows.see(guess_units(rows, True))
    if weighted:  # rows of no weight may hide where the others are: their squares are read
        assert mean_squares(rows) is None
        return
    weights = np.ones(m)
    exact = [math.fsum(weights * x.astype(float) ** 2) / math.fsum(weights) for x in rows.viewed(np.arange(m)).T[:-1]]
    assert (mean_squares(rows) >= exact).all()
    assert mean_squares(rows) == pytest.approx(exact, rel=1e-6 if far else 3e-9)


def test_the_last_samples_hessian_is_made_a_step_further(rng, monkeypatch):
    """Levels of some hundred rows are far off in the sample before; one Hessian of the last sample is then enough."""
    m = 200_000
    frame = frame_of(rng, m, levels=(12, 150))
    z = frame["x0"].to_numpy() - 0.5 + rng.normal(size=200)[frame["c1"].cat.codes.to_numpy()]
    y = (rng.random(m) < 1.0 / (1.0 + np.exp(-z))).astype(int)
    seen, evaluate = [], Newton._evaluate_sample

    def recorded(self, on, stage, *args, **options):
        state = evaluate(self, on, stage, *args, **options)
        seen.append((stage, state.nu, state.evaluation.objective))
        return state

    monkeypatch.setattr(Newton, "_evaluate_sample", recorded)
    found = chainrule.fit(frame, y, alpha=1 / m, coding="all", method="newton", tol=1e-8)
    assert found.certificate.gap <= 1e-8
    last = max(stage for stage, _, _ in seen)
    assert last > 0
    assert sum(stage == last for stage, _, _ in seen) == 1
    assert seen[-1][1] < 0.5 * max(nu for stage, nu, _ in seen if stage == last - 1)


@pytest.mark.parametrize("alpha", [0.0, 1e-5])
def test_a_few_missing_numbers_are_rare_rows_of_their_own(alpha, rng):
    """Beside a category or not: their mark's coefficient is found from all rows that have it."""
    m = 60_000
    x = rng.normal(size=m)
    y = (x + rng.logistic(size=m) > 0).astype(int)
    x[:30] = np.nan
    for frame in (
        pd.DataFrame({"x": x, "c": pd.Categorical(rng.choice(list("ab"), m))}),
        pd.DataFrame({"x": pd.array(np.where(np.isnan(x), None, x), dtype="Float64"), "z": rng.normal(size=m)}),
    ):
        result = chainrule.fit(frame, y, alpha=alpha, method="newton")
        assert result.reason == "converged"
        assert result.certificate.gap <= result.tol
        assert result.reads < 12
