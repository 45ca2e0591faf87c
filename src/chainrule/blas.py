"""Matrices of some hundred columns on one BLAS thread: more are no faster, and wait for each other on busy processors."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

# Below, BLAS takes one thread by itself; above, more are faster, measured.
FEWEST, MOST = 48, 640
_LOCK = threading.RLock()


@cache
def _libraries() -> tuple[Any, ...]:
    """Every BLAS that this process has loaded, NumPy's and SciPy's; found once, since that takes a millisecond."""
    import scipy.linalg  # noqa: F401 (loads SciPy's BLAS, so that it is found)
    from threadpoolctl import ThreadpoolController

    return tuple(ThreadpoolController().select(user_api="blas").lib_controllers)


@contextmanager
def one_blas_thread(n: int) -> Iterator[None]:
    """Hold BLAS to one thread for work on (n, n) matrices, where that is as fast. The process's setting: it is put back."""
    if not FEWEST < n <= MOST:
        yield
        return
    with _LOCK:
        before = [(library, library.get_num_threads()) for library in _libraries()]
        try:
            for library, _ in before:
                library.set_num_threads(1)
            yield
        finally:
            for library, count in before:
                library.set_num_threads(count)
