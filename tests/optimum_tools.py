"""The optimum found by NumPy alone in floats of 64 digits of mantissa, in 50 digits, and whether there is one at all."""

from fractions import Fraction

import mpmath
import numpy as np
import scipy.optimize

LONG = np.longdouble
LONG_UNIT = float(np.finfo(LONG).eps)
IS_WIDE = LONG_UNIT < 1e-18


def to_long(value):
    """Round a fraction to the widest float."""
    high = float(value)
    return LONG(high) + LONG(float(value - Fraction(high)))


class Factor:
    """Cholesky's L of a matrix scaled to a diagonal of 1; `ok` where its pivots are far above their rounding."""

    def __init__(self, matrix):
        n = len(matrix)
        diagonal = np.diag(matrix)
        self.D = np.sqrt(np.where(diagonal > 0, diagonal, 1))
        A = matrix / self.D / self.D[:, None]
        self.L, self.smallest = np.zeros((n, n), dtype=LONG), 1.0
        for k in range(n):
            column = A[k:, k] - self.L[k:, :k] @ self.L[k, :k]
            self.smallest = min(self.smallest, float(column[0]))
            if not column[0] > 0:
                break
            self.L[k:, k] = column / np.sqrt(column[0])
        self.ok = self.smallest > 30 * n * LONG_UNIT

    def half(self, b):
        """L^-1 D^-1 b; its squares sum to b'A^-1 b."""
        x = (b.T / self.D).T.astype(LONG)
        for k in range(len(x)):
            x[k] = (x[k] - self.L[k, :k] @ x[:k]) / self.L[k, k]
        return x

    def solve(self, b):
        x = self.half(b)
        for k in reversed(range(len(x))):
            x[k] = (x[k] - self.L[k + 1 :, k] @ x[k + 1 :]) / self.L[k, k]
        return (x.T / self.D).T


class Objective:
    """F(w, b) = (1/S) sum s l + (1/2) sum ridge_j w_j^2 of rows of positive weight, seen as u = (x - center) power."""

    def __init__(self, X, y, s, ridge, intercept=True):
        s = np.ones(len(y)) if s is None else s
        kept = s > 0
        self.X, self.y, self.s, self.intercept = X[kept], y[kept], s[kept], intercept
        m, n = self.X.shape
        self.sign = (1 - 2 * self.y).astype(LONG)
        self.weights = self.s.astype(LONG) / self.s.astype(LONG).sum()
        self.center = np.average(self.X, axis=0, weights=self.s) * intercept
        spread = np.sqrt(np.average(np.square(self.X - self.center), axis=0, weights=self.s))
        self.power = np.exp2(-np.round(np.log2(np.where(spread > 0, spread, 1.0))))
        self.U = (self.X.astype(LONG) - self.center.astype(LONG)) * self.power.astype(LONG)
        self.ridge_user = np.broadcast_to(np.asarray(ridge, dtype=float), n)
        self.ridge = self.ridge_user.astype(LONG) * self.power.astype(LONG) ** 2
        if intercept:
            self.U, self.ridge = np.column_stack([self.U, np.ones(m, dtype=LONG)]), np.append(self.ridge, LONG(0))

    def point(self, w, b):
        """Coefficients for U, without a rounding error but the last."""
        v = w.astype(LONG) / self.power.astype(LONG)
        if not self.intercept:
            return v
        a = Fraction(float(b)) + sum(
            Fraction(c) * Fraction(k) for c, k in zip(self.center.tolist(), w.tolist(), strict=True)
        )
        return np.append(v, to_long(a))

    def at(self, theta, z=None):
        """F, gradient, s g (1 - g) / S, and the chance of the wrong class, each to full relative accuracy."""
        t = self.sign * (self.U @ theta if z is None else z)
        small = np.exp(-np.abs(t))
        wrong = np.where(t >= 0, 1 / (1 + small), small / (1 + small))
        F = self.weights @ (np.maximum(t, 0) + np.log1p(small)) + (self.ridge * theta) @ theta / 2
        gradient = (self.weights * self.sign * wrong) @ self.U + self.ridge * theta
        return F, gradient, self.weights * small / (1 + small) ** 2, wrong

    def factor(self, curvature):
        return Factor((self.U.T * curvature) @ self.U + np.diag(self.ridge))


class Optimum:
    """Newton from a point theta: `exists` is proven by r < 1; the way from there, and gaps, keep relative accuracy.

    theta* = theta + way. F - F* at theta is at least `gap[0]` and at most `gap[1]`; `error` is how far theta* itself can be
    from the exact one, in any direction x: error * |half(x)|.
    """

    def __init__(self, on, theta, steps=80):
        self.on = on
        z0, way, self.exists, self.gap = on.U @ theta, np.zeros(len(theta), dtype=LONG), False, (0.0, np.inf)
        F, gradient, h, wrong = on.at(theta, z0)
        decrement = np.inf
        for _ in range(steps):
            factor = on.factor(h)
            if not factor.ok:
                break
            before, decrement = decrement, float(np.square(factor.half(gradient)).sum())
            if decrement == 0 or (decrement < 1e-24 and decrement > before / 4):
                break
            step = -factor.solve(gradient)
            length, found = LONG(1), None
            while length > 1e-6:
                trial = way + length * step
                found = on.at(theta + trial, z0 + on.U @ trial)
                if found[0] <= F + LONG(1e-2) * length * (gradient @ step) + LONG_UNIT * 64 * (1 + abs(F)):
                    break
                length /= 2
            way, (F, gradient, h, wrong) = trial, found
        self.way, self.F, self.theta = way, float(F), theta + way
        factor = on.factor(h)
        if factor.ok:
            self.prove(factor, gradient, wrong)

    @classmethod
    def of(cls, on, theta, steps=80, nearer=None):
        """From theta; where that is too far off, from zero or from nearer(), and the gap is a difference of two F."""
        found = cls(on, theta, steps)
        if found.exists or not theta.any():
            return found
        other = cls(on, np.zeros_like(theta), steps)
        if nearer and not other.exists:
            other = cls(on, nearer(), steps)
        if other.exists:
            z_star, way = on.U @ other.theta, other.theta - theta
            F, error = on.at(theta)[0], 1e-12 * (1 + np.abs(on.U) @ np.abs(theta)).max()
            gap = float(F - on.at(other.theta, z_star)[0])
            other.way, other.gap = way, (max(0.0, gap - error), gap + error)
        return other if other.exists else found

    def prove(self, factor, gradient, wrong):
        on, way = self.on, self.way
        z_error = np.abs(on.U) @ np.abs(self.theta) * len(way)
        errors = (on.weights * (wrong + wrong * (1 - wrong) * z_error)) @ np.abs(on.U)
        errors = LONG_UNIT * ((len(on.y) + 10) * errors + 4 * on.ridge * np.abs(self.theta))
        self.slack = np.abs(gradient) + errors
        nu = float(np.sqrt(np.square(factor.half(np.diag(self.slack)))).sum())
        kappa = float(np.sqrt(np.square(factor.half(on.U.T)).sum(axis=0).max()))
        self.factor, self.error = factor, 2 * nu
        self.exists = kappa * nu < 0.5
        if not self.exists:
            return
        # Bregman's distance row by row from theta* to theta: nothing large is subtracted.
        dt = -on.sign * (on.U @ way)
        t = on.sign * (on.U @ self.theta)
        dt, t = np.where(t > 0, -dt, dt), -np.abs(t)  # the same number by symmetry, and no 1 - 1
        q = np.exp(t) / (1 + np.exp(t))
        v = q * (1 - q)
        series = v / 2 * dt**2 * (1 + (1 - 2 * q) * dt / 3 + (1 - 6 * v) * dt**2 / 12)
        direct = np.log1p(q * np.expm1(np.minimum(dt, 1))) - q * dt
        far = np.logaddexp(0, t + dt) - np.logaddexp(0, t) - q * dt
        terms = np.where(np.abs(dt) < 1e-3, series, np.where(np.abs(dt) < 1, direct, far))
        value = float(on.weights @ terms + (on.ridge * way) @ way / 2)
        margin = float(self.slack @ np.abs(way)) + 1e-8 * value + 1e-19 * (value > 1e-6)
        self.gap = value - margin, value + margin + 2 * nu**2

    def distances(self):
        """|w_j - w*_j| (n,) and |b - b*| at the start, and how far they can be off, in the user's units."""
        on, n = self.on, self.on.X.shape[1]
        to_user = np.diag(on.power.astype(LONG))
        if on.intercept:
            to_user = np.block(
                [[to_user, np.zeros((n, 1))], [-(on.center.astype(LONG) * on.power)[None, :], np.ones((1, 1))]]
            )
        off = self.error * np.sqrt(np.square(self.factor.half(to_user.T)).sum(axis=0))
        off = off + 4 * n * LONG_UNIT * (np.abs(to_user) @ np.abs(self.way))
        return np.abs(to_user @ self.way), off


def independent_columns(on):
    """Columns of U, in order, that no earlier ones make up; and how those make up the others, (k, rest)."""
    gram = on.U.T @ on.U
    scale = np.sqrt(np.diag(gram))
    last = [len(scale) - 1] if on.intercept else []  # the intercept first
    chosen, rest = [], []
    for j in [*last, *(j for j in range(len(scale)) if j not in last)]:
        trial = [*chosen, j]
        is_new = scale[j] > 0 and Factor(gram[np.ix_(trial, trial)]).smallest > 1e-14
        (chosen if is_new else rest).append(j)
    mixes = Factor(gram[np.ix_(chosen, chosen)]).solve(gram[np.ix_(chosen, rest)])
    return chosen, rest, mixes


def without_repeats(on, theta):
    """The same rows by their independent columns alone, and the point of the same predictions there."""
    chosen, rest, mixes = independent_columns(on)
    short = object.__new__(Objective)
    short.__dict__.update(on.__dict__)
    short.U, short.ridge = on.U[:, chosen], on.ridge[chosen]
    return short, theta[chosen] + mixes @ theta[rest]


def is_separated(X, y, s, intercept=True):
    """Whether a plane separates the classes, at least partly: a linear program on columns and rows of size 1; None unsolved."""
    kept = np.ones(len(y), dtype=bool) if s is None else s > 0
    X, sign = X[kept].astype(float), 2.0 * y[kept] - 1.0
    if intercept:
        X = X - X.mean(axis=0)
    X = X / np.maximum(np.abs(X).max(axis=0), 1e-300)
    A = np.column_stack([X, np.ones(len(X))]) if intercept else X
    A = A * (sign / np.maximum(np.abs(A).max(axis=1), 1e-300))[:, None]
    m, n = A.shape
    c, rows = np.append(np.zeros(n), -np.ones(m)), np.hstack([-A, np.eye(m)])
    for method in ("highs-ds", "highs-ipm"):
        found = scipy.optimize.linprog(c, rows, np.zeros(m), bounds=[(None, None)] * n + [(0, 1)] * m, method=method)
        if found.x is not None:
            return -found.fun > 0.5
    return None


class Exact:
    """F in 50 digits, of the data and the coefficients as they are, and F* from a point near the optimum."""

    def __init__(self, on, near):
        mp = self.mp = mpmath.mp.clone()
        mp.dps = 50
        self.on, of = on, mp.mpf
        columns = zip(on.center.tolist(), on.power.tolist(), strict=True)
        units = [(of(c), of(k)) for c, k in columns]
        self.rows = [
            [(of(x) - c) * k for x, (c, k) in zip(row, units, strict=True)] + [of(1)] * on.intercept
            for row in on.X.tolist()
        ]
        self.sign, self.s = [of(1 - 2 * int(v)) for v in on.y], [of(v) for v in on.s.tolist()]
        self.S = mp.fsum(self.s)
        self.ridge = [of(r) * k**2 for r, (_, k) in zip(on.ridge_user.tolist(), units, strict=True)]
        self.ridge += [of(0)] * on.intercept
        self.units = units
        factor = on.factor(on.at(near)[2])
        theta = [self._of_long(v) for v in near]
        for _ in range(30):
            gradient = self.gradient(theta)
            size = max(map(abs, gradient))
            if size < of(10) ** -40:
                break
            step = factor.solve(np.array([LONG(str(g / size)) for g in gradient]))
            theta = [a - size * self._of_long(b) for a, b in zip(theta, step, strict=True)]
        else:
            raise AssertionError("the optimum was not found in 50 digits")
        self.theta, self.minimum = theta, self.value(theta)

    def _of_long(self, v):
        high = float(v)
        return self.mp.mpf(high) + self.mp.mpf(float(v - LONG(high)))

    def point(self, w, b):
        w = [self.mp.mpf(v) for v in w.tolist()]
        a = self.mp.mpf(float(b)) + self.mp.fdot(w, [c for c, _ in self.units])
        return [v / k for v, (_, k) in zip(w, self.units, strict=True)] + [a] * self.on.intercept

    def margins(self, theta):
        return [k * self.mp.fdot(row, theta) for row, k in zip(self.rows, self.sign, strict=True)]

    def value(self, theta):
        mp = self.mp
        losses = [mp.log1p(mp.exp(-abs(t))) + max(t, 0) for t in self.margins(theta)]
        return mp.fdot(self.s, losses) / self.S + mp.fsum(r * v * v for r, v in zip(self.ridge, theta, strict=True)) / 2

    def gradient(self, theta):
        mp = self.mp
        parts = [w * k / (1 + mp.exp(-t)) for w, k, t in zip(self.s, self.sign, self.margins(theta), strict=True)]
        columns = zip(*self.rows, strict=True)
        return [
            mp.fdot(parts, column) / self.S + r * v for column, r, v in zip(columns, self.ridge, theta, strict=True)
        ]

    def gap(self, w, b):
        return self.value(self.point(w, b)) - self.minimum

    def distances(self, w):
        """|w_j - w*_j| in the user's units."""
        return [abs(self.mp.mpf(v) - u * k) for v, u, (_, k) in zip(w.tolist(), self.theta, self.units, strict=False)]
