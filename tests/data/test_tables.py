"""A table -> the design: treatment coding, what fills in, and what a prediction's table may differ in."""

import datetime
import math
import re
import shlex

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.data.files import read_table
from chainrule.data.labels import target_labels
from chainrule.data.schema import Schema
from chainrule.data.tables import encode_table, prepare
from cli_tools import refused
from drawn_tools import CELLS, drawn
from missing_tools import any_mark

pytestmark = pytest.mark.usefixtures("any_mark")


def learn_schema(table, target, rows=None, **options):
    """Learn from the rows with a label, or from those given."""
    if rows is not None:
        label = np.isin(np.arange(table.num_rows), rows)
        known = pc.if_else(pa.array(label), table[target], pa.scalar(None, table[target].type))
        table = table.set_column(table.column_names.index(target), target, known)
    return prepare(table, target, **options).schema


TRAIN = pa.table({
    "x": [1.0, 2.0, 3.0, 6.0],
    "holes": [1.0, None, 3.0, 5.0],
    "word": ["b", "a", "c", "a"],
    "gaps": ["u", "v", None, "u"],
    "flag": [True, False, True, False],
    "s": [1.0, 2.0, 3.0, 4.0],
    "y": ["no", "yes", "no", "yes"],
})  # fmt: skip
with any_mark():
    SCHEMA = learn_schema(TRAIN, "y", weights="s")
NAMES = ("x", "holes", "holes missing", "word=b", "word=c", "gaps=v", "gaps=(missing)", "flag=true")


def changed(**columns):
    """Return the training table with some columns replaced; None leaves one out."""
    plain = {name: TRAIN[name] for name in TRAIN.column_names}
    plain.update(columns)
    return pa.table({name: column for name, column in plain.items() if column is not None})


def test_the_design_by_hand():
    assert SCHEMA.feature_names == NAMES
    design = encode_table(SCHEMA, TRAIN, need_target=True)
    mean = (1 * 1 + 3 * 3 + 4 * 5) / 8
    np.testing.assert_array_equal(
        design.X,
        [
            [1, 1, 0, 1, 0, 0, 0, 1],
            [2, mean, 1, 0, 0, 1, 0, 0],
            [3, 3, 0, 0, 1, 0, 1, 1],
            [6, 5, 0, 0, 0, 0, 0, 0],
        ],
    )
    np.testing.assert_array_equal(design.y, [0, 1, 0, 1])
    np.testing.assert_array_equal(design.weights, [1, 2, 3, 4])
    assert design.blocks.m == 4
    assert design.notes == ()
    assert design.X.dtype == np.float64
    assert design.X.flags.c_contiguous


@drawn
@given(
    st.lists(
        st.tuples(CELLS["number"], st.sampled_from([None, *"pqré"]), CELLS["flag"], st.integers(0, 1)), max_size=20
    ),
    st.integers(1, 22),
)
def test_an_independent_coding_agrees(rows, cut):
    """Row by row in plain Python against the vectorised columns, over chunked tables.

    Of columns that are missing in the same rows, only the first has a mark.
    """
    rows = [(0.5, "p", True, 0), (1.5, "q", False, 1), *rows]
    x, word, flag, y = (list(cells) for cells in zip(*rows, strict=True))
    whole = pa.table({"x": x, "word": word, "flag": flag, "y": y})
    table = pa.concat_tables([whole.slice(0, cut), whole.slice(cut)])
    schema = learn_schema(table, "y")
    X = encode_table(schema, table).X
    known = [v for v in x if v is not None]
    mean, levels = math.fsum(known) / len(known), sorted({v for v in word if v is not None})
    assert {f"word={level}" for level in levels[1:]} < set(schema.feature_names)
    for name, column in {"word": word, "flag": flag}.items():
        if f"{name}=(missing)" not in schema.feature_names:
            seen = sorted(v for v in column if v is not None)
            column[:] = [max(seen, key=seen.count) if v is None else v for v in column]
    for i in range(len(rows)):
        cells = {
            "x": mean if x[i] is None else x[i],
            "x missing": float(x[i] is None),
            "word=(missing)": float(word[i] is None),
            "flag=true": float(flag[i] is True),
            "flag=(missing)": float(flag[i] is None),
            **{f"word={level}": float(word[i] == level) for level in levels[1:]},
        }
        np.testing.assert_allclose(X[i], [cells[name] for name in schema.feature_names], rtol=1e-14, atol=1e-14)


def test_a_row_has_the_same_design_alone():
    design = encode_table(SCHEMA, TRAIN)
    for k in range(4):
        np.testing.assert_array_equal(encode_table(SCHEMA, TRAIN.slice(k, 1)).X[0], design.X[k])


def test_other_columns_and_order_do_not_matter():
    table = TRAIN.select(["y", "flag", "gaps", "word", "holes", "x", "s"]).append_column("more", pa.array([b"1"] * 4))
    np.testing.assert_array_equal(encode_table(SCHEMA, table).X, encode_table(SCHEMA, TRAIN).X)


def test_missing_as_never_in_training_is_counted_and_said():
    design = encode_table(
        SCHEMA, changed(x=[None, 2.0, float("nan"), 6.0], word=[None, "a", "c", "b"], flag=pa.nulls(4))
    )
    np.testing.assert_array_equal(design.X[:, 0], [SCHEMA.columns[0].mean, 2, SCHEMA.columns[0].mean, 6])
    np.testing.assert_array_equal(design.X[0, 3:5], [0, 0])
    np.testing.assert_array_equal(design.X[:, 7], 0)
    assert design.notes == (
        "missing values filled in: x in 2 rows (mean 3.8), word in 1 row (as a, the reference), flag in 4 rows (as false, the "
        "reference)",
    )


def test_an_all_missing_column_at_prediction():
    design = encode_table(SCHEMA, changed(holes=pa.nulls(4), gaps=pa.nulls(4)))
    np.testing.assert_array_equal(design.X[:, 1], 30 / 8)
    np.testing.assert_array_equal(design.X[:, 2], 1)
    np.testing.assert_array_equal(design.X[:, 5:7], [[0, 1]] * 4)
    assert design.notes == ()


def test_unknown_levels_are_the_reference_counted_and_said():
    design = encode_table(SCHEMA, changed(word=["Dream2", "b", "Dream", "Dream2"]))
    np.testing.assert_array_equal(design.X[:, 3:5], [[0, 0], [1, 0], [0, 0], [0, 0]])
    assert design.notes == (
        "column word: 3 rows have levels that training never saw (Dream, Dream2): treated as the reference a",
    )
    assert encode_table(SCHEMA, changed(word=["a", "b", "<new>", "c"])).notes == (
        "column word: 1 row has a level that training never saw (<new>): treated as the reference a",
    )


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"x": None, "xx": [1, 2, 3, 4]}, "no column x, .*: its columns are xx, s, y"),
        ({"word": None}, "no column word, "),
        ({"x": ["1", "2", "three", "4"]}, "column x held numbers.* three in row 3"),
        ({"x": [1.0, 2.0, 3.0, -float("inf")]}, "column x .*infinite.* row 4:"),
        ({"x": pa.array([datetime.date(2020, 1, 1)] * 4)}, "column x held numbers.* dates here"),
        ({"word": pa.array([datetime.date(2020, 1, 1)] * 4)}, "column word has numbers.* the levels a, b, c"),
        ({"word": [1, 2, 3, 4]}, "column word has numbers.* the levels a, b, c"),
        ({"flag": [0, 1, 1, 0]}, "column flag has numbers.* the levels false, true"),
        ({"x": [True, False, True, True]}, "column x held numbers.* true in row 1"),
    ],
)
def test_columns_that_changed_their_nature(columns, words):
    with refused(words):
        encode_table(SCHEMA, changed(**columns))


def test_whole_and_broken_numbers_are_the_same_column():
    ints = changed(x=pa.array([1, 2, 3, 6], pa.int32()))
    np.testing.assert_array_equal(encode_table(SCHEMA, ints).X, encode_table(SCHEMA, TRAIN).X)
    floats = changed(x=pa.array([1, 2, 3, 6], pa.float32()))
    np.testing.assert_array_equal(encode_table(SCHEMA, floats).X, encode_table(SCHEMA, TRAIN).X)


def test_booleans_are_known_in_a_column_that_one_cell_made_text():
    design = encode_table(SCHEMA, changed(flag=["True", "FALSE", "maybe", "true"]))
    np.testing.assert_array_equal(design.X[:, 7], [1, 0, 0, 1])
    (note,) = design.notes
    assert re.match(r"column flag: 1 row .*\(maybe\).* reference false$", note)


def test_leading_zeros_survive_from_training_to_prediction(tmp_path):
    (tmp_path / "train.csv").write_text("zip,y\n012a,0\n0345,1\n0345,0\n012a,1\n")
    (tmp_path / "new.csv").write_text("zip\n0345\n")
    schema = learn_schema(read_table(tmp_path / "train.csv"), "y")
    design = encode_table(schema, read_table(tmp_path / "new.csv", text=schema.text_columns))
    np.testing.assert_array_equal(design.X, [[1.0]])
    assert design.notes == ()


def test_csv_and_parquet_give_the_same_design(tmp_path):
    pyarrow.csv.write_csv(TRAIN, tmp_path / "t.csv")
    pq.write_table(TRAIN, tmp_path / "t.parquet")
    one, other = read_table(tmp_path / "t.csv"), read_table(tmp_path / "t.parquet")
    assert learn_schema(one, "y", weights="s") == learn_schema(other, "y", weights="s") == SCHEMA
    np.testing.assert_array_equal(encode_table(SCHEMA, one).X, encode_table(SCHEMA, other).X)


# ---- target and weights


def test_target_may_be_absent_or_unknown():
    assert np.isnan(encode_table(SCHEMA, changed(y=None)).y).all()
    np.testing.assert_array_equal(encode_table(SCHEMA, changed(y=["yes", None, "no", None])).y, [1, np.nan, 0, np.nan])
    assert np.isnan(encode_table(SCHEMA, changed(y=pa.nulls(4))).y).all()
    design = encode_table(SCHEMA, changed(y=["yes", "?", "no", "??"]))
    np.testing.assert_array_equal(design.y, [1, np.nan, 0, np.nan])
    assert design.notes == ("column y: 2 rows with a label that is neither no nor yes: taken as unknown",)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"y": None}, "no target column y"),
        ({"y": ["yes", "no", "Yes", "no"]}, "column y has the label Yes in row 3, and the model knows no and yes"),
        ({"y": [1, 0, 1, 0]}, "column y has the label 1 in row 1"),
        ({"y": pa.array([datetime.date(2020, 1, 1)] * 4)}, "column y has the label 2020-01-01 in row 1"),
        ({"s": [1.0, 2.0, None, 1.0]}, "column s has no weight in row 3"),
        ({"s": [1e300, 1.0, 1e-300, 1e300]}, "column s has 1e-300 in row 3"),
        ({"s": [1.0, -2.0, 1.0, 1.0]}, "column s has a negative weight in row 2"),
    ],
)
def test_a_needed_target_must_be_as_known(columns, words):
    with refused(words):
        encode_table(SCHEMA, changed(**columns), need_target=True)


def test_classes_follow_the_schemas_positive_label():
    schema = learn_schema(TRAIN, "y", positive="no", drop=["s"])
    np.testing.assert_array_equal(encode_table(schema, TRAIN).y, [1, 0, 1, 0])
    np.testing.assert_array_equal(encode_table(schema, TRAIN).y, target_labels(TRAIN["y"], "y", "no")[2])
    # 0 and 1 read as 0.0 and 1.0 where some are missing in a data frame
    schema = learn_schema(changed(y=[0, 1, 0, 1]), "y", drop=["s"])
    design = encode_table(schema, changed(y=[1.0, float("nan"), 0.0, 1.0]), need_target=True)
    np.testing.assert_array_equal(design.y, [1, np.nan, 0, 1])


def test_weights_absent_at_evaluation_are_said():
    design = encode_table(SCHEMA, changed(s=None), need_target=True)
    assert design.weights is None
    assert design.notes == ("no column s with weights here: every row counts once",)
    assert encode_table(SCHEMA, changed(s=None)).notes == ()
    assert encode_table(SCHEMA, changed(s=["a", "b", "c", "d"])).weights is None


def test_categories_stay_codes_and_numbers_stay_where_they_lie():
    rng = np.random.default_rng(0)
    m = 3000
    codes = pa.array(rng.integers(0, 4, m).astype(np.int8))
    level = pa.DictionaryArray.from_arrays(codes, ["aa", "bb", "cc", "dd"], ordered=True)
    table = pa.table({"x": rng.standard_normal(m), "k": rng.integers(0, 9, m), "c": level, "y": rng.integers(0, 2, m)})
    design = encode_table(learn_schema(table, "y"), table).blocks
    for column, name in zip(design.columns, ("x", "k", "c"), strict=True):
        given = table[name].chunk(0)
        theirs = given.indices if name == "c" else given
        assert np.shares_memory(column.parts[0].values, theirs.to_numpy())
    words = pa.array(rng.choice(["aa", "bb"], m))
    text = encode_table(learn_schema(table.set_column(2, "c", words), "y"), table.set_column(2, "c", words)).blocks
    assert text.columns[2].parts[0].values.dtype == np.int8


# ---- labels as trained, whatever the file


def written(folder, name, column, text=False):
    """Write x and a target as CSV and as Parquet; give both tables' paths."""
    lines = "".join(f"{k},{'' if cell is None else cell}\n" for k, cell in enumerate(column))
    (folder / f"{name}.csv").write_text("x,y\n" + lines)
    pq.write_table(pa.table({"x": list(range(len(column))), "y": column}), folder / f"{name}.parquet")
    return folder / f"{name}.csv", folder / f"{name}.parquet"


@pytest.mark.parametrize(
    ("trained", "asked", "y"),
    [
        (["01", "1", "01", "1"], ["1", "01", "01", None], [1, 0, 0, np.nan]),
        (["01", "M", "01", "M"], ["01", "01", "01", "01"], [0, 0, 0, 0]),
        (["True", "False", "True", "False"], ["True", "True", "False", None], [1, 1, 0, np.nan]),
        (["1.0", "1", "1.0", "1"], ["1", "1.0", "1", "1.0"], [0, 1, 0, 1]),
    ],
)
def test_text_labels_stay_text_in_every_file(tmp_path, trained, asked, y):
    schema = learn_schema(pa.table({"x": [1, 2, 3, 4], "y": trained}), "y")
    schema = Schema.from_dict(schema.to_dict())
    assert "y" in schema.text_columns
    for path in written(tmp_path, "t", asked):
        found = encode_table(schema, read_table(path, text=schema.text_columns), need_target=True).y
        np.testing.assert_array_equal(found, y)


def test_number_labels_stay_numbers_in_every_file(tmp_path):
    schema = learn_schema(pa.table({"x": [1, 2, 3, 4], "y": [0, 1, 0, 1]}), "y")
    assert "y" not in schema.text_columns
    for cells in (["0.0", "1.0", "01", " 1"], ["0", "1", "1", "1e0"]):
        for path in written(tmp_path, "t", cells):
            found = encode_table(schema, read_table(path, text=schema.text_columns), need_target=True).y
            np.testing.assert_array_equal(found, [0, 1, 1, 1])


def test_boolean_labels_stay_booleans_in_every_file(tmp_path):
    schema = learn_schema(pa.table({"x": [1, 2, 3, 4], "y": [True, False, True, False]}), "y")
    for path in written(tmp_path, "t", ["TRUE", "true", "False", None]):
        found = encode_table(schema, read_table(path, text=schema.text_columns), need_target=True).y
        np.testing.assert_array_equal(found, [1, 1, 0, np.nan])


@pytest.mark.parametrize("name", ["when", "the date", "it's", "a,b", "-t"])
def test_advice_can_be_followed(name):
    days = pa.array([1, 2, 3, 4], pa.duration("s"))
    table = pa.table({"x": [1, 2, 3, 4], "y": ["a", "b", "a", "b"], name: days})
    with refused("leave it out with --drop") as caught:
        learn_schema(table, "y")
    words = shlex.split(caught[0].split("leave it out with ")[1])
    assert words[0] == f"--drop={name}" if name.startswith("-") else words[:2] == ["--drop", name]


@pytest.mark.parametrize("cells", [pa.array([1, 2, 3, 4], pa.date32()), pa.array([b"a", b"b", b"a", b"b"])])
def test_a_target_that_is_no_label_is_not_to_be_dropped(cells):
    with refused(r"column t holds .*: name a target with two labels") as caught:
        learn_schema(pa.table({"x": [1, 2, 3, 4], "t": cells}), "t")
    assert "--drop" not in caught[0]
