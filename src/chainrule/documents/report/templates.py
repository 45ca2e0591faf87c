"""The templates of the pages, their filters and their stylesheet."""

import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.charts.style import FONT, palette_css
from chainrule.charts.text import clean, counted, escape, exp_number, number

if TYPE_CHECKING:
    from jinja2 import Environment, Template


def template(name: str) -> "Template":
    """Give a template of the pages by its file's name; numbers, names and sentences have filters of their own.

    Filters: num, odds, percent (of numbers), clean (a name), counted (a number with its noun), sentence (as HTML).
    """
    return _environment().get_template(name)


@cache
def stylesheet() -> str:
    """Give the CSS of a page: the pictures' palette in light and dark, the layout, print, the font."""
    return f"{palette_css()}{_resource('report.css')}\nbody {{ font-family: {FONT}; }}"


@cache
def _resource(name: str) -> str:
    return (files("chainrule.documents") / "page" / name).read_text(encoding="utf-8")


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    env = Environment(
        loader=FunctionLoader(_resource),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters["num"] = number
    env.filters["odds"] = exp_number
    env.filters["percent"] = percent
    env.filters["clean"] = clean
    env.filters["counted"] = counted
    env.filters["sentence"] = sentence
    return env


def percent(share: float | None, places: int = 1) -> str:
    """Write a share as a percentage; a dash where it is unknown."""
    return "–" if share is None or not np.isfinite(share) else f"{100 * share:.{places}f}%"


def markup(svg: str) -> Any:
    """Mark a picture as HTML: the pictures escape what comes from the data themselves."""
    from markupsafe import Markup

    return Markup(svg)


def sentence(text: str) -> Any:
    """Give a sentence as HTML, in which no line breaks inside --an-option."""
    return markup(re.sub(r"(?<![\w-])--[a-z][a-z-]*", r'<span class="option">\g<0></span>', escape(text)))
