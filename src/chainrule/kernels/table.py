"""Tables of mixed columns where they lie: numbers, booleans, and categories as codes, never as one-hot columns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule import _core
from chainrule.kernels.reading import View, What, kernel_asked, useful_threads

Vector = NDArray[np.float64]
Places = NDArray[np.int64]

_NUMBER, _INDICATOR, _CATEGORY = 0, 1, 2


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

    Integers of 64 bits are read as float64: beyond 2^53 they are rounded to it.

    parts : all rows, in order. at : number of its coefficient.
    fill : what a missing value (NaN, or not valid) counts as; None: none may be missing, and NaN is refused as in dense data.
    indicator : number of the coefficient whose x is 1 where the value is missing, else 0; None: there is none.
    """

    parts: tuple[Part, ...]
    at: int
    fill: float | None = None
    indicator: int | None = None

    @property
    def may_miss(self) -> bool:
        """Whether a value could be missing, as far as its type and `fill` say."""
        filled = self.fill is not None
        return any(part.valid is not None or (filled and part.values.dtype.kind == "f") for part in self.parts)


@dataclass(frozen=True)
class CategoryColumn:
    """A column of integer codes 0, ..., levels - 1: the x of level k is 1 in the rows of code k, else 0.

    parts : all rows, in order, of int8 to int64 or uint8 to uint32. levels : how many.
    skip : 0, or 1 where the first level has no coefficient.
    at : number of the first coefficient; code k has coefficient at + k - skip.
    missing : the code that a missing value (a negative code, or not valid) counts as; None: none may be missing.
    """

    parts: tuple[Part, ...]
    at: int
    levels: int
    skip: int = 1
    missing: int | None = None

    @property
    def may_miss(self) -> bool:
        """Whether a value could be missing, as far as its type and `missing` say."""
        return self.missing is not None and any(
            part.valid is not None or part.values.dtype.kind == "i" for part in self.parts
        )


Column = NumberColumn | CategoryColumn


class CodeError(ValueError):
    """A row of positive weight has no level of a category.

    column, row : their numbers, from 0. code : what stands there; None where the value is missing.
    """

    def __init__(self, column: int, row: int, code: int | None, levels: int) -> None:
        self.column, self.row, self.code = column, row, code
        what = (
            "is missing, and has no level for that"
            if code is None
            else f"has code {code}, not one of 0 to {levels - 1}"
        )
        super().__init__(f"row {row + 1} of column {column + 1} {what}")


def _terms_of(number: int, column: Column) -> list[tuple[int, int, tuple[Any, ...]]]:
    """Terms of the native core as tuples, each behind its first coefficient and the slots before it that have none."""
    parts = tuple((p.values, p.rows, p.valid, p.valid_at, p.bits, p.values_at) for p in column.parts)
    if isinstance(column, CategoryColumn):
        if column.skip not in (0, 1) or column.levels < 1:
            raise ValueError(f"column {number}: skip must be 0 or 1, and there must be a level")
        if column.missing is not None and not 0 <= column.missing < column.levels:
            raise ValueError(f"column {number}: missing values count as level {column.missing}, which is not there")
        missing = -1 if column.missing is None else column.missing
        return [(column.at, column.skip, (_CATEGORY, number, column.levels, math.nan, missing, True, parts))]
    fill = math.nan if column.fill is None else float(column.fill)
    terms = [(column.at, 0, (_NUMBER, number, 1, fill, -1, False, parts))]
    if column.indicator is not None:
        if column.fill is None:
            raise ValueError(f"column {number}: with an indicator, fill says what a missing number counts as")
        terms.append((column.indicator, 0, (_INDICATOR, number, 1, math.nan, -1, False, parts)))
    return terms


class Table:
    """m rows of columns that have n coefficients; checked once, and held where they lie.

    Parameters
    ----------
    columns : sequence of NumberColumn or CategoryColumn
        Together they have each of the coefficients 0, ..., n - 1 once.
    m, n : int
        Rows, at least one, and coefficients.

    Raises
    ------
    ValueError
        For columns of other types or lengths, or coefficients that are missing or there twice. Codes are checked as
        they are read.
    """

    def __init__(self, columns: Sequence[Column], m: int, n: int) -> None:
        self.columns, self.m, self.n = tuple(columns), m, n
        terms = [term for number, column in enumerate(self.columns) for term in _terms_of(number, column)]
        # A category without a coefficient stands before the column that has its place.
        terms.sort(key=lambda term: (term[0], term[2][2] > term[1]))
        coefficients, of_levels, at = [], [], 0
        for first, skip, term in terms:
            form, number, levels = term[:3]
            if first != at:
                raise ValueError(f"column {number} has coefficient {first} where {at} is the next")
            coefficients += [np.full(skip, -1), np.arange(at, at + levels - skip)]
            of_levels.append(np.full(levels, form != _NUMBER))
            at += levels - skip
        if at != n or n < 1:
            raise ValueError(
                f"the columns have {at} coefficients, not {n}" if n >= 1 else "there must be a coefficient"
            )
        self.native = _core.Columns(m, [term for *_, term in terms])
        # A slot is a number, an indicator or a level of a category; a level that is skipped has no coefficient.
        self.coefficient: Places = np.concatenate(coefficients)
        self._of_levels: NDArray[np.bool_] = np.concatenate(of_levels)
        self._slot: Places | None = np.flatnonzero(self.coefficient >= 0) if len(self.coefficient) > n else None
        ends = np.cumsum([term[2] for *_, term in terms])
        self.spans = {
            term[1]: slice(end - term[2], end)
            for end, (*_, term) in zip(ends, terms, strict=True)
            if term[0] == _CATEGORY
        }

    @cached_property
    def categories(self) -> tuple[int, ...]:
        """Which columns are categories."""
        return tuple(k for k, column in enumerate(self.columns) if isinstance(column, CategoryColumn))

    @cached_property
    def categories_alone(self) -> Any:
        """Native description of the categories alone."""
        return _core.Columns(self.m, [_terms_of(k, self.columns[k])[0][2] for k in self.categories])

    @cached_property
    def numbers_alone(self) -> Any:
        """Native description of the numbers alone, and of the marks of missing ones."""
        numbers = [k for k, column in enumerate(self.columns) if isinstance(column, NumberColumn)]
        terms = [term for k in numbers for term in _terms_of(k, self.columns[k])]
        return _core.Columns(self.m, [term for *_, term in sorted(terms, key=lambda term: term[0])])

    @cached_property
    def number_slots(self) -> Places:
        """Slots of the numbers and of the marks of missing ones."""
        is_number = np.ones(len(self.coefficient), dtype=np.bool_)
        for span in self.spans.values():
            is_number[span] = False
        return np.flatnonzero(is_number)

    @cached_property
    def indicators(self) -> tuple[list[int], Any]:
        """Columns that may have missing values, and native indicators of these."""
        which = [k for k, column in enumerate(self.columns) if column.may_miss]
        terms = []
        for k in which:
            parts = _terms_of(k, self.columns[k])[0][2][-1]
            terms.append((_INDICATOR, k, 1, math.nan, -1, k in self.categories, parts))
        return which, _core.Columns(self.m, terms) if which else None

    def slots(self, x: Vector, blank: float = 0.0) -> Vector:
        """One number for each coefficient, and perhaps more behind, as the core has them: levels without one have `blank`."""
        x = np.ascontiguousarray(x, dtype=np.float64)
        if self._slot is None:
            return x
        behind = len(x) - self.n
        out = np.full(len(self.coefficient) + behind, blank)
        out[self._slot] = x[: self.n]
        out[len(self.coefficient) :] = x[self.n :]
        return out

    def coefficients(self, x: Vector) -> Vector:
        """Give those of one number for each slot that coefficients have."""
        return x if self._slot is None else x[self._slot]

    def view(self, view: View | None) -> tuple[Vector | None, Vector | None, Vector | None]:
        """Centre, p and centre times p for each slot."""
        if view is None:
            return None, None, None
        if len(view.center) != self.n or len(view.p) != self.n:
            raise ValueError(f"a view must have {self.n} columns")
        center, p = self.slots(view.center), self.slots(view.p, 1.0)
        if center[self._of_levels].any() or (p[self._of_levels] != 1.0).any():
            raise ValueError("levels and indicators are neither centred nor scaled")
        return center, p, center * p

    def read(self, native: Any, what: What, index: Places | None, threads: int, **given: Any) -> tuple[Any, ...]:
        """Read columns in the core; the sums and where they are."""
        rows = self.m if index is None else len(index)
        threads = useful_threads((rows, len(self.columns)), threads)
        kernel = kernel_asked()
        raw, bad, *at = _core.read_columns(native, int(what), index=index, threads=threads, kernel=kernel, **given)
        self.refuse(bad)
        return raw, *at

    def refuse(self, bad: tuple[int, int, int, bool] | None) -> None:
        """Raise what a read found."""
        if bad is None:
            return
        row, number, code, is_missing = bad
        column = self.columns[number]
        assert isinstance(column, CategoryColumn)
        raise CodeError(number, row, None if is_missing else code, column.levels)
