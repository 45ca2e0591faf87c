"""Measures how well log-odds z predict classes y; from z, because probabilities are rounded."""

import numpy as np
import numpy.typing as npt

from chainrule.errors import InputError
from chainrule.losses import LOSSES

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
    return float(np.sum(s * LOSSES["logistic"].value(z, y)) / np.sum(s))


def accuracy(z: npt.ArrayLike, y: npt.ArrayLike, weight: npt.ArrayLike | None = None) -> float:
    """Weighted share of rows whose class is the predicted one: class 1 if z > 0, class 0 if z <= 0.

    Parameters: as `log_loss`. Returns a float from 0 to 1.
    """
    z, y, s = _of_weight(z, y, weight)
    return float(np.sum(s * ((z > 0) == (y > 0))) / np.sum(s))


def auc(z: npt.ArrayLike, y: npt.ArrayLike, weight: npt.ArrayLike | None = None) -> float | None:
    """Area under the ROC curve: the chance that a row of class 1 has a larger z than one of class 0; ties count half.

    AUC = sum over pairs s_i s_j [z_i > z_j] + [z_i = z_j] / 2, over sum s_i s_j; i of class 1, j of class 0.
    The weighted Mann-Whitney statistic (Hanley and McNeil 1982, Radiology 143, 29-36), from one sort.

    Parameters: as `log_loss`. Returns a float from 0 to 1, or None if only one class has weight.
    """
    z, y, s = _of_weight(z, y, weight)
    order = np.argsort(z)
    z, y, s = z[order], y[order] > 0, s[order]
    below = np.append(0.0, np.cumsum(s[~y]))  # weight of class 0 before each of its rows, then of all
    total = float(np.sum(s[y])) * below[-1]
    if total == 0.0:
        return None
    zeros, ones = z[~y], z[y]
    wins = below[np.searchsorted(zeros, ones)] + below[np.searchsorted(zeros, ones, side="right")]
    return min(float(np.sum(s[y] * wins) / 2 / total), 1.0)


def base_rate_log_loss(
    y: npt.ArrayLike, weight: npt.ArrayLike | None = None, *, base_rate: float | None = None
) -> float:
    """Log-loss of predicting the same probability p for every row: what a model must beat.

    L = -(1/S) sum s (y log p + (1 - y) log(1 - p)); 0 log 0 is 0.

    Parameters
    ----------
    y, weight
        As `log_loss`.
    base_rate : float, optional
        p, for instance of the training rows; by default the weighted share of class 1 among these rows.

    Returns
    -------
    float
        inf if p is 0 or 1 and some row has the other class.
    """
    _, y, s = _of_weight(np.zeros(np.shape(y)), y, weight)
    share = float(np.sum(s * y) / np.sum(s))
    p = share if base_rate is None else base_rate
    with np.errstate(divide="ignore"):
        of_one = 0.0 if share == 0.0 else -share * float(np.log(p))
        of_zero = 0.0 if share == 1.0 else -(1.0 - share) * float(np.log1p(-p))
    return of_one + of_zero


def _of_weight(z: npt.ArrayLike, y: npt.ArrayLike, weight: npt.ArrayLike | None) -> tuple[Floats, Floats, Floats]:
    """Return z, y and weights of the rows of positive weight; weights are scaled so that no sum or product overflows."""
    z, y = np.asarray(z, dtype=np.float64), np.asarray(y, dtype=np.float64)
    s = np.ones_like(y) if weight is None else np.asarray(weight, dtype=np.float64)
    counts = s > 0.0
    if not counts.any():
        raise InputError("every row has weight 0: there is nothing to measure")
    # a power of two: exact but for weights 2^-1000 below the largest
    s = np.ldexp(s, -int(np.frexp(s.max())[1]))
    return (z, y, s) if counts.all() else (z[counts], y[counts], s[counts])
