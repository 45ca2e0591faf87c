"""Frames of any library: the same numbers, levels and bits; what a column can't be; what the fit did not see."""

import datetime
from collections import Counter
from decimal import Decimal

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule import InputError, LogisticRegression, certify, fit
from chainrule.data.encoding import blocks_of, encode, learn
from chainrule.data.frames import fields_of
from chainrule.data.rows.decode import expanded
from drawn_tools import CELLS, drawn

pytestmark = pytest.mark.usefixtures("any_mark")

M = 160


def columns(seed=0):
    rng = np.random.default_rng(seed)
    lost = rng.random(M) < 0.1
    return {
        "x": np.where(lost, np.nan, rng.normal(size=M)),
        "k": rng.integers(0, 5, M),
        "c": rng.choice(list("abc"), M),
        "f": rng.random(M) > 0.5,
    }


Y = np.random.default_rng(1).integers(0, 2, M)
GIVEN = columns()
PANDAS, POLARS = pd.DataFrame(GIVEN), pl.DataFrame({**GIVEN, "x": pl.Series(GIVEN["x"], nan_to_null=True)})
FRAMES = {
    "pandas": PANDAS,
    "pandas, categories": PANDAS.assign(c=PANDAS["c"].astype("category")),
    "pandas, Arrow": PANDAS.convert_dtypes(dtype_backend="pyarrow"),
    "polars": POLARS,
    "polars, lazy": POLARS.lazy(),
    "polars, categories": POLARS.with_columns(pl.col("c").cast(pl.Categorical)),
    "polars, enumeration": POLARS.with_columns(pl.col("c").cast(pl.Enum(list("abc")))),
    "Arrow": POLARS.to_arrow(),
    "Arrow, batch": POLARS.to_arrow().combine_chunks().to_batches()[0],
    "DuckDB": duckdb.from_arrow(POLARS.to_arrow()),
    "dictionary": GIVEN,
    "dictionary of lists": {name: column.tolist() for name, column in GIVEN.items()},
}


@pytest.mark.parametrize("name", FRAMES)
def test_a_frame_of_any_library_gives_the_same_bits(name):
    frame, expected = FRAMES[name], fit(PANDAS, Y, alpha=0.1)
    found = fit(frame, Y, alpha=0.1)
    assert found.feature_names == ("x", "x missing", "k", "c=b", "c=c", "f")
    np.testing.assert_array_equal(found.w, expected.w)
    assert certify(frame, Y, found.w, found.b, alpha=0.1).gap <= found.tol
    mine, theirs = (LogisticRegression(alpha=0.1).fit(X, Y) for X in (frame, PANDAS))
    assert mine.feature_names_in_.tolist() == ["x", "k", "c", "f"]
    for model in (mine, theirs):
        np.testing.assert_array_equal(model.decision_function(frame), theirs.decision_function(PANDAS))


def test_a_query_runs_once_a_fit():
    runs = []
    query = POLARS.lazy().map_batches(lambda frame: runs.append(1) or frame, schema={**POLARS.schema})
    LogisticRegression(alpha=0.1).fit(query, Y)
    assert len(runs) == 1


def test_order_of_an_enumeration_is_kept_and_polars_accidental_one_is_not():
    c = pl.Series(GIVEN["c"])
    enumeration = fit({"c": c.cast(pl.Enum(list("cba")))}, Y)
    assert enumeration.feature_names == ("c=b", "c=a")
    assert fit({"c": pl.concat([pl.Series(["c"]), c[1:]]).cast(pl.Categorical)}, Y).feature_names == ("c=b", "c=c")


@pytest.mark.parametrize(
    ("column", "way"),
    [
        (pl.Series([[1]] * M), "split it into several columns"),
        (pl.Series([{"a": 1}] * M), "split it into several columns"),
        (pl.Series([datetime.timedelta(1)] * M), "turn it into numbers, such as days"),
        (pl.Series([b"1"] * M), "turn it into one of them"),
        (["a", 1] * (M // 2), "or all of it text"),
        ([10**400] * M, "make them smaller"),
        (np.ones((M, 2)), "give one value a row"),
    ],
    ids=lambda value: str(getattr(value, "dtype", ""))[:10],
)
def test_a_column_of_another_kind_is_refused_with_a_way_out(column, way):
    with pytest.raises(InputError, match=f"^column 'q' .*{way}.*, or leave it out$"):
        fit({"x": GIVEN["x"], "q": column}, Y)


def test_decimals_are_numbers():
    decimals = pl.Series([Decimal("1.5"), Decimal("2.25"), None, Decimal("-3")] * (M // 4))
    found = fit({"c": GIVEN["c"], "d": decimals}, Y)
    expected = fit(pd.DataFrame({"c": GIVEN["c"], "d": decimals.cast(pl.Float64).to_numpy()}), Y)
    np.testing.assert_array_equal(found.w, expected.w)


def test_columns_of_a_dictionary_have_the_same_rows():
    with pytest.raises(InputError, match="column 'c' has 3 rows, and 'x' 160"):
        fit({"x": GIVEN["x"], "c": ["a", "b", "c"]}, Y)


# --- what the fit did not see ----------------------------------------------------------------------------------------


def changed(**more):
    return PANDAS.assign(**more)


NEW = changed(c=np.where(GIVEN["k"] == 1, "new", np.where(GIVEN["k"] == 2, "other", GIVEN["c"])))


def test_unseen_levels_are_named():
    model = LogisticRegression(alpha=0.1).fit(PANDAS, Y)
    with pytest.raises(
        InputError, match=r"column 'c' has '(new|other)' in row \d+, .*\(nor (new|other)\).*unseen='reference'"
    ):
        model.predict(NEW)


def test_unseen_levels_count_as_the_reference_where_asked():
    model = LogisticRegression(alpha=0.1, unseen="reference").fit(PANDAS, Y)
    first = changed(c=np.where(np.isin(GIVEN["k"], (1, 2)), "a", GIVEN["c"]))
    np.testing.assert_array_equal(model.decision_function(NEW), model.decision_function(first))
    lost = changed(c=None, k=np.nan)
    known = changed(c="a", k=GIVEN["k"].mean())
    np.testing.assert_allclose(model.decision_function(lost), model.decision_function(known), rtol=1e-12)


def test_unseen_levels_count_as_missing_where_the_fit_had_missing_ones():
    some = changed(c=np.where(GIVEN["k"] == 0, None, GIVEN["c"]))
    model = LogisticRegression(alpha=0.1, unseen="missing").fit(some, Y)
    lost = changed(c=np.where(np.isin(GIVEN["k"], (1, 2)), None, GIVEN["c"]))
    np.testing.assert_array_equal(model.decision_function(NEW), model.decision_function(lost))
    with pytest.raises(InputError, match="column 'c' has"):
        LogisticRegression(alpha=0.1, unseen="missing").fit(PANDAS, Y).predict(NEW)
    with pytest.raises(InputError, match=r"unseen .*, not 'first'"):
        LogisticRegression(unseen="first").fit(PANDAS, Y)


# --- the encoder against one row at a time in plain Python -----------------------------------------------------------


@drawn
@given(data=st.data(), m=st.integers(1, 25), all_levels=st.booleans())
def test_any_table_is_encoded_as_one_row_at_a_time(data, m, all_levels):
    cells = {name: data.draw(st.lists(kind, min_size=m, max_size=m), name) for name, kind in CELLS.items()}
    weights = data.draw(st.one_of(st.none(), st.lists(st.integers(0, 3), min_size=m, max_size=m).filter(any)))
    kept = [True] * m if weights is None else [s > 0 for s in weights]
    here = {n: [v for v, k in zip(column, kept, strict=True) if k and v is not None] for n, column in cells.items()}
    cut = data.draw(st.integers(0, m))
    kinds = {"number": pa.float64(), "text": pa.string(), "flag": pa.bool_()}
    table = pa.table({name: pa.array(column, kinds[name]) for name, column in cells.items()})
    table = pa.concat_tables([table.slice(0, cut), table.slice(cut)])
    s = None if weights is None else np.array(weights, dtype=float)
    if not all(here.values()):
        with pytest.raises(InputError, match=r"column .* has no value"):
            learn(fields_of(table), np.zeros(m), s, "all" if all_levels else "reference")
        return
    learnt = learn(fields_of(table), np.zeros(m), s, "all" if all_levels else "reference")
    expected, marks = [], []
    for name, column in cells.items():
        mark = [v is None for v, k in zip(column, kept, strict=True) if k]
        lost = (
            any(mark) and mark not in marks
        )  # of columns that are missing in the same rows, only the first has a mark
        marks.append(mark)
        if name == "text":
            weights_of = Counter()
            for v, w in sorted((v, w) for v, w in zip(column, weights or [1] * m, strict=True) if w and v is not None):
                weights_of[v] += w
            if not lost:
                column = [weights_of.most_common(1)[0][0] if v is None else v for v in column]
            levels = [*sorted(set(here[name])), *[None] * lost]
            expected += [[float(v == level) for v in column] for level in levels[0 if all_levels else 1 :]]
            continue
        s_here = [w for w, v, k in zip(weights or [1] * m, column, kept, strict=True) if k and v is not None]
        mean = np.average(np.array(here[name], dtype=float), weights=s_here)
        expected.append([mean if v is None else float(v) for v in column])
        expected += [[float(v is None) for v in column]] * lost
    design = blocks_of(fields_of(table), learnt.columns)[0]
    rows = np.flatnonzero(kept)
    found = expanded(design, rows, np.arange(design.n))
    np.testing.assert_allclose(found, np.array(expected).T[rows], rtol=1e-9, atol=1e-9)
    again = encode(fields_of(table.take(rows)), learnt.columns, "error")
    np.testing.assert_array_equal(expanded(again, np.arange(len(rows)), np.arange(design.n)), found)
