"""The passes over kept vectors of the rows against 50-digit twins at the edges, and as derivatives of the loss."""

import mpmath
import numpy as np
import pytest
from scipy.special import expit

from chainrule.kernels.reading import BLOCK_ROWS
from chainrule.kernels.vectors import along, feasible

EDGES = [0.0, 1e-300, 1e-8, 0.3, 2.0, 17.0, 36.5, 40.0, 300.0, 709.0, 744.0, 746.0, 1e4]
CHANGES = [0.0, 1e-300, 1e-12, 1e-6, 1e-3, 0.4, 5.0, 60.0, 800.0, 1e4]
TOLERANCE = 1e-13


def edges(rng, m=300):
    z = rng.choice(EDGES, m) * rng.choice([-1, 1], m)
    u = rng.choice(CHANGES, m) * rng.choice([-1, 1], m)
    return z, u, rng.integers(0, 2, m).astype(np.uint8), rng.choice([0.0, 0.3, 1.0, 7.0], m)


def ordinary(rng, m):
    z, u = 3 * rng.normal(size=m), rng.normal(size=m)
    return z, u, rng.integers(0, 2, m).astype(np.uint8), rng.choice([0.0, 0.3, 1.0, 7.0], m)


def sigmoid(z):
    z = mpmath.mpf(z)
    return 1 / (1 + mpmath.exp(-z)) if z >= 0 else mpmath.exp(z) / (1 + mpmath.exp(z))


def residuals(z, u, y):
    """dL_dz at z and its change to z + u, (2, m), as a read gives them."""
    sign = 1.0 - 2.0 * y
    wrong = expit(sign * z)
    return np.array([sign * wrong, sign * (expit(sign * (z + u)) - wrong)])


def softplus(t):
    return mpmath.log1p(mpmath.exp(t)) if t < 0 else t + mpmath.log1p(mpmath.exp(-t))


def entropy(D, t):
    """KL of (D, 1 - D) and (sigmoid(t), sigmoid(-t)), for a double D."""
    D, R, other = mpmath.mpf(D), sigmoid(t), sigmoid(-t)
    if D > 0.5:
        D, R, other = 1 - D, other, R
    # log1p keeps the digits where both parts are far smaller than 1.
    return (D * mpmath.log(D / R) if D > 0 else 0) + (1 - D) * mpmath.log1p((R - D) / other)


def moved_z(z, u, t, shift):
    """Doubles z' that a pass writes."""
    z = z.copy()
    feasible(z, u, np.zeros((2, len(z))), np.zeros(len(z)), np.zeros(len(z), np.uint8), None, t, shift, 0.0)
    return z


def close(found, terms):
    """Whether a sum agrees with the exact one within the tolerance of its absolute terms."""
    return abs(found - mpmath.fsum(terms)) <= TOLERANCE * mpmath.fsum(terms, absolute=True)


@pytest.mark.parametrize(("t", "shift"), [(0.0, 0.0), (1.0, 0.0), (0.37, -2.0), (-1.5, 1e-9)])
def test_along_agrees_with_its_twin(kernel, rng, t, shift):
    z, u, y, s = edges(rng)
    found = along(z, u, y, s, t, shift)
    terms = {name: [] for name in vars(found)}
    with mpmath.workdps(50):
        for at, by, sign, weight in zip(moved_z(z, u, t, shift), u, 1.0 - 2.0 * y, s, strict=True):
            r, h = sign * sigmoid(sign * at), sigmoid(at) * sigmoid(-at)
            u_i = mpmath.mpf(by)
            row = (softplus(mpmath.mpf(sign * at)), r * u_i, r, h * u_i**2, h * u_i, h)
            for name, term in zip(terms, row, strict=True):
                terms[name].append(weight * term)
        for name, value in vars(found).items():
            assert close(value, terms[name]), name


def test_along_gives_derivatives_of_the_loss(rng):
    z, u, y, s = ordinary(rng, 500)
    step = 1e-3
    at = along(z, u, y, s, 0.6, 0.2)

    def along_t(of):
        by = [of(along(z, u, y, s, 0.6 + k * step, 0.2)) for k in (-2, -1, 1, 2)]
        return (by[0] - 8 * by[1] + 8 * by[2] - by[3]) / (12 * step)

    def along_b(of):
        by = [of(along(z, u, y, s, 0.6, 0.2 + k * step)) for k in (-2, -1, 1, 2)]
        return (by[0] - 8 * by[1] + 8 * by[2] - by[3]) / (12 * step)

    scale = 1e-8 * s.sum()
    assert at.slope_t == pytest.approx(along_t(lambda a: a.loss), abs=scale)
    assert at.slope_b == pytest.approx(along_b(lambda a: a.loss), abs=scale)
    assert at.bend_tt == pytest.approx(along_t(lambda a: a.slope_t), abs=scale)
    assert at.bend_tb == pytest.approx(along_b(lambda a: a.slope_t), abs=scale)
    assert at.bend_tb == pytest.approx(along_t(lambda a: a.slope_b), abs=scale)
    assert at.bend_bb == pytest.approx(along_b(lambda a: a.slope_b), abs=scale)


@pytest.mark.parametrize(
    ("t", "shift", "pull"), [(0.0, 0.0, 0.0), (1.0, 0.0, 1e-3), (0.37, -2.0, -0.02), (1.2, 1e-9, 0)]
)
def test_the_dual_point_agrees_with_its_twin(kernel, rng, t, shift, pull):
    z, u, y, s = edges(rng)
    after = moved_z(z, u, t, shift)
    names = ("loss", "clipped", "ones", "zeros", "moved", "bend")
    terms, slack, largest, correct = {name: [] for name in names}, 0.0, 0.0, 0.0
    written = z.copy()
    h = 0.25 * rng.random(len(z))
    found = feasible(written, u, residuals(z, u, y), h, y, s, t, shift, pull)
    assert np.array_equal(written, np.where(s > 0, after, z))  # rows of weight 0 stay where they are
    with mpmath.workdps(50):
        for at, there, to, bent, label, weight in zip(z, z + u, after, h, y, s, strict=True):
            sign = 1.0 - 2.0 * label
            before, e = sigmoid(sign * at), sigmoid(sign * there) - sigmoid(sign * at)
            curved = pull * sign * mpmath.mpf(bent)
            free = before + mpmath.mpf(t) * e - curved
            D = min(max(free, 0), 1)
            slack += weight * (
                before + abs(t * e) + abs(curved) + sigmoid(sign * to)
            )  # what d and c are rounded against
            row = (
                softplus(mpmath.mpf(sign * to)),
                abs(D - free),
                label * D,
                (1 - label) * D,
                D - sigmoid(sign * to),
                sigmoid(to) * sigmoid(-to),
            )
            for name, term in zip(names, row, strict=True):
                terms[name].append(weight * abs(term))
            correct += weight * ((to > 0) == (label == 1))
            largest = max(largest, abs(to)) if weight > 0 else largest
        for name in names:
            expected = mpmath.fsum(terms[name])
            assert abs(vars(found)[name] - expected) <= TOLERANCE * (expected if name == "loss" else slack), name
    assert found.correct == pytest.approx(correct, rel=TOLERANCE)
    assert found.largest == largest


def one_row(z, u, label, t, pull):
    """A row's sums, its z', and D = (1 - 2y) d to the bit."""
    written = np.array([z])
    y = np.array([label], np.uint8)
    r = residuals(np.array([z]), np.array([u]), y)
    found = feasible(written, np.array([u]), r, np.abs(r[0]) * (1 - np.abs(r[0])), y, None, t, 0.0, pull)
    return found, float(written[0]), found.ones + found.zeros


@pytest.mark.parametrize("pull", [0.0, 1e-3, -1e-3, 1e-9, -0.4, 3.0])
def test_the_divergence_is_bounded_closely(some_kernel, rng, pull):
    near = 0
    with mpmath.workdps(50):
        for z, u, y in zip(*edges(rng, 400)[:3], strict=True):
            for t in (1.0, 0.37):
                found, after, D = one_row(z, u, y, t, pull)
                assert 0.0 <= D <= 1.0
                assert not np.isnan(found.divergence)
                side = (1.0 - 2.0 * y) * after
                true, c = entropy(D, side), abs(mpmath.mpf(D) - sigmoid(side))
                assert found.divergence >= true * (1 - mpmath.mpf(10) ** -12) - 2e-15 * c - 1e-320
                smaller = min(sigmoid(side), sigmoid(-side))
                if 1e-12 * smaller < c < 0.01 * smaller:
                    near += 1
                    assert found.divergence <= 1.02 * true
    assert near > 30 or pull in (-0.4, 3.0)


def test_where_nothing_moves_nothing_diverges(kernel):
    z = np.array(EDGES + [-at for at in EDGES])
    for label in (0, 1):
        for at in z:
            found, after, _ = one_row(at, 0.0, label, 1.0, 0.0)
            assert after == at
            assert found.clipped == 0.0
            assert found.moved <= 4e-16
            assert found.divergence <= found.moved  # D is rounded, and is what the divergence is of
    # Between a point that is sure and one that is not: the part of g' underflows.
    for label, at in ((0, -300.0), (1, 300.0)):
        far = 1e4 * np.sign(at)
        found, _, D = one_row(at, far, label, 1.0, 1.0)
        assert np.isinf(found.divergence) == (D > 0)
    found, _, D = one_row(0.0, -1e4, 0, 1.0, -0.5)
    assert D == pytest.approx(0.125)
    assert found.divergence == np.inf


def test_rows_of_weight_0_count_nothing(kernel, rng):
    z, u, y, s = ordinary(rng, 3000)
    kept = s > 0
    r, h = residuals(z, u, y), 0.25 * rng.random(len(z))
    dirty = z.copy(), u.copy(), r.copy(), h.copy()
    junk = [np.nan, np.inf, 1e308, -np.inf]
    for vector in (dirty[0], dirty[1], *dirty[2], dirty[3]):
        vector[~kept] = rng.choice(junk, (~kept).sum())
    assert along(*dirty[:2], y, s, 0.7, 0.1) == along(np.where(kept, z, 5.0), np.where(kept, u, 5.0), y, s, 0.7, 0.1)
    clean = np.where(kept, z, 5.0)
    before = dirty[0].copy()
    assert feasible(*dirty, y, s, 0.7, 0.1, 1e-3) == feasible(
        clean, np.where(kept, u, 5.0), np.where(kept, r, 0.5), np.where(kept, h, 0.1), y, s, 0.7, 0.1, 1e-3
    )
    assert np.array_equal(dirty[0][~kept], before[~kept], equal_nan=True)
    assert np.array_equal(dirty[0][kept], clean[kept])
    nothing = feasible(
        np.full(5, np.nan),
        np.full(5, np.inf),
        np.full((2, 5), np.nan),
        np.full(5, np.nan),
        y[:5],
        np.zeros(5),
        1.0,
        0.0,
        0.1,
    )
    assert set(vars(nothing).values()) == {0.0}


def test_what_is_not_a_number_proves_nothing(kernel, rng):
    z, u, y, _ = ordinary(rng, 200)
    for vector in range(5):
        given = [z.copy(), u.copy(), *residuals(z, u, y), np.full(200, 0.1)]
        given[vector][77] = np.nan
        found = feasible(given[0], given[1], np.array(given[2:4]), given[4], y, None, 0.5, 0.1, 0.01)
        assert found.divergence == np.inf or np.isnan(found.clipped)


def test_weights_count_rows_so_many_times(rng):
    z, u, y, _ = ordinary(rng, 700)
    s = rng.integers(0, 4, 700)
    r, h = residuals(z, u, y), 0.25 * rng.random(700)
    many_z, many_u, many_y, many_r, many_h = (np.repeat(vector, s, axis=-1) for vector in (z, u, y, r, h))
    assert list(vars(along(z, u, y, s.astype(float), 0.4, 0.1)).values()) == pytest.approx(
        list(vars(along(many_z, many_u, many_y, None, 0.4, 0.1)).values()), rel=1e-12, abs=1e-10
    )
    assert list(vars(feasible(z, u, r, h, y, s.astype(float), 0.4, 0.1, 0.01)).values()) == pytest.approx(
        list(vars(feasible(many_z, many_u, many_r, many_h, many_y, None, 0.4, 0.1, 0.01)).values()), rel=1e-12
    )


@pytest.mark.parametrize("m", [1, 7, 8, 9, BLOCK_ROWS, 3 * BLOCK_ROWS + 5, 100_003])
def test_threads_change_no_bit(rng, m):
    z, u, y, s = ordinary(rng, m)
    r, h = residuals(z, u, y), 0.25 * rng.random(m)
    for weights in (None, s):
        sums, points = [], []
        for threads in (1, 2, 3, 7):
            point = z.copy()
            sums.append(
                (
                    along(z, u, y, weights, 0.9, 0.1, threads=threads),
                    feasible(point, u, r, h, y, weights, 0.9, 0.1, 0.01, threads=threads),
                )
            )
            points.append(point)
        assert all(other == sums[0] for other in sums)
        assert all(np.array_equal(other, points[0]) for other in points)
        assert sums[0][0].loss == sums[0][1].loss


def test_what_does_not_fit_is_refused(rng):
    z, u, y, s = ordinary(rng, 20)
    fixed = z.copy()
    fixed.flags.writeable = False
    wrong = [
        (z, u[:-1], y, s),
        (z, u, y[:-1], s),
        (z, u, y, s[:-1]),
        (z.astype(np.float32), u, y, s),
        (z, u.astype(np.float32), y, s),
        (z, u, y.astype(float), s),
        (np.zeros(40)[::2], u, y, s),
        (z.reshape(4, 5), u, y, s),
        (z[:0], u[:0], y[:0], s[:0]),
        (list(z), u, y, s),
    ]
    before = z.copy()
    for given in wrong:
        with pytest.raises(ValueError, match=r"must be|must have"):
            along(*given, 1.0, 0.0)
        with pytest.raises(ValueError, match=r"must be|must have"):
            feasible(*given[:2], np.zeros((2, len(given[0]))), np.zeros(len(given[0])), *given[2:], 1.0, 0.0, 0.0)
    for r in (np.zeros((2, 19)), np.zeros((20, 2)).T, np.zeros((2, 20), np.float32), None):
        with pytest.raises(ValueError, match=r"r must be a contiguous|r must have 40 elements|needs r"):
            feasible(z, u, r, np.zeros(20), y, s, 1.0, 0.0, 0.0)
    for h in (np.zeros(19), np.zeros(20, np.float32), None):
        with pytest.raises(ValueError, match=r"h must be a contiguous|h must have 20 elements|needs r and h"):
            feasible(z, u, np.zeros((2, 20)), h, y, s, 1.0, 0.0, 0.0)
    with pytest.raises(ValueError, match="written to"):
        feasible(fixed, u, np.zeros((2, 20)), np.zeros(20), y, s, 1.0, 0.0, 0.0)
    assert np.array_equal(z, before)
    along(fixed, u, y, s, 1.0, 0.0)
