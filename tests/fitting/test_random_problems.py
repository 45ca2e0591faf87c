"""Random problems of all kinds that are hard: each ends finite, and with a certificate or a cause."""

import warnings

import numpy as np
import pytest

from chainrule import fit
from chainrule.errors import ChainruleWarning

KINDS = "normal heavy cauchy near-collinear heavy-collinear integers rare levels near-separated".split()


def random_data(seed):
    """Scales 1e-4 to 1e4, offsets to 1000 deviations, weights 1e-6 to 1e3, heavy tails, columns collinear to 1e-9."""
    rng = np.random.default_rng([seed, 77])
    n = int(rng.integers(1, 9))
    m = int(rng.integers(8 + 4 * n, rng.choice([100, 400, 3000]) + 8 + 4 * n))
    kind = KINDS[seed % len(KINDS)]
    X = rng.normal(size=(m, n))
    if kind in ("heavy", "heavy-collinear", "cauchy"):
        X = rng.standard_t(1.0 if kind == "cauchy" else 1.5, size=(m, n))
    if kind == "integers":
        X = rng.integers(-3, 4, size=(m, n)).astype(float)
    if kind == "levels":
        X = np.eye(n + 1)[rng.integers(0, n + 1, size=m)][:, :n]
    z = X @ rng.normal(size=n) * rng.choice([0.2, 1.0, 3.0]) / np.sqrt(n) + rng.normal()
    y = (rng.logistic(size=m) + z > 0).astype(int)
    if kind == "near-separated":
        y = (z > np.median(z)).astype(int)
        flipped = rng.integers(0, m, size=int(rng.integers(1, 4)))
        y[flipped] = 1 - y[flipped]
    if kind == "rare":
        y = np.zeros(m, dtype=int)
        y[rng.choice(m, size=int(rng.integers(2, 6)), replace=False)] = 1
    if "collinear" in kind and n > 1:
        X[:, -1] = X[:, :-1] @ rng.normal(size=n - 1) + 10.0 ** rng.uniform(-9, -2) * rng.normal(size=m)
    y[:2] = (0, 1)
    X = (X + rng.choice([0.0, 10.0, 1000.0]) * rng.normal(size=n)) * 10.0 ** rng.uniform(-4, 4, size=n)
    s = 10.0 ** rng.uniform(-6, 3, size=m) if rng.random() < 0.2 else None
    if s is None and rng.random() < 0.15:
        s = rng.integers(0, 3, size=m).astype(float)
        s[:2] = 1.0
    X = X.astype(np.float32) if rng.random() < 0.2 else X
    options = {"sample_weight": s, "alpha": float(rng.choice([0.0, 0.0, 0.0, 1.0, 1e-3, 1e-10]))}
    if rng.random() < 0.15:
        options["fit_intercept"] = False
    elif rng.random() < 0.3:
        options["standardize"] = True
    return X, y, options


@pytest.mark.parametrize("start", range(0, 360, 60))
def test_every_problem_ends_with_a_certificate_or_a_cause(start):
    for seed in range(start, start + 60):
        X, y, options = random_data(seed)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            result = fit(X, y, method="newton", **options)
        assert all(issubclass(w.category, ChainruleWarning) for w in caught), seed
        assert np.isfinite([*result.w, result.b, result.objective]).all(), seed
        certificate = result.certificate
        assert result.reads <= 150, seed
        if certificate.proven:
            assert certificate.gap <= max(result.tol, 8.0 * certificate.noise), seed
        else:
            # The cause is named, and it isn't that the run ended too early.
            assert certificate.reason, seed
            assert "too far" not in certificate.reason, seed
        if result.reason != "converged" or certificate.kind != "bound":
            assert caught, seed
