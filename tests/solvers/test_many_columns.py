"""Newton of many columns: newton-cg leads, one Hessian proves, and one factor serves where one will do."""

import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from threadpoolctl import threadpool_limits

import chainrule
from chainrule.certificate.factor import CLEAR, Factor
from chainrule.data.designs import rows_of
from chainrule.data.rows import Rows
from chainrule.data.rows.costs import hessian_reads, matrix_reads
from chainrule.data.rows.moments import guess_units
from chainrule.data.sampling import class_counts
from chainrule.errors import NotConvergedWarning
from chainrule.kernels.blas import WHOLE
from chainrule.kernels.blocks import Blocks
from chainrule.kernels.reading import What
from chainrule.objective import DataObjective
from chainrule.penalties import ridge
from chainrule.solvers.plan import plan

MANY = 150  # reads: the slowest of these takes about half as many


def frame_of(rng, m, levels, numbers=3, effect=0.5):
    """Numbers, and levels of unequal shares that a class depends on."""
    columns = {f"x{j}": rng.standard_normal(m) for j in range(numbers)}
    score = sum(0.4 * column for column in columns.values())
    for k, count in enumerate(levels):
        share = np.arange(1.0, count + 1) ** -0.5
        codes = rng.choice(count, m, p=share / share.sum())
        codes[:count] = np.arange(count)
        score = score + rng.normal(size=count)[codes] * effect
        columns[f"c{k}"] = pd.Categorical.from_codes(codes, [f"v{j}" for j in range(count)])
    return pd.DataFrame(columns), (score + rng.logistic(size=m) > 0).astype(int)


def one_hot(frame, skip=0):
    m, blocks = len(frame), [sp.csr_array(frame.select_dtypes("number").to_numpy())]
    for name in frame.select_dtypes("category"):
        codes = frame[name].cat.codes.to_numpy()
        blocks.append(sp.csr_array((np.ones(m), (np.arange(m), codes)))[:, skip:])
    return sp.csr_array(sp.hstack(blocks))


@pytest.mark.parametrize("storage", ["columns", "csr"])
@pytest.mark.parametrize("alpha", [0.0, 1e-5])
def test_one_hessian_proves_and_newton_cg_leads_to_it(storage, alpha, rng, monkeypatch):
    """Of all rows, and no other: a factor of thousands of columns takes longer than many reads."""
    m = 120_000
    frame, y = frame_of(rng, m, (900, 900))
    X = frame if storage == "columns" else one_hot(frame, skip=1)
    made = []
    gram, read = Rows.gram, Rows.read

    def counted_gram(self, h, columns):
        made.append((self.n_rows, len(columns)))
        return gram(self, h, columns)

    def counted_read(self, what, *point, **options):
        if what & What.HESSIAN:
            made.append((self.n_rows, self.n_features))
        return read(self, what, *point, **options)

    monkeypatch.setattr(Rows, "gram", counted_gram)
    monkeypatch.setattr(Rows, "read", counted_read)
    result = chainrule.fit(X, y, alpha=alpha, method="newton")
    assert result.reason == "converged"
    assert result.certificate.kind == "bound"
    assert result.certificate.gap <= result.tol
    wide = [rows for rows, columns in made if columns == len(result.w)]
    assert wide == [m]
    if alpha:
        other = chainrule.fit(X, y, alpha=alpha, method="newton-cg")
        assert abs(result.objective - other.objective) <= result.certificate.gap + other.certificate.gap + 1e-14


def test_threads_and_storage_change_no_bit_of_it(rng):
    frame, y = frame_of(rng, 60_000, (300, 600))
    fits = [chainrule.fit(frame, y, alpha=1e-5, method="newton", n_threads=k) for k in (1, 2, 3)]
    assert len({result.w.tobytes() for result in fits}) == 1
    assert len({result.certificate.gap for result in fits}) == 1


@pytest.mark.parametrize(("max_reads", "alpha"), [(0, 0.0), (2, 0.0), (4, 1e-5)])
def test_a_run_that_stops_on_a_sample_says_so(max_reads, alpha, rng):
    """Levels of one class among them: without a penalty the ridge's optimum is then wanted, and not reached either."""
    frame, y = frame_of(rng, 30_000, (200, 600))
    y[frame["c1"] == "v599"] = 1
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        result = chainrule.fit(frame, y, alpha=alpha, method="newton", max_reads=max_reads)
    assert NotConvergedWarning in [each.category for each in said]
    assert result.reason == "max_reads"
    assert np.isfinite(result.w).all()
    assert result.certificate.kind in (("ridge", "none") if alpha == 0.0 else ("bound", "none"))


def test_plan_takes_no_samples_of_few_rows():
    assert plan(20_000, 300, 1e-9, 10.5) == (20_000,)
    assert plan(4_000, 50, 1e-9, 4.25) == (4_000,)
    assert plan(40_000, 300, 1e-9, 10.5)[0] < 40_000
    assert plan(40_000, 300, 1e-9, 10.5, (5_000, 5_000)) == (40_000,)  # the others' weight is 0


def test_newton_cg_leads_where_a_hessian_is_dear():
    assert plan(1_000_000, 3_270, 1e-9, 47.0, None, 38.0) == ()
    assert plan(1_000_000, 500, 1e-9, 40.0, None, 0.3)
    assert plan(1_000_000, 2_000, 1e-9, 53.0)  # dense: the Hessian is as cheap


@pytest.mark.parametrize("size", [60, WHOLE + 8])
@pytest.mark.parametrize("smallest", [1e-2, 1e-12])
def test_one_factor_serves_steps_and_proofs_where_pivots_are_clear(smallest, size, rng):
    n = size
    low = rng.normal(size=(n, 6)) / 6.0
    B = np.diag(rng.uniform(0.5, 2.0, n)) + low @ low.T
    B[-1] = B[:, -1] = 0.0  # the last column repeats the first, but for a little
    B[-1, :-1] = B[:-1, -1] = B[0, :-1]
    B[-1, -1] = B[0, 0] * (1.0 + smallest)
    eta = 1e-9
    factor = Factor.of(B, eta)
    assert factor.factored
    is_clear = smallest > CLEAR * eta
    assert (factor._proof is factor._L) == is_clear
    v = rng.normal(size=n)
    v[-1] = v[0]
    x = factor.solve(v)
    assert np.abs(B @ x - v).max() <= (1e-1 if is_clear else 1e-2) * np.abs(v).max()
    assert factor.ok == is_clear
    if is_clear:
        A = B / np.sqrt(np.outer(B.diagonal(), B.diagonal()))
        assert factor.norm2(v) >= v @ np.linalg.solve(B, v)
        least = float(np.linalg.eigvalsh(A)[0]) - eta
        assert 0.0 < factor.lambda_low <= least
        assert least / 10 <= factor.lambda_min <= least
        assert factor.lambda_low == factor.lambda_min  # where that is known


def test_counts_of_rows_make_the_plan(rng):
    frame, y = frame_of(rng, 30_000, (300, 600))
    rows = rows_of(frame, y, None, coding="all", n_threads=1)[0]
    assert hessian_reads(rows) > matrix_reads(rows) > 10.0
    counts = class_counts(rows)
    assert plan(rows.n_rows, rows.n_features, 1e-9, hessian_reads(rows), counts, matrix_reads(rows)) == ()


@pytest.mark.parametrize(("n", "alpha"), [(300, 1e-6), (500, 0.0)])
def test_a_hessian_too_far_off_to_prove_is_made_anew(n, alpha, rng):
    """Strong effects, ten rows a column: steps with one Hessian arrive, and what rounding it leaves is above any proof."""
    X = rng.standard_normal((10 * n, n))
    y = (X @ rng.standard_normal(n) / np.sqrt(n) * 8.0 + rng.logistic(size=10 * n) > 0).astype(int)
    result = chainrule.fit(X, y, alpha=alpha, method="newton")
    assert result.reason == "converged"
    assert result.certificate.kind == "bound"
    assert result.certificate.gap <= result.tol
    assert result.reads <= MANY


@pytest.mark.parametrize("size", [2.0, 5.0])
def test_strong_levels_are_proven_long_before_the_reads_run_out(size, rng):
    frame, y = frame_of(rng, 24_000, (300, 600), effect=size)
    result = chainrule.fit(frame, y, alpha=1e-6, method="newton")
    assert result.reason == "converged"
    assert result.certificate.gap <= result.tol
    assert result.reads <= MANY


@pytest.mark.parametrize("b0", [-37.0, 800.0])
def test_a_start_without_curvature_finds_its_way_back(b0, rng):
    frame, y = frame_of(rng, 90_000, (850,))
    for X, alpha in ((frame, 1e-4), (one_hot(frame, skip=1), 0.0)):
        result = chainrule.fit(X, y, alpha=alpha, b0=b0, method="newton")
        assert result.reason == "converged"
        assert result.certificate.gap <= result.tol
        assert result.reads <= MANY


@pytest.mark.parametrize("stop", ["max_reads", "interrupted"])
def test_what_stopped_on_a_sample_is_said_of_all_rows(stop, rng):
    frame, y = frame_of(rng, 40_000, (300, 600))

    def interrupt(step):
        if step.epoch == 1:
            raise KeyboardInterrupt

    if stop == "max_reads":
        with pytest.warns(NotConvergedWarning):
            result = chainrule.fit(frame, y, alpha=1e-6, method="newton", max_reads=3)
    else:
        with pytest.raises(KeyboardInterrupt) as caught:
            chainrule.fit(frame, y, alpha=1e-6, method="newton", callbacks=[interrupt])
        result = caught.value.result
    assert result.reason == stop
    rows = rows_of(frame, y, None, coding="reference", n_threads=1)[0]
    exact = DataObjective(rows, ridge(1e-6, rows.n_features), True).evaluate(np.append(result.w, result.b))
    assert result.objective == pytest.approx(exact.objective, rel=1e-12)
    assert result.certificate.objective == pytest.approx(exact.objective, rel=1e-12)
    assert result.accuracy == pytest.approx(exact.accuracy, rel=1e-12)


def test_a_block_of_dense_columns_keeps_their_order(rng):
    X = rng.normal(size=(300, 5)) + 3.0
    rows = rows_of(X, rng.integers(0, 2, 300), n_threads=1)[0]
    rows = rows.see(guess_units(rows, True))
    h, seen = rng.random(300), rows.viewed(np.arange(300))
    for columns in ([0, 1, 2, 3, 4], [4, 1, 0, 3, 2], [3, 1], [2]):
        x = seen[:, [*columns, 5]]
        assert rows.gram(h, np.array(columns)) == pytest.approx((x * h[:, np.newaxis]).T @ x, rel=1e-12)
    assert not rows.gram(np.zeros(300), np.arange(5)).any()
    weighted = rows_of(X, rows.y, np.arange(300.0) % 3, n_threads=1)[0]
    lost = np.where(np.arange(300) % 3 == 0, np.nan, h)  # what stands in rows of weight 0 counts nothing
    assert np.array_equal(weighted.gram(lost, np.arange(5)), weighted.gram(np.nan_to_num(lost), np.arange(5)))
    assert np.array_equal(weighted.diagonal(lost), weighted.diagonal(np.nan_to_num(lost)))


@pytest.mark.parametrize("storage", ["columns", "csr"])
def test_rows_of_weight_0_change_no_bit_of_a_fit_by_products(storage, rng):
    """Whatever stands in them: their z and curvature are never made."""
    m = 40_000
    frame, y = frame_of(rng, m, (300, 600))
    s = rng.choice([0.0, 1.0], m, p=[0.3, 0.7])
    fits = []
    for filler in (3.0, 1e300, -7.0):
        X = frame.assign(x0=np.where(s > 0, frame["x0"], filler))
        X = X if storage == "columns" else one_hot(X, skip=1)
        fits.append(chainrule.fit(X, y, alpha=1e-5, sample_weight=s, method="newton"))
    assert all(result.reason == "converged" for result in fits)
    assert len({result.w.tobytes() for result in fits}) == 1


MEMORY = """
import resource
import numpy as np
import pandas as pd
import chainrule

rng, levels = np.random.default_rng(0), 20_000
codes = np.repeat(np.arange(levels), 6)
frame = pd.DataFrame({"x": rng.standard_normal(len(codes)), "c": pd.Categorical.from_codes(codes, range(levels))})
y = np.tile([0, 1, 0, 1, 0, 1], levels)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
result = chainrule.fit(frame, y, method="newton")
print(result.reason, result.certificate.kind, len(result.w), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_a_fit_of_20_000_levels_makes_no_square_matrix():
    pytest.importorskip("resource")
    run = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, timeout=900)
    reason, kind, n, memory = run.stdout.split()
    assert (reason, kind, n) == ("converged", "bound", "20000"), run.stderr
    assert int(memory) * 1024 < 8 * int(n) ** 2 / 10


@pytest.mark.parametrize("storage", ["columns", "csr"])
def test_fits_of_many_levels_have_the_same_bits_for_any_number_of_threads(storage, rng):
    frame, y = frame_of(rng, 60_000, (1100, 200))
    X = frame if storage == "columns" else one_hot(frame, skip=1)
    assert rows_of(X, y)[0].design.head == slice(3, 1102)
    fits = []
    for threads in (1, 3):
        with threadpool_limits(threads, "blas"):
            fits.append(chainrule.fit(X, y, method="newton", n_threads=threads))
    one, other = fits
    assert one.certificate.proven
    assert one.w.tobytes() == other.w.tobytes()
    assert one.certificate.coef.tobytes() == other.certificate.coef.tobytes()


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("alpha", [0.0, 1e-4])
def test_the_bounds_of_many_levels_are_those_of_the_whole_hessian(alpha, intercept, rng, monkeypatch):
    frame, y = frame_of(rng, 60_000, (1100, 20), effect=0.2)
    options = {"alpha": alpha, "method": "newton", "fit_intercept": intercept}
    found = chainrule.fit(frame, y, **options)
    monkeypatch.setattr(Blocks, "head", None)
    whole = chainrule.fit(frame, y, **options)
    assert found.certificate.kind == whole.certificate.kind
    assert (np.isinf(found.w) == np.isinf(whole.w)).all()
    known = np.isfinite(whole.w)
    both = found.certificate.coef + whole.certificate.coef
    assert (np.abs(found.w - whole.w)[known] <= both[known]).all()
    assert found.certificate.gap <= max(found.tol, 4 * whole.certificate.gap)
    assert max(found.certificate.r, whole.certificate.r) < 1.0
