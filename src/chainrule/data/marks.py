"""Numbers that are written with a decimal comma or with marks between thousands: found by their cells, and converted."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from chainrule.data.words import some, unusable
from chainrule.words import short

MOSTLY = 0.9  # a column in which fewer cells are numbers is text
_MARKED = r"\d[.,'’ \x{a0}\x{2009}\x{202f}]|[.,]\d"  # as Arrow writes it; the same for Python:
_IS_MARKED = re.compile("[0-9][.,'’ \u00a0\u2009\u202f]|[.,][0-9]")
_NUMERIC = r"^\s*[+-]?[\d.,]*\d[\d.,]*\s*$"
_OTHER = r"[+-]?(?i:inf|infinity|nan)"
_MARKS = {"": "", ",": ",", ".": r"\.", " ": "[ \u00a0\u2009\u202f]", "'": "['’]"}


class Form(NamedTuple):
    """How a number is written: its decimal mark, and the mark between thousands ("" if there is none)."""

    decimal: str
    thousands: str = ""

    @property
    def pattern(self) -> str:
        """A regular expression of the numbers that are written like this."""
        point = _MARKS[self.decimal]
        if not self.thousands:
            return rf"^\s*(?:[+-]?(\d+{point}?\d*|{point}\d+)([eE][+-]?\d+)?|{_OTHER})\s*$"
        return rf"^\s*(?:[+-]?(0|[1-9]\d{{0,2}}({_MARKS[self.thousands]}\d{{3}})*)({point}\d*)?|{_OTHER})\s*$"

    def plain(self, cells: Any) -> Any:
        """Write numbers as the CSV reader wants them: 1.234,5 becomes 1234.5."""
        if self.thousands:
            cells = pc.replace_substring_regex(cells, pattern=_MARKS[self.thousands], replacement="")
        return cells if self.decimal == "." else pc.replace_substring(cells, pattern=",", replacement=".")


# where cells don't tell, the first is taken
FORMS = tuple(Form(*marks) for marks in (".", ",", ".,", ",.", ". ", ", ", ".'", ",'"))
Forms = tuple[Form, ...]


def strings(cells: Sequence[str]) -> Any:
    """Make an Arrow array of text. `pa.array` would import pandas, which takes longer than reading most files."""
    texts = [cell.encode("utf-8", "surrogatepass") for cell in cells]
    ends = np.cumsum([0, *map(len, texts)], dtype=np.int64)
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(b"".join(texts))]
    return pa.Array.from_buffers(pa.large_string(), len(texts), buffers)


class Cells(NamedTuple):
    """The different cells of a text column, and how many rows have each, as Arrow arrays; missing cells are left out."""

    values: Any
    rows: Any

    @classmethod
    def of(cls, column: Any) -> "Cells":
        """Count the cells of an Arrow column of text or codes of text."""
        counts = pc.value_counts(column)
        values = counts.field(0)
        values = values.cast(values.type.value_type) if pa.types.is_dictionary(values.type) else values
        return cls(values.filter(values.is_valid()), counts.field(1).filter(values.is_valid()))

    def have(self, text: str) -> bool:
        """Whether a cell has a text in it."""
        return bool(pc.any(pc.match_substring(self.values, text)).as_py())

    def count(self, pattern: str) -> int:
        """Count the rows whose cell matches a regular expression."""
        return int(pc.sum(self.rows.filter(pc.match_substring_regex(self.values, pattern=pattern))).as_py() or 0)

    def first(self, pattern: str) -> str:
        """Return the first cell that matches a regular expression."""
        return str(self.values.filter(pc.match_substring_regex(self.values, pattern=pattern))[0].as_py())


def may_have_marks(cells: Sequence[str]) -> bool:
    """Whether a cell may be a number with marks."""
    return _IS_MARKED.search("\n".join(cells)) is not None


def has_marks(column: Any) -> bool:
    """Whether a text column, whose chunks have one dictionary if any, has a cell that may be a number with marks."""
    chunks = [chunk.dictionary for chunk in column.chunks[:1]] if pa.types.is_dictionary(column.type) else column.chunks
    return any(pc.any(pc.match_substring_regex(chunk, pattern=_MARKED)).as_py() for chunk in chunks)


def forms_of(cells: Cells) -> Forms:
    """Find the forms in which most rows have numbers; none if the cells are text or have no marks."""
    if not cells.count(_MARKED):
        return ()
    rows = int(pc.sum(cells.rows).as_py())
    is_plain = cells.count(FORMS[0].pattern) == rows  # then points between thousands are the only other form
    counts = {form: cells.count(form.pattern) for form in ((FORMS[0], Form(",", ".")) if is_plain else FORMS)}
    most = max(counts.values())
    return tuple(form for form, count in counts.items() if count == most) if most >= MOSTLY * rows else ()


def choose(
    columns: Mapping[str, Forms],
    sep: str,
    *,
    usual: str | None = None,
    known: Collection[str] = (),
) -> tuple[dict[str, Form], list[str]]:
    """Choose one form for each column that is written in several; also name the columns whose cells don't tell.

    sep : the file's separator. usual : the decimal mark of the model's training table, used where a table doesn't tell.
    known : decimal marks that other columns show.
    """
    marks = {name: {form.decimal for form in forms} for name, forms in columns.items()}
    shown = {*known, *(next(iter(of)) for of in marks.values() if len(of) == 1)}
    if len(shown) != 1 and usual is not None:
        shown = {usual}
    chosen, doubtful = {}, []
    for name, forms in columns.items():
        if sep == "," and "." in shown:  # in such a file, a cell like "1,5" is a list of two
            forms = tuple(form for form in forms if form.decimal == ".")
        elif len(marks[name]) == 2:
            told = tuple(form for form in forms if form.decimal in shown)
            if len({form.decimal for form in told}) == 1:
                forms = told
            elif any(form.thousands in ",." for form in forms):
                doubtful.append(name)
            if len(forms) > 1 and Form(".", "") not in forms and sep != ";" and Form(".", ",") in forms:
                forms = (Form(".", ","),)
        if forms:
            chosen[name] = forms[0]
    return chosen, doubtful


def doubt(columns: Sequence[str], cell: str, form: Form) -> str:
    """Say how cells were read that have two readings. cell : one of them."""
    values = [float(of.plain(strings([cell]))[0].as_py()) for of in (form, _other(form))]
    first, second = map(short, values)
    how = f"--decimal {'.' if form.decimal == ',' else ','}"
    return f"{cell.strip()} is read as {first} ({some(columns, 3)}); {how} reads it as {second}"


def _other(form: Form) -> Form:
    return Form(",", "" if form.thousands else ".") if form.decimal == "." else Form(".", "" if form.thousands else ",")


def as_numbers(name: str, column: Any, form: Form) -> Any | None:
    """Convert a column of text, (m,), to float64.

    If some cells are no numbers, but no more than one in ten, the others are written plainly, so that a message can name
    those cells. Returns None for a column of text. Raises InputError if those cells are numbers in another form.
    """
    is_coded = pa.types.is_dictionary(column.type)
    codes = [chunk.indices for chunk in column.chunks] if is_coded else []
    values = [chunk.dictionary for chunk in column.chunks] if is_coded else column.chunks
    is_number = [pc.match_substring_regex(of, pattern=form.pattern) for of in values]
    good = _of_rows(is_number, codes)
    numbers, cells = int(pc.sum(good).as_py() or 0), len(column) - column.null_count
    if numbers == cells:
        spelled = [
            pc.utf8_trim_whitespace(form.plain(pc.if_else(yes, of, pa.nulls(len(of), of.type))))
            for yes, of in zip(is_number, values, strict=True)
        ]
        return _of_rows([pc.cast(of, pa.float64()) for of in spelled], codes, pa.float64())
    if numbers < MOSTLY * cells:
        return None
    text = column.cast(pa.string())
    other = text.filter(pc.and_(pc.invert(good), pc.match_substring_regex(text, pattern=_NUMERIC)))
    if len(other):
        two = f"{text.filter(good)[0].as_py().strip()} and {other[0].as_py().strip()}"
        raise unusable(name, f"has numbers written in two ways, such as {two}", "write them alike")
    return pc.if_else(good, form.plain(text), text).dictionary_encode()


def _of_rows(values: Sequence[Any], codes: Sequence[Any], kind: Any = None) -> Any:
    """Look up each row's value; without codes, the values are those of the rows."""
    found = [pc.take(of, own) for of, own in zip(values, codes, strict=True)] if codes else values
    return pa.chunked_array(found, kind or pa.bool_())
