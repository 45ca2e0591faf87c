"""Curves of a run: loss and accuracy, and how far the objective is from its optimum."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from chainrule.charts.axes import LEFT, MANY, Curve, panel
from chainrule.charts.canvas import WIDTH, Picture, drawing
from chainrule.charts.text import number


class TraceLike(Protocol):
    """What the curves need of a trace: its columns."""

    @property
    def columns(self) -> Mapping[str, NDArray[Any]]:
        """Arrays of one length: "epoch", "loss", "accuracy", maybe "held_out_loss", "reads", "share", "gap" and others."""
        ...


def loss_curves(
    trace: TraceLike, *, base_loss: float | None = None, optimum_loss: float | None = None, by_reads: bool = False
) -> Picture:
    """Draw the log-loss over the epochs, on the training rows and, where the trace has them, on held-out rows.

    trace: columns "epoch" and "loss" (nats per unit of weight), optionally "held_out_loss".
    base_loss: log-loss of the base rate alone, a level to beat. optimum_loss: that of the optimum, the level to reach.
    by_reads: over the reads of the data in place of the epochs, for runs of few steps; what was computed on a sample of the
    rows (column "share" below 1) is hollow.
    """
    levels = [("base rate alone", base_loss), ("optimum", optimum_loss)]
    return _curves("loss", "log-loss, nats per row", trace, levels, by_reads)


def accuracy_curves(trace: TraceLike, *, base_accuracy: float | None = None, by_reads: bool = False) -> Picture:
    """Draw the accuracy (share of rows on the right side of g = 1/2) over the epochs; arguments as `loss_curves`."""
    return _curves("accuracy", "accuracy, share of rows", trace, [("larger class alone", base_accuracy)], by_reads)


def _curves(
    kind: str, title: str, trace: TraceLike, levels: Sequence[tuple[str, float | None]], by_reads: bool
) -> Picture:
    columns, known = trace.columns, [(name, v) for name, v in levels if v is not None and math.isfinite(v)]
    x, over = (columns["reads"], "reads of the data") if by_reads else (columns["epoch"], "epoch")
    share = np.asarray(columns.get("share", np.ones(len(x))))
    lines = []
    # the held-out rows are all read at every step
    for name, label, role, dashes, whole in (
        (kind, "training", "training", "-", share >= 1), (f"held_out_{kind}", "held out", "held-out", (0, (5, 2.5)), share > -1)
    ):  # fmt: skip
        if name in columns and np.isfinite(columns[name]).any():
            lines.append(Curve.of(label, role, x, columns[name], dashes=dashes, whole=whole if by_reads else None))
    sampled = any(line.whole is not None and not line.whole.all() for line in lines)
    with drawing(WIDTH, 292 if sampled else 270) as d:
        ceiling = 1.0 if kind == "accuracy" else math.inf
        _, says = panel(d, 34, 190, lines, (title, over), known, ceiling=ceiling)
        if sampled:
            d.text(LEFT, 286, "○ on a sample of the rows    ● on all rows", "muted")
        says += ["Hollow marks are of a sample of the rows."] * sampled + ["No finite value was recorded."] * (
            not lines
        )
        return d.picture(
            kind, f"{title.partition(',')[0].capitalize()} over the {over if by_reads else 'epochs'}", " ".join(says)
        )


@dataclass(frozen=True)
class Descent:
    """A run on its way down.

    trace: columns "reads", "gap", "objective", "share". optimum_at_least: a lower bound on F*; inf: none is known.
    own: whether all reads are its own; else those before the first line, which measured the distance, are not counted.
    """

    label: str
    role: str
    trace: TraceLike
    optimum_at_least: float | None = None
    own: bool = True

    def curve(self) -> Curve | None:
        """Bounds on F - F* by the reads so far: the one proven at the point itself, else F less the lower bound on F*."""
        columns = self.trace.columns
        if not {"reads", "gap", "objective", "share"} <= set(columns):
            return None
        reads, gap, F, share = (
            np.asarray(columns[k], dtype=np.float64) for k in ("reads", "gap", "objective", "share")
        )
        if self.optimum_at_least is not None and math.isfinite(self.optimum_at_least):
            gap = np.minimum(gap, np.where(share >= 1, F - self.optimum_at_least, np.inf))
        # before the first line: the columns' moments and the loss at the start
        x = np.maximum(reads if self.own else reads - reads[0] + 2, 1.0)
        whole = np.ones(len(x), dtype=bool) if len(x) < MANY else None
        curve = Curve.of(self.label, self.role, x, np.where(np.isfinite(F), gap, np.inf), above=0.0, whole=whole)
        return replace(curve, note=f"{number(float(curve.x[-1]), 3)} reads") if len(curve.y) else None


def gap_curves(runs: Sequence[Descent], *, tol: float | None = None, infimum: bool = False) -> Picture | None:
    """Draw how far the objective is proven to be from its optimum, by the reads of the data; both in powers of ten.

    tol: the bound that was asked for, the level to reach. infimum: there is no optimum, the distance is that from inf F.
    None where no bound is known.
    """
    lines = [line for run in runs if (line := run.curve()) is not None]
    if not lines:
        return None
    above, goal = ("F − inf F", "infimum") if infimum else ("F − F*", "optimum")
    with drawing(WIDTH, 290) as d:
        words, levels = (f"{above} at most, nats", "reads of the data"), [("tol", tol)] if tol else []
        _, says = panel(d, 34, 210, lines, words, levels, digits=2, powers=True)
        return d.picture("gap", f"Distance of the objective from its {goal}", " ".join(says))
