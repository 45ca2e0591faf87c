"""Data without one optimum: the cause is named, and what is returned is well-defined and certified."""

import contextlib
import warnings

import numpy as np
import pyarrow as pa
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from chainrule import InputError, certify, fit
from chainrule.errors import ChainruleWarning, CollinearityWarning, SeparationWarning
from drawn_tools import classes, few, numbers, whole
from finding_tools import sums_of, values_of


@pytest.fixture
def table(rng):
    X = rng.normal(size=(300, 3))
    return X, (X[:, 0] - 0.3 * X[:, 1] + rng.logistic(size=300) > 0.2).astype(int)


@pytest.mark.parametrize("standardize", [False, True])
def test_collinear_columns_get_the_solution_of_least_norm(standardize, table):
    X, y = table
    names = ["sat", "sun", "x", "weekend"]
    with pytest.warns(CollinearityWarning, match=r"sat \+ sun = weekend"):
        result = fit(
            np.c_[X, X[:, 0] + X[:, 1]], y, method="newton", standardize=standardize, feature_names=names, tol=1e-12
        )
    plain = fit(X, y, method="newton", tol=1e-12)
    assert result.certificate.kind == "reduced"
    assert result.reason == "converged"
    assert result.objective == pytest.approx(plain.objective, abs=1e-11)
    # the same predictions, with the smallest weights on the standardised columns
    full = np.c_[X, X[:, 0] + X[:, 1]]
    np.testing.assert_allclose(full @ result.w + result.b, X @ plain.w + plain.b, atol=1e-5)
    sd = full.std(axis=0)
    null = np.array([1.0, 1.0, 0.0, -1.0]) * sd / sd**2  # direction of equal predictions: w + t (1, 1, 0, -1)
    assert abs(result.w * sd @ (np.array([1.0, 1.0, 0.0, -1.0]) * sd)) < 1e-9 * np.abs(result.w * sd) @ np.abs(null)


def test_constant_column_and_dummy_trap_are_named(table, rng):
    X, y = table
    with pytest.warns(CollinearityWarning, match="x4 is constant"):
        constant = fit(np.c_[X, np.ones(300)], y, method="newton")
    assert constant.w[3] == 0.0
    levels = np.eye(3)[rng.integers(0, 3, 300)]
    with pytest.warns(CollinearityWarning) as said:
        fit(levels, y, method="newton", feature_names=["s=a", "s=b", "s=c"])
    assert sums_of(said) == {("s=a", "s=b", "s=c"): 1.0}


@pytest.mark.parametrize("storage", [np.asarray, np.asfortranarray, sp.csr_array, "numbers", "levels"])
@pytest.mark.parametrize("n", [1, 5, 60])
@pytest.mark.parametrize("alpha", [0.0, 0.1])
def test_constant_columns_alone_leave_the_intercept(storage, n, alpha, rng):
    """However many they are: the model has the log-odds of the classes, and says why it has no more."""
    y = (rng.random(150) < 0.3).astype(int)
    X = np.tile(np.arange(n) + 2.0, (150, 1))
    if storage == "numbers":
        table = pa.table({f"x{j + 1}": X[:, j] for j in range(n)})
    elif storage == "levels":
        table = pa.table({f"x{j + 1}": ["a"] * 150 for j in range(n)})
    else:
        table = storage(X)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = fit(table, y, alpha=alpha, coding="all", tol=1e-18)
    assert found.reason == "converged"
    assert found.certificate.kind == ("bound" if alpha else "reduced")
    assert found.certificate.gap <= found.tol
    assert np.abs(found.w).max() < 1e-10
    assert found.b == pytest.approx(np.log(y.mean() / (1 - y.mean())), abs=1e-6)
    if not alpha:
        assert [each.category for each in said] == [CollinearityWarning]
        assert "is constant" in found.certificate.reason
        more = f"and {n - 40} more relations" if n > 40 else f"is constant ({1 if storage == 'levels' else n + 1})"
        assert found.relations[-1].endswith(more)
        assert len(found.relations) == min(n, 41)
        assert max(map(len, (found.verdict, found.message, found.certificate.reason))) < 300


@pytest.mark.parametrize("n", [3, 60])
def test_columns_of_zeros_without_an_intercept_leave_nothing(n, rng):
    y = rng.integers(0, 2, 90)
    with pytest.warns(CollinearityWarning, match=r"is constant \(0\)"):
        found = fit(np.zeros((90, n)), y, fit_intercept=False)
    assert (found.reason, found.certificate.kind) == ("converged", "reduced")
    assert found.objective == pytest.approx(np.log(2.0))


def test_penalty_makes_collinear_columns_harmless(table):
    X, y = table
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fit(np.c_[X, X[:, 0]], y, method="newton", alpha=0.01).certificate.kind == "bound"


@pytest.mark.parametrize("repeat", [1, 3])
def test_separated_classes_get_the_optimum_under_the_documented_ridge(repeat, rng):
    x = rng.normal(size=(60, 2))
    y = (x[:, 0] > 0.1).astype(int)
    X, y = np.tile(x, (repeat, 1)), np.tile(y, repeat)
    with pytest.warns(SeparationWarning, match="completely separated"):
        result = fit(X, y, method="newton", tol=1e-13)
    assert result.reason == "no_optimum"
    assert result.certificate.kind == "ridge"
    assert result.certificate.gap <= 1e-13
    assert result.objective == result.loss
    # its gradient vanishes for the loss and the ridge of 1e-8 on the standardised columns
    z = X @ result.w + result.b
    g = 1 / (1 + np.exp(-z))
    gradient = X.T @ (g - y) / len(y) + 1e-8 * X.var(axis=0) * result.w
    assert np.abs(gradient).max() < 1e-7


def test_answer_on_separated_data_depends_on_the_objective_alone(rng):
    x = rng.normal(size=(80, 2))
    y = (x @ [1.0, 1.0] > 0).astype(int)
    order = rng.permutation(80)
    with pytest.warns(SeparationWarning):
        one = fit(x, y, method="newton", tol=1e-15)
    with pytest.warns(SeparationWarning):
        other = fit(np.tile(x[order], (2, 1)), np.tile(y[order], 2), method="newton", tol=1e-15)
    assert np.all(np.abs(one.w - other.w) <= one.certificate.coef + other.certificate.coef)


def test_quasi_separation_names_the_level(table):
    X, y = table
    level = np.zeros(300)
    level[:8] = 1.0
    y[:8] = 1
    with pytest.warns(SeparationWarning, match="every row with NV = 1 is class 1"):
        result = fit(np.c_[X, level], y, method="newton", feature_names=["a", "b", "c", "NV"])
    assert result.certificate.kind == "ridge"
    assert result.w[3] > 8.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fit(np.c_[X, level], y, method="newton", alpha=1 / 300).certificate.kind == "bound"


def mean_loss(X, y, w, b):
    """In long double."""
    t = (1 - 2 * y.astype(np.longdouble)) * (
        np.asarray(X, np.longdouble) @ np.asarray(w, np.longdouble) + np.longdouble(b)
    )
    return float(np.logaddexp(np.longdouble(0), t).mean())


@pytest.mark.parametrize("kind", ["float32 sum", "float64 sum", "1e-8", "1e-7", "offset"])
def test_what_is_proven_without_the_named_columns_is_true_of_the_point_returned(kind, rng):
    a, b = rng.normal(size=(2, 400))
    if kind == "float32 sum":
        a, b = a.astype(np.float32), b.astype(np.float32)
    if kind == "offset":
        a, b = np.round(a * 1024) / 1024 + 2.0**26, np.round(b * 1024) / 1024
    near = {"1e-8": 1e-8, "1e-7": 1e-7}.get(kind, 0.0) * rng.normal(size=400)
    X = np.column_stack([a, b, a + b + near.astype(a.dtype)])
    y = (a - a.mean() - b + rng.logistic(size=400) > 0).astype(int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CollinearityWarning)
        result = fit(X, y)
        best = fit(X[:, :2] - X[:, :2].mean(axis=0) * (kind == "offset"), y, tol=1e-22)
    c = result.certificate
    if c.kind == "reduced":
        true = mean_loss(X, y, result.w, result.b) - best.objective
        rounding = 1e-15 + (1e-6 if kind == "offset" else 0.0)
        assert c.lower - rounding <= true <= c.gap + rounding
        assert c.lower <= c.gap
        assert c.gap <= result.tol
        assert result.objective == pytest.approx(mean_loss(X, y, result.w, result.b), abs=1e-9)
    assert c.infimum_at_least <= best.objective
    if kind.endswith("sum"):
        assert c.kind == "reduced"
        assert c.infimum_at_least == 0.0  # three columns may do better than two


def test_audit_of_a_point_far_along_a_near_relation_is_not_that_of_the_optimum_with_its_weights_held(rng):
    a, b = rng.normal(size=(2, 60))
    X = np.column_stack([a, b, a + 1e-8 * rng.normal(size=60)])
    y = (a + rng.logistic(size=60) > 0).astype(int)
    best = fit(X[:, :2], y, tol=1e-22)
    w = np.array([best.w[0] - 3e7, best.w[1], 3e7])
    found = certify(X, y, w, best.b)
    true = mean_loss(X, y, w, best.b) - best.objective
    assert found.lower <= found.gap
    assert found.gap >= true - 1e-9
    assert found.infimum_at_least == 0.0  # of all columns nothing is known


def test_starts_and_columns_without_curvature_are_no_crash(rng):
    X = rng.normal(size=(30, 2))
    y = (X[:, 0] + rng.logistic(size=30) > 0).astype(int)
    plain, far = fit(X, y), fit(X, y, w0=[1e4, 1e4])
    assert far.certificate.kind == "bound"
    np.testing.assert_allclose(far.w, plain.w, atol=1e-3)
    with pytest.warns(CollinearityWarning):
        nothing = fit(np.zeros((10, 2)), [0, 1] * 5, fit_intercept=False)
    assert nothing.objective == pytest.approx(np.log(2.0), rel=1e-15)
    with pytest.raises(InputError, match="alpha 1 is too large for the scale of column 'x1'"):
        fit(np.array([[1.0], [2.0], [3.0], [-1.0]]) * 1e-110, [0, 1, 1, 0], alpha=1.0, fit_intercept=False)


@pytest.mark.parametrize("tol", [0.1, 1e-2, 1e-3, 1e-6])
def test_a_loose_tol_is_no_reason_to_leave_collinear_columns_unsolved(tol):
    """Runs ended at w = 0, before their first step, and nothing was proven."""
    for seed in range(8):
        rng = np.random.default_rng(seed)
        X = np.c_[np.eye(2)[rng.integers(0, 2, size=120)], rng.standard_t(1.5, size=120)]
        y = (3 * X[:, 0] + 0.3 * X[:, 2] + rng.logistic(size=120) > 2).astype(int)
        with pytest.warns(CollinearityWarning) as said:
            result = fit(X, y, tol=tol, feature_names=["c=a", "c=b", "x"])
        assert sums_of(said) == {("c=a", "c=b"): 1.0}
        best = fit(X[:, 1:], y, tol=1e-14)
        assert (result.certificate.kind, result.reason) == ("reduced", "converged")
        assert result.objective - best.objective <= result.certificate.gap + 1e-15
        assert result.certificate.gap <= tol


@pytest.mark.parametrize("seed", range(6))
def test_a_column_far_from_0_is_kept_beside_collinear_ones(seed):
    """Without an intercept the bound of all leverages is too large: each row's own one proves the optimum."""
    rng = np.random.default_rng(seed)
    x, level = 3e4 + np.round(rng.normal(size=60), 6), (rng.random(60) < 0.4).astype(np.float64)
    y = (2 * (x - 3e4) + level + rng.logistic(size=60) > 0).astype(int)
    with pytest.warns(
        CollinearityWarning, match="columns are collinear, so that other coefficients are as good: -a . c = b;"
    ):
        result = fit(
            np.c_[level, np.ones(60), 1 - level, x], y, fit_intercept=False, feature_names=["a", "c", "b", "x"]
        )
    best = fit(np.c_[level, x - 3e4], y, tol=1e-14)
    assert (result.certificate.kind, result.reason) == ("reduced", "converged")
    assert result.objective - best.objective <= result.certificate.gap + 1e-9


def test_a_column_far_from_0_may_separate_the_classes_without_an_intercept():
    """It is within 1e-6 of its size a multiple of the others, which was taken for all that there is to say."""
    X = np.array([[1e6, 100, 1000001, 2], [1000001, 100, 1e6, 2], [1000001, 101, 1e6, 2]])
    with pytest.warns(ChainruleWarning) as said:
        result = fit(X, [0, 1, 1], sample_weight=[0.087, 0.132, 0.205], fit_intercept=False)
    assert "the classes are completely separated" in str(said[0].message)
    assert (result.certificate.kind, result.reason) == ("ridge", "no_optimum")


def test_steps_that_collinear_columns_slow_down_are_made_without_them():
    """Weights of nine orders of magnitude: the run with all columns ended 7e-6 above the optimum, and nothing was proven."""
    rng = np.random.default_rng(7)
    X = np.c_[np.eye(3)[rng.integers(0, 3, size=100)], rng.normal(size=100)]
    y = (X[:, 3] + rng.logistic(size=100) > 1).astype(int)
    s = 10.0 ** rng.uniform(-6, 3, size=100)
    names = ["c=a", "c=b", "c=c", "x"]
    with pytest.warns(CollinearityWarning) as said:
        result = fit(X, y, sample_weight=s, feature_names=names)
    assert len(said) == 1
    assert sums_of(said) == {("c=a", "c=b", "c=c"): 1.0}
    best = fit(X[:, 1:], y, sample_weight=s, tol=1e-14)
    assert (result.certificate.kind, result.reason) == ("reduced", "converged")
    assert result.objective - best.objective <= result.certificate.gap <= result.tol
    with pytest.warns() as said:
        stopped = fit(X, y, sample_weight=s, max_reads=4)
    assert stopped.reason == "max_reads"
    assert stopped.reads < 24


@pytest.mark.parametrize("standardize", [True, "center", False])
def test_a_table_with_nearly_collinear_numbers_may_be_standardized(standardize):
    """The model without the columns made up of others was fitted on a sparse copy, which refused to be centred."""
    import pandas as pd

    rng = np.random.default_rng(2)
    a, b = rng.normal(50.0, 1.0, size=200), rng.normal(size=200)
    y = (b + rng.logistic(size=200) > 0).astype(int)
    table = pd.DataFrame({"a": a, "b": b, "c": 2 * a - b + 3e-7 * rng.normal(size=200)}).astype({"a": "Float64"})
    with pytest.warns(CollinearityWarning, match=", nearly"):
        result = fit(table, y, standardize=standardize)
    assert result.certificate.kind == "reduced"
    best = fit(table[["a", "b"]], y, tol=1e-14)
    assert result.objective - best.objective <= result.certificate.gap + 1e-15
    assert result.certificate.gap <= result.tol


@pytest.mark.parametrize(("n", "seed"), [(1, 0), (1, 5), (3, 7), (3, 11)])
def test_columns_that_only_rows_of_next_to_no_weight_vary_leave_the_intercept(n, seed):
    """The fit of the columns that vary, none of these, called itself without end."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, 200)
    X = (1 + 1e-12 * rng.normal(size=(200, n))) * np.arange(2, 2 + n)
    X[:33] = 0.0
    X, s = sp.csr_array(X), np.where(np.arange(200) < 33, 1e-30, 1.0)
    with pytest.warns(CollinearityWarning) as said:
        result = fit(X, y, sample_weight=s)
    relation = values_of(said, "relation")[0]
    assert (relation["columns"], relation["is_exact"]) == (("x1",), False)
    assert relation["constant"] / relation["coefficients"][0] == pytest.approx(2.0, rel=1e-9)
    audited = certify(X, y, result.w, result.b, sample_weight=s)
    share = y[33:].mean()
    least = -share * np.log(share) - (1 - share) * np.log(1 - share)
    assert result.certificate.kind == audited.kind == "reduced"
    for gap in (result.certificate.gap, audited.gap):
        assert result.objective - least - 1e-15 <= gap <= result.tol


@few
@given(numbers((10, 4)), whole(4, 100), classes(10), st.sampled_from([1e-300, 1e-200, 1e-100, 1.0, 1e300]))
def test_absurd_scales_and_penalties_overflow_in_silence(X, powers, y, alpha):
    """NumPy's warnings are of no use to who asked for a fit; what overflows proves nothing."""
    X = X * 10.0**powers
    X[:, 3] = 2 * X[:, 0]
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        warnings.simplefilter("ignore", ChainruleWarning)
        with contextlib.suppress(InputError):  # alpha may be too large for a column's scale
            fit(X, y, alpha=alpha, method="newton")


@pytest.mark.parametrize("kind", ["separated", "collinear", "neither"])
@pytest.mark.parametrize("method", ["newton", "gradient-descent"])
def test_names_with_colons_are_never_cut_and_a_message_is_its_ending_and_its_proof(kind, method, rng):
    names = ["a: b; c", "ratio: d. e", "f"]
    X = rng.normal(size=(60, 3))
    if kind == "collinear":
        X[:, 2] = X[:, 0] + X[:, 1]
    y = (X[:, 0] + (kind != "separated") * rng.logistic(size=60) > 0).astype(int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ChainruleWarning)
        found = fit(X, y, feature_names=names, method=method, max_reads=50)
    certificate = found.certificate
    assert found.message.replace(f": {certificate.sentence}", "") == found.ended
    assert (certificate.sentence in found.message) == (found.reason != "no_optimum")
    codes = {"separated": "separated", "collinear": "relations"}
    assert (certificate.why and certificate.why.code) == codes.get(kind)
    assert certificate.to_dict()["reason"] == certificate.reason == str(certificate.why or "")
    if kind == "separated":  # the column and the ways out are for the warning
        assert certificate.why.head in certificate.sentence
        assert "a: b; c" not in certificate.sentence
        assert "a: b; c above" in certificate.reason
    if kind == "collinear":
        assert "a: b; c" not in certificate.sentence
        assert "a: b; c + ratio: d. e = f" in certificate.reason
        assert found.relations[0].startswith("a: b; c + ratio: d. e = f")


@pytest.mark.parametrize("seed", [0, 5])
def test_the_ridge_s_bound_is_not_that_of_a_hessian_made_far_away(seed):
    """With few reads the run's last Hessian may prove something, but a thousand times less than tol asks for."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(3000, 11))
    with pytest.warns(SeparationWarning):
        result = fit(X, X[:, 0] > 0.0, max_reads=10)
    assert (result.reason, result.certificate.kind) == ("no_optimum", "ridge")
    assert result.certificate.gap <= result.tol


@pytest.mark.parametrize("seed", range(3))
def test_the_optimum_under_the_ridge_does_not_depend_on_where_its_run_starts(seed):
    """It starts at the point where the run without a penalty ended, far out along a separating direction."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(400, 3)) * [1.0, 5.0, 0.2]
    y = (X @ [1.0, 0.3, -4.0] > 0.3).astype(int)
    with pytest.warns(SeparationWarning, match="completely separated"):
        result = fit(X, y, method="newton")
    sd = X.std(axis=0)
    cold = fit(X / sd, y, alpha=1e-8, method="newton")
    apart = np.abs(result.w - cold.w / sd)
    assert result.certificate.kind == "ridge"
    assert np.all(apart <= result.certificate.coef + cold.certificate.coef / sd)
    assert np.all(apart <= 1e-2 * np.abs(result.w).max())
