"""What the core does for its own losses, in NumPy: for a loss that it has no struct for. Slower, and more reads."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from chainrule.data.rows import Rows
from chainrule.kernels.reader import GivenLoss
from chainrule.kernels.reading import Secant, What
from chainrule.kernels.vectors import Along, Feasible
from chainrule.losses import Loss

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]


def given_loss(loss: Loss) -> GivenLoss:
    """Give the loss as the core calls it: values and both derivatives of some rows."""

    def at(z: Vector, y: Vector) -> tuple[Vector, Vector, Vector]:
        return loss.value(z, y), loss.derivative(z, y), loss.second_derivative(z, y)

    return at


def along_of(given: GivenLoss, rows: Rows, z: Vector, u: Vector) -> Along:
    """Sum what `kernels.along` does, at z = z' already."""
    kept = rows.is_kept
    u, s = u[kept], _weights(rows)[kept]
    loss, r, h = given(z[kept], rows.y[kept].astype(np.float64))
    return Along(*(_sum(s * terms) for terms in (loss, r * u, r, h * u * u, h * u, h)))


def feasible_of(
    loss: Loss, rows: Rows, z: Vector, u: Vector, r: Matrix, t: float, shift: float, pull: float
) -> Feasible:
    """Make the dual point of a step and move z, as `kernels.feasible` does."""
    kept = rows.is_kept
    s, y = _weights(rows)[kept], rows.y[kept].astype(np.float64)
    sign, before = 1.0 - 2.0 * y, z[kept]
    after = before + t * u[kept] + shift
    z[kept] = after
    free = r[0, kept] + t * r[1, kept] - pull * loss.second_derivative(before, y)
    d = sign * np.clip(sign * free, 0.0, loss.steepest)
    ones = y > 0.5
    return Feasible(
        loss=_sum(s * loss.value(after, y)),
        correct=_sum(s[(after > 0.0) == ones]),
        divergence=_sum(s * loss.divergence(d, after, y)),
        clipped=_sum(s * np.abs(d - free)),
        ones=_sum(s[ones] * np.abs(d[ones])),
        zeros=_sum(s[~ones] * np.abs(d[~ones])),
        moved=_sum(s * np.abs(d - loss.derivative(after, y))),
        largest=float(np.abs(after).max(initial=0.0)),
    )


def secant_of(given: GivenLoss, rows: Rows, z: Vector, v: Vector, u: Vector, r: Matrix, norms: bool) -> Secant:
    """Read what `kernels.secant` does, in five reads, and one more for the norms."""
    y, kept, bias = rows.y.astype(np.float64), rows.is_kept, np.append(np.zeros(len(v) - 1), 1.0)
    one = np.ones(rows.n_rows)
    rows.product(one, v, u)
    at = np.where(kept, z, 0.0)
    loss, r[0], h = given(at, y)
    r[1] = given(at + np.where(kept, u, 0.0), y)[1] - r[0]
    s = _weights(rows)
    norm = 0.0
    if norms:
        q = np.append(np.ones(len(v) - 1), 0.0)
        norm = rows.read(What.LOSS | What.NORMS, np.zeros(len(v) - 1), 0.0, q=q).norm
    return Secant(
        loss=_sum((s * loss)[kept]),
        correct=_sum(s[kept & ((z > 0.0) == (y > 0.5))]),
        weight=_sum(s),
        gradient=rows.product(r[0], bias),
        change=rows.product(r[1], bias),
        curvature=rows.product(h, bias),
        diagonal=rows.diagonal(h),
        norm=norm,
    )


def _weights(rows: Rows) -> Vector:
    return np.ones(rows.n_rows) if rows.s is None else rows.s


def _sum(terms: Vector) -> float:
    """Add without rounding but at the end: no depth to count."""
    return math.fsum(terms) if np.isfinite(terms).all() else float(terms.sum())
