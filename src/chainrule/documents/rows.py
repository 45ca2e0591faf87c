"""Describes one row: forward, the chain rule step by step, backward, and what was checked."""

from collections.abc import Mapping
from typing import Any

from chainrule.documents.blocks import Block, Chart, Facts, Formula, Heading, Table, Text, say
from chainrule.documents.results import method_of
from chainrule.documents.variables import SHOWN, rest
from chainrule.words import BIAS, counted, shortened

Document = Mapping[str, Any]

LEVEL = 24  # most terminal cells of a level among the values

PARTS = {  # the row's part of the data, and the meaning of its share
    "training": ("; a training row", "what this row adds to the gradient"),
    "held out": ("; held out", "what this row would add to the gradient, but it was held out and adds nothing"),
    "left out": (
        "; not trained on, as a value is missing",
        "what this row would add to the gradient, but it adds nothing",
    ),
    "other": ("; not among the training rows", "what this row would add to the gradient over the rows of this table"),
}


def explanation(document: Document) -> list[Block]:
    """Describe one row forward and backward: values, contributions, derivatives, the chain rule, its share of the gradient."""
    told = document["explanation"]
    known, forward, (backward, left) = told["y"] is not None, _forward(document), _backward(document)
    # in the table's own units, a column's value is its x
    scaled = any(entry["x_user"] != entry["x"] for entry in told["features"])
    own = "x" if scaled or "variables" not in told else ""
    runs = "Values run forward from x, w and b to L; derivatives run back, and the chain rule multiplies them."
    blocks: list[Block] = [
        Heading(_heading(document)),
        *document.get("preface", ()),
        Chart(lambda: _graph(told, is_narrow=True),
              runs if known else "Without a class there is no loss, so the graph ends at g.", lambda: _graph(told)),
        Heading("forward: x, w, b -> z -> g" + (" -> L" if known else ""), 3),
        Table.from_entries(
            forward, ("feature", "name", "name"), ("value", "value", "g"), ("x", own, "4"),
            ("w", "w", "4"), ("x w", "contribution", "4"), ("odds times", "odds_factor", "3"), ("g so far", "g", "f"),
        ),
        *rest(len(told.get("variables", told["features"]))),
        *([say("x is in the units of the fit: the value less its mean, over its SD.", "note")] if scaled else []),
        say("z = x · w + b = {z:g}, the log-odds", z=told["z"]),
        Formula(told["chain"]["g"]),
    ]  # fmt: skip
    if not known:
        return [*blocks, say("Without a label there is no loss, and nothing goes backward.", "note")]
    return [
        *blocks,
        Formula(told["chain"]["L"]),
        Heading("backward: L -> g -> z -> w, b", 3),
        *(Formula(told["chain"][key]) for key in ("dL_dg", "dg_dz", "dL_dz")),
        Formula(told["chain"]["stable"], "stable form of g - y"),
        *_strongest(told),
        Formula(told["chain"]["dL_db"]),
        Table.from_entries(
            backward, ("dL_dw = dL_dz dz_dw", "name", "name"), ("dz_dw", "dz_dw", "4"), ("dL_dw", "dL_dw", "4"),
            ("share", "share", "e"), ("all rows", "all_rows", "e"),
            ("alpha w", "penalty_gradient" if told["alpha"] > 0 else "", "e"),
        ),
        *left,
        Facts(_shares(document)),
        *_step(document),
        *_next(document),
    ]  # fmt: skip


def _heading(document: Document) -> Text:
    told = document["explanation"]
    part, _ = PARTS.get(told.get("part"), ("", ""))
    known = " unknown" if told["y"] is None else f" is {{label:name}}, y = {{y:g}}{part}"
    when = ""
    if "method" in document:
        unit, epoch = method_of(document).noun, told["epoch"]
        when = f" after the last {unit}, {document['epochs']:,}" if epoch is None else f" after {unit} {epoch:,}"
        when = f" at the start, before the first {unit}" if epoch == 0 else when
    text = f"{'One row' if told['row'] is None else 'Row {row}'} ({{target:name}}{known}){when}"
    label = f"{told['y'] or 0.0:g}" if told["label"] is None else told["label"]
    return say(text, **{**told, "label": label, "target": document.get("target", "its class")})


def _forward(document: Document) -> list[dict[str, Any]]:
    """Return the bias, and the columns of a table or the features, the largest contribution first: the path to g."""
    told = document["explanation"]
    bias = {"name": BIAS, "w": told["b"], "contribution": told["b"], "g": told["path"][0][1]}
    if "variables" in told:
        some = told["variables"][:SHOWN]
        levels = [shortened(part["value"], LEVEL) if isinstance(part["value"], str) else part["value"] for part in some]
        return [bias, *({**part, "value": level} for part, level in zip(some, levels, strict=True))]
    scaled = any(entry["x_user"] != entry["x"] for entry in told["features"])
    features = {entry["name"]: {**entry, "value": entry["x_user"] if scaled else None} for entry in told["features"]}
    return [bias, *({**features[name], "g": g} for name, g in told["path"][1 : SHOWN + 1])]


def _backward(document: Document) -> tuple[list[dict[str, Any]], list[Text]]:
    """Return the bias and the features in the order of the path, and how many are left out: levels that the row lacks."""
    told, whole = document["explanation"], document.get("whole_gradient")
    sums = whole["dL_dw"] if whole else [None] * len(told["features"])
    bias = {"name": BIAS, "dz_dw": 1.0, "dL_dw": told["dL_db"], "share": told["share_b"],
            "all_rows": whole and whole["dL_db"]}  # fmt: skip
    features = {
        entry["name"]: {**entry, "all_rows": total} for entry, total in zip(told["features"], sums, strict=True)
    }
    ordered = [features[name] for name, _ in told["path"][1:]]
    if "variables" not in told:
        return [bias, *ordered[:SHOWN]], rest(len(ordered))
    numbers = {part["name"] for part in told["variables"] if not isinstance(part["value"], str)}
    present = [entry for entry in ordered if entry["x"] != 0.0 or entry["name"] in numbers]
    absent, more = len(ordered) - len(present), rest(len(present))
    zeros = [say("and {n:coefficient} with x = 0, and so dL_dw = 0", "note", n=absent)] if absent else []
    return [bias, *present[:SHOWN]], [*more, *zeros]


def _step(document: Document) -> list[Block]:
    """Describe gradient descent's update: this row, the other rows, their mean, then w before and after, and F."""
    told, whole = document["explanation"], document.get("whole_gradient")
    step = whole and whole.get("step")
    if not whole or not step:
        return []
    names, batch = [entry["name"] for entry in told["features"]], step["batch"]
    of_w = zip(names, *(step[key] for key in ("share", "dL_dw", "w", "w_new")), strict=True)
    bias = (BIAS, *(step[key] for key in ("share_b", "dL_db", "b", "b_new")))
    lines = [
        {"name": name, "own": own, "others": mean - own, "penalty": penalty, "dL_dw": mean + penalty, "w": w,
         "step": new - w, "new": new}
        for name, own, mean, w, new in (*of_w, bias) for penalty in [told["alpha"] * w * (name is not BIAS)]
    ]  # fmt: skip
    lines.sort(key=lambda of: -abs(of["dL_dw"]))
    lines = lines[:SHOWN]
    rate, of = f"{step['learning_rate']:.4g}", " of this update" if batch else ""
    change, is_own = step["objective_new"] - step["objective"], step["weight"] > 0
    # with weights, a batch is divided by its rows' share of all weights
    mean = "dL_dw is the " + (
        "sum over {rows:row} of the batch, divided by {sum_weights:g}" if batch else "mean over {rows:row}"
    )
    mean += ": this row adds {weight:g}/{sum_weights:g} of its own." if is_own else ", and this row isn’t one of them."
    mean += " The penalty adds alpha w." if told["alpha"] > 0 else ""
    if batch:
        mean = ("In epoch {epoch} the row is in mini-batch {number} of {of}. At the weights where this update starts, it has "
                "z = {z:g}, g = {g:g} and dL_dz = {dL_dz:g}. " + mean)  # fmt: skip
    moves = f"{{F}} {'rises' if change > 0 else 'falls'} by {{change:3}}, from {{objective:g}} to {{objective_new:g}}."
    return [
        Heading("from the rows to the step", 3),
        say(mean, **step, **(batch or {"rows": whole["rows"]})),
        Table.from_entries(
            lines, ("feature", "name", "name"), ("dL_dw", "dL_dw", "4"), ("this row", "own", "4"),
            ("other rows", "others", "4"), ("alpha w", "penalty" if told["alpha"] > 0 else "", "4"),
        ),
        *rest(len(names) + 1),
        say(f"The update goes against it: w_new = w - {rate} dL_dw, where {rate} is the learning rate{of}."),
        Table.from_entries(
            lines, ("feature", "name", "name"), ("w", "w", "4"), ("w_new", "new", "4"), (f"-{rate} dL_dw", "step", "4"),
        ),
        say(moves, **step, change=abs(change), F="F of the batch" if batch else "F"),
    ]  # fmt: skip


def _next(document: Document) -> list[Block]:
    """Put the row's numbers beside those at the next epoch."""
    told, after = document["explanation"], document["explanation"].get("next")
    if not after:
        return []
    unit, epoch = method_of(document).noun, document["epochs"] if told["epoch"] is None else told["epoch"]
    names = {"z": "z", "g": "g", "L": "loss", "dL_dz": "dL_dz"}
    lines = [{"name": name, "now": told[key], "next": after[key], "change": after[key] - told[key]}
             for name, key in names.items()]  # fmt: skip
    ratio = after["dL_dz"] / told["dL_dz"] if told["dL_dz"] else 1.0
    return [
        Heading(f"this row at the next {unit}", 3),
        Table.from_entries(
            lines, ("", "name", ""), (f"{unit} {epoch:,}", "now", "6"), (f"{unit} {epoch + 1:,}", "next", "6"),
            ("change", "change", "3"),
        ),
        say("Each dL_dw of the row is dL_dz times its x, so all of them change by the same factor: {ratio:6}.", ratio=ratio),
    ]  # fmt: skip


def _strongest(told: Document) -> list[Formula]:
    """Write dL/dw with its numbers, for the feature with the largest derivative."""
    lines = zip(told["features"], told["chain"]["dL_dw"], strict=True)
    ranked = sorted(lines, key=lambda line: -abs(line[0]["dL_dw"]))
    return [Formula(text, say("{name:name}", name=entry["name"])) for entry, text in ranked[:1]]


def _shares(document: Document) -> list[tuple[str, Any]]:
    told, whole, check = document["explanation"], document.get("whole_gradient"), document["explanation"]["check"]
    facts: list[tuple[str, Any]] = []
    if whole is not None:
        which = "trained on" if whole["training_rows"] else "with a label in this table (not the training rows)"
        facts += [("share", f"{told['weight']:g}/{whole['sum_weights']:g} of dL_dw: {PARTS[told['part']][1]}"),
                  ("all rows", f"the sum of the shares of the {counted(whole['rows'], 'row')} {which}")]  # fmt: skip
    penalty = "the penalty's part; at the optimum it and the rows' part cancel"
    facts += [("alpha w", penalty)] if told["alpha"] > 0 else []
    facts += [("note", told["note"])] if told["note"] else []
    some = " of the {n_checked} largest of {n_entries} derivatives" if check["n_checked"] < check["n_entries"] else ""
    checked = say(f"against {{method}}: the largest relative error{some} is {{max_error:2}}", **check)
    return [*facts, ("checked", checked)]


def of_explanation(row: Any) -> list[Block]:
    """Describe what `chainrule.explain_row` returned."""
    context = dict(row.context)
    told = row.to_dict() | {name: context.pop(name, None) for name in ("part", "next")}
    return explanation({**context, "explanation": told})


def _graph(told: Document, *, is_narrow: bool = False) -> str:
    from chainrule.charts.graph_picture import NARROW, WIDE, row_graph

    return row_graph(told, NARROW if is_narrow else WIDE)
