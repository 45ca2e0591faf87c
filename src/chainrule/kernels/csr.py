"""Sparse rows (CSR), read where they lie: nothing is copied, widened or made dense.

Rows are cut into leaves by sizes alone (`sum_depth`); a leaf is summed by one thread, row after row, and leaves are added in
a binary tree, column by column: the number of threads can't change a bit.
"""

from __future__ import annotations

import math
from dataclasses import InitVar, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule import _core
from chainrule.errors import InputError
from chainrule.kernels.reading import Secant, Sums, What, kernel_asked

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Places = NDArray[np.int64]

SECANT_WIDTH = 4  # sums of a column beside each other in `secant`
READS = What.LOSS | What.GRADIENT | What.SQUARES | What.NORMS
# Fewer elements and rows than one thread's start-up is worth are read by one.
_WORTH_A_THREAD = 50_000
# Options of the core that aren't arrays; what others are called here.
_NUMBERS = ("b", "threads", "kernel")
_NAMES = {"at": "z", "curvature": "h"}


@dataclass(frozen=True, eq=False)
class Csr:
    """Rows of n columns, of which those elements are stored that aren't 0 (stored zeros do no harm).

    data : (nnz,) float64 or float32.
    indices : (nnz,) int32 or int64, the elements' columns, in any order within a row.
    indptr : (m + 1,) int32 or int64: row i has the elements indptr[i] to indptr[i + 1].
    n : columns, at least 1; m is at least 1 too.
    threads : to check with.
    duplicates : whether a row names a column twice, found when it is made. The reads refuse such rows: sum them first.

    The arrays must be C-contiguous and of the processor's byte order, and mustn't be changed afterwards: what `check` found
    keeps the reads inside them. InputError where something is wrong.
    """

    data: NDArray[np.floating]
    indices: NDArray[np.signedinteger[Any]]
    indptr: NDArray[np.signedinteger[Any]]
    n: int
    threads: InitVar[int] = 1
    duplicates: bool = field(init=False)

    def __post_init__(self, threads: int) -> None:
        _require(self.data, "data", (np.float64, np.float32))
        if len(self.data) != len(self.indices):
            raise InputError(f"data has {len(self.data)} elements, but indices has {len(self.indices)}")
        object.__setattr__(self, "duplicates", check(self.indptr, self.indices, self.n, threads))

    @property
    def m(self) -> int:
        """Number of rows."""
        return len(self.indptr) - 1

    @property
    def nnz(self) -> int:
        """Number of stored elements."""
        return len(self.data)

    def rows(self, index: Places | None = None) -> int:
        """Count the rows that a read of `index` goes over."""
        return self.m if index is None else len(index)


@dataclass(frozen=True)
class Moments:
    """Sums over the rows, of columns as given (not seen through p).

    weight : S = sum s. sums, squares : sum s x and sum s x^2, (n,).
    low, high : smallest and largest x over rows of positive weight, (n,), zeros that aren't stored among them; inf and -inf
    where there is no such row.
    """

    weight: float
    sums: Vector
    squares: Vector
    low: Vector
    high: Vector


def check(
    indptr: NDArray[np.signedinteger[Any]], indices: NDArray[np.signedinteger[Any]], n: int, threads: int = 1
) -> bool:
    """Say whether a row names a column twice; InputError, which names the row, where elements or columns aren't there.

    One go over the indices; rows that aren't sorted are gone over again, with a mark for each column.
    """
    _require(indptr, "indptr", (np.int32, np.int64))
    _require(indices, "indices", (np.int32, np.int64))
    if len(indptr) < 2 or n < 1:
        raise InputError("there must be a row and a column")
    try:
        return bool(_core.csr_check(indptr, indices, n, threads))
    except ValueError as error:
        raise InputError(str(error)) from None


def read(
    csr: Csr,
    what: What,
    *,
    y: NDArray[np.uint8] | None,
    s: Vector | None,
    w: Vector,
    b: float,
    z: Vector | None = None,
    h: Vector | None = None,
    p: Vector | None = None,
    index: Places | None = None,
    q: Vector | None = None,
    threads: int = 1,
) -> Sums:
    """Read all rows once.

    Parameters
    ----------
    csr : Csr
        m rows; with `index` m below is its length.
    what : What
        LOSS, and as asked GRADIENT, SQUARES (sum s x^2 of each column as seen) and NORMS.
    y : (m,) uint8, 0 or 1, optional
        None: only z (and squares and norms) are made.
    s : (m,), optional
        Weights; a row of weight 0 is not looked at, its z is b.
    w, b
        The point, in units of x p: (n,) and a number.
    z : (m,), optional
        Filled with every row's z.
    h : (m,), optional
        Filled with every row's g (1 - g), without its weight. Needs y.
    p : (n,), optional
        Powers of two: columns are seen as x p.
    index : (k,) int64, optional
        Read these rows alone; y, s, z and h then have k elements, one a place.
    q : (n + 1,), optional
        Weights of the norms, the bias last.
    threads : int
        Changes no bit of the result.

    Returns
    -------
    Sums
        As of the dense kernels. Inf or NaN among the elements show in the sums.
    """
    if what & ~READS or not what & What.LOSS:
        raise InputError("a read of sparse rows is of LOSS, and of GRADIENT, SQUARES and NORMS beside it")
    if y is None and (what & What.GRADIENT or h is not None):
        raise InputError("a gradient and h need y")
    n = csr.n
    raw = _run(csr, int(what), y=y, s=s, w=w, b=b, z=z, curvature=h, p=p, index=index, q=q, threads=threads)
    gradient = raw[4 : 5 + n] if what & What.GRADIENT else np.zeros(n + 1)
    return Sums(
        loss=float(raw[0]),
        correct=float(raw[1]),
        weight=float(raw[2]),
        gradient=gradient[:-1],
        bias=float(gradient[-1]),
        squares=raw[len(raw) - n :] if what & What.SQUARES else None,
        norm=float(raw[3]) if what & What.NORMS else 0.0,
    )


def product(
    csr: Csr,
    h: Vector,
    v: Vector,
    *,
    s: Vector | None = None,
    t: Vector | None = None,
    p: Vector | None = None,
    index: Places | None = None,
    threads: int = 1,
) -> Vector:
    """Sum s h (x~.v) x~, (n + 1,), the bias last: a Hessian product in one read, with h (m,) given.

    v : (n + 1,). t : (m,), filled with x~.v. The others as of `read`.
    """
    if v.shape != (csr.n + 1,):
        raise InputError(f"v must have {csr.n + 1} elements")
    raw = _run(
        csr, int(What.LOSS | What.GRADIENT), h=h, w=v[:-1], b=float(v[-1]), s=s, z=t, p=p, index=index, threads=threads
    )
    return raw[4:]


def secant(
    csr: Csr,
    z: Vector,
    v: Vector,
    *,
    y: NDArray[np.uint8],
    s: Vector | None = None,
    u: Vector,
    p: Vector | None = None,
    index: Places | None = None,
    threads: int = 1,
) -> Secant:
    """Add what the gradient is at z and how it changes along v, in one read; nothing is read for z itself.

    z : (m,), of every row; a row of weight 0 is not looked at, and may have any.
    v : (n + 1,), the bias last, in units of x p.
    u : (m,), filled with x~.v; of a row of weight 0 with v's last element.
    The others as of `read`. The change has full relative accuracy in u, however small it is.
    """
    if v.shape != (csr.n + 1,):
        raise InputError(f"v must have {csr.n + 1} elements")
    options = {"y": y, "s": s, "w": v[:-1], "at": z, "u": u, "p": p, "index": index}
    threads = _useful(csr, index, threads)
    raw = _call(_core.csr_secant, csr, b=float(v[-1]), threads=threads, kernel=kernel_asked(), **options)
    gradient, change, curvature, squares = raw[4:].reshape(4, csr.n + 1)
    return Secant(float(raw[0]), float(raw[1]), float(raw[2]), gradient, change, curvature, squares, float(raw[3]))


def diagonal(
    csr: Csr,
    h: Vector,
    *,
    s: Vector | None = None,
    p: Vector | None = None,
    index: Places | None = None,
    threads: int = 1,
) -> Vector:
    """Sum s h x~^2, (n + 1,), the bias last. h : (m,). The others as of `read`."""
    raw = _run(csr, int(What.SQUARES), h=h, s=s, p=p, index=index, threads=threads)
    return np.append(raw[4:], raw[2])


def gram(
    csr: Csr,
    h: Vector | None,
    columns: Places,
    *,
    s: Vector | None = None,
    p: Vector | None = None,
    index: Places | None = None,
    threads: int = 1,
) -> Matrix:
    """Sum s h x~ x~' over some columns, (k + 1, k + 1), symmetric, the bias last.

    columns : (k,) int64, distinct, in any order: that of the matrix. h : (m,), or None for ones. The others as of `read`.

    Beside the matrix it takes some 20 bytes for each of a few million elements, and 4 n bytes.
    """
    matrix: Matrix = _call(_core.csr_gram, csr, s=s, h=h, p=p, index=index, columns=columns, threads=threads)
    return matrix


def moments(csr: Csr, *, s: Vector | None = None, index: Places | None = None, threads: int = 1) -> Moments:
    """Weight, sums, squares and extremes of every column in one read; arguments as of `read`."""
    raw = _call(_core.csr_moments, csr, s=s, index=index, threads=_useful(csr, index, threads), kernel=kernel_asked())
    n = csr.n
    sums, squares, low, high = (raw[1 + k * n : 1 + (k + 1) * n] for k in range(4))
    return Moments(float(raw[0]), sums, squares, low, high)


def sum_depth(m: int, n: int, nnz: int | None = None, width: int = 1) -> float:
    """Count the roundings that a term of a read's sum goes through: d = rows of a leaf + log2(leaves) + 8.

    An entry is within d u sum of its terms' sizes: a leaf's rows are added one after the other, the leaves in a binary tree;
    8 covers the lanes' own sum and the term's products. Higham 2002, section 4.2.

    m, nnz : the rows read and their elements; None: any number. width : 4 for `secant`, 5 for `moments`, 1 for the others.
    """
    rows, leaves = (m, 1) if nnz is None else _core.csr_leaves(m, n, nnz, width)
    return float(rows) + math.log2(leaves) + 8.0


def gram_depth(m: int, nnz: int, k: int) -> float:
    """Count the roundings that a term of an entry of `gram` goes through: rows of a block + blocks + 8."""
    rows, blocks = _core.csr_blocks(m, nnz, k)
    return float(rows) + float(blocks) + 8.0


def _require(array: Any, name: str, kinds: tuple[type, ...]) -> None:
    fits = isinstance(array, np.ndarray) and array.ndim == 1 and array.flags.c_contiguous and array.dtype.isnative
    if not fits or array.dtype not in [np.dtype(kind) for kind in kinds]:
        names = " or ".join(np.dtype(kind).name for kind in kinds)
        raise InputError(f"{name} must be a contiguous vector of {names}")


def _useful(csr: Csr, index: Places | None, threads: int) -> int:
    """One thread where the data are small."""
    return 1 if csr.nnz + csr.rows(index) < _WORTH_A_THREAD else threads


def _call(function: Any, csr: Csr, *args: Any, **options: Any) -> Any:
    if csr.duplicates:
        raise InputError("a row names a column twice: sum its elements in a copy first")
    kinds = {"y": np.uint8, "index": np.int64, "columns": np.int64}
    for name, value in options.items():
        if value is not None and name not in _NUMBERS:
            _require(value, _NAMES.get(name, name), (kinds.get(name, np.float64),))
            if name in ("z", "curvature", "u") and not value.flags.writeable:
                raise InputError(f"{name} is to be filled, but can't be written to")
    try:
        return function(csr.data, csr.indices, csr.indptr, csr.n, *args, **options)
    except ValueError as error:
        raise InputError(str(error)) from None


def _run(csr: Csr, what: int, *, threads: int, index: Places | None = None, **options: Any) -> Vector:
    threads = _useful(csr, index, threads)
    raw: Vector = _call(_core.csr_read, csr, what, index=index, threads=threads, kernel=kernel_asked(), **options)
    return raw
