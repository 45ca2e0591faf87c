"""The one encoder: what a fit learns of columns, and columns as blocks of its coefficients.

Categories are codes everywhere. A missing number counts as the column's mean, and a coefficient of its own marks it where rows
of the fit miss it; a missing category is a level.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from dataclasses import field as of
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data.frames import Codes, Field, Parts, code_type, fields_of, is_frame, recoded
from chainrule.data.rows import power_of_two
from chainrule.data.rows.decode import present
from chainrule.data.schema import BOOLEANS, Column, Schema
from chainrule.data.words import looks_like_number, mistaken, option, shown, some, unusable
from chainrule.errors import InputError
from chainrule.findings import two_fronts
from chainrule.kernels import CategoryColumn, Design, NumberColumn, Part, View, What, read, thread_count
from chainrule.words import counted

Vector = NDArray[np.float64]
Index = NDArray[np.int64]

CODINGS = ("reference", "all")
UNSEEN = ("error", "reference", "missing")


@dataclass(frozen=True)
class Learnt:
    """What the rows of positive weight showed of columns.

    level_rows : how many have each level of a category, by its place; last, where there are some, those without a level.
    missing : how many rows miss a column, by its name, where some do. constants : names of columns left out.
    """

    columns: tuple[Column, ...]
    level_rows: dict[int, Index]
    missing: dict[str, int]
    constants: tuple[str, ...] = ()


@dataclass(frozen=True)
class Seen:
    """What the rows of positive weight have in a column.

    lost : how many miss it. rows : of a category, how many have each level, (levels,). low, high, mean : of numbers.
    """

    lost: int
    rows: Index | None = None
    low: float = 0.0
    high: float = 0.0
    mean: float = 0.0

    @property
    def is_empty(self) -> bool:
        """Whether no row has a value."""
        return self.low > self.high if self.rows is None else not self.rows.any()


def survey(
    fields: Sequence[Field], s: Vector | None = None, index: Index | None = None, threads: int = 1, first: int = 0
) -> list[Seen]:
    """See what columns have: a read, and another of the numbers that are missing in some rows.

    index : the rows to look at, all by default; s (k,) are theirs. first : rows before these, for messages.
    Raises InputError for infinite numbers.
    """
    given: dict[str, Any] = {"s": s, "index": index, "threads": threads}
    raw = [Column(f.name, "number") if f.levels is None else Column(f.name, "category", True, None, False, f.levels, True)
           for f in fields]  # fmt: skip
    design = blocks_of(fields, raw)[0]
    found = read(design, What.SUMS | What.EXTREMES, **given)
    places = np.array([block.at for block in design.columns])
    low, high, mean = (np.asarray(of)[places] for of in (found.low, found.high, found.sums))
    mean = mean / found.weight
    lost, is_number = np.zeros(len(fields)), np.array([field.levels is None for field in fields])
    holes = np.flatnonzero(is_number & ~np.isfinite(mean))
    for k in holes.tolist():
        if low[k] <= high[k] and np.isinf([low[k], high[k]]).any():
            # of a file also a row that isn't trained on
            rows = np.arange(design.m) if s is None or index is not None else np.flatnonzero(s > 0.0)
            raise _infinite(fields[k], rows, first)
    if len(holes):
        p = power_of_two(np.maximum(-low, high)[holes])  # so that no sum overflows
        marked = blocks_of([fields[k] for k in holes.tolist()], [Column("", "number", True, 0.0)] * len(holes))[0]
        view = View(np.zeros(marked.n), np.column_stack([p, np.ones_like(p)]).ravel())
        x, weights = np.asarray(read(marked, What.SUMS, view=view, **given).sums).reshape(-1, 2).T
        kept = None if s is None else (s > 0.0).astype(np.float64)
        lost[holes] = weights if kept is None else np.asarray(read(marked, What.SUMS, **given | {"s": kept}).sums)[1::2]
        with np.errstate(all="ignore"):
            # Rounding must neither leave a weight of 0 nor take a constant's mean away from it.
            inside = x / np.maximum(found.weight - weights, np.finfo(float).tiny) / p
            mean[holes] = np.clip(inside, low[holes], high[holes])
    counts = np.asarray(found.counts, dtype=np.int64) if found.counts is not None else np.zeros(0, dtype=np.int64)
    seen = []
    for k, (field, at) in enumerate(zip(fields, places.tolist(), strict=True)):
        if field.levels is None:
            seen.append(Seen(int(lost[k]), None, float(low[k]), float(high[k]), float(mean[k])))
        else:
            end = at + len(field.levels)
            seen.append(Seen(int(counts[end]), counts[at:end]))
    return seen


def learn(
    fields: Sequence[Field],
    s: Vector | None = None,
    coding: str = "reference",
    *,
    index: Index | None = None,
    leave_out_constants: bool = False,
    threads: int = 1,
) -> Learnt:
    """Find the levels, the means and what is missing, in the rows of positive weight: a read or two.

    index : rows of the fit, all by default; s (k,) are theirs.
    """
    columns: list[Column] = []
    constants, level_rows, missing = [], {}, {}
    for field, seen in zip(fields, survey(fields, s, index, threads), strict=True):
        if seen.is_empty:
            positive = "" if s is None or s.all() else " of positive weight"
            raise unusable(field.name, f"has no value in any {'training ' * (index is not None)}row{positive}")
        if field.levels is None:
            constant = leave_out_constants and seen.low == seen.high
            column = Column(field.name, "number", seen.lost > 0, seen.mean, constant)
        else:
            assert seen.rows is not None
            levels = tuple(level for level, rows in zip(field.levels, seen.rows, strict=True) if rows)
            column = Column(field.name, "category", seen.lost > 0, levels=levels, all_levels=coding == "all")
        if seen.lost:
            missing[field.name] = seen.lost
        if leave_out_constants and not column.design_names():
            constants.append(field.name)
            continue
        if seen.rows is not None:
            level_rows[len(columns)] = np.append(seen.rows[seen.rows > 0], [seen.lost] * (seen.lost > 0))
        columns.append(column)
    return Learnt(tuple(columns), level_rows, missing, tuple(constants))


# --- columns as blocks -------------------------------------------------------------------------------------------------


def blocks_of(fields: Sequence[Field], columns: Sequence[Column], unseen: str = "error") -> tuple[Design, int]:
    """Put columns together as they were learnt: the design, and how many of them were copied.

    unseen : what a value counts as that the fit did not see. By "error" only rows that are not read may have one.
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
            fill = column.mean if column.missing or unseen == "reference" else None
            blocks.append(NumberColumn(field.parts, at, fill, at + 1 if column.missing else None))
            k = 1
        else:
            parts, is_copy = _codes(field, column, -1 if other is None else other)
            lost = k if column.missing else other
            blocks.append(CategoryColumn(parts, at, k + column.missing, int(not column.all_levels), lost))
            k, copied = k - (not column.all_levels), copied or is_copy
        at += k + column.missing
        copies += copied
    if not at:
        raise InputError("no column has two levels or two values: there is nothing to fit")
    return Design(blocks, fields[0].rows, at), copies


def _codes(field: Field, column: Column, other: int) -> tuple[Parts, bool]:
    """Give codes into the levels learnt, `other` for levels that are none of them: as they lie where all are, else a copy."""
    assert field.levels is not None
    if field.levels == column.levels:
        return field.parts, False
    place = _places(column)
    lookup: Codes = np.array([place.get(level, other) for level in field.levels], dtype=code_type(len(column.levels)))
    return tuple(recoded(part, lookup) for part in field.parts), True


def _places(column: Column) -> dict[str, int]:
    """Give each level's place; one wrong cell in a file's column of booleans leaves TRUE and True as they are written."""
    place = {level: k for k, level in enumerate(column.levels)}
    if not set(place) <= set(BOOLEANS):
        return place
    return {written: k for level, k in place.items() for written in (level, level.upper(), level.capitalize())}


# --- another table -----------------------------------------------------------------------------------------------------


@dataclass
class Met:
    """What a table has that the fit did not see, counted in rows: levels, and missing values, by the column's name.

    labels : rows of another label than the two. no_weights : the column with the weights is not there.
    """

    levels: dict[str, Counter[str]] = of(default_factory=dict)
    missing: Counter[str] = of(default_factory=Counter)
    labels: int = 0
    no_weights: bool = False

    def notes(self, schema: Schema, unseen: str) -> tuple[str, ...]:
        """Say it, and what it counts as: one sentence a column and cause."""
        said = []
        for column in schema.columns:
            reference = f"treated as the reference {shown(column.levels[0])}" if column.levels else ""
            levels = self.levels.get(column.name)
            if levels:
                have = "has a level" if levels.total() == 1 else "have levels"
                treated = "treated as missing" if unseen == "missing" else reference
                said.append(
                    f"column {shown(column.name)}: {counted(levels.total(), 'row')} {have} that training never saw "
                    f"({some(sorted(levels), 3)}): {treated}"
                )
            lost = self.missing[column.name]
            if lost:
                misses = "misses" if lost == 1 else "miss"
                way = reference or f"the mean {column.mean:.6g} is used"
                said.append(
                    f"column {shown(column.name)}: {counted(lost, 'row')} {misses} it, as no training row did: {way}"
                )
        if self.labels:
            said.append(
                f"column {shown(schema.target)}: {counted(self.labels, 'row')} with a label that is neither "
                f"{shown(schema.negative)} nor {shown(schema.positive)}: taken as not known"
            )
        if self.no_weights:
            said.append(f"no column {shown(schema.weights or '')} with weights here: every row counts once")
        return tuple(said)


def encode(
    fields: Sequence[Field],
    columns: Sequence[Column],
    unseen: str,
    met: Met | None = None,
    *,
    first: int = 0,
) -> Design:
    """See another table's columns as the fit's coefficients.

    unseen : what a level counts as that the fit did not see. "error": it is refused, and so is a value that is missing where
    none was. "reference": the first level, and missing numbers the mean. "missing": a missing value, where the fit had some.
    met : takes in what was not seen. first : rows before these, for messages.

    Raises InputError for a column of another kind than it was, for infinite numbers, and for what `unseen` refuses.
    """
    met = Met() if met is None else met
    fields = [_as_learnt(field, column, first) for field, column in zip(fields, columns, strict=True)]
    for field, column, seen in zip(
        fields, columns, survey(fields, threads=thread_count(None), first=first), strict=True
    ):
        if seen.rows is not None:
            assert field.levels is not None
            known, rows = _places(column), seen.rows.tolist()
            strange = {level: n for level, n in zip(field.levels, rows, strict=True) if n and level not in known}
            if strange and (unseen == "error" or (unseen == "missing" and not column.missing)):
                raise _new_level(field, strange, first)
            if strange:
                met.levels.setdefault(column.name, Counter()).update(strange)
        if seen.lost and not column.missing:
            if unseen != "reference":
                row = first + int(np.argmax(np.isnan(field.values))) + 1
                what = f"has no value in row {row}, and had one in every row of the fit"
                raise mistaken(field.name, what, "fill it in")
            met.missing[column.name] += seen.lost
    return blocks_of(fields, columns, unseen)[0]


def _as_learnt(field: Field, column: Column, first: int) -> Field:
    """See a column as the kind that it was: a column without any value may be either."""
    is_number = column.kind == "number"
    if is_number == (field.levels is None):
        return field
    values = field.values
    if np.isnan(values).all():
        return Field(field.name, (Part(values if is_number else np.full(field.rows, -1), field.rows),),
                     None if is_number else ())  # fmt: skip
    if not is_number:
        way = f"it had the levels {some(column.levels, 3)}: write it as it was in training"
        raise mistaken(field.name, "has numbers and had categories in the fit", "turn it into categories", way)
    assert field.levels is not None
    words = [level for level in field.levels if not looks_like_number(level)]
    row, cell = first_row(field, words or field.levels)
    has = f"has {shown(cell)} in row {first + row + 1}" if words else "holds text here"
    way = f"mend the cell, or name it with {option('--na', cell)} if it means missing"
    raise mistaken(
        field.name,
        f"held numbers in training and {has}",
        "turn it into numbers",
        way if words else "write it as numbers",
    )


def first_row(field: Field, wanted: Collection[str]) -> tuple[int, str]:
    """First row, from 0, that has one of the wanted levels, and that level."""
    assert field.levels is not None
    codes = field.values
    row = int(np.argmax(np.isin(codes, [code for code, level in enumerate(field.levels) if level in wanted])))
    return row, field.levels[int(codes[row])]


def _new_level(field: Field, levels: Collection[str], first: int) -> InputError:
    row, level = first_row(field, levels)
    others = [other for other in levels if other != level]
    more = f" (nor {some(others)})" if others else ""
    what = f"has {level!r} in row {first + row + 1}, a level that the fit did not see{more}"
    way = "drop the row, or fit again with such rows"
    return mistaken(field.name, what, f"{way}, or take unseen='reference'", f"{way}, or take --unseen reference")


def _infinite(field: Field, rows: Index, first: int = 0) -> InputError:
    """Name the first of some rows that has an infinite number."""
    x = field.values[rows]
    k = int(np.argmax(np.isinf(x)))
    row = first + int(rows[k]) + 1
    return InputError(
        two_fronts(
            f"X has {x[k]} in row {row}, column {field.name!r}: fill it in, or drop the row",
            f"column {shown(field.name)} has an infinite number in row {row}: mend the cell, or leave it empty",
        )
    )


def scores(X: Any, columns: Sequence[Column], w: Vector, b: float, unseen: str = "error") -> Vector:
    """Log-odds z of a frame's rows, (m,), by the coefficients of a fit on such a frame."""
    if not is_frame(X):
        raise InputError(
            "the fit was on a table: give a pandas frame or an Arrow table with the columns that it had, or another frame, "
            f"not {type(X).__name__}"
        )
    fields = fields_of(X, [column.name for column in columns])
    if not fields[0].rows:
        raise InputError("X has no rows: give one at least")
    design = encode(fields, columns, unseen)
    z = np.empty(design.m)
    read(design, What.LOSS, y=None, s=None, w=w, b=b, z=z, threads=thread_count(None))
    if not np.isfinite(z).all():
        row = int(np.argmin(np.isfinite(z))) + 1
        raise InputError(f"row {row} has numbers that are too large for its log-odds: divide the columns by a constant")
    return z
