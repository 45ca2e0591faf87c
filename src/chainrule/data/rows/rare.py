"""Levels with so few rows that a sample would hardly have them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chainrule.data.rows.rows import Rows
from chainrule.kernels.reader import read
from chainrule.kernels.reading import What

Vector = NDArray[np.float64]
Index = NDArray[np.int64]

ENOUGH_ROWS = 100.0  # of a level in a sample; its curvature at g = 1/2 is then right to a tenth


@dataclass(frozen=True)
class Rare:
    """The rows with a rare level, and the coefficients of the rare levels; both ascending."""

    rows: Index
    columns: Index

    @classmethod
    def none(cls) -> Rare:
        """Return no rows and no coefficients."""
        return cls(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))


def rare_columns(counts: Vector, share: float, most: float) -> NDArray[np.bool_]:
    """Mask the columns with too few rows in a sample of that share: the rarest first, up to `most` rows in all.

    counts : (n,), in how many rows each column is not 0.
    """
    rare = np.flatnonzero((counts > 0) & (counts * share < ENOUGH_ROWS))
    rare = rare[np.argsort(counts[rare], kind="stable")]
    rare = rare[np.cumsum(counts[rare]) <= most]
    mask = np.zeros(len(counts), dtype=np.bool_)
    mask[rare] = True
    return mask


def row_counts(rows: Rows) -> Vector:
    """Count the rows of positive weight in which a level, mark or sparse column is not 0, (n,); 0 for columns of numbers."""
    csr, n = rows.design.csr, rows.n_features
    if csr is not None:
        kept = np.zeros(csr.m, dtype=np.bool_)
        kept[rows.places[rows.is_kept]] = True
        some = np.repeat(kept, np.diff(csr.indptr)) & (csr.data != 0)
        return np.bincount(csr.indices[some], minlength=n).astype(np.float64)
    rows.count_read()
    sums = read(rows.design, What.SUMS, **{**rows.how, "s": rows.is_kept * 1.0, "view": None}).sums
    assert sums is not None
    return np.where(rows.design.numeric, 0.0, sums)


def rare_rows(rows: Rows, share: float, most: float) -> Rare:
    """Find the columns with too few rows in a sample of that share, and all rows that have one, about `most`; a read."""
    csr, n = rows.design.csr, rows.n_features
    if csr is None and rows.design.numeric.all():
        return Rare.none()
    counts = rows.once("row counts", lambda: row_counts(rows))
    firsts = [levels for levels, has_first in rows.design.groups if has_first]
    of_firsts = np.array([np.count_nonzero(rows.is_kept) - counts[levels].sum() for levels in firsts])
    rare = rare_columns(np.append(counts, of_firsts), share, most)
    if not rare.any():
        return Rare.none()
    if csr is not None:
        rows.count_read()
        elements = np.flatnonzero(rare[csr.indices] & (csr.data != 0))
        has_one = np.zeros(csr.m, dtype=np.bool_)
        has_one[np.searchsorted(csr.indptr, elements, side="right") - 1] = True
        has_one = has_one[rows.places]
    else:  # z counts a row's rare levels; a row has a first level if it has no other
        w, b = rare[:n].astype(np.float64), 0.0
        for levels, is_rare in zip(firsts, rare[n:], strict=True):
            w[levels] -= float(is_rare)
            b += float(is_rare)
        has_one = rows.as_given().scores(w, b) > 0.5
    return Rare(np.flatnonzero(has_one & rows.is_kept), np.flatnonzero(rare[:n]))
