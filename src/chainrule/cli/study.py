"""The commands `chainrule study ...` and their options, by the arguments of what runs them."""

from pathlib import Path
from typing import Any

import typer

from chainrule.cli import options as opt
from chainrule.cli.options import DATA, LARGEST_SEED, OUTPUT, TRAINING

study = typer.Typer(no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})

# fmt: off
TABLE = {
    "table": opt.argument("TABLE", "CSV or Parquet file. Default: the penguins of the demo, male or female?", default=None),
    "target": opt.option(DATA, "--target", "COLUMN", "Column of the table to learn, with two labels."),
    "positive": opt.POSITIVE,
}
COLUMNS = {"features": opt.FEATURES, "drop": opt.DROP}
PAIR = {
    **TABLE,
    "table": opt.option(
        DATA, "--table", "TABLE", "CSV or Parquet file, with --target, --x and --y. Default: the article's points.", Path),
    "x": opt.option(DATA, "--x", "COLUMN", "Column of numbers, drawn from left to right."),
    "y": opt.option(DATA, "--y", "COLUMN", "Column of numbers, drawn upwards."),
    "test_size": opt.option(DATA, "--test-size", "F", "Fraction of the rows to hold out, stratified by label.", float, 0.2),
}
SHARED = {
    "weights": opt.WEIGHTS,
    "na": opt.NA,
    "epochs": opt.option(
        TRAINING, "--epochs", "N", "Epochs of a run at most. Default: 1,000; 100 for centering and batches.", int, low=1),
    "within": opt.option(
        TRAINING, "--tol", "T", "A run counts as near the optimum when it is proven to be within T nats of it.", float, 1e-3,
        above=0),
    "alpha": opt.option(
        TRAINING, "--alpha", "A", "Strength of the penalty alpha/2 w.w. Default: none; 1/333 for rates and batches of the "
        "penguins.", float, low=0),
    "n_threads": opt.THREADS,
    "out": opt.option(
        OUTPUT, "--out", "FILE", "Write the pictures and what they say here: FILE.svg, FILE.png or FILE.html.", Path),
    "as_json": opt.JSON,
    "quiet": opt.QUIET,
}
STANDARDIZE = {"standardize": opt.option(
    TRAINING, "--standardize/--no-standardize", None, "Train on numbers with mean 0 and standard deviation 1.", bool, True)}
RATES = opt.option(
    TRAINING, "--learning-rate", "R", "One more rate to run, such as your own; may repeat.", float, many=True, above=0)
RATE = opt.option(
    TRAINING, "--learning-rate", "R", "Step size of both runs. Default: 0.1 for the points; of a table half of its largest "
    "stable rate.", float, above=0)
SIZES = opt.option(
    TRAINING, "--batch-size", "B", "Rows in a mini-batch of one run; may repeat. Default: 256, 16 and 1.", int, many=True,
    low=1)
SEED = {"seed": opt.option(
    DATA, "--seed", "S", "Seed of everything that is drawn at random.", int, 0, low=0, high=LARGEST_SEED)}
NO_SEED = {"unused_seed": opt.option(
    DATA, "--seed", "S", "Accepted by every study; this one draws nothing at random.", int, 0, low=0, high=LARGEST_SEED)}
# fmt: on


@study.callback()
def of_learning() -> None:
    """See and measure how the learning rate, centring, scaling and batches shape what is learned."""


def _run(name: str, given: dict[str, Any]) -> int:
    from chainrule.cli.studying import run_study

    return run_study(name, given)


opt.command(
    study, "learning-rate",
    "Run gradient descent at rates from a hundredth of the stable limit to twice the limit.\n\n"
    "Says which crawl, converge, recover, oscillate or diverge, and after how many epochs each is near the certified optimum.",
    {**TABLE, **COLUMNS, "rates": RATES, **STANDARDIZE, **NO_SEED, **SHARED}, _run,
)  # fmt: skip
opt.command(
    study, "centering",
    "Learn from two columns as they are and centred, at one learning rate: maps, curves, and why they differ.\n\n"
    "Without a table: 100,000 points from two normals with identity covariance and means (0, 0) and (2, 8), 20 % held out, "
    "learning rate 0.1, 100 epochs.",
    {**PAIR, "learning_rate": RATE, **SEED, **SHARED}, _run,
)  # fmt: skip
opt.command(
    study, "scaling",
    "Learn from the columns as they are, centred, and standardised: epochs, condition numbers, limits.",
    {**TABLE, **COLUMNS, **NO_SEED, **SHARED}, _run,
)  # fmt: skip
opt.command(
    study, "batches",
    "Learn from all rows an update, from mini-batches and from single rows: what a read and an update bring.",
    {**TABLE, **COLUMNS, "sizes": SIZES, **STANDARDIZE, **SEED, **SHARED}, _run,
)  # fmt: skip
