"""Every real set, as a matrix and as a frame: ours beside the peers, each at its best tolerance, in one interleaved run.

    python benchmarks/real.py                          all of them; hours
    python benchmarks/real.py --set adult --set magic  some of them
    python benchmarks/real.py --kind csr --json a.json those of one kind
    python benchmarks/real.py --summary a.json b.json  the tables of earlier runs

Constants of the code may be chosen by the sets at odd positions of `sets.SETS`; the others are only measured.
"""

import argparse
import itertools
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from datasets import MissingDataError
from designs import Workload
from fit import pick, run
from fit_tables import machine, machine_lines, seconds, table
from ladder import LEVELS
from peers import quiet
from sets import CHOOSING, MEASURED, SETS, frame, matrix

OURS, DEFAULT, USUAL = "chainrule.fit", "chainrule.fit, default tol", ("sklearn lbfgs", "1e-04")


def row_of(data: Workload, report: dict[str, Any]) -> dict[str, Any]:
    """Draw from a report what the tables need: seconds, the best peer's, reads, and reads by tolerance."""
    solvers, row = report["solvers"], {"set": data.name, "kind": data.kind, "words": data.words}
    for level in report["levels"]:
        ours = solvers[OURS].get(level)
        theirs = [(r[level]["seconds"], name) for name, r in solvers.items() if r.get(level) and not r["ours"]]
        row[level] = {"ours": ours and ours["seconds"], "best": min(theirs, default=None)}
    (default,) = solvers[DEFAULT]["ladder"]
    usual = [r["seconds"] for r in solvers.get(USUAL[0], {"ladder": []})["ladder"] if r["setting"] == USUAL[1]]
    row["default"] = {key: default[key] for key in ("seconds", "reads", "method", "kind", "bound", "said")}
    row["usual"] = usual[0] if usual else None
    row["reads"] = {rung["setting"]: rung["reads"] for rung in solvers[OURS]["ladder"]}
    return row


def ratio(row: dict[str, Any], level: str) -> float | None:
    """How many times the best peer's time is ours."""
    ours, best = row[level]["ours"], row[level]["best"]
    return best[0] / ours if ours and best else None


def shown(row: dict[str, Any]) -> list[str]:
    cells = [f"{row['set']} ({row['words']})"]
    for level in LEVELS:
        of, found = row[level], ratio(row, level)
        best = "" if of["best"] is None else f"{seconds(of['best'][0])} {of['best'][1]}"
        cells += [seconds(of["ours"]), best, "" if found is None else f"{found:.2f}"]
    return [*cells, f"{row['default']['reads']:.1f}"]


def summary(rows: list[dict[str, Any]]) -> str:
    """Write the tables: each half of the sets, and what the ratios and the reads come to by half and kind."""
    said = []
    for title, names in (("sets that constants may be chosen by", CHOOSING), ("sets that are only measured", MEASURED)):
        half = [row for row in rows if row["set"] in names]
        if not half:
            continue
        head = ["set"]
        for level in LEVELS:
            head += [f"ours to {level}", "best peer", "ratio"]
        lines = [shown(row) for row in sorted(half, key=lambda row: (row["kind"], row["set"]))]
        said.append(f"### {title}\n\n{table([*head, 'reads'], lines)}\n")
        figures = [figure(half, kind) for kind in ("", "array", "csr", "frame")]
        said.append(table(["", *LEVELS, "worst", "slower", "reads", "most"], [f for f in figures if f]))
    slower = [row for row in rows if row["usual"] and row["default"]["seconds"] > row["usual"]]
    said.append(f"slower than scikit-learn's default, unproven, at ours: {len(slower)} of {len(rows)}")
    looser = [f"{row['set']} ({row['kind']})" for row in rows if rises(list(row["reads"].values()))]
    said.append(f"a looser tol reads more: {', '.join(looser) or 'nowhere'}")
    return "\n\n".join(said)


def figure(rows: list[dict[str, Any]], kind: str) -> list[str] | None:
    """Give geometric means of the ratios, the worst, how many are below 1, and the median and most reads."""
    rows = [row for row in rows if kind in ("", row["kind"])]
    if not rows:
        return None
    ratios = {level: [found for row in rows if (found := ratio(row, level))] for level in LEVELS}
    means = [f"{np.exp(np.mean(np.log(found))):.2f}" if found else "" for found in ratios.values()]
    every, reads = [r for found in ratios.values() for r in found], [row["default"]["reads"] for row in rows]
    figures = [f"{min(every, default=0):.2f}", str(sum(r < 1 for r in every)), f"{np.median(reads):.1f}"]
    return [kind or "all", *means, *figures, f"{max(reads):.1f}"]


def rises(reads: list[float | None]) -> bool:
    """Whether a tighter tolerance took fewer reads, by more than a tenth."""
    known = [each for each in reads if each is not None]
    return any(after < 0.9 * before for before, after in itertools.pairwise(known))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", action="append", choices=SETS, help="one of them; may be repeated")
    parser.add_argument("--kind", choices=("array", "csr", "frame"), help="of one kind alone")
    parser.add_argument("--peers", default="all", help="comma-separated names, or none")
    parser.add_argument("--rounds", type=int, default=3, help="interleaved rounds")
    parser.add_argument("--limit", type=float, default=20.0, help="seconds that one fit may take")
    parser.add_argument("--json", type=Path, help="write what was measured to this file, after each set")
    parser.add_argument("--summary", type=Path, nargs="+", help="the tables of such files, and nothing else")
    asked = parser.parse_args(arguments)
    if asked.summary:
        print(summary([row for path in asked.summary for row in json.loads(path.read_text())["rows"]]))
        return
    quiet()
    solvers = pick(asked.peers)
    facts = machine({solver.package: solver.installed() or "not installed" for solver in solvers})
    print(machine_lines(facts), flush=True)
    document: dict[str, Any] = {"machine": facts, "rows": []}
    for name in asked.set or SETS:
        for make in (matrix, frame):
            try:
                data = make(name)
            except MissingDataError as error:
                print(f"{name}: {error}", flush=True)
                break
            if data is None or asked.kind not in (None, data.kind):
                continue
            with tempfile.TemporaryDirectory() as folder:
                report = run(data, solvers, asked.rounds, asked.limit, False, Path(folder))
            if not report["solvers"][DEFAULT]["ladder"]:
                print(f"{name} ({data.kind}): refused", flush=True)
                continue
            document["rows"].append(row_of(data, report))
            print(" | ".join(shown(document["rows"][-1])), flush=True)
            if asked.json:
                asked.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(summary(document["rows"]))


if __name__ == "__main__":
    main()
