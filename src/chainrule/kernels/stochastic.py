"""Mini-batches: their order and their updates."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chainrule import _core
from chainrule.kernels.design import Design
from chainrule.kernels.reading import View, kernel_asked

Vector = NDArray[np.float64]

SCHEDULES = ("constant", "inverse", "inverse-sqrt")


@dataclass(frozen=True)
class Batches:
    """How stochastic gradient descent goes over the rows.

    size : B, rows an update. seed : of the order, from 0 to 2^64 - 1. schedule : of the learning rate over the updates t, with
    T those of an epoch: "constant"; "inverse", eta_0/(1 + t/T); "inverse-sqrt", eta_0/sqrt(1 + t/T).
    """

    size: int
    seed: int
    schedule: str

    def rate(self, first: float, update: int, period: int) -> float:
        """Give eta_t of update t, T = period."""
        more = 1.0 + update / period
        return first / {"constant": 1.0, "inverse": more, "inverse-sqrt": math.sqrt(more)}[self.schedule]

    def updates(self, rows: int) -> int:
        """Count the updates of an epoch that visits so many rows."""
        return -(-rows // self.size)


def visiting_order(rows: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """Order in which an epoch (0 is the first) visits its rows: a permutation of 0, ..., rows - 1, keyed by (seed, epoch).

    A Feistel network with cycle walking (`_native/stochastic.hpp`): the core computes each place when it needs it.
    """
    places = np.empty(rows, dtype=np.int64)
    _core.visiting_order(places, seed, epoch)
    return places


def descend(
    design: Design,
    y: NDArray[np.uint8],
    s: Vector | None,
    view: View | None,
    kept: NDArray[np.int64] | None,
    *,
    step: Vector,
    ridge: Vector,
    fit_intercept: bool,
    w: Vector,
    b: float,
    rate: float,
    batches: Batches,
    per_weight: float,
    epoch: int,
    first: int,
    end: int,
) -> tuple[Vector, float]:
    """Make the updates `first` to `end` of an epoch from (w, b), in the view's units, one after the other on one thread.

    Update k of an epoch takes the rows at places k B to (k + 1) B of `visiting_order`, fewer in the last, and is

        w <- w - eta_t per_weight step_j sum s dL_dz x - eta_t ridge_j (rows of the batch/B) w_j,    b without a penalty.

    Parameters
    ----------
    design : Design
        Of dense rows alone.
    y, s, view, w, b
        As of `read`.
    kept : (M,) int64, optional
        Rows to visit, by place; all by default.
    ridge : (n,)
        The penalty's second derivatives, in the fit's units.
    step : (n,)
        From the gradient in the view's units to the step in them.
    rate, batches
        eta_0, and what makes eta_t of it.
    """
    center, p = (None, None) if view is None else (view.center, view.p)
    point = _core.descend(
        design.native,
        y,
        s,
        center,
        p,
        kept,
        step,
        ridge,
        fit_intercept,
        w,
        b,
        rate,
        SCHEDULES.index(batches.schedule),
        batches.size,
        per_weight,
        batches.seed,
        epoch,
        first,
        end,
        kernel_asked(),
    )
    return point[:-1], float(point[-1])
