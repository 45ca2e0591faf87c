"""How centring and scaling the columns shape a run: as they are, centred, standardised, each at half of its own limit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.data.inputs import number as checked
from chainrule.errors import InputError
from chainrule.fitting.audit import shared_floors
from chainrule.studies import words
from chainrule.studies.base import Lines, Study
from chainrule.studies.curvature import Curvature
from chainrule.studies.rates import EPOCHS, WITHIN, objective_words, optimum_words
from chainrule.studies.runs import Recorder, Run, needed
from chainrule.studies.setting import Optimum, Progress, Setting, Standardize, whole_number

if TYPE_CHECKING:
    from chainrule.charts.sheet import Panel

_SHORT = {"numbers standardised": "numbers only"}  # where there is little room
LARGE = 100.0  # condition number, from which on it may be why a run is slow
ENOUGH = 1.5  # times fewer epochs: less is no difference worth a word


@dataclass(frozen=True, eq=False)
class ScaledRun:
    """One form of the columns: its limit 2/L_max, curvature at zeros and at the optimum (None: there is none), and its run."""

    label: str
    limit: float
    start: Curvature | None
    end: Curvature | None
    optimum: Optimum
    run: Run

    @property
    def condition(self) -> float | None:
        """Condition number of the Hessian at the optimum; at the start, where there is none."""
        told = self.end or self.start
        return None if told is None else told.condition


@dataclass(frozen=True, eq=False)
class ScalingStudy(Study):
    """What `scaling` found. Frozen.

    Attributes
    ----------
    forms : tuple of ScaledRun
        The columns as they are, centred, standardised.
    within : float
        Nats.
    max_epochs, n_rows, n_features : int
    alpha : float
    notes : tuple of str
    """

    name: ClassVar[str] = "scaling"
    heading: ClassVar[str] = "How centring and scaling shape what is learned"

    forms: tuple[ScaledRun, ...]
    within: float
    max_epochs: int
    n_rows: int
    n_features: int
    alpha: float
    notes: tuple[str, ...]

    @property
    def optimum(self) -> Optimum:
        """What the columns as they are go to; without a penalty it is the same for all."""
        return self.forms[0].optimum

    @property
    def conclusions(self) -> tuple[str, ...]:
        """What the numbers say."""
        sentences = [*_compared(self), _conditions(self), _penalty(self), _newton(self)]
        return (" ".join(words.capital(text) for text in sentences if text),)

    def facts(self) -> list[tuple[str, str]]:
        """Say what was studied."""
        return [
            ("rows", f"{self.n_rows:,}, {self.n_features:,} columns"),
            ("objective", objective_words(self.alpha)),
            ("optimum", optimum_words(self.optimum)),
            ("learning rate", "half of the largest stable one, 2/L_max, of each form of the columns"),
        ]

    def tables(self) -> list[Lines]:
        """One line a form of the columns."""
        heads = (
            "columns",
            f"epochs to {words.nats(self.within)}",
            "condition number, start",
            "at the optimum",
            "limit 2/L_max",
        )
        rows = tuple(
            (
                form.label,
                words.reached(form.run.reached, form.run.estimated, form.run.n_epochs, form.run.happened),
                words.number(None if form.start is None else form.start.condition),
                words.number(None if form.end is None else form.end.condition),
                words.below(form.limit),
            )
            for form in self.forms
        )
        return [Lines("The forms of the columns", heads, rows)]

    def panels(self) -> list[Panel]:
        """One picture: how each comes near the optimum."""
        from chainrule.charts.gap_charts import Descending, scaling_picture
        from chainrule.charts.sheet import Panel

        runs = [
            Descending(
                _SHORT.get(form.label, form.label),
                form.run.epochs,
                form.run.gap,
                words.reached(form.run.reached, form.run.estimated, form.run.n_epochs) + " epochs",
            )
            for form in self.forms
        ]
        return [
            Panel(lambda: scaling_picture(runs, within=self.within, exists=self.optimum.exists), self.conclusions[0])
        ]


@shared_floors()
def scaling(
    X: ArrayLike,
    y: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    alpha: float = 0.0,
    numeric: NDArray[np.bool_] | None = None,
    epochs: int = EPOCHS,
    within: float = WITHIN,
    feature_names: Sequence[str] | None = None,
    n_threads: int | None = None,
    progress: Progress | None = None,
) -> ScalingStudy:
    """Run gradient descent from zeros on the columns as they are, centred, and standardised, each at half of its limit.

    Parameters
    ----------
    X, y, sample_weight, alpha, feature_names, n_threads
        As `chainrule.fit`. With a penalty the standardised columns have another objective, and another optimum.
    numeric : (n,) mask of bool, optional
        Columns that are numbers, where others are marks of levels: a run with these alone standardised is added.
    epochs : int
        Epochs of each run at most, from 1.
    within : float
        A run ends when F - F* is proven to be at most this, nats per unit of weight.
    progress : callable, optional
        Told (run, epoch, epochs at most).

    Returns
    -------
    ScalingStudy

    Raises
    ------
    InputError
        For data or options that can't be used.
    """
    most, within = whole_number("epochs", epochs, 1), checked("within", within, above=0.0)
    setting = Setting.of(
        X, y, sample_weight, alpha=alpha, feature_names=feature_names, n_threads=n_threads, may_standardize=False
    )
    forms: list[tuple[str, Standardize]] = [("as they are", False), ("centred", "center"), ("standardised", True)]
    if numeric is not None:
        mask = np.asarray(numeric)
        if mask.dtype != np.bool_ or mask.shape != (len(setting.names),):
            raise InputError(f"numeric must be a mask of {len(setting.names)} booleans, one a column")
        if mask.any() and not mask.all():
            forms.insert(2, ("numbers standardised", mask))
    runs: list[ScaledRun] = []
    optimum, notes = setting.optimum()
    for label, standardize in forms:
        own = setting.optimum(standardize)[0] if setting.alpha and standardize is not False else optimum
        recorder = Recorder(label, progress)
        result = setting.descend("auto", most, within, standardize, (recorder,))
        start, end, hessian = setting.curvature(standardize, own)
        more = needed(result, own, hessian, np.array(recorder.gap), within)
        run = recorder.run(label, result, within, more)
        limit = result.learning_rate_limit
        assert limit is not None
        runs.append(ScaledRun(label, limit, start, end, own, run))
    return ScalingStudy(
        forms=tuple(runs),
        within=within,
        max_epochs=most,
        n_rows=len(setting.y),
        n_features=len(setting.names),
        alpha=setting.alpha,
        notes=notes,
    )


def _took(run: Run, most: int) -> str:
    if run.reached is None:
        return f"not in {words.epochs(most)}"
    return words.epochs(run.reached, run.estimated)


def _compared(study: ScalingStudy) -> list[str]:
    """Say how many epochs each form takes, and which is the best."""
    forms, where = study.forms, f"within {words.nats(study.within)} of {study.optimum.name}"
    cause = "" if study.optimum.exists else study.optimum.cause
    known = [form for form in forms if form.run.reached is not None]
    if not known:
        return [cause, f"no form of the columns came {where} in {words.epochs(study.max_epochs)}"]
    if all(form.run.reached == 0 for form in forms):
        return [cause, f"the start is {where} already, whatever the form of the columns"]
    best = min(known, key=lambda form: form.run.reached or 0.0)
    least = _took(best.run, study.max_epochs)
    tied = [form for form in forms if _took(form.run, study.max_epochs) == least]
    others = [form for form in forms if form not in tied]
    would = "would take" if best.run.estimated else "takes"
    text = f"{_columns([form.label for form in tied])}, gradient descent {would} {least} to come {where}"
    if others:
        text += "; " + ", ".join(f"{form.label} {_took(form.run, study.max_epochs)}" for form in others)
    if len(known) == len(forms) and not _differs(known):
        text += ": the form of the columns makes little difference here"
    return [cause, text]


def _differs(forms: Sequence[ScaledRun]) -> bool:
    """Tell whether one form of the columns takes clearly more epochs than another."""
    took = [form.run.reached or 0.0 for form in forms]
    return max(took) >= ENOUGH * max(min(took), 1.0)


def _columns(labels: Sequence[str]) -> str:
    if len(labels) > 1:
        return f"with the columns {', '.join(labels[:-1])} or {labels[-1]} alike"
    if labels[0] == "as they are":
        return "with the columns as they are"
    return f"with {labels[0]}" if " " in labels[0] else f"with {labels[0]} columns"


def _conditions(study: ScalingStudy) -> str:
    """Say the condition numbers, and that they are why, where the epochs follow them."""
    told = [form for form in study.forms if form.condition is not None and math.isfinite(form.condition)]
    if len(told) < 2:
        return ""
    where = "at the optimum" if told[0].end is not None else "at the start"
    each = ", ".join(f"{words.number(form.condition, 2)} {form.label}" for form in told)
    text = f"the Hessian's condition number {where} is {each}"
    took = [form for form in told if form.end is not None and form.run.reached is not None]
    by_condition = sorted(took, key=lambda form: form.condition or 0.0)
    in_order = all((a.run.reached or 0.0) <= (b.run.reached or 0.0) for a, b in pairwise(by_condition))
    if len(took) < len(study.forms):
        return text
    explained = [form.end is not None and form.end.explains(form.run.reached or 0.0) for form in took]
    least = min(form.run.reached or 0.0 for form in took)
    slow = [
        why for form, why in zip(took, explained, strict=True) if (form.run.reached or 0.0) >= ENOUGH * max(least, 1.0)
    ]
    if in_order and slow and all(slow):
        text += ": that is the reason, since the flattest direction needs about as many epochs"
    elif not any(explained) and least > 0 and (by_condition[0].condition or 0.0) > LARGE:
        text += ": far more than the epochs, so the flattest directions hardly matter for the loss"
    return text


def _penalty(study: ScalingStudy) -> str:
    if not study.alpha:
        return ""
    return "with a penalty each form of the columns that is scaled has an objective and an optimum of its own"


def _newton(study: ScalingStudy) -> str:
    if not study.optimum.exists:
        return ""
    steps = f"{study.optimum.steps} step" + ("" if study.optimum.steps == 1 else "s")
    reads = f"{study.optimum.reads:.0f} reads of the data"
    return f"Newton's method, which no scale slows down, came to the optimum in {steps} and {reads}"
