"""Turns any data frame into columns for the core, without a copy if possible: numbers, and categories as codes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data.readings import periods
from chainrule.data.rows.decode import part_values, present
from chainrule.data.words import check_columns, check_name, unusable
from chainrule.errors import InputError
from chainrule.kernels.blocks import Part

Parts = tuple[Part, ...]
Codes = NDArray[np.signedinteger[Any]]

_WAYS = {
    r"(?i)duration|period": "turn it into numbers, such as days",
    r"(?i)list|large_list|fixed_size_list|struct|map|array": "split it into several columns",
}
_SECONDS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
UNNAMED_INDEX = re.compile(r"__index_level_\d+__")  # pandas' name for it in Arrow; not a column of the frame


@dataclass(frozen=True)
class Field:
    """One column: its parts, its levels as text if it is a category, and whether it was copied.

    declared : its type says that it is a category. source, reads, part : as in `Column`; dates and times of a frame are read.
    """

    name: str
    parts: Parts
    levels: tuple[str, ...] | None = None
    copied: bool = False
    declared: bool = False
    source: str = ""
    reads: str = ""
    part: str = ""

    @property
    def rows(self) -> int:
        """Number of rows."""
        return sum(part.rows for part in self.parts)

    @property
    def values(self) -> NDArray[np.float64]:
        """All rows, (m,): numbers, or codes of levels; NaN where a value is missing."""
        values = np.concatenate([np.empty(0), *(part_values(part, slice(None)) for part in self.parts)])
        return values if self.levels is None else np.where(values < 0, np.nan, values)


def is_frame(X: Any) -> bool:
    """Whether X is a data frame of any library, an Arrow table, a lazy query or a dictionary of columns."""
    if isinstance(X, np.ndarray | list | tuple) or hasattr(X, "tocsr"):  # SciPy has a matrix that is a dictionary
        return False
    if isinstance(X, Mapping) or _is_pandas(X) or _is_arrow(X):
        return True
    if not hasattr(type(X), "columns"):
        return False
    import narwhals as nw

    return nw.from_native(X, pass_through=True) is not X


def collected(X: Any) -> Any:
    """Return a frame as a pandas frame, an Arrow table or a dictionary of columns; a lazy query is run once.

    pandas and Arrow don't go through narwhals, which refuses two columns of one name even if neither is used.
    """
    if isinstance(X, Mapping) or _is_pandas(X) or _is_arrow(X):
        return X
    import narwhals as nw

    frame = nw.from_native(X)
    if isinstance(frame, nw.LazyFrame):
        return frame.collect("pyarrow").to_native()
    return {name: frame[name].to_native() for name in frame.columns}


def is_table(X: Any) -> bool:
    """Whether X is a frame to read column by column; a pandas frame of plain numbers, none of them missing, is a matrix."""
    return is_frame(X) and not _plain(X)[0]


def plain_matrix(X: Any) -> NDArray[np.floating] | None:
    """Return a pandas frame of plain numbers, none of them missing, as floats (m, n), in place if it has one block of them.

    None for all else.
    """
    is_plain, array = _plain(X)
    with np.errstate(over="ignore"):  # a long double beyond float64
        return array if array is not None or not is_plain else np.asarray(X.to_numpy(np.float64))


def _plain(X: Any) -> tuple[bool, NDArray[np.floating] | None]:
    """Whether X is a pandas frame of plain numbers, none of them missing; and its numbers, if all are of one type of floats."""
    dtypes = list(X.dtypes) if _is_pandas(X) else []
    if not dtypes or not all(map(_is_plain, dtypes)):
        return False, None
    types = set(dtypes)
    if len(types) > 1 or not types <= {np.dtype(np.float64), np.dtype(np.float32)}:
        return all(of.kind != "f" for of in types) or not X.isna().to_numpy().any(), None
    array = X.to_numpy()
    with np.errstate(over="ignore", invalid="ignore"):  # a sum that isn't NaN shows faster that no number is
        is_whole = not np.isnan(array.sum()) or not np.isnan(array).any()
    return is_whole, array if is_whole else None


def column_names(X: Any) -> list[str]:
    """Names of a frame's columns. The unnamed index in Arrow tables made by pandas is left out."""
    return [name for name in _columns(collected(X))[0] if not (_is_arrow(X) and UNNAMED_INDEX.fullmatch(name))]


def fields_of(X: Any, wanted: Sequence[str] | None = None, *, sort: bool = False) -> list[Field]:
    """Use a frame's columns in place: all of them, or the wanted ones in the order given.

    sort : for a table from a file. Its booleans become the words true and false, and levels of dictionaries are sorted unless
    their type is ordered. Levels of text are always sorted.

    Dates and timestamps become days since 1970-01-01, times of day hours since midnight: see `Field.reads`.
    Raises InputError, with the name, if a column is missing, occurs twice, or holds none of these, numbers or categories.
    """
    X = collected(X)
    names, column = _columns(X)
    often = Counter(names)
    wanted = column_names(X) if wanted is None else wanted
    check_columns(wanted, names)
    for name in wanted:
        check_name(name, often)
    place = {name: k for k, name in enumerate(names)}
    fields = [_field(name, column(place[name]), sort) for name in wanted]
    uneven = next((field for field in fields if field.rows != fields[0].rows), None)
    if uneven is not None:
        raise InputError(f"column {uneven.name!r} has {uneven.rows} rows, and {fields[0].name!r} {fields[0].rows}")
    return fields


def _is_pandas(X: Any) -> bool:
    return all(hasattr(type(X), name) for name in ("iloc", "columns", "dtypes"))


def _is_arrow(X: Any) -> bool:
    return all(hasattr(type(X), name) for name in ("schema", "column_names", "num_rows"))  # hasattr(X) may run a query


def _columns(X: Any) -> tuple[list[str], Callable[[int], Any]]:
    """Return the names of a frame's columns, and a function from a column's place to the column."""
    if _is_arrow(X):
        return list(X.schema.names), X.column
    if _is_pandas(X):
        labels = list(
            X.columns
        )  # by its name a column comes twice as fast; fields of two that read the same are refused
        return list(map(str, labels)), lambda k: X[labels[k]] if isinstance(labels[k], str) else X.iloc[:, k]
    return [str(name) for name in X], list(X.values()).__getitem__


def _is_plain(dtype: Any) -> bool:
    return isinstance(dtype, np.dtype) and dtype.kind in "biuf"


def _field(name: str, column: Any, sort: bool) -> Field:
    """Convert a column: NumPy's numbers and pandas' codes as they are, everything else through Arrow."""
    dtype: Any = getattr(column, "dtype", None)
    if getattr(column, "ndim", 1) != 1:
        raise unusable(name, f"has {column.ndim} dimensions", "give one value a row")
    is_sparse = hasattr(dtype, "fill_value") and dtype.kind in "biuf"
    if is_sparse or (_is_plain(dtype) and not (sort and dtype.kind == "b")):
        values = np.asarray(column)
        is_read = values.dtype.isnative and (values.dtype.kind in "biu" or values.dtype in (np.float64, np.float32))
        values = values if is_read else values.astype(np.float64)
        return Field(name, (Part(values, len(values)),), copied=is_sparse or not is_read)
    if hasattr(dtype, "categories") and hasattr(column, "array"):
        of = dtype.categories  # of text, `tolist` takes a twentieth of the time; it would widen a Float32
        levels = of.tolist() if of.dtype.kind == "O" else list(of)
        given = [(levels, [Part(np.asarray(column.array.codes), len(column))])]
        return replace(_category(name, given, sort), declared=True)
    is_unordered = str(dtype) == "Categorical"  # polars doesn't order their levels
    field = _arrow_field(name, as_arrow(name, column, dtype), sort or is_unordered)
    return replace(field, declared=True) if is_unordered else field


def as_arrow(name: str, column: Any, dtype: Any) -> Any:
    """Convert a column of any library to Arrow; raises InputError, with the name, for values that are no column."""
    import pyarrow as pa

    if hasattr(column, "type"):
        return column
    try:
        return column.to_arrow() if hasattr(column, "to_arrow") else pa.array(column, from_pandas=True)
    except OverflowError:
        raise unusable(name, "has numbers that a float64 doesn't hold", "make them smaller") from None
    except pa.ArrowNotImplementedError:
        raise _neither(name, dtype) from None
    except (pa.ArrowException, TypeError, ValueError):
        what = "mixes kinds of values, or has a kind that is neither numbers nor text"
        raise unusable(name, what, "make all of it numbers, or all of it text") from None


def _neither(name: str, kind: Any) -> InputError:
    """Say how to change a column that holds neither numbers nor categories."""
    way = next((way for names, way in _WAYS.items() if re.match(names, str(kind))), "turn it into one of them")
    return unusable(name, f"is {kind}, neither numbers nor categories", way)


def _arrow_field(name: str, column: Any, sort: bool) -> Field:
    import pyarrow as pa

    kind, copied = column.type, False
    if pa.types.is_null(kind) or pa.types.is_float16(kind) or pa.types.is_decimal(kind):
        column, copied = column.cast(pa.float64(), safe=False), True
    elif sort and pa.types.is_boolean(kind):  # a file's true and false are words
        column = column.cast(pa.string())
    chunks = [chunk for chunk in (column.chunks if hasattr(column, "chunks") else [column]) if len(chunk)]
    kind = column.type
    if is_text(kind):
        return _dictionaries(name, [chunk.dictionary_encode() for chunk in chunks], sort=True)
    if pa.types.is_dictionary(kind) and not pa.types.is_nested(kind.value_type):
        return replace(_dictionaries(name, chunks, sort and not kind.ordered), declared=not sort)
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind) or pa.types.is_time(kind):
        reads = "hours" if pa.types.is_time(kind) else "days" if getattr(kind, "tz", None) is None else "days, UTC"
        return Field(name, tuple(map(_clock_part, chunks)), copied=True, reads=reads)
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_float32(kind) or pa.types.is_float64(kind):
        return Field(name, tuple(_arrow_part(chunk) for chunk in chunks), copied=copied)
    raise _neither(name, kind)


def is_text(kind: Any) -> bool:
    """Whether an Arrow type is text."""
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def coded(column: Any) -> tuple[Codes, tuple[str, ...]]:
    """Read an Arrow column of any kind as codes, (m,), -1 where missing, and its levels, sorted by value."""
    chunks = [chunk if hasattr(chunk, "indices") else chunk.dictionary_encode() for chunk in column.chunks]
    field = _dictionaries("", chunks, sort=True)
    assert field.levels is not None
    return np.concatenate([np.empty(0, dtype=np.int8), *(part.values for part in field.parts)]), field.levels


def code_type(levels: int) -> Any:
    """Smallest signed integer type for the codes of this many levels."""
    return np.min_scalar_type(-max(levels, 1) - 1)


def displayed(value: Any) -> str:
    """Write a value as a label or level: true, 3, 0.5; whole numbers without a decimal point."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float | Decimal):
        number = float(value)
        return str(int(number)) if number.is_integer() and abs(number) < 2**53 else repr(number)
    return str(value)


def _dictionaries(name: str, chunks: Sequence[Any], sort: bool) -> Field:
    """Convert an Arrow dictionary column; each chunk may have its own dictionary."""
    import pyarrow as pa

    given: list[tuple[list[Any], list[Part]]] = []
    for k, chunk in enumerate(chunks):
        try:
            chunk.validate(full=True)
        except pa.ArrowInvalid:
            raise InputError(f"column {name!r} has codes without a level: create it again") from None
        if not k or not chunk.dictionary.equals(chunks[k - 1].dictionary):
            given.append((chunk.dictionary.to_pylist(), []))
        given[-1][1].append(_arrow_part(chunk.indices))
    return _category(name, given, sort)


def _category(name: str, given: Sequence[tuple[list[Any], list[Part]]], sort: bool) -> Field:
    """Use codes in place. They are copied if sorted, or if parts have different values, a value twice, or a null value.

    given : values, and the parts whose codes stand for them. sort : sort the levels by value: numbers by size, false
    before true, text by code point.
    """
    # v == v is False for NaN, which counts as missing
    every = dict.fromkeys(v for values, _ in given for v in values if v is not None and v == v)
    spell = displayed if sort else str
    levels = tuple(map(spell, sorted(every) if sort else every))
    place = {level: k for k, level in enumerate(levels)}
    if len(place) < len(levels):
        twice = Counter(levels).most_common(1)[0][0]
        raise InputError(f"column {name!r} has two levels that read {twice!r}: rename one")
    parts: list[Part] = []
    copied = False
    for values, own in given:
        lookup = np.array([place[spell(v)] if v in every else -1 for v in values], dtype=code_type(len(place)))
        if sort or own[0].values.dtype == np.uint64 or (lookup != np.arange(len(values))).any():
            own, copied = [recoded(part, lookup) for part in own], True
        parts += own
    return Field(name, tuple(parts), levels, copied)


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


def _clock_part(chunk: Any) -> Part:
    """Read dates and timestamps as days since 1970-01-01 (in UTC if they have a time zone), and times as hours."""
    import pyarrow as pa

    kind = chunk.type
    part = _arrow_part(chunk.view(pa.int64() if kind.bit_width == 64 else pa.int32()))
    if pa.types.is_date(kind):
        period = 1 if kind.bit_width == 32 else 86_400_000
    else:
        period = (3600 if pa.types.is_time(kind) else 86_400) * _SECONDS[kind.unit]
    return Part(np.where(present(part), periods(part.values, period), np.nan), part.rows)


def first_row(field: Field, wanted: Collection[str]) -> tuple[int, str]:
    """Find the first row that has one of the wanted levels; return its number, from 0, and the level."""
    assert field.levels is not None
    codes = field.values
    row = int(np.argmax(np.isin(codes, [code for code, level in enumerate(field.levels) if level in wanted])))
    return row, field.levels[int(codes[row])]


def recoded(part: Part, lookup: Codes) -> Part:
    """Copy codes, each replaced by its entry in `lookup`; missing ones become -1."""
    of_codes = np.append(lookup, -1).astype(lookup.dtype)  # -1 is the last
    # in signed integers: -1 would wrap among unsigned codes, which polars has
    codes = np.where(present(part, is_code=True), part.values.astype(np.int64), -1)
    return Part(of_codes[codes], part.rows)
