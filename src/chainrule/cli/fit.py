"""`chainrule fit`: train on a table, print what happened, write model, trace and report."""

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from chainrule.cli import DONE, INTERRUPTED, NOT_STRICT
from chainrule.cli import options as opt
from chainrule.cli.reporting import fit_document, write_report
from chainrule.cli.running import check_outputs, tell
from chainrule.data.files import read_table
from chainrule.documents import results, terminal
from chainrule.documents.progress import FitProgress
from chainrule.errors import ChainruleWarning, CrawlingWarning, InputError, LearningRateWarning, OscillationWarning
from chainrule.findings import SHELL, Said, said_by, say
from chainrule.fitting.result import REASONS
from chainrule.fitting.spec import FitSpec
from chainrule.model.files import is_stream
from chainrule.model.model import save_model, save_trace, trace_path
from chainrule.training import Training, check_row, prepare_as_asked, train
from chainrule.words import visible

WHILE_TRAINING = (LearningRateWarning, OscillationWarning, CrawlingWarning)
Files = Mapping[str, Path | None]


def run(
    table: Path,
    target: str,
    *,
    test_size: float,
    seed: int,
    out: Path | None,
    report: Path | None,
    row: int | None,
    as_json: bool,
    quiet: bool,
    strict: bool,
    **more: Any,
) -> int:
    """Train, write, print; return the exit code. more: how the table is prepared, and the options of `FitSpec.of`."""
    learned = {name: more.pop(name) for name in opt.LEARNED}
    spec = FitSpec.of(SHELL, seed=seed, **more)
    if row is not None and report is None:
        raise InputError("--row chooses the row of the report: add --report FILE")
    # a stream has nothing beside it
    trace = None if out is None or is_stream(out) else trace_path(out)
    check_outputs({"--out": out, "--out (its trace)": trace, "--report": report}, [table])
    data = read_table(table, na=learned["na"])
    prepared = prepare_as_asked(data, target, test_size=test_size, seed=seed, **learned)
    if row is not None:
        check_row(prepared.design, row)
    messages = terminal.messages(quiet=quiet)
    terminal.note(messages, *prepared.notes)
    told: list[str] = []

    def note(said: Said) -> None:
        told.append(say(said, spec.front))
        terminal.note(messages, told[-1])

    with _warnings_told(note), FitProgress(messages, spec.chosen) as progress:
        training = train(prepared, spec, progress=progress)
    result = training.result
    wanted: Files = {"model": out, "trace": trace, "report": report}
    written = _write(wanted, training, table.name, row)
    for text in result.warnings:
        is_repeated = text.rstrip(".") in result.message and not as_json
        if text not in told and not is_repeated:
            terminal.note(messages, text)
    document = fit_document(training, str(table), written)
    tell(document, lambda of: [*results.fit(of), *results.set_aside(of)], as_json=as_json)
    if result.reason == "interrupted" or written != wanted:
        _tell_interrupt(messages, training, wanted, written)
        return INTERRUPTED
    if strict and (result.reason != "converged" or result.warnings):
        why = "there was a warning" if result.reason == "converged" else REASONS[result.reason]
        terminal.note(messages, f"exit code 3, by --strict: {why}")
        return NOT_STRICT
    return DONE


@contextmanager
def _warnings_told(note: Callable[[Said], None]) -> Iterator[None]:
    """Tell Chainrule's warnings that come while training goes on; the result has all of them. Others are printed as ever."""
    printed = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        if issubclass(category, WHILE_TRAINING):
            note(said_by(message))
        elif not issubclass(category, ChainruleWarning):
            printed(message, category, *place, **more)

    with warnings.catch_warnings():
        warnings.simplefilter("always", ChainruleWarning)
        warnings.showwarning = show
        yield


def _write(files: Files, training: Training, title: str, row: int | None) -> Files:
    """Write the files asked for, each whole or not at all; return those written, fewer where Ctrl-C came between."""
    writers: dict[str, Callable[[Path], None]] = {
        "model": lambda path: save_model(path, training.model),
        "trace": lambda path: save_trace(path, training.result.trace),
        "report": lambda path: write_report(path, training, title, row),
    }
    written: dict[str, Path | None] = dict.fromkeys(files)
    try:
        for name, path in files.items():
            if path is not None:
                writers[name](path)
                written[name] = path
    except KeyboardInterrupt:
        pass  # whoever asked compares the two
    except (InputError, OSError) as error:
        there = ", ".join(str(path) for path in written.values() if path is not None)
        if not there:
            raise
        said = str(error) if isinstance(error, InputError) else f"{error.filename or path}: {error.strerror or error}"
        raise InputError(f"{said}; written before it: {there}") from None
    return written


def _tell_interrupt(messages: Console, training: Training, wanted: Files, written: Files) -> None:
    """Say what Ctrl-C left behind, in training or after it."""
    there = ", ".join(str(path) for path in written.values() if path is not None)
    missing = ", ".join(str(path) for name, path in wanted.items() if path is not None and written[name] is None)
    if missing:
        text = f"interrupted after training: wrote {there or 'nothing'}; not written: {missing}"
    else:
        end = f"is in {there}" if there else "is not kept (there was no --out)"
        unit = "step" if training.result.method.startswith("newton") else "epoch"
        text = f"interrupted: the state after {unit} {training.result.epoch:,} {end}"
    messages.print(visible(text), soft_wrap=True, markup=False)
