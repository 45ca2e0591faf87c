"""Moments of the columns, and units for the arithmetic, guessed from a few rows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from chainrule.data.rows.decode import refuse_non_finite, scipy_csr
from chainrule.data.rows.units import Matrix, Moments, Units, Vector, power_of_two, units_of
from chainrule.errors import InputError
from chainrule.kernels.blocks import Csr
from chainrule.kernels.bordered import Bordered
from chainrule.kernels.reader import gram, read
from chainrule.kernels.reading import MOMENTS, Sums, View, What

if TYPE_CHECKING:
    from chainrule.data.rows.rows import Rows

GUESS_ROWS = 256  # from which the units of the arithmetic are guessed
STORED = 0.9  # a sparse column is centred only if this share of the rows stores it: each row that doesn't costs work
FAR = 30.0  # |mean| over deviation; above it sums of squares about 0 lose too many digits
ROUNDING = 1e-9  # relative; bounds the error of a mean square made of moments
CANCELS = 1e6  # square of that ratio; above it a computed variance is not trusted


def guess_units(rows: Rows, centred: bool) -> Units:
    """Return units for the arithmetic, whose scales are powers of two, guessed the first time. centred : centre numbers."""
    return rows.once(f"units {centred}", lambda: _guessed(rows, centred))


def _guessed(rows: Rows, centred: bool) -> Units:
    """Guess units from a few rows: subtract roughly the mean, divide by a power of two near the standard deviation.

    Levels and marks keep their units. So do sparse columns, except those far from 0 that nearly all rows store.
    """
    m, numbers, units = rows.n_rows, np.flatnonzero(rows.design.numeric), Units.of_user(rows.n_features)
    places = np.arange(0, m, max(1, m // GUESS_ROWS))
    if rows.s is not None:
        kept = places[rows.s[places] > 0]
        places = kept if len(kept) else np.flatnonzero(rows.s > 0)[:GUESS_ROWS]
    if not len(places) or not len(numbers):
        return units
    if rows.design.csr is not None:
        return _of_sparse(rows, rows.design.csr, places) if centred else units
    x = np.array(rows.numbers(places, None if len(numbers) == rows.n_features else numbers), order="F")
    if not np.isfinite(x).all():
        refuse_non_finite(rows)
    found = units_of(x, centred)
    units.center[numbers], units.scale[numbers] = found.center, found.scale
    return units


def _of_sparse(rows: Rows, csr: Csr, places: NDArray[np.int64]) -> Units:
    n, units = rows.n_features, Units.of_user(rows.n_features)
    some = scipy_csr(csr)[rows.places[places]]
    j, x = some.indices, some.data.astype(np.float64)
    if not np.isfinite(x).all():
        refuse_non_finite(rows)
    counts = np.bincount(j, minlength=n)
    p = power_of_two(np.bincount(j, np.abs(x), n) / len(places))
    mean = np.bincount(j, x * p[j], n) / np.maximum(counts, 1)
    sd = np.sqrt(np.bincount(j, np.square(x * p[j] - mean[j]), n) / np.maximum(counts, 1))
    far = (counts >= STORED * len(places)) & (np.abs(mean) > FAR * sd)
    units.center[far] = (mean / p)[far]
    units.scale[far] = 1.0 / power_of_two(np.where(sd > 0, sd, 1.0) / p)[far]
    return units


def read_moments(rows: Rows, with_matrix: bool) -> Moments:
    """Read means, deviations, extremes and, if asked, correlations; again if the guessed units don't fit a dense column.

    With levels or sparse columns, the correlations take a read of their own, about the means.
    """
    if with_matrix and not rows.design.of_numbers_alone:
        known, numeric = rows.moments(correlations=False), rows.design.numeric
        centred = numeric if rows.design.csr is None else np.abs(known.mean) > FAR * known.sd
        p = np.where(numeric & (known.sd > 0), power_of_two(np.maximum(known.sd, 1e-300)), 1.0)
        rows.count_read()
        matrix = gram(rows.design, None, None, **{**rows.how, "view": View(np.where(centred, known.mean, 0.0), p)})
        return replace(known, correlation=_correlation(matrix, known.sd * p))
    units = guess_units(rows, centred=True)
    view = View(units.center, 1.0 / units.scale)
    what = What.EXTREMES | What.HESSIAN if with_matrix else MOMENTS
    what = what & ~What.EXTREMES if "extremes" in rows.learned else what  # they take most of the time
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


def means_and_deviations(rows: Rows) -> tuple[Vector, Vector]:
    """Return means and deviations alone, (n,) each, in a read without extremes, which take most of its time.

    They are read with the extremes if the guessed units don't fit a column.
    """
    if not {"moments", "spreads"} & rows.learned.keys():
        seen = rows.see(guess_units(rows, centred=True))
        rows.count_read()
        sums = read(rows.design, What.SUMS | What.SQUARES, **seen.how)
        assert sums.sums is not None
        assert sums.squares is not None
        learn_spreads(seen, sums.sums / sums.weight, sums.squares / sums.weight)
    if "spreads" in rows.learned:
        spreads: tuple[Vector, Vector] = rows.learned["spreads"]
        return spreads
    moments = rows.moments(correlations=False)
    return moments.mean, moments.sd


def learn_spreads(rows: Rows, mean: Vector, square: Vector) -> None:
    """Keep means and deviations, in the user's units, from the means of x and x^2 in the rows' units, if they are accurate."""
    of_mean = mean * mean
    variance = np.maximum(square - of_mean, 0.0)
    # a constant column's centre is its value
    if ((of_mean <= CANCELS * variance) & (variance < np.inf) | ~rows.design.numeric).all():
        center, scale = rows.units.center, rows.units.scale
        rows.learned["spreads"] = center + mean * scale, np.sqrt(variance) * scale


def moments_of(rows: Rows, sums: Sums, view: View) -> tuple[Moments, NDArray[np.bool_]]:
    """Turn sums over columns in a view's units into moments; also return for which columns these are accurate.

    If a view's centre is far from the mean, the squares cancel; they may also underflow, or overflow to inf or NaN. Then
    such a column needs another view.
    """
    low, high = rows.learned.get("extremes", (sums.low, sums.high))
    total, squares = sums.sums, sums.squares
    matrix = sums.matrix if total is None else None  # read with a loss, it has other weights
    assert not isinstance(matrix, Bordered)  # such a one is only read with a loss
    if matrix is not None:
        total, squares = matrix[-1, :-1], np.diag(matrix)[:-1]
    assert total is not None
    assert squares is not None
    if not all(np.isfinite(mark).all() for mark in (low, high, total, squares)):
        refuse_non_finite(rows)
    shift = total / sums.weight
    is_constant = low == high
    variance = np.where(is_constant, 0.0, np.maximum(squares / sums.weight - shift**2, 0.0))
    mean = np.clip(view.center + shift / view.p, low, high)
    good = (variance > 0) & (shift**2 <= CANCELS * variance) | is_constant | ~rows.design.numeric
    correlation = None if matrix is None else _correlation(matrix, np.sqrt(variance))
    found = Moments(mean, np.sqrt(variance) / view.p, low, high, correlation, sums.weight * rows.weight_unit)
    return found, good & np.isfinite(variance)


def _correlation(matrix: Matrix, sd: Vector) -> Matrix:
    """Compute correlations from the sums of products and the deviations, both in the same units."""
    shift = matrix[-1, :-1] / matrix[-1, -1]
    inverse = np.divide(1.0, sd, out=np.zeros_like(sd), where=sd > 0)
    correlation = (matrix[:-1, :-1] / matrix[-1, -1] - np.outer(shift, shift)) * inverse * inverse[:, None]
    np.fill_diagonal(correlation, np.where(sd > 0, 1.0, 0.0))
    return np.asarray(correlation)


# --- in the units of a fit ---------------------------------------------------------------------------------------------


def standardized(rows: Rows, columns: NDArray[np.bool_], scaled: bool = True) -> Rows:
    """Return the rows with the columns of the mask as (x - mean) / sd, or x - mean; constant columns are only centred."""
    if rows.design.csr is not None:
        raise InputError("standardize would fill a sparse matrix: scale its columns first, or give X.toarray()")
    moments = rows.moments(correlations=False)
    divided = columns & (moments.sd > 0) & scaled
    tiny = divided & (moments.sd < 1e-304)
    if tiny.any():
        name = rows.feature_names[int(np.flatnonzero(tiny)[0])]
        raise InputError(f"column {name!r} is too small for its coefficient to be a float64: multiply it by 1e300")
    return rows.see(Units(np.where(columns, moments.mean, 0.0), np.where(divided, moments.sd, 1.0)))


def mean_squares(rows: Rows) -> Vector | None:
    """Return the mean squares of a table's columns in the fit's units, (n,), rounded up, if moments were read already.

    None for weighted rows: all their weight may lie far from the centre that moments were read about. None for dense and
    sparse rows: any read gives their squares for free.
    """
    found: Moments | None = rows.learned.get("moments")
    if found is None or rows.s is not None or not rows.design.columns:
        return None
    # the mean of a column far from 0 is rounded
    off = np.abs(found.mean - rows.units.center) + 8.0 * 2.0**-53 * np.abs(found.mean)
    squares = np.square(off / rows.units.scale) + np.square(found.sd / rows.units.scale)
    return np.asarray(squares * (1.0 + ROUNDING))


def reach(rows: Rows) -> Vector:
    """Return the largest |x_j| of each column, in the fit's units, (n,)."""
    moments = None if "extremes" in rows.learned else rows.moments(correlations=False)
    low, high = rows.learned["extremes"] if moments is None else (moments.low, moments.high)
    size: Vector = np.maximum(np.abs(low - rows.units.center), np.abs(high - rows.units.center))
    return size / rows.units.scale * (1.0 + 4.0 * np.finfo(np.float64).eps)


def column_scale(rows: Rows) -> Vector:
    """Return each column's deviation in the fit's units, (n,); for a constant column its size, or 1."""
    moments = rows.moments()
    sd, size = moments.sd / rows.units.scale, np.abs(moments.mean - rows.units.center) / rows.units.scale
    return np.where(sd > 0, sd, np.where(size > 0, size, 1.0))
