"""What a design says of the roundings of its sums is true, of terms that all round the same way too."""

import functools
import math
from fractions import Fraction

import numpy as np
import pytest

from chainrule.kernels.blocks import FEW_LEVELS, Blocks, CategoryColumn, Csr, DenseRows, NumberColumn, Part
from chainrule.kernels.reader import diagonal, gram, product, read, read_points, secant
from chainrule.kernels.reading import MOMENTS, What
from chainrule.kernels.vectors import along, pointwise, vector_depth

U = 2.0**-53
ROWS = [1000, 1024, 5000, 60_000]


def dense(m, x, n=3):
    return Blocks([DenseRows(np.full((m, n), x))], m, n)


def by_columns(m, x):
    return Blocks.dense(np.full((m, 3), x, order="F"))


def csr(m, x, n=2):
    indptr, indices = n * np.arange(m + 1), np.tile(np.arange(n, dtype="i4"), m)
    return Blocks.sparse(Csr(np.full(n * m, x), indices, indptr, n))


def codes(m, _, levels=5, count=2):
    of = np.ones(m, "i1" if levels < 128 else "i2")
    return Blocks([CategoryColumn((Part(of, m),), j * levels, levels, 0) for j in range(count)], m, count * levels)


def table(m, x):
    numbers = [NumberColumn((Part(np.full(m, x), m),), j) for j in range(2)]
    return Blocks([*numbers, *(CategoryColumn((Part(np.ones(m, "i2"), m),), 2 + 5 * j, 5, 0) for j in range(2))], m, 12)


def mix(m, x):
    of = csr(m, x).blocks[0]
    blocks = [DenseRows(np.full((m, 2), x)), Csr(of.data, of.indices, of.indptr, 2, at=2)]
    return Blocks([*blocks, CategoryColumn((Part(np.ones(m, "i1"), m),), 4, 3, 0)], m, 7)


STORED = {
    "rows": dense,
    "wide rows": lambda m, x: dense(m, x, 40),
    "columns": by_columns,
    "csr": csr,
    "few levels": codes,
    "many levels": lambda m, x: codes(m, x, FEW_LEVELS + 1),
    "table": table,
    "mix": mix,
}


def column_of(design, x):
    """What each column's x is, in every row: a category's codes are all 1."""
    X = np.full(design.n, x)
    for block in design.blocks:
        if isinstance(block, CategoryColumn):
            X[block.at : block.at + block.levels] = np.arange(block.levels) == 1
    return X


def weights(rng, m, kind):
    """Terms that are all equal, that grow with the row, that shrink, or that lie in one row of eight."""
    size = float(rng.uniform(0.5, 1.0))
    if kind == "equal":
        return np.full(m, size)
    if kind == "growing":
        return size * (1.0 + np.arange(m))
    if kind == "shrinking":
        return size * (1.0 + np.arange(m))[::-1].copy()
    return np.where(np.arange(m) % 8 == 3, size, 1e-9)


@functools.lru_cache(maxsize=1)
def total(weights: bytes):
    """Their sum, right to u/2: once for all that is summed with them."""
    return Fraction(math.fsum(np.frombuffer(weights)))


def assert_bounded(found, factors, s, depth, name):
    """|error| <= depth u sum |terms|, of terms s_i times the same numbers."""
    S = total(s.tobytes())
    for value, numbers in set(zip(np.atleast_1d(found).tolist(), factors, strict=True)):  # many columns are alike
        exact = S * math.prod((Fraction(float(f)) for f in numbers), start=Fraction(1))
        error = abs(Fraction(float(value)) - exact)
        assert error <= Fraction(depth * U) * abs(exact), (name, float(error / (abs(exact) * Fraction(U))), depth)


@pytest.mark.parametrize("kind", ["equal", "growing", "shrinking", "one lane"])
@pytest.mark.parametrize("name", STORED)
def test_sums_are_within_their_depth(name, kind, rng):
    for m in ROWS:
        for x in (0.1, *rng.uniform(0.5, 1.0, int(m < 10_000))):
            design = STORED[name](m, x)
            s, X, n, b = weights(rng, m, kind), column_of(design, x), design.n, float(rng.normal())
            depth = design.sum_depth(m)
            y, z, h, u = np.ones(m, np.uint8), np.full(m, b), np.full(m, 0.1), np.empty(m)
            loss, r, curved = (of[0] for of in pointwise(z[:1], y[:1]))
            x1 = np.append(X, 1.0)

            what = What.LOSS | What.GRADIENT | What.SQUARES | What.SUMS
            sums = read(design, what, y=y, s=s, w=np.zeros(n), b=b)
            assert_bounded(sums.loss, [(loss,)], s, depth, "loss")
            assert_bounded(sums.weight, [()], s, depth, "weight")
            assert_bounded(np.append(sums.gradient, sums.bias), [(r, k) for k in x1], s, depth, "gradient")
            assert_bounded(sums.squares, [(k, k) for k in X], s, depth, "squares")
            assert_bounded(sums.sums, [(k,) for k in X], s, depth, "sums")

            v = np.append(np.zeros(n), 0.7)
            assert_bounded(product(design, h, v, s=s), [(0.1, 0.7, k) for k in x1], s, depth, "product")
            assert_bounded(diagonal(design, h, s=s), [(0.1, k, k) for k in x1], s, depth, "diagonal")
            assert_bounded(read(design, MOMENTS, s=s).sums, [(k,) for k in X], s, depth, "moments")

            found = secant(design, z, np.zeros(n + 1), y=y, s=s, u=u, h=np.empty(m))
            assert_bounded(found.loss, [(loss,)], s, depth, "loss of a secant")
            assert_bounded(found.gradient, [(r, k) for k in x1], s, depth, "gradient of a secant")
            assert_bounded(found.curvature, [(curved, k) for k in x1], s, depth, "curvature")
            assert_bounded(found.diagonal, [(curved, k, k) for k in x1], s, depth, "diagonal of a secant")
            moved = secant(design, np.zeros(m), np.append(np.zeros(n), 0.7), y=y, s=s, u=u).change
            change = Fraction(0.5 * math.tanh(0.35))  # of one row: sigmoid(0.7) - 1/2, itself right to some u
            assert_bounded(moved, [(change, k) for k in x1], s, depth + 4, "change")

            for P in (3, 17):
                points = read_points(design, what, np.zeros((P, n)), np.full(P, b), y=y, s=s)
                assert_bounded([p.loss for p in points], [(loss,)] * P, s, depth, "loss at points")
                for p in points:
                    assert_bounded(p.gradient, [(r, k) for k in X], s, depth, "gradient at points")
            K = 3
            (several,) = read_points(design, What.LOSS | What.GRADIENT, np.zeros((1, K, n)), np.zeros((1, K)), y=y, s=s)
            assert_bounded(several.loss, [(math.log(3),)], s, depth + 4, "softmax's loss")
            assert_bounded(several.gradient[0], [(Fraction(1, 3), k) for k in X], s, depth + 4, "softmax's gradient")


@pytest.mark.parametrize("kind", ["equal", "growing", "shrinking", "one lane"])
@pytest.mark.parametrize("name", STORED)
def test_a_given_loss_is_summed_within_the_same_depth(name, kind, rng):
    for m in ROWS[:3]:
        for value in (0.1, *rng.uniform(0.5, 1.0, 2)):
            design, s = STORED[name](m, 0.1), weights(rng, m, kind)
            if kind == "equal":
                s = np.ones(m)

            def loss(z, _, value=value):
                return np.full(len(z), value), np.full(len(z), value), np.full(len(z), value)

            what = What.LOSS | What.GRADIENT
            sums = read(design, what, y=np.ones(m, np.uint8), s=s, w=np.zeros(design.n), loss=loss)
            assert_bounded(sums.loss, [(value,)], s, design.sum_depth(m), "loss")
            assert_bounded(sums.bias, [(value,)], s, design.sum_depth(m), "bias")


@pytest.mark.parametrize("kind", ["equal", "growing", "shrinking", "one lane"])
@pytest.mark.parametrize("name", STORED)
def test_a_matrix_is_within_its_depth(name, kind, rng):
    for m in ROWS:
        x = 0.1
        design = STORED[name](m, x)
        s, X = weights(rng, m, kind), np.append(column_of(design, x), 1.0)
        depth = design.matrix_depth(m)
        pairs = [(a, c) for a in X for c in X]
        assert_bounded(gram(design, None, None, s=s).ravel(), pairs, s, depth, "matrix")
        h = np.full(m, 0.1)
        weighted = [(0.1, a, c) for a, c in pairs]
        assert_bounded(gram(design, h, None, s=s).ravel(), weighted, s, depth, "weighted matrix")
        of = read(design, What.LOSS | What.HESSIAN, y=np.ones(m, np.uint8), s=s, w=np.zeros(design.n)).matrix
        assert_bounded(of.ravel(), [(0.25, a, c) for a, c in pairs], s, depth, "Hessian")
        some = np.arange(0, design.n, 2)
        part = gram(design, None, some, s=s).ravel()
        X = X[np.append(some, design.n)]
        assert_bounded(part, [(a, c) for a in X for c in X], s, depth, "part of the matrix")


@pytest.mark.parametrize("kind", ["equal", "growing", "shrinking", "one lane"])
def test_passes_over_vectors_are_within_their_depth(kind, rng):
    for m in ROWS:
        s, u, z = weights(rng, m, kind), np.full(m, 0.1), np.full(m, 0.3)
        y = np.ones(m, np.uint8)
        found, depth = along(z, u, y, s, 0.0, 0.0), vector_depth(m)
        loss, r, h = (of[0] for of in pointwise(z[:1], y[:1]))
        exact = {
            "loss": (loss,),
            "slope_t": (r, 0.1),
            "slope_b": (r,),
            "bend_tt": (h, 0.1, 0.1),
            "bend_tb": (h, 0.1),
            "bend_bb": (h,),
        }
        for name, factors in exact.items():
            assert_bounded(getattr(found, name), [factors], s, depth, name)


def test_random_weights_are_within_the_depth_of_their_sum(rng):
    for m in (1000, 50_000):
        for design in (dense(m, 0.1), by_columns(m, 0.1), csr(m, 0.1), codes(m, 0.1, FEW_LEVELS + 1)):
            s = rng.uniform(1.0, 1.0 + 1e-3, m)  # sums just above a power of two are rounded most
            assert_bounded(read(design, What.SUMS, s=s).weight, [()], s, design.sum_depth(m), "weight")
            x = column_of(design, 0.1)
            assert_bounded(read(design, What.SUMS, s=s).sums, [(k,) for k in x], s, design.sum_depth(m), "sums")


def test_depths_are_small_where_sums_are_short():
    # Dense rows and columns: some hundred roundings a leaf and one a level. One after the other: a leaf of 1024 rows.
    assert dense(10, 0.1, 28).sum_depth(1_000_000) <= 64 + 16 + 10 + 8 + 8
    assert by_columns(10, 0.1).sum_depth(1_000_000) <= 128 + 10 + 8 + 8
    assert codes(10, 0.1).sum_depth(1_000_000) == by_columns(10, 0.1).sum_depth(1_000_000)
    assert 1000 < codes(10, 0.1, FEW_LEVELS + 1).sum_depth(1_000_000) < 1100
    assert 1000 < csr(10, 0.1).sum_depth(1_000_000) < 1100
    assert dense(10, 0.1).sum_depth(8) <= 24
    assert dense(10, 0.1).matrix_depth(1_000_000) < 200
    assert table(10, 0.1).matrix_depth(1_000_000) < 10_000
    assert csr(10, 0.1).matrix_depth(1_000_000) < 200_000
    depths = [dense(10, 0.1).sum_depth(m) for m in (1, 10, 100, 1000, 10_000, 10**6)]
    assert depths == sorted(depths)


@pytest.mark.parametrize("levels", [200, 4])
def test_many_rows_in_one_cell_keep_their_digits(levels, rng):
    m = 300_000
    a, b = np.zeros(m, "i2"), np.zeros(m, "i2")
    a[:levels], b[:levels] = rng.integers(0, levels, levels), rng.integers(0, levels, levels)
    blocks = [CategoryColumn((Part(a, m),), 0, levels, 0), CategoryColumn((Part(b, m),), levels, levels, 0)]
    design = Blocks(blocks, m, 2 * levels)
    h = rng.random(m)
    found = gram(design, h, None)
    exact = math.fsum(h[(a == 0) & (b == 0)])
    depth = 4 + math.log2(m / 1024) if levels == 200 else design.matrix_depth(m)  # Kahan's sums in a tree
    assert abs(found[0, levels] - exact) <= depth * U * exact
    for j, codes_of in ((0, a), (levels, b)):
        exact = math.fsum(h[codes_of == 0])
        assert abs(found[j, j] - exact) <= design.matrix_depth(m) * U * exact
    sums = read(design, What.LOSS | What.SQUARES, y=np.zeros(m, "u1"), s=h, w=np.zeros(2 * levels))
    exact = math.fsum(h[a == 0])
    assert abs(sums.squares[0] - exact) <= design.sum_depth(m) * U * exact
