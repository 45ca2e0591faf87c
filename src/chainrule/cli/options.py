"""The options that commands share, and how a command is made from its options."""

import math
from collections.abc import Callable, Mapping
from inspect import Parameter, Signature
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

# headings under which the help groups options
DATA, TRAINING, OUTPUT = "Data", "Training", "Output"
REQUIRED = Parameter.empty
LARGEST_SEED = 2**64 - 1


class Option(NamedTuple):
    """One option of a command: typer's annotated type with its name and help, and a default."""

    takes: Any
    default: Any


def option(
    heading: str | None,
    names: str,
    metavar: str | None,
    says: str,
    kind: type = str,
    default: Any = None,
    *,
    many: bool = False,
    **bounds: Any,
) -> Option:
    """Make an option. kind: bool is a flag, int and float are numbers within bounds; many: a list, by repeating it."""
    parser = number(names, kind, **bounds) if kind in (int, float) else None
    takes: Any = list[kind] if many else kind  # type: ignore[valid-type]
    named = typer.Option(*names.split(), metavar=metavar, help=says, rich_help_panel=heading, parser=parser)
    return Option(Annotated[takes | None if default is None else takes, named], default)


def number(
    name: str, kind: type, low: float = -math.inf, high: float = math.inf, above: float = -math.inf, below: float = math.inf
) -> Any:  # fmt: skip
    """Return a function that parses an option's text as a number, and refuses numbers out of bounds."""
    what = "a whole number" if kind is int else "a number"
    limits = {"from": low, "above": above, "to": high, "and below": below}
    bounds = "".join(f" {word} {limit}" for word, limit in limits.items() if math.isfinite(limit))

    def read(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            raise typer.BadParameter(f"{name} must be {what}, not {text!r}") from None
        if not (low <= value <= high and above < value < below):
            raise typer.BadParameter(f"{name} must be {what}{bounds}, not {text}")
        return value

    return read


def command(
    to: typer.Typer, name: str, says: str, options: Mapping[str, Option], run: Callable[[str, dict[str, Any]], Any]
) -> None:
    """Add a command. Typer reads its options from a function's signature, which is made here.

    options: the command's options by argument name. run: called with the command's name and the arguments; it
    returns the exit code, or None if all is done.
    """

    def job(**given: Any) -> Any:
        return run(name, given)

    job.__annotations__ = {key: option.takes for key, option in options.items()}
    job.__signature__ = Signature([  # type: ignore[attr-defined]
        Parameter(key, Parameter.KEYWORD_ONLY, default=option.default, annotation=option.takes)
        for key, option in options.items()
    ])  # fmt: skip
    to.command(name, help=says)(job)


def argument(metavar: str, says: str, default: Any = REQUIRED, *, many: bool = False) -> Option:
    """Make a positional argument: a file, or one or more."""
    takes: Any = list[Path] if many else Path
    takes = takes | None if default is None else takes
    return Option(Annotated[takes, typer.Argument(metavar=metavar, help=says)], default)


def test_size(default: float, **bounds: Any) -> Option:
    """Make the option of the share of rows that are held out, below 1."""
    says = "Fraction of the rows to hold out, stratified by label."
    return option(DATA, "--test-size", "F", says, float, default, below=1, **bounds)


# fmt: off
TABLES = ("CSV, Parquet, Arrow IPC or JSON lines, also compressed; - is standard input. Several files, or a folder, are "
          "one table.")
TABLE = argument("TABLE", f"{TABLES} Data rows count from 1.", many=True)
MODEL = argument("MODEL", "Model file written by chainrule fit.")

TARGET = option(DATA, "--target", "COLUMN", "Column to learn, with two labels.", default=REQUIRED)
POSITIVE = option(DATA, "--positive", "LABEL", "Label whose probability is learned. Default: the second in sorted order.")
FEATURES = option(
    DATA, "--features", "NAMES", "Columns to use, separated by commas; may repeat. Default: all others.", many=True)
DROP = option(DATA, "--drop", "NAMES", "Columns to leave out, separated by commas; may repeat.", many=True)
WEIGHTS = option(DATA, "--weights", "COLUMN", "Column of row weights.")
NA = option(
    DATA, "--na", "TEXT", "Another spelling of missing, besides empty, NA, N/A, NaN and null; may repeat.", str, [], many=True)
MISSING = option(
    DATA, "--missing", "WAY", "How to treat missing values. mark: fill in the mean, and add a coefficient for these rows if "
    "both classes have 10 of them. mean: only fill in. drop-rows: leave these rows out. error: refuse them. A category is "
    "filled with its most frequent level. COLUMN=WAY is for one column; may repeat. Default: mark.", many=True)
READING = {  # how text files are written: found unless given
    "sep": option(
        DATA, "--sep", "SIGN", "Separator of a text file: comma, semicolon, tab, bar or another sign. Default: found."),
    "decimal": option(DATA, "--decimal", "SIGN", "Decimal mark: . or , (the other may separate thousands). Default: found."),
    "encoding": option(
        DATA, "--encoding", "NAME", "Encoding, such as utf-8, windows-1252 or utf-16. Default: found; text that isn't UTF-8 "
        "is taken for Windows-1252."),
    "quote": option(DATA, "--quote", "SIGN", 'Sign around cells: double, single, none or another sign. Default: found.'),
}
THREADS = option(TRAINING, "--threads", "T", "Threads to use. The result is the same to the bit.", int, low=1)

ALPHA = option(
    TRAINING, "--alpha", "A", "Strength of the penalty alpha/2 w.w, added to the mean loss. Default: none.", float, low=0)
C = option(
    TRAINING, "--C", "C", "scikit-learn's inverse strength, instead of --alpha: alpha = 1/(C S), S the sum of the weights.",
    float, above=0)

CATEGORICAL = option(
    DATA, "--categorical", "NAMES", "Columns of numbers or dates to take as categories, separated by commas; may repeat.",
    many=True)
NUMERIC = option(
    DATA, "--numeric", "NAMES", "Columns of text to take as numbers, such as codes with leading zeros; may repeat.", many=True)
DATES = option(
    DATA, "--dates", "COLUMN=PARTS", "Take parts of a date: days, year, month, weekday, hour; may repeat. Default: days since "
    "1970-01-01, as one number.", many=True)
REFERENCE = option(
    DATA, "--reference", "COLUMN=LEVEL", "Level that a category's others are compared with; may repeat. Default: the first.",
    many=True)

LEARNED = {  # how a table is prepared
    "positive": POSITIVE, "features": FEATURES, "drop": DROP, "categorical": CATEGORICAL, "numeric": NUMERIC, "dates": DATES,
    "reference": REFERENCE, "weights": WEIGHTS, "na": NA, "missing": MISSING,
}

JSON = option(OUTPUT, "--json", None, "Print one JSON document instead of text.", bool, False)
QUIET = option(OUTPUT, "--quiet -q", None, "No progress and no notes on stderr.", bool, False)
# fmt: on
