"""How a run learned: its progress, and gradients, maps and the loss surface from a few reads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chainrule.data.rows import Rows, Units
from chainrule.data.rows.moments import standardized
from chainrule.fitting.methods import METHODS
from chainrule.fitting.result import Result
from chainrule.losses import LOGISTIC
from chainrule.objective import DataObjective
from chainrule.penalties import ridge
from chainrule.solvers.trace import Trace
from chainrule.studies.curvature import Curvature
from chainrule.studies.progress import Progress, progress_of
from chainrule.studies.surface import Surface, Way, surface_of
from chainrule.training import Training

Floats = NDArray[np.float64]

NOISE = (
    "The columns’ shares of the gradient are not shown: each step of mini-batches follows the gradient of a few rows, and the "
    "gradient of all rows soon shows mostly the noise of the last batches"
)
NO_MAP = "A map needs two columns of numbers that vary; the model has fewer"
MOST_POINTS = 60  # each is a read of the data
FEWEST_POINTS = 12
MOST_NUMBERS = 2e9  # numbers read for all points together: a few seconds
MOST_COLUMNS = 500  # with more, the eigenvalues of a Hessian take too long
MAPS = 8
LADDERS = ((1, 2, 5), (1, 3), (1,))  # times powers of ten: epochs to show, by the finest ladder that fits
NEAR_THE_LAST = 0.9  # share of the last epoch, from which on another map would look the same
DRAWN_POINTS = 80
LOOKED_AT = 5000  # rows that set the range of the axes
TAIL = 0.005  # share of them left out at each end of a column with outliers
MARGIN = 0.04


@dataclass(frozen=True)
class Learned:
    """Progress from the trace; gradients, maps and the loss surface, each None if there is nothing to show.

    notes : why something is not shown.
    """

    progress: Progress
    gradients: Gradients | None = None
    maps: Maps | None = None
    surface: Surface | None = None
    notes: tuple[str, ...] = ()


def learned_by(training: Training) -> Learned:
    """Find how a training run learned, with a few reads of its rows."""
    rows, result = training.prepared.training_rows(training.result.threads), training.result
    maps = maps_of(rows, result)
    by_batches = (result.batch_size or rows.n_visited) < rows.n_visited
    notes = [NOISE] * by_batches + [NO_MAP] * (maps is None)
    return Learned(
        progress_of(result, training.deviations), None if by_batches else gradients_of(rows, result), maps,
        surface_under(rows, result), tuple(notes) if len(result.trace) > 1 else (),
    )  # fmt: skip


# --- gradients


@dataclass(frozen=True)
class Gradients:
    """The gradient of F at points of a run's path, each from a read of all training rows.

    Attributes
    ----------
    epochs : (k,) int64
    names : tuple of str, length n + 1
        Names of the columns; the last is the bias.
    dL : (k, n + 1)
        dL_dw and dL_db, penalty included, nats per unit.
    standardized : bool
        Whether these are units of standardised numbers, as the path is the same in all units; else they are the fit's.
    limit : float, optional
        2/lambda_max of the Hessian of F at the returned point, the largest rate that is stable there: for gradient
        descent, with up to 500 columns.
    """

    epochs: NDArray[np.int64]
    names: tuple[str, ...]
    dL: Floats
    standardized: bool = False
    limit: float | None = None


def gradients_of(rows: Rows, result: Result) -> Gradients | None:
    """Read the training rows again at points of the run's path, from its first to its last, spaced by powers.

    Parameters
    ----------
    rows : Rows
        The training rows, in the user's units.
    result : Result

    Returns
    -------
    Gradients or None
        None if the run has no epoch after its start.
    """
    trace = result.trace
    if len(trace) < 2:
        return None
    objective, points = comparable(rows, result)
    affordable = np.clip(MOST_NUMBERS / (rows.n_rows * rows.n_features), FEWEST_POINTS, MOST_POINTS)
    chosen = spread_points(trace, int(affordable))
    found = [(k, e) for k, e in zip(chosen, map(objective.evaluate, points[chosen]), strict=True) if e.finite]
    epochs = trace.columns["epoch"].astype(np.int64)[[k for k, _ in found]]
    dL, is_scale_free = np.array([e.gradient for _, e in found]), METHODS[result.method].is_scale_free
    return Gradients(epochs, (*result.feature_names, "bias b"), dL, is_scale_free, _limit(objective, result))


def comparable(rows: Rows, result: Result) -> tuple[DataObjective, Floats]:
    """Return F and a run's path (k, n + 1), in the fit's units; Newton's, the same in all units, for standardised numbers."""
    rows, theirs, trace = rows.as_given(), Units(result.center, result.scale), result.trace
    points, is_scale_free = np.column_stack([trace.w, trace.b]), METHODS[result.method].is_scale_free
    if not is_scale_free:
        rows = rows.see(theirs)
    elif rows.design.numeric.any():
        rows = standardized(rows, rows.design.numeric) if rows.design.csr is None else _scaled(rows)
    penalty = ridge(result.alpha, rows.n_features).in_units(theirs.scale / rows.units.scale)
    if is_scale_free:
        points = np.array([np.append(*rows.units.to_fit(*theirs.to_user(p[:-1], p[-1]))) for p in points])
    return DataObjective(rows, penalty, result.fit_intercept), points


def _scaled(rows: Rows) -> Rows:
    """Divide the columns by their deviations; centring would fill a sparse matrix."""
    sd = rows.moments(correlations=False).sd
    return rows.see(Units(np.zeros(rows.n_features), np.where(sd > 0, sd, 1.0)))


def spread_points(trace: Trace, count: int) -> NDArray[np.intp]:
    """Choose at most `count` of the kept epochs, including the first and the last, spaced by powers."""
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


# --- the loss surface


def surface_under(rows: Rows, result: Result) -> Surface | None:
    """Compute F around a run's path; rows : the training rows, in the user's units.

    None if the path leads nowhere, and for a loss or a penalty that isn't the usual one.
    """
    usual = result.loss + 0.5 * result.alpha * float(result.w_fit @ result.w_fit)
    if len(result.trace) < 2 or result.loss_name != LOGISTIC.name or not np.isclose(usual, result.objective, rtol=1e-6):
        return None
    objective, points = comparable(rows, result)
    method, epochs = METHODS[result.method], result.trace.columns["epoch"].astype(np.int64)
    way = Way.of(method.title, epochs, points[:, :-1], points[:, -1], method.by_reads)
    return surface_of(objective, result.feature_names, [way], exists=result.certificate.kind in ("bound", "reduced"))


# --- maps


@dataclass(frozen=True)
class Maps:
    """z = w_x x + w_y y + b after some epochs, in the user's units, for the two strongest numeric columns.

    Attributes
    ----------
    names : (str, str)
        The columns on the axes.
    others : int
        How many columns are held at their means, which are in b.
    epochs : (k,) int64
    loss : (k,)
        Mean log-loss at that epoch over all training rows, with all their columns; NaN if the epoch read a sample.
    w, b : (k, 2) and (k,)
    x, y, label : (p,)
        Points, and their classes 0 and 1: a stratified sample of the training rows.
    of, rows : int
        Number of training rows of positive weight, and of all training rows.
    x_range, y_range : (float, float)
        Ranges of the axes.
    """

    names: tuple[str, str]
    others: int
    epochs: NDArray[np.int64]
    loss: Floats
    w: Floats
    b: Floats
    x: Floats
    y: Floats
    label: Floats
    of: int
    rows: int
    x_range: tuple[float, float]
    y_range: tuple[float, float]


def maps_of(rows: Rows, result: Result) -> Maps | None:
    """Make maps of the model after about eight epochs of the run.

    Parameters
    ----------
    rows : Rows
        The training rows, in the user's units.
    result : Result

    Returns
    -------
    Maps or None
        None with fewer than two numeric columns that vary, or without an epoch.
    """
    moments = rows.as_given().moments(correlations=False)
    strength = np.where(rows.design.numeric & (moments.sd > 0), np.abs(result.w) * moments.sd, -1.0)
    axes = np.argsort(-strength, kind="stable")[:2].tolist()
    if len(axes) < 2 or strength[axes[1]] < 0 or not len(round_points(result.trace)):
        return None
    return maps_over(rows, result, (axes[0], axes[1]), moments.mean)


def maps_over(rows: Rows, result: Result, axes: tuple[int, int], mean: Floats) -> Maps:
    """Make maps over two columns (x, y); the others are held at their `mean` (n,)."""
    (i, j), units, trace = axes, Units(result.center, result.scale), result.trace
    chosen = round_points(trace)
    points = [units.to_user(trace.w[k], float(trace.b[k])) for k in chosen.tolist()]
    others = np.setdiff1d(np.arange(rows.n_features), axes)
    places, loss = _sample(rows, DRAWN_POINTS), np.where(trace.columns["share"] >= 1, trace.columns["loss"], np.nan)
    given, wide = (rows.numbers(some, np.array(axes)) for some in (places, _sample(rows, LOOKED_AT)))
    return Maps(
        names=(result.feature_names[i], result.feature_names[j]), others=len(others),
        epochs=trace.columns["epoch"].astype(np.int64)[chosen], loss=loss[chosen],
        w=np.array([w[[i, j]] for w, _ in points]), b=np.array([b + float(w[others] @ mean[others]) for w, b in points]),
        x=given[:, 0], y=given[:, 1], label=rows.y[places].astype(np.float64), of=int(np.count_nonzero(rows.is_kept)),
        rows=rows.n_rows, x_range=_range(wide[:, 0]), y_range=_range(wide[:, 1]),
    )  # fmt: skip


def round_points(trace: Trace) -> NDArray[np.intp]:
    """Choose at most `MAPS` epochs from 1 on, at round numbers, and the last; in a thinned trace, the nearest kept epochs."""
    epochs = trace.columns["epoch"].astype(np.int64)
    inside = np.flatnonzero(epochs >= 1)
    if len(inside) <= MAPS:
        return inside
    last = int(epochs[-1])
    for ladder in LADDERS:
        steps = [step * 10**k for k in range(len(str(last))) for step in ladder]
        wanted = [epoch for epoch in steps if epoch < NEAR_THE_LAST * last] + [last]
        if len(wanted) <= MAPS:
            break
    if len(wanted) < MAPS and 2 in wanted and last > 3:  # the first epochs change the most
        wanted = sorted({*wanted, 3})
    nearest = [inside[np.argmin(np.abs(epochs[inside] - epoch))] for epoch in wanted[-MAPS:]]
    return np.unique(nearest)


def _sample(rows: Rows, count: int) -> NDArray[np.int64]:
    """Sample about `count` rows of positive weight, each class by its share but at least one row; return their places."""
    random, kept, found = np.random.default_rng(0), np.flatnonzero(rows.is_kept), []
    for members in (kept[rows.y[kept] == c] for c in (0, 1)):
        share = max(1, round(min(1.0, count / len(kept)) * len(members)))
        found.append(random.choice(members, min(share, len(members)), replace=False))
    return np.sort(np.concatenate(found))


def _range(x: Floats) -> tuple[float, float]:
    """Choose an axis's range: all values except outliers that would squeeze the others together."""
    low, high = float(x.min()), float(x.max())
    inner = [float(v) for v in np.quantile(x, (TAIL, 1 - TAIL))]
    if inner[1] > inner[0] and high - low > 3 * (inner[1] - inner[0]):
        low, high = inner
    room = MARGIN * (high - low) or 1.0
    return low - room, high + room
