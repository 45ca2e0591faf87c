"""How near the optimum runs are: by scalings of the columns, and by batches of rows."""

from collections.abc import Sequence
from dataclasses import dataclass

from chainrule.charts.axes import DASHES, ROLES, Curve, Floats, panel
from chainrule.charts.canvas import WIDTH, Drawing, Picture, drawing


@dataclass(frozen=True)
class Descending:
    """F - F* over the epochs of one run, nats; `note` in a few words, may be empty."""

    label: str
    epochs: Floats
    gap: Floats
    note: str = ""


@dataclass(frozen=True)
class BatchRun:
    """F - F* of one run, nats, by the reads of the data and by the updates so far.

    gap: after each epoch. level: what is drawn, the median of `gap` over the last tenth of the epochs so far.
    """

    label: str
    reads: Floats
    updates: Floats
    gap: Floats
    level: Floats


def scaling_picture(runs: Sequence[Descending], *, within: float = 1e-3, exists: bool = True) -> Picture:
    """Draw F - F* over the epochs, by powers of ten, for several ways to scale the columns.

    within: what is near enough, nats. exists: whether there is an optimum; else gaps are from inf F.
    """
    lines = [
        Curve.of(run.label, ROLES[k % 6], run.epochs, run.gap, above=0.0, note=run.note, dashes=DASHES[k % 6])
        for k, run in enumerate(runs)
    ]
    with drawing(WIDTH, 290) as d:
        title, says = _gaps(d, 34, lines, "nats", "epoch", ("within", within), exists)
        return d.picture("scalings", f"{title} over the epochs", " ".join(says))


def batches_picture(runs: Sequence[BatchRun], *, within: float = 1e-3, exists: bool = True) -> Picture:
    """Draw F - F*, by powers of ten, for several batch sizes: by the reads of the data, and by the updates.

    Lines are of medians over the last tenth of the way, since bands of swings would cover one another; dots are where F
    first came near. Arguments as for `scaling_picture`.
    """
    said: list[str] = []
    with drawing(WIDTH, 586) as d:
        for top, unit, of in ((34, "reads of the data", "reads"), (330, "updates of w", "updates")):
            lines = []
            for k, run in enumerate(runs):
                x: Floats = getattr(run, of)
                near = next(iter(x[run.gap <= within].tolist()), None)
                lines.append(Curve.of(run.label, ROLES[k % 6], x, run.level, above=0.0, near=near, band=False))
            what = "nats, median over the last tenth of the way"
            title, says = _gaps(d, top, lines, what, unit, ("• within", within), exists)
            said += says
        return d.picture("batches", f"{title} by reads of the data and by updates", " ".join(said))


def _gaps(
    d: Drawing, top: float, lines: Sequence[Curve], what: str, unit: str, level: tuple[str, float], exists: bool
) -> tuple[str, list[str]]:
    """Draw distances from the optimum, or from the infimum; give a title and what they say."""
    above, goal = ("F − F*", "optimum") if exists else ("F − inf F", "infimum")
    # what is far nearer than near enough needs no room
    says = panel(d, top, 204, lines, (f"{above}, {what}", unit), [level], digits=2, floor=level[1] / 30, powers=True)[1]
    return f"Distance to the {goal}", says
