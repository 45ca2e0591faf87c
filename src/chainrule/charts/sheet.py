"""Several pictures on one sheet, each with a sentence under it, as one SVG or PNG file."""

from collections.abc import Callable, Sequence
from functools import partial

from chainrule.charts.canvas import Picture, drawing, encode_png, extent
from chainrule.words import wrapped

Panel = tuple[Callable[[], Picture], str]  # a function that draws a picture, and a sentence on what it shows


def svg_sheet(title: str, panels: Sequence[Panel]) -> str:
    """Return one SVG with its own light and dark colours: the title, then each picture with its sentence under it."""
    words, pictures = _layout(title, panels)
    placed = (f'<svg y="{top:g}" {svg.removeprefix("<svg ")}' for svg, top in pictures)
    sheet = words.standalone().replace('role="img"', 'role="group"', 1)
    return f"{sheet.removesuffix('</svg>')}{''.join(placed)}</svg>"


def png_sheet(title: str, panels: Sequence[Panel], *, scale: float = 2.0) -> bytes:
    """Return the same sheet as a PNG in the light colours, `scale` dots per CSS pixel."""
    words, pictures = _layout(title, panels)
    sheet = words.pixels(scale)
    for picture, top in pictures:
        image, at = picture.pixels(scale), round(top * scale)
        sheet[at : at + image.shape[0], : image.shape[1]] = image
    return encode_png(sheet)


def _layout(title: str, panels: Sequence[Panel]) -> tuple[Picture, list[tuple[Picture, float]]]:
    """Draw title and sentences; return them as one picture, and each panel's picture with its top."""
    drawn = [(draw(), sentence) for draw, sentence in panels]
    width, pictures = max(picture.size[0] for picture, _ in drawn), []
    lines = [
        (30.0 + 22 * k, line, 16)
        for k, line in enumerate(wrapped(title, (width - 16) / 16, partial(extent, bold=True)))
    ]
    y = 22.0 + 22 * len(lines)
    for picture, sentence in drawn:
        pictures.append((picture, y))
        below = wrapped(sentence, (width - 16) / 13, extent)
        lines += [(y + picture.size[1] + 4 + 18 * k, line, 13) for k, line in enumerate(below, start=1)]
        y += picture.size[1] + 30 + 18 * len(below)
    with drawing(width, y - 12) as d:
        for at, line, size in lines:
            d.text(8, at, line, size=size, bold=size == 16)
        return d.picture("sheet", title, " ".join(sentence for _, sentence in drawn)), pictures
