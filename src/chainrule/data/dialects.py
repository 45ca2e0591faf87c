"""How a text file of a table is written: separator, quotes, decimal mark, encoding. Found from its start, or as asked."""

import codecs
import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median_low
from typing import IO, Any

from chainrule.data.words import shown
from chainrule.errors import InputError

CHUNK = 1 << 20
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", " ": "spaces"}
_SPELLED = {"comma": ",", "semicolon": ";", "tab": "\t", r"\t": "\t", "bar": "|", "pipe": "|", "space": " "}
_QUOTES = {"double": '"', "single": "'", "none": ""}
_BOMS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32",
         codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}  # fmt: skip
_ENCODINGS = {"cp1252": "Windows-1252", "iso8859-1": "Latin-1", "utf-16-le": "UTF-16", "utf-16-be": "UTF-16"}
OTHER = "cp1252"  # text that isn't UTF-8; Latin-1 without its control characters
MIXED = "is UTF-8 text in part only: save it as UTF-8, or name its encoding with --encoding"
_LETTER = re.compile(rb"\xc3[\x80-\xbf]")  # Ã and a sign in cp1252, a letter such as ö in UTF-8
RECORDS = 1000  # that are looked at to find the separator


@dataclass(frozen=True)
class Dialect:
    """How a text file is written; None where it is to be found.

    Parameters
    ----------
    sep : str, optional
        One ASCII character.
    decimal : str, optional
        "." or ",".
    encoding : str, optional
        A name that Python knows.
    quote : str, optional
        The character around cells that have a separator in them; "" if there is none.
    """

    sep: str | None = None
    decimal: str | None = None
    encoding: str | None = None
    quote: str | None = None

    @classmethod
    def asked(
        cls, sep: str | None = None, decimal: str | None = None, encoding: str | None = None, quote: str | None = None
    ) -> "Dialect":
        """Check what a user asks for; separators and quotes may also be words, such as tab, or none for no quotes."""
        sep = _SPELLED.get(sep or "", sep)
        quote = _QUOTES.get(quote or "", quote)
        for name, sign in (("--sep", sep), ("--quote", quote or None)):
            if sign is not None and (len(sign) != 1 or not sign.isascii() or sign in "\r\n"):
                raise InputError(f"{name} must be one ASCII character, such as a semicolon, not {sign!r}")
        if decimal not in (None, ".", ","):
            raise InputError(f"--decimal must be a point or a comma, not {decimal!r}")
        if sep is not None and sep == quote:
            raise InputError(f"--sep and --quote can't both be {sep!r}: change one")
        if encoding is not None:
            try:
                encoding = codecs.lookup(encoding).name
                str(b" ", encoding, "ignore")
            except LookupError:
                raise InputError(f"--encoding {encoding} is not known: try utf-8, windows-1252 or utf-16") from None
        return cls(sep, decimal, encoding, quote)

    def given(self) -> dict[str, str]:
        """List the options that were asked for."""
        return {name: value for name, value in vars(self).items() if value is not None}


AS_FOUND = Dialect()
USUAL = Dialect(",", ".", "utf-8", '"')


def encoding_of(start: bytes) -> str | None:
    """Find an encoding by the marks at the start of a file; None if they leave UTF-8 or one of its kind."""
    named = next((name for mark, name in _BOMS.items() if start.startswith(mark)), None)
    if named is None and b"\0" in start:
        zeros = [start[side::2].count(0) / max(len(start[side::2]), 1) for side in (0, 1)]
        if max(zeros) > 0.4 and min(zeros) < 0.1:
            return "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
    return named


class AsUtf8(io.RawIOBase):
    """The bytes of a text file as UTF-8, read from another stream.

    Without an encoding, it is decided where the first character that isn't ASCII comes: UTF-8 if that part of the file is, else
    `other`. So no file has to be read twice to find it.
    """

    def __init__(self, file: IO[bytes], name: str, encoding: str | None, other: str = OTHER) -> None:
        self.encoding = encoding
        self._file, self._name, self._other = file, name, other
        self._ready, self._at, self._ended, self._is_guess = b"", 0, False, False
        self._decoder = None if encoding in (None, "utf-8") else codecs.getincrementaldecoder(encoding)()

    def readable(self) -> bool:
        """Whether it can be read: always."""
        return True

    def close(self) -> None:
        """Close the file too."""
        if not self.closed:
            self._file.close()
        super().close()

    def read(self, size: int = -1) -> bytes:
        """Read up to `size` bytes, all if it is negative; fewer only at the end."""
        parts, left = [], size
        while left and (self._at < len(self._ready) or self._fill()):
            part = self._ready[self._at :] if left < 0 else self._ready[self._at : self._at + left]
            self._at += len(part)
            left -= 0 if left < 0 else len(part)
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _fill(self) -> bool:
        """Read the next part; return whether there was one."""
        while not self._ended:
            block = self._file.read(CHUNK)
            self._ended = not block
            if self.encoding is None and not block.isascii():
                block = self._decide(block)
            self._ready, self._at = self._decoded(block), 0
            if self._ready:
                return True
        return False

    def _decide(self, block: bytes) -> bytes:
        try:
            decoder = codecs.getincrementaldecoder("utf-8")()
            decoder.decode(block)
            while decoder.getstate()[0]:  # the end cuts a character
                more = self._file.read(1)
                decoder.decode(more, final=not more)
                block += more
            self.encoding = "utf-8"
        except UnicodeDecodeError:
            self.encoding, self._is_guess = self._other, self._other == OTHER
            self._decoder = codecs.getincrementaldecoder(self._other)()
        return block

    def _decoded(self, block: bytes) -> bytes:
        if self._decoder is None:
            return block
        if self._is_guess and _LETTER.search(block):
            raise InputError(f"{self._name} {MIXED}")
        try:
            return str(self._decoder.decode(block, final=self._ended)).encode()
        except UnicodeError:
            tried = spelled(self.encoding or "")
            what = f"neither UTF-8 nor {tried}" if self.encoding == self._other else f"not {tried}"
            raise InputError(
                f"{self._name} is {what} text: name its encoding with --encoding, such as shift_jis"
            ) from None


def spelled(encoding: str) -> str:
    """Write an encoding's name as people do."""
    return _ENCODINGS.get(encoding, encoding.upper() if encoding.startswith("utf") else encoding)


@dataclass(frozen=True)
class Layout:
    """How cells are laid out in a text file: separator, quote, lines before the header, and columns of the header."""

    sep: str
    quote: str
    skip: int
    columns: int


def layout_of(
    text: str, is_whole: bool, asked: Dialect, usual: Mapping[str, str], prefers_tabs: bool
) -> tuple[Layout, list[list[str]]]:
    """Find the separator that gives the most rows as many cells as the header has, then the most cells.

    text : the start of a file. usual : the separator and the quote of the model's training table, tried first.
    Also returns the first rows, the header among them.
    """
    first = re.match(r'"?sep=(.)"?\r?\n', text)  # Excel's
    skip = int(first is not None)
    text = text[first.end() :] if first else text
    quote = asked.quote if asked.quote is not None else _quote_of(text, usual.get("quote", '"'))
    sep = asked.sep or (first[1] if first else None)
    order = dict.fromkeys([*usual.get("sep", ""), *("\t" * prefers_tabs), *list(SEPARATORS)[:4]])
    best: tuple[tuple[float, int], str, list[list[str]]] | None = None
    for mark in [sep] if sep else order:
        if best is not None and mark not in text:
            continue
        records = _records(text, is_whole, mark, quote)
        wide = len(records[0]) if records else 0
        widths = [len(row) for row in records[1:]] or [wide]
        # if the header has one cell and most rows have more, a line stands above it; the parser then says so
        score = (widths.count(wide) / len(widths) if wide > 1 else -1.0 + 0.5 * (median_low(widths) > 1), wide)
        if best is None or score > best[0]:
            best = score, mark, records
    assert best is not None
    _, mark, records = best
    return Layout(mark, quote, skip, len(records[0]) if records else 0), records


def _records(text: str, is_whole: bool, sep: str, quote: str) -> list[list[str]]:
    """Split the first rows into cells; blank lines are left out, as the parser does."""
    how: dict[str, Any] = {"quotechar": quote} if quote else {"quoting": csv.QUOTE_NONE}
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=sep, **how)
    found: list[list[str]] = []
    try:
        for row in reader:
            if row:
                found.append(row)
            if len(found) > RECORDS:
                return found
    except csv.Error:  # a cell of more than 128 kB
        return found
    return found if is_whole or len(found) < 2 else found[:-1]


def _quote_of(text: str, usual: str) -> str:
    """Single quotes, if some cells are between them, no cell has only one, and none is between double quotes."""
    start = r"(?:^|[,;\t|])"
    end = r"(?=[,;\t|\r\n]|\Z)"
    singles = re.findall(rf"{start}'(?:[^'\n]|'')*'{end}", text, re.MULTILINE)
    if not singles or re.search(rf'{start}"', text, re.MULTILINE):
        return usual
    opened = len(re.findall(rf"{start}'", text, re.MULTILINE))
    return "'" if opened == len(singles) else usual


def words_of(sep: str, quote: str, decimal: str, encoding: str, expects_tabs: bool) -> list[str]:
    """List what isn't usual about a text file: the usual are commas (tabs in .tsv), points, UTF-8, double quotes."""
    said = {
        SEPARATORS.get(sep, f"separator {shown(sep)}"): sep != "," and not (sep == "\t" and expects_tabs),
        "decimal comma": decimal == ",",
        spelled(encoding): encoding != "utf-8",
        {"'": "single quotes", "": "no quotes"}.get(quote, f"quote {quote}"): quote != '"',
    }
    return [words for words, is_so in said.items() if is_so]
