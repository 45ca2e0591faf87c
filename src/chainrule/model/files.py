"""Writes files whole or not at all."""

import os
import re
import secrets
from collections.abc import Iterable
from pathlib import Path

from chainrule.errors import InputError


def check_writable(path: str | Path) -> Path:
    """Refuse a file that can't be written, before a long computation for it.

    Parameters
    ----------
    path : str or Path
        The file that will be written.

    Returns
    -------
    Path
        The path with links followed, so that the file that a link points to is replaced and not the link. A stream
        (`is_stream`) keeps its path.

    Raises
    ------
    InputError
        The path is a folder, its folder is missing or not writable, or the file is not writable.
    """
    if is_stream(path):
        return Path(path)
    try:
        real = Path(os.path.realpath(path))
        wrong = {
            "it is a folder; name a file in it": real.is_dir(),
            f"the folder {real.parent} does not exist; make it first": not real.parent.is_dir(),
            "permission denied; choose another place": not os.access(real if real.exists() else real.parent, os.W_OK),
        }
    except (OSError, ValueError) as error:  # a name that is too long, or has a zero byte in it
        raise InputError(f"can't write {str(path)!r}: {reason(error)}; choose another name") from error
    for why, is_so in wrong.items():
        if is_so:
            raise InputError(f"can't write {path}: {why}")
    return real


def is_stream(path: str | Path) -> bool:
    """Return whether a path is not a file but a pipe, a device or an open stream such as /dev/stdout."""
    is_special = os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)
    return is_special or _descriptor(path) is not None


def write_atomically(path: str | Path, data: bytes | str | Iterable[str]) -> None:
    """Write a file by way of a temporary one in the same folder, so that no half-written file remains.

    Parameters
    ----------
    path : str or Path
        The file; an old one is replaced at the end, in one step. A stream (`is_stream`) is written directly, and
        it is no error if its reader stops early.
    data : bytes, str or iterable of str
        The content, whole or in pieces; text is written as UTF-8, its line ends as they are.

    Raises
    ------
    InputError
        The file can't be written.
    """
    real = check_writable(path)
    content = (
        (data,) if isinstance(data, bytes) else (text.encode() for text in ((data,) if isinstance(data, str) else data))
    )
    try:
        if is_stream(real):
            _pour(real, content)
        else:
            _replace(real, content)
    except OSError as error:
        raise InputError(f"can't write {path}: {reason(error)}; choose another place") from error


def _descriptor(path: str | Path) -> int | None:
    """Return the descriptor of the open stream that a path names; opening the path again would truncate its file."""
    name = {"/dev/stdout": "/dev/fd/1", "/dev/stderr": "/dev/fd/2"}.get(str(path), str(path))
    found = re.fullmatch(r"(?:/dev|/proc/self)/fd/(\d+)", name)
    return int(found[1]) if found and os.name == "posix" else None


def _pour(path: Path, content: Iterable[bytes]) -> None:
    number = _descriptor(path)
    try:
        with open(path if number is None else os.dup(number), "wb") as file:
            file.writelines(content)
    except BrokenPipeError:
        pass  # the reader stopped


def _replace(path: Path, content: Iterable[bytes]) -> None:
    temporary = path.parent / f".chainrule-{secrets.token_hex(8)}.tmp"
    try:
        # opened like this, the file gets permissions by the user's umask, and no existing file is overwritten
        with open(
            os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666), "wb"
        ) as f:
            f.writelines(content)
        os.replace(temporary, path)
    except BaseException:  # Ctrl-C too
        temporary.unlink(missing_ok=True)
        raise


def reason(error: Exception) -> str:
    """Return the system's message about a file, as part of a sentence."""
    text = getattr(error, "strerror", None) or str(error)
    return text[:1].lower() + text[1:]
