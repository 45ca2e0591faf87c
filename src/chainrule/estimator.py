"""A scikit-learn classifier over `chainrule.fit`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

try:  # scikit-learn 1.9
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:
    CallbackSupportMixin, with_callbacks = object, lambda method: method

from chainrule.data.encoding import UNSEEN
from chainrule.data.frames import collected, column_names, is_frame, is_table
from chainrule.data.inputs import check_weights, choice, number, was_copied
from chainrule.errors import InputError, NotConvergedWarning
from chainrule.findings import warnings_as
from chainrule.fitted import Fitted
from chainrule.fitting.fit import fit, names_of
from chainrule.losses import LOSSES
from chainrule.solvers import Step

FLOATS = [np.float64, np.float32]
PASSED = (
    "alpha", "C", "fit_intercept", "method", "tol", "max_reads", "learning_rate", "standardize", "coding", "missing",
    "columns", "reference",
    "n_threads", "loss", "penalty",
)  # fmt: skip


class UnconvergedWarning(NotConvergedWarning, ConvergenceWarning):  # type: ignore[misc]
    """Training ended before it reached `tol`; also a `ConvergenceWarning`, for scikit-learn's filters."""


class LogisticRegression(CallbackSupportMixin, ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Logistic regression as a scikit-learn classifier: F = (1/S) sum s l + (alpha/2) w.w, b never penalised.

    scikit-learn's callbacks (`set_callbacks`) see each step as a task and may end the fit. Unless X is a table, they also get
    an estimator that predicts as if the fit had ended at that step.

    Parameters
    ----------
    alpha, C, tol, method, fit_intercept, max_reads, learning_rate, standardize, coding, columns, reference, n_threads, loss,
    penalty
        As in `chainrule.fit`.
    missing : "mark", "mean", "drop-rows", "error", or a dictionary of these by column
        As in `chainrule.fit`; needed if X is an array with missing values. Predictions treat missing values as the fit did. If
        it left such rows out, they are filled with the mean, or the most frequent level, of the rows that it used.
    unseen : "error", "reference" or "missing"
        How predictions treat a level that the fit did not see: refuse it, or take it as the first level or as missing.
        "reference" also fills missing numbers with the mean in columns that had none missing in the fit.
    class_weight : dict or "balanced", optional
        Multiplies each row's weight by its class's weight.
    warm_start : bool
        Start at the previous fit's coefficients; it must have had as many columns.
    verbose : bool or int
        Print a line after each step: reads of the data, F, and the bound on F - F*.

    Attributes
    ----------
    coef_ : (1, n), n coefficients; intercept_ : (1,); classes_ : (2,); n_iter_ : (1,)
    n_features_in_, feature_names_in_
    result_ : Result
        Everything that is known about the fit.
    """

    def __init__(
        self,
        alpha: float | None = None,
        C: float | None = None,
        *,
        tol: float | None = None,
        method: str = "auto",
        fit_intercept: bool = True,
        class_weight: dict[Any, float] | str | None = None,
        max_reads: int | None = None,
        learning_rate: float | str = "auto",
        standardize: bool | str = False,
        coding: str = "reference",
        missing: str | dict[str, str] | None = None,
        columns: dict[str, Any] | None = None,
        reference: dict[str, Any] | None = None,
        unseen: str = "error",
        n_threads: int | None = None,
        loss: str = "logistic",
        penalty: str = "ridge",
        warm_start: bool = False,
        verbose: bool | int = False,
    ) -> None:
        self.alpha = alpha
        self.C = C
        self.tol = tol
        self.method = method
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.max_reads = max_reads
        self.learning_rate = learning_rate
        self.standardize = standardize
        self.coding = coding
        self.missing = missing
        self.columns = columns
        self.reference = reference
        self.unseen = unseen
        self.n_threads = n_threads
        self.loss = loss
        self.penalty = penalty
        self.warm_start = warm_start
        self.verbose = verbose

    @with_callbacks  # type: ignore[untyped-decorator]
    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit on X (m, n), dense, sparse or a table with categories, and y (m,), two labels; returns self."""
        choice("unseen", self.unseen, UNSEEN)
        given, named, of_table = (
            X,
            names_of(X, y),
            is_table(X) or (is_frame(X) and bool(self.columns or self.reference)),
        )
        if of_table:
            if y is None:
                raise InputError(f"y must have one label a row, {len(X)} of them, not None")
            X = collected(X)
            self.feature_names_in_ = np.array(column_names(X), dtype=object)
            self.n_features_in_ = len(self.feature_names_in_)
            y = column_or_1d(y, warn=True)
        else:
            # Finite values are checked in the native read, which skips rows of weight 0.
            X, y = _validated(
                self, X, y, accept_sparse=True, dtype=FLOATS, ensure_all_finite=False, ensure_min_samples=2
            )
        s = check_weights(sample_weight, np.zeros(np.size(y), dtype=np.uint8), needs_both_classes=False)
        if self.class_weight is not None:
            s = self._weighted_by_class(np.asarray(y), np.ones(np.size(y)) if s is None else s)
        w0, b0 = self._start() if self.warm_start and hasattr(self, "coef_") else (None, None)
        tasks = _Tasks(self, X, y, sample_weight, of_table) if hasattr(self, "_skl_callbacks") else None
        try:
            with warnings_as({NotConvergedWarning: UnconvergedWarning}):
                self.result_ = fit(
                    X,
                    y,
                    w0=w0,
                    b0=b0,
                    callbacks=[*([_tell] if self.verbose else []), *([tasks] if tasks else [])],
                    sample_weight=s,
                    feature_names=None if of_table else getattr(self, "feature_names_in_", None),
                    **{name: getattr(self, name) for name in PASSED},
                )
        except KeyboardInterrupt as stop:
            if tasks is None or not tasks.stopped:
                raise
            self.result_ = stop.result  # type: ignore[attr-defined]
        copies = 1 if not of_table and _was_converted(given, X) else self.result_.copies
        self.result_ = replace(self.result_, copies=copies, **named)
        self.classes_ = np.array(self.result_.classes, dtype=np.asarray(y).dtype)
        self.coef_ = self.result_.w.reshape(1, -1)
        self.intercept_ = np.array([self.result_.b])
        self.n_iter_ = np.array([self.result_.n_epochs])
        self._encodings = self.result_.encodings
        if tasks is not None:
            tasks.end()
        return self

    def _start(self) -> tuple[NDArray[np.float64], float]:
        """Return the point where the previous fit ended."""
        n = len(self.coef_[0])
        if self._encodings is None and self.n_features_in_ != n:
            given = f"the previous fit had {n} columns, and X has {self.n_features_in_}"
            raise InputError(f"warm_start: {given}: fit a new estimator")
        return self.coef_[0], float(self.intercept_[0])

    def _weighted_by_class(self, y: NDArray[Any], s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Multiply s by the class's weight; "balanced" gives each class half of S (King and Zeng 2001)."""
        classes, codes = np.unique(y, return_inverse=True)
        if isinstance(self.class_weight, dict):
            unknown = [label for label in self.class_weight if label not in classes]
            if unknown:
                raise InputError(f"class_weight names {unknown[0]!r}, which is no label of y: take {classes.tolist()}")
            given = [self.class_weight.get(label, 1.0) for label in classes.tolist()]
            factors = np.array([number("class_weight", weight, low=0.0) for weight in given])
        elif isinstance(self.class_weight, str) and self.class_weight == "balanced":
            weight = np.bincount(codes, weights=s)
            factors = s.sum() / (len(classes) * np.where(weight > 0, weight, 1.0))
        else:
            raise InputError(f"class_weight must be None, 'balanced' or a dict, not {self.class_weight!r}")
        return np.asarray(s * factors[codes])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.sparse = self.missing is None
        tags.input_tags.allow_nan = self.missing is not None
        return tags

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Log-odds z = x.w + b of each row, (m,); finite, with `coef_` in place of infinite coefficients."""
        return self._log_odds(X, Fitted.decision_function)

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probabilities of classes_[0] and classes_[1], (m, 2), each with full relative accuracy.

        0 and 1 where an infinite coefficient decides (`Result.infinite`), and NaN with a warning where two of both signs meet.
        """
        z, probability = self._log_odds(X, Fitted.log_odds), LOSSES[self.loss].probability
        return np.column_stack([probability(-z), probability(z)])

    def predict(self, X: Any) -> NDArray[Any]:
        """Class of each row, (m,): classes_[1] if z > 0; where z is undetermined, classes_[0] with a warning."""
        z = self._log_odds(X, Fitted.log_odds)
        return np.asarray(self.classes_[(z > 0).astype(np.intp)])

    def _log_odds(self, X: Any, of: Callable[[Fitted, Any, str], NDArray[np.float64]]) -> NDArray[np.float64]:
        """Return the log-odds that a method of the result gives for a table; for numbers x.w + b."""
        check_is_fitted(self)
        if self._encodings is None and not is_table(X):
            X = _validated(self, X, accept_sparse="csr", dtype=FLOATS, reset=False)
            return np.asarray(X @ self.coef_[0] + self.intercept_[0], dtype=np.float64)
        if self._encodings is not None and self.missing is not None and not is_frame(X):
            array = _validated(self, X, dtype=FLOATS, reset=False, ensure_all_finite=False)
            X = dict(zip([column.name for column in self._encodings], array.T, strict=True))
        return of(self.result_, X, self.unseen)


class _Tasks:
    """scikit-learn's callbacks of a fit: each step is a task, and any callback may end the fit."""

    def __init__(self, estimator: LogisticRegression, X: Any, y: Any, s: Any, of_table: bool) -> None:
        weights = None if s is None else {"sample_weight": s}
        self.told = {"estimator": estimator, "X": X, "y": y, "metadata": weights}
        self.fitted = None if of_table else {"classes_": np.unique(y), "_encodings": None}
        self.root = estimator._init_callback_context(max_subtasks=None)
        self.root.call_on_fit_task_begin(**self.told)
        self.task: Any = None
        self.stopped = False

    def __call__(self, step: Step) -> None:
        """End a step's task, and begin the next one's."""
        if self.stopped:  # raised one step late, when the trace has the step at which it stopped
            raise KeyboardInterrupt
        if self.task is not None:
            w, b = step.units.to_user(step.w, step.b)
            at = None if self.fitted is None else self.fitted | {"coef_": w.reshape(1, -1), "intercept_": np.array([b])}
            self.stopped = self.task.call_on_fit_task_end(**self.told, reconstruction_attributes=at)
        self.task = self.root.subcontext(task_name="step").call_on_fit_task_begin(**self.told)

    def end(self) -> None:
        """End the task that began but had no step, and the fit's task."""
        self.task.call_on_fit_task_end(estimator=self.told["estimator"])
        self.root.call_on_fit_task_end(**self.told, reconstruction_attributes={})


def _tell(step: Step) -> None:
    bound = f"F - F* <= {step.gap:.2g}" if np.isfinite(step.gap) else "no bound yet"
    print(f"step {step.epoch}: {step.reads:.1f} reads, F = {step.objective:.10g}, {bound}", flush=True)


def _validated(estimator: LogisticRegression, X: Any, *y: Any, **options: Any) -> Any:
    """Check X, and y if given, as scikit-learn does, and also what scikit-learn doesn't check."""
    if isinstance(X, np.ma.MaskedArray) and np.ma.is_masked(X):
        raise InputError("X has masked elements: fill them in, or drop their rows")
    try:
        return validate_data(estimator, X, *y, **options)
    except OverflowError:
        raise InputError("X has numbers that a float64 doesn't hold: make them smaller") from None


def _was_converted(given: Any, X: Any) -> bool:
    """Whether X is a copy that scikit-learn made of the given X."""
    return bool(X.dtype != given.dtype) if issparse(X) else was_copied(given, np.asarray(X))
