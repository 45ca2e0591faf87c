"""Levels with rows of one class only: infinite coefficients, and the fit of the rows that they leave."""

import warnings

import numpy as np
import pyarrow as pa
import pytest

from chainrule import fit


def quiet(*given, **how):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fit(*given, **how)


def left_by_counting(columns, y, s):
    """Brute force: the rows left, and the levels of one class by round, each with its class."""
    left, rounds = [i for i in range(len(y)) if s[i] > 0], []
    while True:
        found = {}
        for name, values in columns.items():
            for level in {values[i] for i in left}:
                seen = {y[i] for i in left if values[i] == level}
                if len(seen) == 1:
                    found[name, level] = seen.pop()
        if not found:
            return left, rounds
        rounds.append(found)
        left = [i for i in left if not any((name, values[i]) in found for name, values in columns.items())]


def least_loss(X, y, s):
    """Minimum of the sum of the losses, by Newton in long double with a vanishing ridge."""
    A = np.column_stack([X, np.ones(len(y))]).astype(np.longdouble)
    theta, y, s = np.zeros(A.shape[1], np.longdouble), y.astype(np.longdouble), s.astype(np.longdouble)
    for _ in range(60):
        g = 1 / (1 + np.exp(-(A @ theta)))
        H = ((A * (s * g * (1 - g))[:, None]).T @ A).astype(np.float64)
        step = np.linalg.lstsq(H + 1e-13 * np.eye(len(H)), (A.T @ (s * (y - g))).astype(np.float64), rcond=None)[0]
        theta = theta + step
    z = A @ theta
    return float((s * (np.logaddexp(np.longdouble(0), z) - y * z)).sum()), theta.astype(np.float64)


def drawn(seed, weighted=False):
    rng = np.random.default_rng(seed)
    m = int(rng.integers(20, 120))
    columns = {}
    for name, k in (("a", 7), ("b", 4), ("c", 9)):
        share = rng.dirichlet(np.full(k, 0.6))
        columns[name] = [f"{name}{level}" for level in rng.choice(k, size=m, p=share)]
    x = rng.normal(size=m).round(2)
    y = (rng.random(m) < 1 / (1 + np.exp(-x - 0.3))).astype(int)
    y[:2] = 0, 1
    s = rng.integers(0, 3, m).astype(float) if weighted else np.ones(m)
    s[:2] = 1
    return x, columns, y, s


@pytest.mark.parametrize("seed", range(60))
def test_rows_and_coefficients_of_the_limit(seed):
    """The infinite coefficients are those that counting finds; the others are the fit of the rows left, and F its share."""
    x, columns, y, s = drawn(seed, seed % 2 == 1)
    left, rounds = left_by_counting(columns, y, s)
    result = quiet(pa.table({"x": x, **columns}), y, sample_weight=s if seed % 2 else None, tol=1e-10)
    if not rounds or len({y[i] for i in left}) < 2:
        assert not result.infinite.any()
        return
    wanted = {
        f"{name}={level}": k * (1 if of else -1)
        for k, found in enumerate(rounds, 1)
        for (name, level), of in found.items()
    }
    names = dict(zip(result.feature_names, result.infinite.tolist(), strict=True))
    for name, value in wanted.items():
        assert names[name] == value, name
    assert {name for name, value in names.items() if value} == set(wanted)
    assert result.objective == pytest.approx(result.loss)
    S = s.sum()
    there = [c for c in result.encodings if c.kind == "category"]
    live = [
        j
        for j, name in enumerate(result.feature_names)
        if j == 0 or any(f"{c.name}={columns[c.name][i]}" == name for c in there for i in left)
    ]
    X = np.array(
        [
            [
                x[i],
                *(
                    float(columns[result.feature_names[j].split("=")[0]][i] == result.feature_names[j].split("=")[1])
                    for j in live[1:]
                ),
            ]
            for i in left
        ]
    )
    best, theta = least_loss(X, y[left], s[left])
    inf_F, proven = best / S, result.certificate
    assert proven.kind == "ridge" or result.objective == pytest.approx(inf_F, abs=1e-9)
    assert proven.infimum_at_least <= inf_F + 1e-13
    assert result.objective - inf_F <= proven.infimum_gap + 1e-13
    if proven.kind == "limit":
        assert result.reason == "no_optimum"
        assert result.objective - inf_F >= proven.lower - 1e-13
        assert np.all(np.abs(result.w[live] - theta[:-1]) <= proven.coef[live] + 1e-6)
        assert np.isinf(proven.coef[result.infinite != 0]).all()
    # the finite stand-ins: each row that left costs at most 1e-8
    z = np.array(
        [
            result.b
            + result.w[0] * x[i]
            + sum(
                w
                for name, w in zip(result.feature_names, result.w, strict=True)
                if "=" in name and columns[name.split("=")[0]][i] == name.split("=")[1]
            )
            for i in range(len(y))
        ]
    )
    gone = np.setdiff1d(np.flatnonzero(s > 0), left)
    assert np.logaddexp(0, -(2 * y[gone] - 1) * z[gone]).max() <= 1.001e-8
