"""How a run learned: its numbers against NumPy's, its sentences against its numbers."""

import csv
import dataclasses
import json
import re
import warnings
from functools import partial

import numpy as np
import pyarrow as pa
import pytest

import chainrule
from chainrule.certificate import Certificate
from chainrule.data.rows import Rows
from chainrule.data.tables import prepare
from chainrule.documents.blocks import PLAIN, spelled
from chainrule.documents.learned import pictures, rate_told, story
from chainrule.findings import SHELL
from chainrule.fitting.spec import FitSpec
from chainrule.kernels.blocks import Blocks, NumberColumn, Part
from chainrule.losses import sigmoid
from chainrule.solvers.trace import Trace
from chainrule.studies.learned import Gradients, Learned, gradients_of, learned_by, maps_of, round_points, spread_points
from chainrule.studies.progress import NEAR, HalfTime, HeldOutProgress, Progress, progress_of
from chainrule.training import train
from cli_tools import run  # noqa: F401


def told(learned):
    """A story as text."""
    return " ".join(map(PLAIN.words, story(learned)))


asked = partial(FitSpec.of, SHELL)
STEPS = asked(method="gradient-descent", epochs=80, alpha=0.01)


def table(m=240, seed=0, categories=True, numbers=2):
    """A table with weights, a column far from 0, one in other units, and a category."""
    r = np.random.default_rng(seed)
    X = r.normal(size=(m, numbers)) * [2.0, 900.0][:numbers] + [50.0, -3000.0][:numbers]
    place = r.choice(["north", "south", "west"], m)
    z = (X / [2.0, 900.0][:numbers]).sum(axis=1) - 25 + 3.3 + 0.8 * (place == "south") if numbers else 0.0
    columns = {f"x{j}": X[:, j] for j in range(numbers)}
    columns |= {"place": place} if categories else {}
    y = np.where(r.random(m) < sigmoid(np.broadcast_to(z, m)), "yes", "no")
    return pa.table({**columns, "s": r.integers(0, 4, m).astype(float), "y": y})


def trained(spec=STEPS, *, test_size=0.25, weights="s", **more):
    prepared = prepare(table(**more), "y", drop=() if weights else ("s",), weights=weights, test_size=test_size)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return train(prepared, spec)


def in_units(training, center, scale):
    """Training rows in some units, with the bias's 1; y; weights that add up to 1."""
    design, rows = training.prepared.encoded, training.prepared.train
    s = np.ones(len(rows)) if design.weights is None else design.weights[rows]
    X = (design.X[rows] - center) / scale
    return np.column_stack([X, np.ones(len(rows))]), design.y[rows], s / s.sum()


def test_gradients_are_those_of_the_steps():
    training = trained()
    result = training.result
    g = gradients_of(training.prepared.training_rows(), result)
    X, y, s = in_units(training, result.center, result.scale)
    for k, epoch in enumerate(g.epochs.tolist()):
        w, b = result.trace.at(epoch)
        gradient = X.T @ (s * (sigmoid(X @ np.append(w, b)) - y)) + np.append(result.alpha * w, 0.0)
        # sums of 180 numbers of size 1, each right to 1e-16
        np.testing.assert_allclose(g.dL[k], gradient, rtol=1e-9, atol=1e-14)
        if epoch < result.n_epochs:
            step = np.append(*result.trace.at(epoch)) - np.append(*result.trace.at(epoch + 1))
            np.testing.assert_allclose(g.dL[k], step / result.learning_rate, rtol=1e-6, atol=1e-12)
    assert g.epochs[[0, -1]].tolist() == [0, result.n_epochs]
    assert g.names == (*result.feature_names, "bias b")


def test_newtons_gradients_are_per_standard_deviation_of_numbers_and_with_the_penalty_of_its_own_units():
    training = trained(asked(alpha=0.01))
    result = training.result
    g = gradients_of(training.prepared.training_rows(), result)
    design, rows = training.prepared.encoded, training.prepared.train
    s = design.weights[rows] / design.weights[rows].sum()
    numeric = training.prepared.schema.numeric
    mean = np.where(numeric, s @ design.X[rows], 0.0)
    sd = np.where(numeric, np.sqrt(s @ (design.X[rows] - mean) ** 2), 1.0)
    X, y, _ = in_units(training, mean, sd)
    assert g.limit is None

    def F(theta):
        z = X @ theta
        return s @ (np.logaddexp(0, z) - y * z) + result.alpha / 2 * np.sum((theta[:-1] / sd * result.scale) ** 2)

    for k, epoch in enumerate(g.epochs.tolist()):
        w, b = result.trace.at(epoch)
        w_user = w / result.scale
        theta = np.append(w_user * sd, b - result.center @ w_user + mean @ w_user)
        h = 1e-5
        slopes = [(F(theta + h * e) - F(theta - h * e)) / (2 * h) for e in np.eye(len(theta))]
        # central differences: 1e-16 / h of rounding, h^2 of the third derivative
        np.testing.assert_allclose(g.dL[k], slopes, rtol=0, atol=5e-10)


def test_the_rate_that_is_stable_at_the_end_is_two_over_the_largest_curvature():
    training = trained(asked(method="gradient-descent", epochs=5000, alpha=0.01, tol=1e-9))
    result = training.result
    limit = gradients_of(training.prepared.training_rows(), result).limit
    X, y, s = in_units(training, result.center, result.scale)
    theta = np.append(result.w_fit, result.b_fit)
    p = sigmoid(X @ theta)
    H = (X.T * (s * p * (1 - p))) @ X + np.diag([*np.full(len(theta) - 1, result.alpha), 0.0])
    values, vectors = np.linalg.eigh(H)
    assert limit == pytest.approx(2 / values[-1], rel=1e-9)
    # a small way off the optimum along the steepest direction: a step shortens it below the limit, lengthens it above
    off = 1e-3 * vectors[:, -1]

    def left(rate):
        gradient = X.T @ (s * (sigmoid(X @ (theta + off)) - y)) + np.append(result.alpha * (theta + off)[:-1], 0.0)
        return np.linalg.norm(off - rate * gradient)

    assert left(0.95 * limit) < 1e-3 < left(1.05 * limit)


def first(epochs, reached):
    return int(epochs[reached][0]) if reached.any() else None


@pytest.mark.parametrize("spec", [STEPS, dataclasses.replace(STEPS, max_reads=4), asked(alpha=0.01)], ids=str)
def test_progress_counts_epochs_to_half_of_the_way_and_to_the_optimum(spec):
    training = trained(spec)
    result, columns = training.result, training.result.trace.columns
    p = progress_of(result, training.deviations)
    F, epochs = columns["objective"], columns["epoch"].astype(int)
    # the penalty is of the fit's units: numbers are standardised for gradient descent
    best = trained(asked(alpha=0.01, tol=1e-14, standardize=spec.method == "gradient-descent")).result.objective
    assert p.halfway == first(epochs, F - best <= (F[0] - best) / 2)
    assert p.near == first(epochs, F - best <= NEAR)
    assert p.start == F[0]
    assert p.floor == pytest.approx(best, abs=1e-7)
    assert p.unit == ("epoch" if spec.method == "gradient-descent" else "step")
    assert p.last == result.n_epochs
    assert p.rises == 0
    assert p.held_out.lowest == columns["held_out_loss"].min()
    assert columns["held_out_loss"][epochs == p.held_out.epoch] == p.held_out.lowest
    assert p.held_out.training_fell == (columns["loss"][-1] < columns["loss"][epochs == p.held_out.epoch][0])
    W = result.trace.w
    for time in p.half_times:
        j = result.feature_names.index(time.name)
        left = np.abs(W[:, j] - W[-1, j])
        after = epochs >= time.epoch
        assert (left[after] <= left[0] / 2).all()
        assert left[np.flatnonzero(after)[0] - 1] > left[0] / 2
    assert [t.epoch for t in p.half_times] == sorted(t.epoch for t in p.half_times)


def test_newton_on_samples_is_measured_from_its_first_step_on_all_rows():
    r = np.random.default_rng(3)
    X = r.normal(size=(100_000, 3))
    result = chainrule.fit(X, r.random(100_000) < sigmoid(X.sum(axis=1)))
    columns = result.trace.columns
    assert columns["share"][0] < 1
    p = progress_of(result, np.ones(3))
    k = np.flatnonzero(columns["share"] >= 1)[0]
    assert (p.whole, p.start, p.halfway) == (columns["epoch"][k], columns["objective"][k], None)


def shares_of(gradient):
    return np.abs(gradient) / np.abs(gradient).sum()


def test_gradients_of_columns_of_any_size_are_found():
    training = trained(
        FitSpec.of(
            SHELL,
        ),
        weights=None,
    )
    g = gradients_of(training.prepared.training_rows(), training.result)
    given = training.prepared.encoded
    blocks = [
        dataclasses.replace(column, parts=tuple(Part(part.values * 1e-200, part.rows) for part in column.parts))
        if isinstance(column, NumberColumn)
        else column
        for column in given.blocks.columns
    ]
    design = dataclasses.replace(given, blocks=Blocks(blocks, given.blocks.m, given.blocks.n))
    extremes = [(low * 1e-200, high * 1e-200) for low, high in training.prepared.learnt.extremes]
    learnt = dataclasses.replace(training.prepared.learnt, extremes=extremes)
    tiny = train(
        dataclasses.replace(training.prepared, encoded=design, learnt=learnt),
        FitSpec.of(
            SHELL,
        ),
    )
    np.testing.assert_allclose(
        shares_of(gradients_of(tiny.prepared.training_rows(), tiny.result).dL[0]),
        shares_of(g.dL[0]),
        rtol=1e-9,
        atol=1e-12,
    )


def test_a_rate_above_the_limit_is_told_by_the_epochs_that_raised_the_objective():
    training = trained(asked(learning_rate=50.0, epochs=20, alpha=0.001))
    F = training.result.trace.columns["objective"]
    p = progress_of(training.result, training.deviations)
    assert p.rises == int((np.diff(F) > 1e-9).sum()) > 0
    text = told(Learned(p))
    assert f"It rose in {p.rises} of the 20" in text


def test_separated_classes_are_measured_from_the_infimum():
    X = np.linspace(-1, 1, 40)[:, None]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = chainrule.fit(X, X[:, 0] > 0, method="gradient-descent", max_reads=50, tol=0.0, learning_rate=1.0)
    p = progress_of(result, [0.6])
    F = result.trace.columns["objective"]
    assert p.infimum
    assert p.floor == pytest.approx(0.0, abs=1e-6)
    assert p.halfway == first(result.trace.columns["epoch"].astype(int), F <= F[0] / 2)
    assert p.near is None
    assert "nats above its infimum" in told(Learned(p))


@pytest.mark.parametrize("spec", [STEPS, asked(alpha=0.01)], ids=("descent", "newton"))
def test_maps_are_the_models_with_the_other_columns_at_their_means(spec):
    training = trained(spec)
    rows, result = training.prepared.training_rows(), training.result
    m = maps_of(rows, result)
    assert set(m.names) == {"x0", "x1"}
    assert m.others == 2
    assert m.epochs[-1] == result.n_epochs
    assert 1 <= m.epochs[0]
    assert len(m.epochs) <= 8
    assert (np.diff(m.epochs) > 0).all()
    design, train_rows = training.prepared.encoded, training.prepared.train
    s = design.weights[train_rows]
    row = np.average(design.X[train_rows], axis=0, weights=s)
    at = [result.feature_names.index(name) for name in m.names]
    for x, y in ((48.0, -3500.0), (53.0, -1000.0)):
        row[at] = [x, y] if m.names == ("x0", "x1") else [y, x]
        here = row[at]
        z = float(m.w[-1] @ here + m.b[-1])
        assert z == pytest.approx(float(training.model.decision(row[None])[0]), abs=1e-9)
    # points: rows of positive weight, both classes
    assert m.of == int((s > 0).sum())
    assert m.rows == len(s) > m.of
    assert set(m.label.tolist()) == {0.0, 1.0}
    given = {tuple(v) for v in design.X[train_rows][s > 0][:, at].tolist()}
    assert {(x, y) for x, y in zip(m.x.tolist(), m.y.tolist(), strict=True)} <= given
    assert m.x_range[0] < m.x.min() <= m.x.max() < m.x_range[1]


def test_points_of_maps_are_a_stratified_sample():
    r = np.random.default_rng(5)
    X, y = r.normal(size=(20_000, 2)), (r.random(20_000) < 0.02).astype(np.uint8)
    X[7, 0] = 1e9  # one far-away value leaves the others their room
    result = chainrule.fit(X, y, feature_names=["a", "b"])
    m = maps_of(Rows.of(Blocks.dense(X), y, None, ["a", "b"]), result)
    assert m.of == 20_000
    assert 75 <= len(m.x) <= 85
    assert m.label.sum() == pytest.approx(80 * y.mean(), abs=1)
    ends = m.x_range if m.names[0] == "a" else m.y_range
    assert ends[1] < 10


@pytest.mark.parametrize("numbers", [0, 1])
def test_without_two_numbers_there_is_no_map_and_the_page_says_why(numbers):
    learned = learned_by(trained(numbers=numbers))
    assert learned.maps is None
    assert "two columns of numbers" in " ".join(learned.notes)
    assert learned.gradients is not None


def test_the_gradient_of_all_rows_is_not_shown_of_mini_batches():
    by_rows, by_all = (trained(asked(method="sgd", batch_size=size, epochs=20), weights=None) for size in (4, 180))
    learned = learned_by(by_rows)
    assert learned.gradients is None
    assert "noise of the last batches" in " ".join(learned.notes)
    assert "gradient" not in told(learned)
    assert learned.maps is not None
    whole = learned_by(by_all)
    assert whole.notes == ()
    np.testing.assert_array_equal(whole.gradients.epochs, np.arange(21))
    assert learned_by(trained(asked(method="sgd", epochs=0))).notes == ()


def test_a_run_of_no_epochs_has_nothing_to_tell():
    learned = learned_by(trained(dataclasses.replace(STEPS, max_reads=0)))
    assert (learned.gradients, learned.maps, learned.notes) == (None, None, ())
    assert told(learned) == "No epoch was run: the model is where it started."


@pytest.mark.parametrize(
    ("kept", "stride", "count"), [(5, 1, 60), (1000, 1, 60), (70_000, 16, 60), (300, 1, 12), (9, 1, 8)]
)
def test_points_are_spread_by_powers_from_the_first_to_the_last(kept, stride, count):
    epochs = np.append(np.arange(kept) * stride, (kept - 1) * stride + 1)
    trace = Trace({"epoch": epochs}, np.zeros((len(epochs), 1)), np.zeros(len(epochs)), stride)
    chosen = spread_points(trace, count)
    assert epochs[chosen][[0, -1]].tolist() == [epochs[0], epochs[-1]]
    assert len(chosen) <= count
    assert (np.diff(chosen) > 0).all()
    if len(epochs) <= count:
        assert len(chosen) == len(epochs)


@pytest.mark.parametrize(
    ("last", "stride", "epochs"),
    [
        (1, 1, [1]),
        (8, 1, [1, 2, 3, 4, 5, 6, 7, 8]),
        (17, 1, [1, 2, 3, 5, 10, 17]),
        (100, 1, [1, 2, 3, 5, 10, 20, 50, 100]),
        (1224, 1, [1, 3, 10, 30, 100, 300, 1000, 1224]),
        (100_000, 1, [1, 10, 100, 1000, 10_000, 100_000]),
        (100_000, 64, [64, 128, 1024, 9984, 100_000]),
    ],
)
def test_maps_are_of_round_epochs_and_the_last(last, stride, epochs):
    kept = np.append(np.arange(0, last, stride), last)
    trace = Trace({"epoch": kept}, np.zeros((len(kept), 1)), np.zeros(len(kept)), stride)
    assert kept[round_points(trace)].tolist() == epochs


PROGRESS = Progress(
    unit="epoch", last=400, stride=1, whole=0, start=0.6931, end=0.3, floor=0.2999, infimum=False, halfway=9, near=120,
    least_left=0.0, rises=0, half_times=(HalfTime("a<b>", 3), HalfTime("c", 3), HalfTime("d", 80)),
    held_out=HeldOutProgress(60, 0.41, 0.45, True),
)  # fmt: skip


def test_what_training_did_not_gain_is_not_said():
    held_out = HeldOutProgress(60, 0.41, 0.45, False)
    assert "What was learned" not in told(Learned(dataclasses.replace(PROGRESS, held_out=held_out)))


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({}, "began 0.3932 nats above its optimum; half of the way took 9 epochs; 120 epochs brought it within 0.001 nats."),
        ({"halfway": 1, "near": 1}, "; 1 epoch brought it within 0.001 nats."),
        ({"stride": 4}, "took at most 9 epochs; at most 120 epochs brought"),
        ({"near": None, "end": 0.35}, "took 9 epochs; at the end 0.0501 nats are left."),
        ({"near": None, "halfway": None, "end": 0.65}, "its optimum; at the end 0.350 nats are left."),
        ({"floor": None}, "The objective went from 0.69310 to 0.30000 nats."),
        ({"whole": 7, "unit": "step", "start": 0.3}, "The steps before step 7 read samples of the rows. The objective began"),
        ({"end": 0.33}, "brought it within 0.001 nats; at the end 0.0301 nats are left."),
        ({"end": 0.33, "rises": 3}, "0.0301 nats are left. It rose in 3 of the 400."),
        ({"rises": 3, "stride": 4}, "It rose in 3 of the epochs kept."),
        ({}, "a<b> settled first (epoch 3), d last (epoch 80), of 3 strong weights; settled means more than half"),
        ({"stride": 4}, "first (epoch 3 at the latest)"),
        ({"half_times": (HalfTime("a", 1),), "unit": "step"}, "a settled first (step 1), of 1 strong weight; settled means"),
        ({"half_times": (HalfTime("a", 2), HalfTime("b", 2))}, "a settled first (epoch 2), of 2 strong weights"),
        ({}, "lowest after 60 epochs, 0.4100; at the end it is 0.4500. What was learned after that helps the training"),
        ({"held_out": HeldOutProgress(400, 0.41, 0.41, False)}, "at the end was at or near its lowest: 0.4100."),
        ({"held_out": HeldOutProgress(60, 0.41, 0.4104, True)}, "at the end was at or near its lowest: 0.4104."),
        ({"held_out": HeldOutProgress(0, 0.41, 0.47, False)}, "was lowest at the start, 0.4100; at the end it is 0.4700."),
        ({"last": 0}, "No epoch was run"),
    ],
)  # fmt: skip
def test_the_story_is_told_in_numbers(more, says):
    assert says in told(Learned(dataclasses.replace(PROGRESS, **more)))


@pytest.mark.parametrize(
    ("rate", "says"),
    [(1.0, "At the point returned, learning rates up to 8 are stable."),
     (9.0, "up to 8 are stable: this one can’t settle there."),
     (None, "")],
)  # fmt: skip
def test_the_rate_against_the_curvature(rate, says):
    learned = Learned(PROGRESS, Gradients(np.arange(2), ("a", "bias b"), np.ones((2, 2)), limit=8.0))
    assert " ".join(map(PLAIN.words, rate_told(learned, rate))).endswith(says)
    assert rate_told(Learned(PROGRESS), rate) == []


def test_a_limit_is_never_shown_larger_than_it_is():
    assert spelled(2.65799, "floor") == "2.657"
    assert spelled(8.0029e-9, "floor") == "8.002e-09"


def test_captions_say_units_and_what_the_other_columns_are():
    def captions(learned):
        return [PLAIN.words(chart.caption) for (chart,) in pictures(learned, ("no", "yes"))]

    learned = learned_by(trained())
    of_surface, of_shares, of_maps = captions(learned)
    held = float(re.search(r"holds ([\d.]+)% of the squared way", of_surface)[1]) / 100
    assert held <= learned.surface.held < held + 0.001
    assert of_surface.endswith("equal F − F*, in nats; numbers on the way are epochs.")
    assert "in the units of the fit: the steps follow it" in of_shares
    assert f"at {len(learned.gradients.epochs)} epochs" in of_shares
    assert "2 other columns held at the training rows’ mean" in of_maps
    assert of_maps.endswith(f"Of the 180 training rows {learned.maps.of} have a positive weight.")
    assert "positive weight" not in captions(learned_by(trained(weights=None)))[2]
    newton = captions(learned_by(trained(FitSpec.of(SHELL))))
    assert "per standard deviation of each number: the steps don’t follow it" in newton[1]
    assert newton[0].endswith("equal F − F*, in nats.")


@pytest.mark.parametrize("method", ["gradient-descent", "newton"])
def test_the_page_and_the_document_have_it(run, tmp_path, method):  # noqa: F811
    path, page = tmp_path / "t.csv", tmp_path / "r.html"
    t = table()
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(t.column_names)
        out.writerows(zip(*(t[name].to_pylist() for name in t.column_names), strict=True))
    done = run("fit", path, "--target", "y", "--weights", "s", "--method", method, "--report", page, "--json", "-q")
    learned = json.loads(done.out)["learned"]
    html = page.read_text(encoding="utf-8")
    unit = "step" if method == "newton" else "epoch"
    assert learned["unit"] == unit
    assert learned["near_nats"] == NEAR
    assert learned["held_out"] is None
    words = re.sub(r"<svg.*?</svg>|<[^>]+>", "", html, flags=re.S)
    assert f"took {learned['halfway']} {unit}" in words or "brought it within" in words
    assert f"({unit} {learned['half_times'][0]['epoch']})" in words
    assert re.search(r"Dots are a sample, \d+ of \d+ rows of positive weight\.", html)
    titles = re.findall(r"<title[^>]*>(.*?)</title>", html)
    assert "Each column&#x27;s share of the gradient over the " + unit + "s" in titles
    assert (
        "Maps of the probability of yes over x0 and x1" in titles
        or "Maps of the probability of yes over x1 and x0" in titles
    )
    assert "The loss of one row as a function of the log-odds z" in titles
    assert ("learning rates up to" in words) == (method == "gradient-descent")


def test_where_nothing_is_known_of_the_optimum_nothing_is_said_of_the_way_to_it():
    result = trained().result
    nothing = {**{f.name: getattr(result.certificate, f.name) for f in dataclasses.fields(Certificate)}, "kind": "infimum",
               "gap": 0.5, "lower": 0.0, "infimum_at_least": 0.0, "infimum_gap": 0.5}  # fmt: skip
    p = progress_of(dataclasses.replace(result, certificate=Certificate(**nothing)), np.ones(len(result.w)))
    assert p.floor is None
    assert p.halfway is None
