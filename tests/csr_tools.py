"""Sparse rows that tests read, and their dense twins."""

import numpy as np
import scipy.sparse as sp

from chainrule.kernels.csr import Csr

KINDS = [(data, indices, indptr) for data in "df" for indices in "il" for indptr in "il"]
TOLERANCE = 1e-13  # of the sum of absolute terms: some hundred rows, each product rounded


def csr_of(X, data="d", indices="i", indptr="i"):
    A = sp.csr_array(X)
    return Csr(A.data.astype(data), A.indices.astype(indices), A.indptr.astype(indptr), X.shape[1])


def shuffled(csr, rng):
    """The same rows, the elements of each in another order, some zeros stored."""
    data, indices, indptr = [], [], [0]
    for i in range(csr.m):
        row = slice(csr.indptr[i], csr.indptr[i + 1])
        free = np.setdiff1d(np.arange(csr.n), csr.indices[row])
        zeros = rng.choice(free, size=min(2, len(free)), replace=False)
        x, j = np.append(csr.data[row], np.zeros(len(zeros))), np.append(csr.indices[row], zeros)
        order = rng.permutation(len(j))
        data.append(x[order])
        indices.append(j[order])
        indptr.append(indptr[-1] + len(j))
    kinds = csr.data.dtype, csr.indices.dtype, csr.indptr.dtype
    return Csr(
        np.concatenate(data).astype(kinds[0]),
        np.concatenate(indices).astype(kinds[1]),
        np.array(indptr, kinds[2]),
        csr.n,
    )


def problem(rng, m=None, n=None, density=None):
    m = int(rng.integers(1, 700)) if m is None else m
    n = int(rng.integers(1, 60)) if n is None else n
    density = rng.choice([0.02, 0.2, 0.9]) if density is None else density
    X = np.where(rng.random((m, n)) < density, rng.normal(size=(m, n)), 0.0) * 2.0 ** rng.integers(-8, 8, size=n)
    X[rng.random(m) < 0.1] = 0.0
    X = X.astype(np.float32).astype(np.float64)  # so that both types hold the same numbers
    w = rng.normal(size=n) / np.maximum(np.abs(X).max(axis=0), 1e-3) * rng.choice([0.1, 1.0, 10.0])
    y = rng.integers(0, 2, m).astype(np.uint8)
    s = rng.choice([0.0, 0.3, 1.0, 7.0], size=m) if rng.random() < 0.5 else None
    p = 2.0 ** rng.integers(-8, 8, size=n) if rng.random() < 0.5 else None
    return X, y, s, w / (1.0 if p is None else p), float(rng.normal()), p


def seen(X, s, p):
    """Dense rows with a one at the end, as seen through p, and their weights; rows of weight 0 are zeros."""
    s = np.ones(len(X)) if s is None else s
    X1 = np.column_stack([X if p is None else X * p, np.ones(len(X))])
    return np.where(s[:, None] > 0, X1, 0.0), s


def close(found, expected, terms, tolerance=TOLERANCE):
    return bool(np.all(np.abs(found - expected) <= tolerance * terms))
