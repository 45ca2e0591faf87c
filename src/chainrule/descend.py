"""Gradient descent on a problem: its learning rate, its run, its verdict."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from chainrule.diagnosis import RunMonitor, epochs_by_curvature, epochs_by_trend, largest_curvature
from chainrule.errors import ChainruleWarning, InputError, LearningRateWarning
from chainrule.objective import Objective
from chainrule.problem import Ending, Problem
from chainrule.solvers import GradientDescent, NotFiniteAtStart, Outcome, Run, State
from chainrule.verdict import above_limit, findings, message, while_running

DEFAULT_EPOCHS = 1000
MAX_EIGEN_COLUMNS = 500  # up to here a run that ended too early is worth Newton steps and an eigendecomposition
NEWTON_STEPS = 50

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]


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
    at_once: list[str] = []

    def tell(kind: type[ChainruleWarning], text: str) -> None:
        at_once.append(text)
        warnings.warn(text, kind, stacklevel=4)

    def on_status(status: str, epoch: int) -> None:
        found = while_running(status, epoch, monitor.needed, rate, limit)
        if found is not None:
            tell(*found)

    if rate > limit:
        tell(LearningRateWarning, above_limit(rate, limit, moments.correlation is not None))
    max_steps = DEFAULT_EPOCHS if options.max_reads is None else options.max_reads
    monitor = RunMonitor(
        stable=rate <= limit, unbounded=rate * options.alpha > 2.0, tol=options.tol, max_steps=max_steps
    )
    run = Run(
        objective,
        GradientDescent(*rows.units.to_fit(*problem.start), rate),
        tol=options.tol,
        max_steps=max_steps,
        monitor=monitor,
        callbacks=options.callbacks,
        started=started,
        on_status=on_status,
    )
    try:
        outcome = run.run()
    except NotFiniteAtStart:
        raise InputError("the objective is not finite at the start: take a smaller w0, or standardize=True") from None
    sentence = message(outcome, options.tol, limit, _epochs_needed(objective, outcome, rate, options.tol))
    state = outcome.state
    return Ending(
        outcome,
        state.w.copy(),
        state.b,
        rows.units,
        moments.weight,
        sentence,
        tuple(findings(outcome, sentence)),
        rate,
        limit,
        said_at_once=tuple(at_once),
    )


def _epochs_needed(objective: Objective, outcome: Outcome, rate: float, tol: float) -> float:
    """Estimate the epochs still needed, where the run ended too early.

    Near the optimum w* the gradient is H* (1 - rate H*)^k (w - w*): a few Newton steps find w*. On separated data there is
    none, and the gradient's trend is a power of k.
    """
    if outcome.reason != "max_reads" or outcome.oscillated:
        return float("nan")
    if objective.n_features <= MAX_EIGEN_COLUMNS:
        found = _optimum(objective, outcome.state)
        if found is not None:
            distance, hessian = found
            scale = np.append(objective.column_scale, 1.0)
            return epochs_by_curvature(hessian, hessian @ distance, rate, tol, scale)
    columns = outcome.trace.columns
    epochs, norms = (columns[name].astype(np.float64) for name in ("epoch", "grad_norm"))
    return epochs_by_trend(epochs, norms, tol) if len(epochs) >= 20 else float("nan")


def _optimum(objective: Objective, state: State) -> tuple[Vector, Matrix] | None:
    """Distance (n + 1,) from the optimum and the Hessian there, by damped Newton steps; None where they don't settle."""
    scale = np.append(objective.column_scale, 1.0)
    theta = np.append(state.w, state.b)
    start, at = theta, objective.evaluate(state.w, state.b, hessian=True)
    for _ in range(NEWTON_STEPS):
        assert at.hessian is not None
        scaled = at.hessian / scale / scale[:, None]
        step = -np.linalg.lstsq(scaled, at.gradient / scale, rcond=1e-13)[0] / scale
        slope = float(at.gradient @ step)
        if -slope < 1e-14:
            # Separated classes settle too, but each step still moves them by 1.
            moved = np.abs(objective.rows.scores(step[:-1], float(step[-1]))).max()
            return (start - theta, at.hessian) if moved < 0.1 else None
        t = 1.0
        while t > 1e-6:
            new = objective.evaluate(theta[:-1] + t * step[:-1], float(theta[-1] + t * step[-1]), hessian=True)
            if new.objective <= at.objective + 1e-4 * t * slope:
                break
            t /= 2
        theta, at = theta + t * step, new
    return None
