"""Conjugate directions for many columns: one read a step, and a proof from the same read."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from chainrule.certificate import Bound, bound_by_dual
from chainrule.certificate.bounds import TINY
from chainrule.certificate.rounding import UNIT
from chainrule.kernels.reading import Secant
from chainrule.kernels.vectors import Feasible
from chainrule.objective import Evaluation, Objective
from chainrule.solvers.loop import Start, State
from chainrule.solvers.preconditioner import Preconditioner

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

PAIRS = 6  # of the last steps, that the direction is made with
SETTLED, FAR = (
    0.02,
    0.05,
)  # of F: fall of a step after which a sample is worth its reads; fall after which it is looked at anew
MOST_SEARCHES = 12  # Newton steps of a line search: passes over z, no reads
PROMISES = 1e-3  # of F: a step that promises less is as long as the read's own secant says
ENOUGH = 1e-3  # squared decrement of the line search over that of its first step
NEAR = 1.0  # change of every z up to which a Newton step needs no look at where it ends
STALE = 16.0  # times the drift of a z that was just read
LEAST_NOISE = 0.01  # of F: more is no noise of an optimum, but of a point far from it
OUTWARD = 1.0 + 1e-12
LARGEST = 1e50  # row, whose square times another's is a number still


class TooLarge(ArithmeticError):
    """A row is longer than `LARGEST`."""


@dataclass(frozen=True)
class Line:
    """Where the line search ended: F and its loss at z + t u + shift."""

    t: float
    shift: float
    objective: float


@dataclass(frozen=True)
class CGState(State):
    """Where the method stands.

    z : (m,) of the rows, kept up by the steps, and line : (3, m), what the last read told of them: x~.v, dL_dz and its change
    along v (`kernels.secant`); both overwritten by the next. residual : gradient of F over w with b at its optimum,
    exact where a read has just shown it, else as the last read's secant predicts it. pairs : (step, change of the residual).
    bound : what is proven. drift : how far z may be from that of (w, b), in the largest row; fresh : how far just after a read
    for it. is_due : whether a sample is worth its reads before the next step.
    """

    z: Vector
    line: Matrix
    residual: Vector
    pairs: tuple[tuple[Vector, Vector], ...]
    preconditioner: Preconditioner
    bound: Bound | None
    drift: float
    fresh: float
    largest: float
    center: Vector
    reach: float
    is_due: bool = False

    @property
    def gap(self) -> float:
        """Proven bound on F - F*."""
        return math.inf if self.bound is None else self.bound.gap

    @property
    def is_noise(self) -> bool:
        """Whether the bound is as small as rounding allows: far below F, and by no drift that a read would end."""
        if self.bound is None or self.is_stale:
            return False
        return self.gap <= 4.0 * self.bound.noise and self.bound.noise <= LEAST_NOISE * self.evaluation.objective

    @property
    def is_stale(self) -> bool:
        """Whether z has drifted so far that the bound is rounding, and a read for z helps."""
        noise = math.inf if self.bound is None else self.bound.noise
        return self.drift > STALE * self.fresh and not self.gap > 4.0 * noise

    def reached(self, tol: float) -> bool:
        """Whether the bound is at most tol, or as small as rounding allows."""
        return self.gap <= tol or self.is_noise


@dataclass(frozen=True)
class NewtonCG:
    """Quasi-Newton steps on conjugate directions, for a penalty alpha > 0 and any number of columns.

    A step makes one read. Along v, the L-BFGS direction (Nocedal and Wright 2006, algorithm 7.4) over a preconditioner, it
    gives u = x~.v of every row, the gradient at z, and the gradient's change from z to z + u. With these z is moved to the
    minimum over (t, shift of b) without a read, the next gradient is predicted, and p = g(z) + t (g(z + u) - g(z)), made
    feasible, is a point of the dual problem that bounds F - F* (`certificate.bound_by_dual`): the direction's residual and the
    divergence of p from the new g shrink together. Columns count as centred on their means under the curvature, since b is at
    its optimum at each step.

    Parameters
    ----------
    w0, b0
        The start, in the fit's units.
    """

    w0: Vector
    b0: float

    @np.errstate(over="ignore", invalid="ignore")
    def init(self, objective: Objective) -> Start[CGState]:
        """Evaluate the start; without one, and where w = 0 and its best b is nearer, that."""
        on, w, b = objective, self.w0, self.b0
        if w.any() or b:
            state = _state_at(on, w, b, on.rows.scores(w, b))
            if state.evaluation.objective <= on.base_objective:
                return Start(state)
        b = on.base_log_odds
        return Start(_state_at(on, np.zeros(on.n_features), b, np.full(on.n_rows, b)))

    @np.errstate(over="ignore", invalid="ignore")
    def step(self, objective: Objective, state: CGState) -> CGState:
        """One read along the next direction, and what follows from it."""
        on = objective
        if state.is_stale:
            z = on.rows.scores(state.w, state.b)
            largest = _largest(z, on.rows.s is None or on.rows.is_kept)
            state = replace(state, z=z, drift=state.fresh, largest=largest)
        if state.is_due:
            made = state.preconditioner.with_sample(on, state.z, state.evaluation.objective)
            state = replace(state, preconditioner=made, is_due=False)
        v = np.empty(on.n_features + 1)
        v_w = np.negative(_direction(state), out=v[:-1])
        v[-1] = -float(state.center @ v_w) if on.fit_intercept else 0.0
        u = state.line[0]
        read = on.secant(state.z, v, u, state.line[1:])
        center = _center(on, read)
        exact = _centred(read.gradient, center) / on.weight + on.ridge * state.w
        change = _centred(read.change, center) / on.weight + on.ridge * v_w
        slope = float(exact @ v_w)
        if not slope < 0.0 or not np.isfinite(change).all():
            # The predicted gradient misled: from the exact one, which proves this point too.
            found = _bound_at(on, state, read)
            here = replace(state, bound=found) if found.gap < state.gap else state
            made, is_due = _anew(on, state, state.evaluation.objective, read, center)
            return replace(here, residual=exact, pairs=(), preconditioner=made, center=center, is_due=is_due)
        near = -slope <= PROMISES * state.evaluation.objective
        line = _by_secant(on, slope, v_w, change, read) if near else _search(on, state, v, u)
        before = state.evaluation.objective
        moved = self._moved(on, state, v, u, read, center, exact, change, line)
        if near and not moved.evaluation.objective <= before * (1.0 + on.secant_depth * UNIT):
            # The secant misled: back to where it began, and a search.
            state.z[:] -= line.t * u + line.shift
            back = replace(state, drift=state.drift + 8.0 * UNIT * moved.largest)
            moved = self._moved(on, back, v, u, read, center, exact, change, _search(on, back, v, u))
        return moved

    def _moved(
        self,
        on: Objective,
        state: CGState,
        v: Vector,
        u: Vector,
        read: Secant,
        center: Vector,
        exact: Vector,
        change: Vector,
        line: Line,
    ) -> CGState:
        """Go where the line search ended, and prove what can be proven there."""
        t, v_w = line.t, v[:-1]
        w, b = state.w + t * v_w, state.b + t * float(v[-1]) + line.shift
        gradient = read.gradient + t * read.change
        curvature = float(read.curvature[-1])
        pull = float(gradient[-1]) / curvature if on.fit_intercept and curvature > 0.0 else 0.0
        found = on.feasible(state.z, u, state.line[1:], t, line.shift, pull)
        error = (on.rows.design.terms + 4) * UNIT * abs(t) * (state.reach * _length(v_w) + abs(float(v[-1])))
        error += 4.0 * UNIT * (found.largest + 2.0 * state.largest + 2.0 * abs(line.shift) + abs(b))
        drift = state.drift + error + 2.0 * UNIT * state.reach * (_length(w) + abs(t) * _length(v_w))
        rho = (gradient[:-1] - pull * read.curvature[:-1]) / on.weight + on.ridge * w
        bound = _proven(on, state.reach, rho, found, read, w, drift, (t, pull))
        residual = exact + t * change
        pairs = state.pairs
        if float(v_w @ change) > 0.0:
            pairs = (*pairs, (v_w, change))[-PAIRS:]
        evaluation = _evaluation(on, found.loss, found.correct, w, residual, gradient)
        made, is_due = _anew(on, state, evaluation.objective, read, center)
        return CGState(
            w,
            b,
            evaluation,
            state.z,
            state.line,
            residual,
            pairs,
            made,
            bound,
            drift,
            _fresh_drift(on, state.reach, w, b),
            found.largest,
            center,
            state.reach,
            is_due,
        )


def _anew(on: Objective, state: CGState, now: float, read: Secant, center: Vector) -> tuple[Preconditioner, bool]:
    """Give the preconditioner where F has come to `now`, its diagonal anew where a sample is due, and whether one is."""
    made, fall = state.preconditioner, state.evaluation.objective - now
    is_due = fall <= SETTLED * now and now < (1.0 - FAR) * made.objective
    return (Preconditioner.of_read(on, read, center) if is_due else made), is_due


def _state_at(on: Objective, w: Vector, b: float, z: Vector) -> CGState:
    """Read the rows at a point whose z is given."""
    line = np.empty((3, on.n_rows))
    read = on.secant(z, np.zeros(on.n_features + 1), line[0], line[1:], norms=True)
    center = _center(on, read)
    residual = _centred(read.gradient, center) / on.weight + on.ridge * w
    largest = _largest(z, on.rows.s is None or on.rows.is_kept)
    reach = math.sqrt(read.norm + TINY) * OUTWARD
    if not reach < LARGEST:
        raise TooLarge
    drift = _fresh_drift(on, reach, w, b)
    made = Preconditioner.of_read(on, read, center)
    evaluation = _evaluation(on, read.loss, read.correct, w, residual, read.gradient)
    state = CGState(w, b, evaluation, z, line, residual, (), made, None, drift, drift, largest, center, reach)
    return replace(state, bound=_bound_at(on, state, read))


def _bound_at(on: Objective, state: CGState, read: Secant) -> Bound:
    """Bound F - F* at a point whose gradient was read: the dual point is g, made feasible."""
    curvature = float(read.curvature[-1])
    pull = float(read.gradient[-1]) / curvature if on.fit_intercept and curvature > 0.0 else 0.0
    found = on.feasible(state.z, np.zeros(on.n_rows), state.line[1:], 0.0, 0.0, pull)
    rho = (read.gradient[:-1] - pull * read.curvature[:-1]) / on.weight + on.ridge * state.w
    return _proven(on, state.reach, rho, found, read, state.w, state.drift, (0.0, pull))


def _fresh_drift(on: Objective, reach: float, w: Vector, b: float) -> float:
    """Bound the error of z as a read makes it."""
    return (on.rows.design.terms + 4) * UNIT * (reach * _length(w) + abs(b))


def _center(on: Objective, read: Secant) -> Vector:
    """Means of the columns under the curvature: what centres them for w while b is at its optimum."""
    weight = float(read.curvature[-1])
    return read.curvature[:-1] / weight if on.fit_intercept and weight > 0.0 else np.zeros(on.n_features)


def _centred(sums: Vector, center: Vector) -> Vector:
    return np.asarray(sums[:-1] - center * sums[-1])


def _length(v: Vector) -> float:
    return math.sqrt(float(v @ v)) * OUTWARD


def _largest(v: Vector, where: NDArray[np.bool_] | bool = True) -> float:
    """Largest size in v, without a copy of it."""
    return max(float(v.max(where=where, initial=0.0)), -float(v.min(where=where, initial=0.0)))


def _direction(state: CGState) -> Vector:
    """H^-1 residual, by the pairs over the preconditioner (L-BFGS's two loops)."""
    q, weights = state.residual.copy(), []
    for step, change in reversed(state.pairs):
        weights.append(float(step @ q) / float(step @ change))
        q -= weights[-1] * change
    direction = state.preconditioner.solve(q)
    if state.pairs:
        step, change = state.pairs[-1]
        size = float(change @ state.preconditioner.solve(change))
        direction *= float(step @ change) / size if size > 0.0 else 1.0
    for (step, change), weight in zip(state.pairs, reversed(weights), strict=True):
        direction += (weight - float(change @ direction) / float(step @ change)) * step
    return direction


def _evaluation(
    on: Objective, loss: float, correct: float, w: Vector, residual: Vector, gradient: Vector
) -> Evaluation:
    grad_b = float(gradient[-1]) / on.weight if on.fit_intercept else 0.0
    value = loss / on.weight
    return Evaluation(
        objective=value + on.penalty.value(w),
        loss=value,
        accuracy=correct / on.weight,
        grad_w=residual,
        grad_b=grad_b,
        grad_norm=max(float(np.abs(residual / on.column_scale).max(initial=0.0)), abs(grad_b)),
    )


def _by_secant(on: Objective, slope: float, v_w: Vector, change: Vector, read: Secant) -> Line:
    """Minimise the model of F over (t, shift) that the read itself gives: slopes at t = 0 and how they change to t = 1."""
    bend = float(v_w @ change)  # with b at its optimum all the way
    t = -slope / bend if bend > 0.0 else 1.0
    weight = float(read.curvature[-1])
    shift = 0.0
    if on.fit_intercept and weight > 0.0:
        shift = -(float(read.gradient[-1]) + t * float(read.change[-1])) / weight
    return Line(t, shift, math.nan)


def _search(on: Objective, state: CGState, v: Vector, u: Vector) -> Line:
    """Minimise F over (t, shift) on z + t u + shift: Newton's method with halving, no read."""
    w, v_w = state.w, v[:-1]
    ww, wv, vv = (float(a @ (on.ridge * b)) for a, b in ((w, w), (w, v_w), (v_w, v_w)))

    def value(loss: float, t: float) -> float:
        return loss / on.weight + 0.5 * ww + t * wv + 0.5 * t * t * vv

    t, shift, first = 1.0, 0.0, 0.0
    start, far = state.evaluation.objective, _largest(u)
    rounding = on.secant_depth * UNIT * start
    at = on.along(state.z, u, t, shift)
    best = value(at.loss, t)
    if not best <= start + rounding:  # too far: Newton from there may be worse still
        t = 0.0
        at = on.along(state.z, u, t, shift)
        best = value(at.loss, t)
    for _ in range(MOST_SEARCHES):
        slope_t, slope_b = at.slope_t / on.weight + wv + t * vv, at.slope_b / on.weight
        tt, tb, bb = at.bend_tt / on.weight + vv, at.bend_tb / on.weight, at.bend_bb / on.weight
        if not on.fit_intercept:
            tb, bb, slope_b = 0.0, 1.0, 0.0
        det = tt * bb - tb * tb
        if not det > 0.0:
            break
        d_t, d_b = -(slope_t * bb - slope_b * tb) / det, -(slope_b * tt - slope_t * tb) / det
        decrement = -(slope_t * d_t + slope_b * d_b)
        first = max(first, decrement)
        if decrement <= ENOUGH * first and decrement < first and abs(d_t) * far + abs(d_b) <= NEAR:
            # The last step costs no pass: it squares what is left.
            return Line(t + d_t, shift + d_b, best)
        k = 1.0
        while k > 1e-15:
            trial = on.along(state.z, u, t + k * d_t, shift + k * d_b)
            reached = value(trial.loss, t + k * d_t)
            if reached <= best - 1e-4 * k * decrement + rounding:
                break
            k /= 4.0
        else:
            break
        t, shift, at, best = t + k * d_t, shift + k * d_b, trial, reached
    return Line(t, shift, best)


def _proven(
    on: Objective,
    reach: float,
    rho: Vector,
    found: Feasible,
    read: Secant,
    w: Vector,
    drift: float,
    weights: tuple[float, float],
) -> Bound:
    """Bound F - F* by the dual point: |rho|^2/(2 alpha) and the divergence, with all that rounding and clipping may add.

    Rounding: each of the sums that make rho adds terms of one row's d x, d = r + t e - pull h, of which the sizes are at most
    (|r| + t |e| + pull h) |x|; by Cauchy-Schwarz over rows and columns the whole is at most u (depth + 24) times the root mean
    squares of both. z at (w, b) is off by `drift`, and |d KL/dz| = |p - g|, with a second derivative of at most max d2L_dz2.
    """
    t, pull = abs(weights[0]), abs(weights[1])
    S, alpha = on.weight, float(on.ridge.min())
    r_rms = on.rms_residual(read.loss / S) + 2.0 * on.loss.steepest * t + on.loss.curvature * pull
    depth = on.secant_depth + 24.0
    rounding = UNIT * depth * reach * r_rms + 8.0 * UNIT * _length(on.ridge * w)
    larger, imbalance, of_rounding = max(found.ones, found.zeros), 0.0, 0.0
    if on.fit_intercept and larger > 0.0:
        of_rounding = 2.0 * UNIT * depth
        imbalance = abs(found.ones - found.zeros) / larger + of_rounding
    kl, loss = found.divergence / S, found.loss / S * OUTWARD + on.loss.steepest * drift
    bent = 0.5 * on.loss.curvature * drift * drift
    of_drift = drift * found.moved / S + bent
    bound = bound_by_dual(
        rho,
        kl,
        alpha=alpha,
        e_rho=rounding + reach * found.clipped / S,
        e_kl=of_drift + 1e-12 * kl + 2e-15 * found.moved / S,
        imbalance=imbalance,
        pull=reach * larger / S,
        loss=loss,
        objective=loss + 0.5 * float(w @ (on.ridge * w)) * OUTWARD,
    )
    length = rounding + of_rounding * reach * larger / S
    return replace(bound, noise=length * length / (2.0 * alpha) + bent + of_rounding * found.loss / S)
