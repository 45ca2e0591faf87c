"""Which columns so few rows have that a sample would hardly show them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Index = NDArray[np.int64]

ENOUGH_ROWS = 100.0  # of a level in a sample, if g = 1/2: its curvature is then right to a tenth


@dataclass(frozen=True)
class Rare:
    """Rows that have a rare level, and the coefficients of which these are all rows that have them; both ascending."""

    rows: Index
    columns: Index

    @classmethod
    def none(cls) -> Rare:
        """Say that nothing is rare."""
        return cls(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))


def rare_columns(counts: Vector, share: float, most: float) -> NDArray[np.bool_]:
    """Columns of which a share of the rows would show too little, the rarest first, as long as their rows are at most `most`.

    counts : (n,), rows that have a column.
    """
    rare = np.flatnonzero((counts > 0) & (counts * share < ENOUGH_ROWS))
    rare = rare[np.argsort(counts[rare], kind="stable")]
    rare = rare[np.cumsum(counts[rare]) <= most]
    mask = np.zeros(len(counts), dtype=np.bool_)
    mask[rare] = True
    return mask


def matrix_reads(n: int, numbers: float) -> float:
    """Time of an n x n matrix and its factor, in reads of so many numbers: measured, two threads."""
    return (8.0 * n * n + n**3 / 72.0) / numbers
