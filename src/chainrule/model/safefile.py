"""Numbers and JSON in one safetensors file that says of itself what it is and whether it is whole.

The format: a safetensors file whose only metadata key, `chainrule`, holds a JSON object. Its first key is
`format_version`, then `kind`, then what the kind needs; its last is `sha256`, over the object without it and all
tensors (names, types, shapes, bytes). Safetensors alone loads most files with a flipped bit.
"""

import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, deserialize
from safetensors.numpy import save

from chainrule.errors import InputError

FORMAT_VERSION = 1
KEY = "chainrule"
# safetensors' own limit for a header
_MAX_HEADER = 100_000_000
_TYPES: dict[str, npt.DTypeLike] = {"F64": "<f8", "I64": "<i8"}
# the library leaves this function without types
_deserialize: Callable[[bytes], list[tuple[str, Mapping[str, Any]]]] = deserialize
_SEAL = re.compile(r', "sha256": "([0-9a-f]{64})"\}\Z')


def pack(kind: str, document: Mapping[str, Any], tensors: Mapping[str, npt.ArrayLike]) -> bytes:
    """Give the bytes of a file; the same content gives the same bytes.

    Parameters
    ----------
    kind : str
        "model" or "trace".
    document : mapping
        JSON-able; numbers that are not finite become null, NumPy's become Python's.
    tensors : mapping of str to arrays
        float64 or int64.
    """
    arrays = {name: np.require(array, requirements=["C"]) for name, array in sorted(tensors.items())}
    for name, array in arrays.items():
        if array.dtype not in (np.float64, np.int64):
            raise TypeError(f"{name} is {array.dtype}, not float64 or int64")
    text = json.dumps(_plain({"format_version": FORMAT_VERSION, "kind": kind, **document}), allow_nan=False)
    seal = _digest(text, arrays)
    return bytes(save(arrays, metadata={KEY: f'{text[:-1]}, "sha256": "{seal}"}}'}))


def unpack(path: str | Path, kind: str) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    """Read a file that `pack` made, and check it.

    Parameters
    ----------
    path : str or Path
    kind : str
        What it must be.

    Returns
    -------
    document : dict
    tensors : dict of str to arrays

    Raises
    ------
    InputError
        No such file, a foreign or damaged one, another kind, or one of a newer version of chainrule.
    """
    data = _read(Path(path), kind)
    text = _metadata(path, data, kind)
    damaged = f"{path} is damaged (its checksum is wrong): copy it again, or train the model again"
    seal = _SEAL.search(text)
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(damaged) from error
    version = document.get("format_version") if isinstance(document, dict) else None
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise InputError(
            f"{path} was written by a newer chainrule (format {version}; this one reads up to {FORMAT_VERSION}): "
            "upgrade chainrule"
        )
    try:
        tensors = {name: _array(entry) for name, entry in _deserialize(data)}
    except (SafetensorError, KeyError, ValueError) as error:
        raise InputError(damaged) from error
    if seal is None or version != FORMAT_VERSION or seal[1] != _digest(_SEAL.sub("}", text), tensors):
        raise InputError(damaged)
    if document.get("kind") != kind:
        raise InputError(f"{path} is a {document.get('kind')} and not a {kind}: name the {kind}'s file")
    return {key: value for key, value in document.items() if key not in ("format_version", "kind", "sha256")}, tensors


def _read(path: Path, kind: str) -> bytes:
    try:
        if path.is_dir():
            raise InputError(f"{path} is a folder: name the {kind}'s file in it")
        with open(path, "rb") as file:
            start = file.read(8)
            size = path.stat().st_size
            length = int.from_bytes(start, "little")
            if size == 0:
                raise InputError(f"{path} is empty: it is no {kind} of chainrule")
            if len(start) < 8 or not 2 <= length <= min(_MAX_HEADER, size - 8):
                raise InputError(
                    f"{path} is no {kind} of chainrule, or was cut short: name another file, or copy it again"
                )
            return start + file.read()
    except FileNotFoundError as error:
        raise InputError(f"there is no {kind} file {path}: check the name, or train a model first") from error
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"can't read {path}: {getattr(error, 'strerror', None) or error}; choose another file"
        ) from error


def _metadata(path: str | Path, data: bytes, kind: str) -> str:
    length = int.from_bytes(data[:8], "little")
    try:
        header = json.loads(data[8 : 8 + length].decode())
        text = header["__metadata__"][KEY]
        if not isinstance(text, str):
            raise TypeError
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise InputError(
            f"{path} is no {kind} of chainrule, or a damaged one: name another file, copy it again or train "
            "the model again"
        ) from error
    return text


def _array(entry: Mapping[str, Any]) -> npt.NDArray[Any]:
    return np.frombuffer(entry["data"], dtype=_TYPES[entry["dtype"]]).reshape(entry["shape"])


def _digest(text: str, tensors: Mapping[str, npt.NDArray[Any]]) -> str:
    digest = hashlib.sha256(text.encode())
    for name, array in sorted(tensors.items()):
        type_name = "F64" if array.dtype == np.float64 else "I64"
        digest.update(("\n" + json.dumps([name, type_name, list(array.shape)]) + "\n").encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value
