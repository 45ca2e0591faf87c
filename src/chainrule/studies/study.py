"""What every study returns: numbers, a table, pictures, and conclusions."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import numpy as np

from chainrule.data.rows import Units
from chainrule.objective import DataObjective
from chainrule.penalties import ridge
from chainrule.studies.runs import Form, Optimum, Run, Setting
from chainrule.studies.surface import Surface, Way, surface_of, told
from chainrule.words import Shown, counted, plain, pretty, typeset

if TYPE_CHECKING:
    from chainrule.charts.canvas import Picture

SCHEMA_VERSION = 1


class Panel(NamedTuple):
    """A picture of a study and the text under it.

    is_wide: whether it may take the whole width of a page. is_conclusion: whether the text says something without the picture.
    """

    draw: Callable[..., Picture]
    says: str
    is_wide: bool
    is_conclusion: bool = True


@dataclass(frozen=True, eq=False)
class Study(Shown):
    """Base of the studies' results: frozen, computed from arrays, with the same numbers in every output.

    Attributes
    ----------
    forms : tuple of Form
        The forms of the columns, and what theory says about them.
    runs : tuple of Run
    within : float
        Distance from the optimum that counts as near, nats.
    max_epochs, n_rows, n_features : int
    alpha : float
    notes : tuple of str
        Notes on the data.
    surfaces : tuple of (str, Surface)
        The loss surface under some runs, or under the run of each form, with its name. Not in `to_dict`.
    """

    name: ClassVar[str]
    heading: ClassVar[str]
    knob: ClassVar[str]  # what the runs differ in: the table's first heading
    unit: ClassVar[str] = "epochs"
    way: ClassVar[str] = "{}"  # the name of a run's way on the loss surface
    is_wide: ClassVar[bool] = False  # whether the first picture takes the whole width of a page

    forms: tuple[Form, ...]
    runs: tuple[Run, ...]
    within: float
    max_epochs: int
    n_rows: int
    n_features: int
    alpha: float
    notes: tuple[str, ...]
    surfaces: tuple[tuple[str, Surface], ...] = field(repr=False)

    @classmethod
    def of(cls, setting: Setting, forms: Iterable[Form], runs: Iterable[Run], **own: Any) -> Self:
        """Make the study from its forms and runs; own: the fields that only this study has."""
        forms, runs, rows = tuple(forms), tuple(runs), setting.rows
        surfaces = tuple(_surfaces(setting, forms, runs, cls.way))
        return cls(
            forms=forms, runs=runs, surfaces=surfaces, within=setting.within, max_epochs=setting.epochs, n_rows=rows.n_rows,
            n_features=rows.n_features, alpha=setting.alpha, notes=forms[0].optimum.notes, **own,
        )  # fmt: skip

    def rates_told(self) -> str:
        """Say what rates the runs take."""
        raise NotImplementedError

    def says(self) -> tuple[str, ...]:
        """Return one text per picture; by default when each run came near the optimum, the first one first."""
        order = sorted(self.runs, key=lambda run: math.inf if run.reached is None else run.reached)
        took = [(run.label, run.took("about ", "more than ")) for run in order]
        return (listed(f"{self.unit.capitalize()} to come within {self.near}", took),)

    def columns(self) -> Mapping[str, Sequence[str]]:
        """Return the study's own columns of the table, one cell per run."""
        raise NotImplementedError

    def pictures(self) -> Sequence[Callable[..., Picture]]:
        """Return one function per picture that draws it; one of the whole width takes a `width`."""
        raise NotImplementedError

    @property
    def optimum(self) -> Optimum:
        """The optimum that distances are measured from; without a penalty all forms of the columns have the same."""
        return self.forms[0].optimum

    @property
    def near(self) -> str:
        """The distance that counts as near, in words."""
        return f"{nats(self.within)} of the {'optimum' if self.optimum.exists else 'infimum'}"

    @property
    def conclusions(self) -> tuple[str, ...]:
        """The text under each picture; the first says so if there is no optimum."""
        if self.optimum.exists:
            return self.says()
        low = f"Distances are from the infimum, at least {number(self.optimum.objective)} nats."
        first, *others = self.says()
        return f"There is no optimum: {self.optimum.why}. {low} {first}", *others

    @property
    def conclusion(self) -> str:
        """All conclusions in one text."""
        return " ".join(self.conclusions)

    def facts(self) -> list[tuple[str, str]]:
        """Return what was studied, as pairs of a name and its text."""
        told, penalty = self.optimum, f" + ({self.alpha:.6g}/2) w.w" if self.alpha else ", no penalty"
        optimum = f"F* = {number(told.objective, 5)} nats, certified by Newton's method in {told.reads:.0f} reads"
        return [
            ("rows", f"{self.n_rows:,}, {counted(self.n_features, 'column')}"),
            ("objective", f"mean log-loss{penalty}"),
            ("optimum", optimum if told.exists else f"none: {told.why}"),
            ("learning rate", self.rates_told()),
        ]

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Return the numbers that a reader compares: headings, and one row per run."""
        columns = {
            self.knob: [run.label for run in self.runs],
            "what happened": [run.happened for run in self.runs],
            f"{self.unit} to {nats(self.within)}": [run.took() for run in self.runs],
            **self.columns(),
        }
        return list(columns), [list(row) for row in zip(*columns.values(), strict=True)]

    def to_dict(self) -> dict[str, Any]:
        """Return all numbers as JSON values, with a `schema_version`; numbers that aren't finite are None."""
        return {"schema_version": SCHEMA_VERSION, "study": self.name, "conclusion": self.conclusion, **plain(self)}

    def svg(self, title: str | None = None) -> str:
        """Draw the study: one SVG with a title and the text of each picture, with its own light and dark colours."""
        from chainrule.charts.sheet import svg_sheet

        return svg_sheet(title or self.heading, [(panel.draw, panel.says) for panel in self.panels()])

    def png(self, title: str | None = None, *, scale: float = 2.0) -> bytes:
        """Draw the same as a PNG, `scale` dots per CSS pixel."""
        from chainrule.charts.sheet import png_sheet

        return png_sheet(title or self.heading, [(panel.draw, panel.says) for panel in self.panels()], scale=scale)

    def html(self, title: str | None = None, *, notes: Sequence[str] = ()) -> str:
        """Return one HTML page: pictures, conclusions, table. notes: more sentences about the data."""
        from chainrule.documents.studies import study_page

        return study_page(self, title or self.heading, notes)

    def panels(self) -> list[Panel]:
        """Return the study's pictures and the loss surfaces, with the text under each."""
        from chainrule.charts.surfaces import surfaces

        found = list(zip(self.pictures(), self.conclusions, strict=True))
        panels = [Panel(draw, text, self.is_wide and not k) for k, (draw, text) in enumerate(found)]
        if self.surfaces:
            what = "each run" if len(self.surfaces) > 1 else "the runs"
            text = told([surface for _, surface in self.surfaces], what)
            panels.append(Panel(partial(surfaces, self.surfaces), text, len(self.surfaces) > 2, False))
        return panels


def _surfaces(setting: Setting, forms: Sequence[Form], runs: Sequence[Run], way: str) -> Iterator[tuple[str, Surface]]:
    """Compute the loss surface under each form's run; of many runs of one form, under the first, the best and the last."""
    if len(forms) > 1:
        groups = [(form, form.label, {"gradient descent": run}) for form, run in zip(forms, runs, strict=True)]
    else:
        best = min(runs, key=lambda run: math.inf if run.reached is None or run.estimated else run.reached)
        groups = [(forms[0], "", {way.format(run.label): run for run in (runs[0], best, runs[-1])})]
    for form, label, shown in groups:
        results = {name: run.result for name, run in shown.items()}
        first = next(iter(results.values()))
        penalty = ridge(setting.alpha, setting.rows.n_features)
        objective = DataObjective(setting.rows.see(Units(first.center, first.scale)), penalty)
        ways = [
            Way.of(name, of.trace.columns["epoch"].astype(np.int64), of.trace.w, of.trace.b)
            for name, of in results.items()
        ]
        surface = surface_of(objective, first.feature_names, ways, exists=form.optimum.exists)
        if surface is not None:
            yield label, surface


def number(value: float | None, digits: int = 3) -> str:
    """Write a number as in pictures."""
    return pretty(value, digits)


def nats(within: float) -> str:
    """Write a distance from the optimum with no more digits than it needs."""
    return f"{typeset(f'{within:g}')} nats"


def listed(what: str, cells: Iterable[tuple[str, str]]) -> str:
    """Write one figure of each of several runs as a sentence."""
    return f"{what}: {', '.join(f'{label} {cell}' for label, cell in cells)}."
