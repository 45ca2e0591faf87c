"""Samples of rows that are fair even for sorted, periodic and imbalanced data."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from chainrule.data.rows import Rare, Rows, spread_rows
from chainrule.data.rows.spread import RUN


@dataclass(frozen=True)
class Stratum:
    """Part of a sample. Each row counts `multiplier` times, to stand for similar rows that were not taken.

    places : (k,), the places of its rows among all rows.
    """

    rows: Rows
    multiplier: float
    places: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))


def class_counts(rows: Rows) -> tuple[int, int]:
    """Count the rows of positive weight in each class."""
    ones = int(np.count_nonzero(rows.y) if rows.s is None else np.count_nonzero(rows.s[rows.y == 1]))
    return rows.n_visited - ones, ones


def sample(
    rows: Rows, size: int, class_weights: tuple[float, float], of_levels: Rare | None = None
) -> tuple[Stratum, ...]:
    """Draw about `size` rows, stratified by class: all rows of a rare class, and a spread of the others.

    Parameters
    ----------
    rows : Rows
        All rows.
    size : int
        Rows wanted, fewer than there are.
    class_weights : (float, float)
        Sum of the weights of each class, in the rows' own unit.
    of_levels : Rare, optional
        Also take all rows of these levels, so that the sample's Hessian has data of each column.
    """
    zeros, ones = class_counts(rows)
    rare, n_rare = int(ones < zeros), min(zeros, ones)
    of_levels = Rare.none() if of_levels is None else of_levels
    by_class = n_rare <= max(size // 2, RUN) and n_rare <= (zeros + ones) // 10
    if not by_class and not len(of_levels.rows):
        index = _spread(rows.n_rows, size, None if rows.s is None else rows.is_kept)
        part = rows.take(index)
        return (Stratum(part, sum(class_weights) / part.weight, places=index),)
    is_whole = np.zeros(rows.n_rows, dtype=np.bool_)  # the rows of strata taken completely
    is_whole[of_levels.rows] = True
    if by_class:
        is_whole |= (rows.y == rare) & rows.is_kept
    all_of = np.flatnonzero(is_whole)
    whole = Stratum(rows.take(all_of), 1.0, all_of)
    is_common = ~is_whole & rows.is_kept
    if not is_common.any():
        return (whole,)
    index = _spread(rows.n_rows, size, is_common)
    common = rows.take(index, ~is_whole[index])
    left = class_weights[1 - rare]
    if len(of_levels.rows):  # summed directly, as a difference of sums loses digits if weights differ in size
        left = float(np.count_nonzero(is_common) if rows.s is None else rows.s.sum(where=is_common))
    return whole, Stratum(common, left / common.weight, places=index)


def _spread(m: int, size: int, wanted: NDArray[np.bool_] | None) -> NDArray[np.int64]:
    """Take about `size` of m rows, spread evenly; if none of these is wanted, take only wanted rows."""
    index = spread_rows(m, size)
    if wanted is None or wanted[index].any():
        return index
    places = np.flatnonzero(wanted)
    return places if len(places) <= size else places[spread_rows(len(places), size)]
