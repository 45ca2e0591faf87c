"""What a person sees: whole numbers at every width, names that can't do harm, words that are true."""

import io
import json
import math
import re
from types import SimpleNamespace

import pytest
from rich.console import Console

from chainrule.documents.blocks import Table
from chainrule.documents.blocks import say as sentence
from chainrule.documents.progress import FitProgress
from chainrule.documents.terminal import as_text
from chainrule.findings import SHELL, Finding, say
from chainrule.model.model import load_model
from chainrule.words import cells, wrapped
from cli_tools import FIT, penguins, run

__all__ = ["penguins", "run"]

LONG = "a column whose name is longer than most terminals are wide, by far, number one"
NUMBERS = ["-1.234567e-308", "0.123456", "12345.678901", "2.2e+308", "9,999,999"]


def digits_of(text):
    """All numbers in a text but the seconds, as written."""
    text = re.sub(r"\([\d.e-]+\s+seconds\)", "", text)
    return re.findall(r"-?\d[\d,.]*(?:e[+-]\d+)?", text)


@pytest.mark.parametrize("width", [200, 80, 50, 30, 10])
@pytest.mark.parametrize("name", ["x", LONG, "\u5909\u6570" * 20])
def test_a_table_never_cuts_a_number(width, name):
    heads = ["feature", "w per unit", "odds ratio", "share of all", "g", "probability of a long label"]
    text = as_text([Table.of(heads, [[name, *NUMBERS], ["b (bias)", *NUMBERS]])], width)
    assert [found for found in text.split() if found in NUMBERS] == NUMBERS * 2
    if width >= 30:
        assert max(map(cells, text.splitlines())) <= width


def test_a_table_that_fits_has_its_columns_in_line():
    lines = as_text([Table.of(["", "w"], [["a", "1.5"], ["bb", "-22.25"]])], 40).splitlines()
    assert lines == ["           w", "  ----------".replace("-", "─"), "  a      1.5", "  bb  -22.25"]


def test_a_name_without_room_beside_its_numbers_stands_above_them():
    table = Table.of(["group", "rows", "share"], [["a name of words", "1", "12.5 %"], ["b", "23", "7.1 %"]])
    assert as_text([table], width=20).splitlines() == [
        "    rows   share", "  ──────────────", "  a name of words", "       1  12.5 %", "  b", "      23   7.1 %",
    ]  # fmt: skip


@pytest.mark.parametrize("width", [60, 20])
def test_wrapping_breaks_between_words_only(width):
    text = "dL/dz = dL/dg · dg/dz = -1.2345678901 · 0.2345678901 = -0.2896"
    lines = as_text([sentence("{it}", it=text)], width + 2).replace("\n  ", "\n").strip().splitlines()
    assert " ".join(lines) == text
    assert all(len(line) <= width or " " not in line for line in lines)


@pytest.mark.parametrize(
    ("name", "width", "lines"),
    [
        ("flipper_length_mm", 12, ["flipper_", "length_mm"]),
        ("species=Chinstrap", 12, ["species=", "Chinstrap"]),
        ("a very long_name", 8, ["a very", "long_", "name"]),
        ("bill_length_mm", 14, ["bill_length_mm"]),
        ("incomprehensible", 6, ["incomp", "rehens", "ible"]),
    ],
)
def test_names_break_where_their_words_end(name, width, lines):
    assert wrapped(name, width) == lines


@pytest.fixture
def wide(run, tmp_path):
    """A model of long names and large numbers, and its table."""
    table, model = tmp_path / "wide.csv", tmp_path / "m.safetensors"
    rows = [(k * 123457.891 % 1e6, k % 7 * 1e-7, "ab"[k % 2] * 30, "no" if k % 3 else "yes") for k in range(60)]
    head = f'"{LONG}","{LONG} and 2","group of the very long kind",y\n'
    table.write_text(head + "".join(f"{a:.3f},{b:.9f},{c},{d}\n" for a, b, c, d in rows))
    assert run("fit", table, "--target", "y", "--out", model, "--quiet").code == 0
    return model, table


@pytest.mark.parametrize("columns", [80, 50, 30])
def test_commands_at_every_width_show_the_same_numbers(run, wide, monkeypatch, columns):
    model, table = wide
    for words in (
        ("fit", table, "--target", "y", "--test-size", "0.25"),
        ("explain", model, table, "--row", "2"),
        ("evaluate", model, table),
    ):
        monkeypatch.setenv("COLUMNS", "300")
        whole = run(*words).out
        monkeypatch.setenv("COLUMNS", str(columns))
        narrow = run(*words).out
        assert sorted(set(digits_of(narrow))) == sorted(set(digits_of(whole)))
        assert max(len(line) for line in narrow.splitlines() if "/" not in line) <= max(columns, 45)


def test_a_feature_called_b_is_not_the_bias(run, tmp_path):
    table, model = tmp_path / "t.csv", tmp_path / "m.st"
    table.write_text("b,y\n" + "".join(f"{k % 7},{'no' if k % 3 else 'yes'}\n" for k in range(40)))
    text = run("fit", table, "--target", "y", "--out", model).out
    text += run("explain", model, table, "--row", "1").out
    rows = [line.split("  ")[1] for line in text.splitlines() if re.match("  b[ (]", line)]
    assert rows == ["b (bias)", "b"] * 3


def test_escapes_in_names_and_labels_never_reach_the_terminal(run, tmp_path):
    table, model = tmp_path / "t.csv", tmp_path / "m.st"
    bad = "\x1b[31mred\x07"
    lines = "".join(
        f'{k % 7},{bad if k % 2 else "p"},"{bad}\nno"\n' if k % 3 else f"{k % 7},q,yes\n" for k in range(40)
    )
    table.write_text(f'"x{bad}","g\n{bad}",y{bad}\n' + lines)
    target = ("--target", f"y{bad}")
    outcomes = [
        run("fit", table, *target, "--out", model, "--test-size", "0.2"),
        run("evaluate", model, table),
        run("explain", model, table, "--row", "1"),
        run("explain", model, table, "--row", "2"),
        run("fit", table, *target, "--positive", bad),
        run("fit", table, "--target", bad),
        run("fit", tmp_path / f"{bad}.csv", "--target", "y"),
        run("fit", table, *target, "--test-size", "0.99"),
        run("fit", table, *target, f"--{bad}"),
    ]
    assert [outcome.code for outcome in outcomes] == [0, 0, 0, 0, 2, 2, 2, 2, 2]
    for outcome in outcomes:
        assert not set(outcome.out + outcome.err) & {"\x1b", "\x07"}
        assert outcome.out.isprintable() or set(c for c in outcome.out if not c.isprintable()) == {"\n"}
    assert "\\x1b[31mred" in outcomes[0].out


@pytest.mark.parametrize(
    ("row", "known", "share"),
    [
        (1, "a training row", "of dL_dw: what this row adds to the gradient"),
        (3, "held out", "of dL_dw: what this row would add to the gradient, but it was held out and adds nothing"),
    ],
)
def test_explain_says_which_part_a_row_is_in(run, penguins, tmp_path, row, known, share):
    model = tmp_path / "m.st"
    run("fit", penguins, *FIT, "--test-size", "0.25", "--out", model)
    told = json.loads(run("explain", model, penguins, "--row", row, "--json").out)
    assert told["explanation"]["part"] == {"a training row": "training"}.get(known, known)
    text = " ".join(run("explain", model, penguins, "--row", row).out.split())
    assert f"y = {told['explanation']['y']:g}; {known})" in text
    assert share in text
    some = tmp_path / "some.csv"
    some.write_text("\n".join(penguins.read_text().splitlines()[:50]) + "\n")
    text = " ".join(run("explain", model, some, "--row", row).out.split())
    assert "not among the training rows)" in text
    assert "what this row adds to the gradient" not in text


def test_rows_set_aside_are_predicted_in_the_text(run, penguins, tmp_path):
    text = run("fit", penguins, *FIT).out
    assert "The 11 rows of unknown sex" in text
    rows = [line.split()[1] for line in text.split("unknown sex")[-1].splitlines() if re.match(r"  (fe)?male ", line)]
    assert rows == ["4", "9", "10", "11", "12", "48", "179", "219", "257", "269", "272"]
    table = tmp_path / "t.csv"
    table.write_text("x,y\n" + "".join(f"{k % 7},{'' if k > 39 else 'no' if k % 3 else 'yes'}\n" for k in range(65)))
    text = run("fit", table, "--target", "y").out
    after = text.split("The 25 rows of unknown y")[1]
    assert len(re.findall(r"^  (?:no|yes) ", after, re.MULTILINE)) == 20
    assert "and 5 more: --json, the report and chainrule predict have all" in " ".join(after.split())


def test_report_names_options_as_the_command_line_does(run, penguins, tmp_path):
    page = tmp_path / "r.html"
    words = ("--learning-rate", "100", "--epochs", "50", "--report", page)
    outcome = run("fit", penguins, *FIT, *words)
    assert "--learning-rate 100" in outcome.err
    text = re.sub(r"<[^>]*>", "", page.read_text())
    assert "--learning-rate 100" in text
    assert "learning_rate" not in text


def test_ctrl_c_while_the_report_is_drawn_says_what_is_there(run, penguins, tmp_path, monkeypatch):
    def stop(*_args, **_more):
        raise KeyboardInterrupt

    monkeypatch.setattr("chainrule.charts.curves.loss_curves", stop)
    model, page = tmp_path / "m.safetensors", tmp_path / "r.html"
    outcome = run("fit", penguins, *FIT, "--out", model, "--report", page)
    assert outcome.code == 130
    assert f"interrupted after training: wrote {model}, {tmp_path / 'm.trace'}; not written: {page}" in outcome.err
    assert "odds ratio" in outcome.out
    assert str(page) not in outcome.out
    assert not page.exists()
    outcome = run("demo", "--out-dir", tmp_path / "demo")
    assert outcome.code == 130
    assert "report.html" in outcome.err.split("not written: ")[1]
    written = sorted(path.name for path in (tmp_path / "demo").iterdir())
    assert written == ["model.safetensors", "model.trace", "penguins.csv"]
    outcome = run("fit", penguins, *FIT, "--report", page)
    assert f"interrupted after training: wrote nothing; not written: {page}" in outcome.err


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # as the command line does, unless a filter is there already
def test_tiny_numbers_warn_of_nothing(run, tmp_path):
    table, model = tmp_path / "t.csv", tmp_path / "m.st"
    rows = "".join(f"{(k * 5 % 7) * 1e-320},{k % 5 * 1e-310},{k % 4},{'no' if k % 3 else 'yes'}\n" for k in range(40))
    table.write_text("x,u,v,y\n" + rows)
    for more in ((), ("--no-standardize",), ("--weights", "u")):
        outcome = run("fit", table, "--target", "y", "--out", model, "--report", tmp_path / "r.html", *more)
        assert "RuntimeWarning" not in outcome.err
        if outcome.code == 0:
            for words in (
                ("predict", model, table),
                ("explain", model, table, "--row", "1"),
                ("evaluate", model, table),
            ):
                outcome = run(*words)
                assert outcome.code == 0, outcome
                assert "RuntimeWarning" not in outcome.err


def test_numbers_of_rows_and_epochs_are_singular_where_they_are_one(run, penguins, tmp_path):
    page = tmp_path / "r.html"
    outcome = run("fit", penguins, *FIT, "--epochs", "1", "--report", page)
    words = outcome.out + outcome.err + re.sub(r"<[^>]*>", "", page.read_text())
    assert re.findall(r"(?<![\d.,])1 (?:epochs|rows|features|bins)\b", words) == []
    assert "After 1 epoch of gradient descent" in page.read_text()


def test_options_have_their_own_names():
    found = Finding("above limit", {"rate": 100.0, "limit": 0.4, "is_largest": True})
    assert str(found) == "learning_rate 100 is above the stable limit 0.4: the loss may rise or oscillate"
    assert say(found, SHELL) == "--learning-rate 100 is above the stable limit 0.4: the loss may rise or oscillate"


@pytest.mark.parametrize(
    ("method", "step", "says"),
    [
        (
            "newton",
            {"epoch": 3, "share": 0.25, "reads": 0.62, "gap": math.inf, "status": ""},
            "step 3 on a sample, 25.0% of the rows, 0.6 reads: loss 0.4321, held out 0.5000",
        ),
        (
            "newton",
            {"epoch": 7, "share": 1.0, "reads": 4.58, "gap": 3.01e-9, "status": ""},
            "step 7 on all rows, 4.6 reads: loss 0.4321, held out 0.5000, F - F* <= 3.1e-09",
        ),
        (
            "gradient-descent",
            {"epoch": 12, "share": 1.0, "reads": 20.0, "gap": 0.0101, "status": "crawling"},
            "loss 0.4321, held out 0.5000, F - F* <= 0.011, crawling",
        ),
    ],
)
def test_the_live_line_says_the_stage_the_reads_and_the_bound(method, step, says):
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=120, color_system=None)
    with FitProgress(console, method) as progress:
        progress(SimpleNamespace(loss=0.43210, max_reads=1000, **step), {"held_out_loss": 0.5})
    assert says in out.getvalue()
    assert ("epoch 12 of 1,000" in out.getvalue()) == (method == "gradient-descent")
    # nothing where stderr is no terminal
    out = io.StringIO()
    with FitProgress(Console(file=out), method) as progress:
        progress(SimpleNamespace(loss=0.43210, max_reads=1000, **step), {})
    assert out.getvalue() == ""


def test_ctrl_c_in_newton_leaves_the_state_so_far(run, penguins, tmp_path, monkeypatch):
    def pressed(self, step, held_out):
        if step.epoch == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("chainrule.documents.progress.FitProgress.__call__", pressed)
    model = tmp_path / "m.safetensors"
    outcome = run("fit", penguins, *FIT, "--out", model)
    assert outcome.code == 130
    assert "after step" in outcome.err
    assert "interrupted after" in outcome.out
    assert load_model(model).info["reason"] == "interrupted"
    assert load_model(model).info["method"] == "newton"


@pytest.mark.parametrize("more", [(), ("--standardize",)])
def test_the_numbers_of_an_explanation_multiply(run, penguins, tmp_path, more):
    """To the digits shown, in any units; and units that are the table's are said once."""
    model, page = tmp_path / "m.st", tmp_path / "r.html"
    run("fit", penguins, *FIT, "--out", model, "--report", page, *more)
    text = run("explain", model, penguins, "--row", "2").out
    forward = text[text.index("forward") : text.index("z = x")]
    n = r" +(-?[\d.]+(?:e[+-]\d+)?)"
    rows = re.findall(rf"^  \S+(?: +\S+)??{n}{n}{n}{n} +\d\.\d{{4}}$", forward, re.MULTILINE)
    assert len(rows) == 4 + bool(more)  # four numbers; in the units of the fit, a level's 1 stands beside its name
    for x, w, product, odds in rows:
        assert float(x) * float(w) == pytest.approx(float(product), rel=1.5e-3)
        assert math.exp(float(product)) == pytest.approx(float(odds), rel=0.02)
    assert re.search(r"^  island +Torgersen ", forward, re.MULTILINE)
    assert (" x  " in forward.splitlines()[1]) == bool(more)
    assert ("in the units of the fit" in page.read_text()) == bool(more)


@pytest.mark.parametrize("words", [(), ("--epochs", "100")])
def test_ctrl_c_before_the_first_step_is_clean(run, penguins, tmp_path, monkeypatch, words):
    def pressed(self, step, held_out):
        raise KeyboardInterrupt

    monkeypatch.setattr("chainrule.documents.progress.FitProgress.__call__", pressed)
    outcome = run("fit", penguins, *FIT, "--quiet", "--out", tmp_path / "m.safetensors", *words)
    assert (outcome.code, outcome.out) == (130, "")
    assert outcome.err.startswith("chainrule: interrupted before")
    assert outcome.err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["penguins.csv"]
