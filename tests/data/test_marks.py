"""Numbers with decimal commas and marks between thousands; what can't be told apart is said."""

import pytest

from chainrule import InputError
from chainrule.data.marks import FORMS, Form
from chainrule.data.tables import prepare
from file_tools import of_text


def column(folder, cells, sep=";", **asked):
    """Read one column of cells beside a number; return its values and what was said after the separator."""
    table, said = of_text(
        folder, "x" + sep + "k\n" + "".join(f"{cell}{sep}{k}\n" for k, cell in enumerate(cells)), **asked
    )
    return table["x"].to_pylist(), said


@pytest.mark.parametrize("form", FORMS)
def test_numbers_in_every_form(tmp_path, form):
    numbers = [0.5, -1234567.25, 999.0, 1000.0, 12345.0]
    cells = [f"{x:,.2f}".replace(",", "_").replace(".", form.decimal).replace("_", form.thousands) for x in numbers]
    assert column(tmp_path, cells)[0] == numbers
    assert column(tmp_path, [f" {cell} " for cell in cells] + ["NA", ""])[0] == [*numbers, None, None]


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["1.234.567", "1"], [1234567, 1]),  # two points: between thousands
        (["1,234", "1,5"], [1.234, 1.5]),
        (["1.234", "1.5"], [1.234, 1.5]),
        (["0,123", "2,345"], [0.123, 2.345]),  # nobody writes 0,123 for 123
        (["1234,567", "2,345"], [1234.567, 2.345]),
        (["1 234,5", "2\u202f345"], [1234.5, 2345]),
        (["1'234.5", "2’345"], [1234.5, 2345]),
        (["1,5e-3", "2"], [0.0015, 2]),
        (["1.234,5", "inf"], [1234.5, float("inf")]),
    ],
)
def test_the_cells_tell(tmp_path, cells, values):
    found, said = column(tmp_path, cells)
    assert found == values
    assert len(said) == 1  # what was found; no doubt


@pytest.mark.parametrize("cells", [["01.02.2024", "02.02.2024"], ["10.0.0.1", "10.0.0.2"], ["030 123 456", "040 9"],
                                   ["13,5%", "7%"], ["1,2,3", "1,2"], ["v1.2", "v1.3"]])  # fmt: skip
def test_other_cells_stay_text(tmp_path, cells):
    assert column(tmp_path, cells)[0] == cells


# what is taken where nothing tells: the cell, the separator, the value, and the other reading
DOUBTS = [
    ("1,234", ";", 1.234, "--decimal . reads it as 1234"),
    ("1,234", "\t", 1234, "--decimal , reads it as 1.234"),
    ('"1,234"', ",", 1234, "--decimal , reads it as 1.234"),
    ("1.234", ";", 1.234, "--decimal , reads it as 1234"),
]


@pytest.mark.parametrize(("cell", "sep", "value", "other"), DOUBTS)
def test_a_doubt_is_said_with_its_way_out(tmp_path, cell, sep, value, other):
    found, said = column(tmp_path, [cell] * 3, sep)
    assert found == [value] * 3
    assert said[-1].startswith(f"{cell.strip(chr(34))} is read as {value:g} (x)")
    assert said[-1].endswith(other)
    mark = other.split()[1]
    found, said = column(tmp_path, [cell] * 3, sep, decimal=mark)
    assert f"{found[0]:g}" == other.split()[-1]
    assert not any("is read as" in line for line in said)


def test_a_file_of_commas_has_decimal_points(tmp_path):
    assert column(tmp_path, ["1.234", "2.345"], ",") == ([1.234, 2.345], [])


def test_other_columns_tell(tmp_path):
    table, said = of_text(tmp_path, "x;y;z\n1,5;1.234;2,345\n2,5;2.345;3,456\n")
    assert table.to_pydict() == {"x": [1.5, 2.5], "y": [1234, 2345], "z": [2.345, 3.456]}
    assert said == ["read t.csv: semicolons, decimal comma, points between thousands (y)"]
    table, said = of_text(tmp_path, 'x,y,z\n1.5,"1,234","1,2"\n2.5,"2,345","1,3"\n')
    assert table.to_pydict() == {"x": [1.5, 2.5], "y": [1234, 2345], "z": ["1,2", "1,3"]}  # lists of two
    assert said == ["read t.csv: commas between thousands (y)"]


def test_columns_of_different_marks_are_each_read_and_said(tmp_path):
    table, said = of_text(tmp_path, "x;y\n1,5;2.25\n2,5;3.25\n")
    assert table.to_pydict() == {"x": [1.5, 2.5], "y": [2.25, 3.25]}
    assert "decimal comma in x" in said[0] or "decimal point in y" in said[0]


@pytest.mark.parametrize(("last", "value"), [("1,5", 1.5), ("1.234.567", 1234567), ("1 234", 1234)])
def test_marks_far_down_are_found(tmp_path, last, value):
    found, said = column(tmp_path, ["7"] * 300_000 + [last])
    assert (found[0], found[-1]) == (7, value)
    assert said


def test_a_thousand_far_down_is_none_of_a_decimal(tmp_path):
    lines = "1,5;7\n" * 300_000 + "2,5;1.234\n"
    table, said = of_text(tmp_path, "x;k\n" + lines)
    assert (table["k"][0].as_py(), table["k"][-1].as_py()) == (7, 1234)
    assert "points between thousands (k)" in said[0]


def test_a_cell_that_is_no_number_is_named_and_does_not_make_text_in_silence(tmp_path):
    cells = [f"{k}.234,5" for k in range(1, 40)]
    table, _ = of_text(tmp_path, "x;k;y\n" + "".join(f"{cell};1;{k % 2}\n" for k, cell in enumerate([*cells, "n/a "])))
    with pytest.raises(InputError, match=r"row 40.*n/a "):
        prepare(table, "y", drop=["k"])
    with pytest.raises(InputError, match=r"two ways, such as 1\.234,5 and 1\.5"):
        column(tmp_path, [*cells, "1.5"])
    assert column(tmp_path, ["1,5", "2,5", "a", "b"])[0] == ["1,5", "2,5", "a", "b"]


def test_forms_are_different():
    assert len(set(FORMS)) == len(FORMS)
    assert FORMS[0] == Form(".", "")
