"""Reads of ranges of rows combine to the bits of one read, and points that share a read have the bits of points alone."""

import itertools

import numpy as np
import pytest

from chainrule.kernels import reading
from chainrule.kernels.blocks import Blocks, CategoryColumn, Csr, DenseRows, NumberColumn, Part
from chainrule.kernels.reader import combine, read, read_points, read_range
from chainrule.kernels.reading import BLOCK_ROWS, View, What
from chainrule.kernels.vectors import pointwise
from reader_tools import FEW, STORAGES, columns, number, rows, same, storage, view_of

SUMS = What.LOSS | What.GRADIENT | What.SQUARES | What.SUMS | What.EXTREMES
CUTS = [(3,), (5, 8), (7, 10, 13), (1, 2, 3, 13), (6, 11)]  # in leaves


@pytest.fixture(autouse=True)
def threads_for_few_rows(monkeypatch):
    """As many threads as asked for, however few the rows."""
    monkeypatch.setattr(reading, "_WORTH_A_THREAD", 1)


def problem(rng, m, n):
    y, s = rng.integers(0, 2, m).astype(np.uint8), rng.choice([0.0, 0.3, 1.0], m)
    return y, s, rng.normal(size=n) / np.sqrt(n), 0.3


def read_in_parts(rng, design, what, cuts, w, b, m, **given):
    """The same rows in ranges, read on different numbers of threads and combined in any order."""
    ends = [0, *(cut * design.leaf_rows(what) for cut in cuts), m]
    parts = [
        read_range(design, what, (first, end), first, w, b, threads=1 + k % 8, **given)
        for k, (first, end) in enumerate(itertools.pairwise(ends))
    ]
    order = rng.permutation(len(parts))
    return combine([parts[k] for k in order])


@pytest.mark.parametrize("name", STORAGES)
def test_sums_over_ranges_combine_to_the_bits_of_one_read(name, rng):
    m = 15 * BLOCK_ROWS + 77
    stored = STORAGES[name](rng, m)
    design, view = stored.design, view_of(rng, stored)
    assert design.leaf_rows(SUMS) == BLOCK_ROWS
    y, s, w, b = problem(rng, m, design.n)
    z, h, again, other = np.full((4, m), np.nan)
    what, q = SUMS | What.NORMS, rng.random(design.n + 1)
    whole = read(design, what, w=w, b=b, y=y, s=s, view=view, z=z, h=h, q=q, threads=3)
    for cuts in CUTS:
        given = {"y": y, "s": s, "view": view, "z": again, "h": other, "q": q}
        (found,) = read_in_parts(rng, design, what, cuts, w, b, m, **given)
        assert same(found, whole), cuts
        assert np.array_equal(again, z)
        assert np.array_equal(other, h)


@pytest.mark.parametrize("n", [20_000, 40_000])
def test_ranges_of_wide_rows_have_longer_leaves(n, rng):
    m = 23_000
    at = rng.integers(0, n, (m, 3)) // 3 * 3 + [0, 1, 2]
    csr = Csr(rng.normal(size=3 * m), np.minimum(at, n + np.array([-3, -2, -1])).ravel(), 3 * np.arange(m + 1), n)
    design = Blocks.sparse(csr)
    leaf = design.leaf_rows(SUMS)
    assert leaf == {20_000: 2 * BLOCK_ROWS, 40_000: 4 * BLOCK_ROWS}[n]
    y, s, w, b = problem(rng, m, n)
    whole = read(design, SUMS, w=w, b=b, y=y, s=s)
    (found,) = read_in_parts(rng, design, SUMS, (3, 5), w, b, m, y=y, s=s)
    assert same(found, whole)


@pytest.mark.parametrize("maker", [rows(3), rows(40, "f4"), columns(3), columns(20, "f4"), number("i2", True)])
def test_hessians_of_numbers_over_ranges(maker, rng):
    design = storage(maker)(rng, 8).design
    what = What.LOSS | What.GRADIENT | What.HESSIAN
    m = 8 * design.leaf_rows(what) + 1234
    stored = storage(maker)(rng, m)
    y, s, w, b = problem(rng, m, stored.design.n)
    for more in (What(0), What.HESSIAN32):
        given = {"y": y, "s": s, "view": view_of(rng, stored)}
        whole = read(stored.design, what | more, w=w, b=b, threads=2, **given)
        for cuts in ((3,), (5, 7), (1, 6)):
            (found,) = read_in_parts(rng, stored.design, what | more, cuts, w, b, m, **given)
            assert same(found, whole)


def tall(m, rng):
    """Tables and sparse rows of many rows."""
    x = rng.normal(size=m)
    codes = [rng.integers(0, levels, m).astype("i2") for levels in (3, 4, 300)]
    number_and_codes = [NumberColumn((Part(x, m),), 0)]
    number_and_codes += [CategoryColumn((Part(codes[j], m),), 1 + 2 * j, 3 + j) for j in range(2)]
    yield "table", Blocks(number_and_codes, m, 6)
    yield (
        "large table",
        Blocks([CategoryColumn((Part(codes[2], m),), 0, 300), CategoryColumn((Part(codes[1], m),), 299, 4)], m, 302),
    )
    csr = Csr(x, rng.integers(0, 3, m).astype("i4"), np.arange(m + 1), 3)
    yield "csr", Blocks([csr], m, 3)
    yield "csr of many columns", Blocks([Csr(x, csr.indices, csr.indptr, 600)], m, 600)
    yield "mix", Blocks([DenseRows(x[:, None]), Csr(x, csr.indices, csr.indptr, 3, at=1)], m, 4)


def test_hessians_of_tables_and_sparse_rows_over_ranges(rng):
    leaf = 131_072
    m = 5 * leaf + 777
    y, s, w, b = problem(rng, m, 600)
    what = What.LOSS | What.HESSIAN
    for name, design in tall(m, rng):
        assert design.leaf_rows(what) == leaf, name
        given = {"y": y, "s": s}
        whole = read(design, what, w=w[: design.n], b=b, threads=2, **given)
        for cuts in ((3,), (1, 3)):
            (found,) = read_in_parts(rng, design, what, cuts, w[: design.n], b, m, **given)
            assert same(found, whole), (name, cuts)
        alone = read(design, What.HESSIAN, h=np.full(m, 0.2), s=s)
        (found,) = read_in_parts(rng, design, What.HESSIAN, (3,), w[: design.n], b, m, h=np.full(m, 0.2), s=s)
        assert np.array_equal(found.matrix, alone.matrix), name


def test_ranges_may_lie_in_designs_of_their_own(rng):
    # Files or machines: each has its own rows, and knows the number of the first.
    m = 11 * BLOCK_ROWS + 5
    X = np.where(rng.random((m, 6)) < 0.7, rng.normal(size=(m, 6)), 0.0)
    codes = rng.integers(0, 9, m).astype("i1")
    y, s, w, b = problem(rng, m, 14)

    def design(first, end):
        of = X[first:end]
        i, j = np.nonzero(of[:, 3:])
        indptr = np.append(0, np.cumsum(np.count_nonzero(of[:, 3:], axis=1)))
        blocks = [DenseRows(of[:, :3]), Csr(of[i, 3 + j], np.ascontiguousarray(j), indptr, 3, at=3)]
        blocks.append(CategoryColumn((Part(codes[first:end], end - first),), 6, 9, 1))
        return Blocks(blocks, end - first, 14)

    whole = read(design(0, m), SUMS, w=w, b=b, y=y, s=s)
    ends = [0, 3 * BLOCK_ROWS, 8 * BLOCK_ROWS, m]
    for points in (1, 3):
        at = (np.tile(w, (points, 1)), np.full(points, b)) if points > 1 else (w, b)
        parts = [
            read_range(design(first, end), SUMS, (0, end - first), first, *at, y=y[first:end], s=s[first:end])
            for first, end in itertools.pairwise(ends)
        ]
        for found in combine(parts[::-1]):
            assert same(found, whole)


def test_ranges_of_several_points_and_classes(rng):
    m = 9 * BLOCK_ROWS + 99
    stored = STORAGES["everything"](rng, m)
    n = stored.design.n
    y, s, _, _ = problem(rng, m, n)
    what = What.LOSS | What.GRADIENT
    w, b = rng.normal(size=(3, n)), rng.normal(size=3)
    row_weights = rng.random((3, m))
    whole = read_points(stored.design, what, w, b, y=y, s=s, row_weights=row_weights)
    found = read_in_parts(rng, stored.design, what, (3, 5), w, b, m, y=y, s=s, row_weights=row_weights)
    assert len(found) == 3
    assert all(same(one, other) for one, other in zip(whole, found, strict=True))
    w, b = rng.normal(size=(2, 3, n)), rng.normal(size=(2, 3))
    whole = read_points(stored.design, what, w, b, y=y, s=s)
    found = read_in_parts(rng, stored.design, what, (7,), w, b, m, y=y, s=s)
    assert all(same(one, other) for one, other in zip(whole, found, strict=True))


def test_a_range_gives_its_maximal_subtrees(rng):
    m = 16 * BLOCK_ROWS
    stored = STORAGES["rows"](rng, m)
    y, s, w, b = problem(rng, m, stored.design.n)
    part = read_range(stored.design, SUMS, (3 * BLOCK_ROWS, 14 * BLOCK_ROWS), 3 * BLOCK_ROWS, w, b, y=y, s=s)
    assert [(level, index) for level, index, _ in part.subtrees] == [(0, 3), (2, 1), (2, 2), (1, 6)]


def test_a_range_that_begins_elsewhere_is_refused(rng):
    m = 4 * BLOCK_ROWS
    stored = STORAGES["rows"](rng, m)
    y, s, w, b = problem(rng, m, stored.design.n)

    def attempt(rows, number, what=What.LOSS):
        read_range(stored.design, what, rows, number, w, b, y=y, s=s)

    attempt((0, m), 0)
    for first in (1, 512, 1025, -1024):
        with pytest.raises(ValueError, match="a range must begin at a multiple of 1024 rows"):
            attempt((0, m), first)
    for wrong in ((0, m + 1), (-1, 5), (7, 7), (9, 3)):
        with pytest.raises(ValueError, match="there are no such rows"):
            attempt(wrong, 0)
    table = STORAGES["table"](rng, 10)
    with pytest.raises(ValueError, match="a range must begin at a multiple of 131072 rows"):
        read_range(table.design, What.HESSIAN, (0, 10), BLOCK_ROWS, np.zeros(table.design.n), 0.0)
    one = read_range(stored.design, What.LOSS, (0, m), 0, w, b, y=y)
    with pytest.raises(ValueError, match="other quantities can't be combined"):
        combine([one, read_range(stored.design, SUMS, (0, m), m, w, b, y=y)])


@pytest.mark.parametrize("firsts", [(0, 0), (0, 2 * BLOCK_ROWS), (BLOCK_ROWS, 2 * BLOCK_ROWS)])
def test_ranges_that_are_not_adjacent_are_refused(firsts, rng):
    stored = STORAGES["rows"](rng, BLOCK_ROWS)
    n = stored.design.n
    parts = [read_range(stored.design, What.SUMS, (0, BLOCK_ROWS), first, np.zeros(n), 0.0) for first in firsts]
    with pytest.raises(ValueError, match="adjacent"):
        combine(parts)


def test_ranges_in_other_views_are_refused(rng):
    stored = STORAGES["rows"](rng, BLOCK_ROWS)
    n = stored.design.n
    parts = [
        read_range(
            stored.design,
            What.SUMS,
            (0, BLOCK_ROWS),
            k * BLOCK_ROWS,
            np.zeros(n),
            0.0,
            view=View(np.full(n, float(k)), np.ones(n)),
        )
        for k in (0, 1)
    ]
    with pytest.raises(ValueError, match="other"):
        combine(parts)


# --- points ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", STORAGES)
@pytest.mark.parametrize("weighted", [False, True])
def test_points_that_share_a_read_have_the_bits_of_points_alone(name, weighted, some_kernel, rng):
    m = BLOCK_ROWS + 333
    stored = STORAGES[name](rng, m)
    n, view = stored.design.n, view_of(rng, stored) if weighted else None
    y, s, _, _ = problem(rng, m, n)
    what = What.LOSS | What.GRADIENT | What.SQUARES | What.SUMS
    w, b = rng.normal(size=(17, n)), rng.normal(size=17)
    own = rng.choice([0.0, 0.25, 1.0, 3.0], (17, m)) if weighted else None
    how = {"y": y, "s": s, "view": view}
    z, h, alone_z, alone_h = np.empty((17, m)), np.empty((17, m)), np.empty((1, m)), np.empty((1, m))
    together = {}
    for P in (1, 2, 3, 10, 17):
        of_points = {} if own is None else {"row_weights": own[:P]}
        found = read_points(stored.design, what, w[:P], b[:P], z=z[:P], h=h[:P], threads=P % 3 + 1, **of_points, **how)
        assert len(found) == P
        together[P] = found
    for p in range(17):
        of_point = {} if own is None else {"row_weights": own[p : p + 1]}
        (alone,) = read_points(stored.design, what, w[p : p + 1], b[p : p + 1], z=alone_z, h=alone_h, **of_point, **how)
        assert all(same(found[p], alone) for P, found in together.items() if p < P), p
        assert np.array_equal(z[p], alone_z[0])
        assert np.array_equal(h[p], alone_h[0])
        if not weighted:
            single = np.empty(m)
            assert same(read(stored.design, what, w=w[p], b=b[p], z=single, **how), alone)
            assert np.array_equal(single, z[p])


@pytest.mark.parametrize("name", FEW)
def test_row_weights_multiply_the_weights(name, rng):
    # No weight of 0 but those of s: the same products, so the same bits.
    m = 1500
    stored = STORAGES[name](rng, m)
    n = stored.design.n
    y, s, w, b = problem(rng, m, n)
    own = rng.random((2, m)) + 0.5
    what = What.LOSS | What.GRADIENT | What.SQUARES
    found = read_points(stored.design, what, np.tile(w, (2, 1)), np.full(2, b), y=y, s=s, row_weights=own)
    for p in range(2):
        assert same(found[p], read(stored.design, what, w=w, b=b, y=y, s=s * own[p]))


def test_folds_are_weights_of_0_and_1(rng):
    m = 3000
    stored = STORAGES["everything"](rng, m)
    n = stored.design.n
    y, _, w, b = problem(rng, m, n)
    fold = rng.integers(0, 3, m)
    row_weights = (fold != np.arange(3)[:, None]).astype(float)
    found = read_points(
        stored.design, What.LOSS | What.GRADIENT, np.tile(w, (3, 1)), np.full(3, b), y=y, row_weights=row_weights
    )
    z = np.empty(m)
    read(stored.design, What.LOSS, w=w, b=b, z=z)
    loss, residual, _ = pointwise(z, y)
    for p in range(3):
        kept = fold != p
        assert found[p].weight == kept.sum()
        assert found[p].loss == pytest.approx(loss[kept].sum(), rel=1e-13)
        terms = np.abs(stored.X[kept]).T @ np.abs(residual[kept])
        assert np.all(np.abs(found[p].gradient - stored.X[kept].T @ residual[kept]) <= 1e-13 * terms)


@pytest.mark.parametrize("name", FEW)
def test_points_without_a_loss_sum_their_weights(name, rng):
    m = 1200
    stored = STORAGES[name](rng, m)
    n, own, s = stored.design.n, rng.random((3, m)), rng.choice([0.0, 1.0], m)
    found = read_points(stored.design, What.SUMS | What.SQUARES, np.zeros((3, n)), np.zeros(3), s=s, row_weights=own)
    for p in range(3):
        k = s * own[p]
        assert np.all(np.abs(found[p].sums - k @ stored.X) <= 1e-13 * (k @ np.abs(stored.X)))
        assert np.all(np.abs(found[p].squares - k @ stored.X**2) <= 1e-13 * (k @ stored.X**2))
        assert found[p].weight == pytest.approx(k.sum(), rel=1e-13)


def test_points_are_seen_through_a_view(rng):
    X = rng.normal(size=(900, 4)) + 1e3
    view = View(np.full(4, 1e3), np.full(4, 0.5))
    y, w, b = rng.integers(0, 2, 900).astype(np.uint8), rng.normal(size=(5, 4)), rng.normal(size=5)
    for design in (Blocks.dense(X), Blocks.dense(np.asfortranarray(X))):
        found = read_points(design, What.LOSS | What.GRADIENT, w, b, y=y, view=view)
        for p in range(5):
            assert same(found[p], read(design, What.LOSS | What.GRADIENT, w=w[p], b=b[p], y=y, view=view))
