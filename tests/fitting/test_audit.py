"""The distance from the optimum that gradient descent and `certify` tell, against the true one."""

import re
import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import chainrule
from chainrule import InputError, certify, fit
from chainrule.errors import (
    ChainruleWarning,
    CollinearityWarning,
    LearningRateWarning,
    OscillationWarning,
    SeparationWarning,
    ThinnedTraceWarning,
)


def problem(seed):
    """Random data that have an optimum: scales, offsets, weights, penalties."""
    rng = np.random.default_rng(seed)
    m, n = int(rng.integers(40, 400)), int(rng.integers(1, 7))
    scale = 10.0 ** rng.uniform(-2, 2, n)
    Z = rng.normal(size=(m, n))
    y = (Z @ rng.normal(size=n) + rng.logistic(size=m) * 2 > rng.normal()).astype(int)
    y[:2] = 0, 1
    X = (Z + rng.choice([0.0, 3.0], n)) * scale
    s = rng.exponential(size=m) if seed % 3 == 0 else None
    alpha = [0.0, 1e-3, 0.1][seed % 3] if m > 30 * n else 0.1
    return X, y, s, alpha


def value(X, y, s, alpha, w, b):
    """F in long double, whose digits show gaps down to 1e-17."""
    X, w = np.asarray(X, np.longdouble), np.asarray(w, np.longdouble)
    s = np.ones(len(y), np.longdouble) if s is None else np.asarray(s, np.longdouble)
    t = (1 - 2 * y.astype(np.longdouble)) * (X @ w + np.longdouble(b))
    return (s * np.logaddexp(np.longdouble(0), t)).sum() / s.sum() + np.longdouble(alpha) / 2 * (w @ w)


@pytest.mark.parametrize("seed", range(24))
def test_each_epoch_of_gradient_descent_knows_how_far_it_is_from_the_optimum(seed):
    X, y, s, alpha = problem(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ChainruleWarning)
        Z = (X - X.mean(axis=0)) / X.std(axis=0)
        result = fit(Z, y, sample_weight=s, alpha=alpha, method="gradient-descent", max_reads=300)
        best = fit(Z, y, sample_weight=s, alpha=alpha, tol=1e-22)
    assert best.certificate.kind == "bound"
    least = value(Z, y, s, alpha, best.w, best.b)
    for k in range(0, len(result.trace), 37):
        w, b = result.trace.w[k], result.trace.b[k]
        true = float(value(Z, y, s, alpha, w, b) - least)
        assert true <= result.trace.columns["gap"][k] <= 1.05 * true + 1e-8
    true = float(value(Z, y, s, alpha, result.w, result.b) - least)
    c = result.certificate
    assert c.lower <= true <= c.gap
    assert c.gap <= result.tol or result.reason == "max_reads"
    assert np.all(np.abs(result.w - best.w) <= c.coef + best.certificate.coef)


@pytest.mark.parametrize("seed", range(40))
def test_audit_holds_the_true_gap_and_the_true_distance(seed):
    X, y, s, alpha = problem(seed)
    best = fit(X, y, sample_weight=s, alpha=alpha, tol=1e-22)
    rng = np.random.default_rng(seed)
    sd = X.std(axis=0)
    for size in (1e-5, 1e-2, 1.0, 30.0):
        w = best.w + size * rng.normal(size=X.shape[1]) / sd
        b = best.b - float(X.mean(axis=0) @ (w - best.w)) + size * rng.normal()
        found = certify(X, y, w, b, alpha=alpha, sample_weight=s)
        true = float(value(X, y, s, alpha, w, b) - value(X, y, s, alpha, best.w, best.b))
        rounding = 1e-15 * (1 + np.abs(X).max() * np.abs(w).sum()) if size < 1e-3 else 1e-12
        assert found.kind == "bound"
        assert found.lower - rounding <= true <= found.gap + rounding
        assert found.gap <= 2.1 * true + 1e-12  # tight as well
        assert np.all(np.abs(w - best.w) <= found.coef + best.certificate.coef)
        assert abs(b - best.b) <= found.intercept + best.certificate.intercept


def test_scikit_learns_default_is_audited():
    from sklearn.datasets import load_breast_cancer
    from sklearn.linear_model import LogisticRegression

    X, y = load_breast_cancer(return_X_y=True)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    theirs = LogisticRegression().fit(X, y)
    found = certify(X, y, theirs.coef_, theirs.intercept_, alpha=1 / len(y))
    assert found.kind == "bound"
    assert 1e-7 < found.lower < found.gap < 1e-5
    assert "and at least" in found.sentence


def test_separated_classes_have_an_infimum_and_no_optimum():
    X = np.arange(20.0).reshape(-1, 1)
    y = (X[:, 0] > 9.5).astype(int)
    found = certify(X, y, [1.0], -9.5)
    F = float(value(X, y, None, 0.0, [1.0], -9.5))
    assert found.kind == "infimum"
    assert found.gap == pytest.approx(F, rel=1e-12)
    assert found.gap >= F
    assert 0.9 * F < found.lower <= F
    assert "completely separated" in found.reason
    assert ", and inf F = 0, " in found.sentence  # F is no bound
    with pytest.warns(SeparationWarning), pytest.warns(ChainruleWarning, match="inf F = 0"):
        result = fit(X, y, method="gradient-descent", max_reads=50)
    assert result.certificate.kind == "infimum"


def test_collinear_columns_are_audited_without_them(rng):
    Z = rng.normal(size=(300, 3))
    X = np.column_stack([Z, Z[:, 0] + Z[:, 1]])
    X = np.round(X * 64) / 64
    X[:, 3] = X[:, 0] + X[:, 1]
    y = (X[:, 0] + rng.logistic(size=300) > 0).astype(int)
    with pytest.warns(CollinearityWarning):
        best = fit(X, y, tol=1e-20)
    moved = best.w + np.array([0.7, 0.7, 0.0, -0.7])  # along the null direction: F stays
    found = certify(X, y, moved, best.b)
    assert found.kind == "reduced"
    assert found.noise <= found.gap < 1e-13
    with pytest.warns(CollinearityWarning):
        result = fit(X, y, method="gradient-descent", max_reads=5000)
    assert result.reason == "converged"
    assert result.certificate.kind == "reduced"
    assert result.certificate.gap <= result.tol
    # from zeros it stays in the space of the rows: the solution of least norm
    assert result.w[0] + result.w[1] - result.w[3] == pytest.approx(0.0, abs=1e-12)


def test_more_columns_than_a_hessian_is_made_of_are_bounded_by_the_penalty(rng):
    X = rng.normal(size=(60, 4200))
    y = (X[:, 0] > 0.0).astype(int)
    alpha = 20.0
    with pytest.warns(LearningRateWarning, match="known to be stable"), pytest.warns(ThinnedTraceWarning):
        result = fit(X, y, alpha=alpha, learning_rate=0.03, tol=1e-10, max_reads=30_000)
    assert result.reason == "converged"
    assert result.certificate.kind == "bound"
    assert result.certificate.gap <= 2e-10
    found = certify(X, y, result.w * 1.01, result.b, alpha=alpha)
    best = value(X, y, None, alpha, result.w, result.b)
    true = float(value(X, y, None, alpha, result.w * 1.01, result.b) - best)
    assert true <= found.gap + 1e-9
    assert np.all(np.abs(0.01 * result.w) <= found.coef + result.certificate.coef)
    without = certify(X, y, result.w, result.b)
    assert without.kind == "infimum"
    assert "4,200 columns" in without.reason


def test_without_an_intercept_and_in_standardized_units(rng):
    X = rng.normal(size=(200, 3)) * [1.0, 10.0, 0.1] + [0.0, 5.0, 1.0]
    y = (X[:, 0] + rng.logistic(size=200) > 0).astype(int)
    for options in (dict(fit_intercept=False, alpha=0.01), dict(standardize=True, alpha=0.3)):
        for method in ("newton", "gradient-descent"):
            result = fit(X, y, method=method, max_reads=20_000, **options)
            found = certify(X, y, result.w, result.b, **options)
            assert found.kind == "bound"
            assert found.gap <= 1.01 * result.tol
            assert found.objective == pytest.approx(result.objective, rel=1e-13)


BAD = [
    (dict(coef=[1.0, 2.0]), r"coef must have one number a column, 1 of them, not the shape \(2,\)"),
    (dict(coef=[np.nan]), "coef is nan in column 1"),
    (dict(coef=["a"]), "must be numbers"),
    (dict(intercept=[1.0, 2.0]), "intercept must be one finite number"),
    (dict(intercept=1.0, fit_intercept=False), "fit_intercept is False"),
    (dict(coef=[1e308], X=[[0.0], [1e10], [2.0]]), "not finite at these coefficients"),
    (dict(X=[[0.0], [np.nan], [2.0]]), "X has NaN in row 2"),
    (dict(y=[0, 0, 0]), r"has 1 label \("),
    (dict(alpha=-1.0), "alpha"),
]


@pytest.mark.parametrize(("change", "sentence"), BAD, ids=[match for _, match in BAD])
def test_bad_coefficients_are_one_sentence(change, sentence):
    given = {"X": [[0.0], [1.0], [2.0]], "y": [0, 1, 0], "coef": [0.5], "intercept": 0.0, **change}
    with pytest.raises(InputError, match=sentence):
        certify(given.pop("X"), given.pop("y"), given.pop("coef"), given.pop("intercept"), **given)


def test_a_model_is_audited_as_its_coefficients_are(rng):
    import statsmodels.api
    from sklearn.linear_model import LogisticRegression

    X = rng.normal(size=(80, 3))
    y = (X[:, 0] + rng.logistic(size=80) > 0).astype(int)
    peer = LogisticRegression(C=1.0).fit(X, y)
    w, b = peer.coef_[0], float(peer.intercept_[0])
    params = np.insert(w, 1, b)
    named = SimpleNamespace(params=params, model=SimpleNamespace(exog_names=["x1", "const", "x2", "x3"]))
    series = SimpleNamespace(params=pd.Series(params, index=["x1", "Intercept", "x2", "x3"]))
    ours = chainrule.fit(X, y, alpha=0.1)
    for model, by in ((peer, (w, b)), (named, (w, b)), (series, (w, b)), (ours, (ours.w, ours.b))):
        found, expected = certify(X, y, model, C=1.0), certify(X, y, *by, C=1.0)
        assert (found.gap, found.lower, found.kind) == (expected.gap, expected.lower, expected.kind)
    with pytest.raises(InputError, match="leave it out"):
        certify(X, y, peer, 0.0, C=1.0)
    theirs = statsmodels.api.Logit(y, statsmodels.api.add_constant(X)).fit(disp=False, tol=1e-12)
    assert certify(X, y, theirs).gap <= 1e-10
    without = SimpleNamespace(params=w)
    assert certify(X, y, without, C=1.0, fit_intercept=False).gap == certify(X, y, w, C=1.0, fit_intercept=False).gap


def test_coefficients_with_names_are_put_in_order_however_others_write_them(rng):
    from sklearn.linear_model import LogisticRegression
    from statsmodels.formula import api

    X = pd.DataFrame(
        {"age": rng.normal(size=300), "town": rng.choice(["A", "B", "C"], 300), "size": rng.normal(size=300)}
    )
    y = X["age"] + 2.0 * (X["town"] == "C") + rng.logistic(size=300) > 0
    result = chainrule.fit(X, y)
    gap = 1.01 * certify(X, y, result).gap + 1e-12
    series = pd.Series(result.w, index=result.feature_names)[::-1]
    encoded = pd.DataFrame(result.as_arrays(X, y)[0], columns=result.feature_names)[series.index]
    formula = api.logit("y ~ age + C(town) + size", X.assign(y=y * 1.0)).fit(disp=False, tol=1e-12)  # puts towns first
    peer = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-12).fit(encoded, y)
    for given in (
        (series, result.b),
        (series.to_dict(), result.b),
        ({"const": result.b, **series},),
        (formula,),
        (peer,),
    ):
        assert certify(X, y, *given).gap <= gap
    assert certify(X, y, formula.params).gap <= gap
    assert certify(X[X.columns[::-1]], y, result).gap <= gap
    with pytest.raises(InputError, match=r"it has none for town=B, and the columns have no town=A; columns, reference"):
        certify(X, y, chainrule.fit(X, y, reference={"town": "B"}))
    with pytest.raises(InputError, match="none for age"):
        certify(X, y, series.drop("age").to_dict())
    nameless = series[::-1].rename(str.upper)
    assert certify(X, y, nameless, result.b).gap <= gap  # by place, as no name is known


def test_an_intercept_far_from_the_optimum_is_told_beside_right_coefficients(rng):
    X = rng.normal(size=(2000, 2))
    y = X[:, 0] + 1.0 + rng.logistic(size=2000) > 0
    result = chainrule.fit(X, y)
    assert "intercept" not in certify(X, y, result).accuracy
    found = certify(X, y, result.w, result.b - 1.0)
    assert "right to" in found.accuracy
    assert re.search(r"or more, and the intercept is within [\d.]+$", found.accuracy)


def test_auto_says_what_it_chose_and_why(rng):
    X = rng.normal(size=(100, 2))
    y = (X[:, 0] + rng.logistic(size=100) > 0).astype(int)
    plain = fit(X, y)
    assert (plain.method, plain.method_reason) == ("newton", "the certified optimum in the fewest reads")
    assert plain.learning_rate is None
    rated = fit(X, y, learning_rate=0.5, alpha=0.01)
    assert (rated.method, rated.learning_rate) == ("gradient-descent", 0.5)
    assert "learning_rate was given" in rated.method_reason
    assert fit(X, y, method="newton").method_reason == "as asked for"
    assert {"reads", "share", "gap"} <= set(plain.trace.columns)
    assert chainrule.Certificate is type(plain.certificate)


@pytest.mark.parametrize("weighted", [False, True])
def test_infimum_of_quasi_separated_classes_is_that_of_the_rows_on_the_plane(weighted, rng):
    x, level = rng.normal(size=(600, 2)), (rng.random(600) < 0.2).astype(float)
    y = (x[:, 0] + rng.logistic(size=600) > 0).astype(int)
    y[level == 1] = 1
    s = rng.exponential(size=600) if weighted else np.ones(600)
    X, off = np.column_stack([x, level]), level == 1
    with pytest.warns(SeparationWarning):
        result = fit(X, y, sample_weight=s)
    c = result.certificate
    rest = fit(x[~off], y[~off], sample_weight=s[~off], tol=1e-20)
    infimum = rest.objective * s[~off].sum() / s.sum()
    assert c.kind == "ridge"
    assert infimum - 1e-9 <= c.infimum_at_least <= infimum + 1e-15
    assert result.loss - infimum <= c.infimum_gap <= 1e-6
    assert " F - inf F <= " in c.sentence
    assert "1e-8/2" in result.objective_line
    found = certify(X, y, result.w, result.b, sample_weight=s)
    assert found.kind == "infimum"
    assert found.gap <= 1e-6
    assert found.lower <= result.loss - infimum <= found.gap


def test_separated_classes_end_the_run_as_soon_as_a_point_keeps_them_apart(rng):
    X = rng.normal(size=(60_000, 8))
    with pytest.warns(SeparationWarning):
        result = fit(X, (X[:, 0] > 0).astype(int))
    assert result.certificate.kind == "ridge"
    assert result.reads < 40


def test_interrupted_run_returns_a_point_of_all_rows_with_its_bound(rng):
    X = rng.normal(size=(60_000, 8))
    y = (X[:, 0] + rng.logistic(size=len(X)) > 0).astype(int)

    def stop(step):
        if step.gap < 1e-9:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        fit(X, y, tol=0.0, callbacks=[stop])
    result = caught.value.result
    assert result.certificate.kind == "bound"
    assert result.certificate.gap < 1e-3


def test_c_is_scikit_learns_and_excludes_alpha(rng):
    X = rng.normal(size=(80, 2))
    y = (X[:, 0] + rng.logistic(size=80) > 0).astype(int)
    by_C, by_alpha = certify(X, y, [0.1, 0.2], 0.0, C=2.0), certify(X, y, [0.1, 0.2], 0.0, alpha=1 / (2.0 * 80))
    assert by_C.gap == by_alpha.gap
    with pytest.raises(InputError, match="alpha or C"):
        certify(X, y, [0.1, 0.2], 0.0, C=2.0, alpha=0.1)


def test_warnings_point_at_the_users_line():
    X = np.arange(20.0).reshape(-1, 1)
    with pytest.warns(SeparationWarning) as caught:
        fit(X, (X[:, 0] > 9.5).astype(int))
    assert {warning.filename for warning in caught} == {__file__}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit(X, (np.sin(7 * X[:, 0]) > 0).astype(int), learning_rate=5.0, max_reads=100)
    assert {warning.category for warning in caught} >= {LearningRateWarning, OscillationWarning}
    assert {warning.filename for warning in caught} == {__file__}
