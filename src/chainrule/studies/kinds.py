"""The four studies: what each varies, over which values, what it measures, and what it concludes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.data.inputs import LARGEST_SEED, check_weights, whole_number
from chainrule.data.inputs import number as checked
from chainrule.data.tables import stratified_split
from chainrule.errors import InputError
from chainrule.fitting.held_out import HeldOut
from chainrule.studies.learned import Maps, maps_over
from chainrule.studies.runs import Form, Run, Setting, Shared, Standardize, run
from chainrule.studies.study import Study, listed, nats, number
from chainrule.words import below, counted

if TYPE_CHECKING:
    from chainrule.charts.canvas import Picture

Floats = NDArray[np.float64]

FACTORS = (0.01, 0.03, 0.1, 0.3, 0.5, 0.99, 1.2, 1.5, 2.0)
BEYOND = 1.2  # times the limit near the optimum: such a run oscillates, however flat F is elsewhere
SIZES = (1, 16, 256)
# of `batches`: multiples of the stable rate that are tried, epochs of a trial, and the default of the epochs
TRIED, TRIAL_EPOCHS = (0.25, 1.0, 4.0, 16.0), 5
MOST_EPOCHS, LEAST_EPOCHS, NUMBERS_READ = 100, 10, 10**9
PER_CLASS = 50_000
SECOND_MEAN = (2.0, 8.0)
ARTICLE_RATE = 0.1


# --- the learning rate


@dataclass(frozen=True, eq=False)
class LearningRateStudy(Study):
    """What `learning_rate` found: one run per rate, the smallest first. Frozen."""

    name: ClassVar[str] = "learning-rate"
    heading: ClassVar[str] = "How the learning rate shapes what is learned"
    knob: ClassVar[str] = "learning rate"
    way: ClassVar[str] = "rate {}"

    @property
    def fastest(self) -> Run | None:
        """The first run proven near the optimum; if two tie, the one with the smaller rate."""
        there = [run for run in self.runs if run.reached is not None and not run.estimated]
        return min(there, key=lambda run: (run.reached, run.rate), default=None)

    def rates_told(self) -> str:
        """Say what rates the runs take."""
        return "from a hundredth of the largest stable one, 2/L_max, to twice as much"

    def says(self) -> tuple[str, ...]:
        """Say which rate came first, and what theory says about rates."""
        best, limit, local = self.fastest, self.forms[0].limit, self.forms[0].local_limit
        said = f"No rate came within {self.near} in {counted(self.max_epochs, 'epoch')}."
        if best is not None:
            after = counted(int(best.reached or 0), "epoch")
            said = f"The rate {best.label} came within {self.near} first, after {after}."
        settles = "" if local is None else f"; above 2/λ_max(H(w*)) = {number(local)} none settles at the optimum"
        return (f"{said} No rate up to 2/L_max = {below(limit)} can raise the loss{settles}.",)

    def columns(self) -> Mapping[str, Sequence[str]]:
        """Return each rate as a multiple of the limit, and how near its run came."""
        return {
            "of the limit": [number(run.rate / self.forms[0].limit) for run in self.runs],
            "nearest, nats": [number(float(np.min(run.gap)), 2) for run in self.runs],
        }

    def pictures(self) -> Sequence[Callable[..., Picture]]:
        """Draw how each run approaches the optimum."""
        from chainrule.charts.curves import learning_rate_picture

        limit, exists = self.forms[0].limit, self.optimum.exists
        return [lambda: learning_rate_picture(self.runs, limit=limit, within=self.within, exists=exists)]


def learning_rate(
    X: ArrayLike, y: ArrayLike, *, standardize: Standardize = False, epochs: int = 1000, rates: Sequence[float] = (),
    **shared: Unpack[Shared],
) -> LearningRateStudy:  # fmt: skip
    """Run gradient descent from zeros at rates from a hundredth of the stable limit to twice the limit.

    Rates: 0.01, 0.03, 0.1, 0.3, 0.5, 0.99, 1.2, 1.5 and 2 times the limit 2/L_max, and 1.2 times 2/lambda_max(H(w*)) if
    that is larger still, since a run above the limit may do no harm until it is near the optimum.

    Parameters
    ----------
    X, y, sample_weight, alpha, C, standardize, feature_names, n_threads
        As `chainrule.fit`.
    epochs : int
        Epochs of each run at most, from 1.
    within : float
        A run ends when F - F* is proven to be at most this, nats per unit of weight; 0.001.
    rates : sequence of float
        More rates to run.
    progress : callable, optional
        Told (run, epoch, epochs at most).

    Raises
    ------
    InputError
        For data or options that can't be used.

    Examples
    --------
    >>> import chainrule
    >>> study = chainrule.studies.learning_rate([[0.0], [1.0], [2.0], [3.0]], [0, 1, 0, 1])
    >>> study.fastest.happened
    'converges'
    """
    more = _rates(rates)
    setting = Setting.of(X, y, epochs, **shared)
    (form,) = setting.forms([("the columns", standardize)])
    base, beyond = form.limit if math.isfinite(form.limit) else 1.0, BEYOND * (form.local_limit or 0.0)
    chosen = {*(factor * base for factor in FACTORS), *more, *([beyond] if beyond > FACTORS[-1] * base else [])}
    rates = sorted(rate for rate in chosen if 0.0 < rate < math.inf)
    runs = [run(setting, form, number(rate), learning_rate=rate) for rate in rates]
    return LearningRateStudy.of(setting, [form], _in_step(runs, form.limit))


def _rates(given: Sequence[float]) -> list[float]:
    """Check learning rates, and sort them."""
    return sorted({checked("rates", rate, above=0.0) for rate in np.ravel(np.asarray(given, dtype=object)).tolist()})


def _in_step(runs: Sequence[Run], limit: float) -> Iterator[Run]:
    """Replace the estimates of slow runs by estimates from the run that went furthest.

    Small steps follow one curve, the gradient flow, so epochs are proportional to 1/rate, and one run predicts the others.
    """
    known = [run for run in runs if not run.raised and run.rate <= limit and run.reached]
    seen = [run for run in known if not run.estimated]
    best = min(seen or known, key=lambda run: run.rate if seen else float(np.min(run.gap)), default=None)
    for each in runs:
        if best is None or each.happened != "crawls" or each.rate > limit or each is best:
            yield each
        else:
            reached = max(each.n_epochs + 1.0, (best.reached or 0.0) * best.rate / each.rate)
            yield replace(each, reached=reached, estimated=True)


# --- the form of the columns


@dataclass(frozen=True, eq=False)
class ScalingStudy(Study):
    """What `scaling` found: one run per form of the columns: as they are, centred, standardised. Frozen."""

    name: ClassVar[str] = "scaling"
    heading: ClassVar[str] = "How centring and scaling shape what is learned"
    knob: ClassVar[str] = "columns"

    def rates_told(self) -> str:
        """Say what rates the runs take."""
        return "half of the largest stable one, 2/L_max, of each form of the columns"

    def columns(self) -> Mapping[str, Sequence[str]]:
        """Return what theory says about each form."""
        return {
            "condition number": [number(form.condition) for form in self.forms],
            "limit 2/L_max": [below(form.limit) for form in self.forms],
        }

    def pictures(self) -> Sequence[Callable[..., Picture]]:
        """Draw how each comes near the optimum."""
        from chainrule.charts.curves import scaling_picture

        return [lambda: scaling_picture(self.runs, within=self.within, exists=self.optimum.exists)]


def scaling(
    X: ArrayLike, y: ArrayLike, *, numeric: NDArray[np.bool_] | None = None, epochs: int = 1000, **shared: Unpack[Shared]
) -> ScalingStudy:  # fmt: skip
    """Run gradient descent from zeros on the columns as they are, centred, and standardised, each at half its limit.

    Parameters
    ----------
    X, y, sample_weight, alpha, C, feature_names, n_threads
        As `chainrule.fit`. With a penalty the standardised columns have another objective, and another optimum.
    numeric : (n,) mask of bool, optional
        Columns of numbers, if others are marks of levels: adds a run in which only these are standardised.
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
        if mask.dtype != np.bool_ or mask.shape != (setting.rows.n_features,):
            raise InputError(f"numeric must be a mask of {setting.rows.n_features} booleans, one a column")
        if mask.any() and not mask.all():
            ways.insert(2, ("numbers standardised", mask))
    forms = setting.forms(ways)
    return ScalingStudy.of(setting, forms, [run(setting, form, form.label) for form in forms])


@dataclass(frozen=True, eq=False)
class CenteringStudy(ScalingStudy):
    """What `centering` found: the columns as they are, and centred. Frozen.

    The runs' curves are "loss", "held_out_loss" and "held_out_accuracy".

    Attributes
    ----------
    maps : pair of Maps
        One for each run.
    classes : pair of str
    seed, n_held_out : int
    base_accuracy : float
        Share of the larger class among the held-out rows.
    optimum_accuracy : float or None
        Held-out accuracy at the optimum; None if there is none.
    """

    name: ClassVar[str] = "centering"
    heading: ClassVar[str] = "How centring shapes what is learned"
    is_wide: ClassVar[bool] = True

    maps: tuple[Maps, Maps]
    classes: tuple[str, str]
    seed: int
    n_held_out: int
    base_accuracy: float
    optimum_accuracy: float | None

    def rates_told(self) -> str:
        """Say what rates the runs take."""
        return "the same for both runs, from zeros"

    def says(self) -> tuple[str, ...]:
        """Say how good both lines z = 0 are, and why they differ."""
        levels = {"the optimum": self.optimum_accuracy, "the larger class alone": self.base_accuracy}
        shares = [*self._last("held_out_accuracy"), *levels.items()]
        good = [(label, f"{share:.2%}") for label, share in shares if share is not None]
        after = f"after {counted(self.max_epochs, 'epoch')} at learning rate {number(self.runs[0].rate)}"
        return listed(f"Held-out accuracy {after}", good), *super().says()

    def _last(self, curve: str) -> list[tuple[str, float]]:
        return [(run.label, float(run.curves[curve][-1])) for run in self.runs]

    def columns(self) -> Mapping[str, Sequence[str]]:
        """Return where both runs ended, and what theory says."""
        accuracy = [f"{share:.2%}" for _, share in self._last("held_out_accuracy")]
        return {
            "loss": [number(loss) for _, loss in self._last("loss")],
            "held-out accuracy": accuracy,
            **super().columns(),
        }

    def pictures(self) -> Sequence[Callable[..., Picture]]:
        """Draw the maps of both runs, and their curves."""
        from chainrule.charts.curves import centering_curves
        from chainrule.charts.maps import decision_maps

        lines = [(run.label, m) for run, m in zip(self.runs, self.maps, strict=True)]
        optimum = self.optimum.objective if self.optimum.exists else None
        return [partial(decision_maps, lines, self.classes), lambda: centering_curves(self.runs, optimum=optimum)]


def article_points(seed: int = 0) -> tuple[Floats, NDArray[np.int64]]:
    """Draw the article's points: 50,000 per class from normals with identity covariance and means (0, 0) and (2, 8).

    Returns X (100000, 2) and y (100000,), class 0 first; PCG64 of the seed.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    X = rng.standard_normal((2 * PER_CLASS, 2))
    X[PER_CLASS:] += SECOND_MEAN
    return X, np.repeat([0, 1], PER_CLASS)


def centering(
    X: ArrayLike | None = None, y: ArrayLike | None = None, *, test_size: float = 0.2, learning_rate: float | None = None,
    epochs: int = 100, seed: int = 0, **shared: Unpack[Shared],
) -> CenteringStudy:  # fmt: skip
    """Run gradient descent from zeros on two columns as they are and centred, at one learning rate.

    Parameters
    ----------
    X : (m, 2) array, optional
        Without X and y: the article's points, `article_points(seed)`.
    y : (m,) array, optional
        Two labels.
    sample_weight, alpha, C, feature_names, n_threads
        As `chainrule.fit`. Centring doesn't change the optimum, with or without a penalty.
    test_size : float
        Share of the rows held out of both runs, stratified; above 0 and below 1.
    learning_rate : float, optional
        For both runs; default: 0.1 for the article's points, else half the limit of the columns as they are.
    epochs : int
        Epochs of each run, from 1.
    within : float
        Distance from the optimum, nats, up to which epochs are counted, or estimated; 0.001.
    seed : int
        Seed of the points and the split.
    classes : pair of str, optional
        Names of y = 0 and y = 1; default: its labels.
    progress : callable, optional
        Told (run, epoch, epochs at most).

    Raises
    ------
    InputError
        For data or options that can't be used.
    """
    seed, share = whole_number("seed", seed, 0, LARGEST_SEED), checked("test_size", test_size, above=0.0)
    if share >= 1.0:
        raise InputError(f"test_size must be above 0 and below 1, such as 0.2, not {test_size!r}")
    rate = None if learning_rate is None else checked("learning_rate", learning_rate, above=0.0)
    if X is None and y is None:
        (X, y), rate = article_points(seed), rate or ARTICLE_RATE
    if X is None or y is None:
        raise InputError("give X and y, or neither of them for the article's points")
    setting = Setting.of(X, y, epochs, **shared)
    whole, classes = setting.rows, setting.classes
    if whole.n_features != 2:
        raise InputError(f"the study of centring needs two columns, to draw maps of them, and X has {whole.n_features}")
    train, test = stratified_split(whole.y.astype(np.float64), share, seed)
    setting, rest = replace(setting, rows=whole.take(train)), whole.take(test)
    check_weights(rest.s, rest.y, needs_both_classes=False)
    held_out = HeldOut.of(rest)
    forms = setting.forms([("as they are", False), ("centred", "center")])
    rate = rate or forms[0].limit / 2
    runs = [run(setting, form, form.label, held_out=held_out, learning_rate=rate, tol=0.0) for form in forms]
    plain, centred = (maps_over(setting.rows, each.result, (0, 1), np.zeros(2)) for each in runs)
    positive, optimum = float(np.average(rest.y, weights=rest.s)), forms[0].optimum
    best = held_out.at(optimum.w, optimum.b)["held_out_accuracy"] if optimum.exists else None
    return CenteringStudy.of(
        setting, forms, runs, maps=(plain, centred), classes=(str(classes[0]), str(classes[1])), seed=seed,
        n_held_out=len(test), base_accuracy=max(positive, 1.0 - positive), optimum_accuracy=best,
    )  # fmt: skip


# --- rows an update


@dataclass(frozen=True, eq=False)
class BatchesStudy(Study):
    """What `batches` found: all rows, then batches from the largest to the smallest; last, the smallest at a constant rate.

    A run "converges" if it is near the optimum over the last tenth of its epochs; "hovers" if it isn't, but was near before
    or no longer falls: a constant rate leaves the noise of the updates; "crawls" if it still falls; else "diverges".

    Attributes
    ----------
    updates : tuple of int
        Updates per epoch of each run. An epoch is one read of the data; reads that measure F are extra.
    seed : int
    tried, trial : int
        How many rates were tried for each run, and for how many epochs.
    """

    name: ClassVar[str] = "batches"
    heading: ClassVar[str] = "How batches shape what is learned"
    knob: ClassVar[str] = "rows an update"
    unit: ClassVar[str] = "reads"

    updates: tuple[int, ...]
    seed: int
    tried: int
    trial: int

    def rates_told(self) -> str:
        """Say what rates the runs take."""
        best = f"for each run the best of {self.tried}, by {counted(self.trial, 'read')} with each"
        return f"{best if self.tried > 1 else 'as given'}; batches after k reads: 1/(1 + k) of it"

    def columns(self) -> Mapping[str, Sequence[str]]:
        """Return each run's updates, where it ended, and its first rate."""
        pairs = zip(self.runs, self.updates, strict=True)
        reached = [None if run.reached is None else an_epoch * run.reached for run, an_epoch in pairs]
        return {
            f"updates to {nats(self.within)}": [number(count) for count in reached],
            "nats at the end": [number(run.level, 2) for run in self.runs],
            "learning rate": [number(run.rate) for run in self.runs],
        }

    def pictures(self) -> Sequence[Callable[..., Picture]]:
        """Draw the distance from the optimum against reads, and against updates."""
        from chainrule.charts.curves import batches_picture

        return [lambda: batches_picture(self.runs, self.updates, within=self.within, exists=self.optimum.exists)]


def batches(
    X: ArrayLike, y: ArrayLike, *, standardize: Standardize = False, sizes: Sequence[int] | None = None,
    rates: Sequence[float] = (), epochs: int | None = None, seed: int = 0, **shared: Unpack[Shared],
) -> BatchesStudy:  # fmt: skip
    """Run gradient descent on all rows, on mini-batches and on single rows, from zeros, each at the best of several rates.

    The rate of batches falls: after k epochs it is 1/(1 + k) of the first. The smallest batches are run again at a constant
    rate. Each run's rate is the one of `rates` with the lowest F after a few epochs.

    Parameters
    ----------
    X, y, sample_weight, alpha, C, standardize, feature_names, n_threads
        As `chainrule.fit`.
    sizes : sequence of int, optional
        Rows per update; sizes not below the number of rows are left out. By default 1, and 16 and 256 up to an eighth of the
        rows: larger batches are nearly all rows.
    rates : sequence of float
        The rates to choose from; by default a quarter of the largest rate known to be stable for the batch size, this rate, 4
        and 16 times as much. One rate is taken as it is.
    epochs : int, optional
        Epochs of each run, from 1: each reads the data once for its updates. By default 100; fewer, but at least 10, if rows
        times columns are more than 10 million.
    within : float
        Distance from the optimum, nats, up to which reads and updates are counted; 0.001.
    seed : int
        Seed of the order of the rows: a study repeats to the bit.
    progress : callable, optional
        Told (run, epoch, epochs at most).

    Raises
    ------
    InputError
        For data or options that can't be used.
    """
    given, seed = _rates(rates), whole_number("seed", seed, 0, LARGEST_SEED)
    setting = Setting.of(X, y, MOST_EPOCHS if epochs is None else epochs, **shared)
    notes: tuple[str, ...] = ()
    if epochs is None:
        fewer = max(LEAST_EPOCHS, NUMBERS_READ // (setting.rows.n_rows * setting.rows.n_features))
        if fewer < MOST_EPOCHS:
            setting = replace(setting, epochs=fewer)
            notes = (f"the table is large: each run has {fewer} epochs, not {MOST_EPOCHS}",)
    visited = setting.rows.n_visited
    sizes = [size for size in SIZES if size == 1 or 8 * size <= visited] if sizes is None else sizes
    asked = {whole_number("sizes", size, 1) for size in np.ravel(np.asarray(sizes, dtype=object)).tolist()}
    plans: list[tuple[str, dict[str, Any]]] = [("all rows", {"method": "gradient-descent"})]
    for size in sorted((size for size in asked if size < visited), reverse=True):
        label = "single rows" if size == 1 else f"{size:,} rows"
        plans.append((label, {"method": "sgd", "batch_size": size, "seed": seed, "schedule": "inverse"}))
    if len(plans) > 1:
        label, smallest = plans[-1]
        plans.append((f"{label} (constant)", {**smallest, "schedule": "constant"}))
    (form,) = setting.forms([("the columns", standardize)], is_curved=False)
    trial = max(1, min(TRIAL_EPOCHS, setting.epochs // 5))
    runs = []
    for label, how in plans:
        rate = _best_rate(replace(setting, epochs=trial), form, label, how, given)
        runs.append(run(setting, form, label, swings=True, tol=0.0, learning_rate=rate, **how))
    updates = tuple(-(-visited // how.get("batch_size", visited)) for _, how in plans)
    tried = len(given or TRIED)
    study = BatchesStudy.of(setting, [form], runs, updates=updates, seed=seed, tried=tried, trial=trial)
    return replace(study, notes=(*study.notes, *notes))


def _best_rate(setting: Setting, form: Form, label: str, how: Mapping[str, Any], rates: Sequence[float]) -> float:
    """Run each rate for the setting's epochs, and return the one that ends at the lowest F; of two equals the smaller."""
    if len(rates) == 1:
        return rates[0]
    if not rates:
        limit = setting.fit(
            form.optimum.reference, max_reads=0, standardize=form.standardize, **how
        ).learning_rate_limit
        base = limit if limit is not None and math.isfinite(limit) else 1.0
        rates = [factor * base for factor in TRIED]
    label = f"{label}, trying rates"
    ends = [run(setting, form, label, swings=True, tol=0.0, learning_rate=rate, **how).objective[-1] for rate in rates]
    return rates[int(np.argmin(np.nan_to_num(ends, nan=np.inf)))]
