"""A solver's ladder of tolerances, climbed from loose to tight, and the choice of the rungs that run again.

No loose rung is ever left out, so the fastest rung within a level is found. Only tight rungs that can't be it are.
"""

import gc
import signal
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from designs import Workload
from memory import in_child
from peers import SOLVERS, Solver, setting_of
from truth import Truth

LEVELS = {"1e-6": 1e-6, "1e-10": 1e-10}
ENOUGH = 1e-11  # a rung this close ends a peer's ladder: tighter ones only take longer
FAR = 6.0  # times the fastest other peer's seconds to both levels; a slower peer stops climbing once it is within both
LOST = 50.0  # times those seconds: the limit of one fit, if that is less than --limit, but never under PATIENCE
PATIENCE = 15.0  # seconds
LADDER_OF = 2.0  # times one fit's limit: the whole ladder of a peer that is far behind and not yet within both levels
REPEATED = 4.0  # times the fastest peer's seconds: a slower peer runs TWICE, not in every round
TWICE = 2
BUDGET = 60.0  # seconds of rounds after which a peer's rung runs no more, unless it is the fastest
START = 15.0  # extra seconds for a child process, which starts Python and reads the data
PROBED = 0.01  # of the limit: after a quicker rung, the next one in C isn't tried in a child first
PAUSE = 0.02  # seconds before a timing, so that idle threads of the last one go to sleep

Best = dict[str, float]  # level: seconds of the fastest peer


class OvertimeError(BaseException):
    """Past the time limit. Not an Exception: no library's handler may swallow it."""


@contextmanager
def time_limit(limit: float) -> Iterator[None]:
    """Stop Python code after so many seconds; a call into C stops when it returns (`Solver.in_c`: probed in a child)."""

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
    """Take reads, method, bound and reason from one of ours; nothing from a peer."""
    result = getattr(model, "result_", model)
    certificate = getattr(result, "certificate", None)
    bound = getattr(certificate, "gap", None)
    method = getattr(result, "method", "")
    return {
        "reads": getattr(result, "reads", None),
        "method": method,
        "bound": None if bound is None else float(bound),
        "kind": getattr(certificate, "kind", None),
        "said": f"{method} {getattr(result, 'reason', '')}".strip(),
    }


def climb(solver: Solver, data: Workload, truth: Truth, limit: float, folder: Path, best: Best) -> dict[str, Any]:
    """Run every rung once (fast ones several times), from loose to tight, as long as that is useful (`climbed`).

    best : of the peers so far. A solver that raises on its first rung is not tried again. A frame is encoded once, and
    that time added. Settings that differ in `extra` are separate ladders: the end of one doesn't end another.
    """
    result: dict[str, Any] = {"ladder": [], "limit": None, "encoding": None, "error": None, "ended": None}
    ladder, X, encoding, over = result["ladder"], data.X, 0.0, set()
    last: dict[Any, float] = {}  # seconds of the last rung of each ladder
    if not solver.ours and len(best) == len(LEVELS):
        limit = min(limit, max(PATIENCE, LOST * max(best.values())))
    started = time.perf_counter()
    for setting in solver.settings:
        if setting.extra in over:
            continue
        try:
            if solver.in_c and last.get(setting.extra, limit) >= PROBED * limit:
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
            over.add(setting.extra)
            continue
        except ArithmeticError:
            raise  # the optimum is wrong, so nothing here can be trusted
        except Exception as error:  # if a peer raises, its row says so, and the run goes on
            result["error"] = f"raised {type(error).__name__}: {error}".split("\n")[0]
            if not ladder:
                break
            ladder.append({"setting": setting.name, "seconds": None, "gap": None, "said": type(error).__name__})
            continue
        rung = {"setting": setting.name, "seconds": min(times) + encoding, "gap": gap, **said_of(model)}
        ladder.append(rung)
        last[setting.extra] = times[0]
        if climbed(solver, rung, truth.objective, best):
            over.add(setting.extra)
        elif not solver.ours and far(rung["seconds"], best) and time.perf_counter() - started > LADDER_OF * limit:
            result["ended"] = f"far behind: ladder ended at {setting.name}, after {LADDER_OF * limit:.3g} s"
            break
    return result


def climbed(solver: Solver, rung: dict[str, Any], objective: float, best: Best) -> bool:
    """Whether tighter rungs are useless. Ours are quick, so all run, up to the limit of reads, where they are all the same."""
    if solver.ours:
        return "max_reads" in rung["said"]
    if rung["gap"] <= ENOUGH * objective:
        return True
    return rung["gap"] <= min(LEVELS.values()) * objective and far(rung["seconds"], best)


def far(seconds: float, best: Best) -> bool:
    """Whether another peer reached both levels in a small part of that time."""
    return all(level in best and seconds > FAR * best[level] for level in LEVELS)


def candidates(ladder: list[dict[str, Any]], level: float, objective: float) -> list[str]:
    """Names of the fastest rungs within the level: those within a tenth of the fastest, two at most."""
    fastest = sorted(within(ladder, level, objective), key=lambda rung: rung["seconds"])[:2]
    return [rung["setting"] for rung in fastest if rung["seconds"] <= 1.1 * fastest[0]["seconds"]]


def within(ladder: list[dict[str, Any]], level: float, objective: float) -> list[dict[str, Any]]:
    return [rung for rung in ladder if rung["gap"] is not None and rung["gap"] <= level * objective]


def take_best(best: Best, ladder: list[dict[str, Any]], objective: float) -> None:
    """Update the best of all with a peer's ladder."""
    for label, level in LEVELS.items():
        for rung in within(ladder, level, objective):
            best[label] = min(rung["seconds"], best.get(label, rung["seconds"]))


# --- the rounds

Chosen = dict[tuple[str, str], list[float]]  # (solver, setting): its times


def interleave(data: Workload, chosen: Chosen, rounds: int, report: dict[str, Any]) -> None:
    for k in range(rounds):
        running = list(chosen) if k < TWICE else repeated(chosen, report)
        for name, setting in running:
            fit = SOLVERS[name].whole(setting_of(name, setting), data)
            # Short fits run several times in a row, because of the clock's resolution; the first of them warms the caches.
            once = next(r["seconds"] for r in report["solvers"][name]["ladder"] if r["setting"] == setting)
            repeats = 1 if len(data.y) > 10_000 or once > 0.1 else 20
            chosen[name, setting] += timed(fit, data.X, data.y, repeats)[0]


def repeated(chosen: Chosen, report: dict[str, Any]) -> list[tuple[str, str]]:
    """Pick what runs in every round: ours, and for each level the peers near the fastest peer, which has no budget."""
    kept = {key for key in chosen if report["solvers"][key[0]]["ours"]}
    for level in LEVELS.values():
        least = {
            (name, rung["setting"]): min(chosen[name, rung["setting"]])
            for name, row in report["solvers"].items()
            for rung in within(row["ladder"], level, report["objective"])
            if not row["ours"] and chosen.get((name, rung["setting"]))
        }
        fastest = min(least.values(), default=0.0)
        for key, seconds in least.items():
            if seconds <= fastest or (seconds <= REPEATED * fastest and sum(chosen[key]) < BUDGET):
                kept.add(key)
    return [key for key in chosen if key in kept]


def settle(report: dict[str, Any], chosen: Chosen) -> None:
    """For each solver and level, the rung with the least time of all rounds; it may be a tighter level's rung."""
    for name, result in report["solvers"].items():
        for label, level in LEVELS.items():
            names = [rung["setting"] for rung in within(result["ladder"], level, report["objective"])]
            run = [(chosen[name, s], s) for s in names if chosen.get((name, s))]
            fits = [(min(times), statistics.median(times), s) for times, s in run]
            if fits:
                least, median, setting = min(fits)
                result[label] = {
                    "setting": setting,
                    "seconds": least,
                    "median": median,
                    "fits": len(chosen[name, setting]),
                }
                if setting == result["ladder"][0]["setting"] and len(SOLVERS[name].settings) > 3:
                    loosest = f"{label} from the loosest rung: a looser one may be faster"
                    result["note"] = "; ".join(filter(None, [result["note"], loosest]))
