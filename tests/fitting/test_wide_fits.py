"""More columns than rows without a penalty: separated in the time of a penalised fit, and the rest as before."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp

from chainrule import InputError, certify, fit
from chainrule.errors import ChainruleWarning, SeparationWarning
from finding_tools import values_of


def quietly(*data, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ChainruleWarning)
        return fit(*data, **options)


def labels(rng, m):
    return np.where(np.arange(m) < 2, np.arange(m), rng.integers(0, 2, m))


def is_ridge_optimum(result, X, y, fit_intercept=True):
    """The gradient of loss and ridge vanishes, to what the gap allows."""
    X = X.toarray() if sp.issparse(X) else np.asarray(X, dtype=float)
    size = X.std(axis=0) if fit_intercept else np.sqrt((X**2).mean(axis=0))
    z = X @ result.w + result.b
    residual = (1 / (1 + np.exp(-z)) - y) / len(y)
    gradient = X.T @ residual + 1e-8 * size**2 * result.w
    # |grad|^2 <= 2 L gap, L the largest curvature, in units of the columns' sizes
    L = 0.25 * np.linalg.norm(X / np.where(size > 0, size, 1), 2) ** 2 / len(y) + 1e-8
    most = np.sqrt(2 * L * result.certificate.gap) * 1.01 + 1e-12
    assert np.linalg.norm(gradient / np.where(size > 0, size, 1)) <= most
    assert not fit_intercept or abs(residual.sum()) <= most


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("make", [np.asarray, np.asfortranarray, lambda X: X.astype(np.float32), sp.csr_array])
@pytest.mark.parametrize(("m", "n"), [(2, 3), (30, 30), (30, 200), (40, 1500)])
def test_separated_without_a_search(m, n, make, fit_intercept, rng):
    X = make(np.where(rng.random((m, n)) < 0.5, rng.normal(size=(m, n)), 0.0) + (rng.normal(size=(m, n)) > 2))
    y = labels(rng, m)
    with pytest.warns(SeparationWarning, match=f"{n:,} columns can"):
        result = fit(X, y, fit_intercept=fit_intercept)
    zeros = values_of(result, "few rows")[0]["zeros"]
    assert zeros == (0 if fit_intercept else np.count_nonzero(abs(X).sum(axis=1) == 0))
    assert result.certificate.infimum_at_least == pytest.approx(zeros * np.log(2) / m, rel=1e-9)
    assert (result.reason, result.certificate.kind, result.method) == ("no_optimum", "ridge", "newton")
    assert result.certificate.gap <= result.tol
    is_ridge_optimum(result, X, y, fit_intercept)


def test_units_and_scales_change_nothing(rng):
    X, y = rng.normal(size=(20, 60)), labels(rng, 20)
    plain = quietly(X, y)
    for other, options in (
        (X * 2.0**20 + 2.0**18, {}),
        (X, {"standardize": True}),
        (X * 10.0 ** rng.integers(-12, 12, 60), {}),
    ):
        found = quietly(other, y, **options)
        assert found.reason == "no_optimum"
        sd, sd_plain = other.std(axis=0), X.std(axis=0)
        near = (found.certificate.coef * sd + plain.certificate.coef * sd_plain) * 1.01
        assert (np.abs(found.w * sd - plain.w * sd_plain) <= near).all()


@pytest.mark.parametrize("columns", [300, 30_000])
def test_rows_with_both_labels_are_left_and_their_loss_is_known(columns, rng):
    X, y = rng.normal(size=(30, columns)), labels(rng, 30)
    X[:4], y[:4] = X[10:14], 1 - y[10:14]
    result = quietly(X, y)
    assert (result.reason, result.certificate.kind) == ("no_optimum", "ridge")
    assert values_of(result, "few rows")[0]["mixed"] == 8
    least = 8 * np.log(2) / 30
    assert least * (1 - 1e-9) <= result.certificate.infimum_at_least <= least <= result.objective
    assert "; without the ridge" in result.certificate.sentence


def test_rows_of_few_dimensions_are_fitted_as_ever(rng):
    X, y = rng.normal(size=(60, 3)) @ rng.normal(size=(3, 100)), labels(rng, 60)
    result = quietly(X, y)
    assert (result.reason, result.certificate.kind) == ("converged", "reduced")
    plain = fit(X[:, :3], y)
    assert result.objective == pytest.approx(plain.objective, abs=1e-9)
    with pytest.raises(InputError, match="give alpha"):
        fit(np.tile(X, 120), y)


def test_levels_of_one_row_each_are_named(rng):
    table = {"c": [f"id{k}" for k in range(20)], "x": rng.normal(size=20)}
    found = quietly(table, labels(rng, 20), coding="all")
    assert found.reason == "no_optimum"
    assert values_of(found, "level")


@pytest.mark.parametrize("reads", [1, 3])
def test_too_few_reads_are_said(reads, rng):
    result = quietly(rng.normal(size=(40, 100)), labels(rng, 40), max_reads=reads)
    assert result.reason == "max_reads"
    assert result.certificate.gap > result.tol


def test_the_path_is_in_the_units_of_the_fit(rng):
    X, y = rng.normal(size=(20, 50)) * 3 + 7, labels(rng, 20)
    for standardize in (False, True):
        result = quietly(X, y, standardize=standardize)
        np.testing.assert_allclose(result.trace.w[-1], result.w_fit, rtol=1e-9)
        np.testing.assert_allclose(result.w * result.scale, result.w_fit, rtol=1e-12)


def test_descent_and_audits_are_measured_from_the_same_reference(rng):
    X, y = rng.normal(size=(40, 600)), labels(rng, 40)
    result = quietly(X, y, method="gradient-descent", max_reads=10)
    assert values_of(result, "few rows")
    found = certify(X, y, result)
    assert found.kind == "infimum"
    assert 0.0 < found.lower <= result.objective <= found.gap
    assert "inf F = 0" in found.sentence


def test_ctrl_c_returns_the_point_so_far(rng):
    def stop(step):
        if step.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as stopped:
        fit(rng.normal(size=(40, 300)), labels(rng, 40), callbacks=[stop])
    result = stopped.value.result
    assert result.reason == "interrupted"
    assert result.certificate.kind == "none"
    assert result.objective == result.loss
