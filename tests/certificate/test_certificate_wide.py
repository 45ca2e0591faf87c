"""Bounds without a factor, more columns than rows: the gradient's and the dual point's, against the optimum found by Newton."""

import math

import numpy as np
import pytest

from certificate_tools import Problem, Truth
from chainrule.certificate import bound_by_dual, bound_by_penalty
from chainrule.losses import LOGISTIC


def kl_divergence(difference, g, one_minus_g):
    """KL(p || g) of two coins from p - g, with nothing large subtracted.

    KL = g k((p - g)/g) + (1 - g) k(-(p - g)/(1 - g)),    k(t) = (1 + t) log(1 + t) - t >= 0:
    the linear parts of the usual form cancel here on paper. k by its series for |t| < 0.01.
    """
    first = np.divide(difference, g, out=np.zeros_like(g), where=g > 0)
    second = np.divide(-difference, one_minus_g, out=np.zeros_like(g), where=one_minus_g > 0)
    return g * _entropy(first) + one_minus_g * _entropy(second)


def _entropy(t):
    """k(t) = (1 + t) log(1 + t) - t for t >= -1: t^2/2 - t^3/6 + t^4/12 - .. near 0."""
    t = np.maximum(t, -1.0)
    small = t * t * (1 / 2 - t * (1 / 6 - t * (1 / 12 - t * (1 / 20 - t * (1 / 30 - t * (1 / 42 - t / 56))))))
    with np.errstate(divide="ignore", invalid="ignore"):
        direct = np.where(t > -1.0, (1.0 + t) * np.log1p(t) - t, 1.0)
    return np.where(np.abs(t) < 0.01, small, direct)


def wide_problem(seed):
    """More columns than rows, in the user's units (alpha is then a number), with its optimum in longdouble."""
    rng = np.random.default_rng([41, seed])
    m, n = int(rng.integers(20, 50)), int(rng.integers(30, 60))
    x = np.where(rng.random((m, n)) < 0.3, rng.exponential(size=(m, n)), 0.0)
    y = (rng.random(m) < 0.4).astype(float)
    y[:2] = (0, 1)
    s = rng.exponential(size=m) + 0.01 if seed % 2 else np.ones(m)
    alpha = 10.0 ** rng.uniform(-4, 0)
    problem = Problem(x, y, s, alpha)
    problem.center[:], problem.power[:] = 0.0, 1.0
    problem.u = np.column_stack([x, np.ones(m)])
    problem.M = np.sqrt(s @ problem.u**2 / problem.S)
    problem.ridge = np.append(np.full(n, alpha), 0.0)
    points, arrived = problem.newton(60)
    assert arrived
    return problem, Truth.of(problem, points[-1]), rng


def dual_bound(problem, theta, p_minus_y, g, rest):
    """Make a dual point feasible by the classes' sums, then the bound."""
    s, alpha = problem.s / problem.S, problem.alpha
    up, down = (problem.y == 0), (problem.y == 1)
    sums = [s[k] @ np.abs(p_minus_y[k]) for k in (up, down)]
    larger = (up, down)[int(sums[1] > sums[0])]
    p_minus_y = np.where(larger, p_minus_y * (min(sums) / max(sums)), p_minus_y)
    g_minus_y = np.where(problem.y == 1, -rest, g)
    kl = s @ kl_divergence(p_minus_y - g_minus_y, g, rest)
    rho = alpha * theta[:-1] + (s * p_minus_y) @ problem.x
    rows = np.linalg.norm(problem.x, axis=1)
    size = np.linalg.norm(alpha * np.abs(theta[:-1]) + (s * np.abs(p_minus_y)) @ np.abs(problem.x))
    rounding = problem.m * 2.0**-52
    loss = problem.evaluate(theta)[0]
    return bound_by_dual(
        rho, kl, alpha=alpha, e_rho=rounding * size, e_kl=rounding * kl, imbalance=rounding, pull=rows.max(), loss=loss
    )


def probabilities(problem, theta):
    z = problem.u @ theta
    small = np.exp(-np.abs(z))
    return np.where(z >= 0, 1, small) / (1 + small), np.where(z >= 0, small, 1) / (1 + small)


@pytest.mark.parametrize("seed", range(40))
def test_dual_bound_holds_and_is_sharper_than_the_gradients(seed):
    problem, truth, rng = wide_problem(seed)
    star = truth.theta.astype(float)
    ratios = []
    for size in (1e-5, 1e-3, 1e-1):
        theta = star + size * rng.normal(size=problem.n + 1)
        for _ in range(40):  # b is minimised to rounding first
            _, gradient, curvature, residual = problem.evaluate(theta)
            theta[-1] -= gradient[-1] / (problem.s @ curvature / problem.S)
        _, gradient, curvature, residual = problem.evaluate(theta)
        at_least, _ = truth.gap(theta)
        rows = np.linalg.norm(problem.x, axis=1)
        by_gradient = bound_by_penalty(
            gradient,
            problem.rounding(theta, residual),
            of=LOGISTIC,
            ridge=np.full(problem.n, problem.alpha),
            h_b=problem.s @ curvature / problem.S,
            reach=rows.max() / math.sqrt(problem.alpha),
            depth=problem.m,
            zeta=1e-12,
        )
        g, rest = probabilities(problem, theta)
        by_g = dual_bound(problem, theta, np.where(problem.y == 1, -rest, g), g, rest)
        # A Newton step's linear model gives a better dual point, and certifies where the step leads.
        H = problem.hessian(curvature)
        step = -np.linalg.solve(H, gradient)
        step *= min(1.0, 1.0 / np.abs(problem.u @ step).max())
        there = theta + step
        g2, rest2 = probabilities(problem, there)
        dz = problem.u @ step
        p_minus_y = np.where(problem.y == 1, -rest * (1 - g * dz), g * (1 + rest * dz))
        by_step = dual_bound(problem, there, p_minus_y, g2, rest2)
        step_at_least, _ = truth.gap(there)
        distance = np.linalg.norm(theta[:-1] - star[:-1])
        assert at_least <= by_gradient.gap
        assert at_least <= by_g.gap
        assert step_at_least <= by_step.gap
        assert distance <= by_gradient.coef[0]
        assert distance <= by_g.radius
        assert abs(theta[-1] - star[-1]) <= by_gradient.coef[-1]
        assert (by_g.coef[-1], by_g.lower) == (math.inf, 0.0)
        assert by_gradient.noise < 1e-20 / problem.alpha
        ratios.append(by_g.gap / by_gradient.gap)
        if size == 1e-3:
            assert by_step.gap < 0.5 * by_g.gap
    # With b at its minimum and p = g the two say the same, rounding aside.
    assert ratios[-1] == pytest.approx(1.0, rel=1e-3)


def test_no_penalty_or_a_steep_b_prove_nothing():
    g, e, one = np.array([0.1, 0.2]), np.zeros(3), np.ones(2)
    known = {"h_b": 0.2, "reach": 1.0}
    assert not bound_by_penalty(np.append(g, 0.01), e, of=LOGISTIC, ridge=0.0 * one, **known).proven
    assert not bound_by_penalty(np.append(g, 0.2), e, of=LOGISTIC, ridge=one, **known).proven
    assert not bound_by_penalty(np.append(g, 0.01), e, of=LOGISTIC, ridge=one, **(known | {"h_b": 0.0})).proven
    found = bound_by_penalty(np.append(g, 0.01), e, of=LOGISTIC, ridge=one, **known)
    assert found.gap == pytest.approx((math.sqrt(0.05) + 0.01) ** 2 / 2 + 0.2 * (0.05**2 / 2 + 0.05**3 / 6), rel=1e-4)
    # The rounding of every part makes it larger.
    for change in ({"zeta": 0.1}, {"depth": 1e14}):
        assert bound_by_penalty(np.append(g, 0.01), e, of=LOGISTIC, ridge=one, **known, **change).r > found.r
    assert bound_by_penalty(np.append(g, 0.01), np.full(3, 1e-3), of=LOGISTIC, ridge=one, **known).gap > found.gap
    plain = bound_by_dual(g, 0.1, alpha=1.0)
    assert plain.gap == pytest.approx(0.125)
    for change in ({"e_rho": 0.1}, {"e_kl": 0.1}, {"imbalance": 0.1, "pull": 1.0}, {"imbalance": 0.1, "loss": 1.0}):
        assert bound_by_dual(g, 0.1, alpha=1.0, **change).gap > plain.gap
