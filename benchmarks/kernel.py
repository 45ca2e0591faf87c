"""The fused read of loss and gradient against scikit-learn's and the memory's own speed; the Hessian against BLAS.

    make bench            (or: python benchmarks/kernel.py)

All three are timed in turn, in one run, on the same arrays; the minimum of the rounds counts. The memory's speed is that
of as many threads summing the array as the read has. One line a workload: milliseconds of a read, of scikit-learn's
`LinearModelLoss.loss_gradient` and of the sum; ours as a ratio to both. Ours reads the data once.

Then the read with the Hessian, X'HX in float64 and in float32 blocks, and BLAS's X'X alone (dsyrk), in 10^9 times m n^2
operations a second.
"""

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from scipy.linalg.blas import dsyrk
from sklearn._loss import HalfBinomialLoss
from sklearn.linear_model._linear_loss import LinearModelLoss

from chainrule.kernels import What, kernel_name, read_rows, thread_count

WORKLOADS = [(2_000_000, 28), (200_000, 300)]
HESSIANS = [(1_000_000, 28), (200_000, 100), (60_000, 300), (12_000, 1000)]
ROUNDS = 15


def jobs_of(m: int, n: int, threads: int, pool: ThreadPoolExecutor) -> dict[str, Callable[[], object]]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(m, n))
    y = (rng.random(m) < 0.5).astype(np.uint8)
    w, b = rng.normal(size=n) / np.sqrt(n), 0.1
    peer = LinearModelLoss(HalfBinomialLoss(), fit_intercept=True)
    coef, target = np.append(w, b), y.astype(np.float64)
    parts = np.array_split(X, threads)

    def ours() -> object:
        return read_rows(X, What.LOSS | What.GRADIENT, y=y, w=w, b=b, threads=threads)

    def theirs() -> object:
        return peer.loss_gradient(coef, X, target, n_threads=threads)

    def memory() -> object:
        return sum(pool.map(np.sum, parts))

    sums, (loss, gradient) = ours(), theirs()
    np.testing.assert_allclose(sums.loss / m, loss, rtol=1e-11)
    np.testing.assert_allclose(np.append(sums.gradient, sums.bias) / m, gradient, rtol=1e-8, atol=1e-12)
    return {"ours": ours, "theirs": theirs, "memory": memory}


def hessian_jobs(m: int, n: int, threads: int) -> dict[str, Callable[[], object]]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(m, n))
    y = (rng.random(m) < 0.5).astype(np.uint8)
    w = rng.normal(size=n) / np.sqrt(n)
    what = What.LOSS | What.GRADIENT | What.HESSIAN
    return {
        "float64": lambda: read_rows(X, what, y=y, w=w, threads=threads),
        "float32": lambda: read_rows(X, what | What.HESSIAN32, y=y, w=w, threads=threads),
        "dsyrk": lambda: dsyrk(1.0, X.T),
    }


def milliseconds(jobs: dict[str, Callable[[], object]]) -> dict[str, float]:
    best = dict.fromkeys(jobs, np.inf)
    for _ in range(ROUNDS):
        for name, job in jobs.items():
            start = time.perf_counter()
            job()
            best[name] = min(best[name], 1e3 * (time.perf_counter() - start))
    return best


def main() -> None:
    threads = thread_count()
    print(f"kernels {kernel_name()}, {threads} threads, minimum of {ROUNDS} interleaved rounds, milliseconds")
    if os.environ.get("OPENBLAS_CORETYPE"):
        print("OPENBLAS_CORETYPE is set, which slows scikit-learn's products: unset it for a fair comparison")
    print(
        f"{'rows x columns':>16} {'ours':>7} {'sklearn':>9} {'sum':>7} {'faster than sklearn':>21} {'of the memory':>14}"
    )
    for m, n in WORKLOADS:
        with ThreadPoolExecutor(threads) as pool:
            t = milliseconds(jobs_of(m, n, threads, pool))
        ratios = f"{t['theirs'] / t['ours']:20.1f}x {t['memory'] / t['ours']:14.0%}"
        print(f"{m:>9,} x {n:<4} {t['ours']:7.1f} {t['theirs']:9.1f} {t['memory']:7.1f} {ratios}")
    print(f"{'Hessian':>16} {'float64':>8} {'float32':>8} {'dsyrk':>8}   10^9 m n^2 a second")
    for m, n in HESSIANS:
        t = milliseconds(hessian_jobs(m, n, threads))
        print(
            f"{m:>9,} x {n:<4} "
            + " ".join(f"{1e-6 * m * n * n / t[name]:8.1f}" for name in ("float64", "float32", "dsyrk"))
        )


if __name__ == "__main__":
    main()
