"""The fit benchmark's description of its machine, and its tables, as Markdown for docs/performance.md."""

import datetime
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chainrule.kernels.reading import kernel_name, thread_count


def machine(packages: dict[str, str]) -> dict[str, Any]:
    """Describe the machine, the libraries and the load: a figure is worth nothing without them."""

    def line(path: str, key: str) -> str:
        try:
            text = Path(path).read_text(encoding="utf-8")
        except OSError:
            return ""
        return next((row.split(":", 1)[1].strip() for row in text.splitlines() if row.startswith(key)), "")

    kib = line("/proc/meminfo", "MemTotal").split()
    return {
        "date": datetime.date.today().isoformat(),
        "processor": line("/proc/cpuinfo", "model name") or platform.processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": round(int(kib[0]) / 2**20, 1) if kib else None,
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "kernels": kernel_name(),
        "threads": thread_count(),
        "load_before": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "packages": packages,
    }


def machine_lines(facts: dict[str, Any]) -> str:
    libraries = ", ".join(f"{name} {version}" for name, version in facts["packages"].items())
    memory = "memory unknown" if facts["memory_gib"] is None else f"{facts['memory_gib']} GiB"
    load = "" if facts["load_before"] is None else f" Load before the run: {facts['load_before']:.2f}."
    lines = [
        f"{facts['date']}: {facts['processor']}, {facts['cores']} cores, {memory}; {facts['system']}.",
        f"Chainrule's kernels: {facts['kernels']}, {facts['threads']} threads.{load} {libraries}.",
    ]
    if os.environ.get("OPENBLAS_CORETYPE"):
        lines.append("OPENBLAS_CORETYPE is set, which slows the peers' products: unset it for a fair comparison.")
    return "\n".join(lines)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown with padded cells: the first column to the left, the others to the right."""
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]

    def put(row: Sequence[str]) -> str:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        return "| " + " | ".join(cells) + " |"

    rule = "|" + "|".join("-" * (w + 2) if i == 0 else "-" * (w + 1) + ":" for i, w in enumerate(widths)) + "|"
    return "\n".join([put(head), rule, *map(put, rows)])


def seconds(value: float | None) -> str:
    if value is None:
        return "never"
    return f"{1e3 * value:.2f} ms" if value < 0.1 else f"{value:.3f} s"


def number(value: float | None, form: str = ".1e") -> str:
    return "-" if value is None else format(value, form)


def workload_table(report: dict[str, Any]) -> str:
    """One row per solver: time to each level, and how many times faster than the best peer it is."""
    levels = list(report["levels"])
    best = {
        level: min(
            (r[level]["seconds"] for r in report["solvers"].values() if r.get(level) and not r["ours"]), default=None
        )
        for level in levels
    }
    rows = []
    for name, result in report["solvers"].items():
        cells = [name]
        for level in levels:
            found = result.get(level)
            if found is None:
                never = "never" if result["limit"] is None else f"never (stopped at {result['limit']:.3g} s)"
                never = "not reached" if result.get("ended") else never
                cells += ["", never if result["ladder"] or result["limit"] else "-", "", ""]
                continue
            ratio = "" if best[level] is None else f"{best[level] / found['seconds']:.2f}x"
            cells += [found["setting"], seconds(found["seconds"]), seconds(found["median"]), ratio]
        rows.append([*cells, number(result["least_gap"]), number(result["peak_mb"], ".0f"), result["note"]])
    head = ["solver"]
    for level in levels:
        head += [f"tol for {level}", "seconds", "median", "best peer / it"]
    return table([*head, "least gap", "peak MB", "note"], rows)


def ours_table(report: dict[str, Any]) -> str:
    """Every rung of ours: its reads, its proven gap, and the true gap."""
    rows = []
    for name, result in report["solvers"].items():
        if not result["ours"]:
            continue
        for rung in result["ladder"]:
            bound, gap = rung["bound"], rung["gap"]
            over = "-" if not bound or not gap else f"{bound / gap:.3g}"
            reads = number(rung["reads"], ".2f")
            ladder = [name, rung["setting"], seconds(rung["seconds"]), reads, number(bound), number(gap), over]
            rows.append([*ladder, rung["said"]])
    return table(["ours", "tol", "seconds, once", "reads", "bound", "true gap", "bound / gap", "ended"], rows)
