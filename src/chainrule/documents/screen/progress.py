"""A fit while it runs: one live line on stderr."""

import math
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TaskID, TextColumn

from chainrule.documents.screen.words import at_most, percent


class FitProgress:
    """A live progress line of a fit; nothing at all where stderr is no terminal.

    console: the console of messages. method: of the run, as `fit` names it. Call it once an epoch or step with the
    fit's step and the held-out figures.
    """

    PAUSE = 0.08  # seconds between two drawings: an epoch takes microseconds

    def __init__(self, console: Console, method: str) -> None:
        self._live = console.is_terminal and not console.quiet
        self._drawn = 0.0
        self._task: TaskID | None = None
        self._descends = not method.startswith("newton")
        columns: list[ProgressColumn] = [TextColumn("{task.fields[figures]}")]
        if self._descends:
            # Newton's end is known by its bound alone: a bar of steps would promise what nobody knows.
            columns = [
                TextColumn("epoch {task.completed:,.0f} of {task.total:,.0f}"),
                BarColumn(bar_width=16),
                *columns,
            ]
        self._progress = Progress(*columns, console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        if self._live:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._progress.stop()

    def __call__(self, step: Any, held_out: Mapping[str, float]) -> None:
        """Draw this epoch, unless the last drawing is too near."""
        now = time.monotonic()
        if not self._live or now - self._drawn < self.PAUSE:
            return
        self._drawn = now
        text = f"loss {step.loss:.4f}"
        if "held_out_loss" in held_out:
            text += f", held out {held_out['held_out_loss']:.4f}"
        if math.isfinite(step.gap):
            text += f", F - F* <= {at_most(step.gap)}"
        if not self._descends:
            where = "all rows" if step.share >= 1 else f"a sample, {percent(step.share)} of the rows"
            text = f"step {step.epoch} on {where}, {step.reads:.1f} reads: {text}"
        if self._task is None:
            self._task = self._progress.add_task("", total=step.max_reads, figures=text)
        self._progress.update(self._task, completed=step.epoch, figures=text, refresh=True)
