"""Rows without their columns: z stored between reads, its change u along a direction, and labels.

Passes over z are reads of a design without blocks. Rows of weight 0 don't count, whatever numbers they have.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule import _core
from chainrule.kernels.reading import What, useful_threads

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Labels = NDArray[np.uint8]

# For the number of threads: computing a row's loss takes as long as reading this many numbers.
_NUMBERS_A_ROW = 5


@dataclass(frozen=True)
class Along:
    """Sums over the rows at z' = z + t u + shift, and how they change with t and with the shift (b).

    loss : sum s l(z'), in nats.
    slope_t, slope_b : its derivatives, sum s r u and sum s r, with r = dL_dz.
    bend_tt, bend_tb, bend_bb : its second derivatives, sum s h u^2, sum s h u and sum s h, with h = g (1 - g).
    """

    loss: float
    slope_t: float
    slope_b: float
    bend_tt: float
    bend_tb: float
    bend_bb: float


@dataclass(frozen=True)
class Feasible:
    """A dual point p = y + d with p in [0, 1], and how far it is from g' = sigmoid(z'): sums over the rows.

    loss, correct : sum s l(z'), in nats, and the weight of the rows that z' classifies correctly (class 1 if z' > 0).
    divergence : upper bound on sum s KL(p || g'), in nats, up to rounding: 1e-12 of itself, and 2e-15 of `moved`. With
        c = p - g', a row's bound is c^2/(2 g' (1 - g')), plus |c|^3/2 over the square of g' if c < 0, else of 1 - g'. inf if a
        part of g' underflows and p's does not; it can be far too large if |c| is many times g' or 1 - g'.
    clipped : sum s |d - d before it was clipped|.
    ones, zeros : sum s |d| over the rows with y = 1, and over those with y = 0.
    moved : sum s |c|. bend : sum s g' (1 - g').
    largest : the largest |z'| of a row of positive weight, 0 without such a row.
    """

    loss: float
    correct: float
    divergence: float
    clipped: float
    ones: float
    zeros: float
    moved: float
    bend: float
    largest: float


def along(z: Vector, u: Vector, y: Labels, s: Vector | None, t: float, shift: float, *, threads: int = 1) -> Along:
    """Sum the loss and its two derivatives over the rows at z' = z + t u + shift.

    z, u : (m,) float64. y : (m,) uint8, 0 or 1. s : (m,) float64, optional, weights. All contiguous, else ValueError.
    threads : changes no bit of the result.
    """
    scalars, _ = _read(What.ALONG, threads, z=z, u=u, y=y, s=s, t=t, step=shift)
    return Along(*scalars)


def feasible(
    z: Vector,
    u: Vector,
    r: Matrix,
    h: Vector,
    y: Labels,
    s: Vector | None,
    t: float,
    shift: float,
    pull: float,
    *,
    threads: int = 1,
) -> Feasible:
    """Make the dual point of a step, and overwrite z with z' = z + t u + shift.

    With r[0] = dL_dz at z, r[1] its change from z to z + u and h the curvatures at any point (as `secant` gives them), the
    point is p = y + d with d = r[0] + t r[1] - pull h, clipped so that 0 <= (1 - 2y) d <= 1. Arguments and errors as in
    `along`; z must be writable, r is (2, m) float64, h (m,). The divergence is bounded by its series, whose terms are all
    positive: k(x) = (1 + x) log(1 + x) - x is at most x^2/2 for x >= 0, and at most x^2/2 + |x|^3/2 for -1 <= x < 0;
    KL(p || g) = g k(c/g) + (1 - g) k(-c/(1 - g)).
    """
    scalars, norm = _read(What.FEASIBLE, threads, z=z, u=u, r=r, h=h, y=y, s=s, t=t, step=shift, pull=pull, z_out=z)
    return Feasible(*[*scalars, norm])


def _read(what: What, threads: int, z: Vector, **given: Any) -> tuple[list[float], float]:
    threads = useful_threads((len(z), _NUMBERS_A_ROW), threads)
    found = _core.read(_core.Design(len(z)), int(what), z=z, threads=threads, **given).result()
    return found[0].tolist(), float(found[4])


def vector_depth(rows: int) -> float:
    """Count the roundings that a term goes through in a pass over `rows` rows."""
    return float(_core.depths(_core.Design(rows), rows)[0])


def pointwise(z: Vector, y: Labels) -> tuple[Vector, Vector, Vector]:
    """Compute loss, dL_dz and d2L_dz2 of each row with the kernels' own arithmetic: three arrays (m,)."""
    return _core.pointwise(np.ascontiguousarray(z, dtype=np.float64), np.ascontiguousarray(y, dtype=np.uint8))


def two_labels(y: NDArray[Any]) -> tuple[Labels, Any, Any] | None:
    """Return numeric y as 0 and 1, and its two labels, smaller first, in one pass; None if y isn't numeric with two labels."""
    if y.ndim != 1 or not y.flags.c_contiguous or not len(y) or y.dtype.kind not in "biuf" or not y.dtype.isnative:
        return None
    codes = np.empty(len(y), dtype=np.uint8)
    found = _core.encode_labels(y, codes)
    return None if found is None else (codes, found[0], found[1])
