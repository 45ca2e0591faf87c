"""What a report says in sentences."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from chainrule.certificate import KINDS, downward, upward
from chainrule.charts.text import between, counted, number
from chainrule.documents.report.inputs import READ, ReportInputs, is_newton
from chainrule.documents.report.story import floored, rates_told
from chainrule.documents.report.templates import percent
from chainrule.studies.learned import Learned

MOST_OFTEN = 20.0  # as large as the other limit: a local limit that is shown with it


def lead(inputs: ReportInputs) -> str:
    """Say the result in one sentence."""
    part, which = (inputs.held_out, "held-out") if inputs.held_out is not None else (inputs.training, "training")
    m = part.metrics
    rows = m.get("rows", np.size(part.y))
    epochs = inputs.result.get("n_epochs")
    if epochs is None:
        after = "The"
    elif is_newton(inputs.result):
        after = f"After {counted(epochs, 'step')} of Newton’s method, the"
    else:
        after = f"After {counted(epochs, 'epoch')} of training, the"
    says = f"{after} model is right on {percent(m.get('accuracy'))} of {counted(rows, f'{which} row')}"
    if m.get("base_accuracy") is not None:
        says += f", where the larger class alone would be right on {percent(m['base_accuracy'])}"
    return f"{says}; its log-loss there is {number(m.get('loss'))}."


def trouble_of(result: Mapping[str, Any]) -> str:
    """Say why there is no optimum, with the way out; empty where there is one, or where nothing is known of it."""
    told = result.get("certificate") or {}
    reason = (told.get("reason") or "").rstrip(".")
    if told.get("kind") not in ("ridge", "infimum") or not reason:
        return ""
    return (
        f"The objective asked for has no optimum: {reason}"
        if told["kind"] == "ridge"
        else reason[:1].upper() + reason[1:]
    )


def notes_of(inputs: ReportInputs) -> list[str]:
    """List what is to be known, each once: the page begins with what leaves no optimum."""
    trouble = trouble_of(inputs.result)
    notes = dict.fromkeys([*inputs.notes, *inputs.result.get("warnings", ())])
    return [text for text in notes if not trouble or text.rstrip(".").lower() not in trouble.lower()]


def other_reads(inputs: ReportInputs) -> str:
    """Say what reads of the data were for that stand before Newton's first step shown, or after its last."""
    reads, total = inputs.trace.columns.get("reads"), inputs.result.get("reads")
    if not is_newton(inputs.result) or reads is None or total is None:
        return ""
    says = ""
    if (inputs.result.get("certificate") or {}).get("kind") == "ridge" and reads[0] >= 3:
        says = f" The first {int(reads[0]) - 1} were spent on finding out that there is no optimum."
    after = float(total) - float(reads[-1])
    return says + (f" The proof took {number(after, 2)} more at the end." if after >= 1 else "")


def certificate_told(result: Mapping[str, Any]) -> dict[str, Any] | None:
    """Give the certificate as the page says it: a sentence, and the numbers behind it."""
    told = result.get("certificate")
    if not told:
        return None
    gap, lower = told.get("gap"), told.get("lower") or 0.0
    optimum = "its infimum" if told["kind"] == "infimum" else "its optimum"
    if gap is None:
        sentence = "How far the objective is from its optimum is not proven"
    else:
        which = "With a ridge of 1e-8 on the standardised columns the" if told["kind"] == "ridge" else "The"
        sentence = f"{which} objective is at most {_bound(gap)} nats above {optimum}"
        # as the certificate's own sentence: a lower bound is said where it adds something
        sentence += f", and at least {_bound(lower, up=False)}" if lower > 0.5 * gap else ""
        if told["kind"] == "ridge" and told.get("infimum_gap") is not None:
            sentence += f"; without the ridge it is at most {_bound(told['infimum_gap'])} above its infimum"
    digits = told.get("digits") or []
    fewest, most = min(digits, default=0), max(digits, default=0)
    return {
        "sentence": sentence,
        "kind": told["kind"],
        "cause": _cause(told, (result.get("message") or "") + trouble_of(result)),
        "gap": None if gap is None else _bound(gap),
        "digits": (str(fewest) if fewest == most else f"{fewest} to {most}")
        if told["kind"] == "bound" and digits
        else None,
        "between": None if told["kind"] == "ridge" else between(told.get("optimum_at_least"), told.get("objective")),
        "r": told.get("r"),
        "noise": told.get("noise"),
        "hessian_rows": told.get("hessian_rows") or None,
    }


def _cause(told: Mapping[str, Any], said: str) -> str:
    """Say what the proof holds for where it isn't for the optimum asked for, why, and the way out; `said`: before it."""
    kind, reason = told["kind"], (told.get("reason") or "").rstrip(".")
    if kind == "bound":
        return ""
    what = "Nothing is proven" if kind == "none" else f"This is {KINDS[kind]}"
    why = f": {reason}" if reason and reason.lower() not in said.lower() else ""
    way = ". Drop a column of each relation, or take a penalty" if kind == "reduced" else ""
    return f"{what}{why}{way}."


def _bound(x: float, *, up: bool = True) -> str:
    """Write a bound with two digits, rounded to its own side."""
    return number(float(upward(x) if up else downward(x)), 2).replace(" ", "\N{NO-BREAK SPACE}")


def learning_told(inputs: ReportInputs) -> dict[str, Any] | None:
    """Say what gradient descent did, where the model came from another method."""
    if inputs.learning is None:
        return None
    result = inputs.learning.result
    return {
        "result": {**dict.fromkeys(READ), **result},
        "rate": rate_bar(result, inputs.learned),
        "certificate": certificate_told(result),
    }


def batches_told(result: Mapping[str, Any]) -> str:
    """Say what follows the rate of mini-batches: how it falls, their size, and up to where they are known to be stable."""
    size, limit = result.get("batch_size") or 1, result.get("learning_rate_limit")
    falls = {"inverse": ", over 1 + epochs", "inverse-sqrt": ", over the root of 1 + epochs"}
    said = f"{falls.get(str(result.get('schedule')), '')}, an update for {counted(size, 'row')}"
    known = f"; known to be stable up to {floored(limit)}" if limit else ""
    return f"{said}{known}. The loss may rise from epoch to epoch."


def rate_bar(result: Mapping[str, Any], learned: Learned | None = None) -> dict[str, Any] | None:
    """Place the learning rate and its limits, everywhere and where the run ended, on a common scale, in percent."""
    rate, limit = result.get("learning_rate"), result.get("learning_rate_limit")
    if rate and result.get("method") == "sgd":
        return {"rate": rate, "batches": batches_told(result), "told": ""}
    if not rate or not limit:
        return None
    curvature = None if learned is None or learned.gradients is None else learned.gradients.curvature
    local = None if curvature is None else curvature.limit
    if local is not None and local > MOST_OFTEN * max(rate, limit):  # it would leave the others no room
        local = None
    end = max(rate, limit, local or 0.0) * 1.08
    return {
        "rate": rate,
        "shown": floored(limit),
        "fill": 100 * rate / end,
        "mark": 100 * limit / end,
        "above": rate > limit,
        "local": None if local is None else 100 * local / end,
        "local_shown": None if local is None else floored(local),
        "place": None if curvature is None else curvature.place,
        "told": rates_told(learned, result),
    }
