"""The commands `chainrule study ...` and their options; what they return does the work."""

from collections.abc import Callable, Mapping
from inspect import Parameter, Signature
from pathlib import Path
from typing import Annotated, Any

import typer

from chainrule.cli import options as opt

Job = Callable[[], int]
Options = Mapping[str, Any]  # the study's argument: what the command takes for it

study = typer.Typer(no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})

MaybeTable = Annotated[
    Path | None,
    typer.Argument(metavar="[TABLE]", help="CSV or Parquet file. Else the penguins of the demo: male or female?"),
]

TABLE: Options = {
    "table": MaybeTable, "target": opt.StudiedTarget, "positive": opt.Positive, "features": opt.Features, "drop": opt.Drop,
}  # fmt: skip
PAIR: Options = {
    "table": opt.StudiedTable, "target": opt.StudiedTarget, "x": opt.FirstColumn, "y": opt.SecondColumn,
    "positive": opt.Positive, "test_size": opt.StudyTestSize,
}  # fmt: skip
SHARED: Options = {
    "weights": opt.Weights, "na": opt.Missing, "epochs": opt.StudyEpochs, "within": opt.StudyTol, "alpha": opt.StudyAlpha,
    "n_threads": opt.Threads, "out": opt.StudyOut, "json": opt.Json, "quiet": opt.Quiet,
}  # fmt: skip
STANDARDIZE: Options = {"standardize": opt.StudyStandardize}
SEED: Options = {"seed": opt.StudySeed}
NO_SEED: Options = {"unused_seed": opt.UnusedSeed}
DEFAULTS = {
    "test_size": 0.2,
    "within": 1e-3,
    "json": False,
    "quiet": False,
    "standardize": True,
    "seed": 0,
    "unused_seed": 0,
}


@study.callback()
def of_learning() -> None:
    """See and measure how the learning rate, centring, scaling and batches shape what is learned."""


def add(name: str, says: str, options: Options) -> None:
    """Add the command of a study. Typer reads its options off the signature, which is made here."""

    def command(**given: Any) -> Job:
        def job() -> int:
            from chainrule.cli.studying import run_study

            return run_study(name, given)

        return job

    command.__annotations__ = dict(options)
    command.__signature__ = Signature([  # type: ignore[attr-defined]
        Parameter(key, Parameter.KEYWORD_ONLY, default=DEFAULTS.get(key), annotation=kind) for key, kind in options.items()
    ])  # fmt: skip
    study.command(name, help=says)(command)


add(
    "learning-rate",
    "Run gradient descent at rates from a hundredth of the stable limit to twice the limit.\n\n"
    "Says which crawl, converge, recover, oscillate or diverge, and after how many epochs each is near the certified optimum.",
    {**TABLE, "rates": opt.MoreRates, **STANDARDIZE, **NO_SEED, **SHARED},
)
add(
    "centering",
    "Learn from two columns as they are and centred, at one learning rate: maps, curves, and why they differ.\n\n"
    "Without a table: 100,000 points from two normals with identity covariance and means (0, 0) and (2, 8), 20 % held out, "
    "learning rate 0.1, 100 epochs.",
    {**PAIR, "learning_rate": opt.OneRate, **SEED, **SHARED},
)
add(
    "scaling",
    "Learn from the columns as they are, centred, and standardised: epochs, condition numbers, limits.",
    {**TABLE, **NO_SEED, **SHARED},
)
add(
    "batches",
    "Learn from all rows an update, from mini-batches and from single rows: what a read and an update bring.",
    {**TABLE, "sizes": opt.BatchSizes, **STANDARDIZE, **SEED, **SHARED},
)
