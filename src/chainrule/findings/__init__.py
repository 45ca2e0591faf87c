"""What there is to say about a run, as data: a code and its values.

Each code has one sentence in these modules, worded for two interfaces (`Front`): Python's users read ``max_reads=200``, users
of the command line ``--max-reads 200``. What a user can do about a problem is a list of ways out, each with its value.
"""

from collections.abc import Iterable

from chainrule.findings import kinds, runs, structure
from chainrule.findings.finding import (
    HEADS,
    PYTHON,
    SENTENCES,
    SHELL,
    TOLD_FIRST,
    WARNINGS,
    Finding,
    Front,
    Said,
    Way,
    said_by,
    say,
    two_fronts,
    warn_of,
    warnings_as,
    ways_out,
)
from chainrule.findings.structure import factor_of, linear_text

SENTENCES |= {**runs.SENTENCES, **structure.SENTENCES, **kinds.SENTENCES}
HEADS |= structure.HEADS


def of_columns(findings: Iterable[Finding]) -> tuple[str, ...]:
    """Say what a table's columns were taken for, where no warning says it."""
    return tuple(str(found) for found in findings if found.code in kinds.SENTENCES and found.warning is None)


__all__ = [
    "HEADS", "PYTHON", "SENTENCES", "SHELL", "TOLD_FIRST", "WARNINGS", "Finding", "Front", "Said", "Way",
    "factor_of", "linear_text", "of_columns", "said_by", "say", "two_fronts", "warn_of", "warnings_as", "ways_out",
]  # fmt: skip
