"""Stochastic gradient descent: unbiased updates, an order without memory, runs that repeat and resume to the bit."""

import math
import pickle
import signal
import threading
import warnings
from dataclasses import dataclass

import numpy as np
import pytest

import chainrule
from chainrule import InputError
from chainrule.data.rows import Rows
from chainrule.data.rows.batches import descend_rows, largest_pull
from chainrule.data.rows.moments import standardized
from chainrule.diagnosis import NoiseMonitor, expected_smoothness, largest_curvature
from chainrule.errors import LearningRateWarning, NotConvergedWarning
from chainrule.kernels.blocks import Blocks
from chainrule.kernels.runs import SCHEDULES, Batches, visiting_order
from chainrule.objective import DataObjective
from chainrule.penalties import ridge
from chainrule.solvers.trace import TraceRecorder

MASK = 2**64 - 1


def fit(X, y, **options):
    """Fit by sgd; that it stopped before tol is what nearly every run says."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotConvergedWarning)
        return chainrule.fit(X, y, **{"method": "sgd", "max_reads": 6, **options})


@pytest.fixture
def table(rng):
    X = rng.normal(size=(203, 5)) * [1.0, 2.0, 0.5, 1.0, 3.0] + [0.0, 1.0, 0.0, -2.0, 0.0]
    y = (rng.random(203) < 1 / (1 + np.exp(-(X @ [1.0, -0.5, 0.3, 0.0, 0.2] + 0.4)))).astype(np.uint8)
    return X, y


# The order of an epoch


def mixed(x):
    """SplitMix64's output function (Steele, Lea and Flood 2014, figure 17)."""
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def order_in_words(rows, seed, epoch):
    """The same bijection in Python's whole numbers, from its description alone."""
    golden = 0x9E3779B97F4A7C15
    bits = max(1, (rows - 1).bit_length())
    low_bits, rounds = bits // 2, 32 if bits < 12 else 8
    low_mask, high_mask = (1 << low_bits) - 1, (1 << (bits - low_bits)) - 1
    state = mixed((mixed((seed + golden) & MASK) + golden * (epoch + 1)) & MASK)
    keys = [mixed((state + golden * (k + 1)) & MASK) for k in range(rounds)]
    places = []
    for place in range(rows):
        while True:
            high, low = place >> low_bits, place & low_mask
            for k in range(0, rounds, 2):
                high ^= (mixed((low + keys[k]) & MASK) >> 32) & high_mask
                low ^= (mixed((high + keys[k + 1]) & MASK) >> 32) & low_mask
            place = high << low_bits | low
            if place < rows:
                break
        places.append(place)
    return places


@pytest.mark.parametrize("rows", [1, 2, 3, 7, 8, 9, 100, 1000, 1024, 2048, 2049, 4097])
def test_an_epoch_visits_each_row_once_in_the_order_described(rows):
    for seed, epoch in ((0, 0), (1, 0), (0, 1), (2**64 - 1, 12)):
        places = visiting_order(rows, seed, epoch)
        assert np.array_equal(np.sort(places), np.arange(rows))
        assert places.tolist() == order_in_words(rows, seed, epoch)


def test_large_orders_are_permutations():
    for rows in (2**20, 2**20 + 1):
        assert np.array_equal(np.sort(visiting_order(rows, 3, 4)), np.arange(rows))


@pytest.mark.parametrize("rows", [2, 3, 4, 5, 6])
def test_all_orders_of_few_rows_come_as_often(rows):
    count = math.factorial(rows)
    seen = {}
    for epoch in range(200 * count):
        key = visiting_order(rows, 5, epoch).tobytes()
        seen[key] = seen.get(key, 0) + 1
    assert len(seen) == count
    statistic = sum((n - 200) ** 2 / 200 for n in seen.values())
    # chi squared of count - 1 degrees of freedom: mean count - 1, variance 2 (count - 1); 5 deviations above it
    assert statistic < count - 1 + 5 * math.sqrt(2 * (count - 1))


@pytest.mark.parametrize("rows", [50, 500])
def test_first_places_are_uniform_and_seeds_differ(rows):
    first = np.array([visiting_order(rows, seed, 0)[:2] for seed in range(4000)])
    for place in first.T:
        counts = np.bincount(place * 10 // rows, minlength=10)
        assert np.square(counts - 400).sum() / 400 < 9 + 5 * math.sqrt(18)
    # neighbours are no neighbours any more
    assert abs(np.corrcoef(first.T)[0, 1]) < 5 / math.sqrt(4000)


# The mean update is the gradient


def rows_of(X, y, s=None, standardize=None):
    rows = Rows.of(
        Blocks.dense(X), y, None if s is None else np.asarray(s, dtype=float), [f"x{j}" for j in range(X.shape[1])]
    )
    if standardize is not None:
        rows.moments()
        rows = standardized(rows, np.full(X.shape[1], True), standardize == "scale")
    return rows


@pytest.mark.parametrize("size", [1, 2, 7, 8, 9, 64, 202, 203])
@pytest.mark.parametrize("more", ["plain", "weights", "zeros", "scale", "center", "no intercept", "penalty"])
def test_the_mean_update_over_an_epoch_at_one_point_is_the_full_gradient(size, more, table, rng):
    X, y = table
    s = {"weights": rng.exponential(size=203), "zeros": rng.integers(0, 3, size=203)}.get(more)
    rows = rows_of(X, y, s, more if more in ("scale", "center") else None)
    alpha, with_intercept = (0.3 if more in ("penalty", "scale") else 0.0), more != "no intercept"
    if size > rows.n_visited:
        size = rows.n_visited
    w, b, rate = rng.normal(size=5), 0.4 if with_intercept else 0.0, 0.5
    full = DataObjective(rows, ridge(alpha, rows.n_features), with_intercept).evaluate(np.append(w, b))
    batches = Batches(size, 11, "constant")
    visited, updates, total, parts = rows.n_visited, batches.updates(rows.n_visited), np.zeros(6), np.zeros(6)
    for k in range(updates):
        w_then, b_then = descend_rows(
            rows,
            w,
            b,
            ridge=np.full(5, alpha),
            fit_intercept=with_intercept,
            rate=rate,
            batches=batches,
            epoch=3,
            first=k,
            end=k + 1,
        )
        step = np.append(w - w_then, b - b_then) / rate
        share = min(size, visited - k * size) / size
        total += step  # each an estimate, times its share
        parts += share * full.gradient
    # Sums of up to 203 steps, each rounded at the size of w: about 203 x 2^-53 x |w|/rate.
    np.testing.assert_allclose(total, parts, rtol=1e-11, atol=1e-12 * updates)
    np.testing.assert_allclose(total * size / visited, full.gradient, rtol=1e-11, atol=1e-12)


def test_an_update_is_that_of_the_formula(table, rng):
    X, y = table
    s = rng.exponential(size=203)
    w, b, alpha, size, rate = rng.normal(size=5), 0.2, 0.1, 8, 0.3
    rows = rows_of(X, y, s)
    epoch, k = 4, 25  # the last one, of 3 rows
    t = (epoch * 26 + k) / 26
    for schedule, divisor in (
        ("constant", 1.0),
        ("inverse", 1.0 + t),
        ("inverse-sqrt", (1.0 + t) ** 0.5),
    ):
        batches = Batches(size, 2, schedule)
        at = visiting_order(203, 2, epoch)[k * size : (k + 1) * size]
        assert len(at) == 3
        residual = s[at] * (1 / (1 + np.exp(-(X[at] @ w + b))) - y[at])
        eta = rate / divisor
        scale = 203 / (size * s.sum())
        expected = np.append(
            w - eta * (scale * residual @ X[at] + alpha * 3 / size * w), b - eta * scale * residual.sum()
        )
        w_then, b_then = descend_rows(
            rows,
            w,
            b,
            ridge=np.full(5, alpha),
            fit_intercept=True,
            rate=rate,
            batches=batches,
            epoch=epoch,
            first=k,
            end=k + 1,
        )
        np.testing.assert_allclose(np.append(w_then, b_then), expected, rtol=1e-13)


def test_an_epoch_is_its_updates_one_after_the_other(table):
    X, y = table
    rows = rows_of(X, y, None, "scale")
    how = dict(ridge=np.full(5, 0.1), fit_intercept=True, rate=0.2, batches=Batches(10, 0, "inverse"), epoch=2)
    whole = descend_rows(rows, np.zeros(5), 0.0, **how)
    w, b = np.zeros(5), 0.0
    for k in range(21):
        w, b = descend_rows(rows, w, b, **how, first=k, end=k + 1)
    # The view's units and back round between calls.
    np.testing.assert_allclose(np.append(*whole), np.append(w, b), rtol=1e-13)


def test_all_rows_at_once_are_gradient_descent(table):
    X, y = table
    ours = fit(X, y, batch_size=203, learning_rate=0.05, max_reads=30, standardize=True)
    with pytest.warns(NotConvergedWarning):
        theirs = chainrule.fit(X, y, method="gradient-descent", learning_rate=0.05, max_reads=30, standardize=True)
    np.testing.assert_allclose(ours.w, theirs.w, rtol=1e-11)
    assert ours.learning_rate_limit == theirs.learning_rate_limit
    assert ours.reason == "max_reads"


# Runs repeat and resume to the bit


def same(ours, theirs, but=("seconds",)):
    assert np.array_equal(ours.w, theirs.w)
    assert (ours.b, ours.n_epochs, ours.epoch) == (theirs.b, theirs.n_epochs, theirs.epoch)
    assert np.array_equal(ours.trace.w, theirs.trace.w)
    assert list(ours.trace.columns) == list(theirs.trace.columns)
    for name in set(ours.trace.columns) - set(but):
        assert np.array_equal(ours.trace.columns[name], theirs.trace.columns[name]), name


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("size", [1, 10])
def test_a_run_repeats_and_resumes_to_the_bit(schedule, size, table):
    X, y = table
    how = dict(batch_size=size, schedule=schedule, seed=4, standardize=True, alpha=0.01)
    whole = fit(X, y, **how, max_reads=12)
    same(fit(X, y, **how, max_reads=12), whole)
    part = fit(X, y, **how, max_reads=1)
    for epochs in (5, 11, 12):
        part = fit(X, y, **how, max_reads=epochs, resume=pickle.loads(pickle.dumps(part)))
    same(part, whole)
    assert part.message == whole.message
    assert not np.array_equal(fit(X, y, **{**how, "seed": 5}, max_reads=12).w, whole.w)


def test_an_interrupted_run_goes_on_from_its_last_epoch(table):
    X, y = table

    def stop(step):
        if step.epoch == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        fit(X, y, max_reads=20, callbacks=stop)
    part = caught.value.result
    assert part.reason == "interrupted"
    assert part.n_epochs == 6  # the callback of epoch 7 came before it was kept
    same(fit(X, y, max_reads=20, resume=part), fit(X, y, max_reads=20))


def test_ctrl_c_reaches_a_long_epoch(rng):
    X = rng.normal(size=(400_000, 4))
    y = (X[:, 0] + rng.logistic(size=len(X)) > 0).astype(np.uint8)
    timer = threading.Timer(0.6, lambda: signal.raise_signal(signal.SIGINT))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # shells have jobs in the background ignore it
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt) as caught:
            fit(X, y, max_reads=10**6)
    finally:
        timer.cancel()
        signal.signal(signal.SIGINT, before)
    assert caught.value.result is None or caught.value.result.n_epochs < 100_000


def test_a_resumed_run_keeps_callbacks_numbers_and_the_best_epoch(table):
    X, y = table
    held_out = chainrule.HeldOut(X[:50], y[:50])
    how = dict(batch_size=5, callbacks=held_out)
    whole, part = fit(X, y, **how, max_reads=30), fit(X, y, **how, max_reads=20)
    resumed = fit(X, y, **how, max_reads=30, resume=part)
    same(resumed, whole)
    assert np.isfinite(resumed.trace.columns["held_out_loss"]).all()
    assert resumed.reads > part.reads + 20


@pytest.mark.parametrize("schedule", ["constant", "inverse"])
def test_a_thinned_trace_resumes_too(schedule, table, monkeypatch):
    X, y = table

    @dataclass
    class Small(TraceRecorder):
        max_bytes: int = 6000

    def stop(step):
        if step.epoch == 59:
            raise KeyboardInterrupt

    monkeypatch.setattr("chainrule.solvers.loop.TraceRecorder", Small)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for seed in range(3):
            how = dict(batch_size=50 if seed == 0 else 1, schedule=schedule, seed=seed, standardize=True)
            whole = fit(X, y, **how, max_reads=80)
            part = fit(X, y, **how, max_reads=37)
            with pytest.raises(KeyboardInterrupt) as stopped:
                fit(X, y, **how, max_reads=80, callbacks=stop, resume=part)
            resumed = fit(X, y, **how, max_reads=80, resume=pickle.loads(pickle.dumps(stopped.value.result)))
            assert whole.trace.stride > part.trace.stride > 1
            same(resumed, whole)
            # what is said of the last epochs, and of the best one, is of all of them and not of those kept
            assert (resumed.reason, resumed.message) == (whole.reason, whole.message)
            if schedule == "constant" and seed:
                assert "in the last 40 epochs" in resumed.message


# What must not matter


def test_threads_storage_and_strides_change_no_bit(rng):
    m, n = 3000, 40
    X = rng.normal(size=(m, n)).astype(np.float32).astype(np.float64)
    y = (X[:, 0] + rng.logistic(size=m) > 0).astype(np.uint8)
    for how in (dict(batch_size=1), dict(batch_size=20, standardize=True)):
        reference = fit(X, y, **how, max_reads=3, n_threads=1)
        wide = np.zeros((2 * m, 3 * n))
        wide[::2, ::3] = X
        read_only = X.copy()
        read_only.flags.writeable = False
        for other in (
            wide[::2, ::3],
            X[::-1, ::-1].copy()[::-1, ::-1],
            read_only,
            X.astype(np.float32),
        ):
            same(fit(other, y, **how, max_reads=3, n_threads=2), reference)
        # Means, and what is measured after an epoch, are summed column by column.
        found = fit(np.asfortranarray(X), y, **how, max_reads=3)
        np.testing.assert_allclose(found.trace.w, reference.trace.w, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("n", [1, 3, 7, 8, 9, 17])
def test_every_kernel_agrees_with_python(n, kernel, rng):
    X = rng.normal(size=(60, n)) + 0.5
    y, s = rng.integers(0, 2, size=60).astype(np.uint8), rng.exponential(size=60)
    for rows, size in (
        (rows_of(X, y, s), 1),
        (rows_of(X, y, s, "scale"), 7),
        (rows_of(X.astype(np.float32), y, s), 16),
    ):
        x = rows.viewed(np.arange(60))
        w, b = np.zeros(n), 0.1
        ours = descend_rows(
            rows,
            w,
            b,
            ridge=np.full(rows.n_features, 0.2),
            fit_intercept=True,
            rate=0.1,
            batches=Batches(size, 1, "inverse"),
            epoch=1,
        )
        theta, places, updates = np.append(w, b), visiting_order(60, 1, 1), -(-60 // size)
        for k in range(updates):
            at = places[k * size : (k + 1) * size]
            residual = s[at] * (1 / (1 + np.exp(-(x[at] @ theta))) - y[at])
            eta = 0.1 / (1 + (updates + k) / updates)
            ridge = 0.2 * len(at) / size * np.append(theta[:-1], 0.0)
            theta = theta - eta * (60 / (size * s.sum()) * residual @ x[at] + ridge)
        np.testing.assert_allclose(np.append(*ours), theta, rtol=1e-11, atol=1e-14)


def test_rows_of_weight_zero_are_not_there(table, rng):
    X, y = table
    s = rng.integers(0, 3, size=len(y)).astype(float)
    X = X.copy()
    X[s == 0] = np.nan
    kept = s > 0
    ours, theirs = fit(X, y, sample_weight=s, batch_size=4), fit(X[kept], y[kept], sample_weight=s[kept], batch_size=4)
    np.testing.assert_allclose(ours.w, theirs.w, rtol=1e-12)
    assert ours.trace.columns["updates"][-1] == 6 * -(-kept.sum() // 4)


def test_the_scale_of_the_weights_changes_no_bit(table, rng):
    X, y = table
    s = rng.exponential(size=len(y))
    same(fit(X, y, sample_weight=s), fit(X, y, sample_weight=1024.0 * s))


# Rates


@pytest.mark.parametrize("with_intercept", [True, False])
def test_expected_smoothness_is_what_the_batches_show(with_intercept, rng):
    """E [|sum over a batch of H_i v|^2] <= E v'Hv for every v: over all batches of a small table, exactly."""
    from itertools import combinations

    X = rng.normal(size=(7, 2)) * [1.0, 3.0]
    x = np.column_stack([X, np.ones(7)]) if with_intercept else X
    s = rng.exponential(size=7)
    rows = rows_of(X, rng.integers(0, 2, size=7).astype(np.uint8), s)
    alpha = 0.1
    ridge = np.diag([alpha, alpha, 0.0][: x.shape[1]])
    hessians = [7 * s_i / s.sum() * 0.25 * np.outer(x_i, x_i) + ridge for s_i, x_i in zip(s, x, strict=True)]
    H = np.mean(hessians, axis=0)
    curvature = largest_curvature(rows.moments(), rows.units, alpha, with_intercept)
    of_row = 0.25 * largest_pull(rows, with_intercept) + alpha
    bound = max(np.linalg.eigvalsh(h)[-1] for h in hessians)
    assert bound <= of_row * (1 + 1e-12) <= bound + alpha + 1e-9
    for size in range(1, 8):
        E = expected_smoothness(curvature, of_row, 7, size)
        squares = np.mean([np.linalg.matrix_power(np.mean([hessians[i] for i in at], axis=0), 2)
                           for at in combinations(range(7), size)], axis=0)  # fmt: skip
        assert np.linalg.eigvalsh(E * H - squares)[0] >= -1e-9 * E
    assert expected_smoothness(curvature, of_row, 7, 7) == curvature
    assert expected_smoothness(curvature, of_row, 7, 1) == pytest.approx(of_row)


@pytest.mark.parametrize("size", [1, 10, 203])
def test_two_runs_on_the_same_batches_never_move_apart_at_the_limit(size, table, rng):
    X, y = table
    rows = rows_of(X, y, rng.exponential(size=203), "center")
    how = dict(ridge=np.full(5, 0.05), fit_intercept=True, batches=Batches(size, 1, "constant"))
    curvature = largest_curvature(rows.moments(), rows.units, 0.05)
    of_row = 0.25 * largest_pull(rows, True) + 0.05
    rate = 2.0 / expected_smoothness(curvature, of_row, 203, size)
    for k in range(20):
        (w, b), (v, c) = ((rng.normal(size=5) * 10.0 ** (k / 10 - 1), rng.normal()) for _ in range(2))
        before = np.square(w - v).sum() + (b - c) ** 2
        after = []
        for epoch in range(1 if size == 203 else 50):
            (w_then, b_then), (v_then, c_then) = (
                descend_rows(rows, p, q, **how, rate=rate, epoch=epoch, first=0, end=1) for p, q in ((w, b), (v, c))
            )
            after.append(np.square(w_then - v_then).sum() + (b_then - c_then) ** 2)
        # of single rows, and of all, each update; of batches the mean
        assert (np.mean(after) if size == 10 else np.max(after)) <= before * (1 + 1e-12)


def test_the_largest_pull_is_the_same_with_and_without_weights(table):
    X, y = table
    for standardize in (None, "scale", "center"):
        plain, weighted = rows_of(X, y, None, standardize), rows_of(X, y, np.full(len(y), 3.0), standardize)
        x = plain.viewed(np.arange(len(y)))
        assert largest_pull(plain, True) == pytest.approx(np.square(x).sum(axis=1).max())
        assert largest_pull(weighted, True) == pytest.approx(largest_pull(plain, True))
        assert largest_pull(weighted, False) == pytest.approx(np.square(x[:, :-1]).sum(axis=1).max())


@pytest.mark.parametrize("k", range(12))
def test_the_automatic_rate_never_blows_up(k, rng):
    m, n = int(rng.integers(20, 300)), int(rng.integers(1, 12))
    X = rng.standard_t(1.5, size=(m, n)) * 10.0 ** rng.uniform(-3, 3, size=n)  # heavy tails
    y = rng.integers(0, 2, size=m)
    y[:2] = 0, 1
    s = rng.exponential(size=m) if k % 2 else None
    size = int(rng.integers(1, m + 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = chainrule.fit(
            X,
            y,
            method="sgd",
            sample_weight=s,
            batch_size=size,
            alpha=[0.0, 1e-3][k % 2],
            max_reads=20,
            standardize=k % 3 == 0,
        )
    F = result.trace.columns["objective"]
    assert np.isfinite(F).all()
    # At 1/(2 E) the mean of F - F* over the updates is at most |x_0 - x*|^2/(2 rate t) and noise: of the start's order here.
    assert F.max() <= 2.0 * F[0]


def test_a_rate_above_what_is_known_to_be_stable_is_said(table):
    X, y = table
    limit = fit(X, y, max_reads=1).learning_rate_limit
    with pytest.warns(LearningRateWarning, match="above what is known to be stable for batches of 1"):
        fit(X, y, max_reads=1, learning_rate=1.01 * limit)
    assert fit(X, y, max_reads=1).learning_rate == limit / 4
    with pytest.warns(LearningRateWarning), pytest.warns(NotConvergedWarning, match="use a learning_rate below"):
        chainrule.fit(X, y, method="sgd", learning_rate=50.0 * limit, max_reads=40)
    assert fit(X, y, max_reads=1, batch_size=50).learning_rate_limit > limit


def test_a_rate_far_below_is_told_to_grow(table):
    with pytest.warns(NotConvergedWarning, match="the steps are short: use a larger learning_rate, or 'auto'"):
        result = chainrule.fit(*table, method="sgd", learning_rate=1e-6, max_reads=30)
    assert result.reason == "max_reads"


def test_a_penalty_beyond_the_rate_diverges_and_is_stopped(table):
    X, y = table
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = chainrule.fit(X, y, method="sgd", alpha=10.0, learning_rate=0.3, max_reads=50)
    assert result.reason in ("diverged", "non_finite")
    assert result.objective <= result.trace.columns["objective"][0]
    assert np.isfinite(result.w).all()


# What is said of the end


def test_a_constant_rate_ends_in_a_noise_floor_and_says_so(table):
    X, y = table
    with pytest.warns(NotConvergedWarning, match="F no longer falls"):
        result = chainrule.fit(X, y, method="sgd", standardize=True)
    assert result.reason == "noise_floor"
    assert result.epochs_needed is None
    best = chainrule.fit(X, y, standardize=True)
    gap, certificate = result.objective - best.objective, result.certificate
    assert certificate.kind == "bound"
    assert certificate.lower <= gap + 1e-12 <= certificate.gap + 2e-12
    assert "schedule='inverse'" in result.message
    assert f"{result.trace.columns['objective'].min():.6g}" in result.message


@pytest.mark.parametrize("schedule", ["inverse", "inverse-sqrt"])
def test_a_falling_rate_goes_below_the_floor(schedule, table):
    X, y = table
    floor, falling = (
        fit(X, y, standardize=True, max_reads=200),
        fit(X, y, standardize=True, max_reads=200, schedule=schedule),
    )
    gap = lambda result: np.median(result.trace.columns["gap"][-20:])  # noqa: E731
    assert gap(falling) < gap(floor) / 5
    assert falling.reason != "noise_floor"


def test_the_estimate_of_epochs_is_of_the_right_size(table):
    X, y = table
    how = dict(standardize=True, schedule="inverse", batch_size=10, tol=1e-6)
    whole = fit(X, y, **how, max_reads=100_000)
    assert whole.reason == "converged"
    part = fit(X, y, **how, max_reads=whole.n_epochs // 3)
    assert part.epochs_needed == pytest.approx(whole.n_epochs - part.n_epochs, rel=0.8)
    assert "at the trend seen" in part.message


def test_a_loose_tol_is_reached_and_proven(table):
    X, y = table
    result = fit(X, y, standardize=True, schedule="inverse", tol=1e-3, max_reads=500)
    assert result.reason == "converged"
    assert result.certificate.gap <= 1e-3
    assert result.objective - chainrule.fit(X, y, standardize=True).objective <= 1e-3


def test_separated_classes_have_an_infimum(rng):
    x = rng.normal(size=(60, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = chainrule.fit(x, (x[:, 0] > 0.1).astype(int), method="sgd", max_reads=30)
    assert result.certificate.kind == "infimum"
    assert any(found.code == "separated" for found in result.findings)


def test_hovering_is_told_from_falling(rng):
    def watched(gaps):
        monitor = NoiseMonitor()
        return [monitor.watch(1.0, gap) for gap in gaps][-1]

    epochs = np.arange(100)
    noise = np.exp(0.3 * rng.normal(size=100))
    assert watched(0.99**epochs) == ""  # slow, and no noise
    assert watched(noise * 0.95**epochs) == ""
    assert watched(noise * (0.5**epochs + 0.01)) == "hovering"
    assert watched(noise[:12]) == ""  # too few to tell
    assert watched(np.append(noise, np.inf)) == ""


def test_the_trace_counts_reads_and_updates(table):
    X, y = table
    result = fit(X, y, batch_size=10, max_reads=4)
    columns = result.trace.columns
    assert columns["updates"].tolist() == [0, 21, 42, 63, 84]
    assert np.diff(columns["reads"]).tolist() == [2, 2, 2, 2]
    assert (result.batch_size, result.seed, result.schedule) == (10, 0, "constant")
    told = result.to_dict()
    assert (told["batch_size"], told["seed"], told["schedule"]) == (10, 0, "constant")
    assert chainrule.fit(X, y).batch_size is None


# Mistakes

BATCHES = ("batch_size", "from 1")
MISTAKES = [
    (dict(batch_size=0), BATCHES),
    (dict(batch_size=2.0), BATCHES),
    (dict(batch_size=True), BATCHES),
    (dict(batch_size=204), ("batch_size 204 is more than the 203 rows of positive weight",)),
    (dict(schedule="linear"), ("schedule", "'constant', 'inverse', 'inverse-sqrt', not 'linear'")),
    (dict(seed=-1), ("seed", "from 0", "not -1")),
    (dict(seed=2**64), ("seed", "from 0", f"not {2**64}")),
    (dict(method="newton", batch_size=3), ("batch_size", "sgd", "method is newton")),
    (dict(method="gradient-descent", schedule="inverse"), ("schedule", "sgd", "method is gradient-descent")),
    (dict(resume=3), ("resume must be the Result of an earlier fit, not int",)),
    (dict(learning_rate=0.0), ("learning_rate", "positive")),
]


@pytest.mark.parametrize(("options", "parts"), MISTAKES, ids=lambda v: str(v)[:40])
def test_mistakes_are_one_sentence(options, parts, table):
    with pytest.raises(InputError) as caught:
        fit(*table, **options)
    assert all(part in str(caught.value) for part in parts)
    assert "\n" not in str(caught.value)


def test_batches_choose_the_method(table):
    X, y = table
    result = fit(X, y, method="auto", batch_size=3)
    assert (result.method, result.method_reason) == (
        "sgd",
        "batch_size was given, which only stochastic gradient descent has",
    )


RESUMES = [
    (dict(batch_size=2), "batch_size was 1 and is 2"),
    (dict(seed=1), "seed was 0 and is 1"),
    (dict(schedule="inverse"), "schedule was 'constant' and is 'inverse'"),
    (dict(alpha=0.1), "alpha was 0.0 and is 0.1"),
    (dict(learning_rate=0.01), "learning_rate was"),
    (dict(standardize=True), "standardize or the data differ"),
    (dict(fit_intercept=False), "fit_intercept was True and is False"),
    (dict(max_reads=3), "that run has had 3 epochs, and max_reads counts them too: raise max_reads above 3"),
    (dict(sample_weight=np.full(203, 2.0)), "the sum of the weights was 203.0 and is 406.0"),
    (dict(w0=np.ones(5)), "resume goes on from that fit's last point, not from w0: leave w0 out, or resume"),
    (dict(b0=0.0), "resume goes on from that fit's last point, not from b0"),
    (dict(feature_names=list("abcde")), "the columns differ: they were x1, x2, x3, x4, x5"),
]


@pytest.mark.parametrize(("options", "sentence"), RESUMES, ids=lambda v: str(v)[:40])
def test_resume_says_what_differs(options, sentence, table):
    X, y = table
    part = fit(X, y, max_reads=3)
    with pytest.raises(InputError) as caught:
        fit(X, y, **{"max_reads": 6, "resume": part, **options})
    assert sentence in str(caught.value)


def test_resume_sees_other_data_and_another_order(table, rng):
    X, y = table
    part = fit(X, y, max_reads=3, standardize=True, learning_rate=0.01)
    order = np.roll(np.arange(203), 7)
    for other_X, other_y in ((X[order], y[order]), (X, np.where(np.arange(203) == 5, 1 - y, y)), (X[:200], y[:200])):
        with pytest.raises(InputError, match=r"resume: .*(the data|rows)"):
            fit(other_X, other_y, standardize=True, learning_rate=0.01, resume=part)
    with pytest.raises(InputError, match="the classes were"):
        fit(X, np.where(y == 1, "b", "a"), resume=part)
    newton = chainrule.fit(X, y)
    with pytest.raises(InputError, match="that fit was by newton, and only method='sgd' can be resumed"):
        fit(X, y, resume=newton)


@pytest.mark.parametrize("m", [20, 60])
def test_resume_sees_any_other_order_though_F_is_the_same(m, rng):
    X = rng.normal(size=(m, 2))
    y = (X[:, 0] + rng.normal(size=m) > 0).astype(int)
    s = rng.integers(0, 3, size=m).astype(float)
    for how in (dict(), dict(sample_weight=s)):
        part = fit(X, y, batch_size=2, max_reads=2, **how)
        for i in range(m - 1):  # two neighbours change places: F often has the same bits
            order = np.arange(m)
            order[[i, i + 1]] = i + 1, i
            other = {name: value[order] for name, value in how.items()}
            if how and not s[[i, i + 1]].all():
                continue  # of a row that isn't there the place doesn't matter
            with pytest.raises(InputError, match="resume: the rows, or their order"):
                fit(X[order], y[order], batch_size=2, resume=part, **other)


def test_resume_knows_the_rows_however_they_lie(table, rng):
    X = table[0].astype(np.float32).astype(np.float64)
    y, s = table[1], rng.integers(0, 3, size=203).astype(float)
    for weights in (None, s):
        how = dict(batch_size=10, sample_weight=weights)
        whole, part = fit(X, y, **how), fit(X, y, **how, max_reads=3)
        for other in (X.astype(np.float32), np.repeat(X, 2, axis=1)[:, ::2], X[::-1].copy()[::-1]):
            same(fit(other, y, **how, n_threads=2, resume=part), whole)
        # The updates are the same; what is measured after an epoch is summed column by column.
        again = fit(np.asfortranarray(X), y, **how, n_threads=2, resume=part)
        np.testing.assert_array_equal(again.trace.w, whole.trace.w)
    part = fit(X, y, max_reads=3)
    assert np.array_equal(fit(X, y, sample_weight=np.ones(203), resume=part).w, fit(X, y).w)
    assert part.to_dict()["rows_digest"] == part.rows_digest
    assert chainrule.fit(X, y).rows_digest is None
