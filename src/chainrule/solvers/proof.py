"""A Hessian that was made, as what it is for: steps, and what it proves of a point."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from chainrule.certificate.bounds import Bound, bound, kappa_exact, kappa_of_levels, kappa_upper, leave_out, nothing
from chainrule.certificate.factor import Factor
from chainrule.certificate.rounding import (
    gradient_rounding,
    hessian_eta,
    norm_of_z_rounding,
    reach_bound,
    z_rounding,
)
from chainrule.certificate.wide import bound_by_gradient
from chainrule.data.rows import Rows
from chainrule.kernels.reading import FLOAT32_BLOCK
from chainrule.objective import Evaluation, Objective

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

OUTWARD = 1.0 + 1e-12
# r from which on a smaller kappa makes the bound clearly better: at 0.5 it is 1.23 times what it is at 0.
KAPPA_MATTERS, KAPPA_ENOUGH = 0.5, 0.2
# Numbers that may be copied to find it: few; or as many as take a read's time, which is what comes if the bound is not enough.
KAPPA_FEW, KAPPA_NUMBERS, KAPPA_PER_READ = 300_000, 5_000_000, 60
SHARP = 4.0  # smallest eigenvalue over eta, from which on a norm is too large by less than a quarter
LOOSE = 10.0  # ratio of the weights of a norm to D^-2, over the columns, from which on it is worth another
DELTA_MATTERS = 0.1  # from there on the change of all rows' z is looked at, not bounded by their norms
ROWS_AT_ONCE = 16384  # that are looked at while they are in the caches
LITTLE_MORE = 1.1  # times nu: a bound that is a fifth larger
LEAST_CURVATURE, OF_CURVATURE = 1e-290, 1e-12  # g (1 - g) that has all its digits, and more than two of them round by
NULL_RIDGE = 1e-9  # of the diagonal, where columns are collinear: steps leave the directions that don't matter


@dataclass(frozen=True)
class Reference:
    """A Hessian that was made, and what a bound from it needs to know.

    steps, proof : factors of the Hessian for steps, and of the part of it that the rows read account for.
    theta : where it was made, (n + 1,). z : the rows' z there; None where the rows are all rows. index : which rows.
    norm : largest |D^-1 x~|^2 of the rows, D of `proof`, or a bound on it: `is_loose` where weights far from D^-2 gave it.
    z_of_all : z there where the rows are all rows. whole : all rows. absent : columns of levels that none of the rows has.
    common : of a sample with all rows of rare levels, what those of the other rows alone prove: without the penalty's help rare
    levels have large leverages, and their coefficients are found first.
    """

    steps: Factor
    proof: Factor
    theta: Vector
    z: Vector | None
    index: NDArray[np.int64] | None
    norm: float
    is_loose: bool
    z_of_all: Vector | None
    whole: Rows
    absent: NDArray[np.int64] | None = None
    common: Reference | None = None

    @classmethod
    def of(
        cls,
        on: Objective,
        evaluation: Evaluation,
        w: Vector,
        b: float,
        z: Vector,
        before: Reference | None,
        looks: bool = True,
    ) -> Reference:
        """Factor what was evaluated with `norm_weights(on, before)`; z of the rows.

        looks : whether the part that the rows account for is needed, for a proof or to see what is collinear.
        """
        assert evaluation.hessian is not None
        assert evaluation.lower is not None
        depth = on.matrix_depth + weighting_depth(on)
        eta = hessian_eta(on.n_features, depth, FLOAT32_BLOCK if evaluation.float32 else None)
        steps = Factor.of(own_matrix(on, evaluation.hessian), eta)
        is_same = evaluation.lower is evaluation.hessian or not looks
        proof = steps if is_same else Factor.of(own_matrix(on, evaluation.lower), eta)
        if not steps.factored or not (on.is_sample or proof.ok):
            # Collinear columns, or ones that the rows read don't show: steps leave what doesn't matter alone.
            lifted = own_matrix(on, evaluation.hessian).copy()
            diagonal = lifted.diagonal()
            least = max(float(diagonal.max()), 1e-300) * 1e-12
            lifted[np.diag_indices(len(lifted))] += NULL_RIDGE * np.maximum(diagonal, least)
            steps = Factor.of(lifted, 0.0)
        q = own(on, norm_weights(on, before))
        # |D^-1 x~|^2 <= max_j 1/(q_j D_j^2) sum_j q_j x~_j^2
        ratio = proof.inverse_D**2 / q
        norm, is_loose = evaluation.norm * float(ratio.max()) * OUTWARD, bool(ratio.max() > LOOSE * ratio.min())
        theta = own(on, np.append(w, b))
        if not on.is_sample:
            return cls(steps, proof, theta, None, None, norm, is_loose, z, on.rows)
        places = [np.flatnonzero(stratum.rows.is_kept) for stratum in on.strata]
        index = np.concatenate([part.rows.places[at] for part, at in zip(on.strata, places, strict=True)])
        firsts = np.cumsum([0, *(part.rows.n_rows for part in on.strata)])
        z = np.concatenate([z[first + at] for first, at in zip(firsts, places, strict=False)])
        common = None
        if evaluation.common is not None and looks:
            factor, rest = Factor.of(own_matrix(on, evaluation.common), eta), slice(len(places[0]), None)
            of_rest = evaluation.norm * float((factor.inverse_D**2 / q).max()) * OUTWARD
            absent = on.strata[0].columns
            common = cls(factor, factor, theta, z[rest], index[rest], of_rest, True, None, on.rows, absent)
        return cls(steps, proof, theta, z, index, norm, is_loose, None, on.rows, None, common)

    @classmethod
    def without_factor(cls, on: Objective, diagonal: Vector, w: Vector, b: float) -> Reference:
        """Stand in for a Hessian of a sample of which only the diagonal (n + 1,) was made: it proves nothing."""
        none = Factor.unfactored(own(on, diagonal), "no Hessian was made of the sample")
        theta, nowhere = own(on, np.append(w, b)), np.zeros(0, dtype=np.int64)
        return cls(none, none, theta, np.zeros(0), nowhere, math.inf, True, None, on.rows)

    def is_of_all(self, w: Vector, b: float) -> bool:
        """Whether it was made of all rows, at this point."""
        return self.z is None and np.array_equal(self.theta, np.append(w, b)[: len(self.theta)])

    @property
    def is_poor(self) -> bool:
        """Whether all rows should have a Hessian of their own: columns are collinear, or seem so in a sample."""
        return not self.proof.factored or (self.z is not None and not self.proof.ok)

    def with_norm(self, norm: float) -> Reference:
        """Take the largest |D^-1 x~|^2 as `norm_weights` of this Hessian gave it in a later read of all rows."""
        return replace(self, norm=min(self.norm, norm * OUTWARD), is_loose=False)

    @property
    def sharp(self) -> bool:
        """Whether the rounding of the matrix costs the proofs little in every direction."""
        return self.proof.ok and self.proof.lambda_min >= SHARP * self.proof.eta

    @cached_property
    def kappa_of_levels(self) -> float:
        """Bound on the rows' leverage, by the levels of categories; inf where there are none."""
        groups = self.whole.design.groups
        return kappa_of_levels(self.proof, groups, self.whole.reach(), self.absent) if groups else math.inf

    def decrement(self, on: Objective, evaluation: Evaluation) -> float:
        """Newton decrement (grad' H^-1 grad)^(1/2); inf where the Hessian has no factor."""
        if not self.steps.factored:
            return math.inf
        gradient = own(on, evaluation.gradient)
        return math.sqrt(max(0.0, float(gradient @ self.steps.solve(gradient))))

    def direction(self, on: Objective, evaluation: Evaluation, pairs: Sequence[tuple[Vector, Vector]] = ()) -> Vector:
        """Give the Newton step -H^-1 grad, (n + 1,).

        pairs: (n + 1,) moved and (n + 1,) change of the gradient, of steps with this Hessian: they correct it (BFGS's two
        loops; Nocedal and Wright 2006, algorithm 7.4), so that a sample's Hessian behaves more and more like that of all rows.
        """
        if not self.steps.factored:
            # No curvature that can be used: back to 0 where that is better, else down the gradient.
            back = evaluation.objective > on.at_zero and bool(self.theta.any())
            step = -self.theta if back else -4.0 / (on.n_features + 1) * own(on, evaluation.gradient)
            return step if on.fit_intercept else np.append(step, 0.0)
        q, weights = own(on, evaluation.gradient).copy(), []
        for moved, change in reversed([(own(on, s), own(on, y)) for s, y in pairs]):
            weights.append(float(moved @ q) / float(moved @ change))
            q -= weights[-1] * change
        step = self.steps.solve(q)
        for (s, y), weight in zip(pairs, reversed(weights), strict=True):
            moved, change = own(on, s), own(on, y)
            step = step + (weight - float(change @ step) / float(moved @ change)) * moved
        return -step if on.fit_intercept else np.append(-step, 0.0)

    def certify(
        self, on: Objective, evaluation: Evaluation, w: Vector, b: float, z: Vector, squares: Vector, last: bool = False
    ) -> Bound | None:
        """Say what is proven at a point of which all rows were read; z and mean squares of all rows.

        last: no better point will come, so that a bound is worth more than what it costs.
        """
        if self.common is None:
            return self._certify(on, evaluation, w, b, z, squares, last)
        found = self.common.certify(on, evaluation, w, b, z, squares)
        if found is not None and found.proven and self.proof.ok:
            nu = math.sqrt(self.proof.norm2(own(on, evaluation.gradient)))
            if found.nu <= LITTLE_MORE * nu:  # the rows left out would not make it much smaller
                return found
        other = self._certify(on, evaluation, w, b, z, squares, last)
        if found is None or other is None:
            return other if found is None else found
        return min(found, other, key=lambda each: (each.gap, each.r))

    def _certify(
        self, on: Objective, evaluation: Evaluation, w: Vector, b: float, z: Vector, squares: Vector, last: bool
    ) -> Bound | None:
        by_penalty = last and self.z is None and on.penalty.strongly_convex
        if not evaluation.finite or not (self.proof.ok or by_penalty):
            return None
        n, D, theta, all_rows = on.n_features, self.proof.D, own(on, np.append(w, b)), self.z is None
        c = on.loss.bend  # kappa, delta and zeta are in units of z/c
        gradient, numbers = own(on, evaluation.gradient), self.n_rows(on) * n
        may_look = numbers <= (KAPPA_NUMBERS if last else max(KAPPA_FEW, on.rows.n_rows * n // KAPPA_PER_READ))
        if self.proof.ok:
            # Where there are levels, their bound takes less than the smallest eigenvalue, and says more.
            kappa = c * (self.kappa_of_levels if on.rows.design.groups else kappa_upper(self.proof, self.norm))
            nu = math.sqrt(self.proof.norm2(gradient))
            if kappa * nu >= 1.0 and not (last or may_look or all_rows):
                return nothing(len(gradient), kappa * nu, nu)  # too far away, however the rest comes out
        M = own(on, np.sqrt(np.append(squares * OUTWARD, 1.0)))
        r_rms = on.rms_residual(evaluation.loss)
        e = gradient_rounding(of=on.loss, M=M, d=depth_of(on), r_rms=r_rms, w=w, b=b, ridge=on.ridge, of_z=not all_rows)
        eps = norm_of_z_rounding(n, D, theta) if all_rows else 0.0
        # Of z here and of z where the Hessian was made.
        zetas = [c * z_rounding(n, reach_bound(self.norm, D, at)) for at in (theta, self.theta)]
        if np.array_equal(self.theta, theta):
            delta = 0.0
        elif self.z is not None:
            delta = c * float(np.abs(z[self.index] - self.z).max()) + sum(zetas)
        else:
            step = D * (theta - self.theta)
            delta = c * math.sqrt(self.norm * float(step @ step)) * OUTWARD
            if delta > DELTA_MATTERS and self.z_of_all is not None:
                delta = min(delta, c * _largest_change(z, self.z_of_all, on.rows.s) + sum(zetas))
        zeta = max(zetas)
        if not self.proof.ok:
            return self._by_penalty(on, evaluation, e, zeta=delta + zeta)
        proves = partial(bound, self.proof, gradient, e, delta=delta, zeta=zeta, eps=eps)
        proven = proves(kappa=kappa, all_rows=all_rows)
        if (
            proven.r >= KAPPA_MATTERS
            and on.rows.design.groups
            and c * math.sqrt(self.norm / self.proof.lambda_guess) < kappa
        ):
            kappa = min(kappa, c * kappa_upper(self.proof, self.norm))
            proven = proves(kappa=kappa, all_rows=all_rows)
        if proven.r >= KAPPA_MATTERS and may_look:
            # The cheap kappa costs too much here: find the largest leverage itself.
            kappa = c * self._kappa(on, enough=KAPPA_ENOUGH * kappa / (c * max(proven.r, 1e-300)))
            proven = proves(kappa=kappa, all_rows=all_rows)
        if not all_rows and proven.r >= 1.0 > kappa * nu and (fall := self._fall(on, z) + sum(zetas)) < delta:
            proven = proves(kappa=kappa, delta=fall)
        if last and not proven.proven:
            # A few rows of tiny weight may be all that makes kappa large.
            kappa, left_out = self._without_some_rows(on, z, delta + 2.0 * zeta)
            other = proves(kappa=c * kappa, left_out=left_out)
            proven = other if other.gap < proven.gap else proven
        if by_penalty and not proven.proven:
            e = gradient_rounding(of=on.loss, M=M, d=depth_of(on), r_rms=r_rms, w=w, b=b, ridge=on.ridge)
            return self._by_penalty(on, evaluation, e, zeta=delta + zeta)
        return proven

    def _fall(self, on: Objective, z: Vector) -> float:
        """Give how far log g (1 - g) of a sample's rows fell since its Hessian: at most |x~.v|, and often half of that."""
        assert self.z is not None
        y = on.rows.y[self.index]
        now, then = on.pointwise(z[self.index], y)[2], on.pointwise(self.z, y)[2]
        then = np.where(then > LEAST_CURVATURE, then, 0.0)
        least = float(np.min(now / then, initial=1.0)) if then.all() else 0.0
        return -math.log(least) + OF_CURVATURE if least > 0.0 else math.inf

    def _by_penalty(self, on: Objective, evaluation: Evaluation, e: Vector, zeta: float) -> Bound:
        """Bound by the penalty's convexity where rounding or leverage spoils the Hessian's: in units of a penalty of 1."""
        n, D, root = on.n_features, self.proof.D, np.sqrt(on.ridge)
        ratio = float((D[:n] / root).max())
        reach = math.sqrt(self.norm * ratio * ratio) * OUTWARD
        e = np.append(e[:n] / root, e[n:] if on.fit_intercept else 0.0) * OUTWARD
        # D is 1 where a diagonal is no usable number; the matrix has it.
        h_b = float(self.proof.matrix[n, n]) * (1.0 - 4.0 * self.proof.eta) if on.fit_intercept else 1.0
        found = bound_by_gradient(
            evaluation.grad_w / root,
            evaluation.grad_b,
            e,
            of=on.loss,
            alpha=1.0,
            h_b=h_b,
            reach_c=reach,
            reach=reach,
            depth=depth_of(on),
            zeta=zeta,
        )
        coef = own(on, found.coef / np.append(root, 1.0) * OUTWARD)
        # |d| in B's norm <= sqrt(trace of D^-1 B D^-1) |D d|
        scaled = D * coef
        radius = math.sqrt(len(D) * float(scaled @ scaled)) * (1.0 + self.proof.eta) * OUTWARD
        return replace(found, coef=coef, radius=radius)

    def n_rows(self, on: Objective) -> int:
        """How many rows the Hessian came from."""
        return on.rows.n_rows if self.index is None else len(self.index)

    def _kappa(self, on: Objective, enough: float) -> float:
        """Largest leverage of the Hessian's rows, from copies of them: for few numbers only."""
        places = np.flatnonzero(on.rows.is_kept) if self.index is None else self.index
        U = on.rows.viewed(places)[:, : len(self.proof.D)]
        norms2 = np.square(U * self.proof.inverse_D).sum(axis=1) * OUTWARD
        order = np.argsort(-norms2, kind="stable")
        on.rows.count_read(len(places) / on.rows.n_rows)
        return kappa_exact(self.proof, norms2[order], lambda start, stop: U[order[start:stop]], enough=enough)

    def _without_some_rows(self, on: Objective, z: Vector, moved: float) -> tuple[float, float]:
        """Give kappa of the rows that stay in T, and what those left out weigh: a look at all rows of the Hessian.

        z of all rows at a point whose z is at most `moved` from the Hessian's.
        """
        rows = on.rows
        places = np.flatnonzero(rows.is_kept) if self.index is None else self.index
        step = max(1024, KAPPA_NUMBERS // (4 * len(self.proof.D)))
        parts = [places[first : first + step] for first in range(0, len(places), step)]
        n1 = len(self.proof.D)
        leverages = np.concatenate([self.proof.leverages(rows.viewed(part)[:, :n1]) for part in parts])
        rows.count_read(len(places) / rows.n_rows)
        curvature = on.pointwise(z[places], rows.y[places])[2] * math.exp(min(moved, 700.0))
        weights = curvature / rows.n_rows if rows.s is None else curvature * rows.s[places] / float(rows.s.sum())
        return leave_out(leverages, weights)


def _largest_change(z: Vector, before: Vector, s: Vector | None) -> float:
    """Largest |z - before| of the rows of positive weight, some at a time: in the caches."""
    parts = [slice(first, first + ROWS_AT_ONCE) for first in range(0, len(z), ROWS_AT_ONCE)]
    where = (True if s is None else s[part] > 0 for part in parts)
    of_parts = [
        np.abs(z[part] - before[part]).max(where=kept, initial=0.0) for part, kept in zip(parts, where, strict=True)
    ]
    return float(np.max(of_parts))


def depth_of(on: Objective) -> float:
    """Depth of the sums over an objective's rows, of the loss and the gradient."""
    return on.sum_depth + weighting_depth(on)


def weighting_depth(on: Objective) -> float:
    """Say what the weights add to a depth where they have a sum of their own, S, that has rounded."""
    weighted = on.rows.s is not None or len(on.strata) > 1 or on.strata[0].multiplier != 1.0
    return on.sum_depth if weighted else 0.0


def norm_weights(on: Objective, reference: Reference | None) -> Vector:
    """Weights q = D^-2 of the last Hessian, whose norms are near those of the next; (n + 1,), of the bias 0 without one."""
    q = np.ones(on.n_features + 1)
    if reference is not None:
        q[: len(reference.proof.D)] = reference.proof.inverse_D**2
    if not on.fit_intercept:
        q[-1] = 0.0
    return q


def own(on: Objective, vector: Vector) -> Vector:
    """Leave out the bias of (n + 1,) where there is none."""
    return vector if on.fit_intercept else vector[:-1]


def own_matrix(on: Objective, matrix: Matrix) -> Matrix:
    """Leave out the bias of (n + 1, n + 1) where there is none."""
    return matrix if on.fit_intercept else matrix[:-1, :-1]
