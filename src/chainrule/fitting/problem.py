"""A fit after its input was checked, and what a method makes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from chainrule.certificate import Certificate
from chainrule.data.rows import Rows, Units
from chainrule.findings import Finding
from chainrule.fitting.result import Carried
from chainrule.fitting.spec import FitSpec
from chainrule.losses import LOGISTIC
from chainrule.objective import Objective
from chainrule.penalties import PENALTIES, Penalty
from chainrule.solvers import Outcome

Vector = NDArray[np.float64]


@dataclass
class Problem:
    """Rows as the run sees them, what to do with them, which columns (n,) to standardise; start: (w0, b0) in the user's units.

    scaled : whether these columns are divided by their deviation, or centred alone. class_names : of y = 0 and of y = 1.
    """

    rows: Rows
    options: FitSpec
    columns: NDArray[np.bool_]
    start: tuple[Vector, float]
    scaled: bool = True
    class_names: tuple[str, str] = ("class 0", "class 1")

    @cached_property
    def penalty(self) -> Penalty:
        """The penalty in the fit's units."""
        return PENALTIES[self.options.penalty](self.options.alpha, self.rows.n_features)

    def objective(self, penalty: Penalty | None = None, column_scale: Vector | None = None) -> Objective:
        """F over the rows as they are seen now; penalty: in these units, of the fit's by default."""
        made = self.penalty if penalty is None else penalty
        return Objective(self.rows, made, self.options.fit_intercept, column_scale, self.options.loss)

    def standardize(self) -> None:
        """See the rows in the units of the fit."""
        if self.columns.any():
            self.rows = self.rows.standardize(self.columns, self.scaled)


@dataclass(frozen=True)
class Ending:
    """What a method made of a problem.

    w_fit, b_fit : the returned point in `units`, those of the fit. how : how it ended. said : warnings.
    sum_weights : S. objective : F as asked for, where the run minimised another one. certificate : what is proven.
    learning_rate, limit : of gradient descent, else None. said_at_once : warnings that were issued while it ran.
    epochs_needed : of gradient descent that ended too early, else None. carried : of mini-batches, what `resume` needs.
    pivots : columns of the model that a certificate of kind "reduced" is for, else None.
    on_plane : rows on the plane that separates the others. is_inexact : relations of the columns hold up to rounding alone, or
    kept the run from a bound: the model of the pivots is still to be fitted. copies : of columns of X that the method made.
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
    objective: float | None = None
    said_at_once: tuple[Finding, ...] = ()
    pivots: NDArray[np.int64] | None = None
    on_plane: NDArray[np.int64] | None = None
    is_inexact: bool = False
    copies: int = 0
    epochs_needed: float | None = None
    carried: Carried | None = None


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
