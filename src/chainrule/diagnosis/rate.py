"""The largest stable learning rate, computed before training; for mini-batches, a rate proven to be stable."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from chainrule.data.rows import Moments, Units


def expected_smoothness(curvature: float, of_row: float, rows: int, batch: int) -> float:
    """Compute the smoothness E of mini-batches: F's curvature if a batch is all rows, the steepest row's if it is one row.

    With M > 1 rows, batches of B <= M rows, curvature L of F and L_i of row i:

        E = (M (B - 1))/(B (M - 1)) L + (M - B)/(B (M - 1)) max L_i

    (Gower et al. 2019, SGD: General Analysis and Improved Rates, proposition 3.8, sampling without replacement). A rate of
    1/(2 E) brings w, b in mean square to the optimum, up to the noise there (theorem 3.1). Up to 2/E, two runs on the same
    batches, each batch drawn anew, never move apart in mean square (docs/decisions/0011).

    Parameters
    ----------
    curvature : float
        `largest_curvature`.
    of_row : float
        max L_i, where F is the mean of f_i: (M s_i/(4 S)) |x~_i|^2 + alpha.
    """
    whole = rows * (batch - 1) / (batch * (rows - 1))
    return whole * min(curvature, of_row) + (rows - batch) / (batch * (rows - 1)) * of_row


def largest_curvature(
    moments: Moments,
    units: Units,
    ridge: float | NDArray[np.float64] = 0.0,
    fit_intercept: bool = True,
    of_loss: float = 0.25,
) -> float:
    """Compute L_max = lambda_max of (B2/S) X~'SX~ + diag(ridge, 0), never too small.

    Since d2L_dz2 <= B2 this bounds the Hessian everywhere, so w <- w - rate dF/dw with a rate below 2/L_max never
    raises F (Nesterov 2004, Introductory Lectures on Convex Optimization, theorem 2.1.14). All eigenvalues are computed,
    because power iteration approaches lambda_max from below and proves nothing; above `rows.MAX_MATRIX_COLUMNS` columns
    the trace bounds it.

    Parameters
    ----------
    moments : Moments
        Of the user's columns.
    units : Units
        The fit's columns, for which the bound holds.
    ridge : float or (n,)
        Second derivatives of the penalty.
    of_loss : float
        B2: 1/4 for the logistic loss.
    """
    mean, sd = (moments.mean - units.center) / units.scale, moments.sd / units.scale
    n = len(mean)
    with np.errstate(over="ignore", invalid="ignore"):
        if moments.correlation is None:
            bound = of_loss * (float((sd**2 + mean**2).sum()) + fit_intercept) + float(np.max(ridge))
        else:
            mean = np.append(mean, 1.0)
            matrix = of_loss * np.outer(mean, mean)
            matrix[:n, :n] += of_loss * (moments.correlation * np.outer(sd, sd))
            matrix[np.arange(n), np.arange(n)] += ridge
            matrix = matrix if fit_intercept else matrix[:n, :n]
            bound = float(np.linalg.eigvalsh(matrix)[-1]) if np.isfinite(matrix).all() else np.inf
    if not np.isfinite(bound):
        return bound
    # Rounded up to 24 bits: this covers the eigenvalues' rounding, and hides differences between LAPACKs in the last bits.
    mantissa, exponent = np.frexp(bound)
    return float(np.ldexp(np.ceil(mantissa * 2**24 + 1) / 2**24, exponent))
