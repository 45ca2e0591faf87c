"""How a run went, in sentences: what happened, why, and the way out."""

from __future__ import annotations

import numpy as np

from chainrule.errors import (
    ChainruleWarning,
    DivergenceWarning,
    NotConvergedWarning,
    OscillationWarning,
    ThinnedTraceWarning,
)
from chainrule.solvers import Outcome

Finding = tuple[type[ChainruleWarning], str]


def floor_digits(x: float, digits: int = 4) -> str:
    """Format x to `digits` significant digits, rounded down, so that a rate below what is shown is below the limit."""
    if not np.isfinite(x) or x <= 0:
        return f"{x:g}"
    step = 10.0 ** (np.floor(np.log10(x)) - digits + 1)
    return f"{np.floor(x / step) * step:.{digits}g}"


def message(outcome: Outcome, tol: float, limit: float) -> str:
    """One sentence with the numbers: how the run ended, and what to do where it ended badly."""
    norm, epochs = outcome.state.evaluation.grad_norm, f"{outcome.n_epochs:,} epochs"
    smaller = f"take a learning_rate below {floor_digits(limit)}, or 'auto'"
    best = f"the best point, of epoch {outcome.epoch:,}, is returned"
    if outcome.reason == "converged":
        return f"converged after {epochs}: the largest gradient component is {norm:.2g}, at most tol {tol:.2g}"
    if outcome.reason == "diverged":
        return f"diverged: the loss grew without end over {epochs}; {best}; {smaller}"
    if outcome.reason == "non_finite":
        return f"stopped after {epochs}: the objective was not finite any more; {best}; {smaller}"
    if outcome.reason == "interrupted":
        return f"interrupted after {epochs}; {best}"
    text = f"stopped after {epochs}, before tol {tol:.2g}: the largest gradient component is {norm:.2g}"
    if outcome.status == "oscillating":
        return f"{text} and the loss oscillated; {smaller}"
    if np.isfinite(outcome.epochs_needed):
        return f"{text}; at the rate seen about {_rounded(outcome.epochs_needed)} more epochs are needed"
    return f"{text}, and at the rate seen it would not get there"


def findings(outcome: Outcome, message: str, limit: float) -> list[Finding]:
    """Name what a user is warned of, each with its class."""
    found: list[Finding] = []
    if outcome.status == "oscillating" and outcome.reason in ("converged", "interrupted"):
        text = f"the loss oscillated while training; take a learning_rate below {floor_digits(limit)}, or 'auto'"
        found.append((OscillationWarning, text))
    if outcome.reason in ("diverged", "non_finite"):
        found.append((DivergenceWarning, message))
    if outcome.reason == "max_reads":
        found.append((OscillationWarning if outcome.status else NotConvergedWarning, message))
    if outcome.trace.note:
        found.append((ThinnedTraceWarning, outcome.trace.note))
    return found


def _rounded(epochs: float) -> str:
    """Two significant digits, upwards: an estimate should not look exact."""
    epochs = max(1.0, epochs)
    step = 10.0 ** max(0.0, np.floor(np.log10(epochs)) - 1)
    rounded = np.ceil(epochs / step) * step
    return f"{rounded:,.0f}" if rounded < 1e9 else f"{rounded:.1e}"
