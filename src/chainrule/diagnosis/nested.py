"""Nested categories, as cities in their countries: each level of the wider one is a sum of levels of the finer one, exactly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.data.rows import Rows
from chainrule.data.rows.decode import codes_of
from chainrule.kernels.blocks import CategoryColumn

Vector = NDArray[np.float64]
Index = NDArray[np.int64]

MOST = 1000  # relations, each of which is kept as a vector of all columns
FEW = 4096  # rows that show of most categories that they are not nested
PAIRED, RARE_PAIRED = 32, 8  # rows whose pairs show it at once for hundreds of categories


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
    places, found, seen = rows.places[rows.is_kept], dict[int, Exact](), list[int]()
    categories = sorted((each for _, each in rows.design.categories if each.levels > 1), key=lambda each: -each.levels)
    if len(categories) < 2:
        return {}
    few = [codes_of(each, places[:FEW]) for each in categories]
    codes, may_be = dict[int, Index](), _may_be_nested(few)
    for k, column in enumerate(categories):
        for j in reversed(seen):  # the fewest levels first: they make the shortest relations
            is_open = may_be[j, k] and _levels(categories[j], few[j], few[k]) is not None
            if is_open and len(found) + column.levels <= MOST:
                for each in {j, k} - codes.keys():
                    codes[each] = codes_of(categories[each], places)
                within = _levels(categories[j], codes[j], codes[k])
                if within is not None:
                    found |= _relations(column, categories[j], within)
                    break
        else:
            seen.append(k)
    return found


def _may_be_nested(codes: Sequence[Index]) -> NDArray[np.bool_]:
    """Whether a few pairs of rows leave it open that a category is nested in another one, (finer, wider); codes : (c, q).

    It isn't if two rows have one level of the finer one and two of the wider. The pairs are of some first rows, and of a row
    that has a rare level with rows that mostly don't.
    """
    q = len(codes[0])
    rarest = [int(np.argmin(np.bincount(each + 1)[each + 1])) for each in codes]
    first, second = np.triu_indices(min(q, PAIRED), 1)
    others = np.linspace(0, q - 1, RARE_PAIRED).astype(np.int64)
    first, second = np.append(first, np.repeat(rarest, RARE_PAIRED)), np.append(second, np.tile(others, len(rarest)))
    is_one = np.array([each[first] == each[second] for each in codes])
    return np.asarray(is_one.astype(np.float32) @ (~is_one).T.astype(np.float32) == 0.0)


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
