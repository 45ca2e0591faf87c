"""Gradient descent on a problem: its learning rate, its run, its verdict."""

from __future__ import annotations

import numpy as np

from chainrule.diagnosis import RunMonitor, epochs_by_curvature, epochs_by_trend, largest_curvature
from chainrule.errors import InputError, LearningRateWarning
from chainrule.objective import Objective
from chainrule.problem import Ending, Problem
from chainrule.solvers import GradientDescent, NotFiniteAtStart, Outcome, Run
from chainrule.verdict import Finding, above_limit, findings, message

DEFAULT_EPOCHS = 1000
MAX_EIGEN_COLUMNS = 500  # up to here a run that ended too early is worth an eigendecomposition


def descend(problem: Problem, started: float) -> Ending:
    """Run gradient descent with the user's learning rate, or 1/L_max."""
    rows, options = problem.rows, problem.options
    moments = rows.moments()
    if problem.columns.any():
        rows.standardize(problem.columns)
    objective = Objective(rows, options.alpha, options.fit_intercept, rows.column_scale())
    curvature = largest_curvature(moments, rows.units, options.alpha, options.fit_intercept)
    limit = 2.0 / curvature if curvature > 0 else float("inf")
    rate = options.learning_rate
    if rate is None:
        rate = 1.0 / curvature if curvature > 0 else 1.0
    if rate == 0.0 or not np.isfinite(curvature):
        raise InputError(
            "the columns are too large for any learning rate: standardize them (standardize=True), or rescale"
        )
    said: list[Finding] = []
    if rate > limit:
        said.append((LearningRateWarning, above_limit(rate, limit, moments.correlation is not None)))
    run = Run(
        objective,
        GradientDescent(*rows.units.to_fit(*problem.start), rate),
        tol=options.tol,
        max_steps=DEFAULT_EPOCHS if options.max_reads is None else options.max_reads,
        monitor=RunMonitor(stable=rate <= limit, unbounded=rate * options.alpha > 2.0),
        callbacks=options.callbacks,
        started=started,
    )
    try:
        outcome = run.run()
    except NotFiniteAtStart:
        raise InputError("the objective is not finite at the start: take a smaller w0, or standardize=True") from None
    sentence = message(outcome, options.tol, limit, _epochs_needed(objective, outcome, rate, options.tol))
    said += findings(outcome, sentence, limit)
    state = outcome.state
    return Ending(outcome, state.w.copy(), state.b, rows.units, moments.weight, sentence, tuple(said), rate, limit)


def _epochs_needed(objective: Objective, outcome: Outcome, rate: float, tol: float) -> float:
    """Estimate the epochs still needed: two reads at most, made only where the run ended too early."""
    if outcome.reason != "max_reads" or outcome.oscillated:
        return float("nan")
    columns, w, b = outcome.trace.columns, outcome.state.w, outcome.state.b
    scale = np.append(objective.column_scale, 1.0)
    if objective.n_features <= MAX_EIGEN_COLUMNS:
        hessian = objective.evaluate(w, b, hessian=True).hessian
        assert hessian is not None
        gradient = outcome.state.evaluation.gradient
        if np.any(objective.alpha):
            return epochs_by_curvature(hessian, gradient, rate, tol, scale)
        # On separated data the Hessian fades as the run goes on; there Newton's step moves rows by 1 in z and more.
        step = np.linalg.lstsq(hessian / scale / scale[:, None], gradient / scale, rcond=1e-12)[0] / scale
        if np.abs(objective.rows.scores(step[:-1], float(step[-1]))).max() <= 1.0:
            return epochs_by_curvature(hessian, gradient, rate, tol, scale)
    epochs, norms = (columns[name].astype(np.float64) for name in ("epoch", "grad_norm"))
    return epochs_by_trend(epochs, norms, tol)
