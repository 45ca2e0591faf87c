"""Model and trace files: to the bit, whole or refused; predictions; files written whole or not at all."""

import dataclasses
import json
import os
import stat
import struct

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save

from chainrule import InputError
from chainrule.data.tables import prepare
from chainrule.model.files import check_writable, write_atomically
from chainrule.model.model import Model, load_model, load_trace, save_model, save_trace, trace_belongs, trace_path
from chainrule.model.safefile import pack, unpack
from chainrule.solvers.trace import Trace
from drawn_tools import few, numbers
from missing_tools import any_mark

ARRAYS = ("w", "w_fit", "center", "scale")

TOLD = {"alpha": 0.0, "loss": 0.1, "sum_weights": 4.0, "method": "newton", "n_epochs": 3, "n_rows": 4}


def small_model(seed=0, **changes):
    rng = np.random.default_rng(seed)
    table = pa.table({
        "bill <mm>": [1.0, 2.5, None, 6.0],
        "größe": ["a", "b", "ü", "a"],
        "y": ["no", "yes", "no", "yes"],
    })  # fmt: skip
    with any_mark():
        schema = prepare(table, "y").schema
    n = len(schema.feature_names)
    numbers = {
        "w": rng.normal(size=n),
        "b": float(rng.normal()),
        "w_fit": rng.normal(size=n),
        "b_fit": float(rng.normal()),
        "center": np.where(schema.numeric, 3.0, 0.0),
        "scale": np.where(schema.numeric, 1.7, 1.0),
        "info": TOLD | {"objective_line": "F = (1/4) sum l", "reason": "converged", "n": [1, 2], "none": None},
    }
    return Model(schema=schema, **{**numbers, **changes})


def small_trace(k=4, n=4, seed=1):
    rng = np.random.default_rng(seed)
    columns = {"epoch": np.arange(k), "loss": rng.random(k), "held_out_loss": np.array([np.nan, *rng.random(k - 1)])}
    return Trace(columns, rng.normal(size=(k, n)), rng.normal(size=k), 1, "a note: ü")


def assert_same_model(one, other):
    assert one.schema == other.schema
    assert (one.b, one.b_fit) == (other.b, other.b_fit)
    assert one.info == other.info
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), strict=True)


def assert_same_trace(one, other):
    assert list(one.columns) == list(other.columns)
    for name, column in one.columns.items():
        np.testing.assert_array_equal(column, other.columns[name], strict=True)
    np.testing.assert_array_equal(one.w, other.w, strict=True)
    np.testing.assert_array_equal(one.b, other.b, strict=True)
    assert (one.stride, one.note) == (other.stride, other.note)


# ---- predictions


def test_decision_is_x_w_plus_b_in_the_units_of_the_fit_and_bits_do_not_depend_on_the_batch():
    rng = np.random.default_rng(7)
    model = small_model()
    X = rng.normal(size=(10_000, model.w.size))
    z = model.decision(X)
    # eight roundings of terms that add up to less than 20 in size
    np.testing.assert_allclose(z, (X - model.center) / model.scale @ model.w_fit + model.b_fit, rtol=0, atol=2e-14)
    np.testing.assert_array_equal(model.decision(np.asfortranarray(X)), z)
    np.testing.assert_array_equal(model.decision(X[4000:5000]), z[4000:5000])
    assert model.decision(X[[77]])[0] == z[77]


def test_decision_refuses_what_has_no_answer():
    model = small_model(w_fit=np.array([1e308, 1e308, 0, 0]), center=np.zeros(4), scale=np.ones(4))
    with pytest.raises(InputError, match="row 2 has numbers that are missing or too large"):
        model.decision([[0, 0, 0, 0], [1e5, -1e5, 0, 0]])
    with pytest.raises(InputError, match="row 1 has numbers that are missing"):
        model.decision([[np.nan, 0, 0, 0]])


@pytest.mark.parametrize("name", ARRAYS)
def test_a_model_has_one_finite_number_a_feature(name):
    with pytest.raises(InputError, match=f"model's {name} must have 4 numbers"):
        small_model(**{name: np.ones(5)})
    with pytest.raises(InputError, match=f"model's {name} is not finite"):
        small_model(**{name: np.array([1.0, np.nan, 1.0, 1.0])})


# ---- round trips


@few
@given(w=numbers(4, 1e300), w_fit=numbers(4, 1e300), b=st.floats(-1e300, 1e300), b_fit=st.floats(-1e300, 1e300))
def test_model_round_trip_and_the_same_bytes(tmp_path_factory, **coefficients):
    model, folder = small_model(**coefficients), tmp_path_factory.mktemp("models")
    save_model(folder / "a.safetensors", model)
    again = load_model(folder / "a.safetensors")
    assert_same_model(model, again)
    save_model(folder / "b.safetensors", again)
    assert (folder / "a.safetensors").read_bytes() == (folder / "b.safetensors").read_bytes()
    assert sorted(os.listdir(folder)) == ["a.safetensors", "b.safetensors"]


def test_trace_round_trip_and_the_same_bytes(tmp_path):
    trace = small_trace()
    save_trace(tmp_path / "a.trace", trace)
    again = load_trace(str(tmp_path / "a.trace"))
    assert_same_trace(trace, again)
    assert again.at(2)[1] == trace.b[2]
    save_trace(tmp_path / "b.trace", again)
    assert (tmp_path / "a.trace").read_bytes() == (tmp_path / "b.trace").read_bytes()


def test_the_file_is_plain_safetensors_with_one_key(tmp_path):
    model = small_model()
    save_model(tmp_path / "m.safetensors", model)
    data = (tmp_path / "m.safetensors").read_bytes()
    header = json.loads(data[8 : 8 + struct.unpack("<Q", data[:8])[0]])
    assert list(header["__metadata__"]) == ["chainrule"]
    text = header["__metadata__"]["chainrule"]
    assert text.startswith('{"format_version": 1, "kind": "model", "objective_line": "F = ')
    document = json.loads(text)
    assert document["schema"] == model.schema.to_dict()
    assert document["result"] == model.info
    assert float.fromhex(document["check_z"][0]) == model.decision([model.center])[0]


def test_numbers_that_json_has_not_become_null_and_numpys_become_pythons(tmp_path):
    info = {"rate": np.float64(0.5), "w": np.array([1.0, np.inf]), "k": np.int64(3), "bad": float("nan"), "t": (1, 2)}
    save_model(tmp_path / "m", small_model(info=TOLD | info))
    assert load_model(tmp_path / "m").info == TOLD | {"rate": 0.5, "w": [1.0, None], "k": 3, "bad": None, "t": [1, 2]}


# ---- damage


def loads_the_same_or_is_refused(path, data, load, original, same):
    path.write_bytes(data)
    loaded, sentence = None, ""
    try:
        loaded = load(path)
    except InputError as error:
        sentence = str(error)
    if loaded is None:
        assert str(path) in sentence
        assert "\n" not in sentence
        return False
    same(original, loaded)
    return True


@pytest.mark.parametrize("kind", ["model", "trace"])
def test_every_flipped_bit_is_refused_or_changes_nothing(tmp_path, kind):
    path = tmp_path / "file"
    if kind == "model":
        original, load, same = small_model(), load_model, assert_same_model
        save_model(path, original)
    else:
        original, load, same = small_trace(), load_trace, assert_same_trace
        save_trace(path, original)
    data = path.read_bytes()
    rng = np.random.default_rng(0)
    harmless = 0
    for place in range(len(data)):
        for flip in {1 << int(rng.integers(8)), 0xFF, 0x20}:
            bad = bytearray(data)
            bad[place] ^= flip
            harmless += loads_the_same_or_is_refused(path, bytes(bad), load, original, same)
    # the blanks that fill the header up are all that may change
    assert harmless < 40


def test_every_cut_is_refused(tmp_path):
    path = tmp_path / "m.safetensors"
    model = small_model()
    save_model(path, model)
    data = path.read_bytes()
    for size in range(len(data)):
        assert not loads_the_same_or_is_refused(path, data[:size], load_model, model, assert_same_model)
    assert not loads_the_same_or_is_refused(path, data + b"\0", load_model, model, assert_same_model)


FOREIGN = "is no model of chainrule, or a damaged one: name another file"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", FOREIGN),
        (b"abc", FOREIGN),
        (b"\xff" * 4000, FOREIGN),
        (struct.pack("<Q", 2**62) + b"{}", FOREIGN),
        (struct.pack("<Q", 0) + b"{}", FOREIGN),
        (struct.pack("<Q", 20000) + b"[" * 20000, FOREIGN),
        (b"row,probability\n1,0.5\n" * 1000, FOREIGN),
        (save({"weight": np.zeros((3, 2), np.float32)}), FOREIGN),
        (save({"weight": np.zeros(3)}, metadata={"format": "pt"}), FOREIGN),
        (save({"w": np.zeros(3)}, metadata={"chainrule": "no json"}), FOREIGN),
        (save({"w": np.zeros(3)}, metadata={"chainrule": "[1]"}), FOREIGN),
        (save({"w": np.zeros(3)}, metadata={"chainrule": '{"format_version": 1, "kind": "model"}'}), FOREIGN),
        (
            save({"w": np.zeros(3)}, metadata={"chainrule": '{"format_version": 2}'}),
            "newer chainrule .*upgrade chainrule",
        ),
        (pack("model", {"schema": {}}, {"w": np.zeros(3)}), "no schema of a table|no model of chainrule"),
    ],
)
def test_foreign_and_damaged_files(tmp_path, content, words):
    (tmp_path / "m").write_bytes(content)
    with pytest.raises(InputError, match=words):
        load_model(tmp_path / "m")


def test_each_kind_refuses_the_other(tmp_path):
    save_model(tmp_path / "m", small_model())
    save_trace(tmp_path / "t", small_trace())
    with pytest.raises(InputError, match="m is a model and not a trace: name the trace's file"):
        load_trace(tmp_path / "m")
    with pytest.raises(InputError, match="t is a trace and not a model: name the model's file"):
        load_model(tmp_path / "t")


def test_no_file_and_a_folder(tmp_path):
    with pytest.raises(InputError, match=r"there is no model file .*no\.safetensors"):
        load_model(tmp_path / "no.safetensors")
    with pytest.raises(InputError, match=r"there is no trace file .*no\.trace"):
        load_trace(tmp_path / "no.trace")
    with pytest.raises(InputError, match="is a directory; choose another file"):
        load_model(tmp_path)


def test_the_self_test_compares_the_log_odds(tmp_path):
    # a file that is whole, but whose numbers do not give the log-odds that were written down
    model = small_model()
    other = small_model(b_fit=model.b_fit + 2**-50)
    path = tmp_path / "m"
    save_model(path, model)
    document, tensors = unpack(path, "model")
    path.write_bytes(pack("model", document, {**tensors, "b_fit": other.b_fit}))
    with pytest.raises(InputError, match="other log-odds for the model's check rows"):
        load_model(path)


# ---- the trace beside the model


def test_trace_path(tmp_path):
    assert trace_path("model.safetensors").name == "model.trace"
    assert trace_path(tmp_path / "a.b.safetensors") == tmp_path / "a.b.trace"
    assert trace_path("model").name == "model.trace"
    assert trace_path("model.v1").name == "model.v1.trace"
    assert trace_path(".safetensors").name == ".safetensors.trace"
    with pytest.raises(InputError, match="is a folder"):
        trace_path("")
    with pytest.raises(InputError, match=r"m\.trace: a model's name can't end in \.trace"):
        trace_path("m.trace")


def test_a_trace_belongs_to_the_model_that_it_led_to():
    trace = small_trace()
    assert trace_belongs(small_model(w_fit=trace.w[-1], b_fit=trace.b[-1]), trace)
    assert trace_belongs(small_model(w_fit=trace.w[1], b_fit=trace.b[1]), trace)
    assert not trace_belongs(small_model(w_fit=trace.w[1], b_fit=trace.b[2]), trace)
    assert not trace_belongs(small_model(), trace)
    assert not trace_belongs(small_model(), small_trace(n=5))
    assert trace_belongs(small_model(), dataclasses.replace(trace, stride=2))  # which may have dropped the very epoch


# ---- files


def test_write_atomically(tmp_path):
    path = tmp_path / "f.txt"
    write_atomically(path, "ä\r\nb\n")
    assert path.read_bytes() == "ä\r\nb\n".encode()
    write_atomically(str(path), b"\x00new")
    assert path.read_bytes() == b"\x00new"
    assert os.listdir(tmp_path) == ["f.txt"]


@pytest.mark.skipif(os.name != "posix", reason="permissions and links of POSIX")
def test_permissions_and_links(tmp_path):
    umask = os.umask(0o027)
    try:
        write_atomically(tmp_path / "f", "x")
    finally:
        os.umask(umask)
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o640
    (tmp_path / "link").symlink_to(tmp_path / "f")
    write_atomically(tmp_path / "link", "through")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "f").read_text() == "through"
    write_atomically("/dev/null", "nothing")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device"), SystemExit])
def test_nothing_half_written_stays(tmp_path, monkeypatch, error):
    path = tmp_path / "m.safetensors"
    path.write_bytes(b"old")

    def fail(*args):
        raise error

    monkeypatch.setattr("os.replace", fail)
    expected = InputError if isinstance(error, OSError) else error
    with pytest.raises(expected) as caught:
        save_model(path, small_model())
    monkeypatch.undo()
    assert os.listdir(tmp_path) == ["m.safetensors"]
    assert path.read_bytes() == b"old"
    if expected is InputError:
        assert str(caught.value) == f"can't write {path}: no space left on device; choose another place"


def test_paths_that_can_not_be_written(tmp_path):
    for attempt in (
        check_writable,
        lambda path: write_atomically(path, "x"),
        lambda path: save_model(path, small_model()),
    ):
        with pytest.raises(InputError, match=r"can't write .*no.m: the folder .*no does not exist; make it first"):
            attempt(tmp_path / "no" / "m")
        with pytest.raises(InputError, match="is a folder"):
            attempt(tmp_path)
        with pytest.raises(InputError, match="can't write"):
            attempt(tmp_path / ("x" * 300))
        with pytest.raises(InputError, match="can't write"):
            attempt(str(tmp_path / "a\0b"))
    assert os.listdir(tmp_path) == []


def test_what_the_user_may_not_write(tmp_path, monkeypatch):
    # root may write everywhere, so the answer of the system is put in
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(InputError, match="permission denied; choose another place"):
        write_atomically(tmp_path / "f", "x")
    assert os.listdir(tmp_path) == []


SPOILT = [
    ("result", "alpha", "none"), ("result", "n_epochs", None), ("result", "na", [1]), ("result", "split", {"seed": 1}),
    ("result", "facts", []), ("result", "facts", {"mean": [1.0], "sd": [1.0], "counts": None, "rows": 9}),
    ("schema", "target", 3), ("schema", "weights", []), ("schema", "notes", [1]), ("schema", "label_kind", ["text"]),
    ("schema", "columns", []), ("schema", "columns", [1]),
    ("schema", "columns", [{"name": "a", "kind": "category", "levels": [1, 2]}]),
    ("schema", "columns", [{"name": "a", "kind": "number", "mean": "1", "levels": []}]),
]  # fmt: skip


@pytest.mark.parametrize(("part", "key", "value"), SPOILT, ids=lambda v: str(v)[:20])
def test_wrong_types_behind_a_right_checksum_are_refused(tmp_path, part, key, value):
    save_model(tmp_path / "m", small_model())
    document, tensors = unpack(tmp_path / "m", "model")
    document[part][key] = value
    (tmp_path / "m").write_bytes(pack("model", document, tensors))
    with pytest.raises(InputError, match="train"):
        load_model(tmp_path / "m")


@pytest.mark.parametrize("change", [{"stride": "2"}, {"note": None}, {"columns": ["loss"]}, {"columns": 3}])
def test_wrong_types_in_a_trace_are_refused(tmp_path, change):
    save_trace(tmp_path / "t", small_trace())
    document, tensors = unpack(tmp_path / "t", "trace")
    (tmp_path / "t").write_bytes(pack("trace", document | change, tensors))
    with pytest.raises(InputError, match="train the model again"):
        load_trace(tmp_path / "t")


def test_infinite_coefficients_are_kept_and_older_files_have_none(tmp_path):
    path, plain = tmp_path / "model.safetensors", small_model()
    save_model(path, plain)
    assert not load_model(path).infinite.any()
    n = len(plain.w)
    save_model(path, small_model(info=plain.info | {"infinite": [0, -1, 2, *[0] * (n - 3)]}))
    assert load_model(path).infinite.tolist()[:3] == [0, -1, 2]
    for wrong in ([0] * (n - 1), ["1"] * n, None):
        save_model(path, small_model(info=plain.info | {"infinite": wrong}))
        with pytest.raises(InputError, match="infinite"):
            load_model(path)
