"""`chainrule evaluate`: a model against a table's known labels."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from chainrule.cli import DONE
from chainrule.cli.predict import encoded_batches
from chainrule.cli.running import check_outputs, headed, tell
from chainrule.data.encoding import Met
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
    z, y, s = bytearray(), bytearray(), bytearray()  # as bytes, 9 or 17 a row: the AUC needs all of them
    met, count = Met(), 0
    for first, part in encoded_batches(trained, table, na or (), unseen, met, need_target=True):
        known = ~np.isnan(part.labels)
        z += trained.decision(part.design)[known].tobytes()
        y += (part.labels[known] > 0.0).tobytes()
        s += b"" if part.weights is None else part.weights[known].tobytes()
        count = first + part.design.m
    if not y:
        raise InputError(
            f"{table} has no row with a known {shown(trained.schema.target)}, so there is nothing to compare"
        )
    ones = np.frombuffer(y, dtype=np.bool_).astype(np.float64)
    found = figures(np.frombuffer(z), ones, np.frombuffer(s) if s else None)
    notes = list(met.notes(trained.schema, unseen))
    if len(y) < count:
        notes.append(f"{counted(count - len(y), 'row')} without {shown(trained.schema.target)} left out")
    for text in notes:
        terminal.note(messages, text)
    document = headed("evaluate", trained.schema, model=model, table=table) | {
        "notes": notes,
        "figures": found,
    }
    tell(document, results.evaluation, as_json=as_json)
    return DONE
