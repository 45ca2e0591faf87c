"""Why a run is as it is: the largest stable learning rate, and runs that diverge, oscillate or crawl."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from chainrule.rows import Moments, Units

Vector = NDArray[np.float64]


def largest_curvature(moments: Moments, units: Units, alpha: float = 0.0, fit_intercept: bool = True) -> float:
    """L_max = lambda_max of (1/(4S)) X~'SX~ + alpha diag(1, .., 1, 0), never too small.

    Since g (1 - g) <= 1/4 this bounds the Hessian everywhere, so w <- w - rate dF/dw with a rate below 2/L_max never
    raises F (Nesterov 2004, Introductory Lectures on Convex Optimization, theorem 2.1.14). All eigenvalues are computed,
    because power iteration approaches from below and proves nothing; above `rows.MAX_MATRIX_COLUMNS` columns the trace
    bounds them.

    Parameters
    ----------
    moments : Moments
        Of the user's columns.
    units : Units
        The fit's columns, for which the bound holds.
    """
    mean = (moments.mean - units.center) / units.scale
    sd = moments.sd / units.scale
    if moments.correlation is None:
        with np.errstate(over="ignore"):
            square = sd**2 + mean**2
        bound = 0.25 * (float(square.sum()) + (1.0 if fit_intercept else 0.0)) + alpha
    else:
        n = len(mean)
        matrix = np.zeros((n + 1, n + 1))
        with np.errstate(over="ignore", invalid="ignore"):
            matrix[:n, :n] = 0.25 * (moments.correlation * np.outer(sd, sd) + np.outer(mean, mean))
        matrix[np.diag_indices(n)] += alpha
        if fit_intercept:
            matrix[n, :n] = matrix[:n, n] = 0.25 * mean
            matrix[n, n] = 0.25
        if not np.isfinite(matrix).all():
            return float(np.inf)
        bound = float(np.linalg.eigvalsh(matrix)[-1])
    if not np.isfinite(bound):
        return bound
    # Rounded up to 24 bits: covers the eigenvalues' rounding, and hides the last bits of another LAPACK.
    mantissa, exponent = np.frexp(bound)
    return float(np.ldexp(np.ceil(mantissa * 2**24 + 1) / 2**24, exponent))


def epochs_needed(grad_norms: Vector, tol: float) -> float:
    """Estimate epochs still needed until the gradient is at most `tol`, from the rate seen: inf where it doesn't shrink.

    Fits log |grad| against k (a geometric rate) and against log k (a power, as on separated data) over the last half
    of the epochs, takes the better fit and extends it.
    """
    done = len(grad_norms)
    if done < 8 or grad_norms[-1] <= tol:
        return float(np.inf) if done < 8 else 0.0
    first = done // 2
    k = np.arange(first, done, dtype=np.float64)
    norms = grad_norms[first:]
    if not (np.isfinite(norms).all() and (norms > 0).all()):
        return float(np.inf)
    log_norm = np.log(norms)
    fits = []
    for x in (k, np.log(k + 1.0)):
        slope, level = np.polyfit(x, log_norm, 1)
        fits.append((float(np.square(log_norm - slope * x - level).sum()), float(slope)))
    log_ratio = float(np.log(tol / norms[-1])) if tol > 0 else -np.inf
    (error_geometric, rate), (error_power, power) = fits
    if error_geometric <= error_power:
        return log_ratio / rate if rate < 0 else float(np.inf)
    with np.errstate(over="ignore"):
        return float(done * np.expm1(log_ratio / power)) if power < 0 else float(np.inf)


@dataclass
class RunMonitor:
    """Watches a run's objective, epoch by epoch, and names what it does: "", "oscillating" or "diverging".

    Diverging: the largest objective of the last ten epochs is twice that of the ten before, three times in a row, and
    twice the start's; or the objective is no longer finite. Oscillating: it rose in five of the last twenty epochs by
    more than rounding.
    """

    objectives: list[float] = field(default_factory=list)
    grad_norms: list[float] = field(default_factory=list)
    _rises: list[bool] = field(default_factory=list)
    _doublings: int = 0

    def watch(self, objective: float, grad_norm: float) -> str:
        """Add an epoch; says what the run does now."""
        previous = self.objectives[-1] if self.objectives else objective
        self.objectives.append(objective)
        self.grad_norms.append(grad_norm)
        self._rises.append(objective > previous + 1e-12 * (1.0 + abs(previous)))
        if not np.isfinite(objective):
            return "diverging"
        values = self.objectives
        if len(values) >= 20 and len(values) % 10 == 0:
            recent, before = max(values[-10:]), max(values[-20:-10])
            doubled = recent > 2 * before and recent > 2 * values[0]
            self._doublings = self._doublings + 1 if doubled else 0
        if self._doublings >= 3:
            return "diverging"
        return "oscillating" if sum(self._rises[-20:]) >= 5 else ""
