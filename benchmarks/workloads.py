"""The workloads of the fit benchmark, and the true optimum that every result is measured against.

The objective of all: F(w, b) = (1/m) sum l(z, y) + (alpha/2) w.w, z = x.w + b, b free.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.special import expit

Vector = NDArray[np.float64]
Labels = NDArray[np.int64]

CHUNK = 1 << 16
FEW_STEPS = 60


@dataclass(frozen=True)
class Workload:
    """X (m, n) float64 in C order, y (m,) int64 of 0 and 1, and the penalty."""

    name: str
    X: NDArray[np.float64]
    y: Labels
    alpha: float
    words: str


def labels(rng: np.random.Generator, z: Vector) -> Labels:
    return (rng.random(z.size) < expit(z)).astype(np.int64)


def rows_of(full: int, size: float) -> int:
    return max(200, round(full * size))


def tall(size: float = 1.0) -> Workload:
    """Columns 20 to 27 are the absolute values of columns 0 to 7, as derived features often are."""
    rng = np.random.default_rng(1)
    m, n = rows_of(2_000_000, size), 28
    X = rng.standard_normal((m, n))
    X[:, 20:] = np.abs(X[:, :8])
    w = rng.normal(size=n) / np.sqrt(n)
    return Workload("tall", X, labels(rng, X @ w - 0.3), 1 / m, f"{m:,} x {n} normal, 8 columns abs of others")


def mid(size: float = 1.0) -> Workload:
    """Thirty factors carry four fifths of every column's variance."""
    rng = np.random.default_rng(2)
    m, n, factors = rows_of(200_000, size), 300, 30
    loadings = rng.normal(size=(factors, n)) * np.sqrt(0.8 / factors)
    X = rng.standard_normal((m, factors)) @ loadings
    for part in chunks(m):
        X[part] += np.sqrt(0.2) * rng.standard_normal((part.stop - part.start, n))
    w = rng.normal(size=n) * 1.5 / np.sqrt(n)
    return Workload("mid", X, labels(rng, X @ w - 0.5), 1 / m, f"{m:,} x {n}, correlated")


def raw(size: float = 1.0) -> Workload:
    """Scales from 1e-3 to 1e4 in random order; means some deviations away from 0."""
    rng = np.random.default_rng(3)
    m, n = rows_of(500_000, size), 30
    X = rng.standard_normal((m, n))
    w = rng.normal(size=n) * 1.5 / np.sqrt(n)
    z = X @ w - 1.0
    X += 3.0 * rng.normal(size=n)
    X *= rng.permutation(np.logspace(-3, 4, n))
    return Workload("raw", X, labels(rng, z), 1e-9, f"{m:,} x {n}, scales 1e-3 to 1e4, off centre, lambda 1e-9")


def small(size: float = 1.0) -> Workload:
    """Standardise the breast cancer data that scikit-learn carries; `size` does nothing."""
    from sklearn.datasets import load_breast_cancer

    X, y = load_breast_cancer(return_X_y=True)
    X = np.ascontiguousarray((X - X.mean(axis=0)) / X.std(axis=0))
    return Workload("small", X, y.astype(np.int64), 1 / len(y), "breast cancer, 569 x 30, standardised")


WORKLOADS: dict[str, Callable[[float], Workload]] = {"tall": tall, "mid": mid, "raw": raw, "small": small}


def normal(m: int, n: int) -> Workload:
    """Plain normal columns, for cost against size."""
    rng = np.random.default_rng(4)
    X = rng.standard_normal((m, n))
    w = rng.normal(size=n) * 1.2 / np.sqrt(n)
    return Workload(f"{m} x {n}", X, labels(rng, X @ w - 0.3), 1 / m, f"{m:,} x {n} normal")


def chunks(m: int) -> Iterator[slice]:
    for start in range(0, m, CHUNK):
        yield slice(start, min(start + CHUNK, m))


def objective(data: Workload, w: Vector, b: float) -> float:
    """F in float64, the chunks' sums added in long double; the one routine for everybody's result."""
    total = np.longdouble(0)
    for part in chunks(len(data.y)):
        t = (1 - 2 * data.y[part]) * (data.X[part] @ w + b)
        total += np.logaddexp(0.0, t).sum()
    return float(total / len(data.y) + np.longdouble(data.alpha / 2) * (w @ w))


@dataclass
class Truth:
    """The optimum of a workload, by NumPy's Newton on standardised columns until rounding alone is left.

    `decrement` is half the squared Newton decrement at the end: F(w, b) - F* is about that.
    """

    data: Workload
    w: Vector = field(init=False)
    b: float = field(init=False)
    objective: float = field(init=False)
    decrement: float = field(init=False)

    def __post_init__(self) -> None:
        X = self.data.X
        self._mean = np.mean([X[part].mean(axis=0) for part in chunks(len(X))], axis=0)
        spread = sum(((X[part] - self._mean) ** 2).sum(axis=0) for part in chunks(len(X)))
        self._scale = np.sqrt(spread / len(X))
        theta = np.zeros(X.shape[1] + 1)
        if len(X) > 20 * CHUNK // X.shape[1]:  # a start from every eighth row spares most of the steps on all rows
            theta, _ = self._newton(theta, stride=8)
        theta, self.decrement = self._newton(theta, stride=1)
        self.w = theta[:-1] / self._scale
        self.b = float(theta[-1] - self._mean @ self.w)
        self.objective = objective(self.data, self.w, self.b)
        self._g = expit(X @ self.w + self.b)

    def _sums(self, theta: Vector, stride: int) -> tuple[float, Vector, NDArray[np.float64]]:
        X, y = self.data.X[::stride], self.data.y[::stride]
        n = X.shape[1]
        loss, gradient, hessian = np.longdouble(0), np.zeros(n + 1), np.zeros((n + 1, n + 1))
        for part in chunks(len(y)):
            U = np.empty((part.stop - part.start, n + 1))
            U[:, :n] = (X[part] - self._mean) / self._scale
            U[:, n] = 1.0
            sign = 1.0 - 2.0 * y[part]
            t = sign * (U @ theta)
            loss += np.logaddexp(0.0, t).sum()
            gradient += (sign * expit(t)) @ U
            U *= np.sqrt(expit(t) * expit(-t))[:, None]
            hessian += U.T @ U
        ridge = np.append(self.data.alpha / self._scale**2, 0.0)
        value = float(loss / len(y) + np.longdouble(0.5) * (ridge @ theta**2))
        return value, gradient / len(y) + ridge * theta, hessian / len(y) + np.diag(ridge)

    def _newton(self, theta: Vector, stride: int) -> tuple[Vector, float]:
        value, gradient, hessian = self._sums(theta, stride)
        least = np.inf
        for _ in range(FEW_STEPS):
            step = cho_solve(cho_factor(hessian), gradient)
            decrement = float(gradient @ step) / 2
            if decrement < 1e-12 and decrement > least / 4:
                break  # rounding alone is left
            least = min(least, decrement)
            rate = 1.0
            while True:
                after = self._sums(theta - rate * step, stride)
                if after[0] <= value + 1e-15 or rate < 1e-6:
                    break
                rate /= 2
            theta, (value, gradient, hessian) = theta - rate * step, after
            if decrement < 1e-26 or (stride > 1 and decrement < 1e-10):
                break
        step = cho_solve(cho_factor(hessian), gradient)
        return theta, abs(float(gradient @ step)) / 2

    def gap(self, w: Vector, b: float) -> float:
        """F(w, b) - F*, with its digits even where it is far below the rounding of F.

        F(w, b) - F(w*, b*) is the Bregman distance, (1/m) sum [softplus(z) - softplus(z*) - g* (z - z*)] plus
        (alpha/2) |w - w*|^2, since the gradient at the optimum is zero.
        """
        dw, db = w - self.w, b - self.b
        if not (np.isfinite(dw).all() and np.isfinite(db)):
            return float("inf")
        total = np.longdouble(0)
        for part in chunks(len(self.data.y)):
            # Taken about the column means: dw and db may cancel where columns are off centre.
            d = (self.data.X[part] - self._mean) @ dw + (db + self._mean @ dw)
            total += bregman(self._g[part], d).sum()
        gap = float(total / len(self.data.y) + np.longdouble(self.data.alpha / 2) * (dw @ dw))
        F = objective(self.data, w, b)
        if F < self.objective - 1e-13 * max(1.0, self.objective):
            raise ArithmeticError(f"{self.data.name}: F = {F!r} is below the best known {self.objective!r}")
        return gap


def bregman(g: Vector, d: Vector) -> Vector:
    """softplus(z + d) - softplus(z) - g d, at g = sigmoid(z): log(1 - g + g exp(d)) - g d, by cumulants where d is small."""
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
