"""`chainrule fit`: train on a table, print what happened, write model, trace and report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from chainrule import terminal
from chainrule.cli import DONE, INTERRUPTED, NOT_STRICT
from chainrule.cli.documents import fit_document
from chainrule.cli.options import column_names
from chainrule.cli.outputs import check_outputs, print_json
from chainrule.cli.running import collected_warnings
from chainrule.files import is_stream
from chainrule.model import save_model, save_trace, trace_path
from chainrule.tables import read_table
from chainrule.training import Descent, Prepared, Training, prepare, train


@dataclass(frozen=True)
class FitRequest:
    """What `chainrule fit` was asked for."""

    table: Path
    target: str
    positive: str | None
    features: Sequence[str] | None
    drop: Sequence[str] | None
    weights: str | None
    na: Sequence[str]
    test_size: float
    seed: int
    descent: Descent
    out: Path | None
    report: Path | None


def run_fit(request: FitRequest, *, as_json: bool, quiet: bool, strict: bool) -> int:
    """Train, write, print; return the exit code."""
    # a stream has nothing beside it
    trace = None if request.out is None or is_stream(request.out) else trace_path(request.out)
    check_outputs({"--out": request.out, "--out (its trace)": trace, "--report": request.report}, [request.table])
    messages = terminal.messages(quiet=quiet)
    prepared = read_and_prepare(request)
    for text in prepared.notes:
        terminal.note(messages, text)
    training, interrupted, warned = train_watched(prepared, request.descent, messages)
    files: dict[str, Path | None] = {"model": request.out, "trace": trace, "report": request.report}
    write_files(training, files, request.table.name)
    document = fit_document(training, str(request.table), files)
    tell_warnings(messages, training, warned, as_json=as_json)
    if as_json:
        print_json(document)
    else:
        terminal.print_fit(terminal.results(), document)
    if interrupted:
        tell_interrupt(messages, training, files)
        return INTERRUPTED
    done = training.result.reason == "converged" and not warned
    return NOT_STRICT if strict and not done else DONE


def read_and_prepare(request: FitRequest) -> Prepared:
    """Read the table, split it, learn its schema."""
    table = read_table(request.table, na=request.na)
    return prepare(
        table,
        request.target,
        positive=request.positive,
        features=column_names(request.features, table.column_names),
        drop=column_names(request.drop, table.column_names) or (),
        weights=request.weights,
        test_size=request.test_size,
        seed=request.seed,
        na=request.na,
    )


def train_watched(prepared: Prepared, descent: Descent, messages: Console) -> tuple[Training, bool, list[str]]:
    """Train under a progress bar; return the training, whether Ctrl-C stopped it, and the warnings."""
    with collected_warnings() as warned:
        try:
            with terminal.FitProgress(messages) as progress:
                return train(prepared, descent, progress=progress), False, warned
        except KeyboardInterrupt as stop:
            training = getattr(stop, "training", None)
            if not isinstance(training, Training):
                raise
            return training, True, warned


def write_files(
    training: Training,
    files: Mapping[str, Path | None],
    title: str,
    row: int | None = None,
    sources: Sequence[str] = (),
) -> None:
    """Write the files asked for, each whole or not at all."""
    model, trace, report = (files[name] for name in ("model", "trace", "report"))
    if model is not None:
        save_model(model, training.model)
    if trace is not None:
        save_trace(trace, training.result.trace)
    if report is not None:
        from chainrule.cli.reporting import write_report

        write_report(report, training, title, row, sources)


def tell_warnings(messages: Console, training: Training, warned: Sequence[str], *, as_json: bool) -> None:
    """Print the warnings as notes, but for the one that the text of the results repeats."""
    for text in warned:
        if as_json or text != training.result.message:
            terminal.note(messages, text)


def tell_interrupt(messages: Console, training: Training, files: Mapping[str, Path | None]) -> None:
    """Say what Ctrl-C left behind."""
    written = ", ".join(str(path) for path in files.values() if path is not None)
    end = f"is in {written}" if written else "is not kept (there was no --out)"
    messages.print(f"interrupted: the state after epoch {training.result.epoch:,} {end}", soft_wrap=True, markup=False)
