"""A factored matrix: solves, norms and a proven lower bound of its smallest eigenvalue."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache, cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.certificate.rounding import hessian_eta

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

SMALLEST, LARGEST = 1e-280, 1e280  # of diag(B): beyond, underflow and overflow spoil what eta promises
WEAK = 1 / 16  # eta / lambda from which on the eigenvalues are computed
SMALL = 64  # columns up to which the whole inverse is cheaper than its alternatives


@cache
def _lapack() -> tuple[Callable[..., Any], ...]:
    """LAPACK's own routines, imported at the first use: SciPy's wrappers around them cost more than small factors."""
    from scipy.linalg.lapack import dpotrf, dpotri, dpotrs, dtrtrs

    return dpotrf, dpotri, dpotrs, dtrtrs


class Factor:
    """B = D L L' D:  D = diag(B)^(1/2), L the Cholesky factor of D^-1 B D^-1. Made by `Factor.of`.

    Attributes
    ----------
    D : (n + 1,)
        Square roots of B's diagonal (1 where B's diagonal is no positive number).
    eta : float
        Bound on the error of D^-1 B D^-1, factor and solves included (`hessian_eta`).
    factored : bool
        Cholesky went through: steps can be made, whether or not anything can be proven.
    reason : str
        Why not, in words; empty where it went through.
    """

    def __init__(self, scaled: Matrix, D: Vector, inverse_D: Vector, L: Matrix | None, eta: float, reason: str) -> None:
        self.D = D
        self.inverse_D = inverse_D
        self.eta = eta
        self.reason = reason
        self.factored = L is not None
        self._scaled = scaled
        self._L = L

    @classmethod
    def of(cls, B: Matrix, eta: float) -> Factor:
        """Factor B (n + 1, n + 1), of which the upper triangle is read. Never raises: see `ok`, `factored`, `reason`."""
        diagonal = B.diagonal()
        # Written so that NaN fails too.
        if not (diagonal.min() > SMALLEST and diagonal.max() < LARGEST):
            usable = (diagonal > SMALLEST) & (diagonal < LARGEST)
            D = np.sqrt(np.where(usable, diagonal, 1.0))
            what = f"columns {np.flatnonzero(~usable).tolist()} have no curvature that can be used"
            return cls(B / (D * D[:, None]), D, 1.0 / D, None, eta, what)
        D = np.sqrt(diagonal)
        inverse_D = 1.0 / D
        scaled = B * inverse_D
        scaled *= inverse_D[:, None]
        L, info = _lapack()[0](scaled.T, lower=1)
        if info == 0:
            smallest = float(L.diagonal().min())
            if smallest * smallest > eta:  # lambda_min <= every L_jj^2
                return cls(scaled, D, inverse_D, L, eta, "")
        return cls(scaled, D, inverse_D, None, eta, "the columns are collinear up to rounding")

    @property
    def ok(self) -> bool:
        """Whether B is proven to be positive definite: lambda_min > eta."""
        return self.factored and self.lambda_min > self.eta

    @cached_property
    def _inverse(self) -> Matrix:
        """Lower triangle of (L L')^-1, zeros above."""
        if self._L is None:
            raise ValueError("the matrix could not be factored")
        inverse, _ = _lapack()[1](self._L, lower=1)
        return np.asarray(inverse)

    @cached_property
    def _lambda(self) -> tuple[float, str]:
        """See `lambda_min`."""
        if not self.factored:
            return 0.0, "none"
        value, source = self._by_shift() if len(self.D) > SMALL else (self._by_inverse(), "inverse")
        if value * WEAK > self.eta:
            return value, source
        if not np.isfinite(self._scaled).all():
            return 0.0, "none"
        return float(np.linalg.eigvalsh(self._scaled, UPLO="U")[0]), "eigenvalues"

    def _by_inverse(self) -> float:
        """||A^-2||_F^(-1/2) <= lambda_min: too small by at most the fourth root of n + 1 (Frobenius norm over 2-norm)."""
        lower = self._inverse
        full = lower + lower.T
        full.ravel("K")[:: len(self.D) + 1] *= 0.5
        square = full @ full
        norm = math.sqrt(math.sqrt(float(np.vdot(square, square))))
        # The computed inverse is off by a relative (n + 1) u / lambda times a modest number: twice eta without a sum.
        return 1.0 / norm - self._own_rounding if norm > 0 else 0.0

    def _by_shift(self) -> tuple[float, str]:
        """Largest shift t for which A - t I still has a Cholesky factor, from a guess by inverse iteration.

        The guess is above lambda_min and proves nothing; the factor does: lambda_min >= t - rounding (Higham 2002, section 10.1).
        """
        v = np.cos(np.arange(len(self.D), dtype=np.float64) ** 2)
        guess = 1.0
        for _ in range(8):
            v, _ = _lapack()[2](self._L, v / math.sqrt(float(v @ v)), lower=1)
            guess = 1.0 / math.sqrt(float(v @ v))
        for share in (0.95, 0.8, 0.5, 0.1):
            A = np.array(self._scaled.T, order="F")
            A.ravel("K")[:: len(self.D) + 1] -= share * guess
            if _lapack()[0](A, lower=1, clean=0, overwrite_a=1)[1] == 0:
                return share * guess - self._own_rounding, "shift"
        return 0.0, "none"

    @property
    def _own_rounding(self) -> float:
        return 2.0 * hessian_eta(len(self.D) - 1, 0.0)

    @property
    def lambda_min(self) -> float:
        """Proven lower bound of the smallest eigenvalue of A = D^-1 B D^-1, as cheap as it can be had.

        `lambda_source` says how: "inverse" (n <= 64: ||A^-2||_F^(-1/2), within (n + 1)^(1/4)), "shift" (larger n: within
        5 % mostly), "eigenvalues" (where those are below 16 eta: eigvalsh), or "none" (0: not factored).
        """
        return self._lambda[0]

    @property
    def lambda_source(self) -> str:
        """Where `lambda_min` comes from."""
        return self._lambda[1]

    @cached_property
    def inverse_diagonal(self) -> Vector:
        """diag(B^-1), (n + 1,)."""
        return np.asarray(self._inverse.diagonal() * self.inverse_D * self.inverse_D)

    def solve(self, v: Vector) -> Vector:
        """B^-1 v for v (n + 1,)."""
        x, _ = _lapack()[2](self._L, v * self.inverse_D, lower=1)
        return np.asarray(x * self.inverse_D)

    def norm2(self, v: Vector) -> float:
        """Squared norm v' B^-1 v."""
        x, _ = _lapack()[3](self._L, v * self.inverse_D, lower=1)
        return float(x @ x)

    def length2(self, v: Vector) -> float:
        """Squared norm v' B v."""
        x = np.asarray(self._L).T @ (v * self.D)
        return float(x @ x)

    def leverages(self, U: Matrix) -> Vector:
        """Leverage u' B^-1 u of each row u of U (k, n + 1)."""
        scaled = U * self.inverse_D
        x, _ = _lapack()[3](self._L, scaled.T, lower=1, overwrite_b=1)
        return np.asarray(np.einsum("ik,ik->k", x, x))

    @cached_property
    def null_space(self) -> tuple[Vector, Matrix]:
        """Eigenvalues (k,) and eigenvectors (n + 1, k) of D^-1 B D^-1 for the directions B says nothing about.

        Those below 2 eta, and the smallest one in any case. An eigenvector v stands for the combination
        x~ . (D^-1 v), which is the same number for all rows, up to rounding.
        """
        A = np.triu(self._scaled)
        A = A + np.triu(A, 1).T
        A[~np.isfinite(A)] = 0.0
        values, vectors = np.linalg.eigh(A)
        k = max(1, int(np.count_nonzero(values <= 2.0 * self.eta)))
        return values[:k], vectors[:, :k]
