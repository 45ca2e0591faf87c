"""What a fit gave, in a terminal: figures, certificate, coefficients, predictions."""

import math
from collections.abc import Sequence

from rich.console import Console

from chainrule.documents.layout import DIM, print_facts, print_heading, print_table, print_text
from chainrule.documents.screen.words import (
    BIAS,
    Document,
    as_options,
    at_least,
    at_most,
    counted,
    fixed,
    most_important,
    number,
    percent,
    seconds,
    shown,
)

SHOWN_PREDICTIONS = 20


def print_fit(console: Console, document: Document) -> None:
    """Print what a fit gave: the objective, the method, the figures, how near the optimum is, the coefficients."""
    print_setting(console, document)
    print_heading(console, "How well it does")
    print_figures(console, _parts(document))
    print_heading(console, f"Coefficients: log-odds of {shown(document['positive'])}")
    _print_coefficients(console, document)
    print_heading(console, "What happened")
    print_facts(console, _outcome(document))


def print_setting(console: Console, document: Document) -> None:
    """Print what was asked: the target, the rows, the objective, the method."""
    result = document["result"]
    target, positive, negative = (shown(document[key]) for key in ("target", "positive", "negative"))
    counts = document["rows"]
    rows = [f"{counts['training']:,} to train on"]
    rows += [f"{counts['held_out']:,} held out"] if counts["held_out"] else []
    rows += [f"{counts['set_aside']:,} set aside, {target} unknown"] if counts["set_aside"] else []
    facts = [
        ("target", f"{target}: {positive} is y = 1, {negative} is y = 0"),
        ("rows", ", ".join(rows)),
        ("objective", result["objective_line"]),
        ("method", f"{method_name(result)}: {as_options(result['method_reason'])}"),
    ]
    if result["learning_rate"] is not None:
        facts.append(("learning rate", rate_line(result)))
    if result["batch_size"] is not None:
        size = result["batch_size"]
        batches = "single rows" if size == 1 else f"{size:,} rows an update"
        facts.append(("mini-batches", f"{batches}, in an order of seed {result['seed']}"))
    print_facts(console, facts)


def method_name(result: Document) -> str:
    """Spell the method."""
    return "stochastic gradient descent" if result["method"] == "sgd" else str(result["method"]).replace("-", " ")


def rate_line(result: Document) -> str:
    """Say the learning rate and its limit."""
    rate, limit = result["learning_rate"], result["learning_rate_limit"]
    if limit is None:
        return f"{number(rate)}; any rate is stable here"
    if result["method"] == "sgd":
        return _batch_rate_line(result)
    auto = " (auto)" if rate == limit / 2 else ""
    return f"{number(rate)}{auto}, the largest stable one is {number(_floor(limit))}" + (
        ": above it the loss may rise or oscillate" if rate > limit else ""
    )


def _batch_rate_line(result: Document) -> str:
    rate, limit = result["learning_rate"], result["learning_rate_limit"]
    auto = " (auto)" if rate == limit / 4 else ""
    how = {"constant": "", "inverse": ", over 1 + epochs", "inverse-sqrt": ", over the root of 1 + epochs"}[
        result["schedule"]
    ]
    above = ": above it the loss may rise or never settle" if rate > limit else ""
    return f"{number(rate)}{auto}{how}; known to be stable up to {number(_floor(limit))}{above}"


def _floor(value: float, digits: int = 4) -> float:
    """Round down, so that a rate below what is shown is below the limit."""
    step = 10.0 ** (math.floor(math.log10(value)) - digits + 1)
    return math.floor(value / step) * step


def _parts(document: Document) -> list[tuple[str, Document]]:
    held_out = [("held out", document["held_out"])] if document["held_out"] else []
    return [("training", document["training"]), *held_out]


def print_figures(console: Console, parts: Sequence[tuple[str, Document]]) -> None:
    """Print the table of loss, accuracy and AUC, with the base rate's own loss and accuracy beside them."""
    print_table(
        console,
        ["", "rows", "log-loss", "(base rate)", "accuracy", "(base rate)", "AUC"],
        [
            [
                name,
                f"{part['rows']:,}",
                fixed(part["loss"]),
                fixed(part["base_loss"]),
                percent(part["accuracy"]),
                percent(part["base_accuracy"]),
                fixed(part["auc"]),
            ]
            for name, part in parts
        ],
    )


def _print_coefficients(console: Console, document: Document) -> None:
    entries, rest = most_important(
        document["coefficients"], lambda entry: abs(entry["w"] * (1.0 if entry["sd"] is None else entry["sd"]))
    )
    some_sd = any(entry["sd"] is not None for entry in entries)
    proven = document["result"]["certificate"]["kind"] == "bound"
    columns = ["feature", "w per unit", *(["proven digits"] if proven else []), "odds ratio"]
    columns += ["w per SD", "odds ratio"] if some_sd else []
    bias = document["intercept"]
    rows = [[BIAS, number(bias["b"]), *([str(bias["digits"])] if proven else []), "", *(["", ""] if some_sd else [])]]
    for entry in entries:
        row = [entry["name"], number(entry["w"]), *([str(entry["digits"])] if proven else [])]
        row.append(number(entry["odds_ratio"]))
        if some_sd:
            has_sd = entry["sd"] is not None
            row += [number(entry["w"] * entry["sd"]), number(entry["odds_ratio_sd"])] if has_sd else ["", ""]
        rows.append(row)
    print_table(console, columns, rows + [[text] for text in rest])


def _outcome(document: Document) -> list[tuple[str, str]]:
    result = document["result"]
    run, certificate = run_and_certificate(result)
    return [
        ("training", f"{method_name(result)}: {run} ({seconds(result['seconds'])})"),
        ("certificate", certificate),
        *((("Hessian", result["certificate"]["hessian_rows"]),) if result["certificate"]["hessian_rows"] else ()),
        *(("wrote", f"{path} ({name})") for name, path in document["files"].items() if path),
    ]


def run_and_certificate(result: Document) -> tuple[str, str]:
    """Say how the run ended, and what is proven: each once, also where the message says both."""
    told = result["certificate"]
    proven = told["sentence"].rstrip(".")
    run = result["message"].rstrip(".").replace(f": {proven}", "")
    reason = told["reason"].rstrip(".")
    cause = reason.split(":")[0]
    if cause and cause in run:
        proven = proven.replace(f": {reason}", "").replace(f": {cause}", "")
    return as_options(run), as_options(proven)


def print_predictions(console: Console, predictions: Sequence[Document], positive: str) -> None:
    """Print predictions as a table."""
    print_table(
        console,
        ["class", "row", f"probability of {positive}"],
        [[entry["class"], str(entry["row"]), fixed(entry["probability"])] for entry in predictions],
    )


def print_set_aside(console: Console, document: Document) -> None:
    """Print the predictions of the rows whose target is missing, the first of them where there are many."""
    predictions = document["predictions"]
    if not predictions:
        return
    which = "row" if len(predictions) == 1 else f"{len(predictions):,} rows"
    print_heading(console, f"The {which} of unknown {shown(document['target'])}")
    print_predictions(console, predictions[:SHOWN_PREDICTIONS], document["positive"])
    left = len(predictions) - SHOWN_PREDICTIONS
    if left > 0:
        print_text(console, f"and {left:,} more: --json, the report and chainrule predict have all", style=DIM)


def print_audit(console: Console, document: Document) -> None:
    """Print how far coefficients are from the optimum."""
    told = document["certificate"]
    target, positive = shown(document["target"]), shown(document["positive"])
    penalty = f" + ({document['alpha']:.6g}/2) w.w" if document["alpha"] else ", no penalty"
    units = " on standardised numbers" if document["alpha"] and document["standardized"] else ""
    rows = f"{counted(document['rows'], 'row')} {'it was trained on' if document['training_rows'] else 'of known ' + target}"
    print_facts(
        console,
        [
            ("coefficients", f"{document['coefficients_of']}: log-odds that {target} is {positive}"),
            ("table", f"{document['table']}: the {rows}"),
            ("objective", f"the mean log-loss{penalty}{units}: F = {number(told['objective'], 10)} here"),
        ],
    )
    print_heading(console, "How far from the optimum")
    print_text(console, audit_sentence(told))
    for text in document["warnings"]:
        print_text(console, as_options(text))
    if told["gap"] is None or not any(entry["error"] is not None for entry in document["coefficients"]):
        return
    console.print()
    entries, rest = most_important(document["coefficients"], lambda entry: entry["error"] or 0.0)
    bias = document["intercept"]
    lines = [[BIAS, number(bias["b"]), bound_text(bias["error"]), str(bias["digits"])]]
    lines += [[e["name"], number(e["w"]), bound_text(e["error"]), str(e["digits"])] for e in entries]
    print_table(
        console, ["feature", "w per unit", "off by at most", "proven digits"], lines + [[text] for text in rest]
    )


def bound_text(error: float | None) -> str:
    """Write a bound on a coefficient's error; what is not known is a dash."""
    return "-" if error is None else at_most(error)


def audit_sentence(told: Document) -> str:
    """Say a certificate of anyone's coefficients in a sentence."""
    reason = f": {told['reason'].rstrip('.')}" if told["reason"] else ""
    if told["gap"] is None:
        return f"How far these coefficients are from the optimum is not proven{as_options(reason)}."
    least = "the infimum" if told["kind"] == "infimum" else "the optimum"
    text = f"These coefficients are at most {at_most(told['gap'])} nats above {least}"
    if told["lower"] > 0.0:
        text += f", and at least {at_least(told['lower'])}"
    if told["kind"] == "reduced":
        return f"{text}, in the model without the collinear directions{as_options(reason)}."
    return f"{text}{as_options(reason)}."


def print_evaluation(console: Console, document: Document) -> None:
    """Print how well a model does on a table."""
    positive, negative = shown(document["positive"]), shown(document["negative"])
    part = document["figures"]
    print_facts(
        console,
        [
            ("model", f"{document['model']}: the probability that {shown(document['target'])} is {positive}"),
            ("table", document["table"]),
            ("base rate", f"{percent(part['base_rate'])} of these rows are {positive}"),
        ],
    )
    print_heading(console, "How well it does")
    print_figures(console, [("this table", part)])
    print_heading(console, "Counts")
    counts = part["confusion"]
    print_table(
        console,
        ["", f"predicted {negative}", f"predicted {positive}"],
        [
            [f"is {negative}", f"{counts['true_negative']:,}", f"{counts['false_positive']:,}"],
            [f"is {positive}", f"{counts['false_negative']:,}", f"{counts['true_positive']:,}"],
        ],
    )
