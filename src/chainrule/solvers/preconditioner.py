"""What stands for the Hessian between two reads: its diagonal, and beside it the block of the heaviest columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chainrule.kernels import Secant
from chainrule.objective import Objective

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
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
        weight, k = on.weight, min(BLOCK, on.n_features)
        squares = read.diagonal[:-1] / weight
        spread = np.maximum(squares - np.square(center) * read.curvature[-1] / weight, 0.0)
        size = min(on.n_rows, max(on.n_rows // BLOCK_SHARE, LEAST_ROWS * k))
        products = on.rows.mean_terms
        is_worth = size * products**2 <= max(WORTH * on.n_rows * products, LITTLE)
        block = (lambda columns: on.centred_block(z, columns, size)) if is_worth else None
        return cls._with(spread + on.ridge, squares, block)

    @classmethod
    def of_rows(cls, on: Objective, h: Vector, curvature: Vector) -> Preconditioner:
        """Make it of all rows that an objective reads, a sample's: h (m,) their g (1 - g), curvature (n + 1,) H e_b."""
        diagonal = on.hessian_diagonal(h)[:-1]
        pull = curvature[:-1] / curvature[-1] if on.fit_intercept else np.zeros(on.n_features)

        def block(columns: Index) -> Matrix:
            found = on.hessian_block(h, columns)[:-1, :-1] - np.outer(pull[columns], curvature[columns])
            return np.asarray(found.T)  # symmetric: in Fortran order without a copy

        return cls._with(diagonal - pull * curvature[:-1], diagonal, block)

    @classmethod
    def _with(cls, diagonal: Vector, squares: Vector, block: Callable[[Index], Matrix] | None) -> Preconditioner:
        """Put a diagonal and the block of the columns of the largest squares together."""
        n, none = len(diagonal), np.zeros(0, dtype=np.int64)
        if block is None:
            return cls(diagonal, none, None)
        k = min(BLOCK, n)
        columns = np.sort(np.argpartition(-squares, k - 1)[:k]) if k < n else np.arange(k)
        of_columns = block(columns)
        of_columns[np.diag_indices(k)] *= 1.0 + LIFT
        from scipy.linalg import cho_factor

        try:
            factor = cho_factor(of_columns, lower=True, overwrite_a=True, check_finite=False)
        except np.linalg.LinAlgError:
            return cls(diagonal, none, None)
        return cls(diagonal, columns.astype(np.int64), factor)

    def solve(self, r: Vector) -> Vector:
        """M^-1 r, (n,)."""
        v = r / self.diagonal
        if self.factor is not None:
            from scipy.linalg import cho_solve

            v[self.columns] = cho_solve(self.factor, r[self.columns], check_finite=False)
        return v
