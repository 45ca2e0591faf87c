"""From a training to its report."""

from collections.abc import Sequence
from pathlib import Path

from chainrule.cli.documents import descent_document, fit_document, gradient_document
from chainrule.documents.report import Drawn, report
from chainrule.model.files import write_atomically
from chainrule.studies.learned import learned_by
from chainrule.training import Training, closest_call, explain
from chainrule.words import plain


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
    prepared, model = training.prepared, training.model
    design = prepared.design
    explanation, whole, part = explain(model, design, closest_call(training) if row is None else row)
    # where every row is at g = 1/2 or wrong, none is right by a small margin
    is_right = explanation.y is not None and (2 * explanation.y - 1) * explanation.z > 0
    document = fit_document(training, title, {}) | {
        "explanation": explanation.to_dict() | {"part": part, "closest": row is None and is_right},
        "whole_gradient": gradient_document(whole),
        "descent": None if learning is None else descent_document(learning, training),
    }
    z, y = training.z, design.labels
    drawn = Drawn(
        training.result.trace, z[prepared.train], y[prepared.train],
        held_out=(z[prepared.test], y[prepared.test]) if len(prepared.test) else None,
        learned=learned_by(training if learning is None else learning),
        descent=None if learning is None else learning.result.trace,
    )  # fmt: skip
    write_atomically(path, report(title, plain(document), drawn, tuple(sources)))
