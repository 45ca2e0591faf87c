"""Describes a fit, its certificate, predictions, and what `certify` proved, from the documents that `--json` prints."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from chainrule.certificate import digits_of
from chainrule.data.missing import ENOUGH
from chainrule.documents.blocks import Beside, Block, Chart, Facts, Heading, Table, Text, Words, bullets, say
from chainrule.documents.quality import OVERFITTED, figures, worse
from chainrule.documents.terminal import as_text
from chainrule.documents.variables import SHOWN, coefficients, odds_chart, worst
from chainrule.findings import WARNINGS, of_columns
from chainrule.fitting.coefficients import by_column
from chainrule.fitting.methods import METHODS, Method
from chainrule.fitting.verdict import WARNED
from chainrule.model.coefficients import by_column as by_column_of
from chainrule.words import counted

Document = Mapping[str, Any]

SHOWN_PREDICTIONS = 20
SHOWN_MISSING = 5  # columns that `print` lists
PAGE = 60  # lines that `print` takes, if the table of coefficients can be so short:
LEAST = 10  # rows of it,
AROUND = 10  # and its heading, the bias and what is said below


def how_near(value: float, error: float | None) -> dict[str, Any]:
    """Return how far a coefficient can be from the optimum's, and how many of its digits that proves."""
    return {
        "error": error,
        "digits": int(digits_of(np.array([value]), np.array([np.inf if error is None else error]))[0]),
    }


def method_of(result: Document) -> Method:
    """Return the method that made a result."""
    return METHODS[result["method"]]


def fit(document: Document) -> list[Block]:
    """Describe a fit: the objective, the method, the figures, the coefficients, what happened."""
    wrote = [("wrote", f"{path} ({name})") for name, path in document["files"].items() if path]
    return [
        verdict(document["result"]),
        *worse(document["held_out"], "held-out", OVERFITTED),
        setting(document),
        *missing(document),
        Heading("How well it does"),
        figures({"training": document["training"], "held out": document["held_out"]}),
        *coefficients(document),
        Heading("What happened"),
        Facts([*ending(document["result"]), *wrote]),
    ]


def verdict(result: Document) -> Text:
    """Say the result in one sentence, which stands first everywhere: a warning where something is wrong."""
    return say("{verdict}.", "cause" if result["verdict"].startswith(WARNED) else "lead", **result)


def relations(result: Document) -> list[Block]:
    """List all relations between collinear columns."""
    none = "None are known: they are looked for only where there is no single proven optimum."
    return bullets("Relations between the columns", result["relations"] or [none])


def setting(document: Document) -> Facts:
    """Describe the task: the target, the rows, the objective, the method."""
    counts = document["rows"]
    parts = ["{training} to train on", *["{held_out} held out"] * bool(counts["held_out"]),
             *["{set_aside} set aside, {target:name} unknown"] * bool(counts["set_aside"]),
             *["{n_dropped} left out, with missing values"] * bool(document["result"]["n_dropped"])]  # fmt: skip
    target = say("{target:name}: {positive:name} is y = 1, {negative:name} is y = 0", **document)
    rows = say(", ".join(parts), **{**document["result"], **document, **counts})
    return Facts([("target", target), ("rows", rows), *_asked(document["result"])])


def _asked(result: Document) -> list[tuple[str, Any]]:
    """Describe objective, method and learning rate."""
    method = f"{method_of(result).words}: {result['method_reason']}"
    facts = [("objective", result["objective_line"]), ("method", method)]
    facts += [("learning rate", rate(result))] if result["learning_rate"] is not None else []
    if result["batch_size"] is not None:
        size = "single rows" if result["batch_size"] == 1 else "{batch_size:row} an update"
        facts.append(("mini-batches", say(f"{size}, in an order of seed {{seed}}", **result)))
    return facts


def rate(result: Document) -> Text:
    """Describe the learning rate and its limit."""
    own, limit, batches = result["learning_rate"], result["learning_rate_limit"], result["batch_size"] is not None
    if limit is None:
        return say("{own}; any rate is stable here", own=own)
    auto = " (auto)" if own == limit / (4 if batches else 2) else ""
    schedules = {"inverse": ", over 1 + epochs", "inverse-sqrt": ", over the root of 1 + epochs"}
    known = "; known to be stable up to" if batches else ", the largest stable one is"
    above = f": above it the loss may rise or {'never settle' if batches else 'oscillate'}" if own > limit else ""
    falls = schedules.get(result["schedule"], "")
    return say(f"{{own}}{auto}{falls}{known} {{limit:floor}}{above}", own=own, limit=limit)


def ending(result: Document) -> list[tuple[str, Any]]:
    """Describe how a run ended, and what is proven."""
    told = result["certificate"]
    is_said = result["ended"] in result["verdict"]
    how = "{method} ({seconds:time})" if is_said else "{method}: {ended} ({seconds:time})"
    training = say(how, **{**result, "method": method_of(result).words})
    hessian = [("Hessian", told["hessian_rows"])] if told["hessian_rows"] else []
    return [("training", training), ("certificate", told["sentence"]), *hessian]


def notes(result: Document) -> list[str]:
    """List the warnings, without what the verdict or the ending says."""
    how = result["findings"][0]["code"]
    codes = [found["code"] for found in result["findings"][1:] if found["code"] in WARNINGS]
    return [
        text
        for code, text in zip(codes, result["warnings"], strict=True)
        if code != how and WARNED + text != result["verdict"]
    ]


def missing(document: Document, shown: int = SHOWN) -> list[Block]:
    """Tabulate what was missing in the rows of the fit, and what was done about it; the columns with most of it first."""
    entries = document["result"]["missing"]
    if not entries:
        return []
    most = sorted(entries, key=lambda entry: -entry["rows"])[:shown]
    lines = [{**entry, "of_0": entry["by_class"][0], "of_1": entry["by_class"][1]} for entry in most]
    table = Table.from_entries(
        lines, ("column", "column", "name"), ("rows", "rows", ""), (f"of {document['negative']}", "of_0", ""),
        (f"of {document['positive']}", "of_1", ""), ("what was done", "told", "text"),
    )  # fmt: skip
    notes: list[Block] = []
    if len(entries) > shown:
        notes.append(say("and {n:more column} (--json and result.missing have all)", "note", n=len(entries) - shown))
    if any("too few" in entry["told"] for entry in most):
        notes.append(say("A mark of these rows, or a level for them, needs {n} rows of each class.", "note", n=ENOUGH))
    return [Heading("Missing values"), table, *notes]


def proven(result: Document) -> Text:
    """Say in one sentence what is proven about a result."""
    told = result["certificate"]
    text = "{sentence}."
    if _is_near(told):
        text = "No coefficients can lower the objective by more than {gap:up} nats: this is proven, rounding included."
    return say(text, **told)


def _is_near(told: Document) -> bool:
    return bool(told["kind"] in ("bound", "limit") and told["gap"] < told["objective"])


def certificate(result: Document, trace: Any = None) -> list[Block]:
    """Describe what is proven about a result, and how its run reached it."""
    told = result["certificate"]
    said = [say("{sentence}.", "lead", **told)]
    tiles: list[tuple[str, Any]] = []
    if _is_near(told):
        said = [say("No coefficients can lower the objective by more than {gap:up} nats.", "lead", **told),
                say("Proven, rounding included: there is exactly one optimum.")]  # fmt: skip
        if told["kind"] == "limit":
            only = "the finite coefficients are the only best ones"
            is_only = told["r"] is not None and told["r"] < 1.0 and any(error is not None for error in told["coef"])
            said[1] = say("Proven, rounding included, for the limit{only}.", only=f": {only}" if is_only else "")
        known = [k for k, error in zip(told["digits"], told["coef"], strict=True) if error is not None]
        digits = sorted({min(known, default=0), max(known, default=0)})
        tiles.append(("proven digits of w", " to ".join(map(str, digits))))
    tiles += [("Hessian of", told["hessian_rows"])] if told["hessian_rows"] else []
    tiles += [("left by rounding", say("{noise:2}", **told))] if told["noise"] is not None else []
    blocks: list[Block] = [*said, *([Facts(tiles, "tiles")] if tiles else [])]
    if trace is None or told["kind"] == "none":
        return blocks
    from chainrule.charts.curves import gap_curve

    how = {"tol": result["tol"], "exists": told["kind"] not in ("infimum", "limit")}
    method = method_of(result)
    chart = Chart(lambda: gap_curve(trace, method.title, method.by_reads, told["optimum_at_least"], **how),
                  "How far above the optimum the objective can still be. A read is one pass over all rows.")  # fmt: skip
    return [Beside([blocks, [chart]])]


def learning_curves(trace: Any, by_reads: bool, part: Document) -> Beside:
    """Draw loss and accuracy over the epochs of a run, or over the reads of the data (by_reads)."""
    from chainrule.charts import curves

    when = "step, by the reads of the data so far" if by_reads else "epoch"
    loss = " A dotted line is the loss of predicting the base rate for every row." if part else ""
    share = " The dotted line is the share of the larger class." if part else ""
    return Beside([
        [Chart(lambda: curves.loss_curves(trace, base_loss=part.get("base_loss"), by_reads=by_reads),
               f"Log-loss after each {when}.{loss}")],
        [Chart(lambda: curves.accuracy_curves(trace, base_accuracy=part.get("base_accuracy"), by_reads=by_reads),
               f"Share of rows on the right side of g = 1/2.{share}")],
    ])  # fmt: skip


def predictions(document: Document, most: int, heading: Words, left: str = "") -> list[Block]:
    """Tabulate the first predictions of the rows set aside; left: says where the others are."""
    rows = document["predictions"]
    probability = (f"probability of {document['positive']}", "probability", "bar")
    columns = ("class", "class", "name"), ("row", "row", ""), probability
    more = [say(f"and {{n}} more{left}", "note", n=len(rows) - most)] if len(rows) > most else []
    return [Heading(heading), Table.from_entries(rows[:most], *columns), *more] if rows else []


def set_aside(document: Document) -> list[Block]:
    """Show the predictions of the rows whose target is missing."""
    heading = say("The {n:row} of unknown {target:name}", n=len(document["predictions"]), **document)
    return predictions(document, SHOWN_PREDICTIONS, heading, ": --json, the report and chainrule predict have all")


def certify(document: Document) -> list[Block]:
    """Describe how far anyone's coefficients are from the optimum."""
    told, entries = document["certificate"], document["coefficients"]
    units = " on standardised numbers" if document["standardized"] else ""
    penalty = f" + ({{alpha:g}}/2) w.w{units}" if document["alpha"] else ", no penalty"
    rows = "{rows:row} it was trained on" if document["training_rows"] else "{rows:row} of known {target:name}"
    facts = {"coefficients": "{coefficients_of}: log-odds that {target:name} is {positive:name}",
             "table": f"{{table}}: the {rows}", "objective": f"the mean log-loss{penalty}: F = {{F:10}} here"}  # fmt: skip
    blocks: list[Block] = [
        Facts.of(facts, **document, F=told["objective"]),
        Heading("How far from the optimum"),
        _how_far(told),
    ]
    if told["gap"] is None or all(entry["error"] is None for entry in entries):
        return blocks
    columns = ("off by at most", "error", "up"), ("proven digits", "digits", "")
    return [*blocks, *worst(document, "error", *columns)]


def _how_far(told: Document) -> Text:
    reason = f": {told['reason']}" if told["reason"] else ""
    if told["gap"] is None:
        return say("How far these coefficients are from the optimum is not proven{why}.", why=reason)
    if told["kind"] in ("bound", "infimum") and told["gap"] >= told["objective"]:
        return say("{sentence}.", **told)
    least = "the infimum" if told["kind"] == "infimum" else "the optimum"
    text = f"These coefficients are at most {{gap:up}} nats above {least}"
    text += ", and at least {lower:down}" if told["lower"] > 0.0 else ""
    text += ", in the model without the collinear directions" if told["kind"] == "reduced" else ""
    return say(text + "{why}.", gap=told["gap"], lower=told["lower"], why=reason)


def of_result(result: Any) -> list[Block]:
    """Describe what `chainrule.fit` returned."""
    told, b, proven = result.to_dict(), float(result.b), result.certificate
    document = {
        "result": told, "negative": str(result.classes[0]), "positive": str(result.classes[1]),
        "intercept": {"b": b, **how_near(b, proven.intercept)}, **by_column(result),
    }  # fmt: skip
    loss = say("{loss:f}, accuracy {accuracy:%} on the training rows", **told)
    above = [
        verdict(told),
        Heading(say("Logistic regression of {n_rows:row}", **told)),
        Facts([*_asked(told), *ending(told)[:1], ("log-loss", loss)]),
        *missing(document, SHOWN_MISSING),
    ]
    below = [
        *bullets("Notes", [*of_columns(result.findings), *notes(told)]),
        Heading("How it learned"),
        *certificate(told, result.trace),
        learning_curves(result.trace, method_of(told).by_reads, {}),
    ]
    room = PAGE - as_text([*above, *below]).count("\n") - AROUND
    heading, *tables = coefficients(document, max(min(room, SHOWN), LEAST))
    return [*above, heading, Beside([[odds_chart(document)], tables]), *below]


def of_model(model: Any) -> list[Block]:
    """Describe a model that was loaded: what it predicts, what it was fitted to, its coefficients, what is proven."""
    told, b = {"certificate": {"kind": "none"}, **model.info}, model.b
    target = say("{target:name}: {positive:name} is y = 1, {negative:name} is y = 0", **model.schema.labels)
    facts = [("target", target), ("objective", told.get("objective_line")), ("training", told.get("message"))]
    bias = {"b": b, **how_near(b, told["certificate"].get("intercept"))}
    document = {**model.schema.labels, "result": told, "intercept": bias, **by_column_of(model)}
    return [
        *([verdict(told)] if "verdict" in told else []),
        Heading(say("Model fitted to {n_rows:row}", **told)),
        Facts([(name, text) for name, text in facts if text]),
        *coefficients(document),
    ]


def of_certificate(proven: Any) -> list[Block]:
    """Describe what a certificate proves."""
    return certificate({"certificate": proven.to_dict()})


def of_trace(trace: Any) -> list[Block]:
    """Show what a run recorded: the epochs 0, 1, 10, 100, ... and the last as a table, and its curves."""
    epochs = trace.columns["epoch"]
    shown = [k for k, epoch in enumerate(epochs) if epoch in (0, 1, 10, 100, 1000, 10_000) or epoch == epochs[-1]]
    table = Table.from_entries(
        [{name: column[k].item() for name, column in trace.columns.items()} for k in shown],
        ("epoch", "epoch", ""), ("log-loss", "loss", "f"), ("held out", "held_out_loss", "f"),
        ("accuracy", "accuracy", "%"), ("largest dL_dw", "grad_norm", "2"), ("F - F* at most", "gap", "2"),
    )  # fmt: skip
    note = [say("{it}", "note", it=trace.note)] if trace.note else []
    return [Heading(f"{counted(len(trace), 'epoch')} of training"), table, *note, learning_curves(trace, False, {})]
