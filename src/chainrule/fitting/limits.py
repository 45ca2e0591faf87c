"""The limit of a fit at which some coefficients are infinite: the fit of the rows that these leave, for all rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from chainrule.certificate import Certificate
from chainrule.data.rows import Units
from chainrule.data.rows.levels import CERTAIN, Limit
from chainrule.diagnosis.separation import Separation
from chainrule.findings import Finding, factor_of
from chainrule.fitting.problem import Ending, Problem
from chainrule.fitting.task import as_returned
from chainrule.objective import Evaluation
from chainrule.penalties import SEPARATED_RIDGE
from chainrule.solvers import Callback, Outcome, Step

Vector = NDArray[np.float64]

MARGIN = 1e-12  # of a product of bounds
SHOWN = 6  # levels that a sentence names


def at_limit(problem: Problem, limit: Limit, optimize: Callable[[Problem, Finding], Ending]) -> Ending:
    """Fit the rows that infinite coefficients leave, by `optimize`, and say what this is for all rows.

    problem : its rows are in the fit's units. With S_r of the weight S left, inf F = (S_r/S) min F_r. optimize : returns the
    optimum under `SEPARATED_RIDGE` if nothing else is proven; gets the reason why there is no optimum.
    """
    whole = _Whole(limit)
    start = limit.exchanged(*problem.start)
    rest = replace(
        problem,
        rows=limit.rest(),
        penalty=problem.options.penalty_on(len(limit.live)),
        columns=np.zeros(len(limit.live), dtype=np.bool_),
        start=(start[0][limit.live], start[1]),
        options=replace(problem.options, callbacks=tuple(map(whole.called, problem.options.callbacks))),
    )
    found = Finding("infinite", _told(problem, limit))
    under_ridge = Finding("infinite", {**found.values, "ridge": SEPARATED_RIDGE})
    ending = as_returned(rest, optimize(rest, under_ridge))
    found = under_ridge if ending.is_separated else found
    if limit.gone.all():  # only the intercept is left, beside a column of zeros
        ending = replace(ending, said=tuple(each for each in ending.said if each.code != "collinear"))
    w, b = ending.point
    spread = np.zeros(problem.rows.n_features)
    spread[limit.live] = w
    whole = replace(whole, values=np.where(limit.infinite != 0, limit.finite(spread, b), 0.0))
    w_fit, b_fit = whole.points(ending.w_fit, np.array(ending.b_fit))
    certificate, reason = whole.certificate(ending.certificate, found), ending.outcome.reason
    how = Finding(ending.how.code, {**ending.how.values, "certificate": certificate})
    said = {found.code: found} | {each.code: _of_rest(each) for each in ending.said} | {found.code: found}
    if how.code in said:
        said[how.code] = how
    if reason == "converged":
        names = tuple(name for name, _ in found.values["columns"])
        how, reason = Finding("at limit", {**how.values, "infinite": limit.n_infinite, "names": names}), "no_optimum"
    return replace(
        ending,
        outcome=whole.outcome(ending.outcome, reason),
        w_fit=w_fit,
        b_fit=float(b_fit),
        units=limit.rows.units,
        rows=limit.renamed,
        how=how,
        certificate=certificate,
        said=tuple(said.values()),
        diagnosed=None,  # about other columns
        limit=limit,
    )


def separation_of(limit: Limit, classes: Sequence[str]) -> Separation:
    """Describe classes that are completely separated by infinite coefficients, and by the intercept for the rows left."""
    names, numeric, causes = limit.renamed.feature_names, limit.renamed.design.numeric, list[Finding]()
    for j in np.argsort(np.abs(limit.infinite), kind="stable")[-limit.n_infinite :].tolist():
        known: dict[str, object] = {"of_rest": bool(abs(limit.infinite[j]) > 1)}
        of = classes[int(limit.infinite[j] > 0)]
        if numeric[j]:
            known |= {"column": names[j], "threshold": 0.0, "sides": (("above", of),), "is_complete": False}
        else:
            known |= {"level": names[j], "factor": factor_of([names[j]]), "class": of}
        causes.append(Finding("threshold" if numeric[j] else "level", known))
    values = {"kind": "complete", "causes": tuple(causes), "rows": int(np.count_nonzero(limit.rows.is_kept))}
    return Separation("complete", (), np.zeros(0, dtype=np.int64), True, Finding("separated", values))


def _of_rest(found: Finding) -> Finding:
    return Finding(found.code, {**found.values, "of_rest": True}) if found.code == "collinear" else found


def _told(problem: Problem, limit: Limit) -> dict[str, object]:
    """Collect what the finding's sentence says: at most `SHOWN` names of each kind."""
    names, rows = limit.renamed.feature_names, problem.rows
    infinite = np.flatnonzero(limit.infinite)
    zero = np.flatnonzero(limit.gone & (limit.infinite == 0))
    infinite = infinite[np.argsort(np.abs(limit.infinite[infinite]), kind="stable")]
    encodings = limit.renamed.encodings or ()
    return {
        "count": len(infinite),
        "columns": tuple(
            (names[j], problem.class_names[int(limit.infinite[j] > 0)]) for j in infinite[:SHOWN].tolist()
        ),
        "rows": int(np.count_nonzero(rows.is_kept)),
        "left": len(limit.left),
        "references": tuple((encodings[k].name, encodings[k].levels[0]) for k in limit.references if encodings),
        "without_rows": len(zero),
        "zero": tuple(names[j] for j in zero[:SHOWN].tolist()),
    }


@dataclass(frozen=True)
class _Whole:
    """Turns what is known about the rows left into what it says about all rows.

    values : (n,), finite stand-ins for the infinite coefficients, in the user's units; None during the run.
    """

    limit: Limit
    values: Vector | None = None

    def points(self, w: Vector, b: Vector) -> tuple[Vector, Vector]:
        """Add the other coefficients to points of the rows left, (..., k) and (...): all in the fit's units."""
        limit, units = self.limit, self.limit.rows.units
        values = 1.5 * CERTAIN * np.sign(limit.infinite) if self.values is None else self.values
        spread = np.zeros((*w.shape[:-1], len(values)))
        spread[..., limit.live] = w
        return spread + values * units.scale, np.asarray(b + float(units.center @ values))

    def evaluation(self, of_rest: Evaluation) -> Evaluation:
        """Return F, the loss and the gradient of the limit, over all rows."""
        share, gradient = self.limit.share, np.zeros(self.limit.rows.n_features + 1)
        gradient[np.append(self.limit.live, -1)] = of_rest.gradient * share
        return replace(
            of_rest,
            objective=share * of_rest.objective,
            gradient=gradient,
            loss=share * of_rest.loss,
            accuracy=share * of_rest.accuracy + (1.0 - share),
            grad_norm=share * of_rest.grad_norm,
            hessian=None,
            lower=None,
            squares=None,
        )

    def called(self, callback: Callback) -> Callback:
        """Give a callback steps of all columns, with the levels that X has as the categories' first ones."""

        def of_all(step: Step) -> Mapping[str, float] | None:
            units: Units = self.limit.rows.units
            w, bias = self.points(step.w, np.array(step.b))
            theta = np.append(*units.to_fit(*self.limit.exchanged(*units.to_user(w, float(bias)))))
            theta.flags.writeable = False
            gap = self.limit.share * step.gap
            return callback(
                replace(step, theta=theta, evaluation=self.evaluation(step.evaluation), gap=gap, units=units)
            )

        return of_all

    def outcome(self, of_rest: Outcome, reason: str) -> Outcome:
        """Return a run's outcome with its state's numbers and its trace."""
        trace, share = of_rest.trace, self.limit.share
        columns = dict(trace.columns)
        for name in ("loss", "objective", "grad_norm", "gap", "accuracy"):
            columns[name] = np.asarray(share * columns[name] + (1.0 - share) * (name == "accuracy"), dtype=np.float64)
        w, b = self.points(trace.w, trace.b)
        state = replace(of_rest.state, evaluation=self.evaluation(of_rest.state.evaluation))
        trace = replace(trace, columns=columns, w=w, b=b)
        return replace(of_rest, state=state, trace=trace, reason=reason)

    def certificate(self, of_rest: Certificate, found: Finding) -> Certificate:
        """Return what is proven about the limit, over all rows. Columns that are exactly collinear leave inf F as it is."""
        share, n, live = self.limit.share, self.limit.rows.n_features, self.limit.live
        up, down = share * (1.0 + MARGIN), share * (1.0 - MARGIN)
        coef, digits = np.full(n, np.inf), np.zeros(n, dtype=np.int64)
        coef[live], digits[live] = of_rest.coef, of_rest.digits
        coef[self.limit.gone], digits[self.limit.gone] = np.inf, 0
        is_bound = of_rest.kind == "bound" or (of_rest.kind == "reduced" and of_rest.infimum_gap <= of_rest.gap)
        return replace(
            of_rest,
            kind="limit" if is_bound else of_rest.kind,
            coef=coef,
            digits=digits,
            objective=share * of_rest.objective,
            gap=up * of_rest.gap,
            lower=down * of_rest.lower,
            noise=up * of_rest.noise,
            hessian_rows=of_rest.hessian_rows and f"{of_rest.hessian_rows} left",
            optimum_at_least=down * of_rest.optimum_at_least,
            infimum_at_least=down * of_rest.infimum_at_least,
            infimum_gap=up * of_rest.infimum_gap,
            why=found if is_bound else of_rest.why,
        )
