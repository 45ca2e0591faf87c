"""How numbers and names are written in pictures and reports: the same everywhere, and never a surprise in XML."""

import math
import unicodedata
from bisect import bisect_right
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from functools import lru_cache
from itertools import accumulate
from xml.sax.saxutils import escape as _escape

MINUS = "\N{MINUS SIGN}"
MISSING = "\N{EN DASH}"
NEVER = 1e9  # epochs: nobody runs more, and how many more is no news
_NEAR = 1e-3  # nats
_WHOLE = 1e7  # epochs, from which on nobody counts their digits
_RAISED, _LOWERED = (str.maketrans("-0123456789", signs) for signs in ("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "₋₀₁₂₃₄₅₆₇₈₉"))
# Unicode's classes of the signs that embed, override or isolate a direction of writing
_TURNS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def power_of_ten(exponent: int) -> str:
    """Write 10 to an integer power with raised digits."""
    return "10" + str(exponent).translate(_RAISED)


def indexed(letter: str, index: int) -> str:
    """Write a letter with a lowered number: x₁."""
    return letter + str(index).translate(_LOWERED)


def number(value: float | None, digits: int = 4) -> str:
    """Write a number with `digits` significant digits and a true minus sign; a dash for None and not-a-number.

    An integer below a million is written as one, so that an exact 0 or 1 can be told from a rounded one. What is
    smaller than 1e-4 or has more than six digits before the point is written with a power of ten.
    """
    if value is None or math.isnan(value):
        return MISSING
    if math.isinf(value):
        return "∞" if value > 0 else MINUS + "∞"
    sign, size = (MINUS if value < 0 else ""), abs(value)
    if size == int(size) and size < 1e6:
        return f"{sign}{int(size):,}"
    mantissa, exponent_text = f"{size:.{digits - 1}e}".split("e")
    exponent = int(exponent_text)
    if -5 < exponent < 6:
        return f"{sign}{size:,.{max(0, digits - 1 - exponent)}f}"
    return f"{sign}{mantissa} × {power_of_ten(exponent)}"


def below(value: float, digits: int = 3) -> str:
    """Write a positive limit rounded down: as it is written, it is not above itself."""
    if not 0 < value < math.inf:
        return number(value, digits)
    step = 10.0 ** (math.floor(math.log10(value)) - digits + 1)
    return number(math.floor(value / step * (1 + 1e-12)) * step, digits)


def round_up(count: float) -> float:
    """Round a number of epochs up to two significant digits, and to 1 at least."""
    count = max(1.0, count)
    step = 10.0 ** max(0.0, math.floor(math.log10(count)) - 1)
    return float(math.ceil(count / step * (1 - 1e-12)) * step)


def estimate(count: float, about: str = "≈ ", above: str = "> ") -> str:
    """Write estimated epochs with two significant digits, rounded up; above 10⁹ no more than that."""
    if count > NEVER:
        return above + power_of_ten(9)
    value = round_up(count)
    return about + (f"{value:,.0f}" if value < _WHOLE else number(value, 2))


def between(low: float | None, high: float | None) -> tuple[str, str] | None:
    """Write bounds of F* with as many decimals as tell them apart, each rounded to its own side.

    None where they are in no order, or so far apart that they say nothing of where F* is.
    """
    if low is None or high is None or not low < high <= low + _NEAR:
        return None
    places = min(17, max(4, 1 - math.floor(math.log10(high - low))))
    unit = Decimal(1).scaleb(-places)
    ends = Decimal(low).quantize(unit, ROUND_FLOOR), Decimal(high).quantize(unit, ROUND_CEILING)
    return f"{ends[0]:f}".replace("-", MINUS), f"{ends[1]:f}".replace("-", MINUS)


def exp_number(log_value: float, digits: int = 4) -> str:
    """Write exp(log_value), also where the value itself is outside the range of float64."""
    if math.isnan(log_value) or math.isinf(log_value) or abs(log_value) < 700:
        return number(math.exp(log_value) if log_value < 700 else log_value, digits)
    exponent = math.floor(log_value / math.log(10))
    if abs(exponent) >= 10**6:  # float64 knows nothing of the digits before the power any more
        return f"10^({number(log_value / math.log(10), digits)})"
    mantissa = math.exp(log_value - exponent * math.log(10))
    return f"{mantissa:.{digits - 1}f} × {power_of_ten(exponent)}"


def clean(name: object) -> str:
    """Text on one line that XML can hold and that reads as it is written.

    Line ends and tabs become spaces. Control characters, lone surrogates and signs that turn the direction of writing
    (U+202A to U+202E, U+2066 to U+2069) become a replacement mark.
    """
    text = str(name)
    return text if text.isprintable() else "".join(map(_cleaned, text))


def _cleaned(sign: str) -> str:
    kind = unicodedata.category(sign)
    if sign in "\t\n\r" or kind in ("Zl", "Zp"):
        return " "
    bad = kind in ("Cc", "Cs") or sign in "\ufffe\uffff" or unicodedata.bidirectional(sign) in _TURNS
    return "\N{REPLACEMENT CHARACTER}" if bad else sign


def escape(text: object) -> str:
    """Clean text, escaped for XML and HTML, in content and in attributes."""
    return _escape(clean(text), {'"': "&quot;", "'": "&#39;"})


def cells(text: str) -> float:
    """Width of a text in digits: wide (East Asian) signs count two, combining ones none."""
    return sum(map(_cell, text))


@lru_cache(maxsize=4096)
def _cell(sign: str) -> float:
    if unicodedata.combining(sign) or unicodedata.category(sign) == "Cf":
        return 0.0
    if sign in "⁻⁰¹²³⁴⁵⁶⁷⁸⁹₀₁₂₃₄₅₆₇₈₉":
        return 0.65
    return 2.0 if unicodedata.east_asian_width(sign) in ("W", "F") else 1.3 if sign in "MWmw@%" else 1.0


def _fitting(text: str, width: float) -> int:
    """How many of the first signs of a text fit in `width` cells."""
    return bisect_right(list(accumulate(map(_cell, text))), width)


def shorten(name: object, width: float) -> str:
    """Shorten a name to `width` cells with an ellipsis in its middle: names of levels differ at their end."""
    most = int(2 * width) + 1  # signs that are looked at, at either end: a name may have thousands
    text = clean(name)
    text = text if len(text) <= 2 * most else text[:most] + text[-most:]
    if cells(text) <= width:
        return text
    head = text[: _fitting(text, 0.55 * (width - 1))]
    back = text[::-1]
    return head + "…" + back[: _fitting(back, width - 1 - cells(head))][::-1]


def wrapped(text: str, width: float) -> list[str]:
    """Break a text into lines of at most `width` cells: at spaces, else behind a sign within a name, else anywhere."""
    lines: list[str] = []
    line = ""
    for word in clean(text).split():
        if line and cells(line) + 1 + cells(word) > width:
            lines, line = [*lines, line], ""
        while cells(word) > width:  # no space in it to break at
            most = max(1, _fitting(word, width))
            cut = max(word.rfind(sign, 0, most) for sign in "=_-./") + 1 or most
            lines, word = [*lines, word[:cut]], word[cut:]
        line = f"{line} {word}".strip()
    return [*lines, line] if line else lines


def lines_of(text: str, width: float, most: int) -> list[str]:
    """Break a text into at most so many lines of `width` cells; the last is shortened where that is too little."""
    lines = wrapped(text, width)
    return lines if len(lines) <= most else [*lines[: most - 1], shorten(" ".join(lines[most - 1 :]), width)]
