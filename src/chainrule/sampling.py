"""Samples of the rows that sorted, periodic and one-sided data can't fool."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from chainrule.rows import Rows, spread_rows
from chainrule.rows.spread import RUN


@dataclass(frozen=True)
class Stratum:
    """Rows of a sample that count `multiplier` times each, for those like them that were not taken."""

    rows: Rows
    multiplier: float


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
