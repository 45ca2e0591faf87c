"""The report of a fit: its story as blocks, from the document that `--json` prints and from arrays."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from chainrule.documents import results
from chainrule.documents.blocks import Beside, Block, Bullets, Chart, Facts, Fold, Heading, Text, bullets, say
from chainrule.documents.derivation import derivation
from chainrule.documents.learned import pictures, rate_told, story
from chainrule.documents.player import Player
from chainrule.documents.quality import OVERFITTED, decided, figures, worse
from chainrule.documents.rows import explanation
from chainrule.documents.variables import SHOWN_IN_REPORT, coefficients, odds_chart
from chainrule.errors import InputError
from chainrule.losses import sigmoid
from chainrule.solvers.trace import Trace
from chainrule.studies.learned import Learned
from chainrule.words import counted

Document = Mapping[str, Any]

Spread = tuple[Any, Any]  # log-odds z and classes y of some rows, (m,) each

SHOWN_PREDICTIONS = 500
ORDERS = {  # of the chapters, by who reads them
    "analyst": ("predicts", "coefficients", "probabilities", "fit", "learned", "row", "player"),
    "learner": ("row", "derivation", "player", "learned", "fit", "predicts", "coefficients", "probabilities"),
}
ARTICLE = "Christoph Winkler, “Neural Networks and Logistic Regression - Backpropagation in Detail”"
GLOSSARY = {
    "z, log-odds": "The sum of all contributions x w, and the bias b. Positive speaks for y = 1.",
    "g, probability": "The sigmoid of z: 1/(1 + exp(−z)). The odds are g/(1 − g) = exp(z).",
    "log-loss": "−log of the probability that the model gave to what happened, averaged over the rows, in nats. 0 is perfect; "
    "0.6931 is a coin toss.",
    "odds ratio": "What multiplies the odds for one more unit, for one standard deviation (SD), or for this level in place of "
    "the reference. Units of two features can’t be compared; their standard deviations can.",
    "spread": "The standard deviation of a feature’s whole contribution to z over the training rows, in log-odds: how much it "
    "moves the prediction. It counts how common a level is, and how much a number varies.",
    "proven digits": "The optimum’s coefficient agrees in these digits: it is less than half a unit of the last one away.",
    "AUC": "The chance that a random row of y = 1 gets a larger g than a random row of y = 0.",
    "precision, recall": "Of the rows called positive, the share that are. Of the positive rows, the share called so. F1 is "
    "their harmonic mean; specificity is the recall of the negative rows.",
    "gradient": "The slope of the loss in each weight. Gradient descent steps against it: w ← w − learning rate · dL_dw. "
    "Newton’s method divides by the curvature, the Hessian H: w ← w − H⁻¹ dL_dw.",
    "F, F*": "The objective, and the smallest value that any w and b can give. F is convex: where the gradient is small "
    "against the curvature, F* can’t be far below.",
}  # fmt: skip


def order_for(reader: object, option: str = "reader") -> tuple[str, ...]:
    """Return the order of a report's chapters for its reader; option: its name, for the message of a mistake."""
    if reader not in ORDERS:
        raise InputError(f"{option} must be {' or '.join(ORDERS)}, not {reader!r}")
    return ORDERS[str(reader)]


def report(
    document: Document,
    trace: Trace,
    parts: Sequence[Spread],
    learned: Learned | None = None,
    player: Player | None = None,
    reader: str = "analyst",
) -> list[Block]:
    """Tell the story of a fit: what it is, then its chapters in the order of its reader, then what is proven in detail.

    document: of a fit, with "explanation" and "whole_gradient" of a row if one is to be shown, and then "lesson", the method of
    their run. trace: what the run recorded. parts: log-odds and classes of the training rows, and of the held-out rows if
    there are any. player: put into the page, which then holds its rows. reader: of `ORDERS`.
    """
    result = document["result"]
    chapters: dict[str, Callable[[], list[Block]]] = {
        "fit": lambda: _fit(document),
        "learned": lambda: [Heading("How it learned"), *_learning(document, trace, learned)],
        "predicts": lambda: _predicts(document),
        "row": lambda: _row(document),
        "derivation": derivation,
        "player": lambda: [] if player is None else _played(player),
        "coefficients": lambda: _coefficients(document),
        "probabilities": lambda: _all_probabilities(document, parts),
    }
    return [
        say("The probability that {target:name} is {positive:name}, learned from {table:name}", "note", **document),
        results.verdict(result),
        *worse(document["held_out"], "held-out", OVERFITTED),
        *([Fold("All relations between the columns", [Bullets(result["relations"])])] if result["relations"] else []),
        _lead(document),
        *(block for name in order_for(reader) for block in chapters[name]()),
        *bullets("Notes", [*document["notes"], *results.notes(result)]),
        Heading("What the numbers mean"),
        Facts(list(GLOSSARY.items()), "glossary"),
        say("These are associations in these rows, not causes.", "note"),
        Fold("How near the optimum it is, in detail", results.certificate(result, trace)),
        *bullets("Sources", [f"The computation graph and its derivatives: {ARTICLE}."]),
    ]


def _fit(document: Document) -> list[Block]:
    """Describe the task, how the run ended, and in one sentence what is proven."""
    result = document["result"]
    return [
        Heading("The fit"),
        results.setting(document),
        *([] if result["ended"] in result["verdict"] else [say("{it}.", it=results.ending(result)[0][1])]),
        results.proven(result),
        _tiles(result),
        *results.missing(document),
    ]


def _predicts(document: Document) -> list[Block]:
    table = figures({"training": document["training"], "held out": document["held_out"]})
    return [Heading("How well it predicts"), table, *_decisions(document)]


def _row(document: Document) -> list[Block]:
    """Explain a row, if one is to be shown: at the end of the run, or early in the run of a lesson."""
    if not document.get("explanation"):
        return []
    of = document["result"]
    method = document.get("lesson", of["method"])
    made = "Training was by {title}. This is gradient descent on the same rows, from zero."
    closest = say("The finished model gets this training row right by the smallest margin.")
    preface = [closest] * bool(document.get("closest"))
    preface += [say(made, title=results.method_of(of).title)] * (method != of["method"])
    return explanation({**document, "method": method, "epochs": of["n_epochs"], "preface": preface})


def _coefficients(document: Document) -> list[Block]:
    heading, *tables = coefficients(document, SHOWN_IN_REPORT)
    return [heading, Beside([[odds_chart(document)], tables])]


def _all_probabilities(document: Document, parts: Sequence[Spread]) -> list[Block]:
    return [
        Heading("The probabilities"),
        _probabilities((document["negative"], document["positive"]), parts),
        *results.predictions(document, SHOWN_PREDICTIONS, "Predictions", ", not listed here"),
    ]


def _played(player: Player) -> list[Block]:
    """Show the player, and say what it holds."""
    sample = "" if player.sampled_from is None else f", a sample of {player.sampled_from:,}"
    says = (f"This page holds {{rows:row}} of the table{sample}, from which the player computes every number. Share it as you "
            "would share the table.")  # fmt: skip
    return [Heading("See it learn"), say(says, "note", rows=player.rows), player.block]


def _lead(document: Document) -> Text:
    """Say how well the model predicts, in one sentence."""
    result, which = document["result"], "held-out" if document["held_out"] else "training"
    method = results.method_of(result)
    after = f"After {counted(result['n_epochs'], method.noun)} of {method.title}"
    text = (f"{after}, the model is right on {{accuracy:%}} of {{rows:{which} row}}, where the "
            "larger class alone would be right on {base_accuracy:%}; its log-loss there is {loss:f}.")  # fmt: skip
    return say(text, **(document["held_out"] or document["training"]))


def _tiles(result: Document) -> Facts:
    tiles = {f"{results.method_of(result).noun}s": "{n_epochs}", "reads of the data": "{reads:3}",
             "objective": "{objective}", "gradient at the end": "{grad_norm:3}", "penalty alpha": "{alpha}"}  # fmt: skip
    return Facts.of(tiles, "tiles", **result)


def _learning(document: Document, trace: Trace, learned: Learned | None) -> list[Block]:
    """Describe how the run learned, in words and pictures."""
    result, classes = document["result"], (document["negative"], document["positive"])
    curves = results.learning_curves(trace, results.method_of(result).by_reads, document["training"])
    told: list[Block] = [] if learned is None else [*story(learned), *rate_told(learned, result["learning_rate"])]
    absent = (*([] if learned is None else learned.notes), trace.note)
    notes = [say("{it}.", "note", it=text) for text in absent if text]
    drawn = pictures(learned, classes)
    wide = [chart for group in drawn for chart in group if chart.wide]
    return [*told, Beside([*curves.groups, *(group for group in drawn if not group[0].wide)]), *wide, *notes]


def _decisions(document: Document) -> list[Block]:
    """Describe the decisions at the threshold on both parts."""
    both = {"training": "training", "held out": "held_out"}
    parts = {
        name: {**document[key], **document["quality"][key]} for name, key in both.items() if document["quality"][key]
    }
    labels = (document["negative"], document["positive"])
    return decided(parts, document["threshold"], labels, "the training rows")


def _probabilities(classes: tuple[str, str], parts: Sequence[Spread]) -> Beside:
    from chainrule.charts.charts import loss_of_row, probability_histogram

    spreads = ("Training rows: how the probabilities of both classes are spread.",
               "Held-out rows: the same for rows that training never saw.")  # fmt: skip
    shown = [[Chart(partial(probability_histogram, sigmoid(z), y, classes=classes), says)]
             for (z, y), says in zip(parts, spreads, strict=False)]  # fmt: skip
    says = "One row's loss as a function of z: for a confident mistake it is nearly |z|. The bars below are the training rows."
    return Beside([*shown, [Chart(partial(loss_of_row, *parts[0], classes=classes), says)]])
