"""What the data are given as changes nothing: layout, order in memory, threads, weights for rows, weights' scale, float32."""

import numpy as np
import pytest

from certificate_tools import Exact, Problem
from chainrule import fit
from chainrule.data.rows import Rows
from chainrule.kernels.blocks import Blocks
from chainrule.objective import DataObjective

SIZES = [(700, 5), (30_000, 7)]  # read whole at every step; with samples


def table(rng, m, n):
    X = rng.normal(size=(m, n)) @ (np.eye(n) + 0.3 * rng.normal(size=(n, n)) / np.sqrt(n))
    return X + 3.0, (X @ rng.normal(size=n) / np.sqrt(n) + rng.logistic(size=m) > 0.3).astype(int)


def everything(result, *but):
    """All of a result but times and threads, bit by bit; the trace with it."""
    document = result.to_dict(timings=False)
    trace = {name: column.tobytes() for name, column in result.trace.columns.items() if name != "seconds"}
    trace |= {"w": result.trace.w.tobytes(), "b": result.trace.b.tobytes()}
    return {name: value for name, value in document.items() if name not in but} | {"the trace": trace}


def memmap(tmp_path, X):
    np.save(tmp_path / "X.npy", X)
    return np.load(tmp_path / "X.npy", mmap_mode="r")


LAYOUTS = {
    "every second row": lambda X, path: np.repeat(X, 2, axis=0)[::2],
    "every second column": lambda X, path: np.repeat(X, 2, axis=1)[:, ::2],
    "backwards": lambda X, path: X[::-1].copy()[::-1],
    "read-only memory map": lambda X, path: memmap(path, X),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("size", SIZES)
def test_layout_changes_no_bit_and_copies_nothing(layout, dtype, size, rng, tmp_path):
    X, y = table(rng, *size)
    X = X.astype(dtype)
    expected = fit(X, y, method="newton")
    found = fit(LAYOUTS[layout](X, tmp_path), y, method="newton")
    assert everything(found, "storage") == everything(expected, "storage")
    assert found.copies == 0


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("size", SIZES)
def test_fortran_order_copies_nothing_and_agrees_within_the_certificates(dtype, size, rng):
    X, y = table(rng, *size)
    X = X.astype(dtype)
    expected, F = fit(X, y, method="newton"), np.asfortranarray(X)
    found = fit(F, y, method="newton")
    assert found.copies == 0
    assert abs(found.objective - expected.objective) <= 1e-8
    twice = np.repeat(
        F,
        2,
        axis=0,
    ).copy("F")[::2]
    assert everything(fit(twice, y, method="newton", n_threads=2), "storage") == everything(found, "storage")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("weighted", [False, True])
def test_threads_change_no_bit(size, weighted, rng):
    X, y = table(rng, *size)
    s = rng.exponential(size=len(y)) if weighted else None
    expected = everything(fit(X, y, sample_weight=s, method="newton", n_threads=1))
    for n_threads in (2, 3, 7):
        assert everything(fit(X, y, sample_weight=s, method="newton", n_threads=n_threads)) == expected


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("alpha", [0.0, 1e-3])
def test_scale_of_the_weights_changes_no_bit(size, alpha, rng):
    X, y = table(rng, *size)
    s = rng.exponential(size=len(y))
    said = ("sum_weights", "objective_line")  # which say the sum of the weights as given
    expected = everything(fit(X, y, sample_weight=s, alpha=alpha, method="newton"), *said)
    for k in (-300, -3, 1, 300):
        found = fit(X, y, sample_weight=s * 2.0**k, alpha=alpha, method="newton")
        assert everything(found, *said) == expected


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("options", [{}, {"alpha": 1e-3}, {"standardize": True}], ids=str)
def test_rows_of_weight_zero_are_not_looked_at(size, options, rng):
    X, y = table(rng, *size)
    s = rng.exponential(size=len(y))
    out = rng.choice(len(y), len(y) // 10, replace=False)
    s[out] = 0.0
    plain = fit(X, y, sample_weight=s, method="newton", **options)
    wild = X.copy()
    wild[out] = np.nan
    wild[out[:3]] = 1e12  # an outlier would be the largest leverage of all
    wild[out[3], 0] = np.inf
    found = fit(wild, y, sample_weight=s, method="newton", **options)
    # The certificate's bits too: those rows are in neither sum nor maximum.
    assert everything(found) == everything(plain)
    removed = fit(X[s > 0], y[s > 0], sample_weight=s[s > 0], method="newton", **options)
    assert np.all(np.abs(found.w - removed.w) <= found.certificate.coef + removed.certificate.coef)
    assert abs(found.b - removed.b) <= found.certificate.intercept + removed.certificate.intercept
    if len(y) < 1000:  # read whole both times: the same point but for the order of the sums
        np.testing.assert_allclose(found.certificate.gap, removed.certificate.gap, rtol=1e-2)
        np.testing.assert_allclose(found.certificate.coef, removed.certificate.coef, rtol=1e-2)


def with_weights(X, y, s):
    return DataObjective(Rows.of(Blocks.dense(X), y.astype(np.uint8), s, [f"x{j}" for j in range(X.shape[1])]))


def test_weights_are_repeats_to_rounding(rng):
    X, y = table(rng, 5000, 6)
    s = rng.integers(0, 4, len(y)).astype(float)
    places = np.repeat(np.arange(len(y)), s.astype(int))
    w, b = rng.normal(size=6), 0.3
    one = with_weights(X, y, s).evaluate(np.append(w, b))
    other = with_weights(X[places], y[places], None).evaluate(np.append(w, b))
    t = np.where(y == 1, -1.0, 1.0) * (X @ w + b)
    terms = s / s.sum() * np.exp(-np.logaddexp(0.0, -t))
    assert abs(one.objective - other.objective) <= 1e-12 * (s / s.sum() @ np.logaddexp(0.0, t))
    assert np.all(np.abs(one.gradient[:-1] - other.gradient[:-1]) <= 1e-12 * (terms @ np.abs(X)))
    assert abs(one.gradient[-1] - other.gradient[-1]) <= 1e-12 * terms.sum()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("alpha", [0.0, 1e-3])
def test_fits_with_weights_and_with_repeats_are_as_near_as_their_certificates(size, alpha, rng):
    X, y = table(rng, *size)
    s = rng.integers(0, 3, len(y)).astype(float)
    places = np.repeat(np.arange(len(y)), s.astype(int))
    for tol in (1e-5, None):  # far from the optimum they differ by more, and say so
        one = fit(X, y, sample_weight=s, alpha=alpha, method="newton", tol=tol)
        other = fit(X[places], y[places], alpha=alpha, method="newton", tol=tol)
        assert np.all(np.abs(one.w - other.w) <= one.certificate.coef + other.certificate.coef)
        assert abs(one.b - other.b) <= one.certificate.intercept + other.certificate.intercept
        assert abs(one.objective - other.objective) <= max(one.certificate.gap, other.certificate.gap) + 1e-14


def test_few_rows_of_weight_in_many_without(rng):
    X, y = table(rng, 100_000, 4)
    s = np.ones(len(y))
    s[np.flatnonzero(y == 1)[30:]] = 0.0  # a class that is rare among the rows that count
    found = fit(X, y, sample_weight=s, method="newton", tol=1e-10)
    assert found.certificate.gap <= 1e-10
    assert found.reads <= 20
    s = (rng.random(len(y)) < 0.01).astype(float)
    assert fit(X, y, sample_weight=s, method="newton", tol=1e-10).certificate.gap <= 1e-10


@pytest.mark.parametrize("tol", [1e-6, 1e-20])
def test_certificate_of_float32_holds_for_the_numbers_as_given(tol, rng):
    X, y = table(rng, 150, 3)
    X = (X * [1.0, 1e3, 1e-3] + [0.0, 1e5, 0.0]).astype(np.float32)
    result = fit(X, y, method="newton", tol=tol)
    problem = Problem(X.astype(float), y.astype(float), np.ones(len(y)), 0.0)
    exact = Exact(problem, np.append(result.w / problem.power, result.b + problem.center @ result.w))
    mp, of = exact.mp, exact.mp.mpf
    given = [of(float(v)) for v in result.w]
    powers, center = ([of(v) for v in values.tolist()] for values in (problem.power, problem.center))
    point = [*(v / p for v, p in zip(given, powers, strict=True)), of(result.b) + mp.fdot(given, center)]
    assert result.certificate.lower <= exact.gap(point) <= result.certificate.gap
    best = [v * p for v, p in zip(exact.theta, powers, strict=False)]
    assert all(abs(a - c) <= e for a, c, e in zip(given, best, result.certificate.coef.tolist(), strict=True))
    # The same numbers in float64 are the same problem.
    wide = fit(X.astype(float), y, method="newton", tol=tol)
    assert np.all(np.abs(wide.w - result.w) <= wide.certificate.coef + result.certificate.coef)
