"""Rounding errors of z, F, its gradient and its Hessian: bounds, not estimates.

Everything is in the units of the arithmetic: centred columns times powers of two, x~ = (x, 1). u = 2^-53, the unit roundoff.
Sums: Higham 2002, Accuracy and Stability of Numerical Algorithms, 2nd ed., sections 3.1 and 4.2; Cholesky: theorem 10.3.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from chainrule.losses import Loss

Vector = NDArray[np.float64]

UNIT = 2.0**-53
UNIT32 = 2.0**-24


def hessian_eta(n: int, depth: float, float32_block: int | None = None) -> float:
    """Bound the 2-norm of D^-1 (error of B) D^-1, with D = diag(B)^(1/2).

    eta = (n + 1) 4 (n + N + 8) u,   and with float32 blocks of K rows   (n + 1) [(K + 6) 2^-24 + 4 (n + N + 8) u].
    Covers the sum, the Cholesky factor and the triangular solves: the error of an entry B_jk is at most the bracket times
    D_j D_k (Cauchy-Schwarz; Higham 2002, theorems 10.3 and 8.5), and the matrix of these errors has norm (n + 1) times it.

    Parameters
    ----------
    n : int
        Features, without the bias.
    depth : float
        N: depth of the sum over the rows (`kernels.Blocks.matrix_depth`); that over the float32 blocks is less.
    float32_block : int, optional
        K: the rows are rounded to float32 (after centring and scaling) and multiplied in blocks of K.
    """
    eta = 4.0 * (n + depth + 8.0) * UNIT
    if float32_block is not None:
        eta += (float32_block + 6.0) * UNIT32
    return (n + 1) * eta


def gradient_rounding(
    *, of: Loss, M: Vector, d: float, r_rms: float, w: Vector, b: float, ridge: Vector | float = 0.0, of_z: bool = True
) -> Vector:
    """Bound the error of each entry of the computed gradient.

    e_j = u M_j [d r_rms + min(4 B1, 8 r_rms) + (n + 3) B2 (sum_k M_k |w_k| + |b|)] + 4 u ridge_j |w_j|

    with |dL_dz| <= B1 and d2L_dz2 <= B2 (1 and 1/4 for the logistic loss). d r_rms: from the sum. 4 B1 or 8 r_rms: from the
    residual, computed with its sign (not as g - y) and so with full relative accuracy. (n + 3) B2: from the error of z, summed
    by Cauchy-Schwarz.

    Parameters
    ----------
    M : (n + 1,)
        M_j = sqrt((1/S) sum s x~_j^2); the bias's is 1. (n,) without an intercept.
    d : float
        Depth of the sum (`kernels.Blocks.sum_depth`).
    of : Loss
    r_rms : float
        sqrt((1/S) sum s dL_dz^2), at most B1.
    w, b
        The point, (n,) and float.
    ridge : (n,)
        The penalty is (1/2) sum_j ridge_j w_j^2.
    of_z : bool
        False leaves out the error of z, which `norm_of_z_rounding` bounds.

    Returns
    -------
    (n + 1,), or (n,) without an intercept
    """
    n = len(w)
    size = float(M[:n] @ np.abs(w)) + abs(b) if of_z else 0.0
    e: Vector = M * (UNIT * (d * r_rms + min(4.0 * of.steepest, 8.0 * r_rms) + of.curvature * (n + 3) * size))
    e[:n] += (4.0 * UNIT) * np.abs(ridge * w)
    return e


def z_rounding(n: int, reach: float) -> float:
    """Bound the error of a computed z: zeta = (n + 2) u reach, reach = max over T of |x|.|w| + |b|.

    If z is off by zeta, g (1 - g) is off by a factor of at most exp(zeta), since |l'''| <= l''. `reach_bound` bounds
    reach without a read.
    """
    return (n + 2) * UNIT * reach


def norm_of_z_rounding(n: int, D: Vector, theta: Vector) -> float:
    """Bound the gradient's error caused by the error of z, in the norm of B^-1, for B of all rows at this point.

    The gradient is off by X~' V dz, V = diag(s g (1 - g)/S), |dz_i| <= (n + 2) u (|x_i|.|w| + |b|), and B >= X~' V X~. So this
    norm is at most the V-weighted length of dz (a projection lengthens no vector), which is at most
    (n + 2) u sum_k D_k |theta_k| (Minkowski), D_k^2 = B_kk. Unlike the bounds by entry of `gradient_rounding`, this one does
    not grow if B is nearly singular in some direction. One more u covers the rounding of D.
    """
    return (n + 3) * UNIT * float(D @ np.abs(theta))


def reach_bound(norms2_max: float, D: Vector, theta: Vector) -> float:
    """Bound max over T of |x|.|w| + |b| by max |D^-1 x~| |D theta| (Cauchy-Schwarz).

    norms2_max = max over T of |D^-1 x~|^2, D (n + 1,), theta = (w, b).
    """
    scaled = D * theta
    return math.sqrt(norms2_max * float(scaled @ scaled)) * (1.0 + 1e-12)


def objective_rounding(
    *, of: Loss, loss: float, d: float, r_rms: float, M: Vector, w: Vector, b: float, ridge: Vector | float = 0.0
) -> float:
    """Bound the error of the computed F.

    e_F = u [d F_loss + (n + 3) r_rms (sum_k M_k |w_k| + |b|)] + 4 u sum_j ridge_j w_j^2,

    where the sum in brackets is an upper bound of the rms of |x|.|w| + |b| (Minkowski). A line search accepts a step
    whose predicted decrease is below e_F. Arguments as in `gradient_rounding`; loss = F_loss, the mean log-loss.
    """
    n = len(w)
    size = float(M[:n] @ np.abs(w)) + abs(b)
    # If the terms of z cancel much, the residual at the computed z differs from that at the true one.
    r_rms = min(of.steepest, r_rms * math.exp(min(700.0, of.bend * (n + 3) * UNIT * size)))
    return UNIT * (d * loss + (n + 3) * r_rms * size + 4.0 * float(np.sum(ridge * w * w)))
