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


def nested_levels(rows: Rows) -> dict[int, Exact]:
    """Find categories whose level is known from that of another one, by counting; return a relation for each of their columns.

    For an intercept: a first level without a column counts as 1 minus the others. Rows of weight 0 don't count. A category with
    which there would be more than `MOST` relations is left out.
    """
    places, found, seen = rows.places[rows.is_kept], dict[int, Exact](), list[tuple[CategoryColumn, Index]]()
    categories = [column for _, column in rows.design.categories if column.levels > 1]
    for column in sorted(categories, key=lambda each: -each.levels):
        values, lost = values_of(column, places), -1 if column.missing is None else column.missing
        codes: Index = np.where(np.isnan(values), lost, values).astype(np.int64)
        for finer, of_finer in reversed(seen):  # the fewest levels first: they make the shortest relations
            if _levels(finer, of_finer[:FEW], codes[:FEW]) is not None and len(found) + column.levels <= MOST:
                within = _levels(finer, of_finer, codes)
                if within is not None:
                    found |= _relations(column, finer, within)
                    break
        else:
            seen.append((column, codes))
    return found


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
