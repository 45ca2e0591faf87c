"""What training recorded: one line an epoch."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import InputError
from chainrule.words import Shown

MAX_BYTES = 64 * 2**20
_OVERHEAD = 120  # bytes of an array object and its place in a list


@dataclass(frozen=True)
class Trace(Shown):
    """Training, epoch by epoch, in the units of the fit.

    Attributes
    ----------
    columns : dict of str to (k,) arrays
        "epoch" (int64); "loss" (mean log-loss, nats), "objective" (with the penalty), "accuracy", "grad_norm" (largest
        |dL_dw_j|, |dL_db|), "seconds" since the start, "reads" of the data so far, "share" of the rows that the line was
        computed on, "gap" (the proven bound on F - F*, inf where there is none yet; for the point before it is rounded to the
        user's units, which only the certificate counts); "held_out_loss", "held_out_accuracy"
        where rows were held out; "updates" so far, of stochastic gradient descent.
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
    # An epoch is one array, w, b and the columns' numbers in the order in which their names came, added in one act: Ctrl-C
    # between two lines of code can't leave half of one.
    _names: list[str] = field(default_factory=list)
    _kept: list[NDArray[np.float64]] = field(default_factory=list)
    _last: NDArray[np.float64] | None = None
    _n: int = 0

    @classmethod
    def of(cls, trace: Trace) -> TraceRecorder:
        """Go on where a trace ended, as if it had been recorded here."""
        names = list(trace.columns)
        table = np.column_stack([trace.w, trace.b, *(trace.columns[name] for name in names)])
        kept = [row for row, epoch in zip(table, trace.columns["epoch"], strict=True) if not epoch % trace.stride]
        last = kept[-1] if not trace.columns["epoch"][-1] % trace.stride else table[-1]
        return cls(stride=trace.stride, _names=names, _kept=kept, _last=last, _n=trace.w.shape[1] + 1)

    def record(self, line: dict[str, float], theta: NDArray[np.float64]) -> None:
        """Add an epoch: `line` has "epoch" and the other columns' numbers, theta is (w, b)."""
        self._n = len(theta)
        self._names += [name for name in line if name not in self._names]
        row = np.empty(len(theta) + len(self._names))
        row[: len(theta)] = theta
        row[len(theta) :] = [line.get(name, np.nan) for name in self._names]
        self._last = row
        if line["epoch"] % self.stride:
            return
        self._kept.append(self._last)
        if len(self._kept) * (self._last.nbytes + _OVERHEAD) > self.max_bytes and len(self._kept) > 2:
            self.stride *= 2
            at = self._n + self._names.index("epoch")
            self._kept = [row for row in self._kept if not row[at] % self.stride]

    def trace(self) -> Trace:
        """Everything kept, and the last epoch in any case."""
        rows = list(self._kept)
        if self._last is not None and (not rows or rows[-1] is not self._last):
            rows.append(self._last)
        table = np.full((len(rows), self._n + len(self._names)), np.nan)
        for i, row in enumerate(rows):
            table[i, : len(row)] = row
        w, b, numbers = table[:, : self._n - 1].copy(), table[:, self._n - 1].copy(), table[:, self._n :]
        columns: dict[str, NDArray[np.float64 | np.int64]] = {
            name: np.ascontiguousarray(numbers[:, k], dtype=np.int64 if name == "epoch" else np.float64)
            for k, name in enumerate(self._names)
        }
        note = ""
        if self.stride > 1:
            more = f"more would not fit in {self.max_bytes >> 20} MB"
            note = f"the trace keeps one epoch in {self.stride}, and the last: {more}"
        return Trace(columns, w, b, self.stride, note)
