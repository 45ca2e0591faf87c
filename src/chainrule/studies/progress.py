"""How a run went, from its trace alone: no row is read."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.fitting.methods import METHODS
from chainrule.fitting.result import Result
from chainrule.solvers.trace import Trace

Floats = NDArray[np.float64]

NEAR = 1e-3  # nats above the optimum: any further gain hardly changes a prediction
STRONG = 0.1  # of the strongest feature's effect: weaker features are not reported
SURE = 0.01  # of the way to F*: if F* is more uncertain, half of the way is not reported
LEVEL_SD = 0.5  # the largest standard deviation of a column of zeros and ones


@dataclass(frozen=True)
class HalfTime:
    """The epoch after which a weight stayed closer to its final value than half of its way."""

    name: str
    epoch: int


@dataclass(frozen=True)
class HeldOutProgress:
    """The lowest held-out log-loss, its epoch, and the held-out log-loss of the last epoch.

    training_fell: whether the training rows' log-loss fell from the lowest's epoch to the last.
    """

    epoch: int
    lowest: float
    last: float
    training_fell: bool


@dataclass(frozen=True)
class Progress:
    """How a run went.

    Attributes
    ----------
    unit : str
        "epoch", or "step" of Newton's method.
    last, stride : int
        The last epoch, and the spacing of the epochs that the trace keeps; only kept epochs are named below.
    whole : int
        The first epoch that read all rows: 0 except for Newton's method on samples; None if none did.
    start, end : float
        F, in nats, of that epoch and of the last that read all rows.
    floor : float
        A lower bound on F*, if it is near F*; else None. infimum : no coefficients attain F*.
    halfway : int
        The first epoch with F at most half-way between that of epoch 0 and `floor`; None if unknown.
    near : int
        The first epoch proven to be at most `NEAR` nats above F*; None if there is none.
    least_left : float
        A lower bound on how far the run's point is above F*.
    rises : int
        Epochs that raised F by more than rounding, among those kept.
    half_times : tuple of HalfTime
        For the weights with at least a tenth of the strongest effect per standard deviation; the quickest first.
    held_out : HeldOutProgress
        None without held-out rows.
    """

    unit: str
    last: int
    stride: int
    whole: int | None
    start: float | None
    end: float | None
    floor: float | None
    infimum: bool
    halfway: int | None
    near: int | None
    least_left: float
    rises: int
    half_times: tuple[HalfTime, ...]
    held_out: HeldOutProgress | None

    def to_dict(self) -> dict[str, Any]:
        """Return all fields as JSON values."""
        return {**asdict(self), "near_nats": NEAR}


def progress_of(result: Result, deviations: ArrayLike) -> Progress:
    """Find how a run went.

    Parameters
    ----------
    result : Result
    deviations : (n,)
        Standard deviation of each column in the user's units; NaN for levels and marks.
    """
    trace, proven = result.trace, result.certificate
    epochs = trace.columns["epoch"].astype(np.int64)
    whole = trace.columns["share"] >= 1.0
    F = np.where(whole, trace.columns["objective"], np.nan)
    known = np.flatnonzero(np.isfinite(F))
    start, end = (float(F[k]) for k in known[[0, -1]]) if len(known) else (None, None)
    floor = _floor(result, start)
    gap, halfway = np.where(whole, trace.columns["gap"], np.inf), None
    if floor is not None and start is not None:
        halfway = _first(epochs, F - floor <= (start - floor) / 2) if whole[0] else None
        gap = np.fmin(gap, F - floor)
    return Progress(
        unit=METHODS[result.method].noun, last=int(epochs[-1]), stride=trace.stride,
        whole=int(epochs[known[0]]) if len(known) else None, start=start, end=end, floor=floor,
        infimum=proven.kind not in ("bound", "reduced"), halfway=halfway, near=_first(epochs, gap <= NEAR),
        least_left=float(proven.lower),
        rises=int(np.count_nonzero(np.diff(F[known]) > 1e-12 * (1.0 + np.abs(F[known][:-1])))),
        half_times=() if result.reason in ("diverged", "non_finite") else _half_times(result, deviations),
        held_out=_held_out(trace, epochs),
    )  # fmt: skip


def _floor(result: Result, start: float | None) -> float | None:
    """Return the lower bound on F*, or on inf F, if it is known well enough to tell when half of the way was done."""
    proven = result.certificate
    low = proven.optimum_at_least if proven.kind in ("bound", "reduced") else proven.infimum_at_least
    width = proven.gap - proven.lower if proven.kind in ("bound", "reduced", "infimum") else proven.infimum_gap
    is_known = start is not None and math.isfinite(low) and width <= SURE * (start - low)
    return float(low) if is_known else None


def _first(epochs: NDArray[np.int64], reached: NDArray[np.bool_]) -> int | None:
    return next(iter(epochs[reached].tolist()), None)


def _half_times(result: Result, deviations: ArrayLike) -> tuple[HalfTime, ...]:
    """Find when each strong weight came closer to its final value than half of its way, for good."""
    W, epochs = result.trace.w, result.trace.columns["epoch"].astype(np.int64)
    sd = np.asarray(deviations, dtype=np.float64)
    strength = np.abs(result.w) * np.where(np.isfinite(sd), sd, LEVEL_SD)
    strong = np.flatnonzero((strength > 0) & (strength >= STRONG * strength.max(initial=0.0)) & (W[-1] != W[0]))
    left = np.abs(W[:, strong] - W[-1, strong])
    # the epoch after the last one that was still far; the run's last epoch is never far
    settled = epochs[len(W) - np.argmax((left > left[0] / 2)[::-1], axis=0)]
    times = [HalfTime(result.feature_names[j], k) for j, k in zip(strong.tolist(), settled.tolist(), strict=True)]
    return tuple(sorted(times, key=lambda time: time.epoch))


def _held_out(trace: Trace, epochs: NDArray[np.int64]) -> HeldOutProgress | None:
    loss, ours = trace.columns.get("held_out_loss"), trace.columns["loss"]
    if loss is None or not np.isfinite(loss).any():
        return None
    best = int(np.nanargmin(np.where(np.isfinite(loss), loss, np.nan)))
    return HeldOutProgress(int(epochs[best]), float(loss[best]), float(loss[-1]), bool(ours[-1] < ours[best]))
