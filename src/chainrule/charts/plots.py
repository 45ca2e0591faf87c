"""Plots on matplotlib axes, for scripts and notebooks; pages have the pictures of the other modules.

Each draws on the axes given, or on new axes of pyplot, and returns them. Nothing is shown or closed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter
from numpy.typing import ArrayLike

from chainrule.charts.axes import MANY, across, tick
from chainrule.charts.canvas import colour, fonts, in_our_look
from chainrule.charts.charts import SHOWN_FEATURES, odds, odds_axis
from chainrule.errors import InputError
from chainrule.words import counted, shortened

_SIZE = (6.4, 4.0)  # inches of new axes
_NAME = 28  # cells of a name beside the axes


@contextmanager
def _axes(ax: Axes | None, size: tuple[float, float] = _SIZE) -> Iterator[Axes]:
    """Draw in the house style on these axes, or on new ones."""
    if ax is not None and not isinstance(ax, Axes):
        raise InputError(f"ax must be axes of matplotlib, such as plt.gca(), not {type(ax).__name__}")
    with in_our_look(), rc_context({"font.family": fonts()}):
        if ax is None:
            import matplotlib.pyplot as plt

            _, ax = plt.subplots(figsize=size, layout="constrained", facecolor=colour("paper"))
        yield ax


def coefficients(names: Sequence[str], log_odds: ArrayLike, positive: str, ax: Axes | None = None) -> Axes:
    """Draw odds ratios exp(w_j) on a logarithmic axis, with 1 (no effect) marked.

    names : of the columns. log_odds : (n,), w_j. positive : the label that a ratio above 1 speaks for.
    Of more than 30 the strongest are drawn, from the largest to the smallest.
    """
    w = np.asarray(log_odds, dtype=np.float64)
    order = np.argsort(-np.abs(w), kind="stable")[:SHOWN_FEATURES]
    order = order[np.argsort(-w[order], kind="stable")]
    at, left_out = np.exp(np.clip(w[order], -230, 230)), len(w) - len(order)
    with _axes(ax, (_SIZE[0], 1.1 + 0.3 * max(len(order), 3))) as axes:
        odds_axis(axes, float(at.min(initial=0.95)), float(at.max(initial=1.05)))
        for k, (j, x) in enumerate(zip(order, at, strict=True)):
            ink = colour("one" if w[j] > 0 else "zero" if w[j] < 0 else "line")
            axes.plot([1, x], [k, k], color=ink, linewidth=2.4, zorder=3)
            axes.plot([x], [k], "o", color=ink, markersize=7, zorder=4, clip_on=False)
        axes.set_yticks(range(len(order)), [shortened(names[j], _NAME) for j in order], color=colour("ink"))
        for label, j in zip(axes.get_yticklabels(), order, strict=True):
            beside: Any = {"verticalalignment": "center", "color": colour("ink"), "fontsize": label.get_fontsize()}
            at_right = axes.get_yaxis_transform()
            axes.text(1.03, label.get_position()[1], odds(float(w[j]), 3), transform=at_right, **beside)
        axes.set_ylim(len(order) - 0.5, -0.5)
        axes.grid(visible=False, axis="y")
        rest = f"; {counted(left_out, 'weaker one')} not drawn" if left_out else ""
        axes.set_xlabel(f"odds ratio for {shortened(positive, _NAME)}, per unit or level{rest}")
        return axes


def loss(trace: Any, by_reads: bool, ax: Axes | None = None) -> Axes:
    """Draw the log-loss over the epochs, on the training rows and, if the trace has them, on held-out rows.

    by_reads : over the reads of the data, for runs of few steps; values computed on a sample of the rows have hollow marks.
    """
    columns = trace.columns
    x = np.asarray(columns["reads" if by_reads else "epoch"], dtype=np.float64)
    whole = np.asarray(columns.get("share", np.ones(len(x)))) >= 1
    with _axes(ax) as axes:
        for name, label, dashes in (("loss", "training", "-"), ("held_out_loss", "held out", (0, (5, 2.5)))):
            if name not in columns:
                continue
            y, ink = np.asarray(columns[name], dtype=np.float64), colour(label.replace(" ", "-"))
            kept = np.isfinite(y)
            axes.plot(x[kept], y[kept], color=ink, linestyle=dashes, linewidth=1.8, label=label, zorder=3)
            marked = kept if len(x) < MANY else np.zeros_like(kept)
            for some, fill in ((marked & whole, ink), (marked & ~whole, colour("paper"))):
                if not some.any():  # an empty line that isn't clipped has no bounds to lay out
                    continue
                axes.plot(x[some], y[some], "o", color=ink, markerfacecolor=fill, markersize=5, clip_on=False, zorder=4)
        across(axes, float(x[-1]))
        axes.set_title("log-loss, nats per row")
        axes.set_xlabel(
            "reads of the data" + "; ○ on a sample of the rows" * bool((~whole).any()) if by_reads else "epoch"
        )
        if "held_out_loss" in columns:
            axes.legend(loc="upper right")
        return axes


def calibration(bins: Sequence[Any], positive: str, ax: Axes | None = None) -> Axes:
    """Draw the share of y = 1 over the mean probability g of each bin, with its 95 % interval.

    bins : as `fitting.metrics.calibration` gives them.
    """
    p, share, low, high = ([getattr(of, name) for of in bins] for name in ("predicted", "observed", "low", "high"))
    with _axes(ax, (4.8, 4.8)) as axes:
        axes.plot([0, 1], [0, 1], color=colour("line"), linewidth=1.2, linestyle=(0, (1.5, 3)), zorder=2)
        axes.vlines(p, low, high, color=colour("one"), linewidth=1.8, zorder=3)
        axes.plot(p, share, "o-", color=colour("one"), linewidth=1.2, markersize=6, zorder=4, clip_on=False)
        axes.set(xlim=(0, 1), ylim=(0, 1), title=f"share of {shortened(positive, _NAME)}, with 95% interval")
        axes.set_xlabel(f"g, probability of {shortened(positive, _NAME)}")
        axes.set_aspect("equal")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(FuncFormatter(lambda value, _: tick(value)))
        return axes
