"""Finds codes such as 00042 among a CSV file's numbers: the parser would drop their zeros.

Columns that may hold codes are read as text, block by block, and converted here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

ZERO, NINE = b"09"


class PaddedError(Exception):
    """Some columns have codes that begin with a zero: read them as text. names : of these columns."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(names)
        self.names = names


def numbers_of(schema: Any) -> dict[str, Any]:
    """Return the types of a table's columns of numbers, by name; without names that occur twice."""
    times = Counter(schema.names)
    numbers = [of for of in schema if pa.types.is_integer(of.type) or pa.types.is_floating(of.type)]
    return {of.name: of.type for of in numbers if times[of.name] == 1}


def may_be_codes(numbers: Mapping[str, Any], first: Any, decimal: str = ".") -> dict[str, Any]:
    """Leave out columns with a decimal mark in the first block of the table, which is given as text; None if it has no rows."""
    if first is None:
        return {}
    has_marks = {name: pc.any(pc.match_substring(first.column(name), decimal)).as_py() for name in numbers}
    return {name: kind for name, kind in numbers.items() if not has_marks[name]}


def as_numbers(table: Any, numbers: Mapping[str, Any], decimal: str = ".") -> Any:
    """Convert columns of text to numbers of the given types; decimal : the decimal mark.

    Raises PaddedError if a column has a code that begins with a zero, and pa.ArrowInvalid for a cell that is no number.
    """
    padded = [name for name in numbers if any(map(_is_padded, table.column(name).chunks))]
    if padded:
        raise PaddedError(padded)
    columns, places = table.columns, {name: k for k, name in enumerate(table.column_names)}
    for name, kind in numbers.items():
        cells = table.column(name)
        if decimal != ".":
            if pc.any(pc.match_substring(cells, ".")).as_py():  # no number here, or one with marks between thousands
                raise pa.ArrowInvalid(f"column {name} has a point")
            cells = pc.replace_substring(cells, pattern=decimal, replacement=".")
        try:
            column = cells.cast(kind)
        except pa.ArrowInvalid:
            cells = pc.utf8_trim_whitespace(cells)
            if any(map(_is_padded, cells.chunks)):
                raise PaddedError([name]) from None
            column = cells.cast(kind)
        columns[places[name]] = column
    return pa.Table.from_arrays(columns, names=table.column_names)


def _is_padded(cells: Any) -> bool:
    """Whether a cell of an Arrow array of text has only digits, the first of several a zero."""
    if not len(cells) or cells.buffers()[2] is None:
        return False
    ends = np.frombuffer(cells.buffers()[1], dtype=np.int32)[cells.offset : cells.offset + len(cells) + 1]
    data = np.frombuffer(cells.buffers()[2], dtype=np.uint8)
    rows = np.flatnonzero(np.diff(ends) > 1)
    rows = rows[data[ends[rows]] == ZERO]
    second = data[ends[rows] + 1]
    rows = rows[(second >= ZERO) & (second <= NINE)]
    if not len(rows):
        return False
    found = cells.take(pa.array(rows))
    return bool(pc.any(pc.match_substring_regex(found, pattern=r"^\d+\s*$")).as_py())
