"""Solvers on objectives that have nothing of a regression: a quadratic, and a small network in NumPy."""

import math

import numpy as np
import pytest

from chainrule import InputError
from chainrule.data.rows import Units
from chainrule.diagnosis import RunMonitor
from chainrule.kernels.runs import Batches
from chainrule.objective import Evaluation, Objective
from chainrule.solvers import GradientDescent, Newton, NewtonCG, Run, StochasticGradientDescent


class Quadratic(Objective):
    """F = sum_i (a_i.theta - y_i)^2 / (2 m)."""

    def __init__(self, A, y):
        self.A, self.y, self.size, self.n_visited = A, y, A.shape[1], len(y)

    def evaluate(self, theta):
        r = self.A @ theta - self.y
        return Evaluation(float(r @ r) / (2 * len(r)), self.A.T @ r / len(r))

    def hessian(self, theta):
        return self.A.T @ self.A / len(self.y)

    def descend(self, theta, rate, batches, epoch):
        for k in np.random.default_rng([batches.seed, epoch]).permutation(len(self.y)):
            theta = theta - rate * (self.A[k] @ theta - self.y[k]) * self.A[k]
        return theta


class Network(Objective):
    """Log-loss of v.tanh(W x): two layers, with curvature of both signs."""

    def __init__(self, X, y, hidden=3, alpha=1e-3):
        self.X, self.y, self.hidden, self.alpha = X, y, hidden, alpha
        self.size = hidden * (X.shape[1] + 1)

    def evaluate(self, theta):
        W, v = theta[: -self.hidden].reshape(self.hidden, -1), theta[-self.hidden :]
        h = np.tanh(self.X @ W.T)
        t = (1 - 2 * self.y) * (h @ v)
        dz = (1 - 2 * self.y) / (1 + np.exp(-t)) / len(t)
        dW = (dz[:, None] * v * (1 - h**2)).T @ self.X
        value = np.logaddexp(0, t).mean() + self.alpha / 2 * theta @ theta
        return Evaluation(float(value), np.concatenate([dW.ravel(), dz @ h]) + self.alpha * theta)

    def hessian(self, theta, step=1e-5):
        sides = [[self.evaluate(theta + s * e).gradient for e in step * np.eye(self.size)] for s in (1, -1)]
        H = (np.array(sides[0]) - np.array(sides[1])) / (2 * step)
        return (H + H.T) / 2


class Slopes(Objective):
    """An objective with F and its gradient, and no more."""

    def __init__(self, of):
        self.size, self.evaluate = of.size, of.evaluate


@pytest.fixture
def quadratic(rng):
    A = rng.normal(size=(40, 8)) * np.linspace(0.5, 2.0, 8)
    return Quadratic(A, rng.normal(size=40))


@pytest.fixture
def network(rng):
    X = rng.normal(size=(200, 2))
    return Network(X, (np.tanh(2 * X[:, 0]) > X[:, 1]).astype(float))


def run(objective, solver, steps, tol=1e-25):
    return Run(
        objective, solver, tol=tol, max_steps=steps, monitor=RunMonitor(), units=Units.of_user(objective.size - 1)
    ).run()


def unproven(theta, evaluation):
    return math.inf, math.inf


def best_of(quadratic):
    return np.linalg.lstsq(quadratic.A, quadratic.y, rcond=None)[0]


def test_newton_needs_one_step_for_a_quadratic(quadratic):
    outcome = run(quadratic, Newton(np.ones(8)), 5)
    assert outcome.reason == "converged"
    assert outcome.n_epochs <= 2
    assert np.abs(outcome.state.theta - best_of(quadratic)).max() < 1e-12
    np.testing.assert_array_equal(outcome.trace.w[-1], outcome.state.theta[:-1])


@pytest.mark.parametrize("only", [Slopes, lambda of: of])
def test_conjugate_gradients_need_a_step_a_coefficient_at_most(only, quadratic):
    outcome = run(only(quadratic), NewtonCG(np.ones(8)), 8)
    assert outcome.n_epochs <= 8
    assert np.abs(outcome.state.theta - best_of(quadratic)).max() < 1e-12


def test_gradient_descent_falls_at_the_rate_of_the_smallest_eigenvalue(quadratic):
    curvature = np.linalg.eigvalsh(quadratic.hessian(None))
    rate, best = 1.0 / curvature[-1], quadratic.evaluate(best_of(quadratic)).objective
    outcome = run(Slopes(quadratic), GradientDescent(np.ones(8), rate, unproven), 400)
    gaps = outcome.trace.columns["objective"] - best
    late = (gaps > 1e-12) & (np.arange(len(gaps)) > 60)
    assert np.all(np.diff(outcome.trace.columns["objective"]) <= 1e-15)
    seen = np.exp(np.polyfit(np.flatnonzero(late), np.log(gaps[late]), 1)[0])
    assert seen == pytest.approx((1 - rate * curvature[0]) ** 2, rel=1e-3)


def test_stochastic_gradient_descent_comes_to_its_noise_and_repeats(quadratic):
    solver = StochasticGradientDescent(np.ones(8), 1e-3, Batches(1, 3, "constant"), unproven)
    first, again = run(quadratic, solver, 300), run(quadratic, solver, 300)
    np.testing.assert_array_equal(first.trace.w, again.trace.w)
    values, best = first.trace.columns["objective"], quadratic.evaluate(best_of(quadratic)).objective
    assert values[-1] - best < 0.01 * (values[0] - best)
    assert first.trace.columns["updates"][-1] == 300 * 40


@pytest.mark.parametrize(
    ("solver", "slope"),
    [
        (lambda start: Newton(start), 1e-7),
        (lambda start: NewtonCG(start), 1e-7),
        (lambda start: GradientDescent(start, 1.0, unproven), 1e-4),
    ],
    ids=["newton", "newton-cg", "gradient descent"],
)
def test_a_network_comes_to_a_stationary_point(solver, slope, network, rng):
    start = rng.normal(size=network.size)
    outcome = run(network, solver(start), 3000, tol=1e-18)
    values = outcome.trace.columns["objective"]
    assert np.all(np.diff(values) <= 1e-14)
    assert values[-1] < 0.8 * values[0]
    assert np.abs(network.evaluate(outcome.state.theta).gradient).max() < slope
    assert np.linalg.eigvalsh(network.hessian(outcome.state.theta))[0] > -1e-6  # no saddle


@pytest.mark.parametrize(
    "solver", [Newton(np.ones(8)), StochasticGradientDescent(np.ones(8), 0.1, Batches(1, 3, "constant"), unproven)]
)
def test_what_an_objective_can_not_do_is_said_before_the_first_step(solver, quadratic):
    with pytest.raises(InputError, match=r"needs an objective with .*(hessian|descend)"):
        run(Slopes(quadratic), solver, 5)
