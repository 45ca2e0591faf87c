"""The one loop that runs every solver: limits, non-finite checks, trace, callbacks, and why it ended."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from chainrule.data.rows import Units
from chainrule.errors import InputError
from chainrule.kernels.runs import Path
from chainrule.objective import Evaluation, Objective
from chainrule.solvers.trace import Trace, TraceRecorder

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class State:
    """A point and what the objective is there; in the fit's units."""

    w: Vector
    b: float
    evaluation: Evaluation

    @property
    def gap(self) -> float:
        """Proven bound on F - F*; inf where there is none."""
        return math.inf

    @property
    def progress(self) -> float:
        """What falls with F - F*, for the monitor: an estimate where the bound has no digits left."""
        return self.gap

    @property
    def share(self) -> float:
        """Share of the rows that were read for it."""
        return 1.0

    @property
    def reads(self) -> float | None:
        """Reads of the data up to it; None: all that were made."""
        return None

    @property
    def numbers(self) -> dict[str, float]:
        """More numbers for the trace, by name."""
        return {}

    def reached(self, tol: float) -> bool:
        """Whether the run may end here."""
        return self.gap <= tol


@dataclass(frozen=True)
class Passed(State):
    """A point that the core passed on its way."""

    reads_then: float

    @property
    def reads(self) -> float:
        """Reads of the data up to it."""
        return self.reads_then


S = TypeVar("S", bound=State)


@dataclass(frozen=True)
class Start(Generic[S]):
    """Where a method begins: a state, and the points that the core passed before it, if any."""

    state: S
    path: Path | None = None


@dataclass(frozen=True)
class Before(Generic[S]):
    """A run that this one goes on with: its trace, and its last and its best epoch with their states."""

    trace: Trace
    last: tuple[int, S]
    best: tuple[int, S]


class Solver(Protocol[S]):
    """A method: two pure functions. It sees an objective, never data."""

    def init(self, objective: Objective) -> Start[S]:
        """Give the state of epoch 0; or of a later one, with those that came before."""

    def step(self, objective: Objective, state: S) -> S:
        """Give the next epoch's state."""


@dataclass(frozen=True)
class Step:
    """What a callback is told after each epoch; w and b in the fit's units, not to be changed.

    status : "", "crawling", "oscillating", "hovering" or "diverging"; seconds since the run began; max_reads : epochs at most;
    reads : of the data so far.
    """

    epoch: int
    max_reads: int
    tol: float
    state: State
    w: Vector
    b: float
    units: Units
    seconds: float
    status: str
    reads: float

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
        """Largest of |dF/dw_j| per deviation of its column, and |dF/db|."""
        return self.state.evaluation.grad_norm

    @property
    def gap(self) -> float:
        """Proven bound on F - F*; inf where there is none yet."""
        return self.state.gap

    @property
    def share(self) -> float:
        """Share of the rows that these numbers are of."""
        return self.state.share


Callback = Callable[[Step], Mapping[str, float] | None]


class Monitor(Protocol):
    """Watches a run, epoch by epoch; unbounded: whether a step may multiply w by more than 1."""

    unbounded: bool

    def watch(self, objective: float, gap: float) -> str:
        """Add an epoch; says what the run does now."""


class NotFiniteAtStart(ArithmeticError):
    """The objective has no finite value at the start: there is no state to return."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    reason : "converged", "max_reads", "diverged", "non_finite" or "interrupted"; epoch : the one whose state it is;
    best_epoch, best : the one nearest to the optimum, and its state; oscillated : whether it ever did.
    """

    state: State
    epoch: int
    n_epochs: int
    best_epoch: int
    best: State
    reason: str
    oscillated: bool
    trace: Trace

    @property
    def best_objective(self) -> float:
        """F of the best epoch."""
        return self.best.evaluation.objective


class Run(Generic[S]):
    """One solver on one objective until it converges, reaches `max_reads` epochs, diverges or is interrupted.

    Parameters
    ----------
    tol : float
        The run ends when the proven bound on F - F* (`State.gap`) is at most this.
    max_steps : int
        Steps at most; of gradient descent, epochs.
    monitor : Monitor
        Names what the run does.
    callbacks : sequence of callables
        Each is called with a `Step`; the numbers that it returns, by name, join the trace.
    started : float
        `time.perf_counter` when the fit began.
    max_reads : float
        Reads of the data at most, where that is not the number of steps.
    units : Units, optional
        Of the fit; those of the objective by default.
    to_fit : callable, optional
        Points (..., n) and (...) from the objective's units to the fit's.
    on_status : callable
        Told (status, epoch) the first time that the monitor names one.
    before : Before, optional
        Go on where that run ended, as if it had not; the solver's start is not used, and the monitor is one that saw that run.
    """

    def __init__(
        self,
        objective: Objective,
        solver: Solver[S],
        *,
        tol: float,
        max_steps: int,
        monitor: Monitor,
        callbacks: Sequence[Callback] = (),
        started: float = 0.0,
        max_reads: float = math.inf,
        units: Units | None = None,
        to_fit: Callable[[Vector, Vector | np.float64], tuple[Vector, Vector]] | None = None,
        on_status: Callable[[str, int], None] = lambda status, epoch: None,
        before: Before[S] | None = None,
    ) -> None:
        self.objective, self.solver = objective, solver
        self.tol, self.max_steps, self.max_reads, self.callbacks = tol, max_steps, max_reads, tuple(callbacks)
        self._units = objective.rows.units if units is None else units
        self._to_fit = to_fit
        self._on_status = on_status
        self._seen: set[str] = set()
        self._monitor = monitor
        self._recorder = TraceRecorder()
        self._start = started
        self._best: tuple[int, State] | None = None
        self._last: tuple[int, State] | None = None
        self._oscillated = False
        self._before = before
        self._reads_before = 0.0
        if before is not None:
            self._go_on(before)

    def _go_on(self, before: Before[S]) -> None:
        columns = before.trace.columns
        self._recorder = TraceRecorder.of(before.trace)
        self._last, self._best = before.last, before.best
        self._start -= float(columns["seconds"][-1])
        self._reads_before = float(columns["reads"][-1]) - self.objective.reads

    def run(self) -> Outcome:
        """Run to the end. Ctrl-C ends it with reason "interrupted", and raises where there is no state yet."""
        try:
            return self._outcome(self._loop())
        except KeyboardInterrupt:
            if self._best is None:
                raise
            return self._outcome("interrupted")

    def _loop(self) -> str:
        if self._before is not None:
            first, state = self._before.last
            if state.reached(self.tol):
                return "converged"
            first += 1
        else:
            first, state = self._begin()
        for epoch in range(first, self.max_steps + 1):
            if epoch > first or self._before is not None:
                state = self.solver.step(self.objective, state)
            reason = self._observe(epoch, state)
            if reason:
                return reason
            if self.objective.reads >= self.max_reads:
                break
        return "max_reads"

    def _begin(self) -> tuple[int, S]:
        """Give the first epoch that is still to be recorded, and its state, which nothing else holds."""
        reads = self.objective.reads
        start = self.solver.init(self.objective)
        return 0 if start.path is None else self._observe_path(start.path, reads), start.state

    def _observe_path(self, path: Path, reads: float) -> int:
        """Record the points that the core passed; how many."""
        count = len(path.objective)
        if self.callbacks or not count:
            for k in range(count):
                self._observe(k, self._passed(path, k, reads))
            return count
        W, bs = path.theta[:, :-1], path.theta[:, -1]
        if self._to_fit is not None:
            W, bs = self._to_fit(W, bs)
        lines = {
            "epoch": np.arange(float(count)),
            "loss": path.loss,
            "objective": path.objective,
            "accuracy": path.correct,
            "grad_norm": self.objective.norms(path.gradient),
            "seconds": np.full(count, time.perf_counter() - self._start),
            "reads": reads + path.reads,
            "share": np.ones(count),
            "gap": np.full(count, np.inf),
        }
        self._recorder.record_block(lines, W, bs)
        best = int(np.argmin(path.objective))
        self._last = (count - 1, self._passed(path, count - 1, reads))
        self._best = self._last if best == count - 1 else (best, self._passed(path, best, reads))
        return count

    def _passed(self, path: Path, k: int, reads: float) -> Passed:
        return Passed(*self.objective.passed(path, k), reads + float(path.reads[k]))

    def _in_fit(self, w: Vector, b: float) -> tuple[Vector, float]:
        if self._to_fit is None:
            return w, b
        w, bs = self._to_fit(w, np.float64(b))
        return w, float(bs)

    def _observe(self, epoch: int, state: State) -> str:
        """Record an epoch; a reason ends the run."""
        evaluation = state.evaluation
        for shown in (state.w, evaluation.grad_w):
            shown.flags.writeable = False
        status = self._monitor.watch(evaluation.objective, state.progress)
        if not evaluation.finite:
            return "diverged" if self._monitor.unbounded else "non_finite"
        self._oscillated |= status == "oscillating"
        if status and status not in self._seen:
            self._seen.add(status)
            self._on_status(status, epoch)
        seconds = time.perf_counter() - self._start
        w, b = self._in_fit(state.w, state.b)
        w.flags.writeable = False
        reads = self._reads_before + (self.objective.reads if state.reads is None else state.reads)
        line = {
            "epoch": epoch,
            "loss": evaluation.loss,
            "objective": evaluation.objective,
            "accuracy": evaluation.accuracy,
            "grad_norm": evaluation.grad_norm,
            "seconds": seconds,
            "reads": reads,
            "share": state.share,
            "gap": state.gap,
            **state.numbers,
        }
        if self.callbacks:
            step = Step(epoch, self.max_steps, self.tol, state, w, b, self._units, seconds, status, reads)
            for callback in self.callbacks:
                line.update(_numbers(callback(step), line))
        self._recorder.record(line, w, b)
        # only now: Ctrl-C before leaves no point that the trace doesn't have
        self._last = (epoch, state)
        if self._best is None or _is_better(state, self._best[1]):
            self._best = (epoch, state)
        if status == "diverging":
            return "diverged"
        return "converged" if state.reached(self.tol) else ""

    def _outcome(self, reason: str) -> Outcome:
        if self._best is None or self._last is None:
            raise NotFiniteAtStart
        # A run cut short returns the best point that it saw; one that ended by itself returns its last.
        epoch, state = self._last if reason in ("converged", "max_reads") else self._best
        return Outcome(
            state=state,
            epoch=epoch,
            n_epochs=self._last[0],
            best_epoch=self._best[0],
            best=self._best[1],
            reason=reason,
            oscillated=self._oscillated,
            trace=self._recorder.trace(),
        )


def _is_better(state: State, than: State) -> bool:
    """Whether a state is nearer to the optimum than another: F on a sample is no F."""
    if state.share != than.share:
        return state.share > than.share
    if state.gap != than.gap:
        return state.gap < than.gap
    return state.evaluation.objective < than.evaluation.objective


def _numbers(given: object, line: Mapping[str, float]) -> dict[str, float]:
    """Check what a callback returned: new names with a number each."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise InputError(f"a callback returned {given!r}: return None, or a dict of numbers by name")
    for name, value in given.items():
        if not isinstance(name, str) or name in line:
            raise InputError(f"a callback returned a number called {name!r}: the trace needs another name for it")
        if isinstance(value, bool) or not isinstance(value, int | float | np.number):
            raise InputError(f"a callback returned {value!r} as {name!r}: the trace records numbers")
    return {name: float(value) for name, value in given.items()}
