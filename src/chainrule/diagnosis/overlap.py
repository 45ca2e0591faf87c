"""Do rows overlap, or does a plane through the origin have them all on one side? A matrix in, a verdict out.

The rows are a_i = (2y_i - 1) x~_i. Either there is a v with A v >= 0 and A v != 0 (they are separated), or there are
lambda_i > 0 with sum lambda_i a_i = 0 (they overlap): Stiemke 1915; for logistic regression Albert and Anderson 1984,
Biometrika 71, and Konis 2007. Newton's method on the logistic loss finds such lambda, or a v with A v > 0, in a few
steps; where rows lie on the plane itself a linear program (HiGHS) finds v, and its multipliers are the lambda.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve, solve_triangular

from chainrule.data.rows import power_of_two
from chainrule.diagnosis.exact import U

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

RANK = 1e-9  # singular values below this share of the largest count as 0
STEPS = 40  # of Newton's method
ALONG = 1e-10  # share of the largest change of a row along a step, up to which none goes back
FEASIBLE = 1e-10  # the finest that HiGHS offers
STRICT = 1e-7  # a row is off the plane by the program's word from here on
SPARSE_COLUMNS = 120  # up to so many columns the program bounds sum |v_j|, which gives sparse v; above, each |v_j|


@dataclass(frozen=True)
class Verdict:
    """What is known of A.

    kind: "overlap" (proven: A has no v), "direction" (v, to the precision of the solver: not proven) or "open".
    null (k, d): directions that no row of A sees, for v = anything along them A v = 0.
    """

    kind: Literal["overlap", "direction", "open"]
    v: Vector | None
    null: Matrix


def normalized(A: Matrix) -> Matrix:
    """Rows times powers of two, so that each one's largest number is in [1, 2): the same verdict, no rounding."""
    return np.asarray(A * power_of_two(np.abs(A).max(axis=1, initial=0.0))[:, None])


def decide(A: Matrix, thorough: bool = False) -> Verdict:
    """Decide by Newton's method, then by the linear program. A (q, k), rows as `normalized` gives them.

    thorough: a direction with rows on its plane is the program's, a corner; else it may be one of Newton's steps, between all
    directions there are.
    """
    d = power_of_two(np.sqrt(np.einsum("ij,ij->j", A, A) / len(A)))
    B = A * d
    _, values, right = np.linalg.svd(np.linalg.qr(B, mode="r") if len(B) > B.shape[1] else B)
    rank = int((values > RANK * values[0]).sum()) if len(values) else 0
    null = right[rank:].T * d[:, None]
    full = rank == B.shape[1]
    if rank == 0:
        return Verdict("open", None, null)
    C = B if full else B @ right[:rank].T
    kind, u = _newton(C, not thorough)
    if kind == "overlap":
        return Verdict("overlap", None, null)
    if kind == "direction":
        assert u is not None
        return Verdict("direction", (u if full else right[:rank].T @ u) * d, null)
    v, multipliers = maximize(B)
    if v is not None and (B @ v).max() > STRICT:
        return Verdict("direction", v * d, null)
    if multipliers is not None and overlap_is_proven(C, multipliers):
        return Verdict("overlap", None, null)
    return Verdict("open", None, null)


def overlap_is_proven(A: Matrix, multipliers: Vector) -> bool:
    """Whether lambda > 0 near `multipliers` with sum lambda_i a_i = 0 exist, rounding included.

    With R'R = sum lambda a a' and rho = sum lambda_i a_i, the change -lambda_i a_i.(R'R)^-1 rho makes the sum 0; it is
    less than lambda_i where |a_i.(R'R)^-1 rho| < 1. The rounding of A, rho and R is inside the factor of two and e.
    """
    q, k = A.shape
    if q < k or not np.isfinite(multipliers).all():
        return False
    weights = multipliers / max(float(multipliers.sum()), 1e-300)
    if not (weights > 0).all():
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


def _newton(A: Matrix, along_steps: bool) -> tuple[str, Vector | None]:
    """Minimise sum log(1 + exp(-A u)), A of full column rank, as far as it tells: "overlap", "direction" or "open"."""
    q, k = A.shape
    u, z = np.zeros(k), np.zeros(q)
    loss = float(np.log(2.0))
    for _ in range(STEPS):
        residual = np.exp(-np.logaddexp(0.0, z))  # sigmoid(-z)
        gradient = -(A.T @ residual) / q
        curvature = residual * np.exp(-np.logaddexp(0.0, -z))
        H = (A.T * curvature) @ A / q
        H[np.diag_indices(k)] += 1e-14 * np.trace(H) / k
        try:
            step = -cho_solve(cho_factor(H), gradient)
        except (LinAlgError, ValueError):
            return "open", None
        change = A @ step
        if np.abs(change).max() < 0.25 and overlap_is_proven(A, residual):
            return "overlap", None
        if along_steps and change.max() > 0.5 and change.min() >= -ALONG * change.max():
            return "direction", step  # far out a step takes rows off the plane further, and leaves those on it
        rate = 1.0
        while rate > 1e-4:
            trial = float(np.logaddexp(0.0, -(z + rate * change)).mean())
            if trial <= loss + 1e-4 * rate * float(gradient @ step):
                break
            rate /= 2
        else:
            return "open", None
        u, z, loss = u + rate * step, z + rate * change, trial
        if z.min() > STRICT * np.abs(u).max():
            return "direction", u
    return "open", None


def maximize(A: Matrix, margin: bool = False, zero: Matrix | None = None) -> tuple[Vector | None, Vector | None]:
    """Linear program: max sum_i a_i.v with A v >= 0 in a bounded set of v; its v and multipliers (at least 1).

    With `margin`: min sum |v_j| with A v >= 1 and zero v = 0 (a sparse v that separates with a margin; no multipliers).
    The last column of A, the intercept, costs nothing where |v| is summed.
    """
    from scipy.optimize import linprog  # half of a first fit's time, which most fits never need

    q, k = A.shape
    options = {"primal_feasibility_tolerance": FEASIBLE, "dual_feasibility_tolerance": FEASIBLE}
    total = A.sum(axis=0)
    if margin or k <= SPARSE_COLUMNS:
        n = k - 1
        # v = positive part - negative part; the intercept has the bounds of the scale of the others.
        G = np.hstack([-A[:, :n], A[:, :n], -A[:, n:]])
        bounds: list[tuple[float | None, float | None]] = [(0, None)] * (2 * n) + [(None, None)]
        if margin:
            cost, limit = np.append(np.ones(2 * n), 0.0), -np.ones(q)
        else:
            cost = -np.concatenate([total[:n], -total[:n], total[n:]])
            G = np.vstack([G, np.append(np.ones(2 * n), 0.0)])
            limit = np.append(np.zeros(q), 1.0)
            bounds[-1] = (-4.0, 4.0)
        E = None if zero is None or not len(zero) else np.hstack([zero[:, :n], -zero[:, :n], zero[:, n:]])
        e = None if E is None else np.zeros(len(E))
        found = linprog(cost, A_ub=G, b_ub=limit, A_eq=E, b_eq=e, bounds=bounds, method="highs-ds", options=options)
        if found.x is None:
            return None, None
        v = np.append(found.x[:n] - found.x[n : 2 * n], found.x[-1])
    else:
        found = linprog(-total, A_ub=-A, b_ub=np.zeros(q), bounds=(-1, 1), method="highs-ds", options=options)
        if found.x is None:
            return None, None
        v = found.x
    if found.status != 0:
        return None, None
    return np.asarray(v), np.asarray(1.0 - found.ineqlin.marginals[:q])
