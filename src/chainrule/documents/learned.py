"""How a run learned, in sentences and pictures made from its numbers."""

from functools import partial

import numpy as np

from chainrule.documents.blocks import Chart, Text, say
from chainrule.studies.learned import Gradients, Learned, Maps
from chainrule.studies.progress import NEAR, Progress
from chainrule.studies.surface import told
from chainrule.words import counted

LITTLE = 1e-3  # nats: a smaller difference of two log-losses is not mentioned


def story(learned: Learned) -> list[Text]:
    """Describe how a run learned, in paragraphs of a sentence or two; unknown facts are left out."""
    p = learned.progress
    if p.last == 0:
        return [say(f"No {p.unit} was run: the model is where it started.")]
    return [*_way(p), *_half_times(p), *_held_out(p)]


def _way(p: Progress) -> list[Text]:
    if p.start is None or p.end is None:
        return []
    most = "at most " if p.stride > 1 else ""  # a thinned trace knows only the epochs that it kept
    text = f"The {p.unit}s before {p.unit} {p.whole:,} read samples of the rows. " if p.whole else ""
    left = 0.0 if p.floor is None else p.end - p.floor
    if p.floor is None:
        text += "The objective went from {start:5} to {end:5} nats"
    else:
        text += f"The objective began {{above}} nats above {'its infimum' if p.infimum else 'its optimum'}"
        text += f"; half of the way took {most}{counted(p.halfway, p.unit)}" if p.halfway else ""
        text += f"; {most}{counted(p.near, p.unit)} brought it within {NEAR:g} nats" if p.near else ""
        text += "; at the end {left:3} nats are left" if left > NEAR else ""
    kept = f"the {p.last:,}" if p.stride == 1 else f"the {p.unit}s kept"
    text += f". It rose in {p.rises:,} of {kept}." if p.rises else "."
    return [say(text, start=p.start, end=p.end, above=p.start - (p.floor or 0.0), left=left)]


def _half_times(p: Progress) -> list[Text]:
    if not p.half_times:
        return []
    first, last = p.half_times[0], p.half_times[-1]
    latest = " at the latest" if p.stride > 1 else ""
    text = f"{{a:name}} settled first ({p.unit} {first.epoch:,}{latest})"
    text += f", {{b:name}} last ({p.unit} {last.epoch:,}{latest})" if last.epoch > first.epoch else ""
    of = counted(len(p.half_times), "strong weight")
    text += f", of {of}; settled means more than half of the way done for good."
    return [say(text, a=first.name, b=last.name)]


def _held_out(p: Progress) -> list[Text]:
    h = p.held_out
    if h is None:
        return []
    if h.last - h.lowest < LITTLE:
        return [say("The held-out log-loss at the end was at or near its lowest: {last:f}.", last=h.last)]
    after = f"after {counted(h.epoch, p.unit)}" if h.epoch else "at the start"
    overfit = " What was learned after that helps the training rows only." if h.training_fell else ""
    text = f"The held-out log-loss was lowest {after}, {{lowest:f}}; at the end it is {{last:f}}.{overfit}"
    return [say(text, lowest=h.lowest, last=h.last)]


def rate_told(learned: Learned, rate: float | None) -> list[Text]:
    """Compare the learning rate with the curvature at the returned point, if that is known."""
    limit = None if learned.gradients is None else learned.gradients.limit
    if rate is None or limit is None:
        return []
    above = ": this one can’t settle there" if rate > limit else ""
    return [say(f"At the point returned, learning rates up to {{limit:floor}} are stable{above}.", limit=limit)]


def pictures(learned: Learned | None, classes: tuple[str, str]) -> list[list[Chart]]:
    """Draw the path on the loss surface, the shares of the gradient, and the maps of the model, if there are any."""
    if learned is None:
        return []
    from chainrule.charts.surfaces import surfaces

    g, m, s, unit = learned.gradients, learned.maps, learned.surface, learned.progress.unit
    drawn = [] if s is None else [[Chart(lambda: surfaces([("", s)], unit=unit), told([s], "the weights"))]]
    drawn += [] if g is None or np.count_nonzero(g.dL.any(axis=1)) < 2 else [[_shares(g, unit)]]
    return drawn if m is None else [*drawn, [_maps(m, unit, classes)]]


def _shares(g: Gradients, unit: str) -> Chart:
    from chainrule.charts.charts import gradient_shares

    units = "in the units of the fit: the steps follow it"
    if g.standardized:
        units = "per standard deviation of each number: the steps don’t follow it"
    read = f"Computed on all training rows at {counted(len(g.epochs), unit)}."
    return Chart(lambda: gradient_shares(g.epochs.astype(np.float64), np.abs(g.dL), g.names, unit=unit),
                 f"Each weight’s share of the gradient, {units}. {read}")  # fmt: skip


def _maps(m: Maps, unit: str, classes: tuple[str, str]) -> Chart:
    from chainrule.charts.canvas import WIDE
    from chainrule.charts.maps import decision_maps

    rest = f"; {counted(m.others, 'other column')} held at the training rows’ mean" if m.others else ""
    text = f"How the probability of {{positive:name}} was learned, over the two strongest numeric columns{rest}."
    text += " It is 1/2 on the line."
    text += f" Of the {m.rows:,} training rows {m.of:,} have a positive weight." if m.of < m.rows else ""
    wide = partial(decision_maps, [("", m)], classes, unit, width=WIDE)
    return Chart(lambda: decision_maps([("", m)], classes, unit), say(text, positive=classes[1]), wide)
