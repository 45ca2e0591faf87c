"""The loss surface: F on its grid, its plane and the places of its paths, against NumPy."""

import warnings
from dataclasses import replace

import numpy as np
import pytest

import chainrule
from chainrule.data.designs import rows_of
from chainrule.data.rows import Units
from chainrule.objective import DataObjective
from chainrule.penalties import ridge
from chainrule.studies.learned import comparable, surface_under
from chainrule.studies.surface import LOOKED_AT, Way, surface_of


def drawn(rng, m=120, n=4, noise=1.0):
    X = rng.normal(size=(m, n)) * np.geomspace(1.0, 5.0, n) + np.arange(n)
    y = X @ np.geomspace(1.0, 0.2, n) + noise * rng.logistic(size=m) > 2.0
    return X, y.astype(np.uint8), rng.integers(0, 3, size=m).astype(float)


def fitted(X, y, s=None, **how):
    """A fit, and its rows."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return chainrule.fit(X, y, sample_weight=s, **how), rows_of(X, y, s)[0]


def F(X, y, s, alpha, theta):
    z = X @ theta[:-1] + theta[-1]
    return np.average(np.logaddexp(0.0, z) - y * z, weights=s) + 0.5 * alpha * theta[:-1] @ theta[:-1]


DESCENT = {"method": "gradient-descent", "max_reads": 300}


@pytest.mark.parametrize("alpha", [0.0, 0.05])
@pytest.mark.parametrize("standardize", [False, True])
def test_the_grid_has_the_objective_at_each_point(rng, alpha, standardize):
    X, y, s = drawn(rng)
    result, rows = fitted(X, y, s, alpha=alpha, standardize=standardize, **DESCENT)
    surface = surface_under(rows, result)
    there = (X - result.center) / result.scale
    for k, j in [(0, 0), (3, 7), (len(surface.y) - 1, 5), (20, len(surface.x) - 1)]:
        theta = surface.origin + np.array([surface.x[j], surface.y[k]]) @ surface.directions
        assert surface.F[k, j] == pytest.approx(F(there, y, s, alpha, theta), rel=1e-12)
    assert surface.looked_at == surface.rows == len(y)


def test_paths_lie_where_the_trace_says(rng):
    X, y, s = drawn(rng)
    result, rows = fitted(X, y, s, alpha=0.01, standardize=True, **DESCENT)
    surface = surface_under(rows, result)
    d = surface.directions
    np.testing.assert_allclose(d @ d.T, np.eye(2), atol=1e-14)
    descent, newton = surface.ways
    points = np.array([np.append(*result.trace.at(epoch)) for epoch in descent.epochs.tolist()])
    np.testing.assert_allclose(descent.at, (points - surface.origin) @ d.T, atol=1e-13)
    assert descent.epochs[[0, -1]].tolist() == [0, result.n_epochs]
    assert (descent.at[0] <= 0).all(), "from the left, and from below"
    # both start from zero; Newton's steps end at the optimum
    np.testing.assert_allclose(newton.at[0], descent.at[0], atol=1e-13)
    np.testing.assert_allclose(newton.at[-1], surface.best, atol=1e-13)
    assert newton.is_newton


def test_the_plane_goes_through_the_optimum_and_holds_more_of_the_path_than_others(rng):
    X, y, s = drawn(rng)
    result, rows = fitted(X, y, s, alpha=0.01, **DESCENT)
    surface = surface_under(rows, result)
    optimum = chainrule.fit(X, y, sample_weight=s, alpha=0.01, standardize=False)
    np.testing.assert_allclose(
        surface.origin + surface.best @ surface.directions, np.append(optimum.w, optimum.b), atol=1e-4
    )
    assert surface.lowest == pytest.approx(optimum.objective, abs=1e-8)
    assert surface.lowest <= surface.F.min()
    points = np.column_stack([result.trace.w, result.trace.b])[surface.ways[0].epochs] - surface.origin
    total = np.sum(points**2)
    assert surface.held == pytest.approx(np.sum((points @ surface.directions.T) ** 2) / total, rel=1e-9)
    assert surface.held == pytest.approx(np.linalg.eigvalsh(points.T @ points)[-2:].sum() / total, rel=1e-9)
    for _ in range(20):
        other, _ = np.linalg.qr(rng.normal(size=(5, 2)))
        assert np.sum((points @ other) ** 2) <= surface.held * total


def test_two_coefficients_are_their_own_plane(rng):
    X, y, s = drawn(rng, n=1)
    result, rows = fitted(X, y, s, **DESCENT)
    surface = surface_under(rows, result)
    assert [axis.told() for axis in surface.axes] == ["w of x1", "b (bias)"]
    assert surface.is_whole
    np.testing.assert_array_equal(surface.ways[0].at[-1], [result.w_fit[0], result.b_fit])
    np.testing.assert_array_equal(surface.directions, np.eye(2))
    X, y, s = drawn(rng, n=2)
    result, rows = fitted(X, y, s, fit_intercept=False, **DESCENT)
    surface = surface_under(rows, result)
    assert [axis.told() for axis in surface.axes] == ["w of x1", "w of x2"]
    np.testing.assert_array_equal(surface.ways[0].at[-1], result.w_fit)
    # a single coefficient has no plane
    result, rows = fitted(X[:, :1], y, s, fit_intercept=False, **DESCENT)
    assert surface_under(rows, result) is None


def test_newtons_few_steps_are_enough(rng):
    X, y, s = drawn(rng)
    result, rows = fitted(X, y, s, alpha=0.02)
    surface = surface_under(rows, result)
    (way,) = surface.ways
    assert way.is_newton
    assert len(way.at) == len(result.trace)
    objective, points = comparable(rows, result)
    np.testing.assert_allclose(way.at, (points - surface.origin) @ surface.directions.T, atol=1e-12)
    # the same F in units of standard deviations, with the penalty of the fit's units
    for k, j in [(0, 0), (9, 40)]:
        theta = surface.origin + np.array([surface.x[j], surface.y[k]]) @ surface.directions
        w, b = objective.rows.units.to_user(theta[:-1], theta[-1])
        assert surface.F[k, j] == pytest.approx(F(X, y, s, 0.02, np.append(w, b)), rel=1e-10)
    np.testing.assert_allclose(way.at[-1], surface.best, atol=1e-3)


def test_of_many_rows_a_sample_gives_nearly_the_same_surface_and_the_same_bits_each_time(rng):
    X, y, _ = drawn(rng, m=3 * LOOKED_AT)
    result, rows = fitted(X, y, alpha=0.01, method="gradient-descent", max_reads=50)
    surface = surface_under(rows, result)
    assert surface.looked_at < surface.rows
    theta = surface.origin + np.array([surface.x[10], surface.y[10]]) @ surface.directions
    # the standard error of a mean of 8,192 losses, times 4
    assert surface.F[10, 10] == pytest.approx(F(X, y, None, 0.01, theta), rel=4 * 1.5 / np.sqrt(LOOKED_AT))
    more = rows_of(X, y, None, n_threads=3)[0]
    np.testing.assert_array_equal(surface_under(more, result).F, surface.F)


def test_without_an_optimum_the_plane_goes_through_the_end_of_the_run(rng):
    X, y, _ = drawn(rng, noise=0.0)
    result, rows = fitted(X, y, **DESCENT)
    surface = surface_under(rows, result)
    assert surface.best is None
    assert surface.lowest == 0.0
    np.testing.assert_allclose(surface.ways[0].at[-1], 0.0, atol=1e-12)
    assert np.isfinite(surface.F).all()


def test_a_run_that_diverges_does_not_set_the_range(rng):
    X, y, _ = drawn(rng)
    result, rows = fitted(X, y, method="gradient-descent", learning_rate=1e3, max_reads=40)
    surface = surface_under(rows, result)
    assert surface.best is not None
    size = np.linalg.norm(surface.ways[0].at[0])
    assert max(np.ptp(surface.x), np.ptp(surface.y)) < 10 * size
    assert np.isfinite(surface.F).all()


def test_a_straight_path_gets_a_second_direction(rng):
    X, y, _ = drawn(rng)
    rows = rows_of(X, y)[0].see(Units.of_user(4))
    objective = DataObjective(rows, ridge(0.1, 4))
    way = Way.of("straight", np.arange(3), np.arange(3.0)[:, None] * [0.5, 0.25, 0.0, 0.0], np.zeros(3))
    surface = surface_of(objective, rows.feature_names, [way], exists=True)
    np.testing.assert_allclose(surface.directions @ surface.directions.T, np.eye(2), atol=1e-12)
    still = Way.of("still", np.arange(2), np.zeros((2, 4)), np.zeros(2))
    # the optimum is elsewhere: a path of one point still leads there
    assert surface_of(objective, rows.feature_names, [still], exists=True) is not None
    assert surface_of(objective, rows.feature_names, [still], exists=False) is None, "the way leads nowhere"


def test_a_run_that_starts_at_the_optimum_and_leaves_it(rng):
    X = np.repeat([[-1.0, 1.0], [1.0, 1.0], [-1.0, -1.0], [1.0, -1.0]], 2, axis=0)
    y = np.array([0, 1] * 4)
    rows = rows_of(X, y)[0]
    objective = DataObjective(rows, ridge(0.1, 2))
    points = np.array([[0.0, 0.0], [1.0, 0.5], [1e150, 0.0]])
    surface = surface_of(
        objective, rows.feature_names, [Way.of("away", np.arange(3), points, np.zeros(3))], exists=True
    )
    assert surface.ways[0].epochs.tolist() == [0, 1]
    assert surface.x[0] < 0 < np.linalg.norm([1.0, 0.5]) < surface.x[-1] - surface.x[0]


def test_another_penalty_has_no_surface(rng):
    X, y, s = drawn(rng)
    result, rows = fitted(X, y, s, alpha=0.05, **DESCENT)
    assert surface_under(rows, result) is not None
    assert surface_under(rows, replace(result, objective=result.objective + 1e-3)) is None
