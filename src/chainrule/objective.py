"""The contract that solvers see: an objective, never data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from chainrule.data.rows import Rare, Rows
from chainrule.data.rows.batches import descend_rows
from chainrule.data.sampling import Stratum, sample
from chainrule.given_loss import along_of, feasible_of, given_loss, secant_of
from chainrule.kernels.reading import Secant, What
from chainrule.kernels.runs import Batches, Path
from chainrule.kernels.vectors import Along, Feasible, along, feasible, pointwise
from chainrule.losses import LOGISTIC, Loss, rms_residual
from chainrule.penalties import Penalty, ridge

PAIRWISE = 40.0  # roundings that a term of one of NumPy's sums goes through: 16 + 3 + log2(m/128)

ROWS_AT_ONCE = 16384  # whose derivatives are made while they are in the caches

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Evaluation:
    """The objective and its derivatives at one point.

    objective = F, loss = mean log-loss (nats), accuracy = share of the weight of the rows whose class is right;
    grad_w (n,), grad_b; grad_norm: the largest of |grad_w_j| / column_scale_j and |grad_b|; hessian (n + 1, n + 1) with
    the bias last, or None. lower: the Hessian's part that the rows read account for, each counted once, over the sum of all
    weights, penalty in it (a sample's `hessian` counts its rows for those not read). common: that of rows without a rare level
    alone, where a penalty makes something of it. norm: the largest
    sum_j q_j x~_j^2 of the rows. squares: (1/S) sum s x_j^2. float32: the Hessian's products were made in float32.
    """

    objective: float
    loss: float
    accuracy: float
    grad_w: Vector
    grad_b: float
    grad_norm: float
    hessian: Matrix | None = None
    lower: Matrix | None = None
    common: Matrix | None = None
    norm: float = 0.0
    squares: Vector | None = None
    float32: bool = False

    @property
    def finite(self) -> bool:
        """Whether every number in it is finite."""
        return bool(np.isfinite(self.objective) and np.isfinite(self.grad_w).all() and np.isfinite(self.grad_b))

    @property
    def gradient(self) -> Vector:
        """Gradient of F, (n + 1,) with the bias last."""
        return np.append(self.grad_w, self.grad_b)


class Objective:
    """F(w, b) = (1/S) sum_i s_i l(z_i, y_i) + (1/2) sum_j alpha_j w_j^2,   z_i = x_i.w + b,   S = sum_i s_i.

    Gradient:  dF/dw = (1/S) sum_i s_i dL_dz_i x_i + alpha w,   dF/db = (1/S) sum_i s_i dL_dz_i.
    Hessian:   (1/S) sum_i s_i g_i (1 - g_i) x~_i x~_i' + diag(alpha, 0),   x~ = (x, 1).

    Conventions: the loss is a mean over the weights, so F doesn't grow with the number of rows, and the weights' scale
    doesn't matter. The bias b stands apart from w and is never penalised; in vectors of length n + 1 it is last. Without
    an intercept b stays 0 and its derivatives are 0. All is in the units of the rows (`rows.units`): penalty, w and
    derivatives are those of standardised columns where columns are standardised. Vectors are float64.

    Parameters
    ----------
    rows : Rows
    penalty : Penalty, optional
        In the units of the rows; none by default.
    fit_intercept : bool
    loss : Loss
        The logistic one by default; one that the core hasn't is called from there, which is slower.
    column_scale : (n,), optional
        Size of a column's unit, its deviation: grad_norm is then the same whatever the columns' units; ones by default.
    strata : tuple of Stratum, optional
        A sample in place of all rows: see `sample`.
    sample_ridge : float or (n,)
        Added to the penalty of a sample, which may lack what the data have; never in `Evaluation.lower`.
    """

    def __init__(
        self,
        rows: Rows,
        penalty: Penalty | None = None,
        fit_intercept: bool = True,
        column_scale: Vector | None = None,
        loss: Loss = LOGISTIC,
        strata: tuple[Stratum, ...] | None = None,
        sample_ridge: float | Vector = 0.0,
    ) -> None:
        self.rows = rows
        self.penalty = ridge(0.0, rows.n_features) if penalty is None else penalty
        self.fit_intercept = fit_intercept
        self.column_scale = np.ones(rows.n_features) if column_scale is None else column_scale
        self.loss = loss
        self.given = None if loss.is_native else given_loss(loss)
        self.sample_ridge = sample_ridge
        self.strata = (Stratum(rows, 1.0),) if strata is None else strata

    @property
    def n_features(self) -> int:
        """Length of w."""
        return self.rows.n_features

    @property
    def ridge(self) -> Vector:
        """Penalty's second derivative, one number a column."""
        return self.penalty.curvature

    @property
    def n_rows(self) -> int:
        """Rows that an evaluation reads."""
        return sum(stratum.rows.n_rows for stratum in self.strata)

    @property
    def sum_depth(self) -> float:
        """Roundings that a term of the loss and the gradient goes through: d."""
        return max(stratum.rows.sum_depth for stratum in self.strata) + len(self.strata) - 1.0

    @property
    def secant_depth(self) -> float:
        """Roundings that a term of the sums along a direction, over the sum of all weights, goes through."""
        return self.rows.sum_depth + (0.0 if self.rows.s is None else PAIRWISE)

    @property
    def matrix_depth(self) -> float:
        """Roundings that a term of the Hessian goes through: N."""
        return max(stratum.rows.matrix_depth for stratum in self.strata) + len(self.strata) - 1.0

    @property
    def is_sample(self) -> bool:
        """Whether an evaluation reads a part of the rows."""
        return self.strata[0].rows is not self.rows

    @property
    def has_rare_levels(self) -> bool:
        """Whether this is a sample whose first stratum is all rows of rare levels, beside others, and a penalty holds them."""
        both = len(self.strata) == 2 and len(self.strata[0].columns) > 0
        return both and self.penalty.strongly_convex

    @property
    def reads(self) -> float:
        """How often each row was read so far, in fractions."""
        return self.rows.reads

    def sample(
        self, size: int, class_weights: tuple[float, float], ridge: float | Vector, of_levels: Rare | None = None
    ) -> Objective:
        """Give the objective over about `size` rows, stratified, in the same units, with `ridge` added to the penalty."""
        strata = sample(self.rows, size, class_weights, of_levels)
        return Objective(
            self.rows, self.penalty, self.fit_intercept, self.column_scale, self.loss, strata=strata, sample_ridge=ridge
        )

    def rare(self, size: int, most: int) -> Rare:
        """Levels of which `size` rows would show too little, and all rows that have them, about `most`."""
        return Rare.none() if size >= self.n_rows else self.rows.rare(size / self.n_rows, most)

    def spread(self, size: int, of_levels: Rare) -> Objective:
        """Give the objective over about `size` rows, as it is, and all rows of some levels."""
        return self if size >= self.n_rows else self.sample(size, self._class_weights, 0.0, of_levels)

    def evaluate(
        self,
        w: Vector,
        b: float,
        hessian: bool = False,
        z: Vector | None = None,
        q: Vector | None = None,
        squares: bool = False,
        float32: bool = False,
        moments: bool = False,
        h: Vector | None = None,
    ) -> Evaluation:
        """F and its gradient at (w, b), and what else is asked for, in one read.

        Parameters
        ----------
        w, b
            The point.
        hessian : bool
            Also the Hessian and its lower part.
        z, h : (m,), optional
            Filled with the rows' z, and g (1 - g); of a sample, those of its strata one after the other.
        q : (n + 1,), optional
            Weights of `norm`.
        squares : bool
            Also the columns' mean squares.
        float32 : bool
            Multiply for the Hessian in float32 (`What.HESSIAN32`): twice as fast on many columns.
        moments : bool
            With squares: also the columns' sums and extremes, which the rows keep.
        """
        what = What.LOSS | What.GRADIENT
        what |= What.HESSIAN if hessian else What(0)
        what |= What.HESSIAN32 if hessian and float32 else What(0)
        what |= What.NORMS if q is not None else What(0)
        what |= What.SQUARES if squares else What(0)
        what |= What.SUMS | What.EXTREMES if moments else What(0)
        norm, parts = 0.0, []
        for stratum, part in self._parts():
            fill_z, fill_h = (None if out is None else out[part] for out in (z, h))
            parts.append(stratum.rows.read(what, w, b, z=fill_z, q=q, h=fill_h, loss=self.given))
            norm = max(norm, parts[-1].norm)
        of_parts, parts = [part.matrix for part in parts], [part.with_matrix(None) for part in parts]
        total = parts[0].times(self.strata[0].multiplier)
        for sums, stratum in zip(parts[1:], self.strata[1:], strict=True):
            total = total.plus(sums.times(stratum.multiplier))
        grad_w = total.gradient / total.weight + self.penalty.gradient(w)
        value = total.loss / total.weight + self.penalty.value(w)
        if self.is_sample:
            own = ridge(self.sample_ridge, self.n_features)
            grad_w, value = grad_w + own.gradient(w), value + own.value(w)
        grad_b = total.bias / total.weight if self.fit_intercept else 0.0
        matrix, lower, common = self._matrices([each for each in of_parts if each is not None], total.weight)
        return Evaluation(
            objective=value,
            loss=total.loss / total.weight,
            accuracy=total.correct / total.weight,
            grad_w=grad_w,
            grad_b=grad_b,
            grad_norm=self._norm(grad_w, grad_b),
            hessian=matrix,
            lower=lower,
            common=common,
            norm=norm,
            squares=None if total.squares is None else total.squares / total.weight,
            float32=hessian and float32,
        )

    def _matrices(self, parts: list[Matrix], weight: float) -> tuple[Matrix | None, Matrix | None, Matrix | None]:
        """Hessian, its lower part and that of the common rows (`Evaluation`), of the strata's sums, which are overwritten."""
        if not parts:
            return None, None, None
        for part in parts:
            part /= weight
        if not self.is_sample:
            matrix = self._with_penalty(parts[0], self.ridge)
            return matrix, matrix, None
        matrix, common = parts[0] * self.strata[0].multiplier, None
        if len(parts) == 2:
            matrix += parts[1] * self.strata[1].multiplier
            parts[0] += parts[1]
            common = self._with_penalty(parts[1], self.ridge) if self.has_rare_levels else None
        lower = self._with_penalty(parts[0], self.ridge)
        return self._with_penalty(matrix, self.ridge + self.sample_ridge), lower, common

    def _with_penalty(self, matrix: Matrix, ridge: Vector) -> Matrix:
        matrix[np.diag_indices(self.n_features)] += ridge
        if not self.fit_intercept:
            matrix[-1, :] = matrix[:, -1] = 0.0
        return matrix

    def descend(self, w: Vector, b: float, rate: float, batches: Batches, epoch: int) -> tuple[Vector, float]:
        """Give the point after an epoch of mini-batch updates from (w, b), of all rows (`descend_rows`): one read."""
        return descend_rows(
            self.rows,
            w,
            b,
            ridge=self.ridge,
            fit_intercept=self.fit_intercept,
            rate=rate,
            batches=batches,
            epoch=epoch,
            loss=self.given,
        )

    @property
    def in_core(self) -> bool:
        """Whether the core runs Newton on these rows by itself."""
        return self.rows.is_dense and self.loss.is_native

    def newton_path(self, w: Vector, b: float, *, near: float, most: int) -> Path:
        """Run Newton in the core, on all rows and few columns, from (w, b) to where the squared decrement is at most `near`."""
        return self.rows.newton_path(self.ridge, self.fit_intercept, w, b, near=near, most=most)

    def passed(self, path: Path, k: int) -> tuple[Vector, float, Evaluation]:
        """Point k of a path, and what the objective is there."""
        n, gradient = self.n_features, path.gradient[k]
        evaluation = Evaluation(
            objective=float(path.objective[k]),
            loss=float(path.loss[k]),
            accuracy=float(path.correct[k]),
            grad_w=gradient[:n],
            grad_b=float(gradient[n]),
            grad_norm=self._norm(gradient[:n], float(gradient[n])),
        )
        return path.theta[k, :n], float(path.theta[k, n]), evaluation

    def norms(self, gradients: Matrix) -> Vector:
        """`Evaluation.grad_norm` of gradients (k, n + 1)."""
        scaled = np.abs(gradients)
        scaled[:, :-1] /= self.column_scale
        return np.asarray(scaled.max(axis=1))

    def _norm(self, grad_w: Vector, grad_b: float) -> float:
        return max(float(np.abs(grad_w / self.column_scale).max(initial=0.0)), abs(grad_b))

    @cached_property
    def weight(self) -> float:
        """Sum of the weights that an evaluation counts, in the rows' unit."""
        of = (float(part.rows.n_rows if part.rows.s is None else part.rows.s.sum()) for part in self.strata)
        return sum(part.multiplier * weight for part, weight in zip(self.strata, of, strict=True))

    def curvatures(self, z: Vector) -> Vector:
        """Give g (1 - g) of the rows that are read, at the z of all rows: no read."""
        h = np.empty(self.n_rows)
        for stratum, part in self._parts():
            rows, of = stratum.rows, h[part]
            for first in range(0, rows.n_rows, ROWS_AT_ONCE):
                piece = slice(first, first + ROWS_AT_ONCE)
                of[piece] = self.pointwise(z[rows.places[piece] if self.is_sample else piece], rows.y[piece])[2]
        return h

    def pointwise(self, z: Vector, y: NDArray[np.uint8]) -> tuple[Vector, Vector, Vector]:
        """Loss, dL_dz and d2L_dz2 of rows whose z is known: no read."""
        return pointwise(z, y) if self.given is None else self.given(z, y.astype(np.float64))

    def rms_residual(self, mean: float) -> float:
        """Bound the root mean square of dL_dz by the mean loss."""
        return rms_residual(self.loss, mean)

    def hessian_product(self, h: Vector, v: Vector, t: Vector | None = None) -> Vector:
        """Hessian times v, (n + 1,) with the bias last: one read.

        h (m,): g (1 - g) of the rows, as `evaluate` fills it; t (m,), optional: filled with x~.v.
        """
        if not self.fit_intercept:
            v = np.append(v[:-1], 0.0)
        total = np.zeros(len(v))
        for stratum, part in self._parts():
            along = None if t is None else t[part]
            total += stratum.multiplier * stratum.rows.product(h[part], v, along)
        total /= self.weight
        total[:-1] += (self.ridge + self.sample_ridge) * v[:-1]
        return total if self.fit_intercept else np.append(total[:-1], 0.0)

    def hessian_diagonal(self, h: Vector) -> Vector:
        """Diagonal of the Hessian, (n + 1,) with the bias last: one read."""
        total = sum(stratum.multiplier * stratum.rows.diagonal(h[part]) for stratum, part in self._parts())
        diagonal = np.asarray(total) / self.weight
        diagonal[:-1] += self.ridge + self.sample_ridge
        return diagonal

    def hessian_block(self, h: Vector, columns: NDArray[np.int64], *, first: bool = False) -> Matrix:
        """Hessian of some columns (k,) and the bias, (k + 1, k + 1): a read of these columns.

        first : of a sample the part of the first stratum alone, whose levels no other row has.
        """
        total = None
        for stratum, part in self._parts():
            matrix = stratum.rows.gram(h[part], columns)
            matrix *= stratum.multiplier / self.weight
            total = matrix if total is None else np.add(total, matrix, out=total)
            if first:
                break
        assert total is not None
        ridge = self.ridge + self.sample_ridge
        total[np.diag_indices(len(columns))] += ridge[columns]
        return total

    # --- along a direction, from z that are kept: all rows, no sample ------------------------------------------------

    @property
    def base_log_odds(self) -> float:
        """Best b where w is 0; 0 without an intercept."""
        return self.loss.best_constant(*self._class_weights) if self.fit_intercept else 0.0

    @cached_property
    def at_zero(self) -> float:
        """F where w and b are 0."""
        return float(self.loss.value(np.zeros(1), np.zeros(1))[0])

    @property
    def base_objective(self) -> float:
        """F where w is 0 and b its best."""
        b, (zeros, ones) = self.base_log_odds, self._class_weights
        losses = self.loss.value(np.array([b, b]), np.array([0.0, 1.0]))
        return float(zeros * losses[0] + ones * losses[1]) / self.weight

    @cached_property
    def _class_weights(self) -> tuple[float, float]:
        """Weights of the rows of y = 0 and of y = 1."""
        of = np.bincount(self.rows.y, weights=self.rows.s, minlength=2)
        return float(of[0]), float(of[1])

    def secant(self, z: Vector, v: Vector, u: Vector, r: Matrix, norms: bool = False) -> Secant:
        """Read all rows along v (n + 1,) from z (m,): sums over the rows, and u (m,) and r (2, m) filled (`kernels.secant`)."""
        if self.given is None:
            return self.rows.secant(z, v, u, r, norms)
        return secant_of(self.given, self.rows, z, v, u, r, norms)

    def along(self, z: Vector, u: Vector, t: float, shift: float) -> Along:
        """Add the loss and its derivatives in (t, shift) at z + t u + shift: no read."""
        rows = self.rows
        if self.given is None:
            return along(z, u, rows.y, rows.s, t, shift, threads=rows.threads)
        return along_of(self.given, rows, z + t * u + shift, u)

    def feasible(self, z: Vector, u: Vector, r: Matrix, t: float, shift: float, pull: float) -> Feasible:
        """Go to z + t u + shift, in place, and take in what the dual point there is worth (`kernels.feasible`): no read."""
        rows = self.rows
        if self.given is None:
            return feasible(z, u, r, rows.y, rows.s, t, shift, pull, threads=rows.threads)
        return feasible_of(self.loss, rows, z, u, r, t, shift, pull)

    def _parts(self) -> Iterator[tuple[Stratum, slice]]:
        """Strata, and where their rows are among all that are read."""
        at = 0
        for stratum in self.strata:
            yield stratum, slice(at, at + stratum.rows.n_rows)
            at += stratum.rows.n_rows
