"""Numbers that are written with a decimal comma or with marks between thousands: found by their cells, and converted."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from chainrule.data.words import some
from chainrule.words import short

MOSTLY = 0.9  # a column in which fewer cells are numbers is text
_MARKED = r"\d[.,'’ \x{a0}\x{2009}\x{202f}]|[.,]\d"
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
            return rf"^\s*[+-]?(\d+{point}?\d*|{point}\d+)([eE][+-]?\d+)?\s*$"
        return rf"^\s*[+-]?(0|[1-9]\d{{0,2}}({_MARKS[self.thousands]}\d{{3}})*)({point}\d*)?\s*$"

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


def forms_of(cells: Any) -> Forms:
    """Find the forms in which most cells are numbers; none if the cells are text or have no marks.

    cells : Arrow array of text, without nulls.
    """
    if not len(cells) or not _count(cells, _MARKED):
        return ()
    counts = {form: _count(cells, form.pattern) for form in FORMS}
    most = max(counts.values())
    return tuple(form for form, count in counts.items() if count == most) if most >= MOSTLY * len(cells) else ()


def _count(cells: Any, pattern: str) -> int:
    return int(pc.sum(pc.match_substring_regex(cells, pattern=pattern)).as_py() or 0)


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


def as_numbers(column: Any, form: Form) -> Any | None:
    """Convert a column of text, (m,), to float64.

    If some cells are no numbers, but no more than one in ten, the others are written plainly, so that a message can name
    those cells. Returns None for a column of text.
    """
    chunks = column.chunks
    if pa.types.is_dictionary(column.type):
        values = [chunk.dictionary for chunk in chunks]
        good = [
            pc.take(pc.match_substring_regex(v, pattern=form.pattern), chunk.indices)
            for v, chunk in zip(values, chunks, strict=True)
        ]
    else:
        values, good = chunks, [pc.match_substring_regex(chunk, pattern=form.pattern) for chunk in chunks]
    cells = len(column) - column.null_count
    numbers = sum(int(pc.sum(of).as_py() or 0) for of in good)
    if numbers == cells:
        found = [pc.cast(pc.utf8_trim_whitespace(form.plain(of)), pa.float64()) for of in _where(values, form)]
        if pa.types.is_dictionary(column.type):
            found = [pc.take(of, chunk.indices) for of, chunk in zip(found, chunks, strict=True)]
        return pa.chunked_array(found, pa.float64())
    if numbers < MOSTLY * cells:
        return None
    spelled = [
        pc.if_else(pc.match_substring_regex(of, pattern=form.pattern), form.plain(of), of).cast(of.type)
        for of in values
    ]
    if pa.types.is_dictionary(column.type):
        text = [pa.DictionaryArray.from_arrays(c.indices, of) for c, of in zip(chunks, spelled, strict=True)]
        return pa.chunked_array([pc.cast(of, pa.string()) for of in text]).dictionary_encode()
    return pa.chunked_array(spelled)


def _where(values: Sequence[Any], form: Form) -> list[Any]:
    """Replace values that are no numbers, which no row has, by null."""
    return [
        pc.if_else(pc.match_substring_regex(of, pattern=form.pattern), of, pa.nulls(len(of), of.type)) for of in values
    ]
