"""The reads of a design: each goes once over the rows, in leaves that are added in a fixed tree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule import _core
from chainrule.errors import InputError
from chainrule.kernels.design import Csr, Design, require
from chainrule.kernels.reading import Matrix, Secant, Sums, Vector, View, What, kernel_asked, useful_threads

Labels = NDArray[np.uint8]
Places = NDArray[np.int64]
# From z and labels (as numbers) of some rows to their losses, dL_dz and d2L_dz2.
GivenLoss = Callable[[Vector, Vector], tuple[Vector, Vector, Vector]]

_SCALARS = 4  # loss, correct, weight, rows


@dataclass(frozen=True)
class Partial:
    """Sums over a range of rows, as the maximal subtrees of the tree over all rows: `combine` continues it."""

    native: Any
    design: Design
    what: What
    shape: tuple[int, ...]  # points, or points and classes
    given_loss: bool = False

    @property
    def subtrees(self) -> list[tuple[int, int, Vector]]:
        """Level, index and sums of each: leaves index 2^level, ..., (index + 1) 2^level - 1."""
        return list(self.native.subtrees)


def read(
    design: Design,
    what: What,
    *,
    w: Vector | None = None,
    b: float = 0.0,
    v: Vector | None = None,
    y: Labels | None = None,
    s: Vector | None = None,
    z: Vector | None = None,
    h: Vector | None = None,
    q: Vector | None = None,
    view: View | None = None,
    index: Places | None = None,
    columns: Places | None = None,
    loss: GivenLoss | None = None,
    threads: int = 1,
) -> Sums:
    """Read all rows once, at one point.

    Parameters
    ----------
    design : Design
        m rows and n coefficients; with `index` m below is its length.
    what : What
        With LOSS at (w, b), beside it as asked GRADIENT, HESSIAN, SQUARES, SUMS, EXTREMES, NORMS; with `y` None only z is made.
        Without LOSS sums weighted by s h, or by s where no h is given: PRODUCT, HESSIAN, SUMS, SQUARES, EXTREMES.
    w, b
        The point, in the view's units: (n,) and a number.
    v : (n + 1,)
        Direction of a PRODUCT, the bias last.
    y : (m,) uint8, 0 or 1
    s : (m,) float64, optional
        Weights; a row of weight 0 is not looked at, its z is b.
    z : (m,), optional
        Filled with every row's z; by a PRODUCT with x~.v.
    h : (m,), optional
        Filled by LOSS with every row's g (1 - g), without its weight; else what the rows are weighted by.
    q : (n + 1,), optional
        Weights of the norms, the bias last.
    view : View, optional
        Centred and scaled columns. Levels and indicators have centre 0 and p 1.
    index : (k,) int64, optional
        Read these rows alone; y, s, z and h then have k elements, one a place.
    columns : (k,) int64, optional
        Coefficients of the matrix, ascending; all by default.
    loss : callable, optional
        In place of the logistic loss: slower, since it is called for some rows at a time.
    threads : int
        Changes no bit of the result.

    Raises
    ------
    CodeError
        For a code that is not one of its column's levels, the first in the order of the rows.
    InputError
        Where a vector has another length, type or layout.
    """
    if what & What.PRODUCT:
        if v is None or len(v) != design.n + 1:
            raise InputError(f"v must have {design.n + 1} elements")
        w, b = v[:-1], float(v[-1])
    partial = _read(
        design,
        what,
        None if w is None else w[np.newaxis],
        np.array([b]),
        y=y,
        s=s,
        z=z,
        h=h,
        q=q,
        view=view,
        index=index,
        columns=columns,
        loss=loss,
        threads=threads,
    )
    return _sums(partial)[0]


def read_points(
    design: Design,
    what: What,
    w: Vector,
    b: Vector,
    *,
    y: Labels | None = None,
    s: Vector | None = None,
    row_weights: Matrix | None = None,
    z: Vector | None = None,
    h: Matrix | None = None,
    view: View | None = None,
    index: Places | None = None,
    threads: int = 1,
) -> list[Sums]:
    """Read all rows once, at P points, of one output each or of K classes: every point's sums have the bits that it has alone.

    Parameters
    ----------
    w : (P, n), or (P, K, n)
        With K classes the loss is softmax's, and y one of 0 to K - 1.
    b : (P,), or (P, K)
    row_weights : (P, m), optional
        Each point's own weights, times s.
    z : (P, m), or (P, K, m), optional
        Filled.
    h : (P, m), optional
        Filled, of one output.

    All else as of `read`: LOSS and, as asked, GRADIENT, SUMS, SQUARES; without a loss SUMS and SQUARES of each point's weights.
    """
    partial = _read(
        design, what, w, b, y=y, s=s, row_weights=row_weights, z=z, h=h, view=view, index=index, threads=threads
    )
    return _sums(partial)


def read_range(
    design: Design, what: What, rows: tuple[int, int], number: int, w: Vector, b: Vector | float, **given: Any
) -> Partial:
    """Read rows `rows[0]` to `rows[1]` of a design, of which the first is row `number` of all there are.

    number : a multiple of `design.leaf_rows(what)`; so is the number of rows, but of the last range. w, b and all else as of
    `read_points`, or of `read` for one point.
    """
    if w.ndim == 1:
        w, b = w[np.newaxis], np.array([b])
    return _read(design, what, w, np.asarray(b), rows=rows, number=number, **given)


def combine(partials: Sequence[Partial]) -> list[Sums]:
    """Give the sums over ranges, in any order, that make up all rows: to the bit what one read gives; one for each point."""
    if not partials:
        raise InputError("there must be a range of rows")
    first = partials[0]
    try:
        native = _core.combine([partial.native for partial in partials])
    except ValueError as error:
        raise InputError(str(error)) from None
    return _sums(Partial(native, first.design, first.what, first.shape, first.given_loss))


def _read(
    design: Design,
    what: What,
    w: Vector | None,
    b: Vector,
    *,
    threads: int = 1,
    z: Vector | None = None,
    h: Vector | None = None,
    q: Vector | None = None,
    view: View | None = None,
    index: Places | None = None,
    columns: Places | None = None,
    y: Labels | None = None,
    s: Vector | None = None,
    row_weights: Matrix | None = None,
    **more: Any,
) -> Partial:
    shape = b.shape
    if w is not None and w.shape != (*shape, design.n):
        raise InputError(f"w must have {design.n} elements" if shape == (1,) else f"w must be {(*shape, design.n)}")
    rows = design.m if index is None else len(index)
    if what & What.LOSS and y is None:
        what &= What.LOSS | What.HESSIAN
    given = {
        "y": y,
        "s": s,
        "row_weights": row_weights,
        "q": None if q is None else design.slots(q),
        "w": None if w is None else design.slots(w).reshape(-1),
        "z_out": z,
        "h_out" if what & What.LOSS else "h": h,
        "columns": design.slot_numbers(columns) if what & What.HESSIAN else None,
        "index": index,
        **design.view(view),
    }
    native = call(
        design,
        what | (What.COUNTS if what & What.EXTREMES and not design.of_numbers_alone else What(0)),
        useful_threads((rows, design.row_numbers * len(b)), threads),
        b=np.ascontiguousarray(b, dtype=np.float64).reshape(-1),
        points=shape[0],
        outputs=shape[1] if len(shape) > 1 else 1,
        **given,
        **more,
    )
    return Partial(native, design, what, shape, more.get("loss") is not None)


def call(design: Design, what: What, threads: int, native: Any = None, **given: Any) -> Any:
    """Call the core; InputError where a vector isn't as it takes it, CodeError where a row has no level."""
    for name, value in given.items():
        if not isinstance(value, np.ndarray) or name in ("center", "p", "columns"):
            continue
        kind = {"y": np.uint8, "index": np.int64}.get(name, np.float64)
        require(value.reshape(-1) if value.flags.c_contiguous else value, _NAMES.get(name, name), kind)
        if name in ("z_out", "h_out"):
            if not value.flags.writeable:
                raise InputError(f"{_NAMES[name]} is to be filled, but can't be written to")
            given[name] = value.reshape(-1)
        elif name == "row_weights":
            given[name] = value.reshape(-1)
    try:
        found = _core.read(
            design.native if native is None else native, int(what), threads=threads, kernel=kernel_asked(), **given
        )
    except ValueError as error:
        message = str(error)
        for name, says in _NAMES.items():
            message = message.replace(f"{name} must", f"{says} must")
        raise InputError(message) from None
    design.refuse(found.bad)
    return found


_NAMES = {"z_out": "z", "h_out": "h"}  # as callers know them


def _sums(partial: Partial) -> list[Sums]:
    """Decode what a read gives: one `Sums` a point."""
    design, what, shape = partial.design, partial.what, partial.shape
    points, outputs = shape[0], shape[1] if len(shape) > 1 else 1
    scalars, terms, counts, extremes, norm, matrix = partial.native.result()
    scalars = scalars.reshape(points, _SCALARS)
    terms = design.coefficients(terms).reshape(points, -1, design.n + 1)
    if what == What.HESSIAN and not design.of_numbers_alone:
        scalars[:, 2] = matrix[-1, -1]  # no sums were read
    low, high = (None, None) if extremes is None else _extremes(design, extremes, counts, scalars[0, 3])
    found = []
    for p in range(points):
        term = iter(terms[p])
        vector = np.zeros((outputs, design.n + 1))
        if what & What.GRADIENT:
            vector = np.array([next(term) for _ in range(outputs)])
        elif what & What.PRODUCT:
            vector = next(term)[np.newaxis]
        sums = next(term)[:-1] if what & What.SUMS else None
        found.append(
            Sums(
                loss=float(scalars[p, 0]),
                correct=float(scalars[p, 1]),
                weight=float(scalars[p, 2]),
                gradient=vector[0, :-1] if len(shape) == 1 else vector[:, :-1],
                bias=float(vector[0, -1]) if len(shape) == 1 else vector[:, -1],
                matrix=matrix,
                squares=next(term)[:-1] if what & What.SQUARES else None,
                sums=sums,
                low=low,
                high=high,
                counts=None if counts is None else design.coefficients(counts),
                norm=float(norm) if what & What.NORMS else 0.0,
                given_loss=partial.given_loss,
            )
        )
    return found


def _extremes(design: Design, extremes: Matrix, counts: Vector | None, rows: float) -> tuple[Vector, Vector]:
    """Smallest and largest x: of levels as the counts of their rows tell, of sparse columns with the zeros not stored."""
    low, high = -extremes[0], extremes[1]
    if counts is not None:
        for span in design.spans.values():
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
    design: Design,
    z: Vector,
    v: Vector,
    *,
    y: Labels,
    s: Vector | None = None,
    u: Vector,
    r: Matrix | None = None,
    norms: bool = False,
    view: View | None = None,
    index: Places | None = None,
    threads: int = 1,
) -> Secant:
    """Read all rows once, at z that are kept and along a direction.

    Parameters
    ----------
    design, y, s, view, index, threads
        As of `read`.
    z : (m,) float64
        Of every row; with `index` one a place. That of a row of weight 0 is not looked at.
    v : (n + 1,)
        The direction, in the view's units, the bias last.
    u : (m,) float64
        Filled with every row's x~.v; with v_b for a row of weight 0.
    r : (2, m) float64, optional
        Filled with dL_dz of every row of positive weight, and with its change from z to z + u.
    norms : bool
        Also the largest sum of squares of a row.

    The change has full relative accuracy in u, however small it is.
    """
    if v.shape != (design.n + 1,):
        raise InputError(f"v must have {design.n + 1} elements")
    rows = design.m if index is None else len(index)
    threads = useful_threads((rows, design.row_numbers), threads)
    for name, vector in (("z", z), ("u", u)):
        require(vector, name, np.float64)
        if len(vector) != rows:
            raise InputError(f"{name} must have {rows} elements")
    if r is not None:
        require(r.ravel() if r.flags.c_contiguous else r, "r", np.float64)
        if r.shape != (2, rows):
            raise InputError(f"r must be (2, {rows})")
    for name, filled in (("u", u), ("r", r)):
        if filled is not None and not filled.flags.writeable:
            raise InputError(f"{name} is to be filled, but can't be written to")
    found = call(
        design,
        What.SECANT | (What.NORMS if norms else What(0)),
        threads,
        w=design.slots(v[:-1]),
        b=np.array([v[-1]]),
        y=y,
        s=s,
        z=z,
        z_out=u,
        r_out=None if r is None else r.ravel(),
        q=design.slots(np.append(np.ones(design.n), 0.0)) if norms else None,
        index=index,
        **design.view(view),
    )
    scalars, terms, _, _, norm, _ = found.result()
    gradient, change, curvature, diagonal = design.coefficients(terms)
    diagonal[-1] = curvature[-1]
    return Secant(
        float(scalars[0]),
        float(scalars[1]),
        float(scalars[2]),
        gradient,
        change,
        curvature,
        diagonal,
        0.0 if norm == -np.inf else float(norm),
    )


def product(design: Design, h: Vector, v: Vector, *, t: Vector | None = None, **given: Any) -> Vector:
    """Hessian times v by given curvatures: sum s h (x~.v) x~, (n + 1,), the bias last; one read.

    h : (m,), without the weights. v : (n + 1,). t : (m,), filled with x~.v. All else as of `read`.
    """
    sums = read(design, What.PRODUCT, h=h, v=v, z=t, **given)
    return np.append(sums.gradient, sums.bias)


def diagonal(design: Design, h: Vector, **given: Any) -> Vector:
    """Diagonal of the Hessian by given curvatures: sum s h x~^2, (n + 1,), the bias last; one read. As of `product`."""
    sums = read(design, What.SQUARES, h=h, **given)
    assert sums.squares is not None
    return np.append(sums.squares, sums.weight)


def gram(design: Design, h: Vector | None, columns: Places | None, **given: Any) -> Matrix:
    """Hessian by given curvatures: sum s h x~ x~' over some coefficients and the bias, (k + 1, k + 1), the bias last; one read.

    columns : (k,) int64, ascending; None: all. h None: ones. All else as of `product`. Memory: the matrix, half the numbers'
    part once more and a few MB; with sparse rows some 20 bytes for each of a few million elements.
    """
    matrix = read(design, What.HESSIAN, h=h, columns=columns, **given).matrix
    assert matrix is not None
    return matrix
