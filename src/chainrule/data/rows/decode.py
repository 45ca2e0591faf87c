"""Turns rows or columns of a design into dense numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import InputError
from chainrule.kernels.blocks import Blocks, CategoryColumn, Column, Csr, Part

if TYPE_CHECKING:
    from chainrule.data.rows.rows import Rows

Index = NDArray[np.int64]
Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]

AT_ONCE = 4_000_000  # numbers that are copied at a time


def _bits(bitmap: NDArray[np.uint8], places: Index) -> NDArray[np.bool_]:
    return np.asarray(bitmap[places >> 3] >> (places & 7).astype(np.uint8) & 1, dtype=np.bool_)


def present(part: Part, is_code: bool = False) -> NDArray[np.bool_]:
    """Tell which rows of a part have a value, (k,): a number that isn't NaN, or a code that isn't negative."""
    if part.valid is None:
        there = np.ones(part.rows, dtype=np.bool_)
    else:
        there = _bits(part.valid, np.arange(part.rows) + part.valid_at)
    if part.values.dtype.kind == "f":
        there &= ~np.isnan(part.values)
    elif is_code:
        there &= np.asarray(part.values) >= 0
    return there


def part_values(part: Part, rows: slice | Index) -> Vector:
    """Return values of a part's rows as float64, NaN where one is missing."""
    if not part.bits and part.valid is None:
        return np.asarray(part.values[rows].astype(np.float64))
    places = np.arange(*rows.indices(part.rows)) if isinstance(rows, slice) else rows
    if part.bits:
        values = _bits(part.values.view(np.uint8), places + part.values_at).astype(np.float64)
    else:
        values = part.values[rows].astype(np.float64)
    if part.valid is not None:
        values[~_bits(part.valid, places + part.valid_at)] = np.nan
    return np.asarray(values)


def values_of(column: Column, places: Index) -> Vector:
    """Return some rows of a column as float64, (k,): numbers, or codes; NaN where a value is missing or a code negative."""
    if len(column.parts) == 1:
        values = part_values(column.parts[0], places)
    else:
        ends = np.cumsum([part.rows for part in column.parts])
        which = np.searchsorted(ends, places, side="right")
        values = np.empty(len(places))
        for k in range(which.min(), which.max() + 1) if len(which) else ():
            there = which == k
            values[there] = part_values(column.parts[k], places[there] - (ends[k] - column.parts[k].rows))
    if isinstance(column, CategoryColumn):
        values[values < 0] = np.nan
    return values


def codes_of(column: CategoryColumn, places: Index) -> Index:
    """Return the codes of some rows of a category, (k,), a missing one replaced; -1 if it can't be."""
    codes, lost = values_of(column, places), -1 if column.missing is None else column.missing
    return np.where(np.isnan(codes), lost, codes).astype(np.int64)


def scipy_csr(csr: Csr) -> Any:
    """Return a SciPy array that shares the memory."""
    from scipy.sparse import csr_array

    return csr_array((csr.data, csr.indices, csr.indptr), shape=(csr.m, csr.n))


def expanded(design: Blocks, places: slice | Index, columns: Index | None = None) -> Matrix:
    """Return x for some rows and coefficients, by default all, (k, columns): a view of dense float64 data, else a copy.

    Levels and marks are 0 and 1; a missing number is replaced as in the fit.
    """
    X, some = design.X, slice(None) if columns is None else columns
    if X is None and design.csr is not None:
        X = scipy_csr(design.csr)[places][:, some].toarray(order="C")
        return np.asarray(X, dtype=np.float64)
    if X is not None:
        return np.asarray(X[places][:, some], dtype=np.float64)
    places = np.arange(design.m)[places] if isinstance(places, slice) else places
    columns = np.arange(design.n) if columns is None else columns
    out, position = np.zeros((len(places), len(columns))), np.full(design.n, -1)
    position[columns] = np.arange(len(columns))
    for column in design.columns:
        _expand(column, places, out, position)
    return out


def _expand(column: Column, places: Index, out: Matrix, position: Index) -> None:
    """Fill in one column. position : (n,), the column of `out` for each coefficient, -1 if not wanted."""
    if isinstance(column, CategoryColumn):
        if (position[column.span] < 0).all():
            return
        values = values_of(column, places)
        if column.missing is not None:
            values = np.where(np.isnan(values), column.missing, values)
        rows = np.flatnonzero(values >= column.skip)
        at = position[column.at + values[rows].astype(np.int64) - column.skip]
        out[rows[at >= 0], at[at >= 0]] = 1.0
        return
    at, mark = position[column.at], -1 if column.indicator is None else position[column.indicator]
    if at < 0 and mark < 0:
        return
    values = values_of(column, places)
    if mark >= 0:
        out[:, mark] = np.isnan(values)
    if at >= 0:
        out[:, at] = values if column.fill is None else np.where(np.isnan(values), column.fill, values)


def refuse_non_finite(rows: Rows) -> None:
    """Raise InputError for the first NaN or infinity in a row of positive weight, naming row and column."""
    kept, columns, csr = np.flatnonzero(rows.is_kept), np.flatnonzero(rows.design.numeric), rows.design.csr
    if csr is not None:
        bad = np.searchsorted(csr.indptr, np.flatnonzero(~np.isfinite(csr.data)), side="right") - 1
        kept = kept[np.isin(rows.places[kept], bad)]
    step = max(1, AT_ONCE // rows.n_features)
    for first in range(0, len(kept), step):
        x = rows.numbers(kept[first : first + step], columns)
        if not np.isfinite(x).all():
            i, j = np.argwhere(~np.isfinite(x))[0]
            what, row = "NaN" if np.isnan(x[i, j]) else x[i, j], rows.places[kept[first + i]] + 1
            where = f"row {row}, column {rows.feature_names[columns[j]]!r}"
            ways = "fill it in, drop the row, or give the row weight 0"
            if np.isnan(x[i, j]) and rows.is_dense:
                ways = "fill it in, drop the row, or say how missing values are treated, such as missing='mean'"
            raise InputError(f"X has {what} in {where}: {ways}")
