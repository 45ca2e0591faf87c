"""`chainrule demo`: the whole story in one command."""

import hashlib
import json
from importlib.resources import files

import numpy as np
import pytest

from chainrule.model.model import load_model, load_trace
from cli_tools import assert_mistake, run

__all__ = ["run"]


def test_demo_tells_the_whole_story(run, tmp_path):
    outcome = run("demo", "--out-dir", tmp_path / "demo")
    assert outcome.code == 0
    text = outcome.out
    for words in (
        "249 to train on, 84 held out, 11 set aside, sex unknown",
        "F(w, b) = (1/249) sum l(z, y) + (0.004/2) w.w",
        "F - F* <=",
        "proven digits",
        "The same optimum by gradient descent",
        "(auto), the largest stable",
        "odds ratio",
        "converged after",
        "dL/dz = dL/dg · dg/dz",
        "The 11 rows of unknown sex",
        "palmerpenguins 0.1.6",
    ):
        assert words in text
    assert "rows not trained on filled in: bill_length_mm in 2 rows (mean 43.9639)" in outcome.err
    written = sorted(path.name for path in (tmp_path / "demo").iterdir())
    models = ["descent.safetensors", "descent.trace", "model.safetensors", "model.trace"]
    assert written == [*models, "penguins.csv", "player.html", "report.html"]
    page = (tmp_path / "demo" / "report.html").read_text()
    assert "Row 106 (" in page  # the report explains the closest call, and so does the demo
    # it is a list of commands, and what it proposes to try next runs as written
    ran = [line.split("$ chainrule ")[1].split() for line in text.splitlines() if "$ chainrule " in line]
    assert [words[0] for words in ran] == ["fit", "fit", "play", "explain"]
    commands = [line.split()[1:] for line in text.splitlines() if line.strip().startswith("chainrule ")]
    assert [words[0] for words in commands] == ["explain", "fit", "predict", "fit"]
    for words in (*ran, *commands[:3]):
        assert run(*words).code == 0


def test_demo_as_json(run, tmp_path):
    told = json.loads(run("demo", "--out-dir", tmp_path, "--json").out)
    assert told["result"]["reason"] == "converged"
    assert told["result"]["alpha"] == 0.004
    assert len(told["predictions"]) == 11
    assert "year" not in " ".join(entry["name"] for entry in told["coefficients"])
    row, whole = told["explanation"], told["whole_gradient"]
    # the bird is one trained on, rightly told by a small margin, and its derivatives are g - y times x
    assert whole["rows"] == 249
    assert row["part"] == "training"
    assert (row["g"] > 0.5) == (row["y"] == 1)
    assert abs(row["z"]) < 0.01
    assert row["dL_dz"] == pytest.approx(row["g"] - row["y"], rel=1e-12)
    for entry, total in zip(row["features"], whole["dL_dw"], strict=True):
        assert entry["dL_dw"] == pytest.approx(row["dL_dz"] * entry["x"], rel=1e-12, abs=1e-15)
        assert entry["share"] == pytest.approx(entry["dL_dw"] / 249, rel=1e-12, abs=1e-15)
        # the optimum: what the rows and what the penalty ask for cancel
        assert total + entry["penalty_gradient"] == pytest.approx(0, abs=1e-6)
    # the model is the certified optimum, and gradient descent comes to it
    descent = told["descent"]
    assert (told["result"]["method"], descent["result"]["method"]) == ("newton", "gradient-descent")
    for result in (told["result"], descent["result"]):
        assert result["certificate"]["gap"] <= result["tol"]
    apart = descent["result"]["objective"] - told["result"]["objective"]
    assert 0 <= apart <= descent["result"]["certificate"]["gap"]
    assert (told["learned"]["unit"], descent["learned"]["unit"]) == ("step", "epoch")
    assert 0 < descent["learned"]["halfway"] < descent["learned"]["near"] < descent["result"]["n_epochs"]
    trace = load_trace(tmp_path / "descent.trace")
    assert len(trace) == descent["result"]["n_epochs"] + 1
    assert (np.diff(trace.columns["objective"]) <= 1e-15).all()
    assert (trace.columns["objective"] - told["result"]["objective"] <= trace.columns["gap"]).all()
    assert load_model(tmp_path / "model.safetensors").info["objective_line"] == told["result"]["objective_line"]
    # told another time, and in another way, it has the same models
    assert run("demo", "--out-dir", tmp_path / "again", "--quiet").code == 0
    for name in ("model.safetensors", "descent.safetensors", "penguins.csv"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / name).read_bytes()


def test_demo_into_what_is_no_folder(run, tmp_path):
    (tmp_path / "file").write_text("mine")
    assert_mistake(run("demo", "--out-dir", tmp_path / "file"), "--out-dir", "file")
    assert (tmp_path / "file").read_text() == "mine"


def test_embedded_penguins_are_those_of_their_source():
    data = files("chainrule") / "data"
    source = (data / "SOURCE.txt").read_text()
    assert hashlib.sha256((data / "penguins.csv").read_bytes()).hexdigest() in source
    assert "CC0" in source
    assert "palmerpenguins 0.1.6" in source
