"""The commands `chainrule study ...` and their options; what they return does the work."""

from inspect import Parameter, Signature
from pathlib import Path
from typing import Any

import typer

from chainrule.cli import options as opt

Options = dict[str, tuple[Any, Any]]  # the study's argument: its type, and what the command takes for it

study = typer.Typer(no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})

TABLE: Options = {
    "table": (Path | None, opt.MAYBE_TABLE),
    "target": (str | None, opt.STUDIED_TARGET),
    "positive": (str | None, opt.POSITIVE),
}
COLUMNS: Options = {"features": (list[str] | None, opt.FEATURES), "drop": (list[str] | None, opt.DROP)}
PAIR: Options = {
    **TABLE,
    "table": (Path | None, opt.STUDIED_TABLE),
    "x": (str | None, opt.FIRST_COLUMN),
    "y": (str | None, opt.SECOND_COLUMN),
    "test_size": (float, opt.STUDY_TEST_SIZE),
}
SHARED: Options = {
    "weights": (str | None, opt.WEIGHTS),
    "na": (list[str] | None, opt.NA),
    "epochs": (int | None, opt.STUDY_EPOCHS),
    "within": (float, opt.STUDY_TOL),
    "alpha": (float | None, opt.STUDY_ALPHA),
    "n_threads": (int | None, opt.THREADS),
    "out": (Path | None, opt.STUDY_OUT),
    "json": (bool, opt.JSON),
    "quiet": (bool, opt.QUIET),
}
STANDARDIZE: Options = {"standardize": (bool, opt.STUDY_STANDARDIZE)}
RATES: Options = {"rates": (list[float] | None, opt.MORE_RATES)}
RATE: Options = {"learning_rate": (float | None, opt.ONE_RATE)}
SIZES: Options = {"sizes": (list[int] | None, opt.BATCH_SIZES)}
SEED: Options = {"seed": (int, opt.STUDY_SEED)}
NO_SEED: Options = {"unused_seed": (int, opt.UNUSED_SEED)}


@study.callback()
def of_learning() -> None:
    """See and measure how the learning rate, centring, scaling and batches shape what is learned."""


def add(name: str, says: str, options: Options) -> None:
    """Add the command of a study. Typer reads its options off the signature, which is made here."""

    def command(**given: Any) -> int:
        from chainrule.cli.studying import run_study

        return run_study(name, given)

    command.__annotations__ = {key: kind for key, (kind, _) in options.items()}
    command.__signature__ = Signature(  # type: ignore[attr-defined]
        [
            Parameter(key, Parameter.KEYWORD_ONLY, default=default, annotation=kind)
            for key, (kind, default) in options.items()
        ]
    )
    study.command(name, help=says)(command)


add(
    "learning-rate",
    "Run gradient descent at rates from a hundredth of the stable limit to twice the limit.\n\n"
    "Says which crawl, converge, recover, oscillate or diverge, and after how many epochs each is near the certified optimum.",
    {**TABLE, **COLUMNS, **RATES, **STANDARDIZE, **NO_SEED, **SHARED},
)
add(
    "centering",
    "Learn from two columns as they are and centred, at one learning rate: maps, curves, and why they differ.\n\n"
    "Without a table: 100,000 points from two normals with identity covariance and means (0, 0) and (2, 8), 20 % held out, "
    "learning rate 0.1, 100 epochs.",
    {**PAIR, **RATE, **SEED, **SHARED},
)
add(
    "scaling",
    "Learn from the columns as they are, centred, and standardised: epochs, condition numbers, limits.",
    {**TABLE, **COLUMNS, **NO_SEED, **SHARED},
)
add(
    "batches",
    "Learn from all rows an update, from mini-batches and from single rows: what a read and an update bring.",
    {**TABLE, **COLUMNS, **SIZES, **STANDARDIZE, **SEED, **SHARED},
)
