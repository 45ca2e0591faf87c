"""Dense rows, read where they lie."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chainrule import _core
from chainrule.kernels import columns
from chainrule.kernels.reading import Secant, Sums, View, What, kernel_asked, useful_threads

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]


def lies_in_columns(X: NDArray[np.floating]) -> bool:
    """Whether X's columns lie one after the other: it is read as a table of numbers."""
    return X.shape[1] == 1 or abs(X.strides[0]) < abs(X.strides[1])


def read_rows(
    X: NDArray[np.floating],
    what: What,
    *,
    y: NDArray[np.uint8] | None = None,
    s: Vector | None = None,
    w: Vector | None = None,
    b: float = 0.0,
    v: Vector | None = None,
    z: Vector | None = None,
    view: View | None = None,
    index: NDArray[np.int64] | None = None,
    q: Vector | None = None,
    h: Vector | None = None,
    threads: int = 1,
) -> Sums:
    """Read all rows once.

    Parameters
    ----------
    X : (m, n) float64 or float32
        Any strides; never copied.
    what : What
        LOSS needs `w`; with `y` None it fills `z` alone. PRODUCT needs `v` and `h`, and goes alone.
    y : (m,) uint8, 0 or 1
    s : (m,) float64, optional
        Weights; a row of weight 0 is not looked at.
    w, b
        The point, in the view's units: (n,) and a number.
    v : (n + 1,)
        Direction of the Hessian product, the bias last.
    z : (m,), optional
        Filled with every row's z; by a PRODUCT with x~.v.
    view : View, optional
        Centred and scaled columns.
    index : (k,) int64, optional
        Read these rows alone; y, s and z then have k elements, one a place.
    q : (n + 1,), optional
        Weights of the norms, the bias last.
    h : (m,), optional
        Filled by LOSS with every row's g (1 - g); what a PRODUCT weighs the rows by.
    threads : int
        Changes no bit of the result.
    """
    n = X.shape[1]
    if what & What.MOMENTS and what & What.LOSS and lies_in_columns(X):
        raise ValueError("columns that lie one after the other have no moments beside a loss")
    threads = useful_threads((len(X) if index is None else len(index), n), threads)
    center, p, cp = (None, None, None) if view is None else (view.center, view.p, view.center_times_p)
    raw, matrix, gradient_at, squares_at, sums_at, extremes_at = _core.read_rows(
        X, int(what), y, s, w, b, v, z, center, p, cp, index, q, h, threads, kernel_asked()
    )
    squares = sums = low = high = None
    if what & What.SQUARES or (what & What.MOMENTS and matrix is None):
        squares = raw[squares_at : squares_at + n]
    if what & What.MOMENTS and (matrix is None or what & What.SQUARES):
        sums = raw[sums_at : sums_at + n]
    if what & What.MOMENTS:
        low, high = -raw[extremes_at : extremes_at + n], raw[extremes_at + n : extremes_at + 2 * n]
    return Sums(
        loss=float(raw[0]),
        correct=float(raw[1]),
        weight=float(raw[2]),
        gradient=raw[gradient_at : gradient_at + n],
        bias=float(raw[3]),
        matrix=matrix,
        squares=squares,
        sums=sums,
        low=low,
        high=high,
        norm=float(raw[-1]) if what & What.NORMS else 0.0,
    )


def secant(
    X: NDArray[np.floating],
    z: Vector,
    v: Vector,
    *,
    y: NDArray[np.uint8],
    s: Vector | None = None,
    u: Vector,
    view: View | None = None,
    index: NDArray[np.int64] | None = None,
    threads: int = 1,
) -> Secant:
    """Read all rows once, at z that are kept and along a direction.

    Parameters
    ----------
    X, y, s, view, index, threads
        As of `read_rows`.
    z : (m,) float64
        Of every row; with `index` one a place. That of a row of weight 0 is not looked at.
    v : (n + 1,)
        The direction, in the view's units, the bias last.
    u : (m,) float64
        Filled with every row's x~.v; with v_b for a row of weight 0.
    """
    m, n = X.shape
    if lies_in_columns(X):
        table = columns.Table([columns.NumberColumn((columns.Part(X[:, j], m),), j) for j in range(n)], m, n)
        return columns.secant(table, z, v, y=y, s=s, u=u, view=view, index=index, threads=threads)
    threads = useful_threads((m if index is None else len(index), n), threads)
    center, p, cp = (None, None, None) if view is None else (view.center, view.p, view.center_times_p)
    raw = _core.secant(X, y, s, z, v, u, center, p, cp, index, threads, kernel_asked())
    gradient, change, curvature, diagonal = raw[3:-1].reshape(4, n + 1)
    return Secant(
        loss=float(raw[0]),
        correct=float(raw[1]),
        weight=float(raw[2]),
        gradient=gradient,
        change=change,
        curvature=curvature,
        diagonal=diagonal,
        norm=float(raw[-1]),
    )


@dataclass(frozen=True)
class Path:
    """Points that Newton's method went through, and the one that it would go to next.

    reads, objective, loss, correct: (k,); reads so far; correct is the share of the weight whose class is right.
    theta, gradient: (k, n + 1), the bias last; without an intercept its derivative is 0. next: (n + 1,), not evaluated.
    total: reads in all.
    """

    reads: Vector
    objective: Vector
    loss: Vector
    correct: Vector
    theta: Matrix
    gradient: Matrix
    next: Vector
    total: int


def newton_path(
    X: NDArray[np.floating],
    y: NDArray[np.uint8],
    s: Vector | None,
    view: View | None,
    index: NDArray[np.int64] | None,
    *,
    alpha: Vector,
    fit_intercept: bool,
    w: Vector,
    b: float,
    near: float,
    most: int,
    threads: int,
) -> Path:
    """Run damped Newton in the core, for F = mean loss + (1/2) sum alpha_j w_j^2: each step a read with the Hessian.

    It ends one step after the squared decrement is at most `near`; or at the last point, where the Hessian has no Cholesky
    factor, no step lowers F, or `most` reads are done. Arguments as of `read_rows`; alpha (n,), in the view's units.
    """
    n = X.shape[1]
    threads = useful_threads((len(y), n), threads)
    center, p, cp = (None, None, None) if view is None else (view.center, view.p, view.center_times_p)
    points, following, count, total = _core.newton_path(
        X, y, s, center, p, cp, index, alpha, fit_intercept, w, b, near, most, threads, kernel_asked()
    )
    columns = points.reshape(count, 2 * n + 6)
    theta, gradient = columns[:, 4 : n + 5], columns[:, n + 5 :]
    reads, objective, loss, correct = columns[:, :4].T
    return Path(reads, objective, loss, correct, theta, gradient, following, total)
