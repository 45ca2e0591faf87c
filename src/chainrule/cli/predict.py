"""`chainrule predict`: row, probability of the positive label and class, as CSV or JSON."""

import csv
import io
import json
import math
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from chainrule.cli.running import Voice, check_outputs, headed
from chainrule.data.encoding import UNSEEN, Met
from chainrule.data.files import Source, read_batches, read_cells
from chainrule.data.inputs import choice
from chainrule.data.tables import Encoded, encode_table
from chainrule.data.words import check_name, column_names, shown
from chainrule.errors import InputError
from chainrule.findings import Finding, say
from chainrule.losses import sigmoid
from chainrule.model.files import write_atomically
from chainrule.model.model import UNDETERMINED, Model, load_model, trace_path
from chainrule.words import plain, visible

AT_ONCE = 1 << 13  # rows that are written together
OWN = ("row", "probability", "class")  # columns of the output
FEWEST, MOST, ALL = 3, 6, 17  # digits of a probability by default, and those that keep every bit
Log = IO[bytes]


def encoded(
    model: Model, table: Source, na: Sequence[str], unseen: str, met: Met, *, need_target: bool = False
) -> Iterator[Encoded]:
    """Read and encode a table for the model in batches of rows; met: counts what the model did not see in training."""
    choice("--unseen", unseen, UNSEEN)
    first, missing = 0, (*model.info.get("na", ()), *na)
    usual = model.info.get("written")
    for batch in read_batches(table, model.schema, na=missing, usual=usual, need_target=need_target):
        part = encode_table(model.schema, batch, need_target=need_target, unseen=unseen, met=met, first=first)
        yield part
        first += part.blocks.m


def run(
    model: Path,
    table: Source,
    *,
    out: Path | None,
    na: Sequence[str],
    unseen: str,
    keep: Sequence[str] | None,
    digits: int | None,
    voice: Voice,
) -> None:
    """Predict every row. Nothing is written before the last row is predicted."""
    trained = load_model(model)
    check_outputs({"--out": out}, [model, trace_path(model), *table.paths])
    kept = _kept(table, keep or (), trained)
    met, count, open_rows = Met(), 0, 0
    with tempfile.TemporaryFile() as log:  # log-odds are kept on disk, so that memory doesn't grow with the rows
        for part in encoded(trained, table, na, unseen, met):
            z = trained.predicted(part.blocks, trained.decision(part.blocks))
            open_rows += int(np.isnan(z).sum())
            log.write(z.tobytes())
            count += len(z)
        notes = [
            *met.notes(trained.schema, unseen),
            *[say(Finding("undetermined", {"rows": open_rows}))] * bool(open_rows),
        ]
        voice.note(*notes)
        rows = Rows(trained, log, table, kept, digits or proven_digits(trained))
        if out is not None:
            write_atomically(out, rows.csv())
            voice.note(f"wrote {count:,} predictions to {out}")
        if voice.as_json:
            document = headed("predict", trained.schema, model=model, table=table) | {"notes": notes}
            for piece in rows.json(document):
                sys.stdout.write(piece)
        elif out is None:
            for piece in rows.csv():
                sys.stdout.write("\n".join(map(visible, piece.split("\n"))) if sys.stdout.isatty() else piece)


def _kept(table: Source, keep: Sequence[str], model: Model) -> list[str]:
    """Name the columns to carry over. Raises InputError for unknown ones, and for names that the output has."""
    if not keep:
        return []
    there = table.column_names(model.info.get("written"))
    names = list(dict.fromkeys(column_names(keep, there)))
    for name in names:
        check_name(name, Counter(there))
    taken = next((name for name in names if name in OWN), None)
    if taken is not None:
        raise InputError(f"--keep {shown(taken)}: the output has its own column of this name; rename it in the table")
    return names


def proven_digits(model: Model) -> int:
    """How many digits of a probability mean something.

    By the proven gap F - F* >= 0, the training rows' probabilities are within sqrt(gap / 2) of those of the optimum, in the
    root mean square (the mean Kullback-Leibler divergence is at most the gap; then Pinsker's inequality).
    """
    gap = (model.info.get("certificate") or {}).get("gap")
    if gap is None:
        return FEWEST
    error = math.sqrt(max(gap, 1e-300) / 2)
    return min(max(math.floor(-math.log10(error)), FEWEST), MOST)


class Rows:
    """The predictions, as they are written.

    Parameters
    ----------
    model : Model
    log : file
        Log-odds of all rows, float64.
    table : Source
    kept : sequence of str
        Columns of the table that are written too, as text.
    digits : int
        Significant digits of the smaller of p and 1 - p.
    """

    def __init__(self, model: Model, log: Log, table: Source, kept: Sequence[str], digits: int) -> None:
        self._model, self._log, self._table, self._kept, self._digits = model, log, table, kept, digits

    def csv(self) -> Iterator[str]:
        """Write CSV, some rows at a time."""
        yield _lines([(OWN[0], *self._kept, *OWN[1:])])
        labels = self._model.schema.negative, self._model.schema.positive, UNDETERMINED
        for first, cells, p, classes in self._parts():
            rows = range(first, first + len(p))
            yield _lines(zip(rows, *cells, p, [labels[k] for k in classes], strict=True))

    def json(self, document: dict[str, Any]) -> Iterator[str]:
        """Write a document whose last entry is the long list of predictions, one row per line."""
        yield json.dumps(plain(document), indent=2).removesuffix("\n}") + ',\n  "predictions": ['
        labels = [
            json.dumps(label) for label in (self._model.schema.negative, self._model.schema.positive, UNDETERMINED)
        ]
        names = [json.dumps(name) for name in self._kept]
        between = "\n    "
        for first, cells, p, classes in self._parts():
            told = [
                "".join(f"{name}: {json.dumps(cell)}, " for name, cell in zip(names, row, strict=True))
                for row in zip(*cells, strict=True)
            ] or [""] * len(p)
            yield between + ",\n    ".join(
                f'{{"row": {row}, {kept}"probability": {json.dumps(g)}, "class": {labels[k]}}}'
                for row, kept, g, k in zip(range(first, first + len(p)), told, p, classes, strict=True)
            )
            between = ",\n    "
        yield "\n  ]\n}\n"

    def _parts(self) -> Iterator[tuple[int, list[list[str | None]], list[float | None], list[int]]]:
        """Read the log again: row number of the first, kept cells by column, probabilities, and classes.

        Where infinite coefficients of both signs meet, the probability is None and the class 2.
        """
        self._log.seek(0)
        first, cells = 1, self._cells()
        while len(z := np.frombuffer(self._log.read(8 * AT_ONCE))):
            yield first, cells(len(z)), rounded(z, self._digits), np.where(np.isnan(z), 2, z > 0).tolist()
            first += len(z)

    def _cells(self) -> Callable[[int], list[list[str | None]]]:
        """Return a function that takes the next rows of the kept columns."""
        if not self._kept:
            return lambda count: []
        tables = read_cells(self._table, self._kept, self._model.info.get("written"))
        rows = (row for table in tables for row in zip(*(column.to_pylist() for column in table.columns), strict=True))

        def taken(count: int) -> list[list[str | None]]:
            part = list(islice(rows, count))
            if len(part) < count:
                raise InputError(f"{self._table} changed while it was read: run the command again")
            return [list(column) for column in zip(*part, strict=True)]

        return taken


def rounded(z: NDArray[np.float64], digits: int) -> list[float | None]:
    """Turn log-odds into probabilities with `digits` significant digits of the smaller of p and 1 - p; NaN into None."""
    p = sigmoid(z).tolist()
    if digits < ALL:
        with np.errstate(divide="ignore"):
            smaller = np.log10(sigmoid(-np.abs(z)))
        places = np.where(np.isfinite(smaller), digits - 1 - np.floor(smaller), 0).astype(int)
        p = list(map(round, p, places.tolist()))
    return [None if math.isnan(g) else g for g in p] if np.isnan(z).any() else p


def _lines(rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
