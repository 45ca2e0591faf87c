"""Several pictures on one sheet, each with the sentence that it shows under it: a file of its own, as SVG or PNG."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chainrule.charts.canvas import WIDTH, Picture, drawing, encode_png
from chainrule.charts.text import wrapped

_CELL = 0.6  # width of a digit, in sizes of the font, in the widest of the page's fonts


@dataclass(frozen=True)
class Panel:
    """A picture of a sheet, drawn by a chart of this package when it is asked for, and what it shows in words."""

    draw: Callable[[], Picture]
    sentence: str


def svg_sheet(title: str, panels: Sequence[Panel]) -> str:
    """Give one SVG with its own light and dark colours: the title, then each picture with its sentence under it."""
    pictures = [panel.draw() for panel in panels]
    words, tops = _layout(title, panels, pictures)
    placed = (f'<svg y="{top:g}" {svg.removeprefix("<svg ")}' for svg, top in zip(pictures, tops, strict=True))
    sheet = words.standalone().replace('role="img"', 'role="group"', 1)
    return f"{sheet.removesuffix('</svg>')}{''.join(placed)}</svg>"


def png_sheet(title: str, panels: Sequence[Panel], *, scale: float = 2.0) -> bytes:
    """Give the same sheet as a PNG in the light colours, `scale` dots per CSS pixel."""
    pictures = [panel.draw() for panel in panels]
    words, tops = _layout(title, panels, pictures)
    sheet = words.pixels(scale)
    for picture, top in zip(pictures, tops, strict=True):
        image, at = picture.pixels(scale), round(top * scale)
        sheet[at : at + image.shape[0], : image.shape[1]] = image
    return encode_png(sheet)


def _layout(title: str, panels: Sequence[Panel], pictures: Sequence[Picture]) -> tuple[Picture, list[float]]:
    """Draw title and sentences; give them, and the top of each picture."""
    width = max([WIDTH, *(picture.size[0] for picture in pictures)])
    y, lines, tops = 8.0, [], []
    for line in wrapped(title, (width - 16) / (1.08 * _CELL * 16)):
        y += 22
        lines.append((y, line, 16))
    y += 14
    for panel, picture in zip(panels, pictures, strict=True):
        tops.append(y)
        y += picture.size[1] + 4
        for line in wrapped(panel.sentence, (width - 16) / (_CELL * 13)):
            y += 18
            lines.append((y, line, 13))
        y += 26
    with drawing(width, y - 12) as d:
        for at, line, size in lines:
            d.text(8, at, line, size=size, bold=size == 16)
        return d.picture("sheet", title, " ".join(panel.sentence for panel in panels)), tops
