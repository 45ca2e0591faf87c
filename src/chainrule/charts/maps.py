"""Maps of P(y = 1 | x) over two columns, one small map for each epoch, all on one scale.

z is linear in the two columns, so contours of P are straight lines, and matplotlib's, from z at the four corners, are exact.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.ticker import MaxNLocator

from chainrule.charts.axes import Floats, nice, tick
from chainrule.charts.canvas import WIDTH, Drawing, Picture, colour, drawing, extent, fitting
from chainrule.words import counted, pretty

Ends = tuple[float, float]
BANDS = (0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99)
_LOGITS = np.log(np.divide(BANDS, np.subtract(1, BANDS))) - 1e-12  # P exactly at a level belongs to the band above
_STRENGTHS = (0.72, 0.5, 0.3, 0.13)  # opacity of a class's colour, from the outermost band to the middle
_GAP = 10.0  # between maps
_LITTLE = 1e-3  # nats: for a loss below this two digits are enough


def decision_maps(
    lines: Sequence[tuple[str, Any]], classes: tuple[str, str], unit: str = "epoch", *, width: float = WIDTH
) -> Picture:
    """Draw maps of P(y = 1 | x) for one or more runs, all on one scale, with the rows as dots.

    Four are across; eight in a wide picture, so that each run has one line.

    lines: the name ("not centred") and `studies.learned.Maps` of each run, all of the same two columns and rows; the k-th maps
    of all runs are drawn in one column. Rows outside the ranges are left out; a range whose ends are equal is widened.
    """
    m, wider = lines[0][1], MaxNLocator().nonsingular  # if both ends are equal
    ranges, (x_name, y_name) = (wider(*m.x_range), wider(*m.y_range)), m.names
    most = max(len(of.epochs) for _, of in lines)
    across = min(4 if width == WIDTH else 8, max(2, most))
    left = max(34.0, 14 + 12 * max(extent(tick(t)) for t in nice(*ranges[1], 4)))
    size = (width - left - 10 - (across - 1) * _GAP) / across
    over, groups = 33 if np.isfinite(m.loss).any() else 18, math.ceil(most / across)
    above = over + 20 * any(name for name, _ in lines)
    line = above + size + 12  # height of a run's maps
    inside = [(low <= v) & (v <= high) for (low, high), v in zip(ranges, (m.x, m.y), strict=True)]
    points = [np.column_stack([m.x, m.y])[inside[0] & inside[1] & (m.label == c)] for c in (0, 1)]
    shown = sum(map(len, points))
    first, group_height = 102.0, len(lines) * line + 34
    with drawing(width, first + groups * group_height - 4) as d:
        _key(d, classes, f"{shown:,} of {counted(m.of, 'row')} drawn")
        (left_end, right_end), (bottom, top) = (map(pretty, ends) for ends in ranges)
        says = [f"P is the probability of {classes[1]}; it is 0.5 where z = 0. Across, {x_name} goes from "
                f"{left_end} to {right_end}; up, {y_name} from {bottom} to {top}."]  # fmt: skip
        short = fitting(m.names, width - 40)
        d.text(8, first - 6, f"↑ {short[y_name]}", "muted", tip=f"↑ {y_name}")
        runs = fitting((name for name, _ in lines), width - left - 10, 14, bold=True)
        for row, (name, of) in enumerate(lines):
            for at in range(len(of.epochs)):
                group, k = divmod(at, across)
                x, y = left + k * (size + _GAP), first + group * group_height + row * line + above
                w, b, loss = of.w[at].tolist(), float(of.b[at]), float(of.loss[at])
                title = f"{unit} {int(of.epochs[at]):,}"
                note = f"loss {pretty(loss, 3 if loss >= _LITTLE else 2)}" if math.isfinite(loss) else ""
                if k == 0:
                    d.text(left, y - above + 14, runs[name], size=14, bold=True, tip=name)
                d.text(x, y - over + 12, title, bold=True)
                d.text(x, y - 6, note, "muted")
                ax = d.axes(x, y, size, size)
                _map(ax, w, b, ranges, points)
                _ticks(ax, ranges, size, labels=(row == len(lines) - 1, k == 0))
                z = f"{pretty(w[0])} × {x_name} + {pretty(w[1])} × {y_name} + {pretty(b)}"
                says.append(f"{', '.join(filter(None, (name, title, note)))}: z = {z}.")
        d.text(width - 10, d.height - 8, f"{short[x_name]} →", "muted", anchor="right", tip=f"{x_name} →")
        which, sample = " of positive weight" if m.of < m.rows else "", "a sample, " if shown < m.of else ""
        says.append(f"Dots are {sample}{shown:,} of {counted(m.of, 'row')}{which}.")
        return d.picture(
            "maps" + "-wide" * (width > WIDTH),
            f"Maps of the probability of {classes[1]} over {x_name} and {y_name}",
            " ".join(says),
        )


def _map(ax: Axes, w: Sequence[float], b: float, ranges: tuple[Ends, Ends], points: Sequence[Floats]) -> None:
    """Fill the bands of P, and draw the rows and the line z = 0."""
    ax.set(xlim=ranges[0], ylim=ranges[1])
    ax.grid(visible=False)
    ax.spines[:].set_visible(True)
    with np.errstate(all="ignore"):
        z = w[0] * np.array([ranges[0]] * 2) + w[1] * np.array([ranges[1]] * 2).T + b
    if not np.abs(z).max() < 1e250:  # beyond this matplotlib's contours fail
        centred: Any = {"ha": "center", "va": "center", "transform": ax.transAxes}
        ax.text(0.5, 0.5, "too large", fontsize=12, color=colour("muted"), **centred)
        return
    colours = [to_rgba(colour("zero"), s) for s in _STRENGTHS] + [to_rgba(colour("one"), s) for s in _STRENGTHS[::-1]]
    ax.contourf(*ranges, z, levels=_LOGITS, colors=colours, extend="both", zorder=1)
    edge: Any = {"markeredgecolor": colour("paper"), "markeredgewidth": 0.8}
    for at, role, marker, size in zip(points, ("zero", "one"), "Do", (4.2, 4.6), strict=True):
        ax.plot(*at.T, marker, color=colour(role), markersize=size, **edge)
    if z.min() < 0 < z.max():
        for role, width in (("paper", 3.2), ("ink", 1.6)):
            ax.contour(*ranges, z, levels=[0.0], colors=colour(role), linewidths=width, linestyles="-", zorder=3)


def _ticks(ax: Axes, ranges: tuple[Ends, Ends], size: float, labels: tuple[bool, bool]) -> None:
    """Put ticks at round values, as many as have room for labels; only maps at the bottom and the left have labels."""
    for axis, (low, high), labelled in ((ax.xaxis, ranges[0], labels[0]), (ax.yaxis, ranges[1], labels[1])):
        for many in (4, 3, 2, 1):
            ticks = nice(low, high, many)
            widest = 12 * max(map(extent, map(tick, ticks)), default=0.0) + 6 if axis is ax.xaxis else 16.0
            at = size * (np.array(ticks) - low) / (high - low)
            ticks = [t for t, x in zip(ticks, at, strict=True) if widest - _GAP < 2 * x < 2 * size - widest + _GAP]
            if size * np.diff(ticks).min(initial=math.inf) > widest * (high - low):
                break
        axis.set_ticks(ticks, [tick(t) * labelled for t in ticks])
        axis.set_tick_params(length=4, color=colour("line"), pad=3)


def _key(d: Drawing, classes: tuple[str, str], drawn: str) -> None:
    """Draw the scale of P, once for all maps, and a legend for the dots."""
    named, short = fitting(classes, 240), fitting(classes, 104, bold=True)
    d.text(8, 16, f"P(y = 1), probability of class {named[classes[1]]}", "muted", tip=f"class {classes[1]}")
    ax = d.axes(46, 24, WIDTH - 92, 12)
    for k, strength in enumerate([*_STRENGTHS, *_STRENGTHS[::-1]]):
        ax.axvspan(k, k + 1, color=colour("zero" if k < 4 else "one"), alpha=strength, linewidth=0)
    ax.set(xlim=(0, 8), yticks=[])
    ax.set_xticks(range(9), ["0", *(f"{level:g}" for level in BANDS), "1"])
    ax.axvline(4, color=colour("ink"), linewidth=1.6)
    for x, c, mark, role in ((8, 0, "◆", "zero-text"), (146, 1, "●", "one")):
        d.text(x, 72, f"{mark} {short[classes[c]]}", role, bold=True, tip=f"{mark} {classes[c]}")
    d.text(WIDTH - 10, 72, drawn, "muted", anchor="right")
