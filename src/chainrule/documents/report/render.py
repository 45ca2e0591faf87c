"""From what is known about a fit to the page."""

import numpy as np

from chainrule.documents.report.inputs import READ, ReportInputs, check_inputs, is_newton
from chainrule.documents.report.lines import (
    SHOWN_COEFFICIENTS,
    coefficient_lines,
    ledger_lines,
    metrics_lines,
    strongest_feature,
)
from chainrule.documents.report.story import captions, mistakes, story
from chainrule.documents.report.templates import stylesheet, template
from chainrule.documents.report.words import (
    certificate_told,
    lead,
    learning_told,
    notes_of,
    other_reads,
    rate_bar,
    trouble_of,
)
from chainrule.losses import sigmoid

# What the page asks of an explanation beside its numbers.
_ASKED = {"note": None, "check": None, "part": None, "closest": False}
SHOWN_PREDICTIONS = 500
ARTICLE = "Christoph Winkler, “Neural Networks and Logistic Regression - Backpropagation in Detail”"


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
    from chainrule.documents.report.drawn import charts_of, graphs_of  # loads matplotlib

    check_inputs(inputs)
    schema = inputs.schema
    classes = (str(schema.get("negative", "0")), str(schema.get("positive", "1")))
    coefficients = coefficient_lines(inputs.coefficients)
    return template("report.html.jinja").render(
        title=inputs.title,
        css=stylesheet(),
        lead=lead(inputs),
        trouble=trouble_of(inputs.result),
        target=schema.get("target"),
        classes=classes,
        result={**dict.fromkeys(READ), **inputs.result},
        rate=rate_bar(inputs.result, inputs.learned),
        certificate=certificate_told(inputs.result),
        steps=is_newton(inputs.result),
        other_reads=other_reads(inputs),
        learning=learning_told(inputs),
        story=[] if inputs.learned is None else story(inputs.learned),
        learned_captions=captions(inputs.learned, classes),
        left_out=[]
        if inputs.learned is None
        else [why for why in (inputs.learned.no_gradients, inputs.learned.no_maps) if why],
        mistakes=mistakes(inputs.training),
        trace_note=getattr(inputs.trace if inputs.learning is None else inputs.learning.trace, "note", ""),
        parts=metrics_lines(inputs),
        charts=charts_of(inputs, classes),
        e=None if inputs.explanation is None else {**_ASKED, **inputs.explanation},
        one_minus_g=None if inputs.explanation is None else float(sigmoid(-np.asarray(inputs.explanation["z"]))),
        graphs=graphs_of(inputs.explanation),
        ledger=ledger_lines(inputs.explanation),
        strongest=strongest_feature(inputs.explanation),
        coefficients=coefficients[:SHOWN_COEFFICIENTS],
        coefficients_left_out=max(0, len(coefficients) - SHOWN_COEFFICIENTS),
        b=inputs.coefficients.b,
        b_digits=inputs.coefficients.b_digits,
        some_sd=any(c["sd"] is not None for c in coefficients),
        predictions=inputs.predictions[:SHOWN_PREDICTIONS],
        predictions_left_out=max(0, len(inputs.predictions) - SHOWN_PREDICTIONS),
        notes=notes_of(inputs),
        article=ARTICLE,
        sources=inputs.sources,
    )
