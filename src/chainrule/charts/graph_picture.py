"""The article's computation graph for one row, with formulas and numbers: x, w, b first, then z, g and L.

Values flow forward, derivatives back. Source: Christoph Winkler, "Neural Networks and Logistic Regression - Backpropagation
in Detail" (its picture computation_graph.png).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from chainrule.charts.canvas import Drawing, Picture, drawing
from chainrule.words import counted, formula, pretty, shortened

SHOWN = 12
# for each node: its name, its x, the x of its formula, and the formula
_NODES = (
    ("z", 640, 616, r"z = \sum x_j w_j + b"),
    ("g", 800, 776, r"g = \dfrac{1}{1+e^{-z}}"),
    ("L", 1060, 862, r"L = -y\,\log g - (1-y)\,\log(1-g)"),
)
# for each local derivative: its x, its name, and its formula
_BACKWARD = (
    (668, "∂g/∂z", r"\dfrac{\partial g}{\partial z} = g\,(1-g)"),
    (880, "∂L/∂g", r"\dfrac{\partial L}{\partial g} = \dfrac{1-y}{1-g} - \dfrac{y}{g}"),
)
_CHAIN = r"\dfrac{\partial L}{\partial %s} = \dfrac{\partial L}{\partial %s}\,\dfrac{\partial %s}{\partial %s}"
_STABLE = r"\dfrac{\partial L}{\partial z} = g - y"

Explanation = Mapping[str, Any]
Feature = tuple[int, Mapping[str, Any]]  # its number, from 1, and what it does
_Flow = tuple[str, ...]  # one input of z: a name, its value, x, w, their product, dL/dw, dz/dw; arguments of `_inflow`


def row_graph(e: Explanation) -> Picture:
    """Draw the computation graph of one row with its values, local derivatives and chain-rule products.

    e: from `RowExplanation.to_dict()`. Without a class y the graph ends at g. Features are in order of their contributions,
    the largest at the top; of more than 12, only the first 12 are drawn, and the sum of the others. Several whose x is 0 count
    among the others.
    """
    known, dL_dz = e["y"] is not None, e["stable"]
    features = sorted(enumerate(e["features"], start=1), key=lambda feature: -abs(feature[1]["contribution"]))
    zeros = [feature for feature in features if feature[1]["x"] == 0.0]
    there = features if len(zeros) < 2 else [feature for feature in features if feature[1]["x"] != 0.0]
    shown, others = there[:SHOWN], [f["contribution"] for _, f in features if f not in [g for _, g in there[:SHOWN]]]
    flows = [_flow(j, f, dL_dz) for j, f in shown]
    if others:
        more = f"{len(others)} with x = 0" if len(others) == len(zeros) else counted(len(others), "more feature")
        flows.append((f"+ {more}", "", "", "", f"Σ xⱼwⱼ = {pretty(sum(others))}"))
    dL_db = f"∂L/∂b = {pretty(dL_dz)} · 1 = {pretty(e['dL_db'])}" if known else ""
    flows.append(("bias", "", "", f"b = {pretty(e['b'])}", "", dL_db, f"∂z/∂b = {pretty(e['dz_db'])}"))
    products = _products(e, shown) if known else []
    label = f" ({shortened(e['label'], 24)})" if e["label"] is not None else ""
    epoch = f", epoch {e['epoch']:,}" if e["epoch"] is not None else ""
    row, y = f"Row {e['row']}" if e["row"] is not None else "One row", f"= {pretty(e['y'])}" if known else "unknown"
    title, middle = f"{row}, y {y}{label}{epoch}", max(62.0 + 31 * len(flows), 190.0)
    height = max(80 + 62 * len(flows), middle + (150 + 46 * len(products) if known else 110))
    with drawing(1100, height) as d:
        d.text(10, 24, title, size=15, bold=True)
        d.text(800, 26, "→ forward: values")
        d.text(930, 26, "← backward: derivatives", "backward")
        top = middle - 31 * (len(flows) - 1)
        says = [_inflow(d, top + 62 * k, middle, *flow) for k, flow in enumerate(flows)]
        says += [*_chain(d, e, middle), *(line for _, line in products)]
        for k, (tex, line) in enumerate(products):
            numbers = line.split(" = ", 2)[2]
            d.formula(616, middle + 132 + 46 * k, tex, f"= {numbers}", "backward" if ":" in numbers else "ink")
        if known:
            checked = f"gradient check: largest relative error {pretty(e['check']['max_error'], 2)}"
            d.text(616, middle + 126 + 46 * len(products), checked, "muted")
        return d.picture("graph", f"Computation graph of {title[0].lower()}{title[1:]}", "; ".join(says) + ".")


def _flow(j: int, f: Mapping[str, Any], dL_dz: float | None) -> _Flow:
    value = f"value {pretty(f['x_user'])}" if f["x_user"] != f["x"] else ""
    x, w = formula(f"x_{j}"), formula(f"w_{j}")
    dL = "" if dL_dz is None else f"∂L/∂{w} = {pretty(dL_dz)} · {pretty(f['dz_dw'])} = {pretty(f['dL_dw'])}"
    product, dz = f"{x}{w} = {pretty(f['contribution'])}", f"∂z/∂{w} = {pretty(f['dz_dw'])}"
    return str(f["name"]), value, f"{x} = {pretty(f['x'])}", f"{w} = {pretty(f['w'])}", product, dL, dz


def _products(e: Explanation, shown: Sequence[Feature]) -> list[tuple[str, str]]:
    """Return lines of the chain rule, each with its formula: dL/dz in both forms, the largest dL/dw, dL/db."""
    chain = e["chain"]
    lines = [(_CHAIN % ("z", "g", "g", "z"), chain["dL_dz"]), (_STABLE, chain["stable"])]
    for j, _ in sorted(shown, key=lambda feature: -abs(feature[1]["dL_dw"]))[:1]:
        w = f"w_{{{j}}}"
        lines.append((_CHAIN % (w, "z", "z", w), chain["dL_dw"][j - 1]))
    lines.append((_CHAIN % ("b", "z", "z", "b"), chain["dL_db"]))
    return [(tex, formula(line)) for tex, line in lines]


def _inflow(
    d: Drawing, y: float, z: float, name: str, value: str, x: str, w: str, product: str, dL: str = "", dz: str = ""
) -> str:
    """Draw one input at height y, with a line to node z at height z; return its description."""
    d.line([(284 if x else 294, y), (530, y)])
    d.line([(530, y), (580, y), (556, z), (615, z)], curved=True)
    if dL:  # back along the same way, to the weight
        d.line([(615, z + 6), (550, z + 6), (576, y + 7), (530, y + 7)], "backward", curved=True)
        d.line([(530, y + 7), (402, y + 7)], "backward", arrow=True)
    d.text(10, y + (-1 if value else 4), shortened(name, 20), size=12.5, tip=name)
    d.text(10, y + 15, value, "muted")
    for left, words in ((178, x), (294, w)):
        if words:
            d.box(left, y - 14, 106, 28)
            d.text(left + 53, y + 4.5, words, size=13, room=98, anchor="center")
    d.text(410, y - 6, product, room=130)
    d.text(410, y + 22, dz, "backward", room=130)
    d.text(398, y + 30, dL, "backward", anchor="right", room=290)
    return ", ".join(filter(None, (f"{name}: {x}", w, product, dL, dz)))


def _chain(d: Drawing, e: Explanation, y: float) -> list[str]:
    """Draw z -> g -> L at height y, with formulas and numbers, forward and backward; return their descriptions."""
    known, says = e["y"] is not None, []
    nodes = _NODES[: 2 + known]
    for (name, x, left, tex), key in zip(nodes, ("z", "g", "loss"), strict=False):
        d.formula(left, y - 64, tex)
        d.text(left, y - 34, f"= {pretty(e[key])}", size=13.5, bold=True)
        d.box(x - 24, y - 24, 48, 48, "ink", radius=24)
        d.formula(x, y + 7, name, size=22, anchor="center")
        says.append(f"{name} = {pretty(e[key])}")
    for (_, start, *_), (_, end, *_), (left, name, tex) in zip(nodes, nodes[1:], _BACKWARD, strict=False):
        d.line([(start + 25, y - 5), (end - 25, y - 5)], "ink", arrow=True)
        d.line([(end - 25, y + 5), (start + 25, y + 5)], "backward", arrow=True)
        slope = e["dg_dz"] if name == "∂g/∂z" else e["dL_dg"]
        told = "divides by zero" if slope is None else f"= {pretty(slope)}"
        d.formula(left, y + 48, tex, role="backward")
        d.text(left, y + 78, told, "backward", size=13.5, bold=True)
        says.append(f"{name} {told}")
    if known:
        d.line([(1060, y + 56), (1060, y + 25)], "ink", arrow=True)
        d.text(1060, y + 72, f"y = {pretty(e['y'])}", size=13, anchor="center")
    else:
        d.text(880, y + 48, "y is unknown: no loss, no gradient", "muted", size=13)
    return says
