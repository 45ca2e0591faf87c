"""Missing values on the command line: --missing, the table of what was done, and models that left rows out."""

import json

import numpy as np
import pandas as pd
import pytest

from cli_tools import assert_mistake, run  # noqa: F401

M = 400


@pytest.fixture
def loans(rng, tmp_path):
    """A table of which `rate` is missing in 40 rows, `home` in 30 others, `income` in one."""
    rate, home = rng.normal(11.0, 3.0, M).round(2), rng.choice(["RENT", "OWN"], M, p=[0.7, 0.3])
    status = np.where(rng.random(M) < 1.0 / (1.0 + np.exp(0.3 * (11.0 - rate))), "bad", "good")
    frame = pd.DataFrame({"income": rng.integers(10, 99, M), "rate": rate, "home": home, "status": status})
    frame["income"] = frame["income"].astype("Int64")
    frame.loc[5, "income"] = pd.NA
    frame.loc[100:139, "rate"] = np.nan
    frame.loc[200:229, "home"] = None
    frame.to_csv(tmp_path / "loans.csv", index=False)
    return tmp_path / "loans.csv"


def lines_of(text, heading):
    """The lines of a section, up to the next empty one."""
    return text[text.index(heading) :].split("\n\n")[0].splitlines()


def test_fit_shows_one_table_of_what_was_missing_and_done(run, loans, tmp_path):  # noqa: F811
    report = tmp_path / "r.html"
    outcome = run("fit", loans, "--target", "status", "--report", report)
    assert outcome.code == 0
    names = [line.split()[0] for line in lines_of(outcome.out, "Missing values")[3:6]]
    assert names == ["rate", "home", "income"]
    assert "needs 10 rows of each class" in outcome.out
    assert outcome.err == ""
    assert "<h2>Missing values</h2>" in report.read_text()
    told = json.loads(run("fit", loans, "--target", "status", "--json").out)
    table = {of["column"]: of for of in told["result"]["missing"]}
    assert {name: of["done"] for name, of in table.items()} == {"income": "filled", "rate": "marked", "home": "marked"}
    assert all(sum(of["by_class"]) == of["rows"] for of in table.values())
    assert [entry["name"] for entry in told["coefficients"]] == [
        "income", "rate", "rate missing", "home=RENT", "home=(missing)"
    ]  # fmt: skip


def test_a_table_without_missing_values_shows_nothing_of_them(run, loans):  # noqa: F811
    outcome = run("fit", loans, "--target", "status", "--features", "income", "--missing", "drop-rows")
    assert "Missing values" in outcome.out
    pd.read_csv(loans).dropna().to_csv(loans, index=False)
    assert "issing" not in run("fit", loans, "--target", "status").out


def test_a_model_that_left_rows_out_finds_its_rows_again_and_predicts_all(run, loans, tmp_path):  # noqa: F811
    model = tmp_path / "m.safetensors"
    outcome = run(
        "fit", loans, "--target", "status", "--missing", "mean", "--missing", "rate=drop-rows", "--out", model
    )
    assert outcome.code == 0
    assert "360 to train on, 40 left out, with missing values" in outcome.out
    certified = json.loads(run("certify", model, loans, "--json").out)
    assert (certified["rows"], certified["training_rows"]) == (360, True)
    assert certified["certificate"]["gap"] < 1e-8
    assert sum("missing" in note for note in certified["notes"]) == 1
    predicted = run("predict", model, loans)
    assert len(predicted.out.splitlines()) == M + 1
    assert "training left such rows out), home in 30 rows (as RENT, the most frequent)" in predicted.err
    assert json.loads(run("explain", model, loans, "--row", 101, "--json").out)["explanation"]["part"] == "left out"
    assert json.loads(run("explain", model, loans, "--row", 1, "--json").out)["explanation"]["part"] == "training"
    assert_mistake(run("certify", model, loans, "--missing", "mean"), "already contains --missing")


def test_coefficients_of_others_are_certified_on_the_rows_that_they_used(run, loans, tmp_path):  # noqa: F811
    """R leaves rows with a missing value out."""
    whole = tmp_path / "whole.csv"
    pd.read_csv(loans).dropna().to_csv(whole, index=False)
    told = json.loads(run("fit", whole, "--target", "status", "--json").out)
    lines = [f"{entry['name']},{entry['w']!r}" for entry in told["coefficients"]] + [f"b,{told['intercept']['b']!r}"]
    (tmp_path / "r.csv").write_text("name,coef\n" + "\n".join(lines) + "\n")
    outcome = run("certify", tmp_path / "r.csv", loans, "--target", "status", "--missing", "drop-rows", "--json")
    certified = json.loads(outcome.out)
    assert certified["rows"] == M - 71
    assert certified["certificate"]["gap"] < 1e-8


def test_studies_treat_missing_values_as_asked(run, loans):  # noqa: F811
    how = ("--target", "status", "--epochs", 3, "--json")
    outcome = run("study", "scaling", loans, *how, "--missing", "rate=drop-rows")
    assert outcome.code == 0
    assert "rate in 40 rows (rows left out)" in outcome.err
    pair = ("--x", "income", "--y", "rate")
    assert "rate in 40 rows (rows left out)" in run("study", "centering", loans, *pair, *how).err
    filled = run("study", "centering", loans, *pair, *how, "--missing", "mean")
    assert "rate in 40 rows (mean " in filled.err


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--missing", "zero"], ["--missing must be mark, mean, drop-rows, error or COLUMN=WAY", "zero"]),
        (["--missing", "mean", "--missing", "mark"], ["twice for all columns"]),
        (["--missing", "rte=mean"], ["called rte,", "did you mean rate"]),
        (["--missing", "status=mean"], ["called status,"]),
        (["--missing", "error"], ["column income has no value in row 6", "--missing error"]),
        (["--missing", "rate=error"], ["column rate has no value in 40 rows, the first is row 101"]),
    ],
)
def test_mistakes_are_one_sentence(run, loans, given, words):  # noqa: F811
    assert_mistake(run("fit", loans, "--target", "status", *given), *words)


def test_rows_left_out_are_not_held_out(run, loans):  # noqa: F811
    told = json.loads(
        run("fit", loans, "--target", "status", "--missing", "drop-rows", "--test-size", 0.25, "--json").out
    )
    rows = told["rows"]
    assert rows["training"] + rows["held_out"] + told["result"]["n_dropped"] == M
    assert rows["held_out"] == M // 4
    assert told["held_out"]["rows"] == M // 4


def test_a_column_known_of_one_class_alone_is_named(run, tmp_path):  # noqa: F811
    """A year of death is missing for the living: filled in with its mean it hides that it gives the answer away."""
    rng = np.random.default_rng(0)
    table = tmp_path / "deaths.csv"
    lines = ["age,year,town,died"]
    for k in range(300):
        died, unknown = k % 5 == 0, rng.random() < 0.02
        year = 1980 + k % 9 if died and not unknown else ""
        lines.append(f"{rng.integers(20, 90)},{year},{'' if rng.random() < 0.3 else 'ABC'[k % 3]},{int(died)}")
    table.write_text("\n".join(lines) + "\n")
    told = run("fit", table, "--target", "died")
    (note,) = (line for line in told.err.splitlines() if "240 of 240 rows of 0" in line)
    assert "town" not in note
    assert "--drop year " in note
    assert "240 of 240" not in run("fit", table, "--target", "died", "--drop", "year").err
