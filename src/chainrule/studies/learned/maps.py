"""Maps of a model over two columns while it learns, with the other columns held at their means."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chainrule.data.rows import Rows, Units
from chainrule.fitting.result import Result
from chainrule.solvers.trace import Trace

Floats = NDArray[np.float64]

MAPS = 8
LADDERS = ((1, 2, 5), (1, 3), (1,))  # times powers of ten: epochs to show, the finest that fits
NEAR_THE_LAST = 0.9  # of the last epoch: from here on another would show the same
DRAWN_POINTS = 80
LOOKED_AT = 5000  # rows, for the range of the axes
TAIL = 0.005  # of them, left out at each end of a column that has far-away values
MARGIN = 0.04
SEED = 0


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
        Mean log-loss then, over all training rows' own values; NaN where the epoch read a sample.
    w, b : (k, 2) and (k,)
    x, y, label : (p,)
        Points, and their classes 0 and 1: a stratified sample of the training rows.
    of, rows : int
        Training rows of positive weight, and all of them.
    x_range, y_range : (float, float)
        Of the axes.
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


def maps_of(rows: Rows, result: Result, numeric: NDArray[np.bool_]) -> Maps | None:
    """Make maps of what the run's model was after about eight of its epochs.

    Parameters
    ----------
    rows : Rows
        The training rows, in the user's units.
    result : Result
    numeric : (n,) bool
        Which columns are numbers.

    Returns
    -------
    Maps or None
        None with fewer than two numeric columns that vary, or without an epoch.
    """
    moments = rows.as_given().moments(correlations=False)
    strength = np.where(numeric & (moments.sd > 0), np.abs(result.w) * moments.sd, -1.0)
    i, j = (int(k) for k in np.argsort(-strength, kind="stable")[:2]) if len(strength) >= 2 else (0, 0)
    if i == j or strength[j] < 0 or not len(round_points(result.trace)):
        return None
    return maps_over(rows, result, (i, j), moments.mean)


def maps_over(rows: Rows, result: Result, axes: tuple[int, int], mean: Floats) -> Maps:
    """Make maps over two columns (x, y); the others are held at their `mean` (n,)."""
    (i, j), units, trace = axes, Units(result.center, result.scale), result.trace
    chosen = round_points(trace)
    points = [units.to_user(trace.w[k], float(trace.b[k])) for k in chosen.tolist()]
    others = np.setdiff1d(np.arange(rows.n_features), axes)
    places, loss = _sample(rows, DRAWN_POINTS), np.where(trace.columns["share"] >= 1, trace.columns["loss"], np.nan)
    given, wide = rows.numbers(places), rows.numbers(_sample(rows, LOOKED_AT))
    return Maps(
        names=(result.feature_names[i], result.feature_names[j]), others=len(others),
        epochs=trace.columns["epoch"].astype(np.int64)[chosen], loss=loss[chosen],
        w=np.array([w[[i, j]] for w, _ in points]), b=np.array([b + float(w[others] @ mean[others]) for w, b in points]),
        x=given[:, i], y=given[:, j], label=rows.y[places].astype(np.float64), of=int(np.count_nonzero(rows.is_kept)),
        rows=rows.n_rows, x_range=_range(wide[:, i]), y_range=_range(wide[:, j]),
    )  # fmt: skip


def round_points(trace: Trace) -> NDArray[np.intp]:
    """Choose at most `MAPS` epochs from 1 on, at round numbers, and the last; the nearest kept where the trace is thinned."""
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
    """Draw the places of about `count` rows of positive weight, each class by its share and at least one."""
    random, kept, found = np.random.Generator(np.random.PCG64(SEED)), np.flatnonzero(rows.is_kept), []
    for members in (kept[rows.y[kept] == c] for c in (0, 1)):
        share = max(1, round(min(1.0, count / len(kept)) * len(members)))
        found.append(random.choice(members, min(share, len(members)), replace=False))
    return np.sort(np.concatenate(found))


def _range(x: Floats) -> tuple[float, float]:
    """Choose an axis's range: all values, without far-away ones that would leave the others no room."""
    low, high = float(x.min()), float(x.max())
    inner = [float(v) for v in np.quantile(x, (TAIL, 1 - TAIL))]
    if inner[1] > inner[0] and high - low > 3 * (inner[1] - inner[0]):
        low, high = inner
    room = MARGIN * (high - low) or 1.0
    return low - room, high + room
