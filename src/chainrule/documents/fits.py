"""The document of a fit, made from its training, and its report as a page."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.documents import results
from chainrule.documents.html import as_html
from chainrule.documents.report import report as report_blocks
from chainrule.fitting.result import Result
from chainrule.model.files import write_atomically
from chainrule.studies.learned import learned_by
from chainrule.studies.progress import progress_of
from chainrule.training import Training, closest_call, explain
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
        "coefficients": _coefficients(training, result["certificate"]),
        "predictions": training.predictions,
        "notes": list(prepared.notes),
        "files": {name: None if path is None else str(path) for name, path in files.items()},
        "learned": progress_of(training.result, training.deviations).to_dict(),
        "result": result,
    }


def _coefficients(training: Training, proven: Mapping[str, Any]) -> list[dict[str, Any]]:
    model, sd = training.model, training.deviations
    with np.errstate(over="ignore"):
        odds, odds_fit, odds_sd = np.exp(model.w), np.exp(model.w_fit), np.exp(model.w * sd)
    columns = {
        "name": model.schema.feature_names, "w": model.w, "odds_ratio": odds, "w_fit": model.w_fit, "odds_ratio_fit": odds_fit,
        "center": model.center, "scale": model.scale, "sd": sd, "odds_ratio_sd": odds_sd, "error": proven["coef"],
        "digits": proven["digits"],
    }  # fmt: skip
    return [dict(zip(columns, line, strict=True)) for line in zip(*plain(columns).values(), strict=True)]


def write_report(
    path: Path, training: Training, table: str = "", row: int | None = None, title: str | None = None
) -> None:
    """Write the report of a training as one HTML page.

    table: its name, if it has one. row: the row, from 1, that it explains; else the training row that the model gets right by
    the smallest margin. title: else what is learned, as in "sex = male".
    """
    prepared, model, z = training.prepared, training.model, training.z
    y = prepared.encoded.y
    document = {"table": table, **fit_document(training, {})}
    document |= explain(model, prepared.encoded, closest_call(training) if row is None else row)
    told = document["explanation"]
    # if every row is at g = 1/2 or wrong, no row is right by any margin
    is_right = told["y"] is not None and (2 * told["y"] - 1) * told["z"] > 0
    told["closest"] = row is None and is_right
    parts = [(z[rows], y[rows]) for rows in (prepared.train, prepared.test) if len(rows)]
    blocks = report_blocks(plain(document), training.result.trace, parts, learned_by(training))
    asked = f"{shortened(prepared.schema.target)} = {shortened(prepared.schema.positive)}"
    write_atomically(path, as_html(blocks, title or asked))


def write_summary(path: str | Path, result: Result, title: str) -> None:
    """Write what a result knows by itself as one HTML page."""
    write_atomically(path, as_html(results.of_result(result), title))
