"""The loss of one row as a function of its log-odds z. A fit takes one by its name in `LOSSES`.

The native core has the logistic loss as a struct (`_native/losses.hpp`). Any other loss is computed in NumPy, which is slower.
A new loss is one class and one entry in `LOSSES`; its attributes are what certificates and learning rates need.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]


def sigmoid(z: Vector) -> Vector:
    """Return g = 1 / (1 + e^-z), with full relative accuracy on both sides; never overflows."""
    z = np.asarray(z, dtype=np.float64)
    e = np.exp(-np.abs(z))
    return np.where(z >= 0, 1.0, e) / (1.0 + e)


class Loss(Protocol):
    """A convex loss l(z, y), y = 0 or 1, with l(z, 1) = l(-z, 0), that falls to its infimum 0 as z goes to the side of y.

    Every function takes arrays z and y of one shape, and keeps full relative accuracy at every z.
    """

    @property
    def name(self) -> str:
        """Its name in `LOSSES`."""

    @property
    def steepest(self) -> float:
        """Largest |dL_dz|, finite as all three bounds: a loss like softplus(z)^2 has none and is refused."""

    @property
    def curvature(self) -> float:
        """Largest d2L_dz2."""

    @property
    def bend(self) -> float:
        """The constant c in |d3L_dz3| <= c d2L_dz2 (Bach 2010; Sun and Tran-Dinh 2019); the certificate needs it."""

    def value(self, z: Vector, y: Vector) -> Vector:
        """l(z, y) in nats."""

    def derivative(self, z: Vector, y: Vector) -> Vector:
        """dL_dz."""

    def second_derivative(self, z: Vector, y: Vector) -> Vector:
        """d2L_dz2."""

    def probability(self, z: Vector) -> Vector:
        """Probability of y = 1 at z."""

    def best_constant(self, zeros: float, ones: float) -> float:
        """Return the z that minimises zeros l(z, 0) + ones l(z, 1)."""


@dataclass(frozen=True)
class Logistic:
    """Binary cross-entropy of z: l = log(1 + e^t) with t = (1 - 2y) z.

    The article's L = -(y log g + (1-y) log(1-g)) with g = sigmoid(z), merged into one function of z, as in Hastie,
    Tibshirani and Friedman, The Elements of Statistical Learning, equation 4.20. Neither softplus(z) - y z nor g - y is
    computed: both lose every digit when the model is sure and right.
    """

    name: str = "logistic"
    steepest: float = 1.0
    curvature: float = 0.25
    bend: float = 1.0

    def value(self, z: Vector, y: Vector) -> Vector:
        """l(z, y) in nats, shape of z."""
        t = (1.0 - 2.0 * y) * z
        return np.maximum(t, 0.0) + np.log1p(np.exp(-np.abs(t)))

    def derivative(self, z: Vector, y: Vector) -> Vector:
        """dL_dz = (1 - 2y) sigmoid(t), shape of z: g - y without its cancellation."""
        sign = 1.0 - 2.0 * np.asarray(y, dtype=np.float64)
        return sign * sigmoid(sign * z)

    def second_derivative(self, z: Vector, y: Vector) -> Vector:
        """d2L_dz2 = g (1 - g), shape of z."""
        e = np.exp(-np.abs(z))
        return e / (1.0 + e) ** 2

    def probability(self, z: Vector) -> Vector:
        """Sigmoid(z)."""
        return sigmoid(z)

    def best_constant(self, zeros: float, ones: float) -> float:
        """log(ones/zeros)."""
        return math.log(ones) - math.log(zeros)


LOGISTIC = Logistic()
LOSSES: dict[str, Loss] = {LOGISTIC.name: LOGISTIC}


def is_native(loss: Loss) -> bool:
    """Whether the core has this loss as a struct."""
    return type(loss) is Logistic


def rms_residual(loss: Loss, mean: float) -> float:
    """Bound the root mean square of dL_dz by the mean loss: |l'|^2 <= 2 max l'' l (Srebro et al. 2010, lemma 2.1)."""
    return min(loss.steepest, math.sqrt(2.0 * loss.curvature * max(mean, 0.0)))
