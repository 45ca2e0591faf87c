"""The article's computation graph for one row, with formulas and numbers: x, w, b first, then z, g and L.

Values flow forward, derivatives back. Source: Christoph Winkler, "Neural Networks and Logistic Regression - Backpropagation
in Detail" (its picture computation_graph.png).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from chainrule.charts.canvas import Drawing, Picture, drawing
from chainrule.words import counted, pretty, shortened

SHOWN = 12
_LOWERED = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_NODES = (("z", 640), ("g", 800), ("L", 1060))  # and where they stand
# where each formula stands beside the nodes, its name, and the formula
_FORWARD = (
    (616, r"z = \sum x_j w_j + b"),
    (776, r"g = \dfrac{1}{1+e^{-z}}"),
    (862, r"L = -y\,\log g - (1-y)\,\log(1-g)"),
)
_BACKWARD = (
    (668, "∂g/∂z", r"\dfrac{\partial g}{\partial z} = g\,(1-g)"),
    (880, "∂L/∂g", r"\dfrac{\partial L}{\partial g} = \dfrac{1-y}{1-g} - \dfrac{y}{g}"),
)
_CHAIN = r"\dfrac{\partial L}{\partial %s} = \dfrac{\partial L}{\partial %s}\,\dfrac{\partial %s}{\partial %s}"
_STABLE = r"\dfrac{\partial L}{\partial z} = g - y = "

Explanation = Mapping[str, Any]
Product = tuple[str, str, str]  # of the chain rule: what it is, its formula, its numbers


_Flow = tuple[str, str, str, str, str, str, str]  # into z: a name, its value, x, w, their product, dL/dw, dz/dw


def row_graph(e: Explanation) -> Picture:
    """Draw the computation graph of one row with its values, local derivatives and chain-rule products.

    e: what `RowExplanation.to_dict()` gives. Without a class y the graph ends at g. Of more than 12 features the 12 with the
    largest contributions are drawn, and the sum of the others.
    """
    features = list(enumerate(e["features"], start=1))
    if len(features) > SHOWN:
        features.sort(key=lambda f: -abs(f[1]["contribution"] or 0.0))
    known, rest = e.get("y") is not None, [f["contribution"] or 0.0 for _, f in features[SHOWN:]]
    flows = [_flow(j, f) for j, f in features[:SHOWN]]
    if rest:
        flows.append((f"+ {counted(len(rest), 'more feature')}", "", "", "", f"Σ xⱼwⱼ = {pretty(sum(rest))}", "", ""))
    dL_db = f"∂L/∂b = {pretty(e['dL_db'])}" if known else ""
    flows.append(("bias", "", "", f"b = {pretty(e['b'])}", "", dL_db, f"∂z/∂b = {pretty(e.get('dz_db', 1.0))}"))
    products = _products(e, features[:SHOWN]) if known else []
    label = f" ({shortened(e['label'], 24)})" if known and e.get("label") is not None else ""
    epoch = f", epoch {e['epoch']:,}" if e.get("epoch") is not None else ""
    row, y = f"row {e['row']}" if e.get("row") is not None else "one row", f"= {pretty(e['y'])}" if known else "unknown"
    title, middle = f"{row}, y {y}{label}{epoch}", max(62.0 + 31 * len(flows), 190.0)
    height = max(80 + 62 * len(flows), middle + (150 + 46 * len(products) if known else 110))
    with drawing(1100, height) as d:
        d.text(10, 24, title[0].upper() + title[1:], size=15, bold=True)
        d.text(800, 26, "→ forward: values")
        d.text(930, 26, "← backward: derivatives", "backward")
        for k, flow in enumerate(flows):
            _inflow(d, flow, middle + 62 * (k + 0.5 - len(flows) / 2), middle)
        says = [
            ", ".join(filter(None, (f"{name}: {x}", w, product, dL, dz))) for name, _, x, w, product, dL, dz in flows
        ]
        says += [*_chain(d, e, middle), *(f"{name} {text}" for name, _, text in products)]
        for k, (_, tex, text) in enumerate(products):
            d.formula(616, middle + 132 + 46 * k, tex, text, "ink" if text.startswith("=") else "backward", room=470)
        if known and e.get("check"):
            checked = f"gradient check: largest relative error {pretty(e['check']['max_error'], 2)}"
            d.text(616, middle + 126 + 46 * len(products), checked, "muted")
        return d.picture("graph", f"Computation graph of {title}", "; ".join(says) + ".")


def _flow(j: int, f: Mapping[str, Any]) -> _Flow:
    value = f"value {pretty(f['x_user'])}" if f.get("x_user") is not None and f["x_user"] != f["x"] else ""
    x, w = f"x{_low(j)}", f"w{_low(j)}"
    dL = "" if f.get("dL_dw") is None else f"∂L/∂{w} = {pretty(f['dL_dw'])}"
    product, dz = f"{x}{w} = {pretty(f['contribution'])}", f"∂z/∂{w} = {pretty(f['dz_dw'])}"
    return str(f["name"]), value, f"{x} = {pretty(f['x'])}", f"{w} = {pretty(f['w'])}", product, dL, dz


def _products(e: Explanation, shown: Sequence[tuple[int, Mapping[str, Any]]]) -> list[Product]:
    """Give the chain rule with its numbers: the article's form, then the stable one."""
    dz, article = pretty(e["stable"]), f"divides by zero: g rounds to {0 if e['g'] < 0.5 else 1}"
    if e.get("article_product") is not None:
        article = f"= {_factor(e['dL_dg'])} · {_factor(e['dg_dz'])} = {pretty(e['article_product'])}"
    lines = [("∂L/∂z", _CHAIN % ("z", "g", "g", "z"), article)]
    if e["y"] in (0, 1):
        stable = "  (stable form)" if e.get("saturated") else ""
        lines.append(("∂L/∂z", _STABLE + (r"-\sigma(-z)" if e["y"] == 1 else r"\sigma(z)"), f"= {dz}{stable}"))
    if shown:
        j, f = max(shown, key=lambda p: abs(p[1]["dL_dw"] or 0.0))
        product = f"= {_factor(e['stable'])} · {_factor(f['x'])} = {pretty(f['dL_dw'])}"
        lines.append((f"∂L/∂w{_low(j)}", _CHAIN % (f"w_{{{j}}}", "z", "z", f"w_{{{j}}}"), product))
    return [*lines, ("∂L/∂b", _CHAIN % ("b", "z", "z", "b"), f"= {_factor(e['stable'])} · 1 = {pretty(e['dL_db'])}")]


def _low(index: int) -> str:
    return str(index).translate(_LOWERED)


def _factor(value: float | None) -> str:
    return f"({pretty(value)})" if value is not None and value < 0 else pretty(value)


def _inflow(d: Drawing, flow: _Flow, y: float, z: float) -> None:
    """Draw what flows into z, which stands at height z, along height y."""
    name, value, x, w, product, dL, dz = flow
    d.line([(284 if x else 294, y), (530, y)])
    d.line([(530, y), (580, y), (556, z), (615, z)], curved=True)
    d.text(10, y + (-1 if value else 4), shortened(name, 20), size=12.5, tip=name)
    d.text(10, y + 15, value, "muted")
    for left, words in ((178, x), (294, w)):
        if words:
            d.box(left, y - 14, 106, 28)
            d.text(left + 53, y + 4.5, words, size=13, room=98, anchor="center")
    d.text(410, y - 6, product, room=130)
    d.text(410, y + 17, dz, "backward", room=130)
    d.text(398, y + 28, dL, "backward", anchor="right")


def _chain(d: Drawing, e: Explanation, y: float) -> list[str]:
    """Draw z -> g -> L at height y, with formulas and values of what flows forward, and of what flows back; say them."""
    known, says = e.get("y") is not None, []
    nodes = _NODES[: 2 + known]
    for (name, x), (left, tex), key in zip(nodes, _FORWARD, ("z", "g", "loss"), strict=False):
        d.formula(left, y - 64, tex)
        d.text(left, y - 34, f"= {pretty(e[key])}", size=13.5, bold=True)
        d.box(x - 24, y - 24, 48, 48, "ink", radius=24)
        d.formula(x, y + 7, name, size=22, anchor="center")
        says.append(f"{name} = {pretty(e[key])}")
    for (_, start), (_, end), (left, name, tex) in zip(nodes, nodes[1:], _BACKWARD, strict=False):
        d.line([(start + 25, y - 5), (end - 25, y - 5)], "ink", arrow=True)
        d.line([(end - 25, y + 5), (start + 25, y + 5)], "backward", arrow=True)
        slope = e["dg_dz"] if name == "∂g/∂z" else e.get("dL_dg")
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
