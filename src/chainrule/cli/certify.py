"""`chainrule certify`: how far anyone's coefficients are from the optimum of a table."""

import math
from collections.abc import Sequence
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.cli import DONE, NOT_STRICT
from chainrule.cli import options as opt
from chainrule.cli.coefficients import model_of
from chainrule.cli.reporting import proven_of
from chainrule.cli.running import check_outputs, headed, tell
from chainrule.data.designs import part_of
from chainrule.data.files import read_table
from chainrule.data.inputs import strength
from chainrule.data.tables import encode_table
from chainrule.documents import results, terminal
from chainrule.errors import InputError
from chainrule.fitting.reference import certify
from chainrule.model.model import Model, load_model
from chainrule.training import prepare, read_for, rows_of_training, worded


def run(
    coefficients: Path,
    table: Path,
    *,
    na: Sequence[str] | None,
    alpha: float | None,
    C: float | None,
    standardize: bool | None,
    tol: float | None,
    n_threads: int | None,
    as_json: bool,
    quiet: bool,
    **learned: Any,
) -> int:
    """Prove a bound on F - F* at the coefficients, print it, return the exit code.

    learned: target, positive, features, drop and weights, which a model file says itself. alpha, C, standardize: None takes
    what the model says, or no penalty without one.
    """
    check_outputs({})
    if alpha is not None and C is not None:
        raise InputError("--alpha and --C say the same in two ways, alpha = 1/(C S): give one of them")
    model, data = _read(coefficients, table, na or (), learned)
    schema = model.schema
    design = encode_table(schema, data, need_target=True)
    rows, of_training = rows_of_training(model, design)
    measured = np.bincount(rows, minlength=len(design.labels)) > 0
    if design.weights is not None:
        measured &= design.weights > 0
    if not measured.all():  # notes are on rows that are measured
        design = encode_table(schema, data.filter(measured), need_target=True)
    is_learned_here = of_training or "method" not in model.info
    notes = [*(schema.notes if is_learned_here else ()), *design.notes]
    messages = terminal.messages(quiet=quiet)
    for text in notes:
        terminal.note(messages, text)
    if alpha is None and C is None:
        alpha = float(model.info["alpha"])
    alpha = strength(alpha, C, float(len(design.labels)) if design.weights is None else math.fsum(design.weights))
    units = (model.scale != 1) | (model.center != 0) if standardize is None else standardize & schema.numeric
    certificate = certify(
        part_of(design.design, schema.columns, None), design.labels, model.w, model.b,
        alpha=alpha, sample_weight=design.weights, standardize=units, n_threads=n_threads,
    )  # fmt: skip
    told = certificate.to_dict()
    told |= {key: worded(told[key], schema) for key in ("reason", "sentence")}
    met = None if tol is None else certificate.proven and certificate.gap <= tol
    document = headed("certify", schema, coefficients_of=coefficients, table=table) | {
        "rows": len(rows),
        "training_rows": of_training,
        "alpha": alpha,
        "tol": tol,
        "met": met,
        "notes": notes,
        "standardized": list(compress(schema.feature_names, units)),
        "certificate": told,
        "intercept": {"b": model.b, **proven_of(model.b, told["intercept"])},
        "coefficients": [
            {"name": name, "w": float(w), **proven_of(float(w), error)}
            for name, w, error in zip(schema.feature_names, model.w, told["coef"], strict=True)
        ],
        "warnings": [],
    }
    tell(document, results.audit, as_json=as_json)
    if met is False:
        terminal.note(
            messages, f"exit code 3: the coefficients are not proven to be within --tol {tol:g} of the optimum"
        )
        return NOT_STRICT
    return DONE


def _read(coefficients: Path, table: Path, na: Sequence[str], learned: dict[str, Any]) -> tuple[Model, Any]:
    """Read the model and the table; of other coefficients a model is made, with what is learned from the table."""
    data = coefficients.read_bytes()
    if data[4:9] == b"\0\0\0\0{":  # as a model file begins: a length below 2^32, and JSON
        model = load_model(coefficients)
        for name, value in learned.items():
            if value is not None:
                raise InputError(f"{coefficients} says itself what --{name} is: leave --{name} out")
        return model, read_for(model, table, na)
    if learned["target"] is None:
        raise InputError(f"{coefficients} is no model of chainrule, so --target must say which column is learned")
    rows = read_table(table, na=na)
    features, drop = (opt.column_names(learned.pop(name), rows.column_names) for name in ("features", "drop"))
    prepared = prepare(rows, **learned, features=features, drop=drop or (), na=na)
    return model_of(coefficients, data, prepared.schema, rows.column_names), rows
