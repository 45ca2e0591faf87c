"""The pictures of how near the optimum runs are, as SVG text: by scalings of the columns, and by batches of rows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chainrule.charts.axes import (
    LEFT,
    WIDTH,
    Box,
    SideLabel,
    along,
    beside,
    epochs_axis,
    pixel,
    powers,
    side_labels,
    stroke,
    write_label,
)
from chainrule.charts.study_charts import DASHES, ROLES
from chainrule.charts.style import Drawing, colour, drawing
from chainrule.charts.text import cells, clean, lines_of, number

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Descending:
    """F - F* over the epochs of one run, nats; `note` in a few words, may be empty."""

    label: str
    epochs: Floats
    gap: Floats
    note: str = ""


@dataclass(frozen=True)
class BatchRun:
    """F - F* of one run, nats, by the reads of the data and by the updates so far.

    gap : after each epoch. level : what is drawn, the median of `gap` over the last tenth of the epochs so far.
    """

    label: str
    reads: Floats
    updates: Floats
    gap: Floats
    level: Floats


def scaling_picture(
    runs: Sequence[Descending], *, within: float = 1e-3, exists: bool = True, standalone: bool = False
) -> str:
    """Draw F - F* over the epochs, by powers of ten, for several ways to scale the columns.

    Parameters
    ----------
    runs : sequence of Descending
    within : float
        The level that is near enough, nats.
    exists : bool
        Whether there is an optimum: else gaps are from inf F, or from what it is at least.
    standalone : bool
        With its own colours, to be a file of its own.

    Returns
    -------
    str
        SVG text.
    """
    above = _above(exists)
    says = [
        _told_gap(r.label, r.epochs, r.gap, "epoch", within, above) + (f" {clean(r.note)}." if r.note else "")
        for r in runs
    ]
    with drawing(WIDTH, 290) as d:
        _gaps(d, 34, [(r.label, r.epochs, r.gap, r.note) for r in runs], "epoch", within, above)
    return d.svg("scalings", f"Distance to the {_goal(exists)} over the epochs", " ".join(says), standalone=standalone)


def batches_picture(
    runs: Sequence[BatchRun], *, within: float = 1e-3, exists: bool = True, standalone: bool = False
) -> str:
    """Draw F - F*, by powers of ten, for several batch sizes: by the reads of the data, and by the updates.

    Lines are of the medians over the last tenth of the way, since bands of swings would cover one another; dots are where F
    first came near.

    Parameters
    ----------
    runs : sequence of BatchRun
    within, exists, standalone
        As for `scaling_picture`.

    Returns
    -------
    str
        SVG text.
    """
    says = [_told_gap(r.label, r.reads, r.level, "read", within, _above(exists), r.gap) for r in runs]
    says.append(f"{_above(exists)} is the median over the last tenth of the reads so far.")
    with drawing(WIDTH, 586) as d:
        reads = [_first(r.reads, r.gap, within) for r in runs]
        updates = [_first(r.updates, r.gap, within) for r in runs]
        _gaps(
            d, 34, [(r.label, r.reads, r.level, "") for r in runs], "reads of the data", within, _above(exists), reads
        )
        _gaps(
            d, 330, [(r.label, r.updates, r.level, "") for r in runs], "updates of w", within, _above(exists), updates
        )
    return d.svg("batches", f"Distance to the {_goal(exists)} by reads of the data and by updates", " ".join(says),
                 standalone=standalone)  # fmt: skip


def _goal(exists: bool) -> str:
    return "optimum" if exists else "infimum"


def _above(exists: bool) -> str:
    return "F − F*" if exists else "F − inf F"


def _first(x: Floats, gap: Floats, within: float) -> float | None:
    """Where a gap is first near enough."""
    near = np.flatnonzero(np.asarray(gap, dtype=np.float64) <= within)
    return float(x[near[0]]) if len(near) else None


def _positive(x: Floats, gap: Floats) -> tuple[Floats, Floats]:
    x, gap = np.asarray(x, dtype=np.float64), np.asarray(gap, dtype=np.float64)
    keep = np.isfinite(gap) & (gap > 0) & np.isfinite(x)
    return x[keep], gap[keep]


def _gaps(
    d: Drawing, top: float, runs: Sequence[tuple[str, Floats, Floats, str]], unit: str, within: float,
    above: str, first: Sequence[float | None] | None = None,
) -> None:  # fmt: skip
    """Draw gaps over epochs, reads or updates. first: of medians, where each gap itself was first near enough."""
    dashed = first is None
    left, right, height = LEFT, 142.0, 204.0
    edge = WIDTH - right
    series = [(label, *_positive(x, gap), note) for label, x, gap, note in runs]
    ax = d.axes(left, top, edge - left, height)
    across = epochs_axis(ax, max([1.0, *(float(x[-1]) for _, x, _, _ in series if len(x))]))
    # what is far nearer than near enough needs no room
    powers(
        ax,
        [within, *(max(v, within / 30) for _, _, g, _ in series if len(g) for v in (float(g.min()), float(g.max())))],
    )
    floor = ax.get_ylim()[0]
    d.text(
        8,
        top - 16,
        f"{above}, nats" + ("" if dashed else ", median over the last tenth of the way"),
        role="muted",
        size=12,
    )
    d.text(left + (edge - left) / 2, top + height + 37, unit, role="muted", size=12, anchor="center")
    y = pixel(ax, d, 0, within)[1]
    ax.axhline(within, color=colour("line"), linewidth=1.2, linestyle=(0, (1.5, 3)), zorder=2)
    near = [f"{number(within, 1)} nats", *(["• first there"] if first and any(v is not None for v in first) else [])]
    labels = [SideLabel(edge, y, near, "muted", bold=0)]
    drawn = [
        (label, across(x), np.maximum(gap, floor / 10), note or number(float(gap[-1]), 2))
        for label, x, gap, note in series
        if len(x)
    ]
    paths = [along(ax, d, x, gap) for _, x, gap, _ in drawn]
    paths.append(np.column_stack([np.arange(left, edge, 3.0), np.full(len(np.arange(left, edge, 3.0)), y)]))
    room = (right - 20) / (0.62 * 12)
    taken: list[Box] = []
    for k, at in enumerate(first or ()):
        if at is not None:
            there = pixel(ax, d, float(across(np.array([at]))[0]), within)
            d.dots(np.array([there[0]]), np.array([y]), role=ROLES[k % len(ROLES)], size=6)
    for k, (label, x, gap, note) in enumerate(drawn):
        role = ROLES[k % len(ROLES)]
        dashes, width = (DASHES[k % len(DASHES)], 2.2) if dashed else ("-", 1.7)
        stroke(ax, x, gap, role=role, dashes=dashes, width=width, bands=dashed)
        under = np.flatnonzero(gap < floor)
        last = int(under[0]) if len(under) and (gap[under[0] :] < floor).all() else len(x) - 1
        end = pixel(ax, d, float(x[last]), max(float(gap[last]), floor))
        d.dots(np.array([end[0]]), np.array([end[1]]), role=role, size=6)
        name = lines_of(label, room, 2)
        lines = [*name, *lines_of(note, room, 3)]
        words = SideLabel(*end, lines, role, len(name), float(gap[last]) >= floor or last == len(x) - 1)
        size = (0.62 * 12 * max(cells(line) for line in lines), 15.0 * len(lines))
        found = beside(end, size, paths, (left, top, edge + 8, top + height), taken) if end[0] < edge - 20 else None
        if found is None:
            labels.append(words)
        else:
            write_label(d, words, *found)
    side_labels(d, labels, edge + 16, top - 10, top + height + 10)


def _told_gap(
    label: str, x: Floats, gap: Floats, unit: str, within: float, above: str, single: Floats | None = None
) -> str:
    """Say a gap's ends, and where it was first near enough. single: what is near, where the gap is a median."""
    at = _first(x, gap if single is None else single, within)
    x, gap = _positive(x, gap)
    if not len(x):
        return f"{clean(label)}: no finite value."
    reached = (
        "" if at is None else f", {'' if single is None else 'first '}within {number(within, 2)} at {unit} {number(at)}"
    )
    return (
        f"{clean(label)}: {above} is {number(float(gap[0]), 3)} at {unit} {number(float(x[0]))} and "
        f"{number(float(gap[-1]), 3)} at {unit} {number(float(x[-1]))}{reached}."
    )
