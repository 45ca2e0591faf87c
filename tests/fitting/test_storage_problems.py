"""Hard random problems in every storage and by every method: no bound is below the truth, and each end has its cause."""

import warnings
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.sparse as sp

from chainrule import certify, fit
from chainrule.data.designs import rows_of
from chainrule.errors import ChainruleWarning, CollinearityWarning, SeparationWarning
from chainrule.findings import Finding
from chainrule.fitting.optimize import prepare
from chainrule.fitting.problem import Problem
from chainrule.fitting.reference import certify_point
from chainrule.fitting.spec import FitSpec
from finding_tools import levels_of, values_of
from optimum_tools import IS_WIDE, Exact, Objective, Optimum, is_separated, without_repeats

KINDS = (
    "normal heavy cauchy near-collinear integers rare near-separated separated mirrored sparse "
    "levels rare-levels one-class-level adding-levels missing"
).split()
STORAGES = "dense fortran float32 csr32 csr64 pandas arrow".split()
DENSE = STORAGES[:3]
TABLES = STORAGES[-2:]
SLICES, EACH = 7, 60  # every kind in every storage, four times


pytestmark = pytest.mark.usefixtures("any_mark")
needs_wide = pytest.mark.skipif(not IS_WIDE, reason="longdouble has no 64-bit mantissa here")


# --- problems --------------------------------------------------------------------------------------------------------


@dataclass
class Column:
    """Numbers, or the codes of levels; -1 and NaN are missing."""

    name: str
    values: np.ndarray
    levels: list[str] | None = None

    def expanded(self, s, coding, marks, fill=None):
        """The columns of numbers that it stands for, and their names; marks: of which rows other columns have a mark."""
        kept, lost = s > 0, np.isnan(self.values) if self.levels is None else self.values < 0
        there, mark = kept & ~lost, lost[kept].tobytes()
        is_marked = bool(lost[kept].any()) and mark not in marks
        marks.add(mark)
        if self.levels is not None:
            codes = self.values
            if not is_marked and there.any():
                codes = np.where(lost, np.argmax(np.bincount(codes[there], weights=s[there])), codes)
            seen = [j for j in [*range(len(self.levels)), -1] if (kept & (codes == j)).any()]
            seen = seen[int(coding == "reference") :]
            names = [f"{self.name}={self.levels[j] if j >= 0 else '(missing)'}" for j in seen]
            return [(codes == j) * 1.0 for j in seen], names
        if fill is None:
            fill = np.average(self.values[there], weights=s[there])
        columns = [np.where(lost, fill, self.values), *([lost * 1.0] if is_marked else [])]
        return columns, [self.name, *([f"{self.name} missing"] if is_marked else [])]

    def of_pandas(self):
        if self.levels is not None:
            return pd.Categorical.from_codes(self.values, self.levels)
        return self.values

    def of_arrow(self):
        if self.levels is not None:
            codes = pa.array(np.maximum(self.values, 0).astype(np.int32), mask=self.values < 0)
            return pa.DictionaryArray.from_arrays(codes, pa.array(self.levels))
        return pa.array(self.values, mask=np.isnan(self.values))


def expanded(columns, s, coding, fills=()):
    """All columns as one matrix of numbers, and its columns' names."""
    fills, marks = dict(fills), set()
    parts = [column.expanded(s, coding, marks, fills.get(column.name)) for column in columns]
    names = [name for _, some in parts for name in some]
    return np.column_stack([x for xs, _ in parts for x in xs] or [np.zeros((len(s), 0))]), names


def stored(columns, X, storage, rng):
    """The data in one of the storages."""
    if storage == "pandas":
        frame = pd.DataFrame({column.name: column.of_pandas() for column in columns})
        has_levels = any(column.levels is not None for column in columns)
        return frame if has_levels else frame.astype({columns[0].name: "Float64"})
    if storage == "arrow":
        table = pa.table({column.name: column.of_arrow() for column in columns})
        cut = int(rng.integers(0, table.num_rows))
        return pa.concat_tables([table.slice(0, cut), table.slice(cut)])
    if storage.startswith("csr"):
        matrix = sp.csr_array(X)
        index = np.int64 if storage == "csr64" else np.int32
        return sp.csr_array((matrix.data, matrix.indices.astype(index), matrix.indptr.astype(index)), X.shape)
    return {"dense": X, "fortran": np.asfortranarray(X), "float32": X.astype(np.float32)}[storage]


@dataclass
class Case:
    """One problem in one storage, and the options to fit it with."""

    kind: str
    storage: str
    columns: list[Column]
    data: object
    separated: bool | None  # by construction
    X: np.ndarray
    names: list[str]
    y: np.ndarray
    s: np.ndarray | None
    options: dict

    @property
    def weights(self):
        return np.ones(len(self.y)) if self.s is None else self.s

    def run(self, **more):
        """Fit; all that it says must be the package's own, and no number may fail on the way."""
        options = {"sample_weight": self.s, "n_threads": 1, **self.options, **more}
        if self.storage in TABLES:
            options.pop("feature_names", None)
        else:
            options.pop("coding")
            options["feature_names"] = self.names
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            result = fit(self.data, self.y, **options)
        assert all(issubclass(w.category, ChainruleWarning) for w in said), [str(w.message) for w in said]
        return result, said

    def read_as(self, result):
        """The matrix that the fit saw: of a table, with the means that its missing numbers were filled with."""
        if self.storage not in TABLES:
            return self.X
        fills = {e.name: e.fill for e in result.encodings if e.levels is None and e.missing}
        X, names = expanded(self.columns, self.weights, self.options["coding"], fills)
        assert list(result.feature_names) == names == self.names
        kept = self.weights > 0
        np.testing.assert_allclose(X[kept], self.X[kept], rtol=1e-12, atol=1e-13 * np.abs(self.X[kept]).max())
        return X


def numbers(rng, kind, m, n):
    X = rng.normal(size=(m, n))
    if kind in ("heavy", "cauchy"):
        X = rng.standard_t(1.0 if kind == "cauchy" else 1.5, size=(m, n))
    if kind in ("integers", "mirrored"):
        X = rng.integers(-3, 4, size=(m, n)).astype(float)
    if kind == "sparse":
        X *= rng.random((m, n)) < 0.4
    if kind == "integers" and n > 2:
        X[:, -1] = X[:, :-1] @ rng.integers(-2, 3, size=n - 1)
    if kind == "near-collinear" and n > 1:
        X[:, -1] = X[:, :-1] @ rng.normal(size=n - 1) + 10.0 ** rng.uniform(-9, -2) * rng.normal(size=m)
    return X


def categories(rng, kind, m):
    """Codes of one to three categories: levels that are rare, that add up to those of another, that are missing."""
    found = []
    for _ in range(int(rng.integers(1, 3))):
        k = int(rng.choice([1, 2, 3, 5, 9]))
        share = rng.exponential(size=k) ** (4 if kind == "rare-levels" else 1) + 1e-2
        codes = rng.choice(k, size=m, p=share / share.sum())
        if kind == "missing" or rng.random() < 0.1:
            codes[rng.random(m) < 0.2] = -1
            codes[0] = 0
        found.append((codes, [f"v{j}" for j in rng.permutation(k)]))
    if kind == "adding-levels":
        codes, levels = found[0]
        k = max(1, (len(levels) + 1) // 2)
        found.append((np.where(codes < 0, -1, codes % k), [f"w{j}" for j in range(k)]))
    return found


def weights(rng, y):
    """None, of all sizes, tiny ones, counts with zeros."""
    m = len(y)
    kind = rng.choice(["none", "sizes", "tiny", "counts"], p=[0.55, 0.15, 0.1, 0.2])
    if kind == "none":
        return None
    s = {
        "sizes": 10.0 ** rng.uniform(-6, 3, size=m),
        "tiny": np.where(rng.random(m) < 0.3, 10.0 ** rng.uniform(-30, -10, size=m), 1.0),
        "counts": rng.integers(0, 3, size=m).astype(float),
    }[str(kind)]
    both = [int(np.argmin(y)), int(np.argmax(y))]
    s[both] = np.maximum(s[both], 1.0)
    return s


def labels(rng, kind, columns, m):
    z = np.zeros(m)
    for column in columns:
        if column.levels is not None:
            z += rng.normal(size=len(column.levels) + 1)[column.values] * 0.7
        else:
            z += column.values * rng.normal() * rng.choice([0.2, 1.0]) / np.sqrt(len(columns))
    y = (rng.logistic(size=m) + z + 0.5 * rng.normal() > np.median(z)).astype(int)
    if kind in ("near-separated", "separated"):
        y = (z > np.median(z)).astype(int)
        flipped = rng.integers(0, m, size=int(rng.integers(1, 4)) * (kind == "near-separated"))
        y[flipped] = 1 - y[flipped]
    if kind == "rare":
        y = np.zeros(m, dtype=int)
        y[rng.choice(m, size=int(rng.integers(1, 4)), replace=False)] = 1
    if kind == "one-class-level":
        category = next(column for column in columns if column.levels is not None)
        y[category.values == category.values[-1]] = rng.integers(0, 2)
    if kind != "separated":
        y[:2] = (0, 1)
    if y.min() == y.max():  # all levels alike
        y[::2] = 1 - y[0]
    return y


def random_problem(seed):
    """Columns, classes and weights of one kind."""
    rng = np.random.default_rng([seed, 20])
    kind = KINDS[seed % len(KINDS)]
    has_levels = KINDS.index(kind) >= KINDS.index("levels")
    n = int(rng.integers(0 if has_levels else 1, 3 if has_levels else 7))
    m = 2 * int(rng.integers(4 + n, rng.choice([20, 40, 75])))
    X = numbers(rng, kind, m, n)
    columns = [Column(f"x{j + 1}", X[:, j].copy()) for j in range(n)]
    if has_levels or rng.random() < 0.15:
        found = categories(rng, kind, m)
        columns += [Column(f"c{j + 1}", codes, levels) for j, (codes, levels) in enumerate(found)]
        columns = [columns[j] for j in rng.permutation(len(columns))]
    y = labels(rng, kind, columns, m)
    if kind == "mirrored":
        y[m // 2 :] = 1 - y[: m // 2]
    exact = kind in ("integers", "mirrored")
    offset = rng.choice([0.0, 0.0, 10.0, 1000.0])
    for column in columns:
        if column.levels is None and not (kind == "sparse" and rng.random() < 0.7):
            scale = 2.0 ** rng.integers(-13, 14) if exact else 10.0 ** rng.uniform(-4, 4)
            column.values = (column.values + (round(offset * rng.normal()) if exact else offset * rng.normal())) * scale
        if column.levels is None and kind == "missing" and rng.random() < 0.7:
            column.values[rng.random(m) < 0.2] = np.nan
            column.values[:2] = np.nan_to_num(column.values[:2], nan=float(np.nanmean(column.values)))
        if kind == "mirrored":
            column.values[m // 2 :] = column.values[: m // 2]
    s = weights(rng, y)
    if kind == "mirrored" and s is not None:
        s = np.maximum(s, 1e-30)
    return kind, columns, y, s, rng


def random_options(rng, storage):
    alphas, p = [0.0, 1e-10, 1e-6, 1e-3, 0.1, 10.0], [0.4, 0.1, 0.1, 0.2, 0.1, 0.1]
    options = {"alpha": float(rng.choice(alphas, p=p)), "coding": str(rng.choice(["reference", "all"]))}
    methods = ["newton", "newton-cg", "gradient-descent", "auto"] + ["sgd"] * (storage in DENSE)
    method = str(rng.choice(methods))
    if method == "newton-cg" and not options["alpha"]:
        options["alpha"] = float(10.0 ** rng.uniform(-8, 0))
    options["method"] = method
    if rng.random() < 0.3:
        options["tol"] = float(rng.choice([0.0, 1e-13, 1e-10, 1e-5, 1e-2]))
    if rng.random() < 0.15:
        options["fit_intercept"] = False
    elif not storage.startswith("csr") and rng.random() < 0.25:
        options["standardize"] = [True, "center"][rng.integers(2)]
    if method == "gradient-descent":
        options["max_reads"] = int(rng.integers(0, 25))
        if rng.random() < 0.2:
            options["learning_rate"] = float(10.0 ** rng.uniform(-3, 2))
    elif method == "sgd":
        options["max_reads"], options["seed"] = int(rng.integers(1, 6)), int(rng.integers(9))
        options["batch_size"] = int(rng.choice([1, 2, 5]))
        options["schedule"] = str(rng.choice(["constant", "inverse", "inverse-sqrt"]))
    elif rng.random() < 0.1:
        options["max_reads"] = int(rng.integers(0, 6))
    return options


def case_of(kind, storage, columns, y, s, options, rng, separated=None):
    """One problem in one storage; rows of weight 0 are nobody's."""
    kept = np.ones(len(y), dtype=bool) if s is None else s > 0
    X, names = expanded(columns, kept * 1.0 if s is None else s, options["coding"])
    if storage == "float32":
        X = X.astype(np.float32).astype(float)
    if storage not in TABLES:
        X[~kept] = 7.5
    data = stored(columns, X, storage, rng) if names else None
    return Case(kind, storage, columns, data, separated, X, names, y, s, options)


def random_case(seed):
    kind, columns, y, s, rng = random_problem(seed)
    storage = STORAGES[seed % len(STORAGES)]
    options = random_options(rng, storage)
    separated = None
    if kind == "mirrored":
        separated = False
    elif kind == "separated" and storage != "float32" and options.get("fit_intercept", True):
        separated = True
    case = case_of(kind, storage, columns, y, s, options, rng, separated)
    if not case.names:
        return random_case(seed + 1_000_003)
    if options.get("batch_size", 1) > (case.weights > 0).sum():
        options["batch_size"] = 1
    return case


# --- what every end must be -------------------------------------------------------------------------------------------


def ends_with_a_certificate_or_a_cause(result, said):
    c = result.certificate
    assert np.isfinite([*result.w, result.b, result.objective, result.loss, c.objective]).all()
    assert not np.isnan([*c.coef, c.gap, c.lower, c.intercept, c.r, c.noise, c.infimum_gap, c.infimum_at_least]).any()
    assert c.kind in ("bound", "limit", "ridge", "reduced", "infimum", "none")
    assert c.lower <= c.gap
    assert c.proven == (c.kind != "none")
    assert result.warnings == tuple(str(w.message) for w in said)
    if c.kind != "bound":
        assert c.reason
        assert said
    if result.reason == "converged":
        assert c.proven
        assert c.gap <= max(result.tol, 8.0 * c.noise) or result.findings[0].values.get("is_rounding")
        assert c.gap <= max(result.tol, 1e-8) or said
    else:
        assert said
        assert result.message


def kinds_fit_the_data(result, said, optimum, separated):
    """Separated data have no optimum, all others have one; separated None: not known."""
    c, told = result.certificate, {w.category for w in said}
    says_so = c.kind == "ridge" or result.reason == "no_optimum" or SeparationWarning in told
    says_so = says_so or "separated" in c.reason
    if result.alpha:
        assert not says_so
        assert c.kind != "reduced"
        assert separated is None
    if says_so:
        assert not optimum.exists
        assert separated is not False
    if c.kind in ("bound", "reduced"):
        assert optimum.exists
        assert not separated


def relations_are_true(found, X, names):
    """Every exact relation in the findings holds in the rows X; gives how many there are."""
    exact = [relation for relation in values_of(found, "relation") if relation["is_exact"]]
    for relation in exact:
        terms = X[:, [names.index(name) for name in relation["columns"]]] * relation["coefficients"]
        size = np.abs(terms).sum(axis=1) + abs(relation["constant"])
        assert np.all(np.abs(terms.sum(axis=1) - relation["constant"]) <= 1e-5 * size), relation
    return len(exact)


def levels_are_of_one_class(result, case):
    """Every level that is named, of all rows, has rows of that class alone; gives how many there are."""
    found = {
        each["level"]: each["class"] for each in values_of(result, "level") if each["factor"] and not each["of_rest"]
    }
    for name, label in found.items():
        column, level = name.split("=")
        column = next(of for of in case.columns if of.name == column)
        code = column.levels.index(level) if level != "(missing)" else -1
        rows = (column.values == code) & (case.weights > 0)
        assert rows.any()
        assert {f"class {label}" for label in case.y[rows]} == {label}
    return len(found)


def no_claim_is_false(case, result, said, counts):
    """The gap, the coefficients, F and its infimum, against the optimum that NumPy finds from the point returned."""
    c, X = result.certificate, case.read_as(result)
    kept, intercept = case.weights > 0, result.fit_intercept
    on = Objective(X, case.y, case.s, result.alpha * result.scale**2, intercept)
    start = on.point(result.w, result.b)
    F = float(on.at(start)[0])
    assert abs(F - result.objective) <= 1e-7 * (1.0 + F)
    is_rough = any(" (up to rounding" in each or " (to within " in each for each in result.relations)
    whole = not (c.kind == "reduced" and not is_rough)
    separated = case.separated if not result.alpha else None
    if separated is None and not result.alpha:
        separated = is_separated(X, case.y, case.s, intercept)

    def nearer():  # only a start: what is proven there is proven in long doubles
        found = fit(X, case.y, method="newton", sample_weight=case.s, alpha=result.alpha)
        return on.point(found.w, found.b)

    with_start = {"nearer": nearer} if c.kind == "bound" and intercept and not separated else {}
    on_these = (on, start) if whole else without_repeats(on, start)
    optimum = Optimum.of(*on_these, steps=20 if separated else 80, **with_start)
    if c.kind != "reduced" or not is_rough:
        kinds_fit_the_data(result, said, optimum, separated)
    # inf F is at most F anywhere.
    limit = min(F, result.objective) if result.infinite.any() else F
    assert limit - optimum.F <= c.infimum_gap * (1 + 1e-9) + 1e-15
    assert c.infimum_at_least <= optimum.F * (1 + 1e-12) + 1e-18
    if c.kind in ("bound", "reduced") and not (is_rough and c.kind == "reduced"):
        at_least, at_most = optimum.gap
        assert at_least <= c.gap
        assert c.lower <= at_most
        assert c.optimum_at_least <= optimum.F + 1e-15 * (1e-3 * F + optimum.F)
        counts["half would be wrong"] += at_least > 0.5 * c.gap
    if c.kind == "bound":
        distance, off = optimum.distances()
        most = np.append(c.coef, c.intercept) if intercept else c.coef
        assert (distance - off <= most).all()
        counts["a tenth would be wrong"] += (distance - off > 0.1 * most).any()
    if c.kind == "ridge" and not result.infinite.any():
        size = np.sqrt(np.average(np.square(X[kept] - on.center), axis=0, weights=case.weights[kept]))
        if (size > 1e-12 * np.abs(X[kept]).max(axis=0)).all():
            ridged = Optimum(Objective(X, case.y, case.s, 1e-8 * size**2, intercept), start)
            assert ridged.gap[0] <= c.gap + 1e-20
            counts["ridge"] += ridged.exists
    if c.kind == "infimum":
        assert F - optimum.F <= c.gap * (1 + 1e-9) + 1e-15
    counts["relations"] += relations_are_true(result, X[kept], case.names) if c.kind == "reduced" else 0
    counts["levels"] += levels_are_of_one_class(result, case)
    counts[c.kind] += 1
    if c.kind == "none" and "max_reads" not in case.options:
        counts["gave up"] += 1
        assert F <= optimum.F + 1e-3 or case.kind == "near-collinear"  # rounding hides the rest
    return on, optimum


@needs_wide
@pytest.mark.parametrize("start", range(0, SLICES * EACH, EACH))
def test_no_claim_is_false(start):
    counts = Counter()
    for seed in range(start, start + EACH):
        case = random_case(seed)
        result, said = case.run()
        ends_with_a_certificate_or_a_cause(result, said)
        no_claim_is_false(case, result, said, counts)
    assert counts["bound"] >= EACH / 2
    assert counts["gave up"] <= 2
    assert counts["half would be wrong"] >= EACH / 4
    assert counts["a tenth would be wrong"] >= EACH / 4


@needs_wide
@pytest.mark.parametrize("start", range(0, 400, 200))
def test_bounds_hold_in_50_digits(start):
    seen = 0
    for seed in range(start, start + 200):
        if seed % 5:
            continue
        case = random_case(seed)
        result, said = case.run()
        c = result.certificate
        if c.kind != "bound" or len(case.y) > 60:
            continue
        on, optimum = no_claim_is_false(case, result, said, Counter())
        exact = Exact(on, optimum.theta)
        gap, (at_least, at_most) = exact.gap(result.w, result.b), optimum.gap
        assert 0 <= gap <= c.gap
        assert c.lower <= gap
        assert at_least <= gap <= at_most
        assert c.optimum_at_least <= exact.minimum * (1 + exact.mp.mpf(10) ** -30)
        assert all(d <= most for d, most in zip(exact.distances(result.w), c.coef, strict=True))
        seen += 1
    assert seen >= 10


# --- quasi-separated data ---------------------------------------------------------------------------------------------

QUASI = ["level", "turned", "shifted", "missing"]
POINTS = 30


def quasi_separated(seed):
    """Rows on both sides of a plane through some of them: those on it have both classes, the others are separated by it.

    By a level of one class, by small integers turned by an integer matrix, by a column at 1000.1, by what is missing in rows of
    one class. Gives the case, and the direction (w, b).
    """
    rng = np.random.default_rng([seed, 21])
    kind, storage = QUASI[seed // 2 % len(QUASI)], STORAGES[seed % len(STORAGES)]
    m, n = int(rng.integers(20, 70)), int(rng.integers(2, 4))
    X, y = rng.integers(-4, 5, size=(m, n)).astype(float), (rng.random(m) < 0.5).astype(int)
    y[:6] = (1, 0, 0, 1, 0, 1)
    off = rng.random(m) < rng.choice([0.1, 0.5])
    off[:2] = True
    off[2:6] = False
    levels, codes = ["a", "b", "NV"], rng.integers(0, 2, size=m)
    direction, b = np.zeros(n), 0.0
    if kind in ("turned", "shifted"):
        X[:, 0] = np.where(off, rng.integers(1, 4, size=m) * (2 * y - 1), 0.0)
        direction[0] = 1.0
    if kind == "turned":
        turn = np.eye(n) + np.tril(rng.integers(-2, 3, size=(n, n)), -1)
        direction = np.round(np.linalg.solve(turn, direction))  # turn is unit lower triangular: exact in small integers
        X = X @ turn
    if kind == "shifted":
        X = 0.1 * X + 1000.1  # rounded, but rows on the plane stay on one: the same value is rounded the same way
        b = -float(np.float32(1000.1)) if storage == "float32" else -1000.1
    if kind == "level":
        codes[off & (y == 1)] = 2
    columns = [Column(f"x{j + 1}", X[:, j].copy()) for j in range(n)] + [Column("c", codes, levels)]
    if kind == "missing":
        columns[0].values[off & (y == 1)] = np.nan
    s = None if rng.random() < 0.5 else np.exp(rng.normal(size=m))
    options = {"alpha": 0.0, "coding": str(rng.choice(["reference", "all"]))}
    methods = ["newton", "gradient-descent", "auto"] + ["sgd"] * (storage in DENSE)
    options["method"] = methods[int(rng.integers(len(methods)))]
    if options["method"] in ("gradient-descent", "sgd"):
        options["max_reads"] = int(rng.integers(1, 8))
    case = case_of(kind, storage, columns, y, s, options, rng, separated=True)
    w = np.zeros(len(case.names))
    w[:n] = direction if kind in ("turned", "shifted") else 0.0
    if kind in ("level", "missing"):
        w[case.names.index({"level": "c=NV", "missing": "x1 missing"}[kind])] = 1.0
    assert ((2 * y - 1) * (case.X @ w + b) >= 0).all()
    assert (case.X @ w + b != 0).any()
    return case, w, b, rng


def on_the_way(on, along, rng):
    """Newton's iterates with hardly a penalty, and points far out along the direction that minimise over the rest."""
    U, weights = on.U.astype(float), on.weights.astype(float)
    ridge = 1e-12

    def step(theta):
        _, gradient, h, _ = on.at(theta)
        H = (U.T * h.astype(float)) @ U
        H += np.diag(ridge * np.diag(H) + 1e-14)
        return -np.linalg.lstsq(H, gradient.astype(float), rcond=None)[0]

    theta, points = np.zeros(U.shape[1]), []
    for _ in range(12):
        change = step(theta)
        theta = theta + change * min(1.0, 4.0 / max(np.abs(U @ change).max(), 1e-300))
        points.append(theta)
    base = points[5]
    for t in np.linspace(2.0, 60.0, POINTS - len(points)):
        theta = base + t * along
        for _ in range(3):
            change = step(theta)
            change -= along * (change @ along) / (along @ along)
            theta = theta + change * min(1.0, 2.0 / max(np.abs(U @ change).max(), 1e-300))
        points.append(theta)
    assert weights.min() > 0
    return points


def what_points_prove(case, points):
    """What is proven of points by themselves, one read each; `certify` takes this, and an optimum where there is one."""
    names = None if case.storage in TABLES else case.names
    rows = rows_of(case.data, case.y, case.s, names, case.options["coding"], 1)[0]
    options = FitSpec(tol=1e-10)
    n = rows.n_features
    task = prepare(Problem.of(options, rows, (np.zeros(n), 0.0), (0, 1), 0.0))
    return [certify_point(task, None, w, b) for w, b in points]


@needs_wide
@pytest.mark.parametrize("start", range(0, 56, 14))  # every kind in every storage
def test_points_of_quasi_separated_data_are_never_proven_to_have_an_optimum(start):
    for seed in range(start, start + 14):
        case, direction, b_direction, rng = quasi_separated(seed)
        on = Objective(case.X, case.y, case.s, 0.0)
        along = on.point(direction, b_direction).astype(float)
        points = []
        for theta in on_the_way(on, along, rng):
            w = theta[:-1] * on.power
            points.append((w, float(theta[-1] - on.center @ w)))
        assert len(points) == POINTS
        for c in what_points_prove(case, points):
            assert c.kind == "none"
            assert not c.r < 1.0
            assert c.gap == np.inf
            assert np.isinf(c.coef).all()
        if seed % 2:
            continue
        result, said = case.run()
        ends_with_a_certificate_or_a_cause(result, said)
        assert result.certificate.kind in ("limit", "ridge", "infimum", "none")
        assert any(w.category is SeparationWarning for w in said) or result.certificate.kind == "none"
        no_claim_is_false(case, result, said, Counter())
        if seed // 2 % 5:
            continue
        w, b = points[int(rng.integers(len(points)))]
        more = {"coding": case.options["coding"]} if case.storage in TABLES else {}
        c = certify(case.data, case.y, w, b, alpha=0.0, sample_weight=case.s, n_threads=1, **more)
        assert c.kind == "infimum"
        assert "separated" in c.reason or "infinite" in c.reason
        assert c.infimum_at_least <= min(float(on.at(on.point(w, b))[0]) for w, b in points) * (1 + 1e-12) + 1e-18


# --- words over categories -------------------------------------------------------------------------------------------

FORMS = ["category", "text", "dictionary", "string", "large_string"]
HOMES = {"AA": "EWR", "B6": "JFK", "DL": "JFK", "UA": "LGA", "WN": "LGA"}


def flights(form, y_of=None, seed=0):
    """Carriers, each at home in one place; as a pandas frame or an Arrow table with categories of any form."""
    rng = np.random.default_rng([seed, 22])
    carrier = rng.choice(list(HOMES), 400)
    origin = np.array([HOMES[c] for c in carrier])
    y, x = (rng.random(400) < 0.4).astype(int), rng.normal(size=400)
    for level, label in (y_of or {}).items():
        y[carrier == level] = label
    texts = {"carrier": carrier.astype(object), "origin": origin.astype(object)}
    if form == "category":
        return pd.DataFrame({name: pd.Categorical(of) for name, of in texts.items()} | {"x": x}), y
    if form == "text":
        return pd.DataFrame(texts | {"x": x}), y
    arrays = {
        name: pa.array(of, type=pa.large_string() if form == "large_string" else pa.string())
        for name, of in texts.items()
    }
    if form == "dictionary":
        arrays = {name: pa.array(pd.Categorical(of)) for name, of in texts.items()}
    table = pa.table(arrays | {"x": x})
    return pa.concat_tables([table.slice(0, 100), table.slice(100)]).unify_dictionaries(), y


def numbers_of(table, coding):
    """The expansion of flights, by name."""
    frame = table.to_pandas() if hasattr(table, "to_pandas") else table
    columns = {}
    for name in ("carrier", "origin"):
        levels = sorted(set(frame[name])) if coding == "all" else sorted(set(frame[name]))[1:]
        columns |= {f"{name}={level}": (frame[name] == level).to_numpy() * 1.0 for level in levels}
    return columns


def told(table, y, **options):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        result = fit(table, y, **options)
    return result, {w.category: str(w.message) for w in said}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("coding", "method"), [("reference", "auto"), ("all", "gradient-descent")])
def test_a_level_of_one_class_is_named_in_every_table(form, coding, method):
    more = {"max_reads": 3} if method == "gradient-descent" else {}
    for y_of in ({"DL": 1}, {"AA": 0}, {"B6": 1, "WN": 0}):
        table, y = flights(form, y_of)
        result, said = told(table, y, coding=coding, method=method, **more)
        assert result.certificate.kind == ("limit" if method == "auto" else "infimum")
        assert SeparationWarning in said
        named = levels_of(result)
        whole = {f"carrier={level}": f"class {label}" for level, label in y_of.items()}
        whole |= {"origin=EWR": "class 0"} if "AA" in y_of else {}
        assert named.items() <= whole.items()
        assert named
        for level in y_of:
            assert named.keys() & {f"carrier={level}", f"origin={HOMES[level]}" if level == "AA" else ""}
    labels = np.array(["on time", "late"])[y]
    _, said = told(table, labels, coding=coding, method=method, **more)
    assert SeparationWarning in said


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("method", ["auto", "gradient-descent"])
def test_levels_that_add_up_across_categories_are_said_in_words(form, method):
    table, y = flights(form)
    more = {"max_reads": 3} if method == "gradient-descent" else {}
    for coding, count in (("reference", 2), ("all", 4)):
        result, said = told(table, y, coding=coding, method=method, **more)
        assert result.certificate.kind == "reduced"
        columns = numbers_of(table, coding)
        assert [name for name in result.feature_names if name != "x"] == list(columns)
        assert "carrier" in said[CollinearityWarning]
        if method == "auto":  # gradient descent repeats what its certificate says
            assert relations_are_true(result, np.column_stack(list(columns.values())), list(columns)) == count
        assert len(result.relations) == count
        if coding == "reference":
            assert list(result.relations) == [
                "carrier=B6 + carrier=DL = origin=JFK",
                "carrier=UA + carrier=WN = origin=LGA",
            ]
        else:
            assert f"{' + '.join(f'carrier={level}' for level in HOMES)} = 1" in str(result.relations)
    reduced, _ = told(table, y, coding="all", tol=1e-12)
    one = table.drop(["origin"]) if hasattr(table, "schema") else table.drop(columns="origin")
    plain, said = told(one, y, tol=1e-12)
    assert plain.certificate.kind == "bound"
    assert not said
    assert abs(reduced.objective - plain.objective) <= reduced.certificate.gap + plain.certificate.gap + 1e-15


def test_false_relations_are_refused_here():
    X, names = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0], [0.0, 0.0, 0.0]]), ["a=1", "a=2", "b"]

    def relation(columns, coefficients, constant=0.0):
        values = {"columns": columns, "coefficients": coefficients, "constant": constant, "is_exact": True}
        return Finding("relation", values)

    assert relations_are_true([relation(names, (1.0, 1.0, -1.0)), relation(names, (2.0, 2.0, -2.0))], X, names) == 2
    for false in (
        relation(["a=1", "b"], (1.0, -1.0)),
        relation(["b"], (1.0,), 1.0),
        relation(["a=1", "a=2"], (1.0, 1.0), 1.0),
        relation(names, (2.0, 3.0, -3.0)),
    ):
        with pytest.raises(AssertionError):
            relations_are_true(false, X, names)
