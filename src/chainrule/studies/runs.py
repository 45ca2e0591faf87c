"""One run of gradient descent as a study sees it: what happened, and when it came near the optimum."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from chainrule.data.rows import Units
from chainrule.diagnosis import epochs_left
from chainrule.fitting.result import Result
from chainrule.solvers import Step
from chainrule.studies import words
from chainrule.studies.setting import Optimum, Progress

Floats = NDArray[np.float64]

ROUNDING = 1e-12  # of F: a smaller rise is rounding
BINS = 150  # of the kept epochs
LEAST = 10  # epochs, before which nothing is said to diverge


@dataclass(frozen=True, eq=False)
class Run:
    """A run of gradient descent.

    Attributes
    ----------
    label : str
    rate : float
        The learning rate.
    happened : str
        "converges": it came within the distance asked for, and no epoch raised F. "crawls": no epoch raised F, and it was not
        there at the end. "recovers": an epoch raised F, by more than rounding, and at the end it is within that distance and
        may settle there: its rate is below 2/lambda_max(H(w*)). "oscillates": an epoch raised F, and it does not recover.
        "diverges": F was not finite any more, or stayed above its start in the second half of the epochs.
    epochs, objective, gap : (k,) float64
        Epochs kept, F after each, and the proven bound on F - F* (inf where there is none). All of a short run; of a long one
        the first, last, lowest and highest of each of 150 stretches, evenly spaced by their logarithm.
    n_epochs : int
        Epochs run.
    raised : int
        Epochs that raised F.
    reached : float or None
        First epoch after which F is proven to be within that distance; an estimate where `estimated`; None where it never came
        there, or nobody knows when.
    """

    label: str
    rate: float
    happened: str
    epochs: Floats
    objective: Floats
    gap: Floats
    n_epochs: int
    raised: int
    reached: float | None
    estimated: bool

    @property
    def is_calm(self) -> bool:
        """Whether no epoch raised F."""
        return self.happened in ("converges", "crawls")

    @property
    def shown(self) -> float | None:
        """Epochs as they are shown: an estimate has two digits, upwards."""
        return words.round_up(self.reached) if self.estimated and self.reached is not None else self.reached

    @property
    def nearest(self) -> float:
        """Smallest bound on F - F* that it came to."""
        return float(np.min(self.gap))


@dataclass
class Recorder:
    """A callback that keeps every epoch's F and gap, however much the trace thins."""

    label: str = ""
    progress: Progress | None = None
    objective: list[float] = field(default_factory=list)
    gap: list[float] = field(default_factory=list)

    def __call__(self, step: Step) -> None:
        """Keep an epoch."""
        self.objective.append(step.objective)
        self.gap.append(step.gap)
        if self.progress is not None:
            self.progress(self.label, step.epoch, step.max_reads)

    def run(
        self, label: str, result: Result, within: float, more: float | None, local_limit: float | None = None
    ) -> Run:
        """Sum a run up.

        more: an estimate of the epochs still needed, where it ended before. local_limit: 2/lambda_max(H(w*)); None where there
        is no optimum.
        """
        objective, gap = np.array(self.objective), np.array(self.gap)
        there = np.flatnonzero(gap <= within)
        raised = int(np.count_nonzero(np.diff(objective) > ROUNDING * (1.0 + np.abs(objective[:-1]))))
        reached: float | None = float(there[0]) if len(there) else None
        can_settle = local_limit is None or (result.learning_rate or 0.0) < local_limit
        happened = _happened(result, objective, raised, reached is not None, can_settle and gap[-1] <= within)
        estimated = False
        if happened == "crawls" and more is not None and np.isfinite(more):
            reached, estimated = float(result.n_epochs + more), True
        keep = kept(objective)
        return Run(
            label,
            float(result.learning_rate or 0.0),
            happened,
            keep.astype(np.float64),
            objective[keep],
            gap[keep],
            int(result.n_epochs),
            raised,
            reached,
            estimated,
        )


def _happened(result: Result, objective: Floats, raised: int, is_there: bool, stays: bool) -> str:
    if result.reason in ("diverged", "non_finite"):
        return "diverges"
    if not raised:
        return "converges" if is_there else "crawls"
    if stays:
        return "recovers"
    late = objective[len(objective) // 2 :]
    stays_above = len(objective) > LEAST and late.min() > objective[0]
    return "diverges" if stays_above and not is_there else "oscillates"


def kept(values: Floats) -> NDArray[np.intp]:
    """Choose the epochs of a long run that are kept: no swing of the curve is lost."""
    count = len(values)
    if count <= 4 * BINS:
        return np.arange(count)
    place = np.minimum(np.log1p(np.arange(count)) / np.log1p(count - 1) * BINS, BINS - 1).astype(np.int64)
    starts = np.flatnonzero(np.r_[True, place[1:] != place[:-1]])
    ends = np.r_[starts[1:], count]
    chosen = {0, count - 1}
    for a, b in zip(starts.tolist(), ends.tolist(), strict=True):
        chosen |= {a, b - 1, a + int(np.argmin(values[a:b])), a + int(np.argmax(values[a:b]))}
    return np.array(sorted(chosen))


def needed(result: Result, optimum: Optimum, hessian: Floats | None, gap: Floats, within: float) -> float | None:
    """Estimate the epochs that a run would still have needed; None where nothing tells.

    hessian: at the optimum, in the fit's units; None where there is none. gap: of every epoch.
    """
    if result.reason != "max_reads" or not np.isfinite(gap).all() or result.learning_rate is None:
        return None
    near = None
    if hessian is not None:
        w, b = Units(result.center, result.scale).to_fit(optimum.w, optimum.b)
        near = hessian, np.append(result.w_fit - w, result.b_fit - b)[: len(hessian)]
    more = epochs_left(np.arange(float(len(gap))), gap, within, result.learning_rate, near, tested=True)
    return None if np.isnan(more) else more
