"""How far any coefficients are from the optimum: proven at the point itself, and by an optimum of our own."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from chainrule.certificate import Certificate, audit_gap, bound_by_gradient, digits_of
from chainrule.certificate.rounding import UNIT, gradient_rounding, reach_bound, z_rounding
from chainrule.fitting.no_optimum import bound_without
from chainrule.fitting.optimize import optimize, prepare, solve
from chainrule.fitting.problem import Ending, Problem
from chainrule.fitting.task import Task, after_rounding, certified, noise_of_objective, noise_of_state
from chainrule.solvers import NewtonState
from chainrule.solvers.proof import depth_of

Vector = NDArray[np.float64]

MAX_HESSIAN_COLUMNS = 4096  # beyond, a Hessian and its factor cost more than they prove
MARGIN = 0.01  # an optimum that others are measured by is this much nearer than the tol asked for


@dataclass(frozen=True)
class Floor:
    """What the objective can't go below, and where it is nearly reached: others are measured by it.

    low <= inf F <= high. w, b : where F is `high`, in the user's units. kind : of what is said of others: "bound" (F - F*),
    "reduced" (the same, of the model without the collinear directions), "infimum" (F - inf F: there is no optimum, or none
    is known). reason : why it isn't "bound".
    """

    low: float
    high: float
    kind: str
    reason: str
    w: Vector
    b: float
    ending: Ending | None

    @classmethod
    def of(cls, problem: Problem, started: float) -> Floor:
        """Find it, by Newton from zeros: a few reads. Ctrl-C goes through. Within `shared_floors` it may be known."""
        known = _KNOWN.get()
        if known is None:
            return cls._found(problem, started)
        tol = MARGIN * problem.options.tol
        for other, reached, floor in known:
            if (reached <= tol or floor.is_of_separated) and _is_same(other, problem):
                return floor
        floor = cls._found(problem, started)
        known.append((problem, tol, floor))
        return floor

    @classmethod
    def _found(cls, problem: Problem, started: float) -> Floor:
        n = problem.rows.n_features
        if n > MAX_HESSIAN_COLUMNS:
            reason = f"{n:,} columns are too many for a Hessian"
            return cls(0.0, math.inf, "infimum", reason, np.zeros(n), 0.0, None)
        options = replace(problem.options, tol=MARGIN * problem.options.tol, callbacks=(), max_reads=None)
        task = prepare(replace(problem, options=options, start=(np.zeros(n), 0.0)), started)
        ending = solve(task)
        if ending.outcome.reason == "interrupted":
            raise KeyboardInterrupt
        return cls.of_ending(ending)

    @classmethod
    def of_ending(cls, ending: Ending) -> Floor:
        """Take what Newton's method came to."""
        certificate = ending.certificate
        w, b = ending.units.to_user(ending.w_fit, ending.b_fit)
        if certificate.kind in ("bound", "reduced"):
            low, kind = certificate.optimum_at_least, certificate.kind
        else:
            low, kind = certificate.infimum_at_least, "infimum"
        state = ending.outcome.state
        assert isinstance(state, NewtonState)
        high = (certificate.objective if ending.objective is None else ending.objective) + noise_of_state(state)
        return cls(max(low, 0.0), high, kind, certificate.reason, w, b, ending)

    @property
    def is_of_separated(self) -> bool:
        """Whether there is no optimum: what inf F is proven to be at least is then the same for any tol."""
        return self.ending is not None and self.ending.outcome.reason == "no_optimum"

    def gap(self, objective: float, rounding: float) -> tuple[float, float]:
        """(at least, at most) F - inf F at a point whose F is known to `rounding`."""
        least, _ = audit_gap(objective, self.high, 0.0, rounding)
        _, most = audit_gap(objective, self.low, 0.0, rounding)
        return least, most


# what was solved, how near its floor is to the optimum, and the floor
_KNOWN: ContextVar[list[tuple[Problem, float, Floor]] | None] = ContextVar("known floors", default=None)


def optimum(problem: Problem, started: float) -> Ending:
    """Run Newton's method; within `shared_floors` what it comes to is a floor of the runs that follow."""
    ending = optimize(problem, started)
    known, certificate = _KNOWN.get(), ending.certificate
    if known is not None and ending.outcome.reason in ("converged", "no_optimum"):
        is_near = certificate.kind in ("bound", "reduced") and certificate.gap <= problem.options.tol
        known.append((problem, problem.options.tol if is_near else math.inf, Floor.of_ending(ending)))
    return ending


@contextmanager
def shared_floors() -> Iterator[None]:
    """Within it, runs of one objective on the same data find their floor once; their reads then count it once too.

    A floor that was found for a smaller tol is good for a larger one.
    """
    before = _KNOWN.set([])
    try:
        yield
    finally:
        _KNOWN.reset(before)


def _is_same(a: Problem, b: Problem) -> bool:
    """Whether two problems have one objective: the same rows, penalty and intercept, whatever the way there."""
    one, other = a.options, b.options
    same = (one.alpha, one.penalty, one.loss, one.fit_intercept) == (
        other.alpha,
        other.penalty,
        other.loss,
        other.fit_intercept,
    )
    if not same or not a.rows.is_same_data(b.rows):
        return False
    if a.penalty.strongly_convex and not (a.scaled == b.scaled and np.array_equal(a.columns, b.columns)):
        return False  # the penalty is on the fit's columns
    s, t = a.rows.s, b.rows.s
    weighted = (s is None and t is None) or (s is not None and t is not None and np.array_equal(s, t))
    return weighted and a.rows.weight_unit == b.rows.weight_unit and np.array_equal(a.rows.y, b.rows.y)


def audit(task: Task, floor: Floor | None, w: Vector, b: float) -> Certificate:
    """Say what is proven of (w, b), in the user's units: one read of all rows, with their Hessian.

    floor: sharpens what the point itself proves, or stands in where that is nothing.
    """
    rows = task.problem.rows
    with np.errstate(over="ignore", invalid="ignore"):  # of absurd coefficients: what overflows proves nothing
        here = task.units.to_fit(w, b)
        if rows.n_features > MAX_HESSIAN_COLUMNS:
            return _by_gradient(task, floor, w, b)
        state = task.at(*here).with_bound()
        direct = certified(state, task.units, rows, task.started)
        if floor is None:
            return direct
        return _with_floor(task, direct, floor, state, w, b)


def _with_floor(task: Task, direct: Certificate, floor: Floor, state: NewtonState, w: Vector, b: float) -> Certificate:
    rounding = noise_of_state(state) + _rounding_of_bias(task, state.w, state.b)
    F = state.evaluation.objective
    least, most = floor.gap(F, rounding)
    kind = "bound" if direct.proven else floor.kind
    if kind == "bound" and floor.kind != "bound":
        return direct  # the floor is that of another model
    if kind == "infimum" and not math.isfinite(F):
        return direct
    gap, coef, intercept = most, np.full(len(w), np.inf), math.inf
    if kind == "reduced" and floor.ending is not None and floor.ending.pivots is not None:
        proven = bound_without(state, floor.ending.pivots)
        here = after_rounding(state, proven, task.units, w)
        gap, least = min(most, here.gap), max(least, here.lower)
    if kind == "bound":
        gap = min(most, direct.gap)
        coef, intercept = direct.coef, direct.intercept
        if floor.ending is not None and floor.kind == "bound":
            theirs = floor.ending.certificate
            up = 1.0 + 4.0 * UNIT
            coef = np.minimum(coef, (np.abs(w - floor.w) + theirs.coef) * up)
            intercept = min(intercept, (abs(b - floor.b) + theirs.intercept) * up)
    # The floor may be of the model without some columns: of inf F it then says nothing.
    infimum = max(direct.infimum_at_least, 0.0 if floor.ending is None else floor.ending.certificate.infimum_at_least)
    return replace(
        direct,
        kind=kind,
        gap=gap,
        lower=max(direct.lower, least),
        coef=coef,
        intercept=intercept,
        digits=digits_of(w, coef),
        noise=min(direct.noise, 2.0 * rounding) if direct.proven else 2.0 * rounding,
        hessian_rows=direct.hessian_rows if direct.proven else "",
        reads=task.problem.rows.reads,
        seconds=time.perf_counter() - task.started,
        optimum_at_least=max(floor.low, direct.optimum_at_least),
        infimum_at_least=infimum,
        infimum_gap=gap if infimum >= floor.low else F + rounding - infimum,
        reason="" if kind == "bound" else floor.reason,
    )


def _rounding_of_bias(task: Task, w: Vector, b: float) -> float:
    """Bound what F changes as the bias is rounded on its way from the user's units."""
    size = float(np.abs(task.units.center / task.units.scale) @ np.abs(w))
    return task.objective.loss.steepest * UNIT * ((len(w) + 2) * size + abs(b))


def _by_gradient(task: Task, floor: Floor | None, w: Vector, b: float) -> Certificate:
    """Bound by the gradient and the penalty alone, for more columns than a Hessian is made of."""
    rows, on = task.problem.rows, task.objective
    n, penalty = rows.n_features, task.problem.penalty
    w_here, b_here = task.units.to_fit(w, b)
    z, q = np.empty(rows.n_rows), np.append(1.0 / task.ratio**2, 1.0)
    evaluation = on.evaluate(w_here, b_here, z=z, q=q, squares=True)
    assert evaluation.squares is not None
    M = np.sqrt(np.append(evaluation.squares, 1.0))
    noise = noise_of_objective(on, evaluation.loss, evaluation.squares, w_here, b_here)
    rounding = noise + _rounding_of_bias(task, w_here, b_here)
    seconds = time.perf_counter() - task.started
    F = evaluation.objective
    reason = floor.reason if floor is not None else f"{n:,} columns are too many for a Hessian"
    nothing = Certificate.nothing(n, F, rows.reads, seconds, reason)
    infimum = replace(
        nothing, kind="infimum", gap=F + rounding, noise=rounding, optimum_at_least=0.0, infimum_gap=F + rounding
    )
    if not (penalty.strongly_convex and math.isfinite(F)):
        return infimum if math.isfinite(F) else nothing
    s = np.ones(rows.n_rows) if rows.s is None else rows.s
    h_b = float(s @ on.pointwise(z, rows.y)[2]) / float(s.sum()) if on.fit_intercept else 1.0
    reach = math.sqrt(evaluation.norm) * (1.0 + 1e-12)
    e = gradient_rounding(of=on.loss, M=M, d=depth_of(on), r_rms=on.loss.steepest, w=w_here, b=b_here, ridge=on.ridge)
    zeta = on.loss.bend * z_rounding(
        n, reach_bound(evaluation.norm, np.append(task.ratio, 1.0), np.append(w_here, b_here))
    )
    # In the fit's units, whose penalty is the same for all columns, or at least its smallest.
    ratio = task.ratio
    proven = bound_by_gradient(
        evaluation.grad_w / ratio,
        evaluation.grad_b,
        np.append(e[:n] / ratio, e[n] if on.fit_intercept else 0.0) * (1.0 + 4.0 * UNIT),
        of=on.loss,
        alpha=float(penalty.curvature.min()),
        h_b=h_b,
        reach_c=reach,
        reach=reach,
        depth=depth_of(on),
        zeta=zeta,
    )
    if not proven.proven or proven.gap > F:
        return infimum
    coef = proven.coef[:n] / task.fit_units.scale * (1.0 + 4.0 * UNIT)
    intercept = proven.coef[n] + float(np.abs(task.units.center) @ coef) if on.fit_intercept else 0.0
    return replace(
        nothing,
        kind="bound",
        gap=proven.gap + rounding,
        coef=coef,
        intercept=intercept,
        digits=digits_of(w, coef),
        r=proven.r,
        noise=proven.noise + rounding,
        optimum_at_least=F - proven.gap - 2.0 * rounding,
        reason="",
        infimum_at_least=max(0.0, F - proven.gap - 2.0 * rounding),
        infimum_gap=proven.gap + rounding,
    )
