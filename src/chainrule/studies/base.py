"""What every study gives: its numbers, a conclusion, tables, pictures, a page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from chainrule.words import Shown

if TYPE_CHECKING:
    from chainrule.charts.sheet import Panel

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Lines:
    """A table as text: a title, heads, and rows whose first cell is a name."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Study(Shown):
    """Base of the studies' results: frozen, computed from arrays, the same numbers in every form."""

    name: ClassVar[str]
    heading: ClassVar[str]
    notes: tuple[str, ...]

    @property
    def conclusions(self) -> tuple[str, ...]:
        """What the numbers say, a text under each picture; computed from them."""
        raise NotImplementedError

    @property
    def conclusion(self) -> str:
        """All of it in one text."""
        return " ".join(self.conclusions)

    def facts(self) -> list[tuple[str, str]]:
        """Say what was studied: names and what they are."""
        raise NotImplementedError

    def tables(self) -> list[Lines]:
        """Give the numbers that a reader compares."""
        raise NotImplementedError

    def panels(self) -> list[Panel]:
        """Give the pictures, each with its part of the conclusion."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """All numbers as what JSON can hold, with a `schema_version`; numbers that aren't finite as None."""
        return {
            "schema_version": SCHEMA_VERSION,
            "study": self.name,
            "conclusion": self.conclusion,
            **{f.name: plain(getattr(self, f.name)) for f in fields(self)},  # type: ignore[arg-type]
        }

    def svg(self, title: str | None = None) -> str:
        """Draw it: one SVG with a title and a conclusion under each picture, in its own light and dark colours."""
        from chainrule.charts.sheet import svg_sheet

        return svg_sheet(title or self.heading, self.panels())

    def png(self, title: str | None = None, *, scale: float = 2.0) -> bytes:
        """Draw the same as a PNG, `scale` dots per CSS pixel."""
        from chainrule.charts.sheet import png_sheet

        return png_sheet(title or self.heading, self.panels(), scale=scale)

    def html(self, title: str | None = None, *, notes: Sequence[str] = ()) -> str:
        """Give it as one HTML page: pictures, conclusions, tables. notes: more sentences on the data."""
        from chainrule.documents.studies import study_page

        return study_page(self, title or self.heading, notes)


def plain(value: Any) -> Any:
    """Make a value JSON-able: dataclasses become dictionaries, arrays lists, what is not finite None."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
