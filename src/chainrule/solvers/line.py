"""The length of a step, found on the line between the rows' z at its ends, without a read."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Pointwise = Callable[[Vector], tuple[Vector, Vector, Vector]]

TRIALS = 60
ARMIJO = 1e-4
FAR = 50.0  # beyond |z|: no step that changes z by more is tried first
# as the core's (`path.cpp`): nearness and growth in lengths, distance from a bracket's ends
NEAR, LONGER, EDGE = 0.1, 4.0, 0.1


def length_of_step(loss: Pointwise, z: Vector, dz: Vector, s: Vector, slope: float, bent: float) -> float:
    """Return about the t > 0 at which sum_i s_i l(z_i + t dz_i) + t slope + t^2 bent/2 is least; 0 if it falls nowhere.

    Newton's method in one variable, inside a bracket, to a tenth of t.

    Parameters
    ----------
    loss
        Returns l, dl_dz and d2l_dz2 for z (m,).
    s : (m,)
        The rows' shares of the weight.
    slope, bent
        The penalty's first and second derivative along the step.
    """
    far = float(np.abs(dz).max(where=s > 0.0, initial=0.0))
    if not far < np.inf:
        return 0.0
    t = min(1.0, (FAR + float(np.abs(z).max(where=s > 0.0, initial=0.0))) / max(far, FAR))
    low, high = 0.0, 0.0  # F falls enough and still falls at `low`; not at `high`, if that is known
    value, g, _ = loss(z)
    start, fall = float(s @ value), float(s * g @ dz) + slope
    for _ in range(TRIALS):
        value, g, h = loss(z + t * dz)
        rise, curvature = float(s * g @ dz) + slope + t * bent, float(s * h @ np.square(dz)) + bent
        following = t - rise / curvature if curvature > 0.0 else 0.0
        is_less = float(s @ value) + t * (slope + 0.5 * t * bent) <= start + ARMIJO * t * fall
        if is_less and abs(following - t) <= NEAR * t:
            return t
        if is_less and rise < 0.0:
            low = t
        else:
            high = t
        edge = EDGE * (high - low)
        t = min(LONGER * t, max(t, following)) if high == 0.0 else min(high - edge, max(low + edge, following))
    return low
