"""Describes a study: what was studied, pictures with their conclusions, tables."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from chainrule.documents.blocks import Beside, Block, Chart, Facts, Heading, Table, bullets, say

if TYPE_CHECKING:
    from chainrule.studies import Study
    from chainrule.studies.study import Panel

CREDIT = (
    "Gradient descent as in Christoph Winkler, “Neural Networks and Logistic Regression - Backpropagation in Detail”. "
    "Distances from the optimum are proven; numbers with “about” or “≈” are estimates."
)


def of_study(study: "Study", title: str = "", out: Path | None = None, more: Sequence[Block] = ()) -> list[Block]:
    """Describe what a function of `chainrule.studies` returned; out: the file that was written; more: what follows."""
    panels, table = study.panels(), Table.of(*study.table())
    small = [_drawn(panel) for panel in panels if not panel.is_wide]
    lead, *last = [_drawn(panel) if panel.is_wide else [] for panel in panels]
    beside = [Beside([*small, [table]])] if len(small) == 1 else [Beside([*small, [table], more])]
    return [
        *([Heading(title, 1)] if title else []),
        Facts(study.facts()),
        *lead,
        *beside,
        *(block for of in last for block in of),
        *(more if len(small) == 1 else []),
        *([] if out is None else [Facts([("wrote", str(out))])]),
    ]


def _drawn(panel: "Panel") -> list[Block]:
    from chainrule.charts.canvas import WIDE

    wide = partial(panel.draw, width=WIDE) if panel.is_wide else None
    chart = Chart(panel.draw, "" if panel.is_conclusion else say("{it}", it=panel.says), wide)
    return [chart, say("{it}", it=panel.says)] if panel.is_conclusion else [chart]


def study_page(study: "Study", title: str, notes: Sequence[str]) -> str:
    """Write a study as one HTML page."""
    from chainrule.documents.html import as_html

    return as_html(of_study(study, more=[*bullets("Notes", notes), *bullets("Sources", [CREDIT])]), title)
