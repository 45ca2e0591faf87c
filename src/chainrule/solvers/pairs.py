"""Corrections of an approximate Hessian by the last steps and the gradient's changes along them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from chainrule.kernels.blas import lapack

Vector = NDArray[np.float64]
PAIRS = 20  # most pairs that correct a direction
Pair = tuple[Vector, Vector, float]  # a step, the change of the gradient along it, and their product, which is positive


def pair_of(step: Vector, change: Vector) -> tuple[Pair, ...]:
    """Return the pair of a step; none if the gradient's change along it shows no curvature."""
    product = float(step @ change)
    return ((step, change, product),) if 0.0 < product < np.inf else ()


def corrected(gradient: Vector, pairs: Sequence[Pair], solve: Callable[[Vector], Vector], scaled: bool) -> Vector:
    """H^-1 gradient by BFGS's two loops over `solve` (Nocedal and Wright 2006, algorithm 7.4).

    solve : r -> H0^-1 r. scaled : whether to scale H0^-1 by the last pair's curvature.
    """
    add, q, weights = lapack().daxpy, gradient.copy(), []
    for step, change, product in reversed(pairs):
        weights.append(float(step @ q) / product)
        add(change, q, a=-weights[-1])
    direction = solve(q)
    if scaled and pairs:
        _, change, product = pairs[-1]
        size = float(change @ solve(change))
        direction *= product / size if size > 0.0 else 1.0
    for (step, change, product), weight in zip(pairs, reversed(weights), strict=True):
        add(step, direction, a=weight - float(change @ direction) / product)
    return direction
