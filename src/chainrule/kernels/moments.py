"""Moments of a design's columns, and counts of what its categories hold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chainrule.kernels.design import CodeError, Design
from chainrule.kernels.reader import Labels, Places, call, read
from chainrule.kernels.reading import Matrix, Vector, View, What

_MOMENTS = What.SUMS | What.SQUARES | What.EXTREMES


@dataclass(frozen=True)
class Moments:
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
    design: Design,
    *,
    s: Vector | None = None,
    view: View | None = None,
    index: Places | None = None,
    threads: int = 1,
    level_rows: dict[int, NDArray[np.int64]] | None = None,
) -> Moments:
    """Moments of all coefficients' x; one read. With a view near the means, the squares don't cancel. As of `read`.

    level_rows : rows of each level of each category, by its number, where these are known: no category is then read.
    """
    of_columns = len(design.columns) == len(design.blocks)
    if level_rows is None or s is not None or index is not None or not of_columns:
        found = read(design, _MOMENTS, s=s, view=view, index=index, threads=threads)
        assert found.sums is not None
        assert found.squares is not None
        assert found.low is not None
        assert found.high is not None
        return Moments(found.weight, found.sums, found.squares, found.low, found.high)
    sums, squares, low, high = np.zeros((4, design.n))
    numbers, of_numbers = design.of_numbers
    if of_numbers is not None:
        seen = None if view is None else View(view.center[numbers], view.p[numbers])
        part = moments(of_numbers, view=seen, threads=threads)
        sums[numbers], squares[numbers], low[numbers], high[numbers] = part.sums, part.squares, part.low, part.high
    for number, rows in level_rows.items():
        column = design.category(number)
        of = slice(column.at, column.at + column.levels - column.skip)
        there = rows > 0
        sums[of] = squares[of] = rows[column.skip :]
        low[of], high[of] = (there & (there.sum() == 1))[column.skip :], there[column.skip :]
    return Moments(float(design.m), sums, squares, low, high)


def missing_counts(
    design: Design, *, s: Vector | None, index: Places | None = None, threads: int = 1
) -> NDArray[np.int64]:
    """Rows of positive weight in which a column has no value, for each column; a read of those that may miss some."""
    missing = np.zeros(len(design.blocks), dtype=np.int64)
    which, indicators = design.indicators
    if which:
        kept = None if s is None else (s > 0.0).astype(np.float64)
        found = call(design, What.SUMS, threads, indicators, s=kept, index=index)
        missing[which] = found.result()[1][0, :-1]
    return missing


@dataclass(frozen=True)
class LevelCounts:
    """What the levels of a category have of each class: weights and rows of positive weight, (levels, 2) each."""

    weights: Matrix
    rows: NDArray[np.int64]


def level_counts(
    design: Design, *, y: Labels | None, s: Vector | None, index: Places | None = None, threads: int = 1
) -> dict[int, LevelCounts]:
    """Weights and rows of class 0 and of class 1 of each level, for each column that is a category, by its number.

    Levels that are skipped are there too; all rows are of class 0 without y. A read for each class; arguments as of `read`.
    """
    alone = design.of_categories
    if alone is None:
        return {}
    weights, rows = np.zeros((2, alone.n, 2))
    bad: list[CodeError] = []
    for kind in (0, 1) if y is not None else (0,):
        of_class = s if y is None else (y == kind) * (1.0 if s is None else s)
        try:
            found = call(alone, What.SUMS | What.COUNTS, threads, s=of_class, index=index).result()
        except CodeError as error:
            bad.append(error)
            continue
        weights[:, kind], rows[:, kind] = found[1][0, :-1], found[2]
    if bad:
        first = min(bad, key=lambda error: error.row)
        number = design.categories[first.column]
        raise CodeError(number, first.row, first.code, design.category(number).levels)
    at, counts = 0, {}
    for number in design.categories:
        column = design.category(number)
        of = slice(at, at + column.levels)
        counts[number] = LevelCounts(weights[of], rows[of].astype(np.int64))
        at += column.levels
    return counts
