"""Files that are read some rows at a time: the same predictions and figures as of the whole, and the same mistakes."""

import csv
import json
import re

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from chainrule.data import text_files, typed_files
from chainrule.data.files import read_batches, read_table
from chainrule.data.tables import encode_table
from chainrule.losses import sigmoid
from chainrule.model.model import load_model
from chainrule.training import figures
from cli_tools import assert_mistake, run  # noqa: F401

pytestmark = pytest.mark.usefixtures("any_mark")

M = 4000


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    monkeypatch.setattr(text_files, "STREAM_BLOCK", 1 << 13)
    monkeypatch.setattr(typed_files, "BATCH_ROWS", 300)


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    x = rng.normal(size=M)
    x[rng.random(M) < 0.1] = np.nan
    return pa.table({
        "x": pa.array(x, from_pandas=True),
        "k": rng.integers(0, 9, M),
        "word": rng.choice(["01", "2", "a,b", 'say "so"'], M),
        "flag": rng.random(M) > 0.5,
        "s": rng.integers(1, 4, M),
        "y": np.where(rng.random(M) < 0.2, None, np.where(rng.random(M) < 1 / (1 + np.exp(-np.nan_to_num(x))), "yes", "no,")),
    })  # fmt: skip


@pytest.fixture
def trained(run, table, tmp_path):  # noqa: F811
    paths = {"csv": tmp_path / "t.csv", "parquet": tmp_path / "t.parquet"}
    pyarrow.csv.write_csv(table, paths["csv"])
    pq.write_table(table, paths["parquet"])
    model = tmp_path / "m.safetensors"
    assert run("fit", paths["csv"], "--target", "y", "--weights", "s", "--out", model, "-q").code == 0
    return model, paths


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_batches_have_the_rows_of_the_whole(trained, kind):
    path, model = trained[1][kind], load_model(trained[0])
    batches = list(read_batches(path, model.schema))
    assert len(batches) > 9
    parts = [encode_table(model.schema, batch, need_target=True) for batch in batches]
    whole = encode_table(model.schema, read_table(path, text=model.schema.text_columns), need_target=True)
    np.testing.assert_array_equal(np.concatenate([part.X for part in parts]), whole.X)
    np.testing.assert_array_equal(np.concatenate([part.y for part in parts]), whole.y)
    np.testing.assert_array_equal(np.concatenate([part.weights for part in parts]), whole.weights)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_predictions_and_figures_are_those_of_the_whole(run, trained, kind):  # noqa: F811
    model_path, path = trained[0], trained[1][kind]
    model = load_model(model_path)
    whole = encode_table(model.schema, read_table(path, text=model.schema.text_columns), need_target=True)
    rows = list(csv.reader(run("predict", model_path, path, "-q", "--digits", 17).out.splitlines()))
    assert [int(row[0]) for row in rows[1:]] == list(range(1, M + 1))
    assert [float(row[1]) for row in rows[1:]] == sigmoid(model.decision(whole.blocks)).tolist()
    assert {row[2] for row in rows[1:]} == {"yes", "no,"}
    told = json.loads(run("predict", model_path, path, "--json", "-q", "--digits", 17).out)["predictions"]
    assert [[str(entry["row"]), repr(entry["probability"]), entry["class"]] for entry in told] == rows[1:]
    known = np.isfinite(whole.y)
    z = model.decision(whole.blocks)
    found = json.loads(run("evaluate", model_path, path, "--json").out)["figures"]
    assert found == figures(z[known], whole.y[known], whole.weights[known])


def test_a_wrong_cell_far_down_is_named_by_its_row_and_nothing_is_written(run, trained):  # noqa: F811
    model, paths = trained
    lines = paths["csv"].read_text().splitlines()
    lines[3500] = lines[3500].replace(",", ",heavy", 1)
    paths["csv"].write_text("\n".join(lines) + "\n")
    assert_mistake(run("predict", model, paths["csv"]), "column k", "heavy", "row 3500")
    lines[3500] = "1,2"
    paths["csv"].write_text("\n".join(lines) + "\n")
    assert_mistake(run("predict", model, paths["csv"]), "row 3500 has 2 cells")


def test_what_training_never_saw_is_counted_over_all_batches_or_refused(run, trained):  # noqa: F811
    model, paths = trained
    lines = paths["csv"].read_text().replace(',"2",', ',"new",').splitlines()
    paths["csv"].write_text("\n".join(lines) + "\n")
    count = sum(',"new",' in line for line in lines)
    outcome = run("predict", model, paths["csv"])
    assert outcome.code == 0
    assert re.search(rf"column word: {count:,} rows .*\(new\).* reference 01\n", outcome.err)
    outcome = run("evaluate", model, paths["csv"], "--unseen", "error")
    assert_mistake(outcome, "column word has 'new' in row", "--unseen reference")
    assert_mistake(run("predict", model, paths["csv"], "--unseen", "missing"), "column word has 'new' in row")
    assert_mistake(run("predict", model, paths["csv"], "--unseen", "first"), "--unseen", "not 'first'")


def test_a_cell_of_megabytes_is_read(run, tmp_path):  # noqa: F811
    path = tmp_path / "t.csv"
    words = ["u", "v" * 3_000_000, "w"]
    path.write_text("x,word,y\n" + "".join(f"{k},{words[k % 3]},{'ab'[k % 2]}\n" for k in range(12)))
    model = tmp_path / "m.safetensors"
    assert run("fit", path, "--target", "y", "--alpha", "0.1", "--out", model, "-q").code == 0
    assert len(run("predict", model, path, "-q").out.splitlines()) == 13
