"""What must not matter changes no bit: threads, layouts, types, parts, an index, what stands in rows of weight 0."""

from dataclasses import replace

import numpy as np
import pytest

from chainrule.kernels import reading
from chainrule.kernels.blocks import FEW_LEVELS, Blocks, CategoryColumn, Csr, DenseRows, NumberColumn, Part
from chainrule.kernels.reader import gram, product, read, secant
from chainrule.kernels.reading import BLOCK_ROWS, View, What
from chainrule.kernels.vectors import pointwise
from reader_tools import (
    STORAGES,
    category,
    columns,
    everything,
    laid,
    parts_of,
    point_of,
    rows,
    sparse,
    spoiled,
    storage,
    view_of,
)


@pytest.fixture(autouse=True)
def threads_for_few_rows(monkeypatch):
    """As many threads as asked for, however few the rows."""
    monkeypatch.setattr(reading, "_WORTH_A_THREAD", 1)


def given(rng, stored, m):
    y, s, z, v = point_of(rng, stored, m)
    return y, s, z, v, rng.random(stored.design.n + 1)


@pytest.mark.parametrize("name", STORAGES)
def test_threads_change_no_bit(name, rng):
    m = (2 if name == "csr of many columns" else 9) * BLOCK_ROWS + 333
    stored = STORAGES[name](rng, m)
    at, view = given(rng, stored, m), view_of(rng, stored)
    expected = everything(stored.design, *at, view=view)
    for threads in (3, 8):
        assert everything(stored.design, *at, view=view, threads=threads) == expected
    index = rng.permutation(m)[: m // 2]
    at = *(vector[index] for vector in at[:3]), *at[3:]
    expected = everything(stored.design, *at, index=index)
    assert everything(stored.design, *at, index=index, threads=2) == expected


@pytest.mark.parametrize("shape", [(40_000, 28), (40_000, 61), (9001, 300), (3 * BLOCK_ROWS, 700)])
@pytest.mark.parametrize("order", "CF")
def test_threads_change_no_bit_of_many_rows_or_columns(shape, order, rng):
    m, n = shape
    X = rng.normal(size=shape)
    design = Blocks.dense(np.array(X, order=order))
    y, z, v, q = rng.integers(0, 2, m).astype(np.uint8), rng.normal(size=m), rng.normal(size=n + 1) / n, np.ones(n + 1)
    expected = everything(design, y, None, z, v, q, matrix=n < 100)
    assert everything(design, y, None, z, v, q, threads=3, matrix=n < 100) == expected


@pytest.mark.parametrize("n", [5000, 17_000, 40_000])
def test_threads_change_no_bit_of_wide_sparse_rows(n, rng):
    # So wide that leaves are longer than a block of rows.
    m, each = 5 * BLOCK_ROWS + 7, 10
    indices = (rng.integers(0, n // each, (m, each)) * each + np.arange(each)).ravel()
    design = Blocks.sparse(Csr(rng.normal(size=m * each), indices, each * np.arange(m + 1), n))
    y, s, z = rng.integers(0, 2, m).astype(np.uint8), rng.choice([0.0, 0.3, 1.0], m), rng.normal(size=m)
    v, q = rng.normal(size=n + 1), rng.random(n + 1)
    expected = everything(design, y, s, z, v, q, matrix=False)
    for threads in (2, 3, 7):
        assert everything(design, y, s, z, v, q, threads=threads, matrix=False) == expected
    some, h = np.sort(rng.permutation(n)[:100]), rng.random(m)
    assert np.array_equal(gram(design, h, some, s=s), gram(design, h, some, s=s, threads=3))


@pytest.mark.parametrize("float32", [False, True])
@pytest.mark.parametrize("n", [7, 16, 24, 31, 48, 72])
def test_a_column_has_its_bits_in_the_matrix_wherever_it_stands(n, float32, kernel, rng):
    X, y, order = rng.normal(size=(1200, n)), rng.integers(0, 2, 1200).astype(np.uint8), rng.permutation(n)
    what = What.LOSS | What.HESSIAN | (What.HESSIAN32 if float32 else What(0))
    whole, swapped = (read(Blocks.dense(A), what, w=np.zeros(n), b=0.1, y=y).matrix for A in (X, X[:, order].copy()))
    places = np.append(order, n)
    assert np.array_equal(swapped, whole[np.ix_(places, places)])


@pytest.mark.parametrize("name", STORAGES)
def test_an_index_reads_as_the_rows_it_names(name, rng):
    # A copy of the rows in the same kinds of blocks; one row would lie in another way.
    m = 2500
    stored = STORAGES[name](rng, m)
    index = rng.integers(0, m, 1600)
    blocks = []
    for block in stored.design.blocks:
        if isinstance(block, DenseRows):
            blocks.append(replace(block, X=block.X[index]))
        elif isinstance(block, Csr):
            lengths = np.diff(block.indptr)[index]
            places = np.concatenate([np.arange(block.indptr[i], block.indptr[i + 1]) for i in index])
            starts = np.append(0, np.cumsum(lengths)).astype(block.indptr.dtype)
            blocks.append(Csr(block.data[places], block.indices[places], starts, block.n, at=block.at))
        elif isinstance(block, NumberColumn):
            x = NumberColumn((Part(stored.X[index, block.at], len(index)),), block.at)
            blocks.append(x)
            if block.indicator is not None:
                gone = NumberColumn((Part(stored.X[index, block.indicator], len(index)),), block.indicator)
                blocks.append(gone)
        else:
            hot = stored.X[np.ix_(index, np.arange(block.at, block.at + block.levels - block.skip))]
            codes = hot @ np.arange(block.skip, block.levels)
            blocks.append(CategoryColumn((Part(codes.astype("i4"), len(index)),), block.at, block.levels, block.skip))
    chosen = Blocks(blocks, len(index), stored.design.n)
    y, s, z, v = (vector[index] if len(vector) == m else vector for vector in point_of(rng, stored, m))
    q, view = rng.random(stored.design.n + 1), view_of(rng, stored)
    for seen in (None, view):
        ours = everything(stored.design, y, s, z, v, q, index=index, view=seen)
        assert ours == everything(chosen, y, s, z, v, q, view=seen)


@pytest.mark.parametrize("name", STORAGES)
def test_what_stands_in_rows_of_weight_0_changes_no_bit(name, some_kernel, rng):
    m = BLOCK_ROWS + 77
    stored = STORAGES[name](rng, m)
    y, s, z, v, q = given(rng, stored, m)
    s[:17] = s[-9:] = 0.0
    dirty, at = spoiled(stored, s == 0, rng), np.where(s == 0, np.nan, z)
    for view in (None, view_of(rng, stored)):
        expected = everything(stored.design, y, s, z, v, q, view=view)
        assert everything(dirty.design, y, s, at, v, q, view=view) == expected
    h = rng.random(m)
    expected = product(stored.design, h, v, s=s), gram(stored.design, h, None, s=s)
    h[s == 0] = np.nan
    assert np.array_equal(product(dirty.design, h, v, s=s), expected[0])
    assert np.array_equal(gram(dirty.design, h, None, s=s), expected[1])


# --- layouts and types -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 7, 8, 13, 130, 300])
@pytest.mark.parametrize("order", "CF")
def test_strides_and_float32_change_no_bit(n, order, kernel, rng):
    m = BLOCK_ROWS + 77
    X = (rng.normal(size=(m, n)) + 3.0).astype(np.float32)
    y, z = rng.integers(0, 2, m).astype(np.uint8), rng.normal(size=m)
    s = np.where(rng.random(m) < 0.02, 0.0, rng.choice([0.5, 1.0, 3.0], m))
    X[s == 0] = np.nan
    v, q = rng.normal(size=n + 1) / n, rng.random(n + 1)
    index = rng.permutation(m)[: m // 2]
    plain = [np.array(X, dtype=kind, order=order) for kind in (np.float64, np.float32)]
    wide = np.zeros((2 * m, 2 * n), dtype=np.float32, order=order)
    wide[::2, ::2] = X
    back = plain[0][::-1].copy(order)[::-1]
    fixed = plain[1].copy(order)
    fixed.flags.writeable = False
    for view in (None, View(np.full(n, 2.9), np.full(n, 0.5))):
        for places, weighted in ((None, True), (None, False), (index, True)):
            of = slice(None) if places is None else places
            reads = []
            for A in (*plain, wide[::2, ::2], back, fixed):
                kept = A if weighted else np.array(A[s > 0], order=order)
                at = (y[of], s[of], z[of]) if weighted else (y[s > 0], None, z[s > 0])
                blocks = Blocks.dense(kept)
                assert n == 1 or blocks.blocks[0].by_columns == (order == "F")
                reads.append(everything(blocks, *at, v, q, index=places, view=view, matrix=n <= 130))
            assert all(other == reads[0] for other in reads[1:])


@pytest.mark.parametrize("n", [1, 3, 7, 8, 9, 28, 33])
def test_a_memory_map_is_read_where_it_lies(n, rng, tmp_path):
    stored = storage(rows(n))(rng, BLOCK_ROWS + 37)
    X = stored.X
    np.save(tmp_path / "X.npy", X)
    y, s, z, v, q = given(rng, stored, len(X))
    expected = everything(Blocks([DenseRows(X)], *X.shape), y, s, z, v, q)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    for A in (mapped, laid(X, "strided"), laid(X, "padded"), laid(X, "reversed"), laid(X, "F")):
        assert everything(Blocks([DenseRows(A)], *X.shape), y, s, z, v, q) == expected


@pytest.mark.parametrize("n", [2, 8, 29, 300])
def test_rows_and_columns_agree_where_order_does_not_matter(n, rng):
    stored = storage(rows(n))(rng, 2 * BLOCK_ROWS + 77)
    X, view = stored.X, view_of(rng, stored)
    s = rng.choice([0.0, 0.3, 1.0, 7.0], len(X))
    by_rows, by_columns = (Blocks([DenseRows(X)], *X.shape), Blocks.dense(np.asfortranarray(X)))
    what = What.SUMS | What.EXTREMES | What.HESSIAN
    for weights in (s, s + 0.1):  # a row of weight 0 leaves its place to others, in pieces of other lengths
        ours, theirs = (read(d, what, s=weights, view=view) for d in (by_rows, by_columns))
        for name in ("low", "high", "matrix"):
            assert (name == "matrix" and not weights.all()) or np.array_equal(
                getattr(ours, name), getattr(theirs, name)
            )


@pytest.mark.parametrize("kind", ["f8", "f4"])
@pytest.mark.parametrize("n", [1, 9, 28, 300])
def test_columns_in_parts_give_the_bits_of_a_matrix_in_fortran_order(n, kind, kernel, rng):
    m = 3 * BLOCK_ROWS + 3
    X = np.array(rng.normal(size=(m, n)), kind, order="F")
    stored = replace(storage(columns(n))(rng, m), X=X.astype(float))
    y, s, z, v, q = given(rng, stored, m)
    X[s == 0] = np.nan
    table = Blocks([NumberColumn(parts_of(rng, X[:, j]), j) for j in range(n)], m, n)
    view, index = View(rng.normal(size=n), 2.0 ** rng.integers(-2, 3, n)), rng.permutation(m)[:1500]
    for places in (None, index):
        of = slice(None) if places is None else places
        at = (y[of], s[of], z[of], v, q, places)
        ours, theirs = (everything(d, *at, view=view, matrix=n < 300, threads=2) for d in (table, Blocks.dense(X)))
        assert ours == theirs


def test_parts_change_no_bit(kernel, rng):
    m = 9 * BLOCK_ROWS + 333
    codes = [rng.integers(0, levels, m).astype("i2") for levels in (3, 90, 140, 400)]
    x = rng.normal(size=(m, 2))
    x[rng.random((m, 2)) < 0.1] = np.nan

    def table(cuts):
        def cut(values):
            return parts_of(rng, values, cuts=cuts)

        blocks = [NumberColumn(cut(x[:, 0]), 0, 0.5, 1), CategoryColumn(cut(codes[0]), 2, 3)]
        blocks += [CategoryColumn(cut(codes[1]), 4, 90), CategoryColumn(cut(codes[2]), 93, 140, 0)]
        blocks += [NumberColumn(cut(x[:, 1]), 233, 0.0), CategoryColumn(cut(codes[3]), 234, 400)]
        return Blocks(blocks, m, 633)

    y, s, z = rng.integers(0, 2, m).astype(np.uint8), rng.choice([0.0, 0.3, 1.0], m), rng.normal(size=m)
    v, q = rng.normal(size=634), rng.random(634)
    expected = everything(table([]), y, s, z, v, q)
    assert everything(table([5, 1024, 1030, 5000]), y, s, z, v, q, threads=2) == expected
    index = rng.permutation(m)[: m // 3]
    at = (y[index], s[index], z[index], v, q, index)
    assert everything(table([100, 999, 999]), *at, threads=2) == everything(table([]), *at)


def test_a_small_category_gives_the_bits_of_its_one_hot_columns(kernel, rng):
    m = 5 * BLOCK_ROWS + 7
    for levels, skip in ((2, 1), (5, 0), (FEW_LEVELS, 1)):
        codes, x = rng.integers(0, levels, m), rng.normal(size=m)
        n = levels - skip + 2
        before, after = NumberColumn((Part(x, m),), 0), NumberColumn((Part(x.astype("f4"), m),), n - 1)
        hot = [NumberColumn((Part((codes == k).astype(float), m),), 1 + k - skip) for k in range(skip, levels)]
        ours = Blocks([before, CategoryColumn((Part(codes.astype("i2"), m),), 1, levels, skip), after], m, n)
        theirs = Blocks([before, *hot, after], m, n)
        # Rows of weight 0 leave their places to others, in pieces whose length depends on the number of columns.
        s = rng.choice([0.0, 0.3, 1.0] if levels < 100 else [0.3, 1.0], m)
        y, z = rng.integers(0, 2, m).astype(np.uint8), rng.normal(size=m)
        v, u, other = rng.normal(size=n + 1), np.empty(m), np.empty(m)
        what = What.LOSS | What.GRADIENT | What.SQUARES | What.SUMS | What.EXTREMES
        found = [read(d, what, y=y, s=s, w=v[:-1], b=0.2) for d in (ours, theirs)]
        facts = {name: value for name, value in vars(found[0]).items() if name != "counts"}  # of categories alone
        for name, value in facts.items():
            if levels < 100 or isinstance(value, np.ndarray):
                assert np.array_equal(value, getattr(found[1], name)), name
            elif (
                value is not None
            ):  # numbers of a row alone are added piece by piece, and more columns make shorter pieces
                assert value == pytest.approx(getattr(found[1], name), rel=1e-13), name
        h = pointwise(z, y)[2]
        bent = [product(d, h, v, s=s) for d in (ours, theirs)]
        assert np.array_equal(bent[0][:-1], bent[1][:-1])
        assert bent[0][-1] == pytest.approx(bent[1][-1], rel=1e-12, abs=1e-12 * m)
        one, two = (secant(d, z, v, y=y, s=s, u=to, h=np.empty(m)) for d, to in ((ours, u), (theirs, other)))
        assert np.array_equal(u, other)
        for name, value in vars(one).items():  # a norm adds in another order
            if isinstance(value, np.ndarray):
                assert np.array_equal(value[:-1], getattr(two, name)[:-1]), name
            else:
                assert value == pytest.approx(getattr(two, name), rel=1e-13), name


@pytest.mark.parametrize("density", [0.9, 0.3, 0.02])
def test_types_of_sparse_arrays_change_no_bit(density, kernel, rng):
    m, n = 1500, 40
    stored = storage(sparse(n, "dii", density))(rng, m)
    csr = stored.design.blocks[0]
    at, view = given(rng, stored, m), view_of(rng, stored)
    expected = None
    for data, indices, indptr in ("dii", "dli", "dil", "fll", "fii"):
        other = Csr(csr.data.astype(data), csr.indices.astype(indices), csr.indptr.astype(indptr), n)
        found = [everything(Blocks.sparse(other), *at, view=seen) for seen in (None, view)]
        assert expected in (None, found)
        expected = found


def test_a_mix_of_blocks_in_another_order_gives_the_same_z(rng):
    m = 2000
    one = storage(rows(5), sparse(8), category("i2", 9, 0, False))(rng, m)
    dense, csr, codes = one.design.blocks
    moved = [replace(codes, at=0), replace(dense, at=9), Csr(csr.data, csr.indices, csr.indptr, csr.n, at=14)]
    other, w = Blocks(moved, m, one.design.n), rng.normal(size=one.design.n)
    z, again = np.empty(m), np.empty(m)
    read(one.design, What.LOSS, w=w, z=z)
    read(other, What.LOSS, w=np.concatenate([w[13:], w[:13]]), z=again)
    assert np.all(np.abs(z - again) <= 1e-14 * (np.abs(one.X) @ np.abs(w)))
