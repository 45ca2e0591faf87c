"""The runs of a study: each is a `fit`, measured by the certified optimum and its curvature, and kept as arrays."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.data.designs import rows_of
from chainrule.data.inputs import number, strength, whole_number
from chainrule.data.rows import MAX_MATRIX_COLUMNS, Rows, Units
from chainrule.data.rows.rows import Tally
from chainrule.diagnosis import epochs_left
from chainrule.errors import ChainruleWarning, InputError
from chainrule.findings import PYTHON, Front
from chainrule.fitting.fit import fit_rows
from chainrule.fitting.held_out import HeldOut
from chainrule.fitting.problem import Problem
from chainrule.fitting.reference import Reference
from chainrule.fitting.result import Result
from chainrule.fitting.spec import FitSpec
from chainrule.solvers import Step
from chainrule.studies.curvature import Curvature
from chainrule.words import estimate

Vector = NDArray[np.float64]
Standardize = bool | str | NDArray[np.bool_]
Progress = Callable[[str, int, int], None]

ROUNDING = 1e-12  # of F: a smaller rise is rounding
LEAST = 10  # epochs before a run can be said to diverge


class Shared(TypedDict, total=False):
    """The arguments that every study takes.

    sample_weight, alpha, C, feature_names, n_threads : as `chainrule.fit`.
    within : float
        A point is near the optimum if F - F* is proven to be at most this, nats per unit of weight; 0.001.
    classes : pair of str
        Names of y = 0 and y = 1; default: its labels.
    progress : callable
        Told (run, epoch, epochs at most).
    front : Front
        Whose options warnings name, Python's or the command line's.
    """

    sample_weight: ArrayLike | None
    alpha: float | None
    C: float | None
    feature_names: Sequence[str] | None
    n_threads: int | None
    within: float
    classes: tuple[str, str] | None
    progress: Progress | None
    front: Front


@dataclass(frozen=True)
class Optimum:
    """The optimum that runs are measured from, found by Newton's method.

    Attributes
    ----------
    exists : bool
        Whether it is certified; if not, distances are from a proven lower bound on inf F.
    objective : float
        F*, or that lower bound.
    why : str
        Why there is no optimum; the study's notes say what to do about it.
    w, b
        In the user's units.
    reads, steps
        Of Newton's method.
    reference : Reference
        What `fit` measures runs from.
    notes : tuple of str
        Warnings of Newton's method about the data.
    """

    exists: bool
    objective: float
    why: str
    w: Vector
    b: float
    reads: float
    steps: int
    reference: Reference | None = field(repr=False)
    notes: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, eq=False)
class Form:
    """One form of the columns, and what theory says about gradient descent on it.

    Attributes
    ----------
    label : str
    standardize : bool, str or (n,) mask
        As `chainrule.fit`.
    limit : float
        2/L_max, known before training: no smaller rate ever raises F. inf if there is no curvature.
    local_limit : float or None
        2/lambda_max(H(w*)): at a larger rate no run settles at the optimum. None if there is no optimum.
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
        """Condition number at the optimum; at the start, if there is no optimum."""
        told = self.end or self.start
        return None if told is None else told.condition


@dataclass(frozen=True, eq=False)
class Run:
    """One run from zeros.

    Attributes
    ----------
    label : str
    rate : float
        The learning rate; the first one if it falls.
    happened : str
        "converges": it came near the optimum, and no epoch raised F. "crawls": no epoch raised F, and it did not come near the
        optimum. "recovers": an epoch raised F, by more than rounding, but at the end it is near and may settle there, since its
        rate is below 2/lambda_max(H(w*)). "oscillates": an epoch raised F, and it does not recover. "diverges": F became
        infinite or NaN, or stayed above its start in the second half of the epochs. `batches` has its own words.
    objective, gap : (k,) float64
        F after each epoch from 0 on, and the proven bound on F - F* (inf if nothing is proven).
    n_epochs : int
        Epochs run.
    raised : int
        Epochs that raised F.
    reached : float or None
        First epoch after which it is proven to be near the optimum; an estimate if `estimated`; None if it never came
        near, or no estimate is possible.
    curves : dict of (k,) float64
        What else was measured after each epoch.
    result : Result
        What `fit` returned.
    """

    label: str
    rate: float
    happened: str
    objective: Vector
    gap: Vector
    n_epochs: int
    raised: int
    reached: float | None
    estimated: bool
    curves: Mapping[str, Vector]
    result: Result = field(repr=False)

    @property
    def epochs(self) -> Vector:
        """0, 1, ..., (k,)."""
        return np.arange(float(len(self.gap)))

    @property
    def level(self) -> float:
        """Median of F - F* over the last tenth of the epochs; for runs of batches."""
        return float(self.curves["level"][-1])

    def took(self, about: str = "≈ ", above: str = "> ") -> str:
        """Write after how many epochs the run came near the optimum or would, or that it needs more than it had."""
        if self.reached is not None:
            return estimate(self.reached, about, above) if self.estimated else f"{self.reached:,.0f}"
        return f"{above if self.happened == 'crawls' else 'not in '}{self.n_epochs:,}"


@dataclass(frozen=True, eq=False)
class Setting:
    """Checked rows in the user's units, and the limits of runs on them: the most epochs, and what is near the optimum."""

    rows: Rows
    classes: tuple[Any, Any]
    alpha: float
    epochs: int
    within: float
    progress: Progress | None
    front: Front

    @classmethod
    def of(
        cls, X: ArrayLike | Rows, y: Any, epochs: int, *, sample_weight: ArrayLike | None = None, alpha: float | None = None,
        C: float | None = None, feature_names: Sequence[str] | None = None, n_threads: int | None = None, within: float = 1e-3,
        classes: tuple[str, str] | None = None, progress: Progress | None = None, front: Front = PYTHON,
    ) -> Setting:  # fmt: skip
        """Check a user's arguments; raises InputError. X : also rows that were checked, with their y, weights and names."""
        epochs, within = whole_number("epochs", epochs, 1), number("within", within, above=0.0)
        if classes is not None and (not isinstance(classes, list | tuple) or len(classes) != 2):
            raise InputError(f"classes must be two names, those of y = 0 and y = 1, not {classes!r}")
        given = X if isinstance(X, Rows) else None
        how = (sample_weight, feature_names)
        rows, labels = (given, ("0", "1")) if given else rows_of(X, y, *how, n_threads=n_threads)
        alpha = strength(alpha, C, rows.sum_weights)
        return cls(
            rows, labels if classes is None else (classes[0], classes[1]), alpha, epochs, within, progress, front
        )

    def fit(self, reference: Reference | None = None, **options: Any) -> Result:
        """Fit without warnings: the study reports their causes itself. reference : what the run is measured from."""
        spec = FitSpec.of(self.front, alpha=self.alpha, **options)
        # each run counts its own reads, but what an earlier run learned of the rows needs none
        unread = replace(self.rows, tally=Tally(self.rows.n_rows))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ChainruleWarning)
            return fit_rows(spec, unread, self.classes, time.perf_counter(), reference)

    def forms(self, ways: Iterable[tuple[str, Standardize]], *, is_curved: bool = True) -> list[Form]:
        """Measure forms of the columns, each given by a label and how to standardise. is_curved: also their curvatures."""
        forms: list[Form] = []
        for label, standardize in ways:
            # without a penalty the optimum is the same in all units
            optimum = forms[0].optimum if forms and not self.alpha else self._optimum(standardize)
            forms.append(self._form(label, standardize, optimum, is_curved))
        return forms

    def _optimum(self, standardize: Standardize) -> Optimum:
        result = self.fit(method="newton", standardize=standardize)
        proven = result.certificate
        exists, low = proven.kind in ("bound", "reduced"), max(0.0, proven.infimum_at_least)
        objective = result.objective if exists else low if math.isfinite(low) else 0.0
        why = "" if exists or proven.why is None else proven.why.head
        return Optimum(
            exists, objective, why, result.w, result.b, result.reads, result.n_epochs, result.reference, result.warnings
        )

    def _form(self, label: str, standardize: Standardize, optimum: Optimum, is_curved: bool) -> Form:
        how = {"method": "gradient-descent", "tol": self.within, "max_reads": 0, "standardize": standardize}
        limit, n = self.fit(optimum.reference, **how).learning_rate_limit, self.rows.n_features
        assert limit is not None
        start = end = hessian = None
        if is_curved and n <= MAX_MATRIX_COLUMNS:
            start = Curvature.of(self._hessian(standardize, np.zeros(n), 0.0))
            if optimum.exists:
                end = Curvature.of(hessian := self._hessian(standardize, optimum.w, optimum.b))
        local = end.limit if end is not None and math.isfinite(end.limit) else None
        return Form(label, standardize, limit, local, start, end, optimum, hessian)

    def _hessian(self, standardize: Standardize, w: Vector, b: float) -> NDArray[np.float64]:
        """Read the Hessian at a point of the user's units, in the units of the form."""
        spec = FitSpec.of(alpha=self.alpha, standardize=standardize)
        problem = Problem.of(spec, self.rows, (w, b), self.classes, 0.0).standardized()
        return problem.objective().hessian(np.append(*problem.rows.units.to_fit(w, b)))


def run(
    setting: Setting, form: Form, label: str, *, held_out: HeldOut | None = None, swings: bool = False, **options: Any
) -> Run:
    """Run `fit` with some options and summarise the run.

    held_out: rows to measure after each epoch. swings: for batches, whose single epochs say little, the curve "level" decides
    what happened.
    """
    kept: list[dict[str, float]] = []  # of every epoch, even if the trace is thinned

    def record(step: Step) -> dict[str, float]:
        told = {} if held_out is None else {"loss": step.loss, **held_out(step)}
        kept.append({"objective": step.objective, "gap": step.gap, **told})
        if setting.progress is not None:
            setting.progress(label, step.epoch, step.max_reads)
        return {}

    options = {"method": "gradient-descent", "tol": setting.within} | options
    options |= {"max_reads": setting.epochs, "standardize": form.standardize, "callbacks": (record,)}
    result = setting.fit(form.optimum.reference, **options)
    curves = {name: np.array([line[name] for line in kept]) for name in kept[0]}
    objective, gap = curves.pop("objective"), curves.pop("gap")
    there = np.flatnonzero(gap <= setting.within)
    reached, rate = float(there[0]) if len(there) else None, float(result.learning_rate or 0.0)
    raised = int(np.count_nonzero(np.diff(objective) > ROUNDING * (1.0 + np.abs(objective[:-1]))))
    more = None
    if swings:
        curves["level"] = levels(gap)
    stays_above = len(objective) > LEAST and objective[len(objective) // 2 :].min() > objective[0]
    if result.reason in ("diverged", "non_finite") or (swings and stays_above):
        happened = "diverges"
    elif swings:
        was_there = reached is not None or result.reason == "noise_floor"
        happened = "converges" if curves["level"][-1] <= setting.within else "hovers" if was_there else "crawls"
    elif raised:
        may_settle = form.local_limit is None or rate < form.local_limit
        happened = "diverges" if stays_above and reached is None else "oscillates"
        happened = "recovers" if gap[-1] <= setting.within and may_settle else happened
    else:
        happened = "crawls" if reached is None else "converges"
        more = _epochs_left(result, form, gap, setting.within) if reached is None else None
    reached = reached if more is None else result.n_epochs + more
    return Run(
        label, rate, happened, objective, gap, result.n_epochs, raised, reached, more is not None, curves, result
    )


def levels(gap: Vector) -> Vector:
    """Median (k,) of the gap over the last tenth of the epochs so far, at least one: a single epoch may be lucky."""
    counts = range(1, len(gap) + 1)
    return np.array([np.median(gap[count - max(1, count // 10) : count]) for count in counts])


def _epochs_left(result: Result, form: Form, gap: Vector, within: float) -> float | None:
    """Estimate how many more epochs a run would have needed; None if that is unknown."""
    if result.reason != "max_reads" or not np.isfinite(gap).all() or result.learning_rate is None:
        return None
    near = None
    if form.hessian is not None:
        w, b = Units(result.center, result.scale).to_fit(form.optimum.w, form.optimum.b)
        near = form.hessian, np.append(result.w_fit - w, result.b_fit - b)
    more = epochs_left(np.arange(float(len(gap))), gap, within, result.learning_rate, near, tested=True)
    return float(more) if np.isfinite(more) else None
