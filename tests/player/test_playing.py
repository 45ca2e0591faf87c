"""What the player is given: the fit's own run and its optimum, or a run on a sample that says so."""

import json
import re

import numpy as np
import pytest

import chainrule
from chainrule.data.applied import encoded
from chainrule.playing import MOST_ROWS, play_result, sampled
from cli_tools import run

__all__ = ["run"]

M = 300


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(M, 3)) * [1.0, 5.0, 0.1]
    return X, X @ [1.0, 0.2, 3.0] + rng.logistic(size=M) > 0


@pytest.mark.parametrize("options", [{}, {"standardize": True, "alpha": 0.01}, {"standardize": "center"}])
def test_gradient_descent_plays_its_own_run(data, options):
    X, y = data
    with pytest.warns(chainrule.NotConvergedWarning):
        result = chainrule.fit(X, y, method="gradient-descent", max_reads=12, **options)
    played = play_result(result, encoded(result.model.schema, X, y))
    np.testing.assert_array_equal(played.trace.w, result.trace.w)
    assert (played.rate, played.alpha) == (result.learning_rate, result.alpha)
    np.testing.assert_allclose(played.x * result.scale + result.center, X, rtol=1e-12, atol=1e-12)
    w, b, objective, gap = played.optimum  # in the run's units
    z = played.x @ w + b
    loss = np.logaddexp(0.0, np.where(y, -z, z)).mean() + 0.5 * played.alpha * w @ w
    assert loss == pytest.approx(objective, abs=1e-12)
    assert gap < 1e-7


def test_another_method_plays_a_run_made_for_the_page(data, tmp_path):
    X, y = data
    made = chainrule.fit(X, y).play(X, y, tmp_path / "player.html")
    assert (tmp_path / "player.html").read_text(encoding="utf-8") == made.html
    assert "<iframe" in made._repr_html_()
    assert repr(made) == "<Player: 300 rows; save(path) writes the page>"


def test_many_rows_play_a_sample_of_both_classes_and_say_so():
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(5_003, 2)), rng.random(5_003) < 0.02
    made = chainrule.fit(X, y).play(X, y)
    assert made.rows <= MOST_ROWS
    assert made.sampled_from == 5_003
    assert "a sample of 5,003" in repr(made)
    told = json.loads(re.search(r'id="chainrule-data">(.*?)</script>', made.html).group(1))
    assert told["sampled_from"] == 5_003


def test_a_sample_is_never_larger_than_asked(tmp_path):
    import pyarrow as pa

    for m in (2_001, 5_000, 12_345):
        table = pa.table({"y": ["a", "b", "a", "a"] * (m // 4) + ["b"] * (m % 4)})
        part, places = sampled(table, "y")
        assert part.num_rows <= MOST_ROWS
        assert (np.diff(places) > 0).all()


@pytest.mark.parametrize(("columns", "labels", "why"), [(201, None, "201 coefficients"), (3, 1, "one class only")])
def test_what_can_not_be_played_is_one_sentence(columns, labels, why):
    rng = np.random.default_rng(2)
    X, y = rng.normal(size=(400, columns)), rng.random(400) > 0.5
    result = chainrule.fit(X, y, alpha=0.1)
    with pytest.raises(chainrule.InputError, match=why):
        result.play(X, y if labels is None else np.ones(400, dtype=bool))


def test_a_report_with_the_player_says_how_many_rows_it_holds(run, tmp_path):
    rows = "\n".join(f"{i % 7},{i % 5},{'yes' if (i * i) % 11 > 4 else 'no'}" for i in range(90))
    (tmp_path / "t.csv").write_text(f"a,b,y\n{rows}\n")
    words = ("fit", tmp_path / "t.csv", "--target", "y", "--alpha", "0.01", "--report", tmp_path / "r.html")
    assert run(*words).code == 0
    without = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "script-src" not in without
    done = run(*words, "--player")
    assert done.code == 0
    assert "holds 90 rows of the table" in done.err
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "This page holds 90 rows of the table" in page
    assert page.count("<figure>") == without.count("<figure>")  # the pictures stay
    assert "--report" in run("fit", tmp_path / "t.csv", "--target", "y", "--player").err
