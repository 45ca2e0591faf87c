"""Cost against size: seconds of a whole fit along one axis, and the exponent of a power law fitted to them."""

import math
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fit_tables
import numpy as np
from designs import Workload, rows_of
from ladder import OvertimeError, said_of, time_limit, timed
from memory import in_child, put
from peers import Setting, Solver
from workloads import A_ROW, documents, mixed_columns, normal

ROWS = [10_000, 31_623, 100_000, 316_228, 1_000_000, 3_162_278, 10_000_000]  # half a decade per step, 20 columns
COLUMNS = [10, 20, 50, 100, 200, 500, 1000]  # of 50,000 rows
LEVELS = [10, 100, 1000, 10_000, 100_000]  # of one category of 1,000,000 rows, with another of 10 and four numbers
NONZEROS = [10, 30, 100, 300]  # per row of 100,000 x 100,000 in CSR
DOCUMENTS = [10_000, 31_623, 100_000, 316_228]  # rows of 60 words out of 100,000


@dataclass(frozen=True)
class Axis:
    """What grows, and the data at each size; `fraction` scales the rows."""

    sizes: list[int]
    make: Callable[[int, float], Workload]


AXES = {
    "rows": Axis(ROWS, lambda m, fraction: normal(rows_of(m, fraction), 20)),
    "columns": Axis(COLUMNS, lambda n, fraction: normal(rows_of(50_000, fraction), n)),
    "levels": Axis(LEVELS, lambda k, fraction: mixed_columns(f"{k} levels", rows_of(1_000_000, fraction), 4, (10, k))),
    "nonzeros": Axis(NONZEROS, lambda k, fraction: documents(f"{k} a row", rows_of(100_000, fraction), 100_000, k)),
    "documents": Axis(DOCUMENTS, lambda m, fraction: documents(f"{m} rows", rows_of(m, fraction), 100_000, A_ROW)),
}


def exponent(sizes: list[float], seconds: list[float]) -> float:
    """Slope of log(seconds) over log(size) by least squares; nan from fewer than two."""
    if len(sizes) < 2:
        return math.nan
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def setting_for(solver: Solver) -> Setting:
    """Choose ours at its default, and a peer at the rung nearest to 1e-6."""
    return min(solver.settings, key=lambda s: 0.0 if s.tol is None else abs(math.log10(s.tol) + 6))


def stored(data: Workload) -> int:
    """Count the numbers, codes or non-zeros that X holds."""
    return data.X.nnz if data.kind == "csr" else math.prod(data.X.shape)


def scaling(
    axis: str, fraction: float, rounds: int, solvers: list[Solver], limit: float, memory: bool = True
) -> dict[str, Any]:
    """Time each solver at each size, print the table, and return it."""
    sizes: dict[str, list[float]] = {solver.name: [] for solver in solvers}
    times: dict[str, list[float]] = {solver.name: [] for solver in solvers}
    rows, over = [], set()
    for size in AXES[axis].sizes:
        data = AXES[axis].make(size, fraction)
        shape = [f"{len(data.y):,}", f"{data.width:,}", f"{stored(data):,}"]
        with tempfile.TemporaryDirectory() as folder:
            if memory:
                put(data, Path(folder))
            for solver in solvers:
                if solver.name in over or solver.installed() is None or data.kind not in solver.takes:
                    continue
                setting = setting_for(solver)
                try:
                    best, model = rounds_of(solver, setting, data, rounds, limit)
                except OvertimeError:
                    over.add(solver.name)  # larger sizes only take longer
                    rows.append([solver.name, *shape, f"over {limit:g} s", *["-"] * 5])
                    continue
                said = said_of(model)
                reads, bound = fit_tables.number(said["reads"], ".2f"), fit_tables.number(said["bound"])
                each = f"{1e9 * min(best) / stored(data):.3f}"
                peak = fit_tables.number(in_child(solver.name, setting.name, Path(folder)) if memory else None, ".0f")
                measured = [fit_tables.seconds(min(best)), each, reads, bound, said["method"] or "-", peak]
                rows.append([solver.name, *shape, *measured])
                sizes[solver.name].append(len(data.y) if axis in ("rows", "documents") else size)
                times[solver.name].append(min(best))
    head = ["solver", "rows", "columns", "stored", "seconds", "ns a number", "reads", "bound", "method", "peak MB"]
    print("\n" + fit_tables.table(head, rows) + "\n")
    fitted = {name: exponents(sizes[name], times[name]) for name in sizes}
    for name, found in fitted.items():
        upper = f"; {found['upper_half']:.2f} over the larger half" if not math.isnan(found["upper_half"]) else ""
        print(f"{name}: seconds grow as {axis} to the power {found['all']:.2f}{upper}")
    return {"axis": axis, "sizes": sizes, "seconds": times, "exponents": fitted, "table": [head, *rows]}


def rounds_of(solver: Solver, setting: Setting, data: Workload, rounds: int, limit: float) -> tuple[list[float], Any]:
    fit = solver.whole(setting, data)
    with time_limit(limit):
        times, model = timed(fit, data.X, data.y)
    for _ in range(rounds - 1):
        times += timed(fit, data.X, data.y)[0]
    return times, model


def exponents(sizes: list[float], seconds: list[float]) -> dict[str, float]:
    half = len(sizes) // 2
    return {"all": exponent(sizes, seconds), "upper_half": exponent(sizes[half:], seconds[half:])}
