"""Gradient descent on all rows, the article's update."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chainrule.objective import Objective
from chainrule.solvers.loop import State

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class GradientDescent:
    """w <- w - learning_rate dL_dw,  b <- b - learning_rate dL_db,  the gradients averaged over all rows (Cauchy 1847).

    Parameters
    ----------
    w0, b0
        The start, in the fit's units: (n,) and a number.
    learning_rate : float
        Below 2/L_max the objective never rises (see `diagnosis.largest_curvature`).
    """

    w0: Vector
    b0: float
    learning_rate: float

    def init(self, objective: Objective) -> State:
        """Evaluate the start: one read."""
        return State(self.w0, self.b0, objective.evaluate(self.w0, self.b0))

    def step(self, objective: Objective, state: State) -> State:
        """One epoch: the update, and one read at the new point."""
        w = state.w - self.learning_rate * state.evaluation.grad_w
        b = state.b - self.learning_rate * state.evaluation.grad_b
        return State(w, b, objective.evaluate(w, b))
