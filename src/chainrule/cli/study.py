"""The commands `chainrule study ...` and their options; what they return does the work."""

from collections.abc import Mapping
from inspect import Parameter, Signature
from pathlib import Path
from typing import Annotated, Any

import typer

from chainrule.cli import options as opt
from chainrule.cli.options import DATA, OUTPUT, TRAINING

Options = Mapping[str, Any]  # the study's argument: what the command takes for it

study = typer.Typer(no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})

PARSERS = {int: opt.whole, float: opt.real}


def option(name: str, kind: type, metavar: str, heading: str, says: str, *, many: bool = False) -> Any:
    """Make what a command takes under `--name`: a number or text, or a list of them."""
    parser = PARSERS[kind](f"--{name}") if kind in PARSERS else None
    takes: Any = list[kind] if many else kind  # type: ignore[valid-type]
    return Annotated[
        takes | None, typer.Option(f"--{name}", parser=parser, metavar=metavar, help=says, rich_help_panel=heading)
    ]


TABLE: Options = {
    "table": Annotated[
        Path | None,
        typer.Argument(metavar="[TABLE]", help="CSV or Parquet file. Else the penguins of the demo: male or female?"),
    ],
    "target": option("target", str, "COLUMN", DATA, "Column to learn, of a table; two labels."),
    "positive": opt.Positive,
}
COLUMNS: Options = {"features": opt.Features, "drop": opt.Drop}
PAIR: Options = {
    **TABLE,
    "table": option(
        "table", Path, "TABLE", DATA, "CSV or Parquet file, with --target, --x and --y. Else the points above."
    ),
    "x": option("x", str, "COLUMN", DATA, "Column of numbers, drawn from left to right."),
    "y": option("y", str, "COLUMN", DATA, "Column of numbers, drawn upwards."),
    "test_size": option("test-size", float, "F", DATA, "Part of the rows to hold out, stratified."),
}
SHARED: Options = {
    "weights": opt.Weights,
    "na": opt.Missing,
    "epochs": option("epochs", int, "N", TRAINING, "Epochs of each run at most. Else 1,000; of centering and batches 100."),
    "within": option("tol", float, "T", TRAINING, "Near the optimum is where F is proven to be at most T nats above it."),
    "alpha": option("alpha", float, "A", TRAINING, "Penalty: alpha/2 w.w is added to the mean loss. "
                    "Else none; 1/333 for rates and batches of the penguins."),
    "n_threads": opt.Threads,
    "out": option("out", Path, "FILE", OUTPUT, "Write the pictures and what they say here: FILE.svg, FILE.png or FILE.html."),
    "json": opt.Json,
    "quiet": opt.Quiet,
}  # fmt: skip
STANDARDIZE: Options = {
    "standardize": Annotated[bool, typer.Option(
        "--standardize/--no-standardize", help="Train on numbers with mean 0, deviation 1, as chainrule fit does.",
        rich_help_panel=TRAINING,
    )],
}  # fmt: skip
RATES = option("learning-rate", str, "R", TRAINING, "One more rate to run, such as your own; may repeat.", many=True)
RATE = option("learning-rate", str, "R", TRAINING, "Of both runs. Else 0.1 for the points, and of a table half of the limit of "
              "its columns as they are.")  # fmt: skip
SIZES = option(
    "batch-size", int, "B", TRAINING, "Rows of an update, a run each; may repeat. Else 256, 16, 1.", many=True
)
SEED: Options = {"seed": option("seed", int, "S", DATA, "Seed of all that is drawn at random: a run repeats.")}
NO_SEED: Options = {
    "unused_seed": option("seed", int, "S", DATA, "Taken by every study; this one draws nothing at random.")
}
DEFAULTS = {
    "test_size": 0.2, "within": 1e-3, "json": False, "quiet": False, "standardize": True, "seed": 0, "unused_seed": 0,
}  # fmt: skip


@study.callback()
def of_learning() -> None:
    """See and measure how the learning rate, centring, scaling and batches shape what is learned."""


def add(name: str, says: str, options: Options) -> None:
    """Add the command of a study. Typer reads its options off the signature, which is made here."""

    def command(**given: Any) -> int:
        from chainrule.cli.studying import run_study

        return run_study(name, given)

    command.__annotations__ = dict(options)
    command.__signature__ = Signature([  # type: ignore[attr-defined]
        Parameter(key, Parameter.KEYWORD_ONLY, default=DEFAULTS.get(key), annotation=kind) for key, kind in options.items()
    ])  # fmt: skip
    study.command(name, help=says)(command)


add(
    "learning-rate",
    "Run gradient descent at rates from a hundredth of the stable limit to twice the limit.\n\n"
    "Says which crawl, converge, recover, oscillate or diverge, and after how many epochs each is near the certified optimum.",
    {**TABLE, **COLUMNS, "rates": RATES, **STANDARDIZE, **NO_SEED, **SHARED},
)
add(
    "centering",
    "Learn from two columns as they are and centred, at one learning rate: maps, curves, and why they differ.\n\n"
    "Without a table: 100,000 points from two normals with identity covariance and means (0, 0) and (2, 8), 20 % held out, "
    "learning rate 0.1, 100 epochs.",
    {**PAIR, "learning_rate": RATE, **SEED, **SHARED},
)
add(
    "scaling",
    "Learn from the columns as they are, centred, and standardised: epochs, condition numbers, limits.",
    {**TABLE, **COLUMNS, **NO_SEED, **SHARED},
)
add(
    "batches",
    "Learn from all rows an update, from mini-batches and from single rows: what a read and an update bring.",
    {**TABLE, **COLUMNS, "sizes": SIZES, **STANDARDIZE, **SEED, **SHARED},
)
