import numpy as np
import pyarrow as pa
import pytest

from chainrule import InputError
from chainrule.data.designs import rows_of
from chainrule.data.rows import Rows, Units, moments, power_of_two
from chainrule.data.rows.moments import means_and_deviations, standardized
from chainrule.kernels.blocks import Blocks
from chainrule.kernels.reading import What
from chainrule.objective import DataObjective
from chainrule.penalties import ridge


def dense(X, y=None, s=None, **options):
    y = np.zeros(len(X), dtype=np.uint8) if y is None else y
    return Rows.of(Blocks.dense(X), y, s, [f"x{j}" for j in range(X.shape[1])], **options)


def test_moments_on_all_scales_and_far_from_zero(rng):
    m, n = 3000, 12
    scale = 10.0 ** np.linspace(-8, 8, n)
    X = (rng.normal(size=(m, n)) @ rng.normal(size=(n, n)) + 1000.0 * rng.normal(size=n)) * scale
    s = rng.choice([0.0, 0.5, 3.0], m)
    rows = dense(X, s=s)
    moments = rows.moments()
    mean = np.average(X, axis=0, weights=s)
    cov = np.cov(X, rowvar=False, aweights=s, ddof=0)
    sd = np.sqrt(np.diag(cov))
    np.testing.assert_allclose(moments.mean, mean, rtol=1e-14)
    np.testing.assert_allclose(moments.sd, sd, rtol=1e-11)
    np.testing.assert_allclose(moments.correlation, cov / np.outer(sd, sd), rtol=0, atol=1e-11)
    assert moments.weight == pytest.approx(s.sum(), rel=1e-15)
    assert rows.reads == 1


@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_moments_beside_a_gradient_cost_no_read(kind, rng):
    X = (rng.normal(size=(5000, 7)) * 10.0 ** np.arange(-3, 4) + 3.0).astype(kind)
    s = rng.choice([0.0, 0.5, 3.0], len(X))
    X[s == 0.0, 2] = np.nan
    X[:, 5] = 3.0
    y = rng.integers(0, 2, len(X)).astype(np.uint8)
    whole, beside = dense(X, y, s), dense(X, y, s)
    center = np.append(X[0, :6], 0.0)
    center[2] = 3.0
    beside = beside.see(Units(center, 2.0 ** np.arange(7)))
    w, ask = rng.normal(size=7), What.GRADIENT | What.HESSIAN | What.SQUARES
    sums, plain = (beside.read(what, w, 0.3) for what in (ask | What.SUMS | What.EXTREMES, ask))
    np.testing.assert_array_equal(sums.gradient, plain.gradient)
    np.testing.assert_array_equal(sums.matrix, plain.matrix)
    found, known = beside.moments(correlations=False), whole.moments(correlations=False)
    assert beside.reads == 2.0
    assert found.sd[5] == 0.0
    assert np.all(np.abs(found.mean - known.mean) <= 1e-14 * np.hypot(known.mean, known.sd))
    np.testing.assert_allclose(found.sd, known.sd, rtol=1e-12)
    np.testing.assert_array_equal([found.low, found.high], [known.low, known.high])
    assert found.weight == pytest.approx(known.weight, rel=1e-15)
    assert beside.moments().correlation is not None


@pytest.mark.parametrize("weighted", [False, True])
def test_means_and_deviations_are_the_moments_in_one_read_without_extremes(rng, monkeypatch, weighted):
    X = np.column_stack([rng.normal(size=(3000, 3)) * [1.0, 1e150, 1e-150] + [1e3, 0.0, 1e-150], np.full(3000, 0.1)])
    X[7:, 1] *= 1e-3
    y, s = rng.integers(0, 2, 3000).astype(np.uint8), rng.choice([0.0, 1.0, 2.0], 3000) if weighted else None
    asked, read = [], moments.read
    monkeypatch.setattr(
        moments, "read", lambda design, what, **given: asked.append(what) or read(design, what, **given)
    )
    rows = dense(X, y, s)
    mean, sd = means_and_deviations(rows)
    assert asked == [What.SUMS | What.SQUARES]
    known = rows.moments(correlations=False)
    np.testing.assert_array_equal([mean, sd], [known.mean, known.sd])
    assert sd[3] == 0.0


def test_a_column_unlike_its_guess_has_its_deviation(rng):
    X = np.full((3000, 1), 1e9)
    X[1::2] = rng.normal(size=(1500, 1))  # none of which is among the rows that the units are guessed from
    X[::2] += 1e-3 * rng.normal(size=(1500, 1))
    mean, sd = means_and_deviations(dense(X, rng.integers(0, 2, 3000).astype(np.uint8)))
    np.testing.assert_allclose([mean, sd], [X.mean(axis=0), X.std(axis=0)], rtol=1e-12)


def test_moments_where_squares_would_cancel_are_read(rng):
    X = rng.normal(size=(3000, 2)) + 1e6
    rows = dense(X, rng.integers(0, 2, len(X)).astype(np.uint8))
    rows = rows.see(Units(np.full(2, 0.5), np.ones(2)))
    rows.read(What.GRADIENT | What.SQUARES | What.SUMS | What.EXTREMES, np.zeros(2), 0.0)
    np.testing.assert_allclose(rows.moments(correlations=False).sd, X.std(axis=0), rtol=1e-10)
    assert rows.reads == 2.0


def test_moments_where_the_guess_is_misled(rng):
    # The rows that the first guess looks at are alike and far from all others.
    X = rng.normal(size=(25_501, 2)) * 1e-3 + 5000.0
    X[np.unique(np.linspace(0, len(X) - 1, 256).astype(int))] = 0.0
    X[:, 1] = 5000.0 + rng.normal(size=len(X))
    moments = dense(X).moments()
    np.testing.assert_allclose(moments.sd, X.std(axis=0), rtol=1e-10)
    np.testing.assert_allclose(moments.mean, X.mean(axis=0), rtol=1e-13)


def test_moments_without_the_matrix_agree_with_it(rng, monkeypatch):
    X = rng.normal(size=(2000, 5)) * [1, 10, 100, 1e3, 1e4] + 7
    whole = dense(X).moments()
    monkeypatch.setattr("chainrule.data.rows.rows.MAX_MATRIX_COLUMNS", 4)
    short = dense(X).moments()
    assert short.correlation is None
    np.testing.assert_allclose(short.sd, whole.sd, rtol=1e-13)
    np.testing.assert_allclose(short.mean, whole.mean, rtol=1e-13)


def test_constant_column_has_deviation_zero_exactly(rng):
    X = rng.normal(size=(5000, 3))
    X[:, 1] = 0.1
    moments = dense(X).moments()
    assert moments.sd[1] == 0.0
    assert moments.mean[1] == 0.1
    assert not moments.correlation[1].any()


@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1e155, 1e300])
def test_extreme_columns_are_scaled_not_overflowed(scale, rng):
    X = rng.normal(size=(4000, 3))
    X[:, 1] *= scale
    y = (rng.random(4000) < 0.4).astype(np.uint8)
    rows = dense(X, y)
    moments = rows.moments()
    np.testing.assert_allclose(moments.sd[1] / scale, (X[:, 1] / scale).std(), rtol=1e-12)
    rows = standardized(rows, np.ones(3, dtype=bool))
    w = np.array([0.3, -0.2, 0.1])
    sums = rows.read(What.GRADIENT, w, 0.1)
    assert np.isfinite(sums.gradient).all()
    Z = X / [1.0, scale, 1.0]
    Z = (Z - Z.mean(axis=0)) / Z.std(axis=0)
    z = Z @ w + 0.1
    expected = Z.T @ (1 / (1 + np.exp(-z)) - y)
    np.testing.assert_allclose(sums.gradient, expected, rtol=0, atol=1e-9)


def test_standardized_view_is_the_standardized_matrix(rng):
    X = rng.normal(size=(2500, 6)) * [1e-6, 1, 10, 1e3, 1e6, 1] + [1e-3, -5, 0, 1e6, 0, 3]
    y = (rng.random(2500) < 0.5).astype(np.uint8)
    mask = np.array([True, True, False, True, True, False])
    rows = dense(X, y)
    rows = standardized(rows, mask)
    Z = X.copy()
    Z[:, mask] = (X[:, mask] - X[:, mask].mean(axis=0)) / X[:, mask].std(axis=0)
    w, b = rng.normal(size=6) * 0.1, 0.3
    z, on = np.empty(len(X)), DataObjective(rows, ridge(0.2, rows.n_features))
    found = on.evaluate(np.append(w, b), What.HESSIAN, z=z)
    h = on.curvatures(z)
    expected = DataObjective(dense(np.ascontiguousarray(Z), y), ridge(0.2, Z.shape[1])).evaluate(
        np.append(w, b), What.HESSIAN
    )
    assert found.objective == pytest.approx(expected.objective, rel=1e-10)
    np.testing.assert_allclose(found.gradient[:-1], expected.gradient[:-1], rtol=0, atol=1e-10)
    np.testing.assert_allclose(found.hessian, expected.hessian, rtol=0, atol=1e-10 * np.abs(expected.hessian).max())
    largest = np.abs(found.hessian).max()
    weighted = found.hessian.diagonal() - np.append(np.full(6, 0.2), 0.0)
    np.testing.assert_allclose(rows.diagonal(h) / len(X), weighted, rtol=1e-11)
    some = np.array([4, 0, 3])
    block = found.hessian[np.ix_(np.append(some, 6), np.append(some, 6))]
    np.testing.assert_allclose(on.hessian_block(h, some), block, rtol=0, atol=1e-11 * largest)
    w_user, b_user = rows.units.to_user(w, b)
    np.testing.assert_allclose(X @ w_user + b_user, Z @ w + b, rtol=0, atol=1e-9)
    np.testing.assert_allclose(rows.units.to_fit(w_user, b_user)[0], w, rtol=1e-14)


def test_units_are_inverse_to_each_other(rng):
    units = Units(rng.normal(size=4), 10.0 ** rng.integers(-3, 3, 4))
    w, b = rng.normal(size=4), 0.7
    back = units.to_fit(*units.to_user(w, b))
    np.testing.assert_allclose(back[0], w, rtol=1e-15)
    assert back[1] == pytest.approx(b, abs=1e-9)


def test_power_of_two():
    sizes = np.array([1.0, 1.9, 2.0, 1e300, 1e-300, 3e-5, 0.0])
    p = power_of_two(sizes)
    assert np.all((sizes * p >= 1) & (sizes * p < 2) | (sizes == 0))
    assert np.all(np.frexp(p)[0] == 0.5)
    assert p[-1] == 1.0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_non_finite_element_is_named_by_row_and_column(bad, rng):
    X = rng.normal(size=(1500, 4))
    X[1200, 2] = bad
    with pytest.raises(InputError, match=r"row 1201, column 'x2'"):
        dense(X).moments()


def test_objective_without_intercept_has_no_bias_derivatives(rng):
    X = rng.normal(size=(300, 3))
    y = (rng.random(300) < 0.5).astype(np.uint8)
    objective = DataObjective(dense(X, y), ridge(0.1, X.shape[1]), fit_intercept=False)
    at = objective.evaluate(np.zeros(4), What.HESSIAN)
    assert at.gradient[-1] == 0.0
    assert not at.hessian[-1].any()
    assert objective.reads == 1


@pytest.mark.parametrize("coding", ["reference", "all"])
@pytest.mark.parametrize("weighted", [False, True])
def test_what_the_encoder_saw_is_what_the_rows_have(coding, weighted):
    """Counts of levels and marks, and extremes, are handed on by the encoder, so that no later read looks for them."""
    rng = np.random.default_rng(5)
    m = 60
    x = rng.normal(100.0, 3.0, m)
    x[::9] = np.nan
    frame = {"x": x, "n": rng.integers(-4, 9, m), "city": rng.choice(["a", "b", "c"], m), "f": rng.random(m) < 0.5}
    frame["gap"] = pa.array([None if k % 7 == 0 else str(k % 3) for k in range(m)])
    s = rng.integers(0, 3, m).astype(float) if weighted else None
    rows = rows_of(frame, rng.integers(0, 2, m).astype(np.uint8), s, coding=coding, n_threads=1)[0]
    seen, numeric = rows.numbers()[rows.is_kept], rows.design.numeric
    assert np.array_equal(rows.learned["row counts"], np.where(numeric, 0, np.count_nonzero(seen, axis=0)))
    low, high = rows.learned["extremes"]
    assert np.array_equal(low[numeric], seen.min(axis=0)[numeric])
    assert np.array_equal(high, seen.max(axis=0))
    assert (low <= seen.min(axis=0)).all()
