"""What every study gives: its runs as arrays, a conclusion made of them, one table, pictures."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from chainrule.studies import words
from chainrule.studies.runs import Run
from chainrule.studies.setting import Form, Optimum, Setting
from chainrule.words import Shown

if TYPE_CHECKING:
    from chainrule.charts.canvas import Picture
    from chainrule.charts.sheet import Panel

SCHEMA_VERSION = 1


@dataclass(frozen=True, eq=False)
class Study(Shown):
    """Base of the studies' results: frozen, computed from arrays, the same numbers in every form.

    Attributes
    ----------
    forms : tuple of Form
        The forms of the columns, and what theory says of them.
    runs : tuple of Run
    within : float
        Nats: what is near the optimum.
    max_epochs, n_rows, n_features : int
    alpha : float
    notes : tuple of str
        What is to be known of the data.
    """

    name: ClassVar[str]
    heading: ClassVar[str]
    knob: ClassVar[str]  # what the runs differ in: the table's first head
    unit: ClassVar[str] = "epochs"
    how: ClassVar[str]  # what rates the runs take

    forms: tuple[Form, ...]
    runs: tuple[Run, ...]
    within: float
    max_epochs: int
    n_rows: int
    n_features: int
    alpha: float
    notes: tuple[str, ...]

    @classmethod
    def made(cls, of: Setting, forms: Sequence[Form], runs: Sequence[Run], notes: tuple[str, ...], **own: Any) -> Self:
        """Put a study together."""
        size = (of.epochs, len(of.y), len(of.names))
        return cls(tuple(forms), tuple(runs), of.within, *size, of.alpha, notes, **own)

    def says(self) -> tuple[str, ...]:
        """Say what the numbers say: a text a picture."""
        raise NotImplementedError

    def columns(self) -> Mapping[str, Sequence[str]]:
        """Give the table's own columns: a cell a run."""
        raise NotImplementedError

    def pictures(self) -> Sequence[Callable[[], Picture]]:
        """Give what draws each picture as SVG."""
        raise NotImplementedError

    @property
    def optimum(self) -> Optimum:
        """What distances are from; without a penalty it is the same in all forms of the columns."""
        return self.forms[0].optimum

    @property
    def near(self) -> str:
        """How near the runs are to come, in words."""
        return f"{words.nats(self.within)} of {self.optimum.name}"

    @property
    def conclusions(self) -> tuple[str, ...]:
        """What is said under each picture; first of all, that there is no optimum."""
        first, *others = self.says()
        if not self.optimum.exists:
            low = words.number(self.optimum.objective)
            first = (
                f"There is no optimum: {self.optimum.why}. Distances are from the infimum, at least {low} nats. {first}"
            )
        return first, *others

    @property
    def conclusion(self) -> str:
        """All of it in one text."""
        return " ".join(self.conclusions)

    def facts(self) -> list[tuple[str, str]]:
        """Say what was studied: names and what they are."""
        told = self.optimum
        penalty = f"mean log-loss + ({self.alpha:.6g}/2) w.w" if self.alpha else "mean log-loss, no penalty"
        optimum = f"F* = {words.number(told.objective, 5)} nats, certified by Newton's method in {told.reads:.0f} reads"
        return [
            ("rows", f"{self.n_rows:,}, {words.counted(self.n_features, 'column')}"),
            ("objective", penalty),
            ("optimum", optimum if told.exists else f"none: {told.why}"),
            ("learning rate", self.how),
        ]

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Give the numbers that a reader compares: heads, and a row a run."""
        columns = {
            self.knob: [run.label for run in self.runs],
            "what happened": [run.happened for run in self.runs],
            f"{self.unit} to {words.nats(self.within)}": [run.took() for run in self.runs],
            **self.columns(),
        }
        return list(columns), [list(row) for row in zip(*columns.values(), strict=True)]

    def arrivals(self) -> str:
        """Say which run came near the optimum when, the first one first."""
        order = sorted(self.runs, key=lambda run: math.inf if run.reached is None else run.reached)
        took = ((run.label, run.took("about ", "more than ")) for run in order)
        return words.listed(f"{self.unit.capitalize()} to come within {self.near}", took)

    def conditions(self) -> str:
        """Say how much the Hessian's largest and smallest curvature differ."""
        where = "at the optimum" if self.optimum.exists else "at the start"
        cells = [(form.label, words.number(form.condition)) for form in self.forms]
        return words.listed(f"Condition number of the Hessian {where}", cells)

    def to_dict(self) -> dict[str, Any]:
        """All numbers as what JSON can hold, with a `schema_version`; numbers that aren't finite as None."""
        return {"schema_version": SCHEMA_VERSION, "study": self.name, "conclusion": self.conclusion, **plain(self)}

    def svg(self, title: str | None = None) -> str:
        """Draw it: one SVG with a title and what each picture shows, in its own light and dark colours."""
        from chainrule.charts.sheet import svg_sheet

        return svg_sheet(title or self.heading, self._panels())

    def png(self, title: str | None = None, *, scale: float = 2.0) -> bytes:
        """Draw the same as a PNG, `scale` dots per CSS pixel."""
        from chainrule.charts.sheet import png_sheet

        return png_sheet(title or self.heading, self._panels(), scale=scale)

    def html(self, title: str | None = None, *, notes: Sequence[str] = ()) -> str:
        """Give it as one HTML page: pictures, conclusion, table. notes: more sentences on the data."""
        from chainrule.documents.studies import study_page

        return study_page(self, title or self.heading, notes)

    def _panels(self) -> list[Panel]:
        from chainrule.charts.sheet import Panel

        return [Panel(draw, text) for draw, text in zip(self.pictures(), self.conclusions, strict=True)]


def plain(value: Any) -> Any:
    """Make a value JSON-able: dataclasses become dictionaries of what they show, arrays lists, what is not finite None."""
    if is_dataclass(value):
        value = {f.name: getattr(value, f.name) for f in fields(value) if f.repr}
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {name: plain(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
