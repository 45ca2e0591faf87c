"""Does a plane keep the classes apart, so that no finite coefficients are optimal? A verdict that is verified on every row.

With a_i = (2y_i - 1) x~_i the data are separated when A v >= 0, A v != 0 for some v: completely when A v > 0, else
quasi-completely (Albert and Anderson 1984, Biometrika 71). First columns that separate alone are looked for, again and again
on the rows that are still on the planes of those before; then a direction of several columns, which leaves as few rows as can
be. Each is exact (rational), and its signs are proven on all rows without a rounding error. When the rows left overlap
(`overlap`), the verdict is final.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from chainrule.data.rows import Rows
from chainrule.diagnosis.collinearity import Collinearity, find_relations
from chainrule.diagnosis.exact import whole_numbers
from chainrule.diagnosis.halfspaces import Direction, Halfspaces, decimal_between, search
from chainrule.diagnosis.wording import Cause, factor_of, separation_sentence

Vector = NDArray[np.float64]
Index = NDArray[np.int64]
Mask = NDArray[np.bool_]

LARGEST = 10**6  # whole numbers up to here are given as they are


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
    causes
        Columns, levels and combinations that do it, one after another.
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
    causes: tuple[Cause, ...]
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
    known = find_relations(rows, fit_intercept=fit_intercept) if collinearity is None else collinearity
    # A column that is only nearly a combination of others counts: what it adds may be all that separates.
    near_columns = [relation.indices[-1] for relation in known.relations if not relation.up_to_rounding]
    space = Halfspaces.of(rows, np.union1d(known.pivots, near_columns).astype(np.int64), fit_intercept)
    levels: list[Direction] = []
    causes: list[Cause] = []
    active, final, near = rows.is_kept, True, None
    while active.any():
        alone = list(_alone(space, active))
        found, final, near = (None, True, None) if alone else search(space, active, hint)
        parts = alone or ([] if found is None else [found])
        causes += [_cause(space, each, active, left=bool(levels)) for each in parts if each.v]
        levels += [_sum(space, parts)] if parts else []
        if not alone:
            break
        active = active & (levels[-1].signs == 0)
    if not levels and final:
        return None
    if not levels and near is not None:
        causes = [_cause(space, near, active, left=False)]
    total = _combined(space, levels) if levels else near or Direction({}, Fraction(0), np.zeros(rows.n_rows, np.int8))
    kept = rows.is_kept
    plane = kept & (total.signs == 0)
    kind: Literal["complete", "quasi", "undecided"]
    kind = "undecided" if not levels else "quasi" if plane.any() else "complete"
    at = sorted(j for j, c in total.v.items() if c)
    direction, intercept = _as_floats(space, at, total)
    return Separation(
        kind=kind,
        direction=direction,
        intercept=intercept,
        columns=tuple(rows.feature_names[j] for j in at),
        indices=tuple(at),
        n_separated=int((kept & ~plane).sum()),
        n_on_plane=int(plane.sum()),
        rows_on_plane=np.flatnonzero(plane),
        final=kind != "undecided" and (final or not plane.any()),
        causes=tuple(causes),
        sentence=separation_sentence(kind, causes, (str(classes[0]), str(classes[1])), int(kept.sum())),
    )


def _alone(space: Halfspaces, active: Mask) -> Iterator[Direction]:
    """Columns that separate alone, found by comparing numbers: one of them where it does so completely, else all.

    With an intercept, rows of one class only are on one side of no plane at all: b alone.
    """
    y = space.rows.y[active]
    if y.all() or not y.any():
        if space.fit_intercept:
            yield Direction({}, Fraction(1 if y[0] else -1), active.astype(np.int8))
        return
    (low0, high0), (low1, high1) = (space.rows.extremes(active & (space.rows.y == label)) for label in (0, 1))
    up = (high0 <= low1) & (low0 != high1)
    down = (high1 <= low0) & (low1 != high0)
    first, last = np.where(up, high0, high1), np.where(up, low1, low0)
    thresholds, widths = {}, {}
    for j in np.flatnonzero((up | down) & (space.fit_intercept | (first <= 0) & (last >= 0))).tolist():
        low, high = float(first[j]), float(last[j])
        t = thresholds[j] = (decimal_between(low, high) or Fraction(low)) if space.fit_intercept else Fraction(0)
        if low < t < high:
            widths[j] = (high - low) * float(space.p[j])
    for j in [max(widths, key=widths.__getitem__)] if widths else thresholds:
        v, t = Fraction(1 if up[j] else -1), thresholds[j]
        x = space.rows.block(slice(None), np.array([j]))[:, 0]
        yield Direction({j: v}, -v * t, (active & (bool(widths) | (x != float(t)))).astype(np.int8))


def _sum(space: Halfspaces, parts: list[Direction]) -> Direction:
    """Add directions up, none of which has a row on its wrong side; of columns on about one scale."""
    if len(parts) == 1:
        return parts[0]
    scales = [Fraction(1.0 if space.is_dummy[j] else float(space.p[j])) for each in parts for j in each.v]
    v = {j: c * scale for each, scale in zip(parts, scales, strict=True) for j, c in each.v.items()}
    b = sum((each.b * scale for each, scale in zip(parts, scales, strict=True)), Fraction(0))
    return Direction(v, b, np.max([each.signs for each in parts], axis=0))


def _combined(space: Halfspaces, levels: list[Direction]) -> Direction:
    """One direction with the signs of all levels: each earlier one counts for so much more that it keeps its rows."""
    total = levels[-1]
    for level in reversed(levels[:-1]):
        expected = np.maximum(level.signs, total.signs)
        for exponent in (0, 2, 8, 16, 32, 64, 128, 300, 1000):
            factor = Fraction(2) ** exponent
            v = {j: total.v.get(j, 0) + factor * level.v.get(j, 0) for j in {**total.v, **level.v}}
            v = {j: c for j, c in v.items() if c}
            both = space.directed(v, total.b + factor * level.b, expected == 1)
            if (both.signs == expected).all():
                break
        else:
            raise ArithmeticError("directions can't be combined")
        total = both
    return total


def _cause(space: Halfspaces, found: Direction, active: Mask, *, left: bool) -> Cause:
    """Say as data what a direction means, by its columns' names."""
    at, all_names = sorted(found.v), space.rows.feature_names
    names, dummy = tuple(all_names[j] for j in at), bool(space.is_dummy[at].all())
    factor = factor_of(names) if dummy else None
    is_rest = factor is not None and {name for name in all_names if name.startswith(f"{factor}=")} <= set(names)
    off = space.rows.y[found.signs == 1] == 1
    return Cause(
        columns=names,
        v=tuple(found.v[j] for j in at),
        constant=found.b,
        sides=(bool(off.any()), not off.all()),
        complete=bool(found.signs[active].all()),
        dummy=dummy,
        reference=space.rows.references.get(factor) if factor and is_rest else None,
        left=left,
    )


def _as_floats(space: Halfspaces, at: list[int], found: Direction) -> tuple[Vector, float]:
    """Give a direction in whole numbers, where they are small, or else with its largest number about 1."""
    whole, whole_b = whole_numbers([found.v[j] for j in at], found.b)
    unit = max((abs(found.v[j] / Fraction(float(space.p[j]))) for j in at), default=Fraction(1))
    if at and max(map(abs, [*whole, whole_b])) <= LARGEST:
        unit = found.v[at[0]] / whole[0]
    direction = np.zeros(space.rows.n_features)
    direction[at] = [float(found.v[j] / unit) for j in at]
    return direction, float(found.b / unit)
