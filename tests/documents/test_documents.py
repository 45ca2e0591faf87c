"""Blocks and their renderers: results show themselves in a notebook and in print, and numbers are written one way."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pyarrow as pa
import pytest

import chainrule
from chainrule.documents.blocks import PLAIN, Beside, Chart, Facts, Heading, Table, say, spelled
from chainrule.documents.html import HTML, as_html
from chainrule.documents.terminal import as_text
from chainrule.words import NAME, number, shortened, typeset, visible


@pytest.fixture(scope="module")
def result():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    y = (X[:, 0] - 0.5 * X[:, 1] + rng.normal(size=300) > 0).astype(int)
    return chainrule.fit(X, y, feature_names=["age", "income <b>", "a\u202ename"])


@pytest.fixture(scope="module")
def shown(result):
    row = chainrule.explain_row([0.5, -1.0, 0.25], 1.0, result.w, result.b, feature_names=result.feature_names)
    return {"result": result, "certificate": result.certificate, "trace": result.trace, "row": row}


@pytest.mark.parametrize("what", ["result", "certificate", "trace", "row"])
def test_what_is_known_shows_itself(shown, what):
    text, html = str(shown[what]), shown[what]._repr_html_()
    assert max(map(len, text.splitlines())) <= 100
    assert not re.search("[\u202a-\u202e]", text + html)
    assert html.strip().startswith('<div class="chainrule fragment">')
    assert "<html" not in html
    assert "<script" not in html
    for svg in re.findall(r"<svg.*?</svg>", html, flags=re.S):
        ET.fromstring(svg)


def test_a_result_says_its_numbers(result):
    text, html = str(result), result._repr_html_()
    for w in (*result.w, result.b):
        assert number(float(w)) in text
        assert typeset(number(float(w))) in html
    assert "more than " + spelled(result.certificate.gap, "up") in text
    assert html.count("<svg") == 4


def test_a_result_and_its_report_say_what_columns_were_taken_for(tmp_path):
    hours = np.arange("2024-01-01T00", "2024-01-11T00", dtype="datetime64[h]").astype("datetime64[s]")
    X = {"when": pa.array(hours, pa.timestamp("s", "Europe/Berlin")), "n": np.arange(240) % 5, "id": np.arange(240)}
    result = chainrule.fit(pa.table(X), np.arange(240) % 3 == 0, alpha=0.1, columns={"when": ["weekday"]})
    text = " ".join(str(result).split())
    assert all(f" - {said}" in text for said in map(str, result.findings[1:]))
    result.report(tmp_path / "r.html", pa.table(X), np.arange(240) % 3 == 0)
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "in UTC, not in local time" in page
    assert "id (0 to 239)" in page
    codes = {"parts in UTC", "perhaps categories", "count the rows"}
    assert codes <= {found.code for found in result.findings[1:]}


def test_a_sentence_keeps_its_values_until_it_is_written():
    text = say(
        "{name:name} is {x:3} of {rows:row}, at most {bound:up}", name="<i>", x=-1.5e-7, rows=1200, bound=7.81e-13
    )
    assert PLAIN.words(text) == "<i> is -1.50e-07 of 1,200 rows, at most 7.9e-13"
    said = HTML.words(text).replace("\N{NO-BREAK SPACE}", " ")
    assert said == "<bdi>&lt;i&gt;</bdi> is −1.50 × 10⁻⁷ of 1,200 rows, at most 7.9 × 10⁻¹³"
    assert HTML.words(say("{name:name}", name="island=a_<b>")) == "<bdi>island=<wbr>a_<wbr>&lt;b&gt;</bdi>"
    assert HTML.words("{not} a template") == "{not} a template"


@pytest.mark.parametrize(
    ("value", "how", "text", "set"),
    [
        (0.25, "4", "0.2500", "0.2500"),
        (-1.0, "4", "-1", "−1"),
        (12345.678, "4", "12346", "12,346"),
        (1e-5, "2", "1.0e-05", "1.0 × 10⁻⁵"),
        (float("nan"), "4", "-", "–"),
        (float("-inf"), "4", "-inf", "−∞"),
        (None, "4", "", ""),
        (0.9036, "%", "90.4%", "90.4%"),
        (1, "epoch", "1 epoch", "1 epoch"),
        (39.7, "g", "39.7", "39.7"),
        (150.0, "time", "2.5 minutes", "2.5 minutes"),
    ],
)
def test_numbers_in_both_spellings(value, how, text, set):
    assert spelled(value, how) == text
    assert typeset(text) == set


@pytest.mark.parametrize("name", ["\x1b[31mred", "a\u202eb", "a\u2028b", "a\nb", "\ud800"])
def test_what_does_not_print_is_spelled(name):
    assert visible(name) == name.encode("unicode_escape", "surrogatepass").decode()


def test_joiners_and_accents_stay():
    for name in ("می\u200cخواهم", "naïve", "e\u0301", "👩\u200d🔬"):
        assert visible(name) == name


def test_a_long_name_keeps_both_ends():
    name = "start" + "x" * 10_000 + "end"
    assert len(shortened(name)) == NAME
    assert shortened(name).startswith("start")
    assert shortened(name).endswith("end")


@pytest.mark.parametrize("of", ["a" * 39 + "{}" + "z" * 40, "a" * 400 + "{}" + "z" * 400])
def test_the_names_of_a_table_stay_different(of):
    table = Table.from_entries(
        [{"name": of.format(k), "w": 0.5} for k in range(3)], ("", "name", "name"), ("w", "w", "4")
    )
    text = as_text([table], width=120)
    assert all(f"{k}z" in text for k in range(3))
    assert all(f"{k}z" in as_html([table]) for k in range(3))


def test_blocks_side_by_side_stand_below_each_other_in_a_terminal():
    def draw():
        raise AssertionError("a terminal draws nothing")

    table = Table.of(["", "n"], [["a", "1"]])
    blocks = [Heading("H"), Beside([[table], [Chart(draw, "caption")]]), Facts([("k", "v")])]
    assert as_text(blocks) == "H\n     n\n  ────\n  a  1\n\n  k  v"
    assert "<figure><svg" in as_html([Chart(lambda: "<svg></svg>")])
