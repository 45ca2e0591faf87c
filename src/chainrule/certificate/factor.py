"""A factored matrix: solves for the steps, and norms that are proven despite the matrix's rounding errors.

A = D^-1 B D^-1 is known up to an error of 2-norm eta. Proofs use the factor of A - eta I, not of A: the exact matrix is above
it, so every norm x' B^-1 x is too large rather than too small. In each direction this loosens the norm by the ratio of eta to
the curvature. (Multiplying c by 1 - eta/lambda_min once for all directions is valid too, but spoils the bound as soon as
a single direction is nearly collinear.)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.certificate.rounding import UNIT
from chainrule.kernels.blas import WHOLE, bordered_cholesky, cholesky, triangular_inverse

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

SMALLEST, LARGEST = 1e-280, 1e280  # of diag(B): beyond these, eta doesn't hold because of underflow or overflow
CLEAR = 100.0  # smallest squared pivot over eta, above which one factor serves steps and proofs
LEAST_HEAD = 4  # times the columns that are eliminated first, at least all columns
SMALL = 50  # columns, up to which products with the inverse are cheaper


@cache
def _lapack() -> tuple[Callable[..., Any], ...]:
    """Import LAPACK's routines on first use; SciPy's wrappers take longer than small factors do."""
    from scipy.linalg.lapack import dpotrs, dtrtrs

    return dpotrs, dtrtrs


@dataclass(frozen=True)
class Order:
    """The order in which columns are eliminated: levels of one category first, as no row has two of them.

    columns : (n,), or empty for the matrix's own order. head : how many of the first have no products with each other.
    """

    columns: NDArray[np.int64]
    head: int

    @classmethod
    def of(cls, A: Matrix) -> Order:
        """Find the longest run of columns of a large A (n, n), in its upper triangle, that have no products."""
        n = len(A)
        if n <= WHOLE:
            return AS_IT_IS
        products = np.triu(A != 0.0, 1)
        # the first column that each has products with
        with_later = np.where(products.any(axis=1), products.argmax(axis=1), n)
        best, start = range(0), 0
        while start < n:
            j, stop = start, n
            while j < stop:
                stop, j = min(stop, int(with_later[j])), j + 1
            best = max(best, range(start, stop), key=len)
            start = stop
        if LEAST_HEAD * len(best) < n:
            return AS_IT_IS
        return cls(np.concatenate([np.asarray(best), np.arange(best.start), np.arange(best.stop, n)]), len(best))

    def there(self, x: Matrix) -> Matrix:
        """Put the last axis into this order."""
        return x[..., self.columns] if self.head else x

    def back(self, x: Matrix) -> Matrix:
        """Put the last axis into the matrix's own order again."""
        if not self.head:
            return x
        out = np.empty_like(x)
        out[..., self.columns] = x
        return out

    def shifted(self, A: Matrix, shift: float) -> Matrix | None:
        """Return the Cholesky factor of A - shift I in this order, A in C order; reads A's upper triangle."""
        if self.head:
            run, others = slice(self.columns[0], self.columns[0] + self.head), self.columns[self.head :]
            below = np.concatenate([A[: run.start, run], A[run, run.stop :].T])
            rest = np.asfortranarray(A[np.ix_(others, others)].T)
            rest.ravel("K")[:: len(rest) + 1] -= shift
            return bordered_cholesky(A.diagonal()[run] - shift, below, rest)
        copied = np.array(A.T, order="F")
        copied.ravel("K")[:: len(A) + 1] -= shift
        return cholesky(copied)


AS_IT_IS = Order(np.arange(0), 0)


class Factor:
    """B = D L L' D:  D = diag(B)^(1/2), L the Cholesky factor of A = D^-1 B D^-1. Made by `Factor.of`.

    `solve` is for steps and uses A. `norm2`, `leverages`, `inverse_diagonal` and `lambda_min` are for proofs: they need `ok`,
    use A - eta I and are never too small (`lambda_min`: never too large).

    Attributes
    ----------
    D, inverse_D : (n + 1,)
        Square roots of B's diagonal (1 in place of unusable numbers), and one over them.
    eta : float
        Bound on the error of A, factor and solves included (`hessian_eta`).
    factored : bool
        Whether A has a Cholesky factor: if so, steps can be made, even if nothing can be proven.
    reason : str
        Why there is no factor; empty if there is one.
    """

    def __init__(
        self,
        A: Matrix,
        D: Vector,
        inverse_D: Vector,
        L: Matrix | None,
        eta: float,
        reason: str,
        order: Order = AS_IT_IS,
    ) -> None:
        self.D = D
        self.inverse_D = inverse_D
        self.eta = eta
        self.reason = reason
        self.factored = L is not None
        self._A = A
        self._L = L
        self._order = order

    @classmethod
    def of(cls, B: Matrix, eta: float) -> Factor:
        """Factor B (n + 1, n + 1); reads its upper triangle. Never raises: see `ok`, `factored`, `reason`."""
        diagonal = B.diagonal()
        # Written so that NaN fails too.
        if not (diagonal.min() > SMALLEST and diagonal.max() < LARGEST):
            usable = (diagonal > SMALLEST) & (diagonal < LARGEST)
            D = np.sqrt(np.where(usable, diagonal, 1.0))
            what = f"columns {np.flatnonzero(~usable).tolist()} have no curvature that can be used"
            return cls(B / (D * D[:, None]), D, 1.0 / D, None, eta, what)
        D = np.sqrt(diagonal)
        inverse_D = 1.0 / D
        A = B * inverse_D
        A *= inverse_D[:, None]
        order = Order.of(A)
        if len(A) > SMALL:
            # One factor is enough if the shift is small compared to every pivot: it then changes steps by at most a hundredth.
            L = order.shifted(A, eta)
            if L is not None and float(L.diagonal().min()) ** 2 > CLEAR * eta:
                factor = cls(A, D, inverse_D, L, eta, "", order)
                factor.__dict__["_proof"] = L
                return factor
        L = order.shifted(A, 0.0)
        if L is not None:
            return cls(A, D, inverse_D, L, eta, "", order)
        return cls(A, D, inverse_D, None, eta, "the columns are collinear up to rounding")

    @classmethod
    def unfactored(cls, diagonal: Vector, reason: str) -> Factor:
        """Make an object without a Cholesky factor, from B's diagonal (n + 1,) alone."""
        D = np.sqrt(np.where((diagonal > SMALLEST) & (diagonal < LARGEST), diagonal, 1.0))
        return cls(np.zeros((0, 0)), D, 1.0 / D, None, math.inf, reason)

    @property
    def matrix(self) -> Matrix:
        """B recomputed, (n + 1, n + 1), up to three roundings of each entry."""
        return np.asarray(self._A * self.D * self.D[:, np.newaxis])

    @property
    def ok(self) -> bool:
        """Whether B is proven to be positive definite: A - eta I has a Cholesky factor."""
        return self._proof is not None

    @cached_property
    def _proof(self) -> Matrix | None:
        """Cholesky factor of A - eta I; None if there is none."""
        if self._L is None:
            return None
        smallest = float(self._L.diagonal().min())
        if not smallest * smallest > self.eta:  # lambda_min <= every L_jj^2
            return None
        return self._order.shifted(self._A, self.eta)

    @cached_property
    def _inverse_L(self) -> tuple[Matrix, float]:
        """L^-1 for the proof's L, and a factor that covers the rounding of products with it.

        |error of L^-1 x| <= (n + 2) u |L^-1| (|L| |L^-1| + 1) |x| (Higham 2002, section 14.2) and |x| <= |L|_F |L^-1 x|, with
        |L|_F^2 <= n + 1. Products, because triangular solves with many right-hand sides wait for BLAS threads even when tiny.
        """
        n1 = len(self.D)
        relative = 2.0 * (n1 + 1) * n1 * UNIT * (self._trace + 1.0)
        return self._inverse, (1.0 + relative) ** 2

    @cached_property
    def _inverse(self) -> Matrix:
        return triangular_inverse(self._proven(), self._order.head)

    @cached_property
    def _trace(self) -> float:
        """Trace of (A - eta I)^-1, which is |L^-1|_F^2, as computed."""
        numbers = self._inverse.ravel("K")  # without a copy
        return float(numbers @ numbers)

    def _proven(self) -> Matrix:
        if self._proof is None:
            raise ValueError("the matrix is not proven to be positive definite: look at `ok` first")
        return self._proof

    @cached_property
    def lambda_min(self) -> float:
        """Proven lower bound on the smallest eigenvalue of A - eta I, much cheaper than the eigenvalues; 0 unless `ok`.

        Up to 50 columns ||(A - eta I)^-2||_F^(-1/2), within a factor of (n + 1)^(1/4) (Frobenius norm over 2-norm); else the
        largest shift t tried for which A - (eta + t) I still has a Cholesky factor, mostly within a tenth.
        """
        if not self.ok:
            return 0.0
        return self._by_inverse() if len(self.D) <= SMALL else self._by_shift()

    @property
    def lambda_low(self) -> float:
        """Another proven lower bound, without further factoring: for many columns, 1/trace((A - eta I)^-1)."""
        if len(self.D) <= SMALL or "lambda_min" in self.__dict__:
            return self.lambda_min
        return 1.0 / (self._trace * self._inverse_L[1])

    def _by_inverse(self) -> float:
        inverse, loss = self._inverse_L
        full = inverse.T @ inverse
        square = full @ full
        return 1.0 / (math.sqrt(math.sqrt(float(np.vdot(square, square)))) * loss)

    @cached_property
    def lambda_guess(self) -> float:
        """Estimate the smallest eigenvalue from above by inverse iteration. It proves nothing."""
        L = self._proven()
        v = np.cos(np.arange(len(self.D), dtype=np.float64) ** 2)
        guess = 1.0
        for _ in range(8):
            v, _ = _lapack()[0](L, v / math.sqrt(float(v @ v)), lower=1)
            guess = 1.0 / math.sqrt(float(v @ v))
        return guess

    def _by_shift(self) -> float:
        """Prove the largest of some shares of the guess for which there is a Cholesky factor (Higham 2002, section 10.1)."""
        guess = self.lambda_guess
        for share in (0.95, 0.8, 0.5, 0.1):
            if self._order.shifted(self._A, self.eta + share * guess) is not None:
                return share * guess
        return self._by_inverse()

    @cached_property
    def inverse_diagonal(self) -> Vector:
        """diag(B^-1), (n + 1,), never too small."""
        inverse, loss = self._inverse_L
        squares = self._order.back(np.einsum("ij,ij->j", inverse, inverse))
        return np.asarray(squares * (self.inverse_D * self.inverse_D * loss))

    def solve(self, v: Vector) -> Vector:
        """Compute B^-1 v for v (n + 1,), for a step. Needs `factored`."""
        x, _ = _lapack()[0](self._L, self._order.there(v * self.inverse_D), lower=1)
        return np.asarray(self._order.back(x) * self.inverse_D)

    def proof_solve(self, v: Vector) -> Vector:
        """Compute (B - eta D^2)^-1 v."""
        x, _ = _lapack()[0](self._proven(), self._order.there(v * self.inverse_D), lower=1)
        return np.asarray(self._order.back(x) * self.inverse_D)

    def norm2(self, v: Vector) -> float:
        """Compute the squared norm v' B^-1 v, never too small."""
        x, _ = _lapack()[1](self._proven(), self._order.there(v * self.inverse_D), lower=1)
        return float(x @ x)

    @cached_property
    def whitened(self) -> tuple[Matrix, float]:
        """W (n + 1, n + 1) with |W u|^2 = u' B^-1 u up to rounding, and the factor that makes it never too small."""
        inverse, loss = self._inverse_L
        return self._order.back(inverse) * self.inverse_D, loss

    def leverages(self, U: Matrix) -> Vector:
        """Compute the leverage u' B^-1 u of each row u of U (k, n + 1), never too small."""
        inverse, loss = self._inverse_L
        x = self._order.there(U * self.inverse_D) @ inverse.T
        return np.asarray(np.einsum("ki,ki->k", x, x) * loss)

    @cached_property
    def null_space(self) -> tuple[Vector, Matrix]:
        """Eigenvalues (k,) and eigenvectors (n + 1, k) of A for the directions in which B is 0 up to rounding.

        These have eigenvalues of at most 2 eta; the smallest is always among them. For an eigenvector v, the combination
        x~.(D^-1 v) is 0 in all rows, up to rounding.
        """
        A = np.triu(self._A)
        A = A + np.triu(A, 1).T
        A[~np.isfinite(A)] = 0.0
        values, vectors = np.linalg.eigh(A)
        k = max(1, int(np.count_nonzero(values <= 2.0 * self.eta)))
        return values[:k], vectors[:, :k]
