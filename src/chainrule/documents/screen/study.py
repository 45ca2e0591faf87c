"""A study in a terminal: what was studied, its tables, its conclusion."""

import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from chainrule.documents.layout import HEADING, print_facts, print_heading, print_table, print_text
from chainrule.errors import printable as visible

if TYPE_CHECKING:
    from chainrule.studies import Study


def print_study(console: Console, study: "Study", title: str, out: Path | None) -> None:
    """Print a study; out: the file that was written."""
    print_text(console, title, style=HEADING, indent="")
    print_facts(console, study.facts())
    for table in study.tables():
        print_heading(console, table.title)
        print_table(console, table.heads, [list(row) for row in table.rows])
    print_heading(console, "What it says")
    for text in study.conclusions:
        print_text(console, text)
    if out is not None:
        console.print()
        print_facts(console, [("wrote", visible(str(out)))])


class StudyProgress:
    """A live line of a study's runs; nothing at all where stderr is no terminal."""

    PAUSE = 0.08  # seconds between two drawings

    def __init__(self, console: Console) -> None:
        self._live = console.is_terminal and not console.quiet
        self._drawn = 0.0
        self._task: TaskID | None = None
        self._progress = Progress(
            TextColumn("{task.fields[run]}: epoch {task.completed:,.0f} of {task.total:,.0f}"),
            BarColumn(bar_width=16),
            console=console,
            auto_refresh=False,
            transient=True,
        )

    def __enter__(self) -> Self:
        if self._live:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._progress.stop()

    def __call__(self, run: str, epoch: int, most: int) -> None:
        """Draw where the run is, unless the last drawing is too near."""
        now = time.monotonic()
        if not self._live or now - self._drawn < self.PAUSE:
            return
        self._drawn = now
        if self._task is None:
            self._task = self._progress.add_task("", total=most, run=run)
        self._progress.update(self._task, completed=epoch, total=most, run=run, refresh=True)
