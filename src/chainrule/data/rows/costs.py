"""The cost of a Hessian, in reads of the data without one; measured on two threads."""

from __future__ import annotations

import numpy as np

from chainrule.data.rows.rows import Rows

FEW_COLUMNS, FEW_NUMBERS = 128, 2e6  # columns, and numbers in the reads that a Hessian costs: about a millisecond


def mean_terms(rows: Rows) -> float:
    """Mean number of products in a row's z."""
    csr = rows.design.csr
    if csr is None:
        return float(rows.design.terms)
    return (csr.nnz if rows.index is None else int(np.diff(csr.indptr)[rows.index].sum())) / rows.n_rows


def hessian_reads(rows: Rows) -> float:
    """Time of a read with the Hessian and its factor."""
    if rows.is_dense:
        return 3.0 + rows.n_features / 40
    if rows.design.csr is not None:
        return 1.0 + mean_terms(rows) / 2 + matrix_reads(rows)
    categories, terms = len(rows.design.categories), rows.design.terms
    numbers = 1 + terms - categories
    sums = categories * (categories - 1) / 2 + categories * numbers / 8 + numbers * numbers / 16
    return 1.0 + sums / terms + matrix_reads(rows)


def matrix_reads(rows: Rows) -> float:
    """Time of the matrix and its factor alone, for any number of rows: part of `hessian_reads`."""
    if rows.is_dense:
        return 0.0
    n, each = rows.n_features, mean_terms(rows) + (rows.design.csr is not None)
    return (8.0 * n * n + n**3 / 72.0) / (rows.n_rows * each)


def is_few(rows: Rows) -> bool:
    """Whether rows and columns are so few that the core runs Newton, a Hessian of all rows at each step, sooner than Python."""
    numbers = rows.n_rows * mean_terms(rows) * hessian_reads(rows)
    return rows.n_features <= FEW_COLUMNS and numbers <= FEW_NUMBERS
