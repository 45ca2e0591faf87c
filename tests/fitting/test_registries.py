"""Every loss, penalty and method that is registered, tested the moment it exists."""

import mpmath
import numpy as np
import pytest

from chainrule import InputError, fit
from chainrule.fitting.methods import METHODS
from chainrule.losses import LOSSES
from chainrule.penalties import PENALTIES, ElasticNet

EDGES = [0.0, 1e-8, 0.5, 18.0, 37.0, 710.0, 1e4]
POINTS = sorted({*EDGES, *(-z for z in EDGES), *np.random.default_rng(0).normal(size=20) * 5})


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("y", [0.0, 1.0])
def test_loss_is_finite_and_never_negative_at_the_edges(name, y):
    z = np.array(POINTS)
    loss = LOSSES[name]
    for value in (loss.value(z, y), loss.derivative(z, y), loss.second_derivative(z, y)):
        assert np.isfinite(value).all()
    assert np.all(loss.value(z, y) >= 0)
    assert np.all(loss.second_derivative(z, y) >= 0)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("y", [0.0, 1.0])
@pytest.mark.parametrize("z", POINTS)
def test_derivatives_of_a_loss_are_derivatives(name, y, z):
    loss, h = LOSSES[name], 1e-3 * max(1.0, abs(z) * 1e-3)

    def slope(f):
        a, b, c, d = (float(f(np.array(z + k * h), y)) for k in (-2, -1, 1, 2))
        return (a - 8 * b + 8 * c - d) / (12 * h), 1e-15 * (abs(a) + 8 * abs(b) + 8 * abs(c) + abs(d)) / (12 * h)

    for f, derivative in ((loss.value, loss.derivative), (loss.derivative, loss.second_derivative)):
        difference, rounding = slope(f)
        assert abs(difference - float(derivative(np.array(z), y))) <= 1e-10 + 4 * rounding


def test_logistic_loss_against_fifty_digits():
    loss = LOSSES["logistic"]
    with mpmath.workdps(50):
        for z in POINTS:
            for y in (0, 1):
                t = mpmath.mpf(z) * (1 - 2 * y)
                exact = mpmath.log1p(mpmath.exp(t))
                assert abs(mpmath.mpf(float(loss.value(np.array(z), float(y)))) - exact) <= exact * 1e-15 + mpmath.mpf(
                    5e-324
                )


@pytest.mark.parametrize("name", PENALTIES)
@pytest.mark.parametrize("alpha", [0.0, 0.3, 7.0])
def test_penalty(name, alpha, rng):
    assert_penalty(PENALTIES[name](alpha, 5), rng)


@pytest.mark.parametrize("l1", [0.0, 0.4])
@pytest.mark.parametrize("l2", [0.0, 0.3])
def test_elastic_net(l1, l2, rng):
    factors = np.array([0.0, 0.5, 1.0, 2.0, 3.0])
    penalty = ElasticNet(l1 * factors, l2 * factors)
    assert penalty.smooth == (l1 == 0.0)
    assert_penalty(penalty, rng)
    w = np.array([0.0, 0.0, 0.0, 1.0, -1.0])
    gradient = np.array([0.1, 0.1, -0.5, -l1 * 2 - l2 * 2, l1 * 3 + l2 * 3])
    far = [0.1, max(0.1 - 0.5 * l1, 0.0), max(0.5 - l1, 0.0), 0.0, 0.0]
    np.testing.assert_allclose(penalty.distance(w, gradient), far, atol=1e-15)


def assert_penalty(penalty, rng):
    """Derivatives, prox and units of a penalty of 5 columns."""
    w, ratio = rng.normal(size=5), rng.exponential(size=5) + 0.1
    for j in range(5):
        e = np.eye(5)[j] * 1e-4
        slope = (penalty.value(w + e) - penalty.value(w - e)) / 2e-4
        smooth = penalty.gradient(w)[j]
        assert penalty.distance(w, -np.eye(5)[j] * slope)[j] == pytest.approx(0.0, abs=1e-9)
        assert not penalty.smooth or slope == pytest.approx(smooth, abs=1e-9)
        bend = (penalty.gradient(w + e)[j] - penalty.gradient(w - e)[j]) / 2e-4
        assert bend == pytest.approx(penalty.curvature[j], abs=1e-9)
    assert penalty.strongly_convex == bool((penalty.curvature > 0.0).all())
    for step in (0.1, 2.0):
        u = penalty.prox(w, step)
        np.testing.assert_allclose(penalty.distance(u, (u - w) / step), 0.0, atol=1e-12)
    assert penalty.in_units(ratio).value(w) == pytest.approx(penalty.value(ratio * w))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("alpha", [0.0, 0.05])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_method_reaches_the_optimum(method, alpha, fit_intercept, rng):
    X = rng.normal(size=(800, 4)) * [1.0, 0.5, 2.0, 1.0]
    y = (X @ [1.0, -1.0, 0.3, 0.0] + 0.4 + rng.logistic(size=800) > 0).astype(int)
    s = rng.exponential(size=800)
    if method == "newton-cg" and not alpha:
        with pytest.raises(InputError, match="needs a penalty"):
            fit(X, y, method=method)
        return
    more = {"batch_size": len(X)} if method == "sgd" else {}  # of smaller batches the noise ends it
    result = fit(
        X,
        y,
        sample_weight=s,
        method=method,
        alpha=alpha,
        fit_intercept=fit_intercept,
        tol=1e-12,
        max_reads=10_000,
        **more,
    )
    residual = s * (1 / (1 + np.exp(-X @ result.w - result.b)) - y) / s.sum()
    assert result.reason == "converged"
    assert np.abs(X.T @ residual + alpha * result.w).max() < 1e-5
    assert abs(residual.sum()) < 1e-5 if fit_intercept else result.b == 0.0
