"""A workload, and the one design on which every solver's result is measured: an array, or CSR of all levels.

The objective for all: F(w, b) = (1/m) sum l(z, y) + (alpha/2) w.w, z = x.w + b, b free, x a row of that design.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, issparse

Vector = NDArray[np.float64]
Labels = NDArray[np.int64]

CHUNK = 1 << 16


def chunks(m: int) -> Iterator[slice]:
    for start in range(0, m, CHUNK):
        yield slice(start, min(start + CHUNK, m))


def rows_of(full: int, size: float) -> int:
    return max(200, round(full * size))


@dataclass(frozen=True)
class Coded:
    """A column of a frame in the design: a number and the mark of its missing values, or the levels of a category.

    at : its first column there. width : how many columns. mean, scale : of a number, with missing values filled by the mean.
    """

    name: str
    at: int
    width: int
    number: bool
    missing: bool
    mean: float = 0.0
    scale: float = 1.0


class Coding:
    """How a pandas frame becomes the design: column by column in its order, all levels, a missing category as the last level.

    A number is standardised if asked, and filled with the mean if missing; its mark, a column of 0 and 1, follows it.
    """

    def __init__(self, frame: Any, standardize: bool) -> None:
        self.columns: list[Coded] = []
        at = 0
        for name in frame.columns:
            column = frame[name]
            missing = bool(column.isna().any())
            if hasattr(column, "cat"):
                coded = Coded(name, at, len(column.cat.categories) + missing, False, missing)
            else:
                x = column.to_numpy(np.float64)
                mean = float(np.nanmean(x))
                scale = float(np.std(np.where(np.isnan(x), mean, x)))
                units = (mean, scale or 1.0) if standardize else (0.0, 1.0)
                coded = Coded(name, at, 1 + missing, True, missing, *units)
            self.columns.append(coded)
            at += coded.width
        self.width = at

    def design(self, frame: Any) -> csr_matrix:
        """(m, width) float64 with int32 indices in order."""
        m = len(frame)
        k = sum(1 + (coded.number and coded.missing) for coded in self.columns)
        indices, values = np.empty((m, k), np.int32), np.ones((m, k))
        j = 0
        for coded in self.columns:
            column = frame[coded.name]
            if not coded.number:
                indices[:, j] = level_codes(column)
                indices[:, j] += coded.at
            else:
                x = column.to_numpy(np.float64)
                lost = np.isnan(x)
                indices[:, j] = coded.at
                values[:, j] = (np.where(lost, np.nanmean(x), x) - coded.mean) / coded.scale
                if coded.missing:
                    j += 1
                    indices[:, j] = coded.at + 1
                    values[:, j] = lost
            j += 1
        X = csr_matrix((values.ravel(), indices.ravel(), np.arange(m + 1, dtype=np.int32) * k), shape=(m, self.width))
        X.eliminate_zeros()
        return X

    def from_users_units(self, w: Vector, b: float) -> tuple[Vector, float]:
        """Convert coefficients of the raw numbers to coefficients of the design."""
        if len(w) != self.width:
            raise ValueError(f"{len(w)} coefficients for a design of {self.width} columns")
        w, b = np.array(w, dtype=np.float64), float(b)
        for coded in self.columns:
            b += w[coded.at] * coded.mean
            w[coded.at] *= coded.scale
        return w, b

    @property
    def by_kind(self) -> NDArray[np.int64]:
        """Places in the design of numbers, then marks, then levels: the order of an encoder that handles one kind at a time."""
        numbers = [coded.at for coded in self.columns if coded.number]
        marks = [coded.at + 1 for coded in self.columns if coded.number and coded.missing]
        levels = [np.arange(coded.at, coded.at + coded.width) for coded in self.columns if not coded.number]
        return np.concatenate([np.array(numbers + marks, dtype=np.int64), *levels])


def level_codes(column: Any) -> NDArray[np.signedinteger[Any]]:
    """Codes of a category column, missing ones as the level after the last; in pandas' type, or the next wider one."""
    codes = column.cat.codes.to_numpy()
    if not (codes < 0).any():
        return codes
    levels = len(column.cat.categories)
    return np.where(codes < 0, levels, codes).astype(np.min_scalar_type(-levels - 1))


@dataclass(frozen=True)
class Workload:
    """X in the user's form, y (m,) int64 of 0 and 1, and the penalty.

    X : (m, n) float64 in C order; SciPy's CSR; or a pandas frame of numbers and categories.
    standardize : whether a frame's numbers are standardised, and the penalty is in those units.
    """

    name: str
    X: Any
    y: Labels
    alpha: float
    words: str
    standardize: bool = False

    @property
    def kind(self) -> str:
        if isinstance(self.X, np.ndarray):
            return "array"
        return "csr" if issparse(self.X) else "frame"

    @property
    def strength(self) -> float:
        """scikit-learn's C, which multiplies the sum of the losses."""
        return 1 / (self.alpha * len(self.y))

    @cached_property
    def coding(self) -> Coding:
        return Coding(self.X, self.standardize)

    @property
    def width(self) -> int:
        """Columns of the design."""
        return self.coding.width if self.kind == "frame" else self.X.shape[1]

    def design(self) -> Any:
        return self.coding.design(self.X) if self.kind == "frame" else self.X

    def rows(self, places: NDArray[np.int64]) -> Any:
        return self.X.iloc[places] if self.kind == "frame" else self.X[places]
