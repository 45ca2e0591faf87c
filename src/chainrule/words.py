"""How numbers, counts and names are written: one way each, in two spellings, for a terminal and for a page."""

import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

NAME = 60  # cells of a name at most
_JOINERS = "\u200c\u200d"  # they hold signs of some scripts together, and harm nothing
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_NUMBER = re.compile(r"(-?)(\d+)(\.\d+)?(?:e([+-]\d+))?(?![\d.])")


class Shown:
    """Base of results that show themselves; what there is to say of them, and how, is loaded when they do."""

    def __str__(self) -> str:
        from chainrule.documents import as_text

        return as_text(self)

    def _repr_html_(self) -> str:
        from chainrule.documents import as_html

        return as_html(self)


def number(value: float | None, digits: int = 4) -> str:
    """Write a number with `digits` significant digits: -0.2500, 7.9e-13. None and not-a-number are a dash.

    A whole number below a million keeps all its digits, so that an exact 0 or 1 can be told from a rounded one.
    """
    if value is None or math.isnan(value):
        return "-"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if value == int(value) and abs(value) < 1e6:
        return str(int(value))
    text = f"{value:.{digits - 1}e}"
    exponent = int(text.split("e")[1])
    return f"{value:.{max(0, digits - 1 - exponent)}f}" if -5 < exponent < 6 else text


def plain(value: Any) -> Any:
    """Make a value JSON-able: a record becomes a dictionary of what it shows, an array a list, what is not finite None."""
    if is_dataclass(value):
        value = {f.name: getattr(value, f.name) for f in fields(value) if f.repr}
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if hasattr(value, "tolist"):  # of NumPy
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def typeset(text: str) -> str:
    """Write a number as books do: −0.2500, 7.9 × 10⁻¹³, 1,224 epochs."""
    if text in ("-", "inf", "-inf"):
        return text.replace("-inf", "−∞").replace("inf", "∞").replace("-", "–")
    found = _NUMBER.match(text)
    if found is None:
        return text
    sign, whole, decimals, exponent = found.groups()
    power = "" if exponent is None else f" × 10{str(int(exponent)).translate(_SUPERSCRIPTS)}"
    return f"{'−' if sign else ''}{int(whole):,}{decimals or ''}{power}{text[found.end() :]}"


def counted(count: int, noun: str) -> str:
    """Write a number with its noun: 1 row, 1,200 rows."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def visible(text: object) -> str:
    """Spell what does not print by its code (escapes, line ends, signs that reverse text): no reader obeys or misses it."""
    whole = str(text)
    return whole if whole.isprintable() else "".join(map(_spelled, whole))


def _spelled(sign: str) -> str:
    kind = unicodedata.category(sign)
    return repr(sign)[1:-1] if (kind[0] == "C" and sign not in _JOINERS) or kind in ("Zl", "Zp") else sign


def cells(text: str) -> int:
    """Count the cells that a text takes in a terminal."""
    from rich.cells import cell_len

    return cell_len(text)


def shortened(name: object, room: int = NAME) -> str:
    """Shorten a name to `room` cells by an ellipsis in its middle: names of levels differ at their ends."""
    whole = str(name)
    if len(whole) > 2 * room:  # no more than that is seen: a name may have thousands of signs
        whole = f"{whole[:room]}{whole[-room:]}"
    text = visible(whole)
    if cells(text) <= room and len(str(name)) <= 2 * room:
        return text
    head, tail = text[: (room - 1) // 2], text[-(room // 2) :]
    while cells(head) > (room - 1) // 2:
        head = head[:-1]
    while cells(head) + cells(tail) > room - 1:
        tail = tail[1:]
    return f"{head}…{tail}"
