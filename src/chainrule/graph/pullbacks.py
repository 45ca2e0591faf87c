"""How the gradient of a result meets a local derivative to become the gradient of an argument.

Backpropagation is one rule: gradient of the argument = gradient of the result times local derivative. Each row of the
table of operations says what "times" means by naming one of the pullbacks below, so the engine has no special cases.
Every pullback is linear in the gradient and in the local derivative, with no minus sign of its own; the gradient
check relies on that to add up absolute terms.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


# pullback(gradient of the result, local derivative, shape of the argument) -> gradient of the argument
Pullback = Callable[[Array, Array, tuple[int, ...]], Array]


def sum_to_shape(values: Array, shape: tuple[int, ...]) -> Array:
    """Undo broadcasting: add up the entries that came from the same entry of an array of the given shape.

    Parameters
    ----------
    values : ndarray
        Anything that an array of `shape` broadcasts to.
    shape : tuple of int
        The shape before broadcasting.

    Returns
    -------
    ndarray of that shape
    """
    values = values.sum(axis=tuple(range(values.ndim - len(shape))))
    stretched = tuple(axis for axis, size in enumerate(shape) if size == 1 and values.shape[axis] != 1)
    return np.asarray(values.sum(axis=stretched, keepdims=True)) if stretched else np.asarray(values)


def entries(gradient: Array, local: Array, shape: tuple[int, ...]) -> Array:
    """Multiply entry by entry."""
    # A gradient of 0 stays 0 even if the local derivative is infinite: a row of weight 0 does not count.
    return sum_to_shape(np.asarray(np.where(gradient == 0, 0.0, gradient * local)), shape)


def _as_rows(values: Array, missing: bool) -> Array:
    """Restore the axis of length 1 that a matrix product dropped, before the last axis."""
    return values[..., np.newaxis, :] if missing else values


def _as_columns(values: Array, missing: bool) -> Array:
    """Restore the axis of length 1 that a matrix product dropped, as the last axis."""
    return values[..., np.newaxis] if missing else values


def left_factor(gradient: Array, local: Array, shape: tuple[int, ...]) -> Array:
    """Multiply for argument a of a @ b, whose local derivative is b: gradient @ b^T."""
    vector_b, vector_a = local.ndim == 1, len(shape) == 1
    full = _as_rows(_as_columns(gradient, vector_b), vector_a) @ np.swapaxes(_as_columns(local, vector_b), -1, -2)
    return sum_to_shape(full, (1, *shape) if vector_a else shape).reshape(shape)


def right_factor(gradient: Array, local: Array, shape: tuple[int, ...]) -> Array:
    """Multiply for argument b of a @ b, whose local derivative is a: a^T @ gradient."""
    vector_a, vector_b = local.ndim == 1, len(shape) == 1
    full = np.swapaxes(_as_rows(local, vector_a), -1, -2) @ _as_rows(_as_columns(gradient, vector_b), vector_a)
    return sum_to_shape(full, (*shape, 1) if vector_b else shape).reshape(shape)
