"""Collinear columns: the linear relations among them, with small whole numbers where possible.

They are found in the correlation matrix, whose rounding sets the tolerance, and verified on every row. A relation that holds
only up to rounding is marked as such: in exact arithmetic the column is *not* a combination of the others, so no exact
conclusion may be drawn from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice
from math import gcd

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from chainrule.data.rows import Rows
from chainrule.diagnosis.counted import Exact, counted_relations
from chainrule.diagnosis.exact import MOST_BITS, WHOLE, U, exact_signs, whole_numbers
from chainrule.findings import Finding, factor_of
from chainrule.kernels.reading import BLOCK_ROWS

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Index = NDArray[np.int64]
Point = tuple[Vector, float]

BLOCK_NUMBERS = 2_000_000  # numbers of X held at once
AT_ONCE = 64  # columns that are eliminated together
ZERO = 1e-7  # of the largest coefficient in standardised columns; smaller ones are tried as 0
NEAR = 100.0  # times the rounding of a relation's terms, since the coefficients have the correlations' rounding too
FEW = 64  # rows
MAX_LISTED = 40  # relations that are verified and listed: those with the fewest columns
MAX_WORDS = 100  # columns in a relation; longer ones are only counted
MAX_SPARSE = 60  # relations, up to which they are made sparse
SIMPLE, CLOSE = 1000, 1e-7  # largest denominator of a simple ratio, and how near to such a ratio a coefficient must be


@dataclass(frozen=True)
class Relation:
    """coefficients . x[indices] = constant in every row.

    columns, indices, coefficients : of the columns in it; the last column is the combination of the others.
    exact : whether it holds without rounding.
    deviation : the largest |x.v - constant| in a row, in standard deviations of the last column; 0 if rounding explains it.
    """

    columns: tuple[str, ...]
    indices: tuple[int, ...]
    coefficients: tuple[float, ...]
    constant: float
    exact: bool = True
    deviation: float = 0.0

    @property
    def up_to_rounding(self) -> bool:
        """Whether it holds, exactly or up to rounding."""
        return self.deviation == 0.0

    @property
    def finding(self) -> Finding:
        """The relation as a finding."""
        values = {"columns": self.columns, "coefficients": self.coefficients, "constant": self.constant}
        return Finding("relation", values | {"is_exact": self.exact, "deviation": self.deviation})


@dataclass(frozen=True)
class Collinearity:
    """All relations among the columns (and the intercept, if there is one).

    relations : a sparse basis of them, at most `MAX_LISTED`, those with the fewest columns. Relations longer than `MAX_WORDS`
    are left out, except those found by counting.
    pivots : (r,), ascending, columns of which all others are combinations; earlier ones are preferred.
    null_basis : (n, n - r), orthonormal, in standardised columns (x - mean) / sd; a constant column counts as a unit vector.
    counted : whether those that are not listed are known to hold exactly.
    """

    relations: tuple[Relation, ...]
    pivots: Index = field(compare=False)
    null_basis: Matrix = field(compare=False)
    fit_intercept: bool = True
    counted: bool = False

    @property
    def exact(self) -> bool:
        """Whether every relation holds exactly."""
        return self._are_known and all(relation.exact for relation in self.relations)

    @property
    def holds(self) -> bool:
        """Whether every relation is known to hold, at least up to rounding."""
        return self._are_known and all(relation.up_to_rounding for relation in self.relations)

    @property
    def _are_known(self) -> bool:
        return self.counted or self.n_relations == len(self.relations)

    @property
    def n_relations(self) -> int:
        """How many independent relations there are, listed or not."""
        return int(self.null_basis.shape[1])

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The relations listed, and how many more there are, as findings."""
        listed, count = len(self.relations), self.n_relations
        values = {"listed": listed, "relations": count, "columns": len(self.null_basis), "most": MAX_WORDS}
        more = (Finding("more relations", values),) if count > listed else ()
        return (*(relation.finding for relation in self.relations), *more)

    def moved(self, rows: Rows, w: Vector, b: float, weights: Vector) -> Point:
        """Return, of all (w, b) with the same predictions, the one of least sum (weights_j sd_j w_j)^2; in the rows' units.

        The bias absorbs the constants of the relations. Without an intercept these are 0, and b stays.
        """
        moments, units = rows.moments(correlations=False), rows.units
        sd = np.where(moments.sd > 0, moments.sd, 1.0) / units.scale
        if (weights == 1.0).all():  # the basis is orthonormal
            t = np.asarray(w * sd @ self.null_basis)
        else:
            t = np.asarray(np.linalg.lstsq(weights[:, None] * self.null_basis, weights * w * sd, rcond=None)[0])
        change = self.null_basis @ t / sd
        mean = np.where(moments.low == moments.high, moments.low, moments.mean)  # exact for a constant column
        return w - change, b + self.fit_intercept * float((mean - units.center) / units.scale @ change)


def correlation_tolerance(n: int, m: int) -> float:
    """Bound the rounding in the eigenvalues of a correlation matrix: (n+1) 4 (n+N+8) u, N the depth of its sums."""
    depth = BLOCK_ROWS / 8 + np.log2(max(m / BLOCK_ROWS, 1.0)) + 8
    return float((n + 1) * 4 * (n + depth + 8) * U)


def find_relations(
    rows: Rows, *, fit_intercept: bool = True, tolerance: float | None = None, are_known: bool = False
) -> Collinearity:
    """Find all linear relations among the columns, from one read for the moments and one of the columns involved.

    Parameters
    ----------
    rows : Rows
        Rows of weight 0 don't count.
    fit_intercept : bool
        With an intercept, a relation may have a constant, and a constant column is itself a relation.
    tolerance : float, optional
        A column counts as a combination of those before it if they leave less than this share of its variance unexplained.
        Default: `correlation_tolerance`.
    are_known : bool
        Whether it is known that there are no others than those found by counting. Then the correlations aren't read.
    """
    n, moments = rows.n_features, rows.moments(correlations=not are_known)
    mean = np.zeros(n) if fit_intercept else moments.mean
    size = np.hypot(moments.sd, mean)
    unit = np.where(size > 0, size, 1.0)
    matrix = None  # too many columns to look for relations, or all are known
    if moments.correlation is not None:
        ratio = moments.sd / unit
        matrix = moments.correlation * np.outer(ratio, ratio) + np.outer(mean / unit, mean / unit)
    tolerance = correlation_tolerance(n, rows.n_rows) if tolerance is None else tolerance
    counted = counted_relations(rows, fit_intercept=fit_intercept)
    known = {j: of for j, of in counted.items() if (size[of.at] > 0).all()}
    if matrix is None:
        is_pivot = (size > 0) & np.isin(np.arange(n), list(known), invert=True)
        pivots, others = np.flatnonzero(is_pivot), np.flatnonzero(~is_pivot)
        vectors = {j: _unit(n, j) for j in others.tolist()}
    else:
        pivots, vectors = _echelon(matrix, tolerance, known)
    for j, of in known.items():
        vectors[j][:] = 0.0
        vectors[j][of.at] = of.coefficients * size[of.at] / size[j]
    is_whole = {j for j, v in vectors.items() if j in known or _is_sum_of_levels(v / unit, rows.feature_names)}
    _make_sparse(vectors, is_whole)
    relations = _verified(rows, vectors, unit, known, fit_intercept)
    for j, relation in relations.items():
        if relation.up_to_rounding:
            at, c = list(relation.indices), np.array(relation.coefficients)
            vectors[j][:] = 0.0
            vectors[j][at] = c / c[-1] * unit[at] / unit[j]
    basis = np.array(list(vectors.values())).reshape(len(vectors), n).T
    # In standard deviations, even if the matrix was about zero and not the mean: constant columns keep the unit vector.
    ratio = np.where(moments.sd > 0, moments.sd, 1.0) / unit
    null_basis = np.linalg.qr(basis * ratio[:, None])[0]
    are_counted = vectors.keys() - relations.keys() <= known.keys()
    return Collinearity(tuple(relations.values()), pivots, null_basis, fit_intercept, are_counted)


def _unit(n: int, j: int) -> Vector:
    v = np.zeros(n)
    v[j] = 1.0
    return v


def _echelon(matrix: Matrix, tolerance: float, known: Mapping[int, Exact]) -> tuple[Index, dict[int, Vector]]:
    """Run Cholesky in the order of the columns; a column with nothing left becomes a combination of those kept before it.

    known : columns known to depend on others; the caller fills in their relations.
    """
    n = len(matrix)
    factor, kept = np.zeros((n, n)), list[int]()
    for first in range(0, n, AT_ONCE):
        done, at = len(kept), slice(first, first + AT_ONCE)
        left = matrix[first:, at] - factor[first:, :done] @ factor[at, :done].T
        for k in range(left.shape[1]):
            new = slice(done, len(kept))
            row = factor[first + k, new]
            variance = left[k, k] - row @ row
            if variance > tolerance and first + k not in known:
                factor[first + k :, len(kept)] = (left[k:, k] - factor[first + k :, new] @ row) / np.sqrt(variance)
                kept.append(first + k)
    pivots = np.array(kept, dtype=np.int64)
    others = np.setdiff1d(np.arange(n), pivots)
    basis = np.eye(n)[others]
    if len(kept) and len(others):
        triangle, rows = factor[pivots, : len(kept)], factor[others, : len(kept)]
        basis[:, pivots] = -solve_triangular(triangle, rows.T, lower=True, trans="T").T
    basis[np.abs(basis) < ZERO * np.abs(basis).max(axis=1, keepdims=True)] = 0.0
    return pivots, dict(zip(others.tolist(), basis, strict=True))


def _is_sum_of_levels(v: Vector, names: tuple[str, ...]) -> bool:
    """Whether v (n,) adds up levels of one category, by their names: such a relation is best left as it is."""
    some = np.flatnonzero(v)
    return factor_of([names[i] for i in some]) is not None and bool(np.ptp(v[some]) <= 1e-6 * np.abs(v[some]).max())


def _make_sparse(vectors: dict[int, Vector], whole: set[int]) -> None:
    """Subtract multiples of relations from one another, in place, as long as this shortens them; those in `whole` stay."""
    pairs = [(i, j) for i in reversed(vectors) if i not in whole for j in vectors if i != j]
    changed = len(vectors) <= MAX_SPARSE
    while changed:
        changed = False
        for i, j in pairs:
            v, other = vectors[i], vectors[j]
            both = np.flatnonzero((v != 0) & (other != 0))
            if len(both) < 2:
                continue
            ratios = np.sort(v[both] / other[both])
            # The ratio that most columns share eliminates most columns.
            runs = np.split(ratios, np.flatnonzero(np.diff(ratios) > 1e-6 * np.abs(ratios[1:])) + 1)
            trial = v - max(runs, key=len)[0] * other
            trial[np.abs(trial) < 1e-6 * np.abs(v).max()] = 0.0
            if trial[i] == v[i] and np.count_nonzero(trial) < np.count_nonzero(v):
                vectors[i], changed = trial, True


def blocks(rows: Rows, columns: Index, mask: NDArray[np.bool_]) -> Iterator[tuple[Index, Matrix]]:
    """Yield the rows of a mask, block by block: their numbers, and their columns as float64."""
    step = max(1024, BLOCK_NUMBERS // max(len(columns), 1))
    rows.count_read(len(columns) / rows.n_features)
    for first in range(0, rows.n_rows, step):
        part = slice(first, first + step)
        if mask[part].any():
            X = rows.numbers(part, columns)
            yield first + np.flatnonzero(mask[part]), X if mask[part].all() else X[mask[part]]


@dataclass
class _Trial:
    """Coefficients v (k,) and a constant on trial, and how well the relation holds in the rows so far.

    ratio : largest residual in units of its rounding. residual : the largest.
    """

    v: Vector
    constant: float
    exact: bool = True
    ratio: float = 0.0
    residual: float = 0.0

    def add(self, X: Matrix, unit: float) -> None:
        """Check rows X (q, k) against the rounding of their terms: (k+2) u (|x|.|v| + |constant|)."""
        residual = np.abs(X @ self.v - self.constant)
        if residual.any():
            bound = (len(self.v) + 2) * unit * (np.abs(X) @ np.abs(self.v) + abs(self.constant))
            ratio = np.where(residual == 0, 0.0, residual / bound)
            # A relation that overflows float64 counts as false.
            residual, ratio = (np.where(np.isnan(x), np.inf, x) for x in (residual, ratio))
            self.residual = max(self.residual, float(residual.max()))
            self.ratio = max(self.ratio, float(ratio.max()))
        v, b = [Fraction(c) for c in self.v.tolist()], Fraction(-self.constant)
        for some in (X[:FEW], X):  # a few rows mostly decide
            self.exact = self.exact and self.ratio <= NEAR and not exact_signs(some, v, b).any()

    def rank(self) -> tuple[bool, float]:
        """Return a sort key: exact trials first, then by their ratio above `NEAR`, in powers of two."""
        return not self.exact, float(np.ceil(np.log2(max(self.ratio / NEAR, 1.0))))


def _trials(c: Vector, x: Vector, unit: float, fit_intercept: bool) -> Iterator[_Trial]:
    """Make trials of simple numbers near c (k,), of c itself, and of the last column alone; the constant is from a row x."""
    for make in (lambda: _simple_numbers(c), lambda: c / c[-1], lambda: np.eye(len(c))[-1]):
        v = make()
        if v is None or not np.isfinite(np.abs(v * x).sum()):
            continue
        products = [Fraction(factor) * Fraction(value) for factor, value in zip(v.tolist(), x.tolist(), strict=True)]
        constant = sum(products, Fraction(0))
        least = 2**20 * Fraction(unit) * sum(map(abs, products))  # smaller ones are rounding
        yield _Trial(v, float(constant) if fit_intercept and abs(constant) > least else 0.0)


def _is_zero(rows: Rows, at: Index, trial: _Trial) -> bool:
    """Whether a trial with levels is 0 in every row, if its sums are of whole numbers and don't round: else it isn't known."""
    numbers = at[rows.design.numeric[at]]
    if len(numbers) == len(at):
        return False
    moments = rows.moments(correlations=False)
    largest = np.maximum(np.abs(moments.low[at]), np.abs(moments.high[at])) @ np.abs(trial.v) + abs(trial.constant)
    parts = (X for _, X in blocks(rows, numbers, rows.is_kept)) if len(numbers) else ()
    if not largest < WHOLE or any((x != np.rint(x)).any() for x in ([*trial.v, trial.constant], *parts)):
        return False
    w = np.zeros(rows.n_features)
    w[at] = trial.v
    return not rows.as_given().scores(w, -trial.constant)[rows.is_kept].any()


def _try(rows: Rows, trials: Mapping[int, tuple[Index, list[_Trial]]], unit: float) -> None:
    """Check trials of some columns each in all rows: one read of the columns, if there are any."""
    trials = {
        j: (at, left) for j, (at, those) in trials.items() if (left := [t for t in those if not _is_zero(rows, at, t)])
    }
    columns = np.unique(np.concatenate([np.zeros(0, dtype=np.int64), *(at for at, _ in trials.values())]))
    for _, X in blocks(rows, columns, rows.is_kept) if len(columns) else ():
        for at, those in trials.values():
            some = np.asfortranarray(X[:, np.searchsorted(columns, at)])
            for trial in those:
                trial.add(some, unit)


def _verified(
    rows: Rows, vectors: dict[int, Vector], size: Vector, known: Mapping[int, Exact], fit_intercept: bool
) -> dict[int, Relation]:
    """Turn the shortest null vectors (n,), in units of the columns' sizes, into relations, each by its last column.

    All are checked together in one read of the columns in them, and those whose first trial isn't exact in another one.
    Known ones need no check.
    """
    terms = {j: np.count_nonzero(v) for j, v in vectors.items()}
    short = [j for j in vectors if terms[j] <= MAX_WORDS or j in known]
    listed = sorted(sorted(short, key=lambda j: (j in known, terms[j], j))[:MAX_LISTED])  # first those to be checked
    sought = {j: np.append(np.setdiff1d(np.flatnonzero(vectors[j]), j), j) for j in listed if j not in known}
    supports = {j: known[j].at if j in known else sought[j] for j in listed}
    heaviest = int(np.argmax(rows.is_kept if rows.s is None else rows.s))
    x, unit = rows.numbers(np.array([heaviest]))[0], rows.design.unit
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        trials = {j: [] if j in sought else [_Trial(known[j].coefficients, known[j].constant)] for j in supports}
        more = {j: _trials(vectors[j][at] / size[at], x[at], unit, fit_intercept) for j, at in sought.items()}
        for most in (1, None):
            new = {j: list(islice(those, most)) for j, those in more.items() if not any(t.exact for t in trials[j])}
            _try(rows, {j: (sought[j], those) for j, those in new.items()}, unit)
            for j, those in new.items():
                trials[j] += those
    sd = rows.moments(correlations=False).sd
    spread, relations = np.where(sd > 0, sd, size), {}  # without an intercept sizes are about 0
    for j, at in supports.items():
        names, indices = tuple(rows.feature_names[i] for i in at), tuple(at.tolist())
        best = min(trials[j], key=_Trial.rank)
        apart = best.residual / float(best.v[-1]) / float(spread[j]) if best.ratio > NEAR else 0.0
        relations[j] = Relation(names, indices, tuple(best.v.tolist()), best.constant, best.exact, apart)
    return relations


def _simple_numbers(c: Vector) -> Vector | None:
    """Return whole numbers in about the ratios of c, or these times powers of two (for differing scales); else None."""
    mantissas, exponents = np.frexp(c / c[-1])
    if not mantissas.all() or not np.isfinite(mantissas).all():
        return None
    near = [Fraction(x).limit_denominator(SIMPLE) for x in mantissas.tolist()]
    if np.abs(np.array(near, dtype=np.float64) - mantissas).max() > CLOSE:
        return None
    whole = whole_numbers([x * Fraction(2) ** e for x, e in zip(near, exponents.tolist(), strict=True)])
    if max(map(abs, whole)) > 2**MOST_BITS:
        return None
    return np.array([x // gcd(*whole) for x in whole], dtype=np.float64)
