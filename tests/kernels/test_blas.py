"""One BLAS thread in fits, put back afterwards; factors in blocks; answers that don't depend on BLAS's threads."""

import os
import subprocess
import sys
import threading

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from threadpoolctl import ThreadpoolController, threadpool_limits

import chainrule
from chainrule.kernels.blas import BLOCK, WHOLE, cholesky, one_blas_thread, triangular_inverse

U = 2.0**-53


def counts():
    return [library.get_num_threads() for library in ThreadpoolController().select(user_api="blas").lib_controllers]


def positive(n, rng):
    A = rng.standard_normal((n, n))
    return np.asfortranarray(A @ A.T / n + np.eye(n))


@pytest.mark.parametrize("n", [1, 30, WHOLE, WHOLE + 1, WHOLE + BLOCK, WHOLE + BLOCK + 77])
def test_factors_and_inverses_have_small_residuals(n, rng):
    A = positive(n, rng)
    L = cholesky(A)
    assert L is not None
    assert not np.triu(L, 1).any()
    # Higham 2002, theorem 10.3: |A - L L'| <= (n + 1) u |L| |L'|, here with the product's own rounding.
    assert (np.abs(A - L @ L.T) <= 2 * (n + 2) * U * (np.abs(L) @ np.abs(L.T))).all()
    X = triangular_inverse(L)
    assert not np.triu(X, 1).any()
    assert (np.abs(L @ X - np.eye(n)) <= 2 * (n + 2) * U * (np.abs(L) @ np.abs(X))).all()


@pytest.mark.parametrize("n", [40, WHOLE + BLOCK + 5])
@pytest.mark.parametrize("where", [0, -1])
@pytest.mark.parametrize("value", [-1.0, 0.0, np.nan])
def test_a_pivot_that_is_not_positive_has_no_factor(n, where, value, rng):
    A = positive(n, rng)
    A[where, where] = value
    assert cholesky(A) is None


def test_factors_have_the_same_bits_for_any_number_of_threads(rng):
    A = positive(WHOLE + 3 * BLOCK + 11, rng)
    found = set()
    for threads in (1, 2, 7):
        with threadpool_limits(threads, "blas"):
            L = cholesky(A)
            found.add(L.tobytes() + triangular_inverse(L).tobytes())
    assert len(found) == 1


def table(rng):
    m = 12_000
    frame = pd.DataFrame({"a": pd.Categorical(rng.integers(0, 700, m)), "b": pd.Categorical(rng.integers(0, 340, m))})
    return frame, rng.integers(0, 2, m), {"alpha": 1 / m, "coding": "all", "method": "newton"}


def sparse(rng):
    m, n = 15_000, 12_000  # a dot product of more than 10,000 numbers is worth threads to BLAS
    X = sp.random_array((m, n), density=10 / n, rng=rng, format="csr")
    return X, (rng.random(m) < 1 / (1 + np.exp(-(X @ rng.standard_normal(n))))).astype(int), {"alpha": 1 / m}


def dense(rng):
    X = rng.standard_normal((1500, 400))
    return X, rng.integers(0, 2, 1500), {"alpha": 1e-3}


def wide(rng):
    X = rng.standard_normal((300, 800))
    return X, rng.integers(0, 2, 300), {"alpha": 1e-3}


def descent(rng):
    X = rng.standard_normal((3000, 200))
    return X, rng.integers(0, 2, 3000), {"alpha": 1e-2, "method": "gradient-descent", "max_reads": 20}


@pytest.mark.parametrize("make", [table, sparse, dense, wide, descent])
@pytest.mark.filterwarnings("ignore::chainrule.NotConvergedWarning")
def test_fits_have_the_same_bits_for_any_number_of_blas_threads(make, rng):
    X, y, options = make(rng)
    found = []
    for threads in (1, 3):
        with threadpool_limits(threads, "blas"):
            result = chainrule.fit(X, y, **options)
            audit = chainrule.certify(
                X, y, 0.9 * result.w, result.b, **{k: v for k, v in options.items() if k in ("alpha", "coding")}
            )
        found.append(
            (
                result.w.tobytes(),
                result.b,
                result.certificate.gap,
                result.certificate.coef.tobytes(),
                audit.gap,
                audit.lower,
            )
        )
    assert found[0] == found[1]


def test_the_setting_is_put_back(rng):
    X, y = rng.standard_normal((300, 60)), rng.integers(0, 2, 300)
    with threadpool_limits(2, "blas"):
        before = counts()
        chainrule.fit(X, y, alpha=1e-3)
        assert counts() == before

        def stop(step):
            raise RuntimeError("a callback's own error")

        with pytest.raises(RuntimeError):
            chainrule.fit(X, y, alpha=1e-3, callbacks=stop)
        assert counts() == before
        with one_blas_thread():
            with one_blas_thread():
                assert set(counts()) == {1}
            assert set(counts()) == {1}
        assert counts() == before


def test_the_last_of_several_threads_puts_the_setting_back():
    with threadpool_limits(2, "blas"):
        before, seen = counts(), []
        barrier = threading.Barrier(4)

        def hold(k):
            with one_blas_thread():
                barrier.wait()
                seen.append(set(counts()))
            barrier.wait()

        threads = [threading.Thread(target=hold, args=(k,)) for k in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert seen == [{1}] * 4
        assert counts() == before


def test_what_others_set_in_the_meantime_stays():
    """A thread that leaves its own limit while a fit holds BLAS to one: the fit doesn't bring the limit back."""
    with threadpool_limits(2, "blas"):
        limit = threadpool_limits(1, "blas")
        with one_blas_thread():
            limit.restore_original_limits()
            assert set(counts()) == {2}
        assert set(counts()) == {2}


def test_no_blas_that_is_known_is_none_to_hold(monkeypatch, rng):
    monkeypatch.setattr("chainrule.kernels.blas._libraries", lambda: ())
    A = positive(WHOLE + 1, rng)
    L = cholesky(A)
    assert np.allclose(L @ L.T, A, rtol=0, atol=1e-10)


AFTER_MAIN = """
import threading, numpy as np, chainrule
rng = np.random.default_rng(0)
X, y = rng.standard_normal((1500, {n})), rng.integers(0, 2, 1500)
def late():
    threading.main_thread().join()
    print(chainrule.fit(X, y, alpha=1e-2, method="newton").reason, flush=True)
threading.Thread(target=late).start()
"""

FORKED = """
import os, threading, numpy as np, chainrule
from chainrule.kernels import blas
from threadpoolctl import ThreadpoolController, threadpool_limits
rng = np.random.default_rng(0)
X, y = rng.standard_normal((400, 60)), rng.integers(0, 2, 400)
threadpool_limits(2, "blas")
inside, done = threading.Event(), threading.Event()
def hold():
    with blas.one_blas_thread():
        with blas._LOCK:
            inside.set()
            done.wait()
threading.Thread(target=hold).start()
inside.wait()
child = os.fork()
if not child:
    chainrule.fit(X, y, alpha=1e-2)
    counts = [library.get_num_threads() for library in ThreadpoolController().select(user_api="blas").lib_controllers]
    os._exit(0 if set(counts) == {2} and not blas._holders else 3)
_, status = os.waitpid(child, 0)
done.set()
print(os.waitstatus_to_exitcode(status))
"""


@pytest.mark.parametrize("n", [20, WHOLE + 10])
def test_a_fit_may_outlive_the_main_thread(n):
    run = subprocess.run([sys.executable, "-c", AFTER_MAIN.format(n=n)], capture_output=True, text=True, timeout=900)
    assert run.stdout.strip() == "converged", run.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_process_fits_and_has_its_setting_back():
    run = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, timeout=900)
    assert run.stdout.strip() == "0", run.stderr
