"""What a category's levels determine, by counting: wider categories, as the countries of cities, numbers, and other levels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.data.rows import Rows
from chainrule.data.rows.decode import codes_of, values_of
from chainrule.kernels.blocks import NumberColumn

Vector = NDArray[np.float64]
Index = NDArray[np.int64]

MOST = 1000  # relations, each of which is kept as a vector of all columns
FEW = 4096  # rows, evenly spread, that show of most columns that they are not known
PAIRED, RARE_PAIRED = 32, 8  # rows whose pairs show it at once for hundreds of categories
SEEN = 8  # least of the few rows with a level that may be in the same rows as another one


class Exact(NamedTuple):
    """A relation known to hold in every row: coefficients . x[at] = constant; the last column is what it explains."""

    at: Index
    coefficients: Vector
    constant: float


def counted_relations(rows: Rows, *, fit_intercept: bool = True) -> dict[int, Exact]:
    """Find columns of levels that others determine, by counting; return a relation for each, by column.

    These are what `nested_levels` finds, and the last level of a category with a column for every level: these columns add up
    to 1, which needs no read. The columns without a relation determine all others. None hold without an intercept.
    """
    if not fit_intercept or rows.design.of_numbers_alone:
        return {}
    groups = [at for at, has_first in rows.design.groups if not has_first and at.stop - at.start > 1]
    sums = {at.stop - 1: Exact(np.arange(at.start, at.stop), np.ones(at.stop - at.start), 1.0) for at in groups}
    return rows.once("nested", lambda: nested_levels(rows)) | sums


class _Levels(NamedTuple):
    """A category; levels 0: a number. at, levels, skip : as in `CategoryColumn`. read : codes, or numbers, at some places."""

    at: int
    levels: int
    skip: int
    read: Callable[[Index], NDArray[np.generic]]


def nested_levels(rows: Rows) -> dict[int, Exact]:
    """Find columns that are known from a category's level, by counting; return a relation for each.

    These are the columns of nested categories, numbers that a category's level decides, and levels that are in the same rows as
    another category's. For an intercept: a first level without a column counts as 1 minus the others. Rows of weight 0 don't
    count. A category with which there would be more than `MOST` relations is left out.
    """
    places, found, seen = rows.places[rows.is_kept], dict[int, Exact](), list[int]()
    some = places[:: max(1, len(places) // FEW)][:FEW]
    columns, few = _columns(rows, some)
    if len(columns) < 2:
        return {}
    whole, n_categories = dict[int, Any](), sum(each.levels > 0 for each in columns)
    may_be = _may_be_known(few[:n_categories], few)

    def values(k: int) -> Any:
        whole[k] = columns[k].read(places) if k not in whole else whole[k]
        return whole[k]

    for k, column in enumerate(columns):
        for j in reversed(seen):  # the fewest levels first: they make the shortest relations
            is_open = may_be[j, k] and _within(columns[j], few[j], few[k]) is not None
            if is_open and len(found) + max(column.levels, 1) <= MOST:
                of = _within(columns[j], values(j), values(k))
                if of is not None:
                    found |= _relations(column, columns[j], of) if column.levels else _of_number(column, columns[j], of)
                    break
        else:
            seen += [k] if column.levels else []
    for (j, a), (k, b) in _same_rows(columns[:n_categories], few[:n_categories]):
        x, y = (columns[i].at + code - columns[i].skip for i, code in ((j, a), (k, b)))
        if y not in found and len(found) < MOST and np.array_equal(values(j) == a, values(k) == b):
            found[y] = Exact(np.array([x, y]), np.array([-1.0, 1.0]), 0.0)
    return found


def _columns(rows: Rows, some: Index) -> tuple[list[_Levels], list[Any]]:
    """Return the categories, those of most levels first, then the numbers that vary in some rows; and these rows' values."""
    columns = [
        _Levels(each.at, each.levels, each.skip, partial(codes_of, each))
        for _, each in sorted(rows.design.categories, key=lambda each: -each[1].levels)
        if each.levels > 1
    ]
    if columns:
        numbers = (each for each in rows.design.columns if isinstance(each, NumberColumn))
        columns += [_Levels(each.at, 0, 0, partial(_numbers_of, each)) for each in numbers]
    read = ((each, each.read(some)) for each in columns)
    varied = [(each, values) for each, values in read if each.levels or (values != values[0]).any()]
    return [each for each, _ in varied], [values for _, values in varied]


def _numbers_of(column: NumberColumn, places: Index) -> Vector:
    values = values_of(column, places)
    return values if column.fill is None else np.where(np.isnan(values), column.fill, values)


def _may_be_known(finer: Sequence[Any], wider: Sequence[Any]) -> NDArray[np.bool_]:
    """Whether a few pairs of rows leave it open that a column is known from a category, (finer, wider); each (q,).

    It isn't if two rows have one level of the finer one and two values of the wider. The pairs are of some rows, and of a
    row that has a rare level with rows that mostly don't.
    """
    q = len(finer[0])
    rarest = [int(np.argmin(np.bincount(each + 1)[each + 1])) for each in finer]
    first, second = np.divmod(np.arange(min(q, PAIRED) ** 2), min(q, PAIRED))
    others = np.linspace(0, q - 1, RARE_PAIRED).astype(np.int64)
    first, second = np.append(first, np.repeat(rarest, RARE_PAIRED)), np.append(second, np.tile(others, len(rarest)))
    is_one = np.array([each[first] == each[second] for each in finer])
    differ = np.array([each[first] != each[second] for each in wider])
    return np.asarray(is_one.astype(np.float32) @ differ.T.astype(np.float32) == 0.0)


def _within(finer: _Levels, of_finer: Any, values: Any) -> Any:
    """Return another column's code or number for each level of the finer one, (levels,), or -1 or NaN if no row has the level.

    None if a level has several.
    """
    within = np.full(finer.levels, np.nan if values.dtype.kind == "f" else -1, values.dtype)
    within[of_finer] = values
    return within if np.array_equal(within[of_finer], values) else None


def _relations(column: _Levels, finer: _Levels, within: Any) -> dict[int, Exact]:
    """Give each column of a category as a sum of a finer one's. within : (levels of the finer one,), its level, or -1."""
    found, first = {}, int(within[0]) if finer.skip else -1
    for code in range(column.skip, column.levels):
        # the finer category's first level has no column: then the other levels' are subtracted from 1
        is_rest = code == first
        members = np.flatnonzero((within >= 0) & ((within == code) != is_rest))
        j = column.at + code - column.skip
        if len(members) or is_rest:
            at = np.append(finer.at + members - finer.skip, j)
            signs = np.append(np.full(len(members), 1.0 if is_rest else -1.0), 1.0)
            found[j] = Exact(at, signs, float(is_rest))
    return found


def _of_number(column: _Levels, finer: _Levels, within: Vector) -> dict[int, Exact]:
    """Give a number by a category's columns, if no difference of its values rounds. within : (levels,), its value, or NaN."""
    least = float(within[0]) if finer.skip and not np.isnan(within[0]) else 0.0
    members = np.flatnonzero(~np.isnan(within) & (within != least))
    with np.errstate(over="ignore"):
        more = within[members] - least
    if not len(members) or (least + more != within[members]).any() or (within[members] - more != least).any():
        return {}  # a constant, or inexact
    return {column.at: Exact(np.append(finer.at + members - finer.skip, column.at), np.append(-more, 1.0), least)}


def _same_rows(categories: Sequence[_Levels], few: Sequence[Index]) -> Iterator[tuple[list[int], list[int]]]:
    """Yield pairs of levels, (category, code), that seem to be in the same rows; the first is an earlier category's."""
    first = np.cumsum([1, *(each.levels + 1 for each in categories)])
    codes = np.concatenate(
        [of + at for of, at in zip(few, first[:-1], strict=True)]
    )  # a code of -1 is before the first level
    weights = np.arange(len(few[0])) * 40503 % 2**16 + 1.0  # scattered, so that their sums tell sets of rows apart
    sums = np.bincount(codes, np.tile(weights, len(categories)), first[-1])
    some = np.flatnonzero(np.bincount(codes, minlength=first[-1]) >= SEEN)
    some = some[np.argsort(sums[some], kind="stable")]
    for x, y in zip(some[:-1][np.diff(sums[some]) == 0.0], some[1:][np.diff(sums[some]) == 0.0], strict=True):
        j, k = np.searchsorted(first, [x, y], side="right") - 1
        a, b = int(x - first[j]), int(y - first[k])
        if j < k and a >= categories[j].skip and b >= categories[k].skip:
            yield [int(j), a], [int(k), b]
