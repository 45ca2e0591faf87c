"""Losses that a read takes: softmax over classes, and one that is given as a function; in every storage."""

import mpmath
import numpy as np
import pytest

from chainrule.kernels import reading
from chainrule.kernels.blocks import Blocks, DenseRows
from chainrule.kernels.reader import read, read_points
from chainrule.kernels.reading import View, What
from reader_tools import FEW, STORAGES, TOLERANCE, logistic, near, same, seen_as, view_of

EDGES = [0.0, 18.0, -18.0, 37.0, -37.0, 710.0, -710.0, 1e4, -1e4]
BOTH = What.LOSS | What.GRADIENT


# --- softmax -----------------------------------------------------------------------------------------------------------


def softmax(Z, y):
    """Losses and residuals (m, K) of rows, each from the side where nothing cancels."""
    rows = np.arange(len(Z))
    E = np.exp(Z - Z.max(axis=1, keepdims=True))
    P = E / E.sum(axis=1, keepdims=True)
    others = E.copy()
    others[rows, y] = 0.0
    P[rows, y] = -others.sum(axis=1) / E.sum(axis=1)
    first = Z.argmax(axis=1)
    rest = E.copy()
    rest[rows, first] = 0.0
    return Z.max(axis=1) - Z[rows, y] + np.log1p(rest.sum(axis=1)), P


def check_softmax(rng, stored, K, s, view=None, size=1.0, threads=1, points=1):
    design, m, n = stored.design, stored.design.m, stored.design.n
    seen = seen_as(stored.X, view)
    W = rng.normal(size=(points, K, n)) * size / np.maximum(np.abs(seen).max(axis=0), 1e-3) / np.sqrt(n)
    b, y = rng.normal(size=(points, K)), rng.integers(0, K, m).astype(np.uint8)
    z, weights = np.empty((points, K, m)), np.ones(m) if s is None else s
    what = BOTH | What.SQUARES | What.SUMS
    found = read_points(design, what, W, b, y=y, s=s, z=z, view=view, threads=threads)
    kept = weights > 0
    k, x1 = weights[kept], np.column_stack([seen, np.ones(m)])[kept]
    for p, sums in enumerate(found):
        exact = x1 @ np.column_stack([W[p], b[p]]).T
        reach = np.abs(x1) @ np.abs(np.column_stack([W[p], b[p]])).T
        near(z[p][:, kept], exact.T, reach.T, "z")
        assert np.all(z[p][:, ~kept] == b[p][:, None])
        loss, P = softmax(exact, y[kept])
        # A rounding of any z moves the loss by at most it, and a residual by at most twice it times its size.
        far = reach.max(axis=1, initial=0.0)
        near(sums.loss, k @ loss, k @ (loss + np.abs(P).sum(axis=1) * far), "loss")
        terms = np.abs(P) * (1 + 4 * far)[:, None]
        gradient = np.column_stack([sums.gradient, sums.bias])
        near(gradient, (P * k[:, None]).T @ x1, (terms * k[:, None]).T @ np.abs(x1), "gradient")
        near(gradient.sum(axis=0), 0.0, (terms.sum(axis=1) * k) @ np.abs(x1), "the classes' gradients add up to 0")
        near(sums.squares, k @ x1[:, :-1] ** 2, k @ x1[:, :-1] ** 2, "squares")
        near(sums.weight, k.sum(), k.sum(), "weight")
        order = np.sort(exact, axis=1)
        sure = order[:, -1] - order[:, -2] > TOLERANCE * far
        right = k @ ((exact.argmax(axis=1) == y[kept]) & sure)
        assert right - TOLERANCE * k.sum() <= sums.correct <= right + k @ ~sure + TOLERANCE * k.sum()


@pytest.mark.parametrize("name", STORAGES)
@pytest.mark.parametrize("K", [2, 3, 5, 20])
def test_softmax_agrees_with_its_twin(name, K, rng):
    stored = STORAGES[name](rng, 700)
    s = rng.choice([0.0, 0.5, 2.0], 700)
    check_softmax(rng, stored, K, s, view_of(rng, stored), rng.choice([0.1, 3.0, 100.0]))
    check_softmax(rng, stored, K, None, None, 1.0, threads=2, points=3)


@pytest.mark.parametrize("K", [2, 3, 5, 20])
def test_softmax_of_every_instruction_set(K, kernel, rng):
    for name in ("rows", "columns", "csr dii", "table", "everything"):
        check_softmax(rng, STORAGES[name](rng, 333), K, rng.choice([0.0, 1.0, 3.0], 333))


@pytest.mark.parametrize("K", [2, 3, 5, 20])
def test_softmax_of_one_row_is_right_at_the_edges(K, some_kernel, rng):
    # One row of zeros: z of the classes are b, exactly, one point each.
    count = 81 if K == 2 else 150
    b = np.array([[p, q] for p in EDGES for q in EDGES]) if K == 2 else rng.choice(EDGES, (count, K))
    design = Blocks([DenseRows(np.zeros((1, 1)))], 1, 1)
    for label in {0, 1, K - 1}:
        y = np.array([label], np.uint8)
        found = read_points(design, BOTH, np.zeros((count, K, 1)), b, y=y)
        with mpmath.workprec(200):
            for z, sums in zip(b, found, strict=True):
                e = [mpmath.exp(mpmath.mpf(v) - max(z)) for v in z]
                rest = mpmath.fsum(e[:label] + e[label + 1 :])
                size = max(z) - mpmath.mpf(z[label])
                # log1p of the others where the label is the largest: no digits lost.
                loss = mpmath.log1p(rest) if size == 0 else size + mpmath.log(mpmath.fsum(e))
                residual = [v / mpmath.fsum(e) for v in e]
                residual[label] = -rest / mpmath.fsum(e)
                # Differences of z are exact here; e^d has a few units, the sum of K of them one each.
                for value, exact in zip([sums.loss, *sums.bias], [loss, *residual], strict=True):
                    assert np.isfinite(value)
                    allowed = max(abs(exact) * mpmath.mpf(2) ** -53 * (12 + K), mpmath.mpf(2) ** -1074 * 4)
                    assert abs(mpmath.mpf(float(value)) - exact) <= allowed, (z, label)


@pytest.mark.parametrize("name", FEW)
def test_softmax_of_two_classes_is_the_binary_loss(name, some_kernel, rng):
    m = 500
    stored = STORAGES[name](rng, m)
    n, s, view = stored.design.n, rng.choice([0.0, 0.5, 2.0], m), view_of(rng, stored)
    y, w, b = rng.integers(0, 2, m).astype(np.uint8), rng.normal(size=n) / n, 0.3
    two = np.stack([np.zeros(n), w])[None], np.array([[0.0, b]])
    z, binary = np.empty((1, 2, m)), np.empty(m)
    (found,) = read_points(stored.design, BOTH, *two, y=y, s=s, z=z, view=view)
    one = read(stored.design, BOTH, w=w, b=b, y=y, s=s, z=binary, view=view)
    assert np.all(z[0, 0] == 0.0)
    assert np.array_equal(z[0, 1], binary)
    near(found.loss, one.loss, one.loss, "loss")
    assert found.correct == pytest.approx(one.correct, rel=1e-13)
    terms = np.abs(seen_as(stored.X, view)).T @ s
    near(found.gradient[1], one.gradient, terms, "gradient")
    near(found.gradient[0], -one.gradient, terms, "gradient of the other class")
    near(found.bias, [-one.bias, one.bias], s.sum(), "bias")
    for at in EDGES:
        both = np.zeros((1, 2, n)), np.array([[0.0, at]])
        (found,) = read_points(stored.design, BOTH, *both, y=y, s=s)
        one = read(stored.design, BOTH, w=np.zeros(n), b=at, y=y, s=s)
        near(found.loss, one.loss, one.loss, "loss at the edges")
        near(found.bias[1], one.bias, s @ np.abs(logistic(np.full(m, at), y)[1]) + 1e-307, "bias at the edges")


@pytest.mark.parametrize("name", FEW)
@pytest.mark.parametrize("K", [2, 5])
def test_softmax_s_gradient_is_the_derivative_of_its_loss(name, K, rng):
    m, step = 300, 1e-3
    stored = STORAGES[name](rng, m)
    n, s, y = stored.design.n, rng.choice([0.0, 0.5, 2.0], m), rng.integers(0, K, m).astype(np.uint8)
    size = np.append(np.maximum(np.abs(stored.X).max(axis=0), 1e-3), 1.0) * np.sqrt(n)
    at, v = rng.normal(size=(K, n + 1)) / size, rng.normal(size=(K, n + 1)) / size
    points = np.stack([at + t * step * v for t in (-2, -1, 0, 1, 2)])
    found = read_points(stored.design, BOTH, np.ascontiguousarray(points[..., :-1]), points[..., -1], y=y, s=s)
    loss = [sums.loss for sums in found]
    change = (8 * (loss[3] - loss[1]) - (loss[4] - loss[0])) / (12 * step)
    slope = np.sum(np.column_stack([found[2].gradient, found[2].bias]) * v)
    assert abs(change - slope) <= 1e-9 * s.sum()  # order 4: 1e-12 of truncation, 1e-13/step of rounding


@pytest.mark.parametrize("name", ["rows", "columns", "table", "csr dii", "everything"])
def test_threads_change_no_bit_of_softmax(name, rng, monkeypatch):
    monkeypatch.setattr(reading, "_WORTH_A_THREAD", 1)
    m, K = 5000, 4
    stored = STORAGES[name](rng, m)
    y, w, b = rng.integers(0, K, m).astype(np.uint8), rng.normal(size=(2, K, stored.design.n)), rng.normal(size=(2, K))
    one = read_points(stored.design, BOTH, w, b, y=y)
    for threads in (2, 3, 5):
        assert all(map(same, read_points(stored.design, BOTH, w, b, y=y, threads=threads), one))
    (alone,) = read_points(stored.design, BOTH, w[1:], b[1:], y=y)
    assert same(alone, one[1])


@pytest.mark.parametrize("threads", [1, 2])
def test_a_label_that_is_no_class_is_refused(threads, rng):
    stored = STORAGES["rows"](rng, 5000)
    n, y = stored.design.n, rng.integers(0, 3, 5000).astype(np.uint8)
    y[4321] = 3
    with pytest.raises(ValueError, match=r"4321|class|label"):
        read_points(stored.design, BOTH, np.zeros((1, 3, n)), np.zeros((1, 3)), y=y, threads=threads)


# --- a given loss ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", STORAGES)
def test_a_given_loss_agrees_with_the_native_one(name, rng, monkeypatch):
    monkeypatch.setattr(reading, "_WORTH_A_THREAD", 1)
    m = 3333
    stored = STORAGES[name](rng, m)
    n, view = stored.design.n, view_of(rng, stored)
    y, s = rng.integers(0, 2, m).astype(np.uint8), rng.choice([0.0, 0.5, 2.0], m)
    w = rng.normal(size=n) / np.maximum(np.abs(seen_as(stored.X, view)).max(axis=0), 1e-3) / np.sqrt(n)
    what = BOTH | What.SQUARES | What.SUMS | What.HESSIAN
    for given in (None, view):
        how = {"y": y, "s": s, "w": w, "b": 0.3, "view": given}
        z, h, native_z, native_h = np.empty((4, m))
        native = read(stored.design, what, z=native_z, h=native_h, **how)
        found = read(stored.design, what, z=z, h=h, loss=logistic, **how)
        assert np.array_equal(z, native_z)
        kept = s > 0
        near(h[kept], native_h[kept], native_h[kept], "h")
        X1 = np.abs(np.column_stack([seen_as(stored.X, given), np.ones(m)]))
        _, residual, curvature = logistic(z, y)
        near(found.loss, native.loss, native.loss, "loss")
        ours, theirs = (np.append(of.gradient, of.bias) for of in (found, native))
        near(ours, theirs, X1.T @ (s * np.abs(residual)), "gradient")
        near(found.matrix, native.matrix, (X1 * (s * curvature)[:, None]).T @ X1, "matrix")
        assert np.array_equal(found.squares, native.squares)
        assert np.array_equal(found.sums, native.sums)
        assert found.correct == pytest.approx(native.correct, rel=1e-13)
        assert found.weight == native.weight
        for threads in (2, 3):
            assert same(read(stored.design, what, loss=logistic, threads=threads, **how), found)


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_what_a_given_loss_raises_reaches_the_caller(threads, rng, monkeypatch):
    monkeypatch.setattr(reading, "_WORTH_A_THREAD", 1)
    stored = STORAGES["rows"](rng, 20_000)
    y, w = rng.integers(0, 2, 20_000).astype(np.uint8), np.zeros(stored.design.n)

    class Mine(Exception):
        pass

    calls = []

    def fails(z, label):
        calls.append(len(z))
        if sum(calls) > 5000:
            raise Mine("no such loss")
        return logistic(z, label)

    with pytest.raises(Mine, match="no such loss"):
        read(stored.design, BOTH, y=y, w=w, loss=fails, threads=threads)
    assert sum(calls) < 20_000  # the others end too
    # And the next read is as if nothing had been.
    read(stored.design, BOTH, y=y, w=w, loss=logistic, threads=threads)


@pytest.mark.parametrize(
    "gives",
    [
        lambda z, _: (z[:-1], z, z),
        lambda z, _: (z, z),
        lambda z, _: (z, z, z, z),
        lambda z, _: None,
        lambda z, _: (z, z, "curvature"),
        lambda z, _: (z[:, None], z, z),
    ],
)
def test_what_a_given_loss_must_give(gives, rng):
    stored = STORAGES["rows"](rng, 100)
    y, w = rng.integers(0, 2, 100).astype(np.uint8), np.zeros(stored.design.n)
    with pytest.raises((ValueError, TypeError, IndexError, RuntimeError)):
        read(stored.design, BOTH, y=y, w=w, loss=gives)


def test_a_given_loss_sees_rows_once_in_vectors(rng):
    # A loss of its own: squares. Its gradient is least squares', and its curvature the weights.
    stored = STORAGES["everything"](rng, 3000)
    n, y, s = stored.design.n, rng.integers(0, 2, 3000).astype(np.uint8), rng.choice([0.0, 1.0, 2.0], 3000)
    seen = []

    def squares(z, label):
        assert z.shape == label.shape
        assert set(np.unique(label)) <= {0.0, 1.0}
        seen.append(len(z))
        return (z - label) ** 2 / 2, z - label, np.ones(len(z))

    w = rng.normal(size=n) / n
    found = read(stored.design, BOTH | What.HESSIAN, y=y, s=s, w=w, b=0.1, loss=squares)
    assert sum(seen) == (s > 0).sum()
    X1 = np.column_stack([stored.X, np.ones(3000)])
    off, reach = X1 @ np.append(w, 0.1) - y, np.abs(X1) @ np.append(np.abs(w), 0.1) + 1
    near(np.append(found.gradient, found.bias), X1.T @ (s * off), np.abs(X1).T @ (s * reach), "gradient")
    near(found.loss, s @ off**2 / 2, s @ reach**2, "loss")
    near(found.matrix, (X1 * s[:, None]).T @ X1, (np.abs(X1) * s[:, None]).T @ np.abs(X1), "matrix")


def test_a_given_loss_is_seen_through_a_view(rng):
    X, y, w = rng.normal(size=(500, 3)) + 1e4, rng.integers(0, 2, 500).astype(np.uint8), rng.normal(size=3)
    view = View(np.full(3, 1e4), np.full(3, 2.0))
    for design in (Blocks.dense(X), Blocks.dense(np.asfortranarray(X))):
        ours, theirs = (read(design, BOTH, y=y, w=w, view=view, **more) for more in ({"loss": logistic}, {}))
        assert ours.loss == pytest.approx(theirs.loss, rel=1e-13)
