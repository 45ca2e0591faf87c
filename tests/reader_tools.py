"""Designs of every storage with the same rows expanded, and NumPy twins of all that a read gives."""

from dataclasses import dataclass, replace

import numpy as np

from chainrule.kernels.blocks import Blocks, CategoryColumn, Csr, DenseRows, NumberColumn, Part
from chainrule.kernels.reader import diagonal, gram, product, read, read_points, secant
from chainrule.kernels.reading import MOMENTS, View, What

NUMBERS = ["f8", "f4", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?", "bits"]
CODES = ["i1", "i2", "i4", "i8", "u1", "u2", "u4"]
KINDS = [data + indices + indptr for data in "df" for indices in "il" for indptr in "il"]  # of CSR's three arrays
SUMS = What.LOSS | What.GRADIENT | What.SQUARES | What.SUMS | What.NORMS
TOLERANCE = 1e-13  # of the sum of absolute terms: some thousand rows in lanes and leaves, each term rounded a few times
SMALLEST = 1e-319  # some thousand roundings below the normal numbers
LOST = 1e-307  # beside a term's size: a derivative below the normal numbers has lost digits by itself


@dataclass(frozen=True)
class Stored:
    """A design, its rows expanded (m, n), and which rows of each of its blocks have no value."""

    design: Blocks
    X: np.ndarray
    gone: np.ndarray

    @property
    def may_view(self):
        """Which columns may be centred and scaled: all but levels and indicators."""
        free = np.ones(self.design.n, bool)
        for block in self.design.blocks:
            if isinstance(block, CategoryColumn):
                free[block.at : block.at + block.levels - block.skip] = False
            elif isinstance(block, NumberColumn) and block.indicator is not None:
                free[block.indicator] = False
        return free


# --- columns and rows of one kind: each gives blocks, their columns expanded, and the rows without a value -------------


def bitmap(bits, at):
    """Arrow's bitmap of some bits, from bit `at` on, with noise around them."""
    noise = np.arange(at + len(bits) + 13) % 3 == 0
    noise[at : at + len(bits)] = bits
    return np.packbits(noise, bitorder="little")


def strided(values, step):
    """The same values at every third place, or from behind."""
    if step < 0:
        return values[::-1].copy()[::-1]
    wide = np.zeros(len(values) * step, values.dtype)
    wide[::step] = values
    return wide[::step]


def parts_of(rng, values, there=None, bits=False, cuts=None):
    """Values in several parts, each strided in its own way, with bitmaps at any bit where some are not there."""
    m = len(values)
    cuts = np.sort(rng.integers(0, m + 1, rng.integers(0, 4))) if cuts is None else cuts
    parts = []
    for chosen in np.split(np.arange(m), cuts):
        piece, rows = values[chosen], len(chosen)
        valid_at, values_at = (int(k) for k in rng.integers(0, 20, 2))
        valid = None if there is None else bitmap(there[chosen], valid_at)
        piece = bitmap(piece, values_at) if bits else strided(piece, int(rng.choice([1, 3, -1])))
        parts.append(Part(piece, rows, valid, valid_at, bits, values_at))
    return tuple(parts)


def number(kind, missing):
    """A column of numbers; some are missing: with a fill, and perhaps an indicator."""

    def make(rng, m, at):
        if kind[0] == "f":
            values = rng.normal(size=m).astype(kind)
        elif kind in ("?", "bits"):
            values = rng.random(m) < 0.4
        else:
            low, high = (0, 100) if kind[0] == "u" else (-100, 100)
            values = rng.integers(low, high, m).astype(kind)
        x, there, gone = values.astype(float), None, np.zeros(m, bool)
        if missing and kind[0] == "f":
            gone |= rng.random(m) < 0.2
            values[gone] = np.nan
        if missing:
            there = rng.random(m) < 0.8
            gone |= ~there
        parts = parts_of(rng, values, there, kind == "bits")
        if not missing:
            return [NumberColumn(parts, at)], x[:, None], [gone]
        x[gone] = 0.7
        indicator = at + 1 if rng.random() < 0.5 else None
        X = x[:, None] if indicator is None else np.column_stack([x, gone])
        return [NumberColumn(parts, at, 0.7, indicator)], X, [gone]

    return make


def category(kind, levels, skip, missing):
    """A column of codes; those that are missing, negative or not valid, count as one of its levels."""

    def make(rng, m, at):
        codes = np.minimum(levels * rng.random(m) ** 2, levels - 1).astype(kind)
        there, gone, level = None, np.zeros(m, bool), int(rng.integers(0, levels))
        if missing and kind[0] == "i":
            gone |= rng.random(m) < 0.2
            codes[gone] = rng.choice([-1, -7])
        if missing:
            there = rng.random(m) < 0.9
            gone |= ~there
        counted = np.where(gone, level, codes).astype(int)
        X = (counted[:, None] == np.arange(skip, levels)).astype(float)
        column = CategoryColumn(parts_of(rng, codes, there), at, levels, skip, level if missing else None)
        return [column], X, [gone]

    return make


def laid(X, layout):
    """The same matrix in another layout."""
    m, n = X.shape
    if layout == "strided":
        wide = np.full((2 * m, 3 * n), np.nan, X.dtype)
        wide[::2, ::3] = X
        return wide[::2, ::3]
    if layout == "padded":
        wide = np.full((m, n + 5), np.nan, X.dtype)
        wide[:, 2:-3] = X
        return wide[:, 2:-3]
    if layout == "reversed":
        return X[::-1, ::-1].copy()[::-1, ::-1]
    return np.array(X, order=layout)


def drawn(rng, m, n, kind):
    """Numbers of many sizes, which both types of floats hold."""
    X = rng.normal(size=(m, n)) * 2.0 ** rng.integers(-8, 9, size=n)
    return X.astype(np.float32).astype(kind)


def rows(n, kind="f8", layout="C"):
    """Dense rows."""

    def make(rng, m, at):
        X = drawn(rng, m, n, kind)
        return [DenseRows(laid(X, layout), at)], X.astype(float), [np.zeros(m, bool)]

    return make


def columns(n, kind="f8", layout="F"):
    """A dense matrix whose columns lie one after the other."""

    def make(rng, m, at):
        X = drawn(rng, m, n, kind)
        F = laid(np.asfortranarray(X), layout) if layout != "strided" else laid(X.T, layout).T
        blocks = [NumberColumn((Part(F[:, j], m),), at + j) for j in range(n)]
        return blocks, X.astype(float), [np.zeros(m, bool)] * n

    return make


def csr_of(X, kinds="dii", at=0):
    """Sparse rows of a matrix."""
    i, j = np.nonzero(X)
    indptr = np.append(0, np.cumsum(np.count_nonzero(X, axis=1)))
    return Csr(X[i, j].astype(kinds[0]), j.astype(kinds[1]), indptr.astype(kinds[2]), X.shape[1], at=at)


def shuffled(csr, rng):
    """The same rows, the elements of each in another order, some zeros stored."""
    row = np.repeat(np.arange(csr.m), np.diff(csr.indptr))
    stored = np.zeros((csr.m, csr.n), bool)
    stored[row, csr.indices] = True
    i, j = np.nonzero(~stored & (rng.random(stored.shape) < 0.05))
    x = np.append(csr.data, np.zeros(len(i)))
    row, column = np.append(row, i), np.append(csr.indices, j)
    order = np.lexsort((rng.random(len(x)), row))
    indptr = np.append(0, np.cumsum(np.bincount(row, minlength=csr.m)))
    kinds = csr.data.dtype, csr.indices.dtype, csr.indptr.dtype
    arrays = (array.astype(kind) for array, kind in zip((x[order], column[order], indptr), kinds, strict=True))
    return Csr(*arrays, csr.n, at=csr.at)


def sparse(n, kinds="dii", density=0.2, shuffle=False):
    """Sparse rows, some of them empty."""

    def make(rng, m, at):
        X = np.where(rng.random((m, n)) < density, drawn(rng, m, n, float), 0.0)
        X[rng.random(m) < 0.1] = 0.0
        csr = csr_of(X, kinds, at)
        return [shuffled(csr, rng) if shuffle else csr], X, [np.zeros(m, bool)]

    return make


def storage(*makers):
    """A maker of a design of these."""

    def make(rng, m):
        blocks, expanded, gone, at = [], [], [], 0
        for maker in makers:
            more, X, none = maker(rng, m, at)
            blocks += more
            expanded.append(X)
            gone += none
            at += X.shape[1]
        return Stored(Blocks(blocks, m, at), np.column_stack(expanded), np.array(gone))

    return make


STORAGES = {
    "rows": storage(rows(13)),
    "short rows": storage(rows(3)),
    "wide rows": storage(rows(70)),
    "float32 rows": storage(rows(28, "f4")),
    "strided rows": storage(rows(9, "f8", "strided")),
    "padded rows": storage(rows(9, "f4", "padded")),
    "reversed rows": storage(rows(17, "f4", "reversed")),
    "rows by columns": storage(rows(5, "f8", "F")),
    "one column": storage(columns(1)),
    "columns": storage(columns(17)),
    "float32 columns": storage(columns(9, "f4")),
    "strided columns": storage(columns(8, "f4", "strided")),
    "reversed columns": storage(columns(9, "f8", "reversed")),
    **{f"numbers {kind}": storage(number(kind, False), number(kind, True), number("f8", False)) for kind in NUMBERS},
    **{f"levels {kind}": storage(category(kind, 100, 1, False), category(kind, 7, 0, True)) for kind in CODES},
    **{
        f"many levels {kind}": storage(category(kind, 140, 1, True), category(kind, 129, 0, False))
        for kind in CODES[1:4]
    },
    "one level": storage(category("i2", 1, 1, False), number("f4", False), category("u1", 1, 0, True)),
    "all numbers": storage(*(number(kind, j % 2 == 0) for j, kind in enumerate(NUMBERS))),
    **{f"csr {kinds}": storage(sparse(20, kinds)) for kinds in KINDS},
    "csr of many columns": storage(sparse(520, "fll", 0.02, True)),  # beyond those of which products go to the matrix
    "shuffled csr": storage(sparse(40, "fil", 0.1, True)),
    "thin csr": storage(sparse(60, "dii", 0.02)),
    "full csr": storage(sparse(11, "dli", 0.95)),
    "two csr": storage(sparse(9), sparse(30, "fll", 0.1, True)),
    "rows and csr": storage(rows(6), sparse(15)),
    "rows and codes": storage(rows(9, "f4"), category("i2", 30, 1, False), rows(3)),
    "table": storage(
        number("f8", True), category("i2", 7, 1, True), number("bits", False), category("u1", 20, 0, False)
    ),
    "large table": storage(category("i4", 150, 0, True), number("i2", False), category("u4", 90, 1, False)),
    "codes and csr": storage(category("i1", 12, 1, True), sparse(10), category("i4", 140, 1, False)),
    "everything": storage(
        number("f8", True),
        rows(5),
        category("i2", 20, 1, True),
        sparse(12, "fil"),
        number("u2", False),
        columns(3, "f4"),
    ),
}


def small(name):
    """Whether a storage has few columns: for what costs their square."""
    return name not in ("wide rows", "large table") and "many" not in name


FEW = [name for name in STORAGES if small(name)]


# --- problems ----------------------------------------------------------------------------------------------------------


def view_of(rng, stored):
    """A view that moves and scales what may be."""
    center, p = np.zeros(stored.design.n), np.ones(stored.design.n)
    free = stored.may_view
    center[free], p[free] = rng.normal(size=free.sum()), 2.0 ** rng.integers(-3, 4, free.sum())
    return View(center, p)


def seen_as(X, view):
    return X if view is None else X * view.p - view.center * view.p


def spoiled(stored, bad, rng):
    """The same design with NaN, infinity and codes that are no levels in some rows."""
    blocks = []
    for block in stored.design.blocks:
        if isinstance(block, DenseRows):
            X = block.X.copy(order="K")
            X[bad] = rng.choice([np.nan, np.inf, -np.inf], (bad.sum(), X.shape[1]))
            blocks.append(replace(block, X=X))
        elif isinstance(block, Csr):
            data = block.data.copy()
            for i in np.flatnonzero(bad):
                data[block.indptr[i] : block.indptr[i + 1]] = rng.choice([np.nan, np.inf])
            blocks.append(Csr(data, block.indices, block.indptr, block.n, at=block.at))
        else:
            parts, first = [], 0
            for part in block.parts:
                values, none = part.values.copy(), bad[first : first + part.rows]
                first += part.rows
                if not part.bits and values.dtype.kind == "f":
                    values[none] = rng.choice([np.nan, np.inf])
                elif isinstance(block, CategoryColumn):
                    values[none] = rng.choice([120, np.iinfo(values.dtype).max, np.iinfo(values.dtype).min])
                parts.append(replace(part, values=values))
            blocks.append(replace(block, parts=tuple(parts)))
    return replace(stored, design=Blocks(blocks, stored.design.m, stored.design.n))


# --- twins -------------------------------------------------------------------------------------------------------------


def near(found, exact, terms, name, tolerance=TOLERANCE):
    """Assert that a sum is right but for a part of its absolute terms, and for some of the smallest numbers there are."""
    assert np.all(np.abs(found - exact) <= tolerance * np.asarray(terms) + SMALLEST), name


def logistic(z, y):
    """Loss, residual and curvature of rows, each from the side where nothing cancels."""
    sign, e = 1.0 - 2.0 * y, np.exp(-np.abs(z))
    right = sign * z < 0
    loss = np.where(right, 0.0, np.abs(z)) + np.log1p(e)
    return loss, sign * np.where(right, e, 1.0) / (1 + e), e / (1 + e) ** 2


def point_of(rng, stored, m):
    """Labels, weights, z of all sizes, and a direction that moves z by about its size."""
    y, s = rng.integers(0, 2, m).astype(np.uint8), rng.choice([0.0, 0.3, 1.0, 7.0], m)
    z = rng.choice([0.1, 3.0, 40.0, 1e4], m) * rng.normal(size=m)
    v = rng.normal(size=stored.design.n + 1) / np.append(np.abs(stored.X).max(axis=0) + 1e-3, 1.0)
    return y, s, z, v * rng.choice([1e-9, 0.1, 30.0])


def check_reads(rng, stored, s=None, view=None, index=None, threads=1, w=None, b=0.3, y=None):
    """Assert all that reads give against NumPy on the expanded rows."""
    design = stored.design
    places = np.arange(design.m) if index is None else index
    m, n = len(places), design.n
    X = stored.X[places]
    seen = seen_as(X, view)
    weights = np.ones(m) if s is None else s
    kept = weights > 0
    y = rng.integers(0, 2, m).astype(np.uint8) if y is None else y
    size = np.abs(seen[kept]).max(axis=0, initial=1e-3)
    w = rng.normal(size=n) / size / np.sqrt(n) * rng.choice([0.1, 1.0, 10.0]) if w is None else w
    q, v, z, h, t = rng.random(n + 1), rng.normal(size=n + 1), *np.full((3, m), np.nan)
    how = {"s": s, "view": view, "index": index, "threads": threads}
    sums = read(design, SUMS | What.EXTREMES | What.HESSIAN, y=y, w=w, b=b, z=z, h=h, q=q, **how)
    x1 = np.column_stack([seen, np.ones(m)])[kept]
    k = weights[kept]
    exact = x1 @ np.append(w, b)
    # A rounding of z moves each term by its derivative times it.
    reach = np.abs(x1) @ np.abs(np.append(w, b))
    near(z[kept], exact, reach, "z")
    assert np.all(z[~kept] == b)
    loss, residual, curvature = logistic(exact, y[kept])
    absolute = np.abs(x1)
    near(h[kept], curvature, curvature * (1 + reach) + LOST, "h")
    near(sums.loss, k @ loss, k @ (loss + np.abs(residual) * reach + LOST), "loss")
    slack = k * (np.abs(residual) + curvature * reach + LOST)
    near(np.append(sums.gradient, sums.bias), x1.T @ (k * residual), absolute.T @ slack, "gradient")
    near(sums.squares, (k @ x1**2)[:-1], (k @ x1**2)[:-1], "squares")
    near(sums.sums, (k @ x1)[:-1], (k @ absolute)[:-1], "sums")
    near(sums.weight, k.sum(), k.sum(), "weight")
    unsure = k @ (np.abs(exact) <= TOLERANCE * reach)
    assert abs(sums.correct - k @ ((exact > 0) == (y[kept] == 1))) <= unsure + TOLERANCE * k.sum(), "correct"
    norms = x1**2 @ q
    if len(norms):
        near(sums.norm, norms.max(), norms.max(), "norm")
        np.testing.assert_array_equal(sums.low, X[kept].min(axis=0))
        np.testing.assert_array_equal(sums.high, X[kept].max(axis=0))
    slack = k * curvature * (1 + reach) + k * LOST
    near(sums.matrix, (x1 * (k * curvature)[:, None]).T @ x1, (absolute * slack[:, None]).T @ absolute, "Hessian")
    np.testing.assert_array_equal(sums.matrix, sums.matrix.T)
    h[~kept] = np.nan  # not looked at
    c = k * h[kept]
    matrix, terms = (x1 * c[:, None]).T @ x1, (absolute * (c + k * LOST)[:, None]).T @ absolute
    near(product(design, h, v, t=t, **how), matrix @ v, terms @ np.abs(v), "product")
    near(t[kept], x1 @ v, absolute @ np.abs(v), "x.v")
    assert np.all(t[~kept] == v[-1])
    near(diagonal(design, h, **how), np.diag(matrix), np.diag(terms), "diagonal")
    near(gram(design, h, None, **how), matrix, terms, "gram")
    some = np.flatnonzero(rng.random(n) < 0.6)
    both = np.append(some, n)
    near(gram(design, h, some, **how), matrix[np.ix_(both, both)], terms[np.ix_(both, both)], "part of gram")
    few = np.append(some[:2], n)
    near(gram(design, None, some[:2], **how)[-1], (k @ x1)[few], (k @ absolute)[few], "bias of gram")
    check_moments(stored, X, weights, how, x1)


def check_moments(stored, X, weights, how, x1):
    """Moments and counts of levels."""
    design, kept = stored.design, weights > 0
    k = weights[kept]
    found = read(design, MOMENTS, **how)
    near(found.weight, k.sum(), k.sum(), "weight")
    near(found.sums, (k @ x1)[:-1], (k @ np.abs(x1))[:-1], "sums")
    near(found.squares, (k @ x1**2)[:-1], (k @ x1**2)[:-1], "squares of moments")
    np.testing.assert_array_equal(found.low, X[kept].min(axis=0, initial=np.inf) if len(k) else found.low)
    np.testing.assert_array_equal(found.high, X[kept].max(axis=0, initial=-np.inf) if len(k) else found.high)
    for _, column in design.categories:
        np.testing.assert_array_equal(found.counts[column.span], X[kept][:, column.span].sum(axis=0))


def there(sums):
    """All numbers of some sums."""
    return [np.asarray(value) for value in vars(sums).values() if value is not None]


def everything(design, y, s, z, v, q, index=None, threads=1, view=None, matrix=True):
    """All that reads give, as bytes."""
    m = len(y)
    how = {"s": s, "index": index, "threads": threads, "view": view}
    scores, h, t, u = np.full((4, m), np.nan)
    what = SUMS | What.EXTREMES | (What.HESSIAN if matrix else What(0))
    sums = read(design, what, y=y, w=v[:-1], b=0.2, z=scores, h=h, q=q, **how)
    found = [scores, h, *there(sums)]
    found += [product(design, h, v, t=t, **how), t, diagonal(design, h, **how), *there(read(design, MOMENTS, **how))]
    found += [*vars(secant(design, z, v, y=y, u=u, h=np.full(m, np.nan), **how)).values(), u]
    if matrix:
        found += [gram(design, h, None, **how), gram(design, None, np.arange(0, design.n, 2), **how)]
    classes = np.stack([y == 0, y == 1]).astype(float)
    for of_class in read_points(design, What.SUMS, np.zeros((2, design.n)), np.zeros(2), row_weights=classes, **how):
        found += there(of_class)
    return [np.asarray(value).tobytes() for value in found]


def same(one, other):
    """Whether two results of reads are equal to the bit."""
    return all(
        a is b is None or (a is not None and b is not None and np.array_equal(a, b, equal_nan=False))
        for a, b in zip(vars(one).values(), vars(other).values(), strict=True)
    )
