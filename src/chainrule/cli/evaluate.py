"""`chainrule evaluate`: a model against a table's known labels."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from chainrule.cli.predict import encoded
from chainrule.cli.running import Voice, check_outputs, headed
from chainrule.data.encoding import Met
from chainrule.data.files import Source
from chainrule.data.words import shown
from chainrule.documents import results
from chainrule.errors import InputError
from chainrule.fitting.metrics import figures
from chainrule.model.model import load_model
from chainrule.words import counted


def run(model: Path, table: Source, *, na: Sequence[str], unseen: str, voice: Voice) -> None:
    """Measure the model on the rows of known label; a note counts the others."""
    check_outputs({})
    trained, met = load_model(model), Met()
    parts = [
        (trained.decision(part.blocks), part.y, part.weights)
        for part in encoded(trained, table, na, unseen, met, need_target=True)
    ]
    z, y = np.concatenate([z for z, _, _ in parts]), np.concatenate([y for _, y, _ in parts])
    weights = [s for _, _, s in parts if s is not None]
    notes, known, target = list(met.notes(trained.schema, unseen)), ~np.isnan(y), shown(trained.schema.target)
    if not known.any():
        raise InputError(f"{table} has no row with a known {target}, so there is nothing to compare")
    found = figures(z[known], y[known], np.concatenate(weights)[known] if weights else None)
    if not known.all():
        notes.append(f"{counted(int(np.count_nonzero(~known)), 'row')} without {target} left out")
    voice.note(*notes)
    document = headed("evaluate", trained.schema, model=model, table=table) | {"notes": notes, "figures": found}
    voice.tell(document, results.evaluation)
