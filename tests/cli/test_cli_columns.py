"""Kinds of columns on the command line: options, notes, and that every command reads a table as the fit did."""

import csv
import json
import random

import pytest

from cli_tools import assert_mistake, run

__all__ = ["run"]

M = 240


@pytest.fixture
def table(tmp_path):
    draw = random.Random(5)
    path = tmp_path / "t.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["id", "when", "rate", "zip", "size", "a=b", "y"])
        for k in range(M):
            day = f"2024-{draw.randint(1, 12):02}-{draw.randint(1, 28):02}"
            of = draw.choice(["u,v", "w", "z=1"])
            size, is_one = draw.randint(1, 5), draw.random() < 0.5
            out.writerow(
                [f"n{k}", day, f"{draw.randint(1, 99)}%", f"0{draw.randint(1, 4)}", size, of, "no" if is_one else "yes"]
            )
    return path


ASKED = (
    "--target", "y", "--alpha", "0.01", "--dates", "when=days,month", "--categorical", "size", "--numeric", "zip",
    "--reference", "size=3", "--reference", "a=b=w", "--reference", "when month=Jul",
)  # fmt: skip


def names(told):
    return [entry["name"] for entry in told["coefficients"]]


def test_columns_are_read_by_their_cells_and_that_is_said(run, table):
    outcome = run("fit", table, "--target", "y", "--json")
    told = json.loads(outcome.out)
    levels = [f"zip=0{k}" for k in (2, 3, 4)], ["a=b=w", "a=b=z=1"]
    assert names(told) == ["when", "rate", *levels[0], "size", *levels[1]]
    assert len(told["notes"]) == 4
    for note in told["notes"]:
        assert note in outcome.err


def test_columns_are_read_as_asked(run, table):
    told = json.loads(run("fit", table, *ASKED, "--json").out)
    found = names(told)
    assert [name for name in found if "month" not in name] == [
        "when", "rate", "zip", "size=1", "size=2", "size=4", "size=5", "a=b=u,v", "a=b=z=1",
    ]  # fmt: skip
    assert [name.removeprefix("when month=") for name in found[1:12]] == (
        "Jan Feb Mar Apr May Jun Aug Sep Oct Nov Dec".split()
    )


def test_every_command_reads_the_table_as_the_fit_did(run, table, tmp_path):
    model = tmp_path / "m.safetensors"
    fitted = json.loads(run("fit", table, *ASKED, "--out", model, "--json").out)
    evaluated = json.loads(run("evaluate", model, table, "--json").out)
    assert evaluated["figures"]["loss"] == fitted["training"]["loss"]
    predicted = run("predict", model, table).out.splitlines()
    assert len(predicted) == M + 1
    explained = json.loads(run("explain", model, table, "--row", "7", "--json").out)
    assert explained["explanation"]["part"] == "training"
    assert float(predicted[7].split(",")[1]) == pytest.approx(explained["explanation"]["g"], rel=1e-4)
    proven = json.loads(run("certify", model, table, "--json").out)
    assert proven["certificate"]["gap"] <= 1e-8
    coefficients = tmp_path / "c.json"
    coefficients.write_text(
        json.dumps({entry["name"]: entry["w"] for entry in fitted["coefficients"]} | {"b": fitted["intercept"]["b"]})
    )
    others = json.loads(run("certify", coefficients, table, *ASKED, "--json").out)
    assert others["certificate"]["gap"] <= 1e-6


def test_studies_read_columns_as_asked(run, table):
    told = json.loads(run("study", "scaling", table, *ASKED, "--epochs", "5", "--json").out)
    assert not any("leading zeros" in note or "may be categories" in note for note in told["notes"])
    centred = run("study", "centering", table, "--target", "y", "--x", "rate", "--y", "when", "--epochs", "5", "--json")
    assert centred.code == 0


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["--dates", "when"], ["--dates when has no '='"]),
        (["--dates", "when=moon"], ["--dates has no part moon: use days, year"]),
        (["--dates", "rate=month"], ["column rate holds no dates"]),
        (["--categorical", "sizes"], ["no feature sizes, whose kind is given: did you mean size?"]),
        (["--categorical", "size,zip", "--numeric", "zip"], ["column zip has two kinds"]),
        (["--categorical", "y"], ["no feature y"]),
        (["--numeric", "a=b"], ["column a=b is taken as numbers and has"]),
        (["--reference", "zip=7"], ["column zip has no level 7 to refer to: its levels are 01, 02, 03, 04"]),
        (["--reference", "rate=7"], ["--categorical rate makes it a category"]),
        (["--reference", "nothing"], ["--reference nothing has no '='"]),
    ],
)
def test_mistakes(run, table, words, parts):
    assert_mistake(run("fit", table, "--target", "y", *words), *parts)


def test_a_model_knows_how_its_columns_are_read(run, table, tmp_path):
    model = tmp_path / "m.safetensors"
    run("fit", table, *ASKED, "--out", model)
    assert_mistake(run("certify", model, table, "--numeric", "zip"), "already contains --numeric")


def test_identifiers_are_left_out_and_can_be_kept(run, table):
    told = run("fit", table, "--target", "y", "--alpha", "1")
    assert "note: columns of identifiers left out: id (240 values in 240 rows)" in told.err
    assert "--categorical id keeps them" in told.err
    kept = json.loads(run("fit", table, "--target", "y", "--alpha", "1", "--categorical", "id", "--json").out)
    assert sum(name.startswith("id=") for name in names(kept)) == M - 1


def test_padded_weights_are_numbers(run, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("x,w,y\n" + "".join(f"{k % 7},0{1 + k % 3},{k % 2}\n" for k in range(60)))
    told = json.loads(run("fit", path, "--target", "y", "--weights", "w", "--json").out)
    assert told["result"]["sum_weights"] == 120.0
