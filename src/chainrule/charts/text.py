"""How numbers and names are written in pictures and reports: the same everywhere, and never a surprise in XML."""

import math
import unicodedata
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from xml.sax.saxutils import escape as _escape

MINUS = "\N{MINUS SIGN}"
MISSING = "\N{EN DASH}"
_NEAR = 1e-3  # nats
NEVER = 1e9  # epochs: what needs more is not run by anybody, and how many more is no news
_WHOLE = 1e7  # epochs, from which on nobody counts their digits
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def power_of_ten(exponent: int) -> str:
    """10 to an integer power, as text with raised digits."""
    return "10" + str(exponent).translate(_SUPERSCRIPTS)


def number(value: float | None, digits: int = 4) -> str:
    """Write a number with `digits` significant digits and a true minus sign.

    An integer below a million is written as one, so that an exact 0 or 1 can be told from a rounded one. What is
    smaller than 1e-4 or has more than six digits before the point is written with a power of ten.

    Parameters
    ----------
    value : float or None
        None and not-a-number become a dash: there is no number to show.
    digits : int
        Significant digits, at least 1.

    Returns
    -------
    str
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


def round_up(count: float) -> float:
    """Round a number of epochs up to two significant digits, and to 1 at least."""
    count = max(1.0, count)
    step = 10.0 ** max(0.0, math.floor(math.log10(count)) - 1)
    return float(math.ceil(count / step * (1 - 1e-12)) * step)


def estimate(count: float, about: str = "≈ ", above: str = "> ") -> str:
    """Write estimated epochs: two significant digits, upwards, since it should not look exact; above 10⁹ no more than that."""
    if count > NEVER:
        return above + power_of_ten(9)
    value = round_up(count)
    return about + (f"{value:,.0f}" if value < _WHOLE else number(value, 2))


def between(low: float | None, high: float | None) -> tuple[str, str] | None:
    """Write a lower and an upper bound of F* with as many decimals as tell them apart, each rounded to its own side.

    None where they are in no order, or so far apart that they say nothing of where F* is.
    """
    if low is None or high is None or not low < high <= low + _NEAR:
        return None
    places = min(17, max(4, 1 - math.floor(math.log10(high - low))))
    unit = Decimal(1).scaleb(-places)
    ends = Decimal(low).quantize(unit, ROUND_FLOOR), Decimal(high).quantize(unit, ROUND_CEILING)
    return f"{ends[0]:f}".replace("-", MINUS), f"{ends[1]:f}".replace("-", MINUS)


def counted(count: int, noun: str) -> str:
    """Write a number with its noun: 1 row, 2 rows."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


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
    """Text as XML can hold it on one line: what is no sign, or reverses text, becomes a replacement mark."""
    out = []
    for c in str(name):
        kind = unicodedata.category(c)
        bad = kind in ("Cc", "Cf", "Cn", "Cs", "Zl", "Zp") and c not in "\u200c\u200d"  # these hold signs together
        out.append(" " if c in "\t\n\r" else "\N{REPLACEMENT CHARACTER}" if bad else c)
    return "".join(out)


def escape(text: object) -> str:
    """Clean text, escaped for XML and HTML, in content and in attributes."""
    return _escape(clean(text), {'"': "&quot;", "'": "&#39;"})


def cells(text: str) -> float:
    """Width of a text in cells of a digit's width: wide (East Asian) signs count two, combining ones none."""
    total = 0.0
    for c in text:
        if unicodedata.combining(c) or unicodedata.category(c) == "Cf":
            continue
        if c in "⁻⁰¹²³⁴⁵⁶⁷⁸⁹":
            total += 0.65
            continue
        total += 2.0 if unicodedata.east_asian_width(c) in ("W", "F") else 1.3 if c in "MWmw@%" else 1.0
    return total


def shorten(name: object, width: float) -> str:
    """Shorten a name to `width` cells with an ellipsis in its middle: names of levels differ at their end."""
    most = int(2 * width) + 1  # signs that are looked at, at either end: a name may have thousands
    text = clean(name)
    text = text if len(text) <= 2 * most else text[:most] + text[-most:]
    if cells(text) <= width:
        return text
    head, tail = text, ""
    room = width - 1
    while head and cells(head) > room * 0.55:
        head = head[:-1]
    for c in reversed(text[len(head) :]):
        if cells(c + tail) > room - cells(head):
            break
        tail = c + tail
    return head + "…" + tail


def _bounded(word: str) -> str:
    return word if len(word) <= 500 else f"{word[:250]}…{word[-250:]}"


def wrapped(text: str, width: float) -> list[str]:
    """Break a text into lines of at most `width` cells, at spaces where there are any."""
    lines: list[str] = []
    line = ""
    for word in map(_bounded, clean(text).split()):
        while cells(word) > width:  # no space in it to break at
            head = word
            while cells(head) > width:
                head = head[:-1]
            lines += [line] * bool(line) + [head]
            line, word = "", word[len(head) :]
        longer = f"{line} {word}" if line else word
        if cells(longer) > width:
            lines.append(line)
            line = word
        else:
            line = longer
    return lines + [line] * bool(line)


def lines_of(text: str, width: float, most: int) -> list[str]:
    """Break a text into at most so many lines of `width` cells; the last is shortened where that is too little."""
    lines = wrapped(text, width)
    return lines if len(lines) <= most else [*lines[: most - 1], shorten(" ".join(lines[most - 1 :]), width)]


def tex_number(value: float | None, digits: int = 4, *, factor: bool = False) -> str:
    """Write a number for a formula; as a factor of a product a negative one gets parentheses."""
    text = number(value, digits)
    sign = "-" if text.startswith(MINUS) else ""
    text = text.removeprefix(MINUS).replace(",", "{,}").replace("∞", r"\infty").replace(MISSING, "?")
    if " × 10" in text:
        mantissa, exponent = text.split(" × 10")
        plain = "".join("-0123456789"["⁻⁰¹²³⁴⁵⁶⁷⁸⁹".index(c)] for c in exponent)
        text = rf"{mantissa}\times 10^{{{plain}}}"
    return rf"({sign}{text})" if sign and factor else f"{sign}{text}"
