"""Signs of x.v + b without a rounding error, and simple rational numbers near floating-point ones.

Products are split into a rounded part and its error (Dekker 1971; Ogita, Rump and Oishi 2005, Accurate sum and dot product,
algorithm 3.3), which `math.fsum` adds exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from math import fsum, gcd, lcm

import numpy as np
from numpy.typing import NDArray

from chainrule.data.rows import power_of_two

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

U = 2.0**-53
TINY = 2.0**-900  # the rounding error of a product at least so large is a normal number
SPLIT = 2.0**27 + 1.0
MAX_TERMS = 4_000_000  # numbers held at once
MOST_UNITS = 12  # numbers up to which each may be the unit of the others


def whole_numbers(v: Sequence[Fraction], b: Fraction) -> tuple[list[int], int]:
    """Multiply rationals by the least common multiple of their denominators: the same signs, whole numbers."""
    factor = lcm(b.denominator, *(c.denominator for c in v))
    return [int(c * factor) for c in v], int(b * factor)


Row = dict[int, Fraction]


def eliminated(rows: Iterable[Row], size: Sequence[float]) -> dict[int, Row]:
    """Reduced row echelon form of sparse rows, by pivot column: the entry of the row that is largest times `size`."""
    done: dict[int, Row] = {}
    for row in rows:
        for j, other in done.items():
            row = _less(row, j, other)
        if not row:
            continue
        lead = max(row, key=lambda j: abs(row[j]) * Fraction(size[j]))
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


def independent(vectors: Matrix, size: Vector) -> Matrix | None:
    """Columns (n, k) with the same span, in reduced echelon form; None if they need more digits than float64 has."""
    rows = [{j: Fraction(v[j]) for j in np.flatnonzero(v).tolist()} for v in vectors.T]
    found = np.zeros((len(vectors), len(rows)))
    for k, row in enumerate(eliminated(rows, size.tolist()).values()):
        whole, _ = whole_numbers(list(row.values()), Fraction(0))
        found[list(row), k] = [float(c) for c in whole]
        if any(Fraction(found[j, k]) != c for j, c in zip(row, whole, strict=True)):
            return None
    return found


def simple_fraction(value: float, tolerance: float = 1e-7, largest: int = 64) -> Fraction | None:
    """Return the fraction nearest to `value` with a denominator up to `largest`; None if none is within `tolerance`."""
    if not np.isfinite(value):
        return None
    found = Fraction(value).limit_denominator(largest)
    return found if abs(float(found) - value) <= tolerance * abs(value) else None


def snapped(c: Vector) -> Iterator[list[Fraction]]:
    """Yield simple numbers in about the ratios of `c`, none of which is 0; the last one is positive.

    Whole numbers, times powers of two where the columns' scales differ by such.
    """
    seen = set()
    for unit in c[::-1] if len(c) <= MOST_UNITS else c[-1:]:
        simple = []
        for ratio in (c / unit).tolist():
            part, exponent = np.frexp(ratio)
            mantissa = simple_fraction(2.0 * float(part)) or Fraction(0)
            simple.append(simple_fraction(ratio) or mantissa * Fraction(2) ** (int(exponent) - 1))
        if not all(simple):
            continue
        key = tuple(x / simple[-1] for x in simple)
        if key not in seen:
            seen.add(key)
            whole, _ = whole_numbers(key, Fraction(0))
            yield [Fraction(x, gcd(*whole)) for x in whole]


def exact_signs(X: Matrix, v: Sequence[Fraction], b: Fraction) -> NDArray[np.int8]:
    """Sign of x.v + b for every row of X, without a rounding error: -1, 0 or 1, shape (q,).

    Parameters
    ----------
    X : (q, k) float64, finite
    v, b
        k rationals and one more.
    """
    step = max(1, MAX_TERMS // (8 * len(v) + 8))
    if len(X) > step:
        return np.concatenate([exact_signs(X[first : first + step], v, b) for first in range(0, len(X), step)])
    whole, whole_b = whole_numbers(v, b)
    X = np.column_stack([X, np.ones(len(X))])
    # In columns and coefficients of size about 1: powers of two change no sign and round nothing.
    p = power_of_two(np.abs(X).max(axis=0, initial=0.0))
    lengths = [c.bit_length() - e for c, e in zip([*whole, whole_b], np.frexp(p)[1].tolist(), strict=True) if c]
    rational = [c / Fraction(2) ** max(lengths, default=0) for c in (*whole, whole_b)]
    sums, rounded, tiny = np.zeros(len(X)), *np.zeros((2, len(X)), dtype=np.bool_)
    terms: list[Vector] = []
    for x, c, unit in zip(X.T, rational, p.tolist(), strict=True):
        for piece in _pieces(c / Fraction(unit)):
            product, error = _two_product(x * unit, piece)
            tiny |= (x != 0) & (np.abs(product) < TINY)
            terms += [product, error]
    for term in terms:  # of whole numbers and the like no sum is rounded
        sums, error = _two_sum(sums, term)
        rounded |= error != 0
    if rounded.any():
        sums[rounded] = [fsum(row) for row in np.array(terms)[:, rounded].T.tolist()]
    for i in np.flatnonzero(tiny):  # the error of a product may have underflowed
        total = sum((c * Fraction(x) for c, x in zip(rational, X[i].tolist(), strict=True)), Fraction(0))
        sums[i] = (total > 0) - (total < 0)
    return np.sign(sums).astype(np.int8)


def _pieces(value: Fraction) -> list[float]:
    """Floats that add up to a whole number times a power of two; the last is next to 0 where none is small enough."""
    pieces = []
    while float(value):
        pieces.append(float(value))
        value -= Fraction(pieces[-1])
    return [*pieces, 5e-324] if value else pieces


def _two_sum(a: Vector, b: Vector) -> tuple[Vector, Vector]:
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


def _two_product(a: Vector, b: float) -> tuple[Vector, Vector]:
    p, (a_high, b_high) = a * b, (x * SPLIT - (x * SPLIT - x) for x in (a, np.array(b)))
    a_low, b_low = a - a_high, b - b_high
    return p, a_low * b_low - (((p - a_high * b_high) - a_low * b_high) - a_high * b_low)
