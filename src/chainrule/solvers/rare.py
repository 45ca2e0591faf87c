"""Bring the coefficients of rare levels near their optimum before a sample's Hessian is made."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from chainrule.data.rows import Rare
from chainrule.kernels.reading import What
from chainrule.objective import DataObjective

Vector = NDArray[np.float64]

MOST = 12  # steps
LONGEST, NEAR = 2.0, 0.05  # longest step of a coefficient, and the step below which it has settled


def settle(on: DataObjective, rare: Rare, theta: Vector) -> Vector:
    """Minimise F over the coefficients of rare levels by Newton's method, each separately.

    The optimum of a level with few rows, or with one class only, is far away, where the curvature differs much from that in a
    sample's Hessian. Each step reads only the rows of these levels, and later only those of levels that still move.
    """
    columns, rows = rare.columns, on.rows.take(rare.rows)
    if not len(columns):
        return theta
    z, h = np.empty(rows.n_rows), np.empty(rows.n_rows)
    best, t, step = np.inf, 1.0, np.zeros(len(columns))
    here, b, z_here = theta[:-1], float(theta[-1]), None
    for _ in range(MOST):
        trial = here.copy()
        trial[columns] += t * step
        sums = rows.read(What.LOSS | What.GRADIENT, trial, b, z=z, h=h, loss=on.given)
        value = sums.loss / on.weight + on.penalty.value(trial)
        if not value < best:
            t /= 2.0
            continue
        gradient = sums.gradient[columns] / on.weight + on.ridge[columns] * trial[columns]
        curvature = rows.diagonal(h)[columns] / on.weight + on.ridge[columns]
        if z_here is not None and np.count_nonzero(moved := z != z_here) <= rows.n_rows / 2:
            rows, z, h = rows.take(np.flatnonzero(moved)), z[moved], h[moved]
            loss = on.pointwise(z, rows.y)[0]
            value -= (sums.loss - float(loss.sum() if rows.s is None else rows.s @ loss)) / on.weight
        here, best, t, z_here, z = trial, value, 1.0, z, np.empty(rows.n_rows)
        step = np.clip(-gradient / np.maximum(curvature, np.finfo(np.float64).tiny), -LONGEST, LONGEST)
        moves = np.abs(step) > NEAR
        if not moves.any():
            break
        columns, step = columns[moves], step[moves]
    return np.append(here, b)
