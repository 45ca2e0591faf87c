"""Newton's steps in the core: the same optimum and bounds as by Python's steps, on every storage, and a whole trace."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

import chainrule
from chainrule.data.rows import costs
from chainrule.kernels.blocks import Blocks, CategoryColumn, Part
from chainrule.kernels.runs import newton_path
from golden_tools import STORAGES

OPTIONS = {
    "plain": {"alpha": 1e-2},
    "penalty": {"alpha": 1e-3},
    "no intercept": {"alpha": 1e-3, "fit_intercept": False},
    "standardised": {"alpha": 1e-3, "standardize": True},
    "loose": {"alpha": 1e-2, "tol": 1e-3},
    "tight": {"alpha": 1e-3, "tol": 0.0},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("name", [name for name in STORAGES if name not in ("wide", "far")])
def test_the_core_and_python_agree_within_both_certificates(name, options, monkeypatch):
    X, y, *more = STORAGES[name]()
    if "standardize" in options and name.startswith("csr"):
        pytest.skip("sparse rows aren't standardised")

    def fitted():
        return chainrule.fit(X, y, method="newton", **options, **(more[0] if more else {}))

    monkeypatch.setattr(costs, "FEW_NUMBERS", np.inf)
    core = fitted()
    monkeypatch.setattr(costs, "FEW_NUMBERS", 0.0)
    python = fitted()
    assert core.reason == python.reason
    both = core.certificate.coef + python.certificate.coef
    assert np.all(np.abs(core.w - python.w) <= both * (1 + 1e-12))
    assert abs(core.b - python.b) <= (core.certificate.intercept + python.certificate.intercept) * (1 + 1e-12)
    gaps = core.certificate.gap + core.certificate.noise, python.certificate.gap + python.certificate.noise
    assert core.objective - gaps[0] <= python.objective + 1e-15
    assert python.objective - gaps[1] <= core.objective + 1e-15


@pytest.mark.parametrize("share", [0.5, 0.02, 0.004])
def test_a_path_is_traced_from_its_first_point_samples_too(share, rng):
    """A rare class comes with all of its rows, which then count less than the others."""
    X = rng.normal(size=(12_000, 3))
    z = X @ [1.0, -0.5, 0.2] + np.log(share / (1.0 - share))
    seen = []
    result = chainrule.fit(
        X, rng.random(12_000) < 1.0 / (1.0 + np.exp(-z)), callbacks=[lambda step: seen.append(step.epoch)]
    )
    columns = result.trace.columns
    assert columns["epoch"].tolist() == seen == list(range(result.n_epochs + 1))
    assert 0.05 < columns["share"][0] < 0.5
    assert columns["share"][-1] == 1.0
    assert np.all(np.diff(columns["share"]) >= 0.0)
    assert np.all(np.diff(columns["reads"]) > 0.0)
    whole = columns["objective"][columns["share"] == 1.0]
    assert np.all(np.diff(whole) <= 1e-14)
    assert np.isfinite(result.trace.w).all()


def test_a_code_without_a_level_is_refused_and_its_row_named():
    codes = np.array([0, 1, 0, 2, 1], dtype=np.int8)
    design = Blocks([CategoryColumn((Part(codes, 5),), at=0, levels=2, skip=0)], 5, 2)
    run = {"alpha": np.full(2, 0.1), "fit_intercept": True, "w": np.zeros(2), "b": 0.0, "near": 1e-9, "most": 9}
    with pytest.raises(ValueError, match="row 4 of column 1 has code 2"):
        newton_path(design, np.array([0, 1, 1, 0, 1], np.uint8), None, None, None, threads=1, z=np.empty(5), **run)


def test_a_table_with_a_reference_level_has_its_coefficients_alone(rng):
    frame = pd.DataFrame(
        {"x": rng.normal(size=700), "c": pd.Categorical.from_codes(rng.integers(0, 4, 700), list("abcd"))}
    )
    y = rng.random(700) < 0.4
    by_table = chainrule.fit(frame, y, alpha=1e-3, coding="reference")
    columns = np.column_stack([frame["x"], *(frame["c"] == level for level in "bcd")]).astype(float)
    by_matrix = chainrule.fit(columns, y, alpha=1e-3)
    np.testing.assert_allclose(by_table.w, by_matrix.w, atol=1e-6)
    assert by_table.reads < 15


def test_far_starts_never_end_above_themselves(rng):
    """Where a full step overshoots by far, the line search begins at a step that can't."""
    for scale in (1.0, 30.0):
        for _ in range(20):
            X = rng.normal(size=(20, 3)) * 10.0 ** rng.uniform(-2, 2, 3)
            y = np.arange(20) % 3 == 0
            w0 = rng.normal(size=3) * scale
            result = chainrule.fit(X, y, alpha=1e-3, w0=w0, b0=0.0, method="newton")
            assert result.reason == "converged"
            assert result.objective <= result.trace.columns["objective"][0]
            assert result.reads <= 60


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("of", ["far start", "nearly separated"])
def test_a_step_goes_as_far_as_F_falls_where_newtons_own_length_is_wrong(of, weighted, threads, rng):
    """Shorter if a full step raises F, longer after one that lowered F by more than the Hessian promised."""
    m, alpha, is_far = (30_000, 1e-4, True) if of == "far start" else (2_000, 1e-6, False)
    X = rng.standard_t(3, size=(m, 4))
    z = X @ [1.0, -2.0, 0.5, 0.0] + 0.3
    y = (rng.random(m) < 1.0 / (1.0 + np.exp(-z)) if is_far else z > 0.0).astype(np.uint8)
    s = rng.integers(0, 3, m).astype(float) if weighted else np.ones(m)
    A, theta = np.column_stack([X, np.ones(m)]), np.array([8.0, 8.0, -8.0, 8.0, 0.0]) * is_far
    ridge = np.array([alpha] * 4 + [0.0])

    def derivatives(at):
        g = expit(A @ at)
        H = (A.T * (s * g * (1.0 - g))) @ A / s.sum() + np.diag(ridge)
        F = np.sum(s * (np.logaddexp(0.0, A @ at) - y * (A @ at))) / s.sum() + 0.5 * ridge @ at**2
        return F, A.T @ (s * (g - y)) / s.sum() + ridge * at, H

    run = {"alpha": ridge[:-1], "fit_intercept": True, "w": theta[:-1], "b": 0.0, "near": 1e-9, "most": 60}
    path = newton_path(Blocks.dense(X), y, s if weighted else None, None, None, threads=threads, z=np.empty(m), **run)
    assert path.hessian is not None, "it went on to the end"
    np.testing.assert_allclose(path.objective, [derivatives(at)[0] for at in path.theta], rtol=1e-12)
    assert np.all(np.diff(path.objective) < 0.0)
    lengths, bends = [], False
    for at, to in zip(path.theta[:-1], path.theta[1:], strict=True):
        F, slope, H = derivatives(at)
        step = -np.linalg.solve(H, slope)
        t = float((to - at) @ step / (step @ step))
        np.testing.assert_allclose(to, at + t * step, rtol=1e-6, atol=1e-6)
        there, slope_there, H_there = derivatives(to)
        assert there <= F + 1e-4 * t * (slope @ step)
        is_full = abs(t - 1.0) < 1e-9
        if not is_full:
            assert bends or derivatives(at + step)[0] > F
            assert abs(slope_there @ step) <= 0.101 * t * (step @ H_there @ step), "one more step would be a tenth"
        bends = is_full and F - there > max(1.15 * -0.5 * (slope @ step), 0.1 * there)
        lengths.append(t)
    assert min(lengths) < 0.9 if is_far else max(lengths) > 1.5
    assert path.reads.tolist() == sorted(set(path.reads.tolist()))
    assert path.reads[-1] <= len(path.reads) + np.sum(np.abs(np.array(lengths) - 1.0) > 1e-9)
