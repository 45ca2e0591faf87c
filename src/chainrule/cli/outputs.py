"""Files and documents that a command gives: checked before the work, written whole or not at all."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from chainrule.cli.streams import stdout_is_closed
from chainrule.errors import InputError
from chainrule.model.files import check_writable, is_stream
from chainrule.model.model import trace_path
from chainrule.words import plain


def check_outputs(outputs: Mapping[str, Path | None], inputs: Sequence[Path] = ()) -> None:
    """Refuse paths that can't be written, that are given twice, or that would replace an input; write nothing.

    outputs: option -> path, as the user gave it (None: not asked for). Without any, stdout must be there.
    """
    if stdout_is_closed() and not any(outputs.values()):
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


def inputs_of(model: Path, table: Path) -> list[Path]:
    """List what a command on a model reads: the model, its trace, the table."""
    return [model, table] if model.suffix == ".trace" or not model.name else [model, trace_path(model), table]


def make_folder(option: str, path: Path) -> None:
    """Make a folder, with its parents, where it is missing."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{option} {path} can't be made a folder: {error.strerror or error}") from None


def print_json(document: Mapping[str, Any]) -> None:
    """Print one JSON document on stdout, and nothing else."""
    sys.stdout.write(json.dumps(plain(document), indent=2, allow_nan=False) + "\n")
