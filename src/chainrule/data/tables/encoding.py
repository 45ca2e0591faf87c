"""A table -> the design that a model reads: numbers, marks of missing ones, levels by treatment coding."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from chainrule.data.tables.cells import (
    Codes,
    Floats,
    coded,
    first_row,
    is_text,
    kind_of,
    looks_like_number,
    matched,
    numbers,
    refuse_infinite,
    refuse_other,
)
from chainrule.data.tables.labels import known_labels
from chainrule.data.tables.schema import Column, Schema
from chainrule.data.tables.words import check_name, counted, near, option, shown, some
from chainrule.errors import InputError

# rows whose part of X stays in the cache while its columns are written
_BLOCK = 4096


@dataclass(frozen=True, eq=False)
class Design:
    """A table as a model reads it.

    Parameters
    ----------
    X : (m, n) float64, C order
        Columns as in `Schema.feature_names`, in the table's units; finite.
    y : (m,) float64, optional
        0., 1. or NaN where unknown; None where the table has no target column.
    weights : (m,) float64, optional
        0 where the label is unknown; None where the model has no weights or the table has none.
    row_numbers : (m,) int64
        Rows counted from 1, without the header.
    notes : tuple of str
        What was filled in or not known, counted, one sentence each.
    """

    X: Floats
    y: Floats | None
    weights: Floats | None
    row_numbers: Codes
    notes: tuple[str, ...]


def encode(schema: Schema, table: pa.Table, *, need_target: bool = False) -> Design:
    """Turn a table into a design.

    Parameters
    ----------
    schema : Schema
        As learnt in training.
    table : pyarrow.Table
        With the schema's columns; others are ignored.
    need_target : bool
        Insist on the target column, on labels that the model knows and on usable weights.

    Returns
    -------
    Design

    Raises
    ------
    InputError
        A column is not there, has text instead of numbers, or an infinite number; with `need_target` also an unknown
        label or a weight that can't be used.
    """
    names = table.column_names
    notes: list[str] = []
    X = np.zeros((table.num_rows, len(schema.feature_names)))
    values: list[tuple[int, Floats]] = []
    at = 0
    for column in schema.columns:
        if column.name not in names:
            others = [name for name in names if name not in {other.name for other in schema.columns}]
            way = near(column.name, others) if others else "add it"
            raise InputError(f"the table has no column {shown(column.name)}, which the model reads: {way}")
        check_name(column.name, names)
        cells = table.column(column.name)
        if column.kind == "number":
            values += _number_columns(column, cells, at, notes)
        else:
            codes = _level_codes(column, cells, notes)
            rows = np.flatnonzero(codes > 0)
            X[rows, at - 1 + codes[rows]] = 1.0
        at += len(column.design_names())
    for start in range(0, table.num_rows, _BLOCK):
        block = X[start : start + _BLOCK]
        for place, x in values:
            block[:, place] = x[start : start + _BLOCK]
    y = _target(schema, table, need_target, notes)
    weights = _weights(schema, table, y, need_target, notes)
    return Design(X, y, weights, np.arange(1, table.num_rows + 1), tuple(notes))


def read_weights(table: pa.Table, name: str, rows: Codes) -> Floats:
    """Read the column of weights, (m,) float64, and check it in the given rows.

    Raises
    ------
    InputError
        It is no column of numbers, or a row's weight is missing, negative or infinite: names the row.
    """
    column = table.column(name)
    if kind_of(column) != "number":
        held = f"{column.type} in place of" if kind_of(column) != "empty" else "no"
        raise InputError(
            f"column {shown(name)} holds {held} numbers and can't be the weights: name another with --weights"
        )
    s = numbers(column)
    for bad, what in ((np.isnan(s), "no"), (s < 0, "a negative"), (np.isinf(s), "an infinite")):
        bad_rows = rows[bad[rows]]
        if bad_rows.size:
            raise InputError(
                f"column {shown(name)} has {what} weight in row {int(bad_rows.min()) + 1}: weights must be finite "
                "numbers, 0 or more; mend the cell"
            )
    return s


def _number_columns(column: Column, cells: Any, at: int, notes: list[str]) -> list[tuple[int, Floats]]:
    """Give the values and the mark of missing ones, each with its place in the design."""
    kind = kind_of(cells)
    if kind == "other":
        refuse_other(column.name, cells)
    if kind == "category":
        _refuse_text(column, cells)
    mean = column.mean if column.mean is not None else 0.0  # a number always has one
    x = np.full(len(cells), np.nan) if kind == "empty" else numbers(cells)
    refuse_infinite(column.name, x, may_drop=False)
    lost = np.isnan(x)
    n_lost = int(np.count_nonzero(lost))
    if n_lost and not column.missing:
        misses = "misses" if n_lost == 1 else "miss"
        notes.append(
            f"column {shown(column.name)}: {counted(n_lost, 'row')} {misses} it, as no training row did: "
            f"the mean {mean:.6g} is used"
        )
    filled = [] if column.constant else [np.where(lost, mean, x) if n_lost else x]
    marks = [lost.astype(np.float64)] if column.missing else []
    return [(at + k, part) for k, part in enumerate([*filled, *marks])]


def _refuse_text(column: Column, cells: Any) -> None:
    codes, levels = coded(cells)
    strange = np.array(
        [not (is_text(cells) and looks_like_number(level)) for level in levels] + [False], dtype=np.bool_
    )[codes]
    if strange.any():
        row = first_row(strange)
        cell = levels[codes[row - 1]]
        raise InputError(
            f"column {shown(column.name)} held numbers in training and has {shown(cell)} in row {row}: mend the cell, "
            f"or name it with {option('--na', cell)} if it means missing"
        )
    raise InputError(f"column {shown(column.name)} held numbers in training and holds text here: write it as numbers")


def _level_codes(column: Column, cells: Any, notes: list[str]) -> Codes:
    """Give each row's place among the levels, 0 for the reference and for what is treated as it."""
    kind = kind_of(cells)
    if kind == "other":
        refuse_other(column.name, cells)
    codes, levels = (np.full(len(cells), -1), ()) if kind == "empty" else coded(cells)
    places = matched(levels, column.levels)
    if kind == "number" and levels:
        if np.all(places < 0):
            raise InputError(
                f"column {shown(column.name)} holds the numbers {some(levels, 3)} and in training it had the levels "
                f"{some(column.levels, 3)}: write it as it was in training"
            )
        notes.append(f"column {shown(column.name)}: numbers here and levels in training: compared as written")
    lost = codes < 0
    places = places[codes]
    strange = (places < 0) & ~lost
    if strange.any():
        unknown = [levels[k] for k in np.unique(codes[strange])]
        n_strange = int(np.count_nonzero(strange))
        have = "has a level" if n_strange == 1 else "have levels"
        notes.append(
            f"column {shown(column.name)}: {counted(n_strange, 'row')} {have} that training never saw "
            f"({some(unknown, 3)}): treated as the reference {shown(column.levels[0])}"
        )
    if lost.any() and not column.missing:
        n_lost = int(np.count_nonzero(lost))
        misses = "misses" if n_lost == 1 else "miss"
        notes.append(
            f"column {shown(column.name)}: {counted(n_lost, 'row')} {misses} it, as no training row did: "
            f"treated as the reference {shown(column.levels[0])}"
        )
    return np.where(lost, len(column.levels) if column.missing else 0, np.maximum(places, 0))


def _target(schema: Schema, table: pa.Table, need: bool, notes: list[str]) -> Floats | None:
    if need or schema.target in table.column_names:
        check_name(schema.target, table.column_names, "target column")
    else:
        return None
    y, strange = known_labels(
        table, schema.target, schema.negative, schema.positive, kind=schema.label_kind, strict=need
    )
    if strange:
        notes.append(
            f"column {shown(schema.target)}: {counted(strange, 'row')} with a label that is neither "
            f"{shown(schema.negative)} nor {shown(schema.positive)}: taken as not known"
        )
    return y


def _weights(schema: Schema, table: pa.Table, y: Floats | None, need: bool, notes: list[str]) -> Floats | None:
    if schema.weights is None or y is None:
        return None
    if schema.weights not in table.column_names:
        if need:
            notes.append(f"no column {shown(schema.weights)} with weights here: every row counts once")
        return None
    known = ~np.isnan(y)
    if not need and kind_of(table.column(schema.weights)) != "number":
        return None
    s = read_weights(table, schema.weights, np.flatnonzero(known) if need else np.zeros(0, dtype=np.int64))
    return np.where(known & np.isfinite(s) & (s >= 0), s, 0.0)
