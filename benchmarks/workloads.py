"""The workloads of the fit benchmark: made here from fixed seeds, or real (`sets.py`)."""

from collections.abc import Callable

import numpy as np
from designs import Coding, Labels, Vector, Workload, chunks, rows_of
from scipy.sparse import csr_matrix
from scipy.special import expit
from sets import REAL

LEVELS = (10, 50, 200, 1000, 2000)  # of the categories of onehot and zipf
A_ROW = 60  # columns in a row of text


def labels(rng: np.random.Generator, z: Vector) -> Labels:
    return (rng.random(z.size) < expit(z)).astype(np.int64)


def tall(size: float = 1.0) -> Workload:
    """Columns 20 to 27 are the absolute values of columns 0 to 7, as derived features often are."""
    rng = np.random.default_rng(1)
    m, n = rows_of(2_000_000, size), 28
    X = rng.standard_normal((m, n))
    X[:, 20:] = np.abs(X[:, :8])
    w = rng.normal(size=n) / np.sqrt(n)
    return Workload("tall", X, labels(rng, X @ w - 0.3), 1 / m, f"{m:,} x {n} normal, 8 columns abs of others")


def mid(size: float = 1.0) -> Workload:
    """Thirty factors carry four fifths of every column's variance."""
    rng = np.random.default_rng(2)
    m, n, factors = rows_of(200_000, size), 300, 30
    loadings = rng.normal(size=(factors, n)) * np.sqrt(0.8 / factors)
    X = rng.standard_normal((m, factors)) @ loadings
    for part in chunks(m):
        X[part] += np.sqrt(0.2) * rng.standard_normal((part.stop - part.start, n))
    w = rng.normal(size=n) * 1.5 / np.sqrt(n)
    return Workload("mid", X, labels(rng, X @ w - 0.5), 1 / m, f"{m:,} x {n}, correlated")


def raw(size: float = 1.0) -> Workload:
    """Scales from 1e-3 to 1e4 in random order; means a few deviations away from 0."""
    rng = np.random.default_rng(3)
    m, n = rows_of(500_000, size), 30
    X = rng.standard_normal((m, n))
    w = rng.normal(size=n) * 1.5 / np.sqrt(n)
    z = X @ w - 1.0
    X += 3.0 * rng.normal(size=n)
    X *= rng.permutation(np.logspace(-3, 4, n))
    return Workload("raw", X, labels(rng, z), 1e-9, f"{m:,} x {n}, scales 1e-3 to 1e4, off centre, lambda 1e-9")


def small(size: float = 1.0) -> Workload:
    """Standardise the breast cancer data that come with scikit-learn; `size` does nothing."""
    from sklearn.datasets import load_breast_cancer

    X, y = load_breast_cancer(return_X_y=True)
    X = np.ascontiguousarray((X - X.mean(axis=0)) / X.std(axis=0))
    return Workload("small", X, y.astype(np.int64), 1 / len(y), "breast cancer, 569 x 30, standardised")


def wide(size: float = 1.0) -> Workload:
    rng = np.random.default_rng(6)
    m, n = rows_of(20_000, size), 2000
    X = rng.standard_normal((m, n))
    w = rng.normal(size=n) * 1.5 / np.sqrt(n)
    return Workload("wide", X, labels(rng, X @ w - 0.3), 10 / m, f"{m:,} x {n} normal, lambda 10/m")


def text(size: float = 1.0) -> Workload:
    """Make 100,000 documents of 60 words. `size` scales the columns too."""
    return documents("text", rows_of(100_000, size), max(500, round(100_000 * size)), A_ROW)


def documents(name: str, m: int, n: int, a_row: int) -> Workload:
    """Make documents of `a_row` different words, drawn by Zipf's law; log1p of their counts, rows of length 1."""
    rng = np.random.default_rng(7)
    bounds = np.cumsum(1.0 / np.arange(1, n + 1))
    order = rng.permutation(n)  # frequent words can be anywhere, as in alphabetical order
    indices = np.empty((m, a_row), np.int32)
    for part in chunks(m):
        indices[part] = different(rng, bounds, part.stop - part.start, a_row)
    indices = np.sort(order[indices].astype(np.int32), axis=1)
    values = np.log1p(rng.geometric(0.6, size=(m, a_row)))
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    X = csr_matrix((values.ravel(), indices.ravel(), np.arange(m + 1, dtype=np.int32) * a_row), shape=(m, n))
    w = rng.normal(size=n) * 4.0
    return Workload(name, X, labels(rng, X @ w - 0.5), 1 / m, f"{m:,} x {n:,} CSR, {a_row} a row, Zipf columns")


def different(rng: np.random.Generator, bounds: Vector, m: int, a_row: int) -> np.ndarray:
    """Draw rows of words without repeats, (m, a_row): repeated words are drawn again."""
    rows = np.sort(np.searchsorted(bounds, rng.random((m, a_row)) * bounds[-1]), axis=1)
    unsettled = np.arange(m)
    while True:
        part = rows[unsettled]
        again = np.zeros(part.shape, bool)
        again[:, 1:] = part[:, 1:] == part[:, :-1]
        if not again.any():
            return rows
        part[again] = np.searchsorted(bounds, rng.random(int(again.sum())) * bounds[-1])
        part.sort(axis=1)
        rows[unsettled] = part
        unsettled = unsettled[again.any(axis=1)]


def onehot_columns(size: float = 1.0) -> Workload:
    """Ten normal columns and five categories, their levels' shares falling as the power -0.7 of the rank."""
    return mixed_columns("onehot_columns", rows_of(1_000_000, size), 10, LEVELS)


def mixed_columns(name: str, m: int, n: int, of_levels: tuple[int, ...]) -> Workload:
    """Make a frame of normal columns and a category of each number of levels."""
    import pandas as pd

    rng = np.random.default_rng(8)
    numbers = rng.standard_normal((n, m))
    z = 0.3 * rng.normal(size=n) @ numbers - 0.5
    columns: dict[str, object] = {f"x{j}": x for j, x in enumerate(numbers, 1)}
    for levels in of_levels:
        share = np.arange(1.0, levels + 1) ** -0.7
        codes = rng.permutation(levels)[np.searchsorted(np.cumsum(share / share.sum())[:-1], rng.random(m))]
        z += 0.4 * rng.normal(size=levels)[codes]
        named = pd.Categorical.from_codes(codes, [f"level {k:04d}" for k in range(levels)])
        another = "another " if f"of {levels}" in columns else ""
        columns[f"{another}of {levels}"] = named.remove_unused_categories()
    words = f"{m:,} x {n} numbers and categories of {', '.join(map(str, of_levels))} levels, a pandas frame"
    return Workload(name, pd.DataFrame(columns), labels(rng, z), 1 / m, words)


def onehot_csr(size: float = 1.0) -> Workload:
    """Give the same as SciPy's CSR, all levels."""
    data = onehot_columns(size)
    X = Coding(data.X, standardize=False).design(data.X)
    return Workload("onehot_csr", X, data.y, data.alpha, data.words.replace("a pandas frame", "all of them as CSR"))


def zipf_columns(size: float = 1.0) -> Workload:
    """Ten normal columns and five categories whose commonest level has two rows of five, and hundreds of levels a few."""
    import pandas as pd

    rng = np.random.default_rng(9)
    m = rows_of(1_000_000, size)
    numbers = rng.standard_normal((10, m))
    z = rng.normal(0.0, 0.5, 10) @ numbers - 1.0
    columns: dict[str, object] = {f"x{j}": x for j, x in enumerate(numbers, 1)}
    for levels in LEVELS:
        codes = rng.zipf(1.5, m) % levels
        z += rng.normal(0.0, 0.5, levels)[codes]
        named = pd.Categorical.from_codes(codes, [f"level {k:04d}" for k in range(levels)])
        columns[f"of {levels}"] = named.remove_unused_categories()
    words = f"{m:,} x 10 numbers and categories of {', '.join(map(str, LEVELS))} levels by Zipf's law, a pandas frame"
    return Workload("zipf_columns", pd.DataFrame(columns), labels(rng, z), 1 / m, words)


def zipf_csr(size: float = 1.0) -> Workload:
    """Give the same as SciPy's CSR, all levels."""
    data = zipf_columns(size)
    X = Coding(data.X, standardize=False).design(data.X)
    return Workload("zipf_csr", X, data.y, data.alpha, data.words.replace("a pandas frame", "all of them as CSR"))


def normal(m: int, n: int) -> Workload:
    """Plain normal columns, for cost against size."""
    rng = np.random.default_rng(4)
    X = rng.standard_normal((m, n))
    w = rng.normal(size=n) * 1.2 / np.sqrt(n)
    return Workload(f"{m} x {n}", X, labels(rng, X @ w - 0.3), 1 / m, f"{m:,} x {n} normal")


MADE = (tall, mid, raw, small, wide, text, onehot_csr, onehot_columns, zipf_csr, zipf_columns)
WORKLOADS: dict[str, Callable[[float], Workload]] = {**{make.__name__: make for make in MADE}, **REAL}

# The fastest peers of earlier runs, the fastest first; if an entry needs too much memory, its row says so.
ARRAYS = ("oneDAL lbfgs", "glum irls-ls", "glum lbfgs", "sklearn newton-cholesky", "sklearn lbfgs")
TABLES = ("glum irls-ls", "sklearn newton-cholesky", "sklearn lbfgs")
FEW_ROWS = ("sklearn lbfgs", "sklearn newton-cg", "LIBLINEAR", "sklearn liblinear", "glum irls-ls", "glum lbfgs",
            "sklearn newton-cholesky")  # fmt: skip
FASTEST: dict[str, tuple[str, ...]] = {
    "tall": ARRAYS,
    "mid": ARRAYS,
    "raw": ("glum lbfgs", "glum irls-ls", "sklearn newton-cholesky", "sklearn lbfgs"),
    "small": ("sklearn newton-cholesky", "sklearn liblinear", "LIBLINEAR", "sklearn lbfgs", "statsmodels GLM"),
    "wide": ("oneDAL lbfgs", "sklearn lbfgs", "sklearn newton-cg"),
    "text": ("sklearn newton-cg", "sklearn lbfgs", "LIBLINEAR", "glum irls-ls"),
    "onehot_csr": ("glum irls-ls", "sklearn newton-cholesky", "sklearn newton-cg", "sklearn lbfgs", "glum lbfgs"),
    "onehot_columns": TABLES,
    "zipf_csr": ("glum irls-ls", "sklearn newton-cholesky", "sklearn newton-cg", "sklearn lbfgs"),
    "zipf_columns": TABLES,
    "flights_3m": TABLES,
    "kdd_census": TABLES,
    "nycflights": TABLES,
    "adult": TABLES,
    "grants": TABLES,
    "spam_assassin": ("sklearn newton-cg", "sklearn lbfgs", "LIBLINEAR"),
    "pd_speech": FEW_ROWS,
    "khan": FEW_ROWS,
}
