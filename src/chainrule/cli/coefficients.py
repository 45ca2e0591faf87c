"""Coefficients from a CSV file, as people and their tools write them.

Names and numbers in two columns or in two lines; or a summary's table, of which a head says which column has them.
"""

import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from chainrule.data.words import counted, near, shown, some
from chainrule.errors import InputError

if TYPE_CHECKING:
    from chainrule.data.schema import Schema

Floats = NDArray[np.float64]
Row = tuple[int, list[str]]  # the line's number from 1, and its cells

INTERCEPT = ("intercept", "(intercept)", "intercept_", "const", "constant", "_cons", "bias", "b")
LAYOUT = "a line for each coefficient, its name and its number, such as bill_length_mm,0.2"

# Heads, in lower case, with spaces in place of marks. The coefficients': where two are there, the former is meant.
COEFFICIENTS = (
    ("coef", "coefs", "coefficient", "coefficients"),
    ("estimate", "estimates", "est", "beta", "betas", "w", "weight", "weights", "theta", "b", "param", "params"),
    ("value", "values"),
)
NAMES = (
    "name",
    "names",
    "term",
    "terms",
    "feature",
    "features",
    "variable",
    "variables",
    "predictor",
    "parameter",
    "ind",
)
ROW_NUMBERS = ("", "index", "row", "unnamed: 0", "level 0")
OTHERS = (
    "p", "p value", "pvalue", "pval", "p val", "pr(>|z|)", "pr(>|t|)", "p>|z|", "p>|t|", "sig", "se", "s e", "std err",
    "std error", "stderr", "standard error", "bse", "sd", "z", "z value", "t", "t value", "statistic", "wald", "exp(coef)",
    "exp(b)", "odds ratio", "or",
)  # fmt: skip
NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?(?:nan|inf(?:inity)?)", re.IGNORECASE)


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
    if _number(name) is not None:
        return f"{shown(name)} is where a name should be: give {LAYOUT}"
    return f"the table has no column {shown(name)} as it is encoded: {near(name, places.names)}"


def named_numbers(path: Path, text: str, known: set[str]) -> tuple[Mapping[str, float], list[str]]:
    """Read a file's names and numbers, whichever way it has them, and notes on which was taken."""
    found: dict[str, float] = {}
    pairs, notes = _pairs(path, text, known)
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


def _pairs(path: Path, text: str, known: set[str]) -> tuple[list[tuple[int, str, str]], list[str]]:
    """Give (line, name, cell) of each coefficient, without heads and row numbers, and notes."""
    rows = _rows(path, text)
    if not rows:
        raise InputError(f"{path} is empty: give {LAYOUT}, and one for the intercept")
    wide = _in_two_lines(path, rows, known)
    if wide is not None:
        return wide, []
    rows = _with_whole_head(rows)
    head, body = rows[0][1], rows[1:]
    has_head = _is_head(head, known)
    if not has_head:
        body = rows
    for line, cells in rows:
        if len(cells) < 2:
            raise InputError(f"{path}: line {line} must have a name and a number, such as bill_length_mm,0.2")
        if len(cells) > len(head):
            raise InputError(
                f"{path}: line {line} has {len(cells)} cells and line {rows[0][0]} has {len(head)}: put a name with a comma "
                "in quotes, and write a number like 1000.5"
            )
    if len(head) > 2 and not has_head:
        raise InputError(
            f"{path} has {len(head)} columns and no head that says which has the coefficients: begin it with one, such as "
            "name,coef,se, or keep names and coefficients alone"
        )
    columns = [[cells[j] if j < len(cells) else "" for _, cells in body] for j in range(len(head))]
    name = _names_column(head, columns, known)
    number = _numbers_column(path, head if has_head else [""] * len(head), columns, name)
    notes = [f"{path}: the coefficients are those in column {shown(head[number])}"] if len(head) > 2 else []
    lines = [line for line, _ in body]
    return list(zip(lines, columns[name], columns[number], strict=True)), notes


def _in_two_lines(path: Path, rows: list[Row], known: set[str]) -> list[tuple[int, str, str]] | None:
    """Read a line of names above a line of numbers; None where that is not what it is."""
    if len(rows) != 2:
        return None
    (_, names), (line, cells) = rows
    if (
        names[0] == "" and len(names) > 2 and not known.isdisjoint(names)
    ):  # a data frame's one row, by number or by name
        names, cells = names[1:], cells[1:]
    elif len(cells) == len(names) + 1 and (cells[0] == "1" or _number(cells[0]) is None):  # R's write.table
        cells = cells[1:]
    are_known = len(names) > 1 and all(_is_known(name, known) for name in names)
    if are_known and len(names) != len(cells):
        raise InputError(
            f"{path} has {len(names)} names above {counted(len(cells), 'number')}: give each name its number"
        )
    are_numbers = len(names) == len(cells) and all(_number(cell) is not None for cell in cells)
    if are_known or (are_numbers and (len(names) > 2 or not known.isdisjoint(names))):
        return [(line, name, cell) for name, cell in zip(names, cells, strict=True)]
    return None


def _with_whole_head(rows: list[Row]) -> list[Row]:
    """Give names' column the empty head that R's write.table leaves out: one cell less than in each line below."""
    (line, head), body = rows[0], rows[1:]
    is_short = bool(body) and all(len(cells) == len(head) + 1 for _, cells in body)
    if is_short and all(_number(cell) is None and _plain(cell) not in NAMES for cell in head):
        is_comment = all(_number(cell) is None for cell in body[0][1])  # above the head
        return rows if is_comment else [(line, ["", *head]), *body]
    return rows


def _is_head(cells: Sequence[str], known: set[str]) -> bool:
    """Tell a head from a first coefficient, whose name may be like a head and whose number badly written."""
    if cells[0] == "":  # a data frame's index has no name, and its column may be called 0
        return True
    if "0" not in known and list(cells) == [str(j) for j in range(len(cells))]:
        return True
    if any(cell not in known and _rank(cell) is not None for cell in cells[1:]):
        return True
    are_words = all(_number(cell) is None for cell in cells)
    return are_words and (len(cells) != 2 or not _is_known(cells[0], known) or _is_known(cells[1], known))


def _names_column(head: Sequence[str], columns: Sequence[Sequence[str]], known: set[str]) -> int:
    """Find the column of the names: of most names that the table has; the head decides between equals."""
    hits = [sum(_is_known(cell, known) for cell in cells) for cells in columns]
    return max(range(len(head)), key=lambda j: (hits[j], _plain(head[j]) in NAMES, _rank(head[j]) is None, -j))


def _numbers_column(path: Path, head: Sequence[str], columns: Sequence[Sequence[str]], name: int) -> int:
    """Find the column of the coefficients: the one that its head says, or the only one that is left."""
    left = [j for j in range(len(head)) if j != name]
    if len(left) > 1:
        left = [j for j in left if not _are_row_numbers(head[j], columns[j]) and columns[j] != columns[name]] or left
    if len(left) == 1 and _plain(head[left[0]]) not in OTHERS:
        return left[0]
    ranked = [(rank, j) for j in left if (rank := _rank(head[j])) is not None]
    meant = [j for rank, j in ranked if rank == min(ranked)[0]]
    if not meant:
        raise InputError(
            f"{path} has no column called coef, estimate, weight or alike, only {some(head, 10)}: call the one with the "
            "coefficients coef"
        )
    if len(meant) > 1:
        which = " and ".join(shown(head[j]) for j in meant)
        raise InputError(f"{path}: columns {which} are both called as coefficients are: keep one of them")
    return meant[0]


def _are_row_numbers(head: str, cells: Sequence[str]) -> bool:
    """Recognise a data frame's 0, 1, 2, ... or 1, 2, 3, ..."""
    return _plain(head) in ROW_NUMBERS and any(
        list(cells) == [str(k + first) for k in range(len(cells))] for first in (0, 1)
    )


def _is_known(name: str, known: set[str]) -> bool:
    return name in known or name.lower() in INTERCEPT


def _plain(head: str) -> str:
    return re.sub(r"[\s._-]+", " ", head.lower()).strip()


def _rank(head: str) -> int | None:
    """Tell how surely a head is that of coefficients, 0 the surest; None: it is not."""
    return next((rank for rank, words in enumerate(COEFFICIENTS) if _plain(head) in words), None)


def _rows(path: Path, text: str) -> list[Row]:
    """Give the lines that have something in them, without the empty cells that end them."""
    first = re.sub(r'"[^"]*"', "", text.lstrip("\n ").split("\n", 1)[0])
    delimiter = next(
        (mark for mark in ";\t" if mark in first), ","
    )  # beside these a comma is in a name, or in a number
    # a quote that is open at the end swallows the last line
    end = "end"
    reader = csv.reader(io.StringIO(f"{text}\n{end}"), delimiter=delimiter)
    rows: list[Row] = []
    line = 1
    try:
        for cells in reader:
            rows.append((line, [cell.strip() for cell in cells]))
            line = reader.line_num + 1
    except csv.Error:
        limit = csv.field_size_limit()
        raise InputError(
            f"{path}, line {line}: a cell has more than {limit:,} characters; close its quote, or give {LAYOUT}"
        ) from None
    if rows[-1][1] != [end]:
        raise InputError(f"{path}, line {rows[-1][0]}: a quote is opened and never closed: close it, or leave it out")
    for _, cells in rows:
        while len(cells) > 2 and cells[-1] == "":
            cells.pop()
    return [(line, cells) for line, cells in rows[:-1] if any(cells)]


def _number(cell: str) -> float | None:
    """Read a number as CSV files have it; Python's float would take 1_0 and other scripts' digits too."""
    return float(cell) if NUMBER.fullmatch(cell) else None
