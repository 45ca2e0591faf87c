"""One row forward and backward, in a terminal."""

from rich.console import Console

from chainrule.documents.layout import DIM, print_facts, print_heading, print_table, print_text
from chainrule.documents.screen.words import (
    BIAS,
    SHOWN,
    TINY,
    Document,
    Rows,
    counted,
    factor,
    fixed,
    number,
    power,
    shown,
    smaller,
)

PARTS = {"training": "a training row", "held out": "held out", "other": "not among the training rows"}


def print_explanation(console: Console, document: Document) -> None:
    """Print one row forward and backward: values, contributions, local derivatives, the chain rule, the shares."""
    told = document["explanation"]
    target, positive = shown(document["target"]), shown(document["positive"])
    unit = "step" if document["method"].startswith("newton") else "epoch"
    if told["epoch"] is None:
        when = f"after the last {unit}, {document['epochs']:,}"
    else:
        when = f"after {unit} {told['epoch']:,}" if told["epoch"] else f"at the start, before the first {unit}"
    if told["y"] is None:
        known = f"{target} unknown"
    else:
        known = f"{target} is {shown(told['label'])}, y = {told['y']:g}; {PARTS[told['part']]}"
    print_heading(console, f"Row {told['row']} ({known}) {when}")
    print_text(console, "forward: x, w, b -> z -> g" + ("" if told["y"] is None else " -> L"), style=DIM)
    _print_forward(console, told)
    console.print()
    print_text(console, f"z = x · w + b = {number(told['z'], 6)}, the log-odds of {positive}")
    print_text(console, told["chain"]["g"])
    if told["y"] is None:
        print_text(console, "Without a label there is no loss, and nothing goes backward.", style=DIM)
        return
    print_text(console, told["chain"]["L"])
    console.print()
    print_text(console, "backward: L -> g -> z -> w, b", style=DIM)
    for key in ("dL_dg", "dg_dz", "dL_dz", "dL_db"):
        print_text(console, told["chain"][key])
    console.print()
    _print_backward(console, document)
    console.print()
    print_facts(console, _share_lines(document))


def _in_order(told: Document) -> tuple[list[Document], Rows]:
    """Sort features as the path goes, the largest contribution first; the second part counts those not shown."""
    place = {name: at for at, (name, _) in enumerate(told["path"][1:])}
    features = sorted(told["features"], key=lambda entry: place[entry["name"]])
    left = len(features) - SHOWN
    return features[:SHOWN], [[smaller(left)]] if left > 0 else []


def _print_forward(console: Console, told: Document) -> None:
    features, rest = _in_order(told)
    so_far = dict(told["path"][1:])
    scaled = any(entry["x_user"] != entry["x"] for entry in features)
    rows = [[BIAS, *([""] if scaled else []), "", factor(told["b"]), factor(told["b"]), "", fixed(told["path"][0][1])]]
    for entry in features:
        rows.append(
            [
                entry["name"],
                *([f"{entry['x_user']:.6g}"] if scaled else []),
                factor(entry["x"], TINY),
                factor(entry["w"]),
                factor(entry["contribution"], TINY),
                "1" if abs(entry["contribution"]) < TINY else number(entry["odds_factor"], 3),
                fixed(so_far[entry["name"]]),
            ]
        )
    heads = ["feature", *(["value"] if scaled else []), "x", "w", "x w", "odds times", "g so far"]
    print_table(console, heads, rows + rest)


def _print_backward(console: Console, document: Document) -> None:
    told, whole = document["explanation"], document["whole_gradient"]
    features, rest = _in_order(told)
    place = {entry["name"]: at for at, entry in enumerate(told["features"])}
    penalty = told["alpha"] > 0
    columns = ["dL_dw = dL_dz dz_dw", "dz_dw", "dL_dw", "share"]
    rows = [[BIAS, "1", factor(told["dL_db"]), power(told["share_b"])]]
    rows += [
        [entry["name"], factor(entry["dz_dw"], TINY), factor(entry["dL_dw"]), power(entry["share"])]
        for entry in features
    ]
    if whole is not None:
        columns.append("all rows")
        rows[0].append(power(whole["dL_db"]))
        for row, entry in zip(rows[1:], features, strict=True):
            row.append(power(whole["dL_dw"][place[entry["name"]]]))
    if penalty:
        columns.append("alpha w")
        for row, entry in zip(rows[1:], features, strict=True):
            row.append(power(entry["penalty_gradient"]))
        rows[0].append("")
    print_table(console, columns, rows + rest)


def _share_lines(document: Document) -> list[tuple[str, str]]:
    told, whole = document["explanation"], document["whole_gradient"]
    lines = []
    if whole is not None:
        which = "trained on" if whole["training_rows"] else "with a label here (they are not those trained on)"
        adds = {
            "training": "what this row adds to the gradient",
            "held out": "what this row would add to the gradient, but it was held out and adds nothing",
            "other": "what this row would add to the gradient over the rows of this table",
        }
        lines.append(("share", f"{told['weight']:g}/{whole['sum_weights']:g} of dL_dw: {adds[told['part']]}"))
        lines.append(("all rows", f"the sum of the shares of the {counted(whole['rows'], 'row')} {which}"))
    if told["alpha"] > 0:
        lines.append(("alpha w", "the penalty's part; at the optimum it and the rows' part cancel"))
    if told["note"]:
        lines.append(("note", told["note"]))
    check = told["check"]
    lines.append(
        ("checked", f"against {check['method']}: the largest relative error is {number(check['max_error'], 2)}")
    )
    return lines
