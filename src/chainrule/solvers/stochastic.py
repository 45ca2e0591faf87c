"""Stochastic gradient descent: an update for each mini-batch of rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chainrule.kernels.runs import Batches
from chainrule.objective import HasBatches
from chainrule.solvers.gradient_descent import DescentState, Gap
from chainrule.solvers.loop import State

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class StochasticState(DescentState):
    """A point, and the epochs and updates that led to it."""

    epoch: int
    updates: int

    @property
    def numbers(self) -> dict[str, float]:
        """Updates so far."""
        return {"updates": float(self.updates)}


@dataclass(frozen=True)
class StochasticGradientDescent:
    """theta <- theta - eta_t G_t, G_t the gradient of a mini-batch, an unbiased estimate of dF/dtheta (Robbins and Monro 1951).

    An epoch is one read: it visits each row of positive weight once, in an order that depends on (seed, epoch) alone. A second
    read measures F and its gradient. An epoch needs only theta and its number, so a run can resume from any epoch.

    Parameters
    ----------
    start : (size,)
        In the fit's units.
    learning_rate : float
        eta_0.
    batches : Batches
        Rows per update, the seed of the order, and the schedule of eta_t.
    gap : callable
        gap(theta, evaluation) returns a bound on F - F* there, and an estimate of it.
    """

    start: Vector
    learning_rate: float
    batches: Batches
    gap: Gap
    needs = HasBatches

    def init(self, objective: HasBatches) -> tuple[list[State], StochasticState]:
        """Evaluate the start: one read."""
        return [], self.at(objective, self.start, 0)

    def step(self, objective: HasBatches, state: StochasticState) -> StochasticState:
        """Run one epoch: one read for the updates, and one to measure the point reached."""
        theta = objective.descend(state.theta, self.learning_rate, self.batches, state.epoch)
        return self.at(objective, theta, state.epoch + 1)

    def at(self, objective: HasBatches, theta: Vector, epoch: int) -> StochasticState:
        """Evaluate the point after `epoch` epochs: one read."""
        evaluation = objective.evaluate(theta)
        updates = epoch * self.batches.updates(objective.n_visited)
        return StochasticState(theta, evaluation, *self.gap(theta, evaluation), epoch, updates)
