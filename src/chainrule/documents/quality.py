"""Describes how well a model predicts: figures, decisions at a threshold, curves, calibration, groups of rows."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from chainrule.documents.blocks import Beside, Block, Chart, Facts, Heading, Table, Text, say

Document = Mapping[str, Any]
Parts = Mapping[str, Document]  # by name, at most two, as `fitting.metrics.quality` gives them, with auc and base_rate


def figures(parts: Mapping[str, Document | None]) -> Table:
    """Compare loss, accuracy and AUC of parts of the rows with predicting the base rate for every row."""
    return Table.from_entries(
        [{**part, "part": name} for name, part in parts.items() if part],
        ("", "part", "name"), ("rows", "rows", ""), ("log-loss", "loss", "f"), ("(base rate)", "base_loss", "f"),
        ("accuracy", "accuracy", "%"), ("(base rate)", "base_accuracy", "%"), ("AUC", "auc", "f"),
    )  # fmt: skip


def is_worse(part: Document | None) -> bool:
    """Whether rows are at least e^3 = 20 times as likely by their base rate as by the model: strong evidence against it."""
    return bool(part and part["rows"] * (part["loss"] - part["base_loss"]) > 3)


def worse(part: Document | None, which: str, way: str = "") -> list[Block]:
    """Warn of a model that predicts rows worse than their base rate does. which: what rows. way: a way out."""
    text = (
        f"Warning: on the {{rows}} {which} rows the model predicts worse than the base rate would: the log-loss is {{loss:f}}, "
        f"and {{base_loss:f}} without any column{way}."
    )
    return [say(text, "cause", **part)] if part and is_worse(part) else []


OVERFITTED = "; use a penalty, or leave out columns with many levels"


def decided(parts: Parts, rule: Document, labels: tuple[str, str], chosen_on: str) -> list[Block]:
    """Describe the classes at the threshold: how it was chosen, what it gives, the counts, and the curves.

    labels: of y = 0 and y = 1. chosen_on: the rows that the threshold was chosen on.
    """
    entries = [{**part["decisions"], "part": name} for name, part in parts.items()]
    table = Table.from_entries(
        entries, ("", "part", "name"), ("precision", "precision", "%"), ("recall", "recall", "%"),
        ("specificity", "specificity", "%"), ("F1", "f1", "f"), ("accuracy", "accuracy", "%"), ("cost a row", "cost", "4"),
    )  # fmt: skip
    return [_chosen(parts, rule, labels[1], chosen_on), table, _curves(parts, labels)]


def _chosen(parts: Parts, rule: Document, positive: str, chosen_on: str) -> Text:
    why = ""
    if rule["by"] == "f1":
        why = f", which has the largest F1 on {chosen_on}"
        why += "" if "held out" in parts else "; on other rows it will be lower"
    elif rule["by"] == "cost":
        why = ", where both mistakes cost the same on average: {false:g} a false positive, {missed:g} a false negative"
    false, missed = rule["costs"] or (None, None)
    text = f"A row is called {{positive:name}} if its probability is above {{threshold:g}}{why}."
    return say(text, positive=positive, threshold=rule["threshold"], false=false, missed=missed)


def _confusion(parts: Parts, labels: tuple[str, str]) -> Table:
    negative, positive = labels
    rows = []
    for name, part in parts.items():
        of, where = part["decisions"]["confusion"], f"{name}, " if len(parts) > 1 else ""
        rows.append([f"{where}is {negative}", of["true_negative"], of["false_positive"]])
        rows.append([f"{where}is {positive}", of["false_negative"], of["true_positive"]])
    unit = (
        "rows" if isinstance(next(iter(parts.values()))["decisions"]["confusion"]["true_positive"], int) else "weight"
    )
    return Table.of([unit, f"predicted {negative}", f"predicted {positive}"], rows)


def _curves(parts: Parts, labels: tuple[str, str]) -> Beside:
    """Draw the ROC curve, precision over recall and the calibration, beside the counts."""
    bins = {name: part["calibration"] for name, part in parts.items()}
    return Beside([
        [Chart(partial(_picture, "roc_picture", parts),
               "ROC curve: for each threshold, the share of y = 1 that is found, over the share of y = 0 called so too.")],
        [Chart(partial(_picture, "precision_recall_picture", parts),
               "Precision: the share of the rows called positive that are. Recall: the share of y = 1 that is found.")],
        [Chart(partial(_picture, "calibration_picture", bins, labels[1]),
               "Calibration: rows in bins of equal size by their probability, with 95 % intervals (Wilson). On the dotted "
               "line, probabilities are right.")],
        [_confusion(parts, labels)],
    ])  # fmt: skip


def _picture(name: str, *given: Any) -> str:
    """Draw a picture of `charts.quality`, which loads matplotlib: a terminal shows none."""
    from chainrule.charts import quality

    return str(getattr(quality, name)(*given))


def calibration(bins: Sequence[Document]) -> list[Block]:
    """Tabulate predicted and observed probabilities, and say which predictions are outside the interval."""
    entries = [{**of, "bin": f"{k} of {len(bins)}", "off": "" if of["low"] <= of["predicted"] <= of["high"] else "outside"}
               for k, of in enumerate(bins, 1)]  # fmt: skip
    table = Table.from_entries(
        entries, ("bin", "bin", ""), ("rows", "rows", ""), ("predicted", "predicted", "f"), ("observed", "observed", "f"),
        ("95 % from", "low", "f"), ("to", "high", "f"), ("", "off", ""),
    )  # fmt: skip
    return [Heading("Calibration: predicted and observed shares"), table]


def groups(document: Document) -> list[Block]:
    """Compare groups of rows; small ones are together."""
    of = document["groups"]
    entries = [{**each, "interval": f"{100 * each['low']:.1f}-{100 * each['high']:.1f}%"} for each in of["groups"]]
    table = Table.from_entries(
        entries, ("group", "group", "name"), ("rows", "rows", ""), ("predicted", "predicted", "%"),
        ("observed", "base_rate", "%"), ("95 %", "interval", ""), ("AUC", "auc", "f"),
        ("recall", "recall", "%"), ("specificity", "specificity", "%"),
    )  # fmt: skip
    says = "predicted: mean probability; observed: share of {positive:name}, with its 95 % interval; recall and specificity "
    says += "are at the threshold."
    return [Heading(say("By {by:name}", by=of["by"])), table, say(says, "note", **document)]


_ROWS = {
    "held out": "the {count} rows that training held out: the model never saw them",
    "training": "the {count} rows that the model was trained on: on other rows it will do worse",
    "this table": "{count} with a known {target:name}",
}


def evaluation(document: Document) -> list[Block]:
    """Describe how well a model predicts a table's labels."""
    part, labels, name = document["figures"], (document["negative"], document["positive"]), document["part"]
    whole = {name: {**part, **document["quality"]}}
    facts = {"model": "{model}: the probability that {target:name} is {positive:name}", "table": "{table}",
             "rows": _ROWS[name], "base rate": "{base_rate:%} of these rows are {positive:name}"}  # fmt: skip
    return [
        *worse(part, "held-out" if name == "held out" else "labelled"),
        Facts.of(facts, **document, base_rate=part["base_rate"], count=part["rows"]),
        Heading("How well it does"),
        figures({"training": document["training"], name: part}),
        Heading("Decisions"),
        *decided(whole, document["threshold"], labels, "the training rows" if name == "held out" else "these rows"),
        *calibration(document["quality"]["calibration"]),
        *(groups(document) if document["groups"] else []),
    ]
