"""A pandas frame or an Arrow table as columns for the core, each where it lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import InputError
from chainrule.inputs import counted
from chainrule.kernels import What, thread_count
from chainrule.kernels.columns import (
    CategoryColumn,
    CodeError,
    Column,
    NumberColumn,
    Part,
    Table,
    level_counts,
    moments,
    read,
)

Vector = NDArray[np.float64]
Parts = tuple[Part, ...]

CODINGS = ("reference", "all")
MISSING_LEVEL = "(missing)"


@dataclass(frozen=True)
class Field:
    """One column as it is handed over: its parts, its levels as text where it is a category, and whether it was copied."""

    name: str
    parts: Parts
    levels: tuple[str, ...] | None = None
    copied: bool = False


@dataclass(frozen=True)
class Encoding:
    """How a column becomes coefficients, as the rows of the fit showed it.

    levels : of a category, None of a number. missing : whether there is a coefficient for missing values. fill : what missing
    numbers count as. skip : whether the first level has no coefficient.
    """

    name: str
    levels: tuple[str, ...] | None
    missing: bool
    fill: float | None
    skip: bool

    @property
    def names(self) -> list[str]:
        """Name the coefficients."""
        if self.levels is None:
            return [self.name] + [f"{self.name} missing"] * self.missing
        levels = [*self.levels, *([MISSING_LEVEL] if self.missing else [])]
        return [f"{self.name}={level}" for level in levels[int(self.skip) :]]


def is_table(X: Any) -> bool:
    """Whether X is an Arrow table, or a pandas frame with a column that no array of numbers holds."""
    if _is_arrow(X):
        return True
    dtypes = getattr(X, "dtypes", None)
    if dtypes is None or not hasattr(X, "iloc") or not hasattr(X, "columns"):
        return False
    return any(not _is_plain(dtype) for dtype in dtypes)


def _is_arrow(X: Any) -> bool:
    return hasattr(X, "schema") and hasattr(X, "column_names") and hasattr(X, "num_rows")


def _is_plain(dtype: Any) -> bool:
    return isinstance(dtype, np.dtype) and dtype.kind in "biuf"


def fields_of(X: Any) -> list[Field]:
    """Take a table's columns as they lie; raises InputError that names a column which is neither numbers nor categories."""
    if _is_arrow(X):
        return [_arrow_field(str(name), X.column(k)) for k, name in enumerate(X.column_names)]
    return [_pandas_field(str(name), X.iloc[:, k]) for k, name in enumerate(X.columns)]


def _pandas_field(name: str, series: Any) -> Field:
    dtype = series.dtype
    if hasattr(dtype, "categories"):
        return Field(name, _whole(np.asarray(series.array.codes)), tuple(map(str, dtype.categories)))
    if _is_plain(dtype):
        return Field(name, _whole(series.to_numpy(copy=False)))
    if hasattr(dtype, "pyarrow_dtype"):
        import pyarrow as pa

        return _arrow_field(name, pa.chunked_array(pa.array(series.array)))
    if dtype.kind in "biuf":  # with a mask: nullable numbers and booleans
        return Field(name, _whole(series.to_numpy(dtype=np.float64, na_value=np.nan)), copied=True)
    if dtype.kind in "OUT" or str(dtype).startswith("str"):
        return replace(_pandas_field(name, series.astype("category")), copied=True)
    raise _unusable(name, dtype)


def _whole(values: NDArray[Any]) -> Parts:
    return (Part(values, len(values)),)


def _unusable(name: str, dtype: Any) -> InputError:
    return InputError(
        f"column {name!r} is {dtype}, neither numbers nor categories: turn it into one of them, or leave it out"
    )


def _arrow_field(name: str, column: Any) -> Field:
    import pyarrow as pa

    chunks = column.chunks if hasattr(column, "chunks") else [column]
    kind, copied = column.type, False
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        chunks, copied = column.dictionary_encode().unify_dictionaries().chunks, True
    elif pa.types.is_dictionary(kind) and len(chunks) > 1:
        chunks = column.unify_dictionaries().chunks
    if not chunks:
        return Field(name, ())
    kind = chunks[0].type
    if pa.types.is_dictionary(kind):
        levels = tuple("" if level is None else str(level) for level in chunks[0].dictionary.to_pylist())
        return Field(name, tuple(_arrow_part(chunk.indices) for chunk in chunks), levels, copied)
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_float32(kind) or pa.types.is_float64(kind):
        return Field(name, tuple(_arrow_part(chunk) for chunk in chunks))
    raise _unusable(name, kind)


def _arrow_part(chunk: Any) -> Part:
    import pyarrow as pa

    validity, data = chunk.buffers()
    offset, rows = chunk.offset, len(chunk)
    valid = None if validity is None or not chunk.null_count else np.frombuffer(validity, dtype=np.uint8)
    if pa.types.is_boolean(chunk.type):
        bits = np.frombuffer(data, dtype=np.uint8)
        return Part(bits, rows, valid, offset, True, offset)
    values = np.frombuffer(data, dtype=chunk.type.to_pandas_dtype())[offset : offset + rows]
    return Part(values, rows, valid, offset)


def learn(fields: Sequence[Field], s: Vector | None, coding: str, threads: int) -> list[Encoding]:
    """Find which levels and missing values rows of positive weight have, and the means that fill in: a read or two."""
    table = Table(_raw(fields), _rows_of(fields), sum(_width(field) for field in fields))
    counts = level_counts(table, y=None, s=s, threads=threads)
    of_all = moments(table, s=s, threads=threads)
    encodings = []
    for k, field in enumerate(fields):
        if field.levels is None:
            lost = bool(of_all.missing[k])
            fill = _mean(field, s) if lost else None
            encodings.append(Encoding(field.name, None, lost, fill, False))
            continue
        rows = counts[k].rows.sum(axis=1)
        levels = tuple(level for level, count in zip(field.levels, rows, strict=False) if count)
        lost = bool(rows[len(field.levels)])
        encodings.append(Encoding(field.name, levels, lost, None, coding == "reference"))
    return encodings


def _rows_of(fields: Sequence[Field]) -> int:
    return sum(part.rows for part in fields[0].parts)


def _width(field: Field) -> int:
    return 1 if field.levels is None else len(field.levels) + 1


def _raw(fields: Sequence[Field]) -> list[Column]:
    """Columns as they come, before anything is known: missing numbers as 0, missing levels as one more."""
    columns: list[Column] = []
    at = 0
    for field in fields:
        if field.levels is None:
            columns.append(NumberColumn(field.parts, at, 0.0))
        else:
            columns.append(CategoryColumn(field.parts, at, len(field.levels) + 1, 0, len(field.levels)))
        at += _width(field)
    return columns


def _mean(field: Field, s: Vector | None) -> float:
    """Weighted mean of a column's numbers that are there."""
    from chainrule.rows.decode import part_values

    x = np.concatenate([part_values(part, slice(0, part.rows)) for part in field.parts])
    there = ~np.isnan(x) if s is None else ~np.isnan(x) & (s > 0)
    if not there.any():
        raise InputError(f"column {field.name!r} has no value in any row: leave it out")
    return float(np.average(x[there], weights=None if s is None else s[there]))


def table_of(fields: Sequence[Field], encodings: Sequence[Encoding]) -> tuple[Table, list[str], int]:
    """Put columns together as they were learnt: the table, a name for each coefficient, and copies of columns made."""
    columns: list[Column] = []
    names: list[str] = []
    copies = 0
    for field, encoding in zip(fields, encodings, strict=True):
        at = len(names)
        names += encoding.names
        if encoding.levels is None:
            indicator = at + 1 if encoding.missing else None
            columns.append(NumberColumn(field.parts, at, encoding.fill, indicator))
            copies += field.copied
            continue
        parts, copied = _codes(field, encoding)
        copies += copied or field.copied
        k = len(encoding.levels)
        columns.append(
            CategoryColumn(parts, at, k + encoding.missing, int(encoding.skip), k if encoding.missing else None)
        )
    if not names:
        raise InputError("no column has two levels or two values: there is nothing to fit")
    return Table(columns, _rows_of(fields), len(names)), names, copies


def _codes(field: Field, encoding: Encoding) -> tuple[Parts, bool]:
    """Give codes into the levels learnt: as they lie where the levels are the same, else a copy."""
    assert field.levels is not None
    assert encoding.levels is not None
    if field.levels == encoding.levels:
        return field.parts, False
    place = {level: k for k, level in enumerate(encoding.levels)}
    lookup = np.array([place.get(level, -1) for level in field.levels], dtype=np.int32)
    parts = []
    for part in field.parts:
        codes = np.asarray(part.values)
        there = codes >= 0
        new = np.full(part.rows, -1, dtype=np.int32)
        new[there] = lookup[codes[there]]
        parts.append(replace(part, values=new))
    return tuple(parts), True


def encode(X: Any, encodings: Sequence[Encoding]) -> tuple[Table, list[str]]:
    """See another table as the fit's columns; raises InputError for a column, level or value that the fit did not see."""
    given = {field.name: field for field in fields_of(X)}
    lost = next((encoding.name for encoding in encodings if encoding.name not in given), None)
    if lost is not None:
        raise InputError(f"X has no column {lost!r}, which the fit had")
    fields = [given[encoding.name] for encoding in encodings]
    for field, encoding in zip(fields, encodings, strict=True):
        if (field.levels is None) != (encoding.levels is None):
            now, then = ("numbers", "categories") if field.levels is None else ("categories", "numbers")
            raise InputError(f"column {field.name!r} has {now} and had {then} in the fit")
        if encoding.levels is not None:
            _refuse_new_levels(field, encoding)
    table, names, _ = table_of(fields, encodings)
    return table, names


def scores(X: Any, encodings: Sequence[Encoding], w: Vector, b: float) -> Vector:
    """Log-odds z of a table's rows, (m,), by the coefficients of a fit on such a table."""
    table, _ = encode(X, encodings)
    z = np.empty(table.m)
    try:
        read(table, What.LOSS, y=None, s=None, w=w, b=b, z=z, threads=thread_count(None))
    except CodeError as error:
        name = encodings[error.column].name
        raise InputError(
            f"column {name!r} has no value in row {error.row + 1}, and had one in every row of the fit"
        ) from None
    bad = np.flatnonzero(~np.isfinite(z))
    if len(bad):
        raise InputError(
            f"X has a missing or infinite number in row {int(bad[0]) + 1} where the fit had none: fill it in"
        )
    return z


def _refuse_new_levels(field: Field, encoding: Encoding) -> None:
    assert field.levels is not None
    assert encoding.levels is not None
    new = np.array([level not in encoding.levels for level in field.levels] or [False])
    first = 0
    for part in field.parts:
        codes = np.asarray(part.values)
        bad = (codes >= 0) & new[np.maximum(codes, 0)] if new.any() else np.zeros(0, dtype=np.bool_)
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            level = field.levels[int(codes[row])]
            raise InputError(
                f"column {field.name!r} has {level!r} in row {first + row + 1}, a level that the fit did not see"
            )
        first += part.rows


def check_table(fields: Sequence[Field], least_rows: int) -> None:
    """Refuse a table without rows or columns, or with two columns of one name."""
    if not fields or _rows_of(fields) < least_rows:
        rows = _rows_of(fields) if fields else 0
        raise InputError(
            f"X has {counted(rows, 'row')} and {counted(len(fields), 'column')}: a fit needs two rows and one column at least"
        )
    names = [field.name for field in fields]
    twice = next((name for k, name in enumerate(names) if name in names[:k]), None)
    if twice is not None:
        raise InputError(f"X has two columns called {twice!r}: rename one")
