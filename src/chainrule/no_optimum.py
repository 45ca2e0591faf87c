"""What is returned, and said, where the objective asked for has no single optimum."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from chainrule.certificate import Bound, Certificate, Factor, bound
from chainrule.certificate.bounds import kappa_upper
from chainrule.certificate.rounding import UNIT, gradient_rounding, reach_bound, z_rounding
from chainrule.certificate.statement import digits_of
from chainrule.diagnosis.collinearity import Collinearity, find_relations, least_norm
from chainrule.diagnosis.separation import Separation, find_separation
from chainrule.errors import CollinearityWarning, NotConvergedWarning, SeparationWarning
from chainrule.problem import Ending
from chainrule.rows import DenseRows, Moments
from chainrule.solvers import NewtonState, Outcome
from chainrule.solvers.proof import depth_of
from chainrule.task import TOO_FAR, Task, after_rounding, certified, noise_of_state, nothing_proven, told
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
    w, b = state.w, state.b
    w_user, b_user = task.units.to_user(w, b)
    holds = collinear.exact or all(relation.up_to_rounding or relation.exact for relation in collinear.relations)
    if holds:
        # Along an exact relation F stays as it is: what is proven of the point is proven of the one of least norm.
        moments = data.moments()
        w_short, b_short = least_norm(w_user, b_user, moments, collinear.null_basis)
        # To the model without the other columns, and to the point of least norm.
        centred = options.fit_intercept
        way = sum(_inexactness(collinear, moments, centred, change) for change in (w_user, w_short - w_user))
        w_user, b_user = w_short, b_short
        w, b = task.units.to_fit(w_user, b_user)
        proven = after_rounding(_largest(state, w, b), proven, task.units, w_user)
        proven = replace(proven, gap=proven.gap + way, lower=max(0.0, proven.lower - way))
    is_rough = not collinear.exact and not (holds and proven.gap <= max(options.tol, 4.0 * proven.noise))
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
        # What holds up to rounding alone is no relation: all columns may do better.
        infimum_at_least=max(0.0, low) if collinear.exact else 0.0,
        infimum_gap=proven.gap if collinear.exact else state.evaluation.objective + noise_of_state(state),
    )
    outcome = replace(outcome, reason="converged" if converged else "max_reads")
    sentence = told(outcome, state, certificate, options.tol, rows.reads)
    said: tuple[Finding, ...] = ((CollinearityWarning, collinear_columns(collinear)),)
    if not converged:
        said = (*said, (NotConvergedWarning, sentence))
    ending = task.ending(outcome, w, b, certificate, sentence, said)
    # Where a relation holds too roughly for that, the model without its columns is to be fitted by itself.
    return replace(ending, pivots=pivots if collinear.exact or is_rough else None, is_inexact=is_rough)


def _inexactness(collinear: Collinearity, moments: Moments, centred: bool, change: Vector) -> float:
    """Bound what F changes as the weights of the columns that others make up go from `change` (n,) to 0, along their relations.

    |dl/dz| <= 1, and along relation r, z changes by t_r times its residual.
    """
    if collinear.exact:
        return 0.0
    if collinear.n_relations != len(collinear.relations):
        return math.inf
    dropped = {j: k for k, j in enumerate(np.setdiff1d(np.arange(len(change)), collinear.pivots).tolist())}
    V, residual = np.zeros((len(dropped), len(dropped))), np.zeros(len(dropped))
    size = np.maximum(np.abs(moments.low), np.abs(moments.high))
    unit = moments.sd if centred else np.hypot(moments.sd, moments.mean)  # of the deviations
    for r, relation in enumerate(collinear.relations):
        at, c = list(relation.indices), np.array(relation.coefficients)
        for j, value in zip(at, relation.coefficients, strict=True):
            if j in dropped:
                V[r, dropped[j]] = value
        rounding = 2.0 * (len(at) + 2) * UNIT * (float(np.abs(c) @ size[at]) + abs(relation.constant))
        residual[r] = (
            0.0 if relation.exact else relation.deviation * abs(c[-1]) * unit[at[-1]] * (1.0 + 1e-9) + rounding
        )
    try:
        t = np.linalg.solve(V.T, change[list(dropped)])
    except np.linalg.LinAlgError:
        return math.inf
    return float(np.abs(t) @ residual) * (1.0 + 1e-9)


def _largest(state: NewtonState, w: Vector, b: float) -> NewtonState:
    """Give the state with the larger one of two points' numbers, for the rounding of the way between them."""
    larger = np.maximum(np.abs(state.w), np.abs(w)) * (len(w) + 8)
    return replace(state, w=larger, b=max(abs(state.b), abs(b)) * (len(w) + 8))


def bound_without(state: NewtonState, pivots: NDArray[np.int64]) -> Bound:
    """Bound F - F* of the model of the pivot columns, (k,) ascending, at a point of all columns.

    The others must be exact combinations of them: else F* is that of the others' weights as they are. The state has a
    Hessian of all rows, made there or near: no read.
    """
    on, reference, evaluation = state.on, state.reference, state.evaluation
    assert reference.z is None
    assert state.squares is not None
    n, D = on.n_features, reference.proof.D
    kept = np.append(pivots, n) if on.fit_intercept else pivots
    if not len(kept):  # no column tells anything: F is what it is
        return Bound(0.0, 0.0, 0.0, np.zeros(0), 0.0, 0.0, 0.0)
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
    rough = not all(relation.up_to_rounding or relation.exact for relation in found.relations)
    which = "those without the columns so made up are returned" if rough else "those of least norm are returned"
    return (
        f"the columns are collinear, so that other coefficients are as good: {found.sentence}; {which}; "
        "drop a column of each relation, or use alpha > 0"
    )
