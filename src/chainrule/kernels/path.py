"""Newton's method where rows and columns are few: its steps in one call."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chainrule import _core
from chainrule.kernels.design import Design
from chainrule.kernels.reading import Matrix, Vector, View, kernel_asked, useful_threads


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
    design: Design,
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
    factor, no step lowers F, or `most` reads are done. Of designs of numbers.

    Arguments as of `read`; alpha (n,), in the view's units.
    """
    n = design.n
    threads = useful_threads((len(y), n), threads)
    center, p = (None, None) if view is None else (view.center, view.p)
    points, following, count, total = _core.newton_path(
        design.native, y, s, center, p, index, alpha, fit_intercept, w, b, near, most, threads, kernel_asked()
    )
    columns = points.reshape(count, 2 * n + 6)
    theta, gradient = columns[:, 4 : n + 5], columns[:, n + 5 :]
    reads, objective, loss, correct = columns[:, :4].T
    return Path(reads, objective, loss, correct, theta, gradient, following, total)
