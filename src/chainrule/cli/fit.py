"""`chainrule fit`: train on a table, print what happened, write model, trace and report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files as resources
from pathlib import Path

from rich.console import Console

from chainrule import terminal
from chainrule.cli import DONE, INTERRUPTED, NOT_STRICT
from chainrule.cli.documents import fit_document
from chainrule.cli.options import column_names
from chainrule.cli.outputs import check_outputs, print_json
from chainrule.cli.running import collected_warnings
from chainrule.files import is_stream, write_atomically
from chainrule.layout import visible
from chainrule.model import save_model, save_trace, trace_path
from chainrule.tables import read_table
from chainrule.training import Descent, Prepared, Training, check_row, prepare, train


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
    row: int | None


def run_fit(request: FitRequest, *, as_json: bool, quiet: bool, strict: bool) -> int:
    """Train, write, print; return the exit code."""
    # a stream has nothing beside it
    trace = None if request.out is None or is_stream(request.out) else trace_path(request.out)
    check_outputs({"--out": request.out, "--out (its trace)": trace, "--report": request.report}, [request.table])
    messages = terminal.messages(quiet=quiet)
    prepared = read_and_prepare(request)
    if request.row is not None:
        check_row(prepared.design, request.row)
    for text in prepared.notes:
        terminal.note(messages, text)
    watched = train_watched(prepared, request.descent, messages)
    training, interrupted = watched.training, watched.interrupted
    wanted: dict[str, Path | None] = {"model": request.out, "trace": trace, "report": request.report}
    written = write_files(training, wanted, request.table.name, request.row)
    document = fit_document(training, str(request.table), written)
    tell_warnings(messages, watched, as_json=as_json)
    if as_json:
        print_json(document)
    else:
        console = terminal.results()
        terminal.print_fit(console, document)
        terminal.print_set_aside(console, document)
    if interrupted or written != wanted:
        tell_interrupt(messages, training, wanted, written)
        return INTERRUPTED
    done = training.result.reason == "converged" and not watched.warned
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


@dataclass(frozen=True)
class Watched:
    """A training, whether Ctrl-C stopped it, its warnings, and which of them were told while it ran."""

    training: Training
    interrupted: bool
    warned: list[str]
    told: list[str]


def train_watched(prepared: Prepared, descent: Descent, messages: Console) -> Watched:
    """Train under a progress bar; what goes wrong on the way is told at once."""
    told: list[str] = []

    def tell(text: str) -> None:
        told.append(text)
        terminal.note(messages, text)

    with collected_warnings(tell) as warned:
        try:
            with terminal.FitProgress(messages) as progress:
                return Watched(train(prepared, descent, progress=progress), False, warned, told)
        except KeyboardInterrupt as stop:
            training = getattr(stop, "training", None)
            if not isinstance(training, Training):
                raise
            return Watched(training, True, warned, told)


def write_files(
    training: Training,
    files: Mapping[str, Path | None],
    title: str,
    row: int | None = None,
    sources: Sequence[str] = (),
) -> dict[str, Path | None]:
    """Write the files asked for, each whole or not at all; return those written, fewer where Ctrl-C came between.

    files: "model", "trace", "report", and in the demo "data", the embedded table.
    """
    written: dict[str, Path | None] = dict.fromkeys(files)
    try:
        for name, path in files.items():
            if path is not None:
                _write(name, path, training, title, row, sources)
                written[name] = path
    except KeyboardInterrupt:
        pass  # whoever asked compares the two
    return written


def _write(
    name: str, path: Path, training: Training, title: str, row: int | None, sources: Sequence[str]
) -> None:  # fmt: skip
    if name == "model":
        save_model(path, training.model)
    elif name == "trace":
        save_trace(path, training.result.trace)
    elif name == "report":
        from chainrule.cli.reporting import write_report

        write_report(path, training, title, row, sources)
    else:
        write_atomically(path, (resources("chainrule") / "data" / path.name).read_bytes())


def tell_warnings(messages: Console, watched: Watched, *, as_json: bool) -> None:
    """Print as notes the warnings that weren't told yet, but for the one that the text of the results repeats."""
    for text in watched.warned:
        if text not in watched.told and (as_json or text != watched.training.result.message):
            terminal.note(messages, text)


def tell_interrupt(
    messages: Console, training: Training, wanted: Mapping[str, Path | None], written: Mapping[str, Path | None]
) -> None:  # fmt: skip
    """Say what Ctrl-C left behind, in training or after it."""
    there = ", ".join(str(path) for path in written.values() if path is not None)
    missing = ", ".join(str(path) for name, path in wanted.items() if path is not None and written[name] is None)
    if missing:
        text = f"interrupted after training: wrote {there or 'nothing'}; not written: {missing}"
    else:
        end = f"is in {there}" if there else "is not kept (there was no --out)"
        text = f"interrupted: the state after epoch {training.result.epoch:,} {end}"
    messages.print(visible(text), soft_wrap=True, markup=False)
