"""Gradient descent on a problem: its learning rate, its run, and how near the optimum it came."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from chainrule.certificate import objective_rounding
from chainrule.diagnosis import RunMonitor, epochs_left, largest_curvature
from chainrule.errors import (
    ChainruleWarning,
    CollinearityWarning,
    InputError,
    LearningRateWarning,
    SeparationWarning,
    warn,
)
from chainrule.fitting.audit import Floor, audit
from chainrule.fitting.optimize import prepare
from chainrule.fitting.problem import Ending, Problem
from chainrule.fitting.task import Task
from chainrule.fitting.verdict import Finding, above_limit, findings, message, while_running
from chainrule.objective import Evaluation, Objective
from chainrule.solvers import GradientDescent, NotFiniteAtStart, Outcome, Run
from chainrule.solvers.proof import depth_of

DEFAULT_EPOCHS = 1000
TOO_LARGE = "the columns are too large for any learning rate"
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
    objective = problem.objective(column_scale=rows.column_scale())
    curvature = largest_curvature(moments, rows.units, objective.ridge, options.fit_intercept, options.loss.curvature)
    limit, rate = rates(curvature, options.learning_rate)
    at_once: list[str] = []

    def tell(kind: type[ChainruleWarning], text: str) -> None:
        at_once.append(text)
        warn(kind, text)

    def on_status(status: str, epoch: int) -> None:
        found = while_running(status, epoch, monitor.needed, rate, limit)
        if found is not None:
            tell(*found)

    if rate > limit:
        tell(LearningRateWarning, above_limit(rate, limit, moments.correlation is not None))
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
        raise InputError("the objective is not finite at the start: take a smaller w0, or standardize=True") from None
    state = outcome.state
    certificate = audit(measure.task, measure.floor, *rows.units.to_user(state.w, state.b))
    needed = _epochs_needed(objective, measure.floor, outcome, rate, options.tol)
    sentence = message(outcome, certificate, options.tol, rate, limit, needed)
    return Ending(
        outcome,
        state.w.copy(),
        state.b,
        rows.units,
        moments.weight,
        sentence,
        (*causes(measure.floor), *findings(outcome, sentence)),
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
        raise InputError(f"{TOO_LARGE}: standardize them (standardize=True), or rescale")
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
        task = prepare(replace(problem, rows=rows.beside()), started)
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
    ends = (
        f"the columns are collinear, so that other coefficients are as good: {floor.reason}; these are those that the start "
        "leads to; drop a column of each relation, or use alpha > 0"
    )
    return [
        (kind, ends if kind is CollinearityWarning and floor.kind == "reduced" else text)
        for kind, text in said
        if kind in (CollinearityWarning, SeparationWarning)
    ]


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
