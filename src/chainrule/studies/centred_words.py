"""What the numbers of the study of centring say."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from chainrule.studies import words

if TYPE_CHECKING:
    from chainrule.studies.centred import CenteringStudy
    from chainrule.studies.runs import Run

HALF_A_POINT = 0.005  # of accuracy
AS_THEY_ARE, CENTRED, CENTRED_ONES = "with the columns as they are", "with centred ones", "with centred columns"
FORMS = AS_THEY_ARE, CENTRED_ONES


def sooner(study: CenteringStudy) -> str:
    """Say when the line of each run divides the classes about as well as the optimum's; as the best seen, if there is none."""
    run_for = f"in {words.epochs(study.epochs)}"
    best = max(float(run.best_accuracy[-1]) for run in study.runs)
    least = study.base_accuracy
    if study.optimum_accuracy is None:
        goal, line, level = best, f"{run_for} the best line z = 0", f"the best held-out accuracy {run_for}"
    else:
        goal, line, level = study.optimum_accuracy, "the optimum's line z = 0", "the optimum's held-out accuracy"
    alone = f"the larger class alone on {words.percent(least)}"
    if goal <= least + HALF_A_POINT:
        return f"{line} is right on {words.percent(goal)} of the rows held out, {alone}"
    near = f"at most half a point below {level}, {words.percent(goal)}"
    found = [run.first_at(goal - HALF_A_POINT) for run in study.runs]
    at = [(math.inf if epoch is None else epoch, form) for epoch, form in zip(found, FORMS, strict=True)]
    (first, form), (second, other) = sorted(at, key=lambda entry: entry[0])
    if math.isinf(first):
        told = f"the best is right on {words.percent(best)} of the rows held out, {alone}"
        return f"with neither form of the columns is the line z = 0 {near}, {run_for}: {told}"
    line = f"the line z = 0 is {near}"
    if first == second:
        return f"with both forms of the columns {line}, after {words.epochs(first)}"
    later = f"after {words.epochs(second)}" if math.isfinite(second) else f"not {run_for}"
    return f"{form} {line}, after {words.epochs(first)}; {other} {later}"


def losses(study: CenteringStudy) -> str:
    """Say where both runs are at their end."""
    plain, centred = study.runs
    return (
        f"after {words.epochs(study.epochs)} at learning rate {words.number(study.rate)} the loss is "
        f"{words.number(plain.last_loss)} nats {AS_THEY_ARE} and {words.number(centred.last_loss)} {CENTRED}, the held-out "
        f"accuracy {words.percent(plain.last_accuracy)} and {words.percent(centred.last_accuracy)}"
    )


def gone_wrong(study: CenteringStudy) -> list[str]:
    """Name runs whose loss rose: those of a rate above their limit."""
    told = []
    for run, form in zip(study.runs, (AS_THEY_ARE, CENTRED), strict=True):
        if not run.run.is_calm:
            above = f": the limit is {words.below(run.limit)}" if study.rate > run.limit else ""
            happened = "raised the loss and recovered" if run.run.happened == "recovers" else run.run.happened
            told.append(f"{form} this rate {happened}{above}")
    return told


def reasons(study: CenteringStudy) -> list[str]:
    """Say what centring did to the condition number, the limit and the epochs needed."""
    plain, centred = study.runs
    sentences = []
    ends = plain.end is not None and centred.end is not None
    before, after = (plain.end, centred.end) if ends else (plain.start, centred.start)
    if before is not None and after is not None and math.isfinite(before.condition) and math.isfinite(after.condition):
        where = "at the optimum" if ends else "at the start"
        numbers = f"{words.number(before.condition)} to {words.number(after.condition)}"
        ratio = after.condition / before.condition
        verb = "lowered" if ratio < 0.95 else "raised" if ratio > 1.05 else "hardly changed"
        text = f"centring {verb} the Hessian's condition number {where}, from {numbers}"
        if centred.limit > 1.01 * plain.limit:
            text += (
                f"; it raised the largest stable rate from {words.below(plain.limit)} to {words.below(centred.limit)}"
            )
        sentences.append(text)
        if after.condition > 100 and ends:
            sentences.append("what is left is the columns' scale, or their correlation (chainrule study scaling)")
    near = f"to come within {words.nats(study.within)} of {study.optimum.name}"
    if plain.run.is_calm and centred.run.is_calm:
        took = [_took(run.run) for run in study.runs]
        if took[0] == took[1]:
            sentences.append(f"{near} takes {took[0]} at this rate with both forms of the columns")
        else:
            sentences.append(f"{near} takes {took[0]} at this rate {AS_THEY_ARE}, {took[1]} {CENTRED}")
    return sentences


def _took(run: Run) -> str:
    """Say after how many epochs a run came there, or would; that it's more than were run, where nothing foretells it."""
    if run.reached is None:
        return f"more than {words.epochs(run.n_epochs)}"
    return words.epochs(run.reached, run.estimated)
