"""Several pictures on one sheet, each with the sentence that it shows under it: a file of its own, as SVG or PNG."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chainrule.charts.axes import WIDTH
from chainrule.charts.style import Drawing, drawing, encode_png, own_colours, pixels_of
from chainrule.charts.text import wrapped

_MARGIN, _TITLE, _SENTENCE = 8.0, 16.0, 13.0
_LINE, _TITLE_LINE, _GAP = 18.0, 22.0, 26.0
_CELL = 0.6  # width of a cell, in sizes of the font, in the widest of the page's fonts; a bold one 1.08 of it


@dataclass(frozen=True)
class Panel:
    """One picture of a sheet.

    draw : callable
        Gives the picture's SVG, `standalone=False`.
    sentence : str
        What it shows, in words.
    """

    draw: Callable[[], str]
    sentence: str


@dataclass(frozen=True)
class _Layout:
    """Where everything of a sheet stands: lines of words (x, y, words, size, bold), and the top of each picture."""

    width: float
    height: float
    words: list[tuple[float, float, str, float, bool]]
    tops: list[float]


def _layout(title: str, sentences: Sequence[str], sizes: Sequence[tuple[float, float]]) -> _Layout:
    width = max([WIDTH, *(w for w, _ in sizes)])
    room = width - 2 * _MARGIN
    words, tops = [], []
    y = 8.0
    for line in wrapped(title, room / (_CELL * 1.08 * _TITLE)):
        y += _TITLE_LINE
        words.append((_MARGIN, y, line, _TITLE, True))
    y += 14
    for sentence, (_, height) in zip(sentences, sizes, strict=True):
        tops.append(y)
        y += height + 4
        for line in wrapped(sentence, room / (_CELL * _SENTENCE)):
            y += _LINE
            words.append((_MARGIN, y, line, _SENTENCE, False))
        y += _GAP
    return _Layout(width, y - _GAP + 14, words, tops)


def _write(d: Drawing, layout: _Layout) -> None:
    for x, y, words, size, bold in layout.words:
        d.text(x, y, words, size=size, bold=bold)


def svg_sheet(title: str, panels: Sequence[Panel]) -> str:
    """Give one SVG: the title, and the pictures one under the other, each with its sentence.

    Parameters
    ----------
    title : str
    panels : sequence of Panel

    Returns
    -------
    str
        SVG text with its own light and dark colours. Each picture in it keeps its text alternative.
    """
    pictures = [panel.draw() for panel in panels]
    layout = _layout(title, [panel.sentence for panel in panels], [_size(svg) for svg in pictures])
    with drawing(layout.width, layout.height) as d:
        _write(d, layout)
    says = " ".join(panel.sentence for panel in panels)
    placed = "\n".join(
        svg.replace("<svg ", f'<svg x="0" y="{top:g}" ', 1) for svg, top in zip(pictures, layout.tops, strict=True)
    )
    sheet = d.svg("sheet", title, says).replace('role="img"', 'role="group"', 1)
    head, body = sheet.split("</desc>", 1)
    return f"{head}</desc>{own_colours(body + placed)}{body.removesuffix('</svg>')}{placed}</svg>"


def _size(svg: str) -> tuple[float, float]:
    found = re.match(r'<svg [^>]*?\bwidth="([\d.]+)" height="([\d.]+)"', svg)
    if found is None:
        raise ValueError("a panel's draw() gives an SVG of this package")
    return float(found[1]), float(found[2])


def png_sheet(title: str, panels: Sequence[Panel], *, scale: float = 2.0) -> bytes:
    """Give the same sheet as a PNG in the light colours, `scale` dots per CSS pixel."""
    images = [pixels_of(panel.draw, scale=scale) for panel in panels]
    sizes = [(image.shape[1] / scale, image.shape[0] / scale) for image in images]
    layout = _layout(title, [panel.sentence for panel in panels], sizes)

    def words() -> None:
        with drawing(layout.width, layout.height) as d:
            _write(d, layout)

    sheet: NDArray[np.uint8] = pixels_of(words, scale=scale)
    for image, top in zip(images, layout.tops, strict=True):
        at = round(top * scale)
        sheet[at : at + image.shape[0], : image.shape[1]] = image
    return encode_png(sheet)
