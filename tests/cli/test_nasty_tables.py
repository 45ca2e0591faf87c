"""Five tables as nasty as real files are: each gives the model that its clean numbers give."""

import gzip
import json
import warnings
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import chainrule
from chainrule.cli import main
from cli_tools import run

__all__ = ["run"]

M = 400


def labels(z, rng):
    return rng.random(len(z)) < 1.0 / (1.0 + np.exp(-z))


def german(x, digits=2):
    return f"{x:,.{digits}f}".translate(str.maketrans(",.", ".,"))


def bank(folder, rng):
    """Semicolons, Windows-1252, decimal commas, thousands points, percent signs, padded codes, dates, a number per customer."""
    amount, rate = rng.lognormal(8.0, 1.0, M).round(2), rng.uniform(0.5, 14.0, M).round(1)
    street, branch = rng.choice(["Straße", "Gasse", "Allee", "Weg"], M), rng.choice(["00042", "00107", "00110"], M)
    opened = np.array([date(2015, 1, 1) + timedelta(days=int(d)) for d in rng.integers(0, 3000, M)])
    y = labels(0.4 * (rate - 7.0) + 0.5 * (np.log(amount) - 8.0) + (street == "Weg"), rng)
    rows = zip(amount, rate, street, branch, opened, y, strict=True)
    lines = ["Kundennummer;Betrag;Zins;Straße;Filiale;Eröffnet;Ausfall"]
    lines += [
        f"K{k:06d};{german(a)};{german(r, 1)} %;{s};{b};{d.isoformat()};{'ja' if bad else 'nein'}"
        for k, (a, r, s, b, d, bad) in enumerate(rows)
    ]
    (folder / "bank.csv").write_bytes("\r\n".join(lines).encode("cp1252"))
    clean = {"Betrag": amount, "Zins": rate, "Straße": street, "Filiale": branch, "Eröffnet": opened}
    return ["bank.csv"], ["--target", "Ausfall"], clean, np.where(y, "ja", "nein")


def survey(folder, rng):
    """Tabs in a zipped .csv with a byte-order mark, quoted line breaks, blanks in many ways, empty and constant columns."""
    age, rating = rng.integers(18, 90, M).astype(float), rng.integers(1, 6, M)
    town = rng.choice(['Aix, "old"', "Bonn\nSüd", "Cork"], M)
    y = labels(0.04 * (age - 50.0) + 0.3 * (rating - 3.0) - (town == "Cork"), rng)
    age[rng.choice(M, 60, replace=False)] = np.nan
    blanks = ["", "NA", "n/a", "-", "null"]
    lines = ["age\trating\ttown\tempty\tcountry\tanswer"]
    for k in range(M):
        shown = blanks[k % 5] if np.isnan(age[k]) else f"{age[k]:g}"
        text = '"' + town[k].replace('"', '""') + '"'
        lines.append(f"{shown}\t{rating[k]}\t{text}\t\tFR\t{'yes' if y[k] else 'no'}")
    (folder / "survey.csv.gz").write_bytes(gzip.compress("\ufeff".encode() + "\n".join(lines).encode()))
    options = ["--target", "answer", "--na", "n/a", "--na", "-", "--drop", "empty"]
    return ["survey.csv.gz"], options, {"age": age, "rating": rating, "town": town}, np.where(y, "yes", "no")


def ward(folder, rng):
    """Parquet with decimals, booleans, times of a zone, a column of nothing, names with signs, and a level of one class."""
    dose, smokes = rng.gamma(2.0, 10.0, M).round(2), rng.random(M) < 0.4
    when = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=int(h)) for h in rng.integers(0, 9000, M)]
    ward_ = rng.choice(["A", "B", "C", "ICU"], M, p=[0.4, 0.3, 0.3, 0.0])
    y = labels(0.05 * (dose - 20.0) + smokes, rng)
    ward_[np.flatnonzero(y)[:9]] = "ICU"
    table = pa.table(
        {
            "dose = mg": pa.array([Decimal(f"{d:.2f}") for d in dose], pa.decimal128(8, 2)),
            "smokes 🚬": smokes,
            "ward": pa.array(ward_).dictionary_encode(),
            "admitted": pa.array(when, pa.timestamp("us", "UTC")),
            "note": pa.nulls(M),
            "died": pa.array(y),
        }
    )
    pq.write_table(table, folder / "ward.parquet")
    clean = {
        "dose = mg": dose,
        "smokes 🚬": np.where(smokes, "true", "false"),
        "ward": ward_,
        "admitted": np.array(when),
    }
    return ["ward.parquet"], ["--target", "died", "--drop", "note"], clean, y


def events(folder, rng):
    """JSON lines whose keys come in any order, some missing, whole numbers among fractions, and a list that is dropped."""
    price, clicks = rng.exponential(20.0, M).round(1), rng.integers(0, 40, M)
    device = rng.choice(["phone", "tablet", "日本"], M)
    y = labels(0.05 * (price - 20.0) - 0.05 * (clicks - 20.0) + (device == "phone"), rng)
    clicks = clicks.astype(float)
    clicks[rng.choice(M, 80, replace=False)] = np.nan
    lines = []
    for k in range(M):
        entry = {"price": int(price[k]) if price[k] == int(price[k]) else price[k], "device": device[k], "tags": ["x"]}
        entry |= {} if np.isnan(clicks[k]) else {"clicks": int(clicks[k])}
        entry["bought"] = "yes" if y[k] else "no"
        keys = rng.permutation(list(entry)) if k else list(entry)
        lines.append(json.dumps({key: entry[key] for key in keys}, ensure_ascii=False))
    (folder / "events.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    clean = {"price": price, "device": device, "clicks": clicks}
    return ["events.jsonl"], ["--target", "bought", "--drop", "tags"], clean, np.where(y, "yes", "no")


def parts(folder, rng):
    """A folder of files whose columns come in another order, one in UTF-16."""
    x, group = rng.normal(size=M).round(3), rng.choice(["a", "b", "c"], M)
    y = np.where(labels(x + (group == "b"), rng), "1", "0")
    at, half = folder / "parts", M // 2
    at.mkdir()
    first = "\n".join(["x,group,y", *(f"{x[k]},{group[k]},{y[k]}" for k in range(half))])
    second = "\n".join(["y,group,x", *(f"{y[k]},{group[k]},{x[k]}" for k in range(half, M))])
    (at / "1.csv").write_text(first)
    (at / "2.csv").write_bytes(second.encode("utf-16"))
    return ["parts"], ["--target", "y"], {"x": x, "group": group}, y


TABLES = (bank, survey, ward, events, parts)


def fitted(clean, y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", chainrule.SeparationWarning)  # one of the tables has a level of one class
        return chainrule.fit(clean, y)


@pytest.fixture(params=TABLES, ids=lambda make: make.__name__)
def nasty(request, tmp_path, monkeypatch, rng):
    monkeypatch.chdir(tmp_path)
    return request.param(tmp_path, rng)


def test_a_nasty_file_gives_the_model_of_its_clean_numbers(nasty, run):
    files, options, clean, y = nasty
    done = run("fit", *files, *options, "--out", "m.safetensors", "--report", "r.html", "--json")
    assert done.code == 0, done.err
    told = json.loads(done.out)
    result = fitted(clean, y)
    found = {each["name"]: each["w"] for each in told["coefficients"]}
    expected = dict(zip(result.feature_names, result.w, strict=True))
    assert set(found) == set(expected)
    for name, w in expected.items():
        assert found[name] == pytest.approx(w, rel=1e-7, abs=1e-9), name


@pytest.mark.parametrize("command", ["predict", "evaluate", "certify"])
def test_a_model_reads_its_nasty_file_again(nasty, run, command):
    files, options, _, _ = nasty
    assert run("fit", *files, *options, "--out", "m.safetensors", "--quiet").code == 0
    done = run(command, "m.safetensors", *files, "--json")
    assert done.code == 0, done.err
    document = json.loads(done.out)
    if command == "evaluate":
        assert 0.5 < document["figures"]["auc"] <= 1.0


def test_a_row_of_a_nasty_file_is_explained(nasty, run):
    files, options, _, _ = nasty
    assert run("fit", *files, *options, "--out", "m.safetensors", "--quiet").code == 0
    assert run("explain", "m.safetensors", *files, "--row", "7").code == 0


@pytest.mark.parametrize("make", TABLES, ids=lambda make: make.__name__)
def test_predictions_do_not_depend_on_the_file_but_on_its_numbers(make, tmp_path, monkeypatch, rng, run):
    monkeypatch.chdir(tmp_path)
    files, options, clean, y = make(tmp_path, rng)
    assert main(["fit", *files, *options, "--out", "m.safetensors", "--quiet"]) == 0
    model, rows = chainrule.load("m.safetensors"), dict(clean)
    if "Zins" in rows:  # a number could be 13 or 0.13
        with pytest.raises(
            chainrule.InputError, match="column 'Zins' held percentages in training and holds numbers here"
        ):
            model.predict_proba(clean)
        rows["Zins"] = [f"{german(rate, 1)} %" for rate in rows["Zins"]]
    assert model.predict_proba(rows)[:, 1] == pytest.approx(fitted(clean, y).predict_proba(clean)[:, 1], abs=1e-8)
