"""What training recorded: one line for each epoch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import InputError
from chainrule.words import Shown

MAX_BYTES = 64 * 2**20
LINE_BYTES = 700  # of an epoch's numbers by name, and of the objects that hold them

Recorded = tuple[dict[str, float], NDArray[np.float64]]


@dataclass(frozen=True)
class Trace(Shown):
    """Training, epoch by epoch, in the units of the fit.

    Attributes
    ----------
    columns : dict of str to (k,) arrays
        "epoch" (int64); "loss" (mean log-loss, nats), "objective" (with the penalty), "accuracy", "grad_norm" (largest
        |dL_dw_j|, |dL_db|), "seconds" since the start, "reads" of the data so far, "share" of the rows that the line was
        computed on, "gap" (the proven bound on F - F*, inf if there is none yet; it leaves out rounding to the user's units,
        which only the certificate includes); "held_out_loss", "held_out_accuracy" if rows were held out; "updates" so far,
        for stochastic gradient descent.
    w, b : (k, n) and (k,)
        The point of each kept epoch.
    stride : int
        Every `stride`-th epoch was kept, and the last; 1 keeps all.
    note : str
        Says so if the trace was thinned; otherwise empty.
    """

    columns: dict[str, NDArray[np.float64 | np.int64]]
    w: NDArray[np.float64]
    b: NDArray[np.float64]
    stride: int = 1
    note: str = ""

    def __len__(self) -> int:
        """Return the number of epochs kept."""
        return len(self.b)

    def at(self, epoch: int) -> tuple[NDArray[np.float64], float]:
        """Return weights and bias (w, b) after `epoch` updates.

        Raises
        ------
        InputError
            That epoch was not run or not kept; the message names the nearest that was.
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
    """Collects a trace. When it would outgrow `max_bytes`, it drops every second epoch and keeps half as many from then on."""

    max_bytes: int = MAX_BYTES
    stride: int = 1
    # An epoch is one tuple, added at once: Ctrl-C between two lines of code can't leave half of one.
    _kept: list[Recorded] = field(default_factory=list)
    _last: Recorded | None = None

    @classmethod
    def of(cls, trace: Trace) -> TraceRecorder:
        """Continue a trace as if it had been recorded here."""
        made, names = cls(stride=trace.stride), list(trace.columns)
        theta = np.column_stack([trace.w, trace.b])
        for point, *numbers in zip(theta, *trace.columns.values(), strict=True):
            made.record(dict(zip(names, numbers, strict=True)), point)
        return made

    def record(self, line: dict[str, float], theta: NDArray[np.float64]) -> None:
        """Add an epoch: `line` has "epoch" and the other columns' numbers, theta is (w, b)."""
        self._last = line, theta
        if line["epoch"] % self.stride:
            return
        self._kept.append(self._last)
        if len(self._kept) * (8 * len(theta) + LINE_BYTES) > self.max_bytes and len(self._kept) > 2:
            self.stride *= 2
            self._kept = [kept for kept in self._kept if not kept[0]["epoch"] % self.stride]

    def trace(self, to_fit: Callable[[NDArray[np.float64]], NDArray[np.float64]] = lambda points: points) -> Trace:
        """Return everything kept, and the last epoch in any case; to_fit : converts points (k, size) to the fit's units."""
        last = [] if self._last is None or (self._kept and self._kept[-1] is self._last) else [self._last]
        lines, points = zip(*self._kept, *last, strict=True)
        names = list(dict.fromkeys(chain.from_iterable(lines)))
        numbers = np.array([[line.get(name, np.nan) for line in lines] for name in names])
        columns: dict[str, NDArray[np.float64 | np.int64]] = dict(zip(names, numbers, strict=True))
        columns["epoch"] = columns["epoch"].astype(np.int64)
        theta, note = to_fit(np.array(points)), ""
        if self.stride > 1:
            more = f"more would not fit in {self.max_bytes >> 20} MB"
            note = f"the trace keeps one epoch in {self.stride}, and the last: {more}"
        return Trace(columns, theta[:, :-1], theta[:, -1], self.stride, note)
