"""How numbers, counts and names are written: one style each, as plain text for a terminal and typeset for a page."""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from itertools import accumulate, takewhile
from typing import Any

BIAS = "b (bias)"  # a feature may be called b
NAME = 80  # most terminal cells of a name
_JOINERS = "\u200c\u200d"  # some scripts need them between characters, and they are harmless
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_NUMBER = re.compile(r"(-?)(\d+)(\.\d+)?(?:e([+-]\d+))?(?![\d.])")


class Shown:
    """Base of results that print themselves; `documents` is imported only when one is shown."""

    def __str__(self) -> str:
        from chainrule.documents import shown
        from chainrule.documents.terminal import as_text

        return as_text(shown(self))

    def _repr_html_(self) -> str:
        from chainrule.documents import shown
        from chainrule.documents.html import as_html

        return as_html(shown(self))


class Lines(tuple[str, ...]):
    """Sentences that print one a line."""

    def __str__(self) -> str:
        return "\n".join(self)


def number(value: float | None, digits: int = 4) -> str:
    """Write a number with `digits` significant digits: -0.2500, 7.9e-13. None and NaN become a dash.

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
    """Make a value JSON-able: a dataclass becomes a dictionary of its shown fields, an array a list, NaN and infinity None."""
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if is_dataclass(value):
        value = {f.name: getattr(value, f.name) for f in fields(value) if f.repr}
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if hasattr(value, "tolist"):  # a NumPy array or number
        return plain(value.tolist())
    return [plain(entry) for entry in value] if isinstance(value, list | tuple) else str(value)


def typeset(text: str) -> str:
    """Write a number as books do: −0.2500, 7.9 × 10⁻¹³, 10⁶, 1,224 epochs."""
    if text in ("-", "inf", "-inf"):
        return text.replace("-inf", "−∞").replace("inf", "∞").replace("-", "–")
    found = _NUMBER.match(text)
    if found is None:
        return text
    sign, whole, decimals, exponent = found.groups()
    size = f"{int(whole):,}{decimals or ''}"
    if exponent is not None:
        size = f"{size} × ".removeprefix("1 × ") + f"10{str(int(exponent)).translate(_SUPERSCRIPTS)}"
    return f"{'−' if sign else ''}{size}{text[found.end() :]}"


def formula(text: str) -> str:
    """Write a formula as books do: dL/dw_3 = -0.2 · 1.5 becomes ∂L/∂w₃ = −0.2 · 1.5."""
    text = re.sub(r"\bd(?=[A-Za-z](?![A-Za-z]))", "∂", text)
    text = re.sub(r"[\d.]+e[-+]\d+", lambda found: typeset(found[0]), text)
    return re.sub(r"_(\d+)", lambda found: found[1].translate(_SUBSCRIPTS), text.replace("-", "−"))


def pretty(value: float | None, digits: int = 4) -> str:
    """Write a number with `digits` significant digits as books do."""
    return typeset(number(value, digits))


def rounded(x: float, digits: int, *, up: bool) -> float:
    """Round a number to `digits` significant digits, up or down, so that a rounded bound is still a bound."""
    if not math.isfinite(x):
        return x
    return float(Context(digits, ROUND_CEILING if up else ROUND_FLOOR).create_decimal(Decimal(repr(float(x)))))


def below(limit: float, digits: int = 3) -> str:
    """Write a limit as books do, rounded down, so that a rate below the written number is below the limit."""
    return pretty(rounded(limit, digits, up=False), digits)


def short(x: float) -> str:
    """Write a number in its shortest form: 0.1, 1e-8."""
    return f"{x:g}".replace("e-0", "e-")


def upward(x: float) -> str:
    """Write two digits of x, rounded up."""
    return f"{rounded(x, 2, up=True):.2g}"


def downward(x: float) -> str:
    """Write two digits of x, rounded down."""
    return f"{rounded(x, 2, up=False):.2g}"


def about(count: float) -> str:
    """Write an estimate of a count: two digits, rounded up."""
    most = math.ceil(rounded(max(1.0, count), 2, up=True))
    return f"{most:,}" if most < 1e9 else f"{most:.1e}"


def estimate(count: float, near: str = "≈ ", above: str = "> ") -> str:
    """Write an estimated number of epochs; more than 10⁹, which nobody runs, become "> 10⁹"."""
    return f"{above}10⁹" if count > 1e9 else near + about(count)


def counted(count: int, noun: str) -> str:
    """Write a number with its noun: 1 row, 1,200 rows."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def listed(names: Sequence[str], most: int, count: int | None = None) -> str:
    """List the first names and count the rest: 'a, b and 1,200 more'. count: of all, if `names` are only some of them."""
    more = (len(names) if count is None else count) - min(most, len(names))
    return ", ".join(names[:most]) + (f" and {more:,} more" if more else "")


def visible(text: object) -> str:
    """Replace unprintable characters (escapes, line ends, marks that reverse text) by their codes."""
    whole = str(text)
    return whole if whole.isprintable() else "".join(map(_spelled, whole))


def _spelled(sign: str) -> str:
    kind = unicodedata.category(sign)
    return repr(sign)[1:-1] if (kind[0] == "C" and sign not in _JOINERS) or kind in ("Zl", "Zp") else sign


def cells(text: str) -> int:
    """Count the cells that a text takes in a terminal."""
    from rich.cells import cell_len

    return cell_len(text)


def shortened(name: object, room: float = NAME, size: Callable[[str], float] = cells) -> str:
    """Shorten a name with an ellipsis in the middle to `room`, by default terminal cells; size: measures a text."""
    whole = str(name)
    # a name may have thousands of characters
    text = visible(whole if len(whole) <= 400 else f"{whole[:200]}…{whole[-200:]}")
    if size(text) <= room:
        return text
    left = room - size("…")
    head = _begun(text, left / 2, size)
    return f"{head}…{_begun(text[::-1], left - size(head), size)[::-1]}"


def _begun(text: str, room: float, size: Callable[[str], float]) -> str:
    """Return what has room of a text's beginning, at least one character."""
    return text[: max(sum(width <= room for width in accumulate(map(size, text))), 1)]


def shortened_apart(names: Iterable[str], room: float = NAME, size: Callable[[str], float] = cells) -> dict[str, str]:
    """Shorten names so that they stay different: alike ones keep what follows the place where they begin to differ.

    Those still alike end with their place in the list.
    """
    made = {name: shortened(name, room, size) for name in names}
    for short, alike in _alike(made) if room > size("0123456789") else []:
        start = sum(1 for _ in takewhile(lambda signs: len(set(signs)) == 1, zip(*map(visible, alike), strict=False)))
        head = f"{_begun(short, room / 4, size)}…"
        rests = shortened_apart([visible(name)[start:] for name in alike], room - size(head), size)
        made |= {name: head + rests[visible(name)[start:]] for name in alike}
    tags = {name: f" ({k})" for k, name in enumerate(made, start=1)}
    for _, alike in _alike(made):
        made |= {name: shortened(name, room - size(tags[name]), size) + tags[name] for name in alike}
    return made


def _alike(made: Mapping[str, str]) -> list[tuple[str, list[str]]]:
    """List the short forms that several names have, with these names."""
    forms = Counter(made.values())
    return [(form, [name for name, short in made.items() if short == form]) for form, n in forms.items() if n > 1]


def wrapped(text: str, width: float, size: Callable[[str], float] = cells, *, whole: bool = False) -> list[str]:
    """Break a text into lines of `width`, by default terminal cells: at spaces, else after punctuation, else anywhere.

    size: measures a text. whole: don't break words that are longer than a line.
    """
    lines: list[str] = []
    line = ""
    for word in text.split():
        if line and size(f"{line} {word}") > width:
            lines, line = [*lines, line], ""
        while not whole and size(word) > width:
            most = len(_begun(word, width, size))
            cut = max(word.rfind(sign, 0, most) for sign in "=_-./:") + 1 or most
            lines, word = [*lines, word[:cut]], word[cut:]
        line = f"{line} {word}".strip()
    return [*lines, line] if line else lines
