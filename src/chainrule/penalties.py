"""Penalties on w: value, gradient, prox, distance to the subdifferential. The bias b is never penalised."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class L2:
    """(1/2) sum_j alpha_j w_j^2, the ridge penalty (Hoerl and Kennard 1970); alpha is one number, or one a column."""

    name: str = "l2"

    def value(self, w: Vector, alpha: float | Vector) -> float:
        """(1/2) sum_j alpha_j w_j^2."""
        with np.errstate(over="ignore", invalid="ignore"):  # a diverging run is named, not warned of
            return 0.5 * float(np.sum(alpha * w * w)) if np.any(alpha) else 0.0

    def gradient(self, w: Vector, alpha: float | Vector) -> Vector:
        """Alpha w, shape (n,)."""
        with np.errstate(over="ignore", invalid="ignore"):
            return alpha * w

    def prox(self, w: Vector, alpha: float | Vector, step: float) -> Vector:
        """Minimise over u: |u - w|^2 / 2 + step (1/2) sum alpha u^2 = w / (1 + step alpha)."""
        return w / (1.0 + step * alpha)

    def subdifferential_distance(self, w: Vector, gradient: Vector, alpha: float | Vector) -> Vector:
        """|-gradient_j - alpha w_j|: the loss's negative gradient against the penalty's one slope, shape (n,)."""
        return np.abs(gradient + alpha * w)


PENALTIES = {"l2": L2()}
