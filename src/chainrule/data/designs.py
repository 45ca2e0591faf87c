"""Checks a user's X (dense, sparse or a table), y and weights, and makes `Rows` of them, without a copy if possible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.data.encoding import CODINGS, blocks_of, learn
from chainrule.data.frames import fields_of, is_frame, plain_matrix
from chainrule.data.inputs import check_index, check_size, check_weights, column_names, encode_labels, matrix
from chainrule.data.kinds import Kinds, Told, check_references, columns_as
from chainrule.data.missing import Treatment
from chainrule.data.rows import Rows
from chainrule.errors import InputError
from chainrule.kernels.blocks import Blocks, Csr
from chainrule.kernels.reading import thread_count

Vector = NDArray[np.float64]


def rows_of(
    X: Any,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    feature_names: Sequence[str] | None = None,
    coding: str = "reference",
    n_threads: int | None = None,
    missing: str | Mapping[str, str] | None = None,
    columns: Kinds | None = None,
    reference: Mapping[str, Any] | None = None,
) -> tuple[Rows, tuple[Any, Any]]:
    """Check a user's data, and use them in place if possible; raises InputError if they can't be used.

    missing : how to treat missing values, by column if it is a dictionary (`Treatment`). None: "mark" in a table, and missing
    values in an array are refused. columns, reference : kinds and reference levels of a table's columns, as in `columns_as`.
    Returns the rows, and the labels of y = 0 and y = 1.
    """
    treatment = Treatment.read(missing)
    check_index(X, y=y, sample_weight=sample_weight)
    if coding not in CODINGS:
        raise InputError(f"coding must be 'reference' or 'all', not {coding!r}")
    if reference and coding == "all":
        raise InputError(
            "with coding='all' every level has a coefficient and none is the reference: leave reference out"
        )
    if (columns or reference) and not is_frame(X):
        what = f"columns and reference are for tables, and X is {type(X).__name__}"
        raise InputError(f"{what}: give a data frame or an Arrow table, or leave them out")
    if missing is not None and not is_frame(X):
        X, feature_names = _as_columns(X, feature_names), None
    of_table = missing is not None or bool(columns or reference)
    plain = None if of_table else plain_matrix(X)
    if of_table or (plain is None and is_frame(X)):
        if feature_names is not None:
            raise InputError("feature_names can't be given for a table: rename its columns, or leave feature_names out")
        fields = fields_of(X)
        m = fields[0].rows if fields else len(X)
        check_size(m, len(fields))
        codes, classes = encode_labels(y, m)
        told = columns_as(fields, columns, reference)
        rows = _of_table(told, codes, check_weights(sample_weight, codes), coding, n_threads, treatment)
        check_references(rows.encodings or (), reference)
        return rows, classes
    blocks, names, copies = sparse(X, feature_names) if hasattr(X, "tocsr") else dense(X, feature_names, given=plain)
    codes, classes = encode_labels(y, blocks.m)
    return Rows.of(blocks, codes, check_weights(sample_weight, codes), names, n_threads, copies=copies), classes


def _of_table(
    told: Told, y: NDArray[np.uint8], s: Vector | None, coding: str, n_threads: int | None, treatment: Treatment
) -> Rows:
    """Use a table's columns in place. Levels and means depend on the weights."""
    learnt = learn(told.fields, y, s, coding, threads=thread_count(n_threads), treatment=treatment)
    blocks, copies = blocks_of(told.fields, learnt.columns)
    if learnt.index is not None:
        y, s = y[learnt.index], None if s is None else s[learnt.index]
    rows = Rows.of(blocks, y, s, None, n_threads, learnt.index, learnt.columns, min(copies, 1))
    rows.count_read()  # by `learn`
    return learnt.told(replace(rows, said=told.findings))


def _as_columns(X: Any, feature_names: Sequence[str] | None) -> dict[str, NDArray[Any]]:
    """Take an array as a table of its columns, so that its missing values can be treated."""
    if hasattr(X, "tocsr"):
        raise InputError("missing can't be given for a sparse X: fill in its NaN, and leave missing out")
    array, names, _ = matrix(X, feature_names)
    if len(set(names)) < len(names):
        raise InputError("feature_names has a name twice, and missing needs a name for each column: rename one")
    return dict(zip(names, array.T, strict=True))


def dense(
    X: ArrayLike, feature_names: Sequence[str] | None, least_rows: int = 2, given: NDArray[Any] | None = None
) -> tuple[Blocks, tuple[str, ...], int]:
    """Use a matrix; return its design, its columns' names, and how many copies that took. given : as in `matrix`."""
    array, names, copies = matrix(X, feature_names, least_rows, given)
    return Blocks.dense(array), names, copies


def sparse(X: Any, feature_names: Sequence[str] | None, least_rows: int = 2) -> tuple[Blocks, tuple[str, ...], int]:
    """Use a SciPy matrix or array as CSR. Other formats are converted once; duplicate entries are summed in a copy."""
    if X.ndim != 2:
        raise InputError(f"X must have two dimensions, rows and columns, not {X.ndim}")
    m, n = (int(side) for side in X.shape)
    check_size(m, n, least_rows)
    names = column_names(feature_names, n)
    form, origin, copies = X.format, "", 0
    if form != "csr":
        X, origin, copies = X.tocsr(), f"converted from {form.upper()}", 1
    if X.dtype not in (np.float64, np.float32) or not X.dtype.isnative:
        if X.dtype.kind not in "biuf":
            raise InputError(f"X must hold real numbers, not {X.dtype}")
        X, copies = X.astype(np.float64), 1
    data, copied = _csr_of(X, origin)
    if data.duplicates:
        X = X.copy()
        X.sum_duplicates()
        data, copied = _csr_of(X, origin)[0], True
    return Blocks.sparse(data), names, max(copies, int(copied))


def _csr_of(X: Any, origin: str) -> tuple[Csr, bool]:
    """Use the arrays of a CSR matrix; also return whether one had to be copied."""
    given = (X.data, X.indices, X.indptr)
    data, indices, indptr = parts = [np.ascontiguousarray(part, dtype=part.dtype.newbyteorder("=")) for part in given]
    end = int(indptr[-1])  # SciPy may allocate more room than there are elements
    copied = any(part.size and not np.may_share_memory(part, of) for part, of in zip(parts, given, strict=True))
    try:
        return Csr(data[:end], indices[:end], indptr, int(X.shape[1]), thread_count(None), origin=origin), copied
    except ValueError as error:
        raise InputError(f"X is no valid CSR matrix: {error}") from None
