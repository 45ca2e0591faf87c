"""`chainrule certify`: how far anyone's coefficients are from the optimum."""

import json
import os

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

import chainrule
from chainrule.data.files import read_table
from chainrule.data.tables import prepare
from chainrule.words import upward
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
    return prepared.encoded.X[rows], prepared.encoded.y[rows], prepared.schema.feature_names


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
    head = "Term;Estimate;Std. Error"
    two.write_text("\ufeff" + "\n".join([head, *lines, "", "CONST;-21.0;0.5"]) + "\n", encoding="utf-8")
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
    assert "inf F = 0" in text
    assert "low" in text
    assert "class 0" not in text
    assert run("certify", path, table, "--target", "y", "--alpha", "0.1").code == 0


def test_the_way_out_is_an_option_of_the_command(run, tmp_path):
    table = tmp_path / "t.csv"
    rows = [(k % 7, int(k > 30), "high" if k > 30 or k % 3 == 0 else "low") for k in range(40)]
    table.write_text("x,u,y\n" + "".join(f"{x},{u},{y}\n" for x, u, y in rows))
    path = write_coefficients(tmp_path / "c.csv", ["x", "u"], [0.1, -1.0], 0.0)
    told = run("certify", path, table, "--target", "y")
    assert told.code == 0
    assert "use a penalty, e.g. --alpha 0.025" in " ".join(told.out.split())
    assert (
        "--alpha 0.025"
        in json.loads(run("certify", path, table, "--target", "y", "--json").out)["certificate"]["reason"]
    )


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("name,w\nintercept,1\nx,2\n", ["no coefficient for u", "--drop"]),
        ("name,w\nintercept,1\nx,2\nu,3\nv,4\n", ["the encoded table has no column v"]),
        ("name,w\nintercept,1\nx,2\nu,3\nX1,4\n", ["no column X1"]),
        ("name,w\nintercept,1\nx,2\nx,2\nu,3\n", ["x occurs twice"]),
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
        ("x,u\n1,2\n3,4\n", ["line 1", "coefficient of x is no number: u"]),
        (
            "name,pvalue,se\nx,1,2\nu,3,4\nconst,5,6\n",
            ["must have one column called coef", "name, pvalue, se", "name,coef,se"],
        ),
        ("name,pvalue\nx,1\nu,3\nconst,5\n", ["must have one column called coef", "name, pvalue"]),
        ("name,coef,Coefficient\nx,1,2\nu,3,4\n", ["must have one column called coef", "name, coef, Coefficient"]),
        ("x,1,2\nu,3,4\nconst,5,6\n", ["must have one column called coef", "name,coef,se"]),
        ("name,coef\nx,1,000\nu,3\nconst,5\n", ["line 2 has 3 cells and the first has 2", "1000.5"]),
        ("name,coef,se\nx,1,2\nu,,2\nconst,5,6\n", ["line 3", "coefficient of u is no number"]),
        ("name,coef\nx,1_0\nu,3\nconst,5\n", ["coefficient of x is no number: 1_0"]),
        ("name,coef\nx,\u0663\nu,3\nconst,5\n", ["coefficient of x is no number"]),
        ("name,coef\nx,1\nu,3\nconst,1e999\n", ["coefficient of const is not finite"]),
        ('name,coef\nx,1\n"u,3\nconst,5\n', ["no CSV or JSON of names and numbers", "open quote"]),
        (
            'name,coef\nx,1\n"u,3\n' + "const,5\n" * 20_000,
            ["no CSV or JSON of names and numbers", "open quote"],
        ),
        ("name,coef\n" + "x" * 200_000 + ",1\n", ["no CSV or JSON of names and numbers", "field larger"]),
        ("# made by a tool\nname,coef\nx,1\nu,3\nconst,5\n", ["line 1 has 1 cell", "a name and a number"]),
        ('{"name": 1}', ["the encoded table has no column name"]),
        ('{"x": 1, "x": 2}', ["x occurs twice"]),
        ('{"x": "two"}', ["coefficient of x is no number: two"]),
        ('{"x": ', ["is no CSV or JSON of names and numbers"]),
        ('{"x": ' * 20_000, ["is no CSV or JSON of names and numbers"]),
        ("se,coef,name\n1,2,x\n1,2\n", ["the encoded table has no column ''"]),
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
    assert_mistake(run("certify", model, penguins, "--target", "sex"), "already contains --target")
    assert_mistake(run("certify", path, penguins), "--target")
    assert_mistake(run("certify", model, penguins, "--C", "0"), "--C", "above 0")
    assert_mistake(run("certify", model, penguins, "--C", "1", "--alpha", "1"), "give --alpha or --C, not both")
    assert_mistake(run("certify", model, penguins, "--alpha=-1"), "--alpha")
    assert_mistake(run("certify", model, penguins, "--alpha", "much"), "--alpha", "not 'much'")
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
        '"","name","x"\n{from_1}',  # R: write.csv of a data frame
        '"","Estimate","Std. Error","z value","Pr(>|z|)"\n{summary}',  # R: write.csv of a summary's coefficients
        '"","values","ind"\n{stacked}',  # R: write.csv of stack(coef(model))
        "term,estimate,std.error,statistic,p.value\n{summary}",  # R: broom
        ",coef,std err,z,P>|z|,[0.025\n{summary}",  # statsmodels
        ",Coef.,Std.Err.,z,P>|z|,[0.025\n{summary}",
        "Name\tCoef.\tStd. Error\tz\tPr(>|z|)\n{tabbed}",  # Julia
        "\tcoef\tse\tz\tp\n{tabbed}",
        "name,std_err,coef\n{last}",
        "name,pvalue,coefficient\n{last}",
        "coef,name\n{swapped}",
        "name,coef,,\n{trailing}",  # a sheet's empty columns
        "{json}",
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
            from_1="".join(f'"{k}",{pair}' for k, pair in enumerate(pairs, start=1)),
            json=json.dumps({name: float(value) for name, value in entries.items()}),
            summary="".join(f"{name},{value},0.5,-2,0.04\n" for name, value in entries.items()),
            tabbed="".join(f"{name}\t{value}\t0.5\t-2\t0.04\n" for name, value in entries.items()),
            last="".join(f"{name},0.5,{value}\n" for name, value in entries.items()),
            stacked="".join(f'"{k}",{value},"{name}"\n' for k, (name, value) in enumerate(entries.items(), start=1)),
            swapped="".join(f"{value},{name}\n" for name, value in entries.items()),
            trailing="".join(f"{name},{value},,\n" for name, value in entries.items()),
        )
    )
    told = json.loads(run("certify", path, penguins, *WORDS, "--json").out)
    assert [entry["w"] for entry in told["coefficients"]] == [-1.5, -6.0, 0.2, 0.0035]
    assert told["intercept"]["b"] == -21.0


def test_the_coefficient_of_a_constant_column_belongs_to_the_intercept(run, tmp_path):
    table, path = tmp_path / "t.csv", tmp_path / "c.csv"
    table.write_text("x,one,y\n" + "".join(f"{k % 7},3,{'no' if k % 3 else 'yes'}\n" for k in range(40)))
    path.write_text("x,0.25\none,0.5\nconst,1\n")
    outcome = run("certify", path, table, "--target", "y")
    assert_mistake(outcome, "column one ", "constant", "to the intercept")


@pytest.mark.parametrize(
    "spelled",
    [
        "species{}",  # R
        "factor(species){}",
        "`species`{}",
        "species[T.{}]",  # statsmodels
        "C(species)[T.{}]",
        "C(species, Treatment(reference='Adelie'))[T.{}]",
        'C(Q("species"))[T.{}]',
        "species[{}]",  # glum
        "species_{}",  # pandas, scikit-learn
        "onehot__species_{}",
        "species.{}",  # H2O
        "species: {}",  # Julia
    ],
)
def test_levels_are_called_as_in_other_tools(run, penguins, problem, tmp_path, spelled):
    path, told = tmp_path / "c.csv", []
    for form in ("species={}", spelled):
        prefix = "remainder__" if "onehot" in form else ""
        names = [form.format(name.removeprefix("species=")) if "=" in name else prefix + name for name in problem[2]]
        path.write_text(json.dumps(dict(zip(["const", *names], [-21.0, -1.5, -6.0, 0.2, 0.0035], strict=True))))
        told.append(json.loads(run("certify", path, penguins, *WORDS, "--json").out)["coefficients"])
    assert told[0] == told[1]


def test_a_level_said_twice_or_the_reference_is_refused_in_any_spelling(run, penguins, problem, tmp_path):
    path = write_coefficients(tmp_path / "c.csv", problem[2], [-1.5, -6.0, 0.2, 0.0035], -21.0)
    text = path.read_text()
    path.write_text(text + "species_Gentoo,1\n")
    assert_mistake(run("certify", path, penguins, *WORDS), "species=Gentoo occurs twice")
    path.write_text(text + "species_Adelie,1\n")
    assert_mistake(run("certify", path, penguins, *WORDS), "species=Adelie is the level")


def test_a_spelling_that_may_be_two_levels_is_refused(run, tmp_path):
    table, path = tmp_path / "t.csv", tmp_path / "c.csv"
    lines = [
        f"{'rs'[k % 2]},{'aeo'[k % 3]},{('b_r', 'c', 'd')[k // 2 % 3]},{'no' if k % 5 else 'yes'}\n" for k in range(60)
    ]
    table.write_text("a_b,on,a,y\n" + "".join(line.replace("e,", "true,") for line in lines))
    path.write_text(json.dumps({"const": 1, "a_b_s": 1, "on_o": 2, "on_True": 3, "a_c": 4, "a_d": 5}))
    told = json.loads(run("certify", path, table, "--target", "y", "--json").out)["coefficients"]
    assert {entry["name"]: entry["w"] for entry in told} == {"a_b=s": 1, "on=o": 2, "on=true": 3, "a=c": 4, "a=d": 5}
    path.write_text(json.dumps({"const": 1, "a_b_r": 1}))
    assert_mistake(run("certify", path, table, "--target", "y"), "a_b_r may be a_b=r or a=b_r")


def test_columns_called_by_numbers_and_like_heads(run, tmp_path):
    table, path = tmp_path / "t.csv", tmp_path / "c.csv"
    table.write_text(
        "0,1,weight,y\n" + "".join(f"{k % 7},{k % 5},{k % 4},{'no' if k % 3 else 'yes'}\n" for k in range(40))
    )
    for text in (
        ",coef\n0,1\n1,0\nweight,2\nconst,5\n",
        ",name,coef\n0,0,1\n1,1,0\n2,weight,2\n3,const,5\n",
        "weight,2\n1,0\n0,1\nconst,5\n",
    ):
        path.write_text(text)
        told = json.loads(run("certify", path, table, "--target", "y", "--json").out)
        assert {entry["name"]: entry["w"] for entry in told["coefficients"]} == {"0": 1.0, "1": 0.0, "weight": 2.0}
        assert told["intercept"]["b"] == 5.0


def through_a_pipe(run, data, *words):
    """Run the command line with its first file a pipe that gives these bytes, as a shell's <(...) does."""
    outlet, inlet = os.pipe()
    try:
        with os.fdopen(inlet, "wb") as file:  # a pipe holds 64 KiB
            file.write(data)
        return run("certify", f"/dev/fd/{outlet}", *words)
    finally:
        os.close(outlet)


@pytest.mark.skipif(not os.path.isdir("/dev/fd"), reason="needs /dev/fd")
def test_coefficients_come_through_a_pipe(run, penguins, problem, tmp_path):
    path = write_coefficients(tmp_path / "c.csv", problem[2], [-1.5, -6.0, 0.2, 0.0035], -21.0)
    told = [
        json.loads(outcome.out)
        for outcome in (
            run("certify", path, penguins, *WORDS, "--json"),
            through_a_pipe(run, path.read_bytes(), penguins, *WORDS, "--json"),
        )
    ]
    assert told[0]["coefficients"] == told[1]["coefficients"]
    assert_mistake(through_a_pipe(run, b"", penguins, *WORDS), "is empty")


def test_a_trace_is_called_a_trace(run, penguins, tmp_path):
    model = tmp_path / "m.safetensors"
    run("fit", penguins, *WORDS, "--out", model, "--quiet")
    (trace,) = (path for path in tmp_path.iterdir() if path.name.endswith(".trace"))
    for words in ((), WORDS):
        assert_mistake(run("certify", trace, penguins, *words), "is a trace and not a model")


def test_notes_are_on_rows_that_are_measured(run, tmp_path):
    table, path, model = tmp_path / "t.csv", tmp_path / "c.csv", tmp_path / "m.safetensors"
    lines = [f"{k % 7},{k % 5},{'no' if k % 3 else 'yes'},1" for k in range(40)]
    # without a label, or without weight
    table.write_text("\n".join(["x,u,y,s", *lines, ",1,,1", "1,,yes,0"]) + "\n")
    path.write_text("x,0.5\nu,0.5\nconst,-1\n")
    how = ("--target", "y", "--weights", "s")
    run("fit", table, *how, "--out", model, "--quiet")
    for words in ((path, table, *how), (model, table)):
        told = json.loads(run("certify", *words, "--json").out)
        assert told["notes"] == []
    # measured by the model, as no row of its own was
    other = tmp_path / "o.csv"
    other.write_text("\n".join(["x,u,y,s", *lines, ",1,yes,1", "1,,,1"]) + "\n")
    (note,) = json.loads(run("certify", model, other, "--json").out)["notes"]
    assert note.startswith("missing values filled in: x in 1 row (mean")
