"""The reads of sparse rows against NumPy twins on the same rows made dense, and against themselves in other storages."""

import numpy as np
import pytest
import scipy.sparse as sp

from chainrule import InputError
from chainrule.kernels import Sums, What, pointwise, read_rows
from chainrule.kernels.csr import Csr, check, diagonal, gram, gram_depth, moments, product, read, sum_depth
from csr_tools import KINDS, TOLERANCE, close, csr_of, problem, seen, shuffled

ALL = What.LOSS | What.GRADIENT | What.SQUARES | What.NORMS


def assert_read(csr, X, y, s, w, b, p, index=None, threads=1):
    """Every sum of a read agrees with its twin within the tolerance of its absolute terms."""
    m = len(y)
    q = np.random.default_rng(m).random(csr.n + 1)
    z, h = np.full(m, np.nan), np.full(m, np.nan)
    sums = read(csr, ALL, y=y, s=s, w=w, b=b, z=z, h=h, p=p, index=index, q=q, threads=threads)
    X1, s = seen(X if index is None else X[index], s, p)
    theta = np.append(w, b)
    slack = np.abs(X1) @ np.abs(
        theta
    )  # z moves by its rounding times this, and each term by at most its derivative times that
    in_rows = s > 0
    assert close(z[in_rows], (X1 @ theta)[in_rows], slack[in_rows])
    assert np.all(z[~in_rows] == b)
    loss, residual, curvature = pointwise(z, y)
    assert np.array_equal(h, curvature)
    assert close(sums.loss, s @ loss, s @ loss)
    assert close(sums.weight, s.sum(), s.sum())
    assert sums.correct == pytest.approx(s[(z > 0) == (y == 1)].sum(), rel=TOLERANCE, abs=0)
    assert close(np.append(sums.gradient, sums.bias), X1.T @ (s * residual), np.abs(X1).T @ (s * np.abs(residual)))
    squares = (X1**2).T @ s
    assert close(sums.squares, squares[:-1], squares[:-1])
    if in_rows.any():
        assert sums.norm == pytest.approx(np.max((X1**2 @ q)[in_rows]), rel=TOLERANCE)


def same(one, other):
    """Whether two results are equal to the bit."""
    if isinstance(one, Sums):
        return all(
            np.array_equal(a, b) for a, b in zip(vars(one).values(), vars(other).values(), strict=True) if a is not None
        )
    return np.array_equal(one, other)


@pytest.mark.parametrize("seed", range(60))
def test_a_read_agrees_with_its_dense_twin(seed):
    rng = np.random.default_rng(seed)
    X, y, s, w, b, p = problem(rng)
    csr = csr_of(X, *KINDS[seed % len(KINDS)])
    assert_read(csr, X, y, s, w, b, p)
    assert_read(shuffled(csr, rng), X, y, s, w, b, p)


def test_every_instruction_set_agrees_with_the_twin(kernel, rng):
    for _ in range(10):
        X, y, s, w, b, p = problem(rng)
        assert_read(csr_of(X), X, y, s, w, b, p)


def test_a_read_agrees_with_the_dense_kernels_on_whole_numbers(rng):
    # Whole numbers and a point of halves: every z is exact in any order, so that the losses are the same to the bit.
    X = rng.integers(-3, 4, size=(8, 5)).astype(float)
    y, w = rng.integers(0, 2, 8).astype(np.uint8), rng.integers(-4, 5, size=5) / 2
    dense = read_rows(X, What.LOSS | What.GRADIENT, y=y, w=w, b=0.5)
    sparse = read(csr_of(X), What.LOSS | What.GRADIENT, y=y, s=None, w=w, b=0.5)
    assert (sparse.loss, sparse.correct, sparse.weight, sparse.bias) == (
        dense.loss,
        dense.correct,
        dense.weight,
        dense.bias,
    )


@pytest.mark.parametrize("seed", range(30))
def test_products_diagonals_and_matrices_agree_with_their_twins(seed):
    rng = np.random.default_rng(seed)
    X, _, s, _, _, p = problem(rng)
    m, n = X.shape
    csr = csr_of(X, *KINDS[seed % len(KINDS)])
    csr = shuffled(csr, rng) if seed % 2 else csr
    X1, weight = seen(X, s, p)
    h, v, t = rng.random(m), rng.normal(size=n + 1), np.empty(m)
    terms = np.abs(X1) @ np.abs(v)
    found = product(csr, h, v, s=s, t=t, p=p)
    assert close(t[weight > 0], (X1 @ v)[weight > 0], terms[weight > 0])
    assert close(found, X1.T @ (weight * h * (X1 @ v)), np.abs(X1).T @ (weight * h * terms))
    expected = (X1**2).T @ (weight * h)
    assert close(diagonal(csr, h, s=s, p=p), expected, expected)
    columns = rng.permutation(n)[: int(rng.integers(0, n + 1))]
    for given in (h, None):
        curved = weight if given is None else weight * h
        A = X1[:, np.append(columns, n)]
        matrix = gram(csr, given, columns, s=s, p=p)
        assert np.array_equal(matrix, matrix.T)
        assert close(matrix, A.T @ (curved[:, None] * A), np.abs(A).T @ (curved[:, None] * np.abs(A)))


@pytest.mark.parametrize("seed", range(20))
def test_moments_count_the_zeros_that_are_not_stored(seed):
    rng = np.random.default_rng(seed)
    X, _, s, _, _, _ = problem(rng)
    X = np.abs(X) if seed % 3 else X
    csr = csr_of(X, *KINDS[seed % len(KINDS)])
    found = moments(csr, s=s)
    weight = np.ones(len(X)) if s is None else s
    kept = X[weight > 0]
    assert close(found.weight, weight.sum(), weight.sum())
    assert close(found.sums, weight @ X, weight @ np.abs(X))
    assert close(found.squares, weight @ X**2, weight @ X**2)
    assert np.array_equal(found.low, kept.min(axis=0, initial=np.inf))
    assert np.array_equal(found.high, kept.max(axis=0, initial=-np.inf))


@pytest.mark.parametrize("shape", [(3000, 40, 0.3), (700, 5000, 0.02), (20_000, 3, 0.9)])
def test_threads_and_types_of_indices_change_no_bit(rng, shape):
    m, n, density = shape
    A = sp.random_array((m, n), density=density, rng=rng, format="csr")
    A.data -= 0.5
    y, s = rng.integers(0, 2, m).astype(np.uint8), rng.choice([0.0, 1.0, 2.5], size=m)
    w, h, v, q = rng.normal(size=n), rng.random(m), rng.normal(size=n + 1), rng.random(n + 1)
    p = 2.0 ** rng.integers(-2, 3, size=n)
    columns = rng.permutation(n)[:100]
    for data in "df":
        results = []
        for threads, indices, indptr in [(1, "i", "i"), (2, "l", "i"), (3, "i", "l"), (7, "l", "l"), (1, "l", "i")]:
            csr = Csr(A.data.astype(data), A.indices.astype(indices), A.indptr.astype(indptr), n, threads)
            assert csr.nnz > 50_000 or m == 3000  # enough for threads to be used
            results.append(
                (
                    read(csr, ALL, y=y, s=s, w=w, b=0.3, q=q, threads=threads),
                    read(csr, ALL, y=y, s=s, w=w, b=0.3, q=q, p=p, threads=threads),
                    product(csr, h, v, s=s, threads=threads),
                    diagonal(csr, h, threads=threads),
                    gram(csr, h, columns, s=s, threads=threads),
                    *vars(moments(csr, s=s, threads=threads)).values(),
                )
            )
        for other in results[1:]:
            assert all(same(a, b) for a, b in zip(results[0], other, strict=True))


def test_an_index_reads_as_the_rows_it_names(rng):
    X, y, s, w, b, p = problem(rng, m=900, n=30)
    csr = csr_of(X)
    s = rng.choice([0.0, 1.0, 3.0], size=900)
    for index in (np.arange(900), np.array([7]), rng.integers(0, 900, size=500)):
        rows = csr_of(X[index])
        at = (y[index], s[index], w, b, p)
        assert_read(csr, X, *at, index=index)
        q, h, v = rng.random(31), rng.random(len(index)), rng.normal(size=31)
        options = {"y": y[index], "s": s[index], "w": w, "b": b, "p": p, "q": q}
        assert same(read(csr, ALL, index=index, **options), read(rows, ALL, **options))
        assert same(product(csr, h, v, index=index), product(rows, h, v))
        assert same(diagonal(csr, h, index=index), diagonal(rows, h))
        assert same(gram(csr, h, np.arange(30), index=index), gram(rows, h, np.arange(30)))
        for a, c in zip(vars(moments(csr, index=index)).values(), vars(moments(rows)).values(), strict=True):
            assert same(a, c)


def test_weights_count_as_repeats_and_rows_of_weight_zero_may_be_anything(rng):
    X, y, _, w, b, p = problem(rng, m=200, n=12, density=0.5)
    s = rng.integers(0, 3, size=200).astype(float)
    assert (s == 0).any()
    broken = csr_of(X)
    for i in np.flatnonzero(s == 0):
        broken.data[broken.indptr[i] : broken.indptr[i + 1]] = np.nan
    index = np.repeat(np.arange(200), s.astype(int))
    q, h, v = rng.random(13), rng.random(200), rng.normal(size=13)
    weighted = read(broken, ALL, y=y, s=s, w=w, b=b, q=q, p=p)
    repeated = read(broken, ALL, y=y[index], s=None, w=w, b=b, q=q, p=p, index=index)
    for name, value in vars(weighted).items():
        if value is not None:
            assert np.allclose(value, getattr(repeated, name), rtol=1e-12, atol=1e-12), name
    X1, _ = seen(X, s, None)
    expected = X1.T @ (s * h * (X1 @ v))
    assert close(product(broken, h, v, s=s), expected, np.abs(X1).T @ (s * h * (np.abs(X1) @ np.abs(v))))
    assert np.all(np.isfinite(diagonal(broken, h, s=s)))
    assert np.all(np.isfinite(gram(broken, h, np.arange(12), s=s)))
    assert np.all(np.isfinite(moments(broken, s=s).squares))


def test_what_is_not_finite_shows_in_the_sums(rng):
    for bad in (np.nan, np.inf):
        X, y, _, w, b, _ = problem(rng, m=50, n=6, density=0.9)
        X[:, 0] = 1.0
        w[:] = 1.0
        csr = csr_of(X)
        csr.data[int(csr.indptr[17])] = bad
        sums = read(csr, What.LOSS | What.GRADIENT, y=y, s=None, w=w, b=b)
        assert not np.isfinite(sums.gradient[0])
        assert not np.isfinite(moments(csr).sums[0])


def test_scales_far_from_one_are_seen_exactly(rng):
    # x p is about 1, while x^2, or p times a sum, would leave the range of doubles.
    X, y, s, w, b, _ = problem(rng, m=60, n=4, density=0.7)
    X /= np.maximum(np.abs(X).max(axis=0), 1e-3)
    for power in (-1000, -400, 400, 1000):
        scale = np.full(4, 2.0**power)
        plain = read(csr_of(X), ALL, y=y, s=s, w=w, b=b, q=np.ones(5))
        scaled = read(csr_of(X * scale), ALL, y=y, s=s, w=w, b=b, q=np.ones(5), p=1 / scale)
        assert same(plain, scaled)
        assert same(diagonal(csr_of(X), np.ones(60)), diagonal(csr_of(X * scale), np.ones(60), p=1 / scale))


@pytest.mark.parametrize("kinds", KINDS)
def test_the_smallest_tables(kinds):
    row = Csr(np.array([2.0], kinds[0]), np.array([0], kinds[1]), np.array([0, 1], kinds[2]), 1)
    y, h = np.array([1], np.uint8), np.ones(1)
    assert_read(row, np.array([[2.0]]), y, None, np.array([0.5]), 0.25, None)
    assert gram(row, h, np.array([0])).tolist() == [[4.0, 2.0], [2.0, 1.0]]
    assert gram(row, h, np.array([], np.int64)).tolist() == [[1.0]]
    empty = Csr(np.array([], kinds[0]), np.array([], kinds[1]), np.zeros(10, kinds[2]), 3)
    y = np.arange(9, dtype=np.uint8) % 2
    assert_read(empty, np.zeros((9, 3)), y, None, np.ones(3), -0.5, None)
    assert product(empty, np.ones(9), np.array([1.0, 1.0, 1.0, 2.0])).tolist() == [0, 0, 0, 18]
    assert gram(empty, np.ones(9), np.arange(3))[3].tolist() == [0, 0, 0, 9]
    found = moments(empty)
    assert found.low.tolist() == found.high.tolist() == [0, 0, 0]
    nothing = moments(empty, s=np.zeros(9))
    assert nothing.weight == 0
    assert np.all(nothing.low == np.inf)


def test_without_classes_a_read_gives_z_alone(rng):
    X, y, s, w, b, p = problem(rng, m=99, n=20)
    z, with_y = np.empty(99), np.empty(99)
    read(csr_of(X), What.LOSS, y=None, s=s, w=w, b=b, z=z, p=p)
    read(csr_of(X), What.LOSS, y=y, s=s, w=w, b=b, z=with_y, p=p)
    assert np.array_equal(z, with_y)


def test_duplicates_are_found_in_sorted_and_unsorted_rows():
    indptr = np.array([0, 3, 3, 6])
    for indices, expected in (
        ([0, 1, 2, 0, 1, 2], False),
        ([2, 1, 0, 2, 0, 1], False),
        ([0, 1, 1, 0, 1, 2], True),
        ([0, 1, 2, 3, 0, 3], True),
        ([3, 0, 3, 0, 1, 2], True),
    ):
        for kind in "il":
            assert check(indptr, np.array(indices, kind), 4) is expected
    twice = Csr(np.ones(6), np.array([3, 0, 3, 0, 1, 2]), indptr, 4)
    assert twice.duplicates
    with pytest.raises(InputError, match="names a column twice: sum"):
        moments(twice)


@pytest.mark.parametrize(
    ("indptr", "indices", "n", "says"),
    [
        ([0, 2, 4], [0, 1, 0, 2], 2, "row 1 names a column outside 0 to 1"),
        ([0, 2, 4], [0, -1, 0, 1], 2, "row 0 names a column outside"),
        ([0, 3, 2, 4], [0, 1, 0, 1], 2, "indptr of row 1 descends"),
        ([0, 9, 4], [0, 1, 0, 1], 2, "indptr of row 0 descends or leaves the 4 elements"),
        ([-1, 2, 4], [0, 1, 0, 1], 2, "indptr of row 0"),
        ([1, 2, 4], [0, 1, 0, 1], 2, "must begin with 0"),
        ([0, 2, 3], [0, 1, 0, 1], 2, "ends at 3, but there are 4 elements"),
        ([0], [0, 1], 2, "must be a row"),
        ([0, 2], [0, 1], 0, "a column"),
    ],
)
def test_elements_that_are_not_there_are_refused(indptr, indices, n, says):
    for kind in "il":
        with pytest.raises(InputError, match=says):
            check(np.array(indptr, kind), np.array(indices, kind), n)


def test_the_check_looks_at_every_row_of_many(rng):
    m = 40_000
    indptr, indices = 3 * np.arange(m + 1), np.tile([0, 1, 2], m)
    assert check(indptr, indices, 3, threads=3) is False
    for row in (0, 16_383, 16_384, 39_999):
        changed = indices.copy()
        changed[3 * row + 2] = 3
        with pytest.raises(InputError, match=f"row {row} names"):
            check(indptr, changed, 3, threads=3)
        changed[3 * row + 2] = 1
        assert check(indptr, changed, 3, threads=3) is True
        changed[3 * row : 3 * row + 3] = [2, 0, 1]
        assert check(indptr, changed, 3, threads=3) is False


def test_wrong_input_is_refused_with_a_sentence(rng):
    X, y, _, w, b, _ = problem(rng, m=20, n=4, density=0.5)
    csr = csr_of(X)
    A = sp.csr_array(X)
    good = {"y": y, "s": None, "w": w, "b": b}
    for data in (
        A.data.astype("f2"),
        A.data.astype(">f8"),
        A.data[:, None],
        np.repeat(A.data, 2)[::2],
        A.data.tolist(),
    ):
        with pytest.raises(InputError, match="data must be a contiguous vector"):
            Csr(data, A.indices, A.indptr, 4)
    with pytest.raises(InputError, match="but indices has"):
        Csr(A.data[:-1], A.indices, A.indptr, 4)
    with pytest.raises(InputError, match="indices must be a contiguous vector of int32 or int64"):
        Csr(A.data, A.indices.astype("u4"), A.indptr, 4)
    for change, says in (
        ({"y": y[:-1]}, "y must have 20 elements"),
        ({"y": y.astype(float)}, "y must be a contiguous vector of uint8"),
        ({"s": np.ones(21)}, "s must have 20 elements"),
        ({"w": np.ones(5)}, "w must have 4 elements"),
        ({"w": np.ones(4, "f4")}, "w must be a contiguous vector of float64"),
        ({"z": np.empty(3)}, "z must have 20 elements"),
        ({"h": np.empty(40)[::2]}, "must be a contiguous"),
        ({"z": np.broadcast_to(0.0, 1).repeat(20).view()[:], "p": np.ones(3)}, "p must have 4 elements"),
        ({"index": np.array([20])}, "index names a row that is not there"),
        ({"index": np.array([-1]), "y": y[:1]}, "index names a row"),
        ({"index": np.array([], np.int64), "y": y[:0]}, "index must name a row"),
        ({"q": np.ones(4)}, "q must have 5 elements"),
        ({"y": None}, "need y"),
    ):
        with pytest.raises(InputError, match=says):
            read(csr, What.LOSS | What.GRADIENT, **(good | change))
    frozen = np.empty(20)
    frozen.flags.writeable = False
    with pytest.raises(InputError, match="can't be written"):
        read(csr, What.LOSS, **good, z=frozen)
    for what in (What.HESSIAN, What.LOSS | What.HESSIAN, What.GRADIENT):
        with pytest.raises(InputError, match="is of LOSS"):
            read(csr, what, **good)
    with pytest.raises(InputError, match="norms need q"):
        read(csr, What.LOSS | What.NORMS, **good)
    with pytest.raises(InputError, match="v must have 5"):
        product(csr, np.ones(20), np.ones(4))
    with pytest.raises(InputError, match="h must have 20"):
        diagonal(csr, np.ones(19))
    for columns, says in (([4], "not there"), ([-1], "not there"), ([1, 1], "twice")):
        with pytest.raises(InputError, match=says):
            gram(csr, np.ones(20), np.array(columns))


def test_depths_bound_the_error_of_the_sums(rng):
    # Terms of one size, all rounded up: what no order of summing makes better than its depth says.
    assert sum_depth(100, 10, 1000) == 108.0
    assert sum_depth(100_000, 100_000, 6_000_000) < sum_depth(100_000, 100_000) == 100_008.0
    assert sum_depth(10**6, 3270, 15 * 10**6) < 20_000
    assert gram_depth(10**6, 15 * 10**6, 3270) < 200_000
    for m, n in ((50_000, 1), (3000, 200)):
        csr = csr_of(np.full((m, n), 0.1))
        found = moments(csr)
        exact = m * float(np.float64(0.1)) ** 2
        assert np.all(np.abs(found.squares - exact) <= sum_depth(m, n, csr.nnz, 5) * 2.0**-53 * exact)
        matrix = gram(csr, None, np.arange(n))
        assert np.all(np.abs(matrix[:n, :n] - exact) <= gram_depth(m, csr.nnz, n) * 2.0**-53 * exact)


def test_long_and_empty_rows_are_cut_as_their_elements_are(rng):
    # All elements in the first rows: leaves are still of about equal work, and everything is read once.
    m, n = 30_000, 500
    lengths = np.where(np.arange(m) < 500, n, 0)
    csr = Csr(rng.random(500 * n), np.tile(np.arange(n), 500), np.append(0, np.cumsum(lengths)), n)
    X = np.zeros((m, n))
    X[:500] = csr.data.reshape(500, n)
    y = rng.integers(0, 2, m).astype(np.uint8)
    w = rng.normal(size=n) / n
    assert_read(csr, X, y, None, w, 0.1, None, threads=3)
    assert csr.rows() == m
