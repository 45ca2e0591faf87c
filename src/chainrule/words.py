"""How numbers, counts and names are written: one way each, in two spellings, for a terminal and for a page."""

import math
import re
import unicodedata

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


def as_options(text: str) -> str:
    """Call what Python's arguments are called in a message by the names of the command line's options."""
    text = re.sub(r"^learning_rate (?=\d)", "--learning-rate ", text)
    text = re.sub(r"take a learning_rate below (\S+), or 'auto'", r"take a --learning-rate below \1, or auto", text)
    text = text.replace("raise max_reads", "raise --max-reads").replace("take method='newton'", "take --method newton")
    text = re.sub(
        r"use alpha > 0, e\.g\. alpha = 1/m = (\S+) for m rows",
        r"use --alpha > 0, e.g. --alpha \1, 1 over the rows",
        text,
    )
    text = text.replace("or use alpha > 0", "or use --alpha > 0")
    text = text.replace("take a larger learning_rate, or 'auto'", "take a larger --learning-rate, or auto")
    text = text.replace("take a larger learning_rate", "take a larger --learning-rate")
    text = text.replace(
        "take schedule='inverse', a smaller learning_rate", "take --schedule inverse, a smaller --learning-rate"
    )
    text = text.replace("or a larger batch_size", "or a larger --batch-size")
    text = re.sub(r"^batch_size (?=\d)", "--batch-size ", text)
    text = text.replace("or method='gradient-descent'", "or --method gradient-descent")
    text = re.sub(r"take a tol above (\S+)", r"that is as good as it gets", text)
    return re.sub(r"\(?standardize=True\)?", lambda found: found[0].replace("standardize=True", "--standardize"), text)
