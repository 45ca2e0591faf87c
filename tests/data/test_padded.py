"""Codes with leading zeros in CSV files."""

import numpy as np
import pyarrow as pa
import pytest

from chainrule.data.files import read_table
from chainrule.data.padded import as_numbers, numbers_of


def table_of(tmp_path, lines, **how):
    path = tmp_path / "t.csv"
    path.write_text("\n".join(lines) + "\n")
    return read_table(path, **how)


def column_of(tmp_path, cells, **how):
    return table_of(tmp_path, ["x,y", *(f"{cell},1" for cell in cells)], **how)["x"]


def is_text(column):
    return pa.types.is_dictionary(column.type) or pa.types.is_string(column.type)


@pytest.mark.parametrize(
    "cells", [["00042", "12345"], ["0", "00"], ["01", "", "7"], [" 007", "1"], ['"01"', "2"], ["0" * 30 + "1"]]
)
def test_codes_are_text_as_written(tmp_path, cells):
    column = column_of(tmp_path, cells)
    assert is_text(column)
    assert column.to_pylist() == [cell.strip('" ') or None for cell in cells]


@pytest.mark.parametrize(
    "cells", [["0", "10", "-1"], ["0.5", "00.5"], ["0x10", "1"], ["-01", "2"], ["1e05", "2"], ["+0.1", " 3"]]
)
def test_numbers_stay_numbers(tmp_path, cells):
    column = column_of(tmp_path, cells)
    assert not is_text(column)
    np.testing.assert_array_equal(column.to_numpy(), [int(c, 16) if "x" in c else float(c) for c in cells])


def test_a_code_far_below_the_first_block_is_found(tmp_path):
    many = 400_000  # more than one block
    column = column_of(tmp_path, [*range(10, 10 + many), "00042"])
    assert is_text(column)
    assert (column[0].as_py(), column[many].as_py()) == ("10", "00042")


def test_a_column_with_decimal_points_holds_numbers_to_its_end(tmp_path):
    column = column_of(tmp_path, [*(f"{k}.5" for k in range(300_000)), "00042"])
    assert column[300_000].as_py() == 42.0


def test_a_code_is_found_where_the_first_block_had_other_types(tmp_path):
    many = 300_000
    lines = ["x,late,y", *(f"{k},{k},1" for k in range(10, 10 + many)), "1.5,00042,1"]
    table = table_of(tmp_path, lines)
    assert table["x"].type == pa.float64()
    assert table["late"][many].as_py() == "00042"


def test_the_same_numbers_as_the_parser_gives(tmp_path):
    rng = np.random.default_rng(0)
    whole, broken = rng.integers(-(10**12), 10**12, 2000), rng.normal(size=2000) * 10.0 ** rng.integers(-300, 300, 2000)
    table = table_of(tmp_path, ["x,y", *(f"{k},{v!r}" for k, v in zip(whole.tolist(), broken.tolist(), strict=True))])
    assert table.schema.types == [pa.int64(), pa.float64()]
    np.testing.assert_array_equal(table["x"].to_numpy(), whole)
    np.testing.assert_array_equal(table["y"].to_numpy(), broken)


def test_a_table_of_many_columns_is_made_once():
    """A copy of the table for each column took 26 of 29 seconds for 1,500 columns."""

    class Table:
        def __init__(self, made):
            self.made = made

        def __getattr__(self, name):
            assert name not in ("set_column", "append_column")
            return getattr(self.made, name)

    text = pa.table({f"x{j}": [str(j), "2"] for j in range(20)} | {"c": ["a", "b"]})
    made = as_numbers(Table(text), {f"x{j}": pa.int64() for j in range(20)})
    assert made.to_pydict() == {f"x{j}": [j, 2] for j in range(20)} | {"c": ["a", "b"]}


def test_names_of_many_columns_are_listed_once():
    """A list of all names for each column took 2 of 8 seconds for 4,000 columns."""

    class Schema(list):
        listed = 0

        @property
        def names(self):
            self.listed += 1
            return [of.name for of in self]

    schema = Schema(
        [*(pa.field(f"x{j}", pa.int64()) for j in range(9)), pa.field("x0", pa.int64()), pa.field("c", pa.string())]
    )
    assert list(numbers_of(schema)) == [f"x{j}" for j in range(1, 9)]
    assert schema.listed == 1
