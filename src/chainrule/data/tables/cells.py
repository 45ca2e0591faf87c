"""Columns of a table as NumPy arrays: numbers with NaN, or codes of sorted levels."""

import re
from decimal import Decimal
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from chainrule.data.tables.words import option, shown
from chainrule.errors import InputError

Kind = Literal["number", "category", "empty", "other"]
Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

# what the CSV reader takes for a number
_NUMBER = re.compile(r"\s*([+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|[+-]?(inf|infinity|nan)|0x[0-9a-f]+)\s*", re.I | re.ASCII)
_BOOLEAN = {"true", "false"}


def kind_of(column: Any) -> Kind:
    """Tell what a column can be: numbers, categories (text, booleans, dictionaries), all missing, or of no use."""
    kind = column.type
    if pa.types.is_null(kind):
        return "empty"
    if pa.types.is_dictionary(kind):
        plain = kind_of(pa.chunked_array([], kind.value_type))
        return "other" if plain == "other" else "category"
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "number"
    if pa.types.is_boolean(kind) or _is_text(kind):
        return "category"
    return "other"


def is_text(column: Any) -> bool:
    """Tell whether the cells are text, be they written out or as a dictionary."""
    kind = column.type
    return bool(_is_text(kind.value_type if pa.types.is_dictionary(kind) else kind))


def refuse_other(name: str, column: Any, *, target: bool = False) -> None:
    """Refuse a column of dates, times, lists and the like, as a feature or as the target.

    Raises
    ------
    InputError
        Naming the column and what it holds.
    """
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        held = "dates"
    elif pa.types.is_time(kind) or pa.types.is_duration(kind):
        held = "times"
    else:
        held = f"values of the type {kind}"
    way = f"leave it out with {option('--drop', name)}, or derive a number from it"
    raise InputError(
        f"column {shown(name)} holds {held}, which are neither numbers nor categories: "
        f"{'name a target with two labels, or derive one from it' if target else way}"
    )


def numbers(column: Any) -> Floats:
    """Read a column of numbers, (m,) float64; a missing one is NaN."""
    if column.type.equals(pa.float64()) and column.num_chunks == 1 and column.null_count == 0:
        return np.asarray(column.chunk(0).to_numpy(zero_copy_only=True))
    return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(), dtype=np.float64)


def coded(column: Any) -> tuple[Codes, tuple[str, ...]]:
    """Read a column as codes of its levels.

    Returns
    -------
    codes : (m,) int64
        Place of each row's level in `levels`, -1 where it is missing.
    levels : tuple of str
        As displayed, in the order of the values: numbers by size, false before true, text by code point.
    """
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if _is_text(column.type) and not pa.types.is_string(column.type):
        column = column.cast(pa.large_string())
    encoded = column.dictionary_encode().unify_dictionaries()
    if len(encoded) == 0:
        return np.zeros(0, dtype=np.int64), ()
    values = encoded.chunk(0).dictionary.to_pylist()
    places = np.concatenate([chunk.indices.fill_null(-1).to_numpy() for chunk in encoded.chunks])
    # NaN, the only value that differs from itself, is missing
    levels = tuple(dict.fromkeys(displayed(v) for v in sorted(v for v in values if v is not None and v == v)))
    place = {level: k for k, level in enumerate(levels)}
    lookup = np.array([place.get(displayed(v), -1) if v is not None else -1 for v in values] + [-1], dtype=np.int64)
    return lookup[places], levels


def displayed(value: Any) -> str:
    """Spell a cell as a label or level: true, 3, 0.5; a whole number has no decimal point."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float | Decimal):
        number = float(value)
        return str(int(number)) if number.is_integer() and abs(number) < 2**53 else repr(number)
    return str(value)


def looks_like_number(cell: str) -> bool:
    """Tell whether the CSV reader would take a cell for a number."""
    return _NUMBER.fullmatch(cell) is not None


def as_number(cell: str) -> str:
    """Spell a cell of text that is a number as `displayed` spells the number; others stay as they are."""
    if not looks_like_number(cell):
        return cell
    return displayed(float(int(cell, 16)) if "x" in cell.lower() else float(cell))


def matched(levels: tuple[str, ...], known: tuple[str, ...]) -> Codes:
    """Find each level's place in `known`, -1 where it isn't there.

    Where the known levels are booleans, True and TRUE are true: a file's one wrong cell turns booleans into text.
    """
    place = {level: k for k, level in enumerate(known)}
    if set(known) <= _BOOLEAN:
        levels = tuple(level.lower() if level in ("True", "TRUE", "False", "FALSE") else level for level in levels)
    return np.array([place.get(level, -1) for level in levels] + [-1], dtype=np.int64)


def first_row(mask: npt.NDArray[np.bool_]) -> int:
    """Give the number, counted from 1, of the first row where the mask is true."""
    return int(np.argmax(mask)) + 1


def refuse_infinite(name: str, values: Floats, row_numbers: Codes | None = None, *, may_drop: bool = True) -> None:
    """Refuse infinite numbers; `may_drop`: the column may be left out, since the model is still to be trained.

    Raises
    ------
    InputError
        Naming the column and the first row.
    """
    bad = np.isinf(values)
    if bad.any():
        row = first_row(bad) if row_numbers is None else int(row_numbers[first_row(bad) - 1])
        raise InputError(
            f"column {shown(name)} has an infinite number in row {row}: mend the cell, or leave it empty if it is not known"
            + (f", or leave the column out with {option('--drop', name)}" if may_drop else "")
        )


def _is_text(kind: Any) -> bool:
    view = getattr(pa.types, "is_string_view", lambda _: False)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or view(kind))
