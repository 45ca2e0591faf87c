"""Measures how well log-odds z predict classes y; from z, because probabilities are rounded."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from chainrule.errors import InputError
from chainrule.losses import LOGISTIC, sigmoid

Floats = npt.NDArray[np.float64]

NORMAL = 1.959963984540054  # the normal distribution's quantile of 0.975
LARGEST = 36.0  # log-odds above it have no threshold g below 1 in float64


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

    A row's class is 1 if z > 0, 0 if z <= 0. base_rate: the weighted share of class 1 among these rows. Parameters: as
    `log_loss`.
    """
    _, kept_y, s = _of_weight(z, y, weight)
    p, told = float(np.average(kept_y, weights=s)), decisions(z, y, weight)
    return {
        "rows": len(y),
        "loss": log_loss(z, y, weight),
        "accuracy": told["accuracy"],
        "auc": auc(z, y, weight),
        "base_rate": p,
        "base_loss": -p * math.log(p) - (1.0 - p) * math.log1p(-p) if 0.0 < p < 1.0 else 0.0,
        "base_accuracy": max(p, 1.0 - p),
        "confusion": told["confusion"],
    }


@dataclass(frozen=True)
class Curve:
    """Points of a curve in the unit square, (k,) each; z: the log-odds above which a row is called positive at each point."""

    x: Floats
    y: Floats
    z: Floats


def roc(z: npt.ArrayLike, y: npt.ArrayLike, weight: npt.ArrayLike | None = None) -> Curve | None:
    """ROC curve: false positive rate x and true positive rate y, for every set of rows that a threshold can call positive.

    It runs from (0, 0) to (1, 1); rows of equal z are called together. Parameters: as `log_loss`. None if only one class has
    weight.
    """
    steps, false, true = _called(z, y, weight)
    return Curve(false / false[-1], true / true[-1], steps) if false[-1] > 0.0 and true[-1] > 0.0 else None


def precision_recall(z: npt.ArrayLike, y: npt.ArrayLike, weight: npt.ArrayLike | None = None) -> Curve | None:
    """Precision y over recall x, for every set of rows that a threshold can call positive; it begins at recall 0, precision 1.

    Parameters: as `log_loss`. None if class 1 has no weight.
    """
    steps, false, true = _called(z, y, weight)
    if true[-1] == 0.0:
        return None
    with np.errstate(invalid="ignore"):
        precision = true / (true + false)
    precision[0] = 1.0
    return Curve(true / true[-1], precision, steps)


def average_precision(curve: Curve) -> float:
    """Return the mean precision over the recall, summed in steps: sum (R_k - R_k-1) P_k."""
    return float(np.diff(curve.x) @ curve.y[1:])


def _called(z: npt.ArrayLike, y: npt.ArrayLike, weight: npt.ArrayLike | None) -> tuple[Floats, Floats, Floats]:
    """Return thresholds from inf down to -inf, and the weight of false and of true positives above each.

    At each distinct z but the largest there is a threshold that calls just the rows above it positive.
    """
    z, y, s = _of_weight(z, y, weight)
    order = np.argsort(-z)
    z, ones = z[order], y[order] > 0.0
    s = np.ones_like(z) if s is None else s[order]
    last = np.append(np.flatnonzero(z[1:] != z[:-1]), len(z) - 1)  # of each group of ties
    true, false = np.cumsum(np.where(ones, s, 0.0))[last], np.cumsum(np.where(ones, 0.0, s))[last]
    below = np.append(z[last[:-1] + 1], -np.inf)
    return np.append(np.inf, below), np.append(0.0, false), np.append(0.0, true)


def thinned(curve: Curve, most: int = 200) -> Curve:
    """Leave out points of a curve without changing its shape: none left out is farther from what is drawn than a tolerance.

    Ramer, Douglas and Peucker's method (1972). The tolerance is 1/2000 of the square, and doubles until at most `most` points
    are left.
    """
    tolerance = 0.0005
    while True:
        kept = _corners(curve.x, curve.y, tolerance)
        if len(kept) <= most:
            return Curve(curve.x[kept], curve.y[kept], curve.z[kept])
        tolerance *= 2.0


def _corners(x: Floats, y: Floats, tolerance: float) -> npt.NDArray[np.intp]:
    """Return the places of the points that are kept: the ends, and in each stretch the one farthest from its chord."""
    kept, stretches = {0, len(x) - 1}, [(0, len(x) - 1)]
    while stretches:
        a, b = stretches.pop()
        if b - a < 2:
            continue
        dx, dy = x[b] - x[a], y[b] - y[a]
        px, py = x[a + 1 : b] - x[a], y[a + 1 : b] - y[a]
        length = dx * dx + dy * dy
        along = np.clip((px * dx + py * dy) / length, 0.0, 1.0) if length > 0.0 else 0.0
        distance = np.hypot(px - along * dx, py - along * dy)
        worst = int(np.argmax(distance))
        if distance[worst] > tolerance:
            kept.add(a + 1 + worst)
            stretches += [(a, a + 1 + worst), (a + 1 + worst, b)]
    return np.array(sorted(kept), dtype=np.intp)


@dataclass(frozen=True)
class Bin:
    """Rows of neighbouring probabilities: predicted, their mean g; observed, their share of class 1, with its 95 % interval."""

    rows: int
    predicted: float
    observed: float
    low: float
    high: float


def calibration(
    z: npt.ArrayLike, y: npt.ArrayLike, weight: npt.ArrayLike | None = None, bins: int = 10,
    probability: Callable[[Floats], Floats] = sigmoid,
) -> list[Bin]:  # fmt: skip
    """Compare predicted probabilities with what happened, in bins of equal weight.

    Rows of equal z stay together, so there may be fewer bins. The interval is Wilson's (1927) for a share of k rows; with
    weights, k is Kish's effective number of rows, (sum s)^2 / sum s^2. Parameters: as `log_loss`.
    """
    z, y, s = _of_weight(z, y, weight)
    order = np.argsort(z)
    z, y, s = z[order], y[order], np.ones_like(z) if s is None else s[order]
    before = np.cumsum(s) - s
    tied = np.append(True, z[1:] != z[:-1])  # the first row of each group of ties
    first = np.flatnonzero(tied)
    centers = (before[first] + np.append(before[first[1:]], before[-1] + s[-1])) / 2.0
    place = np.minimum(bins * centers / (before[-1] + s[-1]), bins - 1).astype(np.int64)[np.cumsum(tied) - 1]
    g, found = probability(z), []
    edges = [0, *(np.flatnonzero(np.diff(place)) + 1).tolist(), len(z)]
    for at in map(slice, edges, edges[1:]):
        total = float(s[at].sum())
        share, size = float(s[at] @ y[at]) / total, total**2 / float(s[at] @ s[at])
        low, high = wilson(share, size)
        found.append(Bin(at.stop - at.start, float(s[at] @ g[at]) / total, share, low, high))
    return found


def by_group(
    group: npt.NDArray[np.int64],
    names: Sequence[str],
    z: Floats,
    y: Floats,
    weight: Floats | None,
    threshold: float = 0.5,
) -> list[dict[str, Any]]:
    """Measure each group of rows by itself: figures, mean probability, share of class 1 with its interval, decisions.

    group : (m,), places in `names`. Groups without weight are left out. Other parameters: as `decisions`.
    """
    found = []
    for k, name in enumerate(names):
        of = group == k
        s = None if weight is None else weight[of]
        if not of.any() or (s is not None and not (s > 0.0).any()):
            continue
        told, decided = figures(z[of], y[of], s), decisions(z[of], y[of], s, threshold)
        size = float(len(z[of])) if s is None else (s / s.max()).sum() ** 2 / np.square(s / s.max()).sum()
        low, high = wilson(told["base_rate"], size)
        more = {"predicted": float(np.average(sigmoid(z[of]), weights=s)), "low": low, "high": high}
        found.append(
            {"group": name, **told, **more, **{key: decided[key] for key in ("confusion", "recall", "specificity")}}
        )
    return found


def wilson(share: float, rows: float) -> tuple[float, float]:
    """Return Wilson's 95 % interval for a share seen in some rows (1927, J. Am. Stat. Assoc. 22, 209-212)."""
    q = NORMAL**2 / rows
    middle = (share + q / 2.0) / (1.0 + q)
    half = math.sqrt(q * (share * (1.0 - share) + q / 4.0)) / (1.0 + q)
    return max(middle - half, 0.0), min(middle + half, 1.0)


def decisions(
    z: npt.ArrayLike, y: npt.ArrayLike, weight: npt.ArrayLike | None = None, threshold: float = 0.5,
    costs: tuple[float, float] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Measure the classes that a threshold gives: positive if g > threshold.

    costs: of a false positive and of a false negative; then "cost" is their mean per unit of weight. Counts are sums of
    weights, and of rows without weights. A ratio without a denominator is None. Other parameters: as `log_loss`.
    """
    z, y, s = _of_weight(z, y, weight)
    told, true = z > log_odds(threshold), y > 0.0
    parts = [told & true, told & ~true, ~told & ~true, ~told & true]
    tp, fp, tn, fn = (float(np.count_nonzero(rows) if s is None else s[rows].sum()) for rows in parts)
    unit = 1.0 if s is None or weight is None else float(np.asarray(weight).max()) / float(s.max())
    counts = [int(sums) if s is None else sums * unit for sums in (tp, fp, tn, fn)]
    names = ("true_positive", "false_positive", "true_negative", "false_negative")
    found = {
        "threshold": threshold,
        "confusion": dict(zip(names, counts, strict=True)),
        "precision": _ratio(tp, tp + fp), "recall": _ratio(tp, tp + fn), "specificity": _ratio(tn, tn + fp),
        "f1": _ratio(2 * tp, 2 * tp + fp + fn), "accuracy": _ratio(tp + tn, tp + fp + tn + fn),
    }  # fmt: skip
    return found if costs is None else found | {"cost": _ratio(costs[0] * fp + costs[1] * fn, tp + fp + tn + fn)}


@dataclass(frozen=True)
class Rule:
    """How a threshold is chosen: "f1" on rows; "cost" from the costs of a false positive and a false negative; or "given"."""

    by: Literal["f1", "cost", "given"]
    given: float = 0.5
    costs: tuple[float, float] | None = None

    @classmethod
    def of(cls, threshold: str | None, cost: str | None, default: Rule | None = None) -> Rule:
        """Read the options --threshold (f1, or a probability) and --cost (two numbers); raises InputError for others."""
        if threshold is not None and cost is not None:
            raise InputError("--threshold and --cost both choose the threshold: give one of them")
        if cost is not None:
            parts = _numbers(cost.split(","))
            if len(parts) != 2 or not all(0.0 < part < math.inf for part in parts):
                raise InputError(
                    f"--cost must be two positive numbers such as 1,5 (false positive, false negative), not {cost!r}"
                )
            return cls("cost", costs=(parts[0], parts[1]))
        if threshold is None:
            return default or cls("given")
        if threshold.lower() == "f1":
            return cls("f1")
        numbers = _numbers([threshold])
        if len(numbers) != 1 or not 0.0 <= numbers[0] <= 1.0:
            raise InputError(f"--threshold must be f1 or a probability from 0 to 1, not {threshold!r}")
        return cls("given", numbers[0])

    def on(self, z: npt.ArrayLike, y: npt.ArrayLike, weight: npt.ArrayLike | None = None) -> float:
        """Return the threshold. By cost it is C/(C + D): above it, calling a row positive costs less on average.

        C and D are the costs of a false positive and a false negative (Elkan 2001); it takes the probabilities as they are.
        Parameters: as `log_loss`.
        """
        if self.by == "cost" and self.costs is not None:
            return 1.0 / (1.0 + self.costs[1] / self.costs[0])
        best = best_f1(z, y, weight) if self.by == "f1" else self.given
        return self.given if best is None else best


def _numbers(texts: Sequence[str]) -> list[float]:
    """Read numbers; empty if one is no number."""
    try:
        return [float(text) for text in texts]
    except ValueError:
        return []


def quality(
    z: npt.ArrayLike, y: npt.ArrayLike, weight: npt.ArrayLike | None = None, threshold: float = 0.5,
    costs: tuple[float, float] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Return the decisions at a threshold, both curves, thinned, and the calibration; parameters as `decisions`."""
    of_rates, of_precision = roc(z, y, weight), precision_recall(z, y, weight)
    return {
        "decisions": decisions(z, y, weight, threshold, costs),
        "average_precision": None if of_precision is None else average_precision(of_precision),
        "roc": None if of_rates is None else thinned(of_rates),
        "precision_recall": None if of_precision is None else thinned(of_precision),
        "calibration": calibration(z, y, weight),
    }


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole > 0.0 else None


def log_odds(g: float) -> float:
    """Return log(g / (1 - g)); 0 gives -inf and 1 inf."""
    return math.log(g) - math.log1p(-g) if 0.0 < g < 1.0 else math.inf if g >= 1.0 else -math.inf


def best_f1(z: npt.ArrayLike, y: npt.ArrayLike, weight: npt.ArrayLike | None = None) -> float | None:
    """Choose the threshold whose classes have the largest F1 = 2 TP / (2 TP + FP + FN): of equal ones the highest.

    It is the number of fewest digits between the two probabilities that it separates; float64 can't separate all that differ
    in z. Parameters: as `log_loss`. None if class 1 has no weight.
    """
    steps, false, true = _called(z, y, weight)
    if true[-1] == 0.0:
        return None
    f1 = 2.0 * true / (true + false + true[-1])
    is_number = (np.abs(steps) < LARGEST) | (steps == -np.inf)
    best, z = int(np.argmax(np.where(is_number, f1, -1.0))), _of_weight(z, y, weight)[0]
    above = float(np.min(z, initial=np.inf, where=z > steps[best]))
    return shortest_between(float(steps[best]), above)


def shortest_between(low: float, high: float) -> float:
    """Return the probability of fewest digits whose log-odds are at least `low` and below `high`."""
    a, b = (1.0 / (1.0 + math.exp(-v)) if v > -700.0 else 0.0 for v in (low, high))
    for digits in range(1, 18):
        for g in (round((a + b) / 2.0, digits), math.ceil(a * 10.0**digits) / 10.0**digits):
            if 0.0 <= g <= 1.0 and low <= log_odds(g) < high:
                return g
    return a


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
