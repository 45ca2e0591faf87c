"""Charts over epochs or reads: scales, curves, level lines, and their names at the right."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator
from numpy.typing import ArrayLike, NDArray

from chainrule.charts.canvas import Drawing, colour, extent
from chainrule.words import pretty, shortened_apart, typeset, wrapped

Floats = NDArray[np.float64]
LEFT = 54.0  # room for labels of six characters at the left of a chart
MANY = 30.0  # epochs or reads, from which on their axis is logarithmic
DASHES: tuple[Any, ...] = ("-", (0, (6, 2)), (0, (2, 1.6)), (0, (8, 2, 2, 2)), (0, (4, 1.5)), (0, (1, 1.5)))
# used in this order; the first three differ in lightness too, for colour-blind readers
ROLES = ("one", "backward", "ramp-7", "training", "held-out", "zero-text")


def nice(low: float, high: float, many: int = 5) -> list[float]:
    """Return about `many` round values from low to high."""
    return [float(t) for t in MaxNLocator(many, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high) if low <= t <= high]


def tick(value: float, digits: int = 10) -> str:
    """Write a round value without trailing zeros: 0.25, 2,000, 2.5 × 10⁻⁹, 10⁶."""
    return typeset(f"{value:.{digits if value == 0 or 1e-4 <= abs(value) < 1e6 else 5}g}")


def across(ax: Axes, last: float) -> None:
    """Scale x from 0: linear for few epochs or reads, logarithmic for many, since the first ones do most of the work."""
    if last >= MANY:
        ax.set_xscale("symlog", linthresh=1, linscale=0.3)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: tick(value, 4)))
    ax.set_xlim(0, max(last, 1.0))


def up(ax: Axes, values: Sequence[float], powers: bool | None = None, ceiling: float = math.inf) -> None:
    """Scale y around values, logarithmic if `powers`, or by default if they span more than a factor of 50.

    ceiling: no value can be above it. The left side of the axes moves right if the labels need room.
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
        ax.set_ylim(low - pad, min(high + pad, ceiling + 0.1 * pad))
        written = FuncFormatter(lambda value, _: tick(value))
    ax.yaxis.set_major_formatter(written)
    box, widest = ax.get_position(), max(extent(written(t)) for t in ax.get_yticks())
    box.x0 = max(box.x0, 12 * (1 + widest) / ax.figure.bbox.width)
    ax.set_position(box)


@dataclass(frozen=True)
class Curve:
    """One line of a chart: finite values over increasing epochs or reads.

    label: its name. role: its colour. note: written under the name instead of the last value.
    whole: (k,) bool, which values were computed on all rows; None draws no marks at the steps.
    near: the x at which it first reached the level.
    """

    label: str
    role: str
    x: Floats
    y: Floats
    note: str = ""
    dashes: Any = "-"
    whole: NDArray[np.bool_] | None = None
    near: float | None = None

    @classmethod
    def of(cls, label: str, role: str, x: ArrayLike, y: ArrayLike, above: float = -math.inf, **more: Any) -> "Curve":
        """Leave out values that are not finite, or not above a bound."""
        xs, ys = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
        keep = np.isfinite(xs) & np.isfinite(ys) & (ys > above)
        if more.get("whole") is not None:
            more["whole"] = more["whole"][keep]
        return cls(label, role, xs[keep], ys[keep], **more)

    def told(self, unit: str, digits: int = 4) -> str:
        """Describe the curve's ends and its extremes."""
        if not len(self.y):
            return f"{self.label}: no finite value."
        first, last, low, high = (pretty(float(v), digits) for v in (self.y[0], self.y[-1], self.y.min(), self.y.max()))
        start, end = (pretty(float(v), 3) for v in self.x[[0, -1]])
        note = f" ({self.note})" if self.note else ""
        near = "" if self.near is None else f", first reached the level at {pretty(self.near, 3)}"
        return f"{self.label}{note}: {first} at {start}, {last} at {end} ({unit}), lowest {low}, highest {high}{near}."


def panel(
    d: Drawing, top: float, height: float, curves: Sequence[Curve], words: tuple[str, str],
    levels: Sequence[tuple[str, float]] = (), *, aside: float = 146.0, digits: int = 4, floor: float = 0.0,
    ceiling: float = math.inf, powers: bool | None = None, heading: str = "",
) -> list[str]:  # fmt: skip
    """Draw curves and level lines with their names at the right; return their descriptions.

    words: labels of the y axis, with its unit, and of the x axis. levels: (name, value). aside: room for the names, pixels.
    digits: of the values. floor: values below it may be cut off. ceiling: no value can be above it. heading: of the names.
    """
    says = [f"{words[0][:1].upper()}{words[0][1:]}.", *(curve.told(words[1], digits) for curve in curves)]
    says += [f"{label} {pretty(value, digits)}." for label, value in levels]
    curves = [curve for curve in curves if len(curve.y)]
    values = [min(max(float(v), floor), ceiling) for curve in curves for v in (curve.y.min(), curve.y.max())]
    ax = d.axes(LEFT, top, d.width - aside - LEFT, height)
    up(ax, [*values, *(value for _, value in levels)] or [0.0, 1.0], powers, ceiling)
    across(ax, max([1.0, *(float(curve.x[-1]) for curve in curves)]))
    ax.set(title=words[0], xlabel=words[1])
    lines, names, low = [], [], ax.get_ylim()[0]
    for k, curve in enumerate(curves):
        ink, x, y, width = colour(curve.role), curve.x, curve.y, 2.2 if curve.whole is None else 1.4
        depth = 3 - 0.01 * k  # later curves are drawn beneath, so that one with wide swings hides no other
        lines += ax.plot(x, y, color=ink, linewidth=width, linestyle=curve.dashes, zorder=depth)
        names.append((curve.label, curve.note or pretty(float(y[-1]), digits)))
        whole = np.arange(len(y)) == len(y) - 1 if curve.whole is None else curve.whole
        for some, fill in ((whole, ink), (~whole & (curve.whole is not None), colour("paper"))):
            some = some & (y >= low)  # values below the chart get no mark
            ax.plot(x[some], y[some], "o", color=ink, markerfacecolor=fill, markersize=5.5, clip_on=False, zorder=4)
        if curve.near is not None:
            ax.plot([curve.near], [levels[0][1]], "o", color=ink, markersize=5.5, zorder=5)
    for label, value in levels:
        lines.append(ax.axhline(value, color=colour("line"), linewidth=1.2, linestyle=(0, (1.5, 3)), zorder=2))
        names.append((label, pretty(value, digits)))
    names_aside(ax, lines, names, heading)
    return says


def names_aside(ax: Axes, drawn: Sequence[Any], names: Sequence[tuple[str, str]], heading: str = "") -> None:
    """Write names and their notes at the right of the axes, each beside a sample of its line or area."""
    # minus the gap, into which a tick label reaches, and the sample; in units of the text's size
    room, words = (ax.figure.bbox.width - ax.bbox.x1 - 50) / 12, []
    short = shortened_apart((name for name, _ in names), 1.75 * room, extent)
    for name, note in names:
        together = f"{short[name]}  {note}"
        lines = [*wrapped(short[name], room, extent), *wrapped(note, room, extent)]
        words.append(together if extent(together) <= room else "\n".join(lines))
    made = ax.legend(drawn, words, title=heading, loc="center left", bbox_to_anchor=(1, 0.5), alignment="left")
    made.get_title().set_color(colour("muted"))
