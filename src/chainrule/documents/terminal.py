"""Blocks in a terminal of any width: names may be shortened, words wrap, and no digit is ever cut off.

What does not fit in a narrow terminal is stacked, and at the last runs over the line's end. Pictures are left out.
"""

import io
import sys
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.text import Text as Line

from chainrule.documents import blocks as b
from chainrule.words import NAME, cells, shortened, visible

HEADING, DIM = "bold", "dim"
INDENT = "  "
GAP = 2  # cells between columns
LEAST_NAME = 12  # cells of a name's column at least; narrower tables are stacked
LEAST_WIDTH = 16


def results() -> Console:
    """Make the console of the results: stdout."""
    return Console(file=sys.stdout, highlight=False, emoji=False)


def messages(*, quiet: bool = False) -> Console:
    """Make the console of progress and notes: stderr, or nothing."""
    return Console(file=sys.stderr, highlight=False, emoji=False, quiet=quiet)


def note(console: Console, text: str) -> None:
    """Print one note on stderr, whole on one line where stderr is a file."""
    words = Line.assemble(("note: ", "yellow"), visible(text))
    console.print(words, soft_wrap=not console.is_terminal)


def show(console: Console, blocks: Sequence[b.Block]) -> None:
    """Print blocks, one below the other."""
    last: b.Block | None = None
    for block in _flat(blocks):
        indent = "" if isinstance(block, b.Heading) and block.level < 3 else INDENT
        lines = lines_of(block, max(console.width - len(indent), LEAST_WIDTH))
        if lines and _is_apart(last, block):
            console.print()
        for line in lines:
            console.print(Line(indent) + line, soft_wrap=True)
        last = block if lines else last


def _flat(blocks: Sequence[b.Block]) -> Iterator[b.Block]:
    for block in blocks:
        if isinstance(block, b.Beside):
            for group in block.groups:
                yield from _flat(group)
        else:
            yield block


def _is_apart(last: b.Block | None, block: b.Block) -> bool:
    """Tell whether an empty line stands between two blocks."""
    if last is None or isinstance(last, b.Heading) or _is_note(block):
        return False
    return _is_note(last) or not (isinstance(last, b.Text | b.Formula) and isinstance(block, b.Text | b.Formula))


def _is_note(block: b.Block) -> bool:
    return isinstance(block, b.Text) and block.role == "note"


def as_text(blocks: Sequence[b.Block], width: int = 100) -> str:
    """Write blocks as plain text, for `print`."""
    file = io.StringIO()
    show(Console(file=file, width=width, highlight=False, emoji=False), blocks)
    return file.getvalue().rstrip("\n")


class _Plain(b.Speller):
    def literal(self, text: str) -> str:
        return visible(text)

    def name(self, text: str) -> str:
        return shortened(text)

    def number(self, text: str) -> str:
        return text


PLAIN = _Plain()


def lines_of(block: b.Block, width: int) -> list[Line]:
    """Lay one block out in lines of `width` cells; a picture has none."""
    match block:
        case b.Text():
            return [Line(line, style=DIM if _is_note(block) else "") for line in wrapped(block, width)]
        case b.Heading():
            return [Line(line, style=HEADING if block.level < 3 else DIM) for line in wrapped(block.text, width)]
        case b.Formula():
            note = f"  ({PLAIN.words(block.note)})" if block.note else ""
            return [Line(line) for line in wrapped(block.text + note, width)]
        case b.Facts():
            return facts_lines([(name, PLAIN.format_field(value, "")) for name, value in block.pairs], width)
        case b.Table():
            # a name is spelled by the table, which knows how much room it has
            columns = [[PLAIN.format_field(c, "" if isinstance(c, str) else column.format) for c in column.cells]
                       for column in block.columns]  # fmt: skip
            return table_lines([column.head for column in block.columns], list(zip(*columns, strict=True)), width=width)
        case b.Bullets():
            return [Line(line) for item in block.items for line in wrapped("- " + PLAIN.words(item), width)]
        case b.Code():
            return [Line(visible(line)) for line in block.lines]
    return []


def wrapped(text: b.Words, width: int) -> list[str]:
    """Break text between words into lines of `width` cells; a word that is longer stays whole."""
    lines: list[str] = []
    for word in PLAIN.words(text).split(" "):
        if lines and cells(lines[-1]) + 1 + cells(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def folded(name: str, width: int) -> list[str]:
    """Break a name into lines of `width` cells: between words, else after a sign such as _ or =, else anywhere."""
    lines: list[str] = []
    for line in wrapped(name, width):
        part = ""
        for c in line:
            if part and cells(part + c) > width:
                cut = max((k + 1 for k, sign in enumerate(part) if sign in "_=-./:"), default=len(part))
                lines.append(part[:cut])
                part = part[cut:]
            part += c
        lines.append(part)
    return lines


def facts_lines(pairs: Sequence[tuple[str, str]], width: int) -> list[Line]:
    """Lay out names and what they are: beside each other, or one below the other where that is narrow."""
    left = max((len(name) for name, _ in pairs), default=0) + GAP
    lines: list[Line] = []
    for name, text in pairs:
        if width - left >= 24:
            first, *rest = wrapped(text, width - left)
            lines += [Line(name.ljust(left), style=DIM) + Line(first)] if first else [Line(name, style=DIM)]
            lines += [Line(" " * left + line) for line in rest]
        else:
            lines += [Line(name, style=DIM), *(Line(INDENT + line) for line in wrapped(text, width - len(INDENT)))]
    return lines


def table_lines(heads: Sequence[str], rows: Sequence[Sequence[str]], *, width: int) -> list[Line]:
    """Lay out a table: names flush left in the first column, numbers flush right in the others, a rule below the heads.

    Heads wrap. Where the numbers leave too little room for the names, each row becomes a block of lines.
    """
    names = [shortened(row[0]) if row[0] else "" for row in rows]
    numbers = [[visible(cell) for cell in row[1:]] for row in rows]
    bodies = [max((cells(row[j]) for row in numbers), default=0) for j in range(len(heads) - 1)]
    natural = max(map(cells, names), default=0)
    first_head, *others = heads
    for widest in (NAME, 13, 8):  # heads on one line, if there is room; else on several
        tops = [
            [shortened(line, max(body, 14, widest)) for line in wrapped(head, max(body, widest))]
            for head, body in zip(others, bodies, strict=True)
        ]
        sizes = [max(body, *map(cells, top)) for body, top in zip(bodies, tops, strict=True)]
        room = width - sum(sizes) - GAP * len(sizes)
        if room >= max(natural, *map(cells, first_head.split(" "))):
            break
    if room < min(LEAST_NAME, natural):
        return _stacked(others, names, numbers, width)
    first = min(room, max(natural, cells(first_head)))
    sizes = [first, *sizes]
    top = _side_by_side([folded(first_head, first), *tops], sizes, bottom=True)
    lines = [Line(line, style=HEADING) for line in top]
    lines.append(Line("─" * (sum(sizes) + GAP * (len(sizes) - 1)), style=DIM))
    for name, row in zip(names, numbers, strict=True):
        lines += map(Line, _side_by_side([folded(name, first), *([cell] for cell in row)], sizes))
    return lines


def _side_by_side(parts: Sequence[Sequence[str]], sizes: Sequence[int], *, bottom: bool = False) -> list[str]:
    """Join the lines of cells, the first flush left, the others flush right; `bottom`: all end on the last line."""
    height = max(map(len, parts))
    lines = []
    for k in range(height):
        line = []
        for j, (part, size) in enumerate(zip(parts, sizes, strict=True)):
            at = k - (height - len(part)) if bottom else k
            text = part[at] if 0 <= at < len(part) else ""
            space = " " * (size - cells(text))
            line.append(space + text if j else text + space)
        lines.append((" " * GAP).join(line).rstrip())
    return lines


def _stacked(heads: Sequence[str], names: Sequence[str], numbers: Sequence[Sequence[str]], width: int) -> list[Line]:
    """Lay out each row as its name and, below it, a line for each number."""
    lines: list[Line] = []
    for name, row in zip(names, numbers, strict=True):
        lines += [Line(line, style=HEADING) for line in folded(name, width)]
        longest = max(map(cells, row), default=0)
        labels = [shortened(head, max(width - longest - len(INDENT) - GAP, 8)) for head in heads]
        widest = max(map(cells, labels), default=0)
        lines += [
            Line(INDENT + label + " " * (widest - cells(label) + GAP) + cell.rjust(longest))
            for label, cell in zip(labels, row, strict=True)
            if cell
        ]
    return lines
