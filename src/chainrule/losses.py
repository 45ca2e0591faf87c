"""The loss of one row as a function of z: value, first and second derivative.

The native core has each loss as a struct of its own (`_native/losses.hpp`); this is the same in NumPy, for few rows,
for predictions and for the tests. A new loss is one entry here and one struct there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]


def sigmoid(z: Vector) -> Vector:
    """Give g = 1 / (1 + e^-z), with full relative accuracy on both sides; never overflows."""
    z = np.asarray(z, dtype=np.float64)
    e = np.exp(-np.abs(z))
    return np.where(z >= 0, 1.0, e) / (1.0 + e)


@dataclass(frozen=True)
class Logistic:
    """Binary cross-entropy of z: l = log(1 + e^t) with t = (1 - 2y) z.

    The article's L = -(y log g + (1-y) log(1-g)) with g = sigmoid(z), merged into one function of z, as in Hastie,
    Tibshirani and Friedman, The Elements of Statistical Learning, equation 4.20. Never softplus(z) - y z and never g - y:
    both lose every digit where the model is sure and right.
    """

    name: str = "logistic"

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


LOSSES = {"logistic": Logistic()}
