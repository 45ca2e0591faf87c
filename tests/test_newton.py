"""Newton on growing samples: right, proven, in few reads, whatever the order and the units of the data."""

import numpy as np
import pytest

from chainrule import InputError, fit
from chainrule.errors import NotConvergedWarning
from chainrule.sampling import spread_rows
from chainrule.solvers.newton import plan


def exact_optimum(X, y, s=None, alpha=0.0):
    """Newton to rounding in NumPy, in extended precision where it matters: the answer and F there."""
    m, n = X.shape
    s = np.ones(m) if s is None else s
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    U = np.column_stack([Z, np.ones(m)]).astype(np.longdouble)
    ridge = np.append(alpha / X.std(axis=0) ** 2, 0.0)
    theta = np.zeros(n + 1)
    for _ in range(60):
        z = (U @ theta).astype(float)
        g = 1 / (1 + np.exp(-z))
        gradient = (U.T @ (s * (g - y)) / s.sum()).astype(float) + ridge * theta
        hessian = (U.T @ (U * (s * g * (1 - g))[:, None]) / s.sum()).astype(float) + np.diag(ridge)
        theta -= np.linalg.solve(hessian, gradient)
    z = U @ theta
    F = float((s @ np.logaddexp(0, np.where(y == 1, -z, z))) / s.sum() + (ridge * theta**2).sum() / 2)
    return theta[:-1] / X.std(axis=0), F


def table(rng, m, n):
    X = rng.normal(size=(m, n)) @ (np.eye(n) + 0.3 * rng.normal(size=(n, n)) / np.sqrt(n))
    w = rng.normal(size=n) / np.sqrt(n)
    return X, (X @ w + 0.3 + rng.logistic(size=m) > 0).astype(int)


@pytest.mark.parametrize("shape", [(300, 3), (5_000, 12), (60_000, 8)])
@pytest.mark.parametrize("alpha", [0.0, 1e-3])
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
    assert result.reads <= 10 if shape[0] < 6000 else result.reads <= 6


ORDERS = {
    "as it is": lambda X, y: np.arange(len(y)),
    "sorted by y": lambda X, y: np.argsort(y, kind="stable"),
    "sorted by a column": lambda X, y: np.argsort(X[:, 0]),
    "periodic": lambda X, y: np.argsort(np.arange(len(y)) % 8, kind="stable"),
}


@pytest.mark.parametrize("order", ORDERS)
def test_order_of_the_rows_costs_no_more_reads(order, rng):
    X, y = table(rng, 150_000, 10)
    places = ORDERS[order](X, y)
    result = fit(X[places], y[places], method="newton", tol=1e-9)
    plain = fit(X, y, method="newton", tol=1e-9)
    assert result.certificate.gap <= 1e-9
    assert abs(result.reads - plain.reads) <= 1.0
    np.testing.assert_allclose(result.w, plain.w, atol=plain.certificate.coef.max() + result.certificate.coef.max())


def test_units_and_offsets_of_the_columns_cost_no_more_reads(rng):
    X, y = table(rng, 100_000, 12)
    plain = fit(X, y, method="newton", tol=1e-9)
    scale = 10.0 ** np.linspace(-8, 8, 12)
    for changed in (X * scale, X * scale + 1000.0 * scale):
        result = fit(changed, y, method="newton", tol=1e-9)
        assert result.certificate.gap <= 1e-8  # w and b rounded to these units are part of it
        assert abs(result.reads - plain.reads) <= 1.0
        np.testing.assert_allclose(result.w * scale, plain.w, rtol=1e-3, atol=1e-3)


def test_rare_class_and_rare_level(rng):
    m = 200_000
    X = rng.normal(size=(m, 6))
    y = np.zeros(m, dtype=int)
    y[rng.choice(m, 60, replace=False)] = 1
    X[y == 1] += 0.7
    result = fit(X, y, method="newton", tol=1e-10)
    assert result.certificate.gap <= 1e-10
    assert result.reads <= 6
    X[:, 5] = 0.0
    X[-40:, 5] = 1.0
    y[-40:] = rng.integers(0, 2, 40)
    result = fit(X, y, method="newton", tol=1e-10)
    assert result.certificate.gap <= 1e-10
    assert result.reads <= 12


def test_threads_and_layout_change_no_bit(rng):
    X, y = table(rng, 90_000, 9)
    expected = fit(X, y, method="newton", n_threads=1)
    for other in (fit(X, y, method="newton", n_threads=3), fit(np.asfortranarray(X), y, method="newton")):
        assert other.w.tobytes() == expected.w.tobytes()
        assert other.certificate.gap == expected.certificate.gap


def test_weights_are_repetition(rng):
    X, y = table(rng, 3000, 5)
    s = rng.integers(0, 4, len(y)).astype(float)
    X[s == 0] = np.nan
    places = np.repeat(np.arange(len(y)), s.astype(int))
    weighted = fit(X, y, sample_weight=s, method="newton", alpha=1e-3)
    repeated = fit(X[places], y[places], method="newton", alpha=1e-3)
    assert np.all(np.abs(weighted.w - repeated.w) <= weighted.certificate.coef + repeated.certificate.coef)
    scaled = fit(X, y, sample_weight=s * 4, method="newton", alpha=1e-3)
    assert scaled.w.tobytes() == weighted.w.tobytes()


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


def test_tolerance_below_rounding_is_answered_with_rounding(rng):
    X, y = table(rng, 2000, 4)
    result = fit(X, y, method="newton", tol=0.0)
    assert result.reason == "converged"
    assert 0 < result.certificate.gap < 1e-24


def test_non_finite_rows_are_named_even_outside_the_samples(rng):
    X, y = table(rng, 100_000, 3)
    X[77_777, 1] = np.nan
    with pytest.raises(InputError, match="X has NaN in row 77778, column 'x2'"):
        fit(X, y, method="newton")


def test_limit_of_reads(rng):
    X, y = table(rng, 50_000, 5)
    with pytest.warns(NotConvergedWarning, match="before a bound of tol"):
        result = fit(X, y, method="newton", tol=1e-14, max_reads=2)
    assert result.reads <= 3.5


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
    assert plan(500, 10, 1e-9) == (500,)
    sizes = plan(2_000_000, 28, 1e-11)
    assert list(sizes) == sorted(sizes)
    assert sizes[-1] < 2_000_000
