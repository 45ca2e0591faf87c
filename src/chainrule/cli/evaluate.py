"""`chainrule evaluate`: a model against a table's known labels."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chainrule.cli import DONE
from chainrule.cli.predict import encoded
from chainrule.cli.running import check_outputs, headed, tell
from chainrule.data.encoding import Met
from chainrule.data.words import shown
from chainrule.documents import results, terminal
from chainrule.errors import InputError
from chainrule.model.model import load_model
from chainrule.training import figures
from chainrule.words import counted

Floats = NDArray[np.float64]


def run(model: Path, table: Path, *, na: Sequence[str] | None, unseen: str, as_json: bool, quiet: bool) -> int:
    """Measure the model on the rows of known label; the others are counted and said."""
    check_outputs({})
    messages = terminal.messages(quiet=quiet)
    trained = load_model(model)
    met, z, y, s, rows = Met(), list[Floats](), list[Floats](), list[Floats](), 0
    for part in encoded(trained, table, na or (), unseen, met, need_target=True):
        known = ~np.isnan(part.labels)
        z.append(trained.decision(part.design)[known])
        y.append(part.labels[known])
        s += [] if part.weights is None else [part.weights[known]]
        rows += len(known)
    notes, count = list(met.notes(trained.schema, unseen)), sum(map(len, z))
    if not count:
        raise InputError(
            f"{table} has no row with a known {shown(trained.schema.target)}, so there is nothing to compare"
        )
    found = figures(np.concatenate(z), np.concatenate(y), np.concatenate(s) if s else None)
    if count < rows:
        notes.append(f"{counted(rows - count, 'row')} without {shown(trained.schema.target)} left out")
    terminal.note(messages, *notes)
    document = headed("evaluate", trained.schema, model=model, table=table) | {
        "notes": notes,
        "figures": found,
    }
    tell(document, results.evaluation, as_json=as_json)
    return DONE
