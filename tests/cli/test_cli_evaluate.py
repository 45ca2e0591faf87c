"""`chainrule evaluate`: decisions at a threshold, curves, calibration, groups, its page; the report of `fit` with the same."""

import json
import re

import numpy as np
import pytest

from chainrule.cli import main
from chainrule.cli.evaluate import _groups, _kept
from chainrule.fitting.metrics import decisions
from cli_tools import FIT, assert_mistake, copy_penguins, penguins, refused, run

__all__ = ["penguins", "run"]


@pytest.fixture(scope="module")
def penguins_model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluated")
    table, model = copy_penguins(folder), folder / "m.safetensors"
    assert main(["fit", str(table), *FIT, "--alpha", "0.01", "--out", str(model), "--quiet", "--json"]) == 0
    return model, table


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], {"by": "given", "threshold": 0.5, "costs": None}),
        (["--threshold", "0.3"], {"by": "given", "threshold": 0.3, "costs": None}),
        (["--cost", "1,4"], {"by": "cost", "threshold": 0.2, "costs": [1.0, 4.0]}),
    ],
)
def test_the_threshold_is_chosen_and_told(run, penguins_model, options, told):
    document = json.loads(run("evaluate", *penguins_model, *options, "--json").out)
    assert document["threshold"] == told
    assert document["quality"]["decisions"]["threshold"] == told["threshold"]
    assert sum(document["quality"]["decisions"]["confusion"].values()) == 333
    text = " ".join(run("evaluate", *penguins_model, *options).out.split())
    assert f"A row is called male if its probability is above {told['threshold']:g}" in text
    assert ("cost a row" in text) == ("--cost" in options)


def test_f1_is_the_largest_on_these_rows(run, penguins_model):
    told = json.loads(run("evaluate", *penguins_model, "--threshold", "f1", "--json").out)["quality"]["decisions"]
    for g in (0.1, 0.3, 0.5, 0.7, 0.9):
        at = json.loads(run("evaluate", *penguins_model, "--threshold", g, "--json").out)["quality"]["decisions"]
        assert told["f1"] >= at["f1"]


def test_groups_add_up(run, penguins_model):
    document = json.loads(run("evaluate", *penguins_model, "--by", "species", "--json").out)
    found = document["groups"]["groups"]
    assert {of["group"] for of in found} == {"Adelie", "Chinstrap", "Gentoo"}
    assert [of["rows"] for of in found] == sorted((of["rows"] for of in found), reverse=True)
    assert sum(of["rows"] for of in found) == 333
    text = run("evaluate", *penguins_model, "--by", "species").out
    assert re.search(r"\n  Gentoo +119 ", text)
    assert max(map(len, text[text.index("By species") :].splitlines())) <= 80
    numbers = json.loads(run("evaluate", *penguins_model, "--by", "body_mass_g", "--json").out)["groups"]["groups"]
    assert numbers[0]["group"].startswith("2700 to ")
    assert sum(of["rows"] for of in numbers) == 333


def test_groups_of_cells():
    place, names = _groups(["a"] * 30 + ["b"] * 25 + ["c"] * 3 + [None])
    assert names == ["a", "b", "(2 smaller groups)"]
    assert np.bincount(place).tolist() == [30, 25, 4]
    place, names = _groups([str(k) for k in range(100)] + [None])
    assert names == ["0 to 24", "25 to 49", "50 to 74", "75 to 99", "(missing)"]
    assert np.bincount(place).tolist() == [25, 25, 25, 25, 1]
    assert len(_groups([f"id{k}" for k in range(100)])[1]) == 13  # no group is large
    assert _groups(["x", None])[1] == ["x", "(missing)"]
    assert len(_groups(["nan", "1", *map(str, range(20))])[1]) == 13  # not all are numbers


def test_a_page_with_the_curves(run, penguins_model, tmp_path):
    page = tmp_path / "e.html"
    outcome = run("evaluate", *penguins_model, "--by", "island", "--report", page)
    assert "<title>sex = male: predicted and observed</title>" in page.read_text()
    assert f"wrote {page}" in outcome.err
    html = page.read_text()
    assert html.count("<svg") == 3
    for heading in ("Decisions", "Calibration: predicted and observed shares", "By <bdi>island</bdi>"):
        assert heading in html
    assert_mistake(run("evaluate", *penguins_model, "--report", penguins_model[1]), "would overwrite the input")


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (["--threshold", "1.5"], ["--threshold", "f1", "'1.5'"]),
        (["--cost", "5"], ["--cost", "1,5", "'5'"]),
        (["--cost", "1,2", "--threshold", "f1"], ["--threshold and --cost"]),
        (["--by", "spezies"], ["no column spezies", "did you mean species"]),
    ],
)
def test_mistakes_are_named(run, penguins_model, options, parts):
    assert_mistake(run("evaluate", *penguins_model, *options), *parts)


def test_rows_of_undetermined_probability_are_counted():
    kept, notes = _kept(np.array([np.nan, 1.0, np.inf, np.nan]), np.array([0.0, 1.0, 0.0, np.nan]), "y")
    assert kept.tolist() == [False, True, True, False]
    assert notes == ["1 row without y left out", "1 row of undetermined probability left out"]
    with refused("no row of known y has a probability"):
        _kept(np.array([np.nan]), np.array([1.0]), "y")


def test_weighted_rows_count_by_their_weight(run, tmp_path):
    rng = np.random.default_rng(0)
    x, y, s = rng.normal(size=80).round(2), rng.integers(0, 2, 80), rng.integers(1, 4, 80)
    table, model = tmp_path / "t.csv", tmp_path / "m"
    table.write_text("x,y,s\n" + "".join(f"{a},{b},{c}\n" for a, b, c in zip(x, y, s, strict=True)))
    fitted = json.loads(run("fit", table, "--target", "y", "--weights", "s", "--out", model, "--json").out)
    z = fitted["intercept"]["b"] + fitted["coefficients"][0]["w"] * x
    told = json.loads(run("evaluate", model, table, "--json").out)
    expected = decisions(np.repeat(z, s), np.repeat(y, s))["confusion"]
    assert told["quality"]["decisions"]["confusion"] == pytest.approx(expected)
    assert told["figures"]["confusion"] == pytest.approx(expected)


def test_one_class_and_one_row_are_measured(run, penguins_model, tmp_path):
    lines = penguins_model[1].read_text().splitlines()
    table = tmp_path / "one.csv"
    table.write_text("\n".join([lines[0], lines[1]]) + "\n")
    outcome = run(
        "evaluate", penguins_model[0], table, "--by", "sex", "--threshold", "f1", "--report", tmp_path / "p.html"
    )
    assert outcome.code == 0
    assert "1 of 1" in outcome.out


def test_coefficients_of_a_fit_by_column(run, penguins):
    told = json.loads(run("fit", penguins, *FIT, "--alpha", "0.01", "--json").out)
    names = [entry["name"] for entry in told["coefficients"]]
    species = next(variable for variable in told["variables"] if variable["name"] == "species")
    assert species["reference"] == "Adelie"
    assert [(level["name"], level["rows"]) for level in species["levels"]] == [
        ("Adelie", 146),
        ("Chinstrap", 68),
        ("Gentoo", 119),
    ]
    assert [names[place] for place in species["places"]] == ["species=Chinstrap", "species=Gentoo"]
    spreads = [variable["spread"] for variable in told["variables"]]
    assert spreads == sorted(spreads, reverse=True)
    assert sum(variable["share"] for variable in told["variables"]) == pytest.approx(1.0)


def test_explain_groups_contributions_by_column(run, penguins_model):
    told = json.loads(run("explain", *penguins_model, "--row", 200, "--json").out)["explanation"]
    values = {part["name"]: part["value"] for part in told["variables"]}
    assert values["species"] == "Gentoo"
    assert values["island"] == "Biscoe"  # the reference
    assert sum(part["contribution"] for part in told["variables"]) + told["b"] == pytest.approx(told["z"])
    sizes = [abs(part["contribution"]) for part in told["variables"]]
    assert sizes == sorted(sizes, reverse=True)
    assert told["variables"][-1]["g"] == pytest.approx(told["g"])


def shops(folder):
    """Write a table whose towns are rare, so that some held-out and unlabelled rows have towns that training never saw.

    All rows of the first town are "no": its level can't be the reference of a fit without a penalty.
    """
    rng = np.random.default_rng(3)
    town = np.where(rng.random(400) < 0.3, [f"T{k}" for k in range(400)], rng.choice(["Aachen", "Bonn", "Celle"], 400))
    x = rng.normal(size=400).round(3)
    bought = (x + (town == "Bonn") + rng.logistic(size=400) > 0) & (town != "Aachen")
    label = np.where(rng.random(400) < 0.1, "", np.where(bought, "yes", "no"))
    table = folder / "shops.csv"
    table.write_text("x,town,bought\n" + "".join(f"{a},{b},{c}\n" for a, b, c in zip(x, town, label, strict=True)))
    return table


def test_held_out_rows_are_evaluated_and_predicted_as_the_fit_did(run, tmp_path):
    table, model = shops(tmp_path), tmp_path / "m.safetensors"
    learn = ("fit", table, "--target", "bought", "--test-size", "0.25", "--out", model)
    fit = json.loads(run(*learn, "--json").out)
    assert "its levels are compared with" in fit["result"]["verdict"]
    document = json.loads(run("evaluate", model, table, "--threshold", "f1", "--by", "town", "--json").out)
    assert document["part"] == "held out"
    assert document["figures"] == fit["held_out"]
    assert document["training"] == fit["training"]
    assert sum(of["rows"] for of in document["groups"]["groups"]) == fit["held_out"]["rows"]
    told = {
        of["row"]: of["probability"]
        for of in json.loads(run("predict", model, table, "--digits", "17", "--json").out)["predictions"]
    }
    assert fit["predictions"]
    assert all(told[of["row"]] == of["probability"] for of in fit["predictions"])
    text = " ".join(run("evaluate", model, table, "--threshold", "f1").out.split())
    assert "rows that training held out: the model never saw them" in text
    assert "that training never saw" in run(*learn).err
    assert "the reference Aachen" not in run(*learn).err  # the fit replaced it


def test_rows_that_trained_the_model_are_called_so(run, penguins_model, tmp_path):
    text = " ".join(run("evaluate", *penguins_model).out.split())
    assert "the 333 rows that the model was trained on: on other rows it will do worse" in text
    other = tmp_path / "other.csv"
    lines = penguins_model[1].read_text().splitlines(keepends=True)
    other.write_text("".join([lines[0], *lines[1::2]]))
    assert "with a known sex" in " ".join(run("evaluate", penguins_model[0], other).out.split())


def test_a_model_that_predicts_worse_than_the_base_rate_is_called_so(run, tmp_path):
    table, model, page = tmp_path / "noise.csv", tmp_path / "m.safetensors", tmp_path / "r.html"
    rng = np.random.default_rng(0)
    columns = [f"x{k}" for k in range(20)]
    rows = [",".join([*(f"{x:.3f}" for x in rng.normal(size=20)), str(rng.integers(2))]) for _ in range(120)]
    table.write_text("\n".join([",".join([*columns, "y"]), *rows]) + "\n")
    words = ("fit", table, "--target", "y", "--test-size", "0.5", "--strict")
    told = run(*words, "--out", model, "--report", page)
    figures = json.loads(run(*words, "--json").out)["held_out"]
    assert figures["loss"] > figures["base_loss"]
    assert told.code == 3
    for text in (told.out, page.read_text(), run("evaluate", model, table).out):
        assert len(re.findall(r"the\s+60\s+held-out\s+rows\s+the\s+model\s+predicts\s+worse", text)) == 1
    calm = run(*words, "--alpha", "100")
    assert "predicts worse" not in " ".join(calm.out.split())
    assert calm.code == 0
