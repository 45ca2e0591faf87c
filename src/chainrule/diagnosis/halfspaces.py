"""Search for a direction that has all rows on their side: on a subset of the rows, made exact, proven on all.

Arithmetic units: u = (x - mean) p with p powers of two near 1/sd; the rational directions are in the user's columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr

from chainrule.data.rows import Rows, power_of_two
from chainrule.diagnosis.exact import U, exact_signs, simple_fraction
from chainrule.diagnosis.overlap import decide, maximize, normalized
from chainrule.diagnosis.relations import active_blocks

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Index = NDArray[np.int64]
Mask = NDArray[np.bool_]
Signs = NDArray[np.int8]

ROUNDS = 60
WRONG = 1e-9  # a row's score so far on the wrong side, relative to |u|.|v| + |b|, is no rounding
FLAT = 1e-8  # a score so near 0 may be exactly 0
MAX_SUBSET = 60_000
MAX_EXACT_COLUMNS = 64  # columns up to which null spaces are found in fractions
MAX_SPARSE_NUMBERS = 400_000  # of the linear program that looks for fewer columns


@dataclass(frozen=True)
class Direction:
    """An exact direction x.v + b, v by column, and the proven sign of (2y - 1)(x.v + b) in each row looked at."""

    v: dict[int, Fraction]
    b: Fraction
    signs: Signs


@dataclass(frozen=True)
class Halfspaces:
    """The rows as half-spaces of directions: columns `pivots` and the intercept."""

    rows: Rows
    pivots: Index
    mean: Vector
    p: Vector
    binary: Mask
    fit_intercept: bool

    @classmethod
    def of(cls, rows: Rows, pivots: Index, fit_intercept: bool) -> Halfspaces:
        """Prepare the rows; `pivots` are columns that carry all others."""
        moments = rows.moments()
        size = moments.sd if fit_intercept else np.hypot(moments.sd, moments.mean)
        mean = moments.mean if fit_intercept else np.zeros(rows.n_features)
        binary = (moments.low == 0) & (moments.high == 1)
        return cls(rows, pivots, mean, power_of_two(size), binary, fit_intercept)

    def all_rows(self) -> Mask:
        """Rows of positive weight."""
        return np.ones(self.rows.n_rows, dtype=np.bool_) if self.rows.s is None else self.rows.s > 0

    def is_dummy(self, j: int) -> bool:
        """Whether the column runs from 0 to 1: an indicator, by its looks."""
        return bool(self.binary[j])

    def matrix(self, numbers: Index) -> Matrix:
        """a_i = (2y_i - 1) (u_i, 1) of the rows asked for, pivots only; without an intercept no last column."""
        X = self.rows.block(numbers, self.pivots)
        A = (X - self.mean[self.pivots]) * self.p[self.pivots]
        if self.fit_intercept:
            A = np.hstack([A, np.ones((len(A), 1))])
        return A * self.side(numbers)[:, None]

    def side(self, numbers: Index | slice) -> Vector:
        """2y - 1."""
        return np.where(self.rows.y[numbers] > 0, 1.0, -1.0)

    def exact(self, a: Vector) -> tuple[dict[int, Fraction], Fraction]:
        """Direction of `matrix` as exact rationals in the user's columns: p is a power of two, so nothing is rounded."""
        v = {
            int(j): Fraction(float(a[i])) * Fraction(float(self.p[j])) for i, j in enumerate(self.pivots) if a[i] != 0.0
        }
        b = Fraction(float(a[-1])) if self.fit_intercept else Fraction(0)
        return v, b - sum((c * Fraction(float(self.mean[j])) for j, c in v.items()), Fraction(0))

    def _centred(self, v: dict[int, Fraction], b: Fraction) -> tuple[Index, Vector, float, int]:
        """Support, coefficients and intercept in arithmetic units, scaled by a power of two to about 1."""
        support = np.array([j for j, c in v.items() if c], dtype=np.int64)
        u = [v[int(j)] / Fraction(float(self.p[j])) for j in support]
        level = b + sum((v[int(j)] * Fraction(float(self.mean[j])) for j in support), Fraction(0))
        largest = max([abs(c) for c in u] + [abs(level)], default=Fraction(1)) or Fraction(1)
        exponent = largest.numerator.bit_length() - largest.denominator.bit_length()
        scale = Fraction(2) ** -exponent
        return support, np.array([float(c * scale) for c in u]), float(level * scale), exponent

    def _blocks(self, support: Index, mask: Mask) -> Iterator[tuple[Index, Matrix, Matrix]]:
        if not len(support):
            numbers = np.flatnonzero(mask)
            yield numbers, np.zeros((len(numbers), 0)), np.zeros((len(numbers), 0))
            return
        for numbers, X in active_blocks(self.rows, support, mask):
            yield numbers, X, (X - self.mean[support]) * self.p[support]

    def scores(self, found: Direction, mask: Mask) -> tuple[Vector, Vector]:
        """(2y - 1)(x.v + b) in floating point and |u|.|v| + |b|, shapes (m,); 0 outside the mask."""
        return self._scores(found.v, found.b, mask)

    def _scores(self, v: dict[int, Fraction], b: Fraction, mask: Mask) -> tuple[Vector, Vector]:
        support, u, level, exponent = self._centred(v, b)
        z, size = np.zeros(self.rows.n_rows), np.zeros(self.rows.n_rows)
        for numbers, _, Z in self._blocks(support, mask):
            z[numbers] = (Z @ u + level) * self.side(numbers)
            size[numbers] = np.abs(Z) @ np.abs(u) + abs(level)
        scale = 2.0 ** min(max(exponent, -900), 900)
        return z * scale, size * scale

    def signs(self, v: dict[int, Fraction], b: Fraction, mask: Mask) -> Signs:
        """Proven sign of (2y - 1)(x.v + b) in the rows of the mask, 0 in others.

        By the error bound (k+6) u (|u|.|v| + |b|), which has in it the rounding of u, v and b; within it exactly.
        """
        support, u, level, _ = self._centred(v, b)
        rational = [v[int(j)] for j in support]
        signs = np.zeros(self.rows.n_rows, dtype=np.int8)
        for numbers, X, Z in self._blocks(support, mask):
            z = Z @ u + level
            bound = (len(support) + 6) * U * (np.abs(Z) @ np.abs(u) + abs(level))
            known = np.abs(z) > bound
            sign = np.sign(z).astype(np.int8)
            sign[~known] = exact_signs(X[~known], rational, b)
            signs[numbers] = sign * self.side(numbers).astype(np.int8)
        return signs

    def sample(self, active: Mask, count: int) -> Index:
        """Rows drawn from both classes alike; always the same ones."""
        rng = np.random.default_rng(0)
        parts = [np.flatnonzero(active & (self.rows.y == label)) for label in (0, 1)]
        few = min(len(part) for part in parts)
        take = [max(count // 2, count - few) if len(part) > few else count // 2 for part in parts]
        drawn = [
            part if len(part) <= size else rng.choice(part, size, replace=False)
            for part, size in zip(parts, take, strict=True)
        ]
        return np.unique(np.concatenate(drawn))


def decimal_between(low: float, high: float) -> Fraction | None:
    """Give the shortest decimal strictly between two numbers, near their middle; None: there is none of 17 digits."""
    if not low < high or not np.isfinite([low, high]).all():
        return None
    middle = low / 2 + high / 2
    shortest = (Fraction(f"{middle:.{digits}g}") for digits in range(1, 18))
    return next((value for value in shortest if Fraction(low) < value < Fraction(high)), None)


def search(
    space: Halfspaces, active: Mask, hint: tuple[Vector, float] | None, whole: bool
) -> tuple[Literal["overlap", "found", "open"], Direction | None]:
    """Look for a direction among the active rows: found and exact; or proven that there is none; or open.

    An open verdict may have a direction that holds up to rounding only. whole: the columns are independent on the active
    rows, so that a direction which no row seems to see leaves the verdict open.
    """
    if hint is not None and np.isfinite([*hint[0], hint[1]]).all():
        v = {int(j): Fraction(float(c)) for j, c in enumerate(hint[0]) if c}
        b = Fraction(float(hint[1])) if space.fit_intercept else Fraction(0)
        signs = space.signs(v, b, active)
        if (signs[active] == 1).all():
            return "found", Direction(v, b, signs)
    total = int(active.sum())
    subset = space.sample(active, min(total, max(1000, 8 * (len(space.pivots) + 1))))
    thorough = False
    for _ in range(ROUNDS):
        verdict = decide(normalized(space.matrix(subset)), thorough)
        complete_subset = len(subset) == total
        if verdict.kind == "direction":
            assert verdict.v is not None
            a = np.where(np.abs(verdict.v) > 1e-9 * np.abs(verdict.v).max(), verdict.v, 0.0)
            z, size = space._scores(*space.exact(a), active)
            wrong = np.flatnonzero(active & (z < -WRONG * size))
            new = np.setdiff1d(wrong, subset)
            if len(new):
                order = np.argsort(z[new] / size[new], kind="stable")
                subset = np.union1d(subset, new[order[: max(len(subset) // 2, 64)]])
                continue
            exact = None if len(wrong) else _made_exact(space, active, a, z, size)
            if exact is None and not thorough:
                thorough = True
                continue
            if exact is None:
                return "open", None if len(wrong) else _up_to_rounding(space, a, z, size)
            return "found", exact
        if not complete_subset:
            seen = _rows_that_see(space, active, subset, verdict.null)
            if not len(seen) and verdict.kind == "open" and len(subset) < MAX_SUBSET:
                seen = space.sample(active, min(total, 4 * len(subset)))
            if len(np.setdiff1d(seen, subset)):
                subset = np.union1d(subset, seen)
                continue
        unseen = whole and verdict.null.shape[1] > 0
        return ("overlap" if verdict.kind == "overlap" and not unseen else "open"), None
    return "open", None


def _rows_that_see(space: Halfspaces, active: Mask, subset: Index, null: Matrix) -> Index:
    """For each direction that no row of the subset sees, rows that do: the subset lacks them."""
    if not null.shape[1]:
        return np.zeros(0, dtype=np.int64)
    directions = null[:, :64] / np.abs(null[:, :64]).max(axis=0)
    best: Vector = np.zeros((4, directions.shape[1]))
    rows_of = np.zeros(best.shape, dtype=np.int64)
    columns = np.arange(directions.shape[1])
    for numbers, X in active_blocks(space.rows, space.pivots, active):
        Z = (X - space.mean[space.pivots]) * space.p[space.pivots]
        size = np.abs(Z).max(axis=1, initial=1.0)
        if space.fit_intercept:
            Z = np.hstack([Z, np.ones((len(Z), 1))])
        seen = np.abs(Z @ directions) / size[:, None]
        for slot in range(len(best)):
            top = seen.argmax(axis=0)
            value = seen[top, columns]
            better = value > best[slot]
            best[slot, better], rows_of[slot, better] = value[better], numbers[top[better]]
            seen[top, columns] = 0.0
    return np.unique(rows_of[best > 1e-7])


def _made_exact(space: Halfspaces, active: Mask, a: Vector, z: Vector, size: Vector) -> Direction | None:
    """Give the solver's direction as rationals that have every row exactly on its side or on the plane; None: not found."""
    v, b = space.exact(a)
    if (z[active] > 0).all():
        signs = space.signs(v, b, active)
        if (signs[active] == 1).all():
            return Direction(v, b, signs)
    for flat in (FLAT, 1e-11):
        plane = np.flatnonzero(active & (z <= flat * size))
        found = _through(space, active, plane, v, b) if len(plane) else None
        if found is not None:
            return found
    return None


def _through(space: Halfspaces, active: Mask, plane: Index, v: dict[int, Fraction], b: Fraction) -> Direction | None:
    """Give an exact direction near (v, b) whose plane goes through the rows `plane`, or has them on their side."""
    support = np.array(sorted(v), dtype=np.int64)
    few = plane if len(plane) <= 4000 else np.random.default_rng(0).choice(plane, 4000, replace=False)
    X, side = space.rows.block(few, support), space.side(few)
    for _ in range(4):
        worst: Index = np.zeros(0, dtype=np.int64)
        for values, level in _candidates(space, support, v, b, X):
            if not any(values) or (exact_signs(X, values, level) * side < 0).any():
                continue
            trial = {int(j): c for j, c in zip(support, values, strict=True) if c}
            signs = space.signs(trial, level, active)
            if (signs[active] >= 0).all():
                if signs.any():
                    return Direction(trial, level, signs)
                continue
            wrong = np.flatnonzero(signs < 0)
            if not len(worst) and np.isin(wrong, plane).all():
                worst = wrong[:200]
        if not len(worst):
            return None
        # Rows of the plane that the sample lacked: the plane has to go through them too.
        X = np.vstack([space.rows.block(worst, support), X])
        side = np.append(space.side(worst), side)
    return None


def _up_to_rounding(space: Halfspaces, a: Vector, z: Vector, size: Vector) -> Direction:
    """Give a direction that could not be made exact, in simple numbers if it has them; its signs aren't proven."""
    v, b = space.exact(a)
    signs = (z > FLAT * size).astype(np.int8)
    largest = max(v.values(), key=abs, default=Fraction(1))
    ratios = {j: simple_fraction(float(c / largest), 1e-6) for j, c in v.items()}
    simple = {j: ratio for j, ratio in ratios.items() if ratio is not None}
    unit = abs(largest)
    if len(simple) == len(v):
        sign = 1 if largest > 0 else -1
        level = float(b / unit)
        near = simple_fraction(level, 1e-6) or Fraction(0 if abs(level) < 1e-6 else f"{level:.6g}")
        return Direction({j: sign * c for j, c in simple.items()}, near, signs)
    return Direction({j: c / unit for j, c in v.items()}, b / unit, signs)


def simplified(space: Halfspaces, everyone: Mask, plane: Mask, found: Direction) -> Direction:
    """Give a direction with the same signs by as few columns as a linear program with a margin needs, or `found`."""
    k = len(space.pivots) + 1
    free = everyone & ~plane
    subset = space.sample(free, min(int(free.sum()), max(1000, 8 * k)))
    numbers = np.flatnonzero(plane)
    if len(numbers) > 4000:
        numbers = np.random.default_rng(0).choice(numbers, 4000, replace=False)
    zero = space.matrix(numbers)
    zero = normalized(zero[_independent(zero)])
    for _ in range(6):
        if (len(subset) + len(zero)) * k > MAX_SPARSE_NUMBERS or not space.fit_intercept:
            return found
        a, _ = maximize(space.matrix(subset), margin=True, zero=zero)
        if a is None or not a[:-1].any():
            return found
        a = np.where(np.abs(a) > 1e-9 * np.abs(a).max(), a, 0.0)
        z, size = space.scores(Direction(*space.exact(a), found.signs), everyone)
        wrong = np.setdiff1d(np.flatnonzero(free & (z < 0.5)), subset)
        if not len(wrong):
            exact = _made_exact(space, everyone, a, z, size)
            same = exact is not None and ((exact.signs == 1) == free).all()
            return exact if same and exact is not None and len(exact.v) <= len(found.v) else found
        subset = np.union1d(subset, wrong[np.argsort(z[wrong], kind="stable")[: max(len(subset) // 2, 64)]])
    return found


def _independent(rows: Matrix) -> Index:
    """Rows that span the others, by a pivoted QR factorisation."""
    if not rows.size:
        return np.zeros(0, dtype=np.int64)
    _, triangle, order = qr(normalized(rows).T, mode="economic", pivoting=True)
    diagonal = np.abs(np.diag(triangle))
    return np.asarray(order[: int((diagonal > 1e-10 * diagonal[0]).sum())], dtype=np.int64)


def _candidates(
    space: Halfspaces, support: Index, v: dict[int, Fraction], b: Fraction, X: Matrix
) -> Iterator[tuple[list[Fraction], Fraction]]:
    """Directions near v that may be exact: simple rationals, then the null space of the rows X that lie on the plane."""
    values = np.array([float(v[int(j)]) for j in support])
    for unit in np.unique(np.abs(values))[::-1][:8]:
        ratios = [simple_fraction(float(value / unit), 1e-6) for value in values]
        simple = [ratio for ratio in ratios if ratio is not None]
        if len(simple) == len(values):
            level = -sum((c * Fraction(float(x)) for c, x in zip(simple, X[0], strict=True)), Fraction(0))
            yield simple, (level if space.fit_intercept else Fraction(0))
    if len(support) > MAX_EXACT_COLUMNS:
        return
    p = space.p[support]
    U_rows = (X - space.mean[support]) * p
    columns = [*range(len(support))]
    if space.fit_intercept:
        U_rows, columns = np.hstack([np.ones((len(X), 1)), U_rows]), [-1, *columns]
    chosen = [
        [Fraction(1) if c < 0 else Fraction(float(X[i, c])) * Fraction(float(p[c])) for c in columns]
        for i in _independent(U_rows)
    ]
    pivots, reduced = _reduced(chosen)
    free = [c for c in range(len(columns)) if c not in pivots]
    if not free:
        return
    exact = [b if c < 0 else v[int(support[c])] / Fraction(float(p[c])) for c in columns]
    largest = max(abs(exact[c]) for c in free)
    if not largest:
        return
    for bits in (0, 3, 8, 16, 40):
        whole = [Fraction(0)] * len(columns)
        for c in free:
            whole[c] = Fraction(round(exact[c] / largest * 2**bits))
        for row, c in zip(reduced, pivots, strict=True):
            whole[c] = -sum((row[f] * whole[f] for f in free), Fraction(0))
        by_column = dict(zip(columns, whole, strict=True))
        yield [by_column[c] * Fraction(float(p[c])) for c in range(len(support))], by_column.get(-1, Fraction(0))


def _reduced(matrix: list[list[Fraction]]) -> tuple[list[int], list[list[Fraction]]]:
    """Reduced row echelon form, in fractions: the pivots' columns and the rows."""
    rows = [row[:] for row in matrix]
    pivots: list[int] = []
    done: list[list[Fraction]] = []
    for row in rows:
        for c, other in zip(pivots, done, strict=True):
            if row[c]:
                factor = row[c]
                row[:] = [x - factor * y if y else x for x, y in zip(row, other, strict=True)]
        c = next((i for i, x in enumerate(row) if x), -1)
        if c < 0:
            continue
        head = row[c]
        row[:] = [x / head if x else x for x in row]
        for other in done:
            if other[c]:
                factor = other[c]
                other[:] = [x - factor * y if y else x for x, y in zip(other, row, strict=True)]
        pivots.append(c)
        done.append(row)
    return pivots, done


def readable(space: Halfspaces, active: Mask, found: Direction) -> Direction:
    """Complete separation by few columns in short decimals, if those separate too."""
    if not 0 < len(found.v) <= 6 or not space.fit_intercept or not active.any():
        return found
    y = space.rows.y > 0
    largest = max(abs(c) for c in found.v.values())
    for digits in (1, 2, 3, 4):
        v = {j: Fraction(f"{float(c / largest):.{digits}g}") for j, c in found.v.items()}
        z = space.scores(Direction(v, Fraction(0), found.signs), active)[0] * np.where(y, 1.0, -1.0)
        t = decimal_between(float(z[active & ~y].max(initial=-np.inf)), float(z[active & y].min(initial=np.inf)))
        if t is None:
            continue
        signs = space.signs(v, -Fraction(t), active)
        if (signs[active] == 1).all():
            return Direction(v, -Fraction(t), signs)
    return found
