"""Newton's method on a problem: choose units, run, certify the point that is returned."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from chainrule.data.rows.levels import find_limit
from chainrule.data.rows.moments import guess_units
from chainrule.diagnosis.counted import counted_relations
from chainrule.diagnosis.separation import Separation
from chainrule.findings import Finding
from chainrule.fitting.degenerate import ridge_by_newton, unproven, without_optimum
from chainrule.fitting.limits import at_limit, separation_of
from chainrule.fitting.problem import Ending, Problem, refuse_beyond_float64
from chainrule.fitting.returned import certified
from chainrule.fitting.task import Task

PLANE_NUMBERS = 5_000_000  # in the rows on a separating plane; with more, those rows are not fitted


def optimize(problem: Problem) -> Ending:
    """Run Newton on growing samples, then on all rows, until F - F* is proven to be at most `tol`.

    If nothing is proven, find out why, and return a well-defined point. Without a penalty, levels of one class are found
    first, and the fit is that of the other levels' rows.
    """
    if problem.penalty.bends or problem.rows.design.numeric.all():
        return _optimize(problem)
    problem = problem.standardized()
    limit = find_limit(problem.rows, fit_intercept=problem.options.fit_intercept)
    if limit is None:
        return _optimize(problem)
    if not limit.is_complete:
        return at_limit(problem, limit, _optimize)
    if len(limit.left) and not problem.options.fit_intercept:
        return _optimize(problem)
    return ridge_by_newton(prepare(problem), separation_of(limit, problem.class_names))


def _optimize(problem: Problem, known: Finding | None = None) -> Ending:
    """Run Newton. known : as in `without_optimum`."""
    task = prepare(problem)
    rows, options = task.problem.rows, task.problem.options
    redundant = {} if problem.penalty.bends else counted_relations(rows, fit_intercept=options.fit_intercept)
    pivots = np.delete(np.arange(rows.n_features), list(redundant)) if redundant else None
    outcome, state = task.newton(task.penalty, pivots=pivots)
    is_early = outcome.reason not in ("converged", "max_reads")
    if is_early and pivots is not None:
        state = replace(state, bound=None)  # it is about the pivots' weights alone
    proven = pivots is None and state.bound is not None and state.bound.proven
    if proven and not state.factored.proof.ok and state.gap > options.tol and outcome.reason == "converged":
        proven = False  # proven by the penalty alone, too loosely
    if proven or is_early:
        point = task.all_to_fit(state.theta)
        certificate = certified(state, task.to_user(point))
        if state.bound is not None and certificate.gap > max(options.tol, 2.0 * state.bound.gap):
            # rounding to the user's units costs more than tol: certify exactly the returned point
            refuse_beyond_float64(task.to_user(point).w, rows.feature_names)
            state, point = task.returned(state.theta)
            state = state.with_bound()
            certificate = certified(state, task.to_user(point))
        return task.ending(outcome, state, certificate, point)
    if known is None and not problem.penalty.bends and rows.design.numeric.all():
        problem = problem.standardized()
        limit = find_limit(problem.rows, fit_intercept=options.fit_intercept)
        if limit is not None and not limit.is_complete:
            return at_limit(problem, limit, _optimize)
    try:
        ending = without_optimum(task, outcome, state, known)
        if ending.certificate.kind == "none" and state.is_separating:
            # The classes only looked separated, by rounding: continue, and look again when no step helps.
            ending = without_optimum(task, *task.newton(task.penalty, patient=True))
        return _with_infimum(task, ending)
    except KeyboardInterrupt:
        return unproven(task, replace(outcome, reason="interrupted"), state, Finding("not looked for"))


def prepare(problem: Problem) -> Task:
    """Choose the units of Newton's arithmetic, and put the problem's rows into them."""
    there = problem.standardized().rows
    units = guess_units(there, problem.options.fit_intercept)
    return Task(replace(problem, rows=there.see(units)), units, there.units)


def _with_infimum(task: Task, ending: Ending) -> Ending:
    """Raise the lower bound on inf F for separated classes.

    Rows off the separating plane have a loss of at least 0, and rows on it at least the minimum of a fit of them alone:
    inf F >= (their weight / S) times that minimum.
    """
    problem, certificate = task.problem, ending.certificate
    if not isinstance(ending.diagnosed, Separation):
        return ending
    rows, places = problem.rows, ending.diagnosed.rows_on_plane
    if not len(places) or len(places) * rows.n_features > PLANE_NUMBERS or len(set(rows.y[places])) < 2:
        return ending
    part = rows.take(places).as_given()
    options = replace(problem.options, callbacks=(), max_reads=None)
    start = (np.zeros(rows.n_features), 0.0)
    on_plane = replace(problem, rows=part, options=options, columns=np.zeros_like(problem.columns), start=start)
    share = part.sum_weights / rows.sum_weights * (1.0 - 1e-12)
    found = optimize(on_plane)
    low = share * found.certificate.infimum_at_least  # 0 if proven only for fewer columns
    gap = certificate.infimum_gap - low
    return replace(ending, certificate=replace(certificate, infimum_at_least=low, infimum_gap=gap))
