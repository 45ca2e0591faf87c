"""Penalties on w: value, gradient, prox, distance to the subdifferential. The bias b is never penalised."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class L2:
    """(alpha / 2) w.w, the ridge penalty (Hoerl and Kennard 1970)."""

    name: str = "l2"

    def value(self, w: Vector, alpha: float) -> float:
        """(alpha / 2) w.w."""
        with np.errstate(over="ignore"):  # a diverging run is named, not warned of
            return 0.5 * alpha * float(w @ w) if alpha else 0.0

    def gradient(self, w: Vector, alpha: float) -> Vector:
        """Alpha w, shape (n,)."""
        return alpha * w

    def prox(self, w: Vector, alpha: float, step: float) -> Vector:
        """Minimise over u: |u - w|^2 / 2 + step (alpha / 2) u.u = w / (1 + step alpha)."""
        return w / (1.0 + step * alpha)

    def subdifferential_distance(self, w: Vector, gradient: Vector, alpha: float) -> Vector:
        """|-gradient_j - alpha w_j|: the loss's negative gradient against the penalty's one slope, shape (n,)."""
        return np.abs(gradient + alpha * w)


PENALTIES = {"l2": L2()}
