"""Formulas as MathML, from the text in which the table of operations writes them.

One text, two looks: a terminal prints the formula as it stands, a page shows it set as mathematics.
"""

import re
from html import escape

_TOKEN = re.compile(r"\s*(?:(?P<number>\d+(?:\.\d+)?(?:e[-+]?\d+)?)|(?P<name>[^\W\d]\w*)|(?P<mark>[-+/^()\[\]·,=>]))")
_NAMES = {"sigmoid": "σ", "sum": "∑"}
_MARKS = {"-": "−"}
_END = ("end", "", False)


def mathml(formula: str) -> str:
    """Return a formula as a MathML element.

    The language: numbers, names (`w_j` has an index, `dL` is ∂L), `+ - / ^ = >`, `·` or a space for a product,
    `f(x)` without a space for a function, `(...)`, `[x > 0]` for "1 where true, else 0". `exp(u)` becomes e to the u,
    `a/b` a fraction.

    Parameters
    ----------
    formula : str
        For example ``"(1 - y)/(1 - g) - y/g"``.

    Returns
    -------
    str
        ``<math>...</math>``.

    Raises
    ------
    ValueError
        The text is not a formula of this language.
    """
    parser = _Parser(formula)
    inner = parser.relation()
    if parser.kind != "end":
        raise ValueError(f"{formula!r} is not a formula: {parser.text!r} was not expected")
    return f'<math xmlns="http://www.w3.org/1998/Math/MathML">{inner}</math>'


def _tokens(formula: str) -> list[tuple[str, str, bool]]:
    """Split into (kind, text, whether a space stands before it)."""
    tokens, at = [], 0
    while formula[at:].strip():
        match = _TOKEN.match(formula, at)
        if match is None or match.lastgroup is None:
            raise ValueError(f"{formula!r} is not a formula: {formula[at:]!r} can't be read")
        tokens.append((match.lastgroup, match[match.lastgroup], formula[at].isspace()))
        at = match.end()
    return [*tokens, _END]


def _row(*parts: str) -> str:
    return f"<mrow>{''.join(parts)}</mrow>"


def _operator(text: str) -> str:
    return f"<mo>{escape(_MARKS.get(text, text))}</mo>"


def _name(text: str) -> str:
    if re.fullmatch(r"d[^\W\d](_\w+)?", text):
        return _row("<mo>∂</mo>", _name(text[1:]))
    if "_" in text:
        symbol, index = text.split("_", 1)
        return f"<msub><mi>{escape(symbol)}</mi><mi>{escape(index)}</mi></msub>"
    return f"<mi>{escape(_NAMES.get(text, text))}</mi>"


class _Parser:
    """Recursive descent over the tokens of one formula."""

    def __init__(self, formula: str) -> None:
        self.formula = formula
        self.tokens = _tokens(formula)
        self.at = 0

    @property
    def kind(self) -> str:
        return self.tokens[self.at][0]

    @property
    def text(self) -> str:
        return self.tokens[self.at][1]

    def take(self) -> str:
        self.at += 1
        return self.tokens[self.at - 1][1]

    def expect(self, mark: str) -> None:
        if self.text != mark:
            raise ValueError(f"{self.formula!r} is not a formula: {mark!r} is missing")
        self.take()

    def relation(self) -> str:
        parts = [self.sum()]
        while self.text in ("=", ">", ",") and self.kind == "mark":
            parts += [_operator(self.take()), self.sum()]
        return parts[0] if len(parts) == 1 else _row(*parts)

    def sum(self) -> str:
        parts = [_operator(self.take())] if self.text in ("-", "+") else []
        parts.append(self.product())
        while self.text in ("-", "+"):
            parts += [_operator(self.take()), self.product()]
        return parts[0] if len(parts) == 1 else _row(*parts)

    def product(self) -> str:
        parts = [self.power()]
        while True:
            if self.text == "/":
                self.take()
                parts.append(f"<mfrac>{_bare(parts.pop())}{_bare(self.power())}</mfrac>")
            elif self.text == "·":
                self.take()
                parts += [_operator("·"), self.power()]
            elif self.kind in ("number", "name") or self.text in ("(", "["):
                parts += ["<mo>&#x2062;</mo>", self.power()]
            else:
                return parts[0] if len(parts) == 1 else _row(*parts)

    def power(self) -> str:
        base = self.atom()
        if self.text != "^":
            return base
        self.take()
        return f"<msup>{base}{_bare(self.atom())}</msup>"

    def atom(self) -> str:
        if self.kind == "number":
            mantissa, _, exponent = self.take().partition("e")
            power = f"<mo>×</mo><msup><mn>10</mn><mn>{int(exponent)}</mn></msup>".replace("-", "−") if exponent else ""
            return _row(f"<mn>{mantissa}</mn>", power) if power else f"<mn>{mantissa}</mn>"
        if self.kind == "name":
            name, (_, following, spaced) = self.take(), self.tokens[self.at]
            return self.call(name) if following == "(" and not spaced else _name(name)
        closing = {"(": ")", "[": "]"}.get(self.text)
        if closing is None:
            raise ValueError(f"{self.formula!r} is not a formula: {self.text or 'its end'!r} was not expected")
        opening = self.take()
        inner = self.relation()
        self.expect(closing)
        return _row(_operator(opening), inner, _operator(closing))

    def call(self, name: str) -> str:
        self.expect("(")
        inner = self.relation()
        self.expect(")")
        if name == "exp":
            return f"<msup><mi>e</mi>{inner}</msup>"
        if name == "sum":
            return _row("<mo>∑</mo>", inner)
        return _row(_name(name), "<mo>&#x2061;</mo>", _operator("("), inner, _operator(")"))


def _bare(part: str) -> str:
    """Drop the brackets that a fraction bar or a raised position makes needless."""
    opening, closing = "<mrow><mo>(</mo>", "<mo>)</mo></mrow>"
    return part[len(opening) : -len(closing)] if part.startswith(opening) and part.endswith(closing) else part
