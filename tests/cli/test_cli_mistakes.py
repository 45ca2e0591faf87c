"""Every mistake of a user is one sentence, exit code 2, and no file."""

import pytest

from cli_tools import FIT, assert_mistake, penguins, run

__all__ = ["penguins", "run"]

GOOD = "x,c,y\n" + "".join(f"{i % 7},{'ab'[i % 2]},{'no' if i % 3 else 'yes'}\n" for i in range(40))


@pytest.fixture
def attempt(run, tmp_path):
    """Fit a table of this text; every file that was not there before is a fault."""

    def attempt_it(text, *words, name="t.csv"):
        (tmp_path / name).write_text(text)
        before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        out = () if "--out" in words else ("--out", tmp_path / "m.safetensors")
        outcome = run("fit", tmp_path / name, "--target", "y", *out, "--report", tmp_path / "r.html", *words)
        assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
        return outcome

    return attempt_it


def swap(cell, row, column=0):
    lines = [line.split(",") for line in GOOD.splitlines()]
    lines[row][column] = cell
    return "\n".join(",".join(line) for line in lines) + "\n"


def test_the_good_table_is_good(run, tmp_path):
    (tmp_path / "t.csv").write_text(GOOD)
    assert run("fit", tmp_path / "t.csv", "--target", "y").code == 0


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ["t.csv", "empty"]),
        ("x,c,y\n", ["t.csv", "no rows"]),
        (GOOD.replace("x,c,y", "x,c,z"), ["no target column y"]),
        (GOOD.replace("yes", "no"), ["column y has 1 label (no)"]),
        (swap("perhaps", 3, 2), ["column y has 3 labels", "no", "perhaps", "yes"]),
        ("x,y\n1,no\n", ["only 1 row with a label"]),
        ("x,y\n1,no\n2,\n3,NA\n", ["only 1 row with a label"]),
        ("x,c,y\n" + "".join(f",{line.split(',', 1)[1]}\n" for line in GOOD.splitlines()[1:]), ["column x has no value"]),
        (swap("inf", 5), ["column x", "infinite", "row 5"]),
        (swap("-1e999", 5), ["column x", "row 5"]),
        (swap("heavy", 5), ["column x", "heavy", "row 5"]),
        (GOOD.replace("x,c,y", "x,x,y"), ["x"]),
        ("x,y\n" + "".join(f"1,{'no' if i % 3 else 'yes'}\n" for i in range(9)), ["no column is left"]),
    ],
)  # fmt: skip
def test_tables(attempt, text, parts):
    assert_mistake(attempt(text), *parts)


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (("--learning-rate", "0"), ["--learning-rate", "positive"]),
        (("--learning-rate=-0.5",), ["--learning-rate", "-0.5"]),
        (("--learning-rate", "nan"), ["--learning-rate", "nan"]),
        (("--learning-rate", "inf"), ["--learning-rate", "inf"]),
        (("--learning-rate", "fast"), ["--learning-rate", "'fast'", "auto"]),
        (("--epochs=-1",), ["--epochs", "from 0"]),
        (("--epochs", "2.5"), ["--epochs", "whole number", "not '2.5'"]),
        (("--epochs", "many"), ["--epochs", "whole number", "not 'many'"]),
        (("--max-reads=-1",), ["--max-reads", "from 0"]),
        (("--max-reads", "5", "--epochs", "5"), ["--epochs and --max-reads", "give one"]),
        (("--tol=-1",), ["--tol", "from 0"]),
        (("--tol", "small"), ["--tol must be a number, not 'small'"]),
        (("--alpha=-1",), ["--alpha", "from 0"]),
        (("--alpha", "nan"), ["--alpha", "nan"]),
        (("--test-size", "1"), ["--test-size", "below 1"]),
        (("--test-size=-0.1",), ["--test-size"]),
        (("--test-size", "nan"), ["--test-size"]),
        (("--test-size", "0.99"), ["--test-size 0.99", "hold out less"]),
        (("--seed=-1",), ["--seed", "from 0 to 18446744073709551615, not -1"]),
        ((f"--seed={2**64}",), ["--seed must be", "to 18446744073709551615, not 18446744073709551616"]),
        (("--threads", "0"), ["--threads", "from 1"]),
        (("--method", "magic"), ["--method", "'magic'", "'auto', 'gradient-descent', 'newton', 'newton-cg', 'sgd'"]),
        (
            ("--method", "newton", "--learning-rate", "1"),
            ["--learning-rate", "gradient descent", "leave one of them out"],
        ),
        (("--method", "newton", "--epochs", "1"), ["--epochs", "gradient descent", "leave one of them out"]),
        (("--positive", "maybe"), ["maybe", "no", "yes"]),
        (("--features", "x,z"), ["no column z"]),
        (("--drop", "z"), ["no column z"]),
        (("--drop", "x,c"), ["no column is left"]),
        (("--features", "y"), ["column y is the target"]),
        (("--weights", "c"), ["column c", "weights"]),
        (("--weights", "z"), ["no weights column z"]),
        (("--na",), ["--na"]),
        (("--colour", "red"), ["--colour"]),
    ],
)
def test_options(attempt, words, parts):
    assert_mistake(attempt(GOOD, *words), *parts)


def test_an_unknown_kernel(attempt, monkeypatch):
    monkeypatch.setenv("CHAINRULE_KERNEL", "none")
    assert_mistake(attempt(GOOD), "CHAINRULE_KERNEL", "none", "unset it")


def test_negative_weights(attempt):
    text = "x,y,s\n" + "".join(f"{i % 7},{'no' if i % 3 else 'yes'},{1 if i != 6 else -2}\n" for i in range(40))
    assert_mistake(attempt(text, "--weights", "s"), "column s", "negative", "row 7")


def test_outputs_that_cannot_be_written_are_refused_before_training(attempt, tmp_path, monkeypatch):
    def never(*_args, **_more):
        raise AssertionError("training began")

    monkeypatch.setattr("chainrule.training.fit_rows", never)
    (tmp_path / "folder").mkdir()
    for out, parts in (
        (tmp_path / "folder", ["folder"]),
        (tmp_path / "absent" / "m.safetensors", ["absent", "does not exist"]),
        (tmp_path / "t.csv" / "m.safetensors", ["m.safetensors"]),
        (tmp_path / "t.csv", ["would overwrite the input"]),
        (tmp_path / "r.html", ["--report", "would overwrite"]),
        (tmp_path / "m.trace", [".trace"]),
    ):
        assert_mistake(attempt(GOOD, "--out", out), *parts)


def test_no_such_file(run, tmp_path):
    assert_mistake(run("fit", tmp_path / "absent.csv", "--target", "y"), "absent.csv", "no file")
    assert_mistake(run("predict", tmp_path / "absent.safetensors", tmp_path / "absent.csv"), "absent.safetensors")


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ((), "a command is missing"),
        (("train",), "No such command 'train'"),
        (("fit",), "TABLE"),
        (("fit", "t.csv"), "--target"),
        (("explain", "m.safetensors", "t.csv"), "--row"),
        (("explain", "m.safetensors", "t.csv", "--row", "first"), "--row"),
        (("predict", "m.safetensors"), "TABLE"),
        (("demo", "extra"), "extra"),
        (("--nonsense",), "--nonsense"),
    ],
)
def test_usage(run, words, part):
    outcome = run(*words)
    if not words:  # help alone, as typer does it, and the code of a mistake
        assert outcome.code == 2
        return
    assert_mistake(outcome, part, "--help")


def test_a_mistake_after_a_good_run_leaves_the_old_model(run, penguins, tmp_path):
    model = tmp_path / "m.safetensors"
    assert run("fit", penguins, *FIT, "--epochs", "5", "--out", model).code == 0
    before = model.read_bytes()
    assert_mistake(run("fit", penguins, *FIT, "--positive", "neither", "--out", model), "neither")
    assert model.read_bytes() == before


def test_unexpected_errors_are_not_hidden(run, penguins, monkeypatch):
    def broken(*_args, **_more):
        raise RuntimeError("a defect of ours")

    monkeypatch.setattr("chainrule.training.fit_rows", broken)
    with pytest.raises(RuntimeError, match="a defect of ours"):
        run("fit", penguins, *FIT)


@pytest.mark.parametrize("option", ["--out", "--report"])
@pytest.mark.parametrize("path", [".", "", "..", "/"])
def test_a_folder_is_no_output(run, penguins, option, path):
    assert_mistake(run("fit", penguins, *FIT, option, path), "folder", "name a file in it")


def test_models_of_different_names_have_different_traces(run, penguins, tmp_path):
    for name in ("m.v1", "m.v2", "m.safetensors"):
        assert run("fit", penguins, *FIT, "--epochs", "3", "--out", tmp_path / name, "--quiet").code == 0
    traces = sorted(path.name for path in tmp_path.glob("*.trace"))
    assert traces == ["m.trace", "m.v1.trace", "m.v2.trace"]


def test_the_trace_is_an_input_too(run, penguins, tmp_path):
    model, trace = tmp_path / "base.safetensors", tmp_path / "base.trace"
    assert run("fit", penguins, *FIT, "--epochs", "3", "--out", model, "--quiet").code == 0
    before = trace.read_bytes()
    for words in (
        ("predict", model, penguins, "--out", trace),
        ("explain", model, penguins, "--row", "1", "--epoch", "2", "--picture", trace),
    ):
        assert_mistake(run(*words), "base.trace", "would overwrite the input")
    assert trace.read_bytes() == before


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["--batch-size", "0"], ["--batch-size", "from 1"]),
        (["--batch-size", "41"], ["--batch-size 41", "40 rows", "or --method gradient-descent"]),
        (["--schedule", "linear"], ["--schedule", "'constant', 'inverse', 'inverse-sqrt', not 'linear'"]),
        (["--method", "newton", "--batch-size", "2"], ["--batch-size", "sgd", "--method is newton"]),
        (["--method", "gradient-descent", "--schedule", "inverse"], ["--schedule", "sgd"]),
    ],
)
def test_options_of_mini_batches(attempt, words, parts):
    assert_mistake(attempt(GOOD, *words), *parts)
