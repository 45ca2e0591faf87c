"""`chainrule evaluate`: a model against a table's known labels."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from chainrule.cli import DONE
from chainrule.cli.predict import scored
from chainrule.cli.running import check_outputs, headed, tell
from chainrule.data.words import shown
from chainrule.documents import results, terminal
from chainrule.errors import InputError
from chainrule.model.model import load_model
from chainrule.training import figures
from chainrule.words import counted


def run(model: Path, table: Path, *, na: Sequence[str] | None, unseen: str, as_json: bool, quiet: bool) -> int:
    """Measure the model on the rows of known label; the others are counted and said."""
    check_outputs({})
    messages = terminal.messages(quiet=quiet)
    trained = load_model(model)
    z, y, s, told = scored(trained, table, na or (), unseen, need_target=True)
    known, notes = np.zeros(len(z), dtype=np.bool_) if y is None else ~np.isnan(y), list(told)
    if y is None or not known.any():
        raise InputError(
            f"{table} has no row with a known {shown(trained.schema.target)}, so there is nothing to compare"
        )
    found = figures(z[known], y[known], None if s is None else s[known])
    if not known.all():
        notes.append(f"{counted(int((~known).sum()), 'row')} without {shown(trained.schema.target)} left out")
    terminal.note(messages, *notes)
    document = headed("evaluate", trained.schema, model=model, table=table) | {
        "notes": notes,
        "figures": found,
    }
    tell(document, results.evaluation, as_json=as_json)
    return DONE
