"""Measures how well log-odds z predict classes y; from z, because probabilities are rounded."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from chainrule.errors import InputError
from chainrule.losses import LOGISTIC

Floats = npt.NDArray[np.float64]


def log_loss(z: npt.ArrayLike, y: npt.ArrayLike, weight: npt.ArrayLike | None = None) -> float:
    """Mean log-loss (binary cross-entropy) in nats.

    L = (1/S) sum s log(1 + exp((1 - 2y) z)), S = sum s.

    Parameters
    ----------
    z : (m,) float64
        Log-odds of class 1, not NaN; infinite ones give 0 or inf.
    y : (m,) of 0 and 1
    weight : (m,), optional
        s, finite, 0 or more, not all 0; rows of weight 0 don't count, whatever their z.
    """
    z, y, s = _of_weight(z, y, weight)
    return float(np.average(LOGISTIC.value(z, y), weights=s))


def auc(z: npt.ArrayLike, y: npt.ArrayLike, weight: npt.ArrayLike | None = None) -> float | None:
    """Area under the ROC curve: the chance that a row of class 1 has a larger z than one of class 0; ties count half.

    AUC = sum over pairs s_i s_j [z_i > z_j] + [z_i = z_j] / 2, over sum s_i s_j; i of class 1, j of class 0.
    The weighted Mann-Whitney statistic (Hanley and McNeil 1982, Radiology 143, 29-36), by sorting each class.

    Parameters: as `log_loss`. Returns a float from 0 to 1, or None if only one class has weight.
    """
    z, y, s = _of_weight(z, y, weight)
    ones, of_ones = _in_order(z, s, y > 0)
    zeros, of_zeros = _in_order(z, s, y <= 0)
    below = np.append(0.0, np.cumsum(of_zeros))  # weight of class 0 before each of its rows, then of all
    total = float(np.sum(of_ones)) * below[-1]
    if total == 0.0:
        return None
    wins = below[np.searchsorted(zeros, ones)] + below[np.searchsorted(zeros, ones, side="right")]
    return min(float(np.sum(of_ones * wins) / 2 / total), 1.0)


def _in_order(z: Floats, s: Floats | None, which: npt.NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Return the z of some rows, ascending, and their weights; without weights the sort is several times faster."""
    z = z[which]
    if s is None:
        return np.sort(z), np.ones_like(z)
    order = np.argsort(z)
    return z[order], s[which][order]


def figures(z: Floats, y: Floats, weight: Floats | None = None) -> dict[str, Any]:
    """Measure how well log-odds z predict y: loss, accuracy, AUC, and the same for predicting the base rate for every row.

    A row's class is 1 if z > 0, 0 if z <= 0. base_rate: the weighted share of class 1 among these rows. confusion counts rows,
    not weights. Parameters: as `log_loss`.
    """
    told, true = z > 0.0, y > 0.0
    both, called, ones = (int(np.count_nonzero(rows)) for rows in (told & true, told, true))
    kept_z, kept_y, s = _of_weight(z, y, weight)
    p = float(np.average(kept_y, weights=s))
    return {
        "rows": len(y),
        "loss": log_loss(z, y, weight),
        "accuracy": float(np.average((kept_z > 0.0) == (kept_y > 0.0), weights=s)),
        "auc": auc(z, y, weight),
        "base_rate": p,
        "base_loss": -p * math.log(p) - (1.0 - p) * math.log1p(-p) if 0.0 < p < 1.0 else 0.0,
        "base_accuracy": max(p, 1.0 - p),
        "confusion": {
            "true_positive": both,
            "false_positive": called - both,
            "true_negative": len(y) - ones - called + both,
            "false_negative": ones - both,
        },
    }


def _of_weight(
    z: npt.ArrayLike, y: npt.ArrayLike, weight: npt.ArrayLike | None
) -> tuple[Floats, Floats, Floats | None]:
    """Return z, y and weights of the rows of positive weight; weights are scaled so that no sum or product overflows."""
    z, y = np.asarray(z, dtype=np.float64), np.asarray(y, dtype=np.float64)
    s = None if weight is None else np.asarray(weight, dtype=np.float64)
    if not (len(y) if s is None else (s > 0.0).any()):
        raise InputError("every row has weight 0: there is nothing to measure")
    if s is None:
        return z, y, None
    # a power of two: exact but for weights 2^-1000 below the largest
    s = np.ldexp(s, -int(np.frexp(s.max())[1]))
    kept = s > 0.0
    return z[kept], y[kept], s[kept]
