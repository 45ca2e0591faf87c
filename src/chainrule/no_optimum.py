"""What is returned, and said, where the objective asked for has no single optimum."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from chainrule.certificate import Bound, Certificate, Factor, bound
from chainrule.certificate.bounds import kappa_upper
from chainrule.certificate.rounding import gradient_rounding, reach_bound, z_rounding
from chainrule.certificate.statement import digits_of
from chainrule.diagnosis.collinearity import Collinearity, find_relations, least_norm
from chainrule.diagnosis.separation import Separation, find_separation
from chainrule.errors import CollinearityWarning, NotConvergedWarning, SeparationWarning
from chainrule.problem import Ending
from chainrule.rows import DenseRows
from chainrule.solvers import NewtonState, Outcome
from chainrule.solvers.proof import depth_of
from chainrule.task import TOO_FAR, Task, certified, noise_of_state, nothing_proven, told
from chainrule.verdict import Finding

Vector = NDArray[np.float64]

NEARLY = (1e-11, 1e-9)  # shares of a column's variance that the others leave open
SEPARATED_RIDGE = 1e-8  # on standardised columns: the documented ridge of separated data


def without_optimum(task: Task, outcome: Outcome, state: NewtonState) -> Ending:
    """Find out why nothing is proven, and return what is well-defined.

    Collinear columns: the solution of least norm in the standardised columns, certified for the model without the columns
    that the others make up. Separated classes: the optimum under a ridge of 1e-8 on the standardised columns, certified
    for that objective. Else what the run came to, with no bound.
    """
    rows, options = task.problem.rows, task.problem.options
    data = rows.as_given()
    collinear = find_relations(data, fit_intercept=options.fit_intercept)
    ending = _reduced(task, outcome, state, data, collinear) if collinear.n_relations else None
    if ending is None and not state.reference.proof.ok:
        ending = _nearly_reduced(task, outcome, state, data)
    if ending is not None:
        return ending
    if not options.alpha:
        hint = task.units.to_user(state.w, state.b)
        found = find_separation(data, hint, fit_intercept=options.fit_intercept, collinearity=collinear)
        if found is not None and found.kind != "undecided":
            return _with_ridge(task, data, found, collinear)
    reason = collinear.sentence or _flat_direction(state, rows.feature_names)
    objective = state.evaluation.objective
    certificate = nothing_proven(rows.n_features, objective, rows.reads, time.perf_counter() - task.started, reason)
    stopped = replace(outcome, reason="max_reads")
    sentence = told(stopped, state, certificate, options.tol, rows.reads)
    return task.ending(stopped, state.w, state.b, certificate, sentence, ((NotConvergedWarning, sentence),))


def _nearly_reduced(task: Task, outcome: Outcome, state: NewtonState, data: DenseRows) -> Ending | None:
    """Certify the model without columns that nearly repeat others, where rounding hides the curvature along them."""
    for tolerance in NEARLY:
        near = find_relations(data, fit_intercept=task.problem.options.fit_intercept, tolerance=tolerance)
        ending = _reduced(task, outcome, state, data, near) if near.n_relations else None
        if ending is not None:
            return ending
    return None


def _flat_direction(state: NewtonState, names: tuple[str, ...]) -> str:
    """Say along which columns rounding hides the curvature, if it does."""
    proof, of_sample = state.reference.proof, state.z is None or state.reference.z is not None
    if of_sample or (proof.ok and (state.bound is None or state.nu > state.bound.nu / 2)):
        return TOO_FAR
    vector = np.abs(proof.null_space[1][:, 0])
    columns = np.flatnonzero(vector > 0.01 * vector.max())
    words = [*names, "the intercept"]
    shown = ", ".join(words[j] for j in columns[:6]) + (", ..." if len(columns) > 6 else "")
    return f"rounding hides the curvature along a combination of {shown}: use alpha > 0, or drop a column"


def _reduced(
    task: Task, outcome: Outcome, state: NewtonState, data: DenseRows, collinear: Collinearity
) -> Ending | None:
    """Certify the model of the pivot columns, and spread the weights over all: None where that is not proven either."""
    rows, options = task.problem.rows, task.problem.options
    n = rows.n_features
    pivots = np.sort(collinear.pivots)
    if state.reference.z is not None or state.z is None:
        state = task.at(state.w, state.b)
    proven = bound_without(state, pivots)
    if not proven.proven:
        return None
    moments = data.moments()
    w, b = state.w, state.b
    w_user, b_user = task.units.to_user(w, b)
    if all(relation.up_to_rounding for relation in collinear.relations):
        w_user, b_user = least_norm(w_user, b_user, moments, collinear.null_basis)
        w, b = task.units.to_fit(w_user, b_user)
    low = state.evaluation.objective - proven.gap - noise_of_state(state)
    converged = proven.gap <= max(options.tol, 4.0 * proven.noise)
    certificate = Certificate(
        kind="reduced",
        gap=proven.gap,
        lower=proven.lower,
        coef=np.full(n, np.inf),
        intercept=math.inf,
        digits=digits_of(w_user, np.full(n, np.inf)),
        r=proven.r,
        noise=proven.noise,
        hessian_rows="all rows",
        reads=rows.reads,
        seconds=time.perf_counter() - task.started,
        objective=state.evaluation.objective,
        optimum_at_least=low,
        reason=collinear.sentence,
        infimum_at_least=max(0.0, low),
        infimum_gap=proven.gap,
    )
    outcome = replace(outcome, reason="converged" if converged else "max_reads")
    sentence = told(outcome, state, certificate, options.tol, rows.reads)
    said: tuple[Finding, ...] = ((CollinearityWarning, collinear_columns(collinear)),)
    if not converged:
        said = (*said, (NotConvergedWarning, sentence))
    return replace(task.ending(outcome, w, b, certificate, sentence, said), pivots=pivots)


def bound_without(state: NewtonState, pivots: NDArray[np.int64]) -> Bound:
    """Bound F - F* of the model of the pivot columns, (k,) ascending, at a point of all columns.

    The state has a Hessian of all rows, made there or near: no read.
    """
    on, reference, evaluation = state.on, state.reference, state.evaluation
    assert reference.z is None
    assert state.squares is not None
    n, D = on.n_features, reference.proof.D
    kept = np.append(pivots, n) if on.fit_intercept else pivots
    factor = Factor.of(reference.proof.matrix[np.ix_(kept, kept)], reference.proof.eta)
    theta = np.append(state.w, state.b)[: len(D)]
    zetas = [z_rounding(n, reach_bound(reference.norm, D, at)) for at in (theta, reference.theta)]
    delta = 0.0
    if not reference.is_of_all(state.w, state.b):
        assert state.z is not None
        assert reference.z_of_all is not None
        change = np.abs(state.z - reference.z_of_all)
        delta = float(change.max(where=on.rows.is_kept, initial=0.0)) + sum(zetas)
    M = np.sqrt(np.append(state.squares, 1.0)) * (1.0 + 1e-12)
    r_rms = math.sqrt(min(1.0, evaluation.loss))
    e = gradient_rounding(M=M, d=depth_of(on), r_rms=r_rms, w=state.w, b=state.b, ridge=on.ridge)
    norm = reference.norm * float(np.square(D[kept] * factor.inverse_D).max()) * (1.0 + 1e-12)
    kappa = kappa_upper(factor, norm)
    gradient = evaluation.gradient[kept]
    return bound(factor, gradient, e[kept], kappa=kappa, delta=delta, zeta=max(zetas), all_rows=True)


def _with_ridge(task: Task, data: DenseRows, found: Separation, collinear: Collinearity) -> Ending:
    rows = task.problem.rows
    ridge = SEPARATED_RIDGE * (data.moments(correlations=False).sd / task.units.scale) ** 2
    outcome, state = task.run(np.where(ridge > 0, ridge, SEPARATED_RIDGE))
    certificate = certified(state, task.units, rows, task.started)
    # The loss is at least 0; what it is at least on the plane's rows is found by whoever can fit them.
    infimum_gap = state.evaluation.loss + noise_of_state(state)
    certificate = replace(
        certificate,
        kind="ridge" if certificate.kind == "bound" else certificate.kind,
        reason=found.sentence,
        infimum_at_least=0.0,
        infimum_gap=infimum_gap,
    )
    outcome = replace(outcome, reason="no_optimum" if outcome.reason == "converged" else outcome.reason)
    sentence = f"the objective asked for has no optimum: {found.sentence.rstrip('.')}"
    said: tuple[Finding, ...] = ((SeparationWarning, found.sentence),)
    if collinear.n_relations:
        said = (*said, (CollinearityWarning, f"the columns are collinear as well: {collinear.sentence}"))
    ending = task.ending(outcome, state.w, state.b, certificate, sentence, said)
    return replace(ending, objective=state.evaluation.loss, on_plane=found.rows_on_plane)


def collinear_columns(found: Collinearity) -> str:
    """Say what collinear columns mean, and the way out."""
    return (
        f"the columns are collinear, so that other coefficients are as good: {found.sentence}; those of least norm are "
        "returned; drop a column of each relation, or use alpha > 0"
    )
