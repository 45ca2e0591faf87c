"""The true optimum of a workload, and the gap of any other point, by one routine for all."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from designs import CHUNK, Labels, Vector, Workload, chunks
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import issparse
from scipy.sparse.linalg import LinearOperator, cg
from scipy.special import expit

FEW_STEPS = 60
FACTORED = 6000  # most columns of a sparse design for a Hessian; with more, conjugate gradients use its products

Solve = Callable[[Vector], Vector]  # a Newton step from a gradient


def objective(X: Any, y: Labels, alpha: float, w: Vector, b: float) -> float:
    """F in float64, the chunks' sums added in long double; the one routine for every solver's result."""
    total = np.longdouble(0)
    for part in chunks(len(y)):
        t = (1 - 2 * y[part]) * (X[part] @ w + b)
        total += np.logaddexp(0.0, t).sum()
    return float(total / len(y) + np.longdouble(alpha / 2) * (w @ w))


@dataclass
class Truth:
    """The optimum, by Newton until only rounding is left: on standardised columns of an array, on a sparse design as it is.

    `decrement` is half the squared Newton decrement at the end: F(w, b) - F* is about that.
    """

    data: Workload
    w: Vector = field(init=False)
    b: float = field(init=False)
    objective: float = field(init=False)
    decrement: float = field(init=False)

    def __post_init__(self) -> None:
        self.X = X = self.data.design()
        m, n = X.shape
        self._mean, self._scale = np.zeros(n), np.ones(n)
        if not issparse(X):
            self._mean = np.mean([X[part].mean(axis=0) for part in chunks(m)], axis=0)
            spread = sum(((X[part] - self._mean) ** 2).sum(axis=0) for part in chunks(m))
            self._scale = np.where(spread > 0, np.sqrt(spread / m), 1.0)
        theta = np.zeros(n + 1)
        if m > 20 * CHUNK // n:  # a start from every eighth row saves most of the steps on all rows
            theta, _ = self._newton(theta, stride=8)
        theta, self.decrement = self._newton(theta, stride=1)
        self.w = theta[:-1] / self._scale
        self.b = float(theta[-1] - self._mean @ self.w)
        self.objective = self.objective_at(self.w, self.b)
        self._g = expit(X @ self.w + self.b)

    def objective_at(self, w: Vector, b: float) -> float:
        return objective(self.X, self.data.y, self.data.alpha, w, b)

    def _sums(self, X: Any, y: Labels, theta: Vector) -> tuple[float, Vector, Solve]:
        sums = sparse_sums if issparse(X) else partial(dense_sums, mean=self._mean, scale=self._scale)
        return sums(X, y, theta, np.append(self.data.alpha / self._scale**2, 0.0))

    def _newton(self, theta: Vector, stride: int) -> tuple[Vector, float]:
        X, y = self.X[::stride], self.data.y[::stride]
        value, gradient, solve = self._sums(X, y, theta)
        least = np.inf
        for _ in range(FEW_STEPS):
            step = solve(gradient)
            decrement = float(gradient @ step) / 2
            if decrement < 1e-12 and decrement > least / 4:
                break  # only rounding is left
            least = min(least, decrement)
            rate = 1.0
            while True:
                after = self._sums(X, y, theta - rate * step)
                if after[0] <= value + 1e-15 or rate < 1e-6:
                    break
                rate /= 2
            theta, (value, gradient, solve) = theta - rate * step, after
            if decrement < 1e-26 or (stride > 1 and decrement < 1e-10):
                break
        return theta, abs(float(gradient @ solve(gradient))) / 2

    def gap(self, w: Vector, b: float) -> float:
        """F(w, b) - F*, with correct digits even if it is far below the rounding of F.

        F(w, b) - F(w*, b*) is the Bregman distance, (1/m) sum [softplus(z) - softplus(z*) - g* (z - z*)] plus
        (alpha/2) |w - w*|^2, since the gradient at the optimum is zero.
        """
        dw, db = w - self.w, b - self.b
        if not (np.isfinite(dw).all() and np.isfinite(db)):
            return float("inf")
        total = np.longdouble(0)
        for part in chunks(len(self.data.y)):
            # For an array it is taken about the column means: dw and db may cancel if columns are off centre.
            X = self.X[part] if issparse(self.X) else self.X[part] - self._mean
            total += bregman(self._g[part], X @ dw + (db + self._mean @ dw)).sum()
        gap = float(total / len(self.data.y) + np.longdouble(self.data.alpha / 2) * (dw @ dw))
        F = self.objective_at(w, b)
        if F < self.objective - 1e-13 * max(1.0, self.objective):
            raise ArithmeticError(f"{self.data.name}: F = {F!r} is below the best known {self.objective!r}")
        return gap


def dense_sums(
    X: Any, y: Labels, theta: Vector, ridge: Vector, mean: Vector, scale: Vector
) -> tuple[float, Vector, Solve]:
    """F, its gradient and the Newton step at theta, over standardised columns and the constant."""
    n = X.shape[1]
    loss, gradient, hessian = np.longdouble(0), np.zeros(n + 1), np.zeros((n + 1, n + 1))
    for part in chunks(len(y)):
        U = np.empty((part.stop - part.start, n + 1))
        U[:, :n] = (X[part] - mean) / scale
        U[:, n] = 1.0
        sign = 1.0 - 2.0 * y[part]
        t = sign * (U @ theta)
        loss += np.logaddexp(0.0, t).sum()
        gradient += (sign * expit(t)) @ U
        U *= np.sqrt(expit(t) * expit(-t))[:, None]
        hessian += U.T @ U
    value = float(loss / len(y) + np.longdouble(0.5) * (ridge @ theta**2))
    hessian /= len(y)
    hessian[np.diag_indices(n + 1)] += ridge
    return value, gradient / len(y) + ridge * theta, lambda g: cho_solve(cho_factor(hessian), g)


def sparse_sums(X: Any, y: Labels, theta: Vector, ridge: Vector) -> tuple[float, Vector, Solve]:
    """F, its gradient and the Newton step at theta, over the columns as they are and the constant."""
    m, sign = len(y), 1.0 - 2.0 * y
    t = sign * (X @ theta[:-1] + theta[-1])
    loss = np.logaddexp(0.0, t).sum(dtype=np.longdouble)
    residual = sign * expit(t)
    gradient = np.append(X.T @ residual, residual.sum()) / m + ridge * theta
    value = float(loss / m + np.longdouble(0.5) * (ridge @ theta**2))
    v = expit(t) * expit(-t) / m
    return value, gradient, partial(factored_step if X.shape[1] <= FACTORED else conjugate_step, X, v, ridge)


def factored_step(X: Any, v: Vector, ridge: Vector, gradient: Vector) -> Vector:
    n = X.shape[1]
    hessian = np.empty((n + 1, n + 1))
    hessian[:n, :n] = (X.T @ X.multiply(v[:, None]).tocsr()).toarray()
    hessian[n, :n] = hessian[:n, n] = X.T @ v
    hessian[n, n] = v.sum()
    hessian[np.diag_indices(n + 1)] += ridge
    return cho_solve(cho_factor(hessian), gradient)


def conjugate_step(X: Any, v: Vector, ridge: Vector, gradient: Vector) -> Vector:
    n = X.shape[1]

    def product(d: Vector) -> Vector:
        u = v * (X @ d[:n] + d[n])
        return np.append(X.T @ u, u.sum()) + ridge * d

    diagonal: NDArray[np.float64] = np.append(X.multiply(X).T @ v, v.sum()) + ridge
    shape = (n + 1, n + 1)
    step, _ = cg(
        LinearOperator(shape, matvec=product, dtype=np.float64),
        gradient,
        rtol=1e-6,
        maxiter=1000,
        M=LinearOperator(shape, matvec=lambda r: r / diagonal, dtype=np.float64),
    )
    return step


def bregman(g: Vector, d: Vector) -> Vector:
    """softplus(z + d) - softplus(z) - g d, at g = sigmoid(z): log(1 - g + g exp(d)) - g d, by cumulants if d is small."""
    h = 1.0 - g
    v = g * h
    result = (
        v * d**2 * (0.5 + d * ((h - g) / 6.0 + d * ((1.0 - 6.0 * v) / 24.0 + d * (h - g) * (1.0 - 12.0 * v) / 120.0)))
    )
    far = np.abs(d) > 0.03
    if far.any():
        with np.errstate(divide="ignore"):
            result[far] = np.logaddexp(np.log(h[far]), np.log(g[far]) + d[far]) - g[far] * d[far]
    return result
