"""Separated classes: the optimum under a tiny documented ridge, and what is proven of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from chainrule.certificate.rounding import UNIT
from chainrule.data.rows import Rows
from chainrule.diagnosis.collinearity import Collinearity
from chainrule.diagnosis.separation import Separation
from chainrule.findings import Finding
from chainrule.fitting.problem import Ending
from chainrule.fitting.task import Task, certified
from chainrule.penalties import ridge

Vector = NDArray[np.float64]

SEPARATED_RIDGE = 1e-8  # on standardised columns: the documented ridge of separated data


def with_ridge(task: Task, data: Rows, found: Separation, collinear: Collinearity) -> Ending:
    """Find the optimum under the ridge, and say what of F itself it proves."""
    rows, options = task.problem.rows, task.problem.options
    size = SEPARATED_RIDGE * (sizes_of(data, options.fit_intercept) / task.units.scale) ** 2
    small = ridge(np.where(size > 0, size, SEPARATED_RIDGE), rows.n_features)
    outcome, run = task.run(small)
    # Of all rows, though the run may have stopped on a sample.
    state, w_fit, b_fit = task.returned(run.w, run.b, task.problem.objective(small))
    state = state.with_bound()
    certificate = certified(state, task.units, rows, task.started, as_returned=True)
    is_proven = certificate.kind == "bound" and certificate.gap <= max(options.tol, 4.0 * certificate.noise)
    # The loss is at least 0; what it is at least on the plane's rows is found by whoever can fit them.
    loss = state.evaluation.loss
    certificate = replace(
        certificate,
        kind="ridge" if certificate.kind == "bound" else certificate.kind,
        reason=found.sentence,
        infimum_at_least=0.0,
        infimum_gap=loss + state.on.loss.steepest * 4.0 * UNIT * abs(state.b) + state.noise,
    )
    reason = outcome.reason if outcome.reason == "interrupted" or not is_proven else "no_optimum"
    outcome = replace(outcome, state=state, reason="unproven" if reason == "converged" else reason)
    how = Finding("no optimum", {"why": found.sentence})
    said: tuple[Finding, ...] = (Finding("separated", {"why": found.sentence}),)
    if collinear.n_relations:
        said = (*said, Finding("collinear too", {"relations": collinear.sentence}))
    if not is_proven:
        how = Finding("no optimum", {"why": found.sentence, "proof": certificate.sentence})
        said = (*said, how)
    return Ending(
        outcome,
        w_fit,
        b_fit,
        task.fit_units,
        task.sum_weights,
        how,
        said,
        certificate,
        objective=loss,
        on_plane=found.rows_on_plane,
    )


def sizes_of(data: Rows, fit_intercept: bool) -> Vector:
    """Size (n,) of each column that the ridge of separated data is for: its deviation; without an intercept that from 0."""
    moments = data.moments(correlations=False)
    return moments.sd if fit_intercept else np.hypot(moments.sd, moments.mean)
