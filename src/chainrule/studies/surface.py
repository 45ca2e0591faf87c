"""The loss surface: F on a plane through the optimum, and the paths of runs on it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.kernels.blas import one_blas_thread
from chainrule.objective import DataObjective
from chainrule.solvers.downhill import newton_at, step_from
from chainrule.words import BIAS, pretty

Floats = NDArray[np.float64]

NEWTON = "Newton’s method"
LOOKED_AT = 8192  # rows: of more, a sample
MOST_COLUMNS = 500  # with more, Newton's steps take too long for a picture
MOST_STEPS, TOL = 15, 1e-9
LARGEST = 1e100  # of a coefficient: its square is finite
FIRST, KEPT = 100, 160  # points of a path: the first ones, and later ones spaced by powers
CELLS = 56  # of the grid, across
SHAPES = 0.55, 0.8  # height over width
ROOM, FAR = 0.12, 1.5  # beyond the paths, of their size; times the way from the start to the optimum
WEAK = 0.3  # of the largest part of a direction: smaller ones are not named


@dataclass(frozen=True)
class Way:
    """The path of a run. epochs : (k,). at : (k, n + 1), its points; on a surface (k, 2), their places there.

    is_newton : whether it has Newton's few steps.
    """

    label: str
    epochs: NDArray[np.int64]
    at: Floats
    is_newton: bool = False

    @classmethod
    def of(cls, label: str, epochs: NDArray[np.int64], w: Floats, b: Floats, is_newton: bool = False) -> Way:
        """Keep at most `FIRST + KEPT` points of a path, and none that has left all bounds."""
        points = np.column_stack([w, b])
        k = np.arange(len(points))
        if len(k) > FIRST + KEPT:
            later = np.geomspace(FIRST, len(k) - 1, KEPT).round().astype(np.intp)
            k = np.unique(np.append(k[:FIRST], later))
        k = k[(np.abs(points[k]) < LARGEST).all(axis=1)]
        return cls(label, epochs[k], points[k], is_newton)


class Axis(NamedTuple):
    """What an axis is: a text with {} for each name, such as "0.8 {} − 0.6 {}"."""

    text: str
    names: tuple[str, ...]

    def told(self, short: Mapping[str, str] | None = None) -> str:
        """Write it with its names, or with shorter forms of them."""
        return self.text.format(*((short or {}).get(name, name) for name in self.names))


@dataclass(frozen=True)
class Surface:
    """F at origin + x d_1 + y d_2, and paths projected onto this plane; in the units of the objective.

    Attributes
    ----------
    axes : (Axis, Axis)
        What x and y are: coefficients, or the directions by their largest parts.
    origin, directions : (n + 1,) and (2, n + 1)
        The bias is last. The directions are orthonormal.
    x, y, F : (a,), (b,) and (b, a)
    best : (2,) or None
        Where the optimum is; None if there is none.
    lowest : float
        F there; else 0, as no loss is lower.
    ways : tuple of Way
    held : float
        Share of the paths' squared distances from the origin that lies in the plane.
    is_whole : bool
        Whether there are no other coefficients than the two on the axes.
    looked_at, rows : int
        Rows that F is computed on, and all rows.
    """

    axes: tuple[Axis, Axis]
    origin: Floats
    directions: Floats
    x: Floats
    y: Floats
    F: Floats
    best: Floats | None
    lowest: float
    ways: tuple[Way, ...]
    held: float
    is_whole: bool
    looked_at: int
    rows: int


def surface_of(objective: DataObjective, names: Sequence[str], ways: Sequence[Way], *, exists: bool) -> Surface | None:
    """Compute F on the plane through the optimum along which some runs moved most, from about ten reads of a sample.

    With two coefficients the plane is theirs. Else it is spanned by the two leading principal directions of the paths, seen
    from the optimum of the sample; without an optimum, from the end of the first path.

    Parameters
    ----------
    objective : DataObjective
        All rows, in the units of the paths.
    names : (n,) sequence of str
    ways : sequence of Way
        Newton's path is added if there is an optimum, unless one of them is Newton's.
    exists : bool
        Whether there is an optimum.

    Returns
    -------
    Surface or None
        None for a single coefficient, and for paths that lead nowhere.
    """
    free = objective.n_features + objective.fit_intercept
    ways = [way for way in ways if len(way.at)]
    if free < 2 or not ways:
        return None
    m = objective.rows.n_rows
    on = objective if m <= LOOKED_AT else objective.sample(LOOKED_AT, 0.0)
    with one_blas_thread():
        newton = _newton(on) if exists and on.n_features <= MOST_COLUMNS else None
        end = ways[0].at[-1] if newton is None else newton.at[-1]
        if all((way.at == end).all() for way in ways):
            return None
        origin, directions, held = _coordinates(on, names) if free == 2 else _principal(ways, end, free)
        shown = ways if newton is None or any(way.is_newton for way in ways) else [*ways, newton]
        flat = [replace(way, at=(way.at - origin) @ directions.T) for way in shown]
        best = (end - origin) @ directions.T
        x, y = _grid(np.concatenate([way.at for way in flat]), flat[0].at[0], best)
        F = on_plane(on, origin, directions, x, y)
        lowest = 0.0 if newton is None else float(on_plane(on, origin, directions, best[:1], best[1:])[0, 0])
    axes = tuple(_axis(d, (*names, BIAS), free == 2) for d in directions)
    return Surface(
        (axes[0], axes[1]), origin, directions, x, y, F, None if newton is None else best, lowest, tuple(flat), held, free == 2,
        on.n_rows, m,
    )  # fmt: skip


def _newton(on: DataObjective) -> Way:
    """Take Newton's steps from zero."""
    points, evaluation = [np.zeros(on.size)], on.evaluate(np.zeros(on.size))
    while len(points) <= MOST_STEPS:
        state = newton_at(on, points[-1], evaluation)
        if state.reached(TOL):
            break
        point, evaluation, _ = step_from(on, state)
        points.append(point)
    return Way(NEWTON, np.arange(len(points)), np.array(points), True)


def _coordinates(on: DataObjective, names: Sequence[str]) -> tuple[Floats, Floats, float]:
    """Return the plane of the only two coefficients."""
    places = [0, len(names)] if on.fit_intercept else [0, 1]
    return np.zeros(on.size), np.eye(on.size)[places], 1.0


def _principal(ways: Sequence[Way], origin: Floats, free: int) -> tuple[Floats, Floats, float]:
    """Return the plane through the origin along which the paths moved most; their starts are on its left."""
    first = ways[0].at[0] - origin
    every = np.concatenate([way.at for way in ways]) - origin
    size = np.linalg.norm(every, axis=1)
    every = every[size <= 2 * FAR * (np.linalg.norm(first) or np.inf)]  # a run that diverges would turn the plane
    _, lengths, directions = np.linalg.svd(every, full_matrices=False)
    directions = directions[:2].copy()
    if len(lengths) < 2 or lengths[1] <= 1e-6 * lengths[0]:  # a straight path: add the coefficient that it moved least
        one = directions[0]
        other = np.eye(len(origin))[np.argmin(np.abs(one[:free]))]
        other -= one * (one @ other)
        directions = np.array([one, other / np.linalg.norm(other)])
    directions *= np.where(directions @ first > 0, -1.0, 1.0)[:, None]
    left = every - every @ directions.T @ directions
    return origin, directions, 1.0 - float(np.sum(left**2) / np.sum(every**2))


def _grid(places: Floats, start: Floats, best: Floats) -> tuple[Floats, Floats]:
    """Choose the coordinates of a grid around the paths, equally spaced in both directions."""
    reach = FAR * (np.linalg.norm(start - best) or np.inf)
    near = places[np.abs(places - best).max(axis=1) <= reach]
    low, high = (f(np.vstack([near, start, best]), axis=0) for f in (np.min, np.max))
    size = (high - low) * (1 + 2 * ROOM)
    width = max(size[0], size[1] / SHAPES[1])
    height = max(size[1], SHAPES[0] * width)
    middle, cell = (low + high) / 2, width / CELLS
    down = int(np.ceil(height / cell))
    return middle[0] + cell * (np.arange(CELLS + 1) - CELLS / 2), middle[1] + cell * (np.arange(down + 1) - down / 2)


def on_plane(on: DataObjective, origin: Floats, directions: Floats, x: Floats, y: Floats) -> Floats:
    """Compute F (b, a) at origin + x d_1 + y d_2 for all x (a,) and y (b,): three reads, as z is linear in both."""
    F = np.zeros((len(y), len(x)))
    for stratum in on.strata:
        rows = stratum.rows
        z, u, v = (rows.scores(point[:-1], float(point[-1])) for point in (origin, *directions))
        s = np.ones(rows.n_rows) if rows.s is None else rows.s
        s = s * (stratum.multiplier / on.weight)
        for k, up in enumerate(y.tolist()):
            base = z + up * v
            F[k] += [s @ on.pointwise(base + across * u, rows.y)[0] for across in x.tolist()]
    w, steps = origin[:-1], directions[:, :-1]
    F += [[on.penalty.value(w + across * steps[0] + up * steps[1]) for across in x.tolist()] for up in y.tolist()]
    return F


def _axis(direction: Floats, names: Sequence[str], is_one: bool) -> Axis:
    """Name a direction by its largest parts, at most two."""
    order = np.argsort(-np.abs(direction), kind="stable")
    if is_one:
        name = names[order[0]]
        return Axis("{}" if name == BIAS else "w of {}", (name,))
    parts = [j for j in order[:2].tolist() if abs(direction[j]) >= WEAK * abs(direction[order[0]])]
    named, signs = tuple(names[j] for j in parts), ["−" if direction[j] < 0 else "+" for j in parts]
    if len(parts) == 1 and abs(direction[parts[0]]) > 0.995:
        return Axis(f"{signs[0]}{{}}".removeprefix("+"), named)
    sizes = [pretty(abs(float(direction[j])), 2) for j in parts]
    text = " ".join(f"{sign} {size} {{}}" for sign, size in zip(signs, sizes, strict=True))
    more = " + …" if np.sum(direction[parts] ** 2) < 0.98 else ""
    return Axis(text.removeprefix("+ ").replace("− ", "−", text.startswith("−")) + more, named)


def told(surfaces: Sequence[Surface], what: str) -> str:
    """Say what surfaces show; what : whose way spans their planes, such as "the weights"."""
    s, text = surfaces[0], "The loss surface over both coefficients. "
    if not s.is_whole:
        held = math.floor(1000 * min(of.held for of in surfaces)) / 10
        through = "the end of the run" if s.best is None else "the optimum"
        text = f"The loss surface on the plane through {through} along which {what} moved most. "
        text += (
            f"It holds {held:g}% of the squared way; paths are projected onto it. Its directions are named by their "
        )
        text += "largest weights. "
    text += f"Lines join points of equal {'F' if s.best is None else 'F − F*'}, in nats"
    text += "." if all(way.is_newton for way in s.ways) else "; numbers on the way are epochs."
    return text + (f" F is computed on a sample of {s.looked_at:,} rows." if s.looked_at < s.rows else "")
