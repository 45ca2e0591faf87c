"""Whether a point separates the classes: a proof for rows that are few for their columns, without a linear program.

If the rows' (x, 1) are independent, some plane separates any labels of theirs (Cover 1965, Geometrical and statistical
properties of systems of linear inequalities, IEEE Transactions EC-14), and the fit with a tiny ridge finds one. The proof is
that plane: each row is on its side by more than rounding.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from hashlib import blake2b
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr, solve_triangular

from chainrule.data.rows import Rows
from chainrule.data.rows.moments import reach
from chainrule.diagnosis.exact import U
from chainrule.diagnosis.separation import Separation
from chainrule.findings import Finding

Vector = NDArray[np.float64]
Mask = NDArray[np.bool_]
Index = NDArray[np.int64]

AT_ONCE = 1_000_000  # numbers decoded at a time
MOST_ON_PLANE = 5_000_000  # numbers in the rows that a plane is moved through


def separated_by(rows: Rows, w: Vector, b: float, *, fit_intercept: bool = True) -> Separation | None:
    """Return the separation that a point proves; None if it proves none.

    All rows must be on their sides of its plane. Rows with the same numbers as rows of the other class lie on every separating
    plane: if there are any, the point's plane is first moved through them. So do rows of zeros without an intercept.

    Parameters
    ----------
    rows : Rows
        In units whose scales are powers of two. Rows of weight 0 don't count.
    w, b
        The point, in the rows' units.
    """
    side, theta, farther = np.where(rows.y > 0, 1.0, -1.0), np.append(w, b), 0.0
    z, rounding = _scores(rows, theta)
    wrong = rows.is_kept & (z * side <= rounding)
    groups = _same(rows, z, wrong, rounding) if wrong.any() else {}
    zeros = (
        np.zeros(0, np.int64) if fit_intercept else groups.pop(_key(np.zeros(rows.n_features)), np.zeros(0, np.int64))
    )
    mixed = [group for group in groups.values() if len(set(rows.y[group].tolist())) > 1]
    if mixed:
        moved = _moved(rows, theta, np.array([group[0] for group in mixed]), fit_intercept)
        if moved is None:
            return None
        theta, farther = moved
        z, rounding = _scores(rows, theta)
    on_plane = np.sort(np.concatenate([zeros, *mixed]))
    others = rows.is_kept.copy()
    others[on_plane] = False
    if not others.any() or not (z * side > rounding + farther)[others].all():
        return None
    kind: Literal["quasi", "complete"] = "quasi" if len(on_plane) else "complete"
    kept, same = int(np.count_nonzero(rows.is_kept)), len(on_plane) - len(zeros)
    told = {"rows": kept, "columns": rows.n_features, "mixed": same, "zeros": len(zeros), "of_rest": False}
    cause = Finding("few rows", told)
    values = {"kind": kind, "causes": (cause,), "rows": kept}
    return Separation(kind, (), on_plane, True, Finding("separated", values), _least_loss(rows, mixed, zeros))


def _scores(rows: Rows, theta: Vector) -> tuple[Vector, float]:
    """Return the rows' z at a point, (m,), and a bound on its rounding, also of x - center."""
    w, b = theta[:-1], float(theta[-1])
    size = float(reach(rows) @ np.abs(w)) + abs(b)
    return rows.scores(w, b), 8.0 * (rows.n_features + 8) * U * size


def _same(rows: Rows, z: Vector, wrong: Mask, rounding: float) -> dict[bytes, Index]:
    """Group the rows with the same numbers by their key; groups without a row on its wrong side may be left out."""
    far = np.sort(z[wrong])
    after = np.searchsorted(far, z).clip(1, len(far) - 1) if len(far) > 1 else np.zeros(len(z), dtype=np.int64)
    apart = np.minimum(np.abs(z - far[after]), np.abs(z - far[np.maximum(after - 1, 0)]))
    candidates = np.flatnonzero(rows.is_kept & (apart <= 2.0 * rounding))
    groups, step = dict[bytes, list[int]](), max(1, AT_ONCE // rows.n_features)
    for first in range(0, len(candidates), step):
        some = candidates[first : first + step]
        X = np.ascontiguousarray(rows.numbers(some)) + 0.0  # -0 is 0
        for i, x in zip(some.tolist(), X, strict=True):
            groups.setdefault(_key(x), []).append(i)
    return {key: np.array(group) for key, group in groups.items()}


def _key(x: Vector) -> bytes:
    return blake2b(x.tobytes()).digest()


def _moved(rows: Rows, theta: Vector, through: Index, fit_intercept: bool) -> tuple[Vector, float] | None:
    """Move a point's plane through some rows; None if it is not proven that they are independent, so that this can be done.

    With M the rows and r = M theta, theta - M'(MM')^-1 r is such a plane up to rounding. An exact one is at most |r|/sigma
    away, r its rounded rest and sigma the least singular value of M.

    Returns the point, and how much farther from the exact plane any row can be than it seems.
    """
    k, n = len(through), rows.n_features
    if k > n or k * n > MOST_ON_PLANE:
        return None
    M = rows.viewed(through)
    M[:, -1] = float(fit_intercept)
    Q, R = qr(M.T, mode="economic")
    smallest = float(np.linalg.svd(R, compute_uv=False)[-1])
    if not smallest > 2.0 * 4 * 8 * k * n * U * float(np.linalg.norm(R)):
        return None
    for _ in range(2):  # the second time removes what rounding left
        theta = theta - Q @ solve_triangular(R, M @ theta, trans="T")
    _, rounding = _scores(rows, theta)
    rest = float(np.linalg.norm(np.abs(M @ theta) + rounding))
    sizes = reach(rows)
    return theta, math.sqrt(float(sizes @ sizes) + 1.0) * rest / (0.5 * smallest) * (1.0 + 1e-9)


def _least_loss(rows: Rows, mixed: Sequence[Index], zeros: Index) -> float:
    """Return the least mean log-loss of any model, rounded down.

    Groups of the same numbers have the same probability; rows of zeros without an intercept have 1/2.
    """
    s = np.ones(rows.n_rows) if rows.s is None else rows.s
    total = math.log(2.0) * float(s[zeros].sum())
    for group in mixed:
        weights = np.array([s[group][rows.y[group] == label].sum() for label in (0, 1)])
        total -= float(weights @ np.log(weights / weights.sum()))
    return total / rows.weight * (1.0 - 1e-12)
