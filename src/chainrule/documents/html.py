"""Blocks as HTML: a complete page, or one element for a notebook.

Neither loads anything, links anywhere or needs JavaScript. Both follow the reader's light or dark colours, and suit print
and phones. Every name from the data is escaped here and in the pictures.
"""

import re
from collections.abc import Sequence
from functools import cache
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from chainrule.charts.style import FONT, palette_css
from chainrule.documents.blocks import Block, Frame, Speller
from chainrule.words import formula, shortened, typeset, visible

if TYPE_CHECKING:
    from jinja2 import Template


class _Html(Speller):
    def literal(self, text: str) -> str:
        # no line breaks inside --an-option
        return re.sub(r"(?<![\w-])--[a-z][a-z-]*", r'<span class="option">\g<0></span>', escape(visible(text)))

    def name(self, text: str) -> str:
        parts = re.split(r"(?<=[_=/])(?=.)", shortened(text))  # where a long name may break
        return f"<bdi>{'<wbr>'.join(map(escape, parts))}</bdi>"

    def number(self, text: str) -> str:
        return typeset(text).replace(" × ", "\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}")


HTML = _Html()


def as_html(blocks: Sequence[Block], title: str = "") -> str:
    """Write a complete page with a title; without a title, an element for a notebook, with its own style."""
    palette = palette_css().replace(":root", ".chainrule")
    css = f"{palette}.chainrule {{ font-family: {FONT}; }}\n{resource('page.css')}"
    scripts = [block.script for block in blocks if isinstance(block, Frame)]
    allowed = f"; script-src {' '.join(scripts)}" if scripts else ""
    return _template().render(title=title, blocks=blocks, css=css, allowed=allowed).strip()


def resource(name: str) -> str:
    """Read a file beside this module."""
    return (files("chainrule.documents") / name).read_text(encoding="utf-8")


@cache
def _template() -> "Template":
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    def words(value: Any, how: str = "") -> Markup:
        return Markup(HTML.format_field(value, how))

    env = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    env.filters |= {"words": words, "formula": formula}
    return env.from_string(resource("page.html.jinja"))
