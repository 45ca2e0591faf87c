"""The reads of a design: each goes over the rows once, in leaves that are added in a fixed tree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from chainrule import _core
from chainrule.kernels.blocks import Blocks, Csr
from chainrule.kernels.bordered import Bordered
from chainrule.kernels.reading import Matrix, Secant, Sums, Vector, View, What, useful_threads

Labels = NDArray[np.uint8]
Places = NDArray[np.int64]
# From z and labels (as numbers) of some rows to their losses, dL_dz and d2L_dz2.
GivenLoss = Callable[[Vector, Vector], tuple[Vector, Vector, Vector]]

_SCALARS = 4  # loss, correct, weight, rows


class Seen(TypedDict, total=False):
    """The rows of a read and how it sees them; with `index`, m is its length. All vectors are contiguous.

    y : (m,) uint8, 0 or 1. A loss needs it for everything except z.
    s : (m,) float64, weights; a row of weight 0 is skipped, and its z is b.
    view : centred and scaled columns. Levels and indicators have centre 0 and p 1.
    index : (k,) int64, read only these rows; y, s, z and h then have k elements, one for each.
    threads : changes no bit of the result.
    """

    y: Labels | None
    s: Vector | None
    view: View | None
    index: Places | None
    threads: int


class Given(Seen, total=False):
    """Further arguments of a read.

    z : (m,), or (P, m), filled with every row's z; with PRODUCT, with x~.v.
    h : (m,), or (P, m), filled by LOSS with every row's g (1 - g), without its weight; without LOSS, the h of each row.
    q : (n + 1,), weights of the norms, the bias last.
    row_weights : (P, m), each point's own weights, times s.
    columns : (k,) int64, coefficients in the matrix, ascending; all by default.
    loss : replaces the logistic loss; slower, since it is called for some rows at a time.
    head : coefficients of which no row has two, not of numbers alone: the matrix is then `Bordered`.
    """

    z: Vector | None
    h: Vector | None
    q: Vector | None
    row_weights: Matrix | None
    columns: Places | None
    loss: GivenLoss | None
    head: slice | None


@dataclass(frozen=True)
class Partial:
    """Sums over a range of rows, as the maximal subtrees of the tree over all rows; `combine` completes the tree."""

    native: Any
    design: Blocks
    what: What
    shape: tuple[int, ...]  # points, or points and classes
    head: slice | None = None

    @property
    def subtrees(self) -> list[tuple[int, int, Vector]]:
        """Level, index and sums of each subtree: it has leaves index 2^level, ..., (index + 1) 2^level - 1."""
        return list(self.native.subtrees)


def read(
    design: Blocks,
    what: What,
    *,
    w: Vector | None = None,
    b: float = 0.0,
    v: Vector | None = None,
    **given: Unpack[Given],
) -> Sums:
    """Read all rows once, at one point.

    Parameters
    ----------
    design : Blocks
        m rows and n coefficients.
    what : What
        With LOSS, at (w, b), possibly also GRADIENT, HESSIAN, SQUARES, SUMS, EXTREMES, NORMS.
        Without LOSS, sums weighted by s h, or by s if no h is given: PRODUCT, HESSIAN, SUMS, SQUARES, EXTREMES.
    w, b
        The point, in the view's units: (n,) and a number.
    v : (n + 1,)
        Direction of a PRODUCT, the bias last.
    given
        See `Given`.

    Raises
    ------
    ValueError
        A vector has the wrong length, type or layout. Or a code is not one of its column's levels: the message names the first
        such row.
    """
    if v is not None:
        w, b = v[:-1], float(v[-1])
    return sums_of(_read(design, what, None if w is None else w[np.newaxis], np.array([b]), **given))[0]


def read_points(design: Blocks, what: What, w: Vector, b: Vector, **given: Unpack[Given]) -> list[Sums]:
    """Read all rows once, at P points, of one output each or of K classes: each point's sums have the same bits as alone.

    w : (P, n), or (P, K, n); b : (P,), or (P, K). With K classes the loss is softmax's, y one of 0 to K - 1, z (P, K, m).

    All else as in `read`: LOSS, possibly with GRADIENT, SUMS, SQUARES; without LOSS, SUMS and SQUARES by each point's weights.
    """
    return sums_of(_read(design, what, w, b, **given))


def read_range(
    design: Blocks, what: What, rows: tuple[int, int], number: int, w: Vector, b: Vector | float, **given: Unpack[Given]
) -> Partial:
    """Read rows `rows[0]` to `rows[1]` of a design, the first of which is row `number` of all rows.

    number : a multiple of `design.leaf_rows(what)`; so is the number of rows, except in the last range. w, b and all else as in
    `read_points`, or in `read` for one point.
    """
    one = w.ndim == 1
    return _read(
        design, what, w[np.newaxis] if one else w, np.array([b]) if one else np.asarray(b), (rows, number), **given
    )


def combine(partials: Sequence[Partial]) -> list[Sums]:
    """Combine the sums over ranges, in any order, that make up all rows, to the bits of one read; one `Sums` for each point."""
    native = _core.combine([partial.native for partial in partials])
    return sums_of(replace(partials[0], native=native))


def _read(
    design: Blocks,
    what: What,
    w: Vector | None,
    b: Vector,
    part: tuple[tuple[int, int] | None, int] = (None, 0),
    *,
    z: Vector | None = None,
    h: Vector | None = None,
    q: Vector | None = None,
    columns: Places | None = None,
    head: slice | None = None,
    **given: Any,
) -> Partial:
    native = call(
        design,
        what | (What.COUNTS if what & What.EXTREMES and not design.of_numbers_alone else What(0)),
        w=None if w is None else design.slots(w),
        b=np.ascontiguousarray(b, dtype=np.float64),
        points=b.shape[0],
        outputs=b.shape[1] if b.ndim > 1 else 1,
        q=None if q is None else design.slots(q),
        z_out=z,
        columns=design.slot_numbers(columns) if what & What.HESSIAN else None,
        rows=part[0],
        number=part[1],
        head=None if head is None else design.slot_range(head),
        h=None if what & What.LOSS else h,
        h_out=h if what & What.LOSS else None,
        **given,
    )
    return Partial(native, design, what, b.shape, head)


def call(
    design: Blocks,
    what: What,
    *,
    threads: int = 1,
    view: View | None = None,
    index: Places | None = None,
    points: int = 1,
    **given: Any,
) -> Any:
    """Call the core, which raises a ValueError for an argument that it can't take."""
    m = design.m if index is None else len(index)
    threads = useful_threads((m, design.row_numbers * points), threads)
    seen: dict[str, Any] = design.seen(view)
    found = _core.read(design.native, int(what), index=index, points=points, threads=threads, **seen, **given)
    design.refuse(found.bad)
    return found


def sums_of(partial: Partial) -> list[Sums]:
    """Decode what the core returns: one `Sums` for each point."""
    design, what, shape = partial.design, partial.what, partial.shape
    points, outputs = shape[0], shape[1] if len(shape) > 1 else 1
    scalars, terms, counts, extremes, norm, matrix = partial.native.result()
    scalars = scalars.reshape(points, _SCALARS)
    terms = design.coefficients(terms).reshape(points, -1, design.n + 1)
    if what == What.HESSIAN and not design.of_numbers_alone:
        scalars[:, 2] = matrix[-1, -1]  # no sums were read
    if partial.head is not None:
        matrix = Bordered(matrix, partial.head, design.n + 1)
    low, high = (None, None) if extremes is None else _extremes(design, extremes, counts, scalars[0, 3])
    found = []
    for (loss, correct, weight, _), of_point in zip(scalars.tolist(), terms, strict=True):
        at = outputs if what & What.GRADIENT else int(bool(what & What.PRODUCT))
        vector = of_point[:at] if at else np.zeros((outputs, design.n + 1))
        vector = vector[0] if len(shape) == 1 else vector
        sums = of_point[at, :-1] if what & What.SUMS else None
        squares = of_point[-1, :-1] if what & What.SQUARES else None
        bias = float(vector[-1]) if len(shape) == 1 else vector[:, -1]
        top = float(norm) if what & What.NORMS else 0.0
        levels = None if counts is None else design.coefficients(counts)
        given = loss, correct, weight, vector[..., :-1], bias, matrix, squares, sums, low, high, top
        found.append(Sums(*given, counts=levels))
    return found


def _extremes(design: Blocks, extremes: Matrix, counts: Vector | None, rows: float) -> tuple[Vector, Vector]:
    """Return the smallest and largest x: for levels from the counts of their rows, for sparse columns with their zeros."""
    low, high = -extremes[0], extremes[1]
    if counts is not None:
        for span in design.spans:
            there = counts[span] > 0.0
            low[span], high[span] = there & (there.sum() == 1), there
        counts = design.coefficients(counts)
    low, high = design.coefficients(low), design.coefficients(high)
    for block in design.blocks:
        if isinstance(block, Csr):
            assert counts is not None
            of = slice(block.at, block.at + block.n)
            has_zero = counts[of] < rows
            low[of] = np.where(has_zero, np.minimum(low[of], 0.0), low[of])
            high[of] = np.where(has_zero, np.maximum(high[of], 0.0), high[of])
    return low, high


# --- special reads ---------------------------------------------------------------------------------------------------


def secant(
    design: Blocks,
    z: Vector,
    v: Vector,
    *,
    u: Vector,
    r: Matrix | None = None,
    h: Vector | None = None,
    norms: bool = False,
    **given: Unpack[Seen],
) -> Secant:
    """Read all rows once, at stored z and along a direction.

    Parameters
    ----------
    design, given : y, s, view, index and threads
        As in `read`.
    z : (m,) float64
        Of every row, or of those in `index`. That of a row of weight 0 is ignored.
    v : (n + 1,)
        The direction, in the view's units, the bias last.
    u : (m,) float64
        Filled with every row's x~.v; v_b for a row of weight 0.
    r : (2, m) float64, optional
        Filled with dL_dz of every row of positive weight, and with its change from z to z + u.
    h : (m,) float64, optional
        Filled with g (1 - g) at z of every row of positive weight; `curvature` and `diagonal` are then read too.
    norms : bool
        Also the largest sum of squares of a row.

    The change has full relative accuracy, however small u is.
    """
    curved = What(0) if h is None else What.SUMS | What.SQUARES
    found = call(
        design,
        What.SECANT | curved | (What.NORMS if norms else What(0)),
        w=design.slots(v[:-1]),
        b=np.array([v[-1]], dtype=np.float64),
        z=z,
        z_out=u,
        r_out=r,
        h_out=h,
        q=design.slots(np.append(np.ones(design.n), 0.0)) if norms else None,
        **given,
    )
    scalars, terms, _, _, norm, _ = found.result()
    gradient, change, *more = design.coefficients(terms)
    curvature, diagonal = more or (None, None)
    if curvature is not None and diagonal is not None:
        diagonal[-1] = curvature[-1]
    loss, correct, weight = scalars[:3].tolist()
    return Secant(loss, correct, weight, gradient, change, curvature, diagonal, 0.0 if norm == -np.inf else float(norm))


def product(design: Blocks, h: Vector, v: Vector, *, t: Vector | None = None, **given: Unpack[Seen]) -> Vector:
    """Multiply the Hessian for given curvatures by v: sum s h (x~.v) x~, (n + 1,), the bias last; one read.

    h : (m,), without the weights. v : (n + 1,). t : (m,), filled with x~.v. All else as in `read`.
    """
    sums = read(design, What.PRODUCT, v=v, h=h, z=t, **given)
    return np.append(sums.gradient, sums.bias)


def diagonal(design: Blocks, h: Vector, **given: Unpack[Seen]) -> Vector:
    """Return the Hessian's diagonal for given curvatures: sum s h x~^2, (n + 1,), the bias last; one read. As in `product`."""
    sums = read(design, What.SQUARES, h=h, **given)
    assert sums.squares is not None
    return np.append(sums.squares, sums.weight)


def gram(design: Blocks, h: Vector | None, columns: Places | None, **given: Unpack[Seen]) -> Matrix:
    """Return the Hessian for given curvatures: sum s h x~ x~' of some columns and the bias (last), (k + 1, k + 1); one read.

    columns : (k,) int64, ascending; None: all. h None: ones. All else as in `product`. Memory: the matrix, half as much again
    for its part of numbers, and a few MB; with sparse rows about 20 bytes for each of a few million elements.
    """
    matrix = read(design, What.HESSIAN, h=h, columns=columns, **given).matrix
    assert isinstance(matrix, np.ndarray)
    return matrix
