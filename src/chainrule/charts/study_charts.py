"""The pictures of the studies of learning rates and of centring as SVG text."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.charts.axes import (
    LEFT,
    WIDTH,
    Scale,
    SideLabel,
    epochs_axis,
    levels_of,
    pixel,
    side_labels,
    spread,
    stroke,
)
from chainrule.charts.style import Drawing, colour, drawing, math_width
from chainrule.charts.text import cells, clean, estimate, lines_of, number

Floats = NDArray[np.float64]
# in this order: the first three differ in lightness too, for eyes that see no colours
ROLES = ("one", "backward", "ramp-7", "training", "held-out", "zero-text", "muted")
DASHES: tuple[Any, ...] = ("-", (0, (6, 2)), (0, (2, 1.6)), (0, (8, 2, 2, 2)), (0, (4, 1.5)), (0, (1, 1.5)), "-")


@dataclass(frozen=True)
class RateRun:
    """A run at one learning rate.

    rate : float
    happened : str
        "crawls", "converges", "recovers", "oscillates" or "diverges".
    epochs, objective : ndarray (k,), float64
        F after each of the epochs, nats; F may be inf.
    reached : float or None
        Epochs to within `within` of the optimum; None: never, or unknown.
    estimated : bool
        `reached` is beyond the epochs of the run: an estimate.
    """

    rate: float
    happened: str
    epochs: Floats
    objective: Floats
    reached: float | None
    estimated: bool = False


# ---- learning rates -----------------------------------------------------------------------------------------------


def learning_rate_picture(
    runs: Sequence[RateRun], *, optimum: float, limit: float, local_limit: float | None = None, within: float = 1e-3,
    exists: bool = True, standalone: bool = False,
) -> str:  # fmt: skip
    """Draw the loss over the epochs for several learning rates and, on the same epochs, when each is near the optimum.

    Parameters
    ----------
    runs : sequence of RateRun
    optimum : float
        F*, nats, the floor of the picture; what inf F is at least, where there is no optimum.
    limit : float
        2 / L_max: a rate below it never raises F.
    local_limit : float, optional
        2 / lambda_max(H(w*)): a rate above it oscillates near the optimum.
    within : float
        How near the optimum is near, nats.
    exists : bool
        Whether there is an optimum.
    standalone : bool
        With its own colours, to be a file of its own.

    Returns
    -------
    str
        SVG text.
    """
    runs = sorted(runs, key=lambda r: r.rate)
    rates = [number(r.rate, 3) for r in runs]
    scale = _losses_scale(runs, optimum)
    left = max(LEFT, 16 + 7.4 * max(map(cells, [*rates, *scale.labels]), default=0.0))
    low = 34 + _LOSSES + 52  # where the lower part begins
    rows = max(120.0, 17.0 * len(runs) + 24)
    with drawing(WIDTH, low + rows + 46) as d:
        last = max([1.0, *(float(r.epochs[-1]) for r in runs if len(r.epochs))])
        needed = [_needed(r) for r in runs]
        number_room = max(40.0, 7.3 * max(map(cells, needed), default=0.0))
        aside = 14 + number_room + 6 + max(64.0, 6.9 * max((cells(r.happened) for r in runs), default=0.0))
        ends = 14 + 6.9 * max((cells(f"{rate} {r.happened}") for rate, r in zip(rates, runs, strict=True)), default=0.0)
        wide = WIDTH - left - max(aside, ends, 128.0, 14 + 6.9 * cells(_near(within, exists)))
        parts = _RateParts(d, runs, rates, needed, _rate_styles(runs, limit), left, wide, number_room, last, exists)
        parts.losses(34.0, optimum, scale)
        parts.reached(low, rows, limit, local_limit, within)
    return d.svg("rates", "Loss over the epochs for several learning rates",
                 _told_rates(runs, optimum, limit, local_limit, within, exists), standalone=standalone)  # fmt: skip


_LOSSES = 200.0  # height of the losses


def _below(limit: float, digits: int) -> str:
    """Write a limit rounded down: as it is written, it must not be above itself."""
    if not 0 < limit < math.inf:
        return number(limit, digits)
    step = 10.0 ** (math.floor(math.log10(limit)) - digits + 1)
    return number(math.floor(limit / step * (1 + 1e-12)) * step, digits)


def _near(within: float, exists: bool) -> str:
    return f"{number(within, 1)} nats of {'F*' if exists else 'inf F'}"


def _needed(run: RateRun) -> str:
    """Write the epochs to the optimum's neighbourhood."""
    if run.reached is None:
        return ""
    if not run.estimated or run.reached < 1:
        return number(float(round(run.reached)))
    return estimate(run.reached)


def _rate_styles(runs: Sequence[RateRun], limit: float) -> list[tuple[str, Any]]:
    """Give each rate its colour and dashes: from slow to fast along the ramp; above the limit another, dashed."""
    below = sum(r.rate <= limit for r in runs)
    dashes = [(0, (6, 2)), (0, (2.5, 1.8)), (0, (8, 2, 2, 2)), (0, (1, 1.4))]
    slow = [(f"ramp-{1 + round(6 * k / max(1, below - 1))}", "-") for k in range(below)]
    return [*slow, *(("backward", dashes[k % 4]) for k in range(len(runs) - below))]


def _losses_scale(runs: Sequence[RateRun], optimum: float) -> Scale:
    """Choose the range of F, from the optimum to somewhat above the start."""
    starts = [float(r.objective[0]) for r in runs if len(r.objective) and math.isfinite(r.objective[0])]
    high = optimum + max(1.3 * (max(starts, default=optimum) - optimum), 1e-9 * max(1.0, abs(optimum)))
    scale = levels_of([optimum, high], by_powers=False)
    ticks = [(t, s) for t, s in zip(scale.ticks, scale.labels, strict=True) if optimum < t <= high]
    return Scale(optimum, high, [t for t, _ in ticks], [s for _, s in ticks], False)


@dataclass(frozen=True)
class _RateParts:
    """The two parts of the picture of learning rates, over one axis of epochs."""

    d: Drawing
    runs: Sequence[RateRun]
    rates: Sequence[str]
    needed: Sequence[str]
    styles: Sequence[tuple[str, Any]]
    left: float
    wide: float
    number_room: float
    last: float
    exists: bool

    def losses(self, top: float, optimum: float, scale: Scale) -> None:
        """Draw F over the epochs, from the optimum up; what leaves the picture at the top gets an arrow."""
        d, right = self.d, self.left + self.wide
        d.text(8, top - 16, "objective F, nats", role="muted", size=12)
        ax = d.axes(self.left, top, self.wide, _LOSSES)
        across = epochs_axis(ax, self.last)
        ax.set_xticklabels([])
        scale.set(ax)
        high = scale.high
        floor = "F* =" if self.exists else "inf F ≥"
        labels = [SideLabel(right, top + _LOSSES, [f"{floor} {number(optimum, 4)}"], "ink")]
        for run, rate, (role, dashes) in zip(self.runs, self.rates, self.styles, strict=True):
            keep = ~np.isnan(run.objective)
            x, y = (
                across(np.asarray(run.epochs, dtype=np.float64)[keep]),
                np.asarray(run.objective, dtype=np.float64)[keep],
            )
            y = np.clip(y, optimum, high + 30 * (high - optimum))
            stroke(ax, x, y, role=role, dashes=dashes)
            outside = np.flatnonzero(y > high)
            if len(outside):
                k = int(outside[0])
                t = (high - y[k - 1]) / (y[k] - y[k - 1]) if k else 0.0
                at = pixel(ax, d, float(x[k - 1] + t * (x[k] - x[k - 1])) if k else float(x[0]), high)[0]
                d.line([(at, top + 4), (at, top - 5)], role=role, width=1, arrow=True)
            if len(y) and (y[-1] - optimum) / (high - optimum) > 0.08:
                gone = y[-1] > high
                end = top if gone else pixel(ax, d, 0, float(y[-1]))[1]
                labels.append(SideLabel(right, end, [f"{rate} {run.happened}"], role, bold=0, leader=not gone))
        side_labels(d, labels, right + 14, top - 12, top + _LOSSES + 12)

    def reached(self, top: float, height: float, limit: float, local_limit: float | None, within: float) -> None:
        """Draw each rate at the epoch from which on it is near the optimum, under its curve's end."""
        d, right = self.d, self.left + self.wide
        ax = d.axes(self.left, top, self.wide, height)
        across = epochs_axis(ax, self.last)
        limits = [(v, tex) for v, tex in ((limit, _LIMIT), (local_limit, _LOCAL)) if v is not None and 0 < v < math.inf]
        marks = [r.rate for r in self.runs if r.rate > 0] + [v for v, _ in limits] or [1.0]
        ax.set_yscale("log")
        ax.set_ylim(min(marks) / 1.25, max(marks) * 1.25)
        ax.set_yticks([])
        ax.minorticks_off()
        d.text(8, top - 8, "rate", role="muted", size=12)
        d.text(right + 14, top - 23, "epochs to within", role="muted", size=12)
        d.text(right + 14, top - 8, _near(within, self.exists), role="muted", size=12)
        at = [pixel(ax, d, 0, max(r.rate, min(marks)))[1] for r in self.runs]
        places = spread(at[::-1], [16.0] * len(at), top - 4, top + height)[::-1]
        ends: list[tuple[float, float, str]] = []
        for run, rate, needed, (role, _), y, place in zip(
            self.runs, self.rates, self.needed, self.styles, at, places, strict=True
        ):
            d.line([(self.left - 9, place), (self.left, y)], role=role, width=1)
            d.text(self.left - 12, place + 4, rate, role=role, size=12, anchor="right")
            d.text(right + 20 + self.number_room, place + 4, run.happened, role=role, size=12)
            d.text(right + 14 + self.number_room, place + 4, needed, role=role, size=12, anchor="right")
            if run.reached is not None and run.reached > self.last:
                d.line([(right - 14, y), (right, y)], role=role, width=1.4, arrow=True)
            elif run.reached is not None:
                x = pixel(ax, d, float(across(np.array([run.reached]))[0]), run.rate)[0]
                d.line([(x, top - 52), (x, y)], role=role, width=0.9, alpha=0.6)
                ends.append((x, y, role))
        for k, (value, tex) in enumerate(sorted(limits)):
            self.limit(
                pixel(ax, d, 0, value)[1],
                tex,
                (_below if value == limit else number)(value, 3),
                k == 0 and len(limits) > 1,
                ends,
            )
        for x, y, role in ends:
            for up in (top - 52, y):
                d.dots(np.array([x]), np.array([up]), role=role, size=8)
        d.text(self.left + self.wide / 2, top + height + 36, "epoch", role="muted", size=12, anchor="center")

    def limit(self, y: float, tex: str, value: str, under: bool, ends: Sequence[tuple[float, float, str]]) -> None:
        """Draw a limit of the rate, its name at the end where fewer lines and dots are in its way."""
        d, right = self.d, self.left + self.wide
        d.line([(self.left, y), (right, y)], role="ink", width=1.2, dashes="--")
        width = math_width(tex, 13) + 0.68 * 12 * cells(value) + 10
        sides = [(right - 2 - width, right - 2), (self.left + 2, self.left + 2 + width)]
        clear = min(sides, key=lambda s: sum(s[0] - 5 <= x <= s[1] + 5 and low > y - 20 for x, low, _ in ends))
        a = max(self.left + 2, clear[0])
        d.box(a, y + (3 if under else -18), width, 15, fill="paper", edge=None, radius=2)
        d.equation(a + 4, y + (15 if under else -5), tex, value, size=12)


_LIMIT, _LOCAL = r"2/L_{\max} =", r"2/\lambda_{\max}(H(w^*)) ="


def _told_rates(
    runs: Sequence[RateRun], optimum: float, limit: float, local_limit: float | None, within: float,
    exists: bool,
) -> str:  # fmt: skip
    floor, of = (
        ("Optimum:", "the optimum") if exists else ("No optimum is certified; the infimum is at least", "the infimum")
    )
    says = [f"{floor} {number(optimum, 5)} nats. Limit 2/L_max: {_below(limit, 4)}."]
    if local_limit is not None:
        says.append(f"Limit near the optimum, 2/λ_max(H(w*)): {number(local_limit, 4)}.")
    for run in runs:
        end = (
            f", F is {number(float(run.objective[-1]), 5)} after {number(float(run.epochs[-1]))} epochs"
            if len(run.epochs)
            else ""
        )
        near = ""
        if run.reached is not None:
            near = f", within {number(within, 2)} of {of} after {_needed(run).replace('≈', 'about').replace('>', 'more than')}"
        says.append(f"Rate {number(run.rate, 3)} {clean(run.happened)}{end}{near}.")
    return " ".join(says)


# ---- centring -----------------------------------------------------------------------------------------------------


def centering_curves(
    epochs: Floats, runs: Sequence[tuple[str, Floats, Floats]], *, optimum: float | None, standalone: bool = False
) -> str:
    """Draw the training loss and, under it, the held-out accuracy over the epochs of several runs.

    Parameters
    ----------
    epochs : ndarray (k,), float64
    runs : sequence of (str, ndarray (k,), ndarray (k,))
        Name, training loss in nats per row, held-out accuracy as a share of the rows.
    optimum : float, optional
        Loss at the optimum, drawn as a level.
    standalone : bool
        With its own colours, to be a file of its own.

    Returns
    -------
    str
        SVG text.
    """
    epochs = np.asarray(epochs, dtype=np.float64)
    level = optimum if optimum is not None and math.isfinite(optimum) else None
    losses = [(run[0], np.asarray(run[1], dtype=np.float64)) for run in runs]
    accuracies = [(run[0], np.asarray(run[2], dtype=np.float64)) for run in runs]
    with drawing(WIDTH, 488) as d:
        says = _part(d, 34.0, epochs, losses, "training loss, nats per row", level=level)
        says += _part(d, 274.0, epochs, accuracies, "held-out accuracy, share of rows", ceiling=1.0)
        d.text(LEFT + (WIDTH - LEFT - _CENTERING) / 2, 482, "epoch", role="muted", size=12, anchor="center")
    if level is not None:
        says.append(f"Loss at the optimum: {number(level, 5)}.")
    return d.svg(
        "centering", "Training loss and held-out accuracy over the epochs", " ".join(says), standalone=standalone
    )


_CENTERING = 124.0
_FORMS = ("ink", "held-out", "training", "muted")  # none that a class has in the maps above


def _part(
    d: Drawing, top: float, epochs: Floats, runs: Sequence[tuple[str, Floats]], unit: str, *, level: float | None = None,
    ceiling: float | None = None,
) -> list[str]:  # fmt: skip
    """Draw one value of all runs over the epochs; give what it says."""
    height, edge = 170.0, WIDTH - _CENTERING
    ax = d.axes(LEFT, top, edge - LEFT, height)
    across = epochs_axis(ax, float(epochs[-1]) if len(epochs) else 1.0)
    finite = [(label, epochs[np.isfinite(y)], y[np.isfinite(y)]) for label, y in runs]
    values = [v for _, _, y in finite if len(y) for v in (float(y.min()), float(y.max()))]
    values += [] if level is None else [level]
    scale = levels_of(values or [0.0, 1.0], ceiling)
    scale.set(ax)
    d.text(8, top - 16, unit, role="muted", size=12)
    labels, says = [], []
    if level is not None:
        ax.axhline(level, color=colour("line"), linewidth=1.2, linestyle=(0, (1.5, 3)), zorder=2)
        labels.append(SideLabel(edge, pixel(ax, d, 0, level)[1], ["optimum", number(level, 3)], "muted", bold=0))
    for k, (label, x, y) in enumerate(finite):
        if not len(y):
            continue
        role = _FORMS[k % len(_FORMS)]
        stroke(ax, across(x), y, role=role, dashes=DASHES[k % len(DASHES)], width=2.2)
        name = lines_of(label, (_CENTERING - 20) / (0.62 * 12), 2)
        end = pixel(ax, d, float(across(x[-1:])[0]), float(y[-1]))
        labels.append(SideLabel(*end, [*name, number(float(y[-1]), 4)], role, len(name)))
        says.append(f"{clean(label)}: {unit} is {number(float(y[0]), 4)} at epoch {number(float(x[0]))} and "
                    f"{number(float(y[-1]), 4)} at epoch {number(float(x[-1]))}.")  # fmt: skip
    for line in ax.lines:
        line.set_clip_on(False)
    side_labels(d, labels, edge + 16, top - 10, top + height + 10)
    return says
