"""A fit's coefficients as JSON values: one entry for each, and one for each column of the table."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from chainrule.data.rows.levels import at_infinity
from chainrule.data.variables import Facts, Variable, variables
from chainrule.fitting.result import Result
from chainrule.fitting.verdict import collinear_columns
from chainrule.words import plain


def variables_of(result: Result) -> list[Variable]:
    """Group a result's coefficients by the table's columns, the largest spread first."""
    return variables(result.encodings, result.feature_names, result.w, result.facts, result.infinite)


def by_column(result: Result) -> dict[str, Any]:
    """Return a result's coefficients, as `described` does."""
    proven = result.certificate
    collinear = collinear_columns(result.findings, proven)
    return described(result, variables_of(result), result.facts, plain(proven.coef), plain(proven.digits), collinear)


def described(
    fitted: Any,
    found: list[Variable],
    facts: Facts | None,
    errors: list[Any],
    digits: list[Any],
    collinear: Collection[str],
) -> dict[str, Any]:
    """Return "coefficients", in the order of w, and "variables", the largest spread first.

    A coefficient has its name, w, odds_ratio, the same in the fit's units (w_fit, odds_ratio_fit, center, scale), the
    column's sd and odds_ratio_sd (None for levels and marks), the proven error and digits, "infinite", the sign of an
    infinite one, and "collinear", whether its column is in a relation with others.
    A variable is a `data.variables.Variable`; its places are those of its coefficients.
    """
    numbers = [variable.place for variable in found if variable.place is not None]
    w, n = fitted.w, len(fitted.w)
    sd, signs = np.full(n, np.nan), np.zeros(n, dtype=np.int8)
    if len(fitted.infinite):
        signs = np.sign(fitted.infinite)
    if facts is not None:
        sd[numbers] = facts.sd[numbers]
    with np.errstate(over="ignore"):
        odds, odds_fit, odds_sd = (np.exp(at_infinity(each, signs)) for each in (w, fitted.w_fit, w * sd))
    columns = {
        "name": fitted.feature_names, "w": w, "odds_ratio": odds, "w_fit": fitted.w_fit, "odds_ratio_fit": odds_fit,
        "center": fitted.center, "scale": fitted.scale, "sd": sd, "odds_ratio_sd": odds_sd, "error": errors,
        "digits": digits, "infinite": signs, "collinear": [name in collinear for name in fitted.feature_names],
    }  # fmt: skip
    entries = [dict(zip(columns, line, strict=True)) for line in zip(*plain(columns).values(), strict=True)]
    return {"coefficients": entries, "variables": [plain(variable) for variable in found]}
