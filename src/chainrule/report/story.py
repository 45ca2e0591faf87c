"""How a run learned, in sentences made of its numbers."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from chainrule.learned import NEAR, Gradients, HeldOutProgress, Learned, Progress
from chainrule.pictures.text import clean, counted, number
from chainrule.report.templates import percent
from chainrule.verdict import floor_digits

SHOWN_NAMES = 3
LITTLE = 1e-3  # nats: two log-losses nearer than this are told as one


def story(learned: Learned, result: Mapping[str, Any]) -> list[str]:
    """Tell how a run learned, a sentence or two a paragraph; what isn't known is left out.

    result: `Result.to_dict()` of the same run.
    """
    p = learned.progress
    if p.last == 0:
        return [f"No {p.unit} was run: the model is where it started."]
    said = [_way(p), _half_times(p), _gradient(learned.gradients), _rate(learned, result), _held_out(p)]
    return [text for text in said if text]


def _after(p: Progress, epoch: int) -> str:
    """Write a number of epochs; where the trace was thinned it is known up to the epochs kept."""
    return f"{'at most ' if p.stride > 1 else ''}{counted(epoch, p.unit)}"


def _way(p: Progress) -> str:
    if p.start is None or p.end is None:
        return ""
    goal = "its infimum" if p.infimum else "its optimum"
    near = f"{NEAR:g} nats"
    if p.floor is None:
        if p.end >= p.start:
            return f"The objective was {number(p.start, 5)} at the start and is {number(p.end, 5)} at the end{_rises(p)}."
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
    ends = {times[0].epoch, times[-1].epoch}
    if len(times) == 1:
        return f"The weight of {clean(times[0].name)} was half-way to its end for good after {_after(p, times[0].epoch)}."
    if len(ends) == 1:
        which = "Both" if len(times) == 2 else f"All {len(times)}"
        return f"{which} strongest weights were half-way to their ends for good after {_after(p, times[0].epoch)}."
    first = [time.name for time in times if time.epoch == times[0].epoch]
    last = [time.name for time in times if time.epoch == times[-1].epoch]
    return (
        f"Of the {len(times)} strongest weights, {_named(first)} {_was(first)} first to be half-way to "
        f"{'its' if len(first) == 1 else 'their'} end for good, after {_after(p, times[0].epoch)}, and {_named(last)} last, "
        f"after {_after(p, times[-1].epoch)}."
    )


def _named(names: list[str]) -> str:
    if len(names) == 1:
        return f"that of {clean(names[0])}"
    shown = [clean(name) for name in names[:SHOWN_NAMES]]
    rest = len(names) - len(shown)
    if rest:
        return f"those of {', '.join(shown)} and {rest} more"
    return f"those of {', '.join(shown[:-1])} and {shown[-1]}"


def _was(names: list[str]) -> str:
    return "was" if len(names) == 1 else "were"


def _gradient(g: Gradients | None) -> str:
    if g is None or len(g.epochs) < 2:
        return ""
    shares, sizes = g.shares, g.sizes.sum(axis=1)
    some = np.flatnonzero(sizes > 0)
    if len(g.names) < 2 or not len(some):
        return ""
    largest = shares[some].argmax(axis=1)
    start, often = int(largest[0]), int(np.bincount(largest).argmax())
    count = int(np.count_nonzero(largest == often))
    unit = "step" if g.steps else "epoch"
    said = f"At the start {clean(g.names[start])} has the largest share of the gradient, {percent(shares[some[0], start], 0)}"
    if count == len(some):
        said += f", and so it stays at all {counted(len(some), unit)} looked at"
    elif often == start:
        said += f", as in {count} of the {counted(len(some), unit)} looked at"
    else:
        said += f"; {clean(g.names[often])} has it most often, in {count} of the {counted(len(some), unit)} looked at"
    return f"{said}. The gradient’s size, the sum of all |dL_dw_j| and |dL_db|, went from {number(sizes[0], 3)} to {number(sizes[-1], 2)}."


def _rate(learned: Learned, result: Mapping[str, Any]) -> str:
    rate, limit = result.get("learning_rate"), result.get("learning_rate_limit")
    g = learned.gradients
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
            f"but below the limit {lower} {where}, where the curvature is smaller: near there its steps don’t overshoot for good."
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
