"""Does a plane separate the classes, so that no finite coefficients are optimal? The verdict is verified on every row.

With a_i = (2y_i - 1) x~_i the data are separated when A v >= 0, A v != 0 for some v: completely when A v > 0, else
quasi-completely (Albert and Anderson 1984, Biometrika 71). First come columns that separate alone, repeatedly among the rows
that are still on the planes found before. Then comes a direction of several columns that leaves as few rows on its plane as
possible. Each direction is exact (rational), and its signs are proven on all rows without a rounding error. When the rows
left overlap (`overlap`), the verdict is final.

The search takes a subset of the rows; a linear program (`overlap`) says which of them overlap and finds a direction that
separates the others. Rows on the wrong side are added until there are none. Its arithmetic is in u = (x - center) p with p
powers of two near 1/sd; the rational directions are in the user's columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from chainrule.data.rows import Rows, power_of_two
from chainrule.diagnosis.collinearity import Collinearity, active_blocks, find_relations
from chainrule.diagnosis.exact import U, eliminated, exact_signs, whole_numbers
from chainrule.diagnosis.overlap import FLAT, decide, sparsest
from chainrule.findings import Finding, factor_of

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Index = NDArray[np.int64]
Mask = NDArray[np.bool_]

ROUNDS, TRIES = 60, 8
LEAST = 1000  # rows of the first subset, and 4 a column
MOST_NUMBERS = 1_000_000  # in the subset; beyond, a linear program takes more than 10 seconds
MANY_COLUMNS = 250  # from which a linear program takes a second
FAR = 10.0  # a column is centred if its mean is more deviations from 0
MAX_EXACT_COLUMNS = 64  # up to which null spaces are found in fractions


@dataclass(frozen=True)
class Cause:
    """A separating direction: z = x.v + constant is >= 0 in class 1 and <= 0 in class 0.

    columns, indices, v : of the columns in it.
    """

    columns: tuple[str, ...]
    indices: tuple[int, ...]
    v: tuple[Fraction, ...]
    constant: Fraction
    finding: Finding


@dataclass(frozen=True)
class Separation:
    """Directions that separate the classes; each separates rows that those before it leave on their planes.

    kind
        "complete": no row is left on a plane. "quasi": some rows are left. Both are proven in exact arithmetic. "undecided":
        rounding hides the answer, and nothing is proven.
    causes
        The directions: columns, levels and combinations, with their exact coefficients. Put together, each with so large a
        factor that it keeps its rows, they are one direction.
    rows_on_plane
        Rows that are left, by their numbers from 0; rows of weight 0 aren't counted.
    final
        The rows left overlap (their rank as computed), so that no direction separates more. Then inf of the mean loss is
        (weight on the plane / S) times the minimum over the rows left, which is attained; 0 when complete.
    finding
        The causes, and the ways out.
    """

    kind: Literal["complete", "quasi", "undecided"]
    causes: tuple[Cause, ...]
    rows_on_plane: Index = field(compare=False, repr=False)
    final: bool
    finding: Finding

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns in the causes."""
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
        A direction to try first where columns are many, in the user's units: the coefficients of a diverging fit.
    collinearity : Collinearity, optional
        The result of `find_relations`, if known already.
    classes
        Names of class 0 and class 1, for the finding.
    """
    known = find_relations(rows, fit_intercept=fit_intercept) if collinearity is None else collinearity
    # A column that is only nearly a combination of others counts: what it adds may be all that separates.
    near_columns = [relation.indices[-1] for relation in known.relations if not relation.up_to_rounding]
    space = _Space.of(rows, np.union1d(known.pivots, near_columns).astype(np.int64), fit_intercept)
    causes: list[Cause] = []
    left, final = rows.is_kept, True
    while left.any():
        alone = list(_alone(space, left))
        found, final = (None, True) if alone else _search(space, left, hint)
        active, of_rest = left, bool(causes)
        for each in alone or ([] if found is None else [found]):
            causes.append(_cause(space, each, active, classes, of_rest=of_rest))
            left = left & (each.signs == 0)
        if not alone:
            break
    if not causes and final:
        return None
    kind: Literal["complete", "quasi", "undecided"]
    kind = "undecided" if not causes else "quasi" if left.any() else "complete"
    said = tuple(cause.finding for cause in causes if cause.columns)
    finding = Finding("separated", {"kind": kind, "causes": said, "rows": int(np.count_nonzero(rows.is_kept))})
    final = kind == "complete" or (kind == "quasi" and final)
    return Separation(kind, tuple(causes), np.flatnonzero(left), final, finding)


def _alone(space: _Space, active: Mask) -> Iterator[Direction]:
    """Yield columns that separate alone, found by comparing extremes: one that does so completely, else all.

    If only rows of one class are left, the intercept alone separates them.
    """
    y = space.rows.y[active]
    if y.all() or not y.any():
        yield from [Direction({}, Fraction(1 if y[0] else -1), active.astype(np.int8))] * space.fit_intercept
        return
    (low0, high0), (low1, high1) = (space.rows.extremes(active & (space.rows.y == label)) for label in (0, 1))
    up = (high0 <= low1) & (low0 != high1)
    down = (high1 <= low0) & (low1 != high0)
    first, last = np.where(up, high0, high1), np.where(up, low1, low0)
    thresholds, widths = {}, {}
    for j in np.flatnonzero((up | down) & (space.fit_intercept | (first <= 0) & (last >= 0))).tolist():
        low, high = float(first[j]), float(last[j])
        t = thresholds[j] = (_decimal_between(low, high) or Fraction(low)) if space.fit_intercept else Fraction(0)
        if low < t < high:
            widths[j] = (high - low) * float(space.p[j])
    for j in [max(widths, key=widths.__getitem__)] if widths else thresholds:
        v, t = Fraction(1 if up[j] else -1), thresholds[j]
        x = space.rows.numbers(columns=np.array([j]))[:, 0]
        yield Direction({j: v}, -v * t, (active & (bool(widths) | (x != float(t)))).astype(np.int8))


def _cause(space: _Space, found: Direction, active: Mask, classes: Sequence[str], *, of_rest: bool) -> Cause:
    """Describe a direction by its columns' names; of_rest : it concerns rows that earlier causes leave."""
    at, all_names = sorted(found.v), space.rows.feature_names
    names, v = tuple(all_names[j] for j in at), tuple(found.v[j] for j in at)
    of_one = space.rows.y[found.signs == 1] == 1
    is_complete, is_dummy = bool(found.signs[active].all()), bool(space.is_dummy[at].all())
    factor = factor_of(names) if is_dummy else None
    is_up = not v or v[0] > 0
    (lower, below), (upper, above) = list(zip(classes, (not of_one.all(), of_one.any()), strict=True))[
        :: 1 if is_up else -1
    ]
    is_rest = factor is not None and len(set(v)) == 1 and found.b == -v[0]
    whole, constant = whole_numbers(v, found.b)
    if len(names) > 1 and not is_rest:
        is_exact = max(map(abs, [*whole, constant])) <= 10**4
        largest = max(map(abs, v))
        *shown, last = [*whole, constant] if is_exact else [float(f"{float(c / largest):.5g}") for c in (*v, found.b)]
        values = {"coefficients": tuple(shown), "constant": last, "is_exact": is_exact, "is_complete": is_complete}
        finding = Finding("direction", values | {"columns": names, "classes": tuple(classes)})
    elif is_dummy and (is_rest or not is_complete):
        has_all = factor is not None and {name for name in all_names if name.startswith(f"{factor}=")} <= set(names)
        of_factor = (
            c.levels[0] for c in space.rows.encodings or () if c.name == factor and c.levels and not c.all_levels
        )
        reference = next(of_factor, None) if has_all else None
        if len(names) == 1 and above:
            finding = Finding("level", {"level": names[0], "class": upper})
        elif reference is not None:
            finding = Finding("level", {"level": f"{factor}={reference}", "class": lower})
        else:
            finding = Finding("no level", {"levels": names, "class": lower})
    else:
        sides = (("above", upper),) * bool(above) + (("below", lower),) * bool(below)
        threshold = float(-found.b / v[0]) if v else 0.0
        finding = Finding(
            "threshold", {"column": "".join(names), "threshold": threshold, "sides": sides, "is_complete": is_complete}
        )
    finding = Finding(finding.code, {**finding.values, "factor": factor, "of_rest": of_rest})
    return Cause(names, tuple(at), v, found.b, finding)


@dataclass(frozen=True)
class Direction:
    """An exact direction x.v + b, v by column, and the proven sign of (2y - 1)(x.v + b) in each row looked at."""

    v: dict[int, Fraction]
    b: Fraction
    signs: NDArray[np.int8]


@dataclass(frozen=True)
class _Space:
    """The rows as half-spaces of directions: columns `pivots` and the intercept."""

    rows: Rows
    pivots: Index
    center: Vector
    p: Vector
    reach: Vector  # largest |x_j|
    is_dummy: Mask  # columns from 0 to 1: indicators, by their looks
    side: Vector  # 2y - 1
    fit_intercept: bool

    @classmethod
    def of(cls, rows: Rows, pivots: Index, fit_intercept: bool) -> _Space:
        """Prepare the rows; all columns are combinations of `pivots`."""
        moments = rows.moments()
        far = fit_intercept & (np.abs(moments.mean) > FAR * moments.sd)
        center, size = np.where(far, moments.mean, 0.0), np.hypot(moments.sd, np.where(far, 0.0, moments.mean))
        reach, is_dummy = np.maximum(-moments.low, moments.high), (moments.low == 0) & (moments.high == 1)
        side = np.where(rows.y > 0, 1.0, -1.0)
        return cls(rows.as_given(), pivots, center, power_of_two(size), reach, is_dummy, side, fit_intercept)

    def matrix(self, numbers: Index, X: Matrix | None = None) -> Matrix:
        """a_i = (2y_i - 1) (u_i, 1) of the rows asked for, pivots only; without an intercept no last column.

        Times powers of two, so that each one's largest number is in [1, 2).
        """
        X = self.rows.numbers(numbers, self.pivots) if X is None else X
        A = (X - self.center[self.pivots]) * self.p[self.pivots]
        A = np.column_stack([A, np.ones(len(A))]) if self.fit_intercept else A
        return np.asarray(A * (self.side[numbers] * power_of_two(np.abs(A).max(axis=1, initial=0.0)))[:, None])

    def exact(self, a: Vector) -> tuple[dict[int, Fraction], Fraction]:
        """Direction of `matrix` as exact rationals in the user's columns: p is a power of two, so nothing is rounded."""
        p = self.p[self.pivots].tolist()
        v = {int(j): Fraction(c) * Fraction(x) for j, c, x in zip(self.pivots, a.tolist(), p, strict=False) if c}
        b = Fraction(float(a[-1])) if self.fit_intercept else Fraction(0)
        return v, b - sum((c * Fraction(float(self.center[j])) for j, c in v.items()), Fraction(0))

    def directed(self, v: dict[int, Fraction], b: Fraction, mask: Mask) -> Direction:
        """Prove the signs of (2y - 1)(x.v + b) in the rows of the mask; 0 in others."""
        unit = max([abs(c) * Fraction(float(self.reach[j])) for j, c in v.items()] + [abs(b)]) or Fraction(1)
        w = np.zeros(self.rows.n_features)
        w[list(v)] = [float(c / unit) for c in v.values()]
        z = self.rows.scores(w, float(b / unit))
        signs = np.where(mask, np.sign(z), 0.0).astype(np.int8)
        near = mask & (np.abs(z) <= 8 * (len(w) + 8) * U * (float(self.reach @ np.abs(w)) + 1.0))
        for numbers, X in active_blocks(self.rows, np.array(list(v), dtype=np.int64), near):
            signs[numbers] = exact_signs(X, list(v.values()), b)
        return Direction(v, b, signs * self.side.astype(np.int8))

    def placed(self, a: Vector, null: Matrix, mask: Mask) -> tuple[Mask, Index]:
        """Find rows on the plane of a direction, up to rounding, and rows to add to the subset, the worst first.

        To add are rows on its wrong side, and rows on its plane that are not 0 in all directions `null` (k, d).
        """
        z, near = np.zeros(self.rows.n_rows), np.zeros(self.rows.n_rows, dtype=np.bool_)
        wrong = near.copy()
        if not a.any() and not null.size:
            return mask, np.zeros(0, dtype=np.int64)
        w = np.zeros(self.rows.n_features)
        w[self.pivots] = a[: len(self.pivots)] * self.p[self.pivots]
        b = float(a[-1]) * self.fit_intercept - float(self.center @ w)
        away = self.rows.scores(w, b) * self.side > FLAT * (self.reach @ np.abs(w) + abs(b))
        for numbers, X in active_blocks(self.rows, self.pivots, mask & ~away):
            A = self.matrix(numbers, X)
            z[numbers], size = A @ a, FLAT * (np.abs(A) @ np.abs(a))
            near[numbers] = np.abs(z[numbers]) <= size
            wrong[numbers] = (z[numbers] < -size) | near[numbers] & (np.abs(A @ null) > 1e-7).any(axis=1)
        worst = np.flatnonzero(wrong)
        return near, worst[np.argsort(z[worst], kind="stable")]

    def sample(self, mask: Mask, count: int) -> Index:
        """Rows drawn from both classes alike; always the same ones."""
        rng = np.random.default_rng(0)
        parts = [np.flatnonzero(mask & (self.rows.y == label)) for label in (0, 1)]
        few = min(count // 2, *map(len, parts))
        return np.sort(np.concatenate([rng.permutation(part)[: max(count // 2, count - few)] for part in parts]))


def _search(space: _Space, active: Mask, hint: tuple[Vector, float] | None) -> tuple[Direction | None, bool]:
    """Look for a direction that leaves as few of the active rows on its plane as possible.

    hint : a direction in the user's columns, tried first where the linear program is large.

    Returns the direction, or None where none is found; and whether it is proven that the rows left overlap.
    """
    k = len(space.pivots) + 1
    if k > MANY_COLUMNS and hint is not None and np.isfinite([*hint[0], hint[1]]).all():
        v = {j: Fraction(c) for j, c in enumerate(hint[0].tolist()) if c}
        hinted = space.directed(v, Fraction(float(hint[1]) if space.fit_intercept else 0.0), active)
        if (hinted.signs[active] == 1).all():
            return hinted, True
    count = max(LEAST, 4 * k)
    subset = space.sample(active, count) if np.count_nonzero(active) > 2 * count else np.flatnonzero(active)
    for _ in range(ROUNDS):
        if len(subset) * k > MOST_NUMBERS:
            break
        A = space.matrix(subset)
        verdict = decide(A)
        near, wrong = space.placed(verdict.v, verdict.null, active)
        wrong = wrong[~np.isin(wrong, subset)]
        if not (len(wrong) or verdict.flat.all()):
            few = sparsest(A, verdict.flat, space.fit_intercept)
            verdict = verdict if few is None else replace(verdict, v=few)
            near, wrong = space.placed(verdict.v, verdict.null, active)
            wrong = wrong[~np.isin(wrong, subset)]
        if len(wrong):
            subset = np.union1d(subset, wrong[: max(len(subset) // 2, 64)])
            continue
        if verdict.flat.all():
            # Unknown if some direction seems to be 0 in all rows although no column depends on others.
            is_whole = (active == space.rows.is_kept).all()
            return None, verdict.proven and not (is_whole and verdict.null.size)
        near[subset] = verdict.flat  # the program knows these better
        found = _made_exact(space, active, verdict.v, near)
        return found, verdict.proven and found is not None
    return None, False


def _made_exact(space: _Space, active: Mask, a: Vector, near: Mask) -> Direction | None:
    """Find an exact direction near `a` through the rows `near`, with every row on its side or on the plane."""
    v, b = space.exact(a)
    plane = np.flatnonzero(near)
    if not len(plane):
        found = space.directed(v, b, active)
        return found if (found.signs[active] == 1).all() else None
    support = np.array(list(v), dtype=np.int64)
    if len(support) > MAX_EXACT_COLUMNS:
        return None
    few = np.random.default_rng(0).permutation(plane)[: 2 * len(support) + 20]
    for _ in range(TRIES):
        for values, level in _through(space, support, [*v.values()], b, space.rows.numbers(few, support)):
            trial = {int(j): c for j, c in zip(support, values, strict=True) if c}
            found = space.directed(trial, level, active)
            if (found.signs >= 0).all() and (found.signs[active & ~near] == 1).all():
                return found
            wrong = np.flatnonzero(found.signs < 0)
            if len(wrong) and near[wrong].all():
                # Rows that the sample lacked: the plane has to go through them too.
                few = np.append(wrong[: len(support)], few)
                break
        else:
            break
    return None


def _through(
    space: _Space, support: Index, v: list[Fraction], b: Fraction, X: Matrix
) -> Iterator[tuple[list[Fraction], Fraction]]:
    """Yield exact directions near (v, b) whose plane goes through the points X (q, columns of the support)."""
    scale = [Fraction(int(space.fit_intercept)), *map(Fraction, space.p[support].tolist())]
    points = np.column_stack([np.ones(len(X)), X]).tolist()
    rows = [{j: Fraction(x) * c for j, (x, c) in enumerate(zip(row, scale, strict=True)) if x and c} for row in points]
    through = eliminated(rows, [1.0] * len(scale))
    wanted = [c / (x or 1) for c, x in zip([b, *v], scale, strict=True)]
    free = {j: c for j, c in enumerate(wanted) if j not in through and scale[j]}
    largest = max(map(abs, free.values()), default=Fraction(0))
    for bits in (0, 3, 8, 16, 40) if largest else ():
        found = [Fraction(0)] * len(scale)
        for j, c in free.items():
            found[j] = Fraction(round(c / largest * 2**bits))
        for j, row in through.items():
            found[j] = -sum((c * found[i] for i, c in row.items() if i in free), Fraction(0))
        yield [c * x for c, x in zip(found[1:], scale[1:], strict=True)], found[0]


def _decimal_between(low: float, high: float) -> Fraction | None:
    """Find the shortest decimal strictly between two numbers, near their middle; None if 17 digits are too few."""
    if not np.isfinite([low, high]).all():
        return None
    shortest = (Fraction(f"{low / 2 + high / 2:.{digits}g}") for digits in range(1, 18))
    return next((value for value in shortest if Fraction(low) < value < Fraction(high)), None)
