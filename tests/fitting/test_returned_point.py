"""What is proven is of the point that is returned: F at (w, b) as given, in 50 digits, where rounding and relations bite."""

import warnings

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule import InputError, certify, fit
from chainrule.data.rows import Units
from chainrule.errors import CollinearityWarning, SeparationWarning
from chainrule.fitting.returned import UserPoint, plus_product
from drawn_tools import classes, drawn, few, numbers, whole

mp = mpmath.mp.clone()
mp.dps = 60


def exact_F(X, y, w, b, alpha=0.0):
    """F in 60 digits, of data and coefficients as they are."""
    w = [mp.mpf(float(v)) for v in w]
    total = mp.mpf(0)
    for x, label in zip(X.tolist(), y.tolist(), strict=True):
        z = mp.fsum([mp.mpf(a) * c for a, c in zip(x, w, strict=True)]) + mp.mpf(float(b))
        t = -z if label else z
        total += mp.log1p(mp.exp(t)) if t < 0 else t + mp.log1p(mp.exp(-t))
    return total / len(y) + mp.mpf(alpha) / 2 * mp.fsum([c * c for c in w])


@pytest.mark.parametrize("constant", [0.1, 1 / 3, 2.7, 1e6 + 0.1, 1e-3])
def test_a_constant_column_that_is_no_binary_fraction_takes_nothing_from_the_intercept(constant, rng):
    x = rng.normal(size=(60, 1))
    y = (x[:, 0] + rng.logistic(size=60) > 0).astype(int)
    X = np.c_[x, np.full(60, constant)]
    plain = fit(x, y, tol=1e-13)
    with pytest.warns(CollinearityWarning, match="x2 is constant"):
        result = fit(X, y, tol=1e-13)
    assert result.w[1] == 0.0
    assert result.b == pytest.approx(plain.b, abs=1e-5)
    F, c = exact_F(X, y, result.w, result.b), result.certificate
    assert F - plain.certificate.optimum_at_least <= c.gap + 1e-14  # what rounding takes off the plain fit's F
    assert F - plain.objective >= c.lower - 1e-14
    assert float(F) == pytest.approx(result.objective, abs=1e-14)


@pytest.mark.parametrize("alpha", [1e-1, 1e-2, 1e-6])
def test_exact_relations_under_a_penalty_that_rounding_hides_are_solved_and_proven(alpha):
    """A size in GB, KB and bytes: the penalty alone says how the weight is shared, 1e-20 of the loss in curvature."""
    rng = np.random.default_rng(0)
    size = np.round(2.0**30 * np.abs(2 + rng.normal(size=200)))
    X = np.c_[size / 2**30, size / 2**10, size]
    y = (X[:, 0] - 2 + rng.logistic(size=200) > 0).astype(int)
    result = fit(X, y, alpha=alpha)
    assert result.certificate.kind == "bound"
    assert result.reads <= 12
    # All is in one column's worth u of z = u GB: the penalty of (w) with C w = u is u^2/(C C').
    C = np.array([1.0, 2.0**20, 2.0**30])
    one = fit(X[:, :1], y, alpha=alpha / float(C @ C), tol=1e-15)
    least = exact_F(X[:, :1], y, one.w, one.b, alpha / float(C @ C)) - one.certificate.gap
    F = exact_F(X, y, result.w, result.b, alpha)
    assert F - least <= result.certificate.gap * 1.001 + 1e-15
    assert abs(float(F) - result.objective) <= 1e-13
    assert result.certificate.gap <= result.tol
    for w, b in ((result.w, result.b), (np.zeros(3), 0.0), (np.array([0.3, 0.0, 0.0]), -0.5)):
        audit = certify(X, y, w, b, alpha=alpha)
        F = exact_F(X, y, w, b, alpha)
        assert audit.lower * 0.999999 - 1e-15 <= F - least <= audit.gap * 1.000001 + 1e-15
    # What is within tol of F*: the weights of GB and KB, squared, are far below it.
    np.testing.assert_allclose(result.w, C * (one.w[0] / (C @ C)), rtol=1e-3, atol=1e-2 * np.abs(result.w).max())


@pytest.mark.filterwarnings("ignore::chainrule.errors.NotConvergedWarning")  # the last is too far for a bound of tol
@pytest.mark.parametrize(("offset", "deviation"), [(1e3, 1e-8), (1e6, 1e-6), (1.7e18, 1e5)])
def test_separated_far_from_zero_the_infimum_is_that_of_the_point_returned(offset, deviation, rng):
    X = offset + deviation * rng.normal(size=(40, 1))
    y = (X[:, 0] > np.median(X[:, 0])).astype(int)
    with pytest.warns(SeparationWarning):
        result = fit(X, y)
    F = exact_F(X, y, result.w, result.b)
    assert F <= result.certificate.infimum_gap
    assert abs(float(F) - result.objective) <= 1e-3 * float(F)


@pytest.mark.parametrize(
    ("offset", "deviation", "is_enough"), [(100.0, 2e-11, True), (1e6, 1e-6, True), (1e6, 2e-9, False)]
)
def test_far_from_zero_a_fit_says_what_rounding_leaves_and_how_to_do_better(offset, deviation, is_enough):
    rng = np.random.default_rng(3)
    X = offset + deviation * rng.normal(size=(200, 1))  # some units in the last place
    y = ((X[:, 0] - offset) / deviation + rng.logistic(size=200) > 0).astype(int)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = fit(X, y)
    F, plain = float(exact_F(X, y, result.w, result.b)), fit((X - offset) / deviation, y, tol=1e-13)
    assert result.certificate.lower - 1e-14 <= F - plain.objective <= result.certificate.gap + 1e-13
    assert abs(F - result.objective) <= result.certificate.gap
    assert (result.certificate.gap <= 1e-8) == is_enough == (not caught)
    if caught:
        assert "column x1 lies so far from 0" in str(caught[0].message)


@pytest.mark.parametrize("method", ["newton", "newton-cg", "gradient-descent"])
@pytest.mark.parametrize("offset", [1e5, 1e9, 1e11, 1e13])
def test_standardised_far_from_zero_f_is_that_of_the_point_returned_and_a_gap_above_tol_is_said(method, offset, rng):
    X = offset + rng.normal(size=(100, 3))
    y = ((X - offset) @ [1.0, -1.0, 0.5] + rng.logistic(size=100) > 0).astype(int)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = fit(X, y, standardize=True, method=method, alpha=0.01)
    F = float(exact_F(X, y, result.w, result.b)) + 0.005 * float(np.square(result.w * result.scale).sum())
    assert abs(F - result.objective) <= 1e-13
    assert bool(caught) == (result.certificate.gap > 1e-8)
    assert not caught or result.findings[0].values["offset"] in ("x1", "x2", "x3")


@few
@given(whole((12, 1), 24), classes(12))
def test_without_an_intercept_the_bias_stays_zero_and_the_audit_takes_it(eighths, y):
    x = eighths / 8 + 5.0
    with pytest.warns(CollinearityWarning):
        result = fit(np.c_[x, 3.0 * x], y, fit_intercept=False)
    assert result.b == 0.0
    assert certify(np.c_[x, 3.0 * x], y, result.w, result.b, fit_intercept=False).gap <= 1e-7


def test_without_an_intercept_the_ridge_of_separated_data_is_the_one_that_is_said(rng):
    x = rng.normal(size=30)
    X = np.c_[x, np.ones(30)]
    y = (x > 0.3).astype(int)
    with pytest.warns(SeparationWarning):
        result = fit(X, y, fit_intercept=False)
    assert "(1e-8/2) sum (rms_j w_j)^2" in result.objective_line
    size = np.sqrt(np.square(X).mean(axis=0))
    same = fit(X / size, y, fit_intercept=False, alpha=1e-8, tol=1e-15)
    apart = np.abs(result.w - same.w / size)
    assert np.all(apart <= result.certificate.coef + same.certificate.coef / size)
    assert np.all(apart <= 1e-3 * np.abs(result.w))


@pytest.mark.parametrize("copies", [40, 41])
def test_the_warning_says_which_weights_are_returned_however_many_relations(copies, rng):
    x = rng.normal(size=(100, 2))
    y = (x[:, 0] + rng.logistic(size=100) > 0).astype(int)
    with pytest.warns(CollinearityWarning) as caught:
        result = fit(np.c_[x, np.repeat(x[:, :1], copies, 1)], y)
    says_least = "the solution of least norm is returned" in str(caught[0].message)
    shared = np.ptp(np.r_[result.w[0], result.w[2:]]) < 1e-9
    assert says_least == shared


def test_gradient_descent_on_collinear_columns_speaks_of_its_own_point(rng):
    x = rng.normal(size=(100, 2))
    y = (x[:, 0] + rng.logistic(size=100) > 0).astype(int)
    with pytest.warns(CollinearityWarning, match="which ones are returned depends on the start"):
        result = fit(np.c_[x, x[:, 0]], y, method="gradient-descent", w0=[5.0, 0.0, -3.0])
    assert result.w[0] - result.w[2] == pytest.approx(8.0)


def test_a_tiny_penalty_on_collinear_columns_takes_no_more_reads_than_none(rng):
    x = rng.normal(size=(500, 3))
    y = (x[:, 0] + rng.logistic(size=500) > 0).astype(int)
    X = np.c_[x, x[:, 0] + x[:, 1]]
    with pytest.warns(CollinearityWarning):
        none = fit(X, y)
    assert fit(X, y, alpha=1e-16).reads <= none.reads + 4


@pytest.mark.filterwarnings("error:overflow")
@pytest.mark.filterwarnings("error:invalid value")
def test_absurd_coefficients_of_collinear_columns_are_bounded(rng):
    x = rng.normal(size=(50, 1))
    y = (x[:, 0] + rng.logistic(size=50) > 0).astype(int)
    for size in (1e150, 1e172, 1e200, 1e300):
        found = certify(np.c_[x, x], y, [size, size], 0.0)
        assert found.gap > size / 100


def test_a_weight_beyond_float64_is_no_result(rng):
    x = rng.normal(size=(50, 2))
    y = (x[:, 0] + x[:, 1] + rng.logistic(size=50) > 0).astype(int)
    with pytest.raises(InputError, match="'x2' is so small"):
        fit(x * [1.0, 1e-310], y)


@drawn
@given(st.integers(1, 5).flatmap(lambda n: st.tuples(numbers(n, 1e8), numbers(n))), st.floats(-1e-12, 1e-12))
def test_a_bias_and_a_product_are_rounded_once(product, off):
    center, w = (np.where(np.abs(of) < 1e-60, 0.0, of) for of in product)
    b = -float(center @ w) * (1 + off)
    exact = mp.mpf(b) + mp.fsum([mp.mpf(c) * mp.mpf(v) for c, v in zip(center.tolist(), w.tolist(), strict=True)])
    assert plus_product(b, center, w) == float(exact)


def test_a_bias_and_a_product_may_nearly_overflow():
    assert plus_product(-1e300, np.array([1e200]), np.array([1e100])) == float(
        mp.mpf(1e200) * mp.mpf(1e100) - mp.mpf(1e300)
    )


@pytest.mark.parametrize("is_centred", [True, False])
@pytest.mark.parametrize("by_powers_of_two", [True, False])
def test_how_far_a_state_is_from_the_returned_point_is_bounded_and_0_where_nothing_is_rounded(
    by_powers_of_two, is_centred, rng
):
    for _ in range(100):
        n = rng.integers(1, 6)
        scale = 2.0 ** rng.integers(-20, 20, n) if by_powers_of_two else 10.0 ** rng.uniform(-6, 6, n)
        center = is_centred * rng.normal(size=n) * 10.0 ** rng.integers(-3, 13, n)
        units, there = Units(center, scale), rng.normal(size=n + 1)
        point = UserPoint.of(*units.to_user(there[:-1], float(there[-1])), units)
        w = [mp.mpf(float(v)) for v in point.w]
        exact = [v * mp.mpf(float(s)) for v, s in zip(w, scale, strict=True)]
        exact += [mp.mpf(point.b) + mp.fsum([v * mp.mpf(float(c)) for v, c in zip(w, center, strict=True)])]
        far = [abs(v - mp.mpf(float(t))) for v, t in zip(exact, there, strict=True)]
        apart = point.apart(there)
        assert all(a <= mp.mpf(float(b)) for a, b in zip(far, apart, strict=True))
        assert np.all(apart <= np.array([float(v) for v in far]) + 4e-16 * np.abs(there) + 4e-16 * np.abs(point.theta))
        assert by_powers_of_two <= (not apart[:-1].any())
        assert (not is_centred) <= (not apart[-1])


@pytest.mark.parametrize("tol", [1e-1, 1e-3, 1e-9])
def test_a_large_tol_ends_no_run_before_something_is_proven(tol, rng):
    x = rng.normal(size=(400, 3))
    y = (x[:, 0] + rng.logistic(size=400) > 0).astype(int)
    with pytest.warns(CollinearityWarning):
        result = fit(np.c_[x, x[:, 0] - x[:, 1], np.full(400, 0.3)], y, tol=tol)
    assert result.certificate.kind == "reduced"
    assert result.certificate.gap <= tol
    # A level of one class alone: inf F is that of the other rows, with the level's column constant among them.
    level = (np.arange(400) < 9).astype(float)
    with pytest.warns(SeparationWarning):
        separated = fit(np.c_[x, level], np.where(level == 1, 1, y), tol=tol)
    rest = fit(x[9:], y[9:], tol=1e-13)
    least = rest.objective * 391 / 400
    assert least - max(tol, 1e-6) <= separated.certificate.infimum_at_least <= least
    assert separated.certificate.infimum_gap <= max(tol, 1e-6) + 1e-6
