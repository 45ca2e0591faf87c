"""The options that commands share, and what may be given for them."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from chainrule.errors import InputError

# headings under which the help groups options
DATA = "Data"
TRAINING = "Training"
OBJECTIVE = "Objective"
OUTPUT = "Output"


def whole(option: str) -> Callable[[str], int]:
    """Give what reads a whole number off an option's text."""

    def read(text: str) -> int:
        try:
            return int(text)
        except ValueError:
            raise typer.BadParameter(f"{option} must be a whole number, not {text!r}") from None

    return read


def real(option: str) -> Callable[[str], float]:
    """Give what reads a number off an option's text."""

    def read(text: str) -> float:
        try:
            return float(text)
        except ValueError:
            raise typer.BadParameter(f"{option} must be a number, not {text!r}") from None

    return read


Table = Annotated[Path, typer.Argument(metavar="TABLE", help="CSV or Parquet file; data rows count from 1.")]
ModelFile = Annotated[Path, typer.Argument(metavar="MODEL", help="Model file written by chainrule fit.")]
CoefficientsFile = Annotated[
    Path,
    typer.Argument(
        metavar="MODEL",
        help="Model file written by chainrule fit, or a CSV file of names and numbers; of more columns, that called "
        "coef, estimate, weight or alike.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.", rich_help_panel=OUTPUT)]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="No progress and no notes on stderr.", rich_help_panel=OUTPUT)
]
Missing = Annotated[
    list[str] | None,
    typer.Option(
        "--na",
        metavar="TEXT",
        help="Also means missing, as empty, NA, N/A, NaN and null do; may repeat.",
        rich_help_panel=DATA,
    ),
]
UnseenLevels = Annotated[
    str,
    typer.Option(
        "--unseen",
        parser=lambda text: one_of("--unseen", text, ("reference", "missing", "error")),
        metavar="HOW",
        help="A level that training never saw counts as the reference or as missing, or is an error.",
        rich_help_panel=DATA,
    ),
]
Target = Annotated[
    str, typer.Option("--target", metavar="COLUMN", help="Column to learn; two labels.", rich_help_panel=DATA)
]
MaybeTarget = Annotated[
    str | None,
    typer.Option(
        "--target", metavar="COLUMN", help="Column that was learned; a model file says it.", rich_help_panel=DATA
    ),
]
Positive = Annotated[
    str | None,
    typer.Option(
        "--positive",
        metavar="LABEL",
        help="Label whose probability is learned. Else the second in sorted order.",
        rich_help_panel=DATA,
    ),
]
Features = Annotated[
    list[str] | None,
    typer.Option(
        "--features",
        metavar="NAMES",
        help="Columns to use: comma separated, or repeat. Else all others.",
        rich_help_panel=DATA,
    ),
]
Drop = Annotated[
    list[str] | None,
    typer.Option(
        "--drop",
        metavar="NAMES",
        help="Columns to leave out: comma separated, or repeat.",
        rich_help_panel=DATA,
    ),
]
Weights = Annotated[
    str | None,
    typer.Option("--weights", metavar="COLUMN", help="Column of row weights.", rich_help_panel=DATA),
]
TestSize = Annotated[
    float,
    typer.Option(
        "--test-size",
        parser=real("--test-size"),
        metavar="F",
        help="Part of the rows to hold out, stratified.",
        rich_help_panel=DATA,
    ),
]
Seed = Annotated[
    int,
    typer.Option(
        "--seed",
        parser=whole("--seed"),
        metavar="S",
        help="Seed of the hold-out split, and of the order of sgd.",
        rich_help_panel=DATA,
    ),
]
Method = Annotated[
    str,
    typer.Option(
        "--method",
        metavar="METHOD",
        help="newton: few steps to the optimum; gradient-descent: many small ones, as in learning; sgd: one for each "
        "mini-batch of rows; auto: newton, unless an option of the others is given.",
        rich_help_panel=TRAINING,
    ),
]
Tol = Annotated[
    float | None,
    typer.Option(
        "--tol",
        parser=real("--tol"),
        metavar="T",
        help="End when the objective is proven to be at most T above its optimum. Else the smaller of 1e-8 and 1e-6/rows.",
        rich_help_panel=TRAINING,
    ),
]
MaxReads = Annotated[
    int | None,
    typer.Option(
        "--max-reads",
        parser=whole("--max-reads"),
        metavar="N",
        help="Reads of the data at most: newton begins no step after them (what proves its last point comes on top), gradient "
        "descent takes as many epochs. Else 100 and 1,000; 100 for sgd.",
        rich_help_panel=TRAINING,
    ),
]
LearningRate = Annotated[
    str | None,
    typer.Option(
        "--learning-rate",
        metavar="R",
        help="Of gradient descent, which it chooses, and of sgd: a positive number; auto takes a stable one.",
        rich_help_panel=TRAINING,
    ),
]
Epochs = Annotated[
    int | None,
    typer.Option(
        "--epochs",
        parser=whole("--epochs"),
        metavar="N",
        help="Of gradient descent, which it chooses: updates at most, each a read of the data; else 1,000. Of sgd: so often "
        "each row is visited; else 100.",
        rich_help_panel=TRAINING,
    ),
]
BatchSize = Annotated[
    int | None,
    typer.Option(
        "--batch-size",
        parser=whole("--batch-size"),
        metavar="B",
        help="Of sgd, which it chooses: rows an update. Else 1.",
        rich_help_panel=TRAINING,
    ),
]
Schedule = Annotated[
    str | None,
    typer.Option(
        "--schedule",
        metavar="HOW",
        help="Of sgd, which it chooses: the rate stays constant; or falls with the epochs k, as inverse, 1/(1 + k), or "
        "inverse-sqrt, its root. Else constant.",
        rich_help_panel=TRAINING,
    ),
]
Alpha = Annotated[
    float,
    typer.Option(
        "--alpha",
        parser=real("--alpha"),
        metavar="A",
        help="Penalty: alpha/2 w.w is added to the mean loss.",
        rich_help_panel=TRAINING,
    ),
]
Standardize = Annotated[
    bool | None,
    typer.Option(
        "--standardize/--no-standardize",
        help="Train on numbers with mean 0, deviation 1; the penalty is then in these units. On for gradient descent, "
        "else off.",
        rich_help_panel=TRAINING,
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(
        "--threads",
        parser=whole("--threads"),
        metavar="T",
        help="Threads of the kernel; no bit of the model changes.",
        rich_help_panel=TRAINING,
    ),
]
MaybeAlpha = Annotated[
    float | None,
    typer.Option(
        "--alpha",
        parser=real("--alpha"),
        metavar="A",
        help="Penalty of the objective: alpha/2 w.w beside the mean loss. Else the model's, or none.",
        rich_help_panel=OBJECTIVE,
    ),
]
InverseAlpha = Annotated[
    float | None,
    typer.Option(
        "--C",
        parser=real("--C"),
        metavar="C",
        help="The same as scikit-learn has it: alpha = 1/(C S), S the sum of the weights.",
        rich_help_panel=OBJECTIVE,
    ),
]
MaybeStandardize = Annotated[
    bool | None,
    typer.Option(
        "--standardize/--no-standardize",
        help="The penalty is on the coefficients of standardised numbers. Else as the model was trained, or not.",
        rich_help_panel=OBJECTIVE,
    ),
]
AuditTol = Annotated[
    float | None,
    typer.Option(
        "--tol",
        parser=real("--tol"),
        metavar="T",
        help="Exit code 3 unless the coefficients are proven to be at most T nats above the optimum.",
        rich_help_panel=OUTPUT,
    ),
]
ModelOut = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="MODEL",
        help="Write the model here, and its trace beside it as NAME.trace.",
        rich_help_panel=OUTPUT,
    ),
]
ReportOut = Annotated[
    Path | None,
    typer.Option("--report", metavar="FILE", help="Write a report here: one HTML file.", rich_help_panel=OUTPUT),
]
ReportRow = Annotated[
    int | None,
    typer.Option(
        "--row",
        parser=whole("--row"),
        metavar="K",
        help="The row that the report explains; else the training row that the model gets right by the smallest margin.",
        rich_help_panel=OUTPUT,
    ),
]
Strict = Annotated[
    bool,
    typer.Option("--strict", help="Exit code 3 after an early stop or a warning.", rich_help_panel=OUTPUT),
]


def learning_rate(text: str) -> float | Literal["auto"]:
    """Read a learning rate off `text`: "auto" or a positive, finite number."""
    if text.strip().lower() == "auto":
        return "auto"
    try:
        rate = float(text)
    except ValueError:
        raise InputError(f"--learning-rate must be auto or a positive number, not {text!r}") from None
    if not (math.isfinite(rate) and rate > 0):
        raise InputError(f"--learning-rate must be a positive number, not {text}; auto takes a stable one")
    return rate


def learning_rate_number(text: str) -> float:
    """Read a learning rate that is a number off `text`."""
    rate = learning_rate(text)
    if isinstance(rate, str):
        raise InputError(f"--learning-rate must be a positive number here, not {text!r}")
    return rate


def one_of(option: str, text: str, words: Sequence[str]) -> str:
    """Check that an option is one of some words."""
    if text not in words:
        raise typer.BadParameter(f"{option} must be {', '.join(words[:-1])} or {words[-1]}, not {text!r}")
    return text


def at_least(option: str, value: float, lowest: float, unit: str = "number") -> None:
    """Refuse a number below `lowest`, or one that is no finite number."""
    if not (math.isfinite(value) and value >= lowest):
        raise InputError(f"{option} must be a {unit} of {lowest:g} or more, not {value:g}")


def seed_of(value: int) -> None:
    """Refuse a seed that no unsigned integer of 64 bits holds."""
    if not 0 <= value < 2**64:
        raise InputError(f"--seed must be a whole number from 0 to {2**64 - 1}, not {value}")


def positive(option: str, value: float | None) -> None:
    """Refuse a number that is not positive and finite."""
    if value is not None and not (math.isfinite(value) and value > 0):
        raise InputError(f"{option} must be a positive number, not {value:g}")


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
    """Check the number of threads; None is the kernel's own choice."""
    if given is not None:
        at_least("--threads", given, 1, "whole number")
    return given
