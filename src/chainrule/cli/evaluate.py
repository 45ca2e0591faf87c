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
from chainrule.training import Floats, figures
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
    parts: list[tuple[Floats, Floats, Floats | None]] = []
    met, count = Met(), 0
    for first, part in encoded_batches(model, table_path, na, unseen, met, need_target=True):
        known = ~np.isnan(part.labels)
        z, s = model.decision(part.design)[known], part.weights
        parts.append((z, part.labels[known], None if s is None else s[known]))
        count = first + part.design.m
    z, y = (np.concatenate([part[k] for part in parts]) for k in (0, 1))
    weights = None if met.no_weights else [part[2] for part in parts if part[2] is not None]
    if not len(y):
        raise InputError(
            f"{table_path} has no row with a known {shown(model.schema.target)}, so there is nothing to compare"
        )
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
        "figures": figures(z, y, np.concatenate(weights) if weights else None),
    }
    if as_json:
        print_json(document)
    else:
        terminal.show(terminal.results(), results.evaluation(document))
    return DONE
