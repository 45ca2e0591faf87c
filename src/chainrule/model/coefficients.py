"""The coefficients of a model: as a frame, and by the table's columns."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np

from chainrule.data.inputs import choice
from chainrule.data.rows.levels import at_infinity
from chainrule.data.variables import variables
from chainrule.errors import InputError
from chainrule.fitting.coefficients import described
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


def by_column(model: Model) -> dict[str, Any]:
    """Return a model's coefficients, as `fitting.coefficients.described` does; of older files without spreads."""
    proven, w = model.info.get("certificate", {}), model.w
    found = variables(model.schema.columns, model.feature_names, w, model.facts, model.infinite)
    errors = proven.get("coef") or [None] * len(w)
    findings = [*model.info.get("findings", ()), *filter(None, [proven.get("why")])]
    relations = [each for finding in findings for each in finding["values"].get("relations", ())]
    collinear = {name for each in relations if each["code"] == "relation" for name in each["values"]["columns"]}
    return described(model, found, model.facts, errors, plain(_digits(w, errors)), collinear)


def _digits(w: Any, errors: list[float | None]) -> Any:
    from chainrule.certificate import digits_of

    return digits_of(w, np.array([np.inf if error is None else error for error in errors]))
