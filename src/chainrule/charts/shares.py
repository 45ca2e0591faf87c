"""Which columns' derivatives dominate the gradient over the epochs."""

from collections.abc import Sequence

import numpy as np

from chainrule.charts.axes import Floats, across, names_aside
from chainrule.charts.canvas import WIDTH, Picture, colour, drawing
from chainrule.words import counted, pretty

SHOWN = 5
_ROLES = ("one", "backward", "training", "held-out", "ramp-7", "line")


def gradient_shares(epochs: Floats, shares: Floats, names: Sequence[str], *, unit: str = "epoch") -> Picture:
    """Draw each column's share of the gradient's size, |dL_dw_j| / sum_k |dL_dw_k|, over the epochs, stacked to 1.

    epochs: (k,), increasing, need not be every one. unit: what they count, "epoch" or "step" of Newton's method.
    shares: (k, n), at least 0. A row is divided by its sum; one without a positive finite sum is left out, two are needed.
    names: of the columns. The five with the largest shares, the rows' average, are drawn by themselves, the rest together.
    """
    e, s, labels = _chosen(np.asarray(epochs, dtype=np.float64), np.asarray(shares, dtype=np.float64), names)
    with drawing(WIDTH, 284) as d:
        ax = d.axes(46, 34, WIDTH - 200, 206)
        across(ax, float(e[-1]))
        ax.set(ylim=(0, 1), title="share of the gradient, |∂L/∂wⱼ| of all", xlabel=unit)
        ax.yaxis.set_major_formatter("{x:.0%}")
        areas = ax.stackplot(e, s.T, colors=[colour(role) for role in _ROLES], alpha=0.75, linewidth=0)
        ax.plot(e, np.cumsum(s, axis=1)[:, :-1], color=colour("paper"), linewidth=1.2)
        first, last = (f"{unit} {pretty(float(at))}" for at in e[[0, -1]])
        ends = [[f"{100 * float(v):.3g}%" for v in (of[0], of[-1], of.max())] for of in s.T]
        says = [f"{name}: {start} at {first}, {end} at {last}, at most {most}."
                for name, (start, end, most) in zip(labels, ends, strict=True)]  # fmt: skip
        names_aside(
            ax, areas[::-1], [(end[1], name) for name, end in zip(labels, ends, strict=True)][::-1], f"at {last}"
        )
        return d.picture("shares", f"Each column's share of the gradient over the {unit}s", " ".join(says))


def _chosen(e: Floats, s: Floats, names: Sequence[str]) -> tuple[Floats, Floats, list[str]]:
    """Give epochs and shares with a sum of 1, the strongest columns apart and the rest in one, and their names."""
    with np.errstate(all="ignore"):
        s = s / s.sum(axis=1, keepdims=True)
    keep = np.isfinite(s).all(axis=1)
    e, s, order = e[keep], s[keep], np.argsort(-s[keep].sum(axis=0), kind="stable")
    shown = len(names) if len(names) <= SHOWN + 1 else SHOWN
    labels, apart = [str(names[j]) for j in order[:shown]], s[:, order[:shown]]
    if shown == len(names):
        return e, apart, labels
    labels.append(counted(len(names) - shown, "other column"))
    return e, np.column_stack([apart, s[:, order[shown:]].sum(axis=1)]), labels
