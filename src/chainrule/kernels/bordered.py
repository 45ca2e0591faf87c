"""Symmetric matrices of which some columns have no products with each other, as a category's levels: no array is n x n."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule import _core
from chainrule.kernels.blas import cholesky, lapack, one_blas_thread, triangular_inverse

SPARSE = 8  # least size of a border of which only the numbers that aren't 0 are multiplied, over how many these are
UNIT = 2.0**-53
AT_ONCE = 128  # columns of the head whose distances are computed
NEARLY = 1.2  # times the largest squared distance from a mean: the others need not be computed if they are below

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Places = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Bordered:
    """A symmetric matrix (n, n): a diagonal for the columns of the head, their border, and the rest.

    numbers : border (k, n - k), rest (n - k, n - k) and diagonal (k,), as the core gives them: each row of the border is a
    column of the head, and the others are in their own order. The rest's upper triangle is enough.
    head : its columns. n : all columns.
    """

    numbers: Vector
    head: slice
    n: int

    @classmethod
    def of(cls, border: Matrix, rest: Matrix, diagonal: Vector, head: slice) -> Bordered:
        """Make one of its parts."""
        return cls(np.concatenate([border.ravel(), rest.ravel(), diagonal]), head, len(diagonal) + len(rest))

    @cached_property
    def border(self) -> Matrix:
        """Products of the head's columns with the others, (k, n - k)."""
        k = self.head.stop - self.head.start
        return self.numbers[: k * (self.n - k)].reshape(k, self.n - k)

    @cached_property
    def rest(self) -> Matrix:
        """The part of the other columns, (n - k, n - k)."""
        k, r = self.border.shape
        return self.numbers[k * r : self.n * r].reshape(r, r)

    @cached_property
    def of_head(self) -> Vector:
        """The head's diagonal, (k,)."""
        return self.numbers[self.n * self.border.shape[1] :]

    @cached_property
    def is_sparse(self) -> bool:
        """Whether so much of the border is 0, as with levels of two categories, that BLAS isn't worth it."""
        return bool(SPARSE * np.count_nonzero(self.border) < self.border.size)

    @cached_property
    def multiplier(self) -> Any:
        """The border, to multiply vectors by: if most of it is 0, as SciPy's sparse rows."""
        if not self.is_sparse:
            return self.border
        from scipy.sparse import csr_array

        at, (k, r) = np.flatnonzero(self.border.ravel() != 0.0), self.border.shape
        ends = np.searchsorted(at, np.arange(0, (k + 1) * r, r))
        return csr_array((self.border.ravel()[at], at % r, ends), shape=(k, r))

    def __itruediv__(self, number: float) -> Bordered:
        """Divide in place."""
        np.divide(self.numbers, number, out=self.numbers)
        return self

    def __mul__(self, number: float) -> Bordered:
        """Multiply by a number."""
        return Bordered(self.numbers * number, self.head, self.n)

    def __iadd__(self, other: Bordered) -> Bordered:
        """Add another one with the same head, in place."""
        np.add(self.numbers, other.numbers, out=self.numbers)
        return self

    def split(self, x: Matrix) -> tuple[Matrix, Matrix]:
        """Return the head's part of the last axis, and the others'."""
        first, stop = self.head.start, self.head.stop
        return x[..., self.head], np.concatenate([x[..., :first], x[..., stop:]], axis=-1)

    def joined(self, of_head: Matrix, others: Matrix) -> Matrix:
        """Undo `split`."""
        first = self.head.start
        return np.concatenate([others[..., :first], of_head, others[..., first:]], axis=-1)

    def diagonal(self) -> Vector:
        """Return the diagonal, (n,)."""
        return self.joined(self.of_head, self.rest.diagonal())

    def scaled(self, by: Vector) -> Bordered:
        """Multiply rows and columns by numbers (n,)."""
        of_head, others = self.split(by)
        made = Bordered(np.empty_like(self.numbers), self.head, self.n)
        np.multiply(self.border, others, out=made.border)
        np.multiply(self.rest, others, out=made.rest)
        np.multiply(self.of_head, of_head * of_head, out=made.of_head)
        made.border[...] *= of_head[:, np.newaxis]
        made.rest[...] *= others[:, np.newaxis]
        return made

    def copy(self) -> Bordered:
        """Copy it."""
        return Bordered(self.numbers.copy(), self.head, self.n)

    def take(self, columns: Places) -> Bordered | Matrix:
        """Return the part of some columns, ascending."""
        k, is_head = len(self.of_head), (columns >= self.head.start) & (columns < self.head.stop)
        some, others = columns[is_head] - self.head.start, columns[~is_head]
        others = np.where(others < self.head.start, others, others - k)
        rest, first = self.rest[np.ix_(others, others)], int(np.count_nonzero(columns < self.head.start))
        if not len(some):
            return rest
        n, r = len(columns), len(others)
        made = Bordered(np.empty(n * r + n - r), slice(first, first + n - r), n)
        np.take(self.border if n - r == k else self.border[some], others, axis=1, out=made.border, mode="clip")
        made.rest[...], made.of_head[...] = rest, self.of_head[some]
        return made

    def whole(self) -> Matrix:
        """Return the matrix as one array, (n, n)."""
        out, others = np.diag(self.diagonal()), np.delete(np.arange(self.n), self.head)
        out[self.head, others] = self.border
        out[others, self.head] = self.border.T
        out[np.ix_(others, others)] = self.rest
        return out


Symmetric = Matrix | Bordered


def scaled(A: Symmetric, by: Vector) -> Symmetric:
    """Multiply rows and columns of A by numbers (n,)."""
    if isinstance(A, Bordered):
        return A.scaled(by)
    out = A * by
    out *= by[:, np.newaxis]
    return out


def plus(A: Symmetric, more: Vector) -> Symmetric:
    """Add numbers (k,) to the first k of the diagonal of a copy of A."""
    A = A.copy()
    add_to_diagonal(A, more)
    return A


def add_to_diagonal(A: Symmetric, more: Vector) -> None:
    """Add numbers (k,) to the first k of the diagonal of A, in place; the head is among these columns."""
    if isinstance(A, Bordered):
        of_head, more = A.split(more)
        A.of_head[...] += of_head
        A = A.rest
    A.reshape(-1)[: len(more) * len(A) : len(A) + 1] += more


def without_bias(A: Symmetric, diagonal: float) -> None:
    """Set the last row and column of A to 0 but for the diagonal, in place."""
    if isinstance(A, Bordered):
        A.border[:, -1] = 0.0
        A = A.rest
    A[-1, :] = A[:, -1] = 0.0
    A[-1, -1] = diagonal


def part_of(A: Symmetric, columns: Places | slice) -> Symmetric:
    """Return the part of some columns, ascending; A itself for `slice(None)`."""
    if isinstance(columns, slice):
        return A
    return A.take(columns) if isinstance(A, Bordered) else A[np.ix_(columns, columns)]


def factor_of(A: Symmetric, shift: float | Vector) -> Triangle | BorderedTriangle | None:
    """Factor A - shift I, or A less a diagonal (n,); None if a pivot isn't positive. Reads A's upper triangle, in C order."""
    if not isinstance(A, Bordered):
        whole = np.array(A.T, order="F")
        whole.ravel("K")[:: len(whole) + 1] -= shift
        L = cholesky(whole)
        return None if L is None else Triangle(L)
    of_head, others = (shift, shift) if isinstance(shift, float) else A.split(shift)
    pivots, rest = A.of_head - of_head, np.array(A.rest.T, order="F")
    rest.ravel("K")[:: len(rest) + 1] -= others
    if not pivots.min() > 0.0:
        return None
    with one_blas_thread():
        if A.is_sparse:
            _core.subtract_border(A.border, pivots, rest.T)
        else:
            below = A.border / np.sqrt(pivots)[:, np.newaxis]
            rest = lapack().dsyrk(-1.0, below.T, 1.0, rest, lower=1, overwrite_c=1)
        L = cholesky(rest)
    return None if L is None else BorderedTriangle(A, pivots, Triangle(L))


@dataclass(frozen=True, eq=False)
class Triangle:
    """L with L L' = A, (n, n) in Fortran order, and L^-1."""

    L: Matrix

    @cached_property
    def least(self) -> float:
        """The smallest pivot."""
        return float(self.L.diagonal().min())

    def solve(self, v: Vector) -> Vector:
        """Compute A^-1 v."""
        return self.forward(self.forward(v), trans=1)

    def forward(self, v: Vector, trans: int = 0) -> Vector:
        """Compute L^-1 v; trans=1: L'^-1 v."""
        return np.asarray(lapack().dtrsv(self.L, v, lower=1, trans=trans))

    @cached_property
    def inverse(self) -> Matrix:
        """L^-1."""
        return triangular_inverse(self.L)

    @cached_property
    def squares(self) -> Vector:
        """Squared lengths of the columns of L^-1: the diagonal of A^-1, (n,)."""
        return np.asarray(np.einsum("ij,ij->j", self.inverse, self.inverse))

    @cached_property
    def trace(self) -> float:
        """Trace of A^-1."""
        numbers = self.inverse.ravel("K")  # without a copy
        return float(numbers @ numbers)

    def lengths2(self, U: Matrix) -> Vector:
        """Compute |L^-1 u|^2 of each row u of U (m, n)."""
        x = U @ self.inverse.T
        return np.asarray(np.einsum("ki,ki->k", x, x))

    def apart(self, columns: slice, scale: Vector, share: Vector) -> tuple[Vector, float]:
        """Return m = sum share_j W_j, (n,), of some columns W_j = scale_j L^-1 e_j, and the largest |W_j - m|^2, or more."""
        W = self.inverse[:, columns] * scale
        m = W @ share
        apart = W - m[:, np.newaxis]
        return m, float(np.einsum("ij,ij->j", apart, apart).max(initial=0.0))


@dataclass(frozen=True, eq=False)
class BorderedTriangle:
    """L with L L' = A, for a bordered A whose head is eliminated first, with d = pivots^(1/2) on the diagonal.

    Below it are the border's rows over d, which are not stored. rest : the factor R of the rest's Schur complement.

    With X the computed R^-1 and t the trace of A^-1, |X - R^-1| <= (r + 2) u |R^-1| |R| |R^-1| is at most (r + 2) r^(1/2) u t
    long, and a border's row b over d at most r^(1/2), as b b'/d^2 <= the rest. So by products with X, the numbers
    (A^-1)_jj = (1 + |R^-1 b_j|^2/d^2)/d^2 and |L^-1 u|^2 are right to a share of 4 r (r + 2) u t, which `Factor.loss` covers.
    """

    of: Bordered
    pivots: Vector
    rest: Triangle

    @cached_property
    def least(self) -> float:
        """The smallest number on the diagonal."""
        return min(math.sqrt(float(self.pivots.min())), self.rest.least)

    def solve(self, v: Vector) -> Vector:
        """Compute A^-1 v."""
        of_head, others = self._forward(v)
        others = self.rest.forward(others, trans=1)
        return self.of.joined(of_head - self.of.multiplier @ others / self.pivots, others)

    def forward(self, v: Vector) -> Vector:
        """Compute L^-1 v, the head first."""
        of_head, others = self._forward(v)
        return np.concatenate([of_head * np.sqrt(self.pivots), others])

    def _forward(self, v: Vector) -> tuple[Vector, Vector]:
        """Compute L^-1 v, its head over d."""
        of_head, others = self.of.split(v)
        of_head = of_head / self.pivots
        return of_head, self.rest.forward(others - of_head @ self.of.multiplier)

    @cached_property
    def inverse(self) -> Matrix:
        """The inverse of the rest's Schur complement, (n - k, n - k), its upper triangle."""
        with one_blas_thread():
            return np.asarray(lapack().dlauum(self.rest.inverse, lower=1)[0]).T

    @cached_property
    def squares(self) -> Vector:
        """Squared lengths of the columns of L^-1: the diagonal of A^-1, (n,)."""
        border = self.of.border
        with one_blas_thread():
            if self.of.is_sparse:
                products = _core.border_products(border, self.inverse)
            else:
                below = border @ self.rest.inverse.T
                products = np.einsum("ij,ij->i", below, below)
        return self.of.joined((products / self.pivots + 1.0) / self.pivots, self.rest.squares)

    @cached_property
    def trace(self) -> float:
        """Trace of A^-1."""
        return float(self.squares.sum())

    def lengths2(self, U: Matrix) -> Vector:
        """Compute |L^-1 u|^2 of each row u of U (m, n)."""
        of_head, others = self.of.split(U)
        x = (others - (of_head / self.pivots) @ self.of.border) @ self.rest.inverse.T
        return np.asarray(np.einsum("ki,ki->k", x, x) + np.square(of_head) @ (1.0 / self.pivots))

    def apart(self, columns: slice, scale: Vector, share: Vector) -> tuple[Vector, float]:
        """Return m and the largest |W_j - m|^2, or a little more, as `Triangle.apart`; m has the head first.

        columns : the head, or others.
        """
        k, first = len(self.pivots), self.of.head.start
        if columns != self.of.head:
            moved = columns if columns.start < first else slice(columns.start - k, columns.stop - k)
            m, apart = self.rest.apart(moved, scale, share)
            return np.concatenate([np.zeros(k), m]), apart
        mean = np.zeros(self.of.n)
        mean[self.of.head] = share * scale
        m = self.forward(mean)
        # W'W = scale A^-1 scale: the differences of its numbers, and what rounding may add where they cancel.
        lengths, size, n = np.square(scale) * self.squares[self.of.head], float(m @ m), self.of.n
        rounding = 4.0 * n * (n + 2) * UNIT * (self.trace + 1.0) * (lengths + size)
        most, found = lengths - 2.0 * scale * self.solve(mean)[self.of.head] + size + rounding, 0.0
        order = np.argsort(-most, kind="stable")
        for at in range(0, k, AT_ONCE):
            left = float(most[order[at]])
            if left <= NEARLY * found:
                return m, max(found, left)
            found = max(found, self._largest_apart(order[at : at + AT_ONCE], scale, m))
        return m, found

    def _largest_apart(self, some: Places, scale: Vector, m: Vector) -> float:
        """Bound |W_j - m|^2 for some columns of the head.

        In the head's rows of W only the diagonal isn't 0. There |W_j - m|^2 <= |W_j|^2 + |m|^2, as no number is negative.
        """
        k, factor = len(self.pivots), scale[some] / self.pivots[some]
        with one_blas_thread():
            W = lapack().dtrsm(-1.0, self.rest.L, (self.of.border[some] * factor[:, np.newaxis]).T, lower=1)
        W -= m[k:, np.newaxis]
        squares = np.einsum("ij,ij->j", W, W) + np.square(scale[some]) / self.pivots[some]
        return float(squares.max()) + float(m[:k] @ m[:k])
