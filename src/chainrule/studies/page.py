"""A study as one HTML page, in the report's style."""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.documents.report.templates import markup, stylesheet, template
from chainrule.studies.base import Study


def study_page(study: Study, title: str, notes: Sequence[str]) -> str:
    """Render the page: no JavaScript, nothing loaded, light and dark, print."""
    panels = study.panels()
    return template("study.html.jinja").render(
        title=title,
        css=stylesheet(),
        facts=study.facts(),
        panels=[(markup(panel.draw()), panel.sentence) for panel in panels],
        tables=study.tables(),
        notes=list(dict.fromkeys(notes)),
    )
