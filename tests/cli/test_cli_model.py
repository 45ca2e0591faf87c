"""`chainrule predict`, `evaluate` and `explain` on a trained model."""

import csv
import io
import json
import re
from pathlib import Path
from typing import NamedTuple

import pytest

from chainrule.cli import main
from chainrule.data.files import read_table
from chainrule.data.tables import encode_table, stratified_split
from chainrule.losses import sigmoid
from chainrule.model.model import load_model, load_trace
from chainrule.training import figures
from cli_tools import FIT, assert_mistake, copy_penguins, run

__all__ = ["run"]


class Trained(NamedTuple):
    model: Path
    table: Path


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    table, model = copy_penguins(folder), folder / "model.safetensors"
    words = ["--test-size", "0.25", "--alpha", "0.004", "--epochs", "200", "--out", str(model), "--quiet", "--json"]
    assert main(["fit", str(table), *FIT, *words]) == 0
    return Trained(model, table)


@pytest.fixture(scope="module")
def numbers(trained):
    model = load_model(trained.model)
    design = encode_table(model.schema, read_table(trained.table))
    return model, design


def test_predict_writes_csv_with_every_digit(run, trained, numbers):
    outcome = run("predict", trained.model, trained.table, "--digits", 17)
    assert outcome.code == 0
    assert outcome.out.splitlines()[0] == "row,probability,class"
    rows = list(csv.DictReader(io.StringIO(outcome.out)))
    assert [int(row["row"]) for row in rows] == list(range(1, 345))
    model, design = numbers
    assert [float(row["probability"]) for row in rows] == sigmoid(model.decision(design.X)).tolist()
    assert {row["class"] for row in rows} == {"male", "female"}
    assert all((float(row["probability"]) > 0.5) == (row["class"] == "male") for row in rows)


def test_predict_to_a_file_and_as_json_agree(run, trained, tmp_path):
    out = tmp_path / "predictions.csv"
    outcome = run("predict", trained.model, trained.table, "--out", out, "--json")
    told = json.loads(outcome.out)
    assert told["positive"] == "male"
    rows = list(csv.DictReader(io.StringIO(out.read_text())))
    assert [(entry["row"], entry["probability"], entry["class"]) for entry in told["predictions"]] == [
        (int(row["row"]), float(row["probability"]), row["class"]) for row in rows
    ]
    assert run("predict", trained.model, trained.table, "--out", out).out == ""
    assert list(tmp_path.iterdir()) == [out]


def test_predict_needs_no_target_and_says_what_it_filled_in(run, trained, tmp_path):
    lines = trained.table.read_text().splitlines()
    cells = [line.split(",") for line in lines[:6]]
    cells[1][0] = "Emperor"
    short = tmp_path / "short.csv"
    short.write_text("".join(",".join(row[:6]) + "\n" for row in cells))
    outcome = run("predict", trained.model, short)
    assert outcome.code == 0
    assert len(outcome.out.splitlines()) == 6
    assert "Emperor" in outcome.err
    assert "reference Adelie" in outcome.err
    assert "bill_depth_mm in 1 row (mean 17.1948)" in outcome.err
    assert run("predict", trained.model, short, "--quiet").err == ""


def test_evaluate_agrees_with_the_figures(run, trained, numbers):
    model, design = numbers
    train, test = stratified_split(design.y, 0.25, 0)
    told = json.loads(run("evaluate", trained.model, trained.table, "--json").out)
    assert told["figures"] == figures(model.decision(design.X[test]), design.y[test])
    assert (told["figures"]["rows"], told["training"]["rows"]) == (len(test), len(train)) == (84, 249)
    outcome = run("evaluate", trained.model, trained.table)
    assert outcome.code == 0
    assert "11 rows without sex left out" in outcome.err
    words = outcome.out.split()
    for value in told["figures"]["confusion"].values():
        assert str(value) in words
    assert f"{told['figures']['loss']:.4f}" in words
    assert f"{told['figures']['auc']:.4f}" in words
    paths = str(trained.table), str(trained.model)  # a path is never broken, however long it is
    assert max(len(line) for line in outcome.out.splitlines() if not any(path in line for path in paths)) <= 80


def test_evaluate_refuses_a_table_without_labels(run, trained, tmp_path):
    lines = trained.table.read_text().splitlines()
    empty = tmp_path / "unknown.csv"
    empty.write_text("\n".join([lines[0], *(line for line in lines if line.split(",")[6] == "NA")]) + "\n")
    assert_mistake(run("evaluate", trained.model, empty), "no row with a known sex")


def test_explain_prints_the_row_forward_and_backward(run, trained):
    outcome = run("explain", trained.model, trained.table, "--row", 1)
    assert outcome.code == 0
    assert "Row 1 (sex is male, y = 1; a training row) after the last epoch, 200" in outcome.out
    for word in (
        "dL/dg",
        "dg/dz",
        "dL/dz = dL/dg · dg/dz",
        "dL/db",
        "bill_depth_mm",
        "species",
        "Adelie",
        "share",
        "checked",
    ):
        assert word in outcome.out
    assert "of the 249 rows trained on" in outcome.out
    assert max(len(line) for line in outcome.out.splitlines()) <= 80


def test_explain_as_json_holds_the_models_numbers(run, trained, numbers):
    model, design = numbers
    told = json.loads(run("explain", trained.model, trained.table, "--row", 2, "--json").out)
    row = told["explanation"]
    assert row["g"] == pytest.approx(sigmoid(model.decision(design.X[[1]]))[0], rel=1e-12)
    assert row["z"] == pytest.approx(row["b"] + sum(entry["contribution"] for entry in row["features"]), rel=1e-12)
    assert row["dL_dz"] == pytest.approx(row["g"] - 0, rel=1e-12)  # row 2 is female: y = 0
    assert [entry["x_user"] for entry in row["features"]][-4:] == pytest.approx([39.5, 17.4, 186, 3800])
    assert told["whole_gradient"]["training_rows"] is True


def test_explain_an_epoch_takes_its_weights_from_the_trace(run, trained):
    start = json.loads(run("explain", trained.model, trained.table, "--row", 1, "--epoch", 0, "--json").out)[
        "explanation"
    ]
    assert (start["z"], start["g"], start["dL_dz"]) == (0, 0.5, -0.5)
    later = json.loads(run("explain", trained.model, trained.table, "--row", 1, "--epoch", 7, "--json").out)[
        "explanation"
    ]
    w, b = load_trace(trained.model.with_suffix(".trace")).at(7)
    assert [entry["w"] for entry in later["features"]] == w.tolist()
    assert later["b"] == b
    assert (
        "at the start, before the first epoch"
        in run("explain", trained.model, trained.table, "--row", 1, "--epoch", 0).out
    )


def test_explain_a_row_of_unknown_label_goes_forward_only(run, trained):
    outcome = run("explain", trained.model, trained.table, "--row", 4)
    assert outcome.code == 0
    assert "Row 4 (sex unknown)" in outcome.out
    assert "dL/dg" not in outcome.out
    assert "bill_length_mm in 1 row (mean" in outcome.err


@pytest.mark.parametrize(("name", "start"), [("row.svg", b"<svg"), ("row.PNG", b"\x89PNG\r\n"), ("row.pdf", b"%PDF-")])
def test_explain_draws_the_graph_as_its_ending_says(run, trained, tmp_path, name, start):
    path = tmp_path / name
    words = ("explain", trained.model, trained.table, "--row", 1, "--picture", path, "--json")
    outcome = run(*words)
    assert outcome.code == 0
    assert json.loads(outcome.out)["picture"] == str(path)
    drawn = path.read_bytes()
    assert drawn.startswith(start)
    if start == b"<svg":
        assert b"bill_depth_mm" in drawn
    assert run(*words).code == 0
    assert path.read_bytes() == drawn


def test_a_picture_for_a_phone_is_narrow_and_needs_a_file(run, trained, tmp_path):
    words = ("explain", trained.model, trained.table, "--row", 1, "--narrow")
    assert_mistake(run(*words), "--narrow", "--picture")
    path = tmp_path / "row.svg"
    assert run(*words, "--picture", path).code == 0
    assert b'width="358"' in path.read_bytes()


@pytest.mark.parametrize("name", ["row.jpg", "row", "row.svg.txt"])
def test_a_picture_of_another_kind_is_refused_before_anything_is_read(run, trained, tmp_path, name):
    words = ("explain", "absent.safetensors", trained.table, "--row", 1, "--picture", tmp_path / name)
    assert_mistake(run(*words), f"{name} must end in .svg, .png or .pdf")


def test_a_level_that_training_never_saw_is_told_on_every_front(run, trained, tmp_path):
    other = tmp_path / "other.csv"
    other.write_text(trained.table.read_text().replace("Adelie,Torgersen,39.1", "Zeno,Torgersen,39.1"))
    for command in (("predict",), ("evaluate",), ("explain", "--row", "1"), ("certify",)):
        name, *words = command
        outcome = run(name, trained.model, other, *words)
        assert re.search(r"column species: 1 row .*\(Zeno\)", outcome.err), name
        notes = json.loads(run(name, trained.model, other, *words, "--json", "-q").out)["notes"]
        assert any("(Zeno)" in note for note in notes), name


def test_explain_over_another_table_says_so(run, trained, tmp_path):
    some = tmp_path / "some.csv"
    some.write_text("\n".join(trained.table.read_text().splitlines()[:100]) + "\n")
    outcome = run("explain", trained.model, some, "--row", 1)
    assert "with a label in this table (not the training rows)" in " ".join(outcome.out.split())


@pytest.mark.parametrize("row", ["0", "-3", "345"])
def test_row_that_is_not_there(run, trained, row):
    assert_mistake(run("explain", trained.model, trained.table, "--row", row), f"row {row}", "1 to 344")


def test_epoch_that_was_not_run(run, trained):
    assert_mistake(
        run("explain", trained.model, trained.table, "--row", "1", "--epoch", "201"), "epoch 201 was not run"
    )


def test_trace_that_is_not_there_or_of_another_model(run, trained, tmp_path):
    alone = tmp_path / "alone.safetensors"
    alone.write_bytes(trained.model.read_bytes())
    words = ("explain", alone, trained.table, "--row", "1", "--epoch", "3")
    assert_mistake(run(*words), "there is no trace file", "alone.trace")
    other = tmp_path / "other.safetensors"
    assert run("fit", trained.table, *FIT, "--epochs", "4", "--out", other).code == 0
    (tmp_path / "alone.trace").write_bytes((tmp_path / "other.trace").read_bytes())
    assert_mistake(run(*words), "alone.trace is not the trace of")


@pytest.mark.parametrize("command", [("predict",), ("evaluate",), ("explain", "--row", "1")])
def test_missing_columns_are_named_and_so_is_every_column_that_is_there(run, trained, tmp_path, command):
    name, *words = command
    other = tmp_path / "other.csv"
    lines = [line.split(",") for line in trained.table.read_text().splitlines()]
    lines[0][2] = "Bill length (mm)"
    other.write_text("".join(",".join(line) + "\n" for line in lines))
    there = "Bill length (mm), sex, year, species, island, bill_depth_mm, flipper_length_mm, body_mass_g"
    assert_mistake(run(name, trained.model, other, *words), "no column bill_length_mm,", there)
    other.write_text("".join(",".join(line[1:2] + line[5:]) + "\n" for line in lines))
    missing = "no columns species, bill_length_mm, bill_depth_mm, flipper_length_mm,"
    assert_mistake(run(name, trained.model, other, *words), missing, "its columns are sex, year, island, body_mass_g")


def test_a_missing_target_is_told_with_every_column(run, trained, tmp_path):
    other = tmp_path / "other.csv"
    other.write_text(trained.table.read_text().replace("sex,year", "a,year"))
    there = "species, island, bill_length_mm, bill_depth_mm, flipper_length_mm, body_mass_g, a, year"
    assert_mistake(run("evaluate", trained.model, other), "no target column sex", there)


def test_text_in_a_number_column_at_prediction(run, trained, tmp_path):
    bad = tmp_path / "bad.csv"
    bad.write_text(trained.table.read_text().replace("39.5,17.4", "39.5,heavy"))
    assert_mistake(run("predict", trained.model, bad), "bill_depth_mm", "heavy", "row 2")


@pytest.mark.parametrize("command", [("predict",), ("evaluate",), ("explain", "--row", "1")])
def test_damaged_foreign_and_absent_models(run, trained, tmp_path, command):
    name, *words = command
    data = bytearray(trained.model.read_bytes())
    data[-3] ^= 1
    damaged, foreign = tmp_path / "damaged.safetensors", tmp_path / "foreign.safetensors"
    damaged.write_bytes(data)
    foreign.write_text("this is no model")
    assert_mistake(run(name, damaged, trained.table, *words), "damaged.safetensors", "damaged")
    assert_mistake(run(name, foreign, trained.table, *words), "foreign.safetensors", "no model")
    assert_mistake(run(name, tmp_path / "absent.safetensors", trained.table, *words), "absent.safetensors")
    assert_mistake(run(name, trained.model.with_suffix(".trace"), trained.table, *words), "model.trace")


def test_outputs_never_replace_inputs(run, trained):
    before = trained.model.read_bytes(), trained.table.read_bytes()
    for path in trained:
        assert_mistake(
            run("predict", trained.model, trained.table, "--out", path), "--out", "would overwrite the input"
        )
        words = ("explain", trained.model, trained.table, "--row", "1", "--picture", path)
        assert_mistake(run(*words), "--picture", "would overwrite the input")
    assert before == (trained.model.read_bytes(), trained.table.read_bytes())


def test_saturated_row_shows_both_forms(run, tmp_path):
    table, model = tmp_path / "t.csv", tmp_path / "m.safetensors"
    table.write_text(
        "x,y\n" + "".join(f"{i},{'b' if i > 5 else 'a'}\n" for i in (1, 2, 3, 4, 5, 6, 7, 8, 9, 90000, 99000))
    )
    words = ("--no-standardize", "--learning-rate", "1", "--epochs", "1", "--out", model)
    assert run("fit", table, "--target", "y", *words).code == 0
    told = json.loads(run("explain", model, table, "--row", 1, "--epoch", 1, "--json").out)["explanation"]
    assert told["saturated"]
    assert told["article_product"] is None
    assert told["dL_dz"] == 1  # y = 0 and g has rounded to 1: g - y
    text = run("explain", model, table, "--row", 1, "--epoch", 1).out
    assert "divides by zero" in text
    assert "g has rounded to 1" in " ".join(text.split())
    assert max(len(line) for line in text.splitlines()) <= 80


def test_explain_treats_a_new_level_as_predict_does(run, tmp_path):
    table, model, new = tmp_path / "t.csv", tmp_path / "m.safetensors", tmp_path / "new.csv"
    cells = ["a,1", "a,0", "b,1", "b,0", ",1", ",0"]
    table.write_text("c,y\n" + "\n".join(cells * 12 + ["b,1", "b,1", ",0", ",0", ",0"]) + "\n")
    new.write_text("c,y\nz,1\na,0\n")
    assert run("fit", table, "--target", "y", "--out", model).code == 0
    z = {}
    for unseen in ("reference", "missing"):
        p = json.loads(run("predict", model, new, "--unseen", unseen, "--digits", 17, "--json").out)["predictions"][0]
        document = json.loads(run("explain", model, new, "--row", 1, "--unseen", unseen, "--json").out)
        told = document["explanation"]
        assert told["g"] == pytest.approx(p["probability"], rel=1e-12)
        assert "(z)" in document["notes"][0]
        z[unseen] = told["z"]
    assert z["reference"] != z["missing"]
    assert_mistake(run("explain", model, new, "--row", 1, "--unseen", "error"), "column c has 'z' in row 1")
    assert_mistake(run("explain", model, new, "--row", 1, "--unseen", "other"), "--unseen must be one of")
