"""The documents that commands give: what `--json` prints and what the text shows are the same numbers."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.cli.outputs import SCHEMA_VERSION
from chainrule.documents.results import milestones, proven_digits
from chainrule.studies.learned import progress_of
from chainrule.training import Training, WholeGradient


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
    model = training.model
    columns = (
        model.schema.feature_names, model.w, model.w_fit, model.center, model.scale, training.deviations,
        proven["coef"], proven["digits"],
    )  # fmt: skip
    return [
        {
            "name": name,
            "w": float(w),
            "odds_ratio": _exp(w),
            "w_fit": float(w_fit),
            "odds_ratio_fit": _exp(w_fit),
            "center": float(center),
            "scale": float(scale),
            "sd": None if math.isnan(sd) else float(sd),
            "odds_ratio_sd": None if math.isnan(sd) else _exp(w * sd),
            "error": error,
            "digits": digits,
        }
        for name, w, w_fit, center, scale, sd, error, digits in zip(*columns, strict=True)
    ]


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


def _exp(value: float) -> float:
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf
