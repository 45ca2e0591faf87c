"""Relations among columns and separating directions in words: columns, levels, thresholds and classes by their names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from chainrule.diagnosis.exact import simple_fraction, whole_numbers

MAX_COLUMNS = 8  # in a relation's sentence
MAX_CAUSE = 6  # in that of a direction


def linear_text(names: Sequence[str], v: Sequence[float], constant: float = 0.0) -> str:
    """Write v.x + constant for a reader: "2 x1 - x2 + 5"."""
    text = ""
    for name, c in zip([*names, ""], [*v, constant], strict=True):
        if c:
            size = _number(abs(c))
            sign = ("-" if c < 0 else "") if not text else (" - " if c < 0 else " + ")
            text += sign + (name if name and size == "1" else f"{size} {name}".strip())
    return text or "0"


def _number(value: float) -> str:
    decimal, near = f"{value:.7g}", simple_fraction(value, 1e-15)
    is_short = near is not None and (near < 10**7 if near.denominator == 1 else Fraction(decimal) != near)
    return str(near) if is_short else decimal


def factor_of(names: Sequence[str]) -> str | None:
    """Name of the one category whose levels the columns are ("species" of "species=Gentoo"), or None."""
    heads = {name.split("=", 1)[0] if "=" in name else None for name in names}
    return heads.pop() if len(heads) == 1 else None


def relation_sentence(names: Sequence[str], v: Sequence[float], constant: float) -> str:
    """Write v.x = constant for a reader."""
    last, ones = v[-1], [1.0] * len(names)
    if len(names) == 1:
        return f"{names[0]} is constant ({constant / last:.6g})"
    if len(set(v)) == 1 and constant == last:
        few = len(names) <= MAX_COLUMNS
        whole = linear_text(names, ones) if few else f"{linear_text(names[:3], ones[:3])} + ... + {names[-1]}"
        factor = factor_of(names)
        return f"the levels of {factor} add up to the intercept: {whole} = 1" if factor else f"{whole} = 1"
    if len(names) > MAX_COLUMNS:
        return f"{names[-1]} is a combination of {len(names) - 1} columns: {', '.join(names[:6])}, ..."
    rest = [-c for c in v[:-1]]
    if len(rest) > 1 and not constant and last == 1 and set(rest) == {1}:
        return f"{linear_text(names[:-1], rest)} = {names[-1]}"
    return f"{linear_text(names[-1:], [last])} = {linear_text(names[:-1], rest, constant)}"


@dataclass(frozen=True)
class Cause:
    """A direction that keeps rows of two classes apart: z = x.v + constant is >= 0 in class 1 and <= 0 in class 0.

    columns, indices, v: those that take part. sides: whether there are rows with z > 0, and with z < 0. complete: no row has
    z = 0. dummy: the columns run from 0 to 1. reference: the level of the columns' category that has no column, where these
    are all others. is_first: it is of all rows; else of those that the causes before it leave.
    """

    columns: tuple[str, ...]
    indices: tuple[int, ...]
    v: tuple[Fraction, ...]
    constant: Fraction
    sides: tuple[bool, bool]
    complete: bool
    dummy: bool
    reference: str | None
    is_first: bool

    @property
    def level(self) -> str | None:
        """The category of which a level has rows of one class alone; None: it is no such cause."""
        factor = factor_of(self.columns) if self.dummy else None
        alone = len(self.columns) == 1 and not self.complete
        rest = len(set(self.v)) == 1 and self.constant == -self.v[0]
        return factor if alone or rest else None

    def sentence(self, classes: tuple[str, str]) -> str:
        """Put the cause into words."""
        name, is_up, threshold = self.columns[0], self.v[0] > 0, float(-self.constant / self.v[0])
        upper, lower = classes[is_up], classes[not is_up]
        above, below = self.sides if is_up else self.sides[::-1]
        if len(self.columns) > 1 and self.level is None:
            where = "in every row of" if self.complete else "only in rows of"
            text = f"{self._about()} is above 0 {where} {classes[1]} and below 0 {where} {classes[0]}"
        elif self.level is not None and (len(self.columns) > 1 or not above):
            rest = f"{self.level}={self.reference}: every row of this level"
            rest = rest if self.reference is not None else none_of(self.columns)
            text = f"{self.level}: " * (self.reference is None and len(self.columns) > 1) + f"{rest} is {lower}"
        elif self.level is not None:
            text = f"{name}: every row of this level is {upper}"
        elif self.complete:
            text = f"{name} above {threshold:g} separates the classes completely: {upper} above, {lower} below"
        elif self.dummy:
            text = f"every row with {name} = {1 if above else 0} is {upper if above else lower}"
        else:
            parts = [f"above {threshold:.6g} is {upper}"] * above + [f"below {threshold:.6g} is {lower}"] * below
            text = f"{name}: every row {' and every row '.join(parts)}"
        return ("" if self.is_first else "of the rows left, ") + text

    def _about(self) -> str:
        """Write the direction in few digits."""
        names, largest = self.columns, max(map(abs, self.v))
        if len(names) > MAX_CAUSE:
            return f"a combination of {len(names)} columns ({', '.join(names[:MAX_CAUSE])}, ...)"
        whole, constant = whole_numbers(self.v, self.constant)
        if max(map(abs, [*whole, constant])) <= 10**4:
            return linear_text(names, whole, constant)
        *shown, last = [float(f"{float(c / largest):.5g}") for c in (*self.v, self.constant)]
        return f"about {linear_text(names, shown, last)}"


def none_of(names: Sequence[str]) -> str:
    """Say which rows are of none of the levels; who knows the category's reference level may name it in place of this."""
    if len(names) == 1:
        return f"every row without {names[0]}"
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return f"every row of none of {', '.join(names[:4])}{more}"


def separation_sentence(kind: str, causes: Sequence[Cause], classes: tuple[str, str], m: int) -> str:
    """Say that the classes of m rows are separated, by what, and the ways out; `kind` as in `Separation`.

    What helps always comes first: other columns, not named here, may separate the classes as well.
    """
    causes = [cause for cause in causes if cause.columns]
    shown = "; ".join(cause.sentence(classes) for cause in causes[:3])
    shown += f"; and {len(causes) - 3} more" if len(causes) > 3 else ""
    how = "completely" if kind == "complete" else "quasi-completely"
    what = f"the classes are {how} separated, so no finite coefficients are optimal: {shown}"
    if kind == "undecided":
        what = f"up to rounding, though not exactly, the classes are separated: {shown}"
        what = what if causes else "whether a plane separates the classes could not be decided"
    always = f"use a penalty, e.g. alpha = 1/m = {1 / max(m, 1):.2g}"
    has_level = any(cause.level is not None for cause in causes)
    ways = (
        "more rows, dropping columns or merging the level with another"
        if has_level
        else "more rows or dropping columns"
    )
    return f"{what}; {always}; without it, {ways} help only where the classes then overlap."
