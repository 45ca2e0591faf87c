"""The Hessian's largest and smallest eigenvalues: they limit the learning rate, and set how many epochs a run needs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

FLAT = 1e-12  # eigenvalue of the Hessian with a unit diagonal, below which a direction has no curvature beyond rounding


@dataclass(frozen=True)
class Curvature:
    """Curvature of the objective at one point, in the units of the fit.

    Attributes
    ----------
    largest, smallest : float
        Eigenvalues of the Hessian, nats; the smallest among directions with curvature. 0 if no direction has any.
    condition : float
        largest/smallest: about how many epochs the flattest direction needs at any rate (Nocedal and Wright
        2006, Numerical Optimization, section 3.3). NaN if there is no curvature.
    flat : int
        Directions without curvature: constant and collinear columns. Gradient descent never moves along them.
    """

    largest: float
    smallest: float
    condition: float
    flat: int

    @classmethod
    def of(cls, hessian: Matrix) -> Curvature:
        """Measure a positive semidefinite matrix.

        The smallest eigenvalue comes from the inverse of the matrix scaled to a unit diagonal, which keeps a few correct
        digits even for columns of very different size (van der Sluis 1969, Numerische Mathematik 14, 14-23).
        """
        size = np.sqrt(np.diag(hessian))
        seen = size > 0
        flat = int(np.count_nonzero(~seen))
        if not seen.any():
            return cls(0.0, 0.0, float("nan"), flat)
        part, size = hessian[np.ix_(seen, seen)], size[seen]
        values, vectors = np.linalg.eigh(part / size / size[:, None])
        curved = values > FLAT * values[-1]
        root = (vectors[:, curved] / np.sqrt(values[curved])).T / size
        if not curved.all():  # project onto the directions with curvature: the pseudo-inverse is P G P
            null, _ = np.linalg.qr(vectors[:, ~curved] / size[:, None])
            root = root - (root @ null) @ null.T
        smallest = float(np.linalg.norm(root, 2)) ** -2
        largest = float(np.linalg.eigvalsh(part)[-1])
        return cls(largest, min(smallest, largest), max(1.0, largest / smallest), flat + int(np.count_nonzero(~curved)))

    @property
    def limit(self) -> float:
        """2/largest: at a larger rate, gradient descent oscillates where the curvature is `largest`."""
        return 2.0 / self.largest if self.largest > 0 else float("inf")
