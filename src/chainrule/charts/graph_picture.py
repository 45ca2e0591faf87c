"""The article's computation graph for one row, with formulas and numbers: x, w, b first, then z, g and L.

Values flow forward, derivatives back. Source: Christoph Winkler, "Neural Networks and Logistic Regression - Backpropagation
in Detail" (its picture computation_graph.png). It has two layouts: from left to right, and from top to bottom for a phone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from chainrule.charts.canvas import Anchor, Drawing, Picture, drawing, extent, fitting
from chainrule.words import counted, formula, pretty, shortened, wrapped

_NAME = 160.0, 12.5  # pixels for a name, and its size
_LEAST = 11.0  # least size of words; an equation that doesn't fit has two lines
_FORMULAS = (r"z = \sum x_j w_j + b", r"g = \dfrac{1}{1+e^{-z}}", r"L = -y\,\log g - (1-y)\,\log(1-g)")
_SLOPES = (
    ("∂g/∂z", r"\dfrac{\partial g}{\partial z} = g\,(1-g)"),
    ("∂L/∂g", r"\dfrac{\partial L}{\partial g} = \dfrac{1-y}{1-g} - \dfrac{y}{g}"),
)
_CHAIN = r"\dfrac{\partial L}{\partial %s} = \dfrac{\partial L}{\partial %s}\,\dfrac{\partial %s}{\partial %s}"
_STABLE = r"\dfrac{\partial L}{\partial z} = g - y"

Explanation = Mapping[str, Any]
Feature = tuple[int, Mapping[str, Any]]  # its number, from 1, and what it does
Point = tuple[float, float]


@dataclass(frozen=True)
class _Flow:
    """One input of z in words: what it gives, and what comes back to its weight."""

    name: str
    short: str
    w: str
    value: str = ""
    x: str = ""
    product: str = ""
    dz: str = ""
    dL: str = ""


class _Place(NamedTuple):
    """Where words are, from the left end of the picture and from the height of what they belong to, and their room."""

    x: float
    y: float
    room: float
    anchor: Anchor = "left"
    role: str = "ink"
    size: float = 12


@dataclass(frozen=True)
class _Layout:
    """Where things are, in CSS pixels. Nodes and what follows are at a height from z's."""

    width: float
    title: Point  # left end, room
    legend: tuple[tuple[str, float, float], ...]  # words and place: forward, backward
    most: int  # features that are drawn
    first: float  # height of the first input, at least
    gap: float  # from one input to the next
    is_above: bool  # inputs are above z, not left of it
    words: Mapping[str, _Place]  # of an input
    x: float  # middle of the box of x
    w: float  # middle of the box of w
    box: float  # their width
    lane: tuple[float, float, float, float]  # the line from an input to z: its corner, control points, end
    entry: float  # height of its end
    back: Point  # from this line to the derivative's
    arrow: float  # where the derivative's arrow meets w
    nodes: tuple[Point, Point, Point]  # z, g, L
    formulas: tuple[tuple[float, float, float], ...]  # with the room of their values
    slopes: tuple[Point, Point]
    unknown: Point  # words in place of the loss
    products: Point
    size: float  # of formulas


WIDE = _Layout(
    width=1100, title=(10, 770), legend=(("→ forward: values", 800, 26), ("← backward: derivatives", 930, 26)),
    most=12, first=93, gap=62, is_above=False,
    words={"short": _Place(10, 2, 160, size=12.5), "value": _Place(10, 17, 160, role="muted"),
           "product": _Place(410, -6, 130), "dz": _Place(410, 22, 130, role="backward"),
           "dL": _Place(398, 32, 290, "right", "backward")},
    x=231, w=347, box=106, lane=(530, 580, 556, 615), entry=0, back=(0, 7), arrow=402,
    nodes=((640, 0), (800, 0), (1060, 0)), formulas=((616, -64, 136), (758, -64, 132), (896, -64, 200)),
    slopes=((668, 48), (880, 48)), unknown=(868, 48), products=(616, 132), size=15,
)  # fmt: skip
NARROW = _Layout(
    width=358, title=(2, 340), legend=(("↓ forward: values", 2, 46), ("↑ backward: derivatives", 150, 46)),
    most=8, first=108, gap=100, is_above=True,
    words={"short": _Place(51, -24, 160, size=12.5), "value": _Place(357, -24, 145, "right", "muted"),
           "product": _Place(51, 31, 153), "dz": _Place(207, 31, 150, role="backward"),
           "dL": _Place(51, 48, 306, role="backward")},
    x=282, w=126, box=150, lane=(21, 21, 21, 21), entry=-24, back=(10, 7), arrow=48,
    nodes=((26, 0), (26, 148), (26, 296)), formulas=((62, -6, 290), (62, 142, 290), (62, 290, 290)),
    slopes=((50, 65), (50, 213)), unknown=(2, 213), products=(2, 420), size=16,
)  # fmt: skip


def row_graph(e: Explanation, at: _Layout = WIDE) -> Picture:
    """Draw the computation graph of one row with its values, local derivatives and chain-rule products.

    e: from `RowExplanation.to_dict()`. Without a class y the graph ends at g. Features are in order of their contributions,
    the largest at the top; of many, the first are drawn, and one node for the sum of the others. Several whose x is 0 count
    among the others.
    """
    known, title, (shown, folded) = e["y"] is not None, _title(e), _chosen(e["features"], at.most)
    flows, products = _flows(e, shown, folded), _products(e, shown) if known else []
    lines = wrapped(title, at.title[1] / 15, partial(extent, bold=True))
    gap = at.gap + 15 * any(len(_lines(flow.dL, at.words["dL"].room)) > 1 for flow in flows)
    span, lower = gap * (len(flows) - 1), 20 * (len(lines) - 1)
    z = at.first + lower + (span + gap if at.is_above else max(span / 2, 97.0))
    top = z - (span + gap if at.is_above else span / 2)
    end = z + (at.products[1] + 46 * len(products) if known else at.unknown[1] + 44)
    with drawing(at.width, max(top + span + 49, end + 18)) as d:
        for k, line in enumerate(lines):
            d.text(at.title[0], 24 + 20 * k, line, size=15, bold=True, room=at.title[1])
        for (words, x, y), role in zip(at.legend, ("ink", "backward"), strict=True):
            d.text(x, y + lower, words, role)
        says = [_inflow(d, at, top + gap * k, z, flow) for k, flow in enumerate(flows)]
        says += _chain(d, at, e, z)
        says += [_product(d, at, z + at.products[1] + 46 * k, *product) for k, product in enumerate(products)]
        if known:
            checked = f"gradient check: largest relative error {pretty(e['check']['max_error'], 2)}"
            d.text(at.products[0], end - 6, checked, "muted")
        kind = "graph-narrow" if at.is_above else "graph"
        return d.picture(kind, f"Computation graph of {title[0].lower()}{title[1:]}", "; ".join(says) + ".")


def _title(e: Explanation) -> str:
    row = "One row" if e["row"] is None else f"Row {e['row']}"
    y = "unknown" if e["y"] is None else f"= {pretty(e['y'])}"
    label = "" if e["label"] is None else f" ({shortened(e['label'], 24)})"
    epoch = "" if e["epoch"] is None else f", epoch {e['epoch']:,}"
    return f"{row}, y {y}{label}{epoch}"


def _chosen(features: Sequence[Mapping[str, Any]], most: int) -> tuple[list[Feature], list[Feature]]:
    """Choose the features that are drawn, the strongest first, and those that are folded: several zeros, and the rest."""
    ranked = sorted(enumerate(features, start=1), key=lambda feature: -abs(feature[1]["contribution"]))
    zeros = [feature for feature in ranked if feature[1]["x"] == 0.0]
    if len(zeros) < 2:
        return ranked[:most], ranked[most:]
    others = [feature for feature in ranked if feature[1]["x"] != 0.0]
    return others[:most], [*others[most:], *zeros]


def _flows(e: Explanation, shown: Sequence[Feature], folded: Sequence[Feature]) -> list[_Flow]:
    """Write the inputs of z: the features, the sum of the folded ones, the bias."""
    names = fitting((f["name"] for _, f in shown), *_NAME)
    flows = [_flow(j, f, names[f["name"]], e["stable"]) for j, f in shown]
    if folded:
        only_zeros = all(f["x"] == 0.0 for _, f in folded)
        more = f"+ {len(folded)} with x = 0" if only_zeros else f"+ {counted(len(folded), 'more feature')}"
        total = pretty(sum(f["contribution"] for _, f in folded))
        flows.append(_Flow(more, more, w=f"Σ = {total}", product="sum of their xⱼwⱼ"))
    dL = _multiplied("b", e["stable"], e["dz_db"], e["dL_db"])
    return [
        *flows,
        _Flow("bias", "bias", w=f"b = {pretty(e['b'])}", dz=f"∂z/∂b = {pretty(e['dz_db'])}" if dL else "", dL=dL),
    ]


def _flow(j: int, f: Mapping[str, Any], short: str, dL_dz: float | None) -> _Flow:
    x, w = formula(f"x_{j}"), formula(f"w_{j}")
    return _Flow(
        name=str(f["name"]),
        short=short,
        value=f"value {pretty(f['x_user'])}" if f["x_user"] != f["x"] else "",
        x=f"{x} = {pretty(f['x'])}",
        w=f"{w} = {pretty(f['w'])}",
        product=f"{x}{w} = {pretty(f['contribution'])}",
        dz=f"∂z/∂{w} = {pretty(f['dz_dw'])}",
        dL=_multiplied(w, dL_dz, f["dz_dw"], f["dL_dw"]),
    )


def _multiplied(w: str, dL_dz: float | None, dz_dw: float, dL_dw: float | None) -> str:
    """Write the derivative in w as a product; nothing without a class."""
    factor = f"({pretty(dz_dw)})" if dz_dw < 0 else pretty(dz_dw)
    return "" if dL_dz is None else f"∂L/∂{w} = {pretty(dL_dz)} · {factor} = {pretty(dL_dw)}"


def _products(e: Explanation, shown: Sequence[Feature]) -> list[tuple[str, str]]:
    """Return lines of the chain rule, each with its formula: dL/dz in both forms, the largest dL/dw, dL/db."""
    chain = e["chain"]
    lines = [(_CHAIN % ("z", "g", "g", "z"), chain["dL_dz"]), (_STABLE, chain["stable"])]
    for j, _ in sorted(shown, key=lambda feature: -abs(feature[1]["dL_dw"]))[:1]:
        w = f"w_{{{j}}}"
        lines.append((_CHAIN % (w, "z", "z", w), chain["dL_dw"][j - 1]))
    lines.append((_CHAIN % ("b", "z", "z", "b"), chain["dL_db"]))
    return [(tex, formula(line)) for tex, line in lines]


def _inflow(d: Drawing, at: _Layout, y: float, z: float, flow: _Flow) -> str:
    """Draw one input at height y, and its line to node z at height z, forward and backward; return its description."""
    corner, *bends = at.lane
    ways = [("line", 0.0, 0.0, at.x if flow.x else at.w), ("backward", *at.back, at.arrow)]
    for role, dx, dy, start in ways[: 2 if flow.dL else 1]:  # back along the same way, to the weight
        level, target = (corner + dx, y + dy), z + at.entry + dy
        ends = [(x + dx, height) for x, height in zip(bends, (y + dy, target, target), strict=True)]
        d.line([level, *ends], role, curved=True)
        d.line([level, (start, y + dy)], role, arrow=role == "backward")
    for middle, words in ((at.x, flow.x), (at.w, flow.w)):
        if words:
            d.box(middle - at.box / 2, y - 14, at.box, 28)
            d.text(middle, y + 4.5, words, size=13, room=at.box - 8, anchor="center")
    for part, place in at.words.items():
        words, tip = getattr(flow, part), flow.name if part == "short" else ""
        for k, line in enumerate(_lines(words, place.room) if part == "dL" else [words]):
            d.text(
                place.x,
                y + place.y + 15 * k,
                line,
                place.role,
                size=place.size,
                anchor=place.anchor,
                room=place.room,
                tip=tip,
            )
    return f"{flow.name}: {', '.join(filter(None, (flow.x, flow.w, flow.product, flow.dL, flow.dz)))}"


def _product(d: Drawing, at: _Layout, y: float, tex: str, line: str) -> str:
    """Write a line of the chain rule at height y, as a formula and its numbers; return the line."""
    left, numbers = d.formula(at.products[0], y, tex, size=at.size), f"= {line.split(' = ', 2)[2]}"
    room, role = at.width - 4 - left, "backward" if ":" in numbers else "ink"
    lines = _lines(numbers, room)
    for k, part in enumerate(lines):
        d.text(left, y - 8 * (len(lines) - 1) + 16 * k, part, role, size=13, room=room)
    return line


def _lines(words: str, room: float) -> list[str]:
    """Break an equation before its result if it has no room on one line."""
    head, equals, result = words.rpartition(" = ")
    return [words] if extent(words) * _LEAST <= room or not head else [head, equals.strip() + f" {result}"]


def _chain(d: Drawing, at: _Layout, e: Explanation, z: float) -> list[str]:
    """Draw z -> g -> L with formulas and numbers, forward and backward; return their descriptions."""
    known, says = e["y"] is not None, []
    nodes = [(x, z + y) for x, y in at.nodes[: 2 + known]]
    for name, (x, y), (left, base, room), tex, key in zip(
        "zgL", nodes, at.formulas, _FORMULAS, ("z", "g", "loss"), strict=False
    ):
        d.formula(left, z + base, tex, size=at.size)
        d.text(left, z + base + 30, f"= {pretty(e[key])}", size=13.5, bold=True, room=room)
        d.box(x - 24, y - 24, 48, 48, "ink", radius=24)
        d.formula(x, y + 7, name, size=22, anchor="center")
        says.append(f"{name} = {pretty(e[key])}")
    for (x, y), (to_x, to_y), (left, base), (name, tex) in zip(nodes, nodes[1:], at.slopes, _SLOPES, strict=False):
        dx, dy = 25.0 * (to_x > x), 25.0 * (to_y > y)  # from a node's centre to its edge
        across, down = dy / 5, dx / 5  # from the middle of an edge to its two arrows
        ends = [(x + dx, y + dy), (to_x - dx, to_y - dy)]
        d.line([(each - across, height - down) for each, height in ends], "ink", arrow=True)
        d.line([(each + across, height + down) for each, height in reversed(ends)], "backward", arrow=True)
        slope = e["dg_dz"] if name == "∂g/∂z" else e["dL_dg"]
        told = "divides by zero" if slope is None else f"= {pretty(slope)}"
        d.formula(left, z + base, tex, "backward", size=at.size)
        d.text(left, z + base + 30, told, "backward", size=13.5, bold=True)
        says.append(f"{name} {told}")
    if known:
        x, y = nodes[-1]
        d.line([(x, y + 56), (x, y + 25)], "ink", arrow=True)
        d.text(x, y + 72, f"y = {pretty(e['y'])}", size=13, anchor="center")
    else:
        d.text(at.unknown[0], z + at.unknown[1], "y is unknown: no loss, no gradient", "muted", size=13)
    return says
