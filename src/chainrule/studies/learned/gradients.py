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
AT_OPTIMUM = "at the optimum"
NEAR_OPTIMUM = 1e-6  # nats: where the curvature is the optimum's


@dataclass(frozen=True)
class Gradients:
    """The gradient of F at points that a run passed, each from a read of all training rows.

    Attributes
    ----------
    epochs : (k,) int64
    names : tuple of str, length n + 1
        Of the columns; the last is the bias.
    dL_dw, dL_db : (k, n) and (k,)
        Penalty included, nats per unit.
    method : str
        Of the run: "newton", whose steps `epochs` counts, "gradient-descent", or "sgd" with all rows a batch.
    standardized : bool
        Units: of all columns standardised, or those of the fit, in which gradient descent stepped.
    curvature : Curvature, optional
        Of F at the point that the run returned, in the fit's units: of gradient descent, with up to 500 columns.
    place : str
        Where that is: "at the optimum" (within 1e-6 nats of it), "where it ended", or "at the point returned", passed before.
    """

    epochs: NDArray[np.int64]
    names: tuple[str, ...]
    dL_dw: Floats
    dL_db: Floats
    method: str
    standardized: bool
    curvature: Curvature | None = None
    place: str = ""

    @property
    def sizes(self) -> Floats:
        """|dL_dw_j| and |dL_db|, (k, n + 1)."""
        return np.abs(np.column_stack([self.dL_dw, self.dL_db]))

    @property
    def shares(self) -> Floats:
        """Each one's part of their sum, (k, n + 1); rows of zeros where the gradient is zero."""
        total = self.sizes.sum(axis=1, keepdims=True)
        parts = np.zeros_like(self.sizes)
        np.divide(self.sizes, total, out=parts, where=total > 0)
        return parts


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
    # Newton's way is the same in all units: those of standardised columns can be compared
    is_newton = result.method.startswith("newton") and result.fit_intercept
    columns = rows.design.numeric if is_newton else (theirs.center != 0) | (theirs.scale != 1)
    moments = rows.moments(correlations=False)
    if columns.any():
        rows = rows.standardize(columns, is_newton or bool((theirs.scale != 1).any()))
    penalty = ridge(result.alpha, rows.n_features).in_units(theirs.scale / rows.units.scale)
    objective = DataObjective(rows, penalty, result.fit_intercept)
    chosen = spread_points(trace, points_for(rows))
    points = [(trace.w[k], float(trace.b[k])) for k in chosen.tolist()]
    if is_newton:
        points = [rows.units.to_fit(*theirs.to_user(w, b)) for w, b in points]
    thetas = [np.append(w, b) for w, b in points]
    found = [(k, e) for k, e in zip(chosen.tolist(), map(objective.evaluate, thetas), strict=True) if e.finite]
    if not found:
        return None
    dL_dw, dL_db = np.array([e.gradient[:-1] for _, e in found]), np.array([e.gradient[-1] for _, e in found])
    if is_newton:  # levels, which no view standardises
        levels = ~columns & (moments.sd > 0)
        dL_dw[:, levels] = (dL_dw[:, levels] - np.outer(dL_db, moments.mean[levels])) / moments.sd[levels]
    return Gradients(
        epochs=trace.columns["epoch"].astype(np.int64)[[k for k, _ in found]],
        names=(*result.feature_names, "bias b"), dL_dw=dL_dw, dL_db=dL_db, method=result.method, standardized=is_newton,
        curvature=_curvature(objective, result) if result.method == "gradient-descent" else None, place=_place(result),
    )  # fmt: skip


def follows_batches(rows: Rows, result: Result) -> bool:
    """Tell a run whose updates follow the gradient of a few rows: where it goes, that of all rows says little."""
    return result.method == "sgd" and (result.batch_size or 1) < rows.n_visited


def points_for(rows: Rows) -> int:
    """Say how many points are worth their reads."""
    affordable = int(MOST_NUMBERS / (rows.n_rows * rows.n_features))
    return max(FEWEST_POINTS, min(MOST_POINTS, affordable))


def spread_points(trace: Trace, count: int) -> NDArray[np.intp]:
    """Choose at most `count` of the epochs kept, the first and the last among them, spread by powers."""
    epochs = trace.columns["epoch"].astype(np.float64)
    if len(epochs) <= count:
        return np.arange(len(epochs))
    wanted = np.expm1(np.linspace(np.log1p(epochs[0]), np.log1p(epochs[-1]), count))
    after = np.clip(np.searchsorted(epochs, wanted), 1, len(epochs) - 1)
    return np.unique(np.where(wanted - epochs[after - 1] < epochs[after] - wanted, after - 1, after))


def _curvature(objective: DataObjective, result: Result) -> Curvature | None:
    if objective.n_features > MOST_COLUMNS:
        return None
    hessian = objective.hessian(np.append(result.w_fit, result.b_fit))
    kept = slice(None if result.fit_intercept else -1)
    found = Curvature.of(hessian[kept, kept]) if np.isfinite(hessian).all() else None
    return found if found is not None and found.largest else None


def _place(result: Result) -> str:
    if result.certificate.kind == "bound" and result.certificate.gap <= NEAR_OPTIMUM:
        return AT_OPTIMUM
    return "where it ended" if result.epoch == result.n_epochs else "at the point returned"
