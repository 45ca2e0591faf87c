"""Reads CSV and its kin, whole or in small blocks, as Arrow tables with text as dictionaries."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv

from chainrule.data import marks
from chainrule.data.blanks import as_numbers_alone, without_blanks
from chainrule.data.dialects import OTHER, USUAL, AsUtf8, Dialect, Layout, encoding_of, layout_of, words_of
from chainrule.data.frames import is_text
from chainrule.data.marks import Cells, Form
from chainrule.data.padded import PaddedError, as_numbers, may_be_codes, numbers_of
from chainrule.data.places import Place
from chainrule.data.schema import Schema
from chainrule.data.words import shown, some
from chainrule.errors import InputError

MISSING = ("", "NA", "N/A", "NaN", "null")
TRUE, FALSE = ["true", "True", "TRUE"], ["false", "False", "FALSE"]
BLOCK = 1 << 24  # bytes that are parsed at once: no row may be longer
STREAM_BLOCK = 1 << 20
SAMPLE = 1 << 17  # bytes that show how a file is written
MOST_LEVELS = 1 << 16  # with more distinct values, a block of text isn't made a dictionary
TEXT = pa.dictionary(pa.int32(), pa.string())


class TextFile:
    """A text file of rows, and how it is written.

    Parameters
    ----------
    place : Place
    asked : Dialect
        What the user says about it; the rest is found.
    usual : mapping
        How the model's training table was written: where a file doesn't tell, this counts.
    na : sequence of str
        Cells that mean "missing", besides the usual ones.
    """

    def __init__(self, place: Place, asked: Dialect, usual: Mapping[str, str], na: Sequence[str]) -> None:
        self.place, self._asked, self._usual, self._na = place, asked, usual, na
        self.expects_tabs = re.search(r"\.(tsv|tab)(\.|$)", place.name.lower()) is not None
        with place.stream() as file:
            start = file.read(4)
            start += file.read(1 << 10)
        self._encoding = asked.encoding or encoding_of(start)
        if b"\0" in start and not self._encoding:
            raise InputError(f"{place.name} is no table that can be read: its bytes are no text")
        self.forms: dict[str, Form] = {}  # of columns whose numbers have marks
        self._header, self._has_padded_header = list[str](), False
        self._padded: list[str] = []  # columns with blanks around cells, as far as the file was read
        self._open: dict[str, str] = {}  # a cell of each column whose cells don't tell its form
        self.layout, records = self._start()
        self._missing = {*MISSING, *na}
        columns = _columns_of(records, self._missing)
        self._find_marks(columns)
        self.decimal = asked.decimal or self._main_mark()
        self._fractions = {
            name for name, cells in columns.items() if cells.have(self.decimal)
        }  # seen in the first rows

    # --- how it is written

    def _start(self) -> tuple[Layout, list[list[str]]]:
        """Find separator and quote; also return the first rows."""
        with self._opened() as file:
            data = file.read(SAMPLE)
            while max(map(data.count, (b"\n", b"\r"))) < 3 and len(data) < BLOCK and (more := file.read(len(data))):
                data += more
            is_whole = not file.read(1)
        text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
        layout, records = layout_of(text, is_whole, self._asked, self._usual, self.expects_tabs)
        if records and not text.startswith(("\n", "\r")):
            self._header = [name.strip() for name in records[0]]
            self._has_padded_header = self._header != records[0]
            records[0] = self._header
        return layout, records

    @property
    def dialect(self) -> dict[str, str]:
        """What isn't usual about the file, for a model of it; the encoding as far as it was read."""
        decimals = {self.decimal, *(form.decimal for form in self.forms.values() if form.thousands)}
        decimal = "," if "," in decimals else "."
        how = Dialect(self.layout.sep, decimal, self.encoding, self.layout.quote)
        return {name: sign for name, sign in how.given().items() if sign != getattr(USUAL, name)}

    def said(self) -> list[str]:
        """List what isn't usual about it."""
        said = words_of(self.layout.sep, self.layout.quote, self.decimal, self.encoding, self.expects_tabs)
        names = {",": "commas", ".": "points", " ": "spaces", "'": "apostrophes"}
        for mark, name in names.items():
            columns = [column for column, form in self.forms.items() if form.thousands == mark]
            if columns:
                said.append(f"{name} between thousands ({some(columns, 3)})")
        others = [column for column, form in self.forms.items() if form.decimal != self.decimal and not form.thousands]
        if others:
            said.append(f"decimal {'comma' if self.decimal == '.' else 'point'} in {some(others, 3)}")
        padded = [*["names"] * self._has_padded_header, *([f"cells ({some(self._padded, 3)})"] if self._padded else [])]
        if padded:
            said.append(f"without the blanks around {' and '.join(padded)}")
        return said

    def _find_marks(self, columns: Mapping[str, Cells], known: Sequence[str] = ()) -> None:
        """Find how the numbers of some columns are written, and in which of them the cells leave it open.

        known : decimal marks that other columns show.
        """
        forms = {name: of for name, cells in columns.items() if (of := marks.forms_of(cells))}
        if self._asked.decimal is not None:
            forms = {name: self._as_asked(name, columns[name], of) for name, of in forms.items()}
        usual = self._asked.decimal or self._usual.get("decimal")
        chosen, doubtful = marks.choose(forms, self.layout.sep, usual=usual, known=known)
        for name, cells in columns.items():
            self.forms.pop(name, None)
            self._open.pop(name, None)
            if name in chosen:
                self.forms[name] = chosen[name]
            # a file of commas has decimal points
            if name in doubtful and (self.layout.sep == ";" or chosen[name] != Form(".", "")):
                self._open[name] = cells.first(r"\d[.,]\d")

    def _as_asked(self, name: str, cells: Cells, forms: marks.Forms) -> marks.Forms:
        asked = self._asked.decimal
        fit = tuple(form for form in forms if form.decimal == asked)
        if not fit:
            cell = shown(cells.first(forms[0].pattern))
            what = f"column {shown(name)} has numbers such as {cell}, which have another decimal mark than {asked}"
            raise InputError(f"{self.place.name}: {what}: leave --decimal out")
        return fit

    def doubts(self) -> list[str]:
        """Say how cells were read that have two readings, and how to choose the other."""
        of_form: dict[Form, list[str]] = {}
        for name in self._open:
            of_form.setdefault(self.forms[name], []).append(name)
        return [marks.doubt(names, self._open[names[0]], form) for form, names in of_form.items()]

    def _main_mark(self) -> str:
        """Choose the decimal mark that the parser reads: that of most columns."""
        forms = list(self.forms.values())
        comma, point = (sum(form.decimal == mark and not form.thousands for form in forms) for mark in ",.")
        if not comma + point:
            return self._usual.get("decimal", ".")
        return "," if comma > point else "."

    # --- reading it

    def names(self) -> list[str]:
        """Names of the columns, in order."""
        with self._opened() as stream, pa_csv.open_csv(stream, **self._options()) as reader:
            return list(reader.schema.names)

    def whole(self, text: Sequence[str]) -> Any:
        """Read the table; codes that begin with a zero are text, wherever the first one is.

        text : columns to read as text even if every cell looks like a number.
        """
        while True:
            try:
                return self._whole(text)
            except PaddedError as found:
                text = [*text, *found.names]

    def _whole(self, text: Sequence[str]) -> Any:
        """Read the table in small blocks, which needs little more memory than the table.

        If a cell further down doesn't have the type of the first block, the parser finds the types itself: for this it keeps
        all cells.
        """
        options = self._options()
        convert, reading = options["convert_options"], options["read_options"]
        convert.column_types = asked = dict.fromkeys(text, TEXT)
        try:
            table = pa.concat_tables(self._blocks(options))
        except pa.ArrowInvalid:
            convert.column_types = asked
            # only on one thread does the parser report the number of a bad row
            reading.block_size, reading.use_threads = BLOCK, False
            with self._opened() as stream:
                table = pa_csv.read_csv(stream, **options)
            self._check_quotes(table, table.num_rows)
            self._check_zeros(options, numbers_of(table.schema))
        for k, field in enumerate(table.schema):
            if pa.types.is_binary(getattr(field.type, "value_type", field.type)):
                what = f"is UTF-8 text in part only (column {shown(field.name)})"
                raise InputError(f"{self.place.name} {what}: save it as UTF-8, or name its encoding with --encoding")
            if pa.types.is_dictionary(field.type):  # one at a time: it copies the codes
                table = table.set_column(k, field, table.column(k).unify_dictionaries())
        return self._with_numbers(self._without_blanks(table, text), text)

    def batches(self, schema: Schema) -> Iterator[Any]:
        """Read a model's columns in small blocks, with the types that it needs."""
        types = {c.table_name: pa.float64() if c.is_plain_number else pa.string() for c in schema.columns}
        types |= {schema.weights or "": pa.float64(), schema.target: pa.string()}
        numbers = {name for name, kind in types.items() if kind == pa.float64()}
        marked = {name: form for name, form in self.forms.items() if name in numbers and self._is_odd(form)}
        types |= dict.fromkeys(marked, pa.string())
        options = self._options()
        convert = options["convert_options"]
        names = self.names()
        convert.include_columns = kept_columns(names, schema)
        convert.column_types = {name: types[name] for name in convert.include_columns}
        for table in self._stream(options, names[-1]):
            for name, form in marked.items():
                column = marks.as_numbers(name, table.column(name), form)
                if column is None or not pa.types.is_floating(column.type):
                    raise pa.ArrowInvalid("`whole` has the message")
                table = table.set_column(table.column_names.index(name), name, column)
            yield self._without_blanks(table, table.column_names)

    def cells(self, names: Sequence[str]) -> Iterator[Any]:
        """Read columns as text, as it is written in the file, in small blocks; nothing is missing."""
        options = self._options()
        convert = options["convert_options"]
        convert.include_columns, convert.null_values = list(names), []
        convert.column_types = dict.fromkeys(names, pa.string())
        yield from self._stream(options, "")

    def _is_odd(self, form: Form) -> bool:
        return bool(form.thousands) or form.decimal != self.decimal

    def _without_blanks(self, table: Any, text: Sequence[str]) -> Any:
        """Cut the blanks around cells of text. Columns that missing cells of blanks made text become numbers."""
        for k, field in enumerate(table.schema):
            cells = without_blanks(table.column(k), self._missing) if _is_text(field.type) else None
            if cells is None:
                continue
            if field.name not in self._padded:
                self._padded.append(field.name)
            if field.name not in text and cells.null_count > table.column(k).null_count:
                cells = as_numbers_alone(cells, self.decimal)
            table = table.set_column(k, field.name, cells)
        return table

    def _with_numbers(self, table: Any, text: Sequence[str]) -> Any:
        """Convert columns of text whose cells are numbers with other marks than the parser reads."""
        places = [k for k, field in enumerate(table.schema) if _is_text(field.type) and field.name not in text]
        shows = [self.decimal] if any(pa.types.is_floating(field.type) for field in table.schema) else []
        places = [k for k in places if marks.has_marks(table.column(k))]
        columns = {table.column_names[k]: Cells.of(table.column(k)) for k in places}
        self._find_marks(columns, shows)
        for k in places:
            name = table.column_names[k]
            column = marks.as_numbers(name, table.column(k), self.forms[name]) if name in self.forms else None
            if column is not None:
                table = table.set_column(k, name, column)
        return table

    def _blocks(self, options: dict[str, Any]) -> Iterator[Any]:
        """Read all columns in small blocks with the types of the first block."""
        with self._opened() as stream, pa_csv.open_csv(stream, **options) as reader:
            types = {field.name: field.type for field in reader.schema}
            last, numbers = reader.schema.names[-1], numbers_of(reader.schema)
        numbers = {name: kind for name, kind in numbers.items() if name not in self._fractions}
        if numbers:
            options["convert_options"].column_types = types | dict.fromkeys(numbers, pa.string())
            with self._opened() as stream, pa_csv.open_csv(stream, **options) as reader:
                numbers = may_be_codes(numbers, next(iter(reader), None), self.decimal)
        options["convert_options"].column_types = types | dict.fromkeys(numbers, pa.string())
        for table in self._stream(options, last):
            yield as_numbers(table, numbers, self.decimal)

    def _check_zeros(self, options: dict[str, Any], numbers: Mapping[str, Any]) -> None:
        """Look through the parser's columns of numbers for codes that begin with a zero."""
        convert = options["convert_options"]
        convert.include_columns, convert.column_types = list(numbers), dict.fromkeys(numbers, pa.string())
        for table in self._stream(options, "") if numbers else ():
            as_numbers(table, numbers, self.decimal)

    def _stream(self, options: dict[str, Any], last: str) -> Iterator[Any]:
        rows, table = 0, None
        with self._opened() as stream, pa_csv.open_csv(stream, **options) as reader:
            for batch in reader:
                rows += batch.num_rows
                table = pa.Table.from_batches([batch])
                yield table
        if table is not None and table.column_names[-1] == last:  # the cell that takes everything after the quote
            self._check_quotes(table, rows)

    def _opened(self) -> AsUtf8:
        other = self._usual.get("encoding", OTHER)
        stream = AsUtf8(
            self.place.stream(), self.place.name, self._encoding, OTHER if other.startswith("utf") else other
        )
        self._latest = stream
        return stream

    @property
    def encoding(self) -> str:
        """The encoding, as far as the file was read."""
        return self._latest.encoding or "utf-8"

    def _options(self) -> dict[str, Any]:
        """Return the parser's options."""
        layout = self.layout
        # a few hundred rows at least
        size = max(STREAM_BLOCK, 1024 * layout.columns)
        quote = layout.quote or False
        header = {"column_names": self._header, "skip_rows_after_names": 1} if self._has_padded_header else {}
        return {
            "read_options": pa_csv.ReadOptions(block_size=size, skip_rows=layout.skip, **header),
            "parse_options": pa_csv.ParseOptions(
                delimiter=layout.sep, quote_char=quote, newlines_in_values=bool(quote)
            ),
            "convert_options": pa_csv.ConvertOptions(
                null_values=list(self._missing),
                strings_can_be_null=True,
                # without these, a 1 beside true would be a boolean
                true_values=TRUE,
                false_values=FALSE,
                auto_dict_encode=True,
                auto_dict_max_cardinality=MOST_LEVELS,
                decimal_point=self.decimal,
            ),
        }

    def _check_quotes(self, table: Any, rows: int) -> None:
        """Refuse a quote that is never closed: the parser silently takes everything after it as one cell."""
        cell, quote = table.columns[-1][-1].as_py() if rows else None, self.layout.quote
        if not (isinstance(cell, str) and "\n" in cell and quote):
            return
        closed, end = f"{cell.replace(quote, 2 * quote)}{quote}".encode(), b""
        with self._opened() as file:
            while block := file.read(BLOCK):
                end = (end + block)[-len(closed) - 9 :]
        if not end.rstrip(b"\r\n").endswith(closed):
            raise InputError(f"{self.place.name}: row {rows} opens a quote that is never closed: close it")


def _columns_of(records: Sequence[Sequence[str]], missing: Collection[str]) -> dict[str, Cells]:
    """Count the cells of the columns that may have numbers with marks, missing ones left out.

    Only rows as long as the header count.
    """
    rows = [row for row in records[1:] if len(row) == len(records[0])]
    columns = zip(records[0], zip(*rows, strict=True), strict=True) if rows else ()
    given = {name: [cell for cell in cells if cell not in missing] for name, cells in columns}
    return {name: Cells.of(marks.strings(cells)) for name, cells in given.items() if marks.may_have_marks(cells)}


def kept_columns(names: Sequence[str], schema: Schema) -> list[str]:
    """List the columns that a model reads, in the file's order."""
    wanted = {*(column.table_name for column in schema.columns), schema.target, schema.weights}
    kept = [name for name in names if name in wanted]
    if len(set(names)) < len(names) or not kept:
        raise pa.ArrowInvalid("`read_table` has the message")
    return kept


def _is_text(kind: Any) -> bool:
    return is_text(getattr(kind, "value_type", kind))
