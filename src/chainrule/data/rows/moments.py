"""Moments of the columns, and the units that a few rows suggest for arithmetic."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from chainrule.data.rows.decode import scipy_csr
from chainrule.data.rows.spread import spread_rows
from chainrule.data.rows.units import Matrix, Moments, Units, Vector, power_of_two, units_of
from chainrule.kernels.blocks import Csr
from chainrule.kernels.reader import gram, read
from chainrule.kernels.reading import MOMENTS, Sums, View, What

if TYPE_CHECKING:
    from chainrule.data.rows.rows import Rows

GUESS_ROWS = 256  # whose means and deviations the arithmetic's units come from
STORED = 0.9  # share of the rows that store a column which is worth a centre: others look for it
FAR = 30.0  # |mean| over deviation, beyond which sums of squares about 0 have lost too many digits
CANCELS = 1e6  # square of mean over deviation, likewise, where the squares are looked at


def guess_units(rows: Rows, centred: bool) -> Units:
    """Numbers less about their mean, over a power of two near their deviation: from a few rows, spread over the data.

    Levels and marks stay as they are, and so do sparse columns but those far from 0, which nearly all rows store.
    """
    m, numbers, units = rows.n_rows, np.flatnonzero(rows.design.numeric), Units.of_user(rows.n_features)
    places = spread_rows(m, GUESS_ROWS) if m > GUESS_ROWS else np.arange(m)
    if rows.s is not None:
        kept = places[rows.s[places] > 0]
        places = kept if len(kept) else np.flatnonzero(rows.s > 0)[:GUESS_ROWS]
    if not len(places) or not len(numbers):
        return units
    if rows.design.csr is not None:
        return _of_sparse(rows, rows.design.csr, places) if centred else units
    x = np.array(rows.numbers(places, None if len(numbers) == rows.n_features else numbers), order="C")
    if not np.isfinite(x).all():
        rows.refuse_non_finite()
    found = units_of(x, centred)
    units.center[numbers], units.scale[numbers] = found.center, found.scale
    return units


def _of_sparse(rows: Rows, csr: Csr, places: NDArray[np.int64]) -> Units:
    n, units = rows.n_features, Units.of_user(rows.n_features)
    some = scipy_csr(csr)[rows.places[places]]
    j, x = some.indices, some.data.astype(np.float64)
    if not np.isfinite(x).all():
        rows.refuse_non_finite()
    counts = np.bincount(j, minlength=n)
    p = power_of_two(np.bincount(j, np.abs(x), n) / len(places))
    mean = np.bincount(j, x * p[j], n) / np.maximum(counts, 1)
    sd = np.sqrt(np.bincount(j, np.square(x * p[j] - mean[j]), n) / np.maximum(counts, 1))
    far = (counts >= STORED * len(places)) & (np.abs(mean) > FAR * sd)
    units.center[far] = (mean / p)[far]
    units.scale[far] = 1.0 / power_of_two(np.where(sd > 0, sd, 1.0) / p)[far]
    return units


def read_moments(rows: Rows, with_matrix: bool) -> Moments:
    """Read means, deviations and extremes, and correlations where asked: again, where dense columns defeat the guess.

    With levels or sparse columns, whose matrix is a read of its own, correlations are read about the means.
    """
    if with_matrix and not rows.design.of_numbers_alone:
        known, numeric = rows.moments(correlations=False), rows.design.numeric
        centred = numeric if rows.design.csr is None else np.abs(known.mean) > FAR * known.sd
        p = np.where(numeric & (known.sd > 0), power_of_two(np.maximum(known.sd, 1e-300)), 1.0)
        rows.count_read()
        matrix = gram(rows.design, None, None, **{**rows.how, "view": View(np.where(centred, known.mean, 0.0), p)})
        return replace(known, correlation=_correlation(matrix, known.sd * p))
    units = rows.guess_units(centred=True)
    view = View(units.center, 1.0 / units.scale)
    what = What.EXTREMES | What.HESSIAN if with_matrix else MOMENTS
    for _ in range(3 if rows.is_dense else 1):
        rows.count_read()
        sums = read(rows.design, what, **{**rows.how, "view": view})
        found, good = moments_of(rows, sums, view)
        if good.all():
            break
        middle = np.where(np.isfinite(found.mean), found.mean, found.low / 2 + found.high / 2)
        size = power_of_two(np.maximum(np.abs(found.low), np.abs(found.high)))
        view = View(np.where(good, view.center, middle), np.where(good, view.p, size))
    return found


def moments_of(rows: Rows, sums: Sums, view: View) -> tuple[Moments, NDArray[np.bool_]]:
    """Turn sums about a view into moments, and tell for which columns they are accurate.

    Far from the mean the squares cancel or underflow; overflow shows as inf or NaN. Such columns need another view.
    """
    low, high, total, squares = sums.low, sums.high, sums.sums, sums.squares
    matrix = sums.matrix if total is None else None  # beside a loss it is of other weights
    if matrix is not None:
        total, squares = matrix[-1, :-1], np.diag(matrix)[:-1]
    assert low is not None
    assert high is not None
    assert total is not None
    assert squares is not None
    if not all(np.isfinite(mark).all() for mark in (low, high, total, squares)):
        rows.refuse_non_finite()
    shift = total / sums.weight
    is_constant = low == high
    variance = np.where(is_constant, 0.0, np.maximum(squares / sums.weight - shift**2, 0.0))
    mean = np.clip(view.center + shift / view.p, low, high)
    good = (variance > 0) & (shift**2 <= CANCELS * variance) | is_constant | ~rows.design.numeric
    correlation = None if matrix is None else _correlation(matrix, np.sqrt(variance))
    found = Moments(mean, np.sqrt(variance) / view.p, low, high, correlation, sums.weight * rows.weight_unit)
    return found, good & np.isfinite(variance)


def _correlation(matrix: Matrix, sd: Vector) -> Matrix:
    """Make correlations of a matrix of products, and of the deviations in its units."""
    shift = matrix[-1, :-1] / matrix[-1, -1]
    inverse = np.divide(1.0, sd, out=np.zeros_like(sd), where=sd > 0)
    correlation = (matrix[:-1, :-1] / matrix[-1, -1] - np.outer(shift, shift)) * inverse * inverse[:, None]
    np.fill_diagonal(correlation, np.where(sd > 0, 1.0, 0.0))
    return np.asarray(correlation)
