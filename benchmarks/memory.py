"""Free memory, and a fit in a separate process: its peak memory beyond the data, or whether it ends in time."""

import ctypes
import gc
import json
import pickle
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
from designs import Workload
from peers import SOLVERS, quiet, setting_of


def put(data: Workload, folder: Path) -> None:
    """Save the data where a child process finds them."""
    with (folder / "data").open("wb") as file:
        pickle.dump(data, file, protocol=5)


def in_child(name: str, setting: str, folder: Path, timeout: float | None = None) -> float | None:
    """Fit in a child process, which can be ended at any time; returns the peak memory beyond the data in MB, if known."""
    command = [sys.executable, __file__, json.dumps([name, setting, str(folder)])]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout)
    return float(done.stdout.split()[-1]) if done.returncode == 0 and done.stdout.strip() else None


def size_in(path: str, key: str) -> float | None:
    """Read a size in bytes from a file of /proc; None if there is none."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError:
        return None
    return next((int(row.split()[1]) * 1024.0 for row in text.splitlines() if row.startswith(key)), None)


def free_memory() -> float:
    found = size_in("/proc/meminfo", "MemAvailable:")
    return float("inf") if found is None else found


def memory_of(asked: str) -> None:
    name, setting, folder = json.loads(asked)
    with (Path(folder) / "data").open("rb") as file:
        data = pickle.load(file)
    fit = SOLVERS[name].whole(setting_of(name, setting), data)
    few = np.concatenate([np.flatnonzero(data.y == 0)[:50], np.flatnonzero(data.y == 1)[:50]])
    with suppress(Exception):  # in a few rows a column may be constant, or missing
        fit(data.rows(few), data.y[few])  # libraries and thread pools don't count as the fit's memory
    gc.collect()
    with suppress(Exception):  # only glibc has it
        ctypes.CDLL(None).malloc_trim(0)  # otherwise the second fit may or may not reuse what the first freed
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # the peak is measured from here
    # Not getrusage's maximum: a child starts with its parent's maximum.
    before = size_in("/proc/self/status", "VmRSS:")
    fit(data.X, data.y)
    after = size_in("/proc/self/status", "VmHWM:")
    if before is not None and after is not None:
        print(max(0.0, after - before) / 1e6)


if __name__ == "__main__":
    quiet()
    memory_of(sys.argv[1])
