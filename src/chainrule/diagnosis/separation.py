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
from chainrule.diagnosis.halfspaces import Direction, Halfspaces, decimal_between, search
from chainrule.diagnosis.wording import Cause, factor_of, separation_sentence

Vector = NDArray[np.float64]
Index = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Separation:
    """Directions that keep the classes apart, each of the rows that those before it leave on their planes.

    kind
        "complete": no row is left. "quasi": some are. Both are proven in exact arithmetic. "undecided": rounding hides the
        answer and nothing is proven; a direction, if there is one, separates up to rounding.
    causes
        The directions: columns, levels and combinations, with their exact coefficients. Put together, each with so large a
        factor that it keeps its rows, they are one direction.
    rows_on_plane
        Rows that are left, by their numbers from 0; rows of weight 0 aren't counted.
    final
        The rows left overlap (their rank as computed), so that no direction separates more. Then inf of the mean loss is
        (weight on the plane / S) times the minimum over the rows left, which is attained; 0 when complete.
    sentence
        The causes and the ways out.
    """

    kind: Literal["complete", "quasi", "undecided"]
    causes: tuple[Cause, ...]
    rows_on_plane: Index = field(compare=False, repr=False)
    final: bool
    sentence: str

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that take part."""
        return tuple(dict.fromkeys(name for cause in self.causes for name in cause.columns))


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
    causes: list[Cause] = []
    left, final, near = rows.is_kept, True, None
    while left.any():
        alone = list(_alone(space, left))
        found, final, near = (None, True, None) if alone else search(space, left, hint)
        active, is_first = left, not causes
        for each in alone or ([] if found is None else [found]):
            causes.append(_cause(space, each, active, is_first=is_first))
            left = left & (each.signs == 0)
        if not alone:
            break
    if not causes and final:
        return None
    kind: Literal["complete", "quasi", "undecided"]
    kind = "undecided" if not causes else "quasi" if left.any() else "complete"
    if not causes and near is not None:
        causes, left = [_cause(space, near, left, is_first=True)], left & (near.signs == 0)
    m, names = int(np.count_nonzero(rows.is_kept)), (str(classes[0]), str(classes[1]))
    final = kind == "complete" or (kind == "quasi" and final)
    return Separation(kind, tuple(causes), np.flatnonzero(left), final, separation_sentence(kind, causes, names, m))


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


def _cause(space: Halfspaces, found: Direction, active: Mask, *, is_first: bool) -> Cause:
    """Say as data what a direction means, by its columns' names."""
    at, all_names = sorted(found.v), space.rows.feature_names
    names, dummy = tuple(all_names[j] for j in at), bool(space.is_dummy[at].all())
    factor = factor_of(names) if dummy else None
    is_rest = factor is not None and {name for name in all_names if name.startswith(f"{factor}=")} <= set(names)
    off = space.rows.y[found.signs == 1] == 1
    return Cause(
        columns=names,
        indices=tuple(at),
        v=tuple(found.v[j] for j in at),
        constant=found.b,
        sides=(bool(off.any()), not off.all()),
        complete=bool(found.signs[active].all()),
        dummy=dummy,
        reference=space.rows.references.get(factor) if factor and is_rest else None,
        is_first=is_first,
    )
