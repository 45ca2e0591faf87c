"""Charts over epochs or reads: scales, curves, level lines, and a name at the end of each."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import isotonic_regression

from chainrule.charts.canvas import Drawing, colour
from chainrule.words import cells, pretty, shortened, typeset, visible, wrapped

Floats = NDArray[np.float64]
Name = tuple[float, float, str, str, str]  # y and x of what ends there, pixels; its name, a note under it, its role
LEFT, ASIDE = 54.0, 134.0  # room for labels of six signs at the left of a chart, and for names at its right
MANY = 30.0  # epochs or reads, from which on they are shown by orders of magnitude
CELL = 0.62 * 12  # width of a digit of a chart's words, in the widest of the page's fonts
DASHES: tuple[Any, ...] = ("-", (0, (6, 2)), (0, (2, 1.6)), (0, (8, 2, 2, 2)), (0, (4, 1.5)), (0, (1, 1.5)))
# in this order: the first three differ in lightness too, for eyes that see no colours
ROLES = ("one", "backward", "ramp-7", "training", "held-out", "zero-text")
_COLUMN = 4.0  # pixels: of a curve with more points in a column only how far they reach can be seen


def nice(low: float, high: float, many: int = 5) -> list[float]:
    """Give about so many round values from low to high."""
    return [float(t) for t in MaxNLocator(many, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high) if low <= t <= high]


def tick(value: float, digits: int = 10) -> str:
    """Write a round value with the digits that it has: 0.25, 2,000, 2.5 × 10⁻⁹, 10⁶."""
    return typeset(f"{value:.{digits if value == 0 or 1e-4 <= abs(value) < 1e6 else 5}g}")


def across(ax: Axes, last: float) -> None:
    """Scale x from 0: few epochs or reads evenly, many by powers of ten, since the first of them do most of the work."""
    if last >= MANY:
        ax.set_xscale("symlog", linthresh=1, linscale=0.3)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: tick(value, 4)))
    ax.set_xlim(0, max(last, 1.0))


def up(ax: Axes, values: Sequence[float], powers: bool | None = None, ceiling: float = math.inf) -> None:
    """Scale y around values: by powers of ten where asked, or where they span more than a factor of 50.

    ceiling: what no value can be above. The axes' left side moves where the labels need it.
    """
    low, high = min(values), min(max(values), 1e250)
    if low > 0 and (high > 50 * low if powers is None else powers):
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(numticks=7))
        ax.minorticks_off()
        ax.set_ylim(10.0 ** math.floor(math.log10(low) - 0.01), 10.0 ** math.ceil(math.log10(high) + 0.01))
        written = FuncFormatter(lambda value, _: "1" if value == 1 else typeset(f"{value:.0e}"))
    else:
        pad = 0.06 * (high - low) or 0.05 * abs(high) or 0.05
        ax.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
        ax.set_ylim(low - pad, min(high + pad, ceiling + 0.1 * pad))
        written = FuncFormatter(lambda value, _: tick(value))
    ax.yaxis.set_major_formatter(written)
    box, widest = ax.get_position(), max(cells(written(t)) for t in ax.get_yticks())
    box.x0 = max(box.x0, (12 + CELL * widest) / ax.figure.bbox.width)
    ax.set_position(box)


def pixel(ax: Axes, d: Drawing, x: float, y: float) -> tuple[float, float]:
    """Where a point of the axes lies, in CSS pixels from the drawing's top left corner."""
    at = ax.transData.transform((x, y))
    return float(at[0]), d.height - float(at[1])


@dataclass(frozen=True)
class Curve:
    """One line of a chart: finite values over increasing epochs or reads.

    label: its name, empty for none. role: of the palette. note: under the name; empty: the last value.
    whole: (k,) bool, which values are of all rows; None: no marks at the steps. near: where it first came to the level.
    band: whether dense swings may be drawn as one.
    """

    label: str
    role: str
    x: Floats
    y: Floats
    note: str = ""
    dashes: Any = "-"
    whole: NDArray[np.bool_] | None = None
    near: float | None = None
    band: bool = True

    @classmethod
    def of(cls, label: str, role: str, x: ArrayLike, y: ArrayLike, above: float = -math.inf, **more: Any) -> "Curve":
        """Leave out values that are not finite, or not above a bound."""
        xs, ys = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
        keep = np.isfinite(xs) & np.isfinite(ys) & (ys > above)
        if more.get("whole") is not None:
            more["whole"] = more["whole"][keep]
        return cls(label, role, xs[keep], ys[keep], **more)

    def told(self, unit: str, digits: int = 4) -> str:
        """Say the curve's ends and its extremes."""
        if not len(self.y):
            return f"{self.label}: no finite value."
        first, last, low, high = (pretty(float(v), digits) for v in (self.y[0], self.y[-1], self.y.min(), self.y.max()))
        start, end = (pretty(float(v), 3) for v in self.x[[0, -1]])
        note = f" ({self.note})" if self.note else ""
        near = "" if self.near is None else f", first within at {pretty(self.near, 3)}"
        return f"{self.label}{note}: {first} at {start}, {last} at {end} ({unit}), lowest {low}, highest {high}{near}."


def panel(
    d: Drawing, top: float, height: float, curves: Sequence[Curve], words: tuple[str, str],
    levels: Sequence[tuple[str, float]] = (), *, left: float = LEFT, right: float = ASIDE, digits: int = 4,
    floor: float = 0.0, ceiling: float = math.inf, powers: bool | None = None, legend: str = "",
) -> tuple[Axes, list[str]]:  # fmt: skip
    """Draw curves and level lines, each named at its end, with its last value or its note; give the axes and what they say.

    words: what goes up, with its unit, and what goes across. levels: (name, value). left, right: room for labels and names.
    digits: of the values. floor: what is below it needs no room. ceiling: what no value can be above. legend: a title
    of names in the curves' order, for ends that lie together.
    """
    says = [f"{words[0][:1].upper()}{words[0][1:]}.", *(curve.told(words[1], digits) for curve in curves)]
    curves = [curve for curve in curves if len(curve.y)]
    values = [min(max(float(v), floor), ceiling) for curve in curves for v in (curve.y.min(), curve.y.max())]
    edge, names = d.width - right, list[Name]()
    ax = d.axes(left, top, edge - left, height)
    up(ax, [*values, *(value for _, value in levels)] or [0.0, 1.0], powers, ceiling)
    across(ax, max([1.0, *(float(curve.x[-1]) for curve in curves)]))
    d.text(8, top - 16, words[0], "muted")
    d.text((left + edge) / 2, top + height + 38, words[1], "muted", anchor="center")
    low, high = ax.get_ylim()
    for label, value in levels:
        name = f"{label} {value:g}"
        ax.axhline(value, color=colour("line"), linewidth=1.2, linestyle=(0, (1.5, 3)), zorder=2, label=name)
        names.append((pixel(ax, d, 0, value)[1], edge, label, pretty(value, digits), "muted"))
        says.append(f"{label} {pretty(value, digits)}.")
    for curve in curves:
        ink, inside = colour(curve.role), np.flatnonzero(curve.y >= low)
        end = min(len(curve.y), (inside[-1] if len(inside) else 0) + 2)  # what falls out of the chart stays out of it
        x, y = curve.x[:end], np.maximum(curve.y[:end], low)
        _stroke(ax, x, y, curve)
        whole = curve.whole if curve.whole is not None else np.arange(len(curve.y)) >= (end - 1 if curve.label else end)
        for some, fill in ((whole[:end], ink), (~whole[:end] & (curve.whole is not None), colour("paper"))):
            ax.plot(x[some], y[some], "o", color=ink, markerfacecolor=fill, markersize=5.5, clip_on=False, zorder=4)
        if curve.near is not None:
            ax.plot([curve.near], [levels[0][1]], "o", color=ink, markersize=5.5, zorder=5)
        if curve.label:
            end_x, end_y = pixel(ax, d, float(x[-1]), min(float(y[-1]), high))
            names.append((end_y, end_x, curve.label, curve.note or pretty(float(curve.y[-1]), digits), curve.role))
    if legend:
        made = ax.legend(title=legend, loc="center left", bbox_to_anchor=(1.03, 0.5), alignment="left")
        made.get_title().set_color(colour("muted"))
    else:
        names_aside(d, names, edge, top - 12, top + height + 12)
    return ax, says


def _stroke(ax: Axes, x: Floats, y: Floats, curve: Curve) -> None:
    """Draw a curve; from where its points lie too dense to be told apart, a swinging one as the band that it fills."""
    at, ink, end = ax.transData.transform(np.column_stack([x, y])), colour(curve.role), len(x)
    starts = np.flatnonzero(np.diff(at[:, 0] // _COLUMN, prepend=-np.inf) > 0)
    many = starts[np.diff(starts, append=end) > 2]
    dense = starts[starts >= many[0]] if len(many) else many
    if curve.band and len(dense) > 8:
        first = int(dense[0])
        height, parts = at[first:, 1], dense - first
        reach = np.maximum.reduceat(height, parts) - np.minimum.reduceat(height, parts)
        # what goes one way moves as far as it gets; what swings moves farther
        if np.median(reach) > 2.5 and np.abs(np.diff(height)).sum() > 1.3 * np.ptp(height):
            low, high = np.minimum.reduceat(y[first:], parts), np.maximum.reduceat(y[first:], parts)
            ax.fill_between(x[dense], low, high, color=ink, alpha=0.35, linewidth=0, zorder=3)
            ax.plot(x[dense], np.column_stack([low, high]), color=ink, linewidth=0.9, zorder=3)
            end = first + 1
    width = 2.2 if curve.whole is None else 1.4
    name = f"{curve.label}  {curve.note}"
    ax.plot(x[:end], y[:end], color=ink, linewidth=width, linestyle=curve.dashes, zorder=3, label=name)


def names_aside(d: Drawing, names: Sequence[Name], edge: float, top: float, bottom: float) -> None:
    """Write names right of `edge`, each with a thin line from the end that it names, moved apart where they would touch."""
    room, names = (d.width - edge - 18) / (0.68 * 12), sorted(names)
    words = [(_lines(label, room, 2), _lines(note, room, 3)) for _, _, label, note, _ in names]
    heights = [15.0 * (len(head) + len(note)) + 6 for head, note in words]
    places = spread([y for y, *_ in names], heights, top, bottom)
    for (y, x, label, _, role), (head, note), height, middle in zip(names, words, heights, places, strict=True):
        ends = [(x + 3, y), (edge + 4, y), (edge + 13, middle)]
        d.line(ends if x < edge - 2 else ends[1:], role, width=0.9, alpha=0.7)
        for k, line in enumerate([*head, *note]):
            bold, at = k < len(head) and role != "muted", middle - height / 2 + 14.5 + 15 * k
            d.text(edge + 16, at, line, role, bold=bold, tip=label if k < len(head) else "")


def _lines(text: str, room: float, most: int) -> list[str]:
    lines = wrapped(visible(text), room)
    return lines if len(lines) <= most else [*lines[: most - 1], shortened(" ".join(lines[most - 1 :]), int(room))]


def spread(wanted: Sequence[float], heights: Sequence[float], top: float, bottom: float) -> Floats:
    """Move the middles of boxes apart until none touch, all together as little as can be (least squares).

    wanted: middles, increasing; heights: of the boxes. With too little room between top and bottom they overlap evenly.
    """
    if not len(wanted):
        return np.zeros(0)
    h = np.asarray(heights, dtype=np.float64) * min(1.0, (bottom - top) / sum(heights))
    above = np.cumsum(h) - h / 2  # the middles less this must increase
    level = isotonic_regression(np.asarray(wanted) - above).x
    return np.asarray(np.clip(level, top, max(top, bottom - float(h.sum()))) + above)
