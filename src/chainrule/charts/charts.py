"""Charts of a fit: odds ratios, probabilities, the loss as a function of z, shares of the gradient. Many rows are binned."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator
from numpy.typing import ArrayLike, NDArray

from chainrule.charts.axes import Floats, across, names_aside, nice, tick
from chainrule.charts.canvas import WIDTH, Picture, colour, drawing, fitting
from chainrule.words import cells, counted, pretty, visible

Classes = tuple[str, str]
SHOWN_FEATURES = 30
SHOWN_SHARES = 5
_AREAS = ("one", "backward", "training", "held-out", "ramp-7", "line")
_BINS = 20  # even, so that 1/2 is an edge
_SURE = 0.1  # probability of the row's own class, below which the model is sure and wrong


def odds_forest(
    names: Sequence[str], log_odds: Sequence[float | Sequence[float]], *, per_sd: ArrayLike = False, inner: ArrayLike = False,
    left_out: int = 0,
) -> Picture:  # fmt: skip
    """Draw odds ratios exp(w) on a log axis, in the order given, with 1 (no effect) marked; at most 30 lines.

    names: one for each line. log_odds: w times the standard deviation for a line with `per_sd`, else w; NaN for the name of
    the lines below; several for a line of all levels of a category; infinite ones get an arrow at the end of the axis.
    per_sd: (n,) bool, whether the ratio is for one standard deviation (a round mark); if not, it is for one unit, or for the
    level against its reference (a diamond). inner: (n,) bool, which lines are levels of the name above them.
    left_out: how many features have no line.
    """
    by_sd, is_inner = (np.broadcast_to(np.asarray(given, dtype=bool), len(names)) for given in (per_sd, inner))
    left_out += int(np.count_nonzero(~is_inner[SHOWN_FEATURES:]))
    names, drawn = (
        list(names[:SHOWN_FEATURES]),
        [np.atleast_1d(np.asarray(w, float)) for w in log_odds[:SHOWN_FEATURES]],
    )
    drawn = [w[~np.isnan(w)] for w in drawn]
    short = fitting(names, 152, 12.5, bold=True)
    values = [odds(float(w[0]), 3) if len(w) == 1 else "" for w in drawn]
    left, right, bottom = (
        168.0,
        480.0 - max(66.0, 20 + 7.8 * max(map(cells, values), default=0)),
        14 + 24 * max(len(names), 1),
    )
    foot = f"{counted(left_out, 'weaker feature')} {'is' if left_out == 1 else 'are'} not drawn." if left_out else ""
    with drawing(480, bottom + (78 if foot else 58)) as d:
        ax = d.axes(left, 14, right - left, bottom - 14)
        ax.set(ylim=(max(len(names), 1) - 0.5, -0.5), yticks=[])
        odds_marks(ax, drawn, by_sd)
        for k, w in enumerate(drawn):
            look: Any = {"size": 11.5, "role": "muted"} if is_inner[k] else {"size": 12.5, "bold": not len(w)}
            d.text(left - 12, 30 + 24 * k, short[names[k]], anchor="right", tip=names[k], **look)
            d.text(right + 14, 30 + 24 * k, values[k], size=12.5)
        d.text(8, bottom + 46, "odds ratio", "muted")
        with_mark = np.array([len(w) > 0 for w in drawn], dtype=bool)
        for x, some, words in ((1, by_sd, "●  per standard deviation"), (190, ~by_sd, "◆  per level, or per unit")):
            d.text(left - 60 + x, bottom + 46, words if some[: len(names)][with_mark].any() else "", "muted")
        d.text(8, bottom + 66, foot, "muted")
        told = [f": {', '.join(odds(float(v)) for v in w)}" if len(w) else "" for w in drawn]
        says = "; ".join(f"{name}{ratios}" for name, ratios in zip(names, told, strict=True))
        count = counted(int(np.count_nonzero(~is_inner[:SHOWN_FEATURES])), "feature")
        return d.picture("odds", f"Odds ratios of {count} on a logarithmic axis", f"{says}. {foot}".strip())


def odds_marks(ax: Axes, drawn: Sequence[Floats], by_sd: NDArray[np.bool_]) -> None:
    """Draw odds ratios exp(w) on a log axis: the w of each line, with their distance from 1; infinite ones as arrows."""
    every = np.concatenate([[math.log(0.95), math.log(1.05)], *drawn])
    every = np.exp(np.clip(every[np.isfinite(every)], -230, 230))
    odds_axis(ax, float(every.min()), float(every.max()))
    ends = np.log(ax.get_xlim())
    for line, (w, per_sd) in enumerate(zip(drawn, by_sd.tolist(), strict=False)):
        for v, is_beyond in zip(np.clip(w, *ends).tolist(), np.isinf(w).tolist(), strict=True):
            ink, at = colour("one" if v > 0 else "zero" if v < 0 else "line"), math.exp(v)
            ax.plot([1, at], [line, line], color=ink, linewidth=2.4, zorder=3)
            marker = "<>"[v > 0] if is_beyond else "o" if per_sd else "D"
            ax.plot([at], [line], color=ink, marker=marker, markersize=7, zorder=4, clip_on=False)


def odds(log_odds: float, digits: int = 4) -> str:
    """Write exp(log_odds); beyond float64, as a power of ten."""
    if math.isinf(log_odds):
        return "∞" if log_odds > 0 else "0"
    return (
        pretty(math.exp(log_odds), digits) if not abs(log_odds) >= 700 else f"10^({pretty(log_odds / math.log(10), 3)})"
    )


def odds_axis(ax: Axes, low: float, high: float) -> None:
    """Scale the axis of odds ratios logarithmically, from low to high, and mark 1."""
    decades = math.log10(high / low)
    ax.set_xscale("log")
    ax.minorticks_off()
    rounds = MaxNLocator(5, steps=[1, 2, 2.5, 5, 10])
    powers = LogLocator(subs=(1, 2, 5) if decades < 2 else (1,), numticks=6)
    ax.xaxis.set_major_locator(rounds if decades < 0.8 else powers)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: tick(value)))
    ax.grid(axis="x")
    ax.axvline(1, color=colour("line"), linewidth=1.4, zorder=2)
    ax.set_xlim(low / 10 ** (0.04 * decades), high * 10 ** (0.04 * decades))


def probability_histogram(g: ArrayLike, y: ArrayLike, *, classes: Classes = ("0", "1")) -> Picture:
    """Draw the distribution of the probabilities g in each class, as shares of it: y = 1 upwards, y = 0 downwards.

    g: (m,), P(y = 1). y: (m,), 0 or 1; rows of unknown class (NaN) are left out. classes: names of classes 0 and 1.
    """
    p, labels = np.asarray(g, dtype=np.float64), np.asarray(y, dtype=np.float64)
    edges = np.linspace(0, 1, _BINS + 1)
    counts = [np.histogram(p[labels == c], bins=edges)[0] for c in (0, 1)]
    shares = [c / max(int(c.sum()), 1) for c in counts]
    top = 1.08 * max(float(s.max()) for s in shares) or 1.0
    with drawing(WIDTH, 290) as d:
        right, name = WIDTH - 16, fitting(classes, 176)[classes[1]]
        ax = d.axes(46, 34, right - 46, 206)
        for share, role in ((shares[1], "one"), (-shares[0], "zero")):
            ax.bar(edges[:-1] + 0.5 / _BINS, share, width=0.86 / _BINS, color=colour(role), zorder=3)
        ax.set(xlim=(0, 1), ylim=(-top, top), xticks=(0, 0.25, 0.5, 0.75, 1))
        ax.set(title="share of the class", xlabel=f"g, probability of {name}")
        ax.xaxis.set_major_formatter("{x:g}")
        ax.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{abs(share):.3%}".replace(".000", "")))
        ax.axhline(0, color=colour("line"), linewidth=1.2, zorder=4)
        ax.axvline(0.5, color=colour("line"), linewidth=1.2, linestyle="--", zorder=2)
        ax.spines["bottom"].set_visible(False)
        d.text(right, 20, f"predicted {name}  →", "muted", anchor="right")
        short = fitting(classes, 100, 13, bold=True)
        for c, x, y_at, role in ((1, 60.0, 58, "one"), (0, right - 8, 230, "zero-text")):
            words, tip = f"{short[classes[c]]} (y = {c})", f"{classes[c]} (y = {c})"
            d.text(x, y_at, words, role, size=13, bold=True, anchor="left" if c else "right", tip=tip)
        says = [
            f"{counted(int(counts[c].sum()), 'row')} of class {classes[c]} (y = {c}), {int(half.sum()):,} with g {side} "
            f"0.5; in {_BINS} bins of g from 0 to 1: {', '.join(map(str, counts[c]))}."
            for c, side, half in ((1, "of at least", counts[1][_BINS // 2 :]), (0, "below", counts[0][: _BINS // 2]))
        ]
        return d.picture("probabilities", "Probabilities of both classes", " ".join(says))


def loss_of_row(z: ArrayLike, y: ArrayLike, *, classes: Classes = ("0", "1")) -> Picture:
    """Draw the loss of one row as a function of z, a histogram of z for each class, and how many rows are sure and wrong.

    z: (m,), log-odds of y = 1; y as in `probability_histogram`. The axis ends at 12 or earlier; rows beyond are in the last
    bar. A row is sure and wrong if its own class has a probability below 0.1.
    """
    zs, labels = np.asarray(z, dtype=np.float64), np.asarray(y, dtype=np.float64)
    rows = [zs[(labels == c) & ~np.isnan(zs)] for c in (0, 1)]
    reach = min(12, 2 * math.ceil(min(12.0, max(3.0, *(float(np.abs(v).max(initial=0.0)) for v in rows))) / 2))
    grid, sure, of = np.linspace(-reach, reach, 121), math.log(1 / _SURE - 1), "z, log-odds of"
    says = [f"log(1 + exp(−z)) for y = 1, log(1 + exp(z)) for y = 0; |z| above {reach} is drawn at the ends."]
    with drawing(WIDTH, 356) as d:
        ax = d.axes(46, 34, WIDTH - 62, 164)
        ax.set(xlim=(-reach, reach), ylim=(0, 1.03 * reach), xticks=nice(-reach, reach, 4))
        ax.set_title("loss of one row, nats")
        ax.xaxis.label.set(text=f"{of} {fitting(classes, 176)[classes[1]]}", label=visible(f"{of} {classes[1]}"))
        ax.tick_params("x", pad=60)
        d.text(8, 313, "sure and wrong, beyond the mark:", "muted")
        for c, top, role, ink in ((1, 204, "one", "one"), (0, 231, "zero", "zero-text")):
            sign, side, dashes = (-1, "<", "-") if c else (1, ">", (0, (6, 2)))
            ax.plot(grid, np.logaddexp(0, sign * grid), color=colour(role), linewidth=2.4, linestyle=dashes, zorder=3)
            d.formula(130 if c else 270, 70, rf"\log(1+e^{{{'-' * c}z}})", role=ink, size=16)
            rug = d.axes(46, top, WIDTH - 62, 22)
            rug.hist(np.clip(rows[c], -reach, reach), 60, range=(-reach, reach), color=colour(role), rwidth=0.8)
            rug.axvline(sign * sure, color=colour("ink"), linewidth=1.4)
            rug.set(xlim=(-reach, reach), xticks=[], yticks=[])
            losses = np.logaddexp(0, sign * rows[c])
            wrong, most = losses[losses > -math.log(_SURE)], ""
            text = f"y = {c}, z {side} {pretty(sign * sure, 2)}: {len(wrong):,} of {counted(len(losses), 'row')}"
            if len(wrong):
                text += f", {pretty(100 * float(wrong.sum() / losses.sum()), 2)}% of their loss"
                most = f"; the largest loss is {pretty(float(wrong.max()), 3)} nats"
            d.text(38, top + 17, f"y = {c}", role=ink, bold=True, anchor="right")
            d.text(8, 330 if c else 347, text, role=ink)
            says.append(f"{classes[c]}, sure and wrong: {text}{most}.")
        return d.picture("loss-of-z", "The loss of one row as a function of the log-odds z", " ".join(says))


def gradient_shares(epochs: Floats, shares: Floats, names: Sequence[str], *, unit: str = "epoch") -> Picture:
    """Draw each column's share of the gradient's size, |dL_dw_j| / sum_k |dL_dw_k|, over the epochs, stacked to 1.

    epochs: (k,), increasing, with or without gaps. unit: what they count, "epoch" or "step" of Newton's method.
    shares: (k, n), at least 0. A row is divided by its sum, or left out if that isn't positive and finite; two must remain.
    names: of the columns. The five with the largest shares on average are drawn separately, the rest together.
    """
    e, s, labels = _shares_apart(np.asarray(epochs, dtype=np.float64), np.asarray(shares, dtype=np.float64), names)
    with drawing(WIDTH, 334) as d:
        ax = d.axes(46, 34, WIDTH - 200, 256)
        across(ax, float(e[-1]))
        ax.set(ylim=(0, 1), title="share of the gradient, |∂L/∂wⱼ| of all", xlabel=unit)
        ax.yaxis.set_major_formatter("{x:.0%}")
        areas = ax.stackplot(e, s.T, colors=[colour(role) for role in _AREAS], alpha=0.75, linewidth=0)
        ax.plot(e, np.cumsum(s, axis=1)[:, :-1], color=colour("paper"), linewidth=1.2)
        first, last = (f"{unit} {pretty(float(at))}" for at in e[[0, -1]])
        ends = [[f"{100 * float(v):.3g}%" for v in (of[0], of[-1], of.max())] for of in s.T]
        says = [f"{name}: {start} at {first}, {end} at {last}, at most {most}."
                for name, (start, end, most) in zip(labels, ends, strict=True)]  # fmt: skip
        names_aside(
            ax, areas[::-1], [(name, end[1]) for name, end in zip(labels, ends, strict=True)][::-1], f"at {last}"
        )
        return d.picture("shares", f"Each column's share of the gradient over the {unit}s", " ".join(says))


def _shares_apart(e: Floats, s: Floats, names: Sequence[str]) -> tuple[Floats, Floats, list[str]]:
    """Return epochs, shares that add up to 1 (of the strongest columns, and of the rest together), and their names."""
    with np.errstate(all="ignore"):
        s = s / s.sum(axis=1, keepdims=True)
    keep = np.isfinite(s).all(axis=1)
    e, s, order = e[keep], s[keep], np.argsort(-s[keep].sum(axis=0), kind="stable")
    shown = len(names) if len(names) <= SHOWN_SHARES + 1 else SHOWN_SHARES
    labels, apart = [str(names[j]) for j in order[:shown]], s[:, order[:shown]]
    if shown == len(names):
        return e, apart, labels
    labels.append(counted(len(names) - shown, "other column"))
    return e, np.column_stack([apart, s[:, order[shown:]].sum(axis=1)]), labels
