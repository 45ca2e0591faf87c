"""The commands: what each does, and its options, named as the arguments of `run` in the command's module."""

from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from chainrule import __version__
from chainrule.cli import options as opt
from chainrule.cli.options import DATA, OUTPUT, TRAINING
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
    voice = _shared(given)
    code: int | None = import_module(f"chainrule.cli.{name}").run(**given, voice=voice)
    return code


def _study(name: str, given: dict[str, Any]) -> int | None:
    voice = _shared(given)
    code: int | None = import_module("chainrule.cli.study").run(name, given, voice)
    return code


def _shared(given: dict[str, Any]) -> Voice:
    """Take the options that commands share: return how the command speaks, and make the table a source to read."""
    voice = Voice(given.pop("as_json"), messages(quiet=given.pop("quiet")))
    if "table" in given:
        from chainrule.data.files import Source  # here, so that --help needn't wait for it

        asked = {name: given.pop(name) for name in opt.READING}
        given["table"] = Source.asked(given["table"], asked, voice.note) if given["table"] else None
    return voice


# fmt: off
FILES = {"model": opt.MODEL, "table": opt.TABLE}
PREDICTED = {
    "na": opt.NA,
    **opt.READING,
    "unseen": opt.option(
        DATA, "--unseen", "HOW", "How to treat a level that training never saw: reference, missing or error.",
        default="reference"),
}
SAID = {"as_json": opt.JSON, "quiet": opt.QUIET}
STUDIED = {"target": opt.option(DATA, "--target", "COLUMN", "Column of the table to learn, with two labels."), **opt.LEARNED,
           **opt.READING}
OWN_TABLE = {
    "table": opt.argument(
        "TABLE", f"{opt.TABLES} Default: the penguins of the demo, male or female?", default=None, many=True),
    **STUDIED,
}
STANDARDIZE = {"standardize": opt.option(
    TRAINING, "--standardize/--no-standardize", None, "Train on numbers with mean 0 and standard deviation 1.", bool, True)}

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
    **opt.READING,
    "test_size": opt.test_size(0.0, low=0),
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
    "alpha": opt.ALPHA,
    "C": opt.C,
    "standardize": opt.option(
        TRAINING, "--standardize/--no-standardize", None, "Train on numbers with mean 0 and standard deviation 1; the penalty "
        "is then on those weights. Default: on for gradient descent, else off.", bool),
    "n_threads": opt.THREADS,
    "out": opt.option(OUTPUT, "--out", "MODEL", "Write the model here, and its trace beside it as NAME.trace.", Path),
    "report": opt.option(OUTPUT, "--report", "FILE", "Write a report here: one HTML file.", Path),
    "reader": opt.option(
        OUTPUT, "--for", "WHO", "Who reads the report: an analyst (figures and coefficients come first; the default), or a "
        "learner (one row comes first, forward, backward and to gradient descent's step, then the derivation and exercises)."),
    "threshold": opt.option(
        OUTPUT, "--threshold", "HOW", "Probability above which the report calls a row positive. Default: f1, the one with the "
        "largest F1 on the training rows."),
    "cost": opt.option(
        OUTPUT, "--cost", "FP,FN", "Costs of a false positive and of a false negative, such as 1,5. They choose the threshold "
        "of the report."),
    "row": opt.option(
        OUTPUT, "--row", "K", "Row that the report explains. Default: the row that is right by the smallest margin.", int),
    "title": opt.option(OUTPUT, "--title", "TEXT", "Title of the report. Default: what is learned, TARGET = POSITIVE."),
    "player": opt.option(
        OUTPUT, "--player", None, "Put the player into the report, as `chainrule play` makes it: the page then holds the rows.",
        bool, False),
    "relations": opt.option(
        OUTPUT, "--relations", None, "List all relations between collinear columns.", bool, False),
    **SAID,
    "strict": opt.option(OUTPUT, "--strict", None, "Exit code 3 after an early stop or a warning.", bool, False),
}, _run)
opt.command(
    app, "play",
    "Watch gradient descent learn a table, in one page for the browser that needs no network.\n\n"
    "Step through the graph forward and backward, over rows and epochs; change the rate, a value or a weight; all numbers are "
    "computed again in the page. Of more than 2,000 rows, a sample is played; 200 coefficients are the most.", {
    **OWN_TABLE,
    "test_size": opt.test_size(0.25, low=0),
    "seed": opt.option(DATA, "--seed", "S", "Seed of the hold-out split.", int, 0),
    "learning_rate": opt.option(TRAINING, "--learning-rate", "R", 'Step size; "auto", the default, picks a stable one.'),
    "epochs": opt.option(TRAINING, "--epochs", "N", "Epochs to train.", int, 1000, low=1),
    "alpha": opt.ALPHA,
    **STANDARDIZE,
    "n_threads": opt.THREADS,
    "out": opt.option(OUTPUT, "--out", "FILE", "Write the page here.", Path, Path("player.html")),
    "opens": opt.option(OUTPUT, "--open", None, "Open it in the browser.", bool, False),
    **SAID,
}, _run)
opt.command(
    app, "certify",
    "Prove how far anyone's coefficients are from the optimum of a table.\n\n"
    "MODEL is a model file, or a CSV or JSON file of names and coefficients in the table's units, as R, broom or statsmodels "
    "write it. Names are chainrule's; species=Gentoo may also be written as R, statsmodels or scikit-learn do: speciesGentoo, "
    "species[T.Gentoo] or species_Gentoo. The bias is called intercept, (Intercept), const or b.", {
    "coefficients": opt.argument(
        "MODEL", "Model file, or a CSV or JSON file of names and numbers; if it has several columns, the one called coef, "
        "estimate or weight counts."),
    "table": opt.TABLE,
    "target": opt.option(DATA, "--target", "COLUMN", "Column that was learned. A model file names it."),
    **opt.LEARNED,
    **opt.READING,
    "alpha": opt.option(
        TRAINING, "--alpha", "A", "Strength of the penalty alpha/2 w.w. Default: the model's, or none.", float, low=0),
    "C": opt.C,
    "standardize": opt.option(
        TRAINING, "--standardize/--no-standardize", None, "The penalty is on the weights of standardised numbers. Default: as "
        "the model was trained, or not.", bool),
    "tol": opt.option(
        OUTPUT, "--tol", "T", "Exit code 3 unless the coefficients are proven to be within T nats of the optimum.", float,
        low=0),
    "n_threads": opt.THREADS,
    **SAID,
}, _run)
opt.command(app, "predict", "Predict each row of a table: row, probability of the positive label, class.", {
    **FILES,
    **PREDICTED,
    "keep": opt.option(
        OUTPUT, "--keep", "NAMES", "Columns of the table to write too, separated by commas; may repeat.", many=True),
    "digits": opt.option(
        OUTPUT, "--digits", "N", "Significant digits of the smaller of p and 1 - p. Default: 6, fewer if the fit proved fewer; "
        "17 writes all.", int, low=1, high=17),
    "out": opt.option(OUTPUT, "--out", "FILE", "Write here instead of to stdout.", Path),
    **SAID,
}, _run)
opt.command(
    app, "evaluate",
    "Compare a model with a table's known labels: log-loss, accuracy, AUC, base rate, decisions, calibration.\n\n"
    "Of the table that the model was trained on, the held-out rows are evaluated, if there are any. Weighted rows count by "
    "their weight. Rows without a label are left out, and counted.", {
    **FILES,
    "threshold": opt.option(
        DATA, "--threshold", "HOW", "Probability above which a row is called positive, or f1: the one with the largest F1 on "
        "these rows, or on the training rows if held-out ones are evaluated. Default: 0.5."),
    "cost": opt.option(
        DATA, "--cost", "FP,FN", "Costs of a false positive and of a false negative, such as 1,5. They choose the threshold."),
    "by": opt.option(DATA, "--by", "COLUMN", "Also compare groups of rows. Many numbers are grouped by quartiles."),
    **PREDICTED,
    "report": opt.option(OUTPUT, "--report", "FILE", "Also write a page with the curves here: one HTML file.", Path),
    **SAID,
}, _run)
opt.command(app, "explain", "Explain one row step by step: its forward pass, and the chain rule with its numbers.", {
    **FILES,
    "row": opt.option(DATA, "--row", "K", "The row to explain, from 1.", int, opt.REQUIRED),
    "epoch": opt.option(
        DATA, "--epoch", "E", "Use the weights after E epochs (steps of newton), from the trace. Default: the last.", int),
    "picture": opt.option(
        OUTPUT, "--picture", "FILE", "Also draw the graph with the row's numbers: FILE.svg, FILE.png or FILE.pdf.", Path),
    "narrow": opt.option(OUTPUT, "--narrow", None, "Lay the picture out from top to bottom, for a phone.", bool, False),
    **PREDICTED,
    **SAID,
}, _run)

# --- chainrule study

RUNS = {
    "seed": opt.option(
        DATA, "--seed", "S", "Seed for centering and batches; the other studies draw nothing at random.", int, 0, low=0,
        high=opt.LARGEST_SEED),
    "epochs": opt.option(
        TRAINING, "--epochs", "N", "Epochs of a run at most. Default: 1,000; 100 for centering, at most 100 for "
        "batches.", int, low=1),
    "within": opt.option(
        TRAINING, "--tol", "T", "A run counts as near the optimum when it is proven to be within T nats of it.", float, 1e-3,
        above=0),
    "alpha": opt.option(
        TRAINING, "--alpha", "A", "Strength of the penalty alpha/2 w.w. Default: none; 1/333 for rates and batches of the "
        "penguins.", float, low=0),
    "C": opt.C,
    "n_threads": opt.THREADS,
    "out": opt.option(
        OUTPUT, "--out", "FILE", "Write the pictures and conclusions here: FILE.svg, FILE.png or FILE.html.", Path),
    **SAID,
}

opt.command(
    study, "learning-rate",
    "Run gradient descent at rates from a hundredth of the stable limit to twice the limit.\n\n"
    "Says which runs crawl, converge, recover, oscillate or diverge, and after how many epochs each is near the optimum.", {
    **OWN_TABLE,
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
    "table": opt.argument(
        "TABLE", "A file or folder, with --target, --x and --y. Default: the article's points.", default=None),
    **{name: kept for name, kept in STUDIED.items() if name not in ("features", "drop")},
    "x": opt.option(DATA, "--x", "COLUMN", "Column of numbers, drawn from left to right."),
    "y": opt.option(DATA, "--y", "COLUMN", "Column of numbers, drawn upwards."),
    "test_size": opt.test_size(0.2, above=0),
    "learning_rate": opt.option(
        TRAINING, "--learning-rate", "R", "Step size of both runs. Default: 0.1 for the points; for a table, half its largest "
        "stable rate.", float, above=0),
    **RUNS,
}, _study)
opt.command(
    study, "scaling", "Learn from the columns as they are, centred, and standardised: epochs, condition numbers, limits.",
    {**OWN_TABLE, **RUNS}, _study)
opt.command(
    study, "batches",
    "Compare updates from all rows, from mini-batches and from single rows: progress per read and per update.", {
    **OWN_TABLE,
    "rates": opt.option(
        TRAINING, "--learning-rate", "R", "First rate of every run; if it repeats, each run takes the best of them. Default: a "
        "quarter of the rate known to be stable, that rate, 4 and 16 times it.", float, many=True, above=0),
    "sizes": opt.option(
        TRAINING, "--batch-size", "B", "Rows in a mini-batch of one run; may repeat. Default: 1, 16 and "
        "256, these up to an eighth of the rows.", int, many=True,
        low=1),
    **STANDARDIZE,
    **RUNS,
}, _study)
