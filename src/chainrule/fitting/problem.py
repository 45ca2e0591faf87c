"""A fit after its input was checked, and what a method makes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from chainrule.certificate import Certificate
from chainrule.data.rows import Rows, Units
from chainrule.findings import Finding
from chainrule.fitting.result import Carried
from chainrule.fitting.spec import FitSpec
from chainrule.losses import LOGISTIC
from chainrule.objective import DataObjective
from chainrule.penalties import Penalty
from chainrule.solvers import Outcome

if TYPE_CHECKING:  # they bring SciPy
    from chainrule.diagnosis.collinearity import Collinearity
    from chainrule.diagnosis.separation import Separation
    from chainrule.fitting.reference import Reference

Vector = NDArray[np.float64]


@dataclass
class Problem:
    """Rows as the run sees them, what to do with them, which columns (n,) to standardise; start: (w0, b0) in the user's units.

    scaled : whether these columns are divided by their deviation, or centred alone. class_names : of y = 0 and of y = 1.
    reference : what the run is measured by, where that is known already.
    """

    rows: Rows
    options: FitSpec
    columns: NDArray[np.bool_]
    start: tuple[Vector, float]
    scaled: bool = True
    class_names: tuple[str, str] = ("class 0", "class 1")
    reference: Reference | None = None

    @cached_property
    def penalty(self) -> Penalty:
        """The penalty in the fit's units."""
        return self.options.penalty_on(self.rows.n_features)

    def objective(self, penalty: Penalty | None = None, column_scale: Vector | None = None) -> DataObjective:
        """F over the rows as they are seen now; penalty: in these units, of the fit's by default."""
        made = self.penalty if penalty is None else penalty
        return DataObjective(self.rows, made, self.options.fit_intercept, column_scale, self.options.loss)

    def standardize(self) -> None:
        """See the rows in the units of the fit."""
        if self.columns.any():
            self.rows = self.rows.standardize(self.columns, self.scaled)


@dataclass(frozen=True)
class Ending:
    """What a method made of a problem.

    w_fit, b_fit : the returned point in `units`, those of the fit. how : how it ended. said : warnings.
    sum_weights : S. certificate : what is proven.
    learning_rate, limit : of gradient descent, else None. said_at_once : warnings that were issued while it ran.
    epochs_needed : of gradient descent that ended too early, else None. carried : of mini-batches, what `resume` needs.
    collinear, separated : what the columns or the classes were found to be, where that leaves no single optimum. copies : of
    columns of X that the method made.
    """

    outcome: Outcome
    w_fit: Vector
    b_fit: float
    units: Units
    sum_weights: float
    how: Finding
    said: tuple[Finding, ...]
    certificate: Certificate
    learning_rate: float | None = None
    limit: float | None = None
    said_at_once: tuple[Finding, ...] = ()
    collinear: Collinearity | None = None
    separated: Separation | None = None
    copies: int = 0
    epochs_needed: float | None = None
    carried: Carried | None = None

    @property
    def objective(self) -> float:
        """F as asked for: of separated classes without the ridge that was minimised."""
        there = self.outcome.state.evaluation
        return there.objective if self.separated is None else there.loss


Method = Callable[[Problem, float], Ending]


def objective_line(problem: Problem, units: Units, sum_weights: float) -> str:
    """Write the objective with its numbers put in."""
    rows, penalised = problem.rows, problem.penalty.line
    loss = f"(1/{rows.n_rows}) sum l(z, y)" if rows.s is None else f"(1/{sum_weights:.10g}) sum s l(z, y)"
    loss += "" if problem.options.loss is LOGISTIC else f" [{problem.options.loss.name}]"
    penalty = f" + {penalised}" if penalised else ""
    z = "z = x.w + b" if problem.options.fit_intercept else "z = x.w, no intercept"
    free = ", b not penalised" if penalised and problem.options.fit_intercept else ""
    text = "the user's units"
    standardized = int(problem.columns.sum())
    if standardized:
        which = "all columns" if standardized == rows.n_features else f"{standardized} of {rows.n_features} columns"
        text = f"units of {'(x - mean)/sd' if problem.scaled else 'x - mean'} for {which}"
    return f"F(w, b) = {loss}{penalty}, {z}{free}; {text}"
