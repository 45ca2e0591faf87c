"""Full batch against mini-batches and single rows: what a read of the data and an update bring each of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Unpack

import numpy as np
from numpy.typing import ArrayLike

from chainrule.data.inputs import LARGEST_SEED, whole_number
from chainrule.studies import words
from chainrule.studies.runs import Run, run
from chainrule.studies.setting import Setting, Shared, Standardize
from chainrule.studies.study import Study

if TYPE_CHECKING:
    from chainrule.charts.canvas import Picture


@dataclass(frozen=True, eq=False)
class BatchesStudy(Study):
    """What `batches` found: all rows, then batches from the largest to single rows; last, the smallest at a falling rate.

    A run "converges" if it is near the optimum over the last tenth of its epochs; "hovers" if it is not, although it was
    once, or no longer falls: a constant rate leaves the noise of the updates; "crawls" if it still falls; else "diverges".

    Attributes
    ----------
    updates : tuple of int
        Of each run, in an epoch, which is a read of the data (those that measure F come on top).
    seed : int
    """

    name: ClassVar[str] = "batches"
    heading: ClassVar[str] = "How batches shape what is learned"
    knob: ClassVar[str] = "rows an update"
    unit: ClassVar[str] = "reads"
    how: ClassVar[str] = "half the largest stable one for all rows, a quarter of what is known to be stable for batches"

    updates: tuple[int, ...]
    seed: int

    def says(self) -> tuple[str, ...]:
        """Say which came near the optimum first, and where the noise of the updates left them."""
        ends = [(run.label, words.number(settled(run), 2)) for run in self.runs]
        above = f"Nats above {self.optimum.name} at the end, where updates of few rows leave noise"
        return (f"{self.arrivals()} {words.listed(above, ends)}",)

    def columns(self) -> Mapping[str, Sequence[str]]:
        """Give updates, where it ended, and the rate."""
        reached = [run.reached if run.reached is None else an_epoch * run.reached
                   for run, an_epoch in zip(self.runs, self.updates, strict=True)]  # fmt: skip
        return {
            f"updates to {words.nats(self.within)}": [words.number(count) for count in reached],
            "nats at the end": [words.number(settled(run), 2) for run in self.runs],
            "learning rate": [words.number(run.rate) for run in self.runs],
        }

    def pictures(self) -> Sequence[Callable[[], Picture]]:
        """Draw the distance from the optimum against reads, and against updates."""
        from chainrule.charts.gap_charts import BatchRun, batches_picture

        runs = [
            BatchRun(run.label, run.epochs, an_epoch * run.epochs, run.gap, run.curves["level"])
            for run, an_epoch in zip(self.runs, self.updates, strict=True)
        ]
        return [lambda: batches_picture(runs, within=self.within, exists=self.optimum.exists)]


def batches(
    X: ArrayLike, y: ArrayLike, *, standardize: Standardize = False, sizes: Sequence[int] = (1, 16, 256),
    epochs: int = 100, seed: int = 0, **shared: Unpack[Shared],
) -> BatchesStudy:  # fmt: skip
    """Run gradient descent on all rows, on mini-batches and on single rows, from zeros, each at its own safe rate.

    Parameters
    ----------
    X, y, sample_weight, alpha, standardize, feature_names, n_threads
        As `chainrule.fit`.
    sizes : sequence of int
        Rows an update; those that are not below the number of rows are left out. The smallest runs once more at a rate that
        falls as eta_0/sqrt(1 + t/T), T the updates of an epoch.
    epochs : int
        Epochs of each run, from 1: each reads the data once for its updates.
    within : float
        Distance from the optimum, nats, to which reads and updates are counted; 0.001.
    seed : int
        Of the order of the rows: a study repeats to the bit.
    progress : callable, optional
        Told (run, epoch, epochs at most).

    Raises
    ------
    InputError
        For data or options that can't be used.
    """
    setting, seed = Setting.of(X, y, epochs, **shared), whole_number("seed", seed, 0, LARGEST_SEED)
    visited = len(setting.y) if setting.s is None else int(np.count_nonzero(setting.s))
    asked = {whole_number("sizes", size, 1) for size in np.ravel(np.asarray(sizes, dtype=object)).tolist()}
    plans = [(size, "constant") for size in sorted(asked, reverse=True) if size < visited]
    plans += [(size, "inverse-sqrt") for size, _ in plans[-1:]]
    optimum, notes = setting.optimum(standardize)
    form = setting.form("the columns", standardize, optimum, is_curved=False)
    runs = [run(setting, form, "all rows", to_the_end=True, swings=True)[0]]
    for size, schedule in plans:
        label = "single rows" if size == 1 else f"{size:,} rows"
        label += "" if schedule == "constant" else " (falling)"
        how: dict[str, Any] = {"method": "sgd", "batch_size": size, "schedule": schedule, "seed": seed}
        runs.append(run(setting, form, label, to_the_end=True, swings=True, **how)[0])
    updates = (1, *(-(-visited // size) for size, _ in plans))
    return BatchesStudy.made(setting, [form], runs, notes, updates=updates, seed=seed)


def settled(told: Run) -> float:
    """Median of F - F* over the last tenth of the epochs."""
    return float(told.curves["level"][-1])
