"""Where tables are: files, folders and standard input; what kind of file each is, told by its content."""

import lzma
import os
import re
import sys
import tempfile
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from chainrule.errors import InputError

STDIN = "-"
COPIED = 1 << 20  # bytes of a stream that are copied at once
_CODECS = {
    rb"\x1f\x8b": "gzip",
    rb"\x28\xb5\x2f\xfd": "zstd",
    rb"BZh[1-9]1AY&SY": "bz2",
    rb"\xfd7zXZ\0": "xz",
    rb"\x04\x22\x4d\x18": "lz4",
}
_KINDS = {rb"PAR1": "parquet", rb"ARROW1|\xff\xff\xff\xff": "arrow", rb'(?:\xef\xbb\xbf)?\s*\{\s*["}]': "json"}
_FOREIGN = {
    rb"PK\x03\x04": ("a spreadsheet or a zip archive", "save it as CSV, or unpack it"),
    rb"\xd0\xcf\x11\xe0": ("an old spreadsheet", "save it as CSV"),
    rb"FEA1": ("Feather of version 1", "write it again, as version 2 or as Parquet"),
    rb"SQLite format 3": ("a database", "export the table as CSV"),
    rb"\x89HDF": ("HDF5", "save the table as Parquet or CSV"),
    rb"%PDF": ("a PDF document", "save the table as CSV"),
    rb"(?i)\s*<(?:!doctype html|html|\?xml)": ("a web page or XML", "download the table itself, or save it as CSV"),
    rb"(?:\xef\xbb\xbf)?\s*\[\s*[{\[]": ("one JSON list", "write one object a line (JSON lines)"),
}
_NAMES = {
    "csv": r"\.(csv|tsv|tab|txt|dat|data)$",
    "parquet": r"\.(parquet|pq)$",
    "arrow": r"\.(arrow|feather|ipc|arrows)$",
    "json": r"\.(json|jsonl|ndjson)$",
}
WORDS = {"csv": "CSV", "parquet": "Parquet", "arrow": "Arrow IPC", "json": "JSON lines"}


@dataclass(frozen=True, eq=False)
class Place:
    """A file, or a copy of a stream that has no name in any folder.

    name : as the user wrote it. open_raw : opens it from the start, for binary reading.
    """

    name: str
    open_raw: Callable[[], IO[bytes]]
    path: Path | None = None

    def start(self, size: int = 1 << 12) -> bytes:
        """Read the first bytes, unpacked if the file is compressed."""
        with self.stream() as file:
            return bytes(file.read(size))

    @cached_property
    def codec(self) -> str:
        """How the file is compressed, "" if it isn't."""
        with self.open_raw() as file:
            return _known(_CODECS, file.read(16)) or ""

    @cached_property
    def kind(self) -> str:
        """One of `WORDS`; anything that isn't known otherwise may be CSV. Raises InputError for other known kinds."""
        start = self.start()
        foreign = _known(_FOREIGN, start)
        if foreign:
            what, way_out = foreign
            raise InputError(f"{self.name} is {what}: {way_out}")
        return _known(_KINDS, start) or "csv"

    def stream(self) -> Any:
        """Open the file from the start, unpacked."""
        if self.codec == "xz":
            return lzma.LZMAFile(self.path or self.open_raw())  # it closes only what it opened itself
        return (
            pa.CompressedInputStream(pa.PythonFile(self.open_raw(), "r"), self.codec) if self.codec else self.open_raw()
        )

    def seekable(self) -> Any:
        """Open the file for reading at any place; a compressed one is unpacked in memory."""
        if self.codec:
            with self.stream() as file:
                return pa.BufferReader(file.read())
        return pa.OSFile(str(self.path)) if self.path else pa.PythonFile(self.open_raw(), "r")

    def unlike_its_name(self) -> str:
        """Say what kind the file is if its name says another; else ""."""
        name = re.sub(r"\.(gz|zst|zstd|bz2|xz|lz4)$", "", self.name.lower())
        told = next((kind for kind, ending in _NAMES.items() if re.search(ending, name)), self.kind)
        return "" if told == self.kind else WORDS[self.kind]


def _known(patterns: dict[bytes, Any], start: bytes) -> Any:
    return next((of for pattern, of in patterns.items() if re.match(pattern, start)), None)


def places_of(name: str) -> list[Place]:
    """Find the files that a name stands for: one file, standard input ("-"), or all files of a folder, by name.

    A folder's subfolders are read too; files and folders whose names begin with a dot or an underscore are not.
    Raises InputError if there is no such file, or nothing in it.
    """
    path = Path(name)
    if name == STDIN:
        return [_copied("standard input", sys.stdin.buffer)]
    if path.is_dir():
        inside = sorted(
            file for file in path.rglob("*")
            if file.is_file() and not any(part[0] in "._" for part in file.relative_to(path).parts)
        )  # fmt: skip
        if not inside:
            raise InputError(f"the folder {name} has no files: name one that has tables")
        return [_file(file) for file in inside]
    if not path.exists():
        raise InputError(f"there is no file {name}: check the name and the folder")
    if not path.is_file():  # a pipe
        with open(path, "rb") as pipe:
            return [_copied(name, pipe)]
    return [_file(path)]


def partitions(name: str, places: list[Place]) -> list[str]:
    """List the names of subfolders that look like a column and its value: year=2024."""
    inside = (place.path.relative_to(name).parts[:-1] for place in places if place.path and Path(name).is_dir())
    return list(dict.fromkeys(part for parts in inside for part in parts if "=" in part))


def _file(path: Path) -> Place:
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty: a table needs a header and rows")
    return Place(str(path), lambda: open(path, "rb"), path)


def _copied(name: str, stream: IO[bytes]) -> Place:
    """Copy a stream to a temporary file, as tables are read more than once; the system deletes it at the end."""
    kept = tempfile.TemporaryFile()
    while block := stream.read(COPIED):
        kept.write(block)
    if not kept.tell():
        kept.close()
        raise InputError(f"{name} is empty: a table needs a header and rows")
    kept.flush()

    def opened() -> IO[bytes]:
        kept.seek(0)
        return os.fdopen(os.dup(kept.fileno()), "rb")

    place = Place(name, opened)
    weakref.finalize(place, kept.close)
    return place
