"""Collinear columns, separated classes, infinite coefficients: why there is no single optimum, or no proof."""

from __future__ import annotations

import math
from collections.abc import Sequence

from chainrule.findings.finding import MOST_NAMES, Finding, Front, Said, Sentence, Values, run, say, with_proof
from chainrule.words import counted, listed, short

MOST_RELATIONS, MOST_CAUSES, SHORT, LONG_NAME = 2, 2, 60, 60  # in the sentence of a warning


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
    named, count = values["listed"], values["relations"]
    if named:
        return f"and {count - named} more relations"
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
    return f"{factor_of(names)}: every row with none of {listed(names, 4)} is {of}"


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
        some = ", ".join(map(_named, names[:3])) + ", ..." * (len(names) > 3)
        what = f"a combination of {counted(len(names), 'column')} ({some})"
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
    way = f"use a penalty, e.g. {_penalty(values, on)}{merging}"
    return f"{_are_separated(values, on)}, so no finite coefficients are optimal: {shown}; {way}"


def _penalty(values: Values, on: Front) -> str:
    """Name a penalty of 1/m."""
    return on.option("alpha", float(f"{1 / max(values['rows'], 1):.2g}"))


def _are_separated(values: Values, on: Front) -> str:
    how = "completely" if values["kind"] == "complete" else "quasi-completely"
    return f"the classes are {how} separated"


def _infinite(values: Values, on: Front) -> str:
    shown = [f"{name} (all {of})" for name, of in values["columns"]]
    way = f"use a penalty, e.g. {_penalty(values, on)}, or merge such levels with others"
    left = values.get("left")  # None for a run that goes on towards infinity
    ridge = f" with a ridge of {short(values['ridge'])}" if "ridge" in values else ""
    parts = [
        f"{_are_infinite(values, on)}: {listed(shown, len(shown), values['count'])}",
        *([f"the other coefficients are those of the fit of the {left:,} other rows{ridge}"] if left else []),
        *(
            f"the first level of {name} has infinite odds, so that its levels are compared with {level} instead"
            for name, level in values.get("references", ())
        ),
    ]
    if values["without_rows"] and left:
        zero = listed(values["zero"], len(values["zero"]), values["without_rows"])
        parts.append(f"{zero}: no rows are left to estimate from, and the coefficient is 0")
    return f"{'; '.join(parts)}; for finite coefficients {way}"


def _are_infinite(values: Values, on: Front) -> str:
    count = counted(values["count"], "coefficient")
    them = "is infinite, as its level has" if values["count"] == 1 else "are infinite, as their levels have"
    return f"{count} {them} rows of one class only"


def _undetermined(values: Values, on: Front) -> str:
    rows = f"{counted(values['rows'], 'row')} {'has' if values['rows'] == 1 else 'have'}"
    return f"{rows} infinite coefficients of both signs: the probability is undetermined"


def _stands_for_infinity(values: Values, on: Front) -> str:
    g = "undetermined" if math.isnan(values["z"]) else "1" if values["z"] > 0 else "0"
    return f"the row has an infinite coefficient: its probability is {g}, and finite numbers stand for infinity here"


def _at_limit(values: Values, on: Front) -> str:
    some = f"{counted(values['infinite'], 'infinite coefficient')} ({listed(values['names'], 3, values['infinite'])})"
    return with_proof(f"converged to the limit with {some} after {run(values)}", values)


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


SENTENCES: dict[str, Sentence] = {
    "too far": _too_far,
    "relations": _relations,
    "hidden curvature": _hidden_curvature,
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
    "collinear too": lambda v, on: f"the columns are collinear as well: {_together(v['relations'], on)}",
}

HEADS: dict[str, Sentence] = {
    "separated": _are_separated,
    "infinite": _are_infinite,
    "relations": lambda v, on: "the columns are collinear",
}
