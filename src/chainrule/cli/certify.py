"""`chainrule certify`: how far anyone's coefficients are from the optimum of a table."""

import math
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.certificate import Certificate, downward, upward
from chainrule.cli import DONE, NOT_STRICT, SCHEMA_VERSION
from chainrule.cli.coefficients import Places, is_models_start, read_coefficients, read_text
from chainrule.cli.options import column_names
from chainrule.cli.outputs import check_outputs, print_json
from chainrule.cli.running import collected_warnings
from chainrule.data.designs import part_of
from chainrule.data.files import read_table
from chainrule.data.tables import Encoded, constants, encode_table
from chainrule.documents import results, terminal
from chainrule.errors import InputError
from chainrule.model.model import load_model
from chainrule.training import Floats, prepare, read_for, rows_of_training, worded

if TYPE_CHECKING:
    from chainrule.data.schema import Schema


@dataclass(frozen=True)
class CertifyRequest:
    """What `chainrule certify` was asked for; None takes what the model says, or the default without one."""

    coefficients: Path
    table: Path
    target: str | None
    positive: str | None
    features: Sequence[str] | None
    drop: Sequence[str] | None
    weights: str | None
    na: Sequence[str]
    alpha: float | None
    C: float | None
    standardize: bool | None
    tol: float | None
    threads: int | None


@dataclass(frozen=True)
class Audited:
    """Coefficients and the objective that they are measured by: rows of a design, w (n,), b, alpha, columns standardised.

    notes: on table and coefficients, one sentence each.
    """

    schema: "Schema"
    design: Encoded
    rows: Any
    notes: Sequence[str]
    of_training: bool
    w: Floats
    b: float
    alpha: float
    standardize: Any


def run_certify(request: CertifyRequest, *, as_json: bool, quiet: bool) -> int:
    """Prove a bound on F - F* at the coefficients, print it, return the exit code."""
    from chainrule.fitting.reference import certify

    check_outputs({})
    if request.alpha is not None and request.C is not None:
        raise InputError("--alpha and --C say the same in two ways, alpha = 1/(C S): give one of them")
    messages = terminal.messages(quiet=quiet)
    audited = _of_model(request) if is_model(request.coefficients) else _of_table(request)
    design, rows = audited.design, audited.rows
    for text in audited.notes:
        terminal.note(messages, text)
    weights = None if design.weights is None else design.weights[rows]
    with collected_warnings() as warned:
        certificate = certify(
            part_of(design.design, audited.schema.columns, None if len(rows) == design.design.m else rows),
            design.labels[rows],
            audited.w,
            audited.b,
            alpha=audited.alpha,
            sample_weight=weights,
            standardize=audited.standardize,
            n_threads=request.threads,
        )
    document = certify_document(request, audited, certificate, [worded(text, audited.schema) for text in warned])
    if as_json:
        print_json(document)
    else:
        terminal.show(terminal.results(), results.audit(document))
    if document["met"] is False:
        terminal.note(messages, f"exit code 3: {unmet(certificate, document['tol'])}")
    return NOT_STRICT if document["met"] is False else DONE


def unmet(certificate: Certificate, tol: float) -> str:
    """Say why coefficients are not as near as was asked for."""
    if not certificate.proven:
        return f"nothing is proven of these coefficients, and --tol asks for {tol:g}"
    if certificate.lower > tol:
        least = "infimum" if certificate.kind == "infimum" else "optimum"
        return f"these coefficients are at least {downward(certificate.lower)} nats above the {least}, more than --tol {tol:g}"
    return f"only {upward(certificate.gap)} nats are proven, and --tol asks for {tol:g}"


def certify_document(
    request: CertifyRequest, audited: Audited, certificate: Certificate, warned: Sequence[str]
) -> dict[str, Any]:
    """Make the document of an audit: what was measured by what, the certificate, each coefficient's."""
    schema = audited.schema
    told = certificate.to_dict()
    told["reason"] = worded(told["reason"], schema)
    told["sentence"] = worded(told["sentence"], schema)
    return {
        "schema_version": SCHEMA_VERSION,
        "command": "certify",
        "coefficients_of": str(request.coefficients),
        "table": str(request.table),
        "target": schema.target,
        "positive": schema.positive,
        "negative": schema.negative,
        "rows": len(audited.rows),
        "training_rows": audited.of_training,
        "alpha": audited.alpha,
        "tol": request.tol,
        "met": None if request.tol is None else certificate.proven and certificate.gap <= request.tol,
        "notes": list(audited.notes),
        "standardized": [
            name
            for name, mark in zip(
                schema.feature_names, np.broadcast_to(audited.standardize, audited.w.shape), strict=True
            )
            if mark
        ],
        "certificate": told,
        "intercept": {
            "b": audited.b,
            "error": told["intercept"],
            "digits": results.proven_digits(audited.b, told["intercept"]),
        },
        "coefficients": [
            {"name": name, "w": float(w), "error": error, "digits": digits}
            for name, w, error, digits in zip(
                schema.feature_names, audited.w, told["coef"], told["digits"], strict=True
            )
        ],
        "warnings": list(warned),
    }


def is_model(path: Path) -> bool:
    """Tell a model file from a table of coefficients."""
    if path.suffix == ".safetensors":
        return True
    try:
        mode = path.stat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            return False  # what a pipe gives can be read but once
        with path.open("rb") as file:
            return is_models_start(file.read(9))
    except OSError as error:
        raise InputError(f"can't read {path}: {(error.strerror or str(error)).lower()}") from None


def _of_model(request: CertifyRequest) -> Audited:
    model = load_model(request.coefficients)
    given = {
        "--target": request.target, "--positive": request.positive, "--features": request.features,
        "--drop": request.drop, "--weights": request.weights,
    }  # fmt: skip
    for option, value in given.items():
        if value is not None:
            raise InputError(f"{request.coefficients} says itself what {option} is: leave {option} out")
    table = read_for(model, request.table, request.na)
    design = encode_table(model.schema, table, need_target=True)
    rows, of_training = rows_of_training(model, design)
    notes = design.notes
    measured = rows if design.weights is None else rows[design.weights[rows] > 0]
    if notes and len(measured) < design.design.m:  # some may be on rows that aren't measured
        notes = encode_table(model.schema, table.take(measured), need_target=True).notes
    standardized = (model.scale != 1) | (model.center != 0)
    return Audited(
        schema=model.schema,
        design=design,
        rows=rows,
        notes=(*model.schema.notes, *notes) if of_training else notes,
        of_training=of_training,
        w=model.w,
        b=model.b,
        alpha=_alpha(request, design, rows, default=float(model.info["alpha"])),
        standardize=standardized if request.standardize is None else request.standardize & model.schema.numeric,
    )


def _of_table(request: CertifyRequest) -> Audited:
    text = read_text(request.coefficients)
    if request.target is None:
        raise InputError(
            f"{request.coefficients} is no model of chainrule, so --target must say which column is learned"
        )
    table = read_table(request.table, na=request.na)
    prepared = prepare(
        table,
        request.target,
        positive=request.positive,
        features=column_names(request.features, table.column_names),
        drop=column_names(request.drop, table.column_names) or (),
        weights=request.weights,
        na=request.na,
    )
    schema, design, rows = prepared.schema, prepared.design, prepared.train
    trained = rows if design.weights is None else rows[design.weights[rows] > 0]
    single = constants(
        table, trained, [*schema.feature_names, schema.target, *([schema.weights] if schema.weights else [])]
    )
    w, b, folded = read_coefficients(request.coefficients, text, Places.of(schema, table.column_names, single))
    return Audited(
        schema=schema,
        design=design,
        rows=rows,
        notes=(*schema.notes, *folded),  # those of the design are on rows that aren't measured
        of_training=False,
        w=w,
        b=b,
        alpha=_alpha(request, design, rows, default=0.0),
        standardize=bool(request.standardize) & schema.numeric,
    )


def _alpha(request: CertifyRequest, design: Encoded, rows: Any, default: float) -> float:
    if request.C is not None:
        S = float(len(rows)) if design.weights is None else math.fsum(design.weights[rows])
        return 1.0 / (request.C * S)
    return default if request.alpha is None else request.alpha
