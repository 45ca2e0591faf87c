"""A study as one HTML page in the report's style, and as a part of a notebook."""

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from chainrule.documents.report.templates import markup, stylesheet, template

if TYPE_CHECKING:
    from chainrule.studies import Study


def study_page(study: "Study", title: str, notes: Sequence[str]) -> str:
    """Render the page: no JavaScript, nothing loaded, light and dark, print."""
    return template("study.html.jinja").render(
        title=title,
        css=stylesheet(),
        facts=study.facts(),
        panels=[(markup(draw()), text) for draw, text in zip(study.pictures(), study.conclusions, strict=True)],
        table=study.table(),
        notes=list(dict.fromkeys(notes)),
    )


def study_fragment(study: "Study") -> str:
    """Render pictures, conclusion and table to stand among others."""
    heads, rows = study.table()
    lines = [("th", heads), *(("td", row) for row in rows)]
    cells = "".join(f"<tr>{''.join(f'<{tag}>{escape(cell)}</{tag}>' for cell in row)}</tr>" for tag, row in lines)
    return f"{study.svg()}<table>{cells}</table>"
