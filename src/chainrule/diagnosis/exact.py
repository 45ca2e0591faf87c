"""Signs of x.v + b without a rounding error, and elimination in fractions.

Products and sums are split into a rounded part and its error (Dekker 1971; Ogita, Rump and Oishi 2005, Accurate sum and dot
product). Mostly the errors are 0, or too small to change a sign. The few other rows are decided in fractions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from math import lcm

import numpy as np
from numpy.typing import NDArray

from chainrule.data.rows import power_of_two

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Row = dict[int, Fraction]

U = 2.0**-53
WHOLE = 2.0**53  # whole numbers below it, and their products and sums, are exact
TINY = 2.0**-900  # the rounding error of a product at least this large is a normal number
SPLIT = 2.0**27 + 1.0
MOST_BITS = 1000  # of a whole number that becomes a float64, which holds 1024


def whole_numbers(v: Sequence[Fraction]) -> list[int]:
    """Multiply rationals by the least common multiple of their denominators: the same signs, whole numbers."""
    factor = lcm(*(c.denominator for c in v))
    return [int(c * factor) for c in v]


def eliminated(rows: Iterable[Row]) -> dict[int, Row]:
    """Return the reduced row echelon form of sparse rows, by pivot column; a row's pivot is its largest entry."""
    done: dict[int, Row] = {}
    for row in rows:
        for j, other in done.items():
            row = _less(row, j, other)
        if not row:
            continue
        lead = max(row, key=lambda j: abs(row[j]))
        row = {j: c / row[lead] for j, c in row.items()}
        done = {j: _less(other, lead, row) for j, other in done.items()} | {lead: row}
    return done


def _less(row: Row, j: int, other: Row) -> Row:
    """Eliminate column j from a row by another row whose entry there is 1."""
    factor = row.get(j)
    if factor is None:
        return row
    left = {i: row.get(i, 0) - factor * other.get(i, 0) for i in row | other}
    return {i: Fraction(c) for i, c in left.items() if c}


def independent(vectors: Sequence[Mapping[int, float]], size: Vector) -> Matrix | None:
    """Return columns (n, k) with exactly the span of sparse vectors; each has its largest entry, times `size`, in its own row.

    None if they need more digits than float64 has.
    """
    p, found = [Fraction(unit) for unit in power_of_two(size).tolist()], np.zeros((len(size), len(vectors)))
    rows = ({j: Fraction(c) / p[j] for j, c in v.items()} for v in vectors)
    for k, row in enumerate(eliminated(rows).values()):
        whole = whole_numbers([c * p[j] for j, c in row.items()])
        if not all(abs(c) < 2**MOST_BITS and int(float(c)) == c for c in whole):
            return None
        found[list(row), k] = whole
    return found


def exact_signs(X: Matrix, v: Sequence[Fraction], b: Fraction) -> NDArray[np.int8]:
    """Return the sign of x.v + b for every row of X, without a rounding error: -1, 0 or 1, shape (q,).

    Parameters
    ----------
    X : (q, k) float64, finite
    v, b
        k rationals and one more.
    """
    whole = whole_numbers([*v, b])
    largest = np.abs(X).max(axis=0, initial=0.0)
    if largest.max(initial=0.0) < WHOLE and max(map(abs, whole)) < WHOLE:
        coefficients, constant = np.array(whole[:-1], dtype=np.float64), float(whole[-1])
        if largest @ np.abs(coefficients) + abs(constant) < WHOLE and (X == np.rint(X)).all():
            return np.asarray(np.sign(X @ coefficients + constant), dtype=np.int8)
    X = np.column_stack([X, np.ones(len(X))])
    # Scale columns and coefficients to about 1: powers of two change no sign and round nothing.
    p = power_of_two(np.abs(X).max(axis=0, initial=0.0))
    scaled = [c / Fraction(unit) for c, unit in zip(whole, p.tolist(), strict=True)]
    top = max(c.numerator.bit_length() - c.denominator.bit_length() for c in scaled)
    z, lost = np.zeros(len(X)), np.zeros(len(X))
    for x, unit, c in zip(X.T, p, (c / Fraction(2) ** top for c in scaled), strict=True):
        product, error = _two_product(x * unit, float(c))
        z, rounded = _two_sum(z, product)
        is_lost = (x != 0) & (c != 0) & ((np.abs(product) < TINY) | (float(c) != c))
        lost += np.abs(error) + np.abs(rounded) + np.where(is_lost, 2.0 * U * np.abs(product) + TINY, 0.0)
    signs = np.sign(z).astype(np.int8)
    for i in np.flatnonzero((lost > 0) & (np.abs(z) <= 2.0 * lost)):
        terms = [(c, *x.as_integer_ratio()) for c, x in zip(whole, X[i].tolist(), strict=True)]
        unit = max(power for _, _, power in terms)  # a power of two, so the sum is of whole numbers
        total = sum(c * x * (unit // power) for c, x, power in terms)
        signs[i] = (total > 0) - (total < 0)
    return signs


def _two_sum(a: Vector, b: Vector) -> tuple[Vector, Vector]:
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


def _two_product(a: Vector, b: float) -> tuple[Vector, Vector]:
    p, (a_high, b_high) = a * b, (x * SPLIT - (x * SPLIT - x) for x in (a, np.array(b)))
    a_low, b_low = a - a_high, b - b_high
    return p, a_low * b_low - (((p - a_high * b_high) - a_low * b_high) - a_high * b_low)
