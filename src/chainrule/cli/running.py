"""How a command runs and writes: a mistake becomes one sentence, files are whole or absent, a reader may stop early."""

import json
import os
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

import typer
from rich.console import Console
from rich.text import Text

from chainrule.cli import DONE, INTERRUPTED, MISTAKE, SCHEMA_VERSION
from chainrule.documents import terminal
from chainrule.documents.blocks import Block
from chainrule.errors import InputError
from chainrule.findings import SHELL, said_by, say
from chainrule.model.files import check_writable, is_stream
from chainrule.words import plain, visible

if TYPE_CHECKING:
    import pyarrow as pa

    from chainrule.data.schema import Schema


def run(app: typer.Typer, arguments: Sequence[str]) -> int:
    """Parse the arguments, run the command of `app`, return the exit code (see `chainrule.cli`)."""
    out, err = Patient(sys.stdout, "stdout"), Patient(sys.stderr)
    with redirect_stdout(cast(TextIO, out)), redirect_stderr(cast(TextIO, err)), warnings.catch_warnings():
        # NumPy's warnings are not shown, as infinities are found and named. Appended: a test's own filter comes first.
        warnings.simplefilter("ignore", RuntimeWarning, append=True)
        try:
            code = execute(app, arguments)
            out.flush()
            return code
        except InputError as mistake:
            return _mistake(say(said_by(mistake), SHELL))
        except OSError as error:
            return _mistake(f"{error.filename or 'the system'}: {error.strerror or error}")
        except KeyboardInterrupt:
            _say("interrupted before the end; no file is half-written")
            return INTERRUPTED
        except Exception as error:
            # typer keeps its usage errors in a private copy of click, older versions in click: known by what they can do
            if not (hasattr(error, "format_message") and hasattr(error, "ctx")):
                raise
            text = str(error) if str(error).startswith("--") else error.format_message().rstrip(".")
            where = error.ctx.command_path if error.ctx else "chainrule COMMAND"
            return _mistake(f"{text or 'a command is missing'}; see {where} --help")
        finally:
            with suppress(InputError):
                out.flush()


def execute(app: typer.Typer, arguments: Sequence[str]) -> int:
    """Parse the arguments and run the command; unlike in typer's own runner, errors and Ctrl-C are raised."""
    command = typer.main.get_command(app)
    try:
        with command.make_context("chainrule", list(arguments)) as context:
            return int(command.invoke(context) or DONE)
    except typer.Exit as end:
        return end.exit_code


def _mistake(sentence: str) -> int:
    _say(" ".join(sentence.split()))
    return MISTAKE


def _say(sentence: str) -> None:
    print(visible(f"chainrule: {sentence}"), file=sys.stderr, flush=True)


class Patient:
    """A stream whose reader may stop early (`| head`) or was never there (`>&-`): output is dropped, the work goes on.

    file: None if the stream was closed. name: the stream's name in the message when its disk is full; without a name
    there is no message.
    """

    def __init__(self, file: TextIO | None, name: str = "") -> None:
        self.is_closed = file is None
        # replaces a closed stream: otherwise the next opened file would become stdout
        self._file = open(os.devnull, "w") if file is None else file
        self._name = name
        if hasattr(self._file, "reconfigure"):  # a label that the terminal can't show must not stop the command
            self._file.reconfigure(errors="backslashreplace")

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._file, attribute)

    def write(self, text: str) -> int:
        """Write, or do nothing if nobody reads."""
        self._try(self._file.write, text)
        return len(text)

    def flush(self) -> None:
        """Flush, or do nothing if nobody reads."""
        self._try(self._file.flush)

    def _try(self, do: Callable[..., object], *what: str) -> None:
        try:
            do(*what)
        except OSError as error:
            # buffered output must go somewhere, or Python complains when it exits
            void = os.open(os.devnull, os.O_WRONLY)
            os.dup2(void, self._file.fileno())
            os.close(void)
            if self._name and not isinstance(error, BrokenPipeError):
                raise InputError(f"can't write to {self._name}: {(error.strerror or str(error)).lower()}") from None


def check_outputs(outputs: Mapping[str, Path | None], inputs: Sequence[Path] = ()) -> None:
    """Refuse paths that can't be written, that are given twice, or that would replace an input; write nothing.

    outputs: option -> path, as the user gave it (None: not asked for). Without any path, stdout must be open.
    """
    if getattr(sys.stdout, "is_closed", False) and not any(outputs.values()):
        raise InputError("stdout is closed, so the results can't be printed: open it, or name a file")
    taken = {path.resolve(): f"the input {path}" for path in inputs}
    for option, path in outputs.items():
        if path is None:
            continue
        real = check_writable(path)
        if is_stream(path):
            continue
        if real in taken:
            raise InputError(f"{option} {path} would overwrite {taken[real]}; choose another path")
        taken[real] = f"what {option} writes"


def check_ending(option: str, path: Path | None, endings: Sequence[str]) -> None:
    """Refuse a picture whose name ends in something else than its kinds."""
    if path is not None and path.suffix.lower() not in endings:
        listed = f"{', '.join(endings[:-1])} or {endings[-1]}"
        raise InputError(f"{option} {path} must end in {listed}, which says what is drawn")


def headed(command: str, schema: "Schema", **paths: object) -> dict[str, Any]:
    """Begin a command's document: the files read, the target and its labels."""
    told = {name: str(path) for name, path in paths.items()}
    return {"schema_version": SCHEMA_VERSION, "command": command, **told, **schema.labels}


def penguins(na: Sequence[str] = ()) -> "pa.Table":
    """Read the demo's penguins, whose sex is learned; without the year of the expedition."""
    from chainrule.data.files import read_table

    with as_file(files("chainrule") / "data" / "penguins.csv") as path:
        return read_table(path, na=na).drop_columns(["year"])


@dataclass(frozen=True)
class Voice:
    """How a command speaks: notes on stderr, if it isn't quiet, and one document on stdout, as JSON or as text."""

    as_json: bool
    messages: Console

    def note(self, *texts: str) -> None:
        """Print notes on stderr, each on one line if stderr is a file."""
        for text in texts:
            line = Text.assemble(("note: ", "yellow"), visible(text))
            self.messages.print(line, soft_wrap=not self.messages.is_terminal)

    def tell(self, document: Mapping[str, Any], blocks: Callable[[Mapping[str, Any]], Sequence[Block]]) -> None:
        """Print the document, or the blocks made from it."""
        if self.as_json:
            sys.stdout.write(json.dumps(plain(document), indent=2, allow_nan=False) + "\n")
        else:
            terminal.show(terminal.results(), blocks(document))
