"""`chainrule certify`: how far anyone's coefficients are from the optimum of a table."""

import math
import time
from collections.abc import Sequence
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.cli import DONE, NOT_STRICT
from chainrule.cli.coefficients import model_of
from chainrule.cli.running import Voice, check_outputs, headed
from chainrule.data.encoding import Met
from chainrule.data.files import Source, read_table
from chainrule.data.inputs import strength
from chainrule.data.missing import note_of
from chainrule.data.tables import encode_table
from chainrule.data.words import shown
from chainrule.documents import results
from chainrule.errors import InputError
from chainrule.findings import SHELL, say
from chainrule.fitting.reference import prove
from chainrule.fitting.spec import FitSpec
from chainrule.fitting.verdict import relations_of
from chainrule.model.model import Model, load_model
from chainrule.training import prepare_as_asked, read_for, rows_of_training
from chainrule.words import plain


def run(
    coefficients: Path,
    table: Source,
    *,
    na: Sequence[str],
    alpha: float | None,
    C: float | None,
    standardize: bool | None,
    tol: float | None,
    n_threads: int | None,
    voice: Voice,
    **learned: Any,
) -> int:
    """Prove a bound on F - F* at the coefficients, print it, return the exit code.

    learned: target, positive, features, drop, weights and missing, which a model file contains. alpha, C, standardize: None
    takes the model's own, or no penalty if there is no model.
    """
    check_outputs({})
    strength(alpha, C, 1.0, SHELL)  # so that a mistake is told before anything is read
    model, data, missing = _read(coefficients, table, na, learned)
    schema = model.schema
    seen = Met()
    design = encode_table(schema, data, need_target=True, met=seen)
    places, of_training = rows_of_training(model, design)
    measured = places if design.weights is None else places[design.weights[places] > 0]
    for label, value in ((schema.negative, 0.0), (schema.positive, 1.0)):
        if not (design.y[measured] == value).any():
            raise InputError(f"no row has the label {shown(label)} and a weight: rows of both labels are needed")
    if len(measured) < data.num_rows:  # so that the notes are about rows that count
        seen = Met()
        design = encode_table(schema, data.take(measured), need_target=True, met=seen)
    is_learned_here = of_training or "method" not in model.info
    if is_learned_here:
        filled = [column["column"] for column in missing]
        notes = [*schema.notes, *note_of(missing), *seen.notes(schema, "reference", filled)]
    else:
        notes = [*design.notes]
    voice.note(*notes)
    if alpha is None and C is None:
        alpha = float(model.info["alpha"])
    alpha = strength(alpha, C, float(len(measured)) if design.weights is None else math.fsum(design.weights), SHELL)
    units = (model.scale != 1) | (model.center != 0) if standardize is None else standardize & schema.numeric
    spec = FitSpec.of(SHELL, alpha=alpha, standardize=units, n_threads=n_threads)
    classes = schema.negative, schema.positive
    rows = design.rows(np.arange(len(measured)), n_threads)
    certificate = prove(spec, rows, (model.w, model.b), classes, time.perf_counter())
    told = certificate.to_dict() | {"reason": "" if certificate.why is None else say(certificate.why, SHELL)}
    met = None if tol is None else certificate.proven and certificate.gap <= tol
    document = headed("certify", schema, coefficients_of=coefficients, table=table) | {
        "rows": len(places),
        "training_rows": of_training,
        "alpha": alpha,
        "tol": tol,
        "met": met,
        "notes": notes,
        "standardized": list(compress(schema.feature_names, units)),
        "certificate": told,
        "relations": list(relations_of((), certificate, SHELL)),
        "intercept": {"b": model.b, **results.how_near(model.b, told["intercept"])},
        "coefficients": [
            {"name": name, "w": float(w), **results.how_near(float(w), error)}
            for name, w, error in zip(schema.feature_names, model.w, told["coef"], strict=True)
        ],
        "warnings": [],
    }
    voice.tell(document, results.certify)
    if met is False:
        voice.note(f"exit code 3: the coefficients are not proven to be within --tol {tol:g} of the optimum")
        return NOT_STRICT
    return DONE


def _read(
    coefficients: Path, table: Source, na: Sequence[str], learned: dict[str, Any]
) -> tuple[Model, Any, list[dict[str, Any]]]:
    """Read the model and the table; for coefficients of others, make a model with what is learned from the table.

    Also returns what was missing where the model was learned, and what was done about it.
    """
    data = coefficients.read_bytes()
    if data[4:9] == b"\0\0\0\0{":  # a model file begins like this: a length below 2^32, then JSON
        model = load_model(coefficients)
        for name, value in learned.items():
            if value is not None:
                raise InputError(f"{coefficients} already contains --{name}: leave --{name} out")
        return model, read_for(model, table, na), model.info.get("missing", [])
    if learned["target"] is None:
        raise InputError(f"{coefficients} is no model of chainrule, so --target must say which column is learned")
    rows = read_table(table, na=na)
    prepared = prepare_as_asked(rows, na=na, **learned)
    return model_of(coefficients, data, prepared.schema, rows.column_names), rows, plain(prepared.missing)
