"""One palette and one look for every picture, and the CSS that shows it in light and in dark.

Pictures are drawn in the light colours. In dark mode, the CSS of the page, or of a standalone picture, finds each of these in
matplotlib's inline styles and replaces it by the dark one. So one drawing serves both modes, and a viewer without CSS shows
the light colours.
"""

from typing import Any

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
    # from slow to fast: the part of viridis that is readable on the paper
    "ramp-1": ("#297b8e", "#22a884"),
    "ramp-2": ("#2f6c8e", "#3bbb75"),
    "ramp-3": ("#375b8d", "#5ec962"),
    "ramp-4": ("#3f4889", "#85d54a"),
    "ramp-5": ("#453581", "#addc30"),
    "ramp-6": ("#471d6b", "#d5e21a"),
    "ramp-7": ("#3b0145", "#fde725"),
}
LIGHT, DARK = ({role: pair[mode] for role, pair in PALETTE.items()} for mode in (0, 1))
FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Helvetica Neue", Arial, "DejaVu Sans", sans-serif'

LOOK: dict[str, Any] = {
    "text.parse_math": False,
    "font.family": ["DejaVu Sans"], "mathtext.fontset": "stix", "svg.fonttype": "none",
    "figure.facecolor": "none", "axes.facecolor": "none", "axes.axisbelow": True,
    "axes.grid": True, "axes.grid.axis": "y", "grid.color": LIGHT["faint"], "grid.linewidth": 1.0,
    "axes.spines.left": False, "axes.spines.right": False, "axes.spines.top": False,
    "legend.frameon": False, "legend.fontsize": 12, "legend.title_fontsize": 12, "legend.labelcolor": LIGHT["ink"],
    "legend.labelspacing": 0.7, "legend.handlelength": 1.7, "legend.handletextpad": 0.6, "legend.borderpad": 0.0,
    "legend.borderaxespad": 1.8,
    "axes.edgecolor": LIGHT["line"], "axes.linewidth": 1.0,
    "axes.labelcolor": LIGHT["muted"], "axes.labelsize": 12, "axes.labelpad": 9.0,
    "axes.titlecolor": LIGHT["muted"], "axes.titlesize": 12, "axes.titlelocation": "left", "axes.titlepad": 15.0,
    **{f"{axis}tick.{which}.size": 0.0 for axis in "xy" for which in ("major", "minor")},
    **{f"{axis}tick.{what}": value for axis in "xy"
       for what, value in (("major.pad", 6.0), ("labelcolor", LIGHT["muted"]), ("labelsize", 12.0))},
}  # fmt: skip
_TEXT_CSS = f".cr text{{font-family:{FONT}!important;font-variant-numeric:tabular-nums}}"


_IN_DARK = "@media screen and (prefers-color-scheme:dark)"
# A marker has the class itself: rules that select elements by what encloses them don't reach a marker that SVG reuses.
_RULES = [
    f':is(.cr,.cr *)[style*="{part}: {LIGHT[role]}"]{{{part}:{DARK[role]}!important}}'
    for part in ("fill", "stroke")
    for role in PALETTE
]
_PICTURE_CSS = f"{_TEXT_CSS}{_IN_DARK}{{{''.join(_RULES)}}}"


def palette_css() -> str:
    """CSS for a page that holds pictures: a custom property for each role, light and dark, and the pictures' own rules."""
    light, dark = (";".join(f"--{role}:{value}" for role, value in mode.items()) for mode in (LIGHT, DARK))
    return f":root{{color-scheme:light dark;{light}}}\n{_IN_DARK}{{:root{{{dark}}}}}\n{_PICTURE_CSS}\n"


def own_css() -> str:
    """CSS and background of a standalone picture."""
    return f'<style>{_PICTURE_CSS}</style><rect width="100%" height="100%" style="fill: {LIGHT["paper"]}"/>'
