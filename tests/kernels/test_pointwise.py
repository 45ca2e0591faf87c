"""Losses and labels of single rows: the loss and its derivatives against 200-bit arithmetic, labels in one go."""

import mpmath
import numpy as np
import pytest

from chainrule.kernels.vectors import pointwise, two_labels
from chainrule.losses import LOSSES

EDGES = [0.0, 18.0, 37.0, 709.0, 710.0, 744.0, 745.0, 746.0, 1e4, 1e-8, 1e-300]


def test_pointwise_loss_has_full_relative_accuracy(kernel, rng):
    random = np.concatenate([rng.normal(size=300) * scale for scale in (1e-8, 0.1, 1, 10, 40, 300, 740)])
    z = np.concatenate([random, EDGES, -np.array(EDGES)])
    y = rng.integers(0, 2, len(z)).astype(np.uint8)
    y[-2 * len(EDGES) :: 2] ^= 1
    found = pointwise(z, y)
    with mpmath.workprec(200):
        for i in range(len(z)):
            t = mpmath.mpf(z[i]) * (1 - 2 * int(y[i]))
            e = mpmath.exp(-abs(t))
            loss = max(t, mpmath.mpf(0)) + mpmath.log1p(e)
            size = 1 / (1 + e) if t >= 0 else e / (1 + e)
            for value, exact in zip(
                (v[i] for v in found), (loss, (1 - 2 * int(y[i])) * size, e / (1 + e) ** 2), strict=True
            ):
                # Six half units in the last place; below the normal numbers the unit is the smallest one.
                allowed = max(abs(exact) * mpmath.mpf(2) ** -53 * 6, mpmath.mpf(2) ** -1074 * 2)
                assert abs(mpmath.mpf(float(value)) - exact) <= allowed, (z[i], y[i])


@pytest.mark.parametrize("z", EDGES + [-z for z in EDGES])
@pytest.mark.parametrize("y", [0, 1])
def test_pointwise_at_the_edges_agrees_with_the_reference_loss(z, y):
    loss, residual, curvature = (v[0] for v in pointwise(np.array([z]), np.array([y], dtype=np.uint8)))
    reference = LOSSES["logistic"]
    tiny = 2.0**-1073
    for value, expected in (
        (loss, reference.value(np.array(z), np.array(y))),
        (residual, reference.derivative(np.array(z), np.array(y))),
        (curvature, reference.second_derivative(np.array(z), np.array(y))),
    ):
        assert np.isfinite(value)
        assert abs(value - expected) <= 1e-15 * abs(expected) + tiny


def test_infinite_z_is_infinite_loss_or_none():
    z = np.array([np.inf, np.inf, -np.inf, -np.inf])
    loss, residual, curvature = pointwise(z, np.array([0, 1, 0, 1], dtype=np.uint8))
    assert loss.tolist() == [np.inf, 0.0, 0.0, np.inf]
    assert residual.tolist() == [1.0, 0.0, 0.0, -1.0]
    assert curvature.tolist() == [0.0] * 4


@pytest.mark.parametrize("kind", [np.int64, np.int32, np.uint8, np.int8, np.float64, np.float32, np.bool_])
def test_labels_in_one_go(kind, rng):
    y = rng.integers(0, 2, 1000).astype(kind)
    codes, low, high = two_labels(y)
    np.testing.assert_array_equal(codes, y == y.max())
    assert (low, high) == (y.min(), y.max())
    assert two_labels(y[:1]) is None
    if kind is not np.bool_:
        y[500] = 2
        assert two_labels(y) is None


@pytest.mark.parametrize("dtype", ["f8", "f4", "i8", "i4", "i1", "u1", "?"])
def test_labels_are_encoded_by_their_order_and_a_third_one_is_seen_anywhere(dtype, kernel, rng):
    for m in (2, 7, 8, 9, 1000, 1003):
        y = (rng.random(m) < 0.5).astype(dtype)
        y[:2] = 1, 0
        codes, low, high = two_labels(y)
        assert np.array_equal(codes, y != 0)
        assert (low, high) == (0, 1)
        if dtype == "?":
            continue
        assert np.array_equal(two_labels(3 - y)[0], y == 0)  # 2 and 3: the larger is 1
        for place in {2 % m, m // 2, m - 1} - {0, 1}:
            other = y.copy()
            other[place] = 5
            assert two_labels(other) is None
    assert two_labels(np.zeros(9, dtype)) is None
    if dtype[0] == "f":
        assert two_labels(np.array([0.0, -0.0, 1.0], dtype))[0].tolist() == [0, 0, 1]
        assert two_labels(np.array([0.0, 1.0, np.nan], dtype)) is None
        assert two_labels(np.array([np.nan, 1.0, 0.0], dtype)) is None
