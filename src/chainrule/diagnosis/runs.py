"""Detect runs that diverge, oscillate, crawl or hover, and estimate the epochs they still need."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

LEAST_TREND = 20  # epochs that a trend needs
MOST_RECENT = 100  # last epochs that describe what a run does now
NEVER = 10**15  # epochs
# Ratios of the gap by the Hessian's parabola to the true gap.
FAR_BELOW = 0.3  # above this ratio the parabola's estimate of the epochs is used
NEAR_ENOUGH = 0.55  # above this ratio that estimate is right within a factor of 1.5
FORETOLD = 1.25  # largest factor by which a trend may miss the epochs already run and still be believed


def epochs_by_curvature(hessian: Matrix, gradient: Vector, rate: float, tol: float) -> float:
    """Estimate the epochs of gradient descent until F - F* <= tol if the Hessian stays constant; inf if never.

    In the Hessian's eigenvectors q_i a step multiplies the gradient's parts by 1 - rate lambda_i (Nocedal and Wright 2006,
    Numerical Optimization, section 3.3), so that after k steps F - F* is sum_i (q_i.gradient)^2/(2 lambda_i)
    (1 - rate lambda_i)^(2k). If the gradient has more than rounding along directions without curvature, the answer is never.

    Parameters
    ----------
    hessian, gradient
        (n, n) and (n,), in one set of units.
    """
    curvature, vectors = np.linalg.eigh(hessian)
    seen = curvature > 1e-14 * curvature[-1]
    if np.abs(vectors[:, ~seen].T @ gradient).max(initial=0.0) > 1e-8 * np.abs(gradient).max(initial=0.0):
        return float(np.inf)
    curvature, vectors = curvature[seen], vectors[:, seen]
    with np.errstate(over="ignore"):  # a run that diverges never reaches tol
        parts = np.square(vectors.T @ gradient) / (2.0 * curvature)
        factor = np.square(1.0 - rate * curvature)

    def is_reached(k: int) -> bool:
        with np.errstate(over="ignore", invalid="ignore"):
            return float(parts @ factor**k) <= tol

    epochs = bisect_left(range(NEVER), True, lo=1, key=is_reached)
    step = 10.0 ** max(0.0, np.floor(np.log10(epochs)) - 2)  # three digits: it is an estimate
    return float(np.ceil(epochs / step) * step) if epochs < NEVER else float(np.inf)


def epochs_by_trend(epochs: Vector, gaps: Vector, tol: float) -> float:
    """Estimate the epochs still needed until the gap is at most `tol`, at the rate so far; inf if it doesn't shrink.

    Fits log gap against k (a geometric rate) and against log k (a power, as on separated data) over the last half of
    the epochs, takes the better fit and extends it.
    """
    half = epochs >= epochs[-1] / 2
    k, gaps = epochs[half].astype(np.float64), gaps[half]
    if len(k) < 4 or tol <= 0 or not (np.isfinite(gaps).all() and (gaps > 0).all()):
        return float(np.inf)
    if gaps[-1] <= tol:
        return 0.0
    log_ratio = float(np.log(tol / gaps[-1]))
    rate, error_geometric = _line(k, np.log(gaps))
    power, error_power = _line(np.log(k + 1.0), np.log(gaps))
    if error_geometric <= error_power:
        return log_ratio / rate if rate < 0 else float(np.inf)
    with np.errstate(over="ignore"):
        return float(k[-1] * np.expm1(log_ratio / power)) if power < 0 else float(np.inf)


def _line(x: Vector, y: Vector) -> tuple[float, float]:
    """Return the slope of the least squares line, and the sum of its squared residuals."""
    slope, level = np.polyfit(x, y, 1)
    return float(slope), float(np.square(y - slope * x - level).sum())


def trend_foretells(epochs: Vector, gaps: Vector, more: float) -> bool:
    """Whether the same kind of forecast, made earlier in the run and as far ahead, would have been right.

    A forecast of R times the epochs run, R at least 2, is believed if the trend of the first 1/R of them predicts the epoch at
    which the gap reached its last value, within a factor of 1.25. On separated data, early trends mislead until the rows'
    margins are far apart.

    Parameters
    ----------
    epochs, gaps : (k,)
    more : float
        The forecast: `epochs_by_trend` of the run.
    """
    last = float(epochs[-1])
    if not np.isfinite(more) or last <= 0:
        return False
    early = epochs <= last / max(2.0, (last + more) / last)
    told = float(epochs[early][-1]) + epochs_by_trend(epochs[early], gaps[early], float(gaps[-1]))
    return bool(np.count_nonzero(early) >= LEAST_TREND and last / FORETOLD <= told <= last * FORETOLD)


def epochs_left(
    epochs: Vector, gaps: Vector, tol: float, rate: float, near: tuple[Matrix, Vector] | None, *, tested: bool = False
) -> float:
    """Estimate the epochs of gradient descent until the gap is at most `tol`; inf if never, NaN if unknown.

    The Hessian at the optimum gives the estimate if its parabola is about as high as F. If the parabola is far below, F still
    falls as a power of the epochs; then the larger of both estimates, by parabola and by trend, is returned.

    Parameters
    ----------
    epochs, gaps : (k,)
        The run's.
    near : pair, optional
        Hessian at the optimum, and the last point minus the optimum.
    tested : bool
        Believe the parabola only if it is more than about half as high as F, and a trend only if `trend_foretells` is true;
        otherwise NaN.
    """
    by_trend = epochs_by_trend(epochs, gaps, tol) if len(epochs) >= LEAST_TREND else float("nan")
    if tested and not trend_foretells(epochs, gaps, by_trend):
        by_trend = float("nan")
    if near is None:
        return by_trend
    hessian, apart = near
    with np.errstate(over="ignore", invalid="ignore"):  # a diverged run may overflow
        gradient = hessian @ apart
        by_curvature = epochs_by_curvature(hessian, gradient, rate, tol)
        parabola = 0.5 * float(apart @ gradient)
    if parabola > (NEAR_ENOUGH if tested else FAR_BELOW) * gaps[-1] or (np.isnan(by_trend) and not tested):
        return by_curvature
    return float(np.maximum(by_curvature, by_trend))  # NaN if the trend is NaN


@dataclass
class Monitor:
    """Watches a run, epoch by epoch.

    If `unbounded`, a run diverges when F is more than ten times its start. The loop itself ends a run whose F is not finite.

    Parameters
    ----------
    unbounded : bool
        The rate times alpha is above 2, so each step multiplies w by more than 1 and the run can diverge. Otherwise it can
        only oscillate, since the log-loss's gradient is bounded.
    count, gaps
        Epochs watched, and the gaps of the last ones; start : the first one's objective.
    """

    unbounded: bool = False
    count: int = 0
    gaps: deque[float] = field(default_factory=lambda: deque(maxlen=MOST_RECENT + 1))
    start: float = np.nan

    def diverges(self, objective: float, gap: float) -> bool:
        """Add an epoch; return whether the run diverges."""
        self.start = self.start if self.count else objective
        self.gaps.append(gap)
        self.count += 1
        return self.unbounded and objective > 10.0 * (1.0 + abs(self.start))


@dataclass
class RunMonitor(Monitor):
    """Names what a run does: "", "crawling", "oscillating" or "diverging".

    Parameters
    ----------
    stable : bool
        The rate is at most 2/L_max, so F can't rise by more than rounding, and the run can only crawl.
    tol, max_steps
        The gap at which the run should end, and its limit of epochs; used for "crawling".

    Oscillating: at least a quarter of the last twenty steps, and at least two, raised the objective; or none of the last twenty
    epochs is below the twenty before. Crawling: a fifth of the epochs, and at least a hundred, are over, and at the rate of the
    last sixty the gap needs `needed` more, over three times those that are left; rates slow down, so even more will be needed.
    """

    stable: bool = True
    tol: float = 0.0
    max_steps: int = 0
    needed: float = np.inf
    _values: deque[float] = field(default_factory=lambda: deque(maxlen=40))

    def watch(self, objective: float, gap: float) -> str:
        """Add an epoch; return what the run does now."""
        self._values.append(objective)
        if self.diverges(objective, gap):
            return "diverging"
        if self.stable or self.unbounded:
            return "crawling" if self.stable and self._is_crawling() else ""
        values = list(self._values)
        rises = [after > before + 1e-12 * (1.0 + abs(before)) for before, after in pairwise(values[-21:])]
        stuck = len(values) == 40 and min(values[20:]) >= min(values[:20]) * (1.0 - 1e-14)
        return "oscillating" if stuck or sum(rises) >= max(2, len(rises) / 4) else ""

    def _is_crawling(self) -> bool:
        done = self.count - 1
        if not max(100, self.max_steps / 5) <= done < self.max_steps:
            return False
        gaps = list(self.gaps)[-61:]
        if not 0 < self.tol < gaps[-1] < np.inf > gaps[0]:
            return False
        slope = np.log(gaps[-1] / gaps[0]) / (len(gaps) - 1) if gaps[0] > 0 else 0.0
        self.needed = float(np.log(self.tol / gaps[-1]) / slope) if slope < 0 else np.inf
        return self.needed > 3 * (self.max_steps - done)


@dataclass
class NoiseMonitor(Monitor):
    """Names what a run of mini-batches does, whose F always goes up and down: "", "hovering" or "diverging".

    Hovering: over the last half of the epochs, at least 10 and at most 100, the least squares line through the logarithm of the
    gap has a slope that is not below zero by two standard errors. `unbounded` only if the rate is constant.
    """

    def watch(self, objective: float, gap: float) -> str:
        """Add an epoch; return what the run does now."""
        return "diverging" if self.diverges(objective, gap) else "hovering" if self.hovers else ""

    def go_on(self, gaps: Vector, count: int, start: float) -> None:
        """Continue as if the earlier run had been watched here."""
        self.count, self.start = count, start
        self.gaps.extend(gaps.tolist())

    def after(self, count: int) -> Vector:
        """Return the last gaps as they were after `count` epochs; at most one more epoch has been watched since."""
        return np.array(self.gaps)[: len(self.gaps) - (self.count - count)][-MOST_RECENT:]

    @property
    def recent(self) -> Vector:
        """Gaps of the last half of the epochs."""
        return np.array(self.gaps)[-min(max(10, self.count // 2), MOST_RECENT) :]

    @property
    def hovers(self) -> bool:
        """Whether these gaps no longer fall."""
        gaps = self.recent
        if self.count < LEAST_TREND or not (np.isfinite(gaps).all() and (gaps > 0).all()):
            return False
        slope, squares = _line(np.arange(float(len(gaps))), np.log(gaps))
        k = len(gaps)
        return bool(slope > -2.0 * np.sqrt(squares / (k - 2) * 12.0 / (k * (k * k - 1.0))))
