"""The options that commands share, and what may be given for them."""

import math
from collections.abc import Callable, Mapping, Sequence
from inspect import Parameter, Signature
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, get_args

import typer

from chainrule.errors import InputError

# headings under which the help groups options
DATA = "Data"
TRAINING = "Training"
OBJECTIVE = "Objective"
OUTPUT = "Output"


def command(
    to: typer.Typer,
    name: str,
    says: str,
    options: Mapping[str, Any],
    run: Callable[[str, dict[str, Any]], int],
    **defaults: Any,
) -> None:
    """Add a command. Typer reads its options off a function's signature, which is made here.

    options: by the name of an argument of `run`, what the command takes for it. Without a default one that may be None is,
    a flag is off, and others are required.
    """

    def job(**given: Any) -> int:
        return run(name, given)

    def parameter(key: str, option: Any) -> Parameter:
        kind = get_args(option)[0]
        default = False if kind is bool else None if NoneType in get_args(kind) else Parameter.empty
        return Parameter(key, Parameter.KEYWORD_ONLY, default=defaults.get(key, default), annotation=option)

    job.__annotations__ = dict(options)
    job.__signature__ = Signature([parameter(*pair) for pair in options.items()])  # type: ignore[attr-defined]
    to.command(name, help=says)(job)


def number(flag: str, kind: type, low: float | None = None, *, positive: bool = False) -> Callable[[str], Any]:
    """Give what reads a number, int or float, off an option's text, and refuses one out of its bounds."""
    what = f"a {'positive ' * positive}{'whole ' * (kind is int)}number"

    def read(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            raise typer.BadParameter(f"{flag} must be {what}, not {text!r}") from None
        if (low is not None and not low <= value < math.inf) or (positive and not 0 < value < math.inf):
            raise typer.BadParameter(f"{flag} must be {what}{'' if low is None else f' from {low:g}'}, not {text}")
        return value

    return read


def option(
    panel: str, flag: str, metavar: str | None, says: str, parser: Callable[[str], Any] | type | None = None
) -> Any:
    """Make an option. parser: int or float read any number."""
    if isinstance(parser, type):
        parser = number(flag, parser)
    return typer.Option(flag, metavar=metavar, help=says, rich_help_panel=panel, parser=parser)


# fmt: off
Table = Annotated[Path, typer.Argument(metavar="TABLE", help="CSV or Parquet file; data rows count from 1.")]
ModelFile = Annotated[Path, typer.Argument(metavar="MODEL", help="Model file written by chainrule fit.")]
CoefficientsFile = Annotated[Path, typer.Argument(
    metavar="MODEL", help="Model file, or a CSV or JSON file of names and numbers; of more columns, that called coef, "
    "estimate, weight or alike.")]

# the table
Target = Annotated[str, option(DATA, "--target", "COLUMN", "Column to learn; two labels.")]
MaybeTarget = Annotated[str | None, option(DATA, "--target", "COLUMN", "Column that was learned; a model file says it.")]
StudiedTarget = Annotated[str | None, option(DATA, "--target", "COLUMN", "Column to learn, of a table; two labels.")]
StudiedTable = Annotated[Path | None, option(
    DATA, "--table", "TABLE", "CSV or Parquet file, with --target, --x and --y. Else the points above.")]
FirstColumn = Annotated[str | None, option(DATA, "--x", "COLUMN", "Column of numbers, drawn from left to right.")]
SecondColumn = Annotated[str | None, option(DATA, "--y", "COLUMN", "Column of numbers, drawn upwards.")]
Positive = Annotated[str | None, option(
    DATA, "--positive", "LABEL", "Label whose probability is learned. Else the second in sorted order.")]
Features = Annotated[list[str] | None, option(
    DATA, "--features", "NAMES", "Columns to use: comma separated, or repeat. Else all others.")]
Drop = Annotated[list[str] | None, option(DATA, "--drop", "NAMES", "Columns to leave out: comma separated, or repeat.")]
Weights = Annotated[str | None, option(DATA, "--weights", "COLUMN", "Column of row weights.")]
Missing = Annotated[list[str] | None, option(
    DATA, "--na", "TEXT", "Also means missing, as empty, NA, N/A, NaN and null do; may repeat.")]
UnseenLevels = Annotated[str, option(
    DATA, "--unseen", "HOW", "A level that training never saw counts as the reference or as missing, or is an error.",
    lambda text: one_of("--unseen", text, ("reference", "missing", "error")))]
TestSize = Annotated[float, option(DATA, "--test-size", "F", "Part of the rows to hold out, stratified.", float)]
StudyTestSize = TestSize
Seed = Annotated[int, option(DATA, "--seed", "S", "Seed of the hold-out split, and of the order of sgd.", int)]
StudySeed = Annotated[int, option(DATA, "--seed", "S", "Seed of all that is drawn at random: a run repeats.", int)]
UnusedSeed = Annotated[int, option(DATA, "--seed", "S", "Taken by every study; this one draws nothing at random.", int)]
Row = Annotated[int, typer.Option("--row", parser=number("--row", int), metavar="K", help="The row to explain, from 1.")]
Epoch = Annotated[int | None, typer.Option(
    "--epoch", parser=number("--epoch", int), metavar="E",
    help="As it was after E epochs (steps of newton), from the trace. Else the end.")]

# the fit
Method = Annotated[str, option(
    TRAINING, "--method", "METHOD", "newton: few steps to the optimum; gradient-descent: many small ones, as in learning; sgd: "
    "one for each mini-batch of rows; auto: newton, unless an option of the others is given.")]
Tol = Annotated[float | None, option(
    TRAINING, "--tol", "T", "Stop when no coefficients can lower the objective by more than T. Else the smaller of 1e-8 and "
    "1e-6/rows.", float)]
MaxReads = Annotated[int | None, option(
    TRAINING, "--max-reads", "N", "Newton starts no step after N reads of the data; certifying may add one or two. Gradient "
    "descent takes as many epochs. Else 100 and 1,000; 100 for sgd.", int)]
LearningRate = Annotated[str | None, option(
    TRAINING, "--learning-rate", "R", "Step size. Selects gradient descent, unless sgd is chosen; auto picks a stable one.")]
Epochs = Annotated[int | None, option(
    TRAINING, "--epochs", "N", "Selects gradient descent, unless sgd is chosen: updates at most, each a read of the data; else "
    "1,000. Of sgd: how often each row is visited; else 100.", int)]
BatchSize = Annotated[int | None, option(TRAINING, "--batch-size", "B", "Rows an update. Selects sgd. Else 1.", int)]
Schedule = Annotated[str | None, option(
    TRAINING, "--schedule", "HOW", "Selects sgd. How its step size falls with the epochs k: constant; inverse, 1/(1 + k); or "
    "inverse-sqrt, its root. Else constant.")]
Alpha = Annotated[float, option(TRAINING, "--alpha", "A", "Penalty: alpha/2 w.w is added to the mean loss.", float)]
Standardize = Annotated[bool | None, option(
    TRAINING, "--standardize/--no-standardize", None, "Train on numbers with mean 0, deviation 1; the penalty is then in these "
    "units. On for gradient descent, else off.")]
Threads = Annotated[int | None, option(
    TRAINING, "--threads", "T", "Threads of the kernel; no bit of the model changes.", number("--threads", int, 1))]

# the objective that others' coefficients are measured by
MaybeAlpha = Annotated[float | None, option(
    OBJECTIVE, "--alpha", "A", "Penalty of the objective: alpha/2 w.w beside the mean loss. Else the model's, or none.",
    number("--alpha", float, 0))]
InverseAlpha = Annotated[float | None, option(
    OBJECTIVE, "--C", "C", "The same as scikit-learn has it: alpha = 1/(C S), S the sum of the weights.",
    number("--C", float, positive=True))]
MaybeStandardize = Annotated[bool | None, option(
    OBJECTIVE, "--standardize/--no-standardize", None, "The penalty is on the coefficients of standardised numbers. Else as "
    "the model was trained, or not.")]
AuditTol = Annotated[float | None, option(
    OUTPUT, "--tol", "T", "Exit code 3 unless the coefficients are proven to be at most T nats above the optimum.",
    number("--tol", float, 0))]

# what is studied
StudyEpochs = Annotated[int | None, option(
    TRAINING, "--epochs", "N", "Epochs of each run at most. Else 1,000; of centering and batches 100.", int)]
StudyTol = Annotated[float, option(
    TRAINING, "--tol", "T", "Near the optimum is where F is proven to be at most T nats above it.", float)]
StudyAlpha = Annotated[float | None, option(
    TRAINING, "--alpha", "A", "Penalty: alpha/2 w.w is added to the mean loss. Else none; 1/333 for rates and batches of the "
    "penguins.", float)]
StudyStandardize = Annotated[bool, option(
    TRAINING, "--standardize/--no-standardize", None, "Train on numbers with mean 0, deviation 1, as chainrule fit does.")]
MoreRates = Annotated[list[str] | None, option(
    TRAINING, "--learning-rate", "R", "One more rate to run, such as your own; may repeat.")]
OneRate = Annotated[str | None, option(
    TRAINING, "--learning-rate", "R", "Of both runs. Else 0.1 for the points, and of a table half of the limit of its columns "
    "as they are.")]
BatchSizes = Annotated[list[int] | None, option(
    TRAINING, "--batch-size", "B", "Rows an update of one run; may repeat. Else 256, 16 and 1.", int)]

# what is written
Json = Annotated[bool, option(OUTPUT, "--json", None, "Print one JSON document instead of text.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no notes on stderr.", rich_help_panel=OUTPUT)]
Strict = Annotated[bool, option(OUTPUT, "--strict", None, "Exit code 3 after an early stop or a warning.")]
ModelOut = Annotated[Path | None, option(
    OUTPUT, "--out", "MODEL", "Write the model here, and its trace beside it as NAME.trace.")]
ReportOut = Annotated[Path | None, option(OUTPUT, "--report", "FILE", "Write a report here: one HTML file.")]
ReportRow = Annotated[int | None, option(
    OUTPUT, "--row", "K", "The row that the report explains; else the training row that the model gets right by the smallest "
    "margin.", int)]
StudyOut = Annotated[Path | None, option(
    OUTPUT, "--out", "FILE", "Write the pictures and what they say here: FILE.svg, FILE.png or FILE.html.")]
TableOut = Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write here instead of to stdout.")]
Svg = Annotated[Path | None, typer.Option("--svg", metavar="FILE", help="Also draw the graph with the row's numbers.")]
Folder = Annotated[Path, typer.Option("--out-dir", metavar="DIR", help="Folder of the models, the report and the data.")]
# fmt: on


def learning_rate_number(text: str) -> float:
    """Read a learning rate that is a number off `text`."""
    try:
        rate = float(text)
    except ValueError:
        rate = math.nan
    if not (math.isfinite(rate) and rate > 0):
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
