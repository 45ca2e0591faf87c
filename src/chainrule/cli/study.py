"""The commands `chainrule study ...` and their options; what they return does the work."""

from collections.abc import Callable, Mapping
from inspect import Parameter, Signature
from pathlib import Path
from typing import Annotated, Any

import typer

from chainrule.cli import options as opt

Job = Callable[[], int]
Options = Mapping[str, tuple[Any, Any]]  # name: what it takes, default

study = typer.Typer(no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})

MaybeTable = Annotated[
    Path | None,
    typer.Argument(metavar="[TABLE]", help="CSV or Parquet file. Else the penguins of the demo: male or female?"),
]

TABLE: Options = {
    "table": (MaybeTable, None),
    "target": (opt.StudiedTarget, None),
    "positive": (opt.Positive, None),
    "features": (opt.Features, None),
    "drop": (opt.Drop, None),
}
PAIR: Options = {
    "table": (opt.StudiedTable, None),
    "target": (opt.StudiedTarget, None),
    "x": (opt.FirstColumn, None),
    "y": (opt.SecondColumn, None),
    "positive": (opt.Positive, None),
    "test_size": (opt.StudyTestSize, 0.2),
}
SHARED: Options = {
    "weights": (opt.Weights, None),
    "na": (opt.Missing, None),
    "epochs": (opt.StudyEpochs, None),
    "within": (opt.StudyTol, 1e-3),
    "alpha": (opt.StudyAlpha, None),
    "n_threads": (opt.Threads, None),
    "out": (opt.StudyOut, None),
    "json": (opt.Json, False),
    "quiet": (opt.Quiet, False),
}
STANDARDIZE: Options = {"standardize": (opt.StudyStandardize, True)}
SEED: Options = {"seed": (opt.StudySeed, 0)}
NO_SEED: Options = {"unused_seed": (opt.UnusedSeed, 0)}


@study.callback()
def of_learning() -> None:
    """See and measure how the learning rate, centring, scaling and batches shape what is learned."""


def add(name: str, says: str, *options: Options) -> None:
    """Add the command of a study. Typer reads its options off the signature, which is made here."""

    def command(**given: Any) -> Job:
        def job() -> int:
            from chainrule.cli.studying import run_study

            return run_study(name, given)

        return job

    own = {key: kind for some in options for key, kind in some.items()}
    command.__annotations__ = {key: annotation for key, (annotation, _) in own.items()}
    command.__signature__ = Signature(  # type: ignore[attr-defined]
        [
            Parameter(key, Parameter.KEYWORD_ONLY, default=default, annotation=kind)
            for key, (kind, default) in own.items()
        ]
    )
    study.command(name, help=says)(command)


add(
    "learning-rate",
    "Run gradient descent at rates from a hundredth of the stable limit to twice the limit.\n\n"
    "Says which crawl, converge, recover, oscillate or diverge, and after how many epochs each is near the certified optimum.",
    TABLE, {"rates": (opt.MoreRates, None)}, STANDARDIZE, NO_SEED, SHARED,
)  # fmt: skip
add(
    "centering",
    "Learn from two columns as they are and centred, at one learning rate: maps, curves, and why they differ.\n\n"
    "Without a table: 100,000 points from two normals with identity covariance and means (0, 0) and (2, 8), 20 % held out, "
    "learning rate 0.1, 100 epochs.",
    PAIR, {"learning_rate": (opt.OneRate, None)}, SEED, SHARED,
)  # fmt: skip
add(
    "scaling",
    "Learn from the columns as they are, centred, and standardised: epochs, condition numbers, limits.",
    TABLE, NO_SEED, SHARED,
)  # fmt: skip
add(
    "batches",
    "Learn from all rows an update, from mini-batches and from single rows: what a read and an update bring.",
    TABLE, {"sizes": (opt.BatchSizes, None)}, STANDARDIZE, SEED, SHARED,
)  # fmt: skip
