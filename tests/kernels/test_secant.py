"""The read along a direction against a NumPy twin, at the edges of z and u, and against the usual read; in every storage."""

import numpy as np
import pytest

from chainrule.kernels.blocks import Blocks, CategoryColumn, Csr, DenseRows, NumberColumn, Part
from chainrule.kernels.reader import product, read, secant
from chainrule.kernels.reading import BLOCK_ROWS, View, What
from chainrule.kernels.vectors import pointwise
from reader_tools import (
    FEW,
    KINDS,
    STORAGES,
    TOLERANCE,
    csr_of,
    near,
    point_of,
    same,
    seen_as,
    sparse,
    spoiled,
    storage,
    view_of,
)

EDGES = np.array([0.0, 18.0, 37.0, 710.0, 1e4])
EDGES = np.append(EDGES, -EDGES)


def sigmoid(t):
    """In long doubles."""
    t = np.asarray(t, np.longdouble)
    e = np.exp(-np.abs(t))
    return np.where(t < 0, e, 1) / (1 + e)


def change_at(z, u):
    """sigmoid(z + u) - sigmoid(z) without the difference: with d = |u| it is (1 - e^-d) times two sigmoids."""
    z, u = np.asarray(z, np.longdouble), np.asarray(u, np.longdouble)
    size = -np.expm1(-np.abs(u))
    return np.where(u >= 0, sigmoid(z + u) * sigmoid(-z), -sigmoid(z) * sigmoid(-z - u)) * size


def assert_secant(found, u, X, y, s, z, v, view=None):
    """Every sum, and u, as NumPy has them."""
    X1 = np.column_stack([seen_as(X, view), np.ones(len(X))])
    s = np.ones(len(X)) if s is None else s
    kept = s > 0
    assert np.all(u[~kept] == v[-1])
    X1, y, s, z, u = X1[kept], y[kept], s[kept], z[kept], u[kept]
    near(u, X1 @ v, np.abs(X1) @ np.abs(v), "u")
    loss, r, h = pointwise(z, y)
    e = change_at(z, u).astype(float)
    lost = 1e-300 * s  # what is that small has lost digits, by itself
    near(found.loss, s @ loss, s @ loss, "loss")
    near(found.weight, s.sum(), s.sum(), "weight")
    near(found.correct, s @ ((z > 0) == (y == 1)), s.sum(), "correct")
    # z + u is rounded, and with it the sigmoid at it.
    slack = np.abs(e) * (1 + np.abs(z) + np.abs(u)) * 0.01 + np.abs(e)
    for name, terms, size in (("gradient", r, np.abs(r)), ("change", e, slack), ("curvature", h, h)):
        near(getattr(found, name), X1.T @ (s * terms), np.abs(X1).T @ (s * size + lost), name)
    near(found.diagonal, (X1**2).T @ (s * h), (X1**2).T @ (s * h + lost), "diagonal")
    norm = np.max((X1[:, :-1] ** 2).sum(axis=1), initial=0.0)
    near(found.norm, norm, norm, "norm")


def check(rng, stored, index=None, threads=1):
    """With weights and without, as given and as seen."""
    m = stored.design.m if index is None else len(index)
    y, s, z, v = point_of(rng, stored, m)
    z = np.where(rng.random(m) < 0.3, rng.choice(EDGES, size=m), z)
    X = stored.X if index is None else stored.X[index]
    for weights in (None, s):
        for view in (None, view_of(rng, stored)):
            u, usual, h, r = *np.full((3, m), np.nan), np.full((2, m), np.nan)
            how = {"s": weights, "view": view, "index": index, "threads": threads}
            found = secant(stored.design, z, v, y=y, u=u, r=r, h=h, norms=True, **how)
            assert_secant(found, u, X, y, weights, z, v, view)
            read(stored.design, What.LOSS, w=v[:-1], b=v[-1], z=usual, **how)
            assert np.array_equal(u, usual)
            shorter = secant(stored.design, z, v, y=y, u=usual, **how)
            assert np.array_equal(u, usual)
            assert shorter.curvature is shorter.diagonal is None
            for one in ("loss", "correct", "weight", "gradient", "change"):
                assert np.array_equal(getattr(shorter, one), getattr(found, one)), one
            kept = np.ones(m, bool) if weights is None else weights > 0
            assert np.isnan(r[:, ~kept]).all()
            z_kept, u_kept, y_kept = z[kept], u[kept], y[kept]
            _, of_r, of_h = pointwise(z_kept, y_kept)
            assert np.array_equal(r[0, kept], of_r)
            assert np.array_equal(h[kept], of_h)
            change = change_at(z_kept, u_kept).astype(float)
            # z + u is rounded, and with it the sigmoid at it.
            slack = 1e-13 * (1 + np.abs(z_kept) + np.abs(u_kept)) * np.abs(change) + np.finfo(float).tiny
            assert np.all(np.abs(r[1, kept] - change) <= slack)


@pytest.mark.parametrize("name", STORAGES)
def test_a_secant_agrees_with_its_numpy_twin(name, some_kernel, rng):
    for m in (1, 8, 77, BLOCK_ROWS + 5):
        stored = STORAGES[name](rng, m)
        check(rng, stored, threads=int(rng.integers(1, 4)))
        check(rng, stored, rng.integers(0, m, int(rng.integers(1, m + 1))))


@pytest.mark.parametrize(
    "u", [0.0, 5e-324, 1e-300, 1e-12, -1e-12, 1e-3, 0.25, -0.34, 0.4, 1.0, -37.0, 709.0, 1e4, -1e4, 1e300]
)
def test_the_change_of_one_row_is_right_however_small_or_large(kernel, u):
    # Every row is 1 in a column of its own: every sum is a term, and u is v.
    z = np.append(EDGES, np.linspace(-40, 40, 401))
    m = len(z)
    y = (np.arange(m) % 2).astype(np.uint8)
    places = np.arange(m, dtype=np.int32)
    for block in (
        Csr(np.ones(m), places, np.arange(m + 1, dtype=np.int32), m),
        CategoryColumn((Part(places, m),), 0, m, 0),
        DenseRows(np.eye(m)),
    ):
        got, of_rows = np.empty(m), np.empty((2, m))
        found = secant(Blocks([block], m, m), z, np.append(np.full(m, u), 0.0), h=np.empty(m), y=y, u=got, r=of_rows)
        assert np.array_equal(of_rows, [found.gradient[:-1], found.change[:-1]])
        assert np.all(got == u)
        expected = change_at(z, u)
        tiny = np.finfo(float).tiny
        # Of a sigmoid: its z + u is rounded, and e^-|z| has three more digits lost at 710; what underflows is small itself.
        assert np.all(np.abs(found.change[:-1] - expected) <= 2e-13 * np.abs(expected) + tiny)
        _, r, h = pointwise(z, y)
        assert np.array_equal(found.gradient[:-1], r)
        assert np.array_equal(found.curvature[:-1], h)
        assert np.array_equal(found.diagonal[:-1], h)
        if 1e-300 < abs(u) < 1e-6:
            assert np.allclose(found.change[:-1], h * u, rtol=1e-5 if abs(u) > 1e-9 else 1e-11, atol=tiny)
        if u == 0:
            assert not found.change.any()


@pytest.mark.parametrize("name", STORAGES)
def test_it_gives_what_the_usual_read_gives_at_that_point(name, rng):
    m = 3000
    stored = STORAGES[name](rng, m)
    design, n, view = stored.design, stored.design.n, view_of(rng, stored)
    y, s, _, v = point_of(rng, stored, m)
    z, h, u = np.empty((3, m))
    usual = read(design, What.LOSS | What.GRADIENT, y=y, s=s, w=v[:-1], b=v[-1], z=z, h=h, view=view)
    still = secant(design, z, np.zeros(n + 1), y=y, s=s, u=u, norms=True, view=view)
    assert (still.loss, still.correct, still.weight) == (usual.loss, usual.correct, usual.weight)
    assert np.array_equal(still.gradient, np.append(usual.gradient, usual.bias))  # the same terms in the same order
    assert not u.any()
    assert not still.change.any()
    X1 = np.abs(np.column_stack([seen_as(stored.X, view), np.ones(m)]))
    # Along w from zeros the change is the difference of the gradients at both ends, and u is z.
    start = secant(design, np.zeros(m), v, y=y, s=s, u=u, norms=True, view=view)
    near(u, z, X1 @ np.abs(v), "u")
    near(start.change, still.gradient - start.gradient, 2 * (s @ X1), "change")
    # Along a small direction the change is the Hessian's product.
    v = 1e-9 * v / max(1.0, np.abs(z).max())
    change = secant(design, z, v, y=y, s=s, u=u, norms=True, view=view).change
    bent = product(design, h, v, s=s, view=view)
    near(change, bent, X1.T @ (s * h * (X1 @ np.abs(v))) + 1e-300, "product", 1e-6)


@pytest.mark.parametrize("name", STORAGES)
def test_rows_of_weight_0_and_repeats(name, rng):
    m = 400
    stored = STORAGES[name](rng, m)
    y, _, z, v = point_of(rng, stored, m)
    s = rng.integers(0, 3, m).astype(float)
    index = np.repeat(np.arange(m), s.astype(int))
    dirty, view = spoiled(stored, s == 0, rng), view_of(rng, stored)
    one = secant(
        dirty.design, np.where(s == 0, np.nan, z), v, h=np.empty(m), y=y, s=s, u=np.empty(m), norms=True, view=view
    )
    many = secant(
        stored.design,
        z[index],
        v,
        h=np.empty(len(index)),
        y=y[index],
        u=np.empty(len(index)),
        norms=True,
        view=view,
        index=index,
    )
    X1 = np.abs(np.column_stack([seen_as(stored.X, view), np.ones(m)]))
    for name, value in vars(one).items():
        terms = s @ X1**2 if name == "diagonal" else s @ X1 if np.ndim(value) else abs(value)
        near(value, getattr(many, name), terms, name, 1e-12)
    u = np.empty(m)
    nothing = secant(dirty.design, np.full(m, np.nan), v, h=np.empty(m), y=y, s=np.zeros(m), u=u, norms=True)
    assert all(not np.any(value) for value in vars(nothing).values())
    assert np.all(u == v[-1])


@pytest.mark.parametrize("name", FEW)
def test_nothing_outside_its_rows_is_touched(name, rng):
    for m in (1, 7, 8, 15, 1031):
        stored = STORAGES[name](rng, m)
        y, _, z, v = point_of(rng, stored, m)
        wide, around = np.full(m + 16, np.nan), np.full(m + 16, np.nan)
        around[8 : m + 8] = z
        found = secant(stored.design, around[8 : m + 8], v, h=np.empty(m), y=y, u=wide[8 : m + 8], norms=True)
        assert np.isnan(wide[:8]).all()
        assert np.isnan(wide[m + 8 :]).all()
        assert_secant(found, wide[8 : m + 8], stored.X, y, None, z, v)


def test_what_is_not_finite_shows_in_the_sums(rng):
    X = rng.normal(size=(50, 6))
    y, z, v = rng.integers(0, 2, 50).astype(np.uint8), rng.normal(size=50), rng.normal(size=7)
    for bad in (np.nan, np.inf):
        X[17, 0] = bad
        for design in (Blocks.dense(X), Blocks.dense(np.asfortranarray(X)), Blocks.sparse(csr_of(X))):
            found = secant(design, z, v, h=np.empty(50), y=y, u=np.empty(50))
            assert not np.isfinite(found.gradient[0])
            assert not np.isfinite(found.diagonal[0])


@pytest.mark.parametrize("place", [0, 17, 1500])
def test_a_norm_that_is_not_a_number_shows(place, rng):
    X = rng.normal(size=(3000, 3))
    X[place] = np.nan
    y, u = rng.integers(0, 2, 3000).astype(np.uint8), np.empty(3000)
    for design in (Blocks.dense(X), Blocks.dense(np.asfortranarray(X)), Blocks.sparse(csr_of(X))):
        assert np.isnan(secant(design, np.zeros(3000), np.zeros(4), y=y, u=u, norms=True).norm)


@pytest.mark.parametrize("kinds", KINDS)
def test_the_smallest_tables(kinds):
    row = csr_of(np.array([[2.0]]), kinds)
    one, u = np.array([1], np.uint8), np.empty(1)
    found = secant(Blocks.sparse(row), np.zeros(1), np.array([0.5, 0.25]), h=np.empty(1), y=one, u=u, norms=True)
    assert u == 1.25
    assert found.gradient.tolist() == [-1.0, -0.5]
    assert found.curvature.tolist() == [0.5, 0.25]
    assert found.diagonal.tolist() == [1.0, 0.25]
    assert found.norm == 4
    empty = Csr(np.array([], kinds[0]), np.array([], kinds[1]), np.zeros(10, kinds[2]), 3)
    y, u = np.arange(9, dtype=np.uint8) % 2, np.empty(9)
    found = secant(Blocks.sparse(empty), np.ones(9), np.ones(4), h=np.empty(9), y=y, u=u, norms=True)
    assert_secant(found, u, np.zeros((9, 3)), y, None, np.ones(9), np.ones(4))


def test_many_leaves_agree_with_the_twin(rng):
    stored = storage(sparse(60))(rng, 40_000)
    check(rng, stored, threads=2)


def test_lanes_of_many_blocks_and_long_leaves(kernel, rng):
    m, levels = 150_000, (70, 70, 18_000)
    codes = [rng.integers(0, k, m).astype("i4") for k in levels]
    at = np.append(0, np.cumsum(levels))
    for k in (2, 3):
        columns = [CategoryColumn((Part(codes[j], m),), at[j], levels[j], 0) for j in range(k)]
        table = Blocks(columns, m, at[k])
        y, s = rng.integers(0, 2, m).astype(np.uint8), rng.choice([0.0, 0.3, 1.0, 7.0], m)
        z, v = rng.choice([0.1, 3.0, 40.0, 1e4], m) * rng.normal(size=m), rng.normal(size=table.n + 1)
        u, again = np.empty(m), np.empty(m)
        found = secant(table, z, v, h=np.empty(m), y=y, s=s, u=u, norms=True)
        assert same(found, secant(table, z, v, h=np.empty(m), y=y, s=s, u=again, norms=True, threads=3))
        assert np.array_equal(u, again)
        _, r, h = pointwise(z, y)
        after = pointwise(z + u, y)[1]
        rows = {"gradient": (r, np.abs(r)), "change": (after - r, np.abs(after) + np.abs(r)), "curvature": (h, h)}
        for name, (row, terms) in (rows | {"diagonal": (h, h)}).items():
            exact, slack = (
                np.concatenate([np.bincount(codes[j], s * x, levels[j]) for j in range(k)]) for x in (row, terms)
            )
            near(getattr(found, name)[:-1], exact, slack, name)
            near(getattr(found, name)[-1], s @ row, s @ terms, name)
        assert found.norm == k


def test_a_secant_of_a_column_far_from_0_is_that_of_the_centred_one(rng):
    X = np.where(rng.random((900, 4)) < 0.8, rng.normal(size=(900, 4)) + 3e5, 0.0)
    stored = storage(sparse(4))(rng, 900)
    y, s, z, v = point_of(rng, stored, 900)
    center = np.full(4, 3e5)
    plain = Blocks([NumberColumn((Part(X[:, j] - 3e5, 900),), j) for j in range(4)], 900, 4)
    one = secant(plain, z, v, h=np.empty(900), y=y, s=s, u=np.empty(900))
    view = View(center, np.ones(4))
    other = secant(Blocks.sparse(csr_of(X)), z, v, h=np.empty(900), y=y, s=s, u=np.empty(900), view=view)
    X1 = np.abs(np.column_stack([X - 3e5, np.ones(900)]))
    for name in ("gradient", "change", "curvature"):
        near(getattr(one, name), getattr(other, name), s @ X1, name)
    near(one.diagonal, other.diagonal, s @ X1**2, "diagonal")
    near(one.norm, other.norm, one.norm, "norm", 10 * TOLERANCE)
