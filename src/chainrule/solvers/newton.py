"""Newton's method on growing samples, then on all rows with few reads."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.certificate.bounds import Bound
from chainrule.data.rows import Rare, rare_rows, theta_of
from chainrule.data.rows.costs import SAMPLED, hessian_numbers, hessian_steps
from chainrule.data.rows.moments import mean_squares
from chainrule.kernels.reading import What
from chainrule.kernels.runs import Path
from chainrule.objective import NOTHING, DataObjective, Evaluation, HasHessian
from chainrule.solvers.downhill import Downhill, newton_at, step_from
from chainrule.solvers.line import ARMIJO, length_of_step
from chainrule.solvers.loop import State
from chainrule.solvers.newton_cg import CGState, NewtonCG, TooLarge
from chainrule.solvers.pairs import Pair, pair_of
from chainrule.solvers.plan import FEWEST, NOISE, ROWS_PER_COLUMN, WEAK
from chainrule.solvers.proof import FactoredHessian, error_of_objective, norm_weights
from chainrule.solvers.rare import settle

Vector = NDArray[np.float64]
Index = NDArray[np.int64]

SETTLED = 8  # at most one in 8 rows is read to settle rare levels before the Hessian of all rows
FLOAT32_PRODUCTS = 500_000_000  # rows times columns squared, from which a float32 Hessian saves milliseconds
FLOAT32_LEAST = 2.0**-90  # least curvature of a column that float32 represents
MOST_GROWTH = 16  # rows per row of the core's sample
NEAR, NEAREST = 0.1, 1e-10  # the core hands over at this squared decrement: 0.1 sqrt(tol), at least 1e-10
LEAST_GAIN = 1e-4  # of F: newton-cg runs first, until a step gains less
RARE_SHARE = 1 / 16  # levels that are rare in a sample of this share of the rows are settled after newton-cg
# Pace above which, and squared decrement below which, steps along collinear columns are given up.
SLOW, SLOW_NEAR = 0.5, 1e-5
WORTH_PROVING = 100.0  # nu^2 over the bound that is enough; below it a bound may reach that


@dataclass(frozen=True)
class NewtonState(State):
    """Newton's state: the sample it is on, the Hessian it uses, and what is proven.

    pace : nu over the last step's nu, at most 1. stalled : whether a new Hessian is due.
    pairs : the last steps with this Hessian, and the gradient's change along each.
    patient : continue although the point separates the classes.
    """

    stage: int
    on: DataObjective
    factored: FactoredHessian
    z: Vector | None
    squares: Vector | None = None
    bound: Bound | None = None
    nu: float = math.inf
    pace: float = 1.0
    stalled: bool = False
    pairs: tuple[Pair, ...] = ()
    patient: bool = False

    def with_bound(self) -> NewtonState:
        """Return the state with a bound, however far from tol that is."""
        if self.z is None or self.squares is None or (self.bound is not None and self.bound.proven):
            return self
        proven = self.factored.certify(self.on, self.evaluation, self.theta, self.z, self.squares, last=True)
        return replace(self, bound=proven)

    def about(self, pivots: Index) -> NewtonState:
        """Return the state with a bound about the weights of some columns alone; its Hessian is of all rows."""
        on = self.on.about(pivots)
        return replace(self, on=on, factored=self.factored.about(pivots), bound=None)

    def change(self, d: Vector) -> float:
        """Bound the root mean square over the rows of how much z changes if theta_j moves by at most d_j, (n + 1,)."""
        assert self.squares is not None
        return float(np.sqrt(theta_of(self.squares, 1.0)) @ d)

    def error_along(self, a: Vector) -> float:
        """Bound |a.(theta - theta*)| for a (n + 1,), in the Hessian's norm if it has a factor."""
        assert self.bound is not None
        proof, radius = self.factored.proof, self.bound.radius
        if proof.ok and radius < math.inf:
            return radius * math.sqrt(float(proof.leverages(a[np.newaxis, self.on.kept])[0]))
        return float(np.abs(a) @ self.bound.coef)

    @property
    def hessian_rows(self) -> str:
        """Which rows the Hessian came from."""
        share = len(self.factored.z) / self.on.rows.n_rows
        return "all rows" if share == 1.0 else f"{100 * share:.3g} % of the rows"

    @cached_property
    def noise(self) -> float:
        """Bound on the error of F; inf if not all rows were read."""
        return error_of_objective(self.on, self.evaluation.loss, self.squares, self.theta)

    @property
    def gap(self) -> float:
        """Proven bound on F - F*; inf on a sample."""
        return math.inf if self.bound is None else self.bound.gap

    @property
    def share(self) -> float:
        """Share of the rows that were read for it."""
        return min(1.0, self.on.n_rows / self.on.rows.n_rows)

    def reached(self, tol: float) -> bool:
        """Whether to end: the bound is at most tol or as small as rounding allows, or no further step can bring a bound."""
        if self.bound is None or not self.bound.proven:
            return self._leads_nowhere(tol)
        return self.gap <= tol or (self.is_noise and not self.is_stale)

    @property
    def is_noise(self) -> bool:
        """Whether the bound is as small as rounding allows."""
        return self.bound is not None and self.bound.proven and self.gap <= 4.0 * self.bound.noise

    @property
    def is_stale(self) -> bool:
        """Whether a Hessian of all rows made at this point would tighten the bound."""
        return self.factored.index is None and not self.factored.is_of_all(self.theta)

    def reads_left(self, tol: float) -> int:
        """Estimate the reads still needed for tol, from the pace so far, else from the number of rows in the Hessian."""
        n, gap = self.on.n_features + 1, 0.5 * self.nu**2
        # The last sample is about an eighth of the rows.
        size = max(self.on.n_rows, self.on.rows.n_rows / 8) if self.z is None else len(self.factored.z)
        shrink = min(4.0 * n / size, 0.25)
        if self.z is None:
            gap = n / (2.0 * size)
        elif self.pace < 0.9:
            shrink = max(self.pace**2, 1e-12)
        steps = math.log(max(gap / max(tol, NOISE), 1.0)) / -math.log(shrink)
        if self.z is not None and self.factored.is_of_all(self.theta):
            # A new Hessian at every step: the number of digits doubles.
            steps = math.log2(max(math.log(max(tol, NOISE)) / math.log(min(gap, 0.1)), 1.0))
            steps *= 1.0 if self.on.rows.design.of_numbers_alone else 2.0  # levels' matrix is a read of its own
        return max(1, math.ceil(steps)) + (self.z is None)

    def is_slow(self, tol: float) -> bool:
        """Whether the run was given up because its decrement fell slowly, as it does if a plane separates the classes."""
        return self.pace > SLOW and tol < self.nu**2

    @property
    def is_separating(self) -> bool:
        """Whether this point separates the classes on all rows, without a penalty: then there is no optimum."""
        separates = self.share == 1.0 and self.evaluation.accuracy == 1.0 and not self.on.ridge.any()
        return separates and not self.patient

    def _leads_nowhere(self, tol: float) -> bool:
        """Whether no step will bring a bound, as with collinear columns or separated classes."""
        if self.z is None:
            return False
        if self.is_separating:
            return True
        if self.factored.index is not None:
            return False
        if self.bound is not None and not self.is_stale and self.nu <= 0.1 * self.bound.nu:
            return True  # rounding alone is too large
        # The decrement vanishes in any case. If it does so quadratically, there is an optimum, and a bound may come.
        # With a penalty there always is an optimum, though rounding may hide it.
        if not self.factored.proof.ok:
            # Along nearly collinear columns the decrement falls slowly, or not at all.
            slow = self.pace > SLOW and self.nu**2 <= SLOW_NEAR and not self.on.ridge.any()
            return self.nu**2 <= 0.5 * tol or slow or (self.nu**2 <= NOISE and bool(self.on.ridge.any()))
        if self.on.ridge.any():
            return False
        return self.nu**2 <= 1e-8 * tol and self.pace > 0.1 and not self.is_stale


@dataclass(frozen=True)
class Passed(State):
    """A point that the core visited on its way. of_rows : the share of the rows that it read there."""

    of_rows: float = field(default=1.0, kw_only=True)

    @property
    def share(self) -> float:
        """Share of the rows that were read for it."""
        return self.of_rows


@dataclass(frozen=True)
class Newton:
    """Newton's method (Nocedal and Wright 2006, chapter 6; the samples as in Byrd et al. 2011, SIAM J. Optim. 21, 977-995).

    1. On samples of growing size: steps down to the sample's statistical error, with the sample's Hessian. If there are so many
       columns that this costs more than products with all rows, newton-cg runs instead.
    2. On all rows: steps with the last sample's Hessian, or one of all rows, each a cheap read of loss and gradient.
    3. Each read of all rows near the optimum makes a certificate (`certificate.bound`); the loop stops when it reaches `tol`.

    An objective without rows is evaluated at each step, and nothing is proven.

    Parameters
    ----------
    start : (size,)
        In the units of the objective.
    sizes : tuple of int
        From `plan`. If empty, newton-cg runs until the first Hessian is made.
    tol : float
        A bound to reach, the same for all looser ones, so that these take the same way. It decides whether a new Hessian is
        worth its cost.
    enough : float
        A bound that is enough, at least `tol`. It decides from which point on bounds are made.
    most : int
        Largest number of reads.
    patient : bool
        Continue although a point separates the classes by its computed z.
    in_core : bool
        Rows and columns are few: the core makes the first steps. Then `sizes` is all rows.
    """

    start: Vector
    sizes: tuple[int, ...] = ()
    tol: float = 0.0
    enough: float = 0.0
    most: int = 100
    patient: bool = False
    in_core: bool = False
    needs = HasHessian

    def init(self, objective: HasHessian) -> tuple[list[State], State]:
        """Evaluate the start on the first sample; with few rows and columns, run most steps in the core."""
        if not isinstance(objective, DataObjective):
            return [], newton_at(objective, self.start, objective.evaluate(self.start))
        if not self.sizes and objective.given is None:
            with suppress(TooLarge):
                return [], self._led(objective, NewtonCG(self.start).init(objective)[1], math.inf)
        m, n = objective.n_rows, objective.n_features
        if not self.in_core or self.most < 2:
            return [], self._arrive(objective, self.start)
        passed: list[State] = []
        size, theta = max(ROWS_PER_COLUMN * n, FEWEST, m // MOST_GROWTH), self.start
        if m >= 2 * size and hessian_numbers(objective.rows) >= SAMPLED:
            on = _sample(objective, size)
            passed, path, _ = _by_core(on, theta, near=objective.size / size, most=self.most)
            theta = path.next
        # A step squares the decrement, times a factor that depends on the data, so the next bound is near tol.
        near, z = max(NEAR * math.sqrt(self.tol), NEAREST), np.empty(m)
        more, path, last = _by_core(objective, theta, near=near, most=self.most - 1, z=z)
        assert last is not None
        assert last.squares is not None
        there, at, z_there = last, path.next, z
        if path.z is not None:  # the Hessian is of the point before, which is near enough
            there, at, z_there = replace(last, hessian=path.hessian, lower=path.hessian), path.theta[-1], path.z
        factored = FactoredHessian.of(objective, there, at, z_there, path.q)
        state = self._on_all(objective, path.next, last, factored, z, last.squares, hessian=path.z is None)
        return [*passed, *more], state

    def at(self, objective: DataObjective, theta: Vector) -> NewtonState:
        """Evaluate a point on all rows, with their Hessian."""
        return self._evaluate_all(objective, theta, None, hessian=True)

    def step(self, objective: HasHessian, state: State) -> State:
        """Take one Newton step; when a sample is done, go on to the next."""
        if isinstance(state, Downhill):
            theta, evaluation, _ = step_from(objective, state)
            return newton_at(objective, theta, evaluation)
        assert isinstance(objective, DataObjective)
        if isinstance(state, CGState):
            new = NewtonCG(self.start).step(objective, state)
            return self._led(objective, new, state.evaluation.objective)
        assert isinstance(state, NewtonState)
        if state.stage < len(self.sizes) and self.sizes[state.stage] < objective.rows.n_rows:
            return self._step_on_sample(objective, state)
        return self._step_on_all(state)

    # --- many columns -----------------------------------------------------------------------------------------------

    def _led(self, on: DataObjective, state: State, before: float) -> State:
        """Continue with newton-cg; if its step gained little on F `before`, settle the rare levels and make the Hessian."""
        assert isinstance(state, CGState)
        gains = state.evaluation.objective <= (1.0 - LEAST_GAIN) * before
        if gains and state.evaluation.accuracy < 1.0 and not state.reached(self.tol):
            return state
        _, theta = _settled(on, RARE_SHARE, on.n_rows / SETTLED, state.theta)
        # near the Hessian's diagonal, and never 0
        about = 1.0 / state.preconditioner.inverse + 0.125 * np.square(state.center)
        q = theta_of(1.0 / about, 1.0)
        return self._evaluate_all(on, theta, None, hessian=True, q=q)

    # --- samples -----------------------------------------------------------------------------------------------------

    def _arrive(self, whole: DataObjective, theta: Vector, before: NewtonState | None = None) -> NewtonState:
        """Evaluate a point with its Hessian on the next sample, or on all rows after the last."""
        stage, factored = (0, None) if before is None else (before.stage + 1, before.factored)
        m, size = whole.n_rows, self.sizes[stage] if stage < len(self.sizes) else whole.n_rows
        rare = Rare.none()
        if stage == len(self.sizes) - 1 and (size < m or before is not None):
            # The Hessian made next serves all rows.
            seen, most = (size, size) if before is None or size < m else (before.on.n_rows, m / SETTLED)
            rare, theta = _settled(whole, seen / m, most, theta)
        if size == m:
            # If the last size is all rows, their Hessian is made here.
            return self._evaluate_all(whole, theta, factored, hessian=stage < len(self.sizes))
        return self._evaluate_sample(_sample(whole, size, rare), stage, theta, factored)

    def _evaluate_sample(
        self, on: DataObjective, stage: int, theta: Vector, factored: FactoredHessian | None
    ) -> NewtonState:
        z = np.zeros(on.n_rows)  # rows of weight 0 are not filled
        # Only the last sample's Hessian also makes bounds, for all rows; one just before all rows' shows collinear columns.
        proves = stage == len(self.sizes) - 1
        looks = proves or self.sizes[stage + 1] >= on.rows.n_rows
        evaluation, factored = _with_hessian(on, theta, z, norm_weights(on, factored), proves=proves, looks=looks)
        return NewtonState(theta, evaluation, stage, on, factored, None, nu=factored.decrement(evaluation.gradient))

    def _step_on_sample(self, whole: DataObjective, state: NewtonState) -> NewtonState:
        on, evaluation = state.on, state.evaluation
        step = state.factored.direction(on, evaluation)
        near = len(step) / self.sizes[state.stage] * evaluation.loss
        if state.nu**2 <= (near if state.stage == 0 else 16.0 * near):
            # The step ends within the sample's statistical error, so the next sample takes over. (Later samples start with the
            # error of a sample an eighth as large, and Newton's step squares that.)
            return self._arrive(whole, state.theta + step, state)
        slope = float(evaluation.gradient @ step)
        t = 1.0
        for _ in range(30):
            new = self._evaluate_sample(on, state.stage, state.theta + t * step, state.factored)
            if new.evaluation.objective <= evaluation.objective + ARMIJO * t * slope:
                return new
            t /= 2
        return self._arrive(whole, state.theta, state)

    # --- all rows ----------------------------------------------------------------------------------------------------

    def _evaluate_all(
        self,
        whole: DataObjective,
        theta: Vector,
        factored: FactoredHessian | None,
        *,
        hessian: bool,
        before: NewtonState | None = None,
        q: Vector | None = None,
    ) -> NewtonState:
        is_poor = factored is not None and factored.is_poor
        hessian = hessian or factored is None or is_poor
        z = np.empty(whole.n_rows)
        known = mean_squares(whole.rows) if before is None else before.squares
        if hessian:
            # Columns that may be collinear will be examined: the sums for that cost little here.
            more = What.EXTREMES if is_poor else NOTHING
            more = NOTHING if known is not None else What.SQUARES | more
            # What float32 couldn't represent at the last point it can't here.
            is_double = factored is not None and factored.index is None and not factored.float32
            evaluation, factored = _with_hessian(
                whole, theta, z, norm_weights(whole, factored) if q is None else q, more, double=is_poor or is_double
            )
        else:
            evaluation = whole.evaluate(theta, What.SQUARES if known is None else NOTHING, z=z)
        assert factored is not None
        squares = evaluation.squares if known is None else known
        assert squares is not None
        return self._on_all(whole, theta, evaluation, factored, z, squares, before, hessian)

    def _on_all(
        self,
        whole: DataObjective,
        theta: Vector,
        evaluation: Evaluation,
        factored: FactoredHessian,
        z: Vector,
        squares: Vector,
        before: NewtonState | None = None,
        hessian: bool = True,
    ) -> NewtonState:
        """Make the state of a point where all rows were read, with a bound if it is near the optimum."""
        nu = factored.decrement(evaluation.gradient)
        near = nu * nu <= WORTH_PROVING * self.enough or self.tol <= NOISE
        proven = factored.certify(whole, evaluation, theta, z, squares) if near else None
        pace = 1.0 if before is None or not nu < before.nu else nu / before.nu
        stalled = before is not None and not hessian and not self._is_quick(nu, pace, len(before.pairs) + 1, whole)
        pairs = () if before is None or hessian else _pairs(before, evaluation, theta)
        stage = len(self.sizes)
        steps = (nu, pace, stalled, pairs, self.patient)
        new = NewtonState(theta, evaluation, stage, whole, factored, z, squares, proven, *steps)
        if proven is None or proven.proven or hessian or nu * nu > self.tol:
            return replace(new, stalled=True) if new.is_noise else new
        # The point is near enough but this isn't proven, and steps at the cost of a new Hessian would not prove it.
        r_before = math.inf if before is None or before.bound is None else before.bound.r
        shrink = min(proven.r / r_before, 1.0) if r_before < math.inf else pace
        return replace(new, stalled=True) if proven.r * shrink ** hessian_steps(whole.rows) > 0.5 else new

    def _is_quick(self, nu: float, pace: float, taken: int, on: DataObjective) -> bool:
        """Whether the steps `taken` with the present factor, and those to tol, cost less than a new Hessian."""
        if not 0.0 < pace < 1.0:
            return pace == 0.0
        left = math.log(max(nu * nu / max(self.tol, NOISE), 1.0)) / (-2.0 * math.log(pace))
        return taken + left <= hessian_steps(on.rows) + 2.0

    def _step_on_all(self, state: NewtonState) -> NewtonState:
        on, evaluation = state.on, state.evaluation
        # 1. The direction, from the last Hessian, corrected by the steps since.
        step = state.factored.direction(on, evaluation, state.pairs)
        # 2. A new Hessian of all rows if steps with the old factor have become slow; after a step that went astray only when
        # the next one is known not to be too long.
        hessian = state.stalled and state.pace < 1.0
        # 3. The full step: one read.
        new = self._evaluate_all(on, state.theta + step, state.factored, hessian=hessian, before=state)
        slope = float(evaluation.gradient @ step)
        is_less = new.evaluation.objective <= evaluation.objective + ARMIJO * slope or abs(slope) <= state.noise
        if is_less and (hessian or not state.stalled or new.reached(self.tol)):
            return new
        # 4. Else a shorter step, found on the line between both z without a read; then one read there.
        t = 1.0 if is_less else _search(state, new, step)
        return self._evaluate_all(on, state.theta + t * step, state.factored, hessian=True, before=state)


def _settled(on: DataObjective, share: float, most: float, theta: Vector) -> tuple[Rare, Vector]:
    """Find the levels that are rare in a share of the rows, and bring their coefficients near the optimum.

    None are looked for if the penalty isn't weak: it holds them, and settling them would save no read.
    """
    if on.n_rows * float(on.ridge.min()) >= WEAK:
        return Rare.none(), theta
    rare = rare_rows(on.rows, share, most)
    return rare, settle(on, rare, theta)


def _sample(on: DataObjective, size: int, rare: Rare | None = None) -> DataObjective:
    """Take a sample; a ridge like an extra row's curvature bounds a level that has one class there, but both in the data."""
    zeros, ones = on.class_weights
    return on.sample(size, 8.0 * zeros * ones / (zeros + ones) ** 2 / size, rare)


def _by_core(on: DataObjective, theta: Vector, **limits: Any) -> tuple[list[State], Path, Evaluation | None]:
    """Run Newton in the core: the states passed, the path, and the evaluation of the next point if z is given."""
    path = on.newton_path(theta, **limits)
    passed, last = on.evaluations(path)
    share = min(1.0, on.n_rows / on.rows.n_rows)
    points = zip(path.theta, passed, path.reads, strict=True)
    return [Passed(at, found, reads=reads, of_rows=share) for at, found, reads in points], path, last


def _with_hessian(
    on: DataObjective,
    theta: Vector,
    z: Vector,
    q: Vector,
    more: What = NOTHING,
    *,
    proves: bool = True,
    looks: bool = True,
    double: bool = False,
) -> tuple[Evaluation, FactoredHessian]:
    """Evaluate with the Hessian and factor it.

    Unless `double`, it is multiplied in float32 if that saves much and, if it `proves`, loosens bounds little.
    """
    is_large = on.rows.is_dense and on.given is None and on.n_rows * on.n_features**2 >= FLOAT32_PRODUCTS and not double
    for float32 in (True, False) if is_large else (False,):
        what = What.HESSIAN | more | (What.HESSIAN32 if float32 else NOTHING)
        evaluation = on.evaluate(theta, what, z=z, q=q)
        factored = FactoredHessian.of(on, evaluation, theta, z, q, looks)
        if not float32:
            break
        assert isinstance(evaluation.lower, np.ndarray)
        # Whether nothing overflowed or vanished in float32 (`kernels.What`): weights are about 1 in the rows' unit.
        curvature = evaluation.lower.diagonal()[: on.n_features] - on.ridge
        is_in_range = np.isfinite(evaluation.lower).all() and curvature.min() > FLOAT32_LEAST
        if is_in_range and (factored.sharp if proves else factored.steps.factored):
            break
    return evaluation, factored


def _pairs(before: NewtonState, evaluation: Evaluation, theta: Vector) -> tuple[Pair, ...]:
    """Add the last step and the gradient's change along it, unless the step shows no curvature."""
    moved = theta - before.theta
    change = evaluation.gradient - before.evaluation.gradient
    return before.pairs + pair_of(moved, change)


def _search(state: NewtonState, new: NewtonState, step: Vector) -> float:
    """Find a shorter step on the line between two points whose z are known, without a read; 0 if F falls nowhere."""
    assert state.z is not None
    assert new.z is not None
    on, rows = state.on, state.on.rows
    s = np.where(rows.is_kept, 1.0 if rows.s is None else rows.s, 0.0) / on.weight
    u, d = new.z - state.z, step[:-1]
    slope, bent = float(on.ridge @ (state.w * d)), float(on.ridge @ (d * d))
    return length_of_step(lambda z: on.pointwise(z, rows.y), state.z, u, s, slope, bent)
