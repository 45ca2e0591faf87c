"""Fits without a penalty of rows that are few for their columns: mostly a plane separates the classes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from chainrule.data.rows import Units
from chainrule.data.rows.costs import MAX_NEWTON_COLUMNS
from chainrule.diagnosis.few_rows import separated_by
from chainrule.errors import InputError
from chainrule.findings import Finding
from chainrule.fitting.choice import NEWTON_PRODUCTS
from chainrule.fitting.conjugate import by_products, optimize_in_row_space
from chainrule.fitting.degenerate import ridge_by_newton, unproven, with_ridge
from chainrule.fitting.optimize import optimize, prepare
from chainrule.fitting.problem import Ending, Problem
from chainrule.fitting.task import Task
from chainrule.losses import is_native
from chainrule.penalties import SEPARATED_RIDGE, ridge
from chainrule.solvers import CGState

READS = 100  # that newton-cg may take; it mostly takes fewer than 100 steps, or it hardly gets on
ROW_PRODUCTS = 1e10  # m^2 n, up to which the rows' space is found in a few seconds


def optimize_few_rows(problem: Problem) -> Ending:
    """Look for separation first: newton-cg finds the optimum under the ridge that is returned then.

    If that point doesn't separate the classes, Newton goes on. Raises InputError if there are too many columns for it.
    """
    ending = _separated(problem) if is_native(problem.options.loss) else None
    if ending is not None:
        return ending
    n = problem.rows.n_features
    if n > MAX_NEWTON_COLUMNS:
        raise InputError(Finding("too many columns", {"columns": n, "side": n, "has_penalty": False}))
    return optimize(problem)


def _separated(problem: Problem) -> Ending | None:
    """Return the optimum under the ridge if newton-cg's last point separates the classes, else None."""
    options, task = problem.options, _on_columns_of_one_size(problem)
    rows, is_free = task.problem.rows, options.max_reads is None
    asked = replace(options, max_reads=READS if is_free else options.max_reads)
    small = ridge(SEPARATED_RIDGE, rows.n_features)
    on = replace(task.problem, options=asked, penalty=small, columns=np.zeros_like(problem.columns))
    how = {"units": task.fit_units, "to_fit": task.all_to_fit}
    ending = by_products(on, rows.units.to_fit(*problem.start), **how)
    state = ending.outcome.state
    assert isinstance(state, CGState)
    if ending.outcome.reason == "interrupted":
        without = replace(state, evaluation=replace(state.evaluation, objective=state.evaluation.loss))
        return unproven(task, ending.outcome, without, Finding("not looked for"))
    found = separated_by(rows, state.w, state.b, fit_intercept=options.fit_intercept)
    if found is None:
        return None
    if ending.outcome.reason != "converged" and is_free:
        m, n = rows.n_rows, rows.n_features
        if m < n and m * m * n <= ROW_PRODUCTS:
            ending = optimize_in_row_space(replace(on, options=replace(asked, max_reads=None)), **how)
            state = ending.outcome.state
            assert isinstance(state, CGState)
        elif m * n**2 <= NEWTON_PRODUCTS and n <= MAX_NEWTON_COLUMNS:
            return ridge_by_newton(prepare(replace(problem, start=rows.units.to_user(state.w, state.b))), found)
    return with_ridge(task, ending.outcome, state, task.all_to_fit(state.theta), found)


def _on_columns_of_one_size(problem: Problem) -> Task:
    """Return the task in units in which the ridge is the same on all columns, as newton-cg's bound likes it best."""
    task, there = prepare(problem), problem.standardized().rows
    moments = there.moments(correlations=False)
    size = np.hypot(moments.sd, 0.0 if problem.options.fit_intercept else moments.mean)
    units = Units(task.units.center, np.where(size > 0.0, size, task.units.scale))
    return Task(replace(problem, rows=there.see(units)), units, there.units)
