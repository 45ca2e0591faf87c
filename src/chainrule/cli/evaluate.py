"""`chainrule evaluate`: a model against a table's known labels."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chainrule.cli.predict import encoded
from chainrule.cli.running import Voice, check_outputs, headed
from chainrule.data.encoding import Met
from chainrule.data.files import Source, read_cells
from chainrule.data.schema import MISSING_LEVEL
from chainrule.data.text_files import MISSING
from chainrule.data.words import check_name, shown
from chainrule.documents import quality as told
from chainrule.documents.html import as_html
from chainrule.errors import InputError
from chainrule.fitting.metrics import Rule, by_group, figures, quality
from chainrule.model.files import write_atomically
from chainrule.model.model import Model, load_model, trace_path
from chainrule.training import training_rows
from chainrule.words import counted, plain, shortened

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

GROUPS = 12  # largest groups that are told apart
FEWEST_ROWS = 20  # of a group
DISTINCT = 12  # numbers, from which on they are grouped by quartiles


def run(
    model: Path,
    table: Source,
    *,
    by: str | None,
    threshold: str | None,
    cost: str | None,
    report: Path | None,
    na: Sequence[str],
    unseen: str,
    voice: Voice,
) -> None:
    """Measure the model on the rows of known label; notes count the others.

    Of the table that it was trained on, only held-out rows are measured if there are any.
    """
    rule = Rule.of(threshold, cost)
    check_outputs({"--report": report}, [model, trace_path(model), *table.paths])
    trained, met = load_model(model), Met()
    parts = [
        (trained.decision(part.blocks), part.y, part.weights, np.isin(np.arange(part.blocks.m), part.labelled))
        for part in encoded(trained, table, na, unseen, met, need_target=True)
    ]
    z, y, whole = (np.concatenate([part[k] for part in parts]) for k in (0, 1, 3))
    weights = [s for _, _, s, _ in parts if s is not None]
    s = np.concatenate(weights) if weights else None
    target, notes = shown(trained.schema.target), list(met.notes(trained.schema, unseen))
    if np.isnan(y).all():
        raise InputError(f"{table} has no row with a known {target}, so there is nothing to compare")
    kept, more = _kept(z, y, target)
    learned = _learned(trained, z, y, s, whole)
    seen = kept & learned
    part = "this table" if not seen.any() else "training" if not (kept & ~learned).any() else "held out"
    rows = kept & ~learned if part == "held out" else kept
    at = rule.on(*_of(seen if part == "held out" else rows, z, y, s))
    measured = _of(rows, z, y, s)
    groups = None
    if by is not None:
        missing = {*MISSING, *trained.info.get("na", ()), *na}
        cells = _column(table, by, missing, trained.info.get("written"))
        place, names = _groups([cells[i] for i in np.flatnonzero(rows)])
        groups = {"by": by, "groups": by_group(place, names, *measured, at)}
    voice.note(*notes, *more)
    document = headed("evaluate", trained.schema, model=model, table=table) | {
        "notes": [*notes, *more],
        "part": part,
        "figures": figures(*measured),
        "training": figures(*_of(seen, z, y, s)) if part == "held out" else None,
        "threshold": {"by": rule.by, "threshold": at, "costs": rule.costs},
        "quality": quality(*measured, at, rule.costs),
        "groups": groups,
    }
    document = plain(document)
    if report is not None:
        title = f"{shortened(trained.schema.target)} = {shortened(trained.schema.positive)}: predicted and observed"
        write_atomically(report, as_html(told.evaluation(document), title))
        voice.note(f"wrote {report}")
    voice.tell(document, told.evaluation)


def _learned(model: Model, z: Floats, y: Floats, s: Floats | None, whole: Mask) -> Mask:
    """Find the rows that the model was trained on; none, if this is another table. whole : rows with a label and no gap."""
    places, of_training = training_rows(model, z, y, s, np.flatnonzero(whole))
    return np.isin(np.arange(len(z)), places) & of_training


def _of(rows: Mask, z: Floats, y: Floats, s: Floats | None) -> tuple[Floats, Floats, Floats | None]:
    return z[rows], y[rows], None if s is None else s[rows]


def _kept(z: NDArray[np.float64], y: NDArray[np.float64], target: str) -> tuple[NDArray[np.bool_], list[str]]:
    """Return which rows have a label and a probability, and notes that count the others."""
    known, lost = ~np.isnan(y), np.isnan(z)
    found = [
        (np.count_nonzero(~known), f"without {target} left out"),
        (np.count_nonzero(known & lost), "of undetermined probability left out"),
    ]
    if not (known & ~lost).any():
        raise InputError(f"no row of known {target} has a probability, so there is nothing to compare")
    return known & ~lost, [f"{counted(int(count), 'row')} {why}" for count, why in found if count]


def _column(table: Source, name: str, missing: Collection[str], usual: Mapping[str, str] | None) -> list[str | None]:
    """Read one column as text, None where a cell is missing."""
    check_name(name, Counter(table.column_names(usual)))
    cells = [cell for part in read_cells(table, [name], usual) for cell in part.column(name).cast("string").to_pylist()]
    return [None if cell is None or cell in missing else cell for cell in cells]


def _groups(column: Sequence[str | None]) -> tuple[NDArray[np.int64], list[str]]:
    """Return each row's group and the groups' names: cells from the most frequent on, small groups together.

    Many different numbers are grouped by their quartiles.
    """
    found = _quartiles(column) if len(set(column)) > DISTINCT else None
    if found is not None:
        return found
    cells = [MISSING_LEVEL if cell is None else cell for cell in column]
    often = Counter(cells).most_common()
    names = [cell for cell, count in often[:GROUPS] if count >= FEWEST_ROWS] or [cell for cell, _ in often[:GROUPS]]
    place = {name: k for k, name in enumerate(names)}
    others = len(often) - len(names)
    named = [*names, *([f"({counted(others, 'smaller group')})"] if others else [])]
    return np.array([place.get(cell, len(names)) for cell in cells]), named


def _quartiles(column: Sequence[str | None]) -> tuple[NDArray[np.int64], list[str]] | None:
    """Group numbers by their quartiles, and rows without a number; None if a cell is no finite number."""
    try:
        x = np.array([np.nan if cell is None else float(cell) for cell in column])
    except ValueError:
        return None
    is_number = np.array([cell is not None for cell in column])
    if not np.isfinite(x[is_number]).all():
        return None
    edges = np.unique(np.quantile(x[is_number], [0.25, 0.5, 0.75], method="inverted_cdf"))
    group = np.where(is_number, np.searchsorted(edges, x), len(edges) + 1)
    inside = [x[group == k] for k in range(len(edges) + 1)]
    return group, [*(f"{of.min():g} to {of.max():g}" if len(of) else "" for of in inside), MISSING_LEVEL]
