"""Nested categories, as cities in their countries: each level of the wider one is a sum of levels of the finer one, exactly."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.data.rows import Rows
from chainrule.data.rows.decode import values_of
from chainrule.kernels.blocks import CategoryColumn

Vector = NDArray[np.float64]
Index = NDArray[np.int64]

MOST = 1000  # relations, each of which is kept as a vector of all columns
FEW = 4096  # rows that show of most categories that they are not nested


class Exact(NamedTuple):
    """A relation known to hold in every row: coefficients . x[at] = constant; the last column is what it explains."""

    at: Index
    coefficients: Vector
    constant: float


def counted_relations(rows: Rows, *, fit_intercept: bool = True) -> dict[int, Exact]:
    """Find columns of levels that others determine, by counting; return a relation for each, by column.

    These are the levels of nested categories, and the last level of a category with a column for every level: these columns
    add up to 1, which needs no read. The columns without a relation determine all others. None hold without an intercept.
    """
    if not fit_intercept or rows.design.of_numbers_alone:
        return {}
    groups = [at for at, has_first in rows.design.groups if not has_first and at.stop - at.start > 1]
    sums = {at.stop - 1: Exact(np.arange(at.start, at.stop), np.ones(at.stop - at.start), 1.0) for at in groups}
    return rows.once("nested", lambda: nested_levels(rows)) | sums


def nested_levels(rows: Rows) -> dict[int, Exact]:
    """Find categories whose level is known from that of another one, by counting; return a relation for each of their columns.

    For an intercept: a first level without a column counts as 1 minus the others. Rows of weight 0 don't count. A category with
    which there would be more than `MOST` relations is left out.
    """
    places, found, seen = rows.places[rows.is_kept], dict[int, Exact](), list[CategoryColumn]()
    categories = [column for _, column in rows.design.categories if column.levels > 1]
    few = {column.at: codes_of(column, places[:FEW]) for column in categories}
    codes = dict[int, Index]()

    def within(finer: CategoryColumn, column: CategoryColumn) -> Index | None:
        if _levels(finer, few[finer.at], few[column.at]) is None:
            return None
        for each in (finer, column):
            if each.at not in codes:
                codes[each.at] = codes_of(each, places)
        return _levels(finer, codes[finer.at], codes[column.at])

    for column in sorted(categories, key=lambda each: -each.levels):
        for finer in reversed(seen):  # the fewest levels first: they make the shortest relations
            if len(found) + column.levels <= MOST and (levels := within(finer, column)) is not None:
                found |= _relations(column, finer, levels)
                break
        else:
            seen.append(column)
    return found


def codes_of(column: CategoryColumn, places: Index) -> Index:
    """Return the levels of some rows, a missing one filled in."""
    values, lost = values_of(column, places), -1 if column.missing is None else column.missing
    return np.where(np.isnan(values), lost, values).astype(np.int64)


def _levels(finer: CategoryColumn, of_finer: Index, codes: Index) -> Index | None:
    """Return another category's code for each level of the finer one, (levels,), or -1; None if a level has several."""
    within = np.full(finer.levels, -1)
    within[of_finer] = codes
    return within if np.array_equal(within[of_finer], codes) else None


def _relations(column: CategoryColumn, finer: CategoryColumn, within: Index) -> dict[int, Exact]:
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
