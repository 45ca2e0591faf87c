"""Groups coefficients by the table's columns, and measures how much each column moves z."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from chainrule.data.rows.moments import means_and_deviations
from chainrule.data.rows.rare import row_counts
from chainrule.data.rows.spread import spread_rows
from chainrule.data.schema import Column

if TYPE_CHECKING:
    from chainrule.data.rows import Rows

Vector = NDArray[np.float64]

# With so few rows, the standard error of a level's coefficient is at least 2/sqrt(20) = 0.45: its odds ratio is uncertain by
# a factor of 2.4 in both directions.
RARE_ROWS = 20
# Means and deviations are computed from all rows, or of more rows from a sample; the error of a deviation is then about 1 %.
MOST_ROWS, SAMPLE = 1 << 15, 1 << 13


@dataclass(frozen=True)
class Facts:
    """What the rows of a fit say about its columns, in the user's units.

    mean, sd : (n,), weighted. counts : (n,), how many rows have each level or mark; None for arrays. rows : how many rows
    have a positive weight.
    """

    mean: Vector
    sd: Vector
    counts: Vector | None
    rows: int

    @classmethod
    def of(cls, rows: Rows) -> Facts:
        """Measure the columns: on all rows if these are at most 32,768 or they were measured already, else on 8,192."""
        some = rows
        if not {"moments", "spreads"} & rows.learned.keys() and rows.n_visited > MOST_ROWS:
            places = spread_rows(rows.n_visited, SAMPLE)
            some = rows.take(places if rows.s is None else np.flatnonzero(rows.is_kept)[places])
        mean, sd = means_and_deviations(some)
        counts = None if rows.encodings is None else rows.once("row counts", lambda: row_counts(rows))
        return cls(mean, sd, counts, rows.n_visited)


@dataclass(frozen=True)
class Level:
    """A level of a category, or the mark of rows without a number.

    name : the level. place : of its coefficient, None for the reference. w : its coefficient, 0 for the reference.
    rows : how many rows of the fit have it. infinite : 1 or -1 if its coefficient is inf or -inf. is_rare : fewer than
    `RARE_ROWS` rows have it.
    """

    name: str
    place: int | None
    w: float
    rows: int | None
    infinite: int = 0
    is_rare: bool = False


@dataclass(frozen=True)
class Variable:
    """A column of the table, with its coefficients.

    name : of the column. places : of its coefficients in w. place : of the number's own coefficient; None for a category and
    for a constant number. levels : of a category, the reference among them, or the mark of a number, if it has one.
    reference : the level that the others are compared with; None for numbers, and if every level has a coefficient.
    spread : standard deviation of the column's contribution to z, over the rows; None if it is unknown.
    share : spread over the sum of all columns' spreads.
    """

    name: str
    kind: Literal["number", "category"]
    places: tuple[int, ...]
    place: int | None
    levels: tuple[Level, ...]
    reference: str | None
    spread: float | None
    share: float | None


def variables(
    columns: Sequence[Column] | None,
    names: Sequence[str],
    w: Vector,
    facts: Facts | None,
    infinite: NDArray[np.int8] | None = None,
) -> list[Variable]:
    """Group coefficients by column, the largest spread first; equal ones stay in the table's order.

    What has an infinite coefficient doesn't count in the spread; for a level, nor do its rows.

    Parameters
    ----------
    columns : of the table, in the order of its coefficients; None if each coefficient is a column of numbers.
    names : (n,), of the coefficients.
    w : (n,), in the user's units.
    facts : about the rows; without them, the columns stay in their order.
    infinite : (n,), numbers of the sign of infinite coefficients, 0 for finite ones; None or empty if all are finite.
    """
    signs = np.zeros(len(w), dtype=np.int8) if infinite is None or not len(infinite) else np.sign(infinite)
    if columns is None:
        columns = [Column(name, "number") for name in names]
    found, at = [], 0
    for column in columns:
        places = range(at, at := at + len(column.design_names()))
        found.append((column, places, _spread(column, places, w, facts, signs)))
    total = sum(spread or 0.0 for _, _, spread in found)
    made = [_variable(*each, total, w, facts, signs) for each in found]
    return made if facts is None else sorted(made, key=lambda variable: -(variable.spread or 0.0))


def _spread(column: Column, places: range, w: Vector, facts: Facts | None, signs: NDArray[np.int8]) -> float | None:
    """Compute the standard deviation of x.w over the rows, for the x and w of one column."""
    if facts is None:
        return None
    own = np.asarray(places, dtype=np.intp)
    size = float(np.max(np.abs(w[own]), initial=0.0))
    if not 0.0 < size < np.inf:  # divided by it, no square can overflow
        return size
    of, p = np.where(signs[own] == 0, w[own], 0.0) / size, facts.mean[own]
    if column.kind == "category":
        kept = np.where(signs[own] == 0, p, 0.0)
        values, shares = of, kept
        if not column.all_levels:
            values, shares = np.append(of, 0.0), np.append(kept, max(1.0 - float(p.sum()), 0.0))
        total = float(shares.sum())
        mean = float(shares @ values) / total if total > 0.0 else 0.0
        return size * float(np.sqrt(shares @ np.square(values - mean) / total)) if total > 0.0 else 0.0
    with np.errstate(over="ignore"):
        terms = of * facts.sd[own]
        if len(own) == 1:
            return float(np.abs(terms[0])) * size
        # rows without a number are filled with column.mean, so their mark and the number are nearly uncorrelated
        gap = (column.mean or 0.0) - float(facts.mean[own[0]])
        return size * float(np.sqrt(max(float(terms @ terms) + 2.0 * float(of[0] * of[1] * p[1]) * gap, 0.0)))


def _variable(
    column: Column, places: range, spread: float | None, total: float, w: Vector, facts: Facts | None,
    signs: NDArray[np.int8],
) -> Variable:  # fmt: skip
    counts = None if facts is None else facts.counts

    def level(name: str, place: int | None) -> Level:
        if place is None:
            own = None if counts is None or facts is None else int(facts.rows - counts[list(places)].sum())
            return Level(name, None, 0.0, own, 0, own is not None and own < RARE_ROWS)
        own = None if counts is None else int(counts[place])
        return Level(name, place, float(w[place]), own, int(signs[place]), own is not None and own < RARE_ROWS)

    at, reference = list(zip(column.coefficients, places, strict=True)), column.reference
    number = next((place for of, place in at if of is None), None)
    levels = [] if reference is None else [level(reference, None)]
    levels += [level(of, place) for of, place in at if of is not None]
    share = None if spread is None else spread / total if total > 0.0 else 0.0
    return Variable(column.name, column.kind, tuple(places), number, tuple(levels), reference, spread, share)
