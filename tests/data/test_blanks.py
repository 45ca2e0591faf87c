"""Blanks around the cells and names of a text file."""

import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from chainrule.data.files import Source, read_batches, read_cells, read_table
from chainrule.data.tables import prepare

ROWS = [
    "age, sex ,city , code, y ",
    "20, F, Bonn , 007 , yes",
    "21,M ,   ,8,no",
    "  , F,Aachen, NA ,yes ",
    "23,M,Bonn,9, no",
]
CELLS = {
    "age": [20, 21, None, 23], "sex": ["F", "M", "F", "M"], "city": ["Bonn", None, "Aachen", "Bonn"],
    "code": ["007", "8", None, "9"], "y": ["yes", "no", "yes", "no"],
}  # fmt: skip


@pytest.fixture
def said():
    return []


@pytest.fixture
def source(tmp_path, said):
    (tmp_path / "t.csv").write_text("\n".join(ROWS) + "\n")
    return Source([str(tmp_path / "t.csv")], say=said.append)


def test_blanks_are_no_part_of_names_and_cells(source, said):
    table = read_table(source)
    assert table.to_pydict() == CELLS
    assert table["age"].type == pa.int64()
    (line,) = said
    assert line.endswith("t.csv: without the blanks around names and cells (age, sex, city and 2 more)")


def test_cells_that_are_kept_are_as_written(source):
    (cells,) = read_cells(source, ["sex", "y"])
    assert cells.to_pydict() == {"sex": [" F", "M ", " F", "M"], "y": [" yes", "no", "yes ", " no"]}


def test_batches_are_read_alike(source):
    schema = prepare(read_table(source), "y").schema
    (batch,) = read_batches(source, schema)
    assert {name: batch[name].to_pylist() for name in ("sex", "city", "y")} == {
        n: CELLS[n] for n in ("sex", "city", "y")
    }


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["1", "  ", "2.5"], [1.0, None, 2.5]),
        ([" 1", "2 ", "3"], [1, 2, 3]),
        (["1", "NA ", "x"], ["1", None, "x"]),
        (["a", "a ", " a"], ["a", "a", "a"]),
        (["\u00a0a", "a\t", "b c "], ["a", "a", "b c"]),
        (["1", " ", "02"], ["1", None, "02"]),
    ],
)
def test_what_a_column_is_without_its_blanks(tmp_path, cells, values):
    (tmp_path / "t.csv").write_text("\n".join(["x,y", *(f"{cell},1" for cell in cells)]) + "\n")
    assert read_table(tmp_path / "t.csv")["x"].to_pylist() == values
    text = read_table(tmp_path / "t.csv", text=["x"])["x"].to_pylist()
    assert text == [cell.strip() if cell.strip() not in ("", "NA") else None for cell in cells]


@pytest.mark.parametrize("start", ["\n", "\ufeff", "sep=,\n"])
def test_what_stands_before_the_header_changes_nothing(tmp_path, start):
    (tmp_path / "t.csv").write_text(start + "\n".join(ROWS[:2]) + "\n", encoding="utf-8")
    table = read_table(tmp_path / "t.csv")
    assert table.num_rows == 1
    assert [name.strip() for name in table.column_names] == list(CELLS)


def test_the_number_of_a_bad_row_counts_from_the_header(tmp_path):
    (tmp_path / "t.csv").write_text("a, b\n1,2\n1,2,3\n")
    with pytest.raises(ValueError, match="row 2 has 3 cells and the header 2"):
        read_table(tmp_path / "t.csv")


@pytest.mark.parametrize("is_coded", [False, True])
@pytest.mark.parametrize("write", [pq.write_table, feather.write_feather])
def test_padded_text_of_a_database_is_read_alike(tmp_path, write, is_coded):
    cells = pa.chunked_array([["yes  ", "no   ", "     ", None], ["yes", "no", "NA ", " no"]], pa.string())
    table = pa.table({"c": cells.dictionary_encode() if is_coded else cells, "y": [0, 1] * 4})
    write(table, tmp_path / "t")
    assert read_table(tmp_path / "t")["c"].to_pylist() == ["yes", "no", None, None, "yes", "no", None, "no"]


def test_levels_of_an_ordered_dictionary_stay_as_they_are(tmp_path):
    levels = pa.DictionaryArray.from_arrays([1, 0, 1], ["low ", "high"], ordered=True)
    pq.write_table(pa.table({"c": levels}), tmp_path / "t.parquet")
    column = read_table(tmp_path / "t.parquet")["c"]
    assert column.type.ordered
    assert column.to_pylist() == ["high", "low ", "high"]
