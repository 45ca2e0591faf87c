"""The loss surface: lines of equal F on a plane, and the paths of runs on it."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.path import Path
from matplotlib.ticker import FuncFormatter, MaxNLocator
from matplotlib.transforms import Bbox

from chainrule.charts.axes import nice, tick
from chainrule.charts.canvas import WIDTH, Drawing, Picture, colour, drawing, extent, fitting
from chainrule.words import counted, pretty

LADDERS = [
    [float(f"{step}e{k}") for k in range(-8, 9) for step in steps]
    for steps in ((1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7))
]
POWERS = LADDERS[0][::2]
FEW, MOST_LEVELS, LEAST_POINTS = 4, 9, 20  # lines; points of the grid within the smallest one, so that it is smooth
LEFT, ABOVE, BELOW, GAP = 46.0, 36.0, 48.0, 34.0  # around the axes, pixels
KEY = 145.0  # pixels for a name
ROLES = ("backward", "training", "held-out")  # of the runs; Newton's is "one"
NAMED = (1, 3, 10, 30, 100, 300, 1000, 3000, 10_000)  # epochs
SIZE, HEIGHT = 12.0, 13.0  # of words on a surface, and of their boxes, pixels


def surfaces(panels: Sequence[tuple[str, Any]], *, width: float = WIDTH, unit: str = "epoch") -> Picture:
    """Draw surfaces one above the other or, in a wide picture, side by side.

    panels: the name and `studies.surface.Surface` of each. unit: what the runs' steps are called; Newton's have no numbers.
    """
    across = max(1, min(len(panels), int(width // 350)))
    across -= len(panels) == across + 1 > 2  # none alone
    size = (width - across * LEFT - (across - 1) * GAP - 12) / across
    shapes = [np.ptp(s.y) / np.ptp(s.x) for _, s in panels]
    rows = [range(k, min(k + across, len(panels))) for k in range(0, len(panels), across)]
    named = 20.0 * any(name for name, _ in panels)
    keys = 18.0 * max(math.ceil(len(_marks(s)) / int(size // KEY)) for _, s in panels)
    heights = [named + keys + ABOVE + size * max(shapes[k] for k in row) + BELOW for row in rows]
    with drawing(width, sum(heights)) as d:
        says, top, titles = [], 0.0, fitting((name for name, _ in panels), size, 14, bold=True)
        for row, height in zip(rows, heights, strict=True):
            for k, at in enumerate(row):
                name, s = panels[at]
                x, y = LEFT + k * (size + LEFT + GAP), top + named + keys + ABOVE
                d.text(x, top + 16, titles[name], size=14, bold=True, tip=name)
                says.append(f"{name}: {_told(s, unit)}" if name else _told(s, unit))
                _surface(d, s, (x, y, size, size * shapes[at]), top + named)
            top += height
        return d.picture(
            f"surface{'-wide' * (width > WIDTH)}", "The loss surface, with the paths of runs on it", " ".join(says)
        )


def _surface(d: Drawing, s: Any, box: tuple[float, float, float, float], top: float) -> None:
    """Draw one surface into a box (x, y, width, height), its key from `top` on."""
    ax = d.axes(*box)
    ax.set(xlim=s.x[[0, -1]], ylim=s.y[[0, -1]])
    ax.grid(visible=False)
    ax.spines[:].set_visible(True)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
        axis.set_major_formatter(FuncFormatter(lambda value, _: tick(value)))
    each = min((box[2] - 12 * extent(f"→ {axis.text}")) / len(axis.names) for axis in s.axes)
    across, up = (axis.told(fitting((*s.axes[0].names, *s.axes[1].names), each)) for axis in s.axes)
    d.text(box[0] - LEFT + 8, box[1] - 10, f"↑ {up}", "muted", tip=f"↑ {s.axes[1].told()}")
    d.text(box[0] + box[2], box[1] + box[3] + 38, f"{across} →", "muted", anchor="right", tip=f"{s.axes[0].told()} →")
    room = _Room(ax, s)
    for way, role in zip(s.ways, roles_of(s), strict=True):
        _way(ax, way, role, room)
    _levels(ax, s, room)
    if s.best is not None:
        ax.plot(*s.best, "X", color=colour("ink"), markersize=8, markeredgecolor=colour("paper"), zorder=6)
    _key(d, s, box[0], top, box[2])


class _Room:
    """Where a surface has room for words: within its frame, and on no path, mark or other word."""

    def __init__(self, ax: Axes, s: Any) -> None:
        self.frame, self.place = ax.bbox, ax.transData
        self.lines = [ax.transData.transform_path(Path(np.clip(way.at, -1e6, 1e6))) for way in s.ways]
        marks = [way.at[0] for way in s.ways] + ([] if s.best is None else [s.best])
        self.taken = [_box(ax.transData.transform(mark), 10, 10) for mark in marks]

    def take(self, box: Bbox, others: Sequence[Path] = ()) -> bool:
        """Take a box if it is free, of these other lines too."""
        free = self.frame.contains(*box.min) and self.frame.contains(*box.max)
        free = free and not any(map(box.overlaps, self.taken))
        free = free and not any(line.intersects_bbox(box, filled=False) for line in (*self.lines, *others))
        self.taken += [box] if free else []
        return free


def _box(middle: Any, width: float, height: float) -> Bbox:
    return Bbox.from_bounds(middle[0] - width / 2, middle[1] - height / 2, width, height)


def _levels(ax: Axes, s: Any, room: _Room) -> None:
    """Draw the lines of equal F, and name each where it has room."""
    levels, above = np.sqrt(levels_of(s)), np.sqrt(np.maximum(s.F - s.lowest, 0.0))  # its lines are straighter than F's
    if len(levels) > 1:
        shades = [to_rgba(colour("muted"), 0.05 + 0.3 * k / len(levels)) for k in range(len(levels) + 1)]
        ax.contourf(s.x, s.y, above, levels=levels, colors=shades, extend="both", zorder=1)
    if not len(levels):
        return
    drawn = ax.contour(s.x, s.y, above, levels=levels, colors=colour("line"), linewidths=0.9, zorder=2)
    lines = [room.place.transform_path(line) for line in drawn.get_paths()]
    for k, (level, line) in enumerate(zip(levels_of(s), lines, strict=True)):
        if level not in POWERS and len(levels) > MOST_LEVELS - 2:
            continue
        at, width = np.asarray(line.vertices), SIZE * extent(tick(level)) + 6
        ahead = np.roll(at, -2, axis=0) - np.roll(at, 2, axis=0)
        cos, sin = np.abs(ahead / np.maximum(np.hypot(*ahead.T), 1e-9)[:, None]).T
        for i in np.argsort(np.abs(np.arange(len(at)) - len(at) / 2), kind="stable"):
            box = _box(at[i], width * cos[i] + HEIGHT * sin[i], width * sin[i] + HEIGHT * cos[i])
            if room.take(box, lines[:k] + lines[k + 1 :]):
                where, look = room.place.inverted().transform(at[i]), {"fontsize": SIZE, "colors": colour("muted")}
                ax.clabel(drawn, levels[k : k + 1], fmt=tick(level), manual=[where], inline_spacing=3, **look)
                break


def levels_of(s: Any) -> list[float]:
    """Choose levels of F above its lowest value: the coarsest ladder that has a few of them, else equal steps."""
    low, high = np.sort(s.F - s.lowest, axis=None)[[LEAST_POINTS, -1]].tolist()
    for levels in (*LADDERS, nice(low, high, 7)):
        found = [level for level in levels if low < level < high]
        if len(found) >= FEW:
            break
    return found[-MOST_LEVELS:]


def roles_of(s: Any) -> list[str]:
    """Choose the colour of each path."""
    others = iter(ROLES * len(s.ways))
    return ["one" if way.is_newton else next(others) for way in s.ways]


def _way(ax: Axes, way: Any, role: str, room: _Room) -> None:
    """Draw a path from its start; Newton's steps are marked, and some epochs of others are numbered where there is room."""
    ink, at = colour(role), np.clip(way.at, -1e6, 1e6)
    ax.plot(*at.T, color=ink, linewidth=1.8, linestyle=(0, (5, 2)) if way.is_newton else "-", zorder=4)
    ax.plot(*at[0], "o", color=colour("ink"), markerfacecolor=colour("paper"), markersize=8, zorder=6)
    if way.is_newton:
        ax.plot(*at[1:].T, "o", color=ink, markersize=5.5, markeredgecolor=colour("paper"), zorder=5)
        return
    places = room.place.transform(at)
    for k in np.flatnonzero(np.isin(way.epochs, NAMED)).tolist():
        number = f"{way.epochs[k]:,}"
        width, ahead = SIZE * extent(number) + 6, places[min(k + 1, len(at) - 1)] - places[max(k - 1, 0)]
        aside: Any = np.array([-ahead[1], ahead[0]]) / (math.hypot(*ahead) or 1.0)  # to the left of the way
        aside *= 3 + np.abs(aside) @ (width / 2, HEIGHT / 2)
        for side in (aside, -aside) if room.frame.contains(*places[k]) else ():
            if room.take(_box(places[k] + side, width, HEIGHT)):
                look: Any = {"color": ink, "fontsize": SIZE, "ha": "center", "va": "center", "zorder": 7}
                ax.plot(*at[k], "o", color=ink, markersize=5, markeredgecolor=colour("paper"), zorder=5)
                ax.annotate(number, at[k], xytext=side, textcoords="offset points", **look)
                break


def _marks(s: Any) -> list[tuple[str, str, str]]:
    """List the paths, the start and the optimum: mark, name, colour."""
    ways = [("•" if way.is_newton else "—", way.label, role) for way, role in zip(s.ways, roles_of(s), strict=True)]
    return [*ways, ("○", "start", "ink"), *([("✖", "optimum", "ink")] if s.best is not None else [])]


def _key(d: Drawing, s: Any, x: float, top: float, width: float) -> None:
    """Name the paths, the start and the optimum, each after its mark."""
    many = int(width // KEY)
    short = fitting((label for _, label, _ in _marks(s)), width / many - 28, bold=True)
    for k, (mark, label, role) in enumerate(_marks(s)):
        at = x + (k % many) * width / many, top + 16 + 18 * (k // many)
        d.text(*at, f"{mark} {short[label]}", role, bold=True, tip=f"{mark} {label}")


def _told(s: Any, unit: str) -> str:
    """Describe a surface in words."""
    F, low = ("F − F*", pretty(s.lowest)) if s.best is not None else ("F", "")
    lines = ", ".join(pretty(level) for level in levels_of(s))
    ends = "; ".join(
        f"{way.label}: {counted(int(way.epochs[-1]), 'step' if way.is_newton else unit)}, from "
        f"({pretty(float(way.at[0, 0]), 3)}, {pretty(float(way.at[0, 1]), 3)}) to "
        f"({pretty(float(way.at[-1, 0]), 3)}, {pretty(float(way.at[-1, 1]), 3)})"
        for way in s.ways
    )
    best = f" The optimum, F* = {low}, is at ({', '.join(pretty(float(v), 3) for v in s.best)})." if low else ""
    return f"Across: {s.axes[0].told()}; up: {s.axes[1].told()}. Lines of {F} at {lines} nats.{best} {ends}."
