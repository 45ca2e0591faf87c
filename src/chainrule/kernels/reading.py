"""What a read collects and what it returns; which kernel runs, on how many threads."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from enum import IntFlag
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule import _core
from chainrule.errors import InputError
from chainrule.kernels.bordered import Symmetric

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

BLOCK_ROWS: int = _core.BLOCK_ROWS
FLOAT32_BLOCK: int = _core.FLOAT32_BLOCK
MAX_THREADS = 1024
# Starting threads takes longer than reading fewer numbers than this on one thread.
_WORTH_A_THREAD = 100_000


class What(IntFlag):
    """What a read collects; each is one flag.

    HESSIAN32, with HESSIAN: every row times sqrt(s h) is rounded to float32 and multiplied in float32, `FLOAT32_BLOCK` rows at
    a time; the blocks are added in float64. It needs a view in which the columns are about as large as 1. An entry's error is
    then at most (FLOAT32_BLOCK + 6) 2^-24 times the geometric mean of its two diagonal entries, if the matrix is finite
    (nothing overflowed) and each diagonal entry is at least 2^-100 times the number of rows (what underflowed is too small to
    count). `hessian_eta(n, depth, float32_block=FLOAT32_BLOCK)` bounds the total error.
    """

    LOSS = 1
    GRADIENT = 2
    HESSIAN = 4
    HESSIAN32 = 8
    PRODUCT = 16
    SUMS = 32
    SQUARES = 64
    EXTREMES = 128
    COUNTS = 256
    NORMS = 512
    SECANT = 1024
    ALONG = 2048
    FEASIBLE = 4096


MOMENTS = What.SUMS | What.SQUARES | What.EXTREMES


@dataclass(frozen=True)
class View:
    """A view of columns as ``x * p - center * p``, `p` powers of two: exact scaling, one rounding for the centre."""

    center: Vector
    p: Vector


@dataclass(frozen=True)
class Sums:
    """Sums over the rows (not means), in the units of the view.

    Attributes
    ----------
    loss : float
        sum s l, in nats.
    correct : float
        Weight of the rows that z classifies correctly (class 1 if z > 0).
    weight : float
        S = sum s; without a loss, sum s h.
    gradient, bias
        sum s dL_dz x, shape (n,), and sum s dL_dz; for a Hessian product, its two parts. For K classes (K, n) and (K,).
    matrix
        sum s h x~ x~', shape (n + 1, n + 1), symmetric, the bias last; h = g (1 - g), or as given. Or None.
        With a `head` in the read it is `Bordered`.
    squares, sums
        sum s x^2 and sum s x, shape (n,), or None.
    low, high
        Smallest and largest x of each column over rows of positive weight, in the data's units (not the view's). Or None.
    norm : float
        Largest sum_j q_j x~_j^2 over rows of positive weight, if asked for.
    counts
        Rows of positive weight in each level, (n,), with `low` and `high` if some columns are categories. Or None.
    """

    loss: float
    correct: float
    weight: float
    gradient: Vector
    bias: Any
    matrix: Symmetric | None = None
    squares: Vector | None = None
    sums: Vector | None = None
    low: Vector | None = None
    high: Vector | None = None
    norm: float = 0.0
    counts: Vector | None = None


@dataclass(frozen=True)
class Secant:
    """Sums over the rows from one read at stored z and along a direction v, in the units of the view.

    loss, correct, weight : at z, as in `Sums`.
    gradient : sum s dL_dz(z) x~, (n + 1,), the bias last.
    change : sum s (dL_dz(z + u) - dL_dz(z)) x~, (n + 1,), with u = x~.v.
    curvature : sum s h x~, (n + 1,), with h = g (1 - g) at z: its last element is sum s h. Or None.
    diagonal : sum s h x~^2, (n + 1,). Or None.
    norm : the largest sum_j x_j^2 of a row of positive weight, the bias not among them, if asked for.
    """

    loss: float
    correct: float
    weight: float
    gradient: Vector
    change: Vector
    curvature: Vector | None
    diagonal: Vector | None
    norm: float

    def over(self, ratio: Vector) -> Secant:
        """Return the sums with columns divided by `ratio` (n + 1,), the bias's 1; `norm` becomes an upper bound."""
        return replace(
            self,
            gradient=self.gradient / ratio,
            change=self.change / ratio,
            curvature=None if self.curvature is None else self.curvature / ratio,
            diagonal=None if self.diagonal is None else self.diagonal / ratio**2,
            norm=self.norm / float(ratio.min()) ** 2,
        )


def kernel_name() -> str:
    """Return the instruction set whose kernels run: CHAINRULE_KERNEL's, or the best; raises InputError for an unknown one."""
    return _known(os.environ.get("CHAINRULE_KERNEL") or None)


@cache
def _known(name: str | None) -> str:
    try:
        return str(_core.kernel_name(name))
    except ValueError as error:
        raise InputError(f"CHAINRULE_KERNEL: {error}; unset it to take the best there is") from None


def kernel_names() -> list[str]:
    """Return the names of all instruction sets whose kernels this processor can run, the best first."""
    return list(_core.kernel_names())


def thread_count(n_threads: int | None = None) -> int:
    """Return the number of threads: `n_threads`, or CHAINRULE_THREADS, or the processors that this process may use."""
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
    """Return how many of `threads` a read of (m, n) numbers uses: at most the number of blocks; one if the data are small."""
    m, n = shape
    return 1 if m * n < _WORTH_A_THREAD else min(threads, -(-m // BLOCK_ROWS))
