"""How the learning rate shapes a run: the same start, rates from a hundredth of the stable limit to twice the limit."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, ClassVar, Unpack

import numpy as np
from numpy.typing import ArrayLike

from chainrule.data.inputs import number as checked
from chainrule.studies import words
from chainrule.studies.runs import Run, run
from chainrule.studies.setting import Form, Setting, Shared, Standardize
from chainrule.studies.study import Study

if TYPE_CHECKING:
    from chainrule.charts.canvas import Picture

FACTORS = (0.01, 0.03, 0.1, 0.3, 0.5, 0.99, 1.2, 1.5, 2.0)
BEYOND = 1.2  # of the limit near the optimum: there a run oscillates however flat the rest is


@dataclass(frozen=True, eq=False)
class LearningRateStudy(Study):
    """What `learning_rate` found: a run a rate, the smallest first. Frozen."""

    name: ClassVar[str] = "learning-rate"
    heading: ClassVar[str] = "How the learning rate shapes what is learned"
    knob: ClassVar[str] = "learning rate"
    how: ClassVar[str] = "from a hundredth of the largest stable one, 2/L_max, to twice as much"

    @property
    def fastest(self) -> Run | None:
        """The run that came near the optimum first, and was seen to; the smaller rate of two."""
        there = [run for run in self.runs if run.reached is not None and not run.estimated]
        return min(there, key=lambda run: (run.reached, run.rate)) if there else None

    def says(self) -> tuple[str, ...]:
        """Say which rate was first, what the others did, and why."""
        best = self.fastest
        first = f"No rate came within {self.near} in {words.counted(self.max_epochs, 'epoch')}."
        if best is not None:
            after = words.counted(int(best.reached or 0), "epoch")
            first = f"The rate {best.label} came within {self.near} first, after {after}."
        limit, local = self.forms[0].limit, self.forms[0].local_limit
        theory = f"No rate up to 2/L_max = {words.below(limit)} can raise the loss"
        if local is not None:
            theory += f"; above 2/λ_max(H(w*)) = {words.number(local)} none settles at the optimum"
        return (f"{first} {self._happened()} {theory}.",)

    def _happened(self) -> str:
        """Name what happened, from the slowest rates to the fastest."""
        told = []
        for happened, group in groupby(self.runs, key=lambda run: run.happened):
            some = [run.label for run in group]
            many = f"rates {some[0]} to {some[-1]} {happened.removesuffix('s')}"
            told.append(many if len(some) > 1 else f"rate {some[0]} {happened}")
        return f"The {', the '.join(told)}."

    def columns(self) -> Mapping[str, Sequence[str]]:
        """Give each rate's part of the limit, and how near it came."""
        limit = self.forms[0].limit
        return {
            "of the limit": [words.number(run.rate / limit) for run in self.runs],
            "nearest, nats": [words.number(run.nearest, 2) for run in self.runs],
        }

    def pictures(self) -> Sequence[Callable[[], Picture]]:
        """Draw loss curves above, epochs needed below."""
        from chainrule.charts.study_charts import RateRun, learning_rate_picture

        runs = [RateRun(r.rate, r.happened, r.epochs, r.objective, r.reached, r.estimated) for r in self.runs]
        form, floor = self.forms[0], self.optimum
        return [lambda: learning_rate_picture(runs, optimum=floor.objective, limit=form.limit, within=self.within,
                                              local_limit=form.local_limit, exists=floor.exists)]  # fmt: skip


def learning_rate(
    X: ArrayLike, y: ArrayLike, *, standardize: Standardize = False, epochs: int = 1000, rates: Sequence[float] = (),
    **shared: Unpack[Shared],
) -> LearningRateStudy:  # fmt: skip
    """Run gradient descent from zeros at rates from a hundredth of the stable limit to twice the limit.

    Rates: 0.01, 0.03, 0.1, 0.3, 0.5, 0.99, 1.2, 1.5 and 2 times the limit 2/L_max, and 1.2 times 2/lambda_max(H(w*)) where
    that is larger still, since a run may cross the limit unharmed until it is near the optimum.

    Parameters
    ----------
    X, y, sample_weight, alpha, standardize, feature_names, n_threads
        As `chainrule.fit`.
    epochs : int
        Epochs of each run at most, from 1.
    within : float
        A run ends when F - F* is proven to be at most this, nats per unit of weight; 0.001.
    rates : sequence of float
        More rates to run.
    progress : callable, optional
        Told (run, epoch, epochs at most).

    Raises
    ------
    InputError
        For data or options that can't be used.

    Examples
    --------
    >>> import chainrule
    >>> study = chainrule.studies.learning_rate([[0.0], [1.0], [2.0], [3.0]], [0, 1, 0, 1])
    >>> study.fastest.happened
    'converges'
    """
    more = [checked("rates", rate, above=0.0) for rate in np.ravel(np.asarray(rates, dtype=object)).tolist()]
    setting = Setting.of(X, y, epochs, **shared)
    optimum, notes = setting.optimum(standardize)
    form = setting.form("the columns", standardize, optimum)
    runs = [run(setting, form, words.number(rate), learning_rate=rate)[0] for rate in _rates(form, more)]
    return LearningRateStudy.made(setting, [form], _in_step(runs, form.limit), notes)


def _rates(form: Form, more: Sequence[float]) -> list[float]:
    """Choose the rates, ascending."""
    base = form.limit if math.isfinite(form.limit) else 1.0
    chosen = [factor * base for factor in FACTORS]
    if form.local_limit is not None and BEYOND * form.local_limit > chosen[-1]:
        chosen.append(BEYOND * form.local_limit)
    return sorted({float(rate) for rate in (*chosen, *more) if 0.0 < rate < math.inf})


def _in_step(runs: Sequence[Run], limit: float) -> list[Run]:
    """Bring the estimates of slow runs into line with the run that went furthest.

    Small steps follow one curve, the gradient flow, so that epochs go by 1/rate: what one run shows, or foretells best, tells
    of the others.
    """
    known = [run for run in runs if not run.raised and run.rate <= limit and run.reached]
    seen = [run for run in known if not run.estimated]
    if not known:
        return list(runs)
    best = min(seen, key=lambda run: run.rate) if seen else min(known, key=lambda run: run.nearest)

    def told(run: Run) -> Run:
        if run.happened != "crawls" or run.rate > limit or run is best:
            return run
        reached = max(run.n_epochs + 1.0, (best.reached or 0.0) * best.rate / run.rate)
        return replace(run, reached=reached, estimated=True)

    return [told(run) for run in runs]
