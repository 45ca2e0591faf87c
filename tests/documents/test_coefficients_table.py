"""The table of coefficients by column: which lines it has, how levels are folded, and what stands apart."""

import math

import numpy as np
import pandas as pd
import pytest

import chainrule
from chainrule.data.schema import Column
from chainrule.data.variables import RARE_ROWS, Facts, variables
from chainrule.documents.blocks import Table
from chainrule.documents.terminal import as_text
from chainrule.documents.variables import SHOWN, VARIABLES, coefficients, odds_chart
from chainrule.words import plain

pytestmark = pytest.mark.usefixtures("any_mark")


def document(columns, w, counts, rows, infinite=None):
    """A document of a fit with these columns, whose levels have these numbers of rows."""
    names = [name for column in columns for name in column.design_names()]
    w, counts = np.array(w, dtype=float), np.array(counts, dtype=float)
    facts = Facts(counts / rows, np.ones(len(w)), counts, rows)
    signs = None if infinite is None else np.array(infinite, dtype=np.int8)
    return {
        "positive": "yes",
        "negative": "no",
        "intercept": {"b": 0.5, "digits": 3},
        "result": {"certificate": {"kind": "bound"}},
        "coefficients": [
            {
                "name": name,
                "w": v,
                "odds_ratio": math.exp(min(v, 700.0)),
                "sd": None,
                "odds_ratio_sd": None,
                "digits": 4,
            }
            for name, v in zip(names, w.tolist(), strict=True)
        ],
        "variables": [plain(each) for each in variables(columns, names, w, facts, signs)],
    }


def lines(told, most=SHOWN):
    """The lines of the table: name, rows, w, and whether it is a level."""
    table = next(block for block in coefficients(told, most) if isinstance(block, Table))
    cells = {column.head: column.cells for column in table.columns}
    rows = cells.get("rows", [None] * len(table.inner))
    return list(zip(cells["feature"], rows, cells["w per unit"], table.inner, strict=True))


def category(name, count):
    return Column(name, "category", levels=tuple(f"{name}{k}" for k in range(count)))


def test_levels_stand_below_their_column_with_the_reference_first():
    told = document([category("k", 3)], [-1.0, 2.0], [40, 30], 100)
    assert lines(told) == [
        ("b (bias)", None, 0.5, False),
        ("k", None, None, False),
        ("k0", 30, "reference", True),
        ("k2", 30, 2.0, True),
        ("k1", 40, -1.0, True),
    ]


def test_rare_levels_and_infinite_ones_are_apart():
    counts = [50, 40, RARE_ROWS - 1, 1, 30, 25, 24]
    told = document([category("k", 8)], [0.5, 0.2, 3.0, -4.0, 20.0, -20.0, 21.0], counts, 300, [0, 0, 0, 0, 1, -1, 1])
    assert lines(told, 60)[3:] == [
        ("k1", 50, 0.5, True),
        ("k2", 40, 0.2, True),
        ("(2 rare levels)", RARE_ROWS, None, True),
        ("(2 levels)", 54, math.inf, True),
        ("k6", 25, -math.inf, True),
    ]
    text = as_text(coefficients(told, 60))
    assert f"rare: under {RARE_ROWS} rows." in text
    assert " inf " in text
    assert "∞" in odds_chart(told).draw()


def test_levels_without_room_are_counted_with_their_rows():
    told = document([category("k", 50)], np.linspace(-1, 1, 49), [20] * 49, 1000)
    found = lines(told)
    assert [line[0] for line in found[2:]] == ["k0", "k49", "k48", "k2", "k1", "(45 more levels)"]
    assert sum(line[1] for line in found[2:]) == 1000


def test_every_column_has_a_line_before_levels_take_the_rest():
    columns = [category(f"c{j:02d}", 8) for j in range(VARIABLES)]
    told = document(columns, np.tile(np.arange(1.0, 8), VARIABLES), [100] * 7 * VARIABLES, 800)
    found = lines(told)
    assert len(found) <= SHOWN + 1
    assert [line[0].split(" ")[0] for line in found if not line[3]][1:] == [column.name for column in columns]
    assert found[-1][0] == f"c{VARIABLES - 1} (8 levels)"
    drawn = odds_chart(told).draw()
    assert all(column.name in drawn for column in columns)


def test_a_category_of_two_levels_takes_one_line_if_there_is_no_room():
    columns = [*(category(f"c{j:02d}", 9) for j in range(VARIABLES)), category("two", 2)]
    told = document(
        columns[:0:-1], [0.001, *np.tile(np.arange(1.0, 9), VARIABLES - 1)], [100] * (8 * VARIABLES - 7), 900
    )
    assert ("two=two1", 100, 0.001, False) in lines(told)


def test_columns_without_a_line_are_counted():
    told = document([Column(f"x{j}", "number") for j in range(50)], np.linspace(1, 2, 50), [0] * 50, 10)
    assert [line[0] for line in lines(told)[1:]] == [f"x{j}" for j in range(49, 49 - SHOWN, -1)]
    assert "and 20 features of smaller spread" in as_text(coefficients(told))


@pytest.mark.parametrize("coding", ["reference", "all"])
def test_a_result_shows_tables_of_any_kind(coding):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({
        "one": ["x"] * 60, "k": rng.choice(["ä" * 80, "b\u202e", "<i>"], 60), "n": np.where(rng.random(60) < 0.2, np.nan, 1.0),
        "constant": [3.0] * 60, "x": rng.normal(size=60),
    })  # fmt: skip
    result = chainrule.fit(frame, rng.integers(0, 2, 60), alpha=0.1, coding=coding)
    text = as_text(chainrule.documents.shown(result), width=80)
    assert max(map(len, text.splitlines())) <= 80
    for name in ("one", "b\\u202e", "(missing)", "constant"):
        assert name in text
    assert "&lt;i&gt;" in result._repr_html_()


def test_collinear_columns_are_marked():
    x = np.linspace(-1.0, 1.0, 60)
    frame = pd.DataFrame(
        {"a": x, "twice": 2.0 * x, "k": np.where(np.arange(60) % 2, "u", "v"), "free": np.cos(9.0 * x)}
    )
    frame["same"] = frame["k"]
    with pytest.warns(chainrule.CollinearityWarning):
        result = chainrule.fit(frame, np.arange(60) % 3 == 0)
    text = as_text(chainrule.documents.shown(result))
    marked = {line.split(" (collinear)")[0].strip() for line in text.splitlines() if " (collinear)" in line}
    assert {name.removesuffix("=v") for name in marked} == {"a", "twice", "v"}
    assert "(collinear)" not in as_text(
        chainrule.documents.shown(chainrule.fit(frame[["a", "free"]], np.arange(60) % 3 == 0))
    )
