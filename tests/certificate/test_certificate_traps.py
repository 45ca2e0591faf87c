"""The four ways to let a wrong certificate out, each with the wrong formula shown to be wrong on the same data."""

import math

import numpy as np
import pytest

from certificate_tools import Problem, Truth
from chainrule.certificate import Factor, bound, bound_by_penalty
from chainrule.certificate.rounding import hessian_eta
from chainrule.losses import LOGISTIC


def quasi_separated(seed):
    """Rows on both sides of a plane through some of them: those on it have both classes, the others are separated by it.

    With a direction that only the class-1 rows have (a level of a category), or small integers turned by an integer matrix.
    """
    rng = np.random.default_rng([17, seed])
    m, n = int(rng.integers(30, 120)), int(rng.integers(2, 5))
    x = rng.integers(-4, 5, size=(m, n)).astype(float)
    y = (rng.random(m) < 0.5).astype(float)
    off = rng.random(m) < rng.choice([0.1, 0.5])
    off[:2] = True
    y[:6] = (1, 0, 0, 1, 0, 1)
    x[:, 0] = np.where(off, rng.integers(1, 4, size=m) * (2 * y - 1), 0.0)
    if seed % 3 == 0:
        x[:, 0] = np.where(y == 1, off.astype(float), 0.0)  # a level with one class only
    direction = np.zeros(n)
    direction[0] = 1.0
    if seed % 3 == 1:
        turn = np.eye(n) + np.tril(rng.integers(-2, 3, size=(n, n)), -1)
        direction = np.round(np.linalg.solve(turn, direction))  # turn is unit lower triangular: exact in small integers
        x = x @ turn
    assert ((2 * y - 1) * (x @ direction) >= 0).all()
    if seed % 3 == 2:
        x = 0.1 * x + 1000.1  # rounded, but rows on the plane stay on one: the same value is rounded the same way
    s = np.ones(m) if seed % 2 else np.exp(rng.normal(size=m))
    problem = Problem(x, y, s, 0.0, "quasi-separated")
    plane = 1000.1 if seed % 3 == 2 else 0.0
    return problem, np.append(direction / problem.power, problem.center @ direction - plane), rng


def far_out(problem, along, rng, count):
    """Points that minimise over the rest, far out along the separating direction: where residuals round to nothing."""
    points, _ = problem.newton(steps=60)
    chosen = [points[k] for k in range(0, len(points), max(1, len(points) // 8))][-8:]
    base = points[min(6, len(points) - 1)]
    for t in np.linspace(2.0, 60.0, count - len(chosen)):
        theta = base + t * along
        for _ in range(4):  # the other coordinates, by Newton with a small ridge along all
            _, gradient, curvature, _ = problem.evaluate(theta)
            H = problem.hessian(curvature)
            H += np.diag(1e-12 * np.diag(H) + 1e-14)
            step = -np.linalg.solve(H, gradient)
            step -= along * (step @ along) / (along @ along)
            theta = theta + step * min(1.0, 2.0 / np.abs(problem.u @ step).max())
        chosen.append(theta)
    return chosen


def without_rounding(problem, theta, residual):
    """Whether the bound with no term for rounding proves an optimum, from any residuals."""
    curvature = problem.evaluate(theta)[2]
    gradient = (problem.s * residual) @ problem.u / problem.S + problem.ridge * theta
    factor = Factor.of(problem.hessian(curvature), 0.0)
    if not factor.ok:
        return False
    kappa = math.sqrt(factor.leverages(problem.u).max())
    return bound(factor, gradient, np.zeros_like(gradient), kappa=kappa).proven


def test_quasi_separated_data_are_never_proven_to_have_an_optimum():
    points = naive = signed = 0
    for seed in range(60):
        problem, along, rng = quasi_separated(seed)
        for theta in far_out(problem, along, rng, 30):
            points += 1
            found, _ = problem.certify(theta)
            assert not found.proven
            assert found.gap == math.inf
            assert np.isinf(found.coef).all()
            part = rng.random(problem.m) < 0.5
            if part.any():
                assert not problem.certify(theta, np.flatnonzero(part))[0].proven
            with np.errstate(over="ignore"):
                g = 1 / (1 + np.exp(-(problem.u @ theta)))
            naive += without_rounding(problem, theta, g - problem.y)
            signed += without_rounding(problem, theta, problem.evaluate(theta)[3])
    assert points == 1800
    # The trap is there, with residuals g - y and with those made with their sign.
    assert min(naive, signed) > 30


def test_columns_that_are_collinear_up_to_rounding_are_not_factored():
    rng = np.random.default_rng(5)
    for m in (60, 1000):
        x = rng.normal(size=(m, 3)) * [1.0, 100.0, 1.0] + [5.0, 0.0, 0.0]
        x[:, 2] = x[:, 0] + x[:, 1]  # rounded
        problem = Problem(x, (rng.random(m) < 0.4).astype(float), np.ones(m), 0.0)
        found, factor = problem.certify(np.zeros(4))
        assert not factor.ok
        assert not found.proven
        values, vectors = factor.null_space
        assert values.shape == (1,)
        combination = vectors[:, 0] / factor.D
        assert np.abs(problem.u @ combination).max() < 1e-12 * np.abs(problem.u * combination).max()
        # in the user's units: x0 + x1 - x2, in these proportions
        user = combination[:3] * problem.power
        assert user / user[0] == pytest.approx([1, 1, -1])


def stratified_problem(seed):
    """A rare class, all of whose rows are in T, and an eighth of the others."""
    rng = np.random.default_rng([29, seed])
    m, n = 1600, 3
    x = rng.normal(size=(m, n))
    y = (rng.random(m) < 1 / (1 + np.exp(4.0 - x @ np.array([1.0, -1.0, 0.5])))).astype(float)
    y[0] = 1
    # Few of the common rows carry the third column, so that a sample of them can be far off.
    x[:, 2] = np.where(rng.random(m) < 0.01, 5.0, 0.0) + 1e-3 * x[:, 2]
    common = np.flatnonzero(y == 0)
    sampled = rng.choice(common, size=len(common) // 8, replace=False)
    return Problem(x, y, np.ones(m), 1e-6, "stratified"), np.flatnonzero(y == 1), sampled, len(common), rng


def test_weighted_up_rows_give_a_wrong_bound_and_unweighted_ones_do_not():
    wrong = right = 0
    for seed in range(40):
        problem, rare, sampled, common, rng = stratified_problem(seed)
        points, arrived = problem.newton()
        assert arrived
        truth = Truth.of(problem, points[-1])
        part = np.concatenate([rare, sampled])
        weights = np.concatenate([np.ones(len(rare)), np.full(len(sampled), common / len(sampled))])
        for theta in [*points[-3:-1], points[-1] + 1e-3 * rng.normal(size=4)]:
            _, gradient, curvature, residual = problem.evaluate(theta)
            B = problem.hessian(curvature, part, weights)
            factor = Factor.of(B, hessian_eta(problem.n, problem.m))
            kappa = problem.kappa(factor, part)
            at_least, _ = truth.gap(theta)
            up = bound(factor, gradient, problem.rounding(theta, residual), kappa=kappa)
            wrong += at_least > up.gap
            found, _ = problem.certify(theta, part)
            assert at_least <= found.gap
            right += found.proven
    assert wrong > 3
    assert right > 40


def test_gradient_of_w_alone_is_no_bound_where_b_is_not_the_minimiser():
    wrong = proven = 0
    for seed in range(150):
        rng = np.random.default_rng([31, seed])
        m, n = int(rng.integers(20, 150)), int(rng.integers(1, 6))
        x = rng.normal(size=(m, n)) + rng.choice([0.0, 3.0])
        y = (rng.random(m) < rng.uniform(0.1, 0.9)).astype(float)
        y[:2] = (0, 1)
        alpha = 10.0 ** rng.uniform(-2, 1)
        problem = Problem(x, y, np.ones(m), alpha)
        problem.power[:] = 1.0  # alpha stays a number here
        problem.u[:, :-1] = x - problem.center
        problem.M = np.sqrt(np.square(problem.u).mean(axis=0))
        problem.ridge = np.append(np.full(n, alpha), 0.0)
        problem.__dict__.pop("long", None)
        points, arrived = problem.newton()
        assert arrived
        truth = Truth.of(problem, points[-1])
        star = truth.theta.astype(float)
        for size in (1e-4, 1e-2, 0.3):
            theta = star + size * np.append(0.1 * rng.normal(size=n), rng.normal())
            _, gradient, curvature, residual = problem.evaluate(theta)
            found = bound_by_penalty(
                gradient,
                problem.rounding(theta, residual),
                of=LOGISTIC,
                ridge=np.full(n, alpha),
                h_b=curvature.mean(),
                reach=np.linalg.norm(problem.u[:, :-1], axis=1).max() / np.sqrt(alpha),
                depth=m,
                zeta=1e-12,
            )
            at_least, _ = truth.gap(theta)
            assert at_least <= found.gap
            assert np.linalg.norm(theta[:-1] - star[:-1]) <= found.coef[0]
            assert abs(theta[-1] - star[-1]) <= found.coef[-1]
            proven += found.proven
            wrong += at_least > gradient[:-1] @ gradient[:-1] / (2 * alpha)
    assert wrong > 25
    assert proven > 225


def test_tiny_weights_and_rows_of_weight_zero_do_not_prove_too_much():
    # A row of weight 0 is nobody's: not in S, not in B, not in kappa.
    rng = np.random.default_rng(3)
    x = rng.normal(size=(80, 2))
    y = (rng.random(80) < 0.5).astype(float)
    s = np.ones(80)
    s[:20] = 0.0
    full = Problem(x, y, s, 0.0)
    short = Problem(x[20:], y[20:], s[20:], 0.0)
    theta = short.newton()[0][-2]
    part = np.flatnonzero(s > 0)
    a, _ = full.certify(theta, part, all_rows=True)
    b, _ = short.certify(theta)
    assert a.gap == pytest.approx(b.gap, rel=1e-9)
    assert a.lower == pytest.approx(b.lower, rel=1e-9)
