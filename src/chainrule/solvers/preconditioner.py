"""The preconditioner: the Hessian's diagonal, a dense block of heavy columns, and rare levels coupled to that block."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from chainrule.data.rows import Rare, rare_rows
from chainrule.data.rows.costs import BLOCK, BY_BLAS, WORTH, block_of, mean_terms
from chainrule.kernels.blas import cholesky
from chainrule.kernels.bordered import Triangle
from chainrule.kernels.reading import Secant
from chainrule.objective import DataObjective

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Index = NDArray[np.int64]

RARE_SHARE = 8  # at most one row in 8 is added for its rare levels
LIFT = 1e-9  # relative increase of the block's diagonal: keeps steps short along collinear columns
LEAST = 1e-300  # least curvature


@dataclass(frozen=True)
class Arrow:
    """[[A, B], [B', D]] over columns `heavy` (the bias last) and `light`, D diagonal: factored by A - B D^-1 B'.

    factor : of k columns. root (light,) : D^(1/2). coupling (light, k) : D^(-1/2) B'.
    """

    heavy: Index
    light: Index
    factor: Triangle
    root: Vector
    coupling: Matrix

    @classmethod
    def of(cls, on: DataObjective, h: Vector, heavy: Index, light: Index) -> Arrow | None:
        """Make the arrow from the rows' h; without `light` if it isn't positive definite, None if the block isn't either."""
        k, n = len(heavy), on.n_features
        heavy = np.append(heavy, n) if on.fit_intercept else heavy
        # symmetric: the transpose is in Fortran order without a copy
        block = on.hessian_block(h, heavy[:k])[: len(heavy), : len(heavy)].T
        block[np.diag_indices(len(block))] *= 1.0 + LIFT
        left = block.copy("F") if len(light) else block
        root, coupling = np.empty(len(light)), np.empty((len(light), len(heavy)))
        width = max(2 * BLOCK - k, 1)
        for first in range(0, len(light), width):
            part = slice(first, min(first + width, len(light)))
            below = on.hessian_block(h, np.append(heavy[:k], light[part]), first=True)[k:-1]
            root[part] = np.sqrt(below.diagonal(k))
            B = below[:, np.append(np.arange(k), -1) if on.fit_intercept else np.arange(k)]
            np.divide(B, root[part, np.newaxis], out=coupling[part])
            left -= coupling[part].T @ coupling[part]
        factor = cholesky(left)
        if factor is None and len(light):
            factor, light, root, coupling = cholesky(block), light[:0], root[:0], coupling[:0]
        return None if factor is None else cls(heavy, light, Triangle(factor), root, coupling)

    def solve(self, r: Vector, v: Vector) -> None:
        """Solve with right-hand side r (n,) in these columns; fills their entries of v (n,)."""
        right, of_light = np.zeros(len(self.heavy)), r[self.light] / self.root
        k = int(np.searchsorted(self.heavy, len(r)))  # without the bias
        right[:k] = r[self.heavy[:k]]
        x = self.factor.solve(right - of_light @ self.coupling)
        v[self.light] = (of_light - self.coupling @ x) / self.root
        v[self.heavy[:k]] = x[:k]


@dataclass(frozen=True)
class Preconditioner:
    """M: the Hessian's exact diagonal, for columns centred with curvature as weights, and a sample's arrow of some columns.

    inverse : (n,), of the diagonal. arrow : None without one. objective : F at the point of the sample.
    of_all : whether the arrow was made of all rows and columns because steps were slow, and is kept until they are again.
    """

    inverse: Vector
    arrow: Arrow | None = None
    objective: float = math.inf
    of_all: bool = False

    @classmethod
    def of_read(cls, on: DataObjective, read: Secant) -> Preconditioner:
        """Make the diagonal from a read of curvatures."""
        assert read.curvature is not None
        assert read.diagonal is not None
        weight = float(read.curvature[-1])
        diagonal = np.square(read.curvature[:-1])  # of the means: b is at its optimum at each step
        diagonal *= -1.0 / weight if on.fit_intercept and weight > 0.0 else 0.0
        diagonal += read.diagonal[:-1]
        diagonal *= 1.0 / on.weight
        # A column that is 0 in every row has no curvature without a penalty, and no gradient either.
        np.maximum(diagonal, LEAST, out=diagonal)
        diagonal += on.ridge
        return cls(np.reciprocal(diagonal, out=diagonal))

    def with_diagonal(self, on: DataObjective, read: Secant) -> Preconditioner:
        """Take the diagonal from a read, and keep the arrow."""
        return replace(self, inverse=Preconditioner.of_read(on, read).inverse)

    @property
    def is_whole(self) -> bool:
        """Whether the arrow has all columns, so that its size is right; a diagonal's is not."""
        arrow, n = self.arrow, len(self.inverse)
        return arrow is not None and len(arrow.light) + np.count_nonzero(arrow.heavy < n) == n

    def with_all(self, on: DataObjective, z: Vector, objective: float) -> Preconditioner:
        """Make the arrow of all rows and columns at the rows' z, where F is `objective`; without a factor stay as it is."""
        arrow = Arrow.of(on, on.curvatures(z), np.arange(on.n_features), np.arange(0))
        return self if arrow is None else Preconditioner(self.inverse, arrow, objective, of_all=True)

    def with_sample(self, on: DataObjective, z: Vector, objective: float) -> Preconditioner:
        """Add an arrow from a sample of the rows, at the z of all rows, where F is `objective`."""
        n, m = on.n_features, on.n_rows
        size, k = block_of(on.rows)
        if not k:
            return replace(self, objective=objective)
        is_part = size < m
        looks = is_part and n - m // RARE_SHARE <= k
        rare = rare_rows(on.rows, size / m, m // RARE_SHARE) if looks else Rare.none()
        light, rest, is_heavy = rare.columns, n - len(rare.columns), np.ones(n, dtype=np.bool_)
        if k == n:
            light = light[:0]
        elif rest <= k and len(light) * rest**2 <= WORTH * BY_BLAS * m * mean_terms(on.rows):
            is_heavy[light] = False
        else:
            rare, light = Rare.none(), light[:0]
            is_heavy[np.argpartition(self.inverse, k)[k:]] = False
        part = on.sample(size, 0.0, rare) if is_part else on
        arrow = Arrow.of(part, part.curvatures(z), np.flatnonzero(is_heavy), light)
        return Preconditioner(self.inverse, arrow, objective)

    def solve(self, r: Vector) -> Vector:
        """M^-1 r, (n,)."""
        v = r * self.inverse
        if self.arrow is not None:
            self.arrow.solve(r, v)
        return v
