"""Cuts the blanks around a text file's cells: " yes" and "yes " are "yes", and a cell of blanks is missing."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from chainrule.data.padded import PaddedError, as_numbers


def without_blanks(cells: Any, missing: Collection[str]) -> Any:
    """Cut the blanks around a column's text (Arrow, chunked); None if it has none. missing : cells that mean "missing"."""
    is_coded = pa.types.is_dictionary(cells.type)
    words = [chunk.dictionary for chunk in cells.chunks] if is_coded else cells.chunks
    if not any(map(_has_blanks, words)):
        return None
    text = pc.utf8_trim_whitespace(cells.cast(pa.string()))
    text = pc.if_else(pc.is_in(text, pa.array(list(missing), pa.string())), pa.scalar(None, pa.string()), text)
    return text.dictionary_encode() if is_coded else text


def _has_blanks(words: Any) -> bool:
    cut = pc.utf8_trim_whitespace(words)
    return bool(pc.sum(pc.binary_length(cut)).as_py() != pc.sum(pc.binary_length(words)).as_py())


def as_numbers_alone(cells: Any, decimal: str) -> Any:
    """Turn text into numbers if all of it, but for missing cells, is numbers without leading zeros; else leave it."""
    table = pa.table({"": cells.cast(pa.string())})
    for kind in (pa.int64(), pa.float64()):
        try:
            return as_numbers(table, {"": kind}, decimal).column(0)
        except PaddedError:
            break
        except pa.ArrowInvalid:
            continue
    return cells
