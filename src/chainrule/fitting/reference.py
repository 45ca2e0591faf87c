"""The optimum that other points are measured from, and `chainrule.certify`, which bounds how far any point is from it."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.certificate import Certificate, digits_of
from chainrule.certificate.rounding import UNIT
from chainrule.data.designs import rows_of
from chainrule.data.inputs import check_start, real, switch
from chainrule.data.kinds import Kinds
from chainrule.data.rows import Rows
from chainrule.data.rows.decode import refuse_non_finite
from chainrule.data.schema import Column
from chainrule.data.spellings import meant, spellings
from chainrule.data.words import some
from chainrule.diagnosis.collinearity import Collinearity
from chainrule.errors import InputError
from chainrule.findings import Finding
from chainrule.fitted import Fitted
from chainrule.fitting.choice import OF_FEW_ROWS, Shape
from chainrule.fitting.degenerate import bound_of
from chainrule.fitting.methods import NEWTON
from chainrule.fitting.optimize import prepare
from chainrule.fitting.problem import Ending, Problem
from chainrule.fitting.returned import UserPoint, certified, rounded
from chainrule.fitting.spec import FitSpec
from chainrule.fitting.task import Task
from chainrule.kernels.blas import one_blas_thread
from chainrule.kernels.reading import What
from chainrule.solvers import CGState, NewtonState
from chainrule.solvers.proof import FactoredHessian

Vector = NDArray[np.float64]

MAX_HESSIAN_COLUMNS = 4096  # beyond, a Hessian and its factor cost too much
MARGIN = 0.01  # share of tol to which the reference optimum is found
CONSTANTS = ("const", "Intercept")  # what statsmodels calls its constant, in arrays and in formulas
SHARP = 0.5  # lower bound over upper bound; above this, finding the optimum would add little


@dataclass(frozen=True)
class Reference:
    """The optimum that other points are measured from, or the best known bounds: low <= inf F <= high.

    w, b : a point with F at most `high`, in the user's units; 1e-8 more if some coefficients are infinite.
    certificate : of that point.
    said : why there is no single optimum, if so. collinear : relations between columns, if the certificate leaves out
    redundant columns.
    """

    certificate: Certificate
    high: float
    w: Vector
    b: float
    said: tuple[Finding, ...] = ()
    collinear: Collinearity | None = None

    @classmethod
    def of(cls, problem: Problem) -> Reference:
        """Return the problem's reference, or find one by Newton from zeros, in a few reads; KeyboardInterrupt on Ctrl-C."""
        if problem.reference is not None:
            return problem.reference
        n = problem.rows.n_features
        if n > MAX_HESSIAN_COLUMNS:
            why = Finding("no hessian", {"columns": n})
            return cls(Certificate.nothing(n, math.inf, why), math.inf, np.zeros(n), 0.0)
        options = replace(problem.options, tol=MARGIN * problem.options.tol, callbacks=(), max_reads=None)
        newton = OF_FEW_ROWS if Shape.of(problem.rows, problem.penalty).is_separable else NEWTON
        ending = newton.load()(replace(problem, options=options, start=(np.zeros(n), 0.0)))
        if ending.outcome.reason == "interrupted":
            raise KeyboardInterrupt
        return cls.of_ending(ending)

    @classmethod
    def of_ending(cls, ending: Ending) -> Reference:
        """Make a reference from a run of Newton's method."""
        state = ending.outcome.state
        assert isinstance(state, NewtonState | CGState)
        high, point = ending.objective + state.noise, ending.point
        certificate, said = ending.certificate, ending.said
        if ending.limit is not None:  # there is no optimum, and no first level is replaced here
            point, said = ending.limit.exchanged(*point), tuple(found.without("references") for found in said)
            certificate = replace(certificate, kind="limit", why=said[0])
        collinear = ending.diagnosed if isinstance(ending.diagnosed, Collinearity) else None
        return cls(certificate, high, *point, said, collinear)

    @property
    def is_known(self) -> bool:
        """Whether an optimum or an infimum is known."""
        return self.high < math.inf

    @property
    def kind(self) -> str:
        """What gap it gives: "bound" (F - F*), "reduced" (the same with fewer columns), else "infimum" (F - inf F)."""
        return self.certificate.kind if self.certificate.kind in ("bound", "reduced") else "infimum"

    @property
    def low(self) -> float:
        """Lower bound on F."""
        of = self.certificate
        return max(of.infimum_at_least if self.kind == "infimum" else of.optimum_at_least, 0.0)

    def gap(self, objective: float, rounding: float) -> tuple[float, float]:
        """Return a lower and an upper bound on F - inf F at a point whose F is known up to `rounding`."""
        return max(0.0, objective - self.high - rounding), max(0.0, objective - self.low + rounding)


def certify_point(task: Task, by: Reference | None, w: Vector, b: float) -> Certificate:
    """Certify (w, b), in the user's units: one read of all rows, with their Hessian.

    by : a reference, whose bound tightens the point's own, or replaces it if the point alone proves nothing.
    """
    point = UserPoint.of(w, b, task.units)
    if task.problem.rows.n_features > MAX_HESSIAN_COLUMNS:
        return _without_hessian(task, point)
    state = task.at(point.theta).with_bound()
    direct = certified(state, point)
    is_of_another = direct.proven and by is not None and by.kind != "bound"
    return direct if by is None or is_of_another else _measured(direct, by, state, point)


def compare_point(task: Task, by: Reference, w: Vector, b: float) -> Certificate:
    """Bound F - F* at (w, b), in the user's units, by the reference alone: one read without a Hessian.

    by : not of kind "reduced", whose bound needs a Hessian.
    """
    point = UserPoint.of(w, b, task.units)
    state = _without_factor(task, point)
    nothing = Certificate.nothing(len(w), state.evaluation.objective, Finding("too far", {"relations": ()}))
    return _measured(nothing, by, state, point)


def _measured(direct: Certificate, by: Reference, state: NewtonState, point: UserPoint) -> Certificate:
    """Compare F with the reference, and keep the tighter bounds."""
    rounding = _rounding(state)
    F, kind = state.evaluation.objective, "bound" if direct.proven else by.kind
    if not math.isfinite(F):
        return direct
    least, gap = by.gap(F, rounding)
    noise, coef, intercept = min(direct.noise, 2.0 * rounding), direct.coef, direct.intercept
    if kind == "reduced" and by.collinear is not None and by.collinear.exact:
        here = rounded(state, bound_of(state.about(by.collinear.pivots)), point)
        least = max(least, here.lower)
        gap, noise = min((gap, noise), (here.gap, here.noise))
    theirs = by.certificate
    if kind == "bound":
        up = 1.0 + 4.0 * UNIT
        gap = min(gap, direct.gap)
        coef = np.minimum(coef, (np.abs(point.w - by.w) + theirs.coef) * up)
        intercept = min(intercept, (abs(point.b - by.b) + theirs.intercept) * up)
    # a reference for a model with fewer columns says nothing about inf F
    infimum = max(direct.infimum_at_least, theirs.infimum_at_least)
    return replace(
        direct,
        kind=kind,
        gap=gap,
        lower=max(direct.lower, least),
        coef=coef,
        intercept=intercept,
        digits=digits_of(point.w, coef),
        noise=noise,
        optimum_at_least=max(by.low, direct.optimum_at_least),
        infimum_at_least=infimum,
        infimum_gap=gap if infimum >= by.low else F + rounding - infimum,
        why=None if kind == "bound" else theirs.why,
    )


def _rounding(state: NewtonState) -> float:
    """Bound the error of F, whose bias was rounded once on its way from the user's units."""
    return state.noise + state.on.loss.steepest * UNIT * abs(state.b)


def _without_hessian(task: Task, point: UserPoint) -> Certificate:
    """Bound by the gradient and the penalty alone, as there are too many columns for a Hessian."""
    n, state = len(point.w), _without_factor(task, point).with_bound()
    rounding, F = _rounding(state), state.evaluation.objective
    found, nothing = certified(state, point), Certificate.nothing(n, F, Finding("no hessian", {"columns": n}))
    if found.proven and found.gap <= F:
        return replace(found, hessian_rows="")
    if not math.isfinite(F):
        return nothing
    gap = F + rounding
    return replace(nothing, kind="infimum", gap=gap, noise=rounding, optimum_at_least=0.0, infimum_gap=gap)


def _without_factor(task: Task, point: UserPoint) -> NewtonState:
    """Read F and its gradient at a point."""
    on, n, z = task.objective, len(point.w), np.empty(task.problem.rows.n_rows)
    scale = np.append(np.sqrt(on.ridge) if task.problem.penalty.strongly_convex else np.ones(n), 1.0)
    evaluation = on.evaluate(point.theta, What.SQUARES, z=z, q=1.0 / scale**2)
    stand_in = replace(FactoredHessian.without_factor(on, scale**2, point.theta), norm=evaluation.norm)
    return NewtonState(point.theta, evaluation, 0, on, stand_in, z, evaluation.squares)


def certify(
    X: Any,
    y: ArrayLike,
    coef: Any,
    intercept: float | ArrayLike | None = None,
    *,
    alpha: float | None = None,
    C: float | None = None,
    sample_weight: ArrayLike | None = None,
    fit_intercept: bool = True,
    standardize: bool | str | ArrayLike = False,
    feature_names: Sequence[str] | None = None,
    coding: str = "reference",
    missing: str | Mapping[str, str] | None = None,
    columns: Kinds | None = None,
    reference: Mapping[str, Any] | None = None,
    n_threads: int | None = None,
    loss: str = "logistic",
    penalty: str = "ridge",
) -> Certificate:
    """Bound how far any coefficients are above the optimum of F(w, b) = (1/S) sum s l + (alpha/2) w.w.

    Near the optimum, one read of the data with the Hessian proves it (`chainrule.certificate.bound`).
    Otherwise an optimum is found, in a few more reads, and both values of F are compared:

        F(theta) - F(theta') - e <= F(theta) - F* <= F(theta) - F(theta') + bound(theta') + e,    e the rounding of both F.

    Parameters
    ----------
    X, y, alpha, C, sample_weight, fit_intercept, standardize, feature_names, coding, missing, columns, reference, n_threads,
    loss, penalty
        As in `chainrule.fit`. With standardize the penalty is on the coefficients of standardised columns.
    coef : (n,) or (1, n), a pandas Series, a dictionary, or a fitted model
        Weights w, for the columns as they are in X. From a model: its `coef_` and `intercept_` (scikit-learn, glum), its
        `params` (statsmodels: the constant is called const or Intercept), or w and b of a `Result` or `Model`. If they have
        names, as R, statsmodels or scikit-learn write those of X's encoded columns, their order doesn't matter.
    intercept : float or (1,)
        Bias b; 0 by default. Leave it out if coef is a model.

    Returns
    -------
    Certificate
        gap and lower: the point is at most and at least this many nats above the optimum; coef, intercept: how far each
        coefficient can be from the optimum's. Kind "infimum" if there is no optimum (separated classes).

    Raises
    ------
    InputError
        If data or options can't be used, or F is not finite at these coefficients.

    Examples
    --------
    >>> import chainrule
    >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [0, 1, 0, 1]
    >>> result = chainrule.fit(X, y)
    >>> chainrule.certify(X, y, result.w, result.b).gap <= 1e-8
    True
    >>> chainrule.certify(X, y, result).gap <= 1e-8
    True
    >>> chainrule.certify(X, y, [0.5], -0.5).kind
    'bound'
    """
    started = time.perf_counter()
    rows, classes = rows_of(X, y, sample_weight, feature_names, coding, n_threads, missing, columns, reference)
    w, b = _point(*_of_model(coef, intercept, rows), rows.n_features, switch("fit_intercept", fit_intercept))
    spec = FitSpec.of(
        alpha=alpha, C=C, fit_intercept=fit_intercept, n_threads=n_threads, loss=loss, penalty=penalty, standardize=standardize
    )  # fmt: skip
    return prove(spec, rows, (w, b), classes, started)


@one_blas_thread()
@np.errstate(over="ignore", invalid="ignore")  # extreme coefficients may overflow; then nothing is proven
def prove(
    spec: FitSpec, rows: Rows, point: tuple[Vector, float], classes: tuple[Any, Any], started: float
) -> Certificate:
    """Bound F - F* at a point (w, b) of the user's units, on checked rows; classes : the labels of y = 0 and y = 1."""
    (w, b), problem = point, Problem.of(spec.on_rows(rows.n_rows, rows.sum_weights), rows, point, classes, started)
    task = prepare(problem)
    too_large = "the objective is not finite at these coefficients: look at their size and their units"
    certificate = certify_point(task, None, w, b)
    if not np.isfinite(certificate.objective):
        refuse_non_finite(problem.rows)
        raise InputError(too_large)
    if len(w) <= MAX_HESSIAN_COLUMNS and not (certificate.proven and certificate.lower >= SHARP * certificate.gap):
        certificate = certify_point(task, Reference.of(problem), w, b)
    return replace(certificate, reads=problem.rows.reads, seconds=time.perf_counter() - started)


def _of_model(coef: Any, intercept: float | ArrayLike | None, rows: Rows) -> tuple[Any, Any]:
    """Take coefficients and intercept from a model, or as they are given; by their names if these are known."""
    own: Any = None
    given: Sequence[Any]
    if isinstance(coef, Fitted):
        given, w, own = coef.model.feature_names, coef.w, coef.b
    elif hasattr(coef, "coef_"):
        given, w, own = getattr(coef, "feature_names_in_", ()), coef.coef_, getattr(coef, "intercept_", 0.0)
    else:
        given, w = _params(coef)
        is_constant = np.array([name in CONSTANTS and name not in rows.feature_names for name in given], dtype=np.bool_)
        if is_constant.sum() > 1:
            raise InputError(
                f"the model has more than one constant, {' and '.join(CONSTANTS)}: give coef and intercept"
            )
        if is_constant.any() or hasattr(coef, "params"):
            own = float(np.sum(np.asarray(w)[is_constant])) if len(given) else 0.0
        if len(given):
            w, given = np.asarray(w)[~is_constant], np.array(given, dtype=object)[~is_constant].tolist()
    if own is not None and intercept is not None:
        raise InputError("intercept is given beside a model, which has its own: leave it out")
    return _in_order(w, given, rows, isinstance(coef, Mapping)), next(b for b in (own, intercept, 0.0) if b is not None)


def _params(coef: Any) -> tuple[list[str], Any]:
    """Return names and numbers of statsmodels' results, a series or a dictionary; no names for plain numbers."""
    params = getattr(coef, "params", coef)
    if isinstance(params, Mapping):
        return list(map(str, params)), list(params.values())
    index = params.index if hasattr(params, "iloc") and np.ndim(params) == 1 else ()
    return list(map(str, getattr(getattr(coef, "model", None), "exog_names", index))), params


def _in_order(w: Any, given: Sequence[str], rows: Rows, by_name: bool) -> Any:
    """Put coefficients into the order of the columns, by the names given; unknown names alone are known by their places."""
    names = rows.feature_names
    known = spellings(rows.encodings or [Column(name, "number") for name in names])
    found = [meant(name, known) for name in given]
    lack, more = [name for name in names if name not in found], [name for name in found if name not in names]
    if not by_name and len(more) == len(found):
        return w
    if lack or more:
        what = [f"it has none for {some(lack)}"] * bool(lack) + [f"the columns have no {some(more)}"] * bool(more)
        way = "columns, reference and coding encode X as that fit did"
        raise InputError(f"coef must be for the columns of X as they are encoded: {', and '.join(what)}; {way}")
    place = {name: k for k, name in enumerate(found)}
    return np.ravel(w)[[place[name] for name in names]]


def _point(coef: ArrayLike, intercept: float | ArrayLike, n: int, fit_intercept: bool) -> tuple[np.ndarray, float]:
    """Check coefficients, in the shapes that scikit-learn and others use."""
    try:
        w, b = real(coef), real(intercept)
    except (ValueError, TypeError, OverflowError):
        raise InputError("coef and intercept must be numbers") from None
    if w.shape not in ((n,), (1, n), (n, 1)):
        raise InputError(f"coef must have one number a column, {n} of them, not the shape {w.shape}")
    if not np.isfinite(w).all():
        j = int(np.flatnonzero(~np.isfinite(w.reshape(-1)))[0])
        raise InputError(f"coef is {w.reshape(-1)[j]} in column {j + 1}: coefficients are finite numbers")
    if b.size != 1 or not np.isfinite(b).all():
        raise InputError("intercept must be one finite number")
    if float(b.reshape(-1)[0]) and not fit_intercept:
        raise InputError("intercept is not 0 but fit_intercept is False: leave one of them out")
    return check_start(w.reshape(-1), float(b.reshape(-1)[0]), n, fit_intercept)
