"""A table in, a trained model out."""

from functools import partial
from importlib.resources import as_file, files

import numpy as np
import pyarrow as pa
import pytest
from sklearn import metrics
from sklearn.model_selection import train_test_split

from chainrule.data import tables
from chainrule.data.files import read_table
from chainrule.data.tables import encode_table, prepare, stratified_split
from chainrule.errors import InputError, NotConvergedWarning, SeparationWarning
from chainrule.findings import SHELL, Finding, say
from chainrule.fitting.choice import Shape, choose_method
from chainrule.fitting.spec import FitSpec
from chainrule.training import (
    Training,
    closest_call,
    explain,
    figures,
    predictions,
    rows_of_training,
    train,
    whole_gradient,
)
from finding_tools import levels_of

asked = partial(FitSpec.of, SHELL)
FEATURES = ("species", "island", "bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g")


@pytest.fixture(scope="module")
def penguins() -> pa.Table:
    with as_file(files("chainrule") / "data" / "penguins.csv") as path:
        return read_table(path)


@pytest.fixture(scope="module")
def trained(penguins: pa.Table) -> Training:
    prepared = prepare(penguins, "sex", features=FEATURES, test_size=0.25, seed=0)
    return train(prepared, asked(alpha=1 / 249, epochs=20_000))


@pytest.mark.parametrize(
    ("m", "rate", "test_size"), [(333, 0.505, 0.25), (30, 0.5, 0.1), (1000, 0.03, 0.2), (7, 0.5, 0.4)]
)
def test_split_holds_out_the_asked_part_with_equal_shares(m, rate, test_size):
    y = np.where(np.arange(m) < round(m * rate), 1.0, 0.0)
    known = np.random.default_rng(1).permutation(y)
    rows, test = stratified_split(known, test_size, 0)
    assert len(test) == np.ceil(round(m * test_size, 9))
    assert sorted([*rows, *test]) == list(range(m))
    for label in (0.0, 1.0):
        assert abs(np.sum(known[test] == label) - len(test) * np.mean(known == label)) < 1


def test_split_leaves_unknown_rows_out_and_follows_its_seed():
    y = np.tile([0.0, 1.0, np.nan, 1.0], 50)
    rows, test = stratified_split(y, 0.2, 7)
    assert np.isfinite(y[np.concatenate([rows, test])]).all()
    assert len(rows) + len(test) == 150
    assert np.array_equal(stratified_split(y, 0.2, 7)[1], test)
    assert not np.array_equal(stratified_split(y, 0.2, 8)[1], test)


def test_split_of_nothing_keeps_every_known_row():
    rows, test = stratified_split(np.array([0.0, np.nan, 1.0]), 0.0, 0)
    assert rows.tolist() == [0, 2]
    assert len(test) == 0


def test_split_refuses_to_take_the_last_row_of_a_label():
    with pytest.raises(
        InputError, match=r"--test-size 0.9 leaves no training row of one label \(8 and 1 rows in all\)"
    ):
        stratified_split(np.array([0.0] * 8 + [1.0]), 0.9, 0)


def test_known_figures_of_the_penguins(penguins, monkeypatch):
    """scikit-learn's train_test_split(random_state=0), a quarter held out: log-loss 0.2606, accuracy 0.929, AUC 0.9635.

    These are the figures of the split that is NOT stratified (stratified by sex it is 0.2390, 0.905, 0.9705), with
    treatment coding, numbers standardised on the 249 training birds, alpha = 1/249 and no year.
    """

    def split(y, *_):
        return [np.sort(part) for part in train_test_split(np.flatnonzero(np.isfinite(y)), random_state=0)]

    monkeypatch.setattr(tables, "stratified_split", split)
    prepared = prepare(penguins, "sex", features=FEATURES, test_size=0.25)
    training = train(prepared, asked(alpha=1 / 249, epochs=50_000))
    assert training.result.reason == "converged"
    assert training.test_figures is not None
    assert training.test_figures["loss"] == pytest.approx(0.2606, abs=5e-5)
    assert training.test_figures["accuracy"] == pytest.approx(78 / 84)
    assert training.test_figures["auc"] == pytest.approx(0.9635, abs=5e-5)


def test_demo_split_reaches_the_optimum(trained):
    design, rows = trained.prepared.encoded, trained.prepared.train
    assert (len(rows), len(trained.prepared.test), len(trained.prepared.unknown)) == (249, 84, 11)
    assert trained.result.reason == "converged"
    # at the optimum the data's gradient and the penalty's cancel: dL_dw = -alpha w, dL_db = 0
    dL_dw, dL_db, _ = whole_gradient(trained.model, design, rows, trained.model.w_fit, trained.model.b_fit)
    assert np.abs(dL_dw + trained.model.w_fit / 249).max() < 2e-4
    assert abs(dL_db) < 2e-4


def test_held_out_rows_teach_nothing(penguins):
    first = prepare(penguins, "sex", features=FEATURES, test_size=0.25, seed=3)
    mass = np.array(penguins.column("body_mass_g").to_pylist(), dtype=float)
    mass[first.test] *= 1000
    at = penguins.column_names.index("body_mass_g")
    other = penguins.set_column(at, "body_mass_g", pa.array(mass, from_pandas=True))
    second = prepare(other, "sex", features=FEATURES, test_size=0.25, seed=3)
    how = asked(epochs=20)
    with pytest.warns(NotConvergedWarning, match="stopped after 20 epochs"):
        a, b = train(first, how), train(second, how)
    assert np.array_equal(a.model.w, b.model.w)
    assert np.array_equal(a.model.scale, b.model.scale)
    assert a.test_figures != b.test_figures


def test_figures_are_those_of_scikit_learn(trained):
    design = trained.prepared.encoded
    for rows, told in ((trained.prepared.train, trained.train_figures), (trained.prepared.test, trained.test_figures)):
        y, z = design.y[rows], trained.model.decision(design.X[rows])
        g = 1 / (1 + np.exp(-z))
        assert told["loss"] == pytest.approx(metrics.log_loss(y, g), rel=1e-12)
        assert told["accuracy"] == metrics.accuracy_score(y, g > 0.5)
        assert told["auc"] == pytest.approx(metrics.roc_auc_score(y, z), rel=1e-12)
        assert told["base_rate"] == pytest.approx(y.mean())
        assert told["base_loss"] == pytest.approx(metrics.log_loss(y, np.full_like(y, y.mean())), rel=1e-12)
        (tn, fp), (fn, tp) = metrics.confusion_matrix(y, g > 0.5)
        assert told["confusion"] == {
            "true_positive": tp,
            "false_positive": fp,
            "true_negative": tn,
            "false_negative": fn,
        }


def test_weighted_figures_are_those_of_repeated_rows():
    rng = np.random.default_rng(0)
    z, y, s = rng.normal(size=40), rng.integers(0, 2, 40).astype(float), rng.integers(1, 5, 40)
    weighted = figures(z, y, s.astype(float))
    repeated = figures(np.repeat(z, s), np.repeat(y, s))
    for key in ("loss", "accuracy", "auc", "base_rate", "base_loss", "base_accuracy"):
        assert weighted[key] == pytest.approx(repeated[key], rel=1e-12)


def test_figures_of_one_class_have_no_auc():
    told = figures(np.array([1.0, 2.0]), np.array([1.0, 1.0]))
    assert told["auc"] is None
    assert told["base_loss"] == 0.0


def test_weights_are_repeated_rows():
    rng = np.random.default_rng(5)
    x, s = rng.normal(size=60), rng.integers(1, 4, 60)
    y = np.where(rng.random(60) < 1 / (1 + np.exp(-x)), "yes", "no")
    weighted = pa.table({"x": x, "y": y, "s": s})
    repeated = pa.table({"x": np.repeat(x, s), "y": np.repeat(y, s)})
    how = asked(epochs=5000)
    one = train(prepare(weighted, "y", weights="s"), how)
    many = train(prepare(repeated, "y"), how)
    assert one.model.schema.feature_names == ("x",)
    assert one.model.w == pytest.approx(many.model.w, rel=1e-9)
    assert one.model.b == pytest.approx(many.model.b, rel=1e-9)
    assert one.train_figures["loss"] == pytest.approx(many.train_figures["loss"], rel=1e-9)


def test_eleven_birds_are_predicted(trained):
    rows = [entry["row"] for entry in trained.predictions]
    assert rows == [4, 9, 10, 11, 12, 48, 179, 219, 257, 269, 272]
    for entry in trained.predictions:
        assert 0 < entry["probability"] < 1
        assert entry["class"] == ("male" if entry["probability"] > 0.5 else "female")
    # rows 4 and 272 have no measure at all, other birds of unknown sex have all
    X = trained.prepared.encoded.X
    assert np.isfinite(X[[3, 271]]).all()


def test_predictions_follow_the_rows_asked_for(trained):
    rows = np.array([271, 3])
    told = predictions(trained.model, trained.z[rows], rows + 1)
    assert [entry["row"] for entry in told] == [272, 4]


@pytest.mark.parametrize("epoch", [None, 25])
def test_shares_of_the_training_rows_add_up_to_the_whole_gradient(trained, epoch):
    design, model = trained.prepared.encoded, trained.model
    trace = trained.result.trace
    total, total_b, terms = np.zeros(len(model.w)), 0.0, np.zeros(len(model.w))
    for i in trained.prepared.train:
        document = explain(model, design, int(i) + 1, trace=trace, epoch=epoch)
        told, whole = document["explanation"], document["whole_gradient"]
        shares = np.array([entry["share"] for entry in told["features"]])
        total, terms = total + shares, terms + np.abs(shares)
        total_b += told["share_b"]
    assert whole["training_rows"]
    assert (whole["rows"], whole["sum_weights"]) == (249, 249.0)
    assert (np.abs(total - whole["dL_dw"]) <= 1e-13 * terms).all()
    assert abs(total_b - whole["dL_db"]) <= 1e-13
    w, b = (model.w_fit, model.b_fit) if epoch is None else trace.at(epoch)
    # the stopping rule measures each column's component in the column's own deviation
    deviation = ((design.X[trained.prepared.train] - model.center) / model.scale).std(axis=0)
    grad = np.append((whole["dL_dw"] + w / 249) / deviation, whole["dL_db"])
    recorded = trace.columns["grad_norm"][-1 if epoch is None else epoch]
    assert np.abs(grad).max() == pytest.approx(recorded, rel=1e-6)
    assert np.isfinite(b)


def test_another_table_is_not_taken_for_the_training_rows(trained, penguins):
    some = encode_table(trained.model.schema, penguins.slice(0, 200))
    places, of_training = rows_of_training(trained.model, some)
    assert not of_training
    assert np.array_equal(places, np.flatnonzero(np.isfinite(some.y)))
    # of the same shape, with one number changed
    at = penguins.column_names.index("body_mass_g")
    mass = penguins.column("body_mass_g").to_pylist()
    mass[0] += 500
    other = encode_table(trained.model.schema, penguins.set_column(at, "body_mass_g", pa.array(mass)))
    _, of_training = rows_of_training(trained.model, other)
    assert of_training == (0 not in trained.prepared.train)


def test_unknown_label_goes_forward_only(trained):
    told = explain(trained.model, trained.prepared.encoded, 4)["explanation"]
    assert told["y"] is None
    assert told["dL_dz"] is None
    assert told["g"] == pytest.approx(trained.predictions[0]["probability"], rel=1e-12)


@pytest.mark.parametrize("row", [0, -1, 345])
def test_rows_count_from_one(trained, row):
    with pytest.raises(InputError, match=rf"row {row} is not in the table: its rows are 1 to 344"):
        explain(trained.model, trained.prepared.encoded, row)


def test_interrupt_carries_the_training_so_far(penguins):
    prepared = prepare(penguins, "sex", features=FEATURES, test_size=0.25)

    def press_ctrl_c(step, held_out):
        assert set(held_out) == {"held_out_loss", "held_out_accuracy"}
        if step.epoch == 5:
            raise KeyboardInterrupt

    training = train(prepared, asked(epochs=1000), progress=press_ctrl_c)
    assert training.result.reason == "interrupted"
    assert training.result.n_epochs <= 5
    assert training.train_figures["loss"] < np.log(2)
    assert np.isfinite(training.model.w).all()


def test_unknown_method_is_refused():
    with pytest.raises(InputError, match=r"--method .* 'newton', 'newton-cg', 'sgd', not 'magic'"):
        asked(method="magic")


@pytest.mark.parametrize(
    ("options", "method"),
    [
        ({}, "newton"),
        ({"max_reads": 50, "tol": 1e-9}, "newton"),
        ({"epochs": 5}, "gradient-descent"),
        ({"learning_rate": "auto"}, "gradient-descent"),
        ({"method": "gradient-descent", "max_reads": 5}, "gradient-descent"),
    ],
)
def test_what_only_gradient_descent_has_chooses_it(options, method):
    spec = asked(**options)
    chosen, why = choose_method(spec, Shape(100, 2, is_dense=True, has_penalty=False))
    assert spec.asked.name == chosen.name == method
    assert ("was given" in why) == (method == "gradient-descent" and "method" not in options)


@pytest.mark.parametrize("of_descent", [{"learning_rate": 0.1}, {"learning_rate": "auto"}, {"epochs": 3}])
def test_newton_refuses_what_only_gradient_descent_has(of_descent):
    with pytest.raises(InputError, match=r"--(learning-rate|epochs) .* gradient descent"):
        asked(method="newton", **of_descent)


def test_both_methods_come_to_the_same_optimum(penguins):
    """Each within what its certificate proves, the standard deviations those of the standardised fit."""
    prepared = prepare(penguins, "sex", features=FEATURES, test_size=0.25)
    newton = train(prepared, asked(alpha=1 / 249, standardize=True))
    descent = train(prepared, asked(alpha=1 / 249, epochs=20_000))
    assert (newton.result.method, descent.result.method) == ("newton", "gradient-descent")
    assert newton.result.reads < 20 < descent.result.reads
    for one in (newton, descent):
        assert one.result.certificate.kind == "bound"
        assert one.result.certificate.gap <= one.result.tol
        np.testing.assert_allclose(one.deviations[prepared.schema.numeric], one.model.scale[prepared.schema.numeric])
        assert np.isnan(one.deviations[~prepared.schema.numeric]).all()
    proven = newton.result.certificate.coef + descent.result.certificate.coef
    assert (np.abs(newton.model.w - descent.model.w) <= proven).all()
    assert newton.result.objective <= descent.result.objective
    # the whole gradient that shares add up to cancels with the penalty's at the optimum
    places, of_training = rows_of_training(newton.model, prepared.encoded)
    assert of_training
    dL_dw, _, _ = whole_gradient(newton.model, prepared.encoded, places, newton.model.w_fit, newton.model.b_fit)
    assert np.abs(dL_dw + newton.model.w_fit / 249).max() < 1e-6


def test_units_of_the_fit_are_those_of_the_table_for_newton_unless_asked_for(penguins):
    prepared = prepare(penguins, "sex", features=FEATURES)
    plain, standardized = train(prepared, asked()), train(prepared, asked(standardize=True))
    assert (plain.model.scale == 1).all()
    assert np.array_equal(plain.model.w, plain.model.w_fit)
    # without a penalty the optimum is the same
    proven = plain.result.certificate.coef + standardized.result.certificate.coef
    assert (np.abs(plain.model.w - standardized.model.w) <= proven).all()


def test_deviations_are_weighted():
    rng = np.random.default_rng(4)
    x, s = rng.normal(size=50) * 1e200, rng.integers(1, 4, 50)
    table = pa.table({"x": x, "level": rng.choice(["a", "b"], 50), "y": rng.choice(["no", "yes"], 50), "s": s})
    told = prepare(table, "y", weights="s").training_rows().moments().sd
    assert told[0] == pytest.approx(1e200 * np.repeat(x / 1e200, s).std(), rel=1e-12)


def test_interrupt_of_newton_carries_the_training_so_far(penguins):
    prepared = prepare(penguins, "sex", features=FEATURES, test_size=0.25)

    def press_ctrl_c(step, held_out):
        if step.epoch == 2:
            raise KeyboardInterrupt

    training = train(prepared, asked(), progress=press_ctrl_c)
    assert training.result.method == "newton"
    assert training.result.reason == "interrupted"
    assert training.result.certificate.gap > training.result.tol
    assert np.isfinite(training.model.w).all()


def test_separated_classes_are_named_by_their_labels():
    table = pa.table({"x": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], "y": ["low"] * 3 + ["high"] * 3})
    with pytest.warns(SeparationWarning):
        result = train(prepare(table, "y"), asked()).result
    assert result.reason == "no_optimum"
    for text in (result.verdict, result.certificate.reason, *result.warnings):
        assert "low" in text
        assert "high" in text
        assert "class 0" not in text


def test_without_standardising_the_fit_is_in_the_units_of_the_table(penguins):
    prepared = prepare(penguins, "sex", features=["bill_depth_mm", "bill_length_mm"])
    with pytest.warns(NotConvergedWarning, match="stopped after 10 epochs"):
        training = train(prepared, asked(standardize=False, epochs=10))
    assert np.array_equal(training.model.w, training.model.w_fit)
    assert (training.model.scale == 1).all()


def test_all_rows_are_trained_on_where_they_lie(monkeypatch):
    class SeenError(Exception):
        pass

    def look(spec, rows, *_more):
        raise SeenError(rows)

    monkeypatch.setattr("chainrule.training.fit_rows", look)
    prepared = prepare(pa.table({"x": [1.0, 2.0, 3.0, 4.0], "y": ["a", "b", "a", "b"]}), "y")
    with pytest.raises(SeenError) as seen:
        train(prepared, asked())
    rows = seen.value.args[0]
    assert rows.design is prepared.encoded.blocks
    assert rows.y.tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize("method", ["newton", "newton-cg"])
def test_a_part_of_a_table_is_fitted_as_a_table_of_its_own(method, rng):
    """Samples of the part, and proofs from them, look up z by the rows' places in the part, not in the whole table."""
    m = 120_000
    x, level = rng.normal(size=m), rng.integers(0, 40, m)
    y = np.where(x + 0.1 * (level % 3) + rng.logistic(size=m) > 0, "yes", "no")
    table = pa.table({"x": x, "level": pa.array([f"l{k}" for k in level]), "y": y})
    how, part = asked(method=method, alpha=1e-4), prepare(table, "y", test_size=0.3)
    alone = train(prepare(table.take(pa.array(part.train)), "y"), how).result
    result = train(part, how).result
    assert result.reads == alone.reads
    assert np.array_equal(result.w, alone.w)
    assert result.certificate.gap == alone.certificate.gap


def test_weights_of_zero_alone_are_refused():
    with pytest.raises(InputError, match="weight 0"):
        figures(np.array([1.0, -1.0]), np.array([1.0, 0.0]), np.zeros(2))


def weighted(zero):
    """Forty rows; those where `zero(held_out, y)` is true have weight 0."""
    y = np.array(["a", "b"] * 20)
    _, test = stratified_split((y == "b").astype(float), 0.25, 0)
    s = [0.0 if zero(i in test, y[i]) else 1.0 for i in range(40)]
    return pa.table({"x": np.arange(40.0) % 7, "y": y, "s": s})


@pytest.mark.parametrize(
    ("zero", "part"),
    [
        (lambda held_out, label: held_out, "every held-out row has weight 0"),
        (lambda held_out, label: not held_out, "every training row has weight 0"),
        (lambda held_out, label: not held_out and label == "b", "every training row with the label b has weight 0"),
    ],
)
def test_parts_without_weight_are_refused_before_training(zero, part):
    table = weighted(zero)
    with pytest.raises(InputError, match=f"{part} in column s: .*--test-size") as caught:
        prepare(table, "y", weights="s", test_size=0.25)
    assert "another --seed" in str(caught.value)


def test_weights_that_are_all_0_name_the_column():
    with pytest.raises(InputError, match=r"training row.* column s: name another with --weights"):
        prepare(weighted(lambda held_out, label: True), "y", weights="s")


def offset_table(offset=1e15):
    """A column of which only the digits after a large offset tell the classes apart."""
    rng = np.random.default_rng(3)
    x = offset + rng.integers(-40, 41, 200).astype(float)
    label = np.where(rng.random(200) < 1 / (1 + np.exp(-(x - offset) / 10)), "yes", "no")
    return pa.table({"x": x, "k": rng.normal(size=200), "y": label})


def test_one_z_for_figures_predictions_and_explanations_far_from_0():
    with pytest.warns(NotConvergedWarning, match="stopped after 2,000 epochs"):
        training = train(prepare(offset_table(), "y", test_size=0.25), asked(epochs=2000, tol=0.0))
    design, model = training.prepared.encoded, training.model
    with pytest.warns(NotConvergedWarning, match="stopped after 2,000 epochs"):
        near = train(prepare(offset_table(0.0), "y", test_size=0.25), asked(epochs=2000, tol=0.0))
    # an offset changes nothing in the fit's units
    np.testing.assert_allclose(model.w_fit, near.model.w_fit, rtol=1e-9)
    np.testing.assert_allclose(
        model.decision(design.X), near.model.decision(near.prepared.encoded.X), rtol=0, atol=1e-9
    )
    assert training.train_figures["loss"] == pytest.approx(near.result.loss, rel=1e-9)
    # the result's loss is that of w and b, whose intercept of 1e14 has rounded
    assert abs(training.result.loss - training.train_figures["loss"]) <= abs(np.spacing(training.result.b))
    told = [entry["probability"] for entry in predictions(model, training.z, np.arange(200))]
    for row in (1, 7, 200):
        assert explain(model, design, row)["explanation"]["g"] == pytest.approx(told[row - 1], rel=1e-13)
    _, of_training = rows_of_training(model, design)
    assert of_training
    held_out = training.result.trace.columns["held_out_loss"][-1]
    assert held_out == pytest.approx(training.test_figures["loss"], rel=1e-12)


def test_the_part_of_a_row(trained, penguins):
    design, model = trained.prepared.encoded, trained.model
    for rows, part in ((trained.prepared.train, "training"), (trained.prepared.test, "held out"), ([3], "unknown")):
        assert explain(model, design, int(rows[0]) + 1)["explanation"]["part"] == part
        assert explain(model, design, int(rows[-1]) + 1)["explanation"]["part"] == part
    assert explain(model, encode_table(model.schema, penguins.slice(0, 200)), 1)["explanation"]["part"] == "other"


def test_the_closest_call_is_right_by_the_smallest_margin(trained):
    row = closest_call(trained) - 1
    rows, design = trained.prepared.train, trained.prepared.encoded
    z = trained.model.decision(design.X)
    assert row in rows
    right = rows[(z[rows] > 0) == (design.y[rows] > 0)]
    assert row in right
    assert abs(z[row]) == np.abs(z[right]).min()


@pytest.mark.parametrize("options", [{}, {"epochs": 50}])
def test_an_interrupt_before_the_first_step_carries_nothing(penguins, options):
    def press_ctrl_c(step, held_out):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as stop:
        train(prepare(penguins, "sex", features=FEATURES), asked(**options), progress=press_ctrl_c)
    assert not hasattr(stop.value, "training")


@pytest.mark.parametrize(
    ("options", "limit", "newton"),
    [
        ({}, "--max-reads", "use --method newton"),
        ({"method": "gradient-descent", "max_reads": 5}, "--max-reads", "use --method newton"),
        ({"method": "gradient-descent"}, "--epochs", "use --method newton"),
        ({"epochs": 5}, "--epochs", "use --method newton without --epochs"),
        ({"learning_rate": 0.1, "max_reads": 5}, "--max-reads", "use --method newton without --learning-rate"),
    ],
)
def test_ways_out_name_options_that_the_command_line_takes_beside_those_given(options, limit, newton):
    values = {"steps": 3, "tol": 0.1, "ways": ((asked(**options).more, 9), ("newton", None))}
    told = say(Finding("stopped", values), asked(**options).front)
    assert told.endswith(f": raise {limit} to about 9, or {newton}")


@pytest.mark.parametrize("levels", [2, 3, 7])
def test_a_level_that_the_fit_cannot_see_is_named(levels):
    """All rows of the reference level are of one class, which its missing column alone can't say."""
    names = [f"level {k}" for k in range(levels)]
    level = np.repeat(names, 20)
    y = np.where(level == names[0], "yes", np.where(np.arange(20 * levels) % 3 == 0, "yes", "no"))
    with pytest.warns(SeparationWarning) as said:
        result = train(prepare(pa.table({"colour": level, "y": y}), "y"), asked()).result
    assert levels_of(said) == {"colour=level 0": "yes"}
    assert "colour=level 0" in result.verdict
    assert len(said) == 1
