"""Text for a terminal of any width: names may be shortened, words wrap, and no digit is ever cut off.

Lines are plain text with the styles of rich. What does not fit in a narrow terminal is stacked, and at the last runs
over the line's end.
"""

import re
from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from chainrule.errors import printable as visible

HEADING = "bold"
DIM = "dim"
INDENT = "  "
GAP = 2  # cells between columns
NAME = 60  # cells of a name at most
LEAST_NAME = 12  # cells of a name's column at least; narrower tables are stacked
LEAST_WIDTH = 16


def shortened(name: str, room: int = NAME) -> str:
    """Shorten a name to `room` cells by an ellipsis in its middle: names of levels differ at their ends."""
    text = visible(name)
    if cell_len(text) <= room:
        return text
    head, tail = "", ""
    for c in text:
        if cell_len(head + c) > (room - 1) // 2:
            break
        head += c
    for c in reversed(text):
        if cell_len(head + c + tail) > room - 1:
            break
        tail = c + tail
    return f"{head}…{tail}"


def wrapped(text: str, width: int) -> list[str]:
    """Break text between words into lines of `width` cells; a word that is longer stays whole."""
    lines: list[str] = []
    for word in visible(text).split(" "):
        if lines and cell_len(lines[-1]) + 1 + cell_len(word) <= width:
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
            if part and cell_len(part + c) > width:
                cut = max((k + 1 for k, sign in enumerate(part) if sign in "_=-./:"), default=len(part))
                lines.append(part[:cut])
                part = part[cut:]
            part += c
        lines.append(part)
    return lines


def table_lines(columns: Sequence[str], rows: Sequence[Sequence[str]], *, width: int) -> list[Text]:
    """Lay out a table: names flush left in the first column, numbers flush right in the others, a rule below the heads.

    A row of one cell alone is a remark and runs over all columns. Heads wrap. Where the numbers leave too little room
    for the names, each row becomes a block of lines.
    """
    names = [shortened(row[0]) for row in rows]
    full = [k for k, row in enumerate(rows) if len(row) > 1]
    numbers = [[visible(cell) for cell in row[1:]] for row in rows]
    bodies = [max((cell_len(numbers[k][j]) for k in full), default=0) for j in range(len(columns) - 1)]
    natural = max((cell_len(names[k]) for k in full), default=0)
    heads = [shortened(name) for name in columns]
    for wide in (True, False):  # heads on one line, if there is room; else on several
        tops = [[head] if wide else _narrow_head(head, body) for head, body in zip(heads[1:], bodies, strict=True)]
        sizes = [max(body, *(cell_len(line) for line in top)) for body, top in zip(bodies, tops, strict=True)]
        room = width - sum(sizes) - GAP * len(sizes)
        if room >= max(natural, max(map(cell_len, heads[0].split(" ")))):
            break
    if room < min(LEAST_NAME, natural):
        return _stacked(columns, rows, width)
    first = min(room, max(natural, cell_len(heads[0])))
    sizes = [first, *sizes]
    lines = [
        Text(line.rstrip(), style=HEADING)
        for line in _side_by_side([folded(heads[0], first), *tops], sizes, bottom=True)
    ]
    lines.append(Text("─" * (sum(sizes) + GAP * (len(sizes) - 1)), style=DIM))
    for k, row in enumerate(rows):
        if len(row) == 1:
            lines += [Text(line) for line in wrapped(row[0], width)]
        else:
            cells = [folded(names[k], first), *([cell] for cell in numbers[k])]
            lines += [Text(line.rstrip()) for line in _side_by_side(cells, sizes)]
    return lines


def _narrow_head(head: str, body: int) -> list[str]:
    """Wrap a head to the width of its numbers; a very long word of it is shortened."""
    room = max(body, 8)
    return [shortened(line, max(room, 14)) for line in wrapped(head, room)]


def _side_by_side(cells: Sequence[Sequence[str]], sizes: Sequence[int], *, bottom: bool = False) -> list[str]:
    """Join the lines of cells, the first flush left, the others flush right; `bottom`: all end on the last line."""
    height = max(map(len, cells))
    lines = []
    for k in range(height):
        parts = []
        for j, (cell, size) in enumerate(zip(cells, sizes, strict=False)):
            at = k - (height - len(cell)) if bottom else k
            text = cell[at] if 0 <= at < len(cell) else ""
            space = " " * (size - cell_len(text))
            parts.append(space + text if j else text + space)
        lines.append((" " * GAP).join(parts))
    return lines


def _stacked(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[Text]:
    """Lay out each row as its name and, below it, a line for each number."""
    lines: list[Text] = []
    for row in rows:
        if len(row) == 1:
            lines += [Text(line) for line in wrapped(row[0], width)]
            continue
        lines += [Text(line, style=HEADING) for line in folded(shortened(row[0]), width)]
        pairs = [(head, visible(cell)) for head, cell in zip(columns[1:], row[1:], strict=True) if cell]
        longest = max((cell_len(cell) for _, cell in pairs), default=0)
        labels = [shortened(head, max(width - longest - len(INDENT) - GAP, 8)) for head, _ in pairs]
        for label, size, (_, cell) in zip(labels, _padding(labels), pairs, strict=True):
            lines.append(Text(INDENT + label + " " * size + cell.rjust(longest)))
    return lines


def _padding(labels: Sequence[str]) -> list[int]:
    """Count the spaces after each label, so that what follows stands in line."""
    return [max(map(cell_len, labels)) - cell_len(label) + GAP for label in labels]


def print_lines(console: Console, lines: Sequence[Text], indent: str = INDENT) -> None:
    """Print lines as they are: the terminal may wrap what runs over, nothing is cut."""
    for line in lines:
        console.print(Text(indent if line.plain else "") + line, soft_wrap=True)


def room(console: Console, indent: str = INDENT) -> int:
    """Give the cells that a line has."""
    return max(console.width - len(indent), LEAST_WIDTH)


def print_table(console: Console, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; see `table_lines`."""
    print_lines(console, table_lines(columns, rows, width=room(console)))


def print_facts(console: Console, pairs: Sequence[tuple[str, str]]) -> None:
    """Print lines of a name and what it is, the second wrapped in itself, or below the name where it is narrow."""
    left = max((len(name) for name, _ in pairs), default=0) + GAP
    width = room(console)
    beside = width - left >= 24
    for name, text in pairs:
        lines = wrapped(text, width - left if beside else width - len(INDENT))
        if beside:
            print_lines(console, [Text(name.ljust(left), style=DIM) + Text(lines[0])])
            print_lines(console, [Text(" " * left + line) for line in lines[1:]])
        else:
            print_lines(console, [Text(name, style=DIM), *(Text(INDENT + line) for line in lines)])


def print_text(console: Console, text: str, *, style: str = "", indent: str = INDENT) -> None:
    """Print a sentence, wrapped between words."""
    print_lines(console, [Text(line, style=style) for line in wrapped(text, room(console, indent))], indent)


def print_heading(console: Console, text: str) -> None:
    """Print an empty line and a heading."""
    console.print()
    print_text(console, text, style=HEADING, indent="")


def without_padding(text: str) -> str:
    """Leave out the spaces at the lines' ends."""
    return re.sub(r" +\n", "\n", text)
