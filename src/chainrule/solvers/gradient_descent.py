"""Gradient descent on all rows, the article's update."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chainrule.objective import Evaluation, Objective
from chainrule.solvers.loop import State

Vector = NDArray[np.float64]
Gap = Callable[[Vector, Evaluation], tuple[float, float]]


@dataclass(frozen=True)
class DescentState(State):
    """A point with a bound on F - F*, and an estimate of F - F* that still falls when rounding dominates the bound."""

    proven: float
    estimate: float

    @property
    def gap(self) -> float:
        """Proven bound on F - F*."""
        return self.proven

    @property
    def progress(self) -> float:
        """Estimate of F - F*."""
        return self.estimate


@dataclass(frozen=True)
class GradientDescent:
    """theta <- theta - learning_rate dF/dtheta, the gradient averaged over all rows (Cauchy 1847).

    Parameters
    ----------
    start : (size,)
        In the fit's units.
    learning_rate : float
        Below 2/L_max the objective never rises (see `diagnosis.largest_curvature`).
    gap : callable
        gap(theta, evaluation) returns a bound on F - F* there, and an estimate of it.
    """

    start: Vector
    learning_rate: float
    gap: Gap
    needs = Objective

    def init(self, objective: Objective) -> tuple[list[State], DescentState]:
        """Evaluate the start: one read."""
        return [], self._at(objective, self.start)

    def step(self, objective: Objective, state: DescentState) -> DescentState:
        """Run one epoch: the update, and one read at the new point."""
        return self._at(objective, state.theta - self.learning_rate * state.evaluation.gradient)

    def _at(self, objective: Objective, theta: Vector) -> DescentState:
        evaluation = objective.evaluate(theta)
        return DescentState(theta, evaluation, *self.gap(theta, evaluation))
