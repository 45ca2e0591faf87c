"""How centring and scaling the columns shape a run: as they are, centred, standardised, each at half of its own limit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.errors import InputError
from chainrule.studies import words
from chainrule.studies.runs import run
from chainrule.studies.setting import Setting, Shared, Standardize
from chainrule.studies.study import Study

if TYPE_CHECKING:
    from chainrule.charts.canvas import Picture


@dataclass(frozen=True, eq=False)
class ScalingStudy(Study):
    """What `scaling` found: a form of the columns and its run each: as they are, centred, standardised. Frozen."""

    name: ClassVar[str] = "scaling"
    heading: ClassVar[str] = "How centring and scaling shape what is learned"
    knob: ClassVar[str] = "columns"
    how: ClassVar[str] = "half of the largest stable one, 2/L_max, of each form of the columns"

    def says(self) -> tuple[str, ...]:
        """Say how many epochs each form takes, and the condition numbers."""
        own = " With a penalty each scaled form of the columns has an optimum of its own." if self.alpha else ""
        return (f"{self.arrivals()} {self.conditions()}{own}",)

    def columns(self) -> Mapping[str, Sequence[str]]:
        """Give what theory says of each form."""
        return {
            "condition number": [words.number(form.condition) for form in self.forms],
            "limit 2/L_max": [words.below(form.limit) for form in self.forms],
        }

    def pictures(self) -> Sequence[Callable[[], Picture]]:
        """Draw how each comes near the optimum."""
        from chainrule.charts.gap_charts import Descending, scaling_picture

        runs = [Descending(run.label, run.epochs, run.gap, f"{run.took()} epochs") for run in self.runs]
        return [lambda: scaling_picture(runs, within=self.within, exists=self.optimum.exists)]


def scaling(
    X: ArrayLike,
    y: ArrayLike,
    *,
    numeric: NDArray[np.bool_] | None = None,
    epochs: int = 1000,
    **shared: Unpack[Shared],
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
        A run ends when F - F* is proven to be at most this, nats per unit of weight; 0.001.
    progress : callable, optional
        Told (run, epoch, epochs at most).

    Raises
    ------
    InputError
        For data or options that can't be used.
    """
    setting = Setting.of(X, y, epochs, **shared)
    ways: list[tuple[str, Standardize]] = [("as they are", False), ("centred", "center"), ("standardised", True)]
    if numeric is not None:
        mask = np.asarray(numeric)
        if mask.dtype != np.bool_ or mask.shape != (len(setting.names),):
            raise InputError(f"numeric must be a mask of {len(setting.names)} booleans, one a column")
        if mask.any() and not mask.all():
            ways.insert(2, ("numbers standardised", mask))
    optimum, notes = setting.optimum()
    forms, runs = [], []
    for label, standardize in ways:
        own = setting.optimum(standardize)[0] if setting.alpha and standardize is not False else optimum
        forms.append(setting.form(label, standardize, own))
        runs.append(run(setting, forms[-1], label)[0])
    return ScalingStudy.made(setting, forms, runs, notes)
