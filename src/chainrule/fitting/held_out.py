"""Measures the model on rows held out of training, after each epoch."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.data.inputs import check_weights, matrix
from chainrule.data.rows import Rows
from chainrule.errors import InputError
from chainrule.kernels.blocks import Blocks
from chainrule.kernels.reading import What
from chainrule.solvers import Step


class HeldOut:
    """A callback for `fit` that records held_out_loss and held_out_accuracy.

    Parameters
    ----------
    X : (m, n) array
        Finite, in the user's units; copied only if `fit` would.
    y : (m,) array
        0 and 1.
    sample_weight : (m,) array, optional
        Finite, not negative, not all 0.
    n_threads : int, optional

    Raises
    ------
    InputError
        If an argument can't be used; the message names the way out.
    """

    def __init__(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None, n_threads: int | None = None
    ) -> None:
        array, names, _ = matrix(X, None, least_rows=1)
        codes = np.asarray(y)
        if codes.shape != (len(array),) or not np.isin(codes, (0, 1)).all():
            raise InputError(f"the held-out y must be {len(array)} classes, each 0 or 1")
        codes = np.ascontiguousarray(codes, dtype=np.uint8)
        s = check_weights(sample_weight, codes, needs_both_classes=False)
        self.rows = Rows.of(Blocks.dense(array), codes, s, names, n_threads)

    @classmethod
    def of(cls, rows: Rows) -> HeldOut:
        """Use rows of a table that are encoded like those of the fit."""
        held_out = cls.__new__(cls)
        held_out.rows = rows
        return held_out

    def __call__(self, step: Step) -> dict[str, float]:
        """Loss and accuracy at the step's point: one read of the held-out rows."""
        if self.rows.n_features != len(step.w):
            raise InputError(f"the held-out X has {self.rows.n_features} columns, the fit {len(step.w)}")
        return self._figures(self.rows.see(step.units), step.w, step.b)

    def at(self, w: ArrayLike, b: float) -> dict[str, float]:
        """Loss and accuracy of coefficients w (n,) and b in the user's units: one read of the held-out rows."""
        w = np.asarray(w, dtype=np.float64)
        if w.shape != (self.rows.n_features,):
            raise InputError(f"the held-out X has {self.rows.n_features} columns, w is of shape {w.shape}")
        return self._figures(self.rows, w, float(b))

    def _figures(self, rows: Rows, w: NDArray[np.float64], b: float) -> dict[str, float]:
        sums = rows.read(What.LOSS, w, b)
        if np.isnan(sums.loss):
            raise InputError("the held-out X has missing or infinite numbers: fill them in, or drop their rows")
        return {"held_out_loss": sums.loss / sums.weight, "held_out_accuracy": sums.correct / sums.weight}
