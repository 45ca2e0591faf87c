"""The claim itself: on random problems the true gap is never above the bound, nor below the lower one; both are near it."""

from collections import Counter

import numpy as np
import pytest
import scipy.linalg

from certificate_tools import LONG, LONG_UNIT, Exact, Truth, points_on_the_way, random_problem
from chainrule.certificate.bounds import moved
from chainrule.certificate.rounding import objective_rounding
from chainrule.losses import LOGISTIC

SLICES, EACH = 5, 100


def parts_and_places(problem, rng, points, k):
    """All rows, few less and a part, B taken at the point itself and near it: (rows, theta0, delta is read, some left out)."""
    part = rng.choice(problem.m, size=max(3 * problem.n, problem.m // 3), replace=False)
    near = points[k] + 0.01 * rng.normal(size=problem.n + 1)
    if k:
        near = points[k] + 0.3 * rng.normal() * (points[k - 1] - points[k])
    read = bool(k % 2)
    return (
        (None, None, True, False),
        (part, None, True, False),
        (None, near, read, False),
        (part, near, read, False),
        (None, None, True, True),
    )


def relative_curvature(problem, theta, part):
    """lambda_max(B^-1 H), H of all rows and B of a part, both at theta."""
    curvature = problem.at(theta)[2]
    H, B = problem.hessian(curvature), problem.hessian(curvature, part)
    scale = 1 / np.sqrt(np.diag(B))
    return scipy.linalg.eigvalsh(H * scale * scale[:, None], B * scale * scale[:, None])[-1]


@pytest.mark.skipif(LONG_UNIT > 1e-18, reason="longdouble has no 64-bit mantissa here: the 50-digit test stands alone")
@pytest.mark.parametrize("start", range(0, SLICES * EACH, EACH))
def test_true_gap_lies_between_the_bounds(start):
    counts = Counter()
    for seed in range(start, start + EACH):
        problem, rng = random_problem(seed), np.random.default_rng([seed, 1])
        points, last, arrived = points_on_the_way(problem, rng)
        truth = Truth.of(problem, last) if arrived else None
        counts["without an optimum"] += not arrived
        for k, theta in enumerate(points):
            F = problem.at(theta)[0]
            if arrived:
                at_least, at_most = truth.gap(theta)
                distance = np.abs((theta.astype(LONG) - truth.theta).astype(float))
            for part, theta0, read_delta, leave in parts_and_places(problem, rng, points, k):
                found, _ = problem.certify(theta, part, theta0, read_delta, leave)
                counts["proven" if found.proven else "not proven"] += 1
                if not arrived:
                    assert not found.proven
                    assert found.lower <= F
                    continue
                assert at_least <= found.gap
                assert found.lower <= at_most
                assert (distance <= found.coef + truth.own_coef).all()
                is_known = at_least > 100 * found.noise and at_most <= 1.1 * at_least
                if found.r <= 0.5 and theta0 is None and is_known and not leave:
                    counts["tight", part is None] += 1
                    factor = 1.0 if part is None else relative_curvature(problem, theta, part)
                    assert found.gap <= 1.5 * factor * at_least
                    assert part is not None or found.lower >= 0.6 * at_least
    # Where the test looks: most points can be proven, and hundreds are close enough to judge the bound by.
    assert counts["proven"] > counts["not proven"]
    assert min(counts["tight", True], counts["tight", False]) > EACH
    assert counts["without an optimum"] < EACH / 4


@pytest.mark.parametrize("start", range(5000, 5080, 20))
def test_true_gap_in_50_digits_lies_between_the_bounds(start):
    proven = 0
    for seed in range(start, start + 20):
        problem, rng = random_problem(seed, largest=60), np.random.default_rng([seed, 1])
        points, last, arrived = points_on_the_way(problem, rng)
        if not arrived:
            continue
        exact = Exact(problem, last)
        iterates = []
        for k, theta in enumerate(points):
            gap = exact.gap(theta)
            assert gap >= 0
            distance = np.array([abs(float(a - b)) for a, b in zip(theta.tolist(), exact.theta, strict=True)])
            for part, theta0, read_delta, leave in parts_and_places(problem, rng, points, k):
                found, _ = problem.certify(theta, part, theta0, read_delta, leave)
                proven += found.proven
                assert found.lower <= gap <= found.gap
                assert (distance <= found.coef * (1 + 1e-12)).all()
                iterates.append((problem.evaluate(theta)[0], found.gap))
        rounding = max(rounding_of_F(problem, theta) for theta in points)
        best = max(objective - gap - rounding for objective, gap in iterates)
        assert best <= exact.minimum
        assert best >= float(exact.minimum) - 1e-6 or problem.kind == "near-collinear"
    assert proven > 200


def rounding_of_F(problem, theta):
    F, _, _, residual = problem.evaluate(theta)
    r_rms = np.sqrt(problem.s @ residual**2 / problem.S)
    return objective_rounding(
        of=LOGISTIC, loss=F, d=problem.m, r_rms=r_rms, M=problem.M, w=theta[:-1], b=theta[-1], ridge=problem.ridge[:-1]
    )


def test_rounding_terms_cover_the_errors_and_are_not_far_above(rng):
    shares = []
    for seed in range(6000, 6040):
        problem = random_problem(seed, largest=60)
        theta = rng.normal(size=problem.n + 1) * 10.0 ** rng.uniform(-2, 2)
        exact = Exact.__new__(Exact)
        exact.read(problem)
        F, gradient, _, residual = problem.evaluate(theta)
        e = problem.rounding(theta, residual)
        wide = [exact.mp.mpf(float(v)) for v in theta]
        errors = [abs(float(a - b)) for a, b in zip(gradient.tolist(), exact.gradient(wide), strict=True)]
        assert (np.array(errors) <= e).all()
        assert abs(float(exact.value(theta) - float(F))) <= rounding_of_F(problem, theta)
        shares.append(max(errors / e))
    assert max(shares) > 1e-3


def test_point_rounded_to_other_units_keeps_its_bound(rng):
    for seed in range(5000, 5020):
        problem = random_problem(seed, largest=60)
        points, arrived = problem.newton()
        if not arrived:
            continue
        theta = points[-1]
        exact = Exact(problem, theta)
        found, _ = problem.certify(theta)
        shift = 1e-9 * rng.normal(size=problem.n + 1)
        theta_moved = theta + shift
        size = np.abs(theta_moved - theta)
        bend = LOGISTIC.curvature * float(problem.M @ size) ** 2 + float(problem.ridge[:-1] @ size[:-1] ** 2)
        after = moved(found, size, bend)
        assert after.lower <= exact.gap(theta_moved) <= after.gap
        distance = np.array([abs(float(a - b)) for a, b in zip(theta_moved.tolist(), exact.theta, strict=True)])
        assert (distance <= after.coef).all()
        assert after.gap > found.gap


def test_any_combination_of_the_coefficients_is_bounded(rng):
    for seed in range(200):
        problem = random_problem(seed)
        points, arrived = problem.newton()
        if not arrived or problem.kind == "near-collinear":
            continue
        truth = Truth.of(problem, points[-1])
        # The user's intercept: b = a - sum_j center_j power_j v_j.
        user = np.append(-problem.center * problem.power, 1.0)
        combinations = np.vstack([user, rng.normal(size=problem.n + 1)])
        for theta in points[-3:-1]:
            found, factor = problem.certify(theta)
            distance = np.abs(combinations @ (theta.astype(LONG) - truth.theta).astype(float))
            if found.proven:
                most = found.radius * np.sqrt(factor.leverages(combinations))
                assert (distance <= most * (1 + 1e-9) + 1e-12 * np.abs(combinations).sum(axis=1)).all()
