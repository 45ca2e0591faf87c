"""One linear relation among columns: its numbers found from some rows, tried on all of them, and put into words.

All relations are tried together, in one read of the columns that take part; exactly, where the numbers are rational. A relation
that holds only up to rounding is said so: in exact arithmetic the column is *not* a combination of the others (shared notes on
the certificate, section 5), and so no exact statement may rest on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import gcd

import numpy as np
from numpy.typing import NDArray

from chainrule.data.rows import Moments, Rows, power_of_two, spread_rows
from chainrule.diagnosis.exact import exact_signs, simple_fraction, whole_numbers

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Index = NDArray[np.int64]

BLOCK_NUMBERS = 2_000_000  # numbers of X held at once
FEW_ROWS = 4096  # from which the numbers come, and on which most trials fail
MOST_TRIALS = 3  # of a relation, that are tried on all rows beside the first that is exact on some


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


def active_blocks(rows: Rows, columns: Index, keep: NDArray[np.bool_] | None = None) -> Iterator[tuple[Index, Matrix]]:
    """Rows that count (positive weight, and in `keep`), block by block: their numbers, and their columns as float64."""
    step = max(1024, BLOCK_NUMBERS // max(len(columns), 1))
    rows.count_read(len(columns) / rows.n_features)
    for first in range(0, rows.n_rows, step):
        part = slice(first, first + step)
        mask = np.ones(len(rows.y[part]), dtype=np.bool_) if keep is None else keep[part]
        if rows.s is not None:
            mask = mask & (rows.s[part] > 0)
        if not mask.any():
            continue
        X = rows.block(part, columns)
        yield first + np.flatnonzero(mask), X if mask.all() else X[mask]


@dataclass
class Trial:
    """A relation to be tried: exact rationals for the columns `support` (the last one follows from the others).

    exact : whether it holds without any rounding. ratio : largest residual in units of its rounding. residual : the largest.
    """

    support: Index
    v: list[Fraction]
    constant: Fraction
    exact: bool = True
    ratio: float = 0.0
    residual: float = 0.0

    @property
    def holds(self) -> bool:
        """Whether it holds, at least up to rounding."""
        return self.exact or self.ratio <= 1.0

    def untried(self) -> Trial:
        """Give the same once more, before any row."""
        return Trial(self.support, self.v, self.constant)

    def add(self, X: Matrix, unit: float) -> None:
        """Take in rows X (k, columns of the support). Up to rounding: within twice (k+2) u (|x|.|v| + |constant|)."""
        coefficients, constant = np.array([as_float(c) for c in self.v]), as_float(self.constant)
        with np.errstate(over="ignore", invalid="ignore"):
            residual = np.abs(X @ coefficients - constant)
            bound = 2 * (len(self.v) + 2) * unit * (np.abs(X) @ np.abs(coefficients) + abs(constant))
            ratio = np.divide(residual, bound, out=np.where(residual > 0, np.inf, 0.0), where=bound > 0)
        residual, ratio = (
            np.where(np.isnan(v), np.inf, v) for v in (residual, ratio)
        )  # beyond float64: it doesn't hold
        self.residual = max(self.residual, float(residual.max(initial=0.0)))
        self.ratio = max(self.ratio, float(ratio.max(initial=0.0)))
        if self.exact:
            self.exact = self.ratio <= 1.0 and not exact_signs(X, self.v, -self.constant).any()


@dataclass(frozen=True)
class Relations:
    """What relations are looked for in: the rows, their moments, and the columns' sizes in the vectors' units."""

    rows: Rows
    moments: Moments
    size: Vector
    fit_intercept: bool
    few: Matrix = field(repr=False)  # some rows of positive weight, all columns; the first one is the first of all
    few_are_all: bool = False

    @classmethod
    def of(cls, rows: Rows, moments: Moments, size: Vector, fit_intercept: bool) -> Relations:
        """Take some rows, spread over the data; all where there are few."""
        kept = np.flatnonzero(rows.is_kept)
        places = kept if len(kept) <= FEW_ROWS else np.union1d(kept[:1], kept[spread_rows(len(kept), FEW_ROWS)])
        rows.count_read(len(places) / rows.n_rows)
        return cls(rows, moments, size, fit_intercept, rows.given(places), len(places) == len(kept))

    def find(self, vectors: Sequence[Vector], last: Sequence[int]) -> list[Relation]:
        """Turn null vectors (n,), in units of the columns' sizes, into relations: each has a column of its own, `last`."""
        supports = [np.flatnonzero(v) for v in vectors]
        supports = [np.append(support[support != j], j) for support, j in zip(supports, last, strict=True)]
        trials = [self._trials(support, v[support]) for support, v in zip(supports, vectors, strict=True)]
        if not self.few_are_all:
            self._try([trial for some in trials for trial in some])
        rough = [k for k, some in enumerate(trials) if not any(trial.holds for trial in some)]
        if rough:
            # The numbers of all rows' least squares, beside the best so far.
            refined = self._refined([supports[k] for k in rough], [vectors[k][supports[k]] for k in rough])
            more = [self._with_constants(supports[k], c, self.few[0]) for k, c in zip(rough, refined, strict=True)]
            self._try([trial for some in more for trial in some])
            for k, some in zip(rough, more, strict=True):
                known, least = (min(of, key=lambda trial: trial.ratio, default=None) for of in (trials[k], some))
                assert least is not None
                trials[k] = [least if known is None or least.ratio < 0.5 * known.ratio else known]
        return [self._relation(_best(some)) for some in trials]

    def _trials(self, support: Index, v: Vector) -> list[Trial]:
        """Give the numbers that may hold, simplest first: those that some rows don't refute, or else the first alone."""
        first, p = self.few[0], power_of_two(self.size[support])
        given = [*_snapped(v / self.size[support]), *_snapped(v / (self.size[support] * p), p)]
        fitted = _fitted(self.few[:, support], self.moments, support, self.size, self.fit_intercept)
        if fitted is not None:
            # Columns that hardly count where the vector comes from are as good as any in the rows.
            given += [*(_snapped(np.array([as_float(c) for c in fitted])) if all(fitted) else ()), fitted]
        all_trials = [trial for c in given for trial in self._with_constants(support, c, first)]
        kept: list[Trial] = []
        for trial in all_trials:
            trial.add(self.few[:, support], self.rows.unit)
            if trial.exact or (trial.holds and len(kept) < MOST_TRIALS):
                kept.append(trial)
            if trial.exact:
                break
        trials = kept or all_trials[:2]  # with both constants
        return trials if self.few_are_all else [trial.untried() for trial in trials]

    def _with_constants(self, support: Index, c: list[Fraction], first: Vector) -> list[Trial]:
        """Choose the constant: a simple one, and the one that the first row has exactly."""
        if not self.fit_intercept:
            return [Trial(support, c, Fraction(0))]
        products = [a * Fraction(float(x)) for a, x in zip(c, first[support], strict=True)]
        constant, size = sum(products, Fraction(0)), sum((abs(product) for product in products), Fraction(0))
        if not np.isfinite(as_float(size)):
            return [Trial(support, c, constant)]
        near = simple_fraction(float(constant), 1e-9) or Fraction(float(f"{float(constant):.9g}"))
        simple = Fraction(0) if abs(constant) <= 2**20 * self.rows.unit * float(size) else near
        return [Trial(support, c, value) for value in dict.fromkeys((simple, constant))]

    def _try(self, trials: list[Trial]) -> None:
        """Try them on all rows: one read of the columns that take part."""
        for X, place in self._blocks([trial.support for trial in trials]):
            for trial in trials:
                trial.add(X[:, place[trial.support]], self.rows.unit)

    def _blocks(self, supports: Iterable[Index]) -> Iterator[tuple[Matrix, Index]]:
        """All rows that count, block by block: the columns that take part, and where each is among them."""
        if self.few_are_all:
            yield self.few, np.arange(self.rows.n_features)
            return
        columns = np.unique(np.concatenate([np.zeros(0, dtype=np.int64), *supports]))
        place = np.zeros(self.rows.n_features, dtype=np.int64)
        place[columns] = np.arange(len(columns))
        for _, X in active_blocks(self.rows, columns) if len(columns) else ():
            yield X, place

    def _refined(self, supports: list[Index], vectors: list[Vector]) -> list[list[Fraction]]:
        """Take the numbers from the rows once more, by a step of least squares on their residuals."""
        sums = [np.zeros((len(support), len(support) + 1)) for support in supports]
        center = self.moments.mean if self.fit_intercept else np.zeros(self.rows.n_features)
        for X, place in self._blocks(supports):
            for support, v, total in zip(supports, vectors, sums, strict=True):
                Z = (X[:, place[support]] - center[support]) / self.size[support]
                total[:, :-1] += Z.T @ Z
                total[:, -1] += Z.T @ (Z @ v)
        found = []
        for support, v, total in zip(supports, vectors, sums, strict=True):
            standard = v.copy()
            if len(support) > 1:
                step = np.linalg.lstsq(total[:-1, :-2], total[:-1, -1], rcond=None)[0]
                standard[:-1] -= np.where(np.isfinite(step).all(), step, 0.0)
            # Nothing that a float64 holds: the last column by itself, with what that leaves open.
            found.append(_rationals(standard, self.size[support]) or [*[Fraction(0)] * (len(support) - 1), Fraction(1)])
        return found

    def _relation(self, found: Trial) -> Relation:
        names = tuple(self.rows.feature_names[i] for i in found.support)
        size = float(self.size[found.support[-1]])
        deviation = 0.0 if found.exact else found.residual / abs(as_float(found.v[-1])) / size
        sentence = sentence_of(names, found.v, found.constant)
        if not found.exact:
            how = "up to rounding, not exactly" if found.holds else f"to within {deviation:.1g} standard deviations"
            sentence += f" ({how})"
        return Relation(
            names,
            tuple(int(i) for i in found.support),
            tuple(as_float(c) for c in found.v),
            as_float(found.constant),
            found.exact,
            found.holds,
            deviation,
            sentence,
        )


def as_float(value: Fraction) -> float:
    """Nearest float64; infinite beyond them."""
    try:
        return float(value)
    except OverflowError:
        return np.inf if value > 0 else -np.inf


def _best(trials: list[Trial]) -> Trial:
    """Choose the first that is exact, else the first that holds, else the one that holds best."""
    good = [trial for trial in trials if trial.exact] or [trial for trial in trials if trial.holds]
    return good[0] if good else min(trials, key=lambda trial: trial.ratio)


def _fitted(X: Matrix, moments: Moments, support: Index, size: Vector, fit_intercept: bool) -> list[Fraction] | None:
    """Fit the last column by the others in some rows (k, columns of the support)."""
    Z = (X - (moments.mean[support] if fit_intercept else 0.0)) / size[support]
    others = np.column_stack([Z[:, :-1], np.ones(len(Z))]) if fit_intercept else Z[:, :-1]
    fit = np.linalg.lstsq(others, -Z[:, -1], rcond=None)[0][: len(support) - 1]
    return _rationals(np.append(fit, 1.0), size[support])


def _rationals(standard: Vector, size: Vector) -> list[Fraction] | None:
    """Turn numbers for columns over their sizes into rationals for the columns, the last one 1; None beyond float64."""
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        c = standard / size
        c = c / c[-1]
    return [Fraction(float(x)) for x in c] if np.isfinite(c).all() else None


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


def _number(value: Fraction) -> str:
    decimal = f"{float(value):.7g}"
    short = value.denominator == 1 and abs(value) < 10**7
    return str(value) if short or (value.denominator <= 64 and Fraction(decimal) != value) else decimal


def linear_text(names: tuple[str, ...], v: list[Fraction], constant: Fraction = Fraction(0)) -> str:
    """Write v.x + constant for a reader: "2 x1 - x2 + 5"."""
    text = ""
    for name, c in [*zip(names, v, strict=True), ("", constant)]:
        if c:
            size = _number(abs(c))
            size = "" if name and size == "1" else size
            sign = ("-" if c < 0 else "") if not text else (" - " if c < 0 else " + ")
            text += sign + " ".join(part for part in (size, name) if part)
    return text or "0"


def factor_of(names: tuple[str, ...]) -> str | None:
    """Name of the one category whose levels the columns are ("species" of "species=Gentoo"), or None."""
    heads = {name.split("=", 1)[0] if "=" in name else None for name in names}
    return heads.pop() if len(heads) == 1 else None


def sentence_of(names: tuple[str, ...], v: list[Fraction], constant: Fraction) -> str:
    """Write v.x = constant for a reader."""
    last = v[-1]
    if len(set(v)) == 1 and constant == last and len(names) > 1:
        factor, ones = factor_of(names), [Fraction(1)] * len(names)
        whole = (
            linear_text(names, ones) if len(names) <= 8 else f"{linear_text(names[:3], ones[:3])} + ... + {names[-1]}"
        )
        return f"the levels of {factor} add up to the intercept: {whole} = 1" if factor else f"{whole} = 1"
    if len(names) > 8:
        shown = ", ".join(names[:6])
        return f"{names[-1]} is a combination of {len(names) - 1} columns: {shown}, ..."
    rest = [-c for c in v[:-1]]
    if len(rest) > 1 and not constant and last == 1 and set(rest) == {Fraction(1)}:
        return f"{linear_text(names[:-1], rest)} = {names[-1]}"
    return f"{linear_text(names[-1:], [last])} = {linear_text(names[:-1], rest, constant)}"
