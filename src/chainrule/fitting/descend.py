"""Gradient descent, plain and stochastic, on a problem: the learning rate, the run, and its distance from the optimum."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chainrule.certificate import Certificate
from chainrule.data.rows.moments import column_scale
from chainrule.diagnosis import NoiseMonitor, RunMonitor, epochs_left, largest_curvature
from chainrule.errors import InputError
from chainrule.findings import Finding, Way, warn_of
from chainrule.fitting import stochastic
from chainrule.fitting.optimize import prepare
from chainrule.fitting.problem import Ending, Problem
from chainrule.fitting.reference import Reference, certify_point, compare_point
from chainrule.fitting.task import Task, how_it_ended, run_solver
from chainrule.objective import DataObjective, Evaluation
from chainrule.solvers import GradientDescent, Outcome, StochasticGradientDescent
from chainrule.solvers.loop import State
from chainrule.solvers.proof import error_of_objective

DEFAULT_EPOCHS = 1000
MANY_TIMES = 3.0  # times the epochs run; if more are needed, messages name other ways too
ROUNDING = 4.0  # times the certificate's noise; a smaller gap is rounding
HALF = 0.7  # a new proof is tried when the gradient fell by this factor: the gap has then about halved
MAX_EIGEN_COLUMNS = 500  # up to which an eigendecomposition estimates the epochs still needed

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Left = tuple[tuple[Finding, ...], tuple[Way, ...]]  # what is still missing when a run ended early, and the ways out


def descend(problem: Problem) -> Ending:
    """Run gradient descent with the user's learning rate, by default 1/L_max, or 1/(2 E) for mini-batches of smoothness E.

    Newton finds the optimum first, in a few reads, so that each epoch's distance from it is known.
    """
    options, batches, moments = problem.options, problem.options.batches, problem.rows.moments()
    problem = problem.standardized()
    rows = problem.rows
    objective = problem.objective(column_scale=column_scale(rows))
    ridge, with_b = objective.ridge, options.fit_intercept
    curvature = largest_curvature(moments, rows.units, ridge, with_b, options.loss.curvature)
    if batches is None:
        part, epochs = 0.5, DEFAULT_EPOCHS
        told: dict[str, object] = {"is_largest": moments.correlation is not None}
    else:
        part, epochs = stochastic.AUTOMATIC, stochastic.DEFAULT_EPOCHS
        curvature, told = stochastic.smoothness(problem, curvature), {"batch": batches.size}
    limit, rate = rates(curvature, options.learning_rate, part)
    max_steps = epochs if options.max_reads is None else options.max_reads
    if options.resume is not None:
        stochastic.check_options(options.resume, problem, rate, max_steps)
    at_once: list[Finding] = []

    def tell(found: Finding) -> None:
        at_once.append(found)
        warn_of(found)

    def on_status(status: str, epoch: int, state: State) -> None:
        if status == "oscillating":
            tell(Finding("oscillating", {"epoch": epoch, "ways": (("slower", limit),)}))
        elif isinstance(monitor, RunMonitor) and status == "crawling":
            tell(_crawls(measure, monitor, epoch, state, (rate, limit), options.more))

    if rate > limit:
        tell(Finding("above limit", {"rate": rate, "limit": limit, **told}))
    measure = Measure.of(problem, objective)
    start, before = np.append(*rows.units.to_fit(*problem.start)), None
    unbounded = bool(rate * ridge.max() > 2.0)
    monitor: RunMonitor | NoiseMonitor
    solver: GradientDescent | StochasticGradientDescent
    if batches is None:
        monitor = RunMonitor(unbounded, stable=bool(rate <= limit), tol=options.tol, max_steps=max_steps)
        solver = GradientDescent(start, rate, measure.gap)
    else:
        monitor = NoiseMonitor(unbounded and batches.schedule == "constant")
        solver = StochasticGradientDescent(start, rate, batches, measure.gap)
        before = stochastic.taken_up(options.resume, objective, solver, monitor)
    limits = {"max_steps": max_steps, "monitor": monitor, "on_status": on_status, "before": before}
    refusal = Finding("not finite at start")
    outcome = run_solver(problem, objective, solver, refusal=refusal, may_diverge=True, **limits)
    return _ending(problem, measure, outcome, monitor, (rate, limit), tuple(at_once))


def _ending(
    problem: Problem,
    measure: Measure,
    outcome: Outcome,
    monitor: RunMonitor | NoiseMonitor,
    rates: tuple[float, float],
    at_once: tuple[Finding, ...],
) -> Ending:
    """Certify the last point of a run, and say what is missing."""
    (rate, limit), rows, options = rates, problem.rows, problem.options
    state, carried = outcome.state, None
    point, is_given = rows.units.to_user(state.w, state.b), problem.reference is not None
    # a caller with a reference has many runs, and wants their gaps alone
    certify = compare_point if is_given and measure.floor.kind != "reduced" else certify_point
    certificate = certify(measure.task, measure.floor, *point)
    if isinstance(monitor, NoiseMonitor):
        known = measure.floor.is_known
        outcome, needed, left = stochastic.judged(problem, outcome, monitor, rate, limit, known=known)
        carried = stochastic.carried(outcome, monitor)
    else:
        needed = _epochs_needed(measure, outcome, rate)
        left = _what_is_left(outcome, rate, limit, needed, options.more)
    how = _how(outcome, certificate, options.tol, limit, left)
    return Ending(
        outcome,
        state.w.copy(),
        state.b,
        rows.units,
        rows,
        how,
        certificate,
        tuple(causes(measure.floor)),
        rate,
        limit,
        said_at_once=at_once,
        epochs_needed=None if math.isnan(needed) else needed,
        carried=carried,
    )


def rates(curvature: float, asked: float | None, part: float) -> tuple[float, float]:
    """Return the largest stable rate, and the rate to use: by default `part` of it."""
    limit = 2.0 / curvature if curvature > 0 else math.inf
    default = part * limit if curvature > 0 else 1.0
    rate = default if asked is None else asked
    if rate == 0.0 or not np.isfinite(curvature):
        raise InputError(Finding("too large for any rate"))
    return limit, rate


@dataclass
class Measure:
    """Measures how far each epoch is from the optimum: by its F or, if the difference is below F's rounding, by a proof."""

    task: Task
    floor: Reference
    objective: DataObjective
    tol: float
    squares: Vector
    _next: float = math.inf  # a proof is worth its read below this gradient
    _seen: float = math.inf  # F - inf F over the squared gradient, when the difference was last above the rounding
    _hessian: Matrix | None = None  # at the optimum

    @classmethod
    def of(cls, problem: Problem, objective: DataObjective) -> Measure:
        """Find the optimum to measure from. The problem's rows are in the fit's units."""
        floor = Reference.of(problem)
        rows = problem.rows
        mean, sd = (v / rows.units.scale for v in (rows.moments().mean - rows.units.center, rows.moments().sd))
        task = prepare(problem)
        return cls(task, floor, objective, problem.options.tol, np.square(np.hypot(mean, sd)))

    def gap(self, theta: Vector, evaluation: Evaluation) -> tuple[float, float]:
        """Bound F - inf F at theta, in the fit's units, and estimate it."""
        if not evaluation.finite:
            return math.inf, math.inf
        noise = error_of_objective(self.objective, evaluation.loss, self.squares, theta)
        _, gap = self.floor.gap(evaluation.objective, noise)
        if gap > 100.0 * noise:
            self._seen = gap / max(evaluation.grad_norm, 1e-300) ** 2
        # without F* the distance isn't known
        estimate = math.inf if not self.floor.is_known else min(gap, self._seen * float(evaluation.grad_norm) ** 2)
        worth = gap <= self.tol + 4.0 * noise or not self.floor.is_known
        if gap <= self.tol or not worth or evaluation.grad_norm > self._next:
            return gap, estimate
        self._next = evaluation.grad_norm * HALF
        here = self.objective.rows.units.to_user(theta[:-1], float(theta[-1]))
        return min(gap, certify_point(self.task, self.floor, *here).gap), estimate

    def near(self, theta: Vector) -> tuple[Matrix, Vector] | None:
        """Return the Hessian at the optimum w*, read once, and theta - w*; None without an optimum, or with many columns.

        Near w* the gradient after k more epochs is H* (1 - rate H*)^k (w - w*).
        """
        on, floor = self.objective, self.floor
        if floor.kind == "infimum" or on.n_features > MAX_EIGEN_COLUMNS:
            return None
        best = np.append(*on.rows.units.to_fit(floor.w, floor.b))
        if self._hessian is None:
            self._hessian = on.hessian(best)
        return self._hessian, theta - best


def causes(floor: Reference) -> list[Finding]:
    """List the reasons why there is no single optimum."""
    which = "which ones are returned depends on the start"
    ends = {"is_exact": True, "which": which}
    return [
        Finding("collinear", {**found.values, **ends})
        if found.code == "collinear" and floor.kind == "reduced"
        else found.without("left")
        for found in floor.said
        if found.code in ("collinear", "collinear too", "separated", "infinite")
    ]


def _how(outcome: Outcome, certificate: Certificate, tol: float, limit: float, left: Left) -> Finding:
    """Say how a run ended, and the ways out if it ended badly. limit : the largest stable rate."""
    more, ways = left
    if outcome.reason in ("diverged", "non_finite", "interrupted"):
        ways = () if outcome.reason == "interrupted" else (("slower", limit),)
        return how_it_ended(outcome, certificate, tol, ways=ways, best=outcome.epoch)
    if certificate.gap <= ROUNDING * certificate.noise and not outcome.oscillated:
        more, ways = (Finding("is rounding"),), (("larger tol", certificate.noise),)
    return how_it_ended(outcome, certificate, tol, more, ways)


def _what_is_left(outcome: Outcome, rate: float, limit: float, needed: float, more: str) -> Left:
    if outcome.oscillated:
        best = {"objective": outcome.best_objective, "best": outcome.best_epoch}
        return (Finding("oscillated", best),), (("slower", limit),)
    if math.isnan(needed):
        return (), ()
    left = (Finding("epochs left", {"epochs": needed, "by": "rate"}),)
    if needed > 1e15:
        return left, ()
    ways = _ways(outcome.n_epochs + needed, rate, limit, more)
    if needed <= MANY_TIMES * max(outcome.n_epochs, 100):
        ways = tuple(way for way in ways if way[0] == more)
    return left, ways


def _ways(total: float, rate: float, limit: float, more: str) -> tuple[Way, ...]:
    """Name the ways to finish a slow run that needs `total` epochs in all; more : as in `FitSpec`."""
    faster: tuple[Way, ...] = (("faster", None),) if rate < 0.4 * limit else ()
    longer: tuple[Way, ...] = ((more, total),) if total < stochastic.MOST else ()
    return (*faster, *longer, ("newton", None))


def _crawls(
    measure: Measure, monitor: RunMonitor, epoch: int, state: State, speed: tuple[float, float], more: str
) -> Finding:
    """Say that a run is slow, and how many more epochs it needs; if that is unknown, the least number.

    speed : the learning rate, and the largest stable one.
    """
    (rate, limit), gaps, near = speed, np.array(monitor.gaps), measure.near(state.theta)
    needed = epochs_left(np.arange(epoch + 1.0 - len(gaps), epoch + 1.0), gaps, measure.tol, rate, near)
    is_least = near is None or not needed >= monitor.needed
    needed = monitor.needed if is_least else needed
    ways = [way for way in _ways(epoch + needed, rate, limit, more) if not (is_least and way[0] == more)]
    return Finding("crawling", {"epoch": epoch, "epochs": needed, "is_least": is_least, "ways": tuple(ways)})


def _epochs_needed(measure: Measure, outcome: Outcome, rate: float) -> float:
    """Estimate how many more epochs a run that ended too early needs; NaN if unknown.

    On separated data there is no optimum, and the gap falls as a power of k.
    """
    if outcome.reason != "max_reads" or outcome.oscillated or not measure.floor.is_known:
        return float("nan")
    epochs, gaps = (outcome.trace.columns[name].astype(np.float64) for name in ("epoch", "gap"))
    return epochs_left(epochs, gaps, measure.tol, rate, measure.near(outcome.state.theta))
