"""`chainrule evaluate`: a model against a table's known labels."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from chainrule.cli import DONE
from chainrule.cli.outputs import SCHEMA_VERSION, check_outputs, print_json
from chainrule.data.tables import encode
from chainrule.data.tables.words import counted, shown
from chainrule.documents import results, terminal
from chainrule.errors import InputError
from chainrule.model.model import load_model
from chainrule.training import figures, read_for


def run_evaluate(model_path: Path, table_path: Path, na: Sequence[str], *, as_json: bool, quiet: bool) -> int:
    """Measure the model on the rows of known label; the others are counted and said."""
    check_outputs({})
    messages = terminal.messages(quiet=quiet)
    model = load_model(model_path)
    design = encode(model.schema, read_for(model, table_path, na), need_target=True)
    y = design.y
    known = np.flatnonzero(np.isfinite(y)) if y is not None else np.array([], dtype=np.intp)
    if y is None or not len(known):
        raise InputError(
            f"{table_path} has no row with a known {shown(model.schema.target)}, so there is nothing to compare"
        )
    notes = list(design.notes)
    if len(known) < len(y):
        notes.append(f"{counted(len(y) - len(known), 'row')} without {shown(model.schema.target)} left out")
    for text in notes:
        terminal.note(messages, text)
    part = figures(model.decision(design.X[known]), y[known], None if design.weights is None else design.weights[known])
    document = {
        "schema_version": SCHEMA_VERSION,
        "command": "evaluate",
        "model": str(model_path),
        "table": str(table_path),
        "target": model.schema.target,
        "positive": model.schema.positive,
        "negative": model.schema.negative,
        "notes": notes,
        "figures": part,
    }
    if as_json:
        print_json(document)
    else:
        terminal.show(terminal.results(), results.evaluation(document))
    return DONE
