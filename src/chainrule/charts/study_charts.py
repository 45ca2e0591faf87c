"""The pictures of the studies of learning rates and of centring."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from chainrule.charts.axes import ASIDE, CELL, DASHES, LEFT, Curve, Floats, across, panel, pixel
from chainrule.charts.canvas import WIDTH, Drawing, Picture, colour, drawing
from chainrule.charts.text import below, cells, clean, estimate, number

_FORMS = ("ink", "held-out", "training", "muted")  # none that a class has in the maps above
_ROW = 18.0  # height of a rate's row


def centering_curves(epochs: Floats, runs: Sequence[tuple[str, Floats, Floats]], *, optimum: float | None) -> Picture:
    """Draw the training loss and, under it, the held-out accuracy over the epochs of several runs.

    epochs: (k,). runs: (name, training loss in nats per row (k,), held-out accuracy as a share of the rows (k,)).
    optimum: loss at the optimum, drawn as a level.
    """
    levels = [("optimum", optimum)] if optimum is not None and math.isfinite(optimum) else []
    losses, accuracies = (
        [Curve.of(run[0], _FORMS[k % 4], epochs, run[which], dashes=DASHES[k % 6]) for k, run in enumerate(runs)]
        for which in (1, 2)
    )
    with drawing(WIDTH, 488) as d:
        says = panel(d, 34, 170, losses, ("training loss, nats per row", ""), levels)[1]
        says += panel(d, 274, 170, accuracies, ("held-out accuracy, share of rows", "epoch"), ceiling=1.0)[1]
        return d.picture("centering", "Training loss and held-out accuracy over the epochs", " ".join(says))


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

    @property
    def needed(self) -> str:
        """The epochs to the optimum's neighbourhood, as text."""
        if self.reached is None:
            return ""
        return estimate(self.reached) if self.estimated and self.reached >= 1 else number(float(round(self.reached)))


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
    lines = []
    for k, run in enumerate(runs):
        # from slow to fast along the ramp; above the limit another colour, dashed
        ramp, above = f"ramp-{1 + round(6 * k / max(1, slow - 1))}", DASHES[1 + (k - slow) % 5]
        role, dashes = (ramp, "-") if k < slow else ("backward", above)
        y = np.clip(np.nan_to_num(run.objective, nan=np.inf), optimum, high + 30 * (high - optimum))
        away = (y[-1] - optimum) / (high - optimum) > 0.08
        lines.append(Curve(number(run.rate, 3) if away else "", role, run.epochs, y, run.happened, dashes))
    rows = sorted([*((run.rate, k) for k, run in enumerate(runs)),
                   *((v, k) for k, v in ((-1, limit), (-2, local_limit)) if v and v < math.inf)], reverse=True)  # fmt: skip
    with drawing(WIDTH, 320 + _ROW * len(rows)) as d:
        needed, near = CELL * max([4.0, *(cells(run.needed) for run in runs)]), f"{number(within, 1)} nats of {goal}"
        right = max(ASIDE, 14 + CELL * cells(near), 24 + needed + CELL * max([9.0, *(cells(r.happened) for r in runs)]))
        left = max(LEFT, 16 + CELL * max([0.0, *(cells(number(run.rate, 3)) for run in runs)]))
        floor = [(f"{goal} {'=' if exists else '≥'}", optimum)]
        upper, _ = panel(d, 34, 180, lines, ("objective F, nats", ""), floor, left=left, right=right, ceiling=high)
        _reached(d, upper, runs, [line.role for line in lines], rows, needed, near)
        is_ = "is" if exists else "is at least"
        says = [f"{goal} {is_} {number(optimum, 5)} nats. Limit 2/L_max: {below(limit, 4)}."]
        says += [f"Limit near the optimum, 2/λ_max(H(w*)): {number(local_limit)}."] if local_limit else []
        for run in runs:
            end = f", F is {number(float(run.objective[-1]), 5)} after {number(float(run.epochs[-1]))} epochs"
            epochs = run.needed.replace("≈", "about").replace(">", "more than")
            near = f", within {number(within, 2)} of {goal} after {epochs}" if epochs else ""
            says.append(f"Rate {number(run.rate, 3)} {clean(run.happened)}{end}{near}.")
        return d.picture("rates", "Loss over the epochs for several learning rates", " ".join(says))


def _reached(
    d: Drawing, upper: Axes, runs: Sequence[RateRun], roles: Sequence[str], rows: Sequence[tuple[float, int]],
    needed: float, near: str,
) -> None:  # fmt: skip
    """Draw a row a rate, the largest first, with a dot at the epoch from which on it is near; the limits between them."""
    (left, floor), (edge, _) = pixel(upper, d, 0, upper.get_ylim()[0]), pixel(upper, d, last := upper.get_xlim()[1], 1)
    top, column = floor + 56, edge + 14 + needed
    ax = d.axes(left, top, edge - left, _ROW * len(rows))
    across(ax, last)
    ax.set(ylim=(len(rows) - 0.5, -0.5), yticks=[])
    for x, y, words in ((8.0, top - 8, "rate"), (edge + 14, top - 23, "epochs to within"), (edge + 14, top - 8, near)):
        d.text(x, y, words, "muted")
    d.text((left + edge) / 2, d.height - 12, "epoch", "muted", anchor="center")
    for k, (rate, which) in enumerate(rows):
        y = top + _ROW * (k + 0.5)
        if which < 0:
            d.line([(left, y), (edge, y)], "ink", width=1.2, linestyle=(0, (4, 3)))
            tex, text = (
                (r"2/L_{\max} =", below(rate)) if which == -1 else (r"2/\lambda_{\max}(H(w^*)) =", number(rate, 3))
            )
            d.formula(edge + 6, y + 4, tex, text, size=14, room=WIDTH - edge - 8)
            continue
        run, role = runs[which], roles[which]
        d.text(left - 10, y + 4, number(rate, 3), role, anchor="right")
        d.text(column, y + 4, run.needed, role, anchor="right")
        d.text(column + 8, y + 4, run.happened, role)
        if run.reached is not None and run.reached > last:
            d.line([(edge - 16, y), (edge, y)], role, width=1.4, arrow=True)
        elif run.reached is not None:
            x = pixel(ax, d, run.reached, 0)[0]
            d.line([(x, floor), (x, y)], role, width=0.9, alpha=0.6)
            ax.plot([run.reached], [k], "o", color=colour(role), markersize=8, clip_on=False, zorder=4)
