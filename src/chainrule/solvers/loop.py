"""The one loop that runs every solver: limits, non-finite checks, trace, callbacks, and why it ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from chainrule.diagnosis import RunMonitor, epochs_needed
from chainrule.objective import Evaluation, Objective
from chainrule.rows import Units
from chainrule.trace import Trace, TraceRecorder

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class State:
    """A point and what the objective is there; in the fit's units."""

    w: Vector
    b: float
    evaluation: Evaluation


class Solver(Protocol):
    """A method: two pure functions. It sees an objective, never data."""

    def init(self, objective: Objective) -> State:
        """Give the state of epoch 0."""

    def step(self, objective: Objective, state: State) -> State:
        """Give the next epoch's state."""


@dataclass(frozen=True)
class Step:
    """What a callback is told after each epoch; w and b in the fit's units.

    status : "", "oscillating" or "diverging"; epochs_needed : estimate of the epochs still needed to `tol`, or inf.
    """

    epoch: int
    max_reads: int
    state: State
    units: Units
    seconds: float
    status: str
    tol: float
    monitor: RunMonitor

    @property
    def w(self) -> Vector:
        """Weights, (n,)."""
        return self.state.w

    @property
    def b(self) -> float:
        """The bias."""
        return self.state.b

    @property
    def loss(self) -> float:
        """Mean log-loss in nats."""
        return self.state.evaluation.loss

    @property
    def objective(self) -> float:
        """F: the loss and the penalty."""
        return self.state.evaluation.objective

    @property
    def accuracy(self) -> float:
        """Share of the rows' weight whose class is right."""
        return self.state.evaluation.accuracy

    @property
    def grad_norm(self) -> float:
        """Largest |dL_dw_j|, |dL_db|."""
        return self.state.evaluation.grad_norm

    @property
    def epochs_needed(self) -> float:
        """Estimate of the epochs still needed to `tol`, from the rate seen; inf if unknown."""
        return epochs_needed(np.array(self.monitor.grad_norms), self.tol)


Callback = Callable[[Step], Mapping[str, float] | None]


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    reason : "converged", "max_reads", "diverged", "non_finite" or "interrupted"; epoch : the one whose state it is;
    status : the last thing seen, or "oscillating" if it ever was; epochs_needed : to `tol`, estimated.
    """

    state: State
    epoch: int
    n_epochs: int
    reason: str
    status: str
    epochs_needed: float
    trace: Trace


class Run:
    """One solver on one objective until it converges, reaches `max_reads` epochs, diverges or is interrupted.

    Parameters
    ----------
    tol : float
        The run ends when the largest |dF/dw_j|, |dF/db| is at most this.
    max_reads : int
        Epochs at most; an epoch is an update and a read of all rows.
    callbacks : sequence of callables
        Each is called with a `Step`; the numbers that it returns, by name, join the trace.
    """

    def __init__(
        self, objective: Objective, solver: Solver, *, tol: float, max_reads: int, callbacks: Sequence[Callback] = ()
    ) -> None:
        self.objective, self.solver = objective, solver
        self.tol, self.max_reads, self.callbacks = tol, max_reads, tuple(callbacks)
        self._recorder = TraceRecorder()
        self._monitor = RunMonitor()
        self._start = time.perf_counter()
        self._best: tuple[int, State] | None = None
        self._last: tuple[int, State] | None = None
        self._oscillated = False

    def run(self) -> Outcome:
        """Run to the end. Ctrl-C ends it with reason "interrupted", and raises where there is no state yet."""
        try:
            return self._outcome(self._loop())
        except KeyboardInterrupt:
            if self._best is None:
                raise
            return self._outcome("interrupted")

    def _loop(self) -> str:
        state = self.solver.init(self.objective)
        for epoch in range(self.max_reads + 1):
            if epoch:
                state = self.solver.step(self.objective, state)
            reason = self._observe(epoch, state)
            if reason:
                return reason
        return "max_reads"

    def _observe(self, epoch: int, state: State) -> str:
        """Record an epoch; a reason ends the run."""
        evaluation = state.evaluation
        status = self._monitor.watch(evaluation.objective, evaluation.grad_norm)
        if not evaluation.finite:
            return "non_finite" if status != "diverging" or epoch == 0 else "diverged"
        self._oscillated |= status == "oscillating"
        seconds = time.perf_counter() - self._start
        step = Step(epoch, self.max_reads, state, self.objective.rows.units, seconds, status, self.tol, self._monitor)
        line = {
            "epoch": epoch,
            "loss": evaluation.loss,
            "objective": evaluation.objective,
            "accuracy": evaluation.accuracy,
            "grad_norm": evaluation.grad_norm,
            "seconds": seconds,
        }
        for callback in self.callbacks:
            line.update(callback(step) or {})
        self._recorder.record(line, state.w, state.b)
        # After the trace has it: a Ctrl-C in a callback must not leave a best point that the trace doesn't know.
        self._last = (epoch, state)
        if self._best is None or evaluation.objective < self._best[1].evaluation.objective:
            self._best = (epoch, state)
        if status == "diverging":
            return "diverged"
        return "converged" if evaluation.grad_norm <= self.tol else ""

    def _outcome(self, reason: str) -> Outcome:
        if self._best is None or self._last is None:
            raise FloatingPointError("the objective is not finite at the start")
        # A run cut short returns the best point that it saw; one that ended by itself returns its last.
        epoch, state = self._last if reason in ("converged", "max_reads") else self._best
        needed = epochs_needed(np.array(self._monitor.grad_norms), self.tol)
        status = "oscillating" if self._oscillated else ""
        return Outcome(state, epoch, self._last[0], reason, status, needed, self._recorder.trace())
