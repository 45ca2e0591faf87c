"""Linear relations among columns: their numbers, tried on every row.

Where a relation holds only up to rounding, that is said: in exact arithmetic the column is *not* a combination of the others,
and so no exact statement may rest on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from chainrule.data.rows import Moments, Rows
from chainrule.diagnosis.exact import exact_signs, simple_fraction, snapped
from chainrule.diagnosis.wording import relation_sentence

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Index = NDArray[np.int64]

BLOCK_NUMBERS = 2_000_000  # numbers of X held at once


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

    @property
    def sentence(self) -> str:
        """The relation in words, with how well it holds."""
        text = relation_sentence(self.columns, self.coefficients, self.constant)
        if self.exact:
            return text
        if len(self.columns) == 1:
            return f"{text} but for rows of next to no weight"
        well = "up to rounding, not exactly"
        return f"{text} ({well if self.up_to_rounding else f'to within {self.deviation:.1g} standard deviations'})"


def active_blocks(rows: Rows, columns: Index, keep: NDArray[np.bool_] | None = None) -> Iterator[tuple[Index, Matrix]]:
    """Rows that count (positive weight, and in `keep`), block by block: their numbers, and their columns as float64."""
    step = max(1024, BLOCK_NUMBERS // max(len(columns), 1))
    rows.count_read(len(columns) / rows.n_features)
    for first in range(0, rows.n_rows, step):
        part = slice(first, first + step)
        mask = rows.is_kept[part] if keep is None else keep[part] & rows.is_kept[part]
        if mask.any():
            X = rows.block(part, columns)
            yield first + np.flatnonzero(mask), X if mask.all() else X[mask]


@dataclass
class _Trial:
    """Rational coefficients and a constant, and how well they hold in the rows so far.

    ratio : largest residual in units of its rounding. residual : the largest.
    """

    v: list[Fraction]
    constant: Fraction
    exact: bool = True
    ratio: float = 0.0
    residual: float = 0.0

    def add(self, X: Matrix, unit: float) -> None:
        """Take in rows X (q, columns). Up to rounding: within twice (k+2) u (|x|.|v| + |constant|)."""
        c, constant = np.array([as_float(c) for c in self.v]), as_float(self.constant)
        with np.errstate(over="ignore", invalid="ignore"):
            residual = np.abs(X @ c - constant)
            bound = 2 * (len(c) + 2) * unit * (np.abs(X) @ np.abs(c) + abs(constant))
            ratio = np.divide(residual, bound, out=np.where(residual > 0, np.inf, 0.0), where=bound > 0)
        # What is beyond float64 doesn't hold.
        self.residual = max(self.residual, float(np.nan_to_num(residual, nan=np.inf, posinf=np.inf).max(initial=0.0)))
        self.ratio = max(self.ratio, float(np.nan_to_num(ratio, nan=np.inf, posinf=np.inf).max(initial=0.0)))
        self.exact = self.exact and self.ratio <= 1.0 and not exact_signs(X, self.v, -self.constant).any()

    @property
    def rank(self) -> tuple[bool, float]:
        """What a better trial has less of: inexactness, then a ratio above 1, which counts from half to twice as one."""
        return not self.exact, float(np.ceil(np.log2(max(self.ratio, 1.0))))


@dataclass(frozen=True)
class Relations:
    """What relations are looked for in: the rows, their moments, and the columns' sizes in the vectors' units."""

    rows: Rows
    moments: Moments
    size: Vector
    fit_intercept: bool

    def find(self, vectors: dict[int, Vector]) -> dict[int, Relation]:
        """Turn null vectors (n,), in units of the columns' sizes, into relations; each by its last column.

        All are tried together, in one read of the columns that take part; those that don't hold are then fitted to all rows.
        """
        supports = {j: np.append(np.setdiff1d(np.flatnonzero(v), j), j) for j, v in vectors.items()}
        first = self.rows.given(np.flatnonzero(self.rows.is_kept)[:1])[0]
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            near = {j: list(snapped(vectors[j][at] / self.size[at])) for j, at in supports.items()}
        trials = {j: self._trials(near[j], first[at]) for j, at in supports.items()}
        self._try(supports, trials)
        rough = {j: at for j, at in supports.items() if all(trial.ratio > 1.0 for trial in trials[j])}
        if rough:
            fitted = self._fitted(rough, vectors)
            more = {j: self._trials(fitted[j], first[at]) for j, at in rough.items()}
            self._try(rough, more)
            for j, some in more.items():
                trials[j] += some
        return {j: self._relation(at, min(trials[j], key=lambda trial: trial.rank)) for j, at in supports.items()}

    def _trials(self, numbers: Iterable[list[Fraction]], first: Vector) -> list[_Trial]:
        """Add constants to coefficients: a simple one, and the one that the first row has exactly."""
        trials = []
        for c in numbers:
            products = [a * Fraction(x) for a, x in zip(c, first.tolist(), strict=True)]
            constant, size = sum(products, Fraction(0)), sum(map(abs, products), Fraction(0))
            if not self.fit_intercept:
                simple = constant = Fraction(0)
            elif abs(constant) <= 2**20 * Fraction(self.rows.unit) * size:
                simple = Fraction(0)
            else:
                about = as_float(constant)
                simple = simple_fraction(about, 1e-9) or Fraction(f"{about:.9g}" if np.isfinite(about) else constant)
            trials += [_Trial(c, value) for value in dict.fromkeys((simple, constant))]
        return trials

    def _blocks(self, supports: dict[int, Index]) -> Iterator[dict[int, Matrix]]:
        """All rows that count, block by block: the columns of each support."""
        columns = np.unique(np.concatenate(list(supports.values())))
        for _, X in active_blocks(self.rows, columns):
            yield {j: X[:, np.searchsorted(columns, at)] for j, at in supports.items()}

    def _try(self, supports: dict[int, Index], trials: dict[int, list[_Trial]]) -> None:
        """Try them on all rows."""
        for block in self._blocks(supports):
            for j, X in block.items():
                for trial in trials[j]:
                    trial.add(X, self.rows.unit)

    def _fitted(self, supports: dict[int, Index], vectors: dict[int, Vector]) -> dict[int, list[list[Fraction]]]:
        """Take the numbers from the rows, by a step of least squares on their residuals: simple ones near them, and they."""
        center = self.moments.mean if self.fit_intercept else np.zeros(self.rows.n_features)
        sums = {j: np.zeros((len(at), len(at) + 1)) for j, at in supports.items()}
        for block in self._blocks(supports):
            for j, X in block.items():
                at = supports[j]
                Z = (X - center[at]) / self.size[at]
                sums[j] += Z.T @ np.column_stack([Z, Z @ vectors[j][at]])
        found = {}
        for j, at in supports.items():
            c = vectors[j][at]
            step = np.linalg.lstsq(sums[j][:-1, :-2], sums[j][:-1, -1], rcond=None)[0]
            with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
                c = np.append(c[:-1] - np.where(np.isfinite(step), step, 0.0), c[-1]) / self.size[at]
                c = c / c[-1]
                # Nothing that a float64 holds: the last column by itself, with what that leaves open.
                c = np.where(np.isfinite(c).all(), c, np.append(np.zeros(len(c) - 1), 1.0))
                found[j] = [*(snapped(c) if c.all() else ()), [Fraction(x) for x in c.tolist()]]
        return found

    def _relation(self, at: Index, found: _Trial) -> Relation:
        size = float(self.size[at[-1]])
        return Relation(
            columns=tuple(self.rows.feature_names[i] for i in at),
            indices=tuple(at.tolist()),
            coefficients=tuple(as_float(c) for c in found.v),
            constant=as_float(found.constant),
            exact=found.exact,
            up_to_rounding=found.ratio <= 1.0,
            deviation=0.0 if found.exact else found.residual / abs(as_float(found.v[-1])) / size,
        )


def as_float(value: Fraction) -> float:
    """Nearest float64; infinite beyond them."""
    try:
        return float(value)
    except OverflowError:
        return np.inf if value > 0 else -np.inf
