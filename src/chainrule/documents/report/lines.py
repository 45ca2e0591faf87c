"""The lines of a report's tables."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from chainrule.charts.text import number
from chainrule.documents.report.inputs import Coefficients, ReportInputs, numeric_columns
from chainrule.documents.report.templates import percent

SHOWN_COEFFICIENTS = 200
SHOWN_LEDGER = 60


def metrics_lines(inputs: ReportInputs) -> list[dict[str, Any]]:
    """Give the lines of the metrics table: a label and the text of each part."""
    parts = [inputs.training] + ([inputs.held_out] if inputs.held_out is not None else [])
    lines: list[tuple[str, str, Any]] = [
        ("rows", "rows", lambda v: f"{int(v):,}"),
        ("log-loss, nats", "loss", number),
        ("… of the base rate alone", "base_loss", number),
        ("accuracy", "accuracy", percent),
        ("… of the larger class alone", "base_accuracy", percent),
        ("AUC", "auc", number),
        ("base rate, share of y = 1", "base_rate", percent),
    ]
    table = []
    for label, key, write in lines:
        values = [p.metrics.get(key) for p in parts]
        if any(v is not None for v in values):
            table.append({"label": label, "minor": label[0] == "…", "values": [
                "–" if v is None else write(v) for v in values]})  # fmt: skip
    return table


def coefficient_lines(c: Coefficients) -> list[dict[str, Any]]:
    """Give the lines of the coefficients' table: all in the model's order, or the strongest first where there are many."""
    numeric = numeric_columns(c)
    w, scale = np.asarray(c.w, dtype=np.float64), np.asarray(c.scale, dtype=np.float64)
    digits = None if c.digits is None else np.asarray(c.digits)
    lines = [
        {
            "name": name,
            "numeric": bool(numeric[j]),
            "w": float(w[j]),
            "sd": float(scale[j]) if numeric[j] and scale[j] != 1 else None,
            "strength": abs(float(w[j] * scale[j])),
            "digits": None if digits is None else int(digits[j]),
        }
        for j, name in enumerate(c.names)
    ]
    return lines if len(lines) <= SHOWN_COEFFICIENTS else sorted(lines, key=lambda line: -line["strength"])


def ledger_lines(explanation: Mapping[str, Any] | None) -> dict[str, Any]:
    """Give the ledger's features, the largest contributions first, and what is left out."""
    if explanation is None:
        return {"features": [], "rest": 0, "rest_sum": 0.0, "units": False}
    numbered = [{"index": j, **f} for j, f in enumerate(explanation["features"], start=1)]
    shown = sorted(numbered, key=lambda f: -abs(f["contribution"] or 0.0))
    rest = shown[SHOWN_LEDGER:]
    return {
        "features": shown[:SHOWN_LEDGER],
        "rest": len(rest),
        "rest_sum": sum(f["contribution"] or 0.0 for f in rest),
        "units": any(f.get("x_user") is not None and f["x_user"] != f["x"] for f in numbered),
    }


def strongest_feature(explanation: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Find the feature with the largest derivative, with its number from 1, to write the chain rule out for."""
    if explanation is None or explanation.get("y") is None or not explanation["features"]:
        return None
    numbered = [{"index": j, **f} for j, f in enumerate(explanation["features"], start=1)]
    return max(numbered, key=lambda f: abs(f["dL_dw"] or 0.0))
