"""The pictures of the studies as SVG text: learning rates, scalings, batches, and centring over the epochs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chainrule.pictures.axes import (
    LEFT,
    WIDTH,
    Across,
    end_labels,
    epochs_axis,
    levels_of,
    pixel,
    powers,
    spread,
    thin,
)
from chainrule.pictures.style import Drawing, colour, drawing
from chainrule.pictures.text import clean, number

Floats = NDArray[np.float64]
_ROLES = ("one", "backward", "training", "held-out", "zero-text", "ramp-7", "muted")
_DASHES: tuple[object, ...] = ("-", (0, (6, 2)), (0, (2, 1.6)), (0, (8, 2, 2, 2)), (0, (4, 1.5)), (0, (1, 1.5)), "-")


@dataclass(frozen=True)
class RateRun:
    """A run at one learning rate.

    rate : float
    happened : str
        "crawls", "converges", "oscillates" or "diverges".
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


@dataclass(frozen=True)
class Descending:
    """F - F* over the epochs of one run, nats; `note` in a few words, may be empty."""

    label: str
    epochs: Floats
    gap: Floats
    note: str = ""


@dataclass(frozen=True)
class BatchRun:
    """F - F* of one run, nats, by the reads of the data and by the updates so far."""

    label: str
    reads: Floats
    updates: Floats
    gap: Floats


# ---- learning rates -----------------------------------------------------------------------------------------------


def learning_rate_picture(
    runs: Sequence[RateRun], *, optimum: float, limit: float, local_limit: float | None = None, within: float = 1e-3,
    standalone: bool = False,
) -> str:  # fmt: skip
    """Draw the loss over the epochs for several learning rates and, on the same epochs, when each is near the optimum.

    Parameters
    ----------
    runs : sequence of RateRun
    optimum : float
        F*, nats, the floor of the picture.
    limit : float
        2 / L_max: a rate below it never raises F.
    local_limit : float, optional
        2 / lambda_max(H(w*)): a rate above it oscillates near the optimum.
    within : float
        How near the optimum is near, nats.
    standalone : bool
        With its own colours, to be a file of its own.

    Returns
    -------
    str
        SVG text.
    """
    runs = sorted(runs, key=lambda r: r.rate)
    styles = _rate_styles(runs, limit)
    left, right = LEFT, 132.0
    wide = WIDTH - left - right
    top, height = 34.0, max(190.0, 16.0 * len(runs) + 20)
    top2 = top + height + 62
    height2 = max(150.0, 16.0 * len(runs) + 30)
    bottom2 = top2 + height2
    with drawing(WIDTH, bottom2 + 46) as d:
        last = max([1.0, *(float(r.epochs[-1]) for r in runs if len(r.epochs))])
        d.text(8, 18, "F, nats per row", role="muted", size=12)
        ax = d.axes(left, top, wide, height)
        across = epochs_axis(ax, last)
        ceiling = _losses_axis(ax, runs, optimum)
        ends = []
        for run, (role, dashes) in zip(runs, styles, strict=True):
            end = _rate_curve(ax, d, run, role, dashes, across, ceiling)
            ends.append((end, f"{number(run.rate, 3)} {run.happened}", role))
        ax.axhline(optimum, color=colour("ink"), linewidth=1.2, zorder=2)
        ends.sort(key=lambda e: e[0])
        places = spread([e[0] for e in ends], 16, top + 4, top + height - 4)
        for y, (wanted, words, role) in zip(places, ends, strict=True):
            d.line([(WIDTH - right + 1, wanted), (WIDTH - right + 9, y)], role=role, width=1)
            d.text(WIDTH - right + 12, y + 4, words, role=role, size=12)
        _reached(d, runs, styles, across, (left, top2, wide, height2), limit, local_limit, within, last)
    return d.svg("rates", "Loss over the epochs for several learning rates",
                 _told_rates(runs, optimum, limit, local_limit, within), standalone=standalone)  # fmt: skip


def _rate_styles(runs: Sequence[RateRun], limit: float) -> list[tuple[str, object]]:
    """Give each rate its colour and dashes: from slow to fast along the ramp; above the limit another, dashed."""
    below = [r for r in runs if r.rate <= limit]
    styles: list[tuple[str, object]] = []
    dashes = [(0, (6, 2)), (0, (2.5, 1.8)), (0, (8, 2, 2, 2)), (0, (1, 1.4))]
    for k, _ in enumerate(runs):
        if k < len(below):
            styles.append((f"ramp-{1 + round(6 * k / max(1, len(below) - 1))}", "-"))
        else:
            styles.append(("backward", dashes[(k - len(below)) % 4]))
    return styles


def _losses_axis(ax: object, runs: Sequence[RateRun], optimum: float) -> float:
    """Set the axis of F from the optimum up; give its upper end, above which a run leaves the picture."""
    starts = [float(r.objective[0]) for r in runs if len(r.objective) and math.isfinite(float(r.objective[0]))]
    start = max(starts, default=optimum + 1.0)
    high = optimum + max(1.35 * (start - optimum), 1e-12 * max(1.0, abs(optimum)))
    scale = levels_of([optimum, high])
    scale.set(ax)  # type: ignore[arg-type]
    return scale.high


def _rate_curve(
    ax: object, d: Drawing, run: RateRun, role: str, dashes: object, across: Across, ceiling: float
) -> float:
    """Draw F of one run up to the ceiling; give the y pixel of its end."""
    keep = ~np.isnan(run.objective)
    x, y = across(np.asarray(run.epochs, dtype=np.float64)[keep]), np.asarray(run.objective, dtype=np.float64)[keep]
    if not len(x):
        return pixel(ax, d, 0, ceiling)[1]  # type: ignore[arg-type]
    y = np.minimum(y, ceiling * 1.5)
    x, y = thin(x, y)
    ax.plot(x, y, color=colour(role), linewidth=2, linestyle=dashes, zorder=3)  # type: ignore[attr-defined]
    return pixel(ax, d, 0, min(float(y[-1]), ceiling))[1]  # type: ignore[arg-type]


def _reached(
    d: Drawing, runs: Sequence[RateRun], styles: Sequence[tuple[str, object]], across: Across,
    box: tuple[float, float, float, float], limit: float, local_limit: float | None, within: float, last: float,
) -> None:  # fmt: skip
    left, top, wide, height = box
    d.text(8, top - 14, f"learning rate, against the epoch within {number(within, 1)} nats of the optimum", role="muted",
           size=12)  # fmt: skip
    ax = d.axes(left, top, wide, height)
    epochs_axis(ax, last)
    rates = [r.rate for r in runs] + [limit] + [local_limit] * (local_limit is not None)
    low, high = min(v for v in rates if v), max(v for v in rates if v)
    ax.set_yscale("log")
    ax.set_ylim(low / 1.3, high * 1.3)
    ax.set_yticks([])
    ax.minorticks_off()
    for value, words in ((limit, "2/L_max"), (local_limit, "2/λ_max(H(w*))")):
        if value is not None:
            y = pixel(ax, d, 0, value)[1]
            d.line([(left, y), (left + wide, y)], role="ink", width=1.2, dashes="--")
            d.text(left + wide, y - 4, f"{words} = {number(value, 3)}", size=12, anchor="right")
    at = [pixel(ax, d, 0, r.rate)[1] for r in runs]
    places = spread(at[::-1], 15, top + 4, top + height - 2)[::-1]
    for run, (role, _), y, place in zip(runs, styles, at, places, strict=True):
        d.line([(left - 8, place), (left, y)], role=role, width=1)
        d.text(left - 10, place + 4, number(run.rate, 2), role=role, size=12, anchor="right")
        if run.reached is None:
            d.text(left + wide + 6, place + 4, run.happened, role=role, size=12)
            continue
        x = left + wide
        if run.reached <= last:
            x = pixel(ax, d, float(across(np.array([run.reached]))[0]), run.rate)[0]
        ax.plot([0], [run.rate], marker="", color=colour(role))
        d.dots(np.array([x]), np.array([y]), role=role, size=8)
        about = "about " if run.estimated else ""
        d.text(left + wide + 6, place + 4, f"{about}{number(run.reached, 3)} epochs", role=role, size=12)
    d.text(left + wide / 2, top + height + 38, "epoch", role="muted", size=12, anchor="center")


def _told_rates(
    runs: Sequence[RateRun], optimum: float, limit: float, local_limit: float | None, within: float
) -> str:  # fmt: skip
    says = [f"Optimum: {number(optimum, 5)} nats. Limit 2/L_max: {number(limit, 4)}."]
    if local_limit is not None:
        says.append(f"Limit near the optimum, 2/lambda_max(H(w*)): {number(local_limit, 4)}.")
    for run in runs:
        end = (
            f", F is {number(float(run.objective[-1]), 5)} after {number(float(run.epochs[-1]))} epochs"
            if len(run.epochs)
            else ""
        )
        near = ""
        if run.reached is not None:
            near = f", within {number(within, 2)} of the optimum after {'about ' if run.estimated else ''}{number(run.reached)}"
        says.append(f"Rate {number(run.rate, 3)} {clean(run.happened)}{end}{near}.")
    return " ".join(says)


# ---- gaps ---------------------------------------------------------------------------------------------------------


def scaling_picture(runs: Sequence[Descending], *, within: float = 1e-3, standalone: bool = False) -> str:
    """Draw F - F* over the epochs, by powers of ten, for several ways to scale the columns.

    Parameters
    ----------
    runs : sequence of Descending
    within : float
        The level that is near enough, nats.
    standalone : bool
        With its own colours, to be a file of its own.

    Returns
    -------
    str
        SVG text.
    """
    says = [
        _told_gap(r.label, r.epochs, r.gap, "epoch", within) + (f" {clean(r.note)}." if r.note else "") for r in runs
    ]
    with drawing(WIDTH, 290) as d:
        _gaps(d, 34, [(r.label, r.epochs, r.gap, r.note) for r in runs], "epoch", within)
    return d.svg("scalings", "Distance to the optimum over the epochs", " ".join(says), standalone=standalone)


def batches_picture(runs: Sequence[BatchRun], *, within: float = 1e-3, standalone: bool = False) -> str:
    """Draw F - F*, by powers of ten, for several batch sizes: by the reads of the data, and by the updates.

    Parameters
    ----------
    runs : sequence of BatchRun
    within, standalone
        As for `scaling_picture`.

    Returns
    -------
    str
        SVG text.
    """
    says = [_told_gap(r.label, r.reads, r.gap, "read", within) for r in runs]
    with drawing(WIDTH, 560) as d:
        _gaps(d, 34, [(r.label, r.reads, r.gap, "") for r in runs], "reads of the data", within)
        _gaps(d, 304, [(r.label, r.updates, r.gap, "") for r in runs], "updates of w", within)
    return d.svg("batches", "Distance to the optimum by reads of the data and by updates", " ".join(says),
                 standalone=standalone)  # fmt: skip


def _positive(x: Floats, gap: Floats) -> tuple[Floats, Floats]:
    x, gap = np.asarray(x, dtype=np.float64), np.asarray(gap, dtype=np.float64)
    keep = np.isfinite(gap) & (gap > 0) & np.isfinite(x)
    return x[keep], gap[keep]


def _gaps(
    d: Drawing, top: float, runs: Sequence[tuple[str, Floats, Floats, str]], unit: str, within: float
) -> None:  # fmt: skip
    left, right = LEFT, 126.0
    series = [(label, *_positive(x, gap), note) for label, x, gap, note in runs]
    ax = d.axes(left, top, WIDTH - left - right, 204)
    across = epochs_axis(ax, max([1.0, *(float(x[-1]) for _, x, _, _ in series if len(x))]))
    powers(ax, [within, *(v for _, _, g, _ in series if len(g) for v in (float(g.min()), float(g.max())))])
    d.text(8, top - 16, "F − F*, nats", role="muted", size=12)
    d.text(left + (WIDTH - left - right) / 2, top + 242, unit, role="muted", size=12, anchor="center")
    ends = []
    ax.axhline(within, color=colour("line"), linewidth=1.2, linestyle=(0, (1.5, 3)), zorder=2)
    ends.append((pixel(ax, d, 0, within)[1], f"near enough\n{number(within, 2)}", "muted", False))
    for k, (label, x, gap, note) in enumerate(series):
        if len(x):
            role = _ROLES[k % len(_ROLES)]
            a, b = thin(across(x), gap)
            ax.plot(a, b, color=colour(role), linewidth=2.2, linestyle=_DASHES[k % len(_DASHES)], zorder=3)
            ends.append(
                (pixel(ax, d, 0, float(gap[-1]))[1], f"{label}\n{note or number(float(gap[-1]), 2)}", role, True)
            )
    end_labels(d, ends, WIDTH - right + 8, top, top + 204)


def _told_gap(label: str, x: Floats, gap: Floats, unit: str, within: float) -> str:
    x, gap = _positive(x, gap)
    if not len(x):
        return f"{clean(label)}: no finite value."
    near = np.flatnonzero(gap <= within)
    reached = f", within {number(within, 2)} at {unit} {number(float(x[near[0]]))}" if len(near) else ""
    return (
        f"{clean(label)}: F − F* is {number(float(gap[0]), 3)} at {unit} {number(float(x[0]))} and "
        f"{number(float(gap[-1]), 3)} at {unit} {number(float(x[-1]))}{reached}."
    )


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
    says = []
    with drawing(WIDTH, 500) as d:
        for column, top, unit in (
            (1, 34.0, "training loss, nats per row"),
            (2, 274.0, "held-out accuracy, share of rows"),
        ):
            left, right, height = LEFT, 116.0, 170.0
            ax = d.axes(left, top, WIDTH - left - right, height)
            across = epochs_axis(ax, float(epochs[-1]) if len(epochs) else 1.0)
            series = []
            for k, run in enumerate(runs):
                y = np.asarray(run[column], dtype=np.float64)
                keep = np.isfinite(y)
                if keep.any():
                    series.append((k, run[0], epochs[keep], y[keep]))
            values = [v for *_, y in series for v in (float(y.min()), float(y.max()))]
            level = optimum if column == 1 and optimum is not None and math.isfinite(optimum) else None
            scale = levels_of(
                [*values, *([] if level is None else [level])] or [0.0, 1.0], 1.0 if column == 2 else None
            )
            scale.set(ax)
            d.text(8, top - 16, unit, role="muted", size=12)
            ends = []
            if level is not None:
                ax.axhline(level, color=colour("line"), linewidth=1.2, linestyle=(0, (1.5, 3)), zorder=2)
                ends.append((pixel(ax, d, 0, level)[1], f"optimum\n{number(level, 4)}", "muted", False))
            for k, label, x, y in series:
                role = _ROLES[k % len(_ROLES)]
                a, b = thin(across(x), y)
                ax.plot(a, b, color=colour(role), linewidth=2.2, linestyle=_DASHES[k % len(_DASHES)], zorder=3)
                ends.append((pixel(ax, d, 0, float(y[-1]))[1], f"{label}\n{number(float(y[-1]), 4)}", role, True))
                says.append(f"{clean(label)}: {unit} is {number(float(y[0]), 4)} at epoch {number(float(x[0]))} and "
                            f"{number(float(y[-1]), 4)} at epoch {number(float(x[-1]))}.")  # fmt: skip
            end_labels(d, ends, WIDTH - right + 8, top, top + height)
        d.text(LEFT + (WIDTH - LEFT - 116) / 2, 486, "epoch", role="muted", size=12, anchor="center")
    if optimum is not None:
        says.append(f"Loss at the optimum: {number(optimum, 5)}.")
    return d.svg(
        "centering", "Training loss and held-out accuracy over the epochs", " ".join(says), standalone=standalone
    )
