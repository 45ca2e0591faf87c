"""The options that commands share: one line of help each; what may be given is checked where it is used."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import typer

# headings under which the help groups options
DATA, TRAINING, OBJECTIVE, OUTPUT = "Data", "Training", "Objective", "Output"


def option(default: Any, flags: str, metavar: str | None, text: str, panel: str, kind: type | None = None) -> Any:
    """Declare an option: its default, its flags ("--quiet -q"), what stands for its value, one line of help.

    kind : int or float, where it is a number.
    """
    parser = None if kind is None else partial(_number, flags, kind)
    return typer.Option(default, *flags.split(), metavar=metavar, help=text, rich_help_panel=panel, parser=parser)


def _number(flag: str, kind: type, text: str) -> Any:
    try:
        return kind(text)
    except ValueError:
        what = "whole number" if kind is int else "number"
        raise typer.BadParameter(f"{flag} must be a {what}, not {text!r}") from None


TABLE: Any = typer.Argument(metavar="TABLE", help="CSV or Parquet file. Data rows count from 1.")
MODEL: Any = typer.Argument(metavar="MODEL", help="Model file written by chainrule fit.")
COEFFICIENTS: Any = typer.Argument(
    metavar="MODEL",
    help="Model file, or a CSV file of names and numbers; of several columns the one called coef, estimate or weight.",
)

JSON = option(False, "--json", None, "Print one JSON document instead of text.", OUTPUT)
QUIET = option(False, "--quiet -q", None, "No progress and no notes on stderr.", OUTPUT)
STRICT = option(False, "--strict", None, "Exit code 3 after an early stop or a warning.", OUTPUT)
OUT = option(None, "--out", "FILE", "Write here instead of to stdout.", OUTPUT)
MODEL_OUT = option(None, "--out", "MODEL", "Write the model here, and its trace beside it as NAME.trace.", OUTPUT)
REPORT = option(None, "--report", "FILE", "Write a report here: one HTML file.", OUTPUT)
REPORT_ROW = option(
    None, "--row", "K", "Row that the report explains. Default: the training row that is only just right.", OUTPUT, int
)
SVG = option(None, "--svg", "FILE", "Also draw the graph with the row's numbers.", OUTPUT)
OUT_DIR = option("demo", "--out-dir", "DIR", "Folder for the model, its trace, the report and the data.", OUTPUT)

NA = option(None, "--na", "TEXT", "Another spelling of missing, beside empty, NA, N/A, NaN and null; may repeat.", DATA)
UNSEEN = option(
    "reference", "--unseen", "HOW", "How to treat a level that training never saw: reference, missing or error.", DATA
)
TARGET = option(..., "--target", "COLUMN", "Column to learn, with two labels.", DATA)
MAYBE_TARGET = option(None, "--target", "COLUMN", "Column that was learned. A model file names it.", DATA)
POSITIVE = option(
    None, "--positive", "LABEL", "Label whose probability is learned. Default: the second in sorted order.", DATA
)
FEATURES = option(
    None, "--features", "NAMES", "Columns to use, separated by commas; may repeat. Default: all others.", DATA
)
DROP = option(None, "--drop", "NAMES", "Columns to leave out, separated by commas; may repeat.", DATA)
WEIGHTS = option(None, "--weights", "COLUMN", "Column of row weights.", DATA)
TEST_SIZE = option(0.0, "--test-size", "F", "Fraction of the rows to hold out, stratified by label.", DATA, float)
SEED = option(0, "--seed", "S", "Seed of the hold-out split and of the order of mini-batches.", DATA, int)
ROW = option(..., "--row", "K", "The row to explain, from 1.", DATA, int)
EPOCH = option(
    None, "--epoch", "E", "As it was after E epochs (steps of newton), from the trace. Default: the end.", DATA, int
)

METHOD = option(
    "auto", "--method", "METHOD",
    "newton: a few steps to the optimum. gradient-descent: many small steps, as in learning. sgd: a step for each mini-batch. "
    "newton-cg: for many columns. auto: newton, unless an option of another method is given.", TRAINING,
)  # fmt: skip
TOL = option(
    None, "--tol", "T",
    "Stop when the objective is proven to be within T nats of its optimum. Default: 1e-8, or 1e-6/rows if that is less.",
    TRAINING, float,
)  # fmt: skip
MAX_READS = option(
    None, "--max-reads", "N",
    "Newton starts no step after N reads of the data (default 100); the proof may add one or two. Gradient descent runs N "
    "epochs at most.", TRAINING, int,
)  # fmt: skip
LEARNING_RATE = option(
    None, "--learning-rate", "R", 'Step size. Selects gradient descent; "auto" picks a stable one.', TRAINING
)
EPOCHS = option(
    None, "--epochs", "N", "Epochs at most. Selects gradient descent. Default: 1,000, or 100 for sgd.", TRAINING, int
)
BATCH_SIZE = option(None, "--batch-size", "B", "Rows in a mini-batch. Selects sgd. Default: 1.", TRAINING, int)
SCHEDULE = option(
    None, "--schedule", "HOW",
    "How the step size changes over the epochs k: constant, inverse (1/(1 + k)) or inverse-sqrt. Selects sgd.", TRAINING,
)  # fmt: skip
ALPHA = option(0.0, "--alpha", "A", "Strength of the penalty alpha/2 w.w, added to the mean loss.", TRAINING, float)
STANDARDIZE = option(
    None, "--standardize/--no-standardize", None,
    "Train on numbers with mean 0 and standard deviation 1; the penalty is then on those weights. Default: on for gradient "
    "descent, else off.", TRAINING,
)  # fmt: skip
THREADS = option(None, "--threads", "T", "Threads to use. The result is the same to the bit.", TRAINING, int)

MAYBE_ALPHA = option(
    None, "--alpha", "A", "Strength of the penalty alpha/2 w.w. Default: the model's, or none.", OBJECTIVE, float
)
INVERSE_ALPHA = option(
    None, "--C", "C", "scikit-learn's inverse strength: alpha = 1/(C S), S the sum of the weights.", OBJECTIVE, float
)
MAYBE_STANDARDIZE = option(
    None, "--standardize/--no-standardize", None,
    "The penalty is on the weights of standardised numbers. Default: as the model was trained, or not.", OBJECTIVE,
)  # fmt: skip
AUDIT_TOL = option(
    None,
    "--tol",
    "T",
    "Exit code 3 unless the coefficients are proven to be within T nats of the optimum.",
    OUTPUT,
    float,
)

MAYBE_TABLE: Any = typer.Argument(
    None, metavar="TABLE", help="CSV or Parquet file. Default: the penguins of the demo, male or female?"
)
STUDIED_TARGET = option(None, "--target", "COLUMN", "Column of the table to learn, with two labels.", DATA)
STUDIED_TABLE = option(
    None, "--table", "TABLE", "CSV or Parquet file, with --target, --x and --y. Default: the article's points.", DATA
)
FIRST_COLUMN = option(None, "--x", "COLUMN", "Column of numbers, drawn from left to right.", DATA)
SECOND_COLUMN = option(None, "--y", "COLUMN", "Column of numbers, drawn upwards.", DATA)
STUDY_TEST_SIZE = option(0.2, "--test-size", "F", "Fraction of the rows to hold out, stratified by label.", DATA, float)
UNUSED_SEED = option(0, "--seed", "S", "Accepted by every study; this one draws nothing at random.", DATA, int)
STUDY_SEED = option(0, "--seed", "S", "Seed of everything that is drawn at random.", DATA, int)
STUDY_EPOCHS = option(
    None, "--epochs", "N", "Epochs of a run at most. Default: 1,000; 100 for centering and batches.", TRAINING, int
)
STUDY_TOL = option(
    1e-3, "--tol", "T", "A run counts as near the optimum when it is proven to be within T nats of it.", TRAINING, float
)
STUDY_ALPHA = option(
    None, "--alpha", "A",
    "Strength of the penalty alpha/2 w.w. Default: none; 1/333 for rates and batches of the penguins.", TRAINING, float,
)  # fmt: skip
STUDY_STANDARDIZE = option(
    True, "--standardize/--no-standardize", None, "Train on numbers with mean 0 and standard deviation 1.", TRAINING
)
MORE_RATES = option(
    None, "--learning-rate", "R", "One more rate to run, such as your own; may repeat.", TRAINING, float
)
ONE_RATE = option(
    None, "--learning-rate", "R",
    "Step size of both runs. Default: 0.1 for the points; of a table half of its largest stable rate.", TRAINING, float,
)  # fmt: skip
BATCH_SIZES = option(
    None, "--batch-size", "B", "Rows in a mini-batch of one run; may repeat. Default: 256, 16 and 1.", TRAINING, int
)
STUDY_OUT = option(
    None, "--out", "FILE", "Write the pictures and what they say here: FILE.svg, FILE.png or FILE.html.", OUTPUT
)


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
