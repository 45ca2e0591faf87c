"""Axes of epochs, reads and rates, level lines, and labels at the ends of curves: shared by all charts over time."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chainrule.charts.style import Drawing, colour
from chainrule.charts.text import cells, number, power_of_ten

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]
Across = Callable[[Floats], Floats]
WIDTH = 440.0
LEFT = 54.0  # of the axes: room for a number of six signs
MANY = 30.0  # epochs or reads, from which on they are shown by orders of magnitude


def thin(x: Floats, y: Floats, bins: int = 300) -> tuple[Floats, Floats]:
    """Keep the first, last, lowest and highest point of each bin of x: a swing of the curve is never lost."""
    if len(x) <= 4 * bins or x[-1] <= x[0]:
        return x, y
    place = np.minimum(((x - x[0]) / (x[-1] - x[0]) * bins).astype(np.int64), bins - 1)
    starts = np.flatnonzero(np.r_[True, place[1:] != place[:-1]])
    ends = np.r_[starts[1:], len(x)]
    keep = {0, len(x) - 1}
    for a, b in zip(starts.tolist(), ends.tolist(), strict=True):
        keep |= {a, b - 1, a + int(np.argmin(y[a:b])), a + int(np.argmax(y[a:b]))}
    index = np.array(sorted(keep))
    return x[index], y[index]


def powers(ax: "Axes", values: Sequence[float]) -> None:
    """Set a range of y by powers of ten around values, with level lines."""
    low, high = math.floor(math.log10(min(values)) - 0.2), math.ceil(math.log10(max(values)) + 0.1)
    step = max(1, math.ceil((high - low) / 7))
    ax.set_yscale("log")
    ax.set_ylim(10.0**low, 10.0**high)
    ticks = range(high - (high - low) // step * step, high + 1, step)
    ax.set_yticks([10.0**k for k in ticks], ["1" if k == 0 else power_of_ten(k) for k in ticks])
    ax.minorticks_off()
    ax.grid(axis="y", color=colour("faint"), linewidth=1)
    ax.set_axisbelow(True)


def epochs_axis(ax: "Axes", last: float) -> Across:
    """Set the axis of epochs from 0; returns what places them. The first do most of the work: long runs go by powers."""
    from matplotlib.ticker import MaxNLocator

    last = max(1.0, last)
    if last < MANY:
        ticks = [int(t) for t in MaxNLocator(5, integer=True).tick_values(0, last) if t <= last]
    else:
        ticks = [t for t in (0, *(10**k for k in range(8))) if t <= last]
        if last > 3.5 * ticks[-1]:  # nearer, the two labels would touch
            ticks.append(int(last))

    def across(epoch: Floats) -> Floats:
        return np.log10(1 + epoch) if last >= MANY else epoch

    place(ax, (0.0, last), [float(t) for t in ticks], across)
    return across


def reads_axis(ax: "Axes", first: float, last: float) -> Across:
    """Set the axis of reads, fractions of one included, from the first; returns what places them."""
    from matplotlib.ticker import MaxNLocator

    if not last > 8 * first > 0:
        first = math.floor(first) if first > last / 2 else 0.0
        last = max(last, first + 1.0)
        place(
            ax,
            (first, last),
            [t for t in MaxNLocator(5, integer=True).tick_values(first, last) if t <= last],
            np.asarray,
        )
        return np.asarray
    decades = range(math.floor(math.log10(first)), math.ceil(math.log10(last)) + 1)
    marks = (1.0,) if last > 90 * first else (1.0, 2.0, 5.0)
    place(ax, (first, last), [m * 10.0**k for k in decades for m in marks], np.log10)
    return np.log10


def place(ax: "Axes", ends: tuple[float, float], ticks: Sequence[float], across: Across) -> None:
    """Set the axis's ends, and ticks where there is room for them."""
    low, high = (float(v) for v in across(np.array(ends)))
    ax.set_xlim(low - (0.02 * (high - low) if ends[0] > 0 else 0.0), high)
    inside = [t for t in ticks if ends[0] <= t <= ends[1] * (1 + 1e-9)]
    at = [float(v) for v in across(np.array(inside))] if inside else []
    to_pixels = ax.bbox.width / (ax.get_xlim()[1] - ax.get_xlim()[0])
    kept: list[tuple[float, str]] = []
    end = -math.inf
    for x, tick in zip(at, inside, strict=True):
        label = _count(tick, by_powers=inside[-1] >= 10**6)
        half = 0.31 * 12 * cells(label)
        if x * to_pixels - half > end + 3:
            kept.append((x, label))
            end = x * to_pixels + half
    ax.set_xticks([x for x, _ in kept], [label for _, label in kept])


def _count(value: float, by_powers: bool) -> str:
    if by_powers and value >= 1000:
        exponent = round(math.log10(value))
        return power_of_ten(exponent) if value == 10.0**exponent else number(value, 2)
    return f"{value:,.6g}" if value < 1 else f"{value:,.0f}"


@dataclass(frozen=True)
class Scale:
    """A range of y with its ticks."""

    low: float
    high: float
    ticks: Sequence[float]
    labels: Sequence[str]
    by_powers: bool

    def set(self, ax: "Axes") -> None:
        """Give it to the axes, with level lines."""
        if self.by_powers:
            ax.set_yscale("log")
        ax.set_ylim(self.low, self.high)
        ax.set_yticks(self.ticks, self.labels)
        ax.minorticks_off()
        ax.grid(axis="y", color=colour("faint"), linewidth=1)
        ax.set_axisbelow(True)


def levels_of(values: Sequence[float], ceiling: float | None = None, *, by_powers: bool = True) -> Scale:
    """Choose the range of y around values, by powers where they may and span more than a factor of 50."""
    from matplotlib.ticker import MaxNLocator

    low, high = min(values), max(values)
    by_powers = by_powers and low > 0 and high > 50 * low
    if by_powers:
        low, high = low / 1.3, min(high, 1e307) * 1.3
        first, last = math.ceil(math.log10(low)), math.floor(math.log10(high))
        ticks = [10.0**k for k in range(first, last + 1, math.ceil((last - first + 1) / 5))]
        labels = [number(t, 1) if 1e-4 < t < 1e5 else power_of_ten(round(math.log10(t))) for t in ticks]
    else:
        pad = 0.06 * (high - low) or 0.05 * abs(high) or 0.05
        low, high = low - pad, high + pad
        if ceiling is not None:
            high = min(high, ceiling + 1e-9)
        ticks = [t for t in MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high) if low <= t <= high]
        step = ticks[1] - ticks[0] if len(ticks) > 1 else 1.0
        places = max(0, -math.floor(math.log10(step) + 1e-9))
        places += 0 if abs(step * 10**places - round(step * 10**places)) < 1e-6 else 1
        labels = [
            f"{t:.{places}f}".replace("-", "−") if places < 13 and abs(t) < 1e6 else number(float(t), 3) for t in ticks
        ]
    return Scale(low, high, ticks, labels, by_powers)


def pixel(ax: "Axes", d: Drawing, x: float, y: float) -> tuple[float, float]:
    """Where a point of the axes lies, in CSS pixels from the drawing's top left corner."""
    at = ax.transData.transform((x, y))
    return float(at[0]), d.height - float(at[1])


def nice_ends(low: float, high: float, many: int = 4) -> list[tuple[float, str]]:
    """Give round values within a small axis, about so many, from low to high, with their labels."""
    from matplotlib.ticker import MaxNLocator

    ticks = [float(t) for t in MaxNLocator(many, steps=[1, 2, 5, 10]).tick_values(low, high) if low <= t <= high]
    step = ticks[1] - ticks[0] if len(ticks) > 1 else 1.0
    return [(t, tick_label(t, step)) for t in ticks or [low]]


def tick_label(value: float, step: float) -> str:
    """Write a tick with the decimals that its step needs."""
    if value and not 1e-4 <= abs(value) < 1e6:
        digits = next((n for n in (1, 2, 3) if math.isclose(float(f"{value:.{n - 1}e}"), value, rel_tol=1e-9)), 4)
        text = number(value, digits) if value % 1 or abs(value) >= 1e6 else number(value)
        return text.replace("1 × 10", "10") if text.lstrip("−").startswith("1 × ") else text
    places = max(0, min(8, -math.floor(math.log10(step) + 1e-9)))
    places += 0 if abs(step * 10**places - round(step * 10**places)) < 1e-6 else 1
    return f"{value:,.{places}f}".replace("-", "−")


def spread(wanted: Sequence[float], heights: Sequence[float], top: float, bottom: float) -> list[float]:
    """Move the middles of boxes apart until none touch, all together as little as can be (least squares).

    wanted: middles, increasing; heights: of the boxes. In place of too little room between top and bottom they overlap
    evenly.
    """
    if not len(wanted):
        return []
    shrink = min(1.0, (bottom - top) / max(sum(heights), 1e-9))
    h = [shrink * v for v in heights]
    # the middles' order is kept when what the boxes above take up is subtracted: an isotonic regression
    below = np.concatenate([[0.0], np.cumsum([(a + b) / 2 for a, b in pairwise(h)])])
    blocks: list[list[float]] = []  # [sum, count]
    for value in np.asarray(wanted, dtype=np.float64) - below:
        blocks.append([float(value), 1.0])
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] >= blocks[-1][0] / blocks[-1][1]:
            last = blocks.pop()
            blocks[-1] = [blocks[-1][0] + last[0], blocks[-1][1] + last[1]]
    level = [total / count for total, count in blocks for _ in range(int(count))]
    low, high = top + h[0] / 2, bottom - h[-1] / 2 - float(below[-1])
    return [float(min(max(v, low), max(low, high)) + b) for v, b in zip(level, below, strict=True)]


@dataclass(frozen=True)
class SideLabel:
    """Lines of words at the right of a chart for what ends at (x, y) pixels; the first `bold` lines bold."""

    x: float
    y: float
    lines: Sequence[str]
    role: str
    bold: int = 1
    leader: bool = True


def side_labels(d: Drawing, labels: Sequence[SideLabel], left: float, top: float, bottom: float) -> None:
    """Write labels from `left` on, each with a thin line from the end that it names, moved apart where they would touch."""
    labels = sorted(labels, key=lambda label: label.y)
    heights = [15.0 * len(label.lines) + 6 for label in labels]
    places = spread([label.y for label in labels], heights, top, bottom)
    for label, middle in zip(labels, places, strict=True):
        if label.leader:
            if label.x < left - 14:
                d.line([(label.x + 3, label.y), (left - 12, label.y)], role=label.role, width=0.8, alpha=0.6)
            d.line([(left - 12, label.y), (left - 3, middle)], role=label.role, width=0.9)
        write_label(d, label, left, middle - 7.5 * len(label.lines))


def write_label(d: Drawing, label: SideLabel, left: float, top: float) -> None:
    """Write a label's lines from its top left corner."""
    for k, line in enumerate(label.lines):
        d.text(left, top + 11.5 + 15 * k, line, role=label.role, size=12, bold=k < label.bold)


Box = tuple[float, float, float, float]  # left, top, right, bottom


def beside(
    end: tuple[float, float], size: tuple[float, float], curves: Sequence[Floats], within: Box, taken: list[Box]
) -> tuple[float, float] | None:  # fmt: skip
    """Find a place for a label at the end of a curve, within the chart, that no curve and no other label touches.

    Parameters
    ----------
    end, size : (float, float)
        Of the curve, and of the label, in pixels.
    curves : sequence of ndarray (k, 2)
        Pixels along every curve, a few apart.
    within : Box
        The chart.
    taken : list of Box
        The labels so far; the new one is added.

    Returns
    -------
    (float, float) or None
        Top left corner.
    """
    (x, y), (w, h) = end, size
    above, below = y - h - 5, y + 7
    rights = (x + 7, above), (x - w / 2, below), (x + 7, below), (x + 9, y - h / 2)
    for left, top in (*rights, (x - 0.75 * w, below), (x - w - 7, below), (x - w - 7, above)):
        box = (left - 2, top - 1, left + w + 2, top + h + 1)
        inside = within[0] <= box[0] and within[1] <= box[1] and box[2] <= within[2] and box[3] <= within[3]
        hit = any(((c >= box[:2]) & (c <= box[2:])).all(axis=1).any() for c in curves)
        clash = any(box[0] < t[2] and t[0] < box[2] and box[1] < t[3] and t[1] < box[3] for t in taken)
        if inside and not hit and not clash:
            taken.append(box)
            return left, top
    return None


def along(ax: "Axes", d: Drawing, x: Floats, y: Floats) -> Floats:
    """Give pixels along a curve, at most three apart."""
    at = ax.transData.transform(np.column_stack([x, y]))
    at[:, 1] = d.height - at[:, 1]
    if len(at) < 2:
        return at
    far = np.clip(np.ceil(np.abs(np.diff(at, axis=0)).max(axis=1) / 3), 1, 400).astype(np.int64)
    place = np.repeat(np.arange(len(far)), far) + np.concatenate([np.arange(n) / n for n in far])
    place = np.r_[place, len(far)]
    k = np.arange(len(at))
    return np.column_stack([np.interp(place, k, at[:, 0]), np.interp(place, k, at[:, 1])])


_COLUMN = 4.0  # pixels; of a curve with more points in a column only how far they reach can be seen
_BAND = 8  # columns: a shorter band is no band


def stroke(
    ax: "Axes", x: Floats, y: Floats, *, role: str, dashes: Any = "-", width: float = 2.0, bands: bool = True
) -> None:  # fmt: skip
    """Draw a curve; from where its points lie too dense to be told apart, a swinging one as the band that it fills.

    The axes' limits are set before; x and y are finite, x increasing. bands: whether it may be one.
    """
    if not len(x):
        return
    ink = colour(role)
    pixels = ax.transData.transform(np.column_stack([x, y]))
    column = np.floor(pixels[:, 0] / _COLUMN)
    starts = np.flatnonzero(np.r_[True, np.diff(column) > 0])
    if len(starts) > 1 and len(x) - starts[-1] < 3:
        starts = starts[:-1]  # the last column is not yet full
    counts = np.diff(np.r_[starts, len(x)])
    sparse = np.flatnonzero(counts[:-1] < 3)
    first = int(sparse[-1]) + 1 if len(sparse) else 0
    low, high = np.minimum.reduceat(y, starts)[first:], np.maximum.reduceat(y, starts)[first:]
    mid = (x[starts] + x[np.r_[starts[1:] - 1, len(x) - 1]])[first:] / 2
    end = int(starts[first])
    height = pixels[end:, 1]
    tall = np.maximum.reduceat(height, starts[first:] - end) - np.minimum.reduceat(height, starts[first:] - end)
    # what goes one way moves as far as it gets; what swings moves farther
    swings = float(np.abs(np.diff(height)).sum()) > 1.3 * float(np.ptp(height))
    if not bands or len(mid) < _BAND or not swings or float(np.median(tall)) < 2.5:
        x, y = thin(x, y, 120)
        ax.plot(x, y, color=ink, linewidth=width, linestyle=dashes, zorder=3)
        return
    if end > 0:
        ax.plot(x[: end + 1], y[: end + 1], color=ink, linewidth=width, linestyle=dashes, zorder=3)
    ax.fill_between(mid, low, high, color=ink, alpha=0.35, linewidth=0, zorder=3)
    for edge in (low, high):
        ax.plot(mid, edge, color=ink, linewidth=0.9, zorder=3)
