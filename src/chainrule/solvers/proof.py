"""A Hessian that was made, as what it is for: steps, and what it proves of a point."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chainrule.certificate.bounds import Bound, bound, kappa_exact, kappa_upper
from chainrule.certificate.factor import Factor
from chainrule.certificate.rounding import gradient_rounding, hessian_eta, reach_bound, sum_depth, z_rounding
from chainrule.objective import Evaluation, Objective

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

OUTWARD = 1.0 + 1e-12
KAPPA_MATTERS = 0.1  # r from which on a smaller kappa makes the bound clearly better
KAPPA_NUMBERS = 5_000_000  # that may be copied to find it
NULL_RIDGE = 1e-9  # of the diagonal, where columns are collinear: steps leave the directions that don't matter


@dataclass(frozen=True)
class Reference:
    """A Hessian that was made, and what a bound from it needs to know.

    steps, proof : factors of the Hessian for steps, and of the part of it that the rows read account for.
    theta : where it was made, (n + 1,). z : the rows' z there; None where the rows are all rows. index : which rows.
    norm : largest |D^-1 x~|^2 of the rows, D of `proof`.
    """

    steps: Factor
    proof: Factor
    theta: Vector
    z: Vector | None
    index: NDArray[np.int64] | None
    norm: float

    @classmethod
    def of(
        cls, on: Objective, evaluation: Evaluation, w: Vector, b: float, z: Vector | None, before: Reference | None
    ) -> Reference:
        """Factor what was evaluated with `norm_weights(on, before)`; z of a sample's rows, None of all rows."""
        assert evaluation.hessian is not None
        assert evaluation.lower is not None
        eta = hessian_eta(on.n_features, depth_of(on))
        proof = Factor.of(own_matrix(on, evaluation.lower), eta)
        is_same = evaluation.lower is evaluation.hessian
        steps = proof if is_same else Factor.of(own_matrix(on, evaluation.hessian), eta)
        if not steps.factored:
            # Collinear columns, or ones that the rows read don't show: steps leave what doesn't matter alone.
            lifted = own_matrix(on, evaluation.hessian).copy()
            diagonal = lifted.diagonal()
            least = max(float(diagonal.max()), 1e-300) * 1e-12
            lifted[np.diag_indices(len(lifted))] += NULL_RIDGE * np.maximum(diagonal, least)
            steps = Factor.of(lifted, 0.0)
        q = own(on, norm_weights(on, before))
        # |D^-1 x~|^2 <= max_j 1/(q_j D_j^2) sum_j q_j x~_j^2
        norm = evaluation.norm * float((proof.inverse_D**2 / q).max()) * OUTWARD
        index = None
        if z is not None:
            kept = np.concatenate([stratum.rows.is_kept for stratum in on.strata])
            z, index = z[kept], np.concatenate([stratum.rows.index for stratum in on.strata])[kept]
        return cls(steps, proof, own(on, np.append(w, b)), z, index, norm)

    def decrement(self, on: Objective, evaluation: Evaluation) -> float:
        """Newton decrement (grad' H^-1 grad)^(1/2); inf where the Hessian has no factor."""
        if not self.steps.factored:
            return math.inf
        gradient = own(on, evaluation.gradient)
        return math.sqrt(max(0.0, float(gradient @ self.steps.solve(gradient))))

    def direction(self, on: Objective, evaluation: Evaluation) -> Vector:
        """Give the Newton step -H^-1 grad, (n + 1,)."""
        step = -self.steps.solve(own(on, evaluation.gradient))
        return step if on.fit_intercept else np.append(step, 0.0)

    def certify(
        self, on: Objective, evaluation: Evaluation, w: Vector, b: float, z: Vector, squares: Vector
    ) -> Bound | None:
        """Say what is proven at a point of which all rows were read; z and mean squares of all rows."""
        if not self.proof.ok or not evaluation.finite:
            return None
        theta = own(on, np.append(w, b))
        M = own(on, np.sqrt(np.append(squares * OUTWARD, 1.0)))
        r_rms = math.sqrt(min(1.0, evaluation.loss))  # (g - y)^2 <= -log(1 - |g - y|) = l
        e = gradient_rounding(M=M, d=depth_of(on), r_rms=r_rms, w=w, b=b, ridge=on.ridge)
        is_here = np.array_equal(self.theta, theta)
        n, D = on.n_features, self.proof.D
        zeta = z_rounding(n, reach_bound(self.norm, D, theta))
        if is_here:
            delta = 0.0
        elif self.z is not None:
            # Both z are known, up to their rounding.
            delta = float(np.abs(z[self.index] - self.z).max()) + zeta
            zeta = z_rounding(n, reach_bound(self.norm, D, self.theta))
            delta += zeta
        else:
            step = D * (theta - self.theta)
            delta = math.sqrt(self.norm * float(step @ step)) * OUTWARD
            zeta = z_rounding(n, reach_bound(self.norm, D, self.theta))
        gradient, all_rows = own(on, evaluation.gradient), self.z is None
        kappa = kappa_upper(self.proof, self.norm)
        proven = bound(self.proof, gradient, e, kappa=kappa, delta=delta, zeta=zeta, all_rows=all_rows)
        if proven.r < KAPPA_MATTERS or self.n_rows(on) * on.n_features > KAPPA_NUMBERS:
            return proven
        # The cheap kappa costs too much here: find the largest leverage itself.
        kappa = self._kappa(on, enough=KAPPA_MATTERS * kappa / max(proven.r, 1e-300))
        return bound(self.proof, gradient, e, kappa=kappa, delta=delta, zeta=zeta, all_rows=all_rows)

    def n_rows(self, on: Objective) -> int:
        """How many rows the Hessian came from."""
        return on.rows.n_rows if self.index is None else len(self.index)

    def _kappa(self, on: Objective, enough: float) -> float:
        """Largest leverage of the Hessian's rows, from copies of them: for few numbers only."""
        places = np.flatnonzero(on.rows.is_kept) if self.index is None else self.index
        U = on.rows.viewed(places)[:, : len(self.proof.D)]
        norms2 = np.square(U * self.proof.inverse_D).sum(axis=1) * OUTWARD
        order = np.argsort(-norms2, kind="stable")
        return kappa_exact(self.proof, norms2[order], lambda start, stop: U[order[start:stop]], enough=enough)


def depth_of(on: Objective) -> float:
    """Depth of the sums over an objective's rows; twice where the weights have a sum of their own, S, that has rounded."""
    weighted = on.rows.s is not None or len(on.strata) > 1 or on.strata[0].multiplier != 1.0
    return sum_depth(on.n_rows) * (2.0 if weighted else 1.0)


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
