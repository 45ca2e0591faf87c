"""The read of mixed columns along a direction: against NumPy on the expanded table, the usual read, and itself."""

from dataclasses import replace

import numpy as np
import pytest

from chainrule.kernels import View, What, pointwise
from chainrule.kernels.columns import FEW_LEVELS, CategoryColumn, CodeError, NumberColumn, Part, Table, read, secant

TOLERANCE = 1e-13  # of the sum of absolute terms
NUMBERS = ["f8", "f4", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?", "bits"]
CODES = ["i1", "i2", "i4", "i8", "u1", "u2", "u4"]


def bitmap(bits, at):
    """Arrow's bitmap of some bits, from bit `at` on."""
    return np.packbits(np.concatenate([np.ones(at, bool), bits, np.zeros(5, bool)]), bitorder="little")


def parts_of(values, cuts, there=None, bits=False):
    """Values in several parts, every other one strided, with bitmaps at odd bits where some are not there."""
    parts = []
    for k, chosen in enumerate(np.split(np.arange(len(values)), cuts)):
        piece = values[chosen]
        laid = bitmap(piece, 3 + k) if bits else piece if k % 2 == 0 else np.repeat(piece, 3)[::3]
        valid = None if there is None else bitmap(there[chosen], 5 + k)
        parts.append(Part(laid, len(chosen), valid, 5 + k, bits, 3 + k))
    return tuple(parts)


def number(rng, m, kind, at, cuts, missing):
    """A column of numbers, and its x."""
    values = rng.random(m) < 0.4 if kind in ("?", "bits") else rng.integers(0, 100, m).astype(kind)
    if kind[0] == "f":
        values = rng.normal(size=m).astype(kind)
    x, gone, there = values.astype(float), np.zeros(m, bool), None
    if missing:
        there = rng.random(m) < 0.8
        gone |= ~there
        if kind[0] == "f":
            values[rng.random(m) < 0.2] = np.nan
            gone |= np.isnan(values)
        x[gone] = 0.7
    fill, indicator = (0.7, at + 1) if missing else (None, None)
    column = NumberColumn(parts_of(values, cuts, there, kind == "bits"), at, fill, indicator)
    return column, np.column_stack([x, gone]) if missing else x[:, np.newaxis]


def category(rng, m, kind, at, cuts, missing, levels, skip):
    """A column of codes, and its levels as columns of 0 and 1."""
    codes = np.minimum(levels * rng.random(m) ** 2, levels - 1).astype(kind)
    counted, there = codes.astype(int), None
    if missing:
        there = rng.random(m) < 0.9
        if kind[0] == "i":
            codes[rng.random(m) < 0.1] = -3
        counted = np.where(there & (codes < np.iinfo(kind).max) & (codes.astype(int) >= 0), codes, levels - 1)
    column = CategoryColumn(parts_of(codes, cuts, there), at, levels, skip, levels - 1 if missing else None)
    return column, (counted[:, np.newaxis] == np.arange(skip, levels)).astype(float)


def mixed(rng, m, kinds):
    """A table with columns of these kinds, and the same expanded. 'i2 300 1': codes of 300 levels, the first skipped."""
    columns, blocks, at = [], [], 0
    for kind in kinds:
        missing, cuts = bool(rng.random() < 0.5), np.sort(rng.integers(0, m + 1, rng.integers(0, 4)))
        code, *of_code = kind.split()
        if of_code:
            column, X = category(rng, m, code, at, cuts, missing, *map(int, of_code))
        else:
            column, X = number(rng, m, code, at, cuts, missing)
        columns.append(column)
        blocks.append(X)
        at += X.shape[1]
    return Table(columns, m, at), np.column_stack(blocks)


def view_of(rng, table):
    """A view that moves and scales what may be."""
    center, p = np.zeros(table.n), np.ones(table.n)
    for column in table.columns:
        if isinstance(column, NumberColumn):
            center[column.at], p[column.at] = rng.normal(), 2.0 ** rng.integers(-3, 4)
    return View(center, p)


def point_of(rng, table, m):
    """Labels, weights, z of all sizes, and a direction that moves z by about 1."""
    y, s = rng.integers(0, 2, m).astype(np.uint8), rng.choice([0.0, 0.3, 1.0, 7.0], m)
    z = rng.choice([0.1, 3.0, 40.0, 1e4], m) * rng.normal(size=m)
    v = rng.normal(size=table.n + 1) * rng.choice([1e-9, 0.02, 3.0])
    return y, s, z, v


def assert_agrees(found, u, X, y, s, z, v, view=None):
    """Every sum, and u, as NumPy has them."""
    X1 = np.column_stack([X if view is None else X * view.p - view.center_times_p, np.ones(len(X))])
    s = np.ones(len(X)) if s is None else s
    kept = s > 0
    assert np.all(u[~kept] == v[-1])
    X1, y, s, z, u = X1[kept], y[kept], s[kept], z[kept], u[kept]
    assert np.all(np.abs(u - X1 @ v) <= TOLERANCE * (np.abs(X1) @ np.abs(v)))
    loss, r, h = pointwise(z, y)
    after = pointwise(z + u, y)[1]
    assert abs(found.loss - s @ loss) <= TOLERANCE * (s @ loss)
    assert abs(found.weight - s.sum()) <= TOLERANCE * s.sum()
    assert abs(found.correct - s @ ((z > 0) == (y == 1))) <= TOLERANCE * s.sum()
    rows = {"gradient": (r, np.abs(r)), "change": (after - r, np.abs(after) + np.abs(r)), "curvature": (h, h)}
    for name, (row, terms) in rows.items():
        assert np.all(np.abs(getattr(found, name) - X1.T @ (s * row)) <= TOLERANCE * (np.abs(X1).T @ (s * terms))), name
    diagonal = (X1**2).T @ (s * h)
    assert np.all(np.abs(found.diagonal - diagonal) <= TOLERANCE * diagonal)
    norm = np.max((X1[:, :-1] ** 2).sum(axis=1), initial=0.0)
    assert abs(found.norm - norm) <= TOLERANCE * norm


def same(one, other):
    """Whether two results are equal to the bit."""
    return all(np.array_equal(a, b) for a, b in zip(vars(one).values(), vars(other).values(), strict=True))


def check(rng, table, X, index=None, threads=1):
    """With weights and without, as given and as seen."""
    m = table.m if index is None else len(index)
    y, s, z, v = point_of(rng, table, m)
    for weights in (None, s):
        for view in (None, view_of(rng, table)):
            u, usual = np.full(m, np.nan), np.full(m, np.nan)
            how = {"s": weights, "view": view, "index": index, "threads": threads}
            found = secant(table, z, v, y=y, u=u, **how)
            assert_agrees(found, u, X if index is None else X[index], y, weights, z, v, view)
            read(table, What.LOSS, y=None, w=v[:-1], b=v[-1], z=usual, **how)
            assert np.array_equal(u, usual)


@pytest.mark.parametrize("seed", range(40))
def test_a_secant_agrees_with_numpy_on_the_expanded_table(seed):
    rng = np.random.default_rng(seed)
    m = int(rng.choice([1, 5, 8, 9, 300, 1025, 3000]))
    levels = [f"{rng.choice(['i2', 'i4', 'u2'])} {rng.choice([1, 2, 9, 127, 128, 129, 400])} 0" for _ in range(3)]
    levels += [f"i1 {rng.choice([2, 20, 127])} 1" for _ in range(3)]
    table, X = mixed(rng, m, [*rng.choice(NUMBERS + levels, rng.integers(0, 12)), "f8"])
    check(rng, table, X, threads=int(rng.integers(1, 4)))
    check(rng, table, X, index=rng.integers(0, m, int(rng.integers(1, m + 1))), threads=int(rng.integers(1, 4)))


@pytest.mark.parametrize(
    "kind", [*NUMBERS, *(f"{kind} 100 1" for kind in CODES), *(f"{kind} 200 0" for kind in CODES[1:4])]
)
def test_every_type_of_every_instruction_set(kind, kernel, rng):
    for m in (77, 2 * 1024 + 5):
        check(rng, *mixed(rng, m, [kind, "f8", kind, kind]))


def test_rows_of_weight_0_are_not_looked_at(kernel, rng):
    m = 2100
    x, codes = rng.normal(size=(m, 3)), rng.integers(0, 5, m)
    s = rng.choice([0.0, 1.0, 2.5], m)
    s[:17] = s[-9:] = 0.0
    none = s == 0
    y, z, v = rng.integers(0, 2, m).astype(np.uint8), rng.normal(size=m), rng.normal(size=8)

    def table(x, codes):
        numbers = [NumberColumn((Part(np.ascontiguousarray(x[:, j]), m),), j) for j in range(3)]
        return Table([*numbers, CategoryColumn((Part(codes, m),), 3, 5)], m, 7)

    clean = table(x, codes)
    x, codes = x.copy(), codes.copy()
    x[none] = rng.choice([np.nan, np.inf], (none.sum(), 3))
    codes[none] = rng.choice([-1, 5, 2**40], none.sum())
    dirty, at = table(x, codes), np.where(none, np.nan, z)
    for view in (None, view_of(rng, clean)):
        u, other = np.full(m, np.nan), np.full(m, np.nan)
        found = secant(dirty, at, v, y=y, s=s, u=u, view=view)
        assert same(found, secant(clean, z, v, y=y, s=s, u=other, view=view))
        assert np.array_equal(u, other)
    nothing = secant(dirty, np.full(m, np.nan), v, y=y, s=np.zeros(m), u=u)
    assert all(not np.any(value) for value in vars(nothing).values())
    assert np.all(u == v[-1])


def test_threads_and_parts_change_no_bit(kernel, rng):
    m = 40 * 1024 + 333
    codes = [rng.integers(0, levels, m).astype("i2") for levels in (3, 90, 400)]
    x = rng.normal(size=m)
    x[rng.random(m) < 0.1] = np.nan

    def table(cuts):
        columns = [CategoryColumn(parts_of(codes[0], cuts), 0, 3), CategoryColumn(parts_of(codes[1], cuts), 2, 90, 0)]
        columns += [NumberColumn(parts_of(x, cuts), 92, 0.5, 93), CategoryColumn(parts_of(codes[2], cuts), 94, 400)]
        return Table(columns, m, 493)

    whole, cut = table([]), table([5, 1024, 1030, 30_000])
    y, s, z, v = point_of(rng, whole, m)
    index = rng.permutation(m)[: m // 3]
    for places in (None, index):
        of = slice(None) if places is None else places
        results = []
        for given, threads in ((whole, 1), (whole, 2), (whole, 3), (whole, 7), (cut, 2)):
            u = np.empty(len(y[of]))
            found = secant(given, z[of], v, y=y[of], s=s[of], u=u, index=places, threads=threads)
            results.append((found, u))
        assert all(same(found, results[0][0]) and np.array_equal(u, results[0][1]) for found, u in results)


def test_a_small_category_gives_the_bits_of_its_one_hot_columns(kernel, rng):
    m = 5 * 1024 + 7
    for levels, skip in ((2, 1), (5, 0), (FEW_LEVELS, 1)):
        codes, x = rng.integers(0, levels, m), rng.normal(size=m)
        n = levels - skip + 2
        before, after = NumberColumn((Part(x, m),), 0), NumberColumn((Part(x.astype("f4"), m),), n - 1)
        hot = [NumberColumn((Part((codes == k).astype(float), m),), 1 + k - skip) for k in range(skip, levels)]
        ours = Table([before, CategoryColumn((Part(codes.astype("i2"), m),), 1, levels, skip), after], m, n)
        theirs = Table([before, *hot, after], m, n)
        y, s, z, v = point_of(rng, ours, m)
        u, other = np.empty(m), np.empty(m)
        one, two = secant(ours, z, v, y=y, s=s, u=u), secant(theirs, z, v, y=y, s=s, u=other)
        assert same(replace(one, norm=0.0), replace(two, norm=0.0))  # a norm adds in another order
        assert np.array_equal(u, other)


def test_it_gives_what_the_usual_read_gives_at_that_point(kernel, rng):
    table, X = mixed(rng, 3000, ["f8", "i1 20 1", "f4", "i2 300 1"])
    y, s, _, v = point_of(rng, table, 3000)
    z, u = np.empty(3000), np.empty(3000)
    usual = read(table, What.LOSS | What.GRADIENT, y=y, s=s, w=v[:-1], b=v[-1], z=z)
    still = secant(table, z, np.zeros(table.n + 1), y=y, s=s, u=u)
    assert (still.loss, still.correct, still.weight) == (usual.loss, usual.correct, usual.weight)
    terms = np.append(np.abs(X).T @ s, s.sum())
    assert np.all(np.abs(still.gradient - np.append(usual.gradient, usual.bias)) <= TOLERANCE * terms)
    assert not u.any()
    assert not still.change.any()
    # Along w from zeros the change is the difference of the gradients at both ends.
    start = secant(table, np.zeros(3000), v, y=y, s=s, u=u)
    assert np.all(np.abs(start.change - (still.gradient - start.gradient)) <= 2 * TOLERANCE * terms)


@pytest.mark.parametrize("levels", [5, 300])
def test_a_code_that_is_no_level_is_refused_as_a_read_refuses_it(kernel, rng, levels):
    m = 9000
    good = rng.integers(0, levels, m).astype("i4")
    v, z, u, y = np.zeros(2 * levels - 1), np.zeros(m), np.empty(m), np.zeros(m, np.uint8)
    for row, code in ((0, levels), (8191, -1), (m - 1, 2**31 - 1), (4000, -9)):
        codes = good.copy()
        codes[row] = code
        codes[row + 1 :] = np.where(rng.random(m - row - 1) < 0.01, -1, codes[row + 1 :])
        columns = [CategoryColumn((Part(c, m),), k * (levels - 1), levels) for k, c in enumerate((good, codes))]
        table = Table(columns, m, 2 * levels - 2)
        for threads in (1, 3):
            with pytest.raises(CodeError) as ours:
                secant(table, z, v, y=y, u=u, threads=threads)
            with pytest.raises(CodeError) as theirs:
                read(table, What.LOSS, y=y, s=None, w=v[:-1], b=0.0, threads=threads)
            assert str(ours.value) == str(theirs.value)
            assert (ours.value.row, ours.value.column) == (row, 1)


def test_what_does_not_fit_is_refused(rng):
    table, _ = mixed(rng, 20, ["f8", "i1 3 1"])
    y, s, z, v = point_of(rng, table, 20)
    u = np.empty(20)
    wrong = [
        {"z": z[:-1]},
        {"v": v[:-1]},
        {"v": np.append(v, 1.0)},
        {"u": u[:-1]},
        {"y": y[:-1]},
        {"s": s[:-1]},
        {"view": View(np.zeros(table.n - 1), np.ones(table.n - 1))},
        {"index": np.arange(1, 21)},
        {"index": np.full(20, -1)},
        {"index": np.arange(0)},
    ]
    for change in wrong:
        with pytest.raises(ValueError, match=r"must|names"):
            secant(table, **({"z": z, "v": v, "y": y, "s": s, "u": u} | change))
    fixed = u.copy()
    fixed.flags.writeable = False
    for output in (u.astype(np.float32), np.empty(40)[::2], fixed):
        with pytest.raises(TypeError):
            secant(table, z, v, y=y, s=s, u=output)


@pytest.mark.parametrize("kinds", [["f8"], ["i1 7 1"], ["i2 300 0"], ["f8", "i1 7 0", "i1 9 1", "i2 300 1"]])
def test_nothing_outside_its_rows_is_touched(kernel, rng, kinds):
    for m in (1, 7, 8, 15, 1031):
        table, X = mixed(rng, m, kinds)
        y, _, z, v = point_of(rng, table, m)
        wide, around = np.full(m + 16, np.nan), np.full(m + 16, np.nan)
        around[8 : m + 8] = z
        found = secant(table, around[8 : m + 8], v, y=y, u=wide[8 : m + 8])
        assert np.isnan(wide[:8]).all()
        assert np.isnan(wide[m + 8 :]).all()
        assert_agrees(found, wide[8 : m + 8], X, y, None, z, v)


def test_lanes_of_many_blocks_and_long_leaves(kernel, rng):
    m, levels = 280_000, (70, 70, 18_000)
    codes = [rng.integers(0, k, m).astype("i4") for k in levels]
    at = np.append(0, np.cumsum(levels))
    for k in (2, 3):
        columns = [CategoryColumn((Part(codes[j], m),), at[j], levels[j], 0) for j in range(k)]
        table = Table(columns, m, at[k])
        y, s, z, v = point_of(rng, table, m)
        u, again = np.empty(m), np.empty(m)
        found = secant(table, z, v, y=y, s=s, u=u)
        assert same(found, secant(table, z, v, y=y, s=s, u=again, threads=3))
        assert np.array_equal(u, again)
        _, r, h = pointwise(z, y)
        after = pointwise(z + u, y)[1]
        rows = {"gradient": (r, np.abs(r)), "change": (after - r, np.abs(after) + np.abs(r)), "curvature": (h, h)}
        for name, (row, terms) in (rows | {"diagonal": (h, h)}).items():
            exact, slack = (
                np.concatenate([np.bincount(codes[j], s * x, levels[j]) for j in range(k)]) for x in (row, terms)
            )
            assert np.all(np.abs(getattr(found, name)[:-1] - exact) <= TOLERANCE * slack), name
            assert abs(getattr(found, name)[-1] - s @ row) <= TOLERANCE * (s @ terms), name
        assert found.norm == k
