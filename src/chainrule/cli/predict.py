"""`chainrule predict`: row, probability of the positive label and class, as CSV or JSON."""

import csv
import io
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from chainrule.cli.running import Voice, check_outputs, headed
from chainrule.data.encoding import UNSEEN, Met
from chainrule.data.files import read_batches
from chainrule.data.inputs import choice
from chainrule.data.tables import Encoded, encode_table
from chainrule.findings import Finding, say
from chainrule.losses import sigmoid
from chainrule.model.files import write_atomically
from chainrule.model.model import UNDETERMINED, Model, load_model, trace_path
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


def run(model: Path, table: Path, *, out: Path | None, na: Sequence[str], unseen: str, voice: Voice) -> None:
    """Predict every row; the probability keeps all its digits. Nothing is written before the last row is predicted."""
    trained = load_model(model)
    check_outputs({"--out": out}, [model, trace_path(model), table])
    met, count, open_rows = Met(), 0, 0
    with tempfile.TemporaryFile() as kept:  # log-odds are kept on disk, so that memory doesn't grow with the rows
        for part in encoded(trained, table, na, unseen, met):
            z = trained.predicted(part.blocks, trained.decision(part.blocks))
            open_rows += int(np.isnan(z).sum())
            kept.write(z.tobytes())
            count += len(z)
        notes = [
            *met.notes(trained.schema, unseen),
            *[say(Finding("undetermined", {"rows": open_rows}))] * bool(open_rows),
        ]
        voice.note(*notes)
        if out is not None:
            write_atomically(out, _csv(trained, kept))
            voice.note(f"wrote {count:,} predictions to {out}")
        if voice.as_json:
            document = headed("predict", trained.schema, model=model, table=table) | {"notes": notes}
            for piece in _json(document, trained, kept):
                sys.stdout.write(piece)
        elif out is None:
            for piece in _csv(trained, kept):
                sys.stdout.write("\n".join(map(visible, piece.split("\n"))) if sys.stdout.isatty() else piece)


def _lines(
    model: Model, kept: IO[bytes], entry: str, spell: Callable[[str], str], nothing: str = ""
) -> Iterator[list[str]]:
    """Read the kept log-odds from the first on, and write each row as an entry of its number, probability and class.

    nothing : stands for an undetermined probability.
    """
    labels = spell(model.schema.negative), spell(model.schema.positive), spell(UNDETERMINED)
    kept.seek(0)
    first = 1
    while len(z := np.frombuffer(kept.read(8 * AT_ONCE))):
        told = zip(sigmoid(z).tolist(), np.where(np.isnan(z), 2, z > 0).tolist(), strict=True)
        yield [entry % (row, repr(g) if g == g else nothing, labels[k]) for row, (g, k) in enumerate(told, first)]
        first += len(z)


def _csv(model: Model, kept: IO[bytes]) -> Iterator[str]:
    yield "row,probability,class\n"
    for lines in _lines(model, kept, "%d,%s,%s\n", _cell):
        yield "".join(lines)


def _cell(label: str) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow([label])
    return text.getvalue()


def _json(document: dict[str, Any], model: Model, kept: IO[bytes]) -> Iterator[str]:
    """Write a document whose last entry is a long list of predictions, one row per line."""
    yield json.dumps(plain(document), indent=2).removesuffix("\n}") + ',\n  "predictions": ['
    between = "\n    "
    for entries in _lines(model, kept, '{"row": %d, "probability": %s, "class": %s}', json.dumps, "null"):
        yield between + ",\n    ".join(entries)
        between = ",\n    "
    yield "\n  ]\n}\n"
