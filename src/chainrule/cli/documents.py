"""The documents that commands give: what `--json` prints and what the text shows are the same numbers."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chainrule.training import Training, WholeGradient

SCHEMA_VERSION = 1


def fit_document(training: Training, table: str, files: Mapping[str, Path | None]) -> dict[str, Any]:
    """Make the document of a fit: result, figures, coefficients, predictions of the rows set aside, files, notes."""
    prepared, model = training.prepared, training.model
    schema = prepared.schema
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
        "intercept": {"b": float(model.b), "b_fit": float(model.b_fit)},
        "coefficients": [
            {
                "name": name,
                "w": float(w),
                "odds_ratio": _exp(w),
                "w_fit": float(w_fit),
                "odds_ratio_fit": _exp(w_fit),
                "center": float(center),
                "scale": float(scale),
            }
            for name, w, w_fit, center, scale in zip(
                schema.feature_names, model.w, model.w_fit, model.center, model.scale, strict=True
            )
        ],
        "predictions": training.predictions,
        "notes": list(prepared.notes),
        "files": {name: None if path is None else str(path) for name, path in files.items()},
        "result": training.result.to_dict(),
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
