"""Random problems, a plain NumPy Newton on centred columns, and the truth in 64-bit mantissas and in 50 digits."""

import math
from dataclasses import dataclass
from functools import cached_property

import mpmath
import numpy as np

from chainrule.certificate.bounds import bound, leave_out
from chainrule.certificate.factor import Factor
from chainrule.certificate.rounding import gradient_rounding, hessian_eta, norm_of_z_rounding, z_rounding
from chainrule.losses import LOGISTIC

LONG = np.longdouble
LONG_UNIT = float(np.finfo(LONG).eps)


@dataclass
class Problem:
    """Rows x, classes y, weights s; the arithmetic is on u = (x - center) power with power 2^k, theta = (v, a)."""

    x: np.ndarray
    y: np.ndarray
    s: np.ndarray
    alpha: float
    kind: str = ""

    def __post_init__(self):
        self.m, self.n = self.x.shape
        self.S = math.fsum(self.s)
        self.S_long = self.s.astype(LONG).sum()
        self.center = (self.s @ self.x) / self.S
        spread = np.sqrt(self.s @ np.square(self.x - self.center) / self.S)
        self.power = np.exp2(-np.round(np.log2(np.where(spread > 0, spread, 1.0))))
        self.u = np.column_stack([(self.x - self.center) * self.power, np.ones(self.m)])
        self.ridge = np.append(self.alpha * self.power**2, 0.0)
        self.M = np.sqrt(self.s @ self.u**2 / self.S)
        self.sign = 1.0 - 2.0 * self.y
        self.known = {}

    @cached_property
    def long(self):
        """The rows once more, from the data as given, in the widest floats there are."""
        u = (self.x.astype(LONG) - self.center.astype(LONG)) * self.power.astype(LONG)
        return np.column_stack([u, np.ones(self.m, dtype=LONG)])

    def evaluate(self, theta, u=None):
        """F, its gradient, g (1 - g) and the residuals, each with full relative accuracy."""
        u = self.u if u is None else u
        dtype = u.dtype.type
        s = self.s.astype(dtype) / (self.S if dtype is np.float64 else self.S_long)
        z = u @ theta
        t = self.sign.astype(dtype) * z
        small = np.exp(-np.abs(t))
        wrong = np.where(t >= 0, 1 / (1 + small), small / (1 + small))
        loss = np.maximum(t, 0) + np.log1p(small)
        residual = self.sign.astype(dtype) * wrong
        ridge = self.ridge.astype(dtype)
        objective = s @ loss + (ridge * theta) @ theta / 2
        return objective, (s * residual) @ u + ridge * theta, small / (1 + small) ** 2, residual

    def at(self, theta):
        """What `evaluate` gives, once for each point: parts of the rows are certified there by turns."""
        key = theta.tobytes()
        if key not in self.known:
            self.known[key] = self.evaluate(theta)
        return self.known[key]

    def hessian(self, curvature, part=None, weights=None):
        """B of the rows `part` (all unless given), the user's weights unless others are given."""
        part = slice(None) if part is None else part
        u = self.u[part]
        s = self.s[part] if weights is None else weights
        return (u * (s * curvature[part] / self.S)[:, None]).T @ u + np.diag(self.ridge)

    def rounding(self, theta, residual, of_z=True):
        r_rms = math.sqrt(self.s @ residual**2 / self.S)
        w, b, ridge = theta[:-1], theta[-1], self.ridge[:-1]
        return gradient_rounding(of=LOGISTIC, M=self.M, d=self.m, r_rms=r_rms, w=w, b=b, ridge=ridge, of_z=of_z)

    def factor(self, curvature, part=None):
        return Factor.of(self.hessian(curvature, part), hessian_eta(self.n, self.m))

    def kappa(self, factor, part=None):
        if not factor.ok:
            return math.inf
        u = self.u if part is None else self.u[part]
        return math.sqrt(factor.leverages(u).max(initial=0.0)) * (1.0 + 1e-13)

    def without_some_rows(self, factor, curvature):
        """What `bound` is told where rows of the largest leverage are left out of T."""
        kappa, left_out = leave_out(factor.leverages(self.u), self.s * curvature / self.S)
        return {"kappa": kappa, "left_out": left_out, "all_rows": False}

    def certify(self, theta, part=None, theta0=None, read_delta=True, leave=False, **options):
        """The bound at theta, from the rows `part` at theta0: what a solver does."""
        _, gradient, curvature, residual = self.at(theta)
        if theta0 is not None:
            curvature = self.at(theta0)[2]
        else:
            theta0 = theta
        factor = self.factor(curvature, part)
        kappa = self.kappa(factor, part)
        rows = self.u if part is None else self.u[part]
        reach = float((np.abs(rows) @ np.abs(theta0)).max())
        step = theta - theta0
        delta = float(np.abs(rows @ step).max())
        if not read_delta:  # by the rows' largest norm, as where no z is at hand
            largest = np.square(rows * factor.inverse_D).sum(axis=1).max(initial=0.0)
            delta = math.sqrt(largest * float((factor.D * step) @ (factor.D * step))) * (1.0 + 1e-12)
        e, eps = self.rounding(theta, residual, of_z=part is not None), 0.0
        if part is None:
            eps = norm_of_z_rounding(self.n, factor.D, theta)
        zeta = max(z_rounding(self.n, reach), z_rounding(self.n, float((np.abs(rows) @ np.abs(theta)).max())))
        options = {"zeta": zeta, "eps": eps, "all_rows": part is None, "kappa": kappa} | options
        if leave and factor.ok:
            options |= self.without_some_rows(factor, curvature * math.exp(2.0 * zeta))
        return bound(factor, gradient, e, delta=delta, **options), factor

    def newton(self, steps=30):
        """Iterates of a damped Newton method from zero, and whether it arrived."""
        theta = np.zeros(self.n + 1)
        points = [theta]
        value, gradient, curvature, residual = self.evaluate(theta)
        for _ in range(steps):
            factor = self.factor(curvature)
            if not factor.ok:
                return points, False
            step = -factor.solve(gradient)
            length = 1.0
            slope = gradient @ step
            while True:
                trial = theta + length * step
                found = self.evaluate(trial)
                if found[0] <= value + 0.1 * length * slope + 1e-13 * (1 + value) or length < 1e-6:
                    break
                length /= 2
            theta = trial
            value, gradient, curvature, residual = found
            points.append(theta)
            small = np.abs(gradient) <= 2 * self.rounding(theta, residual)
            if np.all(small) and self.factor(curvature).ok:
                return points, True
        return points, False


@dataclass
class Truth:
    """The optimum in longdouble: theta*, its own distance from the exact one, and gaps of other points from it."""

    problem: Problem
    theta: np.ndarray

    @classmethod
    def of(cls, problem, start):
        theta = start.astype(LONG)
        factor = problem.factor(problem.evaluate(start)[2])
        for _ in range(6):
            gradient = problem.evaluate(theta, problem.long)[1]
            theta = theta - factor.solve(gradient.astype(float)).astype(LONG)
        truth = cls(problem, theta)
        truth.wrong = problem.evaluate(theta, problem.long)[3] * problem.sign
        truth.right = 1 / (1 + np.exp(np.maximum(problem.sign * (problem.long @ theta), -11000)))
        gradient = problem.evaluate(theta, problem.long)[1]
        residual = truth.wrong.astype(float)
        near = theta.astype(float)
        truth.slack = np.abs(gradient.astype(float)) + problem.rounding(near, residual) * (LONG_UNIT * 2**53)
        own = problem.certify(near)[0]
        # Newton's error from the gradient that is left, twice for safety.
        truth.own_gap = 2 * factor.norm2(truth.slack) if own.proven else math.inf
        truth.own_coef = (
            2
            * np.abs(truth.slack / factor.D).max()
            * np.sqrt((problem.n + 1) * factor.inverse_diagonal / max(factor.lambda_min, 1e-300))
        )
        return truth

    def gap(self, point):
        """F(point) - F*: (at least, at most). Bregman's distance row by row: nothing large is subtracted."""
        p, q = self.problem, self.wrong
        step = point.astype(LONG) - self.theta
        dt = p.sign.astype(LONG) * (p.long @ step)
        dt, q = np.where(q > 0.5, -dt, dt), np.minimum(q, self.right)  # the same number by symmetry, and no 1 - 1
        v = q * (1 - q)
        series = v / 2 * dt**2 * (1 + (1 - 2 * q) * dt / 3 + (1 - 6 * v) * dt**2 / 12)
        direct = np.log1p(q * np.expm1(np.minimum(dt, 11000 if LONG_UNIT < 1e-16 else 700))) - q * dt
        each = np.where(np.abs(dt) < 1e-3, series, direct)
        value = float(p.s.astype(LONG) @ each / p.S_long + (p.ridge.astype(LONG) * step) @ step / 2)
        margin = float(self.slack @ np.abs(step.astype(float))) + 1e-8 * value + 1e-19 * (value > 1e-6)
        return value - margin, value + margin + self.own_gap


class Exact:
    """F in 50 digits, from the data as given, and its optimum."""

    def __init__(self, problem, start):
        self.problem = problem
        self.read(problem)
        self.minimise(start)

    def read(self, problem):
        mp = self.mp = mpmath.mp.clone()
        mp.dps = 50
        of = mp.mpf
        p = problem
        self.rows = [
            [(of(x) - of(c)) * of(k) for x, c, k in zip(row, p.center.tolist(), p.power.tolist(), strict=True)]
            + [of(1)]
            for row in p.x.tolist()
        ]
        self.sign = [of(v) for v in p.sign.tolist()]
        self.s = [of(v) for v in p.s.tolist()]
        self.S = sum(self.s)
        self.ridge = [of(p.alpha) * of(k) ** 2 for k in p.power.tolist()] + [of(0)]

    def minimise(self, start):
        """Newton with float steps and gradients in 50 digits."""
        of, p = self.mp.mpf, self.problem
        theta = [of(float(v)) for v in start]
        factor = p.factor(p.evaluate(np.asarray(start, dtype=float))[2])
        for _ in range(40):
            gradient = self.gradient(theta)
            if max(abs(g) for g in gradient) < of(10) ** -38:
                break
            size = max(abs(g) for g in gradient)
            step = factor.solve(np.array([float(g / size) for g in gradient]))
            theta = [a - size * of(float(b)) for a, b in zip(theta, step, strict=True)]
        else:
            raise AssertionError("the optimum was not found in 50 digits")
        self.theta = theta
        self.minimum = self.value(theta)

    def margins(self, theta):
        dot = self.mp.fdot
        return [k * dot(row, theta) for row, k in zip(self.rows, self.sign, strict=True)]

    def value(self, theta):
        mp = self.mp
        theta = [mp.mpf(float(v)) if not isinstance(v, mp.mpf) else v for v in theta]
        losses = [mp.log(1 + mp.exp(t)) for t in self.margins(theta)]
        penalty = sum(r * v * v for r, v in zip(self.ridge, theta, strict=True)) / 2
        return mp.fdot(self.s, losses) / self.S + penalty

    def gradient(self, theta):
        mp = self.mp
        parts = [w * k / (1 + mp.exp(-t)) for w, k, t in zip(self.s, self.sign, self.margins(theta), strict=True)]
        columns = zip(*self.rows, strict=True)
        return [
            mp.fdot(parts, column) / self.S + r * v for column, r, v in zip(columns, self.ridge, theta, strict=True)
        ]

    def gap(self, point):
        return self.value(point) - self.minimum


def random_problem(seed, largest=160):
    """Scales 1e-4 to 1e4, offsets to 1000 deviations, weights 1e-6 to 1e3, rare classes, heavy tails, collinear columns."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 7))
    m = int(rng.integers(12 + 5 * n, largest))
    kind = str(rng.choice(["normal", "heavy", "near-collinear", "near-separated", "integers", "rare"]))
    x = rng.normal(size=(m, n))
    if kind == "heavy":
        x = rng.standard_t(1.5, size=(m, n))
    if kind == "integers":
        n = max(n, 3)
        x = rng.integers(-3, 4, size=(m, n)).astype(float)
        x[:, 2] = x[:, 0] + x[:, 1]
    beta = rng.normal(size=n) * rng.choice([0.2, 1.0, 3.0])
    z = x @ beta / math.sqrt(n) + rng.normal()
    y = (rng.random(m) < 1 / (1 + np.exp(-z))).astype(float)
    if kind == "near-separated":
        y = (z > np.median(z)).astype(float)
        flipped = rng.integers(0, m, size=int(rng.integers(1, 4)))
        y[flipped] = 1 - y[flipped]
    if kind == "rare":
        y = np.zeros(m)
        y[rng.choice(m, size=int(rng.integers(2, 5)), replace=False)] = 1
    if kind == "near-collinear" and n > 1:
        x[:, -1] = x[:, :-1] @ rng.normal(size=n - 1) + 10.0 ** rng.uniform(-8, -2) * rng.normal(size=m)
    y[:2] = (0.0, 1.0)
    if kind == "integers":
        x *= 2.0 ** rng.integers(-12, 12)
    else:
        x = (x + rng.choice([0.0, 10.0, 1000.0]) * rng.normal(size=n)) * 10.0 ** rng.uniform(-4, 4, size=n)
    s = 10.0 ** rng.uniform(-6, 3, size=m) if rng.random() < 0.25 else np.ones(m)
    if rng.random() < 0.25:
        s = rng.exponential(size=m) + 1e-6
    alpha = float(rng.choice([0.0, 0.0, 1.0, 10.0 ** rng.uniform(-8, 0)])) if rng.random() < 0.9 else 1e-10
    return Problem(x, y, s, alpha, kind)


def points_on_the_way(problem, rng, count=5):
    """Some of Newton's iterates and points around the last one; that one; and whether it is the optimum."""
    points, arrived = problem.newton()
    chosen = points[-2:] if len(points) > 1 else points
    if len(points) > 2:
        chosen = [
            points[k] for k in rng.choice(len(points) - 2, size=min(count - 2, len(points) - 2), replace=False)
        ] + chosen
    last = points[-1]
    if arrived:
        curvature = problem.evaluate(last)[2]
        spread = np.sqrt(np.abs(problem.factor(curvature).inverse_diagonal))
        for size in 10.0 ** rng.uniform(-9, -0.5, size=2):
            chosen.append(last + size * 10.0 ** rng.uniform(-2, 0) * spread * rng.normal(size=problem.n + 1))
    return chosen, last, arrived
