"""Describes a fit, its certificate, predictions, and what `certify` proved, from the documents that `--json` prints."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.certificate import digits_of
from chainrule.documents.blocks import Beside, Block, Chart, Facts, Heading, Table, Text, Words, bullets, say
from chainrule.fitting.methods import METHODS, Method
from chainrule.fitting.verdict import WARNED
from chainrule.words import counted

Document = Mapping[str, Any]

BIAS = "b (bias)"  # a feature may be called b
SHOWN = 30  # features in a table
SHOWN_PREDICTIONS = 20


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
        setting(document),
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
             *["{set_aside} set aside, {target:name} unknown"] * bool(counts["set_aside"])]  # fmt: skip
    target = say("{target:name}: {positive:name} is y = 1, {negative:name} is y = 0", **document)
    rows = say(", ".join(parts), **{**document, **counts})
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
    coded = zip(result["findings"][1:], result["warnings"], strict=True)
    return [text for found, text in coded if found["code"] != how and WARNED + text != result["verdict"]]


def figures(parts: Mapping[str, Document | None]) -> Table:
    """Compare loss, accuracy and AUC of parts of the rows with predicting the base rate for every row."""
    return Table.from_entries(
        [{**part, "part": name} for name, part in parts.items() if part],
        ("", "part", ""), ("rows", "rows", ""), ("log-loss", "loss", "f"), ("(base rate)", "base_loss", "f"),
        ("accuracy", "accuracy", "%"), ("(base rate)", "base_accuracy", "%"), ("AUC", "auc", "f"),
    )  # fmt: skip


def coefficients(document: Document) -> list[Block]:
    """List coefficients and odds ratios, per unit and per standard deviation (SD); only the strongest if there are many."""
    entries = [{**entry, "w_sd": entry["sd"] and entry["w"] * entry["sd"], "effect": _effect(entry)}
               for entry in document["coefficients"]]  # fmt: skip
    digits = ("proven digits", "digits" if document["result"]["certificate"]["kind"] == "bound" else "", "")
    columns = (digits, ("odds ratio", "odds_ratio", "4"), ("w per SD", "w_sd", "4"),
               ("odds ratio per SD", "odds_ratio_sd", "4"))  # fmt: skip
    heading = Heading(say("Coefficients: log-odds of {positive:name}", **document))
    return [heading, *_listed(document, entries, "effect", *columns)]


def _effect(entry: Document) -> float:
    """Return the log-odds of one standard deviation if that is known, else of one unit."""
    return float(entry["w"] * (1.0 if entry["sd"] is None else entry["sd"]))


def _listed(document: Document, entries: Sequence[Document], by: str, *columns: tuple[str, str, str]) -> list[Block]:
    """Tabulate the bias and the coefficients whose entry `by` is largest, in the order of the columns."""
    order = sorted(range(len(entries)), key=lambda j: -abs(entries[j][by] or 0.0))[:SHOWN]
    bias = {**document["intercept"], "name": BIAS, "w": document["intercept"]["b"]}
    names = ("feature", "name", "name"), ("w per unit", "w", "4")
    table = Table.from_entries([bias, *(entries[j] for j in sorted(order))], *names, *columns)
    return [table, *rest(len(entries))]


def rest(count: int) -> list[Text]:
    """Say how many of `count` coefficients are not shown."""
    return [say("and {n:smaller one} (--json gives all)", "note", n=count - SHOWN)] if count > SHOWN else []


def odds_chart(document: Document) -> Chart:
    """Draw the odds ratios, per standard deviation if that is known."""
    from chainrule.charts import charts

    entries = document["coefficients"]
    names, per_sd = [entry["name"] for entry in entries], [entry["sd"] is not None for entry in entries]
    log_odds = [_effect(entry) for entry in entries]
    text = "Odds ratios on a logarithmic axis. Right of 1 speaks for {positive:name}, left of 1 for {negative:name}."
    return Chart(lambda: charts.odds_forest(names, log_odds, per_sd=per_sd), say(text, **document))


def certificate(result: Document, trace: Any = None) -> list[Block]:
    """Describe what is proven about a result, and how its run reached it."""
    told = result["certificate"]
    said = [say("{sentence}.", "lead", **told)]
    tiles: list[tuple[str, Any]] = []
    if told["kind"] == "bound" and told["gap"] < told["objective"]:
        said = [say("No coefficients can lower the objective by more than {gap:up} nats.", "lead", **told),
                say("Proven, rounding included: there is exactly one optimum.")]  # fmt: skip
        digits = sorted({min(told["digits"], default=0), max(told["digits"], default=0)})
        tiles.append(("proven digits of w", " to ".join(map(str, digits))))
    tiles += [("Hessian of", told["hessian_rows"])] if told["hessian_rows"] else []
    tiles += [("left by rounding", say("{noise:2}", **told))] if told["noise"] is not None else []
    blocks: list[Block] = [*said, *([Facts(tiles, "tiles")] if tiles else [])]
    if trace is None or told["kind"] == "none":
        return blocks
    from chainrule.charts.curves import gap_curve

    how = {"tol": result["tol"], "exists": told["kind"] != "infimum"}
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
    return [*blocks, *_listed(document, entries, "error", *columns)]


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


def evaluation(document: Document) -> list[Block]:
    """Describe how well a model predicts a table's labels."""
    part, counts = document["figures"], document["figures"]["confusion"]
    negative, positive = document["negative"], document["positive"]
    facts = {"model": "{model}: the probability that {target:name} is {positive:name}", "table": "{table}",
             "base rate": "{base_rate:%} of these rows are {positive:name}"}  # fmt: skip
    confusion = [[f"is {negative}", counts["true_negative"], counts["false_positive"]],
                 [f"is {positive}", counts["false_negative"], counts["true_positive"]]]  # fmt: skip
    return [
        Facts.of(facts, **document, base_rate=part["base_rate"]),
        Heading("How well it does"),
        figures({"this table": part}),
        Heading("Counts"),
        Table.of(["", f"predicted {negative}", f"predicted {positive}"], confusion),
    ]


def of_result(result: Any) -> list[Block]:
    """Describe what `chainrule.fit` returned."""
    told, b, proven = result.to_dict(), float(result.b), result.certificate
    with np.errstate(over="ignore"):
        columns = (result.feature_names, result.w.tolist(), proven.digits.tolist(), np.exp(result.w).tolist())
    document = {
        "result": told, "negative": str(result.classes[0]), "positive": str(result.classes[1]),
        "intercept": {"b": b, **how_near(b, proven.intercept)},
        "coefficients": [{"name": name, "w": w, "sd": None, "digits": digits, "odds_ratio": odds}
                         for name, w, digits, odds in zip(*columns, strict=True)],
    }  # fmt: skip
    loss = say("{loss:f}, accuracy {accuracy:%} on the training rows", **told)
    return [
        verdict(told),
        Heading(say("Logistic regression of {n_rows:row}", **told)),
        Facts([*_asked(told), *ending(told)[:1], ("log-loss", loss)]),
        Beside([coefficients(document), [odds_chart(document)]]),
        *bullets("Notes", notes(told)),
        Heading("How it learned"),
        *certificate(told, result.trace),
        learning_curves(result.trace, method_of(told).by_reads, {}),
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
