"""What there is to say about a study: what was studied, pictures with their conclusions, tables."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from chainrule.documents.blocks import Beside, Block, Chart, Facts, Heading, Table, bullets, say

if TYPE_CHECKING:
    from chainrule.studies import Study

CREDIT = (
    "Gradient descent as in Christoph Winkler, “Neural Networks and Logistic Regression - Backpropagation in Detail”. "
    "Distances from the optimum are proven; what is written with “about” or “≈” is an estimate."
)


def study_blocks(study: "Study", title: str, out: Path | None) -> list[Block]:
    """Tell a study in a terminal; out: the file that was written."""
    return [
        Heading(title, 1),
        Facts(study.facts()),
        _table(study),
        Heading("What it says"),
        *(say("{it}", it=text) for text in study.conclusions),
        *([] if out is None else [Facts([("wrote", str(out))])]),
    ]


def of_study(study: "Study") -> list[Block]:
    """Tell what a function of `chainrule.studies` gave."""
    sentences = [say("{it}", it=text) for text in study.conclusions]
    return [Heading(study.heading), Facts(study.facts()), *sentences, _charts(study), _table(study)]


def study_page(study: "Study", title: str, notes: Sequence[str]) -> str:
    """Tell a study as one HTML page."""
    from chainrule.documents.html import page

    return page(
        title,
        [
            Facts(study.facts()),
            _charts(study),
            _table(study),
            *bullets("Notes", notes),
            *bullets("Sources", [CREDIT]),
        ],
    )


def _charts(study: "Study") -> Block:
    return Beside([[Chart(draw, text)] for draw, text in zip(study.pictures(), study.conclusions, strict=True)])


def _table(study: "Study") -> Block:
    return Table.of(*study.table())
