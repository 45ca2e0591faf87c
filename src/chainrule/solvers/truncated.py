"""Newton's step without a Hessian: preconditioned conjugate gradients, one product with the rows at a time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chainrule.objective import DataObjective
from chainrule.solvers.preconditioner import Preconditioner

Vector = NDArray[np.float64]

ENOUGH = 1e-2  # of the squared residual: the step leaves a hundredth of the gap
MOST = 100  # products
LEAST_CURVATURE = 1e-13  # mean g (1 - g), below which the quadratic model doesn't reach as far as its step


@dataclass(frozen=True)
class Truncated:
    """step : (n + 1,), along which the quadratic model falls. nu : its decrement. diagonal : (n + 1,), of the Hessian."""

    step: Vector
    nu: float
    diagonal: Vector


def truncated_step(on: DataObjective, gradient: Vector, h: Vector) -> Truncated | None:
    """Solve H step = -gradient nearly, H of the rows' h = g (1 - g) (Nocedal and Wright 2006, algorithms 5.3 and 7.1).

    None where all g are so near 0 or 1 that there is no curvature. h : (m,), 0 in rows of weight 0.

    The bias stays at its optimum: columns are centred on their means, weighted by the curvature.
    """
    n = on.n_features
    curvature = on.hessian_product(h, np.append(np.zeros(n), 1.0))
    h_b = float(curvature[-1])
    if not float(h.mean()) > LEAST_CURVATURE or (on.fit_intercept and not h_b > 0.0):
        return None
    made = Preconditioner.of_rows(on, h, curvature)
    center = curvature[:-1] / h_b if on.fit_intercept else np.zeros(n)
    step, residual = np.zeros(n), -(gradient[:-1] - center * gradient[-1])
    fallen = 0.0
    direction = v = made.solve(residual)
    rho = first = float(residual @ v)
    for _ in range(MOST):
        product = on.hessian_product(h, np.append(direction, -float(center @ direction) if on.fit_intercept else 0.0))
        change = product[:-1] - center * product[-1]
        bend = float(direction @ change)
        if not bend > 0.0:
            break
        t = rho / bend
        step += t * direction
        fallen += t * rho
        residual -= t * change
        v = made.solve(residual)
        rho, before = float(residual @ v), rho
        if not rho > ENOUGH * first:
            break
        direction = v + (rho / before) * direction
    bias = 0.0
    if on.fit_intercept:
        bias = -float(gradient[-1]) / h_b - float(center @ step)
        fallen += float(gradient[-1]) ** 2 / h_b
    diagonal = np.append(made.diagonal + center * curvature[:-1], h_b)
    if not (np.isfinite(step).all() and math.isfinite(bias) and fallen > 0.0):
        return None if gradient.any() else Truncated(np.zeros(n + 1), 0.0, diagonal)
    return Truncated(np.append(step, bias), math.sqrt(max(fallen, 0.0)), diagonal)
