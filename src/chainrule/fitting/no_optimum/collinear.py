"""Collinear columns: the point of least norm, or of least penalty, and what is proven of it."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from chainrule.certificate import Bound, Certificate, Factor, bound
from chainrule.certificate.bounds import kappa_upper
from chainrule.certificate.rounding import UNIT, reach_bound, z_rounding
from chainrule.data.rows import Moments, Rows, Units
from chainrule.diagnosis.collinearity import Collinearity, Relation, find_relations, least_norm
from chainrule.findings import Finding
from chainrule.fitting.problem import Ending
from chainrule.fitting.task import Task, after_rounding, certified, ended, warnings_of
from chainrule.solvers import NewtonState, Outcome
from chainrule.solvers.proof import error_of_gradient

Vector = NDArray[np.float64]
Index = NDArray[np.int64]
Found = tuple[NewtonState, Bound, Vector, float, Vector]  # state, bound, w and b in the fit's units, w in the user's

NEARLY = (1e-11, 1e-9)  # shares of a column's variance that the others leave open
LEAST_PENALTY_STEPS = 8
QUICK = 0.4  # a decrement's fall that tells Newton's convergence from separated classes'
MORE_STEPS = 6  # after a run that ended before anything could be proven


def to_least_penalty(
    task: Task, outcome: Outcome, state: NewtonState, data: Rows, collinear: Collinearity
) -> tuple[Outcome, NewtonState]:
    """Go where the penalty is least along the relations: too small a curvature for Newton's steps to see beside the loss's.

    Along a relation the loss stays; the point of least penalty there, and a Newton step in the other directions, in turn.
    """
    if not collinear.n_relations:
        return outcome, state
    units, fit_intercept, moments = task.units, task.problem.options.fit_intercept, data.moments(correlations=False)
    scale = np.where(moments.sd > 0, moments.sd, 1.0)
    along = collinear.null_basis / scale[:, np.newaxis]  # in the user's w
    root = np.sqrt(task.objective.ridge)[:, np.newaxis]
    best = state
    w, b = state.w, state.b
    for _ in range(LEAST_PENALTY_STEPS):
        t = np.linalg.lstsq(root * along * units.scale[:, np.newaxis], -root[:, 0] * w, rcond=None)[0]
        change = along @ t
        w = w + change * units.scale
        if fit_intercept:
            b -= float((moments.mean - units.center) @ change)
        state = task.at(w, b)
        if not state.evaluation.finite:
            break
        state = replace(state, bound=bound_with_penalty(task, state, collinear))
        best = state if state.gap < best.gap or best.z is None else best
        if best.gap <= task.problem.options.tol or not state.reference.steps.factored:
            break
        step = state.reference.direction(state.on, state.evaluation)
        w, b = state.w + step[:-1], state.b + float(step[-1])
    outcome = replace(outcome, state=best)
    return (replace(outcome, reason="converged") if best.reached(task.problem.options.tol) else unproven(outcome)), best


def unproven(outcome: Outcome) -> Outcome:
    """Say that a run ended without a proof of tol; that it reached its limit says more."""
    return outcome if outcome.reason == "max_reads" else replace(outcome, reason="unproven")


def proven_after_all(task: Task, outcome: Outcome, state: NewtonState, collinear: Collinearity) -> Ending | None:
    """Give the ending of a point with a penalty, where it is proven after all."""
    rows, tol = task.problem.rows, task.problem.options.tol
    if state.bound is None or not state.bound.proven:
        return None
    state, w_fit, b_fit = task.returned(state.w, state.b)
    state = replace(state, bound=bound_with_penalty(task, state, collinear))
    if state.bound is None or not state.bound.proven:
        return None
    certificate = certified(state, task.units, rows, task.started, as_returned=True)
    outcome = replace(outcome, state=state)
    is_near = certificate.gap <= max(tol, 4.0 * certificate.noise)
    outcome = replace(outcome, reason="converged") if is_near else unproven(outcome)
    how = ended(outcome, certificate, tol, rows.reads, state)
    return Ending(outcome, w_fit, b_fit, task.fit_units, task.sum_weights, how, warnings_of(how), certificate)


def bound_with_penalty(task: Task, state: NewtonState, collinear: Collinearity) -> Bound | None:
    """Bound F - F* where columns are collinear, exactly, and a penalty smaller than rounding alone makes the optimum unique.

    Every d is a + V t: a of the pivots (and b), V the relations, along which the loss stays. With p = R w, eps = V'p and
    G = V'R V the penalty P satisfies P(w + a + V t) >= P(w) + (p - R V G^-1 eps).a - eps'G^-1 eps/2 for all t, so that F - F*
    is at most the last term and what the loss's own curvature over the pivots bounds. |w_j - w*_j| <= (2 (F - F*)/R_j)^(1/2).
    """
    other = state.with_bound().bound
    if not collinear.exact or not collinear.n_relations or state.reference.z is not None:
        return other
    on, n, R = state.on, state.on.n_features, state.on.ridge
    basis = _apart(collinear, np.sqrt(R) * task.units.scale)
    if basis is None:
        return other
    V = basis * task.units.scale[:, np.newaxis]
    size = np.sqrt(np.square(V).T @ R)  # of the relations, by the penalty
    if not (R.min() > 0.0 and np.isfinite(size).all() and size.min() > 0.0):
        return other
    V = V / size
    G = (V.T * R) @ V
    least = float(np.linalg.eigvalsh(G)[0]) - 8.0 * UNIT * (n + len(G)) * len(G)
    if not least > 1e-6:
        return other
    p = R * state.w
    eps = np.abs(V.T @ p) + 2.0 * UNIT * (n + 4) * (np.abs(V).T @ np.abs(p))
    along = float(np.sqrt(eps @ eps)) / least * (1.0 + 1e-9)
    bent = np.append(R * np.sqrt(np.square(V).sum(axis=1)) * along, 0.0)
    loss = bound_without(state, np.sort(collinear.pivots), more=bent, less=R)
    gap = (loss.gap + 0.5 * along * float(np.sqrt(eps @ eps))) * (1.0 + 1e-9)
    if not gap < (math.inf if other is None else other.gap):
        return other
    coef = np.append(np.sqrt(2.0 * gap / R) * (1.0 + 1e-9), math.inf)
    coef = coef if on.fit_intercept else coef[:-1]
    return replace(loss, gap=gap, lower=0.0, coef=coef, radius=math.inf)


def _apart(collinear: Collinearity, size: Vector) -> Vector | None:
    """Give the relations (n, k) such that each has a column of its own, the one that weighs most in it by `size` (n,).

    By elimination in whole fractions, so that they stay exact; None where float64 doesn't hold them.
    """
    rows = [
        {j: Fraction(c) for j, c in zip(relation.indices, relation.coefficients, strict=True)}
        for relation in collinear.relations
    ]
    for k in range(len(rows)):
        i, j = max(
            ((i, j) for i in range(k, len(rows)) for j in rows[i]),
            key=lambda ij: abs(rows[ij[0]][ij[1]]) * Fraction(float(size[ij[1]])),
        )
        rows[k], rows[i] = rows[i], rows[k]
        for other in (*rows[:k], *rows[k + 1 :]):
            factor = other.get(j, Fraction(0)) / rows[k][j]
            for column, c in rows[k].items() if factor else ():
                other[column] = other.get(column, Fraction(0)) - factor * c
                if not other[column]:
                    del other[column]
    V = np.zeros((len(size), len(rows)))
    for k, row in enumerate(rows):
        whole = math.lcm(*(c.denominator for c in row.values()))
        for j, c in row.items():
            V[j, k] = float(c * whole)
            if Fraction(V[j, k]) != c * whole:
                return None
    return V


def nearly_reduced(task: Task, outcome: Outcome, state: NewtonState, data: Rows) -> Ending | None:
    """Certify the model without columns that nearly repeat others, where rounding hides the curvature along them."""
    for tolerance in NEARLY:
        near = find_relations(data, fit_intercept=task.problem.options.fit_intercept, tolerance=tolerance)
        ending = reduced(task, outcome, state, data, near) if near.n_relations else None
        if ending is not None:
            return ending
    return None


def reduced(task: Task, outcome: Outcome, state: NewtonState, data: Rows, collinear: Collinearity) -> Ending | None:
    """Certify the model of the pivot columns, and spread the weights over all: None where that is not proven either."""
    rows, options, pivots = task.problem.rows, task.problem.options, np.sort(collinear.pivots)
    point = _point(task, state, data.moments(correlations=False), collinear)
    if point is None:
        return None
    (state, proven, w_fit, b_fit, _), holds, is_least = point
    noise_of_F = state.noise
    converged = proven.gap <= max(options.tol, 4.0 * proven.noise)
    is_rough = not collinear.exact and not (holds and converged)
    low = max(0.0, state.evaluation.objective - proven.gap - noise_of_F)
    certificate = Certificate(
        kind="reduced",
        gap=proven.gap,
        lower=proven.lower,
        coef=np.full(rows.n_features, np.inf),
        intercept=math.inf,
        digits=np.zeros(rows.n_features, dtype=np.int64),
        r=proven.r,
        noise=proven.noise,
        hessian_rows="all rows",
        reads=rows.reads,
        seconds=time.perf_counter() - task.started,
        objective=state.evaluation.objective,
        optimum_at_least=low,
        reason=collinear.sentence,
        # What holds up to rounding alone is no relation: all columns may do better.
        infimum_at_least=low if collinear.exact else 0.0,
        infimum_gap=proven.gap if collinear.exact else state.evaluation.objective + noise_of_F + proven.gap,
    )
    outcome = replace(outcome, state=state)
    outcome = replace(outcome, reason="converged") if converged else unproven(outcome)
    how = ended(outcome, certificate, options.tol, rows.reads, state)
    said = (collinear_columns(collinear, is_short=is_least and not is_rough), *warnings_of(how))
    return Ending(
        outcome,
        w_fit,
        b_fit,
        task.fit_units,
        task.sum_weights,
        how,
        said,
        certificate,
        # Where a relation holds too roughly for that, the model without its columns is to be fitted by itself.
        pivots=pivots if collinear.exact or is_rough else None,
        # One column that doesn't vary stands for a model without columns: it has no smaller one.
        is_inexact=is_rough and rows.n_features > 1,
    )


def by_pivots(ending: Ending, collinear: Collinearity) -> Ending:
    """Leave it to the model of the pivots, fitted by itself, where the run with all columns ended too far from any bound."""
    said = (collinear_columns(collinear, is_short=False),)
    certificate = replace(ending.certificate, reason=collinear.sentence)
    return replace(ending, certificate=certificate, said=said, pivots=np.sort(collinear.pivots), is_inexact=True)


def _point(
    task: Task, state: NewtonState, moments: Moments, collinear: Collinearity
) -> tuple[Found, bool, bool] | None:
    """Choose the point to return; whether all relations hold there; and whether it is that of least norm along them."""
    options, holds = task.problem.options, collinear.holds
    found = _returned(task, state, moments, collinear, shorten=holds)
    if found is None and holds and not collinear.exact:
        # The relations hold up to rounding, and so much is too much here: the model without their columns.
        holds, found = False, _returned(task, state, moments, collinear, shorten=False)
    if found is None or not holds:
        return None if found is None else (found, False, False)
    # Along an exact relation F stays as it is; else it is of the model without the other columns, where they are 0.
    here, proven = found[0], found[1]
    way = options.loss.steepest * _inexactness(collinear, moments, options.fit_intercept, found[4])
    if proven.gap + way > max(options.tol, 4.0 * proven.noise):
        fewer = _without(task, here, collinear)
        if fewer is not None and fewer[1].gap <= max(options.tol, 4.0 * fewer[1].noise):
            return fewer, True, False
    proven = replace(proven, gap=proven.gap + way, lower=max(0.0, proven.lower - way))
    return (here, proven, *found[2:]), True, True


def _without(task: Task, state: NewtonState, collinear: Collinearity) -> Found | None:
    """Go along inexact relations to where the columns that others make up have no weight, as `_certifiable` gives it: a read.

    All but rounding of z stays, and what is proven there is of the model of the pivots itself.
    """
    if collinear.exact:
        return None
    units, n = task.units, len(state.w)
    dropped = np.setdiff1d(np.arange(n), collinear.pivots)
    V, constant = np.zeros((len(collinear.relations), n)), np.zeros(len(collinear.relations))
    for r, relation in enumerate(collinear.relations):
        V[r, list(relation.indices)], constant[r] = relation.coefficients, relation.constant
    w = state.w / units.scale
    try:
        t = np.linalg.solve(V[:, dropped].T, w[dropped])
    except np.linalg.LinAlgError:
        return None
    fewer = w - t @ V
    fewer[dropped] = 0.0
    b = state.b + float(t @ constant) - float(units.center @ (w - fewer))
    if not (np.isfinite(fewer).all() and math.isfinite(b)):
        return None
    state, w_fit, b_fit = task.returned(fewer * units.scale, b)
    proven = bound_without(state, np.sort(collinear.pivots))
    w_user = state.w / units.scale
    return (state, after_rounding(state, proven, None, w_user), w_fit, b_fit, w_user) if proven.proven else None


def _returned(
    task: Task, state: NewtonState, moments: Moments, collinear: Collinearity, *, shorten: bool
) -> Found | None:
    """Find the point to return, of least norm along the relations where asked for, as `_certifiable` gives it.

    So large a tol may have ended the run before anything can be proven: a few steps more.
    """
    for _ in range(1 if state.is_separating else MORE_STEPS):
        w, b = _shorter(task, state, moments, collinear) if shorten else (state.w, state.b)
        found = _certifiable(task, state, moments, w, b, collinear)
        if found is not None:
            return found
        state = state if state.z is not None and state.reference.z is None else task.at(state.w, state.b)
        step, nu = state.reference.direction(state.on, state.evaluation), state.nu
        state = task.at(state.w + step[:-1], state.b + float(step[-1]))
        if state.is_separating or not state.nu < QUICK * nu:
            break
    return None


def _shorter(task: Task, state: NewtonState, moments: Moments, collinear: Collinearity) -> tuple[Vector, float]:
    """Give the point of least norm with the state's predictions, in the arithmetic's units."""
    units, fit_intercept = task.units, task.problem.options.fit_intercept
    shorter, b = least_norm(
        state.w / units.scale, state.b, moments, collinear.null_basis, about=units.center, fit_intercept=fit_intercept
    )
    return shorter * units.scale, b


def _certifiable(
    task: Task, state: NewtonState, moments: Moments, w: Vector, b: float, collinear: Collinearity
) -> Found | None:
    """Bound F - F* of the model of the pivots at (w, b), rounded to the user's units: (state, bound, w_fit, b_fit, w there).

    From the state, where (w, b) is as good; else with a read. None where nothing is proven.
    """
    proven = _beside(task, state, moments, w, b, collinear)
    if proven is not None:
        return state, proven, *task.to_fit(w, b), w / task.units.scale
    state, w_fit, b_fit = task.returned(w, b)
    proven, w_user = bound_without(state, np.sort(collinear.pivots)), state.w / task.units.scale
    if not proven.proven:
        return None
    return state, after_rounding(state, proven, None, w_user), w_fit, b_fit, w_user


def _beside(
    task: Task, state: NewtonState, moments: Moments, w: Vector, b: float, collinear: Collinearity
) -> Bound | None:
    """Bound F - F* at (w, b), whose z are nearly those of the state, without a read; None where that says too little.

    F(theta + d) - F(theta) <= (grad + e).d + (B2/2) mean (x~.d)^2. With d = V t + e, V the relations with the residuals r and
    the constants k, the root mean square of x~.d is at most |t|.r + |k.t + d_b| + M.|e|.
    """
    if state.reference.z is not None or state.z is None or state.squares is None:
        return None
    on, units, fit_intercept = state.on, task.units, task.problem.options.fit_intercept
    at_state = bound_without(state, np.sort(collinear.pivots))
    if not at_state.proven:
        return None
    d, d_b, n = w - state.w, b - state.b, len(w)
    M = np.sqrt(np.append(state.squares, 1.0))
    moved = np.abs(w) + np.abs(state.w)
    reach = _reach(collinear, moments, units, d, d_b, M[:-1], fit_intercept) + (n + 64) * UNIT * float(M[:-1] @ moved)
    e = error_of_gradient(on, on.loss.steepest, state.squares, state.theta)
    way = np.append(d, d_b)
    slope = abs(float(state.evaluation.gradient @ way)) + float(
        (e + UNIT * np.abs(state.evaluation.gradient)) @ np.abs(way)
    )
    bend = 0.5 * on.loss.curvature * reach * reach
    here = replace(
        at_state,
        gap=(at_state.gap + slope + bend) * (1.0 + 1e-9),
        lower=max(0.0, at_state.lower - slope * (1.0 + 1e-9)),
        noise=at_state.noise + bend,
    )
    larger = replace(state, theta=np.maximum(np.abs(state.theta), np.abs(np.append(w, b))))
    here = after_rounding(larger, here, units, np.maximum(np.abs(state.w), np.abs(w)) / units.scale)
    return here if here.gap <= max(task.problem.options.tol, 2.0 * at_state.gap) else None


def _reach(
    collinear: Collinearity, moments: Moments, units: Units, d: Vector, d_b: float, M: Vector, centred: bool
) -> float:
    """Bound the root mean square of x~.d over the rows, d (n,) and d_b in the arithmetic's units, by the columns' relations."""
    if not collinear.holds:
        return float(M @ np.abs(d)) + abs(d_b)
    k, n = len(collinear.relations), len(d)
    V, constant = np.zeros((n, k)), np.zeros(k)
    residual = np.array([_residual(relation, moments, centred) for relation in collinear.relations])
    magnitude = np.zeros(k)
    for r, relation in enumerate(collinear.relations):
        at, c = list(relation.indices), np.array(relation.coefficients)
        V[at, r] = c * units.scale[at]
        constant[r] = relation.constant - float(units.center[at] @ c)
        magnitude[r] = abs(relation.constant) + float(np.abs(units.center[at]) @ np.abs(c))
    weight = np.where(M > 0.0, M, 1.0)[:, np.newaxis]
    size = np.abs(V * weight).max(axis=0)  # whose squares might vanish, or overflow
    if not (np.isfinite(size).all() and size.min() > 0.0):
        return float(M @ np.abs(d)) + abs(d_b)
    with np.errstate(over="ignore"):
        t = np.linalg.lstsq(V * weight / size, d * weight[:, 0], rcond=None)[0] / size
    left = np.abs(d - V @ t) + 2.0 * (k + 4) * UNIT * (np.abs(d) + np.abs(V) @ np.abs(t))
    offset = abs(float(constant @ t) + d_b) + 2.0 * (n + k + 8) * UNIT * (float(magnitude @ np.abs(t)) + abs(d_b))
    reach = float(np.abs(t) @ residual) + offset + float(M @ left)
    return reach if math.isfinite(reach) else math.inf


def _residual(relation: Relation, moments: Moments, centred: bool) -> float:
    """Bound |x.v - constant| over all rows, in exact arithmetic."""
    if relation.exact:
        return 0.0
    at, c = list(relation.indices), np.array(relation.coefficients)
    size = np.maximum(np.abs(moments.low[at]), np.abs(moments.high[at]))
    unit = moments.sd[at[-1]] if centred else np.hypot(moments.sd[at[-1]], moments.mean[at[-1]])  # of the deviation
    rounding = 2.0 * (len(at) + 2) * UNIT * (float(np.abs(c) @ size) + abs(relation.constant))
    return float(relation.deviation * abs(c[-1]) * unit * (1.0 + 1e-9) + rounding)


def _inexactness(collinear: Collinearity, moments: Moments, centred: bool, change: Vector) -> float:
    """Bound how far the mean |z| moves as the weights of columns that others make up go from `change` (n,) to 0.

    They go along the relations: along relation r, z changes by t_r times its residual.
    """
    if collinear.exact:
        return 0.0
    if collinear.n_relations != len(collinear.relations):
        return math.inf
    dropped = {j: k for k, j in enumerate(np.setdiff1d(np.arange(len(change)), collinear.pivots).tolist())}
    V, residual = np.zeros((len(dropped), len(dropped))), np.zeros(len(dropped))
    for r, relation in enumerate(collinear.relations):
        for j, value in zip(relation.indices, relation.coefficients, strict=True):
            if j in dropped:
                V[r, dropped[j]] = value
        residual[r] = _residual(relation, moments, centred)
    try:
        t = np.linalg.solve(V.T, change[list(dropped)])
    except np.linalg.LinAlgError:
        return math.inf
    return float(np.abs(t) @ residual) * (1.0 + 1e-9)


def bound_without(
    state: NewtonState, pivots: Index, *, more: Vector | None = None, less: Vector | None = None
) -> Bound:
    """Bound F - F* of the model of the pivot columns, (k,) ascending, at a point of all columns.

    The others must be exact combinations of them: else F* is that of the others' weights as they are. The state has a
    Hessian of all rows, made there or near: no read. more (n + 1,): of the gradient, not known. less (n,): taken off the
    Hessian's diagonal.
    """
    on, reference, evaluation = state.on, state.reference, state.evaluation
    assert reference.z is None
    assert state.squares is not None
    n, D = on.n_features, reference.proof.D
    kept = np.append(pivots, n) if on.fit_intercept else pivots
    if not len(kept):  # no column tells anything: F is what it is
        return Bound(0.0, 0.0, 0.0, np.zeros(0), 0.0, 0.0, 0.0)
    B, eta = reference.proof.matrix, reference.proof.eta
    if less is not None:
        own = np.diag_indices(n)
        left = B[own] - less
        eta *= float(np.max(B[own] / np.where(left > 0.0, left, 1e-300), initial=1.0)) + 4.0 * UNIT
        B[own] = left
    factor = Factor.of(B[np.ix_(kept, kept)], eta)
    theta = state.theta[: len(D)]
    zetas = [on.loss.bend * z_rounding(n, reach_bound(reference.norm, D, at)) for at in (theta, reference.theta)]
    delta = 0.0
    if not reference.is_of_all(state.theta):
        assert state.z is not None
        assert reference.z_of_all is not None
        change = np.abs(state.z - reference.z_of_all)
        delta = on.loss.bend * float(change.max(where=on.rows.is_kept, initial=0.0)) + sum(zetas)
    e = error_of_gradient(on, on.rms_residual(evaluation.loss), state.squares, state.theta)
    if more is not None:
        e = e + more
    norm = reference.norm * float(np.square(D[kept] * factor.inverse_D).max()) * (1.0 + 1e-12)
    kappa = on.loss.bend * kappa_upper(factor, norm)
    gradient = evaluation.gradient[kept]
    return bound(factor, gradient, e[kept], kappa=kappa, delta=delta, zeta=max(zetas), all_rows=True)


def collinear_columns(found: Collinearity, *, is_short: bool) -> Finding:
    """Say what collinear columns mean; is_short: whether the weights of least norm are returned."""
    which = "those of least norm" if is_short else "those without the columns so made up"
    values = {"is_exact": found.exact, "relations": found.sentence, "which": f"{which} are returned"}
    return Finding("collinear", values)
