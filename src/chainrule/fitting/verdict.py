"""The first line of a result: what came out, or what is wrong and the way out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chainrule.certificate import Certificate
from chainrule.findings import TOLD_FIRST, Finding, Front, say
from chainrule.words import upward

WARNED = "Warning: "  # begins the verdict where something is wrong


def verdict(findings: Sequence[Finding], certificate: Certificate, front: Front) -> str:
    """Say in one sentence whether the coefficients are the optimum, and else why not. findings : first how the run ended."""
    how, *others = findings
    by_code = {found.code: found for found in (*others, how)}
    first = next((by_code[code] for code in TOLD_FIRST if code in by_code), how)
    told = first if first.warning or first.code == "interrupted" else by_code.get("collinear")
    if told is not None:
        return WARNED + say(told.without("certificate"), front)
    return f"Converged: {certificate.accuracy or f'F is at most {upward(certificate.gap)} nats above its optimum'}"


def relations_of(findings: Sequence[Finding], certificate: Certificate, front: Front) -> Iterator[str]:
    """Yield all relations between collinear columns that the findings and the certificate name, as sentences, each once."""
    yield from dict.fromkeys(say(each, front) for each in _relations(findings, certificate))


def collinear_columns(findings: Sequence[Finding], certificate: Certificate) -> set[str]:
    """Return the names of the columns in these relations."""
    return {
        name for each in _relations(findings, certificate) if each.code == "relation" for name in each.values["columns"]
    }


def _relations(findings: Sequence[Finding], certificate: Certificate) -> Iterator[Finding]:
    yield from (each for found in (*findings, certificate.why) if found for each in found.values.get("relations", ()))
