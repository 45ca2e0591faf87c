"""How far a point is from the optimum: rigorous bounds from the gradient and a part of the Hessian.

The logistic loss satisfies |l'''| <= l'' (Bach 2010, Self-concordant analysis for logistic regression, Electronic
Journal of Statistics 4, 384-414, proposition 1; in the terms of Sun and Tran-Dinh 2019, Generalized self-concordant
functions, Mathematical Programming 178, it is generalised self-concordant of order 2). So along v the Hessian of a set
T of rows shrinks at most by the factor exp(-max over T of |x~.v|), and all other rows only add to it.

Units: those of the arithmetic (centred columns times powers of two, the bias last); theta = (w, b), x~ = (x, 1).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from chainrule.certificate.factor import Factor
from chainrule.certificate.rounding import UNIT

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

OUTWARD = 1e-13  # covers the rounding of the few scalar operations in this module
TINY = 1e-300  # more than underflow can take from a sum of squares
MOST_LEFT_OUT = 1000
ROUNDING_MATTERS = 1e-3  # part of r from the gradient's rounding, above which this is bounded column by column


def h(r: float) -> float:
    """h(r) = r + (1 - r) log(1 - r) for 0 <= r <= 1, never too small; 1 at r = 1."""
    return r * r * h_ratio(r)


def h_ratio(r: float) -> float:
    """h(r)/r^2, never too small: between 1/2 (r = 0) and 1 (r = 1).

    Below 0.01, where the direct form cancels, (1/2)(1 + r/3 + r^2/5) is above the series (1/2)(1 + r/3 + r^2/6 + r^3/10 + ..).
    """
    if r < 0.01:
        return 0.5 * (1.0 + r * (1.0 / 3.0 + 0.2 * r)) * (1.0 + OUTWARD)
    if r >= 1.0:
        return 1.0
    return (r + (1.0 - r) * math.log1p(-r)) / (r * r) * (1.0 + OUTWARD)


def h_lower_ratio(r: float) -> float:
    """[(1 + r) log(1 + r) - r]/r^2 for r >= 0, never too large: 1/2 at r = 0, falling.

    Below 0.01, the series (1/2)(1 - r/3 + r^2/6 - r^3/10), cut off where it is below its sum.
    """
    if r < 0.01:
        return 0.5 * (1.0 - r * (1.0 / 3.0 - r * (1.0 / 6.0 - 0.1 * r))) * (1.0 - OUTWARD)
    if r > 1e150:
        return 0.0
    return max(0.0, ((1.0 + r) * math.log1p(r) - r) / (r * r) * (1.0 - OUTWARD))


def radius_ratio(r: float) -> float:
    """-log(1 - r)/r, never too small: 1 at r = 0, inf from r = 1 on."""
    if r < 1e-8:
        return (1.0 + r) * (1.0 + OUTWARD)
    return -math.log1p(-r) / r * (1.0 + OUTWARD) if r < 1.0 else math.inf


@dataclass(frozen=True)
class Bound:
    """What is proven about a point theta.

    Attributes
    ----------
    gap : float
        F(theta) - F* <= gap, nats per unit of weight; inf if nothing is proven (r >= 1).
    lower : float
        F(theta) - F* >= lower; 0 unless T is all rows.
    radius : float
        Bound on |theta - theta*| in B's norm; inf if nothing is proven.
    coef : (n + 1,)
        |theta_j - theta*_j| <= coef_j; |a.(theta - theta*)| <= radius (a' B^-1 a)^(1/2) for any a (`Factor.leverages`).
    r, nu : float
        kappa nu/c and (grad' B^-1 grad)^(1/2), rounding included. r < 1 proves that there is exactly one optimum.
    noise : float
        The part of the gap due to rounding; no smaller tolerance can be reached.
    """

    gap: float
    lower: float
    radius: float
    coef: Vector
    r: float
    nu: float
    noise: float

    @property
    def proven(self) -> bool:
        """Whether there is an optimum, unique and within `radius`."""
        return self.gap < math.inf


def nothing(size: int, r: float = math.inf, nu: float = math.inf) -> Bound:
    """Make a bound that proves nothing, for a point with this r or a larger one."""
    return Bound(math.inf, 0.0, math.inf, np.full(size, np.inf), r, nu, math.inf)


def bound(
    factor: Factor,
    gradient: Vector,
    e: Vector,
    *,
    kappa: float,
    delta: float = 0.0,
    zeta: float = 0.0,
    eps: float = 0.0,
    left_out: float = 0.0,
    all_rows: bool = False,
) -> Bound:
    """Bound the distance of theta from the optimum by a factored part of the Hessian.

    With norms in B - eta D^2 (`Factor`), which is below the exact B, and lambda the smallest eigenvalue of D^-1 (that) D^-1:

        nu  = (grad' B^-1 grad)^(1/2) + e' + eps',    c = (1 - tau) exp(-delta - zeta),    r = kappa nu/c
        e'  = |D^-1 e|/sqrt(lambda), or sum_j e_j sqrt((B^-1)_jj) if that is less
        F(theta) - F* <= c h(r)/kappa^2 = (nu^2/c) h(r)/r^2,      |theta_j - theta*_j| <= -log(1 - r)/kappa sqrt((B^-1)_jj)

    if r < 1. With T all rows, H <= C exp(kappa |v|) B for C = exp(delta + zeta), so

        F(theta) - F* >= (nu1^2/C) [(1 + q) log(1 + q) - q]/q^2,    q = kappa nu1/C,    nu1 = `_nu_lower`.

    This is Bach 2010, proposition 1, integrated along theta* - theta, with B from a part of the rows and at another point.

    Parameters
    ----------
    factor : Factor
        Of B = (1/S) sum over T of s g (1 - g) x~ x~' + penalty at theta0, with the user's own weights. Rows must not be
        weighted up to stand for rows not read: such a B is not below the Hessian and the bound would be wrong.
    gradient, e : (n + 1,)
        Gradient of F over all rows at theta, penalty included, and the bound on its error (`gradient_rounding`).
    kappa : float
        kappa^2 >= max over T, s > 0, of x~' B^-1 x~ (`kappa_upper`, `leave_out`). For a loss with |l'''| <= c l'', multiply
        kappa, delta and zeta by c, since c^2 l(z/c) has |l'''| <= l''.
    delta : float
        Max over T of |x~.(theta - theta0)|: how far theta is from the point of B.
    zeta : float
        Error of the z from which B was computed (`z_rounding`).
    eps : float
        Error of the gradient not included in e, in the norm of B^-1 with B of all rows at theta (`norm_of_z_rounding`). eps' is
        eps times exp(delta + 3 zeta), for theta0, and times (1 + 2 eta/lambda)^(1/2), for the norm of (B - eta D^2)^-1.
    left_out : float
        tau < 1: rows that are in B but left out of T, for a smaller kappa, weigh at most tau in B: B_T >= (1 - tau) B. Then
        nu^2 and kappa^2 grow by 1/(1 - tau), as if c shrank by 1 - tau. `leave_out` chooses these rows.
    all_rows : bool
        Whether T is all rows with s > 0; there is a lower bound then.
    """
    if not factor.ok:
        return nothing(len(gradient))
    scaled = e * factor.inverse_D
    growth = math.exp(min(delta + 3.0 * zeta, 700.0)) * math.sqrt(1.0 + 2.0 * factor.eta / factor.lambda_low)
    c = math.exp(-delta - zeta) * (1.0 - left_out)
    of_e = math.sqrt(float(scaled @ scaled) / factor.lambda_low)
    if kappa * of_e > ROUNDING_MATTERS * c:
        # This combines the worst column with the worst direction; a bound column by column may be tighter.
        of_e = min(of_e, float(e @ np.sqrt(factor.inverse_diagonal)) * (1.0 + OUTWARD))
    eps = of_e + eps * growth
    nu = math.sqrt(factor.norm2(gradient)) + eps
    r = kappa * nu / c if c > 0.0 else math.inf
    lower = 0.0
    if all_rows:
        up = math.exp(min(delta + zeta, 700.0))
        nu1 = _nu_lower(factor, gradient) - eps
        lower = nu1 * nu1 / up * h_lower_ratio(kappa * nu1 / up) if nu1 > 0.0 else 0.0
    if not r < 1.0:
        return replace(nothing(len(gradient), r, nu), lower=lower)
    gap = nu * nu / c * h_ratio(r)
    noise = eps * eps / c * h_ratio(kappa * eps / c)
    radius = nu / c * radius_ratio(r)
    return Bound(gap, lower, radius, radius * np.sqrt(factor.inverse_diagonal), r, nu, noise)


def _nu_lower(factor: Factor, gradient: Vector) -> float:
    """Bound (grad' B^-1 grad)^(1/2) from below: grad.x/(x' B x)^(1/2) for any x (Cauchy-Schwarz), here (B - eta D^2)^-1 grad.

    x' B x <= grad.x + 3 eta |D x|^2: 2 eta from B - eta D^2 to B + eta D^2, and one more for the rounding of x.
    """
    x = factor.proof_solve(gradient)
    product = float(gradient @ x)
    rounding = (len(x) + 4) * UNIT * float(np.abs(gradient) @ np.abs(x))
    scaled = factor.D * x
    square = product + rounding + 3.0 * factor.eta * float(scaled @ scaled)
    return (product - rounding) / math.sqrt(square) if product > rounding else 0.0


def kappa_upper(factor: Factor, norms2_max: float) -> float:
    """Bound kappa by sqrt(max over T of |D^-1 x~|^2/lambda_min), without a solve for each row."""
    lam = factor.lambda_min
    return math.sqrt(norms2_max / lam) * (1.0 + OUTWARD) if lam > 0.0 else math.inf


def kappa_of_levels(factor: Factor, groups: Sequence[tuple[slice, bool]], reach: Vector, has_bias: bool) -> float:
    """Bound kappa for rows that have one level of each category, by the triangle inequality, without reading a row.

    With any fixed m_c for each category, here the mean of its levels weighted by curvature, and norms in B^-1:

        |x~| <= |e_b + sum_c m_c| + sum_c max_k |e_ck - m_c| + sum_j max|x_j| |e_j|

    If the levels of a category add up to the bias, all |e_ck| are large, but the differences are not.

    Parameters
    ----------
    groups
        For each category the columns of its levels, and whether there is one more level, without a column.
    reach : (n,)
        max |x_j| over the rows, for the columns that are in no group.
    has_bias : bool
        Whether the last element of x~ is 1, for the bias.
    """
    norms = np.sqrt(factor.inverse_diagonal)
    is_number, center = np.ones(len(reach), dtype=np.bool_), np.zeros(len(norms))
    center[-1], kappa = norms[-1] if has_bias else 0.0, 0.0
    for levels, has_first in groups:
        is_number[levels] = False
        weight = np.square(factor.D[levels])
        share = weight / max(float(weight.sum()), float(factor.D[-1]) ** 2 if has_bias else 0.0)
        m, squares = factor.apart(levels, share)
        kappa += math.sqrt(max(squares, float(m @ m) if has_first else 0.0))
        center += m
    kappa += math.sqrt(float(center @ center)) + float(reach[is_number] @ norms[:-1][is_number])
    rounding = 4.0 * (len(groups) + 2) * len(norms) ** 1.5 * UNIT * float(norms.max())
    return float((kappa + rounding) * math.sqrt(factor.loss) * (1.0 + OUTWARD))


def leave_out(leverages: Vector, weights: Vector) -> tuple[float, float]:
    """Choose how many rows of largest leverage to leave out of T: (kappa of the others, tau).

    Since x x' <= (x' B^-1 x) B, the rows left out weigh at most tau = sum weights_i leverages_i in B. Their number is the
    one with the smallest r, that is, the smallest kappa/(1 - tau).

    Parameters
    ----------
    leverages : (k,)
        x~' B^-1 x~ of every row of T with s > 0.
    weights : (k,)
        At least s g (1 - g)/S of each, at the point of B.
    """
    few = min(len(leverages) - 1, MOST_LEFT_OUT)
    top = np.argpartition(-leverages, few)[: few + 1]
    top = top[np.argsort(-leverages[top], kind="stable")]
    tau = np.append(0.0, np.cumsum(weights[top] * leverages[top])[:-1]) * (1.0 + 1e-9)
    k = int(np.argmin(np.where(tau <= 0.9, np.sqrt(leverages[top]) / np.maximum(1.0 - tau, 0.1), np.inf)))
    return math.sqrt(float(leverages[top[k]])) * (1.0 + OUTWARD), float(tau[k])


def moved(proven: Bound, shift: Vector, bend: float) -> Bound:
    """Widen a bound at theta to a bound at theta + d, for w and b rounded to the user's units.

    With q >= d' H d at every point, sqrt(F(theta + d) - F*) and sqrt(F(theta) - F*) differ by at most sqrt(q/2): F lies below
    the parabola of curvature q along d, whose least value is at least F*, so that |grad.d| <= sqrt(2 q (F - F*)).

    Parameters
    ----------
    shift : (n + 1,)
        Bounds on |d_j|; `coef` grows by them if it has one element for each theta_j. F* must be the least value along d too.
    bend : float
        q.
    """
    half = math.sqrt(0.5 * bend) * (1.0 + OUTWARD) if bend < math.inf else math.inf
    gap, noise = (x + half * (2.0 * math.sqrt(x) + half) for x in (proven.gap, proven.noise))
    lower = max(0.0, math.sqrt(proven.lower) - half) * (1.0 - OUTWARD)
    coef = proven.coef + shift if len(proven.coef) == len(shift) else proven.coef
    return Bound(gap, lower * lower, proven.radius, coef, proven.r, proven.nu, noise)
