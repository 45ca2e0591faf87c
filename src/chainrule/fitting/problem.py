"""What a method gets (a problem) and what it returns (an ending)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chainrule.certificate import Certificate
from chainrule.data.inputs import standardized_columns
from chainrule.data.rows import Rows, Units
from chainrule.data.rows.levels import Limit
from chainrule.data.rows.moments import standardized
from chainrule.data.words import shown
from chainrule.errors import InputError
from chainrule.findings import Finding
from chainrule.fitting.result import Carried
from chainrule.fitting.spec import FitSpec
from chainrule.losses import LOGISTIC
from chainrule.objective import DataObjective
from chainrule.penalties import SEPARATED_RIDGE, ElasticNet
from chainrule.solvers import Outcome
from chainrule.words import counted, short

if TYPE_CHECKING:  # they bring SciPy
    from chainrule.diagnosis.collinearity import Collinearity
    from chainrule.diagnosis.separation import Separation
    from chainrule.fitting.reference import Reference

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Problem:
    """What a method has to solve.

    rows : in the user's units, the fit's or those of a method's arithmetic. options : the checked options.
    penalty : in the fit's units.
    columns : (n,), True where a column is standardised; scaled : divided by its deviation too, not only centred.
    start : (w0, b0) in the user's units. class_names : for messages, of y = 0 and of y = 1.
    reference : the optimum to measure the run from, if it is known already.
    started : `time.perf_counter` when the fit began.
    """

    rows: Rows
    options: FitSpec
    penalty: ElasticNet
    columns: NDArray[np.bool_]
    start: tuple[Vector, float]
    scaled: bool
    class_names: tuple[str, str]
    started: float
    reference: Reference | None = None

    @classmethod
    def of(
        cls, spec: FitSpec, rows: Rows, start: tuple[Vector, float], classes: tuple[Any, Any], started: float,
        reference: Reference | None = None, penalty: ElasticNet | None = None,
    ) -> Problem:  # fmt: skip
        """Make the problem of a fit of checked rows. classes : the labels of y = 0 and y = 1. penalty : if made already."""
        penalty = spec.penalty_on(rows.n_features) if penalty is None else penalty
        standardize = False if spec.standardize is None else spec.standardize
        columns, scaled = standardized_columns(standardize, rows.design.numeric, spec.fit_intercept)
        lower, upper = (shown(label) if isinstance(label, str) else f"class {label}" for label in classes)
        return cls(rows, spec, penalty, columns, start, scaled, (lower, upper), started, reference)

    def objective(self, penalty: ElasticNet | None = None, column_scale: Vector | None = None) -> DataObjective:
        """F over the rows in their present units. penalty : in these units; the fit's by default."""
        made = self.penalty if penalty is None else penalty
        return DataObjective(self.rows, made, self.options.fit_intercept, column_scale, self.options.loss)

    def standardized(self) -> Problem:
        """Return the same problem with its rows in the units of the fit."""
        if not self.columns.any():
            return self
        return replace(self, rows=standardized(self.rows, self.columns, self.scaled))


@dataclass(frozen=True)
class Ending:
    """What a method returns.

    w_fit, b_fit : the returned point in `units`, the fit's. rows : in the units of the method's arithmetic.
    how : how the run ended. certificate : what is proven about the point. said : warnings beside the one of `how`.
    learning_rate, learning_rate_limit : for gradient descent, else None. said_at_once : warnings already issued in the run.
    epochs_needed : if gradient descent ended too early, else None. carried : for mini-batches, what `resume` needs.
    diagnosed : what was found where there is no single optimum. copies : how often the method copied X.
    limit : what was found by counting, if coefficients are infinite.
    """

    outcome: Outcome
    w_fit: Vector
    b_fit: float
    units: Units
    rows: Rows
    how: Finding
    certificate: Certificate
    said: tuple[Finding, ...] = ()
    learning_rate: float | None = None
    learning_rate_limit: float | None = None
    said_at_once: tuple[Finding, ...] = ()
    diagnosed: Collinearity | Separation | None = None
    copies: int = 0
    epochs_needed: float | None = None
    carried: Carried | None = None
    limit: Limit | None = None

    @cached_property
    def point(self) -> tuple[Vector, float]:
        """The returned point in the user's units; not finite if it is too large there."""
        return self.units.to_user(self.w_fit, self.b_fit)

    @property
    def is_separated(self) -> bool:
        """Whether the classes are separated, and the optimum with a ridge is returned."""
        return self.how.code == "no optimum"

    @property
    def objective(self) -> float:
        """F at the returned point; for separated classes without the added ridge."""
        there = self.outcome.state.evaluation
        return there.loss if self.is_separated else there.objective


def objective_line(problem: Problem, ending: Ending) -> str:
    """Write the objective with its numbers; for separated classes also the objective whose optimum is returned."""
    rows, penalised = problem.rows, problem.penalty.line
    loss = f"(1/{rows.n_rows}) sum l(z, y)" if rows.s is None else f"(1/{rows.sum_weights:.10g}) sum s l(z, y)"
    loss += "" if problem.options.loss is LOGISTIC else f" [{problem.options.loss.name}]"
    penalty = f" + {penalised}" if penalised else ""
    z = "z = x.w + b" if problem.options.fit_intercept else "z = x.w, no intercept"
    free = ", b not penalised" if penalised and problem.options.fit_intercept else ""
    text = "the user's units"
    standardized = int(problem.columns.sum())
    if standardized:
        which = "all columns" if standardized == rows.n_features else f"{standardized} of {rows.n_features} columns"
        text = f"units of {'(x - mean)/sd' if problem.scaled else 'x - mean'} for {which}"
    size = "sd_j" if problem.options.fit_intercept else "rms_j"
    line = f"F(w, b) = {loss}{penalty}, {z}{free}; {text}"
    if ending.limit is not None:
        line += f"; in the limit of {counted(ending.limit.n_infinite, 'infinite coefficient')}"
    if not ending.is_separated:
        return line
    return f"{line}; returned is the optimum of F + ({short(SEPARATED_RIDGE)}/2) sum ({size} w_j)^2"


def refuse_beyond_float64(w: Vector, names: Sequence[str]) -> None:
    """Raise InputError if a weight of a named column is not finite."""
    if not np.isfinite(w).all():
        name = names[int(np.argmin(np.isfinite(w)))]
        raise InputError(f"column {name!r} is so small that its weight is beyond a float64: multiply the column")
