"""Coefficients from a CSV file, as people and their tools write them: names and numbers in two columns, or in two lines."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import InputError
from chainrule.tables.words import near, shown, some

if TYPE_CHECKING:
    from chainrule.tables import Schema

Floats = NDArray[np.float64]
Row = tuple[int, list[str]]  # the line's number from 1, and its cells

INTERCEPT = ("intercept", "(intercept)", "const", "bias", "b")
LAYOUT = "a line for each coefficient, its name and its number, such as bill_length_mm,0.2"


@dataclass(frozen=True)
class Places:
    """What a coefficient may be called: of the design's columns, and of others in the table, with what becomes of those.

    constants: numbers of one value, which the intercept takes in. references: levels that the others are compared with.
    left_out: the table's other columns.
    """

    names: Sequence[str]
    constants: Mapping[str, float] = field(default_factory=dict)
    references: Mapping[str, Sequence[str]] = field(default_factory=dict)
    left_out: Sequence[str] = ()

    @classmethod
    def of(cls, schema: "Schema", columns: Sequence[str], constants: Mapping[str, float]) -> "Places":
        """Find them for a schema learned from a table of these columns."""
        references = {}
        for column in schema.columns:
            if column.kind == "category":
                references[f"{column.name}={column.levels[0]}"] = column.design_names()
        known = {*schema.feature_names, *constants, *references}
        left_out = [name for name in columns if name not in known]
        return cls(schema.feature_names, constants, references, left_out)


def read_coefficients(path: Path, places: Places) -> tuple[Floats, float, list[str]]:
    """Read a file of coefficients: w (n,) in the order of the names, b, and notes on what was done.

    Raises InputError for what is missing, unknown, there twice, or no number.
    """
    names, found = places.names, named_numbers(path, {*places.names, *places.constants})
    # a feature may be called like an intercept: then it is the feature
    heads = [name for name in found if not _is_column(name, places) and name.lower() in INTERCEPT]
    for name in found:
        if name not in names and name not in heads and name not in places.constants:
            raise InputError(f"{path}: {_unknown(name, places)}")
    missing = [name for name in names if name not in found]
    if missing:
        raise InputError(f"{path} has no coefficient for {some(missing)}: add it, or leave the column out with --drop")
    folded = [name for name in found if name in places.constants]
    # a column of ones, as some tools need it, is the intercept
    if len(heads) > 1 or not (heads or any(places.constants[name] for name in folded)):
        which = f"{some(heads)} are all intercepts: keep one" if heads else "has no row called intercept: add one"
        raise InputError(f"{path} {which} (0 where the model has none)")
    b, notes = found[heads[0]] if heads else 0.0, []
    for name in folded:
        value = places.constants[name]
        b += found[name] * value
        notes.append(f"column {shown(name)} is constant: its coefficient times {value:.6g} is added to the intercept")
    return np.array([found[name] for name in names]), b, notes


def _is_column(name: str, places: Places) -> bool:
    return name in places.names or name in places.constants or name in places.left_out


def _unknown(name: str, places: Places) -> str:
    """Say why a name has no place, and the way out."""
    if name in places.references:
        others = some(places.references[name])
        return (
            f"{shown(name)} is the level that the others are compared with, and has no column: take its coefficient off "
            f"those of {others}, add it to the intercept, and leave its line out"
        )
    column = next((column for column in (name, name.split("=")[0]) if column in places.left_out), None)
    if column is not None:
        return (
            f"column {shown(column)} of the table is not used here: leave the coefficient of {shown(name)} out, or add it to "
            "the intercept where that is the one level that all rows have"
        )
    if _number(name) is not None:
        return f"{shown(name)} is where a name should be: give {LAYOUT}"
    return f"the table has no column {shown(name)} as it is encoded: {near(name, places.names)}"


def named_numbers(path: Path, known: set[str]) -> Mapping[str, float]:
    """Read a file's names and numbers, whichever way it has them."""
    found: dict[str, float] = {}
    for line, name, cell in _pairs(path, known):
        value = _number(cell)
        if value is None:
            raise InputError(
                f"{path}, line {line}: the coefficient of {shown(name)} is no number: {shown(cell)}; write it like -0.25"
            )
        if not math.isfinite(value):
            raise InputError(f"{path}: the coefficient of {shown(name)} is not finite: {shown(cell)}")
        if name in found:
            raise InputError(f"{path}: {shown(name)} is there twice: keep one")
        found[name] = value
    return found


def _pairs(path: Path, known: set[str]) -> list[tuple[int, str, str]]:
    """Give (line, name, cell) of each coefficient, without heads and row numbers."""
    rows = _rows(path)
    if not rows:
        raise InputError(f"{path} is empty: give {LAYOUT}, and one for the intercept")
    rows = _without_row_numbers(rows)
    head, body = rows[0][1], rows[1:]
    if len(body) == 1 and len(head) == len(body[0][1]) >= 2:
        cells = body[0][1]
        is_wide = all(_number(cell) is not None for cell in cells) and (len(head) > 2 or not known.isdisjoint(head))
        if is_wide:
            return [(body[0][0], name, cell) for name, cell in zip(head, cells, strict=True)]
    for line, cells in rows:
        if len(cells) < 2:
            raise InputError(f"{path}: line {line} must have a name and a number, such as bill_length_mm,0.2")
    # a data frame's index has no name, and its column may be called 0; a coefficient's number may be badly written
    is_name, is_other = (cell in known or cell.lower() in INTERCEPT for cell in head[:2])
    has_head = head[0] == "" or (_number(head[1]) is None and (not is_name or is_other))
    return [(line, cells[0], cells[1]) for line, cells in (body if has_head else rows)]


def _rows(path: Path) -> list[Row]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"can't read {path}: it is no text in UTF-8; save it as CSV in UTF-8") from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"can't read {path}: {reason[0].lower()}{reason[1:]}") from None
    head = text.split("\n", 1)[0]
    delimiter = next((mark for mark in ";\t" if mark in head), ",")  # beside these a comma is in a name, or in a number
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    rows = [(line, [cell.strip() for cell in row]) for line, row in enumerate(reader, start=1)]
    return [(line, cells) for line, cells in rows if any(cells)]


def _without_row_numbers(rows: list[Row]) -> list[Row]:
    """Leave out the first column of a data frame's file: 0, 1, 2, ... below an empty head, before two columns or more."""
    head, body = rows[0][1], rows[1:]
    numbered = all(cells[0] == str(k) for k, (_, cells) in enumerate(body))
    if body and numbered and head[0] == "" and len(head) >= 3:
        return [(line, cells[1:]) for line, cells in rows]
    return rows


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None
