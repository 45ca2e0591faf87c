"""Whether a plane separates the classes, so that no finite coefficients are optimal, verified on every row.

With a_i = (2y_i - 1) x~_i the data are separated if A v >= 0, A v != 0 for some v: completely if A v > 0, else
quasi-completely (Albert and Anderson 1984, Biometrika 71). The rows that are on all planes found so far are searched
again, until no more are separated: first for columns that separate alone, then for a direction of several columns that
leaves as few rows on its plane as possible. Each direction is exact (rational), and its signs are proven on all rows without
a rounding error. When the rows left overlap (`overlap`), the verdict is final.

A search takes a subset of the rows. A linear program (`overlap`) says which of them overlap, and finds a direction that
separates the others. Rows on the wrong side are added until there are none. Its arithmetic is in u = (x - center) p with p
powers of two near 1/sd. The exact directions are in the user's columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr

from chainrule.data.rows import Rows, Units, power_of_two
from chainrule.data.rows.moments import reach
from chainrule.diagnosis.collinearity import Collinearity, Point, blocks, find_relations
from chainrule.diagnosis.exact import U, eliminated, exact_signs, whole_numbers
from chainrule.diagnosis.overlap import FLAT, RANK, decide, sparsest
from chainrule.findings import Finding, factor_of

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Index = NDArray[np.int64]
Mask = NDArray[np.bool_]
Exact = tuple[dict[int, Fraction], Fraction]  # v by column, and b

ROUNDS = 60
LEAST, SEARCHED = 1000, 4  # least rows of the first subset, also per column
MOST_NUMBERS = 1_000_000  # in the subset; beyond, a linear program takes more than 10 seconds
FAR = 10.0  # a column is centred if its mean is more standard deviations than this from 0
MAX_EXACT_COLUMNS = 64  # up to which null spaces are found in fractions
LONGEST = 10**4  # largest whole number that is shown unrounded
BITS = (0, 3, 8, 16, 60)  # of a direction's coefficients, tried in turn: short ones are easiest to read


@dataclass(frozen=True)
class Direction:
    """A separating direction: z = x.v + b is >= 0 in class 1 and <= 0 in class 0.

    v : exact coefficients, by column. signs : (m,), the proven sign of (2y - 1) z in the rows examined, else 0.
    """

    v: dict[int, Fraction]
    b: Fraction
    signs: NDArray[np.int8] = field(compare=False, repr=False)

    @property
    def separates(self) -> bool:
        """Whether no row is on its wrong side, and some are off its plane."""
        return bool((self.signs >= 0).all() and self.signs.any())


@dataclass(frozen=True)
class Separation:
    """Directions that separate the classes; each separates rows that earlier directions leave on their planes.

    kind
        "complete": no row is left on all planes. "quasi": some rows are left. Both are proven in exact arithmetic. "undecided":
        rounding hides the answer, and nothing is proven.
    directions
        v by column, and b, of each. Their sum, with large enough factors for the earlier ones, is one separating direction.
        Empty if the separation is proven without exact ones (`few_rows`).
    rows_on_plane
        Rows that are left, by their numbers from 0; rows of weight 0 aren't included.
    final
        Whether the rows left overlap (given their computed rank), so that no direction separates more. Then inf of the mean
        loss is (weight on the plane / S) times the minimum over the rows left, which is attained; 0 if complete.
    finding
        A description of each direction, and the ways out.
    infimum
        A lower bound on the infimum of the mean loss, as far as the search knows one.
    """

    kind: Literal["complete", "quasi", "undecided"]
    directions: tuple[Exact, ...]
    rows_on_plane: Index = field(compare=False, repr=False)
    final: bool
    finding: Finding
    infimum: float = 0.0


def is_long_search(rows: Rows) -> bool:
    """Whether a search for planes takes seconds and mostly remains undecided: its subset can't double twice."""
    return 4 * min(rows.n_rows, SEARCHED * rows.n_features) * rows.n_features > MOST_NUMBERS


def find_separation(
    rows: Rows,
    hint: Point | None = None,
    *,
    fit_intercept: bool = True,
    collinearity: Collinearity | None = None,
    classes: Sequence[str] = ("class 0", "class 1"),
    several: bool = True,
) -> Separation | None:
    """Find separating directions; None if it is proven that there are none.

    Columns that follow from others exactly or up to rounding (`find_relations`) are left out: None means that the model
    without them is not separated.

    Parameters
    ----------
    rows : Rows
        Rows of weight 0 don't count.
    hint : (w, b), optional
        A direction to try first on large data, in the rows' units: the last point of a run.
    collinearity : Collinearity, optional
        The result of `find_relations`, if already known.
    classes
        Names of class 0 and class 1, for the finding.
    several
        Whether to look for directions of several columns, too. Otherwise only columns that separate alone are found, in two
        reads each time, and nothing is proven if there are none.
    """
    if not several:
        return _found(_Space.of(rows, np.arange(rows.n_features), fit_intercept), None, classes)
    known = find_relations(rows, fit_intercept=fit_intercept) if collinearity is None else collinearity
    # A column that is only nearly a combination of others is kept: its difference may be all that separates.
    near_columns = [relation.indices[-1] for relation in known.relations if not relation.up_to_rounding]
    space = _Space.of(rows, np.union1d(known.pivots, near_columns).astype(np.int64), fit_intercept)
    start = np.zeros(len(space.pivots) + fit_intercept)
    if hint is not None and rows.n_rows * len(start) > MOST_NUMBERS and np.isfinite([*hint[0], hint[1]]).all():
        others = np.isin(np.arange(rows.n_features), known.pivots, invert=True).astype(np.float64)
        w, b = space.rows.units.to_fit(*rows.units.to_user(*known.moved(rows, *hint, others)))
        start = np.append(w[space.pivots], b)[: len(start)]
    return _found(space, start, classes)


def _found(space: _Space, start: Vector | None, classes: Sequence[str]) -> Separation | None:
    """Collect directions until none is left. start : of the search for several columns; None for columns alone."""
    rows, directions, causes = space.rows, list[Exact](), list[Finding]()
    left, final = rows.is_kept, True
    while left.any():
        found = list(_alone(space, left))
        if not found:
            found, final = _search(space, left, start) if start is not None else ([], False)
        if not found:
            break
        of_rest, active = bool(directions), left
        for each in found:
            causes += [_cause(space, each, active, classes, of_rest=of_rest)] if each.v else []
            left = left & (each.signs == 0)
            directions.append((each.v, each.b))
    if not directions and final:
        return None
    kind: Literal["complete", "quasi", "undecided"]
    kind = "undecided" if not directions else "quasi" if left.any() else "complete"
    values = {"kind": kind, "causes": tuple(causes), "rows": int(np.count_nonzero(rows.is_kept))}
    return Separation(kind, tuple(directions), np.flatnonzero(left), final, Finding("separated", values))


def _alone(space: _Space, active: Mask) -> Iterator[Direction]:
    """Yield columns that separate alone, found by comparing extremes: one that separates completely, else all.

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
        between = _decimal_between(low, high) if space.fit_intercept else Fraction(0)
        t = thresholds[j] = Fraction(low) if between is None else between
        if low < t < high:
            widths[j] = (high - low) / float(space.rows.units.scale[j])
    for j in [max(widths, key=widths.__getitem__)] if widths else thresholds:
        v, t = Fraction(1 if up[j] else -1), thresholds[j]
        x = space.rows.numbers(columns=np.array([j]))[:, 0]
        yield Direction({j: v}, -v * t, (active & (bool(widths) | (x != float(t)))).astype(np.int8))


def _cause(space: _Space, found: Direction, active: Mask, classes: Sequence[str], *, of_rest: bool) -> Finding:
    """Describe a direction by its columns' names; of_rest : whether it is about rows that earlier directions leave."""
    at, rows = sorted(found.v), space.rows
    names, v = tuple(rows.feature_names[j] for j in at), [found.v[j] for j in at]
    is_complete, is_dummy = bool(found.signs[active].all()), bool(space.is_dummy[at].all())
    factor = factor_of(names) if is_dummy else None
    is_rest = factor is not None and len(set(v)) == 1 and found.b == -v[0]  # about rows with none of the levels
    known: dict[str, Any] = {"factor": factor, "of_rest": of_rest}
    if len(names) > 1 and not is_rest:
        whole, largest = whole_numbers([*v, found.b]), max(map(abs, v))
        is_exact = max(map(abs, whole)) <= LONGEST
        *shown, last = whole if is_exact else [float(f"{float(c / largest):.5g}") for c in (*v, found.b)]
        known |= {"coefficients": tuple(shown), "constant": last, "is_exact": is_exact, "is_complete": is_complete}
        return Finding("direction", known | {"columns": names, "classes": tuple(classes)})
    is_up, of_one = v[0] > 0, rows.y[found.signs == 1] == 1
    upper, lower = classes[is_up], classes[not is_up]
    above, below = bool((of_one == is_up).any()), bool((of_one != is_up).any())
    if not is_dummy or (is_complete and not is_rest):
        sides = (("above", upper),) * above + (("below", lower),) * below
        known |= {"threshold": float(-found.b / v[0]), "sides": sides, "is_complete": is_complete}
        return Finding("threshold", known | {"column": names[0]})
    if len(names) == 1 and above:
        return Finding("level", known | {"level": names[0], "class": upper})
    # If these are all levels that have a column, only the first level is left.
    encoded = (each for each in rows.encodings or () if each.name == factor and each.levels and not each.all_levels)
    for column in encoded:
        if tuple(column.design_names()) == names:
            return Finding("level", known | {"level": f"{factor}={column.levels[0]}", "class": lower})
    return Finding("no level", known | {"levels": names, "class": lower})


@dataclass(frozen=True)
class _Space:
    """The rows as half-spaces of directions (w, b): a_i = (2y_i - 1) (u_i, 1), u = (x - center) p.

    rows : viewed as u, p powers of two near 1/size. pivots : columns of which all others are combinations.
    is_dummy : columns that range from 0 to 1, taken as indicators. side : 2y - 1.
    """

    rows: Rows
    pivots: Index
    is_dummy: Mask
    side: Vector
    fit_intercept: bool

    @classmethod
    def of(cls, rows: Rows, pivots: Index, fit_intercept: bool) -> _Space:
        """Prepare the rows."""
        moments, numeric = rows.moments(correlations=False), rows.design.numeric
        far = fit_intercept & numeric & (np.abs(moments.mean) > FAR * moments.sd)
        size = np.where(numeric, np.hypot(moments.sd, np.where(far, 0.0, moments.mean)), 1.0)
        units = Units(np.where(far, moments.mean, 0.0), 1.0 / power_of_two(size))
        is_dummy = (moments.low == 0) & (moments.high == 1)
        return cls(rows.see(units), pivots, is_dummy, np.where(rows.y > 0, 1.0, -1.0), fit_intercept)

    def matrix(self, numbers: Index) -> Matrix:
        """Return a_i of some rows, pivots only, (q, k), each times a power of two so that its largest number is in [1, 2).

        Without an intercept there is no last column.
        """
        A = self.rows.viewed(numbers)[:, np.append(self.pivots, -1)[: len(self.pivots) + self.fit_intercept]]
        return np.asarray(A * (self.side[numbers] * power_of_two(np.abs(A).max(axis=1, initial=0.0)))[:, None])

    def scores(self, a: Vector) -> tuple[Vector, float]:
        """Return a_i.a of every row, (m,), for a direction a of `matrix`, and a bound on the size of its terms."""
        w = np.zeros(self.rows.n_features)
        w[self.pivots] = a[: len(self.pivots)]
        b = float(a[-1]) * self.fit_intercept
        return self.rows.scores(w, b) * self.side, float(reach(self.rows) @ np.abs(w)) + abs(b)

    def wrong(self, a: Vector, mask: Mask) -> Index:
        """Return the rows of the mask on the wrong side of a direction by more than rounding, the worst first."""
        z, size = self.scores(a)
        wrong = np.flatnonzero(mask & (z < -FLAT * size))
        return np.asarray(wrong[np.argsort(z[wrong], kind="stable")])

    @property
    def _units(self) -> Iterator[list[Fraction]]:
        """Exact centres and scales of u."""
        units = self.rows.units
        return ([Fraction(x) for x in each[self.pivots].tolist()] for each in (units.center, units.scale))

    def directed(self, c: dict[int, Fraction], mask: Mask) -> Direction:
        """Prove a direction's signs in the rows of the mask; c : its exact coefficients, by column of `matrix`."""
        (center, scale), last = self._units, len(self.pivots)
        largest = max(map(abs, c.values()), default=Fraction(1))
        a = np.zeros(last + self.fit_intercept)
        a[list(c)] = [float(x / largest) for x in c.values()]
        z, size = self.scores(a)
        v = {int(self.pivots[j]): x / scale[j] for j, x in c.items() if j < last}
        b = c.get(last, Fraction(0)) - sum(x * center[j] / scale[j] for j, x in c.items() if j < last)
        signs = np.where(mask, np.sign(z), 0.0).astype(np.int8)
        near = mask & (np.abs(z) <= 8 * (self.rows.n_features + 8) * U * size)
        for numbers, X in blocks(self.rows, np.array(list(v), dtype=np.int64), near):
            signs[numbers] = exact_signs(X, list(v.values()), b) * self.side[numbers]
        return Direction(v, b, signs)

    def through(self, a: Vector, numbers: Index, mask: Mask) -> Iterator[Direction]:
        """Yield exact directions near `a`, with more and more digits, whose planes go through the rows `numbers`."""
        (center, scale), at = self._units, np.flatnonzero(a)
        if len(numbers) and len(at) > MAX_EXACT_COLUMNS:
            return
        if len(numbers):  # keep independent rows only
            R, order = qr(self.matrix(numbers)[:, at].T, mode="r", pivoting=True)
            numbers = numbers[order[: np.count_nonzero(np.abs(np.diag(R)) > RANK * np.abs(R[0, 0]))]]
        points = []
        for x in self.rows.numbers(numbers, self.pivots).tolist():
            u = [(Fraction(value) - c) / s for value, c, s in zip(x, center, scale, strict=True)]
            points.append({j: each for j, each in enumerate([*u, Fraction(1)]) if each and j in at})
        fixed = eliminated(points)
        free = {j: Fraction(float(a[j])) for j in at.tolist() if j not in fixed}
        largest = max(map(abs, free.values()), default=Fraction(0))
        for bits in BITS if largest else ():
            found = {j: Fraction(round(c / largest * 2**bits)) for j, c in free.items()}
            for j, row in fixed.items():
                found[j] = -sum((c * found[i] for i, c in row.items() if i in free), Fraction(0))
            yield self.directed({j: c for j, c in found.items() if c}, mask)

    def sample(self, mask: Mask, count: int) -> Index:
        """Draw as many rows from either class; always the same ones."""
        rng = np.random.default_rng(0)
        parts = [np.flatnonzero(mask & (self.rows.y == label)) for label in (0, 1)]
        return np.sort(np.concatenate([rng.permutation(part)[: count // 2] for part in parts]))


def _search(space: _Space, active: Mask, start: Vector) -> tuple[list[Direction], bool]:
    """Look for a direction of few columns that leaves as few of the active rows on its plane as possible.

    start : (k,), a direction to try first.

    Returns the direction, if one is found, and whether the answer is certain: if none is found, that the rows overlap.
    """
    k = len(start)
    if not k:
        return [], True
    subset = space.sample(active, min(max(LEAST, SEARCHED * k), MOST_NUMBERS // k))
    for _ in range(ROUNDS):
        A = space.matrix(subset)
        verdict = decide(A, start)
        if verdict.flat.all():
            # Rows outside the subset's span may be missing: a random direction in its null space finds them.
            null = verdict.null @ np.random.default_rng(0).normal(size=verdict.null.shape[1])
            wrong = np.union1d(space.wrong(null, active), space.wrong(-null, active)) if null.any() else subset[:0]
            if not len(wrong):
                # Uncertain if some direction seems to be 0 in all rows although no column depends on others.
                is_whole = (active == space.rows.is_kept).all()
                return [], verdict.proven and not (is_whole and verdict.null.size)
        else:
            a, wrong = verdict.v, space.wrong(verdict.v, active)
            few = None if len(wrong) else sparsest(A, verdict.flat, space.fit_intercept)
            if few is not None:
                a, wrong = few, space.wrong(few, active)
            for found in () if len(wrong) else space.through(a, subset[verdict.flat], active):
                if found.separates:
                    return [found], True
                wrong = np.flatnonzero(found.signs < 0)
        wrong = wrong[~np.isin(wrong, subset)][: max(len(subset) // 2, 64)]
        subset = np.union1d(subset, wrong)
        if not len(wrong) or len(subset) * k > MOST_NUMBERS:
            break
    return [], False


def _decimal_between(low: float, high: float) -> Fraction | None:
    """Find the shortest decimal strictly between two numbers, near their middle; None if 17 digits are too few."""
    if not np.isfinite([low, high]).all():
        return None
    shortest = (Fraction(f"{low / 2 + high / 2:.{digits}g}") for digits in range(1, 18))
    return next((value for value in shortest if Fraction(low) < value < Fraction(high)), None)
