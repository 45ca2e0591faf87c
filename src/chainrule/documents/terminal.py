"""Blocks in a terminal of any width: names may be shortened, words wrap, and no digit is ever cut off.

Tables too wide for a narrow terminal are stacked; as a last resort, lines run over the edge. Pictures are left out.
"""

import io
import sys
from collections.abc import Iterator, Sequence
from itertools import zip_longest

from rich.console import Console
from rich.text import Text as Line

from chainrule.documents import blocks as b
from chainrule.words import cells, shortened, visible, wrapped

HEADING, DIM = "bold", "dim"
STYLES = {"note": DIM, "cause": "yellow"}  # of sentences, by their roles
INDENT = "  "
GAP = 2  # cells between columns
LEAST_NAME = 12  # cells that a column of names needs; tables without room for them are stacked
LEAST_WIDTH = 16


def results() -> Console:
    """Make the console of the results: stdout."""
    return Console(file=sys.stdout, highlight=False, emoji=False)


def messages(*, quiet: bool = False) -> Console:
    """Make the console of progress and notes: stderr, or nothing."""
    return Console(file=sys.stderr, highlight=False, emoji=False, quiet=quiet)


def show(console: Console, blocks: Sequence[b.Block]) -> None:
    """Print blocks one below another."""
    last: b.Block | None = None
    page: list[Line] = []
    for block in _flat(blocks):
        indent = "" if isinstance(block, b.Heading) and block.level < 3 else INDENT
        lines = lines_of(block, max(console.width - len(indent), LEAST_WIDTH))
        if lines and _is_apart(last, block):
            page.append(Line())
        page += [Line(indent) + line for line in lines]
        last = block if lines else last
    if page:  # in one call, which takes a tenth of the time
        console.print(Line("\n").join(page), soft_wrap=True)


def _flat(blocks: Sequence[b.Block]) -> Iterator[b.Block]:
    for block in blocks:
        if isinstance(block, b.Beside):
            for group in block.groups:
                yield from _flat(group)
        elif isinstance(block, b.Fold):
            yield from _flat([b.Heading(block.title), *block.blocks])
        else:
            yield block


def _is_apart(last: b.Block | None, block: b.Block) -> bool:
    """Return whether an empty line separates two blocks."""
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


def lines_of(block: b.Block, width: int) -> list[Line]:
    """Lay out one block in lines of `width` cells; a picture gives no lines."""
    match block:
        case b.Text():
            return _sentence(b.PLAIN.words(block), width, STYLES.get(block.role, ""))
        case b.Heading():
            return _sentence(b.PLAIN.words(block.text), width, HEADING if block.level < 3 else DIM)
        case b.Formula():
            return _sentence(block.text + (f"  ({b.PLAIN.words(block.note)})" if block.note else ""), width)
        case b.Facts():
            return _facts([(name, b.PLAIN.format_field(value, "")) for name, value in block.pairs], width)
        case b.Table():
            return _table(block, width)
        case b.Bullets():
            return [line for item in block.items for line in _item(b.PLAIN.words(item), width)]
        case b.Code():
            return [Line(visible(line)) for line in block.lines]
    return []


def _sentence(text: str, width: int, style: str = "") -> list[Line]:
    return [Line(line, style) for line in wrapped(text, width, whole=True)]


def _item(text: str, width: int) -> list[Line]:
    return [Line("  " if k else "- ") + line for k, line in enumerate(_sentence(text, width - 2))]


def _facts(pairs: Sequence[tuple[str, str]], width: int) -> list[Line]:
    """Lay out pairs of a name and its text: side by side, or one below the other if there is too little room."""
    left = max((len(name) for name, _ in pairs), default=0) + GAP
    if width - left < min(24, max((cells(text) for _, text in pairs), default=0)):
        return [line for name, text in pairs for line in (Line(name, DIM), *_sentence(text, width))]
    lines: list[Line] = []
    for name, text in pairs:
        first, *rest = _sentence(text, width - left) or [Line()]
        lines += [Line.assemble((name.ljust(left), DIM), first), *(Line(" " * left) + line for line in rest)]
    return lines


def _table(block: b.Table, width: int) -> list[Line]:
    """Lay out a table, names and text flush left, numbers flush right.

    If that is too wide, each name stands above its row; if that is too wide too, each row is a block of lines.
    """
    heads = [shortened(column.head) for column in block.columns]
    columns = [[b.PLAIN.format_field(cell, column.format) for cell in column.cells] for column in block.columns]
    indents = [INDENT * inner for inner in block.inner] or [""] * len(columns[0])
    least = [max(map(cells, [*column, *head.split(" ")])) for head, column in zip(heads, columns, strict=True)]
    room = width - sum(least[1:]) - GAP * len(least[1:])
    natural = max((len(indent) + cells(name) for indent, name in zip(indents, columns[0], strict=True)), default=0)
    if room < 0:
        lines: list[Line] = []
        for name, *row in map(list, zip(*columns, strict=True)):
            lines += [Line(line, HEADING) for line in wrapped(name, width)]
            lines += _facts([pair for pair in zip(heads[1:], row, strict=True) if pair[1]], width)
        return lines
    is_above = room < min(LEAST_NAME, natural)
    names = [[indent + line for line in wrapped(name, (width if is_above else room) - len(indent))]
             for indent, name in zip(indents, columns[0], strict=True)]  # fmt: skip
    columns[0], least[0] = (
        ["" if is_above else "\n".join(lines) for lines in names],
        0 if is_above else min(room, natural),
    )
    above = names if is_above else [[]] * len(names)
    heads[0] = "" if is_above else heads[0]
    room -= least[0]
    for j, head in enumerate(heads):  # headings take fewer lines if there is room
        more = min(max(cells(head) - least[j], 0), room)
        room -= more
        least[j] += more
        heads[j] = "\n".join(wrapped(head, least[j]))
    rule = "\N{BOX DRAWINGS LIGHT HORIZONTAL}" * (sum(least) + GAP * len(least[1:]))
    is_left = [not j or column.format == "text" for j, column in enumerate(block.columns)]
    rows = zip(above, zip(*columns, strict=True), strict=True)
    # short headings stand right above the rule
    return [
        *(Line(line, HEADING) for line in _beside(heads, least, is_left, lowered=True)),
        Line(rule, DIM),
        *(Line(line) for lines, row in rows for line in [*lines, *_beside(row, least, is_left)]),
    ]


def _beside(
    texts: Sequence[str], widths: Sequence[int], is_left: Sequence[bool], *, lowered: bool = False
) -> list[str]:
    """Set texts of several lines beside one another, flush left or right."""
    columns = [text.split("\n") for text in texts]
    height = max(map(len, columns)) if lowered else 0
    lines = []
    for row in zip_longest(*([""] * (height - len(column)) + column for column in columns), fillvalue=""):
        parts = []
        for text, width, left in zip(row, widths, is_left, strict=True):
            blanks = " " * (width - cells(text))
            parts.append(text + blanks if left else blanks + text)
        lines.append((" " * GAP).join(parts).rstrip())
    return lines
