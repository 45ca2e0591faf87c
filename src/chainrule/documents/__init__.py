"""Describes results as lists of blocks, and renders these for terminal, HTML and notebook.

`shown` makes the blocks of any object that displays itself. A result's document (`to_dict()`) is its JSON.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chainrule.documents.blocks import Block


def shown(result: Any) -> "Sequence[Block]":
    """Make the blocks that describe a `Result`, `Model`, `Certificate`, `Trace`, `RowExplanation` or study."""
    from chainrule.documents import results, rows, studies

    makers = {"Result": results.of_result, "Model": results.of_model, "Certificate": results.of_certificate,
              "Trace": results.of_trace, "RowExplanation": rows.of_explanation}  # fmt: skip
    return makers.get(type(result).__name__, lambda study: studies.of_study(study, study.heading))(result)
