"""A file's table as a model reads it: its schema, learnt from the training rows, and all rows encoded by it."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from chainrule.data.encoding import Met, encode, first_row, learn
from chainrule.data.frames import UNNAMED_INDEX, Field, fields_of
from chainrule.data.labels import Floats, known_labels, label_kind, read_weights, target_labels
from chainrule.data.rows.decode import expanded
from chainrule.data.schema import Schema, feature_names
from chainrule.data.words import check_name, looks_like_number, option, shown, some
from chainrule.errors import InputError
from chainrule.kernels.design import Design
from chainrule.words import counted

Index = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Encoded:
    """A table as a model reads it.

    Parameters
    ----------
    design : Design
        All rows, m of them; coefficients as in `Schema.feature_names`, numbers in the table's units.
    y : (m,) float64, optional
        0., 1. or NaN where unknown; None where the table has no target column.
    weights : (m,) float64, optional
        0 where the label is unknown; None where the model has no weights or the table has none.
    notes : tuple of str
        What was filled in or not known, counted, one sentence each.
    """

    design: Design
    y: Floats | None
    weights: Floats | None
    notes: tuple[str, ...]

    @cached_property
    def X(self) -> Floats:
        """All rows as dense numbers, (m, n): a copy, for tables of a few rows."""
        return self.given(np.arange(self.design.m))

    def given(self, places: Index) -> Floats:
        """Give some rows as dense numbers, (k, n)."""
        return expanded(self.design, places, np.arange(self.design.n))

    @property
    def labels(self) -> Floats:
        """The classes; InputError where there are none."""
        if self.y is None:
            raise InputError("the target column is not in the table")
        return self.y


def learn_table(
    table: pa.Table,
    target: str,
    *,
    positive: str | None = None,
    features: Sequence[str] | None = None,
    drop: Sequence[str] = (),
    weights: str | None = None,
    split: Callable[[Floats, Floats | None, tuple[str, str]], Index] | None = None,
) -> tuple[Schema, Encoded, Index]:
    """Learn a table's schema from its training rows, and encode all of its rows.

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
    split : callable, optional
        From y, the weights and the two labels to the places, ascending, of the training rows, with both labels at positive
        weights; all rows with a label if not given.

    Returns
    -------
    Schema, Encoded, and the training rows, (k,) int64.

    Raises
    ------
    InputError
        A column, label, weight or number can't be used; names it.
    """
    often = Counter(table.column_names)
    check_name(target, often, "target column")
    negative, positive, y = target_labels(table.column(target), target, positive)
    names, notes = _feature_names(often, table.column_names, target, features, drop, weights)
    s = None if weights is None else read_weights(table, weights, ~np.isnan(y))
    train = np.flatnonzero(~np.isnan(y)) if split is None else split(y, s, (negative, positive))
    of_train = None if s is None else s[train]
    fields = fields_of(table, names, sort=True)
    for field in fields:
        _refuse_text_among_numbers(field)
    learnt = learn(fields, of_train, index=None if len(train) == len(y) else train, leave_out_constants=True)
    for column in learnt.columns:
        lost = learnt.missing.get(column.name)
        if lost:
            way = "a level of its own" if column.levels else f"the mean {column.mean:.6g} and a mark of its own"
            rows = f"{counted(lost, 'training row')} {'misses' if lost == 1 else 'miss'} it"
            notes.append(f"column {shown(column.name)}: {rows}: {way}")
    if learnt.constants:
        notes.append(f"constant column{'s' * (len(learnt.constants) > 1)} left out: {some(learnt.constants, 20)}")
    plain = [name for column in learnt.columns for name in column.design_names()]
    renamed = [name for name, wanted in zip(feature_names(learnt.columns), plain, strict=True) if name != wanted]
    if renamed:
        notes.append(f"columns of the design whose names were taken: {some(renamed, 20)}")
    kind = label_kind(table.column(target)) or "text"
    schema = Schema(target, negative, positive, learnt.columns, weights, tuple(notes), kind)
    met = Met()
    kept = {column.name for column in learnt.columns}
    design = encode([field for field in fields if field.name in kept], schema.columns, "reference", met)
    known = None if s is None else np.where(np.isnan(y), 0.0, s)
    return schema, Encoded(design, y, known, met.notes(schema, "reference")), train


def encode_table(
    schema: Schema,
    table: pa.Table,
    *,
    need_target: bool = False,
    unseen: str = "reference",
    met: Met | None = None,
    first: int = 0,
) -> Encoded:
    """See a table as a trained model does.

    Parameters
    ----------
    schema : Schema
        As learnt in training.
    table : pyarrow.Table
        With the schema's columns; others are ignored.
    need_target : bool
        Insist on the target column, on labels that the model knows and on usable weights.
    unseen, met, first
        As of `encode`.

    Raises
    ------
    InputError
        A column is not there, has text instead of numbers, or an infinite number; with `need_target` also an unknown
        label or a weight that can't be used.
    """
    often, met = Counter(table.column_names), Met() if met is None else met
    fields = fields_of(table, [column.name for column in schema.columns], sort=True)
    design = encode(fields, schema.columns, unseen, met, first=first)
    y = weights = None
    if need_target or schema.target in often:
        check_name(schema.target, often, "target column")
        y, strange = known_labels(table.column(schema.target), schema, strict=need_target, first=first)
        met.labels += strange
        name = schema.weights
        if name is not None and name in often and (need_target or label_kind(table.column(name)) == "number"):
            known = ~np.isnan(y)
            s = read_weights(table, name, known & need_target, first)
            weights = np.where(known & np.isfinite(s) & (s >= 0), s, 0.0)
        met.no_weights = need_target and name is not None and name not in often
    return Encoded(design, y, weights, met.notes(schema, unseen))


def _feature_names(
    often: Counter[str],
    names: Sequence[str],
    target: str,
    features: Sequence[str] | None,
    drop: Sequence[str],
    weights: str | None,
) -> tuple[list[str], list[str]]:
    """Choose the columns to train on; give them, and what is left out without being asked for, in words."""
    for name in (*(features or ()), *drop):
        check_name(name, often)
    if weights is not None:
        check_name(weights, often, "weights column")
    roles = [
        (target, "is the target", {"a feature": features or (), "left out": drop}),
        (weights, "holds the weights", {"the target": [target], "a feature": features or ()}),
    ]
    for role, what, others in roles:
        also = next((other for other, taken in others.items() if role in taken), None)
        if also is not None:
            raise InputError(f"column {shown(role or '')} {what} and can't be {also} too: name another")
    notes = []
    wanted = list(dict.fromkeys(features or ()))
    if features is None:
        unnamed = ", ".join(str(k) for k, name in enumerate(names, start=1) if name == "")
        index = [name for name in names if UNNAMED_INDEX.fullmatch(name)]
        if unnamed:
            notes.append(f"column {unnamed} of the table has no name and is left out")
        if index:
            notes.append(f"the index of a data frame is left out: {some(index)}")
        wanted = [name for name in names if name not in {"", target, weights, *index}]
    return [name for name in wanted if name not in set(drop)], notes


def _refuse_text_among_numbers(field: Field) -> None:
    """Refuse text of which 90 % or more, but not all, is numbers: one wrong cell makes the reader take all as text."""
    levels = field.levels or ()
    numeric = np.array([looks_like_number(level) for level in levels], dtype=np.bool_)
    if numeric.all() or not numeric.any():
        return
    codes = field.values
    rows = np.bincount(codes[codes >= 0.0].astype(np.intp), minlength=len(numeric))
    known, numbers = int(rows.sum()), int(rows @ numeric)
    if numbers < known and 10 * numbers >= 9 * known:
        row, cell = first_row(field, [level for level, good in zip(levels, numeric, strict=True) if not good])
        raise InputError(
            f"column {shown(field.name)} holds numbers but for {counted(known - numbers, 'cell')}, the first in row "
            f"{row + 1}: {shown(cell)}; mend the cell, name it with {option('--na', cell)} if it means missing, or leave "
            f"the column out with {option('--drop', field.name)}"
        )
