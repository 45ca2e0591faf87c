"""A point as the proof that the classes are separated, without a search."""

import numpy as np
import pytest

from chainrule.data.rows import Rows, Units
from chainrule.diagnosis.few_rows import separated_by
from chainrule.diagnosis.separation import find_separation
from chainrule.kernels.blocks import Blocks
from reader_tools import csr_of


def rows_of(X, y, s=None, *, sparse=False):
    X = np.asarray(X, dtype=float)
    design = Blocks.sparse(csr_of(X)) if sparse else Blocks.dense(X)
    return Rows.of(design, np.asarray(y, dtype=np.uint8), s, [f"x{j}" for j in range(X.shape[1])])


@pytest.mark.parametrize("seed", range(20))
def test_a_point_proves_no_more_than_the_search(seed):
    """Random points beside random labels: what a point proves, the exact search finds too."""
    rng = np.random.default_rng(seed)
    X, y = rng.integers(-3, 4, size=(12, 3)).astype(float), rng.random(12) < 0.5
    y[:2] = 0, 1
    rows, proven = rows_of(X, y), 0
    for k in range(60):
        w = rng.normal(size=3)
        if k % 2:  # labels that the point separates, mostly
            y = X @ w > np.median(X @ w)
            rows = rows_of(X, y)
        found = separated_by(rows, w, -float(np.median(X @ w)) - 1e-3)
        if found is not None:
            proven += 1
            exact = find_separation(rows)
            assert exact.kind == "complete" or found.kind == "quasi"
    assert proven


def test_a_row_within_rounding_of_the_plane_proves_nothing():
    X = np.array([[1.0, 3.0], [3.0, 1.0], [1.0, 1.0], [5.0, 7.0]])
    y = [0, 1, 0, 1]
    w = np.array([0.1, 0.3])
    b = -float(X[2] @ w)  # the third row is on the plane but for rounding
    assert separated_by(rows_of(X, y), w, b) is None
    assert separated_by(rows_of(X[[0, 1]], y[:2]), np.array([1.0, -1.0]), 0.0).kind == "complete"


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("sparse", [False, True])
def test_rows_with_the_same_numbers_lie_on_the_plane(fit_intercept, sparse, rng):
    X, y = rng.integers(-9, 9, size=(14, 30)).astype(float), np.arange(14) % 2
    X[1], X[5], X[8] = X[0], X[4], X[4]  # 0 and 1, 4 and 5 and 8 with both labels
    X[10] = X[2]  # the same label
    s = np.where(np.arange(14) == 8, 3.0, 1.0)
    A = np.c_[X, np.ones(14)] if fit_intercept else X
    theta = np.linalg.lstsq(A, np.where(y, 1.0, -1.0), rcond=None)[0]
    w, b = (theta[:-1], theta[-1]) if fit_intercept else (theta, 0.0)
    rows = rows_of(X, y, s, sparse=sparse).see(Units(np.zeros(30), np.full(30, 4.0)))
    found = separated_by(rows, w * 4.0, b, fit_intercept=fit_intercept)
    assert found.kind == "quasi"
    assert found.rows_on_plane.tolist() == [0, 1, 4, 5, 8]
    # weights 1 and 1 of one group, 4 and 1 of the other
    least = (2 * np.log(2) - 4 * np.log(0.8) - np.log(0.2)) / s.sum()
    assert found.infimum == pytest.approx(least, rel=1e-9)
    assert found.infimum <= least


def test_rows_of_zeros_without_an_intercept_lie_on_every_plane(rng):
    X, y = rng.normal(size=(6, 9)), np.arange(6) % 2
    X[[1, 3]], X[4] = 0.0, -0.0
    w = np.linalg.lstsq(X, np.where(y, 1.0, -1.0), rcond=None)[0]
    found = separated_by(rows_of(X, y), w, 0.0, fit_intercept=False)
    assert (found.kind, found.rows_on_plane.tolist()) == ("quasi", [1, 3, 4])
    assert found.infimum == pytest.approx(np.log(2) / 2, rel=1e-9)
    assert (find_separation(rows_of(X, y), fit_intercept=False).rows_on_plane == [1, 3, 4]).all()


def test_rows_of_weight_0_count_for_nothing(rng):
    X, y = rng.normal(size=(6, 10)), np.array([0, 1, 0, 1, 0, 1])
    X[5] = X[4]
    w = np.linalg.lstsq(X[:5], np.where(y[:5], 1.0, -1.0), rcond=None)[0]
    assert separated_by(rows_of(X, y, np.array([1.0, 1, 1, 1, 1, 0])), w, 0.0, fit_intercept=False).kind == "complete"


def test_a_plane_that_must_go_through_dependent_rows_is_not_proven(rng):
    """Two groups of both labels, and a third between them, which must then be on the plane as well."""
    a, c = rng.normal(size=(2, 8))
    X = np.array([a, a, c, c, (a + c) / 2, a + c])
    found = separated_by(rows_of(X, [0, 1, 0, 1, 0, 1]), rng.normal(size=8), 0.0)
    assert found is None
