"""All that is told of how a training learned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from chainrule.studies.learned.gradients import Gradients, follows_batches, gradients_of
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

    no_maps, no_gradients : why there are none; empty where there are, or nothing to say.
    """

    progress: Progress
    gradients: Gradients | None = None
    maps: Maps | None = None
    no_maps: str = ""
    no_gradients: str = ""


def learned_by(training: Training) -> Learned:
    """Tell how a training learned, with some reads of its rows (`gradients.points_for`)."""
    rows, result = training.prepared.training_rows(training.result.threads), training.result
    numeric = np.asarray(training.prepared.schema.numeric)
    maps = maps_of(rows, result, numeric)
    by_batches = follows_batches(rows, result) and len(result.trace) > 1
    return Learned(
        progress=progress_of(result, training.deviations),
        gradients=None if by_batches else gradients_of(rows, result),
        maps=maps,
        no_maps="" if maps is not None or len(result.trace) < 2 else _why_no_maps(int(numeric.sum())),
        no_gradients=NOISE if by_batches else "",
    )


def _why_no_maps(numbers: int) -> str:
    has = {0: "the model reads none", 1: "the model reads one"}.get(numbers, "fewer than two of the model's vary")
    return f"A map needs two columns of numbers, and {has}"
