"""What is returned, and said, where the objective asked for has no single optimum, or none that can be proven."""

from __future__ import annotations

import time

import numpy as np

from chainrule.certificate import Certificate
from chainrule.diagnosis.collinearity import Curvature, correlation_tolerance, find_relations
from chainrule.diagnosis.separation import find_separation
from chainrule.fitting.no_optimum.collinear import (
    bound_without,
    by_pivots,
    nearly_reduced,
    proven_after_all,
    reduced,
    to_least_penalty,
    unproven,
)
from chainrule.fitting.no_optimum.separated import with_ridge
from chainrule.fitting.problem import Ending
from chainrule.fitting.task import TOO_FAR, Task, ended
from chainrule.solvers import NewtonState, Outcome

__all__ = ["bound_without", "separated_by_levels", "without_optimum"]


def without_optimum(task: Task, outcome: Outcome, state: NewtonState) -> Ending:
    """Find out why nothing is proven, and return what is well-defined.

    Collinear columns without a penalty: the solution of least norm in the standardised columns, certified for the model
    without the columns that the others make up. Separated classes: the optimum under a ridge of 1e-8 on the standardised
    columns, certified for that objective. With a penalty, where it is least along the columns' relations. Else what the run
    came to, with no bound; where collinear columns slowed it down, the model without them is still to be fitted.
    """
    rows, options = task.problem.rows, task.problem.options
    data = rows.as_given()
    collinear = find_relations(data, fit_intercept=options.fit_intercept, curvature=_curvature(task, state))
    ending = None
    held = task.problem.penalty.strongly_convex
    if held:
        outcome, state = to_least_penalty(task, outcome, state, data, collinear)
        ending = proven_after_all(task, outcome, state, collinear)
    elif collinear.n_relations:
        ending = reduced(task, outcome, state, data, collinear)
    if ending is None and not held and not state.reference.proof.ok:
        ending = nearly_reduced(task, outcome, state, data)
    if ending is not None:
        return ending
    if not held:
        hint = task.units.to_user(state.w, state.b)
        found = find_separation(
            data, hint, fit_intercept=options.fit_intercept, collinearity=collinear, classes=task.problem.class_names
        )
        if found is not None and found.kind != "undecided":
            return with_ridge(task, data, found, collinear)
    reason = _why(task, outcome, state, collinear.sentence)
    objective = state.evaluation.objective
    certificate = Certificate.nothing(
        rows.n_features, objective, rows.reads, time.perf_counter() - task.started, reason
    )
    stopped = unproven(outcome)
    how = ended(stopped, certificate, options.tol, rows.reads, state)
    ending = task.ending(stopped, state.w, state.b, certificate, how, (how,))
    if held or options.max_reads is not None or not len(collinear.pivots):
        return ending
    return by_pivots(ending, collinear) if collinear.n_relations else ending


def separated_by_levels(task: Task) -> Ending:
    """Return the optimum under the ridge where a level has rows of one class alone: without a run that leads nowhere."""
    fit_intercept, data = task.problem.options.fit_intercept, task.problem.rows.as_given()
    collinear = find_relations(data, fit_intercept=fit_intercept)
    found = find_separation(data, fit_intercept=fit_intercept, collinearity=collinear, classes=task.problem.class_names)
    assert found is not None
    return with_ridge(task, data, found, collinear)


def _curvature(task: Task, state: NewtonState) -> Curvature | None:
    """Give the run's last Hessian, where it is of all rows, in float64 and without a penalty."""
    proof, rows = state.reference.proof, task.problem.rows
    whole = state.reference.z is None and not task.problem.penalty.strongly_convex and not state.on.ridge.any()
    if not whole or state.is_separating or proof.eta > 10.0 * correlation_tolerance(rows.n_features, rows.n_rows):
        return None
    matrix = proof.matrix
    if not state.on.fit_intercept:
        matrix = np.pad(matrix, (0, 1))
        matrix[-1, -1] = 1.0
    return Curvature(matrix, task.units.scale)


def _why(task: Task, outcome: Outcome, state: NewtonState, relations: str) -> str:
    """Say why nothing is proven: too few reads; or columns along which rounding hides the curvature."""
    proof, of_sample = state.reference.proof, state.z is None or state.reference.z is not None
    unfinished = of_sample or (proof.ok and (state.bound is None or state.nu > state.bound.nu / 2))
    if unfinished or (outcome.reason == "max_reads" and outcome.n_epochs < 2):
        return f"{TOO_FAR}; {relations}" if relations else TOO_FAR
    held = task.problem.penalty.strongly_convex
    way = "raise the penalty, standardize the columns" if held else "use a penalty"
    if relations:
        return f"{relations}: {way}, or drop a column of each relation" if held else relations
    vector = np.abs(proof.null_space[1][:, 0])
    columns = np.flatnonzero(vector > 0.01 * vector.max())
    words = [*task.problem.rows.feature_names, "the intercept"]
    shown = ", ".join(words[j] for j in columns[:6]) + (", ..." if len(columns) > 6 else "")
    return f"rounding hides the curvature along a combination of {shown}: {way}, or drop a column"
