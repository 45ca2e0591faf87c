"""Encodes a file's table for a model: learns a schema from the training rows, and encodes all rows by it."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from chainrule.data.encoding import Learnt, Met, encode, learn
from chainrule.data.frames import UNNAMED_INDEX, Field, fields_of
from chainrule.data.kinds import Kinds, check_references, columns_as, read_columns
from chainrule.data.labels import Floats, known_labels, label_kind, read_weights, target_labels
from chainrule.data.missing import Missing, Treatment, absent, count_classes, telling
from chainrule.data.rows import Rows
from chainrule.data.rows.decode import expanded
from chainrule.data.schema import Column, Schema, feature_names
from chainrule.data.words import check_name, shown, some
from chainrule.errors import InputError
from chainrule.findings import SHELL, say
from chainrule.kernels.blocks import Blocks
from chainrule.kernels.reading import thread_count

Index = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Encoded:
    """A table, encoded for a model.

    Parameters
    ----------
    schema : Schema
    blocks : Blocks
        All rows, m of them; coefficients as in `Schema.feature_names`, numbers in the table's units.
    y : (m,) float64
        0., 1. or NaN where unknown, in all rows if the table has no target column.
    weights : (m,) float64, optional
        0 where the label is unknown; None if the model or the table has no weights.
    notes : tuple of str
        What was filled in or unknown, and in how many rows, one sentence each.
    is_whole : (m,) bool, optional
        Rows that have a value in every column whose other rows the fit left out. None: all.
    """

    schema: Schema
    blocks: Blocks
    y: Floats
    weights: Floats | None
    notes: tuple[str, ...]
    is_whole: npt.NDArray[np.bool_] | None = None

    @cached_property
    def labelled(self) -> Index:
        """Places of the rows that a fit on this table would use: those with a label, without those that it would leave out."""
        known = ~np.isnan(self.y)
        return np.flatnonzero(known if self.is_whole is None else known & self.is_whole)

    @cached_property
    def X(self) -> Floats:
        """All rows as dense numbers, (m, n): a copy."""
        return expanded(self.blocks, slice(None))

    def rows(self, places: Index, n_threads: int | None = None) -> Rows:
        """Return the rows at `places`, which have labels, as `Rows`: without a copy, in the table's units."""
        y = (self.y[places] == 1.0).astype(np.uint8)
        s = None if self.weights is None else self.weights[places]
        index = None if len(places) == self.blocks.m else places
        return Rows.of(self.blocks, y, s, None, n_threads, index, self.schema.columns)


@dataclass(frozen=True, eq=False)
class Prepared:
    """A table ready to train on: its training rows, held-out rows and rows without a label, by their numbers from 0.

    learnt : levels, means and missing values of the training rows, if they were learnt here. Training rows that were left out
    are in no part. fields : the columns that were encoded.
    """

    encoded: Encoded
    learnt: Learnt | None
    train: Index
    test: Index
    unknown: Index
    test_size: float
    seed: int
    na: tuple[str, ...]
    notes: tuple[str, ...]
    fields: Sequence[Field] = ()

    @property
    def schema(self) -> Schema:
        """How the table is encoded."""
        return self.encoded.schema

    @property
    def missing(self) -> tuple[Missing, ...]:
        """What was missing in the training rows, and what was done about it."""
        return () if self.learnt is None else self.learnt.missing

    def encoded_by(self, columns: tuple[Column, ...]) -> "Prepared":
        """Encode the table again if some columns have another first level now, which stands for levels never seen."""
        if columns == self.schema.columns:
            return self
        blocks = encode(self.fields, columns, "reference", new=np.empty(0, dtype=np.int64))
        return replace(self, encoded=replace(self.encoded, schema=replace(self.schema, columns=columns), blocks=blocks))

    def training_rows(self, threads: int | None = None) -> Rows:
        """Return the training rows in the table's units."""
        rows = self.encoded.rows(self.train, threads)
        return rows if self.learnt is None else self.learnt.told(rows)


def stratified_split(y: Floats, test_size: float, seed: int) -> tuple[Index, Index]:
    """Split the rows of known class into a training and a held-out part with equal shares of both classes.

    ceil(test_size m) rows are held out. Each class gives its share; a left-over row comes from the class with the largest
    remainder. Within a class, the rows with the smallest random keys are held out (PCG64 of `seed`, one key a row).

    y: (m,) float64 of 0, 1 or NaN (unknown; in neither part). Returns the two parts' places, ascending.
    Raises InputError if a class would be missing from the training part.
    """
    zeros, ones = y == 0.0, y == 1.0
    known = np.flatnonzero(zeros | ones)
    # 0.1 * 30 is 3.0000000000000004, which must not hold out a fourth row
    wanted = math.ceil(test_size * len(known) * (1 - 1e-12)) if test_size else 0
    sizes = [int(np.count_nonzero(rows)) for rows in (zeros, ones)]
    shares = [wanted * size / max(len(known), 1) for size in sizes]
    counts = [math.floor(share) for share in shares]
    if sum(counts) < wanted:
        counts[int(shares[1] - counts[1] > shares[0] - counts[0])] += 1
    if any(count >= size for count, size in zip(counts, sizes, strict=True)):
        there = " and ".join(map(str, sizes))
        raise InputError(
            f"--test-size {test_size:g} leaves no training row of one label ({there} rows in all): hold out less"
        )
    if not wanted:
        return known, known[:0]
    keys = np.random.Generator(np.random.PCG64(seed)).random(len(y))
    members = np.flatnonzero(zeros), np.flatnonzero(ones)
    held_out = [rows[np.argsort(keys[rows], kind="stable")[:k]] for rows, k in zip(members, counts, strict=True)]
    test = np.sort(np.concatenate(held_out))
    return np.setdiff1d(known, test, assume_unique=True), test


def prepare(
    table: pa.Table,
    target: str,
    *,
    positive: str | None = None,
    features: Sequence[str] | None = None,
    drop: Sequence[str] = (),
    weights: str | None = None,
    test_size: float = 0.0,
    seed: int = 0,
    na: Sequence[str] = (),
    missing: Treatment | None = None,
    columns: Kinds | None = None,
    reference: Mapping[str, Any] | None = None,
) -> Prepared:
    """Learn a table's schema from its training rows alone, and encode all rows by it.

    Parameters
    ----------
    table : pyarrow.Table
        As `read_table` gives it.
    target : str
        Column with two labels; rows without one are neither trained on nor held out.
    positive : str, optional
        Label of class 1; by default the second in sorted order.
    features : sequence of str, optional
        Columns to use, in this order; by default all but the target, the weights and unnamed ones.
    drop : sequence of str
        Columns to leave out.
    weights : str, optional
        Column with weights, each finite and not negative; a row of weight 0 is ignored.
    test_size, seed
        As in `stratified_split`.
    na : sequence of str
        Cells that were read as missing besides the usual ones; the model stores them.
    missing : Treatment, optional
        How missing values are treated.

    columns, reference
        Kinds and reference levels, as in `columns_as`.

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
    train, test = stratified_split(y, test_size, seed)
    if s is not None and weights is not None:
        _check_weights(s, weights, y, (negative, positive), (train, test))
    told = columns_as(fields_of(table, names, sort=True), columns, reference, wanted=features or (), of_file=True)
    fields = told.fields
    index = None if len(train) == len(y) else train
    given = None if s is None else s[train]
    learnt = learn(
        fields, y[train], given, index=index, leave_out_constants=True, threads=thread_count(None), treatment=missing
    )
    check_references(learnt.columns, reference)
    new = np.delete(np.arange(len(y)), train if s is None else train[s[train] > 0])
    counted = np.ones(len(train), dtype=np.bool_) if given is None else given > 0
    tells = telling(learnt.missing, count_classes(counted, y[train] == 1.0), (negative, positive))
    train = train if learnt.index is None else learnt.index
    notes += [*(say(found, SHELL) for found in (*told.findings, *tells)), *_notes(learnt)]
    kind = label_kind(table.column(target)) or "text"
    schema = Schema(target, negative, positive, learnt.columns, weights, tuple(notes), kind)
    met, kept = Met(), {column.name for column in learnt.columns}
    fields = [field for field in fields if field.name in kept]
    encoded = encode(fields, schema.columns, "reference", met, new=new)
    known = None if s is None else np.where(np.isnan(y), 0.0, s)
    treated = [column.column for column in learnt.missing if column.done != "dropped"]
    said = met.notes(schema, "reference", treated, " in rows not trained on")
    design = Encoded(schema, encoded, y, known, said, whole_rows(fields, schema))
    notes += design.notes
    return Prepared(
        design, learnt, train, test, np.flatnonzero(np.isnan(y)), test_size, seed, tuple(na), tuple(notes), fields
    )


def _notes(learnt: Learnt) -> list[str]:
    """Say what was left out or renamed."""
    notes = []
    if learnt.constants:
        notes.append(f"constant column{'s' * (len(learnt.constants) > 1)} left out: {some(learnt.constants, 20)}")
    plain = [name for column in learnt.columns for name in column.design_names()]
    renamed = [name for name, wanted in zip(feature_names(learnt.columns), plain, strict=True) if name != wanted]
    if renamed:
        notes.append(f"coefficients renamed because the name was taken: {some(renamed, 20)}")
    return notes


def whole_rows(fields: Sequence[Field], schema: Schema) -> npt.NDArray[np.bool_] | None:
    """Mask the rows with a value in every column whose other rows the fit left out; None if there is no such column."""
    dropped = {column.name for column in schema.columns if column.lost == "dropped"}
    lost = [absent(field) for field in fields if field.name in dropped]
    return ~np.logical_or.reduce(lost) if lost else None


def _check_weights(s: Floats, name: str, y: Floats, labels: tuple[str, str], parts: tuple[Index, Index]) -> None:
    """Refuse training and held-out rows that all have weight 0, before anything is computed."""
    train, test = parts
    empty = [
        ("held-out row", test),
        ("training row", train),
        *((f"training row with the label {shown(labels[k])}", train[y[train] == k]) for k in (0, 1)),
    ]
    for rows, places in empty:
        if len(places) and not np.any(s[places] > 0):
            elsewhere = len(test) and np.any(s[np.isfinite(y)] > 0)
            way = "choose another --test-size or another --seed" if elsewhere else "name another with --weights"
            raise InputError(f"every {rows} has weight 0 in column {shown(name)}: {way}")


def encode_table(
    schema: Schema,
    table: pa.Table,
    *,
    need_target: bool = False,
    unseen: str = "reference",
    met: Met | None = None,
    first: int = 0,
) -> Encoded:
    """Encode a table for a trained model.

    Parameters
    ----------
    schema : Schema
        As learnt in training.
    table : pyarrow.Table
        With the schema's columns; others are ignored.
    need_target : bool
        Require the target column, labels that the model knows, and usable weights.
    unseen, met, first
        As in `encode`.

    Raises
    ------
    InputError
        A column is missing, has text instead of numbers, or an infinite number; with `need_target` also an unknown
        label or a weight that can't be used.
    """
    often, met = Counter(table.column_names), Met() if met is None else met
    fields = read_columns(table, schema.columns, sort=schema.source == "file", first=first)
    design = encode(fields, schema.columns, unseen, met, first=first)
    y, weights = np.full(design.m, np.nan), None
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
    return Encoded(schema, design, y, weights, met.notes(schema, unseen), whole_rows(fields, schema))


def _feature_names(
    often: Counter[str],
    names: Sequence[str],
    target: str,
    features: Sequence[str] | None,
    drop: Sequence[str],
    weights: str | None,
) -> tuple[list[str], list[str]]:
    """Choose the columns to train on; return them, and notes about columns left out without being asked."""
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
