"""What every storage of rows shares: labels, weights, names, units, and the count of reads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from chainrule import kernels
from chainrule.data.rows.rare import Rare
from chainrule.data.rows.units import Matrix, Moments, Units, Vector, power_of_two
from chainrule.errors import InputError
from chainrule.kernels import Design, GivenLoss, Secant, Sums, View, What

if TYPE_CHECKING:
    from chainrule.data.rows.dense import DenseRows

# Up to here the matrix of moments is made whole: n^2 numbers, and m n^2 operations.
MAX_MATRIX_COLUMNS = 2048


class Rows(ABC):
    """Rows of numbers, wherever they lie.

    Parameters
    ----------
    design : kernels.Design
        The blocks that are read.
    y : (m,) uint8, 0 or 1
    s : (m,) float64, optional
        Weights, finite and not negative; a row of weight 0 is not looked at.
    feature_names : sequence of str
        Name the columns in an error.
    threads : int
        Changes no bit of any sum.
    """

    def __init__(
        self, design: Design, y: NDArray[np.uint8], s: Vector | None, feature_names: Sequence[str], threads: int
    ) -> None:
        self.design, self.y = design, y
        # Weights are summed in units of a power of two near their mean, so that their scale changes no bit.
        self.weight_unit = 1.0 if s is None else float(1.0 / power_of_two(np.array(s.sum() / len(s))))
        self.s = None if s is None else s / self.weight_unit
        self.feature_names = tuple(feature_names)
        self.references: dict[str, str] = {}  # of a category's name: the level that has no column
        self.threads = threads
        self.n_rows, self.n_features = len(y), len(self.feature_names)
        self.units = Units.of_user(self.n_features)
        self.reads = 0.0
        self._view: View | None = None
        self._ratio = np.ones(self.n_features)
        self._moments: Moments | None = None
        self._index: NDArray[np.int64] | None = None
        self._whole: Rows | None = None

    can_centre = True  # any of its columns, as a view

    @property
    def dense(self) -> DenseRows | None:
        """These rows where they are dense numbers: what the core's own Newton and mini-batches read."""
        return None

    # Rows of positive weight of each level of a category, by its column's number, where they were counted as it was learnt.
    level_rows: dict[int, NDArray[np.int64]] | None = None

    # --- what a storage does -----------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def storage(self) -> str:
        """How the data lie, in words."""

    @property
    def _at(self) -> dict[str, Any]:
        return {"s": self.s, "view": self._view, "index": self._index, "threads": self.threads}

    @property
    def _outer(self) -> Vector:
        """What is left of the units behind the view, (n + 1,), the bias's 1."""
        return np.append(self._ratio, 1.0)

    def reduce(
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
            without correlations then needs no read.
        w, b
            (n,) and a number, in the fit's units.
        z, h : (m,), optional
            Filled with every row's z, and g (1 - g).
        q : (n + 1,), optional
            Weights of the norms, for units whose scales are powers of two.
        loss : callable, optional
            As of `kernels.read`.
        """
        self.count_read()
        if what & What.HESSIAN and not self.design.of_numbers_alone:
            self.count_read()
            what &= ~What.HESSIAN32
        sums = kernels.read(
            self.design, what | What.LOSS, y=self.y, w=w / self._ratio, b=b, z=z, q=q, h=h, loss=loss, **self._at
        )
        self._keep_moments(sums)
        if self._is_plain:
            return sums
        outer = self._outer
        return replace(
            sums,
            gradient=sums.gradient / self._ratio,
            matrix=None if sums.matrix is None else sums.matrix / outer / outer[:, None],
            squares=None if sums.squares is None else sums.squares / self._ratio**2,
        )

    def loss(self, w: Vector, b: float, view: View | None = None) -> Sums:
        """Add the loss alone at (w, b), in the units of a view; a read."""
        self.count_read()
        return kernels.read(self.design, What.LOSS, y=self.y, w=w, b=b, **{**self._at, "view": view})

    def in_batches(self) -> Rows:
        """Give the rows as mini-batches visit them: dense ones."""
        return self

    def _keep_moments(self, sums: Sums) -> None:  # noqa: B027, only dense rows keep any
        """Take in the moments that stand beside a loss."""

    def product(self, h: Vector, v: Vector, t: Vector | None = None) -> Vector:
        """Add s h (x~.v) x~ over the rows, (n + 1,), for h (m,) and v (n + 1,) in the fit's units; one read.

        t (m,), optional: filled with x~.v.
        """
        self.count_read()
        return np.asarray(kernels.product(self.design, h, v / self._outer, t=t, **self._at) / self._outer)

    def secant(self, z: Vector, v: Vector, u: Vector, r: Matrix, norms: bool = False) -> Secant:
        """Read along v (n + 1,) from given z (m,), in the fit's units; fills u (m,), r (2, m) as `kernels.secant` does."""
        self.count_read()
        found = kernels.secant(self.design, z, v / self._outer, y=self.y, u=u, r=r, norms=norms, **self._at)
        return found.over(self._outer)

    def diagonal(self, h: Vector) -> Vector:
        """Add s h x~^2 over the rows, (n + 1,), in the fit's units; one read."""
        self.count_read()
        return np.asarray(kernels.diagonal(self.design, h, **self._at) / self._outer**2)

    def gram(self, h: Vector, columns: NDArray[np.int64]) -> Matrix:
        """Add s h x~ x~' over the rows, for some columns (k,) and the bias, (k + 1, k + 1), in the fit's units: a read."""
        self.count_read(len(columns) / self.n_features if self.design.of_numbers_alone else 1.0)
        order = np.argsort(columns, kind="stable")
        matrix = kernels.gram(self.design, h, np.asarray(columns)[order], **self._at)
        if not self._is_plain:
            outer = np.append(self._ratio[columns[order]], 1.0)
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
        at = self._at if self.design.spans else {**self._at, "s": None}
        kernels.read(self.design, What.LOSS, w=w / self._ratio, b=b, z=z, **at)
        return z

    def extremes(self, mask: NDArray[np.bool_]) -> tuple[Vector, Vector]:
        """Smallest and largest of each column over the rows of the mask, as given: exact, one read."""
        self.count_read()
        sums = kernels.moments(self.design, s=mask.astype(np.float64), index=self._index, threads=self.threads)
        return sums.low, sums.high

    @property
    def sum_depth(self) -> float:
        """Roundings that a term of a read's sum, or of a pass over z, goes through: d."""
        return max(self.design.sum_depth(self.n_rows), kernels.vector_depth(self.n_rows))

    @property
    def matrix_depth(self) -> float:
        """Roundings that a term of the Hessian's sum goes through: N."""
        return self.design.matrix_depth(self.n_rows)

    @abstractmethod
    def given(self, places: NDArray[np.int64]) -> Matrix:
        """Rows at these places as they are given: a copy (k, n) in float64, in C order."""

    @abstractmethod
    def block(self, rows: slice | NDArray[np.int64], columns: NDArray[np.int64]) -> Matrix:
        """Look at some columns of some rows as they are given, in float64: (k, columns), not to be written to."""

    @abstractmethod
    def of_columns(self, columns: NDArray[np.int64]) -> Rows:
        """Copy these columns of all rows, as rows of their own."""

    @abstractmethod
    def of_rows(self, places: NDArray[np.int64]) -> Rows:
        """Copy these rows, as a whole of their own."""

    @cached_property
    def numeric(self) -> NDArray[np.bool_]:
        """Which columns are numbers (n,), and not levels of a category or marks of missing numbers."""
        return np.ones(self.n_features, dtype=np.bool_)

    @property
    def terms(self) -> int:
        """Products in a row's z, at most."""
        return self.n_features

    @property
    def mean_terms(self) -> float:
        """Products in a row's z, on average."""
        return float(self.terms)

    @property
    @abstractmethod
    def data(self) -> object:
        """What the user handed over: the same object, the same data."""

    @property
    def unit(self) -> float:
        """Unit roundoff of the data: of float32 2^-24."""
        return 2.0**-53

    @abstractmethod
    def guess_units(self, centred: bool) -> Units:
        """Units for arithmetic, with scales that are powers of two: columns less about their mean, where that is no copy."""

    def moments(self, correlations: bool = True) -> Moments:
        """Means, deviations, extremes, and correlations unless columns are many: a read or two, the first time."""
        if self._moments is None:
            units = self.guess_units(centred=True)
            view = View(units.center, 1.0 / units.scale)
            self.count_read()
            sums = kernels.moments(self.design, level_rows=self.level_rows, **{**self._at, "view": view})
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

    def _may_centre(self, moments: Moments) -> NDArray[np.bool_]:
        """Which columns a view can centre."""
        return self.numeric

    def _correlation(self, moments: Moments) -> Matrix:
        center = np.where(self._may_centre(moments), moments.mean, 0.0)
        scaled = self.numeric & (moments.sd > 0)
        p = np.where(scaled, power_of_two(np.maximum(moments.sd, 1e-300)), 1.0)
        self.count_read()
        G = kernels.gram(self.design, None, None, **{**self._at, "view": View(center, p)})
        shift = G[-1, :-1] / G[-1, -1]
        inverse = np.divide(1.0, moments.sd * p, out=np.zeros(self.n_features), where=moments.sd > 0)
        correlation = (G[:-1, :-1] / G[-1, -1] - np.outer(shift, shift)) * inverse * inverse[:, np.newaxis]
        np.fill_diagonal(correlation, np.where(moments.sd > 0, 1.0, 0.0))
        return np.asarray(correlation)

    @abstractmethod
    def refuse_non_finite(self) -> None:
        """Raise InputError for the first NaN or infinity in a row of positive weight, naming row and column."""

    def viewed(self, places: NDArray[np.int64]) -> Matrix:
        """Rows at these places as they are seen, with the bias's 1 last: a copy, (k, n + 1)."""
        x = self.given(places)
        if self._view is not None:
            x = x * self._view.p - self._view.center_times_p
        return np.column_stack([x / self._ratio, np.ones(len(places))])

    # --- which rows --------------------------------------------------------------------------------------------------

    def take(self, index: NDArray[np.int64], keep: NDArray[np.bool_] | None = None) -> Self:
        """See the rows at `index`, where they lie, as rows of their own; those not kept have weight 0.

        Their reads count as that share of the whole's.
        """
        part = copy(self)
        part.y = self.y[index]
        s = None if self.s is None else self.s[index]
        part.s = s if keep is None else keep.astype(np.float64) if s is None else np.where(keep, s, 0.0)
        part.n_rows, part.reads, part._moments = len(index), 0.0, None
        part._index, part._whole = index if self._index is None else self._index[index], self
        for known in ("visited", "digest", "row_counts", "level_rows"):
            part.__dict__.pop(known, None)
        return part

    def rare(self, share: float, most: float, bend: Vector | None = None) -> Rare:
        """Find levels or columns of which a share of the rows would show too little, and all rows that have them, about `most`.

        bend : (n,), 4 g (1 - g) of a column's rows, where that is known: a row of little curvature shows little.
        """
        return Rare.none()

    @property
    def hessian_reads(self) -> float:
        """Time of a read with the Hessian and its factor, in reads without it: measured, two threads."""
        return 3.0 + self.n_features / 40

    @property
    def matrix_reads(self) -> float:
        """What of `hessian_reads` the matrix takes, however few the rows."""
        return 0.0

    @property
    def mean_squares(self) -> Vector | None:
        """Columns' mean squares in the fit's units, (n,), where these are known and would cost a read something."""
        return None

    @property
    def groups(self) -> list[tuple[slice, bool]]:
        """Of each category the columns of its levels, and whether there is one more level, without a column."""
        return []

    def has_one_sided_level(self, fit_intercept: bool) -> bool:
        """Whether a level has rows of one class only, so that the classes are separated: with an intercept any level."""
        return False

    def reach(self) -> Vector:
        """Largest |x_j| of each column over the rows, in the fit's units, (n,)."""
        moments = self.moments(correlations=False)
        size = np.maximum(np.abs(moments.low - self.units.center), np.abs(moments.high - self.units.center))
        return size / self.units.scale * (1.0 + 4.0 * np.finfo(np.float64).eps)

    @property
    def index(self) -> NDArray[np.int64]:
        """Which rows of the whole these are."""
        return np.arange(self.n_rows) if self._index is None else self._index

    @property
    def is_kept(self) -> NDArray[np.bool_]:
        """Which of the rows have a positive weight."""
        return np.ones(self.n_rows, dtype=np.bool_) if self.s is None else self.s > 0

    def beside(self) -> Self:
        """Give the same rows once more, to be seen in other units; their reads count here too."""
        twin = copy(self)
        twin.reads, twin._whole = 0.0, self
        return twin

    def as_given(self) -> Self:
        """Give the same rows once more, in the user's units; their reads count here too."""
        twin = self.beside()
        twin.units, twin._view, twin._ratio = Units.of_user(self.n_features), None, np.ones(self.n_features)
        return twin

    def count_read(self, share: float = 1.0) -> None:
        """Count a read of a share of the rows' numbers, here and where these rows are from."""
        self.reads += share
        if self._whole is not None:
            self._whole.count_read(share * self.n_rows / self._whole.n_rows)

    @cached_property
    def visited(self) -> NDArray[np.int64] | None:
        """Rows that an epoch of mini-batches visits, those of positive weight; None for all."""
        return None if self.s is None or self.s.all() else np.flatnonzero(self.s)

    @property
    def n_visited(self) -> int:
        """M: how many these are."""
        return self.n_rows if self.visited is None else len(self.visited)

    # --- in which units ----------------------------------------------------------------------------------------------

    def see(self, units: Units) -> None:
        """From here on, see the columns in these units, whose scales are powers of two."""
        self.units, self._view = units, View(units.center, 1.0 / units.scale)
        self._ratio = np.ones(self.n_features)

    def standardize(self, columns: NDArray[np.bool_], scaled: bool = True) -> None:
        """From here on, see the columns of the mask as (x - mean) / sd, or x - mean; a constant column is centred alone."""
        moments = self.moments(correlations=False)
        divided = columns & (moments.sd > 0) & scaled
        tiny = divided & (moments.sd < 1e-304)
        if tiny.any():
            name = self.feature_names[int(np.flatnonzero(tiny)[0])]
            raise InputError(f"column {name!r} is too small for its coefficient to be a float64: multiply it by 1e300")
        center = np.where(columns, moments.mean, 0.0)
        scale = np.where(divided, moments.sd, 1.0)
        self._look_through(Units(center, scale), moments)

    def column_scale(self) -> Vector:
        """Deviation of each column in the fit's units; of a constant column its size, or 1."""
        moments = self.moments()
        sd, size = moments.sd / self.units.scale, np.abs(moments.mean - self.units.center) / self.units.scale
        return np.where(sd > 0, sd, np.where(size > 0, size, 1.0))

    def _look_through(self, units: Units, moments: Moments) -> None:
        size = np.maximum(np.abs(moments.low - units.center), np.abs(moments.high - units.center))
        plain = (units.scale == 1.0) & (size < 1e150)
        p = power_of_two(np.where(plain, 1.0, np.where(units.scale == 1.0, size, units.scale)))
        self.units = units
        self._view = View(units.center, p)
        self._ratio = units.scale * p

    @property
    def _few_columns(self) -> bool:
        return self.n_features <= MAX_MATRIX_COLUMNS

    @property
    def _is_plain(self) -> bool:
        return bool((self._ratio == 1.0).all())
