"""One palette and one look for every picture; matplotlib draws, and its SVG is made fit for a page.

The same input gives the same bytes. Colours are drawn as sentinels and leave as CSS classes, so that a picture in a
page follows the page's light or dark colours, and a picture on its own carries both. Words are real text in the reader's
own font (they can be searched and copied, and any script shows); formulas are outlines, since their layout can't bend.
A picture can be had as pixels too, in the light colours: `png_of`.
"""

import hashlib
import io
import re
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from chainrule.charts.text import cells, clean, escape

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# role: (light, dark). The classes and the two parts of the data are Okabe and Ito's colours (2008), darkened or
# lightened until text in them has a contrast of 4.5 on the paper; lines also differ in dashes, marks in shape.
PALETTE: dict[str, tuple[str, str]] = {
    "paper": ("#ffffff", "#15181c"),
    "panel": ("#f4f5f3", "#1f242a"),
    "ink": ("#1d2126", "#e8eaec"),
    "muted": ("#5b636c", "#a3adb6"),
    "line": ("#8d959d", "#7b858e"),
    "faint": ("#dfe2e4", "#30363d"),
    "one": ("#0072b2", "#56b4e9"),
    "zero": ("#e69f00", "#e69f00"),
    "zero-text": ("#8a5a00", "#f0b740"),
    "training": ("#00684c", "#34c79f"),
    "held-out": ("#a0427c", "#e79ac6"),
    "backward": ("#b34700", "#ff9a57"),
    # from slow to fast: viridis, the part of it that can be read on the paper
    "ramp-1": ("#297b8e", "#22a884"),
    "ramp-2": ("#2f6c8e", "#3bbb75"),
    "ramp-3": ("#375b8d", "#5ec962"),
    "ramp-4": ("#3f4889", "#85d54a"),
    "ramp-5": ("#453581", "#addc30"),
    "ramp-6": ("#471d6b", "#d5e21a"),
    "ramp-7": ("#3b0145", "#fde725"),
}
FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Helvetica Neue", Arial, "DejaVu Sans", sans-serif'

Anchor = Literal["left", "center", "right"]

_SENTINELS = {role: f"#c0de{k:02x}" for k, role in enumerate(PALETTE, start=1)}
_ROLES = {colour: role for role, colour in _SENTINELS.items()}
# Fonts for signs that DejaVu Sans lacks, where the machine has them: only a PNG's words are drawn with a font of here.
_MORE_FONTS = (
    "Noto Sans CJK SC", "Noto Sans CJK JP", "WenQuanYi Micro Hei", "Droid Sans Fallback", "Hiragino Sans GB", "PingFang SC",
    "Microsoft YaHei", "Arial Unicode MS", "Noto Sans Devanagari", "Noto Sans Thai", "Segoe UI Symbol", "Noto Sans Symbols2",
)  # fmt: skip
_DRAWING = threading.Lock()  # matplotlib's settings are the process's own, so one picture is drawn at a time


class _Pixels:
    """What a drawing becomes where `png_of` asks for pixels."""

    def __init__(self, scale: float) -> None:
        self.scale = scale
        self.image: NDArray[np.uint8] | None = None


_PIXELS: ContextVar[_Pixels | None] = ContextVar("pixels", default=None)


def colour(role: str) -> str:
    """Colour to draw a role of the palette with; it leaves the SVG as a CSS class."""
    return _SENTINELS[role] if _PIXELS.get() is None else PALETTE[role][0]


def own_colours(svg: str) -> str:
    """CSS and background that let an SVG with our classes stand alone: those of its own roles, light and dark."""
    roles = [r for r in PALETTE if re.search(rf'cr-[fs]-{r}[ "]', svg)] + ["paper"]
    light, dark = (
        "".join(
            f".cr-f-{r}{{fill:{PALETTE[r][mode]}}}.cr-s-{r}{{stroke:{PALETTE[r][mode]}}}" for r in dict.fromkeys(roles)
        )
        for mode in (0, 1)
    )
    return (
        f"<style>{light}@media screen and (prefers-color-scheme:dark){{{dark}}}</style>"
        '<rect width="100%" height="100%" class="cr-f-paper"/>'
    )


def palette_css() -> str:
    """CSS for a page that holds pictures: a custom property for each role, light and dark, and the classes."""
    light = ";".join(f"--{role}:{c[0]}" for role, c in PALETTE.items())
    dark = ";".join(f"--{role}:{c[1]}" for role, c in PALETTE.items())
    rules = "\n".join(f".cr-f-{r}{{fill:var(--{r})}} .cr-s-{r}{{stroke:var(--{r})}}" for r in PALETTE)
    return (
        f":root{{color-scheme:light dark;{light}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}\n{rules}\n"
    )


def _fonts() -> list[str]:
    """Give the families that words are drawn with: in an SVG they only take up room until the reader's font does."""
    if _PIXELS.get() is None:
        return ["DejaVu Sans"]
    from matplotlib.font_manager import fontManager

    here = {font.name for font in fontManager.ttflist}
    return ["DejaVu Sans", *(name for name in _MORE_FONTS if name in here)]


def _settings() -> Any:
    """Give matplotlib's own defaults, so that a user's matplotlibrc changes nothing, with ours over them."""
    import matplotlib as mpl

    ours = {
        "font.family": _fonts(),
        "font.size": 12.0,
        "mathtext.fontset": "stix",
        "svg.fonttype": "none",
        "svg.hashsalt": "chainrule",
        "path.simplify": False,
        "text.usetex": False,
    }
    prefixes = (
        "font.",
        "mathtext.",
        "svg.",
        "path.",
        "text.",
        "lines.",
        "patch.",
        "axes.",
        "xtick.",
        "ytick.",
        "grid.",
    )
    defaults: dict[Any, Any] = {**mpl.rcParamsDefault}
    own = {k: v for k, v in defaults.items() if k.startswith((*prefixes, "figure.", "hatch."))}
    return {**own, **ours}


class Drawing:
    """One picture, measured in CSS pixels from its top left corner. Made by `drawing`; its SVG is there afterwards."""

    def __init__(self, width: float, height: float) -> None:
        from matplotlib.figure import Figure
        from matplotlib.transforms import Affine2D

        self.width, self.height = width, height
        # At 72 dots per inch a point, a dot and a unit of the SVG are the same.
        self.figure = Figure(figsize=(width / 72, height / 72), dpi=72)
        self.figure.patch.set_visible(False)
        self.pixels = Affine2D().scale(1, -1).translate(0, height)
        self._texts: list[tuple[str, str | None]] = []
        self._uses: list[Sequence[tuple[float, float]]] = []
        self._body = ""

    def axes(self, left: float, top: float, width: float, height: float) -> "Axes":
        """Give axes in the house style: a baseline, faint level lines when asked for, quiet labels."""
        box = (left / self.width, 1 - (top + height) / self.height, width / self.width, height / self.height)
        ax = self.figure.add_axes(box)
        ax.patch.set_visible(False)
        for side in ("top", "right", "left"):
            ax.spines[side].set_visible(False)
        ax.spines["bottom"].set_color(colour("line"))
        ax.spines["bottom"].set_linewidth(1)
        ax.tick_params(length=0, pad=6, labelsize=12, labelcolor=colour("muted"))
        ax.minorticks_off()
        return ax

    def text(
        self, x: float, y: float, words: object, *, role: str = "ink", size: float = 13, bold: bool = False,
        anchor: Anchor = "left", tip: str | None = None,
    ) -> None:  # fmt: skip
        """Write words with their baseline at y. They never pass through matplotlib: no markup, no missing glyphs."""
        from matplotlib.text import Text

        token = f"crtext{len(self._texts):05d}" if _PIXELS.get() is None else clean(words)
        self._texts.append((str(words), tip))
        artist = Text(
            x, y, token, color=colour(role), fontsize=size, fontweight="bold" if bold else "normal",
            horizontalalignment=anchor, verticalalignment="baseline", parse_math=False, transform=self.pixels,
        )  # fmt: skip
        self.figure.add_artist(artist)

    def math(
        self, x: float, y: float, tex: str, *, role: str = "ink", size: float = 15, anchor: Anchor = "left"
    ) -> None:
        """Set one of our own formulas (never a name from the data) in outlines, its baseline at y."""
        artist = _outlined()(
            x, y, f"${tex}$", color=colour(role), fontsize=size, horizontalalignment=anchor,
            verticalalignment="baseline", transform=self.pixels,
        )  # fmt: skip
        self.figure.add_artist(artist)

    def equation(
        self, x: float, y: float, tex: str, words: str, *, role: str = "ink", size: float = 14, anchor: Anchor = "left"
    ) -> None:
        """Set a formula and, after it, a number as text."""
        gap, formula = 0.3 * size, math_width(tex, size + 1)
        total = formula + gap + cells(words) * 0.64 * size
        left = x - {"left": 0.0, "center": total / 2, "right": total}[anchor]
        self.math(left, y, tex, role=role, size=size + 1)
        self.text(left + formula + gap, y, words, role=role, size=size)

    def line(
        self, points: Sequence[tuple[float, float]], *, role: str = "line", width: float = 1.5, dashes: str = "-",
        alpha: float = 1.0, arrow: bool = False,
    ) -> None:  # fmt: skip
        """Draw a line through points; with four points and `arrow` or not, a cubic curve from the first to the last."""
        from matplotlib.patches import PathPatch
        from matplotlib.path import Path

        codes = [Path.MOVETO] + ([Path.CURVE4] * 3 if len(points) == 4 else [Path.LINETO] * (len(points) - 1))
        self.figure.add_artist(
            PathPatch(
                Path(points, codes),
                fill=False,
                edgecolor=colour(role),
                linewidth=width,
                linestyle=dashes,
                alpha=alpha,
                transform=self.pixels,
            )
        )
        if arrow:
            self._arrow_head(points[-2], points[-1], role)

    def _arrow_head(self, before: tuple[float, float], tip: tuple[float, float], role: str) -> None:
        from matplotlib.patches import Polygon

        dx, dy = tip[0] - before[0], tip[1] - before[1]
        length = (dx * dx + dy * dy) ** 0.5
        ux, uy = dx / length, dy / length
        base = (tip[0] - 9 * ux, tip[1] - 9 * uy)
        corners = [tip, (base[0] - 4 * uy, base[1] + 4 * ux), (base[0] + 4 * uy, base[1] - 4 * ux)]
        self.figure.add_artist(Polygon(corners, facecolor=colour(role), edgecolor="none", transform=self.pixels))

    def box(
        self, x: float, y: float, width: float, height: float, *, fill: str | None = "panel", edge: str | None = "line",
        radius: float = 6, thick: float = 1.2,
    ) -> None:  # fmt: skip
        """Draw a rounded box by its top left corner."""
        from matplotlib.patches import FancyBboxPatch

        self.figure.add_artist(
            FancyBboxPatch(
                (x, y),
                width,
                height,
                boxstyle=f"round,pad=0,rounding_size={radius}",
                linewidth=thick if edge else 0,
                facecolor=colour(fill) if fill else "none",
                edgecolor=colour(edge) if edge else "none",
                transform=self.pixels,
            )
        )

    def dots(
        self, x: NDArray[np.float64], y: NDArray[np.float64], *, role: str, size: float, square: bool = False,
        offsets: Sequence[tuple[float, float]] = ((0.0, 0.0),),
    ) -> None:  # fmt: skip
        """Draw round or square dots in pixels; in an SVG as one path, used again at each of the offsets."""
        from matplotlib.patches import PathPatch
        from matplotlib.path import Path

        if not len(x) or not len(offsets):
            return
        if _PIXELS.get() is None:
            self._uses.append(list(offsets))
            offsets = [(0.0, 0.0)]
        for dx, dy in offsets:
            # a dot is a stroke of no length with a cap: not quite of none, since Agg drops such a one
            ends = np.column_stack([x + dx - 0.02, y + dy, x + dx + 0.02, y + dy]).reshape(-1, 2)
            codes = np.tile(np.array([Path.MOVETO, Path.LINETO], dtype=np.uint8), len(x))
            patch = PathPatch(
                Path(ends, codes), fill=False, edgecolor=colour(role), linewidth=size, transform=self.pixels,
                capstyle="projecting" if square else "round",
            )  # fmt: skip
            patch.set_snap(False)  # to whole pixels: a stroke this short would be none
            patch.set_gid(f"crdots{len(self._uses) - 1:05d}")
            self.figure.add_artist(patch)

    def render(self) -> None:
        """Let matplotlib write its SVG and make it fit for a page; or its pixels, where they are asked for."""
        pixels = _PIXELS.get()
        if pixels is not None:
            if pixels.image is not None:
                raise ValueError("png_of draws one picture, not two")
            pixels.image = self._rasterise(pixels.scale)
            return
        from matplotlib.backends.backend_svg import FigureCanvasSVG

        out = io.StringIO()
        canvas: Any = FigureCanvasSVG(self.figure)
        canvas.print_svg(out, metadata={"Date": None, "Creator": None})
        self._body = _tidy(out.getvalue(), self._texts, self._uses)

    def _rasterise(self, scale: float) -> NDArray[np.uint8]:
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        self.figure.patch.set_visible(True)
        self.figure.patch.set_facecolor(colour("paper"))
        self.figure.dpi = 72 * scale
        self.pixels.scale(scale)
        canvas: Any = FigureCanvasAgg(self.figure)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph")  # no font of this machine has it: a box stands for it
            canvas.draw()
        return np.array(canvas.buffer_rgba(), dtype=np.uint8)

    def svg(self, kind: str, title: str, description: str, *, standalone: bool = False) -> str:
        """Give the SVG text.

        Parameters
        ----------
        kind : str
            Start of every id in the SVG; a hash of the picture follows, so that two in one page never clash.
        title, description : str
            The text alternative; the description carries the numbers.
        standalone : bool
            With its own colours for light and dark, and a background, instead of the page's.

        Returns
        -------
        str
        """
        head = f"<title>{escape(title)}</title><desc>{escape(description)}</desc>"
        prefix = f"{kind}-{hashlib.sha256((head + self._body).encode()).hexdigest()[:10]}"
        head = head.replace("<title>", f'<title id="{prefix}-title">', 1)
        head = head.replace("<desc>", f'<desc id="{prefix}-desc">', 1)
        body = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{prefix}-", self._body)
        own = own_colours(body) if standalone else ""
        w, h = f"{self.width:g}", f"{self.height:g}"
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="cr" width="{w}" height="{h}" viewBox="0 0 {w} {h}" '
            f'role="img" aria-labelledby="{prefix}-title {prefix}-desc" font-family="{escape(FONT)}" '
            f'style="font-variant-numeric:tabular-nums;stroke-linejoin:round">{head}{own}{body}</svg>'
        )


@contextmanager
def drawing(width: float, height: float) -> Iterator[Drawing]:
    """Draw under our settings; on leaving, the picture is rendered and matplotlib's settings are as before."""
    import matplotlib as mpl

    with _DRAWING, mpl.rc_context(_settings()):
        picture = Drawing(width, height)
        yield picture
        picture.render()


def pixels_of(draw: Callable[[], object], *, scale: float = 2.0) -> NDArray[np.uint8]:
    """Give the pixels of the picture that `draw` draws, (height, width, 4), uint8; arguments as `png_of`."""
    if not 0 < scale <= 16:
        raise ValueError(f"scale={scale!r}: a number above 0 and at most 16 is needed")
    wanted = _Pixels(scale)
    token = _PIXELS.set(wanted)
    try:
        draw()
    finally:
        _PIXELS.reset(token)
    if wanted.image is None:
        raise ValueError("there is no picture to make a PNG of")
    return wanted.image


def encode_png(image: NDArray[np.uint8]) -> bytes:
    """Write pixels as a PNG; the same pixels give the same bytes."""
    from matplotlib.image import imsave

    out = io.BytesIO()
    imsave(out, image, format="png", origin="upper", metadata={"Software": None})  # type: ignore[dict-item]
    return out.getvalue()


def png_of(draw: Callable[[], object], *, scale: float = 2.0) -> bytes:
    """Give a picture as a PNG, in the light colours.

    Parameters
    ----------
    draw : callable
        Draws one picture, as any function of this package does: `lambda: odds_forest(names, w)`.
    scale : float
        Dots of the PNG per CSS pixel, up to 16.

    Returns
    -------
    bytes

    Raises
    ------
    ValueError
        Where `draw` draws none, or more than one.
    """
    return encode_png(pixels_of(draw, scale=scale))


@lru_cache(maxsize=1024)  # parsing a formula takes milliseconds, and a picture has the same ones again
def math_width(tex: str, size: float) -> float:
    """Width of a formula in CSS pixels."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.mathtext import MathTextParser

    parsed: Any = MathTextParser("path").parse(f"${tex}$", dpi=72, prop=FontProperties(size=size))
    return float(parsed.width)


@cache
def _outlined() -> Any:
    """Make the kind of text that is written as outlines while the rest is text."""
    import matplotlib as mpl
    from matplotlib.text import Text

    class Outlined(Text):
        def draw(self, renderer: Any, *more: Any, **options: Any) -> None:
            with mpl.rc_context({"svg.fonttype": "path"}):
                super().draw(renderer, *more, **options)

    return Outlined


def _tidy(
    svg: str, texts: list[tuple[str, str | None]], uses: Sequence[Sequence[tuple[float, float]]] = ()
) -> str:  # fmt: skip
    """Keep the drawing of matplotlib's SVG: no prolog, no metadata, no global style, no id that nothing refers to."""
    body = svg[svg.index(">", svg.index("<svg")) + 1 : svg.rindex("</svg>")]
    body = re.sub(r"<!--.*?-->", "", body, flags=re.S)
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.S)
    body = re.sub(r"<style[^>]*>.*?</style>", "", body, flags=re.S)
    body = body.replace("xlink:href=", "href=")
    body = re.sub(r'<g id="crdots(\d{5})">\s*(<path [^>]*/>)\s*</g>', lambda m: _repeat(m[1], m[2], uses), body)
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', body))
    body = re.sub(r' id="([^"]*)"', lambda m: m[0] if m[1] in used else "", body)
    body = re.sub(r'(?<= d=")[^"]*', lambda m: re.sub(r"-?\d+\.\d{3,}", _short, m[0]), body)
    body = re.sub(r' transform="rotate\(-0 [^)]*\)"', "", body)
    body = re.sub(r' style="([^"]*)"', lambda m: _style(m[1]), body)
    body = re.sub(r"<defs>\s*</defs>", "", body)
    body = re.sub(r"\s*\n\s*", "\n", body)
    while (shorter := re.sub(r"<g>\s*</g>\n?", "", body)) != body:
        body = shorter
    return re.sub(r">crtext(\d{5})<", lambda m: _words(*texts[int(m[1])]), body)


def _short(coordinate: re.Match[str]) -> str:
    """Write a coordinate to a hundredth of a pixel: finer can't be seen."""
    return f"{float(coordinate[0]):.2f}".rstrip("0").rstrip(".")


def _words(words: str, tip: str | None) -> str:
    return ">" + (f"<title>{escape(tip)}</title>" if tip is not None and tip != words else "") + escape(words) + "<"


def _repeat(number: str, path: str, uses: Sequence[Sequence[tuple[float, float]]]) -> str:
    """Write a path of dots once, to be used at each of its offsets."""
    places = "".join(f'<use href="#dots{number}" x="{dx:g}" y="{dy:g}"/>' for dx, dy in uses[int(number)])
    named = path.replace("<path ", f'<path id="dots{number}" ', 1)
    return f"<defs>{named}</defs>\n{places}"


def _style(css: str) -> str:
    """Turn matplotlib's inline style into ours: sentinel colours into classes, its fonts into the page's."""
    classes, rest = [], []
    for part in css.split(";"):
        key, _, value = (s.strip() for s in part.partition(":"))
        if key == "font":  # matplotlib before 3.10 writes the shorthand
            size = re.search(r"([\d.]+)px", value)
            weight = re.search(r"\b([5-9]00|bold)\b", value.split("px")[0])
            rest += [f"font-size:{size[1]}px"] if size else []
            rest += [f"font-weight:{weight[1]}"] if weight else []
        elif key in ("fill", "stroke") and value in _ROLES:
            classes.append(f"cr-{key[0]}-{_ROLES[value]}")
        elif key not in ("", "font-family"):
            rest.append(f"{key}:{value}")
    return (f' class="{" ".join(classes)}"' if classes else "") + (f' style="{";".join(rest)}"' if rest else "")
