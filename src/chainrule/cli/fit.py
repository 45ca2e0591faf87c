"""`chainrule fit`: train on a table, print what happened, write model, trace and report."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chainrule import terminal
from chainrule.cli import DONE, INTERRUPTED, NOT_STRICT
from chainrule.cli.documents import fit_document
from chainrule.cli.options import column_names
from chainrule.cli.outputs import check_outputs, print_json
from chainrule.cli.running import notes_on_stderr
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
    check_outputs(
        {
            "--out": request.out,
            "--out (its trace)": None if request.out is None else trace_path(request.out),
            "--report": request.report,
        },
        [request.table],
    )
    messages = terminal.messages(quiet=quiet)
    with notes_on_stderr(lambda text: terminal.note(messages, text)) as warned:
        table = read_table(request.table, na=request.na)
        prepared = prepare(
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
        for text in prepared.notes:
            terminal.note(messages, text)
        training, interrupted = train_with_progress(prepared, request.descent, messages)
        files = write_files(training, request.out, request.report, request.table.name)
    document = fit_document(training, str(request.table), files)
    if as_json:
        print_json(document)
    else:
        terminal.print_fit(terminal.results(), document)
    if interrupted:
        written = [str(path) for path in files.values() if path is not None]
        where = f"is written: {', '.join(written)}" if written else "is printed; nothing was to be written (no --out)"
        messages.print(f"interrupted: the state after epoch {training.result.n_epochs:,} {where}", soft_wrap=True)
        return INTERRUPTED
    done = training.result.reason == "converged" and not warned
    return NOT_STRICT if strict and not done else DONE


def train_with_progress(prepared: Prepared, descent: Descent, messages: Any) -> tuple[Training, bool]:
    """Train under a progress bar; the flag says that Ctrl-C stopped it, with the state so far."""
    try:
        with terminal.FitProgress(messages) as progress:
            return train(prepared, descent, progress=progress), False
    except KeyboardInterrupt as stop:
        training = getattr(stop, "training", None)
        if not isinstance(training, Training):
            raise
        return training, True


def write_files(training: Training, out: Path | None, report: Path | None, source: str) -> dict[str, Path | None]:
    """Write what was asked for, each file whole or not at all; return name -> path."""
    trace = None if out is None else trace_path(out)
    if out is not None and trace is not None:
        save_model(out, training.model)
        save_trace(trace, training.result.trace)
    if report is not None:
        from chainrule.cli.reporting import write_report

        write_report(report, training, source)
    return {"model": out, "trace": trace, "report": report}
