"""Newton on growing samples: right, proven, in few reads, whatever the order and the units of the data.

How many reads exactly: benchmarks/reads.py.
"""

import re
from itertools import pairwise

import numpy as np
import pytest

from chainrule import InputError, fit
from chainrule.data.designs import rows_of
from chainrule.data.rows import spread_rows
from chainrule.errors import CollinearityWarning, NotConvergedWarning
from chainrule.objective import DataObjective
from chainrule.solvers import Newton
from chainrule.solvers.plan import plan
from finding_tools import values_of


def exact_optimum(X, y, s=None, alpha=0.0):
    """Newton to rounding in NumPy, in extended precision where it matters: the answer and F there."""
    m, n = X.shape
    s = np.ones(m) if s is None else s
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    U = np.column_stack([Z, np.ones(m)]).astype(np.longdouble)
    ridge = np.append(alpha / X.std(axis=0) ** 2, 0.0)
    theta = np.zeros(n + 1)
    for _ in range(20):  # quadratic from the sixth
        z = (U @ theta).astype(float)
        g = 1 / (1 + np.exp(-z))
        gradient = (U.T @ (s * (g - y)) / s.sum()).astype(float) + ridge * theta
        hessian = (U.T @ (U * (s * g * (1 - g))[:, None]) / s.sum()).astype(float) + np.diag(ridge)
        theta -= np.linalg.solve(hessian, gradient)
    z = U @ theta
    F = float((s @ np.logaddexp(0, np.where(y == 1, -z, z))) / s.sum() + (ridge * theta**2).sum() / 2)
    return theta[:-1] / X.std(axis=0), F


FEW = 20.0  # reads: a third of that is usual


def table(rng, m, n):
    X = rng.normal(size=(m, n)) @ (np.eye(n) + 0.3 * rng.normal(size=(n, n)) / np.sqrt(n))
    w = rng.normal(size=n) / np.sqrt(n)
    return X, (X @ w + 0.3 + rng.logistic(size=m) > 0).astype(int)


@pytest.mark.parametrize(
    ("shape", "alpha"), [((300, 3), 0.0), ((300, 3), 1e-3), ((5_000, 12), 1e-3), ((60_000, 8), 0.0)]
)
def test_bound_holds_and_is_reached(shape, alpha, rng):
    X, y = table(rng, *shape)
    w, F = exact_optimum(X, y, alpha=alpha)
    for tol in (1e-5, 1e-9):
        result = fit(X, y, method="newton", alpha=alpha, tol=tol)
        gap = result.objective - F
        assert -1e-13 <= gap <= result.certificate.gap + 1e-13
        assert result.certificate.gap <= tol
        assert result.certificate.lower <= gap + 1e-13
        assert np.all(np.abs(result.w - w) <= result.certificate.coef + 1e-9 * np.abs(w))
    assert result.reads <= FEW


def by_period(period):
    return lambda X, y: np.argsort(np.arange(len(y)) % period, kind="stable")


# 150,000 rows by 10: the first sample's stretches are of 1,200 rows, a run has 8, a block 1,024.
ORDERS = {
    "sorted by y": lambda X, y: np.argsort(y, kind="stable"),
    "sorted by a column": lambda X, y: np.argsort(X[:, 0]),
    "period 8": by_period(8),
    "period 1024": by_period(1024),
    "period of the stretches": by_period(1200),
}


@pytest.mark.parametrize("order", ORDERS)
def test_any_order_of_the_rows_has_the_same_optimum(order, rng):
    X, y = table(rng, 150_000, 10)
    places = ORDERS[order](X, y)
    result = fit(X[places], y[places], method="newton", tol=1e-9)
    plain = fit(X, y, method="newton", tol=1e-9)
    assert result.certificate.gap <= 1e-9
    assert result.reads <= FEW
    assert np.all(np.abs(result.w - plain.w) <= plain.certificate.coef + result.certificate.coef)


def is_periodic(column, period):
    def changed(X, y):
        X[:, column] = np.arange(len(y)) % period < max(1, period // 8)
        return X, y

    return changed


def is_constant_at_first(X, y):
    X[: len(y) * 9 // 10, 3] = 7.0
    return X, y


def has_a_rare_level(count):
    def changed(X, y):
        X[:, 3] = 0.0
        X[-count:, 3] = 1.0
        y[-count:] = np.arange(count) % 2
        return X, y

    return changed


# What it does to 300,000 rows by 12.
HARD = {
    "period 8": is_periodic(3, 8),
    "period 1024": is_periodic(3, 1024),
    "period of the stretches": is_periodic(3, 2400),
    "constant for nine tenths": is_constant_at_first,
    "level of the last 1,000 rows": has_a_rare_level(1000),
    "level of the last 100 rows": has_a_rare_level(100),
    "level of the last 12 rows": has_a_rare_level(12),
}


@pytest.mark.parametrize("case", HARD)
@pytest.mark.parametrize("tol", [1e-9, None])
def test_columns_that_samples_see_badly_are_certified(case, tol, rng):
    X, y = table(rng, 300_000, 12)
    result = fit(*HARD[case](X, y), method="newton", tol=tol)
    assert result.reason == "converged"
    assert result.certificate.kind == "bound"
    assert result.certificate.gap <= result.tol
    assert result.reads <= FEW


@pytest.mark.parametrize("tol", [1e-9, None])
def test_units_and_offsets_change_no_more_than_the_units_of_the_answer(tol, rng):
    m, n = 100_000, 12
    X, y = table(rng, m, n)
    plain = fit((X - X.mean(axis=0)) / X.std(axis=0), y, method="newton", tol=tol)
    scale = 10.0 ** np.linspace(-8, 8, n)
    for changed in (X * scale, (X + 1000.0) * scale):
        result = fit(changed, y, method="newton", tol=tol)
        assert result.certificate.gap <= 10.0 * result.tol  # w and b rounded to these units are part of it
        assert result.reads <= FEW
        distance = np.abs(result.w * scale - plain.w / X.std(axis=0))
        assert np.all(distance <= result.certificate.coef * scale + plain.certificate.coef / X.std(axis=0))


@pytest.mark.parametrize("tol", [1e-9, None])
def test_repeated_columns_are_certified_without_them(tol, rng):
    m, n = 100_000, 12
    X, y = table(rng, m, n)
    scale = np.append(10.0 ** np.linspace(-8, 8, n), 10.0 ** np.arange(4))
    repeated = np.c_[X, X[:, 0] - 2.0 * X[:, 1], np.eye(3)[rng.integers(0, 3, m)]] * scale
    with pytest.warns(CollinearityWarning):
        result = fit(repeated, y, method="newton", tol=tol)
    assert result.certificate.kind == "reduced"
    assert result.certificate.gap <= result.tol
    assert result.reads <= FEW


@pytest.mark.parametrize("kind", ["many", "levels", "weights", "float32", "far", "no intercept"])
def test_collinear_columns_of_every_kind_are_certified(kind, rng):
    m, options = 100_000, {}
    X, y = table(rng, m, 40 if kind == "many" else 8)
    more = X[:, :1] + X[:, 1:2]
    if kind == "many":  # the Hessian would be made in float32
        more = X[:, :10] + X[:, 10:20]
    elif kind == "levels":
        levels = np.eye(5)[rng.integers(0, 5, m)]
        X, more = np.c_[X, levels[:, 1:]], levels[:, :1]
    elif kind == "weights":
        options["sample_weight"] = rng.exponential(size=m)
    elif kind == "float32":
        X, more = X.astype(np.float32), X[:, :1].astype(np.float32)
    elif kind == "far":
        X = X + 1000.0
        more = X[:, :1] + X[:, 1:2]
    else:
        options["fit_intercept"] = False
    with pytest.warns(CollinearityWarning):
        result = fit(np.c_[X, more], y, method="newton", **options)
    assert result.certificate.kind == "reduced"
    assert result.certificate.gap <= 10.0 * result.tol
    assert result.reads <= FEW


@pytest.mark.parametrize(
    ("shape", "shift"), [((1_000_000, 5, 10), 0.5), ((300_000, 30, 163), 0.0), ((200_000, 6, 60), 0.5)]
)
def test_rare_classes_take_few_reads(shape, shift, rng):
    m, n, count = shape
    X = rng.normal(size=(m, n)).astype(np.float32)
    y = np.zeros(m, dtype=int)
    y[rng.choice(m, count, replace=False)] = 1
    X[y == 1] += np.float32(shift) * rng.normal(size=n).astype(np.float32)
    result = fit(X, y, method="newton")
    assert result.certificate.gap <= result.tol
    assert result.reads <= FEW


def test_sample_is_never_diagnosed(rng):
    """Levels that a sample lacks, or knows of one class only, and a class that it can separate: the data are fine."""
    m, levels = 120_000, 60
    level = np.minimum((rng.pareto(1.0, size=m) * 2).astype(int), levels - 1)
    X = np.zeros((m, levels), dtype=np.float32)
    X[np.arange(m), level] = 1.0
    y = (rng.normal(size=levels)[level] + rng.logistic(size=m) > 0).astype(int)
    rare = np.flatnonzero(np.bincount(level, minlength=levels) < 200)
    assert len(rare)
    for k in rare:
        y[np.flatnonzero(level == k)[:2]] = (0, 1)  # no level is of one class
    result = fit(X[:, 1:], y, method="newton")
    assert result.reason == "converged"
    assert result.certificate.kind == "bound"
    assert not result.warnings
    X, y = rng.normal(size=(m, 3)), (rng.random(m) < 2e-4).astype(int)
    X[y == 1] *= 3.0
    assert fit(X, y, method="newton").certificate.kind == "bound"


def test_without_intercept_and_in_float32(rng):
    X, y = table(rng, 4000, 4)
    result = fit(X, y, method="newton", fit_intercept=False, tol=1e-12)
    assert result.b == 0.0
    assert result.certificate.gap <= 1e-12
    gradient = X.T @ (1 / (1 + np.exp(-X @ result.w)) - y) / len(y)
    assert np.abs(gradient).max() < 1e-6
    assert fit(X.astype(np.float32), y, method="newton", tol=1e-12).certificate.gap <= 1e-12


def test_trace_is_in_the_units_of_the_fit(rng):
    X, y = table(rng, 5000, 4)
    seen = []
    result = fit(X, y, method="newton", standardize=True, callbacks=lambda step: seen.append((step.w.copy(), step.b)))
    np.testing.assert_array_equal(result.trace.w[-1], result.w_fit)
    assert result.trace.b[-1] == result.b_fit
    assert len(seen) == len(result.trace)
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    np.testing.assert_allclose(Z @ result.w_fit + result.b_fit, X @ result.w + result.b, atol=1e-9)


@pytest.mark.parametrize("seed", [1, 4, 8, 11])
def test_a_looser_tol_takes_the_same_way_and_ends_sooner(seed):
    """Columns with outliers: samples and Hessians were planned for the tol, and a looser one often took a read more."""
    rng = np.random.default_rng(seed)
    m, n = 60_000, int(rng.integers(4, 30))
    X = rng.standard_t(float(rng.choice([1.5, 2, 3])), size=(m, n)) * rng.lognormal(0, 2, n)
    z = X @ (rng.normal(size=n) / np.abs(X).std(axis=0)) * float(rng.choice([1, 3])) - float(rng.choice([0, 4]))
    y = z + rng.logistic(size=m) > 0
    runs = [fit(X, y, alpha=1 / m, tol=tol) for tol in (1e-2, 1e-5, 1e-7, 1e-9, None)]
    assert all(run.certificate.gap <= run.tol for run in runs)
    for run, stricter in pairwise(runs):
        assert run.reads <= stricter.reads
        assert np.array_equal(run.trace.w, stricter.trace.w[: len(run.trace)])


@pytest.mark.parametrize("rows", [2000, 60_000])
@pytest.mark.parametrize("tol", [0.0, 1e-30, 1e-60])
def test_tolerance_below_rounding_is_answered_with_rounding(rows, tol, rng):
    X, y = table(rng, rows, 4)
    result = fit(X, y, method="newton", tol=tol)
    assert result.reason == "converged"
    assert 0 < result.certificate.gap < 1e-23
    assert "is below what rounding leaves here" in result.message
    assert result.reads <= FEW


def test_non_finite_rows_are_named_even_outside_the_samples(rng):
    X, y = table(rng, 100_000, 3)
    X[77_777, 1] = np.nan
    with pytest.raises(InputError, match="X has NaN in row 77778, column 'x2'"):
        fit(X, y, method="newton")


@pytest.mark.parametrize("shape", [(2000, 4), (50_000, 5), (300_000, 20)])
def test_what_is_still_needed_is_said_where_the_reads_end(shape, rng):
    X, y = table(rng, *shape)
    needed = fit(X, y, method="newton", tol=1e-12).reads
    for most in (0, 1, 2, 3):
        with pytest.warns(NotConvergedWarning, match="before the proven gap reached tol 1e-12") as caught:
            result = fit(X, y, method="newton", tol=1e-12, max_reads=most)
        assert result.reason == "max_reads"
        assert str(caught[0].message) == result.message
        said = re.search(r"it takes about (\d+) more reads? to reach tol 1e-12: raise max_reads", result.message)
        assert said
        assert abs(int(said[1]) - (needed - most)) <= 3.0


def test_interrupted_run_says_what_is_proven_and_still_needed(rng):
    X, y = table(rng, 300_000, 20)
    for epoch in (2, 6):

        def interrupt(step, epoch=epoch):
            if step.epoch == epoch:
                raise KeyboardInterrupt

        with pytest.raises(
            KeyboardInterrupt, match=r"interrupted after .* it takes about \d more reads? to reach tol"
        ) as caught:
            fit(X, y, method="newton", callbacks=interrupt)
        assert caught.value.result.reason == "interrupted"
        assert np.isfinite(caught.value.result.w).all()


def test_spread_rows_are_within_the_data_ascending_and_spread():
    for m, size in ((100, 10), (10_000, 500), (1_000_003, 5_000), (17, 16)):
        rows = spread_rows(m, size)
        assert rows.min() >= 0
        assert rows.max() < m
        assert np.all(np.diff(rows) > 0)
        assert 0.5 * size <= len(rows) <= size + 8
        thirds = np.histogram(rows, bins=3, range=(0, m))[0]
        assert thirds.max() <= 1.5 * max(1, thirds.min()) + 16


def test_plan_reads_small_data_whole_and_large_data_by_samples():
    assert plan(500, 10, 1e-9, 3.25) == (500,)
    sizes = plan(2_000_000, 28, 1e-11, 3.7)
    assert list(sizes) == sorted(sizes)
    assert sizes[-1] < 2_000_000


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_a_float32_column_that_rounds_a_sum_is_left_out_without_another_fit(fit_intercept, rng):
    """No relation in exact arithmetic: the model without the column is certified, at the point that the warning says."""
    X, y = table(rng, 100_000, 8)
    X = X.astype(np.float32)
    plain = fit(X, y, method="newton", fit_intercept=fit_intercept)
    with pytest.warns(CollinearityWarning) as said:
        result = fit(np.c_[X, X[:, 0] + X[:, 1]], y, method="newton", fit_intercept=fit_intercept)
    (relation,) = values_of(said, "relation")
    assert (relation["is_exact"], relation["deviation"]) == (False, 0.0)
    assert result.certificate.kind == "reduced"
    assert result.certificate.gap <= result.tol
    assert result.copies == 0
    assert (result.w[-1] == 0.0) == ("the solution without the redundant columns is returned" in str(said[0].message))
    assert abs(result.objective - plain.objective) <= result.certificate.gap + plain.certificate.gap + 1e-14
    assert result.reads <= FEW


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_steps_and_bounds_about_some_columns_are_those_of_their_own_model(fit_intercept, rng):
    X, y = table(rng, 400, 4)
    X, pivots = np.insert(X, 2, X[:, 0] - X[:, 3], axis=1), np.array([0, 1, 3, 4])
    best, w = fit(X[:, pivots], y, fit_intercept=fit_intercept, tol=1e-14), 1e-4 * rng.normal(size=5)
    w[pivots] += best.w
    own = w[pivots] + w[2] * np.array([1.0, 0.0, 0.0, -1.0])  # the same predictions
    whole, part = (DataObjective(rows_of(x, y)[0], None, fit_intercept) for x in (X, X[:, pivots]))
    theta, of_part = np.append(w, best.b), np.append(own, best.b)
    there = Newton(of_part).at(part, of_part).with_bound()
    step = there.factored.direction(part, there.evaluation)
    made = Newton(theta).at(whole.about(pivots), theta).with_bound()
    later = Newton(theta).at(whole, theta).about(pivots).with_bound()
    for state in (made, later):
        of_all = state.factored.direction(state.on, state.evaluation)
        assert of_all[2] == 0.0
        np.testing.assert_allclose(np.delete(of_all, 2), step, rtol=1e-8, atol=1e-10)
        assert state.nu == pytest.approx(there.nu, rel=1e-8) or state is later  # whose steps were of all columns
        gap = state.evaluation.objective - best.objective
        assert state.bound.lower - 1e-15 <= gap <= state.gap + best.certificate.gap + 1e-15
        assert state.gap == pytest.approx(there.gap, rel=0.05)
        np.testing.assert_allclose(np.delete(state.bound.coef, 2), there.bound.coef, rtol=0.05)
        assert state.bound.coef[2] == np.inf
