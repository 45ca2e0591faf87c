"""`chainrule certify`: how far anyone's coefficients are from the optimum."""

import json

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

import chainrule
from chainrule.certificate import upward
from chainrule.tables import read_table
from chainrule.training import prepare
from cli_tools import assert_mistake, penguins, run

__all__ = ["penguins", "run"]

COLUMNS = ["species", "bill_length_mm", "body_mass_g"]
WORDS = ("--target", "sex", "--features", ",".join(COLUMNS))


def write_coefficients(path, names, w, b, head="name,coefficient\n", intercept="intercept"):
    rows = [f"{name},{float(value)!r}" for name, value in zip(names, w, strict=True)]
    path.write_text(head + "\n".join([f"{intercept},{float(b)!r}", *rows]) + "\n")
    return path


@pytest.fixture
def problem(penguins):
    """The design of three columns, its classes and its names."""
    prepared = prepare(read_table(penguins), "sex", features=COLUMNS)
    rows = prepared.train
    return prepared.design.X[rows], prepared.design.y[rows], prepared.schema.feature_names


def true_gap(problem, w, b, alpha=0.0):
    """F - F* by differences from an optimum that is nearer than 1e-14."""
    X, y, _ = problem

    def F(w, b):
        return np.logaddexp(0.0, (1 - 2 * y) * (X @ w + b)).mean() + alpha / 2 * (w @ w)

    best = chainrule.fit(X, y, alpha=alpha, tol=1e-14)
    return F(np.asarray(w), b) - F(best.w, best.b)


@pytest.mark.parametrize("intercept", ["intercept", "(Intercept)", "const", "b"])
def test_scikit_learns_coefficients(run, penguins, problem, tmp_path, intercept):
    X, y, names = problem
    model = LogisticRegression(C=0.5, solver="newton-cholesky", tol=1e-2).fit(X, y)
    w, b = model.coef_[0] * 1.01, float(model.intercept_[0])
    path = write_coefficients(tmp_path / "c.csv", names, w, b, intercept=intercept)
    told = json.loads(run("certify", path, penguins, *WORDS, "--C", "0.5", "--json").out)
    assert told["alpha"] == pytest.approx(1 / (0.5 * 333), rel=1e-15)
    assert told["rows"] == 333
    proven = told["certificate"]
    assert proven["kind"] == "bound"
    gap = true_gap(problem, w, b, told["alpha"])
    assert proven["lower"] <= gap * (1 + 1e-9) + 1e-13
    assert gap <= proven["gap"] * (1 + 1e-9) + 1e-13
    assert proven["lower"] > 0.4 * proven["gap"]
    best = chainrule.fit(X, y, alpha=told["alpha"], tol=1e-14)
    for entry, true in zip(told["coefficients"], best.w, strict=True):
        assert abs(entry["w"] - true) <= entry["error"]
    assert abs(told["intercept"]["b"] - best.b) <= told["intercept"]["error"]
    text = " ".join(run("certify", path, penguins, *WORDS, "--C", "0.5").out.split())
    assert f"These coefficients are at most {upward(proven['gap'])} nats" in text
    assert "nats above the optimum, and at least" in text


def test_order_header_and_delimiter_do_not_matter(run, penguins, problem, tmp_path):
    _, _, names = problem
    w = np.array([-1.5, -6.0, 0.2, 0.0035])
    one = write_coefficients(tmp_path / "a.csv", names, w, -21.0)
    two = tmp_path / "b.csv"
    lines = [f"{name};{value}; 0.1" for name, value in zip(names[::-1], w[::-1], strict=True)]
    two.write_text("\ufeff" + "\n".join([*lines, "", "CONST;-21.0;0.5"]) + "\n", encoding="utf-8")
    told = [json.loads(run("certify", path, penguins, *WORDS, "--json").out) for path in (one, two)]
    assert told[0]["coefficients"] == told[1]["coefficients"]
    assert told[0]["certificate"]["gap"] == told[1]["certificate"]["gap"]


def test_a_model_is_measured_by_its_own_objective_on_its_own_rows(run, penguins, tmp_path):
    model = tmp_path / "m.safetensors"
    how = ("--test-size", "0.25", "--alpha", "0.01", "--epochs", "300")
    fitted = json.loads(run("fit", penguins, "--target", "sex", *how, "--out", model, "--json").out)
    told = json.loads(run("certify", model, penguins, "--json").out)
    assert (told["rows"], told["training_rows"], told["alpha"]) == (249, True, 0.01)
    assert "bill_length_mm" in told["standardized"]
    assert "species=Gentoo" not in told["standardized"]
    proven, before = told["certificate"], fitted["result"]["certificate"]
    assert proven["objective"] == pytest.approx(fitted["result"]["objective"], rel=1e-12)
    # two bounds on one distance
    assert proven["lower"] <= before["gap"]
    assert before["lower"] <= proven["gap"]
    assert "the 249 rows it was trained on" in " ".join(run("certify", model, penguins).out.split())
    # other rows, other optimum
    some = tmp_path / "some.csv"
    some.write_text("\n".join(penguins.read_text().splitlines()[:200]) + "\n")
    other = json.loads(run("certify", model, some, "--json").out)
    assert not other["training_rows"]
    assert other["certificate"]["lower"] > proven["gap"]


def test_tol_is_the_exit_code(run, penguins, tmp_path):
    model = tmp_path / "m.safetensors"
    assert run("fit", penguins, "--target", "sex", "--out", model).code == 0
    outcome = run("certify", model, penguins, "--tol", "1e-8", "--json")
    told = json.loads(outcome.out)
    assert (outcome.code, told["tol"], told["met"]) == (0, 1e-8, True)
    outcome = run("certify", model, penguins, "--tol", "1e-30")
    assert outcome.code == 3
    assert "note: exit code 3: " in outcome.err
    assert "--tol" in outcome.err.splitlines()[-1]
    assert json.loads(run("certify", model, penguins, "--tol", "1e-30", "--json").out)["met"] is False
    assert json.loads(run("certify", model, penguins, "--json").out)["met"] is None


def test_separated_classes_have_no_optimum_and_the_columns_are_named(run, tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("x,y\n" + "".join(f"{k},{'low' if k < 20 else 'high'}\n" for k in range(40)))
    path = write_coefficients(tmp_path / "c.csv", ["x"], [-1.0], 19.5)
    outcome = run("certify", path, table, "--target", "y")
    assert outcome.code == 0
    text = " ".join(outcome.out.split())
    assert "above the infimum" in text
    assert "low" in text
    assert "class 0" not in text
    assert run("certify", path, table, "--target", "y", "--alpha", "0.1").code == 0


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("name,w\nintercept,1\nx,2\n", ["no coefficient for u", "--drop"]),
        ("name,w\nintercept,1\nx,2\nu,3\nv,4\n", ["no column v as it is encoded"]),
        ("name,w\nintercept,1\nx,2\nu,3\nX1,4\n", ["no column X1"]),
        ("name,w\nintercept,1\nx,2\nx,2\nu,3\n", ["x is there twice"]),
        ("name,w\nintercept,1\nconst,1\nx,2\nu,3\n", ["intercept, const are all intercepts"]),
        ("name,w\nx,2\nu,3\n", ["no row called intercept"]),
        ("name,w\nintercept,1\nx,two\nu,3\n", ["coefficient of x is no number: two"]),
        ("name,w\nintercept,1\nx,\nu,3\n", ["coefficient of x is no number"]),
        ("name,w\nintercept,nan\nx,1\nu,3\n", ["coefficient of intercept is not finite"]),
        ("name,w\nintercept,1\nx\nu,3\n", ["line 3", "a name and a number"]),
        ("", ["is empty", "such as bill_length_mm,0.2"]),
        ("\n \n", ["is empty"]),
        ("name,w\n", ["no coefficient for x, u"]),
        ("x;0,5\nu;1\nconst;1\n", ["line 1", "coefficient of x is no number: 0,5", "like -0.25"]),
        (
            "name,w\nintercept,1\nx,2\nu,3\nlevel=a,4\n",
            ["level=a is the level that the others are compared with", "level=b"],
        ),
        ("name,w\nintercept,1\nx,2\nu,3\nlevel=b,4\nsingle=s,1\n", ["column single of the table is not used here"]),
        ("name,w\nintercept,1\nx,2\nu,3\ny,4\n", ["column y of the table is not used here"]),
        ("x,u,level=b\n1,2,3\n", ["no row called intercept"]),
        ("x,u\n1,2\n3,4\n", ["1 is where a name should be", "a line for each coefficient"]),
    ],
)
def test_bad_coefficients_are_one_sentence(run, tmp_path, text, parts):
    table, path = tmp_path / "t.csv", tmp_path / "c.csv"
    columns = (
        {"x": "0123456", "u": "01234"} | ({"level": "ab", "single": "s"} if "level" in text else {}) | {"y": "211"}
    )
    rows = [",".join(cells[k % len(cells)] for cells in columns.values()) for k in range(40)]
    table.write_text("\n".join([",".join(columns), *rows]) + "\n")
    path.write_text(text)
    assert_mistake(run("certify", path, table, "--target", "y"), *parts)


def test_a_column_called_b_is_the_column(run, tmp_path):
    table, path = tmp_path / "t.csv", tmp_path / "c.csv"
    table.write_text("b,y\n" + "".join(f"{k % 7},{'no' if k % 3 else 'yes'}\n" for k in range(40)))
    path.write_text("b,0.5\nconst,-1\n")
    told = json.loads(run("certify", path, table, "--target", "y", "--json").out)
    assert (told["coefficients"][0]["w"], told["intercept"]["b"]) == (0.5, -1.0)


def test_mistakes_in_options(run, penguins, tmp_path):
    model = tmp_path / "m.safetensors"
    run("fit", penguins, "--target", "sex", "--out", model, "--quiet")
    path = tmp_path / "c.csv"
    path.write_text("const,1\n")
    assert_mistake(run("certify", model, penguins, "--target", "sex"), "says itself what --target is")
    assert_mistake(run("certify", path, penguins), "--target")
    assert_mistake(run("certify", model, penguins, "--C", "0"), "--C", "positive")
    assert_mistake(run("certify", model, penguins, "--C", "1", "--alpha", "1"), "--alpha and --C", "give one")
    assert_mistake(run("certify", model, penguins, "--alpha=-1"), "--alpha")
    assert_mistake(run("certify", model, penguins, "--alpha", "much"), "--alpha must be a number, not 'much'")
    assert_mistake(run("certify", tmp_path / "absent.csv", penguins, "--target", "sex"), "absent.csv")
    assert_mistake(run("certify", tmp_path / "absent.safetensors", penguins), "absent.safetensors")
    path.write_bytes(b"\xff\xfe\x00,1\n")
    assert_mistake(run("certify", path, penguins, "--target", "sex"), "save it as CSV in UTF-8")
    path.write_text("const,1\n", encoding="utf-16")
    assert_mistake(run("certify", path, penguins, "--target", "sex"), "save it as CSV in UTF-8")


@pytest.mark.parametrize(
    "text",
    [
        "name,coef\n{pairs}",
        ",0\n{pairs}",  # pandas: Series.to_csv
        ",coef\n{pairs}",
        ",name,coef\n{numbered}",  # DataFrame.to_csv
        '"","x"\n{pairs}',  # R: write.csv
        "{names}\n{values}\n",
        ",{names}\n0,{values}\n",  # DataFrame.to_csv of one row
    ],
)
def test_files_of_other_tools_are_read(run, penguins, problem, tmp_path, text):
    _, _, names = problem
    entries = dict(zip(["const", *names], ["-21.0", "-1.5", "-6.0", "0.2", "0.0035"], strict=True))
    pairs = [f"{name},{value}\n" for name, value in entries.items()]
    path = tmp_path / "c.csv"
    path.write_text(
        text.format(
            pairs="".join(pairs),
            numbered="".join(f"{k},{pair}" for k, pair in enumerate(pairs)),
            names=",".join(entries),
            values=",".join(entries.values()),
        )
    )
    told = json.loads(run("certify", path, penguins, *WORDS, "--json").out)
    assert [entry["w"] for entry in told["coefficients"]] == [-1.5, -6.0, 0.2, 0.0035]
    assert told["intercept"]["b"] == -21.0


@pytest.mark.parametrize(("ones", "b"), [("const,1\none,0.5\n", 2.5), ("one,0.5\n", 1.5)])
def test_the_coefficient_of_a_constant_column_joins_the_intercept(run, tmp_path, ones, b):
    table, path = tmp_path / "t.csv", tmp_path / "c.csv"
    table.write_text("x,one,y\n" + "".join(f"{k % 7},3,{'no' if k % 3 else 'yes'}\n" for k in range(40)))
    path.write_text(f"x,0.25\n{ones}")
    outcome = run("certify", path, table, "--target", "y", "--json")
    told = json.loads(outcome.out)
    assert (told["coefficients"][0]["w"], told["intercept"]["b"]) == (0.25, b)
    assert "column one is constant: its coefficient times 3 is added to the intercept" in outcome.err
    assert told["notes"][-1].startswith("column one is constant")
