"""The commands and their options. What a command does is `run` in the module of its name, loaded when it is called."""

from collections.abc import Callable
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Any

import typer

from chainrule import __version__
from chainrule.cli import options as opt
from chainrule.cli.study import study

app = typer.Typer(
    name="chainrule",
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
    app.command(help="\n\n".join(" ".join(text.split()) for text in paragraphs))(job)


def _version(asked: bool) -> None:
    if asked:
        print(f"chainrule {__version__}")
        raise typer.Exit


@app.callback()
def chainrule(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version and end."
    ),
) -> None:
    """Logistic regression as the smallest neural network: every gradient visible, every step explained.

    Results go to stdout; progress and notes to stderr. Exit codes: 0 done, perhaps with warnings; 2 a mistake in the
    data or the options; 3 under --strict, stopped early or warned, or of certify, above --tol; 130 stopped by Ctrl-C.
    """


@command
def demo(out_dir: Path = opt.OUT_DIR, as_json: bool = opt.JSON, quiet: bool = opt.QUIET) -> None:
    """Train on 344 penguins, male or female? and see everything: the quickest way in."""


@command
def fit(
    table: Path = opt.TABLE,
    target: str = opt.TARGET,
    positive: str | None = opt.POSITIVE,
    features: list[str] | None = opt.FEATURES,
    drop: list[str] | None = opt.DROP,
    weights: str | None = opt.WEIGHTS,
    na: list[str] | None = opt.NA,
    test_size: float = opt.TEST_SIZE,
    seed: int = opt.SEED,
    method: str = opt.METHOD,
    tol: float | None = opt.TOL,
    max_reads: int | None = opt.MAX_READS,
    learning_rate: str | None = opt.LEARNING_RATE,
    epochs: int | None = opt.EPOCHS,
    batch_size: int | None = opt.BATCH_SIZE,
    schedule: str | None = opt.SCHEDULE,
    alpha: float = opt.ALPHA,
    standardize: bool | None = opt.STANDARDIZE,
    n_threads: int | None = opt.THREADS,
    out: Path | None = opt.MODEL_OUT,
    report: Path | None = opt.REPORT,
    row: int | None = opt.REPORT_ROW,
    as_json: bool = opt.JSON,
    quiet: bool = opt.QUIET,
    strict: bool = opt.STRICT,
) -> None:
    """Train on a table: to the optimum, with a proven bound on the distance from it, or by gradient descent.

    Gradient descent takes all rows for an update, or mini-batches (sgd). Every step, or epoch, is kept. A missing target
    sets its row aside; it is predicted.
    """


@command
def certify(
    coefficients: Path = opt.COEFFICIENTS,
    table: Path = opt.TABLE,
    target: str | None = opt.MAYBE_TARGET,
    positive: str | None = opt.POSITIVE,
    features: list[str] | None = opt.FEATURES,
    drop: list[str] | None = opt.DROP,
    weights: str | None = opt.WEIGHTS,
    na: list[str] | None = opt.NA,
    alpha: float | None = opt.MAYBE_ALPHA,
    C: float | None = opt.INVERSE_ALPHA,
    standardize: bool | None = opt.MAYBE_STANDARDIZE,
    tol: float | None = opt.AUDIT_TOL,
    n_threads: int | None = opt.THREADS,
    as_json: bool = opt.JSON,
    quiet: bool = opt.QUIET,
) -> None:
    """Prove how far anyone's coefficients are from the optimum of a table.

    MODEL is a model file, or a CSV or JSON file of names and coefficients in the table's units, as R, broom or statsmodels
    write it: columns as chainrule names them, a level as species=Gentoo, speciesGentoo or species[T.Gentoo], and one called
    intercept, (Intercept), const or b.
    """


@command
def predict(
    model: Path = opt.MODEL,
    table: Path = opt.TABLE,
    out: Path | None = opt.OUT,
    na: list[str] | None = opt.NA,
    unseen: str = opt.UNSEEN,
    as_json: bool = opt.JSON,
    quiet: bool = opt.QUIET,
) -> None:
    """Predict each row of a table: row, probability of the positive label, class."""


@command
def evaluate(
    model: Path = opt.MODEL,
    table: Path = opt.TABLE,
    na: list[str] | None = opt.NA,
    unseen: str = opt.UNSEEN,
    as_json: bool = opt.JSON,
    quiet: bool = opt.QUIET,
) -> None:
    """Compare a model with a table's known labels: log-loss, accuracy, AUC, base rate, counts."""


@command
def explain(
    model: Path = opt.MODEL,
    table: Path = opt.TABLE,
    row: int = opt.ROW,
    epoch: int | None = opt.EPOCH,
    svg: Path | None = opt.SVG,
    na: list[str] | None = opt.NA,
    as_json: bool = opt.JSON,
    quiet: bool = opt.QUIET,
) -> None:
    """Explain one row step by step: its forward pass, and the chain rule with its numbers."""
