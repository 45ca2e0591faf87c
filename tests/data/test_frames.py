"""Tables as users have them, pandas frames and Arrow tables: what becomes a number, what a category, and what is refused."""

import pickle
import re
import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.base import clone

from chainrule import InputError, LogisticRegression, certify, fit
from chainrule.data.encoding import learn
from chainrule.data.frames import fields_of, plain_matrix
from chainrule.errors import CollinearityWarning

pytestmark = pytest.mark.usefixtures("any_mark")

M = 120


def labels(seed=0):
    return np.random.default_rng(seed).integers(0, 2, M)


def numbers(seed=1):
    return np.random.default_rng(seed).normal(size=M)


def letters(seed=2, of="abc"):
    return np.array(list(of))[np.random.default_rng(seed).integers(0, len(of), M)]


def holed(values, every=7):
    """The same values, every seventh missing."""
    out = np.array(values, dtype=object)
    out[::every] = None
    return out


def fitted(table, **options):
    return fit(table, options.pop("y", labels()), **{"method": "newton", "tol": 1e-20, **options})


def frame(**columns):
    return pd.DataFrame({"c": pd.Categorical(letters()), **columns})


def same(found, expected, rtol=1e-9):
    assert found.feature_names == expected.feature_names
    np.testing.assert_allclose(found.w, expected.w, rtol=rtol, atol=1e-12)


# --- pandas: numbers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind",
    "int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 longdouble bool >f8 >i4 "
    "Int64 UInt8 Float32 Float64 boolean int16[pyarrow] double[pyarrow] bool[pyarrow] object Sparse[float64]".split(),
)
def test_every_kind_of_number_is_a_number(kind):
    x = pd.Series(numbers() > 0).astype("bool[pyarrow]" if kind == "bool[pyarrow]" else float).astype(kind)
    before = x.copy(deep=True)
    same(fitted(frame(x=x)), fitted(frame(x=(numbers() > 0) * 1.0)))
    pd.testing.assert_series_equal(x, before)


@pytest.mark.parametrize("kind", ["Int64", "Float64", "boolean", "int16[pyarrow]", "bool[pyarrow]", "object"])
def test_missing_numbers_are_their_mean_and_marked(kind):
    x = pd.Series(holed(numbers() > 0))
    found = fitted(frame(x=x.astype("boolean").astype(kind)))
    expected = x.astype("boolean").astype("Float64").to_numpy(dtype=float, na_value=np.nan)
    assert found.feature_names == ("c=b", "c=c", "x", "x missing")
    same(found, fitted(frame(x=expected)))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "of", [pd.DataFrame, lambda columns: pa.table({k: pa.array(v, from_pandas=True) for k, v in columns.items()})]
)
def test_constant_numbers_of_which_some_are_missing_stay_constant(of, weighted, rng):
    """Their mean may round to another number."""
    values = [0.1, -0.3, 1 / 3, 1e300 / 3, -1e-300 / 3, 5e-324, 0.0, *rng.normal(size=20)]
    columns = {f"x{k}": np.where(rng.random(M) < 0.3, np.nan, value) for k, value in enumerate(values)}
    s = rng.random(M) + 0.1 if weighted else None
    with pytest.warns(CollinearityWarning, match="27 relations, such as x0 is constant"):
        found = fitted(of({**columns, "c": letters()}), sample_weight=s)
    text = str(found.relations)
    for k, value in enumerate(values):
        assert f"x{k} is constant ({value:.6g})" in text
        assert found.w[found.feature_names.index(f"x{k}")] == 0.0


def test_numbers_near_the_ends_of_float64_are_filled_in_by_their_mean():
    for size in (1e308, 1e-200):
        x = np.where(numbers() > 0, 1.5, -1.0) * size
        x[::7] = np.nan
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            (column,) = learn(fields_of(pd.DataFrame({"x": x})), np.arange(M) % 2).columns
        assert column.mean / size == pytest.approx(np.nanmean(x / size), rel=1e-12)


def test_numbers_that_differ_in_the_last_bits_are_filled_in_by_their_mean():
    x = np.where(np.arange(M) % 2 == 1, 1.0 + 2.0**-48, 1.0)
    x[::7] = np.nan
    (column,) = learn(fields_of(pd.DataFrame({"x": x})), np.arange(M) % 2).columns
    assert 1.0 < column.mean < 1.0 + 2.0**-48


def test_a_constant_that_rows_of_weight_0_lack_is_one():
    x = np.where(np.arange(M) % 5 == 0, np.nan, 0.1)
    x[7] = 0.1 + 2.0**-50
    s = np.where(np.arange(M) == 7, 0.0, 1.0)
    with pytest.warns(CollinearityWarning, match=r"x is constant \(0\.1\)"):
        fitted(frame(x=x), sample_weight=s)


def test_python_numbers_are_numbers():
    x = numbers().round(3)
    for of in (float, lambda v: Decimal(str(v)), np.float32):
        given = pd.Series([of(v) for v in x], dtype=object)
        same(fitted(frame(x=given)), fitted(frame(x=x)), rtol=1e-5)
    some = pd.Series([int(v > 0) if k % 2 else bool(v > 0) for k, v in enumerate(x)], dtype=object)
    with pytest.raises(InputError, match=r"column 'x' mixes kinds of values.*make all of it numbers.*leave it out"):
        fitted(frame(x=some))
    with pytest.raises(InputError, match="column 'x' has numbers that a float64 doesn't hold"):
        fitted(frame(x=pd.Series([10**400] * M, dtype=object)))


@pytest.mark.parametrize(
    "values",
    [
        pd.Series(["a", 1] * (M // 2), dtype=object),
        pd.Series([b"a", b"b"] * (M // 2), dtype=object),
        pd.Series([[1], [2]] * (M // 2), dtype=object),
        pd.Series([1j, 2.0] * (M // 2), dtype=object),
        pd.Series(pd.to_timedelta(np.arange(M), unit="D")),
        pd.Series(pd.period_range("2020", periods=M, freq="M")),
        pd.Series(pd.arrays.IntervalArray.from_breaks(np.arange(M + 1))),
        pd.Series(np.ones(M, dtype=complex)),
    ],
    ids=lambda values: str(values.dtype) + str(type(values[0]).__name__),
)
def test_neither_numbers_nor_categories_is_one_sentence(values):
    with pytest.raises(InputError, match=r"^column 'x' .*: [^.]*leave it out$"):
        fitted(frame(x=values))


@pytest.mark.parametrize("bad", [np.inf, -np.inf])
def test_infinite_number_is_named_by_row_and_column(bad):
    x = numbers()
    x[3], x[17] = np.inf, bad
    s = np.ones(M)
    s[3] = 0.0
    for missing in (None, 18):
        if missing:
            x[missing] = np.nan
        with pytest.raises(InputError, match=f"X has {bad} in row 18, column 'x': fill it in, or drop the row"):
            fitted(frame(x=x), sample_weight=s)


def test_numbers_near_the_largest_and_smallest_have_a_mean():
    base = np.abs(numbers())
    base[::9] = np.nan
    expected = fitted(frame(x=base))
    for scale in (2.0**1020, 2.0**-1000):
        found = fitted(frame(x=base * scale))
        np.testing.assert_allclose(found.w[2] * scale, expected.w[2], rtol=1e-6)
        assert found.certificate.proven
    s = np.full(M, 2.0**1010)
    np.testing.assert_allclose(fitted(frame(x=base), sample_weight=s).w, expected.w, rtol=1e-9)


# --- pandas: categories ----------------------------------------------------------------------------------------------


def test_levels_that_no_row_has_are_none():
    x = numbers()
    some = pd.Categorical(letters(), categories=list("zabcd"))
    found = fitted(pd.DataFrame({"c": some, "x": x}))
    same(found, fitted(frame(x=x)))
    assert (found.copies, fitted(frame(x=x)).copies) == (1, 0)


def test_order_of_the_categories_is_kept():
    ordered = pd.Categorical(letters(), categories=list("cba"), ordered=True)
    assert fitted(pd.DataFrame({"c": ordered, "x": numbers()})).feature_names == ("c=b", "c=a", "x")


def test_missing_level_has_a_coefficient():
    c = pd.Categorical(holed(letters()))
    assert fitted(pd.DataFrame({"c": c})).feature_names == ("c=b", "c=c", "c=(missing)")
    both = fitted(pd.DataFrame({"c": c}), coding="all", alpha=0.1)
    assert both.feature_names == ("c=a", "c=b", "c=c", "c=(missing)")


@pytest.mark.parametrize(
    "values",
    [
        np.array(["a", "b", None], dtype=object),
        np.array([1, 2, 3]),
        np.array([0.5, 0.25, np.nan]),
        np.array([True, False, None], dtype=object),
        pd.to_datetime(["2020-01-01", "2020-01-02", "2020-01-03"]),
    ],
    ids=["text", "integers", "floats", "booleans", "dates"],
)
def test_labels_of_any_kind(values):
    places = np.arange(M) % 3
    c = pd.Categorical(np.asarray(values)[places])
    found = fitted(pd.DataFrame({"c": c, "x": numbers()}))
    lost = ["(missing)"] * bool(pd.isna(np.asarray(values)).any())
    assert found.feature_names == (*(f"c={level}" for level in [*map(str, c.categories), *lost][1:]), "x")


def test_numbers_of_float32_keep_their_names():
    c = pd.Categorical(pd.array([0.1, 0.2, 0.7], dtype="Float32").take(np.arange(M) % 3))
    assert fitted(pd.DataFrame({"c": c, "x": numbers()})).feature_names == ("c=0.2", "c=0.7", "x")


def test_one_level_has_no_coefficient():
    one = pd.Categorical(["a"] * M)
    assert fitted(pd.DataFrame({"c": one, "x": numbers()})).feature_names == ("x",)
    with pytest.raises(InputError, match="no column is left to train on: each is left out or constant"):
        fitted(pd.DataFrame({"c": one}))
    same(fitted(pd.DataFrame({"c": one, "x": numbers()}), coding="all", alpha=0.1, fit_intercept=False),
         fitted(pd.DataFrame({"c=a": np.ones(M), "x": numbers()}), alpha=0.1, fit_intercept=False))  # fmt: skip


@pytest.mark.parametrize("kind", ["object", "str", "string[python]", "string[pyarrow]", pd.ArrowDtype(pa.string())])
def test_text_is_a_category_with_sorted_levels(kind):
    text = pd.Series(holed(letters()[::-1])).astype(kind)
    c = pd.Categorical(holed(letters()[::-1]))
    same(fitted(pd.DataFrame({"c": text, "x": numbers()})), fitted(pd.DataFrame({"c": c, "x": numbers()})))


def test_levels_that_read_the_same_are_refused():
    values = np.array([1, "1", 2], dtype=object)[np.arange(M) % 3]
    with pytest.raises(InputError, match="column 'c' has two levels that read '1': rename one"):
        fitted(pd.DataFrame({"c": pd.Categorical(values), "x": numbers()}))
    values = np.array(["(missing)", None, "b"], dtype=object)[np.arange(M) % 3]
    found = fitted(pd.DataFrame({"c": pd.Categorical(values), "x": numbers()}))
    assert found.feature_names == ("c=b", "c=(missing)", "x")
    assert fitted(frame(**{"c=b": numbers()})).feature_names == ("c=b", "c=c", "c=b (2)")


@pytest.mark.parametrize(
    "column",
    [
        np.full(M, np.nan),
        pd.array([pd.NA] * M, dtype="Int64"),
        pd.Categorical([None] * M),
        pd.Categorical([None] * M, categories=["a"]),
        pd.Series([None] * M, dtype=object),
        pd.Series([None] * M, dtype="str"),
        pd.Series([None] * M, dtype=pd.ArrowDtype(pa.null())),
    ],
)
@pytest.mark.parametrize("coding", ["reference", "all"])
def test_column_without_a_value_is_refused(column, coding):
    with pytest.raises(InputError, match="column 'x' has no value in any row: leave it out"):
        fitted(frame(x=column), coding=coding)
    x = pd.Series(np.where(np.arange(M) < 9, numbers(), np.nan))
    s = np.where(np.arange(M) < 9, 0.0, 1.0)
    with pytest.raises(InputError, match="column 'x' has no value in any row of positive weight: leave it out"):
        fitted(frame(x=x), coding=coding, sample_weight=s)


def test_rows_of_weight_zero_are_not_there():
    x, c = numbers(), letters().astype(object)
    out = np.arange(M) % 4 == 0
    x[out], c[out] = np.nan, "rare"
    c[0], x[4] = None, np.inf
    table = pd.DataFrame({"c": pd.Categorical(c), "x": x})
    s = np.where(out, 0.0, 1.5)
    for method in ("newton", "gradient-descent"):
        options = dict(alpha=0.05, method=method, tol=1e-12, standardize=True)
        found = fitted(table, sample_weight=s, **options)
        assert found.feature_names == ("c=b", "c=c", "x")
        np.testing.assert_allclose(found.w, fitted(table[~out], y=labels()[~out], **options).w, rtol=1e-4)


def test_scores_of_rows_leave_out_those_of_weight_zero():
    from chainrule.data.designs import rows_of

    c = letters().astype(object)
    c[5] = "rare"
    s = np.ones(M)
    s[5] = 0.0
    table = pd.DataFrame({"c": pd.Categorical(c), "x": numbers()})
    rows = rows_of(table, labels(), s, n_threads=1)[0]
    z = rows.scores(np.array([1.0, 2.0, 3.0]), 0.5)
    expected = (c == "b") + 2.0 * (c == "c") + 3.0 * numbers() + 0.5
    np.testing.assert_allclose(z[s > 0], expected[s > 0], rtol=1e-14, atol=1e-14)
    assert np.isfinite(z).all()


# --- pandas: the frame -----------------------------------------------------------------------------------------------


def test_rows_are_taken_by_place():
    table, y = frame(x=numbers()), labels()
    expected = fitted(table)
    indices = [np.arange(M)[::-1], np.arange(M) + 7, pd.MultiIndex.from_arrays([np.arange(M), letters()]), letters()]
    for index in indices:
        same(fitted(table.set_axis(index), y=pd.Series(y, index=np.arange(M)[::-1] + 2 * M)), expected, rtol=0)
    words = pd.Series(np.where(y, "yes", "no"), index=np.arange(M) + 3)
    for of in (words, words.astype("category"), words.to_list(), pa.array(words.to_list())):
        found = fitted(table, y=of)
        same(found, expected, rtol=0)
        assert found.classes == ("no", "yes")
    weights = pd.Series(np.ones(M) * 2, index=np.arange(M) + 1)
    same(fitted(table, sample_weight=weights), expected, rtol=1e-12)


def test_tables_that_are_none():
    table = frame(x=numbers())
    with pytest.raises(InputError, match="X has two columns called 'x': rename one"):
        fitted(table.set_axis(["x", "x"], axis=1))
    with pytest.raises(InputError, match="X has two columns called '1': rename one"):
        fitted(table.set_axis([1, "1"], axis=1))
    with pytest.raises(InputError, match="X has 0 rows and 2 columns: a fit needs two rows"):
        fitted(table[:0], y=[])
    with pytest.raises(InputError, match="X has 1 row and 2 columns: a fit needs two rows"):
        fitted(table[:1], y=[1])
    with pytest.raises(InputError, match="and 0 columns: a fit needs two rows and one column"):
        fitted(table[[]])
    with pytest.raises(InputError, match=r"y must have one label a row, 120 of them, .* \(119,\)"):
        fitted(table, y=labels()[1:])
    with pytest.raises(InputError, match="coding must be 'reference' or 'all', not 'dummy'"):
        fitted(table, coding="dummy")
    with pytest.raises(InputError, match="feature_names can't be given for a table: rename its columns"):
        fitted(table, feature_names=["a", "b"])


def test_nothing_of_the_users_changes():
    table = pd.DataFrame(
        {
            "c": pd.Categorical(holed(letters()), categories=list("zcba")),
            "t": pd.Series(letters(3)),
            "o": holed(letters(4)),
            "x": np.where(np.arange(M) % 5, numbers(), np.nan),
            "k": pd.array(np.arange(M), dtype="Int64"),
            "b": numbers() > 0,
        },
        index=np.arange(M)[::-1],
    )
    y, s = pd.Series(labels(), index=table.index), pd.Series(np.ones(M), index=table.index)
    copies = [v.copy(deep=True) for v in (table, y, s)]
    model = LogisticRegression(method="newton", alpha=0.1, standardize=True).fit(table, y, sample_weight=s)
    model.predict(table)
    certify(table, y, model.coef_, model.intercept_, alpha=0.1, standardize=True, sample_weight=s)
    pd.testing.assert_frame_equal(table, copies[0])
    pd.testing.assert_series_equal(y, copies[1])
    pd.testing.assert_series_equal(s, copies[2])


# --- Arrow -----------------------------------------------------------------------------------------------------------


def arrow(**columns):
    return pa.table({"c": pa.array(letters()), "x": pa.array(numbers()), **columns})


def test_text_of_any_kind_is_a_category_with_sorted_levels():
    expected = fitted(frame(x=numbers()))
    for kind in (pa.string(), pa.large_string(), pa.string_view()):
        text = pa.array(letters()).cast(kind)
        for cut in (0, 1, 50):
            found = fitted(arrow(c=pa.chunked_array([text[:cut], text[:0], text[cut:]])))
            same(found, expected, rtol=0)
            assert found.copies == 1


@pytest.mark.parametrize("index", [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint32(), pa.uint64()])
def test_dictionaries_are_codes_where_they_lie(index):
    c = pa.array(letters()).dictionary_encode().cast(pa.dictionary(index, pa.string()))
    given = pa.DictionaryArray.from_arrays(pa.array(pd.Categorical(letters()).codes).cast(index), pa.array(list("abc")))
    found = fitted(arrow(c=given))
    same(found, fitted(frame(x=numbers())), rtol=0)
    assert found.copies == (index == pa.uint64())
    assert fitted(arrow(c=c)).feature_names == (*(f"c={v}" for v in list(dict.fromkeys(letters()))[1:]), "x")


def test_dictionaries_that_differ_by_chunk():
    text = letters()
    text[40:80] = "z"
    chunks = [pa.array(text[k : k + 40]).dictionary_encode() for k in (0, 40, 80)]
    found = fitted(arrow(c=pa.chunked_array([chunks[0][:0], *chunks])), alpha=0.1)
    levels = list(dict.fromkeys(text))
    expected = fitted(pd.DataFrame({"c": pd.Categorical(text, categories=levels), "x": numbers()}), alpha=0.1)
    same(found, expected)


@pytest.mark.parametrize("chunked", [False, True])
def test_dictionaries_with_nulls_and_repeated_values(chunked):
    codes = np.random.default_rng(0).integers(0, 4, M)
    values = [None, "b", "a", "b"]
    text = np.array(values, dtype=object)[codes]
    given = pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int8)), pa.array(values))
    given = pa.chunked_array([given[:50], given[50:]]) if chunked else given
    ordered = pd.Categorical(text, categories=["b", "a"])
    same(fitted(arrow(c=given), alpha=0.1), fitted(pd.DataFrame({"c": ordered, "x": numbers()}), alpha=0.1), rtol=0)
    lost = pa.array([None if v is None else v for v in text])
    assert fitted(arrow(c=lost), alpha=0.1).feature_names == ("c=b", "c=(missing)", "x")


def test_slices_and_chunks_begin_at_any_bit():
    rng = np.random.default_rng(3)
    flags = [None if v < -1 else bool(v > 0) for v in rng.normal(size=M)]
    table = arrow(
        d=pa.array(holed(letters(5)).tolist()).dictionary_encode(),
        k=pa.array(rng.integers(0, 9, M), mask=rng.random(M) < 0.2),
        f=pa.array(flags),
        g=pa.array(numbers() > 0),
    )
    for first in (0, 1, 3, 8, 13):
        part = table.slice(first, 90)
        y = labels()[first : first + 90]
        plain = part.to_pandas()
        plain["d"] = pd.Categorical(plain["d"], categories=table["d"].chunk(0).dictionary.to_pylist())
        expected = fitted(plain, y=y, alpha=0.1)
        same(fitted(part, y=y, alpha=0.1), expected)
        several = pa.concat_tables([part.slice(0, 11), part.slice(11, 0), part.slice(11, 30), part.slice(41)])
        same(fitted(several, y=y, alpha=0.1), expected)
        batch = part.combine_chunks().to_batches()[0].slice(5, 70)
        same(fitted(batch, y=y[5:75], alpha=0.1), fitted(plain[5:75], y=y[5:75], alpha=0.1))


def test_null_and_nan_are_both_missing():
    x = numbers()
    x[::8] = np.nan
    both = pa.chunked_array([pa.array(x[:60]), pa.array(x[60:], mask=np.isnan(x[60:]))])
    same(fitted(arrow(x=both)), fitted(frame(x=x)))
    with pytest.raises(InputError, match="X has inf in row 10, column 'x'"):
        fitted(arrow(x=pa.array(np.where(np.arange(M) == 9, np.inf, x))))


@pytest.mark.parametrize("kind", [pa.float16(), pa.decimal128(9, 3), pa.decimal256(40, 3)])
def test_numbers_that_the_core_does_not_read_are_converted(kind):
    x = numbers().round(2).astype(np.float16).round(1)
    given = pa.array(x) if kind == pa.float16() else pa.array([Decimal(str(v)) for v in x], type=kind)
    found = fitted(arrow(x=given))
    same(found, fitted(frame(x=x.astype(float))), rtol=1e-2)
    assert found.copies == 1


@pytest.mark.parametrize(
    "column",
    [
        pa.array(np.arange(M)).cast(pa.duration("us")),
        pa.array([[1]] * M),
        pa.array(letters()).cast(pa.binary()),
        pa.RunEndEncodedArray.from_arrays([M], [1.0]),
    ],
    ids=lambda column: str(column.type),
)
def test_arrow_types_that_are_neither_are_one_sentence(column):
    with pytest.raises(InputError, match=r"^column 'x' is .*, neither numbers nor categories: .* leave it out$"):
        fitted(arrow(x=column))


def test_arrow_tables_that_are_none():
    for lost in (pa.nulls(M), pa.nulls(M, pa.float64()), pa.nulls(M, pa.string()), pa.array([np.nan] * M)):
        with pytest.raises(InputError, match="column 'x' has no value"):
            fitted(arrow(x=lost))
    with pytest.raises(InputError, match="X has 0 rows and 2 columns"):
        fitted(arrow().slice(0, 0), y=[])
    with pytest.raises(InputError, match="X has 0 rows and 2 columns"):
        fitted(arrow().schema.empty_table(), y=[])
    with pytest.raises(InputError, match="and 0 columns"):
        fitted(arrow().select([]))
    with pytest.raises(InputError, match="X has two columns called 'a': rename one"):
        fitted(arrow().rename_columns(["a", "a"]))


def test_unnamed_index_of_a_frame_is_no_column():
    table = frame(x=numbers())
    given = pa.Table.from_pandas(table.set_axis(np.arange(M)[::-1] * 2))
    assert given.column_names == ["c", "x", "__index_level_0__"]
    same(fitted(given), fitted(table), rtol=0)
    model = LogisticRegression().fit(given, labels())
    assert model.feature_names_in_.tolist() == ["c", "x"]
    assert model.n_features_in_ == 2
    np.testing.assert_array_equal(model.decision_function(table), model.decision_function(given))


def test_buffers_from_elsewhere():
    # Of another length than the values need, and not aligned.
    raw = np.frombuffer(b"\0" + numbers().tobytes() + b"\0\0\0", dtype=np.uint8)
    x = pa.Array.from_buffers(pa.float64(), M, [None, pa.py_buffer(raw[1:])])
    same(fitted(arrow(x=x)), fitted(frame(x=numbers())), rtol=0)


# --- the estimator, certify ------------------------------------------------------------------------------------------


@pytest.fixture(params=[False, True], ids=["whole", "with missing values"])
def model(request):
    lost = request.param
    table = pd.DataFrame(
        {
            "c": pd.Categorical(holed(letters()) if lost else letters(), categories=list("cab")),
            "x": np.where(np.arange(M) % 5 == 0, np.nan, numbers()) if lost else numbers(),
            "k": np.arange(M) % 4,
        }
    )
    options = dict(alpha=0.1, coding="all", standardize=True) if lost else {}
    return LogisticRegression(method="newton", **options).fit(table, labels()), table


def test_predictions_go_by_names_and_levels(model):
    model, table = model
    z, words = model.decision_function(table), table["c"].astype(object)
    assert model.feature_names_in_.tolist() == ["c", "x", "k"]
    assert model.n_features_in_ == 3
    assert model.coef_.shape == (1, len(model.result_.feature_names))
    others = [
        table.assign(c=pd.Categorical(words, categories=list("zbca"))),
        table.assign(c=words),
        table.assign(c=words.astype("str")),
        table[["k", "x", "c"]],
        table.assign(more=1.0),
        table.assign(more=pd.Timestamp("2020-01-01"), other=[[]] * M),
        pd.concat([table, table[["k"]].set_axis(["twice"], axis=1), table[["k"]].set_axis(["twice"], axis=1)], axis=1),
        table.assign(k=table["k"].astype("Int64"), x=table["x"].astype("Float64")),
        table.set_axis(np.arange(M) + 5),
        pa.Table.from_pandas(table),
        pa.Table.from_pandas(table.assign(c=words)),
        pa.RecordBatch.from_pandas(table.assign(c=words)),
    ]
    for other in others:
        np.testing.assert_array_equal(model.decision_function(other), z)
        np.testing.assert_array_equal(model.predict(other), model.classes_[(z > 0).astype(int)])
        np.testing.assert_allclose(model.predict_proba(other)[:, 1], 1 / (1 + np.exp(-z)), rtol=1e-13)
    for some in (np.flatnonzero(words == "b"), [3], [5, 1, 1]):
        part = table.iloc[some].assign(c=lambda part: part["c"].cat.remove_unused_categories())
        np.testing.assert_array_equal(model.decision_function(part), z[some])
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.decision_function(table), z)
    twin = clone(model)
    assert twin.get_params() == model.get_params()
    np.testing.assert_array_equal(twin.fit(table, labels()).decision_function(table), z)


def test_predictions_where_all_values_are_missing(model):
    model, table = model
    lost = table["c"].isna() & table["x"].isna()
    part, z = table[lost], model.decision_function(table)[lost]
    if not lost.any():
        with pytest.raises(InputError, match=r"column 'c' .* in row 1,"):
            model.predict(table.assign(c=np.nan))
        with pytest.raises(InputError, match=r"column 'x' .* in row 1,"):
            model.predict(table.assign(x=pd.Series([None] * M, dtype=object)))
        return
    for of in (np.nan, None, pd.NA):
        np.testing.assert_array_equal(model.decision_function(part.assign(c=of, x=of)), z)
        np.testing.assert_array_equal(model.decision_function(part.assign(c=pd.Series([of], dtype=object))), z)
    nulls = pa.table({"c": pa.nulls(len(z)), "x": pa.nulls(len(z)), "k": pa.array(part["k"])})
    np.testing.assert_array_equal(model.decision_function(nulls), z)


def at(column, row, value):
    out = np.array(column, dtype=object)
    out[row] = value
    return out


def test_rows_that_the_fit_could_not_know_are_named():
    table = frame(x=numbers(), k=np.arange(M) % 4)
    model = LogisticRegression(method="newton").fit(table, labels())
    for c in (pd.Categorical(at(letters(), 3, "new")), at(letters(), 3, "new")):
        with pytest.raises(InputError, match="column 'c' has 'new' in row 4, a level that the fit did not see: drop"):
            model.predict(table.assign(c=c))
    never = pd.Categorical(letters(), categories=[*"abc", "new"])
    np.testing.assert_array_equal(model.predict(table.assign(c=never)), model.predict(table))
    mend = "fill it in, or fit with missing='mean', or use unseen='reference'"
    sentences = {
        f"column 'c' has no value in row 4, and had one in every row of the fit: {mend}": {"c": at(letters(), 3, None)},
        f"column 'x' has no value in row 6, and had one in every row of the fit: {mend}": {
            "x": at(numbers(), 5, np.nan).astype(float),
            "k": at(np.arange(M), 7, np.nan).astype(float),
        },
        "X has inf in row 8, column 'k': fill it in": {"k": at(np.arange(M), 7, np.inf).astype(float)},
        "X has -inf in row 8, column 'x': fill it in": {"x": at(numbers(), 7, -np.inf).astype(float)},
        "column 'c' has numbers and had categories in the fit: .*": {"c": 1.0},
        "column 'x' held numbers in training and has .* in row 1: turn it into numbers": {"x": letters()},
    }
    for sentence, columns in sentences.items():
        with pytest.raises(InputError, match=sentence):
            model.predict_proba(table.assign(**columns))
    with pytest.raises(InputError, match="X has no column 'k', which the model reads: "):
        model.predict(table[["c", "x"]])
    with pytest.raises(InputError, match="X has two columns called 'x': rename one"):
        model.predict(pd.concat([table, table[["x"]]], axis=1))
    with pytest.raises(InputError, match="X has no rows"):
        model.predict(table[:0])
    for X in (table.to_numpy(), np.zeros((4, 3)), [[1, 2, 3]], table["x"]):
        with pytest.raises(InputError, match="the fit was on a table: give a pandas frame or an Arrow table"):
            model.predict(X)
    lost = table.assign(x=at(numbers(), 7, np.nan).astype(float))
    model = LogisticRegression(alpha=0.1).fit(lost, labels())
    with pytest.raises(InputError, match="X has inf in row 9, column 'x': fill it in"):
        model.predict(lost.assign(x=at(numbers(), 8, np.inf).astype(float)))


def test_what_stands_under_a_null_is_not_looked_at():
    c = pa.array(holed(letters()).tolist())
    model = LogisticRegression(alpha=0.1).fit(arrow(c=c), labels())
    lost = np.asarray(c.is_null())
    for under in (0, 100):
        codes = np.where(lost, under, np.array([{"a": 1, "b": 2, "c": 3}.get(v, 0) for v in c.to_pylist()]))
        indices = pa.array(codes.astype(np.int8), mask=lost)
        raw = pa.Array.from_buffers(pa.int8(), M, [indices.buffers()[0], pa.py_buffer(codes.astype(np.int8))])
        given = pa.DictionaryArray.from_arrays(raw, pa.array(["never", "a", "b", "c"]), safe=False)
        np.testing.assert_array_equal(model.decision_function(arrow(c=given)), model.decision_function(arrow(c=c)))
        again = LogisticRegression(alpha=0.1).fit(arrow(c=given), labels())
        np.testing.assert_array_equal(again.coef_, model.coef_)


def test_codes_of_no_level_are_refused():
    given = pa.DictionaryArray.from_arrays(pa.array(np.arange(M, dtype=np.int8) % 4), pa.array(["a", "b"]), safe=False)
    with pytest.raises(InputError, match="column 'c' has codes without a level: create it again"):
        fitted(arrow(c=given))
    model = LogisticRegression().fit(arrow(c=pa.array(list("ab") * (M // 2))), labels())
    with pytest.raises(InputError, match="column 'c' has codes without a level: create it again"):
        model.predict(arrow(c=given))


def test_estimator_takes_labels_as_they_come():
    table, y = frame(x=numbers()), labels()
    words = pd.Series(np.where(y, "yes", "no"), index=np.arange(M) + 9)
    expected = LogisticRegression(C=1.0, class_weight="balanced").fit(table, y)
    for of in (words, words.astype("category"), words.to_list(), pa.array(words.to_list())):
        found = LogisticRegression(C=1.0, class_weight="balanced").fit(table, of)
        np.testing.assert_array_equal(found.coef_, expected.coef_)
        assert set(found.predict(table)) == {"no", "yes"}
    with pytest.raises(InputError, match=r"y must have .*, 120 of them"):
        LogisticRegression().fit(table, None)


def test_refits_forget_what_was_before():
    table, plain = frame(x=numbers()), numbers()[:, np.newaxis]
    model = LogisticRegression().fit(table, labels()).fit(plain, labels())
    assert not hasattr(model, "feature_names_in_")
    assert model.predict(plain).shape == (M,)
    assert model.fit(table, labels()).n_features_in_ == 2
    assert model.predict(table).shape == (M,)


@pytest.mark.parametrize("coding", ["reference", "all"])
def test_certify_says_of_a_fit_what_it_is(coding):
    c, x = holed(letters()), np.where(np.arange(M) % 9 == 0, np.nan, numbers())
    s = np.where(np.arange(M) == 7, 0.0, 2.0)
    for table in (pd.DataFrame({"c": pd.Categorical(c), "x": x}), pa.table({"c": c.tolist(), "x": x})):
        options = dict(alpha=0.01, coding=coding, standardize=True, sample_weight=s)
        result = fitted(table, **options)
        assert certify(table, labels(), result.w, result.b, **options).gap <= 1e-15
        far = certify(table, labels(), result.w * 2, result.b, **options)
        assert 0.0 < far.lower <= far.gap < 0.1
        with pytest.raises(InputError, match=f"coef must have .*, {len(result.w)} of them"):
            certify(table, labels(), result.w[1:], result.b, **options)


def test_an_index_in_another_order_is_refused():
    table, y = frame(x=numbers()), pd.Series(labels())
    sentence = "{} has the index of X in another order: {}.loc"
    result, s = fit(table, y, alpha=0.1), pd.Series(np.ones(M))
    for X in (table, table[["x"]]):
        with pytest.raises(InputError, match=re.escape(sentence.format("y", "y"))):
            fit(X, y[::-1], alpha=0.1)
        with pytest.raises(InputError, match=re.escape(sentence.format("sample_weight", "sample_weight"))):
            fit(X, y, sample_weight=s[::-1], alpha=0.1)
    with pytest.raises(InputError, match="another order"):
        result.explain(table, y[::-1], 0)
    for same in (y[::-1].loc[table.index], y.to_numpy(), y.set_axis(range(M, 2 * M)), y.set_axis([0] * M)):
        np.testing.assert_array_equal(fit(table, same, alpha=0.1).w, result.w)


def test_a_frame_of_plain_numbers_is_a_matrix():
    rng = np.random.default_rng(4)
    columns = {
        "i": rng.integers(-9, 9, M),
        "b": rng.random(M) < 0.5,
        "f": rng.normal(size=M),
        "u": rng.integers(0, 9, M, "u1"),
    }
    frame = pd.DataFrame(columns)
    X = np.column_stack([values.astype(float) for values in columns.values()])
    assert np.array_equal(plain_matrix(frame), X)
    assert plain_matrix(frame[["f"]].astype("f4")).dtype == np.float32
    assert np.shares_memory(plain_matrix(pd.DataFrame(X, copy=False)), X)
    endless = frame.assign(f=[np.inf, -np.inf, *frame["f"][2:]])
    assert np.isinf(plain_matrix(endless)[:2, 2]).all()  # their sum is NaN, and no number is missing
    for other in (frame.assign(f=frame["f"].where(frame["f"] > 0)), frame.assign(c="a"), X, {"f": columns["f"]}):
        assert plain_matrix(other) is None
    y = labels()
    made, again = fit(frame, y, alpha=0.1), fit(np.asfortranarray(X), y, alpha=0.1, feature_names=list(columns))
    assert np.array_equal(made.w, again.w)
    assert made.feature_names == again.feature_names
    assert (made.copies, again.copies, fit(pd.DataFrame(X), y, alpha=0.1).copies) == (1, 0, 0)
    with pytest.raises(InputError, match="reshape"):
        fit(frame["f"], y)
