"""The read of sparse rows along a direction against a NumPy twin, at the edges of z and u, and against itself."""

import numpy as np
import pytest
import scipy.sparse as sp

from chainrule import InputError
from chainrule.kernels import What, pointwise
from chainrule.kernels.csr import Csr, product, read, secant, sum_depth
from csr_tools import KINDS, TOLERANCE, close, csr_of, problem, seen, shuffled

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


def assert_secant(csr, X, z, v, y, s, p, index=None, threads=1):
    """Every sum agrees with its twin within the tolerance of its absolute terms; so does u."""
    u = np.full(len(z), np.nan)
    found = secant(csr, z, v, y=y, s=s, u=u, p=p, index=index, threads=threads)
    X1, s = seen(X if index is None else X[index], s, p)
    kept = s > 0
    assert close(u[kept], (X1 @ v)[kept], (np.abs(X1) @ np.abs(v))[kept])
    assert np.all(u[~kept] == v[-1])
    z = np.where(kept, z, 0.0)
    loss, r, h = pointwise(z, y)
    e = change_at(z, u).astype(float)
    underflow = 1e-300 * s  # what is that small has lost digits, by itself
    for name, terms in (("gradient", s * r), ("change", s * e), ("curvature", s * h)):
        assert close(getattr(found, name), X1.T @ terms, np.abs(X1).T @ (np.abs(terms) + underflow)), name
    diagonal = (X1**2).T @ (s * h)
    assert close(found.diagonal, diagonal, (X1**2).T @ (s * h + underflow))
    assert close(found.loss, s @ loss, s @ loss)
    assert close(found.weight, s.sum(), s.sum())
    assert found.correct == pytest.approx(s[(z > 0) == (y == 1)].sum(), rel=TOLERANCE, abs=0)
    assert found.norm == pytest.approx(np.max((X1[:, :-1] ** 2).sum(axis=1), initial=0.0, where=kept), rel=TOLERANCE)
    return found


def assert_same(one, other):
    for name, value in vars(one).items():
        assert np.array_equal(value, getattr(other, name)), name


def point(rng, m):
    """z and a direction's size, at the edges for some rows."""
    z = np.where(rng.random(m) < 0.3, rng.choice(EDGES, size=m), 3 * rng.normal(size=m))
    return z, float(rng.choice([0.0, 1e-12, 1e-3, 1.0, 1e3]))


@pytest.mark.parametrize("seed", range(60))
def test_a_secant_agrees_with_its_dense_twin(seed):
    rng = np.random.default_rng(seed)
    X, y, s, w, b, p = problem(rng)
    z, size = point(rng, len(y))
    v = size * np.append(w, b)
    csr = csr_of(X, *KINDS[seed % len(KINDS)])
    assert_secant(csr, X, z, v, y, s, p)
    assert_secant(shuffled(csr, rng), X, z, v, y, s, p)


def test_every_instruction_set_agrees_with_the_twin(kernel, rng):
    for _ in range(10):
        X, y, s, w, b, p = problem(rng)
        z, size = point(rng, len(y))
        assert_secant(csr_of(X), X, z, size * np.append(w, b), y, s, p)


@pytest.mark.parametrize(
    "u", [0.0, 5e-324, 1e-300, 1e-12, -1e-12, 1e-3, 0.25, -0.34, 0.4, 1.0, -37.0, 709.0, 1e4, -1e4, 1e300]
)
def test_the_change_of_one_row_is_right_however_small_or_large(kernel, u):
    # One row that is 1 in a column of its own each: every sum is a term, and u is v.
    z = np.append(EDGES, np.linspace(-40, 40, 401))
    m = len(z)
    y = (np.arange(m) % 2).astype(np.uint8)
    ones = Csr(np.ones(m), np.arange(m, dtype=np.int32), np.arange(m + 1, dtype=np.int32), m)
    got = np.empty(m)
    found = secant(ones, z, np.append(np.full(m, u), 0.0), y=y, u=got)
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


def test_without_a_direction_nothing_changes_and_the_gradient_is_that_of_a_read(rng):
    X, y, s, w, b, p = problem(rng)
    csr, z, h, u = csr_of(X), *(np.empty(len(y)) for _ in range(3))
    sums = read(csr, What.LOSS | What.GRADIENT, y=y, s=s, w=w, b=b, z=z, h=h, p=p)
    found = secant(csr, z, np.zeros(csr.n + 1), y=y, s=s, u=u, p=p)
    assert not u.any()
    assert not found.change.any()
    # Few rows are one leaf: the same terms in the same order.
    assert np.array_equal(found.gradient, np.append(sums.gradient, sums.bias))
    assert (found.loss, found.correct, found.weight) == (sums.loss, sums.correct, sums.weight)
    # Along a small direction the change is the Hessian's product.
    v = 1e-9 * rng.normal(size=csr.n + 1) / np.append(np.maximum(np.abs(X).max(axis=0), 1e-3), 1.0)
    v[:-1] /= 1.0 if p is None else p
    change = secant(csr, z, v, y=y, s=s, u=u, p=p).change
    X1, s = seen(X, s, p)
    assert close(change, product(csr, h, v, s=s, p=p), np.abs(X1).T @ (s * h * np.abs(X1 @ v)), 1e-6)


@pytest.mark.parametrize("shape", [(3000, 40, 0.3), (700, 5000, 0.02), (20_000, 3, 0.9), (1200, 40_000, 0.002)])
def test_threads_and_types_of_indices_change_no_bit(rng, shape):
    m, n, density = shape
    A = sp.random_array(shape[:2], density=density, rng=rng, format="csr")
    A.data -= 0.5
    y, s, z = rng.integers(0, 2, m).astype(np.uint8), rng.choice([0.0, 1.0, 2.5], size=m), rng.normal(size=m)
    v, p = rng.normal(size=n + 1), 2.0 ** rng.integers(-2, 3, size=n)
    for data in "df":
        results = []
        for threads, indices, indptr in [(1, "i", "i"), (2, "l", "i"), (3, "i", "l"), (7, "l", "l"), (1, "l", "i")]:
            csr = Csr(A.data.astype(data), A.indices.astype(indices), A.indptr.astype(indptr), n, threads)
            u, up = np.empty(m), np.empty(m)
            found = secant(csr, z, v, y=y, s=s, u=u, threads=threads)
            viewed = secant(csr, z, v, y=y, u=up, p=p, threads=threads)
            results.append((found, viewed, u, up))
        for other in results[1:]:
            assert_same(results[0][0], other[0])
            assert_same(results[0][1], other[1])
            assert np.array_equal(results[0][2], other[2])
            assert np.array_equal(results[0][3], other[3])


def test_many_leaves_agree_with_the_twin(rng):
    m, n = 40_000, 60
    X = np.where(rng.random((m, n)) < 0.2, rng.normal(size=(m, n)), 0.0)
    csr, y = csr_of(X), rng.integers(0, 2, m).astype(np.uint8)
    assert sum_depth(m, n, csr.nnz, 4) < sum_depth(m, n)  # there are leaves
    assert sum_depth(m, n, csr.nnz, 4) >= sum_depth(m, n, csr.nnz)
    p = 2.0 ** rng.integers(-3, 4, size=n)
    assert_secant(csr, X, rng.normal(size=m), rng.normal(size=n + 1), y, None, p, threads=2)


def test_an_index_reads_as_the_rows_it_names(rng):
    X, y, _, w, b, p = problem(rng, m=900, n=30)
    csr, v = csr_of(X), np.append(w, b)
    for index in (np.arange(900), np.array([7]), rng.integers(0, 900, size=500)):
        k = len(index)
        s, z, u, other = rng.choice([0.0, 1.0, 3.0], size=k), rng.normal(size=k), np.empty(k), np.empty(k)
        found = assert_secant(csr, X, z, v, y[index], s, p, index=index)
        assert_same(found, secant(csr_of(X[index]), z, v, y=y[index], s=s, u=u, p=p))
        assert_same(found, secant(csr, z, v, y=y[index], s=s, u=other, p=p, index=index))
        assert np.array_equal(u, other)


def test_weights_count_as_repeats_and_rows_of_weight_zero_may_be_anything(rng):
    X, y, _, w, b, p = problem(rng, m=200, n=12, density=0.5)
    s, z = rng.integers(0, 3, size=200).astype(float), rng.normal(size=200)
    assert (s == 0).any()
    index, broken, v = np.repeat(np.arange(200), s.astype(int)), csr_of(X), np.append(w, b)
    for i in np.flatnonzero(s == 0):
        broken.data[broken.indptr[i] : broken.indptr[i + 1]] = np.nan
    for bad in (np.nan, np.inf, -np.inf):
        given = np.where(s == 0, bad, z)
        weighted = assert_secant(broken, X, given, v, y, s, p)
        repeated = secant(broken, given[index], v, y=y[index], u=np.empty(len(index)), p=p, index=index)
        for name, value in vars(weighted).items():
            assert np.allclose(value, getattr(repeated, name), rtol=1e-12, atol=1e-12), name
    nothing = secant(broken, np.full(200, np.nan), v, y=y, s=np.zeros(200), u=np.empty(200))
    assert (nothing.loss, nothing.weight, nothing.norm) == (0, 0, 0)
    assert not np.concatenate([nothing.gradient, nothing.change, nothing.curvature, nothing.diagonal]).any()


def test_what_is_not_finite_shows_in_the_sums(rng):
    X, y, _, w, b, _ = problem(rng, m=50, n=6, density=0.9)
    X[:, 0], w[:] = 1.0, 1.0
    for bad in (np.nan, np.inf):
        csr = csr_of(X)
        csr.data[int(csr.indptr[17])] = bad
        found = secant(csr, rng.normal(size=50), np.append(w, b), y=y, u=np.empty(50))
        assert not np.isfinite(found.gradient[0])
        assert not np.isfinite(found.diagonal[0])


def test_scales_far_from_one_are_seen_exactly(rng):
    # x p is about 1, while x^2, or p times a sum, would leave the range of doubles.
    X, y, s, w, b, _ = problem(rng, m=60, n=4, density=0.7)
    X /= np.maximum(np.abs(X).max(axis=0), 1e-3)
    z, v, u, other = rng.normal(size=60), np.append(w, b), np.empty(60), np.empty(60)
    plain = secant(csr_of(X), z, v, y=y, s=s, u=u)
    for power in (-1000, -400, -64, 64, 65, 400, 1000):
        scale = np.full(4, 2.0**power)
        assert_same(plain, secant(csr_of(X * scale), z, v, y=y, s=s, u=other, p=1 / scale))
        assert np.array_equal(u, other)


@pytest.mark.parametrize("kinds", KINDS)
def test_the_smallest_tables(kinds):
    row = Csr(np.array([2.0], kinds[0]), np.array([0], kinds[1]), np.array([0, 1], kinds[2]), 1)
    one = np.array([1], np.uint8)
    found = assert_secant(row, np.array([[2.0]]), np.zeros(1), np.array([0.5, 0.25]), one, None, None)
    assert found.gradient.tolist() == [-1.0, -0.5]
    assert found.curvature.tolist() == [0.5, 0.25]
    assert found.diagonal.tolist() == [1.0, 0.25]
    assert found.norm == 4
    empty = Csr(np.array([], kinds[0]), np.array([], kinds[1]), np.zeros(10, kinds[2]), 3)
    y = np.arange(9, dtype=np.uint8) % 2
    assert_secant(empty, np.zeros((9, 3)), np.ones(9), np.ones(4), y, None, None)


def test_wrong_input_is_refused_with_a_sentence(rng):
    X, y, _, _, _, _ = problem(rng, m=20, n=4, density=0.5)
    csr = csr_of(X)
    frozen = np.empty(20)
    frozen.flags.writeable = False
    good = {"z": np.zeros(20), "v": np.ones(5), "y": y, "u": np.empty(20)}
    for change, says in (
        ({"z": np.zeros(19)}, "z must have 20 elements"),
        ({"z": np.zeros(20, "f4")}, "z must be a contiguous vector of float64"),
        ({"z": np.zeros(40)[::2]}, "z must be a contiguous"),
        ({"v": np.ones(4)}, "v must have 5 elements"),
        ({"v": np.ones((5, 1))}, "v must have 5 elements"),
        ({"y": y[:-1]}, "y must have 20 elements"),
        ({"y": y.astype(float)}, "y must be a contiguous vector of uint8"),
        ({"s": np.ones(21)}, "s must have 20 elements"),
        ({"u": np.empty(21)}, "u must have 20 elements"),
        ({"u": np.empty(20, "f4")}, "u must be a contiguous"),
        ({"u": frozen}, "u is to be filled, but can't be written"),
        ({"p": np.ones(5)}, "p must have 4 elements"),
        ({"index": np.array([20])}, "index names a row that is not there"),
        ({"index": np.array([0, 1])}, "must have 2 elements"),
    ):
        with pytest.raises(InputError, match=says):
            secant(csr, **(good | change))
    twice = Csr(np.ones(2), np.array([1, 1]), np.array([0, 2]), 4)
    with pytest.raises(InputError, match="names a column twice"):
        secant(twice, np.zeros(1), np.ones(5), y=y[:1], u=np.empty(1))
