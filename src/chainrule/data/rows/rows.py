"""Rows of a design, with labels and weights, in the units of a fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from chainrule.data.rows.decode import expanded
from chainrule.data.rows.moments import moments_of, read_moments
from chainrule.data.rows.units import Matrix, Moments, Units, Vector, power_of_two, theta_of
from chainrule.data.schema import Column
from chainrule.data.schema import feature_names as names_of
from chainrule.findings import Finding
from chainrule.kernels import reader
from chainrule.kernels.blocks import Blocks
from chainrule.kernels.bordered import scaled
from chainrule.kernels.reader import GivenLoss
from chainrule.kernels.reading import Secant, Sums, View, What, thread_count, useful_threads
from chainrule.kernels.vectors import vector_depth

if TYPE_CHECKING:
    from chainrule.data.missing import Missing

Index = NDArray[np.int64]
Known = TypeVar("Known")

MAX_MATRIX_COLUMNS = 2048  # with more, moments come without the matrix of correlations


@dataclass
class Tally:
    """Counts the reads of data with this many rows, a part of the rows as a fraction; shared by all `Rows` on the data."""

    rows: int
    reads: float = 0.0


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of a design with labels and weights, in the units of a fit. Immutable: other units or rows make another object.

    design : the data. index : (m,), the places of these rows in it; None for all of them.
    y : (m,) uint8, 0 or 1. s : (m,), weights in units of `weight_unit`; a row of weight 0 is never looked at.
    feature_names : one for each coefficient. encodings : how a table's columns were encoded. copies : how often X was copied.
    missing : what was missing in a table, and what was done about it; `dropped` rows were left out.
    threads : the number doesn't change any result.
    units : of w, and of everything that is read. view, outer : the part of the units that the core applies, and the factors,
    (n + 1,), that are applied to its sums afterwards; 1 for the bias.
    learned : what earlier reads found about these rows, independent of units. said : what there is to say about the table.
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
    missing: tuple[Missing, ...] = ()
    dropped: int = 0
    view: View | None = None
    learned: dict[str, Any] = field(default_factory=dict)
    said: tuple[Finding, ...] = ()

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
        """Make rows of a design, or of its rows at `index`, in the user's units.

        Weights are summed in units of a power of two near their mean, so that multiplying all by a power of two changes no bit.
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
    def weight(self) -> float:
        """Sum of the weights, in units of `weight_unit`."""
        return float(self.n_rows if self.s is None else self.s.sum())

    @property
    def sum_weights(self) -> float:
        """Sum of the weights, S, in the user's unit."""
        return self.weight * self.weight_unit

    @property
    def is_dense(self) -> bool:
        """Whether the data are a dense matrix."""
        return self.design.X is not None

    @property
    def reads(self) -> float:
        """How often the data were read so far, in any units; a part of the rows counts as a fraction."""
        return self.tally.reads

    def count_read(self, share: float = 1.0) -> None:
        """Count a read of a share of the rows' numbers."""
        self.tally.reads += share * self.n_rows / self.tally.rows

    @cached_property
    def places(self) -> Index:
        """Places of these rows in the design, (m,)."""
        return np.arange(self.n_rows) if self.index is None else self.index

    @cached_property
    def is_kept(self) -> NDArray[np.bool_]:
        """Mask of the rows with a positive weight, (m,)."""
        return np.ones(self.n_rows, dtype=np.bool_) if self.s is None else self.s > 0

    @cached_property
    def n_visited(self) -> int:
        """Number of rows with a positive weight, which an epoch of mini-batches visits: M."""
        return self.n_rows if self.s is None else int(np.count_nonzero(self.is_kept))

    @cached_property
    def sum_depth(self) -> float:
        """Number of roundings that a term goes through in a sum over the rows: d."""
        return max(self.design.sum_depth(self.n_rows), vector_depth(self.n_rows))

    @property
    def matrix_depth(self) -> float:
        """Number of roundings that a term goes through in the Hessian's sum: N."""
        return self.design.matrix_depth(self.n_rows)

    def once(self, name: str, make: Callable[[], Known]) -> Known:
        """Return the result of `make`, called only once for these rows in any units."""
        if name not in self.learned:
            self.learned[name] = make()
        known: Known = self.learned[name]
        return known

    def moments(self, correlations: bool = True) -> Moments:
        """Return means, deviations, extremes and, unless there are too many columns, correlations: a read or two at first."""
        found: Moments | None = self.learned.get("moments")
        with_matrix = correlations and self.n_features <= MAX_MATRIX_COLUMNS
        if found is None or (with_matrix and found.correlation is None):
            found = self.learned["moments"] = read_moments(self, with_matrix)
        return found

    # --- reads -------------------------------------------------------------------------------------------------------

    @property
    def how(self) -> Any:
        """Arguments of every read: weights, view, rows and threads."""
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
        """Sum over all rows at (w, b), in the fit's units and in units of `weight_unit`; a read, or two for a matrix of levels.

        Parameters
        ----------
        what : What
            LOSS is always included; GRADIENT, HESSIAN, SQUARES, NORMS. With SUMS and EXTREMES beside GRADIENT and SQUARES, the
            read also gives dense rows their `moments` without correlations.
        w, b
            (n,) and a number, in the fit's units.
        z, h : (m,), optional
            Filled with the rows' z, and with g (1 - g).
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
        head = self.design.head if what & What.HESSIAN else None
        sums = reader.read(
            self.design, what | What.LOSS, y=self.y, w=w / ratio, b=b, z=z, q=q, h=h, loss=loss, head=head, **self.how
        )
        if sums.low is not None and self.view is not None and "moments" not in self.learned and self.is_dense:
            found, good = moments_of(self, sums, self.view)
            self.learned.update({"moments": found} if good.all() else {})
        if self._is_plain:
            return sums
        return replace(
            sums,
            gradient=sums.gradient / ratio,
            matrix=None if sums.matrix is None else scaled(sums.matrix, 1.0 / outer),
            sums=None if sums.sums is None else sums.sums / ratio,
            squares=None if sums.squares is None else sums.squares / ratio**2,
        )

    def secant(self, z: Vector, v: Vector, u: Vector, r: Matrix, **more: Any) -> Secant:
        """Read along v (n + 1,) from given z (m,), in the fit's units; fills u (m,) and r (2, m). more : as in `secant`."""
        self.count_read()
        if self._is_plain:
            return reader.secant(self.design, z, v, y=self.y, u=u, r=r, **more, **self.how)
        return reader.secant(self.design, z, v / self.outer, y=self.y, u=u, r=r, **more, **self.how).over(self.outer)

    def diagonal(self, h: Vector) -> Vector:
        """Sum s h x~^2 over the rows, (n + 1,), in the fit's units; one read."""
        self.count_read()
        return np.asarray(reader.diagonal(self.design, h, **self.how) / self.outer**2)

    def gram(self, h: Vector, columns: Index) -> Matrix:
        """Sum s h x~ x~' over the rows for some columns (k,) and the bias, (k + 1, k + 1), in the fit's units: a read."""
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
        """Compute every row's log-odds z, (m,), at (w, b) in the fit's units; one read.

        In a table with categories, rows of weight 0 get z = b, as they may have levels that no other row has.
        """
        self.count_read()
        z = np.empty(self.n_rows)
        how = self.how if self.design.categories else {**self.how, "s": None}
        reader.read(self.design, What.LOSS, w=w / self.outer[:-1], b=b, z=z, **how)
        return z

    def extremes(self, mask: NDArray[np.bool_]) -> tuple[Vector, Vector]:
        """Return the smallest and largest x of each column in the rows of the mask, in the user's units; exact, one read."""
        self.count_read()
        sums = reader.read(self.design, What.EXTREMES, **{**self.how, "s": mask.astype(np.float64), "view": None})
        assert sums.low is not None
        assert sums.high is not None
        return sums.low, sums.high

    # --- rows as numbers ---------------------------------------------------------------------------------------------

    def numbers(self, rows: slice | Index = slice(None), columns: Index | None = None) -> Matrix:
        """Return some columns of some rows in the user's units, float64 (k, columns); don't write to it."""
        return expanded(self.design, rows if self.index is None else self.index[rows], columns)

    def viewed(self, rows: slice | Index = slice(None)) -> Matrix:
        """Return a copy of some rows in the fit's units, with the bias's 1 last, (k, n + 1)."""
        x = self.numbers(rows)
        if self.view is not None:
            x = x * self.view.p - self.view.center * self.view.p
        return np.column_stack([x / self.outer[:-1], np.ones(len(x))])

    # --- other rows or units ----------------------------------------------------------------------------------------

    def take(self, index: Index, keep: NDArray[np.bool_] | None = None) -> Rows:
        """Return the rows at `index` as separate rows, without a copy; rows not kept get weight 0.

        A read of them counts as their share of the whole.
        """
        s = None if self.s is None else self.s[index]
        s = s if keep is None else keep.astype(np.float64) if s is None else np.where(keep, s, 0.0)
        places = index if self.index is None else self.index[index]
        return replace(self, y=self.y[index], s=s, index=places, learned={})

    def as_given(self) -> Rows:
        """Return the rows in the user's units."""
        return self.see(Units.of_user(self.n_features))

    def see(self, units: Units) -> Rows:
        """Return the rows in these units."""
        p, known = power_of_two(units.scale), self.learned.get("moments")
        if known is not None:  # squares of the user's units may overflow
            size = np.maximum(np.abs(known.low - units.center), np.abs(known.high - units.center))
            p = np.where((units.scale == 1.0) & (size >= 1e150), power_of_two(size), p)
        is_plain = bool((p == 1.0).all()) and not units.center.any()
        view, outer = None if is_plain else View(units.center, p), theta_of(units.scale * p, 1.0)
        return replace(self, units=units, view=view, outer=outer)
