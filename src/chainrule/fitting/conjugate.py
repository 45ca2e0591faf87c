"""newton-cg on a problem, with a certificate in the user's units; and Newton for fewer rows than columns."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr
from scipy.linalg.lapack import dormqr

from chainrule.data.rows import Rows
from chainrule.data.rows.decode import refuse_non_finite
from chainrule.data.rows.moments import learn_spreads
from chainrule.errors import InputError
from chainrule.findings import Finding, Way
from chainrule.fitting.optimize import optimize, prepare
from chainrule.fitting.problem import Ending, Problem
from chainrule.fitting.reference import certify_point
from chainrule.fitting.returned import UserPoint, certified
from chainrule.fitting.task import how_it_ended, run_solver
from chainrule.kernels.blocks import Blocks
from chainrule.losses import is_native
from chainrule.solvers import CGState, NewtonCG
from chainrule.solvers.newton_cg import LARGEST, TooLarge

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
    """Run Newton for fewer rows than columns. The optimal w is a combination of rows: X = R' Q', w = Q u, |w| = |u|.

    The problem in u has as many columns as there are rows. Newton solves it; a read then certifies the point w = Q u. (Hastie
    and Tibshirani 2004, Efficient quadratic regularization for expression arrays, Biostatistics 5, 329-340.) more : as in
    `by_products`.
    """
    problem = problem.standardized()
    rows, options = problem.rows, problem.options
    rows.count_read()
    seen = rows.viewed()[:, :-1]
    if not np.isfinite(seen[rows.is_kept]).all():
        refuse_non_finite(rows)
    seen[~rows.is_kept] = 0.0
    if not 1.0 / LARGEST < np.abs(seen).max() < LARGEST:
        return optimize(problem)
    shares = (np.ones(rows.n_rows) if rows.s is None else rows.s) / rows.weight
    learn_spreads(rows, shares @ seen, shares @ np.square(seen))
    (Q, tau), R = qr(seen.T, mode="raw", overwrite_a=True, check_finite=False)
    few = Rows.of(
        Blocks.dense(np.ascontiguousarray(R.T)), rows.y, rows.s, [f"u{k + 1}" for k in range(len(R))], rows.threads
    )
    w, b = rows.units.to_fit(*problem.start)
    inner = replace(options, tol=INNER * options.tol, callbacks=(), max_reads=None)
    start = _reflected(Q, tau, w, "T")[: len(R)], b
    found = optimize(replace(problem, rows=few, options=inner, columns=np.zeros(len(R), dtype=np.bool_), start=start))
    if found.outcome.reason == "interrupted":
        raise KeyboardInterrupt
    u = np.append(found.w_fit, np.zeros(len(w) - len(R)))
    return replace(by_products(problem, (_reflected(Q, tau, u, "N"), found.b_fit), **more), copies=1)


def _reflected(Q: NDArray[np.float64], tau: Vector, v: Vector, trans: str) -> Vector:
    """Compute Q v or, with trans "T", Q' v, (n,), from the Householder reflections (Golub and Van Loan 2013, 5.1.6)."""
    found, _, _ = dormqr("L", trans, Q, tau, v[:, np.newaxis], 64 * len(v))
    return np.asarray(found[:, 0])


def by_products(problem: Problem, start: tuple[Vector, float], **more: Any) -> Ending:
    """Run newton-cg from a point in the fit's units, and certify the point that is returned. more : arguments of `Run`."""
    rows, options = problem.rows, problem.options
    objective = problem.objective()
    most = DEFAULT_READS if options.max_reads is None else options.max_reads
    refusal = "the objective is not finite: use a smaller w0, smaller numbers in X, or a larger penalty"
    try:
        outcome = run_solver(
            problem,
            objective,
            NewtonCG(np.append(*start)),
            refusal=refusal,
            max_steps=10 * DEFAULT_READS,
            max_reads=rows.reads + most,
            tol=options.tol if is_native(options.loss) else INNER * options.tol,
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
