"""Newton's method on a problem: the units of its arithmetic, its run, its certificate and its verdict."""

from __future__ import annotations

import math
import time

import numpy as np
from numpy.typing import NDArray

from chainrule.certificate import Certificate
from chainrule.certificate.bounds import Bound, moved
from chainrule.certificate.rounding import UNIT, gradient_rounding, objective_rounding, sum_depth
from chainrule.certificate.statement import digits_of
from chainrule.diagnosis import RunMonitor
from chainrule.errors import InputError, NotConvergedWarning
from chainrule.objective import Objective
from chainrule.problem import Ending, Problem
from chainrule.rows import DenseRows, Units, power_of_two
from chainrule.sampling import spread_rows
from chainrule.solvers import Newton, NewtonState, NotFiniteAtStart, Outcome, Run, plan
from chainrule.verdict import Finding

Vector = NDArray[np.float64]

DEFAULT_READS = 100
MOST_STEPS = 200
GUESS_ROWS = 1000  # whose means and deviations the arithmetic's units come from


def optimize(problem: Problem, started: float) -> Ending:
    """Run Newton on growing samples and few reads of all rows, to a bound on F - F* of `tol`."""
    rows, options = problem.rows, problem.options
    fit_units = Units.of_user(rows.n_features)
    if problem.columns.any():
        rows.moments(correlations=False)
        rows.standardize(problem.columns)
        fit_units = rows.units
    units = _arithmetic_units(rows, options.fit_intercept)
    rows.see(units)
    ratio = fit_units.scale / units.scale
    # A column of 1e-160 has a penalty of 1e320 there: any number as large holds its weight at 0 as well.
    with np.errstate(over="ignore"):
        alpha = np.minimum(options.alpha * ratio**2, 1e200) if options.alpha else 0.0
    objective = Objective(rows, alpha, options.fit_intercept)
    ones = int(np.count_nonzero(rows.y))
    sizes = plan(rows.n_rows, rows.n_features, options.tol, rare=min(ones, rows.n_rows - ones))
    solver = Newton(*units.to_fit(*problem.start), sizes, _class_weights(rows, ones), options.tol)

    def to_fit(w: Vector, b: float) -> tuple[Vector, float]:
        """From the units of the arithmetic to those of the fit, without the way over x = 0."""
        return w * ratio, b + float(((fit_units.center - units.center) / units.scale) @ w)

    run = Run(
        objective,
        solver,
        tol=options.tol,
        max_steps=MOST_STEPS,
        max_reads=DEFAULT_READS if options.max_reads is None else options.max_reads,
        monitor=RunMonitor(),
        callbacks=options.callbacks,
        started=started,
        units=fit_units,
        to_fit=to_fit,
    )
    try:
        outcome = run.run()
    except NotFiniteAtStart:
        outcome = None
    if outcome is None or outcome.reason == "non_finite":
        rows.refuse_non_finite()
        raise InputError("the objective is not finite: take a smaller w0, or smaller numbers in X")
    state = outcome.state
    assert isinstance(state, NewtonState)
    w_fit, b_fit = to_fit(state.w, state.b)
    certificate = _certificate(state, units, fit_units, rows, started)
    sentence = _sentence(outcome, certificate, options.tol, rows.reads)
    said: tuple[Finding, ...] = () if outcome.reason == "converged" else ((NotConvergedWarning, sentence),)
    weight = sum(solver.class_weights) * rows.weight_unit
    return Ending(
        outcome,
        w_fit,
        b_fit,
        fit_units,
        weight,
        sentence,
        () if outcome.reason == "interrupted" else said,
        certificate=certificate,
    )


def _arithmetic_units(rows: DenseRows, centred: bool) -> Units:
    """Columns less about their mean, over a power of two near their deviation: from a few rows, spread over the data."""
    part = rows if rows.n_rows <= 4 * GUESS_ROWS else rows.take(spread_rows(rows.n_rows, GUESS_ROWS))
    moments = part.moments(correlations=False)
    size = np.where(moments.sd > 0, moments.sd, np.maximum(np.abs(moments.low), np.abs(moments.high)))
    scale = 1.0 / power_of_two(np.where(size > 0, size, 1.0))
    return Units(moments.mean if centred else np.zeros(rows.n_features), scale)


def _class_weights(rows: DenseRows, ones: int) -> tuple[float, float]:
    if rows.s is None:
        return float(rows.n_rows - ones), float(ones)
    return math.fsum(rows.s[rows.y == 0]), math.fsum(rows.s[rows.y == 1])


def _certificate(state: NewtonState, units: Units, fit_units: Units, rows: DenseRows, started: float) -> Certificate:
    """Put what is proven into the user's units, with the rounding of the way there."""
    n, on = rows.n_features, state.on
    w, b = units.to_user(state.w, state.b)
    objective, seconds = state.evaluation.objective, time.perf_counter() - started
    proven = state.bound
    if proven is None or not proven.proven:
        return Certificate(
            kind="none",
            gap=math.inf,
            lower=0.0 if proven is None else proven.lower,
            coef=np.full(n, np.inf),
            intercept=math.inf,
            digits=np.zeros(n, dtype=np.int64),
            r=math.inf if proven is None else proven.r,
            noise=math.inf,
            hessian_rows="",
            reads=rows.reads,
            seconds=seconds,
            objective=objective,
            optimum_at_least=-math.inf,
            reason="columns are collinear"
            if proven is None
            else "too far from an optimum, or the classes are separated",
        )
    here = _after_rounding(state, proven, units, w)
    own = slice(None) if on.fit_intercept else slice(None, -1)
    line = np.append(-units.center / units.scale, 1.0)[own]
    spread = math.sqrt(float(state.reference.proof.leverages(line[np.newaxis])[0])) if on.fit_intercept else 0.0
    rounding = UNIT * (abs(b) + float(np.abs(units.center) @ np.abs(w)) * (n + 2))
    coef = here.coef[:n] / units.scale
    noise_of_F = objective_rounding(
        loss=state.evaluation.loss,
        d=sum_depth(rows.n_rows),
        r_rms=1.0,
        M=np.sqrt(np.append(_squares(state), 1.0)),
        w=state.w,
        b=state.b,
        ridge=on.ridge,
    )
    share = 1.0 if state.reference.z is None else len(state.reference.z) / rows.n_rows
    return Certificate(
        kind="bound",
        gap=here.gap,
        lower=here.lower,
        coef=coef,
        intercept=here.radius * spread + rounding if on.fit_intercept else 0.0,
        digits=digits_of(w, coef),
        r=here.r,
        noise=here.noise,
        hessian_rows="all rows" if share == 1.0 else f"{100 * share:.3g} % of the rows",
        reads=rows.reads,
        seconds=seconds,
        objective=objective,
        optimum_at_least=objective - here.gap - noise_of_F,
    )


def _squares(state: NewtonState) -> Vector:
    assert state.squares is not None
    return state.squares


def _after_rounding(state: NewtonState, proven: Bound, units: Units, w: Vector) -> Bound:
    """Say what is proven of w and b as they are given: each rounded on the way to the user's units."""
    on = state.on
    n = on.n_features
    M = np.sqrt(np.append(_squares(state), 1.0))
    shift = np.append(
        4.0 * UNIT * np.abs(state.w), UNIT * (abs(state.b) + (n + 2) * float(np.abs(units.center) @ np.abs(w)))
    )
    e = gradient_rounding(M=M, d=sum_depth(on.n_rows), r_rms=1.0, w=state.w, b=state.b, ridge=on.ridge)
    gradient = state.evaluation.gradient
    if not on.fit_intercept:
        M, shift, e, gradient = M[:-1], shift[:-1], e[:-1], gradient[:-1]
        M, shift, e, gradient = (np.append(v, 0.0) for v in (M, shift, e, gradient))
    return moved(proven, shift, gradient=gradient, e=e, M=M, ridge=on.ridge)


def _sentence(outcome: Outcome, certificate: Certificate, tol: float, reads: float) -> str:
    said = certificate.sentence.rstrip(".")
    run = f"{outcome.n_epochs} steps and {reads:.1f} reads of the data"
    if outcome.reason == "converged":
        return f"converged after {run}: {said}"
    if outcome.reason == "interrupted":
        return f"interrupted after {run}: {said}"
    return f"stopped after {run}, before a bound of tol {tol:.2g}: {said}"
