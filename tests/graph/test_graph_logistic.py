"""The article's graph against the article's formulas, written out by hand."""

import mpmath
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from chainrule import InputError, graph
from drawn_tools import classes, drawn, few, numbers

EDGES = (0.0, 18.0, -18.0, 37.0, -37.0, 710.0, -710.0, 1e4, -1e4)


def problem(seed, m=40, n=5):
    generator = np.random.default_rng(seed)
    X = generator.normal(size=(m, n)) * generator.uniform(0.1, 3.0, n)
    y = generator.integers(0, 2, m).astype(float)
    return X, y, generator.normal(size=n), float(generator.normal()), generator.uniform(0.0, 3.0, m)


def close(actual, exact, scale):
    """Agree to 1e-13 of a scale, or some of the smallest numbers; `exact` and `scale` are mpmath numbers."""
    actual = np.ravel(np.asarray(actual, dtype=float))
    assert len(actual) == len(exact)
    return all(abs(one - other) <= 1e-13 * size + 1e-322 for one, other, size in zip(actual, exact, scale, strict=True))


@st.composite
def problems(draw):
    """Rows, labels, a point and weights or None; |z| is below 20."""
    m, n = draw(st.integers(2, 8)), draw(st.integers(1, 3))
    s = draw(st.none() | arrays(float, m, elements=st.floats(0.1, 3.0)))
    return draw(numbers((m, n))), draw(classes(m)).astype(float), draw(numbers(n, 2.0)), draw(st.floats(-2, 2)), s


@drawn
@given(problems())
def test_m_rows_against_the_article(problem):
    """The article's formulas as they are printed, in arithmetic of 50 digits."""
    X, y, w, b, s = problem
    made = graph.logistic_graph(X, y, w, b, s).backward()
    s = np.ones_like(y) if s is None else s
    rows = []
    with mpmath.workdps(50):
        S = mpmath.fsum(s)
        for x_i, y_i, s_i in zip(X, y, s, strict=True):
            x_i, y_i, s_i = [mpmath.mpf(each) for each in x_i], mpmath.mpf(y_i), mpmath.mpf(s_i)
            z = mpmath.fdot(x_i, w) + b
            g = 1 / (1 + mpmath.exp(-z))
            loss = -(y_i * mpmath.log(g) + (1 - y_i) * mpmath.log(1 - g))
            dL_dg = (1 - y_i) / (1 - g) - y_i / g
            dg_dz = mpmath.exp(-z) / (mpmath.exp(-z) + 1) ** 2
            size = mpmath.fsum(abs(each * float(w_j)) for each, w_j in zip(x_i, w, strict=True)) + abs(b)
            rows.append((z, g, loss, dL_dg, dg_dz, dL_dg * dg_dz, s_i / S, size))
        z, g, loss, dL_dg, dg_dz, product, share, size = zip(*rows, strict=True)
        assert close(made.z.value, z, size)
        # z's own rounding shifts what follows by as much
        for actual, exact in ((made.g.value, g), (made.loss.value, loss), (made.dg_dz, dg_dz), (made.dL_dz, product)):
            assert close(actual, exact, [abs(each) * max(1, wide) for each, wide in zip(exact, size, strict=True)])
        # the article's way through g: 1 - g keeps fewer digits the nearer g is to 1
        lost = [max(1, wide) / (1 - p) for p, wide in zip(g, size, strict=True)]
        for actual, exact in ((made.article_loss.value, loss), (made.dL_dg, dL_dg), (made.article_product, product)):
            assert close(actual, exact, [abs(each) * much for each, much in zip(exact, lost, strict=True)])
        L = mpmath.fdot(share, loss)
        on_its_way = mpmath.fdot(share, [each * much for each, much in zip(loss, lost, strict=True)])
        assert close([made.L.value, made.article_L.value], [L, L], [L, on_its_way])
        for j in range(X.shape[1]):
            terms = [part * mine * float(x_ij) for part, mine, x_ij in zip(share, product, X[:, j], strict=True)]
            assert close(made.dL_dw[j], [mpmath.fsum(terms)], [mpmath.fsum(abs(each) for each in terms)])
        terms = [part * mine for part, mine in zip(share, product, strict=True)]
        assert close(made.dL_db, [mpmath.fsum(terms)], [mpmath.fsum(abs(each) for each in terms)])
    np.testing.assert_array_equal(made.dz_dw, X)
    np.testing.assert_array_equal(made.dz_db, np.ones(len(y)))


def test_the_nodes_have_their_gradients_after_backward():
    X, y, w, b, s = problem(1)
    made = graph.logistic_graph(X, y, w, b, s)
    assert made.w.gradient is None
    assert made.g.gradient is None
    made.backward()
    np.testing.assert_array_equal(made.w.gradient, made.dL_dw)
    np.testing.assert_array_equal(made.b.gradient, made.dL_db)
    np.testing.assert_allclose(made.z.gradient, s * made.dL_dz / s.sum(), rtol=1e-14)
    np.testing.assert_allclose(made.g.gradient, s * made.dL_dg / s.sum(), rtol=1e-14)
    assert made.X.gradient is None
    before = made.w.gradient
    made.backward()
    np.testing.assert_array_equal(made.w.gradient, before)


def test_derivatives_do_not_depend_on_which_backward_ran_last():
    X, y, w, b, _ = problem(2)
    made = graph.logistic_graph(X, y, w, b)
    before = made.dL_dw
    made.article_L.backward()
    assert made.dL_dw is before
    np.testing.assert_allclose(made.w.gradient, before, rtol=1e-12, atol=1e-15)


def test_one_row_is_a_graph_of_single_numbers():
    x, w, b = np.array([2.0, -1.0]), np.array([0.5, 0.25]), 0.1
    made = graph.logistic_graph(x, 1.0, w, b).backward()
    z = 2.0 * 0.5 - 0.25 + 0.1
    g = 1 / (1 + np.exp(-z))
    assert made.z.shape == made.g.shape == made.loss.shape == made.L.shape == made.dL_dg.shape == ()
    assert float(made.z.value) == pytest.approx(z, rel=1e-15)
    assert float(made.L.value) == float(made.loss.value) == pytest.approx(-np.log(g), rel=1e-14)
    assert float(made.dL_dg) == pytest.approx(-1 / g, rel=1e-15)
    np.testing.assert_allclose(made.dL_dw, (g - 1) * x, rtol=1e-14)
    assert float(made.dL_db) == pytest.approx(g - 1, rel=1e-14)
    as_rows = graph.logistic_graph(x[None], [1.0], w, b)
    np.testing.assert_array_equal(as_rows.dL_dw, made.dL_dw)


@pytest.mark.parametrize("z", EDGES)
@pytest.mark.parametrize("y", [0.0, 1.0])
def test_saturated_rows_have_both_forms(z, y):
    made = graph.logistic_graph([[z, 2.0]], [y], [1.0, 0.0], 0.0).backward()
    g = float(made.g.value[0])
    assert (g in (0.0, 1.0)) == (z >= 37 or z <= -1e4)
    # at z = -710 g is not 0, but 1/g overflows
    assert made.is_saturated[0] == (g in (0.0, 1.0) or (z, y) == (-710.0, 1.0))
    with mpmath.workdps(10_000):
        t = (1 - 2 * int(y)) * mpmath.mpf(z)
        loss, residual = float(mpmath.log1p(mpmath.exp(t))), float((1 - 2 * int(y)) / (1 + mpmath.exp(-t)))
    # 1.5e-323: below the normal range a float64 holds fewer digits
    assert float(made.L.value) == pytest.approx(loss, rel=1e-15, abs=1.5e-323)
    for derivative, factor in ((made.dL_dz[0], 1.0), (made.dL_db, 1.0), (made.dL_dw[0], z), (made.dL_dw[1], 2.0)):
        assert float(derivative) == pytest.approx(residual * factor, rel=1e-15, abs=1.5e-323 * max(1.0, abs(factor)))
    if made.is_saturated[0]:
        assert not np.isfinite(made.article_product[0])
    else:
        assert float(made.article_product[0]) == pytest.approx(residual, rel=1e-7, abs=1e-15)
    assert graph.gradient_check(made.L).max_error < 1e-14


def test_a_wrongly_saturated_row_breaks_the_article_and_not_the_stable_way():
    made = graph.logistic_graph([[40.0], [1.0]], [0.0, 1.0], [1.0], 0.0).backward()
    assert float(made.article_L.value) == np.inf
    assert not np.isfinite(made.g.gradient).all()
    assert float(made.L.value) == pytest.approx((40.0 + np.log1p(np.exp(-1.0))) / 2, rel=1e-15)
    assert np.isfinite(made.w.gradient).all()


@few
@given(problems(), arrays(np.int64, 8, elements=st.integers(0, 3)))
def test_integer_weights_are_repeated_rows(problem, s):
    X, y, w, b, _ = problem
    s = s[: len(y)]
    assume(s.any())
    weighted = graph.logistic_graph(X, y, w, b, s)
    repeated = graph.logistic_graph(np.repeat(X, s, axis=0), np.repeat(y, s), w, b)
    assert float(weighted.L.value) == pytest.approx(float(repeated.L.value), rel=1e-14)
    scale = np.abs(repeated.dL_dz[:, None] * repeated.X.value).mean(axis=0)
    assert np.all(np.abs(weighted.dL_dw - repeated.dL_dw) <= 1e-14 * scale)
    assert float(weighted.dL_db) == pytest.approx(float(repeated.dL_db), abs=1e-15)


def test_only_the_ratio_of_weights_counts_and_ones_change_nothing():
    X, y, w, b, s = problem(3)
    one, other = (graph.logistic_graph(X, y, w, b, factor * s) for factor in (1.0, 1024.0))
    np.testing.assert_array_equal(one.dL_dw, other.dL_dw)
    plain, ones = (graph.logistic_graph(X, y, w, b, each) for each in (None, np.ones_like(y)))
    assert float(plain.L.value) == float(ones.L.value)
    np.testing.assert_allclose(plain.dL_dw, ones.dL_dw, rtol=1e-14, atol=1e-16)


def test_gradient_check_of_both_ways():
    X, y, w, b, s = problem(5)
    made = graph.logistic_graph(X, y, w, b, s)
    for output in (made.L, made.article_L):
        check = graph.gradient_check(output)
        assert set(check.errors) == {"w", "b"}
        assert check.max_error < 1e-14


def test_a_penalty_is_one_more_node():
    X, y, w, b, _ = problem(6)
    made = graph.logistic_graph(X, y, w, b)
    F = made.L + 0.3 / 2 * (made.w @ made.w)
    F.backward()
    np.testing.assert_allclose(made.w.gradient, made.dL_dw + 0.3 * w, rtol=1e-14, atol=1e-15)
    assert float(made.b.gradient) == float(made.dL_db)
    assert graph.gradient_check(F).max_error < 1e-14


def test_the_gradient_is_zero_at_a_known_optimum():
    """One indicator column: the optimum has the log-odds of each group."""
    X = np.array([[0.0]] * 10 + [[1.0]] * 8)
    y = np.array([1.0] * 3 + [0.0] * 7 + [1.0] * 6 + [0.0] * 2)
    b, w = np.log(3 / 7), np.log(6 / 2) - np.log(3 / 7)
    made = graph.logistic_graph(X, y, [w], b)
    assert abs(float(made.dL_db)) < 1e-16
    assert abs(float(made.dL_dw[0])) < 1e-16


def test_gradient_descent_on_the_graph_lowers_the_loss():
    X, y, w, b, _ = problem(7)
    losses = []
    for _ in range(5):
        made = graph.logistic_graph(X, y, w, b)
        losses.append(float(made.L.value))
        w, b = w - 0.05 * made.dL_dw, b - 0.05 * float(made.dL_db)
    assert np.all(np.diff(losses) < 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"X": np.zeros((2, 2, 2))}, "'X' has shape"),
        ({"X": np.zeros((0, 2)), "y": []}, r"'X' has shape \(0, 2\)"),
        ({"w": [1.0]}, r"'w' has shape \(1,\), .*: m rows need \(m, n\), \(m,\), \(n,\) and \(\)"),
        ({"b": [1.0, 2.0]}, r"'b' has shape \(2,\)"),
        ({"y": [1.0]}, r"'X' has shape \(3, 2\), 'y' has shape \(1,\)"),
        ({"X": [1.0, 2.0]}, r"one row \(n,\), \(\), \(n,\) and \(\)"),
        ({"y": [0.0, 1.0, 2.0]}, "'y' has the class 2; classes are 0 and 1"),
        ({"y": [0.0, 1.0, np.nan]}, "'y' has a NaN"),
        ({"y": ["a", "b", "a"]}, "'y' is not an array"),
        ({"X": [[1.0, np.inf], [0.0, 0.0], [0.0, 0.0]]}, "'X' has a NaN"),
        ({"w": [np.nan, 1.0]}, "'w' has a NaN"),
        ({"b": np.inf}, "'b' has a NaN"),
        ({"X": np.full((3, 2), 1e300), "w": [1e300, 1e300]}, "z = x.w [+] b is too large"),
        ({"sample_weight": [1.0, 1.0]}, "'sample_weight' has shape"),
        ({"sample_weight": [1.0, -1.0, 1.0]}, "'sample_weight' has the negative weight -1"),
        ({"sample_weight": [0.0, 0.0, 0.0]}, "'sample_weight' adds up to 0"),
        ({"sample_weight": [1e308, 1e308, 1e308]}, "'sample_weight' adds up to inf"),
        ({"sample_weight": [1e-310, 1e-310, 1e-310]}, "the sum must be between 1e-200 and 1e200"),
        ({"sample_weight": [1.0, np.nan, 1.0]}, "'sample_weight' has a NaN"),
    ],
)
def test_bad_input_is_named(change, message):
    arguments = {"X": np.ones((3, 2)), "y": [0.0, 1.0, 1.0], "w": [0.1, 0.2], "b": 0.0} | change
    with pytest.raises(InputError, match=message):
        graph.logistic_graph(**arguments)


@pytest.mark.parametrize("scale", [1e-200, 1e-9, 1e199])
def test_weights_of_any_scale_give_the_same_graph(scale):
    X, y = np.array([[1000.0], [-2.0], [0.5]]), np.array([0.0, 1.0, 1.0])
    expected = graph.logistic_graph(X, y, [1.0], 0.0).backward()
    found = graph.logistic_graph(X, y, [1.0], 0.0, sample_weight=np.full(3, scale)).backward()
    assert float(found.L.value) == pytest.approx(float(expected.L.value), rel=1e-15)
    np.testing.assert_allclose(found.dL_dw, expected.dL_dw, rtol=1e-15)


def test_row_of_weight_zero_does_not_count_where_the_article_divides_by_zero():
    X, y = np.array([[1000.0], [-2.0], [0.5]]), np.array([0.0, 1.0, 1.0])
    found = graph.logistic_graph(X, y, [1.0], 0.0, sample_weight=[0.0, 1.0, 1.0]).backward()
    expected = graph.logistic_graph(X[1:], y[1:], [1.0], 0.0).backward()
    assert float(found.article_L.value) == float(expected.article_L.value)
    np.testing.assert_array_equal(found.dL_dw, expected.dL_dw)
