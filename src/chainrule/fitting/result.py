"""What a fit returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chainrule.certificate import Certificate
from chainrule.findings import Finding
from chainrule.solvers.trace import Trace
from chainrule.words import Lines, Shown, plain

if TYPE_CHECKING:
    from chainrule.fitting.reference import Reference

Vector = NDArray[np.float64]

SCHEMA_VERSION = 1

REASONS = {
    "converged": "the proven bound on F - F* is at most tol, or as small as rounding allows",
    "max_reads": "the limit of reads or epochs was reached before tol",
    "unproven": "the run ended by itself, and what it proves is more than tol",
    "noise_floor": "the limit of epochs was reached, and F no longer falls: mini-batches at a constant rate are too noisy",
    "diverged": "the loss grew without end; the best point seen is returned",
    "non_finite": "the objective became infinite or NaN; the best point seen is returned",
    "no_optimum": "the objective asked for has no optimum; the optimum with a tiny ridge is returned",
    "interrupted": "Ctrl-C; the best point seen is returned",
}


@dataclass(frozen=True, eq=False)
class Carried:
    """What resuming a run of mini-batches needs besides a thinned trace; points in the fit's units.

    gaps : (k,), of the last epochs, from which the monitor detects a noise floor.
    best_epoch, best_objective, best_w, best_b : the epoch nearest to the optimum.
    """

    gaps: Vector
    best_epoch: int
    best_objective: float
    best_w: Vector
    best_b: float


@dataclass(frozen=True, eq=False)
class Result(Shown):
    """A fitted logistic regression and everything known about it. Frozen and picklable.

    Attributes
    ----------
    w, b
        Weights (n,) and bias, in the user's units.
    w_fit, b_fit
        The same in the fit's units, x = ``(x - center) / scale``; penalty, learning rate, trace and gradients have them too.
    classes : tuple
        Labels of y = 0 and y = 1.
    reason : str
        One of `REASONS`; `message` is a sentence with the numbers, and `ended` the same without what is proven.
    verdict : str
        The result in one sentence: how near the optimum it is, or "Warning: ", what is wrong, and the way out.
    relations : Lines
        If columns are collinear: all relations between them that were found, as sentences; `print` shows one a line.
    objective, loss : float
        F at the returned point, and the mean log-loss in it, in nats.
    objective_line : str
        The objective with its numbers put in.
    learning_rate, learning_rate_limit : float
        For gradient descent: the rate used, and 2/L_max, below which the objective never rises. For stochastic gradient
        descent: eta_0, and 2/E, up to which mini-batches are stable (`diagnosis.expected_smoothness`). Otherwise None.
    batch_size, seed, schedule
        For stochastic gradient descent: rows in each update, the seed of the order, how the rate changes. Otherwise None.
    rows_digest : str or None
        For stochastic gradient descent: SHA-256 of the rows of positive weight in their order, checked by `resume`.
    carried : Carried or None
        For stochastic gradient descent: what `resume` needs besides the trace.
    epochs_needed : float or None
        If descent ended early: about how many more epochs it needs; inf if it would never reach tol, None if unknown.
    grad_norm : float
        Largest |dF/dw_j|, |dF/db| at the returned point.
    epoch, n_epochs : int
        The epoch whose point is returned, and the last one run.
    method, method_reason : str
        The method that ran, and why.
    certificate : Certificate
        What is proven about the point.
    reference : Reference or None
        From newton: the optimum, from which other runs on the same data and objective can be measured.
    encodings : tuple or None
        For a table with categories: how each column became coefficients.
    reads : float
        How often each row was read. An epoch of stochastic gradient descent counts two reads: the updates and the measurement.
    kernel, storage, threads, copies
        The instruction set used, how the data were stored, the number of threads, and how often X had to be copied.
    """

    w: Vector
    b: float
    w_fit: Vector
    b_fit: float
    center: Vector
    scale: Vector
    feature_names: tuple[str, ...]
    classes: tuple[Any, Any]
    method: str
    method_reason: str
    reason: str
    message: str
    objective: float
    loss: float
    objective_line: str
    accuracy: float
    grad_norm: float
    alpha: float
    fit_intercept: bool
    tol: float
    learning_rate: float | None
    learning_rate_limit: float | None
    epochs_needed: float | None
    epoch: int
    n_epochs: int
    n_rows: int
    sum_weights: float
    trace: Trace
    reads: float
    seconds: float
    kernel: str
    storage: str
    threads: int
    copies: int
    certificate: Certificate
    verdict: str = ""
    relations: Lines = field(default_factory=Lines)
    ended: str = ""
    warnings: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    batch_size: int | None = None
    seed: int | None = None
    schedule: str | None = None
    rows_digest: str | None = None
    carried: Carried | None = None
    encodings: tuple[Any, ...] | None = None
    reference: Reference | None = None

    def to_dict(self, timings: bool = True) -> dict[str, Any]:
        """Return JSON values of all fields except trace, `carried`, `reference` and `encodings`, with a `schema_version`.

        Numbers that are not finite are None.

        Parameters
        ----------
        timings : bool
            False leaves out seconds and threads, the only fields that differ between runs of the same fit.
        """
        left_out = {"trace", "certificate", "carried", "encodings", "findings", "reference"}
        left_out |= set() if timings else {"seconds", "threads"}
        shown = {name: getattr(self, name) for name in self.__dataclass_fields__ if name not in left_out}
        document: dict[str, Any] = {"schema_version": SCHEMA_VERSION, **plain(shown)}
        document["findings"] = [found.to_dict() for found in self.findings]
        document["certificate"] = self.certificate.to_dict(timings=timings)
        document["trace"] = {"epochs_kept": len(self.trace), "stride": self.trace.stride, "note": self.trace.note}
        return document
