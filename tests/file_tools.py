"""What the tests of files share."""

from chainrule.data.dialects import Dialect
from chainrule.data.files import Source, read_table


def found(path, **asked):
    """Read a file; return the table and what was said, without the folder."""
    said = []
    table = read_table(Source([str(path)], Dialect.asked(**asked), said.append))
    return table, [line.replace(f"{path.parent}/", "") for line in said]


def of_text(folder, text, name="t.csv", **asked):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return found(path, **asked)
