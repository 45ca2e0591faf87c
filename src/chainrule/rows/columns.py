"""Rows of a table of mixed columns, each read where it lies; categories are never expanded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import InputError
from chainrule.kernels import Secant, Sums, View, What, thread_count
from chainrule.kernels import columns as core
from chainrule.rows.base import Rows
from chainrule.rows.csr import CsrRows
from chainrule.rows.decode import expanded, part_values, taken
from chainrule.rows.dense import DenseRows
from chainrule.rows.rare import Rare, matrix_reads, rare_columns
from chainrule.rows.spread import spread_rows
from chainrule.rows.units import Matrix, Moments, Units, Vector, units_of

Index = NDArray[np.int64]
GUESS_ROWS = 256
ROUNDING_OF_MOMENTS = 1e-9  # more than a mean square made of moments can be off by
MOST_DENSE = 20_000_000  # numbers of a copy of some columns


class ColumnRows(Rows):
    """Rows of a table of numbers, booleans and categories as codes.

    Parameters
    ----------
    table : kernels.columns.Table
    y, s, feature_names
        As of `Rows`; a name for each coefficient.
    n_threads : int, optional
        Changes no bit of any sum.

    Attributes
    ----------
    level_rows : dict of (levels,) int64, optional
        Rows of positive weight of each level of a category, by its column's number, where they were counted as it was learnt.
    """

    level_rows: dict[int, NDArray[np.int64]] | None = None

    def __init__(
        self,
        table: core.Table,
        y: NDArray[np.uint8],
        s: Vector | None,
        feature_names: Sequence[str],
        n_threads: int | None = None,
    ) -> None:
        super().__init__(y, s, feature_names, thread_count(n_threads))
        self.table = table

    @cached_property
    def numeric(self) -> NDArray[np.bool_]:
        """Which coefficients are of numbers, (n,)."""
        mask = np.zeros(self.n_features, dtype=np.bool_)
        mask[[column.at for column in self.table.columns if isinstance(column, core.NumberColumn)]] = True
        return mask

    @property
    def storage(self) -> str:
        """How the data lie, in words."""
        numbers = [c for c in self.table.columns if isinstance(c, core.NumberColumn)]
        categories = [c for c in self.table.columns if isinstance(c, core.CategoryColumn)]
        said = []
        for kind, some in (("number", numbers), ("category", categories)):
            if some:
                types = sorted({"bits" if part.bits else part.values.dtype.name for c in some for part in c.parts})
                plural = kind if len(some) == 1 else {"number": "numbers", "category": "categories"}[kind]
                said.append(f"{len(some)} {plural} ({', '.join(types)})")
        return f"columns: {', '.join(said)}"

    @property
    def data(self) -> object:
        """What the user handed over: the same object, the same data."""
        return self.table

    @property
    def unit(self) -> float:
        """Unit roundoff of the data: of float32 2^-24."""
        return 2.0**-24 if any(p.values.dtype == np.float32 for c in self.table.columns for p in c.parts) else 2.0**-53

    @property
    def terms(self) -> int:
        """Products in a row's z, at most."""
        return sum(1 + (isinstance(c, core.NumberColumn) and c.indicator is not None) for c in self.table.columns)

    @property
    def sum_depth(self) -> float:
        """Roundings that a term of a read's sum goes through: d."""
        return core.sum_depth(self.n_rows, self.n_features)

    @property
    def matrix_depth(self) -> float:
        """Roundings that a term of the Hessian's sum goes through: N."""
        return core.gram_depth(self.n_rows, self.n_features)

    @property
    def _at(self) -> dict[str, Any]:
        return {"s": self.s, "view": self._view, "index": self._index, "threads": self.threads}

    def guess_units(self, centred: bool) -> Units:
        """Numbers less about their mean, over a power of two near their deviation; levels and indicators as they are."""
        numbers = np.flatnonzero(self.numeric)
        units = Units.of_user(self.n_features)
        if not len(numbers):
            return units
        places = spread_rows(self.n_rows, GUESS_ROWS) if self.n_rows > GUESS_ROWS else np.arange(self.n_rows)
        if self.s is not None:
            kept = places[self.s[places] > 0]
            places = kept if len(kept) else np.flatnonzero(self.s > 0)[:GUESS_ROWS]
        x = self.block(places, numbers).copy()
        if not np.isfinite(x).all():
            self.refuse_non_finite()
        of_numbers = units_of(x, centred)
        units.center[numbers], units.scale[numbers] = of_numbers.center, of_numbers.scale
        return units

    # --- sums --------------------------------------------------------------------------------------------------------

    def reduce(
        self,
        what: What,
        w: Vector,
        b: float,
        *,
        z: Vector | None = None,
        q: Vector | None = None,
        h: Vector | None = None,
    ) -> Sums:
        """Add over all rows at (w, b), in units of `weight_unit`; one read, and one more for a Hessian."""
        self.count_read()
        hessian = bool(what & What.HESSIAN)
        if hessian and h is None:
            h = np.empty(self.n_rows)
        ask = (what | What.LOSS) & (What.LOSS | What.GRADIENT | What.SQUARES | What.NORMS)
        ratio = self._ratio
        sums = core.read(self.table, ask, y=self.y, w=w / ratio, b=b, z=z, h=h, q=q, **self._at)
        if not self._is_plain:
            squares = None if sums.squares is None else sums.squares / ratio**2
            sums = replace(sums, gradient=sums.gradient / ratio, squares=squares)
        if not hessian:
            return sums
        assert h is not None
        return sums.with_matrix(self.gram(h, np.arange(self.n_features)))

    def scores(self, w: Vector, b: float) -> Vector:
        """Log-odds z of every row at (w, b) in the fit's units, (m,), without meaning in rows of weight 0; one read."""
        self.count_read()
        z = np.zeros(self.n_rows)  # a row of weight 0 may have levels that no other has
        core.read(self.table, What.LOSS, y=None, w=w / self._ratio, b=b, z=z, **self._at)
        return z

    def product(self, h: Vector, v: Vector, t: Vector | None = None) -> Vector:
        """Add s h (x~.v) x~ over the rows, (n + 1,); t (m,) is filled with x~.v; one read."""
        self.count_read()
        ratio = np.append(self._ratio, 1.0)
        return np.asarray(core.product(self.table, h, v / ratio, t=t, **self._at) / ratio)

    def secant(self, z: Vector, v: Vector, u: Vector) -> Secant:
        """Read along v (n + 1,) from given z (m,); u (m,) is filled with x~.v; one read."""
        self.count_read()
        ratio = np.append(self._ratio, 1.0)
        found = core.secant(self.table, z, v / ratio, y=self.y, u=u, **self._at)
        return found.over(ratio)

    def diagonal(self, h: Vector) -> Vector:
        """Add s h x~^2 over the rows, (n + 1,); one read."""
        self.count_read()
        return np.asarray(core.diagonal(self.table, h, **self._at) / np.append(self._ratio, 1.0) ** 2)

    def gram(self, h: Vector, columns: Index) -> Matrix:
        """Add s h x~ x~' over the rows, for some columns (k,) and the bias: (k + 1, k + 1); one read."""
        self.count_read()
        order = np.argsort(columns, kind="stable")
        matrix = core.gram(self.table, h, columns[order], **self._at)
        if not self._is_plain:
            ratio = np.append(self._ratio[columns[order]], 1.0)
            matrix /= ratio
            matrix /= ratio[:, np.newaxis]
        if (np.diff(order) > 0).all():
            return np.asarray(matrix)
        back = np.append(np.argsort(order), len(order))
        return np.asarray(matrix[np.ix_(back, back)])

    def moments(self, correlations: bool = True) -> Moments:
        """Means, deviations, extremes, and correlations unless columns are many: a read or two, the first time."""
        if self._moments is None:
            units = self.guess_units(centred=True)
            view = View(units.center, 1.0 / units.scale)
            self.count_read()
            at = {**self._at, "view": view}
            sums = core.moments(self.table, level_rows=self.level_rows, **at)
            if not (np.isfinite(sums.squares).all() and np.isfinite(sums.sums).all()):
                self.refuse_non_finite()
            shift = sums.sums / sums.weight
            variance = np.where(sums.low == sums.high, 0.0, np.maximum(sums.squares / sums.weight - shift**2, 0.0))
            mean = np.clip(view.center + shift / view.p, sums.low, sums.high)
            weight = sums.weight * self.weight_unit
            self._moments = Moments(mean, np.sqrt(variance) / view.p, sums.low, sums.high, None, weight)
        if correlations and self._moments.correlation is None and self._few_columns:
            self._moments = replace(self._moments, correlation=self._correlation(self._moments))
        return self._moments

    def _correlation(self, moments: Moments) -> Matrix:
        numbers = self.numeric
        center = np.where(numbers, moments.mean, 0.0)
        p = np.where(numbers & (moments.sd > 0), 1.0 / np.exp2(np.round(np.log2(np.maximum(moments.sd, 1e-300)))), 1.0)
        self.count_read()
        at = {**self._at, "view": View(center, p)}
        G = core.gram(self.table, np.ones(self.n_rows), np.arange(self.n_features), **at)
        shift = G[-1, :-1] / G[-1, -1]
        inverse = np.divide(1.0, moments.sd * p, out=np.zeros(self.n_features), where=moments.sd > 0)
        correlation = (G[:-1, :-1] / G[-1, -1] - np.outer(shift, shift)) * inverse * inverse[:, np.newaxis]
        np.fill_diagonal(correlation, np.where(moments.sd > 0, 1.0, 0.0))
        return np.asarray(correlation)

    @cached_property
    def groups(self) -> list[tuple[slice, bool]]:
        """Of each category the columns of its levels, and whether there is one more level, without a column."""
        categories = (column for column in self.table.columns if isinstance(column, core.CategoryColumn))
        return [(slice(c.at, c.at + c.levels - c.skip), bool(c.skip)) for c in categories if c.levels > c.skip]

    def has_one_sided_level(self, fit_intercept: bool) -> bool:
        """Whether a level has rows of one class only, one with a coefficient or, with an intercept, any: a read."""
        if not self.groups:
            return False
        self.count_read()
        counts = core.level_counts(self.table, y=self.y, s=self._kept, index=self._index, threads=self.threads)
        categories = [(k, c) for k, c in enumerate(self.table.columns) if isinstance(c, core.CategoryColumn)]
        # Of a category without any coefficient the only level is that of all rows.
        rows = (counts[k].rows[0 if fit_intercept else c.skip :] for k, c in categories)
        return any(bool(((of > 0).sum(axis=1) == 1).any()) for of in rows)

    @property
    def mean_squares(self) -> Vector | None:
        """Columns' mean squares in the fit's units, (n,), a little too large rather than too small, where moments were read.

        Not of weighted rows: all of the weight may lie far from the centre that the moments were read about.
        """
        if self._moments is None or self.s is not None:
            return None
        units, found = self.units, self._moments
        off = np.abs(found.mean - units.center) + 8.0 * 2.0**-53 * np.abs(found.mean)  # far from 0 the mean has rounded
        squares = np.square(off / units.scale) + np.square(found.sd / units.scale)
        return np.asarray(squares * (1.0 + ROUNDING_OF_MOMENTS))

    @property
    def _kept(self) -> Vector | None:
        """Weights of 1 and 0, so that sums count rows."""
        return None if self.s is None else self.is_kept.astype(np.float64)

    @cached_property
    def row_counts(self) -> Vector:
        """Rows of positive weight of each level and of each mark of missing numbers, (n,), 0 for numbers: whole; a read."""
        if self.s is None:
            counts = np.rint(self.moments(correlations=False).mean * self.n_rows)
        else:
            self.count_read()
            counts = core.moments(self.table, s=self._kept, index=self._index, threads=self.threads).sums
        return np.where(self.numeric, 0.0, counts)

    def rare(self, share: float, most: float, bend: Vector | None = None) -> Rare:
        """Find levels of which a share of the rows would show too little, and all rows that have them, about `most`; a read."""
        counts = self.row_counts
        firsts = [levels for levels, has_first in self.groups if has_first]
        of_firsts = np.array([np.count_nonzero(self.is_kept) - counts[levels].sum() for levels in firsts])
        of_all = None if bend is None else np.append(bend, np.ones(len(firsts)))
        rare = rare_columns(np.append(counts, of_firsts), share, most, of_all)
        if not rare.any():
            return Rare.none()
        # z counts a row's rare levels: a first level is there where no other is.
        w, b = rare[: self.n_features].astype(np.float64), 0.0
        for levels, is_rare in zip(firsts, rare[self.n_features :], strict=True):
            w[levels] -= float(is_rare)
            b += float(is_rare)
        places = np.flatnonzero((self._scores_of_marks(w, b) > 0.5) & self.is_kept)
        return Rare(places, np.flatnonzero(rare[: self.n_features]))

    def _scores_of_marks(self, w: Vector, b: float) -> Vector:
        """Log-odds z of every row, (m,), by levels and marks of missing numbers: only columns with a weight are read."""
        columns: list[core.Column] = []
        at, weights = 0, []
        for column in self.table.columns:
            if isinstance(column, core.CategoryColumn):
                of = w[column.at : column.at + column.levels - column.skip]
                there: core.Column = replace(column, at=at)
            elif column.indicator is not None:
                of = np.array([0.0, w[column.indicator]])
                there = replace(column, at=at, indicator=at + 1)
            else:
                continue
            if of.any():
                columns.append(there)
                weights.append(of)
                at += len(of)
        self.count_read(len(columns) / len(self.table.columns))
        z = np.full(self.n_rows, b)
        if columns:
            part = core.Table(columns, self.table.m, at)
            given = {**self._at, "view": None}
            core.read(part, What.LOSS, y=None, w=np.concatenate(weights), b=b, z=z, **given)
        return z

    @property
    def hessian_reads(self) -> float:
        """Time of a read with the Hessian and its factor, in reads without it: measured, two threads."""
        categories = sum(isinstance(column, core.CategoryColumn) for column in self.table.columns)
        numbers = 1 + self.terms - categories
        sums = categories * (categories - 1) / 2 + categories * numbers / 8 + numbers * numbers / 16
        return 1.0 + sums / self.terms + self.matrix_reads

    @property
    def matrix_reads(self) -> float:
        """What of `hessian_reads` the matrix takes, however few the rows."""
        return matrix_reads(self.n_features, self.n_rows * self.terms)

    # --- parts and copies --------------------------------------------------------------------------------------------

    def given(self, places: Index) -> Matrix:
        """Rows at these places as they are given: a copy (k, n) in float64, in C order."""
        at = places if self._index is None else self._index[places]
        return expanded(self.table, at, np.arange(self.n_features))

    def block(self, rows: slice | Index, columns: Index) -> Matrix:
        """Look at some columns of some rows as they are given, in float64: (k, columns), not to be written to."""
        places = np.arange(self.table.m)[rows] if isinstance(rows, slice) else rows
        return expanded(self.table, places, columns)

    def of_columns(self, columns: Index) -> DenseRows | CsrRows:
        """Copy these columns of all rows, as rows of their own: dense ones where they are few, else sparse ones."""
        if len(columns) * self.table.m <= MOST_DENSE:
            names = [self.feature_names[j] for j in columns]
            return DenseRows(self.block(slice(None), columns), self.y, self.s, names, self.threads)
        from scipy.sparse import csr_array, vstack

        step = max(1024, 4_000_000 // max(len(columns), 1))
        parts = [csr_array(self.block(slice(first, first + step), columns)) for first in range(0, self.table.m, step)]
        return CsrRows.of_scipy(
            vstack(parts, format="csr"), self, slice(None), [self.feature_names[j] for j in columns]
        )

    def of_rows(self, places: Index) -> ColumnRows:
        """Copy these rows, as a whole of their own."""
        s = None if self.s is None else self.s[places]
        part = ColumnRows(taken(self.table, places), self.y[places], s, self.feature_names, self.threads)
        part.references = self.references
        return part

    def extremes(self, mask: NDArray[np.bool_]) -> tuple[Vector, Vector]:
        """Smallest and largest of each column over the rows of the mask, as given: exact, one read."""
        self.count_read()
        sums = core.moments(self.table, s=mask.astype(np.float64), threads=self.threads)
        return sums.low, sums.high

    def refuse_non_finite(self) -> None:
        """Raise InputError for the first NaN or infinity in a row of positive weight, naming row and column."""
        for column in self.table.columns:
            if not isinstance(column, core.NumberColumn):
                continue
            first = 0
            for part in column.parts:
                x = part_values(part, slice(0, part.rows))
                bad = ~np.isfinite(x) if column.fill is None else np.isinf(x)
                if self.s is not None and self._index is None:
                    bad &= self.s[first : first + part.rows] > 0
                if bad.any():
                    row = int(np.flatnonzero(bad)[0])
                    what = "NaN" if np.isnan(x[row]) else x[row]
                    raise InputError(
                        f"X has {what} in row {first + row + 1}, column {self.feature_names[column.at]!r}: "
                        "fill it in, drop the row, or give the row weight 0"
                    )
                first += part.rows
