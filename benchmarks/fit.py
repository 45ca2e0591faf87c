"""Whole fits, side by side: seconds to within 1e-6 and 1e-10 of the optimum, every solver at the best of its own tolerances.

    python benchmarks/fit.py                                  all workloads at full size, each against its fastest peers
    python benchmarks/fit.py --peers all                      against every peer: hours
    python benchmarks/fit.py --workload tall --size 0.05      a quick look
    python benchmarks/fit.py --workload text --workload wide  some of them; the real ones are fetched (sets.py)
    python benchmarks/fit.py --peers "glum irls-ls,sklearn lbfgs" --rounds 3 --json out.json
    python benchmarks/fit.py --scaling rows                   cost against size: rows, columns, levels, ...

First every solver climbs its ladder of tolerances, once per rung, as far as that is useful (ladder.py). A gap is
F(w, b) - F*, relative to F*, by one routine for all. The fastest rungs within each level then run in interleaved rounds:
the minimum counts, the median is printed beside it. All of `fit(X, y)` is timed, including the encoding of a frame (the ladder
encodes once). Peak memory is what a fit adds to the data, in a separate process. If a solver raises, or needs too much memory,
its row says so. Times the installed chainrule; its fits include the certificate if there is one.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import fit_scaling
import fit_tables
from datasets import MissingDataError
from designs import Workload
from ladder import LEVELS, Best, Chosen, candidates, climb, interleave, settle, take_best
from memory import free_memory, in_child, put
from peers import ACCELERATED, OURS, PEERS, Solver, quiet
from truth import Truth
from workloads import FASTEST, WORKLOADS

SHARE = 0.8  # of the free memory: a larger dense Hessian is not tried


def run(data: Workload, solvers: list[Solver], rounds: int, limit: float, memory: bool, folder: Path) -> dict[str, Any]:
    put(data, folder)
    truth = Truth(data)
    facts = {"workload": data.name, "words": data.words, "objective": truth.objective, "decrement": truth.decrement}
    report: dict[str, Any] = {**facts, "levels": LEVELS, "solvers": {}}
    chosen: Chosen = {}
    best: Best = {}
    for solver in solvers:
        row = {"ours": solver.ours, "ladder": [], "limit": None, "least_gap": None, "peak_mb": None, "note": ""}
        report["solvers"][solver.name] = row
        refusal = solver.refuses(data, SHARE * free_memory())
        if refusal is not None:
            row["note"] = refusal
            continue
        print(f"{data.name}: {solver.name}", file=sys.stderr, flush=True)
        row |= climb(solver, data, truth, limit, folder, best)
        if not solver.ours:
            take_best(best, row["ladder"], truth.objective)
        gaps = [rung["gap"] / truth.objective for rung in row["ladder"] if rung["gap"] is not None]
        row["least_gap"] = min(gaps, default=None)
        row["note"] = note_of(solver, row)
        for level in LEVELS.values():
            for name in candidates(row["ladder"], level, truth.objective):
                chosen[solver.name, name] = []
    interleave(data, chosen, rounds, report)
    settle(report, chosen)
    for name, row in report["solvers"].items():
        if memory and "1e-6" in row:
            row["peak_mb"] = in_child(name, row["1e-6"]["setting"], folder)
    return report


def note_of(solver: Solver, row: dict[str, Any]) -> str:
    said = [row["error"] or "", row["ended"] or ""]
    if row["encoding"] is not None:
        said.append(f"encoding {fit_tables.seconds(row['encoding'])} of it")
    if solver.package == "scikit-learn-intelex":
        said.append(ACCELERATED.verdict())
    return "; ".join(filter(None, said))


# --- the command


def pick(names: str | None, workload: str | None = None) -> list[Solver]:
    """Ours and the named peers; 'none' is ours alone, 'all' every peer; without names, the workload's fastest peers.

    The fastest peers of earlier runs go first: their times limit how far the others need to climb.
    """
    if names is None:
        wanted = list(FASTEST[workload]) if workload else []
    elif names == "all":
        first = FASTEST[workload] if workload else ()
        wanted = [*first, *(peer.name for peer in PEERS if peer.name not in first)]
    else:
        wanted = [] if names == "none" else [name.strip() for name in names.split(",")]
    known = {peer.name: peer for peer in PEERS}
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise SystemExit(f"no peer {unknown[0]!r}; there are: {', '.join(known)}")
    return [*OURS, *(known[name] for name in dict.fromkeys(wanted))]


def options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workload", action="append", choices=list(WORKLOADS), help="one of them; may be repeated")
    parser.add_argument("--size", type=float, default=1.0, help="fraction of the rows")
    parser.add_argument("--rounds", type=int, default=7, help="interleaved rounds")
    parser.add_argument("--peers", help="comma-separated names, none, or all; by default each workload's fastest")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds that one fit may take")
    parser.add_argument("--no-memory", action="store_true", help="leave out peak memory")
    parser.add_argument("--json", type=Path, help="write everything measured to this file")
    parser.add_argument("--scaling", choices=list(fit_scaling.AXES), help="cost against size instead")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    asked = options(arguments)
    quiet()
    names = [] if asked.scaling else asked.workload or list(WORKLOADS)
    picked = {name: pick(asked.peers, name) for name in names} or {"": pick(asked.peers)}
    packages = {s.package: s.installed() or "not installed" for solvers in picked.values() for s in solvers}
    machine = fit_tables.machine(packages)
    print(fit_tables.machine_lines(machine), flush=True)
    document: dict[str, Any] = {"schema_version": 1, "machine": machine, "size": asked.size, "rounds": asked.rounds}
    if asked.scaling:
        chosen = [s for s in picked[""] if s.name == "chainrule.fit, default tol" or not s.ours]
        document["scaling"] = fit_scaling.scaling(
            asked.scaling, asked.size, asked.rounds, chosen, asked.limit, not asked.no_memory
        )
    else:
        document["workloads"] = []
        for name in names:
            try:
                data = WORKLOADS[name](asked.size)
            except MissingDataError as error:
                print(f"\n### {name}\n\n{error}.", flush=True)
                continue
            with tempfile.TemporaryDirectory() as folder:
                report = run(data, picked[name], asked.rounds, asked.limit, not asked.no_memory, Path(folder))
            document["workloads"].append(report)
            print(f"\n### {name}: {report['words']}\n")
            print(f"F* = {report['objective']:.15g}, known to about {report['decrement']:.0e}.\n")
            print(fit_tables.workload_table(report), "\n\n", fit_tables.ours_table(report), sep="", flush=True)
    if asked.json:
        asked.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
