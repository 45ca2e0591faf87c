"""Newton's reads on data that mislead samples: a table of cases, each compared with the same rows without the difficulty.

`python benchmarks/reads.py` takes about half a minute. No case should take more than a few reads beyond the plain one.
"""

import warnings
from collections.abc import Callable, Iterator

import numpy as np

from chainrule import ChainruleWarning, fit

Table = tuple[np.ndarray, np.ndarray]


def table(rng: np.random.Generator, m: int, n: int) -> Table:
    X = rng.normal(size=(m, n)) @ (np.eye(n) + 0.3 * rng.normal(size=(n, n)) / np.sqrt(n))
    return X, (X @ rng.normal(size=n) / np.sqrt(n) + 0.3 + rng.logistic(size=m) > 0).astype(int)


def reads(X: np.ndarray, y: np.ndarray, **options: object) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ChainruleWarning)
        result = fit(X, y, method="newton", **options)
    assert result.certificate.proven
    return result.reads


def by_order(X: np.ndarray, y: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Orders of the rows that could mislead samples of evenly spread rows."""
    yield "sorted by y", np.argsort(y, kind="stable")
    yield "sorted by a column", np.argsort(X[:, 0])
    for period in (8, 1024, 1200):  # lanes, a block, the stretches of the first sample
        yield f"period of {period} rows", np.argsort(np.arange(len(y)) % period, kind="stable")


def periodic(period: int) -> Callable[[np.ndarray, np.ndarray], None]:
    def change(X: np.ndarray, y: np.ndarray) -> None:
        X[:, 3] = np.arange(len(y)) % period < max(1, period // 8)

    return change


def constant_at_first(X: np.ndarray, y: np.ndarray) -> None:
    X[: len(y) * 9 // 10, 3] = 7.0


def rare_level(count: int) -> Callable[[np.ndarray, np.ndarray], None]:
    def change(X: np.ndarray, y: np.ndarray) -> None:
        X[:, 3] = 0.0
        X[-count:, 3] = 1.0
        y[-count:] = np.arange(count) % 2

    return change


COLUMNS = {
    "column of period 8": periodic(8),
    "column of period 1024": periodic(1024),
    "column of period 2400": periodic(2400),
    "column constant for nine tenths": constant_at_first,
    **{f"level of the last {count} rows": rare_level(count) for count in (1000, 100, 12)},
}


def rare_class(rng: np.random.Generator, m: int, n: int, count: int) -> Table:
    X, y = rng.normal(size=(m, n)).astype(np.float32), np.zeros(m, dtype=int)
    y[rng.choice(m, count, replace=False)] = 1
    X[y == 1] += np.float32(0.5) * rng.normal(size=n).astype(np.float32)
    return X, y


def cases(rng: np.random.Generator) -> Iterator[tuple[str, float, float]]:
    """Each case's name, its reads, and the reads of the plain rows."""
    X, y = table(rng, 150_000, 10)
    plain = reads(X, y, tol=1e-9)
    for name, order in by_order(X, y):
        yield name, reads(X[order], y[order], tol=1e-9), plain
    for name, change in COLUMNS.items():
        X, y = table(rng, 300_000, 12)
        plain = reads(X, y)
        change(X, y)
        yield name, reads(X, y), plain
    X, y = table(rng, 100_000, 12)
    scale = 10.0 ** np.linspace(-8, 8, 12)
    plain = reads((X - X.mean(axis=0)) / X.std(axis=0), y)
    yield "units from 1e-8 to 1e8", reads(X * scale, y), plain
    yield "a thousand deviations from 0", reads((X + 1000.0) * scale, y), plain
    levels = np.eye(5)[rng.integers(0, 5, len(y))]
    for name, more in (
        ("a repeated sum", X[:, :1] + X[:, 1:2]),
        ("a repeated sum in float32", (X[:, :1] + X[:, 1:2]).astype(np.float32)),
        ("all levels of a category", levels),
    ):
        kind = more.dtype
        yield name, reads(np.c_[X.astype(kind), more], y), plain
    for m, n, count in ((1_000_000, 5, 10), (1_000_000, 10, 30), (300_000, 30, 163), (200_000, 6, 60)):
        yield f"{count} rows of one class in {m:,}", reads(*rare_class(rng, m, n, count)), reads(*table(rng, m, n))


def main() -> None:
    print(f"{'case':36}{'reads':>8}{'plain':>8}{'more':>8}")
    for name, found, plain in cases(np.random.default_rng(1)):
        print(f"{name:36}{found:8.2f}{plain:8.2f}{found - plain:8.2f}", flush=True)


if __name__ == "__main__":
    main()
