"""The picture of the study of learning rates."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from chainrule.charts.axes import ASIDE, CELL, DASHES, LEFT, Curve, Floats, across, panel, pixel
from chainrule.charts.canvas import WIDTH, Drawing, Picture, colour, drawing
from chainrule.words import cells, estimate, pretty, rounded

_ROW = 18.0  # height of a rate's row


@dataclass(frozen=True)
class RateRun:
    """A run at one learning rate.

    happened: "crawls", "converges", "recovers", "oscillates" or "diverges". objective: F after each of the epochs (k,),
    nats; may be inf. reached: epochs to within `within` of the optimum; None: never, or unknown. estimated: `reached` is
    beyond the epochs of the run, an estimate.
    """

    rate: float
    happened: str
    epochs: Floats
    objective: Floats
    reached: float | None
    estimated: bool = False

    def needed(self, *about: str) -> str:
        """Write the epochs to the optimum's neighbourhood; about: the words of an estimate."""
        if self.reached is None:
            return ""
        return estimate(self.reached, *about) if self.estimated and self.reached >= 1 else f"{self.reached:,.0f}"


def learning_rate_picture(
    runs: Sequence[RateRun], *, optimum: float, limit: float, local_limit: float | None = None, within: float = 1e-3,
    exists: bool = True,
) -> Picture:  # fmt: skip
    """Draw the loss over the epochs for several learning rates and, on the same epochs, when each is near the optimum.

    optimum: F*, nats, the floor of the picture; where there is none (`exists`), what inf F is at least.
    limit: 2 / L_max, a rate below it never raises F. local_limit: 2 / lambda_max(H(w*)), a rate above it oscillates near
    the optimum. within: how near the optimum is near, nats.
    """
    runs, goal = sorted(runs, key=lambda run: run.rate), "F*" if exists else "inf F"
    starts = [float(run.objective[0]) for run in runs if math.isfinite(run.objective[0])]
    high = optimum + max(1.3 * (max(starts, default=optimum) - optimum), 1e-9 * max(1.0, abs(optimum)))
    slow = sum(run.rate <= limit for run in runs)
    lines, says = [], []
    for k, run in enumerate(runs):
        # from slow to fast along the ramp; above the limit another colour, dashed
        ramp, above = f"ramp-{1 + round(6 * k / max(1, slow - 1))}", DASHES[1 + (k - slow) % 5]
        role, dashes = (ramp, "-") if k < slow else ("backward", above)
        y = np.clip(np.nan_to_num(run.objective, nan=np.inf), optimum, high + 30 * (high - optimum))
        away = (y[-1] - optimum) / (high - optimum) > 0.08
        lines.append(Curve(pretty(run.rate, 3) if away else "", role, run.epochs, y, run.happened, dashes))
        end = f"F is {pretty(float(run.objective[-1]), 5)} after {pretty(float(run.epochs[-1]))} epochs"
        near = (
            f", within {pretty(within, 2)} of {goal} after {run.needed('about ', 'more than ')}" if run.needed() else ""
        )
        says.append(f"Rate {pretty(run.rate, 3)} {run.happened}, {end}{near}.")
    below = pretty(rounded(limit, 3, up=False), 3)
    limits = [(limit, f"2/L_max = {below}"), (local_limit, f"2/λ_max(H(w*)) = {pretty(local_limit, 3)}")]
    told = [f"{goal} {'is' if exists else 'is at least'} {pretty(optimum, 5)} nats. Limit 2/L_max: {below}."]
    told += [f"Limit near the optimum, 2/λ_max(H(w*)): {pretty(local_limit)}."] if local_limit else []
    rows: list[tuple[float, RateRun | str, str]] = [
        (run.rate, run, line.role) for run, line in zip(runs, lines, strict=True)
    ]
    rows += [(value, words, "ink") for value, words in limits if value and value < math.inf]
    rows.sort(key=lambda row: -row[0])
    with drawing(WIDTH, 320 + _ROW * len(rows)) as d:
        column = 24 + CELL * max([4, *(cells(run.needed()) for run in runs)])
        heads = "epochs to within", f"{pretty(within, 1)} nats of {goal}"
        right = max(
            ASIDE, 14 + CELL * max(map(cells, heads)), column + CELL * max([9, *(cells(r.happened) for r in runs)])
        )
        left = max(LEFT, 16 + CELL * max([0, *(cells(pretty(run.rate, 3)) for run in runs)]))
        floor = [(f"{goal} {'=' if exists else '≥'}", optimum)]
        upper, _ = panel(d, 34, 180, lines, ("objective F, nats", ""), floor, left=left, right=right, ceiling=high)
        _reached(d, upper, rows, column, heads)
        return d.picture("rates", "Loss over the epochs for several learning rates", " ".join([*told, *says]))


def _reached(
    d: Drawing, upper: Axes, rows: Sequence[tuple[float, RateRun | str, str]], column: float, heads: tuple[str, str]
) -> None:
    """Draw a row a rate, the largest first, with a dot at the epoch from which on it is near; the limits between them."""
    (left, floor), (edge, _) = pixel(upper, d, 0, upper.get_ylim()[0]), pixel(upper, d, last := upper.get_xlim()[1], 1)
    top = floor + 56
    ax = d.axes(left, top, edge - left, _ROW * len(rows))
    across(ax, last)
    ax.set(ylim=(len(rows) - 0.5, -0.5), yticks=[])
    for x, y, words in ((8.0, top - 8, "rate"), (edge + 14, top - 23, heads[0]), (edge + 14, top - 8, heads[1])):
        d.text(x, y, words, "muted")
    d.text((left + edge) / 2, d.height - 12, "epoch", "muted", anchor="center")
    for k, (rate, run, role) in enumerate(rows):
        y = top + _ROW * (k + 0.5)
        if isinstance(run, str):
            ax.axhline(k, color=colour("ink"), linewidth=1.2, linestyle=(0, (4, 3)))
            d.text(edge + 6, y + 4, run, room=WIDTH - edge - 8)
            continue
        d.text(left - 10, y + 4, pretty(rate, 3), role, anchor="right")
        d.text(edge + column - 10, y + 4, run.needed(), role, anchor="right")
        d.text(edge + column - 2, y + 4, run.happened, role)
        if run.reached is not None:
            away = run.reached > last
            ax.plot(
                [min(run.reached, last)], [k], ">" if away else "o", color=colour(role), ms=8, clip_on=False, zorder=4
            )
