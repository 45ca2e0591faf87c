"""The small functions: each against its formula in more digits, or against NumPy's dense algebra."""

import json
import math
import pickle
import subprocess
import sys

import mpmath
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from certificate_tools import Problem
from chainrule.certificate.bounds import (
    bound,
    h,
    h_lower_ratio,
    h_ratio,
    kappa_upper,
    leave_out,
    radius_ratio,
)
from chainrule.certificate.factor import SMALL, Factor
from chainrule.certificate.rounding import (
    gradient_rounding,
    hessian_eta,
    objective_rounding,
    reach_bound,
    z_rounding,
)
from chainrule.certificate.statement import KINDS, Certificate, digits_of
from chainrule.findings import Finding
from chainrule.kernels.bordered import Bordered
from chainrule.losses import LOGISTIC
from chainrule.words import downward, upward
from drawn_tools import drawn, numbers, tables, whole

RADII = np.concatenate([10.0 ** np.arange(-160, -3.0, 7), np.linspace(1e-3, 0.0101, 60), np.linspace(0.011, 0.999, 60)])


@pytest.mark.parametrize("r", [*RADII.tolist(), 0.01, math.nextafter(0.01, 0), 1 - 1e-12])
def test_h_and_its_kin_are_on_the_safe_side_and_near(r):
    with mpmath.workdps(400):
        x = mpmath.mpf(r)
        upper = (x + (1 - x) * mpmath.log(1 - x)) / x**2
        lower = ((1 + x) * mpmath.log(1 + x) - x) / x**2
        radius = -mpmath.log(1 - x) / x
        assert upper <= h_ratio(r) <= upper * (1 + 5e-6)
        assert lower * (1 - 1e-6) <= h_lower_ratio(r) <= lower
        assert radius <= radius_ratio(r) <= radius * (1 + 1e-7)
        assert r < 1e-150 or upper * x**2 * (1 - 1e-15) <= h(r)


def test_h_at_its_ends():
    assert h_ratio(0.0) == pytest.approx(0.5)
    assert h(1.0) == 1.0
    assert radius_ratio(1.0) == math.inf
    assert 0.0 <= h_lower_ratio(1e200) <= h_lower_ratio(1e20) < 1e-18
    assert h_lower_ratio(3.0) == pytest.approx((4 * math.log(4) - 3) / 9)


def random_matrix(rng, size, smallest):
    """A positive definite B of wild scales whose D^-1 B D^-1 has a smallest eigenvalue near `smallest`."""
    q, _ = np.linalg.qr(rng.normal(size=(size, size)))
    A = (q * np.append(smallest, rng.uniform(0.5, 1.5, size - 1))) @ q.T
    scale = 10.0 ** rng.uniform(-6, 6, size)
    return A * scale * scale[:, None]


@pytest.mark.parametrize("size", [1, 2, 7, 31, 65, 120])
@pytest.mark.parametrize("smallest", [1.0, 1e-3, 1e-7])
def test_factor_agrees_with_dense_algebra(rng, size, smallest):
    check_factor(rng, random_matrix(rng, size, smallest))


def table_matrix(rng, levels, before, others):
    """B of a table whose first category has so many levels, after some numbers and before other levels and numbers."""
    m = 900
    of = [np.eye(k + 1)[rng.integers(0, k + 1, m)][:, 1:] for k in (levels, *others)]
    X = np.column_stack([rng.normal(size=(m, before)), *of, rng.normal(size=(m, 2)), np.ones(m)])
    X *= 10.0 ** rng.uniform(-3, 3, X.shape[1])
    return (X * rng.uniform(0.01, 0.25, (m, 1))).T @ X / m, slice(before, before + levels)


def bordered(B, head):
    """The same matrix in parts; below the rest's diagonal nothing counts."""
    others = np.delete(np.arange(len(B)), head)
    return Bordered.of(B[head, others], np.triu(B[np.ix_(others, others)]), B.diagonal()[head], head)


@pytest.mark.parametrize("before", [0, 3])
@pytest.mark.parametrize("others", [(), (5,), (40, 9)])
def test_a_factor_that_begins_with_the_levels_of_one_category_agrees_too(rng, before, others):
    B, head = table_matrix(rng, 60, before, others)
    check_factor(rng, B, bordered(B, head))
    B[-1, -1] = -1.0
    assert not Factor.of(bordered(B, head), 1e-12).factored


@pytest.mark.parametrize("smallest", [1e-2, 1e-6, 1e-9])
def test_no_norm_of_a_bordered_factor_is_too_small(rng, smallest):
    """Against exact numbers, where the last number is the first category's levels but for a little."""
    eta = 1e-13
    B, head = table_matrix(rng, 12, 1, (3,))
    n = len(B)
    D = np.sqrt(B.diagonal())
    A = B / D / D[:, None]
    close = A[:, 2] + A[:, 3]
    A[:, -2] = A[-2, :] = close / math.sqrt(close[2] + close[3])
    A[-2, -2] = 1.0 + smallest
    B = A * D * D[:, None]
    factor, whole = Factor.of(bordered(B, head), eta), Factor.of(B, eta)
    assert factor.ok
    v, U = rng.normal(size=n) * D, rng.normal(size=(4, n)) * D
    with mpmath.workdps(60):
        exact = mpmath.matrix([[mpmath.mpf(x) for x in row] for row in np.triu(B) + np.triu(B, 1).T])
        inverse = exact**-1
        scale = [1 / mpmath.sqrt(exact[j, j]) for j in range(n)]
        least = min(
            mpmath.eigsy(mpmath.matrix(n, n) + mpmath.diag(scale) * exact * mpmath.diag(scale), eigvals_only=True)
        )

        def norm2(x):
            x = mpmath.matrix([mpmath.mpf(each) for each in x])
            return (x.T * inverse * x)[0]

        for found, true in (
            ([factor.norm2(v)], [norm2(v)]),
            (factor.leverages(U), [norm2(u) for u in U]),
            (factor.inverse_diagonal, [inverse[j, j] for j in range(n)]),
        ):
            for one, other in zip(found, true, strict=True):
                assert other <= one <= other * (1.1 if smallest > 1e-9 else 10)
        assert 0 < factor.lambda_min <= least
        assert 0 < factor.lambda_low <= least
    assert factor.loss == pytest.approx(whole.loss, rel=1e-3)


def test_null_vectors_of_a_bordered_matrix_are_those_of_the_whole(rng):
    levels = np.eye(31)[rng.integers(0, 31, 600)][:, 1:]
    x = rng.normal(size=(600, 2))
    X = np.column_stack([x, levels, x[:, 0] + levels[:, 3], levels[:, 4:9].sum(axis=1), np.ones(600)])
    B = X.T @ X / 600
    eta = hessian_eta(len(B) - 1, 100)
    given, whole = bordered(B, slice(2, 32)), Factor.of(B, eta)
    found = Factor.of(given, eta)
    assert not found.ok
    (values, vectors), (_, others) = found.null_space, whole.null_space
    assert vectors.shape == others.shape == (len(B), 2)
    assert (np.abs(values) <= 2 * eta).all()
    assert np.linalg.norm(vectors, axis=0) == pytest.approx(1.0)
    assert np.abs(vectors - others @ (others.T @ vectors)).max() <= 1e-7
    given.of_head[3], given.border[3] = 0.0, 0.0
    assert np.flatnonzero(Factor.of(given, eta).null_space[1][:, 0]).tolist() == [5]


def check_factor(rng, B, given=None):
    size, eta = len(B), 1e-12
    factor = Factor.of(np.triu(B) if given is None else given, eta)  # the upper triangle is enough
    assert factor.factored
    assert factor.ok
    D = np.sqrt(np.diag(B))
    A = B / D / D[:, None]
    shifted = A - eta * np.eye(size)
    inverse = np.linalg.inv(shifted) / D / D[:, None]
    v, U = rng.normal(size=size) * D, rng.normal(size=(5, size)) * D
    assert factor.D == pytest.approx(D)
    used = shifted if size > SMALL else A  # one factor for steps and proofs, where pivots are clear of eta as here
    assert factor.solve(v) * D == pytest.approx(np.linalg.solve(used, v / D), rel=1e-6)
    assert factor.proof_solve(v) * D == pytest.approx(np.linalg.solve(shifted, v / D), rel=1e-6)
    assert factor.norm2(v) == pytest.approx(v @ inverse @ v, rel=1e-6)
    # Inflated by what products with L^-1 may lose.
    for found, exact in (
        (factor.leverages(U), np.einsum("ki,ij,kj->k", U, inverse, U)),
        (factor.inverse_diagonal, np.diag(inverse)),
    ):
        assert (found >= exact * (1 - 1e-8)).all()
        assert found == pytest.approx(exact, rel=1e-4)
    smallest_eigenvalue = np.linalg.eigvalsh(shifted)[0]
    weakest = (size ** (-1 / 4)) if size <= 50 else 0.75
    assert weakest * smallest_eigenvalue * 0.99 <= factor.lambda_min <= smallest_eigenvalue * (1 + 1e-6) + 1e-15


@st.composite
def matrices_with_errors(draw):
    """A positive definite B of wild scales, an error of its entries of norm at most 1, and a vector."""
    size = draw(st.integers(2, 7))
    A, error, v = draw(numbers((size, size))), draw(numbers((size, size), 1.0)), draw(numbers(size))
    scale = 10.0 ** draw(whole(size, 6))
    B = (A @ A.T + 10.0 ** draw(st.floats(-4, 0)) * np.eye(size)) * scale * scale[:, None]
    return B, (error + error.T) / (2 * size), v


@drawn
@given(matrices_with_errors())
def test_proof_norms_cover_every_matrix_within_eta(problem):
    eta, (B, error, v) = 1e-4, problem
    factor = Factor.of(B, eta)
    assume(factor.ok)
    true = B / factor.D / factor.D[:, None] + eta * error
    assert np.linalg.eigvalsh(true)[0] > 0
    inverse = np.linalg.inv(true)
    assert factor.norm2(v * factor.D) >= v @ inverse @ v * (1 - 1e-9)
    assert (factor.inverse_diagonal * factor.D**2 >= np.diag(inverse) * (1 - 1e-9)).all()


def test_factor_that_fails_says_why_and_names_the_directions(rng):
    x = rng.normal(size=(50, 3))
    x = np.column_stack([x, x[:, 0] - 2 * x[:, 1], np.ones(50)])
    B = x.T @ x
    factor = Factor.of(B, hessian_eta(4, 50))
    assert not factor.ok
    values, vectors = factor.null_space
    assert values.shape == (1,)
    direction = vectors[:, 0] / factor.D
    assert direction / direction[3] == pytest.approx([-1, 2, 0, 1, 0], abs=1e-9)
    assert factor.lambda_min == 0.0
    found = bound(factor, np.ones(5), np.zeros(5), kappa=1.0)
    assert (found.gap, found.lower, found.proven) == (math.inf, 0.0, False)
    with pytest.raises(ValueError, match="ok"):
        factor.norm2(np.ones(5))

    constant = B.copy()
    constant[2] = constant[:, 2] = 0.0
    factor = Factor.of(constant, 1e-12)
    assert not factor.factored
    assert "[2]" in factor.reason
    assert np.linalg.norm(factor.null_space[1][2]) == pytest.approx(1.0)  # beside the collinear columns


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0, 0.0, 1e-300])
@pytest.mark.parametrize("place", [(0, 0), (2, 2), (0, 1), (1, 2)])
def test_no_matrix_raises_or_is_proven_wrongly(bad, place):
    B = np.eye(3)
    B[place] = B[place[::-1]] = bad
    with np.errstate(all="ignore"):
        factor = Factor.of(B, 1e-12)
    ill = not np.isfinite(bad) or place[0] == place[1] or bad == -1.0
    assert factor.ok is not ill


def test_eta_near_one_is_not_ok():
    assert not Factor.of(np.eye(2), 1.0).ok
    assert Factor.of(np.eye(2), 0.5).ok
    # By float32 in large blocks, what is nearly collinear can't be proven.
    B = np.array([[1.0, 0.999], [0.999, 1.0]])
    assert not Factor.of(B, hessian_eta(1, 20, float32_block=16384)).ok
    assert Factor.of(B, hessian_eta(1, 20, float32_block=64)).ok


@drawn
@given(tables())
def test_kappa_is_at_least_the_largest_leverage(table):
    X, _, _ = table
    assume(X.any(axis=0).all())
    m = len(X)
    x = np.column_stack([X, np.ones(m)])
    factor = Factor.of(x.T @ x / m + np.diag(np.diag(x.T @ x)) * 0.01, 1e-12)
    norms2 = np.square(x * factor.inverse_D).sum(axis=1)
    assert math.sqrt(factor.leverages(x).max()) <= kappa_upper(factor, norms2.max())


def test_kappa_without_rows_or_without_a_proof():
    factor = Factor.of(np.eye(2), 1e-12)
    broken = Factor.of(np.ones((2, 2)), 1e-12)
    assert kappa_upper(broken, 1.0) == math.inf
    # No rows in T: the penalty alone is the Hessian, and the bound nu^2/2 is exact for a parabola.
    found = bound(factor, np.array([0.3, 0.4]), np.zeros(2), kappa=0.0)
    assert found.gap == pytest.approx(0.125)
    assert found.radius == pytest.approx(0.5)


def test_the_terms_of_the_bound_go_the_right_way(rng):
    x = np.column_stack([rng.normal(size=(90, 2)), np.ones(90)])
    factor = Factor.of(x.T @ x / 400, 1e-12)
    gradient, e = 1e-3 * rng.normal(size=3), np.full(3, 1e-9)
    kappa = math.sqrt(factor.leverages(x).max())
    plain = bound(factor, gradient, e, kappa=kappa, all_rows=True)
    assert 0 < plain.lower < plain.gap < 1.1 * plain.lower
    assert plain.r == pytest.approx(kappa * plain.nu)
    for name, change in {"zeta": 0.1, "delta": 0.1}.items():
        looser = bound(factor, gradient, e, kappa=kappa, all_rows=True, **{name: change})
        assert looser.r == pytest.approx(plain.r * math.exp(change))
        assert looser.gap > plain.gap * math.exp(change)
        assert looser.lower < plain.lower * math.exp(-0.9 * change)
        assert (looser.coef > plain.coef * math.exp(change)).all()
    assert bound(factor, gradient, e, kappa=kappa).lower == 0.0
    assert bound(factor, gradient, 100 * e, kappa=kappa).gap > plain.gap
    silent = bound(factor, 0 * gradient, e, kappa=kappa, all_rows=True)
    assert silent.gap == pytest.approx(plain.noise)
    assert silent.lower == 0.0
    far = bound(factor, 1e3 * gradient, e, kappa=kappa, all_rows=True)
    assert far.gap == math.inf
    assert 0 < far.lower < math.inf
    assert not far.proven
    for broken in (bound(factor, gradient * np.nan, e, kappa=kappa), bound(factor, gradient, e, kappa=math.inf)):
        assert not broken.proven
    assert not bound(factor, gradient, e, kappa=kappa, delta=800.0).proven


@pytest.mark.parametrize("block", [32, 256])
def test_float32_hessian_is_within_its_eta_and_still_proves(rng, block):
    for _ in range(20):
        m, n = 700, int(rng.integers(2, 12))
        mix = np.linalg.qr(rng.normal(size=(n, n)))[0] * 10.0 ** rng.uniform(-1, 0, n)
        x = rng.standard_t(4, size=(m, n)) @ mix + rng.normal(size=n)
        y = (rng.random(m) < 1 / (1 + np.exp(-x.sum(axis=1)))).astype(float)
        problem = Problem(x, y, rng.exponential(size=m), 1e-6)
        points, arrived = problem.newton()
        assert arrived
        theta = points[-2]
        _, gradient, curvature, residual = problem.evaluate(theta)
        exact = problem.hessian(curvature)
        D = np.sqrt(np.diag(exact))
        rows = (problem.u * np.sqrt(problem.s * curvature / problem.S)[:, None] / D).astype(np.float32)
        A = sum((part.T @ part).astype(float) for part in np.split(rows, range(block, m, block)))
        eta = hessian_eta(n, m / block, float32_block=block)
        B = A * D * D[:, None] + np.diag(problem.ridge)
        error = np.linalg.norm((B - exact) / D / D[:, None], 2)
        assert 1e-9 < error < eta
        factor = Factor.of(B, eta)
        e = problem.rounding(theta, residual)
        found = bound(factor, gradient, e, kappa=problem.kappa(factor), zeta=1e-13, all_rows=True)
        sharp, _ = problem.certify(theta)
        if found.proven and eta < 0.1 * factor.lambda_min:
            assert sharp.gap <= found.gap <= 1.2 * sharp.gap
            assert sharp.lower / 1.3 <= found.lower <= sharp.lower


def test_rounding_formulas():
    u = 2.0**-53
    assert hessian_eta(30, 146) == pytest.approx(31 * 4 * (30 + 146 + 8) * u)
    assert hessian_eta(30, 146, 64) == pytest.approx(31 * (70 * 2.0**-24 + 4 * 184 * u))
    assert z_rounding(5, 10.0) == pytest.approx(70 * u)
    M, w, ridge = np.array([2.0, 1.0]), np.array([-3.0]), np.array([0.5])
    e = gradient_rounding(of=LOGISTIC, M=M, d=20, r_rms=0.4, w=w, b=-4.0, ridge=ridge)
    assert e == pytest.approx(u * M * (20 * 0.4 + 4 + 4 / 4 * (6 + 4)) + np.array([4 * u * 0.5 * 3, 0]))
    found = objective_rounding(of=LOGISTIC, loss=0.6, d=20, r_rms=0.4, M=M, w=w, b=-4.0, ridge=ridge)
    assert found == pytest.approx(u * (20 * 0.6 + 4 * 0.4 * 10 + 4 * 0.5 * 9))
    # Without an intercept M has no bias.
    assert gradient_rounding(of=LOGISTIC, M=M[:1], d=20, r_rms=0.4, w=w, b=0.0).shape == (1,)


def test_reach_bound_covers_every_row(rng):
    x = np.column_stack([rng.standard_t(2, size=(100, 4)), np.ones(100)])
    D, theta = rng.uniform(0.1, 3, 5), rng.normal(size=5)
    assert (np.abs(x) @ np.abs(theta)).max() <= reach_bound(np.square(x / D).sum(axis=1).max(), D, theta)


def certificate(**changes):
    w, coef = np.array([1.0, -200.0, 0.0]), np.array([1e-9, 1e-3, 1e-4])
    values = {
        "kind": "bound",
        "gap": 3.011e-12,
        "lower": 2.99e-12,
        "coef": coef,
        "intercept": 1e-8,
        "digits": digits_of(w, coef),
        "r": 1e-5,
        "noise": 1e-25,
        "hessian_rows": "all rows",
        "reads": 4.0,
        "seconds": 0.1,
        "objective": 0.25,
        "optimum_at_least": 0.25 - 1e-11,
    }
    return Certificate(**(values | changes))


def test_digits_are_those_that_are_right():
    w = np.array([1.0, 1.0, 3.14159, 1.0, 0.0, 5.0, 5.0, 1e-300])
    error = np.array([0.5, 0.05, 4e-6, 0.0, 1e-3, np.inf, 9.0, 1e-320])
    assert digits_of(w, error).tolist() == [0, 1, 5, 15, 0, 0, 0, 15]


def test_sentence_rounds_bounds_up_and_says_what_holds():
    assert certificate().sentence == (
        "F - F* <= 3.1e-12 nats (proven), and at least 2.9e-12: no coefficient is further than 0.001 from the optimum's"
    )
    sure = certificate(digits=np.array([8, 9, 12]), lower=0.0)
    assert sure.sentence == "F - F* <= 3.1e-12 nats (proven): every coefficient is right to 8 digits or more"
    assert certificate(digits=np.array([1]), coef=np.ones(1)).sentence.endswith("right to 1 digit or more")
    none = certificate(kind="none", gap=math.inf, why=Finding("too far", {"relations": ("x1 = x2",)}))
    assert (
        none.sentence
        == "No bound on F - F* is proven: the run ended too far from an optimum; the columns are collinear: x1 = x2"
    )
    assert not none.proven
    why = Finding("separated", {"kind": "quasi", "causes": (), "rows": 60})
    ridge = certificate(kind="ridge", why=why)  # the columns and the ways out are for the warning
    assert f"no optimum: {why.head})" in ridge.sentence
    assert ridge.proven
    known = certificate(kind="ridge", infimum_gap=3.21e-4, infimum_at_least=0.1)
    assert "without the ridge F - inf F <= 0.00033" in known.sentence
    assert "inf F" not in certificate(kind="ridge", infimum_gap=3.21e-4, infimum_at_least=0.0).sentence


def test_a_bound_that_is_f_itself_is_no_bound():
    F = {"kind": "infimum", "objective": 0.37, "gap": 0.37, "infimum_gap": 0.37, "infimum_at_least": 0.0, "lower": 0.2}
    quasi, complete = (Finding("separated", {"kind": kind, "causes": (), "rows": 60}) for kind in ("quasi", "complete"))
    assert certificate(**F, why=quasi).sentence.startswith(
        "F = 0.37 nats, and no better bound on F - inf F is proven: "
    )
    bound = certificate(**(F | {"kind": "bound"}))
    assert bound.sentence == "F = 0.37 nats, and no better bound on F - F* is proven"
    assert certificate(**F, why=complete).sentence.startswith(
        "F = 0.37 nats, and inf F = 0, which no coefficients attain"
    )
    assert (
        "F - inf F <= 0.07" in certificate(**(F | {"gap": 0.07, "infimum_gap": 0.07, "infimum_at_least": 0.3})).sentence
    )


def test_certificate_is_frozen_pickles_and_goes_to_json():
    made = certificate(intercept=math.inf, optimum_at_least=-math.inf)
    assert pickle.loads(pickle.dumps(made)).to_dict() == made.to_dict()
    with pytest.raises(AttributeError):
        made.gap = 0.0
    for kind in KINDS:
        read = json.loads(json.dumps(certificate(kind=kind).to_dict(), allow_nan=False))
        assert read["kind"] == kind
        assert read["coef"] == [1e-9, 1e-3, 1e-4]
    out = json.loads(json.dumps(made.to_dict(timings=False), allow_nan=False))
    assert out["intercept"] is None
    assert out["optimum_at_least"] is None
    assert "seconds" not in out
    assert "seconds" in made.to_dict()


def test_two_digits_never_go_the_wrong_way(rng):
    for x in [*(10.0 ** rng.uniform(-30, 5, 300)).tolist(), 1.0, 0.1, 1e-12, 9.99e-5, 0.0]:
        up, down = float(upward(x)), float(downward(x))
        assert down <= x * (1 + 1e-15)
        assert x * (1 - 1e-15) <= up
        assert up <= 1.11 * x
        assert down >= 0.9 * x
    assert upward(math.inf) == "inf"


def test_scipy_is_not_loaded_before_it_is_needed():
    code = "import sys, chainrule.certificate; sys.exit('scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_rows_left_out_weigh_what_is_said_and_leave_a_smaller_kappa(rng):
    x = np.column_stack([rng.standard_t(1.0, size=(500, 3)), np.ones(500)])
    weights = rng.exponential(size=500) * np.exp(-np.abs(x[:, 0])) / 500
    B = (x * weights[:, None]).T @ x
    factor = Factor.of(B, hessian_eta(3, 500))
    leverages = factor.leverages(x)
    kappa, tau = leave_out(leverages, weights)
    assert kappa / (1 - tau) < 0.1 * np.sqrt(leverages.max())
    kept = leverages <= kappa**2
    assert 400 <= kept.sum() < 500
    rest = (x[kept] * weights[kept, None]).T @ x[kept]
    assert np.linalg.eigvalsh(rest - (1 - tau) * B).min() >= -1e-14 * np.trace(B)
    # Where all rows are alike there is nothing to leave out.
    assert leave_out(np.full(9, 4.0), np.full(9, 0.02)) == (pytest.approx(2.0), 0.0)
