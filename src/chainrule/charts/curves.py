"""Curves of runs: loss and accuracy, and how far the objective is from its optimum."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.charts.axes import DASHES, LEFT, MANY, ROLES, Curve, panel
from chainrule.charts.canvas import WIDTH, Picture, drawing
from chainrule.words import below, pretty

_FORMS = ("ink", "held-out", "training", "muted")  # roles that no class has in a map


Panel = tuple[Sequence[Curve], tuple[str, str], Sequence[tuple[str, float]]]  # arguments of `panel`


def _picture(
    kind: str, title: str, panels: Sequence[Panel], height: float = 190, foot: str = "", **how: Any
) -> Picture:
    """Draw panels one above the other, each `height` high, and a line of words below; how: more arguments of `panel`."""
    step = height + 92
    with drawing(WIDTH, step * len(panels) - 12 + 22 * bool(foot)) as d:
        says = [text for k, of in enumerate(panels) for text in panel(d, 34 + k * step, height, *of, **how)]
        d.text(LEFT, d.height - 6, foot, "muted")
        return d.picture(kind, title, " ".join([*says, foot]).strip())


def loss_curves(trace: Any, *, base_loss: float | None = None, by_reads: bool = False) -> Picture:
    """Draw the log-loss over the epochs, on the training rows and, if the trace has them, on held-out rows.

    trace: columns "epoch" and "loss" (nats per unit of weight), optionally "held_out_loss".
    base_loss: log-loss of the base rate alone, a level to beat.
    by_reads: over the reads of the data instead of the epochs, for runs of few steps; values computed on a sample of the rows
    (column "share" below 1) have hollow marks.
    """
    return _curves("loss", "log-loss, nats per row", trace, ("base rate alone", base_loss), by_reads)


def accuracy_curves(trace: Any, *, base_accuracy: float | None = None, by_reads: bool = False) -> Picture:
    """Draw the accuracy (share of rows on the right side of g = 1/2) over the epochs; arguments as `loss_curves`."""
    level = ("larger class alone", base_accuracy)
    return _curves("accuracy", "accuracy, share of rows", trace, level, by_reads, ceiling=1.0)


def _curves(
    kind: str, title: str, trace: Any, level: tuple[str, float | None], by_reads: bool, **how: float
) -> Picture:
    columns, known = trace.columns, [] if level[1] is None else [(level[0], level[1])]
    x, over = (columns["reads"], "reads of the data") if by_reads else (columns["epoch"], "epoch")
    share = np.asarray(columns.get("share", np.ones(len(x))))
    kinds = [(kind, "training", "-", share >= 1), (f"held_out_{kind}", "held out", (0, (5, 2.5)), share > -1)]
    lines = [
        Curve.of(label, label.replace(" ", "-"), x, columns[name], dashes=dashes, whole=whole if by_reads else None)
        for name, label, dashes, whole in kinds  # the held-out rows are all read at every step
        if name in columns
    ]
    sampled = by_reads and bool((share < 1).any())
    foot = "○ on a sample of the rows    ● on all rows" if sampled else ""
    name = f"{kind.capitalize().replace('Loss', 'Log-loss')} over the {over if by_reads else 'epochs'}"
    return _picture(kind, name, [(lines, (title, over), known)], foot=foot, **how)


def gap_curve(
    trace: Any, label: str, by_reads: bool, optimum_at_least: float | None = None, *, tol: float, exists: bool = True
) -> Picture:
    """Draw the proven bound on F - F* over the reads of the data.

    trace: columns "reads", "gap", "objective", "share". label: the method. by_reads: if False, the reads by which the optimum
    was found, before the first line, don't count. optimum_at_least: a proven lower bound on F*. tol: the bound requested, drawn
    as a level. exists: whether there is an optimum; if not, distances are from inf F.
    """
    reads, gap, F, share = (np.asarray(trace.columns[k], dtype=float) for k in ("reads", "gap", "objective", "share"))
    if optimum_at_least is not None:
        gap = np.minimum(gap, np.where(share >= 1, F - optimum_at_least, np.inf))
    # two reads before the first line: for the columns' moments, and for the loss at the start
    x = np.maximum(reads if by_reads else reads - reads[0] + 2, 1.0)
    whole = np.ones(len(x), dtype=bool) if len(x) < MANY else None
    note = f"{pretty(float(x[-1]), 3)} reads"
    role, y = "one" if by_reads else "training", np.where(np.isfinite(F), gap, np.inf)
    curve = Curve.of(label, role, x, y, above=0.0, whole=whole, note=note)
    panel, how = ([curve], "at most, nats", "reads of the data"), {"height": 190, "floor": 0.0}
    return _distances("gap", "by the reads of the data", [panel], ("tol", tol), exists, **how)


# ---- runs of studies: each has label, rate, epochs, gap (F - F*), curves, happened, and `took()` ----------------------


def learning_rate_picture(runs: Sequence[Any], *, limit: float, within: float = 1e-3, exists: bool = True) -> Picture:
    """Draw F - F* over the epochs, on logarithmic axes, for several learning rates, and how long each took.

    limit: 2 / L_max; larger rates are dashed. Other arguments as in `scaling_picture`.
    """
    runs = sorted(runs, key=lambda run: float(run.rate))
    slow = sum(run.rate <= limit for run in runs)
    lines = []
    for k, run in enumerate(runs):  # colours follow the ramp from slow to fast; above the limit, another colour
        ramp = f"ramp-{1 + round(6 * k / max(1, slow - 1))}"
        role, dashes = (ramp, "-") if k < slow else ("backward", DASHES[1 + (k - slow) % 5])
        note = f"{run.happened}, {run.took()}" if run.reached is not None else run.happened
        lines.append(Curve.of(run.label, role, run.epochs, run.gap, 0.0, note=note, dashes=dashes))
    start = max((float(line.y[0]) for line in lines if len(line.y)), default=1.0)
    foot, panel = f"dashed: above 2/L_max = {below(limit)}", (lines, "in nats", "epoch")
    how = {"height": 250, "aside": 230, "ceiling": 30 * start, "heading": "learning rate, epochs", "foot": foot}
    return _distances("rates", "for several learning rates", [panel], ("within", within), exists, **how)


def scaling_picture(runs: Sequence[Any], *, within: float = 1e-3, exists: bool = True) -> Picture:
    """Draw F - F* over the epochs, on logarithmic axes, for several ways to scale the columns.

    within: the gap that is small enough, nats. exists: whether there is an optimum; if not, gaps are from inf F.
    """
    lines = [
        Curve.of(run.label, ROLES[k % 6], run.epochs, run.gap, 0.0, note=f"{run.took()} epochs", dashes=DASHES[k % 6])
        for k, run in enumerate(runs)
    ]
    return _distances("scalings", "over the epochs", [(lines, "in nats", "epoch")], ("within", within), exists)


def batches_picture(
    runs: Sequence[Any], updates: Sequence[int], *, within: float = 1e-3, exists: bool = True
) -> Picture:
    """Draw F - F*, on logarithmic axes, for several batch sizes: over the reads of the data, and over the updates.

    Lines are medians over the last tenth of the epochs so far (curve "level"), since swings would cover one another; dots mark
    where a gap first was small enough. updates: of each run, per epoch. Other arguments as in `scaling_picture`.
    """

    def lines(of_epoch: Sequence[int]) -> list[Curve]:
        made = []
        for k, (run, many) in enumerate(zip(runs, of_epoch, strict=True)):
            near = next(iter((many * run.epochs[run.gap <= within]).tolist()), None)
            level = run.curves["level"]
            made.append(Curve.of(run.label, ROLES[k % 6], many * run.epochs, level, 0.0, near=near))
        return made

    what = "in nats, median over the last tenth of the epochs"
    panels = [(lines([1] * len(runs)), what, "reads of the data"), (lines(updates), what, "updates of w")]
    return _distances("batches", "by reads of the data and by updates", panels, ("• within", within), exists)


def _distances(
    kind: str, over: str, panels: Sequence[tuple[Sequence[Curve], str, str]], level: tuple[str, float], exists: bool,
    **how: Any,
) -> Picture:  # fmt: skip
    above, goal = ("F − F*", "optimum") if exists else ("F − inf F", "infimum")
    drawn = [(lines, (f"{above} {what}", unit), [level]) for lines, what, unit in panels]
    # gaps far below the level may be cut off
    how = {"height": 204, "digits": 2, "floor": level[1] / 30, "powers": True} | how
    return _picture(kind, f"Distance to the {goal} {over}", drawn, **how)


def centering_curves(runs: Sequence[Any], *, optimum: float | None) -> Picture:
    """Draw the runs' curves "loss" (of training) and, under it, "held_out_accuracy" over the epochs.

    optimum: loss at the optimum, drawn as a level.
    """
    levels = [("optimum", optimum)] if optimum is not None and math.isfinite(optimum) else []
    parts = [("loss", "training loss, nats per row", "", levels),
             ("held_out_accuracy", "held-out accuracy, share of rows", "epoch", [])]  # fmt: skip
    panels = [
        ([Curve.of(run.label, _FORMS[k % 4], run.epochs, run.curves[of], dashes=DASHES[k % 6]) for k, run in enumerate(runs)],
         (up, across), some)
        for of, up, across, some in parts
    ]  # fmt: skip
    return _picture("centering", "Training loss and held-out accuracy over the epochs", panels, 170)
