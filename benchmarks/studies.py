"""How long each study takes on a table of 1,000,000 rows and 10 columns, from a Parquet file to a page.

Runs `chainrule study ...` as a user does, in a separate process; prints seconds and its peak memory.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

STUDIES = {
    "learning-rate": ["--target", "y"],
    "centering": ["--target", "y", "--x", "x1", "--y", "x2"],
    "scaling": ["--target", "y"],
    "batches": ["--target", "y"],
}


def write_table(path: Path, rows: int, columns: int) -> None:
    """Write columns with scales from 1 to 100 and means a few deviations from 0, and a y that depends on them."""
    rng = np.random.Generator(np.random.PCG64(0))
    X = rng.standard_normal((rows, columns))
    y = X @ np.linspace(-1.0, 1.0, columns) + rng.logistic(size=rows) > 0
    X = (X + np.linspace(0.0, 3.0, columns)) * np.logspace(0, 2, columns)
    table = pa.table({f"x{j + 1}": X[:, j] for j in range(columns)} | {"y": np.where(y, "yes", "no")})
    pq.write_table(table, path)


def main() -> None:
    """Time the studies."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=10)
    parser.add_argument("studies", nargs="*", help=f"some of {', '.join(STUDIES)}; all if none is named")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "table.parquet"
        write_table(table, given.rows, given.columns)
        print(f"{given.rows:,} rows x {given.columns} columns, {table.stat().st_size / 2**20:.0f} MB of Parquet")
        for name in given.studies or STUDIES:
            command = [sys.executable, "-m", "chainrule", "study", name, str(table), *STUDIES[name]]
            started = time.perf_counter()
            done = subprocess.run(
                [*command, "--out", str(Path(folder) / "study.html")], check=True, capture_output=True, text=True
            )
            seconds = time.perf_counter() - started
            peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
            print(f"\n{name}: {seconds:.1f} s, {peak:.2f} GB at most so far\n{done.stdout}", flush=True)


if __name__ == "__main__":
    main()
