"""Describes coefficients by the table's columns: the column that moves z most comes first, its levels stand together."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from chainrule.data.variables import RARE_ROWS
from chainrule.documents.blocks import Block, Chart, Heading, Table, Text, say
from chainrule.words import BIAS, counted

Document = Mapping[str, Any]
Line = dict[str, Any]

SHOWN = 30  # lines of a table, so that a result fits on a page
SHOWN_IN_REPORT = 60
VARIABLES = 20  # that get a line before any level does, if they are at most two thirds of the table
LEVELS = 6  # lines for the levels of one category


def coefficients(document: Document, most: int = SHOWN) -> list[Block]:
    """List coefficients and odds ratios by column, in the order of the columns' spreads; most: lines of the table."""
    bias = {**document["intercept"], "name": BIAS, "w": document["intercept"]["b"]}
    lines, left = _lines(document, most)
    digits = "digits" if document["result"]["certificate"]["kind"] in ("bound", "limit") else ""
    table = Table.from_entries(
        [bias, *lines], ("feature", "name", "name"), ("rows", "rows", ""), ("w per unit", "w", "4"),
        ("proven digits", digits, ""), ("odds ratio", "odds_ratio", "4"), ("per SD", "odds_ratio_sd", "4"),
        ("spread", "spread", "3"),
    )  # fmt: skip
    more = (
        [say("and {n:feature} of smaller spread (--json and coefficients() give all)", "note", n=left)] if left else []
    )
    notes = ["spread: standard deviation of the feature's whole contribution to z"]
    notes = notes if any(line.get("spread") is not None for line in lines) else []
    notes += ["collinear: other coefficients are as good"] if any(line.get("collinear") for line in lines) else []
    notes += [f"rare: under {RARE_ROWS} rows"] if any(line.get("is_rare") for line in lines) else []
    heading = Heading(say("Coefficients: log-odds of {positive:name}", **document))
    return [heading, table, *more, *([say(f"{'; '.join(notes)}.", "note")] if notes else [])]


def odds_chart(document: Document) -> Chart:
    """Draw the odds ratios by column: per standard deviation for numbers if that is known, per level for categories."""
    from chainrule.charts import charts

    lines = odds_lines(document)
    text = "Odds ratios on a logarithmic axis; the feature with the largest spread comes first. Right of 1 speaks for "
    text += "{positive:name}, left of 1 for {negative:name}."
    return Chart(lambda: charts.odds_forest(**lines), say(text, **document))


def odds_lines(document: Document) -> dict[str, Any]:
    """Return the lines of a picture of odds ratios, as arguments of `charts.odds_forest`."""
    lines, left = _lines(document, SHOWN)
    lines = [line for line in lines if "w" in line or not line.get("folded")]
    return {
        "names": [str(line.get("column", line["name"])) for line in lines],
        "log_odds": [line.get("levels", [_log_odds(line)]) for line in lines],
        "per_sd": [line.get("sd") is not None for line in lines],
        "inner": [bool(line.get("inner")) for line in lines],
        "left_out": left,
    }


def _log_odds(line: Line) -> float:
    """Return a line's effect, per standard deviation if that is known; NaN for the name of a category."""
    if line.get("is_reference"):
        return 0.0
    w = line.get("w")
    return math.nan if w is None else float(w * (1.0 if line.get("sd") is None else line["sd"]))


def _lines(document: Document, most: int) -> tuple[list[Line], int]:
    """Return at most about `most` lines for the columns and their levels, and how many columns have none.

    The first columns get a line each, then categories their levels, in order; lines that remain go to more columns.
    """
    variables, entries = document["variables"], document["coefficients"]
    count = min(len(variables), max(min(VARIABLES, 2 * most // 3), most // 2))
    spare, lines = most - count, list[Line]()
    for variable in variables[:count]:
        levels = _levels(variable, entries, min(spare, LEVELS * most // SHOWN))
        spare -= len(levels)
        lines += [_head(variable, entries, bool(levels)), *levels]
    others = [variable for variable in variables[count : count + max(spare, 0)] if variable["place"] is not None]
    lines += [_head(variable, entries, False) for variable in others]
    return lines, len(variables) - count - len(others)


def _head(variable: Document, entries: Sequence[Document], has_levels: bool) -> Line:
    """Return the line of a column: its name, its spread, and the coefficient of a number."""
    levels, place, name = variable["levels"], variable["place"], variable["name"]
    if variable["kind"] == "number" or has_levels:
        entry = {} if place is None else dict(entries[place])
        entry |= _infinite(entry["infinite"]) if entry.get("infinite") else {}
        return {**entry, "name": name + _mark(entry), "spread": variable["spread"]}
    of = [level for level in levels if level["place"] is not None]
    if len(of) != 1:
        ws = sorted(level["w"] for level in levels if not level["infinite"])
        several = ws[:: max(1, len(ws) // SHOWN)] + ws[-1:]  # the smallest and the largest among them
        return {"name": f"{name} ({counted(len(levels), 'level')})", "column": name, "levels": several,
                "spread": variable["spread"]}  # fmt: skip
    entry = entries[of[0]["place"]]
    return {**_line(of[0], entries), "name": entry["name"] + _mark(entry), "spread": variable["spread"]}


def _levels(variable: Document, entries: Sequence[Document], room: int) -> list[Line]:
    """Return at most `room` lines for a column's levels; empty if they can't be told in so few.

    The reference comes first, then the levels that move z most, from the largest coefficient to the smallest. Rare levels
    are counted in one line, and so are infinite ones of a sign and those without room.
    """
    levels = variable["levels"]
    heads = [level for level in levels if level["place"] is None]
    infinite = [[level for level in levels if level["infinite"] == sign] for sign in (1, -1)]
    finite = [level for level in levels if level["place"] is not None and not level["infinite"]]
    common = [level for level in finite if not level["is_rare"]]
    rare = [level for level in finite if level["is_rare"]]
    if not common and all(level["is_rare"] for level in heads):  # a small table, or a number's mark
        common, rare = rare, []
    few = len(heads) + sum(map(bool, infinite)) + bool(rare)
    if few + len(common) > room:
        places = room - few - 1  # a line counts the others
        if places < 1:
            return []
        common = sorted(common, key=lambda level: -math.sqrt(level["rows"] or 1) * abs(level["w"]))
        common, others = common[:places], common[places:]
    else:
        others = []
    lines = [{"name": level["name"], "rows": level["rows"], "w": "reference", "is_reference": True} for level in heads]
    lines += [_line(level, entries) for level in sorted(common, key=lambda level: -level["w"])]
    lines += [_together(others, entries, "more level")] if others else []
    lines += [_together(rare, entries, "rare level")] if rare else []
    for some, sign in zip(infinite, (1, -1), strict=True):
        lines += [_together(some, entries, "level") | _infinite(sign)] if some else []
    return [{**line, "inner": True} for line in lines]


def _line(level: Document, entries: Sequence[Document]) -> Line:
    entry = entries[level["place"]]
    name = level["name"] + " (rare)" * level["is_rare"] + _mark(entry)
    return {**entry, "name": name, "rows": level["rows"], "is_rare": level["is_rare"]}


def _infinite(sign: int) -> Line:
    return {"w": sign * math.inf, "odds_ratio": math.inf if sign > 0 else 0.0, "digits": None}


def _mark(entry: Document) -> str:
    return " (collinear)" * bool(entry.get("collinear"))


def _together(levels: Sequence[Document], entries: Sequence[Document], noun: str) -> Line:
    """Return one line for some levels: of the only one, or of their number and their rows."""
    if len(levels) == 1:
        return _line(levels[0], entries)
    rows = [level["rows"] for level in levels]
    return {"name": f"({counted(len(levels), noun)})", "rows": None if None in rows else sum(rows), "folded": True,
            "is_rare": noun.startswith("rare")}  # fmt: skip


def worst(document: Document, by: str, *columns: tuple[str, str, str]) -> list[Block]:
    """Tabulate the bias and the coefficients whose entry `by` is largest, in the order of the columns."""
    entries = document["coefficients"]
    order = sorted(range(len(entries)), key=lambda j: -abs(entries[j][by] or 0.0))[:SHOWN]
    bias = {**document["intercept"], "name": BIAS, "w": document["intercept"]["b"]}
    names = ("feature", "name", "name"), ("w per unit", "w", "4")
    return [Table.from_entries([bias, *(entries[j] for j in sorted(order))], *names, *columns), *rest(len(entries))]


def rest(count: int) -> list[Text]:
    """Say how many of `count` coefficients are not shown."""
    return [say("and {n:smaller one} (--json gives all)", "note", n=count - SHOWN)] if count > SHOWN else []
