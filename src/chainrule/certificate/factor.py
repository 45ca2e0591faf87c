"""A factored matrix: solves for the steps, and norms that are proven despite the matrix's rounding errors.

A = D^-1 B D^-1 is known up to an error of 2-norm eta. Proofs use the factor of A - eta I, not of A: the exact matrix is above
it, so every norm x' B^-1 x is too large rather than too small. In each direction this loosens the norm by the ratio of eta to
the curvature. (Multiplying c by 1 - eta/lambda_min once for all directions is valid too, but spoils the bound as soon as
a single direction is nearly collinear.)
"""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from chainrule.certificate.rounding import UNIT
from chainrule.kernels.bordered import Bordered, BorderedTriangle, Symmetric, Triangle, factor_of, scaled

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

SMALLEST, LARGEST = 1e-280, 1e280  # of diag(B): beyond these, eta doesn't hold because of underflow or overflow
CLEAR = 100.0  # smallest squared pivot over eta, above which one factor serves steps and proofs
SMALL = 50  # columns, up to which products with the inverse are cheaper


class Factor:
    """B = D L L' D:  D = diag(B)^(1/2), L the Cholesky factor of A = D^-1 B D^-1. Made by `Factor.of`.

    Where B is bordered, L has the head's columns first. Bounds on its rounding hold in any order of the columns and of the
    sums, and products with 0 that are left out round nothing.

    `solve` is for steps and uses A. `norm2`, `leverages`, `inverse_diagonal` and `lambda_min` are for proofs: they need `ok`,
    use A - eta I and are never too small (`lambda_min`: never too large).

    Attributes
    ----------
    D, inverse_D : (n + 1,)
        Square roots of B's diagonal (1 in place of unusable numbers), and one over them.
    eta : float
        Bound on the error of A, factor and solves included (`hessian_eta`).
    """

    def __init__(self, A: Symmetric, D: Vector, inverse_D: Vector, eta: float, unusable: str = "") -> None:
        self.D = D
        self.inverse_D = inverse_D
        self.eta = eta
        self._A = A
        self._unusable = unusable

    @classmethod
    def of(cls, B: Symmetric, eta: float) -> Factor:
        """Take B (n + 1, n + 1), its upper triangle. Never raises: see `ok`, `factored`, `reason`; they factor when asked."""
        diagonal = B.diagonal()
        # Written so that NaN fails too.
        if not (diagonal.min() > SMALLEST and diagonal.max() < LARGEST):
            usable = (diagonal > SMALLEST) & (diagonal < LARGEST)
            D = np.sqrt(np.where(usable, diagonal, 1.0))
            inverse_D = 1.0 / D
            what = f"columns {np.flatnonzero(~usable).tolist()} have no curvature that can be used"
            return cls(scaled(B, inverse_D), D, inverse_D, eta, what)
        D = np.sqrt(diagonal)
        inverse_D = 1.0 / D
        return cls(scaled(B, inverse_D), D, inverse_D, eta)

    @classmethod
    def unfactored(cls, diagonal: Vector, reason: str) -> Factor:
        """Make an object without a Cholesky factor, from B's diagonal (n + 1,) alone."""
        D = np.sqrt(np.where((diagonal > SMALLEST) & (diagonal < LARGEST), diagonal, 1.0))
        return cls(np.zeros((0, 0)), D, 1.0 / D, math.inf, reason)

    def lifted(self, more: Vector) -> Factor:
        """Return the factor of B + diag(more), for steps alone."""
        made = Factor(self._A, self.D, self.inverse_D, math.inf)
        made.__dict__.update(_proof=None, _L=factor_of(self._A, -more * self.inverse_D**2))
        return made

    @property
    def matrix(self) -> Symmetric:
        """B recomputed, (n + 1, n + 1), up to three roundings of each entry."""
        return scaled(self._A, self.D)

    @property
    def ok(self) -> bool:
        """Whether B is proven to be positive definite: A - eta I has a Cholesky factor."""
        return self._proof is not None

    @cached_property
    def _proof(self) -> Triangle | BorderedTriangle | None:
        """Cholesky factor of A - eta I; None if there is none."""
        return None if self._unusable else factor_of(self._A, self.eta)

    @cached_property
    def _L(self) -> Triangle | BorderedTriangle | None:
        """Cholesky factor of A, for steps; None if there is none.

        One factor is enough if the shift is small compared to every pivot: it then changes steps by at most a hundredth.
        """
        if self._unusable:
            return None
        is_clear = len(self.D) > SMALL and self._proof is not None and self._proof.least**2 > CLEAR * self.eta
        return self._proof if is_clear else factor_of(self._A, 0.0)

    @property
    def usable(self) -> bool:
        """Whether B's diagonal is: every column has curvature."""
        return not self._unusable

    @property
    def factored(self) -> bool:
        """Whether A has a Cholesky factor: if so, steps can be made, even if nothing can be proven."""
        return self._L is not None

    @property
    def reason(self) -> str:
        """Why there is no factor; empty if there is one."""
        return self._unusable or ("" if self.factored else "the columns are collinear up to rounding")

    def _proven(self) -> Triangle | BorderedTriangle:
        if self._proof is None:
            raise ValueError("the matrix is not proven to be positive definite: look at `ok` first")
        return self._proof

    @cached_property
    def loss(self) -> float:
        """A factor that covers the rounding of squared norms of products with L^-1 of the proof's L.

        |error of L^-1 x| <= (n + 2) u |L^-1| (|L| |L^-1| + 1) |x| (Higham 2002, section 14.2) and |x| <= |L|_F |L^-1 x|, with
        |L|_F^2 <= n + 1, |L^-1|_F^2 the inverse's trace. Products, because triangular solves with many right-hand sides wait
        for BLAS threads even when tiny.
        """
        n1 = len(self.D)
        relative = 2.0 * (n1 + 1) * n1 * UNIT * (self._proven().trace + 1.0)
        return (1.0 + relative) ** 2

    @cached_property
    def lambda_min(self) -> float:
        """Proven lower bound on the smallest eigenvalue of A - eta I, much cheaper than the eigenvalues; 0 unless `ok`.

        Up to 50 columns ||(A - eta I)^-2||_F^(-1/2), within a factor of (n + 1)^(1/4) (Frobenius norm over 2-norm); else the
        largest shift t tried for which A - (eta + t) I still has a Cholesky factor, mostly within a tenth.
        """
        if not self.ok:
            return 0.0
        L = self._proven()
        return self._by_inverse(L) if isinstance(L, Triangle) and len(self.D) <= SMALL else self._by_shift(L)

    @property
    def lambda_low(self) -> float:
        """Another proven lower bound, without further factoring: for many columns, 1/trace((A - eta I)^-1)."""
        if len(self.D) <= SMALL or "lambda_min" in self.__dict__:
            return self.lambda_min
        return 1.0 / (self._proven().trace * self.loss)

    def _by_inverse(self, L: Triangle) -> float:
        full = L.inverse.T @ L.inverse
        square = full @ full
        return 1.0 / (math.sqrt(math.sqrt(float(np.vdot(square, square)))) * self.loss)

    @cached_property
    def lambda_guess(self) -> float:
        """Estimate the smallest eigenvalue from above by inverse iteration. It proves nothing."""
        L = self._proven()
        v = np.cos(np.arange(len(self.D), dtype=np.float64) ** 2)
        guess = 1.0
        for _ in range(8):
            v = L.solve(v / math.sqrt(float(v @ v)))
            guess = 1.0 / math.sqrt(float(v @ v))
        return guess

    def _by_shift(self, L: Triangle | BorderedTriangle) -> float:
        """Prove the largest of some shares of the guess for which there is a Cholesky factor (Higham 2002, section 10.1)."""
        guess = self.lambda_guess
        for share in (0.95, 0.8, 0.5, 0.1):
            if factor_of(self._A, self.eta + share * guess) is not None:
                return share * guess
        return 1.0 / (L.trace * self.loss)

    @cached_property
    def inverse_diagonal(self) -> Vector:
        """diag(B^-1), (n + 1,), never too small."""
        return np.asarray(self._proven().squares * (self.inverse_D * self.inverse_D * self.loss))

    def solve(self, v: Vector) -> Vector:
        """Compute B^-1 v for v (n + 1,), for a step. Needs `factored`."""
        assert self._L is not None
        return np.asarray(self._L.solve(v * self.inverse_D) * self.inverse_D)

    def proof_solve(self, v: Vector) -> Vector:
        """Compute (B - eta D^2)^-1 v."""
        return np.asarray(self._proven().solve(v * self.inverse_D) * self.inverse_D)

    def norm2(self, v: Vector) -> float:
        """Compute the squared norm v' B^-1 v, never too small."""
        x = self._proven().forward(v * self.inverse_D)
        return float(x @ x)

    def leverages(self, U: Matrix) -> Vector:
        """Compute the leverage u' B^-1 u of each row u of U (k, n + 1), never too small."""
        return np.asarray(self._proven().lengths2(U * self.inverse_D) * self.loss)

    def apart(self, columns: slice, share: Vector) -> tuple[Vector, float]:
        """Return m = sum share_j W_j, (n + 1,), of some columns of a W with |W u|^2 = u' B^-1 u, and the largest |W_j - m|^2.

        Both up to rounding (`loss`); the bias's W has its only number last.
        """
        return self._proven().apart(columns, self.inverse_D[columns], share)

    @cached_property
    def null_space(self) -> tuple[Vector, Matrix]:
        """Eigenvalues (k,) and eigenvectors (n + 1, k) of A for the directions in which B is 0 up to rounding.

        These have eigenvalues of at most 2 eta; the smallest is always among them. For an eigenvector v, the combination
        x~.(D^-1 v) is 0 in all rows, up to rounding. Where A is bordered, they are found from the Schur complement S: its null
        vectors u are those of A with -C u in the head, C the border, whose diagonal is 1.
        """
        most = 2.0 * self.eta
        if not isinstance(self._A, Bordered):
            values, vectors = _eigen(self._A)
            k = max(1, int(np.count_nonzero(values <= most)))
            return values[:k], vectors[:, :k]
        A, C = self._A, self._A.border
        is_null = ~(A.of_head > most)
        if is_null.any():
            unit = np.eye(len(self.D))[:, A.head][:, is_null]
            return A.of_head[is_null], unit
        values, others = _eigen(A.rest - (C.T / A.of_head) @ C)
        vectors = A.joined(-(others.T @ C.T) / A.of_head, others.T).T
        lengths = np.sqrt(np.einsum("ij,ij->j", vectors, vectors))
        values, vectors = values / np.square(lengths), vectors / lengths
        k = max(1, int(np.count_nonzero(values <= most)))
        return values[:k], vectors[:, :k]


def _eigen(A: Matrix) -> tuple[Vector, Matrix]:
    """Return the eigenvalues and eigenvectors of a matrix, from its upper triangle; what is not finite counts as 0."""
    A = np.triu(A)
    A = A + np.triu(A, 1).T
    A[~np.isfinite(A)] = 0.0
    values, vectors = np.linalg.eigh(A)
    return values, vectors
