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
from chainrule.diagnosis.halfspaces import Direction, Halfspaces, decimal_between, readable, search
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
    loss_infimum_at_most
        Upper bound on it: rows on the plane at their class shares.
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
    loss_infimum_at_most: float
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
    everyone = active = rows.is_kept
    levels: list[Direction] = []
    causes: list[Cause] = []
    final, near = True, None
    while active.any():
        found = _by_class(space, active)
        by_columns = [] if found else list(_by_columns(space, active))
        if by_columns:
            found = _together(space, active, by_columns)
            causes += [_cause(space, each, active, left=bool(levels)) for each in by_columns]
        elif found is None:
            found, final, near = search(space, active, hint)
            if found is None:
                break
            if (found.signs[active] == 1).all():
                found = readable(space, active, found)
            causes.append(_cause(space, found, active, left=bool(levels)))
        levels.append(found)
        active = active & (found.signs == 0)
        if not by_columns and found.v:
            break  # it leaves as few rows as can be
    names = (str(classes[0]), str(classes[1]))
    if levels:
        return _result(space, _combined(space, everyone, levels), causes, names, final=final)
    if final:
        return None
    found = Direction({}, Fraction(0), np.zeros(rows.n_rows, dtype=np.int8)) if near is None else near
    causes = [] if near is None else [_cause(space, found, everyone, left=False)]
    return _result(space, found, causes, names, final=None)


def _by_class(space: Halfspaces, active: Mask) -> Direction | None:
    """With an intercept, rows of one class only are on one side of no plane at all: b alone."""
    y = space.rows.y[active]
    if not space.fit_intercept or 0 < np.count_nonzero(y) < len(y):
        return None
    return Direction({}, Fraction(1 if y[0] else -1), active.astype(np.int8))


def _by_columns(space: Halfspaces, active: Mask) -> Iterator[Direction]:
    """Columns that separate alone, found by comparing numbers: one of them where it does so completely, else all."""
    if not 0 < np.count_nonzero(space.rows.y[active]) < np.count_nonzero(active):
        return
    (low0, high0), (low1, high1) = (space.rows.extremes(active & (space.rows.y == label)) for label in (0, 1))
    upward = (high0 <= low1) & (low0 != high1)
    downward = (high1 <= low0) & (low1 != high0) & ~upward
    first, last = np.where(upward, high0, high1), np.where(upward, low1, low0)
    found = upward | downward if space.fit_intercept else (upward | downward) & (first <= 0) & (last >= 0)
    thresholds, widths = {}, {}
    for j in np.flatnonzero(found).tolist():
        low, high = float(first[j]), float(last[j])
        t = thresholds[j] = (decimal_between(low, high) or Fraction(low)) if space.fit_intercept else Fraction(0)
        if low < t < high:
            widths[j] = (high - low) * float(space.p[j])
    for j in [max(widths, key=widths.__getitem__)] if widths else thresholds:
        v, t = Fraction(1 if upward[j] else -1), thresholds[j]
        x = space.rows.block(slice(None), np.array([j]))[:, 0]
        yield Direction({j: v}, -v * t, (active & (bool(widths) | (x != float(t)))).astype(np.int8))


def _together(space: Halfspaces, active: Mask, found: list[Direction]) -> Direction:
    """Add directions up, none of which has a row on its wrong side."""
    unit = {j: 1.0 if space.is_dummy[j] or len(found) == 1 else float(space.p[j]) for each in found for j in each.v}
    v = {j: c * Fraction(unit[j]) for each in found for j, c in each.v.items()}
    b = sum((each.b * Fraction(unit[j]) for each in found for j in each.v), Fraction(0))
    return Direction(v, b, np.max([each.signs for each in found], axis=0))


def _combined(space: Halfspaces, everyone: Mask, levels: list[Direction]) -> Direction:
    """One direction with the signs of all levels: each earlier one counts for so much more that it keeps its rows."""
    total = levels[-1]
    for level in reversed(levels[:-1]):
        expected = np.where(level.signs == 1, 1, total.signs)
        for exponent in (0, 2, 8, 16, 32, 64, 128, 300, 1000):
            factor = Fraction(2) ** exponent
            v = {j: total.v.get(j, Fraction(0)) + factor * level.v.get(j, Fraction(0)) for j in {**total.v, **level.v}}
            both = space.directed(
                {j: c for j, c in v.items() if c}, total.b + factor * level.b, everyone & (expected == 1)
            )
            if (both.signs == expected).all():
                break
        else:
            raise ArithmeticError("directions can't be combined")
        total = both
    return total


def _cause(space: Halfspaces, found: Direction, active: Mask, *, left: bool) -> Cause:
    """Say as data what a direction means, by its columns' names."""
    at = sorted(j for j, c in found.v.items() if c)
    names = tuple(space.rows.feature_names[j] for j in at)
    dummy = bool(space.is_dummy[at].all())
    others = {name for name in space.rows.feature_names if name.startswith(f"{factor_of(names)}=")}
    reference = space.rows.references.get(factor_of(names) or "") if dummy and others <= set(names) else None
    classes = {int(label) for label in np.unique(space.rows.y[found.signs == 1])}
    return Cause(
        columns=names,
        v=tuple(found.v[j] for j in at),
        constant=found.b,
        sides=(1 in classes, 0 in classes),
        complete=bool(found.signs[active].all()),
        dummy=dummy,
        reference=reference,
        left=left,
    )


def _result(
    space: Halfspaces, found: Direction, causes: list[Cause], classes: tuple[str, str], *, final: bool | None
) -> Separation:
    """Give the direction as floats, and what it leaves; final None: it is not proven."""
    rows, everyone = space.rows, space.rows.is_kept
    plane = everyone & (found.signs == 0)
    support = sorted(j for j, c in found.v.items() if c)
    whole, whole_b = whole_numbers([found.v[j] for j in support], found.b)
    unit = max((abs(found.v[j] / Fraction(float(space.p[j]))) for j in support), default=Fraction(1))
    if max(map(abs, [*whole, whole_b])) <= LARGEST and support:
        unit = found.v[support[0]] / whole[0]
    direction = np.zeros(rows.n_features)
    direction[support] = [float(found.v[j] / unit) for j in support]
    weights = np.ones(rows.n_rows) if rows.s is None else rows.s
    infimum = 0.0 if final is not None else np.inf
    if final is not None and plane.any():
        share = float(np.average(rows.y[plane] == 1, weights=weights[plane]))
        entropy = -sum(q * np.log(q) for q in (share, 1 - share) if q > 0) if space.fit_intercept else np.log(2.0)
        infimum = float(entropy * weights[plane].sum() / weights[everyone].sum())
    kind: Literal["complete", "quasi", "undecided"]
    kind = "undecided" if final is None else "quasi" if plane.any() else "complete"
    return Separation(
        kind=kind,
        direction=direction,
        intercept=float(found.b / unit),
        columns=tuple(rows.feature_names[j] for j in support),
        indices=tuple(support),
        n_separated=int((everyone & ~plane).sum()),
        n_on_plane=int(plane.sum()),
        rows_on_plane=np.flatnonzero(plane),
        final=final is True or (final is not None and not plane.any()),
        loss_infimum_at_most=infimum,
        causes=tuple(causes),
        sentence=separation_sentence(kind, causes, classes, int(everyone.sum())),
    )
