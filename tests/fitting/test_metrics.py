"""Metrics against definitions: sums over rows with many digits, and all pairs for the AUC."""

import math

import mpmath
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve
from statsmodels.stats import proportion as sm

from chainrule import InputError
from chainrule.fitting.metrics import (
    Rule,
    auc,
    average_precision,
    best_f1,
    by_group,
    calibration,
    decisions,
    figures,
    log_loss,
    log_odds,
    precision_recall,
    roc,
    shortest_between,
    thinned,
    wilson,
)
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


# --- curves, decisions, calibration: against scikit-learn, and by hand


def close(a, b):
    return np.asarray(a) == pytest.approx(np.asarray(b), rel=1e-12, abs=1e-15)


@drawn
@given(problems())
def test_curves_are_scikit_learns(problem):
    z, y, s = problem
    assume(all((s[y == label] > 0).any() for label in (0, 1)))
    s = s / s.max()  # scikit-learn's sums overflow
    for weight in (None, s):
        false, true, _ = sk.roc_curve(y, z, sample_weight=weight, drop_intermediate=False)
        ours = roc(z, y, weight)
        if weight is not None:  # scikit-learn gives rows of weight 0 a point of their own, again at the same place
            kept = np.append(True, (np.diff(false) > 0) | (np.diff(true) > 0))
            false, true = false[kept], true[kept]
        assert close(ours.x, false)
        assert close(ours.y, true)
        assert np.trapezoid(ours.y, ours.x) == pytest.approx(auc(z, y, weight), rel=1e-12)
        precision, recall, _ = sk.precision_recall_curve(y, z, sample_weight=weight)
        ours = precision_recall(z, y, weight)
        assert average_precision(ours) == pytest.approx(
            sk.average_precision_score(y, z, sample_weight=weight), rel=1e-12
        )
        if weight is None:
            assert close(ours.x, recall[::-1])
            assert close(ours.y, precision[::-1])


@drawn
@given(problems(), st.sampled_from([0.0, 0.25, 0.5, 0.9, 1.0]))
def test_decisions_are_scikit_learns(problem, threshold):
    z, y, s = problem
    told = decisions(z, y, s, threshold, (1.0, 5.0))
    called = (z > log_odds(threshold)).astype(float)
    tn, fp, fn, tp = sk.confusion_matrix(y, called, sample_weight=s / s.max(), labels=[0.0, 1.0]).ravel()
    ours = told["confusion"]
    for name, value in (("true_negative", tn), ("false_positive", fp), ("false_negative", fn), ("true_positive", tp)):
        assert ours[name] / s.max() == pytest.approx(value, rel=1e-12)
    assert told["precision"] == (pytest.approx(tp / (tp + fp), rel=1e-12) if tp + fp else None)
    assert told["recall"] == (pytest.approx(tp / (tp + fn), rel=1e-12) if tp + fn else None)
    assert told["specificity"] == (pytest.approx(tn / (tn + fp), rel=1e-12) if tn + fp else None)
    assert told["f1"] == (pytest.approx(2 * tp / (2 * tp + fp + fn), rel=1e-12) if tp + fp + fn else None)
    assert told["cost"] == pytest.approx((fp + 5 * fn) / (tn + fp + fn + tp), rel=1e-12)
    assert {type(count) for count in decisions(z, y)["confusion"].values()} == {int}


@drawn
@given(problems())
def test_no_threshold_has_a_larger_f1(problem):
    z, y, s = problem
    z = np.clip(z, -9.0, 9.0).round(6)  # nearer to one another, two z may have no probability between them
    if not (s[y == 1] > 0).any():
        assert best_f1(z, y, s) is None
        return
    chosen = decisions(z, y, s, best_f1(z, y, s))["f1"]
    for cut in [*z, -np.inf]:
        tp, fp, fn = (
            float(s[rows].sum()) for rows in ((z > cut) & (y == 1), (z > cut) & (y == 0), (z <= cut) & (y == 1))
        )
        assert chosen >= 2 * tp / (2 * tp + fp + fn) * (1 - 1e-12)


def test_infinite_log_odds_are_ties_with_one_another():
    z, y = np.array([np.inf, np.inf, 1.0, -np.inf, -np.inf]), np.array([1.0, 0.0, 1.0, 0.0, 0.0])
    of = roc(z, y)
    assert of.x.tolist() == pytest.approx([0.0, 1 / 3, 1 / 3, 1.0])
    assert of.y.tolist() == pytest.approx([0.0, 0.5, 1.0, 1.0])
    assert decisions(z, y, None, best_f1(z, y))["f1"] == pytest.approx(0.8)
    first = calibration(z, y, bins=3)[0]
    assert (first.rows, first.predicted) == (2, 0.0)


def test_the_threshold_has_few_digits():
    assert best_f1(np.array([-2.0, -1.0, 0.4, 2.0]), np.array([0.0, 0.0, 1.0, 1.0])) in (0.3, 0.4, 0.5)
    assert shortest_between(log_odds(0.12), log_odds(0.13)) in (0.12, 0.125)
    assert shortest_between(-math.inf, log_odds(0.01)) < 0.01
    assert log_odds(0.5) == 0.0


@pytest.mark.parametrize("weighted", [False, True])
def test_calibration_is_scikit_learns(weighted):
    rng = np.random.default_rng(0)
    z = rng.normal(size=1000)
    y = (rng.random(1000) < 1 / (1 + np.exp(-z))).astype(float)
    s = np.full(1000, 2.5) if weighted else None
    found = calibration(z, y, s)
    observed, predicted = calibration_curve(y, 1 / (1 + np.exp(-z)), n_bins=10, strategy="quantile")
    assert close([of.predicted for of in found], predicted)
    assert close([of.observed for of in found], observed)
    assert [of.rows for of in found] == [100] * 10
    for of in found:  # equal weights are as many rows
        low, high = sm.proportion_confint(round(of.observed * 100), 100, method="wilson")
        assert (of.low, of.high) == pytest.approx((low, high), rel=1e-9)


def test_bins_keep_ties_together_and_count_weights():
    z, y = np.array([0.0] * 50 + [1.0] * 50), np.tile([0.0, 1.0], 50)
    assert [(of.rows, of.observed) for of in calibration(z, y)] == [(50, 0.5), (50, 0.5)]
    s = np.where(y > 0, 3.0, 1.0)
    first = calibration(z, y, s)[0]
    assert first.observed == pytest.approx(0.75)
    assert first.high - first.low > np.diff(wilson(0.75, 50))[0]  # 40 rows count, not 50: (25 + 75)^2 / (25 + 225)
    assert (first.low, first.high) == pytest.approx(wilson(0.75, 40))
    assert wilson(0.0, 10)[0] == 0.0
    assert wilson(1.0, 10)[1] == pytest.approx(1.0)


def distance(whole, few):
    """How far each point of a curve is from the line through the points of another."""
    ends = np.column_stack([few.x, few.y])
    a, d = ends[:-1], np.diff(ends, axis=0)
    p = np.column_stack([whole.x, whole.y])[:, None] - a
    along = np.clip((p * d).sum(axis=2) / np.maximum((d * d).sum(axis=1), 1e-300), 0.0, 1.0)
    return np.hypot(*np.moveaxis(p - along[..., None] * d, 2, 0)).min(axis=1)


@pytest.mark.parametrize("m", [1, 2, 50, 20_000])
def test_a_thinned_curve_has_the_same_shape(m):
    rng = np.random.default_rng(m)
    z = rng.normal(size=m + 1).round(4)
    y = (rng.random(m + 1) < 1 / (1 + np.exp(-z))).astype(float)
    y[:2] = [0.0, 1.0]
    for whole in (roc(z, y), precision_recall(z, y)):
        few = thinned(whole)
        assert len(few.x) <= 200
        assert (few.x[0], few.y[0], few.x[-1], few.y[-1]) == (whole.x[0], whole.y[0], whole.x[-1], whole.y[-1])
        assert distance(whole, few).max() < 0.004


def test_a_rule_chooses_the_threshold():
    z, y = np.array([-2.0, -1.0, 0.4, 2.0]), np.array([0.0, 1.0, 0.0, 1.0])
    assert Rule.of(None, None).on(z, y) == 0.5
    assert Rule.of("0.25", None).on(z, y) == 0.25
    assert Rule.of(None, "1,4").on(z, y) == 0.2  # Elkan: 1 / (1 + 4)
    assert Rule.of("f1", None).on(z, y) == best_f1(z, y)
    assert Rule.of(None, None, Rule("f1")) == Rule("f1")
    assert Rule("f1").on(z, 0.0 * y) == 0.5
    for threshold, cost in (
        ("2", None),
        ("x", None),
        ("nan", None),
        (None, "1"),
        (None, "1,x"),
        (None, "1,-2"),
        ("f1", "1,2"),
    ):
        with pytest.raises(InputError, match=r"--threshold|--cost"):
            Rule.of(threshold, cost)


def test_groups_are_measured_by_themselves():
    rng = np.random.default_rng(0)
    z, y, group = rng.normal(size=300), rng.integers(0, 2, 300).astype(float), rng.integers(0, 3, 300)
    s = np.where(group == 2, 0.0, 1.0)
    found = by_group(group, ["a", "b", "c", "d"], z, y, s)
    assert [of["group"] for of in found] == ["a", "b"]  # without weight, a group has no figures
    of = group == 1
    assert found[1]["auc"] == auc(z[of], y[of])
    assert found[1]["predicted"] == pytest.approx(np.mean(1 / (1 + np.exp(-z[of]))))
    assert (found[1]["low"], found[1]["high"]) == pytest.approx(wilson(y[of].mean(), of.sum()))
