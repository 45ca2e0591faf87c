"""Some rows of a design as numbers: for what looks at few of them, or at few columns."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.kernels.blocks import Blocks, CategoryColumn, Column, Csr, NumberColumn, Part

Index = NDArray[np.int64]
Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]


def _bits(bitmap: NDArray[np.uint8], places: Index) -> NDArray[np.bool_]:
    return np.asarray(bitmap[places >> 3] >> (places & 7).astype(np.uint8) & 1, dtype=np.bool_)


def present(part: Part, is_code: bool = False) -> NDArray[np.bool_]:
    """Which of a part's rows have a value, (k,): a number that isn't NaN, or a code that isn't negative."""
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
    """Values of a part's rows as float64, NaN where they are missing."""
    places = np.arange(part.rows)[rows] if isinstance(rows, slice) else rows
    if part.bits:
        values = _bits(part.values.view(np.uint8), places + part.values_at).astype(np.float64)
    else:
        values = part.values[rows].astype(np.float64)
    if part.valid is not None:
        values[~_bits(part.valid, places + part.valid_at)] = np.nan
    return np.asarray(values)


def values_of(column: Column, places: Index) -> Vector:
    """Values of some rows of a column as float64, (k,): numbers, or codes; NaN where they are missing, and codes below 0."""
    if len(column.parts) == 1:
        values = part_values(column.parts[0], places)
    else:
        ends = np.cumsum([part.rows for part in column.parts])
        which = np.searchsorted(ends, places, side="right")
        values = np.empty(len(places))
        for k in np.unique(which):
            there = which == k
            values[there] = part_values(column.parts[k], places[there] - (ends[k] - column.parts[k].rows))
    if isinstance(column, CategoryColumn):
        values[values < 0] = np.nan
    return values


def scipy_csr(csr: Csr) -> Any:
    """View the same arrays as SciPy's."""
    from scipy.sparse import csr_array

    return csr_array((csr.data, csr.indices, csr.indptr), shape=(csr.m, csr.n))


def expanded(design: Blocks, places: slice | Index, columns: Index | None = None) -> Matrix:
    """Return some coefficients' x in some rows, (k, columns), all by default: a view where they lie like that, else a copy.

    Levels and marks are 0 and 1, missing numbers their fill.
    """
    X, some = design.X, slice(None) if columns is None else columns
    if X is None and design.csr is not None:
        X = scipy_csr(design.csr)[places][:, some].toarray(order="C")
        return np.asarray(X, dtype=np.float64)
    if X is not None:
        return np.asarray(X[places][:, some], dtype=np.float64)
    places = np.arange(design.m)[places] if isinstance(places, slice) else places
    columns = np.arange(design.n) if columns is None else columns
    out = np.zeros((len(places), len(columns)))
    order = np.argsort(columns, kind="stable")
    ascending = columns[order]
    for column in design.columns:
        _expand(column, places, out, order, ascending)
    return out


def _expand(column: Column, places: Index, out: Matrix, order: Index, ascending: Index) -> None:
    """Fill in what one column has; order, ascending : the coefficients wanted, and where each stands in `out`."""
    marks = [column.indicator] if isinstance(column, NumberColumn) and column.indicator is not None else []
    of = column.span if isinstance(column, CategoryColumn) else slice(column.at, column.at + 1)
    low, high = np.searchsorted(ascending, (of.start, of.stop))
    marked = [int(at) for mark in marks for at in order[ascending == mark]]
    if low == high and not marked:
        return
    values = values_of(column, places)
    if isinstance(column, NumberColumn):
        out[:, marked] = np.isnan(values)[:, np.newaxis]
        filled = values if column.fill is None else np.where(np.isnan(values), column.fill, values)
        out[:, order[low:high]] = filled[:, np.newaxis]
        return
    if column.missing is not None:
        values = np.where(np.isnan(values), column.missing, values)
    coefficient = column.at + values - column.skip  # of a row; below `at` where its level has none
    place = np.searchsorted(ascending, coefficient)
    found = (place < len(ascending)) & (coefficient >= column.at)
    found &= ascending[np.minimum(place, len(ascending) - 1)] == coefficient
    out[np.flatnonzero(found), order[place[found]]] = 1.0
