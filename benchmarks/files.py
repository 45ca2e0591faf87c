"""A whole job on files: read a table, fit, read it again, predict: seconds and peak memory, beside the same job elsewhere.

    python benchmarks/files.py                               flights.csv, flights.parquet and adult.csv
    python benchmarks/files.py --table flights.csv           one of them; may be repeated
    python benchmarks/files.py --rows 100000 --rounds 1      fewer rows of flights
    python benchmarks/files.py --json a.json                 also write what was measured

flights is drawn: 1,000,000 rows of 6 numbers and 4 categories, one of them of 2,000 levels. adult is the census set of
`datasets.py`. Every job runs in processes of its own and writes one probability for each row. Seconds include the imports;
memory is the most that one of its processes held. The jobs of a table take turns.

Ours and scikit-learn's minimise the same objective: numbers standardised, one column for each level but the first, C = 1. They
stop at their default tolerances; the mean log-loss of what they predict shows how near they come. R's glm has no penalty, and
makes a dense matrix of all levels, which 1,000,000 rows of flights may be too many for.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from datasets import MissingDataError
from fit_tables import machine, machine_lines, number, seconds, table
from peers import quiet
from sets import frame

TABLES = ("flights.csv", "flights.parquet", "adult.csv")
TARGET = "y"
PACKAGES = ("chainrule", "scikit-learn", "pandas", "pyarrow")

OURS = """
import sys, chainrule, pyarrow as pa, pyarrow.csv, pyarrow.parquet as pq
path, out = sys.argv[1:]
def read():
    return pq.read_table(path) if path.endswith(".parquet") else pyarrow.csv.read_csv(path)
X = read()
model = chainrule.LogisticRegression(C=1.0, standardize=True).fit(X.drop_columns(["y"]), X["y"].to_numpy())
p = model.predict_proba(read().drop_columns(["y"]))[:, 1]
pyarrow.csv.write_csv(pa.table({"p": p}), out)
"""

SKLEARN = """
import sys, pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
path, out = sys.argv[1:]
def read():
    return pd.read_parquet(path) if path.endswith(".parquet") else pd.read_csv(path)
X = read()
y = X.pop("y")
numbers = list(X.select_dtypes("number"))
encode = make_column_transformer(
    (StandardScaler(), numbers), (OneHotEncoder(drop="first", handle_unknown="ignore"), [c for c in X if c not in numbers]))
model = make_pipeline(encode, LogisticRegression(C=1.0, max_iter=1000)).fit(X, y)
p = model.predict_proba(read().drop(columns="y"))[:, 1]
pd.DataFrame({"p": p}).to_csv(out, index=False)
"""

R = """
library(readr)
given <- commandArgs(trailingOnly = TRUE)
read <- function() as.data.frame(read_csv(given[1], show_col_types = FALSE))
X <- read()
model <- glm(as.integer(factor(y)) - 1 ~ ., data = X, family = binomial())
write_csv(data.frame(p = predict(model, read(), type = "response")), given[2])
"""


# A process starts with its parent's peak, so the parent is a small one. wait4 is of this child alone.
LAUNCHER = """
import os, subprocess, sys, time
started = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
said = process.stderr.read()
_, status, used = os.wait4(process.pid, 0)
print(time.perf_counter() - started, used.ru_utime + used.ru_stime, used.ru_maxrss)
sys.stderr.buffer.write(said)
sys.stdout.flush()
os._exit(os.waitstatus_to_exitcode(status) % 256)
"""


def draw(rows: int, seed: int = 0) -> pa.Table:
    """Draw flights: 6 numbers, carriers, airports by Zipf's law, aircraft of 2,000 levels; y depends on all of them."""
    rng = np.random.default_rng(seed)
    hour, distance = rng.integers(5, 24, rows), rng.gamma(2.0, 400.0, rows).round()
    numbers = {
        "month": rng.integers(1, 13, rows), "day": rng.integers(1, 32, rows), "hour": hour, "distance": distance,
        "wind": rng.gamma(2.0, 5.0, rows).round(1), "rain": np.maximum(rng.normal(-1.0, 2.0, rows), 0.0).round(2),
    }  # fmt: skip
    levels = {"carrier": 16, "origin": 120, "dest": 120, "aircraft": 2000}
    codes = {name: np.minimum(rng.zipf(1.3, rows) - 1, k - 1) if name in ("origin", "dest") else rng.integers(0, k, rows)
             for name, k in levels.items()}  # fmt: skip
    z = 0.08 * (hour - 14) + 0.03 * numbers["wind"] + 0.25 * numbers["rain"] - 0.0002 * distance - 1.8
    for name, k in levels.items():
        z = z + rng.normal(scale=0.4, size=k)[codes[name]]
    words = {name: np.array([f"{name}{j:04d}" for j in range(k)])[codes[name]] for name, k in levels.items()}
    late = np.where(rng.random(rows) < 1.0 / (1.0 + np.exp(-z)), "late", "on time")
    return pa.table({**numbers, **words, TARGET: late})


def adult() -> pa.Table:
    """Return the census set as a table, without missing cells, which scikit-learn's pipeline would refuse."""
    data = frame("adult")
    if data is None:
        raise MissingDataError("adult has no form as a table")
    columns = data.X.copy()
    for name in columns:
        if columns[name].dtype.kind not in "biuf":
            columns[name] = columns[name].astype(object).where(columns[name].notna(), "unknown").astype(str)
    columns[TARGET] = np.where(np.asarray(data.y) == 1, "more", "less")
    return pa.Table.from_pandas(columns, preserve_index=False)


def jobs(path: Path, folder: Path) -> dict[str, list[list[str]]]:
    """Return the commands of each job on a file: they run one after the other and count together."""
    out, python = str(folder / "p.csv"), [sys.executable, "-c"]
    model, command = str(folder / "m.safetensors"), [sys.executable, "-m", "chainrule"]
    made = {
        "chainrule, command line": [
            [*command, "fit", str(path), "--target", TARGET, "--C", "1", "--standardize", "--out", model, "-q"],
            [*command, "predict", model, str(path), "--out", out, "-q"],
        ],
        "chainrule, Python": [[*python, OURS, str(path), out]],
        "scikit-learn pipeline": [[*python, SKLEARN, str(path), out]],
    }
    if path.suffix == ".csv" and shutil.which("Rscript"):
        made["R, readr and glm"] = [["Rscript", "-e", R, str(path), out]]
    return made


def measured(commands: list[list[str]]) -> tuple[float, float, float]:
    """Run commands one after the other; return seconds and processor seconds in all, and the largest peak of one in MB."""
    took = busy = peak = 0.0
    for command in commands:
        done = subprocess.run([sys.executable, "-c", LAUNCHER, *command], capture_output=True, text=True, check=False)
        if done.returncode:
            said = [line.strip() for line in done.stderr.splitlines() if line.strip() not in ("", "Execution halted")]
            raise RuntimeError(said[-1] if said else f"exit {done.returncode}")
        spent, computed, size = map(float, done.stdout.split())
        took, busy, peak = (
            took + spent,
            busy + computed,
            max(peak, size * (1 if sys.platform == "darwin" else 1024) / 1e6),
        )
    return took, busy, peak


def loss_of(out: Path, y: np.ndarray) -> float:
    """Compute the mean log-loss of the probabilities that a job wrote."""
    told = pyarrow.csv.read_csv(out)
    p = told["probability" if "probability" in told.column_names else "p"].to_numpy()
    return float(-np.log(np.clip(np.where(y, p, 1.0 - p), 1e-300, None)).mean())


def compare(path: Path, rounds: int) -> dict[str, Any]:
    """Run all jobs on a file, in turns, and report what each took, and the loss of what it predicts."""
    given = pq.read_table(path) if path.suffix == ".parquet" else pyarrow.csv.read_csv(path)
    labels = np.asarray(given[TARGET].to_pylist())
    y, shape = labels == max(set(labels.tolist())), (given.num_rows, given.num_columns - 1)
    found: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds):
            for name, commands in jobs(path, Path(folder)).items():
                job = found.setdefault(
                    name, {"seconds": [], "processor": [], "peak_mb": [], "loss": None, "failed": None}
                )
                try:
                    figures = measured(commands)
                except RuntimeError as error:
                    job["failed"] = str(error)
                    continue
                for key, figure in zip(("seconds", "processor", "peak_mb"), figures, strict=True):
                    job[key].append(figure)
                job["loss"] = loss_of(Path(folder) / "p.csv", y)
    return {"table": path.name, "rows": shape[0], "columns": shape[1], "mb": path.stat().st_size / 1e6, "jobs": found}


def shown(report: dict[str, Any]) -> str:
    """Write a line for each job: the least of its seconds, its largest peak, and their ratios to the first job's."""
    rows, first = [], next(iter(report["jobs"].values()))
    for name, job in report["jobs"].items():
        if job["failed"] or first["failed"]:
            rows.append(
                [name, f"failed: {job['failed']}" if job["failed"] else seconds(min(job["seconds"])), *[""] * 5]
            )
            continue
        least, peak = min(job["seconds"]), max(job["peak_mb"])
        ratios = f"{least / min(first['seconds']):.2f}", f"{peak / max(first['peak_mb']):.2f}"
        figures = [seconds(least), ratios[0], seconds(min(job["processor"])), number(peak, ".0f"), ratios[1]]
        rows.append([name, *figures, f"{job['loss']:.6f}"])
    head = f"### {report['table']}: {report['rows']:,} rows, {report['columns']} columns, {report['mb']:.1f} MB"
    lines = table(["job", "seconds", "ratio", "processor", "peak MB", "ratio", "mean log-loss"], rows)
    without_r = "" if shutil.which("Rscript") else "\n\nWithout R: Rscript is not installed."
    return f"{head}\n\n{lines}{without_r}\n"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", action="append", choices=TABLES, help="one of them; may be repeated")
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of flights")
    parser.add_argument("--rounds", type=int, default=3, help="rounds in which the jobs take turns")
    parser.add_argument("--json", type=Path, help="write what was measured to this file")
    asked = parser.parse_args(arguments)
    quiet()
    document: dict[str, Any] = {"machine": machine({name: version(name) for name in PACKAGES}), "tables": []}
    print(machine_lines(document["machine"]), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for name in asked.table or TABLES:
            path = Path(folder) / name
            try:
                made = draw(asked.rows) if name.startswith("flights") else adult()
            except MissingDataError as error:
                print(f"{name}: {error}", flush=True)
                continue
            pq.write_table(made, path) if path.suffix == ".parquet" else pyarrow.csv.write_csv(made, path)
            del made
            document["tables"].append(compare(path, asked.rounds))
            print(shown(document["tables"][-1]), flush=True)
            if asked.json:
                asked.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
