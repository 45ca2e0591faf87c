"""The report of a fit: a pure function from what is known about it to one HTML file.

The page loads nothing and links nowhere, needs no JavaScript, follows the reader's light or dark colours, prints, and
reads on a phone. Every name from the data is escaped by the template engine and by the pictures.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.certificate import KINDS, downward, upward
from chainrule.errors import InputError
from chainrule.losses import sigmoid
from chainrule.pictures import charts, curves
from chainrule.pictures.graph_picture import row_graph_svg
from chainrule.pictures.style import FONT, palette_css
from chainrule.pictures.text import between, clean, counted, escape, exp_number, number
from chainrule.verdict import floor_digits

if TYPE_CHECKING:
    from jinja2 import Template

    from chainrule.pictures.curves import TraceLike

Floats = NDArray[np.float64]
# What the page reads of a result; what is missing is not shown.
_READ = (
    "objective_line", "message", "n_rows", "n_epochs", "objective", "grad_norm", "alpha", "reads", "seconds", "method",
)  # fmt: skip
# What the page asks of an explanation beside its numbers.
_ASKED = {"note": None, "check": None, "part": None, "closest": False}
SHOWN_COEFFICIENTS = 200
SHOWN_LEDGER = 60
SHOWN_PREDICTIONS = 500
ARTICLE = "Christoph Winkler, “Neural Networks and Logistic Regression - Backpropagation in Detail”"


@dataclass(frozen=True)
class Coefficients:
    """The fitted weights, for the table and the forest of odds ratios.

    Parameters
    ----------
    names : sequence of str, length n
        Names of the design's columns.
    w, b : array_like (n,), float
        In the user's units: log-odds per unit.
    w_fit : array_like (n,)
        In the units of the fit.
    scale : array_like (n,)
        Standard deviation of each number in the user's units, where it is known; 1 elsewhere.
    numeric : array_like (n,) of bool, optional
        Which columns are numbers; the others are marks of a level or of a missing value. If not given, those with
        another scale than 1.
    digits, b_digits : array_like (n,) of int and int, optional
        How many digits of each are proven to be the optimum's.
    """

    names: Sequence[str]
    w: ArrayLike
    b: float
    w_fit: ArrayLike
    scale: ArrayLike
    numeric: ArrayLike | None = None
    digits: ArrayLike | None = None
    b_digits: int | None = None


@dataclass(frozen=True)
class Learning:
    """Gradient descent to the same optimum, for a page whose model came from another method.

    result, trace: as those of the page.
    """

    result: Mapping[str, Any]
    trace: "TraceLike"


@dataclass(frozen=True)
class Part:
    """Training rows or held-out rows.

    Parameters
    ----------
    metrics : mapping
        "rows", "loss", "accuracy", "auc", "base_rate", "base_loss", "base_accuracy"; what is missing or None is not shown.
    z : array_like (m,)
        Log-odds of its rows.
    y : array_like (m,)
        Their classes, 0 or 1.
    """

    metrics: Mapping[str, Any]
    z: ArrayLike
    y: ArrayLike


@dataclass(frozen=True)
class ReportInputs:
    """All that a report shows.

    Parameters
    ----------
    title : str
        Heading of the page.
    result : mapping
        `Result.to_dict()`; what is missing or None is not shown.
    trace : Trace
        What training recorded; anything with `columns` will do.
    coefficients : Coefficients
    training : Part
    held_out : Part, optional
    schema : mapping
        `Schema.to_dict()`; "target", "negative" and "positive" are read.
    explanation : mapping, optional
        `RowExplanation.to_dict()` of the row to show; with "part" ("training" or "held out") the page says where it
        is from, with "closest" that it is the training row that the model gets right by the smallest margin.
    predictions : sequence of mapping
        "row", "probability", "class" of the rows asked for.
    notes : sequence of str
        What a reader should know about data and fit, one sentence each; the result's warnings are added.
    sources : sequence of str
        Where the data come from, as text.
    learning : Learning, optional
        Gradient descent on the same objective: the learning curves are then its own.
    """

    title: str
    result: Mapping[str, Any]
    trace: "TraceLike"
    coefficients: Coefficients
    training: Part
    held_out: Part | None = None
    schema: Mapping[str, Any] = field(default_factory=dict)
    explanation: Mapping[str, Any] | None = None
    predictions: Sequence[Mapping[str, Any]] = ()
    notes: Sequence[str] = ()
    sources: Sequence[str] = ()
    learning: Learning | None = None


def render_report(inputs: ReportInputs) -> str:
    """Render the report.

    Parameters
    ----------
    inputs : ReportInputs

    Returns
    -------
    str
        One HTML document, the same for the same inputs.

    Raises
    ------
    InputError
        The arrays of the coefficients or of a part differ in length.
    """
    _check(inputs)
    schema = inputs.schema
    classes = (str(schema.get("negative", "0")), str(schema.get("positive", "1")))
    coefficients = _coefficients(inputs.coefficients)
    return _template().render(
        title=inputs.title,
        css=palette_css() + _resource("report.css"),
        font=FONT,
        lead=_lead(inputs),
        trouble=_trouble(inputs.result),
        target=schema.get("target"),
        classes=classes,
        result={**dict.fromkeys(_READ), **inputs.result},
        rate=_rate(inputs.result),
        certificate=_certificate(inputs.result),
        steps=_is_newton(inputs.result),
        other_reads=_other_reads(inputs),
        learning=_learning(inputs),
        trace_note=getattr(inputs.trace if inputs.learning is None else inputs.learning.trace, "note", ""),
        parts=_parts(inputs),
        charts=_charts(inputs, classes),
        e=None if inputs.explanation is None else {**_ASKED, **inputs.explanation},
        one_minus_g=None if inputs.explanation is None else float(sigmoid(-np.asarray(inputs.explanation["z"]))),
        graphs=_graphs(inputs.explanation),
        ledger=_ledger(inputs.explanation),
        strongest=_strongest(inputs.explanation),
        coefficients=coefficients[:SHOWN_COEFFICIENTS],
        coefficients_left_out=max(0, len(coefficients) - SHOWN_COEFFICIENTS),
        b=inputs.coefficients.b,
        b_digits=inputs.coefficients.b_digits,
        some_sd=any(c["sd"] is not None for c in coefficients),
        predictions=inputs.predictions[:SHOWN_PREDICTIONS],
        predictions_left_out=max(0, len(inputs.predictions) - SHOWN_PREDICTIONS),
        notes=_notes(inputs),
        article=ARTICLE,
        sources=inputs.sources,
    )


def _check(inputs: ReportInputs) -> None:
    c = inputs.coefficients
    lengths = {len(c.names), np.size(c.w), np.size(c.w_fit), np.size(c.scale)}
    if len(lengths) > 1:
        raise InputError("the report's coefficients need as many names, w, w_fit and scale as there are features")
    for part, what in ((inputs.training, "training"), (inputs.held_out, "held-out")):
        if part is not None and np.size(part.z) != np.size(part.y):
            raise InputError(
                f"the report's {what} rows have {np.size(part.z)} z and {np.size(part.y)} y: give one a row"
            )


@cache
def _resource(name: str) -> str:
    return (files("chainrule") / "page" / name).read_text(encoding="utf-8")


@cache
def _template() -> "Template":
    from jinja2 import Environment, StrictUndefined

    env = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    env.filters["num"] = number
    env.filters["odds"] = exp_number
    env.filters["percent"] = _percent
    env.filters["clean"] = clean
    env.filters["counted"] = counted
    env.filters["sentence"] = _sentence
    return env.from_string(_resource("report.html.jinja"))


def _percent(share: float | None, places: int = 1) -> str:
    return "–" if share is None or not np.isfinite(share) else f"{100 * share:.{places}f}%"


def _markup(svg: str) -> Any:
    """Mark a picture as HTML: the pictures escape what comes from the data themselves."""
    from markupsafe import Markup

    return Markup(svg)


def _sentence(text: str) -> Any:
    """Give a sentence as HTML, in which no line breaks inside --an-option."""
    return _markup(re.sub(r"(?<![\w-])--[a-z][a-z-]*", r'<span class="option">\g<0></span>', escape(text)))


def _lead(inputs: ReportInputs) -> str:
    """Say the result in one sentence."""
    part, which = (inputs.held_out, "held-out") if inputs.held_out is not None else (inputs.training, "training")
    m = part.metrics
    rows = m.get("rows", np.size(part.y))
    epochs = inputs.result.get("n_epochs")
    if epochs is None:
        after = "The"
    elif _is_newton(inputs.result):
        after = f"After {counted(epochs, 'step')} of Newton’s method, the"
    else:
        after = f"After {counted(epochs, 'epoch')} of training, the"
    says = f"{after} model is right on {_percent(m.get('accuracy'))} of {counted(rows, f'{which} row')}"
    if m.get("base_accuracy") is not None:
        says += f", where the larger class alone would be right on {_percent(m['base_accuracy'])}"
    return f"{says}; its log-loss there is {number(m.get('loss'))}."


def _trouble(result: Mapping[str, Any]) -> str:
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


def _notes(inputs: ReportInputs) -> list[str]:
    """List what is to be known, each once: the page begins with what leaves no optimum."""
    trouble = _trouble(inputs.result)
    notes = dict.fromkeys([*inputs.notes, *inputs.result.get("warnings", ())])
    return [text for text in notes if not trouble or text.rstrip(".").lower() not in trouble.lower()]


def _other_reads(inputs: ReportInputs) -> str:
    """Say what reads of the data were for that stand before Newton's first step shown, or after its last."""
    reads, total = inputs.trace.columns.get("reads"), inputs.result.get("reads")
    if not _is_newton(inputs.result) or reads is None or total is None:
        return ""
    says = ""
    if (inputs.result.get("certificate") or {}).get("kind") == "ridge" and reads[0] >= 3:
        says = f" The first {int(reads[0]) - 1} were spent on finding out that there is no optimum."
    after = float(total) - float(reads[-1])
    return says + (f" The proof took {number(after, 2)} more at the end." if after >= 1 else "")


def _is_newton(result: Mapping[str, Any]) -> bool:
    return result.get("method") == "newton"


def _certificate(result: Mapping[str, Any]) -> dict[str, Any] | None:
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
        "cause": _cause(told, (result.get("message") or "") + _trouble(result)),
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


def _learning(inputs: ReportInputs) -> dict[str, Any] | None:
    """Say what gradient descent did, where the model came from another method."""
    if inputs.learning is None:
        return None
    result = inputs.learning.result
    return {"result": {**dict.fromkeys(_READ), **result}, "rate": _rate(result), "certificate": _certificate(result)}


def _rate(result: Mapping[str, Any]) -> dict[str, float | bool] | None:
    """Place the learning rate and its limit on a common scale, in percent."""
    rate, limit = result.get("learning_rate"), result.get("learning_rate_limit")
    if not rate or not limit:
        return None
    end = max(rate, limit) * 1.08
    fill, mark = 100 * rate / end, 100 * limit / end
    return {"rate": rate, "shown": floor_digits(limit), "fill": fill, "mark": mark, "above": rate > limit}


def _parts(inputs: ReportInputs) -> list[dict[str, Any]]:
    """Give the lines of the metrics table: a label and the text of each part."""
    parts = [inputs.training] + ([inputs.held_out] if inputs.held_out is not None else [])
    lines: list[tuple[str, str, Any]] = [
        ("rows", "rows", lambda v: f"{int(v):,}"),
        ("log-loss, nats", "loss", number),
        ("… of the base rate alone", "base_loss", number),
        ("accuracy", "accuracy", _percent),
        ("… of the larger class alone", "base_accuracy", _percent),
        ("AUC", "auc", number),
        ("base rate, share of y = 1", "base_rate", _percent),
    ]
    table = []
    for label, key, write in lines:
        values = [p.metrics.get(key) for p in parts]
        if any(v is not None for v in values):
            table.append({"label": label, "minor": label[0] == "…", "values": [
                "–" if v is None else write(v) for v in values]})  # fmt: skip
    return table


def _charts(inputs: ReportInputs, classes: tuple[str, str]) -> dict[str, Any]:
    c = inputs.coefficients
    numeric = _numeric(c)
    w, scale = np.asarray(c.w, dtype=np.float64), np.asarray(c.scale, dtype=np.float64)
    per_sd = numeric & (scale != 1)
    g, y = sigmoid(np.asarray(inputs.training.z)), inputs.training.y
    made = {
        **_curves(inputs),
        "odds": charts.odds_forest(c.names, np.where(per_sd, w * scale, w), per_sd=per_sd),
        "probabilities": charts.probability_histogram(g, y, classes=classes),
        "loss_of_g": charts.loss_of_g(g, y, classes=classes),
    }
    if inputs.held_out is not None:
        held_out = inputs.held_out
        made["held_out"] = charts.probability_histogram(sigmoid(np.asarray(held_out.z)), held_out.y, classes=classes)
    return {name: _markup(svg) for name, svg in made.items()}


def _curves(inputs: ReportInputs) -> dict[str, str]:
    """Draw how the run went: over the epochs of gradient descent; over the reads of the data where steps are few."""
    m, result, learning = inputs.training.metrics, inputs.result, inputs.learning
    trace = inputs.trace if learning is None else learning.trace
    by_reads = learning is None and _is_newton(result) and "reads" in trace.columns
    proven = result.get("certificate") or {}
    optimum_loss = result.get("loss") if learning is not None and proven.get("kind") == "bound" else None
    made = {
        "loss": curves.loss_curves(trace, base_loss=m.get("base_loss"), optimum_loss=optimum_loss, by_reads=by_reads),
        "accuracy": curves.accuracy_curves(trace, base_accuracy=m.get("base_accuracy"), by_reads=by_reads),
    }
    low = proven.get("optimum_at_least")
    runs = [_descent(result, inputs.trace, low)]
    if learning is not None:
        runs.append(_descent(learning.result, learning.trace, low))
    gap = curves.gap_curves(runs, tol=result.get("tol"), infimum=proven.get("kind") == "infimum")
    return made if gap is None else made | {"gap": gap}


def _descent(result: Mapping[str, Any], trace: "TraceLike", optimum_at_least: float | None) -> curves.Descent:
    if _is_newton(result):
        return curves.Descent("Newton", "one", trace, optimum_at_least)
    return curves.Descent("gradient descent", "training", trace, optimum_at_least, own=False)


def _graphs(explanation: Mapping[str, Any] | None) -> list[tuple[str, Any]]:
    if explanation is None:
        return []
    return [
        (name, _markup(row_graph_svg(explanation, narrow=name == "narrow", standalone=False)))
        for name in ("wide", "narrow")
    ]


def _numeric(c: Coefficients) -> NDArray[np.bool_]:
    numeric = np.asarray(c.scale, dtype=np.float64) != 1 if c.numeric is None else c.numeric
    return np.asarray(numeric, dtype=np.bool_)


def _coefficients(c: Coefficients) -> list[dict[str, Any]]:
    """Give the lines of the coefficients' table: all in the model's order, or the strongest first where there are many."""
    numeric = _numeric(c)
    w, scale = np.asarray(c.w, dtype=np.float64), np.asarray(c.scale, dtype=np.float64)
    digits = None if c.digits is None else np.asarray(c.digits)
    lines = [
        {
            "name": name,
            "numeric": bool(numeric[j]),
            "w": float(w[j]),
            "sd": float(scale[j]) if numeric[j] and scale[j] != 1 else None,
            "strength": abs(float(w[j] * scale[j])),
            "digits": None if digits is None else int(digits[j]),
        }
        for j, name in enumerate(c.names)
    ]
    return lines if len(lines) <= SHOWN_COEFFICIENTS else sorted(lines, key=lambda line: -line["strength"])


def _ledger(explanation: Mapping[str, Any] | None) -> dict[str, Any]:
    """Give the ledger's features, the largest contributions first, and what is left out."""
    if explanation is None:
        return {"features": [], "rest": 0, "rest_sum": 0.0, "units": False}
    numbered = [{"index": j, **f} for j, f in enumerate(explanation["features"], start=1)]
    shown = sorted(numbered, key=lambda f: -abs(f["contribution"] or 0.0))
    rest = shown[SHOWN_LEDGER:]
    return {
        "features": shown[:SHOWN_LEDGER],
        "rest": len(rest),
        "rest_sum": sum(f["contribution"] or 0.0 for f in rest),
        "units": any(f.get("x_user") is not None and f["x_user"] != f["x"] for f in numbered),
    }


def _strongest(explanation: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Find the feature with the largest derivative, with its number from 1, to write the chain rule out for."""
    if explanation is None or explanation.get("y") is None or not explanation["features"]:
        return None
    numbered = [{"index": j, **f} for j, f in enumerate(explanation["features"], start=1)]
    return max(numbered, key=lambda f: abs(f["dL_dw"] or 0.0))
