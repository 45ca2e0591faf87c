"""Sparse rows (CSR), read where they lie."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import InputError
from chainrule.kernels import Secant, Sums, What, sum_depth, thread_count
from chainrule.kernels import csr as core
from chainrule.rows.base import Rows
from chainrule.rows.rare import Rare, matrix_reads, rare_columns
from chainrule.rows.units import Matrix, Moments, Units, Vector

Index = NDArray[np.int64]
FAR = 30.0  # |mean| over deviation, beyond which correlations from sums of squares have lost too many digits


class CsrRows(Rows):
    """Rows of a sparse matrix, never copied, widened or centred: what isn't stored is 0.

    Parameters
    ----------
    data : kernels.csr.Csr
        Without duplicates.
    y, s, feature_names
        As of `Rows`.
    n_threads : int, optional
        Changes no bit of any sum.
    origin : str
        What it was converted from, in words; empty for the user's own arrays.
    """

    def __init__(
        self,
        data: core.Csr,
        y: NDArray[np.uint8],
        s: Vector | None,
        feature_names: Sequence[str],
        n_threads: int | None = None,
        origin: str = "",
    ) -> None:
        super().__init__(y, s, feature_names, thread_count(n_threads))
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

    @property
    def sum_depth(self) -> float:
        """Roundings that a term of a read's sum goes through: d."""
        shape = (self.n_rows, self.n_features, self._nnz)
        return max(core.sum_depth(*shape), core.sum_depth(*shape, width=core.SECANT_WIDTH))

    @property
    def secant_depth(self) -> float:
        """Roundings that a term of a secant's sum goes through, or of a pass over z: no fewer."""
        return max(core.sum_depth(self.n_rows, self.n_features, self._nnz, width=4), sum_depth(self.n_rows))

    @property
    def matrix_depth(self) -> float:
        """Roundings that a term of the Hessian's sum goes through: N."""
        return core.gram_depth(self.n_rows, self._nnz, self.n_features)

    @property
    def _at(self) -> dict[str, Any]:
        p = None if self._view is None else self._view.p
        return {"s": self.s, "p": p, "index": self._index, "threads": self.threads}

    def see(self, units: Units) -> None:
        """From here on, see the columns in these units, whose scales are powers of two and whose centres are 0."""
        if units.center.any():
            raise ValueError("sparse columns are never centred")
        super().see(units)

    def standardize(self, columns: NDArray[np.bool_], scaled: bool = True) -> None:
        """Refuse to: centred, what isn't stored would not be 0."""
        raise InputError(
            "standardize would fill a sparse matrix, since centred zeros aren't 0: scale its columns before the fit "
            "(MaxAbsScaler), or hand over X.toarray()"
        )

    def guess_units(self, centred: bool) -> Units:
        """Keep the user's: a column's size is seen by the Hessian's diagonal, and nothing is centred."""
        return Units.of_user(self.n_features)

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
        ask = (what | What.LOSS) & core.READS
        sums = core.read(self.csr, ask, y=self.y, w=w, b=b, z=z, h=h, q=q, **self._at)
        if not hessian:
            return sums
        assert h is not None
        return sums.with_matrix(self.gram(h, np.arange(self.n_features)))

    def scores(self, w: Vector, b: float) -> Vector:
        """Log-odds z of every row at (w, b), shape (m,); one read."""
        self.count_read()
        z = np.empty(self.n_rows)
        core.read(self.csr, What.LOSS, y=None, w=w, b=b, z=z, **{**self._at, "s": None})
        return z

    def product(self, h: Vector, v: Vector, t: Vector | None = None) -> Vector:
        """Add s h (x~.v) x~ over the rows, (n + 1,); t (m,) is filled with x~.v; one read."""
        self.count_read()
        return core.product(self.csr, h, v, t=t, **self._at)

    def secant(self, z: Vector, v: Vector, u: Vector) -> Secant:
        """Read along v (n + 1,) from given z (m,); u (m,) is filled with x~.v; one read."""
        self.count_read()
        return core.secant(self.csr, z, v, y=self.y, u=u, **self._at)

    def diagonal(self, h: Vector) -> Vector:
        """Add s h x~^2 over the rows, (n + 1,); one read."""
        self.count_read()
        return core.diagonal(self.csr, h, **self._at)

    def gram(self, h: Vector, columns: Index) -> Matrix:
        """Add s h x~ x~' over the rows, for some columns (k,) and the bias: (k + 1, k + 1); one read."""
        self.count_read()
        return core.gram(self.csr, h, columns, **self._at)

    def moments(self, correlations: bool = True) -> Moments:
        """Means, deviations, extremes, and correlations unless columns are many or far from 0: a read or two, once."""
        if self._moments is None:
            self.count_read()
            sums = core.moments(self.csr, s=self.s, index=self._index, threads=self.threads)
            if not (np.isfinite(sums.squares).all() and np.isfinite(sums.sums).all()):
                self.refuse_non_finite()
            mean = np.clip(sums.sums / sums.weight, sums.low, sums.high)
            variance = np.where(sums.low == sums.high, 0.0, np.maximum(sums.squares / sums.weight - mean**2, 0.0))
            weight = sums.weight * self.weight_unit
            self._moments = Moments(mean, np.sqrt(variance), sums.low, sums.high, None, weight)
        return self._with_correlations(self._moments) if correlations and self._few_columns else self._moments

    def _with_correlations(self, moments: Moments) -> Moments:
        if moments.correlation is None and (np.abs(moments.mean) <= FAR * moments.sd)[moments.sd > 0].all():
            self.count_read()
            at = {**self._at, "p": None}
            G = core.gram(self.csr, np.ones(self.n_rows), np.arange(self.n_features), **at)[:-1, :-1]
            weight = moments.weight / self.weight_unit
            inverse = np.divide(1.0, moments.sd, out=np.zeros(self.n_features), where=moments.sd > 0)
            correlation = (G / weight - np.outer(moments.mean, moments.mean)) * inverse * inverse[:, np.newaxis]
            np.fill_diagonal(correlation, np.where(moments.sd > 0, 1.0, 0.0))
            self._moments = Moments(moments.mean, moments.sd, moments.low, moments.high, correlation, moments.weight)
            return self._moments
        return moments

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

    def extremes(self, mask: NDArray[np.bool_]) -> tuple[Vector, Vector]:
        """Smallest and largest of each column over the rows of the mask, as given: exact, one read."""
        self.count_read()
        sums = core.moments(self.csr, s=mask.astype(np.float64), threads=self.threads)
        return sums.low, sums.high

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
