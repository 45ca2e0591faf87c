"""Every example of the README runs as written."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"
TEXT = README.read_text(encoding="utf-8")
PYTHON = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
COMMANDS = re.findall(r"^chainrule .*$", TEXT, re.MULTILINE)


def test_readme_has_its_examples():
    assert len(PYTHON) == 1
    assert len(COMMANDS) == 6


def test_python_example_runs():
    done = subprocess.run([sys.executable, "-c", PYTHON[0]], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    promised = re.search(r"# (converged after .*?)(?: \.\.\.)?\n", PYTHON[0]).group(1)
    assert done.stdout.startswith(promised)


def test_commands_run_one_after_the_other(tmp_path):
    for command in COMMANDS:
        arguments = [sys.executable, "-m", "chainrule", *shlex.split(command)[1:]]
        env = {**os.environ, "COLUMNS": "80"}
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=120, cwd=tmp_path, env=env)
        assert done.returncode == 0, (command, done.stderr)
        assert done.stdout, command
        # git ignores this folder: the examples leave the checkout as it was
        assert [path.name for path in tmp_path.iterdir()] == ["demo"], command
        for flag in ("--out", "--report", "--svg"):
            if flag in arguments:
                assert (tmp_path / arguments[arguments.index(flag) + 1]).stat().st_size > 0
