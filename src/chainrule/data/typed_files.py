"""Reads files that hold their columns' types: Parquet, Arrow IPC and JSON lines."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pa_json
import pyarrow.parquet as pq

from chainrule.data.blanks import without_blanks
from chainrule.data.frames import is_text
from chainrule.data.marks import strings
from chainrule.data.places import WORDS, Place
from chainrule.data.schema import Schema
from chainrule.data.text_files import BLOCK, MISSING, kept_columns
from chainrule.data.words import looks_like_number, shown
from chainrule.errors import InputError

BATCH_ROWS, BATCH_NUMBERS = 1 << 16, 1 << 22  # limits of a batch
JSON_BLOCK = BLOCK
Tables = Iterator[Any]


class TypedFile:
    """A file with types of its own.

    Parameters
    ----------
    place : Place
    na : sequence of str
        Cells that mean "missing", besides the usual ones.
    """

    def __init__(self, place: Place, na: Sequence[str]) -> None:
        self.place, self._na = place, na
        self._read: Callable[[Place, Sequence[str] | None], Tables] = _READERS[place.kind]

    @property
    def may_lack_columns(self) -> bool:
        """Whether a column of missing values may be left out of the file."""
        return self.place.kind == "json"

    def names(self) -> list[str]:
        """Names of the columns, in order."""
        if self.place.kind == "json":
            return list(next(_json(self.place, None)).column_names)
        with self.place.seekable() as file:
            schema = pq.read_schema(file) if self.place.kind == "parquet" else _arrow_reader(file).schema
            return list(schema.names)

    def whole(self, text: Sequence[str]) -> Any:
        """Read the table."""
        if self.place.kind == "parquet":
            with _parquet_file(self.place) as file:
                table = file.read()
        else:
            table = pa.concat_tables(self._read(self.place, None), promote_options="permissive")
        return _mark_missing(_dictionaries(table), self._na)

    def batches(self, schema: Schema) -> Tables:
        """Read a model's columns in batches."""
        for table in self._read(self.place, kept_columns(self.names(), schema)):
            yield _mark_missing(table, self._na)

    def cells(self, names: Sequence[str]) -> Tables:
        """Read columns as text in batches."""
        for table in self._read(self.place, names):
            columns = []
            for name in names:
                try:
                    columns.append(table.column(name).cast(pa.string()))
                except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
                    kind = table.schema.field(name).type
                    raise InputError(f"column {shown(name)} is {kind}, which is no text: don't keep it") from None
            yield pa.table(columns, names=list(names))


def _rows_at_once(columns: int) -> int:
    return max(256, min(BATCH_ROWS, BATCH_NUMBERS // max(columns, 1)))


@contextmanager
def _parquet_file(place: Place) -> Iterator[Any]:
    # pq.read_table would turn folder names like year=2024 into columns
    with place.seekable() as source:
        words = [field.name for field in pq.read_schema(source) if is_text(field.type)]
        with pq.ParquetFile(source, read_dictionary=words) as file:
            yield file


def _parquet(place: Place, names: Sequence[str] | None) -> Tables:
    with _parquet_file(place) as file:
        columns = file.schema_arrow.names if names is None else list(names)
        for batch in file.iter_batches(_rows_at_once(len(columns)), columns=columns):
            yield pa.Table.from_batches([batch])


def _arrow(place: Place, names: Sequence[str] | None) -> Tables:
    with place.seekable() as file:
        reader = _arrow_reader(file)
        is_stream = isinstance(reader, pa.ipc.RecordBatchStreamReader)
        for batch in reader if is_stream else map(reader.get_batch, range(reader.num_record_batches)):
            table = pa.Table.from_batches([batch])
            yield table if names is None else table.select(list(names))


def _arrow_reader(file: Any) -> Any:
    """Open Arrow's file format, or its format of streams."""
    start = file.read(6)
    file.seek(0)
    return pa.ipc.open_file(file) if start == b"ARROW1" else pa.ipc.open_stream(file)


def _json(place: Place, names: Sequence[str] | None) -> Tables:
    """Read whole lines, some megabytes at once. A column that none of them has is missing."""
    first = 0
    for block in _lines(place):
        try:
            table = pa_json.read_json(pa.BufferReader(block), pa_json.ReadOptions(block_size=len(block) + 1))
        except pa.ArrowInvalid as error:
            raise InputError(_json_fault(place, block, first, str(error))) from None
        first += table.num_rows
        for name in names or ():
            if name not in table.column_names:
                table = table.append_column(name, pa.nulls(table.num_rows))
        yield table if names is None else table.select(list(names))


def _lines(place: Place) -> Iterator[bytes]:
    rest = b""
    with place.stream() as file:
        while block := bytes(file.read(JSON_BLOCK)):
            end = block.rfind(b"\n") + 1
            if end:
                yield rest + block[:end]
                rest = b""
            rest += block[end:]
    if rest.strip():
        yield rest


def _json_fault(place: Place, block: bytes, first: int, said: str) -> str:
    """Say which line is no object, or which column changes its kind."""
    kinds: dict[str, type] = {}
    for row, line in enumerate((line for line in block.split(b"\n") if line.strip()), first + 1):
        try:
            entries = json.loads(line)
        except ValueError:
            return f"{place.name}: row {row} is no JSON object: write one object a line"
        if not isinstance(entries, dict):
            return f"{place.name}: row {row} is no JSON object: write one object a line"
        for name, value in entries.items():
            kind = float if isinstance(value, int) and not isinstance(value, bool) else type(value)
            if value is not None and kinds.setdefault(name, kind) is not kind:
                what = f"column {shown(name)} holds another kind of value in row {row} than before"
                return f"{place.name}: {what}: write all of it as numbers, or all as text"
    return f"can't read {place.name}: {said.splitlines()[0]}"


_READERS = {"parquet": _parquet, "arrow": _arrow, "json": _json}
assert set(_READERS) == set(WORDS) - {"csv"}


def _dictionaries(table: Any) -> Any:
    """Turn text into dictionaries, which need less memory."""
    for k, field in enumerate(table.schema):
        if is_text(field.type):
            table = table.set_column(k, field.name, table.column(k).cast(pa.string()).dictionary_encode())
    return table


def _mark_missing(table: Any, na: Sequence[str]) -> Any:
    """Turn cells that mean missing into nulls, and cut blanks, so that a table gives the same model as the same in CSV."""
    words = strings((*MISSING, *na))
    numbers = np.array([float(cell) for cell in na if looks_like_number(cell) and "x" not in cell.lower()])
    cells = pa.Array.from_buffers(pa.float64(), len(numbers), [None, pa.py_buffer(numbers)])
    for place, (field, column) in enumerate(zip(table.schema, table.columns, strict=True)):
        kind = field.type
        is_coded = pa.types.is_dictionary(kind) and is_text(kind.value_type)
        is_free = is_text(kind) or (is_coded and not kind.ordered)
        if is_free and (cut := without_blanks(column, (*MISSING, *na))) is not None:
            table = table.set_column(place, field.name, cut)
            continue
        if is_coded:
            chunks = [
                pa.DictionaryArray.from_arrays(chunk.indices, _nulled(chunk.dictionary, words), ordered=kind.ordered)
                for chunk in column.chunks
            ]
            column = pa.chunked_array(chunks, kind)
        elif is_text(kind):
            column = _nulled(column, words)
        elif len(cells) and (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
            column = _nulled(column, cells)
        table = table.set_column(place, field, column)
    return table


def _nulled(column: Any, marks: Any) -> Any:
    """Replace values listed in `marks` by null."""
    is_mark = pc.is_in(column.cast(marks.type, safe=False), value_set=marks)
    return pc.if_else(is_mark, pa.nulls(len(column), column.type), column)
