"""Stochastic gradient descent on a problem: its learning rate, its run or the rest of one, and what is known at its end."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from chainrule.certificate import Certificate
from chainrule.data.rows import Moments, Rows
from chainrule.data.rows.batches import digest, largest_pull
from chainrule.diagnosis import NoiseMonitor, epochs_by_trend, expected_smoothness, largest_curvature
from chainrule.errors import InputError
from chainrule.findings import Finding, Way, warn_of
from chainrule.fitting.audit import Floor, audit
from chainrule.fitting.descend import MOST, ROUNDING, Measure, causes, how_it_ended, rates, warnings_of
from chainrule.fitting.problem import Ending, Problem
from chainrule.fitting.result import Carried, Result
from chainrule.kernels.reading import kernel_name
from chainrule.kernels.runs import Batches
from chainrule.objective import Objective
from chainrule.solvers import Before, NotFiniteAtStart, Outcome, Run, StochasticGradientDescent, StochasticState

DEFAULT_EPOCHS = 100
BEYOND = 1e15  # epochs: never
AUTOMATIC = 0.25  # of the limit of mini-batches
MUCH_SMALLER = 0.1 * AUTOMATIC
SAME_F = 1e-9  # relative: two instruction sets differ by less at one point

Vector = NDArray[np.float64]


def descend_by_batches(problem: Problem, started: float) -> Ending:
    """Run stochastic gradient descent with the user's learning rate, or 1/(2 E), E the batches' expected smoothness.

    The optimum is found first, by a few reads of Newton, so that each epoch knows how far it is from it.
    """
    rows, options = _dense(problem), problem.options
    moments = rows.moments()
    digest(rows)  # before the run: Ctrl-C then waits for no read
    problem.standardize()
    rows = problem.rows
    batches = _batches(problem)
    objective = problem.objective(column_scale=rows.column_scale())
    limit, rate = rates(_smoothness(problem, moments, batches), options.learning_rate, part=0.25)
    max_steps = DEFAULT_EPOCHS if options.max_reads is None else options.max_reads
    if options.resume is not None:
        _check_options(options.resume, problem, rate, max_steps)
    said: list[Finding] = []
    if rate > limit:
        said.append(Finding("above limit", {"rate": rate, "limit": limit, "batch": batches.size}))
        warn_of(said[0])
    monitor = NoiseMonitor(unbounded=batches.schedule == "constant" and rate * problem.penalty.curvature.max() > 2.0)
    measure = Measure.of(problem, objective, started)
    solver = StochasticGradientDescent(*rows.units.to_fit(*problem.start), rate, batches, measure.gap)
    run = Run(
        objective,
        solver,
        tol=options.tol,
        max_steps=max_steps,
        monitor=monitor,
        callbacks=options.callbacks,
        started=started,
        before=None if options.resume is None else _before(options.resume, objective, solver, monitor),
    )
    try:
        outcome = run.run()
    except NotFiniteAtStart:
        raise InputError(Finding("not finite at start")) from None
    state = outcome.state
    certificate = audit(measure.task, measure.floor, *rows.units.to_user(state.w, state.b))
    return _ending(problem, outcome, certificate, measure.floor, monitor, rate, limit, said)


def _batches(problem: Problem) -> Batches:
    batches, visited = problem.options.batches, problem.rows.n_visited
    assert batches is not None
    if batches.size > visited:
        raise InputError(Finding("large batch", {"batch": batches.size, "rows": visited}))
    return batches


def _dense(problem: Problem) -> Rows:
    if not problem.rows.is_dense:
        raise InputError(
            f"method='sgd' reads dense numbers alone, and these are {problem.rows.design.storage}: "
            "take method='auto', or X.toarray()"
        )
    return problem.rows


def _smoothness(problem: Problem, moments: Moments, batches: Batches) -> float:
    """Give the expected smoothness of the batches: one read finds the row of the largest curvature."""
    rows, options = _dense(problem), problem.options
    curvature = largest_curvature(
        moments, rows.units, problem.penalty.curvature, options.fit_intercept, options.loss.curvature
    )
    if batches.size == rows.n_visited:
        return curvature
    of_row = options.loss.curvature * largest_pull(rows, options.fit_intercept) + problem.penalty.curvature.max()
    return expected_smoothness(curvature, of_row, rows.n_visited, batches.size)


def _ending(
    problem: Problem,
    outcome: Outcome,
    certificate: Certificate,
    floor: Floor,
    monitor: NoiseMonitor,
    rate: float,
    limit: float,
    said: list[Finding],
) -> Ending:
    """Say how the run went; a run at a constant rate that no longer falls has come to its noise floor."""
    options, rows, state = problem.options, problem.rows, outcome.state
    batches, needed = _batches(problem), math.nan
    is_noise = batches.schedule == "constant" and batches.size < rows.n_visited
    if outcome.reason == "max_reads" and monitor.hovers and is_noise:
        outcome = replace(outcome, reason="noise_floor")
    if outcome.reason == "max_reads" and not monitor.hovers and not is_noise:
        needed = _epochs_needed(outcome, floor, options.tol)
    if outcome.reason in ("max_reads", "noise_floor"):
        recent = monitor.recent if monitor.hovers else None
        decays = batches.schedule != "constant"
        more, ways = _what_is_left(outcome, certificate, recent, needed, decays=decays, rate=rate, limit=limit)
        values = {"steps": outcome.n_epochs, "proof": certificate.sentence, "tol": options.tol}
        code = "stopped" if outcome.reason == "max_reads" else "noise floor"
        how = Finding(code, values | {"more": more, "ways": ways})
    else:
        how = how_it_ended(outcome, certificate, options.tol, rate, limit, needed)
    return Ending(
        outcome,
        state.w.copy(),
        state.b,
        rows.units,
        rows.moments().weight,
        how,
        (*causes(floor), *warnings_of(how, outcome)),
        certificate,
        rate,
        limit,
        said_at_once=tuple(said),
        epochs_needed=None if math.isnan(needed) else needed,
        carried=_carried(outcome, monitor),
    )


def _what_is_left(
    outcome: Outcome,
    certificate: Certificate,
    hovering: Vector | None,
    needed: float,
    *,
    decays: bool,
    rate: float,
    limit: float,
) -> tuple[tuple[Finding, ...], tuple[Way, ...]]:
    """Say what a run that ended before tol still lacks, and the ways out.

    hovering: the gaps of the last epochs, where they no longer fall. needed: epochs to tol; NaN where it is not known.
    """
    newton: Way = ("newton", None)
    if certificate.gap <= ROUNDING * certificate.noise:
        return (Finding("is rounding"),), (("larger tol", certificate.noise),)
    if hovering is not None:
        is_noise = outcome.reason == "noise_floor" and bool(rate <= limit)
        values = {
            "decays": decays,
            "epochs": len(hovering),
            "low": float(hovering.min()),
            "high": float(hovering.max()),
            "objective": outcome.best_objective,
            "best": outcome.best_epoch,
            "is_noise": is_noise,
        }
        first: Way = ("slower", limit) if rate > limit else ("less noise", None) if is_noise else ("more reads", None)
        return (Finding("hovers", values),), (first, newton)
    if needed > BEYOND:
        return (
            (Finding("epochs left", {"epochs": needed, "by": "trend"}),),
            (("faster" if rate < AUTOMATIC * limit else "longer steps", None), newton),
        )
    if math.isnan(needed):
        if rate < MUCH_SMALLER * limit:
            return (Finding("short steps"),), (("faster", None), newton)
        return () if decays else (Finding("unknown rate"),), (("more reads", None), newton)
    total = outcome.n_epochs + needed
    more: tuple[Way, ...] = (("more reads", total),) if needed < MOST else ()
    return (Finding("epochs left", {"epochs": needed, "by": "trend"}),), (*more, newton)


def _epochs_needed(outcome: Outcome, floor: Floor, tol: float) -> float:
    """Estimate the epochs still needed where the rate decays, from the trend of the gap; inf where it shows none."""
    epochs, gaps = (outcome.trace.columns[name].astype(np.float64) for name in ("epoch", "gap"))
    if floor.ending is None or len(epochs) < 20:
        return math.nan
    needed = epochs_by_trend(epochs, gaps, tol)
    return needed if needed <= BEYOND else math.inf


def _check_options(before: Result, problem: Problem, rate: float, max_steps: int) -> None:
    """Refuse to go on with a run of other options, of other rows, or of the same in another order."""
    rows, options, batches = _dense(problem), problem.options, _batches(problem)
    if before.method != "sgd":
        raise InputError(f"resume: that fit was by {before.method}, and only method='sgd' can be resumed")
    if before.feature_names != rows.feature_names:
        names = before.feature_names
        were = ", ".join(names[:5]) + (f" and {len(names) - 5:,} more" if len(names) > 5 else "")
        raise InputError(f"resume: the columns differ: they were {were}")
    pairs = [
        ("the number of rows", before.n_rows, rows.n_rows),
        ("the sum of the weights", before.sum_weights, rows.moments().weight),
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
        raise InputError("resume: the rows, or their order, are not those of that fit: resume on the same rows")
    if before.learning_rate != rate:
        raise InputError(f"resume: learning_rate was {before.learning_rate!r} and is {rate!r}: give the same")
    if max_steps <= before.n_epochs:
        raise InputError(
            f"resume: that run has had {before.n_epochs:,} epochs, and max_reads counts them too: "
            f"raise max_reads above {max(max_steps, before.n_epochs):,}"
        )


def _before(
    result: Result, objective: Objective, solver: StochasticGradientDescent, monitor: NoiseMonitor
) -> Before[StochasticState]:
    """Take up a run at its last epoch: F there must be what it was, to the last bit where kernels and storage are the same."""
    trace, carried = result.trace, result.carried
    assert carried is not None  # a run of mini-batches has it
    F = trace.columns["objective"]
    monitor.go_on(carried.gaps, result.n_epochs + 1, float(F[0]))
    as_then = (kernel_name(), objective.rows.design.storage) == (result.kernel, result.storage)
    allowed = 0.0 if as_then else SAME_F

    def at(epoch: int, then: float, w: Vector, b: float) -> tuple[int, StochasticState]:
        state = solver.at(objective, w.copy(), b, epoch)
        now = state.evaluation.objective
        if not abs(now - then) <= allowed * abs(then):
            raise InputError(
                f"resume: F after epoch {epoch:,} was {then!r} and is {now!r}: the core was built anew or the processor is "
                "another; resume where that fit was made, or begin again"
            )
        return epoch, state

    last = at(result.n_epochs, float(F[-1]), trace.w[-1], float(trace.b[-1]))
    if carried.best_epoch == result.n_epochs:
        return Before(trace, last, last)
    return Before(trace, last, at(carried.best_epoch, carried.best_objective, carried.best_w, carried.best_b))


def _carried(outcome: Outcome, monitor: NoiseMonitor) -> Carried:
    """Keep what a later run goes on with, of the epochs recorded."""
    best = outcome.best
    return Carried(
        gaps=monitor.after(outcome.n_epochs + 1),
        best_epoch=outcome.best_epoch,
        best_objective=best.evaluation.objective,
        best_w=best.w.copy(),
        best_b=best.b,
    )
