"""Whether rows overlap, or are all on one side of a plane through the origin: linear programs, and proofs.

The rows are a_i = (2y_i - 1) x~_i. Either there is a v with A v >= 0 and A v != 0 (they are separated), or there are
lambda_i > 0 with sum lambda_i a_i = 0 (they overlap): Stiemke 1915; for logistic regression Albert and Anderson 1984,
Biometrika 71, and Konis 2007. HiGHS solves the programs; the callers prove the answers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.sparse import csc_array, eye_array, hstack
from scipy.special import expit

from chainrule.diagnosis.exact import U

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Mask = NDArray[np.bool_]

FINE, COARSE = 1e-10, 1e-7  # feasibility tolerances of HiGHS: the smallest possible, and the default
FEW = 300_000  # numbers in the rows, up to which finding a direction of few columns takes a second
TINY = 1e-280  # curvature that counts as 0
MOST_STEPS, NEAR = 20, 1e-12  # of Newton's method, and its squared decrement at the end
FLAT = 1e-9  # a row's score so near 0, relative to |a|.|v|, may be exactly 0
RANK = 1e-9  # singular values below this share of the largest count as 0


@dataclass(frozen=True)
class Verdict:
    """Which rows of a matrix overlap, and one direction that separates all others.

    flat : (q,), rows that overlap. v : (k,), a direction whose scores are 0 in these and above 0 in the others, up to rounding.
    null : (k, d), directions with scores 0 in all rows of `flat`. proven : whether these overlap, given their computed rank.
    """

    flat: Mask
    v: Vector
    null: Matrix
    proven: bool


def decide(A: Matrix, start: Vector) -> Verdict:
    """Decide which rows of A (q, k) of size 1 overlap, and find a direction for the others; start : (k,), one to try first.

    Mostly Newton's method decides, otherwise a linear program; unproven if that fails.
    """
    return _by_newton(A, start) or _by_program(A)


def _by_newton(A: Matrix, start: Vector) -> Verdict | None:
    """Minimise the rows' logistic loss; None if that proves nothing.

    At a minimum sum_i g(-a_i.v) a_i = 0, so all rows overlap. If there is no minimum, v eventually separates all rows.
    """

    def separates(v: Vector) -> bool:
        return bool((A @ v > FLAT * (np.abs(A) @ np.abs(v))).all())

    v = start if separates(start) else np.zeros(len(start))
    for _ in range(MOST_STEPS):
        z = A @ v
        if separates(v):
            return _checked(A, np.zeros(len(A)), v / z.min())
        g = expit(-z)
        H, slope = (A.T * (g * (1.0 - g))) @ A, A.T @ g
        if not H.max() > TINY:
            break
        H[np.diag_indices(len(v))] += 1e-12 * H.max()
        change = np.linalg.solve(H, slope)
        if float(change @ slope) < NEAR and g.min() > TINY:
            return _checked(A, g / g.min(), v)
        v = v + change
    return None


def _by_program(A: Matrix) -> Verdict:
    """Find multipliers lambda = alpha + beta for rows A (q, k) of size 1, and a direction: the prices of the equations.

        max sum alpha, sum (alpha_i + beta_i) a_i = 0, 0 <= alpha <= 1, 0 <= beta.

    Since multipliers may be scaled, alpha is 1 in rows that overlap and 0 in others.
    """
    q, k = A.shape
    verdict = Verdict(np.ones(q, dtype=np.bool_), np.zeros(k), np.zeros((k, 0)), proven=False)
    _, sizes, right = np.linalg.svd(A, full_matrices=False)
    kept = sizes > RANK * sizes.max(initial=0.0)
    # In coordinates in which the rows are orthonormal, nearly dependent columns are as good as others.
    turn = right[kept].T * (np.sqrt(q) / sizes[kept])
    for turned, tolerance in ((np.eye(k), FINE), (turn, FINE), (turn, COARSE)):
        columns = csc_array((A @ turned).T)
        bounds = np.zeros(2 * q), np.repeat([1.0, np.inf], q)
        found = _solve(hstack([columns, columns]), np.repeat([1.0, 0.0], q), *bounds, tolerance)
        if found is not None:
            verdict = _checked(A, found[0][:q] + found[0][q:], turned @ found[1])
        if verdict.proven:
            break
    return verdict


def _checked(A: Matrix, multipliers: Vector, v: Vector) -> Verdict:
    """Check what the multipliers and the direction prove."""
    flat = multipliers > 0.5
    _, sizes, right = np.linalg.svd(np.linalg.qr(A[flat], mode="r"))
    rank = int((sizes > RANK * sizes.max(initial=0.0)).sum())
    proven = rank == 0 or overlap_is_proven(A[flat] @ right[:rank].T, multipliers[flat])
    found = _separating(A, np.zeros(len(v)) if flat.all() else v, flat, np.ones(len(A)))
    return Verdict(flat, v if found is None else found, right[rank:].T, proven and found is not None)


def _separating(A: Matrix, v: Vector, flat: Mask, margins: Vector) -> Vector | None:
    """Set v's rounded zeros to 0; None unless v is 0 in the flat rows and at least half the margin in the others."""
    v = np.where(np.abs(v) > 1e-12 * np.abs(v).max(initial=0.0), v, 0.0)
    z, size = A @ v, FLAT * (np.abs(A) @ np.abs(v))
    return v if np.where(flat, np.abs(z) <= size, z >= 0.5 * margins).all() else None


def sparsest(A: Matrix, flat: Mask, fit_intercept: bool) -> Vector | None:
    """Find the direction v (k,) of least sum |v_j|, the intercept left out, so that few v_j are not 0; None if not found.

    It is 0 in the flat rows and above 0 in the others. The v_j are the prices of the program
    max margins.lambda, |sum lambda_i a_ij| <= 1 (0 for the intercept).
    """
    q, k = A.shape
    if A.size > FEW:
        return None
    # Margins for the rows before scaling, when their last element (of the intercept) was 1.
    margins = np.where(flat, 0.0, np.abs(A[:, -1]) if fit_intercept else 1.0)
    costs = np.where(np.arange(k) < k - fit_intercept, 1.0, 0.0)
    columns, gain = hstack([csc_array(A.T), -eye_array(k)]), np.append(margins, np.zeros(k))
    low, high = np.append(np.where(flat, -np.inf, 0.0), -costs), np.append(np.full(q, np.inf), costs)
    found = _solve(columns, gain, low, high, FINE) or _solve(columns, gain, low, high, COARSE)
    return None if found is None else _separating(A, found[1], flat, margins)


def _solve(
    columns: csc_array, gain: Vector, low: Vector, high: Vector, tolerance: float
) -> tuple[Vector, Vector] | None:
    """Maximise gain.x with columns x = 0, low <= x <= high: (x, prices), or None if that fails."""
    from scipy.optimize import linprog  # the import takes a quarter of a second, and most fits need no program

    options = {"primal_feasibility_tolerance": tolerance, "dual_feasibility_tolerance": tolerance}
    zeros, bounds = np.zeros(columns.shape[0]), np.column_stack([low, high])
    found = linprog(-gain, A_eq=columns, b_eq=zeros, bounds=bounds, method="highs-ds", options=options)
    return (np.asarray(found.x), -np.asarray(found.eqlin.marginals)) if found.status == 0 else None


def overlap_is_proven(A: Matrix, multipliers: Vector) -> bool:
    """Whether there are lambda > 0 near `multipliers` with sum lambda_i a_i = 0, rounding included.

    With R'R = sum lambda a a' and rho = sum lambda_i a_i, the change -lambda_i a_i.(R'R)^-1 rho makes the sum 0; it is
    less than lambda_i if |a_i.(R'R)^-1 rho| < 1. The factor of two and e cover the rounding of A, rho and R.
    """
    q, k = A.shape
    weights = multipliers / multipliers.sum()
    if q < k or not (weights > 0).all():  # nor are they NaN
        return False
    R = np.linalg.qr(np.sqrt(weights)[:, None] * A, mode="r")
    smallest = float(np.linalg.svd(R, compute_uv=False)[-1])
    if not smallest > 4 * 8 * k * q * U * float(np.linalg.norm(R)):
        return False
    rho = A.T @ weights
    e = (q + 4) * U * (np.abs(A).T @ weights)
    tau = float(np.linalg.norm(solve_triangular(R, rho, trans="T"))) + float(np.linalg.norm(e)) / smallest
    kappa = float(np.sqrt(np.square(solve_triangular(R, A.T, trans="T")).sum(axis=0).max()))
    return kappa * tau < 0.5
