"""From a training to its report."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chainrule.cli.outputs import plain
from chainrule.files import write_atomically
from chainrule.report import Coefficients, Part, ReportInputs, render_report
from chainrule.training import Training, explain


def write_report(
    path: Path, training: Training, title: str, row: int | None = None, sources: Sequence[str] = ()
) -> None:
    """Write the report of a training as one HTML file; `row` (from 1) is explained in it, else the first trained on."""
    prepared, model, result = training.prepared, training.model, training.result
    design = prepared.design
    explanation, _, _ = explain(model, design, int(prepared.train[0]) + 1 if row is None else row)
    y = design.y
    z = model.decision(design.X)

    def part(rows: Any, metrics: dict[str, Any] | None) -> Part | None:
        return Part(metrics, z[rows], y[rows]) if metrics is not None and y is not None and len(rows) else None

    training_part = part(prepared.train, training.train_figures)
    assert training_part is not None
    page = render_report(
        ReportInputs(
            title=title,
            result=plain(result.to_dict()),
            trace=result.trace,
            coefficients=Coefficients(
                prepared.schema.feature_names, result.w, float(result.b), result.w_fit, result.scale,
                prepared.schema.numeric,
            ),
            training=training_part,
            held_out=part(prepared.test, training.test_figures),
            schema=prepared.schema.to_dict(),
            explanation=plain(explanation.to_dict()),
            predictions=training.predictions,
            notes=prepared.notes,
            sources=tuple(sources),
        )
    )  # fmt: skip
    write_atomically(path, page)
