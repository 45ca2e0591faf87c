"""Units of the columns, and their moments."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

_EXPONENT = 0x7FF << 52  # the bits of a float64 that, alone, are the power of two below it


def theta_of(w: Vector, b: float) -> Vector:
    """Return (w, b) as one vector (n + 1,); NumPy's `append` takes ten times as long."""
    theta = np.empty(len(w) + 1)
    theta[:-1], theta[-1] = w, b
    return theta


@dataclass(frozen=True)
class Units:
    """The fit's columns are ``(x - center) / scale`` of the user's; center 0 and scale 1 for an unchanged column."""

    center: Vector
    scale: Vector

    @classmethod
    def of_user(cls, n: int) -> Units:
        """Keep the user's own units of n columns."""
        return cls(np.zeros(n), np.ones(n))

    def to_user(self, w: Vector, b: float) -> tuple[Vector, float]:
        """Weights and bias for x in the user's units: w / scale, b - center.(w / scale); not finite if too large."""
        w_user = w / self.scale
        return w_user, b - float(self.center @ w_user)

    def to_fit(self, w: Vector, b: float) -> tuple[Vector, float]:
        """Weights and bias for x in the fit's units: the inverse of `to_user`; not finite if they are too large."""
        return w * self.scale, b + float(self.center @ w)


@dataclass(frozen=True)
class Moments:
    """Weighted moments of the columns in the user's units, from one read.

    mean, sd (population: divided by S), low, high: (n,); correlation (n, n), 0 where a column is constant, None for more
    than `MAX_MATRIX_COLUMNS` columns; weight = S.
    """

    mean: Vector
    sd: Vector
    low: Vector
    high: Vector
    correlation: Matrix | None
    weight: float


def units_of(x: Matrix, centred: bool) -> Units:
    """Guess units from some rows (k, n), which are overwritten: roughly the mean, and a power of two near the deviation."""
    low, high = x.min(axis=0), x.max(axis=0)
    size = np.maximum(high, -low)
    p = power_of_two(size)  # so that squares neither overflow nor vanish
    x *= p
    center = np.add.reduce(x, axis=0) / len(x)
    # A column that looks constant is centred exactly, as the mean's rounding would look like a deviation.
    center = np.where(low == high, x[0], center)
    x -= center
    sd = np.sqrt(np.add.reduce(x * x, axis=0) / len(x)) / p
    scale = 1.0 / power_of_two(np.where(sd > 0, sd, np.where(size > 0, size, 1.0)))
    return Units(center / p if centred else np.zeros(x.shape[1]), scale)


def power_of_two(size: Vector) -> Vector:
    """For each positive size the power of two p with size p in [1, 2); 1 for 0; p itself stays a normal number."""
    size = np.asarray(size, dtype=np.float64)
    bits = np.minimum(np.maximum(size, 2.0**-1000), 2.0**1000).view(np.int64) & _EXPONENT
    return np.where(size > 0, 1.0 / bits.view(np.float64), 1.0)
