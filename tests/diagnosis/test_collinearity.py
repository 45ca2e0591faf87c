import operator
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from chainrule import fit
from chainrule.data.designs import rows_of
from chainrule.data.rows import Rows
from chainrule.diagnosis.collinearity import correlation_tolerance, find_relations
from chainrule.diagnosis.exact import exact_signs
from chainrule.errors import CollinearityWarning
from chainrule.kernels.blocks import Blocks
from drawn_tools import drawn, numbers, whole
from finding_tools import sums_of


def dense(X, names=None, s=None):
    names = [f"x{j + 1}" for j in range(X.shape[1])] if names is None else names
    return Rows.of(Blocks.dense(X), np.zeros(len(X), dtype=np.uint8), s, names)


def relations(X, names=None, s=None, **options):
    return find_relations(dense(X, names, s), **options)


def sentences(X, names=None, s=None, **options):
    return [str(relation.finding) for relation in relations(X, names, s, **options).relations]


def as_rank(found, n):
    assert found.null_basis.shape == (n, n - len(found.pivots))
    np.testing.assert_allclose(found.null_basis.T @ found.null_basis, np.eye(n - len(found.pivots)), atol=1e-12)
    return len(found.pivots)


# Exact signs


def reference_signs(X, v, b):
    values = [sum((c * Fraction(float(x)) for c, x in zip(v, row, strict=True)), b) for row in X]
    return [(value > 0) - (value < 0) for value in values]


def dot(v, row):
    return sum((c * Fraction(x) for c, x in zip(v, row.tolist(), strict=True)), Fraction(0))


@st.composite
def planes(draw):
    """Rows, every second of them as near to the plane v.x = 0 as floats go; and v, of simple or long fractions."""
    k = draw(st.integers(1, 5))
    X = draw(numbers((8, k))) * 10.0 ** draw(whole(k, 8))
    fraction = st.builds(Fraction, st.integers(1, 9), st.integers(1, 8))
    long = st.floats(0.01, 3.0).map(Fraction) | st.floats(-3.0, -0.01).map(Fraction)
    v = draw(st.lists(fraction | st.builds(operator.mul, fraction, long), min_size=k, max_size=k))
    for i in range(0, 8, 2):
        X[i, -1] = float(-dot(v[:-1], X[i, :-1]) / v[-1])
    return X, v


@drawn
@given(planes(), st.booleans())
def test_signs_are_those_of_fractions_also_next_to_zero(plane, is_shifted):
    X, v = plane
    b = -dot(v, X[3]) if is_shifted else Fraction(0)
    found = exact_signs(X, v, b).tolist()
    assert found == reference_signs(X, v, b)
    assert not (is_shifted and found[3])


def test_signs_of_numbers_whose_products_underflow_or_overflow():
    X = np.array([[1e-300, 1e300], [5e-324, 5e-324], [5e-324, 1e-323], [0.0, 0.0], [1e308, 1e308], [1e308, -1e-308]])
    v = [Fraction(1), Fraction(-1)]
    assert exact_signs(X, v, Fraction(0)).tolist() == reference_signs(X, v, Fraction(0)) == [-1, 0, -1, 0, 0, 1]
    tiny = [Fraction(1, 10**200), Fraction(-(10**200))]
    assert exact_signs(X, tiny, Fraction(0)).tolist() == reference_signs(X, tiny, Fraction(0))


def test_signs_where_everything_cancels_but_the_last_bit():
    X = np.array(
        [[1e16, 1.0, -1e16, -1.0, 0.0], [1.0, 2.0**-60, -1.0, 0.0, 0.0], [1e300, 1.0, -1e300, -1.0, 5e-324], [0.0] * 5]
    )
    assert exact_signs(X, [Fraction(1)] * 5, Fraction(0)).tolist() == [0, 1, 1, 0]
    assert exact_signs(X, [Fraction(1)] * 5, Fraction(-1, 2**2000)).tolist() == [-1, 1, 1, -1]


# Relations


def test_weekend_example_is_named(rng):
    day = rng.integers(0, 7, 500)
    sat, sun = (day == 5) * 1.0, (day == 6) * 1.0
    X = np.column_stack([rng.normal(size=500), sat, sun, sat + sun])
    found = relations(X, ["age", "sat", "sun", "weekend"])
    (relation,) = found.relations
    assert str(relation.finding) == "sat + sun = weekend"
    assert relation.columns == ("sat", "sun", "weekend")
    assert relation.indices == (1, 2, 3)
    assert relation.coefficients == (-1.0, -1.0, 1.0)
    assert relation.constant == 0.0
    assert relation.exact
    assert found.pivots.tolist() == [0, 1, 2]
    assert found.exact


def test_dummy_trap_is_named_for_each_category(rng):
    species, island = rng.integers(0, 3, 400), rng.integers(0, 4, 400)
    X = np.hstack([np.eye(3)[species], np.eye(4)[island]])
    names = [f"species={c}" for c in "ABC"] + [f"island={c}" for c in "abcd"]
    assert sentences(X, names) == [
        "the levels of species add up to the intercept: species=A + species=B + species=C = 1",
        "the levels of island add up to the intercept: island=a + island=b + island=c + island=d = 1",
    ]
    # Without an intercept only the two sums are alike: one relation.
    assert as_rank(relations(X, names, fit_intercept=False), 7) == 6


def test_duplicates_shifts_and_constants(rng):
    k = rng.integers(-50, 50, (300, 2)).astype(float)
    X = np.column_stack([k, 2 * k[:, 0], k[:, 0] + 5, np.full(300, 3.0), k[:, 1] / 4])
    found = relations(X)
    assert [str(r.finding) for r in found.relations] == ["2 x1 = x3", "x1 + 5 = x4", "x5 is constant (3)", "x2 = 4 x6"]
    assert all(r.exact for r in found.relations)
    assert as_rank(found, 6) == 2
    assert sentences(X[:, :5], fit_intercept=False) == ["2 x1 = x3", "-5 x1 + 3 x4 = 3 x5"] or (
        as_rank(relations(X[:, :5], fit_intercept=False), 5) == 3
    )


@pytest.mark.parametrize(("p", "q"), [(1, 100), (17, 3), (1000, 1), (127, 50), (999, 1000)])
def test_simple_ratios_are_found(p, q, rng):
    k = rng.integers(-1000, 1000, 200).astype(float)
    (relation,) = relations(np.column_stack([p * k, q * k + 3])).relations
    assert relation.exact
    assert relation.coefficients == (-q, p)
    assert relation.constant == 3 * p


def test_collinear_up_to_rounding_is_not_called_exact(rng):
    X = rng.normal(size=(60, 2))
    X = np.column_stack([X, X[:, 0] + X[:, 1]])
    (relation,) = relations(X).relations
    assert str(relation.finding) == "x1 + x2 = x3 (up to rounding, not exactly)"
    assert relation.up_to_rounding
    assert not relation.exact
    exact = [Fraction(a) + Fraction(b) - Fraction(c) for a, b, c in X.tolist()]
    assert any(exact)
    assert 0 <= relation.deviation < 1e-15
    # The same on numbers whose sums don't round is exact.
    X = np.round(X * 2**20) / 2**20
    X[:, 2] = X[:, 0] + X[:, 1]
    assert relations(X).relations[0].exact


def test_one_row_off_by_a_last_bit_breaks_exactness(rng):
    X = rng.integers(-9, 10, (5000, 2)).astype(float)
    X = np.column_stack([X, X[:, 0] - 3 * X[:, 1] + 7])
    assert sentences(X) == ["x1 - 3 x2 + 7 = x3"]
    X[4321, 2] = np.nextafter(X[4321, 2], 99)
    (relation,) = relations(X).relations
    assert not relation.exact
    assert relation.up_to_rounding


def test_nearly_collinear_says_how_nearly(rng):
    X = rng.normal(size=(400, 2))
    X = np.column_stack([X, X[:, 0] + 1e-8 * rng.normal(size=400)])
    (relation,) = relations(X).relations
    assert not relation.exact
    assert not relation.up_to_rounding
    assert 1e-8 < relation.deviation < 1e-7
    assert "to within" in str(relation.finding)
    X[:, 2] = X[:, 0] + 1e-5 * rng.normal(size=400)
    assert relations(X).relations == ()


def test_deviations_of_a_relation_through_0_are_those_of_the_column(rng):
    X = np.column_stack([np.ones(100), 1e6 + rng.normal(size=100)])
    (relation,) = relations(X, fit_intercept=False, tolerance=1e-9).relations
    assert 1.0 < relation.deviation < 10.0


@drawn
@given(whole((9, 3), 20), whole((3, 2), 3), whole(2, 5), whole(5, 27))
def test_small_integer_relations_on_all_scales(base, combined, shift, powers):
    assume(np.linalg.matrix_rank(np.c_[base, np.ones(9)]) == 4)
    X = np.column_stack([base, base @ combined + shift]) * 2.0**powers
    found = relations(X)
    assert found.exact
    assert as_rank(found, 5) == 3
    for relation in found.relations:
        v = [Fraction(c) for c in relation.coefficients]
        assert all(dot(v, row) == Fraction(relation.constant) for row in X[:, relation.indices])
    z = (X - X.mean(axis=0)) / np.where(X.std(axis=0) > 0, X.std(axis=0), 1)
    assert np.abs(z @ found.null_basis).max() < 1e-12


def test_rows_of_weight_0_do_not_count(rng):
    X = rng.integers(-9, 10, (100, 2)).astype(float)
    X = np.column_stack([X, X[:, 0]])
    X[:10, 2] += 1
    X[10] = np.nan
    s = np.ones(100)
    assert len(relations(X, s=np.where(np.arange(100) == 10, 0.0, s)).relations) == 0
    s[:11] = 0
    assert sentences(X, s=s) == ["x1 = x3"]


@pytest.mark.parametrize("shape", [(20, 30), (5, 40), (2, 3)])
def test_wide_data_have_rank_of_the_rows_less_one(rng, shape):
    found = relations(rng.normal(size=shape))
    assert as_rank(found, shape[1]) == shape[0] - 1
    assert found.n_relations == shape[1] - shape[0] + 1
    assert not found.exact


def test_many_relations_are_not_all_listed(rng):
    found = relations(np.repeat(rng.normal(size=(100, 3)), 50, axis=1))
    assert len(found.relations) == 40
    assert found.n_relations == 147
    assert str(found.findings[-1]).endswith("and 107 more relations")
    assert not found.exact


def test_no_relation_in_full_rank_data_on_all_scales(rng):
    X = rng.normal(size=(500, 20)) * 10.0 ** rng.integers(-8, 9, 20)
    X += 1000 * X.std(axis=0)
    found = relations(X)
    assert found.relations == ()
    assert found.findings == ()
    assert found.pivots.tolist() == list(range(20))
    assert as_rank(found, 20) == 20


def test_float32_is_up_to_the_rounding_of_float32(rng):
    X = rng.normal(size=(300, 2)).astype(np.float32)
    X = np.column_stack([X, X[:, 0] + X[:, 1]])
    assert X.dtype == np.float32
    (relation,) = relations(X).relations
    assert (relation.columns, relation.coefficients, relation.constant) == (("x1", "x2", "x3"), (-1.0, -1.0, 1.0), 0.0)
    assert (relation.exact, relation.up_to_rounding) == (False, True)


def test_least_norm_keeps_the_predictions_and_shrinks(rng):
    k = rng.integers(-50, 50, (300, 2)).astype(float)
    X = np.column_stack([k, 2 * k[:, 0], k[:, 0] + 1000, np.full(300, 3.0)])
    rows = dense(X)
    found, moments = find_relations(rows), rows.moments()
    w, b = np.array([1.0, -2.0, 0.5, 3.0, 7.0]), 0.25
    short, bias = found.moved(rows, w, b, np.ones(5))
    np.testing.assert_allclose(X @ short + bias, X @ w + b, rtol=1e-12)
    sd = np.where(moments.sd > 0, moments.sd, 1.0)
    Z = (X - X.mean(axis=0)) / sd
    best = np.linalg.lstsq(Z, Z @ (w * sd), rcond=None)[0]
    np.testing.assert_allclose(short * sd, best, rtol=0, atol=1e-11 * np.abs(best).max())
    again, _ = found.moved(rows, short, bias, np.ones(5))
    np.testing.assert_allclose(again, short, rtol=1e-12, atol=1e-14)


def test_tolerance_grows_with_the_columns_and_the_depth_of_the_sum():
    assert correlation_tolerance(30, 10**6) > correlation_tolerance(30, 10**3) > correlation_tolerance(3, 10**3) > 0


@pytest.mark.parametrize("order", [1, -1])
def test_levels_that_add_up_to_the_intercept_are_not_mixed_with_those_of_another_category(rng, order):
    carrier = rng.integers(0, 5, 400)
    origin = np.array([0, 1, 1, 2, 2])[carrier]
    parts = [np.eye(5)[carrier], np.eye(3)[origin]][::order]
    names = [[f"carrier={c}" for c in "abcde"], [f"origin={c}" for c in "JKL"]][::order]
    found = relations(np.hstack(parts), [*names[0], *names[1]]).relations
    assert sums_of(found[0].finding) == {tuple(names[0]): 1.0}
    assert sorted(str(relation.finding) for relation in found[1:]) == (
        ["carrier=a = origin=J", "carrier=b + carrier=c = origin=K", "carrier=d + carrier=e = origin=L"]
        if order == 1
        else ["origin=J = carrier=a", "origin=K - carrier=b = carrier=c", "origin=L - carrier=d = carrier=e"]
    )


@pytest.mark.parametrize("weighted", [False, True])
def test_all_levels_of_a_large_category_add_up_to_the_intercept(weighted, rng):
    """However many they are, since each row has one: exactly, and no row is read for it."""
    m, k = 4_000, 130
    table = pa.table(
        {
            "x": rng.normal(size=m),
            "place": pa.DictionaryArray.from_arrays(
                rng.integers(0, k, m).astype(np.int16), [f"p{j}" for j in range(k)]
            ),
            "day": np.array(list("abc"))[rng.integers(0, 3, m)],
        }
    )
    y = rng.integers(0, 2, m)
    s = rng.integers(0, 3, m).astype(float) if weighted else None
    with pytest.warns(CollinearityWarning) as said:
        found = fit(table, y, sample_weight=s, coding="all")
    assert sums_of(said) == {tuple(f"place=p{j}" for j in range(k)): 1.0, ("day=a", "day=b", "day=c"): 1.0}
    assert (found.reason, found.certificate.kind, found.copies) == ("converged", "reduced", 1)
    assert found.certificate.gap <= found.tol
    plain = fit(table, y, sample_weight=s, coding="reference")
    assert found.objective == pytest.approx(plain.objective, abs=2e-9)


@pytest.mark.parametrize("large", [1e8, 1e12])
def test_levels_add_up_to_the_intercept_whatever_their_rows_weigh(large, rng):
    """A level of nearly all the weight hardly varies, and its correlations cancel."""
    m = 3_000
    x, codes = rng.normal(size=m), rng.integers(0, 3, m)
    y = (rng.random(m) < 1.0 / (1.0 + np.exp(-x))).astype(int)
    table = pa.table({"x": x, "c": np.array(list("abc"))[codes]})
    with pytest.warns(CollinearityWarning) as said:
        found = fit(table, y, sample_weight=np.where(codes == 2, large, 1.0), coding="all")
    assert sums_of(said) == {("c=a", "c=b", "c=c"): 1.0}
    assert (found.reason, found.certificate.kind) == ("converged", "reduced")


def test_a_column_that_only_rows_of_next_to_no_weight_vary_is_not_called_constant():
    X = np.array([[1.0, 3.0], [2.0, 3.0], [3.0, 3.0], [4.0, 0.0]])
    rows = rows_of(csr_array(X), [0, 1, 0, 1], [1e20, 2e20, 1e20, 1.0], n_threads=1)[0]
    (relation,) = find_relations(rows).relations
    assert str(relation.finding) == "x2 is constant (3) except in rows of almost no weight"
    assert not relation.exact
    assert not relation.up_to_rounding


@pytest.mark.parametrize("seed", range(20))
def test_whole_numbers_and_levels_are_checked_alike_by_the_core_and_exactly(seed, monkeypatch):
    """Sums of whole numbers below 2^53 don't round, so that the read decides; halves and large numbers are checked exactly."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 4, 200)
    number = np.array([[3.0, 7.0, 11.0, 2.0], [0.5, 2.0, 7.0, 1.5], [2.0**53, 1.0, 2.0, 5.0]][seed % 3])[codes]
    number[7] += [0.0, 1.0, 2.0**-20][seed % 4 % 3]
    table = pa.table({"c": codes.astype(str), "n": number, "x": rng.normal(size=200), "m": 2.0 * number + (codes == 1)})
    rows, _ = rows_of(table, rng.integers(0, 2, 200))
    quick = find_relations(rows)
    monkeypatch.setattr("chainrule.diagnosis.collinearity._is_zero", lambda *_: False)
    assert find_relations(rows).relations == quick.relations
    assert quick.n_relations >= 1
