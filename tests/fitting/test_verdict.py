"""The first line of a result: its verdict."""

import warnings

import numpy as np
import pytest

from chainrule import fit
from chainrule.certificate import Certificate
from chainrule.errors import ChainruleWarning
from chainrule.findings import PYTHON, SHELL, Finding
from chainrule.fitting.verdict import WARNED, relations_of, verdict

NOTHING = Certificate.nothing(2, 0.5, Finding("not looked for"))
SEPARATED = Finding("separated", {"kind": "complete", "causes": (), "rows": 40})


def verdict_of(X, y, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ChainruleWarning)
        found = fit(X, y, **options)
    assert str(found).startswith(f"  {found.verdict[:60]}")
    assert found.to_dict()["verdict"] == found.verdict
    assert "<p" in found._repr_html_()[: found._repr_html_().index(found.verdict.split("'")[0][:30])][-40:]
    return found.verdict


@pytest.fixture
def data(rng):
    X = rng.normal(size=(200, 3))
    return X, (X[:, 0] + rng.logistic(size=200) > 0).astype(int)


def test_an_optimum_is_told_by_its_digits(data):
    X, y = data
    assert verdict_of(X, y).startswith("Converged: every coefficient")
    assert verdict_of(X, y, method="gradient-descent", tol=1e-3).startswith("Converged: no coefficient")


def test_what_is_wrong_is_a_warning_with_the_way_out(data):
    X, y = data
    assert verdict_of(X, (X[:, 0] > 0).astype(int)).startswith(f"{WARNED}the classes are completely separated")
    assert verdict_of(X, (X[:, 0] > 0).astype(int)).endswith("use a penalty, e.g. alpha=0.005")
    assert verdict_of(np.c_[X, X[:, 0]], y).startswith(f"{WARNED}the columns are collinear")
    stopped = verdict_of(X, y, method="gradient-descent", max_reads=2)
    assert stopped.startswith(f"{WARNED}stopped after 2 epochs")
    assert "raise max_reads to about " in stopped


def test_separation_comes_before_the_end_of_a_run_and_trouble_in_the_run_before_it():
    stopped = Finding("stopped", {"steps": 3, "tol": 1e-8})
    diverged = Finding("diverged", {"steps": 3, "best": 1})
    assert verdict((stopped, SEPARATED), NOTHING, PYTHON) == f"{WARNED}{SEPARATED}"
    assert verdict((diverged, SEPARATED), NOTHING, PYTHON).startswith(f"{WARNED}diverged")
    assert verdict((SEPARATED,), NOTHING, SHELL).endswith("--alpha 0.025")
    infinite = Finding("infinite", {"count": 1, "columns": [("a=b", "no")], "rows": 40, "left": 39, "without_rows": 0})
    assert "--alpha 0.025," in verdict((infinite,), NOTHING, SHELL)


def test_a_combination_names_its_columns_or_says_that_there_are_more():
    names = [f"a long name of a column, number {k}" for k in range(4)]
    for count in (3, 4):
        values = {"columns": names[:count], "coefficients": [1.0] * count, "constant": 0.0, "classes": ("no", "yes")}
        told = str(Finding("direction", values | {"is_complete": False, "is_exact": True}))
        assert names[2] in told
        assert ("..." in told) == (count == 4)


def test_many_relations_are_one_line_and_all_are_there(rng):
    """Seven sums of fifteen long names took 1,700 characters."""
    names = [f"share_of_all_visits_on_weekday_number_{k}" for k in range(16)]
    A = rng.integers(0, 99, size=(300, 8)).astype(float)
    sums = np.transpose([A[:, k : k + 3].sum(axis=1) for k in range(6)])
    X = np.c_[A, sums, A[:, 0] - A[:, 7], np.ones(300)]
    y = (A[:, 0] + 60 * rng.logistic(size=300) > 50).astype(int)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = fit(X, y, feature_names=names)
    assert len(found.relations) == 8
    assert str(found.relations).count("\n") == 7
    assert max(len(found.verdict), len(found.message), *(len(str(w.message)) for w in said)) < 330
    assert "8 relations, such as " in found.verdict
    assert "result.relations" in found.verdict
    assert len(str(found)) < 4000


def test_relations_are_listed_once():
    relation = Finding("relation", {"columns": ("a", "b"), "coefficients": (-1.0, 1.0), "constant": 0.0, "is_exact": True,
                                    "deviation": 0.0})  # fmt: skip
    found = [Finding("collinear too", {"relations": (relation,)}), Finding("relations", {"relations": (relation,)})]
    assert list(relations_of(found, NOTHING, PYTHON)) == ["a = b"]
