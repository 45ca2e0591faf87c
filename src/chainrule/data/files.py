"""CSV and Parquet files, whole or batch by batch, as Arrow tables whose categories are codes."""

import csv
import gzip
import io
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from chainrule.data.frames import is_text
from chainrule.data.schema import Schema
from chainrule.data.words import looks_like_number, shown, some
from chainrule.errors import InputError
from chainrule.words import counted

MISSING = ("", "NA", "N/A", "NaN", "null")
TRUE, FALSE = ["true", "True", "TRUE"], ["false", "False", "FALSE"]
BATCH_ROWS, BATCH_NUMBERS = 1 << 16, 1 << 22  # of Parquet, at most
BLOCK = 1 << 24  # bytes of CSV that are parsed at once: no row may be longer
STREAM_BLOCK = 1 << 20
MOST_LEVELS = 1 << 16  # a block with more is no category, and its text stays text
_TEXT_ENDINGS = (".csv", ".tsv", ".txt")
_FOREIGN = {
    b"PAR1": ("a Parquet file", "call it .parquet"),
    b"PK\x03\x04": ("a spreadsheet or a zip archive", "save it as CSV"),
    b"\x1f\x8b": ("compressed by gzip", "call it .csv.gz"),
    b"\xff\xfe": ("UTF-16 text", "save it as UTF-8"),
    b"\xfe\xff": ("UTF-16 text", "save it as UTF-8"),
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
        Columns as inferred, text mostly as dictionaries; missing cells are null. Blank lines of a CSV file are no rows.

    Raises
    ------
    InputError
        The file is missing, empty, has no rows, two columns of one name or a row too long or too short, or is of
        another kind than its name says.
    """
    place, ending, zipped = _kind_of(Path(path))

    def read() -> pa.Table:
        if ending == ".parquet":
            return _mark_missing(_checked(place, _parquet(place, pq.ParquetFile.read)), na)
        return _checked(place, _read_csv(place, ending, zipped, (*MISSING, *na), text))

    return _explained(place, read)


def read_batches(path: str | Path, schema: Schema, *, na: Sequence[str] = ()) -> Iterator[pa.Table]:
    """Read what a model needs of a file, some rows at a time: as `read_table`, in little memory however long the file is."""
    place, ending, zipped = _kind_of(Path(path))
    wanted = {column.name for column in schema.columns} | {schema.target, schema.weights}

    def first_names() -> list[str]:
        if ending == ".parquet":
            return list(
                _checked(place, _parquet(place, lambda file: file.schema_arrow.empty_table()), rows=1).column_names
            )
        with (
            _opened(place, zipped) as stream,
            pa_csv.open_csv(stream, **_csv_options(place, ending, zipped, na, kept=())) as reader,
        ):
            return list(reader.schema.names)

    done = 0
    try:
        names = _explained(place, first_names)
        kept = [name for name in names if name in wanted]
        if len(set(names)) < len(names) or not kept:
            raise pa.ArrowInvalid("for a message")
        if ending == ".parquet":
            with pq.ParquetFile(place) as file:
                for batch in file.iter_batches(max(256, min(BATCH_ROWS, BATCH_NUMBERS // len(kept))), columns=kept):
                    done += batch.num_rows
                    yield _mark_missing(pa.Table.from_batches([batch]), na)
        else:
            given = _types(schema)
            types = {name: given[name] for name in kept}
            options = _csv_options(place, ending, zipped, na, types, kept)
            options["read_options"].block_size = max(STREAM_BLOCK, 1024 * len(names))  # some hundreds of rows
            with _opened(place, zipped) as stream, pa_csv.open_csv(stream, **options) as reader:
                last = None
                for batch in reader:
                    done += batch.num_rows
                    last = pa.Table.from_batches([batch])
                    yield last
                if last is not None:
                    _check_quotes(place, zipped, options["parse_options"].delimiter, last, done)
        if done:
            return
    except (pa.ArrowException, InputError):
        pass  # whoever reads the whole table knows why, or reads it after all
    yield read_table(place, na=na, text=schema.text_columns).slice(done)


def _types(schema: Schema) -> dict[str, Any]:
    """Types of a CSV file's columns that a model reads: guesses by the first block could be wrong later on."""
    types = {c.name: pa.float64() if c.kind == "number" else pa.string() for c in schema.columns}
    return types | {schema.target: pa.string()} | ({} if schema.weights is None else {schema.weights: pa.float64()})


def _kind_of(place: Path) -> tuple[Path, str, bool]:
    """Tell a table's kind by its name: the ending, and whether it is zipped; and refuse what is no file."""
    endings = [ending.lower() for ending in place.suffixes]
    zipped = endings[-1:] == [".gz"]
    ending = ("", *(endings[:-1] if zipped else endings))[-1]
    if not (ending in _TEXT_ENDINGS or (ending == ".parquet" and not zipped)):
        raise InputError(
            f"{place}: a table's name ends in .csv, .tsv, .txt (or these with .gz) or .parquet; rename or convert it"
        )
    if place.is_dir():
        raise InputError(f"{place} is a folder: name a file in it")
    if not place.exists():
        raise InputError(f"there is no file {place}: check the name and the folder")
    if place.stat().st_size == 0:
        raise InputError(f"{place} is empty: a table needs a header and rows")
    return place, ending, zipped


def _explained(place: Path, read: Callable[[], Any]) -> Any:
    """Read, and say in a sentence why a file can't be."""
    try:
        return read()
    except UnicodeDecodeError as error:
        raise InputError(f"{place} is not UTF-8 text (its header): save it as UTF-8") from error
    except (OSError, EOFError, ValueError, pa.ArrowException) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"can't read {place}: {_first_line(error)}; check that the file is whole and may be read"
        ) from error


def _parquet(path: Path, read: Callable[[Any], pa.Table]) -> pa.Table:
    try:
        # not read_table: that one makes columns of folder names like year=2024
        with pq.ParquetFile(path) as file:
            words = [field.name for field in file.schema_arrow if is_text(field.type)]
        with pq.ParquetFile(path, read_dictionary=words) as file:
            return read(file)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InputError(
            f"{path} is not a Parquet file, or a damaged one, although it is called so: write it again"
        ) from error


def _csv_options(
    path: Path,
    ending: str,
    zipped: bool,
    missing: Sequence[str],
    types: dict[str, Any] | None = None,
    kept: Sequence[str] | None = None,
) -> dict[str, Any]:
    """How a file is parsed. types, kept: of a stream, whose columns are those alone."""
    header = _header_line(path, zipped)
    delimiter = "\t" if ending == ".tsv" or (ending == ".txt" and "\t" in header) else ","
    other = next((mark for mark in ";\t|," if mark != delimiter and header.count(mark) > 0), None)
    if other and delimiter not in header:
        name = {";": "semicolons", "\t": "tabs", "|": "bars", ",": "commas"}[other]
        wanted = "tabs" if delimiter == "\t" else "commas"
        raise InputError(f"{path} seems to be separated by {name}, not by {wanted}: write it again with {wanted}")
    whole = kept is None
    return {
        "read_options": pa_csv.ReadOptions(block_size=BLOCK if whole else STREAM_BLOCK),
        "parse_options": pa_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        "convert_options": pa_csv.ConvertOptions(
            null_values=list({*MISSING, *missing}),
            strings_can_be_null=True,
            # without these 1 beside true is a boolean
            true_values=TRUE,
            false_values=FALSE,
            column_types=types or {},
            include_columns=list(kept or ()),
            auto_dict_encode=whole,
            auto_dict_max_cardinality=MOST_LEVELS,
        ),
    }


def _opened(path: Path, zipped: bool) -> Any:
    return pa.input_stream(str(path), compression="gzip" if zipped else None)


def _read_csv(path: Path, ending: str, zipped: bool, missing: Sequence[str], text: Sequence[str]) -> pa.Table:
    options = _csv_options(path, ending, zipped, missing, dict.fromkeys(text, pa.dictionary(pa.int32(), pa.string())))
    try:
        with _opened(path, zipped) as stream:
            table = pa_csv.read_csv(stream, **options)
        pa.default_memory_pool().release_unused()
    except pa.ArrowInvalid:
        table = _parse_for_message(path, zipped, options)
    if table.num_rows == 0:
        raise InputError(f"{path} has a header and no rows")
    _check_utf8(path, table)
    _check_quotes(path, zipped, options["parse_options"].delimiter, table, table.num_rows)
    return table


def _parse_for_message(path: Path, zipped: bool, options: dict[str, Any]) -> pa.Table:
    """Read again on one thread, where the parser knows the number of the row that it stumbles over."""
    options["read_options"].use_threads = False
    try:
        with _opened(path, zipped) as stream:
            return pa_csv.read_csv(stream, **options)
    except pa.ArrowInvalid as error:
        message = str(error)
        if "Empty CSV" in message:
            lines = "no rows" if _header_line(path, zipped).strip() else "no header"
            raise InputError(f"{path} has {lines}: a table needs a header and rows") from error
        if "invalid UTF8" in message:
            raise InputError(f"{path} is not UTF-8 text ({_first_line(error)}): save it as UTF-8") from error
        if "straddling" in message or "block" in message:
            raise InputError(
                f"{path} has a row of more than {BLOCK >> 20} MB, or a quote that is never closed: shorten or close it"
            ) from error
        ragged = re.search(r"Row #(\d+): Expected (\d+) columns?, got (\d+)", message)
        if ragged:
            row, expected, got = (int(digits) for digits in ragged.groups())
            raise InputError(
                f"{path}: row {row - 1} has {counted(got, 'cell')} and the header {expected}: mend the row (a cell with a "
                "comma in it needs quotes)"
            ) from error
        raise InputError(f"can't read {path} as CSV: {_first_line(error)}") from error


def _header_line(path: Path, zipped: bool) -> str:
    with gzip.open(path, "rb") if zipped else open(path, "rb") as file:
        start = file.read(1 << 16)
    for magic, (what, way_out) in _FOREIGN.items():
        if start.startswith(magic):
            raise InputError(f"{path} is {what}, although it is called {path.suffix}: {way_out}")
    return re.split(rb"[\r\n]", start.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n"), maxsplit=1)[0].decode(
        "utf-8", "replace"
    )


def _checked(path: Path, table: pa.Table, rows: int | None = None) -> pa.Table:
    names = table.column_names
    # a column without a name is no feature anyway, so several of them do no harm
    twice = [name for name, times in Counter(names).items() if times > 1 and name != ""]
    if twice:
        raise InputError(f"{path} has more than one column called {some(twice)}: give each its own name")
    if not any(names):
        raise InputError(f"{path} has no named columns: its first line must be a header")
    if (table.num_rows if rows is None else rows) == 0:
        raise InputError(f"{path} has a header and no rows")
    return table


def _check_utf8(path: Path, table: pa.Table) -> None:
    for field in table.schema:
        if pa.types.is_binary(getattr(field.type, "value_type", field.type)):
            raise InputError(f"{path} is not UTF-8 text (column {shown(field.name)}): save it as UTF-8")


def _check_quotes(path: Path, zipped: bool, delimiter: str, table: pa.Table, rows: int) -> None:
    """Refuse a quote that is never closed: the parser takes all that follows as one cell, without a word."""
    last = [column[-1].as_py() for column in table.columns]
    if not any(isinstance(cell, str) and "\n" in cell for cell in last):
        return
    csv.field_size_limit(1 << 30)
    opened = gzip.open(path, "rb") if zipped else open(path, "rb")
    with io.TextIOWrapper(opened, encoding="utf-8", newline="") as file:
        try:
            for _ in csv.reader(file, delimiter=delimiter, strict=True):
                pass
        except csv.Error as error:
            if "unexpected end" in str(error):
                raise InputError(f"{path}: row {rows} opens a quote that is never closed: close it") from error


def _mark_missing(table: pa.Table, na: Sequence[str]) -> pa.Table:
    """Make null what means missing in the typed columns of Parquet: the same table in CSV gives the same model."""
    words = pa.array((*MISSING, *na), pa.large_string())
    cells = [float(cell) for cell in na if looks_like_number(cell) and "x" not in cell.lower()]
    for place, (field, column) in enumerate(zip(table.schema, table.columns, strict=True)):
        kind = field.type
        if pa.types.is_dictionary(kind) and is_text(kind.value_type):
            chunks = [_without(chunk, words) for chunk in column.chunks]
            column = pa.chunked_array(chunks, kind)
        elif is_text(kind):
            column = _nulled(column.cast(pa.large_string()), words)
        elif cells and (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
            marks = pc.is_in(column.cast(pa.float64(), safe=False), value_set=pa.array(cells, pa.float64()))
            column = pc.if_else(marks, pa.scalar(None, kind), column)
        else:
            continue
        table = table.set_column(place, pa.field(field.name, column.type), column)
    return table


def _without(chunk: Any, words: Any) -> Any:
    """Make null, in a dictionary, the levels that mean missing."""
    levels = _nulled(chunk.dictionary.cast(pa.large_string()), words)
    return pa.DictionaryArray.from_arrays(chunk.indices, levels.cast(chunk.type.value_type), ordered=chunk.type.ordered)


def _nulled(column: Any, words: Any) -> Any:
    return pc.if_else(pc.is_in(column, value_set=words), pa.scalar(None, column.type), column)


def _first_line(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error)
    line = text.strip().splitlines()[0] if text.strip() else type(error).__name__
    return shown(line[:1].lower() + line[1:], 160)
