from bisect import bisect_left

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from chainrule.data.rows import Rows
from chainrule.data.rows.moments import standardized
from chainrule.diagnosis import RunMonitor, epochs_by_trend, largest_curvature
from chainrule.diagnosis.runs import epochs_by_curvature, trend_foretells
from chainrule.kernels.blocks import Blocks
from chainrule.objective import DataObjective
from chainrule.penalties import ridge
from drawn_tools import drawn, numbers, tables


@st.composite
def problems(draw):
    """Rows, some of their columns standardised, and a penalty."""
    X, y, s = draw(tables())
    rows = Rows.of(Blocks.dense(X), y, s, [f"x{j}" for j in range(X.shape[1])])
    which = draw(st.none() | arrays(bool, X.shape[1]))
    if which is not None:
        rows = standardized(rows, which & (X != X[0]).any(axis=0))
    return rows, draw(st.sampled_from([0.0, 1e-3, 1.0]))


def viewed(rows):
    return (rows.design.X - rows.units.center) / rows.units.scale


@drawn
@given(problems())
def test_largest_curvature_is_the_largest_eigenvalue_and_never_below_it(problem):
    rows, alpha = problem
    found = largest_curvature(rows.moments(), rows.units, alpha)
    s = np.ones(rows.n_rows) if rows.s is None else rows.s
    x1 = np.column_stack([viewed(rows), np.ones(rows.n_rows)])
    matrix = (x1 * s[:, None]).T @ x1 / (4 * s.sum()) + alpha * np.diag([1.0] * rows.n_features + [0.0])
    exact = np.linalg.eigvalsh(matrix)[-1]
    assert exact * (1 - 1e-13) <= found <= exact * (1 + 1e-6)


@drawn
@given(problems(), st.integers(0, 99))
def test_largest_curvature_bounds_the_hessian_everywhere(problem, seed):
    rows, alpha = problem
    objective = DataObjective(rows, ridge(alpha, rows.n_features))
    bound = largest_curvature(rows.moments(), rows.units, alpha)
    w = np.random.default_rng(seed).normal(size=rows.n_features)
    assert np.linalg.eigvalsh(objective.hessian(np.append(w, 0.1)))[-1] <= bound
    zero = np.linalg.eigvalsh(objective.hessian(np.zeros(rows.n_features + 1)))[-1]
    assert zero == pytest.approx(bound, rel=1e-6)  # at zeros every g (1 - g) is 1/4: the bound is exact


def test_trace_bounds_the_curvature_where_the_matrix_is_not_made(rng, monkeypatch):
    X, y, s = rng.standard_t(3, size=(200, 6)) * 10.0 ** rng.uniform(-2, 2, 6) + 1.0, rng.integers(0, 2, 200), None
    rows = Rows.of(Blocks.dense(X), y.astype(np.uint8), s, [f"x{j}" for j in range(6)])
    exact = largest_curvature(rows.moments(), rows.units, 0.1)
    monkeypatch.setattr("chainrule.data.rows.rows.MAX_MATRIX_COLUMNS", 0)
    again = Rows.of(Blocks.dense(rows.design.X), rows.y, rows.s, rows.feature_names)
    assert exact <= largest_curvature(again.moments(), rows.units, 0.1)


@drawn
@given(problems(), st.integers(0, 99))
def test_a_rate_just_below_the_limit_never_raises_the_loss(problem, seed):
    rows, alpha = problem
    objective = DataObjective(rows, ridge(alpha, rows.n_features))
    rate = 0.999 * 2 / largest_curvature(rows.moments(), rows.units, alpha)
    w, b = np.random.default_rng(seed).normal(size=rows.n_features) * (seed % 2), 0.0
    before = objective.evaluate(np.append(w, b))
    for _ in range(100):
        w, b = w - rate * before.gradient[:-1], b - rate * before.gradient[-1]
        after = objective.evaluate(np.append(w, b))
        assert after.objective <= before.objective * (1 + 1e-12)
        before = after


def test_a_rate_above_the_limit_can_raise_the_loss():
    rows = Rows.of(
        Blocks.dense(np.array([[1.0], [1.0], [-1.0], [-1.0]])), np.array([1, 0, 0, 1], dtype=np.uint8), None, ["x1"]
    )
    objective = DataObjective(rows)
    limit = 2 / largest_curvature(rows.moments(), rows.units)
    start = np.array([1e-3])  # the optimum is 0
    evaluation = objective.evaluate(np.append(start, 0.0))
    for factor, rises in ((0.99, False), (1.01, True)):
        after = objective.evaluate(np.append(start - factor * limit * evaluation.gradient[:-1], 0.0))
        assert (after.objective > evaluation.objective) is rises


def test_trend_extends_a_geometric_rate_and_a_power():
    k = np.arange(200.0)
    norms = 3.0 * 0.97**k
    needed = epochs_by_trend(k, norms, 1e-8)
    assert needed == pytest.approx(np.log(1e-8 / norms[-1]) / np.log(0.97), rel=1e-6)
    assert epochs_by_trend(k, 2.0 / (k + 1.0), 1e-4) == pytest.approx(2e4 - 200, rel=0.01)
    assert epochs_by_trend(k, norms, 1.0) == 0.0
    assert np.isinf(epochs_by_trend(k, norms, 0.0))
    assert np.isinf(epochs_by_trend(k[:3], norms[:3], 1e-8))


def test_a_trend_is_believed_as_far_as_the_run_bears_it_out():
    k = np.arange(1001.0)
    power = 2.0 / (k + 1.0)
    assert trend_foretells(k, power, epochs_by_trend(k, power, 1e-4))  # 20 times the run: by its first 50 epochs
    assert not trend_foretells(k, power, epochs_by_trend(k, power, 1e-6))  # 2,000 times: nothing to test it by
    bent = np.where(k < 300, 1.0 / np.sqrt(k + 1.0), np.sqrt(300.0) / (k + 1.0))  # falls faster later on
    assert not trend_foretells(k, bent, epochs_by_trend(k, bent, bent[-1] / 4))
    assert not trend_foretells(k, np.ones(1001), np.inf)
    assert not trend_foretells(k[:10], power[:10], 5.0)


@drawn
@given(numbers((4, 4)), arrays(float, 4, elements=st.floats(-3, 0), fill=st.nothing()), numbers(4))
def test_curvature_foretells_gradient_descent_on_a_quadratic(turned, powers, along):
    q, _ = np.linalg.qr(turned)
    curvature, tol = 10.0**powers, 1e-9
    rate = 1.0 / curvature.max()
    said = epochs_by_curvature((q * curvature) @ q.T, q @ along, rate, tol)
    gap = np.square(along) / (2.0 * curvature)  # of each direction of its own
    k = bisect_left(range(100_000), True, key=lambda k: gap @ (1.0 - rate * curvature) ** (2 * k) <= tol)
    assert k <= said <= 1.011 * k + 1


def test_a_direction_without_curvature_is_never_left():
    assert np.isinf(epochs_by_curvature(np.diag([1.0, 0.0]), np.ones(2), 1.0, 1e-6))
    assert epochs_by_curvature(np.diag([1.0, 0.0]), np.array([1.0, 0.0]), 1.0, 1e-6) == 1.0


def statuses(objectives, **known):
    monitor = RunMonitor(**known)
    return [monitor.watch(value, 1.0) for value in objectives]


def test_monitor_names_what_a_run_does():
    k = np.arange(100)
    for fine in (0.7 * 0.9**k + 0.3, np.full(100, 0.5), 0.5 + 1e-14 * (-1.0) ** k):
        assert set(statuses(fine)) == {""}
    assert set(statuses(0.7 * 0.9**k + 0.3, stable=False)) == {""}
    oscillating = statuses(1 + 0.1 * (-1.0) ** k, stable=False)
    assert oscillating[5] == "oscillating"
    assert "diverging" not in oscillating
    assert statuses(np.full(100, 0.5), stable=False)[-1] == "oscillating"  # a cycle of equal loss gets nowhere
    assert "diverging" in statuses(0.7 * 1.05**k, stable=False, unbounded=True)
    assert "diverging" not in statuses(0.7 * 1.05**k, stable=False)


def test_monitor_names_a_crawl_only_where_even_a_hopeful_estimate_is_too_long():
    def run(rate, max_steps, tol):
        monitor = RunMonitor(tol=tol, max_steps=max_steps)
        return [monitor.watch(1.0 + rate**k, rate**k) for k in range(max_steps)], monitor

    crawl, monitor = run(0.999, 1000, 1e-8)  # needs 18,000 epochs
    assert crawl[199] == ""
    assert crawl[200] == "crawling"
    assert run(0.98, 1000, 1e-8)[0][200:] == [""] * 800  # needs 912
    assert run(0.99, 1000, 1e-8)[0][250] == ""  # needs 1,833: not three times what is left
    assert set(run(0.999, 90, 1e-8)[0]) == {""}
    assert monitor.needed == pytest.approx(np.log(1e-8 / 0.999**999) / np.log(0.999), rel=0.01) or monitor.needed > 0
