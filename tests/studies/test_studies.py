"""The studies: what they measure is right, and what they say follows from it."""

import json
import math
import re
import warnings
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule
from chainrule import InputError, studies
from chainrule.charts.maps import BANDS
from chainrule.data.tables import stratified_split
from chainrule.fitting import reference
from chainrule.losses import sigmoid
from chainrule.studies import study as words
from chainrule.studies.curvature import Curvature
from chainrule.studies.runs import Setting
from chainrule.words import below, estimate
from drawn_tools import drawn, tables

FAST = {"epochs": 60}


def band_of(g):
    """The band of a map that each probability falls in."""
    return np.searchsorted(np.asarray(BANDS), np.asarray(g), side="right")


def a_table(rng, m=200, n=3, noise=1.0):
    """Draw classes that overlap: there is an optimum."""
    X = rng.normal(size=(m, n))
    z = X @ rng.normal(size=n) + noise * rng.logistic(size=m)
    y = (z > np.median(z)).astype(int)
    return X, y


@pytest.fixture(scope="module")
def article():
    return studies.centering()


# --- curvature


def test_condition_number_of_columns_of_very_different_size():
    # eigenvalues of [[1, r], [r, 1]] are 1 - r and 1 + r; times powers of two on both sides: known to all digits
    scale = np.array([2.0**30, 2.0**-10])
    hessian = np.array([[1.0, 0.5], [0.5, 1.0]]) * np.outer(scale, scale)
    told = Curvature.of(hessian)
    # for sizes so far apart: the largest is H_11, the smallest what is left of H_22 (its Schur complement)
    assert told.largest == pytest.approx(2.0**60, rel=1e-12)
    assert told.smallest == pytest.approx(0.75 * 2.0**-20, rel=1e-12)
    assert told.condition == pytest.approx(2.0**80 / 0.75, rel=1e-12)
    assert told.flat == 0


def test_curvature_agrees_with_eigenvalues(rng):
    for n in (1, 2, 7):
        A = rng.normal(size=(3 * n, n))
        values = np.linalg.eigvalsh(A.T @ A)
        told = Curvature.of(A.T @ A)
        assert (told.largest, told.smallest) == pytest.approx((values[-1], values[0]), rel=1e-9)
        assert told.limit == pytest.approx(2 / values[-1])


def test_directions_without_curvature_are_counted_and_left_out(rng):
    A = rng.normal(size=(50, 3))
    A = np.column_stack([A, A[:, 0] - 1000 * A[:, 1], np.zeros(50)])
    values = np.linalg.eigvalsh(A.T @ A)
    told = Curvature.of(A.T @ A)
    assert told.flat == 2
    assert told.smallest == pytest.approx(values[2], rel=1e-6)
    nothing = Curvature.of(np.zeros((2, 2)))
    assert (nothing.largest, nothing.flat) == (0.0, 2)
    assert math.isnan(nothing.condition)
    assert nothing.limit == math.inf


def test_limit_of_the_start_is_the_limit_known_before_training(rng):
    X, y = a_table(rng)
    study = studies.learning_rate(X, y, **FAST)
    # at w = 0 every g (1 - g) is 1/4, the largest that it can be
    (form,) = study.forms
    assert form.start.limit == pytest.approx(form.limit, rel=1e-6)
    assert form.local_limit > form.limit


# --- learning rate


@settings(drawn, max_examples=15)
@given(tables(most_columns=4), st.sampled_from([0.0, 0.1]), st.booleans())
def test_a_rate_at_99_hundredths_of_the_limit_never_raises_the_loss(table, alpha, standardize):
    X, y, s = table
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", chainrule.ChainruleWarning)
        study = studies.learning_rate(X, y, sample_weight=s, alpha=alpha, standardize=standardize, epochs=25)
    below = [run for run in study.runs if run.rate < study.forms[0].limit]
    assert any(run.rate == pytest.approx(0.99 * study.forms[0].limit) for run in below)
    assert [run.raised for run in below] == [0] * len(below)


def test_runs_are_those_of_fit(rng):
    X, y = a_table(rng)
    study = studies.learning_rate(X, y, **FAST)
    assert [run.rate / study.forms[0].limit for run in study.runs[:9]] == pytest.approx(
        [0.01, 0.03, 0.1, 0.3, 0.5, 0.99, 1.2, 1.5, 2]
    )
    run = study.runs[4]
    result = chainrule.fit(X, y, method="gradient-descent", learning_rate=run.rate, tol=1e-3, max_reads=60)
    assert run.reached == result.n_epochs
    assert run.happened == "converges"
    assert np.array_equal(run.objective, result.trace.columns["objective"])
    best = chainrule.fit(X, y)
    assert study.optimum.objective == best.objective
    assert run.objective[-1] - best.objective <= 1e-3 < run.objective[-2] - best.objective


@pytest.mark.parametrize("alpha", [0.0, 0.1])
@pytest.mark.parametrize("standardize", [False, True])
def test_the_optimum_that_runs_share_changes_no_number(rng, alpha, standardize):
    X, y = a_table(rng, m=60)
    setting = Setting.of(X, y, 9, sample_weight=rng.uniform(0.5, 2.0, 60), alpha=alpha)
    how = {"method": "gradient-descent", "tol": 1e-3, "max_reads": 9, "standardize": standardize}
    best = setting.fit(method="newton", standardize=standardize)
    alone, shared = setting.fit(**how), setting.fit(best.reference, **how)
    assert shared.reads < alone.reads
    assert np.array_equal(shared.trace.columns["objective"], alone.trace.columns["objective"])
    # Optima of one objective differ by their own gaps.
    assert shared.trace.columns["gap"] == pytest.approx(alone.trace.columns["gap"], abs=1e-9)
    assert np.all(shared.trace.columns["gap"] >= shared.trace.columns["objective"] - best.objective)


@pytest.mark.parametrize("separated", [False, True])
def test_a_study_finds_its_optimum_once(rng, monkeypatch, separated):
    X, y = a_table(rng, m=60)
    y = (X[:, 0] > 0).astype(int) if separated else y
    monkeypatch.setattr(reference, "Shape", None)  # finding another one fails
    study = studies.learning_rate(X, y, epochs=3)
    assert study.optimum.exists != separated
    if not separated:
        gaps = [run.gap - (run.objective - study.optimum.objective) for run in study.runs]
        assert min(float(gap.min()) for gap in gaps) >= 0.0  # proven: never below
        assert max(float(gap.max()) for gap in gaps) < 1e-7
    studies.batches(X, y, epochs=3, sizes=[8])


def test_a_rate_above_the_limit_of_the_optimum_oscillates(rng):
    X, y = a_table(rng, noise=0.1)
    study = studies.learning_rate(X, y, epochs=500, within=1e-7)
    last = study.runs[-1]
    assert last.rate == pytest.approx(1.2 * study.forms[0].local_limit)
    assert last.happened == "oscillates"
    assert last.reached is None
    assert last.raised > 100


def test_a_run_that_passes_near_the_optimum_is_not_said_to_settle():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 1)) + rng.normal()
    y = (rng.random(60) < 1 / (1 + np.exp(-rng.normal() * 2 * X[:, 0] + rng.normal()))).astype(int)
    study = studies.learning_rate(X, y, epochs=200)
    fast = study.runs[-1]
    assert fast.rate > study.forms[0].local_limit
    assert fast.reached is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", chainrule.ChainruleWarning)
        on = chainrule.fit(X, y, method="gradient-descent", learning_rate=fast.rate, tol=0.0, max_reads=400)
    assert on.trace.columns["objective"][-50:].max() - study.optimum.objective > 0.1  # it leaves again
    assert fast.happened == "oscillates"
    assert [words.number(fast.rate), "oscillates"] in [row[:2] for row in study.table()[1]]


def test_a_run_that_rises_and_settles_has_one_name_everywhere():
    rng = np.random.default_rng(3)
    a = rng.normal(size=500)
    X = np.column_stack([a, rng.normal(size=500) * 8])
    y = (rng.random(500) < sigmoid(a + 0.05 * X[:, 1])).astype(int)
    study = studies.learning_rate(X, y)
    (run,) = (run for run in study.runs if run.raised and run.reached is not None)
    assert run.rate < study.forms[0].local_limit
    assert run.happened == "recovers"
    assert [run.label, "recovers"] in [row[:2] for row in study.table()[1]]
    assert f"{words.number(run.rate)} (recovers, " in study.svg()


@pytest.mark.filterwarnings("ignore::chainrule.ChainruleWarning")
def test_a_first_epoch_beyond_all_numbers_is_called_the_first(rng):
    X, y = a_table(rng)
    result = chainrule.fit(X, y, alpha=0.1, method="gradient-descent", learning_rate=1e300)
    assert result.n_epochs == 0
    assert "the first epoch takes the objective beyond what a float64 holds" in result.message
    assert "after epoch 0" not in result.message


def test_what_diverges_is_called_so():
    X, y = [[0.0], [1.0], [2.0], [3.0]], [0, 1, 0, 1]
    study = studies.learning_rate(X, y, alpha=3.0, epochs=100)
    assert [run.happened for run in study.runs[-3:]] == ["diverges"] * 3
    assert [row[1] for row in study.table()[1][-3:]] == ["diverges"] * 3
    (form,) = study.forms
    assert form.local_limit == pytest.approx(form.limit, rel=0.01)  # a penalty's curvature is the same everywhere


def test_more_rates_may_be_given(rng):
    X, y = a_table(rng)
    rates = [run.rate for run in studies.learning_rate(X, y, rates=[0.123], epochs=2).runs]
    assert 0.123 in rates
    assert rates == sorted(rates)


def test_conclusion_says_what_the_numbers_say(rng):
    X, y = a_table(rng)
    study = studies.learning_rate(X, y, epochs=2000)
    fastest = study.fastest
    assert all(run.reached is None or run.reached >= fastest.reached for run in study.runs)
    happened = [run.happened for run in study.runs]
    assert happened == ["converges"] * 6 + ["oscillates"] + ["diverges"] * 2
    limit, local = study.forms[0].limit, study.forms[0].local_limit
    assert study.conclusion == (
        f"The rate {fastest.label} came within 0.001 nats of the optimum first, after {fastest.reached:.0f} epochs. "
        f"No rate up to 2/L_max = {below(limit)} can raise the loss; "
        f"above 2/λ_max(H(w*)) = {words.number(local)} none settles at the optimum."
    )


def test_conclusion_where_nothing_arrives(rng):
    X, y = a_table(rng)
    study = studies.learning_rate(X, y, within=1e-9, epochs=5)
    assert study.fastest is None
    assert "No rate came within 10⁻⁹ nats of the optimum in 5 epochs" in study.conclusion


def test_conclusion_where_the_start_is_the_optimum():
    study = studies.learning_rate([[0.0], [1.0], [1.0], [0.0]], [0, 1, 0, 1], **FAST)
    assert {run.reached for run in study.runs} == {0.0}
    assert "first, after 0 epochs. " in study.conclusion


def test_separated_classes_have_no_optimum_and_the_study_says_so():
    study = studies.learning_rate([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1], **FAST)
    assert not study.optimum.exists
    assert (study.forms[0].local_limit, study.forms[0].end) == (None, None)
    assert study.conclusion.startswith("There is no optimum: the classes are completely separated. Distances are from ")
    assert "of the infimum" in study.conclusion
    assert "of the optimum" not in study.conclusion
    assert any("x1" in text for text in study.notes)


def test_estimates_of_slow_runs_are_of_the_right_size(rng):
    X, y = a_table(rng, m=100)
    short = studies.learning_rate(X, y, epochs=100)
    whole = studies.learning_rate(X, y, epochs=1500)
    guessed = [(a, b) for a, b in zip(short.runs, whole.runs, strict=True) if a.estimated and not b.estimated]
    assert len(guessed) >= 2
    for a, b in guessed:
        assert a.reached == pytest.approx(b.reached, rel=0.1)  # beside the curve that they follow in the end
    few = studies.learning_rate(X, y, epochs=3).runs
    calm = [run.reached for run in few if run.estimated and not run.raised and run.rate < few[5].rate]
    assert calm == sorted(calm, reverse=True)
    assert short.table()[1][0][2] == estimate(short.runs[0].reached)


def a_separated_table(seed, m=100, margin=0.3):
    """Draw classes that a plane keeps apart: epochs to the infimum go by the margin."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(m, 2)) * [1.0, 2.0]
    side = np.where(X @ [1.0, 0.5] > 0, 1.0, -1.0)
    return X + np.outer(side, [margin, margin / 2]) + [0.5, 0.0], (side > 0).astype(int)


@pytest.mark.parametrize("margin", [0.6, 1.0])
def test_estimates_on_separated_classes_are_near_the_truth_or_not_given(margin):
    X, y = a_separated_table(0, margin=margin)
    whole = studies.scaling(X, y, epochs=40_000).runs
    assert not any(run.estimated or run.reached is None for run in whole)
    given = 0
    for epochs in (30, 100, 300, 1000):
        for run, true in zip(studies.scaling(X, y, epochs=epochs).runs, whole, strict=True):
            assert run.estimated == (run.reached is not None and true.reached > epochs)
            if run.estimated:
                given += 1
                assert true.reached / 1.5 <= run.reached <= 1.5 * true.reached
    assert given  # some of the runs had gone far enough


def test_a_trend_that_the_run_itself_belies_is_no_estimate(article):
    # run to their end, these take 37,655 and 1,980 epochs; the trend after 100 says 230,000 and 1,700
    assert [run.reached for run in article.runs] == [None, None]
    assert "Epochs to come within 0.001 nats of the infimum: as they are more than 100, centred more than 100." in (
        article.conclusion
    )
    assert [row[2] for row in article.table()[1]] == ["> 100", "> 100"]


def test_nobody_is_told_of_more_epochs_than_anybody_runs(rng):
    X, y = a_table(rng)
    study = studies.scaling(X * [1.0, 1e6, 1.0], y, epochs=50)
    assert study.runs[0].reached > 1e9
    assert "as they are more than 10⁹" in study.conclusion
    assert study.table()[1][0][2] == "> 10⁹"
    rates = studies.learning_rate(X * [1.0, 1e6, 1.0], y, epochs=50)
    assert "> 10⁹" in {row[2] for row in rates.table()[1]}


def test_pictures_without_an_optimum_call_their_floor_what_it_is(each):
    X, y = a_separated_table(0)
    for picture in (
        studies.learning_rate(X, y, epochs=30),
        studies.scaling(X, y, epochs=30),
        studies.batches(X, y, epochs=3, sizes=[10]),
    ):
        svg = picture.svg()
        assert "inf F" in svg
        assert "F*" not in svg
        assert "the optimum" not in svg
    assert "F − F* in nats" in each[0].svg()


def test_slow_rates_on_separated_classes_follow_the_one_that_came_there():
    X, y = a_separated_table(1, margin=2.0)
    short = studies.learning_rate(X, y, epochs=200)
    whole = studies.learning_rate(X, y, epochs=3000)
    slow = [(a, b) for a, b in zip(short.runs, whole.runs, strict=True) if a.estimated and not b.estimated]
    assert len(slow) >= 3
    for a, b in slow:
        assert a.reached == pytest.approx(b.reached, rel=0.1)


@pytest.mark.parametrize("seed", range(2))
def test_estimates_on_well_divided_classes_are_near_the_truth_or_not_given(seed):
    X, y = a_table(np.random.default_rng(seed), m=150, n=2, noise=0.1)
    whole = studies.scaling(X, y, epochs=40_000).runs
    for epochs in (3, 30, 100, 300, 1000):
        for run, true in zip(studies.scaling(X, y, epochs=epochs).runs, whole, strict=True):
            if run.estimated and not true.estimated and true.reached is not None:
                assert true.reached / 1.5 <= run.reached <= 1.5 * true.reached


def test_warnings_are_the_study_s_own_business(rng):
    X, y = a_table(rng)
    studies.learning_rate(X, y, **FAST)  # warnings are errors here
    studies.scaling(X * [1, 100, 1], y, epochs=5)


# --- scaling


def test_scaling_compares_the_forms_of_the_columns(rng):
    X, y = a_table(rng)
    X = X * [1.0, 5.0, 1.0] + [0.0, 0.0, 4.0]
    study = studies.scaling(X, y, epochs=5000)
    assert [form.label for form in study.forms] == ["as they are", "centred", "standardised"]
    plain, centred, standardised = study.forms
    moments = np.cov(X.T, bias=True) / 4
    assert 2 / centred.limit == pytest.approx(max(np.linalg.eigvalsh(moments)[-1], 0.25), rel=1e-5)
    correlations = np.corrcoef(X.T) / 4
    values = np.linalg.eigvalsh(correlations)
    assert standardised.start.condition == pytest.approx(max(values[-1], 0.25) / min(values[0], 0.25), rel=1e-6)
    assert plain.end.condition > centred.end.condition > standardised.end.condition
    plain_run, centred_run, standardised_run = study.runs
    assert plain_run.reached > centred_run.reached > standardised_run.reached
    assert study.conclusion == (
        f"Epochs to come within 0.001 nats of the optimum: standardised {standardised_run.took()}, "
        f"centred {centred_run.took()}, as they are {plain_run.took('about ')}."
    )
    heads, rows = study.table()
    assert [row[heads.index("condition number")] for row in rows] == [
        words.number(form.condition) for form in study.forms
    ]


def test_numbers_alone_may_be_standardised(rng):
    X, y = a_table(rng)
    X[:, 2] = X[:, 2] > 0
    study = studies.scaling(X, y, numeric=np.array([True, True, False]), **FAST)
    assert [form.label for form in study.forms][2] == "numbers standardised"
    result = chainrule.fit(
        X, y, method="gradient-descent", standardize=np.array([True, True, False]), tol=1e-3, max_reads=60
    )
    assert study.runs[2].rate == result.learning_rate


def test_scaling_where_it_changes_little(rng):
    X, y = a_table(rng)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    study = studies.scaling(X, y)
    assert len({run.reached for run in study.runs}) == 1


def test_scaling_with_a_penalty_has_an_optimum_each(rng):
    X, y = a_table(rng)
    study = studies.scaling(X * 100, y, alpha=0.1, **FAST)
    for form, standardize in zip(study.forms, (False, "center", True), strict=True):
        best = chainrule.fit(X * 100, y, alpha=0.1, standardize=standardize)
        assert form.optimum.objective == pytest.approx(best.objective, abs=1e-8)


def test_scaling_of_separated_classes_and_constant_columns():
    study = studies.scaling([[0.0, 1], [1.0, 1], [2.0, 1], [3.0, 1]], [0, 0, 1, 1], **FAST)
    assert "completely separated" in study.conclusion
    assert "Newton" not in study.conclusion
    assert all(form.end is None for form in study.forms)


# --- centring


def test_the_article_s_figures(article):
    # Its figures have two digits: half a unit of the second, beside which the sampling error is small (over seeds the losses
    # have standard deviations of 0.0002 and 0.00006, the accuracies of 0.0006 and 0.00003).
    plain, centred = article.runs
    assert plain.curves["loss"][-1] == pytest.approx(0.13, abs=0.005)
    assert centred.curves["loss"][-1] == pytest.approx(0.01, abs=0.005)
    assert plain.curves["held_out_accuracy"][-1] == pytest.approx(0.99, abs=0.005)
    assert centred.curves["held_out_accuracy"][-1] == pytest.approx(1.00, abs=0.005)
    assert (article.n_rows, article.n_held_out, plain.rate, centred.rate) == (80_000, 20_000, 0.1, 0.1)
    assert plain.n_epochs == centred.n_epochs == 100
    heads, rows = article.table()
    assert [row[heads.index("loss")] for row in rows] == ["0.131", "0.0104"]


def test_centring_lowers_the_condition_number_and_raises_the_limit(article):
    # of the two normals: E x = (1, 4), E x x' = I + (2, 8)(2, 8)'/2; at w = 0 the Hessian is a quarter of the moments
    moments = np.array([[3.0, 8.0, 1.0], [8.0, 33.0, 4.0], [1.0, 4.0, 1.0]]) / 4
    centred = np.array([[2.0, 4.0, 0.0], [4.0, 17.0, 0.0], [0.0, 0.0, 1.0]]) / 4
    # the moments of 80,000 rows are within 1 % of these: their standard errors are below 0.3 %
    for form, matrix in zip(article.forms, (moments, centred), strict=True):
        values = np.linalg.eigvalsh(matrix)
        assert form.start.condition == pytest.approx(values[-1] / values[0], rel=0.02)
        assert form.limit == pytest.approx(2 / values[-1], rel=0.02)


@pytest.mark.filterwarnings("ignore::chainrule.ChainruleWarning")  # of a few epochs
def test_maps_agree_with_predict_proba(article):
    X, y = studies.article_points(0)
    train, _ = stratified_split(y.astype(float), 0.2, 0)
    grid = np.stack(np.meshgrid(np.linspace(-4, 6, 21), np.linspace(-4, 12, 33)), axis=-1).reshape(-1, 2)
    for maps, standardize in zip(article.maps, (False, "center"), strict=True):
        assert maps.epochs.tolist() == [1, 2, 3, 5, 10, 20, 50, 100]
        for k in (0, 4):
            model = chainrule.LogisticRegression(
                method="gradient-descent",
                learning_rate=0.1,
                max_reads=int(maps.epochs[k]),
                tol=0.0,
                standardize=standardize,
            )
            with pytest.warns(chainrule.NotConvergedWarning):
                model.fit(X[train], y[train])
            g = model.predict_proba(grid)[:, 1]
            mine = sigmoid(grid @ maps.w[k] + maps.b[k])
            assert mine == pytest.approx(g, rel=1e-9)
            edge = np.min(np.abs(g[:, None] - np.array(BANDS)), axis=1) < 1e-9
            assert np.array_equal(band_of(mine)[~edge], band_of(g)[~edge])


def test_points_of_the_maps_are_a_sample_of_each_class(article):
    points = article.maps[0]
    assert (len(points.x), points.label.sum(), points.of) == (80, 40, 80_000)
    again, other = (studies.centering(epochs=1, seed=seed).maps[0] for seed in (0, 1))
    assert np.array_equal(points.x, again.x)
    assert not np.array_equal(points.x, other.x)


def test_centring_of_columns_that_are_centred_already(rng):
    X, y = a_table(rng, n=2)
    plain, centred = studies.centering(X - X.mean(axis=0), y, epochs=50).forms
    assert plain.condition == pytest.approx(centred.condition, rel=0.1)


def test_centring_with_a_rate_above_the_limit(rng):
    X, y = a_table(rng, n=2)
    study = studies.centering(X + np.array([0.0, 50.0]), y, learning_rate=0.5, epochs=40)
    assert study.runs[0].happened in ("oscillates", "diverges")
    assert not study.runs[1].raised
    assert study.runs[0].rate > study.forms[0].limit


def test_centring_a_penalty_changes_no_optimum(rng):
    X, y = a_table(rng, n=2)
    study = studies.centering(X + 3.0, y, alpha=0.1, epochs=2000)
    for run in study.runs:
        assert run.objective[-1] == pytest.approx(study.optimum.objective, abs=1e-6)


def test_accuracy_no_better_than_the_larger_class_is_said(rng):
    study = studies.centering(rng.normal(size=(200, 2)), np.arange(200) % 10 == 0, epochs=50)
    assert study.base_accuracy == pytest.approx(0.9)
    assert "the optimum 90.00%, the larger class alone 90.00%." in study.conclusion


def test_held_out_accuracy_at_the_optimum_is_that_of_fit(rng):
    X, y = a_table(rng, n=2)
    study = studies.centering(X, y, epochs=2000)
    train, test = stratified_split(y.astype(float), 0.2, 0)
    model = chainrule.LogisticRegression().fit(X[train], y[train])
    assert study.optimum_accuracy == pytest.approx(model.score(X[test], y[test]), abs=1e-12)
    for run in study.runs:
        w, b = study.optimum.w, study.optimum.b
        assert run.curves["held_out_accuracy"][-1] == pytest.approx(np.mean((X[test] @ w + b > 0) == y[test]), abs=0.05)


# --- batches


def test_batches_are_runs_of_fit_each_at_the_best_rate_tried(rng):
    X, y = a_table(rng, m=400)
    study = studies.batches(X, y, epochs=15, seed=3, sizes=[8, 50])
    assert [run.label for run in study.runs] == ["all rows", "50 rows", "8 rows", "8 rows (constant)"]
    assert (study.tried, study.trial, study.updates) == (4, 3, (1, 8, 50, 50))
    plans = [("gradient-descent", {}), ("sgd", {"batch_size": 50, "schedule": "inverse", "seed": 3}),
             ("sgd", {"batch_size": 8, "schedule": "inverse", "seed": 3}),
             ("sgd", {"batch_size": 8, "schedule": "constant", "seed": 3})]  # fmt: skip
    for run, (method, how) in zip(study.runs, plans, strict=True):

        def fitted(rate, epochs, method=method, how=how):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", chainrule.ChainruleWarning)
                return chainrule.fit(X, y, method=method, learning_rate=rate, tol=0.0, epochs=epochs, **how)

        limit = fitted("auto", 0).learning_rate_limit
        after = {
            rate: fitted(rate, 3).trace.columns["objective"][-1] for rate in (limit / 4, limit, 4 * limit, 16 * limit)
        }
        assert run.rate == min(after, key=after.get)
        result = fitted(run.rate, 15)
        assert np.array_equal(run.objective, result.trace.columns["objective"])
        F = result.objective - study.optimum.objective
        assert run.result.certificate.gap == pytest.approx(F, rel=1e-6, abs=1e-7)


def test_batches_take_a_rate_as_given_or_the_best_of_them(rng):
    X, y = a_table(rng)
    one, two = (studies.batches(X, y, epochs=4, sizes=[4], rates=rates) for rates in ([0.25], [0.25, 1e-6]))
    assert [run.rate for run in one.runs] == [run.rate for run in two.runs] == [0.25] * 3
    assert (one.tried, two.tried) == (1, 2)
    assert "as given" in str(one.facts())
    assert "the best of 2, by 1 read" in str(two.facts())


def test_a_rate_that_takes_the_loss_above_its_start_diverges(rng):
    X, y = a_table(rng, m=60)
    assert {run.happened for run in studies.batches(X, y, epochs=12, sizes=[2], rates=[1e6]).runs} == {"diverges"}


def test_stochastic_descent_is_shown_at_its_best_also_on_few_rows(rng):
    X, y = a_table(rng, m=300)
    study = studies.batches(X, y)
    assert [run.label for run in study.runs] == ["all rows", "16 rows", "single rows", "single rows (constant)"]
    falling = [run for run in study.runs if run.label in ("16 rows", "single rows")]
    assert all(run.happened == "converges" and run.reached <= 15 for run in falling)


def test_a_large_table_has_fewer_epochs_and_says_so(rng, monkeypatch):
    X, y = a_table(rng, m=100, n=2)
    monkeypatch.setattr("chainrule.studies.kinds.NUMBERS_READ", 200 * 30)
    study = studies.batches(X, y, sizes=[16])
    assert study.max_epochs == len(study.runs[0].gap) - 1 == 30
    assert study.notes == ("the table is large: each run has 30 epochs, not 100",)
    assert studies.batches(X, y, sizes=[16], epochs=2).notes == ()


def test_batches_repeat_by_seed(rng):
    X, y = a_table(rng)
    first, again, other = (studies.batches(X, y, epochs=3, sizes=[1], seed=seed) for seed in (1, 1, 2))
    assert first.svg() == again.svg()
    assert not np.array_equal(first.runs[1].gap, other.runs[1].gap)


def test_conclusion_on_batches_says_what_the_numbers_say(rng):
    X, y = a_table(rng, m=2000)
    study = studies.batches(X, y)
    first = min((run for run in study.runs if run.reached is not None), key=lambda run: run.reached)
    assert study.conclusion.startswith(
        f"Reads to come within 0.001 nats of the optimum: {first.label} {first.reached:.0f}, "
    )
    for run in study.runs:
        assert [run.label, words.number(run.level, 2)] in [[row[0], row[4]] for row in study.table()[1]]
        assert run.happened != "converges" or run.level <= study.within
        assert run.level == pytest.approx(np.median(run.gap[-10:]))


def test_a_picture_of_batches_says_the_table_s_numbers(rng):
    X, y = a_table(rng, m=300)
    study = studies.batches(X, y, epochs=60)
    svg = study.svg()
    said = " ".join(ET.fromstring(svg).itertext())
    assert "opacity: 0.35" not in study.pictures()[0]()  # no band of swings
    assert "median over the last tenth of the epochs" in said
    noisy = next(run for run in study.runs if run.label == "single rows (constant)")
    assert noisy.reached is not None
    at_the_end = f"{words.number(noisy.level, 2)}"
    assert at_the_end != words.number(float(noisy.gap[-1]), 2)
    assert f">{at_the_end}<" in svg
    heads, rows = study.table()
    assert heads[2:5] == ["reads to 0.001 nats", "updates to 0.001 nats", "nats at the end"]
    assert at_the_end in [row[4] for row in rows]
    assert f"level at {noisy.reached:.0f}" in said


def test_sizes_above_the_rows_are_all_rows(rng):
    X, y = a_table(rng, m=10)
    assert [run.label for run in studies.batches(X, y, epochs=1, sizes=[10, 1000]).runs] == ["all rows"]


def test_batches_of_separated_classes():
    study = studies.batches([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1], epochs=20, sizes=[1])
    assert study.conclusion.startswith("There is no optimum: ")
    assert "completely separated" in study.conclusion
    assert "of the optimum" not in study.conclusion


# --- every study


@pytest.fixture(scope="module")
def each(article):
    rng = np.random.default_rng(5)
    X, y = a_table(rng)
    return [
        studies.learning_rate(X, y, **FAST),
        studies.scaling(X, y, **FAST),
        article,
        studies.batches(X, y, epochs=5),
    ]


def test_powers_of_ten_are_written_in_one_way(rng):
    X, y = a_table(rng)
    X = X * [1.0, 1e6, 1.0]
    for study in (studies.learning_rate(X, y, epochs=5), studies.scaling(X, y, epochs=5),
                  studies.batches(X, y, epochs=2, sizes=[9], within=1e-9)):  # fmt: skip
        said = " ".join([study.conclusion, *map(str, study.facts()), *map(str, study.table())])
        root = ET.fromstring(study.svg())
        said += " ".join("".join(e.itertext()) for e in root.iter() if e.tag.endswith(("text", "desc", "title")))
        assert " × 10" in said
        assert not re.findall(r"[0-9]e[-+]?[0-9]", said)
        assert "lambda" not in said
        assert "~" not in said


def test_documents_hold_every_number(each):
    for study in each:
        document = study.to_dict()
        assert document["schema_version"] == 1
        assert document["study"] == study.name
        assert document["conclusion"] == study.conclusion
        json.dumps(document, allow_nan=False)
    assert each[0].to_dict()["runs"][2]["objective"] == each[0].runs[2].objective.tolist()
    assert each[2].to_dict()["maps"][0]["w"] == each[2].maps[0].w.tolist()


def test_pictures_and_pages(each):
    for study in each:
        svg = study.svg()
        root = ET.fromstring(svg)
        said = " ".join(root.itertext())
        assert study.heading.split()[0] in said
        assert svg == study.svg()
        assert study.png().startswith(b"\x89PNG\r\n")
        page = study.html("A title with <b>", notes=["a note & more"])
        assert "<script" not in page
        assert "A title with &lt;b&gt;" in page
        assert "a note &amp; more" in page
        # those that take the whole page have a narrow twin
        assert page.count('role="img"') == len(study.panels()) + sum(panel.is_wide for panel in study.panels())
        assert (
            page.count('class="wide"') == page.count('class="narrow"') == sum(panel.is_wide for panel in study.panels())
        )
        ids = re.findall(r' id="([^"]+)"', page)
        assert len(ids) == len(set(ids))
        assert [panel.is_conclusion for panel in study.panels()] == [True] * len(study.pictures()) + [False]
        heads, rows = study.table()
        assert all(head in page for head in heads)
        assert all(len(row) == len(heads) for row in rows)
        part = study._repr_html_()  # a part of a notebook, and no page of its own
        assert "<html" not in part
        assert part.count("<table") == part.count("</table>") == 1
        assert " ".join(study.conclusion.split()) in " ".join(str(study).split())


@pytest.mark.parametrize(
    ("call", "parts"),
    [
        (lambda X, y: studies.learning_rate(X, y, epochs=0), ["epochs", "from 1"]),
        (lambda X, y: studies.learning_rate(X, y, within=0.0), ["within", "above 0"]),
        (lambda X, y: studies.learning_rate(X, y, rates=[-1.0]), ["rates", "above 0"]),
        (lambda X, y: studies.learning_rate(X, np.zeros(len(y))), ["y has 1 label", "two classes"]),
        (lambda X, y: studies.learning_rate(X, y, alpha=-1.0), ["alpha", "from 0"]),
        (lambda X, y: studies.learning_rate(X * 1e200, y), ["too large", "learning rate", "standardize"]),
        (lambda X, y: studies.scaling(X * 1e200, y), ["too large", "learning rate"]),
        (lambda X, y: studies.centering(X[:, :2] * 1e200, y), ["too large", "learning rate"]),
        (lambda X, y: studies.centering(X[:, :2], y, classes=("a",)), ["classes must be two names", "('a',)"]),
        (lambda X, y: studies.centering(X[:, :2], y, classes="ab"), ["classes must be two names", "'ab'"]),
        (lambda X, y: studies.scaling(X, y, numeric=np.array([True])), ["numeric", "3 booleans"]),
        (lambda X, y: studies.batches(X, y, sizes=[0]), ["sizes", "whole number from 1"]),
        (lambda X, y: studies.centering(X, y), ["two columns", "X has 3"]),
        (lambda X, y: studies.centering(X[:, :2]), ["give X and y"]),
        (lambda X, y: studies.centering(X[:, :2], y, test_size=1.5), ["test_size", "below 1"]),
        (lambda X, y: studies.centering(X[:, :2], y, seed=-1), ["seed", "from 0 to 18446744073709551615"]),
        (lambda X, y: studies.centering(X[:, :2], y, seed=2**64), ["seed", "from 0 to 18446744073709551615"]),
        (lambda X, y: studies.batches(X, y, seed=2**64), ["seed", "from 0 to 18446744073709551615"]),
    ],
)
def test_what_cannot_be_studied_is_said_in_a_sentence(call, parts, rng):
    X, y = a_table(rng)
    with pytest.raises(InputError) as error:
        call(X, y)
    for part in parts:
        assert part in str(error.value)


def test_a_misspelt_option_is_refused(rng):
    X, y = a_table(rng)
    with pytest.raises(TypeError, match="alhpa"):
        studies.scaling(X, y, alhpa=0.1)


def test_limits_and_distances_in_words():
    assert (words.nats(1e-3), words.nats(1.5e-9)) == ("0.001 nats", "1.5 × 10⁻⁹ nats")
    assert [below(x) for x in (0.4139, 2.6559, 2.65, 9.999e-7, math.inf)] == [
        "0.413", "2.65", "2.65", "9.99 × 10⁻⁷", "∞",
    ]  # fmt: skip


@pytest.mark.parametrize("library", ["pandas", "polars", "arrow", "dictionary"])
def test_studies_take_the_frames_that_fit_takes(library, rng):
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    X = pd.DataFrame({"a": rng.normal(size=80), "b": rng.normal(size=80), "town": rng.choice(["x", "y", "z"], 80)})
    y = pd.Series(np.where(X["a"] + (X["town"] == "y") + rng.logistic(size=80) > 0, "yes", "no"))
    of = {
        "pandas": lambda X: X,
        "polars": pl.from_pandas,
        "arrow": pa.Table.from_pandas,
        "dictionary": lambda X: X.to_dict("list"),
    }
    frame, two = of[library](X), of[library](X[["a", "b"]])
    coded = X[["a", "b"]].assign(y=X["town"] == "y", z=X["town"] == "z").to_numpy(dtype=float)
    for study, how in ((studies.learning_rate, {}), (studies.scaling, {}), (studies.batches, {"sizes": (8,)})):
        found, expected = study(frame, y, epochs=5, **how), study(coded, y, epochs=5, **how)
        assert found.n_features == 4
        assert found.optimum.objective == pytest.approx(expected.optimum.objective, rel=1e-7)
        assert [run.label for run in found.runs[-2:]] == [run.label for run in expected.runs[-2:]]
    assert studies.centering(two, y, epochs=3).classes == ("no", "yes")
