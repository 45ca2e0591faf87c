"""`chainrule predict`: row, probability of the positive label and class, as CSV or JSON."""

import csv
import io
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from chainrule.cli import DONE
from chainrule.cli.running import check_outputs, headed
from chainrule.data.encoding import UNSEEN, Met
from chainrule.data.files import read_batches
from chainrule.data.inputs import choice
from chainrule.data.tables import Encoded, encode_table
from chainrule.documents import terminal
from chainrule.model.files import write_atomically
from chainrule.model.model import Model, load_model, trace_path
from chainrule.training import predictions
from chainrule.words import plain, visible

AT_ONCE = 1 << 13  # rows that are written together


def encoded(
    model: Model, table: Path, na: Sequence[str], unseen: str, met: Met, *, need_target: bool = False
) -> Iterator[Encoded]:
    """Read and encode a table for the model in batches of rows; met: counts what the model did not see in training."""
    choice("--unseen", unseen, UNSEEN)
    first = 0
    for batch in read_batches(table, model.schema, na=(*model.info.get("na", ()), *na)):
        part = encode_table(model.schema, batch, need_target=need_target, unseen=unseen, met=met, first=first)
        yield part
        first += part.blocks.m


def run(
    model: Path, table: Path, *, out: Path | None, na: Sequence[str], unseen: str, as_json: bool, quiet: bool
) -> int:
    """Predict every row; the probability keeps all its digits. Nothing is written before the last row is predicted."""
    trained = load_model(model)
    check_outputs({"--out": out}, [model, trace_path(model), table])
    messages, met, count = terminal.messages(quiet=quiet), Met(), 0
    with tempfile.TemporaryFile() as kept:  # log-odds are kept on disk, so that memory doesn't grow with the rows
        for part in encoded(trained, table, na, unseen, met):
            z = trained.decision(part.blocks)
            kept.write(z.tobytes())
            count += len(z)
        notes = met.notes(trained.schema, unseen)
        terminal.note(messages, *notes)
        if out is not None:
            write_atomically(out, _csv(trained, kept))
            terminal.note(messages, f"wrote {count:,} predictions to {out}")
        if as_json:
            document = headed("predict", trained.schema, model=model, table=table) | {"notes": notes}
            for piece in _json(document, _predictions(trained, kept)):
                sys.stdout.write(piece)
        elif out is None:
            for piece in _csv(trained, kept):
                sys.stdout.write("\n".join(map(visible, piece.split("\n"))) if sys.stdout.isatty() else piece)
    return DONE


def _predictions(model: Model, kept: IO[bytes]) -> Iterator[list[dict[str, Any]]]:
    """Read the kept log-odds from the first on, and yield the predictions in batches of rows."""
    kept.seek(0)
    first = 1
    while len(z := np.frombuffer(kept.read(8 * AT_ONCE))):
        yield predictions(model, z, np.arange(first, first + len(z)))
        first += len(z)


def _csv(model: Model, kept: IO[bytes]) -> Iterator[str]:
    yield "row,probability,class\n"
    for rows in _predictions(model, kept):
        lines = io.StringIO()
        csv.writer(lines, lineterminator="\n").writerows(row.values() for row in rows)
        yield lines.getvalue()


def _json(document: dict[str, Any], pieces: Iterator[list[dict[str, Any]]]) -> Iterator[str]:
    """Write a document whose last entry is a long list of predictions, one row per line."""
    yield json.dumps(plain(document), indent=2).removesuffix("\n}") + ',\n  "predictions": ['
    between = "\n    "
    for rows in pieces:
        yield between + ",\n    ".join(map(json.dumps, rows))
        between = ",\n    "
    yield "\n  ]\n}\n"
