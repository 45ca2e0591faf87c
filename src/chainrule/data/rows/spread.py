"""Chooses rows spread over the data: a fair sample even of sorted and periodic data."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Rows are taken in runs of neighbours: at least one tile of the kernels; longer in large samples, as memory is then faster.
RUN, LONGEST, MANY = 8, 64, 2048


def run_length(size: int) -> int:
    """Length of the runs of a sample of `size` rows: a power of two."""
    run = RUN
    while run < LONGEST and size >= 2 * run * MANY:
        run *= 2
    return run


def hashed(k: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Mix the bits of each number (SplitMix64's finaliser: Steele, Lea and Flood 2014): random places that always repeat."""
    k = (k + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    k = (k ^ (k >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    k = (k ^ (k >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return k ^ (k >> np.uint64(31))


def spread_rows(m: int, size: int) -> NDArray[np.int64]:
    """Choose about `size` of m rows, ascending: a run of neighbours at a random place in each of equal stretches."""
    run = run_length(size)
    stretches = max(1, -(-size // run))
    edges = np.linspace(0, m, stretches + 1).astype(np.int64)
    room = np.maximum(np.diff(edges) - run, 0) + 1
    starts = edges[:-1] + (hashed(np.arange(stretches, dtype=np.uint64)) % room.astype(np.uint64)).astype(np.int64)
    index = (starts[:, None] + np.arange(run)).ravel()
    return np.asarray(index[index < np.repeat(edges[1:], run)])
