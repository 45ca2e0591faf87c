"""Stochastic gradient descent: an update for each mini-batch of rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chainrule.kernels.runs import Batches
from chainrule.objective import Objective
from chainrule.solvers.gradient_descent import DescentState, Gap
from chainrule.solvers.loop import Start

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class StochasticState(DescentState):
    """A point after so many epochs and updates."""

    epoch: int
    updates: int

    @property
    def numbers(self) -> dict[str, float]:
        """Updates so far."""
        return {"updates": float(self.updates)}


@dataclass(frozen=True)
class StochasticGradientDescent:
    """w <- w - eta_t G_t with G_t the gradient of a mini-batch, an unbiased estimate of dF/dw (Robbins and Monro 1951).

    An epoch visits each row of positive weight once, in an order that (seed, epoch) alone gives, and is one read; a second read
    measures F and its gradient after it. Nothing but (w, b) and the epoch goes from one epoch to the next, so that a run goes
    on from any epoch as if it had not stopped.

    Parameters
    ----------
    w0, b0
        The start, in the fit's units: (n,) and a number.
    learning_rate : float
        eta_0.
    batches : Batches
        Rows an update, the seed of the order, and the schedule of eta_t.
    gap : callable
        gap(w, b, evaluation) bounds F - F* there, and estimates it.
    """

    w0: Vector
    b0: float
    learning_rate: float
    batches: Batches
    gap: Gap

    def init(self, objective: Objective) -> Start[StochasticState]:
        """Evaluate the start: one read."""
        return Start(self.at(objective, self.w0, self.b0, 0))

    def step(self, objective: Objective, state: StochasticState) -> StochasticState:
        """One epoch: the updates, one read; and one at the point that they led to."""
        w, b = objective.descend(state.w, state.b, self.learning_rate, self.batches, state.epoch)
        return self.at(objective, w, b, state.epoch + 1)

    def at(self, objective: Objective, w: Vector, b: float, epoch: int) -> StochasticState:
        """Evaluate a point that stands after so many epochs: one read."""
        evaluation = objective.evaluate(w, b)
        updates = epoch * self.batches.updates(objective.rows.n_visited)
        return StochasticState(w, b, evaluation, *self.gap(w, b, evaluation), epoch, updates)
