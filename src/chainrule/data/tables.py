"""A file's table as a model reads it: its schema, learnt from the training rows, and all rows encoded by it."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from chainrule.data.encoding import Met, encode, first_row, learn, refuse_infinite
from chainrule.data.frames import UNNAMED_INDEX, Field, fields_of, is_text
from chainrule.data.labels import Floats, known_labels, label_kind, read_weights, target_labels
from chainrule.data.rows.decode import expanded, present
from chainrule.data.schema import Column, Schema
from chainrule.data.words import check_name, looks_like_number, near, option, shown, some
from chainrule.errors import InputError
from chainrule.kernels import Design
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
        From y, the weights and the two labels to the places, ascending, of the training rows; all rows with a label if not
        given.

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
    notes: list[str] = []
    names = _feature_names(often, table.column_names, target, features, drop, weights, notes)
    s = None if weights is None else read_weights(table, weights, ~np.isnan(y))
    train = np.flatnonzero(~np.isnan(y)) if split is None else split(y, s, (negative, positive))
    of_train = None if s is None else s[train]
    for value, label, other in ((0.0, negative, positive), (1.0, positive, negative)):
        if not np.any((y[train] == value) & (True if of_train is None else of_train > 0)):
            raise InputError(
                f"the training rows have no label {shown(label)} in column {shown(target)}, only {shown(other)}: rows "
                "of both labels, with weights above 0, are needed"
            )
    fields = fields_of(table, names, sort=True)
    for field in fields:
        if is_text_column(table.column(field.name)):
            _refuse_text_among_numbers(field)
    refuse_infinite(fields, may_drop=True)
    learnt = learn(fields, of_train, index=None if len(train) == len(y) else train, leave_out_constants=True)
    notes += [
        _missing_note(column, learnt.missing[column.name]) for column in learnt.columns if column.name in learnt.missing
    ]
    if learnt.constants:
        notes.append(f"constant column{'s' * (len(learnt.constants) > 1)} left out: {some(learnt.constants, 20)}")
    if not learnt.columns:
        raise InputError(
            "no column is left to train on: each is the target, left out, or constant in the training rows"
        )
    kind = label_kind(table.column(target)) or "text"
    schema = Schema(target, negative, positive, learnt.columns, weights, (), kind)
    plain = [name for column in schema.columns for name in column.design_names()]
    renamed = [name for name, wanted in zip(schema.feature_names, plain, strict=True) if name != wanted]
    if renamed:
        notes.append(f"columns of the design whose names were taken: {some(renamed, 20)}")
    schema = Schema(target, negative, positive, learnt.columns, weights, tuple(notes), kind)
    kept, met = {column.name for column in learnt.columns}, Met()
    design = encode([field for field in fields if field.name in kept], schema.columns, "reference", met)
    known = None if s is None else np.where(np.isnan(y), 0.0, s)
    return schema, Encoded(design, y, known, tuple(met.notes(schema.columns, "reference"))), train


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
    often = Counter(table.column_names)
    mine = {column.name for column in schema.columns}
    for column in schema.columns:
        if column.name not in often:
            others = [name for name in often if name not in mine]
            way = near(column.name, others) if others else "add it"
            raise InputError(f"the table has no column {shown(column.name)}, which the model reads: {way}")
        check_name(column.name, often)
    met = Met() if met is None else met
    fields = fields_of(table, [column.name for column in schema.columns], sort=True)
    design = encode(fields, schema.columns, unseen, met, first=first)
    y = weights = None
    if need_target or schema.target in often:
        check_name(schema.target, often, "target column")
        y, strange = known_labels(table.column(schema.target), schema, strict=need_target, first=first)
        met.labels += strange
        weights = _weights(schema, table, y, need_target, met, first)
    return Encoded(design, y, weights, tuple(notes_of(schema, met, unseen)))


def notes_of(schema: Schema, met: Met, unseen: str) -> list[str]:
    """Say what a table had that training never saw."""
    notes = met.notes(schema.columns, unseen)
    if met.labels:
        notes.append(
            f"column {shown(schema.target)}: {counted(met.labels, 'row')} with a label that is neither "
            f"{shown(schema.negative)} nor {shown(schema.positive)}: taken as not known"
        )
    if met.no_weights:
        notes.append(f"no column {shown(schema.weights or '')} with weights here: every row counts once")
    return notes


def is_text_column(column: pa.ChunkedArray) -> bool:
    """Whether the cells are text, be they written out or as a dictionary."""
    return is_text(getattr(column.type, "value_type", column.type))


def _feature_names(
    often: Counter[str],
    names: Sequence[str],
    target: str,
    features: Sequence[str] | None,
    drop: Sequence[str],
    weights: str | None,
    notes: list[str],
) -> list[str]:
    for name in (*(features or ()), *drop):
        check_name(name, often)
    if target in (features or ()):
        raise InputError(f"column {shown(target)} is the target and can't be a feature too: take it out of --features")
    if target in drop:
        raise InputError(f"column {shown(target)} is the target: take it out of --drop")
    if weights is not None:
        check_name(weights, often, "weights column")
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
        index = [name for name in names if UNNAMED_INDEX.fullmatch(name)]
        if index:
            notes.append(f"the index of a data frame is left out: {some(index)}")
        aside = {"", target, weights, *index}
        wanted = [name for name in names if name not in aside]
    left_out = set(drop)
    kept = [name for name in wanted if name not in left_out]
    for name in kept:
        check_name(name, often)
    if not kept:
        raise InputError("no column is left to train on: name some with --features, or leave out fewer with --drop")
    return kept


def _refuse_text_among_numbers(field: Field) -> None:
    """Refuse text of which 90 % or more, but not all, is numbers: one wrong cell makes the reader take all as text."""
    assert field.levels is not None
    numeric = np.array([looks_like_number(level) for level in field.levels], dtype=np.bool_)
    rows = sum(np.bincount(part.values[present(part, is_code=True)], minlength=len(numeric)) for part in field.parts)
    known, n_numbers = int(np.sum(rows)), int(np.sum(rows * numeric))
    if n_numbers < known and 10 * n_numbers >= 9 * known:
        row, cell = first_row(field, ~numeric)
        raise InputError(
            f"column {shown(field.name)} holds numbers but for {counted(known - n_numbers, 'cell')}, the first in row "
            f"{row + 1}: {shown(cell)}; mend the cell, name it with {option('--na', cell)} if it means missing, or leave "
            f"the column out with {option('--drop', field.name)}"
        )


def _missing_note(column: Column, n_missing: int) -> str:
    way = "a level of its own" if column.kind == "category" else f"the mean {column.mean:.6g} and a mark of its own"
    misses = "misses" if n_missing == 1 else "miss"
    return f"column {shown(column.name)}: {counted(n_missing, 'training row')} {misses} it: {way}"


def _weights(schema: Schema, table: pa.Table, y: Floats, need: bool, met: Met, first: int) -> Floats | None:
    if schema.weights is None:
        return None
    if schema.weights not in table.column_names:
        met.no_weights = need
        return None
    if not need and label_kind(table.column(schema.weights)) != "number":
        return None
    known = ~np.isnan(y)
    s = read_weights(table, schema.weights, known if need else np.zeros(len(y), dtype=np.bool_), first)
    return np.where(known & np.isfinite(s) & (s >= 0), s, 0.0)
