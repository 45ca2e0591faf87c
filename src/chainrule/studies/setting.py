"""What the runs of a study share: the data, how they run, and the optimum and curvature that measure them."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.data.inputs import check_weights, encode_labels, matrix, number, standardized_columns, whole_number
from chainrule.data.rows import MAX_MATRIX_COLUMNS, Rows
from chainrule.errors import ChainruleWarning, InputError
from chainrule.fitting.fit import run as fit_as_asked
from chainrule.fitting.reference import Reference
from chainrule.fitting.result import Result
from chainrule.fitting.spec import FitSpec
from chainrule.kernels.blocks import Blocks
from chainrule.objective import DataObjective
from chainrule.penalties import ridge
from chainrule.studies.curvature import Curvature

Vector = NDArray[np.float64]
Standardize = bool | str | NDArray[np.bool_]
Progress = Callable[[str, int, int], None]


class Shared(TypedDict, total=False):
    """What every study takes.

    sample_weight, alpha, feature_names, n_threads : as `chainrule.fit`.
    within : float
        Near the optimum is where F - F* is proven to be at most this, nats per unit of weight; 0.001.
    classes : pair of str
        Names of y = 0 and y = 1; default: its labels.
    progress : callable
        Told (run, epoch, epochs at most).
    """

    sample_weight: ArrayLike | None
    alpha: float
    feature_names: Sequence[str] | None
    n_threads: int | None
    within: float
    classes: tuple[str, str] | None
    progress: Progress | None


@dataclass(frozen=True)
class Optimum:
    """The optimum that runs are measured by, found by Newton's method.

    Attributes
    ----------
    exists : bool
        Whether it is certified; if not, distances are from a proven lower bound on inf F.
    objective : float
        F*, or that lower bound.
    why : str
        Why there is none; the study's notes say what to do about it.
    w, b
        In the user's units.
    reads, steps
        Of Newton's method.
    reference : Reference
        What `fit` measures runs by.
    """

    exists: bool
    objective: float
    why: str
    w: Vector
    b: float
    reads: float
    steps: int
    reference: Reference | None = field(repr=False)


@dataclass(frozen=True, eq=False)
class Form:
    """One form of the columns, and what theory says of gradient descent on it.

    Attributes
    ----------
    label : str
    standardize : bool, str or (n,) mask
        As `chainrule.fit`.
    limit : float
        2/L_max, known before training: no smaller rate ever raises F. inf where there is no curvature.
    local_limit : float or None
        2/lambda_max(H(w*)): at a larger rate no run settles at the optimum. None where there is none.
    start, end : Curvature or None
        At zeros and at the optimum.
    optimum : Optimum
    hessian : (p, p) float64 or None
        At the optimum, in the fit's units.
    """

    label: str
    standardize: Standardize
    limit: float
    local_limit: float | None
    start: Curvature | None
    end: Curvature | None
    optimum: Optimum
    hessian: NDArray[np.float64] | None = field(repr=False)

    @property
    def condition(self) -> float | None:
        """Condition number at the optimum; at the start, where there is none."""
        told = self.end or self.start
        return None if told is None else told.condition


@dataclass(frozen=True, eq=False)
class Setting:
    """Checked data and how its runs go. X (m, n), y (m,) uint8, s (m,) or None; epochs of a run at most."""

    X: NDArray[np.floating]
    y: NDArray[np.uint8]
    s: Vector | None
    names: tuple[str, ...]
    classes: tuple[Any, Any]
    alpha: float
    n_threads: int | None
    epochs: int
    within: float
    progress: Progress | None

    @classmethod
    def of(
        cls, X: ArrayLike, y: ArrayLike, epochs: int, *, sample_weight: ArrayLike | None = None, alpha: float = 0.0,
        feature_names: Sequence[str] | None = None, n_threads: int | None = None, within: float = 1e-3,
        classes: tuple[str, str] | None = None, progress: Progress | None = None,
    ) -> Setting:  # fmt: skip
        """Check what a user handed over; raises InputError."""
        epochs, within = whole_number("epochs", epochs, 1), number("within", within, above=0.0)
        array, names, _ = matrix(X, feature_names)
        codes, labels = encode_labels(y, len(array))
        if classes is not None and (not isinstance(classes, list | tuple) or len(classes) != 2):
            raise InputError(f"classes must be two names, those of y = 0 and y = 1, not {classes!r}")
        s, alpha = check_weights(sample_weight, codes), number("alpha", alpha, low=0.0)
        named = labels if classes is None else (classes[0], classes[1])
        return cls(array, codes, s, names, named, alpha, n_threads, epochs, within, progress)

    def part(self, rows: NDArray[np.int64]) -> Setting:
        """Give the same on some rows: a copy of them."""
        return replace(self, X=self.X[rows], y=self.y[rows], s=None if self.s is None else self.s[rows])

    def fit(self, reference: Reference | None = None, **options: Any) -> Result:
        """Fit; the study itself says what a warning would. reference : what the run is measured by."""
        spec = FitSpec.of(alpha=self.alpha, n_threads=self.n_threads, **options)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ChainruleWarning)
            return fit_as_asked(spec, self.rows(), self.classes, time.perf_counter(), reference)

    def rows(self) -> Rows:
        """See the rows as they are."""
        return Rows.of(Blocks.dense(self.X), self.y, self.s, self.names, self.n_threads)

    def optimum(self, standardize: Standardize) -> tuple[Optimum, tuple[str, ...]]:
        """Find the optimum, and notes on the data."""
        result = self.fit(method="newton", standardize=standardize)
        proven = result.certificate
        exists, low = proven.kind in ("bound", "reduced"), max(0.0, proven.infimum_at_least)
        objective = result.objective if exists else low if math.isfinite(low) else 0.0
        why = "" if exists else (proven.reason or "nothing is proven").split(":")[0].split(";")[0].rstrip(".")
        found = Optimum(exists, objective, why, result.w, result.b, result.reads, result.n_epochs, result.reference)
        return found, result.warnings

    def form(self, label: str, standardize: Standardize, optimum: Optimum, *, is_curved: bool) -> Form:
        """Measure a form of the columns. is_curved: also its curvatures, unless the columns are too many."""
        how = {"method": "gradient-descent", "tol": self.within, "max_reads": 0, "standardize": standardize}
        limit = self.fit(optimum.reference, **how).learning_rate_limit
        assert limit is not None
        start = end = hessian = None
        if is_curved and len(self.names) <= MAX_MATRIX_COLUMNS:
            start = Curvature.of(self._hessian(standardize, np.zeros(len(self.names)), 0.0))
            if optimum.exists:
                end = Curvature.of(hessian := self._hessian(standardize, optimum.w, optimum.b))
        local = end.limit if end is not None and math.isfinite(end.limit) else None
        return Form(label, standardize, limit, local, start, end, optimum, hessian)

    def _hessian(self, standardize: Standardize, w: Vector, b: float) -> NDArray[np.float64]:
        """Read the Hessian at a point of the user's units, in the units of the form."""
        rows = self.rows()
        columns, is_scaled = standardized_columns(standardize, np.ones(len(self.names), dtype=np.bool_), True)
        if columns.any():
            rows = rows.standardize(columns, is_scaled)
        objective = DataObjective(rows, ridge(self.alpha, rows.n_features))
        return objective.hessian(np.append(*rows.units.to_fit(w, b)))
