"""Steps of a method and what they did to the gradient: they correct what stands for its Hessian."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Pair = tuple[Vector, Vector]  # a step, and the change of the gradient along it


def corrected(gradient: Vector, pairs: Sequence[Pair], solve: Callable[[Vector], Vector], scaled: bool) -> Vector:
    """H^-1 gradient by BFGS's two loops over `solve` (Nocedal and Wright 2006, algorithm 7.4).

    scaled : lengthen what `solve` gives as the last pair says.
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
