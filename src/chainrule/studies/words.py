"""How the studies' sentences and tables write numbers: plain text, the same on a terminal, in a picture and in a page."""

from __future__ import annotations

import math
from collections.abc import Sequence

from chainrule.charts.text import NEVER, estimate, power_of_ten, round_up

__all__ = [
    "NEVER",
    "below",
    "capital",
    "epochs",
    "estimate",
    "listed",
    "nats",
    "number",
    "percent",
    "reached",
    "round_up",
    "times",
]


def number(value: float | None, digits: int = 3) -> str:
    """Write a number with `digits` significant digits; a dash where there is none."""
    if value is None or math.isnan(value):
        return "-"
    if math.isinf(value):
        return "infinite" if value > 0 else "-infinite"
    value = float(f"{value:.12g}")
    short = f"{value:.{digits}g}"
    is_exact = float(short) == value  # no zeros behind it
    if "e" not in short and is_exact:
        return f"{float(short):,.15g}"
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    power = int(exponent)
    if -5 < power < 6:
        return f"{value:,.{max(0, digits - 1 - power)}f}" if power < digits else f"{float(f'{mantissa}e{power}'):,.0f}"
    return f"{f'{float(mantissa):g}' if is_exact else mantissa} × {power_of_ten(power)}"


def nats(within: float) -> str:
    """Write a distance from the optimum that was asked for."""
    return f"{number(within, 6)} nats"


def below(value: float, digits: int = 3) -> str:
    """Write a positive limit rounded down, so that what is shown is below it."""
    if not math.isfinite(value) or value <= 0:
        return number(value, digits)
    step = 10.0 ** (math.floor(math.log10(value)) - digits + 1)
    return number(math.floor(value / step * (1 + 1e-12)) * step, digits)


def percent(share: float | None) -> str:
    """Write a share as a percentage with two decimals."""
    return "-" if share is None or math.isnan(share) else f"{100 * share:.2f} %"


def epochs(count: float, estimated: bool = False) -> str:
    """Write epochs with their noun; an estimate has two digits, upwards, and says so."""
    if not estimated:
        if count == 0:
            return "no epoch"
        return f"{count:,.0f} epoch" if count == 1 else f"{count:,.0f} epochs"
    return f"{estimate(count, 'about ', 'more than ')} epochs"


def reached(count: float | None, estimated: bool, most: int, happened: str = "") -> str:
    """Write after how many epochs a run came there, for a table's cell."""
    if count is None:
        return "-" if happened == "diverges" else f"not in {most:,}"
    return estimate(count) if estimated else f"{count:,.0f}"


def listed(words: Sequence[str]) -> str:
    """List words: a, b and c."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""


def times(ratio: float) -> str:
    """Write how many times more, with two digits."""
    return f"{number(ratio, 2)} times"


def capital(sentence: str) -> str:
    """Begin a sentence with a capital letter and end it with a full stop."""
    text = sentence.strip().rstrip(".")
    return f"{text[:1].upper()}{text[1:]}."
