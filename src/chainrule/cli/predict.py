"""`chainrule predict`: row, probability of the positive label and class, as CSV or JSON."""

import csv
import io
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import IO

import numpy as np

from chainrule.cli import DONE
from chainrule.cli.running import check_outputs, headed
from chainrule.data.encoding import UNSEEN, Met
from chainrule.data.files import read_batches
from chainrule.data.inputs import choice
from chainrule.data.tables import Encoded, encode_table
from chainrule.documents import terminal
from chainrule.losses import sigmoid
from chainrule.model.files import write_atomically
from chainrule.model.model import Model, load_model, trace_path
from chainrule.words import visible

IN_MEMORY = 1 << 22  # bytes of log-odds; more wait on the disk until the last row is predicted


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
    met = Met()
    with tempfile.SpooledTemporaryFile(IN_MEMORY) as kept:
        for _, part in encoded_batches(trained, table, na or (), unseen, met):
            kept.write(trained.decision(part.design).tobytes())
        count = kept.tell() // 8
        notes = met.notes(trained.schema, unseen)
        for text in notes:
            terminal.note(messages, text)
        labels = [trained.schema.negative, trained.schema.positive]
        if out is not None:
            write_atomically(out, _csv(kept, labels))
            terminal.note(messages, f"wrote {count:,} predictions to {out}")
        if as_json:
            document = headed("predict", trained.schema, model=model, table=table) | {"notes": list(notes)}
            sys.stdout.write(json.dumps(document, indent=2).removesuffix("\n}") + ',\n  "predictions": [')
            for row, probability, label in chain.from_iterable(_told(kept, labels)):
                told = json.dumps({"row": row, "probability": probability, "class": label})
                sys.stdout.write(f"{',' * (row > 1)}\n    {told}")
            sys.stdout.write("\n  ]\n}\n")
        elif out is None:
            for piece in _csv(kept, list(map(visible, labels)) if sys.stdout.isatty() else labels):
                sys.stdout.write(piece)
    return DONE


def _told(kept: IO[bytes], labels: Sequence[str]) -> Iterator[Iterator[tuple[int, float, str]]]:
    """Give number, probability and class of the rows whose log-odds were kept, some at a time."""
    kept.seek(0)
    first = 1
    while some := kept.read(1 << 16):
        z = np.frombuffer(some)
        classes = [labels[is_one] for is_one in (z > 0).tolist()]
        yield zip(range(first, first + len(z)), sigmoid(z).tolist(), classes, strict=True)
        first += len(z)


def _csv(kept: IO[bytes], labels: Sequence[str]) -> Iterator[str]:
    yield "row,probability,class\n"
    for rows in _told(kept, [_cell(label) for label in labels]):
        yield "".join([f"{row},{probability!r},{cell}\n" for row, probability, cell in rows])


def _cell(label: str) -> str:
    """Write a label as a cell of CSV."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow([label])
    return line.getvalue()
