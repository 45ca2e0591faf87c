"""How a run ended, and what it met on the way."""

from __future__ import annotations

import math

from chainrule.findings.finding import Front, Sentence, Values, below_limit, run, say, ways_out, with_proof, with_ways
from chainrule.words import about, counted, short


def _converged(values: Values, on: Front) -> str:
    text = with_proof(f"converged after {run(values)}", values)
    if values.get("is_rounding"):
        text += f"; {on.option('tol')} {values['tol']:.2g} is below what rounding leaves here"
    if values.get("offset"):
        far = "lies so far from 0 that 16 digits allow no better intercept: subtract a constant from it"
        text += f"; column {values['offset']} {far}"
    return with_ways(text, values, on)


def _stopped(values: Values, on: Front) -> str:
    how = f"stopped after {run(values)}, before the proven gap reached {on.option('tol')} {values['tol']:.2g}"
    return _unproven(values, on, how)


def _unproven(values: Values, on: Front, how: str = "") -> str:
    text = how or f"ended after {run(values)} without a proof of {on.option('tol')} {values['tol']:.2g}"
    parts = [with_proof(text, values), *(say(part, on) for part in values.get("more", ()))]
    return with_ways("; ".join(parts), values, on)


def _returned(values: Values, on: Front) -> str:
    return with_ways(f"the best point, from epoch {values['best']:,}, is returned", values, on, ";")


def _diverged(values: Values, on: Front) -> str:
    beyond = "the first epoch takes the objective beyond what a float64 holds"
    what = f"the loss grows without end after epoch {values['steps']:,}" if values["steps"] else beyond
    return f"diverged: {what}; {_returned(values, on)}"


def _interrupted(values: Values, on: Front) -> str:
    returned = f"; {_returned(values, on)}" if "best" in values else ""
    more = "".join(f"; {say(part, on)}" for part in values.get("more", ()))
    return with_proof(f"interrupted after {run(values)}{returned}", values) + more


def _epochs_left(values: Values, on: Front) -> str:
    if values["epochs"] > 1e15:
        return f"at the {values['by']} seen it would not get there"
    return f"at the {values['by']} seen about {about(values['epochs'])} more epochs are needed"


def _hovers(values: Values, on: Front) -> str:
    falls = "F shows no clear fall" if values["decays"] else "F no longer falls"
    span = f"in the last {counted(values['epochs'], 'epoch')} this bound went up and down"
    best = f"the lowest objective was {values['objective']:.6g}, after epoch {values['best']:,}"
    noise = ", by the noise of mini-batches at a constant rate" if values["is_noise"] else ""
    return f"{falls}: {span} from {values['low']:.2g} to {values['high']:.2g} ({best}){noise}"


def _crawling(values: Values, on: Front) -> str:
    needed, size = values["epochs"], "at least" if values["is_least"] else "about"
    how_long = "no finite number of epochs would be enough at the rate seen"
    if math.isfinite(needed):
        how_long = f"{size} {about(needed)} more epochs are needed"
    return f"epoch {values['epoch']:,}: crawling: {how_long}: {ways_out(values['ways'], on)}"


def _above_limit(values: Values, on: Front) -> str:
    rate, limit = f"{on.option('learning_rate')} {values['rate']:.6g}", below_limit(values["limit"])
    batches = f" for batches of {values['batch']:,}" if "batch" in values else ""
    which = "the stable limit" if values.get("is_largest") else f"what is known to be stable{batches},"
    return f"{rate} is above {which} {limit}: the loss may rise or oscillate"


def _no_optimum(values: Values, on: Front) -> str:
    text = f"no finite coefficients are optimal, so the optimum with a ridge of {short(values['ridge'])} is returned"
    return text if values["is_reached"] else with_proof(f"{text}, but was not reached", values)


def _too_many_columns(values: Values, on: Front) -> str:
    text = f"a Hessian of {values['columns']:,} columns would take {8e-9 * values['side'] ** 2:.2g} GB"
    if values["has_penalty"]:
        return f"{text}: use {on.option('method', 'newton-cg')}, or fewer columns"
    return f"{text}, and without a penalty nothing else proves an optimum: give {on.option('alpha')}, e.g. 1/m"


SENTENCES: dict[str, Sentence] = {
    "converged": _converged,
    "unreached": _converged,  # but not to tol, for a reason that the sentence names
    "stopped": _stopped,
    "noise floor": _stopped,
    "unproven": _unproven,
    "diverged": _diverged,
    "not finite": lambda v, on: f"stopped: the objective is not finite after epoch {v['steps']:,}; {_returned(v, on)}",
    "interrupted": _interrupted,
    "no optimum": _no_optimum,
    "reads left": lambda v, on: (
        f"it takes about {counted(v['reads'], 'more read')} to reach {on.option('tol')} {v['tol']:.2g}"
    ),
    "epochs left": _epochs_left,
    "is rounding": lambda v, on: "what is left is rounding",
    "oscillated": lambda v, on: (
        f"the loss oscillated (the lowest objective, {v['objective']:.6g}, came after epoch {v['best']:,})"
    ),
    "short steps": lambda v, on: "the steps are short",
    "unknown rate": lambda v, on: "how far F falls at a constant rate can't be predicted",
    "hovers": _hovers,
    "oscillating": lambda v, on: f"epoch {v['epoch']:,}: the loss oscillates; {ways_out(v['ways'], on)}",
    "crawling": _crawling,
    "above limit": _above_limit,
    "not finite at start": lambda v, on: (
        f"the objective is not finite at the start: use a smaller w0, or {on.option('standardize', True)}"
    ),
    "too large for any rate": lambda v, on: (
        f"the columns are too large for any learning rate: standardize them ({on.option('standardize', True)}), or rescale"
    ),
    "needs a penalty": lambda v, on: (
        f"{on.option('method', 'newton-cg')} needs a penalty: without one there may be no optimum, and nothing to prove; "
        f"give {on.option('alpha')}, e.g. 1/m"
    ),
    "rows too large": lambda v, on: (
        f"X has rows larger than {v['largest']:.0e}: divide its columns by a constant, or use {on.option('method', 'newton')}"
    ),
    "large batch": lambda v, on: (
        f"{on.option('batch_size')} {v['batch']:,} is more than the {v['rows']:,} rows of positive weight: use no more, or "
        f"{on.option('method', 'gradient-descent')} for an update of all rows"
    ),
    "too many columns": _too_many_columns,
    "no hessian": lambda v, on: f"{v['columns']:,} columns are too many for a Hessian",
    "not looked for": lambda v, on: "the cause was not looked for",
    "two fronts": lambda v, on: str(v["shell"] if on.is_shell else v["python"]),
    "thinned trace": lambda v, on: str(v["note"]),
}
