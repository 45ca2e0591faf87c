"""Newton in the rows' Gram matrix: the same optimum as with columns, at edges too."""

import numpy as np
import pytest
from scipy.special import expit

import chainrule
from chainrule.kernels.blas import gram
from chainrule.solvers.row_space import minimum_in_row_space


def logistic(y):
    return lambda z: (np.logaddexp(0.0, z) - y * z, expit(z) - y, expit(z) * expit(-z))


def slopes(X, s, y, ridge, a, b):
    """dF_dw (n,) and dF_db at w = X'a."""
    r = s * (expit(X @ (X.T @ a) + b) - y)
    return X.T @ (r + ridge * a), r.sum()


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("ridge", [1e2, 1e-2, 1e-8])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0])
def test_the_gradient_is_0_at_the_point_returned(fit_intercept, ridge, scale, rng):
    m, n = 40, 120
    X, y, s = scale * rng.normal(size=(m, n)), np.arange(m) % 3 == 0, rng.integers(0, 4, m).astype(float)
    s /= s.sum()
    a, b = minimum_in_row_space(gram(X), s, ridge, logistic(y), 0.0, 1e-14, fit_intercept=fit_intercept)
    of_w, of_b = slopes(X, s, y, ridge, a, b)
    assert of_w @ of_w / (2.0 * ridge) <= 1e-13, "F is no further above its minimum, as it is strongly convex"
    assert np.abs(a[s == 0.0]).max() == 0.0
    if fit_intercept:
        assert abs(of_b) <= 1e-7
        assert abs(a.sum()) <= 1e-9 * np.abs(a).max()
    else:
        assert b == 0.0


@pytest.mark.parametrize("start", [0.0, 18.0, -37.0, 710.0, -1e4])
def test_it_comes_back_from_any_bias(start, rng):
    """Where g (1 - g) is 0 in float64, too."""
    X, y, s = rng.normal(size=(12, 50)), np.arange(12) % 2 == 0, np.full(12, 1.0 / 12.0)
    a, b = minimum_in_row_space(gram(X), s, 1e-2, logistic(y), start, 1e-14, fit_intercept=True)
    best, there = minimum_in_row_space(gram(X), s, 1e-2, logistic(y), 0.0, 1e-14, fit_intercept=True)
    np.testing.assert_allclose(a, best, rtol=1e-6, atol=1e-9)
    assert b == pytest.approx(there, abs=1e-7)


def test_collinear_rows_and_rows_of_zeros_have_an_optimum(rng):
    X = rng.normal(size=(6, 30))[[0, 1, 2, 3, 4, 5, 0, 1, 2]]
    X[4] = 0.0
    y, s = np.array([0, 1, 0, 1, 1, 0, 1, 1, 0]), np.full(9, 1.0 / 9.0)
    a, b = minimum_in_row_space(gram(X), s, 1e-3, logistic(y), 0.0, 1e-15, fit_intercept=True)
    of_w, of_b = slopes(X, s, y, 1e-3, a, b)
    assert max(np.abs(of_w).max(), abs(of_b)) <= 1e-8


@pytest.mark.parametrize("m", [1, 255, 256, 600])
def test_the_gram_matrix_is_all_products_of_rows(m, rng):
    X = rng.normal(size=(m, 40))[:, :-1]
    K = gram(X)
    np.testing.assert_allclose(K, X @ X.T, rtol=1e-12, atol=1e-12)
    assert np.array_equal(K, K.T)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_a_wide_fit_is_that_of_its_columns_and_a_weight_is_a_repeat(fit_intercept, rng):
    X, y = rng.normal(size=(60, 90)) * 10.0 ** rng.uniform(-2, 2, 90) + 3.0, np.arange(60) % 3 == 0
    times = rng.integers(1, 3, 60)
    how = {"alpha": 1e-3, "standardize": fit_intercept, "fit_intercept": fit_intercept, "tol": 1e-13}
    wide = chainrule.fit(X, y, sample_weight=times, **how)
    by_columns = chainrule.fit(np.repeat(X, times, axis=0), np.repeat(y, times), method="newton", **how)
    assert wide.reads < 5
    assert by_columns.reason == wide.reason == "converged"
    both = wide.certificate.coef + by_columns.certificate.coef
    assert np.all(np.abs(wide.w - by_columns.w) <= both * (1 + 1e-9))


@pytest.mark.parametrize("alpha", [1e-16, 1e-18, 1e-20])
def test_centred_columns_make_the_gram_matrix_singular_and_no_step_fails(alpha, rng):
    X, y = rng.normal(size=(40, 100)), np.arange(40) % 3 == 0
    result = chainrule.fit(X, y, alpha=alpha, standardize=True)
    assert result.reason == "converged"
    assert result.reads < 10
    assert result.objective < 1e-11, "the classes are separated, and the penalty hardly counts"


def test_a_bias_far_beyond_all_numbers_is_no_noise(rng):
    """NumPy's overflow on the way is nobody's business: the optimum is found."""
    X, y = rng.normal(size=(10, 30)), np.arange(10) % 2
    far, near = (chainrule.fit(X, y, alpha=0.1, b0=b0) for b0 in (1e300, 0.0))
    assert np.all(np.abs(far.w - near.w) <= far.certificate.coef + near.certificate.coef)
