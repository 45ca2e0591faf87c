"""Kinds of columns: found by the cells or as asked, the same in every format, and read alike in other tables."""

import datetime
import json
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from chainrule import IdentifierWarning, InputError, LogisticRegression, TextWarning, certify, fit
from chainrule.data import kinds
from chainrule.data.files import read_batches, read_table
from chainrule.data.frames import fields_of
from chainrule.data.schema import Schema
from chainrule.data.tables import encode_table, prepare
from cli_tools import refused

M = 240
RNG = np.random.default_rng(3)
DATES = [datetime.date(2024, 1, 1) + datetime.timedelta(int(k)) for k in RNG.integers(0, 400, M)]
STAMPS = [
    datetime.datetime.combine(day, datetime.time(int(h), 30))
    for day, h in zip(DATES, RNG.integers(0, 24, M), strict=True)
]
COLUMNS = {
    "rate": [f"{k / 10:.1f}%" for k in RNG.integers(1, 300, M)],
    "price": [f"${k:,}" for k in RNG.integers(1, 3000, M)],
    "when": DATES,
    "stamp": STAMPS,
    "zip": [f"{k:05}" for k in RNG.integers(0, 6, M) * 1111],
    "size": RNG.integers(1, 6, M).tolist(),
}
Y = (RNG.random(M) < 0.5).astype(int)
KINDS = {"when": ["days", "month", "weekday"], "stamp": ["year", "hour"], "size": "categorical", "zip": "categorical"}


def text_of(column):
    return [value if isinstance(value, str) else str(value) for value in column]


def frames():
    table = pa.table(COLUMNS)
    texts = {name: text_of(column) if name in ("when", "stamp") else column for name, column in COLUMNS.items()}
    return {
        "pandas": pd.DataFrame(COLUMNS),
        "pandas days": pd.DataFrame(COLUMNS).assign(when=pd.to_datetime(DATES), stamp=pd.to_datetime(STAMPS)),
        "text": pd.DataFrame(texts),
        "polars": pl.DataFrame(COLUMNS),
        "arrow": table,
        "nanoseconds": table.set_column(3, "stamp", table["stamp"].cast(pa.timestamp("ns"))),
        "dictionary of columns": texts,
    }


@pytest.mark.parametrize("kinds", [None, KINDS], ids=["by the cells", "as asked"])
def test_every_frame_gives_the_same_bits(kinds):
    results = {name: fit(X, Y, alpha=0.01, columns=kinds) for name, X in frames().items()}
    first = results["pandas"]
    for name, result in results.items():
        np.testing.assert_array_equal(result.w, first.w, err_msg=name)
        assert result.feature_names == first.feature_names
    assert {"rate", "price", "when"} <= set(first.feature_names)


@pytest.mark.parametrize("kinds", [None, KINDS], ids=["by the cells", "as asked"])
def test_every_file_gives_the_same_bits_and_predicts_the_same(tmp_path, kinds):
    table = pa.table({**COLUMNS, "y": Y})
    pd.DataFrame({**COLUMNS, "y": Y}).to_csv(tmp_path / "t.csv", index=False)
    pq.write_table(table, tmp_path / "t.parquet")
    made = [prepare(read_table(tmp_path / name), "y", columns=kinds) for name in ("t.csv", "t.parquet")]
    X = [prepared.encoded.X for prepared in made]
    np.testing.assert_array_equal(*X)
    assert made[0].schema.feature_names == fit(pa.table(COLUMNS), Y, alpha=1.0, columns=kinds).feature_names
    for prepared in made:
        schema = Schema.from_dict(json.loads(json.dumps(prepared.schema.to_dict())))
        assert schema == prepared.schema
        for name in ("t.csv", "t.parquet"):
            whole = encode_table(schema, read_table(tmp_path / name, text=schema.text_columns))
            parts = [encode_table(schema, batch).X for batch in read_batches(tmp_path / name, schema)]
            np.testing.assert_array_equal(whole.X, X[0])
            np.testing.assert_array_equal(np.concatenate(parts), X[0])


def test_numbers_are_what_the_cells_say():
    design = prepare(pa.table({**COLUMNS, "y": Y}), "y", columns={"stamp": ["days", "hour"]}).encoded
    names = design.schema.feature_names
    X = dict(zip(names, design.X.T, strict=True))
    np.testing.assert_array_equal(X["rate"], [float(cell[:-1]) for cell in COLUMNS["rate"]])
    np.testing.assert_array_equal(X["price"], [float(cell[1:].replace(",", "")) for cell in COLUMNS["price"]])
    np.testing.assert_array_equal(X["when"], [(day - datetime.date(1970, 1, 1)).days for day in DATES])
    np.testing.assert_array_equal(X["stamp hour=13"], [stamp.hour == 13 for stamp in STAMPS])
    np.testing.assert_array_equal(X["zip=02222"], [code == "02222" for code in COLUMNS["zip"]])


def test_what_was_read_how_is_said_once():
    notes = prepare(pa.table({**COLUMNS, "y": Y}), "y").notes
    said = "\n".join(notes)
    assert len(notes) == 3
    for part in (
        "rate in per cent (13% is 13)", "price in $", "when in days since 1970-01-01", "--dates when=year,month,weekday",
        "codes with leading zeros are categories: zip", "--numeric zip", "may be categories: size (5 values)",
        "--categorical size",
    ):  # fmt: skip
        assert part in said
    assert prepare(pa.table({**COLUMNS, "y": Y}), "y", features=["size"], columns={"size": "numeric"}).notes == ()
    found = fit(pa.table(COLUMNS), Y, alpha=0.01)
    assert "columns={'size': 'categorical'}" in "\n".join(map(str, found.findings))
    assert found.warnings == ()


@pytest.mark.parametrize(
    ("values", "is_named"),
    [
        ([1, 2, 3] * 30, True),
        ([1.0, 2.0, 3.0] * 30, True),
        ([1.0, 2.0, float("nan")] * 30, False),
        (list(range(10)) * 10, True),
        (list(range(11)) * 10, False),
        ([0, 1] * 50, False),
        ([1, 2] * 50, False),  # two values are the same model either way
        ([1, 2, 2.5] * 30, False),
        ([1, 2, 3] * 2, False),  # too few rows to tell
    ],
)
def test_few_whole_numbers_may_be_categories(values, is_named):
    y = [0, 1] * (len(values) // 2) + [0] * (len(values) % 2)
    notes = prepare(pa.table({"x": values, "y": y}), "y").notes
    assert any("may be categories: x" in note for note in notes) == is_named


@pytest.mark.parametrize(
    ("values", "is_named"),
    [
        (np.arange(1, 91), True),
        (np.arange(0.0, 90.0), True),
        (np.random.default_rng(0).permutation(90) + 7000, True),
        (np.arange(0, 119)[np.random.default_rng(0).permutation(119)[:90]], True),  # of a split of numbered rows
        (np.arange(1, 91) * 2, True),
        (np.arange(1, 91) * 3, False),
        (np.r_[np.arange(1, 90), 89], False),
        (np.r_[np.arange(1.0, 90.0), np.nan], False),
        (np.r_[np.arange(1.0, 90.0), 1e300], False),
        (np.r_[-(2**63), np.arange(88), 2**63 - 1], False),
        (np.arange(1, 91) + 0.5, False),
        (np.arange(-120, 120).astype(np.int8), True),  # their range is more than an int8
        (np.arange(1, 21), False),  # too few rows to tell
    ],
)
def test_numbers_that_count_the_rows_are_named(values, is_named):
    fields = fields_of(pa.table({"id": values}))
    told = kinds.columns_as(fields)
    assert [found.code for found in told.findings] == ["count the rows"] * is_named
    assert [field.name for field in told.fields] == ["id"]
    assert kinds.columns_as(fields, {"id": "numeric"}).findings == ()


def test_what_is_said_of_numbers_that_count_the_rows():
    X, y = {"id": np.arange(90), "x": np.cos(np.arange(90))}, np.arange(90) % 2
    (note,) = prepare(pa.table({**X, "y": y}), "y").notes
    assert note == "numbers that seem to count the rows: id (0 to 89); --drop id leaves them out"
    told = fit(X, y, alpha=1.0)
    assert "count the rows" in [found.code for found in told.findings]
    assert told.warnings == ()


# --- zones, missing values, times


def test_instants_are_in_utc_whatever_their_zone():
    stamps = pd.Series(pd.date_range("2024-03-30 22:00", periods=M, freq="h", tz="Europe/Berlin"))
    text = stamps.map(lambda stamp: stamp.isoformat())
    kinds = {"t": ["days", "hour", "weekday"]}
    given = {"berlin": stamps, "utc": stamps.dt.tz_convert("UTC"), "text": text}
    results = {name: fit(pd.DataFrame({"t": t}), Y, alpha=0.01, columns=kinds) for name, t in given.items()}
    for result in results.values():
        np.testing.assert_array_equal(result.w, results["berlin"].w)
        assert any("parts of dates in UTC" in str(found) for found in result.findings)
    model = LogisticRegression(alpha=0.01, columns=kinds).fit(pd.DataFrame({"t": stamps}), Y)
    with pytest.raises(InputError, match=r"held dates with a time zone .* holds dates here"):
        model.predict(pd.DataFrame({"t": stamps.dt.tz_localize(None)}))


@pytest.mark.usefixtures("any_mark")
def test_missing_dates_and_percentages_are_missing():
    gaps = {
        name: [None if k % 7 == at else v for k, v in enumerate(column)]
        for at, (name, column) in enumerate(COLUMNS.items())
    }
    places = dict(zip(COLUMNS, range(len(COLUMNS)), strict=True))
    X = prepare(pa.table({**gaps, "y": Y}), "y", columns={"stamp": "month"}).encoded
    names = X.schema.feature_names
    for name in ("rate missing", "when missing", "stamp month=(missing)"):
        np.testing.assert_array_equal(X.X[:, names.index(name)], np.arange(M) % 7 == places[name.split()[0]])
    known = np.arange(M) % 7 != places["rate"]
    rates = np.array([float(cell[:-1]) for cell in COLUMNS["rate"]])
    np.testing.assert_allclose(X.X[~known, names.index("rate")], rates[known].mean())


def test_times_of_day_are_hours():
    times = [datetime.time(int(h), int(m)) for h, m in zip(RNG.integers(0, 24, M), RNG.integers(0, 60, M), strict=True)]
    expected = [t.hour + t.minute / 60 for t in times]
    for column in (pl.Series(times), pa.array(times), text_of(times)):
        found = fit({"t": column, "x": np.arange(M)}, Y, alpha=0.01)
        np.testing.assert_allclose(found.w, fit({"t": expected, "x": np.arange(M)}, Y, alpha=0.01).w, rtol=1e-12)


def test_a_table_without_a_single_date_is_all_missing():
    model = LogisticRegression(alpha=0.01, unseen="reference").fit(pd.DataFrame({"t": DATES, "x": np.arange(M)}), Y)
    empty = pd.DataFrame({"t": [None] * 3, "x": [1, 2, 3]})
    assert np.isfinite(model.predict_proba(empty)).all()


# --- kinds as asked


def test_numbers_as_categories_are_read_from_text_too(tmp_path):
    model = prepare(pa.table({"k": [1, 2, 10] * 20, "y": [0, 1, 1, 0] * 15}), "y", columns={"k": "categorical"})
    assert model.schema.feature_names == ("k=2", "k=10")
    (tmp_path / "t.csv").write_text("k,y\n 2,0\n10.0,1\n01,0\n")
    for table in (read_table(tmp_path / "t.csv"), pa.table({"k": [2.0, 10.0, 1.0], "y": [0, 1, 0]})):
        np.testing.assert_array_equal(encode_table(model.schema, table).X, [[1, 0], [0, 1], [0, 0]])


def test_long_codes_keep_all_their_digits():
    codes = [2**60, 2**60 + 1, 2**60 + 2] * 20
    names = fit(pa.table({"k": codes}), [0, 1, 1, 0] * 15, alpha=0.1, columns={"k": "categorical"}).feature_names
    assert names == (f"k={2**60 + 1}", f"k={2**60 + 2}")


def test_levels_of_float32_are_written_as_they_read():
    values = np.array([0.1, 0.2, 3.0] * 20, dtype=np.float32)
    assert fit({"k": values}, [0, 1, 1, 0] * 15, alpha=0.1, columns={"k": "categorical"}).feature_names == (
        "k=0.2",
        "k=3",
    )


def test_booleans_as_categories():
    table = {"b": np.array([True, False] * 30)}
    assert fit(table, [0, 1, 1, 0] * 15, alpha=0.1, columns={"b": "categorical"}).feature_names == ("b=true",)


def test_text_as_numbers():
    texts, numbers = pd.DataFrame({"k": ["007", "10", " 3"] * 20}), pd.DataFrame({"k": [7, 10, 3] * 20})
    y = [0, 1, 1, 0] * 15
    model = LogisticRegression(columns={"k": "numeric"}).fit(texts, y)
    np.testing.assert_array_equal(model.coef_, LogisticRegression(columns={"k": "numeric"}).fit(numbers, y).coef_)
    np.testing.assert_array_equal(model.predict_proba(texts), model.predict_proba(numbers))
    with pytest.raises(InputError, match="column 'k' is taken as numbers and has red in row 2"):
        fit(pd.DataFrame({"k": ["1", "red"] * 30}), y, columns={"k": "numeric"})
    with pytest.raises(InputError, match=r"held numbers .* has red in row 2"):
        model.predict(pd.DataFrame({"k": ["1", "red"]}))


def test_a_reference_level_comes_first():
    frame = pd.DataFrame({"c": list("abcd") * 15, "size": [1, 2, 3] * 20})
    y = RNG.permutation([0, 1, 1, 0, 1] * 12)
    found = fit(frame, y, columns={"size": "categorical"}, reference={"c": "c", "size": 2})
    assert found.feature_names == ("c=a", "c=b", "c=d", "size=1", "size=3")
    plain = fit(frame, y, columns={"size": "categorical"})
    assert found.objective == pytest.approx(plain.objective, abs=1e-9)
    np.testing.assert_allclose(found.w[0], -plain.w[1], rtol=1e-6)  # a against c, c against a
    assert certify(frame, y, found, columns={"size": "categorical"}, reference={"c": "c", "size": 2}).gap <= 1e-8
    model = LogisticRegression(reference={"c": "c"}).fit(frame[["c"]], y)
    with pytest.raises(ValueError, match="level"):
        model.predict(pd.DataFrame({"c": ["new"]}))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"columns": {"ratee": "numeric"}}, "no feature 'ratee', whose kind is given: did you mean rate"),
        ({"columns": {"rate": "number"}}, "columns has 'number' for 'rate': use 'categorical', 'numeric', or parts"),
        ({"columns": {"when": ["year", "moon"]}}, "parts of a date: days, year, month, weekday, hour"),
        ({"columns": {"when": []}}, "columns has .* for 'when'"),
        ({"columns": {"size": "month"}}, "column 'size' holds no dates"),
        ({"columns": {"zip": "month"}}, "column 'zip' holds no dates"),
        ({"columns": {"size": 3}}, "columns has 3 for 'size'"),
        ({"columns": ["size"]}, "columns must be a dictionary with names of columns, not list"),
        ({"reference": "zip"}, "reference must be a dictionary"),
        ({"reference": {"zip": "01112"}}, "column 'zip' has no level 01112 to refer to: did you mean 01111"),
        ({"reference": {"size": 3}}, "holds numbers and has no reference level: columns={'size': 'categorical'}"),
        ({"reference": {"zipp": "01111"}}, "no feature 'zipp', whose reference is given: did you mean zip"),
        ({"reference": {"zip": "01111"}, "coding": "all"}, "every level has a coefficient and none is the reference"),
    ],
)
def test_what_can_not_be_asked_is_one_sentence(options, words):
    with pytest.raises(InputError, match=words):
        fit(pa.table(COLUMNS), Y, alpha=0.1, **options)


def test_kinds_are_for_tables():
    with pytest.raises(InputError, match="columns and reference are for tables, and X is ndarray"):
        fit(np.ones((4, 1)), [0, 1, 0, 1], columns={"x1": "categorical"})


def test_a_part_must_not_take_the_name_of_a_column():
    with refused("column when month has the name of a part of a date: rename it"):
        prepare(pa.table({**COLUMNS, "when month": Y, "y": Y}), "y", columns={"when": ["month"]})


def test_a_reference_without_a_training_row_is_refused():
    table = pa.table({"c": ["a", "b", "c"] * 20, "y": ["no", "yes", None] * 20})
    with refused("c.* has no training row"):
        prepare(table, "y", reference={"c": "c"})


# --- identifiers


def names_of(m, levels):
    return [f"n{k % levels:05}" for k in range(m)]


@pytest.mark.parametrize(
    ("rows", "levels", "is_identifier"),
    [
        (100, 100, True),
        (100, 75, True),
        (100, 74, False),
        (100, 10, False),
        (20, 20, False),
        (21, 21, True),
        (5000, 2000, False),
    ],
)
def test_a_column_with_a_value_for_each_row_is_an_identifier(rows, levels, is_identifier):
    table = pa.table({"id": names_of(rows, levels), "x": np.arange(rows) % 13, "y": np.arange(rows) % 3 > 1})
    prepared = prepare(table, "y")
    assert (prepared.schema.feature_names == ("x",)) == is_identifier
    assert any(note.startswith("columns of identifiers") for note in prepared.notes) == is_identifier
    for kept in ({"columns": {"id": "categorical"}}, {"features": ["id", "x"]}):
        assert "x" in prepare(table, "y", **kept).schema.feature_names
        assert len(prepare(table, "y", **kept).schema.feature_names) == levels


def test_python_keeps_identifiers_and_warns():
    frame, y = pd.DataFrame({"id": names_of(60, 60), "x": np.arange(60) % 7}), np.arange(60) % 3 > 1
    with pytest.warns(IdentifierWarning, match=r"id \(60 values in 60 rows\)"):
        result = fit(frame, y, alpha=0.1)
    assert len(result.w) == 60
    assert any("nearly every row" in text for text in result.warnings)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for same in (frame, frame.astype({"id": "category"})):  # said to be a category, by the option or by its type
            assert len(fit(same, y, alpha=0.1, columns={"id": "categorical"}).w) == 60


def test_levels_that_no_row_has_make_no_identifier():
    column = pa.DictionaryArray.from_arrays(pa.array([0, 1] * 30), pa.array(names_of(100, 100)))
    assert prepare(pa.table({"c": column, "y": [0, 1, 1] * 20}), "y").schema.feature_names == ("c=n00001",)


# --- cells that spoil a column


def spoilt(cells, **others):
    """A text column of 400 cells, some of which are replaced."""
    cells = [others.get(f"_{k}", cell) for k, cell in enumerate(cells)]
    return pd.DataFrame({"age": cells, "x": np.arange(400) % 7})


AGES = [str(k % 70 + 18) for k in range(400)]


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        ({"_9": "?"}, r"age \(71 levels\) holds numbers but for 1 cell, \?; make such cells missing and"),
        ({"_9": "?", "_10": "?", "_11": "n.k."}, r"age \(72 levels\) holds numbers but for 3 cells, \?, n.k.;"),
        ({f"_{k}": f"bad{k}" for k in range(5)}, r"but for 5 cells, bad0, bad1, bad2 and 2 more;"),
    ],
)
def test_python_warns_of_numbers_that_a_few_cells_make_a_category(cells, says):
    frame, y = spoilt(AGES, **cells), np.arange(400) % 3 > 1
    with pytest.warns(TextWarning, match=says):
        result = fit(frame, y, alpha=0.1)
    assert "text among numbers" in [found.code for found in result.findings]
    assert any("columns={'age': 'categorical'}" in text for text in result.warnings)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(frame, y, alpha=0.1, columns={"age": "categorical"})
        fit(frame.astype({"age": "category"}), y, alpha=0.1)


def test_python_warns_of_dates_among_which_is_a_word():
    days = [f"2024-01-{k % 28 + 1:02}" for k in range(400)]
    with pytest.warns(TextWarning, match=r"holds dates but for 1 cell, soon"):
        fit(spoilt(days, _9="soon"), np.arange(400) % 3 > 1, alpha=0.1)


@pytest.mark.parametrize(
    "cells",
    [
        AGES,  # numbers, as text
        [f"A{k % 50}" for k in range(400)],
        [f"{k % 50} Main Street" for k in range(400)],
        [f"{k % 50}" if k % 8 else "none" for k in range(400)],  # more than a tenth are no numbers
    ],
)
def test_python_does_not_warn_of_other_text(cells):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(spoilt(cells), np.arange(400) % 3 > 1, alpha=0.1)


@pytest.mark.parametrize(
    ("cells", "bad", "words"),
    [
        ([f"{k}%" for k in range(40)], "13", "holds percentages but for 1 cell, the first in row 8: 13"),
        (
            [f"2024-01-{k % 28 + 1:02}" for k in range(40)],
            "soon",
            "holds dates but for 1 cell, the first in row 8: soon",
        ),
        ([f"${k}" for k in range(40)], "free", r"holds amounts in \$ but for 1 cell"),
        ([f"{k % 28 + 1}.1.2024" for k in range(40)], "?", "holds dates written d.m.y but for 1 cell"),
    ],
)
def test_one_wrong_cell_is_named(cells, bad, words):
    cells[7] = bad
    with refused(words):
        prepare(pa.table({"x": cells, "z": np.arange(40), "y": [0, 1] * 20}), "y")


def test_a_last_row_of_totals_is_told_from_a_wrong_cell():
    cells = [str(k) for k in range(40)]
    for row, is_last in ((39, True), (38, False)):
        with pytest.raises(InputError, match=f"row {row + 1}: Total") as raised:
            prepare(pa.table({"x": [*cells[:row], "Total", *cells[row + 1 :]], "y": [0, 1] * 20}), "y")
        assert ("totals" in str(raised.value)) == is_last


def test_one_wrong_cell_among_dates_is_named_where_parts_are_asked_for():
    with pytest.raises(InputError, match="dates but for 1 cell, the first in row 3: 2024-02-30"):
        fit(
            {"d": ["2024-01-01", "2024-02-01", "2024-02-30", *["2024-03-01"] * 37]}, [0, 1] * 20, columns={"d": "month"}
        )


def test_dates_that_can_not_be_read_are_named():
    cells = [f"0{k % 3 + 1}/0{k % 2 + 1}/2024" for k in range(40)]  # January or February?
    (note,) = prepare(pa.table({"d": cells, "y": [0, 1, 1, 0] * 10}), "y").notes
    assert note.startswith("columns that look like dates but can't be read as such: d (6 values)")
    cells = [f"{k % 12 + 1}/{k // 12 + 1}/2024 1:05 pm" for k in range(40)]
    left_out = prepare(pa.table({"d": cells, "x": np.arange(40) % 7, "y": [0, 1, 1, 0] * 10}), "y")
    assert left_out.schema.feature_names == ("x",)
    assert any("d (40 values)" in note and "2024-01-31" in note for note in left_out.notes)


def test_another_table_is_read_as_the_fit_was():
    schema = prepare(pa.table({**COLUMNS, "y": Y}), "y").schema
    base = {name: column[:3] for name, column in COLUMNS.items()}
    for name, cells, words in [
        ("rate", [0.13, 0.2, 0.3], "held percentages .* holds numbers here"),
        ("rate", ["13%", "14", "15%"], "held percentages .* 14 in row 102"),
        ("when", [1, 2, 3], "held dates .* holds numbers here"),
        ("size", DATES[:3], "held numbers .* holds dates here"),
    ]:
        with refused(f"column {name} {words}"):
            encode_table(schema, pa.table({**base, name: cells}), first=100)


def test_a_column_of_many_numbers_is_told_by_its_first_rows(monkeypatch):
    looked, of = [], kinds.part_values

    def counted(part, rows):
        values = of(part, rows)
        looked.append(len(values))
        return values

    monkeypatch.setattr(kinds, "part_values", counted)
    numbers = {"many": np.arange(100_000.0) / 3, "few": np.arange(100_000.0) % 5}
    told = kinds.columns_as(fields_of(numbers))
    assert [of.values["columns"] for of in told.findings] == [[("few", 5)]]
    assert sum(looked) == 100_128  # of many, both for categories and for counters
