"""Random tables as users have them, and what they are when every level is a column: made here by NumPy alone."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import scipy.sparse as sp

from chainrule.data.designs import rows_of
from missing_tools import any_mark

NUMBERS = "float64 float32 int8 int32 int64 uint16 bool Int64".split()


@dataclass
class Case:
    """A table, its labels and weights, and its expansion: X (m, n) with NaN in rows of weight 0, and the columns' names."""

    table: object
    y: np.ndarray
    s: np.ndarray | None
    coding: str
    X: np.ndarray
    names: list[str]
    numeric: np.ndarray

    @property
    def kept(self):
        return np.ones(len(self.y), dtype=bool) if self.s is None else self.s > 0

    @property
    def filled(self):
        """The expansion with zeros in rows of weight 0, as a user would hand it over."""
        return np.where(self.kept[:, np.newaxis], self.X, 0.0)

    def rows(self, of=None, threads=1):
        """The table, or another form of its expansion, as rows."""
        of = self.table if of is None else of
        names = None if of is self.table else self.names
        with any_mark():
            return rows_of(of, self.y, self.s, names, self.coding, threads)[0]

    def storages(self, threads=1):
        """Rows of the table, of its expansion as a sparse matrix and as a dense one."""
        X = sp.csr_array(np.nan_to_num(self.X, nan=7.5))
        return self.rows(threads=threads), self.rows(X, threads), self.rows(np.asfortranarray(self.X), threads)


def _number(rng, m, kept, holes):
    """A column of numbers as pandas and as Arrow have it, and its values, NaN where missing."""
    kind = str(rng.choice(NUMBERS))
    values = rng.normal(size=m) * 2.0 ** rng.integers(-4, 5) + rng.choice([0.0, 0.0, 3.0])
    if kind not in ("float64", "float32"):
        values = rng.integers(0, 2, m) if kind == "bool" else rng.integers(0 if kind == "uint16" else -9, 10, m)
    values = values.astype(kind.lower()).astype(float)
    lost = (rng.random(m) < 0.2) & holes
    if not (kept & ~lost).any():
        lost[:] = False
    mask = lost if lost.any() else None
    values[lost] = np.nan
    numbers = np.nan_to_num(values).astype(kind.lower())
    if kind in ("float64", "float32"):
        plain = values.astype(kind)
        return plain, pa.array(plain, mask=mask if rng.random() < 0.5 else None), values
    nullable = "boolean" if kind == "bool" else kind.title().replace("Ui", "UI")
    frame = numbers if mask is None and kind != "Int64" else pd.array(np.where(lost, None, numbers), dtype=nullable)
    return frame, pa.array(numbers, mask=mask), values


def _category(rng, m, kept, holes):
    """A column of levels likewise; its codes, -1 where missing, and its levels."""
    k = int(rng.choice([1, 2, 3, 12, 40]))
    share = rng.exponential(size=k) ** 3 + 1e-3
    codes = rng.choice(k, size=m, p=share / share.sum())
    codes[(rng.random(m) < 0.2) & holes] = -1
    if not (kept & (codes >= 0)).any():
        codes[:] = 0
    levels = [f"v{j}" for j in rng.permutation(k)]
    small = codes.astype(rng.choice(["int8", "int16", "int32"]))
    arrow = pa.DictionaryArray.from_arrays(pa.array(np.maximum(small, 0), mask=small < 0), pa.array(levels))
    return pd.Categorical.from_codes(codes, levels), arrow, codes, levels


def _weights(rng, m, y):
    if rng.random() < 0.4:
        return None
    s = rng.choice([0.0, 0.0, 0.25, 1.0, 3.0], m) if rng.random() < 0.7 else rng.exponential(size=m)
    s[:2] = 1.0  # a row of each class
    return s


def _chunked(rng, column):
    cut = int(rng.integers(0, len(column) + 1))
    return pa.chunked_array([column[:cut], column[cut:cut], column[cut:]])


def random_case(seed, m=None):
    """Some numbers and categories, missing values, zero weights, rare levels, one level, both codings."""
    rng = np.random.default_rng([seed, 5])
    m = int(rng.choice([3, 20, 90, 300, 1500], p=[0.1, 0.2, 0.3, 0.3, 0.1])) if m is None else m
    y = rng.integers(0, 2, m)
    y[:2] = (0, 1)
    s = _weights(rng, m, y)
    kept = np.ones(m, dtype=bool) if s is None else s > 0
    coding = str(rng.choice(["reference", "all"]))
    frame, arrow, X, names, numeric = {}, {}, [], [], []
    for k in range(int(rng.integers(0, 4))):
        frame[f"x{k}"], arrow[f"x{k}"], values = _number(rng, m, kept, rng.random() < 0.4)
        lost = np.isnan(values)
        there = kept & ~lost
        marked = bool((kept & lost).any())
        mean = np.average(values[there], weights=None if s is None else s[there])
        X += [np.where(lost, mean, values), *([lost * 1.0] if marked else [])]
        names += [f"x{k}", *([f"x{k} missing"] if marked else [])]
        numeric += [True, *([False] if marked else [])]
    for k in range(int(rng.integers(0 if X else 1, 4))):
        frame[f"c{k}"], arrow[f"c{k}"], codes, levels = _category(rng, m, kept, rng.random() < 0.4)
        seen = [j for j in [*range(len(levels)), -1] if (kept & (codes == j)).any()][int(coding == "reference") :]
        X += [codes == j for j in seen]
        names += [f"c{k}={levels[j] if j >= 0 else '(missing)'}" for j in seen]
        numeric += [False] * len(seen)
    if not names:
        return random_case(seed + 100_000, m)
    X = np.column_stack(X).astype(float)
    X[~kept] = np.nan
    if rng.random() < 0.5:
        table = pa.table({name: _chunked(rng, column) for name, column in arrow.items()})
    else:
        table = pd.DataFrame(frame)
        table = table if any(name.startswith("c") for name in frame) else pa.Table.from_pandas(table)
    return Case(table, y, s, coding, X, names, np.array(numeric))
