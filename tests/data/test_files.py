"""Files -> tables: what is read, what means missing, and one sentence for what can't be read."""

import gzip
import re
import subprocess
import sys
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from chainrule import InputError
from chainrule.data import text_files
from chainrule.data.files import read_table


def write(folder, content, name="t.csv"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def rows(table):
    return table.to_pylist()


def test_types_and_missing_cells(tmp_path):
    path = write(
        tmp_path,
        "n,x,flag,word,empty\n1,2.5,true,a,\nNA,NaN,False,N/A,NA\n3,,TRUE,null,null\n-4,1e3,,NA,NaN\n",
    )
    table = read_table(path)
    kinds = ["int64", "double", "bool", "dictionary<values=string, indices=int32, ordered=0>", "null"]
    assert [str(t) for t in table.schema.types] == kinds
    assert table["n"].to_pylist() == [1, None, 3, -4]
    assert table["x"].to_pylist() == [2.5, None, None, 1000.0]
    assert table["flag"].to_pylist() == [True, False, True, None]
    assert table["word"].to_pylist() == ["a", None, None, None]
    assert table["empty"].null_count == 4


def test_only_the_named_cells_are_missing(tmp_path):
    # pyarrow's own list has more: #N/A, NULL, n/a, nan
    path = write(tmp_path, "word,k\n#N/A,1\nNULL,2\nn/a,3\nna,4\n")
    assert read_table(path)["word"].to_pylist() == ["#N/A", "NULL", "n/a", "na"]


def test_na_adds_missing_cells(tmp_path):
    path = write(tmp_path, "x,word\n-999,?\n2,b\n,NA\n")
    table = read_table(path, na=["-999", "?"])
    assert table["x"].to_pylist() == [None, 2, None]
    assert table["word"].to_pylist() == [None, "b", None]


def test_one_beside_true_is_no_boolean(tmp_path):
    table = read_table(write(tmp_path, "flag,k\n1,1\ntrue,2\n"))
    assert table["flag"].to_pylist() == ["1", "true"]


def test_text_keeps_cells_as_written(tmp_path):
    table = read_table(write(tmp_path, "zip,k\n01234,1\n00501,2\n"), text=["zip", "not there"])
    assert table["zip"].to_pylist() == ["01234", "00501"]
    assert table.column_names == ["zip", "k"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", b"a,b\n1,x\n"),
        ("t.CSV", b"a,b\r\n1,x\r\n"),
        ("t.csv", b"\xef\xbb\xbfa,b\n1,x\n"),
        ("t.csv", b"\n\na,b\n\n1,x\n\n"),
        ("t.tsv", b"a\tb\n1\tx\n"),
        ("t.txt", b"a\tb\n1\tx\n"),
        ("t.txt", b"a,b\n1,x\n"),
        ("t.csv.gz", gzip.compress(b"a,b\n1,x\n", mtime=0)),
        ("t.tsv.gz", gzip.compress(b"a\tb\n1\tx\n", mtime=0)),
        ("t.v2.csv", b'"a",b\n1,"x"\n'),
        ("t", b"a,b\n1,x\n"),
        ("t.xlsx", b"a,b\n1,x\n"),
        ("t.tsv", b"a,b\n1,x\n"),
        ("t.csv", gzip.compress(b"a,b\n1,x\n", mtime=0)),
        ("t.gz", gzip.compress(b"a,", mtime=0) + gzip.compress(b"b\n1,x\n", mtime=0)),
        ("t.csv", b'{"a": 1, "b": "x"}\n'),
    ],
)
def test_the_same_table_under_every_name(tmp_path, name, content):
    assert rows(read_table(write(tmp_path, content, name))) == [{"a": 1, "b": "x"}]


def test_quotes_hold_commas_line_ends_and_quotes(tmp_path):
    table = read_table(write(tmp_path, 'a,b\n"x, ""y""",1\n"two\nlines",2\n'))
    assert table["a"].to_pylist() == ['x, "y"', "two\nlines"]


def test_parquet_has_the_missing_cells_of_csv(tmp_path):
    columns = {
        "x": pa.array([1.0, float("nan"), None, -9.0]),
        "k": pa.array([1, 2, -9, None]),
        "word": pa.array(["a", "", "NA", "?"]),
        "level": pa.array(["u", "NA", "v", None]).dictionary_encode(),
        "d": pa.array([Decimal("1.25"), None, Decimal("2.5"), Decimal(3)], pa.decimal128(6, 2)),
    }
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    table = read_table(tmp_path / "t.parquet", na=["?", "-9"])
    assert table["word"].to_pylist() == ["a", None, None, None]
    assert table["level"].to_pylist() == ["u", None, "v", None]
    assert table["k"].to_pylist() == [1, 2, None, None]
    assert table["x"].null_count == 2
    assert table["d"].to_pylist() == [Decimal("1.25"), None, Decimal("2.50"), Decimal("3.00")]


def test_reading_does_not_import_pandas(tmp_path):
    table = pa.table({"x": [1.0, -9.0], "word": ["a", "NA"]})
    pq.write_table(table, tmp_path / "t.parquet")
    paths = [str(tmp_path / "t.parquet"), str(write(tmp_path, "x,word\n1,a\n-9,NA\n"))]
    program = f"""
import sys
from chainrule.data.files import read_table
for path in {paths!r}:
    assert read_table(path, na=["-9"]).to_pydict() == {{"x": [1, None], "word": ["a", None]}}
print("pandas" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout == b"False\n"


@pytest.mark.parametrize(("content", "times"), [("a,b\n1.5,x\n2.5,y\n", 3), ("a,b\n1,x\n2,y\n", 4)])
def test_numbers_with_a_decimal_mark_at_the_top_are_not_read_again_for_codes(tmp_path, monkeypatch, content, times):
    opened, of = [], text_files.TextFile._opened
    monkeypatch.setattr(text_files.TextFile, "_opened", lambda file: opened.append(file) or of(file))
    table = read_table(write(tmp_path, content))
    assert (table.num_rows, len(opened)) == (2, times)


def test_a_folder_name_makes_no_column(tmp_path):
    folder = tmp_path / "year=2024"
    folder.mkdir()
    pq.write_table(pa.table({"a": [1, 2]}), folder / "t.parquet")
    assert read_table(folder / "t.parquet").column_names == ["a"]


def test_blocks_do_not_matter(tmp_path):
    # well over pyarrow's block of 1 MB, with a line end inside quotes in every row
    m = 60_000
    lines = "".join(f'{k},"line\nend {k % 7}"\n' for k in range(m))
    table = read_table(write(tmp_path, "k,word\n" + lines))
    assert table["k"].to_pylist() == list(range(m))
    assert table["word"][m - 1].as_py() == f"line\nend {(m - 1) % 7}"


@pytest.mark.parametrize("last", ["7", "0.5", "NA", "heavy", "true", '"a,b"', "2020-01-01", "1e400"])
@pytest.mark.parametrize("first", ["7", "0.5", "NA", "heavy", "true", "2020-01-01"])
def test_a_cell_of_another_kind_far_down_changes_the_type_as_at_the_top(tmp_path, monkeypatch, first, last):
    lines = [f"{k},{first},{k % 5}" for k in range(4000)]
    path = write(tmp_path, "k,cell,level\n" + "\n".join([*lines, f"4000,{last},x"]) + "\n")
    monkeypatch.setattr(text_files, "STREAM_BLOCK", 1 << 12)
    table = read_table(path)
    monkeypatch.setattr(text_files, "STREAM_BLOCK", 1 << 20)
    whole = read_table(path)
    assert table.schema == whole.schema
    assert rows(table) == rows(whole)


def test_a_long_table_is_read_in_little_more_memory_than_its_own(tmp_path):
    m = 400_000
    words = np.array([f"level {k:04d}" for k in range(2000)])[np.arange(m) * 7 % 2000]
    path = write(tmp_path, "x,word\n" + "".join(f"{k / 8},{word}\n" for k, word in enumerate(words)))
    program = f"""
import pyarrow as pa
from chainrule.data import files, text_files
text_files.STREAM_BLOCK = 1 << 16
table = files.read_table({str(path)!r})
print(pa.default_memory_pool().max_memory() / table.nbytes)
"""
    assert float(subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout) < 2


ABOVE = "row . has 3 cells.*: delete lines above the header"
ERRORS = [
    ("t.csv", "", "is empty"),
    ("t.csv", "\n\n", "has no header"),
    ("t.csv", "a,b\n", "has a header and no rows"),
    ("t.csv", "a,b", "no rows"),
    ("t.csv", "a,b,a\n1,2,3\n", "more than one column called a"),
    ("t.csv", "a,b\n1,2\n\n3,4\n5\n", "row 3 has 1 cell and the header 2"),
    ("t.csv", "a,b\n1,2,3\n", "row 1 has 3 cells and the header 2"),
    ("t.csv", "a;b\n1;2\n3\n", "row 2 has 1 cell and the header 2"),
    ("t.csv", "sep=;\na;b\n1;2;3\n", "has 3 cells and the header 2"),
    *(
        (
            "t.csv",
            f"{above}\nage{sep}town{sep}y\n1{sep}a{sep}0\n2{sep}b{sep}1\n",
            "row . has 3 cells.*delete lines above the header",
        )
        for above in ("My survey", "# made by x", "# one\n\n# two", "Report, 2024")
        for sep in ",;\t"
        if "," not in above or sep == ","
    ),
    ("t.csv", "é,b\n".encode() + b"1,2\n" * 300_000 + b"1,caf\xe9\n", "UTF-8 text in part only.*--encoding"),
    ("t.csv", b"a,b\n1,K\xf6ln\n2,K\xc3\xb6ln\n", "UTF-8 text in part only"),  # two levels, read as one encoding
    ("t.csv", b"a,b\n1,K\xf6ln\n" * 300_000 + b"2,K\xc3\xb6ln\n", "UTF-8 text in part only"),
    ("t.csv", b"a,b\n1,\x81\x9d\n", "neither UTF-8 nor Windows-1252 text: .*--encoding"),
    ("t.csv", "a,b\n1,x\n".encode("utf-16")[:-1], "not UTF-16 text"),
    ("t.csv", bytes(range(256)) * 9, "its bytes are no text"),
    ("t.csv", b"PAR1abcd", "not a whole Parquet file"),
    ("t.csv", b"PK\x03\x04abcd", "spreadsheet or a zip"),
    ("t.xls", b"\xd0\xcf\x11\xe0abcd", "old spreadsheet"),
    ("t.csv", "<!DOCTYPE html>\n<html></html>", "a web page"),
    ("t.feather", b"FEA1abcd", "version 1"),
    ("t.arrow", b"ARROW1\0\0abcd", "not a whole Arrow IPC file"),
    ("t.arrows", b"\xff\xff\xff\xffabcd" * 9, "not a whole Arrow IPC file"),
    ("t.json", '[{"a": 1}]', "one JSON list"),
    ("t.jsonl", '{"a": 1}\n{"a": \n', "row 2 is no JSON object"),
    ("t.jsonl", '{"a": 1}\n7\n', "row 2 is no JSON object"),
    ("t.jsonl", '{"a": 1}\n\n{"a": "x"}\n', "column a holds another kind of value in row 2"),
    ("t.csv.gz", gzip.compress(b"a,b\n" + bytes(range(48, 58)) * 5000, mtime=0)[:60], "can't read"),
    ("t.csv.gz", gzip.compress(b"", mtime=0), "has no header or no rows"),
    ("t.csv", 'a,b\n1,x\n2,"y\n3,z\n', "row 2 opens a quote that is never closed"),
    ("t.csv", ",\n1,2\n", "no named columns"),
]


@pytest.mark.parametrize(("name", "content", "words"), ERRORS)
def test_one_sentence_names_the_file_and_what_is_wrong(tmp_path, name, content, words):
    path = write(tmp_path, content, name)
    with pytest.raises(InputError, match=words) as caught:
        read_table(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_ragged_row_far_down_is_named(tmp_path):
    lines = ["1,abcdefghij"] * 300_000
    lines[250_000] = "1,2,3"
    path = write(tmp_path, "a,b\n" + "\n".join(lines) + "\n")
    with pytest.raises(InputError, match="row 250001 has 3 cells"):
        read_table(path)


def test_no_such_file_and_a_folder(tmp_path):
    with pytest.raises(InputError, match=re.escape(f"there is no file {tmp_path / 'no.csv'}")):
        read_table(tmp_path / "no.csv")
    (tmp_path / "f.csv").mkdir()
    with pytest.raises(InputError, match="has no files"):
        read_table(tmp_path / "f.csv")


def test_parquet_duplicates_and_no_rows(tmp_path):
    twice = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    pq.write_table(twice, tmp_path / "t.parquet")
    with pytest.raises(InputError, match="column called a"):
        read_table(tmp_path / "t.parquet")
    pq.write_table(pa.table({"a": pa.array([], pa.int64())}), tmp_path / "e.parquet")
    with pytest.raises(InputError, match="no rows"):
        read_table(tmp_path / "e.parquet")


def test_a_cut_parquet_file(tmp_path):
    pq.write_table(pa.table({"a": np.arange(1000)}), tmp_path / "t.parquet")
    data = (tmp_path / "t.parquet").read_bytes()
    for size in (4, len(data) // 2, len(data) - 1):
        with pytest.raises(InputError, match="whole Parquet file, or a damaged one"):
            read_table(write(tmp_path, data[:size], "cut.parquet"))
