"""How a run learned: from what it recorded, and from a few reads at the points that it passed."""

from __future__ import annotations

from dataclasses import dataclass

from chainrule.studies.learned.gradients import Gradients, gradients_of
from chainrule.studies.learned.maps import Maps, maps_of
from chainrule.studies.learned.progress import Progress, progress_of
from chainrule.training import Training

NOISE = (
    "The columns’ shares of the gradient are not shown: the steps of mini-batches follow that of a few rows, and the gradient "
    "of all rows soon shows the noise of the last batches more than what is left to learn"
)


@dataclass(frozen=True)
class Learned:
    """Progress from the trace; gradients and maps, each None where there is nothing to show.

    notes : why something is not shown.
    """

    progress: Progress
    gradients: Gradients | None = None
    maps: Maps | None = None
    notes: tuple[str, ...] = ()


def learned_by(training: Training) -> Learned:
    """Tell how a training learned, with some reads of its rows."""
    rows, result = training.prepared.training_rows(training.result.threads), training.result
    numeric = training.prepared.schema.numeric
    maps = maps_of(rows, result, numeric)
    by_batches = result.method == "sgd" and (result.batch_size or 1) < rows.n_visited
    has = {0: "the model reads none", 1: "the model reads one"}.get(numeric.sum(), "fewer than two of the model's vary")
    notes = [NOISE] * by_batches + [f"A map needs two columns of numbers, and {has}"] * (maps is None)
    return Learned(
        progress_of(result, training.deviations), None if by_batches else gradients_of(rows, result), maps,
        tuple(notes) if len(result.trace) > 1 else (),
    )  # fmt: skip
