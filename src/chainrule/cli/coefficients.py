"""Coefficients from a file, as R, broom, statsmodels, pandas and people write them.

CSV: a name and a number a line, or a summary's table with a head that says which column has the coefficients. JSON: an
object of names and numbers.
"""

import csv
import io
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from chainrule.data.words import near, shown, some
from chainrule.errors import InputError

if TYPE_CHECKING:
    from chainrule.data.schema import Schema

Floats = NDArray[np.float64]
Rows = Sequence[tuple[int, list[str]]]  # each line's number from 1, and its cells

INTERCEPT = ("intercept", "(intercept)", "intercept_", "const", "constant", "_cons", "bias", "b")
LAYOUT = "a line for each coefficient, its name and its number, such as bill_length_mm,0.2"
# heads in lower case, with spaces in place of marks
COEFFICIENTS = (
    "coef", "coefs", "coefficient", "coefficients", "estimate", "estimates", "beta", "weight", "weights", "w", "param",
    "params", "value", "values",
)  # fmt: skip
NAMES = ("name", "term", "feature", "variable", "predictor", "parameter", "ind")
OTHERS = ("p", "p value", "pvalue", "se", "std err", "std error", "z", "t", "statistic")
NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|[+-]?(?:nan|inf(?:inity)?)", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True)
class Places:
    """What a coefficient may be called: of the design's columns, and of others in the table, with what becomes of those.

    constants: numbers of one value, which the intercept takes in. references: levels that the others are compared with.
    left_out: the table's other columns.
    """

    names: Sequence[str]
    constants: Mapping[str, float] = field(default_factory=dict)
    references: Mapping[str, Sequence[str]] = field(default_factory=dict)
    left_out: Sequence[str] = ()

    @classmethod
    def of(cls, schema: "Schema", columns: Sequence[str], constants: Mapping[str, float]) -> "Places":
        """Find them for a schema learned from a table of these columns."""
        references = {}
        for column in schema.columns:
            if column.kind == "category":
                references[f"{column.name}={column.levels[0]}"] = column.design_names()
        known = {*schema.feature_names, *constants, *references}
        left_out = [name for name in columns if name not in known]
        return cls(schema.feature_names, constants, references, left_out)


def read_text(path: Path) -> str:
    """Read a file of coefficients, once, as a pipe can be; raises InputError where it is no text."""
    try:
        data = path.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"can't read {path}: {reason[0].lower()}{reason[1:]}") from None
    if is_models_start(data):
        raise InputError(f"{path} is a model that comes through a pipe: give the name of its file")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"can't read {path}: it is no text in UTF-8; save it as CSV in UTF-8") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def is_models_start(data: bytes) -> bool:
    """Tell by its first 9 bytes whether a file is a model and no text: a length below 2^32, and JSON."""
    return data[4:9] == b"\0\0\0\0{"


def read_coefficients(path: Path, text: str, places: Places) -> tuple[Floats, float, list[str]]:
    """Read a file's coefficients off its text: w (n,) in the order of the names, b, and notes on what was done.

    Raises InputError for what is missing, unknown, there twice, or no number.
    """
    names = places.names
    found, notes = named_numbers(path, text, {*places.names, *places.constants})
    # a feature may be called like an intercept: then it is the feature
    heads = [name for name in found if not _is_column(name, places) and name.lower() in INTERCEPT]
    for name in found:
        if name not in names and name not in heads and name not in places.constants:
            raise InputError(f"{path}: {_unknown(name, places)}")
    missing = [name for name in names if name not in found]
    if missing:
        raise InputError(f"{path} has no coefficient for {some(missing)}: add it, or leave the column out with --drop")
    folded = [name for name in found if name in places.constants]
    # a column of ones, as some tools need it, is the intercept
    if len(heads) > 1 or not (heads or any(places.constants[name] for name in folded)):
        which = f"{some(heads)} are all intercepts: keep one" if heads else "has no row called intercept: add one"
        raise InputError(f"{path} {which} (0 where the model has none)")
    b = found[heads[0]] if heads else 0.0
    for name in folded:
        value = places.constants[name]
        b += found[name] * value
        notes.append(f"column {shown(name)} is constant: its coefficient times {value:.6g} is added to the intercept")
    return np.array([found[name] for name in names]), b, notes


def _is_column(name: str, places: Places) -> bool:
    return name in places.names or name in places.constants or name in places.left_out


def _unknown(name: str, places: Places) -> str:
    """Say why a name has no place, and the way out."""
    if name in places.references:
        others = some(places.references[name])
        return (
            f"{shown(name)} is the level that the others are compared with, and has no column: take its coefficient off "
            f"those of {others}, add it to the intercept, and leave its line out"
        )
    column = next((column for column in (name, name.split("=")[0]) if column in places.left_out), None)
    if column is not None:
        return (
            f"column {shown(column)} of the table is not used here: leave the coefficient of {shown(name)} out, or add it to "
            "the intercept where that is the one level that all rows have"
        )
    return f"the table has no column {shown(name)} as it is encoded: {near(name, places.names)}"


def named_numbers(path: Path, text: str, known: set[str]) -> tuple[Mapping[str, float], list[str]]:
    """Read a file's names and numbers, and notes on which column was taken."""
    pairs, notes = (_of_json(path, text), []) if text.lstrip().startswith("{") else _of_csv(path, text, known)
    found: dict[str, float] = {}
    for line, name, cell in pairs:
        value = _number(cell)
        if value is None:
            raise InputError(
                f"{path}, line {line}: the coefficient of {shown(name)} is no number: {shown(cell)}; write it like -0.25"
            )
        if not math.isfinite(value):
            raise InputError(f"{path}: the coefficient of {shown(name)} is not finite: {shown(cell)}")
        if name in found:
            raise InputError(f"{path}: {shown(name)} is there twice: keep one")
        found[name] = value
    return found, notes


def _of_json(path: Path, text: str) -> list[tuple[int, str, str]]:
    try:
        pairs = json.loads(text, object_pairs_hook=list)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f'{path} is no JSON of names and numbers, such as {{"bill_length_mm": 0.2}}: {error}'
        ) from None
    return [(1, name, value if isinstance(value, str) else json.dumps(value)) for name, value in pairs]


def _of_csv(path: Path, text: str, known: set[str]) -> tuple[list[tuple[int, str, str]], list[str]]:
    """Give (line, name, cell) of each coefficient, and notes."""
    rows = _rows(path, text)
    if not rows:
        raise InputError(f"{path} is empty: give {LAYOUT}, and one for the intercept")
    first, head = rows[0]
    for line, cells in rows:
        if len(cells) < 2:
            raise InputError(f"{path}: line {line} must have a name and a number, such as bill_length_mm,0.2")
        if len(cells) > len(head):
            raise InputError(
                f"{path}: line {line} has {len(cells)} cells and line {first} has {len(head)}: put a name with a comma in "
                "quotes, and write a number like 1000.5"
            )
    # a data frame's index has no name, and its column may be called 0
    has_head = head[0] == "" or (all(_number(cell) is None for cell in head) and not _is_known(head[0], known))
    if not has_head and len(head) > 2:
        raise InputError(
            f"{path} has {len(head)} columns and no head that says which has the coefficients: begin it with one, such as "
            "name,coef,se, or keep names and coefficients alone"
        )
    name, number = _places(path, head) if has_head else (0, 1)
    padded = [(line, [*cells, *[""] * len(head)]) for line, cells in rows[has_head:]]
    notes = [f"{path}: the coefficients are those in column {shown(head[number])}"] if len(head) > 2 else []
    return [(line, cells[name], cells[number]) for line, cells in padded], notes


def _places(path: Path, head: Sequence[str]) -> tuple[int, int]:
    """Find the columns of the names and of the coefficients by a head; columns without a name are row numbers."""
    plain = [re.sub(r"[\s._-]+", " ", cell.lower()).strip() for cell in head]
    name = next((j for j, word in enumerate(plain) if word in NAMES), 0)
    left = [j for j, word in enumerate(plain) if j != name and word]
    meant = [j for j in left if plain[j] in COEFFICIENTS]
    if not meant and len(left) == 1 and plain[left[0]] not in OTHERS:
        meant = left
    if not meant:
        raise InputError(
            f"{path} has no column called coef, estimate, weight or alike, only {some(head, 10)}: call the one with the "
            "coefficients coef"
        )
    if len(meant) > 1:
        which = " and ".join(shown(head[j]) for j in meant)
        raise InputError(f"{path}: columns {which} are both called as coefficients are: keep one of them")
    return name, meant[0]


def _is_known(name: str, known: set[str]) -> bool:
    return name in known or name.lower() in INTERCEPT


def _rows(path: Path, text: str) -> Rows:
    """Give the lines that have something in them."""
    first = re.sub(r'"[^"]*"', "", text.lstrip("\n ").split("\n", 1)[0])
    delimiter = next(
        (mark for mark in ";\t" if mark in first), ","
    )  # beside these a comma is in a name, or in a number
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
    rows: list[tuple[int, list[str]]] = []
    line = 1
    try:
        for cells in reader:
            rows.append((line, [cell.strip() for cell in cells]))
            line = reader.line_num + 1
    except csv.Error:
        raise InputError(
            f"{path}, line {line}: a quote is opened and never closed, or a cell has more than {csv.field_size_limit():,} "
            "characters: close its quote, or leave it out"
        ) from None
    return [(line, cells) for line, cells in rows if any(cells)]


def _number(cell: str) -> float | None:
    """Read a number as CSV files have it; Python's float would take 1_0 and other scripts' digits too."""
    return float(cell) if NUMBER.fullmatch(cell) else None
