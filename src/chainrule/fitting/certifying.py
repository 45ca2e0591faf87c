"""`chainrule.certify`: how far anyone's coefficients are from the optimum."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from chainrule.certificate import Certificate
from chainrule.data.designs import design_of
from chainrule.data.inputs import (
    check_start,
    check_weights,
    encode_labels,
    standardized_columns,
    strength,
    switch,
)
from chainrule.errors import InputError
from chainrule.fitting.audit import MAX_HESSIAN_COLUMNS, Floor, audit
from chainrule.fitting.optimize import prepare
from chainrule.fitting.problem import Problem
from chainrule.fitting.result import Result
from chainrule.fitting.spec import FitSpec
from chainrule.kernels.blas import one_blas_thread

CONSTANTS = ("const", "Intercept")  # what statsmodels calls its constant, in arrays and in formulas
SHARP = 0.5  # of the bound: a lower bound as near says as much as an optimum of our own would


@one_blas_thread()
def certify(
    X: Any,
    y: ArrayLike,
    coef: Any,
    intercept: float | ArrayLike | None = None,
    *,
    alpha: float | None = None,
    C: float | None = None,
    sample_weight: ArrayLike | None = None,
    fit_intercept: bool = True,
    standardize: bool | str | ArrayLike = False,
    feature_names: Sequence[str] | None = None,
    coding: str = "reference",
    n_threads: int | None = None,
    loss: str = "logistic",
    penalty: str = "ridge",
) -> Certificate:
    """Bound how far coefficients, whoever made them, are above the optimum of F(w, b) = (1/S) sum s l + (alpha/2) w.w.

    The point itself proves it, where it is near (`chainrule.certificate.bound`: one read of the data with the Hessian).
    Else an optimum of our own is found, in a few reads more, and both values of F are compared:

        F(theta) - F(theta') - e <= F(theta) - F* <= F(theta) - F(theta') + bound(theta') + e,    e: the rounding of both F.

    Parameters
    ----------
    X, y, alpha, sample_weight, fit_intercept, standardize, feature_names, coding, n_threads, loss, penalty
        As in `chainrule.fit`. With standardize the penalty is on the coefficients of standardised columns.
    C : float, optional
        scikit-learn's inverse strength, instead of alpha: alpha = 1/(C S), S the sum of the weights.
    coef : (n,) or (1, n), or a fitted model
        Weights w, for the columns as they are in X. Of a model its `coef_` and `intercept_` (scikit-learn, glum), its `params`
        (statsmodels: the constant is the one called const or Intercept), or w and b of a `Result`.
    intercept : float or (1,)
        Bias b, not given beside a model; 0 by default.

    Returns
    -------
    Certificate
        gap and lower: at most and at least so many nats above the optimum; coef, intercept: how far each coefficient can be
        from the optimum's. Kind "infimum" where there is no optimum (separated classes).

    Raises
    ------
    InputError
        For data or options that can't be used, and coefficients at which F is not finite.

    Examples
    --------
    >>> import chainrule
    >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [0, 1, 0, 1]
    >>> result = chainrule.fit(X, y)
    >>> chainrule.certify(X, y, result.w, result.b).gap <= 1e-8
    True
    >>> chainrule.certify(X, y, result).gap <= 1e-8
    True
    >>> chainrule.certify(X, y, [0.5], -0.5).kind
    'bound'
    """
    started = time.perf_counter()
    design = design_of(X, feature_names, coding)
    m = design.n_rows
    codes, _ = encode_labels(y, m)
    s = check_weights(sample_weight, codes)
    rows = design.rows(codes, s, n_threads).rows
    n = rows.n_features
    with_intercept = switch("fit_intercept", fit_intercept)
    w, b = _point(*_of_model(coef, intercept), n, with_intercept)
    alpha = strength(alpha, C, float(m) if s is None else float(s.sum()))
    spec = FitSpec.of(
        alpha=alpha, fit_intercept=fit_intercept, n_threads=n_threads, loss=loss, penalty=penalty
    ).on_rows(m)
    columns, scaled = standardized_columns(standardize, rows.design.numeric, with_intercept)
    problem = Problem(rows, spec, columns, (w, b), scaled)
    task = prepare(problem, started)
    too_large = "the objective is not finite at these coefficients: look at their size and their units"
    if not np.isfinite(np.append(*task.units.to_fit(w, b))).all():
        raise InputError(too_large)
    with np.errstate(over="ignore", invalid="ignore"):
        certificate = audit(task, None, w, b)
    if not np.isfinite(certificate.objective):
        rows.refuse_non_finite()
        raise InputError(too_large)
    if n > MAX_HESSIAN_COLUMNS or (certificate.proven and certificate.lower >= SHARP * certificate.gap):
        return certificate
    floor = Floor.of(problem, started)
    return audit(task, floor, w, b)


def _of_model(coef: Any, intercept: float | ArrayLike | None) -> tuple[Any, Any]:
    """Give a model's coefficients and intercept; those given themselves stay as they are."""
    if isinstance(coef, Result):
        found = coef.w, coef.b
    elif hasattr(coef, "coef_"):
        found = coef.coef_, getattr(coef, "intercept_", 0.0)
    elif hasattr(coef, "params"):
        names = list(getattr(getattr(coef, "model", None), "exog_names", getattr(coef.params, "index", ())))
        is_constant = np.array([name in CONSTANTS for name in names] or [False] * len(coef.params))
        if is_constant.sum() > 1:
            raise InputError(
                f"the model has more than one constant, {' and '.join(CONSTANTS)}: give coef and intercept"
            )
        values = np.asarray(coef.params)
        found = values[~is_constant], float(values[is_constant].sum())
    else:
        return coef, 0.0 if intercept is None else intercept
    if intercept is not None:
        raise InputError("intercept is given beside a model, which has its own: leave it out")
    return found


def _point(coef: ArrayLike, intercept: float | ArrayLike, n: int, fit_intercept: bool) -> tuple[np.ndarray, float]:
    """Check coefficients as scikit-learn and others give them."""
    try:
        w = np.asarray(coef, dtype=np.float64)
        b = np.asarray(intercept, dtype=np.float64)
    except (ValueError, TypeError):
        raise InputError("coef and intercept must be numbers") from None
    if w.shape not in ((n,), (1, n), (n, 1)):
        raise InputError(f"coef must have one number a column, {n} of them, not the shape {w.shape}")
    if not np.isfinite(w).all():
        j = int(np.flatnonzero(~np.isfinite(w.reshape(-1)))[0])
        raise InputError(f"coef is {w.reshape(-1)[j]} in column {j + 1}: coefficients are finite numbers")
    if b.size != 1 or not np.isfinite(b).all():
        raise InputError("intercept must be one finite number")
    if float(b.reshape(-1)[0]) and not fit_intercept:
        raise InputError("intercept is not 0 but fit_intercept is False: leave one of them out")
    return check_start(w.reshape(-1), float(b.reshape(-1)[0]), n, fit_intercept)
