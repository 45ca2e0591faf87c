"""How the learning rate shapes a run: the same start, rates from a hundredth of the stable limit to twice the limit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from chainrule.data.inputs import number as checked
from chainrule.data.inputs import standardized_columns
from chainrule.errors import InputError
from chainrule.fitting.audit import shared_floors
from chainrule.studies import words
from chainrule.studies.base import Lines, Study
from chainrule.studies.curvature import Curvature
from chainrule.studies.runs import Recorder, Run, needed
from chainrule.studies.setting import Optimum, Progress, Setting, Standardize, whole_number

if TYPE_CHECKING:
    from chainrule.charts.canvas import Picture
    from chainrule.charts.sheet import Panel

FACTORS = (0.01, 0.03, 0.1, 0.3, 0.5, 0.99, 1.2, 1.5, 2.0)
BEYOND = 1.2  # of the limit near the optimum: there a run oscillates however flat the rest is
EPOCHS = 1000
WITHIN = 1e-3  # nats


@dataclass(frozen=True, eq=False)
class LearningRateStudy(Study):
    """What `learning_rate` found. Frozen.

    Attributes
    ----------
    runs : tuple of Run
        One a rate, the smallest first.
    limit : float
        2/L_max, known before training: no smaller rate ever raises F. inf where there is no curvature.
    local_limit : float or None
        2/lambda_max(H(w*)): near the optimum a larger rate oscillates. None where there is no optimum.
    optimum : Optimum
    start, end : Curvature or None
        At zeros and at the optimum.
    within : float
        Nats.
    max_epochs, n_rows, n_features : int
    alpha : float
    may_scale : bool
        Whether the columns are as they are, and there is an intercept to centre them by.
    notes : tuple of str
        What is to be known of the data.
    """

    name: ClassVar[str] = "learning-rate"
    heading: ClassVar[str] = "How the learning rate shapes what is learned"

    runs: tuple[Run, ...]
    limit: float
    local_limit: float | None
    optimum: Optimum
    start: Curvature | None
    end: Curvature | None
    within: float
    max_epochs: int
    n_rows: int
    n_features: int
    alpha: float
    may_scale: bool
    notes: tuple[str, ...]

    @property
    def fastest(self) -> Run | None:
        """The run that came within the distance first, and was seen to; the smaller rate of two."""
        there = [run for run in self.runs if run.reached is not None and not run.estimated]
        return min(there, key=lambda run: (run.reached, run.rate)) if there else None

    @property
    def conclusions(self) -> tuple[str, ...]:
        """What the numbers say."""
        sentences = [_no_optimum(self.optimum), *_stability(self), *_speed(self), _reason(self)]
        return (" ".join(words.capital(text) for text in sentences if text),)

    def facts(self) -> list[tuple[str, str]]:
        """Say what was studied."""
        local = [("near the optimum", f"2/λ_max(H(w*)) = {words.number(self.local_limit)}")]
        return [
            ("rows", f"{self.n_rows:,}, {self.n_features:,} columns"),
            ("objective", objective_words(self.alpha)),
            ("optimum", optimum_words(self.optimum)),
            ("limit", f"2/L_max = {words.below(self.limit)}: no smaller rate ever raises the loss"),
            *(local if self.local_limit is not None else []),
        ]

    def tables(self) -> list[Lines]:
        """One line a rate."""
        heads = (
            "learning rate",
            "of the limit",
            "what happened",
            f"epochs to {words.nats(self.within)}",
            "nearest, nats",
        )
        rows = tuple(
            (
                words.number(run.rate),
                words.number(run.rate / self.limit, 3) if math.isfinite(self.limit) else "-",
                run.happened,
                words.reached(run.reached, run.estimated, run.n_epochs, run.happened),
                words.number(run.nearest, 2),
            )
            for run in self.runs
        )
        return [Lines("The rates", heads, rows)]

    def panels(self) -> list[Panel]:
        """One picture: loss curves above, epochs needed below."""
        from chainrule.charts.sheet import Panel
        from chainrule.charts.study_charts import RateRun, learning_rate_picture

        runs = [
            RateRun(run.rate, run.happened, run.epochs, run.objective, run.shown, run.estimated) for run in self.runs
        ]

        def draw() -> Picture:
            return learning_rate_picture(
                runs,
                optimum=self.optimum.objective,
                limit=self.limit,
                local_limit=self.local_limit,
                within=self.within,
                exists=self.optimum.exists,
            )

        return [Panel(draw, self.conclusions[0])]


@shared_floors()
def learning_rate(
    X: ArrayLike,
    y: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    alpha: float = 0.0,
    fit_intercept: bool = True,
    standardize: Standardize = False,
    epochs: int = EPOCHS,
    within: float = WITHIN,
    rates: Sequence[float] = (),
    feature_names: Sequence[str] | None = None,
    n_threads: int | None = None,
    progress: Progress | None = None,
) -> LearningRateStudy:
    """Run gradient descent from zeros at rates from a hundredth of the stable limit to twice the limit.

    Rates: 0.01, 0.03, 0.1, 0.3, 0.5, 0.99, 1.2, 1.5 and 2 times the limit 2/L_max, and 1.2 times 2/lambda_max(H(w*)) where
    that is larger still, since a run may cross the limit unharmed until it is near the optimum.

    Parameters
    ----------
    X, y, sample_weight, alpha, fit_intercept, standardize, feature_names, n_threads
        As `chainrule.fit`.
    epochs : int
        Epochs of each run at most, from 1.
    within : float
        A run ends when F - F* is proven to be at most this, nats per unit of weight.
    rates : sequence of float
        More rates to run.
    progress : callable, optional
        Told (run, epoch, epochs at most).

    Returns
    -------
    LearningRateStudy

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
    most, within = whole_number("epochs", epochs, 1), checked("within", within, above=0.0)
    own = _more_rates(rates)
    setting = Setting.of(
        X, y, sample_weight, alpha=alpha, fit_intercept=fit_intercept, feature_names=feature_names, n_threads=n_threads
    )  # fmt: skip
    optimum, notes = setting.optimum(standardize)  # first: the runs measure by it
    limit = setting.descend("auto", 0, within, standardize).learning_rate_limit
    assert limit is not None
    start, end, hessian = setting.curvature(standardize, optimum)
    local = end.limit if end is not None and math.isfinite(end.limit) else None
    columns, _ = standardized_columns(standardize, np.ones(len(setting.names), dtype=np.bool_), setting.fit_intercept)
    runs = []
    for rate in _rates(limit, local, own):
        recorder = Recorder(f"rate {words.number(rate)}", progress)
        result = setting.descend(rate, most, within, standardize, (recorder,))
        more = needed(result, optimum, hessian, np.array(recorder.gap), within)
        runs.append(recorder.run(words.number(rate), result, within, more, local))
    return LearningRateStudy(
        runs=_in_step(runs, limit),
        limit=limit,
        local_limit=local,
        optimum=optimum,
        start=start,
        end=end,
        within=within,
        max_epochs=most,
        n_rows=len(setting.y),
        n_features=len(setting.names),
        alpha=setting.alpha,
        may_scale=setting.fit_intercept and not bool(np.any(columns)),
        notes=notes,
    )


def _more_rates(rates: Any) -> list[float]:
    try:
        return [checked("rates", rate, above=0.0) for rate in np.ravel(np.asarray(rates, dtype=object)).tolist()]
    except InputError:
        raise InputError(f"rates must be positive numbers, not {rates!r}") from None


def _rates(limit: float, local: float | None, more: Sequence[float]) -> list[float]:
    """Choose the rates, ascending."""
    base = limit if math.isfinite(limit) else 1.0
    chosen = [factor * base for factor in FACTORS]
    if local is not None and BEYOND * local > chosen[-1]:
        chosen.append(BEYOND * local)
    return sorted({float(rate) for rate in (*chosen, *more) if 0.0 < rate < math.inf})


def _in_step(runs: Sequence[Run], limit: float) -> tuple[Run, ...]:
    """Bring the estimates of slow runs into line with the run that went furthest.

    Small steps follow one curve, the gradient flow, so that epochs go by 1/rate: what one run shows, or foretells best, tells
    of the others.
    """
    calm = [run for run in runs if run.is_calm and run.rate <= limit]
    known = [run for run in calm if run.reached]
    seen = [run for run in known if not run.estimated]
    if not known:
        return tuple(runs)
    best = min(seen, key=lambda run: run.rate) if seen else min(known, key=lambda run: run.nearest)

    def told(run: Run) -> Run:
        if run not in calm or run.happened != "crawls" or run is best:
            return run
        reached = max(run.n_epochs + 1.0, (best.reached or 0.0) * best.rate / run.rate)
        return replace(run, reached=reached, estimated=True)

    return tuple(told(run) for run in runs)


def objective_words(alpha: float) -> str:
    """Write the objective's kind."""
    return f"mean log-loss + ({alpha:.6g}/2) w.w" if alpha else "mean log-loss, no penalty"


def optimum_words(optimum: Optimum) -> str:
    """Say what distances are from."""
    if optimum.exists:
        by = f"found and certified by Newton's method in {optimum.reads:.0f} reads"
        return f"F* = {words.number(optimum.objective, 5)} nats, {by}"
    return f"none that is certified: {optimum.cause}; inf F is at least {words.number(optimum.objective, 4)} nats"


def _no_optimum(optimum: Optimum) -> str:
    if optimum.exists:
        return ""
    bound = f"{words.number(optimum.objective, 3)} nats"
    return f"{optimum.cause}: distances are from what the infimum is proven to be at least, {bound}"


def _stability(study: LearningRateStudy) -> list[str]:
    """Say which rates raised the loss, and how that stands to the limits."""
    runs, limit = study.runs, study.limit
    if not math.isfinite(limit):
        return ["the objective has no curvature at all, so every rate is stable"]
    known = f"the limit that is known before training, 2/L_max, is {words.below(limit)}"
    local = "" if study.local_limit is None else words.number(study.local_limit)
    if study.local_limit is not None:
        smaller = ", where the Hessian is smaller," if study.local_limit > 1.01 * limit else ""
        known += f"; near the optimum{smaller} it is 2/λ_max(H(w*)) = {local}"
    early = [run for run in runs if run.is_calm and study.local_limit is not None and run.rate > study.local_limit]
    if early:
        known += f", which the rate {words.number(early[-1].rate)} would show nearer to the optimum than its run went"
    bad, calm = [run for run in runs if not run.is_calm], [run for run in runs if run.is_calm]
    if not bad:
        return [f"no rate raised the loss, up to {words.number(runs[-1].rate)}; {known}"]
    sentences = []
    near = f"within {words.nats(study.within)}"
    passed = f"passed {near} on {{}} way, but can't settle above 2/λ_max(H(w*))"
    for happened, came, one, many in (
        ("recovers", True, "raised the loss on its way and recovered", "raised the loss on their way and recovered"),
        ("oscillates", True, f"oscillates: it {passed.format('its')}", f"oscillate: they {passed.format('their')}"),
        ("oscillates", False, "oscillates", "oscillate"),
        ("diverges", False, "diverges", "diverge"),
    ):
        some = [run for run in bad if run.happened == happened and (run.reached is not None) == came]
        if some:
            sentences.append(f"{_span(some, runs)} {many if len(some) > 1 else one}")
    text = "; ".join(sentences)
    below = [run for run in calm if run.rate < bad[0].rate]
    if below and len(below) == len(calm):
        text += f"; up to {words.number(below[-1].rate)} the loss never rose"
    elif not calm:
        text += "; no rate was so small that the loss never rose"
    return [text, known]


def _span(some: Sequence[Run], runs: Sequence[Run]) -> str:
    """Name rates: one, a range of those that were run, or each."""
    shown = [words.number(run.rate) for run in some]
    if len(some) == 1:
        return f"the rate {shown[0]}"
    first, last = runs.index(some[0]), runs.index(some[-1])
    return (
        f"the rates {shown[0]} to {shown[-1]}" if last - first == len(some) - 1 else f"the rates {words.listed(shown)}"
    )


def _speed(study: LearningRateStudy) -> list[str]:
    """Say which rate came there first, and what the small ones cost."""
    fastest, near = study.fastest, f"within {words.nats(study.within)} of {study.optimum.name}"
    if fastest is None:
        best = min(study.runs, key=lambda run: run.nearest)
        text = f"no rate came {near} in {words.epochs(study.max_epochs)}"
        if math.isfinite(best.nearest):
            text += f"; the rate {words.number(best.rate)} came nearest, to {words.number(best.nearest, 2)}"
        guesses = [run for run in study.runs if run.estimated]
        if guesses:
            quick = min(guesses, key=lambda run: run.nearest)
            text += (
                f"; the rate {words.number(quick.rate)} would be there after {words.epochs(quick.reached or 0, True)}"
            )
        return [text]
    if fastest.reached == 0:
        return [f"the start is {near} already, so the rate hardly matters"]
    assert fastest.reached is not None
    text = f"the rate {words.number(fastest.rate)} came {near} first, after {words.epochs(fastest.reached)}"
    if not fastest.is_calm:
        text += f", although the loss rose in {words.epochs(fastest.raised)}"
    if study.local_limit is not None and fastest.rate > study.local_limit:
        text += _steady(study)
    slow = study.runs[0]
    if slow is fastest or slow.reached is None or not slow.is_calm:
        return [text]
    verb = "would need" if slow.estimated else "took"
    ratio = (words.round_up(slow.reached) if slow.estimated else slow.reached) / fastest.reached
    text += f"; the rate {words.number(slow.rate)} {verb} {words.epochs(slow.reached, slow.estimated)}"
    return [f"{text}, {words.times(ratio)} as many" if ratio >= 1.5 and slow.reached <= words.NEVER else text]


def _steady(study: LearningRateStudy) -> str:
    """Say of a first run that can't settle at the optimum which one was first of those that can."""
    can = [run for run in study.runs if run.rate < (study.local_limit or 0.0) and run.reached is not None]
    seen = [run for run in can if not run.estimated]
    if not seen:
        return ", where it can't settle"
    best = min(seen, key=lambda run: (run.reached, run.rate))
    after = words.epochs(best.reached or 0.0)
    return f", where it can't settle; of those that can, the rate {words.number(best.rate)} after {after}"


def _reason(study: LearningRateStudy) -> str:
    """Say why even the best rate is slow, where it is, and what is quicker."""
    fastest, curvature = study.fastest, study.end or study.start
    slow = fastest is None or (fastest.reached or 0) > 100
    if not slow or curvature is None or not math.isfinite(curvature.condition) or curvature.condition < 100:
        return ""
    where = "at the optimum" if study.end is not None else "at the start"
    text = f"the Hessian's condition number {where} is {words.number(curvature.condition, 2)}"
    soonest = min((run.reached for run in study.runs if run.reached is not None), default=math.inf)
    if curvature.explains(soonest):
        text += ": along its flattest direction gradient descent needs about as many epochs, at any stable rate"
    else:
        text += ", far more than the epochs: its flattest direction hardly matters for the loss"
    ways = ["centre and scale the columns (chainrule study scaling)"] if study.may_scale else []
    if study.optimum.exists:
        ways.append(f"take Newton's method, which read the data {study.optimum.reads:.0f} times")
    return f"{text}; {', or '.join(ways)}" if ways else text
