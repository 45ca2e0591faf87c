"""Formulas as MathML, from the text in which the table of operations writes them.

One text, two looks: a terminal prints the formula as it stands, a page shows it set as mathematics.
"""

import re
from html import escape

_TOKEN = r"\s*(?:\d+(?:\.\d+)?(?:e[-+]?\d+)?|[^\W\d]\w*|[-+/^()\[\]·,=>])"
_NAMES = {"sigmoid": "σ"}
_SIGNS = {"-": "−", ">": "&gt;"}
_CLOSING = {"(": ")", "[": "]"}
_LEVELS = ("=>,", "-+", "/·", "^")  # signs, those that bind least first

Tokens = list[str]  # the last is the next; a token begins with the spaces before it


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
    tokens = re.findall(_TOKEN, formula)[::-1]
    try:
        inner = _read(tokens)
        if tokens or "".join(re.findall(_TOKEN, formula)) != formula.rstrip():
            raise IndexError
    except IndexError:
        raise ValueError(f"{formula!r} is not a formula") from None
    return f'<math xmlns="http://www.w3.org/1998/Math/MathML">{inner}</math>'


def _row(*parts: str) -> str:
    return f"<mrow>{''.join(parts)}</mrow>" if len(parts) > 1 else parts[0]


def _sign(text: str) -> str:
    return f"<mo>{_SIGNS.get(text.strip(), text.strip())}</mo>"


def _read(tokens: Tokens, level: int = 0) -> str:
    """Read what binds at least as strongly as a level: parts and the signs between them."""
    if level == len(_LEVELS):
        return _atom(tokens)
    parts: list[str] = []
    while True:
        text = tokens[-1].strip() if tokens else "end"
        if parts and text in _LEVELS[level]:
            tokens.pop()
            right = _read(tokens, level + 1)
            if text == "/":
                parts.append(f"<mfrac>{_bare(parts.pop())}{_bare(right)}</mfrac>")
            elif text == "^":
                parts.append(f"<msup>{parts.pop()}{_bare(right)}</msup>")
            else:
                parts += [_sign(text), right]
        elif not parts and level == 1 and text in "-+":
            parts += [_sign(tokens.pop()), _read(tokens, 2)]
        elif not parts:
            parts.append(_read(tokens, level + 1))
        elif level == 2 and tokens and (text in "([" or text[0].isalnum()):
            parts += ["<mo>&#x2062;</mo>", _read(tokens, 3)]
        else:
            return _row(*parts)


def _atom(tokens: Tokens) -> str:
    text = tokens.pop().strip()
    if text in _CLOSING:
        inner = _read(tokens)
        if tokens.pop().strip() != _CLOSING[text]:
            raise IndexError
        return _row(_sign(text), inner, _sign(_CLOSING[text]))
    if text[0].isdigit():
        mantissa, _, exponent = text.partition("e")
        power = f"<mo>×</mo><msup><mn>10</mn><mn>{int(exponent)}</mn></msup>".replace("-", "−") if exponent else ""
        return _row(f"<mn>{mantissa}</mn>", *filter(None, [power]))
    if not text[0].isalpha():
        raise IndexError
    if not tokens or tokens[-1] != "(":
        return _name(text)
    argument = _atom(tokens)
    if text in ("exp", "sum"):
        return f"<msup><mi>e</mi>{_bare(argument)}</msup>" if text == "exp" else _row("<mo>∑</mo>", _bare(argument))
    return _row(_name(text), "<mo>&#x2061;</mo>", argument)


def _name(text: str) -> str:
    if re.fullmatch(r"d[^\W\d](_\w+)?", text):
        return _row("<mo>∂</mo>", _name(text[1:]))
    symbol, _, index = text.partition("_")
    mark = f"<mi>{escape(_NAMES.get(symbol, symbol))}</mi>"
    return f"<msub>{mark}<mi>{escape(index)}</mi></msub>" if index else mark


def _bare(part: str) -> str:
    """Drop the brackets that a fraction bar or a raised position makes needless."""
    opening, closing = "<mrow><mo>(</mo>", "<mo>)</mo></mrow>"
    return part[len(opening) : -len(closing)] if part.startswith(opening) and part.endswith(closing) else part
