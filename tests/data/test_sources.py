"""Several files as one table, folders, standard input and pipes; files that hold their own types."""

import gzip
import io
import json
import os
import threading
from decimal import Decimal
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from chainrule import InputError
from chainrule.data.files import Source, read_batches, read_cells, read_table
from chainrule.data.schema import Column, Schema

SCHEMA = Schema("y", "n", "p", (Column("x", "number", mean=0.0), Column("w", "category", levels=("a", "b"))))


def write(folder, **texts):
    for name, text in texts.items():
        (folder / f"{name}.csv").write_text(text)
    return Source([str(folder / f"{name}.csv") for name in texts])


def test_rows_follow_one_another_and_columns_are_matched_by_name(tmp_path):
    source = write(tmp_path, one="x,w,y\n1,a,n\n2,b,p\n", two="y;x;w\np;3,5;a\n")
    assert read_table(source).to_pydict() == {"x": [1, 2, 3.5], "w": ["a", "b", "a"], "y": ["n", "p", "p"]}
    batches = pa.concat_tables(
        [t.select(["x", "w", "y"]).cast(pa.schema([("x", pa.float64()), ("w", pa.string()), ("y", pa.string())]))
         for t in read_batches(source, SCHEMA)]
    )  # fmt: skip
    assert batches.to_pydict() == {"x": [1, 2, 3.5], "w": ["a", "b", "a"], "y": ["n", "p", "p"]}
    cells = pa.concat_tables(read_cells(source, ["x", "y"]))
    assert cells.to_pydict() == {"x": ["1", "2", "3,5"], "y": ["n", "p", "p"]}


@pytest.mark.parametrize(
    ("two", "words"),
    [
        ("x,w\n1,a\n", "two.csv lacks the column y, which .*one.csv has"),
        ("x,w,y,z\n1,a,n,0\n", "two.csv has the column z, unlike .*one.csv"),
        ("x,w,Y\n1,a,n\n", "two.csv lacks the column y"),
        ("x\n1\n", "two.csv lacks the columns w, y"),
    ],
)
def test_the_first_file_of_another_schema_is_named(tmp_path, two, words):
    source = write(tmp_path, one="x,w,y\n1,a,n\n", two=two, three="x\n1\n")
    for read in (read_table, lambda source: list(read_batches(source, SCHEMA))):
        with pytest.raises(InputError, match=words):
            read(source)


def test_a_file_is_not_read_twice(tmp_path):
    source = write(tmp_path, one="x\n1\n", two="x\n2\n")
    for names in ([*source.names, source.names[0]], [str(tmp_path), source.names[1]]):
        with pytest.raises(InputError, match=r"(one|two)\.csv would be read twice"):
            read_table(Source(names))


def test_a_column_has_the_type_that_it_would_have_in_one_file(tmp_path):
    texts = ["k,x,w\n01,1,2\n02,2,3\n", "k,x,w\nA3,2.5,NA\n", "k,x,w\n7,NA,4\n"]
    source = write(tmp_path, **{f"part{k}": text for k, text in enumerate(texts)})
    (tmp_path / "all.csv").write_text(texts[0] + "".join(text.split("\n", 1)[1] for text in texts[1:]))
    assert read_table(source).to_pydict() == read_table(tmp_path / "all.csv").to_pydict()
    assert read_table(source)["k"].to_pylist() == ["01", "02", "A3", "7"]


def test_types_of_files_that_hold_them_must_agree(tmp_path):
    pq.write_table(pa.table({"k": [1, 2]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"k": ["x"]}), tmp_path / "b.parquet")
    with pytest.raises(InputError, match=r"column k is numbers in .*a.parquet and text in .*b.parquet"):
        read_table(Source([str(tmp_path / "a.parquet"), str(tmp_path / "b.parquet")]))


def test_numbers_of_several_types_are_numbers(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"x": 1, "w": "a"}\n')
    (tmp_path / "b.csv").write_text("x,w\nNA,NA\n")
    pq.write_table(pa.table({"x": [Decimal("2.5")], "w": pa.array(["b"]).dictionary_encode()}), tmp_path / "c.parquet")
    pa.feather.write_feather(
        pa.table({"w": pa.array(["c"], pa.large_string()), "x": pa.array([7], pa.uint8())}), tmp_path / "d"
    )
    (tmp_path / "e.jsonl").write_text('{"w": "d"}\n')  # x is missing
    table = read_table(Source([str(tmp_path / name) for name in ("a.jsonl", "b.csv", "c.parquet", "d", "e.jsonl")]))
    assert table.to_pydict() == {"x": [1, None, 2.5, 7, None], "w": ["a", None, "b", "c", "d"]}


def test_a_folder_is_its_files_by_name_and_hive_names_are_said(tmp_path):
    for year, text in {"2024": "x\n3\n", "2023": "x\n1\n2\n"}.items():
        folder = tmp_path / "data" / f"year={year}"
        folder.mkdir(parents=True)
        (folder / "part-0.csv").write_text(text)
    (tmp_path / "data" / "_SUCCESS").write_text("")
    (tmp_path / "data" / ".part-0.csv.crc").write_text("xxxx")
    said = []
    table = read_table(Source([str(tmp_path / "data")], say=said.append))
    assert table.to_pydict() == {"x": [1, 2, 3]}
    assert len(said) == 1
    assert "year=2023, year=2024" in said[0]


def test_one_line_for_files_alike(tmp_path):
    said = []
    texts = {f"part{k}": "x;w\n1,5;a\n" for k in range(4)} | {"usual": "x,w\n1,b\n"}
    source = Source(write(tmp_path, **texts).names, say=said.append)
    read_table(source)
    assert len(said) == 1
    assert "part1.csv and 2 more: semicolons, decimal comma" in said[0]
    assert source.name == "part0.csv and 4 more"
    assert len(source.paths) == 5


def stdin(monkeypatch, data):
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(data)))


def test_standard_input_of_any_kind(tmp_path, monkeypatch):
    table = pa.table({"x": [1.5, 2.5], "w": ["a", "b"]})
    parquet, feather = pa.BufferOutputStream(), pa.BufferOutputStream()
    pq.write_table(table, parquet)
    pa.feather.write_feather(table, feather)
    text = b"x;w\n1,5;a\n2,5;b\n"
    for data in (text, gzip.compress(text), parquet.getvalue().to_pybytes(), feather.getvalue().to_pybytes()):
        stdin(monkeypatch, data)
        source = Source(["-"])
        assert source.name == "standard input"
        assert source.paths == []
        assert read_table(source).to_pydict() == table.to_pydict()
        assert pa.concat_tables(read_cells(source, ["w"])).to_pydict() == {"w": ["a", "b"]}  # read again
    stdin(monkeypatch, b"")
    with pytest.raises(InputError, match="standard input is empty"):
        read_table(Source(["-"]))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=lambda: (tmp_path / "pipe").write_text("x,w\n1,a\n"))
    writer.start()
    assert read_table(tmp_path / "pipe").to_pydict() == {"x": [1], "w": ["a"]}
    writer.join()


ROWS = [{"x": k / 4 if k % 7 else None, "w": None if k % 5 == 0 else "ab"[k % 2], "k": k, "flag": k % 3 == 0,
         "y": "np"[k % 2]} for k in range(500)]  # fmt: skip


@pytest.fixture(params=["csv", "parquet", "feather", "stream", "json", "parquet.gz"])
def kind(request, tmp_path):
    """A file of the same rows in each format."""
    path, table = tmp_path / f"t.{request.param}", pa.Table.from_pylist(ROWS)
    if request.param == "csv":
        pyarrow.csv.write_csv(table, path)
    elif request.param == "feather":
        pa.feather.write_feather(table, path, chunksize=64)
    elif request.param == "stream":
        with pa.ipc.new_stream(path, table.schema) as stream:
            stream.write_table(table, max_chunksize=64)
    elif request.param == "json":
        path.write_text("".join(json.dumps({k: v for k, v in row.items() if v is not None}) + "\n" for row in ROWS))
    else:
        pq.write_table(table, path)
        if request.param.endswith("gz"):
            path.write_bytes(gzip.compress(path.read_bytes()))
    return path


def test_every_format_gives_the_same_rows(kind, monkeypatch):
    monkeypatch.setattr("chainrule.data.typed_files.BATCH_ROWS", 300)
    monkeypatch.setattr("chainrule.data.typed_files.JSON_BLOCK", 1 << 12)
    table = read_table(kind)
    assert table.select(["x", "w", "k", "flag", "y"]).to_pylist() == ROWS
    assert pa.types.is_dictionary(table.schema.field("w").type)
    batches = [batch.select(["x", "w", "y"]).to_pylist() for batch in read_batches(kind, SCHEMA)]
    assert [row for batch in batches for row in batch] == [
        {name: row[name] for name in ("x", "w", "y")} for row in ROWS
    ]
    cells = pa.concat_tables(read_cells(kind, ["k", "w"])).to_pydict()
    assert cells["k"] == [str(row["k"]) for row in ROWS]
    assert [cell or None for cell in cells["w"]] == [row["w"] for row in ROWS]


def test_cells_are_as_written(tmp_path):
    (tmp_path / "t.csv").write_text('id;x\n00042;1,50\nNA;"2;5"\n;7\n')
    cells = pa.concat_tables(read_cells(tmp_path / "t.csv", ["x", "id"]))
    assert cells.to_pydict() == {"x": ["1,50", "2;5", "7"], "id": ["00042", "NA", ""]}
    pq.write_table(pa.table({"id": [[1], [2]]}), tmp_path / "t.parquet")
    with pytest.raises(InputError, match=r"column id is list.*don't keep it"):
        list(read_cells(tmp_path / "t.parquet", ["id"]))


def test_a_models_way_of_writing_decides_where_a_file_does_not(tmp_path):
    (tmp_path / "t.csv").write_bytes("x;w\n1,234;\x81\n".encode("latin-1"))
    usual = {"decimal": ".", "encoding": "cp437"}
    assert read_table(tmp_path / "t.csv", usual=usual).to_pydict() == {"x": [1234], "w": ["ü"]}
    (batch,) = read_batches(tmp_path / "t.csv", SCHEMA, usual=usual)
    assert batch.to_pydict() == {"x": [1234], "w": ["ü"]}


def test_numbers_with_marks_are_read_in_batches_too(tmp_path):
    path = tmp_path / "t.csv"
    lines = [f"1.234,5;a;{'np'[k % 2]}" for k in range(200_000)]
    path.write_text("x;w;y\n" + "\n".join(lines) + "\n")
    batches = list(read_batches(path, SCHEMA))
    assert len(batches) > 1
    assert all(batch["x"].to_pylist() == [1234.5] * batch.num_rows for batch in batches)


def test_marks_that_only_come_later_are_refused_where_rows_were_read_without(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("x;w;y\n" + "1.234;a;n\n" * 200_000 + "1.234.567;a;p\n")
    with pytest.raises(InputError, match=r"column x has numbers with other marks further down: .*--decimal"):
        list(read_batches(path, SCHEMA))
    source = Source.asked([path], {"sep": None, "decimal": ",", "encoding": None, "quote": None}, print)
    assert list(read_batches(source, SCHEMA))[-1]["x"][-1].as_py() == 1234567
