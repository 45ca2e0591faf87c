"""The document of a fit, made from its training, and its report as a page."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chainrule.documents import results
from chainrule.documents.html import as_html
from chainrule.documents.player import Player
from chainrule.documents.report import order_for
from chainrule.documents.report import report as report_blocks
from chainrule.fitting.coefficients import by_column
from chainrule.fitting.metrics import Rule
from chainrule.fitting.result import Result
from chainrule.model.files import write_atomically
from chainrule.studies.learned import learned_by
from chainrule.studies.progress import progress_of
from chainrule.training import Training, closest_call, explain, lesson, measured
from chainrule.words import plain, shortened


def fit_document(training: Training, files: Mapping[str, Path | None]) -> dict[str, Any]:
    """Make a fit's document: labels, result, figures, coefficients, predictions of the rows set aside, files, notes."""
    prepared, model, result = training.prepared, training.model, training.result.to_dict()
    parts = {"training": prepared.train, "held_out": prepared.test, "set_aside": prepared.unknown}
    error = result["certificate"]["intercept"]
    return {
        **prepared.schema.labels,
        "rows": {name: len(rows) for name, rows in parts.items()},
        "training": training.train_figures,
        "held_out": training.test_figures,
        "intercept": {"b": model.b, "b_fit": model.b_fit, **results.how_near(model.b, error)},
        **by_column(training.result),
        "predictions": training.predictions,
        "notes": list(prepared.notes),
        "files": {name: None if path is None else str(path) for name, path in files.items()},
        "learned": progress_of(training.result, training.deviations).to_dict(),
        "result": result,
    }


def write_report(
    path: Path,
    training: Training,
    table: str = "",
    row: int | None = None,
    title: str | None = None,
    rule: Rule | None = None,
    player: Player | None = None,
    reader: str = "analyst",
) -> None:
    """Write the report of a training as one HTML page.

    table: its name, if it has one. row: the row, from 1, that it explains; else the training row that the model gets right by
    the smallest margin. title: else what is learned, as in "sex = male". rule: how the threshold of its decisions is chosen on
    the training rows; else by F1. player: put into the page. reader: "analyst" or "learner", whose chapters come first.
    """
    order_for(reader)
    prepared, model, z = training.prepared, training.model, training.z
    y = prepared.encoded.y
    document = {"table": table, **fit_document(training, {})}
    chosen = closest_call(training) if row is None else row
    # if every row is at g = 1/2 or wrong, no row is right by any margin
    document["closest"] = row is None and (2 * y[chosen - 1] - 1) * z[chosen - 1] > 0
    document |= lesson(training, chosen) if reader == "learner" else explain(model, prepared.encoded, chosen)
    document |= measured(training, rule or Rule("f1"))
    parts = [(z[rows], y[rows]) for rows in (prepared.train, prepared.test) if len(rows)]
    blocks = report_blocks(plain(document), training.result.trace, parts, learned_by(training), player, reader)
    asked = f"{shortened(prepared.schema.target)} = {shortened(prepared.schema.positive)}"
    write_atomically(path, as_html(blocks, title or asked))


def write_summary(path: str | Path, result: Result, title: str) -> None:
    """Write what a result knows by itself as one HTML page."""
    write_atomically(path, as_html(results.of_result(result), title))
