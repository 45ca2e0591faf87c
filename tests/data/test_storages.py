"""Tables with categories and sparse matrices against the dense matrix that they stand for: sums, bits, fits, words."""

import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import tests_data
from chainrule import fit
from chainrule.data.rows import Units
from chainrule.errors import ChainruleWarning, CollinearityWarning, SeparationWarning
from chainrule.kernels.reading import What
from finding_tools import levels_of, sums_of, values_of
from storage_tools import random_case

pytestmark = pytest.mark.usefixtures("any_mark")

TOLERANCE = 1e-13  # of the sum of absolute terms


def assert_near(found, expected, terms):
    assert np.all(np.abs(found - expected) <= TOLERANCE * terms), np.abs(found - expected).max()


def compare(rows, dense, x, size, s, rng):
    """All sums of rows against those of dense ones; x: rows as they are seen, with the 1; size: of their terms."""
    m, n = x.shape[0], x.shape[1] - 1
    w, b = rng.normal(size=n) / np.maximum(size[:, :-1].max(axis=0), 1.0) / np.sqrt(n), rng.normal()
    z, h = np.zeros((2, m)), np.zeros((2, m))
    ask = What.GRADIENT | What.HESSIAN | What.SQUARES
    found, expected = (of.read(ask, w, b, z=z[k], h=h[k]) for k, of in enumerate((rows, dense)))
    kept = s > 0
    assert_near(z[0, kept], z[1, kept], size[kept] @ np.append(np.abs(w), abs(b)))
    assert_near(h[0, kept], h[1, kept], h[1, kept] * (1.0 + size[kept] @ np.append(np.abs(w), abs(b))))
    residual = np.abs(1.0 / (1.0 + np.exp(-z[1])) - dense.y) * s
    curvature = h[1] * s
    assert_near(found.loss, expected.loss, expected.loss)
    assert found.correct == pytest.approx(expected.correct, rel=1e-14)
    assert found.weight == pytest.approx(expected.weight, rel=1e-14)
    assert_near(np.append(found.gradient, found.bias), np.append(expected.gradient, expected.bias), residual @ size)
    assert_near(found.squares, expected.squares, s @ size[:, :-1] ** 2)
    assert_near(found.matrix, expected.matrix, (size * curvature[:, np.newaxis]).T @ size)
    assert_near(rows.diagonal(h[1]), dense.diagonal(h[1]), curvature @ size**2)
    some = rng.permutation(n)[: int(rng.integers(1, n + 1))]
    with_bias = np.append(some, n)
    block = ((size * curvature[:, np.newaxis]).T @ size)[np.ix_(with_bias, with_bias)]
    assert_near(rows.gram(h[1], some), expected.matrix[np.ix_(with_bias, with_bias)], block)
    scores = rows.scores(w, b)
    assert_near(scores[kept], x[kept] @ np.append(w, b), size[kept] @ np.append(np.abs(w), abs(b)))


def compare_moments(rows, dense, X, s):
    found, expected = rows.moments(), dense.moments()
    assert_near(found.mean, expected.mean, s @ np.abs(X) / s.sum())
    # Deviations: of a sum of squares, of a sparse matrix about 0.
    square = s @ X**2 / s.sum()
    assert np.all(np.abs(found.sd**2 - expected.sd**2) <= TOLERANCE * square)
    np.testing.assert_array_equal([found.low, found.high], [expected.low, expected.high])
    assert found.weight == pytest.approx(expected.weight, rel=1e-14)
    if found.correlation is not None:
        loss = np.sqrt(square) / np.where(expected.sd > 0, expected.sd, 1.0)
        assert np.all(np.abs(found.correlation - expected.correlation) <= 10 * TOLERANCE * np.outer(loss, loss))


@pytest.mark.parametrize("start", range(0, 100, 50))
def test_every_sum_is_that_of_the_expanded_table(start):
    for seed in range(start, start + 50):
        case, rng = random_case(seed), np.random.default_rng(seed)
        table, sparse, dense = case.storages()
        assert list(table.feature_names) == case.names, seed
        np.testing.assert_array_equal(table.design.numeric, case.numeric)
        s, n = np.ones(len(case.y)) if table.s is None else table.s, len(case.names)
        X = case.filled
        np.testing.assert_allclose(np.nan_to_num(table.numbers()[case.kept]), X[case.kept], rtol=1e-14)
        for rows in (table, sparse):
            compare_moments(rows, dense, X, s)
        center = np.where(case.numeric, rng.normal(size=n), 0.0) * (rng.random() < 0.5)
        scale = np.where(case.numeric, 2.0 ** rng.integers(-3, 4, n), 1.0)
        for rows, units in ((table, Units(center, scale)), (sparse, Units(np.zeros(n), scale))):
            x, size = (X - units.center) / units.scale, (np.abs(X) + np.abs(units.center)) / units.scale
            x, size = (np.column_stack([of, np.ones(len(X))]) * case.kept[:, np.newaxis] for of in (x, size))
            compare(rows.see(units), dense.see(units), x, size, s, rng)


def caught(X, y, **options):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        result = fit(X, y, method="newton", **options)
    assert all(issubclass(w.category, ChainruleWarning) for w in said), [str(w.message) for w in said]
    return result


@pytest.mark.parametrize("start", range(0, 108, 54))
def test_fits_agree_within_their_certificates(start):
    kinds = []
    for seed in range(start, start + 54):
        # Without a penalty small tables are mostly separated, which takes its time: some of these will do.
        alpha = [0.0, 0.05, 1e-4, 1e-2, 1e-3, 1.0][seed % 6]
        case = random_case(seed, m=[60, 250, 20][seed // 6 % 3])
        options = {"sample_weight": case.s, "alpha": alpha}
        dense = caught(case.filled, case.y, feature_names=case.names, **options)
        table = caught(case.table, case.y, coding=case.coding, **options)
        sparse = caught(sp.csr_array(case.filled), case.y, feature_names=case.names, **options)
        # A first level of one class is replaced, and said to be infinite.
        assert table.feature_names == dense.feature_names or table.certificate.kind == "limit"
        for found in (table, sparse):
            a, c = found.certificate, dense.certificate
            assert a.kind == c.kind or (a.kind, c.kind) == ("limit", "ridge"), seed
            # Levels and sparse columns are not centred: under the tiny ridge of separated data less may be proven of them.
            assert found.reason == dense.reason or a.kind == "ridge", seed
            # Of separated classes the point is the optimum of another F, and the objective is near its infimum.
            gap = a.infimum_gap + c.infimum_gap if c.kind == "ridge" else a.gap + c.gap
            assert abs(found.objective - dense.objective) <= gap + 1e-14 * dense.objective, seed
            if a.kind not in ("reduced", "limit"):
                assert np.all(np.abs(found.w - dense.w) <= a.coef + c.coef + 1e-15 * np.abs(dense.w)), seed
                assert abs(found.b - dense.b) <= a.intercept + c.intercept + 1e-15 * abs(dense.b), seed
        kinds.append(table.certificate.kind)
    assert kinds.count("bound") >= 33


# --- bits ------------------------------------------------------------------------------------------------------------


def large(seed=0, m=60_000):
    rng = np.random.default_rng(seed)
    x = np.where(rng.random(m) < 0.1, np.nan, rng.normal(size=m)).astype(np.float32)
    table = pd.DataFrame(
        {
            "few": pd.Categorical.from_codes(rng.integers(-1, 7, m), list("abcdefg")),
            "many": pd.Categorical.from_codes(rng.integers(0, 60, m), [f"v{k}" for k in range(60)]),
            "x": x,
            "k": rng.integers(0, 9, m),
        }
    )
    z = 0.3 * table["few"].cat.codes - 0.05 * table["many"].cat.codes + np.nan_to_num(x)
    return table, (rng.logistic(size=m) < z).astype(int), rng.choice([0.0, 0.5, 1.0, 3.0], m)


def sparse(seed=0, m=60_000):
    rng = np.random.default_rng(seed)
    X = sp.random_array((m, 40), density=0.1, rng=rng, format="csr")
    return X, (rng.logistic(size=m) < X @ rng.normal(size=40)).astype(int), rng.choice([0.0, 0.5, 1.0, 3.0], m)


@pytest.mark.parametrize("of", [large, sparse])
@pytest.mark.parametrize("options", [{}, {"alpha": 1e-3}, {"method": "gradient-descent", "max_reads": 5}])
def test_threads_and_scale_of_the_weights_change_no_bit(of, options):
    X, y, s = of()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ChainruleWarning)
        expected = fit(X, y, sample_weight=s, n_threads=1, **{"method": "newton", **options})
        for threads, scale in ((2, 1.0), (3, 1.0), (7, 2.0**-40), (1, 2.0**60)):
            found = fit(X, y, sample_weight=s * scale, n_threads=threads, **{"method": "newton", **options})
            np.testing.assert_array_equal(found.w, expected.w)
            assert (found.b, found.objective, found.reads) == (expected.b, expected.objective, expected.reads)
            assert found.certificate.gap == expected.certificate.gap


@pytest.mark.parametrize("seed", range(3))
def test_every_sum_is_the_same_for_any_threads(seed):
    case = random_case(seed, m=50_000)
    n = len(case.names)
    w = np.random.default_rng(seed).normal(size=n + 1)
    h = np.random.default_rng(seed).random(50_000)
    found = []
    for threads in (1, 2, 3, 8):
        for rows in case.storages(threads)[:2]:
            sums = rows.read(What.GRADIENT | What.HESSIAN | What.SQUARES, w[:-1], w[-1])
            moments = rows.moments(correlations=False)
            vectors = [sums.gradient, sums.matrix, sums.squares, [sums.loss, sums.bias, sums.weight, sums.correct]]
            found.append([*vectors, rows.diagonal(h), moments.mean, moments.sd])
    for k, some in enumerate(found):
        for value, expected in zip(some, found[k % 2], strict=True):
            np.testing.assert_array_equal(value, expected)


# --- known answers ---------------------------------------------------------------------------------------------------


def with_categories(X):
    """The same table, its columns of 0 and 1 as categories, and those of race as one."""
    columns = {}
    for name in X.columns:
        if name == "race_black":
            race = np.where(X["race_black"] == 1, 1, np.where(X["race_other"] == 1, 2, 0))
            columns["race"] = pd.Categorical.from_codes(race, ["white", "black", "other"])
        elif name != "race_other":
            binary = set(X[name]) == {0, 1}
            columns[name] = pd.Categorical(X[name], categories=[0, 1]) if binary else X[name]
    return pd.DataFrame(columns)


@pytest.mark.parametrize("name", tests_data.LOG_LIKELIHOODS)
def test_known_answers_through_every_storage(name):
    import pyarrow as pa

    X, y, answer = getattr(tests_data, name)()
    frame = pd.DataFrame(X)
    frame.columns = frame.columns.astype(str)
    encoded = with_categories(frame)
    # A frame of numbers alone is dense; nullable ones are columns.
    nullable = frame.astype({frame.columns[0]: "Float64"})
    forms = [pa.Table.from_pandas(frame), nullable, pa.Table.from_pandas(encoded), sp.csr_array(frame.to_numpy())]
    forms += [encoded] if any(encoded.dtypes == "category") else []
    for of in forms:
        result = fit(of, y, method="newton", tol=0.0)
        np.testing.assert_allclose(np.append(result.b, result.w), answer, rtol=1e-9)
        assert result.certificate.kind == "bound"
        assert -result.loss * len(y) == pytest.approx(tests_data.LOG_LIKELIHOODS[name], abs=1e-10)
        assert result.storage.startswith(("columns", "CSR"))


# --- many levels, levels of one class, levels that add up -------------------------------------------------------------


def test_a_hundred_thousand_levels():
    m, k = 110_000, 100_000
    rng = np.random.default_rng(1)
    codes = np.append(rng.permutation(k), rng.integers(0, k, m - k))
    y, x = (rng.random(m) < 0.3).astype(int), rng.normal(size=m)
    table = pd.DataFrame({"c": pd.Categorical.from_codes(codes, np.arange(k)), "x": x})
    result = fit(table, y, method="gradient-descent", coding="all", alpha=1.0, tol=1e-4)
    assert result.reason == "converged"
    assert len(result.w) == k + 1
    assert result.feature_names[-2:] == ("c=99999", "x")
    # At the optimum alpha w = -gradient, level by level.
    residual = 1.0 / (1.0 + np.exp(-(result.w[codes] + x * result.w[-1] + result.b))) - y
    gradient = np.append(np.bincount(codes, residual, k), residual @ x) / m
    assert np.abs(gradient + result.w).max() <= 2e-2
    assert np.all(np.abs(gradient + result.w) <= 2.0 * (result.certificate.coef + result.certificate.intercept))


@pytest.fixture
def carriers():
    rng = np.random.default_rng(3)
    carrier, x = rng.choice(list("abcde"), 2000), rng.normal(size=2000)
    return carrier, x, (rng.random(2000) < 0.4).astype(int)


@pytest.mark.parametrize("coding", ["reference", "all"])
def test_levels_of_one_class_are_named(coding, carriers):
    carrier, x, y = carriers
    y[carrier == "c"], y[carrier == "e"] = 1, 0
    table = pd.DataFrame({"carrier": pd.Categorical(carrier), "x": x})
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        result = fit(table, y, coding=coding)
    assert result.reason == "no_optimum"
    (separation,) = (w for w in said if w.category is SeparationWarning)
    assert values_of(separation, "infinite")[0]["left"] == np.count_nonzero(~np.isin(carrier, ["c", "e"]))
    assert levels_of(separation) == {"carrier=c": "class 1", "carrier=e": "class 0"}
    collinear = [w for w in said if w.category is CollinearityWarning]
    assert [of["of_rest"] for of in values_of(collinear, "collinear")] == [True] * (coding == "all")
    assert sums_of(collinear) == ({tuple(f"carrier={level}" for level in "abd"): 1.0} if coding == "all" else {})
    result = fit(table, y, coding=coding, alpha=1e-3)  # a warning would be an error
    assert result.certificate.gap <= result.tol
    assert result.certificate.kind == "bound"


def test_first_level_of_one_class_is_named_too(carriers):
    carrier, x, y = carriers
    y[carrier == "a"] = 1
    table = pd.DataFrame({"carrier": pd.Categorical(carrier), "x": x})
    with pytest.warns(SeparationWarning) as said:
        fit(table, y)
    assert levels_of(said) == {"carrier=a": "class 1"}
    assert fit(table, y, alpha=1e-3).certificate.kind == "bound"


def test_levels_that_add_up_are_said_in_words(carriers):
    carrier, x, y = carriers
    origin = np.where(np.isin(carrier, ["b", "c"]), "JFK", np.where(carrier == "a", "EWR", "LGA"))
    table = pd.DataFrame({"carrier": pd.Categorical(carrier), "origin": pd.Categorical(origin), "x": x})
    with pytest.warns(CollinearityWarning, match="carrier=b.* = origin=JFK; carrier=d . carrier=e = origin=LGA"):
        result = fit(table, y)
    assert result.certificate.kind == "reduced"
    with pytest.warns(CollinearityWarning) as said:
        fit(table[["carrier", "x"]], y, coding="all")
    assert sums_of(said) == {tuple(f"carrier={level}" for level in "abcde"): 1.0}
    assert fit(table, y, coding="all", alpha=1e-3).certificate.kind == "bound"
