"""The one encoder: what a fit learns of columns, and columns as blocks of its coefficients.

Categories are codes everywhere. A missing number counts as the column's mean, and a coefficient of its own marks it where rows
of the fit miss it; a missing category is a level.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from dataclasses import field as of
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data.frames import Codes, Field, Parts, code_type, fields_of, is_frame, recoded
from chainrule.data.rows import power_of_two
from chainrule.data.rows.decode import part_values, present, values_of
from chainrule.data.schema import BOOLEANS, Column
from chainrule.data.words import looks_like_number, mistaken, option, shown, some, unusable
from chainrule.errors import InputError
from chainrule.findings import two_fronts
from chainrule.kernels.design import CategoryColumn, CodeError, Design, NumberColumn, Part
from chainrule.kernels.reader import extremes, level_counts, missing_counts, read
from chainrule.kernels.reading import What, thread_count, useful_threads
from chainrule.words import counted

Vector = NDArray[np.float64]
Index = NDArray[np.int64]
Block = NumberColumn | CategoryColumn

CODINGS = ("reference", "all")
UNSEEN = ("error", "reference", "missing")


@dataclass(frozen=True)
class Learnt:
    """What the rows of positive weight showed of columns.

    level_rows : how many have each level of a category, by its place; last, where there are some, those without a level.
    missing : how many rows miss a column, by its name, where some do. constants : names of columns left out.
    """

    columns: tuple[Column, ...]
    level_rows: dict[int, NDArray[np.int64]]
    missing: dict[str, int]
    constants: tuple[str, ...] = ()


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
    threads = useful_threads((fields[0].rows // 8, len(fields)), threads)  # counting is an eighth of a read
    counts = _level_rows(_raw(fields), fields, s, index, threads)
    numbers = _numbers(fields, s, index, threads, leave_out_constants)
    columns: list[Column] = []
    constants = []
    level_rows, missing = {}, {}
    for k, field in enumerate(fields):
        if field.levels is None:
            column, lost = numbers[k]
            rows = None
        else:
            rows = counts[k]
            levels = tuple(level for level, count in zip(field.levels, rows, strict=False) if count)
            if not levels:
                raise _no_value(field, s, index)
            lost = int(rows[-1])
            column = Column(field.name, "category", lost > 0, levels=levels, all_levels=coding == "all")
        column = replace(column, constant=column.constant and leave_out_constants)
        if lost:
            missing[field.name] = lost
        if leave_out_constants and not column.design_names():
            constants.append(field.name)
            continue
        if rows is not None:
            level_rows[len(columns)] = rows[rows > 0]
        columns.append(column)
    return Learnt(tuple(columns), level_rows, missing, tuple(constants))


def _level_rows(
    raw: Design, fields: Sequence[Field], s: Vector | None, index: Index | None, threads: int = 1
) -> dict[int, NDArray[np.int64]]:
    """Count the rows of positive weight of each level of a category, by its place; last are those without a value."""
    try:
        counts = level_counts(raw, y=None, s=s, index=index, threads=threads)
    except CodeError as error:
        raise _no_level(fields[error.column]) from None
    rows = {k: of.sum(axis=1) for k, of in counts.items()}
    bad = next((k for k, of in rows.items() if of[-2]), None)
    if bad is not None:
        raise _no_level(fields[bad])
    return {k: np.delete(of, -2) for k, of in rows.items()}


def _raw(fields: Sequence[Field]) -> Design:
    """Columns as they come, before anything is known: missing numbers as 0, missing levels as one more."""
    columns: list[Block] = []
    at = 0
    for field in fields:
        if field.levels is None:
            columns.append(NumberColumn(field.parts, at, 0.0))
            at += 1
        else:
            slots = len(field.levels) + 2  # one for codes of no level, which none may have, and one for missing values
            columns.append(CategoryColumn(field.parts, at, slots, 0, slots - 1))
            at += slots
    return Design(columns, fields[0].rows, at)


def _numbers(
    fields: Sequence[Field], s: Vector | None, index: Index | None, threads: int, constants: bool
) -> dict[int, tuple[Column, int]]:
    """Learn the fields of numbers, by their places, and how many rows miss each: a read of these, or two.

    constants : which columns have one value only matters, also of those that miss none. The rounded mean of equal numbers may
    be another one: they are filled in by the number itself, and stay constant.
    """
    places = [k for k, field in enumerate(fields) if field.levels is None]
    if not places:
        return {}
    table = _raw([fields[k] for k in places])
    given: dict[str, Any] = {"s": s, "index": index, "threads": threads}
    missing, sums = missing_counts(table, **given), read(table, What.SUMS, **given)
    assert sums.sums is not None
    rows = table.m if index is None else len(index)
    found, means = {}, {}
    for k, total, lost in zip(places, sums.sums.tolist(), missing.tolist(), strict=True):
        is_plain = np.isfinite(total) and (s is None or not lost) and lost < rows
        mean = total / (rows - lost if s is None else sums.weight) if is_plain else _mean(fields[k], s, index)
        found[k] = (Column(fields[k].name, "number", lost > 0, mean), lost)
        if lost or constants:
            means[k] = mean
    if means:
        # A value that is there stands in for missing ones: the extremes are then those of the column.
        first = {k: _value_of(fields[k], index, s) for k in means}
        blocks = [NumberColumn(fields[k].parts, at, fill) for at, (k, fill) in enumerate(first.items())]
        lows, highs = extremes(Design(blocks, table.m, len(blocks)), **given)
        for k, low, high in zip(means, lows.tolist(), highs.tolist(), strict=True):
            mean = min(max(means[k], low), high)
            found[k] = (replace(found[k][0], mean=mean, constant=low == high), found[k][1])
    return found


def _value_of(field: Field, index: Index | None, s: Vector | None) -> float:
    """Give the first number that is there in a row of positive weight."""
    places = np.arange(field.rows) if index is None else index
    places = places if s is None else places[s > 0]
    for first in range(0, len(places), 4096):
        x = values_of(NumberColumn(field.parts, 0), places[first : first + 4096])
        if not np.isnan(x).all():
            return float(x[~np.isnan(x)][0])
    return 0.0


def _mean(field: Field, s: Vector | None, index: Index | None) -> float:
    """Weighted mean of a column's numbers that are there, where a plain sum would not give it."""
    x = values_of(NumberColumn(field.parts, 0), np.arange(field.rows) if index is None else index)
    there = ~np.isnan(x) if s is None else ~np.isnan(x) & (s > 0)
    if not there.any():
        raise _no_value(field, s, index)
    bad = np.flatnonzero(there & np.isinf(x))
    if len(bad):
        row = int(bad[0] if index is None else index[bad[0]])
        raise InputError(
            f"X has {x[bad[0]]} in row {row + 1}, column {field.name!r}: "
            "fill it in, drop the row, or give the row weight 0"
        )
    x, weights = x[there], None if s is None else s[there]
    p = float(power_of_two(np.abs(x).max()))  # so that no sum overflows
    if weights is not None:
        weights = weights * power_of_two(weights.max())
    return float(np.average(x * p, weights=weights)) / p


def _no_value(field: Field, s: Vector | None, index: Index | None) -> InputError:
    of = "" if s is None or s.all() else " of positive weight"
    return unusable(field.name, f"has no value in any {'' if index is None else 'training '}row{of}")


# --- columns as blocks -------------------------------------------------------------------------------------------------


def blocks_of(fields: Sequence[Field], columns: Sequence[Column], unseen: str = "error") -> tuple[Design, int]:
    """Put columns together as they were learnt: the design, and how many of them were copied.

    unseen : what a value counts as that the fit did not see. By "error" only rows that are not read may have one.
    """
    blocks: list[Block] = []
    at = copies = 0
    for field, column in zip(fields, columns, strict=True):
        if column.constant:
            marks = tuple(Part((~present(part)).view(np.int8), part.rows) for part in field.parts)
            blocks.append(CategoryColumn(marks, at, 2))
            copies += 1
        elif column.kind == "number":
            fill = column.mean if column.missing or unseen == "reference" else None
            blocks.append(NumberColumn(field.parts, at, fill, at + 1 if column.missing else None))
            copies += field.copied
        else:
            parts, copied = _codes(field, column, 0 if unseen == "reference" else -1)
            k = len(column.levels)
            lost = k if column.missing else 0 if unseen == "reference" else None
            blocks.append(CategoryColumn(parts, at, k + column.missing, int(not column.all_levels), lost))
            copies += copied or field.copied
        at += len(column.design_names())
    if not at:
        raise InputError("no column has two levels or two values: there is nothing to fit")
    return Design(blocks, fields[0].rows, at), copies


def _codes(field: Field, column: Column, other: int) -> tuple[Parts, bool]:
    """Give codes into the levels learnt, `other` for levels that are none of them: as they lie where all are, else a copy."""
    assert field.levels is not None
    if field.levels == column.levels:
        return field.parts, False
    place = {level: k for k, level in enumerate(column.levels)}
    lookup: Codes = np.array([place.get(level, other) for level in field.levels], dtype=code_type(len(place)))
    return tuple(recoded(field.name, part, lookup) for part in field.parts), True


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

    def notes(self, columns: Sequence[Column], unseen: str) -> list[str]:
        """Say it, and what it counts as: one sentence a column and cause."""
        said = []
        for column in columns:
            reference = f"treated as the reference {shown(column.levels[0])}" if column.levels else ""
            levels = self.levels.get(column.name)
            if levels:
                rows = levels.total()
                have = "has a level" if rows == 1 else "have levels"
                treated = "treated as missing" if unseen == "missing" else reference
                said.append(
                    f"column {shown(column.name)}: {counted(rows, 'row')} {have} that training never saw "
                    f"({some(sorted(levels), 3)}): {treated}"
                )
            lost = self.missing[column.name]
            if lost:
                misses = "misses" if lost == 1 else "miss"
                way = reference if column.kind == "category" else f"the mean {column.mean:.6g} is used"
                said.append(
                    f"column {shown(column.name)}: {counted(lost, 'row')} {misses} it, as no training row did: {way}"
                )
        return said


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
    met : takes in what was not seen; infinite numbers are then refused. first : rows before these, for messages.

    Raises InputError for a column of another kind than it was, and for what `unseen` refuses.
    """
    fields = [_as_learnt(field, column, first) for field, column in zip(fields, columns, strict=True)]
    raw = _raw(fields)
    if met is not None:
        refuse_infinite(fields, first)
    counts, lost = _level_rows(raw, fields, None, None), missing_counts(raw, s=None)
    for k, (field, column) in enumerate(zip(fields, columns, strict=True)):
        if field.levels is not None:
            known = set(column.levels)
            rows = counts[k].tolist()
            strange = {v: n for v, n in zip(field.levels, rows, strict=False) if n and v not in known}
            if strange and (unseen == "error" or (unseen == "missing" and not column.missing)):
                raise _new_level(field, list(strange), first)
            if strange and met is not None:
                met.levels.setdefault(column.name, Counter()).update(strange)
        if lost[k] and not column.missing:
            if unseen != "reference":
                raise _lost(field, first)
            if met is not None:
                met.missing[column.name] += int(lost[k])
    return blocks_of(fields, columns, unseen)[0]


def _as_learnt(field: Field, column: Column, first: int) -> Field:
    """See a column as the kind that it was: a column without any value may be either."""
    is_number = column.kind == "number"
    if is_number != (field.levels is None):
        if field.has_value:
            raise _no_number(field, first) if is_number else mistaken(
                field.name, "has numbers and had categories in the fit", "turn it into categories",
                f"it had the levels {some(column.levels, 3)}: write it as it was in training",
            )  # fmt: skip
        empty = np.full(field.rows, np.nan) if is_number else np.full(field.rows, -1, dtype=np.int8)
        return Field(field.name, (Part(empty, len(empty)),), None if is_number else ())
    if not is_number and set(column.levels) <= set(
        BOOLEANS
    ):  # a file's one wrong cell leaves TRUE and True as they are
        assert field.levels is not None
        lower = [v.lower() if v in ("True", "TRUE", "False", "FALSE") else v for v in field.levels]
        place = {level: k for k, level in enumerate(dict.fromkeys(lower))}
        lookup = np.array([place[v] for v in lower], dtype=np.int32)
        return Field(field.name, tuple(recoded(field.name, p, lookup) for p in field.parts), tuple(place), True)
    return field


def first_row(field: Field, wanted: NDArray[np.bool_]) -> tuple[int, str]:
    """First row, from 0, that has one of the wanted levels, (levels,), and that level."""
    assert field.levels is not None
    before = 0
    for part in field.parts:
        rows = np.flatnonzero(present(part, is_code=True))
        bad = rows[wanted[part.values[rows]]]
        if len(bad):
            return before + int(bad[0]), field.levels[int(part.values[bad[0]])]
        before += part.rows
    return before, ""


def _no_number(field: Field, first: int) -> InputError:
    assert field.levels is not None
    good = [looks_like_number(level) for level in field.levels]
    row, cell = first_row(field, ~np.array(good, dtype=np.bool_))
    na = f"mend the cell, or name it with {option('--na', cell)} if it means missing"
    has = "holds text here: write it as numbers" if all(good) else f"has {shown(cell)} in row {first + row + 1}: {na}"
    return InputError(
        two_fronts(
            f"column {field.name!r} has categories and had numbers in the fit: turn it into numbers",
            f"column {shown(field.name)} held numbers in training and {has}",
        )
    )


def _new_level(field: Field, levels: list[str], first: int) -> InputError:
    assert field.levels is not None
    row, level = first_row(field, np.isin(np.array(field.levels, dtype=object), levels))
    others = [other for other in levels if other != level]
    more = f" (nor {some(others)})" if others else ""
    what = f"has {level!r} in row {first + row + 1}, a level that the fit did not see{more}"
    way = "drop the row, or fit again with such rows"
    return mistaken(field.name, what, f"{way}, or take unseen='reference'", f"{way}, or take --unseen reference")


def _no_level(field: Field) -> InputError:
    assert field.levels is not None
    codes = values_of(CategoryColumn(field.parts, 0, len(field.levels)), np.arange(field.rows))
    row = int(np.argmax(codes >= len(field.levels)))
    return mistaken(field.name, f"has code {codes[row]:.0f} in row {row + 1}, of no level", "make it anew")


def _lost(field: Field, first: int) -> InputError:
    row = 0
    for part in field.parts:
        there = present(part, field.levels is not None)
        row += part.rows if there.all() else int(np.argmin(there))
        if not there.all():
            break
    return mistaken(
        field.name, f"has no value in row {first + row + 1}, and had one in every row of the fit", "fill it in"
    )


def refuse_infinite(fields: Sequence[Field], first: int = 0, *, may_drop: bool = False) -> None:
    """Refuse infinite numbers, naming the first row of a column that has one.

    first : rows before these. may_drop : the column may be left out, since the model is still to be trained.
    """
    numbers = [field for field in fields if field.levels is None]
    if not numbers:
        return
    for field, low, high in zip(numbers, *extremes(_raw(numbers)), strict=True):
        if not np.isfinite([low, high]).all():
            x = np.concatenate([part_values(part, slice(None)) for part in field.parts])
            row = int(np.argmax(np.isinf(x)))
            where, drop = f"in row {first + row + 1}", f", or leave the column out with {option('--drop', field.name)}"
            ways = "mend the cell, or leave it empty if it is not known" + drop * may_drop
            raise InputError(
                two_fronts(
                    f"column {field.name!r} has {x[row]} {where}: fill it in",
                    f"column {shown(field.name)} has an infinite number {where}: {ways}",
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
        refuse_infinite(fields)
        row = int(np.argmin(np.isfinite(z))) + 1
        raise InputError(f"row {row} has numbers that are too large for its log-odds: divide the columns by a constant")
    return z
