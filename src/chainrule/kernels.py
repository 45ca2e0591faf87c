"""One function per hot loop: a thin typed wrapper over the native core.

A read goes once over the rows, in logical blocks of `BLOCK_ROWS`, and adds the blocks' sums in a fixed binary tree:
the number of threads can't change a bit.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from enum import IntFlag
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule import _core
from chainrule.errors import InputError

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

BLOCK_ROWS: int = _core.BLOCK_ROWS
FLOAT32_BLOCK: int = _core.FLOAT32_BLOCK
MAX_THREADS = 1024
# Fewer numbers than one thread's start-up is worth are read by one.
_WORTH_A_THREAD = 100_000


class What(IntFlag):
    """What a read collects beside the loss.

    HESSIAN32, with HESSIAN: every row times sqrt(s h) is rounded to float32 and multiplied in it, `FLOAT32_BLOCK` rows at a
    time; the blocks are added in float64. It needs a view in which the columns are about as large as 1. An entry is then wrong
    by at most (FLOAT32_BLOCK + 6) 2^-24 times the root of its two diagonal entries, provided that the matrix is finite
    (nothing overflowed) and that each of its diagonal entries is at least 2^-100 times the number of rows (what underflowed
    is too small to count). `hessian_eta(n, depth, float32_block=FLOAT32_BLOCK)` bounds the whole.
    """

    LOSS = 1
    GRADIENT = 2
    HESSIAN = 4
    PRODUCT = 8
    MOMENTS = 16
    SQUARES = 32
    NORMS = 64
    HESSIAN32 = 128


@dataclass(frozen=True)
class View:
    """Columns seen as ``x * p - center * p`` with `p` powers of two: exact scaling, one rounding for the centre."""

    center: Vector
    p: Vector

    @property
    def center_times_p(self) -> Vector:
        """Centre times p, exactly."""
        return self.center * self.p


@dataclass(frozen=True)
class Sums:
    """Sums over the rows (not means), in the units of the view.

    Attributes
    ----------
    loss : float
        sum s l, in nats.
    correct : float
        Weight of the rows whose class is that of z (class 1 where z > 0).
    weight : float
        S = sum s.
    gradient, bias
        sum s dL_dz x, shape (n,), and sum s dL_dz; of a Hessian product, its two parts.
    matrix
        sum s h x~ x~', shape (n + 1, n + 1), symmetric, the bias last; h = g (1 - g), or 1 for moments. Or None.
    squares, sums
        sum s x^2 and sum s x, shape (n,), for moments without the matrix; squares also beside a gradient, if asked for.
    low, high
        Smallest and largest x of each column over rows of positive weight, as given (not viewed). Or None.
    norm : float
        Largest sum_j q_j x~_j^2 over rows of positive weight, if asked for.
    """

    loss: float
    correct: float
    weight: float
    gradient: Vector
    bias: float
    matrix: Matrix | None = None
    squares: Vector | None = None
    sums: Vector | None = None
    low: Vector | None = None
    high: Vector | None = None
    norm: float = 0.0

    def times(self, factor: float) -> Sums:
        """Count every row `factor` times."""
        if factor == 1.0:
            return self
        return replace(
            self,
            loss=factor * self.loss,
            correct=factor * self.correct,
            weight=factor * self.weight,
            gradient=factor * self.gradient,
            bias=factor * self.bias,
            matrix=None if self.matrix is None else factor * self.matrix,
            squares=None if self.squares is None else factor * self.squares,
        )

    def plus(self, other: Sums) -> Sums:
        """Add the sums over other rows, of which the same was asked."""
        return replace(
            self,
            loss=self.loss + other.loss,
            correct=self.correct + other.correct,
            weight=self.weight + other.weight,
            gradient=self.gradient + other.gradient,
            bias=self.bias + other.bias,
            matrix=None if self.matrix is None or other.matrix is None else self.matrix + other.matrix,
            squares=None if self.squares is None or other.squares is None else self.squares + other.squares,
        )


def kernel_name() -> str:
    """Name of the instruction set whose kernels run: CHAINRULE_KERNEL, or the best that the processor has."""
    try:
        return str(_core.kernel_name(_kernel_asked()))
    except ValueError as error:
        raise InputError(f"CHAINRULE_KERNEL: {error}; unset it to take the best there is") from None


def _kernel_asked() -> str | None:
    return os.environ.get("CHAINRULE_KERNEL") or None


def thread_count(n_threads: int | None = None) -> int:
    """Threads of a read: `n_threads`, or CHAINRULE_THREADS, or the processors that this process may use."""
    asked: object = n_threads
    name = "n_threads"
    if asked is None:
        asked, name = os.environ.get("CHAINRULE_THREADS") or None, "CHAINRULE_THREADS"
    if asked is None:
        affinity = getattr(os, "sched_getaffinity", None)
        return len(affinity(0)) if affinity else os.cpu_count() or 1
    try:
        count = int(str(asked))
    except ValueError:
        count = 0
    if not 1 <= count <= MAX_THREADS or isinstance(asked, bool):
        raise InputError(f"{name} must be a whole number from 1 to {MAX_THREADS}, not {asked!r}")
    return count


def useful_threads(shape: tuple[int, ...], threads: int) -> int:
    """Say how many of `threads` a read of (m, n) numbers uses: no more than blocks, and one where the data are small."""
    m, n = shape
    return 1 if m * n < _WORTH_A_THREAD else min(threads, -(-m // BLOCK_ROWS))


def read_rows(
    X: NDArray[np.floating],
    what: What,
    *,
    y: NDArray[np.uint8] | None = None,
    s: Vector | None = None,
    w: Vector | None = None,
    b: float = 0.0,
    v: Vector | None = None,
    z: Vector | None = None,
    view: View | None = None,
    index: NDArray[np.int64] | None = None,
    q: Vector | None = None,
    threads: int = 1,
) -> Sums:
    """Read all rows once.

    Parameters
    ----------
    X : (m, n) float64 or float32
        Any strides; never copied.
    what : What
        LOSS needs `w`; with `y` None it fills `z` alone. PRODUCT needs `v` and excludes GRADIENT.
    y : (m,) uint8, 0 or 1
    s : (m,) float64, optional
        Weights; a row of weight 0 is not looked at.
    w, b
        The point, in the view's units: (n,) and a number.
    v : (n + 1,)
        Direction of the Hessian product, the bias last.
    z : (m,), optional
        Filled with every row's z.
    view : View, optional
        Centred and scaled columns.
    index : (k,) int64, optional
        Read these rows alone; y, s and z then have k elements, one a place.
    q : (n + 1,), optional
        Weights of the norms, the bias last.
    threads : int
        Changes no bit of the result.
    """
    n = X.shape[1]
    threads = useful_threads((len(X) if index is None else len(index), n), threads)
    center, p, cp = (None, None, None) if view is None else (view.center, view.p, view.center_times_p)
    raw, matrix, gradient_at, squares_at, sums_at, extremes_at = _core.read_rows(
        X, int(what), y, s, w, b, v, z, center, p, cp, index, q, threads, _kernel_asked()
    )
    squares = sums = low = high = None
    if what & What.SQUARES or (what & What.MOMENTS and matrix is None):
        squares = raw[squares_at : squares_at + n]
    if what & What.MOMENTS and matrix is None:
        sums = raw[sums_at : sums_at + n]
    if what & What.MOMENTS:
        low, high = -raw[extremes_at : extremes_at + n], raw[extremes_at + n : extremes_at + 2 * n]
    return Sums(
        loss=float(raw[0]),
        correct=float(raw[1]),
        weight=float(raw[2]),
        gradient=raw[gradient_at : gradient_at + n],
        bias=float(raw[3]),
        matrix=matrix,
        squares=squares,
        sums=sums,
        low=low,
        high=high,
        norm=float(raw[-1]) if what & What.NORMS else 0.0,
    )


@dataclass(frozen=True)
class Path:
    """Points that Newton's method went through, and the one that it would go to next.

    reads, objective, loss, correct: (k,); reads so far; correct is the share of the weight whose class is right.
    theta, gradient: (k, n + 1), the bias last; without an intercept its derivative is 0. next: (n + 1,), not evaluated.
    total: reads in all.
    """

    reads: Vector
    objective: Vector
    loss: Vector
    correct: Vector
    theta: Matrix
    gradient: Matrix
    next: Vector
    total: int


def newton_path(
    X: NDArray[np.floating],
    y: NDArray[np.uint8],
    s: Vector | None,
    view: View | None,
    index: NDArray[np.int64] | None,
    *,
    alpha: Vector,
    fit_intercept: bool,
    w: Vector,
    b: float,
    near: float,
    most: int,
    threads: int,
) -> Path:
    """Run damped Newton in the core, for F = mean loss + (1/2) sum alpha_j w_j^2: each step a read with the Hessian.

    It ends one step after the squared decrement is at most `near`; or at the last point, where the Hessian has no Cholesky
    factor, no step lowers F, or `most` reads are done. Arguments as of `read_rows`; alpha (n,), in the view's units.
    """
    n = X.shape[1]
    threads = useful_threads((len(y), n), threads)
    center, p, cp = (None, None, None) if view is None else (view.center, view.p, view.center_times_p)
    points, following, count, total = _core.newton_path(
        X, y, s, center, p, cp, index, alpha, fit_intercept, w, b, near, most, threads, _kernel_asked()
    )
    columns = points.reshape(count, 2 * n + 6)
    theta, gradient = columns[:, 4 : n + 5], columns[:, n + 5 :]
    reads, objective, loss, correct = columns[:, :4].T
    return Path(reads, objective, loss, correct, theta, gradient, following, total)


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
    X: NDArray[np.floating],
    y: NDArray[np.uint8],
    s: Vector | None,
    view: View | None,
    kept: NDArray[np.int64] | None,
    *,
    step: Vector,
    alpha: float,
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

        w <- w - eta_t per_weight step_j sum s dL_dz x - eta_t alpha (rows of the batch/B) w,    b without a penalty.

    Parameters
    ----------
    X, y, s, view, w, b
        As of `read_rows`.
    kept : (M,) int64, optional
        Rows to visit, by place; all by default.
    step : (n,)
        From the gradient in the view's units to the step in them.
    rate, batches
        eta_0, and what makes eta_t of it.
    """
    center, p, cp = (None, None, None) if view is None else (view.center, view.p, view.center_times_p)
    point = _core.descend(
        X,
        y,
        s,
        center,
        p,
        cp,
        kept,
        step,
        alpha,
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
        _kernel_asked(),
    )
    return point[:-1], float(point[-1])


def two_labels(y: NDArray[Any]) -> tuple[NDArray[np.uint8], Any, Any] | None:
    """Y as 0 and 1 and its two labels, smaller first, in one go over numbers; None where they aren't two, or no numbers."""
    if y.ndim != 1 or not y.flags.c_contiguous or not len(y) or y.dtype.kind not in "biuf" or not y.dtype.isnative:
        return None
    codes = np.empty(len(y), dtype=np.uint8)
    found = _core.encode_labels(y, codes, _kernel_asked())
    return None if found is None else (codes, found[0], found[1])


def pointwise(z: Vector, y: NDArray[np.uint8]) -> tuple[Vector, Vector, Vector]:
    """Loss, dL_dz and d2L_dz2 of single rows by the kernels' own arithmetic: three arrays (m,)."""
    z = np.ascontiguousarray(z, dtype=np.float64)
    loss, residual, curvature = (np.empty_like(z) for _ in range(3))
    _core.pointwise(z, np.ascontiguousarray(y, dtype=np.uint8), loss, residual, curvature, _kernel_asked())
    return loss, residual, curvature
