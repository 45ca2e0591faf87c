"""Describes a study: what was studied, pictures with their conclusions, tables."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from chainrule.documents.blocks import Beside, Block, Chart, Facts, Heading, Table, bullets, say

if TYPE_CHECKING:
    from chainrule.studies import Study

CREDIT = (
    "Gradient descent as in Christoph Winkler, “Neural Networks and Logistic Regression - Backpropagation in Detail”. "
    "Distances from the optimum are proven; numbers with “about” or “≈” are estimates."
)


def of_study(study: "Study", title: str = "", out: Path | None = None) -> list[Block]:
    """Describe what a function of `chainrule.studies` returned; out: the file that was written."""
    return [
        *([Heading(title, 1)] if title else []),
        Facts(study.facts()),
        Beside([[Chart(draw), say("{it}", it=text)] for draw, text in study.panels()]),
        Table.of(*study.table()),
        *([] if out is None else [Facts([("wrote", str(out))])]),
    ]


def study_page(study: "Study", title: str, notes: Sequence[str]) -> str:
    """Write a study as one HTML page."""
    from chainrule.documents.html import as_html

    return as_html([*of_study(study), *bullets("Notes", notes), *bullets("Sources", [CREDIT])], title)
