"""The article's computation graph for one row, with formulas and numbers: x, w, b first, then z, g and L.

Values flow forward, derivatives back. Source: Christoph Winkler, "Neural Networks and Logistic Regression - Backpropagation
in Detail" (its picture computation_graph.png).
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from chainrule.charts.canvas import Drawing, drawing
from chainrule.words import cells, counted, pretty, shortened

SHOWN = 12
_LOWERED = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_FORWARD = r"z = \sum x_j w_j + b", r"g = \dfrac{1}{1+e^{-z}}", r"L = -y\,\log g - (1-y)\,\log(1-g)"
_BACKWARD = (
    r"\dfrac{\partial g}{\partial z} = g\,(1-g)",
    r"\dfrac{\partial L}{\partial g} = \dfrac{1-y}{1-g} - \dfrac{y}{g}",
)
_CHAIN = r"\dfrac{\partial L}{\partial %s} = \dfrac{\partial L}{\partial %s}\,\dfrac{\partial %s}{\partial %s}"
_STABLE = r"\dfrac{\partial L}{\partial z} = g - y = "

Explanation = Mapping[str, Any]
Point = tuple[float, float]
Product = tuple[str, str, str]  # of the chain rule: what it is, its formula, its numbers


class _Row(NamedTuple):
    """What flows into z, in words: a name, its value in the table's units, x, w, their product, derivatives."""

    name: str
    w: str = ""
    dz: str = ""
    dL: str = ""
    x: str = ""
    product: str = ""
    value: str = ""


def row_graph_svg(explanation: Explanation, *, narrow: bool = False, standalone: bool = True) -> str:
    """Draw the computation graph of one row with its values, local derivatives and chain-rule products.

    explanation: what `RowExplanation.to_dict()` gives. Without a class y the graph ends at g. Of more than 12 features the 12
    with the largest contributions are drawn, and the sum of the others. narrow: from top to bottom, 380 pixels wide, for a
    phone; otherwise from left to right, 1100 wide. standalone: with its own light and dark colours; else for a page.
    """
    e, features = explanation, list(enumerate(explanation["features"], start=1))
    if len(features) > SHOWN:
        features.sort(key=lambda f: -abs(f[1]["contribution"] or 0.0))
    known, rest = e.get("y") is not None, [f["contribution"] or 0.0 for _, f in features[SHOWN:]]
    rows = [_row(j, f) for j, f in features[:SHOWN]]
    if rest:
        rows.append(_Row(f"+ {counted(len(rest), 'more feature')}", product=f"Σ xⱼwⱼ = {pretty(sum(rest))}"))
    dL_db = f"∂L/∂b = {pretty(e['dL_db'])}" if known else ""
    rows.append(_Row("bias", f"b = {pretty(e['b'])}", f"∂z/∂b = {pretty(e.get('dz_db', 1.0))}", dL_db))
    products = _products(e, features[:SHOWN]) if known else []
    label = f" ({shortened(e['label'], 24)})" if known and e.get("label") is not None else ""
    epoch = f", epoch {e['epoch']:,}" if e.get("epoch") is not None else ""
    row, y = f"Row {e['row']}" if e.get("row") is not None else "One row", f"= {pretty(e['y'])}" if known else "unknown"
    title, n, below = f"{row}, y {y}{label}{epoch}", len(rows), 46 * len(products)
    z = 126.0 + 72 * n if narrow else max(62.0 + 31 * n, 190.0)
    height = z + (408 + below if known else 240) if narrow else max(80 + 62 * n, z + (150 + below if known else 110))
    with drawing(380 if narrow else 1100, height) as d:
        d.text(10, 24, title, size=14 if narrow else 15, bold=True)
        says = (_narrow if narrow else _wide)(d, e, rows, products, z)
        alternative = [", ".join(filter(None, (f"{row.name}: {row.x}", row.w, row.product, row.dL))) for row in rows]
        alternative += [*says, *(f"{name} {text}" for name, _, text in products)]
        kind, title = "graph-narrow" if narrow else "graph", f"{title[:1].lower()}{title[1:]}"
        picture = d.picture(kind, f"Computation graph of {title}", "; ".join(alternative) + ".")
    return picture.standalone() if standalone else picture


def _row(j: int, f: Mapping[str, Any]) -> _Row:
    value = pretty(f["x_user"]) if f.get("x_user") is not None and f["x_user"] != f["x"] else ""
    x, w = f"x{_low(j)}", f"w{_low(j)}"
    dL = "" if f.get("dL_dw") is None else f"∂L/∂{w} = {pretty(f['dL_dw'])}"
    product, dz = f"{x}{w} = {pretty(f['contribution'])}", f"∂z/∂{w} = {pretty(f['dz_dw'])}"
    return _Row(str(f["name"]), f"{w} = {pretty(f['w'])}", dz, dL, f"{x} = {pretty(f['x'])}", product, value)


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


# ---- from left to right, or from top to bottom --------------------------------------------------------------------


def _wide(d: Drawing, e: Explanation, rows: Sequence[_Row], products: Sequence[Product], z: float) -> list[str]:
    for k, row in enumerate(rows):
        y = z + 62 * (k + 0.5 - len(rows) / 2)
        d.line([(284 if row.x else 294, y), (530, y)])
        d.line([(530, y), (580, y), (556, z), (615, z)], curved=True)
        d.text(10, y + (-1 if row.value else 4), shortened(row.name, 20), size=12.5, tip=row.name)
        d.text(10, y + 15, row.value and f"value {row.value}", "muted")
        d.text(410, y + 17, row.dz, "backward", room=130)
        _boxes(d, row, (178, 294), y)
        d.text(410, y - 6, row.product, room=130)
        d.text(398, y + 28, row.dL, "backward", anchor="right")
    _results(d, e, products, 800, 26, 616, z + 132, 470)
    places = [(616, z - 64), (776, z - 64), (862, z - 64)], [(668, z + 48), (880, z + 48)]
    return _chain(d, e, [(640, z), (800, z), (1060, z)], *places)


def _narrow(d: Drawing, e: Explanation, rows: Sequence[_Row], products: Sequence[Product], z: float) -> list[str]:
    for k, row in enumerate(rows):
        y = 106 + 72 * k
        d.line([(116 if row.x else 122, y), (366, y)])
        d.text(10, y - 21, shortened(row.name, 25 - cells(row.value)), size=12.5, tip=row.name)
        d.text(228, y - 21, row.value, "muted", anchor="right")
        _boxes(d, row, (10, 122), y)
        d.text(236, y - 7, row.product, room=126)
        d.text(236, y + 17, row.dL, "backward", room=126)
    d.line([(366, 106), (366, z), (71, z)])
    _results(d, e, products, 10, 46, 10, z + 396, 360)
    places = [(86, z - 34), (86, z + 132), (86, z + 272)], [(86, z + 62), (86, z + 202)]
    return _chain(d, e, [(46, z + 140 * k) for k in range(3)], *places)


def _boxes(d: Drawing, row: _Row, lefts: tuple[float, float], y: float) -> None:
    for left, words in zip(lefts, (row.x, row.w), strict=True):
        if words:
            d.box(left, y - 14, 106, 28)
            d.text(left + 53, y + 4.5, words, size=13, room=98, anchor="center")


def _chain(d: Drawing, e: Explanation, at: Sequence[Point], over: Sequence[Point], under: Sequence[Point]) -> list[str]:
    """Draw z -> g -> L at their places, with formulas and values of what flows forward, and of what flows back; say them."""
    known = e.get("y") is not None
    values = [f"= {pretty(e[key])}" for key in ("z", "g", "loss")[: 2 + known]]
    slopes = [f"= {pretty(e['dg_dz'])}", "divides by zero" if e.get("dL_dg") is None else f"= {pretty(e['dL_dg'])}"]
    for place, tex, value, role in (
        *zip(over, _FORWARD, values, ["ink"] * 3, strict=False),
        *zip(under, _BACKWARD, slopes, ["backward"] * (1 + known), strict=False),
    ):
        d.formula(*place, tex, role=role)
        d.text(place[0], place[1] + 30, value, role, size=13.5, bold=True)
    for k, (x, y) in enumerate(at[: len(values)]):
        d.box(x - 24, y - 24, 48, 48, "ink", radius=24)
        d.formula(x, y + 7, "zgL"[k], size=22, anchor="center")
        x0, y0 = at[k - 1]
        for shift, role in ((-5, "ink"), (5, "backward")) if k else ():
            ends = (
                [(x0 + 25, y + shift), (x - 25, y + shift)] if y == y0 else [(x + shift, y0 + 25), (x + shift, y - 25)]
            )
            d.line(ends[:: 1 if shift < 0 else -1], role, arrow=True)
    if known:
        d.line([(x, y + 56), (x, y + 25)], "ink", arrow=True)
        d.text(x, y + 72, f"y = {pretty(e['y'])}", size=13, anchor="center")
    else:
        d.text(*under[1], "y is unknown: no loss, no gradient", "muted", size=13)
    return [
        f"{n} {v}"
        for n, v in (*zip("zgL", values, strict=False), *zip(("∂g/∂z", "∂L/∂g"), slopes[: 1 + known], strict=False))
    ]


def _results(
    d: Drawing,
    e: Explanation,
    products: Sequence[Product],
    key: float,
    row: float,
    left: float,
    top: float,
    room: float,
) -> None:
    """Write which colour flows where, the chain rule with its numbers, and how well it was checked."""
    d.text(key, row, "→ forward: values")
    d.text(key + 130, row, "← backward: derivatives", "backward")
    for k, (_, tex, text) in enumerate(products):
        d.formula(left, top + 46 * k, tex, text, "ink" if text.startswith("=") else "backward", room=room)
    error = (e.get("check") or {}).get("max_error")
    if error is not None:
        d.text(
            left, top + 46 * len(products) - 6, f"gradient check: largest relative error {pretty(error, 2)}", "muted"
        )
