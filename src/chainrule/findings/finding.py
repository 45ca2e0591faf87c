"""Findings, the two interfaces that their sentences are worded for, warnings, and the ways out of a problem."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from chainrule import errors
from chainrule.errors import ChainruleWarning, warn
from chainrule.words import about, counted, plain, rounded

Values = Mapping[str, Any]

MOST_NAMES = 8  # columns that a relation's sentence names


Sentence = Callable[[Values, "Front"], str]
SENTENCES: dict[str, Sentence] = {}  # one for each code; filled by the modules beside this one
HEADS: dict[str, Sentence] = {}  # what happened, where the sentence goes on with columns and ways out


@dataclass(frozen=True)
class Front:
    """How options are named: as arguments in Python, or as options of the command line."""

    is_shell: bool = False
    # renamed: arguments that have another name in a command. without: which options to drop when changing --method.
    renamed: Mapping[str, str] = field(default_factory=dict)
    without: str = ""

    def option(self, name: str, value: object = None) -> str:
        """Name an option, with its value if one is given."""
        if not self.is_shell:
            return name if value is None else f"{name}={value!r}"
        shown = self.renamed.get(name, f"--{name.replace('_', '-')}")
        return shown if value is None or value is True else f"{shown} {value}"

    @property
    def all_relations(self) -> str:
        """Where all relations between collinear columns are."""
        return "--relations" if self.is_shell else "result.relations"

    @property
    def auto_rate(self) -> str:
        """'auto', as a learning rate."""
        return "auto" if self.is_shell else "'auto'"


PYTHON, SHELL = Front(), Front(is_shell=True, renamed={"n_threads": "--threads"})


@dataclass(frozen=True)
class Finding:
    """One thing to say about a run; `str` gives the sentence that Python's users see.

    A sentence has no full stop, as it may be a part of another one.
    """

    code: str
    values: Values = field(default_factory=dict)

    def __str__(self) -> str:
        return say(self)

    @property
    def head(self) -> str:
        """What happened, without the columns and the ways out that a long sentence goes on with."""
        return HEADS.get(self.code, SENTENCES[self.code])(self.values, PYTHON)

    def without(self, name: str) -> Finding:
        """Return the same finding without one of its values, which its sentence then leaves out."""
        return Finding(self.code, {key: value for key, value in self.values.items() if key != name})

    @property
    def warning(self) -> type[ChainruleWarning] | None:
        """Class of the warning to issue; None if the finding is not a warning."""
        return WARNINGS.get(self.code)

    def to_dict(self) -> dict[str, Any]:
        """Return code and values, JSON-able."""
        return {"code": self.code, "values": plain(self.values)}


def say(what: Finding | str, front: Front = PYTHON) -> str:
    """Write a finding's sentence; a text is returned as it is."""
    return what if isinstance(what, str) else SENTENCES[what.code](what.values, front)


Said = Finding | str


def two_fronts(python: str, shell: str) -> Finding:
    """Make a finding whose sentence differs between Python and the command line."""
    return Finding("two fronts", {"python": python, "shell": shell})


def said_by(error: Exception | str) -> Said:
    """Return what an error or a warning was raised with: a finding or a text."""
    what = error.args[0] if isinstance(error, Exception) and error.args else error
    return what if isinstance(what, Finding) else str(what)


def warn_of(found: Finding) -> None:
    """Issue a finding's warning at the user's line that called this package."""
    assert found.warning is not None
    warn(_KINDS.get({}).get(found.warning, found.warning), found)


_KINDS: ContextVar[Mapping[type, type[ChainruleWarning]]] = ContextVar("kinds of warnings")


@contextmanager
def warnings_as(kinds: Mapping[type, type[ChainruleWarning]]) -> Iterator[None]:
    """Issue warnings of other classes in this context and thread: {usual class: replacement}."""
    before = _KINDS.set(kinds)
    try:
        yield
    finally:
        _KINDS.reset(before)


def below_limit(rate: float) -> str:
    """Write a limit of the learning rate, rounded down."""
    return f"{rounded(rate, 4, up=False):.4g}"  # a rate below the shown number is below the limit


# --- ways out ----------------------------------------------------------------------------------------------------------

Way = tuple[str, Any]


def _raise(limit: str, to: float | None, on: Front) -> str:
    return f"raise {on.option(limit)}" + (f" to about {about(to)}" if to else "")


WAYS: dict[str, Callable[[Any, Front], str]] = {
    "more reads": lambda to, on: _raise("max_reads", to, on),
    "more epochs": lambda to, on: _raise("epochs", to, on),
    "slower": lambda limit, on: f"use a {on.option('learning_rate')} below {below_limit(limit)}, or {on.auto_rate}",
    "faster": lambda _, on: f"use a larger {on.option('learning_rate')}, or {on.auto_rate}",
    "longer steps": lambda _, on: f"use a larger {on.option('learning_rate')}",
    "newton": lambda _, on: f"use {on.option('method', 'newton')}{on.without}",
    "more penalty": lambda _, on: "raise the penalty",
    "larger tol": lambda noise, on: f"use a {on.option('tol')} above {noise:.0e}",
    "less noise": lambda _, on: (
        f"use {on.option('schedule', 'inverse')}, a smaller {on.option('learning_rate')} or a larger {on.option('batch_size')}"
    ),
    "smaller columns": lambda _, on: "scale the columns down",
}


def ways_out(ways: Sequence[Way], on: Front) -> str:
    """Join the ways out: 'a, or b'; empty if there are none."""
    return ", or ".join(WAYS[code](value, on) for code, value in ways)


def with_ways(text: str, values: Values, on: Front, sign: str = ":") -> str:
    """Add the ways out to a sentence, if there are any."""
    ways = ways_out(values.get("ways", ()), on)
    return f"{text}{sign} {ways}" if ways else text


def run(values: Values) -> str:
    """'3 steps and 4.2 reads of the data', or '20 epochs'."""
    if "reads" in values:
        return f"{counted(values['steps'], 'step')} and {values['reads']:.1f} reads of the data"
    return counted(values["steps"], "epoch")


def with_proof(text: str, values: Values) -> str:
    """Add what a certificate proves to a sentence, unless it was left out."""
    return f"{text}: {values['certificate'].sentence}" if "certificate" in values else text


# What a result's first line tells, the most important first; if there is none of these, how the run ended.
TOLD_FIRST = ("diverged", "not finite", "interrupted", "separated", "infinite")

WARNINGS: dict[str, type[ChainruleWarning]] = {
    **dict.fromkeys(("unreached", "stopped", "noise floor", "unproven", "no optimum"), errors.NotConvergedWarning),
    **dict.fromkeys(("diverged", "not finite"), errors.DivergenceWarning),
    **dict.fromkeys(("collinear", "collinear too"), errors.CollinearityWarning),
    "oscillating": errors.OscillationWarning,
    "crawling": errors.CrawlingWarning,
    "above limit": errors.LearningRateWarning,
    "thinned trace": errors.ThinnedTraceWarning,
    "separated": errors.SeparationWarning,
    "text among numbers": errors.TextWarning,
    "identifiers": errors.IdentifierWarning,
    "filled in": errors.MissingWarning,
    **dict.fromkeys(("infinite", "undetermined"), errors.SeparationWarning),
}
