"""What only stochastic gradient descent needs: its rows, its rate, the advice at its end, and resuming."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from chainrule.data.rows import Rows
from chainrule.data.rows.batches import digest, largest_pull
from chainrule.diagnosis import NoiseMonitor, epochs_by_trend, expected_smoothness
from chainrule.errors import InputError
from chainrule.findings import Finding, Way
from chainrule.fitting.problem import Problem
from chainrule.fitting.result import Carried, Result
from chainrule.kernels.reading import kernel_name
from chainrule.kernels.runs import Batches
from chainrule.objective import DataObjective
from chainrule.solvers import Before, Outcome, StochasticGradientDescent, StochasticState

DEFAULT_EPOCHS = 100
BEYOND, MOST = 1e15, 1e9  # more epochs count as never; the most that advice asks for
AUTOMATIC = 0.25  # the default rate, as a share of the limit
MUCH_SMALLER = 0.1 * AUTOMATIC
SAME_F = 1e-9  # relative; two instruction sets differ by less

Vector = NDArray[np.float64]


def check_rows(problem: Problem) -> tuple[Rows, Batches]:
    """Return the rows and the batches; raises InputError if sgd can't use them."""
    rows, batches = problem.rows, problem.options.batches
    assert batches is not None
    if not rows.is_dense:
        are = rows.design.storage
        raise InputError(
            f"method='sgd' reads dense numbers alone, and these are {are}: use method='auto', or X.toarray()"
        )
    if batches.size > rows.n_visited:
        raise InputError(Finding("large batch", {"batch": batches.size, "rows": rows.n_visited}))
    digest(rows)  # now, so that Ctrl-C during the run needn't wait for this read
    return rows, batches


def smoothness(problem: Problem, curvature: float) -> float:
    """Compute the expected smoothness of the batches from F's largest curvature; one read finds the steepest row."""
    (rows, batches), options = check_rows(problem), problem.options
    if batches.size == rows.n_visited:
        return curvature
    of_row = options.loss.curvature * largest_pull(rows, options.fit_intercept) + problem.penalty.curvature.max()
    return expected_smoothness(curvature, of_row, rows.n_visited, batches.size)


def judged(
    problem: Problem, outcome: Outcome, monitor: NoiseMonitor, rate: float, limit: float, *, known: bool
) -> tuple[Outcome, float, tuple[tuple[Finding, ...], tuple[Way, ...]]]:
    """Judge a run that reached its limit of epochs: what is missing, and the ways out.

    Returns the outcome, with the reason "noise_floor" if a run at a constant rate reached one; about how many more epochs it
    needs, NaN if unknown and inf if the gap's trend never reaches tol; and what is missing. known : whether F* is known.
    """
    (rows, batches), newton, needed = check_rows(problem), ("newton", None), math.nan
    options = problem.options
    if outcome.reason != "max_reads":
        return outcome, needed, ((), ())
    decays = batches.schedule != "constant"
    is_noise = not decays and batches.size < rows.n_visited
    if monitor.hovers:
        hovering = monitor.recent
        values = {
            "decays": decays,
            "epochs": len(hovering),
            "low": float(hovering.min()),
            "high": float(hovering.max()),
            "objective": outcome.best_objective,
            "best": outcome.best_epoch,
            "is_noise": is_noise and bool(rate <= limit),
        }
        first: Way = ("slower", limit) if rate > limit else ("less noise", None) if is_noise else (options.more, None)
        reason = "noise_floor" if is_noise else "max_reads"
        return replace(outcome, reason=reason), needed, ((Finding("hovers", values),), (first, newton))
    epochs, gaps = (outcome.trace.columns[name].astype(np.float64) for name in ("epoch", "gap"))
    if not is_noise and known and len(epochs) >= 20:
        needed = epochs_by_trend(epochs, gaps, options.tol)
        needed = needed if needed <= BEYOND else math.inf
    left: tuple[Finding, ...] = (Finding("epochs left", {"epochs": needed, "by": "trend"}),)
    ways: tuple[Way, ...] = (((options.more, outcome.n_epochs + needed),) if needed < MOST else ()) + (newton,)
    if needed > BEYOND:
        ways = (("faster" if rate < AUTOMATIC * limit else "longer steps", None), newton)
    elif math.isnan(needed) and rate < MUCH_SMALLER * limit:
        left, ways = (Finding("short steps"),), (("faster", None), newton)
    elif math.isnan(needed):
        left, ways = () if decays else (Finding("unknown rate"),), ((options.more, None), newton)
    return outcome, needed, (left, ways)


def check_options(before: Result, problem: Problem, rate: float, max_steps: int) -> None:
    """Refuse to resume with other options, other rows, or another order of the rows."""
    (rows, batches), options = check_rows(problem), problem.options
    if before.method != "sgd":
        raise InputError(f"resume: that fit was by {before.method}, and only method='sgd' can be resumed")
    if before.feature_names != rows.feature_names:
        names = before.feature_names
        were = ", ".join(names[:5]) + (f" and {len(names) - 5:,} more" if len(names) > 5 else "")
        raise InputError(f"resume: the columns differ: they were {were}")
    pairs = [
        ("the number of rows", before.n_rows, rows.n_rows),
        ("the sum of the weights", before.sum_weights, rows.sum_weights),
        ("batch_size", before.batch_size, batches.size),
        ("seed", before.seed, batches.seed),
        ("schedule", before.schedule, batches.schedule),
        ("alpha", before.alpha, options.alpha),
        ("fit_intercept", before.fit_intercept, options.fit_intercept),
    ]
    for name, then, now in pairs:
        if then != now:
            raise InputError(
                f"resume: {name} was {then!r} and is {now!r}: resume on the same data, with the same options"
            )
    if not (np.array_equal(before.center, rows.units.center) and np.array_equal(before.scale, rows.units.scale)):
        raise InputError("resume: standardize or the data differ: resume on the same data, with the same options")
    if before.rows_digest != digest(rows):
        raise InputError("resume: the rows, or their order, differ from that fit's: resume on the same rows")
    if before.learning_rate != rate:
        raise InputError(f"resume: learning_rate was {before.learning_rate!r} and is {rate!r}: give the same")
    if max_steps <= before.n_epochs:
        raise InputError(
            f"resume: that run has had {before.n_epochs:,} epochs, and max_reads counts them too: "
            f"raise max_reads above {max(max_steps, before.n_epochs):,}"
        )


def taken_up(
    result: Result | None, objective: DataObjective, solver: StochasticGradientDescent, monitor: NoiseMonitor
) -> Before[StochasticState] | None:
    """Resume at the last epoch. F there must be the same; to the bit if kernel and storage are the same."""
    if result is None:
        return None
    trace, kept = result.trace, result.carried
    assert kept is not None  # every run of mini-batches has it
    F = trace.columns["objective"]
    monitor.go_on(kept.gaps, result.n_epochs + 1, float(F[0]))
    as_then = (kernel_name(), objective.rows.design.storage) == (result.kernel, result.storage)
    allowed = 0.0 if as_then else SAME_F

    def at(epoch: int, then: float, w: Vector, b: float) -> tuple[int, StochasticState]:
        state = solver.at(objective, np.append(w, b), epoch)
        now = state.evaluation.objective
        if not abs(now - then) <= allowed * abs(then):
            raise InputError(
                f"resume: F after epoch {epoch:,} was {then!r} and is {now!r}: the core was rebuilt or the processor "
                "is another; resume where that fit was made, or begin again"
            )
        return epoch, state

    last = at(result.n_epochs, float(F[-1]), trace.w[-1], float(trace.b[-1]))
    if kept.best_epoch == result.n_epochs:
        return Before(trace, last, last)
    return Before(trace, last, at(kept.best_epoch, kept.best_objective, kept.best_w, kept.best_b))


def carried(outcome: Outcome, monitor: NoiseMonitor) -> Carried:
    """Collect what resuming needs."""
    best = outcome.best
    return Carried(
        gaps=monitor.after(outcome.n_epochs + 1),
        best_epoch=outcome.best_epoch,
        best_objective=best.evaluation.objective,
        best_w=best.w.copy(),
        best_b=best.b,
    )
