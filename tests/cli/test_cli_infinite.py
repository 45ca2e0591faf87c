"""Infinite coefficients on the command line: what `fit`, `predict`, `explain` and `certify` say of them."""

import json

from cli_tools import run

__all__ = ["run"]

SEPARATED = ("x,c,d,y\n" + "".join(
    f"{(7 * i) % 11 - 5},{c},{d},{'yes' if c == 'up' or (d != 'down' and i // 6 % 3 == 0) else 'no'}\n"
    for i, (c, d) in enumerate([("a", "u"), ("b", "v"), ("b", "u"), ("a", "v"), ("up", "u"), ("a", "down")] * 15)
))  # fmt: skip
NEW = "x,c,d\n0,up,u\n0,a,down\n0,up,down\n0,a,u\n"


def test_infinite_coefficients_are_said_and_predicted_for_certain(run, tmp_path, monkeypatch):
    """From fit to predict: words for the coefficients, 0, 1 and undetermined for the rows; nothing in JSON is infinite."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text(SEPARATED)
    (tmp_path / "new.csv").write_text(NEW)
    code, out, err = run(
        "fit", "t.csv", "--target", "y", "--alpha", "0", "--out", "m.safetensors", "--report", "r.html"
    )
    assert code == 0
    assert "infinite" in out.splitlines()[0]
    (line,) = (line.split() for line in out.splitlines() if line.strip().startswith("up (rare)"))
    assert line[2:] == ["15", "inf", "inf"]
    (line,) = (line.split() for line in out.splitlines() if line.strip().startswith("down (rare)"))
    assert line[2:5] == ["15", "-inf", "0"]
    assert run("fit", "t.csv", "--target", "y", "--alpha", "0", "--strict")[0] == 3
    code, out, err = run("predict", "m.safetensors", "new.csv")
    assert [line.split(",")[1:] for line in out.splitlines()[1:4]] == [
        ["1.0", "yes"],
        ["0.0", "no"],
        ["", "undetermined"],
    ]
    assert "1 row" in err
    document = json.loads(run("predict", "m.safetensors", "new.csv", "--json")[1])
    assert [entry["probability"] for entry in document["predictions"][:3]] == [1.0, 0.0, None]
    fitted = json.loads(
        run("fit", "t.csv", "--target", "y", "--alpha", "0", "--json")[1], parse_constant=lambda name: 1 / 0
    )
    odds = {entry["name"]: (entry["infinite"], entry["odds_ratio"]) for entry in fitted["coefficients"]}
    assert odds["c=up"] == (1, None)
    assert odds["d=down"] == (-1, 0.0)


def test_what_explains_and_certifies_them_stays_finite(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text(SEPARATED)
    assert run("fit", "t.csv", "--target", "y", "--alpha", "0", "--out", "m.safetensors")[0] == 0
    code, out, err = run("explain", "m.safetensors", "t.csv", "--row", "5", "--json")
    told = json.loads(out, parse_constant=lambda name: 1 / 0)["explanation"]
    assert code == 0
    assert 1.0 - 1e-7 < told["g"] < 1.0
    assert "probability is 1" in err
    proven = json.loads(run("certify", "m.safetensors", "t.csv", "--json")[1])["certificate"]
    assert proven["kind"] == "infimum"
    assert proven["gap"] <= 2e-8


def test_rows_of_unknown_label_may_be_undetermined(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text(SEPARATED + "0,up,down,\n")
    given = ("fit", "t.csv", "--target", "y", "--alpha", "0")
    assert json.loads(run(*given, "--json")[1])["predictions"] == [
        {"row": 91, "probability": None, "class": "undetermined"}
    ]
    assert run(*given, "--report", "r.html")[0] == 0
    assert "undetermined" in (tmp_path / "r.html").read_text()
