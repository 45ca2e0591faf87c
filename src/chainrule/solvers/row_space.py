"""Newton's method for fewer rows than columns, in the rows' Gram matrix: the optimal w is a combination of rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from chainrule.kernels.bordered import factor_of
from chainrule.solvers.line import Pointwise, length_of_step

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

STEPS = 100
LEAST = 1e-16  # curvature of a row: a smaller one would make steps that no search brings back
FLAT, SMALL = 1e-15, 1e-4  # of F: a smaller promise is lost in rounding; the most that the last step may promise
LIFT = 2.0**-50  # of the largest diagonal, times m: more than a factor's rounding


def minimum_in_row_space(
    K: Matrix, s: Vector, ridge: float, loss: Pointwise, b: float, tol: float, *, fit_intercept: bool
) -> tuple[Vector, float]:
    """Minimise F = sum_i s_i l(z_i) + (ridge/2) a'K a over w = X'a and b, with z = K a + b and K = X X'.

    A Newton step solves B c = s^(1/2) h^(1/2) (z - b) - s^(1/2) h^(-1/2) g with B = ridge I + W^(1/2) K W^(1/2), W = s h, and
    then a = W^(1/2) c (Rasmussen and Williams 2006, Gaussian Processes for Machine Learning, algorithm 3.1); b so that
    sum_i a_i = 0. It goes as far as F falls.

    Parameters
    ----------
    K : (m, m)
    s : (m,)
        The rows' shares of the weight, which add up to 1.
    loss
        Returns l, g = dl_dz and h = d2l_dz2 for z (m,).
    tol : float
        A step that promises no more is the last.

    Returns
    -------
    a (m,) and b. They end early, at the best point, where B has no Cholesky factor or no step lowers F.
    """
    a = np.zeros(len(s))
    for _ in range(STEPS):
        z = K @ a + b
        value, g, h = loss(z)
        root = np.sqrt(s * np.maximum(h, LEAST))
        B = root[:, np.newaxis] * K * root
        L = factor_of(B, -ridge - LIFT * len(B) * float(B.diagonal().max()))  # of centred columns K is singular
        if L is None:
            break
        right = root * z - np.divide(s * g, root, out=np.zeros_like(root), where=root > 0.0)
        c, there = L.solve(right), 0.0
        if fit_intercept:
            unit = L.solve(root)
            there = float(root @ c) / float(root @ unit)
            c -= there * unit
        step = root * c - a
        db, dz = there - b, K @ step + (there - b)
        slope, bent = ridge * float((z - b) @ step), ridge * float((dz - db) @ step)
        promised = -float(s * g @ dz) - slope
        if not promised > FLAT * float(s @ value):
            break
        t = length_of_step(loss, z, dz, s, slope, bent)
        small = SMALL * (float(s @ value) + 0.5 * ridge * float(a @ (z - b)))
        a, b = a + t * step, b + t * db
        if t == 0.0 or promised <= min(2.0 * tol, small):
            break
    return a, b
