"""A loss and a penalty of one's own, through the public registries alone: every method, the certificate and the estimator."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from chainrule import InputError, LogisticRegression, SeparationWarning, certify, fit
from chainrule.fitting.methods import METHODS
from chainrule.losses import LOSSES, Logistic
from chainrule.penalties import PENALTIES, ElasticNet, ridge

OF_BATCHES = {"batch_size": 600}  # of smaller ones the noise ends it


@dataclass(frozen=True)
class Halved(Logistic):
    """l(z/2, y): its optimum is twice the logistic loss's."""

    name: str = "halved"
    steepest: float = 0.5
    curvature: float = 1 / 16
    bend: float = 0.5

    def value(self, z, y):
        return super().value(z / 2, y)

    def derivative(self, z, y):
        return super().derivative(z / 2, y) / 2

    def second_derivative(self, z, y):
        return super().second_derivative(z / 2, y) / 4

    def probability(self, z):
        return super().probability(z / 2)

    def best_constant(self, zeros, ones):
        return 2 * super().best_constant(zeros, ones)


def by_column(alpha, n):
    """A ridge four times as strong from column to column."""
    return ridge(alpha * 4.0 ** np.arange(n), n)


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setitem(LOSSES, "halved", Halved())
    monkeypatch.setitem(PENALTIES, "by column", by_column)


@pytest.fixture
def problem(rng):
    X = rng.normal(size=(600, 4)) * [1.0, 0.5, 2.0, 1.0] + [0.0, 1.0, 0.0, -1.0]
    y = (X @ [1.0, -1.0, 0.3, 0.0] + 0.4 + rng.logistic(size=600) > 0).astype(int)
    return X, y, rng.choice([0.0, 0.5, 1.0, 2.0], 600)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("alpha", [0.0, 0.05])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_the_optimum_of_half_z_is_twice_the_logistic_one(method, alpha, fit_intercept, problem):
    X, y, s = problem
    if method == "newton-cg" and not alpha:
        pytest.skip("it needs a penalty")
    how = {"sample_weight": s, "fit_intercept": fit_intercept, "tol": 1e-12, "max_reads": 20_000}
    more = OF_BATCHES | {"batch_size": int((s > 0).sum())} if method == "sgd" else {}
    one = fit(X, y, alpha=alpha, **how)
    # (alpha/2) w.w at w = v/2 is (alpha/4)/2 v.v
    two = fit(X, y, alpha=alpha / 4, loss="halved", method=method, **how, **more)
    assert two.reason == "converged"
    assert two.kernel.endswith("halved loss in NumPy")
    assert "[halved]" in two.objective_line
    assert two.objective == pytest.approx(one.objective, abs=1e-11)
    slack = 2 * one.certificate.coef + (two.certificate.coef if method != "newton-cg" else 1e-5) + 1e-9
    assert np.all(np.abs(two.w - 2 * one.w) <= slack + 1e-5 * (method in ("gradient-descent", "sgd")))
    assert abs(two.b - 2 * one.b) <= 1e-4
    assert two.certificate.gap <= 1e-12


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("standardize", [False, True])
def test_a_ridge_by_column_has_its_own_optimum(method, standardize, problem):
    X, y, s = problem
    more = OF_BATCHES | {"batch_size": int((s > 0).sum())} if method == "sgd" else {}
    how = {"sample_weight": s, "standardize": standardize, "tol": 1e-12, "max_reads": 20_000, "method": method, **more}
    found = fit(X, y, alpha=0.02, penalty="by column", **how)
    assert found.reason == "converged"
    assert "(1/2) sum l2_j w_j^2" in found.objective_line
    residual = s * (1 / (1 + np.exp(-X @ found.w - found.b)) - y) / s.sum()
    gradient = ((X - found.center) / found.scale).T @ residual + 0.02 * 4.0 ** np.arange(4) * found.w_fit
    assert np.abs(gradient).max() < 1e-5
    assert abs(residual.sum()) < 1e-5
    assert found.certificate.gap <= 1e-12


@pytest.mark.parametrize("of", ["array", "csr", "frame"])
@pytest.mark.parametrize("method", ["newton", "newton-cg"])
def test_both_together_in_every_storage(of, method, problem, rng):
    X, y, s = problem
    levels = rng.integers(0, 5, 600)
    wide = np.column_stack([X, np.eye(5)[levels]])
    given = {
        "array": wide,
        "csr": sp.csr_array(wide),
        "frame": pd.DataFrame(X, columns=list("abcd")).assign(k=pd.Categorical(levels)),
    }[of]
    how = {"loss": "halved", "penalty": "by column", "alpha": 1e-4, "sample_weight": s, "method": method, "tol": 1e-11}
    found = fit(given, y, coding="all", **how)
    dense = fit(wide, y, **how)
    assert found.reason == dense.reason == "converged"
    assert found.objective == pytest.approx(dense.objective, abs=2e-11)
    np.testing.assert_allclose(found.w, dense.w, atol=1e-3)


def test_samples_of_many_rows_prove_it_too(rng):
    X = rng.normal(size=(60_000, 3))
    y = (X @ [1.0, -1.0, 0.3] + rng.logistic(size=60_000) > 0).astype(int)
    one, two = fit(X, y), fit(X, y, loss="halved")
    assert two.reason == "converged"
    assert np.all(np.abs(two.w - 2 * one.w) <= two.certificate.coef + 2 * one.certificate.coef)
    assert two.objective == pytest.approx(one.objective, abs=1e-8)


def test_coefficients_of_others_are_certified(problem):
    X, y, s = problem
    how = {"loss": "halved", "penalty": "by column", "alpha": 0.01, "sample_weight": s}
    best = fit(X, y, tol=1e-13, **how)
    for moved in (0.0, 1e-6, 1e-3, 0.1, 3.0):
        w = best.w + moved
        found = certify(X, y, w, best.b, **how)
        z = X @ w + best.b
        F = s @ Halved().value(z, y.astype(float)) / s.sum() + 0.005 * 4.0 ** np.arange(4) @ w**2
        assert found.kind == "bound"
        assert found.lower - 1e-13 <= F - best.objective <= found.gap + 1e-13
        assert found.gap <= 3 * (F - best.objective) + 1e-10


def test_separated_classes_are_found(rng):
    X = rng.normal(size=(80, 2))
    y = (X[:, 0] > 0).astype(int)
    with pytest.warns(SeparationWarning):
        found = fit(X, y, loss="halved")
    assert (found.reason, found.certificate.kind) == ("no_optimum", "ridge")


def test_the_estimator_takes_both(problem):
    X, y, s = problem
    made = LogisticRegression(alpha=0.01, loss="halved", penalty="by column").fit(X, y, sample_weight=s)
    z = made.decision_function(X)
    np.testing.assert_allclose(made.predict_proba(X)[:, 1], 1 / (1 + np.exp(-z / 2)), rtol=1e-12)


def test_names_that_are_not_registered_are_refused(problem):
    X, y, _ = problem
    for name in ("loss", "penalty"):
        with pytest.raises(ValueError, match=f"{name} .* not 'hinge'"):
            fit(X, y, **{name: "hinge"})


@pytest.mark.parametrize("method", ["auto", *METHODS])
def test_a_penalty_with_corners_is_refused_until_a_method_minimises_it(method, problem, monkeypatch):
    X, y, _ = problem
    monkeypatch.setitem(PENALTIES, "lasso", lambda alpha, n: ElasticNet(np.full(n, alpha), np.zeros(n)))
    with pytest.raises(InputError, match="penalty 'lasso' has corners"):
        fit(X, y, alpha=0.05, penalty="lasso", method=method)
    with pytest.raises(InputError, match="penalty 'lasso' has corners"):
        certify(X, y, np.zeros(4), 0.0, alpha=0.05, penalty="lasso")
    assert fit(X, y, penalty="lasso", method="newton").reason == "converged"  # alpha 0 is no penalty


@pytest.mark.parametrize("what", ["steepest", "curvature", "bend"])
@pytest.mark.parametrize("value", [0.0, np.inf, np.nan])
def test_a_loss_without_bounds_is_refused(what, value, monkeypatch):
    """Such as softplus(z)^2, whose slope grows without end: every bound would be NaN."""
    monkeypatch.setitem(LOSSES, "steep", replace(Logistic(), name="steep", **{what: value}))
    with pytest.raises(InputError, match=f"loss 'steep' has {what} {value}"):
        fit([[0.0], [1.0]], [0, 1], loss="steep")
