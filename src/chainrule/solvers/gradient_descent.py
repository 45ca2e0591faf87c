"""Gradient descent on all rows, the article's update."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chainrule.objective import Evaluation, Objective
from chainrule.solvers.loop import Start, State

Vector = NDArray[np.float64]
Gap = Callable[[Vector, float, Evaluation], tuple[float, float]]


@dataclass(frozen=True)
class DescentState(State):
    """A point, and the proven bound on its F - F*; estimate: the same where the bound ends in rounding."""

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
    """w <- w - learning_rate dL_dw,  b <- b - learning_rate dL_db,  the gradients averaged over all rows (Cauchy 1847).

    Parameters
    ----------
    w0, b0
        The start, in the fit's units: (n,) and a number.
    learning_rate : float
        Below 2/L_max the objective never rises (see `diagnosis.largest_curvature`).
    gap : callable
        gap(w, b, evaluation) bounds F - F* there, and estimates it.
    """

    w0: Vector
    b0: float
    learning_rate: float
    gap: Gap

    def init(self, objective: Objective) -> Start[DescentState]:
        """Evaluate the start: one read."""
        return Start(self._at(objective, self.w0, self.b0))

    def step(self, objective: Objective, state: DescentState) -> DescentState:
        """One epoch: the update, and one read at the new point."""
        w = state.w - self.learning_rate * state.evaluation.grad_w
        b = state.b - self.learning_rate * state.evaluation.grad_b
        return self._at(objective, w, b)

    def _at(self, objective: Objective, w: Vector, b: float) -> DescentState:
        evaluation = objective.evaluate(w, b)
        return DescentState(w, b, evaluation, *self.gap(w, b, evaluation))
