"""Corrections of an approximate Hessian by the last steps and the gradient's changes along them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
PAIRS = 6  # most pairs that make a direction without a Hessian
Pair = tuple[Vector, Vector]  # a step, and the change of the gradient along it


def corrected(gradient: Vector, pairs: Sequence[Pair], solve: Callable[[Vector], Vector], scaled: bool) -> Vector:
    """H^-1 gradient by BFGS's two loops over `solve` (Nocedal and Wright 2006, algorithm 7.4).

    solve : r -> H0^-1 r. scaled : whether to scale H0^-1 by the last pair's curvature.
    """
    q, weights = gradient.copy(), []
    for step, change in reversed(pairs):
        weights.append(float(step @ q) / float(step @ change))
        q -= weights[-1] * change
    direction = solve(q)
    if scaled and pairs:
        step, change = pairs[-1]
        size = float(change @ solve(change))
        direction *= float(step @ change) / size if size > 0.0 else 1.0
    for (step, change), weight in zip(pairs, reversed(weights), strict=True):
        direction += (weight - float(change @ direction) / float(step @ change)) * step
    return direction
