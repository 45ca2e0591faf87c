"""What is learnt of a table: labels, levels, means, names; and one sentence for each column that can't be used."""

import datetime
import json
import re
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule import InputError
from chainrule.data.files import read_table
from chainrule.data.labels import target_labels
from chainrule.data.schema import Column, Schema
from chainrule.data.tables import encode_table, prepare
from cli_tools import refused
from drawn_tools import CELLS, classes, few

pytestmark = pytest.mark.usefixtures("any_mark")

Y4 = ["no", "yes", "no", "yes"]


def learn_schema(table, target, rows=None, **options):
    """Learn from the rows with a label, or from those given."""
    if rows is not None:
        label = np.isin(np.arange(table.num_rows), rows)
        known = pc.if_else(pa.array(label), table[target], pa.scalar(None, table[target].type))
        table = table.set_column(table.column_names.index(target), target, known)
    return prepare(table, target, **options).schema


def table_of(**columns):
    return pa.table(columns)


# ---- labels


@pytest.mark.parametrize(
    ("cells", "negative", "positive"),
    [
        (["m", "f", "m", "f"], "f", "m"),
        ([1, 0, 1, 0], "0", "1"),
        ([2, 1, 2, 1], "1", "2"),
        ([10, 9, 10, 9], "9", "10"),
        (["9", "10", "9", "10"], "10", "9"),
        ([1, -1, 1, -1], "-1", "1"),
        ([1.0, 0.0, 1.0, 0.0], "0", "1"),
        ([0.5, 0.25, 0.5, 0.25], "0.25", "0.5"),
        ([True, False, True, False], "false", "true"),
        (pa.array([2, 1, 2, 1], pa.uint8()), "1", "2"),
        (pa.array(["b", "a", "b", "a"]).dictionary_encode(), "a", "b"),
        (pa.array([Decimal("1.0"), Decimal("0.0"), Decimal("1.0"), Decimal("0.0")]), "0", "1"),
    ],
)
def test_labels_are_sorted_and_the_second_is_positive(cells, negative, positive):
    table = table_of(y=cells)
    assert target_labels(table["y"], "y")[:2] == (negative, positive)
    np.testing.assert_array_equal(target_labels(table["y"], "y")[2], [1.0, 0.0, 1.0, 0.0])
    swapped = target_labels(table["y"], "y", negative)
    assert swapped[:2] == (positive, negative)
    np.testing.assert_array_equal(swapped[2], [0.0, 1.0, 0.0, 1.0])


def test_positive_is_the_same_label_however_a_number_or_boolean_is_written():
    assert target_labels(table_of(y=[1, 0, 1])["y"], "y", "0.0")[1] == "0"
    assert target_labels(table_of(y=[True, False, True])["y"], "y", "False")[1] == "false"


def test_missing_labels_are_nan():
    y = target_labels(table_of(y=["a", None, "b", "a"])["y"], "y")[2]
    np.testing.assert_array_equal(y, [0.0, np.nan, 1.0, 0.0])
    y = target_labels(table_of(y=[1.0, float("nan"), None, 0.0])["y"], "y")[2]
    np.testing.assert_array_equal(y, [1.0, np.nan, np.nan, 0.0])


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (["a", "a", "a"], r"column y has 1 label \(a\), and two are needed"),
        (["a", "b", "c"], r"column y has 3 labels \(a, b, c\)"),
        ([0.5, 1.5, 2.5], r"column y has 3 labels \(0.5, 1.5, 2.5\)"),
        (["a", None, None], "only 1 row with a label in column y"),
        ([None, None, None], "only 0 rows with a label in column y"),
        (pa.array([datetime.date(2020, 1, 1)] * 3), "column y holds values of the type date32.*, which are no labels"),
    ],
)
def test_labels_that_can_not_be_used(cells, words):
    with refused(words):
        target_labels(table_of(y=cells)["y"], "y")


def test_many_labels_are_counted_not_all_listed():
    with refused(r"has 1,500 labels \(0, 1, 2, 3, 4, 5, 6, 7 and 1,492 more\)"):
        target_labels(table_of(y=list(range(1500)))["y"], "y")


def test_positive_not_among_the_labels_names_both():
    with refused("label maybe is none of column y: its labels are no and yes"):
        target_labels(table_of(y=Y4)["y"], "y", "maybe")


def test_target_not_there_lists_near_names():
    table = table_of(sex=Y4, Island=Y4, bill=[1, 2, 3, 4])
    with refused(re.escape("no target column sexx: did you mean sex?")):
        learn_schema(table, "sexx")
    with refused(re.escape("did you mean Island?")):
        learn_schema(table, "island")
    with refused(re.escape("its columns are sex, Island, bill")):
        learn_schema(table, "zzzzzz")


# ---- columns


def test_numbers_categories_and_booleans():
    table = table_of(
        x=[1.0, 2.0, 4.0, 5.0], k=[1, 2, 3, 6], word=["b", "a", "c", "a"], flag=[True, False, True, True], y=Y4
    )
    schema = learn_schema(table, "y")
    assert schema.feature_names == ("x", "k", "word=b", "word=c", "flag=true")
    np.testing.assert_array_equal(schema.numeric, [True, True, False, False, False])
    assert schema.columns[0] == Column("x", "number", mean=3.0)
    assert schema.columns[1] == Column("k", "number", mean=3.0)
    assert schema.columns[2] == Column("word", "category", levels=("a", "b", "c"))
    assert schema.columns[3] == Column("flag", "category", levels=("false", "true"))
    assert schema.text_columns == ("word", "y")
    assert schema.notes == ()


def test_missing_in_training_makes_marks():
    table = table_of(
        x=[1.0, None, 4.0, float("nan")],
        word=["b", None, "a", "b"],
        flag=[True, False, None, True],
        y=["no", "no", "yes", "yes"],
    )
    schema = learn_schema(table, "y")
    assert schema.feature_names == ("x", "x missing", "word=b", "word=(missing)", "flag=true", "flag=(missing)")
    np.testing.assert_array_equal(schema.numeric, [True, False, False, False, False, False])
    assert schema.columns[0].mean == 2.5
    assert schema.notes == ()


def test_only_training_rows_are_learnt_from():
    table = table_of(x=[1.0, 3.0, 50.0, None, 90.0], word=["a", "b", "c", None, "d"], y=["no", "yes", "no", "no", None])
    schema = learn_schema(table, "y", rows=[0, 1])
    assert schema.columns == (Column("x", "number", mean=2.0), Column("word", "category", levels=("a", "b")))
    # without `rows`: all rows with a label
    schema = learn_schema(table, "y")
    assert schema.columns[0].mean == 18.0
    assert schema.columns[1].levels == ("a", "b", "c")


def test_dictionary_of_numbers_is_a_category_sorted_by_size():
    table = table_of(k=pa.array([10, 9, 2, 9]).dictionary_encode(), y=Y4)
    assert learn_schema(table, "y").feature_names == ("k=9", "k=10")


def test_constant_columns_are_named_and_left_out():
    table = table_of(
        one=[1, 1, 1, 1], word=["a", "a", "a", "a"], x=[1, 2, 3, 4], part=[7.0, None, 7.0, None], y=["a", "b", "a", "b"]
    )
    schema = learn_schema(table, "y")
    assert "constant columns left out: one, word" in schema.notes
    assert schema.feature_names == ("x", "part missing")
    np.testing.assert_array_equal(schema.numeric, [True, False])
    # constant on the training rows alone is constant
    table = table_of(x=[1, 1, 9, 9], z=[1, 2, 3, 4], y=["a", "b", "a", "b"])
    schema = learn_schema(table, "y", rows=[0, 1])
    assert schema.feature_names == ("z",)
    assert schema.notes == ("constant column left out: x",)


def test_one_level_and_missing_is_a_mark():
    schema = learn_schema(table_of(word=["a", None, "a", None], y=Y4), "y")
    assert schema.feature_names == ("word=(missing)",)


def test_features_drop_and_order():
    table = table_of(a=[1, 2, 3, 4], b=[1, 2, 3, 5], c=[1, 2, 3, 6], y=Y4)
    assert learn_schema(table, "y", features=["c", "a", "c"]).feature_names == ("c", "a")
    assert learn_schema(table, "y", drop=["b"]).feature_names == ("a", "c")
    assert learn_schema(table, "y", features=["c", "a"], drop=["c"]).feature_names == ("a",)


def test_a_data_frames_index_is_left_out_and_said():
    names = ["", "a", "__index_level_0__", "y"]
    table = pa.Table.from_arrays(
        [pa.array([1, 2, 3, 4]), pa.array([4, 2, 3, 4]), pa.array([1, 2, 3, 4]), pa.array(Y4)], names
    )
    schema = learn_schema(table, "y")
    assert schema.feature_names == ("a",)
    assert schema.notes == (
        "column 1 of the table has no name and is left out",
        "the index of a data frame is left out: __index_level_0__",
    )
    assert learn_schema(table, "y", features=["a", "__index_level_0__"]).feature_names == ("a", "__index_level_0__")


def test_weights_are_no_feature_and_weigh_the_mean():
    table = table_of(x=[1.0, 3.0, 5.0, None], word=["a", "b", "c", "a"], s=[1.0, 2.0, 0.0, 1.0], y=["n", "y", "y", "n"])
    schema = learn_schema(table, "y", weights="s")
    # a row of weight 0 is as good as not there
    assert schema.feature_names == ("x", "x missing", "word=b")
    assert schema.columns[0].mean == pytest.approx(7.0 / 3.0, rel=1e-15)


@few
@given(st.lists(st.tuples(CELLS["number"], CELLS["text"], st.integers(0, 3)), min_size=2, max_size=20), st.data())
def test_weight_two_is_the_row_twice(rows, data):
    rows = [(1.0, "a", 1), (2.0, "b", 1), *rows]
    x, word, s = (list(cells) for cells in zip(*rows, strict=True))
    y = data.draw(classes(len(rows)))
    weighted = learn_schema(table_of(x=x, word=word, s=s, y=y), "y", weights="s")
    k = np.repeat(np.arange(len(rows)), s)
    repeated = learn_schema(table_of(x=x, word=word, y=y).take(k), "y")
    assert weighted.feature_names == repeated.feature_names
    for one, other in zip(weighted.columns, repeated.columns, strict=True):
        assert (one.levels, one.missing) == (other.levels, other.missing)
        if one.mean is not None:
            assert one.mean == pytest.approx(other.mean, rel=1e-12, abs=1e-12 * max(abs(v or 0.0) for v in x))


@pytest.mark.parametrize("size", [1e308, 1e-320, 1e-5])
def test_means_neither_overflow_nor_underflow(size):
    x = np.array([0.5, 1.0, 1.5]) * size
    schema = learn_schema(table_of(x=x, s=[1e-300, 2e-300, 1e-300], y=["n", "y", "n"]), "y", weights="s")
    assert schema.columns[0].mean == pytest.approx(size, rel=1e-3 if size < 1e-310 else 1e-15)


# ---- names


def test_names_of_the_design_stay_unique():
    table = pa.table(
        {
            "a": ["b=c", "x", "0", "0"],
            "a=b": ["c", "0", "0", "0"],
            "x": [1.0, None, 2.0, 3.0],
            "x missing": [1, 2, 3, 4],
            "sex": ["(missing)", "!", None, "!"],
            "y": Y4,
        }
    )
    schema = learn_schema(table, "y")
    assert schema.feature_names == (
        "a=b=c", "a=x", "a=b=c (2)", "x", "x missing", "x missing (2)", "sex=(missing)", "sex=(missing) (2)",
    )  # fmt: skip
    assert schema.notes[-1] == (
        "coefficients renamed because the name was taken: a=b=c (2), x missing (2), sex=(missing) (2)"
    )
    design = encode_table(schema, table)
    np.testing.assert_array_equal(design.X[:, 6], [1, 0, 0, 0])
    np.testing.assert_array_equal(design.X[:, 7], [0, 0, 1, 0])


def test_any_text_is_a_name():
    odd = ["<script>alert(1)</script>", "Größe (cm)", "a\tb\nc", " blank ", "=", "名前", "'quoted\"", "\x1b[31mred"]
    table = pa.table({**{name: [float(k), 1.0, 2.0, 4.0] for k, name in enumerate(odd)}, "y": Y4})
    schema = learn_schema(table, "y")
    assert schema.feature_names == tuple(odd)
    assert Schema.from_dict(json.loads(json.dumps(schema.to_dict()))) == schema


def test_messages_show_no_control_characters():
    table = pa.table({"\x1b[31m\nred": [float("inf"), 1.0, 2.0, 4.0], "y": Y4})
    with pytest.raises(InputError) as caught:
        learn_schema(table, "y")
    assert str(caught.value).isprintable()
    assert r"\x1b[31m\nred" in str(caught.value)


# ---- what can't be used


def numbers_but(cell, at, m=20, as_missing=0):
    cells = [str(k) for k in range(m)]
    cells[at] = cell
    for k in range(as_missing):
        cells[m - 1 - k] = None
    return cells


BAD = [
    ({"x": [1.0, 2.0, float("inf"), 4.0]}, "column x has an infinite number in row 3"),
    ({"x": [1.0, -float("inf"), float("inf"), 4.0]}, "column x has an infinite number in row 2"),
    ({"x": pa.nulls(4)}, "column x has no value.* with --drop x"),
    ({"x": [float("nan")] * 4}, "column x has no value"),
    ({"x": pa.array([None] * 4, pa.string())}, "column x has no value"),
    (
        {"when": pa.array([datetime.timedelta(1)] * 4)},
        "column when is duration.*such as days, or leave it out with --drop when",
    ),
    ({"many": [[1], [2], [3], [4]]}, "column many is list.*several columns"),
    ({"raw": [b"a", b"b", b"c", b"d"]}, "column raw is binary, neither"),
]


@pytest.mark.parametrize(("columns", "words"), BAD)
def test_columns_that_can_not_be_used(columns, words):
    table = pa.table({**columns, "z": [1, 2, 3, 4], "y": Y4})
    with refused(words):
        learn_schema(table, "y")
    # left out, it does no harm
    assert learn_schema(table, "y", drop=list(columns)).feature_names == ("z",)


def test_infinite_numbers_are_named_by_their_row_in_the_table():
    table = table_of(x=[float("inf"), 1.0, 2.0, float("inf"), 4.0], y=[None, "a", "b", "a", "b"])
    with refused("column x .*infinite.* row 1:"):
        learn_schema(table, "y")


def test_text_among_numbers_names_the_first_row_and_cell():
    y = ["a", "b"] * 10
    with refused(r"column x holds numbers but for 1 cell, the first in row 8: 12,5: .*--na 12,5"):
        learn_schema(table_of(x=numbers_but("12,5", 7), y=y), "y")
    two = numbers_but("unknown", 3)
    two[11] = "?"
    with refused("but for 2 cells, the first in row 4: unknown"):
        learn_schema(table_of(x=two, y=y), "y")


def test_ninety_per_cent_of_the_known_cells_is_the_border():
    def text(n_numbers, n_words, n_missing):
        cells = [str(k) for k in range(n_numbers)] + [f"w{k}" for k in range(n_words)] + [None] * n_missing
        return table_of(x=cells, y=(["a", "b"] * len(cells))[: len(cells)])

    with refused("column x .* 2 cells, .* row 19"):
        learn_schema(text(18, 2, 0), "y")
    with refused("holds numbers"):
        learn_schema(text(9, 1, 30), "y")
    assert len(learn_schema(text(17, 2, 0), "y").feature_names) == 18
    # text of numbers alone is meant: a CSV file would have made it numbers
    assert len(learn_schema(text(20, 0, 0), "y").feature_names) == 19


def test_a_wrong_cell_in_a_csv_file(tmp_path):
    path = tmp_path / "t.csv"
    lines = [f"{k},{'ab'[k % 2]}" for k in range(30)]
    lines[16] = "n.a.,a"
    path.write_text("x,y\n" + "\n".join(lines) + "\n")
    with refused(r"column x .* row 17: n.a.: .*--na n.a."):
        learn_schema(read_table(path), "y")
    schema = learn_schema(read_table(path, na=["n.a."]), "y")
    assert schema.feature_names == ("x", "x missing")


def test_levels_in_any_number_are_read():
    m = 70_000
    table = table_of(word=[f"w{k:05d}" for k in range(m)], y=["a", "b"] * (m // 2))
    encoded = prepare(table, "y", columns={"word": "categorical"}).encoded
    schema = encoded.schema
    assert len(schema.feature_names) == m - 1
    assert encoded.blocks.columns[0].parts[0].values.dtype == np.int32


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"features": ["a", "bb"]}, "no column bb"),
        ({"drop": ["Cc"]}, "no column Cc"),
        ({"features": ["a", "y"]}, "column y is the target and can't be a feature"),
        ({"drop": ["y"]}, "column y is the target"),
        ({"weights": "w"}, "no weights column w"),
        ({"weights": "y"}, "column y holds the weights and can't be the target"),
        ({"weights": "a", "features": ["a", "b"]}, "column a holds the weights and can't be a feature"),
        ({"drop": ["a", "b", "c"]}, "no column is left"),
        ({"features": []}, "no column is left"),
        ({"positive": "maybe"}, "its labels are no and yes"),
    ],
)
def test_options_that_can_not_be(options, words):
    table = table_of(a=[1, 2, 3, 4], b=[1, 2, 3, 5], c=[1, 2, 3, 6], y=Y4)
    with refused(words):
        learn_schema(table, "y", **options)


def test_all_constant():
    with refused(r"no column is left.*constant"):
        learn_schema(table_of(a=[1, 1, 1, 1], y=Y4), "y")


def test_two_columns_of_one_name():
    table = pa.Table.from_arrays([pa.array([1, 2, 3, 4])] * 2 + [pa.array(Y4)], ["a", "a", "y"])
    with refused("two columns called a"):
        learn_schema(table, "y")


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ([1.0, None, 1.0, 1.0], "column s has no weight in row 2"),
        ([1.0, 1.0, float("nan"), 1.0], "column s has no weight in row 3"),
        ([1.0, -1.0, 1.0, 1.0], "column s has a negative weight in row 2"),
        ([1.0, 1.0, 1.0, float("inf")], "column s has an infinite weight in row 4"),
        (["1", "2", "3", "x"], "column s holds string in place of numbers"),
        (pa.nulls(4), "column s holds no numbers"),
    ],
)
def test_weights_that_can_not_be_used(weights, words):
    with refused(words):
        learn_schema(table_of(x=[1, 2, 3, 4], s=weights, y=Y4), "y", weights="s")


def test_a_row_to_be_predicted_needs_no_weight():
    table = table_of(x=[1, 2, 3, 4], s=[1.0, 2.0, None, -1.0], y=["a", "b", None, None])
    schema = learn_schema(table, "y", weights="s")
    np.testing.assert_array_equal(encode_table(schema, table, need_target=True).weights, [1.0, 2.0, 0.0, 0.0])


# ---- JSON


@st.composite
def texts_and_numbers(draw):
    """A table whose columns and levels have names of any letters and signs, with empty cells and rows of no label."""
    m, names, columns = draw(st.integers(2, 10)), st.text("aα =<\N{COMBINING ACUTE ACCENT}", max_size=3), {}
    for name in draw(st.lists(names, min_size=1, max_size=5, unique=True)):
        kind, first = draw(st.sampled_from([(st.floats(-1e8, 1e8), [0.25, -1.0]), (names, ["a", "b="])]))
        columns[f"_{name}"] = first + draw(st.lists(st.none() | kind, min_size=m, max_size=m))
    y = ["n", "y", *draw(st.lists(st.sampled_from(["n", "y", None]), min_size=m, max_size=m))]
    return pa.table(columns | {"y": y})


@few
@given(texts_and_numbers())
def test_json_round_trip_gives_an_equal_schema_and_design(table):
    schema = learn_schema(table, "y")
    again = Schema.from_dict(json.loads(json.dumps(schema.to_dict())))
    assert again == schema
    assert json.dumps(again.to_dict()) == json.dumps(schema.to_dict())
    assert len(set(schema.feature_names)) == len(schema.feature_names)
    one, other = encode_table(schema, table), encode_table(again, table)
    np.testing.assert_array_equal(one.X, other.X)
    assert one.notes == other.notes


@pytest.mark.parametrize(
    "spoil",
    [
        lambda d: d.pop("target"),
        lambda d: d.update(extra=1),
        lambda d: d["columns"][0].pop("name"),
        lambda d: d["columns"][0].update(kind="date"),
        lambda d: d["columns"][0].update(mean=None),
        lambda d: d.update(columns=3),
    ],
)
def test_json_that_is_no_schema(spoil):
    plain = learn_schema(table_of(x=[1, 2, 3, 4], y=Y4), "y").to_dict()
    spoil(plain)
    with refused("no schema"):
        Schema.from_dict(plain)
