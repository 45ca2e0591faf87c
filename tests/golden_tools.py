"""Sixty fits and what is shown of them, as they are to stay: `python tests/golden_tools.py` writes tests/golden.json anew."""

import contextlib
import io
import json
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import scipy.sparse as sp

import chainrule
from chainrule import fit, studies
from chainrule.cli import main
from cli_tools import FIT, copy_penguins

PATH = Path(__file__).parent / "golden.json"
NEWTON = {"method": "newton"}
CG = {"method": "newton-cg", "alpha": 1e-3}
DESCENT = {"method": "gradient-descent", "max_reads": 60, "standardize": True}
SGD = {"method": "sgd", "max_reads": 6, "batch_size": 16, "seed": 3, "standardize": True}


def numbers(m=600, n=6, offset=0.0, seed=1):
    """Columns of several scales, and labels of both classes."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(m, n)) * 2.0 ** rng.integers(-3, 4, n) + offset
    z = (X - offset) @ (rng.normal(size=n) / X.std(axis=0)) - 0.5
    return X, (rng.random(m) < 1.0 / (1.0 + np.exp(-z))).astype(int)


def table(m=900, seed=2, missing=True):
    """Numbers, some missing, and categories, one of Zipf's law with rare levels."""
    rng = np.random.default_rng(seed)
    x, k, place = rng.normal(size=m), rng.integers(0, 50, m), np.minimum(rng.zipf(1.6, m), 25)
    z = x - 0.02 * k + 0.2 * (place % 3) - 0.3
    y = np.where(rng.random(m) < 1.0 / (1.0 + np.exp(-z)), "yes", "no")
    frame = pd.DataFrame(
        {"x": x, "k": k, "place": pd.Categorical([f"p{p}" for p in place]), "day": rng.choice(list("abcd"), m)}
    )
    if missing:
        frame.loc[rng.random(m) < 0.05, "x"] = np.nan
    return frame, y


def words(m=700, n=400, seed=3):
    """Rows of counts, sparse."""
    rng = np.random.default_rng(seed)
    X = sp.random_array(
        (m, n), density=0.03, rng=rng, format="csr", data_sampler=lambda size: rng.integers(1, 5, size).astype(float)
    )
    return X, (rng.random(m) < 1.0 / (1.0 + np.exp(1.0 - X @ rng.normal(size=n)))).astype(int)


def weights(m, seed=4):
    return np.random.default_rng(seed).choice([0.0, 0.5, 1.0, 3.0], m)


def collinear(near=0.0):
    X, y = numbers()
    X[:, 5] = X[:, 0] + 2.0 * X[:, 1] + near * np.random.default_rng(5).normal(size=len(X))
    return X, y


def separated():
    X, _ = numbers()
    return X, (X[:, 0] / X[:, 0].std() + X[:, 1] / X[:, 1].std() > 0.1).astype(int)


def one_class_level():
    frame, y = table(missing=False)
    return frame, np.where(frame["place"] == "p7", "yes", y)


def _float32():
    X, y = numbers()
    return X.astype(np.float32), y


def _strided():
    X, y = numbers()
    wide = np.zeros((len(X), 13))
    wide[:, 1::2] = X
    return wide[:, 1::2], y


def _arrow():
    frame, y = table()
    return pa.Table.from_pandas(frame, preserve_index=False), y


def _weighted(data):
    X, y = data
    return X, y, {"sample_weight": weights(len(y))}


STORAGES: dict[str, Callable] = {
    "dense": numbers,
    "fortran": lambda: (np.asfortranarray(numbers()[0]), numbers()[1]),
    "float32": _float32,
    "strided": _strided,
    "weighted": lambda: _weighted(numbers()),
    "far": lambda: numbers(offset=1e5),
    "csr": words,
    "csr weighted": lambda: _weighted(words()),
    "frame": table,
    "frame weighted": lambda: _weighted(table()),
    "arrow": _arrow,
    "tall": lambda: numbers(m=30_000, n=12),
    "wide": lambda: numbers(m=80, n=200),
}
PENALIZED = {"alpha": 1e-2}
FITS: dict[str, tuple[Callable, dict]] = {
    **{
        f"newton, {name}": (make, NEWTON | (PENALIZED if name in ("csr", "csr weighted", "wide") else {}))
        for name, make in STORAGES.items()
    },
    **{
        f"newton, penalty, {name}": (STORAGES[name], NEWTON | PENALIZED)
        for name in ("dense", "frame", "arrow", "weighted", "tall")
    },
    **{f"newton-cg, {name}": (make, CG) for name, make in STORAGES.items() if name not in ("fortran", "strided")},
    **{
        f"gradient descent, {name}": (STORAGES[name], DESCENT)
        for name in ("dense", "float32", "weighted", "far", "frame")
    },
    **{f"sgd, {name}": (STORAGES[name], SGD) for name in ("dense", "float32", "weighted", "strided")},
    "sgd, inverse": (numbers, SGD | {"schedule": "inverse", "alpha": 0.1}),
    "auto, dense": (numbers, {}),
    "auto, csr": (words, {"alpha": 1e-3}),
    "auto, wide": (STORAGES["wide"], {"alpha": 1e-3}),
    "auto, all levels": (table, {"coding": "all", "alpha": 1e-3}),
    "standardized": (numbers, PENALIZED | {"standardize": True}),
    "centred": (STORAGES["far"], {"standardize": "center"}),
    "some standardized": (numbers, PENALIZED | {"standardize": np.array([1, 0, 1, 0, 0, 1], dtype=bool)}),
    "no intercept": (numbers, NEWTON | {"fit_intercept": False}),
    "no intercept, penalty, csr": (words, CG | {"fit_intercept": False}),
    "loose": (STORAGES["tall"], NEWTON | {"tol": 1e-4}),
    "tight": (STORAGES["tall"], NEWTON | {"tol": 0.0}),
    "stopped": (numbers, NEWTON | {"max_reads": 2}),
    "descent, too fast": (numbers, DESCENT | {"learning_rate": 50.0}),
    "descent, slow": (numbers, DESCENT | {"learning_rate": 1e-3, "standardize": False}),
    "collinear": (collinear, {}),
    "collinear, penalty": (collinear, PENALIZED),
    "nearly collinear": (lambda: collinear(1e-9), {}),
    "all levels, collinear": (lambda: table(missing=False), {"coding": "all"}),
    "separated": (separated, {}),
    "separated, penalty": (separated, PENALIZED),
    "separated, descent": (separated, DESCENT),
    "one-class level": (one_class_level, {}),
    "one-class level, penalty": (one_class_level, {"alpha": 1e-4}),
}


def facts(make, options):
    """What of a fit is to stay."""
    X, y, *more = make()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = fit(X, y, **options, **(more[0] if more else {}))
    of = result.certificate
    return {
        "method": result.method,
        "reason": result.reason,
        "kind": of.kind,
        "tol": result.tol,
        "gap": of.gap,
        "objective": result.objective,
        "w": result.w.tolist(),
        "b": result.b,
        "coef": of.coef.tolist(),
        "intercept": of.intercept,
        "names": list(result.feature_names),
        "warnings": sorted({w.category.__name__ for w in caught if issubclass(w.category, chainrule.ChainruleWarning)}),
        "epochs": result.n_epochs,
    }


def shown():
    """Studies, and what the command line says of a table, a model and a row."""
    X, y = numbers(m=120, n=2)
    found = {
        f"study, {study.__name__}": study(X, y, feature_names=["u", "v"]).to_dict()
        for study in (studies.learning_rate, studies.centering, studies.scaling, studies.batches)
    }
    with tempfile.TemporaryDirectory() as folder:
        penguins, model = copy_penguins(Path(folder)), Path(folder) / "model.safetensors"
        commands = {
            "fit": ["fit", penguins, *FIT, "--out", model],
            "descent": ["fit", penguins, *FIT, "--epochs", 30, "--out", Path(folder) / "descent.safetensors"],
            "certify": ["certify", model, penguins],
            "evaluate": ["evaluate", model, penguins],
            "explain": ["explain", Path(folder) / "descent.safetensors", penguins, "--row", 5, "--epoch", 10],
            "no such column": ["fit", penguins, "--target", "nothing"],
        }
        for name, argv in commands.items():
            out = io.StringIO()
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
                code = main([*map(str, argv), *(["--json"] if name != "no such column" else [])])
            found[name] = {"exit code": code, "says": json.loads(out.getvalue() or "{}")}
    # As JSON has them; paths differ from run to run.
    return json.loads(json.dumps(found, default=float).replace(folder, ""))


if __name__ == "__main__":
    document = {"fits": {name: facts(*case) for name, case in FITS.items()}, "shown": shown()}
    PATH.write_text(json.dumps(document, default=float) + "\n", encoding="utf-8")
