"""`chainrule predict`: row, probability of the positive label and class, as CSV or JSON."""

import csv
import io
import json
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from chainrule.cli import DONE
from chainrule.cli.running import check_outputs, headed
from chainrule.data.encoding import UNSEEN, Met
from chainrule.data.files import read_batches
from chainrule.data.inputs import choice
from chainrule.data.tables import Encoded, encode_table, notes_of
from chainrule.documents import terminal
from chainrule.losses import sigmoid
from chainrule.model.files import write_atomically
from chainrule.model.model import Model, load_model, trace_path
from chainrule.words import visible

HEADER = "row,probability,class\n"
IN_MEMORY = 1 << 24  # characters of predictions; more wait on the disk until the last row is predicted


def encoded_batches(
    model: Model, table: Path, na: Sequence[str], unseen: str, met: Met, *, need_target: bool = False
) -> Iterator[tuple[int, Encoded]]:
    """Read a table as the model does, some rows at a time: the number of rows before, and these."""
    choice("--unseen", unseen, UNSEEN)
    first = 0
    for batch in read_batches(table, model.schema, na=(*model.info.get("na", ()), *na)):
        part = encode_table(model.schema, batch, need_target=need_target, unseen=unseen, met=met, first=first)
        yield first, part
        first += part.design.m


def run(
    model: Path, table: Path, *, out: Path | None, na: Sequence[str] | None, unseen: str, as_json: bool, quiet: bool
) -> int:
    """Predict every row; the probability keeps all its digits. Nothing is written before the last row is predicted."""
    trained = load_model(model)
    check_outputs({"--out": out}, [model, trace_path(model), table])
    messages = terminal.messages(quiet=quiet)
    labels = [_cell(trained.schema.negative), _cell(trained.schema.positive)]
    met, count = Met(), 0
    with tempfile.SpooledTemporaryFile(IN_MEMORY, "w+", encoding="utf-8", newline="") as kept:
        for first, part in encoded_batches(trained, table, na or (), unseen, met):
            z = trained.decision(part.design)
            count = first + len(z)
            told = zip(range(first + 1, count + 1), sigmoid(z).tolist(), (z > 0).tolist(), strict=True)
            kept.write("".join([f"{row},{probability!r},{labels[is_one]}\n" for row, probability, is_one in told]))
        notes = notes_of(trained.schema, met, unseen)
        for text in notes:
            terminal.note(messages, text)
        if out is not None:
            write_atomically(out, _pieces(kept))
            terminal.note(messages, f"wrote {count:,} predictions to {out}")
        if as_json:
            kept.seek(0)
            _print_json(
                headed("predict", trained.schema, model=model, table=table) | {"notes": notes}, csv.reader(kept)
            )
        elif out is None:
            hide = visible if sys.stdout.isatty() else str
            for piece in _pieces(kept):
                sys.stdout.write("\n".join(map(hide, piece.split("\n"))))
    return DONE


def _cell(label: str) -> str:
    """Write a label as a cell of CSV."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow([label])
    return line.getvalue()


def _pieces(kept: Any) -> Iterator[str]:
    """Give the header and what was kept, from its beginning."""
    kept.seek(0)
    yield HEADER
    while piece := kept.read(1 << 20):
        yield piece


def _print_json(document: dict[str, Any], rows: Iterable[list[str]]) -> None:
    """Print the document of the predictions, row by row."""
    sys.stdout.write(json.dumps(document, indent=2).removesuffix("\n}") + ',\n  "predictions": [')
    between = "\n    "
    for row, probability, label in rows:
        told = {"row": int(row), "probability": float(probability), "class": label}
        sys.stdout.write(between + json.dumps(told))
        between = ",\n    "
    sys.stdout.write("\n  ]\n}\n")
