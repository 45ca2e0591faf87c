"""Encodes a user's X, y and weights for a trained model: frames by their columns' names, arrays by their columns' places."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from chainrule.data.designs import dense, sparse
from chainrule.data.encoding import UNSEEN, Met, encode
from chainrule.data.frames import as_arrow, collected, column_names, is_frame, is_table
from chainrule.data.inputs import check_index, check_weights, choice, numbered
from chainrule.data.kinds import read_columns
from chainrule.data.labels import known_labels
from chainrule.data.schema import Schema
from chainrule.data.tables import Encoded, whole_rows
from chainrule.errors import InputError
from chainrule.findings import Finding, warn_of
from chainrule.kernels.blocks import Blocks
from chainrule.words import counted

Vector = NDArray[np.float64]


def blocks_for(schema: Schema, X: Any, unseen: str = "error") -> Blocks:
    """Encode rows for a model.

    Parameters
    ----------
    schema : Schema
        As learnt in the fit.
    X : (m, n) array, SciPy sparse matrix, or frame of any library
        A frame needs the fit's columns, in any order; others are ignored. An array has the fit's columns in their order, and
        is refused if the fit was on a table.
    unseen : str
        As in `encode`.

    Raises
    ------
    InputError
        X can't be used; the message names the column.
    """
    met = Met()
    blocks, is_whole = _read(schema, X, unseen, met)
    if is_whole is not None and not is_whole.all():
        lost = tuple(column.name for column in schema.columns if column.lost == "dropped" and met.missing[column.name])
        warn_of(Finding("filled in", {"rows": int(np.count_nonzero(~is_whole)), "columns": lost}))
    return blocks


def _read(schema: Schema, X: Any, unseen: str, met: Met) -> tuple[Blocks, NDArray[np.bool_] | None]:
    """Encode rows for a model; also tell which of them have a value in every column whose other rows the fit left out."""
    choice("unseen", unseen, UNSEEN)
    if is_frame(X):
        X = collected(X)
        if not _is_matrix(schema, X):
            fields = read_columns(X, schema.columns, sort=schema.source == "file")
            if not fields[0].rows:
                raise InputError("X has no rows: give one at least")
            return encode(fields, schema.columns, unseen, met), whole_rows(fields, schema)
    elif schema.source != "array":
        raise InputError(f"the fit was on a table: give a pandas frame or an Arrow table, not {type(X).__name__}")
    if np.shape(X)[:1] == (0,):
        raise InputError("X has no rows: give one at least")
    blocks, _, _ = (sparse if hasattr(X, "tocsr") else dense)(X, None, least_rows=1)
    if blocks.n != len(schema.columns):
        raise InputError(f"X has {counted(blocks.n, 'column')}, and the fit had {len(schema.columns):,}")
    return blocks, None


def _is_matrix(schema: Schema, X: Any) -> bool:
    """Whether a frame's columns are known by their places: one of plain numbers, if the fit's columns had no other names."""
    if schema.source != "array" or is_table(X):
        return False
    names = tuple(column.name for column in schema.columns)
    return names in (numbered(len(names)), tuple(column_names(X)))


def encoded(
    schema: Schema, X: Any, y: ArrayLike | None = None, sample_weight: ArrayLike | None = None, unseen: str = "error"
) -> Encoded:
    """Encode rows with labels and weights for a model. y : None if the labels are unknown; a missing label is unknown too.

    Raises InputError as `blocks_for`, and for a label that is neither of the model's two or a weight that can't be used.
    """
    check_index(X, y=y, sample_weight=sample_weight)
    blocks, is_whole = _read(schema, X, unseen, Met())
    classes = np.full(blocks.m, np.nan) if y is None else _classes(schema, y, blocks.m)
    known = ~np.isnan(classes)
    s = check_weights(sample_weight, known.astype(np.uint8), needs_both_classes=False)
    return Encoded(schema, blocks, classes, None if s is None else np.where(known, s, 0.0), (), is_whole)


def _classes(schema: Schema, y: Any, m: int) -> Vector:
    y = np.ravel(y) if getattr(y, "ndim", 1) == 2 else y
    column = as_arrow("y", y, getattr(y, "dtype", None))
    column = column if hasattr(column, "chunks") else pa.chunked_array([column])
    if len(column) != m:
        raise InputError(f"y must have one label a row, {m} of them, not {len(column)}")
    return known_labels(column, schema, strict=True)[0]
