"""What stands for the Hessian between two reads: its diagonal, and beside it the block of the heaviest columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chainrule.kernels import Secant
from chainrule.objective import Objective

Vector = NDArray[np.float64]
Index = NDArray[np.int64]

BLOCK = 1000  # columns of the block: a Cholesky factor of about ten milliseconds
BLOCK_SHARE = 16  # one in so many rows gives it
LEAST_ROWS = 40  # a column of the block: fewer make it worse than none
WORTH = 8.0  # products that make the block, over those of a read: more take longer than the reads that it saves
LITTLE = 1e8  # products that take some hundredths of a second in any case
LIFT = 1e-12  # of the block's diagonal


@dataclass(frozen=True)
class Preconditioner:
    """M: columns as centred under the curvature; the Hessian's exact diagonal, and its block of some columns from a sample.

    diagonal (n,). columns (k,) of the block, and its Cholesky factor; None without one.
    """

    diagonal: Vector
    columns: Index
    factor: tuple[NDArray[np.float64], bool] | None

    @classmethod
    def of(cls, on: Objective, read: Secant, center: Vector, z: Vector) -> Preconditioner:
        """Make it of what a read gave, and of a sample's block where columns differ in weight."""
        weight = on.weight
        squares = read.diagonal[:-1] / weight
        spread = np.maximum(squares - np.square(center) * read.curvature[-1] / weight, 0.0)
        diagonal = spread + on.ridge
        k = min(BLOCK, on.n_features)
        size = min(on.n_rows, max(on.n_rows // BLOCK_SHARE, LEAST_ROWS * k))
        products = on.rows.mean_terms
        if size * products**2 > max(WORTH * on.n_rows * products, LITTLE):
            return cls(diagonal, np.zeros(0, dtype=np.int64), None)
        columns = np.sort(np.argpartition(-squares, k - 1)[:k]) if k < on.n_features else np.arange(k)
        block = on.centred_block(z, columns, size)
        block[np.diag_indices(k)] *= 1.0 + LIFT
        from scipy.linalg import cho_factor

        try:
            factor = cho_factor(block, lower=True, overwrite_a=True, check_finite=False)
        except np.linalg.LinAlgError:
            return cls(diagonal, np.zeros(0, dtype=np.int64), None)
        return cls(diagonal, columns.astype(np.int64), factor)

    def solve(self, r: Vector) -> Vector:
        """M^-1 r, (n,)."""
        v = r / self.diagonal
        if self.factor is not None:
            from scipy.linalg import cho_solve

            v[self.columns] = cho_solve(self.factor, r[self.columns], check_finite=False)
        return v
