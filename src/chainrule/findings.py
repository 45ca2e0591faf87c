"""What there is to say about a run, as data: a code and its values.

Each code has one sentence here, worded for two interfaces (`Front`): Python's users read ``max_reads=200``, users of the
command line ``--max-reads 200``. What a user can do about a problem is a list of ways out, each with its value.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from shlex import quote
from typing import Any

from chainrule import errors
from chainrule.errors import ChainruleWarning, warn
from chainrule.words import about, counted, plain, rounded, short

Values = Mapping[str, Any]

MOST_NAMES = 8  # columns that a relation's sentence names
MOST_RELATIONS, MOST_CAUSES, SHORT, LONG_NAME = 2, 2, 60, 60  # in the sentence of a warning


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


def _limit(rate: float) -> str:
    return f"{rounded(rate, 4, up=False):.4g}"  # a rate below the shown number is below the limit


# --- ways out ----------------------------------------------------------------------------------------------------------

Way = tuple[str, Any]


def _raise(limit: str, to: float | None, on: Front) -> str:
    return f"raise {on.option(limit)}" + (f" to about {about(to)}" if to else "")


WAYS: dict[str, Callable[[Any, Front], str]] = {
    "more reads": lambda to, on: _raise("max_reads", to, on),
    "more epochs": lambda to, on: _raise("epochs", to, on),
    "slower": lambda limit, on: f"use a {on.option('learning_rate')} below {_limit(limit)}, or {on.auto_rate}",
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


def _with_ways(text: str, values: Values, on: Front, sign: str = ":") -> str:
    ways = ways_out(values.get("ways", ()), on)
    return f"{text}{sign} {ways}" if ways else text


# --- how a run ended ---------------------------------------------------------------------------------------------------


def _run(values: Values) -> str:
    """'3 steps and 4.2 reads of the data', or '20 epochs'."""
    if "reads" in values:
        return f"{counted(values['steps'], 'step')} and {values['reads']:.1f} reads of the data"
    return counted(values["steps"], "epoch")


def _with_proof(text: str, values: Values) -> str:
    return f"{text}: {values['proof']}" if "proof" in values else text


def _converged(values: Values, on: Front) -> str:
    text = _with_proof(f"converged after {_run(values)}", values)
    if values.get("is_rounding"):
        text += f"; {on.option('tol')} {values['tol']:.2g} is below what rounding leaves here"
    if values.get("is_offset"):
        text += "; a column lies so far from 0 that 16 digits allow no better intercept: subtract a constant from it"
    return _with_ways(text, values, on)


def _stopped(values: Values, on: Front) -> str:
    how = f"stopped after {_run(values)}, before the proven gap reached {on.option('tol')} {values['tol']:.2g}"
    return _unproven(values, on, how)


def _unproven(values: Values, on: Front, how: str = "") -> str:
    text = how or f"ended after {_run(values)} without a proof of {on.option('tol')} {values['tol']:.2g}"
    parts = [_with_proof(text, values), *(say(part, on) for part in values.get("more", ()))]
    return _with_ways("; ".join(parts), values, on)


def _returned(values: Values, on: Front) -> str:
    return _with_ways(f"the best point, from epoch {values['best']:,}, is returned", values, on, ";")


def _diverged(values: Values, on: Front) -> str:
    beyond = "the first epoch takes the objective beyond what a float64 holds"
    what = f"the loss grows without end after epoch {values['steps']:,}" if values["steps"] else beyond
    return f"diverged: {what}; {_returned(values, on)}"


def _interrupted(values: Values, on: Front) -> str:
    returned = f"; {_returned(values, on)}" if "best" in values else ""
    more = "".join(f"; {say(part, on)}" for part in values.get("more", ()))
    return _with_proof(f"interrupted after {_run(values)}{returned}", values) + more


def _epochs_left(values: Values, on: Front) -> str:
    if values["epochs"] > 1e15:
        return f"at the {values['by']} seen it would not get there"
    return f"at the {values['by']} seen about {about(values['epochs'])} more epochs are needed"


def _hovers(values: Values, on: Front) -> str:
    falls = "F shows no clear fall" if values["decays"] else "F no longer falls"
    span = f"in the last {counted(values['epochs'], 'epoch')} this bound went up and down"
    best = f"the lowest objective was {values['objective']:.6g}, after epoch {values['best']:,}"
    noise = ", by the noise of mini-batches at a constant rate" if values["is_noise"] else ""
    return f"{falls}: {span} from {values['low']:.2g} to {values['high']:.2g} ({best}){noise}"


def _crawling(values: Values, on: Front) -> str:
    needed, size = values["epochs"], "at least" if values["is_least"] else "about"
    how_long = "no finite number of epochs would be enough at the rate seen"
    if math.isfinite(needed):
        how_long = f"{size} {about(needed)} more epochs are needed"
    return f"epoch {values['epoch']:,}: crawling: {how_long}: {ways_out(values['ways'], on)}"


def _above_limit(values: Values, on: Front) -> str:
    rate, limit = f"{on.option('learning_rate')} {values['rate']:.6g}", _limit(values["limit"])
    batches = f" for batches of {values['batch']:,}" if "batch" in values else ""
    which = "the stable limit" if values.get("is_largest") else f"what is known to be stable{batches},"
    return f"{rate} is above {which} {limit}: the loss may rise or oscillate"


def _no_optimum(values: Values, on: Front) -> str:
    text = f"no finite coefficients are optimal, so the optimum with a ridge of {short(values['ridge'])} is returned"
    return text if values["is_reached"] else _with_proof(f"{text}, but was not reached", values)


# --- why nothing is proven ---------------------------------------------------------------------------------------------


def _relations(values: Values, on: Front) -> str:
    way = ": raise the penalty, standardize the columns, or drop a column of each relation"
    return f"the columns are collinear: {_together(values['relations'])}" + (way if values["has_penalty"] else "")


def _too_far(values: Values, on: Front) -> str:
    relations = values["relations"]
    return "the run ended too far from an optimum" + (
        f"; the columns are collinear: {_together(relations)}" if relations else ""
    )


def _hidden_curvature(values: Values, on: Front) -> str:
    way = "raise the penalty, standardize the columns" if values["has_penalty"] else "use a penalty"
    names = values["columns"]
    shown = ", ".join(names[:6]) + (", ..." if len(names) > 6 else "")
    return f"rounding hides the curvature along a combination of {shown}: {way}, or drop a column"


# --- collinear columns -------------------------------------------------------------------------------------------------


def factor_of(names: Sequence[str]) -> str | None:
    """Return the category if all columns are levels of one ("species" for "species=Gentoo"), else None."""
    heads = {name.split("=", 1)[0] if "=" in name else None for name in names}
    return heads.pop() if len(heads) == 1 else None


def linear_text(names: Sequence[str], v: Sequence[float], constant: float = 0.0) -> str:
    """Write v.x + constant for a reader: "2 x1 - x2 + 5"."""
    text = ""
    for name, c in zip([*names, ""], [*v, constant], strict=True):
        if c:
            sign = ("-" if c < 0 else "") if not text else (" - " if c < 0 else " + ")
            text += sign + (name if name and abs(c) == 1 else f"{abs(c):.7g} {name}".strip())
    return text or "0"


def _equation(values: Values, digits: int) -> str:
    names, v, constant = values["columns"], values["coefficients"], values["constant"]
    *others, last = names
    if not others:
        return f"{last} is constant ({constant / v[-1]:.6g})"
    if len(set(v)) == 1 and constant == v[-1] and factor_of(names):
        shown = names if len(names) <= MOST_NAMES else [*names[:3], "...", last]
        return f"the levels of {factor_of(names)} add up to the intercept: {' + '.join(shown)} = 1"
    if len(names) > MOST_NAMES:
        return f"{last} is a combination of {len(others)} columns: {', '.join(names[:6])}, ..."
    *v, last_v, constant = (float(f"{c:.{digits}g}") for c in (*v, constant))
    return f"{linear_text(others, [-c for c in v], constant)} = {linear_text([last], [last_v])}"


def _relation(values: Values, on: Front) -> str:
    text, apart = _equation(values, 7), values["deviation"]
    if values["is_exact"]:
        return text
    if len(values["columns"]) == 1:
        return f"{text} except in rows of almost no weight"
    return f"{text} ({f'to within {apart:.1g} standard deviations' if apart else 'up to rounding, not exactly'})"


def _more_relations(values: Values, on: Front) -> str:
    listed, count = values["listed"], values["relations"]
    if listed:
        return f"and {count - listed} more relations"
    return f"{count:,} of the {values['columns']:,} columns are combinations of more than {values['most']} others each"


def _named(name: str) -> str:
    return name if len(name) <= LONG_NAME else f"{name[: LONG_NAME // 2]}...{name[3 - LONG_NAME // 2 :]}"


def _in_short(relation: Said) -> str:
    """Write a relation so that two have room in a line."""
    if isinstance(relation, str):
        return relation
    names, text = relation.values["columns"], _equation(relation.values, 4)
    if len(text) <= SHORT:
        return text if relation.values["is_exact"] else f"{text}, nearly"
    *others, last = names
    if " add up to the intercept: " in text:
        return f"the levels of {_named(str(factor_of(names)))} add up to the intercept"
    what = f"a combination of {counted(len(others), 'column')}" if others else "constant"
    return f"{_named(last)} is {what}"


def _together(relations: Sequence[Said], on: Front | None = None) -> str:
    """Write a relation or two in short, and how many there are. on : if given, the sentence says where all are."""
    more = [each.values for each in relations if isinstance(each, Finding) and each.code == "more relations"]
    named = relations[: len(relations) - len(more)]
    if not named:
        return say(relations[-1])
    count = more[0]["relations"] if more else len(named)
    if count <= MOST_RELATIONS:
        return "; ".join(map(_in_short, named))
    return f"{count:,} relations, such as {_in_short(named[0])}" + (f" ({on.all_relations} lists them)" if on else "")


def _collinear(values: Values, on: Front) -> str:
    good = "as good" if values["is_exact"] else "about as good"
    where = "in the rows left, " if values.get("of_rest") else ""
    what = (
        f"{where}the columns are collinear, so that other coefficients are {good}: {_together(values['relations'], on)}"
    )
    return f"{what}; {values['which']}; drop a column of each relation, or use a penalty"


# --- separated classes -------------------------------------------------------------------------------------------------


def _level(values: Values, on: Front) -> str:
    level, of = _named(values["level"]), values["class"]
    return f"{level}: every row of this level is {of}" if values["factor"] else f"every row with {level} = 1 is {of}"


def _no_level(values: Values, on: Front) -> str:
    names, of = [*map(_named, values["levels"])], values["class"]
    if len(names) == 1:
        rows = f"without {names[0]}" if values["factor"] else f"with {names[0]} = 0"
        return f"every row {rows} is {of}"
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return f"{factor_of(names)}: every row with none of {', '.join(names[:4])}{more} is {of}"


def _threshold(values: Values, on: Front) -> str:
    column = _named(values["column"])
    if values["is_complete"] and len(values["sides"]) == 2:
        (_, upper), (_, lower) = values["sides"]
        at = f"{column} above {values['threshold']:g}"
        return f"{at} separates the classes completely: {upper} above, {lower} below"
    sides = [f"every row {side} {values['threshold']:.6g} is {of}" for side, of in values["sides"]]
    return f"{column}: {' and '.join(sides)}"


def _direction(values: Values, on: Front) -> str:
    names, v, (lower, upper) = values["columns"], values["coefficients"], values["classes"]
    where = "in every row of" if values["is_complete"] else "only in rows of"
    what = ("" if values["is_exact"] else "about ") + linear_text(names, v, values["constant"])
    if len(what) > SHORT:
        what = f"a combination of {counted(len(names), 'column')} ({', '.join(map(_named, names[:3]))}, ...)"
    return f"{what} is above 0 {where} {upper} and below 0 {where} {lower}"


def _few_rows(values: Values, on: Front) -> str:
    text = f"{counted(values['columns'], 'column')} can separate almost any labels of {counted(values['rows'], 'row')}"
    mixed, zeros = values["mixed"], values["zeros"]
    text += f", but for {mixed:,} rows with the same numbers as a row of the other class" if mixed else ""
    return text + (f", but for {counted(zeros, 'row')} of zeros, which have no intercept" if zeros else "")


def _separated(values: Values, on: Front) -> str:
    # The penalty comes first, as it always helps: columns not named here may separate the classes as well.
    causes, more = values["causes"], len(values["causes"]) - MOST_CAUSES
    shown = "; ".join("of the rows left, " * each.values["of_rest"] + say(each, on) for each in causes[:MOST_CAUSES])
    shown += f"; and {more} more" if more > 0 else ""
    merging = ", or merge the level with another" if any(each.values.get("factor") for each in causes) else ""
    alpha = float(f"{1 / max(values['rows'], 1):.2g}")
    way = f"use a penalty, e.g. {on.option('alpha', alpha)}{merging}"
    return f"{_are_separated(values, on)}, so no finite coefficients are optimal: {shown}; {way}"


def _are_separated(values: Values, on: Front) -> str:
    how = "completely" if values["kind"] == "complete" else "quasi-completely"
    return f"the classes are {how} separated"


def _infinite(values: Values, on: Front) -> str:
    shown = [f"{name} (all {of})" for name, of in values["columns"]]
    way = f"use a penalty, e.g. alpha = 1/m = {1 / max(values['rows'], 1):.2g}, or merge such levels with others"
    left = values.get("left")  # None for a run that goes on towards infinity
    ridge = f" with a ridge of {short(values['ridge'])}" if "ridge" in values else ""
    parts = [
        f"{_are_infinite(values, on)}: {_some(shown, values['count'])}",
        *([f"the other coefficients are those of the fit of the {left:,} other rows{ridge}"] if left else []),
        *(
            f"the first level of {name} has infinite odds, so that its levels are compared with {level} instead"
            for name, level in values.get("references", ())
        ),
    ]
    if values["without_rows"] and left:
        zero = _some(values["zero"], values["without_rows"])
        parts.append(f"{zero}: no rows are left to estimate from, and the coefficient is 0")
    return f"{'; '.join(parts)}; for finite coefficients {way}"


def _are_infinite(values: Values, on: Front) -> str:
    count = counted(values["count"], "coefficient")
    them = "is infinite, as its level has" if values["count"] == 1 else "are infinite, as their levels have"
    return f"{count} {them} rows of one class only"


def _some(names: Sequence[str], count: int) -> str:
    more = count - len(names)
    return ", ".join(names) + (f" and {more:,} more" if more > 0 else "")


def _undetermined(values: Values, on: Front) -> str:
    rows = f"{counted(values['rows'], 'row')} {'has' if values['rows'] == 1 else 'have'}"
    return f"{rows} infinite coefficients of both signs: the probability is undetermined"


def _stands_for_infinity(values: Values, on: Front) -> str:
    g = "undetermined" if math.isnan(values["z"]) else "1" if values["z"] > 0 else "0"
    return f"the row has an infinite coefficient: its probability is {g}, and finite numbers stand for infinity here"


def _at_limit(values: Values, on: Front) -> str:
    some = f"{counted(values['infinite'], 'infinite coefficient')} ({_some(values['names'][:3], values['infinite'])})"
    return _with_proof(f"converged to the limit with {some} after {_run(values)}", values)


def _too_many_columns(values: Values, on: Front) -> str:
    n = values["columns"]
    text = f"a Hessian of {n:,} columns would take {8e-9 * n * n:.2g} GB"
    if values["has_penalty"]:
        return f"{text}: use {on.option('method', 'newton-cg')}, or fewer columns"
    return f"{text}, and without a penalty nothing else proves an optimum: give {on.option('alpha')}, e.g. 1/m"


# --- kinds of columns --------------------------------------------------------------------------------------------------


def _kind(names: Sequence[str], kind: str, on: Front) -> str:
    """Write how to give columns a kind; a name with a comma must be given alone."""
    listed = names[:MOST_NAMES] if not any("," in name for name in names) else names[:1]
    return f"--{kind} {quote(','.join(listed))}" if on.is_shell else f"columns={dict.fromkeys(listed, kind)}"


def _listed(words: Sequence[str]) -> str:
    more = len(words) - MOST_NAMES
    return ", ".join(words[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _read_as_numbers(values: Values, on: Front) -> str:
    told = f"text, dates and times read as numbers: {_listed([f'{name} {how}' for name, how, _ in values['columns']])}"
    dates = [name for name, _, is_date in values["columns"] if is_date]
    parts = ["year", "month", "weekday"]
    for name in dates[:1]:
        way = f"--dates {quote(f'{name}={chr(44).join(parts)}')}" if on.is_shell else f"columns={ {name: parts} }"
        told += f"; {way} takes parts of the date instead"
    return told


def _few(values: Values, on: Front, what: str, each: str, kind: str, end: str) -> str:
    told = [f"{name} ({each.format(*counts)})" for name, *counts in values["columns"]]
    return f"{what}: {_listed(told)}; {_kind([of[0] for of in values['columns']], kind, on)} {end}"


_OWN = "{:,} values in {:,} rows"
_NO_USE = "nearly every row has a value of its own, so the coefficients say nothing about other rows"


SENTENCES: dict[str, Callable[[Values, Front], str]] = {
    "converged": _converged,
    "unreached": _converged,  # but not to tol, for a reason that the sentence names
    "stopped": _stopped,
    "noise floor": _stopped,
    "unproven": _unproven,
    "diverged": _diverged,
    "not finite": lambda v, on: f"stopped: the objective is not finite after epoch {v['steps']:,}; {_returned(v, on)}",
    "interrupted": _interrupted,
    "no optimum": _no_optimum,
    "reads left": lambda v, on: (
        f"it takes about {counted(v['reads'], 'more read')} to reach {on.option('tol')} {v['tol']:.2g}"
    ),
    "epochs left": _epochs_left,
    "is rounding": lambda v, on: "what is left is rounding",
    "oscillated": lambda v, on: (
        f"the loss oscillated (the lowest objective, {v['objective']:.6g}, came after epoch {v['best']:,})"
    ),
    "short steps": lambda v, on: "the steps are short",
    "unknown rate": lambda v, on: "how far F falls at a constant rate can't be predicted",
    "hovers": _hovers,
    "oscillating": lambda v, on: f"epoch {v['epoch']:,}: the loss oscillates; {ways_out(v['ways'], on)}",
    "crawling": _crawling,
    "above limit": _above_limit,
    "not finite at start": lambda v, on: (
        f"the objective is not finite at the start: use a smaller w0, or {on.option('standardize', True)}"
    ),
    "too large for any rate": lambda v, on: (
        f"the columns are too large for any learning rate: standardize them ({on.option('standardize', True)}), or rescale"
    ),
    "needs a penalty": lambda v, on: (
        f"{on.option('method', 'newton-cg')} needs a penalty: without one there may be no optimum, and nothing to prove; "
        f"give {on.option('alpha')}, e.g. 1/m"
    ),
    "rows too large": lambda v, on: (
        f"X has rows larger than {v['largest']:.0e}: divide its columns by a constant, or use {on.option('method', 'newton')}"
    ),
    "large batch": lambda v, on: (
        f"{on.option('batch_size')} {v['batch']:,} is more than the {v['rows']:,} rows of positive weight: use no more, or "
        f"{on.option('method', 'gradient-descent')} for an update of all rows"
    ),
    "too many columns": _too_many_columns,
    "no hessian": lambda v, on: f"{v['columns']:,} columns are too many for a Hessian",
    "not looked for": lambda v, on: "the cause was not looked for",
    "too far": _too_far,
    "relations": _relations,
    "hidden curvature": _hidden_curvature,
    "two fronts": lambda v, on: str(v["shell"] if on.is_shell else v["python"]),
    "thinned trace": lambda v, on: str(v["note"]),
    "separated": _separated,
    "infinite": _infinite,
    "at limit": _at_limit,
    "undetermined": _undetermined,
    "stands for infinity": _stands_for_infinity,
    "level": _level,
    "no level": _no_level,
    "threshold": _threshold,
    "direction": _direction,
    "few rows": _few_rows,
    "relation": _relation,
    "more relations": _more_relations,
    "collinear": _collinear,
    "read as numbers": _read_as_numbers,
    "parts in UTC": lambda v, on: f"parts of dates in UTC, not in local time: {_listed(v['columns'])}",
    "codes": lambda v, on: (
        f"codes with leading zeros are categories: {_listed(v['columns'])}; {_kind(v['columns'], 'numeric', on)} makes them "
        "numbers"
    ),
    "other dates": lambda v, on: _few(
        v,
        on,
        "categories that look like dates",
        "{:,} levels",
        "categorical",
        "keeps them; written as 2024-01-31 they are dates",
    ),
    "perhaps categories": lambda v, on: _few(
        v, on, "numbers that may be categories", "{} values", "categorical", "makes them categories"
    ),
    "left out": lambda v, on: _few(v, on, "columns of identifiers left out", _OWN, "categorical", "keeps them"),
    "identifiers": lambda v, on: _few(v, on, _NO_USE, _OWN, "categorical", "keeps them without this warning"),
    "collinear too": lambda v, on: f"the columns are collinear as well: {_together(v['relations'], on)}",
}

HEADS: dict[str, Callable[[Values, Front], str]] = {
    "separated": _are_separated,
    "infinite": _are_infinite,
    "relations": lambda v, on: "the columns are collinear",
}

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
    "identifiers": errors.IdentifierWarning,
    **dict.fromkeys(("infinite", "undetermined"), errors.SeparationWarning),
}
