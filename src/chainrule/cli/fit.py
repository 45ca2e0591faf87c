"""`chainrule fit`: train on a table, print what happened, write model, trace and report."""

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from chainrule.cli import DONE, INTERRUPTED, NOT_STRICT
from chainrule.cli import options as opt
from chainrule.cli.running import Voice, check_outputs, headed
from chainrule.data.files import Source, read_table
from chainrule.documents import results
from chainrule.documents.fits import fit_document, write_report
from chainrule.documents.player import Player
from chainrule.documents.player import player as made
from chainrule.documents.progress import FitProgress
from chainrule.documents.quality import is_worse
from chainrule.documents.report import order_for
from chainrule.errors import ChainruleWarning, InputError
from chainrule.findings import SHELL
from chainrule.fitting.methods import METHODS
from chainrule.fitting.metrics import Rule
from chainrule.fitting.result import REASONS, Result
from chainrule.fitting.spec import FitSpec
from chainrule.model.files import is_stream
from chainrule.model.model import save_model, save_trace, trace_path
from chainrule.playing import play_again
from chainrule.training import Training, check_row, prepare_as_asked, train
from chainrule.words import counted, visible


def run(
    table: Source,
    target: str,
    *,
    test_size: float,
    seed: int,
    out: Path | None,
    report: Path | None,
    row: int | None,
    title: str | None,
    player: bool,
    reader: str | None,
    threshold: str | None,
    cost: str | None,
    relations: bool,
    strict: bool,
    voice: Voice,
    **more: Any,
) -> int:
    """Train, write, print; return the exit code. more: how the table is prepared, and the options of `FitSpec.of`."""
    learned = {name: more.pop(name) for name in opt.LEARNED}
    spec = FitSpec.of(SHELL, seed=seed, **more)
    rule = Rule.of(threshold, cost, Rule("f1"))
    about = {
        "--row": row,
        "--for": reader,
        "--title": title,
        "--threshold": threshold,
        "--cost": cost,
        "--player": player or None,
    }
    for name, value in about.items():
        if value is not None and report is None:
            raise InputError(f"{name} is about the report: add --report FILE")
    reader = reader or "analyst"
    order_for(reader, "--for")
    # nothing can be written beside a stream
    trace = None if out is None or is_stream(out) else trace_path(out)
    check_outputs({"--out": out, "--out (its trace)": trace, "--report": report}, table.paths)
    prepared = prepare_as_asked(read_table(table, na=learned["na"]), target, test_size=test_size, seed=seed, **learned)
    if row is not None:
        check_row(prepared.encoded, row)
    voice.note(*prepared.notes)
    with FitProgress(voice.messages, spec.asked.name) as progress, warnings.catch_warnings():
        warnings.simplefilter("ignore", ChainruleWarning)  # the result lists them
        training = train(prepared, spec, progress=progress, written=table.dialect)
    result = training.result
    wanted = {"model": out, "trace": trace, "report": report}
    of_report: dict[str, Any] = {"table": table.name, "row": row, "title": title, "rule": rule, "reader": reader}
    if player:
        of_report["player"] = player_of(training)
        voice.note(f"the player in {report} holds {counted(of_report['player'].rows, 'row')} of the table")
    written = _write({name: path for name, path in wanted.items() if path}, training, of_report)
    document = {
        **headed("fit", prepared.schema, table=str(table)),
        **fit_document(training, {name: written.get(name) for name in wanted}),
    }
    voice.note(*(result.warnings if voice.as_json else results.notes(document["result"])))
    more_said = results.relations(document["result"]) if relations else []
    voice.tell(document, lambda of: [*results.fit(of), *more_said, *results.set_aside(of)])
    missing = ", ".join(str(path) for name, path in wanted.items() if path and name not in written)
    if result.reason == "interrupted" or missing:
        there = ", ".join(map(str, written.values()))
        voice.messages.print(visible(_interrupted(result, there, missing)), soft_wrap=True, markup=False)
        return INTERRUPTED
    if strict and (result.reason != "converged" or result.warnings or is_worse(document["held_out"])):
        why = "there was a warning" if result.reason == "converged" else REASONS[result.reason]
        voice.note(f"exit code 3, by --strict: {why}")
        return NOT_STRICT
    return DONE


def player_of(training: Training) -> Player:
    """Make the player of a training, without the warnings of a run that is made for it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ChainruleWarning)
        return made(play_again(training.result, training.prepared))


def _write(wanted: Mapping[str, Path], training: Training, of_report: Mapping[str, Any]) -> Mapping[str, Path]:
    """Write the files asked for, each whole or not at all; return those written: fewer if Ctrl-C came between."""
    writers: dict[str, Callable[[Path], None]] = {
        "model": lambda path: save_model(path, training.model),
        "trace": lambda path: save_trace(path, training.result.trace),
        "report": lambda path: write_report(path, training, **of_report),
    }
    written: dict[str, Path] = {}
    try:
        for name, path in wanted.items():
            writers[name](path)
            written[name] = path
    except KeyboardInterrupt:
        pass  # the caller compares the two
    except (InputError, OSError) as error:
        if not written:
            raise
        said = str(error) if isinstance(error, InputError) else f"{error.filename or path}: {error.strerror or error}"
        raise InputError(f"{said}; written before it: {', '.join(map(str, written.values()))}") from None
    return written


def _interrupted(result: Result, there: str, missing: str) -> str:
    """Say what Ctrl-C left behind, in training or after it."""
    if missing:
        return f"interrupted after training: wrote {there or 'nothing'}; not written: {missing}"
    end = f"is in {there}" if there else "is not kept (there was no --out)"
    return f"interrupted: the state after {METHODS[result.method].noun} {result.epoch:,} {end}"
