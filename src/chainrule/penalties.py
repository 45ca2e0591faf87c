"""Penalties on w. A fit takes one by its name in `PENALTIES`; a new penalty is one entry there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

SEPARATED_RIDGE = 1e-8  # on standardised columns; used if the classes are separated and no penalty is given


@dataclass(frozen=True, eq=False)
class ElasticNet:
    """P(w) = sum_j l1_j |w_j| + (1/2) sum_j l2_j w_j^2 (Zou and Hastie 2005, JRSS B 67, 301-320, equation 3).

    Ridge (l1 = 0; Hoerl and Kennard 1970) and no penalty are special cases. The bias b is never penalised.
    l1, l2 : (n,), not negative, in the units of the columns.
    """

    l1: Vector
    l2: Vector

    @property
    def curvature(self) -> Vector:
        """Second derivative of the smooth part, (n,): it adds to the Hessian's diagonal."""
        return self.l2

    @cached_property
    def smooth(self) -> bool:
        """Whether P has a gradient everywhere."""
        return not self.l1.any()

    @cached_property
    def bends(self) -> bool:
        """Whether P has curvature along any column."""
        return bool(self.l2.any())

    @cached_property
    def strongly_convex(self) -> bool:
        """Whether P has curvature along every column, so that there is exactly one optimum."""
        return bool((self.l2 > 0.0).all())

    @cached_property
    def isotropic(self) -> bool:
        """Whether P depends on the length of w alone."""
        return self.smooth and bool((self.l2 == self.l2[:1]).all())

    @property
    def line(self) -> str:
        """P as a term of the printed objective, such as (0.1/2) w.w; empty if P is 0."""
        terms = []
        if not self.smooth:
            same = (self.l1 == self.l1[0]).all()
            terms.append(f"{self.l1[0]:.6g} sum |w_j|" if same else "sum l1_j |w_j|")
        if self.bends:
            same = (self.l2 == self.l2[0]).all()
            terms.append(f"({self.l2[0]:.6g}/2) w.w" if same else "(1/2) sum l2_j w_j^2")
        return " + ".join(terms)

    def value(self, w: Vector) -> float:
        """P(w)."""
        bent = 0.5 * float(np.add.reduce(self.l2 * w * w)) if self.bends else 0.0
        return bent if self.smooth else bent + float(self.l1 @ np.abs(w))

    def gradient(self, w: Vector) -> Vector:
        """Gradient of the smooth part, (n,)."""
        return self.l2 * w

    def prox(self, w: Vector, step: float) -> Vector:
        """Minimise |u - w|^2/2 + step P(u) over u, (n,): soft-threshold w by step l1, then divide by 1 + step l2."""
        kept = np.maximum(np.abs(w) - step * self.l1, 0.0)
        return np.sign(w) * kept / (1.0 + step * self.l2)

    def distance(self, w: Vector, gradient: Vector) -> Vector:
        """Distance of -gradient from the subdifferential of P at w, column by column, (n,): 0 at an optimum.

        |g + l1 sign(w)| with g = gradient + l2 w; at w_j = 0 the part of |g_j| above l1_j.
        """
        g = gradient + self.l2 * w
        return np.asarray(np.where(w == 0.0, np.maximum(np.abs(g) - self.l1, 0.0), np.abs(g + self.l1 * np.sign(w))))

    def in_units(self, ratio: Vector) -> ElasticNet:
        """Return the same penalty as a function of v, w = ratio v; strengths that overflow are infinite."""
        l1, l2 = np.zeros_like(self.l1), np.zeros_like(self.l2)
        with np.errstate(over="ignore"):
            np.multiply(self.l1, np.abs(ratio), out=l1, where=self.l1 > 0.0)
            np.multiply(self.l2, ratio**2, out=l2, where=self.l2 > 0.0)
        return ElasticNet(l1, l2)


def ridge(strength: float | Vector, n: int) -> ElasticNet:
    """Make (1/2) sum_j strength_j w_j^2 for n columns; strength: one number, or one for each column."""
    l2 = np.empty(n)
    l2[:] = strength
    return ElasticNet(np.zeros(n), l2)


# Each function makes a penalty, in the fit's units, from alpha and the number of columns.
PENALTIES: dict[str, Callable[[float, int], ElasticNet]] = {"ridge": ridge}
