"""The native reads of mixed columns against NumPy on the expanded table, the dense kernels, and themselves."""

import math
from dataclasses import replace

import numpy as np
import pytest

from chainrule.kernels import View, What, read_rows
from chainrule.kernels.columns import (
    FEW_LEVELS,
    CategoryColumn,
    CodeError,
    NumberColumn,
    Part,
    Table,
    diagonal,
    gram,
    gram_depth,
    level_counts,
    missing_counts,
    moments,
    product,
    read,
    sum_depth,
)

EVERY = What.LOSS | What.GRADIENT | What.SQUARES | What.NORMS
NUMBERS = ["f8", "f4", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?", "bits"]
CODES = ["i1", "i2", "i4", "i8", "u1", "u2", "u4"]


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


def number(rng, m, kind, at, missing):
    """A column of numbers with its expanded x, and how many of its rows have no value."""
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
        return NumberColumn(parts, at), x[:, None], gone
    x[gone] = 0.7
    indicator = at + 1 if rng.random() < 0.5 else None
    column = NumberColumn(parts, at, 0.7, indicator)
    return column, x[:, None] if indicator is None else np.column_stack([x, gone]), gone


def category(rng, m, kind, at, levels, skip, missing):
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
    return column, X, gone


def mixed(rng, m, kinds, large=True):
    """A table of columns of these kinds, and the same expanded; its columns' missing rows."""
    columns, blocks, gone, at = [], [], [], 0
    for kind in kinds:
        missing = bool(rng.random() < 0.5)
        if kind.startswith("code "):
            most = 120 if "1" in kind or not large else 300
            levels = int(rng.integers(1, most)) if rng.random() < 0.8 else 1
            column, X, none = category(rng, m, kind[5:], at, levels, int(rng.integers(0, 2)), missing)
        else:
            column, X, none = number(rng, m, kind, at, missing)
        columns.append(column)
        blocks.append(X)
        gone.append(none)
        at += X.shape[1]
    return Table(columns, m, at), np.column_stack(blocks), np.array(gone)


def some_kinds(rng):
    kinds = NUMBERS + [f"code {kind}" for kind in CODES]
    return ["f8", *rng.choice(kinds, rng.integers(1, 8))]


def spoiled(table, s, rng):
    """The same table with NaN and codes that are no levels in the rows of weight 0."""
    columns = []
    for column in table.columns:
        parts, first = [], 0
        for part in column.parts:
            values, none = part.values.copy(), s[first : first + part.rows] == 0
            first += part.rows
            if not part.bits and values.dtype.kind == "f":
                values[none] = rng.choice([np.nan, np.inf])
            elif isinstance(column, CategoryColumn):
                values[none] = rng.choice([120, np.iinfo(values.dtype).max, np.iinfo(values.dtype).min])
            parts.append(replace(part, values=values))
        columns.append(replace(column, parts=tuple(parts)))
    return Table(columns, table.m, table.n)


def assert_near(found, exact, terms, name, tolerance=1e-13):
    assert np.all(np.abs(found - exact) <= tolerance * np.asarray(terms)), name


def check_reads(rng, table, X, gone, s, view=None, index=None, threads=1):
    """Each read against NumPy on the expanded table."""
    places = np.arange(table.m) if index is None else index
    m, n = len(places), table.n
    X, gone = X[places], gone[:, places]
    seen = X if view is None else X * view.p - view.center * view.p
    weights = np.ones(m) if s is None else s
    kept = weights > 0
    y = rng.integers(0, 2, m).astype(np.uint8)
    w, b = rng.normal(size=n) / max(1.0, np.abs(seen[kept]).max(initial=0.0)), 0.3
    q, v, z, h, t = rng.random(n + 1), rng.normal(size=n + 1), np.empty(m), np.empty(m), np.empty(m)
    how = {"s": s, "view": view, "index": index, "threads": threads}
    sums = read(table, EVERY, y=y, w=w, b=b, z=z, h=h, q=q, **how)
    x1 = np.column_stack([seen, np.ones(m)])[kept]
    k, sign = weights[kept], 1.0 - 2.0 * y[kept]
    exact = x1 @ np.append(w, b)
    reach = np.abs(x1) @ np.abs(np.append(w, b))
    assert_near(z[kept], exact, reach, "z")
    e = np.exp(-np.abs(exact))
    residual = sign * np.where(sign * exact >= 0, 1, e) / (1 + e)
    curvature = e / (1 + e) ** 2
    loss = np.maximum(sign * exact, 0) + np.log1p(e)
    size = np.abs(x1)
    assert_near(h[kept], curvature, curvature * (1 + reach), "h")
    assert_near(sums.loss, k @ loss, k @ (loss + np.abs(residual) * reach), "loss")
    slack = k * (np.abs(residual) + curvature * reach)
    assert_near(np.append(sums.gradient, sums.bias), x1.T @ (k * residual), size.T @ slack, "gradient")
    assert_near(sums.squares, (k @ x1**2)[:-1], (k @ x1**2)[:-1], "squares")
    assert_near(sums.weight, k.sum(), k.sum(), "weight")
    assert_near(sums.correct, k @ ((exact > 0) == (y[kept] == 1)), k.sum(), "correct")
    norms = x1**2 @ q
    assert_near(sums.norm, norms.max(initial=-np.inf), norms.max(initial=0.0), "norm") if len(norms) else None
    h[~kept] = np.nan  # not looked at
    c = k * h[kept]
    matrix, terms = (x1 * c[:, None]).T @ x1, (size * c[:, None]).T @ size
    found = product(table, h, v, t=t, **how)
    assert_near(found, matrix @ v, terms @ np.abs(v), "product")
    assert_near(t[kept], x1 @ v, size @ np.abs(v), "x.v")
    assert_near(diagonal(table, h, **how), np.diag(matrix), np.diag(terms), "diagonal")
    assert_near(gram(table, h, None, **how), matrix, terms, "gram")
    some = np.flatnonzero(rng.random(n) < 0.6)
    both = np.append(some, n)
    assert_near(gram(table, h, some, **how), matrix[np.ix_(both, both)], terms[np.ix_(both, both)], "part of gram")
    check_moments(table, X, gone, y, weights, how, x1)


def check_moments(table, X, gone, y, weights, how, x1):
    kept = weights > 0
    k = weights[kept]
    found = moments(table, **how)
    assert_near(found.weight, k.sum(), k.sum(), "weight")
    assert_near(found.sums, (k @ x1)[:-1], (k @ np.abs(x1))[:-1], "sums")
    assert_near(found.squares, (k @ x1**2)[:-1], (k @ x1**2)[:-1], "squares of moments")
    if len(k):
        np.testing.assert_array_equal(found.low, X[kept].min(axis=0))
        np.testing.assert_array_equal(found.high, X[kept].max(axis=0))
    without = {name: value for name, value in how.items() if name != "view"}
    np.testing.assert_array_equal(missing_counts(table, **without), gone[:, kept].sum(axis=1))
    if how["s"] is None and how["index"] is None:
        counted = level_counts(table, y=None, **without)
        again = moments(table, level_rows={k: of.rows.sum(axis=1) for k, of in counted.items()}, **how)
        for one, other in zip(vars(found).values(), vars(again).values(), strict=True):
            assert_near(one, other, np.abs(other), "moments beside counts")
    del how["view"]
    counts = level_counts(table, y=y, **how)
    for number, column in enumerate(table.columns):
        if not isinstance(column, CategoryColumn):
            assert number not in counts
            continue
        of_levels = X[:, column.at : column.at + column.levels - column.skip]
        for kind in (0, 1):
            chosen = kept & (y == kind)
            weight = weights @ (of_levels * chosen[:, None])
            assert_near(counts[number].weights[column.skip :, kind], weight, weight, "weights of levels")
            np.testing.assert_array_equal(counts[number].rows[column.skip :, kind], of_levels[chosen].sum(axis=0))
        assert counts[number].rows.sum() == kept.sum()


@pytest.mark.parametrize("seed", range(60))
def test_reads_agree_with_numpy_on_the_expanded_table(seed):
    rng = np.random.default_rng(seed)
    m = int(rng.choice([1, 5, 8, 9, 300, 1025, 3000]))
    table, X, gone = mixed(rng, m, some_kinds(rng))
    s = rng.choice([0.0, 0.5, 1.0, 3.0], m) if rng.random() < 0.7 else None
    if s is not None:
        table = spoiled(table, s, rng)
    index = None
    if rng.random() < 0.4:
        index = rng.integers(0, m, int(rng.integers(1, m + 1)))
        s = None if s is None else s[index]
    view = None
    if rng.random() < 0.5:
        numbers = [column.at for column in table.columns if isinstance(column, NumberColumn)]
        center, p = np.zeros(table.n), np.ones(table.n)
        center[numbers], p[numbers] = rng.normal(size=len(numbers)), 2.0 ** rng.integers(-3, 3, len(numbers))
        view = View(center, p)
    check_reads(rng, table, X, gone, s, view, index, threads=int(rng.integers(1, 4)))


@pytest.mark.parametrize("kind", NUMBERS + [f"code {kind}" for kind in CODES])
@pytest.mark.parametrize("large", [False, True])
def test_every_type_of_every_instruction_set(kind, large, kernel, rng):
    for m in (77, 2 * 1024 + 5):
        table, X, gone = mixed(rng, m, [kind, "f8", kind], large)
        check_reads(rng, table, X, gone, rng.choice([0.0, 1.0, 2.0], m))


def test_whole_numbers_of_64_bits_are_rounded_to_float64():
    values = np.array([2**53 + 1, -(2**62) - 1, 3])
    z = np.empty(3)
    table = Table([NumberColumn((Part(values, 3),), 0)], 3, 1)
    read(table, What.LOSS, y=None, s=None, w=np.ones(1), b=0.0, z=z)
    np.testing.assert_array_equal(z, values.astype(float))


def everything(table, y, s, w, v, q, index=None, threads=1, view=None):
    """All that the reads of a table give, as bytes."""
    m = len(y)
    how = {"s": s, "index": index, "threads": threads, "view": view}
    z, h, t = np.empty(m), np.empty(m), np.empty(m)
    sums = read(table, EVERY, y=y, w=w, b=0.2, z=z, h=h, q=q, **how)
    found = [z, h, *(np.asarray(value) for value in vars(sums).values() if value is not None)]
    found += [product(table, h, v, t=t, **how), t, diagonal(table, h, **how)]
    found += [gram(table, h, None, **how), *vars(moments(table, **how)).values()]
    for counts in level_counts(table, y=y, s=s, index=index, threads=threads).values():
        found += [counts.weights, counts.rows]
    return [np.asarray(value).tobytes() for value in found]


def test_threads_and_parts_change_no_bit(kernel, rng):
    m = 40 * 1024 + 333
    codes = [rng.integers(0, levels, m).astype("i2") for levels in (3, 90, 140, 400)]
    x = rng.normal(size=(m, 2))
    x[rng.random((m, 2)) < 0.1] = np.nan
    y, s = rng.integers(0, 2, m).astype(np.uint8), rng.choice([0.0, 0.3, 1.0], m)

    def cut(values, cuts):
        return parts_of(rng, values, cuts=cuts)

    def table(cuts):
        columns = [NumberColumn(cut(x[:, 0], cuts), 0, 0.5, 1), CategoryColumn(cut(codes[0], cuts), 2, 3)]
        columns += [CategoryColumn(cut(codes[1], cuts), 4, 90), CategoryColumn(cut(codes[2], cuts), 93, 140, 0)]
        columns += [NumberColumn(cut(x[:, 1], cuts), 233, 0.0), CategoryColumn(cut(codes[3], cuts), 234, 400)]
        return Table(columns, m, 633)

    w, v, q = rng.normal(size=633), rng.normal(size=634), rng.random(634)
    whole = table([])
    expected = everything(whole, y, s, w, v, q)
    for threads in (2, 3, 7):
        assert everything(whole, y, s, w, v, q, threads=threads) == expected
    assert everything(table([5, 1024, 1030, 30_000]), y, s, w, v, q, threads=2) == expected
    index = rng.permutation(m)[: m // 3]
    chosen = everything(whole, y[index], s[index], w, v, q, index)
    assert everything(table([100, 999]), y[index], s[index], w, v, q, index, threads=2) == chosen


def test_a_small_category_gives_the_bits_of_its_one_hot_columns(kernel, rng):
    m = 5 * 1024 + 7
    for levels, skip in ((2, 1), (5, 0), (FEW_LEVELS, 1)):
        codes, x = rng.integers(0, levels, m), rng.normal(size=m)
        y, s = rng.integers(0, 2, m).astype(np.uint8), rng.choice([0.0, 0.3, 1.0], m)
        n = levels - skip + 2
        before, after = NumberColumn((Part(x, m),), 0), NumberColumn((Part(x.astype("f4"), m),), n - 1)
        hot = [NumberColumn((Part((codes == k).astype(float), m),), 1 + k - skip) for k in range(skip, levels)]
        ours = Table([before, CategoryColumn((Part(codes.astype("i2"), m),), 1, levels, skip), after], m, n)
        theirs = Table([before, *hot, after], m, n)
        w, v, q = rng.normal(size=n), rng.normal(size=n + 1), rng.random(n + 1)
        for of_ours, of_theirs in zip(
            everything(ours, y, s, w, v, q)[:-3], everything(theirs, y, s, w, v, q)[:-1], strict=False
        ):
            if len(of_ours) != 8 * (n + 1) ** 2:  # the matrix adds in another order
                assert of_ours == of_theirs


@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("n", [1, 9, 28, 300])
def test_numbers_give_the_bits_of_the_same_numbers_in_fortran_order(n, dtype, kernel, rng):
    m = 17 * 1024 + 3
    X = np.array(rng.normal(size=(m, n)), dtype, order="F")
    y, s = rng.integers(0, 2, m).astype(np.uint8), rng.choice([0.0, 0.3, 1.0], m)
    X[s == 0] = np.nan
    table = Table([NumberColumn(parts_of(rng, X[:, j], cuts=[]), j) for j in range(n)], m, n)
    w, v, q, index = rng.normal(size=n), rng.normal(size=n + 1), rng.random(n + 1), rng.permutation(m)[:5000]
    view = View(rng.normal(size=n), 2.0 ** rng.integers(-2, 3, n))
    for places in (None, index):
        chosen = slice(None) if places is None else places
        given = {"y": y[chosen], "s": s[chosen], "w": w, "b": 0.1, "view": view, "index": places}
        z, t, h = (np.empty(len(given["y"])) for _ in range(3))
        theirs = read_rows(X, EVERY, q=q, z=t, threads=2, **given)
        ours = read(table, EVERY, q=q, z=z, h=h, threads=3, **given)
        for name, value in vars(ours).items():
            np.testing.assert_array_equal(value, getattr(theirs, name), name)
        np.testing.assert_array_equal(z, t)
        whole = read_rows(X, What.LOSS | What.GRADIENT | What.HESSIAN, threads=2, **given)
        np.testing.assert_array_equal(whole.gradient, theirs.gradient)
        how = {"s": s[chosen], "view": view, "index": places, "threads": 2}
        np.testing.assert_array_equal(gram(table, h, None, **how), whole.matrix)
        times = read_rows(X, What.PRODUCT, v=v, h=h, threads=2, s=s[chosen], view=view, index=places)
        np.testing.assert_array_equal(product(table, h, v, **how), np.append(times.gradient, times.bias))


def test_index_reads_the_rows_that_it_names(rng):
    m = 3000
    table, X, _ = mixed(rng, m, ["f8", "f4", "code i1", "code i4", "bits"])
    index = rng.integers(0, m, 1500)
    chosen = Table(
        [NumberColumn((Part(np.ascontiguousarray(X[index, j]), len(index)),), j) for j in range(table.n)], 1500, table.n
    )
    y, w = rng.integers(0, 2, 1500).astype(np.uint8), rng.normal(size=table.n)
    ours = read(table, What.LOSS | What.GRADIENT, y=y, s=None, w=w, b=0.1, index=index)
    theirs = read(chosen, What.LOSS | What.GRADIENT, y=y, s=None, w=w, b=0.1)
    assert ours.loss == theirs.loss
    np.testing.assert_allclose(ours.gradient, theirs.gradient, rtol=1e-12, atol=1e-12)
    for wrong in (-1, m):
        with pytest.raises(ValueError, match="a row that is not there"):
            read(table, What.LOSS, y=y[:1], s=None, w=w, b=0.1, index=np.array([wrong]))


def test_dense_kernels_agree_on_the_expanded_table(rng):
    m = 20_000
    table, X, _ = mixed(rng, m, ["f8", "i2", "code i1", "code i2", "code i2", "f4"])
    y, s, w = rng.integers(0, 2, m).astype(np.uint8), rng.random(m), rng.normal(size=table.n) / 30
    z = np.empty(m)
    ours = read(table, What.LOSS | What.GRADIENT, y=y, s=s, w=w, b=0.1, z=z)
    theirs = read_rows(np.ascontiguousarray(X), What.LOSS | What.GRADIENT | What.HESSIAN, y=y, s=s, w=w, b=0.1)
    residual = 1.0 / (1.0 + np.exp(np.where(y == 1, z, -z)))
    reach = 1.0 + np.abs(X) @ np.abs(w)
    assert_near(ours.loss, theirs.loss, theirs.loss + s @ (residual * reach), "loss")
    assert_near(ours.gradient, theirs.gradient, np.abs(X).T @ (s * residual * reach), "gradient")
    h = np.empty(m)
    read(table, What.LOSS, y=y, s=s, w=w, b=0.1, h=h)
    x1 = np.column_stack([np.abs(X), np.ones(m)])
    assert_near(gram(table, h, None, s=s), theirs.matrix, (x1 * (s * h * reach)[:, None]).T @ x1, "matrix")


def test_a_hundred_thousand_levels(rng):
    m, levels = 120_000, 100_000
    codes, x = np.minimum(levels * rng.random(m) ** 3, levels - 1).astype("i4"), rng.normal(size=m)
    table = Table([CategoryColumn((Part(codes, m),), 0, levels), NumberColumn((Part(x, m),), levels - 1)], m, levels)
    y, w = rng.integers(0, 2, m).astype(np.uint8), rng.normal(size=levels)
    z, h = np.empty(m), np.empty(m)
    sums = read(table, What.LOSS | What.GRADIENT, y=y, s=None, w=w, b=0.1, z=z, h=h, threads=2)
    exact = np.where(codes > 0, w[codes - 1], 0.0) + x * w[-1] + 0.1
    np.testing.assert_allclose(z, exact, rtol=0, atol=1e-14)
    residual = 1.0 / (1.0 + np.exp(-z)) - y
    by_level = np.bincount(codes, residual, levels)
    size = np.bincount(codes, np.abs(residual) + 4e-3, levels)
    assert_near(sums.gradient[:-1], by_level[1:], size[1:], "gradient")
    np.testing.assert_array_equal(
        level_counts(table, y=y, s=None)[0].rows, np.column_stack([np.bincount(codes, y == k, levels) for k in (0, 1)])
    )
    some = np.sort(rng.choice(levels - 1, 10, replace=False))
    found = gram(table, h, np.append(some, levels - 1), s=None)
    hot = np.column_stack([codes[:, None] == some + 1, x, np.ones(m)])
    assert_near(found, (hot * h[:, None]).T @ hot, (np.abs(hot) * h[:, None]).T @ np.abs(hot), "gram")


def test_a_category_against_so_many_numbers_that_their_table_is_large(kernel, rng):
    m, levels, numbers = 3000, 2600, 205
    codes, x, h = rng.integers(0, levels, m).astype("i2"), rng.normal(size=(m, numbers)), rng.random(m)
    columns = [NumberColumn((Part(x[:, j], m),), j) for j in range(numbers)]
    columns.append(CategoryColumn((Part(codes, m),), numbers, levels))
    n = numbers + levels - 1
    center = np.append(np.full(numbers, 0.3), np.zeros(levels - 1))
    table, view = Table(columns, m, n), View(center, np.ones(n))
    found = gram(table, h, None, s=None, view=view, threads=2)
    np.testing.assert_array_equal(found, gram(table, h, None, s=None, view=view))
    x1 = np.column_stack([x - 0.3, np.ones(m)])
    by_level, size = np.zeros((levels, numbers + 1)), np.zeros((levels, numbers + 1))
    np.add.at(by_level, codes, x1 * h[:, None])
    np.add.at(size, codes, np.abs(x1) * h[:, None])
    of_numbers = np.append(np.arange(numbers), n)
    assert_near(found[numbers:n, of_numbers], by_level[1:], size[1:], "levels against numbers")
    np.testing.assert_array_equal(found, found.T)
    np.testing.assert_array_equal(np.diag(found)[numbers:n], found[-1, numbers:n])
    assert np.count_nonzero(found[numbers:n, numbers:n]) == np.count_nonzero(by_level[1:, -1])


@pytest.mark.parametrize("levels", [(7, 20), (100, 150), (2, 9000), (400, 300)])
@pytest.mark.parametrize("numbers", [0, 1, 7, 70])
def test_gram_of_small_and_large_tables(levels, numbers, rng):
    m = 3000
    columns, X, at = [], [], 0
    for count in levels:
        codes = np.minimum(count * rng.random(m) ** 2, count - 1).astype("i4")
        columns.append(CategoryColumn((Part(codes, m),), at, count))
        kept = np.unique(codes[codes > 0])  # of thousands of levels those that occur and some that don't
        kept = np.union1d(kept[:60], np.arange(max(1, count - 20), count))
        X.append((at + kept - 1, codes[:, None] == kept))
        at += count - 1
    for _ in range(numbers):
        x = rng.normal(size=m)
        columns.insert(0 if rng.random() < 0.5 else len(columns), NumberColumn((Part(x, m),), at))
        X.append((np.array([at]), x[:, None]))
        at += 1
    table, s, h = Table(columns, m, at), rng.choice([0.0, 0.7, 1.0], m), rng.random(m)
    x1 = np.column_stack([*(block for _, block in X), np.ones(m)])
    chosen = np.append(np.concatenate([places for places, _ in X]), at)
    order = np.argsort(chosen)
    chosen, x1 = chosen[order], x1[:, order]
    whole = gram(table, h, None, s=s, threads=2) if at < 1000 else None
    part = gram(table, h, chosen[:-1], s=s, threads=1)
    exact = (x1 * (s * h)[:, None]).T @ x1
    terms = (np.abs(x1) * (s * h)[:, None]).T @ np.abs(x1)
    assert_near(part, exact, terms, "part")
    if whole is not None:
        assert_near(whole[np.ix_(chosen, chosen)], exact, terms, "whole")
        np.testing.assert_array_equal(whole, whole.T)
    np.testing.assert_array_equal(part, part.T)
    alone = gram(table, h, np.zeros(0, dtype=int), s=s)
    assert alone.shape == (1, 1)
    assert_near(alone, (s @ h)[None, None], s @ h, "the bias alone")


def test_many_rows_in_one_cell_keep_their_digits(rng):
    m = 300_000
    a, b = np.zeros(m, "i2"), np.zeros(m, "i2")
    a[:200], b[:200] = rng.integers(0, 200, 200), rng.integers(0, 200, 200)
    table = Table([CategoryColumn((Part(a, m),), 0, 200, 0), CategoryColumn((Part(b, m),), 200, 200, 0)], m, 400)
    h = rng.random(m)
    found = gram(table, h, None, s=None)
    exact = math.fsum(h[(a == 0) & (b == 0)])
    assert abs(found[0, 200] - exact) <= 4 * 2.0**-53 * exact
    depth = gram_depth(m, 400)
    for j, codes in ((0, a), (200, b)):
        exact = math.fsum(h[codes == 0])
        assert abs(found[j, j] - exact) <= depth * 2.0**-53 * exact
    sums = read(table, What.LOSS | What.SQUARES, y=np.zeros(m, "u1"), s=h, w=np.zeros(400), b=0.0)
    exact = math.fsum(h[a == 0])
    assert abs(sums.squares[0] - exact) <= sum_depth(m, 400) * 2.0**-53 * exact
    assert sum_depth(m, 400) < 1100
    assert sum_depth(m, 100) < 150


def test_z_alone_and_rows_without_weight(rng):
    m = 1500
    table, X, _ = mixed(rng, m, ["f4", "code u1", "u8"])
    w, z = rng.normal(size=table.n) / 100, np.empty(m)
    sums = read(table, What.LOSS | What.GRADIENT, y=None, s=None, w=w, b=0.5, z=z)
    assert_near(z, X @ w + 0.5, np.abs(X) @ np.abs(w) + 0.5, "z")
    assert not sums.gradient.any()
    none = read(table, What.LOSS | What.GRADIENT, y=np.zeros(m, "u1"), s=np.zeros(m), w=w, b=0.5)
    assert none.weight == none.loss == 0.0
    assert not none.gradient.any()


@pytest.mark.parametrize("levels", [5, 300])
def test_codes_that_are_no_levels_are_refused_by_column_and_row(levels, rng):
    m = 70_000
    first, second = rng.integers(0, levels, (2, m)).astype("i8")
    other = NumberColumn((Part(rng.normal(size=m), m),), 0)
    y, s, h = rng.integers(0, 2, m).astype(np.uint8), np.ones(m), np.ones(m)

    def table(a, b):
        cut = [20_000, 20_001]
        columns = [CategoryColumn(parts_of(rng, a, cuts=cut), 1, levels), CategoryColumn((Part(b, m),), levels, levels)]
        return Table([other, *columns], m, 2 * levels - 1)

    def reads(of, s=None, index=None):
        w, places = np.zeros(of.n), np.arange(m) if index is None else index
        how = {"s": s, "index": index, "threads": 2}
        yield lambda: read(of, What.LOSS | What.GRADIENT, y=y[places], w=w, b=0.0, **how)
        yield lambda: product(of, h[places], np.zeros(of.n + 1), **how)
        yield lambda: diagonal(of, h[places], **how)
        yield lambda: gram(of, h[places], None, **how)
        yield lambda: moments(of, **how)
        yield lambda: level_counts(of, y=y[places], **how)

    for code in (levels, 2**31 + 1, 2**40, -1, -(2**60)):
        a, b = first.copy(), second.copy()
        a[[50_000, 33_333]] = code
        b[[44_444, 66_666]] = code
        for attempt in reads(table(a, b)):
            with pytest.raises(CodeError) as caught:
                attempt()
            assert (caught.value.column, caught.value.row) == (1, 33_333)
            assert caught.value.code == (None if code < 0 else code)
            assert "row 33334 of column 2" in str(caught.value)
        s[[33_333, 44_444, 50_000]] = 0.0
        for attempt in reads(table(a, b), s):
            with pytest.raises(CodeError, match="row 66667 of column 3"):
                attempt()
        for attempt in reads(table(a, b), index=np.array([3, 50_000, 3, 44_444])):
            with pytest.raises(CodeError, match=r"row 50001 of column 2|row 44445 of column 3"):
                attempt()
        s[66_666] = 0.0
        for attempt in reads(table(a, b), s):
            attempt()
        s[:] = 1.0


def test_not_a_number_shows(rng):
    x = rng.normal(size=100)
    x[50] = np.nan
    for valid in (None, bitmap(np.arange(100) != 20, 3)):
        table = Table([NumberColumn((Part(x if valid is None else np.arange(100), 100, valid, 3),), 0)], 100, 1)
        assert np.isnan(moments(table, s=None).sums[0])
        assert np.isnan(read(table, What.LOSS, y=np.zeros(100, "u1"), s=None, w=np.ones(1), b=0.0).loss)


def codes_of(values, **given):
    return CategoryColumn((Part(np.asarray(values), len(values)),), **({"at": 0, "levels": 3, "skip": 0} | given))


def numbers_of(values, at=0, **given):
    return NumberColumn((Part(np.asarray(values), len(values)),), at, **given)


BYTES = np.zeros(2, np.uint8)


@pytest.mark.parametrize(
    ("columns", "n", "words"),
    [
        ([], 0, "there must be a coefficient"),
        ([numbers_of([1.0, 2.0])], 1, "column 0: its parts have 2 rows, not 3"),
        ([numbers_of([1.0, 2.0, 3.0])], 2, "1 coefficients, not 2"),
        ([numbers_of([1.0, 2.0, 3.0], 1)], 2, "column 0 has coefficient 1 where 0 is the next"),
        ([numbers_of([1.0, 2.0, 3.0]), numbers_of([1.0, 2.0, 3.0])], 2, "column 1 has coefficient 0 where 1"),
        ([numbers_of([1.0, 2.0, 3.0], indicator=1)], 2, "with an indicator, fill says"),
        ([numbers_of(np.zeros(3, np.float16))], 1, "column 0: its values are neither"),
        ([numbers_of(np.zeros(3, complex))], 1, "column 0: its values are neither"),
        ([numbers_of(np.zeros(3, ">f8"))], 1, "column 0: its values are neither"),
        ([numbers_of(np.array(["a", "b", "c"]))], 1, "column 0: its values are neither"),
        ([numbers_of(np.zeros((3, 1)))], 1, "1-D"),
        ([codes_of(np.zeros(3))], 3, "column 0: codes must be integers"),
        ([codes_of(np.zeros(3, np.uint64))], 3, "column 0: codes must be integers"),
        ([codes_of(np.zeros(3, bool))], 3, "column 0: codes must be integers"),
        ([codes_of([0, 1, 2], levels=0)], 0, "there must be a level"),
        ([codes_of([0, 1, 2], skip=2)], 1, "skip must be 0 or 1"),
        ([codes_of([0, 1, 2], missing=3)], 3, "missing values count as level 3"),
        ([NumberColumn((Part(np.zeros(3), 2),), 0)], 1, "2 rows, and values of another length"),
        ([NumberColumn((Part(np.zeros(3), -1),), 0)], 1, "a part has -1 rows"),
        ([NumberColumn((Part(BYTES[:0], 3, bits=True),), 0)], 1, "values of another length"),
        ([NumberColumn((Part(BYTES, 3, bits=True, values_at=14),), 0)], 1, "values of another length"),
        ([NumberColumn((Part(np.zeros(16, np.uint8)[::2], 3, bits=True),), 0)], 1, "values of another length"),
        ([NumberColumn((Part(np.zeros(3), 3, BYTES, 14),), 0)], 1, "bitmap"),
        ([NumberColumn((Part(np.zeros(3), 3, BYTES, -1),), 0)], 1, "bitmap"),
        ([NumberColumn((Part(np.zeros(3), 3, np.zeros(3)),), 0)], 1, r"neither|bitmap"),
        ([NumberColumn((), 0)], 1, "its parts have 0 rows"),
    ],
)
def test_wrong_columns_are_refused(columns, n, words):
    with pytest.raises((ValueError, TypeError, BufferError), match=words):
        Table(columns, 3, n)


def test_wrong_arguments_are_refused(rng):
    m = 50
    table = Table([numbers_of(np.arange(m)), codes_of(np.arange(m) % 3, at=1)], m, 4)
    y, w, h = np.zeros(m, np.uint8), np.zeros(4), np.ones(m)

    def attempt(**given):
        return read(table, What.LOSS, **({"y": y, "s": None, "w": w, "b": 0.0} | given))

    attempt()
    for given, words in (
        ({"y": y[:-1]}, "y must have 50"),
        ({"s": np.ones(3)}, "s must have 50"),
        ({"w": w[:-1]}, r"w must have|could not broadcast|shape"),
        ({"z": np.empty(3)}, "z must have 50"),
        ({"h": np.empty(3)}, "curvature must have 50"),
        ({"view": View(np.zeros(3), np.ones(3))}, "a view must have 4 columns"),
        ({"view": View(np.array([0.0, 0, 1, 0]), np.ones(4))}, "neither centred nor scaled"),
        ({"view": View(np.zeros(4), np.array([1.0, 1, 2, 1]))}, "neither centred nor scaled"),
        ({"index": np.zeros(0, np.int64)}, "there must be a row"),
    ):
        with pytest.raises(ValueError, match=words):
            attempt(**given)
    with pytest.raises(ValueError, match="norms need q"):
        read(table, What.LOSS | What.NORMS, y=y, s=None, w=w, b=0.0)
    with pytest.raises(ValueError, match="LOSS, GRADIENT, SQUARES and NORMS"):
        read(table, What.LOSS | What.HESSIAN, y=y, s=None, w=w, b=0.0)
    for columns, words in (([1, 1], "ascending"), ([2, 1], "ascending"), ([-1], "numbers of"), ([4], "numbers of")):
        with pytest.raises(ValueError, match=words):
            gram(table, h, np.array(columns), s=None)
    with pytest.raises(ValueError, match="h must have 50"):
        gram(table, h[:-1], None, s=None)
