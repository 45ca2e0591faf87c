"""Real files through the commands: any separator, encoding and format; columns carried over; digits that mean something."""

import csv
import gzip
import json
import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from chainrule.cli.predict import FEWEST, MOST, proven_digits, rounded
from chainrule.losses import sigmoid
from chainrule.model.model import load_model
from cli_tools import assert_mistake, run

__all__ = ["run"]

ROWS = [
    (
        f"{k:05d}",
        (k * 37 % 101 - 50) / 8,
        1000.5 + 731 * (k * 17 % 23),
        "äbcé"[k % 4],
        ("non", "oui")[k * 7 % 11 < k % 9],
    )
    for k in range(200)
]
HEAD = ("id", "größe", "betrag", "klasse", "ziel")


def european(rows=ROWS):
    def number(x, digits):
        return f"{x:,.{digits}f}".replace(",", "_").replace(".", ",").replace("_", ".")

    lines = [";".join(HEAD), *(";".join((i, number(x, 3), number(m, 1), c, y)) for i, x, m, c, y in rows)]
    return ("\n".join(lines) + "\n").encode("cp1252")


def american(rows=ROWS):
    return "".join(",".join(map(str, row)) + "\n" for row in [HEAD, *rows]).encode()


FIT = ("--target", "ziel", "--drop", "id", "--alpha", "0.01", "-q")


@pytest.fixture
def trained(run, tmp_path):
    """A European table, and a model of it."""
    (tmp_path / "de.csv").write_bytes(european())
    assert run("fit", tmp_path / "de.csv", *FIT, "--out", tmp_path / "de.st").code == 0
    return tmp_path / "de.st", tmp_path / "de.csv"


def told(run, *words):
    outcome = run(*words)
    assert outcome.code == 0, outcome
    return list(csv.DictReader(outcome.out.splitlines())), outcome.err


def test_a_european_table_gives_the_model_of_the_american_one(run, trained, tmp_path):
    (tmp_path / "us.csv").write_bytes(american())
    outcome = run("fit", tmp_path / "us.csv", *FIT[:-1], "--out", tmp_path / "us.st")
    assert "read" not in outcome.err
    ours, theirs = load_model(trained[0]), load_model(tmp_path / "us.st")
    assert ours.schema.feature_names == theirs.schema.feature_names
    np.testing.assert_array_equal(ours.w, theirs.w)
    assert ours.info["written"] == {"sep": ";", "decimal": ",", "encoding": "cp1252"}
    assert "written" not in theirs.info
    for words in (("evaluate",), ("certify",)):
        numbers = {}
        for model, table in ((trained[0], tmp_path / "us.csv"), (tmp_path / "us.st", trained[1])):
            document = json.loads(run(*words, model, table, "--json", "-q").out)
            numbers[table] = document.get("figures") or document["certificate"]["gap"]
        assert len(set(map(str, numbers.values()))) == 1


def test_what_was_found_is_one_line_and_quiet_is_quiet(run, trained):
    for words in (
        ("fit", trained[1], *FIT[:-1]),
        ("predict", *trained),
        ("evaluate", *trained),
        ("explain", *trained, "--row", 3),
    ):
        outcome = run(*words)
        line = f"note: read {trained[1]}: semicolons, decimal comma, Windows-1252, points between thousands (betrag)\n"
        assert outcome.err.count(line) == 1
    assert run("predict", *trained, "-q").err == ""


def test_a_table_that_does_not_tell_is_read_as_the_models_was(run, trained, tmp_path):
    rows = [("7", 1.234, 2345.0, "b", "oui")]
    text = "id;größe;betrag;klasse;ziel\n7;1,234;2.345;b;oui\n"
    (tmp_path / "one.csv").write_bytes(text.encode("cp1252"))
    (tmp_path / "us.csv").write_bytes(american(rows))
    one, said = told(run, "predict", trained[0], tmp_path / "one.csv")
    other, _ = told(run, "predict", trained[0], tmp_path / "us.csv")
    assert one == other
    assert "is read as" not in said


def test_options_reach_every_command(run, trained, tmp_path):
    model, table = trained
    odd = tmp_path / "odd.csv"
    odd.write_bytes(european().replace(b";", b"^"))
    how = ("--sep", "^", "--decimal", ",", "--encoding", "windows-1252", "--quote", "none")
    expected, _ = told(run, "predict", model, table)
    assert told(run, "predict", model, odd, *how)[0] == expected
    assert json.loads(run("evaluate", model, odd, *how, "--json").out)["figures"]["rows"] == 200
    assert run("explain", model, odd, "--row", 1, *how).code == 0
    assert run("certify", model, odd, *how).code == 0
    assert run("study", "scaling", odd, "--target", "ziel", "--drop", "id", "--epochs", 20, *how, "-q").code == 0
    assert run("fit", odd, *FIT, *how, "--out", tmp_path / "odd.st").code == 0
    assert told(run, "predict", tmp_path / "odd.st", odd)[0] == expected  # found again by what the model knows
    assert_mistake(run("predict", model, table, "--sep", "::"), "--sep")


def test_several_files_and_folders_are_one_table(run, trained, tmp_path):
    parts = tmp_path / "parts"
    parts.mkdir()
    (parts / "a.csv").write_bytes(european(ROWS[:120]))
    (parts / "b.csv.gz").write_bytes(gzip.compress(european(ROWS[120:])))
    for tables in ([parts], [parts / "a.csv", parts / "b.csv.gz"]):
        assert run("fit", *tables, *FIT, "--out", tmp_path / "m.st").code == 0
        np.testing.assert_array_equal(load_model(tmp_path / "m.st").w, load_model(trained[0]).w)
        assert told(run, "predict", trained[0], *tables)[0] == told(run, "predict", *trained)[0]
    document = json.loads(run("predict", trained[0], parts / "a.csv", parts / "b.csv.gz", "--json", "-q").out)
    assert document["table"] == f"{parts / 'a.csv'}, {parts / 'b.csv.gz'}"
    (parts / "c.csv").write_bytes(european().replace(b"klasse", b"class"))
    for command in (("fit", parts, *FIT), ("predict", trained[0], parts)):
        assert_mistake(run(*command), "c.csv lacks the column klasse")
    assert_mistake(run("fit", parts / "a.csv", *FIT, "--report", parts / "a.csv"), "--report", "would overwrite")


def test_parquet_from_standard_input(run, trained, tmp_path, monkeypatch):
    pq.write_table(pa.table(dict(zip(HEAD, zip(*ROWS, strict=True), strict=True))), tmp_path / "t.parquet")
    with open(tmp_path / "t.parquet", "rb") as file:
        monkeypatch.setattr("sys.stdin", type("Stdin", (), {"buffer": file}))
        found, _ = told(run, "predict", trained[0], "-", "--keep", "id")
    assert [row["probability"] for row in found] == [row["probability"] for row in told(run, "predict", *trained)[0]]
    assert [row["id"] for row in found] == [row[0] for row in ROWS]


def test_kept_columns_are_carried_over_as_written(run, trained, tmp_path):
    found, _ = told(run, "predict", *trained, "--keep", "id,klasse", "--keep", "betrag")
    assert list(found[0]) == ["row", "id", "klasse", "betrag", "probability", "class"]
    plain, _ = told(run, "predict", *trained)
    for row, kept, (i, _, _, c, _) in zip(plain, found, ROWS, strict=True):
        assert {name: kept[name] for name in row} == row
        assert (kept["id"], kept["klasse"]) == (i, c)
    assert found[0]["betrag"] == "1.000,5"
    document = json.loads(run("predict", *trained, "--keep", "klasse,id", "--json", "-q").out)
    assert [(row["klasse"], row["id"]) for row in document["predictions"]] == [(row[3], row[0]) for row in ROWS]


def test_kept_columns_that_can_not_be(run, trained, tmp_path):
    assert_mistake(run("predict", *trained, "--keep", "Id"), "no column Id", "did you mean id?")
    path = tmp_path / "own.csv"
    path.write_bytes(european().replace(b"id;", b"class;", 1))
    assert_mistake(run("predict", trained[0], path, "--keep", "class"), "--keep class", "rename it")


def test_digits_are_of_the_smaller_of_p_and_its_complement():
    z = np.array([-800.0, -40.0, -3.0, -1e-9, 0.0, 0.7, 12.0, 30.0, 50.0])
    p = sigmoid(z)
    assert rounded(z, 17) == p.tolist()
    for digits in (1, 3, 6, 12):
        for exact, short, q in zip(p.tolist(), rounded(z, digits), sigmoid(-np.abs(z)).tolist(), strict=True):
            assert abs(short - exact) <= 0.5000001 * 10 ** (math.floor(math.log10(q or 1)) - digits + 1)
    assert rounded(np.array([1.0, -7.0, 7.0]), 3) == [0.731, 0.000911, 0.999089]


def test_digits_by_default_are_those_that_the_fit_proved(run, trained):
    model = load_model(trained[0])
    assert proven_digits(model) == MOST  # a gap of rounding size
    gaps = {None: FEWEST, 0.0: MOST, 0.5: FEWEST, 2e-8: 4, 2e-10: 5, 1e-12: MOST}
    for gap, digits in gaps.items():
        model.info["certificate"]["gap"] = gap
        assert proven_digits(model) == digits
    few, _ = told(run, "predict", *trained, "--digits", 2)
    every, _ = told(run, "predict", *trained, "--digits", 17)
    for short, exact in zip(few, every, strict=True):
        p, q = float(short["probability"]), float(exact["probability"])
        assert len(short["probability"]) < 8
        assert abs(p - q) <= 0.06 * min(q, 1 - q)
        assert short["class"] == exact["class"]
    assert_mistake(run("predict", *trained, "--digits", 0), "--digits")


def test_a_model_file_with_a_written_that_cannot_be_is_refused(run, trained):
    from chainrule.model.model import save_model

    model = load_model(trained[0])
    model.info["written"] = {"sep": 7}
    save_model(trained[0], model)
    assert_mistake(run("predict", *trained), "no model of chainrule")
