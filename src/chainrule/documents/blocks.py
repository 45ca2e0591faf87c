"""Blocks: a description of a result, made once from its data, and written by each renderer in its own way.

    [Heading("How well it does"), say("right on {share:%} of {rows:row}", share=0.9, rows=249), Chart(draw, "...")]

A sentence keeps its numbers and names as values. A format after the colon says how a value is written:

    4      a number with 4 significant digits              %      a share: 90.0%
    f      with four decimals, as in a column               name   a name or label from the data
    g      with up to six digits, no zeros at the end      up, down   a bound: two digits, rounded to its own side
    e      with a power of ten: 2.0e-03                     floor   a limit: four digits, rounded down
    time   seconds                                          row    a number with its noun: 1 row, 249 rows
"""

from __future__ import annotations

import math
import string
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from chainrule.words import counted, downward, number, rounded, shortened, shortened_apart, upward, visible

Role = Literal["", "lead", "cause", "note"]
FactsRole = Literal["", "tiles", "glossary"]


@dataclass(frozen=True)
class Text:
    """A sentence: a template, and the values for its braces, which may be sentences too."""

    template: str
    values: Mapping[str, Any]
    role: Role = ""


Words = Text | str  # a plain string has no braces to fill and may come from the data


def say(template: str, role: Role = "", **values: Any) -> Text:
    """Make a sentence of a template and its values."""
    return Text(template, values, role)


@dataclass(frozen=True)
class Heading:
    """A heading; level 1 is the title, 2 begins a section."""

    text: Words
    level: int = 2


@dataclass(frozen=True)
class Facts:
    """Pairs of a name and its text. "tiles" are large numbers side by side on a page, "glossary" terms and their meaning."""

    pairs: Sequence[tuple[str, Any]]
    role: FactsRole = ""

    @classmethod
    def of(cls, templates: Mapping[str, str], role: FactsRole = "", **values: Any) -> Facts:
        """Make facts from templates that share their values."""
        return cls([(name, say(template, **values)) for name, template in templates.items()], role)


@dataclass(frozen=True)
class Column:
    """A table's column: a heading, cells, and their format: "bar" draws a share as a bar on a page, "text" is flush left."""

    head: str
    cells: Sequence[Any]
    format: str = "4"


@dataclass(frozen=True)
class Table:
    """Columns of equal length; the first has the names of the rows. inner: which rows are parts of a row above them."""

    columns: Sequence[Column]
    inner: Sequence[bool] = ()

    @classmethod
    def of(cls, heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table:
        """Make a table from rows of text."""
        return cls([Column(head, [row[j] for row in rows], "") for j, head in enumerate(heads)])

    @classmethod
    def from_entries(cls, entries: Sequence[Mapping[str, Any]], *columns: tuple[str, str, str]) -> Table:
        """Make a table from a document's entries; columns: heading, key, format. Keys that no entry has are left out."""
        shown = []
        for head, key, how in columns:
            cells: list[Any] = [entry.get(key) for entry in entries]
            short = shortened_apart(cell for cell in cells if cell is not None) if how == "name" else {}
            if any(cell is not None for cell in cells):
                shown.append(Column(head, [short.get(cell, cell) for cell in cells], how))
        return cls(shown, [bool(entry.get("inner")) for entry in entries])


@dataclass(frozen=True)
class Formula:
    """A formula with its numbers, as plain text, and a note."""

    text: str
    note: Words = ""


@dataclass(frozen=True)
class Code:
    """Lines that a user may copy."""

    lines: Sequence[str]


@dataclass(frozen=True)
class Chart:
    """A picture: a function that draws its SVG, and a caption. wide: draws it for a page that is wide."""

    draw: Callable[[], str]
    caption: Words = ""
    wide: Callable[[], str] | None = None


@dataclass(frozen=True)
class Frame:
    """A whole page within the page, which can't reach it. script: the hash of its script, which the outer page must allow."""

    html: str
    script: str
    title: str


@dataclass(frozen=True)
class Bullets:
    """A list of sentences."""

    items: Sequence[Words]


@dataclass(frozen=True)
class Beside:
    """Groups of blocks, side by side if there is room."""

    groups: Sequence[Sequence[Block]]


@dataclass(frozen=True)
class Fold:
    """Blocks below a line that opens them on a page."""

    title: Words
    blocks: Sequence[Block]


Block = Text | Heading | Facts | Table | Formula | Code | Chart | Frame | Bullets | Beside | Fold


def bullets(heading: str, items: Iterable[str]) -> list[Block]:
    """Make a heading and a list of sentences without repetitions; nothing for an empty list."""
    once = list(dict.fromkeys(items))
    return [Heading(heading), Bullets(once)] if once else []


def _seconds(value: float) -> str:
    return f"{value / 60:.3g} minutes" if value >= 99.5 else f"{float(f'{value:.2g}'):g} seconds"


FORMATS: dict[str, Callable[[float], str]] = {
    "up": upward,
    "down": downward,
    "floor": lambda value: number(rounded(value, 4, up=False)),
    "time": _seconds,
    "g": lambda value: f"{value:.6g}",
    "%": lambda value: f"{100 * value:.1f}%",
    "f": lambda value: f"{value:.4f}" if abs(value) < 1e6 else number(value),
    "e": lambda value: f"{value:.2e}" if value and math.isfinite(value) else number(value),
}


def spelled(value: Any, how: str = "") -> str:
    """Write a number in ASCII, and None as an empty text; how: a format of the table above."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "" if value is None else "-"
    if how in ("", "4") and isinstance(value, int):
        return f"{value:,}"
    if not how or how.isdigit():
        return number(value, int(how or 4))
    return FORMATS[how.replace("bar", "f")](value) if how.replace("bar", "f") in FORMATS else counted(value, how)


class Speller(string.Formatter):
    """Writes sentences as plain text. Other renderers change how it spells words, names and numbers."""

    def literal(self, text: str) -> str:
        """Write words."""
        return visible(text)

    def name(self, text: str) -> str:
        """Write a name or a label from the data."""
        return shortened(text)

    def number(self, text: str) -> str:
        """Write a number that is spelled in ASCII."""
        return text

    def words(self, text: Words) -> str:
        """Write a sentence."""
        return self.format_field(text, "")

    def format_field(self, value: Any, format_spec: str) -> str:
        """Write a value of a sentence, or a table's cell."""
        if isinstance(value, Text):
            return self.vformat(self.literal(value.template), (), value.values)
        if format_spec == "name":
            return self.name(value)
        return self.literal(value) if isinstance(value, str) else self.number(spelled(value, format_spec))


PLAIN = Speller()
