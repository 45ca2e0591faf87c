"""Cost against size: seconds of a whole fit over rows or columns, and the exponent of the power law through them."""

import math
from typing import Any

import fit_tables
import numpy as np
from ladder import OvertimeError, said_of, time_limit, timed
from peers import Solver
from workloads import normal

ROWS = [10_000, 31_623, 100_000, 316_228, 1_000_000, 3_162_278, 10_000_000]  # half a decade a step, 20 columns
COLUMNS = [10, 20, 50, 100, 200, 500, 1000]  # of 50,000 rows


def shapes(axis: str, size: float) -> list[tuple[int, int]]:
    if axis == "rows":
        return [(max(200, round(m * size)), 20) for m in ROWS]
    return [(max(200, round(50_000 * size)), n) for n in COLUMNS]


def exponent(sizes: list[float], seconds: list[float]) -> float:
    """Slope of log(seconds) over log(size) by least squares; nan from fewer than two."""
    if len(sizes) < 2:
        return math.nan
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def settings_of(solver: Solver) -> Any:
    """Ours at its default; a peer at the rung nearest to 1e-6."""
    return min(solver.settings, key=lambda s: 0.0 if s.tol is None else abs(math.log10(s.tol) + 6))


def scaling(axis: str, size: float, rounds: int, solvers: list[Solver], limit: float) -> dict[str, Any]:
    """Time each solver on each shape, print the table, and return it."""
    sizes: dict[str, list[float]] = {solver.name: [] for solver in solvers}
    times: dict[str, list[float]] = {solver.name: [] for solver in solvers}
    rows, over = [], set()
    for m, n in shapes(axis, size):
        data = normal(m, n)
        for solver in solvers:
            if solver.name in over or solver.installed() is None:
                continue
            fit = solver.prepare(settings_of(solver), data)
            try:
                with time_limit(limit):
                    best, model = timed(fit, data.X, data.y)
            except OvertimeError:
                over.add(solver.name)  # larger sizes only take longer
                rows.append([solver.name, f"{m:,}", f"{n}", f"over {limit:g} s", "-", "-", "-"])
                continue
            for _ in range(rounds - 1):
                best += timed(fit, data.X, data.y)[0]
            said = said_of(model)
            reads, bound = fit_tables.number(said["reads"], ".2f"), fit_tables.number(said["bound"])
            per_number = f"{1e9 * min(best) / (m * n):.3f}"
            rows.append([solver.name, f"{m:,}", f"{n}", fit_tables.seconds(min(best)), per_number, reads, bound])
            sizes[solver.name].append(m if axis == "rows" else n)
            times[solver.name].append(min(best))
    head = ["solver", "rows", "columns", "seconds", "ns a number", "reads", "bound"]
    print("\n" + fit_tables.table(head, rows) + "\n")
    fitted = {name: exponents(sizes[name], times[name]) for name in sizes}
    for name, found in fitted.items():
        upper = f"; {found['upper_half']:.2f} over the larger half" if not math.isnan(found["upper_half"]) else ""
        print(f"{name}: seconds grow as {axis} to the power {found['all']:.2f}{upper}")
    return {"axis": axis, "sizes": sizes, "seconds": times, "exponents": fitted}


def exponents(sizes: list[float], seconds: list[float]) -> dict[str, float]:
    half = len(sizes) // 2
    return {"all": exponent(sizes, seconds), "upper_half": exponent(sizes[half:], seconds[half:])}
