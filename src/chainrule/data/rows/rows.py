"""Rows of a design: with labels and weights, and seen in the units of a fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from chainrule.data.rows.decode import expanded
from chainrule.data.rows.moments import guess_units, moments_of, read_moments
from chainrule.data.rows.rare import Rare, matrix_reads, rare_rows
from chainrule.data.rows.units import Matrix, Moments, Units, Vector, power_of_two
from chainrule.data.schema import Column
from chainrule.data.schema import feature_names as names_of
from chainrule.errors import InputError
from chainrule.kernels import reader
from chainrule.kernels.blocks import Blocks
from chainrule.kernels.reader import GivenLoss
from chainrule.kernels.reading import Secant, Sums, View, What, thread_count, useful_threads
from chainrule.kernels.runs import Path, newton_path
from chainrule.kernels.vectors import vector_depth

Index = NDArray[np.int64]
Known = TypeVar("Known")

MAX_MATRIX_COLUMNS = 2048  # up to here the matrix of moments is made whole: n^2 numbers, and m n^2 operations
AT_ONCE = 4_000_000  # numbers that are looked at together
ROUNDING_OF_MOMENTS = 1e-9  # more than a mean square made of moments can be off by


@dataclass
class Tally:
    """How often data of so many rows were read, in fractions: of all that sees them."""

    rows: int
    reads: float = 0.0


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of numbers, wherever they lie; nothing changes them: other units and other rows are other objects on the same data.

    design : the blocks that are read. index : (m,), which of their rows these are; None: all.
    y : (m,) uint8, 0 or 1. s : (m,), weights in units of `weight_unit`; a row of weight 0 is not looked at.
    feature_names : one for each coefficient. encodings : how a table's columns were encoded. copies : of X, or of a column.
    threads : changes no bit of any sum.
    units : those of w and of all that is read. view, outer : how the core sees them, and what is left, (n + 1,), the bias's 1.
    learned : what reads found of these rows, whatever units they are seen in.
    """

    design: Blocks
    y: NDArray[np.uint8]
    s: Vector | None
    feature_names: tuple[str, ...]
    threads: int
    weight_unit: float
    units: Units
    outer: Vector
    tally: Tally
    index: Index | None = None
    encodings: tuple[Column, ...] | None = None
    copies: int = 0
    view: View | None = None
    learned: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        design: Blocks,
        y: NDArray[np.uint8],
        s: Vector | None,
        feature_names: Sequence[str] | None,
        n_threads: int | None = None,
        index: Index | None = None,
        encodings: tuple[Column, ...] | None = None,
        copies: int = 0,
    ) -> Rows:
        """Put labels and weights beside a design, or beside its rows at `index`, in the user's units.

        Weights are summed in units of a power of two near their mean, so that their scale changes no bit.
        """
        unit = 1.0 if s is None else float(1.0 / power_of_two(np.array(s.sum() / len(s))))
        threads = useful_threads((len(y), design.row_numbers), thread_count(n_threads))
        n, weights = design.n, None if s is None else s / unit
        names = names_of(encodings or ()) if feature_names is None else tuple(feature_names)
        user, tally = Units.of_user(n), Tally(len(y))
        return cls(design, y, weights, names, threads, unit, user, np.ones(n + 1), tally, index, encodings, copies)

    # --- facts -------------------------------------------------------------------------------------------------------

    @property
    def n_rows(self) -> int:
        """Number of rows, m."""
        return len(self.y)

    @property
    def n_features(self) -> int:
        """Number of coefficients, n."""
        return self.design.n

    @property
    def is_dense(self) -> bool:
        """Whether they are a dense matrix."""
        return self.design.X is not None

    @property
    def reads(self) -> float:
        """How often the data were read so far, in fractions, in these units and others."""
        return self.tally.reads

    def count_read(self, share: float = 1.0) -> None:
        """Count a read of a share of the rows' numbers."""
        self.tally.reads += share * self.n_rows / self.tally.rows

    @cached_property
    def places(self) -> Index:
        """Which rows of the design these are."""
        return np.arange(self.n_rows) if self.index is None else self.index

    @cached_property
    def is_kept(self) -> NDArray[np.bool_]:
        """Which of the rows have a positive weight."""
        return np.ones(self.n_rows, dtype=np.bool_) if self.s is None else self.s > 0

    @cached_property
    def n_visited(self) -> int:
        """M: how many of the rows an epoch of mini-batches visits, those of positive weight."""
        return int(np.count_nonzero(self.is_kept))

    @cached_property
    def mean_terms(self) -> float:
        """Products in a row's z, on average."""
        csr = self.design.csr
        if csr is None:
            return float(self.design.terms)
        return (csr.nnz if self.index is None else int(np.diff(csr.indptr)[self.index].sum())) / self.n_rows

    @cached_property
    def sum_depth(self) -> float:
        """Roundings that a term of a read's sum, or of a pass over z, goes through: d."""
        return max(self.design.sum_depth(self.n_rows), vector_depth(self.n_rows))

    @property
    def matrix_depth(self) -> float:
        """Roundings that a term of the Hessian's sum goes through: N."""
        return self.design.matrix_depth(self.n_rows)

    @property
    def hessian_reads(self) -> float:
        """Time of a read with the Hessian and its factor, in reads without it: measured, two threads."""
        if self.is_dense:
            return 3.0 + self.n_features / 40
        if self.design.csr is not None:
            return 1.0 + self.mean_terms / 2 + self.matrix_reads
        categories, terms = len(self.design.categories), self.design.terms
        numbers = 1 + terms - categories
        sums = categories * (categories - 1) / 2 + categories * numbers / 8 + numbers * numbers / 16
        return 1.0 + sums / terms + self.matrix_reads

    @property
    def matrix_reads(self) -> float:
        """What of `hessian_reads` the matrix takes, however few the rows."""
        each = self.mean_terms + (self.design.csr is not None)
        return 0.0 if self.is_dense else matrix_reads(self.n_features, self.n_rows * each)

    def once(self, name: str, make: Callable[[], Known]) -> Known:
        """Return what `make` finds, which is remembered for these rows in all units."""
        if name not in self.learned:
            self.learned[name] = make()
        known: Known = self.learned[name]
        return known

    def moments(self, correlations: bool = True) -> Moments:
        """Means, deviations, extremes, and correlations unless columns are many: a read or two, the first time."""
        found: Moments | None = self.learned.get("moments")
        with_matrix = correlations and self.n_features <= MAX_MATRIX_COLUMNS
        if found is None or (with_matrix and found.correlation is None):
            found = self.learned["moments"] = read_moments(self, with_matrix)
        return found

    @property
    def mean_squares(self) -> Vector | None:
        """Mean squares of a table's columns in the fit's units, (n,), a little too large, where moments were read.

        None for weighted rows, whose weight may all lie far from the centre that the moments were read about. None for dense
        and sparse rows, whose squares a read gives for free.
        """
        found: Moments | None = self.learned.get("moments")
        if found is None or self.s is not None or not self.design.columns:
            return None
        # Far from 0 the mean has rounded.
        off = np.abs(found.mean - self.units.center) + 8.0 * 2.0**-53 * np.abs(found.mean)
        squares = np.square(off / self.units.scale) + np.square(found.sd / self.units.scale)
        return np.asarray(squares * (1.0 + ROUNDING_OF_MOMENTS))

    def reach(self) -> Vector:
        """Largest |x_j| of each column over the rows, in the fit's units, (n,)."""
        moments = self.moments(correlations=False)
        size = np.maximum(np.abs(moments.low - self.units.center), np.abs(moments.high - self.units.center))
        return size / self.units.scale * (1.0 + 4.0 * np.finfo(np.float64).eps)

    def column_scale(self) -> Vector:
        """Deviation of each column in the fit's units; of a constant column its size, or 1."""
        moments = self.moments()
        sd, size = moments.sd / self.units.scale, np.abs(moments.mean - self.units.center) / self.units.scale
        return np.where(sd > 0, sd, np.where(size > 0, size, 1.0))

    # --- reads -------------------------------------------------------------------------------------------------------

    @property
    def how(self) -> Any:
        """What every read is given: weights, view, which rows, threads."""
        return {"s": self.s, "view": self.view, "index": self.index, "threads": self.threads}

    @cached_property
    def _is_plain(self) -> bool:
        return bool((self.outer == 1.0).all())

    def read(
        self,
        what: What,
        w: Vector,
        b: float,
        *,
        z: Vector | None = None,
        q: Vector | None = None,
        h: Vector | None = None,
        loss: GivenLoss | None = None,
    ) -> Sums:
        """Add over all rows at (w, b), in the fit's units and in units of `weight_unit`; a read, two for a matrix of levels.

        Parameters
        ----------
        what : What
            LOSS and, as asked, GRADIENT, HESSIAN, SQUARES, NORMS; SUMS and EXTREMES beside GRADIENT and SQUARES: `moments`
            without correlations then needs no read of dense rows.
        w, b
            (n,) and a number, in the fit's units.
        z, h : (m,), optional
            Filled with every row's z, and g (1 - g).
        q : (n + 1,), optional
            Weights of the norms, for units whose scales are powers of two.
        loss : callable, optional
            As in `kernels.read`.
        """
        self.count_read()
        if what & What.HESSIAN and not self.design.of_numbers_alone:
            self.count_read()
            what &= ~What.HESSIAN32
        outer, ratio = self.outer, self.outer[:-1]
        sums = reader.read(
            self.design, what | What.LOSS, y=self.y, w=w / ratio, b=b, z=z, q=q, h=h, loss=loss, **self.how
        )
        if sums.low is not None and self.view is not None and "moments" not in self.learned and self.is_dense:
            found, good = moments_of(self, sums, self.view)
            self.learned.update({"moments": found} if good.all() else {})
        if self._is_plain:
            return sums
        return replace(
            sums,
            gradient=sums.gradient / ratio,
            matrix=None if sums.matrix is None else sums.matrix / outer / outer[:, None],
            squares=None if sums.squares is None else sums.squares / ratio**2,
        )

    def secant(self, z: Vector, v: Vector, u: Vector, r: Matrix, norms: bool = False) -> Secant:
        """Read along v (n + 1,) from given z (m,), in the fit's units; fills u (m,), r (2, m) as `kernels.secant` does."""
        self.count_read()
        found = reader.secant(self.design, z, v / self.outer, y=self.y, u=u, r=r, norms=norms, **self.how)
        return found.over(self.outer)

    def diagonal(self, h: Vector) -> Vector:
        """Add s h x~^2 over the rows, (n + 1,), in the fit's units; one read."""
        self.count_read()
        return np.asarray(reader.diagonal(self.design, h, **self.how) / self.outer**2)

    def gram(self, h: Vector, columns: Index) -> Matrix:
        """Add s h x~ x~' over the rows, for some columns (k,) and the bias, (k + 1, k + 1), in the fit's units: a read."""
        self.count_read(len(columns) / self.n_features if self.design.of_numbers_alone else 1.0)
        order = np.argsort(columns, kind="stable")
        matrix = reader.gram(self.design, h, np.asarray(columns)[order], **self.how)
        if not self._is_plain:
            outer = np.append(self.outer[columns[order]], 1.0)
            matrix /= outer
            matrix /= outer[:, np.newaxis]
        if (np.diff(order) > 0).all():
            return matrix
        back = np.append(np.argsort(order), len(order))
        return np.asarray(matrix[np.ix_(back, back)])

    def scores(self, w: Vector, b: float) -> Vector:
        """Log-odds z of every row at (w, b) in the fit's units, shape (m,); one read.

        A row of weight 0 may have levels that no other has: of categories its z is b.
        """
        self.count_read()
        z = np.empty(self.n_rows)
        how = self.how if self.design.categories else {**self.how, "s": None}
        reader.read(self.design, What.LOSS, w=w / self.outer[:-1], b=b, z=z, **how)
        return z

    def extremes(self, mask: NDArray[np.bool_]) -> tuple[Vector, Vector]:
        """Smallest and largest of each column over the rows of the mask, as given: exact, one read."""
        self.count_read()
        sums = reader.read(self.design, What.EXTREMES, **{**self.how, "s": mask.astype(np.float64), "view": None})
        assert sums.low is not None
        assert sums.high is not None
        return sums.low, sums.high

    def newton_path(self, **run: Any) -> Path:
        """Run Newton in the core, in units whose scales are powers of two: see `kernels.newton_path`."""
        path = newton_path(self.design, self.y, **self.how, **run)
        self.count_read(path.total)
        return path

    # --- levels ------------------------------------------------------------------------------------------------------

    def rare(self, share: float, most: float) -> Rare:
        """Find the columns that a share of the rows would show too seldom, and their rows: see `rare_rows`."""
        return rare_rows(self, share, most)

    def has_one_sided_level(self, fit_intercept: bool) -> bool:
        """Whether a level has rows of one class only, which separates the classes; one read."""
        if not self.design.groups:
            return False
        self.count_read()
        n, classes = self.n_features, np.stack([self.y == 0, self.y == 1]).astype(np.float64)
        how = {**self.how, "view": None, "s": None if self.s is None else self.is_kept.astype(np.float64)}
        found = reader.read_points(self.design, What.SUMS, np.zeros((2, n)), np.zeros(2), row_weights=classes, **how)
        for span, has_first in self.design.groups:
            rows = np.array([sums.sums[span] for sums in found if sums.sums is not None])
            if has_first and fit_intercept:
                rows = np.column_stack([[sums.weight for sums in found] - rows.sum(axis=1), rows])
            if ((rows > 0).sum(axis=0) == 1).any():
                return True
        return False

    # --- rows as numbers ---------------------------------------------------------------------------------------------

    def numbers(self, rows: slice | Index = slice(None), columns: Index | None = None) -> Matrix:
        """Look at some columns of some rows as they are given, in float64: (k, columns), not to be written to."""
        return expanded(self.design, rows if self.index is None else self.index[rows], columns)

    def viewed(self, rows: slice | Index = slice(None)) -> Matrix:
        """Rows as they are seen, with the bias's 1 last: a copy, (k, n + 1)."""
        x = self.numbers(rows)
        if self.view is not None:
            x = x * self.view.p - self.view.center * self.view.p
        return np.column_stack([x / self.outer[:-1], np.ones(len(x))])

    def refuse_non_finite(self) -> None:
        """Raise InputError for the first NaN or infinity in a row of positive weight, naming row and column."""
        rows, columns, csr = np.flatnonzero(self.is_kept), np.flatnonzero(self.design.numeric), self.design.csr
        if csr is not None:
            bad = np.searchsorted(csr.indptr, np.flatnonzero(~np.isfinite(csr.data)), side="right") - 1
            rows = rows[np.isin(self.places[rows], bad)]
        step = max(1, AT_ONCE // self.n_features)
        for first in range(0, len(rows), step):
            x = self.numbers(rows[first : first + step], columns)
            if not np.isfinite(x).all():
                i, j = np.argwhere(~np.isfinite(x))[0]
                what, row = "NaN" if np.isnan(x[i, j]) else x[i, j], self.places[rows[first + i]] + 1
                where = f"row {row}, column {self.feature_names[columns[j]]!r}"
                raise InputError(f"X has {what} in {where}: fill it in, drop the row, or give the row weight 0")

    # --- the same data otherwise -------------------------------------------------------------------------------------

    def take(self, index: Index, keep: NDArray[np.bool_] | None = None) -> Rows:
        """See the rows at `index`, where they lie, as rows of their own; those not kept have weight 0.

        Their reads count as that share of the whole's.
        """
        s = None if self.s is None else self.s[index]
        s = s if keep is None else keep.astype(np.float64) if s is None else np.where(keep, s, 0.0)
        return replace(self, y=self.y[index], s=s, index=self.places[index], learned={})

    def in_batches(self) -> Rows:
        """Return the rows as mini-batches visit them: those of a table as a dense copy."""
        if not self.design.columns:
            return self
        design = Blocks.dense(self.numbers())
        threads = useful_threads((self.n_rows, design.row_numbers), self.threads)
        return replace(self, design=design, index=None, threads=threads, copies=1, tally=Tally(self.n_rows), learned={})

    def as_given(self) -> Rows:
        """See the rows in the user's units."""
        return self.see(Units.of_user(self.n_features))

    def see(self, units: Units) -> Rows:
        """See the columns in these units."""
        p, known = power_of_two(units.scale), self.learned.get("moments")
        if known is not None:  # squares of the user's units may overflow
            size = np.maximum(np.abs(known.low - units.center), np.abs(known.high - units.center))
            p = np.where((units.scale == 1.0) & (size >= 1e150), power_of_two(size), p)
        is_plain = bool((p == 1.0).all()) and not units.center.any()
        view, outer = None if is_plain else View(units.center, p), np.append(units.scale * p, 1.0)
        return replace(self, units=units, view=view, outer=outer)

    def guess_units(self, centred: bool) -> Units:
        """Units for arithmetic, with scales that are powers of two: numbers less about their mean, where that is no copy."""
        return self.once(f"units {centred}", lambda: guess_units(self, centred))

    def standardize(self, columns: NDArray[np.bool_], scaled: bool = True) -> Rows:
        """See the columns of the mask as (x - mean) / sd, or x - mean; a constant column is centred alone."""
        if self.design.csr is not None:
            raise InputError("standardize would fill a sparse matrix: scale its columns first, or give X.toarray()")
        moments = self.moments(correlations=False)
        divided = columns & (moments.sd > 0) & scaled
        tiny = divided & (moments.sd < 1e-304)
        if tiny.any():
            name = self.feature_names[int(np.flatnonzero(tiny)[0])]
            raise InputError(f"column {name!r} is too small for its coefficient to be a float64: multiply it by 1e300")
        return self.see(Units(np.where(columns, moments.mean, 0.0), np.where(divided, moments.sd, 1.0)))
