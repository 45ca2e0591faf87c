"""Numbers and JSON in one safetensors file that contains its kind and a checksum.

The format: a safetensors file whose only metadata key, `chainrule`, holds a JSON object. Its first key is
`format_version`, then `kind`, then what the kind needs; its last is `sha256`, over the object without it and all
tensors (names, types, shapes, bytes). Safetensors alone loads most files with a flipped bit.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from chainrule.errors import InputError
from chainrule.model.files import reason
from chainrule.words import plain

FORMAT_VERSION = 1
KEY = "chainrule"
_TYPES = {"float64": "F64", "int64": "I64"}
_SEAL = re.compile(r', "sha256": "([0-9a-f]{64})"\}\Z')


def pack(kind: str, document: Mapping[str, Any], tensors: Mapping[str, npt.ArrayLike]) -> bytes:
    """Return the bytes of a file; the same content gives the same bytes.

    Parameters
    ----------
    kind : str
        "model" or "trace".
    document : mapping
        JSON values; numbers that are not finite become null, NumPy's become Python's.
    tensors : mapping of str to arrays
        float64 or int64.
    """
    arrays = {name: np.require(array, requirements=["C"]) for name, array in sorted(tensors.items())}
    text = json.dumps(plain({"format_version": FORMAT_VERSION, "kind": kind, **document}))
    return bytes(save(arrays, metadata={KEY: f'{text[:-1]}, "sha256": "{_digest(text, arrays)}"}}'}))


@contextmanager
def explained(path: str | Path, kind: str) -> Iterator[None]:
    """Say in a sentence why a file can't be read or used."""
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"there is no {kind} file {path}: check the name, or train a model first") from error
    except OSError as error:
        raise InputError(f"can't read {path}: {reason(error)}; choose another file") from error
    except (SafetensorError, KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError) as error:
        what = f"no {kind} of chainrule, or a damaged one"
        raise InputError(f"{path} is {what}: name another file, copy it again or train the model again") from error


def unpack(path: str | Path, kind: str) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    """Read the document and the tensors of a file that `pack` made, and check it.

    Raises
    ------
    InputError
        The file is missing, damaged, not of chainrule, not of this `kind`, or of a newer version of chainrule.
    """
    with explained(path, kind):
        # `open` says why a file can't be opened; safetensors doesn't
        with open(path, "rb"), safe_open(path, framework="numpy") as file:
            text = file.metadata()[KEY]
            tensors = {name: file.get_tensor(name) for name in file.keys()}
        document = json.loads(text)
        version = document.pop("format_version")
        if version > FORMAT_VERSION:
            what = f"format {version}; this one reads up to {FORMAT_VERSION}"
            raise InputError(f"{path} was written by a newer chainrule ({what}): upgrade chainrule")
        if document.pop("sha256") != _digest(_SEAL.sub("}", text), tensors):
            raise ValueError("the checksum is wrong")
        held = document.pop("kind")
    if held != kind:
        raise InputError(f"{path} is a {held} and not a {kind}: name the {kind}'s file")
    return document, tensors


def _digest(text: str, tensors: Mapping[str, npt.NDArray[Any]]) -> str:
    digest = hashlib.sha256(text.encode())
    for name, array in sorted(tensors.items()):
        digest.update(f"\n{json.dumps([name, _TYPES[array.dtype.name], list(array.shape)])}\n".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
