"""The command line: `chainrule demo | fit | play | certify | predict | evaluate | explain | study`.

Exit codes: 0 done, perhaps with warnings; 2 the user's mistake, explained in one sentence; 3 for `fit --strict`, stopped
before `tol` or done with a warning, and for `certify --tol`, not proven to be that near; 130 stopped by Ctrl-C.

Options are parsed with typer and rich alone; modules that compute or draw are imported only by commands that need them.
"""

import sys
from collections.abc import Sequence

SCHEMA_VERSION = 1  # of the documents that --json prints
DONE = 0
MISTAKE = 2
NOT_STRICT = 3
INTERRUPTED = 130

__all__ = ["DONE", "INTERRUPTED", "MISTAKE", "NOT_STRICT", "SCHEMA_VERSION", "main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; `argv` defaults to the process's own arguments."""
    try:
        from chainrule.cli.app import app
        from chainrule.cli.running import run
    except KeyboardInterrupt:  # Ctrl-C while the first modules load
        return INTERRUPTED
    return run(app, sys.argv[1:] if argv is None else argv)
