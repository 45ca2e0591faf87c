"""Samples of the rows that sorted, periodic and one-sided data can't fool."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chainrule.rows import Rows

# Neighbouring rows that are taken together: one tile of the kernels at least, and more where there are many runs in any case,
# since memory brings long runs faster.
RUN, LONGEST, MANY = 8, 64, 2048


def run_length(size: int) -> int:
    """Length of the runs of a sample of `size` rows: a power of two."""
    run = RUN
    while run < LONGEST and size >= 2 * run * MANY:
        run *= 2
    return run


@dataclass(frozen=True)
class Stratum:
    """Rows of a sample that count `multiplier` times each, for those like them that were not taken."""

    rows: Rows
    multiplier: float


def hashed(k: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's finaliser of each number (Steele, Lea and Flood 2014): the same places in every run and on every machine."""
    k = (k + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    k = (k ^ (k >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    k = (k ^ (k >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return k ^ (k >> np.uint64(31))


def spread_rows(m: int, size: int) -> NDArray[np.int64]:
    """About `size` of m rows, ascending: a run of neighbours at a hashed place in each of equal stretches of the data."""
    run = run_length(size)
    stretches = max(1, -(-size // run))
    edges = np.linspace(0, m, stretches + 1).astype(np.int64)
    room = np.maximum(np.diff(edges) - run, 0) + 1
    starts = edges[:-1] + (hashed(np.arange(stretches, dtype=np.uint64)) % room.astype(np.uint64)).astype(np.int64)
    index = (starts[:, None] + np.arange(run)).ravel()
    return np.asarray(index[index < np.repeat(edges[1:], run)])


def class_counts(rows: Rows) -> tuple[int, int]:
    """Rows of each class that have a positive weight."""
    if rows.s is None:
        ones = int(np.count_nonzero(rows.y))
        return rows.n_rows - ones, ones
    ones = int(np.count_nonzero(rows.s[rows.y == 1]))
    return int(np.count_nonzero(rows.s)) - ones, ones


def sample(rows: Rows, size: int, class_weights: tuple[float, float]) -> tuple[Stratum, ...]:
    """Draw about `size` rows, stratified by class: all rows of a rare class, and a spread of the others.

    Parameters
    ----------
    rows : Rows
        The whole.
    size : int
        Rows wanted, fewer than there are.
    class_weights : (float, float)
        Sum of the weights of each class, in the rows' own unit.
    """
    m = rows.n_rows
    index = spread_rows(m, size)
    y = rows.y[index]
    zeros, ones = class_counts(rows)
    rare, n_rare = int(ones < zeros), min(zeros, ones)
    if n_rare > max(size // 2, RUN) or n_rare > (zeros + ones) // 10:
        part = rows.take(index)
        weight = float(len(index)) if part.s is None else float(part.s.sum())
        return (Stratum(part, sum(class_weights) / weight),)
    common = rows.take(index, y != rare)
    assert common.s is not None
    all_rare = rows.take(np.flatnonzero((rows.y == rare) & rows.is_kept).astype(np.int64))
    return Stratum(all_rare, 1.0), Stratum(common, class_weights[1 - rare] / float(common.s.sum()))
