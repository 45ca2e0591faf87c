"""Turns anyone's coefficients into a model.

CSV: a name and a number per line, or a table of R, broom, statsmodels or pandas, whose header says which column has the
coefficients. JSON: an object of names and numbers.
"""

import csv
import io
import json
import math
import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

import numpy as np

from chainrule.data.schema import Schema
from chainrule.data.spellings import INTERCEPT, meant, spellings
from chainrule.data.words import looks_like_number, near, shown, some
from chainrule.errors import InputError
from chainrule.model.model import Model
from chainrule.words import counted

LAYOUT = "give a line for each coefficient, its name and its number, such as bill_length_mm,0.2"
# column headings, in lower case, with spaces for punctuation
NAMES = ("name", "term", "feature", "variable", "parameter", "ind")
COEFFICIENTS = (
    "coef", "coefficient", "coefficients", "estimate", "weight", "weights", "w", "beta", "value", "values", "x", "0",
)  # fmt: skip


def model_of(path: Path, data: bytes, schema: Schema, columns: Sequence[str]) -> Model:
    """Make a model without a penalty from the coefficients in a file, for a table with these columns and in its units.

    Raises InputError for a name that is missing, unknown or repeated, and for a cell that is no number.
    """
    known, found = spellings(schema.columns), dict[str, float]()
    for line, given, cell in _numbers(path, data, known):
        name = meant(given, known, f"{path}: ")
        is_number = looks_like_number(cell) and "x" not in cell.lower()
        if not (is_number and math.isfinite(float(cell))):
            what = "not finite" if is_number else "no number"
            where = f"{path}, line {line}: the coefficient of {shown(given)}"
            raise InputError(f"{where} is {what}: {shown(cell)}; write it like -0.25")
        if name in found:
            raise InputError(f"{path}: {shown(name)} occurs twice: keep one")
        found[name] = float(cell)
    names = dict.fromkeys(schema.feature_names)
    others = [name for name in found if name not in names]
    # a feature may be named like an intercept: then the feature is meant
    intercepts = [name for name in others if name.lower() in INTERCEPT]
    for name in others:
        if name not in intercepts:
            raise InputError(f"{path}: {_unknown(name, schema, columns)}")
    missing = [name for name in names if name not in found]
    if missing:
        raise InputError(f"{path} has no coefficient for {some(missing)}: add it, or leave the column out with --drop")
    if len(intercepts) != 1:
        which = f"{some(intercepts)} are all intercepts: keep" if intercepts else "has no row called intercept: add"
        raise InputError(f"{path} {which} one (0 if the model has none)")
    w, b = np.array([found[name] for name in names]), found[intercepts[0]]
    return Model(schema, w, b, w, b, np.zeros(len(w)), np.ones(len(w)), {"alpha": 0.0})


def _unknown(name: str, schema: Schema, columns: Sequence[str]) -> str:
    """Say why a name is unknown, and the way out."""
    references = {f"{c.name}={c.levels[0]}": c.design_names() for c in schema.columns if c.levels}
    if name in references:
        way = f"subtract its coefficient from those of {some(references[name])}, add it to the intercept, and leave it out"
        return f"{shown(name)} is the level that the others are compared with: {way}"
    column = name if name in columns else name.partition("=")[0]
    if column in columns:
        way = f"leave {shown(name)} out; if the column is constant, add value times coefficient to the intercept"
        return f"column {shown(column)} of the table is not used here: {way}"
    return f"the encoded table has no column {shown(name)}: {near(name, schema.feature_names)}"


def _numbers(path: Path, data: bytes, known: Collection[str]) -> Iterable[tuple[int, str, str]]:
    """Read (line, name, number as written) of each coefficient; known: names that coefficients may have."""
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
        if text.lstrip().startswith("{"):
            pairs = json.loads(text, object_pairs_hook=list)
            return [(1, name, value if isinstance(value, str) else json.dumps(value)) for name, value in pairs]
        first = re.sub(r'"[^"]*"', "", text.lstrip().split("\n", 1)[0])
        # if a line has one of these, a comma is part of a name or a number
        delimiter = next((mark for mark in ";\t" if mark in first), ",")
        reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
        rows = [[cell.strip() for cell in cells] for cells in reader]
    except UnicodeDecodeError:
        raise InputError(f"can't read {path}: it is not UTF-8 text; save it as CSV in UTF-8") from None
    except (ValueError, RecursionError, csv.Error) as error:
        what = f"no CSV or JSON of names and numbers, or has an open quote ({error})"
        raise InputError(f"{path} is {what}: {LAYOUT}") from None
    lines = [(line, cells) for line, cells in enumerate(rows, start=1) if any(cells)]
    if not lines:
        raise InputError(f"{path} is empty: {LAYOUT}, and one for the intercept")
    (_, head), width = lines[0], len(lines[0][1])
    for line, cells in lines:
        if not 2 <= len(cells) <= width:
            what = f"line {line} has {counted(len(cells), 'cell')} and the first has {width}"
            raise InputError(f'{path}: {what}: each needs a name and a number, such as "a,b",1000.5')
    # a data frame's index has no name, and its column may be called 0
    is_named = head[0] in known or head[0].lower() in INTERCEPT
    has_head = head[0] == "" or not (is_named or any(map(looks_like_number, head)))
    heads = [re.sub(r"[\W_]+", " ", cell.lower()).strip() for cell in head]
    heads = heads if has_head else ["name", *["coef"] * (width - 1)]
    name = next((j for j, word in enumerate(heads) if word in NAMES), 0)
    meant = [j for j, word in enumerate(heads) if word in COEFFICIENTS and j != name]
    if len(meant) != 1:
        what = f"must have one column called coef, estimate, weight or similar; its first line is {some(head, 10)}"
        raise InputError(f"{path} {what}: begin it with a line such as name,coef,se")
    padded = ((line, [*cells, *[""] * width]) for line, cells in lines[has_head:])
    return [(line, cells[name], cells[meant[0]]) for line, cells in padded]
