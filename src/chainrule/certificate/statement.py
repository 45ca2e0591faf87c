"""The certificate of a result: what is proven, in numbers and in a sentence."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.certificate.bounds import Bound
from chainrule.findings import Finding
from chainrule.penalties import SEPARATED_RIDGE
from chainrule.words import Shown, downward, plain, short, upward

Vector = NDArray[np.float64]

KINDS = {
    "bound": "proven",
    "ridge": f"proven with a ridge of {short(SEPARATED_RIDGE)} on standardised columns; without it there is no optimum",
    "limit": "proven for the limit at which some coefficients are infinite",
    "reduced": "proven for the model without redundant columns",
    "infimum": "proven; no optimum is known",
    "none": "nothing is proven",
}
MOST_DIGITS = 15  # of a float64
FAR = 0.1  # from the optimum, for an intercept that has to be told: log-odds of a tenth
TOLD = (  # the fields in `to_dict`, in this order
    *("gap", "lower", "coef", "intercept", "digits", "r", "noise", "hessian_rows", "reads"),
    *("objective", "optimum_at_least", "infimum_at_least", "infimum_gap", "reason", "seconds"),
)


def digits_of(w: Vector, error: Vector) -> NDArray[np.int64]:
    """Count the proven significant digits of each w_j: the largest k with error_j <= 10^-k |w_j| / 2.

    0 to 15; 0 if w_j is 0 or nothing is proven.
    """
    w, error = np.abs(w), np.asarray(error)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        digits = np.floor(-np.log10(2.0 * error / w))
    return np.fmin(np.fmax(digits, 0.0), MOST_DIGITS).astype(np.int64)  # NaN counts as 0


@dataclass(frozen=True)
class Certificate(Shown):
    """What is proven about a fit; frozen and picklable.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    gap, lower : float
        lower <= F - F* <= gap, nats per unit of weight. For "limit" F is that of the limit, at which the rows of infinite
        coefficients cost nothing, and F* is inf F. For kind "ridge" F includes the ridge. For "reduced" F* is the optimum
        of the model without the collinear directions. For "infimum" F* is inf F, which no coefficients attain (0 if no better
        bound is known).
    coef, intercept
        |w_j - w*_j| <= coef_j (n,), |b - b*| <= intercept, in the units of the result's w and b.
    digits : (n,)
        Proven significant digits of each w_j.
    r : float
        Below 1, exactly one optimum is proven to exist. For kind "ridge" it is the optimum with the ridge. For "reduced" it is
        the optimum of the model without the collinear directions; along these, other coefficients are as good, or about as good
        if the columns are only nearly collinear.
    noise : float
        The part of the gap that comes from rounding alone.
    hessian_rows : str
        Which rows the Hessian came from, a sentence.
    reads, seconds : float
        What the fit cost when the certificate was made.
    objective, optimum_at_least : float
        F at the point, and a lower bound on F*.
    infimum_at_least, infimum_gap : float
        Bounds inf F >= infimum_at_least and F - inf F <= infimum_gap for the fit's own objective: without the ridge for
        "ridge", with all directions for "reduced"; for other kinds the same as `optimum_at_least` and `gap`. For separated
        classes inf F comes from the rows on the separating plane.
    why : Finding or None
        Why the kind is not "bound"; None for "bound". `reason` is its sentence.
    """

    kind: str
    coef: Vector
    digits: NDArray[np.int64]
    objective: float
    gap: float = math.inf
    lower: float = 0.0
    intercept: float = math.inf
    r: float = math.inf
    noise: float = math.inf
    hessian_rows: str = ""
    optimum_at_least: float = -math.inf
    why: Finding | None = None
    infimum_at_least: float = 0.0
    infimum_gap: float = math.inf
    reads: float = 0.0
    seconds: float = 0.0

    @classmethod
    def nothing(cls, n: int, objective: float, why: Finding) -> Certificate:
        """Make a certificate of n coefficients for which nothing is proven, with the reason."""
        return cls("none", np.full(n, np.inf), np.zeros(n, np.int64), objective, why=why)

    @classmethod
    def of(
        cls,
        found: Bound,
        w: Vector,
        coef: Vector,
        intercept: float,
        *,
        gap: float | None = None,
        objective: float,
        least: float,
        hessian_rows: str,
    ) -> Certificate:
        """Make a certificate from a bound: w (n,), its errors coef (n,) and intercept in the same units; least <= F*.

        gap : a smaller bound than the one found, if there is one.
        """
        low = max(0.0, least)  # F is never negative
        gap = found.gap if gap is None else gap
        numbers = (gap, found.lower, intercept, found.r, found.noise)
        known = ("bound", coef, digits_of(w, coef), objective, *numbers, hessian_rows, low)
        return cls(*known, infimum_at_least=low, infimum_gap=gap)

    @property
    def proven(self) -> bool:
        """Whether there is a finite, proven bound."""
        return self.kind != "none" and self.gap < math.inf

    @property
    def reason(self) -> str:
        """Why the kind is not "bound", as a sentence; empty for "bound"."""
        return "" if self.why is None else str(self.why)

    @property
    def sentence(self) -> str:
        """One sentence: the bound (rounded up), what it holds for, and the digits of the coefficients."""
        reason = f": {self.reason}" if self.why is not None else ""
        if self.why is not None and (self.proven or self.why.code == "separated"):
            reason = f": {self.why.head}"  # the ways out are for the warning
        if not self.proven:
            return f"No bound on F - F* is proven{reason}"
        if self.kind == "limit":
            reason = ""  # the kind says it
        least = "inf F" if self.kind in ("infimum", "limit") else "F*"
        if self.kind in ("bound", "infimum") and self.gap >= self.objective:  # which says no more than that F >= 0
            return self._of_itself(least, reason)
        text = f"F - {least} <= {upward(self.gap)} nats ({KINDS[self.kind]}{reason})"
        if self.lower > 0.5 * self.gap:
            text += f", and at least {downward(self.lower)}"
        if self.kind == "ridge" and self.infimum_at_least > 0.0:
            text += f"; without the ridge F - inf F <= {upward(self.infimum_gap)}"
        accuracy = self.accuracy
        return f"{text}: {accuracy}" if accuracy else text

    def _of_itself(self, least: str, reason: str) -> str:
        """Say what is known if the only lower bound is 0: F itself is no news, unless the infimum is 0."""
        if self.why is not None and self.why.values.get("kind") == "complete":
            return f"F = {self.objective:.4g} nats, and inf F = 0, which no coefficients attain{reason}"
        return f"F = {self.objective:.4g} nats, and no better bound on F - {least} is proven{reason}"

    @property
    def accuracy(self) -> str:
        """How near the coefficients are to the optimum's; empty if that is not proven of all that are finite."""
        known = np.isfinite(self.coef)
        if not known.any() or not (known.all() or self.kind == "limit"):
            return ""
        fewest = int(self.digits[known].min())
        if fewest >= 1:
            which = "every coefficient" if known.all() else "every other coefficient"
            far = f", and the intercept is within {upward(self.intercept)}" if FAR < self.intercept < math.inf else ""
            return f"{which} is right to {fewest} digit{'s' if fewest > 1 else ''} or more{far}"
        furthest = float(self.coef[known].max())
        intercept = f", nor the intercept than {upward(self.intercept)}" if furthest < self.intercept < math.inf else ""
        return f"no coefficient is further than {upward(furthest)} from the optimum's{intercept}"

    def to_dict(self, timings: bool = True) -> dict[str, Any]:
        """Return the fields, JSON-able: arrays as lists, NaN and infinity as None. timings=False leaves out the seconds."""
        names = TOLD if timings else TOLD[:-1]
        numbers: dict[str, Any] = plain({name: getattr(self, name) for name in names})
        return {"kind": self.kind, "proven": self.proven, "sentence": self.sentence, **numbers}
