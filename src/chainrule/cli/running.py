"""One command from its arguments to its exit code: mistakes, warnings and Ctrl-C become one sentence on stderr."""

import re
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

import typer

from chainrule.cli import DONE, INTERRUPTED, MISTAKE
from chainrule.cli.streams import patient_streams
from chainrule.errors import ChainruleWarning, CrawlingWarning, InputError, LearningRateWarning, OscillationWarning
from chainrule.findings import Said, said_by, say_in_shell
from chainrule.words import visible

WHILE_TRAINING = (LearningRateWarning, OscillationWarning, CrawlingWarning)


def run(app: typer.Typer, argv: Sequence[str] | None = None) -> int:
    """Parse `argv`, run the command of `app`, return the exit code (see `chainrule.cli`)."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    with patient_streams(), warnings.catch_warnings():
        # NumPy's "overflow encountered" says nothing to a user: what is not finite is looked for, and said. Appended,
        # so that a filter that is there already (in tests: error) comes first.
        warnings.simplefilter("ignore", RuntimeWarning, append=True)
        return _run(app, arguments)


def _run(app: typer.Typer, arguments: list[str]) -> int:
    try:
        parsed = typer.main.get_command(app).main(arguments, prog_name="chainrule", standalone_mode=False)
        code: int = parsed() if callable(parsed) else int(parsed or DONE)
        sys.stdout.flush()
        return code
    except InputError as mistake:
        return _mistake(say_in_shell(mistake))
    except OSError as error:
        return _mistake(f"{error.filename or 'the system'}: {error.strerror or error}")
    except KeyboardInterrupt:
        say("chainrule: interrupted before the end; no file is half-written")
        return INTERRUPTED
    except Exception as error:
        # typer keeps its usage errors in a private copy of click, older versions in click: known by what they can do
        if hasattr(error, "format_message") and hasattr(error, "exit_code"):
            return _mistake(_usage(error.format_message(), arguments))
        raise


def say(text: str) -> None:
    """Write one line to stderr; what does not print is spelled out."""
    print(visible(text), file=sys.stderr, flush=True)


@contextmanager
def collected_warnings(tell: Callable[[Said], None] = lambda text: None) -> Iterator[list[Said]]:
    """Collect Chainrule's warnings, each once, in place of printing them; others are printed as ever.

    tell: called at once with those that come while training goes on.
    """
    seen: list[Said] = []

    def collect(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if not issubclass(category, ChainruleWarning):
            say(warnings.formatwarning(message, category, filename, lineno, line).rstrip())
        elif (said := said_by(message)) not in seen:
            seen.append(said)
            if issubclass(category, WHILE_TRAINING):
                tell(said)

    with warnings.catch_warnings():
        warnings.simplefilter("always", ChainruleWarning)
        warnings.showwarning = collect
        yield seen


def _mistake(sentence: str) -> int:
    say(f"chainrule: {' '.join(sentence.split())}")
    return MISTAKE


def _usage(sentence: str, arguments: list[str]) -> str:
    """Typer's own sentence, and where to read on."""
    command = arguments[0] if arguments and not arguments[0].startswith("-") else ""
    text = sentence.rstrip(".") if sentence else "a command is missing"
    text = re.sub(r"^Invalid value(?: for '[^']*')?: (?=--)", "", text)  # our own sentences name the option
    known = command in ("demo", "fit", "certify", "predict", "evaluate", "explain", "study")
    if (
        command == "study"
        and len(arguments) > 1
        and arguments[1] in ("learning-rate", "centering", "scaling", "batches")
    ):
        command = f"study {arguments[1]}"
    return f"{text}; see chainrule {command + ' ' if known else ''}--help"
