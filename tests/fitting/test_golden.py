"""Fits of every method, storage and case give what they gave, and so do studies and the command line (golden_tools.py)."""

import json
import math

import numpy as np
import pytest

from golden_tools import FITS, PATH, facts, shown

GOLDEN = json.loads(PATH.read_text(encoding="utf-8"))
LATER = (
    "notes",
    "findings",
    "verdict",
    "relations",
    "ended",
    "n_checked",
    "step",
    "next",
    "n_entries",
    "variables",
    "infinite",
    "collinear",
    "threshold",
    "quality",
    "groups",
    "missing",
    "n_dropped",
    "part",
    "training",
)  # came later: codes, notes, the message without the proof, how much of a gradient was checked, columns, what was evaluated
RENAMED = {"svg": "picture"}  # keys of documents
STRENGTH = ("bound", "limit", "reduced", "ridge", "infimum", "none")  # of a proof, the strongest first


@pytest.mark.parametrize("name", FITS)
def test_fits_agree_within_both_certificates(name):
    before, now = GOLDEN["fits"][name], facts(*FITS[name])
    assert now["names"] == before["names"]
    assert (now["method"], now["reason"], now["warnings"]) == (before["method"], before["reason"], before["warnings"])
    assert STRENGTH.index(now["kind"]) <= STRENGTH.index(before["kind"])
    # Where a run ends below tol depends on its steps, and those on the instruction set.
    assert now["gap"] <= max(2.0 * before["gap"], now["tol"])
    if before["kind"] == "none" or "descent" in before["method"] or before["method"] == "sgd":
        # The same steps: no optimum to be compared with.
        assert now["epochs"] == before["epochs"]
        np.testing.assert_allclose(now["w"] + [now["b"]], before["w"] + [before["b"]], rtol=1e-7, atol=1e-9)
        return
    radius = np.array(now["coef"] + [now["intercept"]]) + np.array(before["coef"] + [before["intercept"]])
    distance = np.abs(np.array(now["w"] + [now["b"]]) - np.array(before["w"] + [before["b"]]))
    assert np.all(distance <= radius * (1 + 1e-9))
    if "ridge" not in (
        now["kind"],
        before["kind"],
    ):  # whose objective is reported without the ridge that the gap includes
        assert abs(now["objective"] - before["objective"]) <= now["gap"] + before["gap"] + 1e-14


def test_what_is_shown_of_them_is_the_same():
    compare(shown(), GOLDEN["shown"], "")


def compare(now, before, path):
    """Numbers to six digits, names and lengths alike; sentences may be put in other words."""
    if isinstance(before, dict):
        before = {RENAMED.get(name, name): value for name, value in before.items()}
        assert [name for name in now if name not in LATER or name in before] == list(before), path
        for name in before:
            if name not in ("seconds", "threads", "kernel", "created", "notes"):  # one note is of several columns now
                compare(now[name], before[name], f"{path}/{name}")
    elif isinstance(before, list):
        assert len(now) == len(before), path
        for k, (a, b) in enumerate(zip(now, before, strict=True)):
            compare(a, b, f"{path}/{k}")
    elif path.endswith("/reads"):
        assert now <= before * 1.05, path  # fewer will do
    elif isinstance(before, float) and isinstance(now, float | int):
        assert math.isclose(now, before, rel_tol=1e-6, abs_tol=1e-9), (path, now, before)
    elif not (isinstance(before, str) and " " in before):
        assert now == before, path
