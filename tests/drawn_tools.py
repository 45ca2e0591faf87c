"""Problems that hypothesis draws: small ones, which shrink to the smallest that fails; the same ones every time."""

import numpy as np
from hypothesis import assume, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

drawn = settings(deadline=None, derandomize=True, max_examples=60)
few = settings(drawn, max_examples=25)  # where an example takes some milliseconds

CELLS = {
    "number": st.none() | st.floats(-1e6, 1e6) | st.just(0.0),
    "text": st.none() | st.sampled_from(["a", "b", "é", "(missing)", ""]),
    "flag": st.none() | st.booleans(),
}


def numbers(shape, most=3.0):
    """Numbers of either sign, zeros and subnormal ones among them."""
    return arrays(float, shape, elements=st.floats(-most, most), fill=st.nothing())


def whole(shape, most):
    """Whole numbers of either sign."""
    return arrays(np.int64, shape, elements=st.integers(-most, most), fill=st.nothing())


def classes(m):
    """Labels of m rows; the first two are 0 and 1."""
    others = arrays(np.uint8, m - 2, elements=st.integers(0, 1), fill=st.nothing())
    return others.map(lambda y: np.append(np.array([0, 1], dtype=np.uint8), y))


@st.composite
def whole_tables(draw, most_rows=(40, 25, 13)):
    """Columns of whole numbers whose rank with the 1 is full, labels of both classes by a plane, and a power of two a column.

    Some labels are turned, most rows on the plane have one of their own: separated, nearly so, and overlapping.
    """
    n = draw(st.integers(1, len(most_rows)))
    m = draw(st.integers(n + 3, most_rows[n - 1]))
    largest = draw(st.sampled_from([3, 12, 1000, 10**5]))
    X = draw(arrays(np.int64, (m, n), elements=st.integers(-largest, largest), fill=st.nothing()))
    w, b = draw(arrays(np.int64, n, elements=st.integers(-2, 2))), draw(st.integers(-1, 1))
    z = X @ w + b
    y = np.where(z == 0, draw(arrays(bool, m)), z > 0)
    for i in draw(st.lists(st.integers(0, m - 1), max_size=3)):
        y[i] = not y[i]
    assume(y.any() and not y.all() and np.linalg.matrix_rank(np.column_stack([X, np.ones(m)])) == n + 1)
    return X, y, 2.0 ** draw(arrays(np.int64, n, elements=st.integers(-27, 27)))


@st.composite
def tables(draw, most_rows=60, most_columns=6):
    """Numbers of any units and offsets with labels of both classes, and weights or None."""
    m, n = draw(st.integers(5, most_rows)), draw(st.integers(1, most_columns))
    X = draw(arrays(float, (m, n), elements=st.floats(-4, 4, width=32)))
    scale = 10.0 ** draw(arrays(float, n, elements=st.floats(-2, 2)))
    offset = draw(arrays(float, n, elements=st.sampled_from([0.0, 1.0, -30.0])))
    s = draw(st.none() | arrays(float, m, elements=st.floats(0.1, 3.0)))
    y = draw(arrays(np.uint8, m, elements=st.integers(0, 1), fill=st.nothing()))
    y[:2] = (0, 1)
    return (X + offset) * scale, y, s
