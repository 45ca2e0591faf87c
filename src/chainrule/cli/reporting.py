"""From a training to its report."""

from pathlib import Path
from typing import Any

import numpy as np

from chainrule.cli.outputs import plain
from chainrule.files import write_atomically
from chainrule.report import ReportInputs, render_report
from chainrule.training import Training, explain


def write_report(path: Path, training: Training, title: str, row: int | None = None) -> None:
    """Write the report of a training as one HTML file; `row` (from 1) is explained in it, else the first trained on."""
    prepared, model, result = training.prepared, training.model, training.result
    design = prepared.design
    explanation, _ = explain(model, design, int(prepared.train[0]) + 1 if row is None else row)
    y = design.y
    z = model.decision(design.X)

    def part(rows: Any) -> tuple[Any, Any]:
        return (z[rows], y[rows]) if y is not None and len(rows) else (None, None)

    train_z, train_y = part(prepared.train)
    test_z, test_y = part(prepared.test)
    page = render_report(
        ReportInputs(
            title=title,
            result=plain(result.to_dict()),
            trace=result.trace,
            feature_names=prepared.schema.feature_names,
            w=np.asarray(result.w),
            w_fit=np.asarray(result.w_fit),
            b=float(result.b),
            scale=np.asarray(result.scale),
            train_metrics=training.train_figures,
            test_metrics=training.test_figures,
            train_z=train_z,
            train_y=train_y,
            test_z=test_z,
            test_y=test_y,
            explanation=plain(explanation.to_dict()),
            predictions=training.predictions,
            notes=prepared.notes,
            schema=prepared.schema.to_dict(),
        )
    )
    write_atomically(path, page)
