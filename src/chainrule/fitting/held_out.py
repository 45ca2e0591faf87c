"""Rows kept out of training: how the model does on them, epoch by epoch."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.data.inputs import check_weights, matrix
from chainrule.errors import InputError
from chainrule.kernels import Design, View, What, read, thread_count
from chainrule.solvers import Step


class HeldOut:
    """A callback for `fit` that records held_out_loss and held_out_accuracy.

    Parameters
    ----------
    X : (m, n) array
        Finite, in the user's units; used where it lies, as in `fit`.
    y : (m,) array
        0 and 1.
    sample_weight : (m,) array, optional
        Finite, not negative, not all 0.
    n_threads : int, optional

    Raises
    ------
    InputError
        For what can't be used; the message names the way out.
    """

    def __init__(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None, n_threads: int | None = None
    ) -> None:
        self.X, _, _ = matrix(X, None, least_rows=1)
        codes = np.asarray(y)
        if codes.shape != (len(self.X),) or not np.isin(codes, (0, 1)).all():
            raise InputError(f"the held-out y must be {len(self.X)} classes, each 0 or 1")
        self.y = np.ascontiguousarray(codes, dtype=np.uint8)
        self.s = check_weights(sample_weight, self.y, needs_both_classes=False)
        self.threads = thread_count(n_threads)
        self._design = Design.dense(self.X)

    def __call__(self, step: Step) -> dict[str, float]:
        """Loss and accuracy at the step's point: one read of the held-out rows."""
        if self.X.shape[1] != len(step.w):
            raise InputError(f"the held-out X has {self.X.shape[1]} columns, the fit {len(step.w)}")
        view, ratio = step.units.view()
        return self._figures(step.w / ratio, step.b, view)

    def at(self, w: ArrayLike, b: float) -> dict[str, float]:
        """Loss and accuracy of coefficients w (n,) and b in the user's units: one read of the held-out rows."""
        w = np.asarray(w, dtype=np.float64)
        if w.shape != (self.X.shape[1],):
            raise InputError(f"the held-out X has {self.X.shape[1]} columns, w is of shape {w.shape}")
        return self._figures(w, float(b), None)

    def _figures(self, w: NDArray[np.float64], b: float, view: View | None) -> dict[str, float]:
        sums = read(self._design, What.LOSS, y=self.y, s=self.s, w=w, b=b, view=view, threads=self.threads)
        if np.isnan(sums.loss):
            raise InputError("the held-out X has missing or infinite numbers: fill them in, or drop their rows")
        return {"held_out_loss": sums.loss / sums.weight, "held_out_accuracy": sums.correct / sums.weight}
