"""The article's experiment: the same two columns as they are and centred, at one learning rate; maps, curves, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.data.inputs import number as checked
from chainrule.data.inputs import seed_number
from chainrule.errors import InputError
from chainrule.fitting.audit import shared_floors
from chainrule.fitting.held_out import HeldOut
from chainrule.solvers import Step
from chainrule.studies import words
from chainrule.studies.base import Lines, Study
from chainrule.studies.centred_words import gone_wrong, losses, reasons, sooner
from chainrule.studies.curvature import Curvature
from chainrule.studies.rates import WITHIN, objective_words, optimum_words
from chainrule.studies.runs import Recorder, Run, needed
from chainrule.studies.setting import Optimum, Progress, Setting, Standardize, whole_number
from chainrule.training import stratified_split

if TYPE_CHECKING:
    from chainrule.charts.canvas import Picture
    from chainrule.charts.sheet import Panel

Floats = NDArray[np.float64]

SHOWN = (1, 2, 3, 5, 10, 20, 50, 100)  # epochs whose maps are drawn
PER_CLASS = 50_000
SECOND_MEAN = (2.0, 8.0)
ARTICLE_RATE = 0.1
EPOCHS = 100
DRAWN = 240  # points in a map
LEAST = 20  # of them, of each class that has so many
TO_THE_END = 0.0  # tol: each run goes on to its last epoch


@dataclass(frozen=True)
class Map:
    """The model after an epoch: z = w.x + b in the user's units."""

    epoch: int
    w: tuple[float, float]
    b: float
    loss: float


@dataclass(frozen=True, eq=False)
class CentredRun:
    """One form of the columns and its run.

    Attributes
    ----------
    label : str
    run : Run
        With the epochs to `within`.
    loss, held_out_loss, held_out_accuracy : (k,) float64
        After each of `run.epochs`: training loss in nats, and the same and the share of right rows among those held out.
    best_epochs, best_accuracy : (k,) float64
        Each epoch, of all, whose held-out accuracy was above that of every epoch before, and that accuracy.
    last_loss, last_accuracy : float
        After the last epoch: training loss, held-out accuracy.
    limit : float
        2/L_max.
    start, end : Curvature or None
    maps : tuple of Map
    """

    label: str
    run: Run
    loss: Floats
    held_out_loss: Floats
    held_out_accuracy: Floats
    best_epochs: Floats
    best_accuracy: Floats
    limit: float
    start: Curvature | None
    end: Curvature | None
    maps: tuple[Map, ...]

    @property
    def last_loss(self) -> float:
        """Training loss after the last epoch."""
        return float(self.loss[-1])

    @property
    def last_accuracy(self) -> float:
        """Held-out accuracy after the last epoch."""
        return float(self.held_out_accuracy[-1])

    def first_at(self, accuracy: float) -> float | None:
        """First epoch whose held-out accuracy is at least that; None if there is none."""
        good = np.flatnonzero(self.best_accuracy >= accuracy)
        return float(self.best_epochs[good[0]]) if len(good) else None


@dataclass(frozen=True, eq=False)
class SampledPoints:
    """Rows drawn in the maps: x, y (k,), label (k,) of 0 and 1, sampled by class from `of` training rows."""

    x: Floats
    y: Floats
    label: NDArray[np.uint8]
    of: int


@dataclass(frozen=True, eq=False)
class CenteringStudy(Study):
    """What `centering` found. Frozen.

    Attributes
    ----------
    plain, centred : CentredRun
    rate : float
        The learning rate of both.
    epochs : int
        Of each run at most.
    optimum : Optimum
        The same for both.
    points : SampledPoints
    feature_names, classes : pairs
    within : float
        Nats.
    seed, n_rows, n_held_out : int
    base_accuracy : float
        Share of the larger class among the rows held out.
    optimum_accuracy : float or None
        Held-out accuracy at the optimum; None where there is none.
    alpha : float
    is_article : bool
        Whether the data are the article's points.
    notes : tuple of str
    """

    name: ClassVar[str] = "centering"
    heading: ClassVar[str] = "How centring shapes what is learned"

    plain: CentredRun
    centred: CentredRun
    rate: float
    epochs: int
    optimum: Optimum
    points: SampledPoints
    feature_names: tuple[str, str]
    classes: tuple[str, str]
    within: float
    seed: int
    n_rows: int
    n_held_out: int
    base_accuracy: float
    optimum_accuracy: float | None
    alpha: float
    is_article: bool
    notes: tuple[str, ...]

    @property
    def runs(self) -> tuple[CentredRun, CentredRun]:
        """Both runs."""
        return self.plain, self.centred

    @property
    def conclusions(self) -> tuple[str, ...]:
        """What the maps say, and what the curves say and why."""
        cause = "" if self.optimum.exists else f"{self.optimum.cause}: distances are from the infimum"
        texts = ([sooner(self)], [losses(self), *gone_wrong(self), cause, *reasons(self)])
        return tuple(" ".join(words.capital(text) for text in some if text) for some in texts)

    def facts(self) -> list[tuple[str, str]]:
        """Say what was studied."""
        data = f"{self.n_rows:,} to train on, {self.n_held_out:,} held out; columns {words.listed(self.feature_names)}"
        if self.is_article:
            data += f"; two normals with identity covariance, means (0, 0) and (2, 8), seed {self.seed}"
        return [
            ("rows", data),
            ("objective", objective_words(self.alpha)),
            ("optimum", optimum_words(self.optimum)),
            ("learning rate", f"{words.number(self.rate)} for both, from zeros, {words.epochs(self.epochs)}"),
        ]

    def tables(self) -> list[Lines]:
        """Give the epochs that the maps show, and what makes the difference."""
        heads = ("epoch", *(f"{what}, {run.label}" for run in self.runs for what in ("loss", "held-out accuracy")))
        lines = tuple(
            (f"{epoch:,}", *(cell for run in self.runs for cell in _after(run, epoch)))
            for epoch in sorted({0, *(shown.epoch for run in self.runs for shown in run.maps)})
        )
        why: list[tuple[str, ...]] = [("largest stable rate, 2/L_max", *(words.below(run.limit) for run in self.runs))]
        for what, told in (
            ("at the start", [r.start for r in self.runs]),
            ("at the optimum", [r.end for r in self.runs]),
        ):
            if any(told):
                cells = (words.number(None if one is None else one.condition) for one in told)
                why.append((f"condition number of the Hessian {what}", *cells))
        cells = (words.reached(r.run.reached, r.run.estimated, r.run.n_epochs, r.run.happened) for r in self.runs)
        why.append((f"epochs to {words.nats(self.within)}", *cells))
        return [
            Lines("Epoch by epoch", heads, lines),
            Lines("Why", ("", *(run.label for run in self.runs)), tuple(why)),
        ]

    def panels(self) -> list[Panel]:
        """Give the maps of both runs, and their curves."""
        from chainrule.charts.sheet import Panel

        return [Panel(self._maps, self.conclusions[0]), Panel(self._curves, self.conclusions[1])]

    def _maps(self) -> Picture:
        from chainrule.charts.maps import MapPanel, Points, decision_maps

        def panel(shown: Map) -> MapPanel:
            return MapPanel(f"epoch {shown.epoch:,}", shown.w, shown.b, f"loss {words.number(shown.loss, 2)}")

        points = self.points
        return decision_maps(
            [(run.label, [panel(shown) for shown in run.maps]) for run in self.runs],
            Points(points.x, points.y, points.label, points.of),
            x_label=self.feature_names[0],
            y_label=self.feature_names[1],
            classes=self.classes,
            x_range=_around(points.x),
            y_range=_around(points.y),
        )

    def _curves(self) -> Picture:
        from chainrule.charts.study_charts import centering_curves

        longest = max(self.runs, key=lambda run: len(run.run.epochs)).run.epochs
        runs = [(r.label, _on(longest, r, r.loss), _on(longest, r, r.held_out_accuracy)) for r in self.runs]
        return centering_curves(longest, runs, optimum=self.optimum.objective if self.optimum.exists else None)


def article_points(seed: int = 0) -> tuple[Floats, NDArray[np.int64]]:
    """Draw the article's points: 50,000 a class from normals with identity covariance and means (0, 0) and (2, 8).

    Returns X (100000, 2) and y (100000,), class 0 first; PCG64 of the seed.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    X = rng.standard_normal((2 * PER_CLASS, 2))
    X[PER_CLASS:] += SECOND_MEAN
    return X, np.repeat([0, 1], PER_CLASS)


@shared_floors()
def centering(
    X: ArrayLike | None = None,
    y: ArrayLike | None = None,
    *,
    sample_weight: ArrayLike | None = None,
    alpha: float = 0.0,
    test_size: float = 0.2,
    learning_rate: float | None = None,
    epochs: int = EPOCHS,
    within: float = WITHIN,
    seed: int = 0,
    feature_names: Sequence[str] | None = None,
    classes: tuple[str, str] | None = None,
    n_threads: int | None = None,
    progress: Progress | None = None,
) -> CenteringStudy:
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
        Epochs of each run, from 1; maps are of epochs 1, 2, 3, 5, 10, 20, 50 and 100, and of the last.
    within : float
        Distance from the optimum, nats, to which epochs are counted, or estimated.
    seed : int
        Of the points, the split, and the sample of points that the maps show.
    classes : pair of str, optional
        Names of y = 0 and y = 1; default: its labels.
    progress : callable, optional
        Told (run, epoch, epochs at most).

    Returns
    -------
    CenteringStudy

    Raises
    ------
    InputError
        For data or options that can't be used.
    """
    most, within = whole_number("epochs", epochs, 1), checked("within", within, above=0.0)
    seed = seed_number("seed", seed)
    share = checked("test_size", test_size, above=0.0)
    if share >= 1.0:
        raise InputError(f"test_size must be above 0 and below 1, such as 0.2, not {test_size!r}")
    named = None if classes is None else _pair_of("classes", classes)
    is_article = X is None and y is None
    if is_article:
        X, y = article_points(seed)
    if X is None or y is None:
        raise InputError("give X and y, or neither of them for the article's points")
    whole = Setting.of(
        X, y, sample_weight, alpha=alpha, feature_names=feature_names, n_threads=n_threads, may_standardize=False
    )
    if len(whole.names) != 2:
        raise InputError(f"the study of centring needs two columns, to draw maps of them, and X has {len(whole.names)}")
    train, test = stratified_split(whole.y.astype(np.float64), share, seed)
    setting = whole.part(train)
    s = None if whole.s is None else whole.s[test]
    held_out = HeldOut(whole.X[test], whole.y[test], s, n_threads)
    optimum, notes = setting.optimum()
    rate = ARTICLE_RATE if is_article else None
    rate = rate if learning_rate is None else checked("learning_rate", learning_rate, above=0.0)
    if rate is None:
        rate = float(setting.descend("auto", 0, within).learning_rate or 0.0)
    forms: list[tuple[str, Standardize]] = [("as they are", False), ("centred", "center")]
    runs = [_run(setting, held_out, optimum, form, (rate, most, within), progress) for form in forms]
    return CenteringStudy(
        plain=runs[0],
        centred=runs[1],
        rate=rate,
        epochs=most,
        optimum=optimum,
        points=_sampled(setting, seed),
        feature_names=(whole.names[0], whole.names[1]),
        classes=named or (str(whole.classes[0]), str(whole.classes[1])),
        within=within,
        seed=seed,
        n_rows=len(train),
        n_held_out=len(test),
        base_accuracy=_larger_class(whole.y[test], s),
        optimum_accuracy=held_out.at(optimum.w, optimum.b)["held_out_accuracy"] if optimum.exists else None,
        alpha=whole.alpha,
        is_article=is_article,
        notes=notes,
    )


def _shown(most: int) -> tuple[int, ...]:
    """Choose the epochs of the maps: some, and the last; eight at most."""
    chosen = sorted({*(epoch for epoch in SHOWN if epoch <= most), most})
    return tuple(chosen if len(chosen) <= len(SHOWN) else [chosen[0], *chosen[2:]])


def _pair_of(name: str, value: object) -> tuple[str, str]:
    if not isinstance(value, list | tuple) or len(value) != 2 or not all(isinstance(text, str) for text in value):
        raise InputError(f"{name} must be two names, those of y = 0 and y = 1, not {value!r}")
    return value[0], value[1]


@dataclass
class _Watch(Recorder):
    """Keeps of every epoch also the losses and the held-out figures, and the models that the maps show."""

    held_out: HeldOut | None = None
    loss: list[float] = field(default_factory=list)
    figures: list[tuple[float, float]] = field(default_factory=list)
    maps: list[Map] = field(default_factory=list)
    shown: tuple[int, ...] = SHOWN

    def __call__(self, step: Step) -> None:
        super().__call__(step)
        assert self.held_out is not None
        told = self.held_out(step)
        self.loss.append(step.loss)
        self.figures.append((told["held_out_loss"], told["held_out_accuracy"]))
        if step.epoch in self.shown:
            w, b = step.units.to_user(step.w, step.b)
            self.maps.append(Map(step.epoch, (float(w[0]), float(w[1])), b, step.loss))


def _run(
    setting: Setting,
    held_out: HeldOut,
    optimum: Optimum,
    form: tuple[str, Standardize],
    how: tuple[float, int, float],
    progress: Progress | None,
) -> CentredRun:
    label, standardize = form
    rate, most, within = how
    watch = _Watch(label, progress, held_out=held_out, shown=_shown(most))
    result = setting.descend(rate, most, TO_THE_END, standardize, (watch,))
    start, end, hessian = setting.curvature(standardize, optimum)
    more = needed(result, optimum, hessian, np.array(watch.gap), within)
    run = watch.run(label, result, within, more, None if end is None else end.limit)
    keep = run.epochs.astype(np.int64)
    figures = np.array(watch.figures)[keep]
    accuracy = np.array(watch.figures)[:, 1]
    before = np.r_[-np.inf, np.fmax.accumulate(accuracy)[:-1]]
    better = np.flatnonzero(accuracy > before)
    limit = result.learning_rate_limit
    assert limit is not None
    return CentredRun(
        label=label,
        run=run,
        loss=np.array(watch.loss)[keep],
        held_out_loss=figures[:, 0],
        held_out_accuracy=figures[:, 1],
        best_epochs=better.astype(np.float64),
        best_accuracy=accuracy[better],
        limit=limit,
        start=start,
        end=end,
        maps=tuple(watch.maps),
    )


def _larger_class(y: NDArray[np.uint8], s: Floats | None) -> float:
    share = float(np.average(y, weights=s))
    return max(share, 1.0 - share)


def _sampled(setting: Setting, seed: int) -> SampledPoints:
    """Draw some rows of each class, in proportion, and no fewer than `LEAST` of one that has so many."""
    rng = np.random.Generator(np.random.PCG64(seed))
    chosen = []
    for label in (0, 1):
        rows = np.flatnonzero(setting.y == label)
        if setting.s is not None:
            rows = rows[setting.s[rows] > 0]
        wanted = max(LEAST, round(DRAWN * len(rows) / len(setting.y)))
        chosen.append(rng.choice(rows, min(wanted, len(rows)), replace=False))
    rows = np.sort(np.concatenate(chosen))
    x = setting.X[rows].astype(np.float64)
    return SampledPoints(x[:, 0].copy(), x[:, 1].copy(), setting.y[rows].copy(), len(setting.y))


def _around(values: Floats) -> tuple[float, float]:
    """Give the range of values and a little more on both sides."""
    low, high = float(values.min()), float(values.max())
    pad = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    return low - pad, high + pad


def _on(epochs: Floats, run: CentredRun, values: Floats) -> Floats:
    """Values of a run at these epochs; NaN at those that it didn't keep or run."""
    out = np.full(len(epochs), np.nan)
    found, at, mine = np.intersect1d(epochs, run.run.epochs, assume_unique=True, return_indices=True)
    out[at] = values[mine]
    return out if len(found) else values


def _after(run: CentredRun, epoch: int) -> tuple[str, str]:
    at = np.flatnonzero(run.run.epochs == epoch)
    if not len(at):
        return "-", "-"
    return words.number(float(run.loss[at[0]]), 4), words.percent(float(run.held_out_accuracy[at[0]]))
