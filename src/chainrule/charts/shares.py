"""Which columns' derivatives dominate the gradient over the epochs, as SVG text."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from chainrule.charts.axes import WIDTH, epochs_axis, pixel, spread
from chainrule.charts.style import colour, drawing
from chainrule.charts.text import clean, counted, number, shorten

Floats = NDArray[np.float64]
SHOWN = 5
_DRAWN = 300  # epochs
_ROLES = ("one", "backward", "training", "held-out", "ramp-7", "line")


def gradient_shares(
    epochs: Floats, shares: Floats, names: Sequence[str], *, unit: str = "epoch", standalone: bool = False
) -> str:  # fmt: skip
    """Draw each column's share of the gradient's size, |dL_dw_j| / sum_k |dL_dw_k|, over the epochs, stacked to 1.

    Parameters
    ----------
    epochs : ndarray (k,), float64
        Increasing; need not be every epoch.
    shares : ndarray (k, n), float64
        At least 0. A row is divided by its sum; one without a positive finite sum (a gradient of zero) is left out.
    names : sequence of str, length n
        Names of the columns. The five with the largest shares, the rows' average, are drawn by themselves, the rest together.
    unit : str
        What `epochs` counts: "epoch", or "step" of Newton's method.
    standalone : bool
        With its own colours, to be a file of its own.

    Returns
    -------
    str
        SVG text.
    """
    e, s, order, labels = _chosen(np.asarray(epochs, dtype=np.float64), np.asarray(shares, dtype=np.float64), names)
    left, top, height, right = 46.0, 34.0, 206.0, 154.0
    edge = WIDTH - right
    with drawing(WIDTH, 284) as d:
        d.text(8, 18, "share of the gradient, |∂L/∂wⱼ| of all", role="muted", size=12)
        ax = d.axes(left, top, edge - left, height)
        across = epochs_axis(ax, float(e[-1]) if len(e) else 1.0)
        ax.set_ylim(0, 1)
        ax.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "25%", "50%", "75%", "100%"])
        d.text(left + (edge - left) / 2, 280, unit, role="muted", size=12, anchor="center")
        if len(e):
            d.text(edge + 14, 18, f"at {unit} {number(float(e[-1]))}", role="muted", size=12)
        middles = []
        x, base = across(e), np.zeros(len(e))
        if len(e) == 1:  # one epoch: its shares over the whole width
            x, base, s = np.array(ax.get_xlim()), np.zeros(2), np.vstack([s, s])
        elif not len(e):
            d.text(
                left + (edge - left) / 2, top + height / 2, "the gradient is 0", role="muted", size=13, anchor="center"
            )
        for k, label in enumerate(labels if len(e) else []):
            role = _ROLES[k] if k < len(order) else "line"
            ax.fill_between(x, base, base + s[:, k], color=colour(role), alpha=0.75, linewidth=0)
            if k:
                ax.plot(x, base, color=colour("paper"), linewidth=1.2)
            name = shorten(label, (right - 18) / (0.62 * 12))
            middle = pixel(ax, d, 0, float(base[-1] + s[-1, k] / 2))[1]
            middles.append((middle, role, name, label, f"{100 * s[-1, k]:.3g}%"))
            base = base + s[:, k]
        middles.reverse()
        places = spread([m[0] for m in middles], [33.0] * len(middles), top - 8, top + height + 4)
        for y, (wanted, role, name, label, value) in zip(places, middles, strict=True):
            d.line([(edge + 2, wanted), (edge + 11, y)], role=role, width=1.6)
            d.text(edge + 14, y - 3, name, size=12, tip=clean(label))
            d.text(edge + 14, y + 12, value, role="muted", size=12)
    says = [
        f"{clean(label)}: {100 * float(s[0, k]):.3g}% at {unit} {number(float(e[0]))}, {100 * float(s[-1, k]):.3g}% at "
        f"{unit} {number(float(e[-1]))}, at most {100 * float(s[:, k].max()):.3g}%."
        for k, label in enumerate(labels)
        if len(e)
    ]
    return d.svg("shares", f"Each column's share of the gradient over the {unit}s",
                 " ".join(says) or f"The gradient is 0 at every {unit}.", standalone=standalone)  # fmt: skip


def _chosen(e: Floats, s: Floats, names: Sequence[str]) -> tuple[Floats, Floats, list[int], list[str]]:
    """Give epochs and shares with a sum of 1, the strongest columns apart and the rest in one; their numbers; all names."""
    largest = s.max(axis=1, initial=0.0)
    keep = np.flatnonzero(np.isfinite(s).all(axis=1) & (largest > 0))
    if len(keep) > _DRAWN:  # evenly on the picture's axis, the first and the last among them
        place = np.searchsorted(np.log1p(e[keep]), np.linspace(math.log1p(e[keep[0]]), math.log1p(e[keep[-1]]), _DRAWN))
        keep = keep[np.unique(np.minimum(place, len(keep) - 1))]
    e, s = e[keep], s[keep] / largest[keep, None]
    s = s / s.sum(axis=1, keepdims=True)
    mean = s.mean(axis=0) if len(e) else np.zeros(s.shape[1])
    shown = len(names) if len(names) <= SHOWN + 1 else SHOWN
    order = np.argsort(-mean, kind="stable")[:shown].tolist()
    rest = sorted(set(range(len(names))) - set(order))
    labels = [str(names[j]) for j in order]
    s_shown = s[:, order]
    if rest:
        labels.append(counted(len(rest), "other column"))
        s_shown = np.column_stack([s_shown, s[:, rest].sum(axis=1)])
    return e, s_shown, order, labels
