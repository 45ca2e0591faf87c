"""Maps of a model over two columns while it learns, with the other columns held at their means."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chainrule.data.rows import Rows, Units
from chainrule.fitting.result import Result
from chainrule.studies.learned.gradients import spread_points

Floats = NDArray[np.float64]

MAPS = 8
DRAWN_POINTS = 160
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
    if i == j or strength[j] < 0 or len(result.trace) < 2:
        return None
    return maps_over(rows, result, (i, j), moments.mean)


def maps_over(rows: Rows, result: Result, axes: tuple[int, int], mean: Floats) -> Maps:
    """Make maps over two columns (x, y); the others are held at their `mean` (n,)."""
    (i, j), units, trace = axes, Units(result.center, result.scale), result.trace
    chosen = spread_points(trace, MAPS, first=1)
    points = [units.to_user(trace.w[k], float(trace.b[k])) for k in chosen.tolist()]
    others = np.setdiff1d(np.arange(rows.n_features), axes)
    places, loss = _sample(rows, DRAWN_POINTS), np.where(trace.columns["share"] >= 1, trace.columns["loss"], np.nan)
    given = rows.numbers(places)
    return Maps(
        names=(result.feature_names[i], result.feature_names[j]), others=len(others),
        epochs=trace.columns["epoch"].astype(np.int64)[chosen], loss=loss[chosen],
        w=np.array([w[[i, j]] for w, _ in points]), b=np.array([b + float(w[others] @ mean[others]) for w, b in points]),
        x=given[:, i], y=given[:, j], label=rows.y[places].astype(np.float64), of=int(np.count_nonzero(rows.is_kept)),
        rows=rows.n_rows, x_range=_range(given[:, i]), y_range=_range(given[:, j]),
    )  # fmt: skip


def _sample(rows: Rows, count: int) -> NDArray[np.int64]:
    """Draw the places of about `count` rows of positive weight, each class by its share and at least one."""
    random, kept, found = np.random.Generator(np.random.PCG64(SEED)), np.flatnonzero(rows.is_kept), []
    for members in (kept[rows.y[kept] == c] for c in (0, 1)):
        share = max(1, round(min(1.0, count / len(kept)) * len(members)))
        found.append(random.choice(members, min(share, len(members)), replace=False))
    return np.sort(np.concatenate(found))


def _range(x: Floats) -> tuple[float, float]:
    """Choose an axis's range: that of the points drawn, and a margin."""
    low, high = float(x.min()), float(x.max())
    room = MARGIN * (high - low) or 1.0
    return low - room, high + room
