"""What a result and a loaded model do: the same bits on every storage and in the command line, and what they refuse."""

import io
import json
import pickle
from dataclasses import replace

import duckdb
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse

import chainrule
from chainrule import InputError, LogisticRegression
from chainrule.documents.results import PAGE
from chainrule.fitting.coefficients import variables_of
from chainrule.losses import LOSSES, Logistic
from chainrule.model.safefile import pack, unpack
from chainrule.words import BIAS, plain
from cli_tools import FIT, penguins, run

__all__ = ["penguins", "run"]

M = 240


def people(seed=0):
    """A frame of numbers, a boolean and a category, with missing values in both kinds, and labels that depend on them."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({
        "age": rng.integers(18, 80, M), "größe <cm>": np.where(rng.random(M) < 0.1, np.nan, rng.normal(170, 9, M)),
        "member": rng.random(M) < 0.5, "town": rng.choice(["Aachen", "Bonn", "Celle"], M),
    })  # fmt: skip
    frame["plan"] = pd.Categorical(rng.choice(["free", "paid", None], M), categories=["paid", "free"])
    z = 0.05 * frame["age"] - 2.5 + (frame["town"] == "Bonn") - 0.5 * frame["member"]
    return frame, pd.Series(np.where(z + rng.logistic(size=M) > 0, "yes", "no"), name="bought")


@pytest.fixture(scope="module")
def fitted():
    frame, y = people()
    return frame, y, chainrule.fit(frame, y, alpha=0.01)


def saved(result, folder):
    result.save(folder / "model.safetensors")
    return chainrule.load(folder / "model.safetensors")


# ---- predictions


@pytest.mark.parametrize("standardize", [False, True])
def test_every_storage_of_an_array_gives_the_same_bits(standardize, rng, tmp_path):
    X = np.where(rng.random((300, 6)) < 0.4, 0.0, rng.normal(size=(300, 6)))
    y = X[:, 0] + rng.logistic(size=300) > 0
    result = chainrule.fit(X, y, standardize=standardize)
    z = result.decision_function(X)
    np.testing.assert_allclose(z, X @ result.w + result.b, rtol=0, atol=1e-13)
    wide = np.zeros((300, 12))
    wide[:, ::2] = X
    for other in (
        np.asfortranarray(X),
        wide[:, ::2],
        X.tolist(),
        pd.DataFrame(X),
        pl.DataFrame(X, schema=[f"x{j + 1}" for j in range(6)]),
    ):
        np.testing.assert_array_equal(result.decision_function(other), z)
    np.testing.assert_array_equal(result.decision_function(X[7:9]), z[7:9])
    for form in ("csr", "csc", "coo"):
        of_zeros = result.decision_function(sparse.csr_array(X).asformat(form))
        np.testing.assert_allclose(of_zeros, z, rtol=0, atol=1e-13)
        assert standardize or (of_zeros == z).all()
    np.testing.assert_array_equal(saved(result, tmp_path).decision_function(X), z)


def test_probabilities_keep_their_digits_and_classes_are_the_fits(rng):
    X = np.array([[-1.0], [1.0]])
    result = chainrule.fit(X, ["b", "a"], alpha=1e-3)
    p = result.predict_proba(300 * X)
    z = result.decision_function(300 * X)
    np.testing.assert_allclose(p, [[np.exp(-z[0]), 1.0], [1.0, np.exp(z[1])]], rtol=1e-14)
    assert result.predict(X).tolist() == ["b", "a"]
    # z = 0 is the first class, as on the command line
    assert chainrule.fit(X, [1, 0], alpha=1e9).predict([[0.0]]).tolist() == [0]


def test_frames_of_all_libraries_give_the_same_bits(fitted):
    frame, _, result = fitted
    g = result.predict_proba(frame)
    polars = pl.from_pandas(frame)
    arrow = pa.Table.from_pandas(frame)
    others = [
        polars,
        polars.lazy(),
        arrow,
        duckdb.sql("SELECT * FROM arrow"),
        {name: frame[name].to_list() for name in frame},
    ]
    others += [frame.iloc[:, ::-1].assign(other="x"), frame.set_index("age", drop=False)]
    for other in others:
        np.testing.assert_array_equal(result.predict_proba(other), g)
    np.testing.assert_array_equal(result.predict_proba(frame[5:6]), g[5:6])


def test_a_saved_result_predicts_the_same_here_and_on_the_command_line(fitted, run, tmp_path):
    frame, y, result = fitted
    model = saved(result, tmp_path)
    g = result.predict_proba(frame)
    np.testing.assert_array_equal(model.predict_proba(frame), g)
    assert (model.predict(frame) == result.predict(frame)).all()
    path = tmp_path / "people.csv"
    frame.assign(bought=y).to_csv(path, index=False)
    done = run("predict", tmp_path / "model.safetensors", path, "--digits", "17", "--json")
    assert done.code == 0, done.err
    assert [line["probability"] for line in json.loads(done.out)["predictions"]] == g[:, 1].tolist()
    done = run("certify", tmp_path / "model.safetensors", path, "--json")
    told = json.loads(done.out)
    assert (told["training_rows"], told["target"], told["positive"]) == (True, "bought", "yes")
    assert told["certificate"]["gap"] <= result.tol


def test_a_model_of_the_command_line_predicts_the_same_in_python(run, penguins, tmp_path):
    lines = penguins.read_text(encoding="utf-8").splitlines()
    marked = [lines[0] + ",heavy", *(f"{line},{'TRUE' if k % 3 else 'FALSE'}" for k, line in enumerate(lines[1:]))]
    penguins.write_text("\n".join(marked), encoding="utf-8")
    assert run("fit", penguins, *FIT, "--alpha", "0.01", "--out", tmp_path / "birds").code == 0
    told = json.loads(run("predict", tmp_path / "birds", penguins, "--digits", "17", "--json").out)["predictions"]
    model = chainrule.load(tmp_path / "birds")
    assert "heavy=true" in model.schema.feature_names
    for frame in (pd.read_csv(penguins), pl.read_csv(penguins, null_values="NA")):
        np.testing.assert_array_equal(
            model.predict_proba(frame, unseen="reference")[:, 1], [g["probability"] for g in told]
        )
    assert model.predict(frame, unseen="reference").tolist() == [g["class"] for g in told]


@pytest.mark.parametrize("labels", [(0, 1), (-1.5, 2.0), (False, True), ("b", "a"), (3, 20)])
def test_labels_come_back_as_they_were(labels, rng, tmp_path):
    X = rng.normal(size=(40, 1))
    y = np.array(labels)[(X[:, 0] > rng.normal(size=40)).astype(int)]
    result = chainrule.fit(X, y, alpha=0.1)
    model = saved(result, tmp_path)
    assert model.classes == result.classes
    assert model.predict(X).tolist() == result.predict(X).tolist()
    assert set(result.predict(X).tolist()) == set(labels)
    assert model.explain(X, y, 3).to_dict() == result.explain(X, y, 3).to_dict()


def test_the_target_is_named_after_y(rng):
    X, y = rng.normal(size=(20, 1)), np.arange(20) % 2
    for given, name in ((y, "y"), (pd.Series(y, name="won"), "won"), (pl.Series(y), "y"), (pd.Series(y, name=0), "0")):
        result = chainrule.fit(X, given, alpha=0.1)
        assert result.model.schema.target == result.target == name


def test_levels_that_the_fit_did_not_see(fitted):
    frame, _, result = fitted
    new = frame.assign(town=np.where(frame["town"] == "Celle", "Dessau", frame["town"]))
    with pytest.raises(InputError, match="column 'town' has 'Dessau' in row"):
        result.predict(new)
    as_first = frame.assign(town=frame["town"].replace("Celle", "Aachen"))
    np.testing.assert_array_equal(result.predict_proba(new, unseen="reference"), result.predict_proba(as_first))
    with pytest.raises(InputError, match="unseen must be one of"):
        result.predict(frame, unseen="first")


def test_columns_of_text_dates_and_parts_are_read_as_in_the_fit(rng, tmp_path):
    days = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 1500, M), unit="D")
    percent = rng.integers(0, 99, M)
    frame = pd.DataFrame({"when": days, "day": days.strftime("%Y-%m-%d")[::-1], "share": [f"{p}%" for p in percent]})
    frame["code"], y = rng.integers(1, 4, M), percent + 30 * rng.logistic(size=M) > 50
    kinds = {"columns": {"when": ["year", "month"], "code": "categorical"}, "reference": {"code": 2}}
    result, model = chainrule.fit(frame, y, **kinds), LogisticRegression(**kinds).fit(frame, y)
    g, X = result.predict_proba(frame.head(9)), result.as_arrays(frame, y)[0]
    np.testing.assert_allclose(result.decision_function(frame), X @ result.w + result.b, rtol=1e-9)
    for other in (model.predict_proba(frame.head(9)), saved(result, tmp_path).predict_proba(frame.head(9))):
        np.testing.assert_array_equal(other, g)
    np.testing.assert_array_equal(X[:, result.feature_names.index("share")], percent)


@pytest.mark.parametrize("library", [pd.DataFrame, pl.DataFrame, pa.table])
def test_rows_are_read_as_the_fit_read_them(library, rng, tmp_path):
    """Text of dates, times, percentages and amounts, and parts of dates: the probabilities are those of their numbers."""
    days, share, amount = rng.integers(18000, 19000, 90), rng.integers(0, 1000, 90) / 10, rng.integers(0, 10**6, 90)
    dates, y = days.astype("datetime64[D]"), np.arange(90) % 2
    months = dates.astype("datetime64[M]").astype(int) % 12
    text = library(
        {"day": dates.astype(str).tolist(), "share": [f"{x:.1f}%" for x in share], "paid": [f"${x:,}" for x in amount]}
    )
    numbers = library({"day": days, "share": share, "paid": amount})
    result, plain_numbers = chainrule.fit(text, y), chainrule.fit(numbers, y)
    result.save(tmp_path / "model.safetensors")
    for fitted in (result, chainrule.load(tmp_path / "model.safetensors")):
        np.testing.assert_array_equal(fitted.predict_proba(text), plain_numbers.predict_proba(numbers))
    assert result.explain(text, y, row=3).loss == plain_numbers.explain(numbers, y, row=3).loss
    parts = chainrule.fit(text, y, columns={"day": ["month"]}, alpha=0.1)
    z, j = parts.decision_function(text), parts.feature_names.index("day month=Mar")
    others = [parts.feature_names.index(name) for name in ("share", "paid")]
    rest = parts.b + share * parts.w[others[0]] + amount * parts.w[others[1]]
    np.testing.assert_allclose((z - rest)[months == 2], parts.w[j], rtol=1e-9)


def test_columns_are_known_by_name_or_by_place(rng):
    X = rng.normal(size=(50, 2))
    y = X[:, 0] > rng.normal(size=50)
    named = chainrule.fit(pd.DataFrame(X, columns=["u", "v"]), y, alpha=0.1)
    g = named.predict_proba(X)
    np.testing.assert_array_equal(named.predict_proba(pl.DataFrame({"v": X[:, 1], "u": X[:, 0]})), g)
    np.testing.assert_array_equal(named.predict_proba(pd.DataFrame(X[:, ::-1], columns=["v", "u"])), g)
    with pytest.raises(InputError, match="no columns 'u', 'v'"):
        named.predict(pd.DataFrame(X, columns=["p", "q"]))
    unnamed = chainrule.fit(X, y, alpha=0.1)
    np.testing.assert_array_equal(unnamed.predict_proba(pd.DataFrame(X, columns=["p", "q"])), unnamed.predict_proba(X))
    twice = chainrule.fit(pd.DataFrame(X, columns=["a", "a"]), y, alpha=0.1)
    np.testing.assert_array_equal(twice.predict_proba(pd.DataFrame(X, columns=["a", "a"])), twice.predict_proba(X))


def test_rows_that_have_no_answer_are_refused(fitted):
    frame, _, result = fitted
    with pytest.raises(InputError, match="the fit was on a table"):
        result.predict(np.zeros((2, 5)))
    with pytest.raises(InputError, match="no rows"):
        result.predict(frame[:0])
    with pytest.raises(InputError, match="column 'age' has no value in row 1"):
        result.predict(frame.assign(age=np.nan))
    of_array = chainrule.fit([[0.0, 1.0], [1.0, 1.0], [2.0, 0.0]], [0, 1, 0], alpha=1.0)
    with pytest.raises(InputError, match="X has 1 column, and the fit had 2"):
        of_array.predict([[1.0]])
    for unseen in ("error", "reference"):  # an array's columns have no mean to fill in
        with pytest.raises(InputError, match="column 'x2' has no value in row 2"):
            of_array.predict(pl.DataFrame({"x1": [1.0, 2.0], "x2": [1.0, None]}), unseen)
        with pytest.raises(InputError, match="row 1 "):
            of_array.predict([[np.nan, 1.0]], unseen)


# ---- files


def test_a_model_is_the_same_however_often_it_is_saved(fitted, tmp_path):
    result = fitted[2]
    model = saved(result, tmp_path)
    model.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "model.safetensors").read_bytes()
    assert model.to_dict() == json.loads(json.dumps(model.to_dict()))
    assert model.schema == result.model.schema


def test_files_from_before_know_neither_the_source_nor_all_levels(run, penguins, tmp_path):
    assert run("fit", penguins, *FIT, "--alpha", "0.01", "--out", tmp_path / "birds").code == 0
    document, tensors = unpack(tmp_path / "birds", "model")
    del document["schema"]["source"]
    for column in document["schema"]["columns"]:
        del column["all_levels"]
    (tmp_path / "old").write_bytes(pack("model", document, tensors))
    old, new = chainrule.load(tmp_path / "old"), chainrule.load(tmp_path / "birds")
    assert old.schema == new.schema
    frame = pd.read_csv(penguins)
    np.testing.assert_array_equal(old.predict_proba(frame, "reference"), new.predict_proba(frame, "reference"))


def test_all_levels_are_kept_in_the_file(fitted, tmp_path):
    frame, y, _ = fitted
    result = chainrule.fit(frame, y, alpha=0.1, coding="all")
    np.testing.assert_array_equal(saved(result, tmp_path).predict_proba(frame), result.predict_proba(frame))


def test_pickles_are_the_same_before_and_after_a_prediction(fitted):
    frame, y, _ = fitted
    result = chainrule.fit(frame, y, alpha=0.01)
    before = pickle.dumps(result)
    g = result.predict_proba(frame)
    assert len(pickle.dumps(result)) == len(before)
    np.testing.assert_array_equal(pickle.loads(before).predict_proba(frame), g)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(result.model)).predict_proba(frame), g)


class Twice(Logistic):
    """The logistic loss of half as steep a probability."""

    def probability(self, z):
        return super().probability(2 * z)


def test_a_loss_of_ones_own_gives_its_own_probabilities(rng, tmp_path, monkeypatch):
    monkeypatch.setitem(LOSSES, "twice", Twice(name="twice"))
    X = rng.normal(size=(60, 2))
    y = X[:, 0] > rng.normal(size=60)
    result = chainrule.fit(X, y, alpha=0.1, loss="twice")
    z = result.decision_function(X)
    np.testing.assert_allclose(result.predict_proba(X)[:, 1], 1 / (1 + np.exp(-2 * z)), rtol=1e-14)
    assert saved(result, tmp_path).loss_function is LOSSES["twice"]
    with pytest.raises(InputError, match="'twice'"):
        result.explain(X, y, 0)
    with pytest.raises(InputError, match="'twice'"):  # it explains a row too
        result.report(tmp_path / "r.html", X, y)
    monkeypatch.delitem(LOSSES, "twice")
    with pytest.raises(InputError, match="'twice'"):
        chainrule.load(tmp_path / "model.safetensors")


# ---- coefficients


def test_coefficients_are_a_frame_of_the_library_of_X(fitted, tmp_path):
    frame, y, result = fitted
    found = result.coefficients()
    assert isinstance(found, pd.DataFrame)
    lines = result.coefficients("pyarrow").to_pylist()
    assert [line["variable"] for line in lines] == [
        BIAS,
        "age",
        *["größe <cm>"] * 2,
        "member",
        "town",
        "town",
        "plan",
        "plan",
    ]
    assert [line["level"] for line in lines] == [None] * 3 + ["(missing)", None, "Bonn", "Celle", "free", "(missing)"]
    assert [line["reference"] for line in lines] == [None] * 5 + ["Aachen"] * 2 + ["paid"] * 2
    np.testing.assert_array_equal(found["coefficient"], [result.b, *result.w])
    np.testing.assert_allclose(found["odds_ratio"][1:], np.exp(result.w), rtol=1e-15)
    assert lines[0]["odds_ratio"] is None
    np.testing.assert_array_equal(found["error"], [result.certificate.intercept, *result.certificate.coef])
    np.testing.assert_array_equal(found["digits"][1:], result.certificate.digits)
    assert isinstance(chainrule.fit(pl.from_pandas(frame), y, alpha=0.01).coefficients(), pl.DataFrame)
    assert isinstance(chainrule.fit(frame["age"].to_numpy()[:, None], y).coefficients(), pa.Table)
    assert saved(result, tmp_path).coefficients().equals(found)
    with pytest.raises(InputError, match="backend must be one of"):
        result.coefficients("spark")


def test_nothing_is_proven_without_an_optimum():
    with pytest.warns(chainrule.SeparationWarning):
        result = chainrule.fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])
    assert result.coefficients()["digits"].to_pylist()[1] == result.certificate.digits[0]


# ---- one row, the report, the glass box


def test_an_explained_row_is_that_of_the_command_line(fitted, run, tmp_path):
    frame, y, result = fitted
    result.save(tmp_path / "model")
    frame.assign(bought=y).to_csv(tmp_path / "people.csv", index=False)
    told = json.loads(run("explain", tmp_path / "model", tmp_path / "people.csv", "--row", 8, "--json").out)
    found = result.explain(frame, y, 7)
    more = {name: plain(found.context[name]) for name in ("part", "next", "variables")}
    assert more["part"] == "training"
    assert told["explanation"] == found.to_dict() | more
    assert told["whole_gradient"] == found.context["whole_gradient"]
    assert found.to_dict() == result.explain(pl.from_pandas(frame), pl.Series(y), 7 - M).to_dict()
    assert str(found).startswith(f"Row 8 (bought is {y[7]}")


def test_shares_of_the_rows_add_up_to_the_gradient_in_any_units(fitted):
    frame, y, _ = fitted
    with pytest.warns(chainrule.NotConvergedWarning):
        result = chainrule.fit(frame, y, method="gradient-descent", standardize=True, max_reads=5, tol=1e-12)
    rows = [result.explain(frame, y, k, epoch=2) for k in range(M)]
    total = np.sum([[feature.share for feature in row.features] for row in rows], axis=0)
    np.testing.assert_allclose(total, rows[0].context["whole_gradient"]["dL_dw"], rtol=0, atol=1e-14)
    assert rows[3].features[0].x_user == frame["age"][3]
    assert rows[3].epoch == 2


def test_rows_that_cannot_be_explained(fitted, tmp_path):
    frame, y, result = fitted
    unknown = result.explain(frame, None, 0)
    assert (unknown.y, unknown.context["part"]) == (None, "unknown")
    for row in (M, -M - 1, 1.5, "x"):
        with pytest.raises(InputError, match=f"from 0 to {M - 1}"):
            result.explain(frame, y, row)
    with pytest.raises(InputError, match="label maybe in row 1"):
        result.explain(frame, y.where(y.index > 0, "maybe"), 0)
    with pytest.raises(InputError, match=f"{M} of them, not 3"):
        result.explain(frame, y[:3], 0)
    with pytest.raises(InputError, match="no record"):
        saved(result, tmp_path).explain(frame, y, 0, epoch=1)


@pytest.mark.parametrize("form", ["frame", "array", "sparse"])
def test_the_report_of_a_result_is_a_page(form, fitted, tmp_path):
    frame, y, result = fitted
    if form != "frame":
        frame = frame[["age", "member"]].to_numpy(dtype=float)
        frame = sparse.csr_array(frame) if form == "sparse" else frame
        result = chainrule.fit(frame, y)
    result.report(tmp_path / "x.html", frame, y, row=4, title="Who <b>bought</b>")
    page = (tmp_path / "x.html").read_text(encoding="utf-8")
    assert "<title>Who &lt;b&gt;bought&lt;/b&gt;</title>" in page
    assert "Row 5" in page
    assert page.count("<svg") >= 7
    assert page.index("How well it predicts") < page.index("Row 5")
    result.report(tmp_path / "x.html", frame, y, row=4, reader="learner")
    page = (tmp_path / "x.html").read_text(encoding="utf-8")
    assert page.index("Row 5") < page.index("the derivation") < page.index("How well it predicts")
    result.report(tmp_path / "own.html")
    assert (tmp_path / "own.html").read_text(encoding="utf-8").count("<svg") >= 3


def test_reports_that_can_not_be_written_leave_nothing(fitted, tmp_path):
    frame, y, result = fitted
    folder = tmp_path / "pages"
    folder.mkdir()
    model = saved(result, tmp_path)
    for write in (
        lambda: result.report(folder / "x.html", frame), lambda: result.report(folder / "x.html", frame, [None] * M),
        lambda: model.report(folder / "x.html", frame, y), lambda: result.report(folder, frame, y),
        lambda: result.report(folder / "x.html", frame, y, row=M), lambda: result.report(folder / "x.html", reader="me"),
    ):  # fmt: skip
        with pytest.raises(InputError):
            write()
    assert not list(folder.iterdir())


def test_the_glass_box_takes_a_fitted_model_and_any_frame(fitted, tmp_path):
    frame, y, _ = fitted
    result = chainrule.fit(frame, y, alpha=0.01, tol=1e-18)
    graph = chainrule.graph.logistic_graph(frame, y, result)
    assert float(graph.L.value) == pytest.approx(result.loss, rel=1e-13)
    np.testing.assert_allclose(graph.dL_dw, -result.alpha * result.w, rtol=0, atol=1e-8)
    again = chainrule.graph.logistic_graph(pl.from_pandas(frame), y.to_list(), saved(result, tmp_path))
    assert again.L.value == graph.L.value
    with pytest.raises(InputError, match="'b' is given beside a fitted model"):
        chainrule.graph.logistic_graph(frame, y, result, 0.0)
    with pytest.raises(InputError, match="no label in row 3"):
        chainrule.graph.logistic_graph(frame, y.where(y.index != 2, None), result)


def test_certify_takes_a_loaded_model(fitted, tmp_path):
    frame, y, result = fitted
    assert chainrule.certify(frame, y, saved(result, tmp_path), alpha=0.01).gap <= result.tol


# ---- shown


def test_print_fits_on_a_page_and_repr_on_a_line(rng, tmp_path):
    X = rng.normal(size=(900, 400))
    X[:, 7] = X[:, 8]
    y = X[:, 0] > 0
    with pytest.warns(chainrule.ChainruleWarning):
        separated = chainrule.fit(X, y)
    frame, labels = people()
    words = np.array([None, *(f"level {k}" for k in range(30))])
    holes = {f"a column with missing values {j}": words[rng.integers(0, 31, 900)] for j in range(40)}
    with_holes = chainrule.fit(holes, y, alpha=0.01)
    some = {name: np.where(cells == "level 4", None, cells) for name, cells in list(holes.items())[:8]}
    spared = ~np.isin(np.array(list(some.values())), words[2:6]).any(axis=0)
    with pytest.warns(chainrule.errors.SeparationWarning):
        infinite = chainrule.fit(some, spared & (rng.random(900) < 0.6))
    many = (separated, chainrule.fit(frame, labels, alpha=0.01), chainrule.fit(X, y, alpha=0.1), with_holes, infinite)
    for fit in many:
        model = saved(fit, tmp_path)
        for shown in (fit, model):
            assert str(shown).count("\n") < PAGE, str(shown)
            assert str(shown).split()[:2] == fit.verdict.split()[:2]
            assert "\n" not in repr(shown)
            assert f"{fit.n_rows:,} rows" in repr(shown)
        assert "<svg" in fit._repr_html_()
        assert BIAS in model._repr_html_()


def test_a_loaded_model_lists_its_coefficients_as_the_result_does(fitted, tmp_path, rng):
    _, _, result = fitted
    X = rng.normal(size=(300, 3))
    X[:, 2] = 2.0 * X[:, 0]
    with pytest.warns(chainrule.CollinearityWarning):
        collinear = chainrule.fit(X, np.where(X[:, 1] + rng.logistic(size=300) > 0, "yes", "no"))
    for fit in (result, collinear):
        model = saved(fit, tmp_path)
        table = str(model).partition("Coefficients: ")[2].strip()
        assert "spread" in table
        assert table in str(fit)
    older = {name: value for name, value in result.model.info.items() if name != "facts"}
    assert "spread" not in str(replace(result.model, info=older))  # files of before have no spreads


# ---- plots


@pytest.fixture
def axes():
    _, ax = plt.subplots()
    yield ax
    plt.close("all")


def test_plots_draw_on_the_given_axes_or_on_new_ones(fitted, axes):
    frame, y, result = fitted
    before = dict(plt.rcParams)
    for draw in (result.plot.coefficients, result.plot.loss, lambda **of: result.plot.calibration(frame, y, **of)):
        count = len(plt.get_fignums())
        assert draw(ax=axes) is axes
        assert len(plt.get_fignums()) == count
        new = draw()
        assert len(plt.get_fignums()) == count + 1
        assert new.figure is plt.gcf()
        axes.clear()
    assert dict(plt.rcParams) == before
    with pytest.raises(InputError, match="axes of matplotlib"):
        result.plot.loss(ax=3)
    with pytest.raises(InputError, match="no record"):
        result.model.plot.loss()


def test_the_plot_of_coefficients_is_ordered_and_grouped_like_the_table(axes, rng):
    frame, y = people()
    y = y.where(frame["town"] != "Celle", "yes")
    with pytest.warns(chainrule.errors.SeparationWarning):
        result = chainrule.fit(frame.rename(columns={"age": "$x^2$ <b>"}), y)
    ax = result.plot.coefficients(ax=axes)
    shown = [label.get_text() for label in ax.get_yticklabels()]
    columns = [variable.name for variable in variables_of(result)]
    assert [name for name in shown if name in columns] == columns
    town = shown.index("town")
    assert set(shown[town + 1 : town + 4]) == {"Aachen", "Bonn", "Celle"}
    (celle,) = [line for line in ax.lines if line.get_ydata()[0] == shown.index("Celle") and line.get_marker() == ">"]
    assert celle.get_xdata()[0] == pytest.approx(ax.get_xlim()[1])
    assert "∞" in [text.get_text() for text in ax.texts]
    sd = float(result.facts.sd[0])
    at = [line.get_xdata()[0] for line in ax.lines if line.get_ydata()[0] == shown.index("$x^2$ <b>")][-1]
    assert at == pytest.approx(np.exp(result.w[0] * sd))
    plt.gcf().savefig(io.BytesIO(), format="svg")  # a name with dollars is no formula
    assert len(result.model.plot.coefficients(ax=axes).get_yticklabels()) > 0


def test_of_many_coefficients_the_plot_draws_those_of_largest_spread(axes, rng):
    X = rng.normal(size=(400, 40))
    result = chainrule.fit(X, X[:, 7] + rng.logistic(size=400) > 0, alpha=0.01)
    ax = result.plot.coefficients(ax=axes)
    assert len(ax.get_yticklabels()) == 30
    assert ax.get_yticklabels()[0].get_text() == "x8"
    assert "10 weaker features not drawn" in ax.get_xlabel()


def test_calibration_draws_the_bins_of_the_report(axes, rng):
    from chainrule.fitting.metrics import calibration

    X = rng.normal(size=(4000, 2))
    y, s = X[:, 0] + rng.logistic(size=4000) > 0, rng.random(4000)
    result = chainrule.fit(X, y)
    ax = result.plot.calibration(X, y, sample_weight=s, ax=axes)
    bins = calibration(result.decision_function(X), y, s)
    p, share = next(line for line in ax.lines if line.get_marker() == "o").get_data()
    np.testing.assert_allclose(p, [each.predicted for each in bins], rtol=1e-12)
    np.testing.assert_allclose(share, [each.observed for each in bins], rtol=1e-12)
    (bars,) = ax.collections
    np.testing.assert_allclose([of[:, 1] for of in bars.get_segments()], [(each.low, each.high) for each in bins])
