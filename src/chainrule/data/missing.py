"""Missing values of a table: how a fit treats them, and what it did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from chainrule.data.frames import Field
from chainrule.data.rows.decode import present
from chainrule.data.schema import Column, Lost
from chainrule.data.words import check_name, mistaken, option, shown, unusable
from chainrule.errors import InputError
from chainrule.findings import Finding
from chainrule.words import counted, listed

WAYS = ("mark", "mean", "drop-rows", "error")
ENOUGH = 10  # rows of each class that a mark or a level of missing values needs; docs/decisions/0022-marks-of-missing-values.md
TELLING = 0.05  # of the smaller class: with fewer rows to the contrary, missing values give the class away

Mask = NDArray[np.bool_]
Index = NDArray[np.int64]


@dataclass(frozen=True)
class Treatment:
    """How a fit treats missing values: one of `WAYS` for all columns, and other ways for some, by name. None is "mark".

    Predictions fill in missing values in a column whose way was given, also if the fit's rows had none.

    mark : fill in, and add a coefficient for these rows if both classes have enough of them. mean : fill in. A category is
    filled with its most frequent level. drop-rows : leave these rows out. error : refuse them.
    """

    way: str | None = None
    of: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, given: str | Mapping[str, str] | None) -> Treatment:
        """Check what Python's users give: a way, or ways by column; the other columns then have "mark"."""
        if isinstance(given, Mapping):
            return cls(of={str(name): _way(way) for name, way in given.items()})
        return cls(None if given is None else _way(given))

    @classmethod
    def read_options(cls, given: Sequence[str]) -> Treatment:
        """Read what the command line gives: "mean" is for all columns, "income=drop-rows" for one."""
        ways = [text.rpartition("=") for text in given]
        for text, (name, equals, way) in zip(given, ways, strict=True):
            if way not in WAYS or (equals and not name):
                raise InputError(f"--missing must be {', '.join(WAYS)} or COLUMN=WAY, not {shown(text)}")
        for name, count in Counter(name for name, _, _ in ways).items():
            if count > 1:
                whom = f"column {shown(name)}" if name else "all columns"
                raise InputError(f"--missing is given twice for {whom}: give it once")
        by_name = {name: way for name, _, way in ways}
        return cls(by_name.pop("", None), by_name)

    def of_column(self, name: str) -> str:
        """Return a column's way."""
        return self.of.get(name, self.way) or "mark"

    def lost(self, name: str, is_filled: bool) -> Lost:
        """Say for the schema what becomes of rows without a value and without a mark. is_filled : whether the fit had some."""
        way = self.of.get(name, self.way)
        return "dropped" if way == "drop-rows" else "filled" if is_filled or way in ("mark", "mean") else ""

    def check_names(self, names: Iterable[str]) -> None:
        """Refuse names that are not among the columns to train on."""
        often = Counter(names)
        for name in self.of:
            check_name(name, often, "column to train on called", ", which the option missing names")


def _way(given: object) -> str:
    if not isinstance(given, str) or given not in WAYS:
        known = ", ".join(map(repr, WAYS))
        raise InputError(f"missing must be one of {known}, or a dictionary of these by column, not {given!r}")
    return given


@dataclass(frozen=True)
class Missing:
    """What was missing in a column, and what was done about it.

    rows : how many of the fit's rows have no value; before any row was left out, if they were left out. by_class : of class 0
    and 1. done : "marked" by a coefficient; "filled" in without one; "dropped": the rows are left out; "left out": the column
    is, being constant. fill : what replaces a missing value, if anything does. told : what was done, in words.
    """

    column: str
    rows: int
    by_class: tuple[int, int]
    done: Literal["marked", "filled", "dropped", "left out"]
    fill: float | str | None
    told: str


def absent(field: Field, index: Index | None = None) -> Mask:
    """Tell which rows of a column have no value, (m,), or which of the rows at `index`, (k,)."""
    parts = [~present(part, field.levels is not None) for part in field.parts]
    lost = np.concatenate([np.zeros(0, dtype=np.bool_), *parts])
    return lost if index is None else lost[index]


def count_classes(lost: Mask, is_one: Mask) -> tuple[int, int]:
    """Count the rows of a mask by class. is_one : whether y = 1, (k,)."""
    ones, rows = int(np.count_nonzero(lost & is_one)), int(np.count_nonzero(lost))
    return rows - ones, ones


def without_rows(
    fields: Sequence[Field], is_one: Mask, kept: Mask, index: Index | None, treatment: Treatment
) -> tuple[Mask, list[Missing]]:
    """Find the rows that stay when those without a value in a column of way drop-rows are left out.

    is_one, kept : (k,), whether y = 1 and whether the weight is positive, of the rows at `index` or of all. Returns a mask
    (k,), and what was left out. Raises InputError if a column has no value, or a class no rows left.
    """
    stay, found = np.ones(len(is_one), dtype=np.bool_), []
    for each in fields:
        if treatment.of_column(each.source or each.name) != "drop-rows":
            continue
        lost = absent(each, index)
        if not (kept & ~lost).any():
            raise unusable(each.name, "has no value in any row")
        rows = count_classes(lost & kept, is_one)
        stay &= ~lost
        if any(rows):
            found.append(Missing(each.name, sum(rows), rows, "dropped", None, "rows left out"))
    if found and not all(count_classes(stay & kept, is_one)):
        most = max(found, key=lambda column: column.rows)
        what = f"has no value in {counted(most.rows, 'row')}, and if such rows are left out, a class has none left"
        raise mistaken(
            most.column, what, "use missing='mean' for it, or drop it",
            f"use {option('--missing', f'{most.column}=mean')}, or leave it out with {option('--drop', most.column)}",
        )  # fmt: skip
    return stay, found


@dataclass(frozen=True)
class Marking:
    """Decides what is done about each column's missing values.

    is_one, kept : whether y = 1 and whether the weight is positive, (k,), in the rows of the fit, which are at `index`.
    marks : the columns that have a mark, by a digest of the rows that it marks.
    """

    treatment: Treatment
    is_one: Mask
    kept: Mask
    index: Index | None
    marks: dict[bytes, str] = field(default_factory=dict)

    def treat(self, column: Field, lost: int, fill: float | str) -> Missing | None:
        """Fill in a column with `lost` missing values, and mark its rows if that is asked and the mark can be estimated."""
        if not lost:
            return None
        where = self.kept & absent(column, self.index)
        way = self.treatment.of_column(column.source or column.name)
        if way == "error":
            row = int(np.argmax(where))
            raise _refused(column.name, lost, 1 + (row if self.index is None else int(self.index[row])))
        by_class, twin = count_classes(where, self.is_one), None
        if way == "mark" and min(by_class) >= ENOUGH:
            twin = self.marks.setdefault(sha256(np.packbits(where).tobytes()).digest(), column.name)
        is_marked = twin == column.name
        told = _told(fill, is_marked, way == "mean", twin)
        return Missing(column.name, lost, by_class, "marked" if is_marked else "filled", fill, told)


def _refused(name: str, rows: int, first: int) -> InputError:
    """Make the error about missing values in a column of way error; first : its first such row, from 1."""
    where = f"has no value in {f'row {first}' if rows == 1 else f'{rows:,} rows, the first is row {first}'}"
    way = "fill it in, or choose another way than"
    return mistaken(name, where, f"{way} missing='error'", f"{way} --missing error")


def _told(fill: float | str, is_marked: bool, is_asked: bool, twin: str | None) -> str:
    """Say how missing values were filled in, and why they have no coefficient; twin : a column missing in the same rows."""
    if is_marked:
        return "a level of its own" if isinstance(fill, str) else f"mean {fill:.6g}, and a mark"
    value = f"as {shown(fill)}, the most frequent" if isinstance(fill, str) else f"mean {fill:.6g}"
    why = "" if is_asked else f"; marked by {shown(twin)}" if twin else "; too few to mark"
    return value + why


def telling(missing: Sequence[Missing], of_class: tuple[int, int], classes: tuple[str, str]) -> list[Finding]:
    """Name the columns whose missing values give the class away, as a date of death does; of_class : rows of each class."""
    found = []
    for column in missing:
        counts = tuple(zip(column.by_class, of_class, strict=True))
        (lost, rows), (other, others) = counts
        wrong = min(lost + others - other, rows - lost + other)  # rows of which the missing value tells the wrong class
        if wrong <= TELLING * min(of_class) and min(of_class) >= ENOUGH:
            found.append((column.column, *counts))
    return [Finding("tell the class", {"columns": found, "classes": classes})] if found else []


def note_of(missing: Sequence[Mapping[str, Any]]) -> list[str]:
    """Say in one sentence what was missing and what was done, for commands that show no table of it."""
    told = [(of["column"], of["rows"], of["told"]) for of in missing]
    return [f"missing values: {_listed(told)}"] if told else []


def filled_note(filled: Sequence[tuple[Column, int]], where: str, *, named: bool = True) -> list[str]:
    """Say in one sentence which columns of a table were filled in, in how many rows, and with what.

    named : name the reference levels.
    """
    told = []
    for column, rows in filled:
        level = f"as {shown(column.common)}, the most frequent" if column.common is not None else ""
        first = f"{shown(column.levels[0])}, " if column.levels and named else ""
        level = level or (f"as {first}the reference" if column.levels else "")
        left_out = "; training left such rows out" * (column.lost == "dropped")
        told.append((column.name, rows, (level or f"mean {column.mean:.6g}") + left_out))
    return [f"missing values{where} filled in: {_listed(told)}"] if told else []


def _listed(told: Sequence[tuple[str, int, str]]) -> str:
    """List columns, rows and what was done; of many columns, only the first."""
    return listed([f"{shown(name)} in {counted(rows, 'row')} ({what})" for name, rows, what in told], 20)
