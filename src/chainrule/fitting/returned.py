"""A point as it is returned, rounded to the user's units, and what is proven about it there."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chainrule.certificate import Bound, Certificate
from chainrule.certificate.bounds import moved
from chainrule.certificate.rounding import UNIT
from chainrule.data.rows import Units, theta_of
from chainrule.findings import Finding
from chainrule.solvers import CGState, NewtonState

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class UserPoint:
    """A point (w, b) in the user's units, and where it is in a run's units.

    theta : (n + 1,), the point in the run's units, each number rounded once. error : (n + 1,), bounds on this rounding.
    """

    w: Vector
    b: float
    units: Units
    theta: Vector
    error: Vector

    @classmethod
    def of(cls, w: Vector, b: float, units: Units) -> UserPoint:
        """Find the point in a run's units; not finite if it is too large there."""
        theta = theta_of(w * units.scale, plus_product(b, units.center, w))
        is_exact = theta_of(np.frexp(units.scale)[0] == 0.5, not units.center.any())  # by a power of two, or unchanged
        return cls(w, b, units, theta, np.where(is_exact, 0.0, 2.0 * UNIT * np.abs(theta)))

    def apart(self, theta: Vector) -> Vector:
        """Bound |theta_j - that of the exact point|, (n + 1,)."""
        return np.asarray(np.abs(self.theta - theta) + self.error)


def plus_product(b: float, center: Vector, w: Vector) -> float:
    """Compute b + center.w, rounded once; not finite if a number is not, or if the sum overflows."""
    at = np.flatnonzero(center)
    mantissa, exponent = np.frexp([center[at], w[at]])
    high = np.rint(mantissa * 2.0**26) * 2.0**-26
    halves = np.ldexp([high, mantissa - high], exponent)  # of 26 bits each, so that their products are exact
    products = halves[:, np.newaxis, 0] * halves[:, 1]
    try:
        return math.fsum([b, *products.ravel().tolist()])
    except (OverflowError, ValueError):
        return math.nan


def certified(state: NewtonState | CGState, point: UserPoint) -> Certificate:
    """Say what is proven about a point, from the bound at a state that differs from it by rounding alone."""
    on, proven, objective = state.on, state.bound, state.evaluation.objective
    if proven is None or not proven.proven:
        return Certificate.nothing(on.n_features, objective, Finding("too far", {"relations": ()}))
    units, here = point.units, rounded(state, proven, point)
    line = theta_of(-units.center / units.scale, 1.0)  # the user's bias is line.theta
    intercept = state.error_along(line) + float(np.abs(line) @ point.apart(state.theta))
    coef = here.coef[:-1] / units.scale  # inf for a column of 1e-310
    return Certificate.of(
        here,
        point.w,
        coef,
        intercept if on.fit_intercept else 0.0,
        gap=min(here.gap, objective + state.noise + (here.gap - proven.gap)),
        objective=objective,
        least=objective - proven.gap - state.noise,  # holds however the user's units round
        hessian_rows=state.hessian_rows,
    )


def rounded(state: NewtonState | CGState, proven: Bound, point: UserPoint) -> Bound:
    """Widen a bound at a state to a bound at a point that differs from it by rounding alone."""
    d, on = point.apart(state.theta), state.on
    if not d.any():
        return proven
    change = state.change(d)
    return moved(proven, d, on.loss.curvature * change * change + float(on.ridge @ np.square(d[:-1])))
