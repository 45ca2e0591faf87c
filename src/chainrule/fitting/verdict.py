"""How a run went, in sentences: what happened, why, and the way out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from chainrule.certificate import Certificate
from chainrule.errors import (
    ChainruleWarning,
    CrawlingWarning,
    DivergenceWarning,
    NotConvergedWarning,
    OscillationWarning,
    ThinnedTraceWarning,
)
from chainrule.solvers import Outcome

Finding = tuple[type[ChainruleWarning], str]
MOST = 1e9  # epochs that anyone would run
MANY_TIMES = 3.0  # as many epochs more than were run: there are better ways than more of them
AUTOMATIC = 0.25  # of the limit of mini-batches
MUCH_SMALLER = 0.1 * AUTOMATIC
ROUNDING = 4.0  # times the certificate's noise: a gap as small is rounding


def floor_digits(x: float, digits: int = 4) -> str:
    """Format x to `digits` significant digits, rounded down, so that a rate below what is shown is below the limit."""
    if not np.isfinite(x) or x <= 0:
        return f"{x:g}"
    step = 10.0 ** (np.floor(np.log10(x)) - digits + 1)
    return f"{np.floor(x / step) * step:.{digits}g}"


def epochs(n: int) -> str:
    """N epochs, in words."""
    return f"{n:,} epoch" if n == 1 else f"{n:,} epochs"


def above_limit(rate: float, limit: float, is_largest: bool) -> str:
    """Say that the rate is above the limit; `is_largest` says that a larger one is known not to be stable."""
    which = "the stable limit" if is_largest else "the rate that is known to be stable,"
    return f"learning_rate {rate:.6g} is above {which} {floor_digits(limit)}: the loss may rise or oscillate"


def above_batch_limit(rate: float, limit: float, size: int) -> str:
    """Say that the rate is above what is known to be stable for such batches."""
    which = f"what is known to be stable for batches of {size:,}, {floor_digits(limit)}"
    return f"learning_rate {rate:.6g} is above {which}: the loss may rise or never settle"


def of_batches(
    outcome: Outcome,
    certificate: Certificate,
    tol: float,
    hovering: NDArray[np.float64] | None,
    epochs_needed: float,
    *,
    decays: bool,
    rate: float,
    limit: float,
) -> str:
    """One sentence with the numbers: how a run of mini-batches ended before tol, and what to do.

    hovering: the gaps of the last epochs, where they no longer fall. epochs_needed: NaN where it is not known. decays: the
    learning rate falls from `rate`. limit: what is known to be stable.
    """
    text = f"stopped after {epochs(outcome.n_epochs)}, before tol {tol:.2g}: {certificate.sentence.rstrip('.')}"
    if certificate.gap <= ROUNDING * certificate.noise:
        return f"{text}, which is rounding: take a tol above {certificate.noise:.0e}"
    newton = "take method='newton'"
    if hovering is not None:
        best = f"the lowest objective was {outcome.best_objective:.6g}, after epoch {outcome.best_epoch:,}"
        low, high = float(hovering.min()), float(hovering.max())
        span = f"in the last {epochs(len(hovering))} this bound went up and down from {low:.2g} to {high:.2g}"
        text = f"{text}; {'F shows no clear fall' if decays else 'F no longer falls'}: {span}"
        if rate > limit:
            return f"{text} ({best}): take a learning_rate below {floor_digits(limit)}, or 'auto', or {newton}"
        if outcome.reason != "noise_floor":
            return f"{text} ({best}): raise max_reads, or {newton}"
        less = "take schedule='inverse', a smaller learning_rate or a larger batch_size for less of it"
        return f"{text} ({best}), by the noise of mini-batches at a constant rate: {less}, or {newton}"
    if epochs_needed > 1e15:
        larger = "take a larger learning_rate" + (", or 'auto'" if rate < AUTOMATIC * limit else "")
        return f"{text}; at the trend seen it would not get there: {larger}, or {newton}"
    if np.isnan(epochs_needed):
        if rate < MUCH_SMALLER * limit:
            return f"{text}; the steps are short: take a larger learning_rate, or 'auto', or {newton}"
        so_far = "" if decays else "; how far it falls at a constant rate is not known"
        return f"{text}{so_far}: raise max_reads, or {newton}"
    ways = [f"raise max_reads to about {_rounded(outcome.n_epochs + epochs_needed)}"] if epochs_needed < MOST else []
    return f"{text}; at the trend seen about {_rounded(epochs_needed)} more epochs are needed: {', or '.join([*ways, newton])}"


def while_running(status: str, epoch: int, needed: float, rate: float, limit: float) -> Finding | None:
    """Say what a run does, while it runs, and the way out; nothing of a run that ends at once."""
    if status == "oscillating":
        way = f"take a learning_rate below {floor_digits(limit)}, or 'auto'"
        return OscillationWarning, f"epoch {epoch:,}: the loss oscillates; {way}"
    if status == "crawling":
        how_long = f"about {_rounded(needed)} more epochs" if np.isfinite(needed) else "no number of epochs"
        total = f" to about {_rounded(epoch + needed)}" if needed < MOST else ""
        way = ", or ".join(_ways([f"raise max_reads{total}"], rate, limit))
        return CrawlingWarning, f"epoch {epoch:,}: crawling: {how_long} would do at the rate seen; {way}"
    return None


def _ways(more: list[str], rate: float, limit: float) -> list[str]:
    """Name what brings a slow run to its end; `more` of the same may be one of the ways."""
    larger = ["take a larger learning_rate, or 'auto'"] if rate < 0.4 * limit else []
    return [*larger, *more, "take method='newton'"]


def message(
    outcome: Outcome, certificate: Certificate, tol: float, rate: float, limit: float, epochs_needed: float
) -> str:
    """One sentence with the numbers: how the run ended, and what to do where it ended badly.

    rate, limit: the learning rate, and the largest stable one.
    epochs_needed: estimate of the epochs still needed to `tol`; inf where it would not get there, NaN where unknown.
    """
    proven = certificate.sentence.rstrip(".")
    smaller = f"take a learning_rate below {floor_digits(limit)}, or 'auto'"
    returned = f"the best point, of epoch {outcome.epoch:,}, is returned"
    if outcome.reason == "converged":
        return f"converged after {epochs(outcome.n_epochs)}: {proven}"
    if outcome.reason in ("diverged", "non_finite") and not outcome.n_epochs:
        return f"diverged: the first epoch takes the objective beyond what a float64 holds; {returned}; {smaller}"
    if outcome.reason == "diverged":
        return f"diverged: the loss grows without end after epoch {outcome.n_epochs:,}; {returned}; {smaller}"
    if outcome.reason == "non_finite":
        return f"stopped: the objective is not finite after epoch {outcome.n_epochs:,}; {returned}; {smaller}"
    if outcome.reason == "interrupted":
        return f"interrupted after {epochs(outcome.n_epochs)}; {returned}: {proven}"
    text = f"stopped after {epochs(outcome.n_epochs)}, before tol {tol:.2g}: {proven}"
    if outcome.oscillated:
        best = f"the lowest objective, {outcome.best_objective:.6g}, was that of epoch {outcome.best_epoch:,}"
        return f"{text}; the loss oscillated ({best}); {smaller}"
    if certificate.gap <= ROUNDING * certificate.noise:
        return f"{text}, which is rounding: take a tol above {certificate.noise:.0e}"
    if np.isnan(epochs_needed):
        return text
    if epochs_needed > 1e15:
        return f"{text}; at the rate seen it would not get there"
    ways = [f"raise max_reads to about {_rounded(outcome.n_epochs + epochs_needed)}"] if epochs_needed < MOST else []
    if epochs_needed > MANY_TIMES * max(outcome.n_epochs, 100):
        ways = _ways(ways, rate, limit)
    return f"{text}; at the rate seen about {_rounded(epochs_needed)} more epochs are needed: {', or '.join(ways)}"


def findings(outcome: Outcome, sentence: str) -> list[Finding]:
    """Name what a user is warned of, each with its class."""
    found: list[Finding] = []
    if outcome.reason in ("diverged", "non_finite"):
        found.append((DivergenceWarning, sentence))
    if outcome.reason in ("max_reads", "noise_floor"):
        found.append((NotConvergedWarning, sentence))
    if outcome.trace.note:
        found.append((ThinnedTraceWarning, outcome.trace.note))
    return found


def _rounded(epochs: float) -> str:
    """Two significant digits, upwards: an estimate should not look exact."""
    epochs = max(1.0, epochs)
    step = 10.0 ** max(0.0, np.floor(np.log10(epochs)) - 1)
    rounded = np.ceil(epochs / step) * step
    return f"{rounded:,.0f}" if rounded < 1e9 else f"{rounded:.1e}"
