"""The commands and their options. What a command does is `run` in the module of its name, loaded when it is called."""

from collections.abc import Callable
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from chainrule import __version__
from chainrule.cli import options as opt
from chainrule.cli.study import study

app = typer.Typer(
    name="chainrule",
    help="Logistic regression as the smallest neural network: every gradient visible, every step explained.\n\n"
    "Results go to stdout; progress and notes to stderr. Exit codes: 0 done, perhaps with warnings; 2 a mistake in the data or "
    "the options; 3 under --strict, stopped early or warned, or of certify, above --tol; 130 stopped by Ctrl-C.",
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(study, name="study")


def command(declared: Callable[..., None]) -> None:
    """Add a command: its help is the docstring of `declared`, and its options are the arguments."""

    @wraps(declared)
    def job(**given: Any) -> int:
        code: int = import_module(f"chainrule.cli.{declared.__name__}").run(**given)
        return code

    paragraphs = (declared.__doc__ or "").split("\n\n")
    app.command(help="\n\n".join(" ".join(text.split()) for text in paragraphs))(job)  # the terminal breaks its lines


def _version(asked: bool) -> None:
    if asked:
        print(f"chainrule {__version__}")
        raise typer.Exit


@app.callback()
def _chainrule(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    pass


@command
def demo(out_dir: opt.Folder = Path("demo"), as_json: opt.Json = False, quiet: opt.Quiet = False) -> None:
    """Train on 344 penguins, male or female? and see everything: the quickest way in."""


@command
def fit(
    table: opt.Table,
    target: opt.Target,
    positive: opt.Positive = None,
    features: opt.Features = None,
    drop: opt.Drop = None,
    weights: opt.Weights = None,
    na: opt.Missing = None,
    test_size: opt.TestSize = 0.0,
    seed: opt.Seed = 0,
    method: opt.Method = "auto",
    tol: opt.Tol = None,
    max_reads: opt.MaxReads = None,
    learning_rate: opt.LearningRate = None,
    epochs: opt.Epochs = None,
    batch_size: opt.BatchSize = None,
    schedule: opt.Schedule = None,
    alpha: opt.Alpha = 0.0,
    standardize: opt.Standardize = None,
    n_threads: opt.Threads = None,
    out: opt.ModelOut = None,
    report: opt.ReportOut = None,
    row: opt.ReportRow = None,
    as_json: opt.Json = False,
    quiet: opt.Quiet = False,
    strict: opt.Strict = False,
) -> None:
    """Train on a table: to the optimum, with a proven bound on the distance from it, or by gradient descent.

    Gradient descent takes all rows for an update, or mini-batches (sgd). Every step, or epoch, is kept. A missing target
    sets its row aside; it is predicted.
    """


@command
def certify(
    coefficients: opt.CoefficientsFile,
    table: opt.Table,
    target: opt.MaybeTarget = None,
    positive: opt.Positive = None,
    features: opt.Features = None,
    drop: opt.Drop = None,
    weights: opt.Weights = None,
    na: opt.Missing = None,
    alpha: opt.MaybeAlpha = None,
    C: opt.InverseAlpha = None,
    standardize: opt.MaybeStandardize = None,
    tol: opt.AuditTol = None,
    n_threads: opt.Threads = None,
    as_json: opt.Json = False,
    quiet: opt.Quiet = False,
) -> None:
    """Prove how far anyone's coefficients are from the optimum of a table.

    MODEL is a model file, or a CSV or JSON file of names and coefficients in the table's units, as R, broom or statsmodels
    write it: columns as chainrule names them, a level as species=Gentoo, speciesGentoo or species[T.Gentoo], and one called
    intercept, (Intercept), const or b.
    """


@command
def predict(
    model: opt.ModelFile,
    table: opt.Table,
    out: opt.TableOut = None,
    na: opt.Missing = None,
    unseen: opt.UnseenLevels = "reference",
    as_json: opt.Json = False,
    quiet: opt.Quiet = False,
) -> None:
    """Predict each row of a table: row, probability of the positive label, class."""


@command
def evaluate(
    model: opt.ModelFile,
    table: opt.Table,
    na: opt.Missing = None,
    unseen: opt.UnseenLevels = "reference",
    as_json: opt.Json = False,
    quiet: opt.Quiet = False,
) -> None:
    """Compare a model with a table's known labels: log-loss, accuracy, AUC, base rate, counts."""


@command
def explain(
    model: opt.ModelFile,
    table: opt.Table,
    row: opt.Row,
    epoch: opt.Epoch = None,
    svg: opt.Svg = None,
    na: opt.Missing = None,
    as_json: opt.Json = False,
    quiet: opt.Quiet = False,
) -> None:
    """Explain one row step by step: its forward pass, and the chain rule with its numbers."""
