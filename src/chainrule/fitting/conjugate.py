"""newton-cg on a problem, with a certificate in the user's units; and Newton for fewer rows than columns."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data.rows.decode import refuse_non_finite
from chainrule.data.rows.moments import learn_spreads
from chainrule.errors import InputError
from chainrule.findings import Finding, Way
from chainrule.fitting.optimize import optimize, prepare
from chainrule.fitting.problem import Ending, Problem
from chainrule.fitting.reference import certify_point
from chainrule.fitting.returned import UserPoint, certified
from chainrule.fitting.spec import default_tol
from chainrule.fitting.task import how_it_ended, run_solver
from chainrule.kernels.blas import gram
from chainrule.losses import is_native
from chainrule.solvers import CGState, NewtonCG
from chainrule.solvers.newton_cg import LARGEST, TooLarge
from chainrule.solvers.row_space import minimum_in_row_space

Vector = NDArray[np.float64]

DEFAULT_READS = 300
INNER = 0.01  # share of tol for the problem in the row space, so that the read that proves needs no further step


def optimize_by_products(problem: Problem) -> Ending:
    """Run newton-cg, one read a step, until F - F* is proven to be at most `tol`; raises InputError without a penalty."""
    if not problem.penalty.strongly_convex:
        raise InputError(Finding("needs a penalty"))
    problem = problem.standardized()
    return by_products(problem, problem.rows.units.to_fit(*problem.start))


def optimize_in_row_space(problem: Problem, **more: Any) -> Ending:
    """Run Newton for fewer rows than columns: the optimal w is a combination of rows, and a read then certifies it.

    (Hastie and Tibshirani 2004, Efficient quadratic regularization for expression arrays, Biostatistics 5, 329-340.) more : as
    in `by_products`.
    """
    problem = problem.standardized()
    rows, options, objective = problem.rows, problem.options, problem.objective()
    rows.count_read()
    seen = rows.viewed()[:, :-1]
    if not np.isfinite(seen[rows.is_kept]).all():
        refuse_non_finite(rows)
    seen[~rows.is_kept] = 0.0
    if not 1.0 / LARGEST < np.abs(seen).max() < LARGEST:
        return optimize(problem)
    shares = (np.ones(rows.n_rows) if rows.s is None else rows.s) / rows.weight
    learn_spreads(rows, shares @ seen, shares @ np.square(seen))
    a, b = minimum_in_row_space(
        gram(seen),
        shares,
        float(objective.ridge[0]),
        lambda z: objective.pointwise(z, rows.y),
        rows.units.to_fit(*problem.start)[1],
        INNER * options.tol,
        fit_intercept=options.fit_intercept,
    )
    return replace(by_products(problem, (a @ seen, b), **more), copies=1)


def by_products(problem: Problem, start: tuple[Vector, float], **more: Any) -> Ending:
    """Run newton-cg from a point in the fit's units, and certify the point that is returned. more : arguments of `Run`."""
    rows, options = problem.rows, problem.options
    objective = problem.objective()
    most = DEFAULT_READS if options.max_reads is None else options.max_reads
    tol = options.tol if is_native(options.loss) else INNER * options.tol
    refusal = "the objective is not finite: use a smaller w0, smaller numbers in X, or a larger penalty"
    try:
        outcome = run_solver(
            problem,
            objective,
            NewtonCG(np.append(*start), min(tol, default_tol(rows.n_rows))),
            refusal=refusal,
            max_steps=10 * DEFAULT_READS,
            max_reads=rows.reads + most,
            tol=tol,
            **more,
        )
    except TooLarge:
        refuse_non_finite(rows)
        raise InputError(Finding("rows too large", {"largest": LARGEST})) from None
    state = outcome.state
    if isinstance(state, CGState):
        certificate = certified(state, UserPoint.of(*rows.units.to_user(state.w, state.b), rows.units))
    else:
        task = prepare(problem)
        certificate = certify_point(task, None, *rows.units.to_user(state.w, state.b))
        if outcome.reason == "converged" and certificate.gap > options.tol:
            outcome = replace(outcome, reason="unproven")
    ways: tuple[Way, ...] = (("more reads", None), ("more penalty", None))
    how = how_it_ended(outcome, certificate, options.tol, ways=ways, reads=rows.reads)
    return Ending(outcome, state.w.copy(), state.b, rows.units, rows, how, certificate)
