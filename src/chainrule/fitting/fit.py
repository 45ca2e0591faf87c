"""`chainrule.fit`: arrays in, a result out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.data.designs import design_of
from chainrule.data.inputs import check_start, check_weights, encode_labels, standardized_columns
from chainrule.data.rows import Rows
from chainrule.data.rows.batches import as_batches, digest
from chainrule.data.rows.costs import block_of, hessian_reads
from chainrule.data.words import shown
from chainrule.errors import InputError
from chainrule.findings import say, warn_of
from chainrule.fitting.methods import Shape, choose_method, is_for_newton, run_of
from chainrule.fitting.problem import Ending, Problem, objective_line
from chainrule.fitting.result import Result
from chainrule.fitting.spec import FitSpec
from chainrule.kernels.blas import one_blas_thread
from chainrule.kernels.reading import kernel_name
from chainrule.losses import is_native
from chainrule.solvers import Callback, NewtonState
from chainrule.words import visible

if TYPE_CHECKING:  # it brings SciPy
    from chainrule.fitting.reference import Reference

Vector = NDArray[np.float64]


def fit(
    X: Any,
    y: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    alpha: float = 0.0,
    fit_intercept: bool = True,
    method: str = "auto",
    tol: float | None = None,
    max_reads: int | None = None,
    learning_rate: float | str = "auto",
    standardize: bool | str | ArrayLike = False,
    w0: ArrayLike | None = None,
    b0: float | None = None,
    feature_names: Sequence[str] | None = None,
    coding: str = "reference",
    n_threads: int | None = None,
    callbacks: Sequence[Callback] = (),
    batch_size: int | None = None,
    schedule: str | None = None,
    seed: int = 0,
    resume: Result | None = None,
    loss: str = "logistic",
    penalty: str = "ridge",
) -> Result:
    """Fit a logistic regression: minimise F(w, b) = (1/S) sum s_i l(z_i, y_i) + (alpha/2) w.w over z = x.w + b.

    Parameters
    ----------
    X : (m, n) array
        Arrays of float64 and float32, in any memory order, and SciPy's CSR form are used without a copy. Others are converted
        once, and the copy is counted. Arrow tables and data frames may have categories; their numbers, booleans and codes are
        used without a copy. Text becomes a category with sorted levels. Missing numbers are filled with the mean and marked by
        a column of their own; missing categories become a level of their own.
    y : (m,) array
        Two labels of any kind; y = 1 is the second in sorted order.
    sample_weight : (m,) array, optional
        Weights s, finite and not negative; S is their sum. Weight 2 counts a row twice, weight 0 leaves it out.
    alpha : float
        Strength of the L2 penalty, never on b. scikit-learn's C is 1/(alpha S).
    fit_intercept : bool
        False keeps b = 0.
    method : str
        "newton": the optimum in a few reads. "newton-cg": no Hessian, one read per step, for many columns with a penalty.
        "gradient-descent": the article's updates, each recorded. "sgd": stochastic gradient descent, an update for each
        mini-batch. "auto": newton or newton-cg; gradient descent if learning_rate is given; sgd if batch_size, schedule or
        resume is given.
    tol : float, optional
        Stop when F - F* is proven to be at most this, in nats per unit of weight; the default is the smaller of 1e-8 and
        1e-6/m, which keeps every coefficient within about 0.0015 of its standard error of the optimum.
    max_reads : int, optional
        newton starts no step after this many reads, 100 by default (newton-cg: 300); certifying may add a few. For gradient
        descent and sgd it is the number of epochs, 1000 and 100 by default. An epoch of gradient descent is one update and one
        read. An epoch of sgd visits each row once, and a second read measures it. The optimum, from which epochs are measured,
        is found first, in a few more reads.
    learning_rate : float or "auto"
        Step size; selects gradient descent. "auto" is 1/L_max, half the largest stable rate. For sgd it is eta_0, and "auto" is
        1/(2 E), with E the expected smoothness of the mini-batches (`diagnosis.expected_smoothness`).
    standardize : bool, "center" or (n,) mask
        Fit on (x - mean) / sd of these columns; penalty, rate, trace and gradients are then in those units. "center" fits on
        x - mean of all columns, which changes the path but neither the optimum nor the penalty.
    w0, b0
        The start, in the user's units; zeros by default. Not with `resume`. If F is lower at w = 0 and the best b for it,
        newton-cg starts there.
    feature_names : sequence of str, optional
        Default: the frame's columns, or x1, x2, ...
    coding : "reference" or "all"
        For categories: coefficients for all levels except the first, or for all levels.
    n_threads : int, optional
        Default: CHAINRULE_THREADS, or the processors that this process may use. The result doesn't depend on it.
    callbacks : callables
        Each is called with a `Step` after each epoch and may return numbers by name, which the trace records.
    batch_size : int
        For sgd: rows in each update, 1 by default. If the last batch of an epoch has fewer rows, its step is shorter too.
    schedule : "constant", "inverse" or "inverse-sqrt"
        For sgd: the rate of update t is eta_0, eta_0/(1 + t/T) or eta_0/sqrt(1 + t/T), with T updates an epoch. A constant
        rate, the default, ends in a noise floor above the optimum; the others keep falling.
    seed : int
        For sgd: from 0 to 2^64 - 1. The order of an epoch's rows depends on (seed, epoch) alone, so runs repeat to the bit.
    resume : Result
        For sgd: continue an earlier run on the same data with the same options; every bit is as if it had not stopped.
        max_reads counts the earlier epochs too.
    loss, penalty : str
        Names in `chainrule.losses.LOSSES` and `chainrule.penalties.PENALTIES`, where you can register your own. A loss that the
        core lacks is computed in NumPy, which is slower; `Result.kernel` says so.

    Returns
    -------
    Result

    Raises
    ------
    InputError
        If data or options can't be used; the message names the way out.
    KeyboardInterrupt
        On Ctrl-C. Its attribute `result` is the best result so far, or None before the first epoch.

    Examples
    --------
    >>> import chainrule
    >>> result = chainrule.fit([[0.0], [1.0], [2.0], [3.0]], [0, 1, 0, 1])
    >>> result.reason, result.certificate.gap <= 1e-8
    ('converged', True)
    """
    started = time.perf_counter()
    kernel_name()  # refuse an unknown kernel before anything is read
    not_given = isinstance(learning_rate, str) and learning_rate == "auto"
    spec = FitSpec.of(
        alpha=alpha, fit_intercept=fit_intercept, method=method, tol=tol, max_reads=max_reads,
        learning_rate=None if not_given else learning_rate, standardize=standardize, w0=w0, b0=b0, n_threads=n_threads,
        callbacks=callbacks, batch_size=batch_size, schedule=schedule, seed=seed, resume=resume, loss=loss, penalty=penalty,
    )  # fmt: skip
    try:
        design = design_of(X, feature_names, coding)
        codes, classes = encode_labels(y, design.n_rows)
        rows = design.rows(codes, check_weights(sample_weight, codes), spec.n_threads)
    except KeyboardInterrupt as stop:
        stop.result = None  # type: ignore[attr-defined]
        raise
    return run(spec, rows, classes, started)


def run(
    spec: FitSpec, rows: Rows, classes: tuple[Any, Any], started: float, reference: Reference | None = None
) -> Result:
    """Fit checked rows with checked options. classes : the labels of y = 0 and y = 1.

    reference : the optimum to measure descent from, of a `Result` on the same data and objective; by default found first.
    """
    try:
        if spec.resume is not None and spec.resume.classes != classes:
            raise InputError(
                f"resume: the classes were {spec.resume.classes} and are {classes}: resume on the same data"
            )
        spec, kernel, n = spec.on_rows(rows.n_rows), kernel_name(), rows.n_features
        made = spec.penalty_on(n)
        shape = Shape(
            rows.n_rows, n, rows.is_dense, made.strongly_convex, hessian_reads(rows), made.isotropic, block_of(rows)[1]
        )
        chosen, why = choose_method(spec, shape)
        spec = replace(spec, batches=spec.batches if chosen == "sgd" else None)
        start = check_start(*spec.start, n, spec.fit_intercept)
        standardize = False if spec.standardize is None else spec.standardize
        columns, scaled = standardized_columns(standardize, rows.design.numeric, spec.fit_intercept)
        rows = as_batches(rows) if chosen == "sgd" else rows
        loading = time.perf_counter()
        method = run_of(chosen, shape)
        started += time.perf_counter() - loading  # importing SciPy at the first fit doesn't count
        problem = Problem(rows, spec, columns, start, scaled, class_names(classes), reference, started)
        with one_blas_thread():
            ending = method(problem)
            if spec.method == "auto" and chosen == "newton-cg" and is_for_newton(ending, spec, shape):
                why = f"newton-cg had proven too little after {problem.rows.reads:.0f} reads"
                chosen, start = "newton", ending.units.to_user(ending.w_fit, ending.b_fit)
                ending = run_of(chosen, shape)(replace(problem, start=start))
            result = _result(problem, ending, (chosen, why), classes, kernel)
    except KeyboardInterrupt as stop:
        stop.result = None  # type: ignore[attr-defined]
        raise
    for found in ending.said:
        warn_of(found)
    if result.reason == "interrupted":
        interrupt = KeyboardInterrupt(result.message)
        interrupt.result = result  # type: ignore[attr-defined]
        raise interrupt
    return result


def class_names(classes: tuple[Any, Any]) -> tuple[str, str]:
    """Name the two classes in messages: text labels as they are, others like 'class 1'."""
    lower, upper = (shown(label) if isinstance(label, str) else f"class {label}" for label in classes)
    return lower, upper


def _result(
    problem: Problem,
    ending: Ending,
    method: tuple[str, str],
    classes: tuple[Any, Any],
    kernel: str,
) -> Result:
    rows, options, outcome = problem.rows, problem.options, ending.outcome
    w, b = ending.units.to_user(ending.w_fit, ending.b_fit)
    front = options.front
    seconds = time.perf_counter() - problem.started
    in_numpy = "" if is_native(options.loss) else f", {options.loss.name} loss in NumPy"
    return Result(
        w=w,
        b=b,
        classes=classes,
        method=method[0],
        method_reason=method[1],
        message=visible(say(ending.how, front)),
        ended=visible(say(ending.how.without("proof"), front)),
        findings=(ending.how, *ending.said_at_once, *ending.said),
        objective_line=objective_line(problem, ending),
        reads=rows.reads + (options.resume.reads if options.resume is not None else 0.0),
        seconds=seconds + (options.resume.seconds if options.resume is not None else 0.0),
        kernel=kernel + in_numpy,
        storage=rows.design.storage,
        copies=rows.copies + ending.copies,
        warnings=tuple(say(found, front) for found in (*ending.said_at_once, *ending.said)),
        certificate=replace(ending.certificate, reads=rows.reads, seconds=seconds),
        encodings=rows.encodings,
        reference=_reference(ending) if method[0] == "newton" else None,
        **_same(ending, "w_fit", "b_fit", "objective", "epochs_needed", "carried"),
        sum_weights=problem.sum_weights,
        **_same(ending, "learning_rate", "learning_rate_limit"),
        **_same(ending.units, "center", "scale"),
        **_same(outcome, "reason", "epoch", "n_epochs", "trace"),
        **_same(outcome.state.evaluation, "loss", "accuracy", "grad_norm"),
        **_same(options, "alpha", "fit_intercept", "tol"),
        **_same(rows, "feature_names", "n_rows", "threads"),
        **_of_run(problem),
    )


def _same(record: object, *names: str) -> dict[str, Any]:
    """Return the named fields of a record, which have the same names in a result."""
    return {name: getattr(record, name) for name in names}


def _reference(ending: Ending) -> Reference | None:
    """Return the optimum, or the proven infimum, to measure other runs from."""
    from chainrule.fitting.reference import Reference

    is_done = ending.outcome.reason in ("converged", "no_optimum") and isinstance(ending.outcome.state, NewtonState)
    return Reference.of_ending(ending) if is_done else None


def _of_run(problem: Problem) -> dict[str, Any]:
    """Return batch size, seed, schedule and the rows' digest of a run with mini-batches."""
    batches = problem.options.batches
    if batches is None:
        return {}
    made = {"batch_size": batches.size, "seed": batches.seed, "schedule": batches.schedule}
    return {**made, "rows_digest": digest(problem.rows)}
