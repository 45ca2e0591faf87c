from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from chainrule.data.rows import Rows
from chainrule.diagnosis.overlap import decide, overlap_is_proven
from chainrule.diagnosis.separation import find_separation
from chainrule.kernels.blocks import Blocks
from drawn_tools import classes, drawn, whole, whole_tables


def separation(X, y, s=None, names=None, *, n_threads=None, **options):
    names = [f"x{j + 1}" for j in range(X.shape[1])] if names is None else names
    return find_separation(Rows.of(Blocks.dense(X), np.asarray(y, dtype=np.uint8), s, names, n_threads), **options)


def columns(found, names=None):
    """The columns that take part in the directions, x1, x2, ... by default."""
    at = dict.fromkeys(j for v, _ in found.directions for j in v)
    return tuple(f"x{j + 1}" if names is None else names[j] for j in at)


def scores(found, X, y):
    """(2y - 1)(x.v + b) of the first direction that a row is not on the plane of; 0 if of none: exact."""
    values = []
    for row, label in zip(np.asarray(X).tolist(), np.asarray(y).tolist(), strict=True):
        x = [Fraction(value) for value in row]
        each = (sum((c * x[j] for j, c in v.items()), b) for v, b in found.directions)
        values.append(next((value for value in each if value), Fraction(0)) * (1 if label else -1))
    return values


def said(found):
    """Codes and values of the causes of all rows, but for what is not known of them."""
    named = [(cause.code, dict(cause.values)) for cause in found.finding.values["causes"]]
    assert not any(values.pop("of_rest") for _, values in named)
    return [(code, {name: value for name, value in values.items() if value is not None}) for code, values in named]


def holds(found, X, y):
    """The directions keep every row on its side, and those on the plane are the ones that are said to be."""
    values = scores(found, X, y)
    assert min(values) >= 0
    assert [i for i, value in enumerate(values) if not value] == found.rows_on_plane.tolist()
    assert (found.kind == "complete") == (min(values) > 0)


def kind_by_rays(X, y, fit_intercept=True):
    """Independent and exact: every extreme ray of {v: A v >= 0} is orthogonal to k - 1 rows. Whole numbers, full rank."""
    X = np.column_stack([X, np.ones(len(X), dtype=int)]) if fit_intercept else X
    A = X.astype(np.int64) * np.where(y, 1, -1)[:, None]
    A = np.unique(A, axis=0).astype(object)
    k = A.shape[1]
    M = np.moveaxis(A[list(combinations(range(len(A)), k - 1))], 0, -1)  # (k - 1, k, choices of rows)
    if k == 2:
        rays = np.array([M[0, 1], -M[0, 0]])
    elif k == 3:
        (a, b, c), (d, e, f) = M
        rays = np.array([b * f - c * e, c * d - a * f, a * e - b * d])
    else:
        rays = np.array([(-1) ** j * determinant(np.delete(M, j, axis=1)) for j in range(k)])
    rays = rays[:, (rays != 0).any(axis=0)]
    z = A @ rays
    signs = (z >= 0).all(axis=0) * 1 - (z <= 0).all(axis=0)
    if not signs.any():
        return None
    return "complete" if (A @ (rays @ signs) > 0).all() else "quasi"


def determinant(M):
    (a, b, c), (d, e, f), (g, h, i) = M
    return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)


# Against an exact reference


@drawn
@given(whole_tables())
def test_small_problems_against_all_extreme_rays(problem):
    X, y, scale = problem
    expected = kind_by_rays(X, y)
    found = separation(X * scale, y)
    assert (found and found.kind) == expected
    if found:
        assert found.final
        holds(found, X * scale, y)


@drawn
@given(
    whole_tables(),
    st.booleans(),
    st.lists(st.integers(0, 39), max_size=30),
    arrays(np.int64, 3, elements=st.integers(-950, 950)),
)
def test_repeated_rows_rows_of_weight_0_and_any_scale_change_nothing(problem, fit_intercept, again, powers):
    X, y, _ = problem
    m, n = X.shape
    assume(fit_intercept or n > 1)
    places = [*range(m), *(k % m for k in again)]
    scaled = (X * 2.0 ** powers[:n])[places]
    rows = np.vstack([scaled, np.full((2, n), 7.5), np.full((2, n), np.nan)])
    s = np.append(np.linspace(0.01, 3.0, len(places)), np.zeros(4))
    found = separation(rows, np.append(y[places], [0, 1, 0, 1]), s, fit_intercept=fit_intercept)
    assert (found and found.kind) == kind_by_rays(X, y, fit_intercept)
    if found:
        assert found.final
        holds(found, scaled, y[places])


@pytest.mark.parametrize("part", range(4))
def test_rows_one_unit_off_a_line(rng, part):
    """Margins of 1e-5 to 1e-8 of the data: there the linear program alone can't tell."""
    largest = (2**16, 2**20, 2**23, 2**26)[part]
    seen = set()
    for _ in range(40):
        x = rng.integers(-largest, largest, 14)
        off = rng.integers(-1, 2, 14)
        X = np.column_stack([x, 3 * x + off])
        y = np.where(off == 0, rng.random(14) < 0.5, off > 0)
        if rng.random() < 0.5:
            y[0] = ~y[0]
        if y.all() or not y.any() or len(np.unique(off)) < 2:
            continue
        expected = kind_by_rays(X, y)
        found = separation(X.astype(float), y)
        got = found and found.kind
        assert got in (expected, "undecided")
        seen.add(got)
    assert seen >= ({"complete", "quasi", None} if part < 2 else {None})
    assert part > 1 or "undecided" not in seen


@pytest.mark.parametrize("far", [20924, 33345])
def test_a_row_so_sure_that_its_slope_underflows_makes_no_warning(far):
    """Multipliers in units of the smallest one were infinite, and NumPy said so to the user."""
    x, off = np.array([0, 0, 0, 0, 0, 0, 0, 0, 1, far, -1, 1]), np.array([-1, 0, 0, 1, -1, 0, 0, -1, 0, 0, 0, 0])
    X, y = np.column_stack([x, 3 * x + off]), np.array([0, 0, 1, 1, 0, 1, 1, 0, 1, 1, 1, 1])
    found = separation(X.astype(float), y)
    assert found.kind == kind_by_rays(X, y) == "quasi"
    holds(found, X, y)


@pytest.mark.parametrize("kind", [None, "complete", "quasi"])
@pytest.mark.parametrize("part", range(2))
def test_by_construction(rng, kind, part):
    for trial in range(30):
        n = int(rng.integers(2, 13)) if trial % 10 else int(rng.integers(20, 70))
        m = int(rng.integers(2 * n + 10, 8 * n + 40))
        support = rng.choice(n, int(rng.integers(1, min(n, 6) + 1)), replace=False)
        v = np.zeros(n)
        v[support] = rng.integers(1, 4, len(support)) * rng.choice([-1, 1], len(support))
        X = rng.normal(size=(m, n)) if trial % 3 else rng.integers(-9, 10, (m, n)).astype(float)
        X[:, support] = rng.integers(-6, 7, (m, len(support)))
        X = np.vstack([X, 0 * X[:1]])
        z = X @ v
        y = z >= 0
        if kind is None:  # rows with both labels that span everything
            y = rng.random(m + 1) < 1 / (1 + np.exp(-z))
            both = np.arange(n + 2)
        elif kind == "quasi":  # rows on the plane with both labels, few or many
            both = np.flatnonzero(z == 0)[: rng.integers(1, n + 5)]
            keep = (z != 0) | np.isin(np.arange(m + 1), both)
            X, y, z = X[keep], y[keep], z[keep]
            both = np.flatnonzero(z == 0)
        else:
            both = np.zeros(0, dtype=int)
        X, y = np.vstack([X, X[both]]), np.append(y, ~y[both])
        X = X * 2.0 ** rng.integers(-27, 28, n)
        if y.all() or not y.any():
            continue
        found = separation(X, y)
        assert (found and found.kind) == kind
        if found:
            assert found.final
            holds(found, X, y)


@pytest.mark.parametrize("part", range(2))
def test_random_overlapping_data_are_never_called_separated(rng, part):
    for _ in range(50):
        n = int(rng.integers(1, 9))
        m = int(rng.integers(60 * n, 120 * n))
        X = rng.standard_t(3, size=(m, n)) * 10.0 ** rng.integers(-8, 9, n)
        X += rng.choice([0, 1000]) * X.std(axis=0)
        y = rng.random(m) < rng.choice([0.1, 0.5])
        y[:2] = 0, 1
        found = separation(X, y)
        if found:  # possible by chance with few positives: then it has to hold
            holds(found, X, y)
        else:
            # Independent: the logistic optimum is finite, its gradient 0.
            Z = np.column_stack([(X - X.mean(axis=0)) / X.std(axis=0), np.ones(m)])
            w = np.zeros(n + 1)
            for _ in range(30):
                g = 1 / (1 + np.exp(-np.clip(Z @ w, -500, 500)))
                w -= np.linalg.solve((Z.T * (g * (1 - g) + 1e-12)) @ Z, Z.T @ (g - y))
            assert np.abs(Z.T @ (g - y)).max() < 1e-9 * m
            assert np.abs(w).max() < 30


# Proofs


@drawn
@given(st.integers(2, 5).flatmap(lambda k: st.tuples(whole((9, k), 5), whole(k, 2))))
def test_no_multipliers_prove_overlap_of_separated_rows(problem):
    A, v = problem
    z = A @ v
    assume(z.any())
    A = A * np.where(z < 0, -1.0, 1.0)[:, None]
    # As near to a proof as can be: rows off the plane get next to nothing.
    for weight in (1.0, 1e-8, 1e-16, 1e-30):
        assert not overlap_is_proven(A, np.where(z == 0, np.linspace(0.1, 1.1, 9), weight))
    found = decide(A, np.zeros(A.shape[1]))
    assert not found.flat[z != 0].any()
    assert ((A @ found.v > 0.4) == ~found.flat).all()
    assert (A @ found.v > -1e-9).all()


def test_multipliers_prove_overlap(rng):
    half = rng.normal(size=(30, 4))
    A = np.vstack([half, -half])
    assert overlap_is_proven(A, np.ones(60))
    assert not overlap_is_proven(A, np.append(np.full(30, 3.0), np.ones(30)))
    assert not overlap_is_proven(A, np.append(np.zeros(30), np.ones(30)))
    assert not overlap_is_proven(A[:, [0, 1, 2, 2]], np.ones(60))


# Known cases, in words


def test_endometrial_like_level_is_named(rng):
    m = 79
    nv = (np.arange(m) < 13).astype(float)
    X = np.column_stack([nv, rng.integers(0, 50, m), rng.normal(1.6, 0.7, m)])
    y = rng.random(m) < 0.38
    y[nv == 1] = True
    found = separation(X, y, names=["NV", "PI", "EH"], classes=("low", "high"))
    assert (found.kind, found.final) == ("quasi", True)
    assert found.directions == (({0: 1}, 0),)
    assert len(found.rows_on_plane) == 66
    holds(found, X, y)
    assert "every row with NV = 1 is high" in str(found.finding)
    assert str(found.finding).endswith("; use a penalty, e.g. alpha=0.013")
    assert separation(X[:, 1:], y) is None  # as here


def test_level_of_a_category_is_named_with_its_class(rng):
    level = rng.integers(0, 3, 300)
    names = ["species=Adelie", "species=Chinstrap", "species=Gentoo", "mass"]
    X = np.column_stack([np.eye(3)[level], rng.normal(size=300)])
    y = rng.random(300) < 0.5
    y[level == 2] = True
    found = separation(X, y, names=names, classes=("female", "male"))
    assert columns(found, names) == ("species=Gentoo",)
    assert said(found) == [("level", {"level": "species=Gentoo", "class": "male", "factor": "species"})]
    assert "species=Gentoo: every row of this level is male" in str(found.finding)
    assert str(found.finding).endswith("; use a penalty, e.g. alpha=0.0033, or merge the level with another")
    y = rng.random(300) < 0.5
    y[level != 2] = False
    found = separation(X, y, names=names, classes=("female", "male"))
    assert ("no level", {"levels": ("species=Gentoo",), "class": "female", "factor": "species"}) in said(found)
    assert "every row without species=Gentoo is female" in map(str, found.finding.values["causes"])


def test_level_without_a_column_of_its_own(rng):
    level = rng.integers(0, 4, 400)
    X = np.column_stack([np.eye(4)[level][:, :3], rng.normal(size=400)])
    y = rng.random(400) < 0.5
    y[level == 3] = False
    found = separation(X, y, names=["c=a", "c=b", "c=d", "x"], classes=("no", "yes"))
    assert (found.kind, found.final) == ("quasi", True)
    assert "c: every row with none of c=a, c=b, c=d is no" in str(found.finding)
    assert found.rows_on_plane.tolist() == np.flatnonzero(level != 3).tolist()


def test_age_separates_completely(rng):
    age = np.append(rng.integers(18, 41, 60), rng.integers(41, 80, 60)).astype(float)
    age[[0, 60]] = 40, 41
    X = np.column_stack([rng.normal(size=120), age])
    found = separation(X, age > 40.5, names=["x", "age"], classes=("no", "yes"))
    assert found.kind == "complete"
    sides = (("above", "yes"), ("below", "no"))
    assert said(found) == [("threshold", {"column": "age", "threshold": 40.5, "sides": sides, "is_complete": True})]
    assert "age above 40.5 separates the classes completely: yes above, no below" in str(found.finding)
    assert [-b / v[1] for v, b in found.directions] == [Fraction(81, 2)]


def test_threshold_0_between_the_classes():
    found = separation(np.array([[-2.0], [-1.0], [1.0], [2.0]]), [0, 0, 1, 1])
    sides = (("above", "class 1"), ("below", "class 0"))
    assert said(found) == [("threshold", {"column": "x1", "threshold": 0.0, "sides": sides, "is_complete": True})]
    assert len(found.directions) == 1


def test_nothing_separates_columns_of_zeros_without_intercept():
    assert separation(np.zeros((3, 2)), [0, 1, 0], fit_intercept=False) is None


def test_toy_of_complete_separation():
    X = np.array([[1.0], [2.0], [3.0], [4.0], [5.0], [6.0]])
    assert separation(X, [0, 0, 0, 1, 1, 1]).kind == "complete"
    assert separation(X, [1, 1, 1, 0, 0, 0]).directions[0][0][0] < 0
    assert separation(X, [0, 0, 1, 0, 1, 1]) is None
    tie = np.array([[1.0], [2.0], [3.0], [3.0], [5.0], [6.0]])
    found = separation(tie, [0, 0, 0, 1, 1, 1])
    assert (found.kind, found.rows_on_plane.tolist()) == ("quasi", [2, 3])
    sides = (("above", "class 1"), ("below", "class 0"))
    assert said(found) == [("threshold", {"column": "x1", "threshold": 3.0, "sides": sides, "is_complete": False})]
    assert "x1: every row above 3 is class 1 and every row below 3 is class 0" in str(found.finding)
    assert separation(tie, [0, 0, 1, 0, 1, 1]).kind == "quasi"


def test_iris_two_species():
    from sklearn.datasets import load_iris

    X, y = load_iris(return_X_y=True)
    first = y < 2
    found = separation(X[first], y[first] == 1)
    assert found.kind == "complete"
    assert len(columns(found)) == 1
    holds(found, X[first], y[first] == 1)
    assert separation(X[~(y == 0)], y[~(y == 0)] == 2) is None


def test_only_three_columns_together_separate(rng):
    X = rng.normal(size=(2000, 12))
    X[:, :3] = rng.integers(-9, 10, (2000, 3))
    z = X[:, 0] + 2 * X[:, 1] - X[:, 2]
    y = np.where(z == 0, rng.random(2000) < 0.5, z > 0)
    found = separation(X, y)
    assert (found.kind, found.final) == ("quasi", True)
    ((v, _),) = found.directions
    assert [v[j] / v[0] for j in sorted(v)] == [1, 2, -1]
    assert min(scores(found, X, y)) == 0
    assert len(found.rows_on_plane) == (z == 0).sum()
    ((code, values),) = said(found)
    assert (code, values["is_complete"]) == ("direction", False)
    assert "x1 + 2 x2 - x3 is above 0 only in rows of class 1" in str(found.finding)
    assert "merging" not in str(found.finding)
    y = z > 0.5
    found = separation(X, y)
    assert (found.kind, sorted(columns(found))) == ("complete", ["x1", "x2", "x3"])
    assert min(scores(found, X, y)) > 0


def promises_only_what_holds(found):
    """Dropping a column is never said to be enough: whether the classes then overlap is for the next fit to tell."""
    _, ways = str(found.finding).split("use a penalty", 1)
    return "or drop " not in ways


def test_dropping_what_is_named_may_not_do(rng):
    x = rng.normal(size=60)
    two = np.column_stack([x, x**3 + 0.1 * np.sign(x), rng.normal(size=60)])  # each of the first two separates
    copies = np.column_stack([x, rng.normal(size=60), 2 * x])
    for X in (two, copies):
        found = separation(X, x > 0)
        assert len(columns(found)) == 1
        again = separation(np.delete(X, list(found.directions[0][0]), axis=1), x > 0)
        assert again.kind == "complete"
        assert promises_only_what_holds(found)
        assert promises_only_what_holds(again)
    X = rng.normal(size=(20, 12))
    y = np.arange(20) % 2 == 0
    found = separation(X, y)
    assert found.kind == "complete"
    assert promises_only_what_holds(found)
    assert any(separation(np.delete(X, j, axis=1), y) is not None for j in found.directions[0][0])


def test_one_row_flipped_and_its_weight_0(rng):
    X = rng.normal(size=(3000, 5))
    y = X @ [1.0, -2.0, 0.5, 3.0, 1.0] > 0.3
    assert separation(X, y).kind == "complete"
    deep = np.argmax(np.abs(X @ [1.0, -2.0, 0.5, 3.0, 1.0]))
    y[deep] = ~y[deep]
    assert separation(X, y) is None
    s = np.ones(3000)
    s[deep] = 0
    X[deep] = np.nan
    found = separation(X, y, s)
    assert found.kind == "complete"
    assert not len(found.rows_on_plane)


def test_wide_data_are_always_separated(rng):
    X = rng.normal(size=(20, 50))
    y = rng.random(20) < 0.5
    y[:2] = 0, 1
    found = separation(X, y)
    assert found.kind == "complete"
    holds(found, X, y)
    X[1] = X[0]
    found = separation(X, y)
    assert (found.kind, found.rows_on_plane.tolist()) == ("quasi", [0, 1])


def test_collinear_columns_do_not_break_it(rng):
    X = rng.normal(size=(500, 3))
    X = np.column_stack([X, X[:, 0], X[:, 0] + X[:, 1], np.full(500, 2.0), 5 - X[:, 2]])
    assert separation(X, rng.random(500) < 0.5) is None
    y = X[:, 0] + X[:, 1] - X[:, 2] > 0.1
    found = separation(X, y)
    assert found.kind == "complete"
    holds(found, X, y)


@pytest.mark.parametrize("shift", [0.0, 1000.0])
def test_scales_and_shifts(rng, shift):
    X = rng.normal(size=(800, 6))
    z = X @ rng.normal(size=6)
    X = (X + shift) * 10.0 ** rng.permutation([-8, -5, -1, 0, 4, 8])
    assert separation(X, z + rng.logistic(size=800) > 0) is None
    found = separation(X, z > 0)
    assert found.kind == "complete"
    holds(found, X, z > 0)


def test_levels_absent_from_the_subset_are_found(rng):
    m = 30_000
    level = np.where(np.arange(m) < 60, np.arange(m) // 3, 20 + rng.integers(0, 5, m))
    X = np.eye(25)[level]
    y = rng.random(m) < 0.5
    y[:60:3], y[1:60:3] = True, False
    assert separation(X, y) is None
    y[3:6] = True
    found = separation(X, y)
    assert columns(found) == ("x2",)
    assert found.rows_on_plane.tolist() == [*range(3), *range(6, m)]


def test_violating_rows_outside_the_subset_are_found(rng):
    m = 50_000
    X = rng.normal(size=(m, 4))
    y = X @ [1.0, 1.0, 0.0, -1.0] > 0
    found = separation(X, y)
    assert (found.kind, len(found.rows_on_plane)) == ("complete", 0)
    y[np.argsort(np.abs(X @ [1.0, 1.0, 0.0, -1.0]))[:200]] ^= True
    assert separation(X, y) is None


def test_hint_is_tried_and_a_wrong_one_does_no_harm(rng):
    X = rng.normal(size=(300, 4))
    w = np.array([1.0, -1.0, 2.0, 0.5])
    y = X @ w > 0.1
    assert separation(X, y, hint=(w, -0.1)).kind == "complete"
    assert separation(X, y, hint=(-w, 5.0)).kind == "complete"
    assert separation(X, y, hint=(np.full(4, np.nan), 0.0)).kind == "complete"
    assert separation(X, rng.random(300) < 0.5, hint=(w, -0.1)) is None


def test_hint_of_many_columns_is_proven_without_a_program(rng):
    X, w = rng.normal(size=(2000, 1100)), rng.normal(size=1100)
    y = X @ w > 0.1
    found = separation(X, y, hint=(w, -0.1))
    assert (found.kind, found.final) == ("complete", True)
    ((exact, b),) = found.directions
    v = np.array([float(exact[j]) for j in range(1100)])
    np.testing.assert_allclose(v / np.abs(v).max(), w / np.abs(w).max(), atol=1e-4)
    np.testing.assert_array_equal(X @ v + float(b) > 0, y)
    assert separation(X, y, hint=(-w, 0.1)).kind == "undecided"  # so many are not looked at


def test_storage_and_threads_change_nothing(rng):
    X = rng.integers(-6, 7, (20_000, 6)).astype(np.float32)
    z = X[:, 0] - X[:, 1] + X[:, 4]
    y = np.where(z == 0, rng.random(20_000) < 0.5, z > 0)
    first = separation(X, y, n_threads=1)
    assert first.kind == "quasi"
    for other in (np.asfortranarray(X), X.astype(float), np.repeat(X, 2, axis=1)[:, ::2]):
        again = separation(other, y, n_threads=2)
        assert again == first
        np.testing.assert_array_equal(again.rows_on_plane, first.rows_on_plane)


def test_without_intercept_the_plane_goes_through_0(rng):
    X = np.abs(rng.normal(size=(200, 2))) + 1
    y = X[:, 0] > 2
    assert separation(X, y).kind == "complete"
    assert separation(X, rng.random(200) < 0.5, fit_intercept=False) is None
    y = X[:, 0] > X[:, 1]
    found = separation(X, y, fit_intercept=False)
    assert found.kind == "complete"
    assert found.directions[0][1] == 0
    holds(found, X, y)


def test_decimal_data_are_never_wrong(rng):
    """On tenths the plane holds only up to rounding; whatever is said has to be true of the floats."""
    for _ in range(10):
        whole = rng.integers(-60, 60, (300, 3))
        z = whole @ [1, 2, -1]
        X = np.column_stack([whole / 10, rng.normal(size=300)])
        both = np.abs(z) <= 3
        X, y = np.vstack([X, X[both]]), np.append(z > 0, ~(z[both] > 0))
        z = np.append(z, z[both])
        keep = z % 2 == 0
        X, y, z = X[keep], y[keep], z[keep]
        wrong = (y != (z > 0)) & (z != 0)
        X, y, z = X[~wrong], y[~wrong], z[~wrong]
        found = separation(X, y)
        assert found is not None
        if found.kind == "undecided":
            assert not found.final
        else:
            holds(found, X, y)


def test_one_class_only_on_the_plane_of_the_rest(rng):
    X = np.column_stack([np.repeat([0.0, 1.0], 50), rng.normal(size=100)])
    y = np.append(np.zeros(50, dtype=bool), np.ones(50, dtype=bool))
    y[50:] = X[50:, 1] > 0
    # x1 = 0 is of one class: those rows go first, the others are then kept apart by x2.
    found = separation(X, y)
    assert found.kind == "complete"
    holds(found, X, y)


def test_rest_of_one_class_above_0_without_intercept():
    found = separation(np.array([[1.0, 1.0], [1.0, -1.0], [0.0, 3.0], [0.0, 2.0]]), [1, 1, 0, 0], fit_intercept=False)
    assert found.kind == "complete"
    assert "of the rows left, x2: every row above 0 is class 0;" in str(found.finding)


def test_threshold_between_neighbouring_float32(rng):
    X = rng.normal(size=(50, 2)).astype(np.float32)
    edge = np.float32(1.0)
    X[:25, 0], X[25:, 0] = edge, np.nextafter(edge, np.float32(2))
    y = np.arange(50) >= 25
    found = separation(X, y)
    assert (found.kind, columns(found)) == ("complete", ("x1",))
    holds(found, X, y)


@drawn
@given(whole((12, 2), 3000), whole(2, 3), st.none() | classes(12))
def test_rounding_of_a_collinear_column_is_never_taken_for_separation(thousandths, powers, y):
    X = thousandths / 1000 * 10.0**powers
    X = np.column_stack([X, X[:, 0] + X[:, 1]])
    if y is None:  # the sign of the rounding error of x3: in exact arithmetic that may separate, in words it does not
        y = np.array([Fraction(a) + Fraction(b) > Fraction(c) for a, b, c in X.tolist()])
    assume(y.any() and not y.all())
    expected = separation(X[:, :2], y)
    found = separation(X, y)
    assert (found and found.kind) == (expected and expected.kind)
