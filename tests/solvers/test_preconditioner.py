"""What newton-cg steps with beside the diagonal, and the reads that it saves."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import chainrule
from chainrule.data.designs import rows_of
from chainrule.data.rows import costs
from chainrule.kernels.reading import What
from chainrule.objective import DataObjective
from chainrule.penalties import ridge
from chainrule.solvers import NewtonCG, preconditioner
from chainrule.solvers.plan import plan
from chainrule.solvers.preconditioner import Arrow, Preconditioner

TOLS = (1e-3, 1e-5, 1e-7, 1e-9, 1e-11)


LEVELS = (10, 50, 200, 1000, 2000)


def zipf(rng, m, levels=LEVELS, numbers=10):
    """Numbers and categories by Zipf's law, as the benchmark's workload zipf has them."""
    columns = {f"x{j}": rng.standard_normal(m) for j in range(numbers)}
    z = sum(rng.normal(0.0, 0.5) * x for x in columns.values()) - 1.0
    for k, count in enumerate(levels):
        codes = rng.zipf(1.5, m) % count
        z = z + rng.normal(0.0, 0.5, count)[codes]
        columns[f"c{k}"] = pd.Categorical.from_codes(codes, [f"v{j}" for j in range(count)]).remove_unused_categories()
    return pd.DataFrame(columns), (z + rng.logistic(size=m) > 0).astype(int)


def one_hot(frame):
    blocks = [frame.select_dtypes("number").to_numpy()]
    return sp.csr_array(
        sp.hstack(
            [*blocks, *(pd.get_dummies(frame[c], sparse=True).sparse.to_coo() for c in frame.select_dtypes("category"))]
        ).astype(np.float64)
    )


def stored(frame, storage):
    return frame if storage == "columns" else one_hot(frame)


def objective_of(X, y, alpha, fit_intercept=True, s=None):
    rows = rows_of(X, y, s, coding="all", n_threads=1)[0]
    return DataObjective(rows, ridge(alpha, rows.n_features), fit_intercept)


@pytest.mark.parametrize("storage", ["columns", "csr"])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_an_arrow_is_the_hessian_where_no_row_has_two_light_columns(storage, fit_intercept, weighted, rng):
    """With b at its optimum: M^-1 (H_ww - H_wb H_bw/H_bb) v = v."""
    m = 3_000
    frame, y = zipf(rng, m, (6, 150), 4)
    s = rng.choice([0.0, 0.5, 3.0], m) if weighted else None
    on = objective_of(stored(frame, storage), y, 1e-3, fit_intercept, s)
    n = on.n_features
    w = rng.normal(size=n)
    z = np.zeros(m)
    H = on.evaluate(np.append(w, 0.0), What.HESSIAN, z=z).hessian
    h = on.curvatures(z)
    exact = H[:n, :n] - (np.outer(H[:n, n], H[n, :n]) / H[n, n] if fit_intercept else 0.0)
    light = np.sort(rng.permutation(np.arange(10, n))[:120])  # levels of the second category
    for columns in (light, light[:0]):
        arrow = Arrow.of(on, h, np.setdiff1d(np.arange(n), columns), columns)
        v, found = rng.normal(size=n), np.zeros(n)
        arrow.solve(exact @ v, found)
        np.testing.assert_allclose(found, v, rtol=1e-7, atol=1e-7)


def test_light_columns_that_repeat_each_other_are_left_to_the_diagonal(rng):
    """Two copies of a column, apart from one another, would take more than all of the heavy one's curvature."""
    x = rng.normal(size=500)
    on = objective_of(np.column_stack([x, x, x]), np.arange(500) % 2, 1e-9)
    arrow = Arrow.of(on, np.full(500, 0.25), np.array([0]), np.array([1, 2]))
    assert len(arrow.light) == 0
    found = np.full(3, 7.0)
    arrow.solve(np.ones(3), found)
    assert found[0] == pytest.approx(1.0 / (0.25 * np.var(x)), rel=1e-6)
    assert found[1:].tolist() == [7.0, 7.0]


@pytest.mark.parametrize("storage", ["columns", "csr"])
def test_rare_levels_come_with_all_of_their_rows_and_save_reads(storage, rng, monkeypatch):
    frame, y = zipf(rng, 60_000)
    X = stored(frame, storage)
    made, of = [], Arrow.of

    def noted(on, h, heavy, light):
        arrow = of(on, h, heavy, light)
        made.append((on, heavy, light, arrow))
        return arrow

    monkeypatch.setattr(Arrow, "of", noted)
    monkeypatch.setattr(preconditioner, "BY_BLAS", np.inf)  # of a million rows it is worth its cost
    result = chainrule.fit(X, y, alpha=1 / 60_000, coding="all")
    assert result.method == "newton-cg"
    assert made
    for on, heavy, light, arrow in made:
        assert len(arrow.light)  # it is positive definite
        assert len(heavy) + len(light) == len(result.w)
        assert len(light) > len(heavy)
        counts = np.asarray(one_hot(frame).sum(axis=0))[light]
        whole = one_hot(frame)[on.strata[0].rows.places][:, light]
        np.testing.assert_array_equal(np.asarray(whole.sum(axis=0)), counts)
    monkeypatch.setattr(Preconditioner, "with_sample", lambda self, *_: self)
    other = chainrule.fit(X, y, alpha=1 / 60_000, coding="all", method="newton-cg")
    assert result.reads < other.reads
    assert abs(result.objective - other.objective) <= result.certificate.gap + other.certificate.gap


@pytest.mark.parametrize(("storage", "method"), [("columns", "auto"), ("csr", "newton")])
def test_a_looser_tol_never_takes_more_reads(storage, method, rng):
    m = 60_000
    frame, y = zipf(rng, m, (10, 50, 900), 4)
    X = stored(frame, storage)
    fits = [chainrule.fit(X, y, alpha=1 / m, coding="all", tol=tol, method=method) for tol in TOLS]
    reads = [fit.reads for fit in fits]
    assert reads == sorted(reads)
    least = min(fits, key=lambda fit: fit.certificate.gap)
    for tol, fit in zip(TOLS, fits, strict=True):
        assert fit.certificate.gap <= tol
        assert -1e-15 <= fit.objective - least.objective <= fit.certificate.gap
        assert (np.abs(fit.w - least.w) <= fit.certificate.coef + least.certificate.coef).all()


@pytest.mark.parametrize("n", [4, 30])
def test_a_loose_tol_never_takes_more_reads_on_numbers_with_outliers(n, rng):
    m = 20_000
    X = rng.standard_t(2.5, (m, n))
    y = X @ rng.normal(size=n) + rng.logistic(size=m) > 0
    reads = [chainrule.fit(X, y, alpha=1 / m, tol=tol).reads for tol in (1e-2, 1e-4, 1e-6)]
    assert reads == sorted(reads)


def test_threads_change_no_bit_of_it(rng):
    frame, y = zipf(rng, 60_000)
    for X in (frame, one_hot(frame)):
        fits = [chainrule.fit(X, y, alpha=1 / 60_000, coding="all", n_threads=k) for k in (1, 2, 3)]
        assert len({fit.w.tobytes() for fit in fits}) == 1
        assert len({(fit.b, fit.reads, fit.certificate.gap) for fit in fits}) == 1


def test_a_matrix_that_takes_longer_than_its_rows_is_of_all_rows_whatever_the_tol():
    plans = {plan(1_000_000, 700, tol, 40.7, (700_000, 300_000), 38.1) for tol in (1e-2, 1e-4, 1e-7, 1e-12, 0.0)}
    assert len(plans) == 1
    assert plans.pop()[-1] == 1_000_000


def test_few_rows_make_no_block(rng):
    """A sample of fewer than 40 rows a column is worse than the diagonal."""
    X = sp.random_array((4_000, 3_000), density=0.02, rng=rng, format="csr")
    on = objective_of(X, rng.integers(0, 2, 4_000), 1e-3)
    made = Preconditioner(np.ones(3_000))
    assert 4_000 * 60**2 > costs.LITTLE
    assert made.with_sample(on, np.zeros(4_000), 0.5).arrow is None


def test_amounts_of_very_different_sizes_take_few_reads():
    """They took 195 with the pairs of six steps, and 90 with a diagonal as old as the block; now 44."""
    rng, m, levels = np.random.default_rng(4), 20_000, (30, 300, 1500)
    codes = [rng.integers(0, count, m) for count in levels]
    parts = [
        sp.csr_array((np.exp(1.2 * rng.standard_normal(m)), (np.arange(m), at)), (m, count))
        for at, count in zip(codes, levels, strict=True)
    ]
    X = sp.csr_array(sp.hstack(parts))
    y = X @ rng.standard_normal(X.shape[1]) * 0.5 + rng.logistic(size=m) > 0
    result = chainrule.fit(X, y, alpha=0.1 / m, method="newton-cg")
    assert result.reason == "converged"
    assert result.reads <= 60


def test_a_whole_arrow_has_every_column():
    def made(heavy, light):
        return Preconditioner(
            np.ones(4), Arrow(np.array(heavy), np.array(light, dtype=int), np.eye(2), np.ones(1), np.ones((1, 2)))
        )

    assert not Preconditioner(np.ones(4)).is_whole
    assert made([0, 1, 2, 3], []).is_whole
    assert made([0, 2, 4], [1, 3]).is_whole  # 4 is the bias
    assert not made([0, 2, 3, 4], []).is_whole


def factors(rng, m, n):
    """Columns of about one size driven by n factors of very different sizes: the diagonal is far from the Hessian."""
    scores = rng.standard_normal((m, n)) * np.geomspace(10.0, 0.1, n)
    X = scores @ np.linalg.qr(rng.standard_normal((n, n)))[0]
    return X, (scores @ rng.standard_normal(n) / 10 + rng.logistic(size=m) > 0).astype(int)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_with_all_rows_and_columns_it_is_the_hessian(fit_intercept, rng):
    """With its diagonal lifted, and b at its optimum: M^-1 (H_ww - H_wb H_bw/H_bb) v = v."""
    X, y = factors(rng, 900, 150)
    on = objective_of(X, y, 1e-3, fit_intercept)
    z = rng.standard_normal(900)
    h = on.curvatures(z)
    made = Preconditioner(np.ones(150)).with_all(on, z, 0.5)
    assert made.is_whole
    H = X.T @ (h[:, np.newaxis] * X) / 900 + 1e-3 * np.eye(150)
    H[np.diag_indices(150)] *= 1.0 + preconditioner.LIFT
    if fit_intercept:
        of_b = X.T @ h / 900
        H -= np.outer(of_b, of_b) / (h.mean() * (1.0 + preconditioner.LIFT))
    v = rng.standard_normal(150)
    np.testing.assert_allclose(made.solve(H @ v), v, rtol=1e-8, atol=1e-8)


def test_slow_steps_end_in_a_hessian_and_cost_at_most_about_as_much_again(monkeypatch, rng):
    m, n = 4_000, 200
    X, y = factors(rng, m, n)
    result = chainrule.fit(X, y, alpha=1 / m)
    assert result.method == "newton-cg"
    monkeypatch.setattr(NewtonCG, "_is_slow", lambda *_: False)
    alone = chainrule.fit(X, y, alpha=1 / m, method="newton-cg", max_reads=1000)
    monkeypatch.undo()
    cost = costs.hessian_reads(rows_of(X, y)[0])
    assert alone.reads > 5 * cost  # it is slow
    assert result.reads <= 4 * cost + 10
    exact = chainrule.fit(X, y, alpha=1 / m, method="newton", tol=1e-14)
    for fit in (result, alone):
        assert -1e-15 <= fit.objective - exact.objective <= fit.certificate.gap <= fit.tol
        assert (np.abs(fit.w - exact.w) <= fit.certificate.coef + exact.certificate.coef).all()


def test_quick_steps_make_no_hessian(monkeypatch, rng):
    m, n = 4_000, 200
    X = rng.standard_normal((m, n))
    y = X @ rng.standard_normal(n) / 20 + rng.logistic(size=m) > 0
    monkeypatch.setattr(Preconditioner, "with_all", lambda *_: pytest.fail("a Hessian was made"))
    assert chainrule.fit(X, y, alpha=30 / m, method="newton-cg").reason == "converged"


def test_threads_change_no_bit_of_a_hessian_of_all_columns(rng):
    X, y = factors(rng, 5_000, 300)
    fits = [chainrule.fit(X, y, alpha=1 / 5_000, method="newton-cg", n_threads=k) for k in (1, 2, 3)]
    assert len({fit.w.tobytes() for fit in fits}) == 1
    assert len({(fit.b, fit.reads, fit.certificate.gap) for fit in fits}) == 1
