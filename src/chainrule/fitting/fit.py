"""`chainrule.fit`: arrays in, a result out."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.data.designs import rows_of
from chainrule.data.inputs import check_start
from chainrule.data.kinds import Kinds
from chainrule.data.rows import Rows
from chainrule.data.rows.batches import as_batches, digest
from chainrule.data.variables import Facts
from chainrule.errors import InputError
from chainrule.findings import warn_of
from chainrule.fitting.choice import Shape, choose_method, is_for_newton
from chainrule.fitting.methods import NEWTON
from chainrule.fitting.problem import Ending, Problem, objective_line, refuse_beyond_float64
from chainrule.fitting.result import Result
from chainrule.fitting.spec import FitSpec
from chainrule.kernels.blas import one_blas_thread
from chainrule.kernels.reading import kernel_name
from chainrule.losses import is_native
from chainrule.solvers import Callback, NewtonState

if TYPE_CHECKING:  # it brings SciPy
    from chainrule.fitting.reference import Reference

Vector = NDArray[np.float64]


def fit(
    X: Any,
    y: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    alpha: float | None = None,
    C: float | None = None,
    fit_intercept: bool = True,
    method: str = "auto",
    tol: float | None = None,
    max_reads: int | None = None,
    epochs: int | None = None,
    learning_rate: float | str = "auto",
    standardize: bool | str | ArrayLike = False,
    w0: ArrayLike | None = None,
    b0: float | None = None,
    feature_names: Sequence[str] | None = None,
    coding: str = "reference",
    missing: str | Mapping[str, str] | None = None,
    columns: Kinds | None = None,
    reference: Mapping[str, Any] | None = None,
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
        used without a copy. Text becomes a category with sorted levels. `missing` says what is done about missing values.
    y : (m,) array
        Two labels of any kind; y = 1 is the second in sorted order. Labels and weights belong to the rows by their places; a
        pandas index that is X's in another order is refused.
    sample_weight : (m,) array, optional
        Weights s, finite and not negative; S is their sum. Weight 2 counts a row twice, weight 0 leaves it out.
    alpha : float, optional
        Strength of the L2 penalty, never on b; None and 0 mean no penalty. Without one, a level of a table whose rows are
        all of one class has an infinite coefficient (`Result.infinite`); the others are the fit of the other rows.
    C : float, optional
        scikit-learn's inverse strength, instead of alpha: alpha = 1/(C S).
    fit_intercept : bool
        False keeps b = 0.
    method : str
        "newton": the optimum in a few reads. "newton-cg": a read per step, with a penalty; a Hessian only where steps are slow.
        "gradient-descent": the article's updates, each recorded. "sgd": stochastic gradient descent, an update for each
        mini-batch. "auto": newton or newton-cg; gradient descent if learning_rate or epochs is given; sgd if batch_size,
        schedule or resume is given.
    tol : float, optional
        Stop when F - F* is proven to be at most this, in nats per unit of weight; the default is the smaller of 1e-8 and
        1e-6/m, which keeps every coefficient within about 0.0015 of its standard error of the optimum.
    max_reads : int, optional
        newton starts no step after this many reads, 100 by default (newton-cg: 300); certifying may add a few. For gradient
        descent and sgd it is the same as `epochs`.
    epochs : int, optional
        Most epochs of gradient descent and sgd, 1000 and 100 by default; selects gradient descent. An epoch of gradient
        descent is one update and one read. An epoch of sgd visits each row once, and a second read measures it. The optimum,
        from which epochs are measured, is found first, in a few more reads.
    learning_rate : float or "auto"
        Step size; selects gradient descent. "auto" is 1/L_max, half the largest stable rate. For sgd it is eta_0, and "auto" is
        1/(2 E), with E the expected smoothness of the mini-batches (`diagnosis.expected_smoothness`).
    standardize : bool, "center" or (n,) mask
        Fit on (x - mean) / sd of these columns; penalty, rate, trace and gradients are then in those units. "center" fits on
        x - mean of all columns, which changes the path but neither the optimum nor the penalty.
    w0, b0
        The start, in the user's units; zeros by default. Not with `resume`. If F is lower at w = 0 and the best b for it,
        newton-cg starts there. For fewer rows than columns Newton starts at b0 and w = 0.
    feature_names : sequence of str, optional
        Default: the frame's columns, or x1, x2, ...
    coding : "reference" or "all"
        For categories: coefficients for all levels except the first, or for all levels.
    missing : "mark", "mean", "drop-rows", "error", or a dictionary of these by column
        "mark": fill missing numbers with the mean, and add a 0/1 column that marks these rows, if both classes have at least 10
        of them. A missing category becomes a level of its own, under the same condition; else it counts as the most frequent
        level. "mean": fill in without a mark. "drop-rows": leave these rows out of the fit. "error": refuse them. Columns that
        a dictionary does not name have "mark". The default is "mark" for tables; an array with missing values is refused.
        `Result.missing` lists what was done.
    columns : dict, optional
        What columns of a table are, by name: "categorical", "numeric", or parts of dates: "days" (since 1970-01-01), "year",
        "month", "weekday", "hour", or a list of parts. By default numbers are numbers, text is a category, and "13%" (13),
        "$1,200", dates (days) and times (hours) are numbers if the whole column is written so. Dates with a time zone, and
        their parts, are taken in UTC.
    reference : dict, optional
        The reference level of categories, by column; by default the first level.
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
    not_given = isinstance(learning_rate, str) and learning_rate == "auto"
    spec = FitSpec.of(
        alpha=alpha, C=C, fit_intercept=fit_intercept, method=method, tol=tol, max_reads=max_reads, epochs=epochs,
        learning_rate=None if not_given else learning_rate, standardize=standardize, w0=w0, b0=b0, n_threads=n_threads,
        callbacks=callbacks, batch_size=batch_size, schedule=schedule, seed=seed, resume=resume, loss=loss, penalty=penalty,
    )  # fmt: skip
    try:
        rows, classes = rows_of(X, y, sample_weight, feature_names, coding, spec.n_threads, missing, columns, reference)
        result, names = fit_rows(spec, rows, classes, started), names_of(X, y)
        return replace(result, **names) if names else result
    except KeyboardInterrupt as stop:
        so_far = getattr(stop, "result", None)
        stop.result = so_far and replace(so_far, **names_of(X, y))  # type: ignore[attr-defined]
        raise


def names_of(X: Any, y: Any) -> dict[str, Any]:
    """Name y, and the library of X if coefficients can be given as its frames."""
    columns, library = list(getattr(y, "columns", [])), type(X).__module__.partition(".")[0]
    name = columns[0] if columns else getattr(y, "name", None)
    target = {} if name is None or callable(name) or not str(name) else {"target": str(name)}
    return target | ({"library": library} if library in ("pandas", "polars") else {})


def fit_rows(
    spec: FitSpec, rows: Rows, classes: tuple[Any, Any], started: float, reference: Reference | None = None
) -> Result:
    """Fit checked rows with checked options. classes : the labels of y = 0 and y = 1.

    reference : the optimum to measure descent from, of a `Result` on the same data and objective; by default found first.
    Raises KeyboardInterrupt on Ctrl-C; from the first epoch on, its `result` is the best result so far.
    """
    if spec.resume is not None and spec.resume.classes != classes:
        raise InputError(f"resume: the classes were {spec.resume.classes} and are {classes}: resume on the same data")
    spec, kernel, n = spec.on_rows(rows.n_rows, rows.sum_weights), kernel_name(), rows.n_features
    penalty = spec.penalty_on(n)
    shape = Shape.of(rows, penalty)
    method, why = choose_method(spec, shape)
    start = check_start(*spec.start, n, spec.fit_intercept)
    rows = rows if spec.batches is None else as_batches(rows)
    loading = time.perf_counter()
    from chainrule.fitting.task import as_returned

    run = method.load()
    started += time.perf_counter() - loading  # importing SciPy at the first fit doesn't count
    problem = Problem.of(spec, rows, start, classes, started, reference, penalty)
    # extreme scales and penalties may overflow; then nothing is proven
    with one_blas_thread(), np.errstate(over="ignore", invalid="ignore"):
        ending = as_returned(problem, run(problem))
        if is_for_newton(method, ending, spec, shape):
            why = f"newton-cg had proven too little after {rows.reads:.0f} reads"
            method, again = NEWTON, replace(problem, start=ending.point)
            ending = as_returned(again, method.load()(again))
        result = _result(problem, ending, (method.name, why), classes, kernel)
    for found in (*rows.said, *ending.said):
        if found.warning is not None:
            warn_of(found)
    if result.reason == "interrupted":
        interrupt = KeyboardInterrupt(result.message)
        interrupt.result = result  # type: ignore[attr-defined]
        raise interrupt
    return result


def _result(problem: Problem, ending: Ending, method: tuple[str, str], classes: tuple[Any, Any], kernel: str) -> Result:
    rows, options, outcome, units = problem.rows, problem.options, ending.outcome, ending.units
    limit = ending.limit
    names, encodings = (rows.feature_names, rows.encodings) if limit is None else limit.names
    infinite = np.zeros(len(ending.w_fit), dtype=np.int8) if limit is None else limit.infinite
    (w, b), state = ending.point, outcome.state
    refuse_beyond_float64(w, names)
    said = (*rows.said, *ending.said_at_once, *ending.said)
    before, batches = options.resume, options.batches
    seconds = time.perf_counter() - problem.started
    in_numpy = "" if is_native(options.loss) else f", {options.loss.name} loss in NumPy"
    return Result(
        w=w, b=b, w_fit=ending.w_fit, b_fit=ending.b_fit, center=units.center, scale=units.scale,
        feature_names=names, infinite=infinite, classes=classes, method=method[0], method_reason=method[1],
        reason=outcome.reason, findings=(ending.how, *said), front=options.front,
        objective=ending.objective, loss=state.evaluation.loss, objective_line=objective_line(problem, ending),
        accuracy=state.evaluation.accuracy, grad_norm=state.evaluation.grad_norm,
        alpha=options.alpha, fit_intercept=options.fit_intercept, tol=options.tol,
        learning_rate=ending.learning_rate, learning_rate_limit=ending.learning_rate_limit,
        epochs_needed=ending.epochs_needed, epoch=outcome.epoch, n_epochs=outcome.n_epochs, trace=outcome.trace,
        n_rows=rows.n_rows, sum_weights=rows.sum_weights, encodings=encodings, missing=rows.missing, n_dropped=rows.dropped,
        reads=rows.reads + (0.0 if before is None else before.reads),
        seconds=seconds + (0.0 if before is None else before.seconds),
        kernel=kernel + in_numpy, storage=rows.design.storage, threads=rows.threads, copies=rows.copies + ending.copies,
        certificate=replace(ending.certificate, reads=rows.reads, seconds=seconds),
        batch_size=None if batches is None else batches.size,
        seed=None if batches is None else batches.seed,
        schedule=None if batches is None else batches.schedule,
        rows_digest=None if batches is None else digest(rows),
        carried=ending.carried, reference=_reference(ending), loss_name=options.loss.name,
        facts=Facts.of(rows if limit is None else limit.renamed),  # last: its sample is not counted among the reads
    )  # fmt: skip


def _reference(ending: Ending) -> Reference | None:
    """Return the optimum, or the proven infimum, to measure other runs from."""
    from chainrule.fitting.reference import Reference

    reason, is_newton = ending.outcome.reason, isinstance(ending.outcome.state, NewtonState)
    is_done = reason == "no_optimum" or (reason == "converged" and is_newton)
    return Reference.of_ending(ending) if is_done else None
