"""Some rows of a table of columns as numbers: for what looks at few of them, or at few columns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from chainrule.kernels import CategoryColumn, Column, Design, NumberColumn, Part

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


def expanded(table: Design, places: Index, columns: Index) -> Matrix:
    """Give some coefficients' x in some rows, (k, columns): levels and marks as 0 and 1, missing numbers as their fill."""
    out = np.zeros((len(places), len(columns)))
    order = np.argsort(columns, kind="stable")
    ascending = columns[order]
    for column in table.columns:
        if isinstance(column, NumberColumn):
            wanted = [j for j in (column.at, column.indicator) if j is not None]
        else:
            wanted = [column.at, column.at + column.levels - column.skip - 1]
        low, high = np.searchsorted(ascending, min(wanted)), np.searchsorted(ascending, max(wanted), side="right")
        if low == high:
            continue
        values = values_of(column, places)
        for at in order[low:high]:
            j = int(columns[at])
            if isinstance(column, CategoryColumn):
                continue
            if j == column.at:
                out[:, at] = values if column.fill is None else np.where(np.isnan(values), column.fill, values)
            elif j == column.indicator:
                out[:, at] = np.isnan(values)
        if isinstance(column, CategoryColumn):
            if column.missing is not None:
                values = np.where(np.isnan(values), column.missing, values)
            coefficient = column.at + values - column.skip  # of a row; below `at` where its level has none
            place = np.searchsorted(ascending, coefficient)
            found = (place < len(ascending)) & (coefficient >= column.at)
            found &= ascending[np.minimum(place, len(ascending) - 1)] == coefficient
            out[np.flatnonzero(found), order[place[found]]] = 1.0
    return out


def taken(table: Design, places: Index) -> Design:
    """Copy some rows of all columns, as a table of their own."""
    columns: list[Column] = []
    for column in table.columns:
        values = values_of(column, places)
        if isinstance(column, CategoryColumn):
            codes = np.where(np.isnan(values), -1.0, values).astype(np.int64)
            columns.append(replace(column, parts=(Part(codes, len(codes)),)))
        else:
            columns.append(replace(column, parts=(Part(values, len(values)),)))
    return Design(columns, len(places), table.n)
