"""Missing values: where a mark can be estimated, the ways to treat them, and what is told of it."""

import json
import warnings
from contextlib import nullcontext

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.model_selection import cross_val_score

from chainrule import InputError, LogisticRegression, certify, fit
from chainrule.data.missing import ENOUGH, WAYS, Treatment, absent
from chainrule.data.schema import Schema
from chainrule.data.tables import encode_table, prepare
from chainrule.errors import MissingWarning, NotConvergedWarning

M = 600


@pytest.fixture
def loans(rng):
    """A table as lenders have it, whole, and labels of both classes."""
    frame = pd.DataFrame({
        "income": rng.lognormal(10.5, 0.5, M).round(2),
        "rate": rng.normal(11.0, 3.0, M).round(2),
        "home": rng.choice(["RENT", "OWN", "MORTGAGE"], M, p=[0.5, 0.1, 0.4]),
    })  # fmt: skip
    z = 0.2 * (frame["rate"] - 11.0) + 0.5 * (frame["home"] == "RENT") - 0.5
    return frame, np.where(rng.random(M) < 1.0 / (1.0 + np.exp(-z)), "bad", "good")


def holed(frame, column, rows):
    """The frame without a value in some rows of a column."""
    frame = frame.copy()
    frame.loc[rows, column] = np.nan
    return frame


def some(y, bad, good):
    """The first rows of each class."""
    return np.concatenate([np.flatnonzero(y == "bad")[:bad], np.flatnonzero(y == "good")[:good]])


def done(result):
    return {of.column: (of.rows, of.by_class, of.done) for of in result.missing}


# --- marks


def test_one_blank_number_leaves_an_optimum_of_which_all_digits_are_proven(loans):
    """Its mark would separate the classes: one row has it."""
    frame, y = loans
    result = fit(holed(frame, "income", [17]), y, tol=1e-15)
    assert result.reason == "converged"
    assert result.certificate.digits.min() >= 6
    assert result.warnings == ()
    assert result.feature_names == fit(frame, y).feature_names
    (told,) = result.missing
    assert (told.column, told.rows, sum(told.by_class), told.done) == ("income", 1, 1, "filled")
    assert told.fill == pytest.approx(frame["income"].drop(17).mean(), rel=1e-12)


def test_one_blank_costs_no_read_more_than_none(rng):
    m = 20_000
    frame = pd.DataFrame({"x": rng.normal(size=m), "k": rng.integers(0, 9, m), "c": rng.choice(list("abc"), m)})
    y = rng.random(m) < 1.0 / (1.0 + np.exp(-frame["x"]))
    whole, one = fit(frame, y), fit(holed(frame, "x", [5]), y)
    assert one.reads <= whole.reads + 1.0


@pytest.mark.parametrize("column", ["income", "home"])
@pytest.mark.parametrize(("bad", "good"), [(ENOUGH, ENOUGH), (ENOUGH - 1, 100), (100, ENOUGH - 1), (0, 100), (1, 1)])
def test_a_mark_needs_enough_rows_of_both_classes(loans, column, bad, good):
    frame, y = loans
    result = fit(holed(frame, column, some(y, bad, good)), y)
    mark = {"income": "income missing", "home": "home=(missing)"}[column]
    is_marked = min(bad, good) >= ENOUGH
    assert (mark in result.feature_names) == is_marked
    assert done(result) == {column: (bad + good, (bad, good), "marked" if is_marked else "filled")}


def test_only_rows_that_count_make_a_mark(loans):
    frame, y = loans
    lost, s = some(y, ENOUGH, ENOUGH), np.ones(M)
    s[lost[0]] = 0.0
    result = fit(holed(frame, "income", lost), y, sample_weight=s)
    assert done(result) == {"income": (2 * ENOUGH - 1, (ENOUGH - 1, ENOUGH), "filled")}


def test_a_rare_missing_level_joins_the_level_of_most_weight(loans):
    frame, y = loans
    lost = some(y, 3, 0)
    result = fit(holed(frame, "home", lost), y)
    same = frame.copy()
    same.loc[lost, "home"] = "RENT"
    np.testing.assert_array_equal(result.w, fit(same, y).w)
    assert result.missing[0].fill == "RENT"
    s = np.where(frame["home"] == "OWN", 100.0, 1.0)
    assert fit(holed(frame, "home", lost), y, sample_weight=s).missing[0].fill == "OWN"


def test_columns_missing_in_the_same_rows_share_a_mark(loans):
    """Two marks would be one column twice."""
    frame, y = loans
    lost = some(y, 20, 20)
    frame = holed(holed(holed(frame, "rate", lost), "income", lost), "home", lost)
    result = fit(frame, y)
    assert [name for name in result.feature_names if "missing" in name] == ["income missing"]
    assert [of.done for of in result.missing] == ["marked", "filled", "filled"]
    assert [of.told for of in result.missing[1:]] == [
        f"mean {np.nanmean(frame['rate']):.6g}; marked by income", "as RENT, the most frequent; marked by income"
    ]  # fmt: skip
    assert result.certificate.kind == "bound"


# --- ways


def test_mean_fills_in_and_adds_no_column(loans):
    frame, y = loans
    lost = some(y, 50, 50)
    found = fit(holed(holed(frame, "rate", lost), "home", lost), y, missing="mean")
    filled = holed(frame, "rate", lost).fillna({"rate": np.average(frame["rate"].drop(lost))})
    filled.loc[lost, "home"] = "RENT"
    expected = fit(filled, y)
    assert found.feature_names == expected.feature_names
    np.testing.assert_allclose(found.w, expected.w, rtol=1e-9)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("method", ["newton", "gradient-descent", "sgd"])
def test_rows_are_left_out_as_if_they_had_not_been_there(loans, rng, method, weighted):
    frame, y = loans
    a, b = some(y, 40, 10), some(y, 10, 60)
    frame = holed(holed(frame, "income", a), "home", b)
    s = rng.choice([0.5, 1.0, 2.0], M) if weighted else None
    kept = np.setdiff1d(np.arange(M), np.union1d(a, b))
    how = {"method": method, "standardize": method != "newton"}
    how |= {} if method == "newton" else {"max_reads": 5, "tol": 0.0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotConvergedWarning)
        found = fit(frame, y, sample_weight=s, missing="drop-rows", **how)
        expected = fit(frame.iloc[kept], y[kept], sample_weight=None if s is None else s[kept], **how)
    np.testing.assert_allclose(found.w_fit, expected.w_fit, rtol=1e-9)
    assert (found.n_rows, found.n_dropped) == (len(kept), M - len(kept))
    assert done(found) == {"income": (50, (40, 10), "dropped"), "home": (70, (10, 60), "dropped")}


def test_each_column_may_have_its_own_way(loans):
    frame, y = loans
    frame = holed(holed(holed(frame, "income", some(y, 30, 30)), "rate", some(y, 5, 15)), "home", some(y, 31, 40))
    result = fit(frame, y, missing={"rate": "drop-rows", "home": "mean"})
    ways = {of.column: of.done for of in result.missing}
    assert ways == {"income": "marked", "rate": "dropped", "home": "filled"}
    # the others are counted in the rows that are left
    assert {of.column: of.rows for of in result.missing}["income"] == 60 - 20


def test_missing_values_may_be_refused(loans):
    frame, y = loans
    assert fit(frame, y, missing="error").missing == ()
    with pytest.raises(InputError, match=r"column 'rate' has no value in 2 rows, the first is row 4: fill it in"):
        fit(holed(frame, "rate", [3, 9]), y, missing="error")
    s = np.ones(M)
    s[[3, 9]] = 0.0
    assert fit(holed(frame, "rate", [3, 9]), y, sample_weight=s, missing="error").missing == ()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("median", "missing must be one of 'mark', 'mean', 'drop-rows', 'error'"),
        ({"rate": "zero"}, "not 'zero'"),
        ({"rate": None}, "not None"),
        (3, "not 3"),
        ({"raet": "mean"}, "column to train on called 'raet'.* did you mean rate"),
    ],
)
def test_a_wrong_way_is_one_sentence(loans, given, words):
    with pytest.raises(InputError, match=words):
        fit(*loans, missing=given)


def test_leaving_out_a_whole_class_is_refused(loans):
    frame, y = loans
    with pytest.raises(InputError, match=r"column 'rate' has no value in .* a class has none left: use missing='mean'"):
        fit(holed(frame, "rate", np.flatnonzero(y == "bad")), y, missing="drop-rows")


@pytest.mark.parametrize("way", ["mark", "mean", "drop-rows"])
def test_a_column_without_any_value_is_refused_in_every_way(loans, way):
    frame, y = loans
    with pytest.raises(InputError, match="column 'rate' has no value in any row: leave it out"):
        fit(frame.assign(rate=np.nan), y, missing=way)


@pytest.mark.parametrize("way", WAYS)
def test_a_table_without_missing_values_is_fitted_alike_in_every_way(loans, way):
    frame, y = loans
    np.testing.assert_array_equal(fit(frame, y, missing=way).w, fit(frame, y).w)


def test_the_command_lines_words():
    treatment = Treatment.read_options(["mean", "income=drop-rows", "a=b=error"])
    assert [treatment.of_column(name) for name in ("x", "income", "a=b")] == ["mean", "drop-rows", "error"]
    assert Treatment.read_options([]) == Treatment.read(None) == Treatment()
    for given in (["x=mean", "x=mark"], ["mean", "mark"], ["=mean"], ["x=y"], [""], ["Mean"]):
        with pytest.raises(InputError, match="--missing"):
            Treatment.read_options(given)


# --- frames of numbers, and arrays


@pytest.mark.parametrize("of", [pd.DataFrame, pl.DataFrame, lambda X: pa.table(dict(X.items()))])
def test_a_frame_of_numbers_alone_is_a_table_like_others(of, loans):
    frame, y = loans
    numbers = holed(frame[["income", "rate"]], "rate", some(y, 20, 20))
    found = fit(of(numbers), y)
    assert found.feature_names == ("income", "rate", "rate missing")
    beside = fit(numbers.assign(home=pd.Categorical(["x"] * M)), y)
    np.testing.assert_array_equal(found.w, beside.w)
    assert certify(of(numbers), y, found).gap <= found.tol
    assert LogisticRegression().fit(of(numbers), y).predict(of(numbers)).shape == (M,)


def test_an_array_with_missing_values_needs_a_way(loans):
    frame, y = loans
    numbers = holed(frame[["income", "rate"]], "rate", some(y, 20, 20))
    X = numbers.to_numpy()
    with pytest.raises(InputError, match=r"X has NaN in row .*, column 'x2': .* missing='mean'"):
        fit(X, y)
    found, of_frame = fit(X, y, missing="mark"), fit(numbers, y)
    np.testing.assert_array_equal(found.w, of_frame.w)
    assert found.feature_names == ("x1", "x2", "x2 missing")
    assert found.copies == 0
    model = LogisticRegression(missing="mark").fit(X, y)
    np.testing.assert_array_equal(
        model.decision_function(X), LogisticRegression().fit(numbers, y).decision_function(numbers)
    )
    assert np.isfinite(cross_val_score(LogisticRegression(missing="mean"), X, y, cv=5)).all()


def test_a_sparse_matrix_has_no_ways(loans):
    from scipy.sparse import csr_array

    with pytest.raises(InputError, match="sparse"):
        fit(csr_array(loans[0][["rate"]].to_numpy()), loans[1], missing="mean")


# --- predictions


def test_predictions_treat_missing_values_as_the_fit_did(loans):
    frame, y = loans
    holes = holed(holed(frame, "income", [17]), "home", some(y, 2, 0))
    model = LogisticRegression().fit(holes, y)
    filled = holes.fillna({"income": holes["income"].mean(), "home": "RENT"})
    np.testing.assert_allclose(model.decision_function(holes), model.decision_function(filled), rtol=1e-12)
    with pytest.raises(InputError, match="'rate' has no value in row 3, and had one in every row of the fit"):
        model.predict(holed(frame, "rate", [2]))


@pytest.mark.parametrize("way", ["mark", "mean", "drop-rows"])
def test_a_way_that_was_given_holds_for_predictions_also_if_the_fit_had_no_need_of_it(loans, way):
    frame, y = loans
    model = LogisticRegression(missing={"rate": way, "home": way}).fit(frame, y)
    holes = holed(holed(frame, "rate", [2]), "home", [4])
    filled = holes.fillna({"rate": frame["rate"].mean(), "home": "RENT"})
    with pytest.warns(MissingWarning) if way == "drop-rows" else nullcontext():
        found = model.decision_function(holes)
    np.testing.assert_allclose(found, model.decision_function(filled), rtol=1e-12)
    with pytest.raises(InputError, match="'income' has no value in row 3"):
        model.predict(holed(frame, "income", [2]))


def test_rows_that_the_fit_left_out_are_predicted_with_the_values_of_the_others(loans):
    frame, y = loans
    lost = some(y, 30, 3)
    holes = holed(holed(frame, "rate", lost), "home", lost[:9])
    model = LogisticRegression(missing="drop-rows").fit(holes, y)
    filled = holes.copy()
    filled.loc[lost, "rate"] = frame["rate"].drop(lost).mean()
    filled.loc[lost[:9], "home"] = "RENT"
    with pytest.warns(
        MissingWarning, match="33 rows without a value in rate, home: the fit leaves such rows out"
    ) as told:
        found = model.decision_function(holes)
    assert len(told) == 1
    np.testing.assert_allclose(found, model.decision_function(filled), rtol=1e-12)


def test_rows_that_the_fit_left_out_are_not_among_its_rows(loans):
    frame, y = loans
    lost = some(y, 30, 3)
    holes = holed(frame, "rate", lost)
    result = fit(holes, y, missing="drop-rows")
    told = result.explain(holes, y, int(np.delete(np.arange(len(y)), lost)[0]))
    assert told.context["part"] == "training"
    assert result.explain(holes, y, int(lost[0])).context["part"] == "left out"
    X, classes = result.as_arrays(holes, y)
    assert X.shape == (result.n_rows, len(result.w))
    assert len(classes) == result.n_rows


def test_a_part_of_numbers_alone_that_lacks_what_another_has_is_told_the_way_out(loans):
    frame, y = loans
    numbers = frame[["income", "rate"]]
    model = LogisticRegression().fit(numbers, y)
    with pytest.raises(InputError, match=r"'rate' has no value in row 3, .*missing='mean'$"):
        model.predict(holed(numbers, "rate", [2]))


def test_a_column_without_a_mark_takes_new_levels_as_missing_if_that_is_asked(loans):
    frame, y = loans
    model = LogisticRegression(unseen="missing").fit(holed(frame, "home", [3]), y)
    new = frame.assign(home="CASTLE")
    np.testing.assert_array_equal(model.decision_function(new), model.decision_function(frame.assign(home="RENT")))


# --- tables of files


@pytest.fixture
def prepared(loans):
    frame, y = loans
    holes = holed(holed(frame, "rate", some(y, 30, 12)), "home", some(y, 2, 0)).assign(y=y)
    table = pa.Table.from_pandas(holes, preserve_index=False)
    return table, prepare(table, "y", missing=Treatment("mark", {"rate": "drop-rows"}), test_size=0.25)


def test_a_table_of_a_file_leaves_rows_out_of_the_training_part_alone(prepared):
    table, made = prepared
    lost = np.asarray(table["rate"].is_null(nan_is_null=True))
    assert not lost[made.train].any()
    assert lost[made.test].any()
    assert len(made.train) + len(made.test) + made.learnt.dropped == M
    rate = next(column for column in made.schema.columns if column.name == "rate")
    assert rate.mean == pytest.approx(np.nanmean(table["rate"].to_numpy()[made.train]), rel=1e-12)
    (note,) = made.notes
    assert (
        f"rows not trained on filled in: rate in {lost[made.test].sum()} rows (mean {rate.mean:.6g}; training" in note
    )


def test_the_schema_keeps_what_predictions_need(prepared):
    table, made = prepared
    schema = Schema.from_dict(json.loads(json.dumps(made.schema.to_dict())))
    assert schema == made.schema
    again = encode_table(schema, table)
    np.testing.assert_array_equal(again.X, made.encoded.X)
    np.testing.assert_array_equal(again.labelled, np.flatnonzero(~np.asarray(table["rate"].is_null(nan_is_null=True))))
    for name in ("rate", "home"):
        assert f"{name} in " in again.notes[0]


def test_schemas_of_earlier_versions_fill_in_as_they_did(prepared):
    table, made = prepared
    given = made.schema.to_dict()
    for column in given["columns"]:
        del column["lost"], column["common"]
    old = encode_table(Schema.from_dict(given), table)
    home = old.schema.feature_names.index("home=RENT")
    lost = np.asarray(table["home"].is_null())
    assert (old.X[lost][:, home] == 0.0).all()  # the reference, MORTGAGE
    assert old.labelled.size == M


def test_a_column_that_is_constant_but_for_missing_values_is_left_out(loans):
    frame, y = loans
    table = pa.Table.from_pandas(frame.assign(one=np.where(np.arange(M) < 3, np.nan, 1.0), y=y), preserve_index=False)
    made = prepare(table, "y")
    assert [(of.column, of.done, of.fill) for of in made.learnt.missing] == [("one", "left out", None)]
    assert made.notes == ("constant column left out: one",)


@pytest.mark.parametrize("kind", ["float", "Int64", "boolean", "category", "object"])
def test_what_is_absent_is_found_in_every_kind_of_column(kind):
    from chainrule.data.frames import fields_of

    cells = {"category": ["a", None, "b"], "object": ["a", None, "b"]}.get(kind, [1, None, 0])
    (field,) = fields_of(pd.DataFrame({"x": pd.array(cells, dtype=kind)}))
    np.testing.assert_array_equal(absent(field), [False, True, False])
