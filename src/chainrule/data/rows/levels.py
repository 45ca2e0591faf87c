"""Levels with rows of one class only: their coefficients are infinite, and their rows leave. Found by counting.

A column of 0 to 1 that is 0 in every row of one class separates the other rows from them: as its coefficient grows, their loss
falls to 0, and no other row's loss changes (Albert and Anderson 1984, Biometrika 71). A category's first level does the same by
way of the intercept. Without these rows, further levels may have one class only, so repeat until there are none (Correia,
Guimaraes and Zylkin 2019, arXiv 1903.01633). That the limit of the fit is the fit of the rows left is proven in
docs/decisions/0018-infinite-coefficients.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from chainrule.data.frames import code_type, recoded
from chainrule.data.rows.decode import AT_ONCE, codes_of, expanded, values_of
from chainrule.data.rows.rows import Rows
from chainrule.data.rows.units import Units, Vector
from chainrule.data.schema import Column
from chainrule.data.schema import feature_names as names_of
from chainrule.kernels.blocks import Block, Blocks, CategoryColumn, NumberColumn, Part
from chainrule.kernels.reader import read_points
from chainrule.kernels.reading import What

Index = NDArray[np.int64]
Mask = NDArray[np.bool_]
Signs = NDArray[np.int8]

MOST_ROUNDS = 100
CERTAIN = 18.420680738952367  # log-odds at which a row costs 1e-8 nats


@dataclass(frozen=True)
class Limit:
    """What is left of rows without those that infinite coefficients predict for certain.

    rows : all rows, of a table. rounds : (m,), the round in which a row left; 0 for rows that stay and rows of weight 0.
    infinite : (n,), 0 for finite coefficients, else the sign times the round in which the column was found.
    gone : (n,), columns that are 0 in all rows that stay.
    references : for categories whose first level had to be replaced, by their block, the code of the level that replaces it.
    The two levels change places, also in `infinite` and `gone`.
    """

    rows: Rows
    rounds: Signs
    infinite: Signs
    gone: Mask
    references: Mapping[int, int]

    @cached_property
    def left(self) -> Index:
        """Numbers of the rows of positive weight that stay."""
        return np.flatnonzero((self.rounds == 0) & self.rows.is_kept)

    @property
    def names(self) -> tuple[tuple[str, ...], tuple[Column, ...] | None]:
        """Names of the coefficients, and how columns are encoded, with the new first levels."""
        return self.renamed.feature_names, self.renamed.encodings

    @property
    def n_infinite(self) -> int:
        """Number of infinite coefficients."""
        return int(np.count_nonzero(self.infinite))

    @property
    def is_complete(self) -> bool:
        """Whether the rows that stay, if any, have one class only: then nothing is left to fit."""
        return len(np.unique(self.rows.y[self.left])) < 2

    @cached_property
    def live(self) -> Index:
        """Coefficients that the rows left have, (k,), at least one: a column of zeros changes nothing."""
        live = np.flatnonzero(~self.gone)
        return live if len(live) else np.zeros(1, dtype=np.int64)

    @cached_property
    def share(self) -> float:
        """Share of the weight that stays."""
        return self.rows.take(self.left).weight / self.rows.weight

    @cached_property
    def renamed(self) -> Rows:
        """All rows, with the categories' new first levels."""
        rows = self.rows
        if not self.references:
            return rows
        encodings = with_references(rows.encodings or (), self.references)
        names = names_of(encodings) if encodings else rows.feature_names
        design = exchanged(rows.design, self.references)
        return replace(rows, design=design, encodings=encodings or None, feature_names=names, learned={})

    def rest(self) -> Rows:
        """Return the rows that stay, with the live columns alone. If these are most rows, the others get weight 0."""
        rows, live = self.renamed, self.live
        units, k = rows.units, len(live)
        if 2 * len(self.left) > rows.n_rows:  # rows one after another are read faster
            taken = replace(rows, s=np.where(self.rounds == 0, 1.0 if rows.s is None else rows.s, 0.0))
        else:
            taken = rows.take(self.left)
        design = _without(rows.design, np.isin(np.arange(rows.n_features), live))
        names = tuple(rows.feature_names[j] for j in live) if rows.feature_names else ()
        some = replace(
            taken, design=design, feature_names=names, encodings=None, learned={},
            units=Units.of_user(k), outer=np.ones(k + 1), view=None,
        )  # fmt: skip
        return some.see(Units(units.center[live], units.scale[live]))

    def finite(self, w: Vector, b: float) -> Vector:
        """Replace the infinite ones of w (n,), in the user's units, by values at which each of their rows costs at most 1e-8.

        Rows that left in a later round come first: those of an earlier one may have their columns too.
        """
        w, rows = np.where(self.infinite != 0, 0.0, w), self.renamed
        for k in range(int(np.abs(self.infinite).max(initial=0)), 0, -1):
            columns, numbers = np.flatnonzero(np.abs(self.infinite) == k), np.flatnonzero(self.rounds == k)
            some = rows.take(numbers).as_given()
            missing = np.maximum(CERTAIN - np.where(some.y > 0, 1.0, -1.0) * some.scores(w, b), 1.0)
            w[columns] = np.sign(self.infinite[columns]) * _largest(rows.design, some.places, missing, columns)
        return w

    def exchanged(self, w: Vector, b: float) -> tuple[Vector, float]:
        """Turn finite coefficients for the old first levels into those for the new ones, which predict the same, or back."""
        w = w.copy()
        for k, code in self.references.items():
            span, slot = _category(self.rows.design, k).span, _category(self.rows.design, k).at + code - 1
            first = w[slot]
            w[slot] = 0.0
            w[span] -= first
            b += float(first)
        return w, b


def find_limit(rows: Rows, *, fit_intercept: bool = True) -> Limit | None:
    """Find a table's coefficients that must be infinite, and the rows that leave; None if there are none. Two reads a round.

    Counts only levels, marks and columns of 0 to 1. Rows of weight 0 don't count.
    """
    n, fixed = rows.n_features, set[int]()
    if not _marks(rows).any():
        return None
    while True:
        may_change = [k for k, column in rows.design.categories if fit_intercept and _can_change(rows, k, column)]
        firsts = [k for k in may_change if k not in fixed]
        rounds, infinite, counts = _removed(rows, firsts)
        if not infinite.any():
            return None
        lost = [(k, _category(rows.design, k)) for at, k in enumerate(firsts) if not counts[:, n + at].any()]
        weights = counts if rows.s is None or not lost else _counts(rows, rounds == 0, firsts, rows.s)
        references = {k: _best(weights.sum(axis=0), column, rows, k) for k, column in lost}
        if all(references.values()):
            break
        fixed |= {k for k, code in references.items() if not code}  # no other level can be its first
    gone: Mask = np.asarray(~counts[:, :n].any(axis=0) & _marks(rows))
    known = infinite[:n] * gone
    for at, k in enumerate(firsts):
        if references.get(k):
            slot = _category(rows.design, k).at + references[k] - 1
            known[slot], gone[slot] = infinite[n + at], True
    return Limit(rows, rounds, known.astype(np.int8), gone, {k: code for k, code in references.items() if code})


def _category(design: Blocks, k: int) -> CategoryColumn:
    column = design.blocks[k]
    assert isinstance(column, CategoryColumn)
    return column


def _can_change(rows: Rows, k: int, column: CategoryColumn) -> bool:
    """Whether another level can be a category's first: not for the mark of a constant column."""
    is_category = rows.encodings is None or rows.encodings[k].kind == "category"
    return bool(column.skip) and column.levels > 1 and is_category


def _best(counts: Vector, column: CategoryColumn, rows: Rows, k: int) -> int:
    """Return the code of the level of most weight, without the one for missing values; 0 if no row has one."""
    levels = column.levels if rows.encodings is None else len(rows.encodings[k].levels)
    there = counts[column.span][: levels - 1]
    return 1 + int(np.argmax(there)) if there.any() else 0


def _removed(rows: Rows, firsts: list[int]) -> tuple[Signs, Signs, Vector]:
    """Remove rows of columns that have one class, as often as there are any.

    Returns the rounds of the rows, the signs and rounds of the columns, (n + firsts,), and `_counts` of the rows left.
    """
    n, design, is_mark = rows.n_features, rows.design, np.append(_marks(rows), np.ones(len(firsts), dtype=np.bool_))
    left, rounds, infinite = rows.is_kept.copy(), np.zeros(rows.n_rows, np.int8), np.zeros(n + len(firsts), np.int8)
    for k in range(1, MOST_ROUNDS + 2):
        counts = _counts(rows, left, firsts, rows.is_kept.astype(np.float64))
        found = is_mark & ((counts > 0.0).sum(axis=0) == 1) & (infinite == 0)
        is_complete = len(np.unique(rows.y[left])) < 2
        if is_complete or not found.any() or k > MOST_ROUNDS:
            break
        if found[n:].any():  # the intercept's part would round small numbers off
            found[:n][design.numeric] = False
        signs = np.where(found, np.where(counts[1] > 0.0, 1, -1), 0).astype(np.int8)
        w, b = signs[:n].astype(np.float64), float(signs[n:].sum())
        for number, sign in zip(firsts, signs[n:], strict=True):
            w[_category(design, number).span] -= sign
        leaves = left & (rows.as_given().scores(w, b) != 0.0)
        left &= ~leaves
        rounds[leaves] = k
        infinite += signs * np.int8(k)
    return rounds, infinite, counts


def _marks(rows: Rows) -> Mask:
    """Mask the columns of levels and marks, and those of numbers from 0 to 1 if their extremes are known, (n,)."""
    low, high = rows.learned.get("extremes", (-1.0, -1.0))
    return np.asarray(~rows.design.numeric | ((low >= 0.0) & (high <= 1.0)))


def _counts(rows: Rows, left: Mask, firsts: list[int], s: Vector) -> Vector:
    """Sum the columns over the rows left of each class, (2, n + firsts), in one read: for levels, the rows that have them.

    s : (m,), how often each row counts.
    """
    rows.count_read()
    n, classes = rows.n_features, np.stack([left & (rows.y == 0), left & (rows.y == 1)]).astype(np.float64)
    how = {**rows.how, "view": None, "s": None if rows.s is None else s}
    found = read_points(rows.design, What.SUMS, np.zeros((2, n)), np.zeros(2), row_weights=classes, **how)
    sums = np.array([of.sums for of in found])
    spans = [_category(rows.design, k).span for k in firsts]
    without = [[of.weight - part[span].sum() for span in spans] for of, part in zip(found, sums, strict=True)]
    return np.column_stack([sums, np.array(without).reshape(2, len(firsts))])


def _largest(design: Blocks, places: Index, values: Vector, columns: Index) -> Vector:
    """Return the largest value / x of the rows at `places` in which each of the columns isn't 0, (columns,)."""
    out, others = np.zeros(design.n), np.isin(np.arange(design.n), columns)
    for _, column in design.categories:
        if others[column.span].any():
            of_codes = np.zeros(column.levels)
            np.maximum.at(of_codes, codes_of(column, places), values)
            out[column.span] = of_codes[column.skip :]
            others[column.span] = False
    numbers, step = np.flatnonzero(others), max(1, AT_ONCE // max(len(places), 1))
    for first in range(0, len(numbers), step):
        some = numbers[first : first + step]
        x = expanded(design, places, some)
        ratios = np.divide(values[:, np.newaxis], x, out=np.ones_like(x), where=x != 0.0)
        out[some] = ratios.max(axis=0, initial=1.0)
    return np.asarray(out[columns])


# --- designs -----------------------------------------------------------------------------------------------------------


def with_references(columns: tuple[Column, ...], references: Mapping[int, int]) -> tuple[Column, ...]:
    """Exchange the first level of some categories with another one; references : its code, by the column's place."""
    changed = list(columns)
    for k, code in references.items() if columns else ():
        levels = list(changed[k].levels)
        levels[0], levels[code] = levels[code], levels[0]
        changed[k] = replace(changed[k], levels=tuple(levels))
    return tuple(changed)


def exchanged(design: Blocks, references: Mapping[int, int]) -> Blocks:
    """Exchange the codes of some categories' first level and another one; copies the codes of these."""
    blocks = list(design.blocks)
    for k, code in references.items():
        column = _category(design, k)
        lookup = np.arange(column.levels, dtype=code_type(column.levels))
        lookup[0], lookup[code] = code, 0
        missing = None if column.missing is None else int(lookup[column.missing])
        blocks[k] = replace(column, parts=tuple(recoded(part, lookup) for part in column.parts), missing=missing)
    return Blocks(blocks, design.m, design.n)


def _without(design: Blocks, live: Mask) -> Blocks:
    """Make a design of a table's live columns alone; copies the codes of categories that lose a level."""
    blocks, at = list[Block](), 0
    for block in design.columns:
        if isinstance(block, NumberColumn):
            marked = block.indicator is not None and bool(live[block.indicator])
            if live[block.at]:
                blocks.append(replace(block, at=at, indicator=at + 1 if marked else None))
            elif marked:
                is_missing = np.isnan(values_of(block, np.arange(design.m))).astype(np.uint8)
                blocks.append(CategoryColumn((Part(is_missing, design.m),), at, 2))
            at += bool(live[block.at]) + marked
            continue
        kept = np.append(np.ones(block.skip, dtype=np.bool_), live[block.span])
        if kept.sum() == block.skip:
            continue
        if not kept.all():
            lookup = np.where(kept, np.cumsum(kept) - 1, 0).astype(code_type(block.levels))
            missing = None if block.missing is None else int(lookup[block.missing])
            parts = tuple(recoded(part, lookup) for part in block.parts)
            block = replace(block, parts=parts, levels=int(kept.sum()), missing=missing)
        blocks.append(replace(block, at=at))
        at += block.levels - block.skip
    return Blocks(blocks, design.m, at)


# --- what is shown and predicted --------------------------------------------------------------------------------------


def at_infinity(w: Vector, infinite: Signs) -> Vector:
    """Return w (n,) with its infinite coefficients as inf and -inf; NaN stays."""
    return np.where((infinite == 0) | np.isnan(w), w, np.copysign(np.inf, infinite))


def limits(infinite: Signs, columns: Sequence[Column], score: Callable[[Vector], Vector]) -> Vector:
    """Return which z are infinite, (m,): inf, -inf, NaN where terms of both signs meet, else 0.

    Coefficients of an earlier round are infinitely larger than those of later ones. Only numbers can be negative in a new row,
    so each is looked at alone. columns : of the table. score : z for weights w (n,) and b = 0.
    """
    found, ranks = score(np.zeros(len(infinite))), np.abs(infinite)
    is_number = np.array(
        [column.has_numbers and not k for column in columns for k, _ in enumerate(column.design_names())]
    )
    for k in range(1, int(ranks.max(initial=0)) + 1):
        groups = [(infinite == sign * k) & ~is_number for sign in (1, -1)]
        groups += [np.arange(len(infinite)) == j for j in np.flatnonzero((ranks == k) & is_number)]
        low, high = np.zeros_like(found), np.zeros_like(found)
        for group in groups:
            signs = np.sign(score(np.where(group, np.sign(infinite), 0.0)))
            low, high = np.minimum(low, signs), np.maximum(high, signs)
        is_open = (low < 0.0) & (high > 0.0)
        here = np.where(is_open, np.nan, np.where(low + high != 0.0, np.copysign(np.inf, low + high), 0.0))
        found = np.where(found == 0.0, here, found)
    return found
