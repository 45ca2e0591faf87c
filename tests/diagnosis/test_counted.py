"""What levels determine, against one-hot columns, and fits of tables that have it."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import chainrule
from chainrule.data.designs import rows_of
from chainrule.data.rows.decode import expanded
from chainrule.diagnosis.collinearity import find_relations
from chainrule.diagnosis.counted import counted_relations, known_from_levels


def category(codes, name):
    codes = np.asarray(codes)
    return pd.Categorical.from_codes(codes, [f"{name}{k}" for k in range(codes.max() + 1)])


def rows(frame, weights=None, coding="reference"):
    y = np.arange(len(frame)) % 2
    return rows_of(frame, y, weights, None, coding, 1, None, None, None)[0]


def assert_all_hold(of, found):
    X = expanded(of.design, np.flatnonzero(of.is_kept))
    for j, (at, coefficients, constant) in found.items():
        assert at[-1] == j
        assert coefficients[-1] == 1.0
        assert np.array_equal(X[:, at] @ coefficients, np.full(len(X), constant))
    return np.linalg.matrix_rank(np.column_stack([X, np.ones(len(X))]))


@pytest.mark.parametrize("coding", ["reference", "all"])
@pytest.mark.parametrize("first", [0, 1, 2])
def test_relations_hold_in_every_row(coding, first, rng):
    """first : the region of the first store, whose column is missing if it is the reference."""
    store = rng.permutation(np.repeat(np.arange(12), 8))
    region = (store + first) % 3
    frame = pd.DataFrame({"x": rng.normal(size=96), "region": category(region, "r"), "store": category(store, "s")})
    of = rows(frame, coding=coding)
    found = known_from_levels(of)
    assert sorted(of.feature_names[j] for j in found) == [f"region=r{k}" for k in range(coding == "reference", 3)]
    rank = assert_all_hold(of, found)
    n, sums = of.n_features, 0 if coding == "reference" else 1  # of the stores; that of the regions follows
    assert rank == n + 1 - len(found) - sums
    assert len(find_relations(of).pivots) == rank - 1


def test_chains_twins_and_missing_values(rng):
    city = rng.permutation(np.repeat(np.arange(20), 6))
    state, country = city // 4, city // 10
    of = rows(
        pd.DataFrame(
            {
                "country": category(country, "c"),
                "twin": category((state + 2) % 5, "t"),
                "state": category(state, "s"),
                "city": category(city, "t"),
            }
        )
    )
    found = known_from_levels(of)
    # the first of two with the same levels is kept
    assert {of.feature_names[j].split("=")[0] for j in found} == {"country", "twin", "state"}
    assert len(found) == 1 + 4 + 4
    assert_all_hold(of, found)
    with_gaps = pd.Series(category(city, "t")).where(city != 7)
    of = rows(pd.DataFrame({"state": category(state, "s"), "city": with_gaps}))
    assert_all_hold(of, known_from_levels(of))


def test_one_row_that_is_elsewhere_ends_it_unless_its_weight_is_0(rng):
    store = rng.permutation(np.repeat(np.arange(12), 8))
    region, weights = store % 3, np.ones(96)
    region[5] = (region[5] + 1) % 3
    frame = pd.DataFrame({"region": category(region, "r"), "store": category(store, "s")})
    assert known_from_levels(rows(frame)) == {}
    weights[5] = 0.0
    assert len(known_from_levels(rows(frame, weights))) == 2


def test_a_category_with_too_many_levels_is_left_out_alone(monkeypatch, rng):
    city = rng.permutation(np.repeat(np.arange(20), 6))
    frame = {name: category(city // k, name) for name, k in (("country", 10), ("state", 2), ("city", 1))}
    monkeypatch.setattr("chainrule.diagnosis.counted.MOST", 5)
    of = rows(pd.DataFrame(frame))
    assert [of.feature_names[j] for j in known_from_levels(of)] == ["country=country1"]


def test_a_level_that_is_elsewhere_far_down_is_seen(rng):
    store = np.arange(30_000) % 12
    region = store % 3
    region[-1] = (region[-1] + 1) % 3
    assert known_from_levels(rows(pd.DataFrame({"region": category(region, "r"), "store": category(store, "s")}))) == {}


def test_categories_that_are_not_nested_have_none(rng):
    frame = pd.DataFrame({name: category(rng.integers(0, k, 400), name) for name, k in (("a", 5), ("b", 4), ("c", 2))})
    assert known_from_levels(rows(frame)) == {}
    assert known_from_levels(rows(pd.DataFrame({"x": rng.normal(size=400)}))) == {}


@pytest.mark.parametrize(("stores", "regions"), [(120, 60), (2200, 60)])
def test_a_fit_is_that_without_the_wider_category(stores, regions, rng):
    """More relations than are listed, and more columns than a matrix of correlations has: fits took 46 s and proved nothing."""
    m = 40 * stores
    store = np.arange(m) % stores
    region, x = store % regions, rng.normal(size=m)
    frame = pd.DataFrame({"x": x, "region": category(region, "r"), "store": category(store, "s")})
    y = x + rng.normal(0, 0.5, stores)[store] + rng.logistic(size=m) > 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", chainrule.errors.ChainruleWarning)
        result = chainrule.fit(frame, y)
    other = chainrule.fit(frame.drop(columns="region"), y)
    assert (result.reason, result.certificate.kind) == ("converged", "reduced")
    assert -other.certificate.gap <= result.objective - other.objective <= result.certificate.gap + 1e-15
    assert "59 relations" in str(result.verdict)
    # the solution of least norm: orthogonal to the relations, in deviations
    of = rows(frame)
    X = sparse.csr_array(expanded(of.design, np.arange(stores * 2)))
    assert (
        np.abs(X @ result.w + result.b - other.decision_function(frame.drop(columns="region"))[: 2 * stores]).max()
        < 2e-3
    )
    p = X.mean(axis=0)[1:]  # these rows have each store twice
    sd = np.sqrt(p * (1 - p))
    for at, coefficients, _ in list(known_from_levels(of).values())[:5]:
        along, w = coefficients * sd[at - 1], result.w[at] * sd[at - 1]
        assert abs(along @ w) <= 1e-9 * np.linalg.norm(along) * np.linalg.norm(w)


@pytest.mark.parametrize("seed", range(20))
def test_every_nested_category_is_found_among_many(seed):
    """Brute force: each category within one of more levels, or with as many and earlier, has relations, and no other has."""
    rng = np.random.default_rng(seed)
    m, columns = int(rng.integers(3, 300)), {}
    for k in range(12):
        skewed = np.minimum(rng.geometric(rng.uniform(0.05, 0.9), m) - 1, rng.integers(1, 15))
        merged = rng.integers(0, 4, 200)[columns[f"c{rng.integers(k)}"]] if k and rng.random() < 0.4 else skewed
        columns[f"c{k}"] = np.unique(merged, return_inverse=True)[1]
    of = rows(pd.DataFrame({name: category(codes, name) for name, codes in columns.items()}))
    found = known_from_levels(of)
    assert_all_hold(of, found)
    names = [name for name in sorted(columns, key=lambda name: -columns[name].max()) if columns[name].max()]
    within = {
        name
        for k, name in enumerate(names)
        if any(
            len({*zip(columns[name], columns[finer], strict=True)}) == columns[finer].max() + 1 for finer in names[:k]
        )
    }
    assert {of.feature_names[j].partition("=")[0] for j in found} == within


def quiet(*given, **how):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", chainrule.errors.ChainruleWarning)
        return chainrule.fit(*given, **how)


def of_stores(m, stores, regions, rng):
    store = rng.permutation(np.arange(m) % stores)
    x = rng.normal(size=m)
    y = x + rng.normal(0, 0.5, stores)[store] + rng.logistic(size=m) > 0
    frame = pd.DataFrame({"region": category(store % regions, "r"), "x": x, "store": category(store, "s")})
    return frame, y


@pytest.mark.parametrize("coding", ["reference", "all"])
@pytest.mark.parametrize(("m", "stores"), [(2000, 30), (60_000, 30), (60_000, 1500)])
def test_redundant_columns_cost_three_reads(m, stores, coding, rng):
    """The run is that of the other columns; the last reads are for the moments and for the point that is returned."""
    frame, y = of_stores(m, stores, 6, rng)
    result, other = quiet(frame, y, coding=coding), quiet(frame.drop(columns="region"), y)
    assert result.reads <= other.reads + 3.0
    assert result.certificate.gap <= result.tol
    assert abs(result.objective - other.objective) <= result.certificate.gap + other.certificate.gap + 1e-15
    assert other.objective - other.certificate.gap <= result.objective - result.certificate.lower + 1e-15


def test_the_order_of_rows_and_columns_changes_rounding_alone(rng):
    frame, y = of_stores(3000, 40, 8, rng)
    frame["twin"] = category((frame["region"].cat.codes + 3) % 8, "t")
    result, rows_of_it = quiet(frame, y), rng.permutation(len(y))
    other = quiet(frame[["twin", "store", "x", "region"]].iloc[rows_of_it].reset_index(drop=True), y[rows_of_it])
    assert result.certificate.kind == other.certificate.kind == "reduced"
    names = [*result.feature_names]
    moved = [names.index(name) for name in other.feature_names]
    np.testing.assert_allclose(result.w[moved], other.w, rtol=0, atol=1e-3)
    assert abs(result.objective - other.objective) <= result.certificate.gap + other.certificate.gap + 1e-15


def test_relations_that_counting_does_not_see_are_found_as_before(rng):
    frame, y = of_stores(2000, 30, 6, rng)
    frame["rent"] = 0.1 * np.array([3.0, 1.0, 7.0, 2.0, 9.0, 4.0])[frame["region"].cat.codes]  # its differences round
    result, other = quiet(frame, y), quiet(frame.drop(columns=["region", "rent"]), y)
    assert result.certificate.kind == "reduced"
    assert len(result.relations) == 6
    assert abs(result.objective - other.objective) <= result.certificate.gap + other.certificate.gap + 1e-15


@pytest.mark.parametrize("coding", ["reference", "all"])
@pytest.mark.parametrize("dtype", ["int8", "int64", "float32", "float64", "Int64", "boolean"])
def test_numbers_that_a_category_decides(dtype, coding, rng):
    code = rng.permutation(np.repeat(np.arange(7), 40))
    values = pd.Series(
        np.array([5, -3, 0, 5, 100, 0, 12] if dtype != "boolean" else [1, 0, 0, 1, 1, 0, 1])[code]
    ).astype(dtype)
    frame = pd.DataFrame({"number": values, "code": category(code, "c"), "x": rng.normal(size=280)})
    of = rows(frame, coding=coding)
    found = known_from_levels(of)
    assert [of.feature_names[j] for j in found] == ["number"]
    assert_all_hold(of, found)
    frame.loc[17, "number"] = frame["number"][0] if code[17] == 2 else frame["number"][code == 2].iloc[0]
    elsewhere = bool(frame["number"][17] != values[17])
    assert bool(known_from_levels(rows(frame))) != elsewhere


def test_a_number_is_known_only_if_no_difference_of_its_values_rounds(rng):
    code = rng.permutation(np.repeat(np.arange(3), 40))

    def found(*values):
        return known_from_levels(rows(pd.DataFrame({"x": np.array(values)[code], "code": category(code, "c")})))

    assert found(0.5, 0.25, -3.75)
    assert found(2.0**53, 2.0**53 + 2.0, 0.0)
    assert found(1e300, -1e300, 0.0)
    assert not found(1.0, 2.0**53, 2.0**53 + 2.0)  # 2^53 - 1 is exact, 2^53 + 1 is not
    assert not found(0.1, 0.3, 0.7)
    assert not found(1.7e308, -1.7e308, 0.0)
    assert not found(4.0, 4.0, 4.0)  # a constant, whose column is 0 in deviations


def test_levels_of_the_same_rows(rng):
    """As `no internet` in each column about what is done there: one column is kept, whatever else the categories have."""
    without = rng.random(400) < 0.2
    frame = pd.DataFrame(
        {f"c{k}": category(np.where(without, k, rng.integers(0, k, 400)), f"c{k}_") for k in range(2, 6)}
    )
    of = rows(frame)
    found = known_from_levels(of)
    assert sorted(of.feature_names[j] for j in found) == [
        f"c{k}=c{k}_{k}" for k in range(2, 5)
    ]  # c5 has the most levels
    assert_all_hold(of, found)
    codes = frame["c3"].cat.codes.to_numpy().copy()
    codes[np.flatnonzero(without)[0]] = 1
    of = rows(frame.assign(c3=category(codes, "c3_")))
    assert sorted(of.feature_names[j] for j in known_from_levels(of)) == ["c2=c2_2", "c4=c4_4"]


def test_equal_levels_that_later_rows_or_a_reference_level_part(rng):
    code = np.arange(50_000) % 5
    shifted = np.where(code == 3, 3, rng.integers(0, 3, 50_000))
    frame = pd.DataFrame({"a": category(code, "a"), "b": category(shifted, "b")})
    of = rows(frame)
    assert [of.feature_names[j] for j in known_from_levels(of)] == ["b=b3"]
    assert [of.feature_names[j] for j in known_from_levels(rows(frame.iloc[::-1].reset_index(drop=True)))] == ["b=b3"]
    shifted[-1] = 3
    assert code[-1] != 3
    assert known_from_levels(rows(pd.DataFrame({"a": category(code, "a"), "b": category(shifted, "b")}))) == {}


@pytest.mark.parametrize("coding", ["reference", "all"])
@pytest.mark.parametrize(
    "places", [(3, 3, 3), (0, 3, 3), (3, 0, 3), (3, 3, 0), (0, 0, 3), (3, 0, 0), (0, 3, 0), (0, 0, 0), (5, 4, 3)]
)
def test_levels_of_the_same_rows_with_and_without_a_column(places, coding, rng):
    """places : of the level in three categories; 0 is a reference, 5, 4 and 3 are the last levels."""
    without = rng.random(2000) < 0.2
    frame = pd.DataFrame(
        {
            f"c{k}": category(np.where(without, k, (k + rng.integers(1, levels, 2000)) % levels), f"c{i}_")
            for i, (k, levels) in enumerate(zip(places, (6, 5, 4), strict=True))
        }
        if len(set(places)) == 3
        else {
            f"c{i}": category(np.where(without, k, (k + rng.integers(1, 6 - i, 2000)) % (6 - i)), f"c{i}_")
            for i, k in enumerate(places)
        }
    )
    of = rows(frame, coding=coding)
    found = counted_relations(of)
    rank = assert_all_hold(of, found)
    assert rank == of.n_features + 1 - len(found)
    assert len(found) == (2 if coding == "reference" else 5)


def test_many_levels_of_the_same_rows_but_for_a_few_rows(rng):
    code = np.arange(100_000) % 100
    corrected = code.copy()
    corrected[np.flatnonzero(code == 7)[-1]] = 8
    of = rows(pd.DataFrame({"code": category(code, "c"), "corrected": category(corrected, "d")}))
    found = known_from_levels(of)
    assert len(found) == 98  # those of 7 and 8 are left; that of the reference level gives a column of these two
    assert_all_hold(of, found)


@pytest.mark.parametrize(
    "values", [(0.0, 1e-100, 1e250), (0.0, 1e-310, 1e300), (0.0, 1e-200, 1e150), (1e154, -1e154, 0.0)]
)
def test_numbers_of_a_category_over_all_of_float64(values, rng):
    code = rng.permutation(np.repeat(np.arange(3), 60))
    y = rng.random(180) < np.array([0.3, 0.5, 0.6])[code]
    frame = pd.DataFrame({"x": np.array(values)[code], "c": category(code, "c")})
    result, other = quiet(frame, y), quiet(frame[["c"]], y)
    assert result.certificate.kind == "reduced"
    assert abs(result.objective - other.objective) <= result.certificate.gap + other.certificate.gap + 1e-15


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("far", [1e12, 1e15, 2.0**53])
def test_far_numbers_of_a_category(far, seed):
    """The solution of least norm rounds the bias by up to 0.01 there: the one without the number is returned."""
    rng = np.random.default_rng(seed)
    code = rng.integers(0, 6, 600)
    y = rng.random(600) < np.array([0.3, 0.5, 0.6, 0.4, 0.7, 0.45])[code]
    frame = pd.DataFrame({"id": (far + np.array([4, 0, 2, 6, 2, 8]))[code], "c": category(code, "c")})
    result, other = quiet(frame, y), quiet(frame[["c"]], y)
    assert (result.reason, result.certificate.kind) == ("converged", "reduced")
    assert result.certificate.gap <= result.tol
    assert abs(result.objective - other.objective) <= result.certificate.gap + other.certificate.gap + 1e-15


def test_a_fit_with_counted_numbers_and_levels_is_that_without_them(rng):
    """Beside more than 2,048 columns nothing was proven about a number that a category decides."""
    frame, y = of_stores(40_000, 2200, 6, rng)
    without = rng.random(40_000) < 0.1
    frame["rent"] = 250 * (7 - frame["region"].cat.codes.astype(int)) ** 2
    for name, levels in (("phone", 9), ("mail", 4)):
        frame[name] = category(np.where(without, levels, rng.integers(0, levels, 40_000)), name)
    result = quiet(frame.drop(columns="region"), y)
    other = quiet(frame.drop(columns=["region", "rent"]).assign(mail=frame["mail"].replace("mail4", "mail0")), y)
    assert (result.reason, result.certificate.kind) == (other.reason, "reduced") == ("converged", "reduced")
    assert len(result.relations) == 2
    assert abs(result.objective - other.objective) <= result.certificate.gap + other.certificate.gap + 1e-15


def test_a_run_that_ctrl_c_ends_proves_nothing_about_redundant_columns(rng):
    frame, y = of_stores(3000, 40, 8, rng)

    def stop(step):
        if step.gap < 1.0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        quiet(frame, y, callbacks=[stop])
    assert caught.value.result.certificate.kind == "none"
