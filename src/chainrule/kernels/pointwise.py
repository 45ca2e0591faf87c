"""Single rows and their labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule import _core
from chainrule.kernels.reading import kernel_asked

Vector = NDArray[np.float64]


def two_labels(y: NDArray[Any]) -> tuple[NDArray[np.uint8], Any, Any] | None:
    """Y as 0 and 1 and its two labels, smaller first, in one go over numbers; None where they aren't two, or no numbers."""
    if y.ndim != 1 or not y.flags.c_contiguous or not len(y) or y.dtype.kind not in "biuf" or not y.dtype.isnative:
        return None
    codes = np.empty(len(y), dtype=np.uint8)
    found = _core.encode_labels(y, codes, kernel_asked())
    return None if found is None else (codes, found[0], found[1])


def pointwise(z: Vector, y: NDArray[np.uint8]) -> tuple[Vector, Vector, Vector]:
    """Loss, dL_dz and d2L_dz2 of single rows by the kernels' own arithmetic: three arrays (m,)."""
    z = np.ascontiguousarray(z, dtype=np.float64)
    loss, residual, curvature = (np.empty_like(z) for _ in range(3))
    _core.pointwise(z, np.ascontiguousarray(y, dtype=np.uint8), loss, residual, curvature, kernel_asked())
    return loss, residual, curvature
