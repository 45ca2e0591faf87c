"""What a model must know of a table: its columns, levels, means and labels, to and from JSON."""

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from chainrule.errors import InputError

LabelKind = Literal["number", "boolean", "text"]
MISSING_LEVEL = "(missing)"


@dataclass(frozen=True)
class Column:
    """One column that the model reads, as the training rows showed it.

    Parameters
    ----------
    name : str
        As in the table.
    kind : "number" or "category"
        Booleans are categories with the levels false and true.
    missing : bool
        Some training rows miss it: a design column of its own marks them.
    mean : float, optional
        Weighted mean of a number, in its own units, which fills in missing ones.
    constant : bool
        A number that has one value only, where it isn't missing: just the mark of the missing rows is used.
    levels : tuple of str
        Of a category, sorted; the first is the reference.
    """

    name: str
    kind: Literal["number", "category"]
    missing: bool = False
    mean: float | None = None
    constant: bool = False
    levels: tuple[str, ...] = ()

    def design_names(self) -> list[str]:
        """Name the columns that this one becomes, before names that collide are told apart."""
        if self.kind == "number":
            return [self.name] * (not self.constant) + [f"{self.name} missing"] * self.missing
        marked = [*self.levels[1:], *([MISSING_LEVEL] if self.missing else [])]
        return [f"{self.name}={level}" for level in marked]


@dataclass(frozen=True)
class Schema:
    """How a table becomes a design, learnt from the training rows.

    Parameters
    ----------
    target : str
        The column with the labels.
    negative, positive : str
        Its labels as displayed; class 0 and class 1.
    columns : tuple of Column
        Those that the model reads.
    weights : str, optional
        The column with the rows' weights.
    notes : tuple of str
        What was left out or filled in, one sentence each.
    label_kind : "number", "boolean" or "text"
        What the labels were in training, and are compared as.
    """

    target: str
    negative: str
    positive: str
    columns: tuple[Column, ...]
    weights: str | None = None
    notes: tuple[str, ...] = ()
    label_kind: LabelKind = "text"

    @cached_property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the design's columns, (n,), each once: a second `a=b` becomes `a=b (2)`."""
        taken: dict[str, None] = {}
        for wanted in (name for column in self.columns for name in column.design_names()):
            name, k = wanted, 1
            while name in taken:
                k += 1
                name = f"{wanted} ({k})"
            taken[name] = None
        return tuple(taken)

    @cached_property
    def numeric(self) -> npt.NDArray[np.bool_]:
        """Which design columns are numbers, (n,) bool: these may be standardised, levels and marks not."""
        return np.array(
            [
                c.kind == "number" and not c.constant and k == 0
                for c in self.columns
                for k in range(len(c.design_names()))
            ],
            dtype=np.bool_,
        )

    @property
    def text_columns(self) -> tuple[str, ...]:
        """Columns to read as text (`read_table(..., text=...)`): categories that are no booleans, and labels of text."""
        words = [c.name for c in self.columns if c.kind == "category" and not set(c.levels) <= {"false", "true"}]
        return (*words, *([self.target] if self.label_kind == "text" else []))

    def to_dict(self) -> dict[str, Any]:
        """Give the schema as a dictionary that JSON can hold; `from_dict` gives an equal schema back."""
        plain = asdict(self)
        plain["columns"] = [{**column, "levels": list(column["levels"])} for column in plain["columns"]]
        return {**plain, "notes": list(self.notes)}

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> "Schema":
        """Build a schema from what `to_dict` gave.

        Raises
        ------
        InputError
            Keys are missing, unknown or of the wrong type.
        """
        try:
            columns = tuple(Column(**{**c, "levels": tuple(c["levels"])}) for c in plain["columns"])
            for c in columns:
                if c.kind not in ("number", "category") or not isinstance(c.name, str):
                    raise TypeError(f"column {c.name!r}")
                if c.kind == "number" and not isinstance(c.mean, float):
                    raise TypeError(f"the mean of column {c.name!r}")
            if plain["label_kind"] not in get_args(LabelKind):
                raise TypeError(f"labels of the kind {plain['label_kind']!r}")
            return cls(**{**plain, "columns": columns, "notes": tuple(plain["notes"])})
        except (TypeError, KeyError) as error:
            raise InputError(f"this is no schema of a table ({error}): train the model again") from error
