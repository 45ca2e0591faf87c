"""A pandas frame or an Arrow table as columns for the core, each where it lies."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data.inputs import counted
from chainrule.data.rows import power_of_two
from chainrule.data.rows.decode import part_values, present, values_of
from chainrule.errors import InputError
from chainrule.kernels import (
    CategoryColumn,
    CodeError,
    Column,
    Design,
    NumberColumn,
    Part,
    What,
    level_counts,
    missing_counts,
    moments,
    read,
    thread_count,
)

Vector = NDArray[np.float64]
Parts = tuple[Part, ...]

CODINGS = ("reference", "all")
MISSING_LEVEL = "(missing)"
NEARLY_CONSTANT = 1e-6  # of a mean from the largest number: from there on all numbers may be the same
UNNAMED_INDEX = re.compile(r"__index_level_\d+__")  # what pandas calls it in Arrow; no column of the frame


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


def without_index(X: Any) -> Any:
    """See a table without the unnamed index that an Arrow table made of a pandas frame has among its columns."""
    if not _is_arrow(X):
        return X
    kept = [k for k, name in enumerate(X.schema.names) if not UNNAMED_INDEX.fullmatch(name)]
    return X if len(kept) == len(X.schema.names) else X.select(kept)


def fields_of(X: Any, wanted: Sequence[str] | None = None) -> list[Field]:
    """Take a table's columns as they lie, all or those wanted, in that order.

    Raises InputError that names a column which isn't there, is there twice, or is neither numbers nor categories.
    """
    X, is_arrow = without_index(X), _is_arrow(X)
    names = [str(name) for name in (X.schema.names if is_arrow else X.columns)]
    place = {name: k for k, name in reversed(list(enumerate(names)))}
    lost = next((name for name in wanted or () if name not in place), None)
    if lost is not None:
        raise InputError(f"X has no column {lost!r}, which the fit had: add it, or fit without it")
    wanted = names if wanted is None else wanted
    often = Counter(names)
    twice = next((name for name in wanted if often[name] > 1), None)
    if twice is not None:
        raise InputError(f"X has two columns called {twice!r}: rename one")
    if is_arrow:
        return [_arrow_field(name, X.column(place[name])) for name in wanted]
    return [_pandas_field(name, X.iloc[:, place[name]]) for name in wanted]


def _pandas_field(name: str, series: Any) -> Field:
    dtype = series.dtype
    if hasattr(dtype, "categories"):
        return _category(name, _whole(np.asarray(series.array.codes)), tuple(map(str, dtype.categories)))
    if _is_plain(dtype):
        return _numbers(name, series.to_numpy(copy=False))
    if hasattr(dtype, "pyarrow_dtype"):
        import pyarrow as pa

        return _arrow_field(name, pa.array(series.array))
    if dtype.kind in "biuf":  # with a mask, or sparse
        return _numbers(name, series.to_numpy(dtype=np.float64, na_value=np.nan), copied=True)
    if dtype.kind == "O" and (isinstance(dtype, np.dtype) or dtype.name in ("str", "string")):
        return _object_field(name, series)
    raise _unusable(name, dtype)


def _object_field(name: str, series: Any) -> Field:
    """See Python objects by what they are: text, or numbers of any kind."""
    from pandas.api.types import infer_dtype

    kind = infer_dtype(series, skipna=True)
    if kind == "string":
        return replace(_pandas_field(name, series.astype("category")), copied=True)
    if kind in ("boolean", "integer", "floating", "mixed-integer-float", "decimal", "empty"):
        try:
            return _numbers(name, series.to_numpy(dtype=np.float64, na_value=np.nan), copied=True)
        except OverflowError:
            raise InputError(f"column {name!r} has numbers that a float64 doesn't hold: make them smaller") from None
    if kind.startswith("mixed"):
        raise InputError(f"column {name!r} mixes kinds of values ({kind}): make them one kind, or leave it out")
    raise _unusable(name, kind)


def _whole(values: NDArray[Any]) -> Parts:
    return (Part(values, len(values)),)


def _numbers(name: str, values: NDArray[Any], copied: bool = False) -> Field:
    """Take numbers where they lie; of a type that the core doesn't read as float64."""
    if values.dtype.isnative and (values.dtype.kind in "biu" or values.dtype in (np.float64, np.float32)):
        return Field(name, _whole(values), copied=copied)
    return Field(name, _whole(values.astype(np.float64)), copied=True)


def _category(name: str, parts: Parts, levels: tuple[str, ...], copied: bool = False) -> Field:
    if len(set(levels)) < len(levels):
        twice = Counter(levels).most_common(1)[0][0]
        raise InputError(f"column {name!r} has two levels that read {twice!r}: rename one")
    return Field(name, parts, levels, copied)


def _unusable(name: str, dtype: Any) -> InputError:
    return InputError(
        f"column {name!r} is {dtype}, neither numbers nor categories: turn it into one of them, or leave it out"
    )


def _arrow_field(name: str, column: Any) -> Field:
    import pyarrow as pa

    kind, copied = column.type, False
    if pa.types.is_null(kind) or pa.types.is_float16(kind) or pa.types.is_decimal(kind):
        column, kind, copied = column.cast(pa.float64(), safe=False), pa.float64(), True
    chunks = [chunk for chunk in (column.chunks if hasattr(column, "chunks") else [column]) if len(chunk)]
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return replace(_dictionaries(name, [chunk.dictionary_encode() for chunk in chunks], is_text=True), copied=True)
    if pa.types.is_dictionary(kind):
        return _dictionaries(name, chunks)
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_float32(kind) or pa.types.is_float64(kind):
        return Field(name, tuple(_arrow_part(chunk) for chunk in chunks), copied=copied)
    raise _unusable(name, kind)


def _dictionaries(name: str, chunks: Sequence[Any], is_text: bool = False) -> Field:
    """Take codes where they lie, unless chunks differ in their levels or have one twice; a null among these is no value.

    is_text : the levels are sorted, since the order in which rows bring them says nothing.
    """
    texts: list[list[str | None]] = []
    for k, chunk in enumerate(chunks):
        if k and chunk.dictionary.equals(chunks[k - 1].dictionary):
            texts.append(texts[-1])
        else:
            texts.append([None if level is None else str(level) for level in chunk.dictionary.to_pylist()])
    levels: list[str] = list(dict.fromkeys(level for text in texts for level in text if level is not None))
    place = {level: k for k, level in enumerate(sorted(levels) if is_text else levels)}
    parts, copied = [], False
    for chunk, text in zip(chunks, texts, strict=True):
        part = _arrow_part(chunk.indices)
        lookup = np.array([-1 if level is None else place[level] for level in text], dtype=np.int32)
        if part.values.dtype == np.uint64 or (lookup != np.arange(len(text))).any():
            part, copied = _recoded(name, part, lookup), True
        parts.append(part)
    return Field(name, tuple(parts), tuple(place), copied)


def _arrow_part(chunk: Any) -> Part:
    import pyarrow as pa

    validity, data = chunk.buffers()
    offset, rows = chunk.offset, len(chunk)
    valid = None if validity is None or not chunk.null_count else np.frombuffer(validity, dtype=np.uint8)
    if pa.types.is_boolean(chunk.type):
        bits = np.frombuffer(data, dtype=np.uint8)
        return Part(bits, rows, valid, offset, True, offset)
    dtype = np.dtype(chunk.type.to_pandas_dtype())
    values = np.frombuffer(data, dtype=dtype, count=rows, offset=offset * dtype.itemsize)
    return Part(values if values.flags.aligned else values.copy(), rows, valid, offset)


def _recoded(name: str, part: Part, lookup: NDArray[np.int32]) -> Part:
    """Copy codes, each as `lookup` has it; what is missing as -1."""
    there = present(part, is_code=True)
    codes = part.values[there]
    if len(codes) and codes.max() >= len(lookup):
        raise InputError(
            f"column {name!r} has code {codes.max()}, and only {counted(len(lookup), 'level')}: make it anew"
        )
    new = np.full(part.rows, -1, dtype=np.int32)
    new[there] = lookup[codes]
    return Part(new, part.rows)


def learn(
    fields: Sequence[Field], s: Vector | None, coding: str, threads: int
) -> tuple[list[Encoding], dict[int, NDArray[np.int64]]]:
    """Find which levels and missing values rows of positive weight have, and the means that fill in: a read or two.

    Also how many of these rows each level of a category has, by the category's place; last, where there are some, those
    without a level.
    """
    table = Design(_raw(fields), _rows_of(fields), sum(_width(field) for field in fields))
    try:
        counts = level_counts(table, y=None, s=s, threads=threads)
    except CodeError as error:
        raise _no_level(fields[error.column].name, error) from None
    fills = _fills(fields, s, threads)
    encodings, level_rows = [], {}
    for k, field in enumerate(fields):
        if field.levels is None:
            encodings.append(Encoding(field.name, None, k in fills, fills.get(k), False))
            continue
        rows = counts[k].rows.sum(axis=1)
        levels = tuple(level for level, count in zip(field.levels, rows, strict=False) if count)
        lost = bool(rows[len(field.levels)])
        if not levels:
            raise _no_value(field, s)
        if lost and MISSING_LEVEL in levels:
            raise InputError(
                f"column {field.name!r} has missing values, and a level {MISSING_LEVEL!r}: rename the level"
            )
        encodings.append(Encoding(field.name, levels, lost, None, coding == "reference"))
        level_rows[k] = rows[rows > 0]
    return encodings, level_rows


def _fills(fields: Sequence[Field], s: Vector | None, threads: int) -> dict[int, float]:
    """Mean of each field of numbers that misses some, by its place; a read of the fields that could, or two.

    The rounded mean of equal numbers may be another one: they are filled in by the number itself, and stay constant.
    """
    could = [
        k
        for k, column in enumerate(_raw(fields))
        if isinstance(column, NumberColumn) and column.may_miss and not all(map(_is_full, column.parts))
    ]
    if not could:
        return {}
    some = [fields[k] for k in could]
    table = Design(_raw(some), _rows_of(some), len(some))
    missing = missing_counts(table, s=s, threads=threads)
    if not missing.any():
        return {}
    sums = moments(table, s=s, threads=threads)
    fills, equal = {}, {}
    for k, field, total, lost, low, high in zip(could, some, sums.sums, missing, sums.low, sums.high, strict=True):
        there = _rows_of(some) - int(lost)
        if not lost:
            continue
        fills[k] = float(total) / there if s is None and there and np.isfinite(total) else _mean(field, s)
        farthest = float(low if high == 0.0 else high)  # missing ones were read as 0
        if farthest and 0.0 in (low, high) and abs(fills[k] / farthest - 1.0) < NEARLY_CONSTANT:
            equal[k] = farthest
    if equal:
        columns = [NumberColumn(fields[k].parts, at, fill) for at, (k, fill) in enumerate(equal.items())]
        sums = moments(Design(columns, _rows_of(some), len(columns)), s=s, threads=threads)
        fills |= {k: equal[k] for k, low, high in zip(equal, sums.low, sums.high, strict=True) if low == high}
    return fills


def _is_full(part: Part) -> bool:
    """Whether a part of numbers surely misses none: a sum is finite only of finite numbers."""
    with np.errstate(over="ignore", invalid="ignore"):
        return part.valid is None and (part.values.dtype.kind != "f" or bool(np.isfinite(np.add.reduce(part.values))))


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
    x = np.concatenate([part_values(part, slice(0, part.rows)) for part in field.parts])
    there = ~np.isnan(x) if s is None else ~np.isnan(x) & (s > 0)
    if not there.any():
        raise _no_value(field, s)
    bad = np.flatnonzero(there & np.isinf(x))
    if len(bad):
        raise InputError(
            f"X has {x[bad[0]]} in row {bad[0] + 1}, column {field.name!r}: "
            "fill it in, drop the row, or give the row weight 0"
        )
    x, weights = x[there], None if s is None else s[there]
    p = float(power_of_two(np.abs(x).max()))  # so that no sum overflows
    if weights is not None:
        weights = weights * power_of_two(weights.max())
    return float(np.average(x * p, weights=weights)) / p


def _no_value(field: Field, s: Vector | None) -> InputError:
    of = "" if s is None or s.all() else " of positive weight"
    return InputError(f"column {field.name!r} has no value in any row{of}: leave it out")


def table_of(fields: Sequence[Field], encodings: Sequence[Encoding]) -> tuple[Design, list[str], int]:
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
    if len(set(names)) < len(names):
        twice = Counter(names).most_common(1)[0][0]
        raise InputError(f"two coefficients would be called {twice!r}: rename a column")
    return Design(columns, _rows_of(fields), len(names)), names, copies


def _codes(field: Field, encoding: Encoding) -> tuple[Parts, bool]:
    """Give codes into the levels learnt: as they lie where the levels are the same, else a copy."""
    assert field.levels is not None
    assert encoding.levels is not None
    if field.levels == encoding.levels:
        return field.parts, False
    place = {level: k for k, level in enumerate(encoding.levels)}
    lookup = np.array([place.get(level, -1) for level in field.levels], dtype=np.int32)
    return tuple(_recoded(field.name, part, lookup) for part in field.parts), True


def encode(X: Any, encodings: Sequence[Encoding]) -> Design:
    """See another table as the fit's columns; raises InputError for a column, level or value that the fit did not see."""
    if not (_is_arrow(X) or (hasattr(X, "iloc") and hasattr(X, "columns"))):
        raise InputError(
            "the fit was on a table: give a pandas frame or an Arrow table with the columns that it had, "
            f"not {type(X).__name__}"
        )
    fields = fields_of(X, [encoding.name for encoding in encodings])
    if not _rows_of(fields):
        raise InputError("X has no rows: give one at least")
    fields = [_as_fitted(field, encoding) for field, encoding in zip(fields, encodings, strict=True)]
    return table_of(fields, encodings)[0]


def _as_fitted(field: Field, encoding: Encoding) -> Field:
    """Refuse levels that the fit did not see, and numbers for categories; a column without any value may be either."""
    if (field.levels is None) == (encoding.levels is None):
        if encoding.levels is not None:
            _refuse_new_levels(field, encoding.levels)
        return field
    if any(present(part, field.levels is not None).any() for part in field.parts):
        now, then = ("numbers", "categories") if field.levels is None else ("categories", "numbers")
        raise InputError(f"column {field.name!r} has {now} and had {then} in the fit: turn it into {then}")
    rows = sum(part.rows for part in field.parts)
    if encoding.levels is None:
        return Field(field.name, _whole(np.full(rows, np.nan)))
    return Field(field.name, _whole(np.full(rows, -1, dtype=np.int8)), ())


def _refuse_new_levels(field: Field, seen: tuple[str, ...]) -> None:
    assert field.levels is not None
    known = set(seen)
    new = np.array([level not in known for level in field.levels], dtype=np.bool_)
    if not new.any():
        return
    first = 0
    for part in field.parts:
        rows = np.flatnonzero(present(part, is_code=True))
        bad = rows[new[part.values[rows]]]
        if len(bad):
            level = field.levels[int(part.values[bad[0]])]
            raise InputError(
                f"column {field.name!r} has {level!r} in row {first + bad[0] + 1}, a level that the fit did not see: "
                "drop the row, or fit again with such rows"
            )
        first += part.rows


def scores(X: Any, encodings: Sequence[Encoding], w: Vector, b: float) -> Vector:
    """Log-odds z of a table's rows, (m,), by the coefficients of a fit on such a table."""
    table = encode(X, encodings)
    z = np.empty(table.m)
    try:
        read(table, What.LOSS, y=None, s=None, w=w, b=b, z=z, threads=thread_count(None))
    except CodeError as error:
        name = encodings[error.column].name
        raise (_lost(name, error.row) if error.code is None else _no_level(name, error)) from None
    bad = np.flatnonzero(~np.isfinite(z))
    if len(bad):
        raise _not_finite(table, encodings, int(bad[0]))
    return z


def _no_level(name: str, error: CodeError) -> InputError:
    return InputError(f"column {name!r} has code {error.code} in row {error.row + 1}, of no level: make it anew")


def _lost(name: str, row: int) -> InputError:
    return InputError(f"column {name!r} has no value in row {row + 1}, and had one in every row of the fit: fill it in")


def _not_finite(table: Design, encodings: Sequence[Encoding], row: int) -> InputError:
    """Say which number of a row makes its z something else than a number."""
    for column, encoding in zip(table.columns, encodings, strict=True):
        x = float(values_of(column, np.array([row]))[0]) if encoding.levels is None else 0.0
        if np.isinf(x):
            return InputError(f"column {encoding.name!r} has {x} in row {row + 1}: fill it in")
        if np.isnan(x) and encoding.fill is None:
            return _lost(encoding.name, row)
    return InputError(f"the log-odds of row {row + 1} are more than a float64 holds: look at the size of its numbers")


def check_table(fields: Sequence[Field], least_rows: int) -> None:
    """Refuse a table without enough rows or columns."""
    if not fields or _rows_of(fields) < least_rows:
        rows = _rows_of(fields) if fields else 0
        raise InputError(
            f"X has {counted(rows, 'row')} and {counted(len(fields), 'column')}: a fit needs two rows and one column at least"
        )
