"""What a separating direction means, in a sentence: columns, levels, thresholds and classes by their names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from chainrule.diagnosis.exact import simple_fraction, whole_numbers
from chainrule.diagnosis.halfspaces import Direction, Halfspaces
from chainrule.diagnosis.relations import factor_of, linear_text


@dataclass(frozen=True)
class Finding:
    """One cause: its text, and whether it is a level of a category."""

    text: str
    is_level: bool = False


def column_sentence(
    space: Halfspaces,
    j: int,
    side: int,
    t: Fraction,
    classes: tuple[str, str],
    ends: tuple[float, float, float, float],
) -> Finding:
    """Word a column that separates alone, at the threshold t; side 1: class 1 above. Ends: of each class's rows."""
    name = space.rows.feature_names[j]
    upper, lower = (classes[1], classes[0]) if side > 0 else (classes[0], classes[1])
    is_level = space.is_dummy(j) and "=" in name
    if all(end != t for end in ends):
        if space.is_dummy(j):
            return Finding(
                f"{name} alone separates the classes completely: {upper} where it is 1, {lower} where 0", is_level
            )
        return Finding(
            f"{name} above {float(t):g} separates the classes completely: {upper} above, {lower} below", False
        )
    above, below = bool(max(ends) > t), bool(min(ends) < t)
    if space.is_dummy(j):
        who, whose = f"{name}: every row of this level", upper
        if not above:
            who, whose = _of_reference(space, factor_of((name,)), (name,)) or none_of((name,)), lower
        if not is_level:
            who = f"every row with {name} = {1 if above else 0}"
        return Finding(f"{who} is {whose}", is_level)
    parts = [f"above {float(t):.6g} is {upper}"] * above + [f"below {float(t):.6g} is {lower}"] * below
    return Finding(f"{name}: every row {' and every row '.join(parts)}", False)


def none_of(names: Sequence[str]) -> str:
    """Say which rows are of none of the levels; who knows the category's reference level may name it in place of this."""
    if len(names) == 1:
        return f"every row without {names[0]}"
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return f"every row of none of {', '.join(names[:4])}{more}"


def _of_reference(space: Halfspaces, factor: str | None, names: Sequence[str]) -> str | None:
    """Say which rows are of none of the levels where these are all that have a column: those of the first level."""
    reference = None if factor is None else space.rows.references.get(factor)
    others = {name for name in space.rows.feature_names if name.startswith(f"{factor}=")}
    return None if reference is None or not others <= set(names) else f"{factor}={reference}: every row of this level"


def direction_sentence(space: Halfspaces, found: Direction, classes: tuple[str, str], complete: bool) -> Finding:
    """Word a direction of several columns; complete: no row is on its plane."""
    support = sorted(j for j, c in found.v.items() if c)
    names = tuple(space.rows.feature_names[j] for j in support)
    where = f"is above 0 only in rows of {classes[1]} and below 0 only in rows of {classes[0]}"
    if complete:
        where = f"is above 0 in every row of {classes[1]} and below 0 in every row of {classes[0]}"
    factor = factor_of(names)
    values = [found.v[j] for j in support]
    if factor and len(set(values)) == 1 and found.b == -values[0] and all(space.is_dummy(j) for j in support):
        who = _of_reference(space, factor, names) or f"{factor}: {none_of(names)}"
        return Finding(f"{who} is {classes[0 if values[0] > 0 else 1]}", True)
    if len(names) > 6:
        what = f"a combination of {len(names)} columns ({', '.join(names[:6])}, ...)"
        return Finding(f"{what} {where}")
    whole, whole_b = whole_numbers(values, found.b)
    if max([*map(abs, whole), abs(whole_b)]) <= 10**4:
        text = linear_text(names, [Fraction(c) for c in whole], Fraction(whole_b))
    else:
        text = _about(space, support, names, [*values, found.b])
    return Finding(f"{text} {where}")


def _about(space: Halfspaces, support: list[int], names: tuple[str, ...], numbers: list[Fraction]) -> str:
    """Write coefficients and intercept in few digits, with "about" where that changes them."""
    unit = min(abs(c) for c in numbers[:-1])
    reach = max(abs(c) / Fraction(float(space.p[j])) for c, j in zip(numbers[:-1], support, strict=True))
    if abs(numbers[-1]) < reach / 10**9:
        numbers = [*numbers[:-1], Fraction(0)]
    ratios = [simple_fraction(float(c / unit), 1e-9) if c else c for c in numbers]
    simple = [ratio for ratio in ratios if ratio is not None]
    if len(simple) == len(ratios):
        whole, whole_b = whole_numbers(simple[:-1], simple[-1])
        return "about " + linear_text(names, [Fraction(c) for c in whole], Fraction(whole_b))
    unit = max(abs(c) for c in numbers[:-1])
    exact = [c / unit for c in numbers]
    shown = [Fraction(f"{float(c):.5g}") for c in exact]
    return ("" if shown == exact else "about ") + linear_text(names, shown[:-1], shown[-1])
