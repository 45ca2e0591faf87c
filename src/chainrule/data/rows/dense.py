"""Dense float64 and float32, any strides, read where they lie."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from chainrule import kernels
from chainrule.data.rows.base import Rows
from chainrule.data.rows.spread import spread_rows
from chainrule.data.rows.units import Matrix, Moments, Units, Vector, power_of_two, units_of
from chainrule.errors import InputError
from chainrule.kernels import (
    Batches,
    Design,
    GivenLoss,
    Path,
    Sums,
    View,
    What,
    descend,
    lies_in_columns,
    newton_path,
    thread_count,
    useful_threads,
    visiting_order,
)

SAMPLE_ROWS = 256
GUESS_ROWS = 256  # whose means and deviations the arithmetic's units come from


class DenseRows(Rows):
    """Rows of a dense matrix, never copied.

    Parameters
    ----------
    X : (m, n) float64 or float32
        Any strides, memory order and writability.
    y : (m,) uint8, 0 or 1
    s : (m,) float64, optional
        Weights, finite and not negative; a row of weight 0 is not looked at.
    feature_names : sequence of str
        Name the column in an error.
    n_threads : int, optional
        Changes no bit of any sum.
    """

    def __init__(
        self,
        X: NDArray[np.floating],
        y: NDArray[np.uint8],
        s: Vector | None,
        feature_names: Sequence[str],
        n_threads: int | None = None,
    ) -> None:
        threads = useful_threads(X.shape, thread_count(n_threads))
        super().__init__(Design.dense(X), y, s, feature_names, threads)
        self.X = X

    @property
    def dense(self) -> DenseRows:
        """These rows."""
        return self

    def given(self, places: NDArray[np.int64]) -> Matrix:
        """Rows at these places as they are given: a copy (k, n) in float64, in C order whatever X is in."""
        return np.array(self.X[places if self._index is None else self._index[places]], dtype=np.float64, order="C")

    def block(self, rows: slice | NDArray[np.int64], columns: NDArray[np.int64]) -> Matrix:
        """Look at some columns of some rows as they are given, in float64: (k, columns), not to be written to."""
        X = self.X[rows] if np.array_equal(columns, np.arange(self.n_features)) else self.X[rows][:, columns]
        return np.asarray(X, dtype=np.float64)

    def of_columns(self, columns: NDArray[np.int64]) -> DenseRows:
        """Copy these columns of all rows, as rows of their own."""
        names = [self.feature_names[j] for j in columns]
        return DenseRows(self.X[:, columns], self.y, self.s, names, self.threads)

    def of_rows(self, places: NDArray[np.int64]) -> DenseRows:
        """Copy these rows, as a whole of their own."""
        s = None if self.s is None else self.s[places]
        return DenseRows(self.X[places], self.y[places], s, self.feature_names, self.threads)

    @property
    def data(self) -> object:
        """What the user handed over: the same object, the same data."""
        return self.X

    @property
    def unit(self) -> float:
        """Unit roundoff of the data: of float32 2^-24."""
        return 2.0**-24 if self.X.dtype == np.float32 else 2.0**-53

    @property
    def storage(self) -> str:
        """How the data lie, in words."""
        flags = self.X.flags
        order = "C order" if flags.c_contiguous else "Fortran order" if flags.f_contiguous else "strided"
        return f"dense {self.X.dtype.name}, {order}"

    def moments(self, correlations: bool = True) -> Moments:
        """Means, deviations, extremes, correlations: one read, the first time (more where the columns defeat the guess)."""
        if self._moments is None or (correlations and self._moments.correlation is None and self._few_columns):
            self._moments = self._read_moments(correlations)
            if max(np.abs(self._moments.low).max(), np.abs(self._moments.high).max()) > 1e150:
                self._look_through(self.units, self._moments)
        return self._moments

    def _keep_moments(self, sums: Sums) -> None:
        if sums.sums is not None and self._view is not None and self._moments is None:
            self._moments = self._moments_beside(sums, self._view)

    def guess_units(self, centred: bool) -> Units:
        """Columns less about their mean, over a power of two near their deviation: from a few rows, spread over the data."""
        m = self.n_rows
        # Of few rows every k-th will do, and takes a third of the time.
        places = np.arange(0, m, -(-m // GUESS_ROWS)) if m <= 4 * GUESS_ROWS else spread_rows(m, GUESS_ROWS)
        if self.s is not None:
            kept = places[self.s[places] > 0]
            places = kept if len(kept) else np.flatnonzero(self.s > 0)[:GUESS_ROWS]
        x = self.given(places)
        if not np.isfinite(x).all():
            self.refuse_non_finite()
        return units_of(x, centred)

    def newton_path(self, alpha: Vector, fit_intercept: bool, w: Vector, b: float, *, near: float, most: int) -> Path:
        """Run `kernels.newton_path` in units whose scales are powers of two (`see`)."""
        path = newton_path(
            self.design,
            self.y,
            self.s,
            self._view,
            self._index,
            alpha=alpha,
            fit_intercept=fit_intercept,
            w=w,
            b=b,
            near=near,
            most=most,
            threads=self.threads,
        )
        self.count_read(path.total)
        return path

    @cached_property
    def _in_rows(self) -> Design:
        """The matrix as rows, in whatever order it lies: mini-batches visit them one by one."""
        return Design([kernels.DenseRows(self.X)], *self.X.shape) if lies_in_columns(self.X) else self.design

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the rows visited, in their order: X, y and, where they aren't all 1, the weights; one read.

        The same however X lies in memory, and of float32 as of the same numbers in float64.
        """
        assert self._index is None
        self.count_read()
        weighted = self.s is not None and bool((self.s[self.s > 0] * self.weight_unit != 1.0).any())
        found, step = hashlib.sha256(), max(1, 4_000_000 // self.n_features)
        for first in range(0, self.n_rows, step):
            part = slice(first, first + step)
            kept = (
                part
                if self.visited is None
                else self.visited[slice(*np.searchsorted(self.visited, (first, part.stop)))]
            )
            found.update(np.ascontiguousarray(self.X[kept], dtype=np.float64).data)
            found.update(np.ascontiguousarray(self.y[kept]).data)
            if self.s is not None and weighted:
                found.update(np.ascontiguousarray(self.s[kept]).data)
        return found.hexdigest()

    def descend(
        self,
        w: Vector,
        b: float,
        *,
        ridge: Vector,
        fit_intercept: bool,
        rate: float,
        batches: Batches,
        epoch: int,
        first: int = 0,
        end: int | None = None,
        loss: GivenLoss | None = None,
    ) -> tuple[Vector, float]:
        """Make the updates `first` to `end` of an epoch, all by default, from (w, b) in the fit's units; one read.

        The gradient of a batch of B_k rows is (M/(B_k S)) sum s dL_dz x + ridge w, its step eta_t B_k/B long. So each batch's
        is an unbiased estimate of the gradient of F over the order, and at one point they add up, each times B_k/B, to
        M/B times that gradient, also where the last batch is a shorter one.
        """
        assert self._index is None
        updates = batches.updates(self.n_visited)
        last = updates if end is None else end
        self.count_read((last - first) / updates)
        ratio = self._ratio
        weight = self.moments(correlations=False).weight / self.weight_unit
        per_weight = self.n_visited / (batches.size * weight)
        if loss is not None:
            return self._descend_by(
                loss, w, b, ridge, fit_intercept, rate, batches, per_weight, epoch, range(first, last)
            )
        w, b = descend(
            self._in_rows,
            self.y,
            self.s,
            self._view,
            self.visited,
            step=1.0 / ratio**2,
            ridge=ridge,
            fit_intercept=fit_intercept,
            w=w / ratio,
            b=b,
            rate=rate,
            batches=batches,
            per_weight=per_weight,
            epoch=epoch,
            first=first,
            end=last,
        )
        return w * ratio, b

    def _descend_by(
        self,
        loss: GivenLoss,
        w: Vector,
        b: float,
        ridge: Vector,
        fit_intercept: bool,
        rate: float,
        batches: Batches,
        per_weight: float,
        epoch: int,
        updates: range,
    ) -> tuple[Vector, float]:
        """Make the same updates with a loss that the core hasn't, in NumPy."""
        order = visiting_order(self.n_visited, batches.seed, epoch)
        order = order if self.visited is None else self.visited[order]
        period = batches.updates(self.n_visited)
        for k in updates:
            places = order[k * batches.size : (k + 1) * batches.size]
            x = self.viewed(places)[:, :-1]
            r = loss(x @ w + b, self.y[places].astype(np.float64))[1] * (1.0 if self.s is None else self.s[places])
            eta = batches.rate(rate, epoch * period + k, period)
            w = w - eta * per_weight * (r @ x) - eta * len(places) / batches.size * ridge * w
            b -= eta * per_weight * float(r.sum()) if fit_intercept else 0.0
        return w, b

    def largest_pull(self, fit_intercept: bool) -> float:
        """Largest (M/S) s_i |x~_i|^2 of a row in the fit's units, x~ = (x, 1), or x without an intercept: one read."""
        if self.s is None:
            q = np.append(1.0 / self._ratio**2, float(fit_intercept))
            return self.reduce(What.LOSS | What.NORMS, np.zeros(self.n_features), 0.0, q=q).norm
        self.count_read()
        step, largest = max(1024, 4_000_000 // self.n_features), 0.0
        for first in range(0, self.n_rows, step):
            places = np.flatnonzero(self.s[first : first + step]) + first
            x = self.viewed(places)[:, : self.n_features + fit_intercept]
            with np.errstate(over="ignore"):
                pulls = self.s[places] * np.einsum("ij,ij->i", x, x)
            largest = max(largest, float(pulls.max(initial=0.0)))
        return largest * self.n_visited * self.weight_unit / self.moments(correlations=False).weight

    def _read_moments(self, correlations: bool) -> Moments:
        view = self._guess_view()
        with_matrix = correlations and self._few_columns
        what = What.EXTREMES | (What.HESSIAN if with_matrix else What.SUMS | What.SQUARES)
        for attempt in range(3):
            self.count_read()
            sums = kernels.read(self.design, what, **{**self._at, "view": view})
            assert sums.low is not None
            assert sums.high is not None
            low, high = sums.low, sums.high
            self._refuse_non_finite(sums, low, high)
            if sums.matrix is not None:
                total, squares, cross = sums.matrix[-1, :-1], np.diag(sums.matrix)[:-1], sums.matrix[:-1, :-1]
            else:
                assert sums.sums is not None
                assert sums.squares is not None
                total, squares, cross = sums.sums, sums.squares, None
            shift = total / sums.weight
            variance = np.where(low == high, 0.0, np.maximum(squares / sums.weight - shift**2, 0.0))
            mean = np.clip(view.center + shift / view.p, low, high)
            # Far from the mean the squares cancel or underflow; overflow shows as inf or NaN. What this read found mends both.
            spread = (variance > 0) & (shift**2 <= 1e6 * variance)
            good = np.isfinite(variance) & (spread | (low == high))
            if good.all() or attempt == 2:
                break
            middle = np.where(np.isfinite(mean), mean, low / 2 + high / 2)
            view = View(middle, power_of_two(np.maximum(np.abs(low), np.abs(high))))
        sd = np.sqrt(variance) / view.p
        correlation = None
        if cross is not None:
            root = np.sqrt(variance)
            inverse = np.divide(1.0, root, out=np.zeros_like(root), where=root > 0)
            correlation = (cross / sums.weight - np.outer(shift, shift)) * inverse * inverse[:, None]
            np.fill_diagonal(correlation, np.where(root > 0, 1.0, 0.0))
        return Moments(mean, sd, low, high, correlation, sums.weight * self.weight_unit)

    def _moments_beside(self, sums: Sums, view: View) -> Moments | None:
        """Moments without correlations, from what was added beside a loss; None where squares of this view cancel."""
        assert sums.sums is not None
        assert sums.squares is not None
        assert sums.low is not None
        assert sums.high is not None
        low, high, shift = sums.low, sums.high, sums.sums / sums.weight
        variance = np.where(low == high, 0.0, sums.squares / sums.weight - shift**2)
        if not ((low == high) | (shift**2 <= 1e6 * variance)).all():
            return None
        mean = np.clip(view.center + shift / view.p, low, high)
        return Moments(mean, np.sqrt(variance) / view.p, low, high, None, sums.weight * self.weight_unit)

    def _guess_view(self) -> View:
        """Centre and scale of a few rows spread over the data: near enough for the squares not to cancel or overflow."""
        rows = np.unique(np.linspace(0, self.n_rows - 1, SAMPLE_ROWS).astype(np.int64))
        if self.s is not None:
            rows = rows[self.s[rows] > 0]
        if not len(rows):
            return View(np.zeros(self.n_features), np.ones(self.n_features))
        sample = self.given(rows)  # the mean's bits depend on the order
        sample[~np.isfinite(sample)] = 0.0
        size = np.abs(sample).max(axis=0)
        p = power_of_two(size)
        center = np.mean(sample * p, axis=0) / p
        return View(center, p)

    def _refuse_non_finite(self, sums: Sums, low: Vector, high: Vector) -> None:
        marks = [low, high, np.diag(sums.matrix)[:-1] if sums.matrix is not None else sums.squares, sums.sums]
        if not all(np.isfinite(mark).all() for mark in marks if mark is not None):
            (self._whole or self).refuse_non_finite()

    def refuse_non_finite(self) -> None:
        """Raise InputError for the first NaN or infinity in a row of positive weight, naming row and column."""
        step = max(1, 4_000_000 // self.n_features)
        for first in range(0, self.n_rows, step):
            bad = ~np.isfinite(self.X[first : first + step])
            if self.s is not None:
                bad &= (self.s[first : first + step] > 0)[:, None]
            if bad.any():
                row, column = np.argwhere(bad)[0]
                value = self.X[first + row, column]
                what = "NaN" if np.isnan(value) else value
                raise InputError(
                    f"X has {what} in row {first + row + 1}, column {self.feature_names[column]!r}: "
                    "fill it in, drop the row, or give the row weight 0"
                )
