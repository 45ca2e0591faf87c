"""Coefficients of rare levels, brought near their optimum before a sample's Hessian is made: they may have far to go."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from chainrule.kernels import What
from chainrule.objective import Objective
from chainrule.rows import Rows

Vector = NDArray[np.float64]

MOST = 12  # steps
LONGEST, NEAR = 2.0, 0.05  # step of a coefficient, at most, and at the end


def settle(on: Objective, rows: Rows, columns: NDArray[np.int64], w: Vector, b: float) -> Vector:
    """Minimise F over some coefficients, of which `rows` are all rows that have them: Newton, one by one at the same time.

    Within a sample's Hessian the curvature is of one point; where a level has few rows, or all of one class, the way to its
    optimum is long, and the curvature at the end another. Each step reads the few rows of these levels alone.
    """
    h = np.empty(rows.n_rows)
    ridge = on.ridge[columns]
    best, t, step = np.inf, 1.0, np.zeros(len(columns))
    here = w
    for _ in range(MOST):
        trial = here.copy()
        trial[columns] += t * step
        sums = rows.reduce(What.LOSS | What.GRADIENT, trial, b, h=h)
        value = sums.loss / on.weight + on.penalty.value(trial, on.alpha)
        if not value < best:
            t /= 2.0
            continue
        here, best, t = trial, value, 1.0
        gradient = sums.gradient[columns] / on.weight + ridge * here[columns]
        curvature = rows.diagonal(h)[columns] / on.weight + ridge
        step = np.clip(-gradient / np.maximum(curvature, np.finfo(np.float64).tiny), -LONGEST, LONGEST)
        if np.abs(step).max() <= NEAR:
            break
    return here
