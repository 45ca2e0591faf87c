"""Axes of epochs, reads and rates, level lines, and labels at the ends of curves: shared by all charts over time."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from chainrule.pictures.style import Drawing, colour
from chainrule.pictures.text import number, power_of_ten

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
    labels = [number(t, 2) if t >= 10**6 else f"{t:,.6g}" if t < 1 else f"{t:,.0f}" for t in inside]
    ax.set_xticks([float(v) for v in across(np.array(inside))] if inside else [], labels)


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


def levels_of(values: Sequence[float], ceiling: float | None = None) -> Scale:
    """Choose the range of y around values, by powers where they span more than a factor of 50."""
    from matplotlib.ticker import MaxNLocator

    low, high = min(values), max(values)
    by_powers = low > 0 and high > 50 * low
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
            f"{t:.{places}f}".replace("-", "−") if places < 8 and abs(t) < 1e6 else number(float(t), 3) for t in ticks
        ]
    return Scale(low, high, ticks, labels, by_powers)


def pixel(ax: "Axes", d: Drawing, x: float, y: float) -> tuple[float, float]:
    """Where a point of the axes lies, in CSS pixels from the drawing's top left corner."""
    at = ax.transData.transform((x, y))
    return float(at[0]), d.height - float(at[1])


def end_labels(d: Drawing, ends: list[tuple[float, str, str, bool]], x: float, top: float, bottom: float) -> None:
    """Write two-line labels at the right of the curves' ends, moved apart where they would touch."""
    ends = sorted(ends, key=lambda e: e[0])
    gap = 36.0
    at: list[float] = []
    for wanted, *_ in ends:
        at.append(max(wanted, at[-1] + gap) if at else max(wanted, top + 4))
    limit = bottom - 16
    for k in range(len(at) - 1, -1, -1):
        at[k] = min(at[k], limit)
        limit = at[k] - gap
    for y, (wanted, words, role, bold) in zip(at, ends, strict=True):
        name, value = words.split("\n")
        if abs(y - wanted) > 3:
            d.line([(x - 8, wanted), (x - 1, y)], role=role, width=0.8)
        d.text(x + 2, y - 1, name, role=role, size=12, bold=bold)
        d.text(x + 2, y + 13, value, role=role, size=12)


def nice_ends(low: float, high: float) -> list[tuple[float, str]]:
    """Give two or three round values within a small axis, from low to high, with their labels."""
    from matplotlib.ticker import MaxNLocator

    ticks = [float(t) for t in MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high) if low <= t <= high]
    if len(ticks) > 3:
        ticks = [ticks[0], ticks[-1]]
    step = ticks[1] - ticks[0] if len(ticks) > 1 else 1.0
    return [(t, tick_label(t, step)) for t in ticks or [low]]


def tick_label(value: float, step: float) -> str:
    """Write a tick with the decimals that its step needs."""
    if value and not 1e-4 <= abs(value) < 1e6:
        return number(value, 2)
    places = max(0, min(8, -math.floor(math.log10(step) + 1e-9)))
    places += 0 if abs(step * 10**places - round(step * 10**places)) < 1e-6 else 1
    return f"{value:,.{places}f}".replace("-", "−")


def spread(wanted: Sequence[float], gap: float, top: float, bottom: float) -> list[float]:
    """Move places, in increasing order, at least `gap` apart: down first, then up from the bottom where they reach it."""
    at: list[float] = []
    for y in wanted:
        at.append(max(y, at[-1] + gap) if at else max(y, top))
    limit = bottom
    for k in range(len(at) - 1, -1, -1):
        at[k] = min(at[k], limit)
        limit = at[k] - gap
    return at
