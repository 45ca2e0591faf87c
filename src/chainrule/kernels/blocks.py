"""Storage: dense rows, columns of numbers, categories as codes and sparse rows, as the blocks of one design."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import InitVar, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule import _core
from chainrule.kernels.blas import WHOLE
from chainrule.kernels.reading import View, What, kernel_name

Vector = NDArray[np.float64]
Places = NDArray[np.int64]

FEW_LEVELS: int = _core.FEW_LEVELS
FEW_ROWS = 4096  # in which a head of sparse columns is looked for first
LEAST_HEAD = 4  # times the columns of a head, at least all columns
NUMBER, INDICATOR, CATEGORY = 0, 1, 2  # forms of columns, by the core's numbers

# How the core adds a block: first coefficient, number of slots before it that have none, slots, and the call.
Term = tuple[int, int, int, tuple[str, tuple[Any, ...]]]


@dataclass(frozen=True)
class Part:
    """Consecutive rows of a column.

    values : (k,) float64, float32, bool, or integers of 8 to 64 bits, signed or not, any stride; with `bits` a bitmap of uint8.
    valid : Arrow's bitmap of uint8, the lowest bit first, 1 if the value is present; None: all are.
    rows : k. bits : whether the values are a bitmap too, as Arrow stores booleans.
    values_at, valid_at : first bit of each bitmap.
    """

    values: NDArray[np.generic]
    rows: int
    valid: NDArray[np.uint8] | None = None
    valid_at: int = 0
    bits: bool = False
    values_at: int = 0


def column_call(
    form: int, number: int, parts: Sequence[Part], levels: int = 1, fill: float = math.nan, missing: int = -1,
    is_codes: bool = False,
) -> tuple[str, tuple[Any, ...]]:  # fmt: skip
    """Return the core's call that adds a column."""
    given = tuple((p.values, p.rows, p.valid, p.valid_at, p.bits, p.values_at) for p in parts)
    return "add_column", (form, number, levels, fill, missing, is_codes, given)


@dataclass(frozen=True)
class NumberColumn:
    """A column of numbers or booleans: one coefficient, or two.

    Integers of 64 bits are read as float64: beyond 2^53 they are rounded to it.

    parts : all rows, in order. at : number of its coefficient.
    fill : replaces a missing value (NaN, or not valid); None: no value may be missing, and NaN is refused as in dense data.
    indicator : number of the coefficient whose x is 1 if the value is missing, else 0; None: there is none.
    """

    parts: tuple[Part, ...]
    at: int
    fill: float | None = None
    indicator: int | None = None

    @property
    def span(self) -> slice:
        """Its coefficients, as a slice."""
        places = (self.at, self.at if self.indicator is None else self.indicator)
        return slice(min(places), max(places) + 1)

    def terms(self, number: int) -> Iterator[Term]:
        """Return what the core adds."""
        fill = math.nan if self.fill is None else float(self.fill)
        yield self.at, 0, 1, column_call(NUMBER, number, self.parts, fill=fill)
        if self.indicator is not None:
            if self.fill is None:
                raise ValueError(f"column {number}: with an indicator, fill says what a missing number counts as")
            yield self.indicator, 0, 1, column_call(INDICATOR, number, self.parts)


@dataclass(frozen=True)
class CategoryColumn:
    """A column of integer codes 0, ..., levels - 1: the x of level k is 1 in the rows of code k, else 0.

    parts : all rows, in order, of int8 to int64 or uint8 to uint32. levels : how many.
    skip : 1 if the first level has no coefficient, else 0.
    at : number of the first coefficient; code k has coefficient at + k - skip.
    missing : the code that replaces a missing value (a negative code, or not valid); None: no value may be missing.
    """

    parts: tuple[Part, ...]
    at: int
    levels: int
    skip: int = 1
    missing: int | None = None

    @property
    def span(self) -> slice:
        """Its coefficients, as a slice."""
        return slice(self.at, self.at + self.levels - self.skip)

    def terms(self, number: int) -> Iterator[Term]:
        """Return what the core adds."""
        if self.skip not in (0, 1) or self.levels < 1:
            raise ValueError(f"column {number}: skip must be 0 or 1, and there must be a level")
        missing = -1 if self.missing is None else self.missing
        yield (
            self.at,
            self.skip,
            self.levels,
            column_call(CATEGORY, number, self.parts, self.levels, math.nan, missing, True),
        )


Column = NumberColumn | CategoryColumn


@dataclass(frozen=True, eq=False)
class DenseRows:
    """Dense rows. X : (m, n) float64 or float32, any strides; column j has coefficient at + j.

    by_columns : whether it is read column by column, which is faster if its columns are contiguous.
    """

    X: NDArray[np.floating]
    at: int = 0
    by_columns: bool = False

    def terms(self, number: int) -> Iterator[Term]:
        """Return what the core adds."""
        m, n = self.X.shape
        if not self.by_columns:
            yield self.at, 0, n, ("add_rows", (self.X,))
        for j in range(n if self.by_columns else 0):
            yield self.at + j, 0, 1, column_call(NUMBER, number, (Part(self.X[:, j], m),))


@dataclass(frozen=True, eq=False)
class Csr:
    """Rows of n columns, of which only the elements that aren't 0 need be stored.

    data : (nnz,) float64 or float32.
    indices : (nnz,) int32 or int64, the elements' columns, in any order within a row.
    indptr : (m + 1,) int32 or int64: row i has the elements indptr[i] to indptr[i + 1].
    n : columns, at least 1; m is at least 1 too.
    threads : for the check of the arrays.
    at : number of the first column's coefficient. origin : what it was converted from, in words.
    duplicates : whether a row names a column twice, as the check found. A design refuses such rows: sum them first.

    The arrays must be C-contiguous and of the processor's byte order, and mustn't be changed afterwards: the core checks them
    only here, so that reads stay within bounds. ValueError if something is wrong.
    """

    data: NDArray[np.floating]
    indices: NDArray[np.signedinteger[Any]]
    indptr: NDArray[np.signedinteger[Any]]
    n: int
    threads: InitVar[int] = 1
    at: int = 0
    origin: str = ""
    duplicates: bool = field(init=False)

    def __post_init__(self, threads: int) -> None:
        found = _core.check_sparse(self.data, self.indices, self.indptr, self.n, threads)
        object.__setattr__(self, "duplicates", found)

    @property
    def m(self) -> int:
        """Number of rows."""
        return len(self.indptr) - 1

    @property
    def nnz(self) -> int:
        """Number of stored elements."""
        return len(self.data)

    def terms(self, number: int) -> Iterator[Term]:
        """Return what the core adds."""
        if self.duplicates:
            raise ValueError("a row names a column twice: sum its elements in a copy first")
        yield self.at, 0, self.n, ("add_sparse", (self.data, self.indices, self.indptr, self.n))


def _longest_run(csr: Csr, rows: int) -> slice:
    """Find the most columns in a row of which none of the first rows has two; none if elements aren't in ascending order."""
    starts = csr.indptr[: rows + 1]
    here, after = csr.indices[: max(starts[-1] - 1, 0)], csr.indices[1 : max(starts[-1], 1)]
    inside = np.ones(len(here), dtype=np.bool_)
    inside[starts[(starts > 0) & (starts < starts[-1])] - 1] = False
    here, after = here[inside], after[inside]
    if (after < here).any():
        return slice(0, 0)
    with_later = np.full(csr.n, csr.n, dtype=after.dtype)  # the first column that each has a row with
    np.minimum.at(with_later, here, after)
    ends = np.minimum.accumulate(with_later[::-1])[::-1]  # of the longest run that starts at each
    start = int(np.argmax(ends - np.arange(csr.n)))
    return slice(start, int(ends[start]))


Block = DenseRows | Csr | NumberColumn | CategoryColumn


class Blocks:
    """m rows of blocks that have n coefficients; checked once, and used without a copy.

    A slot is one thing that the core sums: a number, an indicator, a sparse column or a level of a category. The slot of a
    category's first level may have no coefficient.

    Parameters
    ----------
    blocks : sequence of DenseRows, Csr, NumberColumn or CategoryColumn
        Together they have each of the coefficients 0, ..., n - 1 once.
    m, n : int
        Rows, at least one, and coefficients.

    Raises
    ------
    ValueError
        A block has another type or length, or a coefficient is missing or there twice. Codes are checked as they are
        read.
    """

    def __init__(self, blocks: Sequence[Block], m: int, n: int) -> None:
        kernel_name()  # refuse an unknown kernel before anything is read
        self.blocks, self.m, self.n = tuple(blocks), m, n
        terms = [(number, *term) for number, block in enumerate(self.blocks) for term in block.terms(number)]
        # A category without coefficients comes before the column with the same `at`.
        terms.sort(key=lambda term: (term[1], term[3] > term[2]))
        self.native = _core.Design(m)
        at, without = 0, []
        self.spans: list[slice] = []  # slots of each category
        for number, first, skip, slots, (add, given) in terms:
            here = self.native.slots
            getattr(self.native, add)(*given)
            if first != at:
                raise ValueError(f"column {number} has coefficient {first} where {at} is the next")
            if skip:
                without.append(here)
            if isinstance(self.blocks[number], CategoryColumn):
                self.spans.append(slice(here, here + slots))
            at += slots - skip
        if at != n or n < 1:
            raise ValueError(
                f"the columns have {at} coefficients, not {n}" if n >= 1 else "there must be a coefficient"
            )
        self._slot: Places | None = np.delete(np.arange(self.native.slots), without) if without else None

    @classmethod
    def dense(cls, X: NDArray[np.floating]) -> Blocks:
        """Make a design of a dense matrix, read by rows or, if its columns are contiguous, by columns."""
        if X.ndim != 2 or X.dtype not in (np.float64, np.float32) or not all(X.shape):
            raise ValueError("X must be 2-D, float64 or float32, and have a row and a column")
        by_columns = X.shape[1] == 1 or abs(X.strides[0]) < abs(X.strides[1])
        return cls([DenseRows(X, by_columns=by_columns)], *X.shape)

    @classmethod
    def sparse(cls, csr: Csr) -> Blocks:
        """Make a design of sparse rows alone."""
        return cls([csr], csr.m, csr.n)

    # --- facts -------------------------------------------------------------------------------------------------------

    @property
    def X(self) -> NDArray[np.floating] | None:
        """The matrix, (m, n), if the only block is a dense one, else None."""
        block = self.blocks[0]
        return block.X if isinstance(block, DenseRows) and len(self.blocks) == 1 else None

    @property
    def csr(self) -> Csr | None:
        """The sparse rows, if there is nothing else, else None."""
        block = self.blocks[0]
        return block if isinstance(block, Csr) and len(self.blocks) == 1 else None

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """The blocks that are columns; in a table, all of them."""
        return tuple(block for block in self.blocks if isinstance(block, (NumberColumn, CategoryColumn)))

    @cached_property
    def categories(self) -> tuple[tuple[int, CategoryColumn], ...]:
        """The blocks that are categories, and their places."""
        return tuple((k, block) for k, block in enumerate(self.blocks) if isinstance(block, CategoryColumn))

    @cached_property
    def row_numbers(self) -> int:
        """About how many numbers a row has: what reading it costs."""
        return 1 + sum(
            block.X.shape[1] if isinstance(block, DenseRows) else block.nnz // self.m if isinstance(block, Csr) else 1
            for block in self.blocks
        )

    @cached_property
    def of_numbers_alone(self) -> bool:
        """Whether there are neither categories nor sparse rows, whose Hessian is a separate read."""
        return not any(isinstance(block, (CategoryColumn, Csr)) for block in self.blocks)

    @property
    def unit(self) -> float:
        """Unit roundoff of the data: 2^-24 if some are float32, else 2^-53."""
        of: list[NDArray[Any]] = [block.X if isinstance(block, DenseRows) else block.data for block in self.blocks
              if isinstance(block, (DenseRows, Csr))]  # fmt: skip
        of += [part.values for column in self.columns for part in column.parts]
        return 2.0**-24 if any(values.dtype == np.float32 for values in of) else 2.0**-53

    @cached_property
    def numeric(self) -> NDArray[np.bool_]:
        """Which coefficients (n,) are of numbers, not of levels of a category or indicators of missing numbers."""
        mask = np.ones(self.n, dtype=np.bool_)
        for column in self.columns:
            if isinstance(column, CategoryColumn):
                mask[column.span] = False
            elif column.indicator is not None:
                mask[column.indicator] = False
        return mask

    @cached_property
    def terms(self) -> int:
        """Most products in a row's z."""
        marks = sum(isinstance(column, NumberColumn) and column.indicator is not None for column in self.columns)
        longest = (int(np.diff(block.indptr).max()) for block in self.blocks if isinstance(block, Csr))
        return len(self.columns) + marks + (0 if self.X is None else self.n) + sum(longest)

    @cached_property
    def groups(self) -> list[tuple[slice, bool]]:
        """For each category, the columns of its levels, and whether there is one more level, without a column."""
        return [(column.span, bool(column.skip)) for _, column in self.categories if column.levels > column.skip]

    @cached_property
    def head(self) -> slice | None:
        """The most columns in a row of which no row has two, as a category's levels; None if they are too few to matter."""
        if self.n < WHOLE:
            return None
        csr, head = self.csr, slice(0, 0)
        for rows in (self.m,) if csr is None else (FEW_ROWS, self.m):  # a few mostly show that there is none
            spans = [span for span, _ in self.groups] if csr is None else [_longest_run(csr, rows)]
            head = max(spans, key=lambda span: span.stop - span.start, default=head)
            if LEAST_HEAD * (head.stop - head.start) < self.n:
                return None
        return head

    @property
    def storage(self) -> str:
        """How the data are stored, in words."""
        if self.X is not None:
            flags = self.X.flags
            order = "C order" if flags.c_contiguous else "Fortran order" if flags.f_contiguous else "strided"
            return f"dense float{8 * self.X.itemsize}, {order}"
        if self.csr is not None:
            kind = f"CSR {self.csr.data.dtype.name}, {self.csr.indices.dtype.name} indices"
            return f"{kind}, {self.csr.origin}" if self.csr.origin else kind
        said = []
        for kind, plural in (("number", "numbers"), ("category", "categories")):
            some = [c for c in self.columns if isinstance(c, NumberColumn) == (kind == "number")]
            of = {(part.bits, part.values.dtype) for c in some for part in c.parts}  # a type's name is slow to make
            types = sorted("bits" if bits else dtype.name for bits, dtype in of)
            said += [f"{len(some)} {kind if len(some) == 1 else plural} ({', '.join(types)})"] if some else []
        return f"columns: {', '.join(said)}"

    # --- coefficients and slots --------------------------------------------------------------------------------------

    def slots(self, x: Vector, blank: float = 0.0) -> Vector:
        """Go from coefficients (and perhaps the bias) to slots, on the last axis: `blank` in slots without a coefficient."""
        x = np.ascontiguousarray(x, dtype=np.float64)
        behind = x.shape[-1] - self.n
        if behind not in (0, 1):
            raise ValueError(f"there must be {self.n} elements, one for each column, not {x.shape[-1]}")
        if self._slot is None:
            return x
        out = np.full((*x.shape[:-1], self.native.slots + behind), blank)
        out[..., self._slot] = x[..., : self.n]
        out[..., self.native.slots :] = x[..., self.n :]
        return out

    def coefficients(self, x: Vector) -> Vector:
        """Go from slots to coefficients, on the last axis; what follows the slots stays."""
        if self._slot is None:
            return x
        behind = np.arange(self.native.slots, x.shape[-1])
        return np.ascontiguousarray(x[..., np.concatenate([self._slot, behind])])

    def slot_numbers(self, columns: Places | None) -> Places | None:
        """Return the slots of some coefficients; by default of all, or None if all slots have one."""
        if columns is None or self._slot is None:
            return self._slot if columns is None else np.ascontiguousarray(columns, dtype=np.int64)
        if len(columns) and not 0 <= columns[0] <= columns[-1] < self.n:
            raise ValueError("columns must be ascending numbers of coefficients")
        return self._slot[columns]

    def slot_range(self, columns: slice) -> tuple[int, int]:
        """Return the first slot of some consecutive coefficients, and the one after their last."""
        if self._slot is None:
            return columns.start, columns.stop
        return int(self._slot[columns.start]), int(self._slot[columns.stop - 1]) + 1

    def seen(self, view: View | None) -> dict[str, Vector]:
        """Return a view's centre and p for each slot."""
        return {} if view is None else {"center": self.slots(view.center), "p": self.slots(view.p, 1.0)}

    # --- reads -------------------------------------------------------------------------------------------------------

    def sum_depth(self, rows: int) -> float:
        """Count the roundings that a term goes through in a sum over `rows` rows: the depth d, the largest of all sums.

        An entry's error is at most d u sum|terms|. d adds up lanes, rows of a piece, pieces of a leaf, leaves in a binary tree,
        and 8 for the term's own products; the core counts them beside its loops. Higham 2002, section 4.2. The sum of weights
        S must be right to 2u (`math.fsum`); else add its depth.
        """
        return float(_core.depths(self.native, rows)[0])

    def matrix_depth(self, rows: int) -> float:
        """Count the same for a matrix: the depth N."""
        return float(_core.depths(self.native, rows)[1])

    def leaf_rows(self, what: What) -> int:
        """Return the number of rows in a leaf; a range of rows that is read separately begins at a multiple of it."""
        return int(_core.leaf_rows(self.native, int(what)))

    def refuse(self, bad: tuple[int, int, int, bool] | None) -> None:
        """Raise a ValueError if a read found a row of positive weight whose code has no level."""
        if bad is not None:
            row, number, code, is_missing = bad
            known = f"not one of 0 to {dict(self.categories)[number].levels - 1}"
            what = "is missing, and has no level for that" if is_missing else f"has code {code}, {known}"
            raise ValueError(f"row {row + 1} of column {number + 1} {what}")
