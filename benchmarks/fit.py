"""Whole fits, side by side: seconds to within 1e-6 and 1e-10 of the optimum, every solver at the best of its own tolerances.

    python benchmarks/fit.py                                  all workloads at full size; some ten minutes
    python benchmarks/fit.py --workload tall --size 0.05      a quick look
    python benchmarks/fit.py --peers "glum irls-ls,sklearn lbfgs" --rounds 3 --json out.json
    python benchmarks/fit.py --scaling rows                   cost against size (or columns)

First every solver climbs its ladder of tolerances, once a rung, until it is far below 1e-10 or past the time limit. A gap is
F(w, b) - F*, relative to F*, by one routine for all. The fastest rungs within each level then run in interleaved rounds:
the minimum counts, the median stands beside it. `fit(X, y)` is timed whole. Peak memory is what a fit adds to the data,
in a process of its own. With the chainrule that is installed; ours carries its certificate where there is one.
"""

import argparse
import gc
import json
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fit_tables
import numpy as np
from peers import ACCELERATED, OURS, PEERS, SOLVERS, Setting, Solver, quiet
from workloads import WORKLOADS, Truth, Workload

LEVELS = {"1e-6": 1e-6, "1e-10": 1e-10}
ENOUGH = 1e-11  # a rung this close ends the ladder: tighter ones only take longer
START = 15.0  # seconds more for a child, which starts Python and reads the data
PAUSE = 0.02  # seconds before a timing, in which idle threads of the last one go to sleep


class OvertimeError(BaseException):
    """Past the time limit. Not an Exception: no library's handler may swallow it."""


@contextmanager
def time_limit(limit: float) -> Iterator[None]:
    """End what runs in Python after so many seconds; a call into C ends when it returns (`Solver.in_c`: probed in a child)."""

    def stop(*_: Any) -> None:
        raise OvertimeError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, limit)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def timed(fit: Callable[[Any, Any], Any], data: Workload, repeats: int = 1) -> tuple[list[float], Any]:
    gc.collect()
    time.sleep(PAUSE)
    times, model = [], None
    for _ in range(repeats):
        model = None
        start = time.perf_counter()
        model = fit(data.X, data.y)
        times.append(time.perf_counter() - start)
    return times, model


def said_of(model: Any) -> dict[str, Any]:
    """Take reads, bound and reason off one of ours; nothing off a peer."""
    result = getattr(model, "result_", model)
    certificate = getattr(result, "certificate", None)
    bound = getattr(certificate, "gap", None)
    return {
        "reads": getattr(result, "reads", None),
        "bound": None if bound is None else float(bound),
        "kind": getattr(certificate, "kind", None),
        "said": f"{getattr(result, 'method', '')} {getattr(result, 'reason', '')}".strip(),
    }


def climb(solver: Solver, data: Workload, truth: Truth, limit: float, folder: Path) -> dict[str, Any]:
    """Run every rung once (the fast ones some times), until one is far within every level or a limit is passed."""
    ladder, stopped = [], None
    for setting in solver.settings:
        fit = solver.prepare(setting, data.alpha, len(data.y))
        try:
            if solver.in_c:
                in_child(solver.name, setting.name, folder, data.alpha, limit + START)
            with time_limit(limit):
                times, model = timed(fit, data)
        except (OvertimeError, subprocess.TimeoutExpired):
            stopped = limit
            break
        except Exception as error:  # a peer that raises is a row that says so, not the end of the run
            ladder.append({"setting": setting.name, "seconds": None, "gap": None, "said": f"{type(error).__name__}"})
            continue
        if times[0] < 0.05:
            times += timed(fit, data, 5)[0]
        gap = truth.gap(*solver.read(model))
        ladder.append({"setting": setting.name, "seconds": min(times), "gap": gap, **said_of(model)})
        done = gap <= ENOUGH * truth.objective and solver.settings[0].extra is None
        if done or "max_reads" in ladder[-1]["said"]:
            break  # at the limit of reads, too, a tighter tolerance changes nothing
    return {"ladder": ladder, "limit": stopped}


def candidates(ladder: list[dict[str, Any]], level: float, objective: float) -> list[str]:
    """Names of the fastest rungs within the level: all that are within a tenth of the fastest, two at most."""
    within = [rung for rung in ladder if rung["gap"] is not None and rung["gap"] <= level * objective]
    within.sort(key=lambda rung: rung["seconds"])
    return [rung["setting"] for rung in within[:2] if rung["seconds"] <= 1.1 * within[0]["seconds"]]


def run(data: Workload, solvers: list[Solver], rounds: int, limit: float, memory: bool, folder: Path) -> dict[str, Any]:
    np.save(folder / "X.npy", data.X)
    np.save(folder / "y.npy", data.y)
    truth = Truth(data)
    facts = {"workload": data.name, "words": data.words, "objective": truth.objective, "decrement": truth.decrement}
    report: dict[str, Any] = {**facts, "levels": LEVELS, "solvers": {}}
    chosen: dict[tuple[str, str], list[float]] = {}
    for solver in solvers:
        if solver.installed() is None:
            empty = {"ladder": [], "limit": None, "least_gap": None, "peak_mb": None}
            report["solvers"][solver.name] = {**empty, "ours": solver.ours, "note": f"{solver.package} not installed"}
            continue
        print(f"{data.name}: {solver.name}", file=sys.stderr, flush=True)
        result = climb(solver, data, truth, limit, folder)
        gaps = [rung["gap"] / truth.objective for rung in result["ladder"] if rung["gap"] is not None]
        note = ACCELERATED.verdict() if solver.package == "scikit-learn-intelex" else ""
        found = {"ours": solver.ours, "least_gap": min(gaps, default=None), "peak_mb": None, "note": note}
        report["solvers"][solver.name] = {**result, **found}
        for level in LEVELS.values():
            for name in candidates(result["ladder"], level, truth.objective):
                chosen[solver.name, name] = []
    interleave(data, chosen, rounds)
    settle(report, chosen)
    if memory:
        measure_memory(data, report, folder)
    return report


def interleave(data: Workload, chosen: dict[tuple[str, str], list[float]], rounds: int) -> None:
    for _ in range(rounds):
        for (name, setting), times in chosen.items():
            fit = SOLVERS[name].prepare(setting_of(name, setting), data.alpha, len(data.y))
            # Short fits run some times in a row, for the clock's sake; the first of them warms the caches.
            repeats = 1 if len(data.y) > 10_000 else 20
            times += timed(fit, data, repeats)[0]


def settle(report: dict[str, Any], chosen: dict[tuple[str, str], list[float]]) -> None:
    """For each solver and level, the rung with the least time of all rounds."""
    for name, result in report["solvers"].items():
        for label, level in LEVELS.items():
            names = candidates(result["ladder"], level, report["objective"])
            fits = [(min(chosen[name, s]), statistics.median(chosen[name, s]), s) for s in names if chosen[name, s]]
            if fits:
                least, median, setting = min(fits)
                result[label] = {"setting": setting, "seconds": least, "median": median}
                if setting == result["ladder"][0]["setting"] and len(SOLVERS[name].settings) > 3:
                    result["note"] = (
                        f"{result['note']} {label} from the loosest rung: a looser one may be faster".strip()
                    )


def setting_of(name: str, setting: str) -> Setting:
    return next(s for s in SOLVERS[name].settings if s.name == setting)


# --- peak memory, in a process of its own


def in_child(name: str, setting: str, folder: Path, alpha: float, timeout: float | None = None) -> float | None:
    """Fit in a child, which can be ended at any time; returns the peak memory over the data in MB where it is known."""
    command = [sys.executable, __file__, "--memory-of", json.dumps([name, setting, str(folder), alpha])]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout)
    return float(done.stdout.split()[-1]) if done.returncode == 0 and done.stdout.strip() else None


def measure_memory(data: Workload, report: dict[str, Any], folder: Path) -> None:
    """Peak memory over the data of each solver's rung for 1e-6."""
    for name, result in report["solvers"].items():
        if "1e-6" in result:
            result["peak_mb"] = in_child(name, result["1e-6"]["setting"], folder, data.alpha)


def status(key: str) -> float | None:
    """Read a size of this process in MB. Not getrusage's maximum: a child starts with its parent's."""
    try:
        text = Path("/proc/self/status").read_text(encoding="utf-8")
    except OSError:
        return None
    return next((int(row.split()[1]) * 1024 / 1e6 for row in text.splitlines() if row.startswith(key)), None)


def memory_of(asked: str) -> None:
    name, setting, folder, alpha = json.loads(asked)
    X, y = np.load(Path(folder) / "X.npy"), np.load(Path(folder) / "y.npy")
    solver = SOLVERS[name]
    fit = solver.prepare(setting_of(name, setting), alpha, len(y))
    few = np.concatenate([np.flatnonzero(y == 0)[:50], np.flatnonzero(y == 1)[:50]])
    fit(X[few], y[few])  # libraries and thread pools are not the fit's
    gc.collect()
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # the peak starts from here
    except OSError:
        pass
    before = status("VmRSS:")
    fit(X, y)
    after = status("VmHWM:")
    if before is not None and after is not None:
        print(max(0.0, after - before))


# --- the command


def pick(names: str | None) -> list[Solver]:
    """Ours and the peers named, all without names; 'none' is ours alone."""
    if names is None:
        return [*OURS, *PEERS]
    wanted = [] if names == "none" else [name.strip() for name in names.split(",")]
    unknown = [name for name in wanted if name not in {peer.name for peer in PEERS}]
    if unknown:
        raise SystemExit(f"no peer {unknown[0]!r}; there are: {', '.join(peer.name for peer in PEERS)}")
    return [*OURS, *(peer for peer in PEERS if peer.name in wanted)]


def options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workload", action="append", choices=list(WORKLOADS), help="one of them; may be repeated")
    parser.add_argument("--size", type=float, default=1.0, help="fraction of the rows")
    parser.add_argument("--rounds", type=int, default=7, help="interleaved rounds")
    parser.add_argument("--peers", help="comma-separated names, or none; all by default")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds that one fit may take")
    parser.add_argument("--no-memory", action="store_true", help="leave out peak memory")
    parser.add_argument("--json", type=Path, help="write everything measured to this file")
    parser.add_argument("--scaling", choices=["rows", "columns"], help="cost against size instead")
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    asked = options(arguments)
    quiet()
    if asked.memory_of:
        memory_of(asked.memory_of)
        return
    solvers = pick(asked.peers)
    packages = {s.package: s.installed() or "not installed" for s in solvers}
    machine = fit_tables.machine(packages)
    print(fit_tables.machine_lines(machine), flush=True)
    document: dict[str, Any] = {"schema_version": 1, "machine": machine, "size": asked.size, "rounds": asked.rounds}
    if asked.scaling:
        from fit_scaling import scaling

        chosen = [s for s in solvers if s.name == "chainrule.fit, default tol" or (asked.peers and not s.ours)]
        document["scaling"] = scaling(asked.scaling, asked.size, asked.rounds, chosen, asked.limit)
    else:
        document["workloads"] = []
        for name in asked.workload or WORKLOADS:
            data = WORKLOADS[name](asked.size)
            with tempfile.TemporaryDirectory() as folder:
                report = run(data, solvers, asked.rounds, asked.limit, not asked.no_memory, Path(folder))
            document["workloads"].append(report)
            print(f"\n### {name}: {report['words']}\n")
            print(f"F* = {report['objective']:.15g}, known to about {report['decrement']:.0e}.\n")
            print(fit_tables.workload_table(report), "\n\n", fit_tables.ours_table(report), sep="", flush=True)
    if asked.json:
        asked.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
