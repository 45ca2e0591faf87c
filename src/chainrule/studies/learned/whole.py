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
    numeric, has_way = np.asarray(training.prepared.schema.numeric), len(result.trace) > 1
    maps, by_batches = maps_of(rows, result, numeric), follows_batches(rows, result) and has_way
    has = {0: "the model reads none", 1: "the model reads one"}.get(numeric.sum(), "fewer than two of the model's vary")
    return Learned(
        progress_of(result, training.deviations),
        None if by_batches else gradients_of(rows, result),
        maps,
        "" if maps is not None or not has_way else f"A map needs two columns of numbers, and {has}",
        NOISE if by_batches else "",
    )
