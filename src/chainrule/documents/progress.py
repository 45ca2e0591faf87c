"""The progress of a run: one live line on stderr, and nothing if stderr is no terminal."""

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from chainrule.fitting.methods import METHODS
from chainrule.words import upward

PAUSE = 0.08  # seconds between two drawings: an epoch takes microseconds


class _Live(Progress):
    """A line of words, with a bar if the length of a run is known; redrawn at most every `PAUSE` seconds."""

    def __init__(self, console: Console, *, has_bar: bool = True) -> None:
        columns = [*[BarColumn(bar_width=16)] * has_bar, TextColumn("{task.fields[words]}", markup=False)]
        is_off = not console.is_terminal or console.quiet
        super().__init__(*columns, console=console, auto_refresh=False, transient=True, disable=is_off)
        self._drawn, self._task = 0.0, self.add_task("", visible=False, words="")

    def _draw(self, done: int, most: int, words: Callable[[], str]) -> None:
        now = time.monotonic()
        if self.disable or now - self._drawn < PAUSE:
            return
        self._drawn = now
        self.update(self._task, completed=done, total=most, visible=True, words=words(), refresh=True)


class FitProgress(_Live):
    """The line of a fit. Call it after each epoch or step, with the fit's step and the held-out figures.

    console: the console of messages. method: the run's, as `fit` names it.
    """

    def __init__(self, console: Console, method: str) -> None:
        self._method = METHODS[method]
        super().__init__(console, has_bar=not self._method.by_reads)  # nobody knows how many steps such a run needs

    def __call__(self, step: Any, held_out: Mapping[str, float]) -> None:
        """Draw this epoch, unless the last drawing is too recent."""
        self._draw(step.epoch, step.max_reads, lambda: self._words(step, held_out))

    def _words(self, step: Any, held_out: Mapping[str, float]) -> str:
        text = f"loss {step.loss:.4f}"
        text += f", held out {held_out['held_out_loss']:.4f}" if "held_out_loss" in held_out else ""
        text += f", F - F* <= {upward(step.gap)}" if math.isfinite(step.gap) else ""
        text += f", {step.status}" if step.status else ""
        where = "all rows" if step.share >= 1 else f"a sample, {100 * step.share:.1f}% of the rows"
        if self._method.by_reads:
            return f"{self._method.noun} {step.epoch} on {where}, {step.reads:.1f} reads: {text}"
        return f"{self._method.noun} {step.epoch:,} of {step.max_reads:,}: {text}"


class StudyProgress(_Live):
    """The line of a study's runs. Call it with the run's name, its epoch and its largest number of epochs."""

    def __call__(self, run: str, epoch: int, most: int) -> None:
        """Draw where the run is, unless the last drawing is too recent."""
        self._draw(epoch, most, lambda: f"{run}: epoch {epoch:,} of {most:,}")
