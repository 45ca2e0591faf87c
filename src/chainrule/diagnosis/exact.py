"""Signs of x.v + b without a rounding error, and simple numbers for coefficients found in floating point.

Products and sums are split into a rounded part and its error (Dekker 1971; Knuth 1969; Ogita, Rump and Oishi 2005,
Accurate sum and dot product, algorithms 3.3 and 4.1), whole columns at a time; what stays open is added by `math.fsum`
or, where a product would underflow, in fractions.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import fsum, lcm

import numpy as np
from numpy.typing import NDArray

from chainrule.data.rows import power_of_two

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Signs = NDArray[np.int8]

U = 2.0**-53
TINY = 2.0**-900  # a product at least so large has an error that is a normal number
MAX_TERMS = 4_000_000  # numbers held at once
PASSES = 4


def whole_numbers(v: Sequence[Fraction], b: Fraction) -> tuple[list[int], int]:
    """Multiply rationals by the least common multiple of their denominators: the same signs, whole numbers."""
    factor = lcm(b.denominator, *(c.denominator for c in v))
    return [int(c * factor) for c in v], int(b * factor)


def simple_fraction(value: float, tolerance: float = 1e-7, largest: int = 64) -> Fraction | None:
    """Give the fraction nearest to `value`, its denominator up to `largest`, if it is within `tolerance` (relative)."""
    if not np.isfinite(value):
        return None
    found = Fraction(value).limit_denominator(largest)
    return found if abs(float(found) - value) <= tolerance * abs(value) else None


def _two_sum(a: Matrix, b: Matrix) -> tuple[Matrix, Matrix]:
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


def _split(a: Matrix) -> tuple[Matrix, Matrix]:
    t = a * 134217729.0  # 2^27 + 1
    high = t - (t - a)
    return high, a - high


def _two_product(a: Matrix, b: float) -> tuple[Matrix, Matrix]:
    p = a * b
    a_high, a_low = _split(a)
    b_high, b_low = _split(np.float64(b))  # type: ignore[arg-type]
    return p, a_low * b_low - (((p - a_high * b_high) - a_low * b_high) - a_high * b_low)


def _pieces(value: int, shift: int) -> list[float]:
    """Split value 2^shift into floats of 53 bits that add up to it exactly."""
    pieces = []
    while value:
        drop = max(abs(value).bit_length() - 53, 0)
        head = (abs(value) >> drop) * (1 if value > 0 else -1)
        pieces.append(float(np.ldexp(float(head), drop + shift)))
        value -= head << drop
    return pieces


def sum_signs(terms: Matrix) -> Signs:
    """Sign of the exact sum down each column of `terms` (t, q): -1, 0 or 1. Overwrites `terms`."""
    t, q = terms.shape
    signs = np.zeros(q, dtype=np.int8)
    left = np.arange(q)
    total, error = terms.sum(axis=0), (t + 2) * 2 * U * np.abs(terms).sum(axis=0)
    for _ in range(PASSES + 1):
        known = (np.abs(total) > error) | (error == 0.0)
        signs[left[known]] = np.sign(total[known])
        left, terms = left[~known], terms[:, ~known]
        if not len(left):
            return signs
        running = terms[0]
        for i in range(1, t):
            running, terms[i - 1] = _two_sum(running, terms[i])
        terms[t - 1] = running
        total, error = running, 2 * np.abs(terms[:-1]).sum(axis=0)
    signs[left] = [np.sign(fsum(column)) for column in terms.T]
    return signs


def exact_signs(X: Matrix, v: Sequence[Fraction], b: Fraction) -> Signs:
    """Sign of x.v + b for every row of X, without a rounding error: -1, 0 or 1, shape (q,).

    Parameters
    ----------
    X : (q, k) float64, finite
    v, b
        k rationals and one more.
    """
    q, k = X.shape
    signs = np.zeros(q, dtype=np.int8)
    if not q:
        return signs
    whole, whole_b = whole_numbers(v, b)
    p = power_of_two(np.abs(X).max(axis=0)) if k else np.ones(0)
    p_exponent = np.frexp(p)[1] - 1
    lengths = [abs(c).bit_length() - int(e) for c, e in zip(whole, p_exponent, strict=True) if c]
    shift = -max([*lengths, abs(whole_b).bit_length()])
    # Pieces far below all others could underflow: then all is done in fractions.
    pairs = [(j, f) for j, c in enumerate(whole) for f in _pieces(c, shift - int(p_exponent[j]))]
    constants = _pieces(whole_b, shift)
    open_rows = np.zeros(q, dtype=np.bool_)
    if any(abs(f) < 2.0**-400 for _, f in pairs) or any(abs(f) < 2.0**-400 for f in constants):
        open_rows[:] = True
    else:
        step = max(1, MAX_TERMS // (2 * len(pairs) + len(constants) + 1))
        for first in range(0, q, step):
            part = slice(first, first + step)
            scaled = X[part] * p
            signs[part], open_rows[part] = _part_signs(scaled, pairs, constants)
            open_rows[part] |= ((np.abs(scaled) < TINY) & (X[part] != 0)).any(axis=1)
    for i in np.flatnonzero(open_rows):
        value = sum((c * Fraction(float(x)) for c, x in zip(whole, X[i], strict=True)), Fraction(whole_b))
        signs[i] = (value > 0) - (value < 0)
    return signs


def _part_signs(X: Matrix, pairs: list[tuple[int, float]], constants: list[float]) -> tuple[Signs, NDArray[np.bool_]]:
    """Signs of some rows, and which of them underflow."""
    terms = np.zeros((2 * len(pairs) + len(constants) + 1, len(X)))
    small = np.zeros(len(X), dtype=np.bool_)
    for i, (j, f) in enumerate(pairs):
        x = np.ascontiguousarray(X[:, j])
        terms[2 * i], terms[2 * i + 1] = _two_product(x, f)
        small |= (x != 0) & (np.abs(terms[2 * i]) < TINY)
    terms[2 * len(pairs) : -1] = np.array(constants)[:, None]
    return sum_signs(terms), small
