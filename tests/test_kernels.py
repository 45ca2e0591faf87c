"""The native reads against NumPy twins, against 200-bit arithmetic, and against themselves in other layouts."""

import mpmath
import numpy as np
import pytest

from chainrule.graph import logistic_graph
from chainrule.kernels import BLOCK_ROWS, FLOAT32_BLOCK, View, What, pointwise, read_rows, two_labels
from chainrule.losses import LOSSES

ALL = What.LOSS | What.GRADIENT | What.HESSIAN
EDGES = [0.0, 18.0, 37.0, 709.0, 710.0, 744.0, 745.0, 746.0, 1e4, 1e-8, 1e-300]


def twin(X, y, s, w, b):
    """The sums in NumPy, each with the sum of its absolute terms."""
    X, s = np.asarray(X, dtype=float), np.ones(len(X)) if s is None else s
    kept = s > 0
    X, y, s = X[kept], y[kept].astype(float), s[kept]
    z = X @ w + b
    sign = 1 - 2 * y
    e = np.exp(-np.abs(z))
    loss = np.maximum(sign * z, 0) + np.log1p(e)
    residual = sign * np.where(sign * z >= 0, 1, e) / (1 + e)
    h = e / (1 + e) ** 2
    x1 = np.column_stack([X, np.ones(len(X))])
    # An error of z's own rounding moves each term by at most its derivative times it.
    slack = np.abs(X) @ np.abs(w) + abs(b)
    return {
        "loss": (s @ loss, s @ (loss + np.abs(residual) * slack)),
        "gradient": (x1.T @ (s * residual), np.abs(x1).T @ (s * (np.abs(residual) + h * slack))),
        "matrix": ((x1 * (s * h)[:, None]).T @ x1, (np.abs(x1) * (s * h * (1 + slack))[:, None]).T @ np.abs(x1)),
        "correct": (s @ ((z > 0) == (y == 1)), s.sum()),
        "weight": (s.sum(), s.sum()),
    }


def assert_same(sums, expected, tolerance=1e-13):
    found = {
        "loss": sums.loss,
        "gradient": np.append(sums.gradient, sums.bias),
        "matrix": sums.matrix,
        "correct": sums.correct,
        "weight": sums.weight,
    }
    for name, (value, terms) in expected.items():
        assert np.all(np.abs(found[name] - value) <= tolerance * terms), name


def problem(rng, m=None, n=None):
    m = int(rng.integers(1, 3000)) if m is None else m
    n = int(rng.integers(1, 40)) if n is None else n
    X = rng.normal(size=(m, n)) * 10.0 ** rng.uniform(-3, 3, size=n)
    w = rng.normal(size=n) / np.abs(X).max(axis=0) * rng.choice([0.1, 1.0, 30.0])
    y = rng.integers(0, 2, m).astype(np.uint8)
    s = rng.choice([0.0, 0.3, 1.0, 7.0], size=m) if rng.random() < 0.5 else None
    return X, y, s, w, float(rng.normal())


@pytest.mark.parametrize("seed", range(200))
def test_read_agrees_with_its_numpy_twin_and_the_graph(seed):
    rng = np.random.default_rng(seed)
    X, y, s, w, b = problem(rng)
    sums = read_rows(X, ALL, y=y, s=s, w=w, b=b)
    expected = twin(X, y, s, w, b)
    assert_same(sums, expected)
    if s is not None and not s.any():
        return
    graph = logistic_graph(X, y.astype(float), w, b, sample_weight=s)
    graph.backward()
    S = sums.weight
    assert abs(float(graph.L.value) - sums.loss / S) <= 1e-13 * expected["loss"][1] / S
    gradient = np.append(graph.dL_dw, graph.dL_db)
    assert np.all(np.abs(gradient * S - expected["gradient"][0]) <= 1e-13 * expected["gradient"][1])
    assert np.all(np.abs(gradient * S - np.append(sums.gradient, sums.bias)) <= 1e-13 * expected["gradient"][1])


def test_every_instruction_set_agrees_with_the_twin(kernel, rng):
    for _ in range(20):
        X, y, s, w, b = problem(rng)
        assert_same(read_rows(X, ALL, y=y, s=s, w=w, b=b), twin(X, y, s, w, b))


def test_pointwise_loss_has_full_relative_accuracy(kernel, rng):
    random = np.concatenate([rng.normal(size=300) * scale for scale in (1e-8, 0.1, 1, 10, 40, 300, 740)])
    z = np.concatenate([random, EDGES, -np.array(EDGES)])
    y = rng.integers(0, 2, len(z)).astype(np.uint8)
    y[-2 * len(EDGES) :: 2] ^= 1
    found = pointwise(z, y)
    with mpmath.workprec(200):
        for i in range(len(z)):
            t = mpmath.mpf(z[i]) * (1 - 2 * int(y[i]))
            e = mpmath.exp(-abs(t))
            loss = max(t, mpmath.mpf(0)) + mpmath.log1p(e)
            size = 1 / (1 + e) if t >= 0 else e / (1 + e)
            for value, exact in zip(
                (v[i] for v in found), (loss, (1 - 2 * int(y[i])) * size, e / (1 + e) ** 2), strict=True
            ):
                # Six half units in the last place; below the normal numbers the unit is the smallest one.
                allowed = max(abs(exact) * mpmath.mpf(2) ** -53 * 6, mpmath.mpf(2) ** -1074 * 2)
                assert abs(mpmath.mpf(float(value)) - exact) <= allowed, (z[i], y[i])


@pytest.mark.parametrize("z", EDGES + [-z for z in EDGES])
@pytest.mark.parametrize("y", [0, 1])
def test_pointwise_at_the_edges_agrees_with_the_reference_loss(z, y):
    loss, residual, curvature = (v[0] for v in pointwise(np.array([z]), np.array([y], dtype=np.uint8)))
    reference = LOSSES["logistic"]
    tiny = 2.0**-1073
    for value, expected in (
        (loss, reference.value(np.array(z), np.array(y))),
        (residual, reference.derivative(np.array(z), np.array(y))),
        (curvature, reference.second_derivative(np.array(z), np.array(y))),
    ):
        assert np.isfinite(value)
        assert abs(value - expected) <= 1e-15 * abs(expected) + tiny


def test_infinite_z_is_infinite_loss_or_none():
    z = np.array([np.inf, np.inf, -np.inf, -np.inf])
    loss, residual, curvature = pointwise(z, np.array([0, 1, 0, 1], dtype=np.uint8))
    assert loss.tolist() == [np.inf, 0.0, 0.0, np.inf]
    assert residual.tolist() == [1.0, 0.0, 0.0, -1.0]
    assert curvature.tolist() == [0.0] * 4


def layouts(X, folder):
    big = np.zeros((2 * X.shape[0], 3 * X.shape[1]))
    big[::2, ::3] = X
    path = folder / "X.npy"
    np.save(path, X)
    fixed = X.copy()
    fixed.flags.writeable = False
    return {
        "strided": big[::2, ::3],
        "reversed": np.ascontiguousarray(X[::-1])[::-1],
        "read-only": fixed,
        "memory map": np.load(path, mmap_mode="r"),
    }


@pytest.mark.parametrize("n", [1, 3, 7, 8, 9, 28, 33])
def test_layout_of_float64_changes_no_bit(n, rng, tmp_path):
    X, y, s, w, b = problem(rng, 2 * BLOCK_ROWS + 37, n)
    expected = read_rows(X, ALL, y=y, s=s, w=w, b=b)
    for name, view in layouts(X, tmp_path).items():
        found = read_rows(view, ALL, y=y, s=s, w=w, b=b)
        assert found.loss == expected.loss, name
        np.testing.assert_array_equal(found.gradient, expected.gradient, name)
        np.testing.assert_array_equal(found.matrix, expected.matrix, name)


@pytest.mark.parametrize("order", ["C", "F"])
def test_float32_is_summed_in_float64(order, rng):
    X, y, s, w, b = problem(rng, 3000, 13)
    X32 = np.array(X, dtype=np.float32, order=order)
    assert_same(read_rows(X32, ALL, y=y, s=s, w=w, b=b), twin(X32, y, s, w, b))


@pytest.mark.parametrize("n", [1, 7, 8, 13, 130, 700, 1500])
@pytest.mark.parametrize("viewed", [False, True])
@pytest.mark.parametrize("order", ["C", "F"])
def test_strides_and_float32_change_no_bit_of_any_read(n, viewed, order, kernel, rng):
    m = BLOCK_ROWS + 77
    X = (rng.normal(size=(m, n)) + 3.0).astype(np.float32)
    y = rng.integers(0, 2, m).astype(np.uint8)
    s = np.where(rng.random(m) < 0.02, 0.0, rng.choice([0.5, 1.0, 3.0], m))
    X[s == 0] = np.nan
    w, b, v, q = rng.normal(size=n) / n, 0.3, rng.normal(size=n + 1), rng.random(n + 1)
    view = View(np.full(n, 2.9), np.full(n, 0.5)) if viewed else None
    index = rng.permutation(m)[: m // 2]
    layouts = [np.array(X, dtype=kind, order=order) for kind in (np.float64, np.float32)]
    wide = np.zeros((2 * m, 2 * n), dtype=np.float32, order=order)
    wide[::2, ::2] = X
    layouts += [wide[::2, ::2], layouts[0][::-1].copy(order)[::-1]]
    h = rng.random(m) / 4
    whats = [What.LOSS, What.LOSS | What.GRADIENT, What.PRODUCT]
    whats += [What.LOSS | What.GRADIENT | What.SQUARES | What.NORMS, What.MOMENTS] + ([ALL] if n <= 130 else [])
    for what in whats:
        for weighted, places in ((False, None), (True, None), (True, index)):
            reads = []
            for A in layouts:
                A = A if weighted else A[s > 0]
                given = {"y": y, "s": s} if weighted else {"y": y[s > 0], "s": None}
                if places is not None:
                    given = {"y": y[places], "s": s[places], "index": places}
                z = np.empty(len(given["y"]))
                if what & What.PRODUCT:
                    given["h"] = h[places] if places is not None else h if weighted else h[s > 0]
                sums = read_rows(A, what, w=w, b=b, v=v, q=q, z=z, view=view, **given)
                assert np.isfinite(sums.loss)
                assert np.isfinite(sums.gradient).all()
                reads.append((sums, z))
            first, z = reads[0]
            for sums, scores in reads[1:]:
                for name, value in vars(first).items():
                    np.testing.assert_array_equal(getattr(sums, name), value, f"{what!r} {name}")
                if what & (What.LOSS | What.PRODUCT):
                    np.testing.assert_array_equal(scores, z)


@pytest.mark.parametrize("n", [1, 2, 7, 8, 29, 300])
def test_fortran_order_is_read_by_columns_and_agrees_with_c_order(n, kernel, rng):
    X, y, s, w, b = problem(rng, 2 * BLOCK_ROWS + 77, n)
    F = np.asfortranarray(X)
    assert_same(read_rows(F, ALL, y=y, s=s, w=w, b=b), twin(X, y, s, w, b))
    view, v = View(X.mean(axis=0), 2.0 ** rng.integers(-3, 3, n)), rng.normal(size=n + 1)
    viewed = X * view.p - view.center * view.p
    given = {"y": y, "s": s, "w": w / view.p, "b": b, "view": view, "v": v}
    terms = twin(viewed, y, s, w / view.p, b)["matrix"][1] @ np.abs(v)
    given["h"] = np.empty(len(X))
    read_rows(X, What.LOSS, **given)
    ours, theirs = (read_rows(A, What.PRODUCT, **given) for A in (F, np.ascontiguousarray(X)))
    assert np.all(np.abs(np.append(ours.gradient - theirs.gradient, ours.bias - theirs.bias)) <= 1e-13 * terms)
    for what in (What.MOMENTS, What.MOMENTS | What.HESSIAN):
        ours, theirs = (read_rows(A, what, s=s, view=view) for A in (F, np.ascontiguousarray(X)))
        np.testing.assert_array_equal(ours.low, theirs.low)
        np.testing.assert_array_equal(ours.high, theirs.high)
        if what & What.HESSIAN:
            np.testing.assert_array_equal(ours.matrix, theirs.matrix)
        else:
            np.testing.assert_allclose(ours.squares, theirs.squares, rtol=1e-13)


@pytest.mark.parametrize("n", [3, 28, 61])
@pytest.mark.parametrize("order", ["C", "F"])
def test_threads_change_no_bit(n, order, rng):
    X, y, s, w, b = problem(rng, 40 * BLOCK_ROWS + 5, n)
    X = np.array(X, order=order)
    one = read_rows(X, ALL, y=y, s=s, w=w, b=b, threads=1)
    for threads in (2, 3, 7):
        many = read_rows(X, ALL, y=y, s=s, w=w, b=b, threads=threads)
        assert many.loss == one.loss
        assert many.bias == one.bias
        np.testing.assert_array_equal(many.gradient, one.gradient)
        np.testing.assert_array_equal(many.matrix, one.matrix)


def test_row_of_weight_zero_does_no_harm(rng):
    X, y, _, w, b = problem(rng, 2500, 12)
    s = rng.choice([0.0, 1.0, 2.5], size=len(X))
    expected = read_rows(X, ALL, y=y, s=s, w=w, b=b)
    X[s == 0] = np.nan
    found = read_rows(X, ALL, y=y, s=s, w=w, b=b)
    assert found.loss == expected.loss
    np.testing.assert_array_equal(found.gradient, expected.gradient)
    np.testing.assert_array_equal(found.matrix, expected.matrix)


def test_weight_two_is_the_row_twice_and_order_of_rows_does_not_matter(rng):
    X, y, _, w, b = problem(rng, 2000, 9)
    s = rng.integers(0, 4, len(X)).astype(float)
    weighted = read_rows(X, ALL, y=y, s=s, w=w, b=b)
    order = rng.permutation(np.repeat(np.arange(len(X)), s.astype(int)))
    assert_same(weighted, twin(X[order], y[order], None, w, b), 1e-12)


def test_permuted_and_scaled_columns_give_the_same_sums(rng):
    X, y, s, w, b = problem(rng, 1500, 11)
    expected = read_rows(X, ALL, y=y, s=s, w=w, b=b)
    order = rng.permutation(11)
    scale = 2.0 ** rng.integers(-40, 40, 11)
    found = read_rows((X * scale)[:, order], ALL, y=y, s=s, w=(w / scale)[order], b=b)
    terms = twin(X, y, s, w, b)["gradient"][1]
    assert np.all(np.abs(found.gradient / scale[order] - expected.gradient[order]) <= 1e-13 * terms[:-1][order])


def test_view_is_the_centred_and_scaled_matrix(rng):
    X, y, s, w, b = problem(rng, 2100, 10)
    X += 1000.0
    view = View(X.mean(axis=0), 2.0 ** rng.integers(-5, 5, 10))
    viewed = X * view.p - view.center * view.p
    w = w / view.p
    assert_same(read_rows(X, ALL, y=y, s=s, w=w, b=b, view=view), twin(viewed, y, s, w, b))


@pytest.mark.parametrize("n", [1, 7, 8, 15, 16, 17, 23, 24, 28, 31, 32, 33, 47, 48, 63])
def test_matrix_of_any_width_in_float64_and_float32(n, kernel, rng):
    X, y, s, w, b = problem(rng, 2 * BLOCK_ROWS + 77, n)
    X += 3.0 * np.abs(X).max(axis=0)
    s = np.where(rng.random(len(X)) < 0.1, 0.0, rng.random(len(X))) if s is None else s
    X[s == 0] = np.nan
    view = View(X[s > 0].mean(axis=0), 2.0 ** -np.round(np.log2(X[s > 0].std(axis=0))))
    viewed = np.nan_to_num(X) * view.p - view.center * view.p
    w = w / view.p * 0.1
    exact = read_rows(X, ALL, y=y, s=s, w=w, b=b, view=view)
    assert_same(exact, twin(viewed, y, s, w, b))
    rounded = read_rows(X, ALL | What.HESSIAN32, y=y, s=s, w=w, b=b, view=view)
    assert rounded.loss == exact.loss
    np.testing.assert_array_equal(rounded.gradient, exact.gradient)
    D = np.sqrt(np.diag(exact.matrix))
    error = np.abs(rounded.matrix - exact.matrix) / np.outer(D, D)
    assert error.max() <= (FLOAT32_BLOCK + 6) * 2.0**-24
    assert error.max() > 0


def test_float32_matrix_of_small_terms_keeps_its_bound_and_of_large_ones_shows_it(rng):
    m = 3 * BLOCK_ROWS
    X = rng.normal(size=(m, 20)) * 10.0 ** rng.uniform(-1, 1, 20)
    for size in (1e-27, 1.0, 1e30):
        s = np.full(m, size)
        exact = read_rows(X, What.MOMENTS | What.HESSIAN, s=s)
        rounded = read_rows(X, What.MOMENTS | What.HESSIAN | What.HESSIAN32, s=s)
        D = np.sqrt(np.diag(exact.matrix))
        assert D.min() ** 2 >= m * 2.0**-100
        assert np.all(np.abs(rounded.matrix - exact.matrix) <= (FLOAT32_BLOCK + 6) * 2.0**-24 * np.outer(D, D))
    rounded = read_rows(X, What.MOMENTS | What.HESSIAN | What.HESSIAN32, s=np.full(m, 1e80))
    assert not np.isfinite(rounded.matrix).any()


@pytest.mark.parametrize("blocks", [1, 31, 32, 33, 80, 150])
def test_matrix_over_many_blocks_is_the_same_for_any_threads(blocks, kernel, rng):
    m = blocks * BLOCK_ROWS - 5
    X = rng.normal(size=(m, 5))
    y = (rng.random(m) < 0.5).astype(np.uint8)
    w = rng.normal(size=5)
    for what in (ALL, ALL | What.HESSIAN32):
        one = read_rows(X, what, y=y, w=w)
        for threads in (2, 3, 7):
            np.testing.assert_array_equal(read_rows(X, what, y=y, w=w, threads=threads).matrix, one.matrix)
        D = np.sqrt(np.diag(one.matrix))
        expected = twin(X, y, None, w, 0.0)["matrix"][0]
        tolerance = (FLOAT32_BLOCK + 6) * 2.0**-24 if what & What.HESSIAN32 else 1e-13
        assert np.all(np.abs(one.matrix - expected) <= tolerance * np.outer(D, D))


def test_hessian_is_the_derivative_of_the_gradient_and_the_product_is_hessian_times_v(rng):
    X, y, s, w, b = problem(rng, 1200, 6)
    sums = read_rows(X, ALL, y=y, s=s, w=w, b=b)
    v = np.append(rng.normal(size=6) / np.abs(X).max(axis=0), 0.7)

    def gradient(t):
        at = read_rows(X, What.LOSS | What.GRADIENT, y=y, s=s, w=w + t * v[:-1], b=b + t * v[-1])
        return np.append(at.gradient, at.bias)

    h = 1e-3
    differences = (8 * (gradient(h) - gradient(-h)) - (gradient(2 * h) - gradient(-2 * h))) / (12 * h)
    product = sums.matrix @ v
    terms = twin(X, y, s, w, b)["matrix"][1] @ np.abs(v)
    assert np.all(np.abs(differences - product) <= 1e-8 * terms)
    h, along = np.empty(len(X)), np.empty(len(X))
    z = np.empty(len(X))
    read_rows(X, What.LOSS, y=y, s=s, w=w, b=b, z=z, h=h)
    np.testing.assert_array_equal(h, pointwise(z, y)[2])
    found = read_rows(X, What.PRODUCT, y=y, s=s, v=v, h=h, z=along)
    np.testing.assert_allclose(along, X @ v[:-1] + v[-1], rtol=0, atol=1e-13 * (np.abs(X) @ np.abs(v[:-1]) + 1).max())
    assert np.all(np.abs(np.append(found.gradient, found.bias) - product) <= 1e-13 * terms)


def test_gradient_is_the_derivative_of_the_loss(rng):
    X, y, s, w, b = problem(rng, 900, 7)
    sums = read_rows(X, ALL, y=y, s=s, w=w, b=b)
    for j in range(8):
        step = np.zeros(8)
        step[j] = 1e-3 / np.append(np.abs(X).max(axis=0), 1.0)[j]

        def loss(t, step=step):
            return read_rows(X, What.LOSS, y=y, s=s, w=w + t * step[:-1], b=b + t * step[-1]).loss

        difference = (8 * (loss(1) - loss(-1)) - (loss(2) - loss(-2))) / 12 / step[j]
        value = np.append(sums.gradient, sums.bias)[j]
        assert abs(difference - value) <= 1e-8 * twin(X, y, s, w, b)["gradient"][1][j] + 1e-11 * sums.loss / step[j]


def test_scores_are_z(rng):
    X, _, _, w, b = problem(rng, 3001, 17)
    z = np.empty(len(X))
    read_rows(X, What.LOSS, w=w, b=b, z=z)
    assert np.all(np.abs(z - (X @ w + b)) <= 1e-14 * (np.abs(X) @ np.abs(w) + abs(b)))


def test_moments(rng):
    X, _, s, _, _ = problem(rng, 4000, 9)
    s = np.ones(len(X)) if s is None else s
    X[s == 0] = np.nan
    kept = s > 0
    whole = read_rows(X, What.MOMENTS | What.HESSIAN, s=s)
    x1 = np.column_stack([X, np.ones(len(X))])[kept]
    expected = (x1 * s[kept, None]).T @ x1
    terms = (np.abs(x1) * s[kept, None]).T @ np.abs(x1)
    assert np.all(np.abs(whole.matrix - expected) <= 1e-13 * terms)
    np.testing.assert_array_equal(whole.low, X[kept].min(axis=0))
    np.testing.assert_array_equal(whole.high, X[kept].max(axis=0))
    short = read_rows(X, What.MOMENTS, s=s)
    assert np.all(np.abs(short.squares - np.diag(expected)[:-1]) <= 1e-13 * np.diag(terms)[:-1])
    assert np.all(np.abs(short.sums - expected[-1, :-1]) <= 1e-13 * terms[-1, :-1])


def test_rows_by_index_squares_and_norms(rng):
    X, y, s, w, b = problem(rng, 5000, 13)
    s = np.ones(len(X)) if s is None else s
    index = rng.permutation(len(X))[:1500].astype(np.int64)
    part = read_rows(X, ALL, y=y[index], s=s[index], w=w, b=b, index=index)
    whole = read_rows(np.ascontiguousarray(X[index]), ALL, y=y[index], s=s[index], w=w, b=b)
    assert part.loss == whole.loss
    np.testing.assert_array_equal(part.gradient, whole.gradient)
    np.testing.assert_array_equal(part.matrix, whole.matrix)
    q = rng.random(14)
    view = View(X.mean(axis=0), 2.0 ** rng.integers(-3, 3, 13))
    viewed = X * view.p - view.center * view.p
    found = read_rows(
        X, What.LOSS | What.GRADIENT | What.SQUARES | What.NORMS, y=y, s=s, w=w / view.p, b=b, view=view, q=q
    )
    expected = (s[:, None] * viewed**2).sum(axis=0)
    np.testing.assert_allclose(found.squares, expected, rtol=1e-12)
    norms = (viewed**2) @ q[:-1] + q[-1]
    assert found.norm == pytest.approx(norms[s > 0].max(), rel=1e-13)
    with pytest.raises(ValueError, match="a row that is not there"):
        read_rows(X, What.LOSS, y=y[:1], w=w, index=np.array([5000]))


@pytest.mark.parametrize("kind", [np.int64, np.int32, np.uint8, np.int8, np.float64, np.float32, np.bool_])
def test_labels_in_one_go(kind, rng):
    y = rng.integers(0, 2, 1000).astype(kind)
    codes, low, high = two_labels(y)
    np.testing.assert_array_equal(codes, y == y.max())
    assert (low, high) == (y.min(), y.max())
    assert two_labels(y[:1]) is None
    if kind is not np.bool_:
        y[500] = 2
        assert two_labels(y) is None


@pytest.mark.parametrize("dtype", ["f8", "f4", "i8", "i4", "i1", "u1", "?"])
def test_labels_are_encoded_by_their_order_and_a_third_one_is_seen_anywhere(dtype, kernel, rng):
    for m in (2, 7, 8, 9, 1000, 1003):
        y = (rng.random(m) < 0.5).astype(dtype)
        y[:2] = 1, 0
        codes, low, high = two_labels(y)
        assert np.array_equal(codes, y != 0)
        assert (low, high) == (0, 1)
        if dtype == "?":
            continue
        assert np.array_equal(two_labels(3 - y)[0], y == 0)  # 2 and 3: the larger is 1
        for place in {2 % m, m // 2, m - 1} - {0, 1}:
            other = y.copy()
            other[place] = 5
            assert two_labels(other) is None
    assert two_labels(np.zeros(9, dtype)) is None
    if dtype[0] == "f":
        assert two_labels(np.array([0.0, -0.0, 1.0], dtype))[0].tolist() == [0, 0, 1]
        assert two_labels(np.array([0.0, 1.0, np.nan], dtype)) is None
        assert two_labels(np.array([np.nan, 1.0, 0.0], dtype)) is None
