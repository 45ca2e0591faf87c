"""What the tests of the command line share."""

import re
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import pytest

from chainrule import InputError
from chainrule.cli import main
from chainrule.findings import SHELL, said_by, say

COMMAND = str(Path(sysconfig.get_path("scripts")) / "chainrule")
FIT = ("--target", "sex", "--drop", "year")


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Outcome]


def copy_penguins(folder: Path) -> Path:
    """Write the embedded penguins into a folder."""
    path = folder / "penguins.csv"
    path.write_bytes((files("chainrule") / "data" / "penguins.csv").read_bytes())
    return path


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command line in this process and return exit code, stdout and stderr."""
    monkeypatch.setenv("COLUMNS", "80")

    def run_it(*argv: object) -> Outcome:
        capfd.readouterr()
        code = main([str(word) for word in argv])
        out, err = capfd.readouterr()
        return Outcome(code, out, err)

    return run_it


@pytest.fixture
def penguins(tmp_path: Path) -> Path:
    return copy_penguins(tmp_path)


def assert_mistake(outcome: Outcome, *parts: str) -> None:
    """Exit code 2, stdout empty, and on stderr one sentence that has every part in it."""
    assert outcome.code == 2, outcome
    assert outcome.out == ""
    assert outcome.err.startswith("chainrule: ")
    assert outcome.err.count("\n") == 1, outcome.err
    assert "Traceback" not in outcome.err
    for part in parts:
        assert part in outcome.err


@contextmanager
def refused(words: str) -> Iterator[list[str]]:
    """One sentence, as the command line says it and as it is given, has these words in it."""
    said: list[str] = []
    with pytest.raises(InputError) as caught:
        yield said
    said.append(say(said_by(caught.value), SHELL))
    assert re.search(words, said[0]), said
