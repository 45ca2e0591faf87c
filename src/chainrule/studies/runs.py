"""One run of a study: `fit` runs it, the certified optimum measures it, and it becomes arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data.rows import Units
from chainrule.diagnosis import epochs_left
from chainrule.fitting.held_out import HeldOut
from chainrule.fitting.result import Result
from chainrule.solvers import Step
from chainrule.studies.setting import Form, Setting
from chainrule.words import estimate

Floats = NDArray[np.float64]

ROUNDING = 1e-12  # of F: a smaller rise is rounding
LEAST = 10  # epochs, before which nothing is said to diverge


@dataclass(frozen=True, eq=False)
class Run:
    """One run from zeros.

    Attributes
    ----------
    label : str
    rate : float
        The learning rate; of a falling one, the first.
    happened : str
        "converges": it came near the optimum, and no epoch raised F. "crawls": no epoch raised F, and it did not come near the
        optimum. "recovers": an epoch raised F, by more than rounding, and at the end it is near and may settle there, since its
        rate is below 2/lambda_max(H(w*)). "oscillates": an epoch raised F, and it does not recover. "diverges": F was no longer
        finite, or stayed above its start in the second half of the epochs. `batches` has its own words.
    objective, gap : (k,) float64
        F after each epoch from 0 on, and the proven bound on F - F* (inf where there is none).
    n_epochs : int
        Epochs run.
    raised : int
        Epochs that raised F.
    reached : float or None
        First epoch after which it is proven to be near the optimum; an estimate where `estimated`; None where it never came
        near, or when can't be estimated.
    curves : dict of (k,) float64
        What else was measured after each epoch.
    result : Result
        What `fit` gave.
    """

    label: str
    rate: float
    happened: str
    objective: Floats
    gap: Floats
    n_epochs: int
    raised: int
    reached: float | None
    estimated: bool
    curves: Mapping[str, Floats]
    result: Result = field(repr=False)

    @property
    def epochs(self) -> Floats:
        """0, 1, ..., (k,)."""
        return np.arange(float(len(self.gap)))

    @property
    def level(self) -> float:
        """Median of F - F* over the last tenth of the epochs: of a run of batches."""
        return float(self.curves["level"][-1])

    def took(self, about: str = "≈ ", above: str = "> ") -> str:
        """Write after how many epochs it came near the optimum, or would, or more than how many it takes."""
        if self.reached is not None:
            return estimate(self.reached, about, above) if self.estimated else f"{self.reached:,.0f}"
        return f"{above if self.happened == 'crawls' else 'not in '}{self.n_epochs:,}"


def run(
    setting: Setting, form: Form, label: str, *, held_out: HeldOut | None = None, swings: bool = False, **options: Any
) -> Run:
    """Run `fit` with some options and sum it up.

    held_out: rows to measure after each epoch. swings: of batches, single epochs say little, so that the curve "level" says
    what happened.
    """
    kept: list[dict[str, float]] = []  # of every epoch, however much the trace thins

    def record(step: Step) -> dict[str, float]:
        told = {} if held_out is None else {"loss": step.loss, **held_out(step)}
        kept.append({"objective": step.objective, "gap": step.gap, **told})
        if setting.progress is not None:
            setting.progress(label, step.epoch, step.max_reads)
        return {}

    options = {"method": "gradient-descent", "tol": setting.within} | options
    options |= {"max_reads": setting.epochs, "standardize": form.standardize, "callbacks": (record,)}
    result = setting.fit(form.optimum.reference, **options)
    curves = {name: np.array([line[name] for line in kept]) for name in kept[0]}
    objective, gap = curves.pop("objective"), curves.pop("gap")
    there = np.flatnonzero(gap <= setting.within)
    reached, rate = float(there[0]) if len(there) else None, float(result.learning_rate or 0.0)
    raised = int(np.count_nonzero(np.diff(objective) > ROUNDING * (1.0 + np.abs(objective[:-1]))))
    more = None
    if swings:
        curves["level"] = levels(gap)
    if result.reason in ("diverged", "non_finite"):
        happened = "diverges"
    elif swings:
        was_there = reached is not None or result.reason == "noise_floor"
        happened = "converges" if curves["level"][-1] <= setting.within else "hovers" if was_there else "crawls"
    elif raised:
        may_settle = form.local_limit is None or rate < form.local_limit
        stays_above = len(objective) > LEAST and objective[len(objective) // 2 :].min() > objective[0]
        happened = "diverges" if stays_above and reached is None else "oscillates"
        happened = "recovers" if gap[-1] <= setting.within and may_settle else happened
    else:
        happened = "crawls" if reached is None else "converges"
        more = _epochs_left(result, form, gap, setting.within) if reached is None else None
    reached = reached if more is None else result.n_epochs + more
    return Run(
        label, rate, happened, objective, gap, result.n_epochs, raised, reached, more is not None, curves, result
    )


def levels(gap: Floats) -> Floats:
    """Median (k,) of a gap over the last tenth of the epochs so far, the latest at least: single ones may be lucky."""
    counts = range(1, len(gap) + 1)
    return np.array([np.median(gap[count - max(1, count // 10) : count]) for count in counts])


def _epochs_left(result: Result, form: Form, gap: Floats, within: float) -> float | None:
    """Estimate the epochs that a run would still have needed; None where nothing tells."""
    if result.reason != "max_reads" or not np.isfinite(gap).all() or result.learning_rate is None:
        return None
    near = None
    if form.hessian is not None:
        w, b = Units(result.center, result.scale).to_fit(form.optimum.w, form.optimum.b)
        near = form.hessian, np.append(result.w_fit - w, result.b_fit - b)
    more = epochs_left(np.arange(float(len(gap))), gap, within, result.learning_rate, near, tested=True)
    return float(more) if np.isfinite(more) else None
