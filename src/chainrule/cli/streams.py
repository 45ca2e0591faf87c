"""stdout and stderr whose reader may leave: `| head`, `2>&-`. The work goes on, and the files are written."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

from chainrule.errors import InputError


class Patient:
    """A stream that goes quiet when its reader has left, in place of stopping the work.

    file: the stream. name: what to call it where the disk below it is full; None for one that is not worth a word.
    """

    def __init__(self, file: TextIO, name: str | None = None) -> None:
        self._file = file
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._file, attribute)

    def write(self, text: str) -> int:
        """Write, or leave it where nobody reads."""
        try:
            return self._file.write(text)
        except OSError as error:
            self._leave(error)
            return len(text)

    def flush(self) -> None:
        """Flush, or leave it where nobody reads."""
        try:
            self._file.flush()
        except OSError as error:
            self._leave(error)

    def _leave(self, error: OSError) -> None:
        # what is still buffered must go somewhere, or Python complains about it at its end
        void = os.open(os.devnull, os.O_WRONLY)
        os.dup2(void, self._file.fileno())
        os.close(void)
        if self._name is not None and not isinstance(error, BrokenPipeError):
            reason = error.strerror or str(error)
            raise InputError(f"can't write to {self._name}: {reason[:1].lower()}{reason[1:]}") from None


class Closed(Patient):
    """The void in place of a stream that was closed before the command began."""


@contextmanager
def patient_streams() -> Iterator[None]:
    """Make stdout and stderr patient while a command runs."""
    before = sys.stdout, sys.stderr
    # a closed stream is None, and then the next file that is opened would take its place
    out, err = (Closed(open(os.devnull, "w")) if file is None else file for file in before)
    for stream in (out, err):
        if hasattr(stream, "reconfigure"):  # a label that the terminal can't show must not stop the command
            stream.reconfigure(errors="backslashreplace")
    sys.stdout = cast(TextIO, out if isinstance(out, Closed) else Patient(cast(TextIO, out), "stdout"))
    sys.stderr = cast(TextIO, err if isinstance(err, Closed) else Patient(cast(TextIO, err)))
    try:
        yield
    finally:
        with suppress(InputError):
            sys.stdout.flush()
        sys.stdout, sys.stderr = before


def stdout_is_closed() -> bool:
    """Tell whether results printed now would be lost."""
    return isinstance(sys.stdout, Closed)
