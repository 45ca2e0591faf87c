"""`newton-cg`: what it claims is true of the point that it returns, in 50 digits, and it ends with a sentence in any case."""

import tracemalloc
import warnings

import mpmath
import numpy as np
import pytest
import scipy.sparse as sp

from chainrule import InputError, fit
from chainrule.data.rows import Rows
from chainrule.data.rows.costs import BLOCK
from chainrule.data.variables import MOST_ROWS
from chainrule.errors import NotConvergedWarning
from chainrule.kernels.blocks import Blocks, Csr
from chainrule.kernels.vectors import vector_depth
from chainrule.objective import DataObjective

mp = mpmath.mp.clone()
mp.dps = 50
STORAGES = ("dense", "fortran", "float32", "csr")
REASONS = {"converged", "max_reads"}


# --- the truth -------------------------------------------------------------------------------------------------------


def loss(z, y, s):
    """Mean log-loss in 50 digits, and its two derivatives by row."""
    S, total, r, h = mp.fsum(s), mp.mpf(0), [], []
    for zi, label, weight in zip(z, y, s, strict=True):
        sign = -1 if label else 1
        e = mp.exp(-abs(zi))
        wrong = 1 / (1 + e) if sign * zi > 0 else e / (1 + e)
        total += weight * (mp.log1p(e) + max(sign * zi, 0))
        r.append(weight * sign * wrong / S)
        h.append(weight * e / (1 + e) ** 2 / S)
    return total / S, r, h


class Exact:
    """F = mean loss + (alpha/2) w.w and its minimum, on columns (x - center)/scale, from the numbers as given.

    Where rows are fewer than columns w = X'a: the problem in a has their number of unknowns, and the penalty a'XX'a.
    """

    def __init__(self, X, y, s, alpha, intercept, center, scale):
        keep = np.ones(len(y), dtype=bool) if s is None else s > 0
        X, self.y, s = X[keep].astype(float), y[keep], np.ones(keep.sum()) if s is None else s[keep]
        self.s, self.alpha, self.intercept = [mp.mpf(float(v)) for v in s], mp.mpf(alpha), intercept
        self.center, self.scale = ([mp.mpf(float(v)) for v in vector] for vector in (center, scale))
        units = list(zip(self.center, self.scale, strict=True))
        rows = [[(mp.mpf(v) - c) / k for v, (c, k) in zip(row, units, strict=True)] for row in X.tolist()]
        self.X = mp.matrix(rows)
        self.is_wide = self.X.cols > self.X.rows
        self.K = self.X * self.X.T if self.is_wide else self.X
        self.P = self.K if self.is_wide else mp.eye(self.X.cols)
        self.minimise()

    def F(self, w, b):
        """F at coefficients in the user's units."""
        w = [mp.mpf(float(v)) for v in w]
        b = mp.mpf(float(b)) + mp.fdot(w, self.center)
        w = mp.matrix([v * k for v, k in zip(w, self.scale, strict=True)])
        z = [v + b for v in self.X * w]
        return loss(z, self.y, self.s)[0] + self.alpha / 2 * mp.fdot(w, w)

    def minimise(self):
        k, m = self.K.cols, self.K.rows
        rows = mp.matrix(m, k + self.intercept)
        rows[:, :k] = self.K
        if self.intercept:
            rows[:, k] = mp.matrix([1] * m)
        P = mp.zeros(rows.cols)
        P[:k, :k] = self.alpha * self.P
        theta = mp.matrix([0] * rows.cols)

        def at(theta):
            value, r, h = loss(list(rows * theta), self.y, self.s)
            return value + mp.fdot(theta, P * theta) / 2, r, h

        value, r, h = at(theta)
        for _ in range(200):
            gradient = rows.T * mp.matrix(r) + P * theta
            weighted = rows.copy()
            for i in range(m):
                weighted[i, :] *= h[i]
            step = mp.lu_solve(rows.T * weighted + P, -gradient)
            length = mp.mpf(1)
            while at(theta + length * step)[0] > value and length > 1e-9:
                length /= 2
            before, theta = value, theta + length * step
            value, r, h = at(theta)
            if abs(before - value) < mp.mpf(10) ** -40:
                break
        else:
            raise AssertionError("the optimum was not found in 50 digits")
        self.minimum = value
        a = theta[:k]
        w = self.X.T * mp.matrix(a) if self.is_wide else a
        self.w = [v / k for v, k in zip(w, self.scale, strict=True)]
        self.b = (theta[k] if self.intercept else mp.mpf(0)) - mp.fdot(self.w, self.center)


def is_true(result, X, y, s):
    """Assert all that the certificate says."""
    c = result.certificate
    exact = Exact(X, y, s, result.alpha, result.fit_intercept, result.center, result.scale)
    F = exact.F(result.w, result.b)
    assert F - exact.minimum <= c.gap
    assert c.optimum_at_least <= exact.minimum + mp.mpf(10) ** -30
    if c.optimum_at_least > 0:
        assert abs(F - mp.mpf(result.objective)) <= 1.01 * (result.objective - c.gap - c.optimum_at_least) + 1e-16
    assert all(abs(mp.mpf(float(v)) - e) <= c for v, e, c in zip(result.w, exact.w, c.coef, strict=True))
    assert abs(mp.mpf(float(result.b)) - exact.b) <= c.intercept


# --- problems --------------------------------------------------------------------------------------------------------


def stored(X, storage):
    if storage == "csr":
        return sp.csr_matrix(X)
    return {"dense": X, "fortran": np.asfortranarray(X), "float32": X.astype(np.float32)}[storage]


def draw(seed, small=False):
    """X, y, weights and options: scales, offsets, weights, rare classes, heavy tails, separated data, duplicates."""
    rng = np.random.default_rng([seed, small])
    m, n = (
        (int(rng.integers(4, 16)), int(rng.integers(1, 5)))
        if small
        else (int(rng.integers(3, 90)), int(rng.integers(1, 13)))
    )
    if rng.random() < 0.2:
        m, n = int(rng.integers(3, 8)), int(rng.integers(10, 25 if small else 301))
    X = rng.standard_t(1.5, size=(m, n)) if rng.random() < 0.2 else rng.normal(size=(m, n))
    X *= 10.0 ** (rng.uniform(-4, 4, size=n) if rng.random() < 0.4 else 0.0)
    X += 1000 * rng.normal(size=n) if rng.random() < 0.15 else 0.0
    if rng.random() < 0.3:
        X = np.where(rng.random((m, n)) < 0.5, X, 0.0)
    if rng.random() < 0.1 and n > 1 and n <= m:
        X[:, 0] = rng.choice([0.0, X[0, 0]])
        X[:, -1] = X[:, n // 2]
    X = X.astype(np.float32).astype(float)  # so that all storages hold the same numbers
    z = (X - X.mean(axis=0)) @ (rng.normal(size=n) / np.maximum(X.std(axis=0), 1e-9))
    kind = rng.choice(["logistic", "separated", "nearly", "rare"])
    y = (z + (0.0 if kind in ("separated", "nearly") else rng.logistic(size=m)) > np.median(z)).astype(int)
    if kind == "nearly":
        y[rng.integers(m)] ^= 1
    if kind == "rare" or y.min() == y.max():
        y = (np.arange(m) == rng.integers(m)).astype(int)
    s = None
    if rng.random() < 0.4:
        s = 10.0 ** rng.uniform(-6, 3, size=m)
        s[rng.random(m) < 0.3] = 0.0
        for label in (0, 1):
            s[np.flatnonzero(y == label)[0]] += 1.0
    options = {"alpha": 10.0 ** rng.uniform(-12, 1), "fit_intercept": bool(rng.random() < 0.75)}
    options["tol"] = float(rng.choice([1e-2, 1e-4, 1e-8, 1e-12, 0.0]))
    if rng.random() < 0.3:
        options["max_reads"] = int(rng.integers(0, 8))
    if rng.random() < 0.15:
        options["w0"] = rng.normal(size=n) * rng.choice([0.1, 30.0]) / np.maximum(np.abs(X).max(axis=0), 1e-8)
    return X, y, s, options


def run(X, y, s, **options):
    """Fit; says too whether NotConvergedWarning was issued. Other warnings than the package's own are errors."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        result = fit(X, y, sample_weight=s, **{"method": "newton-cg", **options})
    assert not [w for w in said if issubclass(w.category, RuntimeWarning)]
    return result, any(w.category is NotConvergedWarning for w in said)


def ends_well(result, warned):
    c = result.certificate
    assert result.reason in REASONS
    assert np.isfinite(result.w).all()
    assert np.isfinite([result.b, result.objective, c.gap]).all()
    assert c.kind == "bound"
    assert c.gap <= result.objective * (1 + 1e-6) + 1e-5  # F* is at least 0; z may be sums of terms of 1e6, that round
    assert warned == (result.reason == "max_reads" or c.gap > max(result.tol, 1e-8))
    if result.reason == "converged" and c.gap > result.tol and result.scale.min() == result.scale.max() == 1.0:
        assert c.gap <= 4.0 * c.noise or result.center.any()
        assert result.findings[0].values["is_rounding"]


@pytest.mark.parametrize("storage", STORAGES)
def test_no_bound_is_below_the_truth_in_50_digits(storage):
    for seed in range(STORAGES.index(storage), 48, len(STORAGES)):
        X, y, s, options = draw(seed, small=True)
        if storage != "csr" and seed % 3 == 0 and options["fit_intercept"]:
            options["standardize"] = "center" if seed % 2 else True
            options.pop("w0", None)
        result, warned = run(stored(X, storage), y, s, **options)
        ends_well(result, warned)
        is_true(result, X, y, s)


@pytest.mark.parametrize("storage", ["dense", "csr"])
def test_no_bound_is_below_what_newton_finds(storage):
    """On larger problems the optimum of `newton`, itself proven, is the truth."""
    for seed in range(int(storage == "csr"), 60, 2):
        X, y, s, options = draw(seed)
        result, warned = run(stored(X, storage), y, s, **options)
        ends_well(result, warned)
        least, _ = run(X, y, s, method="newton", alpha=options["alpha"], fit_intercept=options["fit_intercept"])
        if least.certificate.kind != "bound":
            continue
        noise = 1e-9 * (1.0 + result.objective)  # of both F: z may be sums of terms of 1e5
        assert result.objective - least.objective <= result.certificate.gap + noise
        assert least.objective - result.objective <= least.certificate.gap + noise
        assert (np.abs(result.w - least.w) <= result.certificate.coef + least.certificate.coef).all()


def test_fewer_rows_than_columns_are_solved_in_their_own_space():
    for seed in range(12):
        rng = np.random.default_rng(seed)
        m, n = int(rng.integers(3, 8)), int(rng.integers(20, 60))
        X = rng.normal(size=(m, n)) * 10.0 ** rng.uniform(-2, 2, size=n) + 10.0 * rng.normal(size=n)
        y, s = np.arange(m) % 2, rng.choice([0.5, 1.0, 1e3], size=m)
        alpha, intercept = 10.0 ** rng.uniform(-10, 0), bool(seed % 3)
        options = {"alpha": alpha, "fit_intercept": intercept, "standardize": intercept and seed % 2 == 0}
        result, _ = run(X, y, s, method="newton", **options)
        assert result.reason == "converged"
        assert result.method == "newton"
        is_true(result, X, y, s)


# --- what a user sees ------------------------------------------------------------------------------------------------


def text(rng, m=300, n=700, words=12):
    """Rows of a few words each, words of few rows most: CSR, some rows empty."""
    share = 1.0 / np.arange(1, n + 1)
    columns = rng.choice(n, size=(m, words), p=share / share.sum())
    rows = np.repeat(np.arange(m), words)
    X = sp.csr_matrix((np.ones(m * words), (rows, columns.ravel())), shape=(m, n))
    X = sp.csr_matrix(X.multiply((rng.random(m) > 0.05)[:, None]))
    X.eliminate_zeros()
    y = (X @ rng.normal(size=n) + rng.logistic(size=m) > 0).astype(int)
    return X, y


def test_text_needs_few_reads_and_any_number_of_threads_gives_the_same_bits(rng):
    X, y = text(rng)
    first, warned = run(X, y, None, alpha=1 / 300, tol=1e-8, n_threads=1)
    assert first.reason == "converged"
    assert not warned
    assert first.reads <= 20
    assert first.certificate.gap <= 1e-8
    for threads in (2, 3, 7):
        again, _ = run(X, y, None, alpha=1 / 300, tol=1e-8, n_threads=threads)
        assert again.w.tobytes() == first.w.tobytes()
        assert (again.b, again.certificate.gap) == (first.b, first.certificate.gap)
    least, _ = run(X.toarray(), y, None, alpha=1 / 300, method="newton", tol=1e-12)
    assert first.objective - least.objective <= first.certificate.gap + 1e-13
    assert (np.abs(first.w - least.w) <= first.certificate.coef + least.certificate.coef).all()


@pytest.mark.parametrize("storage", ["dense", "csr"])
def test_weights_count_rows_and_their_scale_changes_no_bit(storage, rng):
    X = rng.normal(size=(50, 6)) * (rng.random((50, 6)) < 0.6)
    y = (X[:, 0] + rng.logistic(size=50) > 0).astype(int)
    s = rng.integers(0, 3, size=50).astype(float)
    options = {"alpha": 0.01, "tol": 1e-9}
    weighted, _ = run(stored(X, storage), y, s, **options)
    for power in (2.0**-40, 2.0**7):
        scaled, _ = run(stored(X, storage), y, s * power, **options)
        assert scaled.w.tobytes() == weighted.w.tobytes()
        assert (scaled.b, scaled.certificate.gap) == (weighted.b, weighted.certificate.gap)
    rows = np.repeat(np.arange(50), s.astype(int))
    for index in (rows, rng.permutation(rows)):
        repeated, _ = run(stored(X[index], storage), y[index], None, **options)
        gaps = weighted.certificate.gap + repeated.certificate.gap
        assert abs(repeated.objective - weighted.objective) <= gaps
        assert (np.abs(repeated.w - weighted.w) <= weighted.certificate.coef + repeated.certificate.coef).all()


def test_no_penalty_is_refused_with_a_way_out():
    with pytest.raises(InputError, match=r"method='newton-cg' needs a penalty.*give alpha, e.g. 1/m"):
        fit([[0.0], [1.0], [2.0]], [0, 1, 0], method="newton-cg")


@pytest.mark.parametrize("size", [1e60, 1e160, 1e300])
def test_rows_too_large_for_their_squares_are_refused(size, rng):
    X, y = rng.normal(size=(20, 3)) * size, np.arange(20) % 2
    for given in (X, sp.csr_matrix(X)):
        with pytest.raises(InputError, match="X has rows larger than 1e\\+50: divide its columns"):
            fit(given, y, alpha=0.1, method="newton-cg")


@pytest.mark.parametrize("power", [-160, -170, -200])
def test_squares_that_vanish_prove_nothing_too_small(power):
    """Columns of which the squares are 0; at w = 0 F - F* is near |gradient|^2/(2 alpha)."""
    X, y = np.full((10, 1), 10.0**power), (np.arange(10) > 0).astype(int)
    result, _ = run(X, y, None, alpha=1e-300, fit_intercept=False, tol=0.9)
    if not result.w.any():
        assert mp.mpf(result.certificate.gap) >= (mp.mpf(4) / 10 * mp.mpf(10) ** power) ** 2 / mp.mpf("2.1e-300")


@pytest.mark.parametrize("share", [1e-18, 1e-100, 1e-300])
def test_a_class_that_weighs_next_to_nothing_is_a_class(share, rng):
    X, y = rng.normal(size=(30, 3)), np.arange(30) % 2
    for label in (0, 1):
        result, _ = run(X, y, np.where(y == label, share, 1.0), alpha=0.1)
        ends_well(result, False)


def test_a_bound_that_is_not_there_is_no_noise(rng):
    """Runs ended as converged where bound and noise were both infinite, or z had drifted beyond all use."""
    for storage in ("dense", "csr"):
        for start in (30.0, 1e6, 1e20, 1e300):
            X = rng.normal(size=(20, 4)) * np.array([1e-4, 1.0, 1e3, 1e4])
            y = (X[:, 1] > 0).astype(int)
            w0 = start * rng.normal(size=4)
            result, warned = run(stored(X, storage), y, None, alpha=1e-8, w0=w0, b0=-start, tol=1e-6)
            ends_well(result, warned)
            assert result.reason == "converged"
            assert result.certificate.gap <= 1e-6


@pytest.mark.parametrize("storage", STORAGES)
def test_few_columns_far_from_zero_are_solved_without_an_intercept(storage, rng):
    X = rng.normal(size=(150, 8)) + 1000.0 * rng.normal(size=8)
    y = (X @ rng.normal(size=8) - 1000.0 + rng.logistic(size=150) > 0).astype(int)
    y[:20] = np.arange(20) % 2
    result, warned = run(stored(X, storage), y, None, alpha=1e-4, fit_intercept=False)
    assert result.reason == "converged"
    assert not warned
    assert result.reads <= 60


def test_early_stops_say_so_and_prove_what_they_claim(rng):
    X = rng.normal(size=(300, 40))
    y = (X @ rng.normal(size=40) + rng.logistic(size=300) > 0).astype(int)
    least, _ = run(X, y, None, alpha=1e-3, method="newton", tol=1e-13)
    gaps = []
    for reads in (0, 1, 2, 4):
        result, warned = run(X, y, None, alpha=1e-3, tol=1e-12, max_reads=reads)
        assert result.reason == "max_reads"
        assert warned
        assert "raise max_reads" in result.message
        gaps.append(result.certificate.gap)
        assert result.objective - least.objective <= gaps[-1]
    assert gaps[-1] < gaps[0]


def test_a_tol_below_what_rounding_leaves_is_answered_as_such(rng):
    X = rng.normal(size=(60, 3))
    y = (X[:, 0] + rng.logistic(size=60) > 0).astype(int)
    for storage in STORAGES:
        result, warned = run(stored(X, storage), y, None, alpha=0.1, tol=0.0)
        assert result.reason == "converged"
        assert not warned
        assert 0.0 < result.certificate.gap < 1e-12
        assert result.findings[0].values["is_rounding"]


def test_a_callback_sees_each_step_and_the_trace_has_what_it_returns(rng):
    X, y = text(rng, 200, 300)
    seen = []

    def callback(step):
        seen.append(step)
        return {"twice": 2.0 * step.epoch}

    result, _ = run(X, y, None, alpha=0.01, callbacks=[callback])
    columns = result.trace.columns
    assert [step.epoch for step in seen] == list(range(result.n_epochs + 1)) == columns["epoch"].tolist()
    assert columns["twice"].tolist() == [2.0 * k for k in range(result.n_epochs + 1)]
    assert (np.diff(columns["reads"]) > 0).all()
    assert columns["gap"][-1] <= result.tol
    assert (columns["objective"][-1], columns["gap"][-1]) == (result.objective, result.certificate.gap)
    assert (np.diff(columns["objective"]) <= 1e-14).all()
    assert np.array_equal(seen[-1].w, result.w)


def test_ctrl_c_keeps_the_best_point_and_what_is_proven_of_it(rng):
    X, y = text(rng, 200, 300)

    def stop(step):
        if step.epoch == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        fit(X, y, alpha=0.01, method="newton-cg", callbacks=[stop])
    result = caught.value.result
    assert result.reason == "interrupted"
    assert "interrupted after 2 steps" in result.message
    least, _ = run(X, y, None, alpha=0.01)
    assert -least.certificate.gap <= result.objective - least.objective <= result.certificate.gap


@pytest.mark.parametrize("seed", [19, 25, 84])
def test_a_few_rows_that_lose_their_curvature_hide_no_bound(seed):
    """Older curvatures pulled the dual points of rows that had become sure: the bound stayed at F for 70 to 300 reads."""
    rng, m = np.random.default_rng(seed), 280
    n = int(rng.integers(2, 20))
    X = rng.normal(size=(m, n)) * 10 ** rng.uniform(0, 1.5)
    y = (rng.random(m) < 0.5).astype(int)
    X[:3] *= 10 ** rng.uniform(2, 5)
    result = fit(X, y, alpha=float(rng.choice([0.1, 1, 10.0])), method="newton-cg")
    assert result.reason == "converged"
    assert result.reads <= 35


@pytest.mark.parametrize(("m", "n"), [(200_000, 100), (2_000, 60_000), (50_000, 3_000)])
def test_numpys_arrays_at_the_peak_are_a_stated_count_of_vectors_and_blocks(m, n, rng):
    """z, u, residuals, changes, curvatures; a sample, under one more of m; two blocks; no sums of the core."""
    X, y = text(rng, m, n, 6)
    options = {"alpha": 1 / m, "tol": 1e-6}
    run(X[:300], y[:300], None, **options)  # imports count no memory of a fit
    tracemalloc.start()
    try:
        result, _ = run(X, y, None, **options)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert result.reason == "converged"
    vectors_of_n = 36 + 2 * len(result.trace)  # 12 of them pairs; the trace's points, and what they are collected in
    of_facts = 3 * min(m, MOST_ROWS)  # the sample from which deviations of the columns are measured at the end
    numbers = 6 * m + vectors_of_n * n + 2 * min(n, BLOCK) ** 2 + of_facts
    assert peak <= 8 * numbers + 500_000  # small objects


# --- what the bound rests on -----------------------------------------------------------------------------------------


def test_the_depth_of_a_secants_sums_is_that_of_its_own_leaves(rng):
    X = sp.random_array((40_000, 40), density=0.2, rng=rng, format="csr")
    data = Csr(X.data, X.indices.astype(np.int32), X.indptr.astype(np.int32), 40)
    y, names = (np.arange(40_000) % 2).astype(np.uint8), [f"x{k}" for k in range(40)]
    rows = Rows.of(Blocks.sparse(data), y, None, names)
    assert rows.sum_depth >= Blocks.sparse(data).sum_depth(40_000)
    assert rows.sum_depth >= vector_depth(40_000)  # passes over z have leaves of their own
    dense = Rows.of(Blocks.dense(X.toarray()), y, None, names)
    assert dense.sum_depth == max(Blocks.dense(X.toarray()).sum_depth(40_000), vector_depth(40_000))
    assert DataObjective(Rows.of(Blocks.dense(X.toarray()), y, np.ones(40_000), names)).secant_depth > dense.sum_depth


def test_rows_of_1e160_in_their_own_space_end_with_a_sentence(rng):
    """A square of Python's floats raised OverflowError."""
    X, y = 1e160 * rng.normal(size=(6, 20)), np.array([0, 1, 0, 1, 1, 0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = fit(X, y, alpha=0.1, method="newton")
    assert result.certificate.kind == "none"
    assert result.certificate.sentence.rstrip(".") in result.message


def test_a_bound_by_f_itself_is_of_the_point_after_its_way_to_the_users_units():
    """F* is next to nothing and F - F* next to F; columns lie at 1e9, so that w and b round visibly on the way."""
    for seed in (48, 88, 116):
        rng = np.random.default_rng(seed)
        m, n = int(rng.integers(6, 20)), int(rng.integers(1, 4))
        y = np.arange(m) % 2
        X = rng.normal(size=(m, n)) * 0.1 + y[:, None] * 2 + 1e9 * rng.normal(size=n)
        reads = int(rng.integers(1, 6))
        options = {"alpha": 1e-30, "standardize": "center", "tol": 1e-13, "max_reads": reads}
        result, _ = run(X, y, None, **options)
        is_true(result, X, y, None)


@pytest.mark.parametrize("storage", ["dense", "csr"])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_intercept_is_bounded_too(storage, weighted, rng):
    m, n = 500, 40
    X = rng.standard_normal((m, n)) + rng.normal(size=n)
    y = (X @ rng.standard_normal(n) / 6 - 1 + rng.logistic(size=m) > 0).astype(int)
    s = rng.choice([0.0, 1.0, 3.0], m) if weighted else None
    for tol in (1e-2, 1e-4, 1e-8, 1e-12):
        result, _ = run(stored(X, storage), y, s, alpha=1 / m, tol=tol)
        exact, _ = run(X, y, s, alpha=1 / m, tol=1e-15, method="newton")
        assert abs(result.b - exact.b) <= result.certificate.intercept + exact.certificate.intercept
    longest = np.sqrt(np.square(X).sum(axis=1).max())
    assert result.certificate.intercept <= 2.0 * longest * result.certificate.coef.max()
