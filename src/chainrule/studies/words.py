"""How the studies write what is theirs alone: distances, limits, and the epochs that a run took."""

from __future__ import annotations

from collections.abc import Iterable

from chainrule.words import counted, pretty, rounded

__all__ = ["below", "counted", "listed", "nats", "number", "percent"]


def number(value: float | None, digits: int = 3) -> str:
    """Write a number as pictures do."""
    return pretty(value, digits)


def below(limit: float) -> str:
    """Write a limit rounded down: as it is written, it is not above itself."""
    return pretty(rounded(limit, 3, up=False), 3)


def nats(within: float) -> str:
    """Write a distance from the optimum with no digit more than it needs."""
    digits = next(d for d in range(1, 7) if d == 6 or float(f"{within:.{d}g}") == float(f"{within:.6g}"))
    return f"{number(within, digits)} nats"


def percent(share: float) -> str:
    """Write a share as a percentage with two decimals."""
    return f"{100 * share:.2f}%"


def listed(what: str, cells: Iterable[tuple[str, str]]) -> str:
    """Write one figure of several runs as a sentence."""
    return f"{what}: {', '.join(f'{label} {cell}' for label, cell in cells)}."
