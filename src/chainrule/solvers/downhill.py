"""Steps on an objective without rows: each step lowers F, and nothing is proven."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chainrule.certificate.rounding import UNIT
from chainrule.objective import Evaluation, HasHessian, Objective
from chainrule.solvers.loop import State
from chainrule.solvers.pairs import PAIRS, Pair, corrected, pair_of

Vector = NDArray[np.float64]

ARMIJO, LEAST_STEP = 1e-4, 1e-15
LEAST_EIGENVALUE = 1e-12  # relative to the largest


@dataclass(frozen=True)
class Downhill(State):
    """A point, and the direction to go from there, along which F falls.

    pairs : the last steps, and the gradient's change along each.
    """

    direction: Vector
    pairs: tuple[Pair, ...] = ()

    @property
    def slope(self) -> float:
        """Derivative of F along the direction; for Newton's direction, minus the squared Newton decrement."""
        return float(self.evaluation.gradient @ self.direction)

    def reached(self, tol: float) -> bool:
        """Whether a quadratic model has at most tol left; this proves nothing."""
        return -self.slope <= 2.0 * tol


def newton_at(on: HasHessian, theta: Vector, evaluation: Evaluation) -> Downhill:
    """Return Newton's direction, with the absolute values of the Hessian's eigenvalues so that F falls along it."""
    curvature, vectors = np.linalg.eigh(on.hessian(theta))
    size = np.maximum(np.abs(curvature), LEAST_EIGENVALUE * np.abs(curvature).max(initial=1e-300))
    return Downhill(theta, evaluation, -vectors @ ((evaluation.gradient @ vectors) / size))


def conjugate_at(theta: Vector, evaluation: Evaluation, pairs: tuple[Pair, ...]) -> Downhill:
    """Return the L-BFGS direction from the last steps."""
    return Downhill(theta, evaluation, -corrected(evaluation.gradient, pairs, np.copy, scaled=True), pairs)


def step_from(on: Objective, state: Downhill) -> tuple[Vector, Evaluation, tuple[Pair, ...]]:
    """Step to where the slope would vanish if F were quadratic; halve the step until F falls enough.

    Returns the new point, its evaluation, and the last pairs, this step's included.
    """
    v, before = state.direction, state.evaluation
    bend = float(v @ (on.evaluate(state.theta + v).gradient - before.gradient))
    t = -state.slope / bend if bend > 0.0 else 1.0
    while True:
        new = on.evaluate(state.theta + t * v)
        if new.objective <= before.objective * (1.0 + UNIT) + ARMIJO * t * state.slope or t < LEAST_STEP:
            break
        t /= 2.0
    moved, change = t * v, new.gradient - before.gradient
    pairs = (state.pairs + pair_of(moved, change))[-PAIRS:]
    return state.theta + moved, new, pairs
