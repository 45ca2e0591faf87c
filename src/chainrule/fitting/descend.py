"""Gradient descent on a problem: its learning rate, its run, and how near the optimum it came."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from chainrule.certificate import Certificate, objective_rounding
from chainrule.diagnosis import RunMonitor, epochs_left, largest_curvature
from chainrule.errors import InputError
from chainrule.findings import Finding, Way, warn_of
from chainrule.fitting.audit import Floor, audit
from chainrule.fitting.optimize import prepare
from chainrule.fitting.problem import Ending, Problem
from chainrule.fitting.task import Task
from chainrule.objective import Evaluation, Objective
from chainrule.solvers import GradientDescent, NotFiniteAtStart, Outcome, Run
from chainrule.solvers.proof import depth_of

DEFAULT_EPOCHS = 1000
MOST = 1e9  # epochs that anyone would run
MANY_TIMES = 3.0  # as many epochs more than were run: there are better ways than more of them
ROUNDING = 4.0  # times the certificate's noise: a gap as small is rounding
HALF = 0.7  # of the gradient, about half of the gap: then a proof is tried again
MAX_EIGEN_COLUMNS = 500  # up to here a run that ended too early is worth an eigendecomposition

Vector = NDArray[np.float64]


def descend(problem: Problem, started: float) -> Ending:
    """Run gradient descent with the user's learning rate, or 1/L_max.

    The optimum is found first, by a few reads of Newton, so that each epoch knows how far it is from it.
    """
    rows, options = problem.rows, problem.options
    moments = rows.moments()
    problem.standardize()
    rows = problem.rows
    objective = problem.objective(column_scale=rows.column_scale())
    curvature = largest_curvature(moments, rows.units, objective.ridge, options.fit_intercept, options.loss.curvature)
    limit, rate = rates(curvature, options.learning_rate)
    at_once: list[Finding] = []

    def tell(found: Finding) -> None:
        at_once.append(found)
        warn_of(found)

    def on_status(status: str, epoch: int) -> None:
        if status == "oscillating":
            tell(Finding("oscillating", {"epoch": epoch, "ways": (("slower", limit),)}))
        elif status == "crawling":
            ways = _ways(epoch + monitor.needed, rate, limit)
            tell(Finding("crawling", {"epoch": epoch, "epochs": monitor.needed, "ways": ways}))

    if rate > limit:
        is_largest = moments.correlation is not None
        tell(Finding("above limit", {"rate": rate, "limit": limit, "is_largest": is_largest}))
    max_steps = DEFAULT_EPOCHS if options.max_reads is None else options.max_reads
    monitor = RunMonitor(
        stable=rate <= limit, unbounded=rate * objective.ridge.max() > 2.0, tol=options.tol, max_steps=max_steps
    )
    measure = Measure.of(problem, objective, started)
    run = Run(
        objective,
        GradientDescent(*rows.units.to_fit(*problem.start), rate, measure.gap),
        tol=options.tol,
        max_steps=max_steps,
        monitor=monitor,
        callbacks=options.callbacks,
        started=started,
        on_status=on_status,
    )
    try:
        outcome = run.run()
    except NotFiniteAtStart:
        raise InputError(Finding("not finite at start")) from None
    state = outcome.state
    certificate = audit(measure.task, measure.floor, *rows.units.to_user(state.w, state.b))
    needed = _epochs_needed(objective, measure.floor, outcome, rate, options.tol)
    how = how_it_ended(outcome, certificate, options.tol, rate, limit, needed)
    return Ending(
        outcome,
        state.w.copy(),
        state.b,
        rows.units,
        moments.weight,
        how,
        (*causes(measure.floor), *warnings_of(how, outcome)),
        certificate,
        rate,
        limit,
        said_at_once=tuple(at_once),
        epochs_needed=None if math.isnan(needed) else needed,
    )


def rates(curvature: float, asked: float | None, part: float = 0.5) -> tuple[float, float]:
    """Give the largest stable rate, and the one to take: `part` of it by default."""
    limit = 2.0 / curvature if curvature > 0 else float("inf")
    rate = asked
    if rate is None:
        rate = part * 2.0 / curvature if curvature > 0 else 1.0
    if rate == 0.0 or not np.isfinite(curvature):
        raise InputError(Finding("too large for any rate"))
    return limit, rate


@dataclass
class Measure:
    """How far points of the fit are from the optimum: each epoch by its F; by a proof of its own where F's digits end."""

    task: Task
    floor: Floor
    objective: Objective
    tol: float
    M: Vector
    _next: float = math.inf  # the gradient from which on a proof is worth its read
    _seen: float = math.inf  # F - inf F over the squared gradient, when F last told it

    @classmethod
    def of(cls, problem: Problem, objective: Objective, started: float) -> Measure:
        """Find the optimum of a problem whose rows are seen in the fit's units."""
        floor = Floor.of(problem, started)
        rows = problem.rows
        mean, sd = (v / rows.units.scale for v in (rows.moments().mean - rows.units.center, rows.moments().sd))
        task = prepare(replace(problem), started)
        return cls(task, floor, objective, problem.options.tol, np.append(np.hypot(mean, sd), 1.0))

    def gap(self, w: Vector, b: float, evaluation: Evaluation) -> tuple[float, float]:
        """Bound F - inf F at (w, b), in the fit's units, and estimate it."""
        if not evaluation.finite:
            return math.inf, math.inf
        noise = objective_rounding(
            of=self.objective.loss,
            loss=evaluation.loss,
            d=depth_of(self.objective),
            r_rms=self.objective.rms_residual(evaluation.loss),
            M=self.M,
            w=w,
            b=b,
            ridge=self.objective.ridge,
        )
        _, gap = self.floor.gap(evaluation.objective, noise)
        if gap > 100.0 * noise:
            self._seen = gap / max(evaluation.grad_norm, 1e-300) ** 2
        # Where F* is not known at all, neither is what is left.
        estimate = math.inf if self.floor.ending is None else min(gap, self._seen * evaluation.grad_norm**2)
        worth = gap <= self.tol + 4.0 * noise or self.floor.ending is None
        if gap <= self.tol or not worth or evaluation.grad_norm > self._next:
            return gap, estimate
        self._next = evaluation.grad_norm * HALF
        return min(gap, audit(self.task, self.floor, *self.objective.rows.units.to_user(w, b)).gap), estimate


def causes(floor: Floor) -> list[Finding]:
    """Name why there is no single optimum."""
    said = () if floor.ending is None else floor.ending.said
    which = "these are those that the start leads to"
    ends = Finding("collinear", {"is_exact": True, "relations": floor.reason, "which": which})
    return [
        ends if found.code == "collinear" and floor.kind == "reduced" else found
        for found in said
        if found.code in ("collinear", "collinear too", "separated")
    ]


def how_it_ended(
    outcome: Outcome, certificate: Certificate, tol: float, rate: float, limit: float, needed: float
) -> Finding:
    """Say how a run ended, and the ways out where it ended badly.

    rate, limit: the learning rate, and the largest stable one. needed: estimate of the epochs still needed to `tol`; inf where
    it would not get there, NaN where unknown.
    """
    values = {"steps": outcome.n_epochs, "proof": certificate.sentence, "tol": tol}
    if outcome.reason == "converged":
        return Finding("converged", values)
    if outcome.reason in ("diverged", "non_finite"):
        code = "diverged" if outcome.reason == "diverged" or not outcome.n_epochs else "not finite"
        return Finding(code, values | {"best": outcome.epoch, "ways": (("slower", limit),)})
    if outcome.reason == "interrupted":
        return Finding("interrupted", values | {"best": outcome.epoch})
    more, ways = _what_is_left(outcome, certificate, rate, limit, needed)
    return Finding("stopped", values | {"more": more, "ways": ways})


def _what_is_left(
    outcome: Outcome, certificate: Certificate, rate: float, limit: float, needed: float
) -> tuple[tuple[Finding, ...], tuple[Way, ...]]:
    if outcome.oscillated:
        best = {"objective": outcome.best_objective, "best": outcome.best_epoch}
        return (Finding("oscillated", best),), (("slower", limit),)
    if certificate.gap <= ROUNDING * certificate.noise:
        return (Finding("is rounding"),), (("larger tol", certificate.noise),)
    if math.isnan(needed):
        return (), ()
    left = (Finding("epochs left", {"epochs": needed, "by": "rate"}),)
    if needed > 1e15:
        return left, ()
    ways = _ways(outcome.n_epochs + needed, rate, limit)
    if needed <= MANY_TIMES * max(outcome.n_epochs, 100):
        ways = tuple(way for way in ways if way[0] == "more reads")
    return left, ways


def _ways(total: float, rate: float, limit: float) -> tuple[Way, ...]:
    """Name what brings a slow run to its end, after so many epochs in all."""
    faster: tuple[Way, ...] = (("faster", None),) if rate < 0.4 * limit else ()
    more: tuple[Way, ...] = (("more reads", total),) if total < MOST else ()
    return (*faster, *more, ("newton", None))


def warnings_of(how: Finding, outcome: Outcome) -> tuple[Finding, ...]:
    """Give what a user is warned of at the end."""
    thinned = (Finding("thinned trace", {"note": outcome.trace.note}),) if outcome.trace.note else ()
    return (*(() if how.warning is None else (how,)), *thinned)


def _epochs_needed(objective: Objective, floor: Floor, outcome: Outcome, rate: float, tol: float) -> float:
    """Estimate the epochs still needed, where the run ended too early.

    Near the optimum w* the gradient is H* (1 - rate H*)^k (w - w*). On separated data there is none, and the gap's trend is
    a power of k.
    """
    if outcome.reason != "max_reads" or outcome.oscillated or floor.ending is None:
        return float("nan")
    near = None
    if floor.kind != "infimum" and objective.n_features <= MAX_EIGEN_COLUMNS:
        w, b = objective.rows.units.to_fit(floor.w, floor.b)
        at = objective.evaluate(w, b, hessian=True)
        assert at.hessian is not None
        near = at.hessian, np.append(outcome.state.w - w, outcome.state.b - b)
    epochs, gaps = (outcome.trace.columns[name].astype(np.float64) for name in ("epoch", "gap"))
    return epochs_left(epochs, gaps, tol, rate, near)
