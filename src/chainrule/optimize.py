"""Newton's method on a problem: the units of its arithmetic, its run, and what is said of it."""

from __future__ import annotations

import numpy as np

from chainrule.errors import NotConvergedWarning
from chainrule.no_optimum import without_optimum
from chainrule.problem import Ending, Problem
from chainrule.rows import DenseRows, Units, power_of_two
from chainrule.sampling import spread_rows
from chainrule.task import Task, certified, told

GUESS_ROWS = 256  # whose means and deviations the arithmetic's units come from


def optimize(problem: Problem, started: float) -> Ending:
    """Run Newton on growing samples and few reads of all rows, to a bound on F - F* of `tol`."""
    return solve(prepare(problem, started))


def prepare(problem: Problem, started: float) -> Task:
    """Choose the units of the arithmetic."""
    rows, options = problem.rows, problem.options
    fit_units = Units.of_user(rows.n_features)
    if problem.columns.any():
        rows.moments(correlations=False)
        rows.standardize(problem.columns)
        fit_units = rows.units
    units = _arithmetic_units(rows, options.fit_intercept)
    rows.see(units)
    return Task(problem, units, fit_units, started)


def solve(task: Task) -> Ending:
    """Run Newton, and find out why where nothing is proven."""
    rows, options = task.problem.rows, task.problem.options
    outcome, state = task.run(task.alpha)
    proven = state.bound is not None and state.bound.proven
    if proven or outcome.reason not in ("converged", "max_reads"):
        certificate = certified(state, task.units, rows, task.started)
        sentence = told(outcome, state, certificate, options.tol, rows.reads)
        said = ((NotConvergedWarning, sentence),) if outcome.reason == "max_reads" else ()
        return task.ending(outcome, state.w, state.b, certificate, sentence, said)
    return without_optimum(task, outcome, state)


def _arithmetic_units(rows: DenseRows, centred: bool) -> Units:
    """Columns less about their mean, over a power of two near their deviation: from a few rows, spread over the data."""
    m = rows.n_rows
    # Of few rows every k-th will do, and takes a third of the time.
    places = np.arange(0, m, -(-m // GUESS_ROWS)) if m <= 4 * GUESS_ROWS else spread_rows(m, GUESS_ROWS)
    if rows.s is not None:
        kept = places[rows.s[places] > 0]
        places = kept if len(kept) else np.flatnonzero(rows.s > 0)[:GUESS_ROWS]
    x = rows.given(places)
    size = np.maximum(x.max(axis=0), -x.min(axis=0))
    if not np.isfinite(size).all():
        rows.refuse_non_finite()
    p = power_of_two(size)  # squares of what is seen neither overflow nor vanish
    x *= p
    center = np.add.reduce(x, axis=0) / len(x)
    x -= center
    sd = np.sqrt(np.einsum("ij,ij->j", x, x) / len(x)) / p
    scale = 1.0 / power_of_two(np.where(sd > 0, sd, np.where(size > 0, size, 1.0)))
    return Units(center / p if centred else np.zeros(rows.n_features), scale)
