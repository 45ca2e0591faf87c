"""Bordered matrices: each operation against the whole matrix, and reads that give them against reads that give the whole."""

import numpy as np
import pytest

from chainrule.kernels import blocks
from chainrule.kernels import bordered as module
from chainrule.kernels.blocks import Blocks
from chainrule.kernels.bordered import (
    SPARSE,
    Bordered,
    BorderedTriangle,
    add_to_diagonal,
    factor_of,
    part_of,
    plus,
    scaled,
    without_bias,
)
from chainrule.kernels.reader import combine, read, read_range
from chainrule.kernels.reading import View, What
from reader_tools import category, csr_of, number, sparse, storage

U = 2.0**-53
HEADS = [slice(0, 20), slice(3, 23), slice(0, 1), slice(25, 29)]


def bordered(rng, head, n=30, filled=1.0):
    k = head.stop - head.start
    A = rng.standard_normal((n - k, 2 * n))
    border = rng.standard_normal((k, n - k)) * (rng.random((k, n - k)) < filled) / n
    return Bordered.of(border, A @ A.T / n, rng.uniform(0.5, 2.0, k), head)


@pytest.mark.parametrize("head", HEADS)
def test_operations_are_those_of_the_whole_matrix(head, rng):
    A, other = bordered(rng, head), bordered(rng, head)
    whole, by, more = A.whole(), rng.uniform(0.5, 2.0, 30), rng.standard_normal(29)
    assert (whole == whole.T).all()
    assert not whole[head, head][~np.eye(head.stop - head.start, dtype=bool)].any()
    assert (A.diagonal() == whole.diagonal()).all()
    np.testing.assert_allclose(A.scaled(by).whole(), scaled(whole, by), rtol=4 * U)
    assert (plus(A, more).whole() == plus(whole, more)).all()
    assert (A.whole() == whole).all()
    x = rng.standard_normal((2, 30))
    assert (A.joined(*A.split(x)) == x).all()
    for some in (np.arange(1, 30, 2), np.flatnonzero(rng.random(30) < 0.6), np.arange(head.stop, 30)):
        part = part_of(A, some)
        assert ((part.whole() if isinstance(part, Bordered) else part) == part_of(whole, some)).all()
    summed = A * 3.0
    summed += other
    summed /= 7.0
    np.testing.assert_allclose(summed.whole(), (whole * 3.0 + other.whole()) / 7.0, rtol=4 * U)
    add_to_diagonal(A, more)
    add_to_diagonal(whole, more)
    assert (A.whole() == whole).all()
    if head.stop < 30:
        without_bias(A, 1.0)
        without_bias(whole, 1.0)
        assert (A.whole() == whole).all()


def in_order(A, L):
    """The whole triangle of a bordered factor, and the order of its columns."""
    k = len(L.pivots)
    d, out = np.sqrt(L.pivots), np.zeros((A.n, A.n))
    out[:k, :k], out[k:, :k], out[k:, k:] = np.diag(d), A.border.T / d, L.rest.L
    return out, np.concatenate(A.split(np.arange(A.n)))


@pytest.mark.parametrize("filled", [1.0, 0.5 / SPARSE])
@pytest.mark.parametrize("head", HEADS)
def test_factors_and_inverses_have_small_residuals(head, filled, rng):
    A = bordered(rng, head, filled=filled)
    assert A.is_sparse == (filled < 1.0 / SPARSE) or A.border.size < 60
    L = factor_of(A, 0.0)
    assert isinstance(L, BorderedTriangle)
    triangle, order = in_order(A, L)
    n, whole = A.n, A.whole()[np.ix_(order, order)]
    # Higham 2002, theorem 10.3: |A - L L'| <= (n + 1) u |L| |L'|, here with the product's own rounding.
    assert (np.abs(whole - triangle @ triangle.T) <= 2 * (n + 2) * U * (np.abs(triangle) @ np.abs(triangle.T))).all()
    v, exact = rng.standard_normal(n), np.linalg.inv(A.whole())
    np.testing.assert_allclose(L.solve(v), exact @ v, rtol=1e-9)
    np.testing.assert_allclose(triangle @ L.forward(v), v[order], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(L.squares, exact.diagonal(), rtol=1e-9)
    assert L.trace == pytest.approx(np.trace(exact), rel=1e-9)
    assert L.least == pytest.approx(triangle.diagonal().min(), rel=1e-12)
    V = rng.standard_normal((5, n))
    np.testing.assert_allclose(L.lengths2(V), np.einsum("ki,ij,kj->k", V, exact, V), rtol=1e-9)


@pytest.mark.parametrize("at_once", [1, 3, 128])
@pytest.mark.parametrize("head", HEADS)
def test_levels_are_no_further_apart_than_is_said(head, at_once, rng, monkeypatch):
    monkeypatch.setattr(module, "AT_ONCE", at_once)
    A = bordered(rng, head)
    L, exact, scale = factor_of(A, 0.0), np.linalg.inv(A.whole()), rng.uniform(0.5, 2.0, 30)
    for columns in (head, slice(0, head.start), slice(head.stop, 30)):
        size = columns.stop - columns.start
        share = rng.dirichlet(np.ones(size)) if size else np.zeros(0)
        m, squares = L.apart(columns, scale[columns], share)
        of = np.zeros((size, 30))
        of[:, columns] = np.diag(scale[columns]) - share * scale[columns]
        true = np.einsum("ki,ij,kj->k", of, exact, of).max(initial=0.0)
        mean = np.zeros(30)
        mean[columns] = share * scale[columns]
        assert m @ m == pytest.approx(mean @ exact @ mean, rel=1e-9)
        # twice the product that isn't subtracted, in the head's rows
        more = (2.0 * share * np.square(scale[head]) / A.of_head).max() if columns == head else 0.0
        assert true * (1 - 1e-9) <= squares <= module.NEARLY * (true + more) * (1 + 1e-9)


@pytest.mark.parametrize("where", ["of_head", "border", "rest"])
@pytest.mark.parametrize("value", [-9.0, np.nan])
@pytest.mark.parametrize("filled", [1.0, 0.5 / SPARSE])
def test_a_pivot_that_is_not_positive_has_no_factor(where, value, filled, rng):
    A = bordered(rng, HEADS[1], filled=filled)
    getattr(A, where)[(-1,) * getattr(A, where).ndim] = value
    assert factor_of(A, 0.0) is None


# --- from the core -----------------------------------------------------------------------------------------------------

SHAPES = {
    "a category": [number("f8", False), category("i1", 60, 1, False), number("f4", True), category("u2", 7, 0, True)],
    "the last of three": [category("i1", 5, 1, False), category("i4", 9, 1, False), category("i2", 70, 1, True)],
    "large": [category("i2", 150, 1, False), number("f8", False), category("i2", 170, 0, False)],
    "large, of all levels": [category("i2", 400, 0, False), category("i2", 150, 1, False), number("f8", False)],
}


def head_of(design):
    return max((span for span, _ in design.groups), key=lambda span: span.stop - span.start)


def whole_and_bordered(design, head, **how):
    what = What.LOSS | What.HESSIAN
    return read(design, what, **how).matrix, read(design, what, head=head, **how).matrix


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", SHAPES)
def test_a_read_gives_the_bits_of_the_whole_matrix(name, weighted, threads, rng):
    m = 9_000
    stored = storage(*SHAPES[name])(rng, m)
    design, y = stored.design, rng.integers(0, 2, m).astype(np.uint8)
    s = rng.integers(0, 3, m).astype(float) if weighted else None
    how = {"y": y, "s": s, "w": rng.standard_normal(design.n) / 9, "b": 0.1, "threads": threads}
    if stored.may_view.any():
        how["view"] = View(np.where(stored.may_view, 0.3, 0.0), np.where(stored.may_view, 4.0, 1.0))
    whole, found = whole_and_bordered(design, head_of(design), **how)
    assert isinstance(found, Bordered)
    assert np.array_equal(found.whole(), whole)


@pytest.mark.parametrize(("m", "k"), [(20_000, 40), (5_000, 550)])
@pytest.mark.parametrize("at", [0, 4])
def test_sparse_rows_give_the_same_bits_too(at, m, k, rng):
    X = rng.standard_normal((m, k + 6)) * (rng.random((m, k + 6)) < 0.4)
    X[:, at : at + k] = np.eye(k)[rng.integers(0, k, m)] * rng.uniform(0.5, 2.0, (m, 1)) * (rng.random((m, 1)) < 0.9)
    design = Blocks.sparse(csr_of(X))
    assert blocks._longest_run(design.csr, m) == slice(at, at + k)
    how = {"y": rng.integers(0, 2, m).astype(np.uint8), "w": rng.standard_normal(k + 6)}
    whole, found = whole_and_bordered(design, slice(at, at + k), **how)
    assert np.array_equal(found.whole(), whole)


def test_columns_that_share_a_row_are_in_no_run(rng):
    X = np.zeros((6, 9))
    X[range(6), [0, 1, 2, 4, 5, 8]] = 1.0
    assert blocks._longest_run(Blocks.sparse(csr_of(X)).csr, 6) == slice(0, 9)
    X[3, 2] = 1.0  # beside 4
    assert blocks._longest_run(Blocks.sparse(csr_of(X)).csr, 6) == slice(3, 9)
    assert blocks._longest_run(Blocks.sparse(csr_of(X)).csr, 3) == slice(0, 9)
    no_elements = Blocks.sparse(csr_of(np.vstack([np.zeros((3, 9)), X]))).csr
    assert blocks._longest_run(no_elements, 3) == slice(0, 9)
    assert blocks._longest_run(no_elements, 9) == slice(3, 9)
    shuffled = storage(sparse(9, shuffle=True))(rng, 50).design
    assert blocks._longest_run(shuffled.csr, 50) == slice(0, 0)


def test_ranges_of_rows_combine_to_the_same_bits(rng, monkeypatch):
    m = 150_000
    design = storage(category("i2", 60, 1, False), number("f8", False))(rng, m).design
    what, head = What.LOSS | What.HESSIAN, head_of(design)
    how = {"y": rng.integers(0, 2, m).astype(np.uint8), "head": head}
    at, w = design.leaf_rows(what), rng.standard_normal(design.n)
    parts = [read_range(design, what, rows, rows[0], w, 0.0, **how) for rows in ((0, at), (at, m))]
    (found,) = combine(parts)
    assert np.array_equal(found.matrix.whole(), read(design, what, w=w, **how).matrix.whole())


def test_only_columns_of_levels_make_a_head(rng):
    design = storage(number("f8", False), category("i1", 6, 0, False))(rng, 50).design
    y = np.zeros(50, np.uint8)
    assert design.head is None  # too small
    with pytest.raises(ValueError, match="the head must be some of the columns"):
        read(design, What.LOSS | What.HESSIAN, y=y, w=np.zeros(7), head=slice(3, 9))
    dense = storage(number("f8", False), number("f8", False))(rng, 50).design
    with pytest.raises(ValueError, match="of a matrix of levels or sparse columns"):
        read(dense, What.LOSS | What.HESSIAN, y=y, w=np.zeros(2), head=slice(0, 1))
