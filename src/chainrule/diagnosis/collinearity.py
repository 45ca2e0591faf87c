"""Columns that repeat each other: the linear relations among them, in words and small whole numbers where they are.

Found in the correlation matrix, whose rounding sets the tolerance; verified on every row, exactly where the numbers are
rational. A relation that holds only up to rounding is said so: in exact arithmetic the column is *not* a combination of
the others (shared notes on the certificate, section 5), and so no exact statement may rest on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from math import gcd

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from chainrule.blas import one_blas_thread
from chainrule.diagnosis.exact import U, exact_signs, simple_fraction, whole_numbers
from chainrule.kernels import BLOCK_ROWS
from chainrule.rows import DenseRows, Moments, power_of_two

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Index = NDArray[np.int64]

BLOCK_NUMBERS = 2_000_000  # numbers of X held at once
ZERO = 1e-7  # of the largest coefficient in standardised columns: taken as 0, then verified
MAX_LISTED = 40  # relations verified and put into words, those of the fewest columns
MAX_WORDS = 100  # columns in a relation, beyond which no one reads it: counted alone
MAX_SPARSE = 60  # relations up to which they are made sparse
MAX_DENSE = 20_000_000  # numbers of X up to which more columns than `rows.MAX_MATRIX_COLUMNS` are looked at


@dataclass(frozen=True)
class Relation:
    """coefficients . x[indices] = constant in every row.

    columns, indices, coefficients: of the columns that take part, the last one following from the ones before it.
    exact: no rounding at all; else `deviation` is the largest |x.v - constant| in a row, in standard deviations of the
    last column, and `up_to_rounding` says that rounding the data explains it.
    """

    columns: tuple[str, ...]
    indices: tuple[int, ...]
    coefficients: tuple[float, ...]
    constant: float
    exact: bool
    up_to_rounding: bool
    deviation: float
    sentence: str


@dataclass(frozen=True)
class Collinearity:
    """All relations among the columns (with the intercept, where there is one).

    relations: a basis of them, sparse (of more than `MAX_LISTED` those of the fewest columns; none of more than
    `MAX_WORDS`); pivots (r,): columns that
    together carry all, the earlier ones kept; null_basis (n, n - r): orthonormal, in standardised columns (x - mean) / sd,
    where a constant column counts as unit vector.
    """

    relations: tuple[Relation, ...]
    pivots: Index = field(compare=False)
    null_basis: Matrix = field(compare=False)

    @property
    def exact(self) -> bool:
        """Whether every relation holds exactly."""
        return self.n_relations == len(self.relations) and all(relation.exact for relation in self.relations)

    @property
    def n_relations(self) -> int:
        """How many independent relations there are, listed or not."""
        return int(self.null_basis.shape[1])

    @property
    def sentence(self) -> str:
        """All relations, in one line; empty when there are none."""
        more, count = self.n_relations - len(self.relations), f"{self.n_relations:,}"
        if not self.relations and more:
            n = len(self.null_basis)
            return f"{count} of the {n:,} columns are combinations of more than {MAX_WORDS} others each"
        return "; ".join([r.sentence for r in self.relations] + ([f"and {more} more relations"] if more else []))


def correlation_tolerance(n: int, m: int) -> float:
    """Bound the rounding in the eigenvalues of a correlation matrix: (n+1) 4 (n+N+8) u, N the depth of its sums."""
    depth = BLOCK_ROWS / 8 + np.log2(max(m / BLOCK_ROWS, 1.0)) + 8
    return float((n + 1) * 4 * (n + depth + 8) * U)


def active_blocks(
    rows: DenseRows, columns: Index, keep: NDArray[np.bool_] | None = None
) -> Iterator[tuple[Index, Matrix]]:
    """Rows that count (positive weight, and in `keep`), block by block: their numbers, and their columns as float64."""
    step = max(1024, BLOCK_NUMBERS // max(len(columns), 1))
    whole = len(columns) == rows.n_features
    rows.count_read(len(columns) / rows.n_features)
    for first in range(0, rows.n_rows, step):
        part = slice(first, first + step)
        mask = np.ones(len(rows.y[part]), dtype=np.bool_) if keep is None else keep[part]
        if rows.s is not None:
            mask = mask & (rows.s[part] > 0)
        if not mask.any():
            continue
        X = rows.X[part] if whole else rows.X[part][:, columns]
        yield first + np.flatnonzero(mask), (X if mask.all() else X[mask]).astype(np.float64, copy=False)


def find_relations(rows: DenseRows, *, fit_intercept: bool = True, tolerance: float | None = None) -> Collinearity:
    """Every linear relation among the columns, from one read of the moments and one of the columns that take part.

    Parameters
    ----------
    rows : DenseRows
        Rows of weight 0 don't count.
    fit_intercept : bool
        With an intercept a relation may have a constant, and a constant column is one.
    tolerance : float, optional
        Share of a column's variance that the columns before it leave open, below which it is taken as their combination.
        None: `correlation_tolerance`.
    """
    moments = rows.moments()
    n = rows.n_features
    tolerance = correlation_tolerance(n, rows.n_rows) if tolerance is None else tolerance
    shift = np.zeros(n) if fit_intercept else moments.mean
    size = np.hypot(moments.sd, shift)
    matrix = _correlation(rows, moments, shift, size)
    with one_blas_thread(n):
        pivots, vectors = _echelon(matrix, size > 0, tolerance)
    _make_sparse(vectors, np.divide(moments.mean, size, out=np.zeros(n), where=size > 0))
    sizes = {j: np.count_nonzero(v) for j, v in vectors.items()}
    listed = sorted(sorted((j for j in vectors if sizes[j] <= MAX_WORDS), key=lambda j: (sizes[j], j))[:MAX_LISTED])
    relations = [
        _relation(rows, moments, matrix, vectors[j], j, size, fit_intercept)
        if size[j] > 0
        else _constant(rows, moments, j)
        for j in listed
    ]
    basis = np.array(list(vectors.values())).reshape(len(vectors), n).T
    # In units of the deviation also where the matrix was about zero: constant columns keep the unit vector.
    ratio = np.where(moments.sd > 0, moments.sd, 1.0) / np.where(size > 0, size, 1.0)
    return Collinearity(tuple(relations), pivots, np.linalg.qr(basis * ratio[:, None])[0])


def least_norm(
    w: Vector,
    b: float,
    moments: Moments,
    null_basis: Matrix,
    *,
    about: Vector | float = 0.0,
    fit_intercept: bool = True,
) -> tuple[Vector, float]:
    """Of all (w, b) with the same predictions, the one of least norm in standardised columns.

    w (n,) is of the user's columns, b of these less `about`; null_basis from `find_relations`. With v = w sd: v - N N'v; the
    bias takes up what the constants of the relations are worth. Without an intercept they are 0, and b stays.
    """
    scale = np.where(moments.sd > 0, moments.sd, 1.0)
    v = w * scale
    shorter = (v - null_basis @ (null_basis.T @ v)) / scale
    if not fit_intercept:
        return shorter, b
    mean = np.where(moments.low == moments.high, moments.low, moments.mean)  # of a constant column without rounding
    return shorter, b + float((mean - about) @ (w - shorter))


def _correlation(rows: DenseRows, moments: Moments, shift: Vector, size: Vector) -> Matrix:
    ratio, about = (np.divide(v, size, out=np.zeros_like(size), where=size > 0) for v in (moments.sd, shift))
    if moments.correlation is not None:
        return np.asarray(moments.correlation * np.outer(ratio, ratio) + np.outer(about, about))
    n = rows.n_features
    matrix, total = np.zeros((n, n)), 0.0
    if rows.X.size > MAX_DENSE:
        return np.diag((size > 0).astype(np.float64))  # too large to look for relations
    for _, X in active_blocks(rows, np.arange(n)):
        Z = (X - (moments.mean - shift)) / np.where(size > 0, size, np.inf)
        matrix += Z.T @ Z
        total += len(Z)
    d = np.sqrt(np.diag(matrix))
    d[d == 0] = 1.0
    return np.asarray(matrix / d / d[:, None])


def _echelon(matrix: Matrix, alive: NDArray[np.bool_], tolerance: float) -> tuple[Index, dict[int, Vector]]:
    """Cholesky in the order of the columns; a column of which nothing is left is written by those kept before it."""
    n = len(matrix)
    if alive.all():
        try:
            if np.diag(np.linalg.cholesky(matrix)).min() ** 2 > tolerance:
                return np.arange(n), {}
        except np.linalg.LinAlgError:
            pass
    factor = np.zeros((n, n), order="F")
    kept: list[int] = []
    vectors: dict[int, Vector] = {}
    for j in range(n):
        v = np.zeros(n)
        v[j] = 1.0
        if not alive[j]:
            vectors[j] = v
            continue
        r = len(kept)
        row = solve_triangular(factor[:r, :r], matrix[kept, j], lower=True) if r else np.zeros(0)
        left = matrix[j, j] - row @ row
        if left <= tolerance:
            if r:
                v[kept] = -solve_triangular(factor[:r, :r], row, lower=True, trans="T")
            vectors[j] = v
        else:
            factor[r, :r], factor[r, r] = row, np.sqrt(left)
            kept.append(j)
    for v in vectors.values():
        v[np.abs(v) < ZERO * np.abs(v).max()] = 0.0
    return np.array(kept, dtype=np.int64), vectors


def _make_sparse(vectors: dict[int, Vector], mean: Vector) -> None:
    """Replace a relation by itself less a multiple of another as long as fewer columns take part. In place.

    A constant counts as half a column; `mean` of the columns in the units of the vectors.
    """

    def cost(v: Vector) -> float:
        worth = abs(v @ mean) > 1e-6 * (np.abs(v) @ np.abs(mean))
        return float(np.count_nonzero(v)) + (0.5 if worth else 0.0)

    if len(vectors) > MAX_SPARSE:
        return
    for _ in range(3):
        changed = False
        for i in reversed(vectors):
            v = vectors[i]
            best, best_cost = v, cost(v)
            for j, other in vectors.items():
                both = np.flatnonzero((v != 0) & (other != 0))
                if i == j or len(both) < 2:
                    continue
                ratios = np.sort(v[both] / other[both])
                # The ratio that most columns share takes the most of them out.
                runs = np.split(ratios, np.flatnonzero(np.diff(ratios) > 1e-6 * np.abs(ratios[1:])) + 1)
                trial = v - max(runs, key=len)[0] * other
                trial[np.abs(trial) < 1e-6 * np.abs(v).max()] = 0.0
                if trial[i] == v[i] and cost(trial) < best_cost:
                    best, best_cost = trial, cost(trial)
            if best is not v:
                v[:] = best
                changed = True
        if not changed:
            return


def _constant(rows: DenseRows, moments: Moments, j: int) -> Relation:
    name, value = rows.feature_names[j], float(moments.low[j])
    sentence = f"{name} is constant ({value:.6g})"
    return Relation((name,), (j,), (1.0,), value, True, True, 0.0, sentence)


@dataclass
class _Candidate:
    """A relation to be tried on all rows: exact rationals, and how far from it the rows are."""

    v: list[Fraction]
    constant: Fraction
    exact: bool = False
    ratio: float = np.inf  # largest residual in units of the rounding bound
    residual: float = np.inf


def _relation(
    rows: DenseRows, moments: Moments, matrix: Matrix, v: Vector, j: int, size: Vector, fit_intercept: bool
) -> Relation:
    """Find the simplest numbers that hold, else the most exact ones."""
    support = np.flatnonzero(v)
    support = np.append(support[support != j], j)
    first = next(active_blocks(rows, support))[1][0]
    best: _Candidate | None = None
    p = power_of_two(size[support])
    for coefficients in [*_snapped(v[support] / size[support]), *_snapped(v[support] / (size[support] * p), p)]:
        found = _judge(rows, support, coefficients, first, fit_intercept)
        if best is None or found.exact or 1.0 < best.ratio > found.ratio:
            best = found
        if best.exact:
            break
    if best is None or best.ratio > 1.0:
        raw = _refined(rows, support, v, moments, matrix, size, fit_intercept)
        if raw is None:  # nothing that a float64 holds: the last column by itself, with what that leaves open
            raw = [*[Fraction(0)] * (len(support) - 1), Fraction(1)]
        found = _judge(rows, support, raw, first, fit_intercept)
        if best is None or found.ratio < 0.5 * best.ratio:
            best = found
    deviation = 0.0 if best.exact else best.residual / abs(float(best.v[-1])) / float(size[j])
    up_to_rounding = best.ratio <= 1.0
    names = tuple(rows.feature_names[i] for i in support)
    sentence = _sentence(names, best)
    if not best.exact:
        how = "up to rounding, not exactly" if up_to_rounding else f"to within {deviation:.1g} standard deviations"
        sentence += f" ({how})"
    return Relation(
        names,
        tuple(int(i) for i in support),
        tuple(float(c) for c in best.v),
        float(best.constant),
        best.exact,
        up_to_rounding,
        deviation,
        sentence,
    )


def _snapped(c: Vector, p: Vector | None = None) -> Iterator[list[Fraction]]:
    """Give simple rationals near the coefficients `c`: measured by one of them, then decimals with the last one 1.

    p: powers of two by which the columns were multiplied, so that wide scales don't hide small numbers.
    """
    seen = set()
    back = [Fraction(1)] * len(c) if p is None else [Fraction(float(x)) for x in p]
    for unit in [*c[::-1][: 1 if len(c) > 12 else None]]:
        ratios = [simple_fraction(float(x / unit)) for x in c]
        simple = [ratio * x for ratio, x in zip(ratios, back, strict=True) if ratio is not None]
        if len(simple) < len(c):
            continue
        whole = whole_numbers(simple, Fraction(0))[0]
        sign = (1 if whole[-1] > 0 else -1) * gcd(*whole)
        key = tuple(x // sign for x in whole)
        if key not in seen:
            seen.add(key)
            yield [Fraction(x) for x in key]
    decimals = [float(f"{x / c[-1]:.7g}") for x in c]
    if p is None and all(abs(d - x / c[-1]) <= 1e-7 * abs(d) for d, x in zip(decimals, c, strict=True)):
        yield [Fraction(d) for d in decimals]


def _judge(rows: DenseRows, support: Index, v: list[Fraction], first: Vector, fit_intercept: bool) -> _Candidate:
    """Choose the constant and measure the residual on all rows."""
    constant = sum((c * Fraction(float(x)) for c, x in zip(v, first, strict=True)), Fraction(0))
    size = sum(abs(c * Fraction(float(x))) for c, x in zip(v, first, strict=True))
    if not fit_intercept:
        constant = Fraction(0)
    best = _Candidate(v, constant)
    near = simple_fraction(float(constant), 1e-9) or Fraction(float(f"{float(constant):.9g}"))
    unit = 2.0**-24 if rows.X.dtype == np.float32 else U
    simple = Fraction(0) if abs(constant) <= 2**20 * unit * float(size) else near
    for value in dict.fromkeys((constant, simple)):
        trial = _Candidate(v, value)
        _measure(rows, support, trial)
        if trial.exact or trial.ratio < best.ratio or (trial.ratio <= 1.0 and value == simple):
            best = trial
        if best.exact:
            break
    return best


def _measure(rows: DenseRows, support: Index, trial: _Candidate) -> None:
    """Fill in how far the rows are from the relation. Up to rounding: within twice (k+2) u (|x|.|v| + |constant|)."""
    coefficients = np.array([float(c) for c in trial.v])
    constant = float(trial.constant)
    unit = 2.0**-24 if rows.X.dtype == np.float32 else U
    trial.exact, trial.ratio, trial.residual = True, 0.0, 0.0
    for _, X in active_blocks(rows, support):
        residual = np.abs(X @ coefficients - constant)
        bound = 2 * (len(support) + 2) * unit * (np.abs(X) @ np.abs(coefficients) + abs(constant))
        over = residual > bound
        trial.residual = max(trial.residual, float(residual.max()))
        ratio = np.divide(residual, bound, out=np.zeros_like(residual), where=bound > 0)
        trial.ratio = max(trial.ratio, float(ratio.max()))
        if trial.exact:
            trial.exact = not over.any() and not exact_signs(X, trial.v, -trial.constant).any()


def _refined(
    rows: DenseRows, support: Index, v: Vector, moments: Moments, matrix: Matrix, size: Vector, fit_intercept: bool
) -> list[Fraction] | None:
    """Take the coefficients from the rows once more, by a step of least squares on their residuals; None beyond float64."""
    center = moments.mean[support] if fit_intercept else np.zeros(len(support))
    standard, total, count = v[support].copy(), np.zeros(len(support)), 0
    for _, X in active_blocks(rows, support):
        Z = (X - center) / size[support]
        total += Z.T @ (Z @ standard)
        count += len(Z)
    others = support[:-1]
    if len(others):
        step = np.linalg.lstsq(matrix[np.ix_(others, others)], total[:-1] / count, rcond=None)[0]
        if np.isfinite(step).all():
            standard[:-1] -= step
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        c = standard / size[support]
        c = c / c[-1]
    return [Fraction(float(x)) for x in c] if np.isfinite(c).all() else None


def _number(value: Fraction) -> str:
    decimal = f"{float(value):.7g}"
    short = value.denominator == 1 and abs(value) < 10**7
    return str(value) if short or (value.denominator <= 64 and Fraction(decimal) != value) else decimal


def linear_text(names: tuple[str, ...], v: list[Fraction], constant: Fraction = Fraction(0)) -> str:
    """Write v.x + constant for a reader: "2 x1 - x2 + 5"."""
    text = ""
    for name, c in [*zip(names, v, strict=True), ("", constant)]:
        if c:
            size = _number(abs(c)) if not name or abs(c) != 1 else ""
            sign = ("-" if c < 0 else "") if not text else (" - " if c < 0 else " + ")
            text += sign + " ".join(part for part in (size, name) if part)
    return text or "0"


def factor_of(names: tuple[str, ...]) -> str | None:
    """Name of the one category whose levels the columns are ("species" of "species=Gentoo"), or None."""
    heads = {name.split("=", 1)[0] if "=" in name else None for name in names}
    return heads.pop() if len(heads) == 1 else None


def _sentence(names: tuple[str, ...], found: _Candidate) -> str:
    v, constant = found.v, found.constant
    last = v[-1]
    if len(names) > 8:
        shown = ", ".join(names[:6])
        return f"{names[-1]} is a combination of {len(names) - 1} columns: {shown}, ..."
    if len(set(v)) == 1 and constant == last and len(names) > 1:
        factor = factor_of(names)
        whole = f"{linear_text(names, [Fraction(1)] * len(names))} = 1"
        return f"the levels of {factor} add up to the intercept: {whole}" if factor else whole
    rest = [-c for c in v[:-1]]
    if len(rest) > 1 and not constant and last == 1 and set(rest) == {Fraction(1)}:
        return f"{linear_text(names[:-1], rest)} = {names[-1]}"
    return f"{linear_text(names[-1:], [last])} = {linear_text(names[:-1], rest, constant)}"
