"""What a fit returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chainrule.certificate import Certificate
from chainrule.data.missing import Missing
from chainrule.findings import PYTHON, Finding, Front, say
from chainrule.fitted import Fitted
from chainrule.fitting.verdict import relations_of, verdict
from chainrule.solvers.trace import Trace
from chainrule.words import Lines, counted, plain, visible

if TYPE_CHECKING:
    from chainrule.data.variables import Facts
    from chainrule.fitting.reference import Reference

Vector = NDArray[np.float64]

SCHEMA_VERSION = 1
# what a result says of its findings, by the field that it follows in `to_dict`
SENTENCES = {"reason": ("message",), "certificate": ("verdict", "relations", "ended", "warnings")}

REASONS = {
    "converged": "the proven bound on F - F* is at most tol, or as small as rounding allows",
    "max_reads": "the limit of reads or epochs was reached before tol",
    "unproven": "the run ended by itself, and what it proves is more than tol",
    "noise_floor": "the limit of epochs was reached, and F no longer falls: mini-batches at a constant rate are too noisy",
    "diverged": "the loss grew without end; the best point seen is returned",
    "non_finite": "the objective became infinite or NaN; the best point seen is returned",
    "no_optimum": "the objective asked for has no optimum; its limit, or the optimum with a tiny ridge, is returned",
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


@dataclass(frozen=True, eq=False, repr=False)
class Result(Fitted):
    """A fitted logistic regression and everything known about it. Frozen and picklable.

    `Fitted` lists what it does: predict, explain rows, plot, write files.

    Attributes
    ----------
    w, b
        Weights (n,) and bias, in the user's units.
    infinite
        (n,) int8, 0 for a finite coefficient. Without a penalty, a level with rows of one class only has an infinite one, whose
        sign is here. `w` then has a finite value, at which each of the level's rows costs at most 1e-8 nats. The number is the
        round in which the level was found: it outweighs the levels of later rounds.
    w_fit, b_fit
        The same in the fit's units, x = ``(x - center) / scale``; penalty, learning rate, trace and gradients have them too.
    classes : tuple
        Labels of y = 0 and y = 1.
    reason : str
        One of `REASONS`.
    findings : tuple of Finding
        What is said about the run, first how it ended: `verdict`, `message`, `ended`, `warnings` and `relations` say it in
        sentences.
    front : Front
        Whom the sentences are for: users of Python or of the command line.
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
        For a table: how each column became coefficients.
    missing : tuple of Missing
        For a table: each column in which something was missing, in how many rows of each class, and what was done.
    n_dropped : int
        How many rows were left out because of it.
    facts : Facts or None
        What the rows say about the columns: means, deviations, rows of each level; see `data.variables`.
    target, loss_name, library : str
        The name of y, the name of the loss, and the library of the frame X, for `coefficients`.
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
    findings: tuple[Finding, ...]
    front: Front = PYTHON
    batch_size: int | None = None
    seed: int | None = None
    schedule: str | None = None
    rows_digest: str | None = None
    carried: Carried | None = None
    encodings: tuple[Any, ...] | None = None
    missing: tuple[Missing, ...] = ()
    n_dropped: int = 0
    reference: Reference | None = None
    infinite: NDArray[np.int8] = field(default_factory=lambda: np.zeros(0, dtype=np.int8))
    facts: Facts | None = None
    target: str = "y"
    loss_name: str = "logistic"
    library: str = "pyarrow"

    def _line(self) -> str:
        n = counted(len(self.w), "coefficient")
        return f"{self.target}, {counted(self.n_rows, 'row')}, {n}; {self.method}, {self.reason}"

    @cached_property
    def message(self) -> str:
        """How the run ended, in a sentence with the numbers."""
        return visible(say(self.findings[0], self.front))

    @cached_property
    def ended(self) -> str:
        """`message` without what is proven."""
        return visible(say(self.findings[0].without("certificate"), self.front))

    @cached_property
    def verdict(self) -> str:
        """The result in one sentence: how near the optimum it is, or "Warning: ", what is wrong, and the way out."""
        return visible(verdict(self.findings, self.certificate, self.front))

    @cached_property
    def relations(self) -> Lines:
        """If columns are collinear: all relations between them that were found, as sentences; `print` shows one a line."""
        return Lines(visible(each) for each in relations_of(self.findings, self.certificate, self.front))

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """The warnings that were issued at the end, as sentences."""
        return tuple(say(found, self.front) for found in self.findings[1:] if found.warning is not None)

    @property
    def recorded(self) -> Result:
        """The result itself."""
        return self

    def __getstate__(self) -> dict[str, Any]:
        """Pickle the fields alone, whatever was computed since."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def to_dict(self, timings: bool = True) -> dict[str, Any]:
        """Return JSON values of the fields and sentences, with a `schema_version`.

        Left out are the points of the trace, and `carried`, `encodings`, `facts`, `front`, `library`, `loss_name`,
        `reference`, and `target`. Numbers that are not finite are None.

        Parameters
        ----------
        timings : bool
            False leaves out seconds and threads, the only fields that differ between runs of the same fit.
        """
        left_out = {"trace", "certificate", "carried", "encodings", "facts", "findings", "reference", "target"}
        left_out |= {"front", "loss_name", "library"}
        left_out |= set() if timings else {"seconds", "threads"}
        names = (each for name in self.__dataclass_fields__ for each in (name, *SENTENCES.get(name, ())))
        shown = {name: getattr(self, name) for name in names if name not in left_out}
        document: dict[str, Any] = {"schema_version": SCHEMA_VERSION, **plain(shown)}
        document["findings"] = [found.to_dict() for found in self.findings]
        document["certificate"] = self.certificate.to_dict(timings=timings)
        document["trace"] = {"epochs_kept": len(self.trace), "stride": self.trace.stride, "note": self.trace.note}
        return document
