"""What a model must know about a table (columns, levels, means, labels), to and from JSON."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import count
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np
import numpy.typing as npt

from chainrule.data.readings import PARTS, READINGS
from chainrule.errors import InputError
from chainrule.words import plain

LabelKind = Literal["number", "boolean", "text"]
Lost = Literal["", "filled", "dropped"]
MISSING_LEVEL = "(missing)"
BOOLEANS = ("false", "true")
Source = Literal["file", "frame", "array"]


@dataclass(frozen=True)
class Column:
    """How a column becomes coefficients, as learnt from the rows of the fit.

    Parameters
    ----------
    name : str
        As in the table.
    kind : "number" or "category"
        A frame's booleans are numbers, 0 and 1; a file's are the levels false and true.
    missing : bool
        A coefficient marks the rows that have no value, as some of the fit's.
    mean : float, optional
        Weighted mean of a column of numbers, in its own units; it replaces missing values. None if the fit was on an array.
    constant : bool
        All numbers are equal, so only the mark of rows with a missing value has a coefficient.
    levels : tuple of str
        A category's levels, in order; the first is the reference.
    all_levels : bool
        The first level has a coefficient too.
    lost : "", "filled" or "dropped"
        What the fit does with rows that have no value and no mark: fill them in, or leave them out. "" if it had none.
    common : str, optional
        A category's most frequent level, by weight, if `lost` is not empty: it fills in rows that have no value.
    source : str
        The table's column, if the name is another one: "when" for "when month".
    reads : str
        How cells become numbers, a key of `READINGS`; empty for plain numbers, and for categories of text.
    part : str
        Part of a date, a key of `PARTS`; empty for all of it.
    """

    name: str
    kind: Literal["number", "category"]
    missing: bool = False
    mean: float | None = None
    constant: bool = False
    levels: tuple[str, ...] = ()
    all_levels: bool = False
    lost: Lost = ""
    common: str | None = None
    source: str = ""
    reads: str = ""
    part: str = ""

    @property
    def table_name(self) -> str:
        """Name of the table's column."""
        return self.source or self.name

    @property
    def is_plain_number(self) -> bool:
        """Whether the cells are numbers as the CSV reader knows them."""
        return self.kind == "number" and not self.reads

    @property
    def coefficients(self) -> Sequence[str | None]:
        """What each of the column's coefficients is for: None for the number itself, else a level, or "(missing)"."""
        mark = [MISSING_LEVEL] * self.missing
        if self.kind == "number":
            return [*[None] * (not self.constant), *mark]
        return [*self.levels, *mark][not self.all_levels :]

    @property
    def reference(self) -> str | None:
        """The level that the others are compared with; None for a number, and if every level has a coefficient."""
        return None if self.kind == "number" or self.all_levels else self.levels[0]

    @property
    def has_numbers(self) -> bool:
        """Whether the first of its coefficients is of numbers, not of levels or a mark."""
        return self.kind == "number" and not self.constant

    def design_names(self) -> list[str]:
        """Name the column's coefficients; two columns may still give the same name."""
        if self.kind == "number":
            return [self.name if of is None else f"{self.name} missing" for of in self.coefficients]
        return [f"{self.name}={level}" for level in self.coefficients]

    @classmethod
    def from_dict(cls, given: dict[str, Any]) -> "Column":
        """Build a column from part of what `Schema.to_dict` gave; raises TypeError or KeyError if it is something else."""
        column = cls(**{**given, "levels": tuple(given["levels"])})
        require_kinds(vars(column), get_type_hints(cls))
        if column.reads not in ("", *READINGS) or column.part not in ("", *PARTS):
            raise TypeError(f"how column {column.name!r} is read")
        number = column.mean is not None and math.isfinite(column.mean)
        levels = 0 < len(set(column.levels)) == len(column.levels) and (
            not column.lost or column.common in column.levels
        )
        if not (number if column.kind == "number" else levels):
            raise TypeError(f"column {column.name!r}")
        return column


def require_kinds(values: Mapping[str, object], kinds: Mapping[str, Any]) -> None:
    """Check values against type hints: types, literals, unions, lists or tuples of one type; raises TypeError or KeyError."""
    for key, kind in kinds.items():
        if not _is_a(values[key], kind):
            raise TypeError(f"its {key}")


def _is_a(value: object, kind: Any) -> bool:
    origin, of = get_origin(kind), get_args(kind)
    if origin in (list, tuple):
        return isinstance(value, origin) and all(_is_a(element, of[0]) for element in value)
    return value in of if origin is Literal else isinstance(value, kind)


def feature_names(columns: Iterable[Column]) -> tuple[str, ...]:
    """Give the coefficients unique names, (n,): a second `a=b` becomes `a=b (2)`."""
    taken: dict[str, None] = {}
    for wanted in (name for column in columns for name in column.design_names()):
        if wanted in taken:
            wanted = next(name for name in (f"{wanted} ({k})" for k in count(2)) if name not in taken)
        taken[wanted] = None
    return tuple(taken)


@dataclass(frozen=True)
class Schema:
    """How to encode a table with labels, learnt from the training rows.

    Parameters
    ----------
    target : str
        The column with the labels.
    negative, positive : str
        The labels of class 0 and class 1, as displayed.
    columns : tuple of Column
        The columns that the model reads.
    weights : str, optional
        The column with the rows' weights.
    notes : tuple of str
        What was left out or filled in, one sentence each.
    label_kind : "number", "boolean" or "text"
        The labels' kind in training; labels of other tables are compared as this kind.
    source : "file", "frame" or "array"
        What the fit was on. A file's booleans are levels, a frame's are numbers; an array's columns are known by their places.
    """

    target: str
    negative: str
    positive: str
    columns: tuple[Column, ...]
    weights: str | None = None
    notes: tuple[str, ...] = ()
    label_kind: LabelKind = "text"
    source: Source = "file"

    @cached_property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the coefficients, (n,)."""
        return feature_names(self.columns)

    @cached_property
    def numeric(self) -> npt.NDArray[np.bool_]:
        """Mask (n,) of the coefficients of numbers: these may be standardised, levels and marks may not."""
        return np.array([of is None for column in self.columns for of in column.coefficients], dtype=np.bool_)

    def in_units(
        self, x: npt.NDArray[np.float64], center: npt.NDArray[np.float64], scale: npt.NDArray[np.float64]
    ) -> Any:
        """Return (x - center)/scale, with 0 for a missing number that was replaced by the mean, if this is the center.

        x : (m, n) or (n,). center, scale : (n,).
        """
        means = np.array(
            [c.mean if of is None else None for c in self.columns for of in c.coefficients], dtype=np.float64
        )
        is_center = (x == means) & np.isclose(
            means, center, rtol=1e-12, atol=0.0
        )  # they are summed in different orders
        return np.where(is_center, 0.0, (x - center) / scale)

    @property
    def text_columns(self) -> tuple[str, ...]:
        """Columns to read from a CSV file as text (`read_table(..., text=...)`): categories, dates, per cent, text labels."""
        words = [c for c in self.columns if not c.is_plain_number and not (c.levels and set(c.levels) <= set(BOOLEANS))]
        return (*dict.fromkeys(c.table_name for c in words), *([self.target] if self.label_kind == "text" else []))

    @property
    def labels(self) -> dict[str, str]:
        """The target and its labels, by what they are in a document."""
        return {"target": self.target, "positive": self.positive, "negative": self.negative}

    def to_dict(self) -> dict[str, Any]:
        """Return the schema as a dictionary that JSON can hold; `from_dict` gives an equal schema back.

        Of an array's columns, of which there may be very many, only the names are kept.
        """
        if self.source == "array":
            return {**plain(replace(self, columns=())), "columns": [column.name for column in self.columns]}
        return dict(plain(self))

    @classmethod
    def from_dict(cls, given: dict[str, Any]) -> "Schema":
        """Build a schema from what `to_dict` gave.

        Raises
        ------
        InputError
            Keys are missing, unknown or of the wrong type.
        """
        try:
            of_array = given.get("source") == "array"
            columns = tuple(Column(str(c), "number") if of_array else Column.from_dict(c) for c in given["columns"])
            schema = cls(**{**given, "columns": columns, "notes": tuple(given["notes"])})
            require_kinds(vars(schema), get_type_hints(cls))
            if not columns:
                raise TypeError("no columns")
            return schema
        except (TypeError, KeyError, AttributeError) as error:
            raise InputError(f"this is no schema of a table ({error}): train the model again") from error
