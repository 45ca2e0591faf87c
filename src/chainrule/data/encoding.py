"""Encodes columns: learns their levels and means from a fit's rows, and makes the blocks that the core reads.

Categories stay codes from the table to the core. A missing number is replaced by the column's mean, and a missing category by
the most frequent level. If enough of the fit's own rows have no value, a coefficient marks them (`missing`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as of
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.data.frames import Codes, Field, Parts, code_type, first_row, recoded
from chainrule.data.kinds import numbers_in
from chainrule.data.missing import Marking, Missing, Treatment, filled_note, without_rows
from chainrule.data.rows import Rows, power_of_two
from chainrule.data.rows.decode import present
from chainrule.data.schema import BOOLEANS, Column, Lost, Schema
from chainrule.data.words import looks_like_number, mistaken, option, shown, some, unusable
from chainrule.errors import InputError
from chainrule.findings import two_fronts
from chainrule.kernels.blocks import Blocks, CategoryColumn, NumberColumn, Part
from chainrule.kernels.reader import read
from chainrule.kernels.reading import View, What, thread_count
from chainrule.words import counted

Vector = NDArray[np.float64]
Index = NDArray[np.int64]
Mask = NDArray[np.bool_]

CODINGS = ("reference", "all")
UNSEEN = ("error", "reference", "missing")


@dataclass(frozen=True)
class Learnt:
    """What the rows of positive weight say about the columns.

    level_rows : for each category, by its place, how many rows have each level; marked rows without a level, if any, come last.
    extremes : smallest and largest value of each column. missing : what was missing, and what was done about it.
    constants : names of constant columns, which are left out. index : places of the rows learnt from, None for all; without
    those that way drop-rows left out, of which `dropped` have a positive weight.
    """

    columns: tuple[Column, ...]
    level_rows: dict[int, Index]
    extremes: Sequence[tuple[float, float]]
    missing: tuple[Missing, ...]
    constants: tuple[str, ...] = ()
    index: Index | None = None
    dropped: int = 0

    def told(self, rows: Rows) -> Rows:
        """Tell the rows what was missing, how many have each coefficient's level or mark, and its smallest and largest x."""
        found: list[tuple[float, float, float]] = []
        marked = {of.column: of.rows for of in self.missing}
        for k, column in enumerate(self.columns):
            if column.levels:
                of_level = self.level_rows[k]
                alone = float(len(of_level) == 1)
                found += [(count, alone, 1.0) for count in of_level[not column.all_levels :].tolist()]
                continue
            if not column.constant:
                found.append((0.0, *self.extremes[k]))
            if column.missing:
                found.append((marked[column.name], 0.0, 1.0))
        counts, low, high = np.array(found).reshape(-1, 3).T
        rows = replace(rows, missing=self.missing, dropped=self.dropped)
        rows.learned.update({"row counts": counts, "extremes": (low, high)})
        return rows


class _Survey(NamedTuple):
    """What a read says about each column, (columns,): smallest and largest value, number of rows without a value.

    fill : what replaces a missing value: a number's mean, a category's level of most weight. level_rows : for each category,
    how many rows have each level, then how many have none.
    """

    low: Vector
    high: Vector
    fill: list[float | str]
    lost: Vector
    level_rows: list[Index]


def learn(
    fields: Sequence[Field],
    y: NDArray[Any],
    s: Vector | None = None,
    coding: str = "reference",
    *,
    index: Index | None = None,
    leave_out_constants: bool = False,
    threads: int = 1,
    treatment: Treatment | None = None,
) -> Learnt:
    """Find levels, means and missing values in the rows of positive weight, in one or two reads.

    index : rows to learn from, all by default; y, s (k,) : their labels, 0 or 1, and weights.
    Raises InputError for infinite numbers, for a column without a value, and for missing values that `treatment` refuses.
    """
    treatment = Treatment() if treatment is None else treatment
    treatment.check_names(list(dict.fromkeys(field.source or field.name for field in fields)))
    is_one, kept = y == 1, np.ones(len(y), dtype=np.bool_) if s is None else s > 0.0
    stay, missing = without_rows(fields, is_one, kept, index, treatment)
    n_dropped, is_part = int(np.count_nonzero(~stay & kept)), index is not None
    if missing:
        index = np.flatnonzero(stay) if index is None else index[stay]
        is_one, kept, s = is_one[stay], kept[stay], None if s is None else s[stay]
    found = _survey(fields, s=s, index=index, threads=threads)
    marking = Marking(treatment, is_one, kept, index)
    columns: list[Column] = []
    constants, level_rows, extremes = [], {}, []
    for k, field in enumerate(fields):
        low, high, rows = float(found.low[k]), float(found.high[k]), found.level_rows[k]
        if low > high if field.levels is None else not rows[:-1].any():
            positive = "" if s is None or s.all() else " of positive weight"
            raise unusable(field.name, f"has no value in any {'training ' * is_part}row{positive}")
        record = marking.treat(field, int(found.lost[k]), found.fill[k])
        missing += [record] if record else []
        marked = record is not None and record.done == "marked"
        lost = "" if marked else treatment.lost(field.source or field.name, record is not None)
        constant = leave_out_constants and field.levels is None and low == high
        column = _column(field, found.fill[k], rows, marked, lost, coding == "all", constant)
        if leave_out_constants and not column.design_names():
            constants.append(field.name)
            if record:
                missing[-1] = replace(record, done="left out", fill=None, told="constant, so the column is left out")
            continue
        if field.levels is not None:
            level_rows[len(columns)] = rows[rows > 0]
        columns.append(column)
        extremes.append((low, high))
    order = {field.name: k for k, field in enumerate(fields)}
    missing.sort(key=lambda of: order[of.column])
    return Learnt(tuple(columns), level_rows, extremes, tuple(missing), tuple(constants), index, n_dropped)


def _column(
    field: Field, fill: float | str, rows: Index, marked: bool, lost: Lost, all_levels: bool, constant: bool
) -> Column:
    """Make the schema's column. rows : of each level; those without one are added to the level that they are filled with."""
    of_field: dict[str, Any] = {"lost": lost, "source": field.source, "reads": field.reads, "part": field.part}
    if field.levels is None:
        return Column(field.name, "number", marked, float(fill), constant, **of_field)
    levels = tuple(level for level, count in zip(field.levels, rows, strict=False) if count)
    if lost:
        rows[field.levels.index(str(fill))] += rows[-1]
        rows[-1] = 0
    common = str(fill) if lost else None
    return Column(field.name, "category", marked, levels=levels, all_levels=all_levels, common=common, **of_field)


def _survey(
    fields: Sequence[Field], *, s: Vector | None = None, index: Index | None, threads: int, first: int = 0
) -> _Survey:
    """Read all columns once, and number columns with missing values a second time."""
    raw = [Column(f.name, "number") if f.levels is None else Column(f.name, "category", True, None, False, f.levels, True)
           for f in fields]  # fmt: skip
    given: dict[str, Any] = {"s": s, "index": index, "threads": threads}
    design = blocks_of(fields, raw)[0]
    found = read(design, What.SUMS | What.EXTREMES, **given)
    places = [block.at for block in design.columns]
    low, high, mean = (np.asarray(of)[places] for of in (found.low, found.high, found.sums))
    mean = mean / found.weight
    counts = np.zeros(design.n, dtype=np.int64) if found.counts is None else found.counts.astype(np.int64)
    rows = [
        counts[at : at + len(f.levels) + 1] if f.levels is not None else counts[:0]
        for f, at in zip(fields, places, strict=True)
    ]
    lost = np.array([of[-1] if len(of) else 0 for of in rows])
    holes = [k for k, field in enumerate(fields) if field.levels is None and not np.isfinite(mean[k])]
    for k in holes:
        if low[k] <= high[k] and np.isinf([low[k], high[k]]).any():
            # in a file's table, search all rows, also those not trained on
            x = np.where(np.zeros(design.m) if s is None or index is not None else s == 0.0, 0.0, fields[k].values)
            row = int(np.argmax(np.isinf(x)))
            python = f"X has {x[row]} in row {first + row + 1}, column {fields[k].name!r}: fill it in, or drop the row"
            where = f"column {shown(fields[k].name)} has an infinite number in row {first + row + 1}"
            raise InputError(two_fronts(python, f"{where}: mend the cell, or leave it empty"))
    if holes:
        p = power_of_two(np.maximum(-low, high)[holes])  # no sum may overflow
        marked = blocks_of([fields[k] for k in holes], [Column("", "number", True, 0.0)] * len(holes))[0]
        view = View(np.zeros(marked.n), np.column_stack([p, np.ones_like(p)]).ravel())
        x, weights = np.asarray(read(marked, What.SUMS, view=view, **given).sums).reshape(-1, 2).T
        kept = None if s is None else (s > 0.0).astype(np.float64)
        lost[holes] = weights if kept is None else np.asarray(read(marked, What.SUMS, **given | {"s": kept}).sums)[1::2]
        with np.errstate(all="ignore"):
            # Rounding must not leave a weight of 0, nor move the mean of a constant column.
            inside = x / np.maximum(found.weight - weights, np.finfo(float).tiny) / p
            mean[holes] = np.clip(inside, low[holes], high[holes])
    by_weight = np.asarray(found.sums)
    fill = [
        f.levels[int(np.argmax(by_weight[at : at + len(f.levels)]))] if f.levels else float(mean[k])
        for k, (f, at) in enumerate(zip(fields, places, strict=True))
    ]
    return _Survey(low, high, fill, lost, rows)


# --- columns as blocks -------------------------------------------------------------------------------------------------


def blocks_of(fields: Sequence[Field], columns: Sequence[Column], unseen: str = "error") -> tuple[Blocks, int]:
    """Make a design from columns that were learnt; also return how many had to be copied.

    unseen : how to treat a value that the fit did not see. With "error", only rows that are never read may have one.
    """
    blocks: list[NumberColumn | CategoryColumn] = []
    at = copies = 0
    other = 0 if unseen == "reference" else None
    for field, column in zip(fields, columns, strict=True):
        k, copied = len(column.levels), field.copied
        if column.constant:
            marks = tuple(Part((~present(part)).view(np.int8), part.rows) for part in field.parts)
            blocks.append(CategoryColumn(marks, at, 2))
            k, copied = 0, True
        elif column.kind == "number":
            fill = column.mean if column.missing or column.lost or unseen == "reference" else None
            blocks.append(NumberColumn(field.parts, at, fill, at + 1 if column.missing else None))
            k = 1
        else:
            parts, is_copy = _codes(field, column, -1 if other is None else other)
            lost = k if column.missing else other if column.common is None else column.levels.index(column.common)
            blocks.append(CategoryColumn(parts, at, k + column.missing, int(not column.all_levels), lost))
            k, copied = k - (not column.all_levels), copied or is_copy
        at += k + column.missing
        copies += copied
    if not at:
        raise InputError("no column is left to train on: each is left out or constant")
    return Blocks(blocks, fields[0].rows, at), copies


def _codes(field: Field, column: Column, other: int) -> tuple[Parts, bool]:
    """Return codes of the learnt levels, `other` for any other level; a copy unless the column has exactly those levels."""
    assert field.levels is not None
    if field.levels == column.levels:
        return field.parts, False
    place = _places(column)
    lookup: Codes = np.array([place.get(level, other) for level in field.levels], dtype=code_type(len(column.levels)))
    return tuple(recoded(part, lookup) for part in field.parts), True


def _places(column: Column) -> dict[str, int]:
    """Map each level to its code. Booleans may have any spelling: one wrong cell makes the CSV reader keep TRUE as text."""
    place = {level: k for k, level in enumerate(column.levels)}
    if not set(place) <= set(BOOLEANS):
        return place
    return {written: k for level, k in place.items() for written in (level, level.upper(), level.capitalize())}


# --- another table -----------------------------------------------------------------------------------------------------


@dataclass
class Met:
    """Counts the rows with new levels, and with missing values for which the fit has no mark, by column name.

    labels : how many rows have a label that is neither of the two. no_weights : whether the weights column is missing.
    """

    levels: dict[str, Counter[str]] = of(default_factory=dict)
    missing: Counter[str] = of(default_factory=Counter)
    labels: int = 0
    no_weights: bool = False

    def notes(self, schema: Schema, unseen: str, told: Collection[str] = (), where: str = "") -> tuple[str, ...]:
        """Say what was found and how it is treated: one sentence for new levels of each column, one for missing values.

        told : columns whose missing values are filled in as the fit's were, which is said elsewhere. where : in which rows.
        """
        said, filled = [], []
        for column in schema.columns:
            levels, lost = self.levels.get(column.name), self.missing[column.name]
            if levels:
                have = f"{counted(levels.total(), 'row')} {'has a level' if levels.total() == 1 else 'have levels'}"
                named = "" if where else f" {shown(column.levels[0])}"  # the fit may replace it
                way = "missing" if unseen == "missing" else f"the reference{named}"
                said.append(
                    (column.name, f"{have} that training never saw ({some(sorted(levels), 3)}): treated as {way}")
                )
            if lost and column.name not in told:
                filled.append((column, lost))
        if self.labels:
            known = f"neither {shown(schema.negative)} nor {shown(schema.positive)}"
            what = f"{counted(self.labels, 'row')} with a label that is {known}: taken as unknown"
            said.append((schema.target, what))
        notes = [f"column {shown(name)}: {what}" for name, what in said] + filled_note(filled, where, named=not where)
        if self.no_weights:
            notes.append(f"no column {shown(schema.weights or '')} with weights here: every row counts once")
        return tuple(notes)


def encode(
    fields: Sequence[Field], columns: Sequence[Column], unseen: str, met: Met | None = None, *, first: int = 0,
    new: Index | None = None,
) -> Blocks:  # fmt: skip
    """Encode the columns of another table for the fit's coefficients.

    unseen : how to treat a level that the fit did not see. "error": refuse it, and a missing value in a column that had none.
    "reference": treat it as the first level, and a missing number as the mean. "missing": treat it as missing, if the fit's
    column had missing values. These are treated as in the fit; if it left such rows out, they are filled in. met : counts such
    rows. first : how many rows came before these, for messages. new : places of the rows that the fit did not have, all by
    default.

    Raises InputError for a column whose kind is not the fit's, for infinite numbers, and for what `unseen` refuses.
    """
    met = Met() if met is None else met
    fields = [_as_learnt(field, column, first) for field, column in zip(fields, columns, strict=True)]
    if new is not None and not len(new):  # the fit has met every level and missing value, or left its row out
        return blocks_of(fields, columns, unseen)[0]
    seen = _survey(fields, index=new, threads=thread_count(None), first=first)
    for field, column, misses, rows in zip(fields, columns, seen.lost, seen.level_rows, strict=True):
        known, found = _places(column), zip(field.levels or (), rows, strict=False)
        strange = {level: int(count) for level, count in found if count and level not in known}
        if strange and (unseen == "error" or (unseen == "missing" and not (column.missing or column.lost))):
            raise _new_level(field, strange, first, ", and no missing value either" * (unseen == "missing"))
        met.levels.setdefault(column.name, Counter()).update(strange)
        lost = 0 if column.missing else int(misses)
        is_new = lost and not column.lost
        has_filling = column.kind == "category" or column.mean is not None
        if is_new and not (unseen == "reference" and has_filling):
            row = first + int(np.argmax(np.isnan(field.values))) + 1
            what = f"has no value in row {row}, and had one in every row of the fit"
            way = "fill it in, or fit with missing='mean'" + ", or use unseen='reference'" * has_filling
            raise mistaken(field.name, what, way, "fill it in, or use --unseen reference")
        met.missing[column.name] += lost
    return blocks_of(fields, columns, unseen)[0]


def _as_learnt(field: Field, column: Column, first: int) -> Field:
    """Return a column as the kind that it had in the fit; a column without any value fits either kind."""
    is_number = column.kind == "number"
    if is_number == (field.levels is None):
        return field
    values = field.values
    if np.isnan(values).all():
        part = Part(values if is_number else np.full(field.rows, -1), field.rows)
        return Field(field.name, (part,), None if is_number else ())
    if not is_number:
        way = f"it had the levels {some(column.levels, 3)}: write it as it was in training"
        raise mistaken(field.name, "has numbers and had categories in the fit", "turn it into categories", way)
    assert field.levels is not None
    words = [level for level in field.levels if not looks_like_number(level)]
    if not words:
        return numbers_in(field, "number", first)
    row, cell = first_row(field, words)
    way = f"mend the cell, or name it with {option('--na', cell)} if it means missing"
    what = f"held numbers in training and has {shown(cell)} in row {first + row + 1}"
    raise mistaken(field.name, what, "turn it into numbers", way)


def _new_level(field: Field, levels: Collection[str], first: int, as_well: str) -> InputError:
    row, level = first_row(field, levels)
    others = [other for other in levels if other != level]
    more = f" (nor {some(others)})" if others else ""
    what = f"has {level!r} in row {first + row + 1}, a level that the fit did not see{more}{as_well}"
    way = "drop the row, or fit again with such rows"
    return mistaken(field.name, what, f"{way}, or use unseen='reference'", f"{way}, or use --unseen reference")
