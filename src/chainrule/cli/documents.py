"""The documents that commands give: what `--json` prints and what the text shows are the same numbers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.cli import SCHEMA_VERSION
from chainrule.documents.results import milestones, proven_digits
from chainrule.studies.learned import progress_of
from chainrule.training import Training, WholeGradient
from chainrule.words import plain


def fit_document(training: Training, table: str, files: Mapping[str, Path | None]) -> dict[str, Any]:
    """Make the document of a fit: result, figures, coefficients, predictions of the rows set aside, files, notes."""
    prepared, model = training.prepared, training.model
    schema, result = prepared.schema, training.result.to_dict()
    proven = result["certificate"]
    return {
        "schema_version": SCHEMA_VERSION,
        "command": "fit",
        "table": table,
        "target": schema.target,
        "positive": schema.positive,
        "negative": schema.negative,
        "rows": {
            "training": len(prepared.train),
            "held_out": len(prepared.test),
            "set_aside": len(prepared.unknown),
        },
        "training": training.train_figures,
        "held_out": training.test_figures,
        "intercept": {
            "b": float(model.b),
            "b_fit": float(model.b_fit),
            "error": proven["intercept"],
            "digits": proven_digits(float(model.b), proven["intercept"]),
        },
        "coefficients": _coefficients(training, proven),
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
        "center": model.center, "scale": model.scale, "sd": plain(sd),
        "odds_ratio_sd": plain(odds_sd), "error": proven["coef"], "digits": proven["digits"],
    }  # fmt: skip
    values = [column.tolist() if isinstance(column, np.ndarray) else column for column in columns.values()]
    return [dict(zip(columns, line, strict=True)) for line in zip(*values, strict=True)]


def descent_document(learning: Training, optimum: Training) -> dict[str, Any]:
    """Say how gradient descent came to the optimum: its result, some of its epochs, how far apart the two ends are."""
    apart = np.abs(np.append(learning.model.w_fit - optimum.model.w_fit, learning.model.b_fit - optimum.model.b_fit))
    return {
        "result": learning.result.to_dict(),
        "epochs": milestones(learning.result.trace),
        "learned": progress_of(learning.result, learning.deviations).to_dict(),
        "largest_difference": float(apart.max()),
    }


def gradient_document(whole: WholeGradient | None) -> dict[str, Any] | None:
    """Say over which rows the whole gradient was summed, and what it is."""
    if whole is None:
        return None
    return {
        "rows": whole.rows,
        "training_rows": whole.of_training,
        "sum_weights": whole.sum_weights,
        "dL_dw": whole.dL_dw.tolist(),
        "dL_db": whole.dL_db,
    }
