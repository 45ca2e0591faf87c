"""How a run learned, in sentences made of its numbers."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from chainrule.learned import NEAR, Gradients, HeldOutProgress, Learned, Progress
from chainrule.pictures.text import clean, counted, number
from chainrule.report.inputs import Part
from chainrule.report.templates import percent
from chainrule.verdict import floor_digits

SHOWN_NAMES = 3
SHOWN_TURNS = 4  # changes of the lead
SURE = 0.1  # what a sure mistake gave the right class, at most
LITTLE = 1e-3  # nats: two log-losses nearer than this are told as one


def story(learned: Learned) -> list[str]:
    """Tell how a run learned, a sentence or two a paragraph; what isn't known is left out."""
    p = learned.progress
    if p.last == 0:
        return [f"No {p.unit} was run: the model is where it started."]
    said = [_way(p), _half_times(p), _gradient(learned.gradients), _held_out(p)]
    return [text for text in said if text]


def _after(p: Progress, epoch: int) -> str:
    """Write a number of epochs; where the trace was thinned it is known up to the epochs kept."""
    return f"{'at most ' if p.stride > 1 else ''}{counted(epoch, p.unit)}"


def captions(learned: Learned | None, classes: tuple[str, str]) -> dict[str, str]:
    """Say under the shares of the gradient and under the maps what they show."""
    made = {}
    if learned is not None and learned.gradients is not None:
        g = learned.gradients
        units = (
            "per standard deviation of each column: Newton’s steps don’t follow it"
            if g.standardized
            else "in the units of the fit, in which the steps were made"
            if not g.steps
            else "in the units of the fit: Newton’s steps don’t follow it"
        )
        at = f"{len(g.epochs)} {'steps' if g.steps else 'epochs'}"
        made["shares"] = f"Each weight’s share of the gradient, {units}. Computed again on all training rows at {at}."
    if learned is not None and learned.maps is not None:
        m = learned.maps
        rest = "" if not m.others else f"; the {counted(m.others, 'other column')} at the training rows’ mean"
        made["maps"] = (
            f"The model as it learned: the probability of {clean(classes[1])} over its two strongest columns of numbers{rest}. "
            f"On the line it is 1/2."
        )
    return made


def mistakes(part: Part) -> str:
    """Say how many rows the model got wrong although it was sure, and what they cost."""
    z, y = np.asarray(part.z, dtype=np.float64), np.asarray(part.y, dtype=np.float64)
    losses = np.logaddexp(0.0, (1.0 - 2.0 * y) * z)
    sure = losses > -np.log(SURE)
    count, total = int(sure.sum()), float(losses.sum())
    if not count:
        return f"The right class was given less than {SURE:g} in none of {counted(len(z), 'training row')}."
    mean = part.metrics.get("loss")
    once = ", each counted once" if mean is not None and abs(mean - total / len(z)) > 1e-6 * abs(mean) else ""
    rows = "1 of the rows" if count == 1 else f"{count:,} rows"
    return (
        f"In {rows} of {len(z):,} the right class was given less than {SURE:g}, a loss above {number(-np.log(SURE))}: "
        f"{percent(float(losses[sure].sum()) / total)} of the training rows’ whole loss{once}."
    )


def _way(p: Progress) -> str:
    if p.start is None or p.end is None:
        return ""
    goal = "its infimum" if p.infimum else "its optimum"
    near = f"{NEAR:g} nats"
    if p.floor is None:
        if p.end >= p.start:
            return (
                f"The objective was {number(p.start, 5)} at the start and is {number(p.end, 5)} at the end{_rises(p)}."
            )
        return f"The objective fell from {number(p.start, 5)} to {number(p.end, 5)} nats{_rises(p)}."
    if p.near == 0:
        return f"The objective began within {near} of {goal}{_rises(p)}."
    said = f"The objective began {number(p.start - p.floor)} nats above {goal}"
    if p.halfway is not None and p.halfway == p.near:
        said += f"; {_after(p, p.halfway)} brought it within {near} of it"
    elif p.halfway is not None:
        said += f"; half of the way took {_after(p, p.halfway)}"
        said += "" if p.near is None else f", the way to within {near} of it {_after(p, p.near)}"
    if p.near is None:
        left = p.end - p.floor
        said += f"{', and' if p.halfway is not None else ';'} after {counted(p.last, p.unit)} {number(left, 3)} nats are left"
    return f"{said}{_rises(p)}."


def _rises(p: Progress) -> str:
    if not p.rises:
        return ""
    of = f"the {counted(p.last, p.unit)}" if p.stride == 1 else f"the {p.unit}s kept"
    return f". It rose in {p.rises:,} of {of}"


def _half_times(p: Progress) -> str:
    times = p.half_times
    if not times:
        return ""
    soon, late = _after(p, times[0].epoch), _after(p, times[-1].epoch)
    first, last = ([time.name for time in times if time.epoch == end.epoch] for end in (times[0], times[-1]))
    if len(times) == 1:
        return f"The weight of {clean(times[0].name)} came half-way to its final value, to stay, after {soon}."
    if times[0].epoch == times[-1].epoch:
        which = "Both" if len(times) == 2 else f"All {len(times)}"
        return f"{which} strongest weights came half-way to their final values, to stay, after {soon}."
    its, was = ("its", "was") if len(first) == 1 else ("their", "were")
    return (
        f"Of the {len(times)} strongest weights, {_of(first)} {was} first to come half-way to {its} final value, to stay, "
        f"after {soon}; {_of(last)} {'was' if len(last) == 1 else 'were'} last, after {late}."
    )


def _of(names: list[str]) -> str:
    """Write "that of a", "those of a and b", "those of a, b, c and 2 more"."""
    if len(names) == 1:
        return f"that of {clean(names[0])}"
    shown = [clean(name) for name in names[:SHOWN_NAMES]]
    rest = [f"{len(names) - len(shown)} more"] if len(names) > len(shown) else [shown.pop()]
    return f"those of {', '.join(shown)} and {rest[0]}"


def _gradient(g: Gradients | None) -> str:
    if g is None:
        return ""
    shares, sizes = g.shares, g.sizes.sum(axis=1)
    some = np.flatnonzero(sizes > 0)
    if len(some) < 2 or len(g.names) < 2:
        return ""
    unit = "step" if g.steps else "epoch"
    leaders = shares[some].argmax(axis=1)
    turns = [0, *(np.flatnonzero(np.diff(leaders)) + 1).tolist()]

    def leader(k: int) -> str:
        return clean(g.names[leaders[k]])

    start, end = (percent(float(shares[some[k]].max()), 0) for k in (0, -1))
    said = f"The largest share of the gradient is that of {leader(0)} at the start, {start}"
    if len(turns) == 1:
        said += f", and to the end, {end}"
    elif len(turns) <= SHOWN_TURNS:
        said += (
            "".join(f"; that of {leader(k)} by {unit} {g.epochs[some[k]]:,}" for k in turns[1:])
            + f" and to the end, {end}"
        )
    else:
        said += f", and that of {leader(-1)} at the end, {end}"
    size = f"from {number(float(sizes[0]), 3)} to {number(float(sizes[-1]), 2)}"
    return f"{said}. The gradient’s size, the sum of all |dL_dw_j| and |dL_db|, went {size}."


def rates_told(learned: Learned | None, result: Mapping[str, Any]) -> str:
    """Place the learning rate against the limit that holds everywhere and against that where the run ended.

    result: `Result.to_dict()` of the same run.
    """
    rate, limit = result.get("learning_rate"), result.get("learning_rate_limit")
    g = None if learned is None else learned.gradients
    local = None if g is None else g.local_limit
    if not rate or not limit or local is None:
        return ""
    where = "at the optimum" if g is not None and g.at_optimum else "where it ended"
    lower = floor_digits(local)
    if rate <= limit:
        return (
            f"The learning rate is {number(rate / limit, 2)} of the limit {floor_digits(limit)} that is stable everywhere. "
            f"{where[:1].upper()}{where[1:]} the curvature is {number(limit / local, 2)} of the largest there can be, so that "
            f"only rates above {lower} would overshoot there for good."
        )
    if rate <= local:
        return (
            f"The learning rate is {number(rate / limit, 3)} times the limit {floor_digits(limit)} that is stable everywhere, "
            f"but below the limit {lower} {where}, where the curvature is smaller: near there its steps don’t overshoot for "
            "good."
        )
    return (
        f"The learning rate is {number(rate / limit, 3)} times the limit {floor_digits(limit)} that is stable everywhere, and "
        f"above the limit {lower} {where}: it can’t settle there."
    )


def _held_out(p: Progress) -> str:
    h: HeldOutProgress | None = p.held_out
    if h is None:
        return ""
    if h.epoch == p.last:
        return f"The held-out log-loss was lowest at the end: {number(h.lowest)}."
    after = f"after {counted(h.epoch, p.unit)}" if h.epoch else "at the start"
    if h.last - h.lowest < LITTLE:
        return f"The held-out log-loss was lowest {after}, {number(h.lowest)}, and hardly higher at the end, {number(h.last)}."
    return (
        f"The held-out log-loss was lowest {after}, {number(h.lowest)}; at the end it is {number(h.last)}. What was learned "
        "in between helps the training rows and not these."
    )
