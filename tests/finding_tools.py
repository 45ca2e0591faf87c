"""What a run says, as codes and values: a sentence's words are asserted only in the test of the room that makes it."""

from collections.abc import Iterable, Iterator, Mapping
from warnings import WarningMessage

from chainrule import Result
from chainrule.findings import Finding


def findings(of: object) -> Iterator[Finding]:
    """Yield the findings of a result, of warnings, of JSON or of a finding, each followed by those in its values."""
    if isinstance(of, Mapping) and set(of) == {"code", "values"}:
        of = Finding(**of)
    if isinstance(of, Finding):
        yield of
        of = of.values
    match of:
        case Result():
            yield from findings(of.findings)
        case WarningMessage():
            yield from findings(of.message.args)
        case Mapping():
            yield from findings(of.values())
        case Iterable() if not isinstance(of, str):
            for part in of:
                yield from findings(part)


def values_of(of: object, code: str) -> list[dict]:
    """The values of all findings of a code in it, each once."""
    found = []
    for each in findings(of):
        if each.code == code and each.values not in found:
            found.append(dict(each.values))
    return found


def levels_of(of: object) -> dict[str, str]:
    """The levels of one class that are named, and their classes."""
    alone = {each["level"]: each["class"] for each in values_of(of, "level")}
    return alone | {level: label for each in values_of(of, "infinite") for level, label in each["columns"]}


def sums_of(of: object) -> dict[tuple[str, ...], float]:
    """The columns that add up to a constant exactly, and the constant."""
    return {
        tuple(each["columns"]): each["constant"]
        for each in values_of(of, "relation")
        if each["is_exact"] and set(each["coefficients"]) == {1.0}
    }
