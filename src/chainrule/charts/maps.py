"""Maps of P(y = 1 | x) over two columns, one small map an epoch, all on one scale, as SVG text.

z is linear in the two columns, so a level of P is a straight line and the area between two levels a polygon: the maps are
exact, and no grid of points is evaluated.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.charts.axes import WIDTH, nice_ends
from chainrule.charts.style import Drawing, colour, drawing
from chainrule.charts.text import cells, clean, counted, number, shorten

Floats = NDArray[np.float64]
BANDS = (0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99)
_LOGITS = tuple(math.log(p / (1 - p)) if p != 0.5 else 0.0 for p in BANDS)
_STRENGTHS = (0.13, 0.3, 0.5, 0.72)  # of a class's colour, from the middle outwards


@dataclass(frozen=True)
class MapPanel:
    """One map: z = w[0] x + w[1] y + b in the units of the axes.

    title : str
        Above the map ("epoch 3").
    w : (float, float)
    b : float
    note : str
        Under the title ("loss 0.131"), may be empty.
    """

    title: str
    w: tuple[float, float]
    b: float
    note: str = ""


@dataclass(frozen=True)
class Points:
    """Rows drawn over the maps.

    x, y : ndarray (k,), float64
    label : ndarray (k,)
        Classes, 0 or 1.
    of : int
        How many rows they are sampled from.
    which : str
        Which rows these are, as the text alternative says it (" of positive weight").
    """

    x: Floats
    y: Floats
    label: NDArray[Any]
    of: int
    which: str = ""


def band_of(g: ArrayLike) -> NDArray[np.intp]:
    """Give the band that each probability falls in: 0 below BANDS[0], k from BANDS[k-1] on, len(BANDS) at the top."""
    return np.searchsorted(np.asarray(BANDS), np.asarray(g, dtype=np.float64), side="right")


def band_polygons(
    w: tuple[float, float], b: float, x_range: tuple[float, float], y_range: tuple[float, float]
) -> list[Floats]:
    """Give the area of each band of P within a box, as `decision_maps` draws them.

    Parameters
    ----------
    w, b
        z = w[0] x + w[1] y + b, of any finite size.
    x_range, y_range : (float, float)
        The box, low end first.

    Returns
    -------
    list of ndarray (k, 2), float64
        For each of the len(BANDS) + 1 bands, from the lowest P on, the corners (x, y) of a convex polygon in order; (0, 2)
        where the box has nothing of the band.
    """
    ends = (-math.inf, *_LOGITS, math.inf)
    return [_between(w, b, x_range, y_range, low, high) for low, high in pairwise(ends)]


def _between(
    w: tuple[float, float],
    b: float,
    x_range: tuple[float, float],
    y_range: tuple[float, float],
    low: float,
    high: float,
) -> Floats:
    """Clip the box to low <= z <= high (Sutherland and Hodgman, 1974)."""
    corners = [(x_range[0], y_range[0]), (x_range[1], y_range[0]), (x_range[1], y_range[1]), (x_range[0], y_range[1])]
    size = max(abs(v) for v in (*w, b, 1.0)) * max(abs(v) for v in (*x_range, *y_range, 1.0))
    shrink = 1.0 if size < 1e300 else 2.0**-600  # no overflow: the levels shrink with z
    z = [(w[0] * shrink) * x + (w[1] * shrink) * y + b * shrink for x, y in corners]
    if min(z) >= high * shrink and high < math.inf:
        return np.empty((0, 2))  # at the level itself P is in the band above
    shape = [(x, y, v) for (x, y), v in zip(corners, z, strict=True)]
    for level, sign in ((low, 1.0), (high, -1.0)):
        if math.isinf(level):
            continue
        shape = _half(shape, level * shrink, sign)
    if len({(x, y) for x, y, _ in shape}) < 3:
        return np.empty((0, 2))
    return np.array([(x, y) for x, y, _ in shape])


def _half(
    shape: list[tuple[float, float, float]], level: float, sign: float
) -> list[tuple[float, float, float]]:  # fmt: skip
    kept: list[tuple[float, float, float]] = []
    for one, two in zip(shape, shape[1:] + shape[:1], strict=True):
        if sign * (one[2] - level) >= 0:
            kept.append(one)
        if (one[2] - level) * (two[2] - level) < 0:
            # from the lower end, whichever side is kept: both sides of z = 0 get the very same corner
            (xa, ya, za), (xb, yb, zb) = sorted((one, two), key=lambda p: p[2])
            t = (level - za) / (zb - za)
            kept.append((xa + t * (xb - xa), ya + t * (yb - ya), level))
    return kept


# ---- the picture --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Grid:
    """Where the maps stand."""

    left: float
    size: float
    gap: float
    across: int
    x_range: tuple[float, float]
    y_range: tuple[float, float]

    def at(self, k: int) -> float:
        return self.left + k * (self.size + self.gap)

    def pixels(self, shape: Floats, left: float, top: float) -> Floats:
        (x0, x1), (y0, y1) = self.x_range, self.y_range
        x = left + (shape[:, 0] - x0) / (x1 - x0) * self.size
        return np.column_stack([x, top + (y1 - shape[:, 1]) / (y1 - y0) * self.size])


def decision_maps(
    lines: Sequence[tuple[str, Sequence[MapPanel]]], points: Points | None, *, x_label: str, y_label: str,
    classes: tuple[str, str], x_range: tuple[float, float], y_range: tuple[float, float], standalone: bool = False,
) -> str:  # fmt: skip
    """Draw maps of P(y = 1 | x), four across, for one or more runs, all on one scale.

    Parameters
    ----------
    lines : sequence of (str, sequence of MapPanel)
        Runs with their names ("not centred") and maps. Of several, maps with the same number stand one under the other.
    points : Points, optional
        Rows to draw over every map; the picture says of how many they are a sample. Those outside the ranges are left out.
    x_label, y_label : str
        Names of the two columns.
    classes : (str, str)
        Names of classes 0 and 1.
    x_range, y_range : (float, float)
        What the axes show, low end first; the same ends twice are widened.
    standalone : bool
        With its own colours, to be a file of its own.

    Returns
    -------
    str
        SVG text.
    """
    across = min(4, max([2, *(len(panels) for _, panels in lines)]))
    x_range, y_range = _wide_enough(x_range), _wide_enough(y_range)
    left = max(34.0, 14 + 7.3 * max(cells(label) for _, label in nice_ends(*y_range)))
    gap = 10.0
    grid = _Grid(left, (WIDTH - left - 10 - (across - 1) * gap) / across, gap, across, x_range, y_range)
    named = any(name for name, _ in lines)
    noted = any(panel.note for _, panels in lines for panel in panels)
    above = (20 if named else 0) + 18 + (15 if noted else 0)
    groups = max([1, *(math.ceil(len(panels) / across) for _, panels in lines)])
    shown = _inside(points, grid)
    y = y0 = 80.0 if shown is None else 102.0
    tops: list[list[float]] = []
    for _ in range(groups):
        tops.append([y + above + k * (above + grid.size + 12) for k in range(len(lines))])
        y += len(lines) * (above + grid.size + 12) + 34
    with drawing(WIDTH, y - 4) as d:
        _key(d, classes, shown)
        d.text(8, y0 - 6, f"↑ {shorten(y_label, 44)}", role="muted", size=12, tip=clean(y_label))
        places: list[tuple[float, float]] = []
        for group, row in enumerate(tops):
            for (name, panels), top in zip(lines, row, strict=True):
                if name:
                    d.text(left, top - above + 14, shorten(name, 48), size=14, bold=True, tip=clean(name))
                _y_axis(d, grid, top)
                for k, panel in enumerate(panels[group * across : (group + 1) * across]):
                    _map(d, grid, panel, grid.at(k), top, noted)
                    places.append((grid.at(k), top))
            if row:
                _x_axis(d, grid, row[-1], max(len(p) for _, p in lines) - group * across)
        d.text(
            WIDTH - 10, y - 12, f"{shorten(x_label, 44)} →", role="muted", size=12, anchor="right", tip=clean(x_label)
        )
        if shown is not None:
            _points(d, grid, shown, places)
        for group, row in enumerate(tops):
            for (_, panels), top in zip(lines, row, strict=True):
                for k, panel in enumerate(panels[group * across : (group + 1) * across]):
                    _border_line(d, grid, panel, grid.at(k), top)
    return d.svg("maps", f"Maps of the probability of {clean(classes[1])} over {clean(x_label)} and {clean(y_label)}",
                 _told(lines, shown, grid, (x_label, y_label), classes), standalone=standalone)  # fmt: skip


def _wide_enough(ends: tuple[float, float]) -> tuple[float, float]:
    low, high = float(min(ends)), float(max(ends))
    least = 1e-9 * max(abs(low), abs(high)) or 1.0
    return (low, high) if high - low > least else (low - max(0.5, least), high + max(0.5, least))


def _inside(points: Points | None, grid: _Grid) -> Points | None:
    if points is None or not len(points.x):
        return None
    x, y = np.asarray(points.x, dtype=np.float64), np.asarray(points.y, dtype=np.float64)
    (x0, x1), (y0, y1) = grid.x_range, grid.y_range
    keep = (x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)
    return Points(x[keep], y[keep], np.asarray(points.label)[keep], points.of, points.which)


def _fill(d: Drawing, corners: Floats, role: str, strength: float) -> None:
    from matplotlib.patches import Polygon

    if len(corners):
        patch = Polygon(
            corners, closed=True, facecolor=colour(role), edgecolor="none", alpha=strength, transform=d.pixels
        )
        d.figure.add_artist(patch)


def _layers() -> list[tuple[int, str, float]]:
    """Give half-planes from the middle outwards, each over the one before: bands without a seam between them.

    Each is (index of its level, role, strength to lay on so that the band comes to its own).
    """
    layers, before = [], 0.0
    for k, strength in enumerate(_STRENGTHS):
        on_top = 1 - (1 - strength) / (1 - before)
        layers += [(3 + k, "one", on_top), (3 - k, "zero", on_top)]
        before = strength
    return layers


def _map(d: Drawing, grid: _Grid, panel: MapPanel, left: float, top: float, noted: bool) -> None:
    room = (grid.size + grid.gap) / (0.6 * 12) - 1
    d.text(left, top - (21 if noted else 6), shorten(panel.title, room), size=12, bold=True, tip=clean(panel.title))
    if panel.note:
        d.text(left, top - 6, shorten(panel.note, room), role="muted", size=12, tip=clean(panel.note))
    if all(math.isfinite(v) for v in (*panel.w, panel.b)):
        for k, role, strength in _layers():
            low, high = (_LOGITS[k], math.inf) if role == "one" else (-math.inf, _LOGITS[k])
            area = _between(panel.w, panel.b, grid.x_range, grid.y_range, low, high)
            _fill(d, grid.pixels(area, left, top), role, strength)
    else:
        d.text(left + grid.size / 2, top + grid.size / 2 + 4, "not finite", role="muted", size=12, anchor="center")
    d.box(left, top, grid.size, grid.size, fill=None, edge="line", radius=0.01, thick=1)


def _border_line(d: Drawing, grid: _Grid, panel: MapPanel, left: float, top: float) -> None:
    border = _border(panel, grid)
    if border is not None:
        ends = [(float(x), float(y)) for x, y in grid.pixels(border, left, top)]
        d.line(ends, role="paper", width=3.2, alpha=0.8)
        d.line(ends, role="ink", width=1.6)


def _border(panel: MapPanel, grid: _Grid) -> Floats | None:
    """Give the ends of z = 0 within the box; None where it doesn't cross."""
    if not all(math.isfinite(v) for v in (*panel.w, panel.b)):
        return None
    area = _between(panel.w, panel.b, grid.x_range, grid.y_range, 0.0, math.inf)
    other = _between(panel.w, panel.b, grid.x_range, grid.y_range, -math.inf, 0.0)
    both = [p for p in map(tuple, area.tolist()) if p in set(map(tuple, other.tolist()))]
    unique = list(dict.fromkeys(both))
    return np.array(unique[:2]) if len(unique) >= 2 else None


def _points(d: Drawing, grid: _Grid, shown: Points, places: Sequence[tuple[float, float]]) -> None:
    at = grid.pixels(np.column_stack([shown.x, shown.y]), 0.0, 0.0)
    for label, role, square in ((0, "zero", True), (1, "one", False)):
        of = shown.label == label
        dot = (3.6 if len(at) <= 240 else 2.8) * (0.85 if square else 1.0)
        for ink, size in (("paper", dot + 1.6), (role, dot)):
            d.dots(at[of, 0], at[of, 1], role=ink, size=size, square=square, offsets=places)


def _y_axis(d: Drawing, grid: _Grid, top: float) -> None:
    for value, label in nice_ends(*grid.y_range):
        y = top + (grid.y_range[1] - value) / (grid.y_range[1] - grid.y_range[0]) * grid.size
        d.line([(grid.left - 4, y), (grid.left, y)], role="line", width=1)
        d.text(grid.left - 7, y + 4, label, role="muted", size=12, anchor="right")


def _x_axis(d: Drawing, grid: _Grid, top: float, panels: int) -> None:
    bottom = top + grid.size
    low, high = grid.x_range
    ticks = _fitting(grid)
    for k in range(min(grid.across, panels)):
        for value, label in ticks:
            x = grid.at(k) + grid.size * (value - low) / (high - low)
            d.line([(x, bottom), (x, bottom + 4)], role="line", width=1)
            d.text(x, bottom + 17, label, role="muted", size=12, anchor="center")


def _fitting(grid: _Grid) -> list[tuple[float, str]]:
    """Give the round values farthest apart whose labels fit under every map, and the one half-way if it does too."""
    low, high = grid.x_range
    found: list[tuple[float, list[tuple[float, str]]]] = []
    for many in range(2, 8):
        ticks = nice_ends(low, high, many)
        at = [grid.size * (value - low) / (high - low) for value, _ in ticks]
        half = [0.31 * 12 * cells(label) for _, label in ticks]
        for i in range(len(ticks)):
            for k in range(i, len(ticks)):
                first, last = at[i] - half[i], at[k] + half[k]
                apart = i == k or at[i] + half[i] + 4 < at[k] - half[k]
                if apart and last - first < grid.size + grid.gap - 4 and last < grid.size + 9 and first > 4 - grid.left:
                    middle = (i + k) // 2
                    clear = (
                        at[i] + half[i] + 4 < at[middle] - half[middle]
                        and at[middle] + half[middle] + 4 < at[k] - half[k]
                    )
                    three = (k - i) % 2 == 0 and k - i > 1 and clear
                    found.append(
                        (at[k] - at[i], [ticks[i], *[ticks[middle]] * three, ticks[k]] if i < k else [ticks[i]])
                    )
    return max(found, key=lambda f: (round(f[0]), len(f[1])), default=(0.0, []))[1]


def _key(d: Drawing, classes: tuple[str, str], shown: Points | None) -> None:
    """Draw the scale of P, once for all maps, and what the dots are."""
    left, wide = 46.0, WIDTH - 92
    d.text(
        8, 16, f"P(y = 1), probability of class {shorten(classes[1], 32)}", role="muted", size=12, tip=clean(classes[1])
    )
    step = wide / (len(BANDS) + 1)
    for k, role, strength in _layers():
        at = left + step * (k + 1)
        ends = (at, left + wide) if role == "one" else (left, at)
        box = np.array([(ends[0], 24.0), (ends[1], 24.0), (ends[1], 36.0), (ends[0], 36.0)])
        _fill(d, box, role, strength)
    for k, level in enumerate(BANDS):
        x = left + step * (k + 1)
        d.line([(x, 24), (x, 39)], role="ink" if level == 0.5 else "line", width=1.6 if level == 0.5 else 1)
        d.text(x, 51, f"{level:g}", role="muted", size=12, anchor="center")
    for x, end in ((left, "0"), (left + wide, "1")):
        d.text(x, 51, end, role="muted", size=12, anchor="center")
    if shown is None:
        return
    words = f"{len(shown.x):,} of {counted(shown.of, 'row')} drawn"
    y = 72.0
    x = 14.0
    for label, role, square in ((0, "zero", True), (1, "one", False)):
        d.dots(np.array([x]), np.array([y - 4]), role=role, size=6, square=square)
        name = shorten(classes[label], 14)
        d.text(x + 9, y, name, size=12, role="zero-text" if label == 0 else "one", bold=True, tip=clean(classes[label]))
        x += 26 + 0.64 * 12 * cells(name)
    d.text(WIDTH - 10, y, words, role="muted", size=12, anchor="right")


def _told(
    lines: Sequence[tuple[str, Sequence[MapPanel]]], shown: Points | None, grid: _Grid, labels: tuple[str, str],
    classes: tuple[str, str],
) -> str:  # fmt: skip
    (x_label, y_label), ends = labels, [[number(end) for end in axis] for axis in (grid.x_range, grid.y_range)]
    says = [
        f"P is that of {clean(classes[1])} against {clean(classes[0])}; z = 0 is where P is 0.5. Across, {clean(x_label)} goes "
        f"from {ends[0][0]} to {ends[0][1]}; up, {clean(y_label)} from {ends[1][0]} to {ends[1][1]}."
    ]
    for name, panels in lines:
        maps = [
            f"{clean(p.title)}{f' ({clean(p.note)})' if p.note else ''}: z = {number(p.w[0])} × {clean(x_label)} + "
            f"{number(p.w[1])} × {clean(y_label)} + {number(p.b)}"
            for p in panels
        ]
        says.append(f"{clean(name)}: " * bool(name) + "; ".join(maps) + ".")
    if shown is not None:
        sample = "a sample, " if len(shown.x) < shown.of else ""
        says.append(f"Dots are {sample}{len(shown.x):,} of {counted(shown.of, 'row')}{shown.which}.")
    return " ".join(says)
