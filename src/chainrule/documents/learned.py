"""How a run learned, in sentences and pictures made of its numbers."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from chainrule.documents.blocks import Chart, Text, say
from chainrule.studies.learned import AT_OPTIMUM, NEAR, Gradients, Learned, Maps, Progress
from chainrule.studies.learned.maps import draw
from chainrule.words import counted

LITTLE = 1e-3  # nats: two log-losses nearer than this are told as one


def story(learned: Learned) -> list[Text]:
    """Tell how a run learned, a sentence or two a paragraph; what isn't known is left out."""
    p = learned.progress
    if p.last == 0:
        return [say(f"No {p.unit} was run: the model is where it started.")]
    return [text for text in (_way(p), _half_times(p), _gradient(learned.gradients), _held_out(p)) if text]


def _way(p: Progress) -> Text:
    if p.start is None or p.end is None:
        return say("")
    most = "at most " if p.stride > 1 else ""  # where the trace was thinned epochs are known up to those kept
    goal = "its infimum" if p.infimum else "its optimum"
    said = say(f"The {p.unit}s before {p.unit} {p.whole:,} read samples of the rows. " if p.whole else "")
    if p.floor is None:
        return said + say("The objective went from {start:5} to {end:5} nats", start=p.start, end=p.end) + _rises(p)
    said += say(f"The objective began {{above}} nats above {goal}", above=p.start - p.floor)
    if p.halfway:
        said += f"; half of the way took {most}{counted(p.halfway, p.unit)}"
    if p.near:
        said += f"; {most}{counted(p.near, p.unit)} brought it within {NEAR:g} nats"
    if p.end - p.floor > NEAR:
        said += say("; at the end {left:3} nats are left", left=p.end - p.floor)
    return said + _rises(p)


def _rises(p: Progress) -> str:
    kept = f"the {p.last:,}" if p.stride == 1 else f"the {p.unit}s kept"
    return f". It rose in {p.rises:,} of {kept}." if p.rises else "."


def _half_times(p: Progress) -> Text:
    if not p.half_times:
        return say("")
    first, last = p.half_times[0], p.half_times[-1]
    latest = " at the latest" if p.stride > 1 else ""
    text = f"{{a:name}} settled first ({p.unit} {first.epoch:,}{latest})"
    if last.epoch > first.epoch:
        text += f", {{b:name}} last ({p.unit} {last.epoch:,}{latest})"
    text += f", of {counted(len(p.half_times), 'strong weight')}: past half of the way to the end, for good."
    return say(text, a=first.name, b=last.name)


def _gradient(g: Gradients | None) -> Text:
    some: Any = [] if g is None else np.flatnonzero(g.sizes.sum(axis=1) > 0)
    if g is None or len(some) < 2 or len(g.names) < 2:
        return say("")
    shares, sizes = g.shares[some], g.sizes.sum(axis=1)
    leaders = shares.argmax(axis=1)
    changes = int(np.count_nonzero(np.diff(leaders)))
    # between two epochs read others may lead
    least = "at least " if len(g.epochs) <= g.epochs[-1] - g.epochs[0] else ""
    text = (
        "{first:name} has the largest share of the gradient at the start ({start:%}), {last:name} at the end ({end:%})"
    )
    text += f"; the lead changes {least}{counted(changes, 'time')}" if changes else ""
    text += ". The gradient’s size, the sum of all |dL_dw_j| and |dL_db|, went from {a:3} to {z:2}."
    return say(text, first=g.names[leaders[0]], last=g.names[leaders[-1]], start=float(shares[0].max()),
               end=float(shares[-1].max()), a=float(sizes[0]), z=float(sizes[-1]))  # fmt: skip


def _held_out(p: Progress) -> Text:
    h = p.held_out
    if h is None:
        return say("")
    if h.last - h.lowest < LITTLE:
        return say("The held-out log-loss was lowest at the end, or hardly higher: {last:f}.", last=h.last)
    after = f"after {counted(h.epoch, p.unit)}" if h.epoch else "at the start"
    overfit = " What was learned after that helps the training rows and not these." if h.training_fell else ""
    return say(
        f"The held-out log-loss was lowest {after}, {{lowest:f}}; at the end it is {{last:f}}.{overfit}",
        lowest=h.lowest,
        last=h.last,
    )


def rate_told(learned: Learned | None, result: Mapping[str, Any]) -> Text:
    """Place the learning rate against the curvature where the run ended; result: `Result.to_dict()` of the same run."""
    rate, limit = result["learning_rate"], result["learning_rate_limit"]
    if not rate or not limit or learned is None or learned.gradients is None or learned.gradients.curvature is None:
        return say("")
    curvature, where = learned.gradients.curvature, learned.gradients.place
    local, place = curvature.limit, where[:1].upper() + where[1:]
    said = say(f"{place} rates up to {{local:floor}} are stable; ", local=local)
    if rate > local:
        return said + (
            "this one can’t settle there." if where == AT_OPTIMUM else "this one overshoots by more than it gains."
        )
    if curvature.flat or learned.progress.infimum:
        return said + "this one is among them."
    slowest = min(1.0 - abs(1.0 - 2.0 * rate / (local * under)) for under in (1.0, curvature.condition))
    return said + say(
        "with this one an epoch takes {part:2}% off what is left along the slowest direction. The steepest is curved {ratio:3} "
        "times as much as the flattest.", part=100 * slowest, ratio=curvature.condition,
    )  # fmt: skip


def pictures(learned: Learned | None, classes: tuple[str, str]) -> list[list[Chart]]:
    """Draw the shares of the gradient, and the maps of the model as it learned, where there are any."""
    if learned is None:
        return []
    g, m, unit = learned.gradients, learned.maps, learned.progress.unit
    return [*([] if g is None else [[_shares(g, unit)]]), *([] if m is None else [[_maps(m, unit, classes)]])]


def _shares(g: Gradients, unit: str) -> Chart:
    from chainrule.charts.shares import gradient_shares

    units = "per standard deviation of each column" if g.standardized else "in the units of the fit"
    steps = "Newton’s steps don’t follow it" if g.method.startswith("newton") else "the steps follow it"
    return Chart(
        lambda: gradient_shares(g.epochs.astype(np.float64), g.shares, g.names, unit=unit),
        f"Each weight’s share of the gradient, {units}: {steps}. From all training rows at {counted(len(g.epochs), unit)}.",
    )


def _maps(m: Maps, unit: str, classes: tuple[str, str]) -> Chart:
    rest = f"; {counted(m.others, 'other column')} at the training rows’ mean" if m.others else ""
    weights = f" Of the {m.rows:,} training rows {m.of:,} have a positive weight." if m.of < m.rows else ""
    text = f"The probability of {{positive:name}} as it was learned, over the two strongest numbers{rest}: 1/2 on the line."
    return Chart(lambda: draw([("", m)], classes, unit), say(text + weights, positive=classes[1]))
