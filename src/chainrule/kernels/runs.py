"""Steps that run in the core: Newton's method on few rows and columns, and mini-batch updates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule import _core
from chainrule.kernels.blocks import Blocks
from chainrule.kernels.reader import Partial, sums_of
from chainrule.kernels.reading import Matrix, Sums, Vector, View, What, useful_threads

ARRIVAL = What.LOSS | What.GRADIENT | What.SUMS | What.SQUARES | What.NORMS
SCHEDULES = ("constant", "inverse", "inverse-sqrt")


@dataclass(frozen=True)
class Path:
    """Points that Newton's method visited, and the next one.

    reads, objective, loss, correct: (k,); reads so far; correct is the share of the weight whose class is right.
    theta, gradient: (k, n + 1), the bias last; without an intercept its derivative is 0. next: (n + 1,), the bias last.
    total: reads in all. q: (n + 1,), one over the last Hessian's diagonal, 0 for the bias without an intercept.
    sums: at `next`, if asked for: loss, gradient, squares, and the norm with weights q; a Hessian too if `hessian` is None.
    hessian, z: (n + 1, n + 1) and (m,), of F and of the rows at the last of the points, if `next` is a full step from there.
    """

    reads: Vector
    objective: Vector
    loss: Vector
    correct: Vector
    theta: Matrix
    gradient: Matrix
    next: Vector
    q: Vector
    total: int
    sums: Sums | None
    hessian: Matrix | None
    z: Vector | None


def newton_path(
    design: Blocks,
    y: NDArray[np.uint8],
    s: Vector | None,
    view: View | None,
    index: NDArray[np.int64] | None,
    *,
    threads: int,
    **run: Any,
) -> Path:
    """Run Newton's steps in the core, for F = mean loss + (1/2) sum alpha_j w_j^2; each is a read with the Hessian.

    A step's end whose z alone are looked at, for the step's length, is a read too. It ends one step after the squared decrement
    is at most `near`, and small beside F; or at the last point, if the Hessian has no Cholesky factor, a step doesn't lower F,
    the classes are separated without a penalty, or `most` reads are done.

    Arguments as in `read`; run: alpha (n,), in the view's units, fit_intercept, w, b, near, most, and z (m,): if it isn't None,
    the next point is read too, and z filled with its z.
    """
    n, threads = design.n, useful_threads((len(y), design.n), threads)
    given: dict[str, Any] = {"center": None, "p": None} | design.seen(view) | run
    rows: dict[str, Any] = {"y": y, "s": s, "index": index, "columns": design.slot_numbers(None), "threads": threads}
    points, following, q, count, total, hessian, z, reading = _core.newton_path(design.native, **rows, **given)
    columns = points.reshape(count, 2 * n + 6)
    reads, objective, loss, correct = columns[:, :4].T
    theta, gradient = columns[:, 4 : n + 5], columns[:, n + 5 :]
    sums = None
    if reading is not None:
        design.refuse(reading.bad)
        what = ARRIVAL | (What.HESSIAN if hessian is None else What(0))
        sums, total = sums_of(Partial(reading, design, what, (1,)))[0], total + 1
    return Path(reads, objective, loss, correct, theta, gradient, following, q, total, sums, hessian, z)


@dataclass(frozen=True)
class Batches:
    """How stochastic gradient descent goes over the rows.

    size : B, rows per update. seed : of the row order, from 0 to 2^64 - 1. schedule : learning rate at update t, with T updates
    per epoch: "constant"; "inverse", eta_0/(1 + t/T); "inverse-sqrt", eta_0/sqrt(1 + t/T).
    """

    size: int
    seed: int
    schedule: str

    def rate(self, first: float, update: int, period: int) -> float:
        """Return eta_t for update t, with T = period."""
        more = 1.0 + update / period
        return first / {"constant": 1.0, "inverse": more, "inverse-sqrt": math.sqrt(more)}[self.schedule]

    def updates(self, rows: int) -> int:
        """Count the updates of an epoch that visits `rows` rows."""
        return -(-rows // self.size)


def visiting_order(rows: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """Return the order in which an epoch (0 is the first) visits rows: a permutation of 0, ..., rows - 1 by (seed, epoch).

    A Feistel network with cycle walking (`_native/stochastic.hpp`): the core computes each place when it needs it.
    """
    return np.asarray(_core.visiting_order(rows, seed, epoch))


def descend(
    design: Blocks,
    y: NDArray[np.uint8],
    s: Vector | None,
    view: View | None,
    kept: NDArray[np.int64] | None,
    *,
    batches: Batches,
    **run: Any,
) -> tuple[Vector, float]:
    """Make the updates `first` to `end` of an epoch from (w, b), in the view's units, one after the other on one thread.

    Update k of an epoch takes the rows at places k B to (k + 1) B of `visiting_order`, fewer in the last, and is

        w <- w - eta_t per_weight step_j sum s dL_dz x - eta_t ridge_j (rows of the batch/B) w_j,    b without a penalty.

    Parameters
    ----------
    design : Blocks
        Of dense rows alone.
    y, s, view
        As in `read`.
    kept : (M,) int64, optional
        Numbers of the rows to visit; all by default.
    batches
        Batch size, seed and schedule.
    run : step, ridge, fit_intercept, w, b, rate, per_weight, epoch, first, end
        ridge (n,) : the penalty's second derivatives, in the fit's units. step (n,) : factors from the gradient to the step,
        both in the view's units. rate : eta_0.
    """
    how = {"schedule": SCHEDULES.index(batches.schedule), "batch": batches.size, "seed": batches.seed}
    given: dict[str, Any] = {"center": None, "p": None} | design.seen(view) | how | run
    point = _core.descend(design.native, y=y, s=s, kept=kept, **given)
    return point[:-1], float(point[-1])
