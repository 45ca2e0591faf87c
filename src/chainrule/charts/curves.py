"""Curves of a run as SVG text: loss and accuracy, and how far the objective is from its optimum.

Each is for inlining in a page that has `style.palette_css()`. None draws a mark an epoch of a long run.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from chainrule.charts.axes import (
    LEFT,
    MANY,
    WIDTH,
    Across,
    Box,
    Floats,
    SideLabel,
    along,
    beside,
    epochs_axis,
    levels_of,
    pixel,
    powers,
    reads_axis,
    side_labels,
    thin,
    write_label,
)
from chainrule.charts.style import colour, drawing
from chainrule.charts.text import cells, lines_of, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes


_ASIDE = 128.0  # width of what stands at the right of a chart


class TraceLike(Protocol):
    """What the curves need of a trace: its columns."""

    @property
    def columns(self) -> Mapping[str, NDArray[Any]]:
        """Arrays of one length: "epoch", "loss", "accuracy", maybe "held_out_loss", "reads", "share", "gap" and others."""
        ...


@dataclass(frozen=True)
class Curve:
    """One line of a chart: x (epochs or reads of the data), y, and the share of the rows that each y was computed on."""

    label: str
    role: str
    x: Floats
    y: Floats
    share: Floats


@dataclass(frozen=True)
class Level:
    """A level line and its name."""

    label: str
    value: float


def loss_curves(
    trace: TraceLike, *, base_loss: float | None = None, optimum_loss: float | None = None, by_reads: bool = False,
    standalone: bool = False,
) -> str:  # fmt: skip
    """Draw the log-loss over the epochs, on the training rows and, where the trace has them, on held-out rows.

    Parameters
    ----------
    trace : TraceLike
        Columns "epoch" and "loss" (nats per unit of weight), optionally "held_out_loss".
    base_loss : float, optional
        Log-loss of the base rate alone, drawn as a level to beat.
    optimum_loss : float, optional
        Log-loss at the certified optimum, drawn as the level to reach.
    by_reads : bool
        Over the reads of the data in place of the epochs: for runs of few steps. What was computed on a sample of the
        rows alone (column "share" below 1) is hollow.
    standalone : bool
        With its own colours, to be a file of its own.

    Returns
    -------
    str
        SVG text.
    """
    levels = [("base rate alone", base_loss), ("optimum", optimum_loss)]
    return _curves(
        "loss", "log-loss, nats per row", _series(trace, "loss", by_reads), _known(levels), by_reads, standalone
    )


def accuracy_curves(
    trace: TraceLike, *, base_accuracy: float | None = None, by_reads: bool = False, standalone: bool = False
) -> str:
    """Draw the accuracy (share of rows on the right side of g = 1/2) over the epochs; arguments as `loss_curves`."""
    levels = _known([("larger class alone", base_accuracy)])
    series = _series(trace, "accuracy", by_reads)
    return _curves("accuracy", "accuracy, share of rows", series, levels, by_reads, standalone)


def _known(levels: Sequence[tuple[str, float | None]]) -> list[Level]:
    return [Level(label, value) for label, value in levels if value is not None and math.isfinite(value)]


def _label(end: tuple[float, float], name: str, value: str, role: str) -> SideLabel:
    bold = role != "muted"
    names = lines_of(name, (_ASIDE - 20) / ((0.62 if bold else 0.58) * 12), 2)
    return SideLabel(*end, [*names, value], role, len(names) if bold else 0)


def _series(trace: TraceLike, column: str, by_reads: bool) -> list[Curve]:
    columns = trace.columns
    x = np.asarray(columns["reads" if by_reads else "epoch"], dtype=np.float64)
    share = np.asarray(columns["share"], dtype=np.float64) if "share" in columns else np.ones(len(x))
    found = []
    for name, label, role in ((column, "training", "training"), (f"held_out_{column}", "held out", "held-out")):
        if name in columns:
            values = np.asarray(columns[name], dtype=np.float64)
            keep = np.isfinite(values)
            if keep.any():
                # held-out rows are all read at every step
                shares = share if role == "training" else np.ones(len(x))
                found.append(Curve(label, role, x[keep], values[keep], shares[keep]))
    return found


def _curves(
    kind: str, unit: str, series: list[Curve], levels: list[Level], by_reads: bool, standalone: bool
) -> str:  # fmt: skip
    sampled = any((s.share < 1).any() for s in series)
    with drawing(WIDTH, 292 if sampled else 270) as d:
        values = [v for s in series for v in (float(s.y.min()), float(s.y.max()))] + [level.value for level in levels]
        scale = levels_of(values or [0.0, 1.0], ceiling=1.0 if kind == "accuracy" else None)
        left = max(LEFT, 12 + 7.5 * max((cells(label) for label in scale.labels), default=0.0))
        edge = WIDTH - _ASIDE
        ax = d.axes(left, 34, edge - left, 190)
        across = _axis(ax, series, by_reads)
        scale.set(ax)
        d.text(8, 18, unit, role="muted", size=12)
        d.text(left + (edge - left) / 2, 266, "reads of the data" if by_reads else "epoch", role="muted", size=12,
               anchor="center")  # fmt: skip
        labels = []
        digits = 3 if len(levels) == 1 else 4
        for level in levels:
            ax.axhline(level.value, color=colour("line"), linewidth=1.2, linestyle=(0, (1.5, 3)), zorder=2)
            labels.append(
                _label((edge, pixel(ax, d, 0, level.value)[1]), level.label, number(level.value, digits), "muted")
            )
        for curve in series:
            _line(ax, curve, across, dots=by_reads)
            end = edge, pixel(ax, d, 0, float(curve.y[-1]))[1]
            labels.append(_label(end, curve.label, number(float(curve.y[-1]), 4), curve.role))
        side_labels(d, labels, edge + 16, 26, 238)
        if sampled:
            d.text(left, 288, "○ on a sample of the rows    ● on all rows", role="muted", size=12)
    says = [_told(curve, by_reads) for curve in series]
    says += [f"{level.label[:1].upper()}{level.label[1:]}: {number(level.value, 5)}." for level in levels]
    over = "reads of the data" if by_reads else "epochs of training"
    title = f"{'Log-loss' if kind == 'loss' else 'Accuracy'} over the {over}"
    return d.svg(kind, title, " ".join(says) or "No finite value was recorded.", standalone=standalone)


@dataclass(frozen=True)
class Descent:
    """A run on its way down.

    trace: columns "reads", "gap", "objective", "share". optimum_at_least: a lower bound on F*; inf: none is known.
    own: whether all reads are its own; else those before the first line, which measured the distance, are not counted.
    """

    label: str
    role: str
    trace: TraceLike
    optimum_at_least: float | None = None
    own: bool = True

    def curve(self) -> Curve | None:
        """Bounds on F - F* by the reads so far: the one proven at the point itself, else F less the lower bound on F*."""
        columns = self.trace.columns
        if not {"reads", "gap", "objective", "share"} <= set(columns):
            return None
        reads, gap, F, share = (
            np.asarray(columns[k], dtype=np.float64) for k in ("reads", "gap", "objective", "share")
        )
        if self.optimum_at_least is not None and math.isfinite(self.optimum_at_least):
            gap = np.minimum(gap, np.where(share >= 1, F - self.optimum_at_least, np.inf))
        keep = np.isfinite(gap) & (gap > 0) & np.isfinite(F)
        if not keep.any():
            return None
        # before the first line: the columns' moments and the loss at the start
        x = reads if self.own else reads - reads[0] + 2
        return Curve(self.label, self.role, np.maximum(x[keep], 1.0), gap[keep], share[keep])


def gap_curves(
    runs: Sequence[Descent], *, tol: float | None = None, infimum: bool = False, standalone: bool = False
) -> str | None:
    """Draw how far the objective is proven to be from its optimum, by the reads of the data so far; both in powers of ten.

    Parameters
    ----------
    runs : sequence of Descent
    tol : float, optional
        The bound that was asked for, drawn as the level to reach.
    infimum : bool
        There is no optimum: the distance is that from inf F.
    standalone : bool
        With its own colours, to be a file of its own.

    Returns
    -------
    str or None
        SVG text; None where no bound is known.
    """
    series = [curve for run in runs if (curve := run.curve()) is not None]
    if not series:
        return None
    optimum = "inf F" if infimum else "F*"
    levels = _known([("tol", tol if tol else None)])
    with drawing(WIDTH, 290) as d:
        edge = WIDTH - _ASIDE
        ax = d.axes(LEFT, 34, edge - LEFT, 210)
        across = _axis(ax, series, True)
        powers(ax, [*(v for c in series for v in (c.y.min(), c.y.max())), *(level.value for level in levels)])
        d.text(8, 18, f"F − {optimum} at most, nats", role="muted", size=12)
        d.text(LEFT + (edge - LEFT) / 2, 286, "reads of the data", role="muted", size=12, anchor="center")
        labels = []
        for level in levels:
            ax.axhline(level.value, color=colour("line"), linewidth=1.2, linestyle=(0, (1.5, 3)), zorder=2)
            labels.append(_label((edge, pixel(ax, d, 0, level.value)[1]), level.label, number(level.value, 2), "muted"))
        paths = [along(ax, d, across(curve.x), curve.y) for curve in series]
        taken: list[Box] = []
        for curve in series:
            _line(ax, curve, across, dots=len(curve.x) < MANY)
            end = pixel(ax, d, float(across(curve.x[-1:])[0]), float(curve.y[-1]))
            label = _label(end, curve.label, f"{number(float(curve.x[-1]), 3)} reads", curve.role)
            size = (0.62 * 12 * max(cells(line) for line in label.lines), 15.0 * len(label.lines))
            found = beside(end, size, paths, (LEFT, 34, edge + 8, 244), taken) if end[0] < edge - 20 else None
            if found is None:
                labels.append(label)
            else:
                write_label(d, label, *found)
        side_labels(d, labels, edge + 16, 26, 258)
    says = [
        f"{curve.label}: F − {optimum} is at most {number(float(curve.y[0]), 2)} after {number(float(curve.x[0]), 3)} reads "
        f"of the data, and {number(float(curve.y[-1]), 2)} after {number(float(curve.x[-1]), 3)}."
        for curve in series
    ]
    says += [f"Asked for: {number(level.value, 2)}." for level in levels]
    return d.svg("gap", f"Distance of the objective from its {'infimum' if infimum else 'optimum'}", " ".join(says),
                 standalone=standalone)  # fmt: skip


def _line(ax: "Axes", curve: Curve, across: Any, *, dots: bool) -> None:
    """Draw a curve; with dots, each step's, hollow and on a lighter line where only a sample of the rows was read."""
    dashes: Any = "-" if curve.role != "held-out" else (0, (5, 2.5))
    ink = colour(curve.role)
    if not dots:
        x, y = thin(across(curve.x), curve.y)
        ax.plot(x, y, color=ink, linewidth=2.2, linestyle=dashes, clip_on=False, zorder=3)
        return
    x, y, whole = across(curve.x), curve.y, curve.share >= 1
    for k in range(len(x) - 1):
        light = not (whole[k] and whole[k + 1])
        ax.plot(x[k : k + 2], y[k : k + 2], color=ink, linewidth=1.2 if light else 2.2, linestyle=dashes,
                alpha=0.45 if light else 1.0, zorder=3)  # fmt: skip
    for some, fill in ((whole, ink), (~whole, colour("paper"))):
        ax.plot(x[some], y[some], color=ink, markerfacecolor=fill, marker="o", markersize=6, markeredgewidth=1.6,
                linestyle="", clip_on=False, zorder=4)  # fmt: skip


def _axis(ax: "Axes", series: Sequence[Curve], by_reads: bool) -> Across:
    last = max((float(curve.x[-1]) for curve in series), default=1.0)
    if by_reads:
        return reads_axis(ax, min((float(curve.x[0]) for curve in series), default=1.0), last)
    return epochs_axis(ax, last)


def _told(curve: Curve, by_reads: bool) -> str:
    x, y = curve.x, curve.y
    if not by_reads:
        return (
            f"{curve.label}: {number(float(y[0]), 5)} at epoch {number(float(x[0]))}, lowest {number(float(y.min()), 5)}, "
            f"highest {number(float(y.max()), 5)}, {number(float(y[-1]), 5)} at epoch {number(float(x[-1]))}."
        )
    points = [
        f"{number(value, 5)} after {number(at, 3)} reads"
        + (f", on {100 * share:.3g}% of the rows" if share < 1 else "")
        for at, value, share in zip(x.tolist(), y.tolist(), curve.share.tolist(), strict=True)
    ]
    return f"{curve.label}: {'; '.join(points)}."
