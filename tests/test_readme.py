"""Every example of the README runs as written."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"
TEXT = README.read_text(encoding="utf-8")
PYTHON = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
COMMANDS = re.findall(r"^chainrule .*$", TEXT, re.MULTILINE)


def test_readme_has_its_examples():
    assert len(PYTHON) == 1
    assert len(COMMANDS) == 5


def test_python_example_runs():
    done = subprocess.run([sys.executable, "-c", PYTHON[0]], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    promised = re.search(r"# (converged after [\d,]+ epochs)", PYTHON[0]).group(1)
    assert done.stdout.startswith(promised)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("readme")


@pytest.mark.parametrize("command", COMMANDS)
def test_command_runs(command, folder):
    arguments = [sys.executable, "-m", "chainrule", *shlex.split(command)[1:]]
    done = subprocess.run(
        arguments, capture_output=True, text=True, timeout=120, cwd=folder, env={**os.environ, "COLUMNS": "80"}
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout
    for flag in ("--out", "--report", "--svg"):
        if flag in arguments:
            assert (folder / arguments[arguments.index(flag) + 1]).stat().st_size > 0
