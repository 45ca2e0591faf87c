"""The commands: what each is for, and its options, by the arguments of `run` in the module of its name."""

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


def _run(name: str, given: dict[str, Any]) -> int:
    code: int = import_module(f"chainrule.cli.{name}").run(**given)
    return code


COLUMNS = {"positive": opt.Positive, "features": opt.Features, "drop": opt.Drop, "weights": opt.Weights, "na": opt.Missing}
PREDICTED = {"na": opt.Missing, "unseen": opt.UnseenLevels}
SAID = {"as_json": opt.Json, "quiet": opt.Quiet}

# fmt: off
opt.command(
    app, "demo", "Train on 344 penguins, male or female? and see everything: the quickest way in.",
    {"out_dir": opt.Folder, **SAID}, _run, out_dir=Path("demo"),
)
opt.command(
    app, "fit",
    "Train on a table: to the optimum, with a proven bound on the distance from it, or by gradient descent.\n\n"
    "Gradient descent takes all rows for an update, or mini-batches (sgd). Every step, or epoch, is kept. A missing target sets "
    "its row aside; it is predicted.",
    {"table": opt.Table, "target": opt.Target, **COLUMNS, "test_size": opt.TestSize, "seed": opt.Seed, "method": opt.Method,
     "tol": opt.Tol, "max_reads": opt.MaxReads, "learning_rate": opt.LearningRate, "epochs": opt.Epochs,
     "batch_size": opt.BatchSize, "schedule": opt.Schedule, "alpha": opt.Alpha, "standardize": opt.Standardize,
     "n_threads": opt.Threads, "out": opt.ModelOut, "report": opt.ReportOut, "row": opt.ReportRow, **SAID,
     "strict": opt.Strict},
    _run, test_size=0.0, seed=0, method="auto", alpha=0.0,
)
opt.command(
    app, "certify",
    "Prove how far anyone's coefficients are from the optimum of a table.\n\n"
    "MODEL is a model file, or a CSV or JSON file of names and coefficients in the table's units, as R, broom or statsmodels "
    "write it: columns as chainrule names them, a level as species=Gentoo, speciesGentoo or species[T.Gentoo], and one called "
    "intercept, (Intercept), const or b.",
    {"coefficients": opt.CoefficientsFile, "table": opt.Table, "target": opt.MaybeTarget, **COLUMNS, "alpha": opt.MaybeAlpha,
     "C": opt.InverseAlpha, "standardize": opt.MaybeStandardize, "tol": opt.AuditTol, "n_threads": opt.Threads, **SAID},
    _run,
)
opt.command(
    app, "predict", "Predict each row of a table: row, probability of the positive label, class.",
    {"model": opt.ModelFile, "table": opt.Table, "out": opt.TableOut, **PREDICTED, **SAID}, _run, unseen="reference",
)
opt.command(
    app, "evaluate", "Compare a model with a table's known labels: log-loss, accuracy, AUC, base rate, counts.",
    {"model": opt.ModelFile, "table": opt.Table, **PREDICTED, **SAID}, _run, unseen="reference",
)
opt.command(
    app, "explain", "Explain one row step by step: its forward pass, and the chain rule with its numbers.",
    {"model": opt.ModelFile, "table": opt.Table, "row": opt.Row, "epoch": opt.Epoch, "svg": opt.Svg, "na": opt.Missing, **SAID},
    _run,
)
