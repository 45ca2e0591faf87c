"""What columns of a table were taken for."""

from __future__ import annotations

from collections.abc import Sequence
from shlex import quote

from chainrule.findings.finding import MOST_NAMES, Front, Sentence, Values
from chainrule.words import counted, listed


def _kind(names: Sequence[str], kind: str, on: Front) -> str:
    """Write how to give columns a kind."""
    return _option(kind, names) if on.is_shell else f"columns={dict.fromkeys(_some(names), kind)}"


def _option(name: str, columns: Sequence[str]) -> str:
    """Write an option of the command line with columns."""
    return f"--{name} {quote(','.join(_some(columns)))}"


def _some(names: Sequence[str]) -> Sequence[str]:
    """Choose columns for an option's example; a name with a comma must be given alone."""
    return names[:MOST_NAMES] if not any("," in name for name in names) else names[:1]


def _read_as_numbers(values: Values, on: Front) -> str:
    read = [f"{name} {how}" for name, how, _ in values["columns"]]
    told = f"text, dates and times read as numbers: {listed(read, MOST_NAMES)}"
    dates = [name for name, _, is_date in values["columns"] if is_date]
    parts = ["year", "month", "weekday"]
    for name in dates[:1]:
        way = f"--dates {quote(f'{name}={chr(44).join(parts)}')}" if on.is_shell else f"columns={ {name: parts} }"
        told += f"; {way} takes parts of the date instead"
    return told


def _few(values: Values, on: Front, what: str, each: str, end: str) -> str:
    told = [f"{name} ({each.format(*counts)})" for name, *counts in values["columns"]]
    return f"{what}: {listed(told, MOST_NAMES)}; {_kind([of[0] for of in values['columns']], 'categorical', on)} {end}"


def _tell_the_class(values: Values, on: Front) -> str:
    classes, told = values["classes"], []
    for name, *counts in values["columns"]:
        parts = [f"{lost:,} of {rows:,} rows of {label}" for label, (lost, rows) in zip(classes, counts, strict=True)]
        told.append(f"{name} is missing in {' and '.join(parts)}")
    way = _option("drop", [of[0] for of in values["columns"]])
    return f"missing values give the class away: {listed(told, MOST_NAMES)}; {way} leaves such columns out"


def _count_the_rows(values: Values, on: Front) -> str:
    told = [f"{name} ({low} to {high})" for name, low, high in values["columns"]]
    way = (
        f"{_option('drop', [of[0] for of in values['columns']])} leaves them out"
        if on.is_shell
        else "leave them out of X"
    )
    return f"numbers that seem to count the rows: {listed(told, MOST_NAMES)}; {way}"


def _text_among_numbers(values: Values, on: Front) -> str:
    """Name the cells that made text of columns of numbers or dates."""
    told = [
        f"{name} ({levels:,} levels) holds {holds} but for {counted(cells, 'cell')}, {some}"
        for name, levels, holds, cells, some in values["columns"]
    ]
    way = "make such cells missing and the column numbers or dates"
    kept = f"{_kind([of[0] for of in values['columns']], 'categorical', on)} keeps it without this warning"
    return f"text among numbers makes categories of them: {listed(told, MOST_NAMES)}; {way}, or {kept}"


_OWN = "{:,} values in {:,} rows"
_NO_USE = "nearly every row has a value of its own, so the coefficients say nothing about other rows"


SENTENCES: dict[str, Sentence] = {
    "read as numbers": _read_as_numbers,
    "tell the class": _tell_the_class,
    "filled in": lambda v, on: (
        f"{counted(v['rows'], 'row')} without a value in {listed(v['columns'], MOST_NAMES)}: the fit leaves such rows out, "
        "and here the mean or the most frequent level is filled in"
    ),
    "parts in UTC": lambda v, on: f"parts of dates in UTC, not in local time: {listed(v['columns'], MOST_NAMES)}",
    "codes": lambda v, on: (
        f"codes with leading zeros are categories: {listed(v['columns'], MOST_NAMES)}; "
        f"{_kind(v['columns'], 'numeric', on)} makes them numbers"
    ),
    "other dates": lambda v, on: _few(
        v,
        on,
        "columns that look like dates but can't be read as such",
        "{:,} values",
        "says that they are categories; written as 2024-01-31 they are dates",
    ),
    "perhaps categories": lambda v, on: _few(
        v, on, "numbers that may be categories", "{} values", "makes them categories"
    ),
    "count the rows": _count_the_rows,
    "text among numbers": _text_among_numbers,
    "left out": lambda v, on: _few(v, on, "columns of identifiers left out", _OWN, "keeps them"),
    "identifiers": lambda v, on: _few(v, on, _NO_USE, _OWN, "keeps them without this warning"),
}
