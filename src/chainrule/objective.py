"""What solvers minimise: F over one flat vector theta. `Objective` is the contract, `DataObjective` a fit's objective."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from chainrule.data.rows import Rare, Rows, theta_of
from chainrule.data.rows.batches import descend_rows
from chainrule.data.rows.moments import learn_spreads
from chainrule.data.sampling import Stratum, sample
from chainrule.kernels.bordered import Bordered, Symmetric, add_to_diagonal, without_bias
from chainrule.kernels.reader import GivenLoss
from chainrule.kernels.reading import Secant, Sums, What
from chainrule.kernels.runs import ARRIVAL, Batches, Path, newton_path
from chainrule.kernels.vectors import Along, Feasible, along, feasible, pointwise
from chainrule.losses import LOGISTIC, Loss, is_native, rms_residual
from chainrule.penalties import ElasticNet, ridge

NOTHING = What(0)
PAIRWISE = 40.0  # bound on a term's roundings in a NumPy sum: 16 + 3 + log2(m/128)

ROWS_AT_ONCE = 16384  # fit in the caches

Vector = NDArray[np.float64]
Index = NDArray[np.int64]
Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Evaluation:
    """F and its gradient (size,) at one point, and other quantities if requested.

    loss : mean log-loss in nats. accuracy : share of the rows' weight whose class is right.
    grad_norm : the largest of |dF_dw_j| / column_scale_j and |dF_db|.
    hessian : (n + 1, n + 1) with the bias last, or None; a sample's is scaled up to all rows. Bordered with a head.
    lower : the part of the Hessian from the rows read, not scaled up, over the sum of all weights, plus the penalty.
    norm : the largest sum_j q_j x~_j^2 of the rows. squares : (1/S) sum s x_j^2.
    float32 : whether the Hessian was multiplied in float32.
    """

    objective: float
    gradient: Vector
    loss: float = np.nan
    accuracy: float = np.nan
    grad_norm: float = np.nan
    hessian: Symmetric | None = None
    lower: Symmetric | None = None
    norm: float = 0.0
    squares: Vector | None = None
    float32: bool = False

    @property
    def finite(self) -> bool:
        """Whether F and its gradient are finite."""
        of_gradient = math.isfinite(self.grad_norm) or bool(np.isfinite(self.gradient).all())
        return math.isfinite(self.objective) and of_gradient


class Objective(Protocol):
    """F of one flat vector theta: all that gradient descent and newton-cg need."""

    size: int  # of theta

    @property
    def reads(self) -> float:
        """How often the data were read so far; 0 if that isn't counted."""
        return 0.0

    def evaluate(self, theta: Vector) -> Evaluation:
        """F and its gradient."""


class HasHessian(Objective, Protocol):
    """An objective with a Hessian, as Newton's method needs."""

    def hessian(self, theta: Vector) -> Matrix:
        """Second derivatives, (size, size)."""


class HasBatches(Objective, Protocol):
    """A mean over rows, which sgd minimises by batches of rows."""

    @property
    def n_visited(self) -> int:
        """Rows that an epoch visits."""

    def descend(self, theta: Vector, rate: float, batches: Batches, epoch: int) -> Vector:
        """Return the point that an epoch of updates reaches from theta."""


class DataObjective(Objective):
    """F(w, b) = (1/S) sum_i s_i l(z_i, y_i) + P(w),   z_i = x_i.w + b,   S = sum_i s_i,   theta = (w, b).

    Gradient:  dF/dw = (1/S) sum_i s_i dL_dz_i x_i + dP/dw,   dF/db = (1/S) sum_i s_i dL_dz_i.
    Hessian:   (1/S) sum_i s_i d2L_dz2_i x~_i x~_i' + diag(ridge, 0),   x~ = (x, 1).

    Conventions: the loss is a mean over the weights, so F doesn't grow with the number of rows, and the weights' scale
    doesn't matter. The bias b is last in theta and is never penalised; without an intercept it stays 0, as do its derivatives.
    Everything is in the units of the rows (`rows.units`): if columns are standardised, the penalty, w and the derivatives are
    for the standardised columns. Vectors are float64.

    Parameters
    ----------
    rows : Rows
    penalty : ElasticNet, optional
        In the units of the rows; none by default.
    fit_intercept : bool
    column_scale : (n,), optional
        Standard deviations of the columns, so that grad_norm doesn't depend on their units; ones by default.
    loss : Loss
        The logistic loss by default. A loss that the core lacks is called in NumPy, which is slower.
    strata : tuple of Stratum, optional
        A sample in place of all rows: see `sample`.
    fit_ridge : (n,), optional
        The fit's own ridge, if a sample's penalty has more; `Evaluation.lower` includes this one alone.
    pivots : (k,), optional
        Columns that Newton's steps and bounds are about. The others are combinations of them, and their weights are held.
    """

    def __init__(
        self,
        rows: Rows,
        penalty: ElasticNet | None = None,
        fit_intercept: bool = True,
        column_scale: Vector | None = None,
        loss: Loss = LOGISTIC,
        strata: tuple[Stratum, ...] | None = None,
        fit_ridge: Vector | None = None,
        pivots: Index | None = None,
    ) -> None:
        self.rows, self.fit_intercept, self.loss = rows, fit_intercept, loss
        self.penalty = ridge(0.0, rows.n_features) if penalty is None else penalty
        self.column_scale = column_scale
        self.given = None if is_native(loss) else _called(loss)
        self.strata = (Stratum(rows, 1.0),) if strata is None else strata
        self.n_features, self.size = rows.n_features, rows.n_features + 1
        self.fit_ridge = self.ridge if fit_ridge is None else fit_ridge
        self.is_sample, self.pivots = strata is not None, pivots
        self.kept = slice(None) if pivots is None else np.append(pivots, self.n_features)  # of theta

    @property
    def ridge(self) -> Vector:
        """Second derivative of the penalty, one number per column."""
        return self.penalty.curvature

    @property
    def n_rows(self) -> int:
        """Rows that an evaluation reads."""
        return sum(stratum.rows.n_rows for stratum in self.strata)

    @cached_property
    def sum_depth(self) -> float:
        """Depth d of the sums for loss and gradient: the roundings that a term goes through."""
        return max(stratum.rows.sum_depth for stratum in self.strata) + len(self.strata) - 1.0

    @property
    def secant_depth(self) -> float:
        """Depth of the sums along a direction, the division by S included."""
        return self.rows.sum_depth + (0.0 if self.rows.s is None else PAIRWISE)

    @cached_property
    def matrix_depth(self) -> float:
        """Depth N of the Hessian's sums."""
        return max(stratum.rows.matrix_depth for stratum in self.strata) + len(self.strata) - 1.0

    @property
    def reads(self) -> float:
        """How often each row was read so far; a part of the rows counts as a fraction."""
        return self.rows.reads

    def sample(self, size: int, more: float, of_levels: Rare | None = None) -> DataObjective:
        """Return the objective over a sample of about `size` rows, stratified by class.

        more : added to each column's ridge, since a sample may lack a level or a class.
        """
        strata = sample(self.rows, size, self.class_weights, of_levels)
        penalty = ElasticNet(self.penalty.l1, self.penalty.l2 + more)
        more_of = (self.column_scale, self.loss, strata, self.ridge, self.pivots)
        return DataObjective(self.rows, penalty, self.fit_intercept, *more_of)

    def about(self, pivots: Index) -> DataObjective:
        """Return the same objective with steps and bounds about the weights of some columns alone."""
        return DataObjective(self.rows, self.penalty, self.fit_intercept, self.column_scale, self.loss, pivots=pivots)

    def evaluate(
        self, theta: Vector, what: What = NOTHING, *, z: Vector | None = None, q: Vector | None = None
    ) -> Evaluation:
        """Return F, its gradient and what `what` asks for at theta (n + 1,), in one read.

        Parameters
        ----------
        what : What
            HESSIAN: the Hessian and its lower part; with HESSIAN32 multiplied in float32, twice as fast on many columns.
            SQUARES: the columns' mean squares, and their means, which `rows` keeps; EXTREMES may be added.
        z : (m,), optional
            Filled with the rows' z; for a sample, stratum by stratum.
        q : (n + 1,), optional
            Weights of `norm`.
        """
        w, b = theta[:-1], float(theta[-1])
        what |= What.LOSS | What.GRADIENT | (NOTHING if q is None else What.NORMS)
        what |= What.SUMS if what & What.SQUARES else NOTHING
        read = []
        for stratum, part in self._parts():
            fill = None if z is None else z[part]
            read.append(stratum.rows.read(what, w, b, z=fill, q=q, loss=self.given))
        return self._evaluation(w, what, read)

    def _evaluation(self, w: Vector, what: What, read: list[Sums]) -> Evaluation:
        """Make an evaluation at weights w from the sums over the strata."""

        def total(name: str) -> Any:
            if not self.is_sample:
                return getattr(read[0], name)
            first, *more = [s.multiplier * getattr(sums, name) for s, sums in zip(self.strata, read, strict=True)]
            return sum(more, start=first)

        loss, correct, weight, b_slope, slope = map(total, ("loss", "correct", "weight", "bias", "gradient"))
        loss /= weight
        gradient = np.empty(self.size)
        gradient[:-1] = slope / weight + self.penalty.gradient(w)
        gradient[-1] = b_slope / weight if self.fit_intercept else 0.0
        squares = total("squares") / weight if what & What.SQUARES else None
        if squares is not None and not self.is_sample:
            learn_spreads(self.rows, total("sums") / weight, squares)
        matrix, lower = self._matrices([sums.matrix for sums in read if sums.matrix is not None], weight)
        return Evaluation(
            loss + self.penalty.value(w),
            gradient,
            loss,
            correct / weight,
            self.norm(gradient),
            matrix,
            lower,
            max(sums.norm for sums in read),
            squares,
            bool(what & What.HESSIAN32),
        )

    def hessian(self, theta: Vector) -> Matrix:
        """Return the second derivatives (n + 1, n + 1), the bias last: one read."""
        found = self.evaluate(theta, What.HESSIAN).hessian
        assert found is not None
        return found.whole() if isinstance(found, Bordered) else found

    def _matrices(self, parts: list[Any], weight: float) -> tuple[Symmetric | None, Symmetric | None]:
        """Make the Hessian and its lower part (`Evaluation`) from the strata's sums, overwriting these."""
        if not parts:
            return None, None
        for part in parts:
            part /= weight
        if not self.is_sample:
            matrix = self._with_penalty(parts[0], self.ridge)
            return matrix, matrix
        matrix = parts[0] * self.strata[0].multiplier
        if len(parts) == 2:
            matrix += parts[1] * self.strata[1].multiplier
            parts[0] += parts[1]
        return self._with_penalty(matrix, self.ridge), self._with_penalty(parts[0], self.fit_ridge)

    def _with_penalty(self, matrix: Symmetric, ridge: Vector) -> Symmetric:
        add_to_diagonal(matrix, ridge)
        if not self.fit_intercept:
            without_bias(matrix, 0.0)
        return matrix

    @property
    def n_visited(self) -> int:
        """Rows that an epoch of mini-batches visits."""
        return self.rows.n_visited

    def descend(self, theta: Vector, rate: float, batches: Batches, epoch: int) -> Vector:
        """Return the point that an epoch of mini-batch updates on all rows reaches from theta: one read."""
        w, b = descend_rows(
            self.rows,
            theta[:-1],
            float(theta[-1]),
            ridge=self.ridge,
            fit_intercept=self.fit_intercept,
            rate=rate,
            batches=batches,
            epoch=epoch,
            loss=self.given,
        )
        return np.append(w, b)

    def newton_path(self, theta: Vector, *, near: float, most: int, z: Vector | None = None) -> Path:
        """Run Newton in the core, on few rows and columns, until the squared decrement is at most `near`.

        z : (m,), filled at the next point, which is then read too. The path's reads count from the first of the data.
        """
        before, rows = self.reads, self._weighted_rows()
        path = newton_path(
            rows.design,
            rows.y,
            w=theta[:-1],
            b=float(theta[-1]),
            alpha=self.ridge,
            fit_intercept=self.fit_intercept,
            near=near,
            most=most,
            z=z,
            **rows.how,
        )
        rows.count_read(path.total)
        path.reads[:] = before + path.reads * rows.n_rows / rows.tally.rows
        return path

    def _weighted_rows(self) -> Rows:
        """Return the rows that an evaluation reads, strata weighted by their multipliers."""
        if len(self.strata) == 1:
            return self.strata[0].rows
        parts = [(part.places, part.multiplier, part.rows) for part in self.strata]
        s = [times * (rows.is_kept if rows.s is None else rows.s) for _, times, rows in parts]
        return replace(self.rows.take(np.concatenate([places for places, _, _ in parts])), s=np.concatenate(s))

    def evaluations(self, path: Path) -> tuple[list[Evaluation], Evaluation | None]:
        """Turn the core's sums at the points of a path, and at its next point if that was read, into evaluations."""
        numbers = zip(path.objective, path.gradient, path.loss, path.correct, self.norm(path.gradient), strict=True)
        last = None if path.sums is None else self._evaluation(path.next[:-1], ARRIVAL, [path.sums])
        return [Evaluation(*of_point) for of_point in numbers], last

    def norm(self, gradient: Vector) -> Any:
        """Compute `Evaluation.grad_norm` for a gradient (n + 1,), or for k gradients (k, n + 1)."""
        scaled = gradient if self.column_scale is None else gradient / theta_of(self.column_scale, 1.0)
        return np.abs(scaled).max(axis=-1)

    @cached_property
    def weight(self) -> float:
        """Sum of the weights in an evaluation, in the rows' unit."""
        return sum(part.multiplier * part.rows.weight for part in self.strata)

    def curvatures(self, z: Vector) -> Vector:
        """Return d2L_dz2 of the rows that an evaluation reads, from the z of all rows: no read."""
        h = np.empty(self.n_rows)
        for stratum, part in self._parts():
            rows, of = stratum.rows, h[part]
            for first in range(0, rows.n_rows, ROWS_AT_ONCE):
                piece = slice(first, first + ROWS_AT_ONCE)
                of[piece] = self.pointwise(z[stratum.places[piece] if self.is_sample else piece], rows.y[piece])[2]
        return h

    def pointwise(self, z: Vector, y: NDArray[np.uint8]) -> tuple[Vector, Vector, Vector]:
        """Return loss, dL_dz and d2L_dz2 of rows whose z is known: no read."""
        return pointwise(z, y) if self.given is None else self.given(z, y.astype(np.float64))

    def rms_residual(self, mean: float) -> float:
        """Bound the root mean square of dL_dz by the mean loss."""
        return rms_residual(self.loss, mean)

    def hessian_block(self, h: Vector, columns: NDArray[np.int64], *, first: bool = False) -> Matrix:
        """Return the Hessian of some columns (k,) and the bias, (k + 1, k + 1): a read of these columns.

        first : read only a sample's first stratum, for columns of levels that no other row has.
        """
        total = None
        for stratum, part in self._parts():
            matrix = stratum.rows.gram(h[part], columns)
            matrix *= stratum.multiplier / self.weight
            total = matrix if total is None else np.add(total, matrix, out=total)
            if first:
                break
        assert total is not None
        total[np.diag_indices(len(columns))] += self.ridge[columns]
        return total

    # --- along a direction, from stored z: all rows, no sample -------------------------------------------------------

    @property
    def base_log_odds(self) -> float:
        """The best b for w = 0; 0 without an intercept."""
        return self.loss.best_constant(*self.class_weights) if self.fit_intercept else 0.0

    @cached_property
    def at_zero(self) -> float:
        """F at w = 0 and b = 0."""
        return float(self.loss.value(np.zeros(1), np.zeros(1))[0])

    @property
    def base_objective(self) -> float:
        """F at w = 0 and the best b."""
        b, (zeros, ones) = self.base_log_odds, self.class_weights
        losses = self.loss.value(np.array([b, b]), np.array([0.0, 1.0]))
        return float(zeros * losses[0] + ones * losses[1]) / self.weight

    @cached_property
    def class_weights(self) -> tuple[float, float]:
        """Total weight of the rows with y = 0, and with y = 1, in the rows' unit."""
        if self.rows.s is None:
            ones = int(np.count_nonzero(self.rows.y))
            return float(self.rows.n_rows - ones), float(ones)
        zeros, of_ones = np.bincount(self.rows.y, weights=self.rows.s, minlength=2).tolist()
        return zeros, of_ones

    def secant(
        self, z: Vector, v: Vector, u: Vector, r: Matrix, h: Vector | None = None, norms: bool = False
    ) -> Secant:
        """Read all rows along v (n + 1,) from z (m,): return sums, fill u (m,), r (2, m) and h (m,) (`kernels.secant`)."""
        return self.rows.secant(z, v, u, r, h=h, norms=norms)

    def along(self, z: Vector, u: Vector, t: float, shift: float) -> Along:
        """Sum the loss and its derivatives in (t, shift) over the rows at z + t u + shift: no read."""
        return along(z, u, self.rows.y, self.rows.s, t, shift, threads=self.rows.threads)

    def feasible(self, z: Vector, u: Vector, r: Matrix, h: Vector, t: float, shift: float, pull: float) -> Feasible:
        """Move z to z + t u + shift, in place, and measure the dual point there (`kernels.feasible`): no read."""
        return feasible(z, u, r, h, self.rows.y, self.rows.s, t, shift, pull, threads=self.rows.threads)

    def _parts(self) -> Iterator[tuple[Stratum, slice]]:
        """Yield each stratum with the places of its rows among all rows read."""
        at = 0
        for stratum in self.strata:
            yield stratum, slice(at, at + stratum.rows.n_rows)
            at += stratum.rows.n_rows


def _called(loss: Loss) -> GivenLoss:
    """Wrap a loss that the core lacks as one function, which the core calls."""
    return lambda z, y: (loss.value(z, y), loss.derivative(z, y), loss.second_derivative(z, y))
