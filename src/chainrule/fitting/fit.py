"""`chainrule.fit`: arrays in, a result out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.data.designs import Design, Labels, Taken, design_of
from chainrule.data.inputs import check_start, check_weights, encode_labels, standardized_columns
from chainrule.data.rows.batches import digest
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
        Float64 and float32 are used where they lie, in any memory order; others are converted, and the copy counted. A SciPy
        matrix or array in CSR form is used where it lies too (int32 or int64 indices); other forms are converted once. So are
        the columns of an Arrow table, or of a pandas frame with category columns: numbers, booleans and codes where they lie,
        missing numbers as their mean with a column that marks them, missing categories as a level of their own. Text is a
        category of sorted levels, its codes a copy.
    y : (m,) array
        Two labels of any kind; y = 1 is the second in sorted order.
    sample_weight : (m,) array, optional
        Weights s, finite and not negative; S is their sum. Weight 2 is the row twice, weight 0 the row not there.
    alpha : float
        Strength of the L2 penalty, never on b. scikit-learn's C is 1/(alpha S).
    fit_intercept : bool
        False keeps b = 0.
    method : str
        "newton": a few reads to the optimum. "gradient-descent": the article's updates, each of them recorded. "sgd":
        stochastic gradient descent, an update for each mini-batch of rows. "newton-cg": without a Hessian, for many columns
        and a penalty: a read a step. "auto": newton, or newton-cg; gradient descent where a learning_rate is given; sgd where
        batch_size, schedule or resume is.
    tol : float, optional
        Stop when F - F* is proven to be at most this, in nats per unit of weight; the default is the smaller of 1e-8 and
        1e-6/m, which leaves no coefficient further from the optimum than about 0.0015 of its standard error.
    max_reads : int, optional
        Of newton: no step is begun after so many reads of the data, 100 by default; what proves the last point, or says why
        nothing is proven, comes on top. Of gradient descent: epochs, 1000 by default; an epoch is an
        update and a read of all rows. Of sgd: epochs, 100 by default; an epoch visits each row once, and a second read measures
        it. The optimum that epochs are measured by is found before, in a few reads more.
    learning_rate : float or "auto"
        Of gradient descent; "auto" is 1/L_max, half the largest stable rate. Of sgd eta_0; "auto" is 1/(2 E), with E the
        expected smoothness of the mini-batches (`diagnosis.expected_smoothness`).
    standardize : bool, "center" or (n,) mask
        Fit on (x - mean) / sd of these columns: penalty, rate, trace and gradients are then in those units. "center": on
        x - mean of all columns, which changes neither the optimum nor the penalty, only the way there.
    w0, b0
        The start, in the user's units; zeros by default. Not with `resume`. newton-cg begins at w = 0 and its best b where F is
        lower there.
    feature_names : sequence of str, optional
        Default: the frame's columns, or x1, x2, ...
    coding : "reference" or "all"
        Of category columns: coefficients for all levels but the first, or for all.
    n_threads : int, optional
        Default: CHAINRULE_THREADS, or the processors that this process may use. Changes no bit of the answer.
    callbacks : callables
        Each is called with a `Step` after each epoch and may return numbers by name, which the trace records.
    batch_size : int
        Of sgd: rows an update, 1 by default. The last batch of an epoch may be a shorter one; its step is shortened with it.
    schedule : "constant", "inverse" or "inverse-sqrt"
        Of sgd: the rate of update t is eta_0, eta_0/(1 + t/T) or eta_0/sqrt(1 + t/T), T the updates of an epoch. A constant
        rate, the default, ends in a noise floor above the optimum; the others go on.
    seed : int
        Of sgd: from 0 to 2^64 - 1. The order of an epoch's rows comes from (seed, epoch) alone: runs repeat to the bit,
        whatever the threads.
    resume : Result
        Of sgd: go on where that run on the same data and options ended, to the bit as if it had not stopped. max_reads then
        counts its epochs too.
    loss, penalty : str
        Names in `chainrule.losses.LOSSES` and `chainrule.penalties.PENALTIES`, where you can register your own. A loss that the
        core doesn't have is computed in NumPy, which is slower; `Result.kernel` says so.

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
    >>> result = chainrule.fit([[0.0], [1.0], [2.0], [3.0]], [0, 1, 0, 1])
    >>> result.reason, result.certificate.gap <= 1e-8
    ('converged', True)
    """
    started = time.perf_counter()
    kernel_name()  # one that isn't there is refused before anything is read
    not_given = isinstance(learning_rate, str) and learning_rate == "auto"
    spec = FitSpec.of(
        alpha=alpha, fit_intercept=fit_intercept, method=method, tol=tol, max_reads=max_reads,
        learning_rate=None if not_given else learning_rate, standardize=standardize, w0=w0, b0=b0, n_threads=n_threads,
        callbacks=callbacks, batch_size=batch_size, schedule=schedule, seed=seed, resume=resume, loss=loss, penalty=penalty,
    )  # fmt: skip
    design = design_of(X, feature_names, coding)
    codes, classes = encode_labels(y, design.n_rows)
    return run(spec, design, codes, check_weights(sample_weight, codes), classes, started)


def run(
    spec: FitSpec, design: Design, codes: Labels, s: Vector | None, classes: tuple[Any, Any], started: float,
    reference: Reference | None = None,
) -> Result:  # fmt: skip
    """Do what a checked request asks of checked data: codes (m,) 0 or 1, weights s (m,), the labels of both classes.

    reference : of the same data and objective, as another `Result` has it: what descent is measured by, else found first.
    """
    try:
        if spec.resume is not None and spec.resume.classes != classes:
            raise InputError(
                f"resume: the classes were {spec.resume.classes} and are {classes}: resume on the same data"
            )
        spec, kernel = spec.on_rows(design.n_rows), kernel_name()
        taken = design.rows(codes, s, spec.n_threads)
        n = taken.rows.n_features
        made = spec.penalty_on(n)
        shape = Shape(design.n_rows, n, design.is_dense, made.strongly_convex, taken.rows.hessian_reads, made.isotropic)
        chosen, why = choose_method(spec, shape)
        spec = replace(spec, batches=spec.batches if chosen == "sgd" else None)
        start = check_start(*spec.start, n, spec.fit_intercept)
        standardize = False if spec.standardize is None else spec.standardize
        columns, scaled = standardized_columns(standardize, taken.rows.design.numeric, spec.fit_intercept)
        rows = taken.rows.in_batches() if chosen == "sgd" else taken.rows
        taken = replace(taken, rows=rows, copies=max(taken.copies, int(rows is not taken.rows)))
        problem = Problem(rows, spec, columns, start, scaled, class_names(classes), reference)
        loading = time.perf_counter()
        method = run_of(chosen, shape)
        with one_blas_thread():
            started += time.perf_counter() - loading  # the first fit's import of SciPy is no work of the fit
            ending = method(problem, started)
            if spec.method == "auto" and chosen == "newton-cg" and is_for_newton(ending, spec, shape):
                why = f"newton-cg had proven too little after {problem.rows.reads:.0f} reads"
                chosen, start = "newton", ending.units.to_user(ending.w_fit, ending.b_fit)
                ending = run_of(chosen, shape)(replace(problem, start=start), started)
            result = _result(problem, ending, (chosen, why), classes, taken, kernel, started)
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
    """Give what sentences call the two classes: text labels as they are, others as 'class 1'."""
    lower, upper = (shown(label) if isinstance(label, str) else f"class {label}" for label in classes)
    return lower, upper


def _result(
    problem: Problem,
    ending: Ending,
    method: tuple[str, str],
    classes: tuple[Any, Any],
    taken: Taken,
    kernel: str,
    started: float,
) -> Result:
    rows, options, outcome = problem.rows, problem.options, ending.outcome
    evaluation = outcome.state.evaluation
    w, b = ending.units.to_user(ending.w_fit, ending.b_fit)
    front = options.front
    in_numpy = "" if is_native(options.loss) else f", {options.loss.name} loss in NumPy"
    return Result(
        w=w,
        b=b,
        w_fit=ending.w_fit,
        b_fit=ending.b_fit,
        center=ending.units.center,
        scale=ending.units.scale,
        feature_names=rows.feature_names,
        classes=classes,
        method=method[0],
        method_reason=method[1],
        reason=outcome.reason,
        message=visible(say(ending.how, front)),
        findings=(ending.how, *ending.said_at_once, *ending.said),
        objective=ending.objective,
        loss=evaluation.loss,
        objective_line=_objective_line(problem, ending),
        accuracy=evaluation.accuracy,
        grad_norm=evaluation.grad_norm,
        alpha=options.alpha,
        fit_intercept=options.fit_intercept,
        tol=options.tol,
        learning_rate=ending.learning_rate,
        learning_rate_limit=ending.limit,
        epochs_needed=ending.epochs_needed,
        epoch=outcome.epoch,
        n_epochs=outcome.n_epochs,
        n_rows=rows.n_rows,
        sum_weights=ending.sum_weights,
        trace=outcome.trace,
        reads=rows.reads + (options.resume.reads if options.resume is not None else 0.0),
        seconds=time.perf_counter() - started + (options.resume.seconds if options.resume is not None else 0.0),
        kernel=kernel + in_numpy,
        storage=rows.design.storage,
        threads=rows.threads,
        copies=taken.copies + ending.copies,
        warnings=tuple(say(found, front) for found in (*ending.said_at_once, *ending.said)),
        certificate=replace(ending.certificate, reason=say(ending.certificate.reason, front)),
        carried=ending.carried,
        encodings=taken.encodings,
        reference=_reference(ending) if method[0] == "newton" else None,
        **_of_run(problem),
    )


def _objective_line(problem: Problem, ending: Ending) -> str:
    """Write the objective; and, of separated classes, the one whose optimum is returned."""
    line = objective_line(problem, ending.units, ending.sum_weights)
    size = "sd_j" if problem.options.fit_intercept else "rms_j"
    returned = f"; returned is the optimum of F + (1e-8/2) sum ({size} w_j)^2"
    return line + returned if ending.separated is not None else line


def _reference(ending: Ending) -> Reference | None:
    """Give an optimum, or a proven infimum, that other runs can be measured by."""
    from chainrule.fitting.reference import Reference

    is_done = ending.outcome.reason in ("converged", "no_optimum") and isinstance(ending.outcome.state, NewtonState)
    return Reference.of_ending(ending) if is_done else None


def _of_run(problem: Problem) -> dict[str, Any]:
    """Say what a run of mini-batches was made with, and on which rows."""
    batches = problem.options.batches
    if batches is None:
        return {}
    made = {"batch_size": batches.size, "seed": batches.seed, "schedule": batches.schedule}
    return {**made, "rows_digest": digest(problem.rows)}
