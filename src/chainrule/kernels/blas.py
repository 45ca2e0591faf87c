"""BLAS on one thread: its sums then have one order, so that results repeat to the bit, and no thread waits on busy processors.

What takes long on one thread, the Cholesky factor of thousands of columns and its inverse, is computed in blocks of one size:
tasks for as many threads as BLAS had, with the same bits for any number of threads.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

BLOCK = 256
WHOLE = 1024  # columns up to which blocks are no faster

_LOCK = threading.Lock()
_holders = 0
_before: list[int] = []


@cache
def _libraries() -> tuple[Any, ...]:
    """Every BLAS that this process has loaded, NumPy's and SciPy's; found once, since that takes a millisecond."""
    import scipy.linalg  # noqa: F401 (loads SciPy's BLAS, so that it is found)
    from threadpoolctl import ThreadpoolController

    return tuple(ThreadpoolController().select(user_api="blas").lib_controllers)


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit the process's BLAS to one thread; when the last such context in any thread ends, the old setting returns.

    If others have set another number in the meantime, that stays.
    """
    global _holders, _before
    libraries = _libraries()
    with _LOCK:
        if not _holders:
            _before = [library.get_num_threads() for library in libraries]
            for library in libraries:
                _set(library, 1)
        _holders += 1
    try:
        yield
    finally:
        with _LOCK:
            _holders -= 1
            if not _holders:
                _put_back()


def _set(library: Any, count: int) -> None:
    # Since threadpoolctl 3.8 only the first thread that sets OpenBLAS's count may set it again, until that is cleared.
    let_go = getattr(library, "clear_controlling_thread", lambda force=False: None)
    let_go(force=True)
    library.set_num_threads(count)
    let_go()


def _put_back() -> None:
    for library, count in zip(_libraries(), _before, strict=True):
        if library.get_num_threads() == 1:
            _set(library, count)


def _after_fork() -> None:
    """Release BLAS in the child: the threads that limited it exist only in the parent."""
    global _LOCK, _holders
    _LOCK = threading.Lock()
    if _holders:
        _put_back()
    _holders = 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@cache
def lapack() -> Any:
    """LAPACK's and BLAS's own routines, imported at the first use: SciPy's wrappers around them cost more than small factors.

    `daxpy(x, y, a=a)` adds a x to y in place, without a product of its own to store. `dtrsv` solves for one vector in half the
    time of the routines for several.
    """
    from scipy.linalg.blas import daxpy, dsyrk, dtrsm, dtrsv
    from scipy.linalg.lapack import dlauum, dpotrf, dtrtri

    of_one = {"dlauum": dlauum, "dpotrf": dpotrf, "dtrtri": dtrtri}
    return SimpleNamespace(daxpy=daxpy, dsyrk=dsyrk, dtrsm=dtrsm, dtrsv=dtrsv, **of_one)


def cholesky(A: Matrix) -> Matrix | None:
    """Return L (n, n) with L L' = A; None if a pivot isn't positive. Reads the lower triangle of A, in Fortran order.

    With blocks or without, each element is a sum of products with its pivot taken out, as in Higham 2002, theorem 10.3.
    """
    dpotrf, dtrsm = lapack().dpotrf, lapack().dtrsm
    if len(A) <= WHOLE:
        L, info = dpotrf(A, lower=1)
        return np.asarray(L) if info == 0 and L[-1, -1] > 0.0 else None  # a NaN anywhere has reached the last pivot
    n, L = len(A), np.array(A, order="F")

    def panel(pivots: slice, corner: Matrix, rows: slice) -> None:
        L[rows, pivots] = dtrsm(1.0, corner, L[rows, pivots], side=1, lower=1, trans_a=1)

    def update(pivots: slice, columns: slice) -> None:
        below = slice(columns.start, n)
        L[below, columns] -= (L[columns, pivots] @ L[below, pivots].T).T  # in Fortran order, as L

    with one_blas_thread():
        for pivots in _blocks(0, n):
            corner, info = dpotrf(L[pivots, pivots], lower=1)
            if info != 0 or not corner[-1, -1] > 0.0:
                return None
            L[pivots, pivots] = corner
            _run([partial(panel, pivots, corner, rows) for rows in _blocks(pivots.stop, n)])
            _run([partial(update, pivots, columns) for columns in _blocks(pivots.stop, n)])
    for columns in _blocks(0, n):
        L[: columns.start, columns] = 0.0
    return L


def triangular_inverse(L: Matrix) -> Matrix:
    """Return L^-1 of a lower triangular matrix (n, n), each column by forward substitution."""
    dtrtri, dtrsm = lapack().dtrtri, lapack().dtrsm
    if len(L) <= WHOLE:
        return np.asarray(dtrtri(L, lower=1)[0])
    n, X = len(L), np.zeros((len(L), len(L)), order="F")

    def solve(columns: slice) -> None:
        for rows in _blocks(columns.start, n):
            above = slice(columns.start, rows.start)
            right = -(X[above, columns].T @ L[rows, above].T).T if rows != columns else np.eye(rows.stop - rows.start)
            X[rows, columns] = dtrsm(1.0, L[rows, rows], right, lower=1)

    with one_blas_thread():
        _run([partial(solve, columns) for columns in _blocks(0, n)])
    return X


def gram(X: Matrix) -> Matrix:
    """Return X X', (m, m), for X (m, n)."""
    K = np.empty((len(X), len(X)))

    def products(rows: slice, columns: slice) -> None:
        K[rows, columns] = X[rows] @ X[columns].T
        K[columns, rows] = K[rows, columns].T

    blocks = _blocks(0, len(X))
    with one_blas_thread():
        _run([partial(products, rows, columns) for k, rows in enumerate(blocks) for columns in blocks[: k + 1]])
    return K


def _blocks(start: int, stop: int) -> list[slice]:
    return [slice(first, min(first + BLOCK, stop)) for first in range(start, stop, BLOCK)]


def _run(tasks: Iterable[Callable[[], None]]) -> None:
    """Run tasks on as many threads as BLAS had; on this one if the interpreter is ending, as it then starts no others."""

    def run(task: Callable[[], None]) -> None:
        with np.errstate(invalid="ignore", over="ignore"):
            task()

    workers = max(_before, default=1) if threading.main_thread().is_alive() else 1
    if workers == 1:
        for task in tasks:
            run(task)
        return
    from concurrent.futures import ThreadPoolExecutor  # can't be imported while the interpreter is ending

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(run, tasks))
