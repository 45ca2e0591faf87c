"""The contract that solvers see: an objective, never data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chainrule.kernels import What
from chainrule.penalties import PENALTIES
from chainrule.rows import DenseRows

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Evaluation:
    """The objective and its derivatives at one point.

    objective = F, loss = mean log-loss (nats), accuracy = share of the weight of the rows whose class is right;
    grad_w (n,), grad_b; grad_norm: the largest of |grad_w_j| / column_scale_j and |grad_b|; hessian (n + 1, n + 1) with
    the bias last, or None.
    """

    objective: float
    loss: float
    accuracy: float
    grad_w: Vector
    grad_b: float
    grad_norm: float
    hessian: Matrix | None = None

    @property
    def finite(self) -> bool:
        """Whether every number in it is finite."""
        return bool(np.isfinite(self.objective) and np.isfinite(self.grad_w).all() and np.isfinite(self.grad_b))


class Objective:
    """F(w, b) = (1/S) sum_i s_i l(z_i, y_i) + (alpha/2) w.w,   z_i = x_i.w + b,   S = sum_i s_i.

    Gradient:  dF/dw = (1/S) sum_i s_i dL_dz_i x_i + alpha w,   dF/db = (1/S) sum_i s_i dL_dz_i.
    Hessian:   (1/S) sum_i s_i g_i (1 - g_i) x~_i x~_i' + alpha diag(1, .., 1, 0),   x~ = (x, 1).

    Conventions: the loss is a mean over the weights, so F doesn't grow with the number of rows, and the weights' scale
    doesn't matter. The bias b stands apart from w and is never penalised; in vectors of length n + 1 it is last. Without
    an intercept b stays 0 and its derivatives are 0. All is in the units of the rows (`rows.units`): penalty, w and
    derivatives are those of standardised columns where columns are standardised. Vectors are float64.

    Parameters
    ----------
    rows : DenseRows
    alpha : float
        Strength of the penalty, per unit of weight.
    fit_intercept : bool
    column_scale : (n,), optional
        Size of a column's unit, its deviation: grad_norm is then the same whatever the columns' units; ones by default.
    """

    def __init__(
        self,
        rows: DenseRows,
        alpha: float = 0.0,
        fit_intercept: bool = True,
        column_scale: Vector | None = None,
        penalty: str = "l2",
    ) -> None:
        self.rows = rows
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.column_scale = np.ones(rows.n_features) if column_scale is None else column_scale
        self.penalty = PENALTIES[penalty]

    @property
    def n_features(self) -> int:
        """Length of w."""
        return int(self.rows.n_features)

    @property
    def reads(self) -> float:
        """How often each row was read so far, in fractions."""
        return self.rows.reads

    def evaluate(self, w: Vector, b: float, hessian: bool = False) -> Evaluation:
        """F and its gradient at (w, b), and the Hessian if asked for: one read."""
        what = What.LOSS | What.GRADIENT | (What.HESSIAN if hessian else What(0))
        sums = self.rows.reduce(what, w, b)
        loss = sums.loss / sums.weight
        matrix = sums.matrix
        if matrix is not None:
            matrix = matrix / sums.weight
            matrix[np.diag_indices(self.n_features)] += self.alpha
            if not self.fit_intercept:
                matrix[-1, :] = matrix[:, -1] = 0.0
        grad_w = sums.gradient / sums.weight + self.penalty.gradient(w, self.alpha)
        grad_b = sums.bias / sums.weight if self.fit_intercept else 0.0
        return Evaluation(
            objective=loss + self.penalty.value(w, self.alpha),
            loss=loss,
            accuracy=sums.correct / sums.weight,
            grad_w=grad_w,
            grad_b=grad_b,
            grad_norm=max(float(np.abs(grad_w / self.column_scale).max(initial=0.0)), abs(grad_b)),
            hessian=matrix,
        )

    def hessian_product(self, w: Vector, b: float, v: Vector) -> Vector:
        """Hessian at (w, b) times v, shape (n + 1,) with the bias last: one read."""
        if not self.fit_intercept:
            v = np.append(v[:-1], 0.0)
        sums = self.rows.reduce(What.LOSS | What.PRODUCT, w, b, v)
        product_w = sums.gradient / sums.weight + self.alpha * v[:-1]
        return np.append(product_w, sums.bias / sums.weight if self.fit_intercept else 0.0)
