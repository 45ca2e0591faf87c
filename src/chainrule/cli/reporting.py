"""From a training to its report."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.cli.documents import proven_digits
from chainrule.cli.outputs import plain
from chainrule.documents.report import Coefficients, Learning, Part, ReportInputs, render_report
from chainrule.documents.screen import as_options, run_and_certificate
from chainrule.model.files import write_atomically
from chainrule.studies.learned import learned_by
from chainrule.training import Training, closest_call, explain


def write_report(
    path: Path,
    training: Training,
    title: str,
    row: int | None = None,
    *,
    learning: Training | None = None,
    sources: Sequence[str] = (),
) -> None:
    """Write the report of a training as one HTML file.

    row: the row, from 1, that it explains; else the training row that the model gets right by the smallest margin.
    learning: gradient descent on the same objective, whose learning curves are shown.
    """
    prepared, model, result = training.prepared, training.model, training.result
    design = prepared.design
    explanation, _, in_part = explain(model, design, closest_call(training) if row is None else row)
    # where every row is at g = 1/2 or wrong, none is right by a small margin
    is_right = explanation.y is not None and (2 * explanation.y - 1) * explanation.z > 0
    told = plain(explanation.to_dict()) | {"part": in_part, "closest": row is None and is_right}
    y = design.y
    z = training.z

    def part(rows: Any, metrics: dict[str, Any] | None) -> Part | None:
        return Part(metrics, z[rows], y[rows]) if metrics is not None and y is not None and len(rows) else None

    training_part = part(prepared.train, training.train_figures)
    assert training_part is not None
    page = render_report(
        ReportInputs(
            title=title,
            result=_as_on_the_command_line(plain(result.to_dict())),
            trace=result.trace,
            coefficients=_coefficients(training),
            training=training_part,
            held_out=part(prepared.test, training.test_figures),
            schema=prepared.schema.to_dict(),
            explanation=told,
            predictions=training.predictions,
            notes=prepared.notes,
            sources=tuple(sources),
            learned=learned_by(training if learning is None else learning),
            learning=None
            if learning is None
            else Learning(_as_on_the_command_line(plain(learning.result.to_dict())), learning.result.trace),
        )
    )  # fmt: skip
    write_atomically(path, page)


def _coefficients(training: Training) -> Coefficients:
    schema, result, proven = training.prepared.schema, training.result, training.result.certificate
    is_bound = proven.kind == "bound"
    return Coefficients(
        names=schema.feature_names,
        w=result.w,
        b=float(result.b),
        w_fit=result.w_fit,
        scale=np.where(schema.numeric, training.deviations, 1.0),
        numeric=schema.numeric,
        digits=proven.digits if is_bound else None,
        b_digits=proven_digits(float(result.b), proven.intercept) if is_bound else None,
    )


def _as_on_the_command_line(result: dict[str, Any]) -> dict[str, Any]:
    """Name options in the sentences as the command line does; certificate and message have their own places."""
    run, _ = run_and_certificate(result)
    proven, message = result["certificate"], result["message"].rstrip(".")
    return result | {
        "message": run,
        "warnings": [as_options(text) for text in result["warnings"] if text.rstrip(".") != message],
        "certificate": proven | {"reason": as_options(proven["reason"])},
    }
