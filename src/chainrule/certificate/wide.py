"""Bounds for an n too large to factor a matrix, with a penalty alpha > 0 on w."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from chainrule.certificate.bounds import OUTWARD, TINY, Bound, h, nothing, radius_ratio
from chainrule.certificate.rounding import UNIT
from chainrule.losses import Loss

Vector = NDArray[np.float64]


def bound_by_penalty(
    gradient: Vector,
    e: Vector,
    *,
    of: Loss,
    ridge: Vector,
    h_b: float,
    reach: float,
    depth: float = 0.0,
    zeta: float = 0.0,
) -> Bound:
    """Bound the distance from the optimum by the gradient and the penalty's convexity alone.

    In v_j = ridge_j^(1/2) w_j, where the penalty is |v|^2/2: with |l'''| <= k l'' and r = k |grad_b|/h_b < 1,

        F - F*    <=  (|grad_v| + |grad_b| R)^2/2 + h_b h(r)/k^2
        |v - v*|  <=  |grad_v| + |grad_b| R,    |b - b*| <= -log(1 - r)/k + R |v - v*|

    The first term comes from the strong convexity (Nesterov 2004, theorem 2.1.10) of F minimised over b, whose gradient
    is not grad_v unless grad_b = 0: |grad_v|^2/2 alone is wrong. The second term is that of `bound`, in b alone.

    Parameters
    ----------
    gradient, e : (n + 1,)
        Gradient in w and b at the point, and the bound on its error; both 0 in b without an intercept.
    h_b : float
        (1/S) sum s d2L_dz2.
    reach : float
        R: max over the rows of |x_j ridge_j^(-1/2)|, the length over j.
    depth, zeta : float
        Depth of the sum h_b, and the error of z times k: h_b is replaced by h_b exp(-zeta) (1 - (depth + 8) u).
    """
    n = len(ridge)
    if not ridge.min() > 0.0:
        return nothing(n + 1)
    scale = np.append(np.sqrt(ridge), 1.0)
    slope, e = gradient / scale, e / scale * (1.0 + 1e-12)
    e_b = float(e[n])
    slope_b, e_v = abs(float(slope[n])) + e_b, _norm(e[:n])
    slope_v = (_norm(slope[:n]) + e_v + slope_b * reach) * (1.0 + (n + 8) * UNIT)
    curvature = h_b * math.exp(-zeta) * (1.0 - (depth + 8.0) * UNIT)
    r = of.bend * slope_b / curvature if curvature > 0.0 else math.inf
    if not r < 1.0:
        return nothing(n + 1, r)
    gap = slope_v * slope_v / 2.0 * (1.0 + OUTWARD) + curvature * h(r) / of.bend**2
    rounding = e_v + e_b * reach
    noise = rounding * rounding / 2.0 + curvature * h(of.bend * e_b / curvature) / of.bend**2
    radius = slope_v * (1.0 + OUTWARD)
    coef = np.full(n + 1, radius)
    coef[n] = r * radius_ratio(r) / of.bend + reach * radius
    return Bound(gap, 0.0, math.inf, coef / scale * (1.0 + 1e-12), r, slope_v, noise)


def bound_by_dual(
    rho: Vector,
    kl: float,
    *,
    alpha: float,
    e_rho: float = 0.0,
    e_kl: float = 0.0,
    imbalance: float = 0.0,
    pull: float = 0.0,
    loss: float = 0.0,
    objective: float = math.inf,
    h_b: float = 0.0,
    reach: float = 0.0,
    bend: float = 1.0,
) -> Bound:
    """Bound F - F* by any feasible point p of the dual problem.

    For p in [0, 1]^m with sum s (p - y) = 0, G(p) = (1/S) sum s (p - y) x and rho = alpha w + G(p):

        F(w, b) - F* <= |rho|^2/(2 alpha) + (1/S) sum s KL(p_i || g_i)

    (the Fenchel dual of F; Boyd and Vandenberghe 2004, Convex Optimization, section 5.5). |w - w*| <= sqrt(2 gap/alpha).
    Since sum s (p - y) = 0, |dF_db| <= (1/S) sum s |g - p| <= sqrt(mean KL/2) (Pinsker's and Jensen's inequalities), and

        |b - b*| <= -log(1 - r)/k + R |w - w*|,    r = k |dF_db|/h_b < 1

    as in `bound_by_penalty`: the best b for w, and how far it moves on the way to w*.

    Parameters
    ----------
    rho : (n,)
    kl : float
        (1/S) sum s KL(p || g).
    e_rho, e_kl : float
        Bounds on the rounding of |rho| and of kl.
    imbalance : float
        Difference between the two classes' sums of s |p - y|, over the larger one. Scaling the larger class by
        1 - imbalance makes p feasible; it moves rho by at most imbalance `pull` and, by convexity, kl by imbalance `loss`.
    pull, loss : float
        (1/S) sum over a class of s |p - y| |x| (at most max |x|), and the mean log-loss.
    objective : float
        An upper bound on F at the point: since F* >= 0, F - F* is at most this.
    h_b, reach, bend : float
        A lower bound on (1/S) sum s d2L_dz2 at the point, 0 if none is known; R, the longest row; k, with |l'''| <= k l''.
    """
    length = (math.sqrt(float(rho @ rho) + TINY) + e_rho + imbalance * pull) * (1.0 + (len(rho) + 8) * UNIT)
    noise_length = e_rho + imbalance * pull
    rounding = e_kl + imbalance * loss
    gap = (length * length / (2.0 * alpha) + kl + rounding) * (1.0 + OUTWARD) + TINY
    gap = objective if not gap < objective else gap  # NaN if sums overflow
    radius = math.sqrt(2.0 * gap / alpha) * (1.0 + OUTWARD)
    coef = np.full(len(rho) + 1, radius)
    r = bend * math.sqrt(0.5 * max(kl + rounding, 0.0)) * (1.0 + OUTWARD) / h_b if h_b > 0.0 else math.inf
    coef[-1] = (r * radius_ratio(r) / bend + reach * radius) * (1.0 + OUTWARD) if r < 1.0 else math.inf
    return Bound(gap, 0.0, radius, coef, 0.0, length, noise_length * noise_length / (2.0 * alpha) + rounding)


def _norm(v: Vector) -> float:
    return math.sqrt(float(v @ v))
