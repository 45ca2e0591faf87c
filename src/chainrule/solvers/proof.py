"""A factored Hessian, for steps and for bounds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from chainrule.certificate.bounds import Bound, bound, kappa_of_levels, kappa_upper, leave_out, nothing
from chainrule.certificate.factor import Factor
from chainrule.certificate.rounding import (
    UNIT,
    gradient_rounding,
    hessian_eta,
    norm_of_z_rounding,
    objective_rounding,
    reach_bound,
    z_rounding,
)
from chainrule.certificate.wide import bound_by_penalty
from chainrule.data.rows import theta_of
from chainrule.data.rows.moments import reach
from chainrule.kernels.bordered import part_of, plus, without_bias
from chainrule.kernels.reading import FLOAT32_BLOCK
from chainrule.objective import DataObjective, Evaluation
from chainrule.solvers.pairs import Pair, corrected

Vector = NDArray[np.float64]
Index = NDArray[np.int64]
Matrix = NDArray[np.float64]

OUTWARD = 1.0 + 1e-12
AT_ONCE = 1_250_000  # numbers copied at a time
SHARP = 4.0  # smallest eigenvalue over eta; above it norms are too large by less than a quarter
DELTA_MATTERS = 0.1  # above it the change of z is computed row by row, not bounded by norms
NULL_RIDGE = 1e-9  # of the diagonal; keeps steps short along collinear columns


@dataclass(frozen=True)
class FactoredHessian:
    """A factored Hessian, and what a bound made from it needs.

    Without an intercept, the bias's element on the diagonals is 1. If the objective is about some columns alone
    (`DataObjective.pivots`), so are both factors and what is proven: F* is the optimum with the other weights held.

    steps : factor of the Hessian, for steps. proof : factor of its part from the rows read, not scaled up, for bounds.
    theta : (n + 1,), the point at which it was made.
    index : (k,), numbers of the rows of positive weight in the sample; None if the Hessian is of all rows.
    z : (k,), their z at that point; (m,) if the Hessian is of all rows.
    D : (n + 1,), square roots of the diagonal of all columns, as in `proof`.
    norm : upper bound on |D^-1 x~|^2 over the rows.
    on : the objective whose Hessian it is: the fit's, or a sample's. float32 : whether it was multiplied in float32.
    """

    steps: Factor
    proof: Factor
    theta: Vector
    index: NDArray[np.int64] | None
    z: Vector
    D: Vector
    norm: float
    on: DataObjective
    float32: bool = False

    @classmethod
    def of(
        cls,
        on: DataObjective,
        evaluation: Evaluation,
        theta: Vector,
        z: Vector,
        q: Vector,
        looks: bool = True,
    ) -> FactoredHessian:
        """Factor the Hessian of an evaluation whose `norm` has weights q; z (m,) of the rows read.

        looks : whether `proof` is needed, for a bound or to see which columns are collinear.
        """
        assert evaluation.hessian is not None
        assert evaluation.lower is not None
        if not on.fit_intercept:
            for matrix in (evaluation.hessian, evaluation.lower):
                without_bias(matrix, 1.0)
        depth = on.matrix_depth + weighting_depth(on)
        eta = hessian_eta(on.n_features, depth, FLOAT32_BLOCK if evaluation.float32 else None)
        steps = Factor.of(part_of(evaluation.hessian, on.kept), eta)
        is_other = looks and evaluation.lower is not evaluation.hessian
        proof = Factor.of(part_of(evaluation.lower, on.kept), eta) if is_other else steps
        if not (on.is_sample or proof.ok) or not steps.factored:
            # Collinear columns, or columns that are 0 in the rows read: a small ridge keeps steps short along them.
            diagonal = evaluation.hessian.diagonal()[on.kept]
            least = max(float(diagonal.max()), 1e-300) * 1e-12
            steps = steps.lifted(NULL_RIDGE * np.maximum(diagonal, least))
        # |D^-1 x~|^2 <= max_j 1/(q_j D_j^2) sum_j q_j x~_j^2; without an intercept the bias's q is 0, and so is its x~
        D = proof.D if on.pivots is None else Factor.unfactored(evaluation.lower.diagonal(), "").D
        ratio = np.divide((1.0 / D) ** 2, q, out=np.zeros_like(q), where=q > 0.0)
        norm = evaluation.norm * float(ratio.max()) * OUTWARD
        if not on.is_sample:
            return cls(steps, proof, theta, None, z, D, norm, on, evaluation.float32)
        places = [np.flatnonzero(stratum.rows.is_kept) for stratum in on.strata]
        index = np.concatenate([part.places[at] for part, at in zip(on.strata, places, strict=True)])
        firsts = np.cumsum([0, *(part.rows.n_rows for part in on.strata)])
        z = np.concatenate([z[first + at] for first, at in zip(firsts, places, strict=False)])
        return cls(steps, proof, theta, index, z, D, norm, on, evaluation.float32)

    @classmethod
    def without_factor(cls, on: DataObjective, diagonal: Vector, theta: Vector) -> FactoredHessian:
        """Make one from the Hessian's diagonal (n + 1,) alone; it proves nothing."""
        none = Factor.unfactored(diagonal, "no Hessian was made")
        return cls(none, none, theta, None, np.zeros(0), none.D, math.inf, on)

    def about(self, pivots: Index, less: Vector | None = None) -> FactoredHessian:
        """Return a Hessian of all rows for some of its columns alone. less : (n,), subtracted from its diagonal."""
        on, B, eta = self.on.about(pivots), self.proof.matrix, self.proof.eta
        if less is not None:
            diagonal = B.diagonal()[:-1]
            left = diagonal - less
            eta *= float(np.max(diagonal / np.where(left > 0.0, left, 1e-300), initial=1.0)) + 4.0 * UNIT
            B = plus(B, -less)
        all_of = np.arange(on.size)
        at = np.searchsorted(all_of[self.on.kept], all_of[on.kept])
        factor, D = Factor.of(part_of(B, at), eta), self.D.copy()
        D[on.kept] = factor.D
        norm = self.norm * float(np.square(self.D / D).max()) * OUTWARD
        return replace(self, steps=factor, proof=factor, D=D, norm=norm, on=on)

    def is_of_all(self, theta: Vector) -> bool:
        """Whether the Hessian is of all rows, and at this point."""
        return self.index is None and np.array_equal(self.theta, theta)

    @property
    def is_poor(self) -> bool:
        """Whether a new Hessian of all rows is needed: columns look collinear in the sample, or have no curvature here."""
        return not (self.proof.usable if self.index is None else self.proof.ok)

    @property
    def sharp(self) -> bool:
        """Whether the matrix's rounding loosens bounds by little in every direction."""
        return self.proof.ok and self.proof.lambda_min >= SHARP * self.proof.eta

    @cached_property
    def kappa_of_levels(self) -> float:
        """Upper bound on kappa from the categories' levels."""
        on, groups = self.on, self.on.rows.design.groups
        if on.pivots is None:
            return kappa_of_levels(self.proof, groups, reach(on.rows), on.fit_intercept)
        groups = [group for group in (_among(*group, on.pivots) for group in groups) if group]
        return kappa_of_levels(self.proof, groups, reach(on.rows)[on.pivots], on.fit_intercept)

    def decrement(self, gradient: Vector) -> float:
        """Compute the Newton decrement (grad' H^-1 grad)^(1/2); inf if the Hessian has no factor."""
        return math.sqrt(max(0.0, float(gradient @ self.solve(gradient)))) if self.steps.factored else math.inf

    def solve(self, v: Vector) -> Vector:
        """Compute H^-1 v, (n + 1,), for a step; 0 for weights that are held."""
        if self.on.pivots is None:
            return self.steps.solve(v)
        out = np.zeros_like(v)
        out[self.on.kept] = self.steps.solve(v[self.on.kept])
        return out

    def direction(self, on: DataObjective, evaluation: Evaluation, pairs: Sequence[Pair] = ()) -> Vector:
        """Return the Newton step -H^-1 grad, (n + 1,).

        pairs : the last steps with this Hessian and the gradient's changes; they correct a sample's Hessian towards all rows'.
        """
        if not self.steps.factored:
            # Without usable curvature: back to 0 if F is lower there, else down the gradient.
            back = evaluation.objective > on.at_zero and bool(self.theta.any())
            return -self.theta if back else -4.0 / (on.n_features + 1) * evaluation.gradient
        return -corrected(evaluation.gradient, pairs, self.solve, scaled=False)

    def certify(
        self, on: DataObjective, evaluation: Evaluation, theta: Vector, z: Vector, squares: Vector, last: bool = False
    ) -> Bound | None:
        """Bound F - F* at a point theta where all rows were read; z (m,) and the columns' mean squares (n,) of all rows.

        last : no better point will come, so a bound is worth extra work.
        """
        if not evaluation.finite:
            return None
        proven = self.by_hessian(on, evaluation, theta, z, squares, last=last) if self.proof.ok else None
        if (proven is not None and proven.proven) or not (last and self.index is None and on.penalty.strongly_convex):
            return proven
        return self._by_penalty(on, evaluation, theta, squares, z)

    def by_hessian(
        self,
        on: DataObjective,
        evaluation: Evaluation,
        theta: Vector,
        z: Vector,
        squares: Vector,
        *,
        last: bool = False,
        more: Vector | float = 0.0,
    ) -> Bound:
        """Bound F - F* by the factor of the Hessian, as `certify`. more : (n + 1,), further error of the gradient."""
        if not self.proof.ok:
            return nothing(on.size)
        delta, zeta = self.change(on, theta, z)
        all_rows, c = self.index is None, on.loss.bend  # kappa, delta and zeta are in units of z/c
        # With categories the bound by levels is cheaper than the smallest eigenvalue, and tighter.
        kappa = c * (self.kappa_of_levels if on.rows.design.groups else kappa_upper(self.proof, self.norm))
        e = error_of_gradient(on, on.rms_residual(evaluation.loss), squares, theta, of_z=not all_rows) + more
        eps = norm_of_z_rounding(on.n_features, self.D, theta) if all_rows else 0.0
        kept = on.kept
        proves = partial(bound, self.proof, evaluation.gradient[kept], e[kept], delta=delta, zeta=zeta, eps=eps)
        proven = proves(kappa=kappa, all_rows=all_rows)
        if not proven.proven and last:
            # A few rows of tiny weight may be all that makes kappa large.
            kappa, left_out = self._without_some_rows(on, z, delta + 2.0 * zeta)
            other = proves(kappa=c * kappa, left_out=left_out)
            proven = other if other.gap < proven.gap else proven
        if on.pivots is None:
            return proven
        coef = np.full(on.size, np.inf)
        coef[kept] = proven.coef
        return replace(proven, coef=coef)

    def change(self, on: DataObjective, theta: Vector, z: Vector | None) -> tuple[float, float]:
        """Bound the largest change of a row's z since the Hessian was made, and the error of z, in units of 1/`bend`."""
        D, c = self.D, on.loss.bend
        zetas = [c * z_rounding(on.n_features, reach_bound(self.norm, D, at)) for at in (theta, self.theta)]
        if np.array_equal(self.theta, theta):
            return 0.0, max(zetas)
        if self.index is not None:
            assert z is not None
            return c * float(np.abs(z[self.index] - self.z).max()) + sum(zetas), max(zetas)
        step = D * (theta - self.theta)
        delta = c * math.sqrt(self.norm * float(step @ step)) * OUTWARD
        if delta > DELTA_MATTERS and z is not None:
            moved = np.abs(z - self.z).max(where=True if on.rows.s is None else on.rows.is_kept, initial=0.0)
            delta = min(delta, c * float(moved) + sum(zetas))
        return delta, max(zetas)

    def _by_penalty(
        self, on: DataObjective, evaluation: Evaluation, theta: Vector, squares: Vector, z: Vector
    ) -> Bound:
        """Bound by the penalty's convexity, if rounding or leverage spoils the bound by the Hessian."""
        n, D = on.n_features, self.D
        ratio = float((D[:n] / np.sqrt(on.ridge)).max())
        reach = math.sqrt(self.norm * ratio * ratio) * OUTWARD
        h_b = 1.0
        if on.fit_intercept:
            h, s = on.curvatures(z), on.rows.s
            h_b = float(h.mean() if s is None else np.sum(s * h) / np.sum(s))
        e, zeta = error_of_gradient(on, on.rms_residual(evaluation.loss), squares, theta), self.change(on, theta, z)[1]
        known = {"h_b": h_b, "reach": reach, "depth": depth_of(on), "zeta": zeta}
        found = bound_by_penalty(evaluation.gradient, e, of=on.loss, ridge=on.ridge, **known)
        # |d| in B's norm <= sqrt(trace of D^-1 B D^-1) |D d|
        scaled = D * found.coef
        return replace(found, radius=math.sqrt(len(D) * float(scaled @ scaled)) * (1.0 + self.proof.eta) * OUTWARD)

    def _without_some_rows(self, on: DataObjective, z: Vector, moved: float) -> tuple[float, float]:
        """Leave the rows of largest leverage out of T: (kappa of the others, tau). One pass over the Hessian's rows.

        z : of all rows, at a point whose z differs from the Hessian's by at most `moved`.
        """
        rows = on.rows
        places = np.flatnonzero(rows.is_kept) if self.index is None else self.index
        step = max(1024, AT_ONCE // len(self.D))
        parts = [places[first : first + step] for first in range(0, len(places), step)]
        has = np.append(np.ones(on.n_features), float(on.fit_intercept))
        leverages = [self.proof.leverages((rows.viewed(part) * has)[:, on.kept]) for part in parts]
        rows.count_read(len(places) / rows.n_rows)
        curvature = on.pointwise(z[places], rows.y[places])[2] * math.exp(min(moved, 700.0))
        weights = curvature / rows.n_rows if rows.s is None else curvature * rows.s[places] / float(rows.s.sum())
        return leave_out(np.concatenate(leverages), weights)


def _among(levels: slice, has_first: bool, pivots: Index) -> tuple[slice, bool] | None:
    """Return a category's columns among the pivots, and whether a row may have none of them; None if there are none."""
    first, stop = np.searchsorted(pivots, (levels.start, levels.stop)).tolist()
    return (slice(first, stop), has_first or stop - first < levels.stop - levels.start) if stop > first else None


def error_of_gradient(on: DataObjective, r_rms: float, squares: Vector, theta: Vector, of_z: bool = True) -> Vector:
    """Bound the error of each entry of the gradient, (n + 1,), from the columns' mean squares."""
    M, d = np.sqrt(theta_of(squares * OUTWARD, float(on.fit_intercept))), depth_of(on)
    w, b = theta[:-1], float(theta[-1])
    return gradient_rounding(of=on.loss, M=M, d=d, r_rms=r_rms, w=w, b=b, ridge=on.ridge, of_z=of_z)


def error_of_objective(on: DataObjective, loss: float, squares: Vector | None, theta: Vector) -> float:
    """Bound the error of F at theta, from the loss there; inf if the columns' mean squares are not known."""
    if squares is None:
        return math.inf
    M, d = np.sqrt(theta_of(squares, 1.0)), depth_of(on)
    r_rms, w, b = on.rms_residual(loss), theta[:-1], float(theta[-1])
    return objective_rounding(of=on.loss, loss=loss, d=d, r_rms=r_rms, M=M, w=w, b=b, ridge=on.ridge)


def depth_of(on: DataObjective) -> float:
    """Return the depth of the sums for loss and gradient over an objective's rows."""
    return on.sum_depth + weighting_depth(on)


def weighting_depth(on: DataObjective) -> float:
    """Return the extra depth from the rounding of S, if rows have weights."""
    weighted = on.rows.s is not None or len(on.strata) > 1 or on.strata[0].multiplier != 1.0
    return on.sum_depth if weighted else 0.0


def norm_weights(on: DataObjective, factored: FactoredHessian | None) -> Vector:
    """Return q = D^-2 of the last Hessian, (n + 1,), as the next D is about the same; 0 for the bias without an intercept."""
    q = np.ones(on.n_features + 1)
    if factored is not None:
        q = (1.0 / factored.D) ** 2
    if not on.fit_intercept:
        q[-1] = 0.0
    return q
