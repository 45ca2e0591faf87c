"""What a design or a read refuses, and the sentence that says why."""

import numpy as np
import pytest
import scipy.sparse as sp

from chainrule.kernels.blocks import Blocks, CategoryColumn, Csr, DenseRows, NumberColumn, Part
from chainrule.kernels.reader import diagonal, gram, product, read, read_points, secant
from chainrule.kernels.reading import MOMENTS, View, What
from reader_tools import STORAGES, parts_of

BOTH = What.LOSS | What.GRADIENT


def check(indptr, indices, n, threads=1):
    return Csr(np.ones(len(indices)), indices, indptr, n, threads).duplicates


# --- sparse rows -------------------------------------------------------------------------------------------------------


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
    with pytest.raises(ValueError, match="names a column twice: sum"):
        Blocks.sparse(twice)


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
        with pytest.raises(ValueError, match=says):
            check(np.array(indptr, kind), np.array(indices, kind), n)


def test_the_check_looks_at_every_row_of_many():
    m = 40_000
    indptr, indices = 3 * np.arange(m + 1), np.tile([0, 1, 2], m)
    assert check(indptr, indices, 3, threads=3) is False
    for row in (0, 16_383, 16_384, 39_999):
        changed = indices.copy()
        changed[3 * row + 2] = 3
        with pytest.raises(ValueError, match=f"row {row} names"):
            check(indptr, changed, 3, threads=3)
        changed[3 * row + 2] = 1
        assert check(indptr, changed, 3, threads=3) is True
        changed[3 * row : 3 * row + 3] = [2, 0, 1]
        assert check(indptr, changed, 3, threads=3) is False


def test_arrays_of_other_types_or_lengths_are_refused(rng):
    A = sp.random_array((20, 4), density=0.5, rng=rng, format="csr")
    others = (A.data.astype("f2"), A.data.astype(">f8"), A.data[:, None], np.repeat(A.data, 2)[::2])
    for data in others:
        with pytest.raises(ValueError, match=r"data must be a contiguous vector|its values are neither"):
            Csr(data, A.indices, A.indptr, 4)
    with pytest.raises(ValueError, match="but indices has"):
        Csr(A.data[:-1], A.indices, A.indptr, 4)
    with pytest.raises(ValueError, match="indices must be a contiguous vector of int32 or int64"):
        Csr(A.data, A.indices.astype("u4"), A.indptr, 4)
    with pytest.raises(ValueError, match="a start for each row"):
        Blocks([Csr(A.data, A.indices, A.indptr, 4)], 19, 4)


# --- columns -----------------------------------------------------------------------------------------------------------


def codes_of(values, **given):
    return CategoryColumn((Part(np.asarray(values), len(values)),), **({"at": 0, "levels": 3, "skip": 0} | given))


def numbers_of(values, at=0, **given):
    return NumberColumn((Part(np.asarray(values), len(values)),), at, **given)


BYTES = np.zeros(2, np.uint8)


@pytest.mark.parametrize(
    ("columns", "n", "words"),
    [
        ([], 0, "there must be a coefficient"),
        ([numbers_of([1.0, 2.0])], 1, "column 0: its parts have 2 rows, not 3"),
        ([numbers_of([1.0, 2.0, 3.0])], 2, "1 coefficients, not 2"),
        ([numbers_of([1.0, 2.0, 3.0], 1)], 2, "column 0 has coefficient 1 where 0 is the next"),
        ([numbers_of([1.0, 2.0, 3.0]), numbers_of([1.0, 2.0, 3.0])], 2, "column 1 has coefficient 0 where 1"),
        ([numbers_of([1.0, 2.0, 3.0], indicator=1)], 2, "with an indicator, fill says"),
        ([numbers_of(np.zeros(3, np.float16))], 1, "column 0: its values are neither"),
        ([numbers_of(np.zeros(3, complex))], 1, "column 0: its values are neither"),
        ([numbers_of(np.zeros(3, ">f8"))], 1, "column 0: its values are neither"),
        ([numbers_of(np.array(["a", "b", "c"]))], 1, "column 0: its values are neither"),
        ([numbers_of(np.zeros((3, 1)))], 1, "1-D"),
        ([codes_of(np.zeros(3))], 3, "column 0: codes must be integers"),
        ([codes_of(np.zeros(3, np.uint64))], 3, "column 0: codes must be integers"),
        ([codes_of(np.zeros(3, bool))], 3, "column 0: codes must be integers"),
        ([codes_of([0, 1, 2], levels=0)], 0, "there must be a level"),
        ([codes_of([0, 1, 2], skip=2)], 1, "skip must be 0 or 1"),
        ([codes_of([0, 1, 2], missing=3)], 3, "no such number of levels"),
        ([NumberColumn((Part(np.zeros(3), 2),), 0)], 1, "2 rows, and values of another length"),
        ([NumberColumn((Part(np.zeros(3), -1),), 0)], 1, "a part has -1 rows"),
        ([NumberColumn((Part(BYTES[:0], 3, bits=True),), 0)], 1, "values of another length"),
        ([NumberColumn((Part(BYTES, 3, bits=True, values_at=14),), 0)], 1, "values of another length"),
        ([NumberColumn((Part(np.zeros(16, np.uint8)[::2], 3, bits=True),), 0)], 1, "values of another length"),
        ([NumberColumn((Part(np.zeros(3), 3, BYTES, 14),), 0)], 1, "bitmap"),
        ([NumberColumn((Part(np.zeros(3), 3, BYTES, -1),), 0)], 1, "bitmap"),
        ([NumberColumn((Part(np.zeros(3), 3, np.zeros(3)),), 0)], 1, r"neither|bitmap"),
        ([NumberColumn((), 0)], 1, "its parts have 0 rows"),
        ([DenseRows(np.zeros((3, 2), int))], 2, "X must be 2"),
        ([DenseRows(np.zeros((3, 2), np.float16))], 2, "neither|float64"),
        ([DenseRows(np.zeros((2, 2)))], 2, "must have a row"),
        ([DenseRows(np.zeros((3, 2)), 1)], 3, "column 0 has coefficient 1 where 0 is the next"),
    ],
)
def test_wrong_columns_are_refused(columns, n, words):
    with pytest.raises((ValueError, TypeError, BufferError), match=words):
        Blocks(columns, 3, n)


@pytest.mark.parametrize(
    "X", [np.zeros((3, 2), int), np.zeros(3), np.zeros((0, 2)), np.zeros((2, 0)), np.zeros((3, 2), "f2")]
)
def test_what_is_no_matrix_of_numbers_is_refused(X):
    with pytest.raises(ValueError, match="X must be 2-D, float64 or float32, and have a row and a column"):
        Blocks.dense(X)


# --- arguments ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["rows", "columns", "csr dii", "table", "everything"])
def test_wrong_arguments_are_refused_in_a_sentence(name, rng):
    stored = STORAGES[name](rng, 20)
    design, n, y = stored.design, stored.design.n, rng.integers(0, 2, 20).astype(np.uint8)
    good, frozen = {"y": y, "w": np.zeros(n)}, np.empty(20)
    frozen.flags.writeable = False
    read(design, BOTH, **good)
    for change, says in (
        ({"y": y[:-1]}, "y must have 20 elements"),
        ({"y": y.astype(float)}, "y must be a contiguous array of uint8"),
        ({"s": np.ones(21)}, "s must have 20 elements"),
        ({"s": np.ones(20, "f4")}, "s must be a contiguous array of float64"),
        ({"w": np.ones(n + 1)}, r"w must have \d+ elements"),
        ({"w": np.ones(n - 1)}, f"there must be {n} elements"),
        ({"z": np.empty(3)}, "z must have 20 elements"),
        ({"h": np.empty(21)}, "h must have 20 elements"),
        ({"h": np.empty(40)[::2]}, "h must be a contiguous"),
        ({"z": np.empty(40)[::2]}, "z must be a contiguous"),
        ({"z": np.empty(20, "f4")}, "z must be a contiguous array of float64"),
        ({"z": frozen}, "z must be a contiguous array of float64 that can be written to"),
        ({"h": frozen}, "h must be a contiguous array of float64 that can be written to"),
        ({"index": np.array([20])}, "index names a row that is not there"),
        ({"index": np.array([-1]), "y": y[:1]}, "index names a row"),
        ({"index": np.array([], np.int64), "y": y[:0]}, "index must name a row"),
        ({"index": np.zeros(20, "i4")}, "index must be a contiguous array of int64"),
    ):
        with pytest.raises(ValueError, match=says):
            read(design, BOTH, **(good | change))
    with pytest.raises(ValueError, match=r"y is missing|need y"):
        read(design, BOTH, w=np.zeros(n), h=np.empty(20))
    with pytest.raises(ValueError, match="a point needs w and b"):
        read(design, BOTH, y=y)
    with pytest.raises(ValueError, match="norms need q"):
        read(design, What.LOSS | What.NORMS, **good)
    with pytest.raises(ValueError, match=r"q must have|there must be"):
        read(design, What.LOSS | What.NORMS, q=np.ones(n + 2), **good)
    with pytest.raises(ValueError, match="goes with a loss"):
        read(design, What.GRADIENT, **good)
    with pytest.raises(ValueError, match="HESSIAN32 goes with HESSIAN"):
        read(design, What.LOSS | What.HESSIAN32, **good)
    with pytest.raises(ValueError, match="Hessian product"):
        read(design, What.LOSS | What.PRODUCT, v=np.zeros(n + 1), **good)
    with pytest.raises(ValueError, match=f"there must be {n} elements"):
        product(design, np.ones(20), np.ones(n))
    for call in (diagonal, lambda d, h: gram(d, h, None), lambda d, h: product(d, h, np.zeros(n + 1))):
        with pytest.raises(ValueError, match="h must have 20"):
            call(design, np.ones(19))
    for columns, says in (([n], "ascending"), ([-1], "ascending"), ([1, 1], "ascending"), ([2, 1], "ascending")):
        with pytest.raises(ValueError, match=says):
            gram(design, np.ones(20), np.array(columns))
    for wrong in (View(np.zeros(n + 1), np.ones(n + 1)), View(np.zeros(n), np.ones(n - 1))):
        with pytest.raises(ValueError, match=f"there must be {n} elements|center must have|p must have"):
            read(design, BOTH, view=wrong, **good)


def test_levels_are_neither_centred_nor_scaled(rng):
    stored = STORAGES["table"](rng, 20)
    design, free = stored.design, stored.may_view
    y, n = np.zeros(20, np.uint8), stored.design.n
    assert not free.all()
    for level in np.flatnonzero(~free):
        center, p = np.zeros(n), np.ones(n)
        center[level] = 1.0
        with pytest.raises(ValueError, match="neither centred nor scaled"):
            read(design, BOTH, y=y, w=np.zeros(n), view=View(center, np.ones(n)))
        p[level] = 2.0
        with pytest.raises(ValueError, match="neither centred nor scaled"):
            read(design, BOTH, y=y, w=np.zeros(n), view=View(np.zeros(n), p))


def test_points_that_do_not_fit_are_refused(rng):
    stored = STORAGES["rows"](rng, 20)
    n, y = stored.design.n, np.zeros(20, np.uint8)
    for w, b, says in (
        (np.zeros((2, n)), np.zeros(3), "w must have"),
        (np.zeros((2, n + 1)), np.zeros(2), "w must have"),
        (np.zeros((2, n)), np.zeros((2, 3)), "w must have"),
    ):
        with pytest.raises(ValueError, match=says):
            read_points(stored.design, BOTH, w, b, y=y)
    at = np.zeros((2, n)), np.zeros(2)
    for given, says in (
        ({"row_weights": np.ones((3, 20))}, "row_weights must"),
        ({"row_weights": np.ones(20)}, "row_weights must"),
        ({"z": np.empty((1, 20))}, "z must have"),
        ({"h": np.empty((3, 20))}, "h must have"),
    ):
        with pytest.raises(ValueError, match=says):
            read_points(stored.design, BOTH, *at, y=y, **given)
    with pytest.raises(ValueError, match="a matrix is made at one point"):
        read_points(stored.design, What.LOSS | What.HESSIAN, *at, y=y)


@pytest.mark.parametrize("name", ["rows", "columns", "csr dii", "table", "everything"])
def test_a_secant_that_does_not_fit_is_refused(name, rng):
    stored = STORAGES[name](rng, 20)
    n, y, frozen = stored.design.n, rng.integers(0, 2, 20).astype(np.uint8), np.empty(20)
    frozen_r = np.empty((2, 20))
    frozen.flags.writeable = frozen_r.flags.writeable = False
    good = {
        "z": np.zeros(20),
        "v": np.ones(n + 1),
        "y": y,
        "u": np.empty(20),
        "r": np.empty((2, 20)),
        "h": np.empty(20),
    }
    secant(stored.design, **good)
    for change, says in (
        ({"z": np.zeros(19)}, "z must have 20 elements"),
        ({"z": np.zeros(20, "f4")}, "z must be .*float64"),
        ({"z": np.zeros(40)[::2]}, "z must be a contiguous"),
        ({"v": np.ones(n)}, f"there must be {n} elements"),
        ({"v": np.ones((n + 1, 1))}, f"there must be {n} elements"),
        ({"y": y[:-1]}, "y must have 20 elements"),
        ({"y": y.astype(float)}, "y must be .*uint8"),
        ({"s": np.ones(21)}, "s must have 20 elements"),
        ({"u": np.empty(21)}, "u must have 20 elements"),
        ({"u": np.empty(20, "f4")}, "u must be a contiguous"),
        ({"u": np.empty(40)[::2]}, "u must be a contiguous"),
        ({"u": frozen}, "u must be .*written to"),
        ({"r": np.empty((2, 19))}, "r must have 40 elements"),
        ({"r": np.empty((2, 20), "f4")}, "r must be a contiguous"),
        ({"r": np.empty((20, 2)).T}, "r must be a contiguous"),
        ({"r": frozen_r}, "r must be .*written to"),
        ({"h": np.empty(19)}, "h must have 20 elements"),
        ({"h": frozen}, "h must be .*written to"),
        ({"view": View(np.zeros(n + 1), np.ones(n + 1))}, f"there must be {n} elements|center must have|p must have"),
        ({"index": np.full(20, 20)}, "index names a row"),
        ({"index": np.full(20, -1)}, "index names a row"),
        ({"index": np.array([0, 1])}, "must have 2 elements"),
    ):
        with pytest.raises(ValueError, match=says):
            secant(stored.design, **(good | change))


# --- codes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("levels", [5, 300])
@pytest.mark.parametrize("other", ["number", "rows", "csr"])
def test_codes_that_are_no_levels_are_refused_by_column_and_row(levels, other, rng):
    m = 70_000
    first, second = rng.integers(0, levels, (2, m)).astype("i8")
    x = rng.normal(size=m)
    more = {
        "number": lambda: NumberColumn((Part(x, m),), 0),
        "rows": lambda: DenseRows(x[:, None]),
        "csr": lambda: Csr(x, np.zeros(m, "i4"), np.arange(m + 1), 1),
    }[other]()
    y, s, h = rng.integers(0, 2, m).astype(np.uint8), np.ones(m), np.ones(m)

    def design(a, b):
        cut = [20_000, 20_001]
        columns = [CategoryColumn(parts_of(rng, a, cuts=cut), 1, levels), CategoryColumn((Part(b, m),), levels, levels)]
        return Blocks([more, *columns], m, 2 * levels - 1)

    def reads(of, s=None, index=None):
        w, places = np.zeros(of.n), np.arange(m) if index is None else index
        how = {"s": s, "index": index, "threads": 2}
        some = np.arange(0, 2 * levels - 1, max(1, levels // 3))  # all of 300 levels would be slow
        yield lambda: read(of, BOTH, y=y[places], w=w, **how)
        yield lambda: product(of, h[places], np.zeros(of.n + 1), **how)
        yield lambda: diagonal(of, h[places], **how)
        yield lambda: gram(of, h[places], some, **how)
        yield lambda: read(of, What.LOSS | What.HESSIAN, y=y[places], w=w, columns=some, **how)
        yield lambda: read(of, MOMENTS, **how)
        classes = np.stack([y[places] == 0, y[places] == 1]).astype(float)
        points = np.zeros((2, of.n)), np.zeros(2)
        yield lambda: read_points(of, What.SUMS, *points, row_weights=classes, **how)
        yield lambda: secant(of, np.zeros(len(places)), np.zeros(of.n + 1), y=y[places], u=np.empty(len(places)), **how)

    for code in (levels, 2**31 + 1, 2**40, -1, -(2**60)):
        a, b = first.copy(), second.copy()
        a[[50_000, 33_333]] = code
        b[[44_444, 66_666]] = code
        for attempt in reads(design(a, b)):
            with pytest.raises(ValueError, match="row 33334 of column 2") as caught:
                attempt()
            assert ("is missing" if code < 0 else f"code {code}, not one of 0 to {levels - 1}") in str(caught.value)
        s[[33_333, 44_444, 50_000]] = 0.0
        for attempt in reads(design(a, b), s):
            with pytest.raises(ValueError, match="row 66667 of column 3"):
                attempt()
        for attempt in reads(design(a, b), index=np.array([3, 50_000, 3, 44_444])):
            with pytest.raises(ValueError, match=r"row 50001 of column 2|row 44445 of column 3"):
                attempt()
        s[66_666] = 0.0
        for attempt in reads(design(a, b), s):
            attempt()
        s[:] = 1.0


@pytest.mark.parametrize("levels", [5, 300])
def test_a_secant_refuses_a_code_as_a_read_does(kernel, rng, levels):
    m = 9000
    good = rng.integers(0, levels, m).astype("i4")
    v, z, u, y = np.zeros(2 * levels - 1), np.zeros(m), np.empty(m), np.zeros(m, np.uint8)
    for row, code in ((0, levels), (8191, -1), (m - 1, 2**31 - 1), (4000, -9)):
        codes = good.copy()
        codes[row] = code
        codes[row + 1 :] = np.where(rng.random(m - row - 1) < 0.01, -1, codes[row + 1 :])
        columns = [CategoryColumn((Part(c, m),), k * (levels - 1), levels) for k, c in enumerate((good, codes))]
        design = Blocks(columns, m, 2 * levels - 2)
        for threads in (1, 3):
            with pytest.raises(ValueError, match=f"row {row + 1} of column 2") as ours:
                secant(design, z, v, y=y, u=u, threads=threads)
            with pytest.raises(ValueError, match="row") as theirs:
                read(design, What.LOSS, y=y, w=v[:-1], threads=threads)
            assert str(ours.value) == str(theirs.value)
