"""The article's experiment: the same two columns as they are and centred, at one learning rate; maps, curves, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.data.inputs import LARGEST_SEED, whole_number
from chainrule.data.inputs import number as checked
from chainrule.errors import InputError
from chainrule.fitting.held_out import HeldOut
from chainrule.studies import words
from chainrule.studies.learned import Maps, maps_over
from chainrule.studies.runs import Run, run
from chainrule.studies.setting import Setting, Shared
from chainrule.studies.study import Study
from chainrule.training import stratified_split

if TYPE_CHECKING:
    from chainrule.charts.canvas import Picture

Floats = NDArray[np.float64]

PER_CLASS = 50_000
SECOND_MEAN = (2.0, 8.0)
ARTICLE_RATE = 0.1


@dataclass(frozen=True, eq=False)
class CenteringStudy(Study):
    """What `centering` found: the columns as they are, and centred. Frozen.

    The runs' curves are "loss", "held_out_loss" and "held_out_accuracy".

    Attributes
    ----------
    maps : pair of Maps
        Of each run.
    classes : pair of str
    seed, n_held_out : int
    base_accuracy : float
        Share of the larger class among the rows held out.
    optimum_accuracy : float or None
        Held-out accuracy at the optimum; None where there is none.
    """

    name: ClassVar[str] = "centering"
    heading: ClassVar[str] = "How centring shapes what is learned"
    knob: ClassVar[str] = "columns"
    how: ClassVar[str] = "the same for both runs, from zeros"

    maps: tuple[Maps, Maps]
    classes: tuple[str, str]
    seed: int
    n_held_out: int
    base_accuracy: float
    optimum_accuracy: float | None

    def says(self) -> tuple[str, ...]:
        """Say how good both lines z = 0 are, and why they differ."""
        levels = [("the larger class alone", words.percent(self.base_accuracy))]
        if self.optimum_accuracy is not None:
            levels.insert(0, ("the optimum", words.percent(self.optimum_accuracy)))
        after = f"after {words.counted(self.max_epochs, 'epoch')} at learning rate {words.number(self.runs[0].rate)}"
        limits = [(form.label, words.below(form.limit)) for form in self.forms]
        good = [*self._last("held_out_accuracy", words.percent), *levels]
        loss = words.listed("Training loss then, in nats", self._last("loss", words.number))
        stable = words.listed("Largest stable learning rate, 2/L_max", limits)
        why = f"{loss} {self.arrivals()} {self.conditions()} {stable}"
        return words.listed(f"Held-out accuracy {after}", good), why

    def _last(self, curve: str, write: Callable[[float], str]) -> list[tuple[str, str]]:
        return [(run.label, write(float(run.curves[curve][-1]))) for run in self.runs]

    def columns(self) -> Mapping[str, Sequence[str]]:
        """Give where both ended, and what theory says."""
        return {
            "loss": [text for _, text in self._last("loss", words.number)],
            "held-out accuracy": [text for _, text in self._last("held_out_accuracy", words.percent)],
            "condition number": [words.number(form.condition) for form in self.forms],
            "limit 2/L_max": [words.below(form.limit) for form in self.forms],
        }

    def pictures(self) -> Sequence[Callable[[], Picture]]:
        """Draw the maps of both runs, and their curves."""
        return [self._draw_maps, self._draw_curves]

    def _draw_maps(self) -> Picture:
        from chainrule.charts.maps import MapPanel, Points, decision_maps

        lines = [
            (run.label, [
                MapPanel(f"epoch {epoch:,}", (w[0], w[1]), b, f"loss {words.number(loss, 2)}")
                for epoch, w, b, loss in zip(m.epochs.tolist(), m.w.tolist(), m.b.tolist(), m.loss.tolist(), strict=True)
            ])
            for run, m in zip(self.runs, self.maps, strict=True)
        ]  # fmt: skip
        m = self.maps[0]
        points = Points(m.x, m.y, m.label, m.of, " of positive weight" if m.of < m.rows else "")
        return decision_maps(lines, points, x_label=m.names[0], y_label=m.names[1], classes=self.classes,
                             x_range=m.x_range, y_range=m.y_range)  # fmt: skip

    def _draw_curves(self) -> Picture:
        from chainrule.charts.study_charts import centering_curves

        longest = max(self.runs, key=lambda run: len(run.gap)).epochs

        def over(run: Run, curve: str) -> Floats:
            """Give a curve as long as the longest; NaN where the run had ended."""
            return np.append(run.curves[curve], np.full(len(longest) - len(run.gap), np.nan))

        runs = [(run.label, over(run, "loss"), over(run, "held_out_accuracy")) for run in self.runs]
        return centering_curves(longest, runs, optimum=self.optimum.objective if self.optimum.exists else None)


def article_points(seed: int = 0) -> tuple[Floats, NDArray[np.int64]]:
    """Draw the article's points: 50,000 a class from normals with identity covariance and means (0, 0) and (2, 8).

    Returns X (100000, 2) and y (100000,), class 0 first; PCG64 of the seed.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    X = rng.standard_normal((2 * PER_CLASS, 2))
    X[PER_CLASS:] += SECOND_MEAN
    return X, np.repeat([0, 1], PER_CLASS)


def centering(
    X: ArrayLike | None = None, y: ArrayLike | None = None, *, test_size: float = 0.2, learning_rate: float | None = None,
    epochs: int = 100, seed: int = 0, classes: tuple[str, str] | None = None, **shared: Unpack[Shared],
) -> CenteringStudy:  # fmt: skip
    """Run gradient descent from zeros on two columns as they are and centred, at one learning rate.

    Parameters
    ----------
    X : (m, 2) array, optional
        Without X and y: the article's points, `article_points(seed)`.
    y : (m,) array, optional
        Two labels.
    sample_weight, alpha, feature_names, n_threads
        As `chainrule.fit`. Centring changes no optimum, penalty or not.
    test_size : float
        Share of the rows held out of both runs, stratified; above 0 and below 1.
    learning_rate : float, optional
        Of both runs; default: 0.1 for the article's points, else half of the limit of the columns as they are.
    epochs : int
        Epochs of each run, from 1.
    within : float
        Distance from the optimum, nats, to which epochs are counted, or estimated; 0.001.
    seed : int
        Of the points and the split.
    classes : pair of str, optional
        Names of y = 0 and y = 1; default: its labels.
    progress : callable, optional
        Told (run, epoch, epochs at most).

    Raises
    ------
    InputError
        For data or options that can't be used.
    """
    seed = whole_number("seed", seed, 0, LARGEST_SEED)
    share = checked("test_size", test_size, above=0.0)
    if share >= 1.0:
        raise InputError(f"test_size must be above 0 and below 1, such as 0.2, not {test_size!r}")
    if classes is not None and (not isinstance(classes, list | tuple) or len(classes) != 2):
        raise InputError(f"classes must be two names, those of y = 0 and y = 1, not {classes!r}")
    rate = "auto" if learning_rate is None else checked("learning_rate", learning_rate, above=0.0)
    if X is None and y is None:
        X, y = article_points(seed)
        rate = ARTICLE_RATE if learning_rate is None else rate
    if X is None or y is None:
        raise InputError("give X and y, or neither of them for the article's points")
    whole = Setting.of(X, y, epochs, **shared)
    if len(whole.names) != 2:
        raise InputError(f"the study of centring needs two columns, to draw maps of them, and X has {len(whole.names)}")
    train, test = stratified_split(whole.y.astype(np.float64), share, seed)
    setting, held_out = whole.part(train), whole.part(test)
    watch = HeldOut(held_out.X, held_out.y, held_out.s, whole.n_threads)
    optimum, notes = setting.optimum()
    forms, runs, maps = [], [], []
    for label, standardize in (("as they are", False), ("centred", "center")):
        forms.append(setting.form(label, standardize, optimum))
        told, result = run(setting, forms[-1], label, to_the_end=True, held_out=watch, learning_rate=rate)
        runs.append(told)
        maps.append(maps_over(setting.rows(), result, (0, 1), np.zeros(2)))
        rate = told.rate  # the same for both
    positive = float(np.average(held_out.y, weights=held_out.s))
    named = tuple(map(str, classes or whole.classes))
    best = watch.at(optimum.w, optimum.b)["held_out_accuracy"] if optimum.exists else None
    own = {"n_held_out": len(test), "base_accuracy": max(positive, 1.0 - positive), "optimum_accuracy": best}
    return CenteringStudy.made(setting, forms, runs, notes, maps=tuple(maps), classes=named, seed=seed, **own)
