"""Newton's method on a problem: the units of its arithmetic, its run, and what is said of it."""

from __future__ import annotations

import numpy as np

from chainrule.errors import NotConvergedWarning
from chainrule.no_optimum import without_optimum
from chainrule.problem import Ending, Problem
from chainrule.rows import DenseRows, Units, power_of_two
from chainrule.sampling import spread_rows
from chainrule.task import Task, certified, told

GUESS_ROWS = 1000  # whose means and deviations the arithmetic's units come from


def optimize(problem: Problem, started: float) -> Ending:
    """Run Newton on growing samples and few reads of all rows, to a bound on F - F* of `tol`."""
    rows, options = problem.rows, problem.options
    fit_units = Units.of_user(rows.n_features)
    if problem.columns.any():
        rows.moments(correlations=False)
        rows.standardize(problem.columns)
        fit_units = rows.units
    units = _arithmetic_units(rows, options.fit_intercept)
    rows.see(units)
    task = Task(problem, units, fit_units, started)
    # A column of 1e-160 has a penalty of 1e320 there: any number as large holds its weight at 0 as well.
    with np.errstate(over="ignore"):
        alpha = np.minimum(options.alpha * task.ratio**2, 1e200) if options.alpha else 0.0
    outcome, state = task.run(alpha)
    proven = state.bound is not None and state.bound.proven
    if proven or outcome.reason not in ("converged", "max_reads"):
        certificate = certified(state, units, rows, started)
        sentence = told(outcome, certificate, options.tol, rows.reads)
        said = ((NotConvergedWarning, sentence),) if outcome.reason == "max_reads" else ()
        return task.ending(outcome, state.w, state.b, certificate, sentence, said)
    return without_optimum(task, outcome, state)


def _arithmetic_units(rows: DenseRows, centred: bool) -> Units:
    """Columns less about their mean, over a power of two near their deviation: from a few rows, spread over the data."""
    part = rows if rows.n_rows <= 4 * GUESS_ROWS else rows.take(spread_rows(rows.n_rows, GUESS_ROWS))
    moments = part.moments(correlations=False)
    size = np.where(moments.sd > 0, moments.sd, np.maximum(np.abs(moments.low), np.abs(moments.high)))
    scale = 1.0 / power_of_two(np.where(size > 0, size, 1.0))
    return Units(moments.mean if centred else np.zeros(rows.n_features), scale)
