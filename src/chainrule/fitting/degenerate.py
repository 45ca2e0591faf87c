"""Fits without a single optimum, or with none that can be proven: what is returned, and why."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.certificate import Bound, Certificate
from chainrule.certificate.rounding import UNIT
from chainrule.diagnosis.collinearity import Collinearity, Point, find_relations
from chainrule.diagnosis.exact import independent
from chainrule.diagnosis.separation import Separation, find_separation, is_long_search
from chainrule.findings import Finding
from chainrule.fitting.problem import Ending
from chainrule.fitting.returned import certified, rounded
from chainrule.fitting.task import Task
from chainrule.objective import DataObjective
from chainrule.penalties import SEPARATED_RIDGE, ridge
from chainrule.solvers import CGState, NewtonState, Outcome

Vector = NDArray[np.float64]
Index = NDArray[np.int64]

NEARLY = (1e-11, 1e-9)  # shares of a column's variance that the other columns don't explain
FAR_OFF = 0.1  # deviations: without an intercept any column far from 0 is near a multiple of others
LEAST_PENALTY_STEPS = 8
STEPS, MOST_STEPS = 10, 30  # for the pivot columns' model; MOST_STEPS if the classes are known to overlap
FEW_STEPS = 3  # after a run that reached its limit
LINEAR = 0.2  # of the fall of F from step to step: 1/e if the classes are separated, much less near an optimum
LEAST_PART = 1e-3  # of a step
FEW_NUMBERS = 300_000  # in X, up to which every row's leverage is computed where a bound of them all proves nothing


def without_optimum(task: Task, outcome: Outcome, state: NewtonState, known: Finding | None = None) -> Ending:
    """Find out why nothing is proven, and return a well-defined point.

    With a penalty: the point of least penalty along the columns' relations. Without a penalty, for collinear columns: the
    solution of least norm in standardised columns, certified for the model without the redundant columns. For separated
    classes: the optimum under `SEPARATED_RIDGE`, certified for that objective. Otherwise the run's last point.

    known : why a larger problem, of which this is a part, has no optimum. Then the last is the optimum under the ridge. If a
    search for a plane would take long, only columns that separate alone are looked for, and if the run became slow, as on
    separated classes, no relations either.
    """
    rows, fit_intercept = task.problem.rows, task.problem.options.fit_intercept
    under_ridge = (
        None if known is None or outcome.reason != "converged" else partial(_of_rows_left, task, known, state.theta)
    )
    several = not (under_ridge and is_long_search(rows))
    if under_ridge and not several and state.is_slow(task.problem.options.tol):
        return separated(task, hint=(state.w, state.b), several=False) or under_ridge()
    # If the run left some out and proved the rest's optimum, there are no others.
    are_known = state.on.pivots is not None and state.bound is not None and state.bound.proven
    collinear = find_relations(rows, fit_intercept=fit_intercept, are_known=are_known)
    if task.problem.penalty.strongly_convex:
        return _of_least_penalty(task, outcome, state, collinear)
    if under_ridge:
        ending = _reduced(task, outcome, state, collinear)
        return ending or separated(task, collinear, (state.w, state.b), several=several) or under_ridge()
    ending, far_off = _reduced(task, outcome, state, collinear), list[Collinearity]()
    for tolerance in () if state.factored.proof.ok else NEARLY:
        near = find_relations(rows, fit_intercept=fit_intercept, tolerance=tolerance) if ending is None else collinear
        if any(relation.deviation > FAR_OFF for relation in near.relations):
            far_off.append(near)
        elif near.n_relations > collinear.n_relations:
            ending = _reduced(task, outcome, state, near)
    return (
        ending
        or separated(task, collinear, (state.w, state.b))
        or next(filter(None, (_reduced(task, outcome, state, near) for near in far_off)), None)
        or _reduced(task, outcome, state, collinear, patient=True)
        or unproven(task, outcome, state, _why(task, outcome, state, collinear.findings))
    )


def separated(
    task: Task, collinear: Collinearity | None = None, hint: Point | None = None, *, several: bool = True
) -> Ending | None:
    """For separated classes, return the optimum under a ridge, and what it proves about F without the ridge; else None.

    hint : the point where a run ended; it may separate the classes. several : as in `find_separation`.
    """
    rows, problem, fit_intercept = task.problem.rows, task.problem, task.problem.options.fit_intercept
    if several and collinear is None:
        collinear = find_relations(rows, fit_intercept=fit_intercept)
    names = problem.class_names
    found = find_separation(
        rows, hint, fit_intercept=fit_intercept, collinearity=collinear, classes=names, several=several
    )
    if found is None or found.kind == "undecided":
        return None
    said = [Finding("collinear too", {"relations": collinear.findings})] if collinear and collinear.n_relations else []
    start = None if hint is None else np.append(*hint)
    return ridge_by_newton(task, found, said, start)


def _of_rows_left(task: Task, known: Finding, start: Vector) -> Ending:
    """Return the optimum under the ridge of rows about which nothing more is known, from the point where a run ended."""
    found = Separation("quasi", (), np.zeros(0, dtype=np.int64), False, known)
    return ridge_by_newton(task, found, start=start)


def ridge_by_newton(task: Task, found: Separation, said: Sequence[Finding] = (), start: Vector | None = None) -> Ending:
    """Run Newton under `SEPARATED_RIDGE` on standardised columns; start as in `Task.newton`, others as in `with_ridge`."""
    rows, fit_intercept = task.problem.rows, task.problem.options.fit_intercept
    moments = rows.moments(correlations=False)
    size = moments.sd if fit_intercept else np.hypot(moments.sd, moments.mean)
    weight = SEPARATED_RIDGE * (size / task.units.scale) ** 2
    small = ridge(np.where(weight > 0, weight, SEPARATED_RIDGE), rows.n_features)
    outcome, run = task.newton(small, start=start)
    # On all rows, even if the run stopped on a sample; a new Hessian only where the run's proves too little.
    near = run if run.z is not None and run.factored.index is None else None
    state, point = task.returned(run.theta, task.problem.objective(small), near)
    state, tol = state.with_bound(), task.problem.options.tol
    is_near = state.bound is not None and state.bound.gap <= max(tol, 4.0 * state.bound.noise)
    if near is not None and near.factored.proof.ok and not is_near:
        state = task.returned(run.theta, task.problem.objective(small))[0].with_bound()
    return with_ridge(task, outcome, state, point, found, said)


def with_ridge(
    task: Task,
    outcome: Outcome,
    state: NewtonState | CGState,
    point: Vector,
    found: Separation,
    said: Sequence[Finding] = (),
) -> Ending:
    """Return the optimum under the ridge for separated classes, and what it proves about F without it.

    point : (n + 1,), in the fit's units. said : warnings beside that of the separation.
    """
    certificate = certified(state, task.to_user(point))
    rounding = state.on.loss.steepest * 4.0 * UNIT * abs(state.b) + state.noise
    certificate = replace(
        certificate,
        kind="ridge" if certificate.proven else "none",
        why=found.finding,
        infimum_at_least=found.infimum,
        infimum_gap=state.evaluation.loss + rounding - found.infimum,
    )
    return _ending(task, outcome, state, point, certificate, (found.finding, *said), found)


def unproven(task: Task, outcome: Outcome, state: NewtonState | CGState, why: Finding) -> Ending:
    """Return a run's last point, with the reason why nothing is proven about it."""
    nothing = Certificate.nothing(state.on.n_features, state.evaluation.objective, why)
    return _ending(task, outcome, state, task.all_to_fit(state.theta), nothing)


def _ending(
    task: Task,
    outcome: Outcome,
    state: NewtonState | CGState,
    point: Vector,
    certificate: Certificate,
    said: tuple[Finding, ...] = (),
    diagnosed: Collinearity | Separation | None = None,
) -> Ending:
    """Make the ending of a run; the certificate is for the returned point, in the fit's units."""
    tol, reason, how = task.problem.options.tol, outcome.reason, None
    is_near = certificate.proven and certificate.gap <= max(tol, 4.0 * certificate.noise)
    if reason != "interrupted":
        missed = "max_reads" if reason == "max_reads" else "unproven"
        reason = missed if not is_near else "no_optimum" if isinstance(diagnosed, Separation) else "converged"
    if isinstance(diagnosed, Separation):
        values = {
            "why": diagnosed.finding,
            "is_reached": is_near,
            "certificate": certificate,
            "ridge": SEPARATED_RIDGE,
        }
        how = Finding("no optimum", values)
    ending = task.ending(replace(outcome, reason=reason), state, certificate, point, how)
    return replace(ending, said=said, diagnosed=diagnosed)


def _why(task: Task, outcome: Outcome, state: NewtonState, relations: tuple[Finding, ...]) -> Finding:
    """Say why nothing is proven: too few reads; or columns along which rounding hides the curvature."""
    proof, of_sample = state.factored.proof, state.z is None or state.factored.index is not None
    unfinished = of_sample or (proof.ok and (state.bound is None or state.nu > state.bound.nu / 2))
    if unfinished or (outcome.reason == "max_reads" and outcome.n_epochs < 2):
        return Finding("too far", {"relations": relations})
    has_penalty = task.problem.penalty.strongly_convex
    if relations:
        return Finding("relations", {"relations": relations, "has_penalty": has_penalty})
    vector = np.zeros(state.on.size)
    vector[state.on.kept] = np.abs(proof.null_space[1][:, 0])
    columns = np.flatnonzero(vector > 0.01 * vector.max())
    words = [*task.problem.rows.feature_names, "the intercept"]
    return Finding("hidden curvature", {"columns": tuple(words[j] for j in columns), "has_penalty": has_penalty})


# --- collinear columns without a penalty -------------------------------------------------------------------------------


def _reduced(
    task: Task, outcome: Outcome, state: NewtonState, collinear: Collinearity, *, patient: bool = False
) -> Ending | None:
    """Certify the model of the pivot columns, and spread the weights over all columns; None if nothing is proven."""
    if not collinear.n_relations:
        return None
    found = _minimum_of_pivots(task, outcome, state, collinear, patient=patient, keeps=collinear.exact)
    is_short = False
    if found is None:
        return None
    state, point, proven = found
    if collinear.holds:
        short = collinear.moved(task.problem.rows, state.w, state.b, np.ones_like(state.w))
        here, there, of_short = _found(task, np.append(*short), state.on, near=state)
        if not collinear.exact:
            of_short = _by_difference(here, state, proven)
        is_short = of_short.proven and of_short.gap <= max(task.problem.options.tol, 4.0 * here.noise)
        if not is_short and collinear.exact:  # a far column's weight rounds the bias in the user's units
            found = _minimum_of_pivots(task, outcome, state, collinear, patient=patient, keeps=False) or found
        state, point, proven = (here, there, of_short) if is_short else found
    objective, noise, unknown = state.evaluation.objective, state.noise, np.full_like(state.w, np.inf)
    least = objective - proven.gap - noise
    certificate = Certificate.of(
        proven, state.w, unknown, math.inf, objective=objective, least=least, hessian_rows="all rows"
    )
    why = Finding("relations", {"relations": collinear.findings, "has_penalty": False})
    certificate = replace(certificate, kind="reduced", why=why)
    if not collinear.exact:  # relations hold only up to rounding, so all columns together may do better
        certificate = replace(certificate, infimum_at_least=0.0, infimum_gap=objective + noise + proven.gap)
    which = "the solution of least norm" if is_short else "the solution without the redundant columns"
    values = {"is_exact": collinear.exact, "relations": collinear.findings, "which": f"{which} is returned"}
    said = (Finding("collinear", values),)
    return _ending(task, outcome, state, point, certificate, said, collinear)


def _minimum_of_pivots(
    task: Task, outcome: Outcome, state: NewtonState, collinear: Collinearity, *, patient: bool, keeps: bool
) -> _Found | None:
    """Take Newton steps in the pivots' weights alone, until the point is proven to be near the optimum of their model.

    keeps : whether the other columns keep their weights, which changes nothing if the relations are exact, or get 0.
    patient : no plane separates the classes, so there is an optimum, even if the steps approach it slowly.
    """
    tol, pivots = task.problem.options.tol, collinear.pivots
    had = np.arange(len(state.w)) if state.on.pivots is None else state.on.pivots
    if state.z is None or state.factored.index is not None or not np.isin(pivots, had).all():
        state = task.at(state.theta, task.objective.about(pivots))
    elif len(pivots) < len(had):
        state = state.about(pivots)
    if keeps:
        point = task.all_to_fit(state.theta)
        found = _Found(state, point, _bound(task, state, point))
    else:
        others = np.isin(np.arange(len(state.w)), pivots, invert=True).astype(np.float64)
        w, b = collinear.moved(task.problem.rows, state.w, state.b, others)
        found = _found(task, np.append(np.where(others, 0.0, w), b), state.on, near=state)
    is_limited = outcome.reason == "max_reads" and task.problem.options.max_reads is not None
    most, part, falls = MOST_STEPS if patient else STEPS, 1.0, list[float]()
    for _ in range(FEW_STEPS if is_limited else most):
        here, _, proven = found
        is_near = proven.proven and (is_limited or proven.gap <= max(tol, 4.0 * proven.noise))
        if is_near or (here.is_separating and not patient):
            break
        if not here.factored.proof.ok:
            break
        new = _found(task, here.theta + part * here.factored.direction(here.on, here.evaluation), here.on)
        falls.append(here.evaluation.objective - new.state.evaluation.objective)
        if falls[-1] > 0.0:
            found, part = new, 1.0
            is_unknown = not patient and not new.bound.proven  # whether there is an optimum
            if is_unknown and len(falls) >= FEW_STEPS and falls[-1] > LINEAR * falls[-2] > LINEAR**2 * falls[-3] > 0.0:
                break  # as if the classes were separated
        elif part < LEAST_PART:
            break
        else:
            part *= 0.25
    return found if found.bound.proven else None


class _Found(NamedTuple):
    """The state at a point of the fit's units as it is returned, and its bound in the model of the pivot columns."""

    state: NewtonState
    point: Vector
    bound: Bound


def _found(task: Task, theta: Vector, on: DataObjective, near: NewtonState | None = None) -> _Found:
    """Evaluate a point as it is returned, and bound it: one read, with a new Hessian unless a state near the point is given."""
    state, point = task.returned(theta, on, near)
    return _Found(state, point, _bound(task, state, point))


def _bound(task: Task, state: NewtonState, point: Vector) -> Bound:
    return rounded(state, bound_of(state), task.to_user(point))


def bound_of(state: NewtonState, more: Vector | float = 0.0) -> Bound:
    """Bound F - F* at a state with a Hessian of all rows; with few numbers by every row's leverage, if nothing else proves it.

    more : (n + 1,), further error of the gradient.
    """
    on, factored = state.on, state.factored
    assert state.z is not None
    assert state.squares is not None
    prove = partial(factored.by_hessian, on, state.evaluation, state.theta, state.z, state.squares, more=more)
    found = prove()
    # The mean of curvature times leverage is the number of columns, so that the largest leverage is at least `least`.
    least = (len(factored.proof.D) - 1 + on.fit_intercept) / on.loss.curvature
    is_far = found.nu * on.loss.bend * math.sqrt(least) >= 1.0
    is_long = on.rows.n_rows * on.n_features > FEW_NUMBERS
    return found if found.proven or is_far or is_long or not factored.proof.ok else prove(last=True)


def _by_difference(state: NewtonState, other: NewtonState, proven: Bound) -> Bound:
    """Bound F - F* at a state by its difference in F from another point, whose bound is known.

    The gap is inf if F is lower at the state by more than rounding: the relations then hold too roughly.
    """
    noise = state.noise + other.noise
    higher = state.evaluation.objective - other.evaluation.objective
    return replace(
        proven,
        gap=proven.gap + max(0.0, higher) + noise if higher >= -noise else math.inf,
        lower=max(0.0, proven.lower + higher - noise),
        noise=proven.noise + noise,
    )


# --- collinear columns with a penalty that rounding hides beside the loss ----------------------------------------------


def _of_least_penalty(task: Task, outcome: Outcome, state: NewtonState, collinear: Collinearity) -> Ending:
    """Return the point of least penalty along the relations, where the curvature is too small for Newton's steps.

    Along a relation the loss doesn't change. So minimise the penalty along the relations, take a Newton step, and repeat.
    """
    sd = task.problem.rows.moments(correlations=False).sd
    weights = np.sqrt(task.objective.ridge) * task.units.scale / np.where(sd > 0, sd, 1.0)
    best, w, b = None, state.w, state.b
    for _ in range(LEAST_PENALTY_STEPS if collinear.n_relations else 1):
        here, moved = task.returned(np.append(*collinear.moved(task.problem.rows, w, b, weights)))
        if not here.evaluation.finite:
            break
        here = replace(here, bound=bound_with_penalty(task, here, collinear))
        if best is None or here.gap < best.gap:
            best, point = here, moved
        if best.gap <= task.problem.options.tol or not here.factored.steps.factored:
            break
        step = here.factored.direction(here.on, here.evaluation)
        w, b = here.w + step[:-1], here.b + float(step[-1])
    if best is not None:
        certificate = certified(best, task.to_user(point))
        if certificate.proven:
            return _ending(task, outcome, best, point, certificate)
    state = best or state
    return unproven(task, outcome, state, _why(task, outcome, state, collinear.findings))


def bound_with_penalty(task: Task, state: NewtonState, collinear: Collinearity) -> Bound | None:
    """Bound F - F* if columns are exactly collinear and only a penalty smaller than rounding makes the optimum unique.

    Every d is a + V t: a in the pivots (and b), V the relations, along which the loss is constant. With p = R w, eps = V'p and
    G = V'R V the penalty P satisfies P(w + a + V t) >= P(w) + (p - R V G^-1 eps).a - eps'G^-1 eps/2 for all t, so that F - F*
    is at most the last term plus a bound by the loss's own curvature over the pivots. |w_j - w*_j| <= (2 (F - F*)/R_j)^(1/2).
    """
    other = state.with_bound().bound
    n, R = state.on.n_features, state.on.ridge
    if not collinear.exact or not collinear.n_relations or state.factored.index is not None or not R.min() > 0.0:
        return other
    rows = [dict(zip(each.indices, each.coefficients, strict=True)) for each in collinear.relations]
    basis = independent(rows, np.sqrt(R) * task.units.scale)
    if basis is None:
        return other
    V = basis * task.units.scale[:, np.newaxis]
    size = np.sqrt(np.square(V).T @ R)  # of the relations, in the penalty's norm
    if not (np.isfinite(size).all() and size.min() > 0.0):
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
    of_loss = state.factored.about(collinear.pivots, less=R)
    loss = bound_of(replace(state, on=of_loss.on, factored=of_loss), more=bent)
    gap = (loss.gap + 0.5 * along * float(np.sqrt(eps @ eps))) * (1.0 + 1e-9)
    if not gap < (math.inf if other is None else other.gap):
        return other
    coef = np.append(np.sqrt(2.0 * gap / R) * (1.0 + 1e-9), math.inf)
    return replace(loss, gap=gap, lower=0.0, coef=coef, radius=math.inf)
