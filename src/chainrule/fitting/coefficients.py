"""A result's coefficients as JSON values: one entry for each, and one for each column of the table."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.data.rows.levels import at_infinity
from chainrule.data.variables import Variable, variables
from chainrule.fitting.result import Result
from chainrule.fitting.verdict import collinear_columns
from chainrule.words import plain


def variables_of(result: Result) -> list[Variable]:
    """Group a result's coefficients by the table's columns, the largest spread first."""
    return variables(result.encodings, result.feature_names, result.w, result.facts, result.infinite)


def by_column(result: Result) -> dict[str, Any]:
    """Return "coefficients", in the order of w, and "variables", the largest spread first.

    A coefficient has its name, w, odds_ratio, the same in the fit's units (w_fit, odds_ratio_fit, center, scale), the
    column's sd and odds_ratio_sd (None for levels and marks), the proven error and digits, "infinite", the sign of an
    infinite one, and "collinear", whether its column is in a relation with others.
    A variable is a `data.variables.Variable`; its places are those of its coefficients.
    """
    found, proven = variables_of(result), result.certificate
    collinear = collinear_columns(result.findings, proven)
    numbers = [variable.place for variable in found if variable.place is not None]
    sd, signs = np.full(len(result.w), np.nan), np.zeros(len(result.w), dtype=np.int8)
    if len(result.infinite):
        signs = np.sign(result.infinite)
    if result.facts is not None:
        sd[numbers] = result.facts.sd[numbers]
    with np.errstate(over="ignore"):
        odds, odds_fit, odds_sd = (np.exp(at_infinity(w, signs)) for w in (result.w, result.w_fit, result.w * sd))
    columns = {
        "name": result.feature_names, "w": result.w, "odds_ratio": odds, "w_fit": result.w_fit, "odds_ratio_fit": odds_fit,
        "center": result.center, "scale": result.scale, "sd": sd, "odds_ratio_sd": odds_sd, "error": proven.coef,
        "digits": proven.digits, "infinite": signs, "collinear": [name in collinear for name in result.feature_names],
    }  # fmt: skip
    entries = [dict(zip(columns, line, strict=True)) for line in zip(*plain(columns).values(), strict=True)]
    return {"coefficients": entries, "variables": [plain(variable) for variable in found]}
