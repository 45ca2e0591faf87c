"""Charts of predictions: the ROC curve, precision over recall, and predicted against observed probabilities."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from chainrule.charts.axes import LEFT, names_aside, nice, tick
from chainrule.charts.canvas import WIDTH, Drawing, Picture, colour, drawing
from chainrule.words import pretty, short

SIDE = 246.0  # of the square, CSS pixels
HEIGHT = 348.0
LOOKS: tuple[tuple[str, Any], ...] = (("training", "-"), ("held-out", (0, (5, 2.5))))
_CHANCE = (0, (1.5, 3))

Quality = Mapping[str, Any]  # of one part of the rows, as `fitting.metrics.quality` gives it, as JSON values


def roc_picture(parts: Mapping[str, Quality]) -> Picture:
    """Draw the ROC curve of each part of the rows, with a point where the threshold is, and the diagonal of guesses.

    parts: by name, at most two: the curve "roc" (x, y), "auc", and "decisions" at a threshold. Without a curve a part is left
    out.
    """
    with drawing(WIDTH, HEIGHT) as d:
        ax = _square(d, "true positive rate (recall)", "false positive rate")
        lines, names, says = [], [], []
        for name, part, role, dashes in _looks(parts, "roc"):
            of = part["decisions"]
            lines += _curve(ax, part["roc"], role, dashes)
            point = (None if of["specificity"] is None else 1.0 - of["specificity"], of["recall"])
            _point(ax, point, role)
            names.append((name, f"AUC {pretty(part['auc'], 3)}"))
            says.append(f"{name}: AUC {pretty(part['auc'])}; {_at(of, 'recall', 'specificity')}.")
        lines += ax.plot([0, 1], [0, 1], color=colour("line"), linewidth=1.2, linestyle=_CHANCE)
        names_aside(ax, lines, [*names, ("guesses", "AUC 0.5")])
        _foot(d, parts)
        return d.picture("roc", "ROC curve: true positive rate over false positive rate", " ".join(says))


def precision_recall_picture(parts: Mapping[str, Quality]) -> Picture:
    """Draw precision over recall of each part of the rows, with a point where the threshold is, and the base rate.

    parts: as in `roc_picture`, with the curve "precision_recall", "average_precision" and "base_rate".
    """
    with drawing(WIDTH, HEIGHT) as d:
        ax = _square(d, "precision", "recall")
        lines, names, says = [], [], []
        for name, part, role, dashes in _looks(parts, "precision_recall"):
            lines += _curve(ax, part["precision_recall"], role, dashes)
            _point(ax, (part["decisions"]["recall"], part["decisions"]["precision"]), role)
            names.append((name, f"average {pretty(part['average_precision'], 3)}"))
            mean = f"average precision {pretty(part['average_precision'])}"
            says.append(f"{name}: {mean}; {_at(part['decisions'], 'precision', 'recall')}.")
        for _, part, _, _ in _looks(parts, "precision_recall")[-1:]:
            base = part["base_rate"]
            lines.append(ax.axhline(base, color=colour("line"), linewidth=1.2, linestyle=_CHANCE))
            names.append(("base rate", pretty(base, 3)))
        names_aside(ax, lines, names)
        _foot(d, parts)
        return d.picture("precision-recall", "Precision over recall", " ".join(says))


def calibration_picture(parts: Mapping[str, Sequence[Mapping[str, float]]], positive: str = "y = 1") -> Picture:
    """Draw the observed share of class 1 over the predicted probability, in bins, each with its 95 % interval.

    parts: by name, at most two: bins with "predicted", "observed", "low", "high" and "rows".
    """
    ends = [float(of[key]) for bins in parts.values() for of in bins for key in ("predicted", "high")]
    end = 1.04 * max(ends, default=1.0)
    end = 1.0 if end > 0.8 else end
    with drawing(WIDTH, HEIGHT) as d:
        ax = _square(d, f"observed share of {positive}", "predicted probability, mean of the bin", end)
        lines, names, says = [], [], []
        for (name, bins), (role, _) in zip(parts.items(), LOOKS, strict=False):
            ink, mark = colour(role), "o" if role == "training" else "D"
            x, y, low, high = (np.array([of[key] for of in bins]) for key in ("predicted", "observed", "low", "high"))
            ax.vlines(x, low, high, color=ink, linewidth=1.6, alpha=0.75, zorder=3)
            lines += ax.plot(x, y, mark, color=ink, markersize=5.5, zorder=4, clip_on=False)
            names.append((name, f"{len(bins)} bins"))
            each = (
                f"{pretty(a, 3)}: {pretty(b, 3)} ({pretty(c, 3)} to {pretty(e, 3)})"
                for a, b, c, e in zip(x, y, low, high, strict=True)
            )
            says.append(f"{name}, predicted: observed with its 95 % interval: {'; '.join(each)}.")
        lines += ax.plot([0, end], [0, end], color=colour("line"), linewidth=1.2, linestyle=_CHANCE)
        names_aside(ax, lines, [*names, ("predicted = observed", "")])
        return d.picture("calibration", "Observed share over predicted probability", " ".join(says))


def _looks(parts: Mapping[str, Quality], curve: str) -> list[tuple[str, Quality, str, Any]]:
    """Return name, part, colour and dashes of the parts that have the curve."""
    both = zip(parts.items(), LOOKS, strict=False)
    return [(name, part, *look) for (name, part), look in both if part[curve] is not None]


def _square(d: Drawing, title: str, below: str, end: float = 1.0) -> Axes:
    ax = d.axes(LEFT, 34, SIDE, SIDE)
    ticks = (0, 0.25, 0.5, 0.75, 1) if end == 1.0 else nice(0.0, end, 4)
    ax.set(xlim=(0, end), ylim=(0, end), xticks=ticks, yticks=ticks, title=title, xlabel=below)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: tick(value)))
    ax.grid(visible=True)
    return ax


def _curve(ax: Axes, curve: Mapping[str, Sequence[float]], role: str, dashes: Any) -> list[Any]:
    return ax.plot(curve["x"], curve["y"], color=colour(role), linewidth=2.2, linestyle=dashes, zorder=3, clip_on=False)


def _point(ax: Axes, at: tuple[float | None, float | None], role: str) -> None:
    x, y = at
    if x is not None and y is not None:
        look: Any = {"color": colour(role), "markeredgecolor": colour("paper"), "markersize": 8, "clip_on": False}
        ax.plot([x], [y], "o", zorder=5, **look)


def _at(decided: Mapping[str, Any], *names: str) -> str:
    told = ", ".join(f"{name} {pretty(decided[name], 3)}" for name in names)
    return f"at the threshold {short(decided['threshold'])}: {told}"


def _foot(d: Drawing, parts: Mapping[str, Quality]) -> None:
    """Say at which threshold the points are."""
    for part in list(parts.values())[:1]:
        d.text(LEFT, d.height - 4, f"●  at the threshold {short(part['decisions']['threshold'])}", "muted")
