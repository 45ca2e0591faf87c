"""The benchmark of whole fits does what it says: its optimum, its gaps, each peer's objective, its tables. Tiny sizes."""

import dataclasses
import importlib
import json
import math
import os
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize

FOLDER = Path(__file__).parents[2] / "benchmarks"
if not FOLDER.is_dir():
    pytest.skip("the benchmarks are in the checkout, not in the wheel", allow_module_level=True)

# Before the modules are loaded: they import each other by name, as scripts do.
sys.path.insert(0, str(FOLDER))
workloads, designs, truths, peers, coders, ladders, fit, fit_scaling, fit_tables, whole_jobs = (
    importlib.import_module(name)
    for name in (
        "workloads",
        "designs",
        "truth",
        "peers",
        "coders",
        "ladder",
        "fit",
        "fit_scaling",
        "fit_tables",
        "files",
    )
)
sys.path.remove(str(FOLDER))

SIZE = 0.0005  # tall 1,000 rows, mid 200 (fewer than its columns), raw 250


@pytest.fixture(scope="module")
def penalised():
    """A strong penalty and few rows of one class, so that a wrong C, alpha or penalised bias is seen at once."""
    rng = np.random.default_rng(5)
    X = rng.normal(size=(300, 4)) * [1.0, 2.0, 0.5, 1.0] + [0.0, 1.0, 0.0, -2.0]
    y = (rng.random(300) < 1 / (1 + np.exp(3.0 - X[:, 0]))).astype(np.int64)
    y[0] = 0  # the first label met is the negative one
    return designs.Workload("penalised", X, y, 0.1, "300 x 4")


@pytest.fixture(scope="module")
def truth(penalised):
    return truths.Truth(penalised)


MADE = [make.__name__ for make in workloads.MADE]


@pytest.mark.parametrize("name", MADE)
def test_workloads_are_the_same_every_time(name):
    first, second = workloads.WORKLOADS[name](SIZE), workloads.WORKLOADS[name](SIZE)
    kinds = {"text": "csr", "onehot_csr": "csr", "onehot_columns": "frame", "zipf_csr": "csr", "zipf_columns": "frame"}
    assert first.kind == kinds.get(name, "array")
    if first.kind == "array":
        assert first.X.tobytes() == second.X.tobytes()
        assert first.X.flags.c_contiguous
    elif first.kind == "csr":
        assert first.X.data.tobytes() == second.X.data.tobytes()
        assert first.X.indices.tobytes() == second.X.indices.tobytes()
        assert first.X.indices.dtype == first.X.indptr.dtype == np.int32
        assert first.X.has_canonical_format
    else:
        assert first.X.equals(second.X)
    if first.kind != "frame":
        assert first.X.dtype == np.float64
    assert first.y.tobytes() == second.y.tobytes()
    assert first.y.dtype == np.int64
    assert set(first.y.tolist()) == {0, 1}


def test_workloads_have_the_shapes_promised():
    tall, raw, small, wide = workloads.tall(SIZE), workloads.raw(SIZE), workloads.small(), workloads.wide(SIZE)
    np.testing.assert_array_equal(tall.X[:, 20:], np.abs(tall.X[:, :8]))
    assert tall.alpha == 1 / len(tall.y)
    spread = np.sort(raw.X.std(axis=0))
    assert 0.8e-3 < spread[0] < 1.2e-3
    assert 0.8e4 < spread[-1] < 1.2e4
    assert np.median(np.abs(raw.X.mean(axis=0) / raw.X.std(axis=0))) > 1
    assert small.X.shape == (569, 30)
    np.testing.assert_allclose(small.X.std(axis=0), 1.0)
    assert wide.X.shape == (200, 2000)
    assert wide.alpha == 10 / 200


def test_text_has_sixty_words_a_row_by_zipfs_law():
    text = workloads.text(0.02)
    assert text.X.shape == (2000, 2000)
    np.testing.assert_array_equal(np.diff(text.X.indptr), 60)
    np.testing.assert_allclose(np.sqrt(text.X.multiply(text.X).sum(axis=1)), 1.0)
    rows_with = np.sort(np.bincount(text.X.indices, minlength=2000))[::-1]
    assert rows_with[0] > 0.99 * 2000  # the most frequent word is in all but every document
    assert 5 < rows_with[100] / rows_with[1000] < 20
    assert 0.3 < text.y.mean() < 0.6


def test_onehot_is_one_table_in_two_forms():
    columns, csr = workloads.onehot_columns(0.002), workloads.onehot_csr(0.002)
    assert columns.X.shape == (2000, 15)
    levels = [len(columns.X[f"of {k}"].cat.categories) for k in workloads.LEVELS]
    assert levels[:2] == [10, 50]
    assert np.all(np.array(levels) <= workloads.LEVELS)
    assert csr.X.shape == (2000, 10 + sum(levels))
    np.testing.assert_array_equal(np.diff(csr.X.indptr), 15)
    assert (columns.design() != csr.X).nnz == 0
    np.testing.assert_array_equal(columns.y, csr.y)
    x1 = columns.X["x1"].to_numpy()
    np.testing.assert_array_equal(csr.X[:, [0]].toarray().ravel(), x1)


@pytest.fixture(scope="module")
def frame():
    """Missing numbers and categories, a column that is not in order, integers."""
    import pandas as pd

    rng = np.random.default_rng(10)
    m = 300
    x, k = rng.normal(3.0, 2.0, m), rng.integers(0, 40, m)
    x[::7] = np.nan
    codes = rng.integers(0, 3, m)
    codes[::5] = -1
    frame = pd.DataFrame(
        {
            "c": pd.Categorical.from_codes(codes, ["u", "b", "a"]),
            "x": x,
            "d": pd.Categorical.from_codes(rng.integers(0, 2, m), ["no", "yes"]),
            "k": k,
        }
    )
    y = (rng.random(m) < 1 / (1 + np.exp(1.0 - 0.5 * codes - np.nan_to_num(x, nan=-2.0) / 3))).astype(np.int64)
    return designs.Workload("frame", frame, y, 0.05, "300 x 4", standardize=True)


def test_design_of_a_frame(frame):
    c, x, d, k = (frame.X[name] for name in "cxdk")
    filled = x.fillna(x.mean())
    x_there, k_there = (filled - filled.mean()) / filled.std(ddof=0), (k - k.mean()) / k.std(ddof=0)
    levels_of_c = [c == "u", c == "b", c == "a", c.isna()]
    expected = np.column_stack([*levels_of_c, x_there, x.isna(), d == "no", d == "yes", k_there]).astype(float)
    assert frame.width == 9
    X = frame.design()
    assert X.has_canonical_format
    np.testing.assert_allclose(X.toarray(), expected, rtol=1e-12, atol=1e-14)


def test_coefficients_in_the_users_units_say_the_same(frame):
    w, b = np.linspace(-1.0, 1.0, 9), 0.3
    x, k = frame.X["x"], frame.X["k"].to_numpy(float)
    plain = frame.design().toarray()
    plain[:, 4], plain[:, 8] = x.fillna(x.mean()), k
    there = frame.coding.from_users_units(w, b)
    np.testing.assert_allclose(frame.design() @ there[0] + there[1], plain @ w + b, atol=1e-12)
    with pytest.raises(ValueError, match="8 coefficients for a design of 9"):
        frame.coding.from_users_units(w[:8], b)


@pytest.mark.parametrize("encoding", [coders.as_one_hot, coders.as_tabmat], ids=["scikit-learn", "glum"])
def test_encodings_of_the_peers_are_the_design(frame, encoding):
    X = encoding.prepare(frame)(frame.X)
    if encoding is coders.as_tabmat:
        plain = designs.Workload("ready", X, frame.y, 0.05, "")
        X = plain.design()
        assert list(plain.X.columns) == ["c", "x", "x missing", "d", "k"]
    ordered = np.empty((300, 9))
    ordered[:, encoding.places(frame)] = X.toarray()
    np.testing.assert_allclose(ordered, frame.design().toarray(), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("kept", [["c", "d", "k"], ["x", "k"], ["c", "d"]])
def test_encoding_of_frames_without_a_kind_of_column(frame, kept):
    data = designs.Workload("part", frame.X[kept], frame.y, 0.05, "")
    ordered = np.empty((300, data.width))
    X = coders.as_one_hot.prepare(data)(data.X)
    ordered[:, coders.as_one_hot.places(data)] = X if isinstance(X, np.ndarray) else X.toarray()
    np.testing.assert_array_equal(ordered, data.design().toarray())


@pytest.mark.parametrize("levels", [126, 127, 128, 32_767])
def test_codes_of_missing_levels_do_not_overflow(levels):
    import pandas as pd

    codes = np.arange(-1, levels)
    column = pd.Series(pd.Categorical.from_codes(codes, [f"{k}" for k in range(levels)]))
    assert designs.level_codes(column).tolist() == [levels, *range(levels)]


def plain_objective(data, theta):
    t = (1 - 2 * data.y) * (data.X @ theta[:-1] + theta[-1])
    return float(np.mean(np.logaddexp(0, t)) + data.alpha / 2 * theta[:-1] @ theta[:-1])


def test_truth_is_the_minimum(penalised, truth):
    found = minimize(lambda theta: plain_objective(penalised, theta), np.zeros(5), method="Nelder-Mead",
                     options={"xatol": 1e-9, "fatol": 1e-15, "maxfev": 20_000})  # fmt: skip
    np.testing.assert_allclose(np.append(truth.w, truth.b), found.x, rtol=1e-5, atol=1e-6)
    assert truth.objective <= found.fun
    assert truth.decrement < 1e-25


def test_truth_of_columns_on_any_scale():
    data = workloads.raw(SIZE)
    truth = truths.Truth(data)
    m = data.X.shape[0]
    residual = 1 / (1 + np.exp(-(data.X @ truth.w + truth.b))) - data.y
    gradient = (residual @ data.X / m + data.alpha * truth.w) / data.X.std(axis=0)
    assert np.abs(gradient).max() < 1e-11
    assert abs(residual.mean()) < 1e-13


@pytest.mark.parametrize("factored", [6000, 2], ids=["factored", "conjugate"])
def test_truth_of_a_sparse_design_is_that_of_the_array(penalised, truth, monkeypatch, factored):
    from scipy.sparse import csr_matrix

    monkeypatch.setattr(truths, "FACTORED", factored)
    data = designs.Workload("sparse", csr_matrix(penalised.X), penalised.y, penalised.alpha, "300 x 4")
    sparse = truths.Truth(data)
    np.testing.assert_allclose(sparse.w, truth.w, rtol=1e-10)
    assert sparse.objective == pytest.approx(truth.objective, rel=1e-14)
    w = truth.w + np.array([1e-5, 0.0, 0.2, 0.0])
    assert sparse.gap(w, truth.b) == pytest.approx(truth.gap(w, truth.b), rel=1e-8)


@pytest.mark.parametrize("distance", [1e-9, 1e-4, 0.02, 0.3, 20.0, 1e4])
def test_gap_has_its_digits_near_and_far(penalised, truth, distance):
    from mpmath import mp, mpf

    w, b = truth.w + distance * np.array([1.0, -1.0, 0.5, 0.2]), truth.b - 0.3 * distance
    # mpmath sees the same products: F with 60 digits at both points, and their difference.
    with mp.workdps(60):

        def objective(w, b):
            total = mpf(0)
            for x, label in zip(penalised.X.tolist(), penalised.y.tolist(), strict=True):
                z = sum((mpf(a) * mpf(c) for a, c in zip(x, w.tolist(), strict=True)), mpf(float(b)))
                total += mp.log(1 + mp.exp(-z if label else z))
            return total / len(penalised.y) + mpf(penalised.alpha) / 2 * sum(mpf(c) ** 2 for c in w.tolist())

        expected = float(objective(w, b) - objective(truth.w, truth.b))
    assert truth.gap(w, b) == pytest.approx(expected, rel=1e-6)


def test_a_better_point_than_the_best_known_is_an_error(penalised):
    truth = truths.Truth(penalised)
    truth.objective += 1e-9
    with pytest.raises(ArithmeticError, match="below the best known"):
        truth.gap(truth.w, truth.b)


def test_result_that_is_not_finite_is_never_there(truth):
    assert truth.gap(np.full(4, np.nan), 0.0) == math.inf


@pytest.mark.parametrize("name", list(peers.SOLVERS))
def test_each_solver_minimises_the_same_objective(name, penalised, truth):
    solver = peers.SOLVERS[name]
    if solver.installed() is None:
        pytest.skip(f"{solver.package} is not installed")
    gaps = []
    with warnings.catch_warnings():
        peers.quiet()
        for setting in solver.settings:
            model = solver.whole(setting, penalised)(penalised.X, penalised.y)
            gaps.append(truth.gap(*solver.point(model, penalised)) / truth.objective)
    assert min(gaps) < 1e-6
    if "liblinear" in solver.name:
        assert gaps[0] > 1e-6  # it penalises b, which the larger column of its second half all but undoes


@pytest.mark.parametrize("name", [peer.name for peer in peers.PEERS])
@pytest.mark.parametrize("kind", ["csr", "frame"])
def test_peers_minimise_the_same_objective_in_every_form(name, kind, frame):
    solver = peers.SOLVERS[name]
    X = frame.X if kind == "frame" else frame.design()
    data = designs.Workload(kind, X, frame.y, frame.alpha, "", standardize=True)
    refusal = solver.refuses(data, 1e12)
    if refusal:
        pytest.skip(refusal)
    truth = truths.Truth(frame)
    with warnings.catch_warnings():
        peers.quiet()
        model = solver.whole(solver.settings[-4], data)(data.X, data.y)
    assert truth.gap(*solver.point(model, data)) < 1e-6 * truth.objective


def test_solver_is_not_run_where_the_memory_is_too_small():
    from scipy.sparse import csr_matrix

    data = designs.Workload("text", csr_matrix((2, 100_000)), np.array([0, 1]), 1.0, "")
    for name in ("sklearn newton-cholesky", "glum irls-ls"):
        solver = peers.SOLVERS[name]
        if solver.installed():
            assert solver.refuses(data, 24 * 2**30) == "fails, not run: its dense Hessian takes 74.5 GiB"
    assert peers.SOLVERS["sklearn lbfgs"].refuses(data, 24 * 2**30) is None


def test_fallback_of_the_accelerated_path_is_seen():
    path = peers.Accelerated()
    assert path.verdict() == "said nothing of its path"
    path.said = ["fit: running accelerated version on CPU"]
    assert path.verdict() == "accelerated"
    path.said.append("fit: fallback to original Scikit-learn")
    assert path.verdict() == "fell back to scikit-learn"


def rung(name, seconds, gap):
    return {"setting": name, "seconds": seconds, "gap": gap}


def test_fastest_rungs_within_the_level_are_taken():
    ladder = [rung("1e-2", 0.1, 1e-3), rung("1e-3", 0.30, 1e-8), rung("1e-4", 0.29, 1e-8), rung("1e-5", 0.9, 1e-9)]
    assert ladders.candidates(ladder, 1e-6, 1.0) == ["1e-4", "1e-3"]
    assert ladders.candidates(ladder, 1e-10, 1.0) == []
    assert ladders.candidates([rung("1e-2", None, None)], 1e-6, 1.0) == []


class Scripted:
    """A solver without mathematics: each rung takes its seconds and ends at a point this far from the optimum."""

    def __init__(self, monkeypatch, truth, steps, ours=False):
        """steps : of each rung (extra, seconds, relative gap); no seconds are a fit over the limit."""
        self.asked = []
        settings = tuple(peers.Setting(f"{k}", None, extra) for k, (extra, _, _) in enumerate(steps))

        def prepare(setting, data):
            def call(X, y):
                self.asked.append(setting.name)
                return int(setting.name)

            return call

        def timed(call, X, y, repeats=1):
            seconds = steps[call(X, y)][1]
            if seconds is None:
                raise ladders.OvertimeError
            return [seconds], int(self.asked[-1])

        monkeypatch.setattr(ladders, "timed", timed)
        monkeypatch.setattr(truth, "gap", lambda step, _: steps[step][2] * truth.objective)
        self.solver = peers.Solver("scripted", "numpy", prepare, lambda step: (step, 0.0), settings, ours=ours)


@pytest.mark.parametrize("slow", [False, True])
def test_a_peer_within_both_levels_climbs_on_only_while_it_may_be_the_fastest(slow, penalised, monkeypatch, tmp_path):
    truth = truths.Truth(penalised)
    gaps = [1e-2, 1e-4, 1e-7, 5e-11, 4e-11, 1e-12, 1e-13]
    scripted = Scripted(monkeypatch, truth, [(None, 1.0, gap) for gap in gaps])
    best = {"1e-6": 0.1, "1e-10": 0.15 if slow else 0.2}
    row = ladders.climb(scripted.solver, penalised, truth, 5.0, tmp_path, best)
    assert scripted.asked == list("0123" if slow else "012345")  # never less than to both levels
    assert [r["gap"] for r in row["ladder"]] == [gap * truth.objective for gap in gaps[: len(scripted.asked)]]


def test_ours_climbs_all_its_rungs(penalised, monkeypatch, tmp_path):
    truth = truths.Truth(penalised)
    scripted = Scripted(monkeypatch, truth, [(None, 9.0, 1e-12)] * 4, ours=True)
    ladders.climb(scripted.solver, penalised, truth, 5.0, tmp_path, {"1e-6": 0.1, "1e-10": 0.1})
    assert scripted.asked == list("0123")


def test_the_end_of_one_ladder_of_a_solver_ends_no_other(penalised, monkeypatch, tmp_path):
    truth = truths.Truth(penalised)
    steps = [
        ("a", 1.0, 1e-3),
        ("a", None, 1.0),
        ("a", 1.0, 1.0),
        ("b", 1.0, 1e-12),
        ("b", 1.0, 1e-12),
        ("c", 1.0, 1e-4),
    ]
    scripted = Scripted(monkeypatch, truth, steps)
    row = ladders.climb(scripted.solver, penalised, truth, 5.0, tmp_path, {})
    assert scripted.asked == ["0", "1", "3", "5"]
    assert row["limit"] == 5.0


def test_a_ladder_that_is_far_behind_and_long_is_ended_with_a_word(penalised, monkeypatch, tmp_path):
    truth = truths.Truth(penalised)
    scripted = Scripted(monkeypatch, truth, [(None, 1.0, 1e-3)] * 4)
    row = ladders.climb(scripted.solver, penalised, truth, 0.0, tmp_path, {"1e-6": 0.1})
    assert len(row["ladder"]) == 4  # one level alone has been reached by another
    row = ladders.climb(scripted.solver, penalised, truth, 0.0, tmp_path, {"1e-6": 0.1, "1e-10": 0.1})
    assert len(row["ladder"]) == 1
    assert fit.note_of(scripted.solver, row) == "far behind: ladder ended at 0, after 0 s"


def test_rounds_go_on_for_ours_and_for_peers_near_the_fastest_of_a_level(monkeypatch):
    def row(ours, *rungs):
        return {"ours": ours, "ladder": [rung(name, 1.0, gap) for name, gap in rungs]}

    solvers = {
        "ours": row(True, ("a", 1e-11)),
        "fast": row(False, ("a", 1e-7), ("b", 1e-11)),
        "fair": row(False, ("a", 1e-7), ("b", 1e-11)),
        "slow": row(False, ("a", 1e-7)),
        "long": row(False, ("b", 1e-11)),
    }
    chosen = {("ours", "a"): [99.0], ("fast", "a"): [1.0], ("fast", "b"): [30.0, 31.0], ("fair", "a"): [3.9, 9.0],
              ("fair", "b"): [50.0], ("slow", "a"): [4.1], ("long", "b"): [40.0, 40.0]}  # fmt: skip
    kept = ladders.repeated(chosen, {"solvers": solvers, "objective": 1.0})
    assert kept == [("ours", "a"), ("fast", "a"), ("fast", "b"), ("fair", "a"), ("fair", "b")]


def test_time_limit_ends_a_fit():
    with pytest.raises(ladders.OvertimeError), ladders.time_limit(0.02):
        sum(1 for _ in iter(int, 1))


def test_exponent_of_a_power_law():
    sizes = [10.0, 100.0, 1000.0]
    assert fit_scaling.exponent(sizes, [2e-3 * s**1.5 for s in sizes]) == pytest.approx(1.5)
    assert math.isnan(fit_scaling.exponent([10.0], [1.0]))


def test_whole_run_prints_its_tables_and_writes_its_figures(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(fit, "OURS", [peers.SOLVERS["chainrule.fit"]])
    out = tmp_path / "out.json"
    asked = ["--workload", "small", "--rounds", "1", "--peers", "sklearn newton-cholesky", "--json", str(out)]
    with warnings.catch_warnings():
        fit.main([*asked, "--limit", "5"])
    printed = capsys.readouterr().out
    document = json.loads(out.read_text(encoding="utf-8"))
    assert document["machine"]["cores"] == len(os.sched_getaffinity(0))
    (report,) = document["workloads"]
    assert 0.06 < report["objective"] < 0.07
    peer = report["solvers"]["sklearn newton-cholesky"]
    assert peer["least_gap"] < 1e-10
    assert 0 < peer["1e-6"]["seconds"] <= peer["1e-6"]["median"]
    assert peer["peak_mb"] >= 0
    row = next(line for line in printed.splitlines() if line.startswith("| sklearn newton-cholesky"))
    assert row.count("1.00x") == 2  # the only peer is the best
    ours = report["solvers"]["chainrule.fit"]["ladder"]
    assert all(r["reads"] > 0 for r in ours)


def test_solver_that_raises_is_a_row_with_its_reason(penalised, truth, tmp_path):
    def refuse(setting, data):
        def call(X, y):
            raise TypeError("no such X\nas this")

        return call

    solver = peers.Solver("bad", "scikit-learn", refuse, peers.of_estimator, peers.tolerances())
    row = ladders.climb(solver, penalised, truth, 5.0, tmp_path, {})
    assert row["ladder"] == []
    assert fit.note_of(solver, row) == "raised TypeError: no such X"


def test_solver_that_never_gets_there_is_said_so():
    found = {"setting": "1e-4", "seconds": 0.2, "median": 0.3}
    row = {
        "ours": False,
        "limit": None,
        "ladder": [rung("1e-2", 0.1, 1e-9)],
        "least_gap": 1e-9,
        "peak_mb": None,
        "note": "",
    }
    report = {"levels": fit.LEVELS, "solvers": {"a": {**row, "1e-6": found}, "b": {**row, "ours": True, "limit": 3.0}}}
    lines = fit_tables.workload_table(report).splitlines()
    assert " 0.200 s |" in lines[2]
    assert lines[2].count(" never |") == 1
    assert lines[3].count("never (stopped at 3 s)") == 2


@pytest.mark.parametrize(
    ("axis", "sizes", "shapes"),
    [
        ("rows", [400_000, 800_000], ["400 |      20 |  8,000", "800 |      20 | 16,000"]),
        ("levels", [3, 30], ["1,000 |      17 |  6,000", "1,000 |      44 |  6,000"]),
        ("nonzeros", [2, 6], ["200 | 100,000 |    400", "200 | 100,000 |  1,200"]),
    ],
)
def test_scaling_prints_an_exponent(axis, sizes, shapes, capsys, monkeypatch):
    monkeypatch.setitem(fit_scaling.AXES, axis, dataclasses.replace(fit_scaling.AXES[axis], sizes=sizes))
    asked = ["--scaling", axis, "--size", "0.001", "--rounds", "1", "--peers", "sklearn lbfgs", "--no-memory"]
    with warnings.catch_warnings():
        fit.main(asked)
    printed = capsys.readouterr().out
    assert f"sklearn lbfgs: seconds grow as {axis} to the power" in printed
    ours = [line for line in printed.splitlines() if line.startswith("| chainrule.fit, default tol")]
    assert len(ours) == 2
    for line, shape in zip(ours, shapes, strict=True):
        assert shape in line
        assert "| newton" in line


def test_documents_of_many_words_have_no_word_twice():
    X = workloads.documents("long", 200, 500, 300).X
    X.sort_indices()
    assert np.diff(X.indices.reshape(200, 300), axis=1).min() > 0


@pytest.mark.parametrize("workload", list(workloads.WORKLOADS))
def test_each_workload_knows_its_fastest_peers(workload):
    ours = [solver.name for solver in peers.OURS]
    fastest = [*ours, *workloads.FASTEST[workload]]
    assert [solver.name for solver in fit.pick(None, workload)] == fastest
    everyone = [solver.name for solver in fit.pick("all", workload)]
    assert everyone[: len(fastest)] == fastest
    assert sorted(everyone) == sorted(peers.SOLVERS)
    assert [solver.name for solver in fit.pick("none", workload)] == ours


def test_unknown_peer_is_named():
    with pytest.raises(SystemExit, match="no peer 'glumm'"):
        fit.pick("glumm", "tall")


def test_data_that_cannot_be_fetched_are_named_with_the_way_to_get_them(tmp_path, monkeypatch, capsys):
    def refuse(*_, **__):
        raise FileNotFoundError("npm")

    datasets = sys.modules["datasets"]
    monkeypatch.setattr(datasets, "CACHE", tmp_path)
    monkeypatch.setattr(datasets.subprocess, "run", refuse)
    fit.main(["--workload", "flights_3m", "--peers", "none"])
    way = "vega-datasets@3.2.1 is not there: run `npm pack --silent vega-datasets@3.2.1` where its registry can be reached"
    assert way in capsys.readouterr().out
    monkeypatch.setattr(datasets.subprocess, "run", lambda *_, cwd, **__: (cwd / "islp.whl").write_bytes(b"other"))
    with pytest.raises(datasets.MissingDataError, match="has the SHA-256"):
        datasets.root("islp")


def test_the_list_of_real_sets_is_theirs_and_its_halves_are_disjoint():
    sets, datasets = sys.modules["sets"], sys.modules["datasets"]
    assert tuple(sorted(datasets.DATA)) == sets.SETS
    assert not set(sets.CHOOSING) & set(sets.MEASURED)
    assert abs(len(sets.CHOOSING) - len(sets.MEASURED)) <= 1


def test_a_whole_job_on_a_file_is_measured_and_its_predictions_are_compared(tmp_path):
    path, out = tmp_path / "flights.csv", tmp_path / "p.csv"
    table = whole_jobs.draw(300)
    assert table.equals(whole_jobs.draw(300))
    whole_jobs.pyarrow.csv.write_csv(table, path)
    made = whole_jobs.jobs(path, tmp_path)
    took, computed, peak = whole_jobs.measured(made["chainrule, command line"])
    assert took > 0 < computed
    assert 20 < peak < 2000
    y = np.array(table["y"].to_pylist()) == "on time"
    loss = whole_jobs.loss_of(out, y)
    assert loss < np.log(2) < whole_jobs.loss_of(out, ~y)
    with pytest.raises(RuntimeError, match="no file absent"):
        whole_jobs.measured([[sys.executable, "-m", "chainrule", "fit", "absent.csv", "--target", "y"]])
    job = {"seconds": [2.0, 1.0], "processor": [1.5, 1.5], "peak_mb": [90.0, 100.0], "loss": loss, "failed": None}
    report = {
        "table": "t",
        "rows": 300,
        "columns": 10,
        "mb": 1.0,
        "jobs": {"ours": job, "theirs": job | {"failed": "no"}},
    }
    said = whole_jobs.shown(report)
    assert "1.000 s |  1.00 |   1.500 s |     100 |" in said
    assert "failed: no" in said
