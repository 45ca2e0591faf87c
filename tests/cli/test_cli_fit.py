"""`chainrule fit`: what it prints, writes and returns."""

import json
import math
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from chainrule import fit
from chainrule.data.files import read_table
from chainrule.data.tables import prepare
from chainrule.errors import NotConvergedWarning
from chainrule.fitting.methods import METHODS
from chainrule.model.model import load_model, load_trace
from cli_tools import FIT, assert_mistake, penguins, run
from finding_tools import values_of

__all__ = ["penguins", "run"]


def without_seconds(text):
    return re.sub(r"\([\d.e-]+\s+seconds\)", "", text)


def test_the_strength_may_be_scikit_learns(run, penguins):
    told = json.loads(run("fit", penguins, *FIT, "--test-size", "0.25", "--C", "0.5", "--json").out)["result"]
    assert told["alpha"] == 1 / (0.5 * 249)
    assert_mistake(run("fit", penguins, *FIT, "--C", "0.5", "--alpha", "0"), "give --alpha or --C, not both")


def test_help_names_every_method(run):
    text = run("fit", "--help").out
    assert all(f"{name}:" in text for name in METHODS)


def test_text_says_what_matters_within_80_columns(run, penguins):
    outcome = run("fit", penguins, *FIT, "--test-size", "0.25", "--alpha", "0.004", "--epochs", "20000")
    assert outcome.code == 0
    text = outcome.out
    assert "male is y = 1, female is y = 0" in text
    assert "249 to train on, 84 held out, 11 set aside, sex unknown" in text
    assert "F(w, b) = (1/249) sum l(z, y) + (0.004/2) w.w" in text
    assert re.search(r"learning rate +\S+ \(auto\), the largest stable", text)
    for word in ("training", "held out", "log-loss", "accuracy", "AUC", "(base rate)", "odds ratio", "spread"):
        assert word in text
    assert re.search(r"\n  species +[\d.]+\n    Adelie +\d+ +reference\n", text)
    assert "converged after" in text
    assert max(len(line) for line in text.splitlines()) <= 80
    assert not any(line.endswith(" ") for line in text.splitlines())


def test_the_default_is_newton_and_its_certificate_is_printed(run, penguins):
    words = ("fit", penguins, *FIT, "--test-size", "0.25")
    told = json.loads(run(*words, "--json").out)
    result, proven = told["result"], told["result"]["certificate"]
    assert result["method"] == "newton"
    assert result["learning_rate"] is None
    assert (proven["kind"], proven["proven"]) == ("bound", True)
    assert proven["lower"] <= proven["gap"] <= result["tol"]
    assert proven["optimum_at_least"] <= result["objective"]
    of_sum = 1e-12 * result["objective"]  # more than F's own rounding, which the bound takes off too
    assert result["objective"] <= proven["optimum_at_least"] + 2 * proven["gap"] + of_sum
    for entry, error, digits in zip(told["coefficients"], proven["coef"], proven["digits"], strict=True):
        assert (entry["error"], entry["digits"]) == (error, digits)
        assert error <= 0.5 * 10.0**-digits * abs(entry["w"])
    bias = told["intercept"]
    assert bias["error"] <= 0.5 * 10.0 ** -bias["digits"] * abs(bias["b"])
    text = " ".join(run(*words).out.split())
    for part in ("method newton", proven["sentence"].rstrip("."), f"converged after {result['n_epochs']} steps and"):
        assert text.count(part) == 1, part
    assert "proven digits" in text
    assert "learning rate" not in text


@pytest.mark.parametrize("words", [("--learning-rate", "0.5"), ("--epochs", "20000")])
def test_what_only_gradient_descent_has_chooses_it_and_is_said(run, penguins, words):
    outcome = run("fit", penguins, *FIT, "--alpha", "0.01", *words)
    assert outcome.code == 0
    text = " ".join(outcome.out.split())
    assert f"method gradient descent: {words[0]} was given" in text
    assert "largest stable" in text
    assert "F - F* <=" in text
    asked = run("fit", penguins, *FIT, "--method", "gradient-descent", "--json")
    assert json.loads(asked.out)["result"]["method_reason"] == "as asked for"


def test_tol_is_the_bound_in_every_method(run, penguins):
    gaps = {}
    for method in ("newton", "gradient-descent"):
        for tol in ("1e-3", "1e-6"):
            words = (
                "--alpha",
                "0.01",
                "--standardize",
                "--method",
                method,
                "--tol",
                tol,
                "--max-reads",
                "20000",
                "--json",
            )
            result = json.loads(run("fit", penguins, *FIT, *words).out)["result"]
            assert result["reason"] == "converged"
            assert result["certificate"]["gap"] <= float(tol)
            gaps[method, tol] = result["objective"]
    assert max(gaps.values()) - min(gaps.values()) <= 1e-3


def test_too_few_reads_are_said_with_the_way_out(run, penguins):
    words = ("fit", penguins, *FIT, "--max-reads", "3")
    outcome = run(*words)
    assert outcome.code == 0
    assert "stopped after" in outcome.out
    text = " ".join(outcome.out.split())
    raised = re.search(r"raise --max-reads to about (\d+)", text)[1]
    assert text.count("F - F*") == 1
    enough = json.loads(run("fit", penguins, *FIT, "--max-reads", raised, "--json").out)
    assert enough["result"]["reason"] == "converged"
    descent = run("fit", penguins, *FIT, "--epochs", "30")
    raised = re.search(r"raise --epochs to about ([\d,]+)", " ".join(descent.out.split()))[1]
    assert int(raised.replace(",", "")) > 1000
    descent = run("fit", penguins, *FIT, "--method", "gradient-descent", "--max-reads", "30")
    assert f"raise --max-reads to about {raised}" in " ".join(descent.out.split())
    assert "--epochs" not in descent.out
    assert " ".join(descent.out.split()).count("F - F*") == 1
    assert run(*words, "--strict").code == 3


@pytest.mark.parametrize("words", [("--max-reads", "0"), ("--epochs", "0")])
def test_no_reads_at_all_give_the_start(run, penguins, words):
    result = json.loads(run("fit", penguins, *FIT, *words, "--json").out)["result"]
    assert (result["n_epochs"], result["reason"]) == (0, "max_reads")
    assert result["loss"] == pytest.approx(math.log(2))


def test_a_run_that_crawls_has_a_better_way_out_than_more_of_it(run, penguins):
    text = " ".join(run("fit", penguins, *FIT, "--learning-rate", "1e-3", "--epochs", "40").out.split())
    ways = "use a larger --learning-rate, or auto, or raise --epochs to about [\\d,]+, or use --method newton without"
    assert re.search(ways, text)
    text = " ".join(run("fit", penguins, *FIT, "--learning-rate", "1e-9", "--epochs", "40").out.split())
    assert "use a larger --learning-rate, or auto, or use --method newton without" in text


def separated_table(folder):
    table = folder / "t.csv"
    table.write_text("x,u,y\n" + "".join(f"{k},{k * 7 % 5},{'low' if k < 20 else 'high'}\n" for k in range(40)))
    return table


def test_separated_classes_are_named_with_the_way_out_and_told_once(run, tmp_path):
    words = ("fit", separated_table(tmp_path), "--target", "y")
    outcome = run(*words)
    assert outcome.code == 0
    text = " ".join(outcome.out.split())
    assert text.count("the classes completely") == 1
    assert "low above" in text or "low below" in text
    assert "use a penalty" in text
    assert "with a ridge of 1e-8" in text
    assert "proven digits" not in text
    assert "the classes" not in outcome.err
    assert run(*words, "--strict").code == 3
    assert run(*words, "--alpha", "0.01", "--strict").code == 0
    # --json has no text that repeats it
    outcome = run(*words, "--json")
    assert "the classes completely" in outcome.err
    assert json.loads(outcome.out)["result"]["certificate"]["kind"] == "ridge"


def test_collinear_columns_are_named_with_the_way_out(run, tmp_path):
    rng = np.random.default_rng(1)
    a, b, y = rng.integers(0, 9, 80), rng.integers(0, 9, 80), rng.choice(["no", "yes"], 80)
    table = tmp_path / "t.csv"
    table.write_text("a,b,both,y\n" + "".join(f"{i},{j},{i + j},{k}\n" for i, j, k in zip(a, b, y, strict=True)))
    words = ("fit", table, "--target", "y")
    outcome = run(*words)
    assert outcome.code == 0
    text = " ".join((outcome.out + outcome.err).split())
    assert "a + b = both" in text
    assert "drop" in text
    assert "use a penalty" in text
    assert "proven digits" not in outcome.out
    assert run(*words, "--strict").code == 3
    assert outcome.out.startswith("  Warning: the columns are collinear")
    assert "- a + b = both" not in outcome.out
    assert "- a + b = both" in run(*words, "--relations").out
    assert json.loads(run(*words, "--json").out)["result"]["relations"] == ["a + b = both"]
    assert "None are known" in run(*words, "--relations", "--alpha", "0.1").out


def test_a_certified_model_is_kept_and_used(run, penguins, tmp_path):
    model = tmp_path / "m.safetensors"
    told = json.loads(run("fit", penguins, *FIT, "--test-size", "0.25", "--out", model, "--json").out)
    info = load_model(model).info
    assert info["method"] == "newton"
    assert "seconds" not in info["certificate"]
    assert info["certificate"] == {k: v for k, v in told["result"]["certificate"].items() if k != "seconds"}
    steps = info["n_epochs"]
    trace = load_trace(tmp_path / "m.trace")
    assert trace.columns["epoch"].tolist() == list(range(steps + 1))
    assert {"reads", "share", "gap"} <= set(trace.columns)
    assert run("predict", model, penguins).code == 0
    assert json.loads(run("evaluate", model, penguins, "--json").out)["figures"]["rows"] == 84
    text = run("explain", model, penguins, "--row", "1").out
    assert f"after the last step, {steps}" in text
    assert "this row adds" in " ".join(text.split())
    assert "after step 2" in run("explain", model, penguins, "--row", "1", "--epoch", "2").out


def test_json_is_one_document_and_stdout_has_nothing_else(run, penguins, tmp_path):
    model = tmp_path / "m.safetensors"
    outcome = run("fit", penguins, *FIT, "--test-size", "0.25", "--out", model, "--epochs", "1000", "--json")
    assert outcome.code == 0
    told = json.loads(outcome.out)
    assert told["schema_version"] == 1
    assert (told["positive"], told["negative"]) == ("male", "female")
    assert told["rows"] == {"training": 249, "held_out": 84, "set_aside": 11}
    assert told["result"]["classes"] == ["female", "male"]
    assert told["files"]["model"] == str(model)
    assert [entry["row"] for entry in told["predictions"]][:2] == [4, 9]
    assert told["training"]["loss"] == pytest.approx(told["result"]["loss"], rel=1e-12)
    names = [entry["name"] for entry in told["coefficients"]]
    assert names == list(load_model(model).schema.feature_names)
    for entry in told["coefficients"]:
        assert entry["odds_ratio"] == pytest.approx(math.exp(entry["w"]), rel=1e-12)
        assert entry["w"] == pytest.approx(entry["w_fit"] / entry["scale"], rel=1e-12)
    # the note of the early stop is on stderr, since no text repeats it
    assert "reached --tol" in outcome.err


def test_model_and_trace_are_written_and_agree(run, penguins, tmp_path):
    assert run("fit", penguins, *FIT, "--out", tmp_path / "m.safetensors", "--epochs", "30").code == 0
    model, trace = load_model(tmp_path / "m.safetensors"), load_trace(tmp_path / "m.trace")
    assert trace.columns["epoch"].tolist() == list(range(31))
    w, b = trace.at(30)
    assert np.array_equal(w, model.w_fit)
    assert b == model.b_fit
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.safetensors", "m.trace", "penguins.csv"]


def test_held_out_figures_are_in_the_trace(run, penguins, tmp_path):
    out = run("fit", penguins, *FIT, "--out", tmp_path / "m.st", "--epochs", "30", "--test-size", "0.2", "--json").out
    trace = load_trace(tmp_path / "m.st.trace")
    told = json.loads(out)
    assert trace.columns["held_out_loss"][-1] == pytest.approx(told["held_out"]["loss"], rel=1e-12)
    assert trace.columns["held_out_accuracy"][-1] == pytest.approx(told["held_out"]["accuracy"], rel=1e-12)


def test_same_command_gives_the_same_bytes_and_threads_change_none(run, penguins, tmp_path):
    files = []
    for name, threads in (("a", "1"), ("b", "1"), ("c", "2")):
        path = tmp_path / f"{name}.safetensors"
        run("fit", penguins, *FIT, "--epochs", "50", "--test-size", "0.3", "--threads", threads, "--out", path)
        files.append(path.read_bytes())
    assert files[0] == files[1] == files[2]


def test_positive_label_can_be_chosen(run, penguins):
    male = json.loads(run("fit", penguins, *FIT, "--json").out)
    female = json.loads(run("fit", penguins, *FIT, "--positive", "female", "--json").out)
    assert (female["positive"], female["negative"]) == ("female", "male")
    for one, other in zip(male["coefficients"], female["coefficients"], strict=True):
        assert one["w"] == pytest.approx(-other["w"], rel=1e-9)


@pytest.mark.parametrize(
    "words",
    [
        ("--features", "bill_length_mm,bill_depth_mm"),
        ("--features", "bill_length_mm", "--features", "bill_depth_mm"),
        ("--drop", "species,island,flipper_length_mm", "--drop", "body_mass_g", "--drop", "year"),
    ],
)
def test_columns_are_comma_separated_or_repeated(run, penguins, words):
    told = json.loads(run("fit", penguins, "--target", "sex", *words, "--json").out)
    assert [entry["name"] for entry in told["coefficients"]] == ["bill_length_mm", "bill_depth_mm"]


def test_a_column_with_a_comma_in_its_name_is_given_alone(run, tmp_path):
    table = tmp_path / "t.csv"
    table.write_text('"a,b",c,y\n1,5,no\n2,4,yes\n3,4,no\n4,1,yes\n')
    told = json.loads(run("fit", table, "--target", "y", "--features", "a,b", "--json").out)
    assert [entry["name"] for entry in told["coefficients"]] == ["a,b"]


@pytest.mark.parametrize(
    ("more_on", "more_off"),
    [(("--epochs", "1000"), ("--epochs", "1000", "--no-standardize")), (("--standardize",), ())],
)
def test_standardising_is_the_default_of_gradient_descent_alone(run, penguins, more_on, more_off):
    columns = ("--features", "bill_depth_mm", "--target", "sex", "--json")
    on, off = (json.loads(run("fit", penguins, *columns, *more).out) for more in (more_on, more_off))
    assert on["coefficients"][0]["scale"] == pytest.approx(1.97, abs=0.01)
    assert off["coefficients"][0]["scale"] == 1
    assert "(x - mean)/sd" in on["result"]["objective_line"]
    assert "(x - mean)/sd" not in off["result"]["objective_line"]


def test_mini_batches_are_those_of_python(run, penguins, tmp_path):
    columns = ("--target", "sex", "--features", "bill_depth_mm,bill_length_mm", "--json", "--no-standardize")
    outcome = run(
        "fit", penguins, *columns, "--batch-size", "8", "--schedule", "inverse", "--seed", "3", "--epochs", "7",
        "--out", tmp_path / "m.safetensors", "--report", tmp_path / "r.html",
    )  # fmt: skip
    told = json.loads(outcome.out)
    result = told["result"]
    assert result["method"] == "sgd"
    assert result["method_reason"].startswith("--batch-size was given")
    assert (result["batch_size"], result["schedule"], result["seed"], result["n_epochs"]) == (8, "inverse", 3, 7)
    prepared = prepare(read_table(penguins), "sex", features=["bill_depth_mm", "bill_length_mm"])
    rows = prepared.train
    X, y = prepared.encoded.X[rows], prepared.encoded.y[rows]
    with pytest.warns(NotConvergedWarning):
        ours = fit(X, y, method="sgd", batch_size=8, schedule="inverse", seed=3, max_reads=7)
    assert [entry["w"] for entry in told["coefficients"]] == ours.w.tolist()
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "8 rows an update" in page
    assert "known to be stable up to" in page
    assert "no step raises the objective" not in page


def test_a_noise_floor_names_the_options(run, penguins):
    outcome = run("fit", penguins, "--target", "sex", "--method", "sgd", "--learning-rate", "0.3", "--strict")
    text = " ".join(outcome.out.split())
    assert outcome.code == 3
    assert "stochastic gradient descent: as asked for" in text
    assert "single rows, in an order of seed 0" in text
    assert "F no longer falls" in text
    assert "use --schedule inverse, a smaller --learning-rate or a larger --batch-size" in text
    assert "F no longer falls" in outcome.err


def test_learning_rate_above_the_limit_is_said(run, penguins):
    columns = ("--target", "sex", "--features", "bill_depth_mm,bill_length_mm", "--epochs", "20000")
    limit = json.loads(run("fit", penguins, *columns, "--json").out)["result"]["learning_rate_limit"]
    # the bound on the curvature holds everywhere; at the optimum the curvature is smaller, so this still converges
    outcome = run("fit", penguins, *columns, "--learning-rate", 1.05 * limit)
    assert outcome.code == 0
    assert f"--learning-rate {1.05 * limit:.6g} is above" in outcome.err
    assert "above it the loss" in " ".join(outcome.out.split())
    assert run("fit", penguins, *columns, "--learning-rate", 1.05 * limit, "--strict").code == 3
    assert run("fit", penguins, *columns, "--learning-rate", 0.5 * limit, "--strict").code == 0


def test_strict_gives_3_after_an_early_stop_and_still_writes(run, penguins, tmp_path):
    words = ("fit", penguins, *FIT, "--epochs", "5", "--out", tmp_path / "m.safetensors")
    assert run(*words).code == 0
    outcome = run(*words, "--strict")
    assert outcome.code == 3
    assert "stopped after 5 epochs" in outcome.out
    assert len(load_model(tmp_path / "m.safetensors").w) == 8


def test_diverging_run_ends_and_names_the_way_out(run, penguins):
    outcome = run("fit", penguins, *FIT, "--no-standardize", "--learning-rate", "1000", "--epochs", "500", "--json")
    assert outcome.code == 0
    told = json.loads(outcome.out)
    assert told["result"]["reason"] != "converged"
    assert "use a --learning-rate below" in outcome.err


def test_quiet_silences_stderr_only(run, penguins):
    loud, quiet = run("fit", penguins, *FIT, "--epochs", "5"), run("fit", penguins, *FIT, "--epochs", "5", "--quiet")
    assert "note:" in loud.err
    assert quiet.err == ""
    assert without_seconds(quiet.out) == without_seconds(loud.out)


def test_no_progress_bar_where_stderr_is_no_terminal(run, penguins):
    outcome = run("fit", penguins, *FIT)
    assert "epoch 1" not in outcome.err
    assert "\x1b" not in outcome.err + outcome.out


def test_other_missing_words_and_the_model_remembers_them(run, tmp_path):
    table = tmp_path / "t.csv"
    rows = [f"{i % 7},{'yes' if i % 3 else 'no'}" for i in range(40)]
    rows[3], rows[5] = "?,yes", "2,-99"
    table.write_text("x,y\n" + "\n".join(rows) + "\n")
    model = tmp_path / "m.safetensors"
    told = json.loads(run("fit", table, "--target", "y", "--na", "?", "--na=-99", "--out", model, "--json").out)
    assert told["rows"]["set_aside"] == 1
    assert [(entry["column"], entry["rows"], entry["done"]) for entry in told["result"]["missing"]] == [
        ("x", 1, "filled")
    ]
    predicted = run("predict", model, table)
    assert predicted.code == 0
    assert len(predicted.out.splitlines()) == 41


def test_parquet_gives_the_model_of_the_csv(run, tmp_path):
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=50).round(3), rng.integers(0, 2, 50)
    level = rng.choice(["a", "b", "c"], 50)
    pq.write_table(pa.table({"x": x, "level": level, "y": y}), tmp_path / "t.parquet")
    lines = [f"{a},{b},{c}" for a, b, c in zip(x.tolist(), level, y, strict=True)]
    (tmp_path / "t.csv").write_text("x,level,y\n" + "\n".join(lines) + "\n")
    for ending in ("csv", "parquet"):
        assert run("fit", tmp_path / f"t.{ending}", "--target", "y", "--out", tmp_path / f"{ending}.st").code == 0
    assert (tmp_path / "csv.st").read_bytes() == (tmp_path / "parquet.st").read_bytes()


def test_weights_count_as_repeated_rows(run, tmp_path):
    lines = [(i % 5, "yes" if (i * 7) % 3 else "no", 1 + i % 3) for i in range(30)]
    (tmp_path / "w.csv").write_text("x,y,s\n" + "".join(f"{x},{y},{s}\n" for x, y, s in lines))
    (tmp_path / "r.csv").write_text("x,y\n" + "".join(f"{x},{y}\n" * s for x, y, s in lines))
    words = ("--target", "y", "--epochs", "5000", "--json")
    one = json.loads(run("fit", tmp_path / "w.csv", "--weights", "s", *words).out)
    many = json.loads(run("fit", tmp_path / "r.csv", *words).out)
    assert one["coefficients"][0]["w"] == pytest.approx(many["coefficients"][0]["w"], rel=1e-9)
    assert one["training"]["loss"] == pytest.approx(many["training"]["loss"], rel=1e-9)
    assert one["training"]["accuracy"] == pytest.approx(many["training"]["accuracy"], rel=1e-9)


def test_names_from_the_data_are_shown_and_not_obeyed(run, tmp_path):
    table = tmp_path / "t.csv"
    table.write_text(
        "[red]x[/red],:smile:,y\n" + "".join(f"{i % 5},{i % 3},{'[b]no' if i % 2 else 'yes'}\n" for i in range(20))
    )
    outcome = run("fit", table, "--target", "y")
    assert outcome.code == 0
    for text in ("[red]x[/red]", ":smile:", "[b]no is y = 0"):
        assert text in outcome.out


def test_many_features_are_counted_and_not_all_printed(run, tmp_path):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 50)).round(3), rng.integers(0, 2, 60)
    head = ",".join(f"column_{j}" for j in range(50))
    lines = [",".join(map(str, row)) + f",{label}" for row, label in zip(X.tolist(), y, strict=True)]
    (tmp_path / "t.csv").write_text(f"{head},y\n" + "\n".join(lines) + "\n")
    outcome = run("fit", tmp_path / "t.csv", "--target", "y", "--alpha", "0.1")
    assert outcome.out.count("column_") == 30
    assert "and 20 features of smaller spread (--json and coefficients() give all)" in " ".join(outcome.out.split())
    assert len(json.loads(run("fit", tmp_path / "t.csv", "--target", "y", "--json").out)["coefficients"]) == 50


def test_strict_says_why_in_one_line(run, penguins):
    outcome = run("fit", penguins, *FIT, "--max-reads", "3", "--strict")
    assert outcome.code == 3
    assert outcome.err.splitlines()[-1] == (
        "note: exit code 3, by --strict: the limit of reads or epochs was reached before tol"
    )
    assert "exit code" not in run("fit", penguins, *FIT, "--strict").err


def test_a_report_that_cannot_be_written_leaves_word_of_the_others(run, penguins, tmp_path, monkeypatch):
    def full(*_args, **_more):
        raise OSError(28, "No space left on device", "r.html")

    monkeypatch.setattr("chainrule.cli.fit.write_report", full)
    words = ("fit", penguins, *FIT, "--quiet", "--report", tmp_path / "r.html")
    model = tmp_path / "m.st"
    assert_mistake(
        run(*words, "--out", model), f"r.html: No space left on device; written before it: {model}, {model}.trace"
    )
    assert load_model(model).info["reason"] == "converged"
    assert "written before" not in run(*words).err


def test_a_loss_beyond_all_measure_is_short(run, penguins):
    text = run("fit", penguins, *FIT, "--learning-rate", "1e300", "--epochs", "1").out
    assert not re.search(r"\d{20}", text)


def test_a_report_as_it_is_and_as_asked(run, penguins, tmp_path):
    page = tmp_path / "r.html"
    words = ("fit", penguins, *FIT, "--test-size", "0.25", "--alpha", "0.01", "-q")
    assert run(*words, "--report", page).code == 0
    text = page.read_text()
    assert "<h1>sex = male</h1>" in text
    assert "learned from <bdi>penguins.csv</bdi>" in text
    assert "smallest margin" in text
    assert "which has the largest F1 on the training rows" in text
    asked = {"--title": "Which <penguins> are male?", "--row": "3", "--cost": "1,3"}
    assert run(*words, "--report", page, *(word for pair in asked.items() for word in pair)).code == 0
    text = page.read_text()
    assert "<h1>Which &lt;penguins&gt; are male?</h1>" in text
    assert "Row 3 (" in text
    assert "held out" in text
    assert "smallest margin" not in text
    assert "above 0.25, where" in text
    assert run(*words, "--report", page, "--for", "learner").code == 0
    text = page.read_text()
    assert text.index("smallest margin") < text.index("the derivation") < text.index("How well it predicts")
    page.unlink()
    assert_mistake(run(*words, "--report", page, "--for", "me"), "--for", "analyst", "learner", "'me'")
    for row in ("345", "0"):
        assert_mistake(run(*words, "--report", page, "--row", row), f"row {row}", "1 to 344")
    for option, value in {**asked, "--threshold": "f1", "--for": "learner"}.items():
        assert_mistake(run(*words, option, value), option, "add --report FILE")
    assert not page.exists()


@pytest.mark.parametrize("how", [[], ["--learning-rate", "auto"], ["--batch-size", "32"]])
def test_the_lesson_s_row_goes_on_to_a_step_that_changes_each_weight(run, penguins, tmp_path, how):
    page = tmp_path / "lesson.html"
    words = ("--target", "sex", "--drop", "year", "--report", page, "--for", "learner", *how)
    assert run("fit", penguins, *words).code == 0
    text = page.read_text()
    lesson = text[: text.index("the derivation")]
    assert "a training row) after epoch 1</h2>" in lesson
    assert ("In epoch 2 the row is in mini-batch" in lesson) == ("--batch-size" in how)
    assert ("Training was by Newton" in lesson) == (how == [])
    assert re.search("F (of the batch )?falls by", lesson)
    table = lesson[lesson.index("table of feature, w, w_new") :]
    rows = re.findall(r'<tr><th scope="row">.*?</th>(.*?)</tr>', table[: table.index("</table>")])
    cells = [re.findall(r"<td.*?>(.*?)</td>", row) for row in rows]
    assert len(cells) == 9
    assert all(old != new for old, new, _ in cells)


def test_a_report_of_the_start_calls_no_row_right(run, penguins, tmp_path):
    page = tmp_path / "r.html"
    assert run("fit", penguins, *FIT, "--epochs", "0", "--report", page).code == 0
    assert "g = 0.5000" in page.read_text()
    assert "smallest margin" not in page.read_text()
    assert page.read_text().count("the proven gap reached") == 1


def test_separated_data_with_collinear_columns_say_both(run, tmp_path):
    table = tmp_path / "t.csv"
    rows = [(k, k * 7 % 5, "low" if k < 20 else "high") for k in range(40)]
    table.write_text("x,u,both,y\n" + "".join(f"{x},{u},{x + u},{y}\n" for x, u, y in rows))
    outcome = run("fit", table, "--target", "y", "--json")
    told = json.loads(outcome.out)["result"]
    assert told["certificate"]["kind"] == "ridge"
    assert told["reason"] == "no_optimum"
    assert values_of(told["findings"], "separated")[0]["kind"] == "complete"
    assert any(text == "the columns are collinear as well: x + u = both" for text in told["warnings"]), told["warnings"]
    assert "the columns are collinear as well: x + u = both" in outcome.err


def test_play_says_of_how_many_rows_it_plays_a_sample(run, tmp_path):
    table, page = tmp_path / "many.csv", tmp_path / "p.html"
    table.write_text("x,y\n" + "".join(f"{k % 17},{k % 3 // 2}\n" for k in range(2500)))
    told = run("play", table, "--target", "y", "--epochs", "5", "--out", page)
    assert told.code == 0
    assert "sample of 2,500" in told.out
    table.write_text("x,y\n" + "".join(f"{k % 17},{k % 3 // 2}\n" for k in range(50)))
    assert "sample" not in run("play", table, "--target", "y", "--epochs", "5", "--out", page).out


def test_a_played_run_that_oscillates_is_named(run, tmp_path):
    told = run("play", "--learning-rate", "20", "--epochs", "50", "--out", tmp_path / "p.html")
    assert told.code == 0
    assert "--learning-rate 20 is above the stable limit" in told.err
    assert "the loss oscillates; use a --learning-rate below" in told.err
    calm = run("play", "--epochs", "250", "--out", tmp_path / "p.html")
    assert "loss" not in calm.err
    assert "crawling" not in calm.err
