"""What all runs of a study share: the data, the objective, its optimum, its curvature."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.data.inputs import check_weights, encode_labels, matrix, number, standardized_columns, switch
from chainrule.data.rows import MAX_MATRIX_COLUMNS, DenseRows
from chainrule.errors import ChainruleWarning, InputError
from chainrule.findings import Finding, said_by
from chainrule.fitting.audit import MAX_HESSIAN_COLUMNS
from chainrule.fitting.fit import fit
from chainrule.fitting.result import Result
from chainrule.objective import Objective
from chainrule.penalties import ridge
from chainrule.solvers import Callback
from chainrule.studies.curvature import Curvature

Vector = NDArray[np.float64]
Standardize = bool | str | NDArray[np.bool_]
Progress = Callable[[str, int, int], None]  # (which run, its epoch, its epochs at most)


@contextmanager
def quiet() -> Iterator[None]:
    """Leave out the warnings of a study's fits: the study itself says what happened."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ChainruleWarning)
        yield


@dataclass(frozen=True)
class Optimum:
    """What the runs of a study are measured by, found by Newton's method.

    Attributes
    ----------
    exists : bool
        Whether it is certified; else distances are from inf F, or from what inf F is proven to be at least.
    objective : float
        F*; or what inf F is at least.
    why : str
        Why there is none.
    w, b
        In the user's units.
    reads, steps
        Of Newton's method.
    """

    exists: bool
    objective: float
    why: str
    w: Vector
    b: float
    reads: float
    steps: int

    @property
    def cause(self) -> str:
        """Why there is none, without what to do about it."""
        return self.why.split(":")[0].split(";")[0]

    @property
    def name(self) -> str:
        """What distances are from, in words."""
        return "the optimum" if self.exists else "the infimum"


@dataclass(frozen=True, eq=False)
class Setting:
    """Checked data and the objective of a study. X (m, n), y (m,) uint8, s (m,) or None."""

    X: NDArray[np.floating]
    y: NDArray[np.uint8]
    s: Vector | None
    names: tuple[str, ...]
    classes: tuple[Any, Any]
    alpha: float
    fit_intercept: bool
    n_threads: int | None
    may_standardize: bool = True  # whether the study's user may; the messages of its runs tell

    @classmethod
    def of(
        cls,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None,
        *,
        alpha: float = 0.0,
        fit_intercept: bool = True,
        feature_names: Sequence[str] | None = None,
        n_threads: int | None = None,
        may_standardize: bool = True,
    ) -> Setting:
        """Check what a user handed over; raises InputError."""
        array, names, _ = matrix(X, feature_names)
        codes, classes = encode_labels(y, len(array))
        s = check_weights(sample_weight, codes)
        return cls(
            array,
            codes,
            s,
            names,
            classes,
            number("alpha", alpha, low=0.0),
            switch("fit_intercept", fit_intercept),
            n_threads,
            may_standardize,
        )

    def part(self, rows: NDArray[np.intp]) -> Setting:
        """Give the same on some rows: a copy of them."""
        s = None if self.s is None else self.s[rows]
        return replace(self, X=self.X[rows], y=self.y[rows], s=s)

    def descend(
        self,
        rate: float | str,
        epochs: int,
        tol: float,
        standardize: Standardize = False,
        callbacks: Sequence[Callback] = (),
        **options: Any,
    ) -> Result:
        """Run gradient descent, or the method named in `options`, from zeros."""
        with quiet(), self._in_its_words():
            return fit(
                self.X,
                self.y,
                sample_weight=self.s,
                alpha=self.alpha,
                fit_intercept=self.fit_intercept,
                feature_names=self.names,
                n_threads=self.n_threads,
                tol=tol,
                max_reads=epochs,
                learning_rate=rate,
                standardize=standardize,
                callbacks=callbacks,
                **({"method": "gradient-descent"} | options),
            )

    def optimum(self, standardize: Standardize = False) -> tuple[Optimum, tuple[str, ...]]:
        """Find the optimum by Newton's method, and what is to be known of the data."""
        n = len(self.names)
        if n > MAX_HESSIAN_COLUMNS:
            why = f"{n:,} columns are too many for a Hessian"
            return Optimum(False, 0.0, why, np.zeros(n), 0.0, 0.0, 0), ()
        with quiet():
            result = fit(
                self.X,
                self.y,
                sample_weight=self.s,
                alpha=self.alpha,
                fit_intercept=self.fit_intercept,
                method="newton",
                feature_names=self.names,
                n_threads=self.n_threads,
                standardize=standardize,
            )
        proven = result.certificate
        exists = proven.kind in ("bound", "reduced")
        objective = result.objective if exists else max(0.0, proven.infimum_at_least)
        if not math.isfinite(objective):
            objective = 0.0
        found = Optimum(
            exists,
            objective,
            "" if exists else (proven.reason or "nothing is proven").rstrip("."),
            result.w,
            result.b,
            result.reads,
            result.n_epochs,
        )
        return found, result.warnings

    def curvature(
        self, standardize: Standardize, optimum: Optimum
    ) -> tuple[Curvature | None, Curvature | None, NDArray[np.float64] | None]:
        """Curvature at the start (zeros) and at the optimum, and the Hessian there, in the units of `standardize`.

        None where there is no optimum, or where the columns are too many.
        """
        if len(self.names) > MAX_MATRIX_COLUMNS:
            return None, None, None
        rows = self._seen(standardize)
        objective = Objective(rows, ridge(self.alpha, rows.n_features), self.fit_intercept)

        def at(w: Vector, b: float) -> NDArray[np.float64]:
            hessian = objective.evaluate(w, b, hessian=True).hessian
            assert hessian is not None
            return hessian if self.fit_intercept else hessian[:-1, :-1]

        start = Curvature.of(at(np.zeros(len(self.names)), 0.0))
        if not optimum.exists:
            return start, None, None
        hessian = at(*rows.units.to_fit(optimum.w, optimum.b))
        return start, Curvature.of(hessian), hessian

    @contextmanager
    def _in_its_words(self) -> Iterator[None]:
        """Name no way out that the study doesn't have."""
        try:
            yield
        except InputError as error:
            if self.may_standardize or said_by(error) != Finding("too large for any rate"):
                raise
            raise InputError("the columns are too large for any learning rate: divide them by a constant") from None

    def _seen(self, standardize: Standardize) -> DenseRows:
        rows = DenseRows(self.X, self.y, self.s, self.names, self.n_threads)
        columns, scaled = standardized_columns(
            standardize, np.ones(len(self.names), dtype=np.bool_), self.fit_intercept
        )
        if columns.any():
            rows.standardize(columns, scaled)
        return rows


def whole_number(name: str, value: object, least: int) -> int:
    """`value` as an int of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise InputError(f"{name} must be a whole number from {least}, not {value!r}")
    return int(value)
