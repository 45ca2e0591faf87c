"""The commands: what each does, and its options, named as the arguments of `run` in the command's module."""

from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from chainrule import __version__
from chainrule.cli import options as opt
from chainrule.cli.options import DATA, OBJECTIVE, OUTPUT, TRAINING
from chainrule.cli.running import Voice
from chainrule.documents.terminal import messages

app = typer.Typer(
    name="chainrule",
    help="Logistic regression as the smallest neural network: every gradient visible, every step explained.\n\n"
    "Results go to stdout; progress and notes to stderr. Exit codes: 0 done, perhaps with warnings; 2 a mistake in the data or "
    "the options; 3 an early stop or a warning with --strict, or a bound above certify --tol; 130 stopped by Ctrl-C.",
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
study = typer.Typer(
    help="See and measure how the learning rate, centring, scaling and batches shape what is learned.",
    no_args_is_help=True,
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


def _run(name: str, given: dict[str, Any]) -> int | None:
    voice = Voice(given.pop("as_json"), messages(quiet=given.pop("quiet")))
    code: int | None = import_module(f"chainrule.cli.{name}").run(**given, voice=voice)
    return code


def _study(name: str, given: dict[str, Any]) -> int | None:
    return _run("study", {"which": name, "given": given, **{key: given.pop(key) for key in SAID}})


# fmt: off
FILES = {"model": opt.MODEL, "table": opt.TABLE}
PREDICTED = {
    "na": opt.NA,
    "unseen": opt.option(
        DATA, "--unseen", "HOW", "How to treat a level that training never saw: reference, missing or error.",
        default="reference"),
}
SAID = {"as_json": opt.JSON, "quiet": opt.QUIET}

opt.command(app, "demo", "Train on 344 penguins (male or female?) and see everything: the quickest start.", {
    "out_dir": opt.option(
        OUTPUT, "--out-dir", "DIR", "Folder for the models, their traces, the report and the data.", Path, Path("demo")),
    "by_hand": opt.option(
        None, "--by-hand", None, "Instead, two epochs on six rows, with every number: to be followed by hand.", bool, False),
    **SAID,
}, _run)
opt.command(
    app, "fit",
    "Train on a table: to the optimum, with a proven bound on the distance from it, or by gradient descent.\n\n"
    "Gradient descent uses all rows for each update; sgd uses mini-batches. Every step or epoch is kept. Rows without a target "
    "are not trained on but predicted.", {
    "table": opt.TABLE,
    "target": opt.TARGET,
    **opt.LEARNED,
    "test_size": opt.option(
        DATA, "--test-size", "F", "Fraction of the rows to hold out, stratified by label.", float, 0.0, low=0, below=1),
    "seed": opt.option(DATA, "--seed", "S", "Seed of the hold-out split and of the order of mini-batches.", int, 0),
    "method": opt.option(
        TRAINING, "--method", "METHOD", "newton: a few steps to the optimum. gradient-descent: many small steps. sgd: a step "
        "for each mini-batch. newton-cg: for many columns. auto: newton or newton-cg, unless an option of another method is "
        "given.", default="auto"),
    "tol": opt.option(
        TRAINING, "--tol", "T", "Stop when the objective is proven to be within T nats of its optimum. Default: 1e-8, or "
        "1e-6/rows if that is less.", float),
    "max_reads": opt.option(
        TRAINING, "--max-reads", "N", "Newton starts no step after N reads of the data (default 100); the proof may add one or "
        "two. Gradient descent runs N epochs at most.", int),
    "learning_rate": opt.option(
        TRAINING, "--learning-rate", "R", 'Step size. Selects gradient descent; "auto" picks a stable one.'),
    "epochs": opt.option(
        TRAINING, "--epochs", "N", "Epochs at most. Selects gradient descent. Default: 1,000, or 100 for sgd.", int),
    "batch_size": opt.option(TRAINING, "--batch-size", "B", "Rows in a mini-batch. Selects sgd. Default: 1.", int),
    "schedule": opt.option(
        TRAINING, "--schedule", "HOW", "How the step size changes over the epochs k: constant, inverse (1/(1 + k)) or "
        "inverse-sqrt. Selects sgd."),
    "alpha": opt.option(
        TRAINING, "--alpha", "A", "Strength of the penalty alpha/2 w.w, added to the mean loss.", float, 0.0),
    "standardize": opt.option(
        TRAINING, "--standardize/--no-standardize", None, "Train on numbers with mean 0 and standard deviation 1; the penalty "
        "is then on those weights. Default: on for gradient descent, else off.", bool),
    "n_threads": opt.THREADS,
    "out": opt.option(OUTPUT, "--out", "MODEL", "Write the model here, and its trace beside it as NAME.trace.", Path),
    "report": opt.option(OUTPUT, "--report", "FILE", "Write a report here: one HTML file.", Path),
    "row": opt.option(
        OUTPUT, "--row", "K", "Row that the report explains. Default: the row that is right by the smallest margin.", int),
    **SAID,
    "strict": opt.option(OUTPUT, "--strict", None, "Exit code 3 after an early stop or a warning.", bool, False),
}, _run)
opt.command(
    app, "certify",
    "Prove how far anyone's coefficients are from the optimum of a table.\n\n"
    "MODEL is a model file, or a CSV or JSON file of names and coefficients in the table's units, as R, broom or statsmodels "
    "write it. Names are chainrule's; a level may also be speciesGentoo or species[T.Gentoo] for species=Gentoo, the bias "
    "intercept, (Intercept), const or b.", {
    "coefficients": opt.argument(
        "MODEL", "Model file, or a CSV or JSON file of names and numbers; if it has several columns, the one called coef, "
        "estimate or weight counts."),
    "table": opt.TABLE,
    "target": opt.option(DATA, "--target", "COLUMN", "Column that was learned. A model file names it."),
    **opt.LEARNED,
    "alpha": opt.option(
        OBJECTIVE, "--alpha", "A", "Strength of the penalty alpha/2 w.w. Default: the model's, or none.", float, low=0),
    "C": opt.option(
        OBJECTIVE, "--C", "C", "scikit-learn's inverse strength: alpha = 1/(C S), S the sum of the weights.", float, above=0),
    "standardize": opt.option(
        OBJECTIVE, "--standardize/--no-standardize", None, "The penalty is on the weights of standardised numbers. Default: as "
        "the model was trained, or not.", bool),
    "tol": opt.option(
        OUTPUT, "--tol", "T", "Exit code 3 unless the coefficients are proven to be within T nats of the optimum.", float,
        low=0),
    "n_threads": opt.THREADS,
    **SAID,
}, _run)
opt.command(app, "predict", "Predict each row of a table: row, probability of the positive label, class.", {
    **FILES, "out": opt.option(OUTPUT, "--out", "FILE", "Write here instead of to stdout.", Path), **PREDICTED, **SAID,
}, _run)
opt.command(
    app, "evaluate", "Compare a model with a table's known labels: log-loss, accuracy, AUC, base rate, counts.",
    {**FILES, **PREDICTED, **SAID}, _run)
opt.command(app, "explain", "Explain one row step by step: its forward pass, and the chain rule with its numbers.", {
    **FILES,
    "row": opt.option(DATA, "--row", "K", "The row to explain, from 1.", int, opt.REQUIRED),
    "epoch": opt.option(
        DATA, "--epoch", "E", "Use the weights after E epochs (steps of newton), from the trace. Default: the last.", int),
    "svg": opt.option(OUTPUT, "--svg", "FILE", "Also draw the graph with the row's numbers.", Path),
    "na": opt.NA,
    **SAID,
}, _run)

# --- chainrule study

STUDIED = {"target": opt.option(DATA, "--target", "COLUMN", "Column of the table to learn, with two labels."), **opt.LEARNED}
TABLE = {
    "table": opt.argument("TABLE", "CSV or Parquet file. Default: the penguins of the demo, male or female?", default=None),
    **STUDIED,
}
STANDARDIZE = {"standardize": opt.option(
    TRAINING, "--standardize/--no-standardize", None, "Train on numbers with mean 0 and standard deviation 1.", bool, True)}
RUNS = {
    "seed": opt.option(
        DATA, "--seed", "S", "Seed for centering and batches; the other studies draw nothing at random.", int, 0, low=0,
        high=opt.LARGEST_SEED),
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
        OUTPUT, "--out", "FILE", "Write the pictures and conclusions here: FILE.svg, FILE.png or FILE.html.", Path),
    **SAID,
}

opt.command(
    study, "learning-rate",
    "Run gradient descent at rates from a hundredth of the stable limit to twice the limit.\n\n"
    "Says which runs crawl, converge, recover, oscillate or diverge, and after how many epochs each is near the optimum.", {
    **TABLE,
    "rates": opt.option(
        TRAINING, "--learning-rate", "R", "One more rate to run, such as your own; may repeat.", float, many=True, above=0),
    **STANDARDIZE,
    **RUNS,
}, _study)
opt.command(
    study, "centering",
    "Learn from two columns as they are and centred, at one learning rate: maps, curves, and why they differ.\n\n"
    "Without a table: 100,000 points from two normals with identity covariance and means (0, 0) and (2, 8), 20 % held out, "
    "learning rate 0.1, 100 epochs.", {
    "table": opt.option(
        DATA, "--table", "TABLE", "CSV or Parquet file, with --target, --x and --y. Default: the article's points.", Path),
    **{name: kept for name, kept in STUDIED.items() if name not in ("features", "drop")},
    "x": opt.option(DATA, "--x", "COLUMN", "Column of numbers, drawn from left to right."),
    "y": opt.option(DATA, "--y", "COLUMN", "Column of numbers, drawn upwards."),
    "test_size": opt.option(
        DATA, "--test-size", "F", "Fraction of the rows to hold out, stratified by label.", float, 0.2, above=0, below=1),
    "learning_rate": opt.option(
        TRAINING, "--learning-rate", "R", "Step size of both runs. Default: 0.1 for the points; for a table, half its largest "
        "stable rate.", float, above=0),
    **RUNS,
}, _study)
opt.command(
    study, "scaling", "Learn from the columns as they are, centred, and standardised: epochs, condition numbers, limits.",
    {**TABLE, **RUNS}, _study)
opt.command(
    study, "batches",
    "Compare updates from all rows, from mini-batches and from single rows: progress per read and per update.", {
    **TABLE,
    "sizes": opt.option(
        TRAINING, "--batch-size", "B", "Rows in a mini-batch of one run; may repeat. Default: 256, 16 and 1.", int, many=True,
        low=1),
    **STANDARDIZE,
    **RUNS,
}, _study)
