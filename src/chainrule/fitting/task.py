"""Runs a solver on a problem, for every method; and Newton's runs, in the units of its arithmetic."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.certificate import Certificate
from chainrule.certificate.rounding import UNIT
from chainrule.data.rows import Units, theta_of
from chainrule.data.rows.costs import hessian_reads, is_few, matrix_reads
from chainrule.data.rows.decode import refuse_non_finite
from chainrule.data.sampling import class_counts
from chainrule.diagnosis import RunMonitor
from chainrule.errors import InputError
from chainrule.findings import Finding, Way
from chainrule.fitting.problem import Ending, Problem
from chainrule.fitting.returned import UserPoint, plus_product
from chainrule.fitting.spec import LARGEST_TOL, default_tol
from chainrule.objective import DataObjective, Objective
from chainrule.penalties import ElasticNet
from chainrule.solvers import CGState, Newton, NewtonState, NotFiniteAtStart, Outcome, Run, plan
from chainrule.solvers.proof import FactoredHessian

Vector = NDArray[np.float64]
Index = NDArray[np.int64]

DEFAULT_READS, MOST_STEPS = 100, 200
LARGEST_RIDGE = 1e200  # in the arithmetic's units; above it a weight's penalty overflows
CODES = {"max_reads": "stopped", "noise_floor": "noise floor", "non_finite": "not finite"}  # findings by reason


def run_solver(
    problem: Problem,
    objective: Objective,
    solver: Any,
    *,
    refusal: str | Finding,
    may_diverge: bool = False,
    **limits: Any,
) -> Outcome:
    """Run a solver on one of the problem's objectives; limits : further arguments of `Run`.

    Raises
    ------
    InputError
        If F is not finite: names the first row with NaN or infinity; if there is none, the message is `refusal`.
    """
    options = problem.options
    asked: dict[str, Any] = {"units": problem.rows.units, "monitor": RunMonitor(), "tol": options.tol} | limits
    run: Run[Any, Any] = Run(objective, solver, callbacks=options.callbacks, started=problem.started, **asked)
    try:
        outcome = run.run()
        if outcome.reason != "non_finite" or may_diverge:
            return outcome
    except NotFiniteAtStart:
        pass
    refuse_non_finite(problem.rows)
    raise InputError(refusal)


@dataclass(frozen=True)
class Task:
    """A problem in the units of its arithmetic: columns centred, and divided by powers of two."""

    problem: Problem
    units: Units
    fit_units: Units

    @cached_property
    def ratio(self) -> Vector:
        """Factors (n,) that turn w from the arithmetic's units into the fit's."""
        return self.fit_units.scale / self.units.scale

    @cached_property
    def penalty(self) -> ElasticNet:
        """The fit's penalty, in the arithmetic's units."""
        penalty = self.problem.penalty.in_units(self.ratio)
        if penalty.curvature.max(initial=0.0) > LARGEST_RIDGE:
            name = self.problem.rows.feature_names[int(np.argmax(penalty.curvature))]
            alpha = self.problem.options.alpha
            raise InputError(
                f"alpha {alpha:g} is too large for the scale of column {name!r}: multiply the column, or lower alpha"
            )
        return penalty

    @cached_property
    def objective(self) -> DataObjective:
        """The fit's objective, in the arithmetic's units."""
        return self.problem.objective(self.penalty)

    @cached_property
    def _way(self) -> tuple[Vector, Vector]:
        """Factors that turn theta into the fit's units, and each weight's part of the new bias, (n + 1,) each."""
        shift = (self.fit_units.center - self.units.center) / self.units.scale
        return theta_of(self.ratio, 1.0), theta_of(shift, 0.0)

    def all_to_fit(self, theta: Vector) -> Vector:
        """Turn theta from the arithmetic's units into the fit's, not by way of the user's: a far centre costs digits."""
        factor, shift = self._way
        there = theta * factor  # overflows for a column of 1e-310
        there[..., -1] += np.add.reduce(theta * shift, axis=-1)
        return np.asarray(there)

    def to_user(self, there: Vector) -> UserPoint:
        """Round a point (n + 1,) of the fit's units to the user's."""
        return UserPoint.of(*self.fit_units.to_user(there[:-1], float(there[-1])), self.units)

    def ending(
        self,
        outcome: Outcome,
        state: NewtonState | CGState,
        certificate: Certificate,
        point: Vector,
        how: Finding | None = None,
    ) -> Ending:
        """Make the ending of a run. point : (n + 1,) in the fit's units that the certificate is for. how : if known already."""
        outcome, rows = replace(outcome, state=state), self.problem.rows
        how = how or self._how(outcome, certificate, state)
        return Ending(outcome, point[:-1], float(point[-1]), self.fit_units, rows, how, certificate)

    def _how(self, outcome: Outcome, certificate: Certificate, state: NewtonState | CGState) -> Finding:
        """Say how a run ended and, if possible, how many more reads it needs."""
        tol, reads = self.problem.options.tol, self.problem.rows.reads
        is_too_far = certificate.why is not None and certificate.why.code == "too far"
        if outcome.reason == "converged" or isinstance(state, CGState) or not (certificate.proven or is_too_far):
            return how_it_ended(outcome, certificate, tol, reads=reads)
        left = state.reads_left(tol)
        more = (Finding("reads left", {"reads": left, "tol": tol}),)
        return how_it_ended(outcome, certificate, tol, more, (("more reads", reads + left),), reads=reads)

    def newton(
        self, penalty: ElasticNet, patient: bool = False, start: Vector | None = None, pivots: Index | None = None
    ) -> tuple[Outcome, NewtonState]:
        """Run Newton with a penalty in these units; raises InputError for NaN or infinity in the data.

        start : (n + 1,), a point near the optimum, from which no samples are needed; the fit's own start by default.
        pivots : as in `DataObjective`.
        """
        problem, rows, options = self.problem, self.problem.rows, self.problem.options
        objective = problem.objective(penalty)
        objective = objective if pivots is None else objective.about(pivots)
        most = DEFAULT_READS if options.max_reads is None else options.max_reads
        in_core = is_few(rows) and objective.given is None
        tol = min(options.tol, default_tol(rows.n_rows))  # so that a looser one takes no more reads
        sizes: tuple[int, ...] = (rows.n_rows,)
        if start is None and not in_core:
            costs = (hessian_reads(rows), class_counts(rows), matrix_reads(rows))
            sizes = plan(rows.n_rows, rows.n_features, tol, *costs)
        start = theta_of(*self.units.to_fit(*problem.start)) if start is None else start
        solver = Newton(start, sizes, tol, options.tol, most, patient, in_core)
        outcome = run_solver(
            problem,
            objective,
            solver,
            refusal="the objective is not finite: use a smaller w0, or smaller numbers in X",
            max_steps=MOST_STEPS,
            max_reads=rows.reads + most,
            units=self.fit_units,
            to_fit=self.all_to_fit,
        )
        state = outcome.state
        if outcome.reason == "interrupted" and isinstance(state, CGState):  # don't wait for a Hessian of many columns
            none = FactoredHessian.without_factor(objective, np.ones(objective.size), state.theta)
            state = NewtonState(state.theta, state.evaluation, 0, objective, none, None)
        if not isinstance(state, NewtonState):  # a point of the core's own path, or of newton-cg
            state = solver.at(objective, state.theta)
        if state.z is None:
            # the run ended on a sample: evaluate F on all rows
            state = replace(state, on=objective, evaluation=objective.evaluate(state.theta))
        state = state if state.is_separating else state.with_bound()  # there is no optimum to bound F by
        if outcome.reason == "max_reads" and state.gap <= options.tol:
            outcome = replace(outcome, reason="converged")  # the last point was proven only now
        return outcome, state

    def at(self, theta: Vector, on: DataObjective | None = None) -> NewtonState:
        """Evaluate a point in these units, with the Hessian of all rows. on : by default the fit's objective."""
        return Newton(theta).at(self.objective if on is None else on, theta)

    def returned(
        self, theta: Vector, on: DataObjective | None = None, near: NewtonState | None = None
    ) -> tuple[NewtonState, Vector]:
        """Evaluate a point as it is returned, rounded to the fit's units and the user's; return its state, and the fit's theta.

        The bias is rounded once if the fit's units are the user's. One read, with a new Hessian unless a state near the point
        is given.
        """
        point = self.all_to_fit(theta)
        if not self.fit_units.center.any():
            point[-1] = plus_product(theta[-1], self._way[1], theta)
        here = self.to_user(point).theta
        if near is None:
            return self.at(here, on), point
        z = np.zeros(self.problem.rows.n_rows)
        return replace(near, theta=here, evaluation=near.on.evaluate(here, z=z), z=z, bound=None), point


def how_it_ended(
    outcome: Outcome,
    certificate: Certificate,
    tol: float,
    more: tuple[Finding, ...] = (),
    ways: tuple[Way, ...] = (),
    **values: float,
) -> Finding:
    """Say how a run ended, what is proven, what is still missing (`more`) and the ways out. values : for the sentence."""
    told: dict[str, object] = {"steps": outcome.n_epochs, "certificate": certificate, "tol": tol, **values}
    if outcome.reason == "converged":
        return Finding("converged", told | {"is_rounding": certificate.kind == "bound" and certificate.gap > tol})
    code = CODES.get(outcome.reason, outcome.reason)
    if outcome.reason == "non_finite" and not outcome.n_epochs:
        code = "diverged"
    return Finding(code, told | {"more": more, "ways": ways})


def _warnings_of(how: Finding, outcome: Outcome) -> tuple[Finding, ...]:
    """List the warnings at the end of a run: for its ending, if that needs one, and for a thinned trace."""
    note = outcome.trace.note
    thinned = (Finding("thinned trace", {"note": note}),) if note else ()
    is_said = how.warning is None or (how.code == "no optimum" and how.values["is_reached"])  # "separated" says it
    return thinned if is_said else (how, *thinned)


def as_returned(problem: Problem, ending: Ending) -> Ending:
    """Replace F by its value at the returned point, and add the warnings: rounding may have moved it further than tol.

    If columns lie many deviations from 0, the rounding of the intercept b - center.w changes every z.
    """
    if ending.limit is not None:  # done for the rows left
        return ending
    units, options, rows = ending.units, problem.options, ending.rows
    w, b = ending.point
    centers = float(np.abs(rows.units.center) @ np.abs(w))
    shift = UNIT * (abs(b) + (len(w) + 2) * centers) if centers else 0.0  # of z
    is_offset = options.loss.steepest * shift > max(options.tol, LARGEST_TOL)
    outcome, certificate, how = ending.outcome, ending.certificate, ending.how
    if is_offset:
        task = Task(replace(problem, rows=rows), rows.units, units)
        evaluation = task.objective.evaluate(UserPoint.of(w, b, rows.units).theta)
        outcome = replace(outcome, state=replace(outcome.state, evaluation=evaluation))
        noise = max(certificate.noise, min(certificate.gap, 0.5 * options.loss.curvature * shift * shift))
        certificate = replace(certificate, objective=evaluation.objective, noise=noise)
    if how.code == "converged" and certificate.gap > max(options.tol, LARGEST_TOL):
        ways = () if is_offset else (("more penalty", None), ("smaller columns", None))
        far = rows.feature_names[int(np.argmax(np.abs(rows.units.center * w)))] if is_offset else ""
        how = Finding("unreached", {**how.values, "offset": far, "ways": ways})
    said = (*ending.said, *_warnings_of(how, outcome))
    return replace(ending, outcome=outcome, certificate=certificate, how=how, said=said)
