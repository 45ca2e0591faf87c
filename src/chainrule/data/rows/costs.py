"""The cost of a Hessian, in reads of the data without one; measured on two threads."""

from __future__ import annotations

import numpy as np

from chainrule.data.rows.rows import Rows

BLOCK = 1000  # columns of the block; its Cholesky factor takes about 10 ms
WORTH = 4.0  # most reads that making the block may cost. With half of that, kdd_census and onehot took two more reads
MOST = 0.25  # largest share of the rows in the sample: their numbers and curvatures take memory
BY_BLAS = 25.0  # products that BLAS computes in the time of one in a read
LITTLE = 1e7  # products that take a few milliseconds, always allowed
LEAST_ROWS = 40  # per column of the block; with fewer, the block is worse than none
MAX_NEWTON_COLUMNS = 10_000  # beyond, auto makes no Hessian: it and its factor would take 1.6 GB
FEWEST = 200  # least columns of a block from a sample; 166 saved no read on text
STEP = 3e5  # numbers that are read in the time of a step's Python
FEW_COLUMNS, FEW_NUMBERS = 128, 2e7  # columns, and numbers in the reads that a Hessian costs: a few milliseconds
SAMPLED = 1e5  # such numbers from which the core's steps on a sample first save more than the sample costs
STORED = 10.0  # a level, or a stored number, takes as long in a Hessian as so many numbers of an array


def mean_terms(rows: Rows) -> float:
    """Mean number of products in a row's z."""
    csr = rows.design.csr
    if csr is None:
        return float(rows.design.terms)
    return (csr.nnz if rows.index is None else int(np.diff(csr.indptr)[rows.index].sum())) / rows.n_rows


def hessian_reads(rows: Rows, whole: bool = False) -> float:
    """Time of a read with the Hessian and its factor; whole : without a head."""
    if rows.is_dense:
        return 3.0 + rows.n_features / 40 + rows.n_features**2 / (72.0 * rows.n_rows)
    if rows.design.csr is not None:
        return 1.0 + mean_terms(rows) / 2 + matrix_reads(rows, whole)
    categories, terms = len(rows.design.categories), rows.design.terms
    numbers = 1 + terms - categories
    sums = categories * (categories - 1) / 2 + categories * numbers / 8 + numbers * numbers / 64
    return 1.0 + sums / terms + matrix_reads(rows, whole)


def hessian_steps(rows: Rows, whole: bool = False) -> float:
    """Time of the same in Newton's steps without a Hessian, each a read and a step's Python."""
    numbers = rows.n_rows * max(mean_terms(rows), 1.0)
    return (hessian_reads(rows, whole) * numbers + STEP) / (numbers + STEP)


def matrix_reads(rows: Rows, whole: bool = False) -> float:
    """Time of the matrix and its factor alone, for any number of rows: part of `hessian_reads`."""
    if rows.is_dense:
        return 0.0
    n, each = rows.n_features, mean_terms(rows) + (rows.design.csr is not None)
    head = None if whole else rows.design.head
    others = n if head is None else n - (head.stop - head.start)
    return n * (8.0 * others + others**2 / 72.0) / (rows.n_rows * each)


def hessian_numbers(rows: Rows) -> float:
    """Numbers of an array that are read in the time of a read with the Hessian and its factor."""
    return rows.n_rows * mean_terms(rows) * hessian_reads(rows) * (1.0 if rows.design.of_numbers_alone else STORED)


def is_few(rows: Rows) -> bool:
    """Whether rows and columns are so few that the core runs Newton, a Hessian of all rows at each step, sooner than Python."""
    return hessian_numbers(rows) <= FEW_NUMBERS and rows.n_features <= FEW_COLUMNS


def block_of(rows: Rows) -> tuple[int, int]:
    """Return the rows and columns of the block in newton-cg's preconditioner; no columns if it would save no reads."""
    n, m = rows.n_features, rows.n_rows
    products = max(mean_terms(rows), 1.0 / m)
    size = min(m, int(max(min(WORTH / products, MOST) * m, LITTLE / products**2)))
    # A block's factor takes k^3/3 products by BLAS, at most twice as long as a block may take to make.
    worth = float(np.cbrt(6.0 * WORTH * BY_BLAS * m * products))
    k = min(BLOCK, n, size // LEAST_ROWS if size < m else n, int(min(worth, n)))
    return size, k if k >= min(FEWEST, n) else 0
