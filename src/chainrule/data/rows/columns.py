"""Rows of a table of mixed columns, each read where it lies; categories are never expanded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from chainrule import kernels as core
from chainrule.data.rows.base import Rows
from chainrule.data.rows.csr import CsrRows
from chainrule.data.rows.decode import expanded, part_values, taken
from chainrule.data.rows.dense import DenseRows
from chainrule.data.rows.rare import Rare, matrix_reads, rare_columns
from chainrule.data.rows.spread import spread_rows
from chainrule.data.rows.units import Matrix, Units, Vector, units_of
from chainrule.errors import InputError
from chainrule.kernels import What, thread_count

Index = NDArray[np.int64]
GUESS_ROWS = 256
ROUNDING_OF_MOMENTS = 1e-9  # more than a mean square made of moments can be off by
MOST_DENSE = 20_000_000  # numbers of a copy of some columns


class ColumnRows(Rows):
    """Rows of a table of numbers, booleans and categories as codes.

    Parameters
    ----------
    table : kernels.Design
    y, s, feature_names
        As of `Rows`; a name for each coefficient.
    n_threads : int, optional
        Changes no bit of any sum.
    index : (k,) int64, optional
        The table's rows that y and s are of; all by default.

    Attributes
    ----------
    level_rows : dict of (levels,) int64, optional
        Rows of positive weight of each level of a category, by its column's number, where they were counted as it was learnt.
    """

    def __init__(
        self,
        table: core.Design,
        y: NDArray[np.uint8],
        s: Vector | None,
        feature_names: Sequence[str],
        n_threads: int | None = None,
        index: Index | None = None,
    ) -> None:
        super().__init__(table, y, s, feature_names, thread_count(n_threads))
        self.table = table
        self._index = index

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

    def rare(self, share: float, most: float) -> Rare:
        """Find levels of which a share of the rows would show too little, and all rows that have them, about `most`; a read."""
        counts = self.row_counts
        firsts = [levels for levels, has_first in self.groups if has_first]
        of_firsts = np.array([np.count_nonzero(self.is_kept) - counts[levels].sum() for levels in firsts])
        rare = rare_columns(np.append(counts, of_firsts), share, most)
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
            part = core.Design(columns, self.table.m, at)
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
        return expanded(self.table, self._places(places), np.arange(self.n_features))

    def _places(self, rows: slice | Index) -> Index:
        """Say where in the table rows are."""
        if self._index is not None:
            return self._index[rows]
        return np.arange(self.table.m)[rows] if isinstance(rows, slice) else rows

    def block(self, rows: slice | Index, columns: Index) -> Matrix:
        """Look at some columns of some rows as they are given, in float64: (k, columns), not to be written to."""
        return expanded(self.table, self._places(rows), columns)

    def of_columns(self, columns: Index) -> DenseRows | CsrRows:
        """Copy these columns of all rows, as rows of their own: dense ones where they are few, else sparse ones."""
        if len(columns) * self.n_rows <= MOST_DENSE:
            names = [self.feature_names[j] for j in columns]
            return DenseRows(self.block(slice(None), columns), self.y, self.s, names, self.threads)
        from scipy.sparse import csr_array, vstack

        step = max(1024, 4_000_000 // max(len(columns), 1))
        parts = [csr_array(self.block(slice(first, first + step), columns)) for first in range(0, self.n_rows, step)]
        return CsrRows.of_scipy(
            vstack(parts, format="csr"), self, slice(None), [self.feature_names[j] for j in columns]
        )

    def in_batches(self) -> DenseRows:
        """Give the rows as mini-batches visit them: a dense copy."""
        s = None if self.s is None else self.s * self.weight_unit
        return DenseRows(self.given(np.arange(self.n_rows)), self.y, s, self.feature_names, self.threads)

    def of_rows(self, places: Index) -> ColumnRows:
        """Copy these rows, as a whole of their own."""
        s = None if self.s is None else self.s[places]
        part = ColumnRows(taken(self.table, self._places(places)), self.y[places], s, self.feature_names, self.threads)
        part.references = self.references
        return part

    def refuse_non_finite(self) -> None:
        """Raise InputError for the first NaN or infinity in a row of positive weight, naming row and column."""
        kept = np.zeros(self.table.m, dtype=np.bool_)
        kept[self._places(slice(None))] = self.is_kept
        for column in self.table.columns:
            if not isinstance(column, core.NumberColumn):
                continue
            first = 0
            for part in column.parts:
                x = part_values(part, slice(0, part.rows))
                bad = ~np.isfinite(x) if column.fill is None else np.isinf(x)
                bad &= kept[first : first + part.rows]
                if bad.any():
                    row = int(np.flatnonzero(bad)[0])
                    what = "NaN" if np.isnan(x[row]) else x[row]
                    raise InputError(
                        f"X has {what} in row {first + row + 1}, column {self.feature_names[column.at]!r}: "
                        "fill it in, drop the row, or give the row weight 0"
                    )
                first += part.rows
