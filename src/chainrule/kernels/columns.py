"""Columns of mixed types, each read where it lies: numbers, booleans, and categories as codes, never as one-hot columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Part:
    """Some rows of a column, one after the other.

    values : (k,) float64, float32, bool, or integers of 8 to 64 bits, signed or not, any stride; with `bits` a bitmap of uint8.
    valid : Arrow's bitmap of uint8, the lowest bit first, 1 where a value is there; None: all are.
    rows : k. bits : whether the values are a bitmap too, as Arrow keeps booleans.
    values_at, valid_at : first bit of each bitmap.
    """

    values: NDArray[np.generic]
    rows: int
    valid: NDArray[np.uint8] | None = None
    valid_at: int = 0
    bits: bool = False
    values_at: int = 0


@dataclass(frozen=True)
class NumberColumn:
    """A column of numbers or booleans: one coefficient, or two.

    parts : all rows, in order. at : number of its coefficient.
    fill : what a missing value (NaN, or not valid) counts as; None: none may be missing, and NaN is refused as in dense data.
    indicator : number of the coefficient whose x is 1 where the value is missing, else 0; None: there is none.
    """

    parts: tuple[Part, ...]
    at: int
    fill: float | None = None
    indicator: int | None = None


@dataclass(frozen=True)
class CategoryColumn:
    """A column of integer codes 0, ..., levels - 1: the x of level k is 1 in the rows of code k, else 0.

    parts : all rows, in order. levels : how many. skip : 0, or 1 where the first level has no coefficient.
    at : number of the first coefficient; code k has coefficient at + k - skip.
    missing : the code that a missing value (a negative code, or not valid) counts as; None: none may be missing.
    """

    parts: tuple[Part, ...]
    at: int
    levels: int
    skip: int = 1
    missing: int | None = None


Column = NumberColumn | CategoryColumn
