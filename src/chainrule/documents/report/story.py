"""How a run learned, in sentences made of its numbers."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from chainrule.charts import text as words
from chainrule.charts.text import clean, counted, escape, shorten
from chainrule.documents.report.inputs import Part
from chainrule.documents.report.templates import markup, percent
from chainrule.findings import floor_digits
from chainrule.studies.learned import NEAR, Gradients, HeldOutProgress, Learned, Progress

SHOWN_NAMES = 3
LONGEST_NAME = 40
SHOWN_TURNS = 4  # changes of the lead
SURE = 0.1  # what a sure mistake gave the right class, at most
LITTLE = 1e-3  # nats: two log-losses nearer than this are told as one


def number(value: float, digits: int = 4) -> str:
    """Write a number that no line breaks in."""
    return words.number(value, digits).replace(" ", "\N{NO-BREAK SPACE}")


def story(learned: Learned) -> list[Any]:
    """Tell how a run learned, as HTML, a sentence or two a paragraph; what isn't known is left out."""
    p = learned.progress
    if p.last == 0:
        return [markup(f"No {p.unit} was run: the model is where it started.")]
    said = [_way(p), _half_times(p), _gradient(learned.gradients), _held_out(p)]
    return [markup(text) for text in said if text]


def _name(name: str) -> str:
    """Write a name from the data as HTML that can't reorder the sentence around it."""
    return f"<bdi>{escape(shorten(name, LONGEST_NAME))}</bdi>"


def _after(p: Progress, epoch: int) -> str:
    """Write a number of epochs; where the trace was thinned it is known up to the epochs kept."""
    return f"{'at most ' if p.stride > 1 else ''}{counted(epoch, p.unit)}"


def captions(learned: Learned | None, classes: tuple[str, str]) -> dict[str, str]:
    """Say under the shares of the gradient and under the maps what they show."""
    made = {}
    if learned is not None and learned.gradients is not None:
        g = learned.gradients
        units = "per standard deviation of each column" if g.standardized else "in the units of the fit"
        steps = "Newton’s steps don’t follow it" if g.method.startswith("newton") else "the steps follow it"
        at = counted(len(g.epochs), learned.progress.unit)
        made["shares"] = (
            f"Each weight’s share of the gradient, {units}: {steps}. Computed on all training rows at {at}."
        )
    if learned is not None and learned.maps is not None:
        m = learned.maps
        others = "the one other column" if m.others == 1 else f"the {m.others:,} other columns"
        rest = f"; {others} at the training rows’ mean" if m.others else ""
        made["maps"] = (
            f"The model as it learned: the probability of {clean(classes[1])} over its two strongest columns of numbers{rest}. "
            f"On the line it is 1/2."
        )
        if m.of < m.rows:
            made["maps"] += f" Of the {m.rows:,} training rows {m.of:,} have a positive weight."
    return made


def mistakes(part: Part) -> str:
    """Say how many rows the model got wrong although it was sure, and what they cost; nothing where there is none."""
    z, y = np.asarray(part.z, dtype=np.float64), np.asarray(part.y, dtype=np.float64)
    losses = np.logaddexp(0.0, (1.0 - 2.0 * y) * z)
    sure = losses > -np.log(SURE)
    count, total = int(sure.sum()), float(losses.sum())
    if not count:
        return ""
    mean = part.metrics.get("loss")
    once = ", each counted once" if mean is not None and abs(mean - total / len(z)) > 1e-6 * abs(mean) else ""
    cost = percent(float(losses[sure].sum()) / total)
    return (
        f"{count:,} of {counted(len(z), 'training row')} gave the right class less than {SURE:g}, a loss above "
        f"{number(-np.log(SURE))}: {cost} of the whole loss{once}."
    )


def _way(p: Progress) -> str:
    if p.start is None or p.end is None:
        return ""
    goal = "its infimum" if p.infimum else "its optimum"
    if p.whole:
        said = f"The {p.unit}s before {p.unit} {p.whole:,} read samples of the rows"
        if p.floor is None:
            return f"{said}."
        return f"{said}; that one, on all rows, was {number(p.start - p.floor, 2)} nats above {goal}{_rises(p)}."
    near = f"{NEAR:g} nats"
    if p.floor is None:
        if p.end >= p.start:
            return (
                f"The objective was {number(p.start, 5)} at the start and is {number(p.end, 5)} at the end{_rises(p)}."
            )
        return f"The objective fell from {number(p.start, 5)} to {number(p.end, 5)} nats{_rises(p)}."
    if p.near == 0:
        return f"The objective began within {near} of {goal}{_left_again(p)}{_rises(p)}."
    said = f"The objective began {number(p.start - p.floor)} nats above {goal}"
    if p.halfway is not None and p.halfway == p.near:
        said += f"; {_after(p, p.halfway)} brought it within {near} of it"
    elif p.halfway is not None:
        said += f"; half of the way took {_after(p, p.halfway)}"
        said += "" if p.near is None else f", the way to within {near} of it {_after(p, p.near)}"
    if p.near is None:
        left = p.end - p.floor
        said += (
            f"{', and' if p.halfway is not None else ';'} after {counted(p.last, p.unit)} {number(left)} nats are left"
        )
    return f"{said}{_left_again(p)}{_rises(p)}."


def _left_again(p: Progress) -> str:
    """Say what is left at the end of a run that was nearer before."""
    if p.near is None or p.near == p.last or p.end is None or p.floor is None or p.end - p.floor <= NEAR:
        return ""
    return f"; but at the end, after {counted(p.last, p.unit)}, {number(p.end - p.floor, 3)} nats are left"


def _rises(p: Progress) -> str:
    if not p.rises:
        return ""
    if p.rises == p.last:
        return ". It rose in every one"
    return f". It rose in {p.rises:,} of {f'the {p.last:,}' if p.stride == 1 else f'the {p.unit}s kept'}"


def _half_times(p: Progress) -> str:
    times = p.half_times
    if not times:
        return ""
    first, last = ([time.name for time in times if time.epoch == end.epoch] for end in (times[0], times[-1]))
    soon, late = (f"from {p.unit} {end.epoch:,} on" for end in (times[0], times[-1]))
    latest = " at the latest" if p.stride > 1 else ""
    if len(times) == 1:
        name = _name(times[0].name)
        return f"The weight of {name} was past half of the way to its final value, to stay there, {soon}{latest}."
    those = f"{len(times):,} weights with at least a tenth of the strongest’s effect"
    goal = "past half of the way to their final values, to stay there"
    if times[0].epoch == times[-1].epoch:
        return f"The {those} were {goal}, {soon}{latest}."
    return f"Of the {those}, {_of(first)} settled first and {_of(last)} last: {goal}, {soon} and {late}{latest}."


def _of(names: list[str]) -> str:
    """Write "that of a", "those of a and b", "those of a, b, c and 2 more"."""
    if len(names) == 1:
        return f"that of {_name(names[0])}"
    shown = [_name(name) for name in names[:SHOWN_NAMES]]
    rest = [f"{len(names) - len(shown)} more"] if len(names) > len(shown) else [shown.pop()]
    return f"those of {', '.join(shown)} and {rest[0]}"


def _gradient(g: Gradients | None) -> str:
    if g is None:
        return ""
    shares, sizes = g.shares, g.sizes.sum(axis=1)
    some = np.flatnonzero(sizes > 0)
    if len(some) < 2 or len(g.names) < 2:
        return ""
    unit = "step" if g.method.startswith("newton") else "epoch"
    leaders = shares[some].argmax(axis=1)
    turns = [0, *(np.flatnonzero(np.diff(leaders)) + 1).tolist()]

    def leader(k: int) -> str:
        return _name(g.names[leaders[k]])

    least = (
        "at least " if len(g.epochs) <= g.epochs[-1] - g.epochs[0] else ""
    )  # between two epochs read others may lead
    start, end = (f"{number(100 * float(shares[some[k]].max()), 2)}%" for k in (0, -1))
    said = f"The largest share of the gradient is that of {leader(0)} at the start, {start}"
    if len(turns) == 1:
        said += f", and to the end, {end}"
    elif len(turns) <= SHOWN_TURNS:
        said += (
            "".join(f"; that of {leader(k)} by {unit} {g.epochs[some[k]]:,}" for k in turns[1:])
            + f" and to the end, {end}"
        )
    elif leaders[0] == leaders[-1]:
        said += f", and again at the end, {end}; in between others lead"
    else:
        said += (
            f", and that of {leader(-1)} at the end, {end}; in between the lead changes {least}{len(turns) - 1} times"
        )
    size = f"from {number(float(sizes[0]), 3)} to {number(float(sizes[-1]), 2)}"
    return f"{said}. The gradient’s size, the sum of all |dL_dw_j| and |dL_db|, went {size}."


def rates_told(learned: Learned | None, result: Mapping[str, Any]) -> str:
    """Place the learning rate against the curvature where the run ended.

    result: `Result.to_dict()` of the same run.
    """
    rate, limit = result.get("learning_rate"), result.get("learning_rate_limit")
    curvature = None if learned is None or learned.gradients is None else learned.gradients.curvature
    if not rate or not limit or learned is None or curvature is None:
        return ""
    local, where = curvature.limit, curvature.place
    lower, steep = floored(local), rate > local / 2  # 1 - rate lambda_max below 0: a step comes out on the other side
    said = f"{where[:1].upper()}{where[1:]} the curvature is {percent(limit / local, 0)} of the largest there can be: "
    if rate > local:
        can = "can’t settle" if curvature.at_optimum else "overshoots by more than it gains"
        return f"{said}the limit is {lower}, and this rate {can} there."
    if rate > limit and curvature.at_optimum:
        said += f"below the limit {lower} there, this rate can settle"
    elif rate > limit:
        said += f"below the limit {lower} there, this rate {'gains more than it overshoots' if steep else 'doesn’t overshoot'}"
    else:
        can = "could not settle" if curvature.at_optimum else "would overshoot by more than it gains"
        said += f"only a rate above {lower} {can} there"
    said += "; along the steepest direction its steps overshoot, by less than they gain." if steep else "."
    if curvature.condition is None or learned.progress.infimum:
        return said
    said += f" The steepest direction is curved {number(curvature.condition, 3)} times as much as the flattest"
    along_steep, along_flat = (1.0 - abs(1.0 - 2.0 * rate / (local * under)) for under in (1.0, curvature.condition))
    if along_steep < along_flat:  # above 2/(lambda_max + lambda_min)
        slowly = f"along it an epoch takes {number(100 * along_steep, 2)}% off what is left"
        return f"{said}, and at this rate the slower one: {slowly}."
    return f"{said}, along which an epoch takes {number(100 * along_flat, 2)}% off what is left."


def floored(x: float) -> str:
    """Write a limit with four digits, rounded down: what is below what is shown is below the limit."""
    return number(float(floor_digits(x)))


def _held_out(p: Progress) -> str:
    h: HeldOutProgress | None = p.held_out
    if h is None:
        return ""
    if h.epoch == p.last:
        return f"The held-out log-loss was lowest at the end: {number(h.lowest)}."
    after = f"after {counted(h.epoch, p.unit)}" if h.epoch else "at the start"
    if h.last - h.lowest < LITTLE:
        return f"The held-out log-loss was lowest {after}, {number(h.lowest)}, and hardly higher at the end, {number(h.last)}."
    said = f"The held-out log-loss was lowest {after}, {number(h.lowest)}; at the end it is {number(h.last)}."
    return f"{said} What was learned after that helps the training rows and not these." if h.training_fell else said
