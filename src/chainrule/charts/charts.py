"""Charts of a fit as SVG text: odds ratios, probabilities, and the loss as a function of g.

Each is for inlining in a page that has `style.palette_css()`. None draws a mark a row: a million rows are binned.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.charts.style import Drawing, colour, drawing
from chainrule.charts.text import cells, clean, counted, exp_number, number, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]
WIDTH = 440.0
SHOWN_FEATURES = 30


def odds_forest(
    names: Sequence[str], log_odds: ArrayLike, *, per_sd: ArrayLike | None = None, limit: int = SHOWN_FEATURES,
    standalone: bool = False,
) -> str:  # fmt: skip
    """Draw odds ratios exp(w_j) on a log axis, from the largest to the smallest, with 1 (no effect) marked.

    Parameters
    ----------
    names : sequence of str, length n
        Names of the design's columns.
    log_odds : array_like (n,), float64
        Log of the odds ratios: w_j times the standard deviation where `per_sd`, else w_j of one unit or of a level.
    per_sd : array_like (n,), bool, optional
        Where the ratio is for one standard deviation (a round mark); elsewhere it is for one unit, or for the level
        against its reference (a diamond).
    limit : int
        Of more features the strongest so many are drawn, and the picture says how many are left out.
    standalone : bool
        With its own colours, to be a file of its own.

    Returns
    -------
    str
        SVG text.
    """
    w = np.asarray(log_odds, dtype=np.float64)
    by_sd = np.zeros(len(w), dtype=bool) if per_sd is None else np.asarray(per_sd, dtype=bool)
    finite = np.flatnonzero(np.isfinite(w))
    strongest = finite[np.argsort(-np.abs(w[finite]), kind="stable")[:limit]]
    order = strongest[np.argsort(-w[strongest], kind="stable")]
    left_out = len(w) - len(order)
    values = [exp_number(float(w[j]), 3) for j in order.tolist()]
    row, top, left = 24, 14, 168.0
    right = max(66.0, 14 + 6 + 0.64 * 12.5 * max((cells(value) for value in values), default=0.0))
    width = 480.0
    bottom = top + row * max(len(order), 1)
    with drawing(width, bottom + (78 if left_out else 58)) as d:
        ax = d.axes(left, top, width - left - right, bottom - top)
        ax.set_ylim(max(len(order), 1) - 0.5, -0.5)
        ax.set_yticks([])
        _odds_axis(ax, w[order], width - left - right)
        ax.axvline(0, color=colour("line"), linewidth=1.4, zorder=2)
        for k, j in enumerate(order.tolist()):
            role = "one" if w[j] > 0 else "zero" if w[j] < 0 else "line"
            ax.plot([0, w[j]], [k, k], color=colour(role), linewidth=2.4, zorder=3, solid_capstyle="butt")
            ax.plot([w[j]], [k], color=colour(role), marker="o" if by_sd[j] else "D", markersize=8 if by_sd[j] else 7,
                    zorder=4, clip_on=False)  # fmt: skip
            y = top + row * (k + 0.5) + 4
            d.text(left - 12, y, shorten(names[j], 21), size=12.5, anchor="right", tip=clean(names[j]))
            d.text(width - right + 14, y, values[k], size=12.5)
        _odds_key(d, bottom, left, bool(by_sd[order].any()), bool((~by_sd[order]).any()), left_out)
    rest = f" {_weaker(left_out)}." if left_out else ""
    says = "; ".join(f"{clean(names[j])}: {exp_number(float(w[j]), 4)}" for j in order.tolist())
    return d.svg("odds", f"Odds ratios of {counted(len(order), 'feature')} on a logarithmic axis", f"{says}.{rest}",
                 standalone=standalone)  # fmt: skip


def _odds_axis(ax: "Axes", w: Floats, width: float) -> None:
    """Put ticks at odds ratios that people say, over a range that includes 1; the axis, `width` wide, is in log-odds."""
    low, high = min(0.0, float(w.min(initial=0.0))), max(0.0, float(w.max(initial=0.0)))
    if high - low < 0.2:
        low, high = min(low, -0.1), max(high, 0.1)
    pad = 0.04 * (high - low)
    ax.set_xlim(low - pad, high + pad)
    decades = (high - low) / math.log(10)
    if decades > 3.2:
        step = math.ceil(decades / 5)
        first, last = math.ceil((low - pad) / math.log(10) / step), math.floor((high + pad) / math.log(10) / step)
        exponents = [step * k for k in range(first, last + 1)]
        ticks = [(k * math.log(10), exp_number(k * math.log(10), 1)) for k in exponents]
    else:
        ladder = [0.5, 1, 2, 5] if decades > 1.6 else [0.5, 0.6, 0.8, 1, 1.2, 1.5, 2, 3, 5] if decades > 0.5 else []
        ratios = sorted({round(r * s, 6) for r in ladder for s in (0.001, 0.01, 0.1, 1, 10, 100, 1000)})
        if not ratios:
            ratios = sorted({round(1 + k * s, 6) for k in range(-4, 5) for s in (0.05 if high - low < 0.5 else 0.1,)})
        ticks = [(math.log(r), number(r, 3).rstrip("0").rstrip(".") if "." in number(r, 3) else number(r, 3))
                 for r in ratios if r > 0]  # fmt: skip
    inside = [t for t in ticks if low - pad <= t[0] <= high + pad]
    kept: list[tuple[float, str]] = []
    room = (high - low + 2 * pad) / width
    for at, label in sorted(inside, key=lambda t: abs(t[0])):  # 1 first, then outwards, while the labels don't touch
        if all(abs(at - other) > room * 7 * (cells(label) + cells(text) + 2) / 2 for other, text in kept):
            kept.append((at, label))
    kept.sort()
    ax.set_xticks([t[0] for t in kept], [t[1] for t in kept])
    ax.grid(axis="x", color=colour("faint"), linewidth=1)
    ax.set_axisbelow(True)


def _weaker(count: int) -> str:
    return f"{counted(count, 'weaker feature')} {'is' if count == 1 else 'are'} not drawn"


def _odds_key(d: Drawing, bottom: float, left: float, some_sd: bool, some_unit: bool, left_out: int) -> None:
    y = bottom + 46
    words = ["●  per standard deviation"] * some_sd + ["◆  per level, or per unit"] * some_unit
    d.text(8, y, "odds ratio", role="muted", size=12)
    for k, w in enumerate(words):
        d.text(left - 60 + 190 * k, y, w, role="muted", size=12)
    if left_out:
        d.text(8, y + 20, _weaker(left_out), role="muted", size=12)


def probability_histogram(
    g: ArrayLike, y: ArrayLike, *, classes: tuple[str, str] = ("0", "1"), bins: int = 20, standalone: bool = False
) -> str:
    """Draw how the probabilities g of both classes are spread: y = 1 upwards, y = 0 downwards, each as shares.

    Parameters
    ----------
    g : array_like (m,), float64
        Probabilities P(y = 1).
    y : array_like (m,), float64
        Classes, 0 or 1; rows of unknown class (NaN) are left out.
    classes : (str, str)
        Names of classes 0 and 1.
    bins : int
        Bins of equal width; an even number puts a border at 1/2.
    standalone : bool
        With its own colours, to be a file of its own.

    Returns
    -------
    str
        SVG text.
    """
    p, labels = np.asarray(g, dtype=np.float64), np.asarray(y, dtype=np.float64)
    edges = np.linspace(0, 1, bins + 1)
    counts = [np.histogram(p[labels == c], bins=edges)[0] for c in (0.0, 1.0)]
    shares = [c / max(int(c.sum()), 1) for c in counts]
    top = max(float(s.max()) for s in shares) * 1.08 or 1.0
    names = [shorten(c, 24) for c in classes]
    with drawing(WIDTH, 290) as d:
        ax = d.axes(46, 34, WIDTH - 62, 206)
        ax.set_xlim(0, 1)
        ax.set_ylim(-top, top)
        wide = edges[1] - edges[0]
        ax.bar(edges[:-1] + wide / 2, shares[1], width=wide * 0.86, color=colour("one"), zorder=3)
        ax.bar(edges[:-1] + wide / 2, -shares[0], width=wide * 0.86, color=colour("zero"), zorder=3)
        _mirror_axis(ax, top)
        y0 = 34 + 103
        d.line([(46, y0), (WIDTH - 16, y0)], role="line", width=1.2)
        middle = 46 + (WIDTH - 62) / 2
        d.line([(middle, 34), (middle, 240)], role="line", width=1.2, dashes="--")
        d.text(8, 18, "share of the class", role="muted", size=12)
        d.text(WIDTH - 16, 18, f"predicted {names[1]}  →", role="muted", size=12, anchor="right")
        d.text(middle, 284, f"g, probability of {names[1]}", role="muted", size=12, anchor="center")
        # half the width each: a bold sign is about 0.66 of its size wide
        room = (WIDTH - 62) / 2 / (0.66 * 13) - cells(" (y = 1)") - 3
        inside = [shorten(c, room) for c in classes]
        d.text(60, 58, f"{inside[1]} (y = 1)", role="one", size=13, bold=True, tip=clean(classes[1]))
        d.text(WIDTH - 24, 230, f"{inside[0]} (y = 0)", role="zero-text", size=13, bold=True, anchor="right",
               tip=clean(classes[0]))  # fmt: skip
    right = (counts[0][: bins // 2].sum(), counts[1][bins // 2 :].sum())
    says = (
        f"Of {counted(int(counts[1].sum()), 'row')} of class {clean(classes[1])} (y = 1), {right[1]:,} have g of at least 0.5; "
        f"of {counted(int(counts[0].sum()), 'row')} of class {clean(classes[0])} (y = 0), {right[0]:,} have g below 0.5. "
        f"Counts in {bins} bins from 0 to 1: y = 1: {', '.join(map(str, counts[1].tolist()))}; "
        f"y = 0: {', '.join(map(str, counts[0].tolist()))}."
    )
    return d.svg("probabilities", "Probabilities of both classes", says, standalone=standalone)


def _mirror_axis(ax: "Axes", top: float) -> None:
    from matplotlib.ticker import MaxNLocator

    ticks = [t for t in MaxNLocator(3).tick_values(0, top) if 0 < t <= top]
    both = [-t for t in reversed(ticks)] + [0.0, *ticks]
    ax.set_yticks(both, [f"{abs(t) * 100:g}%" for t in both])
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "0.25", "0.5", "0.75", "1"])
    ax.grid(axis="y", color=colour("faint"), linewidth=1)
    ax.set_axisbelow(True)
    ax.spines["bottom"].set_visible(False)


def loss_of_g(g: ArrayLike, y: ArrayLike, *, classes: tuple[str, str] = ("0", "1"), standalone: bool = False) -> str:
    """Draw the loss of one row as a function of g, -log g for y = 1 and -log(1-g) for y = 0, with the rows as a rug.

    Parameters
    ----------
    g, y, classes, standalone
        As for `probability_histogram`. The rug has at most 120 strokes a class, darker where more rows are. Rows whose own
        class has a probability below 0.1 are counted as sure and wrong.

    Returns
    -------
    str
        SVG text.
    """
    p, labels = np.asarray(g, dtype=np.float64), np.asarray(y, dtype=np.float64)
    p, labels = p[~np.isnan(p)], labels[~np.isnan(p)]
    grid = np.linspace(0.01, 1, 199)
    with np.errstate(divide="ignore"):
        wrong = [_wrong(-np.log1p(-p[labels == 0])), _wrong(-np.log(p[labels == 1]))]
    counts = [np.histogram(p[labels == c], bins=120, range=(0, 1))[0] for c in (0.0, 1.0)]
    ticks = [(0.0, "0"), (0.25, "0.25"), (0.5, "0.5"), (0.75, "0.75"), (1.0, "1")]
    formulas = (r"-\log\, g", r"-\log(1-g)")
    chart = _LossChart(
        (0, 1), 4.6, [0, 1, 2, 3, 4], ticks, (_SURE, 1 - _SURE), "g, probability of", formulas, (0.135, 96)
    )
    with drawing(WIDTH, 356) as d:
        chart.draw(d, (grid, -np.log(grid)), (1 - grid, -np.log(grid)), counts, wrong, classes)
    says = (
        f"y = 1 ({clean(classes[1])}): the loss falls from infinity at g = 0 to 0 at g = 1, and is 0.6931 at g = 0.5. "
        f"y = 0 ({clean(classes[0])}): it rises from 0 at g = 0 to infinity at g = 1. "
        f"Below: {counted(int(counts[1].sum()), 'row')} of y = 1 and {counted(int(counts[0].sum()), 'row')} of y = 0 "
        f"at their g. {_told_wrong(wrong, counts)}"
    )
    return d.svg("loss-of-g", "The loss of one row as a function of the probability g", says, standalone=standalone)


def loss_of_z(z: ArrayLike, y: ArrayLike, *, classes: tuple[str, str] = ("0", "1"), standalone: bool = False) -> str:
    """Draw the loss of one row as a function of z, log(1 + exp(-z)) for y = 1 and log(1 + exp(z)) for y = 0, with a rug.

    Parameters
    ----------
    z : array_like (m,), float64
        Log-odds of y = 1; rows beyond the axis, which ends at 12 or earlier, are in the rug's last stroke.
    y, classes, standalone
        As for `loss_of_g`.

    Returns
    -------
    str
        SVG text.
    """
    zs, labels = np.asarray(z, dtype=np.float64), np.asarray(y, dtype=np.float64)
    zs, labels = zs[~np.isnan(zs)], labels[~np.isnan(zs)]
    reach = min(12, 2 * max(2, math.ceil(min(float(np.max(np.abs(zs), initial=0.0)), 12.0) / 2)))
    beyond = int(np.sum((np.abs(zs) > reach) & ((labels == 0) | (labels == 1))))
    wrong = [_wrong(np.logaddexp(0, zs[labels == 0])), _wrong(np.logaddexp(0, -zs[labels == 1]))]
    counts = [
        np.histogram(np.clip(zs[labels == c], -reach, reach), bins=120, range=(-reach, reach))[0] for c in (0.0, 1.0)
    ]
    ticks = [(float(t), number(float(t))) for t in range(-reach, reach + 1, 1 if reach < 5 else 2 if reach < 9 else 4)]
    sure = math.log(1 / _SURE - 1)
    grid = np.linspace(-reach, reach, 241)
    levels = list(range(0, reach + 1, 1 if reach < 5 else 2))
    chart = _LossChart((-reach, reach), 1.03 * reach, levels, ticks, (-sure, sure), "z, log-odds of",
                       (r"\log(1+e^{-z})", r"\log(1+e^{z})"), (0.22, 64))  # fmt: skip
    with drawing(WIDTH, 356) as d:
        chart.draw(d, (grid, np.logaddexp(0, -grid)), (grid, np.logaddexp(0, grid)), counts, wrong, classes)
    says = (
        f"y = 1 ({clean(classes[1])}): the loss is log(1 + exp(−z)), near −z where z is far below 0. "
        f"y = 0 ({clean(classes[0])}): it is log(1 + exp(z)). Both are 0.6931 at z = 0. "
        f"Below: {counted(int(counts[1].sum()), 'row')} of y = 1 and "
        f"{counted(int(counts[0].sum()), 'row')} of y = 0 at their z"
        + (f", of which {beyond:,} with |z| above {reach} at the ends. " if beyond else ". ")
        + _told_wrong(wrong, counts)
    )
    return d.svg("loss-of-z", "The loss of one row as a function of the log-odds z", says, standalone=standalone)


_SURE = 0.1  # of the row's own class: below, the model is sure, and wrong


@dataclass(frozen=True)
class _Wrong:
    """Rows of one class that the model is sure and wrong about, their share of the class's loss, and the largest loss."""

    rows: int
    share: float | None
    most: float


def _wrong(losses: Floats) -> _Wrong:
    of = losses[losses > -math.log(_SURE)]
    total = float(losses.sum())
    share = float(of.sum()) / total if 0 < total < math.inf else None
    return _Wrong(len(of), share, float(of.max(initial=0.0)))


def _percent(share: float) -> str:
    return f"{100 * share:.0f}%" if share >= 0.1 else f"{100 * share:.2g}%"


def _told_wrong(wrong: Sequence[_Wrong], counts: Sequence[NDArray[np.int64]]) -> str:
    says = []
    for c in (1, 0):
        w = wrong[c]
        share = f", {_percent(w.share)} of the class's loss" if w.share is not None and w.rows else ""
        most = f"; the largest loss is {number(w.most, 3)} nats" if w.rows else ""
        side = f"g {'below' if c else 'above'} {_SURE if c else 1 - _SURE:g}"
        says.append(
            f"Sure and wrong, {side}: {w.rows:,} of {counted(int(counts[c].sum()), 'row')} of y = {c}{share}{most}."
        )
    return " ".join(says)


@dataclass(frozen=True)
class _LossChart:
    """Both losses over g or z: range of the axis, top, level lines, ticks, where a row is sure and wrong, names, formulas."""

    ends: tuple[float, float]
    top: float
    levels: Sequence[float]
    ticks: Sequence[tuple[float, str]]
    sure: tuple[float, float]
    name: str
    formulas: tuple[str, str]
    formula_at: tuple[
        float, float
    ]  # share of the width, for y = 1; the other is its mirror image; and pixels from the top

    def draw(
        self, d: Drawing, one: tuple[Floats, Floats], zero: tuple[Floats, Floats], counts: Sequence[NDArray[np.int64]],
        wrong: Sequence[_Wrong], classes: tuple[str, str],
    ) -> None:  # fmt: skip
        """Draw curves, rug and how many rows are sure and wrong."""
        left, width = 46.0, WIDTH - 62
        low, high = self.ends
        ax = d.axes(left, 34, width, 164)
        ax.set_xlim(low, high)
        ax.set_ylim(0, self.top)
        ax.set_yticks(self.levels, [number(t) for t in self.levels])
        ax.set_xticks([])
        ax.grid(axis="y", color=colour("faint"), linewidth=1)
        ax.set_axisbelow(True)
        ax.plot(*one, color=colour("one"), linewidth=2.4, zorder=3)
        ax.plot(*zero, color=colour("zero"), linewidth=2.4, linestyle=(0, (6, 2)), zorder=3)
        d.text(8, 18, "loss of one row, nats", role="muted", size=12)
        for c, top, role, ink in ((1, 206, "one", "one"), (0, 232, "zero", "zero-text")):
            _rug(d, counts[c], left, width, top, role)
            d.text(38, top + 14, f"y = {c}", role=ink, size=12, bold=True, anchor="right")
            x = left + (self.sure[1 - c] - low) / (high - low) * width
            d.line([(x, top - 2), (x, top + 20)], role="ink", width=1.4)
            at = self.formula_at[0] if c else 1 - self.formula_at[0]
            d.math(left + at * width, self.formula_at[1], self.formulas[1 - c], role=ink, size=16,
                   anchor="left" if c else "right")  # fmt: skip
        for at, label in self.ticks:
            d.text(left + (at - low) / (high - low) * width, 268, label, role="muted", size=12, anchor="center")
        words = f"{self.name} {shorten(classes[1], 24)}"
        d.text(
            left + width / 2, 286, words, role="muted", size=12, anchor="center", tip=f"{self.name} {clean(classes[1])}"
        )

        d.text(8, 312, "sure and wrong, beyond the mark in the rug:", role="muted", size=12)
        for c, y, ink in ((1, 329, "one"), (0, 346, "zero-text")):
            rows, w = int(counts[c].sum()), wrong[c]
            share = f", {_percent(w.share)} of their loss" if w.rows and w.share is not None else ""
            side = f"{self.name[0]} {'<' if c else '>'} {self.sure[1 - c]:.2g}".replace("-", "−")
            d.text(8, y, f"y = {c}, {side}: {w.rows:,} of {counted(rows, 'row')}{share}", role=ink, size=12)


def _rug(d: Drawing, counts: NDArray[np.int64], left: float, width: float, top: float, role: str) -> None:
    """Draw strokes where rows are; a bin's darkness has five steps by the root of its count."""
    from matplotlib.collections import LineCollection

    most = max(int(counts.max(initial=0)), 1)
    step = np.ceil(5 * np.sqrt(counts / most)).astype(int)
    x = left + (np.arange(len(counts)) + 0.5) / len(counts) * width
    for level in range(1, 6):
        strokes = [[(float(a), top), (float(a), top + 18)] for a in x[step == level]]
        if strokes:
            d.figure.add_artist(
                LineCollection(strokes, colors=colour(role), alpha=0.2 * level, linewidths=2, transform=d.pixels)
            )
