"""The canvas of every picture: a matplotlib figure measured in CSS pixels, written as SVG, PNG or PDF.

Words are text, formulas outlines. The same input gives the same bytes. This module and the charts import matplotlib, so callers
import them only when they draw.
"""

import hashlib
import io
import math
import re
import threading
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from html import escape
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib import figure, font_manager, image, patches, textpath, transforms
from matplotlib.axes import Axes
from matplotlib.backends import backend_agg, backend_svg
from matplotlib.path import Path
from matplotlib.text import Text
from numpy.typing import NDArray

from chainrule.charts.style import LIGHT, LOOK, own_css
from chainrule.errors import InputError
from chainrule.words import cells, shortened_apart, visible

WIDTH, WIDE = 440.0, 1100.0  # of a chart, and of one that takes the whole page, CSS pixels
Anchor = Literal["left", "center", "right"]
_OURS = set("font mathtext svg path text lines patch axes xtick ytick grid figure legend".split())
_SETTINGS: dict[Any, Any] = {k: v for k, v in mpl.rcParamsDefault.items() if k.partition(".")[0] in _OURS} | LOOK
# Fonts for characters that DejaVu Sans lacks, used if this machine has them: only an SVG is drawn with the viewer's fonts.
_MORE_FONTS = "Noto Sans CJK SC", "WenQuanYi Micro Hei", "Hiragino Sans GB", "Microsoft YaHei", "Arial Unicode MS"
_DRAWING = threading.Lock()  # matplotlib's settings are global to the process, so one picture is drawn at a time


def colour(role: str) -> str:
    """Colour of a role on light paper."""
    return LIGHT[role]


def fonts() -> list[str]:
    """Return this machine's fonts for pictures of pixels: ours, then those for the characters that it lacks."""
    here = {font.name for font in font_manager.fontManager.ttflist}
    return ["DejaVu Sans", *(name for name in _MORE_FONTS if name in here)]


def extent(words: str, *, bold: bool = False) -> float:
    """Width of a text of size 1 in DejaVu Sans, the widest of the page's fonts."""
    return sum(map(_advance, words)) * (1.12 if bold else 1.0)


@cache
def _advance(sign: str) -> float:
    if cells(sign) != 1:  # in another font
        return 0.62 * cells(sign)
    font = font_manager.FontProperties(family="DejaVu Sans", size=100)
    width: float = textpath.text_to_path.get_text_width_height_descent(sign, font, False)[0]
    return width / 100


def fitting(names: Iterable[str], room: float, size: float = 12, *, bold: bool = False) -> dict[str, str]:
    """Shorten names to `room` pixels so that they stay different."""
    return shortened_apart(names, room / size, partial(extent, bold=bold))


@contextmanager
def in_our_look() -> Iterator[None]:
    """Use matplotlib's default settings with our look on top, whatever the user's settings are."""
    with _DRAWING, mpl.rc_context(_SETTINGS), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # an SVG viewer has the font; a PNG shows a box
        yield


class _PageRenderer(backend_svg.RendererSVG):
    """matplotlib's SVG without ids, since a page holds several pictures, and with a text's label as its tooltip.

    Formulas are outlines: in a font of other widths than those that they were set with, their signs would overlap.
    """

    writer: Any

    def open_group(self, s: str, gid: str | None = None) -> None:
        self.writer.start("g", {"id": gid} if gid else {})

    def draw_text(self, *words: Any, mtext: Any = None, **more: Any) -> None:
        if mtext is not None and mtext.get_label():
            self.writer.element("title", mtext.get_label())
        with mpl.rc_context({"svg.fonttype": "path" if mtext is not None and mtext.get_parse_math() else "none"}):
            super().draw_text(*words, mtext=mtext, **more)  # type: ignore[no-untyped-call, misc]


class Picture(str):
    """A chart: SVG text for a page that has `palette_css()`; `standalone()`, `pixels()` and `pdf()` are for separate files."""

    figure: figure.Figure
    size: tuple[float, float]  # CSS pixels

    def standalone(self) -> str:
        """Return the SVG with its own light and dark colours, and a background."""
        head, end, body = self.partition("</desc>")
        return f"{head}{end}{own_css()}{body}"

    _repr_svg_ = standalone

    def pixels(self, scale: float = 2.0) -> NDArray[np.uint8]:
        """Return the picture in the light colours, (height, width, 4), with `scale` dots per CSS pixel, at most 16."""
        if not 0 < scale <= 16:
            raise InputError(f"scale={scale!r}: a picture needs a number above 0 and at most 16")
        with in_our_look():
            self._on_paper(dpi=72 * scale)
            canvas: Any = backend_agg.FigureCanvasAgg(self.figure)
            canvas.draw()
            return np.array(canvas.buffer_rgba(), dtype=np.uint8)

    def pdf(self) -> bytes:
        """Return the picture in the light colours as a PDF of one page, with its fonts."""
        out, no_metadata = io.BytesIO(), dict.fromkeys(("Creator", "Producer", "CreationDate"))
        with in_our_look():
            self._on_paper(dpi=72)
            self.figure.savefig(out, format="pdf", metadata=no_metadata)
        return out.getvalue()

    def _on_paper(self, dpi: float) -> None:
        """Prepare the figure for a file that holds its fonts and colours."""
        for words in self.figure.findobj(Text):
            words.set(fontfamily=fonts())
        self.figure.set(facecolor=LIGHT["paper"], dpi=dpi)


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """Write pixels as a PNG; the same pixels give the same bytes."""
    out = io.BytesIO()
    image.imsave(out, pixels, format="png", origin="upper", metadata={"Software": None})  # type: ignore[dict-item]
    return out.getvalue()


class Drawing:
    """A figure measured in CSS pixels from its top left corner. Made by `drawing`."""

    def __init__(self, width: float, height: float) -> None:
        self.width, self.height = width, height
        # at 72 dots per inch, a point, a dot and an SVG unit are the same length
        self.figure = figure.Figure(figsize=(width / 72, height / 72), dpi=72)
        flip = transforms.Affine2D().scale(1, -1).translate(0, height).scale(1 / 72)
        self.pixels = flip + self.figure.dpi_scale_trans

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """Add axes in the house style: a baseline, faint level lines, quiet labels."""
        box = (left / self.width, 1 - (top + height) / self.height, width / self.width, height / self.height)
        return self.figure.add_axes(box)

    def text(
        self, x: float, y: float, words: object, role: str = "ink", *, size: float = 12, bold: bool = False,
        anchor: Anchor = "left", tip: object = "", room: float = math.inf, is_formula: bool = False,
    ) -> None:  # fmt: skip
        """Write words on a baseline at y, smaller if they don't fit into `room`; tip: the full text of shortened words."""
        shown, whole = visible(words), visible(tip)
        size = min(size, room / max(extent(shown, bold=bold), 0.1))
        look: Any = {"color": colour(role), "fontsize": size, "fontweight": "bold" if bold else "normal"}
        look |= {"horizontalalignment": anchor, "label": whole * (whole != shown), "parse_math": is_formula}
        self.figure.text(x, y, shown, transform=self.pixels, **look)

    def formula(
        self, x: float, y: float, tex: str, role: str = "ink", *, size: float = 15, anchor: Anchor = "left"
    ) -> float:
        """Set a formula (never a user's text) on a baseline at y; return where words to its right may begin."""
        self.text(x, y, f"${tex}$", role, size=size, anchor=anchor, is_formula=True)
        font = font_manager.FontProperties(size=size)
        width: float = textpath.text_to_path.get_text_width_height_descent(f"${tex}$", font, True)[0]
        return x + width + 0.35 * size

    def line(
        self, points: Sequence[tuple[float, float]], role: str = "line", *, curved: bool = False, arrow: bool = False
    ) -> None:
        """Draw a line through points, or a cubic curve from four control points, optionally with an arrowhead."""
        path = Path(points, [Path.MOVETO] + [Path.CURVE4 if curved else Path.LINETO] * (len(points) - 1))
        style = "-|>,head_length=8,head_width=3.5" if arrow else "-"
        look: Any = {"arrowstyle": style, "mutation_scale": 1, "color": colour(role), "linewidth": 1.5}
        self.figure.add_artist(patches.FancyArrowPatch(path=path, transform=self.pixels, **look))

    def box(self, x: float, y: float, width: float, height: float, edge: str = "line", *, radius: float = 6) -> None:
        """Draw a rounded box with its top left corner at (x, y)."""
        look: Any = {"facecolor": colour("panel"), "edgecolor": colour(edge), "linewidth": 1.4}
        look["boxstyle"] = f"round,pad=0,rounding_size={radius}"
        self.figure.add_artist(patches.FancyBboxPatch((x, y), width, height, transform=self.pixels, **look))

    def picture(self, kind: str, title: str, description: str) -> Picture:
        """Let matplotlib write its SVG, and replace its root element by our own.

        kind: start of every id; a hash of the words follows, so that ids of two pictures on a page never clash.
        title, description: the text alternative; the description carries the numbers.
        """
        title, description = visible(title), visible(description)
        name = f"{kind}-{hashlib.sha256(f'{title} {description}'.encode()).hexdigest()[:10]}"
        mpl.rcParams["svg.hashsalt"] = name
        out, width, height = io.StringIO(), f"{self.width:g}", f"{self.height:g}"
        no_metadata: Any = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        renderer: Any = _PageRenderer(self.width, self.height, out, metadata=no_metadata)  # type: ignore[no-untyped-call]
        self.figure.draw(renderer)
        renderer.finalize()
        drawn = out.getvalue().replace('<path id="', '<path class="cr" id="')
        # outlines of letters are named by their fonts
        drawn = re.sub(r'(id="|href="#)(?=[A-Z])', rf"\g<1>{name}-", drawn)
        made = Picture(
            '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" class="cr" '
            f'width="{width}" height="{height}" viewBox="0 0 {width} {height}" style="stroke-linejoin:round" role="img" '
            f'aria-labelledby="{name}-title {name}-desc"><title id="{name}-title">{escape(title)}</title>'
            f'<desc id="{name}-desc">{escape(description)}</desc>{drawn[drawn.index("<g") :].strip()}'
        )
        made.figure, made.size = self.figure, (self.width, self.height)
        return made


@contextmanager
def drawing(width: float, height: float) -> Iterator[Drawing]:
    """Draw in our look; matplotlib's settings are restored afterwards."""
    with in_our_look():
        yield Drawing(width, height)
