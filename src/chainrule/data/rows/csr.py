"""Sparse rows (CSR), read where they lie."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule import kernels as core
from chainrule.data.rows.base import Rows
from chainrule.data.rows.rare import Rare, matrix_reads, rare_columns
from chainrule.data.rows.spread import spread_rows
from chainrule.data.rows.units import Matrix, Moments, Units, Vector, power_of_two
from chainrule.errors import InputError
from chainrule.kernels import Design, thread_count

Index = NDArray[np.int64]
GUESS_ROWS = 256
STORED = 0.9  # share of the rows that store a column which is worth a centre: others look for it
FAR = 30.0  # |mean| over deviation, beyond which sums of squares about 0 have lost too many digits


class CsrRows(Rows):
    """Rows of a sparse matrix, never copied, widened or centred: what isn't stored is 0.

    Parameters
    ----------
    data : kernels.Csr
        Without duplicates.
    y, s, feature_names
        As of `Rows`.
    n_threads : int, optional
        Changes no bit of any sum.
    origin : str
        What it was converted from, in words; empty for the user's own arrays.
    """

    can_centre = False

    def __init__(
        self,
        data: core.Csr,
        y: NDArray[np.uint8],
        s: Vector | None,
        feature_names: Sequence[str],
        n_threads: int | None = None,
        origin: str = "",
    ) -> None:
        super().__init__(Design.sparse(data), y, s, feature_names, thread_count(n_threads))
        self.csr, self._origin = data, origin

    @property
    def storage(self) -> str:
        """How the data lie, in words."""
        kind = f"CSR {self.csr.data.dtype.name}, {self.csr.indices.dtype.name} indices"
        return f"{kind}, {self._origin}" if self._origin else kind

    @property
    def data(self) -> object:
        """What the user handed over: the same object, the same data."""
        return self.csr.data

    @property
    def unit(self) -> float:
        """Unit roundoff of the data: of float32 2^-24."""
        return 2.0**-24 if self.csr.data.dtype == np.float32 else 2.0**-53

    @cached_property
    def terms(self) -> int:
        """Products in a row's z, at most."""
        return int(np.diff(self.csr.indptr).max())

    @property
    def mean_terms(self) -> float:
        """Products in a row's z, on average."""
        return self._nnz / self.n_rows

    @property
    def _nnz(self) -> int:
        """Elements of the rows read: of a part of them its share."""
        return self.csr.nnz if self._index is None else int(np.diff(self.csr.indptr)[self._index].sum())

    def standardize(self, columns: NDArray[np.bool_], scaled: bool = True) -> None:
        """Refuse to: centred, what isn't stored would not be 0."""
        raise InputError(
            "standardize would fill a sparse matrix, since centred zeros aren't 0: scale its columns before the fit "
            "(MaxAbsScaler), or hand over X.toarray()"
        )

    def guess_units(self, centred: bool) -> Units:
        """Keep the user's, but of columns that are far from 0, which nearly all rows store: these are centred as a view.

        A column's size is seen by the Hessian's diagonal.
        """
        units = Units.of_user(self.n_features)
        places = spread_rows(self.n_rows, GUESS_ROWS) if self.n_rows > GUESS_ROWS else np.arange(self.n_rows)
        if self.s is not None:
            places = places[self.s[places] > 0]
        if not centred or not len(places):
            return units
        places = self.index[places]
        some = self._scipy[places]
        j, x = some.indices, some.data.astype(np.float64)
        if not np.isfinite(x).all():
            self.refuse_non_finite()
        counts = np.bincount(j, minlength=self.n_features)
        p = power_of_two(np.bincount(j, np.abs(x), self.n_features) / len(places))
        mean = np.bincount(j, x * p[j], self.n_features) / np.maximum(counts, 1)
        sd = np.sqrt(np.bincount(j, np.square(x * p[j] - mean[j]), self.n_features) / np.maximum(counts, 1))
        far = (counts >= STORED * len(places)) & (np.abs(mean) > FAR * sd)
        units.center[far] = (mean / p)[far]
        units.scale[far] = 1.0 / power_of_two(np.where(sd > 0, sd, 1.0) / p)[far]
        return units

    def _may_centre(self, moments: Moments) -> NDArray[np.bool_]:
        return np.abs(moments.mean) > FAR * moments.sd

    def rare(self, share: float, most: float, bend: Vector | None = None) -> Rare:
        """Find columns of which a share of the rows shows too little, and all rows that have them, about `most`; a read."""
        rare = rare_columns(self.row_counts, share, most, bend)
        if not rare.any():
            return Rare.none()
        self.count_read()
        elements = np.flatnonzero(rare[self.csr.indices])
        elements = elements[self.csr.data[elements] != 0]
        has_one = np.zeros(self.csr.m, dtype=np.bool_)
        has_one[np.searchsorted(self.csr.indptr, elements, side="right") - 1] = True
        return Rare(np.flatnonzero(has_one[self.index] & self.is_kept), np.flatnonzero(rare))

    @cached_property
    def row_counts(self) -> Vector:
        """Rows of positive weight in which a column is not 0, (n,): whole."""
        indices, some = self.csr.indices, None if self.csr.data.all() else self.csr.data != 0
        if self.s is not None or self._index is not None:
            kept = np.zeros(self.csr.m, dtype=np.bool_)
            kept[self.index[self.is_kept]] = True
            of_kept = np.repeat(kept, np.diff(self.csr.indptr))
            some = of_kept if some is None else of_kept & some
        return np.bincount(indices if some is None else indices[some], minlength=self.n_features).astype(np.float64)

    @property
    def hessian_reads(self) -> float:
        """Time of a read with the Hessian and its factor, in reads without it: measured, two threads."""
        return 1.0 + self.mean_terms / 2 + self.matrix_reads

    @property
    def matrix_reads(self) -> float:
        """What of `hessian_reads` the matrix takes, however few the rows."""
        return matrix_reads(self.n_features, self._nnz + self.n_rows)

    # --- parts and copies --------------------------------------------------------------------------------------------

    @cached_property
    def _scipy(self) -> Any:
        """View the same arrays as SciPy's."""
        from scipy.sparse import csr_array

        return csr_array((self.csr.data, self.csr.indices, self.csr.indptr), shape=(self.csr.m, self.csr.n))

    def given(self, places: Index) -> Matrix:
        """Rows at these places as they are given: a copy (k, n) in float64, in C order."""
        at = places if self._index is None else self._index[places]
        return np.asarray(self._scipy[at].toarray(order="C"), dtype=np.float64)

    def block(self, rows: slice | Index, columns: Index) -> Matrix:
        """Look at some columns of some rows as they are given, in float64: (k, columns), not to be written to."""
        part = self._scipy[rows]
        return np.asarray((part if len(columns) == self.n_features else part[:, columns]).toarray(), dtype=np.float64)

    def of_columns(self, columns: Index) -> CsrRows:
        """Copy these columns of all rows, as rows of their own."""
        return CsrRows.of_scipy(self._scipy[:, columns], self, slice(None), [self.feature_names[j] for j in columns])

    def of_rows(self, places: Index) -> CsrRows:
        """Copy these rows, as a whole of their own."""
        return CsrRows.of_scipy(self._scipy[places], self, places, self.feature_names)

    @classmethod
    def of_scipy(cls, matrix: Any, of: Rows, places: slice | Index, names: Sequence[str]) -> CsrRows:
        """Take a CSR matrix of SciPy's as rows, with labels and weights of other rows, at `places`."""
        data = core.Csr(matrix.data, matrix.indices, matrix.indptr, matrix.shape[1], of.threads)
        return cls(data, of.y[places], None if of.s is None else of.s[places], names, of.threads)

    def refuse_non_finite(self) -> None:
        """Raise InputError for the first NaN or infinity in a row of positive weight, naming row and column."""
        bad = np.flatnonzero(~np.isfinite(self.csr.data))
        rows = np.searchsorted(self.csr.indptr, bad, side="right") - 1
        kept = np.ones(len(bad), dtype=np.bool_) if self.s is None or self._index is not None else self.s[rows] > 0
        for at, row in zip(bad[kept], rows[kept], strict=True):
            value = self.csr.data[at]
            what = "NaN" if np.isnan(value) else value
            raise InputError(
                f"X has {what} in row {row + 1}, column {self.feature_names[self.csr.indices[at]]!r}: "
                "fill it in, drop the row, or give the row weight 0"
            )
