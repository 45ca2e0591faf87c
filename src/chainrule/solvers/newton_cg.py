"""newton-cg, for many columns: one read per step, a bound from the same read, and a Hessian only where steps are slow."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from chainrule.certificate import Bound, bound_by_dual
from chainrule.certificate.bounds import TINY
from chainrule.certificate.rounding import UNIT
from chainrule.data.rows.costs import MAX_NEWTON_COLUMNS, hessian_steps
from chainrule.data.rows.moments import learn_spreads
from chainrule.kernels.blas import lapack
from chainrule.kernels.reading import Secant
from chainrule.kernels.vectors import Feasible
from chainrule.objective import PAIRWISE, DataObjective, Evaluation, Objective
from chainrule.solvers.downhill import Downhill, conjugate_at, step_from
from chainrule.solvers.loop import State
from chainrule.solvers.pairs import PAIRS, Pair, corrected, pair_of
from chainrule.solvers.plan import NOISE
from chainrule.solvers.preconditioner import Preconditioner

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

# Shares of F: the preconditioner gets a sample once a step lowers F by less than the first share, and a new sample after F has
# fallen by the second.
SETTLED, FAR = 0.02, 0.05
MOST_SEARCHES = 12  # Newton steps of a line search: passes over z, no reads
ENOUGH = 1e-3  # squared decrement that ends a line search, relative to its first step's
NEAR = 1.0  # largest change of z for which the last Newton step is taken unchecked
STALE = 16.0  # z is read again when its drift is this many times the drift just after a read
LEAST_NOISE = 0.01  # of F: more noise than this means a point far from the optimum
OUTWARD = 1.0 + 1e-12
FEWEST = 5  # steps that tell a pace
LARGEST = 1e50  # length of a row, whose fourth power doesn't overflow


class TooLarge(ArithmeticError):
    """A row is longer than `LARGEST`."""


@dataclass(frozen=True)
class CGState(State):
    """State on rows.

    z : (m,), updated at each step without a read. line : (4, m): x~.v, dL_dz and its change along v, of the last read, and the
    curvatures of the last read that asked for them (`kernels.secant`). The next step overwrites z and line.
    evaluation : its gradient is predicted by the last read's secant, in w with b at its optimum. curvature : (n + 1,), the
    sums with these curvatures. pairs : of the last steps, with changes of that gradient. bound : what is proven.
    drift : largest possible difference between z and the z of (w, b) in any row. fresh : drift just after a read.
    is_due : whether the preconditioner needs a new sample before the next step. taken, first : the steps since it got its
    last arrow, and the bound then.
    """

    on: DataObjective
    z: Vector
    line: Matrix
    curvature: Vector
    pairs: tuple[Pair, ...]
    preconditioner: Preconditioner
    bound: Bound | None
    drift: float
    fresh: float
    largest: float
    reach: float
    is_due: bool = False
    taken: int = 0
    first: float = math.inf
    hessian_rows: ClassVar = "none: a point of the dual problem, from all rows"

    @property
    def center(self) -> Vector:
        """The columns' means, weighted by curvature, (n,): steps along columns centred on these leave b at its optimum."""
        weight = float(self.curvature[-1])
        return self.curvature[:-1] * (1.0 / weight if self.on.fit_intercept and weight > 0.0 else 0.0)

    def change(self, d: Vector) -> float:
        """Bound how much a row's z changes if theta_j moves by at most d_j, (n + 1,)."""
        return self.reach * _length(d[:-1]) + float(d[-1])

    def error_along(self, a: Vector) -> float:
        """Bound |a.(theta - theta*)| for a (n + 1,)."""
        assert self.bound is not None
        return float(np.abs(a) @ self.bound.coef)

    @property
    def noise(self) -> float:
        """Bound on the error of F, from its sums and from the rows' z."""
        on, w = self.on, self.w
        of_sums = on.secant_depth * self.evaluation.loss + PAIRWISE * on.penalty.value(w)
        return float(UNIT * (of_sums + 4.0 * (on.ridge @ np.square(w))) + on.loss.steepest * self.drift)

    @property
    def gap(self) -> float:
        """Proven bound on F - F*."""
        return math.inf if self.bound is None else self.bound.gap

    @property
    def is_noise(self) -> bool:
        """Whether the bound is as small as rounding allows, well below F, and reading z again would not help."""
        if self.bound is None or self.is_stale:
            return False
        return self.gap <= 4.0 * self.bound.noise and self.bound.noise <= LEAST_NOISE * self.evaluation.objective

    @property
    def is_stale(self) -> bool:
        """Whether z has drifted so far that the bound is all rounding; reading z again then helps."""
        return self.bound is not None and self.drift > STALE * self.fresh and not self.gap > 4.0 * self.bound.noise

    def reached(self, tol: float) -> bool:
        """Whether the bound is at most tol, or as small as rounding allows."""
        return self.gap <= tol or self.is_noise


@dataclass(frozen=True)
class NewtonCG:
    """Quasi-Newton steps on conjugate directions, for a penalty alpha > 0 and any number of columns.

    Each step makes one read along v, the L-BFGS direction (Nocedal and Wright 2006, algorithm 7.4) with a preconditioner. It
    gives u = x~.v of every row, the gradient at z, and the gradient's change from z to z + u. With these, z is moved to the
    minimum over (t, shift of b) without a read, the next gradient is predicted, and p = g(z) + t (g(z + u) - g(z)), made
    feasible, is a point of the dual problem that bounds F - F* (`certificate.bound_by_dual`): the direction's residual and the
    divergence of p from the new g shrink together. Columns count as centred on their means weighted by curvature, since b is
    at its optimum at each step.

    An objective without rows, or with a loss that the core lacks, needs two evaluations for the change of its gradient, and
    nothing is proven on the way.

    Parameters
    ----------
    start : (size,)
        In the fit's units.
    tol : float
        A bound to reach, the same for all looser ones, so that these take no more reads. It decides whether the Hessian of all
        columns is worth its cost.
    """

    start: Vector
    tol: float = math.inf
    needs = Objective

    def init(self, objective: Objective) -> tuple[list[State], State]:
        """Evaluate the start, or w = 0 with its best b if F is lower there."""
        on = _with_rows(objective)
        if on is None:
            return [], conjugate_at(self.start, objective.evaluate(self.start), ())
        if self.start.any():
            state = _state_at(on, self.start, on.rows.scores(self.start[:-1], float(self.start[-1])))
            if state.evaluation.objective <= on.base_objective:
                return [], state
        b = on.base_log_odds
        return [], _state_at(on, np.append(np.zeros(on.n_features), b), np.full(on.n_rows, b))

    def step(self, objective: Objective, state: State) -> State:
        """Take one step: a read along the next direction, then the new point, its bound and residual from that read."""
        on = _with_rows(objective)
        if on is not None:
            assert isinstance(state, CGState)
            return self._step_on_rows(on, state)
        assert isinstance(state, Downhill)
        return conjugate_at(*step_from(objective, state))

    def _step_on_rows(self, on: DataObjective, state: CGState) -> CGState:
        if state.is_stale:
            z = on.rows.scores(state.w, state.b)
            largest = _largest(z, on.rows.s is None or on.rows.is_kept)
            state = replace(state, z=z, drift=state.fresh, largest=largest)
        if (slow := self._is_slow(on, state)) or state.is_due:
            before = state.preconditioner
            made = (before.with_all if slow else before.with_sample)(on, state.z, state.evaluation.objective)
            state, is_new = replace(state, preconditioner=made), made.arrow is not before.arrow
            if slow or is_new:
                # An arrow knows more of the curvature than steps from points far behind.
                state = replace(state, pairs=() if is_new else state.pairs, taken=0, first=state.gap)
        v, gradient, near = np.empty(on.size), state.evaluation.gradient[:-1], state.preconditioner
        v_w = np.negative(corrected(gradient, state.pairs, near.solve, scaled=not near.is_whole), out=v[:-1])
        weight = float(state.curvature[-1])
        v[-1] = -float(state.curvature[:-1] @ v_w) / weight if on.fit_intercept and weight > 0.0 else 0.0
        # Where rows have become sure, older curvatures pull their dual points too far, and the bound shows it.
        is_loose = not state.gap < state.evaluation.objective
        h = state.line[3] if state.is_due or is_loose else None
        read = on.secant(state.z, v, state.line[0], state.line[1:3], h)
        if read.curvature is not None:
            state = replace(state, curvature=read.curvature, preconditioner=near.with_diagonal(on, read))
        along = Line.of(on, state.w, v, read, state.curvature)
        pair = pair_of(v_w, along.change[:-1])
        if not float(along.gradient[:-1] @ v_w) < 0.0 or not np.isfinite(along.change).all():
            # The predicted gradient misled: start again from the exact one, which bounds this point too.
            state.line[0] = state.line[2] = 0.0
            return replace(_moved(on, state, along.without_step()), pairs=())
        return _moved(on, state, along, *_search(on, state, along), pair)

    def _is_slow(self, on: DataObjective, state: CGState) -> bool:
        """Whether the steps since the last arrow, and those still to come at their pace, each took longer than the Hessian."""
        gap, tol = state.gap, max(self.tol, NOISE)
        if on.n_features > MAX_NEWTON_COLUMNS or gap <= tol or state.taken < FEWEST:
            return False
        cost = hessian_steps(on.rows, whole=True)
        if state.taken < cost:
            return False
        fall = math.log(state.first / gap) if gap < state.first < math.inf else 0.0
        return math.log(gap / tol) * state.taken > cost * fall


@dataclass(frozen=True)
class Line:
    """What a read along v (n + 1,) says about F.

    gradient, change : of F at t = 0, and from there to t = 1, (n + 1,): in w with b at its optimum all the way, in b with b as
    it is. pulls : the multiples of the curvatures that were subtracted from the rows' sums for that b.
    forms : w'Rw, w'Rv and v'Rv, R the penalty's second derivative. sizes : |Rw| and |Rv|.
    """

    v: Vector
    read: Secant
    gradient: Vector
    change: Vector
    pulls: tuple[float, float]
    forms: tuple[float, float, float]
    sizes: tuple[float, float]

    @classmethod
    def of(cls, on: DataObjective, w: Vector, v: Vector, read: Secant, curvature: Vector) -> Line:
        """Turn a read's sums over the rows into derivatives of F at weights w (n,). curvature : (n + 1,), of `CGState`."""
        of_b, weight = (float(read.gradient[-1]), float(read.change[-1])), float(curvature[-1])
        of_b = of_b if on.fit_intercept else (0.0, 0.0)
        pulls = (of_b[0] / weight, of_b[1] / weight) if weight > 0.0 else (0.0, 0.0)
        add, share, v_w = lapack().daxpy, 1.0 / on.weight, v[:-1]
        gradient, change = np.empty(on.size), np.empty(on.size)
        of_w, of_v = np.multiply(on.ridge, w, out=gradient[:-1]), np.multiply(on.ridge, v_w, out=change[:-1])
        gradient[-1], change[-1] = of_b[0] * share, of_b[1] * share
        forms, sizes = (float(w @ of_w), float(w @ of_v), float(v_w @ of_v)), (_length(of_w), _length(of_v))
        for to, sums, pull in ((of_w, read.gradient, pulls[0]), (of_v, read.change, pulls[1])):
            add(sums[:-1], to, a=share)
            add(curvature[:-1], to, a=-pull * share)
        return cls(v, read, gradient, change, pulls, forms, sizes)

    def without_step(self) -> Line:
        """Return the line along which nothing changes."""
        still = np.zeros_like(self.v)
        forms, sizes, pulls = (self.forms[0], 0.0, 0.0), (self.sizes[0], 0.0), (self.pulls[0], 0.0)
        return replace(self, v=still, change=still, pulls=pulls, forms=forms, sizes=sizes)


def _state_at(on: DataObjective, theta: Vector, z: Vector) -> CGState:
    """Read the rows at a point whose z is given."""
    line, v = np.empty((4, on.n_rows)), np.zeros(on.size)
    read = on.secant(z, v, line[0], line[1:3], line[3], norms=True)
    assert read.curvature is not None
    assert read.diagonal is not None
    reach = math.sqrt(read.norm + TINY) * OUTWARD
    if not reach < LARGEST:
        raise TooLarge
    weight = float(read.curvature[-1])
    if not theta[:-1].any() and weight > 0.0:  # all rows have the same curvature
        learn_spreads(on.rows, read.curvature[:-1] / weight, read.diagonal[:-1] / weight)
    drift = _rounding(on, reach * _length(theta[:-1]), float(theta[-1]))
    made, none = Preconditioner.of_read(on, read), Evaluation(math.inf, v)
    largest = _largest(z, on.rows.s is None or on.rows.is_kept)
    state = CGState(theta, none, on, z, line, read.curvature, (), made, None, drift, drift, largest, reach)
    return _moved(on, state, Line.of(on, theta[:-1], v, read, read.curvature))


def _moved(
    on: DataObjective,
    state: CGState,
    along: Line,
    t: float = 0.0,
    shift: float = 0.0,
    pair: tuple[Pair, ...] = (),
) -> CGState:
    """Move to theta + t v, shift b, and bound F - F* there. pair : of the step, if any. Overwrites `along.gradient`."""
    v = along.v
    theta, gradient = state.theta + t * v, lapack().daxpy(along.change, along.gradient, a=t)
    theta[-1] += shift
    w, b = theta[:-1], float(theta[-1])
    found = on.feasible(
        state.z, state.line[0], state.line[1:3], state.line[3], t, shift, along.pulls[0] + t * along.pulls[1]
    )
    of_w, of_v = state.reach * _length(w), abs(t) * state.reach * _length(v[:-1])
    error = _rounding(on, of_v, abs(t) * float(v[-1]))
    error += 4.0 * UNIT * (found.largest + 2.0 * state.largest + 2.0 * abs(shift) + abs(b))
    drift = state.drift + error + 2.0 * UNIT * (of_w + of_v)
    value, of_penalty = found.loss / on.weight, on.penalty.value(w)
    F = value + of_penalty
    bound = _proven(on, state.reach, gradient[:-1], found, along, of_penalty, drift, t)
    made, fall = state.preconditioner, state.evaluation.objective - F
    is_due = fall <= SETTLED * F and F < (1.0 - FAR) * made.objective and not made.of_all
    return CGState(
        theta,
        Evaluation(F, gradient, value, found.correct / on.weight, on.norm(gradient)),
        on,
        state.z,
        state.line,
        state.curvature,
        (state.pairs + pair)[-PAIRS:],
        made,
        bound,
        drift,
        _rounding(on, of_w, b),
        found.largest,
        state.reach,
        is_due,
        state.taken + 1,
        state.first if state.first < math.inf or bound is None else bound.gap,
    )


def _rounding(on: DataObjective, reach: float, b: float) -> float:
    """Bound the rounding of z = x.w + b in a read. reach : the longest row times |w|."""
    return (on.rows.design.terms + 4) * UNIT * (reach + abs(b))


def _length(v: Vector) -> float:
    return math.sqrt(float(v @ v)) * OUTWARD


def _largest(v: Vector, where: NDArray[np.bool_] | bool = True) -> float:
    """Return the largest absolute value in v, without a copy of v."""
    return max(float(v.max(where=where, initial=0.0)), -float(v.min(where=where, initial=0.0)))


def _with_rows(on: Objective) -> DataObjective | None:
    """Return the objective if one read along a line gives all that a step needs, else None."""
    return on if isinstance(on, DataObjective) and on.given is None else None


def _search(on: DataObjective, state: CGState, along: Line) -> tuple[float, float]:
    """Minimise F over (t, shift) on z + t u + shift: Newton's method with halving, no read."""
    u, (ww, wv, vv) = state.line[0], along.forms

    def value(loss: float, t: float) -> float:
        return loss / on.weight + 0.5 * ww + t * wv + 0.5 * t * t * vv

    # The slope along v, with b at its best, is known at t = 0 and 1: begin where a straight line through both is 0.
    slope, rise = (float(each[:-1] @ along.v[:-1]) for each in (along.gradient, along.change))
    t = -slope / rise if rise > 0.0 else 1.0
    shift, first = 0.0, -t * slope
    start, far = state.evaluation.objective, _largest(u)
    rounding = on.secant_depth * UNIT * start
    at = on.along(state.z, u, t, shift)
    best = value(at.loss, t)
    if not best <= start + rounding:  # too far to start Newton there
        t = first = 0.0
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
            # The last step needs no pass of its own: it squares the error.
            return t + d_t, shift + d_b
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
    return t, shift


def _proven(
    on: DataObjective,
    reach: float,
    rho: Vector,
    found: Feasible,
    along: Line,
    of_penalty: float,
    drift: float,
    t: float,
) -> Bound | None:
    """Bound F - F* by the dual point: |rho|^2/(2 alpha) plus the divergence, with what rounding and clipping may add.

    Rounding: each of the sums that make rho adds one term d x per row, with d = r + t e - pull h, of size at most
    (|r| + t |e| + pull h) |x|. By Cauchy-Schwarz over rows and columns, the total is at most u (depth + 24) times the root mean
    squares of both. z at (w, b) is off by `drift`, and |d KL/dz| = |p - g|, with a second derivative of at most max d2L_dz2.
    """
    S, alpha = on.weight, float(on.ridge.min())
    if not alpha > 0.0:
        return None
    t, (at_start, more) = abs(t), along.pulls
    pull, slope = abs(at_start) + t * abs(more), along.sizes[0] + t * along.sizes[1]
    r_rms = on.rms_residual(along.read.loss / S) + 2.0 * on.loss.steepest * t + on.loss.curvature * pull
    depth = on.secant_depth + 24.0
    rounding = UNIT * depth * reach * r_rms + 8.0 * UNIT * slope
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
        objective=loss + of_penalty * OUTWARD,
        h_b=found.bend / S * math.exp(-on.loss.bend * drift) * (1.0 - depth * UNIT),
        reach=reach,
        bend=on.loss.bend,
    )
    length = rounding + of_rounding * reach * larger / S
    return replace(bound, noise=length * length / (2.0 * alpha) + bent + of_rounding * found.loss / S)
