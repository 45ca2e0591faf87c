"""`chainrule fit`: train on a table, print what happened, write model, trace and report."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from chainrule.cli import DONE, INTERRUPTED, NOT_STRICT
from chainrule.cli.documents import fit_document
from chainrule.cli.options import column_names
from chainrule.cli.outputs import check_outputs, print_json
from chainrule.cli.running import collected_warnings
from chainrule.data.files import read_table
from chainrule.documents import results, terminal
from chainrule.documents.progress import FitProgress
from chainrule.errors import InputError
from chainrule.findings import Said, say
from chainrule.fitting.result import REASONS
from chainrule.fitting.spec import FitSpec
from chainrule.model.files import is_stream
from chainrule.model.model import save_model, save_trace, trace_path
from chainrule.training import Prepared, Training, check_row, prepare, train
from chainrule.words import visible


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
    spec: FitSpec
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
    watched = train_watched(prepared, request.spec, messages)
    training, interrupted = watched.training, watched.interrupted
    wanted: dict[str, Path | None] = {"model": request.out, "trace": trace, "report": request.report}
    written = write_files(wanted, writers(training, request.table.name, request.row))
    document = fit_document(training, str(request.table), written)
    tell_warnings(messages, watched, as_json=as_json)
    if as_json:
        print_json(document)
    else:
        terminal.show(terminal.results(), [*results.fit(document), *results.set_aside(document)])
    if interrupted or written != wanted:
        tell_interrupt(messages, training, wanted, written)
        return INTERRUPTED
    done = training.result.reason == "converged" and not watched.warned
    if strict and not done:
        warned = training.result.reason == "converged"
        why = "there was a warning" if warned else REASONS[training.result.reason]
        terminal.note(messages, f"exit code 3, by --strict: {why}")
        return NOT_STRICT
    return DONE


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
    """A training, whether Ctrl-C stopped it, its warnings in the table's words, and which of them were told while it ran."""

    training: Training
    interrupted: bool
    warned: list[str]
    told: list[str]


def train_watched(prepared: Prepared, spec: FitSpec, messages: Console) -> Watched:
    """Train under a progress bar; what goes wrong on the way is told at once."""
    told: list[str] = []

    def words(text: Said) -> str:
        return say(text, spec.front)

    def tell(text: Said) -> None:
        told.append(words(text))
        terminal.note(messages, words(text))

    with collected_warnings(tell) as warned:
        try:
            with FitProgress(messages, spec.chosen) as progress:
                training = train(prepared, spec, progress=progress)
            return Watched(training, False, [words(text) for text in warned], told)
        except KeyboardInterrupt as stop:
            stopped = getattr(stop, "training", None)
            if not isinstance(stopped, Training):
                raise
            return Watched(stopped, True, [words(text) for text in warned], told)


Writer = Callable[[Path], None]


def writers(training: Training, title: str, row: int | None = None) -> dict[str, Writer]:
    """Give what writes each file of a fit."""

    def report(path: Path) -> None:
        from chainrule.cli.reporting import write_report

        write_report(path, training, title, row)

    return {
        "model": lambda path: save_model(path, training.model),
        "trace": lambda path: save_trace(path, training.result.trace),
        "report": report,
    }


def write_files(files: Mapping[str, Path | None], by: Mapping[str, Writer]) -> dict[str, Path | None]:
    """Write the files asked for, each whole or not at all; return those written, fewer where Ctrl-C came between."""
    written: dict[str, Path | None] = dict.fromkeys(files)
    try:
        for name, path in files.items():
            if path is not None:
                by[name](path)
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


def tell_warnings(messages: Console, watched: Watched, *, as_json: bool) -> None:
    """Print as notes the warnings that weren't told yet, but for those that the text of the results repeats."""
    for text in watched.warned:
        said = text.rstrip(".") in watched.training.result.message and not as_json
        if text not in watched.told and not said:
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
        unit = "step" if training.result.method.startswith("newton") else "epoch"
        text = f"interrupted: the state after {unit} {training.result.epoch:,} {end}"
    messages.print(visible(text), soft_wrap=True, markup=False)
