"""Sums over the rows of a table of mixed columns, each read where it lies."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chainrule import _core
from chainrule.kernels.reading import BLOCK_ROWS, Secant, Sums, View, What, kernel_asked, useful_threads
from chainrule.kernels.table import CategoryColumn, CodeError, Column, NumberColumn, Part, Table

__all__ = [
    "FEW_LEVELS",
    "CategoryColumn",
    "CodeError",
    "Column",
    "ColumnMoments",
    "LevelCounts",
    "NumberColumn",
    "Part",
    "Table",
    "diagonal",
    "gram",
    "gram_depth",
    "level_counts",
    "moments",
    "product",
    "read",
    "secant",
    "sum_depth",
]

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Places = NDArray[np.int64]

FEW_LEVELS: int = _core.FEW_LEVELS


def read(
    table: Table,
    what: What,
    *,
    y: NDArray[np.uint8] | None,
    s: Vector | None,
    w: Vector,
    b: float,
    z: Vector | None = None,
    h: Vector | None = None,
    view: View | None = None,
    index: Places | None = None,
    q: Vector | None = None,
    threads: int = 1,
) -> Sums:
    """Read all rows once, at (w, b), in the view's units.

    z is b, to which w_j x_j is added in the order of the coefficients, in one rounding where the processor can: a category
    gives the very bits that its one-hot columns would. Blocks of `BLOCK_ROWS` rows are summed in eight lanes by row; sums of
    categories of more than `FEW_LEVELS` levels run on over a leaf of several blocks. Leaves are added in a fixed tree.

    Parameters
    ----------
    table : Table
    what : What
        LOSS and, as asked, GRADIENT, SQUARES (sum s x^2) and NORMS. With `y` None only z is made.
    y : (m,) uint8, 0 or 1, or None
    s : (m,) float64, optional
        Weights; a row of weight 0 is not looked at, and its z means nothing.
    w, b
        (n,) and a number.
    z, h : (m,) float64, optional
        Filled with every row's z and g (1 - g), without its weight.
    view : View, optional
        Centred and scaled numbers: for each coefficient, and of levels and indicators center 0 and p 1.
    index : (k,) int64, optional
        Read these rows alone; y, s, z and h then have k elements, one a place.
    q : (n + 1,), optional
        Weights of the norms, the bias last.
    threads : int
        Changes no bit of the result.

    Raises
    ------
    CodeError
        For a code that is not one of its column's levels, the first in the order of the rows.
    """
    if what & ~(What.LOSS | What.GRADIENT | What.SQUARES | What.NORMS):
        raise ValueError("a read of columns has LOSS, GRADIENT, SQUARES and NORMS")
    if y is None:
        what = What.LOSS
        h = None
    center, p, cp = table.view(view)
    raw, gradient_at, squares_at, *_ = table.read(
        table.native,
        what | What.LOSS,
        index,
        threads,
        y=y,
        s=s,
        w=table.slots(w),
        b=b,
        q=None if q is None else table.slots(q),
        z=z,
        curvature=h,
        center=center,
        p=p,
        cp=cp,
    )
    slots = table.native.slots
    squares = table.coefficients(raw[squares_at : squares_at + slots]) if what & What.SQUARES else None
    return Sums(
        loss=float(raw[0]),
        correct=float(raw[1]),
        weight=float(raw[2]),
        gradient=table.coefficients(raw[gradient_at : gradient_at + slots]),
        bias=float(raw[3]),
        squares=squares,
        norm=float(raw[-1]) if what & What.NORMS else 0.0,
    )


def secant(
    table: Table,
    z: Vector,
    v: Vector,
    *,
    y: NDArray[np.uint8],
    s: Vector | None = None,
    u: Vector,
    view: View | None = None,
    index: Places | None = None,
    threads: int = 1,
) -> Secant:
    """Read all rows once, at z that are kept and along a direction; the sums are made as those of `read`, and are as deep.

    Parameters
    ----------
    table, y, s, view, index, threads
        As of `read`.
    z : (m,) float64
        Of every row; with `index` one a place. That of a row of weight 0 is not looked at.
    v : (n + 1,)
        The direction, in the view's units, the bias last.
    u : (m,) float64
        Filled with every row's x~.v, to the bit what `read` gives as z at (v_w, v_b); with v_b for a row of weight 0.

    Raises
    ------
    CodeError
        As of `read`.
    """
    if len(v) != table.n + 1:
        raise ValueError(f"v must have {table.n + 1} elements")
    q = table.slots(np.ones(table.n + 1))
    center, p, cp = table.view(view)
    threads = useful_threads((table.m if index is None else len(index), len(table.columns)), threads)
    raw, bad, first, end = _core.secant_columns(
        table.native, y, s, z, table.slots(v), q, u, center, p, cp, index, threads, kernel_asked()
    )
    table.refuse(bad)
    sums = raw[first:end].reshape(-1, 4)
    at = np.append(np.flatnonzero(table.coefficient >= 0), len(sums) - 1)
    gradient, change, curvature, diagonal = np.ascontiguousarray(sums[at].T)
    return Secant(
        loss=float(raw[0]),
        correct=float(raw[1]),
        weight=float(raw[2]),
        gradient=gradient,
        change=change,
        curvature=curvature,
        diagonal=diagonal,
        norm=float(raw[-1]),
    )


def product(
    table: Table,
    h: Vector,
    v: Vector,
    *,
    s: Vector | None,
    t: Vector | None = None,
    view: View | None = None,
    index: Places | None = None,
    threads: int = 1,
) -> Vector:
    """Hessian times v by given curvatures: sum s h (x~.v) x~, (n + 1,), the bias last; one read.

    h : (m,), without the weights. v : (n + 1,). t : (m,), filled with x~.v. All else as of `read`.
    """
    center, p, cp = table.view(view)
    raw, gradient_at, *_ = table.read(
        table.native,
        What.PRODUCT,
        index,
        threads,
        s=s,
        h=h,
        v=table.slots(v),
        product=t,
        center=center,
        p=p,
        cp=cp,
    )
    return np.append(table.coefficients(raw[gradient_at : gradient_at + table.native.slots]), raw[3])


def diagonal(
    table: Table,
    h: Vector,
    *,
    s: Vector | None,
    view: View | None = None,
    index: Places | None = None,
    threads: int = 1,
) -> Vector:
    """Diagonal of the Hessian by given curvatures: sum s h x~^2, (n + 1,), the bias last; one read. As of `product`."""
    center, p, cp = table.view(view)
    raw, _, squares_at, *_ = table.read(table.native, What.SQUARES, index, threads, s=s, h=h, center=center, p=p, cp=cp)
    return np.append(table.coefficients(raw[squares_at : squares_at + table.native.slots]), raw[2])


def gram(
    table: Table,
    h: Vector,
    columns: Places | None,
    *,
    s: Vector | None,
    view: View | None = None,
    index: Places | None = None,
    threads: int = 1,
) -> Matrix:
    """Hessian by given curvatures: sum s h x~ x~' over some coefficients and the bias, (k + 1, k + 1), the bias last; one read.

    Two categories are a table of weights, to which each row adds one cell; small tables are summed in leaves of rows, in large
    ones what each addition loses is kept, so that they are right to two roundings. Memory: the matrix, half the numbers' part
    once more, and a few MB.

    columns : (k,) int64, ascending; None: all. All else as of `product`.
    """
    place = np.full(table.n, -1)
    chosen = np.arange(table.n) if columns is None else np.asarray(columns)
    if chosen.ndim != 1 or chosen.dtype.kind not in "iu" or ((chosen < 0) | (chosen >= table.n)).any():
        raise ValueError("columns must be numbers of coefficients")
    if (np.diff(chosen) <= 0).any():
        raise ValueError("columns must be ascending")
    place[chosen] = np.arange(len(chosen))
    by_slot = np.where(table.coefficient < 0, -1, place[table.coefficient])
    matrix = np.zeros((len(chosen) + 1, len(chosen) + 1))
    center, p, cp = table.view(view)
    rows = table.m if index is None else len(index)
    threads = useful_threads((rows, len(table.columns) ** 2), threads)
    table.refuse(_core.gram_columns(table.native, h, s, by_slot, matrix, center, p, cp, index, threads, kernel_asked()))
    return matrix


@dataclass(frozen=True)
class ColumnMoments:
    """Sums over the rows, about the centres of the view that they were read in.

    weight : S. sums, squares : (n,), sum s x~ and sum s x~^2. low, high : (n,), smallest and largest x, as given (not viewed).
    Missing numbers count as their fill.
    """

    weight: float
    sums: Vector
    squares: Vector
    low: Vector
    high: Vector


def moments(
    table: Table,
    *,
    s: Vector | None,
    view: View | None = None,
    index: Places | None = None,
    threads: int = 1,
    level_rows: dict[int, NDArray[np.int64]] | None = None,
) -> ColumnMoments:
    """Moments of all coefficients' x; one read. With a view near the means, the squares don't cancel. As of `product`.

    level_rows : rows of each level of each category, by its number, where these are known: no category is then read.
    """
    center, p, cp = table.view(view)
    slots = table.native.slots
    if level_rows is not None and s is None and index is None:
        weight, sums, squares, low, high = float(table.m), *np.zeros((4, slots))
        numbers = table.number_slots
        if len(numbers):
            native, of = table.numbers_alone, [None if x is None else x[numbers] for x in (center, p, cp)]
            given = dict(zip(("center", "p", "cp"), of, strict=True))
            raw, _, squares_at, sums_at, extremes_at = table.read(native, What.MOMENTS, None, threads, s=None, **given)
            k = len(numbers)
            sums[numbers], squares[numbers] = raw[sums_at : sums_at + k], raw[squares_at : squares_at + k]
            low[numbers], high[numbers] = (
                -raw[extremes_at : extremes_at + k],
                raw[extremes_at + k : extremes_at + 2 * k],
            )
        for number, span in table.spans.items():
            sums[span] = squares[span] = level_rows[number]
    else:
        raw, _, squares_at, sums_at, extremes_at = table.read(
            table.native, What.MOMENTS, index, threads, s=s, center=center, p=p, cp=cp
        )
        weight = float(raw[2])
        sums, squares = raw[sums_at : sums_at + slots], raw[squares_at : squares_at + slots]
        low, high = -raw[extremes_at : extremes_at + slots], raw[extremes_at + slots : extremes_at + 2 * slots]
    for span in table.spans.values():
        there = sums[span] > 0.0
        low[span], high[span] = there & (there.sum() == 1), there
    sums, squares, low, high = (table.coefficients(x) for x in (sums, squares, low, high))
    return ColumnMoments(weight, sums, squares, low, high)


def missing_counts(
    table: Table, *, s: Vector | None, index: Places | None = None, threads: int = 1
) -> NDArray[np.int64]:
    """Rows of positive weight in which a column has no value, for each column; a read of those that may miss some."""
    missing = np.zeros(len(table.columns), dtype=np.int64)
    which, indicators = table.indicators
    if which:
        kept = None if s is None else (s > 0.0).astype(np.float64)
        counts, _, at, *_ = table.read(indicators, What.SQUARES, index, threads, s=kept)
        missing[which] = counts[at : at + len(which)]
    return missing


@dataclass(frozen=True)
class LevelCounts:
    """What the levels of a category have of each class: weights and rows of positive weight, (levels, 2) each."""

    weights: Matrix
    rows: NDArray[np.int64]


def level_counts(
    table: Table, *, y: NDArray[np.uint8] | None, s: Vector | None, index: Places | None = None, threads: int = 1
) -> dict[int, LevelCounts]:
    """Weights and rows of class 0 and of class 1 of each level, for each column that is a category, by its number.

    Levels that are skipped are there too. One read, or with weights two; arguments as of `read`.
    """
    if not table.categories:
        return {}

    def by_class(s: Vector | None) -> Matrix:
        slots = table.categories_alone.slots
        raw, first, second, *_ = table.read(
            table.categories_alone, What.SQUARES, index, threads, y=y, s=s, by_class=True
        )
        return np.column_stack([raw[first : first + slots], raw[second : second + slots]])

    weights = by_class(s)
    rows = (weights if s is None else by_class((s > 0.0).astype(np.float64))).astype(np.int64)
    ends = np.cumsum([column.levels for column in table.columns if isinstance(column, CategoryColumn)])[:-1]
    found = zip(np.split(weights, ends), np.split(rows, ends), strict=True)
    return {number: LevelCounts(*of_levels) for number, of_levels in zip(table.categories, found, strict=True)}


def sum_depth(m: int, n: int) -> float:
    """Count the roundings of a term of a sum over m rows: d, so that each of n coefficients' sums is within d u sum|terms|.

    The lanes of a block, then blocks (as `rounding.sum_depth`); of categories of more than `FEW_LEVELS` levels the rows of a
    leaf. 8 covers the lanes' own sum and the term's products.
    """
    blocks = -(-m // BLOCK_ROWS)
    deepest = min(m, BLOCK_ROWS) / 8
    if n >= FEW_LEVELS:
        deepest = max(deepest, min(m, BLOCK_ROWS * _core.column_leaf_blocks(m, n + n // FEW_LEVELS + 1)))
    return deepest + math.ceil(math.log2(max(1, blocks))) + 8.0


def gram_depth(m: int, n: int) -> float:
    """Count likewise for `gram` over n coefficients in all: the rows of a leaf of categories, or the panels of numbers."""
    leaf = min(m, _core.gram_leaf_rows(m, n + 1))
    panels = 128 + 64
    return max(leaf, panels) + math.ceil(math.log2(max(1, -(-m // BLOCK_ROWS)))) + 8.0
