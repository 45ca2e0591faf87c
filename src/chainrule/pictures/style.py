"""One palette and one look for every picture; matplotlib draws, and its SVG is made fit for a page.

The same input gives the same bytes. Colours are drawn as sentinels and leave as CSS classes, so that a picture in a
page follows the page's light or dark colours, and a picture on its own carries both. Words are real text in the reader's
own font (they can be searched and copied, and any script shows); formulas are outlines, since their layout can't bend.
"""

import hashlib
import io
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from chainrule.pictures.text import cells, escape

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
}
FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Helvetica Neue", Arial, "DejaVu Sans", sans-serif'

Anchor = Literal["left", "center", "right"]

_SENTINELS = {role: f"#c0de{k:02x}" for k, role in enumerate(PALETTE, start=1)}
_ROLES = {colour: role for role, colour in _SENTINELS.items()}
_DRAWING = threading.Lock()  # matplotlib's settings are the process's own, so one picture is drawn at a time


def colour(role: str) -> str:
    """Colour to draw a role of the palette with; it leaves the SVG as a CSS class."""
    return _SENTINELS[role]


def _classes(mode: int) -> str:
    rules = [f".cr-f-{r}{{fill:{c[mode]}}}.cr-s-{r}{{stroke:{c[mode]}}}" for r, c in PALETTE.items()]
    return "".join(rules)


def palette_css() -> str:
    """CSS for a page that holds pictures: a custom property for each role, light and dark, and the classes."""
    light = ";".join(f"--{role}:{c[0]}" for role, c in PALETTE.items())
    dark = ";".join(f"--{role}:{c[1]}" for role, c in PALETTE.items())
    rules = "\n".join(f".cr-f-{r}{{fill:var(--{r})}} .cr-s-{r}{{stroke:var(--{r})}}" for r in PALETTE)
    return (
        f":root{{color-scheme:light dark;{light}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}\n{rules}\n"
    )


def _settings() -> Any:
    """Give matplotlib's own defaults, so that a user's matplotlibrc changes nothing, with ours over them."""
    import matplotlib as mpl

    ours = {
        "font.family": ["DejaVu Sans"],
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

        token = f"crtext{len(self._texts):05d}"
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
        artist = _outlined(
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

    def render(self) -> None:
        """Let matplotlib write its SVG and make it fit for a page."""
        from matplotlib.backends.backend_svg import FigureCanvasSVG

        out = io.StringIO()
        canvas: Any = FigureCanvasSVG(self.figure)
        canvas.print_svg(out, metadata={"Date": None, "Creator": None})
        self._body = _tidy(out.getvalue(), self._texts)

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
        own = ""
        if standalone:
            own = (
                f"<style>{_classes(0)}@media screen and (prefers-color-scheme:dark){{{_classes(1)}}}</style>"
                '<rect width="100%" height="100%" class="cr-f-paper"/>'
            )
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


def math_width(tex: str, size: float) -> float:
    """Width of a formula in CSS pixels."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.mathtext import MathTextParser

    parsed: Any = MathTextParser("path").parse(f"${tex}$", dpi=72, prop=FontProperties(size=size))
    return float(parsed.width)


def _outlined(*args: Any, **kwargs: Any) -> Any:
    """Make a text that is written as outlines while the rest is text."""
    import matplotlib as mpl
    from matplotlib.text import Text

    class Outlined(Text):
        def draw(self, renderer: Any, *more: Any, **options: Any) -> None:
            with mpl.rc_context({"svg.fonttype": "path"}):
                super().draw(renderer, *more, **options)

    return Outlined(*args, **kwargs)


def _tidy(svg: str, texts: list[tuple[str, str | None]]) -> str:
    """Keep the drawing of matplotlib's SVG: no prolog, no metadata, no global style, no id that nothing refers to."""
    body = svg[svg.index(">", svg.index("<svg")) + 1 : svg.rindex("</svg>")]
    body = re.sub(r"<!--.*?-->", "", body, flags=re.S)
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.S)
    body = re.sub(r"<style[^>]*>.*?</style>", "", body, flags=re.S)
    body = body.replace("xlink:href=", "href=")
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', body))
    body = re.sub(r' id="([^"]*)"', lambda m: m[0] if m[1] in used else "", body)
    body = re.sub(r' transform="rotate\(-0 [^)]*\)"', "", body)
    body = re.sub(r' style="([^"]*)"', lambda m: _style(m[1]), body)
    body = re.sub(r"<defs>\s*</defs>", "", body)
    body = re.sub(r"\s*\n\s*", "\n", body)
    while (shorter := re.sub(r"<g>\s*</g>\n?", "", body)) != body:
        body = shorter
    return re.sub(r">crtext(\d{5})<", lambda m: _words(*texts[int(m[1])]), body)


def _words(words: str, tip: str | None) -> str:
    return ">" + (f"<title>{escape(tip)}</title>" if tip is not None and tip != words else "") + escape(words) + "<"


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
