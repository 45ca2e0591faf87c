"""Learn from the training rows what a table's columns are."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from chainrule.data.tables.cells import (
    Codes,
    Floats,
    coded,
    is_text,
    kind_of,
    looks_like_number,
    numbers,
    refuse_infinite,
    refuse_other,
)
from chainrule.data.tables.encoding import read_weights
from chainrule.data.tables.labels import label_kind, target_labels
from chainrule.data.tables.schema import Column, Schema
from chainrule.data.tables.words import check_name, counted, option, shown, some
from chainrule.errors import InputError

MAX_LEVELS = 1000
_INDEX = re.compile(r"__index_level_\d+__")


def learn_schema(
    table: pa.Table,
    target: str,
    *,
    positive: str | None = None,
    features: Sequence[str] | None = None,
    drop: Sequence[str] = (),
    weights: str | None = None,
    rows: npt.ArrayLike | None = None,
) -> Schema:
    """Learn the schema from a table's training rows.

    Parameters
    ----------
    table : pyarrow.Table
        As `read_table` gives it.
    target : str
        Column with two labels.
    positive : str, optional
        Label of class 1; the second in sorted order if not given.
    features : sequence of str, optional
        Columns to use, in this order; all but the target, the weights and unnamed ones if not given.
    drop : sequence of str
        Columns to leave out.
    weights : str, optional
        Column with weights, each finite and not negative; a row of weight 0 is as good as not there.
    rows : (k,) int, optional
        Places, from 0, of the training rows; all if not given. Rows without a label are never training rows.

    Raises
    ------
    InputError
        A column, label, weight or number can't be used; names it.
    """
    negative, positive, y = target_labels(table, target, positive)
    notes: list[str] = []
    names = _feature_names(table, target, features, drop, weights, notes)
    train = _training_rows(y, rows)
    s: Floats | None = None
    if weights is not None:
        s = read_weights(table, weights, train)[train]
        train, s = train[s > 0], s[s > 0]
    _check_classes(y[train], target, negative, positive)
    columns, constant = [], []
    for name in names:
        column, n_missing = _learn_column(name, table.column(name), train, s)
        if column.design_names():
            columns.append(column)
        else:
            constant.append(name)
        if n_missing:
            notes.append(_missing_note(column, n_missing))
    if constant:
        notes.append(f"constant {'column' if len(constant) == 1 else 'columns'} left out: {some(constant, 20)}")
    if not columns:
        raise InputError(
            "no column is left to train on: each is the target, left out, or constant in the training rows"
        )
    schema = Schema(
        target, negative, positive, tuple(columns), weights, tuple(notes), label_kind(table.column(target))
    )  # fmt: skip
    renamed = [name for name, plain in zip(schema.feature_names, _plain_names(schema), strict=True) if name != plain]
    if renamed:
        notes.append(f"columns of the design whose names were taken: {some(renamed, 20)}")
    return replace(schema, notes=tuple(notes))


def constants(table: pa.Table, rows: Codes, but: Sequence[str]) -> dict[str, float]:
    """Give the numbers that have one value only in these rows (places from 0), where they have any; `but` these columns."""
    found = {}
    for name in table.column_names:
        if name not in but and table.column_names.count(name) == 1 and kind_of(table.column(name)) == "number":
            x = numbers(table.column(name))[rows]
            values = np.unique(x[np.isfinite(x)])
            if len(values) == 1:
                found[name] = float(values[0])
    return found


def _plain_names(schema: Schema) -> list[str]:
    return [name for column in schema.columns for name in column.design_names()]


def _feature_names(
    table: pa.Table,
    target: str,
    features: Sequence[str] | None,
    drop: Sequence[str],
    weights: str | None,
    notes: list[str],
) -> list[str]:
    names = table.column_names
    for name in (*(features or ()), *drop):
        check_name(name, names)
    if target in (features or ()):
        raise InputError(f"column {shown(target)} is the target and can't be a feature too: take it out of --features")
    if target in drop:
        raise InputError(f"column {shown(target)} is the target: take it out of --drop")
    if weights is not None:
        check_name(weights, names, "weights column")
        if weights == target or weights in (features or ()):
            also = "the target" if weights == target else "a feature"
            raise InputError(f"column {shown(weights)} holds the weights and can't be {also} too: name another")
    if features is not None:
        wanted = list(dict.fromkeys(features))
    else:
        unnamed = [k for k, name in enumerate(names, start=1) if name == ""]
        if unnamed:
            places = "column " + ", ".join(str(k) for k in unnamed)
            notes.append(f"{places} of the table has no name and is left out")
        index = [name for name in names if _INDEX.fullmatch(name)]
        if index:
            notes.append(f"the index of a data frame is left out: {some(index)}")
        wanted = [name for name in names if name not in ("", target, weights, *index)]
    kept = [name for name in wanted if name not in drop]
    for name in kept:
        check_name(name, names)
    if not kept:
        raise InputError("no column is left to train on: name some with --features, or leave out fewer with --drop")
    return kept


def _training_rows(y: Floats, rows: npt.ArrayLike | None) -> Codes:
    known = np.flatnonzero(~np.isnan(y))
    if rows is None:
        return known
    chosen = np.asarray(rows, dtype=np.int64)
    if chosen.ndim != 1 or (chosen.size and (chosen.min() < 0 or chosen.max() >= y.size)):
        raise InputError(f"rows must be places from 0 to {y.size - 1} in one list")
    chosen = chosen[~np.isnan(y[chosen])]
    if chosen.size < 2:
        raise InputError(f"only {counted(chosen.size, 'row')} with a label to train on: at least two are needed")
    return chosen


def _check_classes(y: Floats, target: str, negative: str, positive: str) -> None:
    for value, label, other in ((0.0, negative, positive), (1.0, positive, negative)):
        if not np.any(y == value):
            raise InputError(
                f"the training rows have no label {shown(label)} in column {shown(target)}, only {shown(other)}: rows "
                "of both labels, with weights above 0, are needed"
            )


def _learn_column(name: str, column: Any, train: Codes, s: Floats | None) -> tuple[Column, int]:
    kind = kind_of(column)
    if kind == "other":
        refuse_other(name, column)
    if kind == "number":
        return _learn_number(name, numbers(column)[train], train, s)
    if kind == "empty":
        _refuse_empty(name)
    codes, levels = coded(column)
    if is_text(column):
        _refuse_text_among_numbers(name, codes, levels)
    found = np.unique(codes[train])
    seen = found[found >= 0]
    if seen.size == 0:
        _refuse_empty(name)
    if seen.size > MAX_LEVELS:
        raise InputError(
            f"column {shown(name)} has {seen.size:,} levels, and at most {MAX_LEVELS:,} can be used: leave it out with "
            f"{option('--drop', name)}, or join levels"
        )
    n_missing = int(np.count_nonzero(codes[train] < 0))
    return Column(name, "category", n_missing > 0, levels=tuple(levels[k] for k in seen)), n_missing


def _learn_number(name: str, x: Floats, train: Codes, s: Floats | None) -> tuple[Column, int]:
    refuse_infinite(name, x, train + 1)
    known = ~np.isnan(x)
    if not known.any():
        _refuse_empty(name)
    values = x[known]
    low, high = float(values.min()), float(values.max())
    mean = low if low == high else _mean(values, None if s is None else s[known])
    n_missing = int(np.count_nonzero(~known))
    return Column(name, "number", n_missing > 0, min(max(mean, low), high), low == high), n_missing


def _mean(x: Floats, s: Floats | None) -> float:
    """Weighted mean: sum(s x) / sum(s), scaled by powers of two, which are exact, so that nothing overflows."""
    shift = int(np.frexp(np.abs(x).max())[1])
    scaled = np.ldexp(x, -shift)
    if s is None:
        mean = float(np.mean(scaled))
    else:
        weight = np.ldexp(s, -int(np.frexp(s.max())[1]))
        mean = float(np.sum(weight * scaled) / np.sum(weight))
    return float(np.ldexp(mean, shift))


def _refuse_empty(name: str) -> None:
    raise InputError(
        f"column {shown(name)} has no value in any training row: leave it out with {option('--drop', name)}"
    )


def _refuse_text_among_numbers(name: str, codes: Codes, levels: tuple[str, ...]) -> None:
    """Refuse text of which 90 % or more, but not all, is numbers: one wrong cell makes the reader take all as text."""
    numeric = np.array([looks_like_number(level) for level in levels] + [True], dtype=np.bool_)[codes]
    known = int(np.count_nonzero(codes >= 0))
    n_numbers = int(np.count_nonzero(numeric & (codes >= 0)))
    if n_numbers < known and 10 * n_numbers >= 9 * known:
        row = int(np.argmin(numeric))
        cell = levels[codes[row]]
        raise InputError(
            f"column {shown(name)} holds numbers but for {counted(known - n_numbers, 'cell')}, the first in row "
            f"{row + 1}: {shown(cell)}; mend the cell, name it with {option('--na', cell)} if it means missing, or leave "
            f"the column out with {option('--drop', name)}"
        )


def _missing_note(column: Column, n_missing: int) -> str:
    way = "a level of its own" if column.kind == "category" else f"the mean {column.mean:.6g} and a mark of its own"
    misses = "misses" if n_missing == 1 else "miss"
    return f"column {shown(column.name)}: {counted(n_missing, 'training row')} {misses} it: {way}"
