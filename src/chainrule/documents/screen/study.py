"""A study in a terminal: what was studied, its table, its conclusion."""

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from chainrule.documents.layout import HEADING, print_facts, print_heading, print_table, print_text, visible

if TYPE_CHECKING:
    from chainrule.studies import Study


def print_study(console: Console, study: "Study", title: str, out: Path | None) -> None:
    """Print a study; out: the file that was written."""
    print_text(console, title, style=HEADING, indent="")
    print_facts(console, study.facts())
    print_heading(console, "The runs")
    print_table(console, *study.table())
    print_heading(console, "What it says")
    print_text(console, study.conclusion)
    if out is not None:
        console.print()
        print_facts(console, [("wrote", visible(str(out)))])


class StudyProgress(Progress):
    """A live line of a study's runs; nothing at all where stderr is no terminal."""

    def __init__(self, console: Console) -> None:
        columns = (TextColumn("{task.description}: epoch {task.completed:,.0f} of {task.total:,.0f}"), BarColumn(16))
        hidden = not console.is_terminal or console.quiet
        super().__init__(*columns, console=console, transient=True, disable=hidden)

    def __call__(self, run: str, epoch: int, most: int) -> None:
        """Tell where the run is; it is drawn ten times a second."""
        if not self.task_ids:
            self.add_task(run)
        self.update(self.task_ids[0], completed=epoch, total=most, description=run)
