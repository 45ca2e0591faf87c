"""Decides what a table's columns are (numbers, categories, dates), by their cells or as asked, and reads other tables alike.

The rules and their reasons: docs/decisions/0020-kinds-of-columns.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data.frames import Field, code_type, displayed, fields_of, first_row, recoded
from chainrule.data.readings import PARTS, READINGS, date_text, looks_like_date, may_be_number, reading_of
from chainrule.data.rows.decode import part_values, present
from chainrule.data.schema import Column
from chainrule.data.words import check_name, mistaken, near, option, shown, some, unusable
from chainrule.errors import InputError
from chainrule.findings import Finding, two_fronts
from chainrule.kernels.blocks import Part
from chainrule.words import counted

DATE_PARTS = ("days", *PARTS)
Kinds = Mapping[str, str | Sequence[str]]

FEW_VALUES = 10  # whole numbers with at most so many values may be codes,
OFTEN = 10  # if each occurs this often on average
FIRST_LOOK = 64  # rows that show for most columns that they have more values
SHOWN_CELLS = 3  # of those that made a column text
MANY_LEVELS = 20  # a column of fewer levels is no identifier
OWN_VALUES = 0.75  # with so many distinct values a row, at least half of the rows have a value of their own


@dataclass(frozen=True)
class Told:
    """Columns as they will be learnt, and what to say about them."""

    fields: list[Field]
    findings: tuple[Finding, ...]


def columns_as(
    fields: Sequence[Field],
    kinds: Kinds | None = None,
    reference: Mapping[str, Any] | None = None,
    *,
    wanted: Sequence[str] = (),
    of_file: bool = False,
) -> Told:
    """Turn a table's columns into those to learn: by their cells, or as asked.

    kinds : "categorical", "numeric" or parts of a date, by column. reference : a category's first level, by column.
    of_file : refuse text among a column's numbers, and leave out columns that identify rows unless they are wanted.

    Raises InputError for names, kinds and levels that can't be.
    """
    kinds, reference = _by_column("columns", kinds), _by_column("reference", reference)
    given = Counter(field.name for field in fields)
    for name in kinds:
        check_name(name, given, "feature", ", whose kind is given")
    made: list[Field] = []
    codes, dates, numbers, counters, spoilt = [], [], [], [], []
    for field in fields:
        kind = kinds.get(field.name)
        read = [_inferred(field)] if kind is None else _as_asked(field, kind)
        made += read
        if kind is None and read[0].levels:
            if of_file:
                _refuse_text_among_numbers(read[0])
            elif not field.declared and (found := _text_among_numbers(read[0])):
                holds, others, cells = found
                spoilt.append((field.name, len(read[0].levels), holds, cells, some(others, SHOWN_CELLS)))
            codes += [field.name] * _has_padding(read[0])
            dates += [(field.name, len(read[0].levels))] * all(map(looks_like_date, read[0].levels))
        elif kind is None and (values := _few_whole_numbers(read[0])):
            numbers.append((field.name, values))
        elif kind is None and (ends := _counted_rows(read[0])):
            counters.append((field.name, *ends))
    _refuse_twice(made)
    own = [(f.name, *_distinct(f)) for f in made if f.name not in kinds and _is_identifier(f)]
    gone = {name for name, *_ in own if of_file and name not in wanted}
    read_so = [f for f in made if f.reads not in ("", "number") and f.levels is None and not f.part]
    said = [
        ("read as numbers", [_told(f, kinds) for f in read_so]),
        ("parts in UTC", list(dict.fromkeys(f.source for f in made if f.part and f.reads.endswith("UTC")))),
        ("codes", [name for name in codes if name not in gone]),
        ("other dates", dates),
        ("perhaps categories", numbers),
        ("count the rows", counters),
        ("text among numbers", spoilt),
        ("left out", [each for each in own if each[0] in gone]),
        ("identifiers", [each for each in own if each[0] not in gone]),
    ]
    kept = _with_references([field for field in made if field.name not in gone], reference)
    return Told(kept, tuple(Finding(code, {"columns": columns}) for code, columns in said if columns))


def _by_column(argument: str, given: Mapping[str, Any] | None) -> dict[str, Any]:
    if not isinstance(given, Mapping | None):
        raise InputError(f"{argument} must be a dictionary with names of columns, not {type(given).__name__}")
    return {str(name): value for name, value in (given or {}).items()}


def _told(field: Field, kinds: Kinds) -> tuple[str, str, bool]:
    """Return a column's name, what its numbers are, and whether it may be asked for in parts."""
    return field.name, READINGS[field.reads].says, field.reads.startswith("days") and field.name not in kinds


def read_columns(X: Any, columns: Sequence[Column], *, sort: bool = False, first: int = 0) -> list[Field]:
    """Read a model's columns from another table, as the fit read them. sort : as in `fields_of`. first : rows before these."""
    names = list(dict.fromkeys(column.table_name for column in columns))
    fields = dict(zip(names, fields_of(X, names, sort=sort), strict=True))
    return [_as_column(fields[column.table_name], column, first) for column in columns]


# --- kinds by the cells, or as asked -----------------------------------------------------------------------------------


def _inferred(field: Field) -> Field:
    """Turn text into numbers if all of it reads as numbers with a sign, dates or times."""
    reads = "" if field.levels is None or field.declared else reading_of(field.levels)
    return numbers_in(field, reads) if reads else field


def _as_asked(field: Field, kind: str | Sequence[str]) -> list[Field]:
    parts = [str(part) for part in (kind if isinstance(kind, list | tuple) else [kind])]
    if parts == ["categorical"]:
        return [field if field.levels is not None else _category(replace(field, reads=field.reads or "number"))]
    if parts == ["numeric"]:
        reads = "" if field.levels is None else reading_of(field.levels) or "number"
        return [numbers_in(field, reads) if reads else field]
    wrong = next((part for part in parts if part not in DATE_PARTS), None)
    if wrong is not None or not parts:
        ways = f"use 'categorical', 'numeric', or parts of a date: {', '.join(DATE_PARTS)}"
        python = f"columns has {kind!r} for {field.name!r}: {ways}"
        raise InputError(two_fronts(python, f"--dates has no part {shown(wrong or '')}: use {', '.join(DATE_PARTS)}"))
    days = _inferred(replace(field, declared=False))
    if not days.reads.startswith("days"):
        if days.levels is not None:
            _refuse_text_among_numbers(days)
        raise mistaken(field.name, "holds no dates, so it has no parts", "write all its dates as 2024-01-31")
    return [days if part == "days" else _part_of(days, part) for part in dict.fromkeys(parts)]


def _refuse_twice(fields: Sequence[Field]) -> None:
    """Refuse a column that has the name of another one's part."""
    twice = next((name for name, times in Counter(field.name for field in fields).items() if times > 1), None)
    if twice is not None:
        raise mistaken(twice, "has the name of a part of a date", "rename it")


def _with_references(fields: Sequence[Field], reference: Mapping[str, Any]) -> list[Field]:
    """Move the level asked for to the front."""
    names = Counter(field.name for field in fields)
    for name in reference:
        check_name(name, names, "feature", ", whose reference is given")
    return [_with_reference(f, displayed(reference[f.name])) if f.name in reference else f for f in fields]


def check_references(columns: Sequence[Column], reference: Mapping[str, Any] | None) -> None:
    """Refuse reference levels that no row of the fit has."""
    asked = _by_column("reference", reference)
    for column in columns if asked else ():
        level = displayed(asked.get(column.name, ""))
        if column.name in asked and column.levels[0] != level:
            raise mistaken(column.name, f"has no training row of the level {shown(level)}", "choose another reference")


def _with_reference(field: Field, level: str) -> Field:
    if field.levels is None:
        way = f"columns={{{field.name!r}: 'categorical'}} makes it a category"
        shell = f"{option('--categorical', field.name)} makes it a category"
        raise mistaken(field.name, "holds numbers and has no reference level", way, shell)
    if level not in field.levels:
        raise mistaken(field.name, f"has no level {shown(level)} to refer to", near(level, field.levels, "levels"))
    levels = (level, *(other for other in field.levels if other != level))
    place = {each: k for k, each in enumerate(levels)}
    lookup = np.array([place[each] for each in field.levels], dtype=code_type(len(levels)))
    return replace(field, parts=tuple(recoded(part, lookup) for part in field.parts), levels=levels, copied=True)


# --- numbers, categories and parts of dates ----------------------------------------------------------------------------


def _values(field: Field) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return a number column's values in their own type, and which rows have one."""
    there = [present(part) for part in field.parts]
    exact = [part_values(part, slice(None)) == 1 if part.bits else np.asarray(part.values) for part in field.parts]
    if not exact:
        return np.empty(0), np.empty(0, dtype=np.bool_)
    return np.concatenate(exact), np.concatenate(there)


def numbers_in(field: Field, reads: str, first: int | None = None) -> Field:
    """Read a column of text as numbers; raises InputError for a cell that isn't one.

    first : for another table than the fit's, how many rows came before these.
    """
    assert field.levels is not None
    found = [READINGS[reads].number(level) for level in field.levels]
    bad = [level for level, number in zip(field.levels, found, strict=True) if number is None]
    if bad:
        row, cell = first_row(field, bad)
        holds = READINGS[reads].holds
        was = f"is taken as {holds}" if first is None else f"held {holds} in training"
        what = f"{was} and has {shown(cell)} in row {(first or 0) + row + 1}"
        raise mistaken(field.name, what, "mend the cell", f"mend the cell, or name it with {option('--na', cell)}")
    numbers = READINGS[reads].values([number for number in found if number is not None] or [0])
    codes = field.values
    there = ~np.isnan(codes)
    values = numbers[np.where(there, codes, 0).astype(np.intp)]
    valid = None if there.all() else np.packbits(there, bitorder="little")
    return replace(field, parts=(Part(values, len(values), valid),), levels=None, copied=True, reads=reads)


def _category(field: Field) -> Field:
    """Turn numbers into levels, by size."""
    values, there = _values(field)
    there &= values == values
    found, codes = np.unique(values[there], return_inverse=True)
    names = PARTS[field.part].names if field.part else ()
    levels = tuple(_level(value, field.reads, names) for value in found)
    every = np.full(len(values), -1, dtype=code_type(len(levels)))
    every[there] = codes
    return replace(field, parts=(Part(every, len(every)),), levels=levels, copied=True)


def _level(value: Any, reads: str, names: tuple[str, ...]) -> str:
    if names:
        return names[int(value)]
    if reads.startswith("days"):
        return date_text(float(value))
    return displayed(float(str(value)) if value.dtype == np.float32 else value.item())


def _part_of(days: Field, part: str) -> Field:
    values, there = _values(days)
    taken = np.full(len(values), np.nan)
    taken[there] = PARTS[part].take(values[there])
    source = days.source or days.name
    field = replace(
        days, name=f"{source} {part}", parts=(Part(taken, len(taken)),), copied=True, source=source, part=part
    )
    return _category(field) if PARTS[part].names else field


def _refuse_text_among_numbers(field: Field) -> None:
    """Refuse a column of numbers (or dates) that a few cells made text."""
    found = _text_among_numbers(field)
    if found is None:
        return
    holds, others, cells = found
    row, cell = first_row(field, others)
    told = f"{counted(cells, 'cell')}, the first in row {row + 1}: {shown(cell)}"
    way = f"mend the cell, or name it with {option('--na', cell)} if it means missing"
    if row + 1 == field.rows:
        told, way = f"{told}, the table's last row", f"delete the row if it holds totals, {way}"
    raise unusable(field.name, f"holds {holds} but for {told}", way)


def _text_among_numbers(field: Field) -> tuple[str, list[str], int] | None:
    """Find the cells that made a column text if they are 10 % of its cells or fewer, and all others are numbers, or dates.

    Returns what the others hold, the levels that aren't so, and how many cells have these; None for other columns.
    """
    levels = field.levels or ()
    for key in _likely_readings(levels, field.rows):
        fits = np.array([READINGS[key].number(level) is not None for level in levels])
        if fits.all() or not fits.any():
            continue
        codes = field.values
        rows = np.bincount(codes[codes >= 0.0].astype(np.intp), minlength=len(levels))
        cells, known = int(rows @ ~fits), int(rows.sum())
        if 0 < 10 * cells <= known:
            return READINGS[key].holds, [levels[k] for k in np.flatnonzero(~fits & (rows > 0))], cells
    return None


def _likely_readings(levels: Sequence[str], rows: int) -> list[str]:
    """List the readings that some of the levels have and that leave few over: all levels would take too long."""
    some_levels = levels[:: max(len(levels) // 100, 1)]
    begun = [level for level in some_levels if may_be_number(level)]
    # each level that is no number has a row at least; among those looked at there may be twice their share
    most = 2 * len(some_levels) * rows / 10 / max(len(levels), 1)
    if not begun or len(some_levels) - len(begun) > most:
        return []
    fits = {key: sum(of.number(level) is not None for level in begun) for key, of in READINGS.items()}
    return [key for key, found in fits.items() if found and len(some_levels) - found <= most]


# --- what the cells give away ------------------------------------------------------------------------------------------


def _has_padding(field: Field) -> bool:
    """Whether all levels are whole numbers, and one begins with a zero that the number lacks."""
    levels = field.levels or ()
    return any(level[:1] == "0" and len(level) > 1 for level in levels) and all(level.isdecimal() for level in levels)


def _few_whole_numbers(field: Field) -> int:
    """Count a number column's values if they are 3 to `FEW_VALUES` whole numbers, else 0: two are coded alike either way."""
    found: list[float] = []
    rows = 0
    for part in field.parts if not field.reads else ():
        start, size = 0, FIRST_LOOK
        while start < part.rows:
            values = part_values(part, slice(start, min(start + size, part.rows)))
            new = values == values  # not missing
            rows += int(np.count_nonzero(new))
            for value in found:
                new &= values != value
            found += np.unique(values[new]).tolist()
            if len(found) > FEW_VALUES or not all(map(float.is_integer, found)):
                return 0
            start, size = start + size, 1 << 16
    return len(found) if 2 < len(found) <= rows / OFTEN else 0


def _counted_rows(field: Field) -> tuple[int, int] | None:
    """Return the least and largest of whole numbers that differ in all rows and are half of those between; None for others."""
    if field.reads or field.part or field.levels is not None or field.rows <= MANY_LEVELS:
        return None
    first = part_values(field.parts[0], slice(0, FIRST_LOOK))
    if not (first == np.floor(first)).all() or len(np.unique(first)) < len(first):
        return None
    values, there = _values(field)
    if not (there.all() and (values == np.floor(values)).all() and np.isfinite(values).all()):
        return None
    low, high = int(values.min()), int(values.max())
    if high - low >= 2 * field.rows:
        return None
    values = values.astype(np.int64) if values.dtype.kind == "i" else values  # else differences of int8 might overflow
    seen = np.zeros(high - low + 1, dtype=np.bool_)
    seen[(values - values.min()).astype(np.intp)] = True
    return (low, high) if np.count_nonzero(seen) == len(values) else None


def _distinct(field: Field) -> tuple[int, int]:
    """Count the levels that occur, and the rows that have one."""
    values = field.values
    codes: NDArray[np.intp] = values[~np.isnan(values)].astype(np.intp)
    return int(np.count_nonzero(np.bincount(codes))), len(codes)


def _is_identifier(field: Field) -> bool:
    if field.declared or field.part or len(field.levels or ()) <= MANY_LEVELS:
        return False
    levels, rows = _distinct(field)
    return levels > MANY_LEVELS and levels >= OWN_VALUES * rows


# --- another table -----------------------------------------------------------------------------------------------------


def _as_column(field: Field, column: Column, first: int) -> Field:
    """Read a column of another table as the fit's; plain numbers and text of categories stay as they are."""
    if column.kind == "category" and not column.reads:
        return field
    if column.reads and field.levels is not None:
        field = numbers_in(field, column.reads, first)
    elif not _is_read_alike(field, column) and not np.isnan(field.values).all():
        raise _other_reading(field, column)
    if column.part:
        return _part_of(field, column.part)
    return _category(replace(field, reads=column.reads)) if column.reads and column.kind == "category" else field


def _is_read_alike(field: Field, column: Column) -> bool:
    return READINGS[field.reads or "number"].says == READINGS[column.reads or "number"].says


def _other_reading(field: Field, column: Column) -> InputError:
    was, now = (READINGS[reads or "number"].holds for reads in (column.reads, field.reads))
    what = f"held {was} in training and holds {now} here"
    return mistaken(column.table_name, what, "write it as it was in training")
