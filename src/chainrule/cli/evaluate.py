"""`chainrule evaluate`: a model against a table's known labels."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from chainrule.cli import DONE
from chainrule.cli.predict import encoded_batches
from chainrule.cli.running import check_outputs, headed, tell
from chainrule.data.encoding import Met
from chainrule.data.tables import notes_of
from chainrule.data.words import shown
from chainrule.documents import results, terminal
from chainrule.errors import InputError
from chainrule.model.model import load_model
from chainrule.training import Floats, figures
from chainrule.words import counted


def run(model: Path, table: Path, *, na: Sequence[str] | None, unseen: str, as_json: bool, quiet: bool) -> int:
    """Measure the model on the rows of known label; the others are counted and said."""
    check_outputs({})
    messages = terminal.messages(quiet=quiet)
    trained = load_model(model)
    parts: list[tuple[Floats, Floats, Floats | None]] = []
    met, count = Met(), 0
    for first, part in encoded_batches(trained, table, na or (), unseen, met, need_target=True):
        known = ~np.isnan(part.labels)
        z, s = trained.decision(part.design)[known], part.weights
        parts.append((z, part.labels[known], None if s is None else s[known]))
        count = first + part.design.m
    z, y = (np.concatenate([part[k] for part in parts]) for k in (0, 1))
    weights = None if met.no_weights else [part[2] for part in parts if part[2] is not None]
    if not len(y):
        raise InputError(
            f"{table} has no row with a known {shown(trained.schema.target)}, so there is nothing to compare"
        )
    notes = notes_of(trained.schema, met, unseen)
    if len(y) < count:
        notes.append(f"{counted(count - len(y), 'row')} without {shown(trained.schema.target)} left out")
    for text in notes:
        terminal.note(messages, text)
    document = headed("evaluate", trained.schema, model=model, table=table) | {
        "notes": notes,
        "figures": figures(z, y, np.concatenate(weights) if weights else None),
    }
    tell(document, results.evaluation, as_json=as_json)
    return DONE
