"""Newton's method on an objective that has a Hessian and no rows: read whole at each step, nothing proven."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chainrule.objective import HasHessian
from chainrule.solvers.loop import State

Vector = NDArray[np.float64]

ARMIJO, LEAST_EIGENVALUE = 1e-4, 1e-12


@dataclass(frozen=True)
class DampedState(State):
    """Where Newton stands on an objective without rows: the step from here, along which F falls, and its squared decrement."""

    next: Vector
    nu2: float

    def reached(self, tol: float) -> bool:
        """Whether a quadratic model has no more than tol left: nothing proves it."""
        return self.nu2 <= 2.0 * tol


def damped_at(on: HasHessian, theta: Vector) -> DampedState:
    """Evaluate a point of an objective without rows; its Hessian counts by the sizes of its eigenvalues, so that F falls."""
    evaluation = on.evaluate(theta)
    curvature, vectors = np.linalg.eigh(on.hessian(theta))
    size = np.maximum(np.abs(curvature), LEAST_EIGENVALUE * np.abs(curvature).max(initial=1e-300))
    parts = evaluation.gradient @ vectors
    return DampedState(theta, evaluation, -vectors @ (parts / size), float(parts @ (parts / size)))


def damped_step(on: HasHessian, state: DampedState) -> DampedState:
    """Step along the direction, halved until F falls by a part of what the decrement says."""
    t, evaluation = 1.0, state.evaluation
    while (
        on.evaluate(state.theta + t * state.next).objective > evaluation.objective - ARMIJO * t * state.nu2
        and t > 1e-15
    ):
        t /= 2.0
    return damped_at(on, state.theta + t * state.next)
