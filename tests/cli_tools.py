"""What the tests of the command line share."""

import shutil
from collections.abc import Callable
from importlib.resources import as_file, files
from pathlib import Path
from typing import NamedTuple

import pytest

from chainrule.cli import main


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Outcome]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """Run the command line in this process and return exit code, stdout and stderr."""

    def run_it(*argv: object) -> Outcome:
        capfd.readouterr()
        code = main([str(word) for word in argv])
        out, err = capfd.readouterr()
        return Outcome(code, out, err)

    return run_it


@pytest.fixture
def penguins(tmp_path: Path) -> Path:
    """Copy the embedded penguins into the test's folder."""
    with as_file(files("chainrule") / "data" / "penguins.csv") as source:
        return Path(shutil.copy(source, tmp_path / "penguins.csv"))


def assert_mistake(outcome: Outcome, *parts: str) -> None:
    """Exit code 2, stdout empty, and on stderr one sentence that has every part in it."""
    assert outcome.code == 2, outcome
    assert outcome.out == ""
    assert outcome.err.startswith("chainrule: ")
    assert outcome.err.count("\n") == 1, outcome.err
    assert "Traceback" not in outcome.err
    for part in parts:
        assert part in outcome.err
