"""The article's computation graph for one row, with formulas and numbers: x, w, b at the left, then z, g and L.

Forward values stand above the edges, derivatives below them. Source: Christoph Winkler, "Neural Networks and Logistic
Regression - Backpropagation in Detail" (its picture computation_graph.png).
"""

from collections.abc import Mapping
from typing import Any

from chainrule.charts.style import Drawing, drawing, math_width
from chainrule.charts.text import cells, clean, counted, number, shorten, tex_number

SHOWN = 12
_ROW = 62.0
_Z_FORMULA = r"z = \sum x_j w_j + b"
_G_FORMULA = r"g = \dfrac{1}{1+e^{-z}}"
_L_FORMULA = r"L = -y\,\log g - (1-y)\,\log(1-g)"
_DL_DG = r"\dfrac{\partial L}{\partial g} = \dfrac{1-y}{1-g} - \dfrac{y}{g}"
_DG_DZ = r"\dfrac{\partial g}{\partial z} = g\,(1-g)"

Explanation = Mapping[str, Any]


def row_graph_svg(explanation: Explanation, *, narrow: bool = False, standalone: bool = True) -> str:
    """Draw the computation graph of one row with its values, local derivatives and chain-rule products.

    Parameters
    ----------
    explanation : mapping
        What `RowExplanation.to_dict()` gives. Without a class y the graph ends at g. Of more than 12 features the 12
        with the largest contributions are drawn, and the sum of the others.
    narrow : bool
        From top to bottom, 380 pixels wide, for a phone; otherwise from left to right, 1100 wide.
    standalone : bool
        With its own light and dark colours and a background; False: for a page that has `style.palette_css()`.

    Returns
    -------
    str
        SVG text.
    """
    shown, rest = _strongest(explanation["features"])
    rows = len(shown) + (1 if rest else 0) + 1
    if narrow:
        picture = _narrow(explanation, shown, rest, rows)
    else:
        picture = _wide(explanation, shown, rest, rows)
    kind = "graph-narrow" if narrow else "graph"
    return picture.svg(kind, f"Computation graph of {_headline(explanation)}", _describe(explanation),
                       standalone=standalone)  # fmt: skip


def _strongest(features: list[dict[str, Any]]) -> tuple[list[tuple[int, dict[str, Any]]], list[dict[str, Any]]]:
    """Split features into those drawn, with their number from 1, and the others."""
    numbered = list(enumerate(features, start=1))
    if len(numbered) <= SHOWN:
        return numbered, []
    order = sorted(numbered, key=lambda f: -abs(f[1]["contribution"] or 0.0))
    return order[:SHOWN], [f for _, f in order[SHOWN:]]


def _headline(e: Explanation) -> str:
    row = f"row {e['row']}" if e.get("row") is not None else "one row"
    if e.get("y") is None:
        known = "y unknown"
    else:
        known = f"y = {number(e['y'])}" + (f" ({shorten(e['label'], 24)})" if e.get("label") is not None else "")
    epoch = f", epoch {e['epoch']:,}" if e.get("epoch") is not None else ""
    return f"{row}, {known}{epoch}"


def _describe(e: Explanation) -> str:
    parts = [
        f"{clean(f['name'])}: x = {number(f['x'])}, w = {number(f['w'])}, x w = {number(f['contribution'])}"
        + (f", dL/dw = {number(f['dL_dw'])}" if f.get("dL_dw") is not None else "")
        for f in e["features"][:200]
    ]
    parts.append(f"b = {number(e['b'])}")
    parts.append(f"z = {number(e['z'])}, g = {number(e['g'])}, dg/dz = {number(e['dg_dz'])}")
    if e.get("y") is None:
        parts.append("y is unknown, so there is no loss and no derivative of it")
    else:
        first = "not finite: it divides by zero" if e.get("dL_dg") is None else number(e["dL_dg"])
        parts.append(f"L = {number(e['loss'])}, dL/dg = {first}, dL/dz = {number(e['stable'])}")
        parts.append(f"dL/db = {number(e['dL_db'])}")
    return "; ".join(parts) + "."


def _key(d: Drawing, x: float, y: float) -> None:
    d.line([(x, y - 4), (x + 22, y - 4)], role="ink", width=1.6, arrow=True)
    d.text(x + 30, y, "forward: values", size=12)
    d.line([(x + 162, y - 4), (x + 140, y - 4)], role="backward", width=1.6, arrow=True)
    d.text(x + 170, y, "backward: derivatives", role="backward", size=12)


def _node(d: Drawing, x: float, y: float, tex: str) -> None:
    d.box(x - 27, y - 22, 54, 44, fill="panel", edge="ink", radius=22, thick=1.6)
    d.math(x, y + 7, tex, size=22, anchor="center")


def _value_box(d: Drawing, left: float, y: float, width: float, tex: str, value: float | None) -> None:
    d.box(left, y - 14, width, 28)
    room, size = width - 12, 13.0
    words = _number_within(value, room - math_width(f"{tex} =", size + 1) - 0.3 * size, size)
    needed = math_width(f"{tex} =", size + 1) + (0.3 + 0.64 * cells(words)) * size
    size = size if needed <= room else size * room / needed
    d.equation(left + width / 2, y + 5, f"{tex} =", words, size=size, anchor="center")


def _number_within(value: float | None, room: float, size: float) -> str:
    """Write a number with as many of four digits as fit the room; two at least."""
    return next((t for k in (4, 3) if cells(t := number(value, k)) * 0.64 * size <= room), number(value, 2))


def _products(e: Explanation, shown: list[tuple[int, dict[str, Any]]]) -> list[tuple[str, str]]:
    """Give the chain rule with its numbers, (formula, role) a line: the article's form, then the stable one."""
    dz = e["stable"]
    if e.get("article_product") is None:
        cause = "0" if e["g"] < 0.5 else "1"
        lines = [
            (r"\dfrac{\partial L}{\partial g}\,\dfrac{\partial g}{\partial z}"
             rf"\;\,\mathrm{{divides\ by\ zero:}}\; g \;\mathrm{{rounds\ to}}\; {cause}", "backward"),
        ]  # fmt: skip
    else:
        lines = [
            (r"\dfrac{\partial L}{\partial z} = \dfrac{\partial L}{\partial g}\,\dfrac{\partial g}{\partial z} = "
             rf"{tex_number(e['dL_dg'], factor=True)} \cdot {tex_number(e['dg_dz'], factor=True)} = "
             rf"{tex_number(e['article_product'])}", "ink"),
        ]  # fmt: skip
    if e["y"] in (0, 1):
        form = r"-\,\sigma(-z)" if e["y"] == 1 else r"\sigma(z)"
        note = r"\quad\mathrm{(stable\ form)}" if e.get("saturated") else ""
        lines.append((rf"\dfrac{{\partial L}}{{\partial z}} = g - y = {form} = {tex_number(dz)}{note}", "ink"))
    if shown:
        j, f = max(shown, key=lambda p: abs(p[1]["dL_dw"] or 0.0))
        lines.append(
            (rf"\dfrac{{\partial L}}{{\partial w_{{{j}}}}} = \dfrac{{\partial L}}{{\partial z}}\,"
             rf"\dfrac{{\partial z}}{{\partial w_{{{j}}}}} = {tex_number(dz, factor=True)} \cdot "
             rf"{tex_number(f['x'], factor=True)} = {tex_number(f['dL_dw'])}", "ink")
        )  # fmt: skip
    lines.append(
        (r"\dfrac{\partial L}{\partial b} = \dfrac{\partial L}{\partial z}\,\dfrac{\partial z}{\partial b} = "
         rf"{tex_number(dz, factor=True)} \cdot 1 = {tex_number(e['dL_db'])}", "ink")
    )  # fmt: skip
    return lines


def _fitted(d: Drawing, x: float, y: float, tex: str, room: float, role: str, size: float = 15) -> None:
    """Set a formula, smaller where it would not fit."""
    width = math_width(tex, size)
    d.math(x, y, tex, role=role, size=size if width <= room else size * room / width)


def _check_line(e: Explanation) -> str:
    check = e.get("check") or {}
    if check.get("max_error") is None:
        return ""
    return f"gradient check: largest relative error {number(check['max_error'], 2)}"


# ---- from left to right -------------------------------------------------------------------------------------------

_X_BOX, _W_BOX, _BOX, _EDGE, _BEND, _Z, _G, _L = 178.0, 294.0, 106.0, 410.0, 552.0, 676.0, 848.0, 1046.0


def _wide(e: Explanation, shown: list[tuple[int, dict[str, Any]]], rest: list[dict[str, Any]], rows: int) -> Drawing:
    known = e.get("y") is not None
    top = 62.0
    chain = _products(e, shown) if known else []
    below = 150 + 46 * len(chain)
    zy = max(top + rows * _ROW / 2, top + 124)
    height = max(top + rows * _ROW + 18, zy + below if known else zy + 90)
    first = max(top, min(zy, height - rows * _ROW / 2 - 18) - rows * _ROW / 2)
    with drawing(1100, height) as d:
        d.text(16, 26, _headline(e)[:1].upper() + _headline(e)[1:], size=15, bold=True)
        _key(d, 1100 - 336, 26)
        for k, (j, f) in enumerate(shown):
            _wide_feature(d, first + _ROW * (k + 0.5), zy, j, f)
        if rest:
            y = first + _ROW * (len(shown) + 0.5)
            total = sum(f["contribution"] or 0.0 for f in rest)
            d.text(16, y + 4, f"+ {counted(len(rest), 'more feature')}", role="muted", size=12.5)
            _to_z(d, y, zy)
            d.equation(_EDGE, y - 7, r"\sum x_j w_j =", number(total), size=13)
        y = first + _ROW * (rows - 0.5)
        d.text(16, y + 4, "bias", size=12.5)
        _value_box(d, _W_BOX, y, _BOX, "b", e["b"])
        _to_z(d, y, zy)
        d.equation(_EDGE, y + 20, r"\partial z/\partial b =", number(e.get("dz_db", 1.0)), role="backward", size=13)
        if e.get("dL_db") is not None:
            d.equation(_W_BOX + _BOX - 2, y + 29, r"\partial L/\partial b =", number(e["dL_db"]), role="backward",
                       size=12, anchor="right")  # fmt: skip
        _wide_chain(d, e, zy, known)
        for k, (tex, role) in enumerate(chain):
            _fitted(d, 648, zy + 172 + 46 * k, tex, 436, role)
        d.text(16, height - 8, _check_line(e) if height - 8 > first + rows * _ROW + 10 else "", role="muted", size=12)
    return d


def _to_z(d: Drawing, y: float, zy: float) -> None:
    d.line([(_W_BOX + _BOX, y), (_BEND, y)], role="line")
    d.line([(_BEND, y), (_BEND + 56, y), (_BEND + 34, zy), (_Z - 29, zy)], role="line")


def _wide_feature(d: Drawing, y: float, zy: float, j: int, f: dict[str, Any]) -> None:
    """Draw x_j and w_j, their product above the edge to z, the derivatives below."""
    other_unit = f.get("x_user") is not None and f["x_user"] != f["x"]
    d.text(16, y + (-1 if other_unit else 4), shorten(f["name"], 21), size=12.5, tip=clean(f["name"]))
    if other_unit:
        d.text(16, y + 15, f"value {number(f['x_user'])}", role="muted", size=11.5)
    _value_box(d, _X_BOX, y, _BOX, f"x_{{{j}}}", f["x"])
    _value_box(d, _W_BOX, y, _BOX, f"w_{{{j}}}", f["w"])
    d.line([(_X_BOX + _BOX, y), (_W_BOX, y)], role="line")
    _to_z(d, y, zy)
    d.equation(_EDGE, y - 7, f"x_{{{j}}}w_{{{j}}} =", number(f["contribution"]), size=13)
    d.equation(_EDGE, y + 20, rf"\partial z/\partial w_{{{j}}} =", number(f["dz_dw"]), role="backward", size=13)
    if f.get("dL_dw") is not None:
        d.equation(_W_BOX + _BOX - 2, y + 29, rf"\partial L/\partial w_{{{j}}} =", number(f["dL_dw"]), role="backward",
                   size=12, anchor="right")  # fmt: skip


def _wide_chain(d: Drawing, e: Explanation, zy: float, known: bool) -> None:
    """Draw z -> g -> L: what flows forward above, what flows back below."""
    d.line([(_Z + 27, zy - 5), (_G - 28, zy - 5)], role="ink", arrow=True)
    d.math(_Z - 14, zy - 54, _Z_FORMULA, size=15)
    d.text(_Z - 14, zy - 31, f"= {number(e['z'])}", size=14, bold=True)
    d.math(_G - 14, zy - 61, _G_FORMULA, size=15)
    d.text(_G - 14, zy - 31, f"= {number(e['g'])}", size=14, bold=True)
    if known:
        d.line([(_G - 27, zy + 5), (_Z + 28, zy + 5)], role="backward", arrow=True)
        d.line([(_G + 27, zy - 5), (_L - 28, zy - 5)], role="ink", arrow=True)
        d.line([(_L - 27, zy + 5), (_G + 28, zy + 5)], role="backward", arrow=True)
        d.math(1084, zy - 106, _L_FORMULA, size=15, anchor="right")
        d.text(1084, zy - 83, f"= {number(e['loss'])}", size=14, bold=True, anchor="right")
        d.math(_G + 40, zy + 44, _DL_DG, role="backward", size=15)
        first = "divides by zero" if e.get("dL_dg") is None else f"= {number(e['dL_dg'])}"
        d.text(_G + 40, zy + 78, first, role="backward", size=14, bold=True)
        d.line([(_L, zy + 98), (_L, zy + 23)], role="ink", arrow=True)
        _value_box(d, _L - 38, zy + 112, 76, "y", e["y"])
        _node(d, _L, zy, "L")
    else:
        d.text(_G + 44, zy - 2, "y is unknown:", role="muted", size=13)
        d.text(_G + 44, zy + 16, "no loss, no gradient", role="muted", size=13)
    d.math(_Z + 8, zy + 44, _DG_DZ, role="backward", size=15)
    d.text(_Z + 8, zy + 78, f"= {number(e['dg_dz'])}", role="backward", size=14, bold=True)
    _node(d, _Z, zy, "z")
    _node(d, _G, zy, "g")


# ---- from top to bottom -------------------------------------------------------------------------------------------

_BUS = 366.0


def _narrow(e: Explanation, shown: list[tuple[int, dict[str, Any]]], rest: list[dict[str, Any]], rows: int) -> Drawing:
    known = e.get("y") is not None
    top, row = 66.0, 72.0
    chain = _products(e, shown) if known else []
    z_at = top + row * rows + 54
    g_at, l_at = z_at + 128, z_at + 268
    height = l_at + 96 + 46 * len(chain) + 14 if known else g_at + 70
    with drawing(380, height) as d:
        d.text(10, 22, _headline(e)[:1].upper() + _headline(e)[1:], size=14, bold=True)
        _key(d, 10, 44)
        for k, (j, f) in enumerate(shown):
            _narrow_feature(d, top + row * k, j, f)
        if rest:
            y = top + row * len(shown)
            d.text(10, y + 44, f"+ {counted(len(rest), 'more feature')}", role="muted", size=12.5)
            total = sum(f["contribution"] or 0.0 for f in rest)
            d.equation(226, y + 32, r"\sum x_j w_j =", number(total), size=12.5)
            d.line([(222, y + 40), (_BUS, y + 40)], role="line")
        y = top + row * (rows - 1) + 40
        d.text(10, y - 22, "bias", size=12.5)
        _value_box(d, 116, y, 100, "b", e["b"])
        d.line([(216, y), (_BUS, y)], role="line")
        if e.get("dL_db") is not None:
            d.equation(
                222, y + 17, r"\partial L/\partial b =", _number_within(e["dL_db"], 92, 12), role="backward", size=12
            )
        d.line([(_BUS, top + 40), (_BUS, z_at), (80, z_at)], role="line")
        _narrow_chain(d, e, z_at, g_at, l_at, known)
        for k, (tex, role) in enumerate(chain):
            _fitted(d, 10, l_at + 96 + 46 * k, tex, 360, role)
        d.text(10, height - 8, _check_line(e) if known else "", role="muted", size=11.5)
    return d


def _narrow_feature(d: Drawing, top: float, j: int, f: dict[str, Any]) -> None:
    y = top + 40
    room = 26.0
    if f.get("x_user") is not None and f["x_user"] != f["x"]:
        value = number(f["x_user"])
        d.text(216, y - 21, value, role="muted", size=12, anchor="right")
        room = (206 - 10 - 0.64 * 12 * cells(value)) / (0.64 * 12.5)
    d.text(10, y - 21, shorten(f["name"], room), size=12.5, tip=clean(f["name"]))
    _value_box(d, 10, y, 98, f"x_{{{j}}}", f["x"])
    _value_box(d, 116, y, 100, f"w_{{{j}}}", f["w"])
    d.line([(108, y), (116, y)], role="line")
    d.line([(216, y), (_BUS, y)], role="line")
    d.equation(226, y - 7, f"x_{{{j}}}w_{{{j}}} =", number(f["contribution"]), size=12.5)
    if f.get("dL_dw") is not None:
        words = _number_within(f["dL_dw"], 86, 12)
        d.equation(222, y + 17, rf"\partial L/\partial w_{{{j}}} =", words, role="backward", size=12)


def _formula_and_value(d: Drawing, y: float, tex: str, value: str, role: str) -> None:
    d.math(86, y, tex, role=role, size=14)
    d.text(86 + math_width(tex, 14) + 6, y, value, role=role, size=13, bold=True)


def _narrow_chain(d: Drawing, e: Explanation, z_at: float, g_at: float, l_at: float, known: bool) -> None:
    x = 46.0
    _formula_and_value(d, z_at - 14, _Z_FORMULA, f"= {number(e['z'])}", "ink")
    d.line([(x - 5, z_at + 22), (x - 5, g_at - 23)], role="ink", arrow=True)
    _formula_and_value(d, (z_at + g_at) / 2 + 5, _DG_DZ, f"= {number(e['dg_dz'])}", "backward")
    _formula_and_value(d, g_at + 5, _G_FORMULA, f"= {number(e['g'])}", "ink")
    if known:
        d.line([(x + 5, g_at - 22), (x + 5, z_at + 23)], role="backward", arrow=True)
        d.line([(x - 5, g_at + 22), (x - 5, l_at - 23)], role="ink", arrow=True)
        d.line([(x + 5, l_at - 22), (x + 5, g_at + 23)], role="backward", arrow=True)
        middle = (g_at + l_at) / 2
        first = "divides by zero" if e.get("dL_dg") is None else f"= {number(e['dL_dg'])}"
        _formula_and_value(d, middle + 5, _DL_DG, first, "backward")
        d.math(86, l_at + 1, _L_FORMULA, size=14)
        d.text(86, l_at + 22, f"= {number(e['loss'])}", size=13, bold=True)
        d.line([(x, l_at + 40), (x, l_at + 23)], role="ink", arrow=True)
        d.text(x + 14, l_at + 52, f"y = {number(e['y'])}", size=13)
        _node(d, x, l_at, "L")
    else:
        d.text(10, g_at + 56, "y is unknown: no loss, no gradient", role="muted", size=12.5)
    _node(d, x, z_at, "z")
    _node(d, x, g_at, "g")
