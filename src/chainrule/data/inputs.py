"""Checks a user's arguments of `fit`: each function returns what the core can use, or raises InputError."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.errors import InputError
from chainrule.findings import PYTHON, Front
from chainrule.kernels.vectors import two_labels
from chainrule.words import counted

Vector = NDArray[np.float64]
LARGEST_SEED = 2**64 - 1
LARGEST_LIMIT = 2**63 - 1  # of reads or epochs


def matrix(
    X: ArrayLike, feature_names: Sequence[str] | None, least_rows: int = 2, given: NDArray[Any] | None = None
) -> tuple[NDArray[np.floating], tuple[str, ...], int]:
    """Return X as a 2-D float64 or float32 array, its columns' names, and how many copies that took (0 or 1).

    given : X as an array, if that is made already.
    """
    columns = getattr(X, "columns", None)
    if isinstance(X, np.ma.MaskedArray) and np.ma.is_masked(X):
        raise InputError("X has masked elements: fill them in, or drop their rows")
    try:
        given = np.asarray(X) if given is None else given
        usable = given.dtype in (np.float64, np.float32) and given.flags.aligned and given.dtype.isnative
        whole = all(stride % given.dtype.itemsize == 0 for stride in given.strides)
        array = given if usable and whole else _as_numbers(given)
    except (ValueError, TypeError, OverflowError):
        raise InputError("X must be numbers: encode text and category columns, and fill in None and NA") from None
    if array.ndim != 2:
        way = "X.reshape(-1, 1) makes one column of it" if array.ndim == 1 else "give one line per row"
        raise InputError(f"X must have two dimensions, rows and columns, not {array.ndim}: {way}")
    m, n = array.shape
    check_size(m, n, least_rows)
    copies = int(array is not given or was_copied(X, given))
    return array, column_names(feature_names if feature_names is not None else columns, n), copies


def check_index(X: Any, **others: Any) -> None:
    """Refuse labels or weights whose pandas index is X's in another order: they would be taken by their places."""
    index = getattr(X, "index", None) if hasattr(X, "iloc") else None
    for name, other in others.items():
        its = getattr(other, "index", None) if hasattr(other, "iloc") else None
        if index is None or its is None or len(index) != len(its) or index.equals(its) or index.nlevels != its.nlevels:
            continue
        if index.is_unique and index.isin(its).all():
            ways = f"{name}.loc[X.index] puts it in the order of X, and {name}.to_numpy() says that it is"
            raise InputError(f"{name} has the index of X in another order: {ways}")


def check_size(m: int, n: int, least_rows: int = 2) -> None:
    """Refuse data with too few rows, or without a column."""
    if m < least_rows or n < 1:
        size = f"{counted(m, 'row')} and {counted(n, 'column')}"
        raise InputError(f"X has {size}: a fit needs two rows and one column at least")


def _as_numbers(array: NDArray[Any]) -> NDArray[np.float64]:
    if array.dtype.kind not in "biufO" or any(isinstance(element, str | bytes) for element in _objects(array)):
        raise ValueError("text")
    return array.astype(np.float64)


def _objects(array: NDArray[Any]) -> list[Any]:
    return array.ravel().tolist() if array.dtype.kind == "O" else []


def was_copied(given: Any, array: NDArray[Any]) -> bool:
    """Whether `array` is a copy of the numbers in `given`."""
    if isinstance(given, np.ndarray):
        return not np.shares_memory(given, array) if given.size else False
    # A frame of one block gives views; one of several gives a new array each time, of which a column is no view.
    if not hasattr(given, "iloc"):
        return True
    _, first = next(iter(given.items()))  # a third of the time of iloc
    return not np.may_share_memory(np.asarray(first), array)


@lru_cache(maxsize=4)
def numbered(n: int) -> tuple[str, ...]:
    """Return x1, ..., xn. Cached: for a hundred thousand columns that takes as long as a read."""
    return tuple(f"x{j + 1}" for j in range(n))


def column_names(given: Any, n: int) -> tuple[str, ...]:
    """Check the names of n columns; x1, x2, ... if none are given."""
    if given is None:
        return numbered(n)
    if isinstance(given, str) or not hasattr(given, "__len__"):
        raise InputError("feature_names must be a list of names, one a column")
    names = tuple(str(name) for name in given)
    if len(names) != n:
        raise InputError(
            f"feature_names has {counted(len(names), 'name')}, X has {counted(n, 'column')}: give one each"
        )
    return names


def encode_labels(y: ArrayLike, m: int) -> tuple[NDArray[np.uint8], tuple[Any, Any]]:
    """Return y as 0 and 1, (m,) uint8, and the two labels in sorted order."""
    if isinstance(y, np.ma.MaskedArray) and np.ma.is_masked(y):
        raise InputError("y has masked elements: drop the rows without a label")
    try:
        array = np.asarray(y)
    except ValueError:
        raise InputError(f"y must have one label a row, {m} of them") from None
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1 or len(array) != m:
        raise InputError(f"y must have one label a row, {m} of them, not the shape {array.shape}")
    if array.dtype.kind not in "biufOUSTMm":
        raise InputError(f"y must be numbers, text or booleans, not {array.dtype}")
    encoded = two_labels(array)
    if encoded is not None and all(np.isfinite(label) for label in encoded[1:]):
        return encoded[0], (encoded[1], encoded[2])
    labels = _distinct(array)
    if len(labels) != 2:
        shown = ", ".join(map(repr, labels[:5])) + (", ..." if len(labels) > 5 else "")
        raise InputError(f"{_kind(labels)}y has {counted(len(labels), 'label')} ({shown}): give rows of two classes")
    return np.ascontiguousarray(array == labels[1], dtype=np.uint8), (labels[0], labels[1])


def _distinct(array: NDArray[Any]) -> list[Any]:
    """Return the labels, sorted, as Python objects; dates stay NumPy's, as nanosecond dates would become integers."""
    try:
        found = list(set(array)) if array.dtype.kind in "Mm" else list(set(array.tolist()))  # np.unique takes seconds
    except TypeError:
        raise InputError("y must be numbers, text or booleans, one label a row") from None
    lost = [label for label in found if _is_missing(label)]
    if lost:
        row = next(row for row, label in enumerate(array) if _is_missing(label))
        raise InputError(f"y has {array[row]} in row {row + 1}: drop the rows without a label")
    try:
        return sorted(found)
    except TypeError:
        raise InputError("y mixes kinds of labels: make all of them numbers or all of them text") from None


def _kind(labels: list[Any]) -> str:
    """Begin the message with the words that scikit-learn's own checks look for."""
    if any(isinstance(label, float) and not label.is_integer() for label in labels):
        return "Unknown label type: continuous, "
    return "Only binary classification is supported, " if len(labels) > 2 else ""


def _is_missing(label: Any) -> bool:
    """Whether a label is None, NaN, NaT, NA or infinite. The truth value of NA raises TypeError."""
    try:
        return label is None or bool(label != label) or (isinstance(label, float) and math.isinf(label))
    except TypeError:
        return True


def check_weights(
    sample_weight: ArrayLike | None, codes: NDArray[np.uint8], needs_both_classes: bool = True
) -> Vector | None:
    """Return the weights as (m,) float64, or None."""
    if sample_weight is None:
        return None
    if isinstance(sample_weight, np.ma.MaskedArray) and np.ma.is_masked(sample_weight):
        raise InputError("sample_weight has masked elements: fill them in, or give these rows weight 0")
    try:
        s = np.ascontiguousarray(real(sample_weight))
    except (ValueError, TypeError, OverflowError):
        raise InputError("sample_weight must be numbers, one a row") from None
    if s.shape != codes.shape:
        raise InputError(f"sample_weight must have one number a row, {len(codes)} of them, not the shape {s.shape}")
    bad = ~np.isfinite(s) | (s < 0)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise InputError(f"sample_weight is {s[row]} in row {row + 1}: weights are finite and not negative")
    check_sum("sample_weight", s)
    if not s.any():
        raise InputError("all sample weights are zero: give some rows a positive weight")
    for label in (0, 1) if needs_both_classes else ():
        if not s[codes == label].any():
            raise InputError("all rows of one class have weight 0: a fit needs rows of both classes")
    return s


def check_sum(name: str, s: Vector, first: int = 0) -> None:
    """Refuse weights (m,), finite and not negative, whose sum or whose shares of it are no float64. first : rows before."""
    with np.errstate(over="ignore"):
        total = s.sum()
    if np.isinf(total):
        raise InputError(f"{name} adds up to more than a float64 holds: divide the weights by a constant")
    least = s.min(initial=np.inf, where=s > 0)
    if least < np.finfo(np.float64).tiny * total:
        what = f"{name} has {least:.1g} in row {first + int(np.argmax(s == least)) + 1} and adds up to {total:.1g}"
        raise InputError(f"{what}, of which this is no share that a float64 holds: give such rows weight 0")


def real(given: ArrayLike) -> Vector:
    """Return real numbers as float64, a copy only where needed; raises ValueError, TypeError or OverflowError for others."""
    array = np.asarray(given)
    if array.dtype.kind == "c":
        raise TypeError("complex numbers")
    return np.asarray(array, dtype=np.float64)


def check_start(w0: ArrayLike | None, b0: float | None, n: int, fit_intercept: bool) -> tuple[Vector, float]:
    """Check the start (w0, b0) in the user's units; zeros if not given."""
    w = np.zeros(n)
    if w0 is not None:
        try:
            w = np.array(real(w0)).reshape(-1)
        except (ValueError, TypeError, OverflowError):
            raise InputError("w0 must be numbers, one a column") from None
        if w.shape != (n,) or not np.isfinite(w).all():
            raise InputError(f"w0 must have one finite number a column, {n} of them")
    b = 0.0 if b0 is None else number("b0", b0)
    if b and not fit_intercept:
        raise InputError("b0 is given but fit_intercept is False: leave one of them out")
    return w, b


def standardized_columns(
    standardize: bool | str | ArrayLike, numeric: NDArray[np.bool_], fit_intercept: bool
) -> tuple[NDArray[np.bool_], bool]:
    """Return the mask of the columns to centre, (n,), and whether to divide them by sd too. numeric : columns that may be."""
    n = len(numeric)
    scaled = not (isinstance(standardize, str) and standardize == "center")
    if isinstance(standardize, bool | np.bool_) or not scaled:
        mask = numeric & bool(standardize)
    else:
        mask = np.asarray(standardize)
        if mask.dtype != np.bool_ or mask.shape != (n,):
            raise InputError(f"standardize must be True, False, 'center' or a mask of {n} booleans, one a column")
        if (mask & ~numeric).any():
            at = int(np.flatnonzero(mask & ~numeric)[0]) + 1
            raise InputError(f"standardize has True for coefficient {at}, a level or mark: standardize numbers alone")
    if mask.any() and not fit_intercept:
        raise InputError("standardize needs an intercept: leave out fit_intercept=False or standardize")
    return mask, scaled


def strength(alpha: float | None, C: float | None, sum_weights: float, on: Front = PYTHON) -> float:
    """Return alpha, or scikit-learn's C as alpha = 1/(C S), S the sum of the weights; 0 if both are None or C is infinite."""
    names = on.option("alpha"), on.option("C")
    if C is None:
        return 0.0 if alpha is None else number(names[0], alpha, low=0.0)
    if alpha is not None:
        raise InputError(f"give {' or '.join(names)}, not both: alpha = 1/(C S), S the sum of the weights")
    if not isinstance(C, int | float | np.number) or isinstance(C, bool) or not C > 0:
        raise InputError(f"{names[1]} must be a positive number, not {C!r}")
    return 0.0 if np.isinf(C) else 1.0 / float(C) / sum_weights


def choice(name: str, value: object, known: Collection[str]) -> str:
    """Return `value` if it is one of the known names."""
    if not isinstance(value, str) or value not in known:
        raise InputError(f"{name} must be one of {', '.join(map(repr, known))}, not {value!r}")
    return value


def switch(name: str, value: object) -> bool:
    """Return `value` if it is a bool."""
    if not isinstance(value, bool | np.bool_):
        raise InputError(f"{name} must be True or False, not {value!r}")
    return bool(value)


def whole_number(name: str, value: Any, low: int = 0, high: int | None = None) -> int:
    """Return `value` as an int, at least `low` and at most `high`."""
    is_whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not is_whole or value < low or (high is not None and value > high):
        bound = "" if high is None else f" to {high}"
        raise InputError(f"{name} must be a whole number from {low}{bound}, not {value!r}")
    return int(value)


def number(name: str, value: object, *, low: float | None = None, above: float | None = None) -> float:
    """Return `value` as a finite float, at least `low` or above `above`."""
    try:
        if isinstance(value, bool | str | bytes):
            raise TypeError
        x = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"{name} must be a number that a float64 holds, not {str(value)[:40]!r}") from None
    if not np.isfinite(x) or (low is not None and x < low) or (above is not None and x <= above):
        bound = f" from {low:g}" if low is not None else f" above {above:g}" if above is not None else ""
        raise InputError(f"{name} must be a finite number{bound}, not {value!r}")
    return x
