"""The coefficients of a model: as a frame, and by the table's columns."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np

from chainrule.data.inputs import choice
from chainrule.data.rows.levels import at_infinity
from chainrule.data.variables import Facts, variables
from chainrule.errors import InputError
from chainrule.model.model import Model
from chainrule.words import BIAS, plain

BACKENDS = ("pandas", "polars", "pyarrow")


def coefficients(model: Model, backend: str | None = None) -> Any:
    """Make a frame of the bias and the coefficients, as `Fitted.coefficients` describes it."""
    import narwhals as nw
    import pyarrow as pa

    backend = choice("backend", model.info.get("library", "pyarrow") if backend is None else backend, BACKENDS)
    if find_spec(backend) is None:
        raise InputError(f"{backend} is not installed here: use coefficients('pyarrow')")
    proven = model.info.get("certificate", {})
    w = np.append(model.b, model.w)
    with np.errstate(over="ignore"):
        odds = [None, *np.exp(at_infinity(model.w, model.infinite))]  # the bias is no ratio
    errors = [proven.get("intercept"), *(proven.get("coef") or [None] * len(model.w))]
    places = [(column.name, of, column.reference) for column in model.schema.columns for of in column.coefficients]
    variables, levels, references = zip((BIAS, None, None), *places, strict=True)
    text, number = pa.string(), pa.float64()
    table = pa.table({
        "variable": pa.array(variables, text), "level": pa.array(levels, text), "coefficient": pa.array(w, number),
        "odds_ratio": pa.array(odds, number), "error": pa.array(errors, number),
        "digits": pa.array(_digits(w, errors), pa.int64()), "reference": pa.array(references, text),
    })  # fmt: skip
    if backend == "pyarrow":
        return table
    frame = nw.from_native(table, eager_only=True)
    return frame.to_pandas() if backend == "pandas" else frame.to_polars()


def by_column(model: Model, facts: Facts | None = None) -> dict[str, Any]:
    """Return "variables", and "coefficients" with name, w and sd, as `documents.variables` takes them; facts : of the fit."""
    names = model.schema.feature_names
    found = variables(model.schema.columns, names, model.w, facts, model.infinite)
    numbers = {variable.place for variable in found if variable.place is not None}
    entries = [
        {"name": name, "w": w, "sd": float(facts.sd[j]) if facts is not None and j in numbers else None}
        for j, (name, w) in enumerate(zip(names, at_infinity(model.w, model.infinite).tolist(), strict=True))
    ]
    return {"coefficients": entries, "variables": [plain(variable) for variable in found]}


def _digits(w: Any, errors: list[float | None]) -> Any:
    from chainrule.certificate import digits_of

    return digits_of(w, np.array([np.inf if error is None else error for error in errors]))
