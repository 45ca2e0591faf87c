"""Which columns' derivatives dominate the gradient over the epochs."""

from collections.abc import Sequence

import numpy as np

from chainrule.charts.axes import Floats, across, names_aside, pixel
from chainrule.charts.canvas import WIDTH, Picture, colour, drawing
from chainrule.charts.text import clean, number
from chainrule.words import counted

SHOWN = 5
_DRAWN = 300  # epochs, the first ones all, since the axis goes by powers of ten
_ROLES = ("one", "backward", "training", "held-out", "ramp-7", "line")


def gradient_shares(epochs: Floats, shares: Floats, names: Sequence[str], *, unit: str = "epoch") -> Picture:
    """Draw each column's share of the gradient's size, |dL_dw_j| / sum_k |dL_dw_k|, over the epochs, stacked to 1.

    epochs: (k,), increasing, need not be every one. unit: what they count, "epoch" or "step" of Newton's method.
    shares: (k, n), at least 0. A row is divided by its sum; one without a positive finite sum is left out.
    names: of the columns. The five with the largest shares, the rows' average, are drawn by themselves, the rest together.
    """
    e, s, labels = _chosen(np.asarray(epochs, dtype=np.float64), np.asarray(shares, dtype=np.float64), names)
    left, edge, says = 46.0, WIDTH - 154, []
    with drawing(WIDTH, 284) as d:
        ax = d.axes(left, 34, edge - left, 206)
        across(ax, float(e[-1]) if len(e) else 1.0)
        ax.set_ylim(0, 1)
        ax.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "25%", "50%", "75%", "100%"])
        d.text(8, 18, "share of the gradient, |∂L/∂wⱼ| of all", "muted")
        d.text((left + edge) / 2, 278, unit, "muted", anchor="center")
        x = np.array(ax.get_xlim()) if len(e) == 1 else e  # one epoch: its shares over the whole width
        drawn, asides, base = s if len(s) != 1 else np.vstack([s, s]), [], np.zeros(len(x))
        for k, label in enumerate(labels if len(e) else []):
            role, top = _ROLES[k % len(_ROLES)], base + drawn[:, k]
            ax.fill_between(x, base, top, color=colour(role), alpha=0.75, linewidth=0)
            ax.plot(x, base, color=colour("paper"), linewidth=1.2)
            middle = pixel(ax, d, 0, float(base[-1] + top[-1]) / 2)[1]
            asides.append((middle, edge, label, f"{100 * s[-1, k]:.3g}%", "muted" if role == "line" else role))
            first, last, most = (f"{100 * float(v):.3g}%" for v in (s[0, k], s[-1, k], s[:, k].max()))
            ends = [f"{unit} {number(float(v))}" for v in (e[0], e[-1])]
            says.append(f"{clean(label)}: {first} at {ends[0]}, {last} at {ends[1]}, at most {most}.")
            base = top
        names_aside(d, asides, edge, 30, 250)
        if len(e):
            d.text(edge + 16, 18, f"at {unit} {number(float(e[-1]))}", "muted")
        else:
            d.text((left + edge) / 2, 137, "the gradient is 0", "muted", anchor="center")
            says.append(f"The gradient is 0 at every {unit}.")
        return d.picture("shares", f"Each column's share of the gradient over the {unit}s", " ".join(says))


def _chosen(e: Floats, s: Floats, names: Sequence[str]) -> tuple[Floats, Floats, list[str]]:
    """Give epochs and shares with a sum of 1, the strongest columns apart and the rest in one, and their names."""
    largest = s.max(axis=1, initial=0.0)
    keep = np.flatnonzero(np.isfinite(s).all(axis=1) & (largest > 0))
    keep = keep[np.unique(np.geomspace(1, max(1, len(keep)), _DRAWN).astype(int) - 1)] if len(keep) else keep
    e, s = e[keep], s[keep] / largest[keep, None]  # a sum of the largest numbers must not overflow
    s = s / s.sum(axis=1, keepdims=True)
    shown = len(names) if len(names) <= SHOWN + 1 else SHOWN
    order = np.argsort(-s.sum(axis=0), kind="stable")
    labels = [str(names[j]) for j in order[:shown]]
    if shown == len(names):
        return e, s[:, order], labels
    labels.append(counted(len(names) - shown, "other column"))
    return e, np.column_stack([s[:, order[:shown]], s[:, order[shown:]].sum(axis=1)]), labels
