"""What training recorded: one line an epoch."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import InputError

MAX_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Trace:
    """Training, epoch by epoch, in the units of the fit.

    Attributes
    ----------
    columns : dict of str to (k,) arrays
        "epoch" (int64); "loss" (mean log-loss, nats), "objective" (with the penalty), "accuracy", "grad_norm" (largest
        |dL_dw_j|, |dL_db|), "seconds" since the start; "held_out_loss", "held_out_accuracy" where rows were held out.
    w, b : (k, n) and (k,)
        The point of each kept epoch.
    stride : int
        Every `stride`-th epoch was kept, and the last; 1 keeps all.
    note : str
        Says so where the trace was thinned.
    """

    columns: dict[str, NDArray[np.float64 | np.int64]]
    w: NDArray[np.float64]
    b: NDArray[np.float64]
    stride: int = 1
    note: str = ""

    def __len__(self) -> int:
        """Count the epochs kept."""
        return len(self.b)

    def at(self, epoch: int) -> tuple[NDArray[np.float64], float]:
        """Weights and bias (w, b) after `epoch` updates.

        Raises
        ------
        InputError
            When that epoch was not run or not kept; names the nearest that was.
        """
        epochs = self.columns["epoch"].astype(np.int64)
        found = np.flatnonzero(epochs == epoch)
        if len(found):
            return self.w[found[0]], float(self.b[found[0]])
        nearest = int(epochs[np.argmin(np.abs(epochs - epoch))])
        if epoch > epochs[-1] or epoch < 0:
            raise InputError(f"epoch {epoch} was not run: training went from epoch 0 to {int(epochs[-1])}")
        raise InputError(f"epoch {epoch} was not kept (one in {self.stride} was): the nearest is {nearest}")


@dataclass
class TraceRecorder:
    """Collects a trace; when it would outgrow `max_bytes`, drops every second epoch and goes on with twice the stride."""

    max_bytes: int = MAX_BYTES
    stride: int = 1
    _lines: list[dict[str, float]] = field(default_factory=list)
    _points: list[tuple[NDArray[np.float64], float]] = field(default_factory=list)
    _last: tuple[dict[str, float], NDArray[np.float64], float] | None = None

    def record(self, line: dict[str, float], w: NDArray[np.float64], b: float) -> None:
        """Add an epoch: `line` has "epoch" and the other columns' numbers."""
        self._last = (line, w, b)
        if line["epoch"] % self.stride:
            return
        self._keep(line, w, b)
        # A line's numbers and its dict weigh about as much as eight numbers each.
        if len(self._lines) * 8 * (len(w) + 8 * len(line)) > self.max_bytes and len(self._lines) > 2:
            self.stride *= 2
            kept = [i for i, old in enumerate(self._lines) if not old["epoch"] % self.stride]
            self._lines = [self._lines[i] for i in kept]
            self._points = [self._points[i] for i in kept]

    def _keep(self, line: dict[str, float], w: NDArray[np.float64], b: float) -> None:
        self._lines.append(line)
        self._points.append((w.copy(), b))

    def trace(self) -> Trace:
        """Everything kept, and the last epoch in any case."""
        if self._last is not None and (not self._lines or self._lines[-1]["epoch"] != self._last[0]["epoch"]):
            self._keep(*self._last)
        names = sorted({name for line in self._lines for name in line})
        columns: dict[str, NDArray[np.float64 | np.int64]] = {
            name: np.array(
                [line.get(name, np.nan) for line in self._lines], dtype=np.int64 if name == "epoch" else np.float64
            )
            for name in names
        }
        note = (
            ""
            if self.stride == 1
            else f"the trace keeps one epoch in {self.stride}, and the last: more would not fit in {self.max_bytes >> 20} MB"
        )
        w = np.array([w for w, _ in self._points])
        return Trace(columns, w, np.array([b for _, b in self._points]), self.stride, note)  # fmt: skip
