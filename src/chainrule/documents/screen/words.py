"""Words and numbers as a terminal shows them, and the consoles that print them.

Every name that comes from the data is put in as plain text: a column called `[red]` is shown, not obeyed, and so is an
escape sequence.
"""

import io
import math
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any, TextIO, cast

from rich.console import Console
from rich.text import Text

from chainrule.documents.layout import without_padding
from chainrule.errors import printable as visible

Document = Mapping[str, Any]
Rows = list[list[str]]

BIAS = "b (bias)"  # a feature may be called b
TINY = 1e-12  # a standardised x at its mean may come out as 1e-16: the rounding of a 0
SHOWN = 30  # features in a table; --json gives all


def shown(word: str) -> str:
    """Spell a name or a label from the data."""
    from chainrule.data import words

    return words.shown(word)


def counted(count: int, noun: str) -> str:
    """Spell a number with its noun: 1 row, 2 rows."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def results() -> Console:
    """Make the console of the results: stdout."""
    file = sys.stdout if sys.stdout.isatty() else cast(IO[str], _NoPadding(sys.stdout))
    return Console(file=file, highlight=False, emoji=False)


class _NoPadding(io.TextIOBase):
    """A file that leaves out the spaces with which tables fill their lines."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> int:
        self._file.write(without_padding(text))
        return len(text)

    def flush(self) -> None:
        self._file.flush()


def messages(*, quiet: bool = False) -> Console:
    """Make the console of progress and notes: stderr, or nothing."""
    return Console(file=sys.stderr, highlight=False, emoji=False, quiet=quiet)


def note(console: Console, text: str) -> None:
    """Print one note on stderr, whole on one line where stderr is a file."""
    words = Text.assemble(("note: ", "yellow"), visible(as_options(text)))
    console.print(words, soft_wrap=not console.is_terminal)


def as_options(text: str) -> str:
    """Call what Python's arguments are called in a message by the names of the command line's options."""
    text = re.sub(r"^learning_rate (?=\d)", "--learning-rate ", text)
    text = re.sub(r"take a learning_rate below (\S+), or 'auto'", r"take a --learning-rate below \1, or auto", text)
    text = text.replace("raise max_reads", "raise --max-reads").replace("take method='newton'", "take --method newton")
    text = re.sub(
        r"use alpha > 0, e\.g\. alpha = 1/m = (\S+) for m rows",
        r"use --alpha > 0, e.g. --alpha \1, 1 over the rows",
        text,
    )
    text = text.replace("or use alpha > 0", "or use --alpha > 0")
    text = text.replace("take a larger learning_rate, or 'auto'", "take a larger --learning-rate, or auto")
    text = text.replace("take a larger learning_rate", "take a larger --learning-rate")
    text = text.replace(
        "take schedule='inverse', a smaller learning_rate", "take --schedule inverse, a smaller --learning-rate"
    )
    text = text.replace("or a larger batch_size", "or a larger --batch-size")
    text = re.sub(r"^batch_size (?=\d)", "--batch-size ", text)
    text = text.replace("or method='gradient-descent'", "or --method gradient-descent")
    text = re.sub(r"take a tol above (\S+)", r"that is as good as it gets", text)
    return re.sub(r"\(?standardize=True\)?", lambda found: found[0].replace("standardize=True", "--standardize"), text)


def number(value: float | None, digits: int = 4) -> str:
    """Write a number with `digits` significant digits; what is not there is a dash."""
    if value is None or math.isnan(value):
        return "-"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    text = f"{value:.{digits}g}"
    if value == 0 or "e" in text:
        return "0" if value == 0 else text
    return f"{value:.{max(0, digits - 1 - math.floor(math.log10(abs(value))))}f}"


def factor(value: float | None, zero: float = 0.0) -> str:
    """Write a factor of a product, or the product: with four significant digits, so that one gives the other.

    Whole numbers are written as such. zero: what is not larger than this is shown as 0.
    """
    if value is not None and abs(value) <= zero:
        return "0"
    return f"{value:.0f}" if value is not None and abs(value) < 1e6 and value == int(value) else number(value)


def at_most(bound: float) -> str:
    """Write a bound with two digits, rounded up."""
    from chainrule.certificate import upward  # loads NumPy, which no help text needs

    return upward(bound)


def at_least(bound: float) -> str:
    """Write a lower bound with two digits, rounded down."""
    from chainrule.certificate import downward

    return downward(bound)


def seconds(value: float) -> str:
    """Write a time with two digits."""
    if value >= 99.5:
        return f"{value / 60:.3g} minutes"
    return f"{float(f'{value:.2g}'):g} seconds"


def power(value: float | None) -> str:
    """Write a number with a power of ten, so that numbers of very different size can be compared."""
    return number(value) if not value or not math.isfinite(value) else f"{value:.2e}"


def fixed(value: float | None, places: int = 4) -> str:
    """Write a number with `places` decimals; a very large one as a power of ten."""
    if value is None or not math.isfinite(value):
        return "-"
    return f"{value:.{places}f}" if abs(value) < 1e6 else number(value)


def percent(value: float | None) -> str:
    """Write a share as a percentage with one decimal."""
    return "-" if value is None else f"{100 * value:.1f} %"


def most_important(entries: Sequence[Document], size: Callable[[Document], float]) -> tuple[list[Document], list[str]]:
    """Keep the entries of the largest size, in their order, and say how many more there are."""
    if len(entries) <= SHOWN:
        return list(entries), []
    order = sorted(range(len(entries)), key=lambda i: -size(entries[i]))[:SHOWN]
    return [entries[i] for i in sorted(order)], [smaller(len(entries) - SHOWN)]


def smaller(count: int) -> str:
    """Say how many are not shown."""
    return f"and {counted(count, 'smaller one')} (--json gives all)"
