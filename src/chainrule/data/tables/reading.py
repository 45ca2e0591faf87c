"""CSV and Parquet files -> an Arrow table."""

import csv
import gzip
import io
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from chainrule.data.tables.cells import is_text, kind_of, looks_like_number
from chainrule.data.tables.words import counted, shown, some
from chainrule.errors import InputError

MISSING = ("", "NA", "N/A", "NaN", "null")
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
        Columns as inferred; missing cells are null. Blank lines of a CSV file are no rows.

    Raises
    ------
    InputError
        The file is missing, empty, has no rows, two columns of one name or a row too long or too short, or is of
        another kind than its name says.
    """
    place = Path(path)
    endings = [ending.lower() for ending in place.suffixes]
    zipped = endings[-1:] == [".gz"]
    ending = (endings[:-1] if zipped else endings)[-1:]
    known = bool(ending) and (ending[0] in _TEXT_ENDINGS or (ending[0] == ".parquet" and not zipped))
    if not known:
        raise InputError(
            f"{place}: a table's name ends in .csv, .tsv, .txt (or these with .gz) or .parquet; rename or convert it"
        )
    try:
        if place.is_dir():
            raise InputError(f"{place} is a folder: name a file in it")
        if not place.exists():
            raise InputError(f"there is no file {place}: check the name and the folder")
        if place.stat().st_size == 0:
            raise InputError(f"{place} is empty: a table needs a header and rows")
        if ending == [".parquet"]:
            table = _mark_missing(_checked(place, _read_parquet(place)), na)
        else:
            table = _checked(place, _read_csv(place, ending[0], zipped, (*MISSING, *na), text))
    except UnicodeDecodeError as error:
        raise InputError(f"{place} is not UTF-8 text (its header): save it as UTF-8") from error
    except (OSError, EOFError, ValueError, pa.ArrowException) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"can't read {place}: {_first_line(error)}; check that the file is whole and may be read"
        ) from error
    return table


def _read_parquet(path: Path) -> pa.Table:
    try:
        # not read_table: that one makes columns of folder names like year=2024
        with pq.ParquetFile(path) as file:
            return file.read()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InputError(
            f"{path} is not a Parquet file, or a damaged one, although it is called so: write it again"
        ) from error


def _read_csv(path: Path, ending: str, zipped: bool, missing: Sequence[str], text: Sequence[str]) -> pa.Table:
    header = _header_line(path, zipped)
    delimiter = "\t" if ending == ".tsv" or (ending == ".txt" and "\t" in header) else ","
    other = next((mark for mark in ";\t|," if mark != delimiter and header.count(mark) > 0), None)
    if other and delimiter not in header:
        name = {";": "semicolons", "\t": "tabs", "|": "bars", ",": "commas"}[other]
        wanted = "tabs" if delimiter == "\t" else "commas"
        raise InputError(f"{path} seems to be separated by {name}, not by {wanted}: write it again with {wanted}")
    options: dict[str, Any] = {
        "parse_options": pa_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        "convert_options": pa_csv.ConvertOptions(
            null_values=list(missing),
            strings_can_be_null=True,
            # without these 1 beside true is a boolean
            true_values=["true", "True", "TRUE"],
            false_values=["false", "False", "FALSE"],
            column_types=dict.fromkeys(text, pa.string()),
        ),
    }
    try:
        table = _parse(path, zipped, options, threads=True)
    except pa.ArrowInvalid:
        table = _parse_for_message(path, zipped, options)
    if table.num_rows == 0:
        raise InputError(f"{path} has a header and no rows")
    _check_utf8(path, table)
    _check_quotes(path, zipped, delimiter, table)
    return table


def _parse(path: Path, zipped: bool, options: dict[str, Any], *, threads: bool) -> pa.Table:
    stream = pa.input_stream(str(path), compression="gzip" if zipped else None)
    with stream:
        return pa_csv.read_csv(stream, read_options=pa_csv.ReadOptions(use_threads=threads), **options)


def _parse_for_message(path: Path, zipped: bool, options: dict[str, Any]) -> pa.Table:
    """Read again on one thread, where the parser knows the number of the row that it stumbles over."""
    try:
        return _parse(path, zipped, options, threads=False)
    except pa.ArrowInvalid as error:
        message = str(error)
        if "Empty CSV" in message:
            lines = "no rows" if _header_line(path, zipped).strip() else "no header"
            raise InputError(f"{path} has {lines}: a table needs a header and rows") from error
        if "invalid UTF8" in message:
            raise InputError(f"{path} is not UTF-8 text ({_first_line(error)}): save it as UTF-8") from error
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


def _checked(path: Path, table: pa.Table) -> pa.Table:
    # a column without a name is no feature anyway, so several of them do no harm
    twice = [name for name, times in Counter(table.column_names).items() if times > 1 and name != ""]
    if twice:
        raise InputError(f"{path} has more than one column called {some(twice)}: give each its own name")
    if table.num_columns == 0 or not any(table.column_names):
        raise InputError(f"{path} has no named columns: its first line must be a header")
    if table.num_rows == 0:
        raise InputError(f"{path} has a header and no rows")
    return table


def _check_utf8(path: Path, table: pa.Table) -> None:
    for name, column in zip(table.column_names, table.columns, strict=True):
        if not pa.types.is_binary(column.type):
            continue
        for row, cell in enumerate(column, start=1):
            try:
                (cell.as_py() or b"").decode()
            except UnicodeDecodeError as error:
                raise InputError(
                    f"{path} is not UTF-8 text (column {shown(name)}, row {row}): save it as UTF-8"
                ) from error


def _check_quotes(path: Path, zipped: bool, delimiter: str, table: pa.Table) -> None:
    """Refuse a quote that is never closed: the parser takes all that follows as one cell, without a word."""
    last = [column[-1].as_py() for column in table.columns if pa.types.is_string(column.type)]
    if not any(cell and "\n" in cell for cell in last):
        return
    csv.field_size_limit(1 << 30)
    opened = gzip.open(path, "rb") if zipped else open(path, "rb")
    with io.TextIOWrapper(opened, encoding="utf-8", newline="") as file:
        try:
            for _ in csv.reader(file, delimiter=delimiter, strict=True):
                pass
        except csv.Error as error:
            if "unexpected end" in str(error):
                raise InputError(
                    f"{path}: row {table.num_rows} opens a quote that is never closed: close it"
                ) from error


def _mark_missing(table: pa.Table, na: Sequence[str]) -> pa.Table:
    """Make null what means missing in the typed columns of Parquet: the same table in CSV gives the same model."""
    words = pa.array((*MISSING, *na), pa.large_string())
    cells = [float(cell) for cell in na if looks_like_number(cell) and "x" not in cell.lower()]
    for place, (field, column) in enumerate(zip(table.schema, table.columns, strict=True)):
        if is_text(column):
            column = column.cast(pa.large_string())
            marks = pc.is_in(column, value_set=words)
        elif kind_of(column) == "number" and cells:
            marks = pc.is_in(column.cast(pa.float64(), safe=False), value_set=pa.array(cells, pa.float64()))
        else:
            continue
        if pc.any(marks).as_py():
            column = pc.if_else(marks, pa.scalar(None, column.type), column)
            table = table.set_column(place, pa.field(field.name, column.type), column)
    return table


def _first_line(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error)
    line = text.strip().splitlines()[0] if text.strip() else type(error).__name__
    return shown(line[:1].lower() + line[1:], 160)
