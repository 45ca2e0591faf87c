"""The gradient at points that a run passed, computed again on all training rows, and the curvature where it ended."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chainrule.data.rows import Rows, Units
from chainrule.fitting.result import Result
from chainrule.objective import DataObjective
from chainrule.penalties import ridge
from chainrule.solvers.trace import Trace
from chainrule.studies.curvature import Curvature

Floats = NDArray[np.float64]

MOST_POINTS = 60  # each is a read of the data
FEWEST_POINTS = 12
MOST_NUMBERS = 2e9  # of the table, read for all points together: a few seconds
MOST_COLUMNS = 500  # up to here the eigenvalues of a Hessian are found at once


@dataclass(frozen=True)
class Gradients:
    """The gradient of F at points that a run passed, each from a read of all training rows.

    Attributes
    ----------
    epochs : (k,) int64
    names : tuple of str, length n + 1
        Of the columns; the last is the bias.
    dL : (k, n + 1)
        dL_dw and dL_db, penalty included, nats per unit: of Newton's method with standardised numbers, else in the fit's units.
    limit : float, optional
        2/lambda_max of the Hessian of F at the point that the run returned, the largest rate that is stable there: of gradient
        descent, with up to 500 columns.
    """

    epochs: NDArray[np.int64]
    names: tuple[str, ...]
    dL: Floats
    limit: float | None = None


def gradients_of(rows: Rows, result: Result) -> Gradients | None:
    """Read the training rows again at points that the run passed, from its first to its last, spread by powers.

    Parameters
    ----------
    rows : Rows
        The training rows, in the user's units.
    result : Result

    Returns
    -------
    Gradients or None
        None where the run has no epoch after its start, or F is not finite.
    """
    trace = result.trace
    if len(trace) < 2:
        return None
    rows, theirs = rows.as_given(), Units(result.center, result.scale)
    is_newton = result.method.startswith("newton")
    if not is_newton:
        rows = rows.see(theirs)
    elif (
        rows.design.numeric.any()
    ):  # Newton's way is the same in all units: those of standardised numbers can be compared
        rows = rows.standardize(rows.design.numeric)
    penalty = ridge(result.alpha, rows.n_features).in_units(theirs.scale / rows.units.scale)
    objective = DataObjective(rows, penalty, result.fit_intercept)
    affordable = np.clip(MOST_NUMBERS / (rows.n_rows * rows.n_features), FEWEST_POINTS, MOST_POINTS)
    chosen = spread_points(trace, int(affordable))
    thetas = np.column_stack([trace.w, trace.b])[chosen]
    if is_newton:
        thetas = np.array([np.append(*rows.units.to_fit(*theirs.to_user(p[:-1], p[-1]))) for p in thetas])
    found = [(k, e) for k, e in zip(chosen, map(objective.evaluate, thetas), strict=True) if e.finite]
    if not found:
        return None
    epochs = trace.columns["epoch"].astype(np.int64)[[k for k, _ in found]]
    dL = np.array([e.gradient for _, e in found])
    return Gradients(epochs, (*result.feature_names, "bias b"), dL, _limit(objective, result))


def spread_points(trace: Trace, count: int) -> NDArray[np.intp]:
    """Choose at most `count` of the epochs kept, the first and the last among them, spread by powers."""
    epochs = trace.columns["epoch"].astype(np.float64)
    if len(epochs) <= count:
        return np.arange(len(epochs))
    wanted = np.geomspace(1 + epochs[0], 1 + epochs[-1], count) - 1
    return np.unique([np.abs(epochs - epoch).argmin() for epoch in wanted])


def _limit(objective: DataObjective, result: Result) -> float | None:
    if result.method != "gradient-descent" or objective.n_features > MOST_COLUMNS:
        return None
    limit = Curvature.of(objective.hessian(np.append(result.w_fit, result.b_fit))).limit
    return limit if np.isfinite(limit) else None
