"""The player: one page with a real run of gradient descent, which computes each of its numbers again and can go on from any."""

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.charts.style import FONT, palette_css
from chainrule.documents.blocks import Frame
from chainrule.documents.html import as_html, resource
from chainrule.model.files import write_atomically
from chainrule.solvers.trace import Trace
from chainrule.words import counted, visible

Vector = NDArray[np.float64]

SCHEMA_VERSION = 1
EPOCHS = 300  # embedded at most; the page computes those between


@dataclass(frozen=True)
class Played:
    """A run and its rows, for a page.

    x : (m, n) in the fit's units. y : (m,) of 0 and 1. s : (m,), or None. held_out : (m,) of bool.
    row_numbers : (m,), from 1, in the table. center, scale : (n,), of the fit's units. rate_limit : 2/L_max.
    gradients : (k, n + 1), the trainer's dL_dw and dL_db at the embedded epochs. optimum : w (n,), b, F and its proven gap, or
    None. sampled_from : the table's rows if these are a sample of them.
    """

    title: str
    target: str
    classes: tuple[str, str]
    names: Sequence[str]
    x: Vector
    y: NDArray[np.uint8]
    s: Vector | None
    held_out: NDArray[np.bool_]
    row_numbers: NDArray[np.int64]
    center: Vector
    scale: Vector
    alpha: float
    fit_intercept: bool
    rate: float
    rate_limit: float
    trace: Trace
    gradients: Vector
    optimum: tuple[Vector, float, float, float] | None = None
    sampled_from: int | None = None


def embedded(epochs: int, most: int = EPOCHS) -> NDArray[np.int64]:
    """Choose which of the epochs 0, ..., epochs - 1 are embedded, spaced by their logarithms."""
    if epochs <= most:
        return np.arange(epochs)
    return np.unique(np.rint(np.expm1(np.linspace(0.0, np.log(epochs), most))).astype(np.int64).clip(0, epochs - 1))


def data(played: Played) -> dict[str, Any]:
    """Return what the page reads: JSON values, long arrays as base64 of little-endian numbers (`player/src/data.ts`)."""
    trace, at = played.trace, embedded(len(played.trace))
    found = played.optimum
    return {
        "schema_version": SCHEMA_VERSION,
        "title": visible(played.title), "target": visible(played.target), "classes": [visible(c) for c in played.classes],
        "names": [visible(name) for name in played.names], "m": len(played.y),
        "x": _packed(played.x, "<f8"), "y": _packed(played.y, "u1"),
        "s": None if played.s is None else _packed(played.s, "<f8"),
        "held_out": _packed(played.held_out, "u1"), "row_numbers": _packed(played.row_numbers, "<u4"),
        "center": _packed(played.center, "<f8"), "scale": _packed(played.scale, "<f8"),
        "alpha": played.alpha, "fit_intercept": played.fit_intercept, "rate": played.rate, "rate_limit": played.rate_limit,
        "optimum": found and {"w": _packed(found[0], "<f8"), "b": found[1], "objective": found[2], "gap": found[3]},
        "trace": {"epoch": _packed(trace.columns["epoch"][at], "<u4"), "w": _packed(trace.w[at], "<f8"),
                  "b": _packed(trace.b[at], "<f8"), "loss": _packed(trace.columns["loss"][at], "<f8"),
                  "dL": _packed(played.gradients, "<f8")},
        "sampled_from": played.sampled_from,
    }  # fmt: skip


@dataclass(frozen=True)
class Player:
    """The player's page: `save` writes it; a notebook shows it in place."""

    html: str
    script: str  # its hash, as a policy names it
    rows: int
    sampled_from: int | None

    def save(self, path: str | Path) -> None:
        """Write the page to a file, whole or not at all. It holds the rows."""
        write_atomically(Path(path), self.html)

    def __repr__(self) -> str:
        """One line."""
        of = "" if self.sampled_from is None else f", a sample of {self.sampled_from:,}"
        return f"<Player: {counted(self.rows, 'row')}{of}; save(path) writes the page>"

    def _repr_html_(self) -> str:
        return as_html([self.block])

    @property
    def block(self) -> Frame:
        """The page as a block of another page."""
        return Frame(self.html, self.script, "player")


def player(played: Played) -> Player:
    """Write the page: it loads nothing, and runs one script, whose hash its policy names."""
    script, css = resource("player.js"), f"{palette_css()}:root {{ font-family: {FONT}; }}\n{resource('player.css')}"
    # "<" in a name must not end the element
    given = json.dumps(data(played), allow_nan=False).replace("<", "\\u003c")
    digest = f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
    policy = f"default-src 'none'; script-src {digest}; style-src 'unsafe-inline'; img-src data:"
    html = _PAGE.format_map({"policy": policy, "css": css, "data": given, "script": script})
    return Player(html, digest, len(played.y), played.sampled_from)


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="chainrule">
<title>See it learn</title>
<style>
{css}
</style>
</head>
<body>
<main id="player"><noscript>This page needs JavaScript, which it holds itself: it loads nothing.</noscript></main>
<script type="application/json" id="chainrule-data">{data}</script>
<script>{script}</script>
</body>
</html>
"""


def _packed(values: Any, kind: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype=kind).tobytes()).decode()
