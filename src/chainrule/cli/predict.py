"""`chainrule predict`: row, probability of the positive label and class, as CSV or JSON."""

import csv
import io
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chainrule.cli import DONE
from chainrule.cli.running import check_outputs, headed, print_json
from chainrule.data.encoding import UNSEEN, Met
from chainrule.data.files import read_batches
from chainrule.data.inputs import choice
from chainrule.data.tables import encode_table
from chainrule.documents import terminal
from chainrule.model.files import write_atomically
from chainrule.model.model import Model, load_model, trace_path
from chainrule.training import predictions
from chainrule.words import visible

Floats = NDArray[np.float64]

AT_ONCE = 1 << 16  # rows that are written together


def scored(
    model: Model, table: Path, na: Sequence[str], unseen: str, *, need_target: bool = False
) -> tuple[Floats, Floats | None, Floats | None, tuple[str, ...]]:
    """Read a table some rows at a time; give the log-odds, classes and weights of all rows, and notes."""
    choice("--unseen", unseen, UNSEEN)
    met, first = Met(), 0
    z, y, s = list[Floats](), list[Floats](), list[Floats]()
    for batch in read_batches(table, model.schema, na=(*model.info.get("na", ()), *na)):
        part = encode_table(model.schema, batch, need_target=need_target, unseen=unseen, met=met, first=first)
        z.append(model.decision(part.design))
        y += [] if part.y is None else [part.y]
        s += [] if part.weights is None else [part.weights]
        first += part.design.m
    classes, weights = (np.concatenate(parts) if parts else None for parts in (y, s))
    return np.concatenate(z), classes, weights, met.notes(model.schema, unseen)


def run(
    model: Path, table: Path, *, out: Path | None, na: Sequence[str] | None, unseen: str, as_json: bool, quiet: bool
) -> int:
    """Predict every row; the probability keeps all its digits. Nothing is written before the last row is predicted."""
    trained = load_model(model)
    check_outputs({"--out": out}, [model, trace_path(model), table])
    messages = terminal.messages(quiet=quiet)
    z, _, _, notes = scored(trained, table, na or (), unseen)
    terminal.note(messages, *notes)
    if out is not None:
        write_atomically(out, _csv(trained, z))
        terminal.note(messages, f"wrote {len(z):,} predictions to {out}")
    if as_json:
        told = {"notes": notes, "predictions": predictions(trained, z, np.arange(1, len(z) + 1))}
        print_json(headed("predict", trained.schema, model=model, table=table) | told)
    elif out is None:
        for piece in _csv(trained, z):
            sys.stdout.write("\n".join(map(visible, piece.split("\n"))) if sys.stdout.isatty() else piece)
    return DONE


def _csv(model: Model, z: Floats) -> Iterator[str]:
    yield "row,probability,class\n"
    for first in range(0, len(z), AT_ONCE):
        some = z[first : first + AT_ONCE]
        lines = io.StringIO()
        rows = predictions(model, some, np.arange(first + 1, first + len(some) + 1))
        csv.writer(lines, lineterminator="\n").writerows(row.values() for row in rows)
        yield lines.getvalue()
