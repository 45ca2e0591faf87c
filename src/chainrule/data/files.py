"""Reads CSV and Parquet files, whole or batch by batch, as Arrow tables with text as dictionaries."""

import gzip
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from chainrule.data.frames import is_text
from chainrule.data.padded import PaddedError, as_numbers, may_be_codes, numbers_of
from chainrule.data.schema import Schema
from chainrule.data.words import looks_like_number, shown, some
from chainrule.errors import InputError
from chainrule.words import counted

MISSING = ("", "NA", "N/A", "NaN", "null")
TRUE, FALSE = ["true", "True", "TRUE"], ["false", "False", "FALSE"]
BATCH_ROWS, BATCH_NUMBERS = 1 << 16, 1 << 22  # limits of a Parquet batch
BLOCK = 1 << 24  # bytes of CSV that are parsed at once: no row may be longer
STREAM_BLOCK = 1 << 20
MOST_LEVELS = 1 << 16  # with more distinct values, a block of text isn't made a dictionary
_FOREIGN = {
    b"PAR1": ("a Parquet file", "call it .parquet"),
    b"PK\x03\x04": ("a spreadsheet or a zip archive", "save it as CSV"),
    b"\x1f\x8b": ("compressed by gzip", "call it .csv.gz"),
    b"\xff\xfe": ("UTF-16 text", "save it as UTF-8"),
    b"\xfe\xff": ("UTF-16 text", "save it as UTF-8"),
}
_MARKS = {";": "semicolons", "\t": "tabs", "|": "bars", ",": "commas"}
# what the parser and the system say, and what a user can do about it
_FAULTS = {
    "Empty CSV": "has no header or no rows: a table needs both",
    "invalid UTF8|can't decode": "is not UTF-8 text: save it as UTF-8",
    "straddling|block": f"has a row of more than {BLOCK >> 20} MB, or a quote that is never closed: shorten or close it",
}


def read_table(path: str | Path, *, na: Sequence[str] = (), text: Sequence[str] = ()) -> pa.Table:
    """Read a table from a CSV or Parquet file.

    Parameters
    ----------
    path : str or Path
        .csv (commas), .tsv (tabs), .txt (tabs if its header has one, else commas), each also with .gz, or .parquet.
    na : sequence of str
        More cells that mean "missing", as written; empty, NA, N/A, NaN and null always do, in text of Parquet too.
    text : sequence of str
        Columns of a CSV file to read as text even if every cell looks like a number (a trained model's categories).

    Returns
    -------
    pyarrow.Table
        Columns as inferred, text mostly as dictionaries; missing cells are null. Blank lines of a CSV file are skipped.

    Raises
    ------
    InputError
        The file is missing, empty, has no rows, two columns of one name or a row too long or too short, or its
        content is not what its name says.
    """
    place, ending, zipped = _kind_of(Path(path))
    with _explained(place):
        table = _read_csv(place, ending, zipped, na, text) if ending else _mark_missing(_parquet(place).read(), na)
        pa.default_memory_pool().release_unused()
        # columns without a name are never features, so several do no harm
        twice = [name for name, times in Counter(table.column_names).items() if times > 1 and name != ""]
    if twice:
        raise InputError(f"{place} has more than one column called {some(twice)}: give each its own name")
    if not any(table.column_names):
        raise InputError(f"{place} has no named columns: its first line must be a header")
    if table.num_rows == 0:
        raise InputError(f"{place} has a header and no rows")
    return table


def read_batches(
    path: str | Path, schema: Schema, *, na: Sequence[str] = (), need_target: bool = False
) -> Iterator[pa.Table]:
    """Read the columns that a model needs in batches, so that long files need little memory; otherwise as `read_table`.

    A table that lacks such a column, or the target if that is needed, is read whole, for a message with all its columns.
    """
    place, ending, zipped = _kind_of(Path(path))
    done = 0
    try:
        if ending:
            batches = _csv_batches(place, zipped, _csv_options(place, ending, zipped, na), schema, need_target)
        else:
            batches = _parquet_batches(place, na, schema, need_target)
        for table in batches:
            done += table.num_rows
            yield table
        if done:
            return
    except (pa.ArrowException, InputError, OSError, ValueError):
        pass  # `read_table` says why, or succeeds
    yield read_table(place, na=na, text=schema.text_columns).slice(done)


def _parquet_batches(place: Path, na: Sequence[str], schema: Schema, need_target: bool) -> Iterator[pa.Table]:
    with _parquet(place) as file:
        kept = _kept(file.schema_arrow.names, schema, need_target)
        for batch in file.iter_batches(max(256, min(BATCH_ROWS, BATCH_NUMBERS // len(kept))), columns=kept):
            yield _mark_missing(pa.Table.from_batches([batch]), na)


def _csv_batches(
    place: Path, zipped: bool, options: dict[str, Any], schema: Schema | None = None, need_target: bool = False
) -> Iterator[pa.Table]:
    """Read a file in small blocks: a model's columns with the types it needs, or all with the types of the first block."""
    convert = options["convert_options"]
    with _opened(place, zipped) as stream, pa_csv.open_csv(stream, **options) as reader:
        names, types = reader.schema.names, {field.name: field.type for field in reader.schema}
    numbers = {} if schema is not None else _perhaps_codes(place, zipped, options, numbers_of(reader.schema))
    types |= dict.fromkeys(numbers, pa.string())
    if schema is not None:  # types of the first block could be wrong later on
        types = {c.table_name: pa.float64() if c.is_plain_number else pa.string() for c in schema.columns}
        types |= {schema.weights or "": pa.float64(), schema.target: pa.string()}
        convert.include_columns = _kept(names, schema, need_target)
    convert.column_types = {name: types[name] for name in convert.include_columns or names}
    rows = 0
    with _opened(place, zipped) as stream, pa_csv.open_csv(stream, **options) as reader:
        for batch in reader:
            rows += batch.num_rows
            table = pa.Table.from_batches([batch])
            yield as_numbers(table, numbers)
    if rows and table.column_names[-1] == names[-1]:  # the cell that takes everything after the quote
        _check_quotes(place, zipped, table, rows)


def _kept(names: Sequence[str], schema: Schema, need_target: bool) -> list[str]:
    """List the columns that a model reads, in the file's order."""
    needed = {*(column.table_name for column in schema.columns), *([schema.target] if need_target else [])}
    kept = [name for name in names if name in needed or name in (schema.target, schema.weights)]
    if len(set(names)) < len(names) or not needed <= set(names):
        raise pa.ArrowInvalid("`read_table` has the message")
    return kept


def _kind_of(place: Path) -> tuple[Path, str, bool]:
    """Return the place, the ending of a text file ("" for Parquet), and whether it is zipped; refuse anything but a file."""
    found = re.search(r"\.(?:(csv|tsv|txt)(\.gz)?|parquet)$", place.name.lower())
    if found is None:
        raise InputError(f"{place}: a table's name ends in .csv, .tsv, .txt (or these with .gz) or .parquet: rename it")
    if place.is_dir():
        raise InputError(f"{place} is a folder: name a file in it")
    if not place.exists():
        raise InputError(f"there is no file {place}: check the name and the folder")
    if place.stat().st_size == 0:
        raise InputError(f"{place} is empty: a table needs a header and rows")
    return place, found[1] or "", found[2] is not None


@contextmanager
def _explained(place: Path) -> Iterator[None]:
    """Say in a sentence why a file can't be read."""
    try:
        yield
    except (OSError, EOFError, ValueError, pa.ArrowException) as error:
        if isinstance(error, InputError):
            raise
        text = (getattr(error, "strerror", None) or str(error)).strip()
        ragged = re.search(r"Row #(\d+): Expected (\d+) columns?, got (\d+)", text)
        known = next((says for words, says in _FAULTS.items() if re.search(words, text)), None)
        if isinstance(error, pa.ArrowException) and place.suffix.lower() == ".parquet":
            says = f"{place} is not a Parquet file, or a damaged one, although it is called so: write it again"
        elif ragged:
            row, header, cells = map(int, ragged.groups())
            way = "mend the row (a cell with a comma in it needs quotes)"
            says = f"{place}: row {row - 1} has {counted(cells, 'cell')} and the header {header}: {way}"
        elif known:
            says = f"{place} {known}"
        else:
            line = shown((text.splitlines() or [type(error).__name__])[0], 160)
            says = f"can't read {place}: {line[:1].lower()}{line[1:]}; check that the file is whole and may be read"
        raise InputError(says) from error


def _parquet(place: Path) -> Any:
    # pq.read_table would turn folder names like year=2024 into columns
    return pq.ParquetFile(place, read_dictionary=[text.name for text in pq.read_schema(place) if is_text(text.type)])


def _read_csv(place: Path, ending: str, zipped: bool, na: Sequence[str], text: Sequence[str]) -> pa.Table:
    """Read a file; codes that begin with a zero are text, wherever the first one is."""
    while True:
        try:
            return _read_text(place, ending, zipped, na, text)
        except PaddedError as found:
            text = [*text, *found.names]


def _read_text(place: Path, ending: str, zipped: bool, na: Sequence[str], text: Sequence[str]) -> pa.Table:
    """Read a file in small blocks, which needs little more memory than the table.

    If a cell further down doesn't have the type of the first block, the parser finds the types itself: for this it keeps all
    cells.
    """
    options = _csv_options(place, ending, zipped, na)
    convert, reading = options["convert_options"], options["read_options"]
    convert.column_types = asked = dict.fromkeys(text, pa.dictionary(pa.int32(), pa.string()))
    try:
        table = pa.concat_tables(_csv_batches(place, zipped, options))
        for k, field in enumerate(table.schema):  # one at a time: it copies the codes
            if pa.types.is_dictionary(field.type):
                table = table.set_column(k, field, table.column(k).unify_dictionaries())
    except pa.ArrowInvalid:
        convert.column_types = asked
        # only on one thread does the parser report the number of a bad row
        reading.block_size, reading.use_threads = BLOCK, False
        with _opened(place, zipped) as stream:
            table = pa_csv.read_csv(stream, **options)
        _check_quotes(place, zipped, table, table.num_rows)
        _check_zeros(place, zipped, options, numbers_of(table.schema))
    for field in table.schema:
        if pa.types.is_binary(getattr(field.type, "value_type", field.type)):
            raise InputError(f"{place} is not UTF-8 text (column {shown(field.name)}): save it as UTF-8")
    return table


def _perhaps_codes(place: Path, zipped: bool, options: dict[str, Any], numbers: dict[str, Any]) -> dict[str, Any]:
    """Choose the columns of numbers in which to look for codes that begin with a zero."""
    options["convert_options"].column_types |= dict.fromkeys(numbers, pa.string())
    with _opened(place, zipped) as stream, pa_csv.open_csv(stream, **options) as reader:
        return may_be_codes(numbers, next(iter(reader), None))


def _check_zeros(place: Path, zipped: bool, options: dict[str, Any], numbers: dict[str, Any]) -> None:
    """Look through the parser's columns of numbers for codes that begin with a zero."""
    convert = options["convert_options"]
    convert.include_columns, convert.column_types = list(numbers), dict.fromkeys(numbers, pa.string())
    with _opened(place, zipped) as stream, pa_csv.open_csv(stream, **options) as reader:
        for batch in reader if numbers else ():
            as_numbers(pa.Table.from_batches([batch]), numbers)


def _csv_options(place: Path, ending: str, zipped: bool, na: Sequence[str]) -> dict[str, Any]:
    """Choose how a file is parsed."""
    with gzip.open(place, "rb") if zipped else open(place, "rb") as file:
        start = file.read(1 << 16)
    for magic, (what, way_out) in _FOREIGN.items():
        if start.startswith(magic):
            raise InputError(f"{place} is {what}, although it is called {place.suffix}: {way_out}")
    header = re.split(
        r"[\r\n]", start.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace").lstrip("\r\n"), maxsplit=1
    )[0]
    delimiter = "\t" if ending == "tsv" or (ending == "txt" and "\t" in header) else ","
    other = next((name for mark, name in _MARKS.items() if mark in header), None)
    if other and delimiter not in header:
        wanted = _MARKS[delimiter]
        raise InputError(f"{place} seems to be separated by {other}, not by {wanted}: write it again with {wanted}")
    return {
        # a few hundred rows at least
        "read_options": pa_csv.ReadOptions(block_size=max(STREAM_BLOCK, 1024 * header.count(delimiter))),
        "parse_options": pa_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        "convert_options": pa_csv.ConvertOptions(
            null_values=list({*MISSING, *na}),
            strings_can_be_null=True,
            # without these, a 1 beside true would be a boolean
            true_values=TRUE,
            false_values=FALSE,
            auto_dict_encode=True,
            auto_dict_max_cardinality=MOST_LEVELS,
        ),
    }


def _opened(place: Path, zipped: bool) -> Any:
    return pa.input_stream(str(place), compression="gzip" if zipped else None)


def _check_quotes(place: Path, zipped: bool, table: pa.Table, rows: int) -> None:
    """Refuse a quote that is never closed: the parser silently takes everything after it as one cell."""
    cell = table.columns[-1][-1].as_py() if rows else None
    if not (isinstance(cell, str) and "\n" in cell):
        return
    closed, end = cell.replace('"', '""').encode() + b'"', b""
    with _opened(place, zipped) as file:
        while block := file.read(BLOCK):
            end = (end + block)[-len(closed) - 9 :]
    if not end.rstrip(b"\r\n").endswith(closed):
        raise InputError(f"{place}: row {rows} opens a quote that is never closed: close it")


def _mark_missing(table: pa.Table, na: Sequence[str]) -> pa.Table:
    """Turn cells that mean missing into nulls, so that a Parquet table gives the same model as the same table in CSV."""
    # `pa.array` and `pa.scalar` would import pandas, which takes longer than reading most files
    texts = [cell.encode() for cell in (*MISSING, *na)]
    ends = np.cumsum([0, *map(len, texts)], dtype=np.int64)
    words = pa.Array.from_buffers(
        pa.large_string(), len(texts), [None, pa.py_buffer(ends), pa.py_buffer(b"".join(texts))]
    )
    numbers = np.array([float(cell) for cell in na if looks_like_number(cell) and "x" not in cell.lower()])
    cells = pa.Array.from_buffers(pa.float64(), len(numbers), [None, pa.py_buffer(numbers)])
    for place, (field, column) in enumerate(zip(table.schema, table.columns, strict=True)):
        kind = field.type
        if pa.types.is_dictionary(kind) and is_text(kind.value_type):
            chunks = [
                pa.DictionaryArray.from_arrays(chunk.indices, _nulled(chunk.dictionary, words), ordered=kind.ordered)
                for chunk in column.chunks
            ]
            column = pa.chunked_array(chunks, kind)
        elif len(cells) and (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
            column = _nulled(column, cells)
        table = table.set_column(place, field, column)
    return table


def _nulled(column: Any, marks: Any) -> Any:
    """Replace values listed in `marks` by null."""
    is_mark = pc.is_in(column.cast(marks.type, safe=False), value_set=marks)
    return pc.if_else(is_mark, pa.nulls(len(column), column.type), column)
