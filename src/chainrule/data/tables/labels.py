"""The two labels of a target column, and the classes 0 and 1 that stand for them."""

from typing import Any

import numpy as np
import pyarrow as pa

from chainrule.data.tables.cells import Floats, as_number, coded, first_row, kind_of, matched, refuse_other
from chainrule.data.tables.schema import LabelKind
from chainrule.data.tables.words import check_name, counted, shown, some
from chainrule.errors import InputError


def target_labels(table: pa.Table, target: str, positive: str | None = None) -> tuple[str, str, Floats]:
    """Read the two labels and the classes of a table to train on.

    Parameters
    ----------
    table : pyarrow.Table
        As `read_table` gives it.
    target : str
        Its column with two labels: numbers, booleans or text. A missing one is a row to be predicted.
    positive : str, optional
        The label that is class 1; the second in sorted order (numbers by size, text by code point) if not given.

    Returns
    -------
    negative, positive : str
        The labels as displayed: "0", "true", "male".
    y : (m,) float64
        0. and 1., NaN where the label is missing.

    Raises
    ------
    InputError
        No such column; fewer than two rows with a label; one label or more than two; `positive` is not one of them.
    """
    check_name(target, table.column_names, "target column")
    column = table.column(target)
    name = shown(target)
    kind = kind_of(column)
    if kind == "other":
        refuse_other(target, column, target=True)
    codes, levels = (np.full(table.num_rows, -1), ()) if kind == "empty" else coded(column)
    known = int(np.count_nonzero(codes >= 0))
    if known < 2:
        raise InputError(
            f"only {counted(known, 'row')} with a label in column {name}: at least two are needed to train"
        )
    if len(levels) == 1:
        raise InputError(f"column {name} has one label, {shown(levels[0])}: two are needed to train")
    if len(levels) > 2:
        raise InputError(
            f"column {name} has {len(levels):,} labels ({some(levels, 8)}): exactly two are needed; keep the rows of "
            "two, or make a column that joins them to two"
        )
    place = _place_of(positive, levels, name)
    y = np.where(codes < 0, np.nan, (codes == place).astype(np.float64))
    return levels[1 - place], levels[place], y


def label_kind(column: Any) -> LabelKind:
    """Tell what labels are: numbers, booleans or text. A CSV file's own guess must not change them later."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_boolean(kind):
        return "boolean"
    return "number" if kind_of(pa.chunked_array([], kind)) == "number" else "text"


def known_labels(
    table: pa.Table, target: str, negative: str, positive: str, *, kind: LabelKind, strict: bool
) -> tuple[Floats, int]:
    """Read the classes of a table by the two labels of a trained model, compared as what they were in training.

    Returns
    -------
    y : (m,) float64
        0. and 1., NaN where the label is missing or, unless strict, not one of the two.
    strange : int
        The number of rows whose label is not one of the two.

    Raises
    ------
    InputError
        Strict, and a label is not one of the two: names the first such row.
    """
    column = table.column(target)
    held = kind_of(column)
    if held in ("empty", "other"):
        if held == "other" and strict:
            refuse_other(target, column, target=True)
        known = table.num_rows - column.null_count
        return np.full(table.num_rows, np.nan), known
    codes, levels = coded(column)
    names: tuple[str, ...] = (negative, positive)
    if kind == "number":  # 01 is 1, as a CSV file's reader would have it
        levels = tuple(as_number(level) for level in levels)
    elif kind == "text" and held == "number" and as_number(negative) == as_number(positive):
        if strict:
            raise InputError(
                f"column {shown(target)} holds numbers here and the labels {shown(negative)} and {shown(positive)} are "
                "text: write it as text"
            )
        names = ()
    # -1 of a missing row picks the last place, which `matched` makes -1
    places = matched(levels, names)[codes]
    strange = (places < 0) & (codes >= 0)
    if strict and strange.any():
        row = first_row(strange)
        raise InputError(
            f"column {shown(target)} has the label {shown(levels[codes[row - 1]])} in row {row}, and the model knows "
            f"{shown(negative)} and {shown(positive)}: mend it, or leave the cell empty"
        )
    return np.where(places < 0, np.nan, places.astype(np.float64)), int(np.count_nonzero(strange))


def _place_of(positive: str | None, levels: tuple[str, ...], name: str) -> int:
    if positive is None:
        return 1
    if positive in levels:
        return levels.index(positive)
    same: list[Any] = [level for level in levels if _same(level, positive)]
    if len(same) == 1:
        return levels.index(same[0])
    raise InputError(
        f"the positive label {shown(positive)} is none of column {name}: its labels are {shown(levels[0])} and "
        f"{shown(levels[1])}"
    )


def _same(level: str, label: str) -> bool:
    """1 is 1.0, and true is True."""
    if level in ("true", "false"):
        return level == label.lower()
    try:
        return float(level) == float(label)
    except ValueError:
        return False
