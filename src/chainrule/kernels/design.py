"""What lies where: dense rows, columns of numbers, categories as codes and sparse rows, as the blocks of one design."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import InitVar, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule import _core
from chainrule.errors import InputError
from chainrule.kernels.reading import View, What, kernel_asked

Vector = NDArray[np.float64]
Places = NDArray[np.int64]

FEW_LEVELS: int = _core.FEW_LEVELS
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


@dataclass(frozen=True, eq=False)
class DenseRows:
    """Dense rows. X : (m, n) float64 or float32, any strides; column j has coefficient at + j."""

    X: NDArray[np.floating]
    at: int = 0


@dataclass(frozen=True, eq=False)
class Csr:
    """Rows of n columns, of which those elements are stored that aren't 0 (stored zeros do no harm).

    data : (nnz,) float64 or float32.
    indices : (nnz,) int32 or int64, the elements' columns, in any order within a row.
    indptr : (m + 1,) int32 or int64: row i has the elements indptr[i] to indptr[i + 1].
    n : columns, at least 1; m is at least 1 too.
    threads : to check with.
    at : number of the first column's coefficient.
    duplicates : whether a row names a column twice, found when it is made. A design refuses such rows: sum them first.

    The arrays must be C-contiguous and of the processor's byte order, and mustn't be changed afterwards: what `check` found
    keeps the reads inside them. InputError where something is wrong.
    """

    data: NDArray[np.floating]
    indices: NDArray[np.signedinteger[Any]]
    indptr: NDArray[np.signedinteger[Any]]
    n: int
    threads: InitVar[int] = 1
    at: int = 0
    duplicates: bool = field(init=False)

    def __post_init__(self, threads: int) -> None:
        require(self.data, "data", np.float64, np.float32)
        if len(self.data) != len(self.indices):
            raise InputError(f"data has {len(self.data)} elements, but indices has {len(self.indices)}")
        object.__setattr__(self, "duplicates", check(self.indptr, self.indices, self.n, threads))

    @property
    def m(self) -> int:
        """Number of rows."""
        return len(self.indptr) - 1

    @property
    def nnz(self) -> int:
        """Number of stored elements."""
        return len(self.data)


Block = DenseRows | Csr | NumberColumn | CategoryColumn


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


def check(
    indptr: NDArray[np.signedinteger[Any]], indices: NDArray[np.signedinteger[Any]], n: int, threads: int = 1
) -> bool:
    """Say whether a row names a column twice; InputError, which names the row, where elements or columns aren't there.

    One go over the indices; rows that aren't sorted are gone over again, with a mark for each column.
    """
    require(indptr, "indptr", np.int32, np.int64)
    require(indices, "indices", np.int32, np.int64)
    try:
        return bool(_core.check_indices(indptr, indices, n, threads))
    except ValueError as error:
        raise InputError(str(error)) from None


def require(array: Any, name: str, *kinds: type) -> None:
    """Require a contiguous vector of one of these types, in the processor's byte order."""
    fits = isinstance(array, np.ndarray) and array.ndim == 1 and array.flags.c_contiguous and array.dtype.isnative
    if not fits or array.dtype not in [np.dtype(kind) for kind in kinds]:
        names = " or ".join(np.dtype(kind).name for kind in kinds)
        raise InputError(f"{name} must be a contiguous vector of {names}")


def _terms_of(number: int, block: Block) -> Iterator[tuple[int, int, int, bool, tuple[str, tuple[Any, ...]]]]:
    """Give what the core adds: first coefficient, slots before it without one, slots, whether these are levels, the call."""
    if isinstance(block, DenseRows):
        yield block.at, 0, block.X.shape[1], False, ("add_rows", (block.X,))
        return
    if isinstance(block, Csr):
        if block.duplicates:
            raise InputError("a row names a column twice: sum its elements in a copy first")
        yield block.at, 0, block.n, False, ("add_sparse", (block.data, block.indices, block.indptr, block.n))
        return
    parts = tuple((p.values, p.rows, p.valid, p.valid_at, p.bits, p.values_at) for p in block.parts)
    if isinstance(block, CategoryColumn):
        if block.skip not in (0, 1) or block.levels < 1:
            raise ValueError(f"column {number}: skip must be 0 or 1, and there must be a level")
        if block.missing is not None and not 0 <= block.missing < block.levels:
            raise ValueError(f"column {number}: missing values count as level {block.missing}, which is not there")
        missing = -1 if block.missing is None else block.missing
        call = (_CATEGORY, number, block.levels, math.nan, missing, True, parts)
        yield block.at, block.skip, block.levels, True, ("add_column", call)
        return
    fill = math.nan if block.fill is None else float(block.fill)
    yield block.at, 0, 1, False, ("add_column", (_NUMBER, number, 1, fill, -1, False, parts))
    if block.indicator is not None:
        if block.fill is None:
            raise ValueError(f"column {number}: with an indicator, fill says what a missing number counts as")
        yield block.indicator, 0, 1, True, ("add_column", (_INDICATOR, number, 1, math.nan, -1, False, parts))


class Design:
    """m rows of blocks that have n coefficients; checked once, and held where they lie.

    A slot is a number, an indicator, a sparse column or a level of a category: what the core sums. A category's first level may
    have none of the coefficients.

    Parameters
    ----------
    blocks : sequence of DenseRows, Csr, NumberColumn or CategoryColumn
        Together they have each of the coefficients 0, ..., n - 1 once.
    m, n : int
        Rows, at least one, and coefficients.

    Raises
    ------
    ValueError
        For blocks of other types or lengths, or coefficients that are missing or there twice. Codes are checked as
        they are read.
    """

    def __init__(self, blocks: Sequence[Block], m: int, n: int) -> None:
        self.blocks, self.m, self.n = tuple(blocks), m, n
        terms = [(number, *term) for number, block in enumerate(self.blocks) for term in _terms_of(number, block)]
        # A category without a coefficient stands before the column that has its place.
        terms.sort(key=lambda term: (term[1], term[3] > term[2]))
        self.native = _core.Design(m)
        coefficients, of_levels, at = [], [], 0
        self.spans: dict[int, slice] = {}  # slots of each category
        for number, first, skip, slots, levels, (add, given) in terms:
            getattr(self.native, add)(*given)
            if first != at:
                raise ValueError(f"column {number} has coefficient {first} where {at} is the next")
            if isinstance(self.blocks[number], CategoryColumn):
                self.spans[number] = slice(self.native.slots - slots, self.native.slots)
            coefficients += [np.full(skip, -1), np.arange(at, at + slots - skip)]
            of_levels.append(np.full(slots, levels))
            at += slots - skip
        if at != n or n < 1:
            raise ValueError(
                f"the columns have {at} coefficients, not {n}" if n >= 1 else "there must be a coefficient"
            )
        self.coefficient: Places = np.concatenate(coefficients)
        self._of_levels: NDArray[np.bool_] = np.concatenate(of_levels)
        self._slot: Places | None = np.flatnonzero(self.coefficient >= 0) if len(self.coefficient) > n else None

    @classmethod
    def dense(cls, X: NDArray[np.floating]) -> Design:
        """Take a dense matrix as rows or, where the columns lie one after the other, as columns of numbers."""
        if X.ndim != 2 or X.dtype not in (np.float64, np.float32) or not all(X.shape):
            raise ValueError("X must be 2-D, float64 or float32, and have a row and a column")
        m, n = X.shape
        if lies_in_columns(X):
            return cls([NumberColumn((Part(X[:, j], m),), j) for j in range(n)], m, n)
        return cls([DenseRows(X)], m, n)

    @classmethod
    def sparse(cls, csr: Csr) -> Design:
        """Take sparse rows alone."""
        return cls([csr], csr.m, csr.n)

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """The blocks that are columns: of a table all of them."""
        return tuple(block for block in self.blocks if isinstance(block, (NumberColumn, CategoryColumn)))

    @cached_property
    def row_numbers(self) -> int:
        """Numbers that a row has about: what a read of it costs."""
        return 1 + sum(
            block.X.shape[1] if isinstance(block, DenseRows) else block.nnz // self.m if isinstance(block, Csr) else 1
            for block in self.blocks
        )

    @cached_property
    def of_numbers_alone(self) -> bool:
        """Whether there are neither categories nor sparse rows, whose matrix is read by itself."""
        return not any(isinstance(block, (CategoryColumn, Csr)) for block in self.blocks)

    @cached_property
    def categories(self) -> tuple[int, ...]:
        """Which columns are categories."""
        return tuple(k for k, block in enumerate(self.blocks) if isinstance(block, CategoryColumn))

    def category(self, number: int) -> CategoryColumn:
        """Give the category that is block `number`."""
        block = self.blocks[number]
        assert isinstance(block, CategoryColumn)
        return block

    @cached_property
    def of_categories(self) -> Design | None:
        """The categories alone, with all of their levels."""
        columns: list[Column] = []
        at = 0
        for k in self.categories:
            column = self.category(k)
            columns.append(CategoryColumn(column.parts, at, column.levels, 0, column.missing))
            at += column.levels
        return Design(columns, self.m, at) if columns else None

    @cached_property
    def of_numbers(self) -> tuple[Places, Design | None]:
        """Coefficients of what isn't a category, and its design."""
        columns: list[Column] = []
        coefficients = np.arange(self.n)
        there = np.ones(self.n, dtype=np.bool_)
        for k in self.categories:
            category = self.category(k)
            there[category.at : category.at + category.levels - category.skip] = False
        place = np.cumsum(there) - 1
        for column in self.columns:
            if isinstance(column, NumberColumn):
                indicator = None if column.indicator is None else int(place[column.indicator])
                columns.append(NumberColumn(column.parts, int(place[column.at]), column.fill, indicator))
        return coefficients[there], Design(columns, self.m, len(columns) and int(there.sum())) if columns else None

    @cached_property
    def indicators(self) -> tuple[list[int], Any]:
        """Columns that may have missing values, and native indicators of these."""
        which, native = [], _core.Design(self.m)
        for k, block in enumerate(self.blocks):
            if isinstance(block, (NumberColumn, CategoryColumn)) and block.may_miss:
                parts = next(_terms_of(k, block))[-1][1][-1]
                native.add_column(_INDICATOR, k, 1, math.nan, -1, isinstance(block, CategoryColumn), parts)
                which.append(k)
        return which, native if which else None

    def slots(self, x: Vector, blank: float = 0.0) -> Vector:
        """Last axis: one number a coefficient, and perhaps more behind, as the core has them: `blank` for levels without."""
        x = np.ascontiguousarray(x, dtype=np.float64)
        if self._slot is None:
            return x
        behind = x.shape[-1] - self.n
        out = np.full((*x.shape[:-1], len(self.coefficient) + behind), blank)
        out[..., self._slot] = x[..., : self.n]
        out[..., len(self.coefficient) :] = x[..., self.n :]
        return out

    def coefficients(self, x: Vector) -> Vector:
        """Last axis: of one number for each slot those that coefficients have; what stands behind stays."""
        if self._slot is None:
            return x
        behind = np.arange(len(self.coefficient), x.shape[-1])
        return np.ascontiguousarray(x[..., np.concatenate([self._slot, behind])])

    def slot_numbers(self, columns: Places | None) -> Places | None:
        """Slots of some coefficients, ascending; of all by default, None where all slots have one."""
        if columns is None:
            return self._slot
        chosen = np.asarray(columns)
        if chosen.ndim != 1 or chosen.dtype.kind not in "iu" or ((chosen < 0) | (chosen >= self.n)).any():
            raise ValueError("columns must be numbers of coefficients")
        if (np.diff(chosen) <= 0).any():
            raise ValueError("columns must be ascending")
        return np.ascontiguousarray(chosen if self._slot is None else self._slot[chosen], dtype=np.int64)

    def view(self, view: View | None) -> dict[str, Vector | None]:
        """Centre and p for each slot."""
        if view is None:
            return {"center": None, "p": None}
        if len(view.center) != self.n or len(view.p) != self.n:
            raise ValueError(f"a view must have {self.n} columns")
        center, p = self.slots(view.center), self.slots(view.p, 1.0)
        if center[self._of_levels].any() or (p[self._of_levels] != 1.0).any():
            raise ValueError("levels and indicators are neither centred nor scaled")
        return {"center": center, "p": p}

    def sum_depth(self, rows: int) -> float:
        """Count the roundings that a term of a sum over so many rows goes through: d, the worst of all sums.

        An entry is within d u sum|terms|: lanes, rows of a piece, pieces of a leaf, leaves in a binary tree, and 8 for the
        term's own products; the core counts beside its loops. Higham 2002, section 4.2. The sum of weights S must be right to
        2u (`math.fsum`); else add its depth.
        """
        return float(_core.depths(self.native, rows, kernel_asked())[0])

    def matrix_depth(self, rows: int) -> float:
        """Count likewise for a matrix: N."""
        return float(_core.depths(self.native, rows, kernel_asked())[1])

    def leaf_rows(self, what: What) -> int:
        """Rows of a leaf: a range of rows that is read by itself begins at a multiple of it."""
        return int(_core.leaf_rows(self.native, int(what)))

    def refuse(self, bad: tuple[int, int, int, bool] | None) -> None:
        """Raise what a read found."""
        if bad is None:
            return
        row, number, code, is_missing = bad
        raise CodeError(number, row, None if is_missing else code, self.category(number).levels)


def lies_in_columns(X: NDArray[np.floating]) -> bool:
    """Whether X's columns lie one after the other: it is read as a table of numbers."""
    return X.shape[1] == 1 or abs(X.strides[0]) < abs(X.strides[1])
