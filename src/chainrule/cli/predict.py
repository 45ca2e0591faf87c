"""`chainrule predict`: row, probability of the positive label and class, as CSV or JSON."""

import csv
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chainrule.cli import DONE
from chainrule.cli.outputs import SCHEMA_VERSION, check_outputs, inputs_of, print_json
from chainrule.data.tables import encode
from chainrule.documents import terminal
from chainrule.model.files import write_atomically
from chainrule.model.model import load_model
from chainrule.training import predictions, read_for
from chainrule.words import visible


def run_predict(
    model_path: Path, table_path: Path, na: Sequence[str], out: Path | None, *, as_json: bool, quiet: bool
) -> int:
    """Predict every row; the probability keeps all its digits."""
    check_outputs({"--out": out}, inputs_of(model_path, table_path))
    messages = terminal.messages(quiet=quiet)
    model = load_model(model_path)
    design = encode(model.schema, read_for(model, table_path, na))
    for text in design.notes:
        terminal.note(messages, text)
    rows = predictions(model, design)
    document: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "command": "predict",
        "model": str(model_path),
        "table": str(table_path),
        "target": model.schema.target,
        "positive": model.schema.positive,
        "negative": model.schema.negative,
        "notes": list(design.notes),
        "predictions": rows,
    }
    if out is not None:
        write_atomically(out, as_csv(rows))
        terminal.note(messages, f"wrote {len(rows):,} predictions to {out}")
    if as_json:
        print_json(document)
    elif out is None:
        text = as_csv(rows)
        sys.stdout.write("\n".join(map(visible, text.split("\n"))) if sys.stdout.isatty() else text)
    return DONE


def as_csv(rows: Sequence[dict[str, Any]]) -> str:
    """Write predictions as CSV with a header; numbers so that they read back to the same bits."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["row", "probability", "class"])
    writer.writerows([entry["row"], repr(entry["probability"]), entry["class"]] for entry in rows)
    return text.getvalue()
