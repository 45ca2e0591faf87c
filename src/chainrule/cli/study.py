"""The commands `chainrule study ...` and their options; what they return does the work."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from chainrule.cli import options as opt
from chainrule.errors import InputError

Job = Callable[[], int]

study = typer.Typer(no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})

MaybeTable = Annotated[
    Path | None,
    typer.Argument(metavar="[TABLE]", help="CSV or Parquet file. Else the penguins of the demo: male or female?"),
]


@study.callback()
def of_learning() -> None:
    """See and measure how the learning rate, centring, scaling and batches shape what is learned."""


@study.command("learning-rate")
def learning_rate(
    table: MaybeTable = None,
    target: opt.StudiedTarget = None,
    positive: opt.Positive = None,
    features: opt.Features = None,
    drop: opt.Drop = None,
    weights: opt.Weights = None,
    na: opt.Missing = None,
    rates: opt.MoreRates = None,
    epochs: opt.StudyEpochs = None,
    tol: opt.StudyTol = 1e-3,
    alpha: opt.StudyAlpha = None,
    standardize: opt.StudyStandardize = True,
    seed: opt.UnusedSeed = 0,
    threads: opt.Threads = None,
    out: opt.StudyOut = None,
    json: opt.Json = False,
    quiet: opt.Quiet = False,
) -> Job:
    """Run gradient descent at rates from a hundredth of the stable limit to twice the limit.

    Says which crawl, converge, recover, oscillate or diverge, and after how many epochs each is near the certified optimum.
    """
    given = [opt.learning_rate_number(text) for text in rates or ()]

    def job() -> int:
        from chainrule.cli.studying import Source, StudyOptions, run_study

        source = Source(table, target, positive, features, drop, weights, na or [])
        options = StudyOptions(epochs, tol, alpha, seed, opt.thread_count(threads), standardize, tuple(given))
        return run_study("learning-rate", source, options, out, as_json=json, quiet=quiet)

    return job


@study.command("centering")
def centering(
    table: opt.StudiedTable = None,
    target: opt.StudiedTarget = None,
    x: opt.FirstColumn = None,
    y: opt.SecondColumn = None,
    positive: opt.Positive = None,
    weights: opt.Weights = None,
    na: opt.Missing = None,
    test_size: opt.StudyTestSize = 0.2,
    rate: opt.OneRate = None,
    epochs: opt.StudyEpochs = None,
    tol: opt.StudyTol = 1e-3,
    alpha: opt.StudyAlpha = None,
    seed: opt.StudySeed = 0,
    threads: opt.Threads = None,
    out: opt.StudyOut = None,
    json: opt.Json = False,
    quiet: opt.Quiet = False,
) -> Job:
    """Learn from two columns as they are and centred, at one learning rate: maps, curves, and why they differ.

    Without a table: 100,000 points from two normals with identity covariance and means (0, 0) and (2, 8), 20 % held out,
    learning rate 0.1, 100 epochs.
    """
    given = () if rate is None else (opt.learning_rate_number(rate),)
    if not 0 < test_size < 1:
        raise InputError(
            f"--test-size must be above 0 and below 1, such as 0.2, not {test_size:g}: maps are judged by such rows"
        )

    def job() -> int:
        from chainrule.cli.studying import Source, StudyOptions, run_study

        source = Source(table, target, positive, None, None, weights, na or [], x, y, is_pair=True)
        options = StudyOptions(epochs, tol, alpha, seed, opt.thread_count(threads), False, given, test_size)
        return run_study("centering", source, options, out, as_json=json, quiet=quiet)

    return job


@study.command("scaling")
def scaling(
    table: MaybeTable = None,
    target: opt.StudiedTarget = None,
    positive: opt.Positive = None,
    features: opt.Features = None,
    drop: opt.Drop = None,
    weights: opt.Weights = None,
    na: opt.Missing = None,
    epochs: opt.StudyEpochs = None,
    tol: opt.StudyTol = 1e-3,
    alpha: opt.StudyAlpha = None,
    seed: opt.UnusedSeed = 0,
    threads: opt.Threads = None,
    out: opt.StudyOut = None,
    json: opt.Json = False,
    quiet: opt.Quiet = False,
) -> Job:
    """Learn from the columns as they are, centred, and standardised: epochs, condition numbers, limits."""

    def job() -> int:
        from chainrule.cli.studying import Source, StudyOptions, run_study

        source = Source(table, target, positive, features, drop, weights, na or [])
        options = StudyOptions(epochs, tol, alpha, seed, opt.thread_count(threads))
        return run_study("scaling", source, options, out, as_json=json, quiet=quiet)

    return job


@study.command("batches")
def batches(
    table: MaybeTable = None,
    target: opt.StudiedTarget = None,
    positive: opt.Positive = None,
    features: opt.Features = None,
    drop: opt.Drop = None,
    weights: opt.Weights = None,
    na: opt.Missing = None,
    sizes: opt.BatchSizes = None,
    epochs: opt.StudyEpochs = None,
    tol: opt.StudyTol = 1e-3,
    alpha: opt.StudyAlpha = None,
    standardize: opt.StudyStandardize = True,
    seed: opt.StudySeed = 0,
    threads: opt.Threads = None,
    out: opt.StudyOut = None,
    json: opt.Json = False,
    quiet: opt.Quiet = False,
) -> Job:
    """Learn from all rows an update, from mini-batches and from single rows: what a read and an update bring."""

    def job() -> int:
        from chainrule.cli.studying import Source, StudyOptions, run_study

        source = Source(table, target, positive, features, drop, weights, na or [])
        options = StudyOptions(
            epochs, tol, alpha, seed, opt.thread_count(threads), standardize, sizes=tuple(sizes or ())
        )
        return run_study("batches", source, options, out, as_json=json, quiet=quiet)

    return job
