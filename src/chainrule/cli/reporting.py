"""What there is to say about a fit: its document, which `--json` prints and the text shows, and its report."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.cli.running import headed
from chainrule.documents import results
from chainrule.documents.report import Drawn, report
from chainrule.model.files import write_atomically
from chainrule.studies.learned import learned_by
from chainrule.studies.learned.progress import progress_of
from chainrule.training import Training, closest_call, explain
from chainrule.words import plain


def fit_document(training: Training, table: str, files: Mapping[str, Path | None]) -> dict[str, Any]:
    """Make the document of a fit: result, figures, coefficients, predictions of the rows set aside, files, notes."""
    prepared, model, result = training.prepared, training.model, training.result.to_dict()
    parts = {"training": prepared.train, "held_out": prepared.test, "set_aside": prepared.unknown}
    error = result["certificate"]["intercept"]
    return headed("fit", prepared.schema, table=table) | {
        "rows": {name: len(rows) for name, rows in parts.items()},
        "training": training.train_figures,
        "held_out": training.test_figures,
        "intercept": {"b": model.b, "b_fit": model.b_fit, **proven_of(model.b, error)},
        "coefficients": _coefficients(training, result["certificate"]),
        "predictions": training.predictions,
        "notes": list(prepared.notes),
        "files": {name: None if path is None else str(path) for name, path in files.items()},
        "learned": progress_of(training.result, training.deviations).to_dict(),
        "result": result,
    }


def proven_of(value: float, error: float | None) -> dict[str, Any]:
    """Say how far a coefficient can be from the optimum's, and which of its digits that proves."""
    return {"error": error, "digits": results.proven_digits(value, error)}


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


def write_report(path: Path, training: Training, title: str, row: int | None = None) -> None:
    """Write the report of a training as one HTML page.

    row: the row, from 1, that it explains; else the training row that the model gets right by the smallest margin.
    """
    prepared, model, z = training.prepared, training.model, training.z
    y = prepared.design.labels
    document = fit_document(training, title, {})
    document |= explain(model, prepared.design, closest_call(training) if row is None else row)
    told = document["explanation"]
    # where every row is at g = 1/2 or wrong, none is right by a small margin
    is_right = told["y"] is not None and (2 * told["y"] - 1) * told["z"] > 0
    told["closest"] = row is None and is_right
    drawn = Drawn(
        training.result.trace, z[prepared.train], y[prepared.train],
        held_out=(z[prepared.test], y[prepared.test]) if len(prepared.test) else None,
        learned=learned_by(training),
    )  # fmt: skip
    write_atomically(path, report(title, plain(document), drawn))
