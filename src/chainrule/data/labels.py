"""Reads the labels of a file's rows as the classes 0 and 1, and their weights as numbers."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from chainrule.data.frames import coded, displayed, fields_of, is_text
from chainrule.data.inputs import check_sum
from chainrule.data.kinds import numbers_in
from chainrule.data.schema import BOOLEANS, LabelKind, Schema
from chainrule.data.words import looks_like_number, shown, some
from chainrule.errors import InputError
from chainrule.words import counted as count

Floats = npt.NDArray[np.float64]


def target_labels(column: Any, target: str, positive: str | None = None) -> tuple[str, str, Floats]:
    """Read the two labels and the classes of a table to train on.

    Parameters
    ----------
    column : pyarrow.ChunkedArray
        Two labels: numbers, booleans or text. A row without one is to be predicted.
    target : str
        The column's name.
    positive : str, optional
        The label of class 1; by default the second in sorted order (numbers by size, text by code point).

    Returns
    -------
    negative, positive : str
        The labels as displayed: "0", "true", "male".
    y : (m,) float64
        0. and 1., NaN where the label is missing.

    Raises
    ------
    InputError
        Fewer than two rows with a label; one label or more than two; `positive` is not one of them.
    """
    name, kind = shown(target), label_kind(column)
    if kind is None:
        what = f"values of the type {column.type}, which are no labels"
        raise InputError(f"column {name} holds {what}: name a target with two labels, or turn it into one")
    codes, levels = coded(column)
    known = int(np.count_nonzero(codes >= 0))
    if known < 2:
        raise InputError(f"only {count(known, 'row')} with a label in column {name}: at least two are needed to train")
    if len(levels) != 2:
        found = f"{count(len(levels), 'label')} ({some(levels, 8)})"
        raise InputError(f"column {name} has {found}, and two are needed: keep the rows of two labels")
    place = 1
    if positive is not None:
        meant = _compared(positive, kind)
        if meant not in levels:
            labels = " and ".join(map(shown, levels))
            raise InputError(f"the positive label {shown(positive)} is none of column {name}: its labels are {labels}")
        place = levels.index(meant)
    return levels[1 - place], levels[place], _classes(codes, place)


def _classes(codes: npt.NDArray[Any], place: int) -> Floats:
    return np.where(codes < 0, np.nan, codes == place)


def label_kind(column: Any) -> LabelKind | None:
    """Return the kind of labels, None if the type can't hold any. Labels are compared by kind, as types differ by file."""
    kind = getattr(column.type, "value_type", column.type)
    if pa.types.is_boolean(kind):
        return "boolean"
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "number"
    return "text" if is_text(kind) or pa.types.is_null(kind) else None


def known_labels(column: Any, schema: Schema, *, strict: bool, first: int = 0) -> tuple[Floats, int]:
    """Read a table's classes by a trained model's two labels, compared as the kind that they had in training.

    first : how many rows came before these, for messages.

    Returns
    -------
    y : (m,) float64
        0. and 1., NaN where the label is missing or, unless strict, not one of the two.
    strange : int
        The number of rows whose label is not one of the two.

    Raises
    ------
    InputError
        If strict and a label is not one of the two; names the first such row.
    """
    if pa.types.is_nested(column.type):
        column = pa.chunked_array([pa.nulls(len(column))])
    codes, written = coded(column)
    labels = (schema.negative, schema.positive)
    # a missing label's code, -1, picks the last entry
    places = {label: k for k, label in enumerate(labels)}
    found = np.array([*(places.get(_compared(level, schema.label_kind), -1) for level in written), -1])[codes]
    strange = (found < 0) & (codes >= 0)
    if strict and strange.any():
        row = int(np.argmax(strange))
        cell, known = shown(written[codes[row]]), " and ".join(map(shown, labels))
        what = f"the label {cell} in row {first + row + 1}, and the model knows {known}"
        raise InputError(f"column {shown(schema.target)} has {what}: mend it, or leave the cell empty")
    return _classes(found, 1), int(np.count_nonzero(strange))


def _compared(level: str, kind: LabelKind) -> str:
    """Spell a label in the standard way of its kind: the number 01 is 1, TRUE is true."""
    if kind == "number":
        return as_number(level)
    return level.lower() if kind == "boolean" and level.lower() in BOOLEANS else level


def as_number(cell: str) -> str:
    """Spell a cell that is a number as `displayed` does; other text stays as it is."""
    if not looks_like_number(cell):
        return cell
    return displayed(float(int(cell, 16)) if "x" in cell.lower() else float(cell))


def read_weights(table: pa.Table, name: str, rows: npt.NDArray[np.bool_], first: int = 0) -> Floats:
    """Read the column of weights, (m,) float64, and check it in the rows of the mask (m,).

    Raises
    ------
    InputError
        The column doesn't hold numbers, or a row's weight is missing, negative or infinite: names the row.
    """
    column = table.column(name)
    kind = label_kind(column)
    field = fields_of(table, [name])[0] if kind in ("number", "text") else None
    if field is not None and field.levels and all(map(looks_like_number, field.levels)):
        field, kind = numbers_in(field, "number"), "number"  # a file's numbers with leading zeros are text
    if field is None or kind != "number":
        what = (
            "no" if pa.types.is_null(column.type) else f"{getattr(column.type, 'value_type', column.type)} in place of"
        )
        raise InputError(f"column {shown(name)} holds {what} numbers: name other weights with --weights")
    s = field.values
    for bad, what in ((np.isnan(s), "no"), (s < 0, "a negative"), (np.isinf(s), "an infinite")):
        if (bad & rows).any():
            row = first + int(np.argmax(bad & rows)) + 1
            raise InputError(f"column {shown(name)} has {what} weight in row {row}: weights are finite and 0 or more")
    check_sum(f"column {shown(name)}", np.where(rows, s, 0.0), first)
    return s
