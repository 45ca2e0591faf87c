"""`chainrule evaluate`: a model against a table's known labels."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from chainrule.cli import DONE, SCHEMA_VERSION
from chainrule.cli.outputs import check_outputs, print_json
from chainrule.cli.predict import encoded_batches
from chainrule.data.encoding import Met
from chainrule.data.words import shown
from chainrule.documents import results, terminal
from chainrule.errors import InputError
from chainrule.model.model import load_model
from chainrule.training import figures
from chainrule.words import counted


def run_evaluate(
    model_path: Path,
    table_path: Path,
    na: Sequence[str],
    unseen: str = "reference",
    *,
    as_json: bool,
    quiet: bool,
) -> int:
    """Measure the model on the rows of known label; the others are counted and said."""
    check_outputs({})
    messages = terminal.messages(quiet=quiet)
    model = load_model(model_path)
    z, y, s = bytearray(), bytearray(), bytearray()  # as bytes, 9 or 17 a row: the AUC needs all of them
    met, count = Met(), 0
    for first, part in encoded_batches(model, table_path, na, unseen, met, need_target=True):
        known = ~np.isnan(part.labels)
        z += model.decision(part.design)[known].tobytes()
        y += (part.labels[known] > 0.0).tobytes()
        s += b"" if part.weights is None else part.weights[known].tobytes()
        count = first + part.design.m
    if not y:
        raise InputError(
            f"{table_path} has no row with a known {shown(model.schema.target)}, so there is nothing to compare"
        )
    ones = np.frombuffer(y, dtype=np.bool_).astype(np.float64)
    found = figures(np.frombuffer(z), ones, np.frombuffer(s) if s else None)
    notes = list(met.notes(model.schema, unseen))
    if len(y) < count:
        notes.append(f"{counted(count - len(y), 'row')} without {shown(model.schema.target)} left out")
    for text in notes:
        terminal.note(messages, text)
    document = {
        "schema_version": SCHEMA_VERSION,
        "command": "evaluate",
        "model": str(model_path),
        "table": str(table_path),
        "target": model.schema.target,
        "positive": model.schema.positive,
        "negative": model.schema.negative,
        "notes": notes,
        "figures": found,
    }
    if as_json:
        print_json(document)
    else:
        terminal.show(terminal.results(), results.evaluation(document))
    return DONE
