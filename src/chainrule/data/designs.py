"""What a user hands over as X, as rows: dense arrays, sparse matrices and tables with categories, where they lie."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.data.encoding import CODINGS, blocks_of, learn
from chainrule.data.frames import fields_of, is_table
from chainrule.data.inputs import column_names, matrix
from chainrule.data.rows import Rows
from chainrule.data.schema import Column, feature_names
from chainrule.errors import InputError
from chainrule.kernels.design import Csr
from chainrule.kernels.design import Design as Blocks
from chainrule.kernels.reading import thread_count
from chainrule.words import counted

Vector = NDArray[np.float64]
Labels = NDArray[np.uint8]


@dataclass(frozen=True)
class Taken:
    """X as rows; how often it, or a column of it, was copied; how its columns were encoded, where it is a table."""

    rows: Rows
    copies: int
    encodings: tuple[Column, ...] | None = None


@dataclass(frozen=True)
class Design:
    """X, checked: so many rows, dense or not; `rows` puts labels (m,), weights (m,) and threads beside it."""

    n_rows: int
    is_dense: bool
    rows: Callable[[Labels, Vector | None, int | None], Taken]


def design_of(
    X: ArrayLike | Design, feature_names: Sequence[str] | None, coding: str = "reference", least_rows: int = 2
) -> Design:
    """Take X as it is handed over; raises InputError where it can't be used."""
    if isinstance(X, Design):
        return X
    if coding not in CODINGS:
        raise InputError(f"coding must be 'reference' or 'all', not {coding!r}")
    if hasattr(X, "tocsr"):
        return _sparse(X, feature_names, least_rows)
    if is_table(X):
        return _table(X, feature_names, coding, least_rows)
    array, names, copies = matrix(X, feature_names, least_rows)
    return Design(len(array), True, lambda y, s, threads: Taken(Rows.dense(array, y, s, names, threads), copies))


def _table(X: Any, feature_names: Sequence[str] | None, coding: str, least_rows: int) -> Design:
    """See a table's columns where they lie; what it has of levels and missing values is learnt with the weights."""
    if feature_names is not None:
        raise InputError("feature_names are the table's own: rename its columns, or leave feature_names out")
    fields = fields_of(X)
    m = fields[0].rows if fields else len(X)
    _check_size(m, len(fields), least_rows)

    def taken(y: Labels, s: Vector | None, threads: int | None) -> Taken:
        learnt = learn(fields, s, coding, threads=thread_count(threads))
        blocks, copies = blocks_of(fields, learnt.columns)
        rows = part_of(blocks, learnt.columns, None).rows(y, s, threads).rows
        rows.count_read()  # what was learnt
        return Taken(rows, min(copies, 1), learnt.columns)

    return Design(m, False, taken)


def part_of(blocks: Blocks, columns: Sequence[Column], index: NDArray[np.int64] | None) -> Design:
    """See some rows of encoded columns, or all, where they lie; index: the rows that y (k,) and s (k,) are of."""
    names, m = feature_names(columns), blocks.m if index is None else len(index)
    references = {c.name: c.levels[0] for c in columns if c.kind == "category" and not c.all_levels}
    return Design(m, False, lambda y, s, n: Taken(Rows.of(blocks, y, s, names, n, index, references), 0))


def _check_size(m: int, n: int, least_rows: int) -> None:
    if m < least_rows or n < 1:
        raise InputError(
            f"X has {counted(m, 'row')} and {counted(n, 'column')}: a fit needs two rows and one column at least"
        )


def _sparse(X: Any, feature_names: Sequence[str] | None, least_rows: int) -> Design:
    """See a SciPy matrix or array as CSR; every other form is converted once, and so are rows that name a column twice."""
    if X.ndim != 2:
        raise InputError(f"X must have two dimensions, rows and columns, not {X.ndim}")
    m, n = (int(side) for side in X.shape)
    _check_size(m, n, least_rows)
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
    copies = max(copies, int(copied))
    blocks = Blocks.sparse(data)
    return Design(m, False, lambda y, s, threads: Taken(Rows.of(blocks, y, s, names, threads), copies))


def _csr_of(X: Any, origin: str) -> tuple[Csr, bool]:
    """See the arrays of a CSR matrix; and whether one of them had to be copied."""
    given = (X.data, X.indices, X.indptr)
    data, indices, indptr = parts = [np.ascontiguousarray(part, dtype=part.dtype.newbyteorder("=")) for part in given]
    end = int(indptr[-1])  # SciPy allows more room than there are elements
    copied = any(part.size and not np.may_share_memory(part, of) for part, of in zip(parts, given, strict=True))
    try:
        return Csr(data[:end], indices[:end], indptr, int(X.shape[1]), thread_count(None), origin=origin), copied
    except ValueError as error:
        raise InputError(f"X is no valid CSR matrix: {error}") from None
