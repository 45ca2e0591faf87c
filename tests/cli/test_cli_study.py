"""`chainrule study`: the same numbers as Python, pictures and pages in files, mistakes in a sentence."""

import json
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from chainrule import studies
from chainrule.data.files import read_table
from chainrule.data.rows.batches import as_batches, digest
from chainrule.data.tables import Encoded, prepare
from cli_tools import assert_mistake, penguins, run

__all__ = ["penguins", "run"]

FEW = ("--epochs", 30)
PENGUINS = ("species", "island", "bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g")
PAIR = ("--target", "sex", "--x", "bill_depth_mm", "--y", "body_mass_g")


def studied(penguins):
    prepared = prepare(read_table(penguins), "sex", features=PENGUINS)
    rows = prepared.train
    return prepared.encoded.rows(rows), prepared.encoded.y[rows], prepared.schema


def same(document, study, but=("notes",)):
    told = study.to_dict()
    for key in but:
        told.pop(key)
    assert {key: document[key] for key in told} == json.loads(json.dumps(told))


def test_learning_rate_gives_python_s_numbers(run, penguins):
    X, y, schema = studied(penguins)
    study = studies.learning_rate(
        X, y, standardize=schema.numeric, alpha=1 / 333, epochs=30, feature_names=schema.feature_names
    )
    outcome = run("study", "learning-rate", "--json", *FEW)
    assert outcome.code == 0
    document = json.loads(outcome.out)
    same(document, study)
    assert (document["command"], document["study"], document["positive"]) == ("study", "learning-rate", "male")
    by_table = run("study", "learning-rate", penguins, "--target", "sex", "--features", ",".join(PENGUINS), "--alpha",
                   1 / 333, "--json", *FEW)  # fmt: skip
    same(json.loads(by_table.out), study)


def test_learning_rate_runs_a_rate_of_your_own(run):
    document = json.loads(run("study", "learning-rate", "--learning-rate", 0.05, "--json", *FEW).out)
    assert 0.05 in [entry["rate"] for entry in document["runs"]]


def test_C_is_a_strength_too_and_replaces_the_penguins_own(run):
    document = json.loads(run("study", "learning-rate", "--C", 0.5, "--json", "--epochs", 2).out)
    assert document["alpha"] == 1 / (0.5 * 333)


def test_scaling_gives_python_s_numbers(run, penguins):
    X, y, schema = studied(penguins)
    study = studies.scaling(X, y, numeric=np.asarray(schema.numeric), epochs=30, feature_names=schema.feature_names)
    outcome = run("study", "scaling", "--json", *FEW)
    same(json.loads(outcome.out), study)
    assert [form["label"] for form in json.loads(outcome.out)["forms"]] == [
        "as they are", "centred", "numbers standardised", "standardised",
    ]  # fmt: skip


def test_batches_give_python_s_numbers(run, penguins):
    X, y, schema = studied(penguins)
    study = studies.batches(
        X,
        y,
        standardize=schema.numeric,
        alpha=1 / 333,
        epochs=4,
        seed=7,
        sizes=[50],
        feature_names=schema.feature_names,
    )
    outcome = run("study", "batches", "--json", "--epochs", 4, "--seed", 7, "--batch-size", 50)
    same(json.loads(outcome.out), study)


def test_centering_of_two_columns_gives_python_s_numbers(run, penguins):
    table = read_table(penguins)
    prepared = prepare(table, "sex", features=["bill_depth_mm", "body_mass_g"])
    rows = prepared.train
    study = studies.centering(
        prepared.encoded.X[rows], prepared.encoded.y[rows], feature_names=["bill_depth_mm", "body_mass_g"],
        classes=("female", "male"), epochs=30,
    )  # fmt: skip
    outcome = run("study", "centering", penguins, *PAIR, "--json", *FEW)
    same(json.loads(outcome.out), study)
    assert "11 rows without sex left out" in outcome.err


def test_text_shows_the_tables_and_the_conclusion_in_80_columns(run):
    for words in (["learning-rate", *FEW], ["scaling", *FEW], ["centering", "--epochs", 3], ["batches", "--epochs", 4]):
        outcome = run("study", *words)
        assert outcome.code == 0
        assert max(map(len, outcome.out.splitlines())) <= 80
        said = " ".join(outcome.out.split())
        document = json.loads(run("study", *words, "--json").out)
        assert document["conclusion"] in said


def test_files_of_every_kind(run, tmp_path):
    svg, png, page = (tmp_path / f"study.{kind}" for kind in ("svg", "png", "html"))
    for path in (svg, png, page):
        outcome = run("study", "learning-rate", *FEW, "--out", path)
        assert outcome.code == 0
        assert str(path) in outcome.out.replace("\n", "").replace(" ", "")
    assert ET.fromstring(svg.read_text(encoding="utf-8")).tag.endswith("svg")
    assert png.read_bytes().startswith(b"\x89PNG")
    assert "<h1>How the learning rate shapes what is learned: penguins</h1>" in page.read_text(encoding="utf-8")
    before = svg.read_bytes()
    run("study", "learning-rate", *FEW, "--out", svg)
    assert svg.read_bytes() == before


def test_separated_classes_are_a_note_in_the_table_s_words(run, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,no\n2,no\n3,yes\n4,yes\n")
    outcome = run("study", "learning-rate", path, "--target", "b", *FEW)
    assert outcome.code == 0
    assert "yes above, no below" in outcome.err
    assert "use a penalty" in outcome.err
    assert "completely separated" in " ".join(outcome.out.split())


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["learning-rate", "--out", "study.pdf"], ["--out study.pdf", ".svg, .png or .html"]),
        (["learning-rate", "--target", "sex"], ["--target", "a TABLE"]),
        (["scaling", "--drop", "sex"], ["--drop", "a TABLE"]),
        (["learning-rate", "penguins.csv"], ["--target is missing", "penguins.csv"]),
        (["learning-rate", "penguins.csv", "--target", "sexx"], ["sexx", "did you mean sex"]),
        (["learning-rate", "--epochs", "0"], ["--epochs", "from 1"]),
        (["learning-rate", "--epochs", "few"], ["--epochs", "whole number"]),
        (["learning-rate", "--tol", "0"], ["--tol", "above 0"]),
        (["learning-rate", "--learning-rate", "auto"], ["--learning-rate", "a number"]),
        (["scaling", "--alpha", "-1"], ["--alpha", "from 0"]),
        (["scaling", "--alpha", "1", "--C", "1"], ["give --alpha or --C, not both"]),
        (["scaling", "--seed", "-1"], ["--seed", "from 0 to 18446744073709551615, not -1"]),
        (["scaling", "--seed", str(2**64)], ["--seed must be", "to 18446744073709551615, not 18446744073709551616"]),
        (["batches", "--seed", str(2**64)], ["--seed must be", "to 18446744073709551615, not 18446744073709551616"]),
        (["centering", "--seed", str(2**64)], ["--seed must be", "to 18446744073709551615, not 18446744073709551616"]),
        (["batches", "--batch-size", "0"], ["--batch-size", "from 1"]),
        (["centering", "--x", "a"], ["--x", "a TABLE"]),
        (["centering", "penguins.csv", "--target", "sex", "--x", "year"], ["--y is missing"]),
        (["centering", "penguins.csv", "--target", "sex", "--x", "year", "--y", "year"], ["three different"]),
        (["centering", "penguins.csv", "--target", "sex", "--x", "year", "--y", "island"],
         ["island", "holds no numbers", "--y"]),
        (["centering", "penguins.csv", "--target", "sex", "--x", "year", "--y", "mass"], ["no column mass"]),
        (["centering", "--test-size", "1"], ["--test-size"]),
        (["centering", "--test-size", "0"], ["--test-size"]),
        (["nonsense"], ["nonsense", "chainrule study --help"]),
        (["scaling", "--nonsense"], ["nonsense", "chainrule study scaling --help"]),
    ],
)  # fmt: skip
def test_mistakes_are_one_sentence(run, penguins, monkeypatch, words, parts):
    monkeypatch.chdir(penguins.parent)
    assert_mistake(run("study", *words), *parts)
    assert sorted(path.name for path in penguins.parent.iterdir()) == ["penguins.csv"]


def test_a_column_of_one_value_and_a_label_without_rows(run, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b,c\n1,5,no\n2,5,yes\n3,5,no\n4,5,yes\n")
    words = ("--target", "c", "--x", "a", "--y", "b")
    assert_mistake(run("study", "centering", path, *words), "column b holds no numbers that differ", "--y")
    path.write_text("a,b,c\n1,5,no\n2,6,no\n3,7,no\n4,,yes\n")
    assert_mistake(run("study", "centering", path, *words), "column b has no value in 1 row", "--missing b=mean")


def test_an_output_is_never_the_table(run, penguins, tmp_path):
    table = penguins.rename(tmp_path / "penguins.svg")
    before = table.read_bytes()
    assert_mistake(run("study", "scaling", table, "--target", "sex", "--out", table), "would overwrite")
    assert table.read_bytes() == before


def test_interrupted_study_leaves_nothing(run, tmp_path, monkeypatch):
    def stop(self, label, epoch, most):
        if epoch == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("chainrule.documents.progress.StudyProgress.__call__", stop)
    outcome = run("study", "scaling", "--out", tmp_path / "study.svg")
    assert outcome.code == 130
    assert outcome.out == ""
    assert "interrupted" in outcome.err
    assert not list(tmp_path.iterdir())


def test_categories_are_never_expanded_but_for_batches(run, penguins, monkeypatch):
    """A dense copy of 100,000 rows with 600 levels took ten times as long; mini-batches need one, once for all runs."""
    rows = prepare(read_table(penguins), "sex").encoded.rows(np.arange(30))
    assert as_batches(rows).design is as_batches(rows).design
    assert digest(as_batches(rows)) is digest(as_batches(rows))
    monkeypatch.setattr(Encoded, "X", None)
    assert run("study", "scaling", penguins, "--target", "sex", *FEW).code == 0


def test_notes_name_the_command_s_options(run):
    assert "use a penalty, e.g. --alpha" in run("study", "centering", "--epochs", 1).err
