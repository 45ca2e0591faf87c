"""How text files are written: found from their content, said in a line, or as asked; never guessed in silence."""

import bz2
import gzip
import io
import lzma

import pyarrow as pa
import pytest

from chainrule import InputError
from chainrule.data.dialects import CHUNK, AsUtf8, Dialect
from file_tools import found, of_text

ROWS = [(1, -1234.5, "blé, dur", "it's"), (2, 0.125, 'a "b"', "x"), (3, 20000.0, "c\nd", "y"), (None, 7.0, "", "z")]


def written(sep, decimal, quote):
    """The rows as text; cells that need them are in quotes."""

    def cell(value):
        if value is None:
            return ""
        if isinstance(value, str):
            needed = any(sign in value for sign in (sep, quote, "\n"))
            return quote + value.replace(quote, quote * 2) + quote if needed else value
        number = f"{value}".replace(".", decimal)
        return quote + number + quote if sep in number else number

    lines = [sep.join(map(cell, row)) for row in [("n", "größe", "word", "z"), *ROWS]]
    return "\n".join(lines) + "\n"


PACKED = {"": bytes, "gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress,
          "zst": lambda data: pa.compress(data, "zstd", asbytes=True)}  # fmt: skip


ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "cp1252"]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("decimal", ".,")
@pytest.mark.parametrize("sep", ",;\t|")
def test_the_same_table_in_every_dress(tmp_path, sep, decimal, encoding):
    packing = list(PACKED)[(",;\t|".index(sep) + ENCODINGS.index(encoding)) % len(PACKED)]
    path = tmp_path / f"t.csv.{packing}"
    path.write_bytes(PACKED[packing](written(sep, decimal, '"').encode(encoding)))
    table, said = found(path)
    assert table.column_names == ["n", "größe", "word", "z"]
    assert table.to_pylist() == [
        {"n": n, "größe": size, "word": word or None, "z": z} for n, size, word, z in ROWS
    ]  # fmt: skip
    words = [
        {",": "", ";": "semicolons", "\t": "tabs", "|": "bars"}[sep],
        {".": "", ",": "decimal comma"}[decimal],
        {"utf-8": "", "utf-8-sig": "", "utf-32": "UTF-32", "latin-1": "Windows-1252", "cp1252": "Windows-1252"}.get(
            encoding, "UTF-16"
        ),
    ]
    unusual = ", ".join(filter(None, words))
    assert said == ([f"read {path.name}: {unusual}"] if unusual else [])


def test_single_quotes_are_found_and_apostrophes_are_none(tmp_path):
    table, said = of_text(tmp_path, "a,b\n'x, y',1\n'it''s',2\n")
    assert table["a"].to_pylist() == ["x, y", "it's"]
    assert said == ["read t.csv: single quotes"]
    table, said = of_text(tmp_path, "a,b\n'tis,1\nit's,2\n")
    assert table["a"].to_pylist() == ["'tis", "it's"]
    assert not said


def test_options_override_what_would_be_found(tmp_path):
    table, said = of_text(tmp_path, 'a b\n"1 1,5\n2" 2,5\n', sep="space", quote="none", decimal=",")
    assert table.to_pydict() == {"a": ['"1', '2"'], "b": [1.5, 2.5]}
    assert said == ["read t.csv: spaces, decimal comma, no quotes"]
    data = "a,b\n東京,1\n".encode("shift_jis")
    assert of_text(tmp_path, data, encoding="shift_jis")[0]["a"].to_pylist() == ["東京"]
    assert of_text(tmp_path, data)[1] == ["read t.csv: Windows-1252"]
    table, said = of_text(tmp_path, "a;b,c\n1;2,3\n4;5,6\n", sep=",")
    assert table.column_names == ["a;b", "c"]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"sep": ";;"}, "--sep must be one"),
        ({"sep": "§"}, "--sep must be one"),
        ({"quote": "\n"}, "--quote must be one"),
        ({"sep": "|", "quote": "|"}, "can't both be"),
        ({"decimal": "comma"}, "--decimal must be"),
        ({"encoding": "utf-9"}, "--encoding utf-9 is not known"),
        ({"encoding": "base64"}, "--encoding base64 is not known"),
    ],
)
def test_options_that_can_not_be(asked, words):
    with pytest.raises(InputError, match=words):
        Dialect.asked(**asked)


def test_an_option_that_the_file_contradicts_is_refused(tmp_path):
    with pytest.raises(InputError, match="column a has numbers such as 1,5"):
        of_text(tmp_path, "a;b\n1,5;x\n2,25;y\n", decimal=".")
    with pytest.raises(InputError, match="not ascii text"):
        of_text(tmp_path, "a,b\né,1\n", encoding="ascii")
    with pytest.raises(InputError, match="--sep says how text is written"):
        of_text(tmp_path, '{"a": 1}\n', sep=";")


def test_the_first_lines_of_excel(tmp_path):
    table, said = of_text(tmp_path, "sep=|\r\na|b\r\n1|x,y\r\n")
    assert table.to_pylist() == [{"a": 1, "b": "x,y"}]
    assert said == ["read t.csv: bars"]


def test_a_separator_within_cells_is_none(tmp_path):
    assert of_text(tmp_path, "id,text;notes\n1,foo;bar\n2,baz;qux\n")[0].column_names == ["id", "text;notes"]
    assert of_text(tmp_path, '"a;b","c"\n"1;2","3"\n')[0].column_names == ["a;b", "c"]
    assert of_text(tmp_path, "id;name, first;x\n1;Ho, Al;2\n")[0].column_names == ["id", "name, first", "x"]
    assert of_text(tmp_path, "a\n1\n2\n")[0].to_pydict() == {"a": [1, 2]}


def test_another_kind_than_the_name_says_is_told(tmp_path):
    assert of_text(tmp_path, "a,b\n1,2\n", "t.parquet")[1] == ["read t.parquet: CSV"]
    assert of_text(tmp_path, '{"a": 1}\n', "t.csv")[1] == ["read t.csv: JSON lines"]


def test_the_encoding_is_decided_where_the_first_letter_comes(tmp_path):
    plain = b"word,k\n" + b"a,1\n" * (CHUNK // 2)
    table, said = of_text(tmp_path, plain + b"\xe9t\xe9,2\n")
    assert table["word"][-1].as_py() == "été"
    assert said == ["read t.csv: Windows-1252"]
    assert of_text(tmp_path, plain + "été,2\n".encode())[0]["word"][-1].as_py() == "été"


@pytest.mark.parametrize("text", ["", "plain", "é", "x" * (CHUNK - 1) + "é" * 5, "x" * CHUNK + "é", "日本" * CHUNK])
@pytest.mark.parametrize("encoding", [None, "utf-8", "utf-16", "cp1252"])
@pytest.mark.parametrize("size", [-1, 1000, CHUNK, CHUNK + 7])
def test_a_stream_as_utf8(text, encoding, size):
    if encoding == "cp1252":
        text = text.replace("日本", "àé")
    elif size == 1000:
        text = text[: CHUNK // 4]
    stream = AsUtf8(io.BytesIO(text.encode(encoding or "utf-8")), "t", encoding)
    parts = []
    while part := stream.read(size):
        parts.append(part)
        assert size < 0 or len(part) <= size
    assert b"".join(parts).decode() == text
    assert all(len(part) == size for part in parts[:-1])


def test_latin_text_that_ends_in_a_letter(tmp_path):
    assert of_text(tmp_path, b"a,b\n1,caf\xe9")[0]["b"].to_pylist() == ["café"]
