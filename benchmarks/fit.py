"""Whole fits, side by side: seconds to within 1e-6 and 1e-10 of the optimum, every solver at the best of its own tolerances.

    python benchmarks/fit.py                                  all workloads at full size; hours
    python benchmarks/fit.py --workload tall --size 0.05      a quick look
    python benchmarks/fit.py --workload text --workload wide  some of them; the real ones are fetched (real.py)
    python benchmarks/fit.py --peers "glum irls-ls,sklearn lbfgs" --rounds 3 --json out.json
    python benchmarks/fit.py --scaling rows                   cost against size (or columns)

First every solver climbs its ladder of tolerances, once a rung, until it is far below 1e-10 or past the time limit. A gap is
F(w, b) - F*, relative to F*, by one routine for all. The fastest rungs within each level then run in interleaved rounds:
the minimum counts, the median stands beside it. `fit(X, y)` is timed whole, the encoding of a frame included (the ladder
encodes once). Peak memory is what a fit adds to the data, in a process of its own. A solver that raises, or that the memory
can't hold, is a row that says so. With the chainrule that is installed; ours carries its certificate where there is one.
"""

import argparse
import gc
import json
import pickle
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import fit_tables
import numpy as np
from designs import Workload
from peers import ACCELERATED, OURS, PEERS, SOLVERS, Setting, Solver, quiet
from real import MissingDataError
from truth import Truth
from workloads import WORKLOADS

LEVELS = {"1e-6": 1e-6, "1e-10": 1e-10}
ENOUGH = 1e-11  # a rung this close ends the ladder: tighter ones only take longer
START = 15.0  # seconds more for a child, which starts Python and reads the data
PAUSE = 0.02  # seconds before a timing, in which idle threads of the last one go to sleep
SHARE = 0.8  # of the memory that is free: a dense Hessian larger than that is not tried


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


def timed(fit: Callable[[Any, Any], Any], X: Any, y: Any, repeats: int = 1) -> tuple[list[float], Any]:
    gc.collect()
    time.sleep(PAUSE)
    times, model = [], None
    for _ in range(repeats):
        model = None
        start = time.perf_counter()
        model = fit(X, y)
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
    """Run every rung once (the fast ones some times), until one is far within every level or a limit is passed.

    A solver that raises on its first rung is not asked again. The encoding of a frame is made once, and its time added.
    """
    result: dict[str, Any] = {"ladder": [], "limit": None, "encoding": None, "error": None}
    ladder, X, encoding = result["ladder"], data.X, 0.0
    for setting in solver.settings:
        try:
            if solver.in_c:
                in_child(solver.name, setting.name, folder, limit + START)
            encode = solver.encoder(data)
            if encode is not None and not ladder:
                times, X = timed(lambda frame, _, encode=encode: encode(frame), data.X, data.y)
                encoding = result["encoding"] = times[0]
            fit = solver.prepare(setting, data)
            with time_limit(limit):
                times, model = timed(fit, X, data.y)
            if times[0] < 0.05:
                times += timed(fit, X, data.y, 5)[0]
            gap = truth.gap(*solver.point(model, data))
        except (OvertimeError, subprocess.TimeoutExpired):
            result["limit"] = limit
            break
        except ArithmeticError:
            raise  # the optimum isn't one: nothing here can be trusted
        except Exception as error:  # a peer that raises is a row that says so, not the end of the run
            result["error"] = f"raised {type(error).__name__}: {error}".split("\n")[0]
            if not ladder:
                break
            ladder.append({"setting": setting.name, "seconds": None, "gap": None, "said": type(error).__name__})
            continue
        ladder.append({"setting": setting.name, "seconds": min(times) + encoding, "gap": gap, **said_of(model)})
        done = gap <= ENOUGH * truth.objective and solver.settings[0].extra is None
        if done or "max_reads" in ladder[-1]["said"]:
            break  # at the limit of reads, too, a tighter tolerance changes nothing
    return result


def candidates(ladder: list[dict[str, Any]], level: float, objective: float) -> list[str]:
    """Names of the fastest rungs within the level: all that are within a tenth of the fastest, two at most."""
    fastest = sorted(within(ladder, level, objective), key=lambda rung: rung["seconds"])[:2]
    return [rung["setting"] for rung in fastest if rung["seconds"] <= 1.1 * fastest[0]["seconds"]]


def within(ladder: list[dict[str, Any]], level: float, objective: float) -> list[dict[str, Any]]:
    return [rung for rung in ladder if rung["gap"] is not None and rung["gap"] <= level * objective]


def run(data: Workload, solvers: list[Solver], rounds: int, limit: float, memory: bool, folder: Path) -> dict[str, Any]:
    with (folder / "data").open("wb") as file:
        pickle.dump(data, file, protocol=5)
    truth = Truth(data)
    facts = {"workload": data.name, "words": data.words, "objective": truth.objective, "decrement": truth.decrement}
    report: dict[str, Any] = {**facts, "levels": LEVELS, "solvers": {}}
    chosen: dict[tuple[str, str], list[float]] = {}
    for solver in solvers:
        row = {"ours": solver.ours, "ladder": [], "limit": None, "least_gap": None, "peak_mb": None, "note": ""}
        report["solvers"][solver.name] = row
        refusal = solver.refuses(data, SHARE * free_memory())
        if refusal is not None:
            row["note"] = refusal
            continue
        print(f"{data.name}: {solver.name}", file=sys.stderr, flush=True)
        row |= climb(solver, data, truth, limit, folder)
        gaps = [rung["gap"] / truth.objective for rung in row["ladder"] if rung["gap"] is not None]
        row["least_gap"] = min(gaps, default=None)
        row["note"] = note_of(solver, row)
        for level in LEVELS.values():
            for name in candidates(row["ladder"], level, truth.objective):
                chosen[solver.name, name] = []
    interleave(data, chosen, rounds, report)
    settle(report, chosen)
    if memory:
        measure_memory(report, folder)
    return report


def note_of(solver: Solver, row: dict[str, Any]) -> str:
    said = [row["error"] or ""]
    if row["encoding"] is not None:
        said.append(f"encoding {fit_tables.seconds(row['encoding'])} of it")
    if solver.package == "scikit-learn-intelex":
        said.append(ACCELERATED.verdict())
    return "; ".join(filter(None, said))


def interleave(data: Workload, chosen: dict[tuple[str, str], list[float]], rounds: int, report: dict[str, Any]) -> None:
    for _ in range(rounds):
        for (name, setting), times in chosen.items():
            fit = SOLVERS[name].whole(setting_of(name, setting), data)
            # Short fits run some times in a row, for the clock's sake; the first of them warms the caches.
            once = next(r["seconds"] for r in report["solvers"][name]["ladder"] if r["setting"] == setting)
            repeats = 1 if len(data.y) > 10_000 or once > 0.1 else 20
            times += timed(fit, data.X, data.y, repeats)[0]


def settle(report: dict[str, Any], chosen: dict[tuple[str, str], list[float]]) -> None:
    """For each solver and level, the rung with the least time of all rounds: a tighter level's too, if it was the faster."""
    for name, result in report["solvers"].items():
        for label, level in LEVELS.items():
            names = [rung["setting"] for rung in within(result["ladder"], level, report["objective"])]
            run = [(chosen[name, s], s) for s in names if chosen.get((name, s))]
            fits = [(min(times), statistics.median(times), s) for times, s in run]
            if fits:
                least, median, setting = min(fits)
                result[label] = {"setting": setting, "seconds": least, "median": median}
                if setting == result["ladder"][0]["setting"] and len(SOLVERS[name].settings) > 3:
                    loosest = f"{label} from the loosest rung: a looser one may be faster"
                    result["note"] = "; ".join(filter(None, [result["note"], loosest]))


def setting_of(name: str, setting: str) -> Setting:
    return next(s for s in SOLVERS[name].settings if s.name == setting)


# --- peak memory, in a process of its own


def in_child(name: str, setting: str, folder: Path, timeout: float | None = None) -> float | None:
    """Fit in a child, which can be ended at any time; returns the peak memory over the data in MB where it is known."""
    command = [sys.executable, __file__, "--memory-of", json.dumps([name, setting, str(folder)])]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout)
    return float(done.stdout.split()[-1]) if done.returncode == 0 and done.stdout.strip() else None


def measure_memory(report: dict[str, Any], folder: Path) -> None:
    """Peak memory over the data of each solver's rung for 1e-6."""
    for name, result in report["solvers"].items():
        if "1e-6" in result:
            result["peak_mb"] = in_child(name, result["1e-6"]["setting"], folder)


def size_in(path: str, key: str) -> float | None:
    """Read a size in bytes off a file of /proc, None where there is none."""
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
        fit(data.rows(few), data.y[few])  # libraries and thread pools are not the fit's
    gc.collect()
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # the peak starts from here
    except OSError:
        pass
    # Not getrusage's maximum: a child starts with its parent's.
    before = size_in("/proc/self/status", "VmRSS:")
    fit(data.X, data.y)
    after = size_in("/proc/self/status", "VmHWM:")
    if before is not None and after is not None:
        print(max(0.0, after - before) / 1e6)


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
            try:
                data = WORKLOADS[name](asked.size)
            except MissingDataError as error:
                print(f"\n### {name}\n\n{error}.", flush=True)
                continue
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
