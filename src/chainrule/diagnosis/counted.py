"""What a category's levels determine, by counting: wider categories, as the countries of cities, numbers, and other levels."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.data.rows import Rows, spread_rows
from chainrule.data.rows.decode import codes_of, values_of
from chainrule.kernels.blocks import NumberColumn

Vector = NDArray[np.float64]
Index = NDArray[np.int64]

MOST = 1000  # relations, each of which is kept as a vector of all columns
FEW = 4096  # rows, spread over all, that show of most columns that they are not known
PAIRED, RARE_PAIRED = 32, 8  # rows whose pairs show it at once for hundreds of categories
SEEN = 8  # least of the few rows with a level that may be in the same rows as another one


class Exact(NamedTuple):
    """A relation known to hold in every row: coefficients . x[at] = constant; the last column is what it explains."""

    at: Index
    coefficients: Vector
    constant: float


def counted_relations(rows: Rows, *, fit_intercept: bool = True) -> dict[int, Exact]:
    """Find columns of levels that others determine, by counting; return a relation for each, by column.

    These are what `known_from_levels` finds, and a level of each category with a column for every level: these columns add up
    to 1, which needs no read. The columns without a relation determine all others. None hold without an intercept.
    """
    if not fit_intercept or rows.design.of_numbers_alone:
        return {}
    found = dict(rows.once("counted", lambda: known_from_levels(rows)))
    for span, has_first in rows.design.groups:
        at = np.arange(span.start, span.stop)
        free = [j for j in at.tolist() if j not in found]
        if not has_first and len(at) > 1 and free:  # else the sum follows from the others' relations
            found[free[-1]] = Exact(np.append(at[at != free[-1]], free[-1]), np.ones(len(at)), 1.0)
    return found


class _Levels(NamedTuple):
    """A category; levels 0: a number. at, levels, skip : as in `CategoryColumn`. read : codes, or numbers, at some places."""

    at: int
    levels: int
    skip: int
    read: Callable[[Index], NDArray[np.generic]]


def known_from_levels(rows: Rows) -> dict[int, Exact]:
    """Find columns that are known from a category's level, by counting; return a relation for each.

    These are the columns of nested categories, numbers that a category's level decides, and levels that are in the same rows as
    another category's. For an intercept: a first level without a column counts as 1 minus the others. Rows of weight 0 don't
    count. A category with which there would be more than `MOST` relations is left out.
    """
    places, found, seen = rows.places[rows.is_kept], dict[int, Exact](), list[int]()
    some = places if len(places) <= FEW else places[spread_rows(len(places), FEW)]
    categories = [
        _Levels(each.at, each.levels, each.skip, partial(codes_of, each))
        for _, each in sorted(rows.design.categories, key=lambda each: -each[1].levels)
        if each.levels > 1
    ]
    numbers = [each for each in rows.design.columns if isinstance(each, NumberColumn)]
    columns = categories + [_Levels(each.at, 0, 0, partial(_numbers_of, each)) for each in numbers]
    if not categories or len(columns) < 2:
        return {}
    few = [each.read(some) for each in categories]
    may_be, whole = _may_be_known(columns, few, some), dict[int, Any]()

    def codes(k: int) -> Any:
        whole[k] = categories[k].read(places) if k not in whole else whole[k]
        return whole[k]

    def known(k: int, finer: Sequence[int]) -> dict[int, Exact]:
        """Relations of a column by the first of some categories that decides it."""
        column, give = columns[k], _relations if columns[k].levels else _of_number
        of_few = few[k] if column.levels else column.read(some)
        for j in finer:
            within = _within(categories[j], few[j], of_few)
            if within is None or not give(column, categories[j], within) or len(found) + max(column.levels, 1) > MOST:
                continue
            within = _within(categories[j], codes(j), codes(k) if column.levels else column.read(places))
            if within is not None:
                return give(column, categories[j], within)
        return {}

    for k in range(len(columns)):
        finer = [j for j in reversed(seen) if may_be[j, k]]  # the fewest levels first: they make the shortest relations
        new = known(k, finer) if finer else {}
        found |= new
        seen += [k] if k < len(categories) and not new else []
    same = [
        (categories[j], a, categories[k], b)
        for (j, k), pairs in _same_rows(categories, few).items()
        for a, b in pairs[_are_one(pairs, (categories[j], categories[k]), (codes(j), codes(k)))].tolist()
    ]
    for pair in sorted(same, key=lambda pair: pair[3] < pair[2].skip):  # what has no column explains any other one
        found |= _equal(*pair, found) if len(found) < MOST else {}
    return found


def _numbers_of(column: NumberColumn, places: Index) -> Vector:
    values = values_of(column, places)
    return values if column.fill is None else np.where(np.isnan(values), column.fill, values)


def _may_be_known(columns: Sequence[_Levels], few: Sequence[Any], some: Index) -> NDArray[np.bool_]:
    """Whether some pairs of rows leave it open that a column is known from a category, (categories, columns).

    It isn't if two rows have one level of the category and two values of the column. The pairs are of a few rows, and of a row
    that has a rare level with rows that mostly don't. A number that is the same in all pairs is not looked for.
    """
    n, q = len(few), len(some)
    rarest = [int(np.argmin(np.bincount(each + 1)[each + 1])) for each in few]
    others = np.linspace(0, q - 1, RARE_PAIRED).astype(np.int64)
    at, p = np.concatenate([np.arange(min(q, PAIRED)), rarest, others]).astype(np.int64), min(q, PAIRED)
    first, second = np.divmod(np.arange(p * p), p)
    first = np.append(first, p + np.repeat(np.arange(n), RARE_PAIRED))
    second = np.append(second, p + n + np.tile(np.arange(RARE_PAIRED), n))
    values = np.array([*(each[at] for each in few), *(each.read(some[at]) for each in columns[n:])])
    differ = values[:, first] != values[:, second]
    is_open = (~differ[:n]).astype(np.float32) @ differ.T.astype(np.float32) == 0.0
    return np.asarray(is_open & (differ.any(axis=1) | (np.arange(len(columns)) < n)))


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


def _same_rows(categories: Sequence[_Levels], few: Sequence[Any]) -> dict[tuple[int, int], Any]:
    """Return levels of two categories, the first an earlier one, that are in the same few rows: pairs of codes, (p, 2)."""
    if len(categories) < 2:
        return {}
    first = np.cumsum([0, *(each.levels + 1 for each in categories)])  # of each category; there a code of -1 is counted
    at = np.concatenate([codes + 1 + start for codes, start in zip(few, first[:-1], strict=True)])
    weights = np.arange(len(few[0])) * 40503 % 2**16 + 1.0  # scattered, so that their sums tell sets of rows apart
    sums = np.bincount(at, np.tile(weights, len(few)))
    places = np.flatnonzero(np.bincount(at) >= SEEN)
    places = places[np.argsort(sums[places], kind="stable")]
    of = np.searchsorted(first, places, side="right") - 1
    levels = zip(sums[places].tolist(), of.tolist(), (places - first[of] - 1).tolist(), strict=True)
    found = dict[tuple[int, int], list[tuple[int, int]]]()
    for (total, j, a), (other, k, b) in pairwise(levels):
        if total == other and j < k and min(a, b) >= 0:
            found.setdefault((j, k), []).append((a, b))
    return {both: np.array(pairs) for both, pairs in found.items()}


def _are_one(pairs: Index, categories: tuple[_Levels, _Levels], codes: tuple[Index, Index]) -> NDArray[np.bool_]:
    """Whether two levels, (p, 2), are in the same rows, (p,): all pairs in one pass over both categories' codes."""
    numbers = []
    for of_pairs, category, of in zip(pairs.T, categories, codes, strict=True):
        number = np.full(category.levels + 1, -1)  # the last is for a code of -1
        number[of_pairs] = np.arange(len(pairs))
        numbers.append(number[of])
    apart = numbers[0] != numbers[1]
    return np.isin(np.arange(len(pairs)), [x[apart] for x in numbers], invert=True)


def _equal(first: _Levels, a: int, second: _Levels, b: int, found: Collection[int]) -> dict[int, Exact]:
    """Say that two levels are in the same rows, by a column of the second category that has no relation yet.

    A level without a column is 1 minus the others.
    """
    terms, constant, own = dict[int, float](), 0.0, range(0)
    for each, code, sign in ((first, a, -1.0), (second, b, 1.0)):
        is_rest, at = code < each.skip, each.at + code - each.skip
        own = range(each.at, each.at + each.levels - 1) if is_rest else range(at, at + 1)
        terms |= dict.fromkeys(own, -sign if is_rest else sign)
        constant -= sign * is_rest
    free = [j for j in own if j not in found]
    if not free:
        return {}
    sign = terms.pop(free[-1])
    return {free[-1]: Exact(np.array([*terms, free[-1]]), sign * np.array([*terms.values(), sign]), sign * constant)}
