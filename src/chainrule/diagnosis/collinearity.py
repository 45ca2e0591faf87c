"""Collinear columns: the linear relations among them, with small whole numbers where possible.

They are found in the correlation matrix, whose rounding sets the tolerance, and verified on every row. A relation that holds
only up to rounding is marked: in exact arithmetic the column is *not* a combination of the others, so nothing exact may be
concluded from it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from chainrule.data.rows import Moments, Rows
from chainrule.diagnosis.exact import U, exact_signs, snapped
from chainrule.findings import Finding, factor_of
from chainrule.kernels.reading import BLOCK_ROWS

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Index = NDArray[np.int64]

BLOCK_NUMBERS = 2_000_000  # numbers of X held at once
ZERO = 1e-7  # of the largest coefficient in standardised columns; smaller ones are tried as 0
NEAR = 100.0  # times the rounding of a relation's terms; the coefficients carry the correlations' rounding too
FEW = 64  # rows
MAX_LISTED = 40  # relations that are verified and listed, those with the fewest columns first
MAX_WORDS = 100  # columns in a relation; longer ones are only counted
MAX_SPARSE = 60  # relations, up to which they are made sparse


@dataclass(frozen=True)
class Relation:
    """coefficients . x[indices] = constant in every row.

    columns, indices, coefficients : of the columns in it; the last column follows from those before it.
    exact : it holds without rounding. Otherwise deviation : the largest |x.v - constant| in a row, in standard deviations of
    the last column; up_to_rounding : whether rounding explains that.
    """

    columns: tuple[str, ...]
    indices: tuple[int, ...]
    coefficients: tuple[float, ...]
    constant: float
    exact: bool
    up_to_rounding: bool
    deviation: float

    @property
    def finding(self) -> Finding:
        """The relation as a finding."""
        values = {"columns": self.columns, "coefficients": self.coefficients, "constant": self.constant}
        well = {"is_exact": self.exact, "deviation": 0.0 if self.up_to_rounding else self.deviation}
        return Finding("relation", values | well)


@dataclass(frozen=True)
class Collinearity:
    """All relations among the columns (with the intercept, where there is one).

    relations : a sparse basis of them, at most `MAX_LISTED`, those with the fewest columns. Relations longer than `MAX_WORDS`
    are left out, except for all levels of a category.
    pivots : (r,), columns of which all others are combinations; earlier ones are preferred.
    null_basis : (n, n - r), orthonormal, in standardised columns (x - mean) / sd; a constant column counts as a unit vector.
    """

    relations: tuple[Relation, ...]
    pivots: Index = field(compare=False)
    null_basis: Matrix = field(compare=False)

    @property
    def vectors(self) -> Matrix:
        """Coefficients of the relations listed, (n, k)."""
        found = np.zeros((len(self.null_basis), len(self.relations)))
        for k, relation in enumerate(self.relations):
            found[list(relation.indices), k] = relation.coefficients
        return found

    @property
    def exact(self) -> bool:
        """Whether every relation holds exactly."""
        return self.n_relations == len(self.relations) and all(relation.exact for relation in self.relations)

    @property
    def holds(self) -> bool:
        """Whether every relation is listed and holds, at least up to rounding."""
        return self.n_relations == len(self.relations) and all(relation.up_to_rounding for relation in self.relations)

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

    @property
    def sentence(self) -> str:
        """All of it, in one line; empty when there are none."""
        return "; ".join(map(str, self.findings))


def correlation_tolerance(n: int, m: int) -> float:
    """Bound the rounding in the eigenvalues of a correlation matrix: (n+1) 4 (n+N+8) u, N the depth of its sums."""
    depth = BLOCK_ROWS / 8 + np.log2(max(m / BLOCK_ROWS, 1.0)) + 8
    return float((n + 1) * 4 * (n + depth + 8) * U)


def find_relations(rows: Rows, *, fit_intercept: bool = True, tolerance: float | None = None) -> Collinearity:
    """Find all linear relations among the columns, from one read for the moments and one of the columns involved.

    Parameters
    ----------
    rows : Rows
        Rows of weight 0 don't count.
    fit_intercept : bool
        With an intercept a relation may have a constant, and a constant column is one.
    tolerance : float, optional
        A column is taken as a combination of those before it if they leave less than this share of its variance unexplained.
        Default: `correlation_tolerance`.
    """
    n, names, moments = rows.n_features, rows.feature_names, rows.moments()
    mean = np.zeros(n) if fit_intercept else moments.mean
    size = np.hypot(moments.sd, mean)
    unit = np.where(size > 0, size, 1.0)
    matrix = np.diag((size > 0).astype(np.float64))  # too many columns to look for relations
    if moments.correlation is not None:
        ratio = moments.sd / unit
        matrix = moments.correlation * np.outer(ratio, ratio) + np.outer(mean / unit, mean / unit)
    tolerance = correlation_tolerance(n, rows.n_rows) if tolerance is None else tolerance
    # A category with a column for every level: these add up to 1 in each row, and no row need be read for it.
    groups = [at for at, has_first in rows.design.groups if fit_intercept and not has_first and at.stop - at.start > 1]
    categories = {at.stop - 1: at for at in groups if (size[at] > 0).all()}
    pivots, vectors = _echelon(matrix, size > 0, tolerance, set(categories))
    for j, v in vectors.items():
        if j in categories:
            v[categories[j]] = size[categories[j]] / size[j]
    whole = set(categories)
    for j, v in vectors.items():  # or the plain sum of levels, by their names
        some = np.flatnonzero(v)
        if factor_of([names[i] for i in some.tolist()]) and np.ptp(v[some] / unit[some]) <= 1e-6 / unit[j]:
            whole.add(j)
    _make_sparse(vectors, whole)
    sizes = {j: np.count_nonzero(v) for j, v in vectors.items()}
    short = [j for j in vectors if sizes[j] <= MAX_WORDS or j in categories]
    listed = sorted(sorted(short, key=lambda j: (sizes[j], j))[:MAX_LISTED])
    known = {j: _known(rows, moments, j, categories.get(j)) for j in listed if j in categories or size[j] == 0}
    sought = {j: vectors[j] for j in listed if j not in known}
    relations = known | _tried(rows, sought, size, fit_intercept)
    for j, relation in relations.items():
        if relation.up_to_rounding:
            at, c = list(relation.indices), np.array(relation.coefficients)
            vectors[j][:] = 0.0
            vectors[j][at] = c / c[-1] * unit[at] / unit[j]
    basis = np.array(list(vectors.values())).reshape(len(vectors), n).T
    # In units of the deviation also where the matrix was about zero: constant columns keep the unit vector.
    ratio = np.where(moments.sd > 0, moments.sd, 1.0) / unit
    return Collinearity(tuple(relations[j] for j in listed), pivots, np.linalg.qr(basis * ratio[:, None])[0])


def moved_along(
    null_basis: Matrix,
    w: Vector,
    b: float,
    moments: Moments,
    *,
    about: Vector | float = 0,
    fit_intercept: bool = True,
    zero: Index | None = None,
) -> tuple[Vector, float]:
    """Of all (w, b) with the same predictions, the one of least norm in standardised columns, or with no weight in `zero`.

    w (n,) is in the user's units, b for columns minus `about`; null_basis N is from `find_relations`. With v = w sd: v - N N'v;
    the bias absorbs the constants of the relations. Without an intercept these are 0, and b stays.
    """
    scale = np.where(moments.sd > 0, moments.sd, 1.0)
    v = w * scale
    t = null_basis.T @ v if zero is None else np.linalg.lstsq(null_basis[zero], v[zero], rcond=None)[0]
    other = (v - null_basis @ t) / scale
    if zero is not None:
        other[zero] = 0.0
    mean = np.where(moments.low == moments.high, moments.low, moments.mean)  # of a constant column without rounding
    return other, b + fit_intercept * float((mean - about) @ (w - other))


def _echelon(
    matrix: Matrix, alive: NDArray[np.bool_], tolerance: float, known: set[int]
) -> tuple[Index, dict[int, Vector]]:
    """Cholesky in the order of the columns; a column with nothing left is expressed by those kept before it.

    known : columns that surely depend on others; the caller fills in their relations.
    """
    n = len(matrix)
    if alive.all() and not known:
        try:
            if np.diag(np.linalg.cholesky(matrix)).min() ** 2 > tolerance:
                return np.arange(n), {}
        except np.linalg.LinAlgError:
            pass
    factor = np.zeros((n, n), order="F")
    kept: list[int] = []
    vectors: dict[int, Vector] = {}
    for j in range(n):
        r = len(kept)
        row, left = np.zeros(r), 0.0
        if alive[j] and j not in known:
            row = solve_triangular(factor[:r, :r], matrix[kept, j], lower=True) if r else row
            left = matrix[j, j] - row @ row
        if left > tolerance:
            factor[r, :r], factor[r, r] = row, np.sqrt(left)
            kept.append(j)
            continue
        v = np.zeros(n)
        v[j] = 1.0
        if row.any():
            v[kept] = -solve_triangular(factor[:r, :r], row, lower=True, trans="T")
        v[np.abs(v) < ZERO * np.abs(v).max()] = 0.0
        vectors[j] = v
    return np.array(kept, dtype=np.int64), vectors


def _make_sparse(vectors: dict[int, Vector], whole: set[int]) -> None:
    """Subtract multiples of relations from one another, in place, as long as they get shorter.

    whole : relations that stay as they are, since they read best so.
    """
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
            # The ratio that most columns share takes the most of them out.
            runs = np.split(ratios, np.flatnonzero(np.diff(ratios) > 1e-6 * np.abs(ratios[1:])) + 1)
            trial = v - max(runs, key=len)[0] * other
            trial[np.abs(trial) < 1e-6 * np.abs(v).max()] = 0.0
            if trial[i] == v[i] and np.count_nonzero(trial) < np.count_nonzero(v):
                vectors[i], changed = trial, True


def _known(rows: Rows, moments: Moments, j: int, levels: slice | None) -> Relation:
    """Make a relation that is known without reading a row: a category's levels add up to 1, or a column is constant.

    A column counts as constant too if its numbers differ only in rows of next to no weight.
    """
    names = rows.feature_names
    if levels is not None:
        at = tuple(range(levels.start, levels.stop))
        return Relation(names[levels], at, (1.0,) * len(at), 1.0, exact=True, up_to_rounding=True, deviation=0.0)
    exact = bool(moments.low[j] == moments.high[j])
    value = float(moments.low[j] if exact else moments.mean[j])
    return Relation((names[j],), (j,), (1.0,), value, exact, exact, 0.0 if exact else np.inf)


def active_blocks(rows: Rows, columns: Index, keep: NDArray[np.bool_] | None = None) -> Iterator[tuple[Index, Matrix]]:
    """Yield rows of positive weight that are in `keep`, block by block: their numbers, and their columns as float64."""
    step = max(1024, BLOCK_NUMBERS // max(len(columns), 1))
    rows.count_read(len(columns) / rows.n_features)
    for first in range(0, rows.n_rows, step):
        part = slice(first, first + step)
        mask = rows.is_kept[part] if keep is None else keep[part] & rows.is_kept[part]
        if mask.any():
            X = rows.numbers(part, columns)
            yield first + np.flatnonzero(mask), X if mask.all() else X[mask]


@dataclass
class _Trial:
    """A relation on trial: rational coefficients and a constant, and how well it holds in the rows so far.

    ratio : largest residual in units of its rounding. residual : the largest.
    """

    v: list[Fraction]
    constant: Fraction
    exact: bool = True
    ratio: float = 0.0
    residual: float = 0.0

    @classmethod
    def of(cls, v: list[Fraction], first: Vector, unit: float, fit_intercept: bool) -> _Trial:
        """Take the constant from the first row; 0 if it is next to nothing."""
        products = [c * Fraction(x) for c, x in zip(v, first.tolist(), strict=True)]
        constant, size = sum(products, Fraction(0)), sum(map(abs, products), Fraction(0))
        has_one = fit_intercept and abs(constant) > 2**20 * Fraction(unit) * size
        return cls(v, constant if has_one else Fraction(0))

    def add(self, X: Matrix, unit: float) -> None:
        """Take in rows X (q, columns), and the rounding of their terms: (k+2) u (|x|.|v| + |constant|)."""
        c, constant = np.array([_as_float(c) for c in self.v]), _as_float(self.constant)
        residual = np.abs(X @ c - constant)
        bound = (len(c) + 2) * unit * (np.abs(X) @ np.abs(c) + abs(constant))
        ratio = np.where(residual == 0, 0.0, residual / bound)
        # What is beyond float64 doesn't hold.
        residual, ratio = (np.where(np.isnan(x), np.inf, x) for x in (residual, ratio))
        self.residual = max(self.residual, float(residual.max(initial=0.0)))
        self.ratio = max(self.ratio, float(ratio.max(initial=0.0)))
        for some in (X[:FEW], X):  # few rows mostly tell
            self.exact = self.exact and self.ratio <= NEAR and not exact_signs(some, self.v, -self.constant).any()

    def rank(self) -> tuple[bool, float]:
        """Order trials: exact ones first, then by their ratio above `NEAR`, in powers of two."""
        return not self.exact, float(np.ceil(np.log2(max(self.ratio / NEAR, 1.0))))


def _tried(rows: Rows, vectors: dict[int, Vector], size: Vector, fit_intercept: bool) -> dict[int, Relation]:
    """Turn null vectors (n,), in units of the columns' sizes, into relations; each by its last column.

    All are tried together in one read of the columns that take part: as simple numbers near them, and as they are.
    """
    supports = {j: np.append(np.setdiff1d(np.flatnonzero(v), j), j) for j, v in vectors.items()}
    first = rows.numbers(np.flatnonzero(rows.is_kept)[:1])[0]
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        trials = {}
        for j, at in supports.items():
            c = vectors[j][at] / size[at]
            raw = c / c[-1]
            if not np.isfinite(raw).all():  # the last column by itself, with what that leaves open
                raw = np.append(np.zeros(len(c) - 1), 1.0)
            near = [*snapped(c), [Fraction(x) for x in raw.tolist()]]
            trials[j] = [_Trial.of(v, first[at], rows.design.unit, fit_intercept) for v in near]
        columns = np.unique(np.concatenate([np.zeros(0, dtype=np.int64), *supports.values()]))
        for _, X in active_blocks(rows, columns) if len(columns) else ():
            for j, at in supports.items():
                for trial in trials[j]:
                    trial.add(X[:, np.searchsorted(columns, at)], rows.design.unit)
    relations = {}
    for j, at in supports.items():
        best = min(trials[j], key=_Trial.rank)
        v = tuple(map(_as_float, best.v))
        deviation = 0.0 if best.exact else best.residual / (abs(v[-1]) * float(size[j]))
        names = tuple(rows.feature_names[i] for i in at)
        constant, is_near = _as_float(best.constant), best.ratio <= NEAR
        relations[j] = Relation(names, tuple(at.tolist()), v, constant, best.exact, is_near, deviation)
    return relations


def _as_float(value: Fraction) -> float:
    """Nearest float64; infinite beyond them."""
    try:
        return float(value)
    except OverflowError:
        return np.inf if value > 0 else -np.inf
