"""The reader against NumPy twins: every storage, quantity and instruction set; and its sums as derivatives of one another."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from chainrule.graph import logistic_graph
from chainrule.kernels.blocks import Blocks, CategoryColumn, Csr, DenseRows, NumberColumn, Part
from chainrule.kernels.reader import diagonal, gram, product, read, read_points
from chainrule.kernels.reading import BLOCK_ROWS, FLOAT32_BLOCK, MOMENTS, View, What
from chainrule.kernels.vectors import pointwise
from drawn_tools import drawn, tables
from reader_tools import (
    FEW,
    KINDS,
    LOST,
    STORAGES,
    TOLERANCE,
    bitmap,
    check_reads,
    csr_of,
    everything,
    logistic,
    near,
    same,
    seen_as,
    shuffled,
    sparse,
    spoiled,
    storage,
    view_of,
)

ALL = What.LOSS | What.GRADIENT | What.HESSIAN
EDGES = [0.0, 18.0, -18.0, 37.0, -37.0, 710.0, -710.0, 1e4, -1e4]


# --- every storage -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", STORAGES)
def test_reads_agree_with_numpy_on_the_expanded_rows(name, kernel, rng):
    plain, weights, both = (False, False), (True, False), (True, True)
    for m, kinds in ((1, [plain]), (8, [weights]), (77, [plain, both]), (BLOCK_ROWS + 5, [weights])):
        for weighted, indexed in kinds:
            stored = STORAGES[name](rng, m)
            s = rng.choice([0.0, 0.5, 1.0, 3.0], m) if weighted else None
            if weighted:
                stored = spoiled(stored, s == 0, rng)
            index = rng.integers(0, m, int(rng.integers(1, m + 1))) if indexed else None
            s = s[index] if indexed else s
            view = view_of(rng, stored) if rng.random() < 0.5 else None
            check_reads(rng, stored, s, view, index, threads=int(rng.integers(1, 4)))


OF_BLOCKS = ["rows", "columns", "table", "csr dii", "everything"]


@pytest.mark.parametrize("name", OF_BLOCKS)
def test_every_sum_is_right_where_z_is_far_out(name, kernel, rng):
    stored = STORAGES[name](rng, 150)
    for b in EDGES:  # every row's z, exactly: each term is right to its own size
        check_reads(rng, stored, rng.choice([0.0, 1.0, 2.5], 150), b=b, w=np.zeros(stored.design.n))


@pytest.mark.parametrize("name", FEW)
def test_rows_of_every_z_in_one_read(name, kernel, rng):
    # A column of their z beside the storage, so that the lanes of a vector hold all of them.
    z = np.resize(EDGES, 333)
    rows = STORAGES[name](rng, 333)
    m, n = rows.X.shape
    design = Blocks([*rows.design.blocks, NumberColumn((Part(z, m),), n)], m, n + 1)
    X1 = np.column_stack([rows.X, z, np.ones(m)])
    w, y = np.append(np.zeros(n), 1.0), rng.integers(0, 2, m).astype(np.uint8)
    at, h = np.empty(m), np.empty(m)
    sums = read(design, ALL, y=y, w=w, z=at, h=h)
    assert np.array_equal(at, z)
    loss, residual, curvature = logistic(z, y)
    near(h, curvature, curvature + LOST, "h")
    near(sums.loss, loss.sum(), loss.sum(), "loss")
    near(np.append(sums.gradient, sums.bias), X1.T @ residual, np.abs(X1).T @ (np.abs(residual) + LOST), "gradient")
    terms = (np.abs(X1) * (curvature + LOST)[:, None]).T @ np.abs(X1)
    near(sums.matrix, (X1 * curvature[:, None]).T @ X1, terms, "Hessian")
    assert sums.correct == ((z > 0) == (y == 1)).sum()


@pytest.mark.parametrize("name", STORAGES)
def test_the_gradient_is_the_derivative_of_the_loss_and_the_hessian_of_the_gradient(name, rng):
    m, step = 400, 1e-3
    stored = STORAGES[name](rng, m)
    view = view_of(rng, stored)
    seen, n = seen_as(stored.X, view), stored.design.n
    y, s = rng.integers(0, 2, m).astype(np.uint8), rng.choice([0.0, 0.5, 2.0], m)
    size = np.append(np.abs(seen).max(axis=0, initial=1e-3), 1.0)
    w = rng.normal(size=n + 1) / size / math.sqrt(n)
    v = rng.normal(size=n + 1) / size / math.sqrt(n)
    how = {"y": y, "s": s, "view": view}

    def at(t, what=What.LOSS | What.GRADIENT):
        x = w + t * v
        return read(stored.design, what, w=x[:-1], b=x[-1], **how)

    def gradient(t):
        sums = at(t)
        return np.append(sums.gradient, sums.bias)

    sums = at(0.0, ALL)
    # Differences of order 4: 1e-12 of truncation, and 1e-13/step of rounding.
    by = {k: at(k * step) for k in (-2, -1, 1, 2)}
    change = (8 * (by[1].loss - by[-1].loss) - (by[2].loss - by[-2].loss)) / (12 * step)
    slope = np.append(sums.gradient, sums.bias) @ v
    assert abs(change - slope) <= 1e-9 * s.sum()
    differences = (8 * (gradient(step) - gradient(-step)) - (gradient(2 * step) - gradient(-2 * step))) / (12 * step)
    terms = np.append(np.abs(seen).T @ s, s.sum())
    assert np.all(np.abs(differences - sums.matrix @ v) <= 1e-9 * terms)
    z, h, along = np.empty((3, m))
    read(stored.design, What.LOSS, w=w[:-1], b=w[-1], z=z, h=h, **how)
    assert np.array_equal(h, pointwise(z, y)[2])
    bent = product(stored.design, h, v, t=along, s=s, view=view)
    near(bent, sums.matrix @ v, (np.abs(np.column_stack([seen, np.ones(m)])).T @ (s * h)) * 10 + LOST, "product")


@pytest.mark.parametrize("name", STORAGES)
def test_weights_are_repeats(name, rng):
    m = 300
    stored = STORAGES[name](rng, m)
    s = rng.integers(0, 4, m).astype(float)
    index = rng.permutation(np.repeat(np.arange(m), s.astype(int)))
    y, z, w = rng.integers(0, 2, m).astype(np.uint8), np.empty(m), rng.normal(size=stored.design.n)
    w /= np.abs(stored.X).max(axis=0, initial=1e-3)
    what = What.LOSS | What.GRADIENT | What.SQUARES | What.SUMS | What.NORMS | What.EXTREMES
    q = rng.random(stored.design.n + 1)
    one = read(spoiled(stored, s == 0, rng).design, what, y=y, s=s, w=w, b=0.3, q=q, z=z)
    many = read(stored.design, what, y=y[index], w=w, b=0.3, q=q, index=index)
    X1 = np.abs(np.column_stack([stored.X, np.ones(m)]))
    terms = s @ X1
    for of in ("loss", "correct", "weight"):
        assert getattr(one, of) == pytest.approx(getattr(many, of), rel=1e-12)
    near(np.append(one.gradient, one.bias), np.append(many.gradient, many.bias), terms, "gradient")
    near(one.sums, many.sums, terms[:-1], "sums")
    near(one.squares, many.squares, many.squares, "squares")
    assert one.norm == many.norm
    assert np.array_equal(one.low, many.low)
    assert np.array_equal(one.high, many.high)


@pytest.mark.parametrize("name", STORAGES)
def test_without_classes_a_read_gives_z_alone_and_without_weights_nothing(name, rng):
    stored = STORAGES[name](rng, 99)
    n, s, y = stored.design.n, rng.choice([0.0, 2.0], 99), rng.integers(0, 2, 99).astype(np.uint8)
    w, view = rng.normal(size=n), view_of(rng, stored)
    z, with_y = np.empty(99), np.empty(99)
    nothing = read(stored.design, What.LOSS, s=s, w=w, b=0.5, z=z, view=view)
    read(stored.design, What.LOSS, y=y, s=s, w=w, b=0.5, z=with_y, view=view)
    assert np.array_equal(z, with_y)
    assert np.all(z[s == 0] == 0.5)
    assert not nothing.gradient.any()
    none = spoiled(stored, np.ones(99, bool), rng).design
    sums = read(none, ALL | What.SQUARES | What.SUMS, y=y, s=np.zeros(99), w=w, b=0.5, z=z)
    assert (sums.loss, sums.weight, sums.correct, sums.bias) == (0, 0, 0, 0)
    for found in (sums.gradient, sums.matrix, sums.squares, sums.sums):
        assert not found.any()
    assert np.all(z == 0.5)
    assert read(none, MOMENTS, s=np.zeros(99)).weight == 0


@pytest.mark.parametrize("name", FEW)
def test_what_a_read_collects_does_not_depend_on_what_else_is_asked(name, rng):
    # One quantity at a time, all at once, and without a loss, weighted by the same curvatures.
    m = 700
    stored = STORAGES[name](rng, m)
    design, n = stored.design, stored.design.n
    y, s, q = rng.integers(0, 2, m).astype(np.uint8), rng.choice([0.0, 0.5, 2.0], m), rng.random(n + 1)
    w, h, view = rng.normal(size=n) / n, np.empty(m), view_of(rng, stored)
    how = {"y": y, "s": s, "w": w, "b": 0.1, "view": view, "q": q}
    kinds = {
        What.GRADIENT: ("gradient", "bias"),
        What.HESSIAN: ("matrix",),
        What.SQUARES: ("squares",),
        What.SUMS: ("sums",),
        What.NORMS: ("norm",),
    }
    whole = read(design, What.LOSS | sum(kinds, What(0)), h=h, **how)
    for what, names in kinds.items():
        found = read(design, What.LOSS | what, **how)
        assert (found.loss, found.correct, found.weight) == (whole.loss, whole.correct, whole.weight)
        for of in names:
            assert np.array_equal(getattr(found, of), getattr(whole, of)), of
    assert np.array_equal(gram(design, h, None, s=s, view=view), whole.matrix)
    alone = {what: read(design, what, s=s, view=view) for what in (What.SUMS, What.SQUARES, What.HESSIAN)}
    together = read(design, What.SUMS | What.SQUARES | What.HESSIAN | What.EXTREMES, s=s, view=view)
    assert np.array_equal(alone[What.SUMS].sums, together.sums)
    assert np.array_equal(alone[What.SQUARES].squares, together.squares)
    assert np.array_equal(alone[What.HESSIAN].matrix, together.matrix)
    assert np.array_equal(together.sums, whole.sums)
    assert np.array_equal(together.squares, whole.squares)
    for found in (alone[What.SUMS], alone[What.SQUARES], together):
        assert found.weight == whole.weight
    extremes = read(design, What.SUMS | What.EXTREMES, s=s, view=view)
    assert np.array_equal(extremes.low, together.low)
    assert np.array_equal(extremes.high, together.high)


@pytest.mark.parametrize("name", OF_BLOCKS)
def test_extremes_may_be_asked_for_alone(name, rng):
    stored, s = STORAGES[name](rng, 50), rng.choice([0.0, 2.0], 50)
    alone = read(stored.design, What.EXTREMES, s=s)
    assert np.array_equal(alone.low, stored.X[s > 0].min(axis=0))
    assert np.array_equal(alone.high, stored.X[s > 0].max(axis=0))


def test_a_hessian_without_classes_is_refused(rng):
    stored = STORAGES["rows"](rng, 50)
    with pytest.raises(ValueError, match="y"):
        read(stored.design, What.LOSS | What.HESSIAN, w=np.zeros(stored.design.n))


@pytest.mark.parametrize("name", OF_BLOCKS)
def test_a_matrix_alone_tells_its_weight(name, rng):
    stored, s = STORAGES[name](rng, 50), rng.choice([0.0, 2.0], 50)
    weight = read(stored.design, What.HESSIAN, s=s).weight
    assert weight == pytest.approx(s.sum(), rel=1e-14)  # of levels the corner of the matrix


@pytest.mark.parametrize("name", FEW)
def test_not_a_number_shows(name, rng):
    stored = STORAGES[name](rng, 50)
    y, z = rng.integers(0, 2, 50).astype(np.uint8), np.empty(50)
    number = [j for j, block in enumerate(stored.design.blocks) if not isinstance(block, CategoryColumn)]
    for bad in (np.nan, np.inf):
        for j in number:
            block = stored.design.blocks[j]
            if isinstance(block, Csr):
                data = block.data.copy()
                place = int(block.indptr[-1]) // 2
                at = block.at + int(block.indices[place])
                data[place] = bad
                block = Csr(data, block.indices, block.indptr, block.n, at=block.at)
            elif isinstance(block, DenseRows):
                X, at = block.X.copy(), block.at
                X[17, 0] = bad
                block = DenseRows(X, at)
            else:
                continue
            blocks = [block if k == j else other for k, other in enumerate(stored.design.blocks)]
            design = Blocks(blocks, 50, stored.design.n)
            sums = read(design, What.LOSS | What.GRADIENT, y=y, w=np.ones(design.n), z=z)
            assert not np.isfinite(z).all()
            assert not np.isfinite(sums.gradient[at])
            assert not np.isfinite(read(design, MOMENTS).sums[at])
            assert not np.isfinite(gram(design, None, None)[at, at])
    x = rng.normal(size=100)
    x[50] = np.nan
    for valid in (None, bitmap(np.arange(100) != 20, 3)):
        part = Part(x if valid is None else np.arange(100), 100, valid, 3)
        design = Blocks([NumberColumn((part,), 0)], 100, 1)
        assert np.isnan(read(design, MOMENTS).sums[0])
        assert np.isnan(read(design, What.LOSS, y=np.zeros(100, "u1"), w=np.ones(1)).loss)


# --- dense rows and columns --------------------------------------------------------------------------------------------


def problem(rng, m=None, n=None):
    m = int(rng.integers(1, 3000)) if m is None else m
    n = int(rng.integers(1, 40)) if n is None else n
    X = rng.normal(size=(m, n)) * 10.0 ** rng.uniform(-3, 3, size=n)
    w = rng.normal(size=n) / np.abs(X).max(axis=0) * rng.choice([0.1, 1.0, 30.0])
    y = rng.integers(0, 2, m).astype(np.uint8)
    s = rng.choice([0.0, 0.3, 1.0, 7.0], size=m) if rng.random() < 0.5 else None
    return X, y, s, w, float(rng.normal())


def twin(X, y, s, w, b):
    """Gradient and Hessian in NumPy, each with the sum of its absolute terms."""
    s = np.ones(len(X)) if s is None else s
    x1 = np.column_stack([X, np.ones(len(X))])[s > 0]
    k = s[s > 0]
    loss, residual, h = logistic(x1 @ np.append(w, b), y[s > 0])
    reach = np.abs(x1) @ np.abs(np.append(w, b))
    slack = k * (np.abs(residual) + h * reach)
    return {
        "loss": (k @ loss, k @ (loss + np.abs(residual) * reach)),
        "gradient": (x1.T @ (k * residual), np.abs(x1).T @ slack),
        "matrix": ((x1 * (k * h)[:, None]).T @ x1, (np.abs(x1) * (k * h * (1 + reach))[:, None]).T @ np.abs(x1)),
    }


def assert_same(sums, expected, tolerance=TOLERANCE):
    near(sums.loss, *expected["loss"], "loss", tolerance)
    near(np.append(sums.gradient, sums.bias), *expected["gradient"], "gradient", tolerance)
    near(sums.matrix, *expected["matrix"], "matrix", tolerance)


@drawn
@given(tables(), arrays(float, 6, elements=st.floats(-3, 3)), st.floats(-3, 3), st.sampled_from("CF"))
def test_reads_agree_with_the_graph(table, w, b, order):
    X, y, s = table
    w = w[: X.shape[1]] / np.maximum(np.abs(X).max(axis=0), 1e-3)
    sums = read(Blocks.dense(np.array(X, order=order)), ALL, y=y, s=s, w=w, b=b)
    expected = twin(X, y, s, w, b)
    assert_same(sums, expected)
    graph = logistic_graph(X, y.astype(float), w, b, sample_weight=s)
    graph.backward()
    S = sums.weight
    near(float(graph.L.value) * S, sums.loss, expected["loss"][1], "loss")
    near(np.append(graph.dL_dw, graph.dL_db) * S, np.append(sums.gradient, sums.bias), expected["gradient"][1], "graph")


def test_permuted_and_scaled_columns_give_the_same_sums(rng):
    X, y, s, w, b = problem(rng, 1500, 11)
    expected = read(Blocks.dense(X), ALL, y=y, s=s, w=w, b=b)
    order, scale = rng.permutation(11), 2.0 ** rng.integers(-40, 40, 11)
    found = read(Blocks.dense((X * scale)[:, order]), ALL, y=y, s=s, w=(w / scale)[order], b=b)
    near(found.gradient / scale[order], expected.gradient[order], twin(X, y, s, w, b)["gradient"][1][:-1][order], "w")


def test_a_view_of_columns_far_from_0_is_the_centred_and_scaled_matrix(rng):
    X, y, s, w, b = problem(rng, 2100, 10)
    X += 1000.0
    view = View(X.mean(axis=0), 2.0 ** rng.integers(-5, 5, 10))
    expected = twin(seen_as(X, view), y, s, w / view.p, b)
    for design in (Blocks.dense(X), Blocks.dense(np.asfortranarray(X)), Blocks.sparse(csr_of(X))):
        assert_same(read(design, ALL, y=y, s=s, w=w / view.p, b=b, view=view), expected)


@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("n", [1, 7, 8, 15, 16, 17, 24, 31, 33, 47, 63])
def test_matrix_of_any_width_in_float64_and_float32(n, order, kernel, rng):
    X, y, s, w, b = problem(rng, 2 * BLOCK_ROWS + 77, n)
    X += 3.0 * np.abs(X).max(axis=0)
    s = np.where(rng.random(len(X)) < 0.1, 0.0, rng.random(len(X))) if s is None else s
    X[s == 0] = np.nan
    view = View(X[s > 0].mean(axis=0), 2.0 ** -np.round(np.log2(X[s > 0].std(axis=0))))
    viewed = np.nan_to_num(X) * view.p - view.center * view.p
    w = w / view.p * 0.1
    design = Blocks.dense(np.array(X, order=order))
    exact = read(design, ALL, y=y, s=s, w=w, b=b, view=view)
    assert_same(exact, twin(viewed, y, s, w, b))
    rounded = read(design, ALL | What.HESSIAN32, y=y, s=s, w=w, b=b, view=view)
    assert rounded.loss == exact.loss
    np.testing.assert_array_equal(rounded.gradient, exact.gradient)
    D = np.sqrt(np.diag(exact.matrix))
    error = np.abs(rounded.matrix - exact.matrix) / np.outer(D, D)
    assert error.max() <= (FLOAT32_BLOCK + 6) * 2.0**-24
    assert error.max() > 0


def test_float32_matrix_of_small_terms_keeps_its_bound_and_of_large_ones_shows_it(rng):
    m = 3 * BLOCK_ROWS
    X = Blocks.dense(rng.normal(size=(m, 20)) * 10.0 ** rng.uniform(-1, 1, 20))
    for size in (1e-27, 1.0, 1e30):
        s = np.full(m, size)
        exact = read(X, What.HESSIAN, s=s)
        rounded = read(X, What.HESSIAN | What.HESSIAN32, s=s)
        D = np.sqrt(np.diag(exact.matrix))
        assert D.min() ** 2 >= m * 2.0**-100
        assert np.all(np.abs(rounded.matrix - exact.matrix) <= (FLOAT32_BLOCK + 6) * 2.0**-24 * np.outer(D, D))
    rounded = read(X, What.HESSIAN | What.HESSIAN32, s=np.full(m, 1e80))
    assert not np.isfinite(rounded.matrix).any()


@pytest.mark.parametrize("name", ["table", "csr dii", "everything"])
def test_a_float32_matrix_of_other_storages_keeps_its_bound_too(name, rng):
    stored = STORAGES[name](rng, 900)
    s, view = rng.choice([0.0, 1.0, 2.0], 900), view_of(rng, stored)
    exact = gram(stored.design, None, None, s=s, view=view)
    rounded = read(stored.design, What.HESSIAN | What.HESSIAN32, s=s, view=view).matrix
    D = np.sqrt(np.diag(exact))
    assert np.all(np.abs(rounded - exact) <= (FLOAT32_BLOCK + 6) * 2.0**-24 * np.outer(D, D))


@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("blocks", [1, 31, 33, 80])
def test_matrix_over_many_blocks(blocks, order, kernel, rng):
    m = blocks * BLOCK_ROWS - 5
    X, y, w = rng.normal(size=(m, 5)), (rng.random(m) < 0.5).astype(np.uint8), rng.normal(size=5)
    design = Blocks.dense(np.array(X, order=order))
    expected = twin(X, y, None, w, 0.0)["matrix"][0]
    for what in (ALL, ALL | What.HESSIAN32):
        found = read(design, what, y=y, w=w, threads=2).matrix
        D = np.sqrt(np.diag(found))
        tolerance = (FLOAT32_BLOCK + 6) * 2.0**-24 if what & What.HESSIAN32 else TOLERANCE
        assert np.all(np.abs(found - expected) <= tolerance * np.outer(D, D))


def test_scales_far_from_one_are_seen_exactly(rng):
    # x p is about 1, while x^2, or p times a sum, would leave the range of doubles.
    m, n = 60, 4
    X = np.where(rng.random((m, n)) < 0.7, rng.normal(size=(m, n)), 0.0)
    X /= np.maximum(np.abs(X).max(axis=0), 1e-3)
    y, s = rng.integers(0, 2, m).astype(np.uint8), rng.choice([0.0, 0.3, 1.0], m)
    z, v, q = rng.normal(size=m), rng.normal(size=n + 1), np.ones(n + 1)
    makers = {
        "rows": lambda A: Blocks([DenseRows(A)], m, n),
        "columns": lambda A: Blocks.dense(np.asfortranarray(A)),
        "csr": lambda A: Blocks.sparse(csr_of(A)),
    }
    for name, make in makers.items():
        for center in (np.zeros(n), np.full(n, 0.25)):
            plain = everything(make(X), y, s, z, v, q, view=View(center, np.ones(n)))
            low, high = (
                np.asarray(read(make(X), MOMENTS, s=s).low).tobytes(),
                np.asarray(read(make(X), MOMENTS, s=s).high).tobytes(),
            )
            for power in (-1000, -400, -64, 64, 129, 400, 1000):
                scale = np.full(n, 2.0**power)
                scaled = everything(make(X * scale), y, s, z, v, q, view=View(center * scale, 1 / scale))
                differ = [k for k, (a, b) in enumerate(zip(plain, scaled, strict=True)) if a != b]
                assert all(plain[k] in (low, high) for k in differ), (name, power, differ)  # extremes are as given


# --- sparse rows -------------------------------------------------------------------------------------------------------


def test_a_read_agrees_with_dense_rows_on_whole_numbers(rng):
    # Whole numbers and a point of halves: every z is exact in any order, so that the losses are the same to the bit.
    X = rng.integers(-3, 4, size=(8, 5)).astype(float)
    y, w = rng.integers(0, 2, 8).astype(np.uint8), rng.integers(-4, 5, size=5) / 2
    what = What.LOSS | What.GRADIENT
    dense, by_columns, csr = (
        read(design, what, y=y, w=w, b=0.5)
        for design in (Blocks.dense(X), Blocks.dense(np.asfortranarray(X)), Blocks.sparse(csr_of(X)))
    )
    for other in (by_columns, csr):
        for name in ("loss", "correct", "weight", "bias"):
            assert getattr(other, name) == getattr(dense, name)


@pytest.mark.parametrize("kinds", KINDS)
def test_the_smallest_sparse_tables(kinds, rng):
    row = Blocks.sparse(csr_of(np.array([[2.0]]), kinds))
    one = np.ones(1)
    assert gram(row, one, np.array([0])).tolist() == [[4.0, 2.0], [2.0, 1.0]]
    assert gram(row, one, np.array([], np.int64)).tolist() == [[1.0]]
    empty = Blocks.sparse(Csr(np.array([], kinds[0]), np.array([], kinds[1]), np.zeros(10, kinds[2]), 3))
    y, z = np.arange(9, dtype=np.uint8) % 2, np.empty(9)
    sums = read(empty, What.LOSS | What.GRADIENT, y=y, w=np.ones(3), b=-0.5, z=z)
    assert np.all(z == -0.5)
    assert not sums.gradient.any()
    assert product(empty, np.ones(9), np.array([1.0, 1.0, 1.0, 2.0])).tolist() == [0, 0, 0, 18]
    assert diagonal(empty, np.ones(9)).tolist() == [0, 0, 0, 9]
    assert gram(empty, np.ones(9), np.arange(3))[3].tolist() == [0, 0, 0, 9]
    found = read(empty, MOMENTS)
    assert found.low.tolist() == found.high.tolist() == [0, 0, 0]
    nothing = read(empty, MOMENTS, s=np.zeros(9))
    assert nothing.weight == 0
    assert np.all(nothing.low == np.inf)


def test_long_and_empty_sparse_rows(rng):
    # All elements in the first rows: everything is read once.
    m, n = 30_000, 500
    lengths = np.where(np.arange(m) < 500, n, 0)
    csr = Csr(rng.random(500 * n), np.tile(np.arange(n), 500), np.append(0, np.cumsum(lengths)), n)
    X = csr.data.reshape(500, n)
    y, w, z = rng.integers(0, 2, m).astype(np.uint8), rng.normal(size=n) / n, np.empty(m)
    sums = read(Blocks.sparse(csr), What.LOSS | What.GRADIENT, y=y, w=w, b=0.1, z=z, threads=3)
    near(z[:500], X @ w + 0.1, X @ np.abs(w) + 0.1, "z")
    assert np.all(z[500:] == 0.1)
    residual = pointwise(z, y)[1]
    near(sums.gradient, X.T @ residual[:500], X.T @ np.abs(residual[:500]), "gradient")
    near(sums.bias, residual.sum(), np.abs(residual).sum(), "bias")


@pytest.mark.parametrize("density", [0.05, 0.5, 1.0])
def test_what_is_not_stored_is_centred_too(density, kernel, rng):
    # Columns far from 0 in some of the columns: elements that are not stored count as -centre there, and stored zeros as well.
    stored = storage(sparse(12, "dii", density), sparse(7, "fll", density, True))(rng, 1500)
    for far in ([0], [3, 7, 15], range(19)):
        center = np.zeros(19)
        center[list(far)] = rng.normal(size=len(far)) * 100
        view = View(center, 2.0 ** rng.integers(-3, 4, 19))
        check_reads(rng, stored, rng.choice([0.0, 1.0, 2.0], 1500), view, threads=2)
        again = storage(sparse(5, "dii", density))(rng, 400)
        check_reads(rng, again, None, View(np.full(5, 3e5), np.ones(5)), rng.integers(0, 400, 300))


def test_shuffled_elements_and_stored_zeros_give_the_same_sums(rng):
    X = np.where(rng.random((500, 30)) < 0.2, rng.normal(size=(500, 30)), 0.0)
    plain = csr_of(X)
    y, w = rng.integers(0, 2, 500).astype(np.uint8), rng.normal(size=30)
    one, other = (read(Blocks.sparse(csr), ALL, y=y, w=w) for csr in (plain, shuffled(plain, rng)))
    assert_same(one, twin(X, y, None, w, 0.0))
    assert_same(other, twin(X, y, None, w, 0.0))
    for name in ("low", "high"):
        assert np.array_equal(
            *(getattr(read(Blocks.sparse(csr), MOMENTS), name) for csr in (plain, shuffled(plain, rng)))
        )


# --- tables ------------------------------------------------------------------------------------------------------------


def test_whole_numbers_of_64_bits_are_rounded_to_float64():
    values, z = np.array([2**53 + 1, -(2**62) - 1, 3]), np.empty(3)
    read(Blocks([NumberColumn((Part(values, 3),), 0)], 3, 1), What.LOSS, w=np.ones(1), z=z)
    np.testing.assert_array_equal(z, values.astype(float))


def test_a_hundred_thousand_levels(rng):
    m, levels = 120_000, 100_000
    codes, x = np.minimum(levels * rng.random(m) ** 3, levels - 1).astype("i4"), rng.normal(size=m)
    columns = [CategoryColumn((Part(codes, m),), 0, levels), NumberColumn((Part(x, m),), levels - 1)]
    table = Blocks(columns, m, levels)
    y, w = rng.integers(0, 2, m).astype(np.uint8), rng.normal(size=levels)
    z, h = np.empty(m), np.empty(m)
    sums = read(table, What.LOSS | What.GRADIENT, y=y, w=w, b=0.1, z=z, h=h, threads=2)
    exact = np.where(codes > 0, w[codes - 1], 0.0) + x * w[-1] + 0.1
    np.testing.assert_allclose(z, exact, rtol=0, atol=1e-14)
    residual = 1.0 / (1.0 + np.exp(-z)) - y
    by_level = np.bincount(codes, residual, levels)
    size = np.bincount(codes, np.abs(residual) + 4e-3, levels)
    near(sums.gradient[:-1], by_level[1:], size[1:], "gradient")
    classes = np.stack([y == 0, y == 1]).astype(float)
    for k, of in enumerate(read_points(table, What.SUMS, np.zeros((2, levels)), np.zeros(2), row_weights=classes)):
        np.testing.assert_array_equal(of.sums[:-1], np.bincount(codes, y == k, levels)[1:])
    some = np.sort(rng.choice(levels - 1, 10, replace=False))
    found = gram(table, h, np.append(some, levels - 1), s=None)
    hot = np.column_stack([codes[:, None] == some + 1, x, np.ones(m)])
    near(found, (hot * h[:, None]).T @ hot, (np.abs(hot) * h[:, None]).T @ np.abs(hot), "gram")


def test_a_category_against_so_many_numbers_that_their_table_is_large(kernel, rng):
    m, levels, numbers = 3000, 2600, 205
    codes, x, h = rng.integers(0, levels, m).astype("i2"), rng.normal(size=(m, numbers)), rng.random(m)
    columns = [NumberColumn((Part(x[:, j], m),), j) for j in range(numbers)]
    columns.append(CategoryColumn((Part(codes, m),), numbers, levels))
    n = numbers + levels - 1
    center = np.append(np.full(numbers, 0.3), np.zeros(levels - 1))
    table, view = Blocks(columns, m, n), View(center, np.ones(n))
    found = gram(table, h, None, s=None, view=view, threads=2)
    np.testing.assert_array_equal(found, gram(table, h, None, s=None, view=view))
    x1 = np.column_stack([x - 0.3, np.ones(m)])
    by_level, size = np.zeros((levels, numbers + 1)), np.zeros((levels, numbers + 1))
    np.add.at(by_level, codes, x1 * h[:, None])
    np.add.at(size, codes, np.abs(x1) * h[:, None])
    of_numbers = np.append(np.arange(numbers), n)
    near(found[numbers:n, of_numbers], by_level[1:], size[1:], "levels against numbers")
    np.testing.assert_array_equal(found, found.T)
    np.testing.assert_array_equal(np.diag(found)[numbers:n], found[-1, numbers:n])
    assert np.count_nonzero(found[numbers:n, numbers:n]) == np.count_nonzero(by_level[1:, -1])


LEVELS, NUMBERS = [(7, 20), (100, 150), (2, 9000), (400, 300)], [0, 1, 7, 70]


@pytest.mark.parametrize(
    ("levels", "numbers", "as_rows"),  # every two of the three options together
    [(levels, numbers, (i + j) % 2 == 0) for i, levels in enumerate(LEVELS) for j, numbers in enumerate(NUMBERS)],
)
def test_gram_of_small_and_large_tables(levels, numbers, as_rows, rng):
    m = 3000
    columns, X, at = [], [], 0
    for count in levels:
        codes = np.minimum(count * rng.random(m) ** 2, count - 1).astype("i4")
        columns.append(CategoryColumn((Part(codes, m),), at, count))
        kept = np.unique(codes[codes > 0])  # of thousands of levels those that occur and some that don't
        kept = np.union1d(kept[:60], np.arange(max(1, count - 20), count))
        X.append((at + kept - 1, codes[:, None] == kept))
        at += count - 1
    if numbers and as_rows:
        x = rng.normal(size=(m, numbers))
        columns.append(DenseRows(x, at))
        X.append((at + np.arange(numbers), x))
        at += numbers
    for _ in range(0 if as_rows else numbers):
        x = rng.normal(size=m)
        columns.insert(0 if rng.random() < 0.5 else len(columns), NumberColumn((Part(x, m),), at))
        X.append((np.array([at]), x[:, None]))
        at += 1
    table, s, h = Blocks(columns, m, at), rng.choice([0.0, 0.7, 1.0], m), rng.random(m)
    x1 = np.column_stack([*(block for _, block in X), np.ones(m)])
    chosen = np.append(np.concatenate([places for places, _ in X]), at)
    order = np.argsort(chosen)
    chosen, x1 = chosen[order], x1[:, order]
    whole = gram(table, h, None, s=s, threads=2) if at < 1000 else None
    part = gram(table, h, chosen[:-1], s=s, threads=1)
    exact = (x1 * (s * h)[:, None]).T @ x1
    terms = (np.abs(x1) * (s * h)[:, None]).T @ np.abs(x1)
    near(part, exact, terms, "part")
    if whole is not None:
        near(whole[np.ix_(chosen, chosen)], exact, terms, "whole")
        np.testing.assert_array_equal(whole, whole.T)
    np.testing.assert_array_equal(part, part.T)
    alone = gram(table, h, np.zeros(0, dtype=int), s=s)
    assert alone.shape == (1, 1)
    near(alone, (s @ h)[None, None], s @ h, "the bias alone")


def test_two_results_of_one_read_are_the_same(rng):
    stored = STORAGES["everything"](rng, 600)
    y, w = rng.integers(0, 2, 600).astype(np.uint8), rng.normal(size=stored.design.n)
    assert same(*(read(stored.design, ALL, y=y, w=w) for _ in range(2)))
