"""Metrics against definitions: sums over rows with many digits, and all pairs for the AUC."""

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from chainrule import InputError
from chainrule.fitting.metrics import auc, figures, log_loss
from drawn_tools import classes, drawn

EDGES = [0.0, 1e-320, 18.0, 37.0, 710.0, 745.0, 1e4, 1e308]


def pairs_auc(z, y, s):
    """Every pair of a row of class 1 and one of class 0."""
    won = weight = 0.0
    for i in np.flatnonzero(y == 1):
        for j in np.flatnonzero(y == 0):
            won += s[i] * s[j] * (1.0 if z[i] > z[j] else 0.5 if z[i] == z[j] else 0.0)
            weight += s[i] * s[j]
    return won / weight


@pytest.mark.parametrize("size", EDGES)
@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("y", [0.0, 1.0])
def test_log_loss_of_one_row_is_right_to_the_last_digits(size, sign, y):
    z = sign * size
    with mpmath.workdps(400):
        exact = (
            float(mpmath.log1p(mpmath.exp(mpmath.mpf((1 - 2 * y) * z)))) if size < 1e5 else max((1 - 2 * y) * z, 0.0)
        )
    assert log_loss([z], [y]) == pytest.approx(exact, rel=4e-16, abs=5e-324)


def test_infinite_log_odds_are_0_or_infinite_never_nan():
    assert log_loss([math.inf, -math.inf], [1, 0]) == 0.0
    assert log_loss([math.inf], [0]) == math.inf
    assert log_loss([1.0, math.inf], [1, 0], [1.0, 0.0]) == log_loss([1.0], [1])
    assert auc([math.inf, -math.inf, 0.0], [1, 0, 0]) == 1.0


@st.composite
def problems(draw):
    """Log-odds, many of them tied, labels of both classes, and weights of any size, some of them 0."""
    m = draw(st.integers(2, 20))
    z = draw(arrays(float, m, elements=st.integers(-9, 9).map(float) | st.floats(-800, 800), fill=st.nothing()))
    s = draw(arrays(float, m, elements=st.sampled_from([0.0, 0.5, 1.0, 3.0]), fill=st.nothing()))
    s[:2] = s.max() or 1.0
    return z, draw(classes(m)).astype(float), s * 10.0 ** draw(st.integers(-200, 200))


@drawn
@given(problems())
def test_against_the_definitions(problem):
    z, y, s = problem
    with mpmath.workdps(30):
        losses = [mpmath.log1p(mpmath.exp(-v if label else v)) for v, label in zip(z.tolist(), y, strict=True)]
        loss = mpmath.fdot(s, losses) / mpmath.fsum(s)
    assert log_loss(z, y, s) == pytest.approx(float(loss), rel=1e-13)
    told = figures(z, y, s)
    assert told["accuracy"] == pytest.approx(s[(z > 0) == (y == 1)].sum() / s.sum(), rel=1e-14)
    assert told["base_rate"] == pytest.approx(s[y == 1].sum() / s.sum(), rel=1e-14)
    assert auc(z, y, s) == pytest.approx(pairs_auc(z, y, s / s.max()), rel=1e-13)
    assert auc(z, y) == pytest.approx(pairs_auc(z, y, np.ones(len(y))), rel=1e-13)
    assert auc(-z, y, s) == pytest.approx(1 - auc(z, y, s), rel=1e-12, abs=1e-15)


def test_weight_two_is_the_row_twice():
    rng = np.random.default_rng(4)
    z, y = rng.normal(size=30), rng.integers(0, 2, 30).astype(float)
    s = rng.integers(0, 4, 30)
    k = np.repeat(np.arange(30), s)
    told, repeated = figures(z, y, s), figures(z[k], y[k])
    for name in ("loss", "accuracy", "auc", "base_rate", "base_loss", "base_accuracy"):
        assert told[name] == pytest.approx(repeated[name], rel=1e-14)


def test_class_one_needs_z_above_zero():
    assert figures(np.array([0.0, -0.0, 1e-300, -1e-300]), np.array([0.0, 0.0, 1.0, 0.0]))["accuracy"] == 1.0
    assert figures(np.array([0.0]), np.array([1.0]))["accuracy"] == 0.0


def test_auc_by_hand():
    assert auc([1, 2, 3, 4], [0, 0, 1, 1]) == 1.0
    assert auc([4, 3, 2, 1], [0, 0, 1, 1]) == 0.0
    assert auc([1, 1, 1, 1], [0, 1, 0, 1]) == 0.5
    assert auc([1, 2, 2, 3], [0, 0, 1, 1]) == 0.875
    # pairs: 2 x 1 won, 1 x 1 lost
    assert auc([1, 2, 3], [0, 1, 0], [2, 1, 1]) == pytest.approx(2 / 3, rel=1e-15)


def test_one_class_has_no_auc():
    assert auc([1.0, 2.0], [1, 1]) is None
    assert auc([1.0, 2.0], [0, 0]) is None
    assert auc([1.0, 2.0], [0, 1], [1.0, 0.0]) is None


def test_base_rate():
    y = np.array([1.0, 0.0, 0.0, 0.0])
    told = figures(np.zeros(4), y)
    assert (told["base_rate"], told["base_accuracy"]) == (0.25, 0.75)
    assert told["base_loss"] == pytest.approx(-(0.25 * math.log(0.25) + 0.75 * math.log(0.75)), rel=1e-15)
    # it is the loss of the constant log-odds log(p / (1 - p))
    assert told["base_loss"] == pytest.approx(log_loss(np.full(4, math.log(1 / 3)), y), rel=1e-15)
    assert figures(y, y, np.array([3e300, 1e300, 1e300, 1e300]))["base_rate"] == pytest.approx(0.5, rel=1e-15)
    assert figures(y, np.ones(4))["base_loss"] == figures(y, np.zeros(4))["base_loss"] == 0.0


@pytest.mark.parametrize("metric", [log_loss, auc])
def test_nothing_to_measure(metric):
    for z, y, s in (([], [], None), ([1.0, 2.0], [1, 0], [0.0, 0.0])):
        with pytest.raises(InputError, match="nothing to measure"):
            metric(z, y, s)
