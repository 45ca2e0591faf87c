"""Full batch against mini-batches and single rows: what a read of the data and an update bring each of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.data.inputs import number as checked
from chainrule.data.inputs import seed_number
from chainrule.errors import InputError
from chainrule.fitting.audit import shared_floors
from chainrule.fitting.result import Result
from chainrule.studies import words
from chainrule.studies.base import Lines, Study
from chainrule.studies.rates import WITHIN, objective_words, optimum_words
from chainrule.studies.runs import Recorder
from chainrule.studies.setting import Optimum, Progress, Setting, Standardize, whole_number

if TYPE_CHECKING:
    from chainrule.charts.sheet import Panel

Floats = NDArray[np.float64]

EPOCHS = 100
SIZES = (1, 16, 256)
FALLING = "inverse-sqrt"
CLEARLY = 2.0  # times nearer
TO_THE_END = 0.0  # tol: each run goes on to its last epoch


@dataclass(frozen=True, eq=False)
class BatchedRun:
    """One run.

    Attributes
    ----------
    label : str
    batch_size : int or None
        Rows an update; None: all.
    schedule : str
        "constant", or how the rate falls.
    rate : float
        The learning rate, of the first update.
    happened : str
        "converges": at the end F is within the distance asked for. "hovers": it is not, although it was once, or no longer
        falls: a constant rate leaves the noise of the updates. "crawls": it is not, and still falls. "diverges": F was not
        finite any more.
    reads, updates, objective, gap : (k,) float64
        Reads of the data for updates (those that measure F come on top), updates, F, and the proven bound on F - F*, after each
        epoch.
    reached, reached_updates : float or None
        Reads and updates until F was first within that distance.
    settled : float
        Median of `gap` over the last tenth of the epochs: single ones may be lucky.
    """

    label: str
    batch_size: int | None
    schedule: str
    rate: float
    happened: str
    reads: Floats
    updates: Floats
    objective: Floats
    gap: Floats
    reached: float | None
    reached_updates: float | None
    settled: float


@dataclass(frozen=True, eq=False)
class BatchesStudy(Study):
    """What `batches` found. Frozen.

    Attributes
    ----------
    runs : tuple of BatchedRun
        All rows first, then batches from the largest to single rows; last, the smallest at a falling rate.
    optimum : Optimum
    within : float
        Nats.
    max_epochs, seed, n_rows, n_features : int
    alpha : float
    notes : tuple of str
    """

    name: ClassVar[str] = "batches"
    heading: ClassVar[str] = "How batches shape what is learned"

    runs: tuple[BatchedRun, ...]
    optimum: Optimum
    within: float
    max_epochs: int
    seed: int
    n_rows: int
    n_features: int
    alpha: float
    notes: tuple[str, ...]

    @property
    def conclusions(self) -> tuple[str, ...]:
        """What the numbers say."""
        cause = "" if self.optimum.exists else f"{self.optimum.cause}: distances are from the infimum"
        sentences = [cause, *_arrivals(self), *_ends(self)]
        return (" ".join(words.capital(text) for text in sentences if text),)

    def facts(self) -> list[tuple[str, str]]:
        """Say what was studied."""
        return [
            ("rows", f"{self.n_rows:,}, {self.n_features:,} columns"),
            ("objective", objective_words(self.alpha)),
            ("optimum", optimum_words(self.optimum)),
            (
                "learning rate",
                "half the largest stable one for all rows, a quarter of what is known to be stable for batches; the order of "
                f"the rows from seed {self.seed}",
            ),
            (
                "reads",
                "those of the updates, one an epoch; another one after each epoch measures F and is not counted here",
            ),
        ]

    def tables(self) -> list[Lines]:
        """One line a run."""
        near = f"{words.nats(self.within)}"
        heads = (
            "rows an update",
            f"reads to {near}",
            f"updates to {near}",
            "nats at the end",
            "what happened",
            "learning rate",
        )
        rows = tuple(
            (
                run.label,
                words.reached(run.reached, False, len(run.reads) - 1, run.happened),
                "-" if run.reached_updates is None else f"{run.reached_updates:,.0f}",
                words.number(run.settled, 2),
                run.happened,
                words.number(run.rate),
            )
            for run in self.runs
        )
        return [Lines("The batches", heads, rows)]

    def panels(self) -> list[Panel]:
        """One picture: the distance from the optimum against reads, and against updates."""
        from chainrule.charts.gap_charts import BatchRun, batches_picture
        from chainrule.charts.sheet import Panel

        runs = [BatchRun(run.label, run.reads, run.updates, run.gap, levels(run.gap)) for run in self.runs]
        return [
            Panel(lambda: batches_picture(runs, within=self.within, exists=self.optimum.exists), self.conclusions[0])
        ]


@shared_floors()
def batches(
    X: ArrayLike,
    y: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    alpha: float = 0.0,
    fit_intercept: bool = True,
    standardize: Standardize = False,
    sizes: Sequence[int] = SIZES,
    epochs: int = EPOCHS,
    within: float = WITHIN,
    seed: int = 0,
    feature_names: Sequence[str] | None = None,
    n_threads: int | None = None,
    progress: Progress | None = None,
) -> BatchesStudy:
    """Run gradient descent on all rows, on mini-batches and on single rows, from zeros, each at its own safe rate.

    Parameters
    ----------
    X, y, sample_weight, alpha, fit_intercept, standardize, feature_names, n_threads
        As `chainrule.fit`.
    sizes : sequence of int
        Rows an update; those that are not below the number of rows are left out. The smallest runs once more at a rate that
        falls as eta_0/sqrt(1 + t/T), T the updates of an epoch.
    epochs : int
        Epochs of each run, from 1: each reads the data once for its updates.
    within : float
        Distance from the optimum, nats, to which reads and updates are counted.
    seed : int
        Of the order of the rows: a study repeats to the bit.
    progress : callable, optional
        Told (run, epoch, epochs at most).

    Returns
    -------
    BatchesStudy

    Raises
    ------
    InputError
        For data or options that can't be used.
    """
    most, within = whole_number("epochs", epochs, 1), checked("within", within, above=0.0)
    seed = seed_number("seed", seed)
    setting = Setting.of(
        X, y, sample_weight, alpha=alpha, fit_intercept=fit_intercept, feature_names=feature_names, n_threads=n_threads
    )  # fmt: skip
    optimum, notes = setting.optimum(standardize)
    plans: list[tuple[str, int | None, str]] = [("all rows", None, "constant")]
    visited = len(setting.y) if setting.s is None else int(np.count_nonzero(setting.s))
    chosen = sorted({size for size in _sizes(sizes) if size < visited}, reverse=True)
    plans += [(_label(size), size, "constant") for size in chosen]
    plans += [(f"{_label(size).removesuffix(' rows')}, falling", size, FALLING) for size in chosen[-1:]]
    runs = []
    for label, size, schedule in plans:
        recorder = Recorder(label, progress)
        how: dict[str, Any] = {}
        if size is not None:
            how = {"method": "sgd", "batch_size": size, "schedule": schedule, "seed": seed}
        result = setting.descend("auto", most, TO_THE_END, standardize, (recorder,), **how)
        runs.append(_run((label, size, schedule), visited, recorder, result, within))
    return BatchesStudy(
        runs=tuple(runs),
        optimum=optimum,
        within=within,
        max_epochs=most,
        seed=seed,
        n_rows=len(setting.y),
        n_features=len(setting.names),
        alpha=setting.alpha,
        notes=notes,
    )


def _sizes(sizes: Any) -> list[int]:
    given = [sizes] if np.ndim(sizes) == 0 else list(sizes)
    try:
        return [whole_number("sizes", size, 1) for size in given]
    except InputError:
        raise InputError(f"sizes must be whole numbers from 1, not {sizes!r}") from None


def _label(size: int) -> str:
    return "single rows" if size == 1 else f"{size:,} rows"


def _run(
    plan: tuple[str, int | None, str], visited: int, recorder: Recorder, result: Result, within: float
) -> BatchedRun:
    label, size, schedule = plan
    objective, gap = np.array(recorder.objective), np.array(recorder.gap)
    reads = np.arange(float(len(gap)))
    an_epoch = 1 if size is None else -(-visited // size)
    there = np.flatnonzero(gap <= within)
    settled = float(levels(gap)[-1])
    if result.reason in ("diverged", "non_finite"):
        happened = "diverges"
    elif settled <= within:
        happened = "converges"
    else:
        happened = "hovers" if len(there) or result.reason == "noise_floor" else "crawls"
    first = float(there[0]) if len(there) else None
    rate = float(result.learning_rate or 0.0)
    reached_updates = None if first is None else first * an_epoch
    return BatchedRun(
        label, size, schedule, rate, happened, reads, reads * an_epoch, objective, gap, first, reached_updates, settled
    )  # fmt: skip


def levels(gap: Floats) -> Floats:
    """Median (k,) of a gap over the last tenth of the epochs so far, the latest at least: single ones may be lucky."""
    counts = range(1, len(gap) + 1)
    return np.array([np.median(gap[count - max(1, count // 10) : count]) for count in counts])


def _named(run: BatchedRun) -> str:
    if run.batch_size is None:
        return "all rows an update"
    named = "single rows" if run.batch_size == 1 else f"batches of {run.batch_size:,} rows"
    return named if run.schedule == "constant" else f"{named} at a falling rate"


def _arrivals(study: BatchesStudy) -> list[str]:
    """Say which came near the optimum first, by reads and by updates."""
    near = f"within {words.nats(study.within)} of {study.optimum.name}"
    there = [run for run in study.runs if run.reached is not None]
    reads = f"{study.max_epochs:,} read" + ("" if study.max_epochs == 1 else "s")
    if not there:
        nearest = min(study.runs, key=lambda run: float(np.min(run.gap)))
        lowest = float(np.min(nearest.gap))
        text = f"none came {near} in {reads}"
        return [
            f"{text}; {_named(nearest)} came nearest, to {words.number(lowest, 2)}" if math.isfinite(lowest) else text
        ]
    if all(run.reached == 0 for run in there):
        return [f"the start is {near} already"]
    first = min(there, key=lambda run: run.reached or 0.0)
    tied = [run for run in there if run.reached == first.reached]
    names = words.listed([_named(run) for run in tied])
    each = ", each" if len(tied) > 1 else ""
    after = words.epochs(first.reached or 0.0).replace("epoch", "read")
    text = f"{names} came {near} first{each} after {after} of the data"
    if len(tied) == 1:
        text += f", {first.reached_updates:,.0f} updates"
    rest = [f"{_named(run)} after {run.reached:,.0f}" for run in there if run not in tied]
    sentences = [f"{text}; {', '.join(rest)}" if rest else text]
    fewest = min(there, key=lambda run: run.reached_updates or 0.0)
    if fewest not in tied and len(there) > 1:
        sentences.append(f"counted by updates {_named(fewest)} came first, after {fewest.reached_updates:,.0f}")
    never = [run for run in study.runs if run.reached is None]
    if never:
        sentences.append(f"{words.listed([_named(run) for run in never])} did not come there in {reads}")
    return sentences


def _ends(study: BatchesStudy) -> list[str]:
    """Say where the runs are after their last epoch: a constant rate leaves a floor of noise."""
    finite = [run for run in study.runs if math.isfinite(run.settled)]
    if not finite:
        return []
    each = ", ".join(f"{_named(run)} {words.number(run.settled, 2)}" for run in finite)
    sentences = [f"over the last tenth of the epochs F is above {study.optimum.name} by, in nats: {each}"]
    lowest = min(run.settled for run in finite)
    noisy = [
        run
        for run in finite
        if run.schedule == "constant" and run.happened == "hovers" and run.settled > CLEARLY * lowest
    ]
    if noisy:
        sentences.append(f"{words.listed([_named(run) for run in noisy])} stay above by the noise of their updates")
        for run in finite:
            same = [other for other in noisy if other.batch_size == run.batch_size]
            if run.schedule != "constant" and same and CLEARLY * run.settled < same[0].settled:
                sentences[-1] += f"; {_named(run)} go down to {words.number(run.settled, 2)}"
    return sentences
