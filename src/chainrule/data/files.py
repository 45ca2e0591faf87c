"""Reads tables from files of any kind, one or several, whole or batch by batch, as Arrow tables."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import pyarrow as pa

from chainrule.data.dialects import AS_FOUND, MIXED, Dialect
from chainrule.data.marks import Form
from chainrule.data.places import STDIN, WORDS, Place, partitions, places_of
from chainrule.data.schema import Schema
from chainrule.data.text_files import BLOCK, TEXT, TextFile
from chainrule.data.typed_files import TypedFile
from chainrule.data.words import shown, some
from chainrule.errors import InputError
from chainrule.words import counted, listed

NEAR_HEADER = 10  # lines that were taken for a header show in a row this near

# what the parser and the system say, and what a user can do about it
_FAULTS = {
    "Empty CSV": "has no header or no rows: a table needs both",
    "invalid UTF8|can't decode": MIXED,
    "straddling|block": f"has a row of more than {BLOCK >> 20} MB, or a quote that is never closed: shorten or close it",
}
File = TextFile | TypedFile


class Source:
    """What a user names as one table: files, folders, standard input, and how they are to be read.

    Parameters
    ----------
    names : sequence of str
        Paths of files and folders; "-" is standard input.
    asked : Dialect
        What the user says about text files.
    say : function of a sentence
        Called with what is unusual about the files, once they are read.
    """

    def __init__(
        self, names: Sequence[str], asked: Dialect = AS_FOUND, say: Callable[[str], object] = lambda _: None
    ) -> None:
        self.names, self._asked, self.say = names, asked, say
        self.dialect: Mapping[str, str] = {}  # of the first text file that was read

    @classmethod
    def of(cls, table: "Source | str | Path") -> "Source":
        """Make a source of one path; a source stays as it is."""
        return table if isinstance(table, cls) else cls([str(table)])

    @classmethod
    def asked(
        cls, paths: Sequence[Path] | Path, how: Mapping[str, str | None], say: Callable[[str], object]
    ) -> "Source":
        """Make a source of a command's arguments. how: its options sep, decimal, encoding and quote."""
        names = [str(path) for path in ([paths] if isinstance(paths, Path) else paths)]
        return cls(names, Dialect.asked(**how), say)

    def __str__(self) -> str:
        return listed(self.names, 2)

    @property
    def name(self) -> str:
        """A short name for titles: that of the first file or folder, and how many more there are."""
        first = "standard input" if self.names[0] == STDIN else Path(self.names[0]).name
        return first if len(self.names) == 1 else f"{first} and {len(self.names) - 1} more"

    @property
    def paths(self) -> list[Path]:
        """The files on disk, which no output may replace."""
        return [place.path for place in self.places if place.path]

    @cached_property
    def places(self) -> list[Place]:
        """All files. Raises InputError if there are none, or one twice."""
        found = []
        for name in self.names:
            inside = places_of(name)
            folders = partitions(name, inside)
            if folders:
                how = "the names of its folders make no columns"
                self.say(f"{name}: {how} ({some(folders, 3)}); write them into the files if the model needs them")
            found += inside
        often = Counter(place.path.resolve() for place in found if place.path)
        twice = next((place.name for place in found if place.path and often[place.path.resolve()] > 1), None)
        if twice is not None:
            raise InputError(f"{twice} would be read twice: name it once")
        return found

    def files(self, na: Sequence[str], usual: Mapping[str, str] | None) -> list[File]:
        """Open each file. usual : how the model's training table was written."""
        if self._asked.given() and all(place.kind != "csv" for place in self.places):
            option = next(iter(self._asked.given()))
            what = f"{self} is {WORDS[self.places[0].kind]}"
            raise InputError(f"--{option} says how text is written, and {what}: leave --{option} out")
        return [
            TextFile(place, self._asked, usual or {}, na) if place.kind == "csv" else TypedFile(place, na)
            for place in self.places
        ]

    def column_names(self, usual: Mapping[str, str] | None = None) -> list[str]:
        """Names of the columns of the first file."""
        first = self.files((), usual)[0]
        with _explained(first.place.name, first):
            return first.names()

    def tell(self, files: Sequence[File]) -> None:
        """Say what is unusual about files that were read, those alike in one line."""
        alike: dict[str, list[str]] = {}
        texts = [file for file in files if isinstance(file, TextFile)]
        for file in files:
            kind = file.place.unlike_its_name()
            unusual = [*([kind] if kind else []), *(file.said() if isinstance(file, TextFile) else [])]
            if unusual:
                alike.setdefault(", ".join(unusual), []).append(file.place.name)
        self.dialect = next((file.dialect for file in texts if file.dialect), self.dialect)
        for said, names in alike.items():
            self.say(f"read {listed(names, 2)}: {said}")
        for doubt in dict.fromkeys(doubt for file in texts for doubt in file.doubts()):
            self.say(doubt)


def read_table(
    table: Source | str | Path,
    *,
    na: Sequence[str] = (),
    text: Sequence[str] = (),
    usual: Mapping[str, str] | None = None,
) -> pa.Table:
    """Read a table from files: CSV and its kin, Parquet, Arrow IPC, JSON lines; also compressed.

    The content shows what a file is and how it is written, whatever its name.

    Parameters
    ----------
    table : Source, str or Path
    na : sequence of str
        More cells that mean "missing", as written; empty, NA, N/A, NaN and null always do, in text of Parquet too.
    text : sequence of str
        Columns of a text file to read as text even if every cell looks like a number (a trained model's categories).
    usual : mapping, optional
        `Source.dialect` of the table that the model was trained on, used where a file doesn't tell.

    Returns
    -------
    pyarrow.Table
        Columns as inferred, text mostly as dictionaries; missing cells are null. Blank lines of a text file are skipped. Rows
        of several files follow one another; their columns are those of the first, matched by name.

    Raises
    ------
    InputError
        A file is missing, empty, has two columns of one name or a row too long or too short, or other columns than
        the first; there are no rows; what a file is or how it is written can't be told.
    """
    source = Source.of(table)
    with _explained(str(source)):
        files = source.files(na, usual)
    tables = [_read(file, text) for file in files]
    found = tables[0] if len(tables) == 1 else _joined(files, tables, text)
    if found.num_rows == 0:
        raise InputError(f"{source} has a header and no rows")
    source.tell(files)
    return found


def read_batches(
    table: Source | str | Path,
    schema: Schema,
    *,
    na: Sequence[str] = (),
    usual: Mapping[str, str] | None = None,
    need_target: bool = False,
) -> Iterator[pa.Table]:
    """Read the columns that a model needs in batches, so that long files need little memory; otherwise as `read_table`.

    A table that lacks such a column, or the target if that is needed, is read whole, for a message with all its columns.
    """
    source = Source.of(table)
    with _explained(str(source)):
        files = source.files(na, usual)
    _check_columns(files)
    rows = 0
    for file in files:
        for batch in _batches(file, schema, need_target):
            rows += batch.num_rows
            yield batch
    if not rows:
        raise InputError(f"{source} has a header and no rows")
    source.tell(files)


def read_cells(
    table: Source | str | Path, names: Sequence[str], usual: Mapping[str, str] | None = None
) -> Iterator[pa.Table]:
    """Read columns as text in batches; cells of text files as they are written."""
    for file in Source.of(table).files((), usual):
        with _explained(file.place.name, file):
            yield from file.cells(names)


def _batches(file: File, schema: Schema, need_target: bool) -> Iterator[pa.Table]:
    """Read a file in batches; what they can't read is read as a whole table, or explained."""
    done, before = 0, _forms(file, schema)
    needed = {*(column.table_name for column in schema.columns), *([schema.target] if need_target else [])}
    try:
        for batch in file.batches(schema) if needed <= set(file.names()) else [_read(file, schema.text_columns)]:
            done += batch.num_rows
            yield batch
        return
    except (pa.ArrowException, InputError, OSError, ValueError):
        pass
    rest = _read(file, schema.text_columns).slice(done)
    after = _forms(file, schema)
    other = next((name for name in after if after[name] != before[name]), None)
    if done and other is not None:
        way = "say with --decimal which mark is the decimal one"
        raise InputError(f"{file.place.name}: column {shown(other)} has numbers with other marks further down: {way}")
    yield rest


def _forms(file: File, schema: Schema) -> dict[str, Form]:
    """How a file's numbers are read, for each number that the model needs."""
    if not isinstance(file, TextFile):
        return {}
    names = [column.table_name for column in schema.columns if column.is_plain_number]
    return {name: file.forms.get(name, Form(file.decimal, "")) for name in names}


def _read(file: File, text: Sequence[str]) -> pa.Table:
    """Read a whole file; refuse columns without a name, or of one name."""
    place = file.place.name
    with _explained(place, file):
        table = file.whole(text)
        pa.default_memory_pool().release_unused()
    # columns without a name are never features, so several do no harm
    twice = [name for name, times in Counter(table.column_names).items() if times > 1 and name != ""]
    if twice:
        raise InputError(f"{place} has more than one column called {some(twice)}: give each its own name")
    if not any(table.column_names):
        raise InputError(f"{place} has no named columns: its first line must be a header")
    return table


def _check_columns(files: Sequence[File]) -> None:
    """Refuse files whose columns are not those of the first; the order doesn't matter."""
    if len(files) == 1:
        return
    whole = [file for file in files if not (isinstance(file, TypedFile) and file.may_lack_columns)]
    first: list[str] = []
    for file in whole:
        with _explained(file.place.name, file):
            names = file.names()
        first = first or names
        less, more = sorted(set(first) - set(names)), sorted(set(names) - set(first))
        if less or more:
            columns = f"column{'s' * (len(less or more) > 1)} {some(less or more)}"
            has = f"lacks the {columns}, which" if less else f"has the {columns}, unlike"
            end = f"{whole[0].place.name}{' has' * bool(less)}: give tables of the same columns"
            raise InputError(f"{file.place.name} {has} {end}")


def _joined(files: Sequence[File], tables: list[pa.Table], text: Sequence[str]) -> pa.Table:
    """Put the rows of several files under one another.

    A column that is text in one file and numbers in another is read as text from all text files, as it would be in one file.
    """
    _check_columns(files)
    mixed = [name for name in _names(tables) if len(_kinds(tables, name)) > 1]
    if mixed:
        for k, file in enumerate(files):
            if isinstance(file, TextFile):
                tables[k] = _read(file, [*text, *mixed])
    for name in mixed:
        if len(_kinds(tables, name)) > 1:
            kinds = {file.place.name: _kind(table, name) for file, table in zip(files, tables, strict=True)}
            (a, one), (b, other) = next((x, y) for x in kinds.items() for y in kinds.items() if x[1] != y[1])
            raise InputError(f"column {shown(name)} is {one} in {a} and {other} in {b}: write both alike")
    order = _names(tables)
    for name in order:
        types = {table.schema.field(name).type for table in tables if name in table.column_names}
        held = _kinds(tables, name)
        if len(types) > 1 and held in ({"text"}, {"numbers"}):
            tables = [_cast(table, name, held == {"text"}) for table in tables]
    tables = [table.select([name for name in order if name in table.column_names]) for table in tables]
    return pa.concat_tables(tables, promote_options="permissive")


def _names(tables: Sequence[pa.Table]) -> list[str]:
    return list(dict.fromkeys(name for table in tables for name in table.column_names))


def _kinds(tables: Sequence[pa.Table], name: str) -> set[str]:
    return {kind for table in tables if (kind := _kind(table, name))}


def _kind(table: pa.Table, name: str) -> str:
    """Return what a column holds, in words; "" if it has no values or the table lacks it."""
    if name not in table.column_names or pa.types.is_null(kind := table.schema.field(name).type):
        return ""
    kind = getattr(kind, "value_type", kind)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "numbers"
    return "text" if pa.types.is_string(kind) or pa.types.is_large_string(kind) else str(kind)


def _cast(table: pa.Table, name: str, is_text: bool) -> pa.Table:
    """Give a column of text, or of numbers, the type that all files can share."""
    if name not in table.column_names:
        return table
    place = table.column_names.index(name)
    column = table.column(place)
    if is_text:
        column = column if column.type == TEXT else column.cast(pa.string()).dictionary_encode()
    else:
        column = column.cast(pa.float64(), safe=False)
    return table.set_column(place, name, column)


@contextmanager
def _explained(place: str, file: File | None = None) -> Iterator[None]:
    """Say in a sentence why a file can't be read."""
    try:
        yield
    except (OSError, EOFError, ValueError, pa.ArrowException) as error:
        if isinstance(error, InputError):
            raise
        text = (getattr(error, "strerror", None) or str(error)).strip()
        ragged = re.search(r"Row #(\d+): Expected (\d+) columns?, got (\d+)", text)
        known = next((says for words, says in _FAULTS.items() if re.search(words, text)), None)
        if isinstance(error, pa.ArrowException) and isinstance(file, TypedFile):
            says = f"{place} is not a whole {WORDS[file.place.kind]} file, or a damaged one: write it again"
        elif ragged:
            row, header, cells = map(int, ragged.groups())
            way = "mend the row (a cell with a separator in it needs quotes)"
            if row - 1 <= NEAR_HEADER:
                way = f"delete lines above the header, such as a title or comments, if there are any; or {way}"
            says = f"{place}: row {row - 1} has {counted(cells, 'cell')} and the header {header}: {way}"
        elif known:
            says = f"{place} {known}"
        else:
            line = shown((text.splitlines() or [type(error).__name__])[0], 160)
            says = f"can't read {place}: {line[:1].lower()}{line[1:]}; check that the file is whole and may be read"
        raise InputError(says) from error
