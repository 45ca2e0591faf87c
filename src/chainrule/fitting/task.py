"""Newton on one problem: units for its arithmetic, the run, and a certificate in the user's units."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from chainrule.certificate import Certificate
from chainrule.certificate.bounds import Bound, moved
from chainrule.certificate.rounding import UNIT
from chainrule.data.rows import Rows, Units
from chainrule.data.rows.costs import hessian_reads, matrix_reads
from chainrule.data.sampling import class_counts
from chainrule.errors import InputError
from chainrule.findings import Finding, Way
from chainrule.fitting.problem import Ending, Problem
from chainrule.fitting.run import run
from chainrule.fitting.spec import LARGEST_TOL
from chainrule.objective import DataObjective
from chainrule.penalties import ElasticNet
from chainrule.solvers import CGState, Newton, NewtonState, Outcome, plan
from chainrule.solvers.proof import FactoredHessian, error_of_gradient

Vector = NDArray[np.float64]

DEFAULT_READS, MOST_STEPS = 100, 200
LARGEST_RIDGE = 1e200  # in the arithmetic's units; above it a weight's penalty overflows
TOO_FAR = Finding("too far", {"relations": ()})
CODES = {"max_reads": "stopped", "noise_floor": "noise floor", "non_finite": "not finite"}  # findings by reason


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

    @property
    def class_weights(self) -> tuple[float, float]:
        """Sums of the weights of both classes, in the rows' own unit."""
        return self.objective.class_weights

    @property
    def sum_weights(self) -> float:
        """S, in the user's unit."""
        return sum(self.class_weights) * self.problem.rows.weight_unit

    @cached_property
    def _way(self) -> tuple[Vector, Vector]:
        """Factors that turn theta into the fit's units, and each weight's part of the new bias, (n + 1,) each."""
        shift = (self.fit_units.center - self.units.center) / self.units.scale
        return np.append(self.ratio, 1.0), np.append(shift, 0.0)

    def all_to_fit(self, theta: Vector) -> Vector:
        """Turn theta from the arithmetic's units into the fit's, not by way of the user's: a far centre costs digits."""
        factor, shift = self._way
        there = theta * factor  # overflows for a column of 1e-310
        there[-1] += np.add.reduce(theta * shift)
        return np.asarray(there)

    def to_fit(self, w: Vector, b: float) -> tuple[Vector, float]:
        """Turn w and b from the units of the arithmetic into those of the fit."""
        with np.errstate(over="ignore"):
            there = self.all_to_fit(np.append(w, b))
        return there[:-1], float(there[-1])

    def ending(
        self,
        outcome: Outcome,
        state: NewtonState,
        certificate: Certificate,
        point: tuple[Vector, float] | None = None,
        how: Finding | None = None,
        said: tuple[Finding, ...] = (),
    ) -> Ending:
        """Make the ending of a run.

        point : (w, b) in the fit's units that the certificate is for; by default the state's. how : how the run ended, if not
        as `_how` says.
        """
        point = self.to_fit(state.w, state.b) if point is None else point
        outcome = replace(outcome, state=state)
        how = self._how(outcome, certificate, state) if how is None else how
        said = (*said, *warnings_of(how))
        return Ending(outcome, *point, self.fit_units, self.sum_weights, how, said, certificate)

    def _how(self, outcome: Outcome, certificate: Certificate, state: NewtonState) -> Finding:
        """Say how a run ended and, if possible, how many more reads it needs."""
        tol, reads = self.problem.options.tol, self.problem.rows.reads
        is_too_far = certificate.why is not None and certificate.why.code == TOO_FAR.code
        if outcome.reason == "converged" or not (certificate.proven or is_too_far):
            return how_it_ended(outcome, certificate, tol, reads=reads)
        left = state.reads_left(tol)
        more = (Finding("reads left", {"reads": left, "tol": tol}),)
        return how_it_ended(outcome, certificate, tol, more, (("more reads", reads + left),), reads=reads)

    def run(self, penalty: ElasticNet, patient: bool = False) -> tuple[Outcome, NewtonState]:
        """Run Newton with a penalty in these units; raises InputError for NaN or infinity in the data."""
        problem, rows, options = self.problem, self.problem.rows, self.problem.options
        costs = (hessian_reads(rows), class_counts(rows), matrix_reads(rows))
        objective = problem.objective(penalty)
        most = DEFAULT_READS if options.max_reads is None else options.max_reads
        sizes = plan(rows.n_rows, rows.n_features, options.tol, *costs)
        solver = Newton(np.append(*self.units.to_fit(*problem.start)), sizes, options.tol, most, patient)
        outcome = run(
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
        state = state.with_bound()
        if outcome.reason == "max_reads" and state.gap <= options.tol:
            outcome = replace(outcome, reason="converged")  # the last point was proven only now
        return replace(outcome, state=state), state

    def at(self, w: Vector, b: float, on: DataObjective | None = None) -> NewtonState:
        """Evaluate a point in these units, with the Hessian of all rows. on : by default the fit's objective."""
        theta = np.append(w, b)
        return Newton(theta).at(self.objective if on is None else on, theta)

    def returned(
        self, w: Vector, b: float, on: DataObjective | None = None, near: NewtonState | None = None
    ) -> tuple[NewtonState, Vector, float]:
        """Evaluate (w, b) as returned, rounded to the fit's units and the user's; returns (state, w_fit, b_fit).

        Each bias is rounded only once. One read, with a new Hessian unless a state near the point is given.
        """
        w_fit, b_fit = self.to_fit(w, b)
        if not self.fit_units.center.any():
            b_fit = plus_product(b, -self.units.center, w / self.units.scale)
        w_user, b_user = self.fit_units.to_user(w_fit, b_fit)
        here = w_user * self.units.scale, plus_product(b_user, self.units.center, w_user)
        if near is None:
            return self.at(*here, on), w_fit, b_fit
        z = np.zeros(self.problem.rows.n_rows)
        theta = np.append(*here)
        return replace(near, theta=theta, evaluation=near.on.evaluate(theta, z=z), z=z, bound=None), w_fit, b_fit


def plus_product(b: float, center: Vector, w: Vector) -> float:
    """Compute b + center.w, rounded once; NaN if a number is not finite or the sum overflows."""
    at = np.flatnonzero(center)
    try:
        products = (Fraction(c) * Fraction(v) for c, v in zip(center[at], w[at], strict=True))
        return float(sum(products, Fraction(b)))
    except (OverflowError, ValueError):
        return math.nan


def certified(state: NewtonState, units: Units, rows: Rows, *, as_returned: bool = False) -> Certificate:
    """Turn a state's bound into the user's units; the bound grows by the rounding of the conversion.

    as_returned : whether the state is at exactly the returned point (`Task.returned`).
    """
    n, on = rows.n_features, state.on
    w, b = units.to_user(state.w, state.b)
    objective, proven = state.evaluation.objective, state.bound
    if proven is None or not proven.proven:
        return Certificate.nothing(n, objective, TOO_FAR)
    here = after_rounding(state, proven, None if as_returned else units, w)
    way = abs(state.b) if as_returned else abs(b) + float(np.abs(units.center) @ np.abs(w)) * (n + 2)
    with np.errstate(over="ignore"):  # a column of 1e-310: no bound on its coefficient
        coef = here.coef[:n] / units.scale
    share = len(state.factored.z) / rows.n_rows
    gap = min(here.gap, objective + state.noise + (here.gap - proven.gap))
    return Certificate.of(
        replace(here, gap=gap),
        w,
        coef,
        _intercept(state, here, units) + 2.0 * UNIT * way if on.fit_intercept else 0.0,
        objective=objective,
        least=objective - proven.gap - state.noise,  # holds however the user's units round
        hessian_rows="all rows" if share == 1.0 else f"{100 * share:.3g} % of the rows",
    )


def _intercept(state: NewtonState, proven: Bound, units: Units) -> float:
    """Bound the error of the bias in the user's units, b - center.w, in the Hessian's norm if it has a factor."""
    line, proof = np.append(-units.center / units.scale, 1.0), state.factored.proof
    if proof.ok and proven.radius < math.inf:
        return proven.radius * math.sqrt(float(proof.leverages(line[np.newaxis])[0]))
    return float(np.abs(line) @ proven.coef)


def after_rounding(state: NewtonState, proven: Bound, units: Units | None, w: Vector) -> Bound:
    """Widen a bound by the rounding of w and b when they are converted to the user's units.

    units : None if the state is at the returned point already, up to one rounding of its bias (`Task.returned`).
    """
    on, squares = state.on, state.squares
    assert squares is not None
    n = on.n_features
    if units is None:
        shift = np.append(np.zeros(n), 2.0 * UNIT * abs(state.b))
    else:
        way = abs(state.b) + (n + 2) * float(np.abs(units.center) @ np.abs(w))
        shift = np.append(4.0 * UNIT * np.abs(state.w), 2.0 * UNIT * way)
    e, M = error_of_gradient(on, on.loss.steepest, squares, state.theta), np.sqrt(np.append(squares, 1.0))
    gradient = state.evaluation.gradient
    if not on.fit_intercept:
        M[-1] = shift[-1] = 0.0
    return moved(proven, shift, of=on.loss, gradient=gradient, e=e, M=M, ridge=on.ridge)


def how_it_ended(
    outcome: Outcome,
    certificate: Certificate,
    tol: float,
    more: tuple[Finding, ...] = (),
    ways: tuple[Way, ...] = (),
    **values: float,
) -> Finding:
    """Say how a run ended, what is proven, what is still missing (`more`) and the ways out. values : for the sentence."""
    told: dict[str, object] = {"steps": outcome.n_epochs, "proof": certificate.sentence, "tol": tol, **values}
    if outcome.reason == "converged":
        return Finding("converged", told | {"is_rounding": certificate.kind == "bound" and certificate.gap > tol})
    code = CODES.get(outcome.reason, outcome.reason)
    if outcome.reason == "non_finite" and not outcome.n_epochs:
        code = "diverged"
    return Finding(code, told | {"more": more, "ways": ways})


def warnings_of(how: Finding, outcome: Outcome | None = None) -> tuple[Finding, ...]:
    """List the warnings at the end of a run: for its ending, if that needs one, and for a thinned trace."""
    note = "" if outcome is None else outcome.trace.note
    thinned = (Finding("thinned trace", {"note": note}),) if note else ()
    is_said = how.warning is None or (how.code == "no optimum" and how.values["is_reached"])  # "separated" says it
    return thinned if is_said else (how, *thinned)


def as_returned(problem: Problem, ending: Ending) -> Ending:
    """Replace F by its value at the returned point, and warn if rounding moved that further than tol from the optimum.

    If columns lie many deviations from 0, the rounding of the intercept b - center.w changes every z.
    """
    units, options, rows = ending.units, problem.options, problem.rows
    w, b = units.to_user(ending.w_fit, ending.b_fit)
    tol = max(options.tol, LARGEST_TOL)
    centers = float(np.abs(rows.units.center) @ np.abs(w))
    shift = UNIT * (abs(b) + (len(w) + 2) * centers) if centers else 0.0  # of z
    is_offset = options.loss.steepest * shift > tol
    outcome, certificate, how = ending.outcome, ending.certificate, ending.how
    if is_offset:
        task = Task(problem, rows.units, units)
        here = w * rows.units.scale, plus_product(b, rows.units.center, w)
        evaluation = task.objective.evaluate(np.append(*here))
        outcome = replace(outcome, state=replace(outcome.state, evaluation=evaluation))
        noise = max(certificate.noise, min(certificate.gap, 0.5 * options.loss.curvature * shift * shift))
        certificate = replace(certificate, objective=evaluation.objective, noise=noise)
    said = ending.said
    if how.code == "converged" and certificate.gap > tol:
        ways = () if is_offset else (("more alpha", None), ("smaller columns", None))
        how = Finding("unreached", {**how.values, "is_offset": is_offset, "ways": ways})
        said = (*said, *warnings_of(how))
    return replace(ending, outcome=outcome, certificate=certificate, how=how, said=said)
