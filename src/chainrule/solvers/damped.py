"""Newton's method on an objective with a Hessian but no rows; nothing is proven."""

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
    """State on an objective without rows. next : the step from here, along which F falls. nu2 : its squared decrement."""

    next: Vector
    nu2: float

    def reached(self, tol: float) -> bool:
        """Whether a quadratic model has at most tol left; this proves nothing."""
        return self.nu2 <= 2.0 * tol


def damped_at(on: HasHessian, theta: Vector) -> DampedState:
    """Evaluate a point and its next step; the Hessian's eigenvalues count by their sizes, so that F falls along it."""
    evaluation = on.evaluate(theta)
    curvature, vectors = np.linalg.eigh(on.hessian(theta))
    size = np.maximum(np.abs(curvature), LEAST_EIGENVALUE * np.abs(curvature).max(initial=1e-300))
    parts = evaluation.gradient @ vectors
    return DampedState(theta, evaluation, -vectors @ (parts / size), float(parts @ (parts / size)))


def damped_step(on: HasHessian, state: DampedState) -> DampedState:
    """Step along the direction, halving until F falls by a fraction of what the decrement predicts."""
    t, evaluation = 1.0, state.evaluation
    while (
        on.evaluate(state.theta + t * state.next).objective > evaluation.objective - ARMIJO * t * state.nu2
        and t > 1e-15
    ):
        t /= 2.0
    return damped_at(on, state.theta + t * state.next)
