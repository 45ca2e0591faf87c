"""The real sets as workloads: `matrix(name)` and `frame(name)`; the data are fetched once (`datasets.py`).

A set of many classes is its most frequent class against the rest. As a matrix: numbers standardised, text as tf-idf, words as
their hashed n-grams of characters, categories one-hot. The penalty is 1/m.
"""

from functools import partial
from typing import Any

import numpy as np
from datasets import load
from designs import Labels, Workload, rows_of
from scipy import sparse

from chainrule.data.missing import ENOUGH

SETS = (
    "adult", "allstar", "anes96", "breast_cancer", "caravan", "challenger", "crash_deaths", "credit_data", "default", "digits",
    "dna", "endometrial", "fair", "fertility", "fine_foods", "flights_3m", "french_or_german", "german_credit", "grants",
    "house_votes", "insteval", "ionosphere", "kdd_census", "khan", "kyphosis", "low_birth_weight", "magic", "military",
    "mnist_5k", "movielens", "mroz", "mushroom", "name_gender", "newsgroups20", "newsgroups_comp", "nycflights", "pd_speech",
    "penguins_sex", "penguins_species", "pima", "reuters8", "satellite", "shuttle", "shuttle7", "smarket", "sonar",
    "spam_assassin", "spambase", "spector", "sylva", "telco_churn", "tissue_gene_expression", "titanic", "wells",
    "wordnet_lexfile", "wordnet_noun",
)  # fmt: skip
CHOOSING, MEASURED = SETS[::2], SETS[1::2]  # positions 1, 3, ... and 2, 4, ...
WIDE, RARE = 500, 0.1  # columns and share of numbers that aren't 0: such numbers stay sparse, divided by their largest
DENSE = 150  # columns, below which a sparse matrix with a fifth of its numbers not 0 becomes an array


def labels(y: Any) -> Labels:
    """Give the classes as 0 and 1: of many the most frequent against the rest."""
    found, codes = np.unique(np.asarray(y), return_inverse=True)
    if len(found) > 2:
        codes = codes == np.bincount(codes).argmax()
    return codes.astype(np.int64)


def numbers(x: Any) -> list[Any]:
    """Standardise numbers, missing ones as the median and marked; wide ones that are mostly 0 stay sparse."""
    if x.shape[1] > WIDE and np.count_nonzero(x[:2000]) < RARE * x[:2000].size:
        largest = np.abs(x).max(axis=0)
        return [sparse.csr_matrix(x) @ sparse.diags(1.0 / np.where(largest > 0, largest, 1.0))]
    lost = np.isnan(x)
    x = np.where(lost, np.nanmedian(x, axis=0), x)
    sd = x.std(axis=0)
    return [(x - x.mean(axis=0)) / np.where(sd > 0, sd, 1.0), lost[:, lost.any(axis=0)].astype(float)]


def encoded(table: Any) -> Any:
    """Make a matrix of a set: an array, or CSR."""
    from pandas.api.types import is_numeric_dtype
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer
    from sklearn.preprocessing import OneHotEncoder

    parts: list[Any] = []
    if "text" in table:
        parts.append(TfidfVectorizer(min_df=2, sublinear_tf=True).fit_transform(table["text"]))
    if "chars" in table:
        hashing = HashingVectorizer(
            analyzer="char_wb", ngram_range=(1, 4), n_features=2**18, norm="l2", alternate_sign=False
        )
        parts.append(hashing.transform(table["chars"]))
    rest = [name for name in table if name not in ("text", "chars")]
    of_numbers = [name for name in rest if is_numeric_dtype(table[name])]
    words = [name for name in rest if name not in of_numbers]
    if of_numbers:
        parts += numbers(table[of_numbers].to_numpy(float))
    if words:
        known = table[words].astype(object)
        parts.append(OneHotEncoder(dtype=float).fit_transform(known.where(known.notna(), "(missing)").astype(str)))
    if all(isinstance(part, np.ndarray) for part in parts):
        return np.ascontiguousarray(np.hstack(parts))
    X = sparse.hstack([sparse.csr_matrix(part) for part in parts]).tocsr()
    if X.shape[1] < DENSE and X.nnz > 0.2 * X.shape[0] * X.shape[1]:
        return X.toarray()
    used = np.flatnonzero(np.bincount(X.indices, minlength=X.shape[1]))  # of hashed words many places stay empty
    return sparse.csr_matrix(X[:, used])


def some(m: int, size: float) -> Any:
    """Places of a share of the rows, at random, ascending."""
    kept = min(m, rows_of(m, size))
    return slice(None) if kept == m else np.sort(np.random.default_rng(9).choice(m, kept, replace=False))


def matrix(name: str, size: float = 1.0) -> Workload:
    """Build a set's workload on its matrix."""
    table, y = load(name)
    X, codes = encoded(table), labels(y)
    at = some(len(codes), size)
    X, codes = X[at], codes[at]
    what = f"CSR, {X.nnz / X.shape[0]:.1f} a row" if sparse.issparse(X) else "dense"
    return Workload(name, X, codes, 1 / len(codes), f"{X.shape[0]:,} x {X.shape[1]:,} {what}")


def filled(column: Any, codes: Labels) -> Any:
    """Fill in a column's missing values where too few rows of a class lack one: ours makes no mark of these."""
    lost = column.isna()
    if not lost.any() or np.bincount(codes[lost], minlength=2).min() >= ENOUGH:
        return column
    return column.fillna(column.mode()[0] if column.dtype == "category" else column.mean())


def frame(name: str, size: float = 1.0) -> Workload | None:
    """Build a set's workload on its frame, texts as categories; None where it is free text."""
    from pandas.api.types import is_numeric_dtype

    table, y = load(name)
    if {"text", "chars"} & set(table):
        return None
    at = some(len(table), size)
    texts = [column for column in table if not is_numeric_dtype(table[column])]
    X = table.astype(dict.fromkeys(texts, "category")).iloc[at].reset_index(drop=True)
    X = X.drop(columns=[column for column in X if X[column].nunique() < 2])  # a peer divides by its deviation
    codes = labels(y)[at]
    X = X.apply(filled, codes=codes)
    data = Workload(name, X, codes, 1 / len(codes), "", standardize=True)
    shape = f"{len(X):,} x {len(X.columns)} frame, {len(texts)} of them categories, {data.width:,} columns as one-hot"
    return Workload(name, X, codes, data.alpha, shape, standardize=True)


REAL = {
    **{name: partial(frame, name) for name in ("flights_3m", "kdd_census", "nycflights", "adult")},
    **{name: partial(matrix, name) for name in ("grants", "spam_assassin", "pd_speech", "khan")},
}
