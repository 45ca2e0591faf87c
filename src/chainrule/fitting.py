"""`chainrule.fit`: arrays in, a result out."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.diagnosis import RunMonitor, epochs_by_curvature, epochs_by_trend, largest_curvature
from chainrule.errors import InputError, LearningRateWarning
from chainrule.inputs import (
    check_start,
    check_weights,
    encode_labels,
    matrix,
    number,
    standardized_columns,
    switch,
)
from chainrule.kernels import kernel_name
from chainrule.objective import Objective
from chainrule.result import Result
from chainrule.rows import DenseRows
from chainrule.solvers import SOLVERS, Callback, NotFiniteAtStart, Outcome, Run
from chainrule.verdict import Finding, above_limit, findings, message

Vector = NDArray[np.float64]

DEFAULT_EPOCHS = 1000
MAX_EIGEN_COLUMNS = 500  # up to here a run that ended too early is worth an eigendecomposition


def fit(
    X: ArrayLike,
    y: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    alpha: float = 0.0,
    fit_intercept: bool = True,
    method: str = "auto",
    tol: float | None = None,
    max_reads: int | None = None,
    learning_rate: float | str = "auto",
    standardize: bool | ArrayLike = False,
    w0: ArrayLike | None = None,
    b0: float | None = None,
    feature_names: Sequence[str] | None = None,
    n_threads: int | None = None,
    callbacks: Sequence[Callback] = (),
) -> Result:
    """Fit a logistic regression: minimise F(w, b) = (1/S) sum s_i l(z_i, y_i) + (alpha/2) w.w over z = x.w + b.

    Parameters
    ----------
    X : (m, n) array
        Float64 and float32 are used where they lie, in any memory order; others are converted, and the copy counted.
    y : (m,) array
        Two labels of any kind; y = 1 is the second in sorted order.
    sample_weight : (m,) array, optional
        Weights s, finite and not negative; S is their sum. Weight 2 is the row twice, weight 0 the row not there.
    alpha : float
        Strength of the L2 penalty, never on b. scikit-learn's C is 1/(alpha S).
    fit_intercept : bool
        False keeps b = 0.
    method : str
        "auto" or "gradient-descent".
    tol : float, optional
        Stop when the gradient, the largest of |dF/dw_j| per deviation of its column and |dF/db|, is at most this; the
        default is the smaller of 1e-8 and 1e-6/m.
    max_reads : int, optional
        Epochs at most, 1000 by default: an epoch is an update and a read of all rows. Two reads more, of the columns'
        moments and of the loss at the start, come before the first update.
    learning_rate : float or "auto"
        "auto" is 1/L_max, half the largest stable rate.
    standardize : bool or (n,) mask
        Fit on (x - mean) / sd of these columns: penalty, rate, trace and gradients are then in those units.
    w0, b0
        The start, in the user's units; zeros by default.
    feature_names : sequence of str, optional
        Default: the frame's columns, or x1, x2, ...
    n_threads : int, optional
        Default: CHAINRULE_THREADS, or the processors that this process may use. Changes no bit of the answer.
    callbacks : callables
        Each is called with a `Step` after each epoch and may return numbers by name, which the trace records.

    Returns
    -------
    Result

    Raises
    ------
    InputError
        For data or options that can't be used; the message names the way out.
    KeyboardInterrupt
        On Ctrl-C, with the best state so far as its attribute `result`; None before the first epoch was recorded.

    Examples
    --------
    >>> import chainrule
    >>> result = chainrule.fit([[0.0], [1.0], [2.0], [3.0]], [0, 1, 0, 1], tol=1e-8)
    >>> result.reason
    'converged'
    """
    try:
        started = time.perf_counter()
        kernel = kernel_name()
        X, names, copies = matrix(X, feature_names)
        codes, classes = encode_labels(y, len(X))
        s = check_weights(sample_weight, codes)
        options = _Options(
            alpha=number("alpha", alpha, low=0.0),
            fit_intercept=switch("fit_intercept", fit_intercept),
            method=_method(method),
            tol=min(1e-8, 1e-6 / len(X)) if tol is None else number("tol", tol, low=0.0),
            max_reads=_epochs(max_reads),
            learning_rate=_learning_rate(learning_rate),
            callbacks=_callbacks(callbacks),
        )
        start = check_start(w0, b0, X.shape[1], options.fit_intercept)
        columns = standardized_columns(standardize, X.shape[1], options.fit_intercept)
        rows = DenseRows(X, codes, s, names, n_threads)
        rows.moments()
        if columns.any():
            rows.standardize(columns)
        result, said = _Job(rows, options, classes, copies, kernel, started).run(start)
    except KeyboardInterrupt as stop:
        stop.result = None  # type: ignore[attr-defined]
        raise
    for kind, text in said:
        warnings.warn(text, kind, stacklevel=2)
    if result.reason == "interrupted":
        interrupt = KeyboardInterrupt(result.message)
        interrupt.result = result  # type: ignore[attr-defined]
        raise interrupt
    return result


@dataclass(frozen=True)
class _Options:
    alpha: float
    fit_intercept: bool
    method: str
    tol: float
    max_reads: int
    learning_rate: float | None  # None: automatic
    callbacks: tuple[Callback, ...]


@dataclass(frozen=True)
class _Job:
    """One fit, after its input was checked."""

    rows: DenseRows
    options: _Options
    classes: tuple[Any, Any]
    copies: int
    kernel: str
    started: float

    def run(self, start: tuple[Vector, float]) -> tuple[Result, list[Finding]]:
        rows, options = self.rows, self.options
        objective = Objective(rows, options.alpha, options.fit_intercept, rows.column_scale())
        curvature = largest_curvature(rows.moments(), rows.units, options.alpha, options.fit_intercept)
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
            is_largest = rows.moments().correlation is not None
            said.append((LearningRateWarning, above_limit(rate, limit, is_largest)))
        w, b = rows.units.to_fit(*start)
        run = Run(
            objective,
            SOLVERS[options.method](w, b, rate),
            tol=options.tol,
            max_reads=options.max_reads,
            monitor=RunMonitor(stable=rate <= limit, unbounded=rate * options.alpha > 2.0),
            callbacks=options.callbacks,
        )
        try:
            outcome = run.run()
        except NotFiniteAtStart:
            raise InputError(
                "the objective is not finite at the start: take a smaller w0, or standardize=True"
            ) from None
        needed = self._epochs_needed(objective, outcome, rate)
        sentence = message(outcome, options.tol, limit, needed)
        said += findings(outcome, sentence, limit)
        return self._result(outcome, sentence, rate, limit, tuple(text for _, text in said)), said

    def _epochs_needed(self, objective: Objective, outcome: Outcome, rate: float) -> float:
        """Estimate the epochs still needed: two reads at most, made only where the run ended too early."""
        if outcome.reason != "max_reads" or outcome.oscillated:
            return float("nan")
        columns, w, b = outcome.trace.columns, outcome.state.w, outcome.state.b
        scale = np.append(objective.column_scale, 1.0)
        if objective.n_features <= MAX_EIGEN_COLUMNS:
            hessian = objective.evaluate(w, b, hessian=True).hessian
            assert hessian is not None
            gradient = np.append(outcome.state.evaluation.grad_w, outcome.state.evaluation.grad_b)
            if self.options.alpha > 0:
                return epochs_by_curvature(hessian, gradient, rate, self.options.tol, scale)
            # On separated data the Hessian fades as the run goes on; there Newton's step moves rows by 1 in z and more.
            step = np.linalg.lstsq(hessian / scale / scale[:, None], gradient / scale, rcond=1e-12)[0] / scale
            if np.abs(objective.rows.scores(step[:-1], float(step[-1]))).max() <= 1.0:
                return epochs_by_curvature(hessian, gradient, rate, self.options.tol, scale)
        epochs, norms = (columns[name].astype(np.float64) for name in ("epoch", "grad_norm"))
        return epochs_by_trend(epochs, norms, self.options.tol)

    def _result(self, outcome: Outcome, sentence: str, rate: float, limit: float, said: tuple[str, ...]) -> Result:
        rows, options, state = self.rows, self.options, outcome.state
        w, b = rows.units.to_user(state.w, state.b)
        return Result(
            w=w,
            b=b,
            w_fit=state.w.copy(),
            b_fit=state.b,
            center=rows.units.center,
            scale=rows.units.scale,
            feature_names=rows.feature_names,
            classes=self.classes,
            method=options.method,
            reason=outcome.reason,
            message=sentence,
            objective=state.evaluation.objective,
            loss=state.evaluation.loss,
            objective_line=self._objective_line(),
            accuracy=state.evaluation.accuracy,
            grad_norm=state.evaluation.grad_norm,
            alpha=options.alpha,
            fit_intercept=options.fit_intercept,
            tol=options.tol,
            learning_rate=rate,
            learning_rate_limit=limit,
            epoch=outcome.epoch,
            n_epochs=outcome.n_epochs,
            n_rows=rows.n_rows,
            sum_weights=rows.moments().weight,
            trace=outcome.trace,
            reads=rows.reads,
            seconds=time.perf_counter() - self.started,
            kernel=self.kernel,
            storage=rows.storage,
            threads=rows.threads,
            copies=self.copies,
            warnings=said,
        )

    def _objective_line(self) -> str:
        rows, options = self.rows, self.options
        loss = f"(1/{rows.n_rows}) sum l(z, y)"
        if rows.s is not None:
            loss = f"(1/{rows.moments().weight:.10g}) sum s l(z, y)"
        penalty = f" + ({options.alpha:.6g}/2) w.w" if options.alpha else ""
        bias = "z = x.w + b, b not penalised" if options.fit_intercept else "z = x.w, no intercept"
        if not options.alpha:
            bias = bias.replace(", b not penalised", "")
        standardized = int((rows.units.scale != 1.0).sum()) or int((rows.units.center != 0.0).sum())
        units = "the user's units"
        if standardized:
            which = "all columns" if standardized == rows.n_features else f"{standardized} of {rows.n_features} columns"
            units = f"units of (x - mean)/sd for {which}"
        return f"F(w, b) = {loss}{penalty}, {bias}; {units}"


def _method(method: str) -> str:
    chosen = "gradient-descent" if method == "auto" else method
    if not isinstance(chosen, str) or chosen not in SOLVERS:
        raise InputError(f"method must be 'auto' or one of {', '.join(map(repr, SOLVERS))}, not {method!r}")
    return chosen


def _epochs(max_reads: int | None) -> int:
    if max_reads is None:
        return DEFAULT_EPOCHS
    if isinstance(max_reads, bool) or not isinstance(max_reads, int | np.integer) or max_reads < 0:
        raise InputError(f"max_reads must be a whole number from 0, not {max_reads!r}")
    return int(max_reads)


def _callbacks(callbacks: Sequence[Callback] | Callback | None) -> tuple[Callback, ...]:
    if callbacks is None:
        return ()
    given = (callbacks,) if callable(callbacks) else tuple(callbacks)
    for callback in given:
        if not callable(callback):
            raise InputError(f"callbacks must be functions of a Step, not {callback!r}")
    return given


def _learning_rate(learning_rate: float | str) -> float | None:
    if isinstance(learning_rate, str) and learning_rate == "auto":
        return None
    try:
        return number("learning_rate", learning_rate, above=0.0)
    except InputError:
        raise InputError(f"learning_rate must be a positive number or 'auto', not {learning_rate!r}") from None
