"""Spells names, options and lists for messages, and makes the errors about a column."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from shlex import quote

from chainrule.errors import InputError
from chainrule.findings import two_fronts
from chainrule.words import listed

# what the CSV reader takes for a number
_NUMBER = re.compile(r"\s*([+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|[+-]?(inf|infinity|nan)|0x[0-9a-f]+)\s*", re.I | re.ASCII)


def shown(word: str, limit: int = 60) -> str:
    """Spell a name or a cell for a message: quoted with escapes if it would read badly, cut if it is long."""
    if len(word) > limit:
        word = word[: limit - 3] + "..."
    plain = word.isprintable() and word == word.strip() and word != ""
    return word if plain else repr(word)


def option(name: str, word: str) -> str:
    """Spell an option for a shell, with quotes if they are needed."""
    if not word.isprintable():  # not readable in quotes either
        return f"{name} {shown(word)}"
    return f"{name}={quote(word)}" if word.startswith("-") else f"{name} {quote(word)}"


def some(words: Iterable[str], limit: int = 5) -> str:
    """List the first words and count the rest: 'a, b, c and 12 more'."""
    every = list(words)
    return listed([shown(word) for word in every[:limit]], limit, len(every))


def near(name: str, names: Sequence[str], what: str = "columns") -> str:
    """Name the columns that a wrong name may have meant, or list the columns. what : what the names are of."""
    close = _close(name, names)
    return f"did you mean {some(close)}?" if close else f"its {what} are {some(names, 10)}"


def _close(name: str, names: Sequence[str]) -> list[str]:
    """Find at most three names that read like `name`, whatever their case and punctuation."""
    plain = {_letters(other): other for other in reversed(names)}
    return [plain[key] for key in get_close_matches(_letters(name), list(plain), n=3, cutoff=0.6)]


def _letters(name: str) -> str:
    return re.sub(r"[\W_]+", " ", name.lower()).strip() or name


def column_names(given: Sequence[str], known: Sequence[str]) -> list[str]:
    """Split names given one by one or separated by commas; a column whose name has a comma must be given alone.

    known: the table's columns. Names that the table lacks are kept: the caller reports them.
    """
    names: list[str] = []
    for text in given:
        names += [text] if text in known else [part.strip() for part in text.split(",") if part.strip()]
    return names


def check_columns(wanted: Sequence[str], names: Sequence[str]) -> None:
    """Refuse a table without a model's columns: say which it lacks, and which it has, first those that may be meant."""
    there, needed = set(names), set(wanted)
    missing = [name for name in wanted if name not in there]
    if missing:
        what = f"no column{'s' * (len(missing) > 1)}"
        free = [name for name in names if name not in needed]
        close = [other for name in missing for other in _close(name, free)]
        way = f"its columns are {some(dict.fromkeys([*close, *free, *names]), 10)}"
        which = f"which the model reads: {way}"
        python, shell = listed([repr(name) for name in missing], 5), some(missing)
        raise InputError(two_fronts(f"X has {what} {python}, {which}", f"the table has {what} {shell}, {which}"))


def check_name(name: str, names: Counter[str], role: str = "column", of: str = "") -> None:
    """Refuse a name that the table lacks or has twice. names : how often each occurs. of : more words about the name."""
    if names[name] != 1:
        what, way = ("two columns called", "rename one") if names[name] else (f"no {role}", near(name, list(names)))
        shell = f"the table has {what} {shown(name)}{of}: {way}"
        raise InputError(two_fronts(f"X has {what} {name!r}{of}: {way}", shell))


def unusable(name: str, what: str, way: str = "") -> InputError:
    """Make the error about a column that can't be used: the way out is `way`, or to leave the column out."""
    ways = f"{way}, or leave it out" if way else "leave it out"
    return mistaken(name, what, ways, f"{ways} with {option('--drop', name)}")


def mistaken(name: str, what: str, way: str, on_command_line: str = "") -> InputError:
    """Make the error about a column. way : the way out; on_command_line : the same for the command line, if it differs."""
    python = f"column {name!r} {what}: {way}"
    return InputError(two_fronts(python, f"column {shown(name)} {what}: {on_command_line or way}"))


def looks_like_number(cell: str) -> bool:
    """Return whether the CSV reader would take a cell for a number."""
    return _NUMBER.fullmatch(cell) is not None
