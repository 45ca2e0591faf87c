"""Plots on matplotlib axes, for scripts and notebooks; pages have the pictures of the other modules.

Each draws on the axes given, or on new axes of pyplot, and returns them. Nothing is shown or closed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter
from numpy.typing import ArrayLike

from chainrule.charts.axes import MANY, across, tick
from chainrule.charts.canvas import colour, fonts, in_our_look
from chainrule.charts.charts import odds, odds_marks
from chainrule.errors import InputError
from chainrule.words import counted, shortened, shortened_apart

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


def coefficients(
    names: Sequence[str], log_odds: Sequence[float | Sequence[float]], positive: str, ax: Axes | None = None, *,
    per_sd: ArrayLike = False, inner: ArrayLike = False, left_out: int = 0,
) -> Axes:  # fmt: skip
    """Draw odds ratios exp(w) on a logarithmic axis, in the order given, with 1 (no effect) marked.

    positive : the label that a ratio above 1 speaks for. Other parameters: as of `charts.odds_forest`.
    """
    by_sd, is_inner = (np.broadcast_to(np.asarray(given, dtype=bool), len(names)) for given in (per_sd, inner))
    drawn = [w[~np.isnan(w)] for w in (np.atleast_1d(np.asarray(of, dtype=np.float64)) for of in log_odds)]
    with _axes(ax, (_SIZE[0], 1.1 + 0.3 * max(len(names), 3))) as axes:
        odds_marks(axes, drawn, by_sd)
        short = shortened_apart(names, _NAME)
        axes.set_yticks(range(len(names)), [short[name] for name in names], color=colour("ink"))
        for label, w, is_level in zip(axes.get_yticklabels(), drawn, is_inner, strict=True):
            label.set(color=colour("muted" if is_level else "ink"), fontweight="normal" if len(w) else "bold")
            beside: Any = {"verticalalignment": "center", "color": colour("ink"), "fontsize": label.get_fontsize()}
            value = odds(float(w[0]), 3) if len(w) == 1 else ""
            axes.text(1.03, label.get_position()[1], value, transform=axes.get_yaxis_transform(), **beside)
        axes.set_ylim(max(len(names), 1) - 0.5, -0.5)
        axes.grid(visible=False, axis="y")
        has_mark = np.array([len(w) > 0 for w in drawn], dtype=bool)
        marks = ((by_sd, "● per standard deviation"), (~by_sd, "◆ per level or unit"))
        words = [word for some, word in marks if (some & has_mark).any()]
        rest = [f"{counted(left_out, 'weaker feature')} not drawn"] if left_out else []
        axes.set_xlabel(f"odds ratio for {shortened(positive, _NAME)}; {'; '.join([*words, *rest])}")
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


def calibration(bins: Sequence[Mapping[str, float]], positive: str, ax: Axes | None = None) -> Axes:
    """Draw the observed share over the probability, with 95 % intervals. bins : as of `quality.calibration_picture`."""
    p, share, low, high = (np.array([of[name] for of in bins]) for name in ("predicted", "observed", "low", "high"))
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
