"""The commands and their options. A command function only gathers what was asked; what it returns does the work."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from chainrule import __version__
from chainrule.cli import options as opt
from chainrule.cli.study import study
from chainrule.errors import InputError

Job = Callable[[], int]
Out = Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write here instead of to stdout.")]

app = typer.Typer(
    name="chainrule",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.add_typer(study, name="study")


def _version(asked: bool) -> None:
    if asked:
        print(f"chainrule {__version__}")
        raise typer.Exit


@app.callback()
def chainrule(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Logistic regression as the smallest neural network: every gradient visible, every step explained.

    Results go to stdout; progress and notes to stderr. Exit codes: 0 done, perhaps with warnings; 2 a mistake in the
    data or the options; 3 under --strict, stopped early or warned, or of certify, above --tol; 130 stopped by Ctrl-C.
    """


@app.command()
def demo(
    out_dir: Annotated[
        Path, typer.Option("--out-dir", metavar="DIR", help="Folder of the model, its trace, the report and the data.")
    ] = Path("demo"),
    json: opt.Json = False,
    quiet: opt.Quiet = False,
) -> Job:
    """Train on 344 penguins, male or female? and see everything: the quickest way in."""

    def job() -> int:
        from chainrule.cli.demo import run_demo

        return run_demo(out_dir, as_json=json, quiet=quiet)

    return job


@app.command()
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
    threads: opt.Threads = None,
    out: opt.ModelOut = None,
    report: opt.ReportOut = None,
    row: opt.ReportRow = None,
    json: opt.Json = False,
    quiet: opt.Quiet = False,
    strict: opt.Strict = False,
) -> Job:
    """Train on a table: to the optimum, with a proven bound on the distance from it, or by gradient descent.

    Gradient descent takes all rows for an update, or mini-batches (sgd). Every step, or epoch, is kept. A missing target
    sets its row aside; it is predicted.
    """
    from chainrule.findings import SHELL
    from chainrule.fitting.spec import FitSpec

    spec = FitSpec.of(
        SHELL, method=method, alpha=alpha, tol=tol, max_reads=max_reads, epochs=epochs, learning_rate=learning_rate,
        standardize=standardize, n_threads=threads, batch_size=batch_size, schedule=schedule, seed=seed,
    )  # fmt: skip
    opt.fraction("--test-size", test_size)
    if row is not None and report is None:
        raise InputError("--row chooses the row of the report: add --report FILE")

    def job() -> int:
        from chainrule.cli.fit import FitRequest, run_fit

        request = FitRequest(
            table=table, target=target, positive=positive, features=features, drop=drop, weights=weights, na=na or [],
            test_size=test_size, seed=seed, spec=spec, out=out, report=report, row=row,
        )  # fmt: skip
        return run_fit(request, as_json=json, quiet=quiet, strict=strict)

    return job


@app.command()
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
    threads: opt.Threads = None,
    json: opt.Json = False,
    quiet: opt.Quiet = False,
) -> Job:
    """Prove how far anyone's coefficients are from the optimum of a table.

    MODEL is a model file, or a CSV or JSON file of names and coefficients in the table's units, as R, broom or statsmodels
    write it: columns as chainrule names them (a level as species=Gentoo), and one called intercept, (Intercept), const or b.
    """
    for option, value in (("--alpha", alpha), ("--tol", tol)):
        if value is not None:
            opt.at_least(option, value, 0)
    opt.positive("--C", C)

    def job() -> int:
        from chainrule.cli.certify import CertifyRequest, run_certify

        request = CertifyRequest(
            coefficients=coefficients, table=table, target=target, positive=positive, features=features, drop=drop,
            weights=weights, na=na or [], alpha=alpha, C=C, standardize=standardize, tol=tol,
            threads=opt.thread_count(threads),
        )  # fmt: skip
        return run_certify(request, as_json=json, quiet=quiet)

    return job


@app.command()
def predict(
    model: opt.ModelFile,
    table: opt.Table,
    out: Out = None,
    na: opt.Missing = None,
    unseen: opt.UnseenLevels = "reference",
    json: opt.Json = False,
    quiet: opt.Quiet = False,
) -> Job:
    """Predict each row of a table: row, probability of the positive label, class."""

    def job() -> int:
        from chainrule.cli.predict import run_predict

        return run_predict(model, table, na or [], out, unseen, as_json=json, quiet=quiet)

    return job


@app.command()
def evaluate(
    model: opt.ModelFile,
    table: opt.Table,
    na: opt.Missing = None,
    unseen: opt.UnseenLevels = "reference",
    json: opt.Json = False,
    quiet: opt.Quiet = False,
) -> Job:
    """Compare a model with a table's known labels: log-loss, accuracy, AUC, base rate, counts."""

    def job() -> int:
        from chainrule.cli.evaluate import run_evaluate

        return run_evaluate(model, table, na or [], unseen, as_json=json, quiet=quiet)

    return job


@app.command()
def explain(
    model: opt.ModelFile,
    table: opt.Table,
    row: Annotated[
        int, typer.Option("--row", parser=opt.whole("--row"), metavar="K", help="The row to explain, from 1.")
    ],
    epoch: Annotated[
        int | None,
        typer.Option(
            "--epoch",
            parser=opt.whole("--epoch"),
            metavar="E",
            help="As it was after E epochs (steps of newton), from the trace. Else the end.",
        ),
    ] = None,
    svg: Annotated[
        Path | None, typer.Option("--svg", metavar="FILE", help="Also draw the graph with the row's numbers.")
    ] = None,
    na: opt.Missing = None,
    json: opt.Json = False,
    quiet: opt.Quiet = False,
) -> Job:
    """Explain one row step by step: its forward pass, and the chain rule with its numbers."""

    def job() -> int:
        from chainrule.cli.explain import run_explain

        return run_explain(model, table, na or [], row=row, epoch=epoch, svg=svg, as_json=json, quiet=quiet)

    return job
