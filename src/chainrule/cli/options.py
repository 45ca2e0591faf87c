"""The options that commands share, and what may be given for them."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from chainrule.errors import InputError

Table = Annotated[Path, typer.Argument(metavar="TABLE", help="CSV or Parquet file; data rows count from 1.")]
ModelFile = Annotated[Path, typer.Argument(metavar="MODEL", help="Model file written by chainrule fit.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no notes on stderr.")]
Missing = Annotated[
    list[str] | None,
    typer.Option("--na", metavar="TEXT", help="A cell that also means missing; repeat for more. [always: empty, NA, N/A, NaN, null]"),
]
Threads = Annotated[
    int | None, typer.Option("--threads", metavar="T", help="Threads of the kernel. [default: all this process may use]")
]


def learning_rate(text: str) -> float | Literal["auto"]:
    """The learning rate that `text` gives: "auto" or a positive, finite number."""
    if text.strip().lower() == "auto":
        return "auto"
    try:
        rate = float(text)
    except ValueError:
        raise InputError(f"--learning-rate must be auto or a positive number, not {text!r}") from None
    if not (math.isfinite(rate) and rate > 0):
        raise InputError(f"--learning-rate must be a positive number, not {text}; auto takes a stable one")
    return rate


def at_least(option: str, value: float, lowest: float, unit: str = "number") -> None:
    """Refuse a number below `lowest`, or one that is no finite number."""
    if not (math.isfinite(value) and value >= lowest):
        raise InputError(f"{option} must be a {unit} of {lowest:g} or more, not {value:g}")


def fraction(option: str, value: float) -> None:
    """Refuse what is not in [0, 1)."""
    if not 0 <= value < 1:
        raise InputError(f"{option} must be 0 or a fraction below 1, such as 0.25, not {value:g}")


def column_names(given: Sequence[str] | None, known: Sequence[str]) -> list[str] | None:
    """Names given one by one or separated by commas; a column whose own name has a comma is given alone.

    `known` are the table's columns. Names that are not there are kept: who uses them says so.
    """
    if not given:
        return None
    names: list[str] = []
    for text in given:
        names.extend([text] if text in known else [part.strip() for part in text.split(",") if part.strip()])
    return list(dict.fromkeys(names))


def thread_count(given: int | None) -> int | None:
    """The number of threads, or None for the kernel's own choice."""
    if given is not None:
        at_least("--threads", given, 1, "whole number")
    return given
