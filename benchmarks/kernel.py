"""The reader on each instruction set, compared with memory speed, scikit-learn, BLAS and, if given, an earlier core.

    make bench                                          (or: python benchmarks/kernel.py)
    python benchmarks/kernel.py --before _core.so       compare the native module of version 0.1.0, commit 9cafb61
    python benchmarks/kernel.py --only dense,csr        some of: dense, csr, table, vectors, points, hessian

All are timed in turn, in one run, on the same arrays; the minimum of the rounds counts. Every read reads the data once. Memory
speed is measured by threads that sum the array, as many as read it. scikit-learn's is `LinearModelLoss.loss_gradient`.
"""

import argparse
import importlib.machinery
import importlib.util
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.linalg.blas import dsyrk
from scipy.special import expit
from sklearn._loss import HalfBinomialLoss
from sklearn.linear_model._linear_loss import LinearModelLoss

from chainrule.kernels.blocks import Blocks, CategoryColumn, Csr, NumberColumn, Part
from chainrule.kernels.reader import gram, product, read, read_points, secant
from chainrule.kernels.reading import What, kernel_names, thread_count
from chainrule.kernels.vectors import along, feasible

Job = Callable[[], object]
Case = tuple[str, float, str, dict[str, Job]]  # name, what a time is divided by, unit, jobs
BOTH = What.LOSS | What.GRADIENT
DENSE = [(2_000_000, 28), (200_000, 300), (1_000_000, 64), (2_000_000, 10)]
HESSIANS = [(1_000_000, 28), (200_000, 100), (60_000, 300), (12_000, 1000)]
LEVELS = (10, 50, 200, 1000, 2000)


def before_of(path: str | None) -> ModuleType | None:
    """Load the native module of an earlier version, under a name of its own."""
    if path is None:
        return None
    loader = importlib.machinery.ExtensionFileLoader("_core", path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("_core", loader))
    loader.exec_module(module)
    return module


def labels(rng: np.random.Generator, m: int) -> np.ndarray:
    return (rng.random(m) < 0.5).astype(np.uint8)


def dense(rng: np.random.Generator, before: ModuleType | None, threads: int, kernel: str) -> Iterator[Case]:
    peer = LinearModelLoss(HalfBinomialLoss(), fit_intercept=True)
    for m, n in DENSE:
        X, y, w = rng.normal(size=(m, n)), labels(rng, m), rng.normal(size=n) / np.sqrt(n)
        design, coef, target = Blocks.dense(X), np.append(w, 0.1), y.astype(np.float64)
        parts = np.array_split(X, threads)
        with ThreadPoolExecutor(threads) as pool:
            jobs: dict[str, Job] = {
                "ours": lambda: read(design, BOTH, w=w, b=0.1, y=y, threads=threads),
                "sum": lambda: sum(pool.map(np.sum, parts)),
                "scikit-learn": lambda: peer.loss_gradient(coef, X, target, n_threads=threads),
            }
            if before:
                jobs["before"] = lambda: before.read_rows(X, 3, y=y, w=w, b=0.1, threads=threads, kernel=kernel)
            yield f"dense {m:,} x {n}", 1.0, "ms", jobs


def one_hot(rng: np.random.Generator, m: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """Ten normal columns, and codes of categories whose levels are drawn by Zipf's law."""
    codes = [(np.minimum(rng.zipf(1.5, m), 2**31) % k).astype("i1" if k < 128 else "i2") for k in LEVELS]
    return rng.normal(size=(m, 10)), codes


def sparse(rng: np.random.Generator, before: ModuleType | None, threads: int, kernel: str) -> Iterator[Case]:
    m = 1_000_000
    numbers, codes = one_hot(rng, m)
    starts = 10 + np.cumsum([0, *LEVELS[:-1]])
    places = [
        np.tile(np.arange(10), (m, 1)),
        *((code + start)[:, None] for code, start in zip(codes, starts, strict=True)),
    ]
    elements, starts = np.hstack([numbers, np.ones((m, 5))]).ravel(), np.arange(0, 15 * m + 1, 15, "i4")
    hot = sp.csr_array((elements, np.hstack(places).astype("i4").ravel(), starts), shape=(m, 10 + sum(LEVELS)))
    words = (100_000 * rng.random((20_000, 150)) ** 3).astype("i4")
    text = sp.csr_array(
        (rng.random(words.size), words.ravel(), np.arange(0, words.size + 1, 150, "i4")), shape=(20_000, 100_000)
    )
    text.sum_duplicates()
    for name, A in (("one-hot, 15 a row", hot), ("text", text)):
        m, n = A.shape
        y, w, h = labels(rng, m), rng.normal(size=n) / 5, rng.random(m) / 4
        design, given = Blocks.sparse(Csr(A.data, A.indices, A.indptr, n)), (A.data, A.indices, A.indptr, n)
        v, z, u = np.append(w, 0.1), rng.normal(size=m), np.empty(m)
        jobs: dict[str, Job] = {
            "ours": lambda: read(design, BOTH, w=w, b=0.1, y=y, threads=threads),
            "product": lambda: product(design, h, v, threads=threads),
            "secant": lambda: secant(design, z, v, y=y, u=u, threads=threads),
        }
        if before:
            jobs["before"] = lambda: before.csr_read(*given, 3, y=y, w=w, b=0.1, threads=threads, kernel=kernel)
        yield f"CSR, {name}", A.nnz / threads / 1e6, "ns a non-zero and thread", jobs


def table(rng: np.random.Generator, before: ModuleType | None, threads: int, kernel: str) -> Iterator[Case]:
    m = 1_000_000
    numbers, codes = one_hot(rng, m)
    numbers = np.asfortranarray(numbers)
    columns: list[NumberColumn | CategoryColumn] = [NumberColumn((Part(numbers[:, j], m),), j) for j in range(10)]
    at = 10
    for k, code in zip(LEVELS, codes, strict=True):
        columns.append(CategoryColumn((Part(code, m),), at, k, 0))
        at += k
    design, y, w, h = Blocks(columns, m, at), labels(rng, m), rng.normal(size=at) / 5, rng.random(m) / 4
    v, z, u = np.append(w, 0.1), rng.normal(size=m), np.empty(m)
    jobs: dict[str, Job] = {
        "ours": lambda: read(design, BOTH, w=w, b=0.1, y=y, threads=threads),
        "secant": lambda: secant(design, z, v, y=y, u=u, threads=threads),
        "matrix": lambda: gram(design, h, None, threads=threads),
    }
    if before:
        parts = [((part.values, m, None, 0, False, 0),) for column in columns for part in column.parts]
        terms = [(0, j, 1, np.nan, -1, False, parts[j]) for j in range(10)]
        terms += [(2, 10 + j, k, np.nan, -1, True, parts[10 + j]) for j, k in enumerate(LEVELS)]
        old = before.Columns(m, terms)
        jobs["before"] = lambda: before.read_columns(old, 3, y=y, w=w, b=0.1, threads=threads, kernel=kernel)
    yield "table, 10 numbers and 5 categories", 1.0, "ms", jobs


def vectors(rng: np.random.Generator, before: ModuleType | None, threads: int, kernel: str) -> Iterator[Case]:
    m = 2_000_000
    z, u, y = 2 * rng.normal(size=m), rng.normal(size=m), labels(rng, m)
    kept, r, h = z.copy(), residuals(z, u, y), rng.random(m) / 4
    jobs: dict[str, Job] = {
        "along": lambda: along(z, u, y, None, 0.5, 0.1, threads=threads),
        "dual": lambda: feasible(kept, u, r, h, y, None, 1e-9, 0.0, 0.0, threads=threads),
    }
    if before:
        jobs["before: along"] = lambda: before.along(z, u, y, None, 0.5, 0.1, threads, kernel)
        jobs["before: dual"] = lambda: before.feasible(kept, u, y, None, 1e-9, 0.0, 0.0, threads, kernel)
    yield "z and u alone", m / threads / 1e6, "ns a row and thread", jobs


def residuals(z: NDArray[np.float64], u: NDArray[np.float64], y: NDArray[np.uint8]) -> NDArray[np.float64]:
    """dL_dz at z, and its change from z to z + u."""
    return np.array([expit(z) - y, expit(z + u) - expit(z)])


def points(rng: np.random.Generator, before: ModuleType | None, threads: int, kernel: str) -> Iterator[Case]:
    m, n = 2_000_000, 28
    design, y = Blocks.dense(rng.normal(size=(m, n))), labels(rng, m)
    for P in (1, 10):
        w, b = rng.normal(size=(P, n)) / np.sqrt(n), np.full(P, 0.1)
        jobs: dict[str, Job] = {"ours": lambda w=w, b=b: read_points(design, BOTH, w, b, y=y, threads=threads)}
        yield f"dense {m:,} x {n}, points: {P}", m * P / threads / 1e6, "ns a row, point and thread", jobs


def hessian(rng: np.random.Generator, before: ModuleType | None, threads: int, kernel: str) -> Iterator[Case]:
    for m, n in HESSIANS:
        X, y, w = rng.normal(size=(m, n)), labels(rng, m), rng.normal(size=n) / np.sqrt(n)
        design, what = Blocks.dense(X), BOTH | What.HESSIAN
        jobs: dict[str, Job] = {
            "float64": lambda: read(design, what, w=w, y=y, threads=threads),
            "float32": lambda: read(design, what | What.HESSIAN32, w=w, y=y, threads=threads),
            "dsyrk": lambda: dsyrk(1.0, X.T),
        }
        if before:
            jobs["before"] = lambda: before.read_rows(X, 7, y=y, w=w, threads=threads, kernel=kernel)
            jobs["before, float32"] = lambda: before.read_rows(X, 135, y=y, w=w, threads=threads, kernel=kernel)
        yield f"Hessian {m:,} x {n}", 1.0, "ms", jobs


CASES = {"dense": dense, "csr": sparse, "table": table, "vectors": vectors, "points": points, "hessian": hessian}


def milliseconds(jobs: dict[str, Job], rounds: int) -> dict[str, float]:
    best = dict.fromkeys(jobs, np.inf)
    for _ in range(rounds):
        for name, job in jobs.items():
            start = time.perf_counter()
            job()
            best[name] = min(best[name], 1e3 * (time.perf_counter() - start))
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", help="native module of an earlier version")
    parser.add_argument("--only", default=",".join(CASES), help="cases, with commas between them")
    parser.add_argument("--rounds", type=int, default=9)
    asked = parser.parse_args()
    before, threads = before_of(asked.before), thread_count()
    if os.environ.get("OPENBLAS_CORETYPE"):
        print("OPENBLAS_CORETYPE is set, which slows scikit-learn's products: unset it for a fair comparison")
    for kernel in kernel_names():
        os.environ["CHAINRULE_KERNEL"] = kernel
        print(f"kernels {kernel}, {threads} threads, minimum of {asked.rounds} interleaved rounds", flush=True)
        for name in asked.only.split(","):
            for case, over, unit, jobs in CASES[name](np.random.default_rng(0), before, threads, kernel):
                best = milliseconds(jobs, asked.rounds)
                figures = ", ".join(f"{job} {value / over:.2f}" for job, value in best.items())
                print(f"  {case} [{unit}]: {figures}", flush=True)


if __name__ == "__main__":
    main()
