"""The loop that runs every solver: limits, non-finite checks, trace, callbacks, and the reason why it ended."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from chainrule.data.rows import Units
from chainrule.errors import InputError
from chainrule.objective import Evaluation, Objective
from chainrule.solvers.trace import Trace, TraceRecorder

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Point:
    """A flat vector theta = (w, b), (n + 1,)."""

    theta: Vector

    @property
    def w(self) -> Vector:
        """The weights, (n,)."""
        return self.theta[:-1]

    @property
    def b(self) -> float:
        """The bias."""
        return float(self.theta[-1])


@dataclass(frozen=True)
class State(Point):
    """A point in the objective's units, and the objective's value there.

    reads : of the data until then; None means all reads so far.
    """

    evaluation: Evaluation
    reads: float | None = field(default=None, kw_only=True)

    @property
    def gap(self) -> float:
        """Proven bound on F - F*; inf if there is none."""
        return math.inf

    @property
    def progress(self) -> float:
        """A number that falls with F - F*, for the monitor; an estimate if rounding dominates the bound."""
        return self.gap

    @property
    def share(self) -> float:
        """Share of the rows that were read for this state."""
        return 1.0

    @property
    def numbers(self) -> dict[str, float]:
        """More numbers for the trace, by name."""
        return {}

    def reached(self, tol: float) -> bool:
        """Whether the run may end here."""
        return self.gap <= tol


F = TypeVar("F", bound=Objective)
S = TypeVar("S", bound=State)


@dataclass(frozen=True)
class Before(Generic[S]):
    """An earlier run to continue: its trace, and its last and best epoch with their states."""

    trace: Trace
    last: tuple[int, S]
    best: tuple[int, S]


class Solver(Protocol[F, S]):
    """A method: two pure functions. It sees an objective, never data."""

    needs: type[F]  # what an objective must be able to do

    def init(self, objective: F) -> tuple[list[State], S]:
        """Return the points visited on the way, if any, and the first state."""

    def step(self, objective: F, state: S) -> S:
        """Return the next epoch's state."""


@dataclass(frozen=True)
class Step(Point):
    """What a callback gets after each epoch; theta = (w, b) in the fit's units, read-only.

    gap : proven bound on F - F*, inf if there is none yet. share : share of the rows that the numbers were computed on.
    status : "", "crawling", "oscillating", "hovering" or "diverging". seconds : since the run began.
    max_reads : most epochs that the run may take. reads : of the data so far.
    """

    epoch: int
    max_reads: int
    tol: float
    evaluation: Evaluation
    gap: float
    share: float
    units: Units
    seconds: float
    status: str
    reads: float

    @property
    def loss(self) -> float:
        """Mean log-loss in nats."""
        return self.evaluation.loss

    @property
    def objective(self) -> float:
        """F: the loss and the penalty."""
        return self.evaluation.objective

    @property
    def accuracy(self) -> float:
        """Share of the rows' weight whose class is right."""
        return self.evaluation.accuracy

    @property
    def grad_norm(self) -> float:
        """Largest of |dF/dw_j| per deviation of its column, and |dF/db|."""
        return self.evaluation.grad_norm


Callback = Callable[[Step], Mapping[str, float] | None]


class Monitor(Protocol):
    """Watches a run, epoch by epoch. unbounded : a step may multiply w by more than 1."""

    unbounded: bool

    def watch(self, objective: float, gap: float) -> str:
        """Add an epoch; return what the run does now, "" if nothing special."""


class NotFiniteAtStart(ArithmeticError):
    """The objective has no finite value at the start: there is no state to return."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    reason : "converged", "max_reads", "diverged", "non_finite" or "interrupted". epoch : the epoch of `state`.
    best_epoch, best : the epoch nearest to the optimum, and its state. oscillated : whether the run ever oscillated.
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


@dataclass
class Run(Generic[F, S]):
    """One solver on one objective until it converges, reaches a limit, diverges or is interrupted.

    Parameters
    ----------
    tol : float
        The run ends when the proven bound on F - F* (`State.gap`) is at most this.
    max_steps : int
        Most steps; for gradient descent, epochs.
    monitor : Monitor
        Names what the run does.
    units : Units
        Of the fit.
    callbacks : sequence of callables
        Each is called with a `Step`; the numbers that it returns, by name, join the trace.
    started : float
        `time.perf_counter` when the fit began.
    max_reads : float
        Most reads of the data, if steps and reads differ.
    to_fit : callable
        Converts a point (size,), or points (k, size), from the objective's units to the fit's.
    on_status : callable
        Called with (status, epoch, state) the first time that the monitor reports a status.
    before : Before, optional
        Continue that run as if it had not ended. The solver's start is not used; the monitor must have seen that run.

    Raises
    ------
    InputError
        The objective can't do what the solver needs.
    """

    objective: F
    solver: Solver[F, S]
    tol: float
    max_steps: int
    monitor: Monitor
    units: Units
    callbacks: Sequence[Callback] = ()
    started: float = 0.0
    max_reads: float = math.inf
    to_fit: Callable[[Vector], Vector] = lambda theta: theta
    on_status: Callable[[str, int, State], None] = lambda status, epoch, state: None
    before: Before[S] | None = None

    def __post_init__(self) -> None:
        """Check the objective, and load the earlier run."""
        needs = self.solver.needs
        missing = [name for name in vars(needs) if not name.startswith("_") and not hasattr(self.objective, name)]
        if missing:
            of, what = type(self.solver).__name__, " and ".join(missing)
            raise InputError(f"{of} needs an objective with {what}: add it, or take gradient descent")
        self._seen: set[str] = set()
        self._recorder = TraceRecorder()
        self._best: tuple[int, State] | None = None
        self._last: tuple[int, State] | None = None
        self._reads_before = 0.0
        if self.before is not None:
            columns = self.before.trace.columns
            self._recorder = TraceRecorder.of(self.before.trace)
            self._last, self._best = self.before.last, self.before.best
            self.started -= float(columns["seconds"][-1])
            self._reads_before = float(columns["reads"][-1]) - self.objective.reads

    def run(self) -> Outcome:
        """Run to the end. Ctrl-C ends the run with reason "interrupted", or is raised if there is no state yet."""
        try:
            return self._outcome(self._loop())
        except KeyboardInterrupt:
            if self._best is None:
                raise
            return self._outcome("interrupted")

    def _loop(self) -> str:
        if self.before is None:
            passed, state = self.solver.init(self.objective)
            for epoch, point in enumerate(passed):
                self._observe(epoch, point)
            first, reason = len(passed), self._observe(len(passed), state)
        else:
            first, state = self.before.last
            reason = "converged" if state.reached(self.tol) else ""
        for epoch in range(first + 1, self.max_steps + 1):
            if reason or self.objective.reads >= self.max_reads:
                break
            state = self.solver.step(self.objective, state)
            reason = self._observe(epoch, state)
        return reason or "max_reads"

    def _observe(self, epoch: int, state: State) -> str:
        """Record an epoch; return the reason to end the run, or ""."""
        evaluation = state.evaluation
        for shown in (state.theta, evaluation.gradient):
            shown.flags.writeable = False
        status = self.monitor.watch(evaluation.objective, state.progress)
        if not evaluation.finite:
            return "diverged" if self.monitor.unbounded else "non_finite"
        if status and status not in self._seen:
            self._seen.add(status)
            self.on_status(status, epoch, state)
        seconds = time.perf_counter() - self.started
        reads = self._reads_before + (self.objective.reads if state.reads is None else state.reads)
        line = {
            "epoch": epoch, "loss": evaluation.loss, "objective": evaluation.objective, "accuracy": evaluation.accuracy,
            "grad_norm": evaluation.grad_norm, "seconds": seconds, "reads": reads, "share": state.share, "gap": state.gap,
            **state.numbers,
        }  # fmt: skip
        if self.callbacks:
            theta = self.to_fit(state.theta)
            theta.flags.writeable = False
            looks = (evaluation, state.gap, state.share, self.units, seconds, status, reads)
            step = Step(theta, epoch, self.max_steps, self.tol, *looks)
            for callback in self.callbacks:
                line.update(_numbers(callback(step), line))
        self._recorder.record(line, state.theta)
        # after recording, so that Ctrl-C leaves no point that the trace lacks
        self._last = (epoch, state)
        if self._best is None or _is_better(state, self._best[1]):
            self._best = (epoch, state)
        if status == "diverging":
            return "diverged"
        return "converged" if state.reached(self.tol) else ""

    def _outcome(self, reason: str) -> Outcome:
        if self._best is None or self._last is None:
            raise NotFiniteAtStart
        # A run that was cut short returns its best point; one that ended by itself returns its last.
        epoch, state = self._last if reason in ("converged", "max_reads") else self._best
        return Outcome(
            state,
            epoch,
            self._last[0],
            *self._best,
            reason,
            "oscillating" in self._seen,
            self._recorder.trace(self.to_fit),
        )


def _is_better(state: State, than: State) -> bool:
    """Whether a state is nearer to the optimum; states on more rows come first, since F on a sample is another F."""
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
