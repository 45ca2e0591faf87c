"""Does a plane keep the classes apart, so that no finite coefficients are optimal? A verdict that is verified on every row.

With a_i = (2y_i - 1) x~_i the data are separated when A v >= 0, A v != 0 for some v: completely when A v > 0, else
quasi-completely (Albert and Anderson 1984, Biometrika 71). Directions are found one after another on the rows that are
still on the plane of those before; each is made exact (rational) and its signs are proven on all rows, by the error bound
of the sum or without a rounding error. When the rows left overlap (`overlap`), the verdict is final.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from chainrule.data.rows import Rows
from chainrule.diagnosis.collinearity import Collinearity, find_relations
from chainrule.diagnosis.exact import whole_numbers
from chainrule.diagnosis.halfspaces import Direction, Halfspaces, decimal_between, readable, search, simplified
from chainrule.diagnosis.wording import Finding, column_sentence, direction_sentence

Vector = NDArray[np.float64]
Index = NDArray[np.int64]
Mask = NDArray[np.bool_]

MOST_NUMBERS = 5_000_000  # of the rows left, that are searched where single columns separate already
LARGEST = 10**6  # whole numbers up to here are shown as they are


@dataclass(frozen=True)
class Separation:
    """A direction that keeps the classes apart: z = x.direction + intercept is >= 0 for class 1 and <= 0 for class 0.

    kind
        "complete": z != 0 in every row. "quasi": z = 0 in some. Both are proven in exact arithmetic, for a rational
        direction of which `direction` holds the nearest floats. "undecided": rounding hides the answer and nothing is
        proven; a direction, if there is one, separates up to rounding.
    direction, intercept
        (n,) and a number, in the user's columns; whole numbers where they are small.
    columns, indices
        The columns that take part.
    n_separated, n_on_plane, rows_on_plane
        Rows off the plane and on it, and the numbers of the latter from 0; rows of weight 0 aren't counted.
    final
        The rows on the plane overlap (their rank as computed), so that no direction separates more. Then inf of the mean
        loss is (weight on the plane / S) times the minimum over the rows on the plane, which is attained; 0 when complete.
    loss_infimum_at_most
        Upper bound on it: rows on the plane at their class shares.
    sentence
        The cause and the ways out.
    """

    kind: Literal["complete", "quasi", "undecided"]
    direction: Vector = field(compare=False)
    intercept: float
    columns: tuple[str, ...]
    indices: tuple[int, ...]
    n_separated: int
    n_on_plane: int
    rows_on_plane: Index = field(compare=False, repr=False)
    final: bool
    loss_infimum_at_most: float
    sentence: str


def find_separation(
    rows: Rows,
    hint: tuple[Vector, float] | None = None,
    *,
    fit_intercept: bool = True,
    collinearity: Collinearity | None = None,
    classes: Sequence[str] = ("class 0", "class 1"),
) -> Separation | None:
    """Find a separating direction; None when it is proven that there is none.

    Columns that follow from others exactly or up to rounding (`find_relations`) are left out: None means that the model
    without them is not separated.

    Parameters
    ----------
    rows : Rows
        Rows of weight 0 don't count.
    hint : (w, b), optional
        A direction to try first, in the user's columns: coefficients of a fit that ran away.
    collinearity : Collinearity, optional
        What `find_relations` found, if it was asked already.
    classes
        Names of class 0 and class 1, for the sentence.
    """
    found = find_relations(rows, fit_intercept=fit_intercept) if collinearity is None else collinearity
    # A column that is only nearly a combination of others counts: what it adds may be all that separates.
    near_columns = [relation.indices[-1] for relation in found.relations if not relation.up_to_rounding]
    space = Halfspaces.of(rows, np.union1d(found.pivots, near_columns).astype(np.int64), fit_intercept)
    names = (str(classes[0]), str(classes[1]))
    active = space.all_rows()
    levels: list[tuple[Direction, Mask]] = []
    findings: list[Finding] = []
    final = by_columns = False
    near: Direction | None = None
    told = 0
    while active.any():
        level = _by_class(space, active) or _by_columns(space, active, names, findings)
        by_columns |= level is not None and bool(level.v)
        if level is None and by_columns and int(active.sum()) * len(space.pivots) > MOST_NUMBERS:
            break
        if level is None:
            outcome, level = search(space, active, None if levels else hint, not levels)
            if outcome != "found" or level is None:
                final, near = outcome == "overlap", level
                break
            level = _in_few_columns(space, active, level)
            findings.append(direction_sentence(space, level, names, bool((level.signs[active] == 1).all())))
        if levels:
            findings[told:] = [replace(f, text=f"of the rows left, {f.text}") for f in findings[told:]]
        told = len(findings)
        levels.append((level, active))
        active = active & (level.signs == 0)
    if not levels:
        return None if final else _undecided(space, near, names)
    everyone = levels[0][1]
    total = _combined(space, levels)
    if len(levels) > 1 and not by_columns:
        total = _in_few_columns(space, everyone, total)
        findings = [direction_sentence(space, total, names, not active.any())]
    return _result(space, total, findings, everyone, active, final or not active.any())


def _in_few_columns(space: Halfspaces, active: Mask, found: Direction) -> Direction:
    """Write the direction with fewer columns and short numbers, its signs the same."""
    plane = active & (found.signs == 0)
    if len(found.v) > 1:
        found = simplified(space, active, plane, found)
    return found if plane.any() else readable(space, active, found)


def _by_class(space: Halfspaces, active: Mask) -> Direction | None:
    """With an intercept, rows of one class only are on one side of no plane at all: b alone."""
    y = space.rows.y[active]
    if not space.fit_intercept or (0 < int(y.sum()) < len(y)):
        return None
    side = 1 if y[0] else -1
    return Direction({}, Fraction(side), np.where(active, 1, 0).astype(np.int8))


def _extremes(space: Halfspaces, active: Mask) -> list[tuple[Vector, Vector]]:
    """Smallest and largest of each column, for each class: exact."""
    return [space.rows.extremes(active & (space.rows.y == label)) for label in (0, 1)]


def _by_columns(space: Halfspaces, active: Mask, names: tuple[str, str], findings: list[Finding]) -> Direction | None:
    """Columns that separate alone: found by comparing numbers, so without any rounding."""
    if not 0 < int(space.rows.y[active].sum()) < int(active.sum()):
        return None
    (low0, high0), (low1, high1) = _extremes(space, active)
    gaps = []
    thresholds: dict[int, tuple[int, Fraction]] = {}
    for j in range(space.rows.n_features):
        for side, below, above, ends in ((1, high0, low1, (low0, high1)), (-1, high1, low0, (low1, high0))):
            first, last = float(below[j]), float(above[j])
            if first > last or ends[0][j] == ends[1][j] or not (space.fit_intercept or first <= 0 <= last):
                continue
            t = Fraction(first)
            if first < last:
                t = (decimal_between(first, last) or t) if space.fit_intercept else Fraction(0)
            thresholds[j] = (side, t)
            if first < t < last:
                gaps.append(((last - first) * float(space.p[j]), -j))
            break
    if not thresholds:
        return None
    chosen = [-max(gaps)[1]] if gaps else list(thresholds)
    v: dict[int, Fraction] = {}
    b = Fraction(0)
    signs = np.zeros(space.rows.n_rows, dtype=np.int8)
    for j in chosen:
        side, t = thresholds[j]
        unit = Fraction(1) if len(chosen) == 1 or space.is_dummy(j) else Fraction(float(space.p[j]))
        v[j] = side * unit
        b -= v[j] * t
        with np.errstate(invalid="ignore"):
            # A threshold between the classes is no row's; any other is a number of the column, or 0.
            x = space.rows.block(slice(None), np.array([j]))[:, 0]
            signs |= np.int8(1) if gaps else (x != float(t)).astype(np.int8)
        reach = (float(low0[j]), float(high0[j]), float(low1[j]), float(high1[j]))
        findings.append(column_sentence(space, j, side, t, names, reach))
    signs[~active] = 0
    return Direction(v, b, signs)


def _combined(space: Halfspaces, levels: list[tuple[Direction, Mask]]) -> Direction:
    """One direction with the signs of all levels: each earlier one counts for so much more that it keeps its rows."""
    everyone = levels[0][1]
    total = levels[-1][0]
    for level, _ in reversed(levels[:-1]):
        strict = everyone & (level.signs == 1)
        ratio = 1.0
        if any(total.v.values()) or total.b:
            # How far the later directions reach among the rows of this one.
            reach = np.abs(space.scores(total, strict)[0][strict]).max()
            least = np.abs(space.scores(level, strict)[0][strict]).min()
            ratio = float(reach / least) if least > 0 else np.inf
        expected = np.where(level.signs == 1, 1, total.signs)
        near = int(np.ceil(np.log2(ratio))) + 1 if 0 < ratio < 1e300 else 0
        for exponent in (0, near, near + 10, near + 30, 300, 1000):
            factor = Fraction(2) ** max(exponent, 0)
            v = {j: total.v.get(j, Fraction(0)) + factor * level.v.get(j, Fraction(0)) for j in {*total.v, *level.v}}
            b = total.b + factor * level.b
            mask = everyone & ((level.signs == 1) | (total.signs == 1))
            signs = space.signs(v, b, mask)
            if (signs[mask] == 1).all():
                break
        else:
            raise ArithmeticError("directions can't be combined")
        total = Direction(v, b, expected.astype(np.int8))
    return total


def _result(
    space: Halfspaces, found: Direction, findings: list[Finding], everyone: Mask, plane: Mask, final: bool
) -> Separation:
    rows = space.rows
    v, b = found.v, found.b
    support = sorted(j for j, c in v.items() if c)
    whole, whole_b = whole_numbers([v[j] for j in support], b)
    direction = np.zeros(rows.n_features)
    if max([*map(abs, whole), abs(whole_b)]) <= LARGEST:
        direction[support], intercept = whole, float(whole_b)
    else:
        unit = max((abs(v[j] / Fraction(float(space.p[j]))) for j in support), default=Fraction(1))
        direction[support], intercept = [float(v[j] / unit) for j in support], float(b / unit)
    weights = np.ones(rows.n_rows) if rows.s is None else rows.s
    total, on_plane = float(weights[everyone].sum()), float(weights[plane].sum())
    infimum = 0.0
    if on_plane > 0:
        share = float(weights[plane & (rows.y == 1)].sum()) / on_plane
        entropy = -sum(q * np.log(q) for q in (share, 1 - share) if q > 0) if space.fit_intercept else np.log(2.0)
        infimum = float(entropy * on_plane / total)
    kind: Literal["complete", "quasi"] = "quasi" if plane.any() else "complete"
    return Separation(
        kind,
        direction,
        intercept,
        tuple(rows.feature_names[j] for j in support),
        tuple(support),
        int(everyone.sum() - plane.sum()),
        int(plane.sum()),
        np.flatnonzero(plane),
        final,
        infimum,
        _sentence(kind, findings, len(support), int(everyone.sum())),
    )


def _sentence(kind: str, findings: list[Finding], n_columns: int, m: int) -> str:
    if not findings:
        return "all rows are of one class: nothing is to be learned from them."
    shown = "; ".join(finding.text for finding in findings[:3])
    more = f"; and {len(findings) - 3} more" if len(findings) > 3 else ""
    levels = sum(finding.is_level for finding in findings)
    if len(findings) > 1:
        fewer = "dropping the columns"
    else:
        fewer = "dropping the column" if n_columns == 1 else "dropping some of the columns"
    if levels:
        fewer += f" or merging the level{'s' if levels > 1 else ''} with another"
    more_rows = "more rows, " if levels else "more rows or "
    how = "completely" if kind == "complete" else "quasi-completely"
    ways = _ways_out(m, more_rows + fewer)
    return f"the classes are {how} separated, so no finite coefficients are optimal: {shown}{more}; {ways}."


def _ways_out(m: int, others: str) -> str:
    """Say what helps always, and what may: other columns, not named here, may separate the classes as well."""
    always = f"use alpha > 0, e.g. alpha = 1/m = {1 / max(m, 1):.2g} for m rows"
    return f"{always}; without it, {others} help only where the classes then overlap"


def _undecided(space: Halfspaces, near: Direction | None, names: tuple[str, str]) -> Separation:
    """Say that rounding hides the answer; `near` is a direction that separates up to rounding."""
    rows = space.rows
    everyone = space.all_rows()
    way = _ways_out(int(everyone.sum()), "more rows or dropping columns")
    direction, intercept, support, plane = np.zeros(rows.n_features), 0.0, [], everyone
    sentence = f"whether a plane separates the classes could not be decided within rounding; {way}."
    if near is not None:
        support = sorted(near.v)
        direction[support], intercept = [float(near.v[j]) for j in support], float(near.b)
        plane = everyone & (near.signs == 0)
        text = direction_sentence(space, near, names, not plane.any()).text
        sentence = f"up to rounding, though not exactly, the classes are separated: {text}; {way}."
    return Separation(
        "undecided",
        direction,
        intercept,
        tuple(rows.feature_names[j] for j in support),
        tuple(support),
        int(everyone.sum() - plane.sum()),
        int(plane.sum()),
        np.flatnonzero(plane),
        False,
        np.inf,
        sentence,
    )
