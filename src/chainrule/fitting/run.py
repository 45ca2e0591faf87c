"""Runs a solver for every method, and refuses data that are not finite."""

from __future__ import annotations

from typing import Any

from chainrule.data.rows.decode import refuse_non_finite
from chainrule.diagnosis import RunMonitor
from chainrule.errors import InputError
from chainrule.findings import Finding
from chainrule.fitting.problem import Problem
from chainrule.objective import Objective
from chainrule.solvers import NotFiniteAtStart, Outcome, Run


def run_solver(
    problem: Problem,
    objective: Objective,
    solver: Any,
    *,
    refusal: str | Finding,
    may_diverge: bool = False,
    **limits: Any,
) -> Outcome:
    """Run a solver on one of the problem's objectives; limits : further arguments of `Run`.

    Raises
    ------
    InputError
        If F is not finite: names the first row with NaN or infinity; if there is none, the message is `refusal`.
    """
    options = problem.options
    asked: dict[str, Any] = {"units": problem.rows.units, "monitor": RunMonitor(), "tol": options.tol} | limits
    run: Run[Any, Any] = Run(objective, solver, callbacks=options.callbacks, started=problem.started, **asked)
    try:
        outcome = run.run()
        if outcome.reason != "non_finite" or may_diverge:
            return outcome
    except NotFiniteAtStart:
        pass
    refuse_non_finite(problem.rows)
    raise InputError(refusal)
