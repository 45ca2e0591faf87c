"""The report of a fit: a pure function from what is known about it to one HTML file.

The page loads nothing and links nowhere, needs no JavaScript, follows the reader's light or dark colours, prints, and
reads on a phone. Every name from the data is escaped by the template engine and by the pictures.
"""

from chainrule.documents.report.inputs import Coefficients, Learning, Part, ReportInputs
from chainrule.documents.report.render import ARTICLE, render_report

__all__ = ["ARTICLE", "Coefficients", "Learning", "Part", "ReportInputs", "render_report"]
