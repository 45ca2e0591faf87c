"""The read of dense rows along a direction against a NumPy twin, in every layout, and against itself and the usual read."""

import numpy as np
import pytest

from chainrule.kernels import BLOCK_ROWS, View, What, pointwise, read_rows
from chainrule.kernels.dense import lies_in_columns, secant

TOLERANCE = 1e-13  # of the sum of absolute terms
COLUMNS = [1, 7, 8, 9, 28, 700]


def problem(rng, m, n, dtype=np.float64):
    X = (rng.normal(size=(m, n)) * 2.0 ** rng.integers(-6, 6, size=n)).astype(dtype)
    y = rng.integers(0, 2, m).astype(np.uint8)
    s = rng.choice([0.0, 0.3, 1.0, 7.0], size=m)
    z = rng.choice([0.1, 3.0, 40.0, 1e4], size=m) * rng.normal(size=m)
    v = rng.normal(size=n + 1) / np.append(np.abs(X).max(axis=0) + 1e-3, 1.0) * rng.choice([1e-9, 0.1, 30.0])
    view = View(rng.normal(size=n), 2.0 ** rng.integers(-4, 5, size=n))
    return X, y, s, z, v, view


def layouts(X):
    """The same rows in C order, in Fortran's, and with steps between rows and columns, either way round."""
    m, n = X.shape
    wide = np.full((2 * m, 3 * n), np.nan, dtype=X.dtype)
    wide[::2, ::3] = X
    padded = np.full((m, n + 5), np.nan, dtype=X.dtype)
    padded[:, 2:-3] = X
    yield from (X, np.asfortranarray(X), wide[::2, ::3], padded[:, 2:-3], X[::-1, ::-1].copy()[::-1, ::-1])


def difference(z, u, y):
    """The change e of dL_dz, and about what it is rounded against."""
    before, after = pointwise(z, y)[1], pointwise(z + u, y)[1]
    return after - before, np.abs(after) + np.abs(before)


def assert_agrees(found, u, X, y, s, z, v, view=None):
    """Every sum, and u, as NumPy has them."""
    X1 = X.astype(np.float64)
    X1 = np.column_stack([X1 if view is None else X1 * view.p - view.center_times_p, np.ones(len(X))])
    s = np.ones(len(X)) if s is None else s
    kept = s > 0
    assert np.all(u[~kept] == v[-1])
    slack = np.abs(X1) @ np.abs(v)
    assert np.all((np.abs(u - X1 @ v) <= TOLERANCE * slack)[kept])
    X1, y, s, z, u = X1[kept], y[kept], s[kept], z[kept], u[kept]
    loss, r, h = pointwise(z, y)
    e, size = difference(z, u, y)
    assert abs(found.loss - s @ loss) <= TOLERANCE * (s @ loss)
    assert abs(found.weight - s.sum()) <= TOLERANCE * s.sum()
    assert abs(found.correct - s @ ((z > 0) == (y == 1))) <= TOLERANCE * s.sum()
    for name, row, terms in (("gradient", r, np.abs(r)), ("change", e, size), ("curvature", h, h)):
        assert np.all(np.abs(getattr(found, name) - X1.T @ (s * row)) <= TOLERANCE * (np.abs(X1).T @ (s * terms))), name
    diagonal = (X1**2).T @ (s * h)
    assert np.all(np.abs(found.diagonal - diagonal) <= TOLERANCE * diagonal)
    norm = np.max((X1[:, :-1] ** 2).sum(axis=1), initial=0.0)
    assert abs(found.norm - norm) <= TOLERANCE * norm


def laid_as(given, X):
    """X in the order of `given`: by rows or by columns."""
    return np.array(X, order="F" if lies_in_columns(given) else "C")


def same(one, other):
    """Whether two results are equal to the bit."""
    return all(np.array_equal(a, b) for a, b in zip(vars(one).values(), vars(other).values(), strict=True))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n", COLUMNS)
def test_a_secant_agrees_with_its_numpy_twin(kernel, rng, n, dtype):
    for m in (1, 8, 13, 200, 1500):
        X, y, s, z, v, view = problem(rng, m, n, dtype)
        for given in layouts(X):
            for weights in (None, s):
                for seen in (None, view):
                    u = np.full(m, np.nan)
                    assert_agrees(secant(given, z, v, y=y, s=weights, u=u, view=seen), u, X, y, weights, z, v, seen)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n", COLUMNS)
def test_an_index_reads_as_the_rows_it_names(rng, n, dtype):
    X, _, _, _, v, view = problem(rng, 1700, n, dtype)
    for index in (np.arange(300, 1600), rng.integers(0, 1700, 1200), np.array([1699])):
        y, s = rng.integers(0, 2, len(index)).astype(np.uint8), rng.choice([0.0, 1.0, 2.5], len(index))
        z = rng.normal(size=len(index))
        for given in layouts(X):
            for weights in (None, s):
                u, again = np.empty(len(index)), np.empty(len(index))
                found = secant(given, z, v, y=y, s=weights, u=u, view=view, index=index)
                assert_agrees(found, u, X[index], y, weights, z, v, view)
                secant(laid_as(given, X[index]), z, v, y=y, s=weights, u=again, view=view)
                assert len(index) == 1 or np.array_equal(u, again)  # one row lies as a row


def test_rows_of_weight_0_are_not_looked_at(kernel, rng):
    for n in (3, 8, 30):
        X, y, s, z, v, view = problem(rng, 900, n)
        s[:17] = s[-9:] = 0.0
        dirty, kept = X.copy(), s > 0
        dirty[~kept] = np.nan
        dirty[5] = np.inf
        at = np.where(kept, z, np.nan)
        for given in layouts(dirty):
            for seen in (None, view):
                u, clean = np.full(900, np.nan), np.full(900, np.nan)
                found = secant(given, at, v, y=y, s=s, u=u, view=seen)
                assert same(found, secant(laid_as(given, X), z, v, y=y, s=s, u=clean, view=seen))
                assert np.array_equal(u, clean)
        nothing = secant(dirty, at, v, y=y, s=np.zeros(900), u=u)
        assert all(not np.any(value) for value in vars(nothing).values())
        assert np.all(u == v[-1])


@pytest.mark.parametrize("shape", [(40_000, 3), (9001, 28), (4100, 300), (3 * BLOCK_ROWS, 700)])
def test_threads_change_no_bit(rng, shape):
    for dtype in (np.float64, np.float32):
        X, y, s, z, v, view = problem(rng, *shape, dtype)
        index = rng.permutation(shape[0])[: shape[0] - 5]
        for given in (X, np.asfortranarray(X)):
            for rows, seen in ((None, None), (None, view), (index, view)):
                of = slice(None) if rows is None else index
                results, directions = [], []
                for threads in (1, 2, 3, 7):
                    u = np.empty(len(y[of]))
                    found = secant(given, z[of], v, y=y[of], s=s[of], u=u, view=seen, index=rows, threads=threads)
                    results.append(found)
                    directions.append(u)
                assert all(same(other, results[0]) for other in results)
                assert all(np.array_equal(other, directions[0]) for other in directions)


@pytest.mark.parametrize("n", [5, 28, 300])
def test_it_gives_what_the_usual_read_gives_at_that_point(rng, n):
    X, y, s, _, v, view = problem(rng, 3000, n)
    w, b, z, u = v[:-1], float(v[-1]), np.empty(3000), np.empty(3000)
    usual = read_rows(X, What.LOSS | What.GRADIENT, y=y, s=s, w=w, b=b, z=z, view=view)
    found = secant(X, z, np.zeros(n + 1), y=y, s=s, u=u, view=view)
    assert (found.loss, found.correct, found.weight) == (usual.loss, usual.correct, usual.weight)
    terms = np.abs(X * view.p - view.center_times_p).T @ s
    assert np.all(np.abs(found.gradient[:-1] - usual.gradient) <= TOLERANCE * terms)
    assert found.gradient[-1] == usual.bias
    assert not u.any()
    assert not found.change.any()
    # Along w from zeros the change is the difference of the gradients at both ends, and u is z.
    start = secant(X, np.zeros(3000), v, y=y, s=s, u=u, view=view)
    assert np.all(np.abs(u - z) <= TOLERANCE * (np.abs(X * view.p - view.center_times_p) @ np.abs(w) + abs(b)))
    moved = found.gradient - start.gradient
    assert np.all(np.abs(start.change - moved) <= 2 * TOLERANCE * np.append(terms, s.sum()))


def test_what_does_not_fit_is_refused(rng):
    X, y, s, z, v, view = problem(rng, 20, 4)
    u = np.empty(20)
    wrong = [
        {"z": z[:-1]},
        {"v": v[:-1]},
        {"u": u[:-1]},
        {"y": y[:-1]},
        {"s": s[:-1]},
        {"view": View(view.center[:-1], view.p[:-1])},
        {"index": np.array([0, 20])},
        {"index": np.array([-1])},
        {"X": X.astype(np.int64)},
        {"X": X[:0]},
        {"X": X[:, :0]},
    ]
    for change in wrong:
        given = {"X": X, "z": z, "v": v, "y": y, "s": s, "u": u} | change
        with pytest.raises(ValueError, match=r"must|names"):
            secant(**given)
    fixed = u.copy()
    fixed.flags.writeable = False
    for output in (u.astype(np.float32), np.empty(40)[::2], fixed):
        with pytest.raises(TypeError):
            secant(X, z, v, y=y, s=s, u=output)
